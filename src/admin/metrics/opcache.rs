//! OPcache of the processes that serve. Each has a cache of its own; a process that takes another's place begins with an empty one, and
//! counts from 0.

#![forbid(unsafe_code)]

use super::{Family, Kind, Point, Sample, whole};
use crate::admin::view::Role;
use crate::telemetry::{OpcacheFigures, OpcacheReason};

pub(super) const FAMILIES: [Family; 8] = [
    Family("supercharger_opcache_memory_bytes", "Shared memory of OPcache.", Kind::Gauge, |sample| {
        by_label(sample, "state", |seen| {
            vec![("used", seen.memory_used), ("free", seen.memory_free), ("wasted", seen.memory_wasted)]
        })
    }),
    Family(
        "supercharger_opcache_interned_strings_bytes",
        "Memory of OPcache for interned strings.",
        Kind::Gauge,
        |sample| by_label(sample, "state", |seen| vec![("used", seen.strings_used), ("free", seen.strings_free)]),
    ),
    Family(
        "supercharger_opcache_jit_buffer_bytes",
        "Memory of OPcache for machine code; 0 without JIT.",
        Kind::Gauge,
        |sample| {
            by_label(sample, "state", |seen| {
                vec![("used", seen.jit_size.saturating_sub(seen.jit_free)), ("free", seen.jit_free)]
            })
        },
    ),
    Family("supercharger_opcache_scripts", "Scripts in OPcache.", Kind::Gauge, |sample| {
        each(sample, |seen| seen.scripts)
    }),
    Family("supercharger_opcache_keys", "Names of scripts in OPcache.", Kind::Gauge, |sample| {
        by_label(sample, "state", |seen| vec![("used", seen.keys), ("free", seen.max_keys.saturating_sub(seen.keys))])
    }),
    Family("supercharger_opcache_hits_total", "Scripts that OPcache had.", Kind::Counter, |sample| {
        each(sample, |seen| seen.hits)
    }),
    Family("supercharger_opcache_misses_total", "Scripts that had to be compiled.", Kind::Counter, |sample| {
        each(sample, |seen| seen.misses)
    }),
    Family("supercharger_opcache_restarts_total", "Restarts of OPcache, by reason.", Kind::Counter, |sample| {
        by_label(sample, "reason", |seen| {
            let counts = [seen.oom_restarts, seen.hash_restarts, seen.manual_restarts];
            [OpcacheReason::OutOfMemory, OpcacheReason::HashFull, OpcacheReason::Reset]
                .map(OpcacheReason::label)
                .into_iter()
                .zip(counts)
                .collect()
        })
    }),
];

/// The processes that serve, and what was seen of their caches.
fn caches(sample: &Sample) -> impl Iterator<Item = (String, OpcacheFigures)> {
    let serving = sample.view.children.iter().filter(|child| child.role == Role::Serving);
    serving.filter_map(|child| Some((child.place.to_string(), child.opcache()?)))
}

fn each(sample: &Sample, figure: fn(&OpcacheFigures) -> u64) -> Vec<Point> {
    caches(sample).map(|(process, seen)| (whole(figure(&seen)), vec![("process", process)])).collect()
}

fn by_label(
    sample: &Sample,
    label: &'static str,
    figures: fn(&OpcacheFigures) -> Vec<(&'static str, u64)>,
) -> Vec<Point> {
    let points = |(process, seen): (String, OpcacheFigures)| {
        let point =
            move |(value, figure)| (whole(figure), vec![("process", process.clone()), (label, String::from(value))]);
        figures(&seen).into_iter().map(point)
    };
    caches(sample).flat_map(points).collect()
}
