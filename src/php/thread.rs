//! An operating-system thread attached to the engine.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::sync::Arc;

use super::engine::Engine;
use super::gate::{Gate, Stay};
use super::host::Host;
use super::interrupt::Target;
use super::request::RequestScope;
use super::view;
use crate::job::{Exchange, Seat};
use crate::sys;

/// The engine could not give this thread a context: out of memory.
#[derive(Debug, thiserror::Error)]
#[error("no memory for a PHP thread context")]
pub(super) struct AttachError;

/// How a thread presents itself to PHP.
pub(super) struct Role<'a> {
    /// Whether its script may loop over requests.
    pub(super) loops: bool,
    /// Environment additions while a worker script boots (I7: outlives the thread's attachment).
    pub(super) boot_env: &'a [sys::sc_pair],
    /// Every how many requests the drift detector looks; 0: never.
    pub(super) drift_sample: u32,
    /// Folder of the application's project (I7, as above); empty if there is none.
    pub(super) project: &'a CStr,
}

/// A thread that may run PHP. Neither `Send` nor `Sync` (I5).
pub(super) struct PhpThread<'s> {
    /// From `Box::into_raw`; C holds a copy of the pointer. Not a `Box`, because moving one would claim unique access (I3).
    host: *mut Host<'s>,
    /// From `Box::into_raw`, for the same reason.
    worker: *mut sys::sc_worker,
    target: Arc<Target>,
    _pool: CString,
    engine: Arc<Engine>,
    _not_send: PhantomData<*mut ()>,
}

impl<'s> PhpThread<'s> {
    /// Attaches the calling thread.
    pub(super) fn attach(engine: &Arc<Engine>, seat: &'s mut dyn Seat, role: &Role<'s>) -> Result<Self, AttachError> {
        let identity = seat.identity();
        let pool = CString::new(identity.pool.as_bytes()).unwrap_or_default();
        let worker = Box::into_raw(Box::new(sys::sc_worker {
            pool: view::text(pool.as_bytes()),
            slot: identity.slot,
            incarnation: identity.incarnation,
            loops: role.loops,
            boot_env: role.boot_env.as_ptr(),
            boot_env_count: role.boot_env.len(),
            drift_sample: role.drift_sample,
            project: view::text(role.project.to_bytes()),
            traces: seat.traces(),
        }));
        let host = Box::into_raw(Box::new(Host::new(seat)));
        // SAFETY: I1, I5, I7: worker and pool live in the PhpThread, boot_env for 's.
        if unsafe { sys::sc_thread_attach(host.cast(), worker) } {
            let target = Arc::new(Target::of_this_thread());
            let engine = Arc::clone(engine);
            let mut thread = Self { host, worker, target, _pool: pool, engine, _not_send: PhantomData };
            let target = Arc::clone(&thread.target);
            thread.host().seat().attached(target);
            return Ok(thread);
        }
        // SAFETY: I3: C has not kept the pointer, since it refused.
        drop(unsafe { Box::from_raw(host) });
        // SAFETY: I7: nor this one.
        drop(unsafe { Box::from_raw(worker) });
        Err(AttachError)
    }

    /// The host, between `sc_*` calls.
    pub(super) fn host(&mut self) -> &mut Host<'s> {
        // SAFETY: I3: no sc_* call is in progress, because each borrows the thread mutably.
        unsafe { &mut *self.host }
    }

    /// The way into PHP.
    pub(super) fn gate(&self) -> &Gate {
        self.engine.gate()
    }

    /// Begins and ends a request, at whose beginning OPcache restarts. False if PHP could not begin one.
    pub(super) fn restart_opcache(&mut self) -> bool {
        // SAFETY: I1, I5, I9: only the keeper of the gate calls this, with nobody inside.
        unsafe { sys::sc_opcache_restarting() };
        RequestScope::begin_alone(self).is_some()
    }

    /// Begins the run of a worker script, which fetches its requests itself.
    pub(super) fn begin_worker(&mut self) -> Option<RequestScope<'_, 's>> {
        RequestScope::begin(self, std::ptr::null(), Stay::Loop)
    }

    /// Begins the run of a script that serves one request.
    pub(super) fn begin_request(&mut self, exchange: Box<Exchange>) -> Option<RequestScope<'_, 's>> {
        let request = self.host().adopt(exchange);
        RequestScope::begin(self, request, Stay::Request)
    }
}

impl Drop for PhpThread<'_> {
    fn drop(&mut self) {
        self.target.close();
        // SAFETY: I1, I5: the last engine call of this thread.
        unsafe { sys::sc_thread_detach() };
        // SAFETY: I3: C has forgotten the pointer.
        drop(unsafe { Box::from_raw(self.host) });
        // SAFETY: I7: C has forgotten this one too.
        drop(unsafe { Box::from_raw(self.worker) });
    }
}

/// A script's path as C wants it.
pub(super) fn c_path(path: &std::path::Path) -> Option<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// A script's path inside a request's buffer.
pub(super) fn c_bytes(bytes: &[u8]) -> Option<CString> {
    CString::new(bytes).ok()
}

/// Shorthand for the type that a scope runs.
pub(super) type ScriptPath = CStr;
