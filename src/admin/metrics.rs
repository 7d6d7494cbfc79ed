//! Metrics in the text form of Prometheus, or that of OpenMetrics.
//!
//! Nothing is counted here: children count, the ledger adds up, and a scrape turns one view into series. That is what
//! OpenTelemetry's observable instruments are for; its exporter for Prometheus names and writes them. A series that can be known beforehand is there
//! from the first scrape on, with 0: a rate needs a beginning.

#![forbid(unsafe_code)]

mod opcache;
mod open;
mod runtime;
mod series;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use parking_lot::Mutex;
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

use series::Series;

use super::checks;
use super::guard;
use super::totals::Pools;
use super::view::{Child, Role, View};
use crate::control::{PoolState, WorkerState};
use crate::job::Outcome;
use crate::telemetry::{DriftKind, RecycleReason, Rejection};

/// Version 0.0.4 of the text form.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why a child may have ended: each has a series from the start on. `exit` is an end without a signal.
const ENDS: [&str; 9] = ["SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL", "SIGSEGV", "SIGSYS", "SIGTERM", "exit"];

/// What one scrape shows.
#[derive(Debug, Default)]
struct Sample {
    view: View,
    totals: Pools,
}

/// A value and its labels.
type Point = (f64, Vec<(&'static str, String)>);

/// The series of a metric.
type Read = fn(&Sample) -> Vec<Point>;

enum Kind {
    Counter,
    Gauge,
}

/// A metric: name, what it means, kind, and where its series come from.
struct Family(&'static str, &'static str, Kind, Read);

/// All of them. Names are public (contract section 8).
const FAMILIES: [Family; 35] = [
    Family("supercharger_build_info", "Version of this program and of the linked PHP.", Kind::Gauge, |sample| {
        let process = &sample.view.process;
        vec![(1.0, vec![("version", process.version.to_owned()), ("php", process.php.clone())])]
    }),
    Family("supercharger_uptime_seconds", "Time since the server was started.", Kind::Gauge, |sample| {
        vec![(sample.view.process.uptime_seconds, Vec::new())]
    }),
    Family("supercharger_maintenance", "Whether clients are told to come back later.", Kind::Gauge, |sample| {
        vec![(f64::from(u8::from(sample.view.maintenance.is_some())), Vec::new())]
    }),
    Family("supercharger_generation", "The generation that serves; one up with each reload.", Kind::Gauge, |sample| {
        vec![(whole(sample.view.generation), Vec::new())]
    }),
    Family("supercharger_ready", "1 while requests are served by every pool.", Kind::Gauge, |sample| {
        vec![(whole(sample.view.ready().is_ok().into()), Vec::new())]
    }),
    Family(
        "supercharger_process_resident_bytes",
        "Resident memory of a child process that serves.",
        Kind::Gauge,
        resident,
    ),
    Family("supercharger_reloads_total", "Reloads by outcome.", Kind::Counter, |sample| {
        preset(&sample.view.reloads, &["ok", "failed"], "outcome")
    }),
    Family("supercharger_processes", "Child processes by the part they play.", Kind::Gauge, processes),
    Family(
        "supercharger_processes_stale",
        "Child processes that did not answer in time; what is shown of them is what was last known.",
        Kind::Gauge,
        |sample| {
            let stale = sample.view.children.iter().filter(|child| child.stale.is_some()).count();
            vec![(whole(stale as u64), Vec::new())]
        },
    ),
    Family(
        "supercharger_child_restarts_total",
        "Child processes that ended without having been told to, by signal.",
        Kind::Counter,
        |sample| preset(&sample.view.child_restarts, &ENDS, "signal"),
    ),
    Family(
        "supercharger_guard_refusals_total",
        "Requests to the endpoints that the guard has refused, by reason.",
        Kind::Counter,
        |sample| preset(&sample.view.refused, &guard::reasons(), "reason"),
    ),
    Family(
        "supercharger_trace_spans_total",
        "Spans by what has become of them; those that are under way are not counted yet.",
        Kind::Counter,
        spans,
    ),
    Family("supercharger_workers", "Workers by state.", Kind::Gauge, workers),
    Family("supercharger_workers_target", "Workers that the pool wants to have.", Kind::Gauge, |sample| {
        by_pool(sample, |pool| pool.wanted.into())
    }),
    Family("supercharger_workers_min", "The fewest workers of the pool.", Kind::Gauge, |sample| {
        by_pool(sample, |pool| pool.least.into())
    }),
    Family("supercharger_workers_max", "The most workers of the pool.", Kind::Gauge, |sample| {
        by_pool(sample, |pool| pool.most.into())
    }),
    Family("supercharger_requests_in_flight", "Requests that a worker is busy with.", Kind::Gauge, |sample| {
        by_pool(sample, |pool| pool.workers.iter().filter(|worker| worker.state == "busy").count() as u64)
    }),
    Family("supercharger_queue_depth", "Requests that wait for a worker.", Kind::Gauge, |sample| {
        by_pool(sample, |pool| pool.queue_depth)
    }),
    Family(
        "supercharger_stuck_threads",
        "Threads that did not give way after their deadline.",
        Kind::Gauge,
        |sample| {
            let stuck = sample.view.children.iter().flat_map(Child::pools).map(|pool| pool.stuck).sum();
            vec![(whole(stuck), Vec::new())]
        },
    ),
    Family("supercharger_requests_total", "Requests that a worker got.", Kind::Counter, |sample| {
        totals(sample, |totals| totals.served)
    }),
    Family(
        "supercharger_request_outcomes_total",
        "Requests that a worker is done with, by outcome.",
        Kind::Counter,
        |sample| labelled(sample, "outcome", &Outcome::ALL.map(Outcome::label), |totals| &totals.accounts.outcomes),
    ),
    Family("supercharger_abandoned_total", "Requests whose client left while they waited.", Kind::Counter, |sample| {
        totals(sample, |totals| totals.abandoned)
    }),
    Family(
        "supercharger_rejected_total",
        "Requests turned away before they reached PHP, by cause.",
        Kind::Counter,
        |sample| labelled(sample, "cause", &Rejection::ALL.map(Rejection::label), |totals| &totals.rejected),
    ),
    Family("supercharger_recycle_total", "Workers that were replaced, by reason.", Kind::Counter, |sample| {
        labelled(sample, "reason", &RecycleReason::ALL.map(RecycleReason::label), |totals| &totals.recycles)
    }),
    Family(
        "supercharger_drift_total",
        "Times that a request was seen to have left something behind, by what sort of thing.",
        Kind::Counter,
        |sample| labelled(sample, "kind", &DriftKind::ALL.map(DriftKind::label), |totals| &totals.drifts),
    ),
    Family(
        "supercharger_route_heap_growth_bytes",
        "Bytes that a request of the route adds to the heap of a warm worker, on average; only where drift is looked for.",
        Kind::Gauge,
        slopes,
    ),
    Family(
        "supercharger_worker_ends_total",
        "Workers that ended without having been told to, by cause.",
        Kind::Counter,
        |sample| labelled(sample, "cause", &[], |totals| &totals.restarts),
    ),
    Family("supercharger_readiness_check", "1 while the latest result of a check is good.", Kind::Gauge, checks_passed),
    Family(
        "supercharger_readiness_failures_total",
        "How often a check of the application has failed.",
        Kind::Counter,
        |sample| labelled(sample, "check", &[], |totals| &totals.check_failures),
    ),
    Family("supercharger_warmup_failures_total", "Warmers of the application that failed.", Kind::Counter, |sample| {
        totals(sample, |totals| totals.warmers_failed)
    }),
    Family("supercharger_scale_total", "Workers added and taken away by scaling.", Kind::Counter, |sample| {
        labelled(sample, "direction", &["up", "down"], |totals| &totals.scaled)
    }),
    Family("runtime_worker_request_total", "Requests that a worker got, over all pools.", Kind::Counter, |sample| {
        vec![(whole(sample.totals.values().map(|totals| totals.served).sum()), Vec::new())]
    }),
    Family("runtime_worker_mem_bytes", "Zend heap of a worker at its last boundary.", Kind::Gauge, |sample| {
        by_worker(sample, |worker| whole(worker.memory_bytes))
    }),
    Family(
        "supercharger_worker_requests",
        "Requests that the worker in this slot got since it booted.",
        Kind::Gauge,
        |sample| by_worker(sample, |worker| whole(worker.requests)),
    ),
    Family("supercharger_worker_uptime_seconds", "Age of the worker in this slot.", Kind::Gauge, |sample| {
        by_worker(sample, |worker| whole(worker.uptime_ms) / 1000.0)
    }),
];

/// Prometheus knows floating-point numbers only; exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "counters stay far below 2^53")]
fn whole(number: u64) -> f64 {
    number as f64
}

/// What the application depends on; a check without a result is no good either.
fn checks_passed(sample: &Sample) -> Vec<Point> {
    let point = |check: checks::Told| {
        let passed = check.status == checks::Outcome::Passed;
        (f64::from(u8::from(passed)), vec![("check", check.name), ("pool", check.pool)])
    };
    checks::of(&sample.view).into_iter().map(point).collect()
}

/// Resident memory of the children that serve, in bytes.
fn resident(sample: &Sample) -> Vec<Point> {
    let children = sample.view.children.iter().filter(|child| child.role == Role::Serving);
    let point = |child: &Child| Some((whole(child.resident?), vec![("process", child.place.to_string())]));
    children.filter_map(point).collect()
}

fn preset(counts: &BTreeMap<String, u64>, known: &[&str], label: &'static str) -> Vec<Point> {
    let zero = known.iter().filter(|name| !counts.contains_key(**name)).map(|name| ((*name).to_owned(), 0));
    let given = counts.iter().map(|(name, count)| (name.clone(), *count));
    given.chain(zero).map(|(name, count)| (whole(count), vec![(label, name)])).collect()
}

fn processes(sample: &Sample) -> Vec<Point> {
    let count = |role| sample.view.children.iter().filter(|child| child.role == role).count();
    [("booting", Role::Booting), ("serving", Role::Serving), ("draining", Role::Draining)]
        .map(|(name, role)| (whole(count(role) as u64), vec![("state", name.to_owned())]))
        .to_vec()
}

/// The spans of all children, those that have ended included.
fn spans(sample: &Sample) -> Vec<Point> {
    let mut sum = sample.view.departed_spans;
    sample.view.children.iter().for_each(|child| sum.absorb(child.spans()));
    [("exported", sum.exported), ("dropped", sum.dropped), ("failed", sum.failed)]
        .map(|(outcome, count)| (whole(count), vec![("outcome", outcome.to_owned())]))
        .to_vec()
}

/// The pools of all children, by name: what holds now. One whose children all boot has none to speak of it, and is there all the same.
fn pools(sample: &Sample) -> BTreeMap<&str, Vec<&PoolState>> {
    let mut pools: BTreeMap<_, Vec<_>> = sample.view.pools.iter().map(|name| (&**name, Vec::new())).collect();
    for pool in sample.view.children.iter().flat_map(Child::pools) {
        pools.entry(pool.name.as_str()).or_default().push(pool);
    }
    pools
}

fn by_pool(sample: &Sample, count: fn(&PoolState) -> u64) -> Vec<Point> {
    let sum = |pools: Vec<&PoolState>| whole(pools.into_iter().map(count).sum());
    pools(sample).into_iter().map(|(name, pools)| (sum(pools), vec![("pool", name.to_owned())])).collect()
}

fn workers(sample: &Sample) -> Vec<Point> {
    let mut points = Vec::new();
    for (name, pools) in pools(sample) {
        for state in &sample.view.worker_states {
            let workers = pools.iter().flat_map(|pool| &pool.workers);
            let count = workers.filter(|worker| worker.state == *state).count() as u64;
            points.push((whole(count), vec![("pool", name.to_owned()), ("state", (*state).to_owned())]));
        }
    }
    points
}

fn by_worker(sample: &Sample, value: fn(&WorkerState) -> f64) -> Vec<Point> {
    let mut points = Vec::new();
    // One that drains has a successor with the same labels.
    for child in sample.view.children.iter().filter(|child| child.role == Role::Serving) {
        for pool in child.pools() {
            for worker in &pool.workers {
                let labels = vec![
                    ("process", child.place.to_string()),
                    ("pool", pool.name.clone()),
                    ("worker", worker.slot.to_string()),
                ];
                points.push((value(worker), labels));
            }
        }
    }
    points
}

fn totals(sample: &Sample, count: fn(&PoolState) -> u64) -> Vec<Point> {
    let points = sample.totals.iter();
    points.map(|(pool, totals)| (whole(count(totals)), vec![("pool", pool.clone())])).collect()
}

fn labelled(
    sample: &Sample,
    label: &'static str,
    known: &[&str],
    counts: fn(&PoolState) -> &BTreeMap<String, u64>,
) -> Vec<Point> {
    let mut points = Vec::new();
    for (pool, totals) in &sample.totals {
        for (value, mut labels) in preset(counts(totals), known, label) {
            labels.push(("pool", pool.clone()));
            points.push((value, labels));
        }
    }
    points
}

fn slopes(sample: &Sample) -> Vec<Point> {
    let mut points = Vec::new();
    for (pool, totals) in &sample.totals {
        if !totals.slopes.contains_key("") {
            points.push((0.0, vec![("pool", pool.clone()), ("route", String::new())]));
        }
        for (route, slope) in &totals.slopes {
            #[allow(clippy::cast_precision_loss, reason = "the sum stays far below 2^53 bytes")]
            let mean = slope.bytes as f64 / whole(slope.requests.max(1));
            points.push((mean, vec![("pool", pool.clone()), ("route", route.clone())]));
        }
    }
    points
}

fn restarts(sample: &Sample) -> Vec<Point> {
    let mut sum = BTreeMap::new();
    for (reason, count) in sample.totals.values().flat_map(|totals| &totals.recycles) {
        *sum.entry(reason.clone()).or_default() += count;
    }
    preset(&sum, &RecycleReason::ALL.map(RecycleReason::label), "reason")
}

/// The instruments and what they show.
pub(super) struct Metrics {
    registry: Registry,
    sample: Arc<Mutex<Sample>>,
    /// One scrape at a time: each sets the sample and reads it through the instruments.
    scrape: Mutex<()>,
    /// Holds the instruments.
    _provider: Option<SdkMeterProvider>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let sample = Arc::<Mutex<Sample>>::default();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_counter_suffixes()
            .without_units()
            .without_target_info()
            .scope_info_enabled(false)
            .build();
        // Both fail only if the registry has them already; a scrape without them is empty.
        let provider = exporter.ok().map(|exporter| SdkMeterProvider::builder().with_reader(exporter).build());
        if let Some(provider) = &provider {
            instruments(provider, &sample);
        }
        drop(Series::new(Arc::clone(&sample)).and_then(|series| registry.register(Box::new(series))));
        Self { registry, sample, scrape: Mutex::default(), _provider: provider }
    }

    /// All families for this view.
    pub(super) fn gather(&self, view: View, totals: Pools) -> Vec<MetricFamily> {
        let _scrape = self.scrape.lock();
        *self.sample.lock() = Sample { view, totals };
        self.registry.gather()
    }

    /// The whole text for this view in a form that the scraper accepts, and its media type.
    pub(super) fn text(&self, view: View, totals: Pools, accept: &str) -> Result<(&'static str, String), String> {
        let families = self.gather(view, totals);
        if open::is_wanted(accept) {
            let text = open::text(&families).map_err(|error| error.to_string())?;
            return Ok((open::CONTENT_TYPE, text));
        }
        let text = TextEncoder::new().encode_to_string(&families).map_err(|error| error.to_string())?;
        Ok((CONTENT_TYPE, text))
    }
}

fn instruments(provider: &SdkMeterProvider, sample: &Arc<Mutex<Sample>>) {
    let meter = provider.meter("supercharger");
    for Family(name, help, kind, read) in
        FAMILIES.into_iter().chain(opcache::FAMILIES).chain(runtime::FAMILIES).chain(store::FAMILIES)
    {
        let sample = Arc::clone(sample);
        let points = move || {
            let points = read(&sample.lock());
            let attribute = |(name, value): (&'static str, String)| KeyValue::new(name, value);
            points
                .into_iter()
                .map(move |(value, labels)| (value, labels.into_iter().map(attribute).collect::<Vec<_>>()))
        };
        // The provider keeps the instrument; its handle is of no use.
        match kind {
            Kind::Counter => drop(
                meter
                    .f64_observable_counter(name)
                    .with_description(help)
                    .with_callback(move |seen| points().for_each(|(value, labels)| seen.observe(value, &labels)))
                    .build(),
            ),
            Kind::Gauge => drop(
                meter
                    .f64_observable_gauge(name)
                    .with_description(help)
                    .with_callback(move |seen| points().for_each(|(value, labels)| seen.observe(value, &labels)))
                    .build(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Snapshot;

    fn view() -> View {
        let worker = |slot, state: &str| WorkerState {
            slot,
            state: state.to_owned(),
            requests: 7,
            seated: true,
            ..Default::default()
        };
        let pool = PoolState {
            name: "default".to_owned(),
            workers: vec![worker(0, "idle"), worker(1, "busy")],
            queue_depth: 3,
            ..PoolState::default()
        };
        let snapshot = Snapshot { pid: 9, pools: vec![pool], ..Snapshot::default() };
        let child =
            Child { pid: 9, role: Role::Serving, snapshot: Some(snapshot), resident: Some(1), ..Child::default() };
        View { children: vec![child], worker_states: vec!["idle", "busy", "stuck"], ..View::default() }
    }

    #[test]
    fn a_scrape_has_every_series_from_the_start() {
        let metrics = Metrics::new();
        let check_failures = BTreeMap::from([("db".to_owned(), 2)]);
        let pool = PoolState { served: 12, check_failures, ..PoolState::default() };
        let totals = Pools::from([("default".to_owned(), pool)]);
        let (_, text) = metrics.text(view(), totals.clone(), "").expect("text");
        for line in [
            "supercharger_readiness_failures_total{check=\"db\",pool=\"default\"} 2",
            "# TYPE supercharger_requests_total counter",
            "supercharger_requests_total{pool=\"default\"} 12",
            "supercharger_workers{pool=\"default\",state=\"busy\"} 1",
            "supercharger_workers{pool=\"default\",state=\"stuck\"} 0",
            "supercharger_queue_depth{pool=\"default\"} 3",
            "supercharger_rejected_total{cause=\"queue_full\",pool=\"default\"} 0",
            "supercharger_child_restarts_total{signal=\"SIGSEGV\"} 0",
            "supercharger_worker_requests{pool=\"default\",process=\"0\",worker=\"1\"} 7",
            "supercharger_stuck_threads 0",
        ] {
            assert!(text.lines().any(|got| got == line), "{line} in\n{text}");
        }
        for reason in RecycleReason::ALL {
            let line = format!("supercharger_recycle_total{{pool=\"default\",reason=\"{}\"}} 0", reason.label());
            assert!(text.contains(&line), "{line}");
        }
        let families = FAMILIES.iter().chain(&runtime::FAMILIES).map(|Family(name, ..)| *name);
        // How workers end and what an application depends on is not known beforehand.
        let unknown = ["supercharger_worker_ends_total", "supercharger_readiness_check"];
        for family in families.chain(series::names()).filter(|name| !unknown.contains(name)) {
            assert!(text.contains(&format!("# TYPE {family} ")), "{family} has no series");
        }
        let (media, open) = metrics.text(view(), totals, open::MEDIA_TYPE).expect("text");
        assert_eq!(media, open::CONTENT_TYPE);
        for line in [
            "# TYPE supercharger_requests counter",
            "supercharger_requests_total{pool=\"default\"} 12",
            "# TYPE supercharger_build info",
            "supercharger_queue_wait_seconds_bucket{pool=\"default\",le=\"1.0\"} 0",
            "supercharger_queue_wait_seconds_bucket{pool=\"default\",le=\"+Inf\"} 0",
            "supercharger_queue_wait_seconds_count{pool=\"default\"} 0",
        ] {
            assert!(open.lines().any(|got| got == line), "{line} in\n{open}");
        }
        assert!(open.ends_with("\n# EOF\n"), "{open}");
    }

    /// Each scrape shows its own view and nothing of the one before.
    #[test]
    fn a_pool_that_is_gone_is_shown_no_more() {
        let metrics = Metrics::new();
        metrics.text(view(), Pools::new(), "").expect("text");
        let (_, text) = metrics.text(View::default(), Pools::new(), "").expect("text");
        assert!(!text.contains("pool=\"default\""), "{text}");
    }
}
