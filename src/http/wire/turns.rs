//! How many requests of a connection are being answered.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts the turns of one connection: HTTP/1.1 has one at a time, HTTP/2 several.
#[derive(Debug, Default)]
pub(super) struct Turns {
    open: AtomicU32,
    begun: AtomicU32,
}

impl Turns {
    /// Turns that are not over.
    pub(super) fn open(&self) -> u32 {
        self.open.load(Ordering::Acquire)
    }

    /// Turns there have been, those that are not over included. Wraps around; it is only compared.
    pub(super) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Acquire)
    }
}

/// A request from its head to the last byte of its answer's body. Dropping it ends the turn.
#[derive(Debug)]
pub(in crate::http) struct Turn(Arc<Turns>);

impl Turn {
    pub(super) fn begin(turns: &Arc<Turns>) -> Self {
        turns.open.fetch_add(1, Ordering::AcqRel);
        turns.begun.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(turns))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}
