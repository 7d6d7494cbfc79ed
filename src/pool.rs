//! Who serves which request: admission, worker slots, and the replacement of workers that end.
//!
//! A pool has slots. In each an incarnation of the worker script has the seat, on a thread of its own, and asks for
//! work through its [`Seat`](crate::job::Seat). [`Pool::submit`] gives a request to an idle incarnation or lets it wait. An incarnation that
//! is to be replaced serves until its successor, which boots beside it, takes the seat.
//!
//! ```text
//! submit --> Desk (one lock: idle workers, waiting requests) --> Incarnation's mailbox --> Seat::next on the worker's thread
//!                              policy: serve on, serve until the successor has booted, or leave <-- boundary --|
//! Keeper (one thread): roster of slots --> plan --> start, seat, dismiss, join
//! ```
//!
//! Who owns what: the desk owns waiting exchanges, a mailbox one in transit, the worker the one it runs. The keeper owns the threads and
//! alone changes who sits where. An incarnation's record is under a lock of its own. Locks are taken one at a time, but for the roster's, under
//! which records are looked at. Nothing of PHP is known here: the pool is generic over [`Runtime`].
//!
//! What must never happen: a request that runs after its client was told that it would not, a newcomer that overtakes, a
//! request that is lost without an answer, a thread that blocks while it holds the desk's lock.

#![forbid(unsafe_code)]

mod account;
mod backoff;
mod care;
mod checks;
mod complaint;
mod counters;
mod current;
mod deadline;
mod drift;
#[cfg(test)]
mod fake;
mod incarnation;
mod keeper;
mod plan;
mod policy;
mod queue;
mod recent;
mod roster;
mod scale;
mod seat;
mod shared;
mod slow;
mod snapshot;
mod spans;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod ticket;
mod watchdog;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};

pub use account::Accounts;
pub use backoff::Backoff;
pub use care::Idle;
pub use checks::{CheckSnapshot, Health};
pub use counters::RestartCause;
pub use deadline::Deadlines;
pub use policy::{Limits, OnResetError};
pub use scale::{Direction, ScaleDown};
pub use snapshot::{CurrentRequest, PoolSnapshot, Recent, RecentRecycle, RecentRequest, WorkerSnapshot};
pub use state::WorkerState;
pub use status::{BootError, Booted};

use crate::job::{self, Board, Exchange, Failure, Moment, ReplyLimits, Request, RequestBody, Response, Runtime};
use crate::telemetry::RecycleReason;
use crate::telemetry::spans::Tracer;
use keeper::{Keeper, inbox_size};
use shared::Shared;
use status::Status;

/// Most requests that may wait, unless configured otherwise. At a few KiB each this is tens of MiB, and more than a pool can
/// serve within any sensible queue deadline.
pub const MAX_QUEUE: usize = 10_000;

/// Longest wait where only the number of those is limited who wait: nobody who was let in is kept for ever by workers that never come back.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Longest wait in the queue, unless configured otherwise.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// After the stop deadline has closed the queue, slots without a running script need a moment to be seen as stopped.
const SETTLE: Duration = Duration::from_millis(50);

/// How a pool is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name, used in logs, metrics and thread names.
    pub name: Arc<str>,
    /// Number of workers at the start, at least 1.
    pub workers: u32,
    /// Least number of workers.
    pub min: u32,
    /// Most workers: the number of slots.
    pub max: u32,
    /// When there become fewer.
    pub scale_down: ScaleDown,
    /// How long a request may wait for a worker. Execution has a clock of its own.
    pub queue_timeout: Duration,
    /// How many requests may wait. Below [`MAX_QUEUE`] as many more as workers are about to be free or can be started: an idle pool, and one that
    /// can grow, refuses nobody, even at 0.
    pub max_queue: usize,
    /// How much of a response is held in memory.
    pub reply: ReplyLimits,
    /// Pauses between incarnations that come to nothing.
    pub backoff: Backoff,
    /// Time from which on a request is reported as slow; `None`: never.
    pub slow: Option<Duration>,
    /// When an incarnation is replaced.
    pub recycle: Limits,
    /// What workers do while they wait.
    pub idle: Idle,
    /// How the application's checks are run.
    pub health: Health,
    /// Where workers note what they run, for whoever survives a crash.
    pub board: Option<Arc<Board>>,
    /// Takes what there is to tell of requests that are traced.
    pub tracer: Option<Arc<Tracer>>,
    /// Every how many requests a worker looks for what they leave behind; 0: never.
    pub drift_sample: u32,
    /// Longest times.
    pub deadlines: Deadlines,
    /// How many threads of this process are stuck; every pool counts its own in.
    pub stuck: watch::Sender<u32>,
}

impl Config {
    /// A pool with default limits.
    pub fn new(name: impl Into<Arc<str>>, workers: u32) -> Self {
        Self {
            name: name.into(),
            workers,
            min: workers,
            max: workers,
            scale_down: ScaleDown::default(),
            queue_timeout: QUEUE_TIMEOUT,
            max_queue: MAX_QUEUE,
            reply: ReplyLimits::default(),
            backoff: Backoff::default(),
            recycle: Limits::default(),
            idle: Idle::default(),
            health: Health::default(),
            slow: None,
            board: None,
            tracer: None,
            drift_sample: 0,
            deadlines: Deadlines::default(),
            stuck: watch::Sender::new(0),
        }
    }
}

