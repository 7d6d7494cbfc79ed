//! The keeper: one thread per pool that starts incarnations, joins them and decides about their replacement.
//!
//! Every incarnation gets a thread of its own, because the engine's per-thread state is what makes an incarnation new. The keeper
//! joins each of them; when it ends itself, no thread of the pool is left. It never runs PHP and never waits for it:
//! a thread is joined only after it has reported its end.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::complaint::Complaints;
use super::counters::RestartCause;
use super::seat::occupy;
use super::shared::Shared;
use super::slot::Life;
use super::state::{Event, WorkerState};
use super::status::Status;
use crate::job::{Exit, Runtime};
use crate::telemetry::events::{WorkerBootFailed, WorkerCrash, WorkerRecycle};
use crate::telemetry::{Place, RecycleReason};

/// What the keeper is told.
#[derive(Debug)]
pub(super) enum Message {
    /// The incarnation in a slot has ended; its thread is about to.
    Ended { slot: u32, exit: Exit },
    /// Something has changed that it should look at.
    Wake,
}

/// Places in the keeper's inbox: every slot has at most one thread that can report, plus one wake-up.
pub(super) fn inbox_size(workers: u32) -> usize {
    workers as usize + 1
}

#[derive(Debug, Default)]
struct Keeping {
    thread: Option<JoinHandle<()>>,
    /// Incarnations in a row that came to nothing.
    failures: u32,
    /// When a slot in back-off gets its next incarnation.
    retry_at: Option<Instant>,
}

pub(super) struct Keeper {
    shared: Arc<Shared>,
    runtime: Arc<dyn Runtime>,
    inbox: Receiver<Message>,
    slots: Vec<Keeping>,
    complaints: Complaints,
}

impl Keeper {
    /// Starts the keeper's thread, which starts the workers.
    pub(super) fn launch(
        shared: Arc<Shared>,
        runtime: Arc<dyn Runtime>,
        inbox: Receiver<Message>,
    ) -> io::Result<JoinHandle<()>> {
        let slots = shared.slots.iter().map(|_| Keeping::default()).collect();
        let name = format!("keeper-{}", shared.config.name);
        let mut keeper = Self { shared, runtime, inbox, slots, complaints: Complaints::default() };
        Builder::new().name(name).spawn(move || keeper.keep())
    }

