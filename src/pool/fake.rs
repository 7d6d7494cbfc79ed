//! A runtime without PHP, and the small tools of the pool's tests.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::incarnation::Incarnation;
use super::{Backoff, Config, Limits, Pool, WorkerState};
use crate::job::{
    self, Boundary, Ending, Exchange, Exit, Identity, Next, ReplyLimits, Request, RequestBody, RequestBuilder,
    Response, ResponseBody, Runtime, Seat,
};

/// Bound of every wait in the tests: far more than needed, so that reaching it means a fault.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A runtime whose script is a closure.
pub(super) struct Fake<F>(pub(super) F);

impl<F: Fn(&mut dyn Seat) -> Exit + Send + Sync + 'static> Runtime for Fake<F> {
    fn run(&self, seat: &mut dyn Seat) -> Exit {
        (self.0)(seat)
    }

    fn stack_size(&self) -> usize {
        256 * 1024
    }
}

/// The script of a well-behaved worker: each request is answered with what the handler returns for its path.
pub(super) fn serve(seat: &mut dyn Seat, handler: impl Fn(&Identity, &str) -> String) -> Exit {
    loop {
        match seat.next(crate::job::Boundary::default()) {
            Next::Care(_) => {}
            Next::Stop => return Exit::Stopped,
            Next::Job(exchange) => {
                let body = handler(seat.identity(), &path_of(&exchange.request));
                answer(exchange, &body);
                seat.responded();
            }
        }
    }
}

/// The same for a script that reports something at its boundary.
pub(super) fn report(seat: &mut dyn Seat, handler: impl Fn(&Identity, &str) -> (String, Boundary)) -> Exit {
    let mut boundary = Boundary::default();
    loop {
        match seat.next(std::mem::take(&mut boundary)) {
            Next::Care(_) => {}
            Next::Stop => return Exit::Stopped,
            Next::Job(exchange) => {
                let body;
                (body, boundary) = handler(seat.identity(), &path_of(&exchange.request));
                answer(exchange, &body);
                seat.responded();
                seat.resetting();
            }
        }
    }
}

pub(super) fn answer(mut exchange: Box<Exchange>, body: &str) {
    exchange.reply.write(body.as_bytes()).unwrap_or_default();
    exchange.reply.finish(Ending::Whole);
}

/// A pool with quick back-off.
pub(super) fn pool_of<F>(config: Config, script: F) -> Arc<Pool>
where
    F: Fn(&mut dyn Seat) -> Exit + Send + Sync + 'static,
{
    Pool::start(config, Arc::new(Fake(script))).expect("threads are there")
}

pub(super) fn config(workers: u32) -> Config {
    let backoff = Backoff { min: Duration::from_millis(20), max: Duration::from_millis(160) };
    Config { backoff, ..Config::new("test", workers) }
}

pub(super) fn request(path: &str) -> Request {
    let mut builder = RequestBuilder::new();
    let (uri, id) = (builder.text(path.as_bytes()), builder.text(b"id"));
    builder.fields().uri = uri;
    builder.fields().request_id = id;
    builder.build()
}

pub(super) fn path_of(request: &Request) -> String {
    request.display(request.uri).into_owned()
}

/// An incarnation without a thread.
pub(super) fn incarnation(slot: u32) -> Arc<Incarnation> {
    Incarnation::new(Identity { pool: "test".into(), slot, incarnation: 1 }, Limits::default(), true)
}

/// An exchange whose client has gone already.
pub(super) fn exchange(path: &str) -> Box<Exchange> {
    let request = request(path);
    let (reply, _) = job::channel(ReplyLimits::default(), &request.trail);
    Box::new(Exchange { request, body: RequestBody::empty(), reply })
}

pub(super) fn text(response: Response) -> String {
    let ResponseBody::Full(bytes) = response.body else { panic!("streamed") };
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Sends a request on a task of its own.
pub(super) fn send(pool: &Arc<Pool>, path: &str) -> tokio::task::JoinHandle<Result<String, job::Failure>> {
    let (pool, request) = (Arc::clone(pool), request(path));
    tokio::spawn(async move { pool.submit(request, RequestBody::empty()).await.map(text) })
}

/// Polls until a condition holds.
pub(super) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(super) async fn until_state(pool: &Pool, state: WorkerState, count: usize) {
    eventually(&format!("{count} workers are {state:?}"), || pool.snapshot().count(state) == count).await;
}

/// Stops a pool and insists that every thread was joined.
pub(super) async fn stop_clean(pool: &Pool) {
    assert_eq!(pool.stop(Instant::now() + PATIENCE).await, super::StopReport { left: 0 });
}
