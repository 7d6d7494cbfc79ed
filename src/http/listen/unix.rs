//! Socket files: made with their rights in one step, taken over from a server that has died, removed at the end.

#![forbid(unsafe_code)]

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Group, User};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{BACKLOG, BindError, ListenAddress};

/// Rights of a socket file unless the address says otherwise, as PHP-FPM has it: its user and its group may connect.
const DEFAULT_MODE: u32 = 0o660;

/// A path and who may connect there.
///
/// Sockets in Linux's abstract namespace are left out on purpose: they have no rights, anybody on the machine may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixAddress {
    path: PathBuf,
    mode: u32,
    user: Option<String>,
    group: Option<String>,
}

impl UnixAddress {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads `/PATH[?mode=OCTAL&user=NAME&group=NAME]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (path, options) = match text.split_once('?') {
            Some((path, options)) => (path, Some(options)),
            None => (text, None),
        };
        if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            return None;
        }
        let (mut mode, mut user, mut group) = (None, None, None);
        for option in options.into_iter().flat_map(|options| options.split('&')) {
            let (name, value) = option.split_once('=').filter(|(_, value)| !value.is_empty())?;
            let twice = match name {
                "mode" => mode.replace(octal(value)?).is_some(),
                "user" => user.replace(value.to_owned()).is_some(),
                "group" => group.replace(value.to_owned()).is_some(),
                _ => return None,
            };
            if twice {
                return None;
            }
        }
        Some(Self { path: path.into(), mode: mode.unwrap_or(DEFAULT_MODE), user, group })
    }

    pub(super) fn bind(&self) -> Result<super::Socket, BindError> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(|cause| self.other(cause))?;
        let name = SockAddr::unix(&self.path).map_err(|cause| self.explain(cause))?;
        match self.bind_with_mode(&socket, &name) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                self.remove_stale(&name)?;
                self.bind_with_mode(&socket, &name).map_err(|cause| self.explain(cause))?;
            }
            end => end.map_err(|cause| self.explain(cause))?,
        }
        // From here on the file is ours, and goes again if a later step fails.
        let file = SocketFile::of(&self.path).map_err(|cause| self.other(cause))?;
        self.give_away()?;
        socket.listen(BACKLOG).map_err(|cause| self.other(cause))?;
        socket.set_nonblocking(true).map_err(|cause| self.other(cause))?;
        super::Socket::unix(UnixListener::from(socket), Some(file)).map_err(|cause| self.other(cause))
    }

    /// The file has its rights from the first moment on: a `chmod` afterwards would leave a gap.
    fn bind_with_mode(&self, socket: &Socket, name: &SockAddr) -> io::Result<()> {
        // The mask belongs to the process; nothing else runs yet when addresses are bound.
        let former = umask(Mode::from_bits_truncate(!self.mode & 0o777));
        let bound = socket.bind(name);
        umask(former);
        bound
    }

    /// Removes the file of a server that is gone. One that still answers, or that is no socket, is left alone.
    fn remove_stale(&self, name: &SockAddr) -> Result<(), BindError> {
        let address = || ListenAddress::Unix(self.clone());
        let kind = fs::symlink_metadata(&self.path).map_err(|cause| self.other(cause))?.file_type();
        if !kind.is_socket() {
            return Err(BindError::Occupied { address: address() });
        }
        // Without waiting: a living server may have a full queue.
        let probe = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(|cause| self.other(cause))?;
        probe.set_nonblocking(true).map_err(|cause| self.other(cause))?;
        match probe.connect(name) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(&self.path).map_err(|cause| self.explain(cause))
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(self.explain(error)),
            _ => Err(BindError::Alive { address: address() }),
        }
    }

    /// Gives a file that is there already the rights of this address.
    pub(super) fn admit(&self) -> Result<(), BindError> {
        self.give_away()?;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(self.mode)).map_err(|cause| self.other(cause))
    }

    /// Hands the file to the user and group that the address names.
    fn give_away(&self) -> Result<(), BindError> {
        let fault = |problem: String| BindError::Owner { address: ListenAddress::Unix(self.clone()), problem };
        let user = match &self.user {
            None => None,
            Some(name) => match User::from_name(name) {
                Ok(Some(user)) => Some(user.uid.as_raw()),
                _ => return Err(fault(format!("there is no user `{name}` on this machine"))),
            },
        };
        let group = match &self.group {
            None => None,
            Some(name) => match Group::from_name(name) {
                Ok(Some(group)) => Some(group.gid.as_raw()),
                _ => return Err(fault(format!("there is no group `{name}` on this machine"))),
            },
        };
        if user.is_none() && group.is_none() {
            return Ok(());
        }
        chown(&self.path, user, group).map_err(|cause| {
            fault(format!(
                "the socket cannot be given to that user or group ({cause}); only root may give files away, and members of a group to it"
            ))
        })
    }

    fn explain(&self, cause: io::Error) -> BindError {
        let address = ListenAddress::Unix(self.clone());
        let folder = self.path.parent().unwrap_or(Path::new("/")).display();
        match cause.kind() {
            io::ErrorKind::NotFound => {
                BindError::Folder { address, problem: format!("the folder {folder} does not exist; make it first") }
            }
            io::ErrorKind::PermissionDenied => BindError::Folder {
                address,
                problem: format!("this user may not make files in {folder}; choose another folder, or give the right"),
            },
            io::ErrorKind::InvalidInput => BindError::Folder {
                address,
                problem: "the path is longer than the 107 bytes that a socket's may have".to_owned(),
            },
            _ => BindError::Other { address, cause },
        }
    }

    fn other(&self, cause: io::Error) -> BindError {
        BindError::Other { address: ListenAddress::Unix(self.clone()), cause }
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:{}?mode={:04o}", self.path.display(), self.mode)?;
        for (name, value) in [("user", &self.user), ("group", &self.group)] {
            if let Some(value) = value {
                write!(f, "&{name}={value}")?;
            }
        }
        Ok(())
    }
}

/// Three octal digits, with or without a leading zero.
fn octal(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    u32::from_str_radix(text, 8).ok().filter(|mode| plain && *mode <= 0o777)
}

/// The name of a socket of ours; dropping it removes the file, unless another server has put its own there since.
#[derive(Debug)]
pub(in crate::http) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// Whether the name still is this socket's.
    pub(super) fn is_there(&self) -> bool {
        identity(&self.path).is_ok_and(|now| now == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|data| (data.dev(), data.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(folder: &Path, options: &str) -> UnixAddress {
        UnixAddress::parse(&format!("{}/x.sock{options}", folder.display())).expect("an address")
    }

    #[test]
    fn a_file_has_its_rights_and_goes_with_its_socket() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.sock");
        for (options, mode) in [("", 0o660), ("?mode=0600", 0o600), ("?mode=0777", 0o777)] {
            let socket = address(folder.path(), options).bind().expect("bound");
            let got = fs::symlink_metadata(&path).expect("the file").permissions().mode() & 0o777;
            assert_eq!(got, mode, "{options}");
            drop(socket);
            assert!(!path.exists(), "{options}");
        }
    }

    #[test]
    fn a_dead_servers_file_is_taken_over_and_a_living_ones_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let address = address(folder.path(), "");
        drop(UnixListener::bind(folder.path().join("x.sock")).expect("a socket that nobody serves"));
        let socket = address.bind().expect("taken over");
        let message = address.bind().expect_err("it is served").to_string();
        assert!(message.contains("another process serves this socket"), "{message}");
        drop(socket);
        fs::write(folder.path().join("x.sock"), "precious").expect("a file");
        let message = address.bind().expect_err("it is no socket").to_string();
        assert!(message.contains("that is no socket"), "{message}");
        assert_eq!(fs::read_to_string(folder.path().join("x.sock")).expect("still there"), "precious");
    }

    #[test]
    fn a_successors_file_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = address(folder.path(), "").bind().expect("bound");
        fs::remove_file(folder.path().join("x.sock")).expect("removed by hand");
        let second = address(folder.path(), "").bind().expect("bound again");
        drop(first);
        assert!(folder.path().join("x.sock").exists());
        drop(second);
    }

    #[test]
    fn what_cannot_be_is_explained() {
        let folder = tempfile::tempdir().expect("a folder");
        let cases = [
            (format!("{}/none/x.sock", folder.path().display()), "does not exist"),
            (format!("{}/x.sock?group=no-such-group", folder.path().display()), "no group `no-such-group`"),
            (format!("{}/x.sock?user=no-such-user", folder.path().display()), "no user `no-such-user`"),
            (format!("/{}", "x".repeat(200)), "107 bytes"),
        ];
        for (text, expected) in cases {
            let message = UnixAddress::parse(&text).expect("an address").bind().expect_err("impossible").to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(!folder.path().join("x.sock").exists(), "a bind that fails leaves no file");
    }
}
