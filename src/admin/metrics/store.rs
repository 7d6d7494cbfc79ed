//! The store that workers share. It lives as long as the server, so its counters do too.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::{Family, Kind, Point, whole};
use crate::store::OTHER_RULES;

pub(super) const FAMILIES: [Family; 9] = [
    Family("supercharger_store_memory_bytes", "Memory of the store that workers share.", Kind::Gauge, |sample| {
        let store = &sample.view.store;
        parts([("kept", store.kept_memory), ("droppable", store.memory.saturating_sub(store.kept_memory))])
    }),
    Family("supercharger_store_max_memory_bytes", "Most memory of the store.", Kind::Gauge, |sample| {
        one(sample.view.store.max_memory)
    }),
    Family("supercharger_store_entries", "Entries of the store.", Kind::Gauge, |sample| {
        let store = &sample.view.store;
        parts([("kept", store.kept_entries), ("droppable", store.entries.saturating_sub(store.kept_entries))])
    }),
    Family("supercharger_store_reads_total", "Values that were asked for.", Kind::Counter, |sample| {
        let store = &sample.view.store;
        [("hit", store.hits), ("miss", store.misses)].map(|(result, count)| labelled("result", result, count)).to_vec()
    }),
    Family("supercharger_store_evictions_total", "Values that were dropped to make room.", Kind::Counter, |sample| {
        one(sample.view.store.evictions)
    }),
    Family(
        "supercharger_store_refusals_total",
        "What was not stored: too large, or to be kept without room for it.",
        Kind::Counter,
        |sample| one(sample.view.store.refusals),
    ),
    Family(
        "supercharger_store_lock_conflicts_total",
        "Attempts to take a lock that somebody else had; who waits tries again and again.",
        Kind::Counter,
        |sample| one(sample.view.store.lock_conflicts),
    ),
    Family(
        "supercharger_store_wipes_total",
        "Parts of the store that were emptied because a process had died while it changed them.",
        Kind::Counter,
        |sample| one(sample.view.store.wipes),
    ),
    Family(
        "supercharger_rate_limited_total",
        "What a rate limit of the application has refused, by the name it gave.",
        Kind::Counter,
        |sample| {
            // The series of all that find no other is there from the start.
            let mut limited = BTreeMap::from([(OTHER_RULES.to_owned(), 0)]);
            limited.extend(sample.view.store.limited.iter().cloned());
            limited.iter().map(|(rule, count)| labelled("rule", rule, *count)).collect()
        },
    ),
];

fn one(figure: u64) -> Vec<Point> {
    vec![(whole(figure), Vec::new())]
}

fn labelled(name: &'static str, value: &str, figure: u64) -> Point {
    (whole(figure), vec![(name, value.to_owned())])
}

fn parts(parts: [(&str, u64); 2]) -> Vec<Point> {
    parts.map(|(part, figure)| labelled("part", part, figure)).to_vec()
}
