//! What a generation of children is started with.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};

use super::service;
use crate::control::{self, ConfigFile};

/// The first argument of a child process. It is an argument and no variable, because what PHP starts inherits variables.
pub const CHILD_MARK: &str = "--supervised-child";

/// What all children of a generation have in common.
#[derive(Debug)]
pub struct Plan {
    /// How many children serve side by side.
    pub children: u32,
    /// The names of their pools.
    pub pools: Vec<Arc<str>>,
    /// The configuration file as it was read.
    pub config: Option<ConfigFile>,
    /// The settings among the variables of this process that a child needs.
    pub variables: Vec<(String, String)>,
    /// The listening sockets. They are let go when no further child is to get them.
    pub listeners: Vec<OwnedFd>,
    /// What leads to the endpoints, for requests to them that come to a child.
    pub endpoints: Option<Arc<OwnedFd>>,
    /// The memory of the store that workers share.
    pub store: Option<Arc<OwnedFd>>,
    /// What is started.
    pub program: Program,
    /// A child that has said nothing for so long after its start is given up. Its own, more telling, limits are shorter.
    pub boot_limit: Duration,
    /// How long requests in flight may go on. A child sees to that itself.
    pub drain_timeout: Duration,
    /// Memory beyond which a child is replaced, in bytes.
    pub max_rss: Option<u64>,
    /// How long a child that serves may leave questions unanswered.
    pub unresponsive: Option<Duration>,
}

/// Where plans come from, and who is told what became of them.
pub trait Blueprint {
    /// Makes the plan of the first generation, or of another one: configuration read and checked, addresses bound.
    ///
    /// # Errors
    /// Why there is none, for the operator.
    fn plan(&mut self) -> Result<Plan, String>;

    /// The generation of the last plan serves; that many of its workers are ready, of so many.
    fn serves(&mut self, ready: u32, workers: u32);

    /// The generation of the last plan came to nothing, and the one before goes on.
    fn withdrawn(&mut self);

    /// A child's process is gone; `in_disorder`: not with exit code 0. What it held of what children share is free. Must not wait.
    fn gone(&mut self, child: u64, in_disorder: bool);

    /// The server ends: nobody is to get a listening socket any more, so that clients are refused as soon as no child accepts.
    fn ends(&mut self);
}

/// An executable at one moment. While its file stays the same it is started by its name; if another has taken its place, what was
/// there at that moment is started nevertheless, and in the same folder: children that are replaced between two reloads run what their
/// siblings run.
#[derive(Debug, Clone)]
pub struct Program {
    name: OsString,
    path: PathBuf,
    image: Arc<File>,
    folder: Arc<OwnedFd>,
    arguments: Vec<OsString>,
    hidden: Vec<OsString>,
}

impl Program {
    /// The executable that this process was started as, with the same arguments and in the same folder, as they are now, and in the
    /// same environment apart from the variables in `hidden`.
    ///
    /// # Errors
    /// It is not there any more.
    pub fn here(path: &Path, hidden: Vec<OsString>) -> io::Result<Self> {
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_else(|| path.into());
        let image = Arc::new(File::open(path)?);
        let folder = Arc::new(open(".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?);
        Ok(Self { name, path: path.to_owned(), image, folder, arguments: arguments.collect(), hidden })
    }

    /// Starts a child; gives its process id and the parent's end of the channel, on which the descriptors have been sent.
    pub(super) fn start(
        &self,
        listeners: &[OwnedFd],
        board: &File,
        others: &[&OwnedFd],
    ) -> io::Result<(u32, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(self.locate());
        for variable in self.hidden.iter().map(OsString::as_os_str).chain(service::VARIABLES.iter().map(OsStr::new)) {
            command.env_remove(variable);
        }
        let child = command
            .arg0(&self.name)
            .arg(CHILD_MARK)
            .args(&self.arguments)
            // By its descriptor: a reload that came to nothing has gone to another, and a link may lead elsewhere by now.
            .current_dir(format!("/proc/self/fd/{}", self.folder.as_raw_fd()))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        // Whoever waits for any child must not have another one waiting for this one: the value is let go.
        let pid = child.id();
        drop(child);
        let descriptors = listeners.iter().map(|listener| listener.as_fd()).chain([board.as_fd()]);
        let descriptors: Vec<_> = descriptors.chain(others.iter().map(|other| other.as_fd())).collect();
        control::send_rights(&ours, &descriptors)?;
        ours.set_nonblocking(true)?;
        Ok((pid, ours))
    }

    fn locate(&self) -> PathBuf {
        let same =
            |one: &std::fs::Metadata, other: &std::fs::Metadata| one.dev() == other.dev() && one.ino() == other.ino();
        match (std::fs::metadata(&self.path), self.image.metadata()) {
            (Ok(there), Ok(image)) if same(&there, &image) => self.path.clone(),
            _ => PathBuf::from(format!("/proc/self/fd/{}", self.image.as_raw_fd())),
        }
    }
}

/// The path by which this process was started, if that leads to it; else its own, with every link resolved. A new release may come
/// by another file of the same name or by a link that leads elsewhere; either is found at the next reload.
///
/// # Errors
/// Without /proc nobody can say where this executable is.
pub fn executable() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    let name = env::args_os().next().unwrap_or_default();
    Ok(invoked_as(&name, &env::var_os("PATH").unwrap_or_default(), &own).unwrap_or(own))
}

fn invoked_as(name: &OsStr, path: &OsStr, own: &Path) -> Option<PathBuf> {
    let target = own.canonicalize().ok()?;
    let leads_here = |candidate: &PathBuf| candidate.canonicalize().is_ok_and(|found| found == target);
    if Path::new(name).components().count() > 1 {
        return std::path::absolute(name).ok().filter(leads_here);
    }
    env::split_paths(path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(leads_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_kept_so_that_it_may_lead_elsewhere_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let (release, link) = (folder.path().join("release-1"), folder.path().join("server"));
        std::fs::write(&release, "").expect("a file");
        std::os::unix::fs::symlink(&release, &link).expect("a link");
        std::fs::write(folder.path().join("other"), "").expect("a file");
        let search = folder.path().as_os_str();
        assert_eq!(invoked_as(link.as_os_str(), OsStr::new(""), &release), Some(link.clone()));
        assert_eq!(invoked_as(OsStr::new("server"), search, &release), Some(link));
        assert_eq!(invoked_as(OsStr::new("other"), search, &release), None);
        assert_eq!(invoked_as(OsStr::new("missing"), search, &release), None);
    }
}
