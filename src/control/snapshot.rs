//! How a child stands: plain values, for status pages and metrics. Each field has a default, so that one may be added at any time.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A child at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Its process.
    pub pid: u32,
    /// The label of its phase.
    pub phase: String,
    /// Its pools, `default` first.
    pub pools: Vec<PoolState>,
}

/// A pool at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolState {
    /// Its name.
    pub name: String,
    /// Every incarnation with a thread, slot by slot; for a seat that is empty its last one.
    pub workers: Vec<WorkerState>,
    /// Workers that it wants to have at this moment.
    pub wanted: u32,
    /// The fewest.
    pub least: u32,
    /// The most.
    pub most: u32,
    /// Requests that wait for a worker.
    pub queue_depth: u64,
    /// Workers that would take a request at once.
    pub available: u64,
    /// Whether new requests are refused.
    pub draining: bool,
    /// Requests that were given to a worker.
    pub served: u64,
    /// Requests whose client left while they waited.
    pub abandoned: u64,
    /// Requests turned away, by the label of the cause.
    pub rejected: BTreeMap<String, u64>,
    /// Incarnations that ended without having been told to, by the label of the cause.
    pub restarts: BTreeMap<String, u64>,
    /// Incarnations that were replaced or sent away, by the label of the reason.
    pub recycles: BTreeMap<String, u64>,
    /// Workers that were added and taken away by scaling, by the label of the direction.
    pub scaled: BTreeMap<String, u64>,
    /// Threads that did not give way after their deadline and still run.
    pub stuck: u64,
}

impl PoolState {
    /// Adds what another process has counted for the pool of that name. What is of the moment stays.
    pub fn absorb(&mut self, other: &Self) {
        self.served += other.served;
        self.abandoned += other.abandoned;
        for (mine, theirs) in [
            (&mut self.rejected, &other.rejected),
            (&mut self.restarts, &other.restarts),
            (&mut self.recycles, &other.recycles),
            (&mut self.scaled, &other.scaled),
        ] {
            for (label, count) in theirs {
                *mine.entry(label.clone()).or_default() += count;
            }
        }
    }
}

/// An incarnation at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerState {
    /// Place in the pool, 0-based.
    pub slot: u32,
    /// The label of what it is doing.
    pub state: String,
    /// Since when, in milliseconds.
    pub state_ms: u64,
    /// Incarnation, counting from 1.
    pub incarnation: u64,
    /// How old that incarnation is, in milliseconds.
    pub uptime_ms: u64,
    /// Requests given to that incarnation.
    pub requests: u64,
    /// Whether it has the slot's seat, or had it; a successor has not.
    pub seated: bool,
    /// Bytes on its Zend heap after the latest reset; 0 if unknown.
    pub memory_bytes: u64,
    /// Highest number of bytes there during a request; 0 if unknown.
    pub memory_peak_bytes: u64,
    /// What it serves.
    pub current: Option<RunningRequest>,
    /// The label of the reason why it will be replaced as soon as its successor has booted.
    pub due: Option<String>,
    /// The label of the reason why the latest incarnation of its slot was replaced.
    pub last_recycle: Option<String>,
}

/// A request that is being served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunningRequest {
    /// Its method.
    pub method: String,
    /// Its path without query, cut at 256 bytes.
    pub path: String,
    /// Its id.
    pub request_id: String,
    /// Milliseconds since the worker got it.
    pub elapsed_ms: u64,
}
