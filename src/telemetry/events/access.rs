//! The line about a request. It is the one event that each request has, so it takes the shortest way: it is written into a buffer of its
//! thread, and copied from there to the log. What the other events go through costs as much as the request itself.

#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::TraceId;

use crate::telemetry::{access, redact};

/// `access`: one line per request, whatever `log.level` is. The query is not logged: it may hold secrets.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// The request.
    pub request_id: &'a str,
    /// The trace that it is part of.
    pub trace_id: Option<TraceId>,
    /// The client's address.
    pub remote: IpAddr,
    /// Request method.
    pub method: &'a str,
    /// Path without query; cut at 4 KiB.
    pub path: &'a str,
    /// The route's template, as the application has told it.
    pub route: Option<&'a str>,
    /// Protocol, such as `HTTP/1.1`.
    pub protocol: &'a str,
    /// Status of the response.
    pub status: u16,
    /// Body bytes sent.
    pub bytes: u64,
    /// When it was over.
    pub ended: SystemTime,
    /// From the request's head to the response's last byte, or until a small response has been handed to its connection.
    pub duration: Duration,
    /// Where the client says it comes from; shown without query, user and fragment.
    pub referer: Option<&'a [u8]>,
    /// What the client says it is; cut at 1 KiB.
    pub user_agent: Option<&'a [u8]>,
}

/// Longest path, and longest of the client's other texts, in a line.
const MAX_PATH_BYTES: usize = 4096;
/// See above.
const MAX_FIELD_BYTES: usize = 1024;

impl Access<'_> {
    /// Reports it, if there is an access log.
    pub fn emit(&self) {
        access::put(self);
    }

    /// The path as it is shown.
    pub(in crate::telemetry) fn shown_path(&self) -> &str {
        &self.path[..self.path.floor_char_boundary(MAX_PATH_BYTES)]
    }

    /// Where the client comes from, as it is shown.
    pub(in crate::telemetry) fn shown_referer(&self) -> Option<String> {
        let mut shown = redact::referrer(&String::from_utf8_lossy(self.referer?));
        shown.truncate(shown.floor_char_boundary(MAX_FIELD_BYTES));
        Some(shown)
    }

    /// What the client is, as it is shown.
    pub(in crate::telemetry) fn shown_user_agent(&self) -> Option<&[u8]> {
        self.user_agent.map(|agent| &agent[..agent.len().min(MAX_FIELD_BYTES)])
    }
}
