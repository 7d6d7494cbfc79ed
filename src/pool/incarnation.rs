//! One life of a worker: mailbox, state and numbers.
//!
//! An incarnation belongs to a slot, and its thread to it alone. Its record is written by the submitter that took it off the idle list, by its
//! own thread, by the keeper and by the watchdog, each under the lock, which is held for a few instructions.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use parking_lot::Mutex;

use super::current::Current;
use super::deadline::{Clock, Deadlines, Overrun};
use super::policy::{self, Life, Limits, WARM_REQUESTS};
use super::slow::Slow;
use super::snapshot::{CurrentRequest, WorkerSnapshot};
use super::state::{Event, WorkerState, next};
use crate::job::{Boundary, Cutoff, Exchange, Identity, Interrupt, Moment, Next, ResetOutcome};
use crate::telemetry::events::{IllegalTransition, WorkerDecision};
use crate::telemetry::{Place, RecycleReason};

/// A message that it is seated, and what follows at once: its first request, or that it is to leave.
const MAILBOX: usize = 2;

/// Aligned to two cache lines, so that workers do not slow each other down by neighbourhood.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Incarnation {
    identity: Identity,
    limits: Limits,
    post: Sender<Next>,
    mailbox: Receiver<Next>,
    /// It is to leave at its next boundary. Written and read under the desk's lock only, so that nobody becomes idle who should have left.
    leaving: AtomicBool,
    /// Checks that its application has registered. Not in the record, which is busier: this is for the keeper, which has the desk's lock then.
    checks: Mutex<Vec<Arc<str>>>,
    interrupt: OnceLock<Arc<dyn Interrupt>>,
    record: Mutex<Record>,
    /// Looked at by those who look for slow requests only.
    pub(super) slow: Mutex<Slow>,
}

#[derive(Debug)]
struct Record {
    state: WorkerState,
    since: Instant,
    /// Whether the slot's seat is its own; a successor's is not yet.
    seated: bool,
    started: Instant,
    booted: Option<Instant>,
    requests: u64,
    assigned: Option<Instant>,
    /// Since when it was to be replaced, if it is or was.
    decided: Option<Instant>,
    /// Since when the one before it in its slot was to be replaced, if it takes the place of one.
    replaces: Option<Instant>,
    /// Since when nobody has asked it for anything, though it does something for itself.
    idle_since: Instant,
    /// When the script came back to its loop, or began to do something for itself.
    returned: Option<Instant>,
    /// Since when it has been at a check, and for how long it may be.
    checking: Option<(Instant, Duration)>,
    /// Ends the exchange that it has, until the response has left.
    cutoff: Option<Cutoff>,
    overdue: Option<Overdue>,
    /// Time between two requests, averaged over the last few.
    interval: Duration,
    /// Time that the latest request took until its response had left.
    duration: Duration,
    memory: u64,
    memory_peak: u64,
    resetters: u32,
    drifts: u64,
    last_drift: Option<String>,
    drift_limit: Option<&'static str>,
    baseline: Option<u64>,
    failures: u32,
    current: Current,
    /// Its successor is to be booted ahead of its last request.
    ahead: bool,
    /// Its successor does not boot.
    held: bool,
    /// Why it is to be replaced as soon as its successor has booted.
    due: Option<RecycleReason>,
    /// In whose words, if in anybody's.
    words: Option<String>,
    /// Why it was told to leave, and in whose words.
    left: Option<(RecycleReason, Option<String>)>,
}

/// What has become of an incarnation since it passed a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overdue {
    pub(super) since: Instant,
    /// When it was interrupted last.
    struck: Option<Instant>,
    /// Nobody waits for it any more.
    pub(super) stuck: bool,
    /// Its replacement has been counted and reported.
    pub(super) counted: bool,
}

impl Overdue {
    fn next_strike(&self) -> Instant {
        let pace = if self.stuck { STRIKE_STUCK_EVERY } else { STRIKE_EVERY };
        self.struck.map_or(self.since, |struck| struck + pace)
    }
}

/// A deadline that has passed.
#[derive(Debug)]
pub(super) struct Expired {
    pub(super) overrun: Overrun,
    /// How long the incarnation has been at it.
    pub(super) lasted: Duration,
    /// Ends what it has not answered.
    pub(super) cutoff: Option<Cutoff>,
    pub(super) request: Option<CurrentRequest>,
}

