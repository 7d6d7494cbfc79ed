//! The keys that every pool has: once for the default pool, once for those with a name.

#![forbid(unsafe_code)]

use super::{Key, Preset};
use crate::config::kind::Kind;

/// Declares each key under both prefixes.
macro_rules! per_pool {
    ($($name:literal, $kind:expr, $preset:expr, $meaning:literal;)*) => {
        /// Of the default pool.
        pub(super) const DEFAULT: &[Key] =
            &[$(Key { name: concat!("pools.default.", $name), kind: $kind, preset: $preset, meaning: $meaning }),*];
        /// Of a pool with a name.
        pub(super) const NAMED: &[Key] =
            &[$(Key { name: concat!("pools.NAME.", $name), kind: $kind, preset: $preset, meaning: $meaning }),*];
    };
}

/// A count that is off at 0.
const COUNT: Kind = Kind::Number { least: 0, most: 1_000_000_000 };
/// A limit of memory that is off at 0.
const MEMORY: Kind = Kind::Size { least: "0", most: "1024GiB" };
/// A limit of time that is off at 0.
const TIME: Kind = Kind::Duration { least: "0s", most: "8760h" };
const OFF: Preset = Preset::Value("0");
const NEVER: Preset = Preset::Value(r#""0s""#);

per_pool! {
    "workers", Kind::Auto { least: 1, most: 1024, means: "two per usable CPU" }, Preset::Value(r#""auto""#),
    "Threads that run PHP, in either mode; with `min` or `max` the number at the start. `auto` is less where the memory limit of a container has no room: one per 64 MiB.";
    "min", Kind::Number { least: 1, most: 1024 }, Preset::Unset { words: "as many as `workers`", example: "2" },
    "Least number of threads that the pool shrinks to.";
    "max", Kind::Number { least: 1, most: 1024 }, Preset::Unset { words: "as many as `workers`", example: "16" },
    "Most threads that the pool grows to while requests wait.";
    "boot_timeout", Kind::Duration { least: "1ms", most: "1h" }, Preset::Value(r#""60s""#),
    "Longest time for a worker to reach its loop; beyond, the boot has failed and is tried again after a pause. If no worker boots at the start, the start has failed.";
    "request_timeout", Kind::Duration { least: "0s", most: "24h" }, Preset::Value(r#""30s""#),
    "Longest time for a script to handle a request and what it does after the response, waiting in the queue not counted; beyond: 504, and the script is ended. 0: no limit.";
    "stuck_grace", Kind::Duration { least: "0s", most: "10m" }, Preset::Value(r#""5s""#),
    "How long a thread that was interrupted may take to end its script; beyond, it counts as stuck and nobody waits for it.";
    "scale_down_idle", TIME, NEVER,
    "A worker that has been idle for so long is ended, one at a time, down to `min`. 0: never.";
    "aggressive_scale_down", TIME, NEVER,
    "When all workers of the pool have been idle for so long, those beyond `min` are ended at once. 0: never.";
    "overflow.strategy", Kind::Word(&["queue_timeout", "backpressure"]), Preset::Value(r#""queue_timeout""#),
    "What bounds the queue while every worker is busy: the time a request waits, or the number of those that do. Beyond: 503.";
    "overflow.queue_timeout", Kind::Duration { least: "1ms", most: "1h" }, Preset::Value(r#""5s""#),
    "Longest wait of a request for a free worker; beyond: 503. For the strategy `queue_timeout` only.";
    "overflow.max_queue", Kind::Number { least: 0, most: 10_000 }, Preset::Unset { words: "must be set with the strategy `backpressure`", example: "100" },
    "How many requests may wait for a worker; a further one is answered 503 at once. For the strategy `backpressure` only.";
    "recycle.max_requests", COUNT, Preset::Value("1000"),
    "A worker is replaced after so many requests. 0: never.";
    "recycle.jitter", Kind::Share { most: "0.5" }, Preset::Value("0.1"),
    "Share by which `max_requests`, `max_uptime` and `max_idle` differ from worker to worker, so that they are not replaced together.";
    "recycle.max_memory", MEMORY, Preset::Value(r#""512MiB""#),
    "A worker is replaced when its PHP heap is larger than this between two requests. 0: never.";
    "recycle.memory_growth", MEMORY, OFF,
    "A worker is replaced when its PHP heap has grown by more than this since its first requests. 0: never.";
    "recycle.soft_memory", MEMORY, OFF,
    "A worker is replaced when its PHP heap is larger than this and no request waits. 0: never.";
    "recycle.emergency_memory", MEMORY, OFF,
    "A worker whose PHP heap is larger than this serves nobody any more, even before its successor has booted. 0: never.";
    "recycle.max_uptime", TIME, Preset::Value(r#""1h""#),
    "A worker is replaced after so long. 0: never.";
    "recycle.max_idle", TIME, NEVER,
    "A worker that has served is replaced when no request has come to it for so long. 0: never.";
    "recycle.max_request_duration", TIME, NEVER,
    "A worker is replaced after a request that took longer than this until its response had left. 0: never.";
    "recycle.max_consecutive_failures", Kind::Number { least: 0, most: 1_000_000 }, Preset::Value("5"),
    "A worker is replaced after so many failed requests in a row: uncaught exceptions, failed resets. 0: never.";
    "reset.on_error", Kind::Word(&["recycle", "continue"]), Preset::Value(r#""recycle""#),
    "Whether a worker is replaced before its next request when one of its resetters has failed.";
    "reset.timeout", Kind::Duration { least: "0s", most: "1h" }, Preset::Value(r#""5s""#),
    "Longest time for the reset between two requests of a worker and for its idle callbacks; beyond, the worker is replaced (`reset_missing`). 0: no limit.";
    "reset.drift", Kind::Word(&["off", "report", "recycle"]), Preset::ByCommand { php_server: r#""report""#, run: r#""off""# },
    "Whether a worker looks for what a request has changed and not put back, and what it does then: report it, or also have itself replaced. See drift.md.";
    "reset.drift_sample", Kind::Number { least: 1, most: 1_000_000 }, Preset::Value("1"),
    "One request in so many is looked at. 1: every one.";
    "idle.collect_after", TIME, Preset::Value(r#""500ms""#),
    "A worker that has waited for a request for so long collects garbage cycles, if there is enough of them. 0: never.";
    "idle.collect_roots", Kind::Number { least: 1, most: 1_000_000 }, Preset::Value("1000"),
    "How many values that may be part of a cycle are enough; after 100 requests any are.";
}
