//! Panics in leaves. An unwind must not enter C: it is caught, its payload parked with the host, and the leaf answers
//! with a code that makes C stop. After the outer `sc_*` call has returned, the payload is raised again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::host::Host;

/// A parked panic.
#[derive(Default)]
pub(super) struct Parked(Option<Box<dyn Any + Send>>);

impl Parked {
    /// Whether a panic waits to be raised.
    pub(super) fn is_parked(&self) -> bool {
        self.0.is_some()
    }

    /// Raises what is parked.
    pub(super) fn raise(&mut self) {
        if let Some(payload) = self.0.take() {
            resume_unwind(payload);
        }
    }
}

/// Runs a leaf's body. Once a panic is parked, further leaves answer with the fallback at once.
pub(super) fn guard<R>(host: &mut Host<'_>, fallback: R, body: impl FnOnce(&mut Host<'_>) -> R) -> R {
    if host.parked.is_parked() {
        return fallback;
    }
    // The host is looked at only by `raise` afterwards, so a half-made change in it misleads nobody.
    match catch_unwind(AssertUnwindSafe(|| body(host))) {
        Ok(result) => result,
        Err(payload) => {
            host.parked = Parked(Some(payload));
            fallback
        }
    }
}
