//! Every value that holds, with the place it comes from.

#![forbid(unsafe_code)]

use super::check::Check;
use super::fault::Origin;
use super::keys::{KEYS, POOL_KEYS, Preset};
use super::kind::{Entries, Kind};
use super::raw::{Setting, Value};
use super::secret;

/// Lines of TOML, each with its source as a comment. Secrets are not shown.
pub(super) fn told(check: &Check) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    for key in KEYS {
        let resolved = check.resolved.get(key.name);
        let here = resolved.map_or_else(String::new, |value| format!("; here {value}"));
        if let Kind::Map { of, .. } = key.kind {
            let entries: Vec<_> = check.settings.maps.iter().filter(|((table, _), _)| table == key.name).collect();
            if entries.is_empty() {
                lines.push((format!("# {}", key.name), "default: none".to_owned()));
            }
            for ((_, name), setting) in entries {
                let full = format!("{}.{}", key.name, quoted(name));
                // Header fields are secrets whatever their names.
                let name = if of == Entries::Headers { "secret" } else { name };
                lines.push(line(&full, name, setting, ""));
            }
        } else if let Some(setting) = check.settings.keys.get(key.name) {
            lines.push(line(key.name, key.name, setting, &here));
        } else if let Preset::Unset { words, .. } = &key.preset {
            let source = resolved.map_or_else(|| format!("default: {words}"), |value| format!("default; here {value}"));
            lines.push((format!("# {}", key.name), source.replace('`', "")));
        }
    }
    for pool in &check.settings.pools {
        for key in POOL_KEYS {
            if let Some(setting) = pool.keys.get(key.name) {
                let name = key.name.replacen("NAME", &pool.name, 1);
                lines.push(line(&name, key.name, setting, ""));
            }
        }
    }
    // A long value moves its own source only.
    const WIDEST: usize = 60;
    let width =
        lines.iter().map(|(value, _)| value.chars().count()).filter(|width| *width <= WIDEST).max().unwrap_or(0);
    lines.iter().map(|(value, source)| format!("{value:<width$}  # {source}\n")).collect()
}

fn line(full: &str, name: &str, setting: &Setting, here: &str) -> (String, String) {
    let source = match &setting.origin {
        Origin::Alias(variable) => format!("{variable} (alias)"),
        other => other.to_string(),
    };
    (format!("{full} = {}", toml_of(name, &setting.value)), format!("{source}{here}"))
}

/// Names with dots or other signs are quoted, so that the line can be read back.
pub(super) fn quoted(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if bare { name.to_owned() } else { text(name) }
}

fn toml_of(name: &str, value: &Value) -> String {
    if secret::is_secret(name) {
        return text(secret::REDACTED);
    }
    match value {
        Value::Text(value) => text(&secret::shown(name, value)),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| toml_of(name, item)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.told(),
    }
}

/// A TOML string. Nothing of it moves a terminal's cursor.
fn text(value: &str) -> String {
    let mut text = "\"".to_owned();
    for sign in value.chars() {
        match sign {
            '"' | '\\' => text.extend(['\\', sign]),
            sign if sign.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(sign))),
            sign => text.push(sign),
        }
    }
    text.push('"');
    text
}
