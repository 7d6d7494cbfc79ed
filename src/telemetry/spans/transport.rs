//! The connection to the collector.
//!
//! The exporter library reads environment variables by itself, also where the configuration says something else. What it would take from
//! there is overruled here: the endpoint, the protocol and the time by giving them, header fields by putting down exactly those that are
//! configured. Its compression is not built in.

#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, Response};
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::KeyValue;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{Protocol as Wire, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;

use super::{Config, Headers, Protocol};

/// Prepares the way to the collector; call inside a runtime. Nothing is connected yet.
///
/// # Errors
/// The system's certificates cannot be read, or an address or header field is none.
pub(super) fn build(config: &Config) -> io::Result<SpanExporter> {
    let headers = fields(&config.headers)?;
    let secure = config.endpoint.starts_with("https:");
    let built = match config.protocol {
        Protocol::Http => SpanExporter::builder()
            .with_http()
            .with_shared_http_client(client(config, headers, secure)?)
            .with_endpoint(&config.endpoint)
            .with_protocol(Wire::HttpBinary)
            .with_timeout(config.timeout)
            .build(),
        Protocol::Grpc => {
            let metadata = MetadataMap::from_headers(headers);
            let builder = SpanExporter::builder()
                .with_tonic()
                .with_endpoint(&config.endpoint)
                .with_protocol(Wire::Grpc)
                .with_timeout(config.timeout)
                .with_interceptor(move |mut request: tonic::Request<()>| {
                    request.metadata_mut().clone_from(&metadata);
                    Ok(request)
                });
            match secure {
                true => builder.with_tls_config(ClientTlsConfig::new().with_native_roots()).build(),
                false => builder.build(),
            }
        }
    };
    let mut exporter = built.map_err(io::Error::other)?;
    exporter.set_resource(&resource(config));
    Ok(exporter)
}

fn fields(headers: &Headers) -> io::Result<HeaderMap> {
    let mut fields = HeaderMap::new();
    fields.insert(USER_AGENT, HeaderValue::from_static(concat!("supercharger/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &headers.0 {
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        let mut value = HeaderValue::try_from(value).map_err(io::Error::other)?;
        // Libraries show those that they send, but no sensitive ones.
        value.set_sensitive(true);
        fields.insert(name, value);
    }
    Ok(fields)
}

fn client(config: &Config, headers: HeaderMap, secure: bool) -> io::Result<std::sync::Arc<dyn HttpClient>> {
    if !secure {
        let inner = HyperClient::with_default_connector(config.timeout, None);
        return Ok(std::sync::Arc::new(Client { inner, headers }));
    }
    let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_only().enable_http1().build();
    let inner = HyperClient::new(connector, config.timeout, None);
    Ok(std::sync::Arc::new(Client { inner, headers }))
}

/// Sends the configured header fields, and no others but those that describe the message.
#[derive(Debug)]
struct Client<C> {
    inner: C,
    headers: HeaderMap,
}

impl<C: HttpClient> HttpClient for Client<C> {
    fn send_bytes<'this, 'sending>(
        &'this self,
        mut request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'this: 'sending,
        Self: 'sending,
    {
        let kind = request.headers_mut().remove(CONTENT_TYPE);
        let mut headers = self.headers.clone();
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, kind);
        }
        *request.headers_mut() = headers;
        self.inner.send_bytes(request)
    }
}

/// Who reports (semantic conventions for resources). What the configuration says wins.
fn resource(config: &Config) -> Resource {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let configured = config.attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("telemetry.sdk.name", "opentelemetry"),
            KeyValue::new("telemetry.sdk.language", "rust"),
            KeyValue::new("telemetry.distro.name", "supercharger"),
            KeyValue::new("telemetry.distro.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("host.name", host),
            KeyValue::new("process.pid", i64::from(std::process::id())),
            KeyValue::new("service.instance.id", uuid::Uuid::now_v7().to_string()),
        ])
        .with_attributes(configured)
        .with_service_name(config.service_name.clone())
        .build()
}
