//! A listening socket of either kind, in tokio's hands.

#![forbid(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};

use crate::http::listen::{Bound, Listener, Socket, SocketFile};
use crate::http::request::Peers;
use crate::http::wire::Stream;

/// Both ends of a connection over a unix socket, which has no addresses: a process of this machine asks. Applications, and
/// lists of trusted proxies, expect an IP address; port 0 means that there is none.
const THIS_MACHINE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Accepts connections. Dropping it ends that, and removes the file of a unix socket.
#[derive(Debug)]
pub(super) struct Listening {
    listener: Kind,
    bound: Bound,
    _file: Option<Arc<SocketFile>>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        let listener = match socket.listener {
            Listener::Tcp(listener) => Kind::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener) => Kind::Unix(UnixListener::from_std(listener)?),
        };
        Ok(Self { listener, bound: socket.bound, _file: socket.file })
    }

    pub(super) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The next connection, its Nagle's algorithm switched off. Losing this future loses no connection.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peers)> {
        match &self.listener {
            Kind::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                // A connection that is gone already has neither; that is no fault of ours.
                let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
                stream.set_nodelay(true).map_err(gone)?;
                let local = stream.local_addr().map_err(gone)?;
                Ok((Stream::Tcp(stream), Peers { remote, local }))
            }
            Kind::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peers { remote: THIS_MACHINE, local: THIS_MACHINE }))
            }
        }
    }
}
