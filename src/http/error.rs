//! Answers the server gives itself: the one place that maps what went wrong to a status.

#![forbid(unsafe_code)]

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::job::{Failure, Fault};

/// Why a request is answered without PHP, or although PHP gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not a request that can be handed on: no host, NUL in the path, both `Content-Length` and `Transfer-Encoding`, ...
    Malformed,
    /// No such file, or one that is not shown.
    NotFound,
    /// The body is larger than `server.max_body_size`.
    BodyTooLarge,
    /// The head did not arrive in time.
    HeadTooSlow,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The head is larger than `server.max_header_size` or has more than `server.max_headers` fields.
    HeadTooLarge,
    /// HTTP/2 where it is switched off.
    VersionNotSpoken,
    /// The server could not keep the body or read a file.
    Storage,
    /// The request was to be run and was not answered.
    Failed(Failure),
}

/// How a refusal looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Face {
    /// The status.
    pub(super) status: StatusCode,
    /// A word for programs; stable.
    pub(super) code: &'static str,
    /// A sentence for people; it names nothing from inside.
    pub(super) message: &'static str,
    /// Whether the connection must be closed, because what follows on it cannot be trusted.
    pub(super) close: bool,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Refusal {
    /// The exhaustive map.
    pub(super) fn face(self) -> Face {
        let (status, code, message) = match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "bad_request", "The request is malformed."),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing at this address."),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The request body is larger than this server accepts.",
            ),
            Self::HeadTooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request did not arrive in time.")
            }
            Self::BodyTooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request body did not arrive in time.")
            }
            Self::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                "The request has more or larger header fields than this server accepts.",
            ),
            Self::VersionNotSpoken => {
                (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "version_not_supported", "This server does not speak HTTP/2.")
            }
            Self::Storage => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The server could not handle the request.")
            }
            Self::Failed(Failure::Script(Fault::Uncaught | Fault::Fatal | Fault::Exit)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "script_failed", "The application failed to answer.")
            }
            Self::Failed(Failure::WorkerLost) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "worker_lost", "The application failed to answer.")
            }
            Self::Failed(Failure::ExecutionTimeout) => {
                (StatusCode::GATEWAY_TIMEOUT, "execution_timeout", "The application took too long to answer.")
            }
            Self::Failed(Failure::QueueTimeout) => {
                (StatusCode::SERVICE_UNAVAILABLE, "queue_timeout", "The server is busy. Try again soon.")
            }
            Self::Failed(Failure::QueueFull) => {
                (StatusCode::SERVICE_UNAVAILABLE, "queue_full", "The server is busy. Try again soon.")
            }
            Self::Failed(Failure::Draining) => {
                (StatusCode::SERVICE_UNAVAILABLE, "draining", "The server is restarting. Try again soon.")
            }
            Self::Failed(Failure::NoWorkers) => {
                (StatusCode::SERVICE_UNAVAILABLE, "no_workers", "The application is not available. Try again soon.")
            }
        };
        let close = matches!(
            self,
            Self::Malformed
                | Self::BodyTooLarge
                | Self::HeadTooSlow
                | Self::BodyTooSlow
                | Self::HeadTooLarge
                | Self::VersionNotSpoken
        );
        Face { status, code, message, close }
    }

    /// The whole response as HTTP/1.1 writes it, for a connection on which hyper says nothing more.
    pub(super) fn on_the_wire(self, json: bool, server_header: bool, request_id: &str) -> String {
        let face = self.face();
        let form = if json { Form::Json } else { Form::Text };
        let body = form.body(&face, request_id);
        let server = if server_header { "server: supercharger\r\n" } else { "" };
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        format!(
            "HTTP/1.1 {}\r\ncontent-type: {}\r\ncache-control: no-store\r\nconnection: close\r\n\
             {server}x-request-id: {request_id}\r\ncontent-length: {}\r\ndate: {date}\r\n\r\n{body}",
            face.status,
            form.content_type(),
            body.len()
        )
    }

    /// The response, in a form that the client accepts.
    pub(super) fn respond(self, client: &HeaderMap, request_id: &str) -> Response<Body> {
        let face = self.face();
        let form = Form::wanted_by(client);
        let mut response = Response::new(Body::from(form.body(&face, request_id)));
        *response.status_mut() = face.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if face.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if face.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The answer while clients are to come back later.
pub(super) fn maintenance(message: &str, retry_after: u32, client: &HeaderMap, request_id: &str) -> Response<Body> {
    let form = Form::wanted_by(client);
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = Response::new(Body::from(form.said(status, "maintenance", message, request_id)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
    response
}

/// One second: a full queue is gone by then, or the client's next attempt is refused as cheaply as this one.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Html,
    Text,
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    fn body(self, face: &Face, request_id: &str) -> String {
        self.said(face.status, face.code, face.message, request_id)
    }

    fn said(self, status: StatusCode, code: &str, message: &str, request_id: &str) -> String {
        match self {
            Self::Json => json(code, message, request_id),
            Self::Html => html(status, message, request_id),
            Self::Text => format!("{message}\nRequest id: {request_id}\n"),
        }
    }

    /// The first of the media types named in `Accept` that we can make; a client that names none of them reads text.
    fn wanted_by(client: &HeaderMap) -> Self {
        let accept = client.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in accept.flat_map(|value| value.split(',')) {
            let media = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if media == "application/json" || media.ends_with("+json") {
                return Self::Json;
            }
            if media == "text/html" || media == "application/xhtml+xml" {
                return Self::Html;
            }
        }
        Self::Text
    }
}

fn json(code: &str, message: &str, request_id: &str) -> String {
    serde_json::json!({
        "error": { "code": code, "message": message, "request_id": request_id }
    })
    .to_string()
}

/// A request id has no character that HTML knows; the message may be an operator's.
fn html(status: StatusCode, message: &str, request_id: &str) -> String {
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{status}</title></head>\n\
         <body><h1>{status}</h1><p>{message}</p><p><small>Request id: {request_id}</small></p></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_status_and_code() {
        let cases = [
            (Refusal::Malformed, 400, "bad_request", true),
            (Refusal::NotFound, 404, "not_found", false),
            (Refusal::BodyTooLarge, 413, "body_too_large", true),
            (Refusal::HeadTooSlow, 408, "request_timeout", true),
            (Refusal::BodyTooSlow, 408, "request_timeout", true),
            (Refusal::HeadTooLarge, 431, "headers_too_large", true),
            (Refusal::VersionNotSpoken, 505, "version_not_supported", true),
            (Refusal::Storage, 500, "internal_error", false),
            (Failure::Script(Fault::Uncaught).into(), 500, "script_failed", false),
            (Failure::Script(Fault::Fatal).into(), 500, "script_failed", false),
            (Failure::Script(Fault::Exit).into(), 500, "script_failed", false),
            (Failure::WorkerLost.into(), 500, "worker_lost", false),
            (Failure::ExecutionTimeout.into(), 504, "execution_timeout", false),
            (Failure::QueueTimeout.into(), 503, "queue_timeout", false),
            (Failure::QueueFull.into(), 503, "queue_full", false),
            (Failure::Draining.into(), 503, "draining", false),
            (Failure::NoWorkers.into(), 503, "no_workers", false),
        ];
        for (refusal, status, code, close) in cases {
            let refusal: Refusal = refusal;
            let face = refusal.face();
            if let Refusal::Failed(failure) = refusal {
                assert_eq!(failure.status(), status, "{refusal:?}");
            }
            assert_eq!((face.status.as_u16(), face.code, face.close), (status, code, close), "{refusal:?}");
            let headers = refusal.respond(&HeaderMap::new(), "id").headers().clone();
            assert_eq!(headers.contains_key(header::RETRY_AFTER), status == 503, "{refusal:?}");
        }
    }

    #[test]
    fn the_form_follows_accept() {
        let cases = [
            ("application/json", Form::Json),
            ("application/problem+json;q=0.5", Form::Json),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Form::Html),
            ("TEXT/HTML", Form::Html),
            ("application/json, text/html", Form::Json),
            ("*/*", Form::Text),
            ("image/png", Form::Text),
            ("", Form::Text),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a value"));
            assert_eq!(Form::wanted_by(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn a_refusal_on_the_wire_is_a_response() {
        for json in [false, true] {
            let text = Refusal::HeadTooSlow.on_the_wire(json, json, "r-1");
            assert!(text.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{text}");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{text}");
            assert_eq!(body.starts_with('{'), json, "{text}");
            assert_eq!(head.contains("\r\nserver: supercharger\r\n"), json, "{text}");
            assert!(head.contains("\r\nx-request-id: r-1") && body.contains("r-1"), "{text}");
        }
    }

    #[test]
    fn json_body_as_the_contract_has_it() {
        assert_eq!(
            Form::Json.body(&Refusal::NotFound.face(), "r-1"),
            r#"{"error":{"code":"not_found","message":"There is nothing at this address.","request_id":"r-1"}}"#
        );
    }
}
