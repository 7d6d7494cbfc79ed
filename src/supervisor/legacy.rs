//! What children leave behind: their counters, and the reason for which others have taken their place.

#![forbid(unsafe_code)]

use super::child::Child;
use super::pulse;
use super::shift::Kind;
use crate::control::{PoolState, RouteState, SpanCounts};
use crate::telemetry::RecycleReason;

/// What children that have ended had counted.
#[derive(Debug, Clone, Default)]
pub struct Departed {
    /// For their pools.
    pub pools: Vec<PoolState>,
    /// Their answers.
    pub http: Vec<RouteState>,
    /// Their spans.
    pub spans: SpanCounts,
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
        match departed.pools.iter_mut().find(|kept| kept.name == pool.name) {
            Some(kept) => kept.absorb(&pool),
            None => {
                // What was of the moment is over.
                let mut kept = PoolState { name: pool.name.clone(), ..PoolState::default() };
                kept.absorb(&pool);
                departed.pools.push(kept);
            }
        }
    }
}
