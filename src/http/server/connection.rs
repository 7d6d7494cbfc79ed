//! One connection to its end: hyper speaks, and here is the clock.
//!
//! hyper has one timeout for a head and for the wait between requests, none before it knows the protocol, and none for idle HTTP/2
//! connections. So its own are off, and what a connection is doing is read off its wire after each step. The
//! alarm is only ever set earlier while a connection lives, so that a request costs no timer.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::{LAST_ANSWER, Order, Reading, SETTLE};
use crate::http::error::Refusal;
use crate::http::handler::{self, Front, TwoFramings, handle};
use crate::http::request::Peers;
use crate::http::route::Router;
use crate::http::stall::{Line, Patient, Streams, paced};
use crate::http::wire::{OpenExchange, Stage, Stream, Turn, Watch, Wire};
use crate::http::{Backend, Config};

/// How far a head may go beyond our own limits before hyper cuts it off: up to there the refusal knows the request (its id, its
/// path in the log), beyond it does not.
const HEAD_SLACK_BYTES: usize = 16 * 1024;
/// The same for the number of fields.
const HEAD_SLACK_FIELDS: usize = 28;
/// HTTP/2 streams a client may have open on one connection; what nginx and hyper allow as well.
const MAX_STREAMS: u32 = 128;
/// A client of HTTP/2 that has gone without a word holds its streams, and workers that stream to it, until a ping stays unanswered.
/// Less than the minute after which routers on the way forget a silent connection.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Time for the answer to a ping: a few lost packets.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection may stay idle while others wait for its place.
const HURRIED_IDLE: Duration = Duration::from_secs(1);
/// Time for a client to take note of an orderly close of HTTP/2, which needs an answer.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// Longest time spent on a client that goes on sending after its last answer ...
const LINGER_TIME: Duration = Duration::from_secs(2);

/// How connections are served.
pub(super) struct Server<B> {
    builder: auto::Builder<Streams>,
    front: Arc<Front<B>>,
}

/// Why the clock looked up.
enum Event {
    /// hyper is through with the connection.
    Ended,
    /// The alarm went off.
    Alarm,
    /// There is another order, or nobody left to give one.
    Order,
}

/// How a connection ended.
enum End {
    /// As its client or hyper wanted.
    Closed,
    /// A head did not arrive in time.
    HeadTooSlow,
    /// By order, or because the client was silent for too long.
    Dropped,
}

