//! What lies under the root, remembered, so that a request for the front controller asks the file system nothing.
//!
//! A folder is listed when it is first looked into. The kernel tells what changes in it (inotify); what it has told is read before
//! a name that looks like a file's is called absent, so a file is found in the moment it is there. For names without an ending, as
//! pages have them, it is read every [`LULL`]: not even that costs a request anything.
//!
//! Not remembered, but asked each time: what lies behind a symbolic link, folders with very many entries, file systems whose changes
//! the kernel does not see. Memory is bounded by [`MAX_ENTRIES`] and [`MAX_FOLDERS`].

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

/// Entries of one folder beyond which it is not remembered: a folder of uploads must not fill memory, nor its listing take long.
const MAX_FOLDER_ENTRIES: usize = 4096;
/// Entries over all folders; at some 60 bytes each a few MiB.
const MAX_ENTRIES: usize = 65_536;
/// Folders; the usual limit of watches of a user is 8192 or more.
const MAX_FOLDERS: usize = 1024;
/// How long a new file without an ending in its name may go unseen.
const LULL: Duration = Duration::from_millis(5);
/// Room for some dozens of changes at a time.
const EVENT_BYTES: usize = 8192;

/// File systems that tell the kernel of every change (statfs(2) has the numbers). A network file system changes elsewhere, and FUSE,
/// 9P and virtiofs bring the folders of another machine, or of the host, into a container.
const WATCHABLE: [u32; 12] = [
    0x0000_ef53, // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0x0102_1994, // tmpfs
    0x794c_7630, // overlayfs
    0x2fc1_2fc1, // ZFS
    0xf2f5_2010, // F2FS
    0x8584_58f6, // ramfs
    0x7371_7368, // squashfs
    0xe0f5_e1e2, // EROFS
    0xca45_1a4e, // bcachefs
    0x0000_9660, // ISO 9660
];

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    Nothing,
    /// A regular file; no link on the way to it.
    File,
    /// A folder; no link on the way to it.
    Directory,
    /// A pipe, a socket or a device.
    Special,
    /// Not known here: the file system has to be asked.
    Unknown,
}

#[derive(Debug)]
enum Listing {
    Known(HashMap<Box<[u8]>, Seen>),
    /// Asked each time.
    Unlisted,
}

/// Folders by their path below the root (`""`, `/css`, `/css/fonts`).
#[derive(Debug, Default)]
struct Folders {
    listings: HashMap<Box<[u8]>, Listing>,
    watched: HashMap<i32, Box<[u8]>>,
    entries: usize,
}

/// The root and what is known of it.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    folders: RwLock<Folders>,
    /// Where the kernel tells of changes. Whoever holds it may change `folders`, so that changes are noted in their order.
    news: Mutex<Option<OwnedFd>>,
    started: Instant,
    /// When news was read last, in microseconds after `started`.
    read_at: AtomicU64,
}

impl Tree {
    /// A tree of which nothing is known yet but the top.
    pub(super) fn new(root: &Path) -> Self {
        let tree = Self {
            root: root.to_owned(),
            folders: RwLock::default(),
            news: Mutex::new(open_news()),
            started: Instant::now(),
            read_at: AtomicU64::new(0),
        };
        tree.load(b"");
        tree
    }

    /// Looks up a cleaned path.
    pub(super) fn look(&self, path: &[u8]) -> Seen {
        let name = path.rsplit(|byte| *byte == b'/').find(|segment| !segment.is_empty()).unwrap_or_default();
        self.read_news(name.contains(&b'.'));
        loop {
            match self.find(path) {
                Ok(seen) => return seen,
                Err(unknown) => {
                    if !self.load(unknown) {
                        return Seen::Unknown;
                    }
                }
            }
        }
    }

