//! One request from head to response: limits, route, body, PHP, answer.
//!
//! All of it is one future. If the client leaves, hyper drops that future, and with it whatever the request was
//! waiting for: its place in the queue, its body's temporary file, the pipe PHP writes to.

#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::body::{Body, HttpBody as _};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};

use super::body::{self, BodyLimits};
use super::error::Refusal;
use super::forwarded::{Confused, is_trusted};
use super::path::{self, BadPath};
use super::record::{Record, report};
use super::request::{Arrival, Client, Peers, assemble};
use super::response::HeadTooLarge;
use super::route::{Route, Router};
use super::trace::Traced;
use super::{Backend, Config, authority, record, request_id, response, sendfile, static_files};
use crate::job::{Failure, Fault, InterimSender};

/// The value of `Server`.
const SERVER: HeaderValue = HeaderValue::from_static("supercharger");

/// Mark of a request whose head said in two ways where its body ends (RFC 9112 section 6.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct TwoFramings;

/// What every request needs.
#[derive(Debug)]
pub(super) struct Front<B> {
    pub(super) backend: B,
    pub(super) config: Config,
    pub(super) router: Router,
    /// Every answer is the last one of its connection.
    pub(super) closing: Arc<AtomicBool>,
}

/// What is known of a request besides its head and body.
#[derive(Debug)]
struct Incoming<'a> {
    client: Result<Client, Confused>,
    peers: Peers,
    local: IpAddr,
    arrival: Arrival,
    interim: Option<InterimSender>,
    id: &'a str,
    traced: Option<&'a mut Traced>,
}

/// Answers a request, whatever happens. `interim` is for heads that come before the answer's.
pub(super) async fn handle<B: Backend>(
    front: &Front<B>,
    peers: Peers,
    interim: Option<InterimSender>,
    request: Request<Body>,
) -> Response<Body> {
    let arrival = Arrival::now();
    let (mut parts, body) = request.into_parts();
    let id = request_id::of(&parts.headers);
    // Symbols of RFC 3986 and 9110 only, or a UUID: always a legal value.
    let id_value = HeaderValue::try_from(id.as_str()).unwrap_or_else(|_| HeaderValue::from_static("-"));
    parts.headers.insert(request_id::HEADER, id_value.clone());
    let connection = Client::of_connection(peers);
    let client = connection.clone().behind(&front.config.trusted_proxies, &parts.headers);
    let seen = client.as_ref().unwrap_or(&connection);
    let mut record = Record::open(&front.config, &parts, seen.address, arrival, &id_value);
    let mut traced = front.config.tracing.as_ref().map(|tracing| {
        let trusted = is_trusted(&front.config.trusted_proxies, connection.address);
        Traced::open(tracing, &mut parts, seen, trusted, arrival, &id)
    });
    if let Some(traced) = &traced {
        record.part_of(traced.trace().id);
    }

    let local = peers.local.ip().to_canonical();
    let request = Incoming { client, peers, local, arrival, interim, id: &id, traced: traced.as_mut() };
    let mut response = match answer(front, &mut parts, request, body, &mut record).await {
        Ok(response) => response,
        Err(refusal) => {
            report(refusal, &parts, &id);
            if let Some(traced) = &mut traced {
                traced.refused(refusal);
            }
            refusal.respond(&parts.headers, &id)
        }
    };
    if must_close(&parts) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if parts.version == Version::HTTP_2 {
        // Connection-specific fields make an HTTP/2 message malformed (RFC 9113 section 8.2.2).
        response.headers_mut().remove(header::CONNECTION);
    }
    if front.config.server_header {
        response.headers_mut().insert(header::SERVER, SERVER);
    }
    response.headers_mut().insert(request_id::HEADER, id_value);
    if parts.method == Method::HEAD {
        response = without_body(response);
    }
    if let Some(traced) = traced {
        response = traced.attach(response);
    }
    record.attach(response)
}

/// The answer to HEAD: the head of a GET, its length included where it is known (RFC 9110 section 9.3.2).
fn without_body(mut response: Response<Body>) -> Response<Body> {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    if let Some(length) = length
        && !response.headers().contains_key(header::CONTENT_LENGTH)
    {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| Body::empty())
}

