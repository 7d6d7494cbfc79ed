//! How a log line looks.
//!
//! Text: `2026-01-31T12:00:00.123456Z  INFO worker.boot pool=default slot=0 incarnation=1 boot_ms=12`.
//! JSON: one flat object per line with `ts`, `level`, `event` and `pid` first, then the event's own fields.
//!
//! Lines of libraries have no event name; they are called `log` and keep their target and message.

#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::escape;
use super::labels::UnknownLabel;

/// The field that carries an event's name.
const EVENT: &str = "event";
/// Name of lines that libraries write.
const LIBRARY: &str = "log";
/// Keys of our own in a JSON line; a library's field of the same name gets an underscore in front.
const RESERVED: [&str; 5] = ["ts", "level", EVENT, "pid", "target"];

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

impl FromStr for Format {
    type Err = UnknownLabel;

    fn from_str(text: &str) -> Result<Self, UnknownLabel> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(UnknownLabel { given: other.to_owned(), allowed: "text, json" }),
        }
    }
}

/// Writes events as lines.
#[derive(Debug)]
pub(super) struct Lines {
    format: Format,
    pid: u32,
}

impl Lines {
    pub(super) fn new(format: Format, pid: u32) -> Self {
        Self { format, pid }
    }

    fn head(&self, out: &mut Writer<'_>, event: &Event<'_>, name: &str) -> fmt::Result {
        let level = event.metadata().level();
        match self.format {
            Format::Text => {
                SystemTime.format_time(out)?;
                write!(out, " {level:>5} {name}")
            }
            Format::Json => {
                out.write_str("{\"ts\":\"")?;
                SystemTime.format_time(out)?;
                let level = match *level {
                    tracing::Level::ERROR => "error",
                    tracing::Level::WARN => "warn",
                    tracing::Level::INFO => "info",
                    tracing::Level::DEBUG => "debug",
                    tracing::Level::TRACE => "trace",
                };
                write!(out, "\",\"level\":\"{level}\",\"event\":\"{name}\",\"pid\":{}", self.pid)
            }
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut name = Name(None);
        event.record(&mut name);
        self.head(&mut out, event, name.0.as_deref().unwrap_or(LIBRARY))?;
        let mut fields = Fields { out: &mut out, format: self.format, result: Ok(()) };
        if name.0.is_none() {
            fields.pair("target", |out, quote| quote(out, event.metadata().target()));
        }
        event.record(&mut fields);
        fields.result?;
        out.write_str(match self.format {
            Format::Text => "\n",
            Format::Json => "}\n",
        })
    }
}

/// Finds an event's name.
struct Name(Option<String>);

impl Visit for Name {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == EVENT {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

type Quote<'w> = fn(&mut Writer<'w>, &str) -> fmt::Result;

/// Writes all fields but the name, and keeps the first error.
struct Fields<'o, 'w> {
    out: &'o mut Writer<'w>,
    format: Format,
    result: fmt::Result,
}

impl<'w> Fields<'_, 'w> {
    fn pair(&mut self, key: &str, value: impl FnOnce(&mut Writer<'w>, Quote<'w>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.try_pair(key, value);
        }
    }

    fn try_pair(&mut self, key: &str, value: impl FnOnce(&mut Writer<'w>, Quote<'w>) -> fmt::Result) -> fmt::Result {
        match self.format {
            Format::Text => {
                write!(self.out, " {key}=")?;
                value(self.out, escape::text)
            }
            Format::Json => {
                self.out.write_char(',')?;
                escape::json(self.out, key)?;
                self.out.write_char(':')?;
                value(self.out, escape::json)
            }
        }
    }

    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'w>, Quote<'w>) -> fmt::Result) {
        let name = field.name();
        if RESERVED.contains(&name) { self.pair(&format!("_{name}"), value) } else { self.pair(name, value) }
    }
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != EVENT {
            self.field(field, |out, quote| quote(out, value));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |out, _| write!(out, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |out, _| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |out, _| write!(out, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows no infinities.
        self.field(field, |out, _| if value.is_finite() { write!(out, "{value}") } else { out.write_str("null") });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |out, quote| quote(out, &format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::Level;
    use crate::telemetry::events::{PhpLog, Place, WorkerBoot};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(format: Format, act: impl FnOnce()) -> Vec<String> {
        let captured = Captured::default();
        let writer = captured.clone();
        let layer =
            tracing_subscriber::fmt::layer().event_format(Lines::new(format, 42)).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        let bytes = captured.0.lock().clone();
        String::from_utf8(bytes).expect("lines are UTF-8").lines().map(str::to_owned).collect()
    }

    fn boot() {
        let place = Place { pool: "default", slot: 1, incarnation: 2 };
        WorkerBoot { place, boot: std::time::Duration::from_millis(12) }.emit();
    }

    #[test]
    fn text_line() {
        let lines = lines(Format::Text, boot);
        let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
        let (time, rest) = line.split_once(' ').expect("time first");
        assert!(time.ends_with('Z'), "{time}");
        assert_eq!(rest, " INFO worker.boot pool=default slot=1 incarnation=2 boot_ms=12");
    }

    #[test]
    fn json_line_is_flat() {
        let lines = lines(Format::Json, boot);
        let mut value: serde_json::Value = serde_json::from_str(&lines[0]).expect("valid JSON");
        value.as_object_mut().expect("an object").remove("ts").expect("a time");
        let expected = serde_json::json!({
            "level": "info", "event": "worker.boot", "pid": 42,
            "pool": "default", "slot": 1, "incarnation": 2, "boot_ms": 12
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_message_of_php_cannot_forge_a_record() {
        let message = "oops\n{\"event\":\"server.stop\"}\u{1b}[2J";
        let log = || PhpLog { level: Level::Warn, message, context: None, place: None, request_id: Some("r-1") }.emit();
        assert_eq!(lines(Format::Text, log).len(), 1);
        let json = lines(Format::Json, log);
        assert_eq!(json.len(), 1);
        let value: serde_json::Value = serde_json::from_str(&json[0]).expect("valid JSON");
        assert_eq!(value["message"], message);
        assert_eq!(value["level"], "warn");
        assert_eq!(value["request_id"], "r-1");
        assert!(value.get("pool").is_none());
    }

    #[test]
    fn lines_of_libraries_keep_target_and_message() {
        let log = || tracing::warn!(target: "h2", pid = 7, ratio = f64::NAN, ok = true, "closing: {}", "two words");
        let value: serde_json::Value = serde_json::from_str(&lines(Format::Json, log)[0]).expect("valid JSON");
        assert_eq!(value["event"], "log");
        assert_eq!(value["target"], "h2");
        assert_eq!(value["message"], "closing: two words");
        assert_eq!(value["pid"], 42);
        assert_eq!(value["_pid"], 7);
        assert!(value["ratio"].is_null());
    }
}