    /// What is known, or the folder that would have to be listed first.
    fn find<'p>(&self, path: &'p [u8]) -> Result<Seen, &'p [u8]> {
        let folders = self.folders.read();
        let mut end = 0;
        loop {
            let folder = &path[..end];
            let rest = path.get(end + 1..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Seen::Directory);
            }
            let entries = match folders.listings.get(folder) {
                None => return Err(folder),
                Some(Listing::Unlisted) => return Ok(Seen::Unknown),
                Some(Listing::Known(entries)) => entries,
            };
            let length = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let seen = entries.get(&rest[..length]).copied().unwrap_or(Seen::Nothing);
            match seen {
                Seen::Directory => end += 1 + length,
                // Below a file there is nothing; `a.css/` is no file either.
                Seen::File | Seen::Special if length < rest.len() => return Ok(Seen::Nothing),
                seen => return Ok(seen),
            }
        }
    }

    /// Lists a folder. `false` if nothing can be remembered.
    fn load(&self, folder: &[u8]) -> bool {
        // Held to the end: no news may be noted between the watch and the listing.
        let news = self.news.lock();
        let Some(news) = &*news else { return false };
        let mut folders = self.folders.write();
        if folders.listings.contains_key(folder) {
            return true;
        }
        if folders.listings.len() >= MAX_FOLDERS {
            return false;
        }
        let path = self.root.join(OsStr::from_bytes(folder.strip_prefix(b"/").unwrap_or(folder)));
        let room = MAX_FOLDER_ENTRIES.min(MAX_ENTRIES - folders.entries.min(MAX_ENTRIES));
        // First the watch, then the listing: a change in between is told, at worst twice.
        let watch = if is_watchable(&path) { inotify::add_watch(news, &path, watched()).ok() } else { None };
        let listing = match (watch, list(&path, room)) {
            // One folder in two places (a bind mount) has one watch: only the first place is remembered.
            (Some(watch), _) if folders.watched.contains_key(&watch) => Listing::Unlisted,
            (Some(watch), Some(entries)) => {
                folders.watched.insert(watch, folder.into());
                folders.entries += entries.len();
                Listing::Known(entries)
            }
            (watch, _) => {
                if let Some(watch) = watch {
                    // It fails only if the folder is gone, and the watch with it.
                    inotify::remove_watch(news, watch).unwrap_or_default();
                }
                Listing::Unlisted
            }
        };
        folders.listings.insert(folder.into(), listing);
        true
    }

    /// Notes what has changed since the last time.
    fn read_news(&self, now: bool) {
        let time = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let lull = u64::try_from(LULL.as_micros()).unwrap_or(u64::MAX);
        if !now && time.saturating_sub(self.read_at.load(Ordering::Relaxed)) < lull {
            return;
        }
        self.read_at.store(time, Ordering::Relaxed);
        let mut news = self.news.lock();
        let Some(source) = &*news else { return };
        if self.note_all(source) == Noted::Lost {
            // What is still to be read is about watches that are gone with the old descriptor.
            *self.folders.write() = Folders::default();
            *news = open_news();
        }
    }

    fn note_all(&self, news: &OwnedFd) -> Noted {
        let mut room = [MaybeUninit::uninit(); EVENT_BYTES];
        let mut reader = inotify::Reader::new(news, &mut room);
        // Ends when there is nothing to read.
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(std::ffi::CStr::to_bytes);
            if self.folders.write().note(event.wd(), event.events(), name) == Noted::Lost {
                return Noted::Lost;
            }
        }
        Noted::Done
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    Done,
    /// Nothing that is remembered can be relied on any more.
    Lost,
}

