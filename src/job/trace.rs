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
        f.write_str("00-")?;
        hex(f, &self.id.to_bytes())?;
        f.write_str("-")?;
        hex(f, &self.span.to_bytes())?;
        f.write_str("-")?;
        hex(f, &[self.flags.to_u8()])
    }
}

/// Each traced request has two of these: the formatter's own hexadecimal digits take several times as long.
fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    f.write_str(std::str::from_utf8(&text[..bytes.len() * 2]).unwrap_or_default())
}
