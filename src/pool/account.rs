//! Where a finished request is accounted for: the one place, on its worker's own thread, after the reset.
//!
//! Every request that a worker got comes through here once, also one that ended its incarnation or was cut off at its deadline; one whose
//! process died under it, or whose thread never comes back, does not. Its client has been served by now, so what is done here costs throughput and
//! no latency: still no lock that others hold for long, and nothing that can block.
//!
//! Each slot has an account of its own. It outlives the incarnations in it, and is written by one thread at a time but for the short
//! moments in which one incarnation leaves and another has begun.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::seat::WorkerSeat;
use super::spans;
use crate::job::{Boundary, Moment, Outcome, Phases, Request, ResetOutcome, Timeline};
use crate::telemetry::events::RuntimeReset;
use crate::telemetry::{Distribution, Histogram, Place, Tally};

/// All there is to know about a request that is over.
#[derive(Debug)]
pub(super) struct Finished<'a> {
    /// Who served it.
    pub(super) place: Place<'a>,
    /// What the client asked.
    pub(super) request: &'a Request,
    /// Where its time went.
    pub(super) phases: Phases,
    /// What became of it.
    pub(super) outcome: Outcome,
    /// Status that the client was told.
    pub(super) status: u16,
    /// Whether its reset has run, or has begun to: the script had come back to its loop.
    pub(super) returned: bool,
    /// How the reset went, and what is left in memory.
    pub(super) boundary: &'a Boundary,
}

impl Finished<'_> {
    /// When what happened to it.
    pub(super) fn timeline(&self) -> &Timeline {
        self.request.trail.timeline()
    }

    /// Whether its reset went well; `None` if there was none.
    fn reset(&self) -> Option<bool> {
        match self.boundary.reset {
            ResetOutcome::Done(_) => self.returned.then_some(true),
            ResetOutcome::Failed { .. } | ResetOutcome::Missing => Some(false),
        }
    }
}

impl WorkerSeat {
    /// Takes leave of a request that is over.
    pub(super) fn close(&self, request: &mut Request, boundary: &Boundary) {
        let children = request.children.take();
        let request = &*request;
        let timeline = request.trail.timeline();
        let now = Instant::now();
        let returned = timeline.at(Moment::Returned).is_some();
        timeline.note(Moment::Reset, now);
        // An incarnation that ended in its handler has never come back, and has had no reset of its own.
        timeline.note(Moment::Returned, now);
        let finished = Finished {
            place: self.place(),
            request,
            phases: timeline.phases(),
            outcome: request.trail.outcome().unwrap_or(Outcome::Lost),
            status: request.trail.status().unwrap_or_default(),
            returned,
            boundary,
        };
        self.account().book(&finished);
        self.shared.recent.finished(&finished, self.config().slow);
        account(&finished, now);
        if let (Some(trace), Some(tracer)) = (request.trace, &self.config().tracer) {
            spans::report(tracer, &self.config().name, trace, children, &finished);
        }
        if let Some(limit) = self.config().slow {
            finished.report_slow(limit);
        }
    }
}

fn account(finished: &Finished<'_>, now: Instant) {
    let (took, thrown) = match &finished.boundary.reset {
        ResetOutcome::Done(took) => (Some(*took), &[][..]),
        ResetOutcome::Failed { thrown, took } => (Some(*took), &**thrown),
        ResetOutcome::Missing => (None, &[][..]),
    };
    RuntimeReset {
        place: finished.place,
        request_id: finished.request.bytes(finished.request.request_id),
        status: finished.status,
        ended: finished.request.accepted_at + now.saturating_duration_since(finished.timeline().accepted()),
        took,
        resetters: finished.boundary.resetters,
        thrown: thrown.iter().map(|thrown| (thrown.name.as_str(), thrown.error.as_str())),
    }
    .emit();
    tracing::trace!(
        event = "request.accounted",
        slot = finished.place.slot,
        outcome = finished.outcome.label(),
        status = finished.status,
        memory = finished.boundary.memory,
        phases = ?finished.phases,
    );
}

/// What the workers of a slot have done. On cache lines of its own, so that slots do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Account {
    queue: Histogram,
    execution: Histogram,
    terminate: Histogram,
    reset: Histogram,
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// Resets that failed or were not there.
    unclean: AtomicU64,
    clean: AtomicU64,
    kept: AtomicU64,
    statuses: Tally,
    /// Time from the worker until the response was complete, in nanoseconds.
    nanos: AtomicU64,
    longest_nanos: AtomicU64,
}

impl Account {
    /// Books a request that is over.
    fn book(&self, finished: &Finished<'_>) {
        let add = |to: &AtomicU64| {
            to.fetch_add(1, Ordering::Relaxed);
        };
        let (timeline, phases) = (finished.timeline(), &finished.phases);
        self.queue.observe(phases.queue);
        if timeline.at(Moment::Script).is_some() {
            self.execution.observe(phases.php);
        }
        if timeline.at(Moment::Responded).is_some() && finished.returned {
            self.terminate.observe(phases.terminate);
        }
        if let Some(clean) = finished.reset() {
            self.reset.observe(phases.reset);
            add(if clean { &self.clean } else { &self.unclean });
        }
        add(&self.outcomes[finished.outcome.index()]);
        self.statuses.count(finished.status);
        let served = phases.boot + phases.php;
        let nanos = u64::try_from(served.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.longest_nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    /// A worker serves on after a request.
    pub(super) fn keep(&self) {
        self.kept.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a pool has come to, as plain values.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    /// Time that requests waited for the worker that they got.
    pub queue: Distribution,
    /// Time of the script until its response was complete.
    pub execution: Distribution,
    /// Time of the script after that.
    pub terminate: Distribution,
    /// Time of resets.
    pub reset: Distribution,
    /// Requests that are over, by the label of their outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Resets that went well.
    pub clean: u64,
    /// Resets that did not.
    pub unclean: u64,
    /// Requests after which their worker was kept.
    pub kept: u64,
    /// Requests that are over, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Time that they had been with their workers until their responses were complete.
    pub served: Duration,
    /// The longest of those.
    pub longest: Duration,
}

impl Accounts {
    /// The sum over slots.
    pub(super) fn of(slots: &[Account]) -> Self {
        let mut sum = Self::default();
        for slot in slots {
            sum.queue.absorb(&slot.queue.counted());
            sum.execution.absorb(&slot.execution.counted());
            sum.terminate.absorb(&slot.terminate.counted());
            sum.reset.absorb(&slot.reset.counted());
            for (outcome, count) in Outcome::ALL.into_iter().zip(&slot.outcomes) {
                *sum.outcomes.entry(outcome.label()).or_default() += count.load(Ordering::Relaxed);
            }
            sum.clean += slot.clean.load(Ordering::Relaxed);
            sum.unclean += slot.unclean.load(Ordering::Relaxed);
            sum.kept += slot.kept.load(Ordering::Relaxed);
            slot.statuses.add_to(&mut sum.statuses);
            sum.served += Duration::from_nanos(slot.nanos.load(Ordering::Relaxed));
            sum.longest = sum.longest.max(Duration::from_nanos(slot.longest_nanos.load(Ordering::Relaxed)));
        }
        sum
    }
}
