//! The life of a slot: one state, one pure transition function.
//!
//! ```text
//! Starting  --Launched-->     Booting
//! Starting  --Ended-->        Crashed
//! Booting   --Acknowledged--> Idle
//! Booting   --Ended-->        Crashed
//! Idle      --Assigned-->     Busy
//! Idle      --Dismissed-->    Draining
//! Idle      --Ended-->        Crashed
//! Busy      --Responded-->    Resetting
//! Busy      --Acknowledged--> Idle
//! Busy      --Ended-->        Crashed
//! Resetting --Responded-->    Resetting
//! Resetting --Acknowledged--> Idle
//! Resetting --Ended-->        Crashed
//! Draining  --Ended-->        Stopped
//! Crashed   --Replaced-->     Starting
//! Crashed   --Delayed-->      Backoff
//! Crashed   --Retired-->      Stopped
//! Backoff   --Replaced-->     Starting
//! Backoff   --Retired-->      Stopped
//! ```
//!
//! A test reads this table and compares it with the function over all states and events. Two edges want a word:
//! `Busy --Acknowledged--> Idle` is a request whose client had gone before a response could leave;
//! `Resetting --Responded--> Resetting` is a script that finished its response early and then ended normally.

#![forbid(unsafe_code)]

/// What the incarnation in a slot is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// Its thread is being created.
    Starting,
    /// The script runs and has not reached its loop.
    Booting,
    /// It waits for a request.
    Idle,
    /// It has a request and the response has not left.
    Busy,
    /// The response has left; terminate and reset are running.
    Resetting,
    /// It was told to leave its loop and has not ended.
    Draining,
    /// It ended without having been told to.
    Crashed,
    /// The slot is empty for a while, because its last incarnation came to nothing.
    Backoff,
    /// The slot is empty for good.
    Stopped,
}

/// What can happen to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The thread of an incarnation runs.
    Launched,
    /// The script stands at its loop boundary, clean.
    Acknowledged,
    /// It got a request.
    Assigned,
    /// The response has left.
    Responded,
    /// It was told to leave its loop.
    Dismissed,
    /// Its thread has ended, or could not be created.
    Ended,
    /// The replacement has to wait.
    Delayed,
    /// The replacement is being created.
    Replaced,
    /// There will be no replacement.
    Retired,
}

impl WorkerState {
    /// All states.
    pub const ALL: [Self; 9] = [
        Self::Starting,
        Self::Booting,
        Self::Idle,
        Self::Busy,
        Self::Resetting,
        Self::Draining,
        Self::Crashed,
        Self::Backoff,
        Self::Stopped,
    ];

    /// The value of the label `state` in metrics and status pages.
    pub fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Booting => "booting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Resetting => "resetting",
            Self::Draining => "draining",
            Self::Crashed => "crashed",
            Self::Backoff => "backoff",
            Self::Stopped => "stopped",
        }
    }
}

impl Event {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Launched => "launched",
            Self::Acknowledged => "acknowledged",
            Self::Assigned => "assigned",
            Self::Responded => "responded",
            Self::Dismissed => "dismissed",
            Self::Ended => "ended",
            Self::Delayed => "delayed",
            Self::Replaced => "replaced",
            Self::Retired => "retired",
        }
    }
}

/// The state after an event, or `None` if the event cannot happen in that state.
#[must_use]
pub(super) fn next(state: WorkerState, event: Event) -> Option<WorkerState> {
    use WorkerState::{Backoff, Booting, Busy, Crashed, Draining, Idle, Resetting, Starting, Stopped};
    match (state, event) {
        (Starting, Event::Launched) => Some(Booting),
        (Booting | Busy | Resetting, Event::Acknowledged) => Some(Idle),
        (Idle, Event::Assigned) => Some(Busy),
        (Busy | Resetting, Event::Responded) => Some(Resetting),
        (Idle, Event::Dismissed) => Some(Draining),
        (Starting | Booting | Idle | Busy | Resetting, Event::Ended) => Some(Crashed),
        (Draining, Event::Ended) => Some(Stopped),
        (Crashed, Event::Delayed) => Some(Backoff),
        (Crashed | Backoff, Event::Replaced) => Some(Starting),
        (Crashed | Backoff, Event::Retired) => Some(Stopped),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const EVENTS: [Event; 9] = [
        Event::Launched,
        Event::Acknowledged,
        Event::Assigned,
        Event::Responded,
        Event::Dismissed,
        Event::Ended,
        Event::Delayed,
        Event::Replaced,
        Event::Retired,
    ];

    /// The edges that the module's documentation draws.
    fn documented() -> BTreeSet<String> {
        include_str!("state.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! "))
            .filter(|line| line.contains("-->") && line.starts_with(char::is_uppercase))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn the_diagram_is_the_function() {
        let mut actual = BTreeSet::new();
        for state in WorkerState::ALL {
            for event in EVENTS {
                if let Some(after) = next(state, event) {
                    actual.insert(format!("{state:?} --{event:?}--> {after:?}"));
                }
            }
        }
        assert_eq!(actual, documented());
        assert_eq!(actual.len(), 19, "the diagram has been found in the source");
    }

    #[test]
    fn stopped_is_the_only_end_and_everything_reaches_it() {
        for start in WorkerState::ALL {
            let mut reached = vec![start];
            let mut index = 0;
            while let Some(state) = reached.get(index).copied() {
                for after in EVENTS.into_iter().filter_map(|event| next(state, event)) {
                    if !reached.contains(&after) {
                        reached.push(after);
                    }
                }
                index += 1;
            }
            assert!(reached.contains(&WorkerState::Stopped), "{start:?}");
            assert_eq!(reached.len() == 1, start == WorkerState::Stopped, "{start:?} is a dead end");
        }
    }

    #[test]
    fn only_a_clean_boundary_makes_idle() {
        for state in WorkerState::ALL {
            for event in EVENTS {
                if next(state, event) == Some(WorkerState::Idle) {
                    assert_eq!(event, Event::Acknowledged);
                }
            }
        }
    }
}
