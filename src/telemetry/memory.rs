//! How much memory a process holds.

#![forbid(unsafe_code)]

use std::fs;

/// Bytes that are resident; `None` if the process is gone or /proc is not there.
pub fn resident_bytes(pid: u32) -> Option<u64> {
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
        assert!(resident_bytes(std::process::id()).is_some_and(|bytes| bytes > 1 << 16));
        assert_eq!(resident_bytes(0), None);
    }
}
