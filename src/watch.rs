//! Files that change while somebody develops: which ones count, and one word for a whole burst of changes.
//!
//! A thread listens to the kernel ([`notify`](notify::RecommendedWatcher)), or looks by itself where the kernel has no word to say
//! (network folders, mounts of virtual machines), and calls back once per burst. What is to happen then is the caller's business; while
//! it happens, further changes wait and make a burst of their own.
//!
//! Folders are watched one by one and not as a tree, because whole trees would include `vendor/`, `node_modules/` and caches: the
//! kernel has a limit, and a server that restarts because of its own cache never ends.

#![forbid(unsafe_code)]

mod burst;
mod poll;
mod set;
mod source;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::telemetry::events::{WatchPolling, WatchStart};
use burst::Burst;
pub use set::{BadGlob, Set};
use source::{Source, Word};

/// How often files are looked at where the kernel does not tell of changes, unless the operator says otherwise.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Words that wait between the kernel's thread and ours. When they are full the kernel queues, and when it is full too it says so.
const PENDING: usize = 1024;

/// A burst of changes that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The first of the files, in the order in which they changed.
    pub files: Vec<PathBuf>,
    /// How many files there are in all.
    pub count: usize,
}

/// A running watch; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    _end: mpsc::Sender<()>,
}

/// Starts to watch. `poll` makes it look by itself that often instead of listening to the kernel.
///
/// `changed` is called on the watch's own thread, once per burst.
///
/// # Errors
/// No thread could be started.
pub fn start(set: Set, poll: Option<Duration>, changed: impl FnMut(&Change) + Send + 'static) -> io::Result<Watch> {
    let (end, ended) = mpsc::channel();
    let (words, heard) = mpsc::sync_channel(PENDING);
    let source = match poll {
        Some(interval) => Source::polling(&set, interval, words),
        None => Source::listening(&set, words),
    }?;
    WatchStart { folders: source.folders(), polling: source.is_polling() }.emit();
    let mut watching = Watching { set, source, changed };
    thread::Builder::new().name("sc-watch".to_owned()).spawn(move || watching.run(&heard, &ended))?;
    Ok(Watch { _end: end })
}

struct Watching<F> {
    set: Set,
    source: Source,
    changed: F,
}

impl<F: FnMut(&Change)> Watching<F> {
    fn run(&mut self, heard: &Receiver<Word>, ended: &Receiver<()>) {
        /// How often the thread looks whether it is still wanted.
        const LOOK: Duration = Duration::from_millis(500);
        let mut burst = Burst::default();
        loop {
            let wait = burst.left(Instant::now()).unwrap_or(LOOK);
            match heard.recv_timeout(wait) {
                Ok(word) => self.take(word, &mut burst),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if matches!(ended.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                return;
            }
            if burst.left(Instant::now()).is_some_and(|left| left.is_zero()) {
                (self.changed)(&std::mem::take(&mut burst).change());
            }
        }
    }

    fn take(&mut self, word: Word, burst: &mut Burst) {
        match word {
            Word::Changed(paths) => {
                for path in paths {
                    self.path(path, burst);
                }
            }
            Word::Lost => {
                // What exactly has changed is not known; something has.
                drop(self.source.watch_all(&self.set));
                burst.add(self.set.project().to_owned());
            }
            Word::Ended(message) => self.poll_instead(&message),
        }
    }

    /// A file that changed, or a folder that came: what is in it came too, before it could be watched.
    fn path(&mut self, path: PathBuf, burst: &mut Burst) {
        if self.set.has(&path) {
            burst.add(path);
        } else if self.set.enters(&path) && path.is_dir() {
            match self.source.watch_below(&self.set, &path) {
                Ok(files) => files.into_iter().for_each(|file| burst.add(file)),
                Err(error) => self.poll_instead(&error),
            }
        }
    }

    fn poll_instead(&mut self, why: &str) {
        if self.source.is_polling() {
            return;
        }
        match self.source.poll_instead(&self.set, POLL_INTERVAL) {
            Ok(()) => WatchPolling { message: why, interval: POLL_INTERVAL }.emit(),
            Err(error) => WatchPolling { message: &format!("{why}; {error}"), interval: POLL_INTERVAL }.emit(),
        }
    }
}
