//! Readiness checks and warm-up.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::{Place, millis};
use crate::telemetry::redact;

/// Longest [`check_words`], in bytes: each check has a place on status pages.
const MAX_WORDS_BYTES: usize = 1024;

/// What a check threw, or has to say: `Class: message`, without secrets and cut at 1 KiB.
pub fn check_words(class: &str, message: &str) -> String {
    let text = if class.is_empty() { message.to_owned() } else { format!("{class}: {message}") };
    // Half an address could not be told from a word.
    let mut text = redact::words(&text).into_owned();
    text.truncate(text.floor_char_boundary(MAX_WORDS_BYTES));
    text
}

/// `check.failed`: a check of the application fails that did not before.
#[derive(Debug, Clone, Copy)]
pub struct CheckFailed<'a> {
    /// The pool whose worker has run it.
    pub pool: &'a str,
    /// The application's name for it.
    pub check: &'a str,
    /// Whether the server is not ready for it.
    pub required: bool,
    /// What it came to, without secrets.
    pub error: &'a str,
    /// How long it took.
    pub took: Duration,
}

impl CheckFailed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Self { pool, check, required, error, .. } = *self;
        tracing::warn!(event = "check.failed", pool, check, required, error, took_ms = millis(self.took));
    }
}

/// `check.passed`: a check that failed does so no more.
#[derive(Debug, Clone, Copy)]
pub struct CheckPassed<'a> {
    /// The pool whose worker has run it.
    pub pool: &'a str,
    /// The application's name for it.
    pub check: &'a str,
    /// How long it took.
    pub took: Duration,
}

impl CheckPassed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Self { pool, check, .. } = *self;
        tracing::info!(event = "check.passed", pool, check, took_ms = millis(self.took));
    }
}

/// `worker.warmup`: an application has been warmed up before its worker takes requests.
#[derive(Debug, Clone, Copy)]
pub struct WorkerWarmup<'a> {
    /// Which worker.
    pub place: Place<'a>,
    /// Warmers that have run.
    pub count: u32,
    /// Those that failed.
    pub failed: u32,
    /// Time of all of them.
    pub took: Duration,
}

impl WorkerWarmup<'_> {
    /// Reports it; louder if one failed.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let (count, failed) = (self.count, self.failed);
        let ms = millis(self.took);
        if failed > 0 {
            tracing::warn!(event = "worker.warmup", pool, slot, incarnation, count, failed, ms);
        } else {
            tracing::info!(event = "worker.warmup", pool, slot, incarnation, count, failed, ms);
        }
    }
}
