//! Where lines go whose writer must never be kept waiting: into memory, and from there to their end by a thread of their own.
//!
//! Memory is bounded; what finds no room is dropped, counted and told of. The thread takes what has come together within a moment in one
//! piece, so that a line costs its writer a copy of its bytes, and no system call while others come. What is
//! in memory when the process dies is lost: the log of events does not go this way.
//!
//! Threads that write do so side by side, each in a compartment that it shares with few others or none: its lock and its end are in nobody
//! else's cache. Lines of one thread keep their order; those of several may change places within the moment they are gathered in.

#![forbid(unsafe_code)]

use std::array;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

use super::events::LogDropped;

/// Places for writers to stand apart.
const COMPARTMENTS: usize = 8;
/// Bytes that may wait in each: half a second of lines of a busy thread, while a disk takes its time.
const MOST: usize = 4 * 1024 * 1024;
/// How long lines are gathered. Nobody reads a log faster, and the thread is woken fifty times a second instead of for each line: each time
/// somebody else has to leave the processor.
const GATHER: Duration = Duration::from_millis(20);
/// Bytes that are enough to be taken at once: what is no larger stays in the cache of the processor until it has been written.
const ENOUGH: usize = 128 * 1024;
/// How long the end of the process waits for the last lines.
const FAREWELL: Duration = Duration::from_secs(2);
/// A buffer that has grown beyond this for once is given back.
const KEPT: usize = 256 * 1024;
/// The same of the buffer that each thread has for the line it writes.
const LINE_KEPT: usize = 16 * 1024;

/// The compartment of the next thread that writes.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    /// This thread's place among the compartments, of every outlet.
    static PLACE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % COMPARTMENTS;
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
    compartments: [Compartment; COMPARTMENTS],
    /// The thread waits for a first line. Whoever brings one has been told so by the lock of its compartment: the thread looks into all of them
    /// after it has said that it will wait.
    idle: AtomicBool,
    orders: Mutex<Orders>,
    /// There is something to do.
    wake: Condvar,
    /// There is nothing left to do.
    done: Condvar,
    started: Once,
}

/// Lines that wait. On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Compartment(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
}

/// What the thread is to do beside.
#[derive(Default)]
struct Orders {
    /// The sink, until the thread has it.
    sink: Option<Box<dyn Sink>>,
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
        Self(Arc::new(Shared {
            name,
            compartments: array::from_fn(|_| Compartment::default()),
            idle: AtomicBool::new(false),
            orders: Mutex::new(Orders { sink: Some(sink), ..Orders::default() }),
            wake: Condvar::new(),
            done: Condvar::new(),
            started: Once::new(),
        }))
    }

    /// Takes a line, or counts it as dropped. Never waits for more than the copy of another.
    pub(super) fn put(&self, line: &[u8]) {
        self.start();
        let place = PLACE.try_with(|place| *place).unwrap_or_default();
        let mut waiting = self.0.compartments[place].0.lock();
        let before = waiting.lines.len();
        if before + line.len() > MOST {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        let enough = before < ENOUGH && before + line.len() >= ENOUGH;
        if enough || self.0.idle.load(Ordering::Relaxed) {
            self.wake();
        }
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
        self.0.orders.lock().reopen = true;
        self.wake();
    }

    /// Wakes the thread, whether it waits for a first line or for more.
    fn wake(&self) {
        // With the lock: the thread has it from when it says that it will wait until it does.
        let _orders = self.0.orders.lock();
        self.0.idle.store(false, Ordering::Relaxed);
        self.0.wake.notify_one();
    }

    /// Waits until everything has been written, but not for ever.
    pub(super) fn flush(&self) {
        let deadline = Instant::now() + FAREWELL;
        let mut orders = self.0.orders.lock();
        orders.closing = true;
        self.0.wake.notify_one();
        while self.0.started.is_completed() && (orders.busy || !self.0.is_empty()) {
            if self.0.done.wait_until(&mut orders, deadline).timed_out() {
                return;
            }
        }
        orders.closing = false;
    }

    fn start(&self) {
        self.0.started.call_once(|| {
            let Some(sink) = self.0.orders.lock().sink.take() else { return };
            let shared = Arc::clone(&self.0);
            // Without a thread the memory fills up, and then lines are dropped.
            drop(thread::Builder::new().name(format!("sc-{}", self.0.name)).spawn(move || shared.work(sink)));
        });
    }
}

