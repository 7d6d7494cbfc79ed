//! Changes that belong together: an editor writes a file in several steps, a checkout thousands of files.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Change;

/// A burst is over after so much silence.
const SILENCE: Duration = Duration::from_millis(100);
/// A burst is over after this time in any case: something may write a watched file without end.
const LONGEST: Duration = Duration::from_secs(10);
/// So many files are named; the others are counted.
const NAMED: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Burst {
    first: Option<Instant>,
    last: Option<Instant>,
    named: Vec<PathBuf>,
    files: HashSet<PathBuf>,
}

impl Burst {
    pub(super) fn add(&mut self, file: PathBuf) {
        self.add_at(file, Instant::now());
    }

    fn add_at(&mut self, file: PathBuf, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
        if self.files.insert(file.clone()) && self.named.len() < NAMED {
            self.named.push(file);
        }
    }

    /// Time until the burst is over; `None` if it has not begun.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let end = (self.last? + SILENCE).min(self.first? + LONGEST);
        Some(end.saturating_duration_since(now))
    }

    pub(super) fn change(self) -> Change {
        Change { files: self.named, count: self.files.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_ends_with_silence_or_after_its_longest_time() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut burst = Burst::default();
        assert_eq!(burst.left(start), None);
        burst.add_at("a".into(), at(0));
        burst.add_at("b".into(), at(90));
        burst.add_at("a".into(), at(150));
        assert_eq!(burst.left(at(200)), Some(Duration::from_millis(50)));
        assert_eq!(burst.left(at(300)), Some(Duration::ZERO));
        for step in 2..300 {
            burst.add_at("a".into(), at(step * 50));
        }
        assert_eq!(burst.left(at(10_000)), Some(Duration::ZERO), "no burst is endless");
        assert_eq!(burst.change(), Change { files: vec!["a".into(), "b".into()], count: 2 });
    }

    #[test]
    fn only_some_files_are_named() {
        let mut burst = Burst::default();
        (0..2000).for_each(|number| burst.add(format!("{number}.php").into()));
        let change = burst.change();
        assert_eq!((change.files.len(), change.count), (NAMED, 2000));
    }
}
