//! One request, looked at closely.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

/// How long one probe may take, from connecting to the last byte.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Stack of the thread of one try: a client, and a body on the heap.
const STACK: usize = 1 << 20;

/// A response in the form in which two peers are compared.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// SHA-256 of the body, hexadecimal.
    pub(crate) body_sha256: String,
    /// Length of the body in bytes.
    pub(crate) body_bytes: usize,
    /// Header fields as `name: value`, in the order they came in.
    pub(crate) headers: Vec<String>,
    /// The body as text, for the bare server to repeat.
    #[serde(skip)]
    pub(crate) body: String,
}

impl Answer {
    /// Whether two peers did the same work: status and body bytes. Header fields may differ.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.status == other.status && self.body_sha256 == other.body_sha256
    }

    /// The header fields a hyper server does not add by itself.
    pub(crate) fn headers_to_repeat(&self) -> Vec<String> {
        let own = [header::DATE.as_str(), header::CONTENT_LENGTH.as_str(), header::CONNECTION.as_str()];
        self.headers.iter().filter(|line| !own.contains(&line.split(':').next().unwrap_or_default())).cloned().collect()
    }
}

/// Fetches `path` over a new connection, with a body of so many bytes if there is to be one.
pub(crate) fn fetch(address: SocketAddr, path: &str, upload: usize) -> Result<Answer, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?
        .block_on(within(address, path, upload))
}

/// Asks a server that is only starting, again and again, without waiting for those tries that got no answer: some servers never answer
/// what came before they were ready, others say 502 meanwhile. `gave_up`: an error to stop with, asked after each pause.
pub(crate) fn first_good(
    address: SocketAddr,
    (path, upload): (&'static str, usize),
    pause: Duration,
    mut gave_up: impl FnMut(Option<&Answer>) -> Result<(), String>,
) -> Result<Answer, String> {
    let (sender, answers) = mpsc::channel();
    let mut last = None;
    loop {
        if std::net::TcpStream::connect(address).is_ok() {
            let sender = sender.clone();
            let one_try = move || {
                // Nobody may be there any more to hear it.
                fetch(address, path, upload).map(|answer| sender.send(answer)).ok();
            };
            let started = thread::Builder::new().name("probe".to_owned()).stack_size(STACK).spawn(one_try);
            started.map_err(|error| format!("cannot start a thread: {error}"))?;
        }
        match answers.recv_timeout(pause) {
            Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
            Ok(answer) => last = Some(answer),
            Err(_) => {}
        }
        gave_up(last.as_ref())?;
    }
}

async fn within(address: SocketAddr, path: &str, upload: usize) -> Result<Answer, String> {
    match tokio::time::timeout(PROBE_TIMEOUT, exchange(address, path, upload)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("no answer from {address}: {error}")),
        Err(_) => Err(format!("no answer from {address} within {PROBE_TIMEOUT:?}")),
    }
}

async fn exchange(
    address: SocketAddr,
    path: &str,
    upload: usize,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = match upload {
        0 => Request::get(path),
        _ => Request::post(path).header(header::CONTENT_TYPE, "application/octet-stream"),
    };
    let body = Full::new(Bytes::from(vec![b'x'; upload]));
    let request = request.header(header::HOST, address.to_string()).body(body)?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    Ok(Answer {
        status: head.status.as_u16(),
        body_sha256: hexadecimal(&Sha256::digest(&body)),
        body_bytes: body.len(),
        headers: lines(&head.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str, headers: &[&str]) -> Answer {
        Answer {
            status,
            body_sha256: hexadecimal(&Sha256::digest(body)),
            body_bytes: body.len(),
            headers: headers.iter().map(|line| (*line).to_owned()).collect(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn status_and_body_decide_headers_do_not() {
        let hello = answer(200, "Hello", &["server: a"]);
        assert!(hello.same_as(&answer(200, "Hello", &["server: b"])));
        assert!(!hello.same_as(&answer(500, "Hello", &[])));
        assert!(!hello.same_as(&answer(200, "Hello\n", &[])));
    }

    #[test]
    fn the_bare_server_repeats_what_hyper_does_not_add() {
        let hello =
            answer(200, "x", &["date: now", "content-length: 1", "content-type: text/plain", "x-request-id: 7"]);
        assert_eq!(hello.headers_to_repeat(), ["content-type: text/plain", "x-request-id: 7"]);
    }

    #[test]
    fn hashes_are_hexadecimal() {
        assert!(hexadecimal(&Sha256::digest(b"")).starts_with("e3b0c44298fc1c14"));
    }
}
