//! The pool as one incarnation sees it, on that incarnation's own thread.

#![forbid(unsafe_code)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Config;
use super::account::Account;
use super::care::{self, Chores};
use super::drift::Heap;
use super::incarnation::{Course, Incarnation};
use super::keeper::Message;
use super::queue::Turn;
use super::roster::FirstBoot;
use super::shared::Shared;
use super::state::Event;
use crate::job::{
    Board, Boundary, Check, Exchange, Exit, Identity, Interrupt, Line, Next, Runtime, Seat, Verdict, Warmup,
};
use crate::telemetry::Place;
use crate::telemetry::events::{CheckFailed, WorkerBoot, WorkerWarmup};

/// How far the script has come, as its loop boundary shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has not reached its loop.
    Booting,
    /// It is in its loop.
    Looping,
    /// It was told to leave.
    Dismissed,
}

#[derive(Debug)]
pub(super) struct WorkerSeat {
    pub(super) shared: Arc<Shared>,
    worker: Arc<Incarnation>,
    stage: Stage,
    chores: Chores,
    line: Option<Line>,
    /// Checks that its application has registered.
    checks: Vec<Arc<str>>,
    /// Whether it has begun one since it was last at its loop.
    checked: bool,
    heap: Heap,
}

/// Body of an incarnation's thread: runs the script to its end and reports that to the keeper.
pub(super) fn occupy(shared: Arc<Shared>, runtime: &dyn Runtime, worker: Arc<Incarnation>) {
    let line = shared.config.board.as_ref().and_then(Board::line);
    let mut seat = WorkerSeat {
        shared,
        worker,
        stage: Stage::Booting,
        chores: Chores::default(),
        line,
        heap: Heap::default(),
        checks: Vec::new(),
        checked: false,
    };
    seat.worker.apply(Event::Launched);
    // The runtime's state goes down with this thread, so nobody sees what a panic may have left half done.
    let exit = catch_unwind(AssertUnwindSafe(|| runtime.run(&mut seat)))
        .unwrap_or_else(|payload| Exit::Panicked { message: panic_message(payload.as_ref()) });
    seat.shared.checks.disown(&seat.checks, seat.worker.identity(), seat.stage != Stage::Booting);
    seat.shared.tell_keeper(Message::Ended { worker: seat.worker, exit });
}

impl WorkerSeat {
    pub(super) fn place(&self) -> Place<'_> {
        self.worker.place()
    }

    pub(super) fn config(&self) -> &Config {
        &self.shared.config
    }

    /// What its slot has come to.
    pub(super) fn account(&self) -> &Account {
        &self.shared.accounts[self.worker.identity().slot as usize]
    }

    /// The script has reached its loop for the first time.
    fn arrive(&mut self) -> Course {
        self.stage = Stage::Looping;
        self.shared.checks.arrive();
        let (course, boot) = self.worker.arrive(self.shared.boot_estimate());
        self.shared.note_boot(boot);
        if let Some(decided) = self.worker.follows() {
            self.shared.counters.successions.observe(decided.elapsed());
        }
        WorkerBoot { place: self.worker.place(), boot }.emit();
        let mut roster = self.shared.roster.lock();
        let first_boot = &mut roster.slot(self.worker.identity().slot).first_boot;
        let before = std::mem::replace(first_boot, FirstBoot::Reached);
        drop(roster);
        self.shared.status.send_modify(|status| status.reached(before));
        course
    }

    /// The script has come back after a request, or after something that it did for itself.
    fn come_back(&self, boundary: &Boundary, tended: bool) -> Course {
        let soft = self.worker.limits().soft_memory;
        // Whether somebody waits is another lock, asked for only where it counts.
        let pressed = soft > 0 && boundary.memory > soft && self.shared.is_pressed();
        let (course, kept) = self.worker.return_with(boundary, tended, pressed, self.shared.boot_estimate());
        if kept && !tended {
            self.account().keep();
        }
        course
    }

    /// Waits for its seat. Once seated it waits as everyone does, and looks after itself meanwhile.
    fn stand_by(&mut self) -> Next {
        match self.worker.receive() {
            Next::Care(_) => care::wait(&self.shared, &self.worker, &mut self.chores, &self.checks),
            mail @ (Next::Job(_) | Next::Stop) => mail,
        }
    }

    /// What is next for a worker that serves.
    fn serve(&mut self, tended: bool) -> Next {
        match self.shared.turn(&self.worker) {
            Turn::Serve(exchange) => {
                self.shared.assign(&self.worker, &exchange);
                Next::Job(exchange)
            }
            Turn::Wait => {
                if tended {
                    self.shared.sink(&self.worker);
                }
                care::wait(&self.shared, &self.worker, &mut self.chores, &self.checks)
            }
            Turn::Leave => {
                self.worker.apply(Event::Dismissed);
                Next::Stop
            }
        }
    }
}

