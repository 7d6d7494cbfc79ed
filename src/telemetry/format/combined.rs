//! The access log as Apache and nginx write it: the combined log format.
//!
//! `203.0.113.7 - - [31/Jan/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 512 "https://example.org/" "Mozilla/5.0"`
//!
//! The query is not logged, nor the name of a user: both may be secrets.

#![forbid(unsafe_code)]

use std::fmt;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::telemetry::{escape, time};

/// Writes access events in the combined format.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct Combined;

/// The fields of an access event, escaped.
#[derive(Default)]
struct Parts {
    remote: String,
    method: String,
    path: String,
    protocol: String,
    status: u64,
    bytes: u64,
    referer: String,
    user_agent: String,
}

impl Parts {
    fn part(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "remote" => &mut self.remote,
            "method" => &mut self.method,
            "path" => &mut self.path,
            "protocol" => &mut self.protocol,
            "referer" => &mut self.referer,
            "user_agent" => &mut self.user_agent,
            _ => return None,
        })
    }
}

impl Visit for Parts {
    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        if let Some(part) = self.part(field.name()) {
            escape::common(part, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_bytes(field, value.as_bytes());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "status" => self.status = value,
            "bytes" => self.bytes = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_bytes(field, format!("{value:?}").as_bytes());
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

impl<S, N> FormatEvent<S, N> for Combined
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        write!(out, "{} - - [", or_dash(&parts.remote))?;
        time::common(&mut out, SystemTime::now())?;
        let Parts { method, path, protocol, status, bytes, referer, user_agent, .. } = &parts;
        if method == "-" {
            // A request that could not be read has no line.
            write!(out, "] \"-\" {status} {bytes}")?;
        } else {
            write!(out, "] \"{method} {path} {protocol}\" {status} {bytes}")?;
        }
        writeln!(out, " \"{}\" \"{}\"", or_dash(referer), or_dash(user_agent))
    }
}
