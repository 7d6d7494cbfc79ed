//! Memory as words: that which the parent process shares with this one, and this process's own.

use std::io;
use std::os::fd::AsFd;
use std::ptr;
use std::slice;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous};

/// Maps a file of at least that many bytes for the rest of this process's life.
///
/// # Errors
/// What the system says, or that the file is smaller.
pub fn shared_words(file: &impl AsFd, bytes: usize) -> io::Result<&'static [AtomicU64]> {
    let size = rustix::fs::fstat(file)?.st_size;
    if usize::try_from(size).unwrap_or(0) < bytes {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "shared memory is smaller than it should be"));
    }
    // SAFETY: I10. A new mapping at a place of the kernel's choice touches nothing that is there.
    let start = unsafe { mmap(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0) }?;
    // SAFETY: I10. It begins at a page, is as long as it was asked for and is never unmapped; any bits are an AtomicU64.
    Ok(unsafe { slice::from_raw_parts(start.cast::<AtomicU64>(), bytes / size_of::<AtomicU64>()) })
}

/// Memory of this process alone for the rest of its life, all zero; what nobody writes to takes none.
///
/// # Errors
/// What the system says.
pub(super) fn own_words(bytes: usize) -> io::Result<&'static [AtomicU64]> {
    let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
    // SAFETY: I10. A new mapping at a place of the kernel's choice touches nothing that is there.
    let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, protection, flags) }?;
    // SAFETY: I10. It begins at a page, is as long as it was asked for and is never unmapped; any bits are an AtomicU64.
    Ok(unsafe { slice::from_raw_parts(start.cast::<AtomicU64>(), bytes / size_of::<AtomicU64>()) })
}
