//! The lines of the event feed: `{"type":"worker.boot","ts":"2026-01-31T12:00:00.123Z","payload":{...}}`.

#![forbid(unsafe_code)]

use std::fmt;
use std::time::SystemTime;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::{Fields, Format, LIBRARY, Name};
use crate::telemetry::feed;

/// Writes events as lines of the feed.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct FeedLines {
    pub(in crate::telemetry) pid: u32,
}

impl<S, N> FormatEvent<S, N> for FeedLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut name = Name(None);
        event.record(&mut name);
        feed::head(&mut out, name.0.as_deref().unwrap_or(LIBRARY), SystemTime::now())?;
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        write!(out, "{{\"level\":\"{level}\",\"pid\":{}", self.pid)?;
        let mut fields = Fields::new(&mut out, Format::Json, false);
        event.record(&mut fields);
        fields.result?;
        out.write_char('}')?;
        out.write_str("}\n")
    }
}
