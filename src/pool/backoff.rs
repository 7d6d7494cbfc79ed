//! How long an empty slot stays empty.
//!
//! An incarnation that came to something is replaced at once: `exit` in a request is the application's affair, and each such
//! replacement was paid for by a request. One that came to nothing, because it did not boot or left its loop before its
//! first request, would come to nothing again; its replacements are spread out.

#![forbid(unsafe_code)]

use std::time::Duration;

/// Pauses between attempts: the first, doubled with each further one up to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Pause after the first failure.
    pub min: Duration,
    /// Longest pause. An incarnation that has stood at its loop for that long counts as good.
    pub max: Duration,
}

impl Default for Backoff {
    /// 100 ms: shorter than anyone notices, long enough not to keep a core busy with boots. 5 s: a repaired
    /// script, or a database that came back, is picked up while the operator still looks.
    fn default() -> Self {
        Self { min: Duration::from_millis(100), max: Duration::from_secs(5) }
    }
}

impl Backoff {
    /// The pause after so many failures in a row.
    pub(super) fn pause(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.min.saturating_mul(1 << doublings).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let pauses: Vec<u128> = (1..=8).map(|failures| Backoff::default().pause(failures).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(Backoff::default().pause(u32::MAX), Duration::from_secs(5));
    }
}
