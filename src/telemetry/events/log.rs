//! Events about the logs themselves.

#![forbid(unsafe_code)]

use std::io;

/// `log.reopen`: somebody asked for log files to be opened anew.
#[derive(Debug, Clone, Copy)]
pub struct LogReopen<'a> {
    /// The files, separated by commas; empty if there are none.
    pub files: &'a str,
}

impl LogReopen<'_> {
    /// Reports it.
    pub fn emit(&self) {
        if self.files.is_empty() {
            let message = "the log goes to standard error; there is no file to open anew";
            tracing::info!(event = "log.reopen", message);
        } else {
            tracing::info!(event = "log.reopen", files = self.files);
        }
    }
}

/// `log.dropped`: lines found no room because their end takes them too slowly. Nobody was kept waiting for it.
#[derive(Debug, Clone, Copy)]
pub struct LogDropped {
    /// Of which log: `access` or `feed`.
    pub what: &'static str,
    /// How many, since the report before.
    pub lines: u64,
}

impl LogDropped {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "log.dropped", what = self.what, lines = self.lines);
    }
}

/// `log.file_failed`: the access log's file cannot be written. Told once, until it can; what comes meanwhile is lost.
#[derive(Debug, Clone, Copy)]
pub struct LogFileFailed<'a> {
    /// Its name.
    pub path: &'a str,
    /// What the system says.
    pub error: &'a io::Error,
}

impl LogFileFailed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "log.file_failed", path = self.path, error = %self.error);
    }
}

/// `feed.failed`: the file of the event feed cannot be written. Told once, until it can; what comes meanwhile is lost.
#[derive(Debug, Clone, Copy)]
pub struct FeedFailed<'a> {
    /// Its name.
    pub path: &'a str,
    /// What the system says.
    pub error: &'a io::Error,
}

impl FeedFailed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "feed.failed", path = self.path, error = %self.error);
    }
}
