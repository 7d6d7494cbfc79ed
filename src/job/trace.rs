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
        text[53..].copy_from_slice(&digits(self.flags.to_u8().into())[6..]);
        text
    }
}

fn hex(into: &mut [u8], bytes: &[u8]) {
    for (word, text) in bytes.as_chunks().0.iter().zip(into.as_chunks_mut().0) {
        *text = digits(u32::from_be_bytes(*word));
    }
}

/// The hexadecimal digits of a number, all eight in a few steps: each half of a byte gets a byte of its own.
fn digits(number: u32) -> [u8; 8] {
    let halves = u64::from(number);
    let halves = (halves & 0xffff_0000) << 16 | halves & 0xffff;
    let halves = (halves & 0x0000_ff00_0000_ff00) << 8 | halves & 0x0000_00ff_0000_00ff;
    let halves = (halves & 0x00f0_00f0_00f0_00f0) << 4 | halves & 0x000f_000f_000f_000f;
    // 1 where it is a letter: from ten on, six more carry into the upper half.
    let letters = (halves + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (halves + u64::from_be_bytes([b'0'; 8]) + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_formatter() {
        let bytes = (0..=u32::from(u8::MAX)).map(|byte| byte * 0x0101_0101);
        let others = [0, 1, 0x0123_4567, 0x89ab_cdef, 0x9a09_a90f, u32::MAX];
        for number in bytes.chain(others) {
            assert_eq!(digits(number), *format!("{number:08x}").as_bytes(), "{number}");
        }
        let id = TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        let parent = TraceParent { id, span: SpanId::from(0xb7ad_6b71_6920_3331), flags: TraceFlags::new(3) };
        assert_eq!(parent.text(), *b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03");
    }
}
