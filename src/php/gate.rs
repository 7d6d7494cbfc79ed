//! The way into PHP: counts the threads that are inside, and can be closed until nobody is.
//!
//! Inside is who may hold a pointer into OPcache's memory: a thread between `sc_request_begin` and `sc_request_end`. For a
//! worker that is the whole life of an incarnation, since it keeps the classes of its application; for a classic thread it is one
//! request.
//!
//! Entering and leaving an open gate is one atomic addition each, once a classic request or once an incarnation. The lock is taken
//! by those who find the gate closed.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// The gate is shut.
const CLOSED: u64 = 1 << 63;
/// One thread inside.
const ONE: u64 = 1;
/// One thread inside that runs a loop. Threads of a process are far fewer than 2^31.
const LOOPING: u64 = 1 << 32;

/// How long a thread stays inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// For one request.
    Request,
    /// Until the incarnation ends.
    Loop,
}

impl Stay {
    fn weight(self) -> u64 {
        match self {
            Self::Request => ONE,
            Self::Loop => ONE + LOOPING,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// [`CLOSED`], the number of loops inside, the number of threads inside. An addition that found the gate closed is taken back.
    state: AtomicU64,
    /// Nobody waits any more: neither at the gate nor for quiet.
    abandoned: AtomicBool,
    changing: Mutex<()>,
    changed: Condvar,
}

impl Gate {
    /// Goes in, as soon as the gate is open.
    pub(super) fn enter(&self, stay: Stay) {
        while self.state.fetch_add(stay.weight(), Ordering::AcqRel) & CLOSED != 0 {
            self.leave(stay);
            let mut changing = self.changing.lock();
            while self.state.load(Ordering::Acquire) & CLOSED != 0 {
                self.changed.wait(&mut changing);
            }
        }
    }

    /// Goes out.
    pub(super) fn leave(&self, stay: Stay) {
        let before = self.state.fetch_sub(stay.weight(), Ordering::AcqRel);
        if before == CLOSED + stay.weight() {
            self.announce();
        }
    }

    /// Lets nobody in from now on.
    pub(super) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Lets everybody in again.
    pub(super) fn open(&self) {
        self.state.fetch_and(!CLOSED, Ordering::AcqRel);
        self.announce();
    }

    /// Waits until nobody is inside a closed gate; false if somebody still is when the time is over.
    pub(super) fn quiet_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut changing = self.changing.lock();
        loop {
            if self.state.load(Ordering::Acquire) == CLOSED {
                return true;
            }
            if self.is_abandoned() || self.changed.wait_until(&mut changing, deadline).timed_out() {
                return false;
            }
        }
    }

    /// Ends the wait for quiet, now and for good.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.announce();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Threads inside.
    pub(super) fn inside(&self) -> u64 {
        (self.state.load(Ordering::Acquire) & !CLOSED) % LOOPING
    }

    /// Threads inside that run a loop.
    pub(super) fn loops(&self) -> u64 {
        (self.state.load(Ordering::Acquire) & !CLOSED) / LOOPING
    }

    /// Whoever waits looks again. With the lock, so that nobody looks just before and waits just after.
    fn announce(&self) {
        drop(self.changing.lock());
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn counts_who_is_inside() {
        let gate = Gate::default();
        for (enter, stay, inside, loops) in [
            (true, Stay::Loop, 1, 1),
            (true, Stay::Request, 2, 1),
            (true, Stay::Loop, 3, 2),
            (false, Stay::Loop, 2, 1),
            (false, Stay::Request, 1, 1),
            (false, Stay::Loop, 0, 0),
        ] {
            if enter {
                gate.enter(stay)
            } else {
                gate.leave(stay)
            }
            assert_eq!((gate.inside(), gate.loops()), (inside, loops));
        }
    }

    #[test]
    fn a_closed_gate_is_quiet_when_the_last_has_left() {
        let gate = Arc::new(Gate::default());
        gate.enter(Stay::Loop);
        gate.close();
        assert!(!gate.quiet_within(Duration::from_millis(1)), "somebody is inside");
        let last = {
            let gate = Arc::clone(&gate);
            thread::Builder::new().spawn(move || gate.leave(Stay::Loop)).expect("a thread")
        };
        assert!(gate.quiet_within(LONG));
        last.join().expect("left");
    }

    #[test]
    fn nobody_waits_for_quiet_that_is_not_wanted_any_more() {
        let gate = Gate::default();
        gate.enter(Stay::Request);
        gate.close();
        gate.abandon();
        assert!(!gate.quiet_within(LONG));
    }

    /// Threads go in and out; whenever the closed gate says that it is quiet, none of them is inside.
    #[test]
    fn quiet_is_quiet() {
        const THREADS: u32 = 4;
        const ROUNDS: u32 = 2_000;
        let gate = Gate::default();
        let (inside, over) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for number in 0..THREADS {
                let stay = if number % 2 == 0 { Stay::Request } else { Stay::Loop };
                let (gate, inside, over) = (&gate, &inside, &over);
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        gate.enter(stay);
                        inside.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        gate.leave(stay);
                    }
                    over.fetch_add(1, Ordering::SeqCst);
                });
            }
            while over.load(Ordering::SeqCst) < THREADS {
                gate.close();
                assert!(gate.quiet_within(LONG));
                assert_eq!(inside.load(Ordering::SeqCst), 0);
                gate.open();
            }
        });
        assert_eq!((gate.inside(), gate.loops()), (0, 0));
    }
}
