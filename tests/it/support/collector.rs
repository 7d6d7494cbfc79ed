//! A collector of traces: takes OTLP over HTTP and gRPC on one port, and says what it got.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span as WireSpan;
use parking_lot::Mutex;
use prost::Message as _;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::wait::until;

/// The certificate of a collector that speaks TLS, for 127.0.0.1 until 2126; its key is worth nothing elsewhere.
pub(crate) const TRUSTED: &str = include_str!("collector/test-only.pem");
const KEY: &str = include_str!("collector/test-only.key.pem");
/// Another certificate, that nobody shows.
pub(crate) const STRANGER: &str = include_str!("collector/stranger.pem");

/// How it behaves towards those who send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// It takes everything.
    Good,
    /// It takes nothing.
    Refuses,
    /// It takes the message and never answers.
    Hangs,
}

/// A span that has arrived.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for one without.
    pub(crate) parent: String,
    pub(crate) remote_parent: bool,
    pub(crate) state: String,
    pub(crate) server: bool,
    /// As the protocol counts them: 1 internal, 2 server, 3 client.
    pub(crate) kind: i32,
    pub(crate) failed: bool,
    /// Nanoseconds since the epoch.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// Attributes of who sent it.
    pub(crate) resource: BTreeMap<String, Value>,
}

#[derive(Debug, Default)]
struct Taken {
    spans: Mutex<Vec<Span>>,
    /// Header fields of the messages.
    heads: Mutex<Vec<(String, HeaderMap)>>,
    connections: AtomicUsize,
}

/// A running collector. It ends with its runtime.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    /// It speaks TLS.
    secure: bool,
    taken: Arc<Taken>,
    manners: Arc<Mutex<Manners>>,
    /// Kept until the end: the test's own runtime starts later.
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    pub(crate) fn start(manners: Manners) -> Self {
        Self::launch(manners, None)
    }

    /// One that speaks TLS, with the certificate `TRUSTED`.
    pub(crate) fn secure() -> Self {
        let certificate = CertificateDer::from_pem_slice(TRUSTED.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
        let mut tls = tokio_rustls::rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::launch(Manners::Good, Some(TlsAcceptor::from(Arc::new(tls))))
    }

    fn launch(manners: Manners, acceptor: Option<TlsAcceptor>) -> Self {
        let secure = acceptor.is_some();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the collector");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let taken = Arc::new(Taken::default());
        let manners = Arc::new(Mutex::new(manners));
        let (shared, how) = (Arc::clone(&taken), Arc::clone(&manners));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket of tokio's");
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let (shared, how, acceptor) = (Arc::clone(&shared), Arc::clone(&how), acceptor.clone());
                let service = service_fn(move |request| answer(Arc::clone(&shared), *how.lock(), request));
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    match acceptor {
                        None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                        // Who does not trust it leaves.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                drop(server.serve_connection(TokioIo::new(stream), service).await);
                            }
                        }
                    }
                });
            }
        });
        Self { address, secure, taken, manners, _runtime: runtime }
    }

    /// Its address as `otlp.endpoint` has it.
    pub(crate) fn endpoint(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn behave(&self, manners: Manners) {
        *self.manners.lock() = manners;
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.taken.connections.load(Ordering::Relaxed)
    }

    /// Path and header fields of each message.
    pub(crate) fn heads(&self) -> Vec<(String, HeaderMap)> {
        self.taken.heads.lock().clone()
    }

    /// All that has arrived.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.taken.spans.lock().clone()
    }

    /// The spans of the request with this id, and its other ones of the same trace, once one of each name has arrived.
    pub(crate) async fn of_request(&self, id: &str, names: &[&str]) -> BTreeMap<String, Span> {
        until(Duration::from_secs(20), &format!("spans {names:?} of {id} in {:#?}", self.spans().len()), || {
            let spans = self.spans();
            let of_it: BTreeMap<_, _> = spans
                .into_iter()
                .filter(|span| span.attributes.get("supercharger.request_id") == Some(&json!(id)))
                .map(|span| (if span.server { "server".to_owned() } else { span.name.clone() }, span))
                .collect();
            names.iter().all(|name| of_it.contains_key(*name)).then_some(of_it)
        })
        .await
    }
}

async fn answer(
    taken: Arc<Taken>,
    manners: Manners,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (parts, body) = request.into_parts();
    let grpc = parts.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    taken.heads.lock().push((parts.uri.path().to_owned(), parts.headers));
    match manners {
        Manners::Hangs => std::future::pending().await,
        Manners::Refuses if grpc => return Ok(grpc_answer("16")),
        Manners::Refuses => return Ok(http_answer(403)),
        Manners::Good => {}
    }
    // A message of gRPC is preceded by a mark for compression and its length.
    let message = if grpc { body.slice(5..) } else { body };
    let export = ExportTraceServiceRequest::decode(message).expect("a message of OTLP");
    taken.spans.lock().extend(read(export));
    Ok(if grpc { grpc_answer("0") } else { http_answer(200) })
}

fn http_answer(status: u16) -> Response<BoxBody<Bytes, Infallible>> {
    let body = Full::new(Bytes::from(ExportTraceServiceResponse::default().encode_to_vec())).boxed();
    let response = Response::builder().status(status).header("content-type", "application/x-protobuf").body(body);
    response.expect("a response")
}

fn grpc_answer(status: &'static str) -> Response<BoxBody<Bytes, Infallible>> {
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(0);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static(status));
    let body = Full::new(message.freeze()).with_trailers(async move { Some(Ok(trailers)) }).boxed();
    Response::builder().header("content-type", "application/grpc").body(body).expect("a response")
}

fn read(export: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for from in export.resource_spans {
        let resource = attributes(from.resource.map(|resource| resource.attributes).unwrap_or_default());
        for span in from.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(read_one(span, resource.clone()));
        }
    }
    spans
}

fn read_one(span: WireSpan, resource: BTreeMap<String, Value>) -> Span {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Span {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        // Two bits: whether it is known, and what it is.
        remote_parent: span.flags & 0x300 == 0x300,
        state: span.trace_state,
        server: span.kind == 2,
        kind: span.kind,
        failed: span.status.is_some_and(|status| status.code == 2),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: attributes(span.attributes),
        resource,
    }
}

fn attributes(given: Vec<KeyValue>) -> BTreeMap<String, Value> {
    let value = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => json!(text),
        Some(any_value::Value::IntValue(number)) => json!(number),
        Some(any_value::Value::BoolValue(truth)) => json!(truth),
        other => json!(format!("{other:?}")),
    };
    given.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}
