//! How much memory a process holds.

#![forbid(unsafe_code)]

use std::fs;
use std::time::Duration;

/// How often it is looked at: a leak is slow, and a look costs a small file of /proc.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// A child is not replaced for its memory before that age: with a ceiling below what an idle child needs, replacements must not
/// follow each other without a pause.
pub(super) const LEAST_AGE: Duration = Duration::from_secs(5);

/// Bytes that are resident; `None` if the process is gone or /proc is not there.
pub(super) fn resident(pid: u32) -> Option<u64> {
    let pages = in_pages(&fs::read_to_string(format!("/proc/{pid}/statm")).ok()?)?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The second field of `/proc/PID/statm` (proc_pid_statm(5)).
fn in_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_part_is_the_second_field() {
        assert_eq!(in_pages("62318 5123 4011 3021 0 1234 0\n"), Some(5123));
        assert_eq!(in_pages(""), None);
        assert!(resident(std::process::id()).is_some_and(|bytes| bytes > 1 << 16));
        assert_eq!(resident(0), None);
    }
}
