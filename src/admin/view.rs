//! The server at one moment, over all its processes.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::checks;
use super::totals::Pools;
use crate::control::{Accounts, Maintenance, PoolState, Recent, RouteState, Snapshot, SpanCounts, WorkerState};
use crate::store::Figures;
use crate::telemetry::{BOUNDS_MICROS, OpcacheFigures, millis};

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
    /// The names of its pools, whether or not a child has spoken of them yet.
    pub pools: Vec<Arc<str>>,
    /// How the last reload went.
    pub last_reload: Option<Reloaded>,
    /// Every child, those that boot and those that drain included.
    pub children: Vec<Child>,
    /// Counters of children that have ended, by pool.
    pub departed: Vec<PoolState>,
    /// Their answers, by route.
    pub departed_answers: BTreeMap<String, RouteState>,
    /// Their spans.
    pub departed_spans: SpanCounts,
    /// Children that ended without having been told to, by the name of the signal, or `exit`.
    pub child_restarts: BTreeMap<String, u64>,
    /// What clients are told who are to come back later, and for how long they have been.
    pub maintenance: Option<(Maintenance, Duration)>,
    /// Whether the first workers have come to serve.
    pub started: bool,
    /// Reloads by outcome (`ok`, `failed`).
    pub reloads: BTreeMap<String, u64>,
    /// Requests that the guard has refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The store that workers share.
    pub store: Figures,
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
    pub(super) fn is_silent(&self) -> bool {
        self.unanswered.is_some_and(|owed| owed >= SILENCE)
    }

    /// What it has answered, as far as that is known.
    pub(super) fn answers(&self) -> &[RouteState] {
        self.snapshot.as_ref().map_or(&[], |snapshot| &snapshot.http)
    }

    /// What has become of its spans, as far as that is known.
    pub(super) fn spans(&self) -> SpanCounts {
        self.snapshot.as_ref().map_or_else(SpanCounts::default, |snapshot| snapshot.spans)
    }

    /// What was seen of its OPcache.
    pub(super) fn opcache(&self) -> Option<OpcacheFigures> {
        self.snapshot.as_ref().and_then(|snapshot| snapshot.opcache)
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
    /// Whether requests are served, by every pool of at least one child, and what the application requires is there; the sentence says why not.
    pub(super) fn ready(&self) -> Result<(), Cow<'static, str>> {
        self.serves()?;
        match checks::of(self).iter().find(|check| check.forbids()) {
            None => Ok(()),
            Some(check) => Err(Cow::Owned(match check.status {
                checks::Outcome::Pending => format!("the check `{}` has not come to a result yet", check.name),
                checks::Outcome::Failed | checks::Outcome::Passed => format!("the check `{}` fails", check.name),
            })),
        }
    }

    fn serves(&self) -> Result<(), &'static str> {
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
        // Of several children the best one counts: clients of the others wait in the kernel's queue for any of them.
        let standing = |child: &Child| child.pools().iter().map(Standing::of).max().unwrap_or(Standing::Serves);
        match answering.map(standing).min().unwrap_or(Standing::None) {
            Standing::Serves => Ok(()),
            Standing::Blocked => Err("every worker of a pool has been busy with one request for more than a second"),
            Standing::Draining | Standing::None => Err("a pool has no worker that could serve"),
        }
    }
}

/// A pool of which no worker has come free for so long is not ready: what comes would only wait. Load balancers ask every few seconds
/// and believe the second or third answer.
const BLOCKED_AFTER_MS: u64 = 1000;

/// Whether a pool would serve a request, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Serves,
    /// Every worker has been busy with one request for too long.
    Blocked,
    Draining,
    /// No worker serves or will without being booted anew; those that are stuck do not count.
    None,
}

