//! What a pool counts over its life. Served requests are counted by their workers, off any shared cache line.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use super::scale::Direction;
use crate::job::{Cause, Exit};
use crate::telemetry::{Histogram, RecycleReason, Rejection};

/// Why an incarnation ended without having been told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartCause {
    /// It did not reach its loop.
    BootFailed,
    /// `exit` or `die`.
    Exit,
    /// The script left its loop and returned.
    Returned,
    /// A fatal error.
    Fatal,
    /// A throwable outside the request handler.
    Uncaught,
    /// A panic in Rust code.
    Panic,
    /// The script ended in the middle of a reset.
    ResetFailed,
    /// The script found a way past the reset.
    ResetMissing,
}

impl RestartCause {
    /// All members, in the order of their discriminants.
    pub const ALL: [Self; 8] = [
        Self::BootFailed,
        Self::Exit,
        Self::Returned,
        Self::Fatal,
        Self::Uncaught,
        Self::Panic,
        Self::ResetFailed,
        Self::ResetMissing,
    ];

    /// The value of the label `cause` in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::BootFailed => "boot_failed",
            Self::Exit => Cause::Exit.label(),
            Self::Returned => Cause::Returned.label(),
            Self::Fatal => Cause::Fatal.label(),
            Self::Uncaught => Cause::Uncaught.label(),
            Self::Panic => "panic",
            Self::ResetFailed => Cause::ResetFailed.label(),
            Self::ResetMissing => Cause::ResetMissing.label(),
        }
    }

    /// The reason a recycled incarnation is counted under; `None` for those that are no recycling.
    pub(super) fn reason(self) -> Option<RecycleReason> {
        match self {
            Self::BootFailed => None,
            Self::Panic => Some(RecycleReason::Crash),
            Self::Exit | Self::Returned => Some(RecycleReason::Exit),
            Self::Fatal | Self::Uncaught => Some(RecycleReason::Fatal),
            Self::ResetFailed => Some(RecycleReason::ResetFailed),
            Self::ResetMissing => Some(RecycleReason::ResetMissing),
        }
    }

    /// What the end of an incarnation that nobody stopped amounts to.
    pub(super) fn of(exit: &Exit, booted: bool) -> Self {
        match exit {
            Exit::Panicked { .. } => Self::Panic,
            Exit::BootFailed { .. } => Self::BootFailed,
            Exit::Stopped | Exit::Ended(_) if !booted => Self::BootFailed,
            Exit::Ended(Cause::Exit) => Self::Exit,
            Exit::Ended(Cause::Fatal) => Self::Fatal,
            Exit::Ended(Cause::Uncaught) => Self::Uncaught,
            Exit::Ended(Cause::ResetFailed) => Self::ResetFailed,
            Exit::Ended(Cause::ResetMissing) => Self::ResetMissing,
            // A runtime that says it was told to stop, and was not, has left its loop all the same.
            Exit::Ended(Cause::Returned) | Exit::Stopped => Self::Returned,
        }
    }
}

/// The counters of one pool.
#[derive(Debug, Default)]
pub(super) struct Counters {
    rejected: [AtomicU64; Rejection::ALL.len()],
    restarts: [AtomicU64; RestartCause::ALL.len()],
    recycles: [AtomicU64; RecycleReason::ALL.len()],
    scaled: [AtomicU64; Direction::ALL.len()],
    abandoned: AtomicU64,
    /// Warmers of the application that have failed.
    pub(super) warmers_failed: AtomicU64,
    /// Time of boots.
    pub(super) boots: Histogram,
    /// Time from the decision to replace an incarnation until its successor has booted.
    pub(super) successions: Histogram,
}

impl Counters {
    pub(super) fn reject(&self, cause: Rejection) {
        self.rejected[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn restart(&self, cause: RestartCause) {
        self.restarts[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn recycle(&self, reason: RecycleReason) {
        self.recycles[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn scale(&self, direction: Direction) {
        self.scaled[direction as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn scaled(&self) -> Vec<(Direction, u64)> {
        Direction::ALL.into_iter().zip(self.scaled.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }

    pub(super) fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn rejected(&self) -> Vec<(Rejection, u64)> {
        Rejection::ALL.into_iter().zip(self.rejected.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }

    pub(super) fn restarts(&self) -> Vec<(RestartCause, u64)> {
        RestartCause::ALL.into_iter().zip(self.restarts.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }

    pub(super) fn recycles(&self) -> Vec<(RecycleReason, u64)> {
        RecycleReason::ALL.into_iter().zip(self.recycles.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }

    pub(super) fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_listed_in_order() {
        for (index, cause) in RestartCause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }

    #[test]
    fn ends_of_incarnations() {
        let message = String::new;
        let cases = [
            (Exit::BootFailed { message: message() }, true, RestartCause::BootFailed),
            (Exit::Ended(Cause::Exit), false, RestartCause::BootFailed),
            (Exit::Ended(Cause::Exit), true, RestartCause::Exit),
            (Exit::Ended(Cause::Fatal), true, RestartCause::Fatal),
            (Exit::Ended(Cause::Uncaught), true, RestartCause::Uncaught),
            (Exit::Ended(Cause::Returned), true, RestartCause::Returned),
            (Exit::Stopped, true, RestartCause::Returned),
            (Exit::Stopped, false, RestartCause::BootFailed),
            (Exit::Panicked { message: message() }, false, RestartCause::Panic),
        ];
        for (exit, booted, expected) in cases {
            assert_eq!(RestartCause::of(&exit, booted), expected, "{exit:?}, booted: {booted}");
        }
    }
}
