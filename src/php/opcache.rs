//! Restarts of OPcache, carried out only while nobody executes PHP.
//!
//! ```text
//! a script schedules one -> bell -> gate closed, loops called back -> nobody inside -> lock released -> a request begins and ends
//!                                                                                                     -> lock held, gate open
//! ```
//!
//! One thread of this module does that, step by step. While a restart is pending OPcache lets new scripts run uncached, and those that
//! run go on; nothing is freed until [`UsageLock`] is released. If somebody stays inside for too long (a stream, a stuck thread) the
//! gate is opened and another attempt made later: no request waits longer than [`QUIET_LIMIT`] for it. Nobody is called back, and the
//! gate stays open, as long as it is known that somebody would stay. After [`MOST_ATTEMPTS`] the process asks to be replaced: another one
//! starts with an empty cache.

mod bell;
mod figures;
mod lock;

use std::io;
use std::mem::ManuallyDrop;
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::THREAD_STACK_BYTES;
use super::engine::Engine;
use super::gate::Gate;
use super::thread::{PhpThread, Role};
use crate::job::{Boundary, Exchange, Identity, Interrupt, Next, Seat};
use crate::sys;
use crate::telemetry::OpcacheReason;
use crate::telemetry::events::{OpcacheDelayed, OpcacheRestart, OpcacheStandstill};
use bell::{Bell, Rope, Rung};
pub use figures::figures;
use lock::UsageLock;

/// How long requests wait for those that run. Well below the queue's deadline (5 s unless configured otherwise), which goes on meanwhile
/// and has to cover the boots that follow.
const QUIET_LIMIT: Duration = Duration::from_secs(2);

/// Pause after an attempt that was given up; doubled with each further one up to [`LONGEST_PAUSE`]. Long beside the attempt, so that a
/// long stream costs the others little.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Attempts until the process asks to be replaced: about 15 s after the restart was scheduled. A long request has ended by then; a stream,
/// a stuck thread or a forked child may never.
const MOST_ATTEMPTS: u32 = 3;

/// Least time between two restarts that workers have to boot for, doubled as long as they follow upon each other, up to
/// [`LONGEST_PAUSE`]. An application that resets the cache with every request would do nothing but boot otherwise.
const SPACING: Duration = Duration::from_secs(2);

/// Pause before the kernel is asked again for a lock that it has no memory for.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How often the log says that the kernel still refuses, and nothing is served meanwhile.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(5);

/// OPcache cannot be kept from restarting under running threads.
#[derive(Debug, thiserror::Error)]
#[error("OPcache's lock file cannot be used: {0}. Is /proc mounted? `opcache.enable=0` does without OPcache")]
pub struct GuardError(#[from] io::Error);

/// What a restart of OPcache needs of those who use the engine.
pub trait Premises: Send + Sync {
    /// How long the longest of the requests that run has run; zero if none does.
    fn longest_request(&self) -> Duration;

    /// Calls workers back: each has to leave its loop as soon as it can. Its replacement may be started at once; it waits until the
    /// restart is done, or given up.
    fn recall(&self);

    /// This process cannot restart OPcache: `detail` says why. Another should take its place.
    fn replace_process(&self, detail: String);
}

/// The guard of one engine.
#[derive(Debug)]
pub(super) struct Opcache {
    rope: Rope,
    gate: Arc<Gate>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    premises: Arc<OnceLock<Printable>>,
    _lock: Arc<UsageLock>,
}

/// Premises that can be printed.
struct Printable(Box<dyn Premises>);

impl std::fmt::Debug for Printable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Premises")
    }
}

impl Opcache {
    /// Takes OPcache's restarts over. `None` if there is no OPcache, or one that shares nothing.
    pub(super) fn guard(engine: &Weak<Engine>, gate: &Arc<Gate>) -> Result<Option<Self>, GuardError> {
        // SAFETY: I1, I6: the engine has just been started, on this thread.
        if !unsafe { sys::sc_opcache_shares_memory() } {
            return Ok(None);
        }
        let lock = Arc::new(UsageLock::find()?.ok_or_else(|| io::Error::other("it is not among the open files"))?);
        lock.hold()?;
        let (bell, rope) = bell::hang()?;
        // SAFETY: I1, I6, I7: the descriptors live in the value that is returned, which the engine keeps.
        unsafe { sys::sc_opcache_watch(rope.descriptor(), lock.descriptor()) };
        let premises = Arc::default();
        let keeper = Keeper {
            engine: Weak::clone(engine),
            gate: Arc::clone(gate),
            lock: Arc::clone(&lock),
            premises: Arc::clone(&premises),
            bell,
            last: None,
            spacing: SPACING,
        };
        let keeper = Builder::new().name("opcache".to_owned()).spawn(move || keeper.keep())?;
        Ok(Some(Self { rope, gate: Arc::clone(gate), keeper: Mutex::new(Some(keeper)), premises, _lock: lock }))
    }