impl Folders {
    fn note(&mut self, watch: i32, what: ReadFlags, name: Option<&[u8]>) -> Noted {
        let lost = ReadFlags::QUEUE_OVERFLOW | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT;
        let moved = ReadFlags::MOVED_FROM | ReadFlags::MOVED_TO;
        let directory = what.contains(ReadFlags::ISDIR);
        // A folder that moves takes along what is remembered below it.
        if what.intersects(lost) || (directory && what.intersects(moved)) {
            return Noted::Lost;
        }
        let Some(folder) = self.watched.get(&watch).cloned() else { return Noted::Done };
        if what.intersects(ReadFlags::DELETE_SELF | ReadFlags::IGNORED) {
            self.forget(&folder);
            return Noted::Done;
        }
        // A folder that somebody still holds open does not tell of its own end, and another one may take its place meanwhile.
        if let Some(name) = name.filter(|_| directory) {
            self.forget(&[&folder, &b"/"[..], name].concat());
        }
        let (Some(name), Some(listing)) = (name, self.listings.get_mut(&folder)) else { return Noted::Done };
        let Listing::Known(entries) = listing else { return Noted::Done };
        let before = entries.len();
        if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            // Whether it is a file or a link is asked when somebody wants it.
            entries.insert(name.into(), if directory { Seen::Directory } else { Seen::Unknown });
        } else if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            entries.remove(name);
        }
        let after = entries.len();
        self.entries = self.entries + after - before;
        if after > MAX_FOLDER_ENTRIES || self.entries > MAX_ENTRIES {
            self.entries -= after;
            *listing = Listing::Unlisted;
        }
        Noted::Done
    }

    /// Has a folder listed anew when it is next looked into.
    fn forget(&mut self, folder: &[u8]) {
        if let Some(Listing::Known(entries)) = self.listings.remove(folder) {
            self.entries -= entries.len();
        }
        self.watched.retain(|_, watched| **watched != *folder);
    }
}

fn open_news() -> Option<OwnedFd> {
    let news = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
    // Without it every lookup asks the file system: slower, and as right.
    news.map_err(|error| tracing::info!(event = "files.unwatched", reason = %error)).ok()
}

fn watched() -> WatchFlags {
    let inside = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO;
    inside | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the numbers have 32 bits, signed on some machines"
)]
fn is_watchable(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|told| WATCHABLE.contains(&(told.f_type as u32)))
}

