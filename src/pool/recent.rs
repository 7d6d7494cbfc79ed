//! The last few of what an operator asks about first: workers that were replaced, requests that failed and requests that were slow.
//!
//! A request that is neither costs a few reads of numbers that are at hand. Each list has a fixed number of places; the newest takes that of
//! the oldest.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::account::Finished;
use super::current::{ID_BYTES, METHOD_BYTES, PATH_BYTES};
use super::incarnation::Incarnation;
use super::snapshot::{Recent, RecentRecycle, RecentRequest};
use crate::job::{Fault, Moment, Outcome, Request, Span};
use crate::telemetry::{RecycleReason, Rejection, redact};

/// Places in each list: what fits on a screen, and a few tens of KiB in a snapshot.
const PLACES: usize = 50;
/// Longest detail of a replacement that is kept, in bytes: names of resetters, or words of the application.
const DETAIL_BYTES: usize = 200;

/// The lists of one pool.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    recycles: VecDeque<RecentRecycle>,
    slow: VecDeque<RecentRequest>,
    failed: VecDeque<RecentRequest>,
}

impl Lists {
    /// Takes note of a request that a worker has had, if there is anything to note. `slow` is the time from which on one is.
    pub(super) fn finished(&self, finished: &Finished<'_>, slow: Option<Duration>) {
        let failure = failure_of(finished.outcome, finished.status);
        // What the log reports as slow.
        let phases = &finished.phases;
        let took = phases.queue + phases.boot + phases.php + phases.terminate;
        let is_slow = slow.is_some_and(|slow| took >= slow);
        if !is_slow && failure.is_none() {
            return;
        }
        let timeline = finished.timeline();
        let answered = timeline.since_accepted(Moment::Responded).or(timeline.since_accepted(Moment::Returned));
        let duration = answered.unwrap_or_default();
        let entry = RecentRequest {
            slot: Some(finished.place.slot),
            status: finished.status,
            duration,
            queue: phases.queue,
            reason: failure.unwrap_or("slow"),
            ..entry_of(finished.request)
        };
        let mut kept = self.0.lock();
        if is_slow {
            push(&mut kept.slow, RecentRequest { reason: "slow", duration: took, ..entry.clone() });
        }
        if failure.is_some() {
            push(&mut kept.failed, entry);
        }
    }

    /// Takes note of a request that was turned away.
    pub(super) fn rejected(&self, request: &Request, cause: Rejection, status: u16) {
        let waited = request.accepted.elapsed();
        let entry =
            RecentRequest { status, duration: waited, queue: waited, reason: cause.label(), ..entry_of(request) };
        push(&mut self.0.lock().failed, entry);
    }

    /// Takes note of a worker that was replaced or sent away.
    pub(super) fn recycled(&self, worker: &Incarnation, reason: RecycleReason, detail: &str) {
        let (identity, sight) = (worker.identity(), worker.sight());
        let entry = RecentRecycle {
            at: SystemTime::now(),
            slot: identity.slot,
            incarnation: identity.incarnation,
            reason,
            detail: cut(redact::words(detail).as_bytes(), DETAIL_BYTES),
            requests: sight.requests,
            uptime: sight.started.elapsed(),
        };
        push(&mut self.0.lock().recycles, entry);
    }

    pub(super) fn snapshot(&self) -> Recent {
        let kept = self.0.lock();
        Recent {
            recycles: kept.recycles.iter().cloned().collect(),
            slow: kept.slow.iter().cloned().collect(),
            failed: kept.failed.iter().cloned().collect(),
        }
    }
}

/// Why a request counts as failed, if it does. One that left by `exit` has an answer of its own.
fn failure_of(outcome: Outcome, status: u16) -> Option<&'static str> {
    match outcome {
        Outcome::Failed(Fault::Uncaught | Fault::Fatal) | Outcome::Timeout | Outcome::Lost => Some(outcome.label()),
        Outcome::Whole | Outcome::Failed(Fault::Exit) => (status >= 500).then_some("status"),
    }
}