    /// Sets what restarts need. The first call counts.
    pub(super) fn work_for(&self, premises: Box<dyn Premises>) {
        drop(self.premises.set(Printable(premises)));
    }

    /// Ends the thread. A restart that is pending is not carried out any more.
    pub(super) fn stop(&self) {
        self.rope.stop();
        self.gate.abandon();
        if let Some(keeper) = self.keeper.lock().take() {
            // It catches nothing and panics nowhere; were it otherwise, there would be nothing left to do here.
            drop(keeper.join());
        }
    }
}

/// The thread that looks after restarts.
struct Keeper {
    engine: Weak<Engine>,
    gate: Arc<Gate>,
    lock: Arc<UsageLock>,
    premises: Arc<OnceLock<Printable>>,
    bell: Bell,
    /// End of the last restart that workers had to boot for.
    last: Option<Instant>,
    spacing: Duration,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Done,
    /// Somebody is still inside, or there was no memory.
    Busy,
    /// A forked child uses the cache.
    Forked,
}

impl Attempt {
    /// In the operator's words.
    fn obstacle(self) -> &'static str {
        match self {
            Self::Done => "nothing",
            Self::Busy => "a request runs for too long",
            Self::Forked => "a forked child uses it",
        }
    }
}

impl Keeper {
    fn keep(mut self) {
        while let Rung::Restart(reason) = self.bell.wait() {
            let scheduled = Instant::now();
            let spacing = self.pause_before();
            if !self.bell.quiet_for(spacing) || !self.carry_out(reason) {
                return;
            }
            OpcacheRestart { reason, waited: scheduled.elapsed() }.emit();
        }
    }