/// The entries of a folder, unless there are more than `room` or they cannot be read.
fn list(path: &Path, room: usize) -> Option<HashMap<Box<[u8]>, Seen>> {
    let mut entries = HashMap::new();
    for entry in fs::read_dir(path).ok()? {
        let entry = entry.ok()?;
        if entries.len() >= room {
            return None;
        }
        let kind = entry.file_type().ok()?;
        let seen = match () {
            () if kind.is_symlink() => Seen::Unknown,
            () if kind.is_dir() => Seen::Directory,
            () if kind.is_file() => Seen::File,
            () => Seen::Special,
        };
        entries.insert(entry.file_name().as_bytes().into(), seen);
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, PathBuf, Tree) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists").join("public");
        for name in ["css/fonts", "build", "empty"] {
            fs::create_dir_all(root.join(name)).expect("a folder");
        }
        for name in ["a.css", "css/b.css", "css/fonts/c.woff2", "build/app.js"] {
            fs::write(root.join(name), "x").expect("a file");
        }
        symlink("css", root.join("link")).expect("a link");
        let tree = Tree::new(&root);
        assert!(tree.news.lock().is_some(), "inotify works on this machine");
        (folder, root, tree)
    }

    #[test]
    fn what_lies_where() {
        let (_folder, root, tree) = tree();
        assert!(std::process::Command::new("mkfifo").arg(root.join("pipe.x")).status().expect("it runs").success());
        let cases = [
            ("/", Seen::Directory),
            ("/a.css", Seen::File),
            ("/a.css/", Seen::Nothing),
            ("/a.css/x", Seen::Nothing),
            ("/css", Seen::Directory),
            ("/css/", Seen::Directory),
            ("/css/b.css", Seen::File),
            ("/css/fonts/c.woff2", Seen::File),
            ("/css/fonts/d.woff2", Seen::Nothing),
            ("/blog/1", Seen::Nothing),
            ("/A.css", Seen::Nothing),
            ("/link", Seen::Unknown),
            ("/link/b.css", Seen::Unknown),
            // Made after the listing: what it is has to be asked.
            ("/pipe.x", Seen::Unknown),
        ];
        for (path, expected) in cases {
            assert_eq!(tree.look(path.as_bytes()), expected, "{path}");
        }
        assert_eq!(Tree::new(&root).look(b"/pipe.x"), Seen::Special);
    }

    #[test]
    fn changes_are_seen_at_once() {
        let (_folder, root, tree) = tree();
        let look = |path: &str| tree.look(path.as_bytes());
        for round in 0..50 {
            let name = format!("css/new-{round}.css");
            assert_eq!(look(&format!("/{name}")), Seen::Nothing);
            fs::write(root.join(&name), "x").expect("a file");
            assert_eq!(look(&format!("/{name}")), Seen::Unknown);
            fs::remove_file(root.join(&name)).expect("removed");
            assert_eq!(look(&format!("/{name}")), Seen::Nothing);
        }
        // A folder that is new, goes, comes back, and is put in the place of another one.
        assert_eq!(look("/up/x.png"), Seen::Nothing);
        fs::create_dir(root.join("up")).expect("a folder");
        assert_eq!(look("/up/x.png"), Seen::Nothing);
        fs::write(root.join("up/x.png"), "x").expect("a file");
        assert_eq!(look("/up/x.png"), Seen::Unknown);
        fs::remove_dir_all(root.join("up")).expect("removed");
        assert_eq!(look("/up/x.png"), Seen::Nothing);
        assert_eq!(look("/build/app.js"), Seen::File);
        fs::create_dir_all(root.join("build.new/deep")).expect("a folder");
        fs::write(root.join("build.new/deep/app.2.js"), "x").expect("a file");
        assert_eq!(look("/build.new/deep/app.2.js"), Seen::File);
        fs::rename(root.join("build"), root.join("build.old")).expect("renamed");
        fs::rename(root.join("build.new"), root.join("build")).expect("renamed");
        assert_eq!(look("/build/app.js"), Seen::Nothing);
        assert_eq!(look("/build/deep/app.2.js"), Seen::File);
        assert_eq!(look("/build.new/deep/app.2.js"), Seen::Nothing);
        assert_eq!(look("/build.old/app.js"), Seen::File);
        // The root itself is replaced.
        fs::rename(&root, root.with_file_name("old")).expect("renamed");
        fs::create_dir(&root).expect("a folder");
        fs::write(root.join("z.css"), "x").expect("a file");
        assert_eq!(look("/z.css"), Seen::File);
        assert_eq!(look("/a.css"), Seen::Nothing);
    }

    #[test]
    fn a_folder_that_somebody_holds_open_is_replaced() {
        let (_folder, root, tree) = tree();
        let look = |path: &str| tree.look(path.as_bytes());
        for _ in 0..3 {
            assert_ne!(look("/build/app.js"), Seen::Nothing);
            let held = fs::File::open(root.join("build")).expect("a folder");
            fs::remove_dir_all(root.join("build")).expect("removed");
            assert_eq!(look("/build/app.js"), Seen::Nothing);
            fs::create_dir(root.join("build")).expect("a folder");
            fs::write(root.join("build/app.js"), "x").expect("a file");
            assert_ne!(look("/build/app.js"), Seen::Nothing, "the old folder's listing stands for the new one");
            // Its end is told now, and is not that of the folder in its place.
            drop(held);
            assert_ne!(look("/build/app.js"), Seen::Nothing);
            fs::remove_file(root.join("build/app.js")).expect("removed");
            assert_eq!(look("/build/app.js"), Seen::Nothing);
            fs::write(root.join("build/app.js"), "x").expect("a file");
        }
    }

    #[test]
    fn large_folders_are_not_remembered() {
        let (_folder, root, tree) = tree();
        for number in 0..=MAX_FOLDER_ENTRIES {
            fs::write(root.join(format!("css/{number}.css")), "").expect("a file");
        }
        assert_eq!(tree.look(b"/css/0.css"), Seen::Unknown);
        // One that grows is let go.
        assert_eq!(tree.look(b"/empty/0.css"), Seen::Nothing);
        for number in 0..=MAX_FOLDER_ENTRIES {
            fs::write(root.join(format!("empty/{number}.css")), "").expect("a file");
            if number % 1000 == 0 {
                tree.look(b"/x.css");
            }
        }
        assert_eq!(tree.look(b"/empty/missing.css"), Seen::Unknown);
        assert!(tree.folders.read().entries < 100, "{:?}", tree.folders.read().entries);
    }

    #[test]
    fn folders_of_other_machines_are_asked() {
        assert!(!is_watchable(Path::new("/proc")), "a file system that is not on the list");
        let (_folder, _root, tree) = tree();
        *tree.news.lock() = None;
        assert_eq!(tree.look(b"/css/b.css"), Seen::Unknown);
    }
}
