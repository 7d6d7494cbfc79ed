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

/// Why an incarnation of a worker is replaced: one closed set (contract section 6, and `opcache`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecycleReason {
    /// It has served as many requests as it may.
    MaxRequests,
    /// Its heap is larger than it may be.
    MemLimit,
    /// Its heap is larger than it should be.
    MemSoft,
    /// Its heap is so large that it may not even finish other work.
    MemEmergency,
    /// Its heap has grown by more than it may since its first requests.
    MemGrowth,
    /// It is old.
    MaxUptime,
    /// It had nothing to do for too long.
    MaxIdle,
    /// One request took longer than a worker may need.
    SlowRequest,
    /// Too many requests in a row failed.
    ConsecutiveFailures,
    /// A resetter failed: its state is not known.
    ResetFailed,
    /// It did not acknowledge its reset.
    ResetMissing,
    /// A request has changed state that the reset does not put back.
    Drift,
    /// A request passed its execution deadline.
    Timeout,
    /// A fatal error or a throwable outside the request handler.
    Fatal,
    /// The script ended by itself (`exit`, `die`, or it simply returned).
    Exit,
    /// A fault of this program or of native code.
    Crash,
    /// The application asked for it.
    AppRequest,
    /// An operator asked for it.
    Manual,
    /// OPcache restarts: what it shares with workers goes away.
    Opcache,
    /// A new generation of the server takes over.
    Reload,
    /// A watched file has changed.
    Watch,
    /// The pool needs fewer workers.
    ScaleDown,
    /// The server stops; there is no replacement.
    Shutdown,
    /// None of the others; a fault of this program.
    Unknown,
}

impl RecycleReason {
    /// All members, in the order of their discriminants.
    pub const ALL: [Self; 24] = [
        Self::MaxRequests,
        Self::MemLimit,
        Self::MemSoft,
        Self::MemEmergency,
        Self::MemGrowth,
        Self::MaxUptime,
        Self::MaxIdle,
        Self::SlowRequest,
        Self::ConsecutiveFailures,
        Self::ResetFailed,
        Self::ResetMissing,
        Self::Drift,
        Self::Timeout,
        Self::Fatal,
        Self::Exit,
        Self::Crash,
        Self::AppRequest,
        Self::Manual,
        Self::Opcache,
        Self::Reload,
        Self::Watch,
        Self::ScaleDown,
        Self::Shutdown,
        Self::Unknown,
    ];

    /// The value of the label `reason` in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::MaxRequests => "max_requests",
            Self::MemLimit => "mem_limit",
            Self::MemSoft => "mem_soft",
            Self::MemEmergency => "mem_emergency",
            Self::MemGrowth => "mem_growth",
            Self::MaxUptime => "max_uptime",
            Self::MaxIdle => "max_idle",
            Self::SlowRequest => "slow_request",
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::ResetFailed => "reset_failed",
            Self::ResetMissing => "reset_missing",
            Self::Drift => "drift",
            Self::Timeout => "timeout",
            Self::Fatal => "fatal",
            Self::Exit => "exit",
            Self::Crash => "crash",
            Self::AppRequest => "app_request",
            Self::Manual => "manual",
            Self::Opcache => "opcache",
            Self::Reload => "reload",
            Self::Watch => "watch",
            Self::ScaleDown => "scale_down",
            Self::Shutdown => "shutdown",
            Self::Unknown => "unknown",
        }
    }

    /// The spelling in response headers.
    pub fn header(self) -> &'static str {
        match self {
            Self::MaxRequests => "maxRequests",
            Self::MemLimit => "maxMemory",
            Self::MemSoft => "softMemory",
            Self::MemEmergency => "emergencyMemory",
            Self::MemGrowth => "memoryGrowth",
            Self::MaxUptime => "maxUptime",
            Self::MaxIdle => "maxIdle",
            Self::SlowRequest => "maxRequestDuration",
            Self::ConsecutiveFailures => "consecutiveFailures",
            Self::ResetFailed => "resetFailed",
            Self::ResetMissing => "resetMissing",
            Self::Drift => "drift",
            Self::Timeout => "timeout",
            Self::Fatal => "fatal",
            Self::Exit => "exit",
            Self::Crash => "crash",
            Self::AppRequest => "appRequest",
            Self::Manual => "manual",
            Self::Opcache => "opcache",
            Self::Reload => "reload",
            Self::Watch => "watch",
            Self::ScaleDown => "scaleDown",
            Self::Shutdown => "shutdown",
            Self::Unknown => "unknown",
        }
    }

    /// How it came about, in the words of the runtime bundle: the worker was asked to leave, or it died or was ended at once.
    pub fn action(self) -> &'static str {
        match self {
            Self::ResetFailed | Self::ResetMissing | Self::Timeout | Self::Fatal | Self::Exit | Self::Crash => {
                "hardExit"
            }
            Self::MaxRequests
            | Self::MemLimit
            | Self::MemSoft
            | Self::MemEmergency
            | Self::MemGrowth
            | Self::MaxUptime
            | Self::MaxIdle
            | Self::SlowRequest
            | Self::ConsecutiveFailures
            | Self::Drift
            | Self::AppRequest
            | Self::Manual
            | Self::Opcache
            | Self::Reload
            | Self::Watch
            | Self::ScaleDown
            | Self::Shutdown
            | Self::Unknown => "gracefulExit",
        }
    }

    /// How loud: what hints at a fault is a warning, what is one an error, the others are the normal course of things.
    pub fn level(self) -> Level {
        match self {
            Self::MemEmergency
            | Self::ResetFailed
            | Self::ResetMissing
            | Self::Timeout
            | Self::Crash
            | Self::Unknown => Level::Error,
            Self::MemLimit
            | Self::MemGrowth
            | Self::SlowRequest
            | Self::ConsecutiveFailures
            | Self::Drift
            | Self::Fatal => Level::Warn,
            Self::MaxRequests
            | Self::MemSoft
            | Self::MaxUptime
            | Self::MaxIdle
            | Self::Exit
            | Self::AppRequest
            | Self::Manual
            | Self::Opcache
            | Self::Reload
            | Self::Watch
            | Self::ScaleDown => Level::Info,
            Self::Shutdown => Level::Debug,
        }
    }
}

/// Why OPcache forgets everything (php-src, `zend_accel_restart_reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpcacheReason {
    /// Its memory is full, and enough of it is taken by files that have changed.
    OutOfMemory,
    /// The same of its table of files.
    HashFull,
    /// `opcache_reset()`.
    Reset,
}

impl OpcacheReason {
    /// The value of the field `reason` in logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::OutOfMemory => "out_of_memory",
            Self::HashFull => "hash_full",
            Self::Reset => "reset",
        }
    }

    /// How loud: a cache that is too small is worth a warning.
    pub fn level(self) -> Level {
        match self {
            Self::OutOfMemory | Self::HashFull => Level::Warn,
            Self::Reset => Level::Info,
        }
    }

    /// What an operator can do about it.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::OutOfMemory => Some("opcache.memory_consumption may be too small for this application"),
            Self::HashFull => Some("opcache.max_accelerated_files may be too small for this application"),
            Self::Reset => None,
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
    fn reasons_are_listed_in_order_and_named_once() {
        let mut names = std::collections::BTreeSet::new();
        for (index, reason) in RecycleReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert!(names.insert(reason.label()), "{reason:?}");
        }
    }

    #[test]
    fn rejections_are_listed_in_order() {
        for (index, cause) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }
}
