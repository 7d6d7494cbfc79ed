//! Where lines go whose writer must never be kept waiting: into memory, and from there to their end by a thread of their own.
//!
//! Memory is bounded; what finds no room is dropped, counted and told of. The thread takes what has come together within a moment in one
//! piece, so that a line costs its writer a copy of its bytes, and no system call while others come. What is
//! in memory when the process dies is lost: the log of events does not go this way.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

use super::events::LogDropped;

/// Bytes that may wait: a second of lines of a busy server, while a disk takes its time.
const MOST: usize = 8 * 1024 * 1024;
/// How long lines are gathered. Nobody reads a log faster, and the thread is woken fifty times a second instead of for each line: each time
/// somebody else has to leave the processor.
const GATHER: Duration = Duration::from_millis(20);
/// Bytes that are enough to be taken at once: what is no larger stays in the cache of the processor until it has been written.
const ENOUGH: usize = 64 * 1024;
/// How long the end of the process waits for the last lines.
const FAREWELL: Duration = Duration::from_secs(2);
/// A buffer that has grown beyond this for once is given back.
const KEPT: usize = 256 * 1024;
/// The same of the buffer that each thread has for the line it writes.
const LINE_KEPT: usize = 16 * 1024;

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The end of an outlet. It is used by one thread, and may take its time.
pub(super) trait Sink: Send + 'static {
    /// Takes whole lines. What it cannot get rid of is lost.
    fn take(&mut self, lines: &[u8]);

    /// Opens its file anew, if it has one.
    fn reopen(&mut self) {}
}

/// The writers' side. All copies lead to the same end.
#[derive(Clone)]
pub(super) struct Outlet(Arc<Shared>);

struct Shared {
    /// What goes this way, for the report of lines that were dropped.
    name: &'static str,
    state: Mutex<State>,
    /// There is something to do.
    wake: Condvar,
    /// There is nothing left to do.
    done: Condvar,
    started: Once,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    /// The sink, until the thread has it.
    sink: Option<Box<dyn Sink>>,
    /// The thread waits for something to do.
    idle: bool,
    /// Its file is to be opened anew.
    reopen: bool,
    /// The process is about to end: nothing is gathered any more.
    closing: bool,
    /// The thread is at work on something it has taken out.
    busy: bool,
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outlet").field(&self.0.name).finish()
    }
}

impl Outlet {
    /// The thread is started with the first line.
    pub(super) fn new(name: &'static str, sink: Box<dyn Sink>) -> Self {
        let state = Mutex::new(State { sink: Some(sink), ..State::default() });
        Self(Arc::new(Shared { name, state, wake: Condvar::new(), done: Condvar::new(), started: Once::new() }))
    }

    /// Takes a line, or counts it as dropped. Never waits for more than the copy of another.
    pub(super) fn put(&self, line: &[u8]) {
        self.start();
        let mut state = self.0.state.lock();
        if state.lines.len() + line.len() > MOST {
            state.dropped += 1;
            return;
        }
        let before = state.lines.len();
        state.lines.extend_from_slice(line);
        let enough = before < ENOUGH && state.lines.len() >= ENOUGH;
        self.wake(state, enough);
    }

