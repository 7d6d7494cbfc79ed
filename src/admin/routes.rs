//! What can be asked, and the answers.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::aggregate::Aggregate;
use super::feed::{Feed, Full};
use super::guard::{Allowed, Denied};
use super::metrics::Metrics;
use super::serve::Due;
use super::telemetry::Telemetry;
use super::totals::{self, Pools};
use super::view::{Order, View};
use super::{Server, dashboard, health, maintenance};
use crate::telemetry::escape;

/// How long the files of a folder are waited for.
const FILES: Duration = Duration::from_secs(2);

/// What the handlers share.
pub(super) struct Desk<S> {
    pub(super) server: Arc<S>,
    metrics: Arc<Metrics>,
    feed: Feed,
    /// Whose turn it is to write metrics.
    scrapes: Arc<Semaphore>,
    /// Whose turn it is to read files.
    files: Arc<Semaphore>,
}

impl<S: Server> Desk<S> {
    pub(super) async fn view(&self) -> (View, Pools) {
        let view = self.server.view().await;
        let totals = totals::of(&view);
        (view, totals)
    }

    /// Metrics of this moment. With many routes they take long to write: one scrape at a time, and nobody who asks for something else waits for it.
    async fn metrics<T: Send + 'static>(
        &self,
        take: impl FnOnce(&Metrics, View, Pools) -> T + Send + 'static,
    ) -> Option<T> {
        let (view, totals) = self.view().await;
        let metrics = Arc::clone(&self.metrics);
        aside("sc-scrape", &self.scrapes, move || take(&metrics, view, totals)).await
    }
}

/// Does something that may take long, one at a time and on a thread of its own: it holds up nobody who asks for something else, and there is no
/// second thread.
async fn aside<T: Send + 'static>(
    name: &str,
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let turn = Arc::clone(turns).acquire_owned().await.ok()?;
    let (result, done) = oneshot::channel();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Nobody may be waiting any more.
        result.send(work()).ok();
        drop(turn);
    });
    thread.ok()?;
    done.await.ok()
}

const LIVE: &[&str] = &["/healthz", "/health", "/health/live"];
const READY: &[&str] = &["/ready", "/health/ready"];
const STARTED: &[&str] = &["/health/startup"];
const STATUS: &[&str] = &["/status", "/status/worker"];
const WORKERS: &[&str] = &["/workers", "/debug/workers"];
const METRICS: &[&str] = &["/metrics"];
const HOST: &[&str] = &["/runtime/status/host", "/status/host"];
const AGGREGATE: &[&str] = &["/runtime/metrics/aggregate"];
const ORDERS: &[&str] = &["/workers/recycle", "/reload", "/drain"];
const MAINTENANCE: &[&str] = &["/maintenance", "/maintenance/on", "/maintenance/off"];

/// Where something is that is also to be had on the addresses of the server, if that is wanted. Not the dashboard: `/` is the
/// application's.
pub(super) const PATHS: &[&[&str]] =
    &[LIVE, READY, STARTED, STATUS, WORKERS, METRICS, HOST, AGGREGATE, ORDERS, MAINTENANCE];

/// All of them.
pub(super) fn router<S: Server>(server: S, feed: Feed) -> Router {
    let desk = Arc::new(Desk {
        server: Arc::new(server),
        metrics: Arc::new(Metrics::new()),
        feed,
        scrapes: Arc::new(Semaphore::new(1)),
        files: Arc::new(Semaphore::new(1)),
    });
    let at = |router: Router<Arc<Desk<S>>>, paths: &[&str], what: MethodRouter<Arc<Desk<S>>>| {
        paths.iter().fold(router, |router, path| router.route(path, what.clone()))
    };
    let router = at(Router::new().route("/", get(page)), LIVE, get(health::alive));
    let router = at(router, READY, get(health::ready::<S>));
    let router = at(router, STARTED, get(health::started::<S>));
    let router = at(router, STATUS, get(status::<S>));
    let router = at(router, WORKERS, get(workers::<S>));
    let router = at(router, HOST, get(host::<S>));
    let router = at(router, AGGREGATE, get(aggregate::<S>));
    at(router, METRICS, get(metrics::<S>))
        .route("/events", get(events::<S>))
        .route("/workers/recycle", post(recycle::<S>))
        .route("/reload", post(reload::<S>))
        .route("/drain", post(drain::<S>))
        .route("/maintenance", get(maintenance::shown::<S>))
        .route("/maintenance/on", post(maintenance::on::<S>))
        .route("/maintenance/off", post(maintenance::off::<S>))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing)
        .layer(map_response(uncached))
        .with_state(desk)
}

type Shared<S> = State<Arc<Desk<S>>>;

/// An answer in JSON, for terminals too: what could steer one stands there as `\u0085`.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Everything that is shown has names for keys, so there is nothing that JSON could not say.
    let mut text = escape::lines(&serde_json::to_string_pretty(body).unwrap_or_default());
    text.push('\n');
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

pub(super) fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    json(status, &json!({ "error": { "code": code, "message": message } }))
}

