//! What is known of a request, and the spans it becomes.
//!
//! Attributes follow the semantic conventions for HTTP servers; what those have no name for begins with `supercharger.`.

#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};

/// A request as a whole, as its client has seen it.
#[derive(Debug)]
pub struct RequestRecord {
    /// The trace.
    pub trace: TraceId,
    /// The span's own id.
    pub span: SpanId,
    /// The client's span, if it sent one.
    pub parent: Option<SpanId>,
    /// The trace's flags.
    pub flags: TraceFlags,
    /// What other systems have noted of the trace: `tracestate`, checked.
    pub state: String,
    /// When its head had been read.
    pub start: SystemTime,
    /// From then until the last byte of the response.
    pub duration: Duration,
    /// Its id.
    pub request_id: String,
    /// Its method, as sent.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Such as `1.1` or `2`.
    pub protocol: &'static str,
    /// Host that the client named; may be empty.
    pub host: String,
    /// The client.
    pub client: IpAddr,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// The route's template, as the application has told it.
    pub route: Option<&'static str>,
    /// The status; none if the client left before there was one.
    pub status: Option<u16>,
    /// A word for what went wrong on our side.
    pub error: Option<&'static str>,
    /// From when to when it waited for a worker, if it never got one.
    pub waited: Option<(SystemTime, SystemTime)>,
}

/// A part of what happens to a request besides HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It waits for a worker.
    Queue,
    /// A worker has it: from the script's start, or the handler's, to its end.
    Php,
    /// The response has left, and the script goes on.
    Terminate,
    /// The worker puts back what the request changed.
    Reset,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Php => "php",
            Self::Terminate => "terminate",
            Self::Reset => "reset",
        }
    }
}

/// What became of a request in its pool.
#[derive(Debug)]
pub struct PhpRecord {
    /// The trace.
    pub trace: TraceId,
    /// The span of the request as a whole.
    pub request: SpanId,
    /// The id that [`Part::Php`] has been given out with.
    pub php: SpanId,
    /// The trace's flags.
    pub flags: TraceFlags,
    /// Id of the request.
    pub request_id: String,
    /// Name of the pool.
    pub pool: Arc<str>,
    /// The worker's place in it.
    pub slot: u32,
    /// Which incarnation of that slot.
    pub incarnation: u64,
    /// What there was, and when.
    pub parts: Vec<(Part, SystemTime, SystemTime)>,
    /// A word for what went wrong in PHP.
    pub error: Option<&'static str>,
    /// What the application has told of its own part.
    pub children: Vec<Child>,
    /// About what that takes in memory.
    pub children_bytes: usize,
    /// Spans of the application's that there was no room for.
    pub children_dropped: u32,
}

/// A span of the application's, below that of PHP.
#[derive(Debug)]
pub struct Child {
    /// Its id.
    pub id: SpanId,
    /// The span that it is part of.
    pub parent: SpanId,
    /// What is done in it.
    pub name: String,
    /// Whether it asks somebody else.
    pub kind: SpanKind,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// A word for what went wrong.
    pub error: Option<String>,
    /// What else there is to say.
    pub attributes: Vec<KeyValue>,
    /// Attributes that there was no room for.
    pub dropped_attributes: u32,
}

/// What waits in the queue.
#[derive(Debug)]
pub(super) enum Record {
    Request(Box<RequestRecord>),
    Php(Box<PhpRecord>),
}

impl Record {
    /// How many spans it becomes.
    pub(super) fn spans(&self) -> u64 {
        match self {
            Self::Request(record) => 1 + u64::from(record.waited.is_some()),
            Self::Php(record) => (record.parts.len() + record.children.len()) as u64,
        }
    }

    /// About what the application has told takes in memory, in bytes.
    pub(super) fn told_bytes(&self) -> usize {
        match self {
            Self::Request(_) => 0,
            Self::Php(record) => record.children_bytes,
        }
    }

    /// Drops what the application has told. Returns how many spans that were.
    pub(super) fn forget_told(&mut self) -> u64 {
        match self {
            Self::Request(_) => 0,
            Self::Php(record) => {
                record.children_bytes = 0;
                std::mem::take(&mut record.children).len() as u64
            }
        }
    }
}

/// Spans ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Spans(pub(super) Vec<SpanData>);

/// How many spans of the application there was no room for.
const DROPPED_SPANS: &str = "supercharger.dropped_spans";

/// Methods that the conventions list; another one is a client's invention, and a span's name must not be that.
const METHODS: [&str; 10] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// Longest text taken over from a request into an attribute, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

const REQUEST_ID: &str = "supercharger.request_id";

static SCOPE: LazyLock<InstrumentationScope> =
    LazyLock::new(|| InstrumentationScope::builder("supercharger").with_version(env!("CARGO_PKG_VERSION")).build());

impl Spans {
    pub(super) fn add(&mut self, record: Record) {
        match record {
            Record::Request(record) => {
                self.0.extend(record.waited.map(|(start, end)| waited(&record, start, end)));
                self.0.push(request(*record));
            }
            Record::Php(mut record) => {
                let children = std::mem::take(&mut record.children);
                self.parts(&record);
                self.0.extend(children.into_iter().map(|told| child(&record, told)));
            }
        }
    }

