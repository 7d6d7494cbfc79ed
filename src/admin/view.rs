//! The server at one moment, over all its processes.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::totals::Pools;
use crate::control::{PoolState, Recent, RouteState, Snapshot};

/// A child that has owed an answer for so long is not counted on. A machine under load delays one for less, and a question waits
/// a second anyway.
const SILENCE: Duration = Duration::from_secs(4);

/// The server at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The parent.
    pub process: Process,
    /// What it is about.
    pub stage: Stage,
    /// The generation that serves.
    pub generation: u64,
    /// How the last reload went.
    pub last_reload: Option<Reloaded>,
    /// Every child, those that boot and those that drain included.
    pub children: Vec<Child>,
    /// Counters of children that have ended, by pool.
    pub departed: Vec<PoolState>,
    /// Their answers, by route.
    pub departed_answers: Vec<RouteState>,
    /// Children that ended without having been told to, by the name of the signal, or `exit`.
    pub child_restarts: BTreeMap<String, u64>,
    /// Reloads by outcome (`ok`, `failed`).
    pub reloads: BTreeMap<String, u64>,
    /// Every state that a worker can be in: a metric has a series for each.
    pub worker_states: Vec<&'static str>,
}

/// The parent process.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Process {
    /// Version of this program.
    pub version: &'static str,
    /// Version of the linked PHP.
    pub php: String,
    /// Process id.
    pub pid: u32,
    /// When it was started, in seconds since 1970.
    pub started_unix: f64,
    /// How long ago that is, in seconds.
    pub uptime_seconds: f64,
}

/// What a server is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The first generation boots.
    #[default]
    Booting,
    /// Requests are served.
    Serving,
    /// Requests are served, and a new generation boots.
    Reloading,
    /// What runs is finished, nothing new is taken.
    Draining,
}

/// A child process.
#[derive(Debug, Clone, Default)]
pub struct Child {
    /// Its process id.
    pub pid: u32,
    /// Its generation.
    pub generation: u64,
    /// Its number among those that serve side by side, 0-based.
    pub place: u32,
    /// What part it plays.
    pub role: Role,
    /// How long it has lived.
    pub uptime: Duration,
    /// What it says itself, now or the last time; none if it has said nothing yet.
    pub snapshot: Option<Snapshot>,
    /// The label of the reason for which it was started in place of another.
    pub because: Option<&'static str>,
    /// It did not answer in time: `snapshot` is that old.
    pub stale: Option<Duration>,
    /// It has not said anything since it was asked, so long ago.
    pub unanswered: Option<Duration>,
    /// Bytes of resident memory, if they can be told.
    pub resident: Option<u64>,
}

/// The part that a child plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It boots, or waits for its turn.
    #[default]
    Booting,
    /// It serves.
    Serving,
    /// It finishes what it has.
    Draining,
}

impl Child {
    /// Whether it has left its parent without an answer for too long to count on it. One that is only late is judged by
    /// what it said last.
    fn is_silent(&self) -> bool {
        self.unanswered.is_some_and(|owed| owed >= SILENCE)
    }

    /// What it has answered, as far as that is known.
    pub(super) fn answers(&self) -> &[RouteState] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.http)
    }

    /// Its pools, as far as they are known.
    pub(super) fn pools(&self) -> &[PoolState] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.pools)
    }
}

/// How a reload went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Whether the new generation serves.
    pub ok: bool,
    /// The generation that serves now.
    pub generation: u64,
    /// Why it was wanted (`reload`, `watch`, ...).
    pub reason: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it failed: PHP's own words, if it was PHP that failed.
    pub error: Option<String>,
}

/// Which workers are to be replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Of this pool; all if none.
    pub pool: Option<String>,
    /// In this slot; all if none.
    pub slot: Option<u32>,
}

impl View {
    /// Whether requests are served, by every pool of at least one child; the sentence says why not.
    pub(super) fn ready(&self) -> Result<(), &'static str> {
        match self.stage {
            Stage::Booting => return Err("the first workers boot"),
            Stage::Draining => return Err("the server drains"),
            Stage::Serving | Stage::Reloading => {}
        }
        let mut serving = self.children.iter().filter(|child| child.role == Role::Serving).peekable();
        if serving.peek().is_none() {
            return Err("no process serves");
        }
        let mut answering = serving.filter(|child| !child.is_silent()).peekable();
        if answering.peek().is_none() {
            return Err("no process answers");
        }
        let can = |child: &Child| child.pools().iter().all(|pool| !pool.draining && has_worker(pool));
        if answering.any(can) { Ok(()) } else { Err("a pool has no worker that could serve") }
    }
}

