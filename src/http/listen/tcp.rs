//! Ports.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};

use socket2::{Domain, Protocol, Socket, Type};

use super::{BACKLOG, BindError, ListenAddress};

/// Bytes that the kernel holds of a connection before they are sent. Its own buffer grows to megabytes, for each client that does
/// not read; and a slow client would be seen to take something only when a third of that has gone, which may be longer than
/// `server.write_timeout`. Enough to keep a fast one busy.
pub(super) const UNSENT: u32 = 256 * 1024;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpAddress {
    /// Host name or address; none means every address of the machine.
    host: Option<String>,
    port: u16,
}

impl TcpAddress {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
        let host = match host.strip_prefix('[') {
            Some(inner) => Some(inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.to_string()),
            None if host.is_empty() => None,
            None if host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) => {
                Some(host.to_owned())
            }
            None => return None,
        };
        Some(Self { host, port })
    }

    /// Whether it is an address of this machine for itself. A name other than `localhost` may be anything.
    pub(super) fn is_loopback(&self) -> bool {
        let is_loopback = |host: &str| match host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        };
        self.host.as_deref().is_some_and(is_loopback)
    }

    /// Where a client of this machine connects: host and port.
    pub fn reachable(&self) -> (String, u16) {
        (self.host.clone().unwrap_or_else(|| "localhost".to_owned()), self.port)
    }

    pub(super) fn bind(&self) -> io::Result<TcpListener> {
        self.resolve().and_then(|addresses| bind_first(&addresses))
    }

    fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match &self.host {
            // `::` takes IPv4 in as well; a machine without IPv6 has only the other.
            None => Ok(vec![(Ipv6Addr::UNSPECIFIED, self.port).into(), (Ipv4Addr::UNSPECIFIED, self.port).into()]),
            Some(host) => match host.parse::<IpAddr>() {
                Ok(address) => Ok(vec![(address, self.port).into()]),
                Err(_) => Ok((host.as_str(), self.port).to_socket_addrs()?.collect()),
            },
        }
    }

    pub(super) fn explain(&self, cause: io::Error) -> BindError {
        let address = ListenAddress::Tcp(self.clone());
        match cause.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address, port: self.port },
            io::ErrorKind::PermissionDenied => BindError::NotPermitted { address },
            io::ErrorKind::AddrNotAvailable => BindError::NotLocal { address },
            _ => BindError::Other { address, cause },
        }
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

/// The first address that can be had. A port in use ends the search: the next address would hide the conflict.
fn bind_first(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in addresses {
        match open(*address) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => last = error,
            end => return end,
        }
    }
    Err(last)
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    // socket2 sets close-on-exec in the same system call.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the former process in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if let SocketAddr::V6(v6) = address {
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    // Connections inherit it. A kernel that cannot do it buffers more, that is all.
    drop(socket.set_tcp_notsent_lowat(UNSENT));
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_explained() {
        let first = TcpAddress { host: Some("127.0.0.1".to_owned()), port: 0 }.bind().expect("a free port");
        let port = first.local_addr().expect("bound").port();
        let second = TcpAddress { host: Some("127.0.0.1".to_owned()), port };
        assert_eq!(
            second.explain(second.bind().expect_err("it is taken")).to_string(),
            format!(
                "cannot listen on 127.0.0.1:{port}: the port is in use by another process. Find it with \
                 `ss -ltnp 'sport = :{port}'`, or choose another address with --listen"
            )
        );
    }
}
