//! Answers counted by status.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Statuses of a class.
const CLASS: usize = 100;
/// Classes: 1xx to 9xx, as far as a script may go.
const CLASSES: usize = 9;

/// Counts statuses from 100 to 999. A class takes its memory with its first answer.
#[derive(Debug, Default)]
pub struct Tally {
    classes: [OnceLock<Box<[AtomicU64]>>; CLASSES],
}

impl Tally {
    /// Counts an answer: one relaxed addition. What is no status counts as 500, which is what its client got.
    pub fn count(&self, status: u16) {
        let index = usize::from(status).checked_sub(CLASS).filter(|index| *index < CLASSES * CLASS);
        let index = index.unwrap_or(400);
        let class = self.classes[index / CLASS].get_or_init(|| (0..CLASS).map(|_| AtomicU64::new(0)).collect());
        class[index % CLASS].fetch_add(1, Ordering::Relaxed);
    }

    /// Adds what has been counted to a list by status.
    pub fn add_to(&self, sum: &mut BTreeMap<u16, u64>) {
        for (class, counts) in (1u16..).zip(&self.classes) {
            let counts = counts.get().into_iter().flat_map(|counts| counts.iter());
            for (status, count) in (class * 100..).zip(counts) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    *sum.entry(status).or_default() += count;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_count() {
        let tally = Tally::default();
        for status in [100, 200, 200, 299, 499, 999, 0, 99, 1000, u16::MAX] {
            tally.count(status);
        }
        let mut sum = BTreeMap::from([(200, 5)]);
        tally.add_to(&mut sum);
        assert_eq!(sum, BTreeMap::from([(100, 1), (200, 7), (299, 1), (499, 1), (500, 4), (999, 1)]));
    }
}
