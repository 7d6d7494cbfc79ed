//! PHP settings that every server gets: what one of them is tuned with all are.

use crate::plan::Plan;

/// Name and value.
pub(super) fn settings(plan: &Plan) -> Vec<(&'static str, String)> {
    let jit = if plan.jit { "tracing" } else { "off" };
    [
        ("opcache.enable", "1"),
        ("opcache.memory_consumption", "256"),
        ("opcache.interned_strings_buffer", "16"),
        ("opcache.max_accelerated_files", "20000"),
        ("opcache.validate_timestamps", "0"),
        ("opcache.jit", jit),
        ("opcache.jit_buffer_size", "64M"),
        ("realpath_cache_size", "4096K"),
        ("realpath_cache_ttl", "600"),
        ("memory_limit", "256M"),
        ("post_max_size", "32M"),
        ("expose_php", "0"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// A php.ini of them.
pub(super) fn ini(plan: &Plan) -> String {
    settings(plan).into_iter().map(|(name, value)| format!("{name} = {value}\n")).collect()
}
