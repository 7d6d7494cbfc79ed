//! PHP's own command line, where the linked build carries it.

use std::ffi::{CString, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;

use crate::sys;

/// The linked libphp came without its command line.
#[derive(Debug, thiserror::Error)]
#[error("this executable was linked against a libphp without its command line; build it with the pinned PHP")]
pub struct CommandLineMissing;

/// Runs `php` with these arguments; the first one is the program's name. Returns PHP's exit code.
///
/// Must be called on the main thread before any other is started.
///
/// # Errors
/// [`CommandLineMissing`] if the linked libphp does not carry it.
pub fn command_line(arguments: Vec<OsString>) -> Result<i32, CommandLineMissing> {
    // SAFETY: I1: reads a constant.
    if !unsafe { sys::sc_cli_available() } {
        return Err(CommandLineMissing);
    }
    // Arguments of a process cannot hold NUL bytes.
    let owned: Vec<CString> = arguments.into_iter().filter_map(|a| CString::new(a.into_vec()).ok()).collect();
    let mut raw: Vec<*mut c_char> = owned.iter().map(|a| a.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(raw.len()).unwrap_or(c_int::MAX);
    raw.push(std::ptr::null_mut());
    // SAFETY: I1, I6: php's main() starts and stops an engine of its own; the arguments outlive it.
    Ok(unsafe { sys::sc_cli_main(count, raw.as_mut_ptr()) })
}
