//! From settings to values that hold: every key is read, every fault is kept.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Command;
use super::effective;
use super::fault::{Fault, Origin};
use super::keys;
use super::kind::Kind;
use super::raw::{PoolSettings, Setting, Settings, Value};
use super::secret;
use super::units;

/// Reads settings by key and gathers what is wrong with them.
#[derive(Debug)]
pub(super) struct Check {
    /// What is to be started.
    pub(super) command: Command,
    pub(super) settings: Settings,
    /// What holds where a setting is wrong, so that the rest can be checked too.
    defaults: Settings,
    pub(super) faults: Vec<Fault>,
    /// Where relative paths start that no file names.
    pub(super) folder: PathBuf,
    /// Keys that were asked for: one that nobody asks for has no effect.
    pub(super) asked: BTreeSet<&'static str>,
    /// What values mean on this machine that say so only in words.
    pub(super) resolved: BTreeMap<&'static str, String>,
    /// For a process that somebody else has started who has checked this before, and keeps the token to himself.
    pub(super) is_child: bool,
    /// The pool whose keys are being read.
    pool: Option<String>,
}

/// What is wrong with a value; the key's entry in the list says what is allowed.
pub(super) type Problem = String;

impl Check {
    pub(super) fn new(command: Command, settings: Settings, faults: Vec<Fault>, folder: PathBuf) -> Self {
        let mut defaults = Settings::defaults(command);
        for key in keys::POOL_KEYS {
            if let Some(text) = key.preset.value(command) {
                let setting = Setting { value: Value::parse(text), origin: Origin::Default };
                defaults.keys.insert(key.name.to_owned(), setting);
            }
        }
        Self {
            command,
            settings,
            defaults,
            faults,
            folder,
            asked: BTreeSet::new(),
            resolved: BTreeMap::new(),
            is_child: false,
            pool: None,
        }
    }

    /// Reads the keys of one pool: while `read` runs, `pools.NAME.` stands for that pool.
    pub(super) fn in_pool<T>(&mut self, pool: &PoolSettings, read: impl FnOnce(&mut Self) -> T) -> T {
        for key in keys::POOL_KEYS {
            let setting = pool.keys.get(key.name).or_else(|| self.defaults.keys.get(key.name)).cloned();
            if let Some(setting) = setting {
                self.settings.keys.insert(key.name.to_owned(), setting);
            }
        }
        self.pool = Some(pool.name.clone());
        let value = read(self);
        self.pool = None;
        self.settings.keys.retain(|name, _| !name.starts_with(keys::POOL));
        value
    }

    /// The name of a key as the operator knows it.
    fn shown(&self, key: &str) -> String {
        match &self.pool {
            Some(pool) => key.replacen("NAME", pool, 1),
            None => key.to_owned(),
        }
    }

