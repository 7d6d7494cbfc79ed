//! From PHP's answer to an HTTP response.

#![forbid(unsafe_code)]

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use hyper::ext::ReasonPhrase;

use super::stream::{StreamBody, Unknown, discard};
use crate::job::{self, ResponseBody};

/// Fields that belong to one connection (RFC 9110 section 7.6.1) or to the server, never to a script. `Status` is how a CGI program gives
/// its status, and has been read as such.
const NOT_FROM_PHP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "server",
    "status",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-powered-by",
];

/// Most header fields of a response, and most bytes of them. Browsers refuse a head of more than 256 KiB, proxies one of far less; a
/// script that sends more has lost itself in a loop.
const MAX_FIELDS: usize = 4096;
const MAX_HEAD_BYTES: usize = 1024 * 1024;

/// The header fields of the script are more or larger than any client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadTooLarge;

/// Makes an HTTP response of PHP's answer to a request with this method.
///
/// # Errors
/// [`HeadTooLarge`]: nothing of the answer can be used.
pub(super) fn convert(answer: job::Response, method: &Method) -> Result<Response<Body>, HeadTooLarge> {
    check_size(&answer.head)?;
    // 1xx is not a final answer, and hyper would refuse to send it as one.
    let status = StatusCode::from_u16(answer.head.status)
        .ok()
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = legal_headers(&answer.head);
    let declared = declared_length(&mut headers);
    // 205 has no content either, but a length of 0 (RFC 9110 section 15.3.6), so that the next response is found.
    let reset = status == StatusCode::RESET_CONTENT;
    let bodiless = reset || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if status == StatusCode::NOT_MODIFIED {
        // PHP adds its default to whatever it sends; that of the kept representation is another.
        headers.remove(header::CONTENT_TYPE);
    }
    let body = match answer.body {
        ResponseBody::Full(bytes) if *method == Method::HEAD || bodiless => {
            // What a GET would have brought: what the script printed, or else what it says.
            let length = if bytes.is_empty() { declared } else { Some(bytes.len() as u64) };
            announce(&mut headers, length.filter(|_| !bodiless));
            Body::empty()
        }
        ResponseBody::Full(bytes) => {
            announce(&mut headers, Some(bytes.len() as u64));
            Body::from(bytes)
        }
        ResponseBody::Stream(pipe) if *method == Method::HEAD || bodiless => {
            announce(&mut headers, declared.filter(|_| !bodiless));
            tokio::spawn(discard(pipe));
            if bodiless || declared.is_some() { Body::empty() } else { Body::new(Unknown) }
        }
        ResponseBody::Stream(pipe) => {
            announce(&mut headers, declared);
            Body::new(StreamBody::new(pipe, declared))
        }
    };
    announce(&mut headers, reset.then_some(0));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(reason) = reason(status, answer.head.reason) {
        response.extensions_mut().insert(reason);
    }
    Ok(response)
}

fn check_size(head: &job::ResponseHead) -> Result<(), HeadTooLarge> {
    let bytes: usize = head.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if head.headers.len() > MAX_FIELDS || bytes > MAX_HEAD_BYTES { Err(HeadTooLarge) } else { Ok(()) }
}

/// What stands after the status in HTTP/1.1, if it is not the usual. Without words of its own a status that has no usual ones gets none:
/// hyper would write `<none>`.
fn reason(status: StatusCode, given: Bytes) -> Option<ReasonPhrase> {
    match status.canonical_reason() {
        Some(usual) if given.is_empty() || given == usual => None,
        _ => ReasonPhrase::try_from(given).ok(),
    }
}

/// An interim head as HTTP/1.1 has it on the wire; `None` if that is none. The fields that stand for the final response as well are
/// meant to be among them (RFC 8297 section 2); a length is not (RFC 9110 section 8.6).
pub(super) fn interim_head(head: &job::ResponseHead) -> Option<Vec<u8>> {
    let status = StatusCode::from_u16(head.status).ok().filter(StatusCode::is_informational)?;
    // 101 ends HTTP on the connection, which is the server's to offer.
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    let mut headers = legal_headers(head);
    headers.remove(header::CONTENT_LENGTH);
    let mut text =
        format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default()).into_bytes();
    for (name, value) in &headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    Some(text)
}

/// The script's fields without those that HTTP does not allow: a field that cannot be sent is dropped, the others leave.
pub(super) fn legal_headers(head: &job::ResponseHead) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(head.headers.len() + 3);
    for (name, value) in &head.headers {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_maybe_shared(value.clone()))
        else {
            continue;
        };
        if !NOT_FROM_PHP.contains(&name.as_str()) {
            headers.append(name, value);
        }
    }
    headers
}

