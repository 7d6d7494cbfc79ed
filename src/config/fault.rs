//! What is wrong with a configuration, told so that it can be put right.

#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use super::secret;
use crate::telemetry::events::ConfigInvalid;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody set it.
    Default,
    /// A file, with the number of the line; 0 is the file as a whole.
    File { path: PathBuf, line: usize },
    /// A variable of the environment, by its name.
    Environment(String),
    /// A variable that was written for another program.
    Alias(String),
    /// An argument, with its dashes.
    Flag(&'static str),
}

impl Origin {
    /// The order in which faults are told: what belongs together stands together, a file from its top to its end.
    fn rank(&self) -> (u8, usize, &str) {
        match self {
            Self::File { line, .. } => (0, *line, ""),
            Self::Environment(name) | Self::Alias(name) => (1, 0, name),
            Self::Flag(_) => (2, 0, ""),
            Self::Default => (3, 0, ""),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) | Self::Alias(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(super) origin: Origin,
    /// Empty if it is not about one key.
    pub(super) key: String,
    pub(super) problem: String,
    /// What to do, or what is allowed.
    pub(super) remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names, values and paths come from elsewhere: none of them begins a line or moves a terminal's cursor.
        // A password in an address is nothing to whoever reads that.
        for sign in secret::without_passwords(&self.sentence()).chars() {
            if sign.is_control() { write!(f, "{}", sign.escape_default())? } else { f.write_char(sign)? }
        }
        Ok(())
    }
}

impl Fault {
    fn sentence(&self) -> String {
        let mut text = match &self.origin {
            Origin::Default => String::new(),
            origin => format!("{origin}: "),
        };
        // A flag and a variable of ours say by themselves what they set.
        if !self.key.is_empty() && matches!(self.origin, Origin::Default | Origin::File { .. } | Origin::Alias(_)) {
            text += &format!("{}: ", self.key);
        }
        text += &self.problem;
        if !self.remedy.is_empty() {
            text += &format!("; {}", self.remedy);
        }
        text
    }
}

/// A file with more faults is a file of something else.
const MOST_TOLD: usize = 100;

/// Everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Puts them into the order in which they are told.
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|one, other| one.origin.rank().cmp(&other.origin.rank()));
        Self(faults)
    }

    /// Tells the log each of them.
    pub fn report(&self) {
        for Fault { origin, key, problem, remedy } in self.0.iter().take(MOST_TOLD) {
            ConfigInvalid { origin: &origin.to_string(), key, problem, remedy }.emit();
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} fault{}", if count == 1 { ":" } else { "s:" })?;
        for fault in self.0.iter().take(MOST_TOLD) {
            write!(f, "\n  {fault}")?;
        }
        match count.saturating_sub(MOST_TOLD) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
