//! Readiness checks: what the application depends on, asked on an idle worker, never on the path of a request.
//!
//! A check belongs to the pool, not to a worker: one of those that have registered it runs it, and its result stands until the next one. The first
//! result is wanted as soon as a worker has booted; later ones once the former is older than `ttl`, for as long as somebody
//! has asked within [`ATTENTION`]. Who runs it has left the idle list, as for everything else that a worker does for itself (`care`); the
//! keeper sends one that waits (`Shared::lend`), and where all are busy the next one that finds nobody waiting goes. A result grows old
//! while nobody has time: it stands, with its age.
//!
//! A request pays one relaxed load, when its worker becomes idle.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::job::{Check, Identity, Verdict};
use crate::telemetry::events::{CheckFailed, CheckPassed};

/// How checks are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Age from which on a result is renewed.
    pub ttl: Duration,
    /// Longest time for one check that names no other.
    pub timeout: Duration,
}

impl Default for Health {
    /// Load balancers ask every 5 to 10 s and believe the second or third answer; a database that takes 2 s for `SELECT 1` is of no use.
    fn default() -> Self {
        Self { ttl: Duration::from_secs(5), timeout: Duration::from_secs(2) }
    }
}

/// How long after a question results are renewed: nobody who asks at least once a minute is told anything that is older than `ttl` by more
/// than a check takes.
const ATTENTION: Duration = Duration::from_secs(60);

/// Most checks of a pool: each has series of metrics.
const MOST: usize = 64;

/// Longest pause that a check which costs its worker each time is given: short enough to see within [`ATTENTION`] that what it waits for is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a check waits for a quiet moment of a busy pool; as for other chores (`care`).
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The checks of a pool.
#[derive(Debug)]
pub(super) struct Checks {
    health: Health,
    /// Whether a worker is wanted, as far as is known: a hint that costs no lock.
    wanted: AtomicBool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    asked: Option<Instant>,
    /// Since when a worker is wanted.
    due_since: Option<Instant>,
    /// Incarnations that have reached their loop and live.
    living: u32,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    check: Check,
    /// Living incarnations that have registered it.
    owners: u32,
    running: Option<Run>,
    last: Option<Outcome>,
    failures: u64,
    /// How often in a row it had no end of its own, which has cost a worker each time.
    given_up: u32,
}

#[derive(Debug)]
struct Run {
    by: Identity,
    since: Instant,
}

#[derive(Debug, Clone)]
struct Outcome {
    at: Instant,
    took: Duration,
    verdict: Verdict,
}

/// A check at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSnapshot {
    /// The application's name for it.
    pub name: Arc<str>,
    /// Whether the pool is not ready while it fails.
    pub required: bool,
    /// What it came to the last time, and how long ago; `None`: it has never run.
    pub last: Option<(Verdict, Duration)>,
    /// Time that it took.
    pub took: Duration,
    /// How long it has been running now, if it is.
    pub running: Option<Duration>,
    /// How often it has failed.
    pub failures: u64,
}

/// When a worker is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// It has been since then.
    Since(Instant),
    /// At that time, if nobody asks before.
    At(Instant),
    /// Nobody knows.
    Never,
}

impl Checks {
    pub(super) fn new(health: Health) -> Self {
        Self { health, wanted: AtomicBool::new(false), table: Mutex::default() }
    }

    /// Whether one who becomes idle and has registered these should run them; if so, whether it is pressing.
    pub(super) fn wants(&self, names: &[Arc<str>]) -> Option<bool> {
        if names.is_empty() || !self.wanted.load(Ordering::Relaxed) {
            return None;
        }
        let now = Instant::now();
        let due = self.table.lock().due(&self.health, Some(names), now);
        matches!(due, Due::Since(_)).then(|| self.presses(now))
    }

