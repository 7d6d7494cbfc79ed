//! What a pool's handle, its workers' threads and its keeper have in common.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::account::{Account, Accounts};
use super::checks::Checks;
use super::counters::Counters;
use super::drift::Drifts;
use super::incarnation::Incarnation;
use super::keeper::Message;
use super::queue::{Admission, Desk, Intake, Turn};
use super::recent;
use super::roster::{Roster, Slot};
use super::snapshot::PoolSnapshot;
use super::state::Event;
use super::status::Status;
use super::ticket::Ticket;
use super::{Config, RecycleMode, Selection};
use crate::job::{Care, Exchange, Failure, Next};
use crate::telemetry::events::RequestRejected;
use crate::telemetry::{RecycleReason, Rejection};

/// The common state of one pool.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) roster: Mutex<Roster>,
    pub(super) counters: Counters,
    pub(super) recent: recent::Lists,
    /// One for each slot.
    pub(super) accounts: Box<[Account]>,
    pub(super) drifts: Drifts,
    pub(super) status: watch::Sender<Status>,
    pub(super) checks: Checks,
    /// Microseconds that a boot takes, averaged over the last few; 0 before the first.
    boot_micros: AtomicU64,
    /// Whether the pool may have more workers than now.
    pub(super) may_grow: AtomicBool,
    desk: Mutex<Desk>,
    keeper: Sender<Message>,
    /// How often the keeper has looked.
    #[cfg(test)]
    pub(super) turns: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: Config, keeper: Sender<Message>) -> Self {
        let (pool, workers, most) = (&config.name, config.workers, config.max);
        Self {
            #[cfg(test)]
            turns: AtomicU64::new(0),
            roster: Mutex::new(Roster::new(pool.clone(), most, workers)),
            counters: Counters::default(),
            recent: recent::Lists::default(),
            drifts: Drifts::default(),
            accounts: (0..most).map(|_| Account::default()).collect(),
            checks: Checks::new(config.health),
            status: watch::Sender::new(Status::new(pool.clone(), workers)),
            boot_micros: AtomicU64::new(0),
            may_grow: AtomicBool::new(workers < most),
            desk: Mutex::new(Desk::new(most, config.max_queue)),
            keeper,
            config,
        }
    }

    /// Gives an exchange to an idle worker (`None`) or into the queue (its ticket).
    pub(super) fn admit(&self, exchange: Box<Exchange>) -> Result<Option<Ticket<'_>>, Failure> {
        let mut admission = self.desk.lock().admit(exchange, self.config.queue_timeout, 0);
        if let Admission::Refused(Rejection::QueueFull, exchange) = admission {
            let room = self.room();
            admission = self.desk.lock().admit(exchange, self.config.queue_timeout, room);
        }
        match admission {
            Admission::Dispatch(worker, exchange) => {
                self.hand(&worker, exchange);
                Ok(None)
            }
            Admission::Queued { id, deadline, first } => {
                if first && self.may_grow.load(Ordering::Relaxed) {
                    self.wake_keeper();
                }
                Ok(Some(Ticket::new(self, id, deadline)))
            }
            Admission::Refused(cause, exchange) => Err(self.reject(cause, *exchange)),
        }
    }

    /// How many may wait beyond the limit, because a worker is about to be free for each, or can still be started: a pool that could
    /// serve refuses nobody. Asked only when a request is about to be refused.
    fn room(&self) -> usize {
        if self.config.max_queue >= super::MAX_QUEUE {
            // That bound protects the memory, whoever is free.
            return 0;
        }
        self.roster.lock().slots.iter().filter(|slot| slot.has_room()).count()
    }

    /// Puts a request into the box of a worker that has been taken off the idle list, or has never been on it.
    fn hand(&self, worker: &Incarnation, exchange: Box<Exchange>) {
        self.assign(worker, &exchange);
        // An idle worker's box has room. Were it not so, the exchange would be dropped here and so report a lost worker.
        drop(worker.post(Next::Job(exchange)));
    }

    /// Notes that a worker has a request; if it is its last one, its seat is free.
    pub(super) fn assign(&self, worker: &Incarnation, exchange: &Exchange) {
        if worker.assign(exchange) {
            self.wake_keeper();
        }
    }

    /// Asks for work in the name of a clean worker.
    pub(super) fn turn(&self, worker: &Arc<Incarnation>) -> Turn {
        let mut stale = Vec::new();
        let turn = self.desk.lock().turn(worker, &mut stale);
        for waiting in stale {
            self.reject(Rejection::QueueTimeout, *waiting.exchange);
        }
        turn
    }

    /// Takes an idle worker off the list, so that it can do something for itself; whether it may.
    pub(super) fn step_aside(&self, worker: &Arc<Incarnation>, patient: bool) -> bool {
        // Who is there now, not who could be: a pool that has shrunk has fewer.
        let all = self.roster.lock().slots.iter().filter(|slot| slot.seated.is_some()).count();
        self.desk.lock().step_aside(worker, all, patient)
    }

    /// Has an idle worker run the application's checks; whether there is one to spare.
    pub(super) fn lend(&self, patient: bool) -> bool {
        let all = self.roster.lock().slots.iter().filter(|slot| slot.seated.is_some()).count();
        let due = self.checks.names_due(Instant::now());
        let lent = self.desk.lock().lend(&due, all, patient);
        let Some(worker) = lent else { return false };
        worker.tend();
        // An idle worker's box has room, as in `hand`.
        drop(worker.post(Next::Care(Care { check: true, ..Care::default() })));
        true
    }

    /// Lists a worker that has done something for itself behind the others.
    pub(super) fn sink(&self, worker: &Arc<Incarnation>) {
        self.desk.lock().sink(worker);
    }

    /// Lets a worker that has got its seat, or has waited there for its successor in vain, take part, if it stood by; one that boots
    /// will come by itself.
    pub(super) fn seat(&self, worker: &Arc<Incarnation>) {
        if !worker.seat() {
            return;
        }
        // Nothing to do but to wait from now on as one that is idle. Before the turn, after which others may write to it.
        drop(worker.post(Next::Care(Care::default())));
        match self.turn(worker) {
            Turn::Serve(exchange) => self.hand(worker, exchange),
            Turn::Wait => {}
            Turn::Leave => self.send_away(worker),
        }
    }

    /// Lets a worker leave: at once if it waits for a request or for its seat, else at its next boundary.
    pub(super) fn dismiss(&self, worker: &Arc<Incarnation>, reason: RecycleReason) {
        worker.note_leave(reason);
        let idle = self.desk.lock().dismiss(worker);
        if idle {
            self.send_away(worker);
        } else if worker.dismiss_parked() {
            // Who stands by gets no other mail, so there is room in the box.
            drop(worker.post(Next::Stop));
        }
    }

    /// Has incarnations replaced; brings how many.
    pub(super) fn recycle(&self, selection: Selection, reason: RecycleReason, mode: RecycleMode) -> usize {
        let roster = self.roster.lock();
        let chosen = roster.slots.iter().enumerate().filter(|(index, _)| match selection {
            Selection::All => true,
            Selection::Slot(wanted) => u32::try_from(*index) == Ok(wanted),
        });
        let seated = |slot: &Slot| slot.seated.iter().cloned().collect::<Vec<_>>();
        let both = |slot: &Slot| slot.seated.iter().chain(&slot.successor).cloned().collect();
        let workers: Vec<_> = match mode {
            RecycleMode::MakeBeforeBreak => chosen.flat_map(|(_, slot)| seated(slot)).collect(),
            RecycleMode::Break => chosen.flat_map(|(_, slot)| -> Vec<_> { both(slot) }).collect(),
        };
        drop(roster);
        let living: Vec<_> = workers.iter().filter(|worker| !worker.sight().state.has_ended()).collect();
        for worker in &living {
            match mode {
                RecycleMode::MakeBeforeBreak => worker.make_due(reason),
                RecycleMode::Break => self.dismiss(worker, reason),
            }
        }
        self.wake_keeper();
        living.len()
    }

    /// Tells a worker that waits at its box.
    fn send_away(&self, worker: &Incarnation) {
        worker.apply(Event::Dismissed);
        // The box has room, as in `hand`.
        drop(worker.post(Next::Stop));
    }

    /// Takes a request out of the queue; `None` if a worker has it already.
    pub(super) fn withdraw(&self, id: u64) -> Option<Box<Exchange>> {
        let mut desk = self.desk.lock();
        let exchange = desk.withdraw(id);
        let may_end = desk.intake() != Intake::Open && desk.depth() == 0;
        drop(desk);
        if may_end {
            // Slots in back-off were kept for those who waited.
            self.wake_keeper();
        }
        exchange
    }

    /// Answers a request that reaches no worker, counts and reports it.
    pub(super) fn reject(&self, cause: Rejection, exchange: Exchange) -> Failure {
        let failure = match cause {
            Rejection::QueueFull => Failure::QueueFull,
            Rejection::QueueTimeout => Failure::QueueTimeout,
            Rejection::Draining => Failure::Draining,
        };
        let request = &exchange.request;
        RequestRejected {
            pool: &self.config.name,
            request_id: &request.display(request.request_id),
            cause,
            waited: request.accepted.elapsed(),
        }
        .emit();
        self.counters.reject(cause);
        self.recent.rejected(request, cause, failure.status());
        exchange.reply.fail(failure);
        failure
    }

    /// Refuses new requests and sends idle workers away; busy ones leave when nobody waits any more.
    pub(super) fn drain(&self) {
        let idle = self.desk.lock().drain();
        for worker in idle {
            self.send_away(&worker);
        }
        self.wake_keeper();
    }

    /// Fails everyone who waits; no worker gets a request any more.
    pub(super) fn close(&self) {
        let queue = self.desk.lock().close();
        for waiting in queue {
            self.reject(Rejection::Draining, *waiting.exchange);
        }
        self.wake_keeper();
    }

    /// Whether a worker that has ended should be replaced.
    pub(super) fn wants_workers(&self) -> bool {
        self.desk.lock().wants_workers()
    }

    /// Whether somebody waits for a worker.
    pub(super) fn is_pressed(&self) -> bool {
        self.desk.lock().depth() > 0
    }

    /// How many requests wait, and since when the first of them does.
    pub(super) fn pressure(&self) -> (usize, Option<Instant>) {
        let desk = self.desk.lock();
        (desk.depth(), desk.longest())
    }

    /// Notes how long a boot has taken.
    pub(super) fn note_boot(&self, boot: Duration) {
        self.counters.boots.observe(boot);
        let new = u64::try_from(boot.as_micros()).unwrap_or(u64::MAX);
        let old = self.boot_micros.load(Ordering::Relaxed);
        // Two boots at the same time may lose one of them, which an average bears.
        self.boot_micros.store(if old == 0 { new } else { (old / 4 * 3).saturating_add(new / 4) }, Ordering::Relaxed);
    }

    /// How long the next boot will take.
    pub(super) fn boot_estimate(&self) -> Duration {
        Duration::from_micros(self.boot_micros.load(Ordering::Relaxed))
    }

    /// Reports the end of an incarnation. The keeper outlives every thread that reports to it, and never waits for one that does.
    pub(super) fn tell_keeper(&self, message: Message) {
        drop(self.keeper.send(message));
    }

    /// Makes the keeper look again. A full inbox means that it is about to.
    pub(super) fn wake_keeper(&self) {
        drop(self.keeper.try_send(Message::Wake));
    }

    pub(super) fn snapshot(&self) -> PoolSnapshot {
        let roster = self.roster.lock();
        let (workers, served) = roster.snapshot();
        let wanted = roster.wanted();
        drop(roster);
        let desk = self.desk.lock();
        let (queue_depth, available) = (desk.depth(), desk.available());
        let draining = desk.intake() != Intake::Open;
        drop(desk);
        PoolSnapshot {
            name: self.config.name.clone(),
            workers,
            wanted,
            least: self.config.min,
            most: self.config.max,
            queue_depth,
            available,
            draining,
            served,
            abandoned: self.counters.abandoned(),
            rejected: self.counters.rejected(),
            restarts: self.counters.restarts(),
            recycles: self.counters.recycles(),
            drifts: self.drifts.kinds(),
            slopes: self.drifts.slopes(),
            scaled: self.counters.scaled(),
            recent: self.recent.snapshot(),
            accounts: Accounts::of(&self.accounts),
            boots: self.counters.boots.counted(),
            checks: self.checks.snapshot(),
            warmers_failed: self.counters.warmers_failed.load(Ordering::Relaxed),
            successions: self.counters.successions.counted(),
        }
    }
}
