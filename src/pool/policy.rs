//! When an incarnation is replaced: one pure decision from its life, its latest boundary and the limits of its pool.
//!
//! First the boundary itself: who did not come back clean never serves again. Then the limits in the order of the contract: emergency
//! memory, memory, requests, uptime, idle time, duration of a request, growth, failures in a row; last what may wait, soft memory
//! and the application's own wish. The first that matches is the reason; if any of them wants it, the worker leaves at once instead
//! of serving until its successor has booted.

#![forbid(unsafe_code)]

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::job::{Boundary, ResetOutcome};
use crate::telemetry::RecycleReason;

/// After how many requests the heap counts as warm: by then lazy services, autoloaded classes and caches are there, and what is added later is
/// growth.
pub(super) const WARM_REQUESTS: u64 = 5;

/// What becomes of a worker with a resetter that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnResetError {
    /// It is replaced before it serves anybody.
    #[default]
    Recycle,
    /// It serves on; the failure counts as one of its failures in a row.
    Continue,
}

/// The limits of a worker's life. 0 is off, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Requests an incarnation serves.
    pub max_requests: u64,
    /// Share by which requests, uptime and idle time differ from incarnation to incarnation, so that they do not end together: 0.1 is
    /// 90 to 110 %.
    pub jitter: f64,
    /// Bytes on the Zend heap after a reset.
    pub max_memory: u64,
    /// Bytes added since the heap was warm.
    pub memory_growth: u64,
    /// Bytes beyond which it is replaced when nobody waits.
    pub soft_memory: u64,
    /// Bytes beyond which it does not even serve until its successor has booted.
    pub emergency_memory: u64,
    /// Time since it reached its loop.
    pub max_uptime: Duration,
    /// Time without a request, once it has served one.
    pub max_idle: Duration,
    /// Time one request may take until its response has left.
    pub max_request_duration: Duration,
    /// Requests in a row that failed.
    pub max_consecutive_failures: u32,
    /// What becomes of a worker with a resetter that failed.
    pub on_reset_error: OnResetError,
    /// Whether a worker is replaced when a request has left something behind that the next one sees.
    pub drift: bool,
}

impl Limits {
    /// The limits of one incarnation: those with jitter are drawn anew.
    pub(super) fn drawn(&self) -> Self {
        let factor = || {
            // No secret and no statistics depend on it: a fresh hash key of the standard library is chance enough.
            let chance = RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64;
            1.0 + self.jitter * (2.0 * chance - 1.0)
        };
        self.scaled(factor(), factor(), factor())
    }

    fn scaled(&self, requests: f64, uptime: f64, idle: f64) -> Self {
        let count = |count: u64| if count == 0 { 0 } else { ((count as f64 * requests).round() as u64).max(1) };
        Self {
            max_requests: count(self.max_requests),
            max_uptime: self.max_uptime.mul_f64(uptime),
            max_idle: self.max_idle.mul_f64(idle),
            ..*self
        }
    }

    /// Whether the incarnation has had its last request.
    pub(super) fn is_last(&self, requests: u64) -> bool {
        self.max_requests > 0 && requests >= self.max_requests
    }
}

/// What is known of an incarnation when it is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) requests: u64,
    pub(super) uptime: Duration,
    /// Time since its last request; 0 at a boundary.
    pub(super) idle: Duration,
    /// Time its last request took.
    pub(super) duration: Duration,
    /// Bytes after the latest reset; 0 if unknown.
    pub(super) memory: u64,
    /// The same when the heap was warm.
    pub(super) baseline: Option<u64>,
    /// Failures in a row, the latest request included.
    pub(super) failures: u32,
    /// Somebody waits for a worker.
    pub(super) pressed: bool,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) reason: RecycleReason,
    /// It leaves now; otherwise it serves until its successor has booted.
    pub(super) at_once: bool,
}

