//! Events about the spans of requests.

#![forbid(unsafe_code)]

/// `traces.lost`: spans did not reach the collector. Requests are not touched by that.
#[derive(Debug, Clone, Copy)]
pub struct TracesLost<'a> {
    /// Spans for which there was no room in the queue, since this was told last.
    pub dropped: u64,
    /// Spans that the collector did not take.
    pub failed: u64,
    /// The latest reason for the latter.
    pub error: Option<&'a str>,
}

impl TracesLost<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "traces.lost", dropped = self.dropped, failed = self.failed, error = self.error);
    }
}