    fn keep(&mut self) {
        for index in 0..self.shared.config.workers {
            self.start(index);
        }
        loop {
            self.revisit();
            if self.shared.status.borrow().alive() == 0 {
                return;
            }
            let message = match self.slots.iter().filter_map(|keeping| keeping.retry_at).min() {
                Some(at) => self.inbox.recv_deadline(at),
                None => self.inbox.recv().map_err(RecvTimeoutError::from),
            };
            match message {
                Ok(Message::Ended { slot, exit }) => self.ended(slot, exit),
                Ok(Message::Wake) | Err(RecvTimeoutError::Timeout) => {}
                // `shared` holds a sender, so this cannot be; were it so, nobody could ever report.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks after slots in back-off: their time may have come, or the pool may want them no more.
    fn revisit(&mut self) {
        let wanted = self.shared.wants_workers();
        let now = Instant::now();
        for index in 0..self.shared.config.workers {
            let Some(at) = self.slots[index as usize].retry_at else { continue };
            if wanted && at > now {
                continue;
            }
            self.slots[index as usize].retry_at = None;
            if wanted { self.replace(index) } else { self.retire(index) }
        }
    }

    fn ended(&mut self, index: u32, exit: Exit) {
        if let Some(thread) = self.slots[index as usize].thread.take() {
            // The thread has caught its own panics; there is nothing in the result.
            drop(thread.join());
        }
        self.settle(index, exit);
    }

    /// Decides what becomes of a slot whose incarnation has ended.
    fn settle(&mut self, index: u32, exit: Exit) {
        let shared = Arc::clone(&self.shared);
        let slot = shared.slot(index);
        let life = slot.life();
        if slot.apply(Event::Ended) == WorkerState::Stopped {
            self.dismissed(index, &exit, life);
            shared.status.send_modify(Status::stopped);
            return;
        }
        let cause = RestartCause::of(&exit, life.booted.is_some());
        shared.counters.restart(cause);
        let pause = self.pause(index, life);
        let wanted = shared.wants_workers();
        self.report(index, &exit, cause, life, wanted.then_some(pause.unwrap_or_default()));
        if life.booted.is_none() {
            let before = slot.missed_loop();
            shared.status.send_modify(|status| status.missed(before, &boot_message(&exit)));
        }
        match pause {
            _ if !wanted => self.retire(index),
            None => self.replace(index),
            Some(pause) => {
                slot.apply(Event::Delayed);
                self.slots[index as usize].retry_at = Some(Instant::now() + pause);
            }
        }
    }

    /// How long the replacement has to wait; `None` if the incarnation came to something.
    fn pause(&mut self, index: u32, life: Life) -> Option<Duration> {
        let backoff = self.shared.config.backoff;
        let keeping = &mut self.slots[index as usize];
        let stood = life.booted.is_some_and(|booted| booted.elapsed() >= backoff.max);
        if life.requests > 0 || stood {
            keeping.failures = 0;
            return None;
        }
        keeping.failures = keeping.failures.saturating_add(1);
        Some(backoff.pause(keeping.failures))
    }

    fn replace(&mut self, index: u32) {
        self.shared.slot(index).apply(Event::Replaced);
        self.start(index);
    }

    fn retire(&mut self, index: u32) {
        self.shared.slot(index).apply(Event::Retired);
        self.shared.status.send_modify(Status::stopped);
    }

    /// Starts an incarnation on a new thread. A thread that the system refuses counts as a failed boot.
    fn start(&mut self, index: u32) {
        let identity = self.shared.slot(index).begin();
        let (shared, runtime) = (Arc::clone(&self.shared), Arc::clone(&self.runtime));
        let spawned = Builder::new()
            .name(format!("php-{}-{index}", shared.config.name))
            .stack_size(runtime.stack_size())
            .spawn(move || occupy(shared, &*runtime, identity));
        match spawned {
            Ok(thread) => self.slots[index as usize].thread = Some(thread),
            Err(error) => self.settle(
                index,
                Exit::BootFailed { message: format!("the system refuses a thread for the worker: {error}") },
            ),
        }
    }

    /// Reports the end of an incarnation that was told to leave.
    fn dismissed(&mut self, index: u32, exit: &Exit, life: Life) {
        if *exit != Exit::Stopped {
            return self.report(index, exit, RestartCause::of(exit, true), life, None);
        }
        self.recycled(self.place(index, life), RecycleReason::Shutdown, "stopped", life, None);
    }

    fn report(&mut self, index: u32, exit: &Exit, cause: RestartCause, life: Life, retry_in: Option<Duration>) {
        match (exit, cause.reason()) {
            (Exit::Panicked { message }, _) => {
                let place = self.place(index, life);
                WorkerCrash { place, message, requests: life.requests, retry_in }.emit();
            }
            (_, Some(reason)) => self.recycled(self.place(index, life), reason, cause.label(), life, retry_in),
            (_, None) => self.complain(index, boot_message(exit), life, retry_in),
        }
    }

    /// Reports a failed boot, unless the pool has just reported the same.
    fn complain(&mut self, index: u32, message: String, life: Life, retry_in: Option<Duration>) {
        let quiet = self.shared.config.backoff.max;
        let Some(repeated) = self.complaints.hear(&message, Instant::now(), quiet) else { return };
        WorkerBootFailed { place: self.place(index, life), message: &message, repeated, retry_in }.emit();
    }

    fn recycled(&self, place: Place<'_>, reason: RecycleReason, cause: &str, life: Life, retry_in: Option<Duration>) {
        let (requests, uptime) = (life.requests, life.started.elapsed());
        WorkerRecycle { place, reason, cause, requests, uptime, retry_in }.emit();
    }

    fn place(&self, index: u32, life: Life) -> Place<'_> {
        Place { pool: &self.shared.config.name, slot: index, incarnation: life.incarnation }
    }
}

/// What an operator is told about an incarnation that did not reach its loop.
fn boot_message(exit: &Exit) -> String {
    match exit {
        Exit::BootFailed { message } | Exit::Panicked { message } => message.clone(),
        Exit::Ended(cause) => format!("the script ended ({}) before it reached its loop", cause.label()),
        Exit::Stopped => "the script ended before it reached its loop".to_owned(),
    }
}