    /// Whether a worker has been wanted for so long that a busy pool has to do with one less for a moment; a check that has never run does not wait.
    pub(super) fn presses(&self, now: Instant) -> bool {
        let table = self.table.lock();
        let waits = table.due_since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE);
        waits || table.entries.iter().any(|entry| entry.owners > 0 && entry.last.is_none() && entry.running.is_none())
    }

    /// An incarnation has reached its loop: what nobody has registered from now on is over.
    pub(super) fn arrive(&self) {
        self.table.lock().living += 1;
    }

    /// An incarnation has registered a check. `known` says whether it had done so before; false if there are too many. Those that nobody who lives has
    /// registered give way.
    pub(super) fn declare(&self, check: Check, known: bool) -> bool {
        let mut table = self.table.lock();
        if let Some(entry) = table.entries.iter_mut().find(|entry| entry.check.name == check.name) {
            entry.check = check;
            entry.owners += u32::from(!known);
            return true;
        }
        if table.entries.len() >= MOST {
            let Some(over) = table.entries.iter().position(|entry| entry.owners == 0) else { return false };
            table.entries.remove(over);
        }
        table.entries.push(Entry { check, owners: 1, running: None, last: None, failures: 0, given_up: 0 });
        self.wanted.store(true, Ordering::Relaxed);
        true
    }

    /// An incarnation that had registered these has ended, whether it had `arrived` at its loop or not. What it left in the middle has failed.
    pub(super) fn disown(&self, names: &[Arc<str>], by: &Identity, arrived: bool) {
        self.give_up(by, "its worker ended in the middle of it");
        let mut table = self.table.lock();
        table.living = table.living.saturating_sub(arrived.into());
        for entry in table.entries.iter_mut().filter(|entry| names.contains(&entry.check.name)) {
            entry.owners = entry.owners.saturating_sub(1);
        }
    }

    /// Somebody wants to know; whether there is something to do.
    pub(super) fn ask(&self, now: Instant) -> bool {
        let mut table = self.table.lock();
        table.asked = Some(now);
        !table.entries.is_empty() && matches!(table.due(&self.health, None, now), Due::Since(_))
    }

    /// When a worker is wanted.
    pub(super) fn due(&self, now: Instant) -> Due {
        let mut table = self.table.lock();
        let due = table.due(&self.health, None, now);
        let wanted = matches!(due, Due::Since(_));
        if !wanted {
            table.due_since = None;
        }
        self.wanted.store(wanted, Ordering::Relaxed);
        due
    }

    /// Names of those that are due.
    pub(super) fn names_due(&self, now: Instant) -> Vec<Arc<str>> {
        let table = self.table.lock();
        let is_due = |entry: &&Entry| table.due_at(entry, &self.health, now).is_some_and(|at| at <= now);
        table.entries.iter().filter(is_due).map(|entry| Arc::clone(&entry.check.name)).collect()
    }

    /// When the next one will be due that is not yet.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        let table = self.table.lock();
        table.entries.iter().filter_map(|entry| table.due_at(entry, &self.health, now)).filter(|at| *at > now).min()
    }

    /// Lets an incarnation run a check, if it is due and nobody else does; for how long.
    pub(super) fn begin(&self, name: &str, by: &Identity, now: Instant) -> Option<Duration> {
        let mut table = self.table.lock();
        let attended = table.asked.is_some_and(|asked| now.saturating_duration_since(asked) < ATTENTION);
        let entry = table.entries.iter_mut().find(|entry| *entry.check.name == *name)?;
        let pause = entry.pause(&self.health);
        let old = |last: &Outcome| attended && now.saturating_duration_since(last.at) >= pause;
        if entry.running.is_some() || !entry.last.as_ref().is_none_or(old) {
            return None;
        }
        entry.running = Some(Run { by: by.clone(), since: now });
        Some(entry.check.timeout.unwrap_or(self.health.timeout))
    }

    /// The check that an incarnation has begun is over. One that has been given up is over already.
    pub(super) fn end(&self, verdict: Verdict, by: &Identity) {
        self.conclude(verdict, by, false);
    }

    /// The check that an incarnation has begun will have no end of its own.
    pub(super) fn give_up(&self, by: &Identity, why: &str) {
        self.conclude(Verdict::Failed(why.to_owned()), by, true);
    }

    fn conclude(&self, verdict: Verdict, by: &Identity, given_up: bool) {
        let mut table = self.table.lock();
        let Some(entry) = table.entries.iter_mut().find(|entry| entry.is_run_by(by)) else { return };
        entry.given_up = if given_up { entry.given_up.saturating_add(1) } else { 0 };
        let told = entry.conclude(verdict);
        drop(table);
        if let Some(told) = told {
            told.emit(by);
        }
    }

    pub(super) fn snapshot(&self) -> Vec<CheckSnapshot> {
        let now = Instant::now();
        let since = |at: Instant| now.saturating_duration_since(at);
        let table = self.table.lock();
        let told = |entry: &Entry| CheckSnapshot {
            name: Arc::clone(&entry.check.name),
            required: entry.check.required,
            last: entry.last.as_ref().map(|last| (last.verdict.clone(), since(last.at))),
            took: entry.last.as_ref().map_or(Duration::ZERO, |last| last.took),
            running: entry.running.as_ref().map(|run| since(run.since)),
            failures: entry.failures,
        };
        // What nobody of those who live has registered can neither be renewed nor stand for anything. When nobody lives, what was known last
        // is what there is to be handed on.
        let nobody = table.living == 0 && table.entries.iter().all(|entry| entry.owners == 0);
        table.entries.iter().filter(|entry| entry.owners > 0 || nobody).map(told).collect()
    }
}

