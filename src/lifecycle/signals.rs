//! SIGTERM and SIGINT in a child process: they are the parent's affair.
//!
//! Ctrl-C reaches the whole process group and a service manager may signal the whole control group; in either case the parent knows as
//! well, and tells its children what to do. They are caught and not ignored: programs that PHP starts would inherit the latter.
//!
//! SIGPIPE is ignored since before `main` by Rust's runtime, so a client that closes its socket is an error code and no more.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Has the two signals caught, with no other effect.
///
/// # Errors
/// What the system says.
pub fn leave_signals_to_parent() -> io::Result<()> {
    for number in [SIGINT, SIGTERM] {
        // The flag is for nobody; there must be an action.
        flag::register(number, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}
