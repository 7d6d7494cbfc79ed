//! How many workers a pool wants: one pure decision from what waits and who is idle.
//!
//! Up: when a request has waited for a while. As many as wait, but no more than half of those who serve already, and those that boot
//! count: one request that waits starts one thread, a crowd makes the pool grow by halves. Down: the one that has been idle longest, one
//! at a time; or all at once down to the least when nobody has asked for anything.

#![forbid(unsafe_code)]

use std::time::Duration;

/// How long a request waits before another worker is started for it: longer than the moment in which a worker becomes free, shorter than
/// what a client feels.
pub(super) const UP_AFTER: Duration = Duration::from_millis(50);

/// Least time between two workers that are ended one at a time.
const DOWN_PAUSE: Duration = Duration::from_secs(1);

/// When a pool becomes smaller again. 0 is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScaleDown {
    /// A worker that has been idle for so long is ended, one at a time.
    pub idle: Duration,
    /// When all workers have been idle for so long, those beyond the least number are ended at once.
    pub aggressive: Duration,
}

/// Which way a pool has scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It has more workers.
    Up,
    /// It has fewer.
    Down,
}

impl Direction {
    /// Both, in the order of their discriminants.
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// The value of the label `direction` in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    /// Requests that wait.
    pub(super) waiting: usize,
    /// How long the first of them does.
    pub(super) longest: Duration,
    /// Workers that serve.
    pub(super) serving: u32,
    /// Slots that somebody is wanted in.
    pub(super) wanted: u32,
    pub(super) least: u32,
    pub(super) most: u32,
    /// How long the worker has been idle that has been longest; none if none is.
    pub(super) coldest: Option<Duration>,
    /// How long all workers have been idle; none if one is not.
    pub(super) quiet: Option<Duration>,
    /// Time since the last worker was ended.
    pub(super) since_down: Duration,
}

/// What is to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// So many more.
    Up(u32),
    /// So many fewer.
    Down(u32),
}

/// Whether the pool wants more workers or fewer.
#[must_use]
pub(super) fn scale(load: &Load, down: &ScaleDown) -> Option<Scale> {
    if load.waiting > 0 {
        let coming = load.wanted.saturating_sub(load.serving);
        let missing = u32::try_from(load.waiting).unwrap_or(u32::MAX).saturating_sub(coming);
        let step = missing.min((load.serving / 2).max(1)).min(load.most.saturating_sub(load.wanted));
        return (step > 0 && load.longest >= UP_AFTER).then_some(Scale::Up(step));
    }
    let surplus = load.wanted.saturating_sub(load.least);
    if surplus == 0 {
        return None;
    }
    let past = |limit: Duration, time: Option<Duration>| !limit.is_zero() && time.is_some_and(|time| time >= limit);
    if past(down.aggressive, load.quiet) {
        return Some(Scale::Down(surplus));
    }
    let paused = load.since_down < DOWN_PAUSE.min(down.idle);
    (past(down.idle, load.coldest) && !paused).then_some(Scale::Down(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn load() -> Load {
        Load {
            waiting: 0,
            longest: Duration::ZERO,
            serving: 4,
            wanted: 4,
            least: 2,
            most: 16,
            coldest: Some(seconds(60)),
            quiet: Some(seconds(60)),
            since_down: seconds(60),
        }
    }

    fn crowd(waiting: usize, serving: u32, wanted: u32) -> Load {
        Load { waiting, longest: UP_AFTER, serving, wanted, coldest: None, quiet: None, ..load() }
    }

    #[test]
    fn a_pool_grows_with_its_queue_and_not_beyond() {
        let cases = [
            ("one request, one thread", crowd(1, 4, 4), Some(Scale::Up(1))),
            ("it boots already", crowd(1, 4, 5), None),
            ("a crowd, half as many again", crowd(1000, 4, 4), Some(Scale::Up(2))),
            ("no more while those boot that are enough", crowd(2, 4, 6), None),
            ("from one", crowd(1000, 1, 1), Some(Scale::Up(1))),
            ("from none", crowd(3, 0, 0), Some(Scale::Up(1))),
            ("up to the most", crowd(1000, 15, 15), Some(Scale::Up(1))),
            ("not beyond", crowd(1000, 16, 16), None),
            ("not for a moment", Load { longest: UP_AFTER / 2, ..crowd(1000, 4, 4) }, None),
        ];
        for (name, load, expected) in cases {
            assert_eq!(scale(&load, &ScaleDown { idle: seconds(1), aggressive: seconds(1) }), expected, "{name}");
        }
    }

    #[test]
    fn a_pool_shrinks_as_it_is_told() {
        let never = ScaleDown::default();
        let smooth = ScaleDown { idle: seconds(30), ..never };
        let sharp = ScaleDown { aggressive: seconds(30), ..never };
        let both = ScaleDown { idle: seconds(300), aggressive: seconds(30) };
        let cases = [
            ("never", load(), never, None),
            ("one at a time", load(), smooth, Some(Scale::Down(1))),
            ("with a pause", Load { since_down: Duration::from_millis(10), ..load() }, smooth, None),
            ("though others are busy", Load { quiet: None, ..load() }, smooth, Some(Scale::Down(1))),
            ("not before its time", Load { coldest: Some(seconds(29)), ..load() }, smooth, None),
            ("all at once", load(), sharp, Some(Scale::Down(2))),
            ("not while one is busy", Load { quiet: None, ..load() }, sharp, None),
            ("the shorter one acts early", load(), both, Some(Scale::Down(2))),
            ("not below the least", Load { serving: 2, wanted: 2, ..load() }, both, None),
            ("not while somebody waits", Load { waiting: 1, ..load() }, sharp, None),
        ];
        for (name, load, down, expected) in cases {
            assert_eq!(scale(&load, &down), expected, "{name}");
        }
    }
}
