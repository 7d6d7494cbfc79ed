//! Events of OPcache.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::macros::emit_at;
use super::millis;
use crate::telemetry::OpcacheReason;

/// `opcache.restart`: everything that was cached has been forgotten.
#[derive(Debug, Clone, Copy)]
pub struct OpcacheRestart {
    /// Why.
    pub reason: OpcacheReason,
    /// From its schedule to its end.
    pub waited: Duration,
}

impl OpcacheRestart {
    /// Reports it, as loud as its reason.
    pub fn emit(&self) {
        let (reason, waited_ms, hint) = (self.reason.label(), millis(self.waited), self.reason.hint());
        emit_at!(self.reason.level(), event = "opcache.restart", reason, waited_ms, hint);
    }
}

/// `opcache.delayed`: a restart is due, and threads that execute PHP stand in its way. What starts meanwhile is not cached.
#[derive(Debug, Clone, Copy)]
pub struct OpcacheDelayed {
    /// Why it is due.
    pub reason: OpcacheReason,
    /// How many threads execute PHP, those included that have started since.
    pub inside: u64,
    /// When the next attempt is made.
    pub retry_in: Duration,
}

impl OpcacheDelayed {
    /// Reports it.
    pub fn emit(&self) {
        let (reason, inside, retry_in_ms) = (self.reason.label(), self.inside, millis(self.retry_in));
        tracing::warn!(event = "opcache.delayed", reason, inside, retry_in_ms);
    }
}

/// `opcache.standstill`: the kernel refuses OPcache's lock after a restart, and no PHP runs until it gives it.
#[derive(Debug, Clone, Copy)]
pub struct OpcacheStandstill<'a> {
    /// In the kernel's words.
    pub error: &'a std::io::Error,
}

impl OpcacheStandstill<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::error!(event = "opcache.standstill", error = %self.error);
    }
}
