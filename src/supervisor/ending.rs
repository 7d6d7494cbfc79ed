//! How processes end, and when the next one starts.

#![forbid(unsafe_code)]

use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus, waitpid};

/// The pause before the second replacement in a row; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest one: a library that was repaired is picked up while the operator still looks.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A child that has served for that long was a good one: its end is no part of a series.
pub(super) const HELD: Duration = Duration::from_secs(10);
/// Which crash in a row is a loop.
pub(super) const LOOP: u32 = 3;

/// The pause before a replacement, after so many ends in a row. The first one comes at once.
pub(super) fn pause(in_a_row: u32) -> Duration {
    match in_a_row {
        0 | 1 => Duration::ZERO,
        more => FIRST_PAUSE.saturating_mul(1 << (more - 2).min(16)).min(LONGEST_PAUSE),
    }
}

/// Every process that has ended and was not waited for. As process 1 of a container that is also what others have left behind.
pub(super) fn reap() -> Vec<(u32, WaitStatus)> {
    let mut ended = Vec::new();
    loop {
        match waitpid(None, WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if status.exited() || status.signaled() => {
                ended.push((pid.as_raw_nonzero().get().unsigned_abs(), status));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            // Nobody has ended, or there is nobody.
            Ok(None) | Err(_) => return ended,
        }
    }
}

/// The end of a process in words: `SIGSEGV`, `exit code 255`.
pub(super) fn told(status: WaitStatus) -> String {
    match (status.terminating_signal(), status.exit_status()) {
        (Some(signal), _) => {
            signal_hook::low_level::signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
        }
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_replacement_comes_at_once_and_the_others_are_spread_out() {
        let pauses: Vec<u128> = (0..=9).map(|in_a_row| pause(in_a_row).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
