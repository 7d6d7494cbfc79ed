//! What a pool tells of a request that is traced: how long it waited, ran and was cleaned up after.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::SystemTime;

use super::account::Finished;
use crate::job::{Fault, Moment, Outcome, Trace};
use crate::telemetry::spans::{Part, PhpRecord, Tracer};

/// Hands over what there is to tell, if anybody wants it.
pub(super) fn report(tracer: &Tracer, pool: &Arc<str>, trace: Trace, finished: &Finished<'_>) {
    if !trace.is_sampled() {
        return;
    }
    let request = finished.request;
    tracer.php(PhpRecord {
        trace: trace.id,
        request: trace.request,
        php: trace.php,
        flags: trace.flags,
        request_id: request.display(request.request_id).into_owned(),
        pool: Arc::clone(pool),
        slot: finished.place.slot,
        incarnation: finished.place.incarnation,
        parts: parts(finished),
        error: error(finished.outcome),
    });
}

/// The parts that there were, on the wall clock. What took no time at all was not there.
fn parts(finished: &Finished<'_>) -> Vec<(Part, SystemTime, SystemTime)> {
    let timeline = finished.timeline();
    let at = |moment| timeline.since_accepted(moment).map(|after| finished.request.accepted_at + after);
    let (started, returned) = (at(Moment::Started), at(Moment::Returned));
    let parts = [
        (Part::Queue, at(Moment::Queued), started),
        (Part::Php, started, returned),
        (Part::Terminate, at(Moment::Responded), returned),
        (Part::Reset, returned, at(Moment::Reset)),
    ];
    parts
        .into_iter()
        .filter_map(|(part, start, end)| Some((part, start?, end?)))
        .filter(|(_, start, end)| start < end)
        .collect()
}

/// A word for what went wrong. `exit` is one of the ways in which a script ends.
fn error(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Whole | Outcome::Failed(Fault::Exit) => None,
        Outcome::Failed(Fault::Uncaught | Fault::Fatal) | Outcome::Timeout | Outcome::Lost => Some(outcome.label()),
    }
}