/// Time between two interrupts of one that may still give way: what begins to wait again after one ends with a later one.
const STRIKE_EVERY: Duration = Duration::from_millis(100);
/// The same for one that is stuck: a script that computes for minutes in a library is to end there and not go on.
const STRIKE_STUCK_EVERY: Duration = Duration::from_secs(1);

/// An incarnation as those see it who decide about its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) state: WorkerState,
    pub(super) since: Instant,
    pub(super) started: Instant,
    pub(super) booted: Option<Instant>,
    pub(super) requests: u64,
    /// It has its last request, or has had it.
    pub(super) last: bool,
    pub(super) ahead: bool,
    pub(super) held: bool,
    pub(super) due: Option<RecycleReason>,
    pub(super) overdue: Option<Overdue>,
}

/// What a worker does after it has come to its loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It serves; if `news`, the keeper has something to look at.
    Serve { news: bool },
    /// It stands by until it is seated, or, after its last request, until it is sent away.
    StandBy,
    /// It leaves.
    Leave,
}

impl Incarnation {
    pub(super) fn new(identity: Identity, limits: Limits, seated: bool) -> Arc<Self> {
        let (post, mailbox) = bounded(MAILBOX);
        let now = Instant::now();
        let record = Record {
            state: WorkerState::Starting,
            since: now,
            seated,
            started: now,
            booted: None,
            requests: 0,
            assigned: None,
            decided: None,
            replaces: None,
            idle_since: now,
            returned: None,
            checking: None,
            cutoff: None,
            overdue: None,
            interval: Duration::from_secs(1),
            duration: Duration::ZERO,
            memory: 0,
            memory_peak: 0,
            resetters: 0,
            drifts: 0,
            last_drift: None,
            drift_limit: None,
            baseline: None,
            failures: 0,
            current: Current::default(),
            ahead: false,
            held: false,
            due: None,
            words: None,
            left: None,
        };
        let (leaving, checks) = (AtomicBool::new(false), Mutex::default());
        let (interrupt, record, slow) = (OnceLock::new(), Mutex::new(record), Mutex::default());
        Arc::new(Self { identity, limits, post, mailbox, leaving, checks, interrupt, record, slow })
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn place(&self) -> Place<'_> {
        let Identity { pool, slot, incarnation } = &self.identity;
        Place { pool, slot: *slot, incarnation: *incarnation }
    }

    /// Moves on. An event that cannot happen is reported as the fault it is, and changes nothing.
    pub(super) fn apply(&self, event: Event) -> WorkerState {
        let mut record = self.record.lock();
        let outcome = record.step(event, Instant::now());
        drop(record);
        self.told(outcome, event)
    }

    fn told(&self, outcome: Result<WorkerState, WorkerState>, event: Event) -> WorkerState {
        outcome.unwrap_or_else(|state| {
            IllegalTransition { place: self.place(), state: state.label(), occurrence: event.label() }.emit();
            state
        })
    }

    /// Gets a request. Whether it is its last one, so that the seat is free for its successor.
    pub(super) fn assign(&self, exchange: &Exchange) -> bool {
        let now = Instant::now();
        let cutoff = exchange.reply.cutoff();
        exchange.request.trail.timeline().note(Moment::Started, now);
        let mut record = self.record.lock();
        let outcome = record.step(Event::Assigned, now);
        record.requests += 1;
        if let Some(before) = record.assigned.replace(now) {
            record.interval = (record.interval * 3 + (now - before)) / 4;
        }
        record.current.take(&exchange.request);
        record.cutoff = Some(cutoff);
        let last = self.limits.is_last(record.requests) && !record.held;
        drop(record);
        self.told(outcome, Event::Assigned);
        last
    }

    /// The response has left.
    pub(super) fn responded(&self) {
        let now = Instant::now();
        let mut record = self.record.lock();
        record.note_duration(now);
        let outcome = record.step(Event::Responded, now);
        let done = record.cutoff.take();
        drop(record);
        drop(done);
        self.told(outcome, Event::Responded);
    }

