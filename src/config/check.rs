//! From settings to values that hold: every key is read, every fault is kept.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::{Fault, Origin};
use super::keys;
use super::raw::{Setting, Settings, Value};
use super::units;

/// Reads settings by key and gathers what is wrong with them.
#[derive(Debug)]
pub(super) struct Check {
    settings: Settings,
    pub(super) faults: Vec<Fault>,
    /// Where relative paths of the command line start.
    folder: PathBuf,
}

/// What is wrong with a value; the key's entry in the list says what is allowed.
type Problem = String;

impl Check {
    pub(super) fn new(settings: Settings, faults: Vec<Fault>, folder: PathBuf) -> Self {
        Self { settings, faults, folder }
    }

    /// Whether somebody set the key.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.settings.keys.contains_key(key)
    }

    /// The value of a key, or its default if it is not set or wrong.
    fn read<T>(&mut self, key: &'static str, default: T, parse: impl FnOnce(&Value) -> Result<T, Problem>) -> T {
        debug_assert!(keys::is_key(key), "{key}");
        let Some(Setting { value, origin }) = self.settings.keys.get(key) else { return default };
        match parse(value) {
            Ok(read) => read,
            Err(problem) => {
                let remedy = format!("allowed: {}", keys::allowed(key));
                self.faults.push(Fault { origin: origin.clone(), key: key.to_owned(), problem, remedy });
                default
            }
        }
    }

    /// Adds a fault about a key, whoever set it.
    pub(super) fn fault(&mut self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let origin = self.settings.keys.get(key).map_or(Origin::Default, |setting| setting.origin.clone());
        self.faults.push(Fault { origin, key: key.to_owned(), problem: problem.into(), remedy: remedy.into() });
    }

    pub(super) fn duration(&mut self, key: &'static str, default: Duration, least: Duration) -> Duration {
        const MOST: Duration = Duration::from_secs(60 * 60);
        self.read(key, default, |value| {
            let Value::Text(text) = value else { return Err(format!("{} is no duration", value.told())) };
            let duration = units::duration(text).ok_or_else(|| format!("{text:?} is no duration"))?;
            if (least..=MOST).contains(&duration) { Ok(duration) } else { Err(format!("{text:?} is out of range")) }
        })
    }

    pub(super) fn size(&mut self, key: &'static str, default: u64, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.read(key, default, |value| {
            let size = match value {
                Value::Text(text) => units::size(text),
                Value::Integer(number) => u64::try_from(*number).ok(),
                _ => None,
            };
            let size = size.ok_or_else(|| format!("{} is no size", value.told()))?;
            if range.contains(&size) { Ok(size) } else { Err(format!("{} is out of range", value.told())) }
        })
    }

    pub(super) fn number(&mut self, key: &'static str, default: u32, range: std::ops::RangeInclusive<u32>) -> u32 {
        self.read(key, default, |value| {
            let Value::Integer(number) = value else { return Err(format!("{} is no number", value.told())) };
            let number = u32::try_from(*number).ok().filter(|number| range.contains(number));
            number.ok_or_else(|| format!("{} is out of range", value.told()))
        })
    }

    /// A number, or `"auto"` for the default.
    pub(super) fn auto(&mut self, key: &'static str, default: u32, range: std::ops::RangeInclusive<u32>) -> u32 {
        match self.settings.keys.get(key).map(|setting| &setting.value) {
            Some(Value::Text(text)) if text == "auto" => default,
            _ => self.number(key, default, range),
        }
    }

    pub(super) fn truth(&mut self, key: &'static str, default: bool) -> bool {
        self.read(key, default, |value| match value {
            Value::Boolean(truth) => Ok(*truth),
            other => Err(format!("{} is neither true nor false", other.told())),
        })
    }

    /// A word out of a closed set.
    pub(super) fn word<T: std::str::FromStr>(&mut self, key: &'static str, default: T) -> T {
        self.read(key, default, |value| match value {
            Value::Text(text) => text.parse().map_err(|_| format!("{text:?} is unknown")),
            other => Err(format!("{} is no text", other.told())),
        })
    }

    /// A list of texts, each of which can be read as `T`; not empty, none twice.
    pub(super) fn list<T: std::str::FromStr + PartialEq>(&mut self, key: &'static str, default: Vec<T>) -> Vec<T> {
        let Some(setting) = self.settings.keys.get(key).cloned() else { return default };
        let mut list = Vec::new();
        let mut problems = Vec::new();
        match &setting.value {
            Value::List(items) if items.is_empty() => problems.push("the list is empty".to_owned()),
            Value::List(items) => {
                for item in items {
                    let read = if let Value::Text(text) = item { text.parse::<T>().ok() } else { None };
                    match read {
                        Some(read) if list.contains(&read) => {
                            problems.push(format!("{} stands there twice", item.told()))
                        }
                        Some(read) => list.push(read),
                        None => problems.push(format!("{} is no address", item.told())),
                    }
                }
            }
            other => problems.push(format!("{} is no list", other.told())),
        }
        if problems.is_empty() {
            return list;
        }
        for problem in problems {
            self.fault(key, problem, format!("allowed: {}", keys::allowed(key)));
        }
        default
    }

    /// A text, checked by `accept`.
    pub(super) fn text(&mut self, key: &'static str, default: &str, accept: impl FnOnce(&str) -> bool) -> String {
        self.read(key, default.to_owned(), |value| match value {
            Value::Text(text) if accept(text) => Ok(text.clone()),
            other => Err(format!("{} is not that", other.told())),
        })
    }

    /// An existing directory, absolute and without symbolic links; `default` if the key is not set.
    pub(super) fn directory(&mut self, key: &'static str, default: &Path) -> PathBuf {
        let Some(written) = self.path(key) else { return default.to_owned() };
        let given = written.as_deref().unwrap_or(default);
        self.readable_directory(key, given)
    }

    /// The directory itself, or a fault and the path as it is.
    pub(super) fn readable_directory(&mut self, key: &'static str, path: &Path) -> PathBuf {
        let told = path.display();
        let look = fs::canonicalize(path).and_then(|real| {
            let is_directory = fs::metadata(&real)?.is_dir();
            if is_directory {
                fs::read_dir(&real)?;
            }
            Ok((real, is_directory))
        });
        match look {
            Ok((real, true)) => return real,
            Ok((_, false)) => {
                self.fault(key, format!("{told} is not a directory"), "name the folder that holds the public files")
            }
            Err(error) => {
                let remedy =
                    remedy_for(&error, "name an existing folder with --root, or start the server where `public/` is");
                self.fault(key, format!("{told}: {}", sentence(&error)), remedy);
            }
        }
        path.to_owned()
    }

    /// A regular file that can be read, absolute and without symbolic links; `None` if the key is not set or wrong.
    pub(super) fn script(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = self.path(key)??;
        let told = path.display();
        let look = fs::canonicalize(&path).and_then(|real| {
            let is_file = fs::metadata(&real)?.is_file();
            if is_file {
                File::open(&real)?;
            }
            Ok((real, is_file))
        });
        match look {
            Ok((real, true)) => return Some(real),
            Ok((_, false)) => {
                self.fault(
                    key,
                    format!("{told} is not a regular file"),
                    "name the script itself, such as public/index.php",
                );
            }
            Err(error) => {
                let remedy = remedy_for(
                    &error,
                    "name an existing script, such as public/index.php; relative names start at the current folder",
                );
                self.fault(key, format!("{told}: {}", sentence(&error)), remedy);
            }
        }
        None
    }

    /// `None` if the key is set to something that is no path (a fault then), `Some(None)` if it is not set.
    #[allow(clippy::option_option, reason = "three outcomes, each handled by both callers")]
    fn path(&mut self, key: &'static str) -> Option<Option<PathBuf>> {
        let Some(Setting { value, origin }) = self.settings.keys.get(key).cloned() else { return Some(None) };
        match value {
            Value::Text(text) if !text.is_empty() && !text.contains('\0') => {
                // What a file names lies relative to that file; what the command line names, to where it was typed.
                let base = match &origin {
                    Origin::File { path, .. } => path.parent().unwrap_or(Path::new("")),
                    Origin::Flag(_) | Origin::Default => Path::new(""),
                };
                Some(Some(self.folder.join(base).join(text)))
            }
            other => {
                self.fault(key, format!("{} is no path", other.told()), format!("allowed: {}", keys::allowed(key)));
                None
            }
        }
    }

    /// The entries of a table whose names the application chooses, in the order of their names.
    pub(super) fn map(
        &mut self,
        map: &'static str,
        accept: impl Fn(&str, &Value) -> Result<String, Problem>,
    ) -> Vec<(String, String)> {
        debug_assert!(keys::is_map(map), "{map}");
        let mut entries = Vec::new();
        for ((table, name), Setting { value, origin }) in &self.settings.maps {
            if table != map {
                continue;
            }
            match accept(name, value) {
                Ok(text) => entries.push((name.clone(), text)),
                Err(problem) => self.faults.push(Fault {
                    origin: origin.clone(),
                    key: format!("{map}.{name}"),
                    problem,
                    remedy: format!("allowed: {}", keys::allowed(map)),
                }),
            }
        }
        entries
    }
}

/// The system's reason without its number.
fn sentence(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        _ => error.to_string(),
    }
}

fn remedy_for(error: &std::io::Error, not_found: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "give the user that runs the server the right to read it (`ls -ld`, `chmod`)"
        }
        _ => not_found,
    }
    .to_owned()
}
