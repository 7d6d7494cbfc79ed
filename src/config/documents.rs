//! The list of keys as documents: a file ready to be copied, a schema for editors, the table of the manual. What is committed of
//! them is compared with what is written here, so none can say something else than the code.

#![forbid(unsafe_code)]

use std::fmt::Write as _;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::Command;
use super::keys::{KEYS, Key, POOL, POOL_KEYS, Preset};
use super::kind::{Entries, Kind};
use super::raw::Value;
use super::units;

const HEAD: &str = "\
#:schema ./supercharger.schema.json
# Configuration of supercharger: every key there is, with its default. A key that is commented out shows an example.
#
# \"supercharger run\" reads ./supercharger.toml or else /etc/supercharger/supercharger.toml; every command takes --config FILE.
# Environment variables (SUPERCHARGER__SERVER__LISTEN) win over this file, flags over both. Durations are texts such as
# \"500ms\", \"30s\" or \"2m\"; sizes are numbers of bytes or texts such as \"256KiB\" or \"10MiB\". Relative paths start at the
# folder of this file. An unknown key is an error, so a misspelt one cannot go unnoticed: \"supercharger check\" tells.
";

/// `config/supercharger.toml`.
pub(super) fn file() -> String {
    let mut text = HEAD.to_owned();
    let mut current = "";
    let last_of_pool = KEYS.iter().rfind(|key| key.name.starts_with("pools.default.")).map(|key| key.name);
    for key in KEYS {
        let is_map = matches!(key.kind, Kind::Map { .. });
        let (section, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        let section = if is_map { key.name } else { section };
        if section != current {
            put(&mut text, format_args!("\n[{section}]\n"));
            current = section;
        }
        comment(&mut text, &explained(key));
        match &key.preset {
            Preset::Value(value) => put(&mut text, format_args!("{name} = {value}\n")),
            Preset::ByCommand { php_server, .. } => put(&mut text, format_args!("# {name} = {php_server}\n")),
            Preset::Unset { example, .. } if is_map => put(&mut text, format_args!("# {example}\n")),
            Preset::Unset { example, .. } => put(&mut text, format_args!("# {name} = {example}\n")),
        }
        if last_of_pool == Some(key.name) {
            pools(&mut text);
        }
    }
    text
}

/// Further pools, wholly as a comment: a section with a name makes a pool.
fn pools(text: &mut String) {
    put(
        text,
        format_args!("\n# Further pools, each in sections of its own name, with workers and a queue of its own:\n#\n"),
    );
    let mut current = "";
    for key in POOL_KEYS {
        let (section, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if section != current {
            put(text, format_args!("#   [{}]\n", section.replace("NAME", "legacy")));
            current = section;
        }
        let value = match &key.preset {
            Preset::Value(value) | Preset::ByCommand { php_server: value, .. } => value,
            Preset::Unset { example, .. } => example,
        };
        comment(text, &explained(key));
        put(text, format_args!("#   {name} = {value}\n"));
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}

/// What a key does, may be, and is without being set, in sentences.
fn explained(key: &Key) -> String {
    let mut text = key.meaning.to_owned();
    match &key.kind {
        Kind::Duration { .. } | Kind::Size { .. } | Kind::Number { .. } | Kind::Share { .. } => {
            put(&mut text, format_args!(" Allowed: {}.", key.kind.range()));
        }
        Kind::Auto { means, .. } => put(&mut text, format_args!(" `auto` is {means}; else {}.", key.kind.range())),
        Kind::Word(_) => put(&mut text, format_args!(" Allowed: {}.", key.kind.allowed(&key.preset))),
        Kind::Truth | Kind::Switch(_) | Kind::Text { .. } | Kind::Path(_) | Kind::List { .. } | Kind::Map { .. } => {}
    }
    match &key.preset {
        Preset::ByCommand { php_server, run } => {
            put(&mut text, format_args!(" Without this key: {php_server} under php-server, {run} under run."));
        }
        Preset::Unset { words, .. } if !words.starts_with("none") => {
            put(&mut text, format_args!(" Without this key: {words}."))
        }
        Preset::Value(_) | Preset::Unset { .. } => {}
    }
    text
}

/// Lines of a comment, as wide as the other files of the project.
fn comment(text: &mut String, sentence: &str) {
    const WIDTH: usize = 120;
    let mut line = "#".to_owned();
    for word in sentence.replace('`', "\"").split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            put(text, format_args!("{line}\n"));
            line = "#".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    put(text, format_args!("{line}\n"));
}

/// The table of `docs/configuration.md`.
#[cfg(test)]
pub(super) fn table() -> String {
    let mut text = "| key | default | allowed | meaning |\n|---|---|---|---|\n".to_owned();
    // The keys of any pool stand behind those of the default one.
    let end = KEYS.iter().rposition(|key| key.name.starts_with("pools.")).map_or(KEYS.len(), |last| last + 1);
    for key in KEYS[..end].iter().chain(POOL_KEYS).chain(&KEYS[end..]) {
        let default = match (&key.preset, &key.kind) {
            (Preset::Value(value), Kind::Auto { means, .. }) => format!("`{value}`: {means}"),
            (Preset::Value(value), _) => format!("`{value}`"),
            (Preset::ByCommand { php_server, run }, _) => format!("`{php_server}`, under `run` `{run}`"),
            (Preset::Unset { words, .. }, _) => (*words).to_owned(),
        };
        let allowed = match &key.kind {
            Kind::Duration { .. } | Kind::Size { .. } | Kind::Number { .. } | Kind::Share { .. } => key.kind.range(),
            Kind::Auto { .. } => format!("`\"auto\"` or {}", key.kind.range()),
            kind => kind.allowed(&key.preset),
        };
        put(&mut text, format_args!("| `{}` | {default} | {allowed} | {} |\n", key.name, key.meaning));
    }
    text
}

/// `config/supercharger.schema.json`: JSON Schema, draft 7, which the TOML plugins of editors read.
pub(super) fn schema() -> String {
    let schema = Schema {
        dialect: "http://json-schema.org/draft-07/schema#",
        title: "supercharger.toml",
        root: section(""),
        definitions: json!({
            "php_setting": {
                "type": ["string", "number", "boolean", "object"],
                "additionalProperties": { "$ref": "#/definitions/php_setting" },
            },
        }),
    };
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema of texts and numbers is JSON");
    text.push('\n');
    text
}

/// Structs and not JSON values, so that the order is the one written here: that of maps depends on how `serde_json` was built.
#[derive(Serialize)]
struct Schema {
    #[serde(rename = "$schema")]
    dialect: &'static str,
    title: &'static str,
    #[serde(flatten)]
    root: Section,
    definitions: Json,
}

#[derive(Serialize)]
struct Section {
    r#type: &'static str,
    properties: Properties,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    required: &'static [&'static str],
    #[serde(rename = "additionalProperties")]
    additional_properties: Additional,
}

/// What a section may hold besides.
#[derive(Serialize)]
#[serde(untagged)]
enum Additional {
    Nothing(bool),
    Section(Box<Section>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Property {
    Section(Section),
    Key(Described),
}

#[derive(Serialize)]
struct Described {
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Json>,
    #[serde(flatten)]
    takes: Json,
}

/// In the order of the file.
struct Properties(Vec<(&'static str, Property)>);

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, property) in &self.0 {
            map.serialize_entry(name, property)?;
        }
        map.end()
    }
}

/// The section with this prefix, which ends with a dot unless it is empty.
fn section(prefix: &str) -> Section {
    let mut properties: Vec<(&'static str, Property)> = Vec::new();
    for key in KEYS.iter().chain(POOL_KEYS.iter().filter(|_| prefix.starts_with(POOL))) {
        let Some(rest) = key.name.strip_prefix(prefix) else { continue };
        let (name, property) = match rest.split_once('.') {
            Some((name, _)) => (name, Property::Section(section(&format!("{prefix}{name}.")))),
            None => (rest, Property::Key(described(key))),
        };
        if properties.iter().all(|(known, _)| *known != name) {
            properties.push((name, property));
        }
    }
    let additional_properties = match prefix {
        "pools." => Additional::Section(Box::new(section(POOL))),
        _ => Additional::Nothing(false),
    };
    // A pool without paths of its own would never be asked.
    let required: &[&str] = if prefix == POOL { &["match"] } else { &[] };
    Section { r#type: "object", properties: Properties(properties), required, additional_properties }
}

fn described(key: &Key) -> Described {
    let default = match &key.preset {
        // The default of `run` is told in words; an editor shows one.
        Preset::Value(_) | Preset::ByCommand { .. } => {
            key.preset.value(Command::PhpServer).map(|text| json_of(&Value::parse(text)))
        }
        Preset::Unset { .. } => None,
    };
    Described { description: explained(key).replace('`', ""), default, takes: takes(&key.kind) }
}

fn takes(kind: &Kind) -> Json {
    let whole = |least: u64, most: u64| json!({ "type": "integer", "minimum": least, "maximum": most });
    match kind {
        Kind::Duration { .. } => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" }),
        Kind::Size { least, most } => {
            let bytes = |text| units::size(text).unwrap_or_default();
            let text = json!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)?$" });
            json!({ "anyOf": [whole(bytes(least), bytes(most)), text] })
        }
        Kind::Number { least, most } => whole(u64::from(*least), u64::from(*most)),
        Kind::Auto { least, most, .. } => {
            json!({ "anyOf": [{ "enum": ["auto"] }, whole(u64::from(*least), u64::from(*most))] })
        }
        Kind::Share { most } => {
            json!({ "type": "number", "minimum": 0, "maximum": most.parse::<f64>().unwrap_or_default() })
        }
        Kind::Truth => json!({ "type": "boolean" }),
        Kind::Switch(words) => {
            let words = words.iter().map(|word| json!(word));
            let allowed: Vec<_> = [json!(true), json!(false)].into_iter().chain(words).collect();
            json!({ "enum": allowed })
        }
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Text { .. } | Kind::Path(_) => json!({ "type": "string", "minLength": 1 }),
        Kind::List { least, .. } => {
            json!({ "type": "array", "items": { "type": "string" }, "minItems": least, "uniqueItems": true })
        }
        Kind::Map { of: Entries::Variables, .. } => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "type": "string" },
        }),
        Kind::Map { of: Entries::Folders, .. } => json!({
            "type": "object",
            "propertyNames": { "pattern": "^/(.*/)?$" },
            "additionalProperties": { "type": "string", "minLength": 1 },
        }),
        Kind::Map { of: Entries::Headers, .. } => json!({
            "type": "object",
            "additionalProperties": { "type": "string" },
        }),
        Kind::Map { of: Entries::Settings | Entries::Attributes, .. } => json!({
            "type": "object",
            "additionalProperties": { "$ref": "#/definitions/php_setting" },
        }),
    }
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Boolean(truth) => json!(truth),
        Value::List(items) => Json::Array(items.iter().map(json_of).collect()),
        Value::Huge(_) | Value::Other(_) => Json::Null,
    }
}