    /// Comes to its loop for the first time. Brings the time that the boot took.
    pub(super) fn arrive(&self, boot_estimate: Duration) -> (Course, Duration) {
        let now = Instant::now();
        let mut record = self.record.lock();
        let boot = now - record.started;
        record.booted = Some(now);
        let ahead = record.looks_ahead(&self.limits, boot_estimate);
        let (event, course) = match (record.state.is_overdue(), record.seated) {
            (true, _) => (Event::Dismissed, Course::Leave),
            (false, true) => (Event::Acknowledged, Course::Serve { news: ahead }),
            (false, false) => (Event::Parked, Course::StandBy),
        };
        let outcome = record.step(event, now);
        drop(record);
        self.told(outcome, event);
        (course, boot)
    }

    /// Begins to do something for itself.
    pub(super) fn tend(&self) {
        let mut record = self.record.lock();
        record.idle_since = record.since;
        let outcome = record.step(Event::Tended, Instant::now());
        drop(record);
        self.told(outcome, Event::Tended);
    }

    /// Its application has registered a check.
    pub(super) fn note_check(&self, name: Arc<str>) {
        self.checks.lock().push(name);
    }

    /// Whether it has registered one of these.
    pub(super) fn has_check_of(&self, names: &[Arc<str>]) -> bool {
        self.checks.lock().iter().any(|name| names.contains(name))
    }

    /// Begins one of its checks, which may take so long.
    pub(super) fn begin_check(&self, limit: Duration) {
        self.record.lock().checking = Some((Instant::now(), limit));
    }

    /// The check is over. What follows has a time of its own.
    pub(super) fn end_check(&self) {
        let mut record = self.record.lock();
        record.checking = None;
        record.returned = record.returned.map(|_| Instant::now());
    }

    /// Comes to its loop after a request, or after something that it did for itself: what it reports is noted, and judged; brings also
    /// whether that found nothing against it. One that has had
    /// its last request keeps its seat, and takes nothing, until the keeper knows that somebody follows.
    pub(super) fn return_with(
        &self,
        boundary: &Boundary,
        tended: bool,
        pressed: bool,
        boot_estimate: Duration,
    ) -> (Course, bool) {
        let now = Instant::now();
        let mut record = self.record.lock();
        record.note_duration(now);
        record.note(boundary, tended);
        let verdict = policy::judge(&self.limits, &record.life(now, pressed), boundary);
        let last = self.limits.is_last(record.requests) && !record.held;
        let followed = last && record.left.is_some();
        let leaves = record.state.is_overdue() || followed || verdict.is_some_and(|verdict| verdict.at_once);
        let due_before = record.due;
        let kept = verdict.is_none() && !leaves;
        if !kept {
            record.decided.get_or_insert(now);
        }
        match verdict {
            Some(verdict) if leaves => {
                record.left = record.left.take().or_else(|| Some((verdict.reason, words_of(boundary))));
            }
            Some(verdict) if record.due.is_none() => {
                record.due = Some(verdict.reason);
                record.words = words_of(boundary);
            }
            Some(_) | None => {}
        }
        let news = record.looks_ahead(&self.limits, boot_estimate) || record.due != due_before;
        let (event, course) = match (leaves, last) {
            (true, _) => (Event::Dismissed, Course::Leave),
            (false, true) => (Event::Parked, Course::StandBy),
            (false, false) => (Event::Acknowledged, Course::Serve { news }),
        };
        let outcome = record.step(event, now);
        if tended && outcome == Ok(WorkerState::Idle) {
            record.since = record.idle_since;
        }
        drop(record);
        self.told(outcome, event);
        (course, kept)
    }

    /// Judges a worker that waits for a request: time alone may be a reason.
    pub(super) fn look_at_idle(&self, now: Instant, pressed: bool) {
        let mut record = self.record.lock();
        if record.state != WorkerState::Idle || record.due.is_some() {
            return;
        }
        let life = Life { idle: now - record.since, ..record.life(now, pressed) };
        if let Some(verdict) = policy::judge(&self.limits, &life, &Boundary::default()) {
            record.due = Some(verdict.reason);
            record.decided.get_or_insert(now);
        }
    }

    /// Somebody wants it replaced as soon as its successor has booted. The first reason stays.
    pub(super) fn make_due(&self, reason: RecycleReason) {
        let mut record = self.record.lock();
        record.due = record.due.or(Some(reason));
        record.decided.get_or_insert_with(Instant::now);
    }

    /// Its successor does not boot, or not in time: it serves on, beyond its limit of requests if need be.
    pub(super) fn hold(&self) {
        self.record.lock().held = true;
    }

