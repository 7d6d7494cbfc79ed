//! Addresses to listen on, and the sockets that do.
//!
//! An address is read from configuration ([`ListenAddress`]), bound before anything else is started, and then is a [`Socket`]: a
//! plain descriptor that could as well have been opened by another process.

#![forbid(unsafe_code)]

mod adopted;
mod inherited;
mod tcp;
mod unix;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

pub(super) use adopted::adopt;
pub(super) use inherited::inherit;
pub use inherited::{InheritError, VARIABLES as ACTIVATION_VARIABLES};
pub use tcp::TcpAddress;
pub(super) use unix::SocketFile;
pub use unix::UnixAddress;

/// Connections the kernel holds until we accept them; during a boot they wait here. As nginx's default, twice.
const BACKLOG: i32 = 1024;

/// What an address may look like; for messages.
pub const ALLOWED: &str =
    "HOST:PORT, :PORT (every address of this machine), [IPV6]:PORT or unix:/PATH[?mode=0660&user=NAME&group=NAME]";

/// An address as the operator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A port.
    Tcp(TcpAddress),
    /// A file.
    Unix(UnixAddress),
}

/// The text is not an address; [`ALLOWED`] says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address to listen on")]
pub struct BadAddress(String);

/// An address could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address}: the port is in use by another process. Find it with `ss -ltnp 'sport = :{port}'`, or choose another address with --listen"
    )]
    InUse {
        /// As configured.
        address: ListenAddress,
        /// The port alone.
        port: u16,
    },
    /// This server itself listens there, for another host, until the reload has succeeded.
    #[error(
        "cannot listen on {address}: this server has the port already, for another host, and keeps it until the reload is done. Restart the server, or take another port"
    )]
    Ours {
        /// As configured.
        address: ListenAddress,
        /// The port alone.
        port: u16,
    },
    /// A port below 1024 without the right to it.
    #[error(
        "cannot listen on {address}: not permitted. Ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one with --listen"
    )]
    NotPermitted {
        /// As configured.
        address: ListenAddress,
    },
    /// The host is no address of this machine.
    #[error(
        "cannot listen on {address}: no network interface of this machine has that address; `ip address` shows those it has"
    )]
    NotLocal {
        /// As configured.
        address: ListenAddress,
    },
    /// Another process serves the socket file.
    #[error(
        "cannot listen on {address}: another process serves this socket. Find it with `ss -lxp`, or choose another path with --listen"
    )]
    Alive {
        /// As configured.
        address: ListenAddress,
    },
    /// Something that is no socket has the name.
    #[error(
        "cannot listen on {address}: there is a file of that name that is no socket. Remove it, or choose another path"
    )]
    Occupied {
        /// As configured.
        address: ListenAddress,
    },
    /// The socket file cannot be made there.
    #[error("cannot listen on {address}: {problem}")]
    Folder {
        /// As configured.
        address: ListenAddress,
        /// What is wrong with the folder, and what to do.
        problem: String,
    },
    /// No such user or group, or no right to give the file to them.
    #[error("cannot listen on {address}: {problem}")]
    Owner {
        /// As configured.
        address: ListenAddress,
        /// Which name, and why not.
        problem: String,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {cause}")]
    Other {
        /// As configured.
        address: ListenAddress,
        /// What the system says.
        cause: io::Error,
    },
}

impl FromStr for ListenAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let address = match text.strip_prefix("unix:") {
            Some(rest) => UnixAddress::parse(rest).map(Self::Unix),
            None => TcpAddress::parse(text).map(Self::Tcp),
        };
        address.ok_or_else(|| BadAddress(text.to_owned()))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(address) => address.fmt(f),
        }
    }
}

impl ListenAddress {
    /// Whether only programs of this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Takes the address. The socket is close-on-exec: a program that PHP starts must not inherit it.
    pub(super) fn bind(&self) -> Result<Socket, BindError> {
        let socket = match self {
            Self::Tcp(address) => address.bind().and_then(Socket::tcp).map_err(|cause| address.explain(cause)),
            Self::Unix(address) => address.bind(),
        }?;
        Ok(Socket { address: Some(self.clone()), ..socket })
    }
}

