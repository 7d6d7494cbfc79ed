//! What a value may be.

#![forbid(unsafe_code)]

use super::keys::Preset;
use super::units;

/// What a key takes. Bounds are written as people write them and are part of the message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A text with a number and a unit.
    Duration { least: &'static str, most: &'static str },
    /// A number of bytes, or a text with a number and a unit.
    Size { least: &'static str, most: &'static str },
    /// A whole number.
    Number { least: u32, most: u32 },
    /// A whole number, or `"auto"`, which means what it says there.
    Auto { least: u32, most: u32, means: &'static str },
    /// A part of the whole, from 0.
    Share { most: &'static str },
    /// `true` or `false`.
    Truth,
    /// `true`, `false`, or one of these words for a special form of `true`.
    Switch(&'static [&'static str]),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any other text that is such a thing.
    Text { of: &'static str, allowed: &'static str },
    /// A file or folder; relative ones start at the folder of the file that names them.
    Path(&'static str),
    /// A list of at least so many texts, each of which is one `of` these.
    List { of: &'static str, least: usize, allowed: &'static str },
    /// A table whose names the application chooses.
    Map { of: Entries, allowed: &'static str },
}

/// What the values of a [`Kind::Map`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entries {
    /// Texts, by names of environment variables.
    Variables,
    /// Folders, by paths that begin and end with a slash.
    Folders,
    /// Texts, numbers and truths, by names of PHP settings; a dot in a name may be written as a table in the table.
    Settings,
    /// Texts, by names with dots; a dot in a name may be written as a table in the table.
    Attributes,
    /// Secret texts, by names of header fields.
    Headers,
}

impl Kind {
    /// Completes the sentence "allowed: ...". The preset serves as the example.
    pub(super) fn allowed(&self, preset: &Preset) -> String {
        match self {
            Self::Duration { .. } => format!("a duration such as \"500ms\" or \"30s\", {}", self.range()),
            Self::Size { .. } => {
                let example = match preset {
                    Preset::Value(text) | Preset::ByCommand { php_server: text, .. } => *text,
                    Preset::Unset { example, .. } => *example,
                };
                // Off is no example of a size.
                let example = if example == "0" { "\"64MiB\"" } else { example };
                let bytes = units::size(example.trim_matches('"')).unwrap_or_default();
                format!("a size such as {example} or {bytes}, {}", self.range())
            }
            Self::Number { .. } | Self::Share { .. } => format!("a number {}", self.range()),
            Self::Auto { means, .. } => format!("\"auto\" ({means}) or a number {}", self.range()),
            Self::Truth => "true or false".to_owned(),
            Self::Switch(words) => format!("true, false, {}", either(words)),
            Self::Word(words) => either(words),
            Self::List { allowed, .. } => format!("a list of {allowed}"),
            Self::Text { allowed, .. } | Self::Path(allowed) | Self::Map { allowed, .. } => (*allowed).to_owned(),
        }
    }

    /// The bounds in words; empty for a kind without.
    pub(super) fn range(&self) -> String {
        match self {
            Self::Duration { least: "0s", most } | Self::Size { least: "0", most } => format!("up to {most}"),
            Self::Duration { least, most } | Self::Size { least, most } => format!("from {least} to {most}"),
            Self::Number { least, most } | Self::Auto { least, most, .. } => format!("from {least} to {most}"),
            Self::Share { most } => format!("from 0 to {most}"),
            Self::Truth
            | Self::Switch(_)
            | Self::Word(_)
            | Self::Text { .. }
            | Self::Path(_)
            | Self::List { .. }
            | Self::Map { .. } => String::new(),
        }
    }
}

fn either(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
