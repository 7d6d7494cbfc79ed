//! Clients that ask for one route over and over.

#![forbid(unsafe_code)]

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
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// When it began, in seconds since 1970.
    pub(super) ts: f64,
    /// The status; 0 if there was no whole answer.
    pub(super) code: u16,
    pub(super) ms: f64,
    /// Of the body.
    pub(super) bytes: u64,
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
        let answer = timeout(target.timeout, ask(&target, &mut connection)).await.unwrap_or(None);
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        let (code, bytes) = answer.unwrap_or_default();
        samples.push(Sample { ts, code, ms, bytes });
        if answer.is_none() {
            connection = None;
            sleep(PAUSE).await;
        }
    }
    samples
}

type Sender = SendRequest<Empty<Bytes>>;

/// Status and length of an answer that came whole.
async fn ask(target: &Target, connection: &mut Option<Sender>) -> Option<(u16, u64)> {
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
    let response = sender.send_request(request.body(Empty::new()).ok()?).await.ok()?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.ok()?.data_ref().map_or(0, |data| data.len() as u64);
    }
    *connection = Some(sender);
    Some((status, bytes))
}

async fn connect(target: &Target) -> Option<Sender> {
    let host = target.authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, target.authority.port_u16().unwrap_or(80))).await.ok()?;
    // Without it, what is measured is the kernel's patience.
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(async move { drop(connection.await) });
    Some(sender)
}
