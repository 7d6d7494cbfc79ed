//! The handle by which other threads end the script of a PHP thread.

use std::ffi::CStr;
use std::fmt;
use std::ptr::NonNull;

use parking_lot::Mutex;

use crate::job::Interrupt;
use crate::sys;

/// Points to a thread's `sc_target` for as long as there is one (I8).
pub(super) struct Target(Mutex<Option<Pointer>>);

struct Pointer(NonNull<sys::sc_target>);

// SAFETY: I8: `sc_interrupt` is for other threads, and the lock around the pointer lets one call at a time through.
unsafe impl Send for Pointer {}

impl Target {
    /// Of the calling thread, which must be attached.
    pub(super) fn of_this_thread() -> Self {
        // SAFETY: I1, I5: the caller has attached this thread.
        let target = unsafe { sys::sc_thread_target() };
        Self(Mutex::new(NonNull::new(target).map(Pointer)))
    }

    /// The thread is about to be detached. Waits for a call that is under way; later ones do nothing.
    pub(super) fn close(&self) {
        *self.0.lock() = None;
    }
}

impl Interrupt for Target {
    fn interrupt(&self) {
        if let Some(Pointer(target)) = &*self.0.lock() {
            // SAFETY: I8: `close` comes before the target's end and waits for this lock.
            unsafe { sys::sc_interrupt(target.as_ptr()) };
        }
    }

    fn locate(&self) {
        if let Some(Pointer(target)) = &*self.0.lock() {
            // SAFETY: I8, as above.
            unsafe { sys::sc_ask_stack(target.as_ptr()) };
        }
    }

    fn waits_in(&self) -> Option<&'static str> {
        let target = self.0.lock();
        let Pointer(target) = target.as_ref()?;
        // SAFETY: I8, as above.
        let name = unsafe { sys::sc_waits_in(target.as_ptr()) };
        if name.is_null() {
            return None;
        }
        // SAFETY: I1: a static text, with its NUL.
        unsafe { CStr::from_ptr(name) }.to_str().ok()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target")
    }
}
