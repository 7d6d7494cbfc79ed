//! What is told about a request when it is over: it is counted, gets its access-log line, and an event if PHP failed to answer.

#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, Uri, header};
use http_body::{Body as _, Frame, SizeHint};
use opentelemetry::trace::TraceId;

use super::Config;
use super::error::Refusal;
use super::request::{Arrival, Peers, protocol};
use super::traffic::{Traffic, Verb};
use crate::job::{Failure, Route, Trail};
use crate::telemetry::events::{Access, RequestFailed};

/// nginx's status for a client that left before there was an answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A body that is no longer leaves with its head: it is in memory whole, and nobody follows it on its way.
const AT_ONCE: u64 = 64 * 1024;

/// Whether nobody has to follow the body on its way.
pub(super) fn is_whole(response: &Response<Body>) -> bool {
    response.body().size_hint().exact().is_some_and(|length| length <= AT_ONCE)
}

/// What is known of a request while it is served. When the record is dropped it is counted, and written to the access log if there is one: when
/// the response has left, broke off, or was never made because the client went away.
#[derive(Debug)]
pub(super) struct Record<'f> {
    traffic: &'f Arc<Traffic>,
    entry: Entry,
    line: Option<Box<Line>>,
    /// The body has it now.
    attached: bool,
}

/// What is counted of a request.
#[derive(Debug, Clone)]
struct Entry {
    verb: Verb,
    arrival: Arrival,
    status: u16,
    /// What the worker's side notes; none if no worker was asked.
    trail: Option<Trail>,
}

impl Entry {
    /// The request is over: counts it, and writes its line.
    fn close(&self, traffic: &Traffic, line: Option<&Line>) {
        let route = self.trail.as_ref().map_or(Route::NONE, Trail::route);
        let duration = self.arrival.monotonic.elapsed();
        traffic.count(self.verb, self.status, route, duration);
        if let Some(line) = line {
            line.write(self.status, route, self.arrival.wall + duration, duration);
        }
    }
}

/// What is taken from the head shares its memory: nothing is copied for a line.
#[derive(Debug)]
struct Line {
    request_id: HeaderValue,
    trace: Option<TraceId>,
    remote: IpAddr,
    method: Method,
    target: Uri,
    referer: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    protocol: &'static str,
    bytes: u64,
}

impl<'f> Record<'f> {
    /// Opens a record. Without an access log it takes no memory of its own.
    pub(super) fn open(config: &'f Config, parts: &Parts, client: IpAddr, arrival: Arrival, id: &HeaderValue) -> Self {
        let line = || {
            Box::new(Line {
                request_id: id.clone(),
                trace: None,
                remote: client,
                method: parts.method.clone(),
                target: parts.uri.clone(),
                referer: parts.headers.get(header::REFERER).cloned(),
                user_agent: parts.headers.get(header::USER_AGENT).cloned(),
                protocol: std::str::from_utf8(protocol(parts.version)).unwrap_or_default(),
                bytes: 0,
            })
        };
        let verb = Verb::from(&parts.method);
        Self {
            traffic: &config.traffic,
            entry: Entry { verb, arrival, status: CLIENT_CLOSED_REQUEST, trail: None },
            line: config.access_log.then(line),
            attached: false,
        }
    }

    /// A worker is asked: what becomes of the request there is noted on this trail.
    pub(super) fn follow(&mut self, trail: &Trail) {
        self.entry.trail = Some(trail.clone());
    }

    /// Notes the trace that the request is part of.
    pub(super) fn part_of(&mut self, trace: TraceId) {
        if let Some(line) = &mut self.line {
            line.trace = Some(trace);
        }
    }

    /// Lets the record follow the response's body to its end.
    pub(super) fn attach(mut self, response: Response<Body>) -> Response<Body> {
        self.entry.status = response.status().as_u16();
        if is_whole(&response) {
            if let Some(line) = &mut self.line {
                line.bytes = if line.method == Method::HEAD { 0 } else { response.body().size_hint().lower() };
            }
            return response;
        }
        self.attached = true;
        let (traffic, entry, line) = (Arc::clone(self.traffic), self.entry.clone(), self.line.take());
        response.map(|body| Body::new(Recorded { body, traffic, entry, line }))
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if !self.attached {
            self.entry.close(self.traffic, self.line.as_deref());
        }
    }
}

impl Line {
    fn write(&self, status: u16, route: Route, ended: SystemTime, duration: Duration) {
        Access {
            request_id: self.request_id.to_str().unwrap_or_default(),
            trace_id: self.trace,
            remote: self.remote,
            method: self.method.as_str(),
            path: self.target.path(),
            route: route.told(),
            protocol: self.protocol,
            status,
            bytes: self.bytes,
            ended,
            duration,
            referer: self.referer.as_ref().map(HeaderValue::as_bytes),
            user_agent: self.user_agent.as_ref().map(HeaderValue::as_bytes),
        }
        .emit();
    }
}

/// Counts a request that could not be read, or not in time, and writes its access-log line. What stands for nothing is a dash, as elsewhere.
pub(super) fn unread(refusal: Refusal, peers: Peers, request_id: &str, config: &Config) {
    let status = refusal.face().status.as_u16();
    config.traffic.count(Verb::OTHER, status, Route::NONE, Duration::ZERO);
    if !config.access_log {
        return;
    }
    Access {
        request_id,
        trace_id: None,
        remote: peers.remote.ip().to_canonical(),
        method: "-",
        path: "-",
        route: None,
        protocol: "-",
        status,
        bytes: 0,
        ended: SystemTime::now(),
        duration: Duration::ZERO,
        referer: None,
        user_agent: None,
    }
    .emit();
}

/// Tells the operator that PHP had the request, or was to have it, and gave no answer. What a pool turns away it reports itself;
/// what a client did wrong shows in the access log.
pub(super) fn report(refusal: Refusal, parts: &Parts, request_id: &str) {
    match refusal {
        Refusal::Storage | Refusal::Failed(Failure::Script(_) | Failure::WorkerLost | Failure::NoWorkers) => {}
        Refusal::Failed(Failure::ExecutionTimeout | Failure::QueueTimeout | Failure::QueueFull | Failure::Draining)
        | Refusal::Malformed
        | Refusal::NotFound
        | Refusal::BodyTooLarge
        | Refusal::HeadTooSlow
        | Refusal::BodyTooSlow
        | Refusal::HeadTooLarge
        | Refusal::VersionNotSpoken => return,
    }
    let face = refusal.face();
    RequestFailed {
        request_id,
        method: parts.method.as_str(),
        path: parts.uri.path(),
        cause: face.code,
        status: face.status.as_u16(),
    }
    .emit();
}

/// A body that counts what leaves.
struct Recorded {
    body: Body,
    traffic: Arc<Traffic>,
    entry: Entry,
    line: Option<Box<Line>>,
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.entry.close(&self.traffic, self.line.as_deref());
    }
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(line), Some(Ok(frame))) = (&mut self.line, &frame) {
            line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
