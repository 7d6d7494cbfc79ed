//! Variables of the environment as settings.
//!
//! `SUPERCHARGER__` begins the names that are ours alone: the key in capitals, two underscores for each dot. There a misspelt name or a
//! wrong value is a fault, as in the file. What only *may* be meant for us is in `alias` and never stops a start.

#![forbid(unsafe_code)]

use std::ffi::OsString;

use super::fault::{Fault, Origin};
use super::keys::{self, KEYS, Key, POOL, POOL_KEYS};
use super::kind::{Entries, Kind};
use super::raw::{Setting, Settings, Value};

/// Begins every variable that is read as a setting.
pub(super) const PREFIX: &str = "SUPERCHARGER__";

/// Names and values, as the system has them.
pub(super) type Variables = [(OsString, OsString)];

/// The variable that sets this key.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Takes the values of all variables that are ours; returns what is wrong with them.
pub(super) fn take(settings: &mut Settings, variables: &Variables) -> Vec<Fault> {
    let mut ours: Vec<_> = variables
        .iter()
        .filter_map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            name.starts_with(PREFIX).then_some((name, value))
        })
        .collect();
    // The order of the environment is accidental; that of the report is not.
    ours.sort();
    ours.into_iter().filter_map(|(name, value)| take_one(settings, &name, value).err()).collect()
}

fn take_one(settings: &mut Settings, name: &str, value: &OsString) -> Result<(), Fault> {
    let fault = |problem: &str, remedy: String| Fault {
        origin: Origin::Environment(name.to_owned()),
        key: String::new(),
        problem: problem.to_owned(),
        remedy,
    };
    let Some((key, entry)) = meant(name) else {
        return take_of_pool(settings, name, value).unwrap_or_else(|| Err(fault("unknown variable", instead_of(name))));
    };
    let allowed = || keys::allowed_in(key.name, &Origin::Environment(String::new()));
    // Not shown: what is no text may be anything.
    let Some(text) = value.to_str() else {
        return Err(fault("its value is not UTF-8", format!("allowed: {}", allowed())));
    };
    let origin = Origin::Environment(name.to_owned());
    match (&key.kind, entry) {
        (Kind::Map { of, .. }, Some(entry)) => {
            let entry = match of {
                Entries::Variables | Entries::Folders => entry.to_owned(),
                // Names of PHP settings are small, apart from a few of Windows; a dot cannot stand in a shell's variable.
                Entries::Settings | Entries::Attributes => entry.replace("__", ".").to_lowercase(),
                // A shell's variable cannot have a dash in its name.
                Entries::Headers => entry.replace('_', "-").to_lowercase(),
            };
            let setting = Setting { value: Value::Text(text.to_owned()), origin };
            settings.maps.insert((key.name.to_owned(), entry), setting);
        }
        (_, _) if text.is_empty() => {
            return Err(fault("is empty", format!("unset it, or give a value; allowed: {}", allowed())));
        }
        (kind, _) => {
            settings.keys.insert(key.name.to_owned(), Setting { value: read(kind, text), origin });
        }
    }
    Ok(())
}

/// Takes a value for a pool that the file names; `None` if no pool and key of that name are there. In a variable the pool's name stands in
/// capitals, with an underscore for each dash.
fn take_of_pool(settings: &mut Settings, name: &str, value: &OsString) -> Option<Result<(), Fault>> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix("POOLS__")?;
    let in_capitals = |text: &str| text.replace('-', "_").replace('.', "__").to_uppercase();
    let (pool, key) = settings.pools.iter_mut().find_map(|pool| {
        let rest = rest.strip_prefix(&in_capitals(&pool.name))?.strip_prefix("__")?;
        let is_it = |key: &&Key| key.name.strip_prefix(POOL).is_some_and(|name| in_capitals(name) == rest);
        Some((pool, POOL_KEYS.iter().find(is_it)?))
    })?;
    let origin = Origin::Environment(name.to_owned());
    let fault = |problem: &str| Fault {
        origin: origin.clone(),
        key: String::new(),
        problem: problem.to_owned(),
        remedy: format!("allowed: {}", keys::allowed_in(key.name, &origin)),
    };
    Some(match value.to_str() {
        None => Err(fault("its value is not UTF-8")),
        Some("") => Err(fault("is empty")),
        Some(text) => {
            pool.keys.insert(key.name, Setting { value: read(&key.kind, text), origin: origin.clone() });
            Ok(())
        }
    })
}

/// The key that a variable sets, with the name of the entry if the key is a table.
fn meant(name: &str) -> Option<(&'static Key, Option<&str>)> {
    KEYS.iter().find_map(|key| {
        let rest = name.strip_prefix(&variable_of(key.name))?;
        match (&key.kind, rest.strip_prefix("__")) {
            (Kind::Map { .. }, Some(entry)) if !entry.is_empty() => Some((key, Some(entry))),
            (Kind::Map { .. }, _) => None,
            (_, _) => rest.is_empty().then_some((key, None)),
        }
    })
}

/// What somebody may have meant who wrote this.
fn instead_of(name: &str) -> String {
    let dotted = name.trim_start_matches(PREFIX).to_lowercase().replace("__", ".");
    let near = if keys::is_map(dotted.trim_end_matches('.')) {
        Some(format!("{}__NAME", variable_of(dotted.trim_end_matches('.'))))
    } else {
        keys::nearest(&dotted).map(|key| match keys::is_map(key) {
            true => format!("{}__NAME", variable_of(key)),
            false => variable_of(key),
        })
    };
    match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("names are {PREFIX} and a key in capitals, with __ for each dot"),
    }
}

