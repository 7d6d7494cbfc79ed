//! What is to be done about a slot: one pure decision, taken again and again until there is nothing left to do.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::incarnation::Sight;
use super::state::WorkerState;

/// What the keeper does next about a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Start an incarnation in the empty seat.
    Start,
    /// Start a successor beside the incarnation that has the seat.
    Prepare,
    /// The incarnation in the seat is on its way out: let it go.
    Unseat,
    /// The successor takes the empty seat, booted or not.
    Inherit,
    /// The successor takes the seat from the incarnation that has it, which leaves at its boundary.
    Replace,
    /// The incarnation in the seat has had its last request, and nobody follows in time: it serves on.
    ServeOn,
    /// The incarnation in the seat waits for a successor that is needed no more: it leaves.
    Dismiss,
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
    /// How long one that has had its last request waits for a successor that boots.
    pub(super) patience: Duration,
    pub(super) now: Instant,
}

/// What to do, if anything.
#[must_use]
pub(super) fn act(outlook: &Outlook) -> Option<Act> {
    let in_time = in_time(outlook);
    let parked = outlook.successor.is_some_and(|sight| sight.state == WorkerState::Standby);
    if !outlook.wanted {
        return match outlook.seat.map(|sight| sight.state) {
            _ if parked => Some(Act::Forgo),
            Some(WorkerState::Backoff) => Some(Act::Retire),
            Some(WorkerState::Standby) => Some(Act::Dismiss),
            _ => None,
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
                _ if is_left_alone(&seat, outlook) => Some(Act::ServeOn),
                None if (leaves || seat.ahead) && outlook.may_prepare && in_time => Some(Act::Prepare),
                _ => None,
            }
        }
    }
}

/// Whether an incarnation will take no further request.
fn has_left(seat: &Sight) -> bool {
    seat.state == WorkerState::Draining || seat.state.is_overdue()
}

fn in_time(outlook: &Outlook) -> bool {
    outlook.retry_at.is_none_or(|at| at <= outlook.now)
}

/// Whether an incarnation that has had its last request has to serve on: its successor has failed, or is not there in time.
fn is_left_alone(seat: &Sight, outlook: &Outlook) -> bool {
    if seat.held {
        return seat.state == WorkerState::Standby;
    }
    let paused = outlook.successor.is_none() && !in_time(outlook);
    seat.last && (paused || late_at(seat, outlook).is_some_and(|at| at <= outlook.now))
}

/// When an incarnation that has had its last request has waited long enough.
fn late_at(seat: &Sight, outlook: &Outlook) -> Option<Instant> {
    let since = match outlook.successor {
        Some(successor) => successor.booted.is_none().then_some(successor.started),
        // It may not be started yet, because others boot.
        None => (seat.state == WorkerState::Standby).then_some(seat.since),
    };
    since.filter(|_| seat.last && !seat.held).and_then(|since| since.checked_add(outlook.patience))
}

/// When time alone changes what is to be done, if it does. What could be done already and was not waits for somebody who will tell.
#[must_use]
pub(super) fn next_at(outlook: &Outlook) -> Option<Instant> {
    let retry_at = outlook.retry_at.filter(|_| outlook.successor.is_none());
    let late_at = outlook.seat.and_then(|seat| late_at(&seat, outlook));
    let times = [retry_at, late_at].into_iter().flatten();
    times.filter(|at| outlook.wanted && *at > outlook.now).min()
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
        let (patience, now) = (Duration::from_secs(60), Instant::now());
        Outlook { seat, successor, wanted: true, retry_at: None, may_prepare: true, patience, now }
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
            ("the last request frees the seat", last(Busy), sight(Standby), Some(Act::Replace)),
            ("or the boundary after it", last(Standby), sight(Standby), Some(Act::Replace)),
            ("but for nobody", last(Busy), None, Some(Act::Prepare)),
            ("nor for one that boots", last(Busy), sight(Booting), None),
            ("whom it waits for", last(Standby), sight(Booting), None),
            ("one whose successor does not boot serves on", held(Standby), None, Some(Act::ServeOn)),
            ("and tries again", held(Busy), None, Some(Act::Prepare)),
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
        let later = Some(Instant::now() + Duration::from_secs(60));
        assert_eq!(act(&Outlook { retry_at: later, ..outlook(due(Busy), None) }), None, "a pause is kept");
        assert_eq!(act(&Outlook { retry_at: later, ..outlook(sight(Backoff), None) }), None, "a pause is kept");
        let unwanted = |seat, successor| act(&Outlook { wanted: false, ..outlook(seat, successor) });
        assert_eq!(unwanted(None, None), None);
        assert_eq!(unwanted(due(Busy), None), None);
        assert_eq!(unwanted(sight(Busy), sight(Standby)), Some(Act::Forgo));
        assert_eq!(unwanted(sight(Busy), sight(Booting)), None, "it will come to its loop");
        assert_eq!(unwanted(sight(Backoff), None), Some(Act::Retire));
        assert_eq!(unwanted(last(Standby), sight(Standby)), Some(Act::Forgo));
        assert_eq!(unwanted(last(Standby), None), Some(Act::Dismiss));
    }

    #[test]
    fn nobody_waits_for_a_successor_for_ever() {
        use WorkerState::{Booting, Busy, Standby};
        let last = |state| sight(state).map(|sight| Sight { last: true, ..sight });
        let late = |seat, successor| {
            let outlook = outlook(seat, successor);
            Outlook { now: outlook.now + outlook.patience * 2, ..outlook }
        };
        assert_eq!(act(&late(last(Standby), sight(Booting))), Some(Act::ServeOn));
        assert_eq!(act(&late(last(Busy), sight(Booting))), Some(Act::ServeOn), "it need not even wait then");
        assert_eq!(act(&late(last(Standby), sight(Standby))), Some(Act::Replace));
        assert_eq!(act(&late(sight(Busy), sight(Booting))), None, "it has not had its last request");
        let crowded = Outlook { may_prepare: false, ..late(last(Standby), None) };
        assert_eq!(act(&crowded), Some(Act::ServeOn), "others boot, and are late themselves");
        let paused =
            Outlook { retry_at: Some(Instant::now() + Duration::from_secs(60)), ..outlook(last(Standby), None) };
        assert_eq!(act(&paused), Some(Act::ServeOn), "the last boot failed");
    }

    #[test]
    fn the_keeper_looks_again_only_if_time_changes_something() {
        use WorkerState::{Backoff, Booting, Busy, Idle, Standby};
        let last = |state| sight(state).map(|sight| Sight { last: true, ..sight });
        let base = outlook(sight(Backoff), None);
        let (past, later) = (Some(base.now), Some(base.now + Duration::from_secs(1)));
        let cases = [
            ("a pause", Outlook { retry_at: later, ..base }, later),
            ("that is over", Outlook { retry_at: past, ..base }, None),
            ("that nobody wants", Outlook { retry_at: later, wanted: false, ..base }, None),
            ("of one who boots again", Outlook { retry_at: later, ..outlook(sight(Idle), sight(Booting)) }, None),
            ("none", outlook(sight(Busy), None), None),
        ];
        for (name, outlook, expected) in cases {
            assert_eq!(next_at(&outlook), expected, "{name}");
        }
        let waits = outlook(last(Standby), sight(Booting));
        let started = waits.successor.map(|sight| sight.started + waits.patience);
        assert_eq!(next_at(&waits), started, "a boot that may be late");
        assert_eq!(next_at(&Outlook { now: waits.now + waits.patience * 2, ..waits }), None, "it is");
    }
}
