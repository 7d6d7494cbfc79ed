//! What the server says about itself: typed events, written as structured log lines to standard error.
//!
//! Who owns what: every occurrence worth a line is a type in [`events`] with one `emit`; the closed sets that drive
//! its label and its level are in `labels`; how a line looks is in `format`. Other modules never write a
//! log line by hand, so that names and fields stay what the contract promises.
//!
//! What must never happen here: a record that spans two lines or moves a terminal's cursor. Text that comes from PHP
//! or from a client is escaped by the formatter, whatever event carries it.

#![forbid(unsafe_code)]

mod escape;
pub mod events;
mod format;
mod labels;
pub mod spans;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

pub use events::Place;
pub use format::Format;
pub use labels::{Level, OpcacheReason, RecycleReason, Rejection, UnknownLabel};

/// Target of access-log lines. They are switched by `log.access`, not by `log.level`, hence a target of their own.
pub(crate) const ACCESS_TARGET: &str = "supercharger::access";

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Least severe level that is written. Libraries are held to warnings unless this is [`Level::Trace`].
    pub level: Level,
    /// Form of a line.
    pub format: Format,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: Level::Info, format: Format::Text }
    }
}

/// Logging was set up before in this process.
#[derive(Debug, thiserror::Error)]
#[error("logging cannot be set up twice in one process")]
pub struct AlreadySet(#[from] TryInitError);

/// Directs all events of this process to standard error. Call once, before the first thread is started.
///
/// # Errors
/// [`AlreadySet`] on a second call.
pub fn init(config: Config) -> Result<(), AlreadySet> {
    let lines = fmt::layer()
        .event_format(format::Lines::new(config.format, std::process::id()))
        .with_writer(std::io::stderr)
        // A log collector that has gone must not take the server with it: the report would itself go to standard error, and panic.
        .log_internal_errors(false)
        .with_filter(filter(config.level));
    tracing_subscriber::registry().with(lines).try_init()?;
    Ok(())
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
        .with_target(ACCESS_TARGET, LevelFilter::INFO.max(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quiet_and_access_lines_are_not_a_matter_of_level() {
        let cases = [
            (Level::Error, "supercharger::pool", tracing::Level::WARN, false),
            (Level::Error, ACCESS_TARGET, tracing::Level::INFO, true),
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
