//! Asks the admin endpoints of a running server.

#![forbid(unsafe_code)]

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::admin::Token;
use crate::http::ListenAddress;

/// Time to connect: it is on this machine.
const CONNECT: Duration = Duration::from_secs(5);
/// Largest answer that is read: a thousand pools of a thousand workers are less.
const LARGEST: usize = 256 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nobody is there.
    #[error(
        "no server answers at {address}: {cause}. Is it running, and is that its admin.listen? `--admin ADDRESS` or `--config FILE` \
         names another one"
    )]
    Unreachable {
        /// Where.
        address: String,
        /// What the system says.
        cause: io::Error,
    },
    /// Something else is there, or it ended.
    #[error("what answers at {address} is no supercharger, or it ended meanwhile: {cause}")]
    Broken {
        /// Where.
        address: String,
        /// What happened.
        cause: String,
    },
    /// It does not answer.
    #[error("the server at {address} has not answered within {} s", limit.as_secs())]
    Late {
        /// Where.
        address: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It does not want to.
    #[error("the server refuses: {0}")]
    Refused(String),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: serde_json::Value,
}

/// A server that can be asked.
#[derive(Debug)]
pub(super) struct Server {
    /// Where it is asked.
    pub(super) address: ListenAddress,
    /// What it may ask for.
    pub(super) token: Option<Token>,
}

/// Asks, and waits for the answer; for ever if there is no limit.
pub(super) fn ask(server: &Server, method: &Method, target: &str, limit: Option<Duration>) -> Result<Answer, Error> {
    let Server { address, token } = server;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| Error::Unreachable { address: address.to_string(), cause })?;
    let answer = runtime.block_on(async {
        let answer = converse(address, token.as_ref(), method, target);
        match limit {
            None => answer.await,
            Some(limit) => timeout(limit, answer)
                .await
                .unwrap_or_else(|_| Err(Error::Late { address: address.to_string(), limit })),
        }
    });
    runtime.shutdown_background();
    let answer = answer?;
    if answer.status == StatusCode::FORBIDDEN {
        let hint = match token {
            Some(_) => "with the token that guard.token or --token-file names",
            None => "no token was sent: guard.token or --token-file names one",
        };
        return Err(Error::Refused(format!("{} (the guard says so; {hint})", answer.body["reason"])));
    }
    Ok(answer)
}

async fn converse(
    address: &ListenAddress,
    token: Option<&Token>,
    method: &Method,
    target: &str,
) -> Result<Answer, Error> {
    let unreachable = |cause| Error::Unreachable { address: address.to_string(), cause };
    let late = |_| unreachable(io::Error::from(io::ErrorKind::TimedOut));
    match address {
        ListenAddress::Tcp(tcp) => {
            let stream = timeout(CONNECT, TcpStream::connect(tcp.reachable())).await.map_err(late)?;
            exchange(address, stream.map_err(unreachable)?, token, method, target).await
        }
        ListenAddress::Unix(unix) => {
            let stream = timeout(CONNECT, UnixStream::connect(unix.path())).await.map_err(late)?;
            exchange(address, stream.map_err(unreachable)?, token, method, target).await
        }
    }
}

async fn exchange(
    address: &ListenAddress,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    token: Option<&Token>,
    method: &Method,
    target: &str,
) -> Result<Answer, Error> {
    let broken = |cause: String| Error::Broken { address: address.to_string(), cause };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.to_string()))?;
    tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, "localhost")
        // Orders are refused without it.
        .header("x-supercharger", "1");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token.authorization());
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| broken(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
    let status = response.status();
    let body =
        Limited::new(response.into_body(), LARGEST).collect().await.map_err(|error| broken(error.to_string()))?;
    let body = serde_json::from_slice(&body.to_bytes()).map_err(|_| broken(format!("{status}, and no JSON")))?;
    Ok(Answer { status, body })
}
