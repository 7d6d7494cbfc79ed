//! What ties the spans of one request together, whoever reports them.

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

/// What stands in the value of a `traceparent` or `traceresponse` header, version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub id: TraceId,
    /// A span of it.
    pub span: SpanId,
    /// Its flags.
    pub flags: TraceFlags,
}

impl TraceParent {
    /// Length of its text: `00-` 32 digits `-` 16 digits `-` 2 digits.
    pub const LENGTH: usize = 55;

    /// Its text, ASCII throughout. Each request has one: the formatter takes ten times as long.
    pub fn text(&self) -> [u8; Self::LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex(&mut text[3..35], &self.id.to_bytes());
        hex(&mut text[36..52], &self.span.to_bytes());
        hex(&mut text[53..], &[self.flags.to_u8()]);
        text
    }
}

/// The digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

fn hex(into: &mut [u8], bytes: &[u8]) {
    for (byte, pair) in bytes.iter().zip(into.as_chunks_mut().0) {
        *pair = PAIRS[usize::from(*byte)];
    }
}
