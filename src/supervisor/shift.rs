//! One shift of children takes over from another.
//!
//! ```text
//! Boot --all new ones stand by--> Switch --no old one accepts--> Settle --no old one reads--> over
//! ```
//!
//! The old ones are told when all new ones could serve. Between `Switch` and `Settle` nobody accepts: clients wait in the kernel's queue
//! for a few milliseconds. From the end of `Settle` on nothing is answered by an old child but what it has read before.

#![forbid(unsafe_code)]

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::{Child, Generation, Stage};
use super::handle::{LastReload, NotReloaded, Reloaded};
use super::{Blueprint, ChildId, DRAIN_SLACK, Supervisor, Waiting};
use crate::control::Order;
use crate::telemetry::events::ServerReload;

/// An old child that does not say for so long that it accepts no more is stuck, and is waited for no longer.
const SWITCH_LIMIT: Duration = Duration::from_secs(5);

/// Why a shift takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first one. If it fails, so does the server.
    Start,
    /// A child has crashed. If it fails, it is tried again.
    Replacement,
    /// A child is to be replaced in order. If it fails, the old one goes on.
    Successor { old: ChildId },
    /// Everybody is. If it fails, the old ones go on.
    Reload { trigger: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Boot,
    Switch { since: Instant },
    Settle,
}

#[derive(Debug)]
pub(super) struct Shift {
    pub(super) kind: Kind,
    generation: Arc<Generation>,
    pub(super) new: Vec<ChildId>,
    old: Vec<ChildId>,
    step: Step,
    started: Instant,
    /// Who wants to know what comes of it.
    pub(super) waiting: Vec<Waiting>,
}

impl Shift {
    pub(super) fn new(kind: Kind, generation: Arc<Generation>, new: Vec<ChildId>) -> Self {
        Self { kind, generation, new, old: Vec::new(), step: Step::Boot, started: Instant::now(), waiting: Vec::new() }
    }

    /// Whether it cannot go on without that child.
    pub(super) fn awaits(&self, id: ChildId) -> bool {
        self.step == Step::Boot && self.new.contains(&id)
    }

    /// Whether it replaces that child.
    pub(super) fn is_for(&self, id: ChildId) -> bool {
        self.kind == Kind::Successor { old: id } || self.old.contains(&id)
    }

    /// Whether it brings up the successor of that child.
    pub(super) fn boots_for(&self, id: ChildId) -> bool {
        self.step == Step::Boot && self.kind == Kind::Successor { old: id }
    }

    /// Whether what it is about to bring up is older than the generation that serves by now.
    fn is_overtaken(&self, serving: u64) -> bool {
        self.step == Step::Boot && self.generation.number < serving
    }

    fn is_reload(&self) -> bool {
        matches!(self.kind, Kind::Reload { .. })
    }

    /// When it has waited long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.step {
            Step::Switch { since } => Some(since + SWITCH_LIMIT),
            Step::Boot | Step::Settle => None,
        }
    }
}

impl<B: Blueprint> Supervisor<B> {
    pub(super) fn is_reloading(&self) -> bool {
        self.shifts.iter().any(Shift::is_reload)
    }

    /// Begins a reload, or notes that another one is wanted after the present one.
    pub(super) fn reload(&mut self, trigger: String, waiting: Vec<Waiting>) {
        if self.ending {
            for answer in waiting {
                drop(answer.send(Err(NotReloaded::Ending)));
            }
            return;
        }
        self.service.reloads();
        // The first start has not proved anything yet that could be kept.
        let is_busy = self.shifts.iter().any(|shift| shift.is_reload() || shift.kind == Kind::Start);
        if is_busy {
            self.queued.get_or_insert_with(|| (trigger, Vec::new())).1.extend(waiting);
            return;
        }
        let kind = Kind::Reload { trigger };
        self.reopen_files();
        let planned = self.blueprint.plan();
        let plan = match planned {
            Ok(plan) => plan,
            Err(fault) => {
                let mut shift = Shift::new(kind, Arc::clone(&self.current), Vec::new());
                shift.waiting = waiting;
                return self.reload_failed(shift, fault);
            }
        };
        self.generations += 1;
        let generation = Arc::new(Generation::new(self.generations, plan));
        let started = self.start_children(&generation, 0..generation.plan.children);
        let mut shift = Shift::new(kind, generation, Vec::new());
        shift.waiting = waiting;
        match started {
            Ok(new) => {
                shift.new = new;
                self.begin(shift);
            }
            Err(error) => self.reload_failed(shift, format!("a child process cannot be started: {error}")),
        }
    }

