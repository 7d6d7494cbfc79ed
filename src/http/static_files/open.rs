//! Opens a file that may be shown, and no other.

#![forbid(unsafe_code)]

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::http::error::Refusal;
use crate::http::path::{is_hidden, may_be_source};

/// A regular file, opened.
#[derive(Debug)]
pub(in crate::http) struct Opened {
    pub(in crate::http) file: File,
    pub(in crate::http) metadata: Metadata,
    /// Where it really lies.
    pub(in crate::http) real: PathBuf,
}

/// Opens a regular file. It is asked where it lies after it was opened, so that nobody can put a link in its place
/// in between.
///
/// # Errors
/// [`Refusal::NotFound`] if there is none, or one that this user may not read: the same to the client.
/// [`Refusal::Storage`] if the system is at fault.
pub(in crate::http) fn open(path: &Path) -> Result<Opened, Refusal> {
    // A pipe without a writer would block, a terminal would become ours.
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = opened.map_err(|error| refusal(&error))?;
    let metadata = file.metadata().map_err(|error| refusal(&error))?;
    if !metadata.is_file() {
        return Err(Refusal::NotFound);
    }
    let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
        // Without /proc the name has to be asked once more.
        .or_else(|_| fs::canonicalize(path))
        .map_err(|error| refusal(&error))?;
    Ok(Opened { file, metadata, real })
}

fn refusal(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EIO) => Refusal::Storage,
        _ => Refusal::NotFound,
    }
}

/// Folders whose files may be shown to everybody, without what is hidden in them and without PHP source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct Reach {
    /// Absolute and free of symbolic links.
    folders: Vec<PathBuf>,
}

impl Reach {
    /// The root, and the folders that links in it may lead to.
    pub(in crate::http) fn new(root: &Path, links: &[PathBuf]) -> Self {
        Self { folders: std::iter::once(root).chain(links.iter().map(PathBuf::as_path)).map(Path::to_owned).collect() }
    }

    /// Whether the file that really lies here may be shown. A link may lead out, or give a harmless name to what is hidden.
    pub(in crate::http) fn shows(&self, real: &Path) -> bool {
        // The nearest folder decides: a root below a hidden folder of the project is still a root.
        let inside = self.folders.iter().filter_map(|folder| real.strip_prefix(folder).ok());
        inside.min_by_key(|relative| relative.as_os_str().len()).is_some_and(|relative| {
            let relative = [b"/", relative.as_os_str().as_bytes()].concat();
            !is_hidden(&relative) && !may_be_source(&relative)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown() {
        let reach = Reach::new(Path::new("/srv/.app/public"), &["/srv/.app".into(), "/data/shared".into()]);
        let cases = [
            ("/srv/.app/public/a.css", true),
            ("/srv/.app/public/.env", false),
            ("/srv/.app/public/a.php", false),
            ("/srv/.app/public/b.php.bak", false),
            ("/srv/.app/vendor/b/Resources/public/b.js", true),
            ("/srv/.app/.env", false),
            ("/srv/.app/src/Kernel.php", false),
            ("/data/shared/photo.jpg", true),
            ("/data/other", false),
            ("/srv/.app/publicity", true),
            ("/srv/.apparel/x", false),
            ("/etc/passwd", false),
        ];
        for (path, expected) in cases {
            assert_eq!(reach.shows(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let long = folder.path().join("x".repeat(300));
        let missing = folder.path().join("missing");
        for path in [&pipe, &socket, &long, &missing, &folder.path().to_owned(), &PathBuf::from("/dev/zero")] {
            assert_eq!(open(path).expect_err("not a file"), Refusal::NotFound, "{}", path.display());
        }
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("a file");
        std::os::unix::fs::symlink(&file, folder.path().join("link")).expect("a link");
        let opened = open(&folder.path().join("link")).expect("a file");
        assert_eq!(opened.real, file.canonicalize().expect("it exists"));
    }
}