    /// Attempts until one succeeds; false if the keeper is to stop.
    fn carry_out(&mut self, reason: OpcacheReason) -> bool {
        let mut pause = FIRST_PAUSE;
        for number in 1_u32.. {
            let attempt = self.attempt();
            if attempt == Attempt::Done {
                return true;
            }
            if self.gate.is_abandoned() {
                return false;
            }
            OpcacheDelayed { reason, inside: self.gate.inside(), retry_in: pause }.emit();
            if number == MOST_ATTEMPTS
                && let Some(Printable(premises)) = self.premises.get()
            {
                // It may take long until there is another process, so this one goes on trying.
                premises.replace_process(format!("OPcache cannot restart: {}", attempt.obstacle()));
            }
            if !self.bell.quiet_for(pause) {
                return false;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        false
    }

    /// How long to wait because workers have just booted for another restart.
    fn pause_before(&mut self) -> Duration {
        let Some(last) = self.last.filter(|_| self.gate.loops() > 0) else { return Duration::ZERO };
        let since = last.elapsed();
        self.spacing = if since < self.spacing * 2 { (self.spacing * 2).min(LONGEST_PAUSE) } else { SPACING };
        self.spacing.saturating_sub(since)
    }

    /// Whether somebody is inside who will not leave soon. Then there is no use in sending the others away.
    fn is_hopeless(&self) -> bool {
        let longest = self.premises.get().map_or(Duration::ZERO, |Printable(premises)| premises.longest_request());
        self.gate.stragglers() > 0 || longest >= QUIET_LIMIT
    }

    fn attempt(&mut self) -> Attempt {
        if self.is_hopeless() {
            return Attempt::Busy;
        }
        let closed = self.gate.close();
        // Counted behind the closed gate: who came in just before is called back as well.
        let loops = self.gate.loops() > 0;
        if loops {
            if let Some(Printable(premises)) = self.premises.get() {
                premises.recall();
            }
            self.last = Some(Instant::now());
        }
        if !closed.quiet_within(QUIET_LIMIT) {
            closed.give_up();
            return Attempt::Busy;
        }
        // Who ends without the lock must leave the gate closed, also by a panic.
        let closed = ManuallyDrop::new(closed);
        let attempt = self.alone();
        drop(ManuallyDrop::into_inner(closed));
        if loops {
            self.last = Some(Instant::now());
        }
        attempt
    }

    /// Nobody is inside.
    fn alone(&self) -> Attempt {
        match self.lock.release() {
            Ok(true) => {}
            Ok(false) => return Attempt::Forked,
            // It may have been given up before that.
            Err(_) => {
                self.hold();
                return Attempt::Busy;
            }
        }
        let done = self.restart();
        self.hold();
        if done { Attempt::Done } else { Attempt::Busy }
    }

    /// Takes the lock. It is a read lock that nothing contradicts, refused for want of kernel memory only. Without it nobody may go in.
    fn hold(&self) {
        let mut complain_at = Instant::now();
        while let Err(error) = self.lock.hold() {
            if Instant::now() >= complain_at {
                OpcacheStandstill { error: &error }.emit();
                complain_at = Instant::now() + COMPLAINT_PAUSE;
            }
            thread::sleep(LOCK_PAUSE);
        }
    }

    /// OPcache restarts where a request begins. This one does nothing else, on a thread that is made for it. False if there was no
    /// thread or no memory for it.
    fn restart(&self) -> bool {
        let Some(engine) = self.engine.upgrade() else { return false };
        let once = Builder::new().name("opcache-restart".to_owned()).stack_size(THREAD_STACK_BYTES).spawn(move || {
            let mut seat = Nobody(Identity { pool: "opcache".into(), slot: 0, incarnation: 0 });
            let role = Role { loops: true, boot_env: &[], drift_sample: 0, project: c"" };
            PhpThread::attach(&engine, &mut seat, &role).is_ok_and(|mut thread| thread.restart_opcache())
        });
        once.is_ok_and(|thread| thread.join().unwrap_or(false))
    }
}

/// The seat of a thread that serves nobody.
struct Nobody(Identity);

impl Seat for Nobody {
    fn identity(&self) -> &Identity {
        &self.0
    }

    fn attached(&mut self, _: Arc<dyn Interrupt>) {}

    fn next(&mut self, _: Boundary) -> Next {
        Next::Stop
    }

    fn done(&mut self, _: Box<Exchange>, _: &Boundary) {}

    fn responded(&mut self) {}

    fn resetting(&mut self) {}
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::gate::Stay;
    use super::*;

    /// Premises that count, and panic when they are told to.
    #[derive(Default)]
    struct Office {
        longest: Duration,
        recalled: Arc<AtomicU32>,
        panics: bool,
    }

    impl Premises for Office {
        fn longest_request(&self) -> Duration {
            self.longest
        }

        fn recall(&self) {
            self.recalled.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "as it was told to");
        }

        fn replace_process(&self, _: String) {}
    }

    /// A keeper without an engine: its attempts come to nothing.
    fn keeper(office: Office) -> (Keeper, Rope) {
        let (bell, rope) = bell::hang().expect("a pipe");
        let premises = Arc::new(OnceLock::from(Printable(Box::new(office))));
        let lock = Arc::new(UsageLock::on(tempfile::tempfile().expect("a file")));
        (Keeper { engine: Weak::new(), gate: Arc::default(), lock, premises, bell, last: None, spacing: SPACING }, rope)
    }

    #[test]
    fn nobody_is_called_back_in_vain_twice() {
        let recalled = Arc::new(AtomicU32::new(0));
        let (mut keeper, _rope) = keeper(Office { recalled: Arc::clone(&recalled), ..Office::default() });
        let pass = keeper.gate.enter(Stay::Loop);
        for _ in 0..2 {
            assert_eq!(keeper.attempt(), Attempt::Busy);
            assert_eq!(recalled.load(Ordering::Relaxed), 1);
        }
        keeper.gate.leave(pass);
        let pass = keeper.gate.enter(Stay::Loop);
        assert_eq!(keeper.attempt(), Attempt::Busy);
        assert_eq!(recalled.load(Ordering::Relaxed), 2, "there is hope again");
        keeper.gate.leave(pass);
    }

    #[test]
    fn nobody_is_called_back_under_a_long_request() {
        let recalled = Arc::new(AtomicU32::new(0));
        let office = Office { longest: QUIET_LIMIT, recalled: Arc::clone(&recalled), ..Office::default() };
        let (mut keeper, _rope) = keeper(office);
        keeper.gate.enter(Stay::Loop);
        assert_eq!(keeper.attempt(), Attempt::Busy);
        assert_eq!(recalled.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_panic_on_the_premises_leaves_the_gate_open() {
        let (mut keeper, _rope) = keeper(Office { panics: true, ..Office::default() });
        let gate = Arc::clone(&keeper.gate);
        let pass = gate.enter(Stay::Loop);
        thread::Builder::new().spawn(move || keeper.attempt()).expect("a thread").join().expect_err("a panic");
        gate.leave(pass);
        gate.leave(gate.enter(Stay::Request));
    }
}
