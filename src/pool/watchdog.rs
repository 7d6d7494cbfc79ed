//! The watchdog: what the keeper does about incarnations that take too long.
//!
//! At a deadline the client is answered, the incarnation's script is interrupted, and its seat is free for the next one at once. An
//! incarnation that is still there after the grace is stuck: its thread is counted and left alone, but for an interrupt now and then.
//! Workers pay nothing for it: the time stamps that it looks at are there anyway.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::counters::RestartCause;
use super::deadline::Overrun;
use super::incarnation::{Expired, Incarnation};
use super::keeper::Keeper;
use super::status::Status;
use crate::job::{Cut, Failure};
use crate::telemetry::events::{WorkerStuck, WorkerTimeout};

/// A deadline may be missed by this much: a look costs a lock per worker.
const COARSE: Duration = Duration::from_millis(5);

impl Keeper {
    /// Looks after everyone's deadlines.
    pub(super) fn watch(&mut self, now: Instant) {
        let deadlines = self.shared.config.deadlines;
        let all: Vec<_> = self.shared.roster.lock().all().cloned().collect();
        for worker in &all {
            if let Some(expired) = worker.expire(now, &deadlines) {
                self.overrun(worker, &expired, now);
            }
            if let Some(after) = worker.urge(now, deadlines.grace) {
                self.give_up(worker, after);
            }
            if let Some(limit) = self.shared.config.slow {
                worker.look_at_slow(now, limit);
            }
        }
    }

    /// When to do so again, at the latest.
    pub(super) fn next_watch(&self, now: Instant) -> Option<Instant> {
        let deadlines = &self.shared.config.deadlines;
        let roster = self.shared.roster.lock();
        let due = roster.all().filter_map(|worker| worker.next_watch(deadlines));
        // A worker that waits for a request now tells nobody when it gets one.
        let slow = self.shared.config.slow;
        let soonest = [deadlines.soonest(), slow].into_iter().flatten().min();
        let idle = soonest.and_then(|soonest| now.checked_add(soonest));
        let slow = roster.all().filter_map(|worker| worker.next_look_at_slow(slow?));
        due.chain(idle).chain(slow).min().map(|at| at.max(now + COARSE))
    }

    fn overrun(&mut self, worker: &Arc<Incarnation>, expired: &Expired, now: Instant) {
        // The client first: what follows may take a moment.
        let cut = expired.cutoff.as_ref().map(|cutoff| cutoff.cut(Failure::ExecutionTimeout));
        worker.strike(now);
        let (place, request) = (worker.place(), expired.request.as_ref());
        let what = expired.overrun.label();
        let request = request.map(|of| (of.request_id.as_str(), of.method.as_str(), of.path.as_str()));
        let answer = match (expired.overrun, cut) {
            (Overrun::Request, Some(Cut::Answered)) => Some("504"),
            (Overrun::Request, Some(Cut::BrokenOff)) => Some("broken_off"),
            (Overrun::Request, Some(Cut::TooLate) | None) => Some("sent"),
            (Overrun::Boot | Overrun::Reset | Overrun::Check | Overrun::Exit, _) => None,
        };
        if expired.overrun == Overrun::Check {
            let why = format!("no answer within {:.1} s", expired.lasted.as_secs_f64());
            self.shared.checks.give_up(worker.identity(), &why);
        }
        WorkerTimeout { place, what, lasted: expired.lasted, request, answer }.emit();
        match (expired.overrun, expired.overrun.reason()) {
            (Overrun::Boot, _) => self.boot_overrun(worker, expired.lasted, now),
            (_, Some(reason)) => self.recycled(worker, reason, "interrupted", Some(Duration::ZERO)),
            (_, None) => {}
        }
    }

    /// An incarnation that hangs before its loop came to nothing, as one that failed there.
    fn boot_overrun(&mut self, worker: &Arc<Incarnation>, lasted: Duration, now: Instant) {
        let shared = Arc::clone(&self.shared);
        shared.counters.restart(RestartCause::BootFailed);
        let (sight, index) = (worker.sight(), worker.identity().slot);
        let mut roster = shared.roster.lock();
        let slot = roster.slot(index);
        let pause = slot.pause(&sight, &shared.config, now);
        slot.retry_at = pause.map(|pause| now + pause);
        let succeeds = slot.successor.as_ref().is_some_and(|successor| Arc::ptr_eq(successor, worker));
        let missed = if succeeds {
            slot.leaving.extend(slot.successor.take());
            slot.seated.iter().for_each(|seated| seated.hold());
            None
        } else {
            Some(slot.miss())
        };
        let wanted = slot.wanted && shared.wants_workers();
        drop(roster);
        let message = format!(
            "it did not reach its loop within {} s; the script may wait for something that does not answer, or never call \
             supercharger_handle_request(). pools.{}.boot_timeout allows more",
            lasted.as_secs_f64().round(),
            shared.config.name
        );
        self.complain(worker, &message, wanted.then_some(pause.unwrap_or_default()));
        if let Some(before) = missed {
            shared.status.send_modify(|status| status.missed(before, &message));
        }
    }

    fn give_up(&self, worker: &Incarnation, after: Duration) {
        self.shared.status.send_modify(Status::got_stuck);
        self.shared.config.stuck.send_modify(|stuck| *stuck += 1);
        let stuck = *self.shared.config.stuck.borrow();
        let request = worker.current();
        let request_id = request.as_ref().map(|request| request.request_id.as_str());
        WorkerStuck { place: worker.place(), request_id, after, stuck }.emit();
    }
}