/// Whether an incarnation is to be replaced.
#[must_use]
pub(super) fn judge(limits: &Limits, life: &Life, boundary: &Boundary) -> Option<Verdict> {
    let beyond = |value: u64, limit: u64| limit > 0 && value > limit;
    let longer = |value: Duration, limit: Duration| !limit.is_zero() && value > limit;
    let failed = matches!(boundary.reset, ResetOutcome::Failed { .. });
    let growth = life.baseline.map_or(0, |baseline| life.memory.saturating_sub(baseline));
    let failures = limits.max_consecutive_failures;
    let hard = boundary.wish.as_ref().is_some_and(|wish| wish.hard);
    // Each: whether it holds, the reason, whether it is one to leave at once for.
    let grounds = [
        (boundary.reset == ResetOutcome::Missing, RecycleReason::ResetMissing, true),
        (failed && limits.on_reset_error == OnResetError::Recycle, RecycleReason::ResetFailed, true),
        (beyond(life.memory, limits.emergency_memory), RecycleReason::MemEmergency, true),
        (beyond(life.memory, limits.max_memory), RecycleReason::MemLimit, false),
        (limits.is_last(life.requests), RecycleReason::MaxRequests, false),
        (longer(life.uptime, limits.max_uptime), RecycleReason::MaxUptime, false),
        (life.requests > 0 && longer(life.idle, limits.max_idle), RecycleReason::MaxIdle, false),
        (longer(life.duration, limits.max_request_duration), RecycleReason::SlowRequest, false),
        (beyond(growth, limits.memory_growth), RecycleReason::MemGrowth, false),
        (failures > 0 && life.failures >= failures, RecycleReason::ConsecutiveFailures, false),
        (limits.drift && boundary.drifts.iter().any(|drift| drift.leaks), RecycleReason::Drift, false),
        (beyond(life.memory, limits.soft_memory) && !life.pressed, RecycleReason::MemSoft, false),
        (boundary.wish.is_some(), RecycleReason::AppRequest, hard),
    ];
    let held = grounds.into_iter().filter(|(holds, ..)| *holds);
    held.fold(None, |verdict: Option<Verdict>, (_, reason, at_once)| {
        let first = verdict.unwrap_or(Verdict { reason, at_once });
        Some(Verdict { at_once: first.at_once || at_once, ..first })
    })
}

