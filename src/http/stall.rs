//! Clients that stop taking what they asked for: `server.write_timeout`.
//!
//! There are two places to stop at. A socket that takes no byte stops the whole connection; [`Patient`] sees that and ends it. An HTTP/2
//! client can also leave one stream without window while the others go on; hyper then asks the response's body for nothing and
//! tells nobody, so [`Streams`] watches each stream from outside and drops it, which resets it.
//!
//! Time in which the socket is full does not count against a stream: streams of a slow connection wait for each other.

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Largest piece that hyper is given of a body on an HTTP/2 stream, in bytes: it takes a whole piece as soon as the client's window
/// has room for one byte. As large as a frame may be unless the client allows more.
const PIECE: usize = 16 * 1024;

/// Whether a connection's socket takes bytes.
#[derive(Debug, Clone, Copy)]
enum Flow {
    /// It always has.
    Free,
    /// It does not now.
    Blocked,
    /// It does again, since then.
    FreeSince(Instant),
}

/// What the streams of a connection are told about its socket.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<Mutex<Flow>>);

impl Line {
    /// The moment from which on a stream that was given its last piece at `since` has itself to blame; `None`: not yet.
    fn to_blame_since(&self, since: Instant) -> Option<Instant> {
        match *self.0.lock() {
            Flow::Free => Some(since),
            Flow::Blocked => None,
            Flow::FreeSince(free) => Some(since.max(free)),
        }
    }
}

/// A connection whose writing fails with [`io::ErrorKind::TimedOut`] once the socket has taken nothing for the whole limit.
#[derive(Debug)]
pub(super) struct Patient<T> {
    inner: T,
    limit: Duration,
    line: Line,
    /// Runs while the socket is full.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<T> Patient<T> {
    pub(super) fn new(inner: T, limit: Duration) -> (Self, Line) {
        let line = Line(Arc::new(Mutex::new(Flow::Free)));
        (Self { inner, limit, line: line.clone(), waiting: None }, line)
    }

    fn judge(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if self.waiting.take().is_some() {
                *self.line.0.lock() = Flow::FreeSince(Instant::now());
            }
            return written;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| {
            *self.line.0.lock() = Flow::Blocked;
            Box::pin(sleep(limit))
        });
        waiting.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.judge(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// What is known of the stream whose task is running.
#[derive(Debug, Default)]
struct Stream {
    /// When its body was last handed on, unless the body itself is what is being waited for.
    since: Cell<Option<Instant>>,
    line: RefCell<Option<Line>>,
}

tokio::task_local! {
    static STREAM: Stream;
}

/// Runs HTTP/2 streams as tasks, and drops those that stall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams {
    limit: Duration,
}

impl Streams {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let watched = Watched { stream: Box::pin(stream), limit: self.limit, waiting: None };
        tokio::spawn(STREAM.scope(Stream::default(), watched));
    }
}

/// A stream with an eye on it.
struct Watched<F> {
    stream: Pin<Box<F>>,
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // Only the poll above can have changed this.
        let Some(since) = STREAM.with(|stream| stream.since.get()) else {
            self.waiting = None;
            return Poll::Pending;
        };
        let limit = self.limit;
        loop {
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(since + limit)));
            ready!(waiting.as_mut().poll(cx));
            let now = Instant::now();
            let line = STREAM.with(|stream| stream.line.borrow().clone());
            let blamed = line.map_or(Some(since), |line| line.to_blame_since(since));
            let due = blamed.map_or(now + limit, |blamed| blamed + limit);
            if due <= now {
                return Poll::Ready(());
            }
            waiting.as_mut().reset(due);
        }
    }
}

/// The body of an answer on an HTTP/2 stream: in pieces, each of which sets the stream's clock. To be called by the task that
/// [`Streams`] runs for it.
pub(super) fn paced(body: Body, line: Line) -> Body {
    if STREAM.try_with(|stream| *stream.line.borrow_mut() = Some(line)).is_err() || body.is_end_stream() {
        return body;
    }
    Body::new(Paced { body, rest: Bytes::new() })
}

struct Paced {
    body: Body,
    /// Of the last piece, what was too much for one.
    rest: Bytes,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let since = |since| STREAM.try_with(|stream| stream.since.set(since)).unwrap_or_default();
        if self.rest.is_empty() {
            // The script, or a disk, may take its time.
            since(None);
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return Poll::Ready(other),
            }
        }
        since(Some(Instant::now()));
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        let mut sum = SizeHint::new();
        sum.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            sum.set_upper(upper.saturating_add(rest));
        }
        sum
    }
}
