//! The server itself, before and after it was probed.

#![forbid(unsafe_code)]

use std::time::Duration;

use http::Method;
use serde::Serialize;
use serde_json::Value;

use crate::cli::client;
use crate::cli::client::Server;
use crate::cli::exit::Error;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The server at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Zend heaps of all workers together, in bytes.
    memory_bytes: u64,
    /// Workers and processes that ended without having been told to, since the start of the server.
    ends: u64,
    /// It may have been started anew meanwhile.
    pid: u64,
}

/// Asks the admin endpoints.
pub(super) fn look(server: &Server) -> Result<Look, Error> {
    let ask = |path| client::ask(server, &Method::GET, path, Some(PATIENCE)).map(|answer| answer.body);
    let (status, workers) = (ask("/status")?, ask("/workers")?);
    let sum =
        |counts: &Value| counts.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum::<u64>();
    let pools = status["pools"].as_object().into_iter().flatten();
    let heaps = workers["workers"].as_array().into_iter().flatten();
    Ok(Look {
        memory_bytes: heaps.filter_map(|worker| worker["memory_bytes"].as_u64()).sum(),
        ends: pools.map(|(_, pool)| sum(&pool["ends"])).sum::<u64>() + sum(&status["child_restarts"]),
        pid: status["server"]["pid"].as_u64().unwrap_or_default(),
    })
}

/// What has changed. The names of the fields are those of `gate.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    memory_bytes: [u64; 2],
    memory_growth: f64,
    memory_growth_limit: f64,
    restarts: u64,
    restarts_limit: u64,
    same_process: bool,
    pub(super) pass: bool,
}

impl Change {
    pub(super) fn between(before: &Look, after: &Look, growth_limit: f64, restarts_limit: u64) -> Self {
        let growth = growth(before.memory_bytes, after.memory_bytes);
        let (restarts, same_process) = (after.ends.saturating_sub(before.ends), before.pid == after.pid);
        Self {
            memory_bytes: [before.memory_bytes, after.memory_bytes],
            memory_growth: growth,
            memory_growth_limit: growth_limit,
            restarts,
            restarts_limit,
            same_process,
            pass: same_process && growth <= growth_limit && restarts <= restarts_limit,
        }
    }

    /// A line for people.
    pub(super) fn told(&self) -> String {
        let [before, after] = self.memory_bytes.map(|bytes| bytes >> 10);
        format!(
            "{} server: memory of the workers {before} KiB -> {after} KiB ({:+.1} %, at most {:+.1} %), {} unplanned ends (at most {}){}",
            if self.pass { "pass" } else { "FAIL" },
            self.memory_growth * 100.0,
            self.memory_growth_limit * 100.0,
            self.restarts,
            self.restarts_limit,
            if self.same_process { "" } else { ", and the server is another one now" },
        )
    }
}

/// A worker that has just been replaced has less memory than before; that is no growth.
#[allow(clippy::cast_precision_loss, reason = "bytes of memory are below 2^53")]
fn growth(before: u64, after: u64) -> f64 {
    if before == 0 { 0.0 } else { (after as f64 - before as f64) / before as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_and_crashes_shut_the_gate() {
        let look = |memory_bytes, ends, pid| Look { memory_bytes, ends, pid };
        let pass = |before, after| Change::between(&before, &after, 0.1, 0).pass;
        assert!(pass(look(1000, 3, 7), look(1100, 3, 7)));
        assert!(pass(look(1000, 0, 7), look(500, 0, 7)));
        assert!(!pass(look(1000, 0, 7), look(1101, 0, 7)));
        assert!(!pass(look(1000, 3, 7), look(1000, 4, 7)));
        assert!(!pass(look(1000, 0, 7), look(1000, 0, 8)), "somebody has restarted it");
    }
}