impl Table {
    /// When a worker is wanted that has registered these.
    fn due(&mut self, health: &Health, names: Option<&[Arc<str>]>, now: Instant) -> Due {
        let is_meant = |entry: &&Entry| names.is_none_or(|names| names.contains(&entry.check.name));
        match self.entries.iter().filter(is_meant).filter_map(|entry| self.due_at(entry, health, now)).min() {
            Some(at) if at <= now => Due::Since(*self.due_since.get_or_insert(now)),
            Some(at) => Due::At(at),
            None => Due::Never,
        }
    }

    /// When a check is due; `None` if nobody has it, one is at it already, or nobody wants to know.
    fn due_at(&self, entry: &Entry, health: &Health, now: Instant) -> Option<Instant> {
        if entry.owners == 0 || entry.running.is_some() {
            return None;
        }
        let Some(last) = &entry.last else { return Some(now) };
        let until = self.asked.and_then(|asked| asked.checked_add(ATTENTION)).filter(|until| *until > now)?;
        last.at.checked_add(entry.pause(health)).filter(|at| *at < until)
    }
}

impl Entry {
    /// How long a result stands: twice as long for each time that the check has cost a worker.
    fn pause(&self, health: &Health) -> Duration {
        let doubled = health.ttl.saturating_mul(2_u32.saturating_pow(self.given_up));
        doubled.min(LONGEST_PAUSE.max(health.ttl))
    }

    fn is_run_by(&self, by: &Identity) -> bool {
        self.running.as_ref().is_some_and(|run| run.by == *by)
    }

    /// Notes what it has come to; brings what there is to be said about it: the first result, and each that is another than before.
    fn conclude(&mut self, verdict: Verdict) -> Option<News> {
        let run = self.running.take()?;
        let at = Instant::now();
        let failed = |verdict: &Verdict| matches!(verdict, Verdict::Failed(_));
        let before = self.last.as_ref().is_some_and(|last| failed(&last.verdict));
        let is_news = before != failed(&verdict);
        self.failures += u64::from(failed(&verdict));
        let took = at - run.since;
        let news = is_news.then(|| News {
            name: Arc::clone(&self.check.name),
            required: self.check.required,
            took,
            error: match &verdict {
                Verdict::Passed(_) => None,
                Verdict::Failed(error) => Some(error.clone()),
            },
        });
        self.last = Some(Outcome { at, took, verdict });
        news
    }
}

