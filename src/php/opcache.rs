//! Restarts of OPcache, carried out only while nobody executes PHP.
//!
//! ```text
//! a script schedules one -> bell -> gate closed, loops called back -> nobody inside -> lock released -> a request begins and ends
//!                                                                                                     -> lock held, gate open
//! ```
//!
//! One thread of this module does that, step by step. While a restart is pending OPcache lets new scripts run uncached, and those that
//! run go on; nothing is freed until [`UsageLock`] is released. If somebody stays inside for too long (a stream, a stuck thread) the
//! gate is opened and another attempt made later: no request waits longer than [`QUIET_LIMIT`] for it.

mod bell;
mod lock;

use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::THREAD_STACK_BYTES;
use super::engine::Engine;
use super::gate::Gate;
use super::thread::{PhpThread, Role};
use crate::job::{Boundary, Identity, Interrupt, Next, Seat};
use crate::sys;
use crate::telemetry::events::{OpcacheDelayed, OpcacheRestart};
use bell::{Bell, Rope, Rung};
use lock::UsageLock;

/// How long requests wait for those that run. Well below the queue's deadline (5 s unless configured otherwise), which goes on meanwhile
/// and has to cover the boots that follow.
const QUIET_LIMIT: Duration = Duration::from_secs(2);

/// Pause after an attempt that was given up; doubled with each further one up to [`LONGEST_PAUSE`]. Long beside the attempt, so that a
/// long stream costs the others little.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Least time between two restarts that workers have to boot for, doubled as long as they follow upon each other, up to
/// [`LONGEST_PAUSE`]. An application that resets the cache with every request would do nothing but boot otherwise.
const SPACING: Duration = Duration::from_secs(2);

/// Pause before the kernel is asked again for a lock that it has no memory for.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// OPcache cannot be kept from restarting under running threads.
#[derive(Debug, thiserror::Error)]
#[error("OPcache's lock file cannot be used: {0}. Is /proc mounted? `opcache.enable=0` does without OPcache")]
pub struct GuardError(#[from] io::Error);

/// What calls workers back from their loops.
type Recall = Box<dyn Fn() + Send + Sync>;

/// The guard of one engine.
#[derive(Debug)]
pub(super) struct Opcache {
    rope: Rope,
    gate: Arc<Gate>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    recall: Arc<OnceLock<Recalling>>,
    _lock: Arc<UsageLock>,
}

/// A callback that can be printed.
struct Recalling(Recall);

impl std::fmt::Debug for Recalling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recalling")
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
        let recall = Arc::default();
        let keeper = Keeper {
            engine: Weak::clone(engine),
            gate: Arc::clone(gate),
            lock: Arc::clone(&lock),
            recall: Arc::clone(&recall),
            bell,
            last: None,
            spacing: SPACING,
        };
        let keeper = Builder::new().name("opcache".to_owned()).spawn(move || keeper.keep())?;
        Ok(Some(Self { rope, gate: Arc::clone(gate), keeper: Mutex::new(Some(keeper)), recall, _lock: lock }))
    }

    /// Sets what is called when workers have to leave their loops. The first call counts.
    pub(super) fn on_recall(&self, recall: Recall) {
        drop(self.recall.set(Recalling(recall)));
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
    recall: Arc<OnceLock<Recalling>>,
    bell: Bell,
    /// End of the last restart that workers had to boot for.
    last: Option<Instant>,
    spacing: Duration,
}

/// What became of an attempt.
enum Attempt {
    Done,
    /// Somebody is still inside.
    Busy,
}

impl Keeper {
    fn keep(mut self) {
        while let Rung::Restart(reason) = self.bell.wait() {
            let scheduled = Instant::now();
            let spacing = self.pause_before();
            if !self.bell.quiet_for(spacing) {
                return;
            }
            let mut pause = FIRST_PAUSE;
            while let Attempt::Busy = self.attempt() {
                if self.gate.is_abandoned() {
                    return;
                }
                OpcacheDelayed { reason, inside: self.gate.inside(), retry_in: pause }.emit();
                if !self.bell.quiet_for(pause) {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            OpcacheRestart { reason, waited: scheduled.elapsed() }.emit();
        }
    }

    /// How long to wait because workers have just booted for another restart.
    fn pause_before(&mut self) -> Duration {
        let Some(last) = self.last.filter(|_| self.gate.loops() > 0) else { return Duration::ZERO };
        let since = last.elapsed();
        self.spacing = if since < self.spacing * 2 { (self.spacing * 2).min(LONGEST_PAUSE) } else { SPACING };
        self.spacing.saturating_sub(since)
    }

    fn attempt(&mut self) -> Attempt {
        let loops = self.gate.loops() > 0;
        self.gate.close();
        if loops && let Some(Recalling(recall)) = self.recall.get() {
            recall();
        }
        let attempt = if self.gate.quiet_within(QUIET_LIMIT) { self.alone() } else { Attempt::Busy };
        if loops {
            self.last = Some(Instant::now());
        }
        self.gate.open();
        attempt
    }

    /// Nobody is inside.
    fn alone(&self) -> Attempt {
        if !self.lock.release().unwrap_or(false) {
            return Attempt::Busy;
        }
        let done = self.restart();
        while self.lock.hold().is_err() {
            // A read lock that nothing contradicts is refused for want of kernel memory only. Without it nobody may go in.
            thread::sleep(LOCK_PAUSE);
        }
        if done { Attempt::Done } else { Attempt::Busy }
    }

    /// OPcache restarts where a request begins. This one does nothing else, on a thread that is made for it. False if there was no
    /// thread or no memory for it.
    fn restart(&self) -> bool {
        let Some(engine) = self.engine.upgrade() else { return false };
        let once = Builder::new().name("opcache-restart".to_owned()).stack_size(THREAD_STACK_BYTES).spawn(move || {
            let mut seat = Nobody(Identity { pool: "opcache".into(), slot: 0, incarnation: 0 });
            let role = Role { loops: true, boot_env: &[] };
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

    fn responded(&mut self) {}

    fn resetting(&mut self) {}
}
