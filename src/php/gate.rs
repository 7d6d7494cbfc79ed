//! The way into PHP: counts the threads that are inside, and can be closed until nobody is.
//!
//! Inside is who may hold a pointer into OPcache's memory: a thread between `sc_request_begin` and `sc_request_end`. For a
//! worker that is the whole life of an incarnation, since it keeps the classes of its application; for a classic thread it is one
//! request.
//!
//! Entering and leaving an open gate is one atomic addition each, once a classic request or once an incarnation. The lock is taken
//! by those who find the gate closed.
//!
//! Whoever is inside when a wait for quiet is given up is a straggler until it leaves. As long as there are stragglers, no other wait
//! can come to anything.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// The gate is shut.
const CLOSED: u64 = 1 << 63;
/// Which of the two rounds it is: who enters is counted under it.
const ODD: u64 = 1 << 62;
/// One thread inside that has entered in an even round. Threads of a process are fewer than 2^20.
const ONE_EVEN: u64 = 1;
/// One that has entered in an odd round.
const ONE_ODD: u64 = 1 << 20;
/// One thread inside that runs a loop.
const LOOPING: u64 = 1 << 40;
/// The width of a count.
const COUNT: u64 = (1 << 20) - 1;

/// How long a thread stays inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// For one request.
    Request,
    /// Until the incarnation ends.
    Loop,
}

/// What a thread has that is inside. It is given back at the way out, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    stay: Stay,
    odd: bool,
}

impl Pass {
    fn weight(self) -> u64 {
        let one = if self.odd { ONE_ODD } else { ONE_EVEN };
        match self.stay {
            Stay::Request => one,
            Stay::Loop => one + LOOPING,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// [`CLOSED`], [`ODD`], and three counts: loops inside, threads inside of each round. An addition that found the gate closed, or
    /// the round over, is taken back.
    state: AtomicU64,
    /// Nobody waits any more: neither at the gate nor for quiet.
    abandoned: AtomicBool,
    changing: Mutex<()>,
    changed: Condvar,
}

impl Gate {
    /// Goes in, as soon as the gate is open.
    pub(super) fn enter(&self, stay: Stay) -> Pass {
        loop {
            let pass = Pass { stay, odd: self.state.load(Ordering::Acquire) & ODD != 0 };
            let before = self.state.fetch_add(pass.weight(), Ordering::AcqRel);
            if before & CLOSED == 0 && (before & ODD != 0) == pass.odd {
                return pass;
            }
            self.leave(pass);
            let mut changing = self.changing.lock();
            while self.state.load(Ordering::Acquire) & CLOSED != 0 {
                self.changed.wait(&mut changing);
            }
        }
    }

    /// Goes out.
    pub(super) fn leave(&self, pass: Pass) {
        let before = self.state.fetch_sub(pass.weight(), Ordering::AcqRel);
        if before & !ODD == CLOSED + pass.weight() {
            self.announce();
        }
    }

    /// Lets nobody in until the value is dropped.
    pub(super) fn close(&self) -> Closed<'_> {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
        Closed(self)
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
        let state = self.state.load(Ordering::Acquire);
        ((state / ONE_EVEN) & COUNT) + ((state / ONE_ODD) & COUNT)
    }

    /// Threads inside that run a loop.
    pub(super) fn loops(&self) -> u64 {
        (self.state.load(Ordering::Acquire) / LOOPING) & COUNT
    }

    /// Threads that were inside when the latest wait for quiet was given up, and have not left since.
    pub(super) fn stragglers(&self) -> u64 {
        let state = self.state.load(Ordering::Acquire);
        (if state & ODD == 0 { state / ONE_ODD } else { state / ONE_EVEN }) & COUNT
    }

    /// Whoever waits looks again. With the lock, so that nobody looks just before and waits just after.
    fn announce(&self) {
        drop(self.changing.lock());
        self.changed.notify_all();
    }
}

/// A gate that is closed. It opens when this is dropped, also by a panic.
#[derive(Debug)]
pub(super) struct Closed<'a>(&'a Gate);

