//! Settings as they were written: name, value and where it stands, not yet looked at.
//!
//! The file is read as TOML with positions and flattened to dotted names, instead of being deserialized into a struct: serde stops
//! at the first fault and forgets the line, and environment and flags bring the same names in the same way.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::Command;
use super::fault::{Fault, Origin};
use super::keys::{self, KEYS, POOL, POOL_KEYS};

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    /// A whole number that no machine holds, as written.
    Huge(String),
    Float(f64),
    Boolean(bool),
    List(Vec<Value>),
    /// A kind that no key takes, by its name.
    Other(&'static str),
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// All settings given, later ones over earlier ones.
#[derive(Debug)]
pub(super) struct Settings {
    /// By key.
    pub(super) keys: BTreeMap<String, Setting>,
    /// By table and name, for the tables whose names the application chooses.
    pub(super) maps: BTreeMap<(String, String), Setting>,
    /// Pools beside the default one, in the order of the file.
    pub(super) pools: Vec<PoolSettings>,
}

/// What is said of one pool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PoolSettings {
    pub(super) name: String,
    /// Where its section begins.
    pub(super) origin: Origin,
    /// By key, with `NAME` in place of its name.
    pub(super) keys: BTreeMap<&'static str, Setting>,
}

impl Settings {
    /// Whether somebody set the key.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|setting| setting.origin != Origin::Default)
    }

    /// What holds when nobody says anything.
    pub(super) fn defaults(command: Command) -> Self {
        let mut settings = Self { keys: BTreeMap::new(), maps: BTreeMap::new(), pools: Vec::new() };
        for key in KEYS {
            let Some(text) = key.preset.value(command) else { continue };
            let value = Value::parse(text);
            debug_assert!(!matches!(value, Value::Other(_)), "{}: {text}", key.name);
            settings.keys.insert(key.name.to_owned(), Setting { value, origin: Origin::Default });
        }
        settings
    }

    /// Takes a value from the command line.
    pub(super) fn flag(&mut self, key: &'static str, flag: &'static str, value: Value) {
        debug_assert!(keys::is_key(key), "{key}");
        self.keys.insert(key.to_owned(), Setting { value, origin: Origin::Flag(flag) });
    }

    /// Takes the values of a file's text; returns what is wrong with its form and names.
    pub(super) fn file(&mut self, path: &Path, text: &str) -> Vec<Fault> {
        // Some editors begin a file with this mark, which is no part of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        let mut reading = Reading { settings: self, faults: Vec::new(), path, text, ends };
        for error in &errors {
            let span = error.span().unwrap_or_default();
            reading.fault(&span, "", format!("not TOML: {}", reading.meant(error.message(), &span)), String::new());
        }
        // What follows on the same line mostly follows from the first.
        reading.faults.dedup_by(|next, first| next.origin == first.origin);
        // A broken file is not read further: what is left of it would only bring faults that follow from the first.
        if errors.is_empty() {
            reading.table("", table.get_ref());
        }
        reading.faults
    }
}

struct Reading<'a> {
    settings: &'a mut Settings,
    faults: Vec<Fault>,
    path: &'a Path,
    text: &'a str,
    /// Where lines end.
    ends: Vec<usize>,
}

