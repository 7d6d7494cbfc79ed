//! What OPcache says of itself.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// OPcache at one moment; sizes in bytes, counts since the process was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpcacheFigures {
    /// Shared memory that is in use.
    pub memory_used: u64,
    /// Shared memory that is free.
    pub memory_free: u64,
    /// Shared memory of scripts that are out of date.
    pub memory_wasted: u64,
    /// Memory of interned strings that is in use.
    pub strings_used: u64,
    /// Memory of interned strings that is free.
    pub strings_free: u64,
    /// Scripts in the cache.
    pub scripts: u64,
    /// Their names, and other names for them.
    pub keys: u64,
    /// The most names there may be.
    pub max_keys: u64,
    /// Times that a script was found.
    pub hits: u64,
    /// Times that one had to be compiled.
    pub misses: u64,
    /// Restarts since memory was full.
    pub oom_restarts: u64,
    /// Restarts since there were too many names.
    pub hash_restarts: u64,
    /// Restarts that somebody asked for.
    pub manual_restarts: u64,
    /// Memory for machine code; 0 without JIT.
    pub jit_size: u64,
    /// What is free of that.
    pub jit_free: u64,
}
