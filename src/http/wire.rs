//! The bytes of a connection on their way to hyper, watched for what hyper does not tell.
//!
//! Two things get lost in hyper's HTTP/1.1 parser: that a head carried both `Content-Length` and `Transfer-Encoding` (it silently drops
//! the former), and whether a head had begun when its time was over (then 408 is due, else a plain close). Both are
//! read off here by a scan of field names. Nothing is changed, copied or decided: framing stays hyper's business.
//!
//! Where hyper answers by itself - to a head that it cannot parse - its bare answer is held back, so that one of ours can take its place.
//!
//! The other way goes one thing that hyper cannot send for a server: heads that come before the final one (1xx). They are written between
//! what hyper writes, never into it: see [`Writer`].

#![forbid(unsafe_code)]

mod scan;
mod stream;
mod turns;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::response;
use crate::job::{Interim, InterimSender, ResponseHead};
use scan::{Part, Scan};
pub(super) use stream::Stream;
use stream::{ReadHalf, WriteHalf};
pub(super) use turns::Turn;
use turns::Turns;

/// What has been seen of a connection, and a last word on it.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    scan: Arc<Mutex<Scan>>,
    writer: Arc<Mutex<Writer>>,
    turns: Arc<Turns>,
}

/// What a connection is doing, as far as its clock is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has brought nothing that could be a request.
    Fresh,
    /// A head of HTTP/1.1 has begun and not ended.
    Head,
    /// Requests are being answered.
    Busy,
    /// It waits for another request.
    Idle,
}

/// The way out, with what is to leave besides hyper's own bytes.
///
/// hyper writes a message's bytes and then flushes; a completed flush is the only moment at which nothing of a message is half
/// out. While a request is being answered hyper has nothing of its own to send but a `100 Continue`, so after that flush an
/// interim head may go at any time until the final one is handed to hyper.
#[derive(Debug)]
pub(super) struct Writer {
    half: WriteHalf,
    /// hyper has written since it last flushed.
    amid: bool,
    /// Interim heads that have not left yet. They go before anything else.
    queued: BytesMut,
    /// Which request of this connection may still get interim heads; counted, so that a worker that
    /// goes on after its answer was given up cannot speak into the next one.
    exchange: u64,
    open: bool,
    /// Status of an answer of hyper's own that was held back.
    refused: Option<u16>,
}

/// Bytes of interim heads that may wait for a client that does not read: as much as one request may send.
const MAX_QUEUED: usize = 64 * 1024;

impl Writer {
    fn new(half: WriteHalf) -> Self {
        Self { half, amid: false, queued: BytesMut::new(), exchange: 0, open: false, refused: None }
    }

    /// Sends an interim head, or keeps it until hyper has flushed. Never waits. Returns whether it will leave.
    pub(super) fn interim(&mut self, exchange: u64, head: &[u8]) -> bool {
        if !self.open || self.exchange != exchange || self.queued.len() + head.len() > MAX_QUEUED {
            return false;
        }
        self.queued.extend_from_slice(head);
        if !self.amid {
            while let Ok(count @ 1..) = self.half.try_write(&self.queued) {
                self.queued.advance(count);
            }
        }
        true
    }

    /// The final head goes to hyper next: no interim head may follow it.
    fn close(&mut self, exchange: u64) {
        if self.exchange != exchange {
            return;
        }
        self.open = false;
        if self.amid {
            // hyper would append the final head to what it has not written yet, and these are only due after that.
            self.queued.clear();
        }
    }

    /// Takes an answer of hyper's own for written; returns whether it was one. It is always the first thing written after a completed
    /// flush, and the last of its connection. Ours all bear a request id.
    fn hold_back(&mut self, bytes: &[u8]) -> bool {
        const LONGEST_OF_HYPER: usize = 200;
        let is_refusal = !self.amid
            && bytes.len() <= LONGEST_OF_HYPER
            && bytes.starts_with(b"HTTP/1.")
            && bytes.get(8..10) == Some(b" 4")
            && bytes.ends_with(b"\r\n\r\n")
            && !bytes.windows(15).any(|name| name == b"\r\nx-request-id:");
        if is_refusal {
            self.refused = std::str::from_utf8(&bytes[9..12]).ok().and_then(|status| status.parse().ok());
        }
        is_refusal && self.refused.is_some()
    }

