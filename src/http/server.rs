//! Listening sockets and connections: accept, serve with hyper, drain.

#![forbid(unsafe_code)]

mod listening;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::handler::{self, Front, TwoFramings, handle};
use super::listen::{BindError, Bound, ListenAddress, Socket};
use super::request::Peers;
use super::stall::{Line, Patient, Streams, paced};
use super::wire::{OpenExchange, Stream, Watch, Wire};
use super::{Backend, Config};
use listening::Listening;

/// How far a head may go beyond our own limits before hyper cuts it off: up to there the refusal has our form (body, request
/// id), beyond it hyper answers 431 with neither.
const HEAD_SLACK_BYTES: usize = 16 * 1024;
/// The same for the number of fields.
const HEAD_SLACK_FIELDS: usize = 28;
/// HTTP/2 streams a client may have open on one connection; what nginx and hyper allow as well.
const MAX_STREAMS: u32 = 128;
/// Rest after an `accept` that failed for want of descriptors: until some are closed, another attempt would fail too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time for connections accepted in the last moment to hand in the request that they have sent already.
const SETTLE: Duration = Duration::from_millis(50);
/// Connections taken from the kernel's queue after the order to stop; the queue is no longer than that.
const LAST_ACCEPTS: usize = 1024;

/// Bound on the wait for tasks to drop connections that are cut.
const CUT_TIME: Duration = Duration::from_secs(1);
/// hyper's own header timeout comes first where it applies.
const SILENCE_MARGIN: Duration = Duration::from_millis(500);

/// Bound sockets, before there is anything that could answer.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<Socket>,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Drained {
    /// Connections that were cut because the deadline had come.
    pub cut: usize,
}

/// Binds every address, or none.
///
/// # Errors
/// The first address that cannot be had, as a sentence for the operator.
pub fn bind(addresses: &[ListenAddress]) -> Result<Listeners, BindError> {
    let sockets = addresses.iter().map(ListenAddress::bind).collect::<Result<_, _>>()?;
    Ok(Listeners { sockets })
}

impl Listeners {
    /// Where the server can really be reached (port 0 has become a number).
    pub fn addresses(&self) -> Vec<Bound> {
        self.sockets.iter().map(|socket| socket.bound.clone()).collect()
    }

    /// Serves until `stop` resolves, then drains: no new connections, idle ones are closed, requests in flight end.
    /// What is left when `drain_timeout` is over is cut.
    ///
    /// # Errors
    /// A socket that cannot be handed to tokio.
    pub async fn serve<B: Backend>(
        self,
        backend: B,
        config: Config,
        stop: impl Future<Output = ()>,
        drain_timeout: Duration,
    ) -> io::Result<Drained> {
        let graceful = Arc::new(GracefulShutdown::new());
        let (stop_accepting, stopping) = watch::channel(false);
        let (cut, cutting) = watch::channel(false);
        let server = Arc::new(Server::new(backend, config));
        let mut acceptors = JoinSet::new();
        for socket in self.sockets {
            let acceptor = Acceptor {
                listener: Listening::new(socket)?,
                server: Arc::clone(&server),
                graceful: Arc::clone(&graceful),
                cutting: cutting.clone(),
            };
            acceptors.spawn(acceptor.run(stopping.clone()));
        }
        drop((server, stopping, cutting));

        stop.await;
        stop_accepting.send_replace(true);
        while acceptors.join_next().await.is_some() {}
        sleep(SETTLE).await;
        let mut left = 0;
        if let Some(graceful) = Arc::into_inner(graceful)
            && timeout(drain_timeout, graceful.shutdown()).await.is_err()
        {
            left = cut.receiver_count();
        }
        cut.send_replace(true);
        // Every task that is told drops its connection at once; this only waits until they have been scheduled.
        drop(timeout(CUT_TIME, cut.closed()).await);
        Ok(Drained { cut: left })
    }
}

/// One listening socket and what its connections need.
struct Acceptor<B> {
    listener: Listening,
    server: Arc<Server<B>>,
    graceful: Arc<GracefulShutdown>,
    cutting: watch::Receiver<bool>,
}

