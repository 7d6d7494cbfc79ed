//! How a child stands: plain values, for status pages and metrics. Each field has a default, so that one may be added at any time.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::telemetry::{Distribution, OpcacheFigures};

/// A child at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Its process.
    pub pid: u32,
    /// The label of its phase.
    pub phase: String,
    /// Its pools, `default` first.
    pub pools: Vec<PoolState>,
    /// What it has answered, route by route.
    pub http: Vec<RouteState>,
    /// What has become of its spans.
    pub spans: SpanCounts,
    /// Its OPcache; none if that is off, or has nothing to say yet.
    pub opcache: Option<OpcacheFigures>,
}

/// What has become of the spans of a process that traces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpanCounts {
    /// The collector has taken them.
    pub exported: u64,
    /// There was no room for them.
    pub dropped: u64,
    /// The collector did not take them, or not in time.
    pub failed: u64,
}

impl SpanCounts {
    /// Adds those of another process.
    pub fn absorb(&mut self, more: Self) {
        self.exported += more.exported;
        self.dropped += more.dropped;
        self.failed += more.failed;
    }
}

/// A pool at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolState {
    /// Its name.
    pub name: String,
    /// Every incarnation with a thread, slot by slot; for a seat that is empty its last one.
    pub workers: Vec<WorkerState>,
    /// Workers that it wants to have at this moment.
    pub wanted: u32,
    /// The fewest.
    pub least: u32,
    /// The most.
    pub most: u32,
    /// Requests that wait for a worker.
    pub queue_depth: u64,
    /// Workers that would take a request at once.
    pub available: u64,
    /// Whether new requests are refused.
    pub draining: bool,
    /// Requests that were given to a worker.
    pub served: u64,
    /// Requests whose client left while they waited.
    pub abandoned: u64,
    /// Requests turned away, by the label of the cause.
    pub rejected: BTreeMap<String, u64>,
    /// Incarnations that ended without having been told to, by the label of the cause.
    pub restarts: BTreeMap<String, u64>,
    /// Incarnations that were replaced or sent away, by the label of the reason.
    pub recycles: BTreeMap<String, u64>,
    /// What requests have left behind, by the label of what sort of thing; each time that it was seen.
    pub drifts: BTreeMap<String, u64>,
    /// How the heap has grown, by route.
    pub slopes: BTreeMap<String, Slope>,
    /// Workers that were added and taken away by scaling, by the label of the direction.
    pub scaled: BTreeMap<String, u64>,
    /// Threads that did not give way after their deadline and still run.
    pub stuck: u64,
    /// The last of what is worth a look.
    pub recent: Recent,
    /// What requests that are over have come to.
    pub accounts: Accounts,
    /// What the application depends on, in the order in which it says so.
    pub checks: Vec<CheckState>,
    /// How often each of them has failed, by name.
    pub check_failures: BTreeMap<String, u64>,
    /// Warmers of the application that have failed.
    pub warmers_failed: u64,
}

/// A readiness check of an application at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckState {
    /// The application's name for it.
    pub name: String,
    /// Whether the server is not ready while it fails.
    pub required: bool,
    /// What it came to the last time; none if it has never run.
    pub passed: Option<bool>,
    /// How long ago that was, in milliseconds.
    pub age_ms: Option<u64>,
    /// Time that it took, in milliseconds.
    pub took_ms: Option<u64>,
    /// What it threw, or has to say; without secrets.
    pub words: Option<String>,
    /// How long it has been running, in milliseconds, if it is.
    pub running_ms: Option<u64>,
}

/// What the requests of a pool have come to that are over, and its workers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    /// Time that requests waited for the worker that they got.
    pub queue: Distribution,
    /// Time of the script until its response was complete.
    pub execution: Distribution,
    /// Time of the script after that.
    pub terminate: Distribution,
    /// Time of resets.
    pub reset: Distribution,
    /// Time of boots.
    pub boot: Distribution,
    /// Time from the decision to replace a worker until its successor had booted.
    pub succession: Distribution,
    /// Requests, by the label of their outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Requests, by status. A text: a number as a key does not survive the way through [`Report`](super::Report).
    pub statuses: BTreeMap<String, u64>,
    /// Resets that went well.
    pub clean: u64,
    /// Resets that did not.
    pub unclean: u64,
    /// Requests after which their worker was kept.
    pub kept: u64,
    /// Time that all of them had been with their workers until their responses were complete, in nanoseconds.
    pub served_nanos: u64,
    /// The longest of those.
    pub longest_nanos: u64,
}

