//! Where access-log lines go, and in which form.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

use super::events;
use super::file::{LogFile, StandardError};
use super::format::{self, Format, Lines};
use super::labels::UnknownLabel;
use super::outlet::{Outlet, Sink};

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

/// The access log of this process; none if there is none.
static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Debug)]
struct Log {
    form: Form,
    outlet: Outlet,
}

/// The form of its lines.
#[derive(Debug)]
enum Form {
    /// As of other events.
    Lines(Lines),
    /// As of Apache and nginx.
    Combined,
}

/// Begins the access log, if there is to be one. The first call counts. `colours`: whoever sees standard error sees them.
pub(super) fn begin(access: Access, format: Format, colours: bool) -> Option<Outlet> {
    let pid = std::process::id();
    let form = match access.form {
        AccessForm::Off => return None,
        AccessForm::On => Form::Lines(Lines::new(format, pid, colours && access.file.is_none())),
        AccessForm::Json => Form::Lines(Lines::new(Format::Json, pid, false)),
        AccessForm::Combined => Form::Combined,
    };
    let sink: Box<dyn Sink> = match access.file {
        Some(path) => Box::new(LogFile::new(path)),
        None => Box::new(StandardError),
    };
    let outlet = Outlet::new("access", sink);
    LOG.set(Log { form, outlet: outlet.clone() }).ok()?;
    Some(outlet)
}

/// Writes a line, if there is an access log.
pub(super) fn put(access: &events::Access<'_>) {
    let Some(log) = LOG.get() else { return };
    log.outlet.put_written(|line| match &log.form {
        Form::Lines(lines) => lines.access(line, access),
        Form::Combined => format::combined(line, access),
    });
}
