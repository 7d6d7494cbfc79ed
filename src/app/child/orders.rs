//! The thread that reads the parent's orders. It answers questions itself: a child whose network threads are busy still says how it
//! stands.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::control::{
    Accounts, CheckState, Link, Order, PoolState, Recent, RecentRecycle, RecentRequest, Report, RouteState,
    RunningRequest, Slope, Snapshot, SpanCounts, WorkerState,
};
use crate::http::{Closed, Maintenance, Mistake, RouteTraffic, Traffic};
use crate::job::Verdict;
use crate::lifecycle::Phases;
use crate::php::opcache_figures;
use crate::pool::{self, CheckSnapshot, Pool, PoolSnapshot, RecycleMode, Selection, WorkerSnapshot};
use crate::telemetry::events::ChildOrphaned;
use crate::telemetry::spans::Tracer;
use crate::telemetry::{self, RecycleReason};

/// What the parent wants of this child. It goes forward only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Boot, and wait.
    Wait,
    /// Serve.
    Serve,
    /// Finish what runs and end.
    Leave {
        /// Another child takes over.
        handover: bool,
    },
}

/// What there is to be seen of this child.
#[derive(Debug)]
pub(super) struct Sight {
    phases: Arc<Phases>,
    pools: Mutex<Vec<Arc<Pool>>>,
    /// How they stood when they were stopped.
    last: Mutex<Vec<PoolState>>,
    /// What has been answered.
    traffic: Arc<Traffic>,
    /// Counts spans, if requests are traced.
    tracer: Option<Arc<Tracer>>,
    /// In development: what the parent wants to be shown.
    mistake: Mistake,
    /// What clients are told who are to come back later.
    maintenance: Maintenance,
}

impl Sight {
    pub(super) fn new(phases: Arc<Phases>, traffic: Arc<Traffic>, tracer: Option<Arc<Tracer>>) -> Self {
        Self {
            phases,
            pools: Mutex::default(),
            last: Mutex::default(),
            traffic,
            tracer,
            mistake: Mistake::default(),
            maintenance: Maintenance::default(),
        }
    }

    /// The pools are there.
    pub(super) fn see(&self, pools: &[Arc<Pool>]) {
        *self.pools.lock() = pools.to_vec();
    }

    /// They are not any more. What they came to is still told: counters must not seem to fall while a process ends.
    pub(super) fn forget(&self) {
        let mut pools = self.pools.lock();
        *self.last.lock() = states_of(&pools);
        pools.clear();
    }

