//! Where word of changes comes from: the kernel, or a thread that looks.

#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::poll::Poll;
use super::set::Set;
use crate::telemetry::events::WatchPolling;

/// What is heard.
#[derive(Debug)]
pub(super) enum Word {
    /// These paths came, went or have other content.
    Changed(Vec<PathBuf>),
    /// So much happened that the kernel has forgotten some of it.
    Lost,
    /// Nothing more will be heard from there, because of this.
    Ended(String),
}

#[derive(Debug)]
pub(super) struct Source {
    kind: Kind,
    words: SyncSender<Word>,
    folders: usize,
}

#[derive(Debug)]
enum Kind {
    Kernel(RecommendedWatcher),
    Poll { _poll: Poll },
}

impl Source {
    /// Listens to the kernel; looks by itself if the kernel has no room for so many folders.
    pub(super) fn listening(set: &Set, words: SyncSender<Word>) -> io::Result<Self> {
        let told = words.clone();
        let watcher = notify::recommended_watcher(move |event| {
            if let Some(word) = word(event) {
                // The watch has ended: nobody to tell.
                drop(told.send(word));
            }
        });
        let mut source = match watcher {
            Ok(watcher) => Self { kind: Kind::Kernel(watcher), words, folders: 0 },
            Err(error) => return Self::falling_back(set, words, &explained(&error)),
        };
        match source.watch_all(set) {
            Ok(()) => Ok(source),
            Err(why) => {
                let words = source.words.clone();
                drop(source);
                Self::falling_back(set, words, &why)
            }
        }
    }

    fn falling_back(set: &Set, words: SyncSender<Word>, why: &str) -> io::Result<Self> {
        WatchPolling { message: why, interval: super::POLL_INTERVAL }.emit();
        Self::polling(set, super::POLL_INTERVAL, words)
    }

    /// Looks by itself.
    pub(super) fn polling(set: &Set, interval: Duration, words: SyncSender<Word>) -> io::Result<Self> {
        let poll = Poll::start(set.clone(), interval, words.clone())?;
        Ok(Self { kind: Kind::Poll { _poll: poll }, words, folders: set.folders().len() })
    }

    /// Gives the kernel up.
    pub(super) fn poll_instead(&mut self, set: &Set, interval: Duration) -> io::Result<()> {
        let poll = Poll::start(set.clone(), interval, self.words.clone())?;
        self.kind = Kind::Poll { _poll: poll };
        Ok(())
    }

    pub(super) fn is_polling(&self) -> bool {
        matches!(self.kind, Kind::Poll { .. })
    }

    pub(super) fn folders(&self) -> usize {
        self.folders
    }

    /// Watches every folder of the set; says why, for people, if that cannot be.
    pub(super) fn watch_all(&mut self, set: &Set) -> Result<(), String> {
        let folders = set.folders();
        self.folders = folders.len();
        self.watch_each(&folders)
    }

    /// Watches a folder that is new and those in it; brings the files in them that count.
    pub(super) fn watch_below(&mut self, set: &Set, folder: &Path) -> Result<Vec<PathBuf>, String> {
        self.watch_each(&set.below(folder))?;
        // Looked for after the watch stands: what comes later is heard of.
        Ok(set.files_below(folder))
    }

    fn watch_each(&mut self, folders: &[PathBuf]) -> Result<(), String> {
        let Kind::Kernel(watcher) = &mut self.kind else { return Ok(()) };
        for folder in folders {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                // It has gone, or may not be read: then nothing of it is run either.
                Err(error) if !is_limit(&error) => {}
                end => end.map_err(|error| explained(&error))?,
            }
        }
        Ok(())
    }
}

/// What an event says that is of interest here. Reading is none, nor are changed rights.
fn word(event: notify::Result<Event>) -> Option<Word> {
    let event = match event {
        Ok(event) => event,
        Err(error) if is_limit(&error) => return Some(Word::Ended(explained(&error))),
        // One folder that could not be read or has gone.
        Err(_) => return None,
    };
    if event.need_rescan() {
        return Some(Word::Lost);
    }
    let counts = match event.kind {
        EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(kind) => !matches!(kind, ModifyKind::Metadata(_)),
        // `touch` changes nothing else.
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Other => false,
    };
    (counts && !event.paths.is_empty()).then_some(Word::Changed(event.paths))
}

/// Whether the kernel has no room.
fn is_limit(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => true,
        // EMFILE: no further instance.
        notify::ErrorKind::Io(error) => error.raw_os_error() == Some(24),
        _ => false,
    }
}

/// For the developer: what is the matter and what to do about it.
fn explained(error: &notify::Error) -> String {
    let limit = |name: &str| {
        let value = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).unwrap_or_default();
        format!("fs.inotify.{name} ({})", value.trim())
    };
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => format!(
            "the kernel watches no more folders for this user: {} is reached. `sysctl fs.inotify.max_user_watches=524288` allows \
             more; fewer globs, or some with `!` in front, need less",
            limit("max_user_watches")
        ),
        notify::ErrorKind::Io(error) if error.raw_os_error() == Some(24) => format!(
            "the kernel gives no further watch to this user: {} is reached. `sysctl fs.inotify.max_user_instances=512` allows more",
            limit("max_user_instances")
        ),
        _ => format!("the kernel does not tell of changes: {error}"),
    }
}