impl Seat for WorkerSeat {
    fn identity(&self) -> &Identity {
        self.worker.identity()
    }

    fn attached(&mut self, interrupt: Arc<dyn Interrupt>) {
        self.worker.attach(interrupt);
    }

    fn declare_check(&mut self, check: Check) {
        let known = self.checks.contains(&check.name);
        let (name, required) = (Arc::clone(&check.name), check.required);
        if !self.shared.checks.declare(check, known) {
            let (pool, error, took) = (&*self.config().name, "the pool has too many checks already", Duration::ZERO);
            CheckFailed { pool, check: &name, required, error, took }.emit();
        } else if !known {
            self.worker.note_check(Arc::clone(&name));
            self.checks.push(name);
        }
    }

    fn begin_check(&mut self, name: &str) -> bool {
        let Some(limit) = self.shared.checks.begin(name, self.worker.identity(), Instant::now()) else { return false };
        self.checked = true;
        self.worker.begin_check(limit);
        // Who watches may have meant to look later than that.
        self.shared.wake_keeper();
        true
    }

    fn end_check(&mut self, verdict: Verdict) {
        self.worker.end_check();
        self.shared.checks.end(verdict, self.worker.identity());
    }

    fn warmed(&mut self, warmup: Warmup) {
        let Warmup { count, failed, took } = warmup;
        self.shared.counters.warmers_failed.fetch_add(failed.into(), Ordering::Relaxed);
        WorkerWarmup { place: self.place(), count, failed, took }.emit();
    }

    fn resetting(&mut self) {
        self.worker.apply(Event::Returned);
    }

    fn done(&mut self, exchange: Box<Exchange>, boundary: &Boundary) {
        // An exchange without an answer is answered by being dropped; what is left of it is dropped with it.
        let Exchange { mut request, body, reply } = *exchange;
        drop((reply, body));
        if self.config().drift_sample > 0 {
            self.shared.drifts.note(&mut self.heap, request.trail.route(), boundary);
        }
        self.close(&mut request, boundary);
    }

    fn next(&mut self, boundary: Boundary) -> Next {
        if let Some(line) = &self.line {
            line.end();
        }
        let tended = self.chores.note(&boundary);
        if !std::mem::take(&mut self.checked) && tended && !self.checks.is_empty() {
            // Another one has had that check before it; what else is due is for the keeper to see.
            self.shared.wake_keeper();
        }
        self.heap.note(&boundary);
        let course = match self.stage {
            // A script that asks again after it was told to leave is told again.
            Stage::Dismissed => return Next::Stop,
            Stage::Booting => self.arrive(),
            Stage::Looping => self.come_back(&boundary, tended),
        };
        if course != (Course::Serve { news: false }) {
            self.shared.wake_keeper();
        }
        let next = match course {
            Course::Serve { .. } => self.serve(tended),
            Course::StandBy => self.stand_by(),
            Course::Leave => Next::Stop,
        };
        if let (Some(line), Next::Job(exchange)) = (&self.line, &next) {
            line.begin(&exchange.request, self.worker.identity());
        }
        if matches!(next, Next::Stop) {
            self.stage = Stage::Dismissed;
            // Who follows need not wait for this thread's end.
            self.shared.wake_keeper();
        }
        next
    }

    fn traces(&self) -> bool {
        self.config().tracer.is_some()
    }

    fn responded(&mut self) {
        self.worker.responded();
    }

    fn located(&mut self, stack: &str) {
        self.worker.located(stack);
    }
}

/// The text of a panic, as far as it has one.
fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "panic without a message".to_owned()
    }
}
