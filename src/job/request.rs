//! A request as plain bytes.
//!
//! All texts live NUL-terminated in one buffer, so that building a request costs two allocations and handing it to C
//! costs none. A [`Span`] names a text in it. Bytes stay bytes: nothing here is assumed to be UTF-8.

use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use super::{Children, InterimSender, Trace, Trail};

/// A text in a request's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    len: u32,
}

/// One header of the client: name as the protocol layer gives it (lower case), value as received.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// The field name.
    pub name: Span,
    /// The field value; repeated fields have been joined by the HTTP layer.
    pub value: Span,
}

/// Which script answers, and how the path splits (RFC 3875 terms).
#[derive(Debug, Clone, Copy, Default)]
pub struct Target {
    /// `DOCUMENT_ROOT`.
    pub document_root: Span,
    /// `SCRIPT_NAME`: URL path of the script.
    pub script_name: Span,
    /// `SCRIPT_FILENAME`: absolute file name of the script.
    pub script_filename: Span,
    /// `PATH_INFO`, or an empty text.
    pub path_info: Span,
}

/// A client's request, complete but for its body.
#[derive(Debug)]
pub struct Request {
    text: Vec<u8>,
    headers: Vec<Header>,
    /// Request method, as sent.
    pub method: Span,
    /// `REQUEST_URI`: the request target in origin form, as sent.
    pub uri: Span,
    /// Query string without `?`; empty if there is none.
    pub query: Span,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: Span,
    /// Host part of the authority, without port.
    pub server_name: Span,
    /// Textual client address.
    pub remote_addr: Span,
    /// Textual address the connection came in on.
    pub server_addr: Span,
    /// The value of `Content-Type`, or an empty text.
    pub content_type: Span,
    /// All `Cookie` headers joined with `"; "`, or an empty text.
    pub cookie: Span,
    /// The value of `Authorization`, or an empty text.
    pub authorization: Span,
    /// Id of this request in logs, headers and `$_SERVER`.
    pub request_id: Span,
    /// Which script answers.
    pub target: Target,
    /// Client port; 0 if it has none (unix socket).
    pub remote_port: u16,
    /// Port the client meant, from the authority or the scheme's default.
    pub server_port: u16,
    /// Whether the client's connection is encrypted.
    pub https: bool,
    /// When the request had been read, on the wall clock.
    pub accepted_at: SystemTime,
    /// The same moment on the monotonic clock.
    pub accepted: Instant,
    /// Where heads that come before the final one go; `None` if the client's protocol cannot carry them.
    pub interim: Option<InterimSender>,
    /// What is noted about it on its way.
    pub trail: Trail,
    /// The trace that it is part of; `None` if requests are not traced.
    pub trace: Option<Trace>,
    /// What the application tells of its own part in it; nothing is kept of a request that is not sampled.
    pub children: Option<Box<Children>>,
}

impl Request {
    /// The bytes of a text, without the NUL that follows them in memory.
    pub fn bytes(&self, span: Span) -> &[u8] {
        &self.text[span.start as usize..(span.start + span.len) as usize]
    }

    /// A text for logs; bytes that are no UTF-8 are replaced.
    pub fn display(&self, span: Span) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(span))
    }

    /// All headers in order of arrival.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }
}

/// Collects the parts of a [`Request`].
#[derive(Debug)]
pub struct RequestBuilder {
    request: Request,
}

impl Default for RequestBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestBuilder {
    /// Starts an empty request that is accepted now.
    pub fn new() -> Self {
        Self::accepted_at(SystemTime::now(), Instant::now())
    }

    /// Starts an empty request that was accepted at this moment, as the two clocks have it. The first byte of the buffer is the NUL that every
    /// empty span points to.
    pub fn accepted_at(wall: SystemTime, monotonic: Instant) -> Self {
        let mut text = Vec::with_capacity(1024);
        text.push(0);
        Self {
            request: Request {
                text,
                headers: Vec::with_capacity(16),
                method: Span::default(),
                uri: Span::default(),
                query: Span::default(),
                protocol: Span::default(),
                server_name: Span::default(),
                remote_addr: Span::default(),
                server_addr: Span::default(),
                content_type: Span::default(),
                cookie: Span::default(),
                authorization: Span::default(),
                request_id: Span::default(),
                target: Target::default(),
                remote_port: 0,
                server_port: 0,
                https: false,
                accepted_at: wall,
                accepted: monotonic,
                interim: None,
                trail: Trail::new(monotonic),
                trace: None,
                children: None,
            },
        }
    }

    /// Copies a text into the buffer. Everything from the first NUL byte on is dropped, because C would not see it.
    pub fn text(&mut self, bytes: &[u8]) -> Span {
        let bytes = bytes.split(|b| *b == 0).next().unwrap_or_default();
        if bytes.is_empty() {
            return Span::default();
        }
        self.raw(&[bytes])
    }

    /// Copies several pieces as one text.
    pub fn joined(&mut self, pieces: &[&[u8]]) -> Span {
        self.raw(pieces)
    }

    fn raw(&mut self, pieces: &[&[u8]]) -> Span {
        let text = &mut self.request.text;
        // Header blocks are limited to far less than 4 GiB by the HTTP layer; saturate rather than wrap if they were not.
        let start = u32::try_from(text.len()).unwrap_or(0);
        for piece in pieces {
            text.extend_from_slice(piece);
        }
        let len = u32::try_from(text.len() - start as usize).unwrap_or(0);
        text.push(0);
        Span { start, len }
    }

    /// Copies an address in its textual form.
    pub fn address(&mut self, address: IpAddr) -> Span {
        let IpAddr::V4(v4) = address else { return self.text(address.to_string().as_bytes()) };
        // The formatter takes twenty times as long, and each request has two of these.
        let [a, b, c, d] = v4.octets();
        let mut digits = [itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new()];
        let [w, x, y, z] = &mut digits;
        let pieces = [w.format(a), ".", x.format(b), ".", y.format(c), ".", z.format(d)];
        self.joined(&pieces.map(str::as_bytes))
    }

    /// Adds a header whose texts are in the buffer already.
    pub fn header(&mut self, name: Span, value: Span) {
        self.request.headers.push(Header { name, value });
    }

    /// The bytes of a text added before.
    pub fn bytes(&self, span: Span) -> &[u8] {
        self.request.bytes(span)
    }

    /// Access to the fields.
    pub fn fields(&mut self) -> &mut Request {
        &mut self.request
    }

    /// The finished request.
    pub fn build(self) -> Request {
        self.request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_nul_terminated_and_cut_at_nul() {
        let mut builder = RequestBuilder::new();
        let method = builder.text(b"GET");
        let cut = builder.text(b"ab\0cd");
        let empty = builder.text(b"");
        builder.fields().method = method;
        let request = builder.build();
        assert_eq!(request.bytes(request.method), b"GET");
        assert_eq!(request.bytes(cut), b"ab");
        assert_eq!(request.bytes(empty), b"");
        assert_eq!(request.text[method.start as usize + 3], 0);
        assert_eq!(request.text[empty.start as usize], 0);
    }
}
