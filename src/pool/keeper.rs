//! The keeper: one thread per pool that starts incarnations, joins them and decides about their replacement.
//!
//! Every incarnation gets a thread of its own, because the engine's per-thread state is what makes an incarnation new. The keeper
//! joins each of them; when it ends itself, no thread of the pool is left. It never runs PHP and never waits for it:
//! a thread is joined only after it has reported its end. What is to be done is decided in `plan`, slot by slot; here it is done.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::checks::{Due, PATIENCE as PRESSES_AFTER};
use super::complaint::Complaints;
use super::counters::RestartCause;
use super::incarnation::{Incarnation, Sight};
use super::plan::{Act, Outlook, act, next_at};
use super::roster::{FirstBoot, Position, Slot};
use super::scale::{Direction, Scale, UP_AFTER, scale};
use super::seat::occupy;
use super::shared::Shared;
use super::state::{Event, WorkerState};
use super::status::Status;
use crate::job::{Exit, Runtime};
use crate::telemetry::RecycleReason;
use crate::telemetry::events::{PoolScale, WorkerBootFailed, WorkerCrash, WorkerGaveWay, WorkerRecycle};

/// What the keeper is told.
#[derive(Debug)]
pub(super) enum Message {
    /// An incarnation has ended; its thread is about to.
    Ended { worker: Arc<Incarnation>, exit: Exit },
    /// Something has changed that it should look at.
    Wake,
}

/// Places in the keeper's inbox: enough that the end of every worker of a pool can be told at once without waiting for the keeper.
pub(super) fn inbox_size(slots: u32) -> usize {
    slots as usize + 1
}

/// A quarter of a pool's slots may have successors that boot: a boot takes a whole CPU from those who serve.
const PREPARING_SHARE: usize = 4;
/// In a small pool more than that: workers that began together reach their limits together, and each that waits for another's successor
/// is one less who serves.
const PREPARING_LEAST: usize = 4;

/// How long a worker that has had its last request waits for a successor that boots: so many times what a boot takes, and at least the
/// floor, within which no boot is late. After that it serves on.
const PATIENCE_BOOTS: u32 = 4;
/// The floor of that.
const PATIENCE: Duration = Duration::from_secs(2);

/// How exactly limits of time are kept for workers that wait: this part of the shortest one.
const TICKS_PER_LIMIT: u32 = 20;
/// Bounds of the time between two looks at them.
const TICK: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(5);

pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    runtime: Arc<dyn Runtime>,
    inbox: Receiver<Message>,
    /// Of every incarnation that has not been joined, by slot and number.
    threads: HashMap<(u32, u64), JoinHandle<()>>,
    complaints: Complaints,
    /// When the pool last became smaller.
    shrunk: Instant,
}

impl Keeper {
    /// Starts the keeper's thread, which starts the workers.
    pub(super) fn launch(
        shared: Arc<Shared>,
        runtime: Arc<dyn Runtime>,
        inbox: Receiver<Message>,
    ) -> io::Result<JoinHandle<()>> {
        let name = format!("keeper-{}", shared.config.name);
        let (threads, complaints, shrunk) = (HashMap::new(), Complaints::default(), Instant::now());
        let mut keeper = Self { shared, runtime, inbox, threads, complaints, shrunk };
        Builder::new().name(name).spawn(move || keeper.keep())
    }