/// Takes `Content-Length` out of the fields; a doubled or unreadable one counts as none.
fn declared_length(headers: &mut HeaderMap) -> Option<u64> {
    let single = headers.get_all(header::CONTENT_LENGTH).iter().count() == 1;
    let value = headers.remove(header::CONTENT_LENGTH)?;
    let digits =
        value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|_| single)
}

fn announce(headers: &mut HeaderMap, length: Option<u64>) {
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> job::Response {
        let headers = headers
            .iter()
            .map(|(name, value)| (Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(value.as_bytes())))
            .collect();
        let head = job::ResponseHead { status, headers, ..job::ResponseHead::default() };
        job::Response { head, body: ResponseBody::Full(Bytes::from_static(body.as_bytes())) }
    }

    #[test]
    fn lengths_and_statuses() {
        // method, status, PHP's own length, what it printed -> status, length sent
        type Case = (Method, u16, Option<&'static str>, &'static str, u16, Option<&'static str>);
        let cases: [Case; 13] = [
            (Method::GET, 200, None, "abc", 200, Some("3")),
            (Method::GET, 200, Some("99"), "abc", 200, Some("3")),
            (Method::GET, 200, None, "", 200, Some("0")),
            (Method::HEAD, 200, None, "abc", 200, Some("3")),
            (Method::HEAD, 200, Some("7"), "", 200, Some("7")),
            (Method::HEAD, 200, Some("+7"), "", 200, None),
            (Method::GET, 204, Some("3"), "abc", 204, None),
            (Method::GET, 304, Some("3"), "abc", 304, None),
            (Method::GET, 205, Some("3"), "abc", 205, Some("0")),
            (Method::HEAD, 205, Some("3"), "abc", 205, Some("0")),
            (Method::GET, 100, None, "", 500, Some("0")),
            (Method::GET, 42, None, "", 500, Some("0")),
            (Method::GET, 599, None, "", 599, Some("0")),
        ];
        for (method, status, given, body, expected, length) in cases {
            let headers: Vec<_> = given.iter().map(|value| ("Content-Length", *value)).collect();
            let response = convert(answer(status, &headers, body), &method).expect("small");
            let got = response.headers().get(header::CONTENT_LENGTH).map(|value| value.to_str().expect("digits"));
            assert_eq!((response.status().as_u16(), got), (expected, length), "{method} {status} {given:?} {body:?}");
        }
    }

    #[test]
    fn fields_that_may_not_leave() {
        let given = [
            ("Connection", "close"),
            ("Transfer-Encoding", "chunked"),
            ("Keep-Alive", "1"),
            ("Upgrade", "h2c"),
            ("X-Powered-By", "PHP"),
            ("Server", "Apache"),
            ("Status", "200 OK"),
            ("Bad Name", "x"),
            ("X-Split", "a\r\nSet-Cookie: b"),
            ("X-Nul", "a\0b"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("X-Latin", "caf\u{e9}"),
        ];
        let response = convert(answer(200, &given, ""), &Method::GET).expect("small");
        let mut names: Vec<_> = response.headers().iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "set-cookie", "set-cookie", "x-latin"]);
    }

    #[test]
    fn words_of_a_status() {
        let cases: [(u16, &'static [u8], Option<&str>); 6] = [
            (200, b"", None),
            (404, b"Not Found", None),
            (404, b"Gone fishing", Some("Gone fishing")),
            (299, b"", Some("")),
            (299, b"Fine", Some("Fine")),
            (404, b"a\nb", None),
        ];
        for (status, given, expected) in cases {
            let got = reason(StatusCode::from_u16(status).expect("a status"), Bytes::from_static(given));
            let got = got.as_ref().map(|phrase| std::str::from_utf8(phrase.as_bytes()).expect("text"));
            assert_eq!(got, expected, "{status} {}", given.escape_ascii());
        }
    }

    #[test]
    fn a_head_has_a_limit() {
        let mut given = vec![("X-A", "1"); MAX_FIELDS];
        assert!(convert(answer(200, &given, ""), &Method::GET).is_ok());
        given.push(("X-A", "1"));
        assert!(convert(answer(200, &given, ""), &Method::GET).is_err());
        let long = "x".repeat(MAX_HEAD_BYTES - 2);
        assert!(convert(answer(200, &[("X-A", &long)], ""), &Method::GET).is_err());
        assert!(convert(answer(200, &[("X-A", &long[1..])], ""), &Method::GET).is_ok());
    }
}
