//! The `php` that PHP code starts: `PHP_BINARY` and `PHP_BINDIR`.
//!
//! Programs run `PHP_BINARY` with PHP's arguments, through a shell, with an environment of their own or none. Only a name makes
//! this executable behave as php in all these cases: it is php when it is called through a link named `php`. So such a link is
//! looked for and, where there is none, made in a folder of this user's own. Where nothing can be written the executable itself is
//! named, and [`MARK`] in the environment of its children tells it what it is called for.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::{env, process};

/// Set to 1 in the environment of child processes where no link could be had: a call that names none of this program's commands is
/// then one of php.
pub const MARK: &str = "SUPERCHARGER_AS_PHP";

/// File name of the link.
const NAME: &str = "php";

/// Where PHP code finds php.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// This executable, links resolved.
    pub executable: PathBuf,
    /// The link, if there is one.
    pub link: Option<PathBuf>,
}

impl Program {
    /// Finds the link or makes one. `called_as` is the first argument of the process.
    ///
    /// # Errors
    /// If the system does not tell which file this process runs (no `/proc`), or if that file has gone.
    pub fn locate(called_as: Option<&OsStr>) -> io::Result<Self> {
        let executable = env::current_exe()?.canonicalize()?;
        let link = existing(&executable, called_as).or_else(|| private(&executable));
        Ok(Self { executable, link })
    }

    /// Whether child processes have to be told by [`MARK`].
    pub fn needs_mark(&self) -> bool {
        self.link.is_none()
    }

    /// Value of `PHP_BINARY`.
    pub fn binary(&self) -> &Path {
        self.link.as_deref().unwrap_or(&self.executable)
    }

    pub(super) fn texts(&self) -> Texts {
        // A path that the system gave us holds no NUL byte.
        let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        let bindir = self.binary().parent().unwrap_or_else(|| Path::new("/"));
        Texts { executable: text(&self.executable), binary: text(self.binary()), bindir: text(bindir) }
    }
}

/// The paths for C.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) executable: CString,
    pub(super) binary: CString,
    pub(super) bindir: CString,
}

/// A link that leads here already: the one we were called through, one beside the executable, one on the `PATH`.
fn existing(executable: &Path, called_as: Option<&OsStr>) -> Option<PathBuf> {
    let called_as = called_as.map(Path::new).filter(|path| path.components().count() > 1);
    let beside = executable.with_file_name(NAME);
    let on_path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&on_path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(NAME));
    let called_as = called_as.and_then(|path| std::path::absolute(path).ok());
    let mut candidates = called_as.into_iter().chain([beside]).chain(on_path);
    candidates.find(|path| path.file_name() == Some(OsStr::new(NAME)) && leads_to(path, executable))
}

fn leads_to(path: &Path, executable: &Path) -> bool {
    path.canonicalize().is_ok_and(|found| found == executable)
}

/// A link of our own, in the user's cache folder, else in the folder for temporary files.
fn private(executable: &Path) -> Option<PathBuf> {
    let user = fs::metadata("/proc/self").ok()?.uid();
    let folder = in_cache(user).or_else(|| in_temporary(user))?;
    link_in(&folder, executable, user)
}

fn in_cache(user: u32) -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = match absolute("XDG_CACHE_HOME") {
        Some(cache) => cache,
        // A home of somebody else is not ours to write into, and what stands there not ours to trust: `sudo` may keep HOME.
        None => own(&absolute("HOME")?, user)?.join(".cache"),
    };
    make(&cache);
    let folder = own(&cache, user)?.join("supercharger");
    make(&folder);
    own(&folder, user)
}

fn in_temporary(user: u32) -> Option<PathBuf> {
    let folder = env::temp_dir().join(format!("supercharger-{user}"));
    make(&folder);
    // Anybody can make an entry of this name in /tmp.
    fs::symlink_metadata(&folder).ok().filter(fs::Metadata::is_dir)?;
    own(&folder, user)
}

