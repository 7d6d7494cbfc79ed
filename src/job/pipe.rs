//! The bounded byte pipe between a PHP thread (producer, blocking) and tokio (consumer, polling).
//!
//! A channel of chunks would bound their number, not their bytes; this one bounds bytes. The producer blocks on a condition
//! variable of its own thread and never enters tokio.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use super::reply::ClientGone;

/// The body ended before it was whole. The HTTP layer must not complete the message.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the response was broken off by PHP before its end")]
pub struct BrokenOff;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    Open,
    Whole,
    Broken,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    tail: Tail,
    reader_gone: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    room: Condvar,
    capacity: usize,
    patience: Duration,
}

/// The producer's end.
#[derive(Debug)]
pub(super) struct PipeWriter(Arc<Shared>);

/// The consumer's end. Dropping it tells the producer that the client has gone.
#[derive(Debug)]
pub struct PipeReader(Arc<Shared>);

/// A pipe that holds about `capacity` bytes; one chunk may exceed it, so that no chunk is ever too large to pass. A reader that takes
/// nothing for as long as `patience` counts as gone.
pub(super) fn pipe(capacity: usize, patience: Duration) -> (PipeWriter, PipeReader) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            chunks: VecDeque::new(),
            bytes: 0,
            tail: Tail::Open,
            reader_gone: false,
            waker: None,
        }),
        room: Condvar::new(),
        capacity,
        patience,
    });
    (PipeWriter(Arc::clone(&shared)), PipeReader(shared))
}

impl PipeWriter {
    /// Hands over a chunk; waits while the pipe is full and the client still there.
    pub(super) fn send(&self, chunk: Bytes) -> Result<(), ClientGone> {
        if chunk.is_empty() {
            return Ok(());
        }
        let mut state = self.0.state.lock();
        while state.bytes >= self.0.capacity && !state.reader_gone {
            if self.0.room.wait_for(&mut state, self.0.patience).timed_out() {
                // Nothing was taken all that time: the worker is worth more than this client.
                state.reader_gone = true;
                state.tail = Tail::Broken;
                state.chunks.clear();
                state.bytes = 0;
                wake(state);
                return Err(ClientGone);
            }
        }
        if state.reader_gone {
            return Err(ClientGone);
        }
        state.bytes += chunk.len();
        state.chunks.push_back(chunk);
        wake(state);
        Ok(())
    }

    /// Whether the consumer has been dropped.
    pub(super) fn reader_gone(&self) -> bool {
        self.0.state.lock().reader_gone
    }

    /// Ends the body: `whole` or broken off.
    pub(super) fn close(self, whole: bool) {
        self.end(if whole { Tail::Whole } else { Tail::Broken });
    }

    fn end(&self, tail: Tail) {
        let mut state = self.0.state.lock();
        if state.tail == Tail::Open {
            state.tail = tail;
        }
        wake(state);
    }
}

impl Drop for PipeWriter {
    /// A writer that goes without a word has not finished its body.
    fn drop(&mut self) {
        self.end(Tail::Broken);
    }
}

fn wake(mut state: parking_lot::MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl PipeReader {
    /// The next chunk, the end (`None`), or the news that the body was broken off.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let mut state = self.0.state.lock();
        if let Some(chunk) = state.chunks.pop_front() {
            state.bytes -= chunk.len();
            drop(state);
            self.0.room.notify_one();
            return Poll::Ready(Some(Ok(chunk)));
        }
        match state.tail {
            Tail::Whole => Poll::Ready(None),
            Tail::Broken => {
                // Reported once; a consumer that polls on sees a plain end.
                state.tail = Tail::Whole;
                Poll::Ready(Some(Err(BrokenOff)))
            }
            Tail::Open => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.reader_gone = true;
        state.chunks.clear();
        state.bytes = 0;
        drop(state);
        self.0.room.notify_one();
    }
}
