//! The way from a child to the endpoints in its parent: for each request one end of a pair of sockets is handed over.
//!
//! So there is no address that anybody else could connect to, and each request has a flow control of its own.

#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::pin::Pin;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use crate::control::hand;
use crate::http::Reach;

/// How long a parent may take to take a request over.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause while too many wait there.
const PAUSE: Duration = Duration::from_millis(5);
/// What is told of a client that came by a socket file.
const BY_FILE: &str = "file";

/// The child's end.
#[derive(Debug)]
pub(super) struct Way(UnixDatagram);

impl Way {
    /// Over a descriptor of the parent's.
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor.into())
    }

    async fn hand(&self, client: Option<SocketAddr>) -> io::Result<UnixStream> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let note = client.map_or_else(|| BY_FILE.to_owned(), |address| address.to_string());
        let end = Instant::now() + PATIENCE;
        loop {
            match hand(self.0.as_fd(), theirs.as_fd(), &note) {
                Ok(()) => return UnixStream::from_std(ours),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Reach for Way {
    fn connect(&self, client: Option<SocketAddr>) -> Pin<Box<dyn Future<Output = io::Result<UnixStream>> + Send + '_>> {
        Box::pin(self.hand(client))
    }
}
