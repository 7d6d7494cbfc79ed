//! The bytes of a connection on their way to hyper, watched for what hyper does not tell.
//!
//! Two things get lost in hyper's HTTP/1.1 parser: that a head carried both `Content-Length` and `Transfer-Encoding` (it silently drops
//! the former), and whether a head had begun when its time was over (then 408 is due, else a plain close). Both are
//! read off here by a scan of field names. Nothing is changed, copied or decided: framing stays hyper's business.

#![forbid(unsafe_code)]

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// What has been seen of a connection, and a last word on it.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    scan: Arc<Mutex<Scan>>,
    writer: Arc<Mutex<OwnedWriteHalf>>,
}

/// A connection for hyper.
#[derive(Debug)]
pub(super) struct Wire {
    reader: OwnedReadHalf,
    watch: Watch,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Self, Watch) {
        let (reader, writer) = stream.into_split();
        let watch = Watch { scan: Arc::default(), writer: Arc::new(Mutex::new(writer)) };
        (Self { reader, watch: watch.clone() }, watch)
    }
}

impl Watch {
    /// Whether the head just read said twice, and in two ways, where its body ends.
    pub(super) fn has_two_framings(&self) -> bool {
        let scan = self.scan.lock();
        scan.length && scan.encoding
    }

    /// Whether a head has begun and not ended.
    pub(super) fn is_amid_head(&self) -> bool {
        let scan = self.scan.lock();
        scan.begun && scan.part == Part::Head
    }

    /// The request has been answered; what comes next is another head.
    ///
    /// A head that hyper had already read together with the former request is not seen: it goes unwatched.
    pub(super) fn next_head(&self) {
        let mut scan = self.scan.lock();
        if scan.part != Part::Http2 {
            *scan = Scan::default();
        }
    }

    /// Writes as much as the socket takes at once. Only for a connection that hyper has given up.
    pub(super) fn last_word(&self, text: &str) {
        // A client too slow to take this line is too slow for any.
        drop(self.writer.lock().try_write(text.as_bytes()));
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.reader).poll_read(cx, buf))?;
        self.watch.scan.lock().feed(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.watch.writer.lock()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.watch.writer.lock()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.watch.writer.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.watch.writer.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.watch.writer.lock()).poll_shutdown(cx)
    }
}

/// Longest text compared: `transfer-encoding:`.
const LONGEST: usize = 18;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Lines of a head.
    #[default]
    Head,
    /// After the empty line.
    Rest,
    /// Binary frames, for good.
    Http2,
}

/// Reads the beginnings of a head's lines.
#[derive(Debug, Default)]
struct Scan {
    part: Part,
    /// The first bytes of the current line, in lower case.
    line: [u8; LONGEST],
    /// How many bytes of the line have come, no more than `LONGEST`.
    come: usize,
    begun: bool,
    length: bool,
    encoding: bool,
}

impl Scan {
    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.part != Part::Head {
                return;
            }
            match byte {
                b'\n' => self.end_line(),
                b'\r' => {}
                byte if self.come < LONGEST => {
                    self.begun = true;
                    self.line[self.come] = byte.to_ascii_lowercase();
                    self.come += 1;
                }
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let line = &self.line[..self.come];
        if line.is_empty() {
            // Empty lines before the request line are nothing (RFC 9112 section 2.2).
            if self.begun {
                self.part = Part::Rest;
            }
        } else if line == b"pri * http/2.0" {
            self.part = Part::Http2;
        } else {
            self.length |= line.starts_with(b"content-length:");
            self.encoding |= line.starts_with(b"transfer-encoding:");
        }
        self.come = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(pieces: &[&[u8]]) -> Scan {
        let mut scan = Scan::default();
        for piece in pieces {
            scan.feed(piece);
        }
        scan
    }

    #[test]
    fn framings_are_seen_in_any_order_and_in_pieces() {
        type Case = (&'static [&'static [u8]], bool, bool);
        let cases: [Case; 8] = [
            (&[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], false, false),
            (&[b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"], true, false),
            (&[b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"], true, true),
            (&[b"POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\ncontent-length:5\r\n\r\n"], true, true),
            (&[b"POST / HTTP/1.1\nTransfer-Enc", b"oding: chunked\nContent-", b"Length: 5\n\n"], true, true),
            // A body is not looked at.
            (&[b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"\r\nContent-Length: 5\r\n"], false, true),
            (&[b"\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"], true, false),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\ncontent-length:5\n"], false, false),
        ];
        for (pieces, length, encoding) in cases {
            let scan = scanned(pieces);
            assert_eq!((scan.length, scan.encoding), (length, encoding), "{}", pieces.concat().escape_ascii());
        }
    }

    #[test]
    fn a_head_has_a_beginning_and_an_end() {
        let cases: [(&[&[u8]], bool); 5] = [
            (&[], false),
            (&[b"\r\n"], false),
            (&[b"G"], true),
            (&[b"GET / HTTP/1.1\r\nX-Slow: "], true),
            (&[b"GET / HTTP/1.1\r\n\r\n"], false),
        ];
        for (pieces, amid) in cases {
            let scan = scanned(pieces);
            assert_eq!(scan.begun && scan.part == Part::Head, amid, "{}", pieces.concat().escape_ascii());
        }
    }
}