/// The answers of a route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteState {
    /// Its template, or an empty text.
    pub route: String,
    /// How many answers, by method and status.
    pub answers: BTreeMap<String, BTreeMap<String, u64>>,
    /// How long they took.
    pub duration: Distribution,
}

impl Accounts {
    fn absorb(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.queue, &other.queue),
            (&mut self.execution, &other.execution),
            (&mut self.terminate, &other.terminate),
            (&mut self.reset, &other.reset),
            (&mut self.boot, &other.boot),
            (&mut self.succession, &other.succession),
        ] {
            mine.absorb(theirs);
        }
        add(&mut self.outcomes, &other.outcomes);
        add(&mut self.statuses, &other.statuses);
        self.clean += other.clean;
        self.unclean += other.unclean;
        self.kept += other.kept;
        self.served_nanos += other.served_nanos;
        self.longest_nanos = self.longest_nanos.max(other.longest_nanos);
    }
}

impl RouteState {
    /// Adds the answers of another process to a sum by route.
    pub fn absorb<'a>(sum: &mut BTreeMap<String, Self>, other: impl IntoIterator<Item = &'a Self>) {
        for theirs in other {
            match sum.get_mut(&theirs.route) {
                Some(mine) => {
                    for (method, statuses) in &theirs.answers {
                        add(mine.answers.entry(method.clone()).or_default(), statuses);
                    }
                    mine.duration.absorb(&theirs.duration);
                }
                None => drop(sum.insert(theirs.route.clone(), theirs.clone())),
            }
        }
    }
}

/// Adds counts by their labels.
fn add<K: Ord + Clone>(mine: &mut BTreeMap<K, u64>, theirs: &BTreeMap<K, u64>) {
    for (label, count) in theirs {
        *mine.entry(label.clone()).or_default() += count;
    }
}

impl PoolState {
    /// Adds what another process has counted for the pool of that name. What is of the moment stays.
    pub fn absorb(&mut self, other: &Self) {
        self.served += other.served;
        self.abandoned += other.abandoned;
        self.recent.absorb(&other.recent);
        for (mine, theirs) in [
            (&mut self.rejected, &other.rejected),
            (&mut self.restarts, &other.restarts),
            (&mut self.recycles, &other.recycles),
            (&mut self.scaled, &other.scaled),
            (&mut self.check_failures, &other.check_failures),
            (&mut self.drifts, &other.drifts),
        ] {
            add(mine, theirs);
        }
        self.warmers_failed += other.warmers_failed;
        self.accounts.absorb(&other.accounts);
        for (route, theirs) in &other.slopes {
            let mine = self.slopes.entry(route.clone()).or_default();
            mine.requests += theirs.requests;
            mine.bytes += theirs.bytes;
        }
    }
}

/// How the heap has grown with the requests of a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slope {
    /// Requests of workers that were warm.
    pub requests: u64,
    /// Bytes that they have added to the heap, together.
    pub bytes: i64,
}

/// Entries that are kept of each list, over all processes.
const MOST_RECENT: usize = 50;

/// The last of what is worth a look, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recent {
    /// Workers that were replaced or sent away.
    pub recycles: Vec<RecentRecycle>,
    /// Requests that took long.
    pub slow: Vec<RecentRequest>,
    /// Requests that failed or were turned away.
    pub failed: Vec<RecentRequest>,
}

impl Recent {
    /// Adds what another process, or another pool, has to tell. The newest stay.
    pub fn absorb(&mut self, other: &Self) {
        merge(&mut self.recycles, &other.recycles, |entry| entry.at_unix);
        merge(&mut self.slow, &other.slow, |entry| entry.at_unix);
        merge(&mut self.failed, &other.failed, |entry| entry.at_unix);
    }
}

