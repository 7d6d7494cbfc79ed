//! What a pool's handle, its workers' threads and its keeper have in common.

#![forbid(unsafe_code)]

use crossbeam_channel::Sender;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Config;
use super::counters::Counters;
use super::keeper::Message;
use super::queue::{Admission, Desk, Intake, Turn};
use super::slot::Slot;
use super::snapshot::PoolSnapshot;
use super::state::Event;
use super::status::Status;
use super::ticket::Ticket;
use crate::job::{Exchange, Failure, Next};
use crate::telemetry::Rejection;
use crate::telemetry::events::RequestRejected;

/// The common state of one pool.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) slots: Box<[Slot]>,
    pub(super) counters: Counters,
    pub(super) status: watch::Sender<Status>,
    desk: Mutex<Desk>,
    keeper: Sender<Message>,
}

impl Shared {
    pub(super) fn new(config: Config, keeper: Sender<Message>) -> Self {
        let (pool, workers) = (&config.name, config.workers);
        Self {
            slots: (0..workers).map(|index| Slot::new(pool.clone(), index)).collect(),
            counters: Counters::default(),
            status: watch::Sender::new(Status::new(pool.clone(), workers)),
            desk: Mutex::new(Desk::new(workers, config.max_queue)),
            keeper,
            config,
        }
    }

    pub(super) fn slot(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }

    /// Gives an exchange to an idle worker (`None`) or into the queue (its ticket).
    pub(super) fn admit(&self, exchange: Box<Exchange>) -> Result<Option<Ticket<'_>>, Failure> {
        let admission = self.desk.lock().admit(exchange, self.config.queue_timeout);
        match admission {
            Admission::Dispatch(index, exchange) => {
                let slot = self.slot(index);
                slot.apply(Event::Assigned);
                // An idle slot's box is empty. Were it not, the exchange would be dropped here and so report a lost worker.
                drop(slot.post(Next::Job(exchange)));
                Ok(None)
            }
            Admission::Queued { id, deadline } => Ok(Some(Ticket::new(self, id, deadline))),
            Admission::Refused(cause, exchange) => Err(self.reject(cause, *exchange)),
        }
    }

    /// Asks for work in the name of a clean worker.
    pub(super) fn turn(&self, slot: u32) -> Turn {
        let mut stale = Vec::new();
        let turn = self.desk.lock().turn(slot, &mut stale);
        for waiting in stale {
            self.reject(Rejection::QueueTimeout, *waiting.exchange);
        }
        turn
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
        exchange.reply.fail(failure);
        failure
    }

    /// Refuses new requests and sends idle workers away; busy ones leave when nobody waits any more.
    pub(super) fn drain(&self) {
        let idle = self.desk.lock().drain();
        for index in idle {
            let slot = self.slot(index);
            slot.apply(Event::Dismissed);
            // The box is empty, as in `admit`.
            drop(slot.post(Next::Stop));
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

    /// Reports the end of an incarnation. The keeper outlives every thread that reports to it.
    pub(super) fn tell_keeper(&self, message: Message) {
        drop(self.keeper.send(message));
    }

    /// Makes the keeper look again. A full inbox means that it is about to.
    fn wake_keeper(&self) {
        drop(self.keeper.try_send(Message::Wake));
    }

    pub(super) fn snapshot(&self) -> PoolSnapshot {
        let (workers, totals): (Vec<_>, Vec<u64>) = self.slots.iter().map(Slot::snapshot).unzip();
        let desk = self.desk.lock();
        let (queue_depth, available) = (desk.depth(), desk.available());
        let draining = desk.intake() != Intake::Open;
        drop(desk);
        PoolSnapshot {
            name: self.config.name.clone(),
            workers,
            queue_depth,
            available,
            draining,
            served: totals.iter().sum(),
            abandoned: self.counters.abandoned(),
            rejected: self.counters.rejected(),
            restarts: self.counters.restarts(),
        }
    }
}
