//! The journal of systemd as the place that standard error leads to.

#![forbid(unsafe_code)]

use std::env;

use rustix::fs::fstat;

/// Whether standard error is the stream to the journal that systemd has opened for this process: `JOURNAL_STREAM` names its device
/// and inode (systemd.exec(5)). Somebody may have turned it elsewhere since, and kept the variable.
pub(super) fn is_stderr() -> bool {
    let Ok(named) = env::var("JOURNAL_STREAM") else { return false };
    fstat(rustix::stdio::stderr()).is_ok_and(|file| is_stream(&named, file.st_dev, file.st_ino))
}

fn is_stream(named: &str, device: u64, inode: u64) -> bool {
    named.split_once(':').is_some_and(|(dev, ino)| dev.parse() == Ok(device) && ino.parse() == Ok(inode))
}

/// The priority of syslog(3) for a level.
pub(super) fn priority(level: tracing::Level) -> u8 {
    match level {
        tracing::Level::ERROR => 3,
        tracing::Level::WARN => 4,
        tracing::Level::INFO => 6,
        tracing::Level::DEBUG | tracing::Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_known_by_device_and_inode() {
        assert!(is_stream("8:123", 8, 123));
        for other in ["8:124", "9:123", "8", "", "8:", "8:123:1"] {
            assert!(!is_stream(other, 8, 123), "{other}");
        }
    }
}
