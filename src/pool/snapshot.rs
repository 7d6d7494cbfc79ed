//! A pool at one moment, as plain values for status pages and metrics.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Instant;

use super::counters::RestartCause;
use super::state::WorkerState;
use crate::telemetry::Rejection;

/// A pool at one moment. Each worker is consistent in itself; they are looked at one after the other.
#[derive(Debug, Clone)]
pub struct PoolSnapshot {
    /// The pool's name.
    pub name: Arc<str>,
    /// Every slot, in order.
    pub workers: Vec<WorkerSnapshot>,
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
}

/// A worker at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Place in the pool, 0-based.
    pub slot: u32,
    /// What it is doing.
    pub state: WorkerState,
    /// Since when.
    pub since: Instant,
    /// Incarnation, counting from 1.
    pub incarnation: u64,
    /// When that incarnation was started.
    pub started: Instant,
    /// Requests given to that incarnation.
    pub requests: u64,
}

impl PoolSnapshot {
    /// How many workers are in a state.
    pub fn count(&self, state: WorkerState) -> usize {
        self.workers.iter().filter(|worker| worker.state == state).count()
    }

    /// How many requests were turned away for a cause.
    pub fn rejected(&self, cause: Rejection) -> u64 {
        self.rejected.iter().find(|(of, _)| *of == cause).map_or(0, |(_, count)| *count)
    }

    /// How many incarnations ended for a cause.
    pub fn restarts(&self, cause: RestartCause) -> u64 {
        self.restarts.iter().find(|(of, _)| *of == cause).map_or(0, |(_, count)| *count)
    }
}
