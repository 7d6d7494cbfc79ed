//! A worker's place: mailbox, state and numbers.
//!
//! At any moment a slot's record has one writer: the submitter that took it off the idle list, the thread of its
//! incarnation, or the keeper after that thread has ended. The lock around it is for readers of snapshots.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;

use super::snapshot::WorkerSnapshot;
use super::state::{Event, WorkerState, next};
use crate::job::{Identity, Next};
use crate::telemetry::Place;
use crate::telemetry::events::IllegalTransition;

/// What the first boot of a slot has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstBoot {
    Pending,
    Failed,
    Reached,
}

/// A place in a pool. Aligned to two cache lines, so that workers do not slow each other down by neighbourhood.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Slot {
    pool: Arc<str>,
    index: u32,
    post: Sender<Next>,
    mailbox: Receiver<Next>,
    record: Mutex<Record>,
}

#[derive(Debug)]
struct Record {
    state: WorkerState,
    since: Instant,
    incarnation: u64,
    started: Instant,
    booted: Option<Instant>,
    first_boot: FirstBoot,
    /// Requests given to this incarnation.
    requests: u64,
    /// Requests given to all incarnations.
    total: u64,
}

/// The life of an incarnation, for those who decide about the next one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) incarnation: u64,
    pub(super) started: Instant,
    pub(super) booted: Option<Instant>,
    pub(super) requests: u64,
}

impl Slot {
    pub(super) fn new(pool: Arc<str>, index: u32) -> Self {
        let (post, mailbox) = bounded(1);
        let now = Instant::now();
        let record = Record {
            state: WorkerState::Starting,
            since: now,
            incarnation: 0,
            started: now,
            booted: None,
            first_boot: FirstBoot::Pending,
            requests: 0,
            total: 0,
        };
        Self { pool, index, post, mailbox, record: Mutex::new(record) }
    }

    /// Opens the book of a new incarnation; the slot is in `Starting`.
    pub(super) fn begin(&self) -> Identity {
        let mut record = self.record.lock();
        record.incarnation += 1;
        record.started = Instant::now();
        record.booted = None;
        record.requests = 0;
        Identity { pool: Arc::clone(&self.pool), slot: self.index, incarnation: record.incarnation }
    }

    /// Moves on. An event that cannot happen is reported as the fault it is, and changes nothing.
    pub(super) fn apply(&self, event: Event) -> WorkerState {
        let mut record = self.record.lock();
        let before = record.state;
        let Some(after) = next(before, event) else {
            let incarnation = record.incarnation;
            drop(record);
            let place = Place { pool: &self.pool, slot: self.index, incarnation };
            IllegalTransition { place, state: before.label(), occurrence: event.label() }.emit();
            return before;
        };
        record.state = after;
        record.since = Instant::now();
        if event == Event::Assigned {
            record.requests += 1;
            record.total += 1;
        }
        after
    }

    /// Notes that the incarnation has reached its loop. Returns how long its boot took and what the slot's first boot had come
    /// to before.
    pub(super) fn reached_loop(&self) -> (Duration, FirstBoot) {
        let mut record = self.record.lock();
        let now = Instant::now();
        record.booted = Some(now);
        let before = std::mem::replace(&mut record.first_boot, FirstBoot::Reached);
        (now - record.started, before)
    }

    /// Notes that a boot has come to nothing. Returns what the slot's first boot had come to before.
    pub(super) fn missed_loop(&self) -> FirstBoot {
        let mut record = self.record.lock();
        let before = record.first_boot;
        if before == FirstBoot::Pending {
            record.first_boot = FirstBoot::Failed;
        }
        before
    }

    /// Puts mail into the box of a slot that was taken off the idle list.
    ///
    /// # Errors
    /// Gives the mail back if the box is full, which an idle slot's box cannot be.
    pub(super) fn post(&self, mail: Next) -> Result<(), Next> {
        self.post.try_send(mail).map_err(TrySendError::into_inner)
    }

    /// Waits for mail.
    pub(super) fn receive(&self) -> Next {
        // The slot holds both ends, so the channel cannot be closed.
        self.mailbox.recv().unwrap_or(Next::Stop)
    }

    pub(super) fn life(&self) -> Life {
        let record = self.record.lock();
        Life {
            incarnation: record.incarnation,
            started: record.started,
            booted: record.booted,
            requests: record.requests,
        }
    }

    /// Requests given to this slot in all its incarnations.
    pub(super) fn snapshot(&self) -> (WorkerSnapshot, u64) {
        let record = self.record.lock();
        let worker = WorkerSnapshot {
            slot: self.index,
            state: record.state,
            since: record.since,
            incarnation: record.incarnation,
            started: record.started,
            requests: record.requests,
        };
        (worker, record.total)
    }
}
