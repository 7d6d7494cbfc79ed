//! What OPcache says of itself, as C saw it at the end of a request.

use crate::sys;
use crate::telemetry::OpcacheFigures;

/// What was seen last; `None` if no request has ended yet, or OPcache is off or says nothing (`opcache.restrict_api`).
pub fn figures() -> Option<OpcacheFigures> {
    let mut seen = sys::sc_opcache_figures::default();
    // SAFETY: I4: a local variable; C reads its own statics, one atomic load each, which any thread may do.
    let known = unsafe { sys::sc_opcache_seen(&raw mut seen) };
    known.then_some(OpcacheFigures {
        memory_used: seen.memory_used,
        memory_free: seen.memory_free,
        memory_wasted: seen.memory_wasted,
        strings_used: seen.strings_used,
        strings_free: seen.strings_free,
        scripts: seen.scripts,
        keys: seen.keys,
        max_keys: seen.max_keys,
        hits: seen.hits,
        misses: seen.misses,
        oom_restarts: seen.oom_restarts,
        hash_restarts: seen.hash_restarts,
        manual_restarts: seen.manual_restarts,
        jit_size: seen.jit_size,
        jit_free: seen.jit_free,
    })
}