    fn poll_queued(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.amid && !self.queued.is_empty() {
            let count = ready!(Pin::new(&mut self.half).poll_write(cx, &self.queued))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.queued.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

/// A connection for hyper.
#[derive(Debug)]
pub(super) struct Wire {
    reader: ReadHalf,
    watch: Watch,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> (Self, Watch) {
        let (reader, writer) = stream.into_split();
        let writer = Arc::new(Mutex::new(Writer::new(writer)));
        let watch = Watch { scan: Arc::default(), writer, turns: Arc::default() };
        (Self { reader, watch: watch.clone() }, watch)
    }
}

impl Watch {
    /// Whether the head just read said twice, and in two ways, where its body ends.
    pub(super) fn has_two_framings(&self) -> bool {
        let scan = self.scan.lock();
        scan.length && scan.encoding
    }

    /// What the connection is doing, and how many requests it has brought.
    pub(super) fn stage(&self) -> (Stage, u32) {
        let begun = self.turns.begun();
        let amid_head = {
            let scan = self.scan.lock();
            scan.begun && scan.part == Part::Head
        };
        let stage = if self.turns.open() > 0 || self.writer.lock().amid {
            Stage::Busy
        } else if amid_head {
            Stage::Head
        } else if begun == 0 {
            Stage::Fresh
        } else {
            Stage::Idle
        };
        (stage, begun)
    }

    /// A request has come; its turn lasts until the value is dropped.
    pub(super) fn begin_turn(&self) -> Turn {
        Turn::begin(&self.turns)
    }

    /// Whether the client has begun with the preface of HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.scan.lock().part == Part::Http2
    }

    /// Whether the head just read, whole or not, asks for JSON.
    pub(super) fn asks_for_json(&self) -> bool {
        self.scan.lock().json
    }

    /// The status that hyper would have answered by itself.
    pub(super) fn refused(&self) -> Option<u16> {
        self.writer.lock().refused
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

    /// A request is being answered: until the value is dropped, interim heads may be sent for it.
    pub(super) fn open_exchange(&self) -> OpenExchange {
        let mut writer = self.writer.lock();
        writer.exchange += 1;
        writer.open = true;
        OpenExchange { writer: Arc::clone(&self.writer), number: writer.exchange }
    }

    /// Writes a last text and ends our side. Only for a connection that hyper has given up.
    pub(super) async fn last_word(&self, text: &str) -> io::Result<()> {
        let mut left = text.as_bytes();
        poll_fn(|cx| {
            let mut writer = self.writer.lock();
            while !left.is_empty() {
                let count = ready!(Pin::new(&mut writer.half).poll_write(cx, left))?;
                left = &left[count..];
            }
            Pin::new(&mut writer.half).poll_shutdown(cx)
        })
        .await
    }

    /// Reads on and forgets until the client is through: a connection closed with unread data is reset, and the reset would overtake
    /// the answer on its way. Only for a connection that hyper has given up; the caller limits the time.
    pub(super) async fn drain(&self) {
        // hyper says nothing when it breaks a body off; the client is to know it now and not when this ends. An error says that it has gone.
        drop(poll_fn(|cx| Pin::new(&mut self.writer.lock().half).poll_shutdown(cx)).await);
        while let Ok(1..) = poll_fn(|cx| self.writer.lock().half.poll_discard(cx)).await {}
    }
}

/// The time between a request and its final head. Must be dropped before hyper gets that head.
#[derive(Debug)]
pub(super) struct OpenExchange {
    writer: Arc<Mutex<Writer>>,
    number: u64,
}

impl OpenExchange {
    /// The means to send interim heads for this request, and for no later one.
    pub(super) fn interim(&self) -> InterimSender {
        InterimSender::new(Arc::clone(&self.writer) as Arc<dyn Interim>, self.number)
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        self.writer.lock().close(self.number);
    }
}

impl Interim for Mutex<Writer> {
    fn send(&self, exchange: u64, head: &ResponseHead) -> bool {
        response::interim_head(head).is_some_and(|text| self.lock().interim(exchange, &text))
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
        let mut writer = self.watch.writer.lock();
        ready!(writer.poll_queued(cx))?;
        if writer.hold_back(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        writer.amid = true;
        Pin::new(&mut writer.half).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut writer = self.watch.writer.lock();
        ready!(writer.poll_queued(cx))?;
        if let [only] = bufs
            && writer.hold_back(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        writer.amid = true;
        Pin::new(&mut writer.half).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.watch.writer.lock().half.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.watch.writer.lock();
        ready!(Pin::new(&mut writer.half).poll_flush(cx))?;
        writer.amid = false;
        writer.poll_queued(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.watch.writer.lock();
        // Our own answer is still to come.
        if writer.refused.is_some() { Poll::Ready(Ok(())) } else { Pin::new(&mut writer.half).poll_shutdown(cx) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const HINT: &[u8] = b"HTTP/1.1 103 Early Hints\r\n\r\n";

    fn hint() -> ResponseHead {
        ResponseHead { status: 103, ..ResponseHead::default() }
    }

    /// Writes a large message as hyper does until the socket takes no more, empties the socket, lets `act` speak in between, then
    /// writes the rest and flushes. Returns how long the message was, and all the client got.
    fn amid_a_message(act: impl FnOnce(&Watch)) -> (usize, Vec<u8>) {
        const MESSAGE: &[u8] = &[b'm'; 12 * 1024 * 1024];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let mut client =
                tokio::net::TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connect");
            let (mut wire, watch) = Wire::new(Stream::Tcp(listener.accept().await.expect("accept").0));
            let mut written = 0;
            poll_fn(|cx| {
                while written < MESSAGE.len() {
                    match Pin::new(&mut wire).poll_write(cx, &MESSAGE[written..]) {
                        Poll::Ready(count) => written += count.expect("the client is there"),
                        Poll::Pending => return Poll::Ready(()),
                    }
                }
                panic!("the socket has taken {} bytes unread", MESSAGE.len());
            })
            .await;
            let mut got = vec![0; written];
            client.read_exact(&mut got).await.expect("what was written");
            act(&watch);
            let rest = async {
                wire.write_all(&MESSAGE[written..written + 1000]).await.expect("the client is there");
                wire.flush().await.expect("the client is there");
                wire.shutdown().await.expect("the client is there");
            };
            let (_, read) = tokio::join!(rest, client.read_to_end(&mut got));
            read.expect("the end");
            (written + 1000, got)
        })
    }

    #[test]
    fn an_interim_head_waits_for_the_end_of_a_message() {
        let mut exchange = None;
        let (length, got) = amid_a_message(|watch| {
            let open = exchange.insert(watch.open_exchange());
            assert!(open.interim().send(&hint()));
        });
        assert!(got[..length].iter().all(|byte| *byte == b'm'), "broken into");
        assert_eq!(got[length..].escape_ascii().to_string(), HINT.escape_ascii().to_string());
    }

    #[test]
    fn an_interim_head_never_follows_its_final_one() {
        let (length, got) = amid_a_message(|watch| {
            let (first, second) = (watch.open_exchange(), watch.open_exchange());
            assert!(!first.interim().send(&hint()), "of a request that is over");
            let mut late = second.interim();
            assert!(late.send(&hint()), "kept until the flush");
            drop(second);
            assert!(!late.send(&hint()), "the final head has been given");
        });
        assert_eq!(got.len(), length, "what was kept would have come after the final head");
    }
}
