//! The families of the runtime bundle (`runtime_supercharger_*`, `runtime_worker_*`): the names that its dashboards and rules ask for, made of what
//! is counted here anyway.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::{Family, Kind, Point, Sample, by_worker, restarts, whole};
use crate::admin::view::{Child, Role};
use crate::control::WorkerState;
use crate::telemetry::RecycleReason;

/// The label `engine`.
const ENGINE: (&str, &str) = ("engine", "supercharger");
/// Statuses that have a series from the start on: what a rate of success and of failure needs.
const STATUSES: [&str; 2] = ["200", "500"];

pub(super) const FAMILIES: [Family; 15] = [
    Family(
        "runtime_supercharger_request_total",
        "Requests that a worker is done with, by status.",
        Kind::Counter,
        |sample| {
            let known = STATUSES.into_iter().map(|status| (status, 0));
            let mut statuses: BTreeMap<&str, u64> = known.collect();
            for (status, count) in sample.totals.values().flat_map(|totals| &totals.accounts.statuses) {
                *statuses.entry(status).or_default() += count;
            }
            let point = |(status, count): (&str, u64)| (whole(count), engine(&[("status", status)]));
            statuses.into_iter().map(point).collect()
        },
    ),
    Family(
        "runtime_supercharger_request_duration_count",
        "Requests that a worker is done with.",
        Kind::Counter,
        |sample| {
            let outcomes = sample.totals.values().flat_map(|totals| totals.accounts.outcomes.values());
            vec![(whole(outcomes.sum()), engine(&[]))]
        },
    ),
    Family(
        "runtime_supercharger_request_duration_sum",
        "Time of these requests with their workers, in seconds.",
        Kind::Gauge,
        |sample| {
            let nanos = sample.totals.values().map(|totals| totals.accounts.served_nanos).sum();
            vec![(whole(nanos) / 1e9, engine(&[]))]
        },
    ),
    Family(
        "runtime_supercharger_request_duration_max",
        "The longest of these times, in seconds.",
        Kind::Gauge,
        |sample| {
            let nanos = sample.totals.values().map(|totals| totals.accounts.longest_nanos).max();
            vec![(whole(nanos.unwrap_or_default()) / 1e9, engine(&[]))]
        },
    ),
    Family(
        "runtime_supercharger_recycle_total",
        "Workers that were replaced, by action and reason.",
        Kind::Counter,
        |sample| {
            let known = |name: &str| RecycleReason::ALL.into_iter().find(|reason| reason.label() == name);
            let action = |name: &str| known(name).unwrap_or(RecycleReason::Unknown).action();
            let labels = |name: &str| engine(&[("action", action(name)), ("reason", name)]);
            replaced(sample).into_iter().map(|(reason, count)| (count, labels(&reason))).collect()
        },
    ),
    Family(
        "runtime_supercharger_memory_high_water_byte",
        "Most bytes that a request of a worker had on the heap.",
        Kind::Gauge,
        |sample| {
            vec![(whole(living(sample).map(|worker| worker.memory_peak_bytes).max().unwrap_or_default()), Vec::new())]
        },
    ),
    Family("runtime_supercharger_worker_uptime_second", "Age of the oldest worker.", Kind::Gauge, |sample| {
        vec![(oldest(sample).unwrap_or_default(), Vec::new())]
    }),
    Family(
        "runtime_supercharger_worker_start_time_second",
        "When the oldest worker was started, in seconds since 1970.",
        Kind::Gauge,
        |sample| {
            let process = &sample.view.process;
            let now = process.started_unix + process.uptime_seconds;
            oldest(sample).map(|age| (now - age, Vec::new())).into_iter().collect()
        },
    ),
    Family("runtime_supercharger_reset_total", "Resets between two requests, by result.", Kind::Counter, |sample| {
        let accounts = || sample.totals.values().map(|totals| &totals.accounts);
        let (ok, fail) = (accounts().map(|of| of.clean).sum(), accounts().map(|of| of.unclean).sum());
        [("ok", ok), ("fail", fail)].map(|(result, count)| (whole(count), vec![("result", result.to_owned())])).to_vec()
    }),
    Family(
        "runtime_supercharger_reset_count",
        "Resetters in the last run, of the worker that has most.",
        Kind::Gauge,
        |sample| {
            vec![(
                whole(living(sample).map(|worker| u64::from(worker.resetters)).max().unwrap_or_default()),
                Vec::new(),
            )]
        },
    ),
    Family(
        "runtime_supercharger_worker_decision_total",
        "What was decided about workers: kept after a request, or replaced.",
        Kind::Counter,
        |sample| {
            let labels =
                |reason: &str, recycle: &str| vec![("reason", reason.to_owned()), ("recycle", recycle.to_owned())];
            let kept = sample.totals.values().map(|totals| totals.accounts.kept).sum();
            let replaced = replaced(sample).into_iter().map(|(reason, count)| (count, labels(&reason, "1")));
            replaced.chain([(whole(kept), labels("ok", "0"))]).collect()
        },
    ),
    Family(
        "runtime_supercharger_rss_memory_mb",
        "Resident memory of a child process, in MiB.",
        Kind::Gauge,
        |sample| super::resident(sample).into_iter().map(|(bytes, labels)| (bytes / 1024.0 / 1024.0, labels)).collect(),
    ),
    Family("runtime_supercharger_uptime_sec", "Age of the worker in this slot.", Kind::Gauge, |sample| {
        by_worker(sample, |worker| whole(worker.uptime_ms) / 1000.0)
    }),
    Family(
        "runtime_supercharger_request_count",
        "Requests that the worker in this slot got since it booted.",
        Kind::Gauge,
        |sample| by_worker(sample, |worker| whole(worker.requests)),
    ),
    Family(
        "runtime_worker_restart_total",
        "Workers that were replaced, by reason, over all pools.",
        Kind::Counter,
        restarts,
    ),
];

fn engine(more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    [ENGINE].iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// Replacements by reason, over all pools.
fn replaced(sample: &Sample) -> Vec<(String, f64)> {
    let name = |labels: Vec<(_, String)>| labels.into_iter().map(|(_, reason)| reason).next().unwrap_or_default();
    restarts(sample).into_iter().map(|(count, labels): Point| (name(labels), count)).collect()
}

/// The workers of the children that serve.
fn living(sample: &Sample) -> impl Iterator<Item = &WorkerState> {
    let children = sample.view.children.iter().filter(|child| child.role == Role::Serving);
    children.flat_map(Child::pools).flat_map(|pool| &pool.workers).filter(|worker| worker.seated)
}

fn oldest(sample: &Sample) -> Option<f64> {
    living(sample).map(|worker| worker.uptime_ms).max().map(|millis| whole(millis) / 1000.0)
}
