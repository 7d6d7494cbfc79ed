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
    /// Every slot, in order.
    pub workers: Vec<WorkerState>,
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
}

/// A slot at one moment.
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
}
