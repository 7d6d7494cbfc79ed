//! The parent process: it owns the listening sockets, runs no PHP, and sees to it that children serve.
//!
//! Children are replaced by shifts (see `shift`): a new one boots beside the old, proves itself by reaching its loop, and takes over. The
//! first start, the replacement of a crashed child, of one that is too large, and a reload are all shifts; they differ in whom they
//! replace and in what a failure means. Everything happens on one thread, in answer to one event after the other: a signal, what a
//! child says, what the rest of the parent asks through a [`Handle`], the end of a process, a deadline.
//!
//! What must never happen: a moment in which nobody holds the listening sockets, a child that outlives the server, a zombie.

#![forbid(unsafe_code)]

mod child;
mod ending;
mod handle;
mod inquiry;
mod legacy;
mod memory;
mod plan;
mod pulse;
mod service;
mod shift;
mod signals;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

pub use handle::{ChildStatus, Handle, LastReload, NotReloaded, Reloaded, Status};
pub use legacy::Departed;
pub use plan::{Blueprint, CHILD_MARK, Plan, Program, executable};

use crate::control::{Maintenance, Order, Report, Snapshot};
use crate::telemetry;
use crate::telemetry::events::{
    ChildBootFailed, ChildCrash, ChildCrashLoop, ChildCrashRequest, ChildReady, ChildReplace, ChildStop, LogReopen,
    Place, ServerDrain, ServerMaintenance,
};
use child::{Child, Generation, Stage};
use ending::{HELD, LONGEST_PAUSE, LOOP, pause, reap, told};
use handle::Ask;
use inquiry::Inquiries;
use legacy::Routes;
use service::Service;
use shift::{Kind, Shift};
use signals::{Noticed, Signals};

/// A child's number in this process; never used again.
type ChildId = u64;

/// Who wants to know what comes of a reload.
type Waiting = oneshot::Sender<Result<Reloaded, NotReloaded>>;

/// Events that may wait for the supervisor; whoever posts more waits.
const INBOX: usize = 1024;
/// What a child needs beyond its own drain timeout to end; then it is killed.
const DRAIN_SLACK: Duration = Duration::from_secs(10);
/// Time for a child that has failed to boot to end by itself.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long the last words of a dead child are waited for. They end with the last copy of its descriptor, which a process that PHP
/// has forked may hold.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Time for a child that has closed its channel to end.
const SPEECHLESS: Duration = Duration::from_secs(5);
/// Time between a replacement that failed and the next attempt.
const REPLACE_PAUSE: Duration = LONGEST_PAUSE;
/// Time for processes that were killed to be gone.
const KILL_TIME: Duration = Duration::from_millis(500);

/// What happens to the supervisor, besides signals and time.
#[derive(Debug)]
enum Event {
    Said(ChildId, Report),
    /// All it said has been read.
    Silent(ChildId),
    Ask(Ask),
}

/// How the life of the server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// Why, if not as it should.
    pub fault: Option<EndFault>,
    /// PHP threads that were left behind, over all children.
    pub workers_left: u32,
}

/// Why a server did not live, or did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndFault {
    /// The first children did not come up; in words for the operator.
    Boot(String),
    /// Requests were cut.
    Cut {
        /// Connections.
        connections: usize,
        /// PHP threads.
        threads: u32,
    },
    /// A child ended by a signal while it drained.
    Crash(String),
}

/// Crashes in a row at one place, and when the next replacement is due.
#[derive(Debug, Default)]
struct Series {
    in_a_row: u32,
    next: Option<(Instant, Arc<Generation>)>,
}