impl<B: Backend> Server<B> {
    pub(super) fn new(backend: B, config: Config, router: Router, closing: Arc<AtomicBool>) -> Self {
        let mut builder = auto::Builder::new(Streams::new(config.write_timeout));
        let head = config.max_header_size + HEAD_SLACK_BYTES;
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(config.max_headers + HEAD_SLACK_FIELDS)
            .max_buf_size(head);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX));
        if !config.http2 {
            builder = builder.http1_only();
        }
        let front = Arc::new(Front { backend, config, router, closing });
        Self { builder, front }
    }

    pub(super) fn max_connections(&self) -> usize {
        self.front.config.max_connections
    }

    /// One connection to its end.
    pub(super) async fn serve(
        &self,
        stream: Stream,
        peers: Peers,
        mut orders: watch::Receiver<Order>,
        reading: Reading,
    ) {
        let (wire, watch) = Wire::new(stream);
        let (wire, line) = Patient::new(wire, self.front.config.write_timeout);
        let service = {
            let (front, watch) = (Arc::clone(&self.front), watch.clone());
            service_fn(move |request| call(Arc::clone(&front), request, peers, watch.clone(), line.clone()))
        };
        // hyper, and with it whatever request is still open, is gone before the last word.
        let end = {
            let mut connection = pin!(self.builder.serve_connection(TokioIo::new(wire), service));
            let mut clock = Clock::new(&self.front.config, reading);
            let mut alarm = pin!(sleep_until(clock.due(&watch).unwrap_or_else(Instant::now)));
            clock.obey(*orders.borrow_and_update());
            loop {
                let event = {
                    let mut order = pin!(orders.changed());
                    poll_fn(|cx| {
                        // How else a connection ends is its client's affair: requests have their own records.
                        if connection.as_mut().poll(cx).is_ready() {
                            return Poll::Ready(Event::Ended);
                        }
                        if let Some(due) = clock.due(&watch)
                            && due < alarm.deadline()
                        {
                            alarm.as_mut().reset(due);
                        }
                        if alarm.as_mut().poll(cx).is_ready() {
                            return Poll::Ready(Event::Alarm);
                        }
                        order.as_mut().poll(cx).map(|_| Event::Order)
                    })
                    .await
                };
                match event {
                    Event::Ended => break End::Closed,
                    Event::Order if orders.has_changed().is_err() => break End::Dropped,
                    Event::Order => match *orders.borrow_and_update() {
                        Order::Cut => break End::Dropped,
                        order => clock.obey(order),
                    },
                    Event::Alarm => match clock.strike(&watch) {
                        Strike::Nothing(next) => alarm.as_mut().reset(next),
                        Strike::Close(next) => {
                            connection.as_mut().graceful_shutdown();
                            alarm.as_mut().reset(next);
                        }
                        Strike::HeadTooSlow => break End::HeadTooSlow,
                        Strike::Drop => break End::Dropped,
                    },
                }
            }
        };
        self.part(end, &watch, peers, orders).await;
    }

    /// The last word on a connection that hyper is through with.
    async fn part(&self, end: End, watch: &Watch, peers: Peers, mut orders: watch::Receiver<Order>) {
        let refusal = match (end, watch.refused()) {
            (End::Dropped, _) => return,
            (End::HeadTooSlow, _) => Some(Refusal::HeadTooSlow),
            // hyper tells the two that are too large from all that are malformed.
            (End::Closed, Some(414 | 431)) => Some(Refusal::HeadTooLarge),
            (End::Closed, Some(_)) => Some(Refusal::Malformed),
            (End::Closed, None) if watch.is_http2() && !self.front.config.http2 => Some(Refusal::VersionNotSpoken),
            (End::Closed, None) => None,
        };
        let farewell = async {
            if let Some(refusal) = refusal {
                let text = handler::refuse_unread(refusal, watch.asks_for_json(), peers, &self.front.config);
                if watch.last_word(&text).await.is_err() {
                    return;
                }
            }
            watch.drain().await;
        };
        tokio::select! {
            _ = timeout(LINGER_TIME, farewell) => {}
            // Nobody waits at the stop for a client that may go on sending.
            () = super::stopped(&mut orders) => {}
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
) -> Result<Response<Answering>, Infallible> {
    let turn = watch.begin_turn();
    let answering = |body| Answering { body, _turn: turn };
    if request.version() == Version::HTTP_2 {
        let response = handle(&front, peers, None, request.map(Body::new)).await;
        return Ok(response.map(|body| answering(paced(body, line))));
    }
    if watch.has_two_framings() {
        request.extensions_mut().insert(TwoFramings);
    }
    let exchange = (request.version() == Version::HTTP_11).then(|| watch.open_exchange());
    let interim = exchange.as_ref().map(OpenExchange::interim);
    let mut response = handle(&front, peers, interim, request.map(Body::new)).await;
    if front.closing.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    drop(exchange);
    watch.next_head();
    Ok(response.map(answering))
}

/// A body whose end is the end of its request's turn.
struct Answering {
    body: Body,
    _turn: Turn,
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What to do when the alarm has gone off.
#[derive(Debug, PartialEq, Eq)]
enum Strike {
    /// Nothing is due; look again then.
    Nothing(Instant),
    /// Close in order; look again then.
    Close(Instant),
    /// Answer 408 and close.
    HeadTooSlow,
    /// Close without a word.
    Drop,
}

/// How an order to end the connection is obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// There is none, or it has been obeyed.
    No,
    /// Closed then.
    At(Instant),
    /// Closed after one more answer, or then.
    AfterAnswer(Instant),
    /// HTTP/2, told to go: until then the client may not know it yet.
    Told(Instant),
}

/// How long a connection may go on with what it does.
#[derive(Debug)]
struct Clock {
    header_timeout: Duration,
    keepalive_timeout: Duration,
    stage: (Stage, u32),
    since: Instant,
    leaving: Leaving,
    /// Held until no new request is read.
    reading: Option<Reading>,
    hurry: bool,
    /// An orderly close has begun and must be over by then, unless there are requests.
    closing: Option<Instant>,
}

impl Clock {
    fn new(config: &Config, reading: Reading) -> Self {
        Self {
            header_timeout: config.header_timeout,
            keepalive_timeout: config.keepalive_timeout,
            stage: (Stage::Fresh, 0),
            since: Instant::now(),
            leaving: Leaving::No,
            reading: Some(reading),
            hurry: false,
            closing: None,
        }
    }

    fn obey(&mut self, order: Order) {
        self.hurry = order == Order::Hurry;
        match (order, self.leaving) {
            // A request that has been sent already is still taken.
            (Order::Drain, Leaving::No) => self.leaving = Leaving::At(Instant::now() + SETTLE),
            (Order::HandOver, Leaving::No) => self.leaving = Leaving::AfterAnswer(Instant::now() + LAST_ANSWER),
            _ => {}
        }
    }

    /// When the order to end the connection has to be obeyed.
    fn leaves(&self, stage: Stage, watch: &Watch) -> Option<Instant> {
        match self.leaving {
            Leaving::No => None,
            Leaving::At(then) | Leaving::Told(then) => Some(then),
            // The answer that is due is the last one; HTTP/2 can be told at any time.
            Leaving::AfterAnswer(_) if stage == Stage::Busy || watch.is_http2() => Some(self.since),
            // A head that has begun is a request that is to be answered. It has its own time.
            Leaving::AfterAnswer(_) if stage == Stage::Head => None,
            Leaving::AfterAnswer(then) => Some(then),
        }
    }

    /// When something has to be done about the connection, if nothing changes.
    fn due(&mut self, watch: &Watch) -> Option<Instant> {
        let stage = watch.stage();
        if stage != self.stage {
            self.stage = stage;
            self.since = Instant::now();
        }
        let own = match (stage.0, self.closing) {
            (Stage::Busy, _) => None,
            (Stage::Head, _) => Some(self.since + self.header_timeout),
            (Stage::Fresh | Stage::Idle, Some(end)) => Some(end),
            (Stage::Fresh, None) => Some(self.since + self.header_timeout),
            (Stage::Idle, None) if self.hurry => Some(self.since + self.keepalive_timeout.min(HURRIED_IDLE)),
            (Stage::Idle, None) => Some(self.since + self.keepalive_timeout),
        };
        own.into_iter().chain(self.leaves(stage.0, watch)).min()
    }

    fn strike(&mut self, watch: &Watch) -> Strike {
        let now = Instant::now();
        let due = self.due(watch);
        if due.is_none_or(|due| now < due) {
            // Busy connections are looked at now and then; that they have become idle is also seen at once where hyper tells.
            return Strike::Nothing(due.unwrap_or(now + self.keepalive_timeout));
        }
        if self.leaves(self.stage.0, watch).is_some_and(|then| then <= now) {
            return self.leave(now, watch);
        }
        match self.stage.0 {
            Stage::Head => Strike::HeadTooSlow,
            Stage::Fresh => Strike::Drop,
            _ if self.closing.is_some() => Strike::Drop,
            _ => {
                self.closing = Some(now + CLOSE_TIME);
                Strike::Close(now + CLOSE_TIME)
            }
        }
    }

    /// Obeys the order to end the connection.
    fn leave(&mut self, now: Instant, watch: &Watch) -> Strike {
        let before = self.leaving;
        self.leaving = match before {
            Leaving::AfterAnswer(then) if watch.is_http2() && then > now => Leaving::Told(then),
            _ => Leaving::No,
        };
        if self.leaving == Leaving::No {
            self.reading = None;
        }
        match (before, self.stage.0) {
            // Told before; what has come since is answered.
            (Leaving::Told(_), _) => return Strike::Nothing(self.due(watch).unwrap_or(now + self.keepalive_timeout)),
            // It has brought nothing in all that time.
            (Leaving::AfterAnswer(_), Stage::Fresh) if !watch.is_http2() => return Strike::Drop,
            _ => {}
        }
        // The deadline of the drain is that of the whole server.
        self.closing.get_or_insert(now + CLOSE_TIME);
        Strike::Close(self.due(watch).unwrap_or(now + self.keepalive_timeout))
    }
}
