//! The fields of a line.

#![forbid(unsafe_code)]

use std::fmt::{self, Display, Write};

use tracing::field::{Field, Visit};

use super::{DIM, EVENT, Format, PLAIN};
use crate::telemetry::{escape, redact};

/// The field that carries a JSON text, which a JSON line shows as what it is. Redacted and escaped by who reports it.
const CONTEXT: &str = "context";
/// Keys of our own in a JSON line; a library's field of the same name gets an underscore in front.
const RESERVED: [&str; 5] = ["ts", "level", EVENT, "pid", "target"];

/// Writes all fields but the name, and keeps the first error.
pub(super) struct Fields<'o, W> {
    out: &'o mut W,
    format: Format,
    colours: bool,
    pub(super) result: fmt::Result,
}

impl<'o, W: Write> Fields<'o, W> {
    pub(super) fn new(out: &'o mut W, format: Format, colours: bool) -> Self {
        Self { out, format, colours, result: Ok(()) }
    }

    /// A text, without the secrets of addresses in it.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        let quote = self.quote();
        self.pair(key, |out| quote(out, &redact::words(value)));
    }

    /// A value that needs no quotes: a number, or an id.
    pub(super) fn shown(&mut self, key: &str, value: impl Display) {
        self.pair(key, |out| write!(out, "{value}"));
    }

    /// A value that is a text, though none that has to be looked at.
    pub(super) fn shown_text(&mut self, key: &str, value: impl Display) {
        match self.format {
            Format::Text => self.shown(key, value),
            Format::Json => self.pair(key, |out| write!(out, "\"{value}\"")),
        }
    }

    fn quote(&self) -> fn(&mut W, &str) -> fmt::Result {
        match self.format {
            Format::Text => escape::text,
            Format::Json => escape::json,
        }
    }

    fn pair(&mut self, key: &str, value: impl FnOnce(&mut W) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.key(key).and_then(|()| value(self.out));
        }
    }

    fn key(&mut self, key: &str) -> fmt::Result {
        match self.format {
            Format::Text if self.colours => write!(self.out, " {DIM}{key}={PLAIN}"),
            Format::Text => {
                self.out.write_char(' ')?;
                self.out.write_str(key)?;
                self.out.write_char('=')
            }
            Format::Json => {
                self.out.write_char(',')?;
                escape::json(self.out, key)?;
                self.out.write_char(':')
            }
        }
    }

    fn field(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        let name = field.name();
        if RESERVED.contains(&name) { self.pair(&format!("_{name}"), value) } else { self.pair(name, value) }
    }
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let quote = self.quote();
        match (field.name(), self.format) {
            (EVENT, _) => {}
            (CONTEXT, Format::Json) => self.field(field, |out| out.write_str(value)),
            (CONTEXT, Format::Text) => self.field(field, |out| quote(out, value)),
            _ => self.field(field, |out| quote(out, &redact::words(value))),
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.record_str(field, &String::from_utf8_lossy(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |out| write!(out, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |out| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |out| write!(out, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows no infinities.
        self.field(field, |out| if value.is_finite() { write!(out, "{value}") } else { out.write_str("null") });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let quote = self.quote();
        self.field(field, |out| quote(out, &redact::words(&format!("{value:?}"))));
    }
}
