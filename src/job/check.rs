//! What an application says of what it depends on, and of its warm-up.

use std::sync::Arc;
use std::time::Duration;

/// A check of something that the application depends on: a database, a cache, a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The application's name for it, of bounded length.
    pub name: Arc<str>,
    /// Whether requests are not to be sent here while it fails. One that is not required warns.
    pub required: bool,
    /// Longest time for it; `None`: the usual one.
    pub timeout: Option<Duration>,
}

/// What a check came to. Texts are without secrets and of bounded length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All is well; in the application's words, if it has any.
    Passed(Option<String>),
    /// It is not: `Class: message`, or other words.
    Failed(String),
}

/// How the warm-up of an application went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Warmup {
    /// Warmers that have run.
    pub count: u32,
    /// Those that failed.
    pub failed: u32,
    /// Time of all of them.
    pub took: Duration,
}
