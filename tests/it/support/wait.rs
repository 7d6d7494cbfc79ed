//! Polling with a deadline: the only way a test waits.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(5);

/// Waits until `probe` gives a value; panics with `what` when the time is over.
#[track_caller]
pub(crate) fn until<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let end = Instant::now() + limit;
        loop {
            if let Some(value) = probe() {
                return value;
            }
            assert!(Instant::now() < end, "waited {limit:?} in vain until {what} ({place})");
            tokio::time::sleep(STEP).await;
        }
    }
}

/// Whether `probe` becomes true within the time. For conditions that are expected *not* to come true: the one
/// legitimate wait for nothing, so keep it short.
pub(crate) async fn holds_within(limit: Duration, mut probe: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if probe() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(STEP).await;
    }
}