/// A value as the kind has it. What cannot be read as such stays a text, and is told as one.
pub(super) fn read(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Number { .. } | Kind::Auto { .. } => match text.parse() {
            Ok(number) => Value::Integer(number),
            Err(_) if is_number(text) => Value::Huge(text.to_owned()),
            Err(_) => Value::Text(text.to_owned()),
        },
        Kind::Share { .. } => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Float),
        Kind::Truth | Kind::Switch(_) => match text {
            "true" | "1" => Value::Boolean(true),
            "false" | "0" => Value::Boolean(false),
            other => Value::Text(other.to_owned()),
        },
        Kind::List { .. } => Value::List(text.split(',').map(|item| Value::Text(item.trim().to_owned())).collect()),
        Kind::Duration { .. }
        | Kind::Size { .. }
        | Kind::Word(_)
        | Kind::Text { .. }
        | Kind::Path(_)
        | Kind::Map { .. } => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Command;

    fn taken(pairs: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let mut settings = Settings::defaults(Command::PhpServer);
        let variables: Vec<_> = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let faults = take(&mut settings, &variables).iter().map(ToString::to_string).collect();
        (settings, faults)
    }

    #[test]
    fn every_key_has_its_variable() {
        for key in KEYS {
            let variable = variable_of(key.name);
            let name = if keys::is_map(key.name) { format!("{variable}__X") } else { variable };
            let (found, entry) = meant(&name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((found.name, entry.is_some()), (key.name, keys::is_map(key.name)), "{name}");
        }
    }

    #[test]
    fn values_are_read_by_kind() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("SERVER__MAX_HEADERS", "7", "server.max_headers", Value::Integer(7)),
            ("SERVER__MAX_HEADERS", "7.5", "server.max_headers", text("7.5")),
            ("POOLS__DEFAULT__WORKERS", "auto", "pools.default.workers", text("auto")),
            (
                "SERVER__MAX_HEADERS",
                "99999999999999999999",
                "server.max_headers",
                Value::Huge("99999999999999999999".into()),
            ),
            ("LOG__ACCESS", "1", "log.access", Value::Boolean(true)),
            ("LOG__ACCESS", "yes", "log.access", text("yes")),
            ("SERVER__MAX_BODY_SIZE", "4096", "server.max_body_size", text("4096")),
            ("SERVER__LISTEN", ":1, [::1]:2", "server.listen", Value::List(vec![text(":1"), text("[::1]:2")])),
            ("APP__ROOT", "a,b", "app.root", text("a,b")),
        ];
        for (variable, value, key, expected) in cases {
            let (settings, faults) = taken(&[(&format!("{PREFIX}{variable}"), value)]);
            assert!(faults.is_empty(), "{faults:?}");
            assert_eq!(settings.keys[key].value, expected, "{variable}={value}");
        }
    }

    #[test]
    fn entries_of_tables() {
        let cases = [
            ("APP__ENV__APP_ENV", "app.env", "APP_ENV"),
            ("APP__ENV__A__B", "app.env", "A__B"),
            ("APP__ENV__lower", "app.env", "lower"),
            ("PHP__INI__MEMORY_LIMIT", "php.ini", "memory_limit"),
            ("PHP__INI__OPCACHE__ENABLE_CLI", "php.ini", "opcache.enable_cli"),
        ];
        for (variable, table, entry) in cases {
            let (settings, faults) = taken(&[(&format!("{PREFIX}{variable}"), "")]);
            assert!(faults.is_empty(), "{faults:?}");
            assert!(
                settings.maps.contains_key(&(table.to_owned(), entry.to_owned())),
                "{variable}: {:?}",
                settings.maps
            );
        }
    }

    #[test]
    fn misspelt_names() {
        let cases = [
            ("SUPERCHARGER__SERVER__LISTN", "did you mean SUPERCHARGER__SERVER__LISTEN?"),
            ("SUPERCHARGER__SERVER_LISTEN", "did you mean SUPERCHARGER__SERVER__LISTEN?"),
            ("SUPERCHARGER__LISTEN", "did you mean SUPERCHARGER__SERVER__LISTEN?"),
            ("SUPERCHARGER__Server__Listen", "did you mean SUPERCHARGER__SERVER__LISTEN?"),
            ("SUPERCHARGER__PHP__INI", "did you mean SUPERCHARGER__PHP__INI__NAME?"),
            ("SUPERCHARGER__APP__ENV__", "did you mean SUPERCHARGER__APP__ENV__NAME?"),
            ("SUPERCHARGER__", "names are SUPERCHARGER__ and a key in capitals, with __ for each dot"),
            ("SUPERCHARGER__DATABASE__URL", "names are SUPERCHARGER__ and a key in capitals, with __ for each dot"),
        ];
        for (name, remedy) in cases {
            assert_eq!(taken(&[(name, "x")]).1, [format!("{name}: unknown variable; {remedy}")]);
        }
        // Of another program: a service of that name in the same cluster, a script.
        let foreign =
            [("SUPERCHARGER_PORT", "tcp://10.0.0.1:80"), ("SUPERCHARGER_SERVICE_HOST", "x"), ("SUPERCHARGERX", "y")];
        assert!(taken(&foreign).1.is_empty());
    }
}
