//! Clients that ask for one route over and over.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Pause after an attempt without an answer: a server that is gone is not stormed.
const PAUSE: Duration = Duration::from_millis(50);
/// Samples of one client that are kept: an hour of a thousand a second.
const MOST_SAMPLES: usize = 3_600_000;

/// What is asked for, and how.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) authority: Authority,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// When it began, in seconds since 1970.
    pub(super) ts: f64,
    /// The status; 0 if there was no whole answer.
    pub(super) code: u16,
    pub(super) ms: f64,
    /// Of the body.
    pub(super) bytes: u64,
    /// Why there was no whole answer.
    pub(super) fault: Option<Arc<str>>,
}

/// Asks for that long, by so many clients; gives what they saw in the order of time.
pub(super) async fn run(target: Target, clients: u16, time: Duration) -> Vec<Sample> {
    let end = Instant::now() + time;
    let mut running = JoinSet::new();
    for _ in 0..clients {
        running.spawn(client(target.clone(), end));
    }
    let mut samples: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    samples.sort_by(|one, other| one.ts.total_cmp(&other.ts));
    samples
}

async fn client(target: Target, end: Instant) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut connection = None;
    while Instant::now() < end && samples.len() < MOST_SAMPLES {
        let ts = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let start = Instant::now();
        let answer = timeout(target.timeout, ask(&target, &mut connection)).await;
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        match answer.unwrap_or_else(|_| Err("no whole answer in time (--timeout)".into())) {
            Ok((code, bytes)) => samples.push(Sample { ts, code, ms, bytes, fault: None }),
            Err(fault) => {
                samples.push(Sample { ts, code: 0, ms, bytes: 0, fault: Some(fault) });
                connection = None;
                sleep(PAUSE).await;
            }
        }
    }
    samples
}

type Sender = SendRequest<Empty<Bytes>>;

/// Status and length of an answer that came whole, else why there was none.
async fn ask(target: &Target, connection: &mut Option<Sender>) -> Result<(u16, u64), Arc<str>> {
    let mut open = connection.take();
    // The server may have closed it meanwhile, as it does when it reloads.
    if let Some(sender) = &mut open
        && sender.ready().await.is_err()
    {
        open = None;
    }
    let mut sender = match open {
        Some(open) => open,
        None => connect(target).await?,
    };
    let mut request = Request::builder()
        .method(&target.method)
        .uri(&target.path)
        .header(header::HOST, target.authority.as_str())
        .header(header::USER_AGENT, concat!("supercharger-gate/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &target.headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::new()).map_err(words)?;
    let response = sender.send_request(request).await.map_err(words)?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.map_err(words)?.data_ref().map_or(0, |data| data.len() as u64);
    }
    *connection = Some(sender);
    Ok((status, bytes))
}

/// What an error says, with what it says is behind it.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: impl std::error::Error) -> Arc<str> {
    match error.source() {
        Some(cause) => format!("{error}: {cause}").into(),
        None => error.to_string().into(),
    }
}

async fn connect(target: &Target) -> Result<Sender, Arc<str>> {
    let host = target.authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, target.authority.port_u16().unwrap_or(80))).await.map_err(words)?;
    // Without it, what is measured is the kernel's patience.
    stream.set_nodelay(true).map_err(words)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(words)?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
