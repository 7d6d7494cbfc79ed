//! Who is where: each slot with the incarnation that has its seat, the one that will have it, and those that have left it.
//!
//! The keeper alone changes it; others look. No lock of an incarnation or of the desk is held while this one is taken.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Config;
use super::incarnation::{Incarnation, Sight};
use super::policy::Limits;
use super::scale::Load;
use super::snapshot::WorkerSnapshot;
use super::state::WorkerState;
use crate::job::Identity;
use crate::telemetry::RecycleReason;

/// What the first boot of a slot has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstBoot {
    Pending,
    Failed,
    Reached,
    /// The slot was empty at the start, so the start does not wait for it.
    Later,
}

/// Where an incarnation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// It has the seat.
    Seat,
    /// It will have it.
    Successor,
    /// It has left it.
    Leaving,
}

/// A place in a pool.
#[derive(Debug)]
pub(super) struct Slot {
    /// Whether the pool wants somebody here.
    pub(super) wanted: bool,
    /// Serves, or will when it has booted. After its end it stays here while the seat is to stay empty, to tell why.
    pub(super) seated: Option<Arc<Incarnation>>,
    pub(super) successor: Option<Arc<Incarnation>>,
    /// Have left the seat and not ended: on their last request, on their way out, or stuck.
    pub(super) leaving: Vec<Arc<Incarnation>>,
    pub(super) last_recycle: Option<RecycleReason>,
    pub(super) first_boot: FirstBoot,
    /// Incarnations in a row that came to nothing.
    pub(super) failures: u32,
    /// When the next one may be started after such.
    pub(super) retry_at: Option<Instant>,
    /// Since when somebody is missed whose incarnation is not in the seat any more.
    pub(super) missed_since: Option<Instant>,
    /// Number of the latest incarnation.
    incarnations: u64,
    /// Requests of incarnations that have ended.
    served: u64,
}

/// All slots of a pool.
#[derive(Debug)]
pub(super) struct Roster {
    pool: Arc<str>,
    pub(super) slots: Vec<Slot>,
}

impl Roster {
    /// So many slots, the first of which are wanted from the start.
    pub(super) fn new(pool: Arc<str>, slots: u32, wanted: u32) -> Self {
        let slot = |index| Slot {
            wanted: index < wanted,
            seated: None,
            successor: None,
            leaving: Vec::new(),
            last_recycle: None,
            first_boot: if index < wanted { FirstBoot::Pending } else { FirstBoot::Later },
            failures: 0,
            retry_at: None,
            missed_since: None,
            incarnations: 0,
            served: 0,
        };
        Self { pool, slots: (0..slots).map(slot).collect() }
    }