fn merge<T: Clone>(mine: &mut Vec<T>, theirs: &[T], at: impl Fn(&T) -> f64) {
    mine.extend_from_slice(theirs);
    mine.sort_by(|one, other| at(one).total_cmp(&at(other)));
    mine.drain(..mine.len().saturating_sub(MOST_RECENT));
}

/// A worker that was replaced or sent away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecentRecycle {
    /// When, in seconds since 1970.
    pub at_unix: f64,
    /// Its pool.
    pub pool: String,
    /// Its process.
    pub pid: u32,
    /// Place in the pool, 0-based.
    pub slot: u32,
    /// The incarnation that ended.
    pub incarnation: u64,
    /// The label of the reason.
    pub reason: String,
    /// More about it.
    pub detail: String,
    /// Requests given to that incarnation.
    pub requests: u64,
    /// Its life, in milliseconds.
    pub uptime_ms: u64,
}

/// A request that is over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecentRequest {
    /// When it was over, in seconds since 1970.
    pub at_unix: f64,
    /// Its pool.
    pub pool: String,
    /// The process that had it.
    pub pid: u32,
    /// The worker that had it, if one had.
    pub slot: Option<u32>,
    /// Its method.
    pub method: String,
    /// Its path without query, cut at 256 bytes.
    pub path: String,
    /// Its id.
    pub request_id: String,
    /// Status that the client was told; 0 if none.
    pub status: u16,
    /// Milliseconds from its acceptance to the end of its answer.
    pub duration_ms: u64,
    /// Of that, waiting for a worker.
    pub queue_ms: u64,
    /// Why it stands here.
    pub reason: String,
}

/// An incarnation at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerState {
    /// Place in the pool, 0-based.
    pub slot: u32,
    /// The label of what it is doing.
    pub state: String,
    /// Since when, in milliseconds.
    pub state_ms: u64,
    /// Incarnation, counting from 1.
    pub incarnation: u64,
    /// How old that incarnation is, in milliseconds.
    pub uptime_ms: u64,
    /// Requests given to that incarnation.
    pub requests: u64,
    /// Whether it has the slot's seat, or had it; a successor has not.
    pub seated: bool,
    /// Bytes on its Zend heap after the latest reset; 0 if unknown.
    pub memory_bytes: u64,
    /// Highest number of bytes there during a request; 0 if unknown.
    pub memory_peak_bytes: u64,
    /// Resetters that ran at its latest boundary.
    pub resetters: u32,
    /// How often it was seen that a request has left something behind.
    pub drifts: u64,
    /// The last thing that was new.
    pub last_drift: Option<String>,
    /// Of what there is more than the detector looks at: statics, objects, facts.
    pub drift_limit: Option<String>,
    /// What it serves.
    pub current: Option<RunningRequest>,
    /// The label of the reason why it will be replaced as soon as its successor has booted.
    pub due: Option<String>,
    /// The label of the reason why the latest incarnation of its slot was replaced.
    pub last_recycle: Option<String>,
}

/// A request that is being served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunningRequest {
    /// Its method.
    pub method: String,
    /// Its path without query, cut at 256 bytes.
    pub path: String,
    /// Its id.
    pub request_id: String,
    /// Milliseconds since the worker got it.
    pub elapsed_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_processes_the_newest_entries_stay() {
        let entry = |at: u32, pid| RecentRequest { at_unix: f64::from(at), pid, ..RecentRequest::default() };
        let of = |pid, offset: u32| PoolState {
            recent: Recent {
                failed: (0_u32..40).map(|number| entry(number * 2 + offset, pid)).collect(),
                ..Recent::default()
            },
            ..PoolState::default()
        };
        let mut all = of(1, 0);
        all.absorb(&of(2, 1));
        let failed = &all.recent.failed;
        assert_eq!(failed.len(), MOST_RECENT);
        assert_eq!((failed[0].at_unix, failed[MOST_RECENT - 1].at_unix, failed[MOST_RECENT - 1].pid), (30.0, 79.0, 2));
    }
}
