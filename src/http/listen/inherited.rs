//! Sockets that whoever started this process has opened for it, as systemd does: `sd_listen_fds(3)`.
//!
//! `LISTEN_PID` names the process they are for, `LISTEN_FDS` says how many there are, from descriptor 3 on, and
//! `LISTEN_FDNAMES` what they are called.

#![forbid(unsafe_code)]

use std::env;
use std::io;

use listenfd::ListenFd;
use socket2::SockRef;

use super::Socket;
use super::tcp::UNSENT;

/// The variables of the protocol. PHP does not see them: what they name is taken.
pub const VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The first descriptor, by the protocol.
const FIRST: usize = 3;
/// More than any unit hands over; a larger number is a mistake, and would be searched for in vain.
const MAX_SOCKETS: usize = 256;

/// What was handed over cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// `LISTEN_FDS` is no number of sockets.
    #[error("LISTEN_FDS={0:?} is no number of sockets from 0 to {MAX_SOCKETS}; whoever starts this process sets it")]
    Count(String),
    /// Neither a TCP nor a unix stream socket.
    #[error(
        "descriptor {descriptor} ({name}) from LISTEN_FDS is no stream socket of TCP or unix; a socket unit needs ListenStream= for it"
    )]
    Kind {
        /// Its number.
        descriptor: usize,
        /// Its name.
        name: String,
    },
    /// A stream socket that is connected, or not listening yet.
    #[error("descriptor {descriptor} ({name}) from LISTEN_FDS does not listen; a socket unit needs Accept=no")]
    Deaf {
        /// Its number.
        descriptor: usize,
        /// Its name.
        name: String,
    },
    /// Anything else.
    #[error("descriptor {descriptor} ({name}) from LISTEN_FDS cannot be used: {cause}")]
    Other {
        /// Its number.
        descriptor: usize,
        /// Its name.
        name: String,
        /// What the system says.
        cause: io::Error,
    },
}

/// Takes the sockets meant for this process; `None` if there are none. Takes the variables out of the environment.
pub(in crate::http) fn inherit() -> Result<Option<Vec<Socket>>, InheritError> {
    let variable = |name| env::var(name).unwrap_or_default();
    if variable("LISTEN_PID").parse() != Ok(std::process::id()) {
        return Ok(None);
    }
    let count = variable("LISTEN_FDS");
    let count = match count.parse::<usize>() {
        Ok(0) => return Ok(None),
        Ok(count) if count <= MAX_SOCKETS => count,
        _ => return Err(InheritError::Count(count)),
    };
    let names = variable("LISTEN_FDNAMES");
    let mut names = names.split(':').filter(|name| !name.is_empty());
    let mut handed = ListenFd::from_env();
    let take = |index| take(&mut handed, index, names.next().unwrap_or("unknown"));
    (0..count).map(take).collect::<Result<_, _>>().map(Some)
}

fn take(handed: &mut ListenFd, index: usize, name: &str) -> Result<Socket, InheritError> {
    let descriptor = FIRST + index;
    let name = name.to_owned();
    let other = |cause| InheritError::Other { descriptor, name: name.clone(), cause };
    if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
        if !listens(&SockRef::from(&listener)) {
            return Err(InheritError::Deaf { descriptor, name });
        }
        drop(SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT));
        listener.set_nonblocking(true).map_err(other)?;
        return Socket::tcp(listener).map_err(other);
    }
    if let Ok(Some(listener)) = handed.take_unix_listener(index) {
        if !listens(&SockRef::from(&listener)) {
            return Err(InheritError::Deaf { descriptor, name });
        }
        listener.set_nonblocking(true).map_err(other)?;
        // Its file belongs to whoever made it.
        return Socket::unix(listener, None).map_err(other);
    }
    Err(InheritError::Kind { descriptor, name })
}

fn listens(socket: &SockRef<'_>) -> bool {
    socket.is_listener().unwrap_or(false)
}
