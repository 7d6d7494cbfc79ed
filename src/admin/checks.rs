//! What the application depends on, as its readiness checks say, over all processes.
//!
//! The worst result of the children that serve counts: a request may come to any of them. A child that has not come to a result yet, because it has
//! just taken over, goes by what the ones before it knew.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::view::{Child, Role, View};
use crate::control::CheckState;

/// What a check has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// All is well.
    Passed,
    /// It is not.
    Failed,
    /// It has never run.
    Pending,
}

/// A check, as `/ready` and `/status` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) pool: String,
    pub(super) required: bool,
    pub(super) status: Outcome,
    /// Since the result that counts; `null` if there is none, or it is of a process that has ended.
    age_ms: Option<u64>,
    took_ms: Option<u64>,
    /// How long it has been running, if it is.
    running_ms: Option<u64>,
    /// What it threw, or has to say; without secrets.
    detail: Option<String>,
}

impl Told {
    fn new(pool: &str, check: &CheckState, older: Duration) -> Self {
        let older = u64::try_from(older.as_millis()).unwrap_or(u64::MAX);
        Self {
            name: check.name.clone(),
            pool: pool.to_owned(),
            required: check.required,
            status: match check.passed {
                Some(true) => Outcome::Passed,
                Some(false) => Outcome::Failed,
                None => Outcome::Pending,
            },
            age_ms: check.age_ms.map(|age| age.saturating_add(older)),
            took_ms: check.took_ms,
            running_ms: check.running_ms,
            detail: check.words.clone(),
        }
    }

    /// Whether it says more than the other, which is of another process: the worse, and of two like it the one that is newer if they fail,
    /// older if they pass.
    fn outweighs(&self, other: &Self) -> bool {
        match (self.status, other.status) {
            (Outcome::Failed, Outcome::Failed) => self.age_ms < other.age_ms,
            (Outcome::Passed, Outcome::Passed) => self.age_ms > other.age_ms,
            (Outcome::Failed, _) | (Outcome::Passed, Outcome::Pending) => true,
            (Outcome::Passed | Outcome::Pending, _) => false,
        }
    }

    /// Whether requests are not to be sent here for it.
    pub(super) fn forbids(&self) -> bool {
        self.required && self.status != Outcome::Passed
    }
}

/// Every check of the children that serve, in their order.
pub(super) fn of(view: &View) -> Vec<Told> {
    let mut order = Vec::new();
    let mut told = BTreeMap::<(String, String), Told>::new();
    for child in view.children.iter().filter(|child| child.role == Role::Serving && !child.is_silent()) {
        for (key, new) in checks_of(child) {
            match told.get_mut(&key) {
                Some(known) if new.outweighs(known) => *known = new,
                Some(_) => {}
                None => {
                    order.push(key.clone());
                    told.insert(key, new);
                }
            }
        }
    }
    for (key, told) in &mut told {
        if told.status == Outcome::Pending
            && let Some(before) = formerly(view, key)
        {
            *told = Told { required: told.required, running_ms: told.running_ms, ..before };
        }
    }
    order.into_iter().filter_map(|key| told.remove(&key)).collect()
}

fn checks_of(child: &Child) -> impl Iterator<Item = ((String, String), Told)> {
    let older = child.stale.unwrap_or_default();
    child.pools().iter().flat_map(move |pool| {
        pool.checks
            .iter()
            .map(move |check| ((pool.name.clone(), check.name.clone()), Told::new(&pool.name, check, older)))
    })
}

/// What the children before those that serve knew of a check.
fn formerly(view: &View, key: &(String, String)) -> Option<Told> {
    let knows = |told: &Told| told.status != Outcome::Pending;
    let leaving = view.children.iter().filter(|child| child.role == Role::Draining).flat_map(checks_of);
    if let Some((_, told)) = leaving.filter(|(of, told)| of == key && knows(told)).last() {
        return Some(told);
    }
    let (pool, name) = key;
    let gone = view.departed.iter().filter(|of| of.name == *pool).flat_map(|of| &of.checks);
    let told =
        gone.filter(|check| check.name == *name).map(|check| Told::new(pool, check, Duration::ZERO)).next_back()?;
    // How long that process has been gone nobody knows here.
    knows(&told).then_some(Told { age_ms: None, ..told })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{PoolState, Snapshot};

    fn check(passed: Option<bool>, age_ms: u64) -> CheckState {
        CheckState {
            name: "db".into(),
            required: true,
            passed,
            age_ms: passed.map(|_| age_ms),
            ..CheckState::default()
        }
    }

    fn pool(check: CheckState) -> PoolState {
        PoolState { name: "default".into(), checks: vec![check], ..PoolState::default() }
    }

    fn child(role: Role, check: CheckState) -> Child {
        Child { role, snapshot: Some(Snapshot { pools: vec![pool(check)], ..Snapshot::default() }), ..Child::default() }
    }

    fn seen(children: Vec<Child>, departed: Vec<PoolState>) -> (Outcome, Option<u64>) {
        let told = of(&View { children, departed, ..View::default() });
        assert_eq!(told.len(), 1, "{told:?}");
        (told[0].status, told[0].age_ms)
    }

    #[test]
    fn the_worst_of_those_that_serve_counts() {
        use Role::{Booting, Draining, Serving};
        let (ok, bad, none) = (Some(true), Some(false), None);
        let cases = [
            ("one", vec![(Serving, ok, 5)], (Outcome::Passed, Some(5))),
            ("one fails", vec![(Serving, ok, 1), (Serving, bad, 9), (Serving, ok, 2)], (Outcome::Failed, Some(9))),
            ("the latest failure", vec![(Serving, bad, 9), (Serving, bad, 3)], (Outcome::Failed, Some(3))),
            ("the oldest success", vec![(Serving, ok, 3), (Serving, ok, 9)], (Outcome::Passed, Some(9))),
            ("one has a result", vec![(Serving, none, 0), (Serving, ok, 9)], (Outcome::Passed, Some(9))),
            ("nobody has", vec![(Serving, none, 0), (Booting, ok, 1)], (Outcome::Pending, None)),
            ("those before it had", vec![(Serving, none, 0), (Draining, bad, 7)], (Outcome::Failed, Some(7))),
            ("it has one of its own", vec![(Serving, ok, 1), (Draining, bad, 7)], (Outcome::Passed, Some(1))),
        ];
        for (name, children, expected) in cases {
            let children = children.into_iter().map(|(role, passed, age)| child(role, check(passed, age))).collect();
            assert_eq!(seen(children, Vec::new()), expected, "{name}");
        }
        let gone = vec![pool(check(bad, 4))];
        assert_eq!(seen(vec![child(Serving, check(none, 0))], gone.clone()), (Outcome::Failed, None), "a crash");
        assert_eq!(seen(vec![child(Serving, check(ok, 1))], gone), (Outcome::Passed, Some(1)));
    }

    #[test]
    fn what_nobody_says_any_more_grows_old() {
        let late = Child { stale: Some(Duration::from_millis(500)), ..child(Role::Serving, check(Some(true), 100)) };
        assert_eq!(seen(vec![late], Vec::new()), (Outcome::Passed, Some(600)));
    }
}
