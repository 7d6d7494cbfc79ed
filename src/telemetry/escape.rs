//! Values in log lines. One record is one line, whatever a value holds: an attacker who controls a message must be able
//! neither to forge a record nor to send commands to the terminal that shows it.

#![forbid(unsafe_code)]

use std::fmt::{self, Write};

/// Characters that could end a line or steer a terminal: C0, DEL, C1, Unicode's line ends and its direction overrides.
fn is_unsafe(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a value of the text format: as it is if it is one plain word, else in double quotes with escapes as in Rust.
pub(super) fn text(out: &mut impl Write, value: &str) -> fmt::Result {
    let plain = |c: char| !is_unsafe(c) && !matches!(c, ' ' | '"' | '=' | '\\');
    if !value.is_empty() && value.chars().all(plain) {
        return out.write_str(value);
    }
    out.write_char('"')?;
    for c in value.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            c if is_unsafe(c) => write!(out, "{}", c.escape_default())?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

/// A text of several lines for a terminal: line ends and tabs stay, and what could steer is escaped as JSON and TOML do.
pub(crate) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // All of them lie in the basic plane: four digits are enough.
            c if is_unsafe(c) && !matches!(c, '\n' | '\t') => out.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => out.push(c),
        }
    }
    out
}

/// Whether all of it is printable ASCII without quotes and backslashes. To the end in any case: many bytes are looked at in one step.
fn is_plain(value: &[u8]) -> bool {
    value.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~') & (*byte != b'"') & (*byte != b'\\'))
}

/// Writes a JSON string (RFC 8259 section 7); beyond what JSON demands, everything that steers a terminal is escaped too.
pub(super) fn json(out: &mut impl Write, value: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut rest = value;
    // What needs nothing goes in one piece, and most values need nothing at all.
    if is_plain(value.as_bytes()) {
        out.write_str(value)?;
        return out.write_char('"');
    }
    while let Some(at) = rest.find(|c| is_unsafe(c) || matches!(c, '"' | '\\')) {
        let (plain, from) = rest.split_at(at);
        out.write_str(plain)?;
        let mut chars = from.chars();
        match chars.next().unwrap_or_default() {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            // All of them lie in the basic plane: four digits are enough.
            c => write!(out, "\\u{:04x}", u32::from(c))?,
        }
        rest = chars.as_str();
    }
    out.write_str(rest)?;
    out.write_char('"')
}

/// Appends a number. The formatter takes several times as long, and the lines that each request has are full of them.
pub(super) fn number(out: &mut String, number: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// Appends a value of the combined log format as Apache's `%{...}i` does: quotes and backslashes with a backslash, everything but printable
/// ASCII as `\\xNN`.
pub(super) fn common(out: &mut String, value: &[u8]) {
    match std::str::from_utf8(value) {
        Ok(text) => common_text(out, text),
        Err(_) => common_bytes(out, value),
    }
}

/// The same of what is known to be text.
pub(super) fn common_text(out: &mut String, value: &str) {
    if is_plain(value.as_bytes()) { out.push_str(value) } else { common_bytes(out, value.as_bytes()) }
}

fn common_bytes(out: &mut String, value: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |number: u8| char::from(DIGITS[usize::from(number & 15)]);
    for &byte in value {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.extend(['\\', 'x', digit(byte >> 4), digit(byte)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\r\n2026-01-01 ERROR forged=\"1\" \u{1b}[2J \u{9b}2J \u{61c}\u{202e}\u{2028}\u{0}\\ é";

    #[test]
    fn text_values() {
        let cases = [
            ("plain", "plain"),
            ("é/ü?x", "é/ü?x"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            ("a=b", "\"a=b\""),
            ("say \"x\"", "\"say \\\"x\\\"\""),
            ("line\nbreak", "\"line\\nbreak\""),
            ("\u{1b}[0m", "\"\\u{1b}[0m\""),
        ];
        for (value, expected) in cases {
            let mut out = String::new();
            text(&mut out, value).expect("writing to a string");
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn lines_of_a_terminal() {
        let shown = lines("a\n\tb \u{1b}[2J\r \u{9b}2J \u{61c}\u{202e}é");
        assert_eq!(shown, "a\n\tb \\u001b[2J\\u000d \\u009b2J \\u061c\\u202eé");
    }

    #[test]
    fn values_of_the_combined_format() {
        let cases: [(&[u8], &str); 4] = [
            (b"Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"),
            (b"a\" \\ b", "a\\\" \\\\ b"),
            (b"x\n127.0.0.1\t\x1b[2J\x7f", "x\\x0A127.0.0.1\\x09\\x1B[2J\\x7F"),
            ("é\u{2028}".as_bytes(), "\\xC3\\xA9\\xE2\\x80\\xA8"),
        ];
        for (value, expected) in cases {
            let mut out = String::new();
            common(&mut out, value);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn nothing_steers_a_terminal() {
        let (mut plain, mut quoted) = (String::new(), String::new());
        text(&mut plain, HOSTILE).expect("writing to a string");
        json(&mut quoted, HOSTILE).expect("writing to a string");
        assert!(!plain.chars().any(is_unsafe), "{plain:?}");
        assert!(!quoted.chars().any(is_unsafe), "{quoted:?}");
        assert!(!plain.contains('\u{61c}') && !quoted.contains('\u{61c}'), "the mark of Arabic turns a line too");
        assert_eq!(serde_json::from_str::<String>(&quoted).expect("valid JSON"), HOSTILE);
    }
}