/// A pool could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configured number of workers is 0.
    #[error("pool `{pool}` has no workers; configure at least 1")]
    NoWorkers {
        /// The pool's name.
        pool: Arc<str>,
    },
    /// The system gives no thread to the pool's keeper.
    #[error("pool `{pool}`: the system refuses a thread: {source}")]
    Thread {
        /// The pool's name.
        pool: Arc<str>,
        /// What the system said.
        source: io::Error,
    },
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "threads that are left forbid to shut the engine down"]
pub struct StopReport {
    /// Threads that had not ended by the deadline.
    pub left: u32,
}

/// Which slots of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// The one of this number.
    Slot(u32),
}

/// How an incarnation is replaced that somebody wants to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecycleMode {
    /// It serves until its successor has booted: no capacity is lost. A few at a time.
    MakeBeforeBreak,
    /// It leaves at its next boundary, at once if it is idle; the next one boots when it has.
    Break,
}

/// A running pool.
///
/// Dropping it drains it: its threads end as soon as they are idle, and nobody waits for them. Use [`Pool::stop`] to
/// know that they have ended.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Pool {
    /// Starts the pool's threads. Boots go on in the background; see [`Pool::ready`].
    ///
    /// # Errors
    /// [`StartError`] if there is nothing to start or no thread to do it. A worker's thread that the system refuses is
    /// no error here but a failed boot, which is reported and repeated.
    pub fn start(config: Config, runtime: Arc<dyn Runtime>) -> Result<Arc<Self>, StartError> {
        let pool = Arc::clone(&config.name);
        if config.workers == 0 {
            return Err(StartError::NoWorkers { pool });
        }
        let (sender, inbox) = bounded(inbox_size(config.max));
        let shared = Arc::new(Shared::new(config, sender));
        let keeper = Keeper::launch(Arc::clone(&shared), runtime, inbox)
            .map_err(|source| StartError::Thread { pool, source })?;
        Ok(Arc::new(Self { shared, keeper: Mutex::new(Some(keeper)) }))
    }

    /// Has a request served.
    ///
    /// Dropping the future is how a client leaves: a request that waits is forgotten, one that runs learns that nobody
    /// listens any more.
    ///
    /// # Errors
    /// The [`Failure`] that stands in for a response.
    pub async fn submit(&self, request: Request, body: RequestBody) -> Result<Response, Failure> {
        let (reply, mut awaiting) = job::channel(self.shared.config.reply, &request.trail);
        request.trail.timeline().mark(Moment::Queued);
        match self.shared.admit(Box::new(Exchange { request, body, reply }))? {
            None => awaiting.response().await,
            Some(ticket) => ticket.answer(&mut awaiting).await,
        }
    }

    /// Waits until every slot has either reached its loop or failed to once. Later calls return at once.
    ///
    /// # Errors
    /// [`BootError::Failed`] if none reached its loop: the script is broken, and restarting it would not help.
    /// [`BootError::Stopped`] if the pool was stopped before.
    pub async fn ready(&self) -> Result<Booted, BootError> {
        let mut status = self.shared.status.subscribe();
        match status.wait_for(Status::is_settled).await {
            Ok(settled) => settled.outcome(),
            // The sender lives in `shared`, so this arm is not taken.
            Err(_) => Err(BootError::Stopped { pool: Arc::clone(&self.shared.config.name) }),
        }
    }

    /// Takes no new requests. Those that wait are still served; a worker that finds nobody waiting leaves its loop.
    pub fn drain(&self) {
        self.shared.drain();
    }

    /// Drains the pool and waits for its threads to be joined, at most until the deadline; then whoever still waits is
    /// failed with [`Failure::Draining`].
    ///
    /// May be called again, at the same time too, with a nearer deadline (now, for a forced stop) or a later one (to go on waiting).
    pub async fn stop(&self, deadline: Instant) -> StopReport {
        self.shared.drain();
        let mut status = self.shared.status.subscribe();
        // Who is stuck is not waited for.
        let settled = |status: &Status| status.is_over() || (status.only_stuck() && !self.shared.wants_workers());
        if timeout_at(deadline.into(), status.wait_for(settled)).await.is_err() {
            self.shared.close();
            // Whether it timed out is seen from the count below.
            drop(timeout(SETTLE, status.wait_for(Status::is_over)).await.map(drop));
        }
        let (left, over) = (self.shared.status.borrow().threads(), self.shared.status.borrow().is_over());
        if over && let Some(keeper) = self.keeper.lock().take() {
            // It has nothing left to do but to return, so this does not block.
            drop(keeper.join());
        }
        StopReport { left }
    }

    /// Has incarnations replaced; brings how many. The first reason that an incarnation has stays its reason.
    ///
    /// [`RecycleMode::Break`] takes successors too that have not got their seat yet: nothing of before is left once all have gone.
    pub fn recycle(&self, selection: Selection, reason: RecycleReason, mode: RecycleMode) -> usize {
        self.shared.recycle(selection, reason, mode)
    }

    /// Somebody wants to know how the application's checks stand: those that are old are run, as soon as a worker has time.
    pub fn ask_checks(&self) {
        if self.shared.checks.ask(Instant::now()) {
            self.shared.wake_keeper();
        }
    }

    /// The pool at this moment.
    pub fn snapshot(&self) -> PoolSnapshot {
        self.shared.snapshot()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.drain();
    }
}
