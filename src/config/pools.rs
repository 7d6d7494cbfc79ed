//! The pools: sizes, queues and limits, for the default pool and those with a name.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::NamedPool;
use super::check::Check;
use super::keys::{self, Owner};
use super::machine;
use super::raw::PoolSettings;
use crate::job::ReplyLimits;
use crate::pool::{self, Deadlines, Idle, Limits, OnResetError, ScaleDown};

/// The default pool.
pub(super) fn default(check: &mut Check, reply: ReplyLimits, classic: bool) -> pool::Config {
    settings(check, Owner::Default, "default", reply, classic)
}

/// A pool with a name.
pub(super) fn named(check: &mut Check, named: &PoolSettings, reply: ReplyLimits, classic: bool) -> NamedPool {
    check.in_pool(named, |check| {
        let pool = settings(check, Owner::Named, &named.name, reply, classic);
        NamedPool { pool, boot_timeout: boot_timeout(check, Owner::Named) }
    })
}

/// How long the first workers of a pool may take to reach their loop.
pub(super) fn boot_timeout(check: &mut Check, owner: Owner) -> Duration {
    check.duration(keys::of_pool(owner, "boot_timeout"))
}

fn settings(check: &mut Check, owner: Owner, name: &str, reply: ReplyLimits, classic: bool) -> pool::Config {
    let (workers, min, max) = sizes(check, owner);
    let mut pool = pool::Config::new(name, workers);
    (pool.min, pool.max, pool.reply) = (min, max, reply);
    pool.scale_down = scale_down(check, owner, min == max);
    (pool.queue_timeout, pool.max_queue) = overflow(check, owner);
    pool.recycle = limits(check, owner, classic);
    pool.idle = idle(check, owner, classic);
    pool.drift_sample = drift(check, owner, classic, &mut pool.recycle);
    pool.deadlines = Deadlines {
        boot: boot_timeout(check, owner),
        request: check.duration(keys::of_pool(owner, "request_timeout")),
        reset: check.duration(keys::of_pool(owner, "reset.timeout")),
        grace: check.duration(keys::of_pool(owner, "stuck_grace")),
    };
    pool
}

/// Workers at the start, least and most.
fn sizes(check: &mut Check, owner: Owner) -> (u32, u32, u32) {
    let key = |name| keys::of_pool(owner, name);
    let (min, max) = (check.number_if_set(key("min")), check.number_if_set(key("max")));
    let auto = machine::auto_workers().max(min.unwrap_or(1)).min(max.unwrap_or(u32::MAX));
    let workers = check.auto(key("workers"), auto);
    let (least, most) = (min.unwrap_or(workers), max.unwrap_or(workers));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        check.fault(key("min"), format!("{min} is more than max, which is {max}"), "give min no more than max");
    } else if least > workers {
        check.fault(
            key("min"),
            format!("{least} is more than workers, which is {workers}"),
            "give no more than workers",
        );
    } else if most < workers {
        check.fault(
            key("max"),
            format!("{most} is less than workers, which is {workers}"),
            "give no less than workers",
        );
    }
    (workers, least, most)
}

fn scale_down(check: &mut Check, owner: Owner, fixed: bool) -> ScaleDown {
    let mut read = |name| {
        let key = keys::of_pool(owner, name);
        let time = check.duration(key);
        if fixed && !time.is_zero() {
            check.fault(key, "has no effect while min, workers and max are the same", "set min or max, or remove it");
        }
        time
    };
    ScaleDown { idle: read("scale_down_idle"), aggressive: read("aggressive_scale_down") }
}

