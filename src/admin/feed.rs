//! The live feed: one snapshot of the server a second, as Server-Sent Events, for everybody who watches.
//!
//! However many watch, the children are asked once a second, and while nobody watches they are not asked at all. Who does not keep up misses
//! snapshots and gets the newest; who reads nothing is dropped by the listener ([`Due`]).

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Server;
use super::serve::{ANSWER_TIMEOUT, Due};
use super::{totals, view};
use crate::telemetry::escape;

/// Viewers at a time: a quarter of the connections, so that probes, scrapers and orders always find a place.
const MOST_VIEWERS: usize = 16;
/// Time between two snapshots.
const PERIOD: Duration = Duration::from_secs(1);

/// What is sent last: nothing yet, or an event.
type Latest = Option<Bytes>;

/// The feed of one server.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    latest: watch::Sender<Latest>,
    places: Arc<Semaphore>,
    /// Asks the server once a second, while somebody watches.
    asker: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// Turns true when the endpoints end.
    closing: watch::Receiver<bool>,
}

/// All places are taken.
#[derive(Debug)]
pub(super) struct Full;

impl Feed {
    pub(super) fn new(closing: watch::Receiver<bool>) -> Self {
        let places = Arc::new(Semaphore::new(MOST_VIEWERS));
        Self { latest: watch::Sender::new(None), places, asker: Arc::default(), closing }
    }

    /// The answer to one more viewer. `due` is the time by which its connection must have taken what was sent; it ends when `lapsed`
    /// resolves.
    ///
    /// # Errors
    /// There are viewers enough.
    pub(super) fn watch<S: Server>(
        &self,
        server: &Arc<S>,
        due: Due,
        lapsed: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Response, Full> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Full)?;
        let mut asker = self.asker.lock();
        let events = self.latest.subscribe();
        if asker.as_ref().is_none_or(JoinHandle::is_finished) {
            // What the last viewer saw is old.
            self.latest.send_replace(None);
            *asker = Some(tokio::spawn(self.clone().ask(Arc::clone(server))));
        }
        drop(asker);
        let body = Body::new(Events { next: next(events, true), due, lapsed: Box::pin(lapsed), _place: place });
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        let mut response = body.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        // For proxies that would collect what is to be seen at once.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }

    /// Asks until nobody watches any more or the endpoints end.
    async fn ask<S: Server>(self, server: Arc<S>) {
        let mut closing = self.closing.clone();
        tokio::select! {
            () = self.ask_on(&*server) => {}
            // An event without bytes is the last one. It ends the answers, so that their connections need no cut.
            _ = closing.wait_for(|closing| *closing) => drop(self.latest.send_replace(Some(Bytes::new()))),
        }
    }

    async fn ask_on(&self, server: &impl Server) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 1_u64.. {
            ticks.tick().await;
            let mut asker = self.asker.lock();
            if self.latest.receiver_count() == 0 {
                *asker = None;
                return;
            }
            drop(asker);
            let view = server.view().await;
            self.latest.send_replace(Some(event(number, &view::moment(&view, &totals::of(&view)))));
        }
    }
}

/// A snapshot as an event. JSON on one line has no line break that could end the event early.
fn event(number: u64, moment: &serde_json::Value) -> Bytes {
    let moment = escape::lines(&moment.to_string());
    format!("id: {number}\nevent: snapshot\ndata: {moment}\n\n").into()
}

/// What resolves with the next event, and the channel that it came from.
type Next = Pin<Box<dyn Future<Output = (Latest, watch::Receiver<Latest>)> + Send>>;

/// The newest event that has not been sent yet; for a new viewer the one that is there already.
fn next(mut events: watch::Receiver<Latest>, fresh: bool) -> Next {
    Box::pin(async move {
        if fresh {
            events.mark_changed();
        }
        loop {
            if events.changed().await.is_err() {
                return (None, events);
            }
            let latest = events.borrow_and_update().clone();
            if latest.is_some() {
                return (latest, events);
            }
        }
    })
}

/// The body of an answer: events until the endpoints end, or what let its viewer in does not hold any more.
struct Events {
    next: Next,
    due: Due,
    lapsed: Pin<Box<dyn Future<Output = ()> + Send>>,
    _place: OwnedSemaphorePermit,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.lapsed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        // The connection asks for more: it has room, so what was sent before has been taken.
        self.due.send_if_modified(|due| due.take().is_some());
        let (event, events) = ready!(self.next.as_mut().poll(cx));
        let Some(bytes) = event.filter(|bytes| !bytes.is_empty()) else { return Poll::Ready(None) };
        self.next = next(events, false);
        self.due.send_replace(Some(Instant::now() + ANSWER_TIMEOUT));
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::admin::{Order, Reloaded, Telemetry, View};
    use crate::control::Maintenance;

    /// Counts how often it is asked.
    #[derive(Debug, Default)]
    struct Counting(AtomicU64, Telemetry);

    impl Server for Counting {
        async fn view(&self) -> View {
            self.0.fetch_add(1, Ordering::Relaxed);
            View::default()
        }
        async fn reload(&self) -> Reloaded {
            Reloaded::default()
        }
        async fn drain(&self) {}
        async fn maintain(&self, _: Option<Maintenance>) {}
        async fn recycle(&self, _: Order) -> Result<u32, String> {
            Ok(0)
        }
        fn telemetry(&self) -> &Telemetry {
            &self.1
        }
    }

    async fn first(answer: Response) -> (Bytes, Body) {
        let mut body = answer.into_body();
        let frame = body.frame().await.expect("an event").expect("no error");
        (frame.into_data().expect("data"), body)
    }

    fn viewer(feed: &Feed, server: &Arc<Counting>) -> Result<Response, Full> {
        feed.watch(server, Due::new(None), std::future::pending())
    }

    #[tokio::test]
    async fn all_viewers_see_the_answer_to_one_question() {
        let (closing, closed) = watch::channel(false);
        let (feed, server) = (Feed::new(closed), Arc::new(Counting::default()));
        let mut seen = Vec::new();
        for _ in 0..MOST_VIEWERS {
            seen.push(first(viewer(&feed, &server).expect("a place")).await);
        }
        assert!(viewer(&feed, &server).is_err(), "one too many");
        assert_eq!(server.0.load(Ordering::Relaxed), 1);
        assert!(seen[0].0.starts_with(b"id: 1\nevent: snapshot\ndata: {"), "{:?}", seen[0].0);
        assert!(seen.iter().all(|(event, _)| *event == seen[0].0));

        // Whoever leaves gives its place back; when all have left nobody is asked any more.
        drop(seen);
        let asker = || feed.asker.lock().is_none();
        for _ in 0..100 {
            if asker() {
                break;
            }
            tokio::time::sleep(PERIOD / 10).await;
        }
        assert!(asker(), "the asker leaves with the last viewer");
        let asked = server.0.load(Ordering::Relaxed);
        let (again, mut body) = first(viewer(&feed, &server).expect("a place")).await;
        assert!(again.starts_with(b"id: 1\n"), "what was seen before is not shown as news: {again:?}");
        assert_eq!(server.0.load(Ordering::Relaxed), asked + 1);

        closing.send_replace(true);
        assert!(body.frame().await.is_none(), "the feed ends with the server");
    }
}