/// Where a socket can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// An address; port 0 has become a number.
    Tcp(SocketAddr),
    /// A file; none for a socket without a name in the file system.
    Unix(Option<PathBuf>),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:"),
        }
    }
}

/// A listening socket, not yet tokio's. Dropping the last handle closes it and takes away the file that it made.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) listener: Listener,
    pub(super) bound: Bound,
    /// The file of a unix socket that is ours to remove.
    pub(super) file: Option<Arc<SocketFile>>,
    /// As configured; none if somebody else has bound it.
    pub(super) address: Option<ListenAddress>,
}

#[derive(Debug)]
pub(super) enum Listener {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Socket {
    fn tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        let bound = Bound::Tcp(listener.local_addr()?);
        Ok(Self { listener: Listener::Tcp(listener), bound, file: None, address: None })
    }

    fn unix(listener: std::os::unix::net::UnixListener, file: Option<SocketFile>) -> io::Result<Self> {
        let bound = Bound::Unix(listener.local_addr()?.as_pathname().map(Path::to_owned));
        Ok(Self { listener: Listener::Unix(listener), bound, file: file.map(Arc::new), address: None })
    }

    /// Whether that address is this socket's; who may connect to a file is no part of where it is.
    pub(super) fn is_at(&self, address: &ListenAddress) -> bool {
        match (&self.address, address) {
            (Some(ListenAddress::Unix(mine)), ListenAddress::Unix(other)) => mine.path() == other.path(),
            (mine, other) => mine.as_ref() == Some(other),
        }
    }

    /// A second handle, with the rights that the address names now.
    pub(super) fn kept(&self, address: &ListenAddress) -> Result<Self, BindError> {
        // Also if the address is the same: a reload that failed may have given others.
        if let (ListenAddress::Unix(unix), Some(file)) = (address, &self.file)
            && file.is_there()
        {
            unix.admit()?;
        }
        let again = self.again().map_err(|cause| BindError::Other { address: address.clone(), cause })?;
        Ok(Self { address: Some(address.clone()), ..again })
    }

    /// A second handle of the same socket.
    pub(super) fn again(&self) -> io::Result<Self> {
        let listener = match &self.listener {
            Listener::Tcp(listener) => Listener::Tcp(listener.try_clone()?),
            Listener::Unix(listener) => Listener::Unix(listener.try_clone()?),
        };
        Ok(Self { listener, bound: self.bound.clone(), file: self.file.clone(), address: self.address.clone() })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let cases = [
            ("127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("localhost:80", Some("localhost:80")),
            (":8080", Some(":8080")),
            ("[::1]:8080", Some("[::1]:8080")),
            ("[0:0::1]:0", Some("[::1]:0")),
            ("unix:/run/x.sock", Some("unix:/run/x.sock?mode=0660")),
            ("unix:/run/x.sock?mode=0600", Some("unix:/run/x.sock?mode=0600")),
            ("unix:/run/x.sock?group=www-data&mode=666", Some("unix:/run/x.sock?mode=0666&group=www-data")),
            ("unix:/run/x.sock?user=a&group=b", Some("unix:/run/x.sock?mode=0660&user=a&group=b")),
            ("unix:", None),
            ("unix:run/x.sock", None),
            ("unix:/run/", None),
            ("unix:/run/x.sock?", None),
            ("unix:/run/x.sock?mode=0888", None),
            ("unix:/run/x.sock?mode=1777", None),
            ("unix:/run/x.sock?mode=+60", None),
            ("unix:/run/x.sock?mode=0600&mode=0666", None),
            ("unix:/run/x.sock?owner=a", None),
            ("unix:/run/x.sock?user=", None),
            ("8080", None),
            ("localhost", None),
            ("localhost:", None),
            ("localhost:http", None),
            ("localhost:65536", None),
            ("localhost:+80", None),
            ("::1:8080", None),
            ("[::1:8080", None),
            ("[localhost]:80", None),
            ("http://localhost:80", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let got = text.parse::<ListenAddress>().ok().map(|address| address.to_string());
            assert_eq!(got.as_deref(), expected, "{text}");
        }
    }
}
