//! OPcache's own lock on its users, held for the whole process.
//!
//! Who executes cached code holds a read lock on one byte of a file; a restart is carried out only if a write lock could be had. Locks of
//! `fcntl` belong to a process, so OPcache does not see the users in its own. A lock that belongs to an open file description
//! (fcntl(2), "Open file description locks") conflicts with those of `fcntl` also within one process: as long as it is held, OPcache finds
//! somebody at work and leaves its memory alone, whatever any thread does.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};

/// The byte of the file that stands for the use of the memory (php-src, `accel_activate_add()`).
const USAGE_BYTE: i64 = 1;

/// How the file is called: a memory file, or where there are none, a temporary file (php-src, `zend_shared_alloc_create_lock()`).
const NAMES: [&str; 2] = ["/memfd:opcache_lock", ".ZendSem."];

/// The lock; not held at first.
#[derive(Debug)]
pub(super) struct UsageLock {
    /// An open file description of our own. Never closed while OPcache lives: closing any descriptor of a file drops the `fcntl`
    /// locks that the process has on it.
    file: File,
}

impl UsageLock {
    /// Finds the file among those that this process has open; `None` if there is none.
    pub(super) fn find() -> io::Result<Option<Self>> {
        for entry in fs::read_dir("/proc/self/fd")? {
            let path = entry?.path();
            // The descriptor of this very listing is gone by the time it is looked at, and others may go too.
            if fs::read_link(&path).is_ok_and(|target| is_lock_file(&target)) {
                return Ok(Some(Self { file: File::options().read(true).write(true).open(path)? }));
            }
        }
        Ok(None)
    }

    /// The lock on another file, which no OPcache looks at.
    #[cfg(test)]
    pub(super) fn on(file: File) -> Self {
        Self { file }
    }

    /// The descriptor, for locks of the other kind.
    pub(super) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Keeps OPcache from restarting.
    pub(super) fn hold(&self) -> io::Result<()> {
        Ok(fcntl(&self.file, FcntlArg::F_OFD_SETLK(&usage(libc::F_RDLCK))).map(drop)?)
    }

    /// Allows OPcache to restart. False, and nothing is allowed, if it would not: another process uses the memory, which can only
    /// be a forked child.
    pub(super) fn release(&self) -> io::Result<bool> {
        fcntl(&self.file, FcntlArg::F_OFD_SETLK(&usage(libc::F_UNLCK)))?;
        if self.is_free()? {
            return Ok(true);
        }
        self.hold()?;
        Ok(false)
    }

    /// Asks as OPcache asks (php-src, `accel_is_inactive()`).
    fn is_free(&self) -> io::Result<bool> {
        let mut asked = usage(libc::F_WRLCK);
        fcntl(&self.file, FcntlArg::F_GETLK(&mut asked))?;
        Ok(i32::from(asked.l_type) == libc::F_UNLCK)
    }
}

fn is_lock_file(target: &Path) -> bool {
    let target = target.as_os_str().as_encoded_bytes();
    NAMES.iter().any(|name| target.windows(name.len()).any(|part| part == name.as_bytes()))
}

fn usage(kind: i32) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or(i16::MAX),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or(0),
        l_start: USAGE_BYTE,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_known_by_its_name() {
        let cases = [
            ("/memfd:opcache_lock (deleted)", true),
            ("/tmp/.ZendSem.a1b2c3 (deleted)", true),
            ("/memfd:other (deleted)", false),
            ("/dev/null", false),
        ];
        for (target, expected) in cases {
            assert_eq!(is_lock_file(Path::new(target)), expected, "{target}");
        }
    }

    /// What OPcache sees from within the same process.
    #[test]
    fn the_process_sees_its_own_lock() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let open = || File::options().read(true).write(true).open(file.path()).expect("the file");
        let (lock, opcache) = (UsageLock { file: open() }, UsageLock { file: open() });
        assert!(opcache.is_free().expect("asked"));
        fcntl(&opcache.file, FcntlArg::F_SETLK(&usage(libc::F_RDLCK))).expect("locked as a thread does");
        assert!(opcache.is_free().expect("asked"), "OPcache is blind for its own process");
        lock.hold().expect("held");
        assert!(!opcache.is_free().expect("asked"));
        assert!(lock.release().expect("released"));
        assert!(opcache.is_free().expect("asked"));
    }

    /// Another open file description stands for another process.
    #[test]
    fn nothing_is_allowed_while_a_child_uses_the_memory() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let open = || UsageLock { file: File::options().read(true).write(true).open(file.path()).expect("the file") };
        let (lock, child, opcache) = (open(), open(), open());
        lock.hold().expect("held");
        child.hold().expect("held");
        assert!(!lock.release().expect("asked"));
        drop(child);
        assert!(!opcache.is_free().expect("asked"), "the lock is held again");
        assert!(lock.release().expect("released"));
    }
}
