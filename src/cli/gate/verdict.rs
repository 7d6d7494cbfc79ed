//! Whether a route may pass.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Route;
use super::probe::Sample;

/// What a route must keep to.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) p95: Duration,
    pub(super) fail_rate: f64,
    /// Statuses from 400 on that are no failures.
    pub(super) accepted: Vec<u16>,
}

impl Limits {
    /// No answer at all, or one that says that something is wrong: also 403 and 404, because who probes a route means one that is there.
    fn is_failure(&self, code: u16) -> bool {
        code == 0 || (code >= 400 && !self.accepted.contains(&code))
    }
}

/// What came of a route. The names of the fields are public: they are those of `gate.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    pub(super) key: String,
    pub(super) method: String,
    pub(super) path: String,
    /// Every attempt, beside this file.
    pub(super) file: String,
    pub(super) count: usize,
    pub(super) fail: usize,
    pub(super) fail_rate: f64,
    /// Statuses of the failures, or why there was no answer, and how many of each.
    pub(super) failures: BTreeMap<String, usize>,
    pub(super) latency_ms: Latency,
    pub(super) threshold: Threshold,
    pub(super) pass: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p95: f64,
    pub(super) max: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Threshold {
    pub(super) p95_ms: f64,
    pub(super) fail_rate: f64,
}

impl Verdict {
    pub(super) fn of(key: String, route: &Route, samples: &[Sample], limits: &Limits) -> Self {
        let failures = failures(samples, limits);
        let (count, fail) = (samples.len(), failures.values().sum());
        // Nothing was seen, so nothing can be said for it.
        let fail_rate = if count == 0 { 1.0 } else { share(fail, count) };
        let mut latencies: Vec<_> = samples.iter().map(|sample| sample.ms).collect();
        latencies.sort_by(f64::total_cmp);
        let latency_ms = Latency { p95: nearest_rank(&latencies, 95), max: latencies.last().copied().unwrap_or(0.0) };
        let threshold = Threshold { p95_ms: limits.p95.as_secs_f64() * 1000.0, fail_rate: limits.fail_rate };
        let pass = count > 0 && fail_rate <= threshold.fail_rate && latency_ms.p95 <= threshold.p95_ms;
        let file = format!("route/{key}/probe.csv");
        let (method, path) = (route.method.to_string(), route.path.clone());
        Self { key, method, path, file, count, fail, fail_rate, failures, latency_ms, threshold, pass }
    }

    /// A line for people.
    pub(super) fn told(&self) -> String {
        let Self { method, path, count, fail, fail_rate, latency_ms, threshold, .. } = self;
        let mut reasons: Vec<_> = self.failures.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let reasons = reasons.iter().take(TOLD).map(|(reason, count)| format!("; {count} x {reason}"));
        let reasons: String = reasons.collect();
        format!(
            "{} {method} {path}: {count} requests, {fail} failed ({:.2} %, at most {:.2} %), p95 {:.1} ms (at most {:.0}), max {:.1} ms{reasons}",
            if self.pass { "pass" } else { "FAIL" },
            fail_rate * 100.0,
            threshold.fail_rate * 100.0,
            latency_ms.p95,
            threshold.p95_ms,
            latency_ms.max,
        )
    }
}

/// Reasons of failures that are told; an outage has one or two.
const TOLD: usize = 5;
/// Reasons that are counted one by one: words of an error may differ each time.
const COUNTED: usize = 100;

fn failures(samples: &[Sample], limits: &Limits) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for sample in samples.iter().filter(|sample| limits.is_failure(sample.code)) {
        let reason = sample.fault.as_deref().map_or_else(|| format!("status {}", sample.code), str::to_owned);
        let is_new = !reasons.contains_key(&reason);
        let reason = if is_new && reasons.len() >= COUNTED { "other".to_owned() } else { reason };
        *reasons.entry(reason).or_default() += 1;
    }
    reasons
}

#[allow(clippy::cast_precision_loss, reason = "numbers of requests are far below 2^53")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// The smallest value that at least so many of a hundred do not exceed; 0 if there is none.
fn nearest_rank(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(samples: &[(u16, f64)], accepted: &[u16]) -> Verdict {
        let samples: Vec<_> =
            samples.iter().map(|(code, ms)| Sample { ts: 0.0, code: *code, ms: *ms, bytes: 0, fault: None }).collect();
        let limits = Limits { p95: Duration::from_millis(100), fail_rate: 0.005, accepted: accepted.to_vec() };
        let route = Route { method: http::Method::GET, path: "/".to_owned(), p95: None };
        Verdict::of("01-get".to_owned(), &route, &samples, &limits)
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<_> = (1..=100).map(f64::from).collect();
        assert_eq!(nearest_rank(&values, 95), 95.0);
        assert_eq!(nearest_rank(&values[..20], 95), 19.0);
        assert_eq!(nearest_rank(&values[..21], 95), 20.0);
        assert_eq!(nearest_rank(&values[..1], 95), 1.0);
        assert_eq!(nearest_rank(&[], 95), 0.0);
    }

    #[test]
    fn what_shuts_the_gate() {
        let good = vec![(200, 10.0); 200];
        let with = |code| [good.clone(), vec![(code, 10.0); 2]].concat();
        assert!(verdict(&good, &[]).pass);
        assert!(verdict(&[(302, 1.0)], &[]).pass);
        assert!(!verdict(&[], &[]).pass, "no samples");
        assert_eq!(verdict(&[], &[]).fail_rate, 1.0);
        for code in [0, 401, 403, 404, 500, 503] {
            assert!(!verdict(&with(code), &[]).pass, "{code}");
        }
        assert!(verdict(&with(404), &[404]).pass, "asked for");
        assert!(verdict(&[good.clone(), vec![(500, 10.0)]].concat(), &[]).pass, "one of 201 is below the limit");
        assert!(!verdict(&[good.clone(), vec![(200, 101.0); 20]].concat(), &[]).pass, "slow");
        assert!(verdict(&[good, vec![(200, 101.0); 5]].concat(), &[]).pass, "a few slow ones");
    }
}
