//! The bounded byte pipe between a PHP thread (producer, blocking) and tokio (consumer, polling).
//!
//! A channel of chunks would bound their number, not their bytes; this one bounds bytes. The producer never enters tokio, and waits as
//! little as can be: what the consumer has not taken when memory is full goes to disk, until the consumer has taken all of it; then
//! memory is used again. Only if there is no place on disk either does the producer wait for the consumer.
//!
//! Order: chunks in memory, then what is on disk. The producer puts nothing into memory while anything is on disk, the consumer
//! takes nothing from memory while a piece from disk is on its way.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::reply::{ClientGone, ReplyLimits};
use super::spill::{self, Spill};

/// How long the producer waits, all in all, for a consumer that keeps up, before the disk is used: a fast client's response never
/// gets there, a slow one's costs its worker no more than this.
const HASTE: Duration = Duration::from_millis(20);
/// And how long for one piece; a client that takes nothing in that time is not one that keeps up.
const HASTE_STEP: Duration = Duration::from_millis(2);

/// What a chunk in memory costs besides its bytes, in bytes: a script that flushes every byte must not get round the bound.
const OVERHEAD: usize = 128;

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
    /// What the chunks cost.
    bytes: usize,
    spill: Option<Arc<Spill>>,
    /// Up to where the file has been written, and up to where it has been handed to the consumer.
    written: u64,
    read: u64,
    tail: Tail,
    reader_gone: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    room: Condvar,
}

/// The producer's end.
#[derive(Debug)]
pub(super) struct PipeWriter {
    shared: Arc<Shared>,
    limits: ReplyLimits,
    /// What is left of [`HASTE`].
    haste: Duration,
    /// Whether the disk may be used. Once it has failed, this response does without.
    spills: bool,
}

/// Breaks a body off from outside.
#[derive(Debug)]
pub(super) struct Breaker(Arc<Shared>);

/// The consumer's end. Dropping it tells the producer that the client has gone.
#[derive(Debug)]
pub struct PipeReader {
    shared: Arc<Shared>,
    /// A piece on its way from the disk.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    patience: Duration,
}

/// A pipe that holds about `limits.pipe` bytes in memory and `limits.spill` on disk; one chunk may exceed the former, so that no chunk
/// is ever too large to pass. A reader that takes nothing of a full pipe for as long as `limits.patience` counts as gone.
pub(super) fn pipe(limits: ReplyLimits) -> (PipeWriter, PipeReader) {
    let state = State {
        chunks: VecDeque::new(),
        bytes: 0,
        spill: None,
        written: 0,
        read: 0,
        tail: Tail::Open,
        reader_gone: false,
        waker: None,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), room: Condvar::new() });
    let spills = limits.spill > 0;
    let writer = PipeWriter { shared: Arc::clone(&shared), limits, haste: HASTE, spills };
    (writer, PipeReader { shared, reading: None, patience: limits.patience })
}

/// What the producer does with a chunk.
enum Move {
    ToMemory,
    ToDisk,
    /// A moment, for a consumer that may keep up.
    Hesitate(Duration),
    Wait,
}

impl PipeWriter {
    /// Hands over a chunk. Waits only while memory is full, the disk of no use and the client still there.
    pub(super) fn send(&mut self, mut chunk: Bytes) -> Result<(), ClientGone> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        while !chunk.is_empty() {
            if state.is_cut() {
                return Err(ClientGone);
            }
            match self.next_move(&state, chunk.len()) {
                Move::ToMemory => {
                    state.bytes += cost(&chunk);
                    state.chunks.push_back(chunk);
                    wake(state);
                    return Ok(());
                }
                Move::ToDisk => {
                    self.store(&mut state, &mut chunk);
                    if let Some(waker) = state.waker.take() {
                        MutexGuard::unlocked(&mut state, || waker.wake());
                    }
                }
                Move::Hesitate(step) => {
                    let begun = Instant::now();
                    let in_vain = shared.room.wait_for(&mut state, step).timed_out();
                    self.haste = if in_vain { Duration::ZERO } else { self.haste.saturating_sub(begun.elapsed()) };
                }
                Move::Wait => {
                    if shared.room.wait_for(&mut state, self.limits.patience).timed_out() {
                        // Nothing was taken all that time: the worker is worth more than this client.
                        state.abandon();
                        wake(state);
                        return Err(ClientGone);
                    }
                }
            }
        }
        Ok(())
    }

    fn next_move(&self, state: &State, length: usize) -> Move {
        let backlog = state.on_disk();
        if backlog == 0 && state.bytes < self.limits.pipe {
            Move::ToMemory
        } else if !self.spills || backlog + length as u64 > self.limits.spill {
            Move::Wait
        } else if backlog == 0 && !self.haste.is_zero() {
            Move::Hesitate(self.haste.min(HASTE_STEP))
        } else {
            Move::ToDisk
        }
    }

    /// Puts a chunk on disk, or what finds a place there. The lock is not held meanwhile: the consumer never waits for a disk.
    fn store(&mut self, state: &mut MutexGuard<'_, State>, chunk: &mut Bytes) {
        if state.on_disk() == 0 {
            // All has been taken, and nothing is being read: from the beginning of the file again.
            state.written = 0;
            state.read = 0;
        }
        let (spill, position) = (state.spill.clone(), state.written);
        let limits = self.limits;
        let (done, result, spill) = MutexGuard::unlocked(state, || {
            let spill = match spill.map_or_else(|| Spill::open(limits.spill, limits.spill_total).map(Arc::new), Ok) {
                Ok(spill) => spill,
                Err(none) => return (0, Err(none), None),
            };
            let (done, result) = spill.write(position, chunk);
            (done, result, Some(spill))
        });
        if let Err(cause) = result {
            // Space may come back, but this response is not what should find out.
            self.spills = false;
            spill::report(&cause);
        }
        chunk.advance(done);
        state.written += done as u64;
        if !state.reader_gone {
            state.spill = spill;
        }
    }

    /// Whether nobody takes what is written any more.
    pub(super) fn reader_gone(&self) -> bool {
        self.shared.state.lock().is_cut()
    }

    /// For somebody else to break the body off.
    pub(super) fn breaker(&self) -> Breaker {
        Breaker(Arc::clone(&self.shared))
    }

    /// Ends the body: `whole` or broken off.
    pub(super) fn close(self, whole: bool) {
        self.end(if whole { Tail::Whole } else { Tail::Broken });
    }

    fn end(&self, tail: Tail) {
        let mut state = self.shared.state.lock();
        if state.tail == Tail::Open {
            state.tail = tail;
        }
        wake(state);
    }
}