/// How many requests before its last one a worker's successor is started: as many as it serves, at its latest pace, in twice the
/// time that a boot takes. At least 1, at most half the limit, so that two are not kept where one would do.
#[must_use]
pub(super) fn lead(limit: u64, boot: Duration, interval: Duration) -> u64 {
    let boots = 2 * boot.as_micros() / interval.as_micros().max(1) + 1;
    u64::try_from(boots).unwrap_or(u64::MAX).clamp(1, (limit / 2).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Drift, Thrown, Wish};

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn wish(hard: bool) -> Boundary {
        Boundary { wish: Some(Wish { reason: "x".to_owned(), hard }), ..Boundary::default() }
    }

    fn reset(reset: ResetOutcome) -> Boundary {
        Boundary { reset, ..Boundary::default() }
    }

    fn drifted(leaks: bool) -> Boundary {
        Boundary { drifts: vec![Drift { kind: "ini", what: String::new(), leaks }], ..Boundary::default() }
    }

    /// Every limit set.
    fn limits() -> Limits {
        Limits {
            max_requests: 100,
            jitter: 0.1,
            max_memory: 1000,
            memory_growth: 300,
            soft_memory: 600,
            emergency_memory: 2000,
            max_uptime: seconds(1000),
            max_idle: seconds(100),
            max_request_duration: seconds(10),
            max_consecutive_failures: 5,
            on_reset_error: OnResetError::Recycle,
            drift: true,
        }
    }

    /// A life within every limit.
    fn fine() -> Life {
        Life {
            requests: 99,
            uptime: seconds(1000),
            idle: seconds(100),
            duration: seconds(10),
            memory: 600,
            baseline: Some(300),
            failures: 4,
            ..Life::default()
        }
    }

    #[test]
    fn each_limit_is_passed_on_its_own() {
        use RecycleReason as R;
        let clean = Boundary::default;
        let failed = || reset(ResetOutcome::Failed { thrown: vec![Thrown::default()], took: Duration::ZERO });
        let cases = [
            ("within all", fine(), clean(), None),
            ("missing", fine(), reset(ResetOutcome::Missing), Some((R::ResetMissing, true))),
            ("failed", fine(), failed(), Some((R::ResetFailed, true))),
            ("emergency", Life { memory: 2001, ..fine() }, clean(), Some((R::MemEmergency, true))),
            ("memory", Life { memory: 1001, ..fine() }, clean(), Some((R::MemLimit, false))),
            ("requests", Life { requests: 100, ..fine() }, clean(), Some((R::MaxRequests, false))),
            ("uptime", Life { uptime: seconds(1001), ..fine() }, clean(), Some((R::MaxUptime, false))),
            ("idle", Life { idle: seconds(101), ..fine() }, clean(), Some((R::MaxIdle, false))),
            ("idle, never asked", Life { idle: seconds(101), requests: 0, ..fine() }, clean(), None),
            ("slow", Life { duration: seconds(11), ..fine() }, clean(), Some((R::SlowRequest, false))),
            ("growth", Life { baseline: Some(299), ..fine() }, clean(), Some((R::MemGrowth, false))),
            ("growth, not warm", Life { baseline: None, ..fine() }, clean(), None),
            ("failures", Life { failures: 5, ..fine() }, clean(), Some((R::ConsecutiveFailures, false))),
            ("drift", fine(), drifted(true), Some((R::Drift, false))),
            ("drift, put back", fine(), drifted(false), None),
            ("soft", Life { memory: 601, baseline: None, ..fine() }, clean(), Some((R::MemSoft, false))),
            ("soft, pressed", Life { memory: 601, baseline: None, pressed: true, ..fine() }, clean(), None),
            ("wish", fine(), wish(false), Some((R::AppRequest, false))),
            ("hard wish", fine(), wish(true), Some((R::AppRequest, true))),
        ];
        for (name, life, boundary, expected) in cases {
            let got = judge(&limits(), &life, &boundary).map(|verdict| (verdict.reason, verdict.at_once));
            assert_eq!(got, expected, "{name}");
        }
        let on = Limits { on_reset_error: OnResetError::Continue, ..limits() };
        assert_eq!(judge(&on, &fine(), &failed()), None);
        let everything = Life { requests: u64::MAX, uptime: Duration::MAX, memory: u64::MAX, failures: 9, ..fine() };
        assert_eq!(judge(&Limits::default(), &everything, &Boundary::default()), None, "0 is off");
    }

    /// Each reason taken away shows the next: the order of the contract.
    #[test]
    fn the_first_that_matches_is_the_reason() {
        use RecycleReason as R;
        let mut limits = limits();
        let mut boundary = Boundary { reset: ResetOutcome::Missing, ..wish(false) };
        let life = Life {
            requests: 100,
            uptime: seconds(1001),
            idle: seconds(101),
            duration: seconds(11),
            memory: 2001,
            baseline: Some(1),
            failures: 5,
            ..Life::default()
        };
        let mut order = Vec::new();
        while let Some(Verdict { reason, .. }) = judge(&limits, &life, &boundary) {
            order.push(reason);
            match reason {
                R::ResetMissing => {
                    boundary.reset = ResetOutcome::Failed { thrown: Vec::new(), took: Duration::ZERO };
                }
                R::ResetFailed => boundary.reset = ResetOutcome::default(),
                R::MemEmergency => limits.emergency_memory = 0,
                R::MemLimit => limits.max_memory = 0,
                R::MaxRequests => limits.max_requests = 0,
                R::MaxUptime => limits.max_uptime = Duration::ZERO,
                R::MaxIdle => limits.max_idle = Duration::ZERO,
                R::SlowRequest => limits.max_request_duration = Duration::ZERO,
                R::MemGrowth => limits.memory_growth = 0,
                R::ConsecutiveFailures => limits.max_consecutive_failures = 0,
                R::MemSoft => limits.soft_memory = 0,
                R::AppRequest => boundary.wish = None,
                other => panic!("{other:?} is no matter of limits"),
            }
        }
        let expected = [
            R::ResetMissing,
            R::ResetFailed,
            R::MemEmergency,
            R::MemLimit,
            R::MaxRequests,
            R::MaxUptime,
            R::MaxIdle,
            R::SlowRequest,
            R::MemGrowth,
            R::ConsecutiveFailures,
            R::MemSoft,
            R::AppRequest,
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn who_has_several_reasons_leaves_at_once_if_one_says_so() {
        let old = Life { uptime: seconds(2000), ..fine() };
        let expected = Verdict { reason: RecycleReason::MaxUptime, at_once: true };
        assert_eq!(judge(&limits(), &old, &wish(true)), Some(expected));
    }

    #[test]
    fn jitter_stays_within_its_share_and_differs() {
        let base = Limits { max_requests: 1000, max_uptime: seconds(1000), max_idle: seconds(1000), ..limits() };
        let drawn: Vec<_> = (0..200).map(|_| base.drawn()).collect();
        assert!(drawn.iter().all(|limits| (900..=1100).contains(&limits.max_requests)));
        assert!(drawn.iter().all(|limits| (seconds(900)..=seconds(1100)).contains(&limits.max_uptime)));
        assert!(drawn.iter().all(|limits| (seconds(900)..=seconds(1100)).contains(&limits.max_idle)));
        let points: std::collections::BTreeSet<_> = drawn.iter().map(|limits| limits.max_requests).collect();
        assert!(points.len() > 50, "{points:?}");
        assert!(points.first() < Some(&950) && points.last() > Some(&1050), "on both sides: {points:?}");
        let exact = Limits { jitter: 0.0, ..base };
        assert_eq!(exact.drawn(), exact);
        let off = Limits { jitter: 0.5, ..Limits::default() };
        assert_eq!(off.drawn(), off, "what is off stays off");
        assert_eq!(Limits { max_requests: 1, ..limits() }.scaled(0.1, 1.0, 1.0).max_requests, 1, "at least one");
    }

    #[test]
    fn the_lead_follows_boot_time_and_pace() {
        let milli = Duration::from_millis;
        let cases = [
            (1000, milli(50), milli(10), 11),
            (1000, milli(300), milli(1), 500),
            (1000, Duration::ZERO, milli(1), 1),
            (1000, milli(50), Duration::from_secs(60), 1),
            (1, milli(50), milli(1), 1),
            (2, milli(50), milli(1), 1),
            (7, milli(50), Duration::ZERO, 3),
        ];
        for (limit, boot, interval, expected) in cases {
            assert_eq!(lead(limit, boot, interval), expected, "limit {limit}, boot {boot:?}, every {interval:?}");
        }
    }
}
