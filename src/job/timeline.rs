//! When what happened to one request.
//!
//! Whoever has a part in a request notes its moments, each once: `http` its acceptance, `pool` the queue, `php` the script. A note is a relaxed
//! store; who reads has got the request from the one who wrote, or bears an answer that is a moment old.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What happens to a request after it has been accepted, in this order. Not every request comes to all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Its body is there, and it asks the pool for a worker.
    Queued,
    /// A worker has it.
    Started,
    /// PHP has begun the request, and the first line of the handler, or of the script, is about to run.
    Script,
    /// The head of the response leaves.
    FirstByte,
    /// The worker has handed over the last byte of the response. After [`Moment::Returned`] in classic mode, where output is flushed last.
    Responded,
    /// The handler is back and has done what it does after the response (terminate, shutdown functions).
    Returned,
    /// Nothing of it is left in the worker.
    Reset,
}

/// Number of moments.
const MOMENTS: usize = Moment::Reset as usize + 1;

/// The moments of one request.
#[derive(Debug)]
pub struct Timeline {
    accepted: Instant,
    /// Nanoseconds since acceptance; 0: not yet.
    moments: [AtomicU64; MOMENTS],
}

/// How long a request took for what. A phase that it did not come to is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// For its body to arrive.
    pub receive: Duration,
    /// For a worker.
    pub queue: Duration,
    /// For PHP to begin it: thread, superglobals; in classic mode the whole start of a request.
    pub boot: Duration,
    /// For the script, until the response had been handed over or the script was back, whichever came first.
    pub php: Duration,
    /// For what the script did after the response.
    pub terminate: Duration,
    /// For resetters and the reset of the engine.
    pub reset: Duration,
}

impl Timeline {
    /// Of a request that was accepted then.
    pub fn new(accepted: Instant) -> Self {
        Self { accepted, moments: Default::default() }
    }

    /// When the head of the request had been read.
    pub fn accepted(&self) -> Instant {
        self.accepted
    }

    /// Notes that it happens now.
    pub fn mark(&self, moment: Moment) {
        self.note(moment, Instant::now());
    }

    /// Notes that it happened then. The first note counts.
    pub fn note(&self, moment: Moment, at: Instant) {
        let nanos = u64::try_from(at.saturating_duration_since(self.accepted).as_nanos()).unwrap_or(u64::MAX);
        let place = &self.moments[moment as usize];
        // Each moment has one writer at a time, so nothing gets lost between the two.
        if place.load(Ordering::Relaxed) == 0 {
            place.store(nanos.max(1), Ordering::Relaxed);
        }
    }

    /// When it happened, if it has.
    pub fn at(&self, moment: Moment) -> Option<Instant> {
        self.since_accepted(moment).map(|after| self.accepted + after)
    }

    /// How long after acceptance it happened, if it has.
    pub fn since_accepted(&self, moment: Moment) -> Option<Duration> {
        match self.moments[moment as usize].load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// How long it took for what.
    pub fn phases(&self) -> Phases {
        let at = |moment| self.since_accepted(moment);
        let between = |from: Option<Duration>, to: Option<Duration>| match (from, to) {
            (Some(from), Some(to)) => to.saturating_sub(from),
            _ => Duration::ZERO,
        };
        let (responded, returned) = (at(Moment::Responded), at(Moment::Returned));
        let answered = [responded, returned].into_iter().flatten().min();
        Phases {
            receive: at(Moment::Queued).unwrap_or_default(),
            queue: between(at(Moment::Queued), at(Moment::Started)),
            boot: between(at(Moment::Started), at(Moment::Script)),
            php: between(at(Moment::Script), answered),
            terminate: between(responded, returned),
            reset: between(returned, at(Moment::Reset)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(moments: &[(Moment, u64)]) -> Timeline {
        let timeline = Timeline::new(Instant::now());
        for (moment, millis) in moments {
            timeline.note(*moment, timeline.accepted() + Duration::from_millis(*millis));
        }
        timeline
    }

    #[test]
    fn phases_follow_each_other() {
        use Moment as M;
        let ms = Duration::from_millis;
        let start = [(M::Queued, 1), (M::Started, 3), (M::Script, 6)];
        let with = |rest: &[(Moment, u64)]| noted(&[&start[..], rest].concat()).phases();
        let begun = Phases { receive: ms(1), queue: ms(2), boot: ms(3), ..Phases::default() };
        let cases = [
            (
                "a worker's",
                with(&[(M::FirstByte, 9), (M::Responded, 10), (M::Returned, 15), (M::Reset, 21)]),
                Phases { php: ms(4), terminate: ms(5), reset: ms(6), ..begun },
            ),
            (
                "one that answers last",
                with(&[(M::Returned, 10), (M::Responded, 15), (M::Reset, 15)]),
                Phases { php: ms(4), reset: ms(5), ..begun },
            ),
            ("one that hangs", with(&[]), begun),
            ("one that waits", noted(&start[..1]).phases(), Phases { receive: ms(1), ..Phases::default() }),
        ];
        for (name, got, expected) in cases {
            assert_eq!(got, expected, "{name}");
        }
    }

    #[test]
    fn the_first_note_counts_and_time_never_runs_back() {
        let timeline = noted(&[(Moment::Responded, 5), (Moment::Responded, 7)]);
        assert_eq!(timeline.since_accepted(Moment::Responded), Some(Duration::from_millis(5)));
        timeline.note(Moment::Queued, timeline.accepted().checked_sub(Duration::from_secs(1)).expect("a past"));
        assert_eq!(timeline.at(Moment::Queued), Some(timeline.accepted() + Duration::from_nanos(1)));
        assert_eq!(timeline.at(Moment::Reset), None);
    }
}