impl Reading<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        // The order of the file counts for pools, and is the one to tell faults in.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let span = name.span();
            let key =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            match value.get_ref() {
                DeValue::Table(inner) if prefix == "pools" && name.get_ref() != "default" => {
                    let origin = self.origin(&span);
                    self.settings.pools.push(PoolSettings {
                        name: name.get_ref().to_string(),
                        origin,
                        keys: BTreeMap::new(),
                    });
                    self.pool(&key, POOL, inner);
                }
                DeValue::Table(inner) if keys::is_map(&key) => self.map(&key, "", inner),
                DeValue::Table(inner) if keys::is_section(&key) => self.table(&key, inner),
                _ if keys::is_map(&key) => {
                    let problem = format!("{} where a table belongs", kind(value.get_ref()));
                    self.fault(&span, &key, problem, format!("allowed: {}", keys::allowed(&key)));
                }
                _ if keys::is_section(&key) => {
                    let problem = format!("{} where a section belongs", kind(value.get_ref()));
                    self.fault(&span, &key, problem, format!("write [{key}] and its keys below"));
                }
                written if keys::is_key(&key) => {
                    let setting = Setting { value: convert(written), origin: self.origin(&span) };
                    self.settings.keys.insert(key, setting);
                }
                DeValue::Table(_) if prefix.is_empty() && keys::nearest(&key).is_none() => {
                    self.fault(&span, &key, "unknown section".to_owned(), keys::instead_of_section(&key));
                }
                _ => {
                    let remedy = keys::nearest(&key).map_or_else(String::new, |near| format!("did you mean `{near}`?"));
                    self.fault(&span, &key, "unknown key".to_owned(), remedy);
                }
            }
        }
    }

    /// A section of the pool read last, or one in it: `shown` is its name, `section` the same with `NAME` for the pool's.
    fn pool(&mut self, shown: &str, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let (span, key) = (name.span(), format!("{section}{}", name.get_ref()));
            let shown = format!("{shown}.{}", name.get_ref());
            let known = POOL_KEYS.iter().find(|known| known.name == key);
            match (value.get_ref(), known) {
                (written, Some(known)) => {
                    let setting = Setting { value: convert(written), origin: self.origin(&span) };
                    if let Some(pool) = self.settings.pools.last_mut() {
                        pool.keys.insert(known.name, setting);
                    }
                }
                (DeValue::Table(inner), None)
                    if POOL_KEYS.iter().any(|known| known.name.starts_with(&format!("{key}."))) =>
                {
                    self.pool(&shown, &format!("{key}."), inner);
                }
                (_, None) => {
                    let near = keys::nearest_of(POOL_KEYS, &key);
                    let pool = shown.split('.').nth(1).unwrap_or_default();
                    let remedy = near
                        .map_or_else(String::new, |near| format!("did you mean `{}`?", near.replacen("NAME", pool, 1)));
                    self.fault(&span, &shown, "unknown key".to_owned(), remedy);
                }
            }
        }
    }

    /// Names with dots may be written as such: `opcache.enable = 1` is the setting `opcache.enable`.
    fn map(&mut self, map: &str, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let full =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            if let DeValue::Table(inner) = value.get_ref() {
                self.map(map, &full, inner);
            } else {
                let setting = Setting { value: convert(value.get_ref()), origin: self.origin(&name.span()) };
                self.settings.maps.insert((map.to_owned(), full), setting);
            }
        }
    }

    /// The parser's message; where it only shows what the parser tried last, what it comes from.
    fn meant(&self, message: &str, span: &Range<usize>) -> String {
        let here = self.text.get(span.clone()).unwrap_or_default();
        let rest_of_line = self.text.get(span.start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        if message == "duplicate key" && !here.is_empty() {
            format!("`{here}` stands there twice")
        } else if rest_of_line.contains('\0') {
            "a NUL byte".to_owned()
        } else if message.contains("quoted") && rest_of_line.is_empty() {
            "a value is missing".to_owned()
        } else if message.contains("expected `inf`") || message.contains("expected `nan`") {
            "a text must stand in quotes".to_owned()
        } else {
            message.to_owned()
        }
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let line = self.ends.partition_point(|end| *end < span.start) + 1;
        Origin::File { path: self.path.to_owned(), line }
    }

    fn fault(&mut self, span: &Range<usize>, key: &str, problem: String, remedy: String) {
        let origin = self.origin(span);
        self.faults.push(Fault { origin, key: key.to_owned(), problem, remedy });
    }
}

fn convert(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Huge(number.to_string()), Value::Integer),
        DeValue::Float(number) => number.as_str().parse().map_or(Value::Other("a number"), Value::Float),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Array(items) => Value::List(items.iter().map(|item| convert(item.get_ref())).collect()),
        DeValue::Datetime(_) | DeValue::Table(_) => Value::Other(kind(value)),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl Value {
    /// A value as it stands in TOML.
    pub(super) fn parse(text: &str) -> Self {
        DeValue::parse(text).map_or(Self::Other("no TOML"), |value| convert(value.get_ref()))
    }

    /// The value as a message quotes it.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Integer(number) => number.to_string(),
            Self::Huge(digits) => digits.clone(),
            Self::Float(number) => number.to_string(),
            Self::Boolean(truth) => truth.to_string(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::told).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Other(kind) => (*kind).to_owned(),
        }
    }
}
