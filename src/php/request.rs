//! The scope of one script run: begun, run once, ended exactly once.

use std::mem::ManuallyDrop;

use super::gate::{Pass, Stay};
use super::thread::{PhpThread, ScriptPath};
use crate::sys;

/// How a script run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunEnd {
    /// The script came to its end.
    Returned,
    /// `exit` or `die`.
    Exit,
    /// A throwable nobody caught.
    Uncaught,
    /// A fatal error.
    Fatal,
    /// Any of these, in the middle of a reset.
    ResetFailed,
    /// The script went past the reset of a request.
    ResetMissing,
}

impl From<sys::sc_run> for RunEnd {
    fn from(run: sys::sc_run) -> Self {
        match run {
            sys::sc_run::SC_RUN_RETURNED => Self::Returned,
            sys::sc_run::SC_RUN_EXIT => Self::Exit,
            sys::sc_run::SC_RUN_UNCAUGHT => Self::Uncaught,
            sys::sc_run::SC_RUN_FATAL => Self::Fatal,
            sys::sc_run::SC_RUN_RESET_FAILED => Self::ResetFailed,
            sys::sc_run::SC_RUN_RESET_MISSING => Self::ResetMissing,
        }
    }
}

/// What is known of a finished run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    pub(super) end: RunEnd,
    /// Whether a worker script had reached its loop.
    pub(super) reached_loop: bool,
    /// What is known of its last request, and left in memory.
    pub(super) boundary: sys::sc_boundary,
}

/// A request in progress on a thread. Dropping it ends the request, so that every way out does.
pub(super) struct RequestScope<'t, 's> {
    thread: &'t mut PhpThread<'s>,
    /// What it has from the gate; `None` if it has not passed there.
    pass: Option<Pass>,
}

impl<'t, 's> RequestScope<'t, 's> {
    /// Starts PHP's request, as soon as PHP may be entered; `None` if PHP could not, in which case the request has been ended again.
    pub(super) fn begin(thread: &'t mut PhpThread<'s>, request: *const sys::sc_request, stay: Stay) -> Option<Self> {
        let pass = thread.gate().enter(stay);
        Self::start(thread, request, Some(pass))
    }

    /// Starts a request past the gate, for the restart of OPcache (I9).
    pub(super) fn begin_alone(thread: &'t mut PhpThread<'s>) -> Option<Self> {
        Self::start(thread, std::ptr::null(), None)
    }

    fn start(thread: &'t mut PhpThread<'s>, request: *const sys::sc_request, pass: Option<Pass>) -> Option<Self> {
        // SAFETY: I1, I4: `request` is null or owned by the host until the scope ends.
        let begun = unsafe { sys::sc_request_begin(request) };
        let scope = Self { thread, pass };
        // Dropping the scope ends what php_request_startup() left half-done.
        begun.then_some(scope)
    }

    /// Runs the script and ends the request: shutdown functions, destructors and output belong to it.
    pub(super) fn run(self, script: &ScriptPath) -> Finished {
        self.thread.host().script();
        // SAFETY: I1: the path is NUL-terminated and outlives the call.
        unsafe { sys::sc_request_run(script.as_ptr()) };
        // SAFETY: I1.
        let reached_loop = unsafe { sys::sc_reached_loop() };
        let (end, boundary) = ManuallyDrop::new(self).end();
        Finished { end, reached_loop, boundary }
    }

    fn end(&mut self) -> (RunEnd, sys::sc_boundary) {
        let mut boundary = sys::sc_boundary::default();
        // SAFETY: I1, I4: begun, and ended only here: `run` forgets the scope, `drop` is the other way.
        let run = unsafe { sys::sc_request_end(&raw mut boundary) };
        if let Some(pass) = self.pass {
            self.thread.gate().leave(pass);
        }
        let end = RunEnd::from(run);
        let host = self.thread.host();
        host.release(&boundary, end == RunEnd::ResetMissing);
        host.parked.raise();
        (end, boundary)
    }
}

impl Drop for RequestScope<'_, '_> {
    fn drop(&mut self) {
        self.end();
    }
}
