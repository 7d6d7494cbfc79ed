//! Who serves which request: admission, worker slots, and the replacement of workers that end.
//!
//! A pool has a fixed number of slots. In each lives an incarnation of the worker script, on a thread of its own, that asks for
//! work through its [`Seat`](crate::job::Seat). [`Pool::submit`] gives a request to an idle incarnation or lets it wait.
//!
//! ```text
//! submit --> Desk (one lock: idle slots, waiting requests) --> Slot's mailbox --> Seat::next on the worker's thread
//!                                                                              incarnation ends --> Keeper --> next incarnation
//! ```
//!
//! Who owns what: the desk owns waiting exchanges, a mailbox one in transit, the worker the one it runs. The keeper owns the threads.
//! A slot's record is written by whoever holds the slot. Nothing of PHP is known here: the pool is generic over
//! [`Runtime`].
//!
//! What must never happen: a request that runs after its client was told that it would not, a newcomer that overtakes, a
//! request that is lost without an answer, a thread that blocks while it holds the desk's lock.

#![forbid(unsafe_code)]

mod backoff;
mod complaint;
mod counters;
#[cfg(test)]
mod fake;
mod keeper;
mod queue;
mod seat;
mod shared;
mod slot;
mod snapshot;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod ticket;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use parking_lot::Mutex;
use tokio::time::{timeout, timeout_at};

pub use backoff::Backoff;
pub use counters::RestartCause;
pub use snapshot::{PoolSnapshot, WorkerSnapshot};
pub use state::WorkerState;
pub use status::{BootError, Booted};

use crate::job::{self, Exchange, Failure, ReplyLimits, Request, RequestBody, Response, Runtime};
use keeper::{Keeper, inbox_size};
use shared::Shared;
use status::Status;

/// Most requests that may wait, unless configured otherwise. At a few KiB each this is tens of MiB, and more than a pool can
/// serve within any sensible queue deadline.
pub const MAX_QUEUE: usize = 10_000;

/// Longest wait in the queue, unless configured otherwise.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// After the stop deadline has closed the queue, slots without a running script need a moment to be seen as stopped.
const SETTLE: Duration = Duration::from_millis(50);

/// How a pool is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name, used in logs, metrics and thread names.
    pub name: Arc<str>,
    /// Number of slots, at least 1.
    pub workers: u32,
    /// How long a request may wait for a worker. Execution has a clock of its own.
    pub queue_timeout: Duration,
    /// How many requests may wait; 0 means that only an idle worker takes one.
    pub max_queue: usize,
    /// How much of a response is held in memory.
    pub reply: ReplyLimits,
    /// Pauses between incarnations that come to nothing.
    pub backoff: Backoff,
}

impl Config {
    /// A pool with default limits.
    pub fn new(name: impl Into<Arc<str>>, workers: u32) -> Self {
        Self {
            name: name.into(),
            workers,
            queue_timeout: QUEUE_TIMEOUT,
            max_queue: MAX_QUEUE,
            reply: ReplyLimits::default(),
            backoff: Backoff::default(),
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
    /// Slots whose threads have ended and been joined.
    pub joined: u32,
    /// Slots that had not ended by the deadline.
    pub left: u32,
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
        let (sender, inbox) = bounded(inbox_size(config.workers));
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
        let (reply, mut awaiting) = job::channel(self.shared.config.reply);
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
        let over = |status: &Status| status.alive() == 0;
        if timeout_at(deadline.into(), status.wait_for(over)).await.is_err() {
            self.shared.close();
            // Whether it timed out is seen from the count below.
            drop(timeout(SETTLE, status.wait_for(over)).await.map(drop));
        }
        let left = self.shared.status.borrow().alive();
        if left == 0
            && let Some(keeper) = self.keeper.lock().take()
        {
            // It has nothing left to do but to return, so this does not block.
            drop(keeper.join());
        }
        StopReport { joined: self.shared.config.workers - left, left }
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
