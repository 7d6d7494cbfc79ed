//! Where the part of a response lies that its client has not taken yet and that is too much for memory: a temporary file that never has a
//! name, used as a ring, so that it is no larger than its bound however long the response is.
//!
//! The producer writes on its own thread, the consumer reads on one of tokio's threads for files; who may touch which part is the
//! pipe's business. The file is gone with its last owner, whatever happens to the process.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

/// Bytes on disk of all responses of this process together. One disk, one count.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// When the log was last told that something could not be stored.
static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
/// How often it is told at most: a full disk concerns every large response.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Largest piece read at once, in bytes: what a reader that has stopped half-way keeps in memory besides the pipe's own part.
const READ_PIECE: u64 = 128 * 1024;

/// Why bytes found no place on disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPlace {
    /// All responses together have as much as they may.
    #[error("the responses on disk have reached server.response_spill_total")]
    Total,
    /// No temporary folder, no space, no descriptor, ...
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// A ring of bytes on disk. Positions count from the beginning of the ring's use and only rise.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    /// Most bytes the file may have.
    size: u64,
    /// Most bytes all files may have.
    total: u64,
    /// Bytes counted in [`TAKEN`] for this file.
    taken: AtomicU64,
}

impl Spill {
    /// A ring of `size` bytes, as long as all rings together stay within `total`.
    ///
    /// # Errors
    /// What the system says if there can be no temporary file.
    pub(super) fn open(size: u64, total: u64) -> Result<Self, NoPlace> {
        // O_TMPFILE where the file system has it; else the name is removed at once.
        Ok(Self { file: tempfile::tempfile()?, size, total, taken: AtomicU64::new(0) })
    }

    /// Writes bytes at a position; gives how many found a place before it failed, if it did.
    pub(super) fn write(&self, position: u64, bytes: &[u8]) -> (usize, Result<(), NoPlace>) {
        let mut done = 0;
        while done < bytes.len() {
            let at = (position + done as u64) % self.size;
            let room = usize::try_from(self.size - at).unwrap_or(usize::MAX);
            let piece = &bytes[done..];
            let piece = &piece[..piece.len().min(room)];
            if !self.reserve(at + piece.len() as u64) {
                return (done, Err(NoPlace::Total));
            }
            match self.file.write_at(piece, at) {
                Ok(0) => return (done, Err(NoPlace::Disk(io::ErrorKind::WriteZero.into()))),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (done, Err(NoPlace::Disk(error))),
            }
        }
        (done, Ok(()))
    }

    /// Reads the next bytes from a position on, of `unread` that there are.
    ///
    /// # Errors
    /// What the system says; bytes that were written and cannot be read again are lost.
    pub(super) fn read(&self, position: u64, unread: u64) -> io::Result<Bytes> {
        let at = position % self.size;
        let count = unread.min(READ_PIECE).min(self.size - at);
        let mut piece = vec![0; usize::try_from(count).unwrap_or(0)];
        self.file.read_exact_at(&mut piece, at)?;
        Ok(piece.into())
    }

    /// Counts the file as at least this long.
    fn reserve(&self, length: u64) -> bool {
        // Only the producer calls this, so nobody else changes `taken` meanwhile.
        let taken = self.taken.load(Ordering::Relaxed);
        let Some(more) = length.checked_sub(taken).filter(|more| *more > 0) else { return true };
        let add = |all: u64| all.checked_add(more).filter(|all| *all <= self.total);
        let fits = TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        if fits {
            self.taken.store(length, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.taken.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Tells the operator that a response cannot be stored.
pub(super) fn report(cause: &NoPlace) {
    let mut told = TOLD.lock();
    if told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
        *told = Some(Instant::now());
        tracing::warn!(event = "response.spill_failed", error = %cause, consequence = "slow clients hold workers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_goes_round() {
        let spill = Spill::open(10, u64::MAX).expect("a temporary file");
        let mut written = 0;
        for (number, length) in [7_u8, 10, 1, 9, 10].into_iter().enumerate() {
            let bytes: Vec<u8> = (0..length).map(|byte| byte * 16 + u8::try_from(number).expect("few")).collect();
            let (done, result) = spill.write(written, &bytes);
            assert_eq!((done, result.is_ok()), (bytes.len(), true));
            let mut read = Vec::new();
            while read.len() < bytes.len() {
                let position = written + read.len() as u64;
                read.extend_from_slice(&spill.read(position, (bytes.len() - read.len()) as u64).expect("readable"));
            }
            assert_eq!(read, bytes);
            written += u64::from(length);
        }
        assert_eq!(spill.file.metadata().expect("metadata").len(), 10, "no larger than the ring");
    }

    #[test]
    fn the_total_bounds_what_is_stored_and_is_given_back() {
        let one = Spill::open(100, u64::MAX).expect("a temporary file");
        assert!(one.write(0, &[1; 60]).1.is_ok());
        // Other tests of this process take a little as well, so the bound is measured from what there is.
        let full = Spill::open(100, 1).expect("a temporary file");
        let (done, result) = full.write(0, &[1; 60]);
        assert_eq!(done, 0);
        assert!(matches!(result, Err(NoPlace::Total)), "{result:?}");
        assert_eq!(full.taken.load(Ordering::Relaxed), 0);
        assert_eq!(one.taken.load(Ordering::Relaxed), 60);
        assert!(TAKEN.load(Ordering::Relaxed) >= 60);
        // What is overwritten is not counted twice.
        assert!(one.write(100, &[2; 30]).1.is_ok());
        assert_eq!(one.taken.load(Ordering::Relaxed), 60);
    }
}
