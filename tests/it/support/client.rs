//! An HTTP client that opens one connection and says exactly what came back. HTTP/1.1 and h2c (prior knowledge).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// No single answer takes longer than this.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Which protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    H2c,
}

/// A request body.
#[derive(Debug, Clone)]
pub(crate) struct Body(Bytes);

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::from(bytes))
    }
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    H2c(http2::SendRequest<Full<Bytes>>),
}

/// One connection; requests on it follow each other (HTTP/1.1) or run side by side on clones (h2c).
#[derive(Debug)]
pub(crate) struct Connection {
    sender: Sender,
    address: SocketAddr,
}

impl Connection {
    /// Connects and shakes hands.
    pub(crate) async fn open(address: SocketAddr, protocol: Protocol) -> Self {
        Self::try_open(address, protocol).await.unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    /// From this address of the machine, of which 127.0.0.0/8 has many: so there are strangers without a second machine.
    pub(crate) async fn open_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.expect("a socket");
        socket.bind(SocketAddr::new(source, 0)).unwrap_or_else(|error| panic!("bind {source}: {error}"));
        let stream = socket.connect(address).await.unwrap_or_else(|error| panic!("connect to {address}: {error}"));
        Self::over(stream, address, Protocol::Http1).await.expect("a connection")
    }

    pub(crate) async fn try_open(address: SocketAddr, protocol: Protocol) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(address).await?, address, protocol).await
    }

    async fn over(stream: TcpStream, address: SocketAddr, protocol: Protocol) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, driver) = http1::handshake(io).await.map_err(std::io::Error::other)?;
                tokio::spawn(async move { drop(driver.await) });
                Sender::Http1(sender)
            }
            Protocol::H2c => {
                let (sender, driver) =
                    http2::handshake(TokioExecutor::new(), io).await.map_err(std::io::Error::other)?;
                tokio::spawn(async move { drop(driver.await) });
                Sender::H2c(sender)
            }
        };
        Ok(Self { sender, address })
    }

    /// A second handle on the same h2c connection.
    pub(crate) fn share(&self) -> Self {
        match &self.sender {
            Sender::H2c(sender) => Self { sender: Sender::H2c(sender.clone()), address: self.address },
            Sender::Http1(_) => panic!("an HTTP/1.1 connection has one request at a time"),
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut reading = self.begin(method, path, headers, body).await;
        reading.rest().await;
        reading.answer()
    }

    /// GET, whole.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Sends a request and waits for the head only.
    pub(crate) async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reading {
        self.try_begin(method, path, headers, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: no answer: {error:?}"))
    }

    /// The same; a connection that breaks before the head is the caller's business.
    pub(crate) async fn try_begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> hyper::Result<Reading> {
        let Body(bytes) = body.into();
        let uri = match self.sender {
            Sender::Http1(_) => path.to_owned(),
            Sender::H2c(_) => format!("http://{}{path}", self.address),
        };
        let mut request = Request::builder().method(method).uri(uri);
        if matches!(self.sender, Sender::Http1(_)) && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(bytes)).expect("a valid request");
        let sent = async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::H2c(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        let response =
            timeout(ANSWER_LIMIT, sent).await.unwrap_or_else(|_| panic!("{method} {path}: no head in time"))?;
        Ok(Reading::new(response))
    }
}

/// Tries to open a TCP connection; `false` when it is refused.
pub(crate) async fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_ok()
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The protocol says that it is whole.
    Whole,
    /// It was broken off.
    BrokenOff,
}

/// An answer that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    head: http::response::Parts,
    incoming: Option<Incoming>,
    body: Vec<u8>,
    end: Option<End>,
}

