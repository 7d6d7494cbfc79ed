//! How many files the process may have open.
//!
//! Connections, bodies on their way and PHP's own files all count. The soft limit of 1024, with which most processes start, is for programs
//! that use `select()`, which writes beyond its sets from there on; nothing here does, and PHP's own `stream_select()` checks.

#![forbid(unsafe_code)]

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Soft limit beyond which there is no use: what the kernel would allow in a container is often a billion.
const USEFUL: u64 = 65_536;

/// Limit when the system does not tell.
const USUAL: u64 = 1024;

/// How many files this process may have open once [`raise_open_files`] has been called.
pub fn open_files() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(USUAL, |(soft, hard)| soft.max(hard.min(USEFUL)))
}

/// Raises the limit as far as it is of use and the system allows. Child processes of PHP inherit it.
pub fn raise_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < open_files()
    {
        // A refusal leaves what there was; the limit of connections follows from what is allowed, and says so when it is reached.
        setrlimit(Resource::RLIMIT_NOFILE, open_files(), hard).unwrap_or(());
    }
}
