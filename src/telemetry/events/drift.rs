//! What requests leave behind.

#![forbid(unsafe_code)]

use std::fmt;

use serde_json::json;

use super::Place;
use super::macros::emit_at;
use crate::telemetry::{DriftKind, DriftLimit, DriftWhy, feed, redact};

/// `drift.found`: a request has changed something that outlives it, and has not put it back. Once per worker and thing.
#[derive(Debug, Clone)]
pub struct DriftFound<'a> {
    /// Which worker.
    pub place: Place<'a>,
    /// The request that is over.
    pub request_id: Option<&'a str>,
    /// The route that it has named, or its path without query.
    pub route: &'a str,
    /// What has drifted.
    pub kind: DriftKind,
    /// What is the matter with it.
    pub why: DriftWhy,
    /// The thing as its source would call it: `App\Cache::$items`.
    pub what: &'a str,
    /// File that declares it; empty if none does.
    pub file: &'a str,
    /// Line of that.
    pub line: u32,
    /// Elements or bytes before the request.
    pub before: u64,
    /// The same after it.
    pub after: u64,
    /// More, in the application's words.
    pub detail: &'a str,
}

/// `drift.limited`: there is more than the detector looks at. Once per worker and limit.
#[derive(Debug, Clone, Copy)]
pub struct DriftLimited<'a> {
    /// Which worker.
    pub place: Place<'a>,
    /// Of what there is more.
    pub limit: DriftLimit,
    /// Than how many.
    pub most: u64,
}

impl DriftLimited<'_> {
    /// Reports it.
    pub fn emit(self) {
        let Self { place: Place { pool, slot, incarnation }, limit, most } = self;
        let what = limit.label();
        tracing::warn!(event = "drift.limited", pool, slot, incarnation, what, limit = most, "not all is looked at");
        feed::put("runtime.drift_limited", |out| {
            let payload = json!({"what": what, "limit": most, "pool": pool, "slot": slot, "incarnation": incarnation});
            out.push_str(&payload.to_string());
            Ok(())
        });
    }
}

impl DriftFound<'_> {
    /// Reports it, as loud as what is the matter with it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        let (request_id, route, what, file, line) = (self.request_id, self.route, self.what, self.file, self.line);
        let (kind, why, before, after) = (self.kind.label(), self.why.label(), self.before, self.after);
        let detail = redact::words(self.detail);
        let detail = Some(&*detail).filter(|detail| !detail.is_empty());
        let (file, line) = (Some(file).filter(|file| !file.is_empty()), Some(line).filter(|line| *line > 0));
        let sizes = (before != after).then_some((before, after));
        let (before, after) = (sizes.map(|sizes| sizes.0), sizes.map(|sizes| sizes.1));
        emit_at!(
            self.why.level(),
            event = "drift.found",
            pool,
            slot,
            incarnation,
            request_id,
            route,
            kind,
            what,
            why,
            file,
            line,
            before,
            after,
            detail
        );
        feed::put("runtime.drift", |out| self.payload(out));
    }

    fn payload(&self, out: &mut String) -> fmt::Result {
        let Place { pool, slot, incarnation } = self.place;
        let payload = json!({
            "kind": self.kind.label(),
            "why": self.why.label(),
            "leaks": self.why.leaks(),
            "what": self.what,
            "file": self.file,
            "line": self.line,
            "before": self.before,
            "after": self.after,
            "detail": self.detail,
            "route": self.route,
            "requestId": self.request_id,
            "pool": pool,
            "slot": slot,
            "incarnation": incarnation,
        });
        out.push_str(&redact::json(&payload.to_string()));
        Ok(())
    }
}
