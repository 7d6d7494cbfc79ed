//! Connections to the endpoints: few, short, each with its bounds.

#![forbid(unsafe_code)]

use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::guard::{Gate, Peer};

/// Connections at a time; further ones wait in the kernel. Operators and scrapers are few.
const MOST_CONNECTIONS: usize = 64;
/// Time for the head of a request: a place must not be held by somebody who says nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client to take an answer, from the moment at which there is one: a place must not be held by somebody who reads nothing.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for answers in flight when the server ends.
const STOP_GRACE: Duration = Duration::from_millis(300);
/// Pause after the kernel had no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection has not taken yet of an answer stays with us; a stream is made of short pieces, and one that nobody reads must be seen to
/// wait.
const UNTAKEN_BYTES: usize = 16 * 1024;
/// The same for what waits in the kernel.
const UNSENT_BYTES: u32 = 16 * 1024;

/// When the connection of a request must have taken what it was sent; none while it owes nothing. Put into each request, for an answer that
/// comes in pieces.
pub(super) type Due = watch::Sender<Option<Instant>>;

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// Of a port.
    Tcp(std::net::TcpListener),
    /// Of a file.
    Unix(std::os::unix::net::UnixListener),
}

#[derive(Debug)]
pub(super) enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    /// Must be called inside of the runtime that is to serve it.
    pub(super) fn into_tokio(self) -> io::Result<Accepting> {
        match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                // Connections inherit it. Without it the kernel takes megabytes for somebody who reads nothing.
                drop(SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT_BYTES));
                tokio::net::TcpListener::from_std(listener).map(Accepting::Tcp)
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                tokio::net::UnixListener::from_std(listener).map(Accepting::Unix)
            }
        }
    }
}

/// Serves until `ended` resolves, in either way; `closing` turns true then, for answers without an end.
pub(super) async fn serve(
    listener: Accepting,
    router: Router,
    gate: Gate,
    ended: oneshot::Receiver<()>,
    closing: watch::Sender<bool>,
) {
    let house = House { router, gate };
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut ended = pin!(ended);
    loop {
        tokio::select! {
            _ = &mut ended => break,
            accepted = accept(&listener, &places) => match accepted {
                Ok((place, Stream::Tcp(stream, address))) => {
                    converse(stream, Peer::Tcp(address), &house, &graceful, place);
                }
                Ok((place, Stream::Unix(stream))) => converse(stream, Peer::Unix, &house, &graceful, place),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
    closing.send_replace(true);
    drop(tokio::time::timeout(STOP_GRACE, graceful.shutdown()).await);
}

/// What every connection leads to.
struct House {
    router: Router,
    gate: Gate,
}

enum Stream {
    Tcp(tokio::net::TcpStream, std::net::SocketAddr),
    Unix(tokio::net::UnixStream),
}

async fn accept(listener: &Accepting, places: &Arc<Semaphore>) -> io::Result<(OwnedSemaphorePermit, Stream)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let stream = match listener {
        Accepting::Tcp(listener) => listener.accept().await.map(|(stream, address)| Stream::Tcp(stream, address)),
        Accepting::Unix(listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
    };
    Ok((place, stream?))
}

fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    house: &House,
    graceful: &GracefulShutdown,
    place: OwnedSemaphorePermit,
) {
    let inner = TowerToHyperService::new(house.router.clone());
    // When the answer that is on its way must have been taken; none while the request is worked on.
    let (answering, answered) = watch::channel(None);
    let gate = house.gate.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(gate.now());
        request.extensions_mut().insert::<Due>(answering.clone());
        answering.send_replace(None);
        let (answer, answering) = (hyper::service::Service::call(&inner, request), answering.clone());
        async move {
            let answer = answer.await;
            answering.send_replace(Some(Instant::now() + ANSWER_TIMEOUT));
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // One request, so that nobody keeps a place by asking on and on without reading.
        .keep_alive(false)
        .max_buf_size(UNTAKEN_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            // A client that went away, or spoke no HTTP.
            _ = connection => {}
            () = untaken(answered) => {}
        }
        drop(place);
    });
}

/// Resolves when an answer has not been taken in time.
async fn untaken(mut answered: watch::Receiver<Option<Instant>>) {
    loop {
        let due = *answered.borrow_and_update();
        let late = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = late => return,
            // Without a service there is nothing to answer; the connection ends by itself.
            changed = answered.changed() => if changed.is_err() { pending().await },
        }
    }
}
