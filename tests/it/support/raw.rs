//! A bare socket: exact bytes out, exact bytes in. For what a well-behaved client cannot say or does not show.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const READ_LIMIT: Duration = Duration::from_secs(30);

/// A connection and what has been read from it.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
    closed: bool,
}

impl Raw {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        Self { stream, read: Vec::new(), closed: false }
    }

    /// The same with the smallest receive buffer the system gives: what the client does not read stays with the server.
    pub(crate) async fn open_narrow(address: SocketAddr) -> Self {
        Self::open_with_buffer(address, 4096).await
    }

    /// The same with a receive buffer of about so many bytes, so that no more is under way when nothing is read.
    pub(crate) async fn open_with_buffer(address: SocketAddr, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a smaller buffer");
        let stream = socket.connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        Self { stream, read: Vec::new(), closed: false }
    }

    /// Sends bytes. A peer that has closed already is no error: some tests want just that.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.stream.write_all(bytes.as_ref()).await);
    }

    /// Says that no more will be sent.
    pub(crate) async fn finish_writing(&mut self) {
        drop(self.stream.shutdown().await);
    }

    /// Leaves with a reset instead of an end.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("an option of the socket");
    }

    /// Sends a GET for the path; the connection stays open.
    pub(crate) async fn get(&mut self, path: &str) {
        self.write(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    }

    /// Reads once; false at the end of the stream (or a reset).
    pub(crate) async fn more(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        let count = timeout(READ_LIMIT, self.stream.read(&mut buffer))
            .await
            .unwrap_or_else(|_| panic!("nothing more arrives; so far {:?}", self.text()))
            .unwrap_or(0);
        self.read.extend_from_slice(&buffer[..count]);
        self.closed = count == 0;
        count > 0
    }

    /// Reads once and forgets what it was; gives how much.
    pub(crate) async fn take(&mut self) -> usize {
        let before = self.read.len();
        self.more().await;
        let count = self.read.len() - before;
        self.read.clear();
        count
    }

    /// Reads until the text has arrived.
    pub(crate) async fn until(&mut self, text: &str) {
        while !self.text().contains(text) {
            assert!(self.more().await, "closed before {text:?}: {:?}", self.text());
        }
    }

    /// Reads until the server closes.
    pub(crate) async fn until_closed(&mut self) -> String {
        while self.more().await {}
        self.text()
    }

    /// Whether the server closes within the time; bytes that arrive meanwhile are kept.
    pub(crate) async fn closes_within(&mut self, limit: Duration) -> bool {
        timeout(limit, async { while self.more().await {} }).await.is_ok()
    }

    /// Reads one whole response with a `Content-Length` and takes it off the buffer.
    pub(crate) async fn response(&mut self) -> String {
        self.until("\r\n\r\n").await;
        let text = self.text();
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        let length: usize = header(head, "content-length")
            .unwrap_or_else(|| panic!("no Content-Length: {head}"))
            .parse()
            .expect("a number");
        let total = head.len() + 4 + length;
        while self.read.len() < total {
            assert!(self.more().await, "closed within a body: {:?}", self.text());
        }
        let rest = self.read.split_off(total);
        String::from_utf8_lossy(&std::mem::replace(&mut self.read, rest)).into_owned()
    }

    /// What has been read, as it came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.read
    }

    /// What has been read.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

/// A header's value in a textual head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The status in a textual response.
#[track_caller]
pub(crate) fn status(response: &str) -> u16 {
    response
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no status line: {response:?}"))
}
