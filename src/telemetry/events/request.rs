//! Events of single requests, and what PHP logs while it serves them.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::trace::TraceId;

use super::macros::emit_at;
use super::{Place, millis};
use crate::telemetry::{Level, PHP_TARGET, Rejection, redact};

/// Longest message of PHP that is logged whole, in bytes: an exception with a dump in its message must not become a line
/// that log collectors refuse (16 KiB is the limit of Docker's and containerd's log drivers).
const MAX_MESSAGE_BYTES: usize = 15 * 1024;

/// `request.rejected`: a request was turned away before it reached PHP.
#[derive(Debug, Clone, Copy)]
pub struct RequestRejected<'a> {
    /// The pool that had no room.
    pub pool: &'a str,
    /// The request.
    pub request_id: &'a str,
    /// Why.
    pub cause: Rejection,
    /// Time since the request had been read.
    pub waited: Duration,
}

impl RequestRejected<'_> {
    /// Reports it, as loud as its cause.
    pub fn emit(&self) {
        let (pool, request_id, cause) = (self.pool, self.request_id, self.cause.label());
        let waited_ms = millis(self.waited);
        emit_at!(self.cause.level(), event = "request.rejected", pool, request_id, cause, waited_ms);
    }
}

/// `request.failed`: PHP had the request and there is no response of its own.
#[derive(Debug, Clone, Copy)]
pub struct RequestFailed<'a> {
    /// The request.
    pub request_id: &'a str,
    /// Request method.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// The error code the client gets, such as `worker_lost`.
    pub cause: &'a str,
    /// The status the client gets.
    pub status: u16,
}

impl RequestFailed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(
            event = "request.failed",
            request_id = self.request_id,
            method = self.method,
            path = self.path,
            cause = self.cause,
            status = self.status,
        );
    }
}

/// `sendfile.refused`: PHP asked for a file to be sent that may not be; the client was told that there is nothing.
#[derive(Debug, Clone, Copy)]
pub struct SendfileRefused<'a> {
    /// The request.
    pub request_id: &'a str,
    /// Why, in words for the operator.
    pub reason: &'a str,
    /// What PHP asked for; the client never sees it.
    pub path: &'a str,
}

impl SendfileRefused<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(
            event = "sendfile.refused",
            request_id = self.request_id,
            reason = self.reason,
            path = &*shortened(self.path)
        );
    }
}

/// What PHP says of an error besides its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhpError<'a> {
    /// The kind: `fatal`, `warning`, `notice`, `deprecated`, `parse`, ...
    pub kind: &'a str,
    /// Where it was raised.
    pub file: &'a str,
    /// Line of that file.
    pub line: u32,
}

/// `php.log`: a message of PHP's own, from the engine's error log or `supercharger_log()`.
#[derive(Debug, Clone, Copy)]
pub struct PhpLog<'a> {
    /// Severity.
    pub level: Level,
    /// The message; cut if it is longer than 15 KiB.
    pub message: &'a str,
    /// JSON text of the context array, if one was given; secrets are taken out, and it is left out if it is longer than 15 KiB, since half
    /// a JSON text is none.
    pub context: Option<&'a str>,
    /// What is known if it is an error of PHP's.
    pub error: Option<PhpError<'a>>,
    /// The worker, if the message comes from one.
    pub place: Option<Place<'a>>,
    /// The request, if there is one.
    pub request_id: Option<&'a str>,
    /// The trace that this is part of.
    pub trace_id: Option<TraceId>,
}

impl PhpLog<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let message = &*shortened(self.message);
        let pool = self.place.map(|place| place.pool);
        let slot = self.place.map(|place| place.slot);
        let incarnation = self.place.map(|place| place.incarnation);
        let trace_id = self.trace_id.map(tracing::field::display);
        let (request_id, kind) = (self.request_id, self.error.map(|error| error.kind));
        let (file, line) = (self.error.map(|error| error.file), self.error.map(|error| error.line));
        let context = self.context.map(context);
        let context = context.as_deref();
        emit_at!(
            self.level,
            target: PHP_TARGET,
            event = "php.log",
            pool,
            slot,
            incarnation,
            request_id,
            trace_id,
            kind,
            file,
            line,
            message,
            context
        );
    }
}

/// A context as it may be shown.
fn context(json: &str) -> String {
    if json.len() > MAX_MESSAGE_BYTES {
        return format!("{{\"cut\":\"{} bytes\"}}", json.len());
    }
    redact::json(json)
}

/// The message, cut between characters if it is too long.
pub(super) fn shortened(message: &str) -> Cow<'_, str> {
    if message.len() <= MAX_MESSAGE_BYTES {
        return Cow::Borrowed(message);
    }
    // Half an address could not be told from a word.
    let message = redact::words(message);
    if message.len() <= MAX_MESSAGE_BYTES {
        return message;
    }
    let end = message.floor_char_boundary(MAX_MESSAGE_BYTES);
    Cow::Owned(format!("{} [{} bytes cut]", &message[..end], message.len() - end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let cut = shortened(&format!("{}mysql://u:hush@db/{}", "x ".repeat(MAX_MESSAGE_BYTES / 2 - 7), "x".repeat(20)))
            .into_owned();
        assert!(cut.contains(" mysql://db/") && !cut.contains("hush"), "{}", &cut[cut.len() - 60..]);
        let long = "é".repeat(MAX_MESSAGE_BYTES);
        let cut = shortened(&format!("x{long}")).into_owned();
        assert!(cut.ends_with(&format!("é [{} bytes cut]", MAX_MESSAGE_BYTES + 2)), "{}", &cut[cut.len() - 40..]);
    }
}
