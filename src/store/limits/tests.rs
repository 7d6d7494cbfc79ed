use super::*;

const SECOND: u64 = 1_000_000;

fn limit(policy: Policy, limit: u64, seconds: u64) -> Limit {
    Limit { policy, limit, interval: Duration::from_secs(seconds) }
}

/// Limits of one key, asked at given moments.
struct Bench {
    limits: Vec<Limit>,
    states: Vec<State>,
}

impl Bench {
    fn new(limits: &[Limit]) -> Self {
        Self { limits: limits.to_vec(), states: vec![State::default(); limits.len()] }
    }

    /// At `millis` after the beginning.
    fn ask(&mut self, millis: u64, cost: u64, patience: Duration) -> Verdict {
        let now = SECOND + millis * 1000;
        let mut states: Vec<_> =
            self.limits.iter().zip(&self.states).map(|(limit, state)| state.at_time(limit, now)).collect();
        let verdict = decide(&self.limits, &mut states, cost, patience, now);
        if verdict.allowed {
            let written: Vec<u8> = states.iter().flat_map(State::encode).collect();
            self.states =
                self.limits.iter().enumerate().map(|(index, limit)| State::read(&written, index, limit)).collect();
        }
        verdict
    }

    fn at(&mut self, millis: u64, cost: u64) -> (bool, u64, u64) {
        let verdict = self.ask(millis, cost, Duration::ZERO);
        (verdict.allowed, verdict.remaining, verdict.retry_after.as_millis() as u64)
    }
}

#[test]
fn a_fixed_window_begins_with_the_first_and_ends_at_once() {
    let mut bench = Bench::new(&[limit(Policy::FixedWindow, 3, 10)]);
    for (millis, cost, expected) in [
        (0, 1, (true, 2, 0)),
        (9000, 2, (true, 0, 0)),
        (9500, 1, (false, 0, 500)),
        (9500, 0, (true, 0, 0)),
        (10_000, 3, (true, 0, 0)),
        (10_001, 1, (false, 0, 9999)),
        (50_000, 1, (true, 2, 0)),
        (50_000, 3, (false, 2, 10_000)),
    ] {
        assert_eq!(bench.at(millis, cost), expected, "at {millis} for {cost}");
    }
}

#[test]
fn a_sliding_window_forgets_evenly() {
    let mut bench = Bench::new(&[limit(Policy::SlidingWindow, 10, 10)]);
    for (millis, cost, expected) in [
        (0, 10, (true, 0, 0)),
        // The whole of it is in sight until its window ends, and a tenth less each second after.
        (1000, 1, (false, 0, 10_000)),
        (10_000, 1, (false, 0, 1000)),
        (10_999, 1, (false, 0, 1)),
        (11_000, 1, (true, 0, 0)),
        (11_000, 1, (false, 0, 1000)),
        (15_000, 4, (true, 0, 0)),
        // Nothing for two windows: nothing in sight.
        (60_000, 10, (true, 0, 0)),
    ] {
        assert_eq!(bench.at(millis, cost), expected, "at {millis} for {cost}");
    }
}

#[test]
fn never_more_than_the_limit_in_a_sliding_window() {
    // What the weight stands for is spread evenly, so twice the limit is never had around the end of a window.
    let mut bench = Bench::new(&[limit(Policy::SlidingWindow, 100, 1)]);
    let mut passed = Vec::new();
    for millis in 0..5000 {
        if bench.at(millis, 1).0 {
            passed.push(millis);
        }
    }
    for window in passed.iter().map(|start| passed.iter().filter(|at| (*start..*start + 1000).contains(at)).count()) {
        assert!(window <= 200, "{window}");
    }
    let total = passed.len();
    assert!((400..=500).contains(&total), "{total} in five windows");
}

#[test]
fn a_bucket_fills_evenly_and_never_overflows() {
    let mut bench = Bench::new(&[limit(Policy::TokenBucket { amount: 2 }, 5, 1)]);
    for (millis, cost, expected) in [
        (0, 5, (true, 0, 0)),
        (0, 1, (false, 0, 500)),
        (499, 1, (false, 0, 1)),
        (500, 1, (true, 0, 0)),
        (1000, 2, (false, 1, 500)),
        (100_000, 5, (true, 0, 0)),
        (100_000, 5, (false, 0, 2500)),
    ] {
        assert_eq!(bench.at(millis, cost), expected, "at {millis} for {cost}");
    }
}

#[test]
fn who_waits_has_taken_from_what_comes_back() {
    let mut bench = Bench::new(&[limit(Policy::TokenBucket { amount: 1 }, 1, 1)]);
    let patient = Duration::from_secs(2);
    let waits: Vec<_> = (0..4)
        .map(|_| bench.ask(0, 1, patient))
        .map(|verdict| (verdict.allowed, verdict.retry_after.as_secs()))
        .collect();
    assert_eq!(waits, [(true, 0), (true, 1), (true, 2), (false, 3)]);
    let mut window = Bench::new(&[limit(Policy::FixedWindow, 1, 1)]);
    assert!(window.ask(0, 1, patient).allowed);
    assert!(!window.ask(0, 1, patient).allowed, "a window cannot be drawn on before it begins");
}

#[test]
fn several_limits_are_counted_together_or_not_at_all() {
    let mut bench = Bench::new(&[limit(Policy::FixedWindow, 2, 1), limit(Policy::FixedWindow, 3, 60)]);
    let mut at = |millis| {
        let verdict = bench.ask(millis, 1, Duration::ZERO);
        (verdict.allowed, verdict.index, verdict.limit, verdict.remaining)
    };
    assert_eq!(at(0), (true, 0, 2, 1));
    assert_eq!(at(0), (true, 0, 2, 0));
    assert_eq!(at(0), (false, 0, 2, 0));
    // The one that was refused has not been counted by the minute.
    assert_eq!(at(1000), (true, 1, 3, 0));
    assert_eq!(at(1500), (false, 1, 3, 0));
    assert_eq!(at(30_000), (false, 1, 3, 0));
    assert_eq!(at(60_000), (true, 0, 2, 1));
}

#[test]
fn another_limit_begins_anew_and_what_exceeds_it_never_passes() {
    let before = limit(Policy::FixedWindow, 2, 10);
    let mut bench = Bench::new(&[before]);
    assert!(bench.at(0, 2).0);
    bench.limits = vec![limit(Policy::FixedWindow, 3, 10)];
    bench.states =
        bench.states.iter().map(|state| State::read(&state.encode(), 0, &limit(Policy::FixedWindow, 3, 10))).collect();
    assert!(bench.at(0, 3).0, "nothing of the other limit counts");
    let verdict = bench.ask(0, 4, Duration::from_secs(1_000_000));
    assert_eq!((verdict.allowed, verdict.retry_after), (false, Duration::from_micros(u64::MAX)));
}

#[test]
fn no_number_that_is_allowed_overflows() {
    for policy in [
        Policy::FixedWindow,
        Policy::SlidingWindow,
        Policy::TokenBucket { amount: 1 },
        Policy::TokenBucket { amount: MAX_RATE },
    ] {
        let most = Limit { policy, limit: MAX_RATE, interval: super::super::LONGEST };
        let mut bench = Bench::new(&[most]);
        assert!(bench.at(0, MAX_RATE).0);
        for millis in [0, 1, 1 << 30, 1 << 44] {
            bench.at(millis, MAX_RATE);
            bench.ask(millis, MAX_RATE, super::super::LONGEST);
        }
    }
}
