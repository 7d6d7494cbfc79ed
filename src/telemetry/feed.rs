//! The event feed: a file of JSON lines `{"type","ts","payload"}` for programs that follow what the server does.
//!
//! Every process appends to the same file, each piece by one call. Whoever finds it full gives it another name, under a lock on the file
//! itself; the others notice that its name leads elsewhere and follow. So no process depends on another, and a child that
//! crashes takes nothing with it.

#![forbid(unsafe_code)]

use std::fmt::{self, Write};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::events::FeedFailed;
use super::file::open;
use super::outlet::{Outlet, Sink};
use super::time;

/// Time between two attempts at a file that cannot be had.
const RETRY: Duration = Duration::from_secs(1);
/// Most files that are made within one second.
const SEQUENCE: u32 = 9999;
/// How often a file is looked for whose name leads elsewhere in the same moment.
const ATTEMPTS: u32 = 8;

/// Where the feed is, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The file that is written.
    pub path: PathBuf,
    /// Size in bytes at which it gets another name; 0: never.
    pub max_bytes: u64,
    /// Files of other names that are kept; 0: all.
    pub keep: u32,
}

/// The way to this process's feed; none if there is none.
static OUTLET: OnceLock<Outlet> = OnceLock::new();

/// Begins the feed. The first call counts.
pub(super) fn begin(feed: Feed) -> Outlet {
    OUTLET.get_or_init(|| Outlet::new("feed", Box::new(FeedFile::new(feed)))).clone()
}

/// Writes an event, if there is a feed. `payload` appends JSON.
pub(super) fn put(kind: &str, payload: impl FnOnce(&mut String) -> fmt::Result) {
    put_at(kind, SystemTime::now, payload);
}

/// The same of what happened then.
pub(super) fn put_at(
    kind: &str,
    moment: impl FnOnce() -> SystemTime,
    payload: impl FnOnce(&mut String) -> fmt::Result,
) {
    let Some(outlet) = OUTLET.get() else { return };
    outlet.put_written(|line| {
        head(line, kind, moment())?;
        payload(line)?;
        line.write_str("}\n")
    });
}

/// What each line begins with; its payload follows, and a brace.
pub(super) fn head(out: &mut impl Write, kind: &str, moment: SystemTime) -> fmt::Result {
    out.write_str("{\"type\":\"")?;
    out.write_str(kind)?;
    out.write_str("\",\"ts\":\"")?;
    time::millis(out, moment)?;
    out.write_str("\",\"payload\":")
}

#[derive(Debug)]
pub(super) struct FeedFile {
    feed: Feed,
    file: Option<File>,
    failed: Option<Instant>,
}

impl FeedFile {
    pub(super) fn new(feed: Feed) -> Self {
        Self { feed, file: None, failed: None }
    }

    fn append(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let written = self.append_some(lines)?;
            lines = &lines[written..];
        }
        Ok(())
    }

    /// Writes as many lines as the file has room for; gives how many bytes that were.
    fn append_some(&mut self, lines: &[u8]) -> io::Result<usize> {
        for _ in 0..ATTEMPTS {
            let file = match self.file.take() {
                Some(file) => file,
                None => open(&self.feed.path)?,
            };
            if !is_at(&file, &self.feed.path) {
                continue;
            }
            let size = file.metadata()?.len();
            let length = if self.feed.max_bytes == 0 { lines.len() } else { fitting(lines, self.feed.max_bytes, size) };
            if length == 0 {
                self.rotate(&file)?;
                continue;
            }
            (&file).write_all(&lines[..length])?;
            self.file = Some(file);
            return Ok(length);
        }
        Err(io::Error::other("its name leads elsewhere all the time"))
    }

    /// Gives the file another name, unless somebody else has been faster. The lock goes with the file.
    fn rotate(&self, file: &File) -> io::Result<()> {
        flock(file, FlockOperation::LockExclusive)?;
        if is_at(file, &self.feed.path) {
            fs::rename(&self.feed.path, self.free_name()?)?;
            self.prune()?;
        }
        Ok(flock(file, FlockOperation::Unlock)?)
    }

    /// `BASE-20260131T120000Z-0001.ndjson`: in the order of time by name, also within one second.
    fn free_name(&self) -> io::Result<PathBuf> {
        let (base, extension) = self.parts();
        let start = format!("{base}-{}-", time::compact(SystemTime::now()));
        let number = |name: &String| name.strip_prefix(&start)?.strip_suffix(&extension)?.parse::<u32>().ok();
        let last = self.others()?.iter().filter_map(number).max().unwrap_or(0);
        if last >= SEQUENCE {
            return Err(io::Error::other("it is full more than 9999 times a second"));
        }
        Ok(self.feed.path.with_file_name(format!("{start}{:04}{extension}", last + 1)))
    }

    /// The name without its extension, and that with its dot.
    fn parts(&self) -> (String, String) {
        let text =
            |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
        let extension = text(self.feed.path.extension());
        (text(self.feed.path.file_stem()), if extension.is_empty() { extension } else { format!(".{extension}") })
    }

    fn folder(&self) -> &Path {
        self.feed.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// The names of those that are full, the oldest first.
    fn others(&self) -> io::Result<Vec<String>> {
        const STAMP: &str = "20260131T120000Z-0001";
        let (base, extension) = self.parts();
        let is_ours = |name: &String| {
            let stamp = name.strip_prefix(&base).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(&extension));
            let digit =
                |(one, of): (u8, u8)| one.is_ascii_digit() == of.is_ascii_digit() && (one == of || of.is_ascii_digit());
            stamp.is_some_and(|stamp| stamp.len() == STAMP.len() && stamp.bytes().zip(STAMP.bytes()).all(digit))
        };
        let names = fs::read_dir(self.folder())?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(is_ours).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Removes the oldest ones beyond those that are kept.
    fn prune(&self) -> io::Result<()> {
        let others = self.others()?;
        let old = if self.feed.keep == 0 { 0 } else { others.len().saturating_sub(self.feed.keep as usize) };
        for name in &others[..old] {
            // Another process may have been faster, or somebody with a broom.
            drop(fs::remove_file(self.folder().join(name)));
        }
        Ok(())
    }
}

