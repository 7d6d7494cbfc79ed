//! What the requests of a pool leave behind: how often what sort of thing, and how much heap by route.
//!
//! Written at boundaries, off the client's path, and only where somebody looks for drift.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::job::{Boundary, Route};
use crate::telemetry::DriftKind;

/// After how many requests of a worker what they add to the heap counts: by then most caches are filled and most code is loaded.
const WARM_REQUESTS: u64 = 50;

/// The counters of one pool.
#[derive(Debug)]
pub(super) struct Drifts {
    kinds: [AtomicU64; DriftKind::ALL.len()],
    slopes: Box<[Slope]>,
}

/// How the heap has grown with the requests of a route.
#[derive(Debug, Default)]
struct Slope {
    requests: AtomicU64,
    bytes: AtomicI64,
}

impl Default for Drifts {
    fn default() -> Self {
        Self { kinds: Default::default(), slopes: std::iter::repeat_with(Slope::default).take(Route::COUNT).collect() }
    }
}

/// The heap of one worker from boundary to boundary.
#[derive(Debug, Default)]
pub(super) struct Heap {
    requests: u64,
    bytes: u64,
}

impl Heap {
    /// It is back from something that was no request: what that has added is nobody's.
    pub(super) fn note(&mut self, boundary: &Boundary) {
        self.bytes = boundary.memory;
    }

    /// What a request has added, if the worker is warm; the first requests fill caches.
    fn added(&mut self, boundary: &Boundary) -> Option<i64> {
        self.requests += 1;
        let before = std::mem::replace(&mut self.bytes, boundary.memory);
        let known = self.requests > WARM_REQUESTS && before > 0 && boundary.memory > 0;
        known.then(|| boundary.memory.cast_signed() - before.cast_signed())
    }
}

impl Drifts {
    /// Counts what one request has left.
    pub(super) fn note(&self, heap: &mut Heap, route: Route, boundary: &Boundary) {
        for drift in &boundary.drifts {
            if let Some(index) = DriftKind::ALL.iter().position(|kind| kind.label() == drift.kind) {
                self.kinds[index].fetch_add(1, Ordering::Relaxed);
            }
        }
        if let (Some(bytes), Some(slope)) = (heap.added(boundary), self.slopes.get(route.index())) {
            slope.requests.fetch_add(1, Ordering::Relaxed);
            slope.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// How often, by the label of what sort of thing.
    pub(super) fn kinds(&self) -> Vec<(&'static str, u64)> {
        let counts = self.kinds.iter().map(|count| count.load(Ordering::Relaxed));
        DriftKind::ALL.into_iter().map(DriftKind::label).zip(counts).collect()
    }

    /// Routes that warm workers have served: template, requests, bytes added.
    pub(super) fn slopes(&self) -> Vec<(&'static str, u64, i64)> {
        let all = Route::all().zip(&self.slopes);
        all.filter_map(|(route, slope)| {
            let requests = slope.requests.load(Ordering::Relaxed);
            (requests > 0).then(|| (route.template(), requests, slope.bytes.load(Ordering::Relaxed)))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Drift;

    #[test]
    fn the_first_requests_and_idle_work_are_nobodys() {
        let (drifts, mut heap) = (Drifts::default(), Heap::default());
        let at = |memory| Boundary { memory, ..Boundary::default() };
        heap.note(&at(1000));
        for _ in 0..WARM_REQUESTS {
            drifts.note(&mut heap, Route::NONE, &at(6000));
        }
        assert_eq!(drifts.slopes(), []);
        drifts.note(&mut heap, Route::NONE, &at(6100));
        heap.note(&at(4000));
        drifts.note(&mut heap, Route::NONE, &at(4050));
        assert_eq!(drifts.slopes(), [("", 2, 150)]);
        drifts.note(&mut heap, Route::NONE, &at(3900));
        assert_eq!(drifts.slopes(), [("", 3, 0)], "it may shrink");
    }

    #[test]
    fn each_kind_is_counted_by_its_label() {
        let drifts = Drifts::default();
        let drift = |kind| Drift { kind, what: String::new(), leaks: true };
        let boundary = Boundary { drifts: vec![drift("ini"), drift("ini"), drift("app")], ..Boundary::default() };
        drifts.note(&mut Heap::default(), Route::NONE, &boundary);
        let counted: Vec<_> = drifts.kinds().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("ini", 2), ("app", 1)]);
    }
}
