//! What is to be done about a slot: one pure decision, taken again and again until there is nothing left to do.

#![forbid(unsafe_code)]

use std::time::Instant;

use super::incarnation::Sight;
use super::state::WorkerState;

/// What the keeper does next about a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Start an incarnation in the empty seat.
    Start,
    /// Start a successor beside the incarnation that has the seat.
    Prepare,
    /// The incarnation in the seat serves nobody after the one it has: let it go.
    Unseat,
    /// The successor takes the empty seat, booted or not.
    Inherit,
    /// The successor takes the seat from the incarnation that has it, which leaves at its boundary.
    Replace,
    /// The successor is needed no more.
    Forgo,
    /// The seat stays empty for good.
    Retire,
}

/// A slot at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    pub(super) seat: Option<Sight>,
    pub(super) successor: Option<Sight>,
    /// The pool wants somebody in this slot.
    pub(super) wanted: bool,
    /// The next attempt may not be made before.
    pub(super) retry_at: Option<Instant>,
    /// Another successor may boot now.
    pub(super) may_prepare: bool,
    pub(super) now: Instant,
}

/// What to do, if anything.
#[must_use]
pub(super) fn act(outlook: &Outlook) -> Option<Act> {
    let in_time = outlook.retry_at.is_none_or(|at| at <= outlook.now);
    let parked = outlook.successor.is_some_and(|sight| sight.state == WorkerState::Standby);
    if !outlook.wanted {
        let waits = outlook.seat.is_some_and(|sight| sight.state == WorkerState::Backoff);
        return if parked {
            Some(Act::Forgo)
        } else if waits {
            Some(Act::Retire)
        } else {
            None
        };
    }
    match outlook.seat {
        None | Some(Sight { state: WorkerState::Backoff, .. }) => {
            if outlook.successor.is_some() {
                Some(Act::Inherit)
            } else {
                in_time.then_some(Act::Start)
            }
        }
        // Others are about to say what becomes of it.
        Some(seat) if seat.state.has_ended() => None,
        Some(seat) if has_left(&seat) => Some(Act::Unseat),
        Some(seat) => {
            let leaves = seat.due.is_some() || seat.last;
            match outlook.successor {
                Some(_) if parked && leaves => Some(Act::Replace),
                None if (leaves || seat.ahead) && outlook.may_prepare && in_time => Some(Act::Prepare),
                _ => None,
            }
        }
    }
}

/// Whether an incarnation will take no further request.
fn has_left(seat: &Sight) -> bool {
    seat.state == WorkerState::Draining || seat.state.is_overdue() || (seat.last && !seat.held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::RecycleReason;

    fn sight(state: WorkerState) -> Option<Sight> {
        let now = Instant::now();
        Some(Sight {
            state,
            since: now,
            started: now,
            booted: None,
            requests: 0,
            last: false,
            ahead: false,
            held: false,
            due: None,
            overdue: None,
        })
    }

    fn outlook(seat: Option<Sight>, successor: Option<Sight>) -> Outlook {
        Outlook { seat, successor, wanted: true, retry_at: None, may_prepare: true, now: Instant::now() }
    }

    #[test]
    fn what_is_done_about_a_slot() {
        use WorkerState::{Backoff, Booting, Busy, Crashed, Draining, Idle, Standby, Stopped, Stuck, TimedOut};
        let due = |state| sight(state).map(|sight| Sight { due: Some(RecycleReason::MaxUptime), ..sight });
        let last = |state| sight(state).map(|sight| Sight { last: true, ..sight });
        let held = |state| sight(state).map(|sight| Sight { last: true, held: true, ..sight });
        let ahead = |state| sight(state).map(|sight| Sight { ahead: true, ..sight });
        let cases = [
            ("an empty seat is filled", None, None, Some(Act::Start)),
            ("by a successor if there is one", None, sight(Booting), Some(Act::Inherit)),
            ("in back-off too", sight(Backoff), sight(Standby), Some(Act::Inherit)),
            ("all is well", sight(Idle), None, None),
            ("nobody is started for one that boots", sight(Booting), None, None),
            ("a reason starts a successor", due(Busy), None, Some(Act::Prepare)),
            ("one is enough", due(Busy), sight(Booting), None),
            ("which replaces when it has booted", due(Busy), sight(Standby), Some(Act::Replace)),
            ("booted ahead of the last request", ahead(Busy), None, Some(Act::Prepare)),
            ("and waits for it", ahead(Idle), sight(Standby), None),
            ("the last request frees the seat", last(Busy), sight(Standby), Some(Act::Unseat)),
            ("whoever is there or not", last(Busy), None, Some(Act::Unseat)),
            ("but for one whose successor does not boot", held(Busy), None, Some(Act::Prepare)),
            ("who is replaced when it does", held(Busy), sight(Standby), Some(Act::Replace)),
            ("who leaves is let go", sight(Draining), None, Some(Act::Unseat)),
            ("who is overdue too", sight(TimedOut), None, Some(Act::Unseat)),
            ("stuck or not", sight(Stuck), sight(Booting), Some(Act::Unseat)),
            ("an end is told by others", sight(Crashed), None, None),
            ("an end for good is one", sight(Stopped), None, None),
        ];
        for (name, seat, successor, expected) in cases {
            assert_eq!(act(&outlook(seat, successor)), expected, "{name}");
        }
        let crowded = Outlook { may_prepare: false, ..outlook(due(Busy), None) };
        assert_eq!(act(&crowded), None, "not all at once");
        let later = Some(Instant::now() + std::time::Duration::from_secs(60));
        assert_eq!(act(&Outlook { retry_at: later, ..outlook(due(Busy), None) }), None, "a pause is kept");
        assert_eq!(act(&Outlook { retry_at: later, ..outlook(sight(Backoff), None) }), None, "a pause is kept");
        let unwanted = |seat, successor| act(&Outlook { wanted: false, ..outlook(seat, successor) });
        assert_eq!(unwanted(None, None), None);
        assert_eq!(unwanted(due(Busy), None), None);
        assert_eq!(unwanted(sight(Busy), sight(Standby)), Some(Act::Forgo));
        assert_eq!(unwanted(sight(Busy), sight(Booting)), None, "it will come to its loop");
        assert_eq!(unwanted(sight(Backoff), None), Some(Act::Retire));
    }
}
