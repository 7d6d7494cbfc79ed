//! The life of an incarnation and of the seat it leaves: one state, one pure transition function.
//!
//! ```text
//! Starting    --Launched-->     Booting
//! Starting    --Ended-->        Crashed
//! Booting     --Acknowledged--> Idle
//! Booting     --Parked-->       Standby
//! Booting     --Dismissed-->    Draining
//! Booting     --Expired-->      TimedOut
//! Booting     --Ended-->        Crashed
//! Standby     --Seated-->       Idle
//! Standby     --Dismissed-->    Draining
//! Standby     --Ended-->        Crashed
//! Idle        --Assigned-->     Busy
//! Idle        --Tended-->       Resetting
//! Idle        --Dismissed-->    Draining
//! Idle        --Ended-->        Crashed
//! Busy        --Responded-->    Resetting
//! Busy        --Returned-->     Resetting
//! Busy        --Acknowledged--> Idle
//! Busy        --Parked-->       Standby
//! Busy        --Dismissed-->    Draining
//! Busy        --Expired-->      TimedOut
//! Busy        --Ended-->        Crashed
//! Resetting   --Responded-->    Resetting
//! Resetting   --Returned-->     Resetting
//! Resetting   --Acknowledged--> Idle
//! Resetting   --Parked-->       Standby
//! Resetting   --Dismissed-->    Draining
//! Resetting   --Expired-->      TimedOut
//! Resetting   --Ended-->        Crashed
//! TimedOut    --Responded-->    TimedOut
//! TimedOut    --Returned-->     TimedOut
//! TimedOut    --Struck-->       Interrupted
//! TimedOut    --Dismissed-->    Draining
//! TimedOut    --Abandoned-->    Stuck
//! TimedOut    --Ended-->        Stopped
//! Interrupted --Responded-->    Interrupted
//! Interrupted --Returned-->     Interrupted
//! Interrupted --Struck-->       Interrupted
//! Interrupted --Dismissed-->    Draining
//! Interrupted --Abandoned-->    Stuck
//! Interrupted --Ended-->        Stopped
//! Stuck       --Responded-->    Stuck
//! Stuck       --Returned-->     Stuck
//! Stuck       --Struck-->       Stuck
//! Stuck       --Dismissed-->    Draining
//! Stuck       --Ended-->        Stopped
//! Draining    --Expired-->      TimedOut
//! Draining    --Ended-->        Stopped
//! Crashed     --Replaced-->     Starting
//! Crashed     --Delayed-->      Backoff
//! Crashed     --Retired-->      Stopped
//! Backoff     --Replaced-->     Starting
//! Backoff     --Retired-->      Stopped
//! ```
//!
//! A test reads this table and compares it with the function over all states and events. Some edges want a word:
//! `Busy --Acknowledged--> Idle` is a request whose client had gone before a response could leave;
//! `Resetting --Responded--> Resetting` is a script that finished its response early and then ended normally;
//! `Busy --Parked--> Standby` and `Resetting --Parked--> Standby` are a worker that has had its last request while its successor boots;
//! `Idle --Tended--> Resetting` is a worker that does something for itself while nobody asks for anything;
//! the loops at the timeout states are a thread that goes on as if it had time, and `Dismissed` there is one that came back to its loop
//! after all: it is sent away, never to serve again.

#![forbid(unsafe_code)]

/// What an incarnation is doing; for a seat whose incarnation has ended, what becomes of the seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// Its thread is being created.
    Starting,
    /// The script runs and has not reached its loop.
    Booting,
    /// It stands at its loop and takes nothing: it waits for the one it will replace, or, after its last request, for its successor.
    Standby,
    /// It waits for a request.
    Idle,
    /// It has a request and the response has not left.
    Busy,
    /// The response has left; terminate and reset are running.
    Resetting,
    /// It was told to leave its loop and has not ended.
    Draining,
    /// It has passed a deadline. It serves nobody any more.
    TimedOut,
    /// It has passed a deadline, was interrupted, and has not given way yet.
    Interrupted,
    /// It did not give way in time: nobody waits for it any more, but its thread is still there.
    Stuck,
    /// It ended without having been told to.
    Crashed,
    /// The seat is empty for a while, because its last incarnation came to nothing.
    Backoff,
    /// It has ended as it was told to, or the seat is empty for good.
    Stopped,
}

