//! Admission: who waits for whom.
//!
//! One desk per pool, behind one lock that is held for a few instructions. It knows the idle workers, last come first
//! taken, and the waiting requests, first come first served. One invariant makes it fair: as long as anybody waits,
//! nobody is idle; so a newcomer that finds an idle worker has overtaken no one.
//!
//! The desk moves exchanges and never drops one: dropping closes files and wakes tasks, which is no work for a lock.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::incarnation::Incarnation;
use crate::job::Exchange;
use crate::telemetry::Rejection;

/// Deadline that stands in for one the clock cannot express: a year from now.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the pool still takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intake {
    /// New requests.
    Open,
    /// Only requests that waited already.
    Draining,
    /// Nothing.
    Closed,
}

/// What became of a new request.
#[derive(Debug)]
pub(super) enum Admission {
    /// This idle worker is its own now; the exchange has to be posted there.
    Dispatch(Arc<Incarnation>, Box<Exchange>),
    /// It waits under this number, behind others or as the first.
    Queued { id: u64, deadline: Instant, first: bool },
    /// It is turned away.
    Refused(Rejection, Box<Exchange>),
}

/// What a worker at its loop boundary does next.
#[derive(Debug)]
pub(super) enum Turn {
    /// Serve a request that has waited.
    Serve(Box<Exchange>),
    /// Wait at the mailbox; the worker is listed as idle.
    Wait,
    /// Leave the loop.
    Leave,
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct Waiting {
    id: u64,
    since: Instant,
    deadline: Instant,
    pub(super) exchange: Box<Exchange>,
}

/// The state behind the lock.
#[derive(Debug)]
pub(super) struct Desk {
    intake: Intake,
    idle: Vec<Arc<Incarnation>>,
    waiting: VecDeque<Waiting>,
    next_id: u64,
    max_queue: usize,
}

impl Desk {
    pub(super) fn new(workers: u32, max_queue: usize) -> Self {
        let idle = Vec::with_capacity(workers as usize);
        Self { intake: Intake::Open, idle, waiting: VecDeque::new(), next_id: 0, max_queue }
    }

    /// Takes a new request. There may be `room` for so many more to wait than usual.
    pub(super) fn admit(&mut self, exchange: Box<Exchange>, queue_timeout: Duration, room: usize) -> Admission {
        if self.intake != Intake::Open {
            return Admission::Refused(Rejection::Draining, exchange);
        }
        if let Some(worker) = self.idle.pop() {
            debug_assert!(self.waiting.is_empty(), "nobody is idle while somebody waits");
            return Admission::Dispatch(worker, exchange);
        }
        if self.waiting.len() >= self.max_queue.saturating_add(room) {
            return Admission::Refused(Rejection::QueueFull, exchange);
        }
        let now = Instant::now();
        let deadline = now.checked_add(queue_timeout).unwrap_or(now + FAR);
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.push_back(Waiting { id, since: now, deadline, exchange });
        Admission::Queued { id, deadline, first: self.waiting.len() == 1 }
    }

    /// Gives a clean worker the request that has waited longest. Those whose deadline has passed are put into `stale`
    /// for the caller to reject: a timer that is late under load must not let an old request run.
    pub(super) fn turn(&mut self, worker: &Arc<Incarnation>, stale: &mut Vec<Waiting>) -> Turn {
        if worker.is_leaving() {
            return Turn::Leave;
        }
        if !self.waiting.is_empty() {
            let now = Instant::now();
            while let Some(waiting) = self.waiting.pop_front() {
                if waiting.deadline > now {
                    return Turn::Serve(waiting.exchange);
                }
                stale.push(waiting);
            }
        }
        if self.intake != Intake::Open {
            return Turn::Leave;
        }
        self.idle.push(Arc::clone(worker));
        Turn::Wait
    }

    /// Takes a waiting request out of the queue; `None` if a worker has it already.
    pub(super) fn withdraw(&mut self, id: u64) -> Option<Box<Exchange>> {
        // Numbers only grow and the queue keeps their order.
        let index = self.waiting.binary_search_by_key(&id, |waiting| waiting.id).ok()?;
        self.waiting.remove(index).map(|waiting| waiting.exchange)
    }

    /// Lets a worker leave at its next turn. Whether it was idle: then it has none, and has to be told.
    pub(super) fn dismiss(&mut self, worker: &Arc<Incarnation>) -> bool {
        worker.set_leaving();
        let index = self.idle.iter().position(|idle| Arc::ptr_eq(idle, worker));
        // In order: who became idle last still serves first.
        index.is_some_and(|index| {
            self.idle.remove(index);
            true
        })
    }

    /// Takes an idle worker that wants to do something for itself off the list, if more than half of `all` are idle or it has been `patient`.
    /// Whether it did; if not, it is still there, or there is mail on its way to it.
    pub(super) fn step_aside(&mut self, worker: &Arc<Incarnation>, all: usize, patient: bool) -> bool {
        let index = self.idle.iter().position(|idle| Arc::ptr_eq(idle, worker));
        let enough = patient || self.idle.len() * 2 > all;
        index.filter(|_| enough).is_some_and(|index| {
            self.idle.remove(index);
            true
        })
    }

