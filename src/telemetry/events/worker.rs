//! Events of the workers.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::macros::emit_at;
use super::request::shortened;
use super::{Place, millis};
use crate::telemetry::{RecycleReason, redact};

/// `worker.boot`: an incarnation has reached its loop for the first time.
#[derive(Debug, Clone, Copy)]
pub struct WorkerBoot<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// From the start of its thread to its loop.
    pub boot: Duration,
}

impl WorkerBoot<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        tracing::info!(event = "worker.boot", pool, slot, incarnation, boot_ms = millis(self.boot));
    }
}

/// `worker.boot_failed`: an incarnation ended before it reached its loop.
#[derive(Debug, Clone, Copy)]
pub struct WorkerBootFailed<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// What PHP, or the system, said.
    pub message: &'a str,
    /// How often the pool has seen the same failure since it was first reported.
    pub repeated: u64,
    /// When the next attempt is made; `None` if there is none because the server stops.
    pub retry_in: Option<Duration>,
}

impl WorkerBootFailed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let retry_in_ms = self.retry_in.map(millis);
        tracing::error!(
            event = "worker.boot_failed",
            pool,
            slot,
            incarnation,
            message = self.message,
            repeated = self.repeated,
            retry_in_ms
        );
    }
}

/// `worker.recycle`: an incarnation that had booted has ended in an orderly way.
#[derive(Debug, Clone, Copy)]
pub struct WorkerRecycle<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// Why, as counted.
    pub reason: RecycleReason,
    /// Why, in detail (`exit`, `fatal`, `uncaught`, `returned`, `stopped`).
    pub cause: &'a str,
    /// Requests it was given.
    pub requests: u64,
    /// Life of the incarnation.
    pub uptime: Duration,
    /// When the replacement starts: zero for at once, `None` if there is none.
    pub retry_in: Option<Duration>,
}

impl WorkerRecycle<'_> {
    /// Reports it, as loud as its reason.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let (reason, cause, requests) = (self.reason.label(), self.cause, self.requests);
        let (uptime_ms, retry_in_ms) = (millis(self.uptime), self.retry_in.map(millis));
        emit_at!(
            self.reason.level(),
            event = "worker.recycle",
            pool,
            slot,
            incarnation,
            reason,
            cause,
            requests,
            uptime_ms,
            retry_in_ms
        );
    }
}

/// `reset.error`, `idle.error`: a resetter or an idle callback of the application has thrown. The others have run.
#[derive(Debug, Clone, Copy)]
pub struct CallbackError<'a> {
    /// Which worker.
    pub place: Place<'a>,
    /// The request that is over, if there is one.
    pub request_id: Option<&'a str>,
    /// Whether it was an idle callback.
    pub idle: bool,
    /// The application's name for it.
    pub name: &'a str,
    /// Class of the throwable; empty if `exit` was called.
    pub class: &'a str,
    /// Its message; cut if it is longer than 15 KiB.
    pub message: &'a str,
    /// Where it was thrown.
    pub file: &'a str,
    /// Line of that file.
    pub line: u32,
}

/// Longest [`CallbackError::in_short`], in bytes: there is one for each resetter in a line of the feed.
const MAX_SHORT_BYTES: usize = 1024;

impl CallbackError<'_> {
    fn words(&self) -> (&str, &str) {
        if self.class.is_empty() { ("exit", "exit was called") } else { (self.class, self.message) }
    }

    /// `Class: message`, without secrets and cut at 1 KiB.
    pub fn in_short(&self) -> String {
        let (class, message) = self.words();
        // Half an address could not be told from a word.
        let mut text = redact::words(&format!("{class}: {message}")).into_owned();
        text.truncate(text.floor_char_boundary(MAX_SHORT_BYTES));
        text
    }

    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let Self { request_id, name, file, line, .. } = self;
        let (class, message) = self.words();
        let message = &*shortened(message);
        if self.idle {
            tracing::error!(event = "idle.error", pool, slot, incarnation, callback = name, class, message, file, line);
        } else {
            let resetter = name;
            tracing::error!(
                event = "reset.error",
                pool,
                slot,
                incarnation,
                request_id,
                resetter,
                class,
                message,
                file,
                line
            );
        }
    }
}

/// `worker.crash`: an incarnation ended in a way that is a fault of this program.
#[derive(Debug, Clone, Copy)]
pub struct WorkerCrash<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// The panic's message.
    pub message: &'a str,
    /// Requests it was given.
    pub requests: u64,
    /// When the replacement starts: zero for at once, `None` if there is none.
    pub retry_in: Option<Duration>,
}

impl WorkerCrash<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let retry_in_ms = self.retry_in.map(millis);
        tracing::error!(
            event = "worker.crash",
            pool,
            slot,
            incarnation,
            message = self.message,
            requests = self.requests,
            retry_in_ms
        );
    }
}

/// `worker.illegal_transition`: a worker did what its state does not allow. A fault of this program.
#[derive(Debug, Clone, Copy)]
pub struct IllegalTransition<'a> {
    /// Which one.
    pub place: Place<'a>,
    /// Its state, which stays.
    pub state: &'a str,
    /// What happened.
    pub occurrence: &'a str,
}

impl IllegalTransition<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let (state, occurrence) = (self.state, self.occurrence);
        tracing::error!(event = "worker.illegal_transition", pool, slot, incarnation, state, occurrence);
    }
}

/// `pool.scale`: a pool wants more workers than before, or fewer.
#[derive(Debug, Clone, Copy)]
pub struct PoolScale<'a> {
    /// The pool's name.
    pub pool: &'a str,
    /// `up` or `down`.
    pub direction: &'a str,
    /// Workers that were wanted.
    pub from: u32,
    /// Workers that are wanted now.
    pub to: u32,
    /// Requests that wait.
    pub waiting: usize,
}

impl PoolScale<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Self { pool, direction, from, to, waiting } = *self;
        tracing::info!(event = "pool.scale", pool, direction, from, to, waiting);
    }
}