/// Everything about the children.
#[derive(Debug)]
pub struct Supervisor<B> {
    blueprint: B,
    post: mpsc::Sender<Event>,
    inbox: mpsc::Receiver<Event>,
    children: BTreeMap<ChildId, Child>,
    next_child: ChildId,
    shifts: Vec<Shift>,
    /// The generation that serves.
    current: Arc<Generation>,
    /// Number of the last generation, whether it came to serve or not.
    generations: u64,
    series: BTreeMap<u32, Series>,
    /// A reload that waits for the end of another.
    queued: Option<(String, Vec<Waiting>)>,
    inquiries: Inquiries,
    service: Service,
    ending: bool,
    outcome: Outcome,
    signals_to_end: u32,
    crashes: BTreeMap<String, u64>,
    departed: Departed,
    routes: Routes,
    last_reload: Option<LastReload>,
    /// In development: what is shown to who looks at a page.
    mistake: Option<String>,
    /// Clients are told to come back later, since then.
    maintenance: Option<(Maintenance, Instant)>,
    /// The first children have served.
    has_served: bool,
    reloads: (u64, u64),
    memory_due: Instant,
    pulse_due: Instant,
}

impl<B: Blueprint> Supervisor<B> {
    /// A supervisor of children that are started as the plan says; later plans are asked of the blueprint.
    pub fn new(blueprint: B, plan: Plan) -> Self {
        let (post, inbox) = mpsc::channel(INBOX);
        Self {
            blueprint,
            post,
            inbox,
            children: BTreeMap::new(),
            next_child: 1,
            shifts: Vec::new(),
            current: Arc::new(Generation::new(1, plan)),
            generations: 1,
            series: BTreeMap::new(),
            queued: None,
            inquiries: Inquiries::default(),
            service: Service::from_env(),
            ending: false,
            outcome: Outcome { fault: None, workers_left: 0 },
            signals_to_end: 0,
            crashes: BTreeMap::new(),
            departed: Departed::default(),
            routes: Routes::default(),
            last_reload: None,
            mistake: None,
            maintenance: None,
            has_served: false,
            reloads: (0, 0),
            memory_due: Instant::now(),
            pulse_due: Instant::now(),
        }
    }

    /// The means to ask it.
    pub fn handle(&self) -> Handle {
        Handle(self.post.clone())
    }

    /// Starts the children and lives until they have ended.
    ///
    /// # Errors
    /// Signals cannot be handled.
    pub async fn run(mut self) -> io::Result<Outcome> {
        let mut signals = Signals::listen()?;
        self.start();
        while !(self.ending && self.children.is_empty()) {
            let due = self.due();
            tokio::select! {
                biased;
                noticed = signals.next() => self.notice(noticed),
                Some(event) = self.inbox.recv() => self.hear(event),
                () = tokio::time::sleep_until(due.into()) => {}
            }
            self.look(Instant::now());
        }
        Ok(self.outcome)
    }

    fn start(&mut self) {
        let generation = Arc::clone(&self.current);
        match self.start_children(&generation, 0..generation.plan.children) {
            Ok(new) => self.begin(Shift::new(Kind::Start, generation, new)),
            Err(error) => self.fail(format!("a child process cannot be started: {error}")),
        }
    }

    /// Notes a shift whose new children have been started.
    fn begin(&mut self, shift: Shift) {
        let wish = match shift.kind {
            Kind::Successor { old } => {
                self.children.get(&old).and_then(|old| old.wish.as_ref()).map(|(wish, ..)| wish.clone())
            }
            Kind::Start | Kind::Replacement | Kind::Reload { .. } => None,
        };
        let reason = legacy::reason(&shift.kind, wish.as_deref());
        for id in &shift.new {
            if let Some(child) = self.children.get_mut(id) {
                child.because = reason;
            }
        }
        self.shifts.push(shift);
    }

    /// Starts children for these places; none if one cannot be started.
    fn start_children(
        &mut self,
        generation: &Arc<Generation>,
        places: impl Iterator<Item = u32>,
    ) -> io::Result<Vec<ChildId>> {
        let mut started = Vec::new();
        for place in places {
            let id = self.next_child;
            self.next_child += 1;
            match Child::start(id, place, Arc::clone(generation), &self.post) {
                Ok(child) => {
                    self.children.insert(id, child);
                    started.push(id);
                }
                Err(error) => {
                    self.abandon(&started);
                    return Err(error);
                }
            }
        }
        Ok(started)
    }