    /// Has workers replaced by order of the operator; gives how many.
    fn recycle(&self, pool: Option<&str>, slot: Option<u32>) -> u32 {
        let pools = self.pools.lock().clone();
        let wanted = pools.iter().filter(|candidate| pool.is_none_or(|name| *candidate.snapshot().name == *name));
        let selection = slot.map_or(Selection::All, Selection::Slot);
        let count = |pool: &Arc<Pool>| pool.recycle(selection, RecycleReason::Manual, RecycleMode::MakeBeforeBreak);
        u32::try_from(wanted.map(count).sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// Somebody wants to know what the application depends on.
    fn ask_checks(&self) {
        for pool in self.pools.lock().iter() {
            pool.ask_checks();
        }
    }

    /// Where it is told that clients are to come back later.
    pub(super) fn maintenance(&self) -> Maintenance {
        self.maintenance.clone()
    }

    /// Where mistakes are shown from.
    pub(super) fn mistake(&self) -> Mistake {
        self.mistake.clone()
    }

    /// How this child stands.
    pub(super) fn snapshot(&self) -> Snapshot {
        let pools = self.pools.lock().clone();
        let states = if pools.is_empty() { self.last.lock().clone() } else { states_of(&pools) };
        Snapshot {
            pid: std::process::id(),
            phase: format!("{:?}", self.phases.current()).to_lowercase(),
            pools: states,
            http: self.traffic.counted().into_iter().map(route_of).collect(),
            spans: self.tracer.as_deref().map(spans_of).unwrap_or_default(),
            opcache: opcache_figures(),
        }
    }
}

fn states_of(pools: &[Arc<Pool>]) -> Vec<PoolState> {
    pools.iter().map(|pool| state_of(pool.snapshot())).collect()
}

/// Starts the thread; gives where the wishes of the parent can be seen.
///
/// # Errors
/// The system gives no thread.
pub(super) fn obey(mut link: Link, sight: Arc<Sight>) -> io::Result<watch::Receiver<Standing>> {
    let (standing, view) = watch::channel(Standing::Wait);
    let reports = link.reports();
    thread::Builder::new().name("sc-control".to_owned()).spawn(move || {
        while let Some(order) = link.wait() {
            match order {
                Order::Serve => advance(&standing, Standing::Serve),
                Order::Drain { handover } => advance(&standing, Standing::Leave { handover }),
                Order::Snapshot { id, checks } => {
                    if checks {
                        sight.ask_checks();
                    }
                    reports.send(&Report::Snapshot { id, snapshot: Box::new(sight.snapshot()) });
                }
                Order::Recycle { id, pool, slot } => {
                    reports.send(&Report::Recycled { id, workers: sight.recycle(pool.as_deref(), slot) });
                }
                Order::Maintain { maintenance } => sight.maintenance.set(maintenance.map(|told| Closed {
                    message: told.message,
                    retry_after: told.retry_after_seconds,
                    allow: told.allow,
                })),
                Order::Show { mistake } => sight.mistake.set(mistake),
                Order::ReopenLogs => telemetry::reopen(),
                Order::Unknown => {}
            }
        }
        if matches!(*standing.borrow(), Standing::Wait | Standing::Serve) {
            ChildOrphaned.emit();
        }
        advance(&standing, Standing::Leave { handover: false });
        // Nobody looks any more once the child has ended.
        drop(standing);
    })?;
    Ok(view)
}

fn advance(standing: &watch::Sender<Standing>, to: Standing) {
    standing.send_if_modified(|now| {
        let forward = matches!((*now, to), (Standing::Wait, _) | (Standing::Serve, Standing::Leave { .. }));
        if forward {
            *now = to;
        }
        forward
    });
}

/// Waits for something to do.
pub(super) async fn begin(standing: &mut watch::Receiver<Standing>) -> Standing {
    reached(standing, |standing| *standing != Standing::Wait).await
}

/// Waits for the order to leave.
pub(super) async fn end(standing: &mut watch::Receiver<Standing>) -> Standing {
    reached(standing, |standing| matches!(standing, Standing::Leave { .. })).await
}

async fn reached(standing: &mut watch::Receiver<Standing>, wanted: impl Fn(&Standing) -> bool) -> Standing {
    // A thread that is gone without a word has left with its parent.
    standing.wait_for(wanted).await.map_or(Standing::Leave { handover: false }, |standing| *standing)
}

fn state_of(pool: PoolSnapshot) -> PoolState {
    let counted = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    PoolState {
        workers: pool.workers.iter().map(worker_of).collect(),
        queue_depth: counted(pool.queue_depth),
        available: counted(pool.available),
        draining: pool.draining,
        served: pool.served,
        abandoned: pool.abandoned,
        rejected: labelled(pool.rejected.iter().map(|(cause, count)| (cause.label(), *count))),
        restarts: labelled(pool.restarts.iter().map(|(cause, count)| (cause.label(), *count))),
        recycles: labelled(pool.recycles.iter().map(|(reason, count)| (reason.label(), *count))),
        drifts: labelled(pool.drifts.iter().copied()),
        slopes: pool.slopes.iter().map(|(route, requests, bytes)| slope_of(route, *requests, *bytes)).collect(),
        scaled: labelled(pool.scaled.iter().map(|(direction, count)| (direction.label(), *count))),
        wanted: pool.wanted,
        least: pool.least,
        most: pool.most,
        stuck: counted(pool.workers.iter().filter(|worker| worker.state.label() == "stuck").count()),
        recent: recent_of(&pool.name, &pool.recent),
        checks: pool.checks.iter().map(check_of).collect(),
        check_failures: pool.checks.iter().map(|check| (check.name.to_string(), check.failures)).collect(),
        warmers_failed: pool.warmers_failed,
        accounts: accounts_of(&pool),
        name: pool.name.to_string(),
    }
}

fn slope_of(route: &str, requests: u64, bytes: i64) -> (String, Slope) {
    (route.to_owned(), Slope { requests, bytes })
}

fn accounts_of(pool: &PoolSnapshot) -> Accounts {
    let nanos = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let of = &pool.accounts;
    Accounts {
        queue: of.queue.clone(),
        execution: of.execution.clone(),
        terminate: of.terminate.clone(),
        reset: of.reset.clone(),
        boot: pool.boots.clone(),
        succession: pool.successions.clone(),
        outcomes: labelled(of.outcomes.iter().map(|(outcome, count)| (*outcome, *count))),
        statuses: by_status(&of.statuses),
        clean: of.clean,
        unclean: of.unclean,
        kept: of.kept,
        served_nanos: nanos(of.served),
        longest_nanos: nanos(of.longest),
    }
}

fn check_of(check: &CheckSnapshot) -> CheckState {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let last = check.last.as_ref();
    CheckState {
        name: check.name.to_string(),
        required: check.required,
        passed: last.map(|(verdict, _)| matches!(verdict, Verdict::Passed(_))),
        age_ms: last.map(|(_, age)| millis(*age)),
        took_ms: last.map(|_| millis(check.took)),
        words: last.and_then(|(verdict, _)| match verdict {
            Verdict::Passed(words) => words.clone(),
            Verdict::Failed(error) => Some(error.clone()),
        }),
        running_ms: check.running.map(millis),
    }
}

fn by_status(counts: &BTreeMap<u16, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(status, count)| (status.to_string(), *count)).collect()
}

fn route_of(traffic: RouteTraffic) -> RouteState {
    let answers = traffic.answers.into_iter().map(|(method, statuses)| (method.to_owned(), by_status(&statuses)));
    RouteState { route: traffic.route.to_owned(), answers: answers.collect(), duration: traffic.duration }
}

fn spans_of(tracer: &Tracer) -> SpanCounts {
    let counts = tracer.counts();
    SpanCounts { exported: counts.sent, dropped: counts.dropped, failed: counts.failed }
}

fn worker_of(worker: &WorkerSnapshot) -> WorkerState {
    let millis = |since: std::time::Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    WorkerState {
        slot: worker.slot,
        state: worker.state.label().to_owned(),
        state_ms: millis(worker.since),
        incarnation: worker.incarnation,
        uptime_ms: millis(worker.started),
        requests: worker.requests,
        seated: worker.seated,
        memory_bytes: worker.memory,
        memory_peak_bytes: worker.memory_peak,
        resetters: worker.resetters,
        drifts: worker.drifts,
        last_drift: worker.last_drift.clone(),
        drift_limit: worker.drift_limit.map(str::to_owned),
        current: worker.current.as_ref().map(|request| RunningRequest {
            method: request.method.clone(),
            path: request.path.clone(),
            request_id: request.request_id.clone(),
            elapsed_ms: u64::try_from(request.elapsed.as_millis()).unwrap_or(u64::MAX),
        }),
        due: worker.due.map(|reason| reason.label().to_owned()),
        last_recycle: worker.last_recycle.map(|reason| reason.label().to_owned()),
    }
}

fn recent_of(pool: &str, recent: &pool::Recent) -> Recent {
    let pid = std::process::id();
    let unix = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let request = |entry: &pool::RecentRequest| RecentRequest {
        at_unix: unix(entry.at),
        pool: pool.to_owned(),
        pid,
        slot: entry.slot,
        method: entry.method.clone(),
        path: entry.path.clone(),
        request_id: entry.request_id.clone(),
        status: entry.status,
        duration_ms: millis(entry.duration),
        queue_ms: millis(entry.queue),
        reason: entry.reason.to_owned(),
    };
    let recycle = |entry: &pool::RecentRecycle| RecentRecycle {
        at_unix: unix(entry.at),
        pool: pool.to_owned(),
        pid,
        slot: entry.slot,
        incarnation: entry.incarnation,
        reason: entry.reason.label().to_owned(),
        detail: entry.detail.clone(),
        requests: entry.requests,
        uptime_ms: millis(entry.uptime),
    };
    Recent {
        recycles: recent.recycles.iter().map(recycle).collect(),
        slow: recent.slow.iter().map(request).collect(),
        failed: recent.failed.iter().map(request).collect(),
    }
}

fn labelled(counts: impl Iterator<Item = (&'static str, u64)>) -> BTreeMap<String, u64> {
    counts.map(|(label, count)| (label.to_owned(), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_go_forward_only() {
        let (standing, view) = watch::channel(Standing::Wait);
        let leave = Standing::Leave { handover: true };
        for (wish, expected) in [
            (Standing::Serve, Standing::Serve),
            (leave, leave),
            (Standing::Serve, leave),
            (Standing::Leave { handover: false }, leave),
        ] {
            advance(&standing, wish);
            assert_eq!(*view.borrow(), expected);
        }
    }
}