    /// Takes the worker that has been idle for longest, of those that have registered one of these checks, off the list, under the same condition.
    pub(super) fn lend(&mut self, due: &[Arc<str>], all: usize, patient: bool) -> Option<Arc<Incarnation>> {
        let enough = patient || self.idle.len() * 2 > all;
        let index = self.idle.iter().position(|idle| idle.has_check_of(due)).filter(|_| enough)?;
        Some(self.idle.remove(index))
    }

    /// Lists an idle worker as the one that is idle for longest, so that doing something for itself has not made it the first to serve.
    pub(super) fn sink(&mut self, worker: &Arc<Incarnation>) {
        if let Some(index) = self.idle.iter().position(|idle| Arc::ptr_eq(idle, worker)) {
            self.idle[..=index].rotate_right(1);
        }
    }

    /// Refuses new requests from now on and gives out the idle workers, which have to be told to leave.
    pub(super) fn drain(&mut self) -> Vec<Arc<Incarnation>> {
        if self.intake == Intake::Open {
            self.intake = Intake::Draining;
        }
        std::mem::take(&mut self.idle)
    }

    /// Ends the wait of all requests and gives them out, which have to be failed.
    pub(super) fn close(&mut self) -> VecDeque<Waiting> {
        self.intake = Intake::Closed;
        std::mem::take(&mut self.waiting)
    }

    /// Whether a worker that has ended should be replaced.
    pub(super) fn wants_workers(&self) -> bool {
        match self.intake {
            Intake::Open => true,
            Intake::Draining => !self.waiting.is_empty(),
            Intake::Closed => false,
        }
    }

    /// What is taken on.
    pub(super) fn intake(&self) -> Intake {
        self.intake
    }

    /// Number of idle workers.
    pub(super) fn available(&self) -> usize {
        self.idle.len()
    }

    /// Since when the first of those waits who wait.
    pub(super) fn longest(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.since)
    }

