//! The ends of outlets: standard error, and a log file that can be opened anew after somebody has moved it.

#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::events::LogFileFailed;
use super::outlet::Sink;

/// Largest piece that a pipe takes as a whole, so that lines of several processes do not mix (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;
/// Time between two attempts at a file that cannot be had.
const RETRY: Duration = Duration::from_secs(1);
/// Rights of a new file: addresses of clients are not for everybody.
const MODE: u32 = 0o640;

/// Standard error.
#[derive(Debug)]
pub(super) struct StandardError;

impl Sink for StandardError {
    fn take(&mut self, lines: &[u8]) {
        let mut rest = lines;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece(rest));
            // Whoever reads has gone: that is no reason to end.
            drop(io::stderr().lock().write_all(piece));
            rest = after;
        }
    }
}

/// As many whole lines as fit, at least one.
fn piece(lines: &[u8]) -> usize {
    let ends = |part: &[u8]| part.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let first = || lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
    if lines.len() <= PIECE { lines.len() } else { ends(&lines[..PIECE]).unwrap_or_else(first) }
}

/// A file that is appended to. Several processes may share it: each piece is written at its end by one call.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    /// When it could not be opened or written, and was told of.
    failed: Option<Instant>,
}

impl LogFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, failed: None }
    }

    fn open(&mut self) {
        if self.failed.is_some_and(|since| since.elapsed() < RETRY) {
            return;
        }
        match open(&self.path) {
            Ok(file) => (self.file, self.failed) = (Some(file), None),
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.file = None;
        if self.failed.is_none() {
            LogFileFailed { path: &self.path.to_string_lossy(), error }.emit();
        }
        self.failed = Some(Instant::now());
    }
}

/// Opens a log for appending, and makes it if it is not there.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

impl Sink for LogFile {
    fn take(&mut self, lines: &[u8]) {
        if self.file.is_none() {
            self.open();
        }
        if let Some(Err(error)) = self.file.as_mut().map(|file| file.write_all(lines)) {
            self.fail(&error);
        }
    }

    fn reopen(&mut self) {
        self.failed = None;
        self.file = None;
        self.open();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_with_a_line() {
        let line = |length: usize| [vec![b'x'; length - 1], vec![b'\n']].concat();
        let cases = [
            (line(10), 10),
            ([line(3000), line(1000)].concat(), 4000),
            ([line(3000), line(2000)].concat(), 3000),
            ([line(5000), line(10)].concat(), 5000),
            (vec![b'x'; 5000], 5000),
        ];
        for (lines, expected) in cases {
            assert_eq!(piece(&lines), expected);
        }
    }

    #[test]
    fn a_moved_file_is_left_alone_after_it_was_opened_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let mut log = LogFile::new(path.clone());
        log.take(b"one\n");
        std::fs::rename(&path, &moved).expect("moved");
        log.take(b"two\n");
        log.reopen();
        log.take(b"three\n");
        assert_eq!(std::fs::read(&moved).expect("read"), b"one\ntwo\n");
        assert_eq!(std::fs::read(&path).expect("read"), b"three\n");
    }
}
