//! Where access-log lines go, and in which form.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::str::FromStr;

use super::labels::UnknownLabel;

/// The access log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Form of its lines.
    pub form: AccessForm,
    /// The file that gets them; standard error without one.
    pub file: Option<PathBuf>,
}

/// Form of an access-log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AccessForm {
    /// There are none.
    #[default]
    Off,
    /// That of the other lines.
    On,
    /// That of Apache and nginx.
    Combined,
    /// JSON, whatever the other lines are.
    Json,
}

impl FromStr for AccessForm {
    type Err = UnknownLabel;

    fn from_str(text: &str) -> Result<Self, UnknownLabel> {
        match text {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::On),
            "combined" => Ok(Self::Combined),
            "json" => Ok(Self::Json),
            other => Err(UnknownLabel { given: other.to_owned(), allowed: "off, on, combined, json" }),
        }
    }
}
