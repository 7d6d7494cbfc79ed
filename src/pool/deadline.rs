//! How long an incarnation may take for what it does, and since when it does it.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::state::WorkerState;
use crate::telemetry::RecycleReason;

/// Longest times; zero: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the start of an incarnation to its loop.
    pub boot: Duration,
    /// For a request: its handler, and what runs after the response until the script is back at its loop. Also for what a script does
    /// after it was told to leave.
    pub request: Duration,
    /// For the reset between two requests, and for what an idle worker does for itself.
    pub reset: Duration,
    /// From the moment one of these has passed until nobody waits for the incarnation's thread any more.
    pub grace: Duration,
}

impl Default for Deadlines {
    /// 30 s is what nginx and browsers' users wait for a page, 60 s is enough for a cold container; a reset or a thread that
    /// is still there after 5 s will not get done.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { boot: seconds(60), request: seconds(30), reset: seconds(5), grace: seconds(5) }
    }
}

/// What an incarnation took too long for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overrun {
    Boot,
    Request,
    Reset,
    /// A check of the application.
    Check,
    /// It was told to leave and did not.
    Exit,
}

impl Overrun {
    /// The value of the field `what` in logs.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Request => "request",
            Self::Reset => "reset",
            Self::Check => "check",
            Self::Exit => "exit",
        }
    }

    /// Why the incarnation is replaced; `None` if that is no recycling, or decided before.
    pub(super) fn reason(self) -> Option<RecycleReason> {
        match self {
            Self::Request | Self::Check => Some(RecycleReason::Timeout),
            Self::Reset => Some(RecycleReason::ResetMissing),
            Self::Boot | Self::Exit => None,
        }
    }
}

/// Since when an incarnation does what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) state: WorkerState,
    /// Of this state.
    pub(super) since: Instant,
    pub(super) started: Instant,
    pub(super) assigned: Option<Instant>,
    /// When its reset began, or what it does for itself.
    pub(super) returned: Option<Instant>,
    /// Since when it has been at a check, and for how long it may be.
    pub(super) checking: Option<(Instant, Duration)>,
}

impl Deadlines {
    /// What has a limit now, since when, and when the time is over.
    pub(super) fn of(&self, clock: &Clock) -> Option<(Overrun, Instant, Instant)> {
        let (overrun, since, limit) = match clock.state {
            WorkerState::Starting | WorkerState::Booting => (Overrun::Boot, clock.started, self.boot),
            WorkerState::Busy | WorkerState::Resetting => match (clock.checking, clock.returned, clock.assigned) {
                (Some((since, limit)), ..) => (Overrun::Check, since, limit),
                (None, Some(returned), _) => (Overrun::Reset, returned, self.reset),
                (None, None, assigned) => (Overrun::Request, assigned?, self.request),
            },
            WorkerState::Draining => (Overrun::Exit, clock.since, self.request),
            WorkerState::Standby
            | WorkerState::Idle
            | WorkerState::TimedOut
            | WorkerState::Interrupted
            | WorkerState::Stuck
            | WorkerState::Crashed
            | WorkerState::Backoff
            | WorkerState::Stopped => return None,
        };
        // A limit that the clock cannot express is none.
        let over = since.checked_add(limit)?;
        (!limit.is_zero()).then_some((overrun, since, over))
    }

    /// The shortest time after which a worker that waits now can be late.
    pub(super) fn soonest(&self) -> Option<Duration> {
        [self.request, self.reset].into_iter().filter(|limit| !limit.is_zero()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_limit() {
        use WorkerState as S;
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let limits = Deadlines {
            boot: Duration::from_secs(60),
            request: Duration::from_secs(30),
            reset: Duration::from_secs(5),
            grace: Duration::from_secs(5),
        };
        let clock = |state| Clock {
            state,
            since: at(25),
            started: at(0),
            assigned: Some(at(10)),
            returned: None,
            checking: None,
        };
        let checks = |state| Clock { checking: Some((at(22), Duration::from_secs(2))), ..clock(state) };
        let back = |state| Clock { returned: Some(at(20)), ..clock(state) };
        let cases = [
            ("starts", clock(S::Starting), Some((Overrun::Boot, at(0), at(60)))),
            ("boots", clock(S::Booting), Some((Overrun::Boot, at(0), at(60)))),
            ("handles", clock(S::Busy), Some((Overrun::Request, at(10), at(40)))),
            ("terminates, on the same clock", clock(S::Resetting), Some((Overrun::Request, at(10), at(40)))),
            ("resets", back(S::Resetting), Some((Overrun::Reset, at(20), at(25)))),
            (
                "checks, with a limit of that check's own",
                Clock { returned: Some(at(20)), ..checks(S::Resetting) },
                Some((Overrun::Check, at(22), at(24))),
            ),
            ("was told to leave", clock(S::Draining), Some((Overrun::Exit, at(25), at(55)))),
            ("waits", clock(S::Idle), None),
            ("stands by", clock(S::Standby), None),
            ("is late already", clock(S::TimedOut), None),
            ("is gone", clock(S::Stopped), None),
        ];
        for (name, clock, expected) in cases {
            assert_eq!(limits.of(&clock), expected, "{name}");
        }
        let off = Deadlines { boot: Duration::ZERO, request: Duration::ZERO, reset: Duration::ZERO, ..limits };
        let forever = Deadlines { boot: Duration::MAX, request: Duration::MAX, reset: Duration::MAX, ..limits };
        for state in WorkerState::ALL {
            assert_eq!(off.of(&clock(state)), None, "{state:?}: zero is no limit");
            assert_eq!(forever.of(&clock(state)), None, "{state:?}: no panic");
        }
        assert_eq!(limits.soonest(), Some(Duration::from_secs(5)));
        assert_eq!(off.soonest(), None);
    }
}
