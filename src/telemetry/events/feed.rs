//! Events that go into the feed alone: too many for a log, or in the words of programs that follow it. They cost nothing while there is no
//! feed.

#![forbid(unsafe_code)]

use std::time::Duration;

use serde_json::json;

use super::Place;
use crate::telemetry::{FEED_TARGET, RecycleReason, redact};

const MIB: f64 = 1024.0 * 1024.0;

fn is_wanted() -> bool {
    tracing::enabled!(target: FEED_TARGET, tracing::Level::TRACE)
}

/// `runtime.reset`: the boundary after a request has been run.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeReset<'a, T> {
    /// Which worker.
    pub place: Place<'a>,
    /// The request that is over.
    pub request_id: &'a [u8],
    /// Status that its client was told.
    pub status: u16,
    /// How long it took; none if it has not been run.
    pub took: Option<Duration>,
    /// Resetters of the application.
    pub resetters: u32,
    /// Names of those that have thrown, and `Class: message` of each.
    pub thrown: T,
}

impl<'a, T: Iterator<Item = (&'a str, &'a str)>> RuntimeReset<'a, T> {
    /// Reports it.
    pub fn emit(self) {
        if !is_wanted() {
            return;
        }
        let Place { pool, slot, incarnation } = self.place;
        let (failed, errors): (Vec<_>, Vec<_>) = self.thrown.unzip();
        let (took, missing) = (self.took, usize::from(self.took.is_none()));
        let payload = json!({
            "resetReport": {
                "resetCount": self.resetters,
                "errorCount": errors.len() + missing,
                "durationMs": took.map(|took| took.as_secs_f64() * 1e3),
                "error": errors,
                "failed": failed,
            },
            "durationSec": took.map(|took| took.as_secs_f64()),
            "ok": errors.is_empty() && took.is_some(),
            "requestId": String::from_utf8_lossy(self.request_id),
            "statusCode": self.status,
            "pool": pool,
            "slot": slot,
            "incarnation": incarnation,
        });
        tracing::trace!(target: FEED_TARGET, event = "runtime.reset", payload = &*redact::json(&payload.to_string()));
    }
}

/// `runtime.workerDecision`: an incarnation is replaced, or sent away.
#[derive(Debug, Clone, Copy)]
pub struct WorkerDecision<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// Why.
    pub reason: RecycleReason,
    /// Requests it was given.
    pub requests: u64,
    /// Its life.
    pub uptime: Duration,
    /// What its latest request took.
    pub duration: Duration,
    /// Bytes on its Zend heap after the latest reset.
    pub memory: u64,
    /// The same after its first requests, if it has had those.
    pub baseline: Option<u64>,
    /// Most bytes there.
    pub memory_peak: u64,
}

impl WorkerDecision<'_> {
    /// Reports it.
    pub fn emit(&self) {
        if !is_wanted() {
            return;
        }
        let Place { pool, slot, incarnation } = self.place;
        let hard = matches!(self.reason, RecycleReason::Timeout | RecycleReason::Crash | RecycleReason::Fatal);
        let payload = json!({
            "decision": {
                "shouldRecycle": true,
                "action": if hard { "hardExit" } else { "gracefulExit" },
                "reason": self.reason.header(),
                "requestCount": self.requests,
                "uptimeSec": self.uptime.as_secs_f64(),
                "durationSec": self.duration.as_secs_f64(),
                "rssMemoryMb": resident().map(|bytes| (bytes / MIB * 10.0).round() / 10.0),
                "memoryByte": self.memory,
                "baselineMemoryByte": self.baseline,
                "memoryHighWaterByte": self.memory_peak,
                "memoryGrowthByte": self.baseline.map(|baseline| self.memory_peak.saturating_sub(baseline)),
            },
            "pool": pool,
            "slot": slot,
            "incarnation": incarnation,
        });
        tracing::trace!(target: FEED_TARGET, event = "runtime.workerDecision", payload = &*redact::json(&payload.to_string()));
    }
}

/// Resident memory of this process in bytes (proc_pid_statm(5)).
fn resident() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u32 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(f64::from(pages) * rustix::param::page_size() as f64)
}
