//! Workers that take too long.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::{Place, millis};

/// `worker.timeout`: an incarnation has passed a deadline and is interrupted.
#[derive(Debug, Clone, Copy)]
pub struct WorkerTimeout<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// What took too long (`request`, `reset`, `boot`, `exit`).
    pub what: &'a str,
    /// How long it took.
    pub lasted: Duration,
    /// Id, method and path of the request.
    pub request: Option<(&'a str, &'a str, &'a str)>,
    /// What its client got: `504`, `broken_off` after the head, `sent` if the response had left whole.
    pub answer: Option<&'a str>,
}

impl WorkerTimeout<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let (request_id, method, path) = match self.request {
            Some((id, method, path)) => (Some(id), Some(method), Some(path)),
            None => (None, None, None),
        };
        let (what, lasted_ms, answer) = (self.what, millis(self.lasted), self.answer);
        tracing::error!(
            event = "worker.timeout",
            pool,
            slot,
            incarnation,
            what,
            lasted_ms,
            request_id,
            method,
            path,
            answer
        );
    }
}

/// `worker.stuck`: an incarnation that was interrupted has not given way; its thread is left alone.
#[derive(Debug, Clone, Copy)]
pub struct WorkerStuck<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// The request that it had last, if it has had one.
    pub request_id: Option<&'a str>,
    /// Since the first interrupt.
    pub after: Duration,
    /// Threads of this process that are stuck, this one included.
    pub stuck: u32,
}

impl WorkerStuck<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let (request_id, after_ms, stuck) = (self.request_id, millis(self.after), self.stuck);
        tracing::error!(event = "worker.stuck", pool, slot, incarnation, request_id, after_ms, stuck);
    }
}

/// `worker.gave_way`: an incarnation that was interrupted has ended.
#[derive(Debug, Clone, Copy)]
pub struct WorkerGaveWay<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// Since the first interrupt.
    pub after: Duration,
    /// Whether it had been given up.
    pub stuck: bool,
}

impl WorkerGaveWay<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let (after_ms, stuck) = (millis(self.after), self.stuck);
        tracing::info!(event = "worker.gave_way", pool, slot, incarnation, after_ms, stuck);
    }
}
