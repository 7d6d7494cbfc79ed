//! The page for people: one document with its style and its script inside, which asks the endpoints beside it for all that it shows.
//!
//! The page itself holds nothing, so anybody may load it; what it asks for is behind the guard.

#![forbid(unsafe_code)]

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use uuid::Uuid;

const PAGE: &str = include_str!("dashboard/page.html");
const STYLE: &str = include_str!("dashboard/style.css");
const SCRIPT: &str = include_str!("dashboard/script.js");

/// The page. Its policy lets this script and this style run and nothing else: not one that got into the page with what it
/// shows, nor one that somebody else includes.
pub(super) fn page() -> Response {
    // Each of the two brings 74 random bits.
    let nonce = format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple());
    let text = PAGE.replace("{nonce}", &nonce).replace("{style}", STYLE).replace("{script}", SCRIPT);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // Hexadecimal digits between words of ours are a legal value.
    let strictest = || HeaderValue::from_static("default-src 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy).unwrap_or_else(|_| strictest()));
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
