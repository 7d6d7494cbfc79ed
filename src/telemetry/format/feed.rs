//! The lines of the event feed: `{"type":"worker.boot","ts":"2026-01-31T12:00:00.123Z","payload":{...}}`.

#![forbid(unsafe_code)]

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::{EVENT, Fields, Format, LIBRARY};
use crate::telemetry::feed;

/// The field that is the whole payload, as JSON text.
const PAYLOAD: &str = "payload";

/// Writes events as lines of the feed.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct FeedLines {
    pub(in crate::telemetry) pid: u32,
}

/// What an event says of itself.
#[derive(Default)]
struct Own {
    name: Option<String>,
    payload: Option<String>,
}

impl Visit for Own {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            EVENT => self.name = Some(value.to_owned()),
            PAYLOAD => self.payload = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

impl<S, N> FormatEvent<S, N> for FeedLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut own = Own::default();
        event.record(&mut own);
        feed::head(&mut out, own.name.as_deref().unwrap_or(LIBRARY))?;
        if let Some(payload) = own.payload {
            out.write_str(&payload)?;
        } else {
            let level = event.metadata().level().as_str().to_ascii_lowercase();
            write!(out, "{{\"level\":\"{level}\",\"pid\":{}", self.pid)?;
            let mut fields = Fields::new(&mut out, Format::Json, false);
            event.record(&mut fields);
            fields.result?;
            out.write_char('}')?;
        }
        out.write_str("}\n")
    }
}