/// What can happen to an incarnation.
#[allow(
    dead_code,
    reason = "deadlines and idle care are told by the watchdog and the idle clock, which build on this table"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The thread of an incarnation runs.
    Launched,
    /// The script stands at its loop boundary, clean.
    Acknowledged,
    /// A successor has reached its loop while the other one still serves, or the other one has had its last request before that.
    Parked,
    /// A successor takes the seat, or one that has waited for its successor in vain serves on.
    Seated,
    /// It got a request.
    Assigned,
    /// It got something to do for itself.
    Tended,
    /// The response has left.
    Responded,
    /// The script has come back to its loop; its reset begins.
    Returned,
    /// It was told to leave its loop.
    Dismissed,
    /// A deadline has passed.
    Expired,
    /// It was interrupted.
    Struck,
    /// It did not give way in time.
    Abandoned,
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
    pub const ALL: [Self; 13] = [
        Self::Starting,
        Self::Booting,
        Self::Standby,
        Self::Idle,
        Self::Busy,
        Self::Resetting,
        Self::Draining,
        Self::TimedOut,
        Self::Interrupted,
        Self::Stuck,
        Self::Crashed,
        Self::Backoff,
        Self::Stopped,
    ];

    /// The value of the label `state` in metrics and status pages.
    pub fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Booting => "booting",
            Self::Standby => "standby",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Resetting => "resetting",
            Self::Draining => "draining",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
            Self::Stuck => "stuck",
            Self::Crashed => "crashed",
            Self::Backoff => "backoff",
            Self::Stopped => "stopped",
        }
    }

    /// Whether it has passed a deadline: nobody waits for it, and it never serves again.
    pub fn is_overdue(self) -> bool {
        matches!(self, Self::TimedOut | Self::Interrupted | Self::Stuck)
    }

    /// Whether it serves requests, now or when it is done with the one it has.
    pub fn is_serving(self) -> bool {
        matches!(self, Self::Idle | Self::Busy | Self::Resetting)
    }

    /// Whether its thread has ended.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Crashed | Self::Backoff | Self::Stopped)
    }
}

impl Event {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Launched => "launched",
            Self::Acknowledged => "acknowledged",
            Self::Parked => "parked",
            Self::Seated => "seated",
            Self::Assigned => "assigned",
            Self::Tended => "tended",
            Self::Responded => "responded",
            Self::Returned => "returned",
            Self::Dismissed => "dismissed",
            Self::Expired => "expired",
            Self::Struck => "struck",
            Self::Abandoned => "abandoned",
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
    use WorkerState::{
        Backoff, Booting, Busy, Crashed, Draining, Idle, Interrupted, Resetting, Standby, Starting, Stopped, Stuck,
        TimedOut,
    };
    match (state, event) {
        (Starting, Event::Launched) => Some(Booting),
        (Booting | Busy | Resetting, Event::Parked) => Some(Standby),
        (Standby, Event::Seated) | (Booting | Busy | Resetting, Event::Acknowledged) => Some(Idle),
        (Idle, Event::Assigned) => Some(Busy),
        (Idle, Event::Tended) | (Busy | Resetting, Event::Responded | Event::Returned) => Some(Resetting),
        (TimedOut | Interrupted | Stuck, Event::Responded | Event::Returned) | (Interrupted | Stuck, Event::Struck) => {
            Some(state)
        }
        (Booting | Standby | Idle | Busy | Resetting | TimedOut | Interrupted | Stuck, Event::Dismissed) => {
            Some(Draining)
        }
        (Booting | Busy | Resetting | Draining, Event::Expired) => Some(TimedOut),
        (TimedOut, Event::Struck) => Some(Interrupted),
        (TimedOut | Interrupted, Event::Abandoned) => Some(Stuck),
        (Starting | Booting | Standby | Idle | Busy | Resetting, Event::Ended) => Some(Crashed),
        (Draining | TimedOut | Interrupted | Stuck, Event::Ended) | (Crashed | Backoff, Event::Retired) => {
            Some(Stopped)
        }
        (Crashed, Event::Delayed) => Some(Backoff),
        (Crashed | Backoff, Event::Replaced) => Some(Starting),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const EVENTS: [Event; 16] = [
        Event::Launched,
        Event::Acknowledged,
        Event::Parked,
        Event::Seated,
        Event::Assigned,
        Event::Tended,
        Event::Responded,
        Event::Returned,
        Event::Dismissed,
        Event::Expired,
        Event::Struck,
        Event::Abandoned,
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
        assert_eq!(actual.len(), 52, "the diagram has been found in the source");
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
    fn only_a_clean_boundary_or_a_seat_makes_idle() {
        for state in WorkerState::ALL {
            for event in EVENTS {
                if next(state, event) == Some(WorkerState::Idle) {
                    assert!(matches!(event, Event::Acknowledged | Event::Seated), "{state:?} {event:?}");
                }
            }
        }
    }

    #[test]
    fn who_is_overdue_never_serves_again() {
        for start in WorkerState::ALL.into_iter().filter(|state| state.is_overdue()) {
            for after in EVENTS.into_iter().filter_map(|event| next(start, event)) {
                assert!(
                    after.is_overdue() || matches!(after, WorkerState::Draining | WorkerState::Stopped),
                    "{after:?}"
                );
            }
        }
    }
}