async fn answer<B: Backend>(
    front: &Front<B>,
    parts: &mut Parts,
    request: Incoming<'_>,
    body: Body,
    record: &mut Record<'_>,
) -> Result<Response<Body>, Refusal> {
    let config = &front.config;
    check_head(parts, config)?;
    let Incoming { client, peers, local, arrival, interim, id, traced } = request;
    // Those are answered whatever becomes of the others, and have their own opinion of proxies.
    if let Some(endpoints) = config.endpoints.as_ref().filter(|endpoints| endpoints.are_meant(parts)) {
        return endpoints.ask(parts, peers).await;
    }
    let client = client.map_err(|_| Refusal::Malformed)?;
    if let Some(closed) = config.maintenance.answer(client.address, &parts.headers, id) {
        return Ok(closed);
    }
    let path = path::clean(path_of(parts)).map_err(|bad| match bad {
        BadPath::Nul => Refusal::Malformed,
        BadPath::Escapes => Refusal::NotFound,
    })?;
    let script = match front.router.route(&parts.method, &path) {
        Route::Script(script) => script,
        Route::File(file) => return static_files::serve(front.router.reach(), &file, parts),
        Route::AddSlash => return add_slash(&path, parts.uri.query()),
        Route::NotFound => return Err(Refusal::NotFound),
    };
    if let Some(page) = config.mistake.as_ref().and_then(|mistake| mistake.page(parts)) {
        return Ok(page);
    }
    let limits = BodyLimits { max: config.max_body_size, memory: config.body_memory, silence: config.body_timeout };
    let body = body::take(body, awaits_continue(&parts.headers), limits).await?;
    let site = front.router.site();
    site.sendfile.announce(&mut parts.headers);
    let mut request = assemble(parts, &client, local, arrival, &site.root, &script, id);
    request.fields().interim = interim;
    record.follow(&request.fields().trail);
    if let Some(traced) = traced {
        traced.accompany(&mut request);
    }
    let answer = front.backend.submit(script.pool, request.build(), body).await?;
    let answer = match sendfile::answer(&site.sendfile, answer, parts, id) {
        Ok(file) => return file,
        Err(answer) => answer,
    };
    response::convert(answer, &parts.method).map_err(|HeadTooLarge| {
        tracing::warn!(event = "response.head_too_large", request_id = id);
        Refusal::Failed(Failure::Script(Fault::Fatal))
    })
}

/// What hyper lets pass and we do not.
fn check_head(parts: &mut Parts, config: &Config) -> Result<(), Refusal> {
    if parts.headers.len() > config.max_headers || head_size(parts) > config.max_header_size {
        return Err(Refusal::HeadTooLarge);
    }
    // A tunnel is for proxies; there is no path in its target.
    if parts.method == Method::CONNECT {
        return Err(Refusal::Malformed);
    }
    // `host:port` alone as a target belongs to CONNECT (RFC 9112 section 3.2.3).
    if parts.version < Version::HTTP_2 && parts.uri.authority().is_some() && parts.uri.scheme().is_none() {
        return Err(Refusal::Malformed);
    }
    // hyper has dropped the length already; the wire has seen it.
    if parts.extensions.get::<TwoFramings>().is_some() {
        return Err(Refusal::Malformed);
    }
    // What another coding is inside the chunks, nobody here undoes.
    let mut encodings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    if encodings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || encodings.next().is_some()
    {
        return Err(Refusal::Malformed);
    }
    authority::settle(parts).map_err(|_| Refusal::Malformed)
}

/// Bytes of the head as HTTP/1.1 would write it.
fn head_size(parts: &Parts) -> usize {
    let line = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    parts.headers.iter().fold(line, |sum, (name, value)| sum + name.as_str().len() + value.len() + 4)
}

/// The path of the target; `OPTIONS *` is about the server as a whole and goes where `/` goes.
fn path_of(parts: &Parts) -> &[u8] {
    match parts.uri.path() {
        "*" => b"/",
        path => path.as_bytes(),
    }
}

fn awaits_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// After a pipelined chunked request, whose head the wire may not have seen, a `Content-Length` beside it would be unknown to us, and
/// with it what an intermediary took for the request's end. So the connection ends with any chunked request
/// (RFC 9112 section 6.1 asks for that when both are there).
fn must_close(parts: &Parts) -> bool {
    parts.headers.contains_key(header::TRANSFER_ENCODING)
}

/// The whole answer to a request that hyper gave up, and its line in the access log: nothing is known of it but who sent it.
pub(super) fn refuse_unread(refusal: Refusal, json: bool, peers: Peers, config: &Config) -> String {
    let id = request_id::of(&HeaderMap::new());
    record::unread(refusal, peers, &id, config);
    refusal.on_the_wire(json, config.server_header, &id)
}

/// The path is the cleaned one: a redirect to what the client sent could lead to another host (`//evil.example`).
fn add_slash(path: &[u8], query: Option<&str>) -> Result<Response<Body>, Refusal> {
    let mut location = percent_encoding::percent_encode(path, LITERAL).to_string();
    location.push('/');
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    let location = HeaderValue::try_from(location).map_err(|_| Refusal::Malformed)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Everything but `pchar` of RFC 3986 without its reserved characters, and the slash.
const LITERAL: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_this_host() {
        let path = path::clean(b"//evil.example/a%20b").expect("a path");
        let response = add_slash(&path, Some("x=1")).expect("a redirect");
        assert_eq!(response.headers()[header::LOCATION], "/evil.example/a%20b/?x=1");
    }
}
