//! Looking at files again and again, for folders of which the kernel tells nothing.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use super::set::Set;
use super::source::Word;

/// What tells two states of a file apart without reading it: time of change to the nanosecond, length, and the number by which the file
/// system knows it.
type Mark = (i64, i64, u64, u64);

/// Files and their marks.
type Marks = HashMap<PathBuf, Mark>;

/// The thread that looks; dropping it ends it.
#[derive(Debug)]
pub(super) struct Poll {
    _end: mpsc::Sender<()>,
}

impl Poll {
    /// Starts to look every `interval`.
    pub(super) fn start(set: Set, interval: Duration, words: SyncSender<Word>) -> io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let before = marks(&set);
        thread::Builder::new()
            .name("sc-watch-poll".to_owned())
            .spawn(move || run(&set, interval, before, &words, &ended))?;
        Ok(Self { _end: end })
    }
}

fn run(set: &Set, interval: Duration, mut before: Marks, words: &SyncSender<Word>, ended: &Receiver<()>) {
    while matches!(ended.recv_timeout(interval), Err(mpsc::RecvTimeoutError::Timeout)) {
        let now = marks(set);
        let changed = differing(&before, &now);
        before = now;
        if !changed.is_empty() && words.send(Word::Changed(changed)).is_err() {
            return;
        }
    }
}

fn marks(set: &Set) -> Marks {
    let mark = |file: PathBuf| {
        let data = fs::metadata(&file).ok()?;
        Some((file, (data.mtime(), data.mtime_nsec(), data.len(), data.ino())))
    };
    set.all_files().into_iter().filter_map(mark).collect()
}

/// Files that came, went or changed, by name.
fn differing(before: &Marks, now: &Marks) -> Vec<PathBuf> {
    let other = |(file, mark): &(&PathBuf, &Mark)| before.get(*file) != Some(*mark);
    let gone = before.keys().filter(|file| !now.contains_key(*file));
    let mut changed: Vec<PathBuf> = now.iter().filter(other).map(|(file, _)| file).chain(gone).cloned().collect();
    changed.sort_unstable();
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_differ() {
        let marks = |files: &[(&str, i64)]| -> Marks {
            files.iter().map(|(name, time)| (PathBuf::from(name), (*time, 0, 1, 1))).collect()
        };
        let before = marks(&[("a", 1), ("b", 1), ("c", 1)]);
        let now = marks(&[("a", 1), ("b", 2), ("d", 1)]);
        assert_eq!(differing(&before, &now), [PathBuf::from("b"), "c".into(), "d".into()]);
        assert!(differing(&now, &now).is_empty());
    }
}
