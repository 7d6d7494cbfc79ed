//! Events of requests that take long.

#![forbid(unsafe_code)]

use std::time::Duration;

use opentelemetry::trace::TraceId;

use super::{Place, millis};

/// `request.slow`: a request is over that took longer than `log.slow_request`.
#[derive(Debug, Clone, Copy)]
pub struct RequestSlow<'a> {
    /// Who served it.
    pub place: Place<'a>,
    /// The request.
    pub request_id: &'a str,
    /// The trace that it is part of.
    pub trace_id: Option<TraceId>,
    /// Request method.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// The route's template, as the application has told it.
    pub route: Option<&'a str>,
    /// Status that the client was told; 0 if none.
    pub status: u16,
    /// What became of it.
    pub outcome: &'a str,
    /// From its body's arrival until the script was back.
    pub took: Duration,
    /// For its body to arrive; not part of that.
    pub receive: Duration,
    /// For a worker.
    pub queue: Duration,
    /// For PHP to begin it.
    pub boot: Duration,
    /// For the script, until the response had left.
    pub php: Duration,
    /// For what the script did after the response.
    pub terminate: Duration,
    /// For the reset of the worker; not part of the whole.
    pub reset: Duration,
    /// Most bytes on the worker's Zend heap while it ran; 0 if unknown.
    pub memory_peak: u64,
}

impl RequestSlow<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let Self { request_id, method, path, route, status, outcome, .. } = *self;
        tracing::warn!(
            event = "request.slow",
            pool,
            slot,
            incarnation,
            request_id,
            trace_id = self.trace_id.map(tracing::field::display),
            method,
            path = &path[..path.floor_char_boundary(MAX_PATH_BYTES)],
            route,
            status,
            outcome,
            duration_ms = millis(self.took),
            receive_ms = millis(self.receive),
            queue_ms = millis(self.queue),
            boot_ms = millis(self.boot),
            php_ms = millis(self.php),
            terminate_ms = millis(self.terminate),
            reset_ms = millis(self.reset),
            memory_peak_bytes = self.memory_peak,
        );
    }
}

/// Longest path in a line.
const MAX_PATH_BYTES: usize = 4096;

/// `request.stack`: where the script of a request is that has run for longer than `log.slow_request`, and still runs.
#[derive(Debug, Clone, Copy)]
pub struct RequestStack<'a> {
    /// Who serves it.
    pub place: Place<'a>,
    /// The request.
    pub request_id: &'a str,
    /// Request method.
    pub method: &'a str,
    /// Path without query, cut at 256 bytes.
    pub path: &'a str,
    /// Since the worker has it.
    pub elapsed: Duration,
    /// One caller a line, the innermost first: file, line and function, no arguments.
    pub stack: Option<&'a str>,
    /// Why there is none.
    pub missing: Option<&'a str>,
}

impl RequestStack<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let Self { request_id, method, path, stack, missing, .. } = *self;
        let elapsed_ms = millis(self.elapsed);
        tracing::warn!(
            event = "request.stack",
            pool,
            slot,
            incarnation,
            request_id,
            method,
            path,
            elapsed_ms,
            stack,
            missing
        );
    }
}