/// What another user could change is not used: children would run what stands there.
fn own(folder: &Path, user: u32) -> Option<PathBuf> {
    let metadata = fs::metadata(folder).ok()?;
    (metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o022 == 0).then(|| folder.to_owned())
}

/// Makes a folder for this user alone; whether it is there and usable is asked afterwards.
fn make(folder: &Path) {
    drop(DirBuilder::new().mode(0o700).create(folder));
}

/// `FOLDER/bin-HASH/php`. Each executable has a folder of its own, because `PHP_BINDIR` names it and because several may be in use.
fn link_in(folder: &Path, executable: &Path, user: u32) -> Option<PathBuf> {
    let mut hasher = DefaultHasher::new();
    executable.hash(&mut hasher);
    let folder = folder.join(format!("bin-{:016x}", hasher.finish()));
    make(&folder);
    let link = own(&folder, user)?.join(NAME);
    if fs::read_link(&link).is_ok_and(|target| target == executable) {
        return Some(link);
    }
    // Made aside and renamed: another process may use the link at this moment.
    let mut aside: OsString = link.clone().into_os_string();
    aside.push(format!(".{}", process::id()));
    drop(fs::remove_file(&aside));
    symlink(executable, &aside).ok()?;
    if fs::rename(&aside, &link).is_err() {
        drop(fs::remove_file(&aside));
        return None;
    }
    Some(link)
}

/// Arguments of a process cannot hold NUL bytes; one that does is left out.
pub(super) fn arguments(list: Vec<OsString>) -> Vec<CString> {
    list.into_iter().filter_map(|argument| CString::new(argument.into_vec()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn user() -> u32 {
        fs::metadata("/proc/self").expect("/proc").uid()
    }

    #[test]
    fn a_link_is_made_once_and_mended() {
        let dir = tempfile::tempdir().expect("a folder");
        let executable = dir.path().join("supercharger");
        fs::write(&executable, "").expect("a file");
        let link = link_in(dir.path(), &executable, user()).expect("a link");
        assert_eq!(link.file_name(), Some(OsStr::new("php")));
        assert_eq!(fs::read_link(&link).expect("a link"), executable);
        assert_eq!(link_in(dir.path(), &executable, user()), Some(link.clone()));
        fs::remove_file(&link).expect("removed");
        symlink("/nonexistent", &link).expect("a link");
        assert_eq!(link_in(dir.path(), &executable, user()), Some(link.clone()));
        assert_eq!(fs::read_link(&link).expect("a link"), executable);
        let entries = fs::read_dir(link.parent().expect("a folder")).expect("a folder").count();
        assert_eq!(entries, 1, "nothing is left aside");
    }

    #[test]
    fn folders_that_others_can_change_are_not_used() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(own(dir.path(), user()), Some(dir.path().to_owned()));
        assert_eq!(own(dir.path(), user() + 1), None);
        assert_eq!(own(&dir.path().join("missing"), user()), None);
        for mode in [0o770, 0o702] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).expect("changed");
            assert_eq!(own(dir.path(), user()), None, "{mode:o}");
        }
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_not_taken() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path().canonicalize().expect("a folder");
        let (executable, other) = (dir.join("supercharger"), dir.join("other"));
        for file in [&executable, &other] {
            fs::write(file, "").expect("a file");
        }
        let link = dir.join("php");
        symlink(&other, &link).expect("a link");
        assert_eq!(existing(&executable, None), None);
        fs::remove_file(&link).expect("removed");
        symlink(&executable, &link).expect("a link");
        assert_eq!(existing(&executable, None), Some(link));
    }

    #[test]
    fn without_a_link_the_executable_is_named_and_children_are_told() {
        let program = Program { executable: "/opt/supercharger".into(), link: None };
        assert!(program.needs_mark());
        let texts = program.texts();
        assert_eq!(texts.binary.to_str(), Ok("/opt/supercharger"));
        assert_eq!(texts.bindir.to_str(), Ok("/opt"));
    }
}
