//! Listening sockets that the parent process has bound.

#![forbid(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use socket2::{Domain, SockRef};

use super::Socket;

/// Takes over a socket that listens. A socket file stays its owner's.
pub(in crate::http) fn adopt(descriptor: OwnedFd) -> io::Result<Socket> {
    let domain = SockRef::from(&descriptor).domain()?;
    match domain {
        Domain::UNIX => Socket::unix(descriptor.into(), None),
        Domain::IPV4 | Domain::IPV6 => Socket::tcp(descriptor.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a TCP nor a unix socket")),
    }
}
