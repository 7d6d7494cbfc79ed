//! Connections to the endpoints: few, short, each with its bounds.

#![forbid(unsafe_code)]

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::UnixDatagram;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::guard::{Gate, Peer};
use crate::control;

/// Connections at a time. Operators and scrapers are few. If all places are taken one gives way that has not asked anything yet or does not take
/// its answer, so that nobody keeps others from the endpoints, liveness above all; if there is none, further ones wait in the kernel.
const MOST_CONNECTIONS: usize = 64;
/// Time for the head of a request: a place must not be held by somebody who says nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client to take an answer, from the moment at which there is one: a place must not be held by somebody who reads nothing.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// If nobody can give way, time until that is looked at again.
const EVICTION_PAUSE: Duration = Duration::from_millis(20);
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
    listener: Option<Accepting>,
    doorway: Option<UnixDatagram>,
    router: Router,
    gate: Gate,
    ended: oneshot::Receiver<()>,
    closing: watch::Sender<bool>,
) {
    let house = House { router, gate };
    let graceful = GracefulShutdown::new();
    // Strangers on the server's own addresses take no place from operators.
    let (places, handed_places) = (Places::new(), Places::new());
    let own = async {
        loop {
            match accept(listener.as_ref()).await {
                Ok(Stream::Tcp(stream, address)) => {
                    converse(stream, Peer::Tcp(address), &house, &graceful, places.take(Peer::Tcp(address)).await);
                }
                Ok(Stream::Unix(stream)) => {
                    converse(stream, Peer::Unix, &house, &graceful, places.take(Peer::Unix).await)
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    };
    let handed = async {
        loop {
            match taken(doorway.as_ref()).await {
                Ok((stream, peer)) => converse(stream, peer, &house, &graceful, handed_places.take(peer).await),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    };
    tokio::select! {
        _ = ended => {}
        () = own => {}
        () = handed => {}
    }
    closing.send_replace(true);
    drop(timeout(STOP_GRACE, graceful.shutdown()).await);
}

/// Room for connections.
struct Places {
    free: Arc<Semaphore>,
    /// Connections, the oldest first; some of them are gone.
    taken: Mutex<VecDeque<Arc<Holder>>>,
}

/// Whoever holds a place. It may have to give way as long as nothing is done for it.
struct Holder {
    /// The address that it came from, if it has one.
    address: Option<IpAddr>,
    asked: AtomicBool,
    /// When it must have taken what it was sent; none while it owes nothing.
    due: Due,
    /// It is gone, or was told to go.
    over: AtomicBool,
    give_way: Notify,
}

impl Holder {
    /// Whether its place is held for nothing: it has not asked yet, or does not take its answer. While an answer is made it keeps its place.
    fn is_idle(&self) -> bool {
        !self.asked.load(Ordering::Relaxed) || self.due.borrow().is_some()
    }
}

/// A connection's place; dropping it frees it.
struct Place {
    holder: Arc<Holder>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    fn new() -> Self {
        Self { free: Arc::new(Semaphore::new(MOST_CONNECTIONS)), taken: Mutex::default() }
    }

    /// A place, if need be that of another who is idle.
    async fn take(&self, peer: Peer) -> Place {
        let permit = loop {
            if self.free.available_permits() == 0 {
                self.evict();
            }
            // Those who are busy now may be idle next time. The semaphore is never closed.
            if let Ok(permit) = timeout(EVICTION_PAUSE, Arc::clone(&self.free).acquire_owned()).await {
                break permit.ok();
            }
        };
        let address = match peer {
            Peer::Tcp(address) | Peer::Main(address) => Some(address.ip()),
            Peer::Unix | Peer::Front => None,
        };
        let holder = Arc::new(Holder {
            address,
            asked: AtomicBool::new(false),
            due: Due::new(None),
            over: AtomicBool::new(false),
            give_way: Notify::new(),
        });
        let mut taken = self.taken.lock();
        taken.retain(|other| !other.over.load(Ordering::Relaxed));
        taken.push_back(Arc::clone(&holder));
        Place { holder, _permit: permit }
    }

    /// Sends away who is idle: of those from the address with the most places, so that one address cannot drive out others, the oldest.
    fn evict(&self) {
        let mut taken = self.taken.lock();
        taken.retain(|other| !other.over.load(Ordering::Relaxed));
        let mut places = HashMap::new();
        taken.iter().for_each(|holder| *places.entry(holder.address).or_insert(0_usize) += 1);
        // Of several that are equal the last one counts.
        let idle = taken.iter().rev().filter(|holder| holder.is_idle());
        if let Some(holder) = idle.max_by_key(|holder| places.get(&holder.address)) {
            holder.over.store(true, Ordering::Relaxed);
            holder.give_way.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.holder.over.store(true, Ordering::Relaxed);
    }
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

/// The next request that a child has handed over, and who sent it.
async fn taken(doorway: Option<&UnixDatagram>) -> io::Result<(tokio::net::UnixStream, Peer)> {
    let Some(doorway) = doorway else { return pending().await };
    let (note, descriptor) = doorway.async_io(Interest::READABLE, || control::take(doorway.as_fd())).await?;
    let stream = std::os::unix::net::UnixStream::from(descriptor);
    stream.set_nonblocking(true)?;
    let peer = note.parse().map_or(Peer::Front, Peer::Main);
    Ok((tokio::net::UnixStream::from_std(stream)?, peer))
}

async fn accept(listener: Option<&Accepting>) -> io::Result<Stream> {
    let Some(listener) = listener else { return pending().await };
    match listener {
        Accepting::Tcp(listener) => listener.accept().await.map(|(stream, address)| Stream::Tcp(stream, address)),
        Accepting::Unix(listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
    }
}

fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    house: &House,
    graceful: &GracefulShutdown,
    place: Place,
) {
    let inner = TowerToHyperService::new(house.router.clone());
    let answered = place.holder.due.subscribe();
    let gate = house.gate.clone();
    let holder = Arc::clone(&place.holder);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(gate.now());
        request.extensions_mut().insert::<Due>(holder.due.clone());
        holder.asked.store(true, Ordering::Relaxed);
        holder.due.send_replace(None);
        let (answer, due, gate) = (hyper::service::Service::call(&inner, request), holder.due.clone(), gate.clone());
        async move {
            let answer = answer.await;
            if let Ok(answer) = &answer {
                gate.saw(peer, answer);
            }
            due.send_replace(Some(Instant::now() + ANSWER_TIMEOUT));
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
            () = place.holder.give_way.notified() => {}
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
