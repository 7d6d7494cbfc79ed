//! Slow requests: reported when they are over, with the time that each phase took; and, once, while they run, with where their script is.
//!
//! Who asks is the keeper; the script answers on its own thread. One that waits in a system call or computes in a library cannot answer: that
//! is reported then, and where it was as soon as it comes back. A request that is not slow costs nothing.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::account::Finished;
use super::incarnation::Incarnation;
use crate::telemetry::events::{RequestSlow, RequestStack};

/// How long an answer is waited for. A script that runs PHP code comes by a jump or a call within microseconds; its thread may have
/// to wait for a CPU.
const PATIENCE: Duration = Duration::from_millis(100);

/// What has been asked and said about the latest slow request of an incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slow {
    /// Which one, as the incarnation counts them; 0: none yet.
    number: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// Where it is has been told.
    #[default]
    Told,
    /// It has been asked, then.
    Asked(Instant),
    /// It has been told that there is no answer; one may still come.
    Silent,
}

impl Slow {
    fn of(&self, number: u64) -> Option<Stage> {
        (self.number == number).then_some(self.stage)
    }
}

impl Incarnation {
    /// Asks a request that has become slow where it is, and tells of one that does not answer.
    pub(super) fn look_at_slow(&self, now: Instant, limit: Duration) {
        let Some((number, since)) = self.running() else { return };
        let mut slow = self.slow.lock();
        match slow.of(number) {
            None if now.saturating_duration_since(since) >= limit => {
                *slow = Slow { number, stage: Stage::Asked(now) };
                drop(slow);
                self.locate();
            }
            Some(Stage::Asked(at)) if now.saturating_duration_since(at) >= PATIENCE => {
                slow.stage = Stage::Silent;
                drop(slow);
                let missing = self.waits_in().map_or_else(
                    || "the script computes outside of PHP code".to_owned(),
                    |call| format!("the script waits in {call}"),
                );
                self.tell_of_slow(None, Some(&missing));
            }
            None | Some(_) => {}
        }
    }

    /// When to do so again.
    pub(super) fn next_look_at_slow(&self, limit: Duration) -> Option<Instant> {
        let (number, since) = self.running()?;
        match self.slow.lock().of(number) {
            None => since.checked_add(limit),
            Some(Stage::Asked(at)) => Some(at + PATIENCE),
            Some(Stage::Told | Stage::Silent) => None,
        }
    }

    /// The script says where it is. An answer to the question about a former request is none.
    pub(super) fn located(&self, stack: &str) {
        let Some((number, _)) = self.running() else { return };
        let mut slow = self.slow.lock();
        if matches!(slow.of(number), None | Some(Stage::Told)) {
            return;
        }
        slow.stage = Stage::Told;
        drop(slow);
        self.tell_of_slow(Some(stack), None);
    }

    fn tell_of_slow(&self, stack: Option<&str>, missing: Option<&str>) {
        let Some(request) = self.current() else { return };
        RequestStack {
            place: self.place(),
            request_id: &request.request_id,
            method: &request.method,
            path: &request.path,
            elapsed: request.elapsed,
            stack,
            missing,
        }
        .emit();
    }
}

impl Finished<'_> {
    /// Reports it if its client, or the worker, had to wait for longer than that. How long its body took to arrive is the client's affair.
    pub(super) fn report_slow(&self, limit: Duration) {
        let phases = &self.phases;
        let took = phases.queue + phases.boot + phases.php + phases.terminate;
        if took < limit {
            return;
        }
        let request = self.request;
        let uri = request.display(request.uri);
        RequestSlow {
            place: self.place,
            request_id: &request.display(request.request_id),
            trace_id: request.trace.map(|trace| trace.id),
            method: &request.display(request.method),
            path: uri.split('?').next().unwrap_or_default(),
            route: request.trail.route().told(),
            status: self.status,
            outcome: self.outcome.label(),
            took,
            receive: phases.receive,
            queue: phases.queue,
            boot: phases.boot,
            php: phases.php,
            terminate: phases.terminate,
            reset: phases.reset,
            memory_peak: self.boundary.memory_peak,
        }
        .emit();
    }
}