/// A check that fails now and did not, or the other way round.
#[derive(Debug)]
struct News {
    name: Arc<str>,
    required: bool,
    took: Duration,
    error: Option<String>,
}

impl News {
    fn emit(&self, by: &Identity) {
        let Self { name, required, took, error } = self;
        let (pool, check, took) = (&*by.pool, &**name, *took);
        match error {
            Some(error) => CheckFailed { pool, check, required: *required, error, took }.emit(),
            None => CheckPassed { pool, check, took }.emit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Check {
        Check { name: name.into(), required: true, timeout: None }
    }

    fn who(slot: u32) -> Identity {
        Identity { pool: "test".into(), slot, incarnation: 1 }
    }

    fn checks() -> Checks {
        Checks::new(Health { ttl: Duration::from_secs(5), timeout: Duration::from_secs(2) })
    }

    fn failed(checks: &Checks) -> Option<bool> {
        let last = checks.snapshot().first()?.last.clone()?;
        Some(matches!(last.0, Verdict::Failed(_)))
    }

    #[test]
    fn the_first_result_is_wanted_at_once_and_later_ones_while_somebody_asks() {
        let (checks, now) = (checks(), Instant::now());
        let mine = ["db".into()];
        assert!(!checks.ask(now) && checks.wants(&mine).is_none(), "there is no check");
        assert_eq!(checks.due(now), Due::Never);
        assert!(checks.declare(check("db"), false));
        assert_eq!(checks.wants(&mine), Some(true), "it has never run");
        assert_eq!((checks.wants(&[]), checks.wants(&["other".into()])), (None, None), "that is for those who have it");
        assert!(matches!(checks.due(now), Due::Since(_)));
        assert_eq!(checks.begin("db", &who(0), now), Some(Duration::from_secs(2)));
        assert_eq!(checks.begin("db", &who(1), now), None, "one at a time");
        assert_eq!(checks.begin("no such", &who(1), now), None);
        assert_eq!(checks.due(now), Due::Never, "it runs");
        checks.end(Verdict::Passed(None), &who(0));
        assert_eq!(failed(&checks), Some(false));
        let Due::At(at) = checks.due(now) else { panic!("somebody has asked") };
        assert!(at >= now + Duration::from_secs(5) && checks.wants(&mine).is_none());
        assert_eq!(checks.begin("db", &who(0), now), None, "it is fresh");
        assert_eq!(checks.due(at), Due::Since(at));
        assert!(!checks.presses(at), "that has time");
        assert!(checks.presses(at + PATIENCE));
        assert!(checks.begin("db", &who(0), at).is_some());
        checks.end(Verdict::Failed("gone".into()), &who(0));
        let late = at + ATTENTION * 2;
        assert_eq!(checks.due(late), Due::Never, "nobody asks any more");
        assert_eq!(checks.begin("db", &who(0), late), None);
        assert!(checks.ask(late), "somebody does again");
        assert_eq!(failed(&checks), Some(true), "the old result stands until there is another");
        assert_eq!(checks.snapshot()[0].failures, 1);
    }

    #[test]
    fn what_is_left_in_the_middle_has_failed_and_its_late_result_is_none() {
        let (checks, now) = (checks(), Instant::now());
        checks.declare(check("db"), false);
        checks.begin("db", &who(0), now);
        checks.give_up(&who(1), "that was another one");
        assert_eq!(failed(&checks), None);
        checks.give_up(&who(0), "too slow");
        assert_eq!(failed(&checks), Some(true));
        checks.end(Verdict::Passed(None), &who(0));
        assert_eq!(failed(&checks), Some(true));
    }

    #[test]
    fn a_check_is_there_while_somebody_who_has_registered_it_lives() {
        let checks = checks();
        assert!(
            checks.declare(check("db"), false)
                && checks.declare(check("db"), true)
                && checks.declare(check("db"), false)
        );
        checks.begin("db", &who(0), Instant::now());
        checks.disown(&["db".into()], &who(0), false);
        assert_eq!(failed(&checks), Some(true), "it ended in the middle");
        checks.disown(&["db".into()], &who(1), false);
        assert_eq!(failed(&checks), Some(true), "nobody lives: it is the last word");
        assert!(checks.declare(check("other"), false));
        assert!(checks.snapshot().iter().all(|check| &*check.name == "other"), "somebody does, without it");
        checks.begin("other", &who(3), Instant::now());
        assert_eq!(checks.due(Instant::now()), Due::Never);
        assert!(checks.declare(check("db"), false));
        assert_eq!(failed(&checks), Some(true), "what was known of it is still known");
    }

    #[test]
    fn there_is_a_bound() {
        let checks = checks();
        let declared = (0..MOST + 10).filter(|number| checks.declare(check(&number.to_string()), false)).count();
        assert_eq!(declared, MOST);
        let (gone, by) = (["7".into()], who(0));
        checks.disown(&gone, &by, true);
        assert!(checks.declare(check("new"), false), "what nobody has any more gives way");
        let names: Vec<_> = checks.snapshot().into_iter().map(|check| check.name).collect();
        assert!(names.len() == MOST && names.contains(&"new".into()) && !names.contains(&gone[0]));
        assert!(!checks.declare(check("newer"), false));
    }

    #[test]
    fn what_nobody_has_registered_any_more_is_over_once_one_has_reached_its_loop() {
        let checks = checks();
        checks.declare(check("db"), false);
        checks.arrive();
        checks.begin("db", &who(0), Instant::now());
        checks.end(Verdict::Failed("gone".into()), &who(0));
        checks.disown(&["db".into()], &who(0), true);
        assert_eq!(failed(&checks), Some(true), "who follows may have it too");
        checks.arrive();
        assert_eq!(failed(&checks), None, "it has not");
        checks.disown(&[], &who(0), true);
        assert_eq!(failed(&checks), Some(true), "nobody lives: it is the last word");
    }

    #[test]
    fn a_check_that_costs_its_worker_is_asked_less_often() {
        let (checks, by) = (checks(), who(0));
        checks.declare(check("db"), false);
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for round in 0..6 {
            checks.ask(now);
            assert!(checks.begin("db", &by, now).is_some(), "{round}");
            if round < 5 {
                checks.give_up(&by, "too slow")
            } else {
                checks.end(Verdict::Failed("down".into()), &by)
            }
            let ended = Instant::now();
            checks.ask(ended);
            let Due::At(at) = checks.due(ended) else { panic!("somebody has asked") };
            assert_eq!(checks.begin("db", &by, at - Duration::from_millis(1)), None);
            pauses.push((at - ended + Duration::from_millis(500)).as_secs());
            now = at;
        }
        assert_eq!(pauses, [10, 20, 30, 30, 30, 5], "an end of its own is enough, whatever it is");
    }

    #[test]
    fn each_that_is_due_is_named_and_the_next_one_is_known() {
        let (checks, now) = (checks(), Instant::now());
        checks.ask(now);
        for name in ["one", "two", "three"] {
            checks.declare(check(name), false);
        }
        assert_eq!(checks.next_at(now), None);
        checks.begin("one", &who(0), now);
        checks.begin("two", &who(1), now);
        checks.end(Verdict::Passed(None), &who(1));
        assert_eq!(checks.names_due(now), ["three".into()]);
        let at = checks.next_at(now).expect("the second one");
        assert!(at >= now + Duration::from_secs(5), "although another one is due");
        assert_eq!(checks.names_due(at), ["two".into(), "three".into()]);
    }
}
