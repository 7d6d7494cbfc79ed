//! PHP's own command line, where the linked build carries it.

use std::ffi::{CString, OsString, c_char, c_int};
use std::ptr;

use super::program::{self, MARK, Program};
use crate::sys;

/// The linked libphp came without its command line.
#[derive(Debug, thiserror::Error)]
#[error("this executable was linked against a libphp without its command line; build it with the pinned PHP")]
pub struct CommandLineMissing;

/// Runs `php` with these arguments; the first one is the program's name. Ends the process, or returns PHP's exit code.
///
/// `program` is what PHP code sees as `PHP_BINARY`; without it PHP looks for itself.
///
/// Must be called on the main thread before any other is started.
///
/// # Errors
/// [`CommandLineMissing`] if the linked libphp does not carry it.
pub fn command_line(arguments: Vec<OsString>, program: Option<&Program>) -> Result<i32, CommandLineMissing> {
    // SAFETY: I1: reads a constant.
    if !unsafe { sys::sc_cli_available() } {
        return Err(CommandLineMissing);
    }
    let arguments = program::arguments(arguments);
    let mut raw: Vec<*mut c_char> = arguments.iter().map(|a| a.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(raw.len()).unwrap_or(c_int::MAX);
    raw.push(ptr::null_mut());
    let texts = program.map(Program::texts);
    let mark = CString::new(MARK).unwrap_or_default();
    let call = sys::sc_cli_call {
        argc: count,
        argv: raw.as_mut_ptr(),
        executable: texts.as_ref().map_or(ptr::null(), |texts| texts.executable.as_ptr()),
        php_binary: texts.as_ref().map_or(ptr::null(), |texts| texts.binary.as_ptr()),
        php_bindir: texts.as_ref().map_or(ptr::null(), |texts| texts.bindir.as_ptr()),
        mark: if program.is_some_and(Program::needs_mark) { mark.as_ptr() } else { ptr::null() },
    };
    // SAFETY: I1, I6: php's main() starts and stops an engine of its own; what the call names outlives it.
    Ok(unsafe { sys::sc_cli_main(&raw const call) })
}