/// What was true a second ago is of no use to anybody.
async fn uncached(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let never = HeaderValue::from_static("no-store, no-cache, must-revalidate, max-age=0");
    headers.insert(header::CACHE_CONTROL, never);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What is no order needs no mark of one.
async fn wrong_method(guard: Result<Allowed, Denied>) -> Response {
    if let Some(denied) = guard.err().filter(|denied| *denied != Denied::Unmarked) {
        return denied.into_response();
    }
    refused(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address takes another method.")
}

async fn nothing(_: Allowed) -> Response {
    refused(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
}

async fn status<S: Server>(_: Allowed, State(desk): Shared<S>) -> Response {
    let (view, totals) = desk.view().await;
    let mut told = super::view::status(&view, &totals);
    told["extra"]["telemetryDir"] = desk.server.telemetry().dir.as_ref().map(|dir| dir.display().to_string()).into();
    json(StatusCode::OK, &told)
}

async fn workers<S: Server>(_: Allowed, State(desk): Shared<S>) -> Response {
    let (view, totals) = desk.view().await;
    json(StatusCode::OK, &super::view::workers(&view, &totals))
}

/// For everybody: there is nothing on it.
async fn page() -> Response {
    dashboard::page()
}

async fn events<S: Server>(allowed: Allowed, State(desk): Shared<S>, Extension(due): Extension<Due>) -> Response {
    match desk.feed.watch(&desk.server, due, allowed.lapsed()) {
        Ok(stream) => stream,
        Err(Full) => refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_viewers",
            "As many as can watch at a time do; /status and /workers tell the same.",
        ),
    }
}

async fn metrics<S: Server>(_: Allowed, State(desk): Shared<S>, asked: HeaderMap) -> Response {
    let accept: Vec<_> = asked.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    match desk.metrics(move |metrics, view, totals| metrics.text(view, totals, &accept)).await {
        Some(Ok((media, text))) => ([(header::CONTENT_TYPE, media)], text).into_response(),
        Some(Err(message)) => refused(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", &message),
        None => unwritten(),
    }
}

fn unwritten() -> Response {
    refused(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The metrics could not be written.")
}

/// The numbers of all servers that share `telemetry.dir`.
async fn aggregate<S: Server>(_: Allowed, State(desk): Shared<S>) -> Response {
    let own = desk.metrics(|metrics, view, totals| Aggregate::of(&metrics.gather(view, totals))).await;
    let Some(own) = own else { return unwritten() };
    from_files(desk, move |telemetry| telemetry.merged(own)).await
}

async fn host<S: Server>(_: Allowed, State(desk): Shared<S>) -> Response {
    from_files(desk, Telemetry::host).await
}

/// An answer for which files are read: a file system may hang.
async fn from_files<S: Server, T: Serialize + Send + 'static>(
    desk: Arc<Desk<S>>,
    read: impl FnOnce(&Telemetry) -> T + Send + 'static,
) -> Response {
    let files = Arc::clone(&desk.files);
    let answer = aside("sc-files", &files, move || read(desk.server.telemetry()));
    match timeout(FILES, answer).await {
        Ok(Some(answer)) => json(StatusCode::OK, &answer),
        Ok(None) | Err(_) => {
            refused(StatusCode::SERVICE_UNAVAILABLE, "telemetry_unavailable", "The telemetry folder cannot be read.")
        }
    }
}

async fn recycle<S: Server>(
    _: Allowed,
    State(desk): Shared<S>,
    order: Result<Query<Order>, QueryRejection>,
) -> Response {
    let Query(order) = match order {
        Ok(order) => order,
        Err(error) => return refused(StatusCode::BAD_REQUEST, "bad_request", &error.body_text()),
    };
    match desk.server.recycle(order).await {
        Ok(workers) => json(
            StatusCode::ACCEPTED,
            &json!({
                "action": "recycle", "workers": workers,
                "message": "Each of these workers is replaced as soon as its successor has booted.",
            }),
        ),
        Err(message) => refused(StatusCode::NOT_FOUND, "not_found", &message),
    }
}

/// What can be said about a reload.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReloadOrder {
    /// Answer when it is over, with its outcome.
    wait: bool,
}

async fn reload<S: Server>(
    _: Allowed,
    State(desk): Shared<S>,
    order: Result<Query<ReloadOrder>, QueryRejection>,
) -> Response {
    let Query(order) = match order {
        Ok(order) => order,
        Err(error) => return refused(StatusCode::BAD_REQUEST, "bad_request", &error.body_text()),
    };
    // A client that does not wait for the end does not end it.
    let outcome = tokio::spawn(async move { desk.server.reload().await });
    if !order.wait {
        return json(
            StatusCode::ACCEPTED,
            &json!({
                "action": "reload",
                "message": "A new generation boots beside the old one and takes over once its workers have reached their loops; \
                            /status tells how it went.",
            }),
        );
    }
    match outcome.await {
        Ok(outcome) if outcome.ok => json(StatusCode::OK, &outcome),
        Ok(outcome) => json(StatusCode::INTERNAL_SERVER_ERROR, &outcome),
        Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The reload came to no end."),
    }
}

async fn drain<S: Server>(_: Allowed, State(desk): Shared<S>) -> Response {
    desk.server.drain().await;
    json(
        StatusCode::ACCEPTED,
        &json!({
            "action": "drain",
            "message": "No new requests are taken; the server ends once the running ones are done, at the latest after \
                        server.drain_timeout.",
        }),
    )
}