    /// Takes a line that `write` appends to a buffer of the thread's own; none if that fails.
    pub(super) fn put_written(&self, write: impl FnOnce(&mut String) -> fmt::Result) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            if write(line).is_ok() {
                self.put(line.as_bytes());
            }
            line.shrink_to(LINE_KEPT);
        });
    }

    /// Has the file opened anew, if it has been opened.
    pub(super) fn reopen(&self) {
        if !self.0.started.is_completed() {
            return;
        }
        let mut state = self.0.state.lock();
        state.reopen = true;
        self.wake(state, true);
    }

    /// Wakes the thread where it waits for a first line, or `at_once`.
    fn wake(&self, mut state: parking_lot::MutexGuard<'_, State>, at_once: bool) {
        let idle = mem::take(&mut state.idle);
        drop(state);
        if idle || at_once {
            self.0.wake.notify_one();
        }
    }

    /// Waits until everything has been written, but not for ever.
    pub(super) fn flush(&self) {
        let deadline = Instant::now() + FAREWELL;
        let mut state = self.0.state.lock();
        state.closing = true;
        self.0.wake.notify_one();
        while self.0.started.is_completed() && (!state.lines.is_empty() || state.busy) {
            if self.0.done.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
        state.closing = false;
    }

    fn start(&self) {
        self.0.started.call_once(|| {
            let Some(sink) = self.0.state.lock().sink.take() else { return };
            let shared = Arc::clone(&self.0);
            // Without a thread the memory fills up, and then lines are dropped.
            drop(thread::Builder::new().name(format!("sc-{}", self.0.name)).spawn(move || work(&shared, sink)));
        });
    }
}

/// The thread. It ends with the process.
fn work(shared: &Shared, mut sink: Box<dyn Sink>) {
    let mut lines = Vec::new();
    loop {
        let mut state = shared.state.lock();
        while state.lines.is_empty() && state.dropped == 0 && !state.reopen {
            state.idle = true;
            shared.wake.wait(&mut state);
        }
        state.idle = false;
        if !state.closing && !state.reopen && state.lines.len() < ENOUGH {
            // Whoever closes, reopens or brings the last of enough wakes it before the time.
            shared.wake.wait_for(&mut state, GATHER);
        }
        mem::swap(&mut lines, &mut state.lines);
        let (dropped, reopen) = (mem::take(&mut state.dropped), mem::take(&mut state.reopen));
        state.busy = true;
        drop(state);
        if reopen {
            sink.reopen();
        }
        if !lines.is_empty() {
            sink.take(&lines);
        }
        lines.clear();
        lines.shrink_to(KEPT);
        if dropped > 0 {
            LogDropped { what: shared.name, lines: dropped }.emit();
        }
        shared.state.lock().busy = false;
        shared.done.notify_all();
    }
}

/// One line, or a part of one, on its way in.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a Outlet);

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Outlet {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Lets its end be seen, and waits until it is looked at.
    struct Slow(SyncSender<Vec<u8>>);

    impl Sink for Slow {
        fn take(&mut self, lines: &[u8]) {
            drop(self.0.send(lines.to_vec()));
        }
    }

    fn outlet() -> (Outlet, Receiver<Vec<u8>>) {
        let (sender, receiver) = sync_channel(0);
        (Outlet::new("test", Box::new(Slow(sender))), receiver)
    }

    #[test]
    fn lines_arrive_in_order_and_all_of_them() {
        let (outlet, receiver) = outlet();
        let read = move || {
            let mut all = Vec::new();
            while all.len() < 4 * 10_000 {
                all.extend(receiver.recv().expect("more lines"));
            }
            all
        };
        let reader = thread::Builder::new().spawn(read).expect("a thread");
        for number in 0..10_000_u32 {
            outlet.put(&number.to_le_bytes());
        }
        let all = reader.join().expect("read");
        let numbers: Vec<_> = all.chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four"))).collect();
        assert_eq!(numbers, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_waits_for_an_end_that_takes_nothing() {
        let (outlet, receiver) = outlet();
        let line = vec![b'x'; 64 * 1024];
        // What the thread has in its hands, what may wait, and as much again.
        for _ in 0..2 * MOST / line.len() + 2 {
            outlet.put(&line);
        }
        let state = outlet.0.state.lock();
        assert!(
            state.lines.len() <= MOST && state.dropped > 0,
            "{} bytes, {} dropped",
            state.lines.len(),
            state.dropped
        );
        drop(state);
        drop(receiver);
        outlet.flush();
        assert!(outlet.0.state.lock().lines.is_empty());
    }
}
