//! Whether workers keep more and more memory while a route is asked.
//!
//! Only the same life of a worker is compared with itself: one that has been replaced begins with less, and one that has not served has
//! not loaded the application yet. Neither says anything about a leak.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::Serialize;

/// Requests for a route after which what a worker loads once is loaded.
const WARM: u64 = 3;
/// Requests after that which a worker has to have served in one life to say anything.
const LEAST: u64 = 5;

/// One life of a worker: process, pool, slot and incarnation.
pub(super) type Life = (u64, String, u64, u64);

/// What is known of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heap {
    /// Served in this life.
    pub(super) requests: u64,
    /// Zend heap after the last reset; 0 in classic mode, where nothing outlives a request, and before the first reset, when a life is not
    /// warm yet.
    pub(super) bytes: u64,
}

/// All workers at one moment.
pub(super) type Heaps = BTreeMap<Life, Heap>;

/// The workers while one route is asked.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    begun: Heaps,
    /// The first look at which a life was warm, and the last.
    seen: BTreeMap<Life, [Heap; 2]>,
}

impl Memory {
    pub(super) fn begin(heaps: Heaps) -> Self {
        Self { begun: heaps, seen: BTreeMap::new() }
    }

    pub(super) fn see(&mut self, heaps: &Heaps) {
        for (life, heap) in heaps {
            let before = self.begun.get(life).map_or(0, |heap| heap.requests);
            if heap.requests >= before + WARM {
                self.seen.entry(life.clone()).or_insert([*heap; 2])[1] = *heap;
            }
        }
    }

    /// What came of it; `served` is how many requests any worker got meanwhile.
    pub(super) fn growth(&self, key: &str, served: u64) -> Growth {
        let mut growth = Growth { key: key.to_owned(), served, ..Growth::default() };
        for [first, last] in self.seen.values() {
            let requests = last.requests - first.requests;
            if requests >= LEAST {
                growth.workers += 1;
                growth.requests += requests;
                growth.memory_bytes[0] += first.bytes;
                growth.memory_bytes[1] += last.bytes;
            }
        }
        growth
    }
}

/// What the workers keep of a route. The names of the fields are those of `gate.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Growth {
    key: String,
    /// Requests that any worker got.
    served: u64,
    /// Lives of workers that could be judged, and what they served between the two looks.
    workers: u64,
    requests: u64,
    /// Their heaps together, before and after.
    memory_bytes: [u64; 2],
}

impl Growth {
    /// As a share; none if no worker could be judged.
    #[allow(clippy::cast_precision_loss, reason = "bytes of memory are below 2^53")]
    pub(super) fn share(&self) -> Option<f64> {
        let [before, after] = self.memory_bytes.map(|bytes| bytes as f64);
        (self.workers > 0).then(|| (after - before) / before.max(1.0))
    }

    /// Workers served the route, and not one of them could be judged.
    pub(super) fn is_unseen(&self) -> bool {
        self.served > 0 && self.workers == 0
    }

    /// For people.
    pub(super) fn told(&self) -> String {
        let Self { key, served, workers, requests, .. } = self;
        match self.share() {
            Some(share) => {
                let [before, after] = self.memory_bytes.map(|bytes| bytes >> 10);
                let share = share * 100.0;
                format!("{key} {share:+.1} % ({before} KiB -> {after} KiB, {workers} workers, {requests} requests)")
            }
            None if *served == 0 => format!("{key} not judged (no worker served it)"),
            None => {
                let least = WARM + LEAST;
                format!("{key} not judged (of {served} requests no worker served {least} in one life that was seen)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heaps(workers: &[(u64, u64, u64, u64)]) -> Heaps {
        let heap = |(slot, life, requests, bytes): &(u64, u64, u64, u64)| {
            ((7, "default".to_owned(), *slot, *life), Heap { requests: *requests, bytes: *bytes })
        };
        workers.iter().map(heap).collect()
    }

    fn share(looks: &[&[(u64, u64, u64, u64)]]) -> Option<f64> {
        let (first, others) = looks.split_first().expect("a look");
        let mut memory = Memory::begin(heaps(first));
        others.iter().for_each(|look| memory.see(&heaps(look)));
        memory.growth("01-get", 100).share()
    }

    #[test]
    fn only_a_life_that_served_before_and_after_is_compared() {
        // One that had served nothing loads the application: that is no growth.
        assert_eq!(share(&[&[(0, 1, 0, 0)], &[(0, 1, 3, 1000)], &[(0, 1, 8, 1000)]]), Some(0.0));
        assert_eq!(share(&[&[(0, 1, 50, 500)], &[(0, 1, 53, 1000)], &[(0, 1, 90, 1100)]]), Some(0.1));
        // One that was replaced begins anew, and what its successor keeps counts.
        assert_eq!(share(&[&[(0, 1, 9, 9000)], &[(0, 2, 3, 1000)], &[(0, 2, 9, 1500)]]), Some(0.5));
        // Between two workers it is the sum.
        assert_eq!(share(&[&[], &[(0, 1, 3, 1000), (1, 1, 3, 1000)], &[(0, 1, 9, 1000), (1, 1, 9, 2000)]]), Some(0.5));
    }

    #[test]
    fn what_was_not_seen_is_not_judged() {
        assert_eq!(share(&[&[(0, 1, 5, 1000)]]), None);
        assert_eq!(share(&[&[(0, 1, 5, 1000)], &[(0, 1, 50, 9000)]]), None, "one look");
        assert_eq!(share(&[&[(0, 1, 5, 1000)], &[(0, 1, 8, 1000)], &[(0, 1, 12, 9000)]]), None, "too few");
        assert_eq!(share(&[&[(0, 1, 5, 0)], &[(0, 1, 50, 0)], &[(0, 1, 99, 0)]]), Some(0.0), "classic mode");
        assert_eq!(share(&[&[(0, 1, 5, 1)], &[(0, 2, 9, 1000)], &[(0, 3, 9, 9000)]]), None, "replaced each time");
    }
}