    /// Why it leaves, if nobody has said so yet.
    pub(super) fn note_leave(&self, reason: RecycleReason) {
        let mut record = self.record.lock();
        let words = record.words.take().filter(|_| record.due == Some(reason));
        record.left = record.left.take().or(Some((reason, words)));
        record.decided.get_or_insert_with(Instant::now);
    }

    /// It takes the place of one that was to be replaced since then.
    pub(super) fn follow(&self, decided: Option<Instant>) {
        self.record.lock().replaces = decided;
    }

    /// Since when the one that it takes the place of was to be replaced; `None` if there was none.
    pub(super) fn follows(&self) -> Option<Instant> {
        self.record.lock().replaces
    }

    /// Since when somebody is wanted in its place: it is to be replaced, or it has ended. One that never came to its loop stands for the one
    /// before it.
    pub(super) fn missed_since(&self) -> Option<Instant> {
        let record = self.record.lock();
        let ended = || record.state.has_ended().then_some(record.since);
        if record.booted.is_some() { record.decided.or_else(ended) } else { record.replaces }
    }

    /// Why it was told to leave.
    pub(super) fn left(&self) -> Option<(RecycleReason, Option<String>)> {
        self.record.lock().left.clone()
    }

    /// The seat is its own from now on, or still. Whether it stood by and is to be listed at the desk; otherwise it will come by itself.
    pub(super) fn seat(&self) -> bool {
        let mut record = self.record.lock();
        record.seated = true;
        record.state == WorkerState::Standby && record.step(Event::Seated, Instant::now()).is_ok()
    }

    /// Lets it leave if it stands by; whether it did. It has to be told then.
    pub(super) fn dismiss_parked(&self) -> bool {
        let mut record = self.record.lock();
        record.state == WorkerState::Standby && record.step(Event::Dismissed, Instant::now()).is_ok()
    }

    /// Whether the client has its response, told or not: between the two lies a moment in which that client may ask again.
    pub(super) fn has_answered(&self) -> bool {
        let cutoff = self.record.lock().cutoff.clone();
        cutoff.is_none_or(|cutoff| cutoff.is_over())
    }

    /// Puts mail into the box of one that was taken off the idle list.
    ///
    /// # Errors
    /// Gives the mail back if the box is full, which that of an idle one cannot be.
    pub(super) fn post(&self, mail: Next) -> Result<(), Next> {
        self.post.try_send(mail).map_err(TrySendError::into_inner)
    }

    /// Waits for mail until then.
    pub(super) fn receive_until(&self, at: Instant) -> Option<Next> {
        match self.mailbox.recv_deadline(at) {
            Ok(mail) => Some(mail),
            Err(RecvTimeoutError::Timeout) => None,
            // As in `receive`.
            Err(RecvTimeoutError::Disconnected) => Some(Next::Stop),
        }
    }

    /// Waits for mail.
    pub(super) fn receive(&self) -> Next {
        // The incarnation holds both ends, so the channel cannot be closed.
        self.mailbox.recv().unwrap_or(Next::Stop)
    }

    /// Whether it is to leave; under the desk's lock.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// It is to leave; under the desk's lock.
    pub(super) fn set_leaving(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// The thread can be interrupted from now on.
    pub(super) fn attach(&self, interrupt: Arc<dyn Interrupt>) {
        // A second one would be a fault of the runtime; the first keeps working.
        drop(self.interrupt.set(interrupt));
    }

    /// Asks the thread's script to end. Does nothing before the thread has been attached.
    #[allow(dead_code, reason = "the watchdog interrupts who is overdue")]
    pub(super) fn interrupt(&self) {
        if let Some(interrupt) = self.interrupt.get() {
            interrupt.interrupt();
        }
    }

    /// Asks where its script is.
    pub(super) fn locate(&self) {
        if let Some(interrupt) = self.interrupt.get() {
            interrupt.locate();
        }
    }

    /// The system call that its thread waits in.
    pub(super) fn waits_in(&self) -> Option<&'static str> {
        self.interrupt.get()?.waits_in()
    }

    /// The number of the request that its script is at, and since when it has it.
    pub(super) fn running(&self) -> Option<(u64, Instant)> {
        let record = self.record.lock();
        let is_at_it = matches!(record.state, WorkerState::Busy | WorkerState::Resetting) && record.returned.is_none();
        record.assigned.filter(|_| is_at_it).map(|since| (record.requests, since))
    }

