//! What OpenTelemetry's instruments do not carry: histograms that were counted elsewhere, and the one counter that may have more series than
//! an instrument takes. They go into the same registry.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto;

use super::{Sample, whole};
use crate::admin::totals::Pools;
use crate::control::{Accounts, RouteState};
use crate::telemetry::{BOUNDS_MICROS, Distribution};

/// One of a pool's histograms.
type Part = fn(&Accounts) -> &Distribution;

/// Histograms by pool.
const BY_POOL: [(&str, &str, Part); 6] = [
    ("supercharger_queue_wait_seconds", "Time that requests waited for the worker that they got.", |of| &of.queue),
    ("supercharger_execution_seconds", "Time of the script until its response was complete.", |of| &of.execution),
    ("supercharger_terminate_seconds", "Time of the script after its response.", |of| &of.terminate),
    ("supercharger_reset_seconds", "Time of resets between two requests.", |of| &of.reset),
    ("supercharger_worker_boot_seconds", "Time from the start of a worker to its loop.", |of| &of.boot),
    (
        "supercharger_recycle_duration_seconds",
        "Time from the decision to replace a worker until its replacement was ready.",
        |of| &of.succession,
    ),
];

const RESET: (&str, &str) = ("runtime_supercharger_reset_duration_seconds", "Time of resets, over all pools.");
const RECYCLE: (&str, &str) = (
    "runtime_recycle_duration_ms",
    "Time from the decision to replace a worker until its replacement was ready, in milliseconds.",
);
const REQUESTS: (&str, &str) = ("supercharger_http_requests_total", "Answers by method, status and route.");
const DURATION: (&str, &str) =
    ("supercharger_http_request_duration_seconds", "Time from the head of a request to the end of its answer.");

/// Microseconds of a second, and of a millisecond.
const SECOND: f64 = 1_000_000.0;
const MILLISECOND: f64 = 1_000.0;

/// Puts them into a registry.
pub(super) struct Series {
    sample: Arc<Mutex<Sample>>,
    descriptions: Vec<Desc>,
}

/// Names of all, for whoever checks that each has series.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BY_POOL.iter().map(|(name, ..)| *name).chain([RESET.0, RECYCLE.0, REQUESTS.0, DURATION.0])
}

impl Series {
    /// # Errors
    /// A name is none: a fault of this program.
    pub(super) fn new(sample: Arc<Mutex<Sample>>) -> prometheus::Result<Self> {
        let describe = |name: &str, help: &str, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())
        };
        let mut descriptions = vec![
            describe(RESET.0, RESET.1, &[])?,
            describe(RECYCLE.0, RECYCLE.1, &[])?,
            describe(REQUESTS.0, REQUESTS.1, &["method", "status", "route"])?,
            describe(DURATION.0, DURATION.1, &["route"])?,
        ];
        for (name, help, _) in BY_POOL {
            descriptions.push(describe(name, help, &["pool"])?);
        }
        Ok(Self { sample, descriptions })
    }
}

impl Collector for Series {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let sample = self.sample.lock();
        let mut families = Vec::new();
        for (name, help, part) in BY_POOL {
            let pools = sample.totals.iter();
            let metrics = pools.map(|(pool, of)| histogram(part(&of.accounts), SECOND, &[("pool", pool)]));
            families.push(family((name, help), proto::MetricType::HISTOGRAM, metrics.collect()));
        }
        let all = |part: Part, unit| vec![histogram(&over_all(&sample.totals, part), unit, &[])];
        families.push(family(RESET, proto::MetricType::HISTOGRAM, all(|of| &of.reset, SECOND)));
        families.push(family(RECYCLE, proto::MetricType::HISTOGRAM, all(|of| &of.succession, MILLISECOND)));
        let routes = routes(&sample);
        families.push(family(REQUESTS, proto::MetricType::COUNTER, answers(&routes)));
        let durations = routes.values().map(|of| histogram(&of.duration, SECOND, &[("route", &of.route)]));
        families.push(family(DURATION, proto::MetricType::HISTOGRAM, durations.collect()));
        // One without a series is none.
        families.retain(|family| !family.get_metric().is_empty());
        families
    }
}

fn over_all(totals: &Pools, part: Part) -> Distribution {
    let mut sum = Distribution::default();
    totals.values().for_each(|of| sum.absorb(part(&of.accounts)));
    sum
}

/// The answers of all children, those that have ended included. One series is always there.
fn routes(sample: &Sample) -> BTreeMap<String, RouteState> {
    let none = BTreeMap::from([("GET".to_owned(), BTreeMap::from([("200".to_owned(), 0)]))]);
    let mut sum = BTreeMap::from([(String::new(), RouteState { answers: none, ..RouteState::default() })]);
    for child in &sample.view.children {
        RouteState::absorb(&mut sum, child.answers());
    }
    RouteState::absorb(&mut sum, sample.view.departed_answers.values());
    sum
}

fn answers(routes: &BTreeMap<String, RouteState>) -> Vec<proto::Metric> {
    let mut metrics = Vec::new();
    for of in routes.values() {
        for (method, statuses) in &of.answers {
            for (status, count) in statuses {
                let labels = [("method", method.as_str()), ("route", &of.route), ("status", status)];
                metrics.push(counter(*count, &labels));
            }
        }
    }
    metrics
}

fn family((name, help): (&str, &str), kind: proto::MetricType, metrics: Vec<proto::Metric>) -> proto::MetricFamily {
    let mut family = proto::MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn labelled(labels: &[(&str, &str)]) -> proto::Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    proto::Metric::from_label(labels.iter().map(pair).collect())
}

fn counter(count: u64, labels: &[(&str, &str)]) -> proto::Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(whole(count));
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

/// A histogram in a unit of so many microseconds.
fn histogram(of: &Distribution, unit: f64, labels: &[(&str, &str)]) -> proto::Metric {
    let bucket = |(bound, count): (u64, u64)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(whole(bound) / unit);
        bucket.set_cumulative_count(count);
        bucket
    };
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(BOUNDS_MICROS.into_iter().zip(of.cumulated()).map(bucket).collect());
    histogram.set_sample_count(of.count());
    histogram.set_sample_sum(of.sum_seconds() * (SECOND / unit));
    let mut metric = labelled(labels);
    metric.set_histogram(histogram);
    metric
}
