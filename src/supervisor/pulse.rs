//! Whether children that serve still answer.
//!
//! Each is asked how it stands every few seconds; its thread for orders answers without the help of any other. What counts are
//! questions without an answer, not the time on a clock: when the whole machine, the container or the parent was suspended, one question at
//! most has gone unanswered. A child that is held by a debugger or writes its core is left alone.

#![forbid(unsafe_code)]

use std::fs;
use std::time::{Duration, Instant};

use super::child::Stage;
use super::{Blueprint, Supervisor};
use crate::control::Order;

/// How often children are asked; a question costs one short message in each direction.
const INTERVAL: Duration = Duration::from_secs(5);
/// The pause between two questions to go with a limit that is shorter than some of those above.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// So many questions fit into the limit: a child is not judged by a single one.
const QUESTIONS: u32 = 6;
/// The number of such a question; others have numbers from 1.
const NUMBER: u64 = 0;
/// The wish for a successor of a child that does not answer.
pub(super) const UNRESPONSIVE: &str = "unresponsive";

/// What a child owes.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// When it was asked and has said nothing since.
    owes_since: Option<Instant>,
    /// Questions of this module since then.
    missed: u32,
}

impl Pulse {
    /// It was asked something that it has to answer.
    pub(super) fn asked(&mut self, now: Instant) {
        self.owes_since.get_or_insert(now);
    }

    /// It said something.
    pub(super) fn heard(&mut self) {
        *self = Self::default();
    }

    /// How long it has owed an answer.
    pub(super) fn owes(&self) -> Option<Duration> {
        self.owes_since.map(|since| since.elapsed())
    }
}

fn interval(limit: Option<Duration>) -> Duration {
    limit.map_or(INTERVAL, |limit| (limit / QUESTIONS).clamp(SHORTEST_INTERVAL, INTERVAL))
}

/// Questions in a row without an answer after which a child counts as wedged.
fn most_missed(limit: Duration) -> u32 {
    let questions = limit.as_millis().div_ceil(interval(Some(limit)).as_millis());
    u32::try_from(questions).unwrap_or(u32::MAX).max(1)
}

impl<B: Blueprint> Supervisor<B> {
    /// Asks children that serve how they stand, and has those replaced that have not answered for too long.
    pub(super) fn watch_pulse(&mut self, now: Instant) {
        if now < self.pulse_due {
            return;
        }
        let limit = self.current.plan.unresponsive;
        // Counted from now: time that passed while nobody looked is no reason to ask twice.
        self.pulse_due = now + interval(limit);
        for child in self.children.values_mut().filter(|child| child.stage == Stage::Serving && child.status.is_none())
        {
            if child.pulse.missed > 0 && is_held(child.process.pid) {
                child.pulse.missed = 0;
            }
            if let Some(limit) = limit.filter(|limit| child.pulse.missed >= most_missed(*limit))
                && child.wish.is_none()
            {
                let detail = format!(
                    "it has not answered for {} s, process.unresponsive is {} s",
                    child.pulse.owes().unwrap_or_default().as_secs(),
                    limit.as_secs()
                );
                child.wish = Some((UNRESPONSIVE.to_owned(), detail, now));
            }
            child.order(Order::Snapshot { id: NUMBER, checks: false });
            child.pulse.asked(now);
            child.pulse.missed = child.pulse.missed.saturating_add(1);
        }
    }
}

/// Whether somebody holds a process on purpose: a debugger, or the kernel that writes its core.
fn is_held(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| says_held(&status))
}

/// `TracerPid` and `CoreDumping` of `/proc/PID/status` (proc_pid_status(5)).
fn says_held(status: &str) -> bool {
    let fields = status.lines().filter_map(|line| line.split_once(':'));
    fields.filter(|(name, _)| matches!(*name, "TracerPid" | "CoreDumping")).any(|(_, value)| value.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_questions_in_a_row() {
        let seconds = Duration::from_secs;
        assert_eq!((interval(None), interval(Some(seconds(30))), most_missed(seconds(30))), (INTERVAL, INTERVAL, 6));
        assert_eq!((interval(Some(seconds(600))), most_missed(seconds(600))), (INTERVAL, 120));
        assert_eq!((interval(Some(seconds(3))), most_missed(seconds(3))), (seconds(3) / 6, 6));
        assert_eq!(most_missed(Duration::from_millis(1)), 1);
    }

    #[test]
    fn a_word_settles_what_is_owed() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.owes(), None);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(1)).expect("a second ago");
        pulse.asked(long_ago);
        pulse.asked(Instant::now());
        assert!(pulse.owes().is_some_and(|owed| owed >= Duration::from_secs(1)), "the first question counts");
        pulse.heard();
        assert_eq!(pulse.owes(), None);
    }

    #[test]
    fn who_is_held_is_told_by_the_kernel() {
        assert!(!says_held("Name:\tx\nTracerPid:\t0\nCoreDumping:\t0\n"));
        assert!(says_held("Name:\tx\nTracerPid:\t42\n"));
        assert!(says_held("TracerPid:\t0\nCoreDumping:\t1\n"));
        assert!(!is_held(0));
    }
}