/// Whether a worker of the pool serves or will without being booted anew.
fn has_worker(pool: &PoolState) -> bool {
    const USABLE: [&str; 3] = ["idle", "busy", "resetting"];
    pool.workers.iter().any(|worker| USABLE.contains(&worker.state.as_str()))
}

/// What `/status` says.
pub(super) fn status(view: &View, totals: &Pools) -> serde_json::Value {
    let pools: serde_json::Map<_, _> =
        totals.iter().map(|(name, totals)| (name.clone(), pool(view, name, totals))).collect();
    let ready = view.ready();
    json!({
        "server": view.process,
        "stage": view.stage,
        "ready": ready.is_ok(),
        "not_ready_because": ready.err(),
        "generation": view.generation,
        "last_reload": view.last_reload,
        "reloads": view.reloads,
        "processes": view.children.iter().map(process).collect::<Vec<_>>(),
        "child_restarts": view.child_restarts,
        "pools": pools,
    })
}

fn process(child: &Child) -> serde_json::Value {
    json!({
        "pid": child.pid,
        "process": child.place,
        "generation": child.generation,
        "role": child.role,
        "because": child.because,
        "uptime_ms": millis(child.uptime),
        "phase": child.snapshot.as_ref().map(|snapshot| snapshot.phase.as_str()),
        "stale": child.stale.is_some(),
        "stale_ms": child.stale.map(millis),
    })
}

fn pool(view: &View, name: &str, totals: &PoolState) -> serde_json::Value {
    let here: Vec<_> = view.children.iter().flat_map(Child::pools).filter(|pool| pool.name == name).collect();
    let mut workers = BTreeMap::<&str, u64>::new();
    for worker in here.iter().flat_map(|pool| &pool.workers) {
        *workers.entry(&worker.state).or_default() += 1;
    }
    json!({
        "workers": here.iter().map(|pool| pool.workers.len()).sum::<usize>(),
        "workers_by_state": workers,
        "target": here.iter().map(|pool| pool.wanted).sum::<u32>(),
        "min": here.iter().map(|pool| pool.least).sum::<u32>(),
        "max": here.iter().map(|pool| pool.most).sum::<u32>(),
        "queue_depth": here.iter().map(|pool| pool.queue_depth).sum::<u64>(),
        "available": here.iter().map(|pool| pool.available).sum::<u64>(),
        "draining": here.iter().all(|pool| pool.draining),
        "stuck": here.iter().map(|pool| pool.stuck).sum::<u64>(),
        "requests": totals.served,
        "abandoned": totals.abandoned,
        "rejected": totals.rejected,
        "recycles": totals.recycles,
        "ends": totals.restarts,
        "scaled": totals.scaled,
    })
}

/// What `/workers` says: every slot of every process.
pub(super) fn workers(view: &View, totals: &Pools) -> serde_json::Value {
    let mut workers = Vec::new();
    for child in &view.children {
        for pool in child.pools() {
            for worker in &pool.workers {
                let mut shown = serde_json::to_value(worker).unwrap_or_default();
                if worker.last_recycle.is_none() {
                    // The one before in this slot was replaced with its whole process.
                    shown["last_recycle"] = child.because.into();
                }
                shown["pool"] = pool.name.clone().into();
                shown["process"] = child.place.into();
                shown["pid"] = child.pid.into();
                shown["generation"] = child.generation.into();
                shown["stale"] = child.stale.is_some().into();
                workers.push(shown);
            }
        }
    }
    json!({ "workers": workers, "recent": recent(totals) })
}

/// The last of what is worth a look over all pools, the newest first.
fn recent(totals: &Pools) -> serde_json::Value {
    let mut all = Recent::default();
    for pool in totals.values() {
        all.absorb(&pool.recent);
    }
    all.recycles.reverse();
    all.slow.reverse();
    all.failed.reverse();
    serde_json::to_value(all).unwrap_or_default()
}

/// What the feed says: all of it at once.
pub(super) fn moment(view: &View, totals: &Pools) -> serde_json::Value {
    let mut moment = workers(view, totals);
    moment["status"] = status(view, totals);
    moment
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
