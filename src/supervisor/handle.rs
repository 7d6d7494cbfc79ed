//! What the rest of the parent process may ask of the supervisor, from any thread.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Departed, Event};
use crate::control::{Maintenance, Snapshot};
use crate::telemetry::RecycleReason;

/// Asks the supervisor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle(pub(super) mpsc::Sender<Event>);

/// A reload that has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The generation that serves now.
    pub generation: u64,
    /// From the order to the moment at which the old one read no new request any more.
    pub took: Duration,
}

/// Why the old generation goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReloaded {
    /// The new generation is no good.
    #[error("{0}")]
    Failed(String),
    /// The server ends.
    #[error("the server is about to end")]
    Ending,
}

/// The server at one moment.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The generation that serves.
    pub generation: u64,
    /// The names of its pools.
    pub pools: Vec<Arc<str>>,
    /// Whether the server is ending.
    pub ending: bool,
    /// Whether a reload is going on.
    pub reloading: bool,
    /// Children that have died without having been told to, by the name of the signal, or `exit`.
    pub crashes: BTreeMap<String, u64>,
    /// What children that have ended had counted, by pool.
    pub departed: Departed,
    /// How the last reload went.
    pub last_reload: Option<LastReload>,
    /// Reloads that have succeeded, and those that have failed.
    pub reloads: (u64, u64),
    /// What clients are told who are to come back later, and for how long they have been.
    pub maintenance: Option<(Maintenance, Duration)>,
    /// Whether the first children have come to serve.
    pub has_served: bool,
    /// Every child process, the oldest first.
    pub children: Vec<ChildStatus>,
}

/// How a reload went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReload {
    /// Who wanted it: `reload`, `watch`, the name of a signal.
    pub trigger: String,
    /// The generation that served then.
    pub generation: u64,
    /// How long it took.
    pub took: Duration,
    /// Why it failed.
    pub error: Option<String>,
}

/// A child process at one moment.
#[derive(Debug, Clone)]
pub struct ChildStatus {
    /// Its process id.
    pub pid: u32,
    /// Its number among those that serve side by side.
    pub place: u32,
    /// Its generation.
    pub generation: u64,
    /// `booting`, `standby`, `serving`, `draining` or `ending`.
    pub state: &'static str,
    /// How long it has lived.
    pub uptime: Duration,
    /// What it says itself, or has said the last time; none if it has said nothing yet.
    pub snapshot: Option<Snapshot>,
    /// It has not answered in time: `snapshot` is that old.
    pub stale: Option<Duration>,
    /// It has not said anything since it was asked, so long ago.
    pub unanswered: Option<Duration>,
    /// Bytes of resident memory, if it can be told.
    pub resident: Option<u64>,
    /// Why it was started in place of another; none for the first ones.
    pub because: Option<RecycleReason>,
}

/// What can be asked.
#[derive(Debug)]
pub(super) enum Ask {
    Reload { trigger: String, answer: oneshot::Sender<Result<Reloaded, NotReloaded>> },
    Drain { trigger: String },
    Replace { reason: String, detail: String, answer: oneshot::Sender<u32> },
    Recycle { pool: Option<String>, slot: Option<u32>, answer: oneshot::Sender<u32> },
    Status { answer: oneshot::Sender<Status> },
    ReopenLogs,
    Maintain(Option<Maintenance>),
    Show(Option<String>),
}

impl Handle {
    /// Starts a new generation and waits until it serves and the old one reads no new request. One that is asked for while another goes on
    /// is done after that one, and all who ask meanwhile get the same.
    ///
    /// # Errors
    /// Why the old generation goes on.
    pub async fn reload(&self, trigger: &str) -> Result<Reloaded, NotReloaded> {
        self.ask(|answer| Ask::Reload { trigger: trigger.to_owned(), answer }).await.unwrap_or(Err(NotReloaded::Ending))
    }

    /// Ends the server as the first SIGTERM does. Returns at once.
    pub async fn drain(&self, trigger: &str) {
        drop(self.0.send(Event::Ask(Ask::Drain { trigger: trigger.to_owned() })).await);
    }

    /// Replaces every child process in order, without a new configuration; gives how many.
    pub async fn replace(&self, reason: &str, detail: &str) -> u32 {
        let ask = |answer| Ask::Replace { reason: reason.to_owned(), detail: detail.to_owned(), answer };
        self.ask(ask).await.unwrap_or(0)
    }

    /// Recycles workers of all serving children: of this pool, in this slot, or all; gives how many were told.
    pub async fn recycle(&self, pool: Option<&str>, slot: Option<u32>) -> u32 {
        self.ask(|answer| Ask::Recycle { pool: pool.map(str::to_owned), slot, answer }).await.unwrap_or(0)
    }

    /// How the server and its children stand. A child that is stuck is waited for a second.
    pub async fn status(&self) -> Status {
        self.ask(|answer| Ask::Status { answer }).await.unwrap_or_default()
    }

    /// Has log files opened anew, as SIGUSR1 does.
    pub async fn reopen_logs(&self) {
        drop(self.0.send(Event::Ask(Ask::ReopenLogs)).await);
    }

    /// Has clients told to come back later, or served again. Returns once every child that answers does so.
    pub async fn maintain(&self, maintenance: Option<Maintenance>) {
        drop(self.0.send(Event::Ask(Ask::Maintain(maintenance))).await);
        // A child obeys one order after the other: who has answered this question has obeyed that one.
        let _: Status = self.status().await;
    }

    /// In development: shows this to who looks at a page, until the next word.
    pub async fn show(&self, mistake: Option<String>) {
        drop(self.0.send(Event::Ask(Ask::Show(mistake))).await);
    }

    /// `None` if the supervisor has gone.
    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Event::Ask(ask(answer))).await.ok()?;
        answered.await.ok()
    }
}
