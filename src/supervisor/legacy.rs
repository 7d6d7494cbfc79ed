//! What children leave behind: their counters, and the reason for which others have taken their place.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashSet};
use std::mem;

use super::child::Child;
use super::pulse;
use super::shift::Kind;
use crate::control::{CheckState, PoolState, RouteState, SpanCounts};
use crate::job::{MAX_ROUTES, Route};
use crate::telemetry::RecycleReason;

/// What children that have ended had counted.
#[derive(Debug, Clone, Default)]
pub struct Departed {
    /// For their pools.
    pub pools: Vec<PoolState>,
    /// Their answers, by route.
    pub http: BTreeMap<String, RouteState>,
    /// Their spans.
    pub spans: SpanCounts,
}

/// Routes that this server tells apart. Each child has a bound of its own, but children come and go, each with others. A route that has been let in
/// stays, and one that has not stays out: otherwise its count would move to another series, and fall.
#[derive(Debug, Default)]
pub(super) struct Routes(HashSet<String>);

impl Routes {
    /// Counts routes beyond the bound together. Done with all that a child says.
    pub(super) fn bound(&mut self, answers: &mut Vec<RouteState>) {
        let mut beyond = false;
        for of in &mut *answers {
            if !self.has_room_for(&of.route) {
                Route::OTHER.template().clone_into(&mut of.route);
                beyond = true;
            }
        }
        if beyond {
            let mut sum = BTreeMap::new();
            RouteState::absorb(&mut sum, &mem::take(answers));
            *answers = sum.into_values().collect();
        }
    }

    fn has_room_for(&mut self, route: &str) -> bool {
        route == Route::NONE.template()
            || route == Route::OTHER.template()
            || self.0.contains(route)
            || (self.0.len() < MAX_ROUTES && self.0.insert(route.to_owned()))
    }
}

/// What replaces a child says why.
pub(super) fn reason(kind: &Kind, wish: Option<&str>) -> Option<RecycleReason> {
    match kind {
        Kind::Start => None,
        Kind::Replacement => Some(RecycleReason::Crash),
        // What a child wishes is named by the limit that it has met.
        Kind::Successor { .. } => Some(match wish {
            Some("max_rss") => RecycleReason::MemLimit,
            Some("max_stuck") => RecycleReason::Timeout,
            Some(pulse::UNRESPONSIVE) => RecycleReason::Crash,
            Some(wish) => {
                let known = RecycleReason::ALL.into_iter().find(|reason| reason.label() == wish);
                known.unwrap_or(RecycleReason::Manual)
            }
            None => RecycleReason::Manual,
        }),
        Kind::Reload { trigger } if trigger == "watch" => Some(RecycleReason::Watch),
        Kind::Reload { .. } => Some(RecycleReason::Reload),
    }
}

/// The workers of a child that is sent away for a reason are sent away for that reason. The child knows nothing of it and says that it ends. Done
/// with all that it says, so that no count is ever seen to move from one reason to the other.
pub(super) fn attribute(pools: &mut [PoolState], reason: Option<RecycleReason>) {
    let Some(reason) = reason else { return };
    for pool in pools {
        if let Some(dismissed) = pool.recycles.remove(RecycleReason::Shutdown.label()) {
            *pool.recycles.entry(reason.label().to_owned()).or_default() += dismissed;
        }
        for entry in &mut pool.recent.recycles {
            if entry.reason == RecycleReason::Shutdown.label() {
                reason.label().clone_into(&mut entry.reason);
            }
        }
    }
}

/// What was known of each check the last time that anything was.
fn inherit(known: &mut Vec<CheckState>, newer: Vec<CheckState>) {
    for check in newer.into_iter().filter(|check| check.passed.is_some()) {
        known.retain(|former| former.name != check.name);
        known.push(check);
    }
    // Applications change their checks; those of a few generations back are no bound to grow beyond.
    known.drain(..known.len().saturating_sub(MAX_CHECKS));
}

/// Most checks that are remembered of a pool: as many as it can have.
const MAX_CHECKS: usize = 64;

/// Keeps what a child had counted.
pub(super) fn keep(departed: &mut Departed, child: &Child, crashed: bool) {
    let Some((_, snapshot)) = &child.last else { return };
    RouteState::absorb(&mut departed.http, &snapshot.http);
    departed.spans.absorb(snapshot.spans);
    for pool in &snapshot.pools {
        let mut pool = pool.clone();
        if crashed {
            let workers = pool.workers.iter().filter(|worker| worker.seated).count() as u64;
            *pool.recycles.entry(RecycleReason::Crash.label().to_owned()).or_default() += workers;
        }
        // What was of the moment is over, but for what the application depends on: its successor goes by that until it knows better.
        let mut kept = match departed.pools.iter().position(|kept| kept.name == pool.name) {
            Some(index) => departed.pools.swap_remove(index),
            None => PoolState { name: pool.name.clone(), ..PoolState::default() },
        };
        kept.absorb(&pool);
        inherit(&mut kept.checks, pool.checks);
        departed.pools.push(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_bounded_over_all_children_and_none_moves() {
        let answers = BTreeMap::from([("GET".to_owned(), BTreeMap::from([("200".to_owned(), 1)]))]);
        let of = |route: String| RouteState { route, answers: answers.clone(), ..RouteState::default() };
        let mut routes = Routes::default();
        let mut sum = BTreeMap::new();
        for child in 0..3 {
            let mut said: Vec<_> = (0..300).map(|n| of(format!("/{child}/{n}"))).collect();
            said.extend([of(String::new()), of("other".to_owned()), of("/0/0".to_owned())]);
            for _ in 0..2 {
                let mut said = said.clone();
                routes.bound(&mut said);
                RouteState::absorb(&mut sum, &said);
            }
        }
        let count = |route: &str| sum.get(route).map(|of: &RouteState| of.answers["GET"]["200"]);
        assert_eq!(sum.len(), MAX_ROUTES + 2);
        assert_eq!((count("/0/0"), count("/1/199"), count("")), (Some(8), Some(2), Some(6)));
        assert_eq!((count("/1/200"), count("other")), (None, Some(2 * (100 + 300 + 3))));
    }
}
