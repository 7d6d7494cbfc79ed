//! The span of a request as a whole, and the context that PHP continues.
//!
//! Nothing of this is there unless requests are traced: the client's header fields then pass through as they are.

#![forbid(unsafe_code)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version, header};
use http_body::{Frame, SizeHint};

use super::error::Refusal;
use super::record::is_whole;
use super::request::{Arrival, Client};
use super::trace_context::{self, Carried, TRACEPARENT, TRACESTATE};
use crate::job::{Moment, RequestBuilder, Trace, Trail};
use crate::telemetry::spans::{RequestRecord, Tracer};

/// Tells a client which trace its request has become part of (W3C Trace Context level 2, draft of the response header).
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// A word for a response that did not come to its end on our side.
const BROKEN_OFF: &str = "broken_off";

/// Whose context is continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound {
    /// That of anybody.
    Any,
    /// That of trusted proxies; requests of others begin a trace.
    Trusted,
    /// Nobody's.
    None,
}

/// How requests are traced.
#[derive(Debug, Clone)]
pub struct Tracing {
    /// Decides, and takes what there is to tell.
    pub tracer: Arc<Tracer>,
    /// Whose context is continued.
    pub inbound: Inbound,
    /// Whether responses name their trace.
    pub respond: bool,
}

/// A request that is part of a trace.
#[derive(Debug)]
pub(super) struct Traced {
    trace: Trace,
    /// What other systems have noted, for PHP.
    state: String,
    respond: bool,
    /// What is reported of it; nothing if it is not sampled.
    report: Option<Report>,
}

/// Becomes a span when it is dropped: when the response has left, broke off, or was never made because the client went away.
#[derive(Debug)]
struct Report {
    tracer: Arc<Tracer>,
    arrival: Arrival,
    record: Option<RequestRecord>,
    /// What is noted about it beyond HTTP.
    trail: Option<Trail>,
}

impl Report {
    /// From when to when it waited for a worker that it never got: of others the pool tells.
    fn waited(&self) -> Option<(SystemTime, SystemTime)> {
        let timeline = self.trail.as_ref()?.timeline();
        match (timeline.since_accepted(Moment::Queued), timeline.at(Moment::Started)) {
            (Some(queued), None) => {
                Some((self.arrival.wall + queued, self.arrival.wall + self.arrival.monotonic.elapsed()))
            }
            _ => None,
        }
    }
}

impl Traced {
    /// Continues the client's trace, or begins one, and takes what the client says of it out of the header fields. `trusted`: the other end
    /// of the connection is a proxy of ours.
    pub(super) fn open(
        tracing: &Tracing,
        parts: &mut Parts,
        client: &Client,
        trusted: bool,
        arrival: Arrival,
        id: &str,
    ) -> Self {
        let continued = match tracing.inbound {
            Inbound::Any => true,
            Inbound::Trusted => trusted,
            Inbound::None => false,
        };
        let Carried { parent, state } = trace_context::take(&mut parts.headers, continued);
        let tracer = &tracing.tracer;
        let (trace, flags) = tracer.trace(parent);
        let trace = Trace { id: trace, request: tracer.span(), php: tracer.span(), flags };
        let report = trace.is_sampled().then(|| Report {
            tracer: Arc::clone(tracer),
            arrival,
            record: Some(RequestRecord {
                trace: trace.id,
                span: trace.request,
                parent: parent.map(|parent| parent.span),
                flags,
                state: state.clone(),
                start: arrival.wall,
                duration: Duration::ZERO,
                request_id: id.to_owned(),
                method: parts.method.to_string(),
                path: parts.uri.path().to_owned(),
                scheme: if client.https { "https" } else { "http" },
                protocol: version(parts.version),
                host: host(parts),
                client: client.address,
                user_agent: text(&parts.headers, &header::USER_AGENT),
                route: None,
                status: None,
                error: None,
                waited: None,
            }),
            trail: None,
        });
        Self { trace, state, respond: tracing.respond, report }
    }

    /// The ids of its spans.
    pub(super) fn trace(&self) -> Trace {
        self.trace
    }

    /// Gives a request that goes on to PHP its place in the trace. PHP gets to see its own span, as the parent of what it reports itself.
    pub(super) fn accompany(&mut self, request: &mut RequestBuilder) {
        add(request, &TRACEPARENT, &self.trace.parent(self.trace.php).text());
        if !self.state.is_empty() {
            add(request, &TRACESTATE, self.state.as_bytes());
        }
        let request = request.fields();
        request.trace = Some(self.trace);
        if let Some(report) = &mut self.report {
            report.trail = Some(request.trail.clone());
        }
    }

    /// Notes that the server answers itself.
    pub(super) fn refused(&mut self, refusal: Refusal) {
        let face = refusal.face();
        // What the client did wrong is no error of ours.
        if face.status.is_server_error()
            && let Some(record) = self.report.as_mut().and_then(|report| report.record.as_mut())
        {
            record.error = Some(face.code);
        }
    }

    /// Lets the span follow the response's body to its end.
    pub(super) fn attach(mut self, mut response: Response<Body>) -> Response<Body> {
        if self.respond
            && let Ok(value) = HeaderValue::from_bytes(&self.trace.parent(self.trace.request).text())
        {
            response.headers_mut().insert(TRACERESPONSE, value);
        }
        let Some(mut report) = self.report.take() else { return response };
        if let Some(record) = &mut report.record {
            record.status = Some(response.status().as_u16());
        }
        if is_whole(&response) {
            return response;
        }
        response.map(|body| Body::new(Followed { body, report }))
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.duration = self.arrival.monotonic.elapsed();
            record.waited = self.waited();
            record.route = self.trail.as_ref().and_then(|trail| trail.route().told());
            self.tracer.request(record);
        }
    }
}

/// Adds a header that the request does not have.
fn add(request: &mut RequestBuilder, name: &HeaderName, value: &[u8]) {
    let (name, value) = (request.text(name.as_str().as_bytes()), request.text(value));
    request.header(name, value);
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

/// The host that the client named, as it stands there.
fn host(parts: &Parts) -> String {
    let named = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    named.or_else(|| text(&parts.headers, &header::HOST)).unwrap_or_default()
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A body whose end is the end of a span.
struct Followed {
    body: Body,
    report: Report,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(Err(_)), Some(record)) = (&frame, &mut self.report.record) {
            record.error = Some(BROKEN_OFF);
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