impl Closed<'_> {
    /// Waits until nobody is inside; false if somebody still is when the time is over.
    pub(super) fn quiet_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut changing = self.0.changing.lock();
        loop {
            if self.0.state.load(Ordering::Acquire) & !ODD == CLOSED {
                return true;
            }
            if self.0.is_abandoned() || self.0.changed.wait_until(&mut changing, deadline).timed_out() {
                return false;
            }
        }
    }

    /// Opens without quiet: who is inside is a straggler. To be called only if there were none.
    pub(super) fn give_up(self) {
        // While the gate is closed, so that nobody enters under the round that ends.
        self.0.state.fetch_xor(ODD, Ordering::AcqRel);
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(!CLOSED, Ordering::AcqRel);
        self.0.announce();
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
        let mut passes = Vec::new();
        for (stay, inside, loops) in [(Stay::Loop, 1, 1), (Stay::Request, 2, 1), (Stay::Loop, 3, 2)] {
            passes.push(gate.enter(stay));
            assert_eq!((gate.inside(), gate.loops()), (inside, loops));
        }
        for (inside, loops) in [(2, 1), (1, 1), (0, 0)] {
            gate.leave(passes.pop().expect("a pass"));
            assert_eq!((gate.inside(), gate.loops()), (inside, loops));
        }
    }

    #[test]
    fn a_closed_gate_is_quiet_when_the_last_has_left() {
        let gate = Arc::new(Gate::default());
        let pass = gate.enter(Stay::Loop);
        let closed = gate.close();
        assert!(!closed.quiet_within(Duration::from_millis(1)), "somebody is inside");
        let last = {
            let gate = Arc::clone(&gate);
            thread::Builder::new().spawn(move || gate.leave(pass)).expect("a thread")
        };
        assert!(closed.quiet_within(LONG));
        last.join().expect("left");
    }

    #[test]
    fn nobody_waits_for_quiet_that_is_not_wanted_any_more() {
        let gate = Gate::default();
        gate.enter(Stay::Request);
        let closed = gate.close();
        gate.abandon();
        assert!(!closed.quiet_within(LONG));
    }

    /// Twice, since rounds alternate.
    #[test]
    fn stragglers_are_those_who_were_inside() {
        let gate = Gate::default();
        for stay in [Stay::Loop, Stay::Request] {
            let before = [gate.enter(stay), gate.enter(Stay::Loop)];
            assert_eq!(gate.stragglers(), 0);
            gate.close().give_up();
            let after = gate.enter(Stay::Loop);
            assert_eq!(
                (gate.stragglers(), gate.inside(), gate.loops()),
                (2, 3, if stay == Stay::Loop { 3 } else { 2 })
            );
            gate.leave(before[1]);
            assert_eq!(gate.stragglers(), 1);
            gate.leave(before[0]);
            assert_eq!((gate.stragglers(), gate.inside()), (0, 1));
            gate.leave(after);
        }
        assert!(gate.close().quiet_within(Duration::ZERO));
    }

    #[test]
    fn a_panic_opens_the_gate() {
        let gate = Gate::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _closed = gate.close();
            std::panic::resume_unwind(Box::new("in the midst of it"));
        }));
        assert!(panicked.is_err());
        gate.leave(gate.enter(Stay::Request));
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
                        let pass = gate.enter(stay);
                        inside.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        gate.leave(pass);
                    }
                    over.fetch_add(1, Ordering::SeqCst);
                });
            }
            while over.load(Ordering::SeqCst) < THREADS {
                let closed = gate.close();
                assert!(closed.quiet_within(LONG));
                assert_eq!(inside.load(Ordering::SeqCst), 0);
                // Those who enter meet a change of the round, too.
                closed.give_up();
            }
        });
        assert_eq!((gate.inside(), gate.loops(), gate.stragglers()), (0, 0, 0));
    }
}