    /// The request that it had last.
    pub(super) fn current(&self) -> Option<CurrentRequest> {
        let record = self.record.lock();
        record.assigned.map(|since| record.current.told(since))
    }

    /// Passes a deadline if one is due. It serves nobody after that.
    pub(super) fn expire(&self, now: Instant, deadlines: &Deadlines) -> Option<Expired> {
        let mut record = self.record.lock();
        if record.overdue.is_some() {
            // It came back to its loop after all and is on its way out: it is urged on as it was, and counted once.
            return None;
        }
        let (overrun, since, over) = deadlines.of(&record.clock())?;
        if now < over || record.step(Event::Expired, now).is_err() {
            return None;
        }
        let reason = overrun.reason();
        let counted = reason.is_some() || overrun == Overrun::Boot;
        record.decided.get_or_insert(now);
        record.overdue = Some(Overdue { since: now, struck: None, stuck: false, counted });
        record.left = record.left.take().or_else(|| reason.map(|reason| (reason, None)));
        let request = record.assigned.filter(|_| overrun == Overrun::Request);
        let request = request.map(|since| record.current.told(since));
        Some(Expired { overrun, lasted: now - since, cutoff: record.cutoff.take(), request })
    }

    /// When somebody should look at its deadlines again.
    pub(super) fn next_watch(&self, deadlines: &Deadlines) -> Option<Instant> {
        let record = self.record.lock();
        match &record.overdue {
            _ if record.state.has_ended() => None,
            Some(overdue) => {
                let given_up = overdue.since.checked_add(deadlines.grace).filter(|_| !overdue.stuck);
                [given_up, Some(overdue.next_strike())].into_iter().flatten().min()
            }
            None => deadlines.of(&record.clock()).map(|(.., over)| over),
        }
    }

    /// Interrupts it.
    pub(super) fn strike(&self, now: Instant) {
        let mut record = self.record.lock();
        if let Some(overdue) = &mut record.overdue {
            overdue.struck = Some(now);
        }
        // One that is on its way out by itself by now has no such step, and needs none.
        let outcome = if record.state.is_overdue() { record.step(Event::Struck, now) } else { Ok(record.state) };
        drop(record);
        self.told(outcome, Event::Struck);
        self.interrupt();
    }

    /// Keeps after it if it is overdue: interrupts it from time to time, and gives it up when its grace is over; then the answer is how
    /// long it was asked.
    pub(super) fn urge(&self, now: Instant, grace: Duration) -> Option<Duration> {
        let mut record = self.record.lock();
        let state = record.state;
        let overdue = record.overdue.as_mut().filter(|_| !state.has_ended())?;
        let after = now.saturating_duration_since(overdue.since);
        if after >= grace && !overdue.stuck {
            overdue.stuck = true;
            // One that came back to its loop and hangs behind it keeps the state that tells so.
            let outcome = if state.is_overdue() { record.step(Event::Abandoned, now) } else { Ok(state) };
            drop(record);
            self.told(outcome, Event::Abandoned);
            return Some(after);
        }
        let due = overdue.next_strike() <= now;
        drop(record);
        if due {
            self.strike(now);
        }
        None
    }

    pub(super) fn sight(&self) -> Sight {
        let record = self.record.lock();
        Sight {
            state: record.state,
            since: record.since,
            started: record.started,
            booted: record.booted,
            requests: record.requests,
            last: self.limits.is_last(record.requests),
            ahead: record.ahead,
            held: record.held,
            due: record.due,
            overdue: record.overdue,
        }
    }