/// Bytes of the whole lines that fit into a file of that size, of at most `max`. One that is longer than a file may be has one of its own.
fn fitting(lines: &[u8], max: u64, size: u64) -> usize {
    let room = usize::try_from(max.saturating_sub(size)).unwrap_or(usize::MAX);
    if lines.len() <= room {
        return lines.len();
    }
    let end = |part: &[u8]| part.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    match end(&lines[..room]) {
        Some(length) => length,
        None if size > 0 => 0,
        None => lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1),
    }
}

/// Whether the name still leads to the file.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |data: fs::Metadata| (data.dev(), data.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

impl Sink for FeedFile {
    fn take(&mut self, lines: &[u8]) {
        if self.failed.is_some_and(|since| since.elapsed() < RETRY) {
            return;
        }
        match self.append(lines) {
            Ok(()) => self.failed = None,
            Err(error) => {
                if self.failed.is_none() {
                    FeedFailed { path: &self.feed.path.to_string_lossy(), error: &error }.emit();
                }
                (self.file, self.failed) = (None, Some(Instant::now()));
            }
        }
    }

    fn reopen(&mut self) {
        (self.file, self.failed) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn full_files_get_other_names_and_the_oldest_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("feed.ndjson");
        fs::write(folder.path().join("feed-notes.ndjson"), "not ours").expect("written");
        let mut feed = FeedFile::new(Feed { path: path.clone(), max_bytes: 10, keep: 2 });
        // A second process.
        let mut other = FeedFile::new(feed.feed.clone());
        for number in 0..5 {
            feed.take(format!("line {number}\n").as_bytes());
            other.take(format!("more {number}\n").as_bytes());
        }
        let names = names(folder.path());
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!(names.last().map(String::as_str), Some("feed.ndjson"));
        assert_eq!(fs::read_to_string(&path).expect("read"), "more 4\n");
        let text = |name: &String| fs::read_to_string(folder.path().join(name)).expect("read");
        assert_eq!(names[..2].iter().map(text).collect::<String>(), "more 3\nline 4\n");
    }

    /// What has waited together, because nobody had time to write it, needs more than one file.
    #[test]
    fn a_large_piece_is_spread_over_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut feed = FeedFile::new(Feed { path: folder.path().join("feed.ndjson"), max_bytes: 20, keep: 0 });
        let long = format!("{}\n", "x".repeat(30));
        let piece = [&(0..5).map(|number| format!("line {number}\n")).collect::<String>(), &long, "last\n"].concat();
        feed.take(b"first\n");
        feed.take(piece.as_bytes());
        let texts: Vec<_> = names(folder.path())
            .iter()
            .map(|name| fs::read_to_string(folder.path().join(name)).expect("read"))
            .collect();
        let expected = ["first\nline 0\nline 1\n", "line 2\nline 3\n", "line 4\n", long.as_str(), "last\n"];
        assert_eq!(texts, expected.map(str::to_owned));
    }

    #[test]
    fn without_a_limit_nothing_is_renamed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("feed");
        let mut feed = FeedFile::new(Feed { path: path.clone(), max_bytes: 0, keep: 0 });
        for _ in 0..3 {
            feed.take(b"line\n");
        }
        assert_eq!(names(folder.path()), ["feed"]);
        fs::remove_file(&path).expect("removed");
        feed.take(b"again\n");
        assert_eq!(fs::read_to_string(&path).expect("read"), "again\n", "a file that is gone is made anew");
    }
}
