//! How long things take, counted without a lock.
//!
//! Whoever is done with something adds to a [`Histogram`]; whoever shows it takes a [`Distribution`] of several, and adds up those of several
//! processes. All histograms have the same bounds, so that they can be added.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Upper bounds of the buckets, in microseconds; one more bucket has the rest. From a hello world to the longest time that a request is
/// given by default, and a little closer where people begin to notice.
pub const BOUNDS_MICROS: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Buckets of a histogram.
const BUCKETS: usize = BOUNDS_MICROS.len() + 1;

/// Counts durations.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_nanos: AtomicU64,
}

/// What histograms have counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distribution {
    /// Durations up to each bound of [`BOUNDS_MICROS`] and above the one before, and those above the last. Zeros at the end are left out.
    pub buckets: Vec<u64>,
    /// All durations together, in nanoseconds.
    pub sum_nanos: u64,
}

impl Histogram {
    /// Counts a duration. One bucket and the sum: two relaxed additions.
    pub fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // A duration that is a bound belongs below it, and so does the rest of that microsecond's beginning.
        let bucket = BOUNDS_MICROS.partition_point(|bound| bound * 1_000 < nanos);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What has been counted so far.
    pub fn counted(&self) -> Distribution {
        let mut buckets: Vec<_> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let used = buckets.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        buckets.truncate(used);
        Distribution { buckets, sum_nanos: self.sum_nanos.load(Ordering::Relaxed) }
    }
}

impl Distribution {
    /// Adds what another one has counted.
    pub fn absorb(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len().min(BUCKETS), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
    }

    /// How many durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum in seconds.
    pub fn sum_seconds(&self) -> f64 {
        Duration::from_nanos(self.sum_nanos).as_secs_f64()
    }

    /// How many durations up to each bound, in the order of [`BOUNDS_MICROS`].
    pub fn cumulated(&self) -> impl Iterator<Item = u64> {
        let counts = self.buckets.iter().copied().chain(std::iter::repeat(0)).take(BOUNDS_MICROS.len());
        counts.scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_the_bucket_that_it_fits_into() {
        let cases = [(0, 0), (100_000, 0), (100_001, 1), (250_000, 1), (60_000_000_000, 17), (60_000_000_001, 18)];
        for (nanos, bucket) in cases {
            let histogram = Histogram::default();
            histogram.observe(Duration::from_nanos(nanos));
            let counted = histogram.counted();
            assert_eq!((counted.buckets.len(), counted.buckets[bucket]), (bucket + 1, 1), "{nanos}");
            assert_eq!((counted.count(), counted.sum_nanos), (1, nanos));
        }
        assert_eq!(Histogram::default().counted(), Distribution::default());
    }

    #[test]
    fn distributions_add_up() {
        let of = |millis: &[u64]| {
            let histogram = Histogram::default();
            millis.iter().for_each(|millis| histogram.observe(Duration::from_millis(*millis)));
            histogram.counted()
        };
        let mut sum = of(&[1, 2, 20_000]);
        sum.absorb(&of(&[3, 100_000]));
        assert_eq!(sum, of(&[1, 2, 20_000, 3, 100_000]));
        let cumulated: Vec<_> = sum.cumulated().collect();
        assert_eq!((cumulated.len(), cumulated[2], cumulated[3], cumulated[4], cumulated[17]), (18, 0, 1, 2, 4));
        assert_eq!(sum.count(), 5, "also what is above the last bound");
        // What a younger child says may have more.
        sum.absorb(&Distribution { buckets: vec![1; 100], sum_nanos: 0 });
        assert_eq!(sum.buckets.len(), BUCKETS);
    }
}
