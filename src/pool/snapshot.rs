//! A pool at one moment, as plain values for status pages and metrics.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::account::Accounts;
use super::checks::CheckSnapshot;
use super::counters::RestartCause;
use super::scale::Direction;
use super::state::WorkerState;
use crate::telemetry::{Distribution, RecycleReason, Rejection};

/// A pool at one moment. Each worker is consistent in itself; they are looked at one after the other.
#[derive(Debug, Clone)]
pub struct PoolSnapshot {
    /// The pool's name.
    pub name: Arc<str>,
    /// Every incarnation with a thread, slot by slot, those that have left their seat included; and for each seat that is empty the last one.
    pub workers: Vec<WorkerSnapshot>,
    /// Slots that somebody is wanted in: what the pool has been scaled to.
    pub wanted: u32,
    /// Least number of those.
    pub least: u32,
    /// Most.
    pub most: u32,
    /// Requests that wait for a worker.
    pub queue_depth: usize,
    /// Workers that would take a request at once.
    pub available: usize,
    /// Whether new requests are refused.
    pub draining: bool,
    /// Requests that were given to a worker.
    pub served: u64,
    /// Requests whose client left while they waited.
    pub abandoned: u64,
    /// Requests turned away, by cause.
    pub rejected: Vec<(Rejection, u64)>,
    /// Incarnations that ended without having been told to, by cause.
    pub restarts: Vec<(RestartCause, u64)>,
    /// Incarnations that were replaced or sent away, by reason.
    pub recycles: Vec<(RecycleReason, u64)>,
    /// What requests have left behind, by the label of what sort of thing.
    pub drifts: Vec<(&'static str, u64)>,
    /// How the heap has grown, by route: its template, requests of warm workers, and bytes that they have added.
    pub slopes: Vec<(&'static str, u64, i64)>,
    /// How often the pool has scaled.
    pub scaled: Vec<(Direction, u64)>,
    /// The last of what is worth a look.
    pub recent: Recent,
    /// What requests that are over have come to.
    pub accounts: Accounts,
    /// Time of boots.
    pub boots: Distribution,
    /// What the application depends on.
    pub checks: Vec<CheckSnapshot>,
    /// Warmers of the application that have failed.
    pub warmers_failed: u64,
    /// Time from the decision to replace a worker until its successor had booted.
    pub successions: Distribution,
}

/// A worker at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Place in the pool, 0-based.
    pub slot: u32,
    /// What it is doing.
    pub state: WorkerState,
    /// Since when.
    pub since: Instant,
    /// Whether it has the slot's seat, or had it; a successor has not.
    pub seated: bool,
    /// Incarnation, counting from 1.
    pub incarnation: u64,
    /// When that incarnation was started.
    pub started: Instant,
    /// Requests given to that incarnation.
    pub requests: u64,
    /// Bytes on its Zend heap after the latest reset; 0 if unknown.
    pub memory: u64,
    /// Highest number of bytes there during a request; 0 if unknown.
    pub memory_peak: u64,
    /// Resetters that ran at the latest boundary.
    pub resetters: u32,
    /// How often it was seen that a request has left something behind that the next one sees.
    pub drifts: u64,
    /// The last thing of those that was new.
    pub last_drift: Option<String>,
    /// Of what there is more than the detector looks at.
    pub drift_limit: Option<&'static str>,
    /// What it serves.
    pub current: Option<CurrentRequest>,
    /// Why it will be replaced as soon as its successor has booted.
    pub due: Option<RecycleReason>,
    /// Why the latest incarnation of its slot was replaced.
    pub last_recycle: Option<RecycleReason>,
}

/// A request that is being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentRequest {
    /// Its method.
    pub method: String,
    /// Its path without query, cut at 256 bytes.
    pub path: String,
    /// Its id.
    pub request_id: String,
    /// Time since the worker got it.
    pub elapsed: Duration,
}

/// The last of what is worth a look, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent {
    /// Workers that were replaced or sent away.
    pub recycles: Vec<RecentRecycle>,
    /// Requests that took long.
    pub slow: Vec<RecentRequest>,
    /// Requests that failed or were turned away.
    pub failed: Vec<RecentRequest>,
}

/// A worker that was replaced or sent away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentRecycle {
    /// When.
    pub at: SystemTime,
    /// Place in the pool, 0-based.
    pub slot: u32,
    /// The incarnation that ended.
    pub incarnation: u64,
    /// Why, as counted.
    pub reason: RecycleReason,
    /// Why, in detail; the application's own words among others.
    pub detail: String,
    /// Requests given to that incarnation.
    pub requests: u64,
    /// Its life.
    pub uptime: Duration,
}

/// A request that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentRequest {
    /// When it was over.
    pub at: SystemTime,
    /// Its method.
    pub method: String,
    /// Its path without query, cut at 256 bytes.
    pub path: String,
    /// Its id.
    pub request_id: String,
    /// The worker that had it, if one had.
    pub slot: Option<u32>,
    /// Status that the client was told; 0 if none.
    pub status: u16,
    /// From acceptance to the end of the answer.
    pub duration: Duration,
    /// Of that, waiting for a worker.
    pub queue: Duration,
    /// Why it stands here: how it failed (`uncaught`, `fatal`, `timeout`, `worker_lost`, `status`, the cause of a rejection), or `slow`.
    pub reason: &'static str,
}

impl PoolSnapshot {
    /// How many workers are in a state.
    pub fn count(&self, state: WorkerState) -> usize {
        self.workers.iter().filter(|worker| worker.state == state).count()
    }

    /// How many workers serve, now or when they are done with what they have: the pool's capacity.
    pub fn serving(&self) -> usize {
        self.workers.iter().filter(|worker| worker.state.is_serving()).count()
    }

    /// How many requests were turned away for a cause.
    pub fn rejected(&self, cause: Rejection) -> u64 {
        count_of(&self.rejected, cause)
    }

    /// How many incarnations ended for a cause.
    pub fn restarts(&self, cause: RestartCause) -> u64 {
        count_of(&self.restarts, cause)
    }

    /// How many incarnations were replaced or sent away for a reason.
    pub fn recycles(&self, reason: RecycleReason) -> u64 {
        count_of(&self.recycles, reason)
    }

    /// How often the pool has scaled that way.
    pub fn scaled(&self, direction: Direction) -> u64 {
        count_of(&self.scaled, direction)
    }
}

fn count_of<T: PartialEq>(counts: &[(T, u64)], wanted: T) -> u64 {
    counts.iter().find(|(of, _)| *of == wanted).map_or(0, |(_, count)| *count)
}
