//! The memory of the store: the parent's, so that what is in it outlives every child.

#![forbid(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use crate::php;
use crate::store::{Limits, Scope, Store};

/// The parent among those who use the store. Children count from 1 and do not come that far.
const PARENT: u64 = u64::MAX - 1;

/// The store and the file that it lies in.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    file: Arc<OwnedFd>,
    store: Store,
}

impl Shared {
    /// Makes an empty store. Nobody can make its memory smaller, which would end those who write to it.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(limits: &Limits) -> io::Result<Self> {
        let bytes = Store::bytes(limits);
        let file = memfd_create("supercharger-store", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, bytes as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
        let words = php::shared_words(&file, bytes)?;
        let store = Store::create(words, limits, Scope::Server, PARENT).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { file: Arc::new(file), store })
    }

    /// For children.
    pub(super) fn memory(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.file)
    }

    /// The store itself.
    pub(super) fn store(&self) -> Store {
        self.store
    }

    /// A child is gone. A shard that it died in is free at once. Its bound locks are looked for on a thread of their own: that takes as long as there
    /// are locks, and waits for those who use a shard.
    pub(super) fn bury(&self, child: u64, in_disorder: bool) {
        self.store.abandon(child);
        if in_disorder {
            let store = self.store;
            // Without a thread the locks have their time to live.
            drop(thread::Builder::new().name("sc-store".to_owned()).spawn(move || store.release_all(child)));
        }
    }
}

/// The store of a child, on memory that its parent has handed over. `None` if the parent is of another version: then the child has one of
/// its own.
pub(super) fn join(memory: &OwnedFd, child: u64) -> Option<Store> {
    let size = rustix::fs::fstat(memory).ok()?.st_size;
    let words = php::shared_words(memory, usize::try_from(size).ok()?).ok()?;
    Store::join(words, child)
}