    /// Whether somebody set the key.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.settings.is_set(key)
    }

    /// What the key may be.
    fn kind(key: &'static str) -> &'static Kind {
        &keys::find(key).unwrap_or_else(|| panic!("{key} is not declared in keys.rs")).kind
    }

    /// The value of a key; its default if it is wrong.
    pub(super) fn read<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Result<T, Problem>) -> T {
        // `keys::KEYS` is constant and a test reads every default of it.
        let missing = || panic!("the default of {key} is not one that {key} takes");
        self.read_or(key, parse, missing)
    }

    /// The same for a key that may be left unset: `missing` stands for its default.
    pub(super) fn read_or<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&Value) -> Result<T, Problem>,
        missing: impl FnOnce() -> T,
    ) -> T {
        self.asked.insert(key);
        let given = self.settings.keys.get(key).map(|Setting { value, origin }| (parse(value), origin.clone()));
        let (problem, origin) = match given {
            Some((Ok(read), _)) => return read,
            Some((Err(problem), origin)) => (problem, origin),
            None => (format!("{key} has no default"), Origin::Default),
        };
        // What may be a secret is not repeated.
        let problem = if secret::is_secret(key) { "its value is not that".to_owned() } else { problem };
        let remedy = format!("allowed: {}", keys::allowed_in(key, &origin));
        let shown = self.shown(key);
        self.faults.push(Fault { origin, key: shown, problem, remedy });
        let default = self.defaults.keys.get(key).map(|setting| parse(&setting.value));
        default.and_then(Result::ok).unwrap_or_else(missing)
    }

    /// Adds a fault about a key, whoever set it.
    pub(super) fn fault(&mut self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let origin = self.settings.keys.get(key).map_or(Origin::Default, |setting| setting.origin.clone());
        self.faults.push(Fault { origin, key: self.shown(key), problem: problem.into(), remedy: remedy.into() });
    }

    /// Adds a fault that is about no value.
    pub(super) fn fault_at(&mut self, origin: &Origin, key: String, problem: &str, remedy: impl Into<String>) {
        self.faults.push(Fault { origin: origin.clone(), key, problem: problem.to_owned(), remedy: remedy.into() });
    }

    /// A length of time.
    pub(super) fn duration(&mut self, key: &'static str) -> Duration {
        let Kind::Duration { least, most } = Self::kind(key) else { panic!("{key} is declared as no duration") };
        let range = units::duration(least).unwrap_or_default()..=units::duration(most).unwrap_or_default();
        self.read(key, |value| {
            let Value::Text(text) = value else { return Err(format!("{} is no duration", value.told())) };
            let duration = units::duration(text).ok_or_else(|| format!("{text:?} is no duration"))?;
            if range.contains(&duration) { Ok(duration) } else { Err(format!("{text:?} is out of range")) }
        })
    }

    /// A number of bytes.
    pub(super) fn size(&mut self, key: &'static str) -> u64 {
        let Kind::Size { least, most } = Self::kind(key) else { panic!("{key} is declared as no size") };
        let range = units::size(least).unwrap_or_default()..=units::size(most).unwrap_or_default();
        self.read(key, |value| {
            let size = match value {
                Value::Text(text) => units::size(text),
                Value::Integer(number) => u64::try_from(*number).ok(),
                Value::Huge(_) => Some(u64::MAX),
                _ => None,
            };
            let size = size.ok_or_else(|| format!("{} is no size", value.told()))?;
            if range.contains(&size) { Ok(size) } else { Err(format!("{} is out of range", value.told())) }
        })
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &'static str) -> u32 {
        let Kind::Number { least, most } = Self::kind(key) else { panic!("{key} is declared as no number") };
        self.read(key, |value| number(value, *least, *most))
    }

    /// The same of a key without a default; `None` if nobody set it, or if it is wrong.
    pub(super) fn number_if_set(&mut self, key: &'static str) -> Option<u32> {
        let Kind::Number { least, most } = Self::kind(key) else { panic!("{key} is declared as no number") };
        self.asked.insert(key);
        let Setting { value, .. } = self.settings.keys.get(key)?;
        match number(value, *least, *most) {
            Ok(number) => Some(number),
            Err(problem) => {
                self.fault(key, problem, format!("allowed: {}", keys::allowed(key)));
                None
            }
        }
    }

    /// A part of the whole.
    pub(super) fn share(&mut self, key: &'static str) -> f64 {
        let Kind::Share { most } = Self::kind(key) else { panic!("{key} is declared as no share") };
        let most: f64 = most.parse().unwrap_or_default();
        self.read(key, |value| {
            let share = match value {
                Value::Float(share) => *share,
                Value::Integer(number) => *number as f64,
                other => return Err(format!("{} is no number", other.told())),
            };
            if (0.0..=most).contains(&share) { Ok(share) } else { Err(format!("{} is out of range", value.told())) }
        })
    }

    /// Whether the key has another value than its default.
    pub(super) fn differs(&self, key: &str) -> bool {
        self.settings.keys.get(key).map(|setting| &setting.value)
            != self.defaults.keys.get(key).map(|setting| &setting.value)
    }

    /// Adds a fault for each of the keys that has another value than its default: nobody would heed it.
    pub(super) fn without_effect(&mut self, keys: impl IntoIterator<Item = &'static str>, problem: &str, remedy: &str) {
        for key in keys {
            if self.differs(key) {
                self.fault(key, problem, remedy);
            }
        }
    }

    /// A key with the place where it was set.
    pub(super) fn told(&self, key: &str) -> String {
        let origin = self.settings.keys.get(key).map_or(Origin::Default, |setting| setting.origin.clone());
        format!("{} ({origin})", self.shown(key))
    }

    /// A whole number, or `"auto"`, which is `auto`.
    pub(super) fn auto(&mut self, key: &'static str, auto: u32) -> u32 {
        let Kind::Auto { least, most, .. } = Self::kind(key) else { panic!("{key} is declared without auto") };
        let read = self.read(key, |value| match value {
            Value::Text(text) if text == "auto" => Ok((auto, true)),
            other => number(other, *least, *most).map(|number| (number, false)),
        });
        if read.1 {
            self.resolved.insert(key, auto.to_string());
        }
        read.0
    }

    /// `true` or `false`.
    pub(super) fn truth(&mut self, key: &'static str) -> bool {
        self.read(key, |value| match value {
            Value::Boolean(truth) => Ok(*truth),
            other => Err(format!("{} is neither true nor false", other.told())),
        })
    }

    /// A word out of a closed set.
    pub(super) fn word<T: std::str::FromStr>(&mut self, key: &'static str) -> T {
        self.read(key, |value| match value {
            Value::Text(text) => text.parse().map_err(|_| format!("{text:?} is unknown")),
            other => Err(format!("{} is no text", other.told())),
        })
    }

    /// A word out of the set that the key's declaration names.
    pub(super) fn text_of(&mut self, key: &'static str) -> String {
        let Kind::Word(words) = Self::kind(key) else { panic!("{key} is declared as no word") };
        self.read(key, |value| match value {
            Value::Text(text) if words.contains(&text.as_str()) => Ok(text.clone()),
            Value::Text(text) => Err(format!("{text:?} is unknown")),
            other => Err(format!("{} is no text", other.told())),
        })
    }

    /// A list of texts, each of which can be read as `T`; none twice.
    pub(super) fn list<T: std::str::FromStr + PartialEq>(&mut self, key: &'static str) -> Vec<T> {
        let Kind::List { of, least, .. } = Self::kind(key) else { panic!("{key} is declared as no list") };
        let parse = |value: &Value| {
            let Value::List(items) = value else { return Err(format!("{} is no list", value.told())) };
            if items.len() < *least {
                return Err("the list is empty".to_owned());
            }
            let mut list = Vec::new();
            let mut problems = Vec::new();
            for item in items {
                match if let Value::Text(text) = item { text.parse::<T>().ok() } else { None } {
                    Some(read) if list.contains(&read) => problems.push(format!("{} stands there twice", item.told())),
                    Some(read) => list.push(read),
                    None => problems.push(format!("{} is no {of}", item.told())),
                }
            }
            if problems.is_empty() { Ok(list) } else { Err(problems.join(", ")) }
        };
        self.read_or(key, parse, Vec::new)
    }

    /// A text, checked by `accept`.
    pub(super) fn text(&mut self, key: &'static str, accept: impl Fn(&str) -> bool) -> String {
        let Kind::Text { of, .. } = Self::kind(key) else { panic!("{key} is declared as no text") };
        self.read(key, |value| match value {
            Value::Text(text) if accept(text) => Ok(text.clone()),
            other => Err(format!("{} is no {of}", other.told())),
        })
    }

    /// A text of a key without a default that can be read as `T`; `None` if nobody set it, if it is empty, or if it is wrong (a fault
    /// then).
    pub(super) fn parsed_if_set<T: std::str::FromStr>(&mut self, key: &'static str) -> Option<T> {
        let Kind::Text { of, .. } = Self::kind(key) else { panic!("{key} is declared as no text") };
        let parse = |value: &Value| match value {
            Value::Text(text) if text.is_empty() => Ok(None),
            Value::Text(text) => text.parse().map(Some).map_err(|_| format!("{text:?} is no {of}")),
            other => Err(format!("{} is no {of}", other.told())),
        };
        if self.settings.keys.contains_key(key) {
            return self.read_or(key, parse, || None);
        }
        self.asked.insert(key);
        None
    }

    /// The path of a key, absolute; `None` if it is not set or is no path (a fault then).
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.asked.insert(key);
        let Setting { value, origin } = self.settings.keys.get(key).cloned()?;
        match value {
            Value::Text(text) if !text.is_empty() && !text.contains('\0') => Some(self.base(&origin).join(text)),
            other => {
                self.fault(key, format!("{} is no path", other.told()), format!("allowed: {}", keys::allowed(key)));
                None
            }
        }
    }

    /// The texts of a list as absolute paths; none if the key is not set.
    pub(super) fn paths(&mut self, key: &'static str) -> Vec<PathBuf> {
        if !self.is_set(key) {
            self.asked.insert(key);
            return Vec::new();
        }
        let texts: Vec<String> = self.list(key);
        let origin = self.settings.keys.get(key).map_or(Origin::Default, |setting| setting.origin.clone());
        texts.into_iter().map(|text| self.base(&origin).join(text)).collect()
    }

    /// The entries of a table of paths, absolute, in the order of their names.
    pub(super) fn path_map(&mut self, map: &'static str) -> Vec<(String, PathBuf)> {
        let accept = |name: &str, value: &Value, told: &str| match value {
            _ if !name.starts_with('/') || !name.ends_with('/') => {
                Err(format!("{name:?} does not begin and end with a slash"))
            }
            _ if name.contains(['\0', '"', '\\', '%', '?']) || name.contains("//") || name.contains("/.") => {
                Err(format!("{name:?} is no plain path"))
            }
            Value::Text(text) if !text.is_empty() && !text.contains('\0') => Ok(text.clone()),
            _ => Err(format!("{told} is no path")),
        };
        let entries = self.map(map, accept);
        let origin = |name: &String| self.settings.maps.get(&(map.to_owned(), name.clone())).map(|s| s.origin.clone());
        let based = |(name, text): (String, String)| {
            let base = self.base(&origin(&name).unwrap_or(Origin::Default));
            (name, base.join(text))
        };
        entries.into_iter().map(based).collect()
    }

    /// Where a relative path of this key starts, in words; `None` if nobody set it.
    pub(super) fn base_told(&self, key: &str) -> Option<&'static str> {
        match self.settings.keys.get(key)?.origin {
            Origin::Default => None,
            Origin::File { .. } => Some("the folder of the file"),
            Origin::Environment(_) | Origin::Alias(_) | Origin::Flag(_) => Some("the current folder"),
        }
    }

    /// What a file names lies relative to that file; what the command line or a variable names, to where the command was typed.
    fn base(&self, origin: &Origin) -> PathBuf {
        match origin {
            Origin::File { path, .. } => self.folder.join(path.parent().unwrap_or(Path::new(""))),
            Origin::Default | Origin::Environment(_) | Origin::Alias(_) | Origin::Flag(_) => self.folder.clone(),
        }
    }

    /// The entries of a table whose names the application chooses, in the order of their names.
    pub(super) fn map(
        &mut self,
        map: &'static str,
        accept: impl Fn(&str, &Value, &str) -> Result<String, Problem>,
    ) -> Vec<(String, String)> {
        self.asked.insert(map);
        let mut entries = Vec::new();
        for ((table, name), Setting { value, origin }) in &self.settings.maps {
            if table != map {
                continue;
            }
            // What may be a secret is not repeated.
            let told = if secret::is_secret(name) { secret::REDACTED.to_owned() } else { value.told() };
            match accept(name, value, &told) {
                Ok(text) => entries.push((name.clone(), text)),
                Err(problem) => self.faults.push(Fault {
                    origin: origin.clone(),
                    key: format!("{map}.{}", effective::quoted(name)),
                    problem,
                    remedy: format!("allowed: {}", keys::allowed(map)),
                }),
            }
        }
        entries
    }
}

fn number(value: &Value, least: u32, most: u32) -> Result<u32, Problem> {
    let number = match value {
        Value::Integer(number) => *number,
        Value::Huge(_) => i64::MAX,
        other => return Err(format!("{} is no whole number", other.told())),
    };
    let number = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{} is out of range", value.told()))
}