    /// Number of waiting requests.
    pub(super) fn depth(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::fake::{exchange, incarnation, path_of};

    const LONG: Duration = Duration::from_secs(60);

    fn queued(desk: &mut Desk, path: &str, timeout: Duration) -> u64 {
        match desk.admit(exchange(path), timeout, 0) {
            Admission::Queued { id, .. } => id,
            other => panic!("{path} not queued: {other:?}"),
        }
    }

    fn served(desk: &mut Desk) -> Option<String> {
        match desk.turn(&incarnation(0), &mut Vec::new()) {
            Turn::Serve(exchange) => Some(path_of(&exchange.request)),
            Turn::Wait | Turn::Leave => None,
        }
    }

    #[test]
    fn idle_workers_are_taken_last_in_first_out() {
        let mut desk = Desk::new(3, 10);
        for slot in [1, 0, 2] {
            assert!(matches!(desk.turn(&incarnation(slot), &mut Vec::new()), Turn::Wait));
        }
        for expected in [2, 0, 1] {
            let admission = desk.admit(exchange("/"), LONG, 0);
            assert!(matches!(admission, Admission::Dispatch(worker, _) if worker.identity().slot == expected));
        }
        assert!(matches!(desk.admit(exchange("/"), LONG, 0), Admission::Queued { .. }));
    }

    #[test]
    fn half_of_the_workers_stay_at_hand() {
        let mut desk = Desk::new(4, 10);
        let workers: Vec<_> = (0..4).map(incarnation).collect();
        assert!(!desk.step_aside(&workers[0], 4, true), "it is not idle");
        for worker in &workers {
            assert!(matches!(desk.turn(worker, &mut Vec::new()), Turn::Wait));
        }
        assert!(desk.step_aside(&workers[1], 4, false));
        assert!(!desk.step_aside(&workers[1], 4, false), "once");
        assert!(desk.step_aside(&workers[0], 4, false));
        assert!(!desk.step_aside(&workers[3], 4, false), "two of four are left");
        assert!(desk.step_aside(&workers[3], 4, true), "who was patient goes");
        assert!(matches!(desk.turn(&workers[3], &mut Vec::new()), Turn::Wait));
        desk.sink(&workers[3]);
        for expected in [2, 3] {
            let admission = desk.admit(exchange("/"), LONG, 0);
            assert!(matches!(admission, Admission::Dispatch(worker, _) if worker.identity().slot == expected));
        }
        assert!(!desk.step_aside(&workers[2], 4, true), "it has a request");
    }

    #[test]
    fn who_is_lent_has_registered_what_is_due() {
        let mut desk = Desk::new(3, 10);
        let workers: Vec<_> = (0..3).map(incarnation).collect();
        for (worker, name) in workers.iter().zip(["one", "two"]) {
            worker.note_check(name.into());
        }
        for worker in &workers {
            assert!(matches!(desk.turn(worker, &mut Vec::new()), Turn::Wait));
        }
        assert!(desk.lend(&["none".into()], 3, true).is_none());
        for _ in 0..2 {
            let lent = desk.lend(&["two".into()], 3, false).expect("enough are idle");
            assert_eq!(lent.identity().slot, 1, "and not the one that has waited for longest");
            assert!(matches!(desk.turn(&lent, &mut Vec::new()), Turn::Wait));
            desk.sink(&lent);
        }
        let due = ["two".into(), "one".into()];
        assert!(desk.lend(&due, 4, true).is_some() && desk.lend(&due, 4, false).is_none(), "half stay at hand");
    }

    #[test]
    fn waiting_requests_are_served_in_order_without_those_withdrawn() {
        let mut desk = Desk::new(1, 10);
        let ids: Vec<u64> = ["/a", "/b", "/c", "/d"].into_iter().map(|path| queued(&mut desk, path, LONG)).collect();
        assert_eq!(path_of(&desk.withdraw(ids[1]).expect("waits").request), "/b");
        assert!(desk.withdraw(ids[1]).is_none(), "only once");
        assert_eq!(served(&mut desk).as_deref(), Some("/a"));
        assert!(desk.withdraw(ids[0]).is_none(), "a worker has it");
        assert_eq!(served(&mut desk).as_deref(), Some("/c"));
        assert_eq!(served(&mut desk).as_deref(), Some("/d"));
        assert_eq!(served(&mut desk), None);
    }

    #[test]
    fn stale_requests_reach_no_worker() {
        let mut desk = Desk::new(1, 10);
        queued(&mut desk, "/late", Duration::ZERO);
        queued(&mut desk, "/later", Duration::ZERO);
        queued(&mut desk, "/good", LONG);
        let mut stale = Vec::new();
        assert!(matches!(desk.turn(&incarnation(0), &mut stale), Turn::Serve(e) if path_of(&e.request) == "/good"));
        let stale: Vec<String> = stale.iter().map(|waiting| path_of(&waiting.exchange.request)).collect();
        assert_eq!(stale, ["/late", "/later"]);
    }

    #[test]
    fn the_queue_is_bounded_and_counts_only_those_who_wait() {
        let mut desk = Desk::new(1, 0);
        assert!(matches!(desk.turn(&incarnation(0), &mut Vec::new()), Turn::Wait));
        assert!(matches!(desk.admit(exchange("/"), LONG, 0), Admission::Dispatch(..)));
        assert!(matches!(desk.admit(exchange("/"), LONG, 0), Admission::Refused(Rejection::QueueFull, _)));
        assert!(matches!(desk.admit(exchange("/"), LONG, 1), Admission::Queued { first: true, .. }), "there is room");
        assert!(matches!(desk.admit(exchange("/"), LONG, 1), Admission::Refused(Rejection::QueueFull, _)));
    }

    #[test]
    fn drain_serves_what_waits_and_close_does_not() {
        let mut desk = Desk::new(2, 10);
        queued(&mut desk, "/a", LONG);
        queued(&mut desk, "/b", LONG);
        assert!(desk.drain().is_empty());
        assert!(desk.wants_workers());
        assert!(matches!(desk.admit(exchange("/"), LONG, 0), Admission::Refused(Rejection::Draining, _)));
        assert_eq!(served(&mut desk).as_deref(), Some("/a"));
        assert_eq!(desk.close().len(), 1);
        assert!(!desk.wants_workers());
        assert!(desk.drain().is_empty());
        assert_eq!(desk.intake(), Intake::Closed, "a later drain does not open it again");
        assert!(matches!(desk.turn(&incarnation(0), &mut Vec::new()), Turn::Leave));
    }

    #[test]
    fn who_is_dismissed_takes_no_further_turn() {
        let mut desk = Desk::new(3, 10);
        let workers: Vec<_> = (0..3).map(incarnation).collect();
        for worker in &workers[..2] {
            assert!(matches!(desk.turn(worker, &mut Vec::new()), Turn::Wait));
        }
        assert!(desk.dismiss(&workers[0]), "it was idle and has to be told");
        assert!(!desk.dismiss(&workers[2]), "it is busy and will hear it");
        assert_eq!(desk.available(), 1);
        queued_behind(&mut desk);
        assert!(matches!(desk.turn(&workers[2], &mut Vec::new()), Turn::Leave), "although somebody waits");
        assert!(matches!(desk.turn(&workers[1], &mut Vec::new()), Turn::Serve(_)));
    }

    /// One request for the idle worker, one that waits.
    fn queued_behind(desk: &mut Desk) {
        assert!(matches!(desk.admit(exchange("/"), LONG, 0), Admission::Dispatch(..)));
        queued(desk, "/", LONG);
    }

    #[test]
    fn a_timeout_beyond_the_clock_is_no_panic() {
        queued(&mut Desk::new(1, 1), "/", Duration::MAX);
    }
}