impl Standing {
    fn of(pool: &PoolState) -> Self {
        const USABLE: [&str; 3] = ["idle", "busy", "resetting"];
        let blocked = |worker: &&WorkerState| {
            worker.state == "busy" && worker.current.as_ref().is_some_and(|now| now.elapsed_ms >= BLOCKED_AFTER_MS)
        };
        let mut usable = pool.workers.iter().filter(|worker| USABLE.contains(&worker.state.as_str())).peekable();
        if pool.draining {
            Self::Draining
        } else if usable.peek().is_none() {
            Self::None
        } else if usable.all(|worker| blocked(&worker)) {
            Self::Blocked
        } else {
            Self::Serves
        }
    }
}

/// What `/ready` tells of each pool to those who may know it: the best of the children that serve.
pub(super) fn pools_ready(view: &View) -> serde_json::Map<String, serde_json::Value> {
    let mut best = BTreeMap::<&str, (Standing, u64, u64)>::new();
    let serving = view.children.iter().filter(|child| child.role == Role::Serving);
    for pool in serving.flat_map(Child::pools) {
        let entry = best.entry(&pool.name).or_insert((Standing::None, 0, 0));
        *entry = (entry.0.min(Standing::of(pool)), entry.1 + pool.available, entry.2 + pool.stuck);
    }
    let told = |(name, (standing, available, stuck)): (&str, (Standing, u64, u64))| {
        (name.to_owned(), json!({ "standing": standing, "available": available, "stuck": stuck }))
    };
    best.into_iter().map(told).collect()
}

/// What `/maintenance` says, and `/status` of it.
pub(super) fn maintenance(view: &View) -> serde_json::Value {
    match &view.maintenance {
        None => json!({ "on": false }),
        Some((told, since)) => json!({
            "on": true,
            "message": told.message,
            "retry_after_seconds": told.retry_after_seconds,
            "allow": told.allow,
            "since_seconds": since.as_secs(),
        }),
    }
}

/// What `/status` says.
pub(super) fn status(view: &View, totals: &Pools) -> serde_json::Value {
    let pools: serde_json::Map<_, _> =
        totals.iter().map(|(name, totals)| (name.clone(), pool(view, name, totals))).collect();
    let ready = view.ready();
    let workers = || view.children.iter().flat_map(Child::pools).flat_map(|pool| &pool.workers);
    let heap: u64 = workers().map(|worker| worker.memory_bytes).sum();
    let peak = workers().map(|worker| worker.memory_peak_bytes).max().unwrap_or_default();
    json!({
        // As the runtime says it that this server takes the place of. A worker there is a process; here all are one.
        "engine": "supercharger",
        "workerId": format!("pid-{}", view.process.pid),
        "php": view.process.php,
        "workerStartTime": view.process.started_unix,
        "workerUptime": view.process.uptime_seconds,
        "memoryUsageByte": heap,
        "memoryUsageRealByte": heap,
        "memoryPeakByte": peak,
        "memoryPeakRealByte": peak,
        "extra": {
            "telemetryDir": null,
            "sapi": "supercharger",
            "timeUnix": view.process.started_unix + view.process.uptime_seconds,
        },
        "server": view.process,
        "stage": view.stage,
        "ready": ready.is_ok(),
        "not_ready_because": ready.err(),
        "checks": checks::of(view),
        "started": view.started,
        "maintenance": maintenance(view),
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
        "recycle_pending": here.iter().flat_map(|pool| &pool.workers).filter(|worker| worker.due.is_some()).count(),
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

/// How long requests waited and ran since the server began: counts by bucket, the last of which has no bound. Whoever wants to know of a
/// span of time takes the difference of two moments.
fn latency(totals: &Pools) -> serde_json::Value {
    let pool = |(name, totals): (&String, &PoolState)| {
        let Accounts { queue, execution, .. } = &totals.accounts;
        (name.clone(), json!({ "queue": queue.buckets, "execution": execution.buckets }))
    };
    let pools: serde_json::Map<_, _> = totals.iter().map(pool).collect();
    json!({ "bounds_micros": BOUNDS_MICROS, "pools": pools })
}

/// What the feed says: all of it at once.
pub(super) fn moment(view: &View, totals: &Pools) -> serde_json::Value {
    let mut moment = workers(view, totals);
    moment["status"] = status(view, totals);
    moment["latency"] = latency(totals);
    moment
}
