//! The endpoints for operators on the addresses of the server: requests for one of their paths go to the parent process, which answers them
//! as it does on its own address. No PHP and no queue is on that way.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, Response, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::error::Refusal;
use super::request::Peers;
use crate::job::Failure;

/// Largest answer: metrics of a thousand workers are a few MiB. It is taken whole, so that a slow client holds no place in the parent.
const LARGEST: usize = 64 * 1024 * 1024;

/// Whoever knows the way to the parent.
pub trait Reach: fmt::Debug + Send + Sync + 'static {
    /// A connection to the endpoints on behalf of this client; none for one that came by a socket file.
    fn connect(&self, client: Option<SocketAddr>) -> Pin<Box<dyn Future<Output = io::Result<UnixStream>> + Send + '_>>;
}

/// What is asked there, and how.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Paths that are theirs, sorted.
    pub paths: Arc<[&'static str]>,
    /// The way.
    pub way: Arc<dyn Reach>,
}

/// Fields about a connection and not about what is asked on it.
const OF_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

impl Endpoints {
    /// Whether the request, as it was written, is for one of them.
    pub(super) fn are_meant(&self, parts: &Parts) -> bool {
        self.paths.binary_search(&parts.uri.path()).is_ok()
    }

    /// Their answer. A body of the request is no part of what is asked.
    pub(super) async fn ask(&self, parts: &Parts, peers: Peers) -> Result<Response<Body>, Refusal> {
        // A socket file has no addresses; its peers are noted without a port.
        let client = Some(peers.remote).filter(|address| address.port() > 0);
        let stream = self.way.connect(client).await.map_err(|_| UNREACHABLE)?;
        self.exchange(stream, parts).await.map_err(|_| UNREACHABLE)
    }

    async fn exchange(&self, stream: UnixStream, parts: &Parts) -> Result<Response<Body>, Lost> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request = Request::builder().method(&parts.method).uri(target).body(Empty::<Bytes>::new())?;
        *request.headers_mut() = without_connection(parts.headers.clone());
        let answer = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, LARGEST).collect().await?.to_bytes();
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = head.status;
            *response.headers_mut() = without_connection(head.headers);
            Ok(response)
        };
        tokio::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // Its end is no reason to drop what it has brought.
            _ = connection => answer.await,
        }
    }
}

fn without_connection(mut headers: HeaderMap) -> HeaderMap {
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    headers
}

/// The parent does not take it, or is gone.
const UNREACHABLE: Refusal = Refusal::Failed(Failure::NoWorkers);

/// Why there is no answer; nobody is told more than that.
type Lost = Box<dyn std::error::Error + Send + Sync>;
