//! Idle care: a worker that waits for a request collects its garbage, calls the application's idle callbacks and runs its checks (`checks`), off any
//! request's path.
//!
//! A worker that does so takes itself off the idle list first, under the desk's lock: either a request has been given to it before, and is
//! served, or none can be given to it until it is back. So that requests find somebody meanwhile, at most about half of the idle workers
//! do it at a time, unless one has waited for its turn for too long.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::incarnation::Incarnation;
use super::shared::Shared;
use crate::job::{Boundary, Care, Next};

/// When idle workers look after themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// How long a worker has waited for a request before it collects garbage cycles; zero: it never does.
    pub collect_after: Duration,
    /// How many possible roots of cycles are worth it at once; with fewer it is done every [`REQUESTS`].
    pub collect_roots: u32,
}

impl Default for Idle {
    /// Half a second without a request is a pause; a tenth of the roots at which PHP itself collects, in the middle of a request, keeps
    /// it from ever coming to that.
    fn default() -> Self {
        Self { collect_after: Duration::from_millis(500), collect_roots: 1000 }
    }
}

/// After so many requests a few roots are worth a collection too: what hangs on one may be large.
const REQUESTS: u32 = 100;

/// Pause before a worker asks again to be let go.
const RETRY: Duration = Duration::from_millis(50);

/// How long it asks before it goes all the same: what pings a database must not wait for ever on a busy pool.
const PATIENCE: Duration = Duration::from_secs(1);

/// What one worker has to do for itself, as far as it has said.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// What it does now.
    doing: Option<Care>,
    garbage: u32,
    /// Requests and idle callbacks since the last collection.
    runs: u32,
    tick_at: Option<Instant>,
}

impl Chores {
    /// Takes note of what a worker reports at its loop. Whether it comes back from such a chore and not from a request.
    pub(super) fn note(&mut self, boundary: &Boundary) -> bool {
        let done = self.doing.take();
        self.runs = match done {
            Some(Care { collect: true, .. }) => 0,
            _ => self.runs.saturating_add(1),
        };
        self.garbage = boundary.garbage;
        self.tick_at = boundary.tick.and_then(|wait| Instant::now().checked_add(wait));
        done.is_some()
    }

    fn collects(&self, idle: &Idle) -> bool {
        let worth = self.garbage >= idle.collect_roots.max(1) || (self.runs >= REQUESTS && self.garbage > 0);
        worth && self.runs > 0 && !idle.collect_after.is_zero()
    }

    /// Whether there is anything that time alone makes due.
    fn any(&self, idle: &Idle) -> bool {
        self.tick_at.is_some() || self.collects(idle)
    }

    /// When the next thing is due for a worker that waits since then.
    fn next_at(&self, idle: &Idle, since: Instant) -> Option<Instant> {
        let collect_at = since.checked_add(idle.collect_after).filter(|_| self.collects(idle));
        [collect_at, self.tick_at].into_iter().flatten().min()
    }

    /// What is due.
    fn care_at(&self, idle: &Idle, since: Instant, now: Instant) -> Care {
        Care {
            collect: self.collects(idle) && now.duration_since(since) >= idle.collect_after,
            tick: self.tick_at.is_some_and(|at| at <= now),
            check: false,
        }
    }
}

/// Waits for mail in the name of a worker that is listed as idle, or for something that it has to do for itself.
pub(super) fn wait(shared: &Shared, worker: &Arc<Incarnation>, chores: &mut Chores, checks: &[Arc<str>]) -> Next {
    let next = wait_for_any(shared, worker, chores, checks);
    if let Next::Care(care) = next {
        chores.doing = Some(care);
    }
    next
}

fn wait_for_any(shared: &Shared, worker: &Arc<Incarnation>, chores: &Chores, checks: &[Arc<str>]) -> Next {
    let idle = &shared.config.idle;
    if let Some(pressing) = shared.checks.wants(checks)
        && shared.step_aside(worker, pressing)
    {
        worker.tend();
        return Next::Care(Care { check: true, ..Care::default() });
    }
    if !chores.any(idle) {
        return worker.receive();
    }
    let since = Instant::now();
    let Some(mut at) = chores.next_at(idle, since) else { return worker.receive() };
    let patience = at.checked_add(PATIENCE);
    loop {
        if let Some(mail) = worker.receive_until(at) {
            return mail;
        }
        let now = Instant::now();
        if shared.step_aside(worker, patience.is_some_and(|until| until <= now)) {
            let care = chores.care_at(idle, since, now);
            worker.tend();
            return Next::Care(care);
        }
        // Too many others are away, or there is mail on its way.
        at = now + RETRY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundary(garbage: u32, tick: Option<Duration>) -> Boundary {
        Boundary { garbage, tick, ..Boundary::default() }
    }

    #[test]
    fn garbage_is_collected_when_it_is_worth_it_and_once() {
        let idle = Idle::default();
        let mut chores = Chores::default();
        assert!(!chores.any(&idle), "nothing ran");
        assert!(!chores.note(&boundary(999, None)));
        assert!(!chores.any(&idle), "too little");
        for _ in 0..99 {
            chores.note(&boundary(1, None));
        }
        assert!(chores.any(&idle), "after many requests a little is worth it");
        chores.note(&boundary(0, None));
        assert!(!chores.any(&idle), "nothing is not");
        chores.note(&boundary(1000, None));
        let since = Instant::now();
        assert_eq!(chores.next_at(&idle, since), Some(since + idle.collect_after));
        assert_eq!(chores.care_at(&idle, since, since), Care::default(), "not yet");
        let care = chores.care_at(&idle, since, since + idle.collect_after);
        assert_eq!(care, Care { collect: true, ..Care::default() });
        chores.doing = Some(care);
        assert!(chores.note(&boundary(5000, None)), "it comes back from it");
        assert!(!chores.any(&idle), "what a collection leaves is no reason for another");
        chores.note(&boundary(5000, None));
        assert!(chores.any(&idle));
        assert!(!chores.any(&Idle { collect_after: Duration::ZERO, ..idle }), "zero is off");
    }

    #[test]
    fn an_idle_callback_is_due_when_the_worker_says_so() {
        let idle = Idle::default();
        let mut chores = Chores::default();
        chores.note(&boundary(5000, Some(Duration::from_secs(10))));
        let at = chores.tick_at.expect("a time");
        let since = at - Duration::from_millis(100);
        assert_eq!(chores.next_at(&idle, since), Some(at), "the first of two");
        assert_eq!(chores.care_at(&idle, since, at), Care { tick: true, ..Care::default() });
        let both = chores.care_at(&idle, since, at + idle.collect_after);
        assert_eq!(both, Care { collect: true, tick: true, check: false });
        chores.note(&boundary(0, None));
        assert!(!chores.any(&idle), "it was withdrawn");
        chores.note(&boundary(0, Some(Duration::MAX)));
        assert!(!chores.any(&idle), "a time that the clock cannot express never comes");
    }
}