impl Reading {
    fn new(response: Response<Incoming>) -> Self {
        let (head, incoming) = response.into_parts();
        Self { head, incoming: Some(incoming), body: Vec::new(), end: None }
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// Reads until the body so far ends with `text`: proof that this much has arrived.
    pub(crate) async fn until(&mut self, text: &str) {
        while !self.body.ends_with(text.as_bytes()) {
            assert!(
                self.frame().await,
                "the body ended ({:?}) before {text:?}: {:?}",
                self.end,
                String::from_utf8_lossy(&self.body)
            );
        }
    }

    /// Reads to the end, whole or not.
    pub(crate) async fn rest(&mut self) -> End {
        while self.frame().await {}
        self.end.expect("an end")
    }

    /// Reads to the end and forgets all but the length and the last three bytes.
    pub(crate) async fn drain(&mut self) -> (usize, Vec<u8>) {
        let mut length = 0;
        while self.frame().await {
            let surplus = self.body.len().saturating_sub(3);
            length += surplus;
            self.body.drain(..surplus);
        }
        assert_eq!(self.end, Some(End::Whole), "after {length} bytes");
        (length + self.body.len(), std::mem::take(&mut self.body))
    }

    async fn frame(&mut self) -> bool {
        let Some(incoming) = &mut self.incoming else { return false };
        let next = timeout(ANSWER_LIMIT, incoming.frame())
            .await
            .unwrap_or_else(|_| panic!("no further byte in time; so far {} bytes", self.body.len()));
        match next {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.body.extend_from_slice(&data);
                }
                true
            }
            Some(Err(_)) => {
                self.end = Some(End::BrokenOff);
                self.incoming = None;
                false
            }
            None => {
                self.end = Some(End::Whole);
                self.incoming = None;
                false
            }
        }
    }

    /// What has been read.
    pub(crate) fn answer(self) -> Answer {
        Answer {
            status: self.head.status,
            headers: self.head.headers,
            body: self.body,
            end: self.end.unwrap_or(End::BrokenOff),
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    end: End,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The body; panics if it was broken off.
    #[track_caller]
    pub(crate) fn body(&self) -> &[u8] {
        assert_eq!(self.end, End::Whole, "the body of {self}");
        &self.body
    }

    /// The body so far, whole or not.
    pub(crate) fn partial_body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.end == End::Whole
    }

    /// Whether the server takes no further request on the connection.
    pub(crate) fn closes(&self) -> bool {
        !self.is_whole() || self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// The body as text; panics if it was broken off.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.body()).into_owned()
    }

    /// Panics unless the status is 200 and the body whole.
    #[track_caller]
    pub(crate) fn ok(&self) -> &Self {
        self.expect(200)
    }

    /// Panics unless the status is this and the body whole.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status(), status, "{self}");
        assert_eq!(self.end, End::Whole, "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.body()).unwrap_or_else(|error| panic!("no JSON: {error}: {self}"))
    }

    /// A header's only value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a textual header"))
    }

    /// All values of a header.
    pub(crate) fn header_all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().expect("a textual header")).collect()
    }

    /// `name=value` of every cookie that the answer sets.
    pub(crate) fn cookies(&self) -> Vec<String> {
        self.header_all("set-cookie").iter().filter_map(|line| line.split(';').next()).map(str::to_owned).collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let shown: String = body.chars().take(2000).collect();
        write!(f, "{} {:?} ({:?})\n{shown}", self.status, self.headers, self.end)
    }
}

/// The cookies of one browser.
#[derive(Debug, Default)]
pub(crate) struct Jar(Vec<(String, String)>);

impl Jar {
    /// Takes what an answer sets.
    pub(crate) fn take(&mut self, answer: &Answer) {
        for cookie in answer.cookies() {
            let (name, value) = cookie.split_once('=').unwrap_or((&cookie, ""));
            self.0.retain(|(kept, _)| kept != name);
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The `Cookie` header; empty without cookies.
    pub(crate) fn header(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

/// Percent-encodes a form or query value.
pub(crate) fn encode(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The FNV-1a hash as PHP prints it: `hash('fnv1a64', ...)`. Enough to see a lost or changed byte.
pub(crate) fn fnv1a64(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