    fn parts(&mut self, record: &PhpRecord) {
        let ids = RandomIdGenerator::default();
        for (part, start, end) in &record.parts {
            let id = if *part == Part::Php { record.php } else { ids.new_span_id() };
            let parent = if *part == Part::Terminate { record.php } else { record.request };
            let mut attributes = vec![
                KeyValue::new("supercharger.pool", Arc::clone(&record.pool)),
                KeyValue::new(REQUEST_ID, record.request_id.clone()),
            ];
            if *part != Part::Queue {
                attributes.push(KeyValue::new("supercharger.slot", i64::from(record.slot)));
                let incarnation = i64::try_from(record.incarnation).unwrap_or(i64::MAX);
                attributes.push(KeyValue::new("supercharger.incarnation", incarnation));
            }
            if *part == Part::Php && record.children_dropped > 0 {
                attributes.push(KeyValue::new(DROPPED_SPANS, i64::from(record.children_dropped)));
            }
            let error = record.error.filter(|_| *part == Part::Php);
            attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
            let context = SpanContext::new(record.trace, id, record.flags, false, TraceState::NONE);
            self.0.push(SpanData {
                parent_span_id: parent,
                name: part.name().into(),
                start_time: *start,
                end_time: *end,
                attributes,
                status: status(error),
                ..span(context)
            });
        }
    }
}

/// The rest of a span. Times are to be filled in.
fn span(span_context: SpanContext) -> SpanData {
    SpanData {
        span_context,
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: SCOPE.clone(),
    }
}

/// A status without words: the error's type says what there is to say.
fn status(error: Option<&str>) -> Status {
    if error.is_some() { Status::error("") } else { Status::Unset }
}

/// A span of the application's. The request's id is ours, whatever the application says.
fn child(record: &PhpRecord, child: Child) -> SpanData {
    let mut attributes = child.attributes;
    attributes.retain(|attribute| attribute.key.as_str() != REQUEST_ID);
    attributes.push(KeyValue::new(REQUEST_ID, record.request_id.clone()));
    let status = status(child.error.as_deref());
    if let Some(error) = child.error {
        attributes.retain(|attribute| attribute.key.as_str() != "error.type");
        attributes.push(KeyValue::new("error.type", error));
    }
    SpanData {
        parent_span_id: child.parent,
        span_kind: child.kind,
        name: child.name.into(),
        start_time: child.start,
        end_time: child.end,
        attributes,
        dropped_attributes_count: child.dropped_attributes,
        status,
        ..span(SpanContext::new(record.trace, child.id, record.flags, false, TraceState::NONE))
    }
}

/// The wait of a request that no worker got.
fn waited(record: &RequestRecord, start_time: SystemTime, end_time: SystemTime) -> SpanData {
    let id = RandomIdGenerator::default().new_span_id();
    SpanData {
        parent_span_id: record.span,
        name: Part::Queue.name().into(),
        start_time,
        end_time,
        attributes: vec![KeyValue::new(REQUEST_ID, record.request_id.clone())],
        ..span(SpanContext::new(record.trace, id, record.flags, false, TraceState::NONE))
    }
}

fn request(record: RequestRecord) -> SpanData {
    let known = METHODS.contains(&record.method.as_str());
    let verb = if known { record.method.as_str() } else { "HTTP" };
    let name = match record.route {
        Some(route) => format!("{verb} {route}"),
        None => verb.to_owned(),
    };
    let error = error_type(&record);
    let state = record.state.parse().unwrap_or(TraceState::NONE);
    let context = SpanContext::new(record.trace, record.span, record.flags, false, state);
    let (host, port) = host_and_port(&record.host, record.scheme);
    let mut attributes = vec![
        KeyValue::new("http.request.method", if known { record.method.clone() } else { "_OTHER".to_owned() }),
        KeyValue::new("url.path", text(&record.path)),
        KeyValue::new("url.scheme", record.scheme),
        KeyValue::new("network.protocol.version", record.protocol),
        KeyValue::new("client.address", record.client.to_string()),
        KeyValue::new(REQUEST_ID, record.request_id),
    ];
    if !known {
        attributes.push(KeyValue::new("http.request.method_original", text(&record.method)));
    }
    if !host.is_empty() {
        attributes.push(KeyValue::new("server.address", text(host)));
        attributes.push(KeyValue::new("server.port", i64::from(port)));
    }
    attributes.extend(record.user_agent.map(|agent| KeyValue::new("user_agent.original", text(&agent))));
    attributes.extend(record.route.map(|route| KeyValue::new("http.route", route)));
    attributes.extend(record.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
    let status = status(error.as_deref());
    attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
    SpanData {
        parent_span_id: record.parent.unwrap_or(SpanId::INVALID),
        parent_span_is_remote: record.parent.is_some(),
        span_kind: SpanKind::Server,
        name: name.into(),
        start_time: record.start,
        end_time: record.start + record.duration,
        attributes,
        status,
        ..span(context)
    }
}

/// What went wrong, if that is for the server to answer for: what a client did wrong is no error of a server's span.
fn error_type(record: &RequestRecord) -> Option<String> {
    match (record.error, record.status) {
        (Some(error), _) => Some(error.to_owned()),
        (None, Some(status)) if status >= 500 => Some(status.to_string()),
        (None, _) => None,
    }
}

/// Host and port of an authority; without a port that of the scheme.
fn host_and_port<'a>(authority: &'a str, scheme: &str) -> (&'a str, u16) {
    let default = if scheme == "https" { 443 } else { 80 };
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(default)),
        _ => (authority, default),
    }
}

/// A text of bounded length.
fn text(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
}
