//! Closed sets that events carry. Each knows its label and how loud it is; the matches have no wildcard arm, so that a new
//! member cannot be forgotten.

#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

/// Severity of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is broken and somebody should look.
    Error,
    /// Something went wrong and was dealt with.
    Warn,
    /// The normal course of things.
    Info,
    /// For those who look for a fault.
    Debug,
    /// Everything, libraries included.
    Trace,
}

impl Level {
    /// The spelling used in configuration and JSON logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// Severity of a message that PHP logs with a syslog priority (`LOG_EMERG` 0 to `LOG_DEBUG` 7), as `sapi_module.log_message`
    /// gets it. Priorities outside that range count as notices.
    pub fn from_syslog(priority: i32) -> Self {
        match priority {
            0..=3 => Self::Error,
            4 => Self::Warn,
            7 => Self::Debug,
            _ => Self::Info,
        }
    }

    /// Severity of `supercharger_log()`: -4 debug, 0 info, 4 warning, 8 error; values between belong to the lower step.
    pub fn from_php_log(level: i64) -> Self {
        match level {
            i64::MIN..=-1 => Self::Debug,
            0..=3 => Self::Info,
            4..=7 => Self::Warn,
            8..=i64::MAX => Self::Error,
        }
    }
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// A word that is none of those allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not known; allowed are {allowed}")]
pub struct UnknownLabel {
    /// What was given.
    pub given: String,
    /// What could have been given.
    pub allowed: &'static str,
}

impl FromStr for Level {
    type Err = UnknownLabel;

    fn from_str(text: &str) -> Result<Self, UnknownLabel> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace]
            .into_iter()
            .find(|level| level.label() == text)
            .ok_or_else(|| UnknownLabel { given: text.to_owned(), allowed: "error, warn, info, debug, trace" })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Why a request was turned away before it reached PHP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Every place in the queue was taken.
    QueueFull,
    /// No worker became free before the queue deadline.
    QueueTimeout,
    /// The server is stopping.
    Draining,
}

impl Rejection {
    /// All members, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::QueueFull, Self::QueueTimeout, Self::Draining];

    /// The value of the label `cause` in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::Draining => "draining",
        }
    }

    /// How loud: overload is worth a warning, being turned away by a server that stops is not.
    pub fn level(self) -> Level {
        match self {
            Self::QueueFull | Self::QueueTimeout => Level::Warn,
            Self::Draining => Level::Info,
        }
    }
}

/// Why an incarnation of a worker is replaced: the part of contract section 6 that exists so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecycleReason {
    /// The script ended by itself (`exit`, `die`, or it simply returned).
    Exit,
    /// A fatal error or a throwable outside the request handler.
    Fatal,
    /// The server stops; there is no replacement.
    Shutdown,
}

impl RecycleReason {
    /// The value of the label `reason` in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Fatal => "fatal",
            Self::Shutdown => "shutdown",
        }
    }

    /// How loud: a fatal error in an application is a fault, the others are the normal course of things.
    pub fn level(self) -> Level {
        match self {
            Self::Exit => Level::Info,
            Self::Fatal => Level::Warn,
            Self::Shutdown => Level::Debug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_php() {
        let syslog = [(0, "error"), (3, "error"), (4, "warn"), (5, "info"), (6, "info"), (7, "debug"), (99, "info")];
        for (priority, expected) in syslog {
            assert_eq!(Level::from_syslog(priority).label(), expected, "syslog {priority}");
        }
        let own = [(-4, "debug"), (-1, "debug"), (0, "info"), (3, "info"), (4, "warn"), (8, "error"), (900, "error")];
        for (level, expected) in own {
            assert_eq!(Level::from_php_log(level).label(), expected, "supercharger_log {level}");
        }
    }

    #[test]
    fn levels_parse_as_they_print() {
        assert_eq!("warn".parse(), Ok(Level::Warn));
        let error = "loud".parse::<Level>().expect_err("no such level");
        assert_eq!(error.to_string(), "`loud` is not known; allowed are error, warn, info, debug, trace");
    }

    #[test]
    fn rejections_are_listed_in_order() {
        for (index, cause) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }
}