/// How long a request waits and how many do.
fn overflow(check: &mut Check, owner: Owner) -> (Duration, usize) {
    let key = |name| keys::of_pool(owner, name);
    let (time, count) = (key("overflow.queue_timeout"), key("overflow.max_queue"));
    let backpressure = check.text_of(key("overflow.strategy")) == "backpressure";
    let queue_timeout = check.duration(time);
    let max_queue = check.number_if_set(count);
    let (time_set, count_set) = (check.is_set(time), check.is_set(count));
    let remedy = "the strategies exclude each other: keep queue_timeout, or strategy = \"backpressure\" and max_queue";
    if time_set && count_set {
        let other = check.told(time);
        check.fault(count, format!("contradicts {other}"), remedy);
    } else if backpressure && time_set {
        check.fault(time, "has no effect with the strategy \"backpressure\"", "remove it, and set max_queue");
    } else if backpressure && !count_set {
        check.fault(
            key("overflow.strategy"),
            "needs overflow.max_queue",
            "say how many requests may wait, such as 100",
        );
    } else if !backpressure && count_set {
        check.fault(
            count,
            "has no effect with the strategy \"queue_timeout\"",
            "set strategy = \"backpressure\", or remove it",
        );
    }
    if backpressure {
        (pool::LONGEST_WAIT, max_queue.unwrap_or_default() as usize)
    } else {
        (queue_timeout, pool::MAX_QUEUE)
    }
}

/// What workers do while they wait; a script of classic mode leaves nothing behind to do it to.
fn idle(check: &mut Check, owner: Owner, classic: bool) -> Idle {
    let (after, roots) = (keys::of_pool(owner, "idle.collect_after"), keys::of_pool(owner, "idle.collect_roots"));
    let idle = Idle { collect_after: check.duration(after), collect_roots: check.number(roots) };
    if classic {
        let problem = "has no effect in classic mode, where a script leaves no garbage";
        check.without_effect([after, roots], problem, "remove it");
    }
    idle
}

/// Every how many requests drift is looked for; 0: never.
fn drift(check: &mut Check, owner: Owner, classic: bool, limits: &mut Limits) -> u32 {
    let (mode, sample) = (keys::of_pool(owner, "reset.drift"), keys::of_pool(owner, "reset.drift_sample"));
    let (word, every) = (check.text_of(mode), check.number(sample));
    if classic {
        let reason = "has no effect in classic mode, where the state of a script ends with its request";
        check.without_effect([mode, sample], reason, "remove it");
        return 0;
    }
    if word == "off" {
        check.without_effect([sample], "has no effect while reset.drift is \"off\"", "set drift, or remove it");
        return 0;
    }
    limits.drift = word == "recycle";
    every
}

/// Keys that say nothing about a script that runs anew for each request: its heap ends with it.
const OF_WORKERS: [&str; 4] =
    ["recycle.max_memory", "recycle.memory_growth", "recycle.soft_memory", "recycle.emergency_memory"];

fn limits(check: &mut Check, owner: Owner, classic: bool) -> Limits {
    let key = |name| keys::of_pool(owner, name);
    let limits = Limits {
        max_requests: u64::from(check.number(key("recycle.max_requests"))),
        jitter: check.share(key("recycle.jitter")),
        max_memory: check.size(key("recycle.max_memory")),
        memory_growth: check.size(key("recycle.memory_growth")),
        soft_memory: check.size(key("recycle.soft_memory")),
        emergency_memory: check.size(key("recycle.emergency_memory")),
        max_uptime: check.duration(key("recycle.max_uptime")),
        max_idle: check.duration(key("recycle.max_idle")),
        max_request_duration: check.duration(key("recycle.max_request_duration")),
        max_consecutive_failures: check.number(key("recycle.max_consecutive_failures")),
        on_reset_error: match check.text_of(key("reset.on_error")).as_str() {
            "continue" => OnResetError::Continue,
            _ => OnResetError::Recycle,
        },
        drift: false,
    };
    let Limits { max_memory, soft_memory, emergency_memory, .. } = limits;
    if soft_memory > 0 && max_memory > 0 && soft_memory >= max_memory {
        check.fault(key("recycle.soft_memory"), "is not less than recycle.max_memory", "give less, or remove it");
    }
    if emergency_memory > 0 && max_memory > 0 && emergency_memory <= max_memory {
        check.fault(key("recycle.emergency_memory"), "is not more than recycle.max_memory", "give more, or remove it");
    }
    if classic {
        let reason = "has no effect in classic mode, where the memory of a script ends with its request";
        check.without_effect(OF_WORKERS.map(key), reason, "remove it");
        if limits.on_reset_error == OnResetError::Continue {
            check.fault(key("reset.on_error"), "has no effect in classic mode, which has no reset", "remove it");
        }
        return Limits { max_memory: 0, memory_growth: 0, soft_memory: 0, emergency_memory: 0, ..limits };
    }
    limits
}
