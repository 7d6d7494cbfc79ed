//! What is wrong with a configuration, told so that it can be put right.

#![forbid(unsafe_code)]

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody set it.
    Default,
    /// A file, with the number of the line; 0 is the file as a whole.
    File { path: PathBuf, line: usize },
    /// An argument, with its dashes.
    Flag(&'static str),
}

impl Origin {
    /// The order in which faults are told: what belongs together stands together, a file from its top to its end.
    fn rank(&self) -> (u8, usize) {
        match self {
            Self::File { line, .. } => (0, *line),
            Self::Flag(_) => (1, 0),
            Self::Default => (2, 0),
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
        match &self.origin {
            Origin::Default => {}
            Origin::File { path, line: 0 } => write!(f, "{}: ", path.display())?,
            Origin::File { path, line } => write!(f, "{}:{line}: ", path.display())?,
            Origin::Flag(flag) => write!(f, "{flag}: ")?,
        }
        // A flag says by itself what it sets.
        if !self.key.is_empty() && matches!(self.origin, Origin::Default | Origin::File { .. }) {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.problem)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Puts them into the order in which they are told.
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.origin.rank());
        Self(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} fault{}", if count == 1 { ":" } else { "s:" })?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}