impl Breaker {
    /// Whether the body has ended.
    pub(super) fn is_over(&self) -> bool {
        self.0.state.lock().tail != Tail::Open
    }

    /// Ends the body as broken off behind what has been written so far; the producer is told that nobody listens. Returns whether the
    /// body had not ended before.
    pub(super) fn break_off(&self) -> bool {
        let mut state = self.0.state.lock();
        let open = state.tail == Tail::Open;
        if open {
            state.tail = Tail::Broken;
            self.0.room.notify_one();
        }
        wake(state);
        open
    }
}

impl Drop for PipeWriter {
    /// A writer that goes without a word has not finished its body.
    fn drop(&mut self) {
        self.end(Tail::Broken);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokio::fs has no read at a position, and this reads a file, nothing else"
)]
fn read(spill: Arc<Spill>, position: u64, unread: u64) -> JoinHandle<io::Result<Bytes>> {
    spawn_blocking(move || spill.read(position, unread))
}

fn cost(chunk: &Bytes) -> usize {
    chunk.len() + OVERHEAD
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl State {
    /// Bytes on disk that the consumer has not got.
    fn on_disk(&self) -> u64 {
        self.written - self.read
    }

    /// Whether what is written now reaches nobody. A producer that still writes has not ended the body itself.
    fn is_cut(&self) -> bool {
        self.reader_gone || self.tail != Tail::Open
    }

    /// Nobody will take what is there.
    fn abandon(&mut self) {
        self.reader_gone = true;
        self.tail = Tail::Broken;
        self.chunks.clear();
        self.bytes = 0;
        self.read = self.written;
        self.spill = None;
    }
}

impl PipeReader {
    /// How long a client may take nothing before it counts as gone.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The next chunk, the end (`None`), or the news that the body was broken off. What lies on disk is read by tokio, which must be
    /// there then.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let result = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                return Poll::Ready(Some(self.take(result)));
            }
            let mut state = self.shared.state.lock();
            if let Some(chunk) = state.chunks.pop_front() {
                state.bytes -= cost(&chunk);
                drop(state);
                self.shared.room.notify_one();
                return Poll::Ready(Some(Ok(chunk)));
            }
            if let (Some(spill), unread @ 1..) = (&state.spill, state.on_disk()) {
                let (spill, position) = (Arc::clone(spill), state.read);
                drop(state);
                self.reading = Some(read(spill, position, unread));
                continue;
            }
            return match state.tail {
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
            };
        }
    }

    /// Takes over what was read from the disk.
    fn take(&self, result: Result<io::Result<Bytes>, JoinError>) -> Result<Bytes, BrokenOff> {
        let mut state = self.shared.state.lock();
        // The producer may have given up meanwhile; then nothing is whole any more.
        let result = match result.map_err(io::Error::other).flatten() {
            Ok(piece) if !state.reader_gone => {
                state.read += piece.len() as u64;
                Ok(piece)
            }
            Ok(_) => Err(BrokenOff),
            Err(error) => {
                tracing::warn!(event = "response.spill_unreadable", error = %error);
                state.abandon();
                Err(BrokenOff)
            }
        };
        if result.is_err() {
            state.tail = Tail::Whole;
        }
        drop(state);
        self.shared.room.notify_one();
        result
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.shared.state.lock().abandon();
        self.shared.room.notify_one();
    }
}

#[cfg(test)]
mod tests;
