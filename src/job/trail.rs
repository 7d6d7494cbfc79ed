//! What a request leaves behind for those who count and report: when what happened, and what came of it.
//!
//! It lives in the one allocation that both sides of a reply share. `http` makes it and keeps a handle, also beyond the request itself; the
//! worker's thread writes to it while it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::time::Instant;

use super::reply::{Ending, Fault, Shared};
use super::route::Route;
use super::timeline::Timeline;

/// What became of a request that a worker had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The script has answered.
    Whole,
    /// The script failed.
    Failed(Fault),
    /// Its time was over before its end; the client has been told, or its answer broken off.
    Timeout,
    /// The worker went away without an answer.
    Lost,
}

impl Outcome {
    /// The value of the label or field `outcome`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Whole => "ok",
            Self::Failed(Fault::Uncaught) => "uncaught",
            Self::Failed(Fault::Fatal) => "fatal",
            Self::Failed(Fault::Exit) => "exit",
            Self::Timeout => "timeout",
            Self::Lost => "worker_lost",
        }
    }

    /// All members, in the order of their indices.
    pub const ALL: [Self; 6] = [
        Self::Whole,
        Self::Failed(Fault::Uncaught),
        Self::Failed(Fault::Fatal),
        Self::Failed(Fault::Exit),
        Self::Timeout,
        Self::Lost,
    ];

    /// The place in [`Outcome::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Failed(Fault::Uncaught) => 1,
            Self::Failed(Fault::Fatal) => 2,
            Self::Failed(Fault::Exit) => 3,
            Self::Timeout => 4,
            Self::Lost => 5,
        }
    }
}

impl From<Ending> for Outcome {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Whole => Self::Whole,
            Ending::Failed(fault) => Self::Failed(fault),
        }
    }
}

/// A handle to what is noted about one request. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Trail(pub(super) Arc<Shared>);

impl Trail {
    /// Of a request that was accepted then.
    pub fn new(accepted: Instant) -> Self {
        Self(Shared::new(accepted))
    }

    /// When what happened to it.
    pub fn timeline(&self) -> &Timeline {
        &self.0.notes.timeline
    }

    /// Status of the answer that the client got, as far as the worker's side knows; `None` before there is one.
    pub fn status(&self) -> Option<u16> {
        Some(self.0.notes.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// The route that the application has named.
    pub fn route(&self) -> Route {
        Route::at(self.0.notes.route.load(Ordering::Relaxed))
    }

    /// The application names its route; the last word counts.
    pub fn set_route(&self, route: Route) {
        self.0.notes.route.store(route.number(), Ordering::Relaxed);
    }

    /// What became of it; `None` before its end.
    pub fn outcome(&self) -> Option<Outcome> {
        let place = usize::from(self.0.notes.outcome.load(Ordering::Relaxed));
        Outcome::ALL.get(place.checked_sub(1)?).copied()
    }
}

/// What is noted.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) timeline: Timeline,
    status: AtomicU16,
    outcome: AtomicU8,
    route: AtomicU16,
}

impl Notes {
    pub(super) fn new(accepted: Instant) -> Self {
        Self {
            timeline: Timeline::new(accepted),
            status: AtomicU16::new(0),
            outcome: AtomicU8::new(0),
            route: AtomicU16::new(Route::NONE.number()),
        }
    }

    /// What the client is told. There is one answer to a request.
    pub(super) fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// What became of it; the first word counts, since a script that was cut off goes on to say how it ended.
    pub(super) fn ended(&self, outcome: Outcome) {
        // 0 is kept for none.
        let place = u8::try_from(outcome.index() + 1).unwrap_or_default();
        // Whether somebody was first is all there is to know.
        self.outcome.compare_exchange(0, place, Ordering::Relaxed, Ordering::Relaxed).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_outcome_counts() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.index(), index);
            let trail = Trail::new(Instant::now());
            assert_eq!((trail.outcome(), trail.status()), (None, None));
            trail.0.notes.ended(outcome);
            trail.0.notes.ended(Outcome::Lost);
            trail.0.notes.answered(204);
            assert_eq!((trail.outcome(), trail.status()), (Some(outcome), Some(204)), "{}", outcome.label());
        }
    }
}