    pub(super) fn slot(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// Opens the book of a new incarnation in the seat of a slot, or as the successor there.
    pub(super) fn begin(&mut self, index: u32, position: Position, limits: &Limits) -> Arc<Incarnation> {
        let pool = Arc::clone(&self.pool);
        let slot = self.slot(index);
        slot.incarnations += 1;
        slot.retry_at = None;
        let identity = Identity { pool, slot: index, incarnation: slot.incarnations };
        let new = Incarnation::new(identity, limits.drawn(), position == Position::Seat);
        let before = slot.seated.as_ref().and_then(|before| before.missed_since());
        new.follow(slot.missed_since.take().or(before));
        match position {
            Position::Seat => slot.seated = Some(Arc::clone(&new)),
            Position::Successor => slot.successor = Some(Arc::clone(&new)),
            Position::Leaving => {}
        }
        new
    }

    /// Takes an incarnation that has ended off the roster, except from a seat: who follows there is another decision.
    pub(super) fn end(&mut self, ended: &Arc<Incarnation>) -> Position {
        let slot = self.slot(ended.identity().slot);
        let is_it = |other: &Option<Arc<Incarnation>>| other.as_ref().is_some_and(|other| Arc::ptr_eq(other, ended));
        let position = if is_it(&slot.seated) {
            return Position::Seat;
        } else if is_it(&slot.successor) {
            slot.successor = None;
            Position::Successor
        } else {
            slot.leaving.retain(|other| !Arc::ptr_eq(other, ended));
            Position::Leaving
        };
        slot.served += ended.sight().requests;
        position
    }

    /// Empties a seat whose incarnation has ended.
    pub(super) fn clear(&mut self, index: u32) {
        let slot = self.slot(index);
        if let Some(ended) = slot.seated.take() {
            slot.missed_since = ended.missed_since().filter(|_| slot.wanted);
            slot.served += ended.sight().requests;
        }
    }

    /// Every incarnation, ended ones too as long as they tell why a seat is empty.
    #[allow(dead_code, reason = "the watchdog looks after all of them")]
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Incarnation>> {
        self.slots.iter().flat_map(Slot::all)
    }

    /// Slots that somebody is wanted in.
    pub(super) fn wanted(&self) -> u32 {
        u32::try_from(self.slots.iter().filter(|slot| slot.wanted).count()).unwrap_or(u32::MAX)
    }

    /// What the pool has to do, for those who decide about its size.
    pub(super) fn load(
        &self,
        waiting: usize,
        now: Instant,
        longest: Option<Instant>,
        since_down: Duration,
        config: &Config,
    ) -> Load {
        let sights: Vec<_> = self.slots.iter().filter(|slot| slot.wanted).filter_map(Slot::seat_sight).collect();
        let idle =
            |sight: &Sight| (sight.state == WorkerState::Idle).then(|| now.saturating_duration_since(sight.since));
        let serving = sights.iter().filter(|sight| sight.state.is_serving()).count();
        Load {
            waiting,
            longest: longest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            serving: u32::try_from(serving).unwrap_or(u32::MAX),
            wanted: self.wanted(),
            least: config.min,
            most: config.max,
            coldest: sights.iter().filter_map(idle).max(),
            quiet: sights.iter().map(idle).collect::<Option<Vec<_>>>().and_then(|times| times.into_iter().min()),
            since_down,
        }
    }

    /// Wants somebody in so many more slots, the first ones that are free.
    pub(super) fn grow(&mut self, count: u32) {
        let free = self.slots.iter_mut().filter(|slot| !slot.wanted);
        free.take(count as usize).for_each(|slot| slot.wanted = true);
    }

    /// Wants nobody any more in so many slots with an idle worker, those first that have been idle longest. Brings the workers, which have to
    /// be dismissed.
    pub(super) fn shrink(&mut self, count: u32) -> Vec<Arc<Incarnation>> {
        let mut idle: Vec<_> = self
            .slots
            .iter_mut()
            .filter(|slot| slot.wanted && slot.successor.is_none())
            .filter_map(|slot| slot.seat_sight().map(|sight| (sight, slot)))
            .filter(|(sight, _)| sight.state == WorkerState::Idle && sight.due.is_none())
            .map(|(sight, slot)| (sight.since, slot))
            .collect();
        idle.sort_by_key(|(since, _)| *since);
        let chosen = idle.into_iter().take(count as usize);
        chosen
            .filter_map(|(_, slot)| {
                slot.wanted = false;
                slot.retry_at = None;
                slot.missed_since = None;
                slot.seated.clone()
            })
            .collect()
    }

    pub(super) fn snapshot(&self) -> (Vec<WorkerSnapshot>, u64) {
        let mut workers = Vec::new();
        let mut served = 0;
        for slot in &self.slots {
            served += slot.served;
            for incarnation in slot.all() {
                let worker = incarnation.snapshot(slot.last_recycle);
                served += worker.requests;
                workers.push(worker);
            }
        }
        (workers, served)
    }
}

impl Slot {
    /// The seat first, then its successor, then those who have left it.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Incarnation>> {
        self.seated.iter().chain(&self.successor).chain(&self.leaving)
    }

    pub(super) fn seat_sight(&self) -> Option<Sight> {
        self.seated.as_deref().map(Incarnation::sight)
    }

    /// Whether a request need not be refused for want of a worker here: one is about to be free, or can be started.
    pub(super) fn has_room(&self) -> bool {
        match self.seat_sight().map(|sight| sight.state) {
            // Its client comes first.
            Some(WorkerState::Busy) => !self.wanted || self.seated.as_ref().is_none_or(|worker| worker.has_answered()),
            // Nobody comes soon.
            Some(WorkerState::Backoff | WorkerState::Stopped) => !self.wanted,
            _ => true,
        }
    }

    pub(super) fn successor_sight(&self) -> Option<Sight> {
        self.successor.as_deref().map(Incarnation::sight)
    }
}
