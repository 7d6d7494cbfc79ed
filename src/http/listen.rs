//! Addresses to listen on, and the sockets that do.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::str::FromStr;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel holds until we accept them; during a boot they wait here. As nginx's default, twice.
const BACKLOG: i32 = 1024;

/// What an address may look like; for messages.
pub const ALLOWED: &str = "HOST:PORT, :PORT (every address of this machine) or [IPV6]:PORT";

/// An address as the operator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// Host name or address; none means every address of the machine.
    host: Option<String>,
    port: u16,
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
        let bad = || BadAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.and_then(|port| port.parse().ok()).ok_or_else(bad)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => {
                let address: Ipv6Addr = inner.strip_suffix(']').and_then(|inner| inner.parse().ok()).ok_or_else(bad)?;
                Some(address.to_string())
            }
            None if host.is_empty() => None,
            None if host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) => {
                Some(host.to_owned())
            }
            None => return Err(bad()),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

impl ListenAddress {
    /// Takes the address. The socket is close-on-exec: a program that PHP starts must not inherit it.
    pub(super) fn bind(&self) -> Result<TcpListener, BindError> {
        self.resolve().and_then(|addresses| bind_first(&addresses)).map_err(|cause| self.explain(cause))
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

    fn explain(&self, cause: io::Error) -> BindError {
        let address = self.clone();
        match cause.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address, port: self.port },
            io::ErrorKind::PermissionDenied => BindError::NotPermitted { address },
            io::ErrorKind::AddrNotAvailable => BindError::NotLocal { address },
            _ => BindError::Other { address, cause },
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
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
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
            ("8080", None),
            ("localhost", None),
            ("localhost:", Some("")),
            ("localhost:http", None),
            ("localhost:65536", None),
            ("localhost:+80", None),
            ("::1:8080", None),
            ("[::1:8080", None),
            ("[localhost]:80", None),
            ("unix:/run/x.sock", None),
            ("http://localhost:80", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.filter(|expected| !expected.is_empty());
            let got = text.parse::<ListenAddress>().ok().map(|address| address.to_string());
            assert_eq!(got.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_port_in_use_is_explained() {
        let first = ListenAddress { host: Some("127.0.0.1".to_owned()), port: 0 }.bind().expect("a free port");
        let port = first.local_addr().expect("bound").port();
        let second = ListenAddress { host: Some("127.0.0.1".to_owned()), port };
        assert_eq!(
            second.bind().expect_err("it is taken").to_string(),
            format!(
                "cannot listen on 127.0.0.1:{port}: the port is in use by another process. Find it with \
                 `ss -ltnp 'sport = :{port}'`, or choose another address with --listen"
            )
        );
    }
}
