//! What ties the spans of one request together, whoever reports them.

use std::fmt;

use opentelemetry::trace::{SpanId, TraceFlags, TraceId};

/// The ids of a request that is traced. `http` makes it, `pool` reports with it, PHP gets it as `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The trace, of which the client may have other parts.
    pub id: TraceId,
    /// The span of the request as a whole.
    pub request: SpanId,
    /// The span of PHP's part: the parent of what the application reports itself.
    pub php: SpanId,
    /// Whether spans are wanted, and whether the id is random.
    pub flags: TraceFlags,
}

impl Trace {
    /// Whether anything is reported: else the ids are only handed on.
    pub fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    /// The value of `traceparent` that has `span` as the parent.
    pub fn parent(&self, span: SpanId) -> TraceParent {
        TraceParent { id: self.id, span, flags: self.flags }
    }
}

/// Writes itself as the value of a `traceparent` or `traceresponse` header, version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub id: TraceId,
    /// A span of it.
    pub span: SpanId,
    /// Its flags.
    pub flags: TraceFlags,
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.id, self.span, self.flags)
    }
}
