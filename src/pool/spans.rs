//! What a pool tells of a request that is traced: how long it waited, ran and was cleaned up after.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::account::Finished;
use crate::job::{Children, Fault, Moment, Outcome, Trace};
use crate::telemetry::spans::{Child, Part, PhpRecord, Tracer};

/// Hands over what there is to tell, if anybody wants it.
pub(super) fn report(
    tracer: &Tracer,
    pool: &Arc<str>,
    trace: Trace,
    children: Option<Box<Children>>,
    finished: &Finished<'_>,
) {
    if !trace.is_sampled() {
        return;
    }
    let request = finished.request;
    let children = children.map(|children| *children).unwrap_or_default();
    let (children_bytes, children_dropped) = (children.bytes(), children.dropped());
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
        children: own(children, trace, finished),
        children_bytes,
        children_dropped,
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

/// What the application has told, on the wall clock. What it has left open ends with its script.
fn own(children: Children, trace: Trace, finished: &Finished<'_>) -> Vec<Child> {
    let timeline = finished.timeline();
    let over = timeline.at(Moment::Returned).unwrap_or_else(Instant::now);
    let wall = |at: Instant| finished.request.accepted_at + at.saturating_duration_since(timeline.accepted());
    let told = children.into_list().into_iter();
    told.map(|child| Child {
        id: child.id,
        parent: child.parent.unwrap_or(trace.php),
        name: child.name,
        kind: child.kind,
        start: wall(child.start),
        end: wall(child.end.unwrap_or(over).max(child.start)),
        error: child.error,
        attributes: child.attributes,
        dropped_attributes: child.dropped_attributes,
    })
    .collect()
}

/// A word for what went wrong. `exit` is one of the ways in which a script ends.
fn error(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Whole | Outcome::Failed(Fault::Exit) => None,
        Outcome::Failed(Fault::Uncaught | Fault::Fatal) | Outcome::Timeout | Outcome::Lost => Some(outcome.label()),
    }
}
