//! Metrics as plain numbers, of one server or added up over several that share a folder.
//!
//! The form and the rules of addition are those of the seeds (contract section 7): a key is `name{label=value,...}` with labels in order.
//! Counters are summed. Of gauges the largest counts, but those that end in `_sum` or `_count` are summed, and of start times the
//! earliest counts. A histogram is its counters (`_bucket`, `_count`) and one gauge (`_sum`).

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use prometheus::proto::{LabelPair, MetricFamily, MetricType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What all our families have in common.
pub(super) const NAMESPACE: &str = "runtime_supercharger";

/// The numbers of one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Aggregate {
    /// Whose metrics these are.
    pub(super) namespace: String,
    /// What only ever rises.
    pub(super) counter: BTreeMap<String, u64>,
    /// What holds at the moment.
    pub(super) gauge: BTreeMap<String, f64>,
    /// About the numbers.
    pub(super) meta: serde_json::Map<String, Value>,
}

impl Aggregate {
    /// The numbers of what a registry has gathered.
    pub(super) fn of(families: &[MetricFamily]) -> Self {
        let mut sum = Self { namespace: NAMESPACE.to_owned(), ..Self::default() };
        for family in families {
            sum.take(family);
        }
        sum
    }

    fn take(&mut self, family: &MetricFamily) {
        let name = family.name();
        for metric in family.get_metric() {
            let labels = metric.get_label();
            match family.get_field_type() {
                MetricType::COUNTER => {
                    self.counter.insert(key(name, labels, None), count(metric.get_counter().get_value()));
                }
                MetricType::HISTOGRAM => {
                    let histogram = metric.get_histogram();
                    for bucket in histogram.get_bucket() {
                        let bound = bucket.upper_bound().to_string();
                        let bound = if bucket.upper_bound().is_infinite() { "+Inf" } else { &bound };
                        let key = key(&format!("{name}_bucket"), labels, Some(bound));
                        self.counter.insert(key, bucket.cumulative_count());
                    }
                    let total = histogram.get_sample_count();
                    self.counter.insert(key(&format!("{name}_bucket"), labels, Some("+Inf")), total);
                    self.counter.insert(key(&format!("{name}_count"), labels, None), total);
                    self.gauge.insert(key(&format!("{name}_sum"), labels, None), finite(histogram.get_sample_sum()));
                }
                // Nobody here makes summaries.
                MetricType::GAUGE | MetricType::UNTYPED | MetricType::SUMMARY => {
                    self.gauge.insert(key(name, labels, None), finite(metric.get_gauge().get_value()));
                }
            }
        }
    }

    /// Adds the numbers of another server.
    pub(super) fn absorb(&mut self, other: Self) {
        if self.namespace.is_empty() {
            self.namespace = other.namespace;
        }
        for (key, count) in other.counter {
            let sum = self.counter.entry(key).or_default();
            *sum = sum.saturating_add(count);
        }
        for (key, value) in other.gauge {
            let Some(mine) = self.gauge.get_mut(&key) else {
                self.gauge.insert(key, value);
                continue;
            };
            *mine = match rule(&key) {
                Rule::Sum => *mine + value,
                Rule::Least => mine.min(value),
                Rule::Most => mine.max(value),
            };
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Rule {
    Sum,
    Least,
    Most,
}

fn rule(key: &str) -> Rule {
    let name = key.split_once('{').map_or(key, |(name, _)| name);
    if name.ends_with("worker_start_time_second") {
        Rule::Least
    } else if name.ends_with("_sum") || name.ends_with("_count") {
        Rule::Sum
    } else {
        Rule::Most
    }
}

fn key(name: &str, labels: &[LabelPair], bound: Option<&str>) -> String {
    let mut pairs: Vec<_> = labels.iter().map(|pair| (pair.name(), pair.value())).collect();
    pairs.extend(bound.map(|bound| ("le", bound)));
    if pairs.is_empty() {
        return name.to_owned();
    }
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    format!("{name}{{{}}}", pairs.join(","))
}

/// As in the text form of Prometheus.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

/// JSON knows no infinities.
fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of events, which are exact up to 2^53"
)]
fn count(value: f64) -> u64 {
    finite(value).max(0.0).round() as u64
}

#[cfg(test)]
mod tests {
    use prometheus::{Gauge, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

    use super::*;

    fn families() -> Vec<MetricFamily> {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("a_total", "a"), &["z", "b"]).expect("a counter");
        counter.with_label_values(&["1", "say \"hi\""]).inc_by(3);
        let gauge = Gauge::new("a_ratio", "a").expect("a gauge");
        gauge.set(f64::NAN);
        let opts = HistogramOpts::new("a_seconds", "a").buckets(vec![0.5, 1.0]);
        let histogram = HistogramVec::new(opts, &["pool"]).expect("a histogram");
        histogram.with_label_values(&["default"]).observe(0.25);
        histogram.with_label_values(&["default"]).observe(2.0);
        registry.register(Box::new(counter)).expect("registered");
        registry.register(Box::new(gauge)).expect("registered");
        registry.register(Box::new(histogram)).expect("registered");
        registry.gather()
    }

    #[test]
    fn labels_are_in_order_and_a_histogram_is_counters_and_a_sum() {
        let got = Aggregate::of(&families());
        let counter: Vec<_> = got.counter.iter().map(|(key, count)| (key.as_str(), *count)).collect();
        let expected = [
            ("a_seconds_bucket{le=+Inf,pool=default}", 2),
            ("a_seconds_bucket{le=0.5,pool=default}", 1),
            ("a_seconds_bucket{le=1,pool=default}", 1),
            ("a_seconds_count{pool=default}", 2),
            ("a_total{b=say \\\"hi\\\",z=1}", 3),
        ];
        assert_eq!(counter, expected);
        let gauge: Vec<_> = got.gauge.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        assert_eq!(gauge, [("a_ratio", 0.0), ("a_seconds_sum{pool=default}", 2.25)]);
    }

    #[test]
    fn servers_are_added_up_by_the_kind_of_number() {
        let one = |counter: &[(&str, u64)], gauge: &[(&str, f64)]| Aggregate {
            counter: counter.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect(),
            gauge: gauge.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect(),
            ..Aggregate::default()
        };
        let mut sum = one(
            &[("r{a=1}", 2)],
            &[("m", 5.0), ("d_sum{e=x}", 1.5), ("d_count", 2.0), ("x_worker_start_time_second", 50.0), ("mine", 1.0)],
        );
        let mut other = one(
            &[("r{a=1}", 40), ("r{a=2}", 7)],
            &[("m", 3.0), ("d_sum{e=x}", 2.0), ("d_count", 3.0), ("x_worker_start_time_second", 40.0), ("theirs", 2.0)],
        );
        other.namespace = "theirs".to_owned();
        sum.absorb(other);
        let mut expected = one(
            &[("r{a=1}", 42), ("r{a=2}", 7)],
            &[
                ("m", 5.0),
                ("d_sum{e=x}", 3.5),
                ("d_count", 5.0),
                ("x_worker_start_time_second", 40.0),
                ("mine", 1.0),
                ("theirs", 2.0),
            ],
        );
        expected.namespace = "theirs".to_owned();
        assert_eq!(sum, expected);
    }
}
