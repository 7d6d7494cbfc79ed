//! Sends regular files: types, validators, conditional requests, ranges, and forms compressed beforehand.
//!
//! A file is opened once, checked by its descriptor and read as the client takes it. Both the files under the root and those that
//! PHP asks to be sent (`sendfile`) leave through here.

#![forbid(unsafe_code)]

mod body;
mod coding;
mod condition;
mod media;
mod open;
mod range;

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use uuid::Uuid;

pub(super) use open::{Opened, Reach, open};

use super::error::Refusal;
use body::{FileBody, Piece};
use coding::Coding;
use condition::{Validators, Verdict, judge, whole_seconds};
use range::Wanted;

/// A file that changed less than this ago may change again without a difference in its time: file systems know no finer one
/// than a tick of the kernel, some no finer one than two seconds.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Answers a GET or HEAD request with a file under the root, or with the form of it that the client would rather have.
pub(super) fn serve(reach: &Reach, path: &Path, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let plain = shown(reach, path)?;
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::CONTENT_TYPE, media::of(path));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

    let beside = beside(path);
    if !beside.is_empty() {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    // A part is always one of the plain file: a client that puts parts together must not mix two forms.
    let accepted =
        if parts.headers.contains_key(header::RANGE) { Vec::new() } else { coding::accepted(&parts.headers) };
    for coding in accepted {
        if let Some((_, path)) = beside.iter().find(|(have, _)| *have == coding)
            && let Ok(opened) = shown(reach, path)
        {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            return Ok(respond(opened, Some(coding), headers, parts));
        }
    }
    Ok(respond(plain, None, headers, parts))
}

/// The forms of the file that lie beside it.
fn beside(path: &Path) -> Vec<(Coding, PathBuf)> {
    let named = |coding: Coding| {
        let mut name = OsString::from(path);
        name.push(coding.suffix());
        (coding, PathBuf::from(name))
    };
    Coding::ALL.map(named).into_iter().filter(|(_, path)| path.is_file()).collect()
}

fn shown(reach: &Reach, path: &Path) -> Result<Opened, Refusal> {
    let opened = open(path)?;
    if reach.shows(&opened.real) { Ok(opened) } else { Err(Refusal::NotFound) }
}

/// Answers with an opened file. Fields that are given already stay: of validators, PHP's own count.
pub(super) fn send(opened: Opened, headers: HeaderMap, parts: &Parts) -> Response<Body> {
    respond(opened, None, headers, parts)
}

fn respond(opened: Opened, coding: Option<Coding>, mut headers: HeaderMap, parts: &Parts) -> Response<Body> {
    let Opened { file, metadata, .. } = opened;
    let length = metadata.len();
    let validators = validators(&metadata, coding, &mut headers);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match judge(&parts.method, &parts.headers, &validators, length) {
        Verdict::NotModified => {
            // What describes a body stays away with the body (RFC 9110 section 15.4.5).
            for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::ACCEPT_RANGES] {
                headers.remove(name);
            }
            answer(StatusCode::NOT_MODIFIED, headers, Body::empty())
        }
        Verdict::PreconditionFailed => without_content(StatusCode::PRECONDITION_FAILED, headers),
        Verdict::Send(Wanted::Unsatisfiable) => {
            headers.insert(header::CONTENT_RANGE, number(format!("bytes */{length}")));
            without_content(StatusCode::RANGE_NOT_SATISFIABLE, headers)
        }
        Verdict::Send(Wanted::Whole) => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            // What HEAD would not send is not read either.
            let whole = [Piece::Part(0..length)];
            let body = if parts.method == Method::HEAD || length == 0 { Body::empty() } else { reading(file, whole) };
            answer(StatusCode::OK, headers, body)
        }
        Verdict::Send(Wanted::Parts(parts)) => partial(file, length, headers, &parts),
    }
}

/// 206 (RFC 9110 section 15.3.7): one part is the body itself, several are a message in pieces.
fn partial(file: File, length: u64, mut headers: HeaderMap, parts: &[Range<u64>]) -> Response<Body> {
    let told = |part: &Range<u64>| format!("bytes {}-{}/{length}", part.start, part.end - 1);
    if let [part] = parts {
        headers.insert(header::CONTENT_RANGE, number(told(part)));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
        return answer(StatusCode::PARTIAL_CONTENT, headers, reading(file, [Piece::Part(part.clone())]));
    }
    let boundary = Uuid::now_v7().simple().to_string();
    let multipart = number(format!("multipart/byteranges; boundary={boundary}"));
    let kind = headers.insert(header::CONTENT_TYPE, multipart);
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    for part in parts {
        let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
        if let Some(kind) = &kind {
            head.extend_from_slice(b"Content-Type: ");
            head.extend_from_slice(kind.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(format!("Content-Range: {}\r\n\r\n", told(part)).as_bytes());
        pieces.push(Piece::Text(head.into()));
        pieces.push(Piece::Part(part.clone()));
    }
    pieces.push(Piece::Text(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    headers.remove(header::CONTENT_LENGTH);
    answer(StatusCode::PARTIAL_CONTENT, headers, reading(file, pieces))
}

fn reading(file: File, pieces: impl IntoIterator<Item = Piece>) -> Body {
    Body::new(FileBody::new(file, pieces.into_iter().collect::<Vec<_>>()))
}

fn without_content(status: StatusCode, mut headers: HeaderMap) -> Response<Body> {
    headers.remove(header::CONTENT_TYPE);
    headers.remove(header::CONTENT_ENCODING);
    answer(status, headers, Body::empty())
}

fn answer(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Digits and our own words: always a legal value.
fn number(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The validators of this form of the file, which are also added to the fields.
fn validators(metadata: &Metadata, coding: Option<Coding>, headers: &mut HeaderMap) -> Validators {
    let changed = metadata.modified().ok();
    let settled = changed
        .and_then(|changed| SystemTime::now().duration_since(changed).ok())
        .is_some_and(|age| age >= SETTLED_AFTER);
    let etag =
        given(headers, &header::ETAG).or_else(|| changed.map(|changed| tag(changed, metadata.len(), coding, settled)));
    let given_date = given(headers, &header::LAST_MODIFIED);
    let given_date = given_date.and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    let modified = given_date.or_else(|| changed.and_then(whole_seconds));
    if let Some(etag) = &etag {
        headers.insert(header::ETAG, etag.clone());
    }
    if let Some(modified) = modified {
        // A date to come would be wrong (RFC 9110 section 8.8.2.1).
        let told = modified.min(SystemTime::now());
        headers.insert(header::LAST_MODIFIED, number(httpdate::fmt_http_date(told)));
    }
    Validators { etag, modified, settled }
}

fn given(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    headers.get(name).cloned()
}

/// Time and length, as nginx and Apache tell a state of a file: the same on every machine that has the same files. Strong, but
/// weak as long as the file could change without its time.
fn tag(changed: SystemTime, length: u64, coding: Option<Coding>, settled: bool) -> HeaderValue {
    let since = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let weak = if settled { "" } else { "W/" };
    let form = coding.map_or_else(String::new, |coding| format!("-{}", coding.name()));
    number(format!("{weak}\"{:x}.{:x}-{length:x}{form}\"", since.as_secs(), since.subsec_nanos()))
}
