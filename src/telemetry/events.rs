//! Every event the server reports, one type each. `emit` is the only way to report it.
//!
//! Names and fields are public (contract section 8): time, level and process id are added by the formatter. Durations are
//! whole milliseconds and say so in their field's name.

#![forbid(unsafe_code)]

mod access;
mod admin;
mod check;
mod child;
mod config;
mod deadline;
mod drift;
mod feed;
mod log;
mod macros;
mod opcache;
mod request;
mod server;
mod slow;
mod traces;
mod watch;
mod worker;

use std::time::Duration;

pub use access::Access;
pub use admin::{AdminNotice, GuardRefused, TelemetryFailed};
pub use check::{CheckFailed, CheckPassed, WorkerWarmup, check_words};
pub use child::{
    ChildBootFailed, ChildCrash, ChildCrashLoop, ChildCrashRequest, ChildOrphaned, ChildReady, ChildReplace,
    ChildStart, ChildStop, Process, ServerReload,
};
pub use config::{ConfigInvalid, ConfigNotice};
pub use deadline::{WorkerGaveWay, WorkerStuck, WorkerTimeout};
pub use drift::{DriftFound, DriftLimited};
pub use feed::{RuntimeReset, WorkerDecision};
pub use log::{FeedFailed, LogDropped, LogFileFailed, LogReopen};
pub use opcache::{OpcacheDelayed, OpcacheRestart, OpcacheStandstill};
pub use request::{PhpError, PhpLog, RequestFailed, RequestRejected, SendfileRefused};
pub use server::{
    AcceptFailed, Crowded, ServerDrain, ServerMaintenance, ServerReady, ServerStart, ServerStop, ServiceNotice,
    StoreApart,
};
pub use slow::{RequestSlow, RequestStack};
pub use traces::TracesLost;
pub use watch::{WatchChange, WatchFailed, WatchPolling, WatchStart};
pub use worker::{
    CallbackError, IllegalTransition, PoolScale, WorkerBoot, WorkerBootFailed, WorkerCrash, WorkerRecycle,
};

/// Which incarnation of which worker an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The pool's name.
    pub pool: &'a str,
    /// Place in the pool, 0-based.
    pub slot: u32,
    /// Incarnation of that slot, counting from 1.
    pub incarnation: u64,
}

/// Whole milliseconds, for fields named `*_ms`.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Whoever reads the log looks an event up there.
    #[test]
    fn every_event_is_documented() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let told = std::fs::read_to_string(root.join("docs/logging.md")).expect("the document");
        let mut count = 0;
        for entry in walkdir::WalkDir::new(root.join("src")) {
            let entry = entry.expect("a file");
            if entry.path().extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let source = std::fs::read_to_string(entry.path()).expect("a source");
            for name in source.split("event = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
                // Not the pattern above.
                let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
                if is_name && name.contains('.') {
                    count += 1;
                    assert!(told.contains(&format!("`{name}`")), "{name} is not in docs/logging.md");
                }
            }
        }
        assert!(count > 50, "{count} events found");
    }
}
