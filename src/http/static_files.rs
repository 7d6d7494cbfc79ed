//! Sends a regular file: type, length, `Last-Modified`, ranges and conditions are tower-http's work.

#![forbid(unsafe_code)]

use std::path::Path;

use axum::body::Body;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

use super::error::Refusal;

/// Answers a GET or HEAD request with the file. The caller has made sure that the file may be shown.
pub(super) async fn serve(file: &Path, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let mut request = Request::new(Body::empty());
    request.method_mut().clone_from(&parts.method);
    request.headers_mut().clone_from(&parts.headers);
    let response = match ServeFile::new(file).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let mut response = match response.status() {
        // It was there a moment ago, or may not be read: the same to the client.
        StatusCode::NOT_FOUND => return Err(Refusal::NotFound),
        status if status.is_server_error() => return Err(Refusal::Storage),
        _ => response.map(Body::new),
    };
    name_charset(response.headers_mut());
    Ok(response)
}

/// Text is UTF-8 unless somebody says otherwise; without a word browsers guess.
fn name_charset(headers: &mut http::HeaderMap) {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return };
    if kind.starts_with("text/")
        && !kind.contains("charset")
        && let Ok(value) = HeaderValue::try_from(format!("{kind}; charset=utf-8"))
    {
        headers.insert(header::CONTENT_TYPE, value);
    }
}
