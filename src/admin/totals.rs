//! Counters over the whole life of a server: each child counts its own part, and what those that have ended had counted is kept.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::view::{Child, View};
use crate::control::PoolState;

/// The counters of each pool.
pub(super) type Pools = BTreeMap<String, PoolState>;

/// The sum over the children that live and those that have ended, for every pool that there is to be. Only the counters of it mean anything.
pub(super) fn of(view: &View) -> Pools {
    let known = view.pools.iter().map(|name| (name.to_string(), PoolState::default()));
    let mut sum: Pools = known.collect();
    for pool in view.children.iter().flat_map(Child::pools).chain(&view.departed) {
        sum.entry(pool.name.clone()).or_default().absorb(pool);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Snapshot;

    #[test]
    fn a_pool_of_which_nobody_has_spoken_is_there() {
        let view = View { pools: vec!["a".into()], ..View::default() };
        assert_eq!(
            of(&view).into_iter().map(|(name, totals)| (name, totals.served)).collect::<Vec<_>>(),
            [("a".to_owned(), 0)]
        );
    }

    #[test]
    fn what_ended_children_have_counted_stays_counted() {
        let pool = |name: &str, served, recycled| PoolState {
            name: name.to_owned(),
            served,
            recycles: BTreeMap::from([("max_requests".to_owned(), recycled)]),
            ..PoolState::default()
        };
        let child = |pools| Child { snapshot: Some(Snapshot { pools, ..Snapshot::default() }), ..Child::default() };
        let view = View {
            children: vec![
                child(vec![pool("a", 1, 2), pool("b", 10, 0)]),
                child(vec![pool("a", 3, 4)]),
                Child::default(),
            ],
            departed: vec![pool("a", 100, 200)],
            ..View::default()
        };
        let sums: Vec<_> = of(&view)
            .into_iter()
            .map(|(name, totals)| (name, totals.served, totals.recycles["max_requests"]))
            .collect();
        assert_eq!(sums, [("a".to_owned(), 104, 206), ("b".to_owned(), 10, 0)]);
    }
}
