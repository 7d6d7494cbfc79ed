//! What the server says about itself: typed events, written as structured log lines to standard error.
//!
//! Who owns what: every occurrence worth a line is a type in [`events`] with one `emit`; the closed sets that drive
//! its label and its level are in `labels`; how a line looks is in `format`. Other modules never write a
//! log line by hand, so that names and fields stay what the contract promises.
//!
//! What must never happen here: a record that spans two lines or moves a terminal's cursor. Text that comes from PHP
//! or from a client is escaped by the formatter, whatever event carries it.

#![forbid(unsafe_code)]

mod access;
mod drift;
pub(crate) mod escape;
pub mod events;
mod feed;
mod file;
mod format;
mod histogram;
mod journal;
mod labels;
mod memory;
mod opcache;
mod outlet;
pub mod redact;
pub mod spans;
mod tally;
mod time;

use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

pub use access::{Access, AccessForm};
pub use drift::{DriftKind, DriftLimit, DriftWhy};
pub use events::{Place, millis};
pub use feed::Feed;
pub use format::Format;
pub use histogram::{BOUNDS_MICROS, Distribution, Histogram};
pub use labels::{Level, OpcacheReason, RecycleReason, Rejection, UnknownLabel};
pub use memory::resident_bytes;
pub use opcache::OpcacheFigures;
pub use tally::Tally;

use format::{FeedLines, Lines};
use outlet::Outlet;

/// Target of what PHP logs. It is for people and does not go into the feed.
const PHP_TARGET: &str = "supercharger::php_log";

/// What waits to be written; for those who end the process or have files opened anew.
static OUTLETS: OnceLock<Vec<Outlet>> = OnceLock::new();
/// The files that logs go to.
static FILES: OnceLock<Vec<String>> = OnceLock::new();

/// How logs are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Least severe level that is written. Libraries are held to warnings unless this is [`Level::Trace`].
    pub level: Level,
    /// Form of a line.
    pub format: Format,
    /// The lines about requests.
    pub access: Access,
    /// Further names of fields whose values are not shown.
    pub redact: Vec<String>,
    /// The event feed, if there is to be one.
    pub feed: Option<Feed>,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: Level::Info, format: Format::Text, access: Access::default(), redact: Vec::new(), feed: None }
    }
}

/// Logging was set up before in this process.
#[derive(Debug, thiserror::Error)]
#[error("logging cannot be set up twice in one process")]
pub struct AlreadySet(#[from] TryInitError);

/// Directs all events of this process to standard error, and those that go elsewhere too to their files. Call once, before the first
/// thread is started.
///
/// # Errors
/// [`AlreadySet`] on a second call.
pub fn init(config: Config) -> Result<(), AlreadySet> {
    let pid = std::process::id();
    redact::also(&config.redact);
    let files = [config.access.file.as_ref(), config.feed.as_ref().map(|feed| &feed.path)];
    let files = files.into_iter().flatten().map(|path| path.display().to_string()).collect();
    let lines = fmt::layer()
        .event_format(Lines::new(config.format, pid, has_colours()).marked(journal::is_stderr()))
        .with_writer(io::stderr)
        // A log collector that has gone must not take the server with it: the report would itself go to standard error, and panic.
        .log_internal_errors(false)
        .with_filter(filter(config.level));
    let mut outlets = Vec::new();
    let feed = config.feed.map(|feed| {
        let outlet = feed::begin(feed);
        outlets.push(outlet.clone());
        let targets =
            Targets::new().with_target("supercharger", LevelFilter::INFO).with_target(PHP_TARGET, LevelFilter::OFF);
        fmt::layer().event_format(FeedLines { pid }).with_writer(outlet).log_internal_errors(false).with_filter(targets)
    });
    tracing_subscriber::registry().with(lines).with(feed).try_init()?;
    outlets.extend(access::begin(config.access, config.format, has_colours()));
    // The first call, as the one before.
    drop((OUTLETS.set(outlets), FILES.set(files)));
    Ok(())
}

/// Whether somebody looks at standard error who sees colours and has not said otherwise (https://no-color.org).
fn has_colours() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::stderr().is_terminal() && !dumb && !is_set("NO_COLOR")
}

/// The files that logs go to; for who is to be told.
pub fn files() -> &'static [String] {
    FILES.get().map_or(&[], Vec::as_slice)
}

/// Has the files of this process opened anew, after somebody has moved them.
pub fn reopen() {
    for outlet in OUTLETS.get().into_iter().flatten() {
        outlet.reopen();
    }
}

/// Writes what waits to be written. For the end of the process; waits no longer than seconds.
pub fn flush() {
    for outlet in OUTLETS.get().into_iter().flatten() {
        outlet.flush();
    }
}

fn filter(level: Level) -> Targets {
    let own = LevelFilter::from_level(level.into());
    let libraries = match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Error => LevelFilter::ERROR,
        Level::Warn | Level::Info | Level::Debug => LevelFilter::WARN,
    };
    Targets::new()
        .with_default(libraries)
        // What it warns of is what clients send: a line for each odd frame would be theirs to write.
        .with_target("h2", if level == Level::Trace { libraries } else { LevelFilter::ERROR })
        .with_target("supercharger", own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quiet() {
        let cases = [
            (Level::Error, "supercharger::pool", tracing::Level::WARN, false),
            (Level::Info, PHP_TARGET, tracing::Level::INFO, true),
            (Level::Info, "supercharger::pool", tracing::Level::INFO, true),
            (Level::Info, "supercharger::pool", tracing::Level::DEBUG, false),
            (Level::Debug, "hyper::proto", tracing::Level::DEBUG, false),
            (Level::Debug, "hyper::proto", tracing::Level::WARN, true),
            (Level::Debug, "h2::proto", tracing::Level::WARN, false),
            (Level::Trace, "h2", tracing::Level::TRACE, true),
        ];
        for (level, target, of, expected) in cases {
            assert_eq!(filter(level).would_enable(target, &of), expected, "{level:?} {target} {of}");
        }
    }
}