impl<B: Backend> Acceptor<B> {
    async fn run(self, mut stopping: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peers)) => self.start(stream, peers),
                    Err(error) => pause_after(&error).await,
                },
                () = ordered(&mut stopping) => break,
            }
        }
        // What the kernel has accepted for us is a promise already given.
        for _ in 0..LAST_ACCEPTS {
            match timeout(Duration::ZERO, self.listener.accept()).await {
                Ok(Ok((stream, peers))) => self.start(stream, peers),
                _ => break,
            }
        }
    }

    fn start(&self, stream: Stream, peers: Peers) {
        let server = Arc::clone(&self.server);
        let watcher = self.graceful.watcher();
        let mut cutting = self.cutting.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = server.serve(stream, peers, watcher) => {}
                () = ordered(&mut cutting) => {}
            }
        });
    }
}

/// Resolves once the order is given. A sender that is gone is an order as well.
async fn ordered(order: &mut watch::Receiver<bool>) {
    drop(order.wait_for(|given| *given).await);
}

/// Errors of the one connection (it was reset before we took it) are nothing; want of descriptors is told and waited out.
async fn pause_after(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    tracing::warn!(event = "server.accept_failed", error = %error);
    sleep(ACCEPT_PAUSE).await;
}

/// How connections are served.
struct Server<B> {
    builder: auto::Builder<Streams>,
    front: Arc<Front<B>>,
    header_timeout: Duration,
}

impl<B: Backend> Server<B> {
    fn new(backend: B, config: Config) -> Self {
        let mut builder = auto::Builder::new(Streams::new(config.write_timeout));
        let head = config.max_header_size + HEAD_SLACK_BYTES;
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout)
            .max_headers(config.max_headers + HEAD_SLACK_FIELDS)
            .max_buf_size(head);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX));
        let header_timeout = config.header_timeout;
        let front = Arc::new(Front { backend, config });
        Self { builder, front, header_timeout }
    }

    /// One connection to its end.
    async fn serve(&self, stream: Stream, peers: Peers, watcher: Watcher) {
        let spoken = Arc::new(AtomicBool::new(false));
        let (wire, watch) = Wire::new(stream);
        let (wire, line) = Patient::new(wire, self.front.config.write_timeout);
        let service = {
            let (front, spoken, watch) = (Arc::clone(&self.front), Arc::clone(&spoken), watch.clone());
            service_fn(move |request| {
                spoken.store(true, Ordering::Relaxed);
                call(Arc::clone(&front), request, peers, watch.clone(), line.clone())
            })
        };
        let connection = self.builder.serve_connection(TokioIo::new(wire), service);
        tokio::select! {
            // How else a connection ends is its client's affair: requests have their own records.
            ended = watcher.watch(connection) => if ended.is_err_and(|error| is_timeout(&*error)) && watch.is_amid_head() {
                watch.last_word(&handler::head_too_slow());
            },
            () = silence(self.header_timeout, &spoken) => {}
        }
    }
}

/// Straight to the one handler: which script or file answers is decided in `route`, so a router in between would only cost its
/// boxes, a tenth of the network thread's time.
async fn call<B: Backend>(
    front: Arc<Front<B>>,
    mut request: Request<Incoming>,
    peers: Peers,
    watch: Watch,
    line: Line,
) -> Result<Response<Body>, Infallible> {
    if request.version() == Version::HTTP_2 {
        let response = handle(&front, peers, None, request.map(Body::new)).await;
        return Ok(response.map(|body| paced(body, line)));
    }
    if watch.has_two_framings() {
        request.extensions_mut().insert(TwoFramings);
    }
    let exchange = (request.version() == Version::HTTP_11).then(|| watch.open_exchange());
    let interim = exchange.as_ref().map(OpenExchange::interim);
    let response = handle(&front, peers, interim, request.map(Body::new)).await;
    drop(exchange);
    watch.next_head();
    Ok(response)
}

fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
}

/// Resolves if a new connection has brought no request in time. hyper's own timeout starts only after it knows the protocol, so
/// that silence, half an HTTP/2 preface or a preface alone would hold a connection for ever.
async fn silence(header_timeout: Duration, spoken: &AtomicBool) {
    sleep(header_timeout + SILENCE_MARGIN).await;
    if spoken.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
