//! Events of watched files, in development.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::millis;

/// `watch.start`: files are watched.
#[derive(Debug, Clone, Copy)]
pub struct WatchStart {
    /// Folders.
    pub folders: usize,
    /// Whether they are looked at again and again, instead of the kernel telling.
    pub polling: bool,
}

impl WatchStart {
    /// Reports it.
    pub fn emit(&self) {
        let Self { folders, polling } = self;
        tracing::info!(event = "watch.start", folders, polling);
    }
}

/// `watch.polling`: the kernel cannot tell of changes, so files are looked at.
#[derive(Debug, Clone, Copy)]
pub struct WatchPolling<'a> {
    /// Why, and what to do about it.
    pub message: &'a str,
    /// How often.
    pub interval: Duration,
}

impl WatchPolling<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "watch.polling", message = self.message, interval_ms = millis(self.interval));
    }
}

/// `watch.change`: files have changed, and a new generation boots.
#[derive(Debug, Clone, Copy)]
pub struct WatchChange<'a> {
    /// The first of them, separated by commas.
    pub files: &'a str,
    /// How many in all.
    pub count: usize,
}

impl WatchChange<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::info!(event = "watch.change", files = self.files, count = self.count);
    }
}

/// `watch.failed`: files are not watched, because of this.
#[derive(Debug, Clone, Copy)]
pub struct WatchFailed<'a> {
    /// What the system says.
    pub message: &'a str,
}

impl WatchFailed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::error!(event = "watch.failed", message = self.message);
    }
}