    /// What is known of it when it is replaced.
    pub(super) fn decision(&self, reason: RecycleReason) -> WorkerDecision<'_> {
        let record = self.record.lock();
        WorkerDecision {
            place: self.place(),
            reason,
            requests: record.requests,
            uptime: record.started.elapsed(),
            duration: record.duration,
            memory: record.memory,
            baseline: record.baseline,
            memory_peak: record.memory_peak,
        }
    }

    pub(super) fn snapshot(&self, last_recycle: Option<RecycleReason>) -> WorkerSnapshot {
        let record = self.record.lock();
        let occupied = matches!(record.state, WorkerState::Busy | WorkerState::Resetting) || record.state.is_overdue();
        let current = record.assigned.filter(|_| occupied).map(|since| record.current.told(since));
        WorkerSnapshot {
            slot: self.identity.slot,
            state: record.state,
            since: record.since,
            seated: record.seated,
            incarnation: self.identity.incarnation,
            started: record.started,
            requests: record.requests,
            memory: record.memory,
            memory_peak: record.memory_peak,
            resetters: record.resetters,
            drifts: record.drifts,
            last_drift: record.last_drift.clone(),
            drift_limit: record.drift_limit,
            current,
            due: record.due,
            last_recycle,
        }
    }
}

impl Record {
    fn step(&mut self, event: Event, now: Instant) -> Result<WorkerState, WorkerState> {
        let after = next(self.state, event).ok_or(self.state)?;
        // Who is overdue stays so since its deadline, whatever it does.
        if after != self.state || !after.is_overdue() {
            self.since = now;
        }
        self.state = after;
        match event {
            Event::Returned | Event::Tended => self.returned = self.returned.or(Some(now)),
            Event::Acknowledged | Event::Assigned => self.returned = None,
            _ => {}
        }
        Ok(after)
    }

    fn clock(&self) -> Clock {
        let &Self { state, since, started, assigned, returned, checking, .. } = self;
        Clock { state, since, started, assigned, returned, checking }
    }

    /// The first of: the response has left, the script is back at its loop.
    fn note_duration(&mut self, now: Instant) {
        if self.state == WorkerState::Busy
            && let Some(assigned) = self.assigned
        {
            self.duration = now - assigned;
        }
    }

    fn note(&mut self, boundary: &Boundary, tended: bool) {
        self.memory = boundary.memory;
        self.memory_peak = self.memory_peak.max(boundary.memory_peak);
        self.resetters = boundary.resetters;
        self.drift_limit = boundary.drift_limit;
        for drift in boundary.drifts.iter().filter(|drift| drift.leaks) {
            self.drifts += 1;
            if !drift.what.is_empty() {
                self.last_drift = Some(drift.what.clone());
            }
        }
        if self.requests <= WARM_REQUESTS && boundary.memory > 0 {
            self.baseline = self.baseline.max(Some(boundary.memory));
        }
        let failed = boundary.failed || !matches!(boundary.reset, ResetOutcome::Done(_));
        // What a worker does for itself without fault is no success of a request.
        self.failures = if failed {
            self.failures.saturating_add(1)
        } else if tended {
            self.failures
        } else {
            0
        };
    }

    fn life(&self, now: Instant, pressed: bool) -> Life {
        Life {
            requests: self.requests,
            uptime: self.booted.map_or(Duration::ZERO, |booted| now - booted),
            idle: Duration::ZERO,
            duration: self.duration,
            memory: self.memory,
            baseline: self.baseline.filter(|_| self.requests > WARM_REQUESTS),
            failures: self.failures,
            pressed,
        }
    }

    /// Notes when the successor is to be booted; whether that is new.
    fn looks_ahead(&mut self, limits: &Limits, boot_estimate: Duration) -> bool {
        let limit = limits.max_requests;
        // The lead is half the limit at most, so there is nothing to reckon before.
        if limit == 0 || self.ahead || (self.requests * 2 < limit && limit > 1) {
            return false;
        }
        self.ahead = self.requests + policy::lead(limit, boot_estimate, self.interval) >= limit;
        if self.ahead {
            self.decided.get_or_insert_with(Instant::now);
        }
        self.ahead
    }
}

/// In whose words the worker is to leave, if in anybody's.
fn words_of(boundary: &Boundary) -> Option<String> {
    match (&boundary.reset, &boundary.wish) {
        (ResetOutcome::Failed { thrown, .. }, _) => {
            let names: Vec<_> = thrown.iter().map(|thrown| thrown.name.as_str()).collect();
            Some(names.join(", "))
        }
        (_, Some(wish)) => Some(wish.reason.clone()),
        (_, None) => {
            let leaks = boundary.drifts.iter().filter(|drift| drift.leaks);
            let names: Vec<_> = leaks.map(|drift| drift.what.as_str()).filter(|what| !what.is_empty()).collect();
            (!names.is_empty()).then(|| names.join(", "))
        }
    }
}