impl Shared {
    fn is_empty(&self) -> bool {
        self.compartments.iter().all(|compartment| {
            let waiting = compartment.0.lock();
            waiting.lines.is_empty() && waiting.dropped == 0
        })
    }

    /// The thread. It ends with the process.
    fn work(&self, mut sink: Box<dyn Sink>) {
        let mut lines = Vec::new();
        loop {
            if self.wait() {
                sink.reopen();
            }
            let mut dropped = 0;
            for compartment in &self.compartments {
                let mut waiting = compartment.0.lock();
                mem::swap(&mut lines, &mut waiting.lines);
                dropped += mem::take(&mut waiting.dropped);
                drop(waiting);
                if !lines.is_empty() {
                    sink.take(&lines);
                }
                lines.clear();
                lines.shrink_to(KEPT);
            }
            if dropped > 0 {
                LogDropped { what: self.name, lines: dropped }.emit();
            }
            self.orders.lock().busy = false;
            self.done.notify_all();
        }
    }

    /// Waits for something to do, and for more of it. Gives whether the file is to be opened anew.
    fn wait(&self) -> bool {
        let mut orders = self.orders.lock();
        loop {
            self.idle.store(true, Ordering::Relaxed);
            if orders.reopen || !self.is_empty() {
                break;
            }
            self.wake.wait(&mut orders);
        }
        self.idle.store(false, Ordering::Relaxed);
        if !orders.closing && !orders.reopen && !self.has_enough() {
            // Whoever closes, reopens or brings the last of enough wakes it before the time.
            self.wake.wait_for(&mut orders, GATHER);
        }
        orders.busy = true;
        mem::take(&mut orders.reopen)
    }

    fn has_enough(&self) -> bool {
        self.compartments.iter().any(|compartment| compartment.0.lock().lines.len() >= ENOUGH)
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

    /// One line at a time, by threads in turn: each has to wake the thread that writes.
    #[test]
    fn a_line_is_never_left_behind() {
        let (outlet, receiver) = outlet();
        for round in 0..20_u32 {
            let write = || outlet.put(&round.to_le_bytes());
            thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(write))));
            let mut bytes = 0;
            while bytes < 12 {
                bytes += receiver.recv_timeout(Duration::from_secs(20)).expect("all lines").len();
            }
            assert_eq!(bytes, 12);
        }
    }

    #[test]
    fn threads_write_side_by_side() {
        const THREADS: u32 = 2 * COMPARTMENTS as u32;
        const EACH: u32 = 5_000;
        let (outlet, receiver) = outlet();
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let outlet = outlet.clone();
                let write = move || (0..EACH).for_each(|n| outlet.put(&(thread << 16 | n).to_le_bytes()));
                thread::Builder::new().spawn(write).expect("a thread")
            })
            .collect();
        let mut next = [0; THREADS as usize];
        while next.iter().sum::<u32>() < THREADS * EACH {
            for bytes in receiver.recv_timeout(Duration::from_secs(20)).expect("more lines").chunks(4) {
                let line = u32::from_le_bytes(bytes.try_into().expect("four"));
                let place = &mut next[(line >> 16) as usize];
                assert_eq!(line & 0xffff, *place, "in the order of their thread");
                *place += 1;
            }
        }
        writers.into_iter().for_each(|writer| writer.join().expect("written"));
    }

    #[test]
    fn nobody_waits_for_an_end_that_takes_nothing() {
        let (outlet, receiver) = outlet();
        let line = vec![b'x'; 64 * 1024];
        // What the thread has in its hands, what may wait, and as much again.
        for _ in 0..2 * MOST / line.len() + 2 {
            outlet.put(&line);
        }
        let place = PLACE.with(|place| *place);
        let waiting = outlet.0.compartments[place].0.lock();
        let (length, dropped) = (waiting.lines.len(), waiting.dropped);
        assert!(length <= MOST && dropped > 0, "{length} bytes, {dropped} dropped");
        drop(waiting);
        drop(receiver);
        outlet.flush();
        assert!(outlet.0.is_empty());
    }
}