    pub(super) fn reload_failed(&mut self, shift: Shift, fault: String) {
        self.abandon(&shift.new);
        self.blueprint.withdrawn();
        self.reloads.1 += 1;
        if let Kind::Reload { trigger } = &shift.kind {
            let (generation, took) = (self.current.number, shift.started.elapsed());
            ServerReload { trigger, generation, fault: Some(&fault), took }.emit();
            let (trigger, error) = (trigger.clone(), Some(fault.clone()));
            self.last_reload = Some(LastReload { trigger, generation, took, error });
        }
        for answer in shift.waiting {
            drop(answer.send(Err(NotReloaded::Failed(fault.clone()))));
        }
    }

    /// Takes every shift as far as it can go.
    pub(super) fn advance(&mut self, now: Instant) {
        // A step of one may do away with others: those before it are gone from the list, those behind it are looked at here.
        for mut shift in mem::take(&mut self.shifts) {
            if shift.is_overtaken(self.current.number) {
                continue;
            }
            if self.step(&mut shift, now) {
                self.over(shift);
            } else {
                self.shifts.push(shift);
            }
        }
        if !self.is_reloading()
            && !self.shifts.iter().any(|shift| shift.kind == Kind::Start)
            && let Some((trigger, waiting)) = self.queued.take()
        {
            self.reload(trigger, waiting);
        }
    }

    /// Whether the shift is over.
    fn step(&mut self, shift: &mut Shift, now: Instant) -> bool {
        if shift.step == Step::Boot {
            let stands_by = |id| self.children.get(id).is_some_and(|child| child.stage >= Stage::Standby);
            if !shift.new.iter().all(stands_by) {
                return false;
            }
            self.dismiss_old(shift, now);
            shift.step = Step::Switch { since: now };
        }
        if let Step::Switch { since } = shift.step {
            let late = now >= since + SWITCH_LIMIT;
            if !late && !self.all_old(shift, Child::accepts_nothing) {
                return false;
            }
            // What comes up with a reload has no mistake.
            if shift.is_reload() {
                self.mistake = None;
            }
            for id in &shift.new {
                if let Some(child) = self.children.get_mut(id).filter(|child| child.stage == Stage::Standby) {
                    if self.mistake.is_some() {
                        child.order(Order::Show { mistake: self.mistake.clone() });
                    }
                    if let Some((maintenance, _)) = &self.maintenance {
                        child.order(Order::Maintain { maintenance: Some(maintenance.clone()) });
                    }
                    child.order(Order::Serve);
                    child.reach(Stage::Serving);
                }
            }
            shift.step = Step::Settle;
        }
        self.all_old(shift, Child::reads_nothing)
    }

    fn all_old(&self, shift: &Shift, holds: impl Fn(&Child) -> bool) -> bool {
        shift.old.iter().all(|id| self.children.get(id).is_none_or(|child| child.status.is_some() || holds(child)))
    }

    /// Tells those who are replaced that they are.
    fn dismiss_old(&mut self, shift: &mut Shift, now: Instant) {
        shift.old = match shift.kind {
            Kind::Start | Kind::Replacement => Vec::new(),
            Kind::Successor { old } => vec![old],
            Kind::Reload { .. } => {
                let new = shift.generation.number;
                self.children.iter().filter(|(_, child)| child.process.generation < new).map(|(id, _)| *id).collect()
            }
        };
        if shift.is_reload() {
            self.current = Arc::clone(&shift.generation);
            self.series.clear();
            self.shifts.retain(|other| !other.is_overtaken(shift.generation.number));
        }
        let reason = shift.new.first().and_then(|id| self.children.get(id)).and_then(|child| child.because);
        for id in &shift.old {
            if let Some(child) = self.children.get_mut(id).filter(|child| child.stage < Stage::Draining) {
                child.replaced_for = reason;
                child.reach(Stage::Draining);
                child.order(Order::Drain { handover: true });
                child.deadline = Some(now + child.generation.plan.drain_timeout + DRAIN_SLACK);
                if shift.generation.number != child.generation.number {
                    child.generation.release();
                }
            }
        }
    }

    fn over(&mut self, shift: Shift) {
        let workers = shift.new.iter().filter_map(|id| self.children.get(id)).map(|child| child.workers);
        let (ready, workers) = workers.fold((0, 0), |sum, (ready, workers)| (sum.0 + ready, sum.1 + workers));
        match &shift.kind {
            Kind::Start => {
                self.has_served = true;
                self.blueprint.serves(ready, workers);
                self.service.serves();
            }
            Kind::Replacement | Kind::Successor { .. } => {}
            Kind::Reload { trigger } => {
                self.reloads.0 += 1;
                let (generation, took) = (shift.generation.number, shift.started.elapsed());
                self.blueprint.serves(ready, workers);
                ServerReload { trigger, generation, fault: None, took }.emit();
                self.last_reload = Some(LastReload { trigger: trigger.clone(), generation, took, error: None });
                for answer in shift.waiting {
                    drop(answer.send(Ok(Reloaded { generation, took })));
                }
            }
        }
    }
}
