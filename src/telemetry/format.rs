//! How a log line looks.
//!
//! Text: `2026-01-31T12:00:00.123456Z  INFO worker.boot pool=default slot=0 incarnation=1 boot_ms=12`.
//! JSON: one flat object per line with `ts`, `level`, `event` and `pid` first, then the event's own fields.
//!
//! Lines of libraries have no event name; they are called `log` and keep their target and message. On a terminal the text form has
//! colours: what happened stands out from when and where. Addresses in messages lose their secrets here, whoever logs them.

#![forbid(unsafe_code)]

mod combined;
mod feed;
mod fields;

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

pub(super) use combined::combined;
pub(super) use feed::FeedLines;

use super::events::Access;
use super::labels::UnknownLabel;
use super::{journal, time};
use fields::Fields;

/// The field that carries an event's name.
const EVENT: &str = "event";
/// Name of lines that libraries write.
const LIBRARY: &str = "log";

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
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    format: Format,
    pid: u32,
    colours: bool,
    marked: bool,
}

/// Control sequences of terminals (ECMA-48 section 8.3.117).
const DIM: &str = "\u{1b}[2m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

fn colour(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "\u{1b}[1;31m",
        tracing::Level::WARN => "\u{1b}[33m",
        tracing::Level::INFO => "\u{1b}[32m",
        tracing::Level::DEBUG => "\u{1b}[36m",
        tracing::Level::TRACE => "\u{1b}[35m",
    }
}

impl Lines {
    /// `colours` are for the text form.
    pub(super) fn new(format: Format, pid: u32, colours: bool) -> Self {
        Self { format, pid, colours: colours && format == Format::Text, marked: false }
    }

    /// Whether each line begins with its priority as the journal of systemd reads it (sd-daemon(3)); it takes the mark off.
    pub(super) fn marked(self, marked: bool) -> Self {
        Self { marked, ..self }
    }

    fn head(&self, out: &mut impl Write, level: tracing::Level, name: &str) -> fmt::Result {
        if self.marked {
            write!(out, "<{}>", journal::priority(level))?;
        }
        match self.format {
            Format::Text if self.colours => {
                out.write_str(DIM)?;
                time::millis(out, SystemTime::now())?;
                let colour = colour(level);
                write!(out, "{PLAIN} {colour}{level:>5}{PLAIN} {BOLD}{name}{PLAIN}")
            }
            Format::Text => {
                time::now(out)?;
                write!(out, " {level:>5} {name}")
            }
            Format::Json => {
                out.write_str("{\"ts\":\"")?;
                time::now(out)?;
                let level = match level {
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

    fn end(&self) -> &'static str {
        match self.format {
            Format::Text => "\n",
            Format::Json => "}\n",
        }
    }

    /// Appends the line of a request.
    pub(super) fn access(&self, out: &mut String, access: &Access<'_>) -> fmt::Result {
        self.head(out, tracing::Level::INFO, "access")?;
        let mut fields = Fields::new(out, self.format, self.colours);
        fields.text("request_id", access.request_id);
        if let Some(trace) = access.trace_id {
            fields.shown_text("trace_id", trace);
        }
        fields.shown_text("remote", access.remote);
        fields.text("method", access.method);
        fields.text("path", access.shown_path());
        if let Some(route) = access.route {
            fields.text("route", route);
        }
        fields.text("protocol", access.protocol);
        fields.shown("status", access.status);
        fields.shown("bytes", access.bytes);
        fields.shown("duration_us", access.duration.as_micros());
        if let Some(referer) = access.shown_referer() {
            fields.text("referer", &referer);
        }
        if let Some(agent) = access.shown_user_agent() {
            fields.text("user_agent", &String::from_utf8_lossy(agent));
        }
        fields.result?;
        out.write_str(self.end())
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
        self.head(&mut out, *event.metadata().level(), name.0.as_deref().unwrap_or(LIBRARY))?;
        let mut fields = Fields::new(&mut out, self.format, self.colours);
        if name.0.is_none() {
            fields.text("target", event.metadata().target());
        }
        event.record(&mut fields);
        fields.result?;
        out.write_str(self.end())
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::Level;
    use crate::telemetry::events::{Access, PhpLog, Place, WorkerBoot};

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
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Lines::new(format, 42, false))
            .with_writer(move || writer.clone());
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
    fn a_request_in_either_form() {
        let line = |format, route| {
            let access = Access {
                request_id: "r-1",
                trace_id: Some(opentelemetry::trace::TraceId::from(0xabc)),
                remote: std::net::IpAddr::from([127, 0, 0, 1]),
                method: "GET",
                path: "/orders/17",
                route,
                protocol: "HTTP/1.1",
                status: 200,
                bytes: 2,
                ended: SystemTime::UNIX_EPOCH,
                duration: std::time::Duration::from_micros(3),
                referer: None,
                user_agent: Some(b"Mozilla/5.0 (X11)"),
            };
            let mut line = String::new();
            Lines::new(format, 42, false).access(&mut line, &access).expect("a string takes everything");
            line
        };
        let text = line(Format::Text, Some("/orders/{id}"));
        let (_, text) = text.split_once(' ').expect("time first");
        assert_eq!(
            text,
            " INFO access request_id=r-1 trace_id=00000000000000000000000000000abc remote=127.0.0.1 method=GET path=/orders/17 route=/orders/{id} \
             protocol=HTTP/1.1 status=200 bytes=2 duration_us=3 user_agent=\"Mozilla/5.0 (X11)\"\n"
        );
        assert!(line(Format::Text, None).contains(" path=/orders/17 protocol="));
        let json = line(Format::Json, Some("/orders/{id}"));
        let mut value: serde_json::Value = serde_json::from_str(json.trim_end()).expect("valid JSON");
        value.as_object_mut().expect("an object").remove("ts").expect("a time");
        let expected = serde_json::json!({
            "level": "info", "event": "access", "pid": 42, "request_id": "r-1",
            "trace_id": "00000000000000000000000000000abc", "remote": "127.0.0.1", "method": "GET",
            "path": "/orders/17", "route": "/orders/{id}", "protocol": "HTTP/1.1", "status": 200, "bytes": 2,
            "duration_us": 3, "user_agent": "Mozilla/5.0 (X11)"
        });
        assert_eq!(value, expected);
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
        let log = || {
            let (context, error, place) = (Some(r#"{"api_key":"s3cret","n":[1]}"#), None, None);
            PhpLog { level: Level::Warn, message, context, error, place, request_id: Some("r-1"), trace_id: None }
                .emit();
        };
        assert_eq!(lines(Format::Text, log).len(), 1);
        let json = lines(Format::Json, log);
        assert_eq!(json.len(), 1);
        let value: serde_json::Value = serde_json::from_str(&json[0]).expect("valid JSON");
        assert_eq!(value["message"], message);
        assert_eq!(value["level"], "warn");
        assert_eq!(value["request_id"], "r-1");
        assert!(value.get("pool").is_none());
        assert_eq!(value["context"], serde_json::json!({"api_key": "[REDACTED]", "n": [1]}));
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