    fn keep(&mut self) {
        let tick = self.tick();
        loop {
            #[cfg(test)]
            self.shared.turns.fetch_add(1, Ordering::Relaxed);
            let now = Instant::now();
            // Before the look: who is overdue frees its seat.
            self.watch(now);
            let grows = self.scale(now);
            // Once for both: who leaves in between has sent a word, and the slots are looked at once more before the end.
            let wanted = self.shared.wants_workers();
            self.look(now, wanted);
            if self.threads.is_empty() && !wanted {
                self.shared.status.send_modify(Status::ended);
                return;
            }
            let tick = if grows { Some(UP_AFTER) } else { tick };
            let checks = self.check(now);
            let times = [self.next_at(now), tick.map(|tick| now + tick), self.next_watch(now), checks];
            let next = times.into_iter().flatten().min();
            let message = match next {
                Some(at) => self.inbox.recv_deadline(at),
                None => self.inbox.recv().map_err(RecvTimeoutError::from),
            };
            match message {
                Ok(Message::Ended { worker, exit }) => self.ended(&worker, &exit),
                Ok(Message::Wake) | Err(RecvTimeoutError::Timeout) => {}
                // `shared` holds a sender, so this cannot be; were it so, nobody could ever report.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Has the application's checks run that are due, if a worker can be spared; when to look again.
    fn check(&self, now: Instant) -> Option<Instant> {
        let shared = &self.shared;
        match shared.checks.due(now) {
            Due::Never => None,
            Due::At(at) => Some(at),
            Due::Since(since) => {
                let patient = shared.checks.presses(now);
                // If all are busy, the first of them that finds nobody waiting looks for itself.
                let waits = !shared.lend(patient) && !patient;
                let presses_at = waits.then(|| since + PRESSES_AFTER);
                // What waits for a worker that is busy must not hide what another one has.
                [presses_at, shared.checks.next_at(now)].into_iter().flatten().min()
            }
        }
    }

    /// Time between two looks at workers that wait, if time alone can be a reason to replace or to end them.
    fn tick(&self) -> Option<Duration> {
        let limits = &self.shared.config.recycle;
        let soft = if limits.soft_memory > 0 { *TICK.end() } else { Duration::ZERO };
        let down = &self.shared.config.scale_down;
        let times = [limits.max_uptime, limits.max_idle, soft, down.idle, down.aggressive];
        let shortest = times.into_iter().filter(|time| !time.is_zero()).min()?;
        Some((shortest / TICKS_PER_LIMIT).clamp(*TICK.start(), *TICK.end()))
    }

    /// Wants more workers or fewer, if it is time. Whether the pool may have to grow soon.
    fn scale(&mut self, now: Instant) -> bool {
        let shared = Arc::clone(&self.shared);
        let config = &shared.config;
        if config.min == config.max || !shared.wants_workers() {
            return false;
        }
        let (waiting, longest) = shared.pressure();
        let mut roster = shared.roster.lock();
        let load = roster.load(waiting, now, longest, now - self.shrunk, config);
        let Some(scale) = scale(&load, &config.scale_down) else { return waiting > 0 && load.wanted < load.most };
        let (direction, left) = match scale {
            Scale::Up(count) => {
                roster.grow(count);
                (Direction::Up, Vec::new())
            }
            Scale::Down(count) => {
                self.shrunk = now;
                (Direction::Down, roster.shrink(count))
            }
        };
        let to = roster.wanted();
        drop(roster);
        if to == load.wanted {
            // Those that could have gone are busy, or about to be replaced.
            return false;
        }
        shared.may_grow.store(to < config.max, Ordering::Relaxed);
        shared.counters.scale(direction);
        PoolScale { pool: &config.name, direction: direction.label(), from: load.wanted, to, waiting }.emit();
        for worker in &left {
            shared.dismiss(worker, RecycleReason::ScaleDown);
        }
        waiting > 0 && to < config.max
    }

    /// Does what there is to do, in every slot.
    fn look(&mut self, now: Instant, wanted: bool) {
        let pressed = self.shared.is_pressed();
        let roster = self.shared.roster.lock();
        let slots = u32::try_from(roster.slots.len()).unwrap_or(u32::MAX);
        roster
            .slots
            .iter()
            .filter_map(|slot| slot.seated.as_ref())
            .for_each(|worker| worker.look_at_idle(now, pressed));
        let boots = |slot: &&Slot| slot.successor_sight().is_some_and(|sight| sight.booted.is_none());
        let mut preparing = roster.slots.iter().filter(boots).count();
        let most = roster.slots.len().div_ceil(PREPARING_SHARE).max(PREPARING_LEAST);
        // First those who can take nothing before their successor is there.
        let mut order: Vec<_> = (0..slots).collect();
        let serves = |index: &u32| !roster.slots[*index as usize].seat_sight().is_some_and(|sight| sight.last);
        order.sort_by_cached_key(serves);
        drop(roster);
        for index in order {
            while let Some(act) = self.decide(index, wanted, preparing < most, now) {
                preparing += usize::from(act == Act::Prepare);
                self.perform(index, act, now);
            }
        }
    }

    fn decide(&self, index: u32, wanted: bool, may_prepare: bool, now: Instant) -> Option<Act> {
        act(&self.outlook(self.shared.roster.lock().slot(index), wanted, may_prepare, now))
    }

    /// When to look again, if nobody tells anything before.
    fn next_at(&self, now: Instant) -> Option<Instant> {
        let wanted = self.shared.wants_workers();
        let roster = self.shared.roster.lock();
        roster.slots.iter().filter_map(|slot| next_at(&self.outlook(slot, wanted, false, now))).min()
    }

    fn outlook(&self, slot: &Slot, wanted: bool, may_prepare: bool, now: Instant) -> Outlook {
        Outlook {
            seat: slot.seat_sight(),
            successor: slot.successor_sight(),
            wanted: wanted && slot.wanted,
            retry_at: slot.retry_at,
            may_prepare,
            patience: PATIENCE.max(self.shared.boot_estimate() * PATIENCE_BOOTS),
            now,
        }
    }

    fn perform(&mut self, index: u32, act: Act, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let mut roster = shared.roster.lock();
        let slot = roster.slot(index);
        match act {
            Act::Start | Act::Prepare => {
                let position = if act == Act::Start { Position::Seat } else { Position::Successor };
                if let (Position::Seat, Some(before)) = (position, &slot.seated) {
                    before.apply(Event::Replaced);
                    roster.clear(index);
                }
                let new = roster.begin(index, position, &shared.config.recycle);
                drop(roster);
                self.start(&new, now);
            }
            Act::Unseat => {
                let left = slot.seated.take();
                slot.missed_since = left.as_ref().and_then(|left| left.missed_since());
                slot.leaving.extend(left);
            }
            Act::Inherit => {
                if let Some(before) = &slot.seated {
                    before.apply(Event::Replaced);
                    roster.clear(index);
                }
                let slot = roster.slot(index);
                slot.seated = slot.successor.take();
                slot.retry_at = None;
                let new = slot.seated.clone();
                drop(roster);
                new.iter().for_each(|new| shared.seat(new));
            }
            Act::Replace => {
                let old = std::mem::replace(&mut slot.seated, slot.successor.take());
                slot.leaving.extend(old.clone());
                let new = slot.seated.clone();
                drop(roster);
                // The new one first: for a moment there is one more than needed, and never one less.
                new.iter().for_each(|new| shared.seat(new));
                old.iter().for_each(|old| {
                    shared.dismiss(old, old.sight().due.unwrap_or(RecycleReason::MaxRequests));
                });
            }
            Act::ServeOn => {
                let seated = slot.seated.clone();
                drop(roster);
                seated.iter().for_each(|seated| {
                    seated.hold();
                    shared.seat(seated);
                });
            }
            Act::Dismiss => {
                let seated = slot.seated.clone();
                drop(roster);
                seated.iter().for_each(|seated| {
                    shared.dismiss(seated, seated.sight().due.unwrap_or(RecycleReason::MaxRequests));
                });
            }
            Act::Forgo => {
                let successor = slot.successor.take();
                slot.leaving.extend(successor.clone());
                drop(roster);
                successor.iter().for_each(|successor| shared.dismiss(successor, RecycleReason::Shutdown));
            }
            Act::Retire => {
                slot.retry_at = None;
                slot.seated.iter().for_each(|before| {
                    before.apply(Event::Retired);
                });
            }
        }
    }

    /// Starts an incarnation on a new thread. A thread that the system refuses counts as a failed boot.
    fn start(&mut self, new: &Arc<Incarnation>, now: Instant) {
        let (shared, runtime, worker) = (Arc::clone(&self.shared), Arc::clone(&self.runtime), Arc::clone(new));
        let place = new.place();
        let spawned = Builder::new()
            .name(format!("php-{}-{}", place.pool, place.slot))
            .stack_size(runtime.stack_size())
            .spawn(move || occupy(shared, &*runtime, worker));
        match spawned {
            Ok(thread) => {
                self.threads.insert((place.slot, place.incarnation), thread);
                self.shared.status.send_modify(Status::began);
            }
            Err(error) => {
                let message = format!("the system refuses a thread for the worker: {error}");
                self.settle(new, &Exit::BootFailed { message }, now);
            }
        }
    }

    fn ended(&mut self, worker: &Arc<Incarnation>, exit: &Exit) {
        let place = worker.place();
        if let Some(thread) = self.threads.remove(&(place.slot, place.incarnation)) {
            // The thread has caught its own panics; there is nothing in the result.
            drop(thread.join());
            self.shared.status.send_modify(Status::joined);
        }
        self.settle(worker, exit, Instant::now());
    }

    /// Decides what becomes of a slot whose incarnation has ended.
    fn settle(&mut self, worker: &Arc<Incarnation>, exit: &Exit, now: Instant) {
        let index = worker.identity().slot;
        let sight = worker.sight();
        let told = worker.apply(Event::Ended) == WorkerState::Stopped;
        let shared = Arc::clone(&self.shared);
        let mut roster = shared.roster.lock();
        let position = roster.end(worker);
        let slot = roster.slot(index);
        let wanted = slot.wanted && shared.wants_workers();
        let pause = if told { None } else { slot.pause(&sight, &shared.config, now) };
        let retry_in = wanted.then_some(pause.unwrap_or_default());
        let missed = (!told && position == Position::Seat && sight.booted.is_none()).then(|| slot.miss());
        match position {
            Position::Seat if told => {
                // A pool that stops shows its empty seats; elsewhere somebody follows, or nobody is missed.
                if wanted || !slot.wanted {
                    roster.clear(index);
                }
            }
            Position::Seat if !wanted => {
                worker.apply(Event::Retired);
                if !slot.wanted {
                    roster.clear(index);
                }
            }
            Position::Seat => match pause {
                Some(pause) => {
                    worker.apply(Event::Delayed);
                    slot.retry_at = Some(now + pause);
                }
                None => {
                    worker.apply(Event::Replaced);
                    roster.clear(index);
                }
            },
            Position::Successor if !told => {
                slot.retry_at = pause.map(|pause| now + pause);
                slot.seated.iter().for_each(|seated| seated.hold());
            }
            Position::Successor | Position::Leaving => {}
        }
        drop(roster);
        if sight.overdue.is_some_and(|overdue| overdue.stuck) {
            shared.status.send_modify(Status::came_back);
            shared.config.stuck.send_modify(|stuck| *stuck = stuck.saturating_sub(1));
        }
        self.report(worker, exit, &sight, told, retry_in);
        if let Some(before) = missed {
            shared.status.send_modify(|status| status.missed(before, &boot_message(exit)));
        }
    }

    fn report(&mut self, worker: &Incarnation, exit: &Exit, sight: &Sight, told: bool, retry_in: Option<Duration>) {
        if let Some(overdue) = sight.overdue.filter(|overdue| overdue.counted) {
            let after = overdue.since.elapsed();
            return WorkerGaveWay { place: worker.place(), after, stuck: overdue.stuck }.emit();
        }
        if told && *exit == Exit::Stopped {
            let (reason, words) = worker.left().unwrap_or((RecycleReason::Shutdown, None));
            return self.recycled(worker, reason, words.as_deref().unwrap_or("stopped"), retry_in);
        }
        let cause = RestartCause::of(exit, told || sight.booted.is_some());
        if !told {
            self.shared.counters.restart(cause);
        }
        match (exit, cause.reason()) {
            (Exit::Panicked { message }, _) => {
                self.count_recycle(worker, RecycleReason::Crash, cause.label());
                WorkerCrash { place: worker.place(), message, requests: sight.requests, retry_in }.emit();
            }
            (_, Some(reason)) => self.recycled(worker, reason, cause.label(), retry_in),
            (_, None) => self.complain(worker, &boot_message(exit), retry_in),
        }
    }

    /// Counts and reports that an incarnation has been replaced, or sent away.
    pub(super) fn recycled(
        &self,
        worker: &Incarnation,
        reason: RecycleReason,
        cause: &str,
        retry_in: Option<Duration>,
    ) {
        self.count_recycle(worker, reason, cause);
        let sight = worker.sight();
        let (requests, uptime) = (sight.requests, sight.started.elapsed());
        WorkerRecycle { place: worker.place(), reason, cause, requests, uptime, retry_in }.emit();
        worker.decision(reason).emit();
    }

    fn count_recycle(&self, worker: &Incarnation, reason: RecycleReason, cause: &str) {
        self.shared.counters.recycle(reason);
        self.shared.recent.recycled(worker, reason, cause);
        self.shared.roster.lock().slot(worker.identity().slot).last_recycle = Some(reason);
    }

    /// Reports a failed boot, unless the pool has just reported the same.
    pub(super) fn complain(&mut self, worker: &Incarnation, message: &str, retry_in: Option<Duration>) {
        let quiet = self.shared.config.backoff.max;
        let Some(repeated) = self.complaints.hear(message, Instant::now(), quiet) else { return };
        WorkerBootFailed { place: worker.place(), message, repeated, retry_in }.emit();
    }
}

impl Slot {
    /// How long the replacement of an incarnation has to wait; `None` if that one came to something.
    pub(super) fn pause(&mut self, ended: &Sight, config: &super::Config, now: Instant) -> Option<Duration> {
        let stood = ended.booted.is_some_and(|booted| now.saturating_duration_since(booted) >= config.backoff.max);
        if ended.requests > 0 || stood {
            self.failures = 0;
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        Some(config.backoff.pause(self.failures))
    }

    /// Notes that a boot has come to nothing. Brings what the slot's first boot had come to before.
    pub(super) fn miss(&mut self) -> FirstBoot {
        let before = self.first_boot;
        if before == FirstBoot::Pending {
            self.first_boot = FirstBoot::Failed;
        }
        before
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