    /// Takes down children that are not to serve.
    fn abandon(&mut self, ids: &[ChildId]) {
        for id in ids {
            if let Some(child) = self.children.get_mut(id) {
                child.reach(Stage::Draining);
                child.order(Order::Drain { handover: true });
                child.deadline = Some(Instant::now() + FAREWELL);
            }
        }
    }

    /// Ends with a fault.
    fn fail(&mut self, message: String) {
        self.outcome.fault.get_or_insert(EndFault::Boot(message));
        self.end();
    }

    fn notice(&mut self, noticed: Noticed) {
        match noticed {
            Noticed::End { name, number } => {
                self.signals_to_end += 1;
                if self.signals_to_end > 1 {
                    self.end_at_once(128 + number);
                }
                self.drain(name);
            }
            Noticed::Reload => self.reload("SIGHUP".to_owned(), Vec::new()),
            Noticed::ReopenLogs => self.reopen_logs(),
            Noticed::ChildEnded => {
                for (pid, status) in reap() {
                    let child =
                        self.children.iter_mut().find(|(_, child)| child.process.pid == pid && child.status.is_none());
                    if let Some((id, child)) = child {
                        child.status = Some(status);
                        child.deadline = Some(Instant::now() + LAST_WORDS);
                        // At once: others may wait for what it held.
                        self.blueprint.gone(*id, status.exit_status() != Some(0));
                    }
                }
            }
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Said(id, report) => self.said(id, report),
            Event::Silent(id) => {
                if let Some(child) = self.children.get_mut(&id) {
                    child.silent = true;
                    let limit = Instant::now() + SPEECHLESS;
                    child.deadline = Some(child.deadline.map_or(limit, |deadline| deadline.min(limit)));
                }
            }
            Event::Ask(ask) => self.asked(ask),
        }
    }

    fn said(&mut self, id: ChildId, report: Report) {
        let Some(child) = self.children.get_mut(&id) else { return };
        child.pulse.heard();
        match report {
            Report::Ready { ready, workers } if child.stage == Stage::Booting => {
                child.reach(Stage::Standby);
                child.workers = (ready, workers);
                child.deadline = None;
                ChildReady { child: child.process, ready, workers, boot: child.started.elapsed() }.emit();
            }
            Report::BootFailed { message } => {
                // In the words of the application, which may be those of its database.
                child.fault = Some(telemetry::redact::words(&message).into_owned());
                child.deadline = Some(Instant::now() + FAREWELL);
            }
            Report::NotAccepting => child.reach(Stage::NotAccepting),
            Report::Quiet => child.reach(Stage::Quiet),
            Report::ReplaceMe { reason, detail } => {
                child.wish.get_or_insert((reason, detail, Instant::now()));
            }
            Report::Ended { connections_cut, workers_left, mut pools, mut http, spans } => {
                legacy::attribute(&mut pools, child.replaced_for);
                self.routes.bound(&mut http);
                child.ended = Some((connections_cut, workers_left));
                let pid = child.process.pid;
                let phase = "stopped".to_owned();
                let snapshot = Snapshot { pid, phase, pools, http, spans, opcache: None };
                child.last = Some((Instant::now(), snapshot));
            }
            Report::Snapshot { id: question, mut snapshot } => {
                legacy::attribute(&mut snapshot.pools, child.replaced_for);
                self.routes.bound(&mut snapshot.http);
                child.last = Some((Instant::now(), Snapshot::clone(&snapshot)));
                self.inquiries.snapshot(question, id, *snapshot);
            }
            Report::Recycled { id: question, workers } => self.inquiries.recycled(question, id, workers),
            Report::Ready { .. } | Report::Unknown => {}
        }
    }

    fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Reload { trigger, answer } => self.reload(trigger, vec![answer]),
            Ask::Drain { trigger } => self.drain(&trigger),
            Ask::Replace { reason, detail, answer } => {
                let mut count = 0;
                for child in self.children.values_mut().filter(|child| child.stage == Stage::Serving) {
                    child.wish = Some((reason.clone(), detail.clone(), Instant::now()));
                    count += 1;
                }
                answer.send(count).ok();
            }
            Ask::Recycle { pool, slot, answer } => {
                let question = self.inquiries.begin_recycle(answer);
                let order = Order::Recycle { id: question, pool, slot };
                let told = self.order_all(&order, |child| child.stage == Stage::Serving);
                self.inquiries.awaits(question, told);
            }
            Ask::Status { answer } => {
                let question =
                    self.inquiries.begin_status(self.status(), self.children.keys().copied().collect(), answer);
                let told = self.order_all(&Order::Snapshot { id: question, checks: true }, |_| true);
                let now = Instant::now();
                for id in &told {
                    if let Some(child) = self.children.get_mut(id) {
                        child.pulse.asked(now);
                    }
                }
                self.inquiries.awaits(question, told);
            }
            Ask::ReopenLogs => self.reopen_logs(),
            Ask::Maintain(maintenance) => self.maintain(maintenance),
            Ask::Show(mistake) => {
                self.mistake.clone_from(&mistake);
                self.order_all(&Order::Show { mistake }, |child| child.stage == Stage::Serving);
            }
        }
    }

    /// Tells clients to come back later, or serves them again. Children that come to serve later are told before they do.
    fn maintain(&mut self, maintenance: Option<Maintenance>) {
        let since = self.maintenance.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        ServerMaintenance {
            on: maintenance.is_some(),
            message: maintenance.as_ref().map_or("", |maintenance| &maintenance.message),
        }
        .emit();
        self.maintenance = maintenance.clone().map(|maintenance| (maintenance, since));
        self.order_all(&Order::Maintain { maintenance }, |child| child.stage >= Stage::Serving);
    }

    /// Gives an order to children; says which have taken it.
    fn order_all(&self, order: &Order, wanted: impl Fn(&Child) -> bool) -> Vec<ChildId> {
        let wanted = self.children.iter().filter(|(_, child)| child.status.is_none() && wanted(child));
        wanted.filter(|(_, child)| child.order(order.clone())).map(|(id, _)| *id).collect()
    }

    fn reopen_logs(&mut self) {
        LogReopen { files: &telemetry::files().join(", ") }.emit();
        self.reopen_files();
    }

    /// Has log files opened anew, here and in the children.
    fn reopen_files(&self) {
        telemetry::reopen();
        self.order_all(&Order::ReopenLogs, |_| true);
    }

    fn status(&self) -> Status {
        let children = self.children.values().map(|child| ChildStatus {
            pid: child.process.pid,
            place: child.process.place,
            generation: child.process.generation,
            state: child.stage.label(),
            uptime: child.started.elapsed(),
            snapshot: child.last.as_ref().map(|(_, snapshot)| snapshot.clone()),
            stale: Some(child.last.as_ref().map_or(child.started, |(then, _)| *then).elapsed()),
            unanswered: child.pulse.owes(),
            resident: telemetry::resident_bytes(child.process.pid),
            because: child.because,
        });
        Status {
            generation: self.current.number,
            pools: self.current.plan.pools.clone(),
            ending: self.ending,
            reloading: self.is_reloading(),
            crashes: self.crashes.clone(),
            departed: self.departed.clone(),
            last_reload: self.last_reload.clone(),
            reloads: self.reloads,
            maintenance: self.maintenance.as_ref().map(|(told, since)| (told.clone(), since.elapsed())),
            has_served: self.has_served,
            children: children.collect(),
        }
    }

    /// The orderly end.
    fn drain(&mut self, trigger: &str) {
        if self.ending {
            return;
        }
        let has_served = self.children.values().any(|child| child.served);
        let timeout = if has_served { self.current.plan.drain_timeout } else { Duration::from_secs(2) };
        ServerDrain { trigger, timeout }.emit();
        self.end();
    }

    fn end(&mut self) {
        self.ending = true;
        self.service.stops();
        self.series.clear();
        self.current.release();
        self.blueprint.ends();
        let waiting = self
            .shifts
            .drain(..)
            .flat_map(|shift| shift.waiting)
            .chain(self.queued.take().into_iter().flat_map(|(_, waiting)| waiting));
        for answer in waiting {
            drop(answer.send(Err(NotReloaded::Ending)));
        }
        let now = Instant::now();
        for child in self.children.values_mut().filter(|child| child.stage < Stage::Draining) {
            child.generation.release();
            child.reach(Stage::Draining);
            child.order(Order::Drain { handover: false });
            child.deadline = Some(now + child.generation.plan.drain_timeout + DRAIN_SLACK);
        }
    }

    /// The end that waits for nothing but the deaths of those it kills.
    fn end_at_once(&mut self, code: i32) {
        for child in self.children.values_mut() {
            child.kill("the server was told to end at once");
        }
        let limit = Instant::now() + KILL_TIME;
        let mut left: Vec<u32> =
            self.children.values().filter(|child| child.status.is_none()).map(|child| child.process.pid).collect();
        while !left.is_empty() && Instant::now() < limit {
            for (pid, _) in reap() {
                left.retain(|other| *other != pid);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        signal_hook::low_level::exit(code);
    }

    /// When to look up if nothing happens.
    fn due(&self) -> Instant {
        let deadlines = self.children.values().filter_map(|child| child.deadline);
        // What nobody would see to when it is due must not wake anybody.
        let wishes = self.children.iter().filter(|(id, child)| self.may_obey(**id, child));
        let wishes = wishes.filter_map(|(_, child)| child.wish.as_ref()).map(|(.., due)| *due);
        let series = self.series.values().filter_map(|series| series.next.as_ref()).map(|(due, _)| *due);
        let shifts = self.shifts.iter().filter_map(Shift::due);
        let memory = self.current.plan.max_rss.filter(|_| !self.ending).map(|_| self.memory_due);
        let pulse = Some(self.pulse_due).filter(|_| !self.ending);
        let far = Instant::now() + Duration::from_secs(60);
        deadlines
            .chain(wishes)
            .chain(series)
            .chain(shifts)
            .chain(memory)
            .chain(pulse)
            .chain(self.inquiries.due())
            .chain(self.service.due())
            .min()
            .unwrap_or(far)
            .min(far)
    }

    /// Does what is due, and what the last event has made possible.
    fn look(&mut self, now: Instant) {
        self.watch_children(now);
        if !self.ending {
            self.start_replacements(now);
            self.watch_memory(now);
            self.watch_pulse(now);
            self.obey_wishes(now);
            self.advance(now);
        }
        self.inquiries.close(now);
        self.tell_service(now);
    }

    /// Deadlines and deaths.
    fn watch_children(&mut self, now: Instant) {
        let mut gone = Vec::new();
        for (id, child) in &mut self.children {
            let is_due = child.deadline.is_some_and(|deadline| deadline <= now);
            if child.status.is_some() {
                if child.silent || is_due {
                    gone.push(*id);
                }
            } else if is_due {
                child.kill(match child.stage {
                    _ if child.silent => "it had closed its control channel and did not end",
                    Stage::Booting => "it did not come up in time",
                    _ => "it did not end in time",
                });
            }
        }
        for id in gone {
            if let Some(child) = self.children.remove(&id) {
                self.inquiries.gone(id);
                self.bury(id, child);
            }
        }
    }

    /// A child is gone.
    fn bury(&mut self, id: ChildId, child: Child) {
        let crashed = matches!(child.stage, Stage::Standby | Stage::Serving);
        legacy::keep(&mut self.departed, &child, crashed);
        let cause = child.status.map_or_else(String::new, told);
        let failed = child.status.is_some_and(|status| status.exit_status() != Some(0));
        match child.stage {
            Stage::Draining | Stage::NotAccepting | Stage::Quiet => {
                let (connections_cut, workers_left) = child.ended.unwrap_or_default();
                if child.status.is_some_and(|status| status.signaled()) && child.killed.is_none() {
                    self.report_crash(&child, &cause, 0, None);
                    self.blame(EndFault::Crash(cause));
                } else {
                    let uptime = child.started.elapsed();
                    ChildStop { child: child.process, connections_cut, workers_left, uptime }.emit();
                    if failed && child.served {
                        self.blame(EndFault::Cut { connections: connections_cut, threads: workers_left });
                    }
                }
                if self.ending {
                    self.outcome.workers_left += workers_left;
                }
            }
            // Also one that stood by while its siblings still booted: without it they cannot take over.
            Stage::Booting | Stage::Standby if self.shifts.iter().any(|shift| shift.awaits(id)) => {
                let message = match (child.fault.clone(), child.killed) {
                    (Some(message), _) => message,
                    (None, Some(why)) => format!("a child process was killed: {why}"),
                    (None, None) => format!("a child process ended while it booted: {cause}"),
                };
                self.boot_failed(id, &child, message);
            }
            Stage::Booting | Stage::Standby | Stage::Serving => {
                let held = child.started.elapsed() >= HELD;
                let series = self.series.entry(child.process.place).or_default();
                series.in_a_row = if held { 1 } else { series.in_a_row + 1 };
                let (in_a_row, wait) = (series.in_a_row, pause(series.in_a_row));
                if let Some(shift) = self.shifts.iter_mut().find(|shift| shift.boots_for(id)) {
                    // Its successor is on the way already; a second one would stay beside the first.
                    shift.kind = Kind::Replacement;
                    self.report_crash(&child, &cause, in_a_row, Some(Duration::ZERO));
                } else {
                    self.report_crash(&child, &cause, in_a_row, Some(wait));
                    self.replace_later(&child, wait);
                }
            }
        }
    }

    /// Of several faults at the end the first one counts, but cut requests are added up.
    fn blame(&mut self, fault: EndFault) {
        if !self.ending {
            return;
        }
        match (&mut self.outcome.fault, fault) {
            (none @ None, fault) => *none = Some(fault),
            (Some(EndFault::Cut { connections, threads }), EndFault::Cut { connections: more, threads: also }) => {
                *connections += more;
                *threads += also;
            }
            _ => {}
        }
    }

    fn report_crash(&mut self, child: &Child, cause: &str, in_a_row: u32, retry_in: Option<Duration>) {
        let signal =
            child.status.and_then(|status| status.terminating_signal()).and_then(signal_hook::low_level::signal_name);
        *self.crashes.entry(signal.unwrap_or("exit").to_owned()).or_default() += 1;
        let (uptime, requests) = (child.started.elapsed(), child.in_flight());
        ChildCrash { child: child.process, cause, in_flight: requests.len(), uptime, in_a_row, retry_in }.emit();
        for request in &requests {
            ChildCrashRequest {
                child: child.process,
                method: &request.method,
                path: &request.path,
                request_id: &request.request_id,
                place: Place { pool: &request.pool, slot: request.slot, incarnation: request.incarnation },
                elapsed: request.elapsed,
            }
            .emit();
        }
        if in_a_row == LOOP {
            ChildCrashLoop { place: child.process.place, in_a_row, longest_pause: LONGEST_PAUSE }.emit();
        }
    }

    fn replace_later(&mut self, child: &Child, wait: Duration) {
        // A generation that has been taken over by another has nobody left to replace.
        if !self.ending && child.process.generation == self.current.number {
            let series = self.series.entry(child.process.place).or_default();
            series.next = Some((Instant::now() + wait, Arc::clone(&child.generation)));
        }
    }

    fn start_replacements(&mut self, now: Instant) {
        let due: Vec<u32> = self
            .series
            .iter()
            .filter(|(_, series)| series.next.as_ref().is_some_and(|(due, _)| *due <= now))
            .map(|(place, _)| *place)
            .collect();
        for place in due {
            let Some((_, generation)) = self.series.get_mut(&place).and_then(|series| series.next.take()) else {
                continue;
            };
            match self.start_children(&generation, std::iter::once(place)) {
                Ok(new) => self.begin(Shift::new(Kind::Replacement, generation, new)),
                Err(error) => {
                    let series = self.series.entry(place).or_default();
                    series.in_a_row += 1;
                    let wait = pause(series.in_a_row).max(Duration::from_millis(100));
                    series.next = Some((now + wait, Arc::clone(&generation)));
                    let process = crate::telemetry::events::Process { pid: 0, place, generation: generation.number };
                    ChildBootFailed { child: process, message: &error.to_string(), retry_in: Some(wait) }.emit();
                }
            }
        }
    }

    fn boot_failed(&mut self, id: ChildId, child: &Child, message: String) {
        let Some(index) = self.shifts.iter().position(|shift| shift.awaits(id)) else { return };
        let shift = self.shifts.remove(index);
        match shift.kind {
            Kind::Start => {
                self.abandon(&shift.new);
                self.fail(message);
            }
            Kind::Replacement => {
                let series = self.series.entry(child.process.place).or_default();
                series.in_a_row += 1;
                let wait = pause(series.in_a_row.max(2));
                ChildBootFailed { child: child.process, message: &message, retry_in: Some(wait) }.emit();
                self.replace_later(child, wait);
            }
            Kind::Successor { old } => {
                ChildBootFailed { child: child.process, message: &message, retry_in: Some(REPLACE_PAUSE) }.emit();
                if let Some((.., due)) = self.children.get_mut(&old).and_then(|old| old.wish.as_mut()) {
                    *due = Instant::now() + REPLACE_PAUSE;
                }
            }
            Kind::Reload { .. } => self.reload_failed(shift, message),
        }
    }

    /// Whether the wish of a child, if it has one, can be seen to now. A reload replaces everybody; should it fail, the wish is still
    /// there.
    fn may_obey(&self, id: ChildId, child: &Child) -> bool {
        child.stage == Stage::Serving
            && child.status.is_none()
            && !self.ending
            && !self.is_reloading()
            && !self.shifts.iter().any(|shift| shift.is_for(id))
    }

    /// Starts successors of children that are to be replaced in order.
    fn obey_wishes(&mut self, now: Instant) {
        let wanting: Vec<ChildId> = self
            .children
            .iter()
            .filter(|(id, child)| self.may_obey(**id, child))
            .filter(|(_, child)| child.wish.as_ref().is_some_and(|(.., due)| *due <= now))
            .map(|(id, _)| *id)
            .collect();
        for old in wanting {
            let Some(child) = self.children.get(&old) else { continue };
            if let Some((reason, detail, _)) = &child.wish {
                ChildReplace { child: child.process, reason, detail }.emit();
            }
            let (place, generation, process) = (child.process.place, Arc::clone(&child.generation), child.process);
            match self.start_children(&generation, std::iter::once(place)) {
                Ok(new) => self.begin(Shift::new(Kind::Successor { old }, generation, new)),
                Err(error) => {
                    ChildBootFailed { child: process, message: &error.to_string(), retry_in: Some(REPLACE_PAUSE) }
                        .emit();
                    if let Some((.., due)) = self.children.get_mut(&old).and_then(|child| child.wish.as_mut()) {
                        *due = now + REPLACE_PAUSE;
                    }
                }
            }
        }
    }

    /// Children beyond the ceiling of memory are to be replaced.
    fn watch_memory(&mut self, now: Instant) {
        let Some(most) = self.current.plan.max_rss else { return };
        if now < self.memory_due {
            return;
        }
        self.memory_due = now + memory::INTERVAL;
        for child in self.children.values_mut() {
            if child.stage != Stage::Serving || child.wish.is_some() || child.started.elapsed() < memory::LEAST_AGE {
                continue;
            }
            if let Some(bytes) = telemetry::resident_bytes(child.process.pid).filter(|bytes| *bytes > most) {
                let detail = format!("{} MiB resident, process.max_rss is {} MiB", bytes >> 20, most >> 20);
                child.wish = Some(("max_rss".to_owned(), detail, now));
            }
        }
    }
}