fn entry_of(request: &Request) -> RecentRequest {
    let bytes = |span: Span| request.bytes(span);
    // The query may hold secrets.
    let path = bytes(request.uri).split(|byte| *byte == b'?').next().unwrap_or_default();
    RecentRequest {
        at: SystemTime::now(),
        method: cut(bytes(request.method), METHOD_BYTES),
        path: cut(path, PATH_BYTES),
        request_id: cut(bytes(request.request_id), ID_BYTES),
        slot: None,
        status: 0,
        duration: Duration::ZERO,
        queue: Duration::ZERO,
        reason: "",
    }
}

fn cut(text: &[u8], most: usize) -> String {
    String::from_utf8_lossy(&text[..text.len().min(most)]).into_owned()
}

fn push<T>(list: &mut VecDeque<T>, entry: T) {
    if list.len() == PLACES {
        list.pop_front();
    }
    list.push_back(entry);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::job::Boundary;
    use crate::pool::fake::{self, request};

    fn finish(lists: &Lists, path: &str, took: Duration, outcome: Outcome, status: u16) {
        let request = request(path);
        let timeline = request.trail.timeline();
        timeline.note(Moment::Script, timeline.accepted());
        timeline.note(Moment::Responded, timeline.accepted() + took);
        let (worker, boundary) = (fake::incarnation(3), Boundary::default());
        let (place, phases) = (worker.place(), timeline.phases());
        let finished =
            Finished { place, request: &request, phases, outcome, status, returned: true, boundary: &boundary };
        lists.finished(&finished, Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_slow_or_has_failed_is_kept() {
        let (lists, ms) = (Lists::default(), Duration::from_millis);
        let failed = Outcome::Failed;
        let cases = [
            ("/fine", ms(999), Outcome::Whole, 200, None, None),
            ("/missing", ms(1), Outcome::Whole, 404, None, None),
            ("/exit", ms(1), failed(Fault::Exit), 200, None, None),
            ("/slow", ms(1001), Outcome::Whole, 200, Some("slow"), None),
            ("/broken", ms(1), Outcome::Whole, 500, None, Some("status")),
            ("/thrown", ms(1), failed(Fault::Uncaught), 500, None, Some("uncaught")),
            ("/both", ms(2000), failed(Fault::Fatal), 500, Some("slow"), Some("fatal")),
            ("/late", ms(1500), Outcome::Timeout, 504, Some("slow"), Some("timeout")),
            ("/lost", ms(1), Outcome::Lost, 0, None, Some("worker_lost")),
        ];
        for (path, took, outcome, status, slow, failed) in cases {
            finish(&lists, &format!("{path}?token=secret"), took, outcome, status);
            let recent = lists.snapshot();
            let why = |list: &[RecentRequest]| list.iter().find(|entry| entry.path == path).map(|entry| entry.reason);
            assert_eq!((why(&recent.slow), why(&recent.failed)), (slow, failed), "{path}");
        }
        let recent = lists.snapshot();
        let both = recent.failed.iter().find(|entry| entry.path == "/both").expect("kept");
        assert_eq!((both.slot, both.status, both.duration), (Some(3), 500, ms(2000)));
        assert!(!format!("{recent:?}").contains("secret"), "no query");
    }

    #[test]
    fn the_newest_takes_the_place_of_the_oldest() {
        let lists = Lists::default();
        for number in 0..PLACES + 2 {
            lists.rejected(&request(&format!("/{number}")), Rejection::QueueFull, 503);
        }
        let failed = lists.snapshot().failed;
        assert_eq!((failed.len(), failed[0].path.as_str()), (PLACES, "/2"));
        assert_eq!((failed[0].reason, failed[0].status, failed[0].slot), ("queue_full", 503, None));
    }

    #[test]
    fn long_texts_are_cut() {
        let lists = Lists::default();
        lists.rejected(&request(&format!("/{}", "x".repeat(1000))), Rejection::Draining, 503);
        lists.recycled(&fake::incarnation(1), RecycleReason::AppRequest, &"é".repeat(1000));
        let recent = lists.snapshot();
        assert_eq!(recent.failed[0].path.len(), PATH_BYTES);
        let recycled = &recent.recycles[0];
        assert_eq!((recycled.slot, recycled.detail.len(), recycled.requests), (1, DETAIL_BYTES, 0));
        assert!(recycled.uptime < Instant::now().elapsed() + Duration::from_secs(60));
    }
}
