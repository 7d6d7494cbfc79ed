//! Events of the endpoints for operators.

#![forbid(unsafe_code)]

/// `admin.notice`: the server runs without its admin endpoints, or something else about them that should be known.
#[derive(Debug, Clone, Copy)]
pub struct AdminNotice<'a> {
    /// What is the matter.
    pub message: &'a str,
}

impl AdminNotice<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "admin.notice", message = self.message);
    }
}

/// `guard.refused`: the guard of the endpoints has refused requests. One line for each reason in so many seconds, for all since the last one.
#[derive(Debug, Clone, Copy)]
pub struct GuardRefused<'a> {
    /// The reason, as in the answer.
    pub reason: &'a str,
    /// Address of the last one's connection; `unix` for a socket file.
    pub peer: &'a str,
    /// How many.
    pub count: u64,
}

impl GuardRefused<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "guard.refused", reason = self.reason, peer = self.peer, count = self.count);
    }
}

/// `telemetry.failed`: a snapshot or the text file of metrics cannot be written. Told once, until it can.
#[derive(Debug, Clone, Copy)]
pub struct TelemetryFailed<'a> {
    /// What was to be written.
    pub path: &'a std::path::Path,
    /// What the system says.
    pub error: &'a std::io::Error,
}

impl TelemetryFailed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "telemetry.failed", path = %self.path.display(), error = %self.error);
    }
}
