//! Where a finished request is accounted for: the one place, on its worker's own thread, after the reset.
//!
//! Every request that a worker got comes through here once, also one that ended its incarnation or was cut off at its deadline; one whose
//! process died under it, or whose thread never comes back, does not. Its client has been served by now, so what is done here costs throughput and
//! no latency: still no lock that others hold for long, and nothing that can block.

#![forbid(unsafe_code)]

use super::seat::WorkerSeat;
use super::spans;
use crate::job::{Boundary, Moment, Outcome, Request, ResetOutcome, Timeline};
use crate::telemetry::Place;
use crate::telemetry::events::RuntimeReset;

/// All there is to know about a request that is over.
#[derive(Debug)]
pub(super) struct Finished<'a> {
    /// Who served it.
    pub(super) place: Place<'a>,
    /// What the client asked.
    pub(super) request: &'a Request,
    /// What became of it.
    pub(super) outcome: Outcome,
    /// Status that the client was told.
    pub(super) status: u16,
    /// How the reset went, and what is left in memory.
    pub(super) boundary: &'a Boundary,
}

impl Finished<'_> {
    /// When what happened to it.
    pub(super) fn timeline(&self) -> &Timeline {
        self.request.trail.timeline()
    }
}

impl WorkerSeat {
    /// Takes leave of a request that is over.
    pub(super) fn close(&self, request: &Request, boundary: &Boundary) {
        let timeline = request.trail.timeline();
        timeline.mark(Moment::Reset);
        // An incarnation that ended in its handler has never come back, and has had no reset of its own.
        timeline.note(Moment::Returned, timeline.at(Moment::Reset).unwrap_or_else(std::time::Instant::now));
        let finished = Finished {
            place: self.place(),
            request,
            outcome: request.trail.outcome().unwrap_or(Outcome::Lost),
            status: request.trail.status().unwrap_or_default(),
            boundary,
        };
        self.shared.recent.finished(&finished, self.config().slow);
        account(&finished);
        if let (Some(trace), Some(tracer)) = (request.trace, &self.config().tracer) {
            spans::report(tracer, &self.config().name, trace, &finished);
        }
        if let Some(limit) = self.config().slow {
            finished.report_slow(limit);
        }
    }
}

fn account(finished: &Finished<'_>) {
    let outcome = match &finished.boundary.reset {
        ResetOutcome::Done(took) => Ok(*took),
        ResetOutcome::Failed { resetters } => Err(&**resetters),
        ResetOutcome::Missing => Err(&[][..]),
    };
    let request_id = finished.request.bytes(finished.request.request_id);
    RuntimeReset { place: finished.place, request_id, status: finished.status, outcome }.emit();
    tracing::trace!(
        event = "request.accounted",
        slot = finished.place.slot,
        outcome = finished.outcome.label(),
        status = finished.status,
        memory = finished.boundary.memory,
        phases = ?finished.timeline().phases(),
    );
}
