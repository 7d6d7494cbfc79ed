//! Conditional requests, in the order of RFC 9110 section 13.2.2.

#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::range::{self, Wanted};

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    /// The entity tag, with its quotes.
    pub(super) etag: Option<HeaderValue>,
    /// Time of the last change, in whole seconds, as HTTP can say it.
    pub(super) modified: Option<SystemTime>,
    /// Whether `modified` lies so far back that no second change can hide behind the same value.
    pub(super) settled: bool,
}

/// How to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// With this much of the file.
    Send(Wanted),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// Judges a request for something of this length. Only GET may ask for a part.
pub(super) fn judge(method: &Method, headers: &HeaderMap, validators: &Validators, length: u64) -> Verdict {
    let unchanged_since = |name| Some(validators.modified? <= date(headers, &name)?);
    if headers.contains_key(header::IF_MATCH) {
        if !is_listed(headers, &header::IF_MATCH, validators, strongly_same) {
            return Verdict::PreconditionFailed;
        }
    } else if unchanged_since(header::IF_UNMODIFIED_SINCE) == Some(false) {
        return Verdict::PreconditionFailed;
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if headers.contains_key(header::IF_NONE_MATCH) {
        if is_listed(headers, &header::IF_NONE_MATCH, validators, weakly_same) {
            return if reads { Verdict::NotModified } else { Verdict::PreconditionFailed };
        }
    } else if reads && unchanged_since(header::IF_MODIFIED_SINCE) == Some(true) {
        return Verdict::NotModified;
    }
    let mut ranges = headers.get_all(header::RANGE).iter();
    match (ranges.next(), ranges.next()) {
        (Some(range), None) if *method == Method::GET && range_applies(headers, validators) => {
            Verdict::Send(range::wanted(range.as_bytes(), length))
        }
        _ => Verdict::Send(Wanted::Whole),
    }
}

/// `If-Range` (section 13.1.5): the part is wanted only of the state that the client has seen.
fn range_applies(headers: &HeaderMap, validators: &Validators) -> bool {
    let Some(seen) = headers.get(header::IF_RANGE) else { return true };
    if seen.as_bytes().contains(&b'"') {
        return validators.etag.as_ref().is_some_and(|etag| strongly_same(seen.as_bytes(), etag.as_bytes()));
    }
    validators.settled && validators.modified.is_some() && validators.modified == date(headers, &header::IF_RANGE)
}

/// A date that cannot be read counts as none.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

fn is_listed(
    headers: &HeaderMap,
    name: &HeaderName,
    validators: &Validators,
    same: impl Fn(&[u8], &[u8]) -> bool,
) -> bool {
    let ours = validators.etag.as_ref().map(HeaderValue::as_bytes);
    headers.get_all(name).iter().any(|value| {
        let value = value.as_bytes().trim_ascii();
        value == b"*" || ours.is_some_and(|ours| tags(value).any(|tag| same(tag, ours)))
    })
}

/// The tags of a list. A comma may stand in a tag, so the quotes decide.
fn tags(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
        rest = &rest[start..];
        let open = if rest.starts_with(b"W/") { 2 } else { 0 };
        if rest.get(open) != Some(&b'"') {
            return None;
        }
        let close = open + 1 + rest[open + 1..].iter().position(|byte| *byte == b'"')?;
        let (tag, after) = rest.split_at(close + 1);
        rest = after;
        Some(tag)
    })
}

fn strongly_same(one: &[u8], other: &[u8]) -> bool {
    one == other && !one.starts_with(b"W/")
}

fn weakly_same(one: &[u8], other: &[u8]) -> bool {
    let opaque = |tag| <[u8]>::strip_prefix(tag, b"W/").unwrap_or(tag).to_vec();
    opaque(one) == opaque(other)
}

/// Cuts a time to whole seconds.
pub(super) fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn validators(etag: &'static str) -> Validators {
        let modified = Some(httpdate::parse_http_date(NOW).expect("a date"));
        Validators { etag: Some(HeaderValue::from_static(etag)), modified, settled: true }
    }

    fn judged(fields: &[(&'static str, &str)], validators: &Validators) -> &'static str {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a value"));
        }
        match judge(&Method::GET, &headers, validators, 10) {
            Verdict::Send(Wanted::Whole) => "200",
            Verdict::Send(Wanted::Parts(_)) => "206",
            Verdict::Send(Wanted::Unsatisfiable) => "416",
            Verdict::NotModified => "304",
            Verdict::PreconditionFailed => "412",
        }
    }

    #[test]
    fn conditions_have_their_order() {
        let range = ("range", "bytes=0-1");
        let cases: [(&[(&'static str, &str)], &str); 32] = [
            (&[], "200"),
            (&[("if-match", "\"a\"")], "200"),
            (&[("if-match", "\"b\", \"a\"")], "200"),
            (&[("if-match", "*")], "200"),
            (&[("if-match", "\"b\"")], "412"),
            (&[("if-match", "W/\"a\"")], "412"),
            (&[("if-match", "nonsense")], "412"),
            (&[("if-match", "\"b\""), ("if-match", "\"a\"")], "200"),
            // If-Match comes before If-Unmodified-Since, which is then ignored.
            (&[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], "200"),
            (&[("if-unmodified-since", BEFORE)], "412"),
            (&[("if-unmodified-since", NOW)], "200"),
            (&[("if-unmodified-since", "yesterday")], "200"),
            (&[("if-none-match", "\"a\"")], "304"),
            (&[("if-none-match", "W/\"a\"")], "304"),
            (&[("if-none-match", "\"x,y\" , W/\"a\"")], "304"),
            (&[("if-none-match", "*")], "304"),
            (&[("if-none-match", "\"b\"")], "200"),
            (&[("if-none-match", "a")], "200"),
            // If-None-Match comes before If-Modified-Since, which is then ignored.
            (&[("if-none-match", "\"b\""), ("if-modified-since", AFTER)], "200"),
            (&[("if-none-match", "\"a\""), ("if-modified-since", BEFORE)], "304"),
            (&[("if-modified-since", NOW)], "304"),
            (&[("if-modified-since", AFTER)], "304"),
            (&[("if-modified-since", BEFORE)], "200"),
            (&[("if-modified-since", "0")], "200"),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], "412"),
            (&[range], "206"),
            (&[range, ("if-range", "\"a\"")], "206"),
            (&[range, ("if-range", "\"b\"")], "200"),
            (&[range, ("if-range", "W/\"a\"")], "200"),
            (&[range, ("if-range", NOW)], "206"),
            (&[range, ("if-range", AFTER)], "200"),
            (&[range, ("range", "bytes=2-3")], "200"),
        ];
        for (fields, expected) in cases {
            assert_eq!(judged(fields, &validators("\"a\"")), expected, "{fields:?}");
        }
        assert_eq!(judged(&[("range", "bytes=10-")], &validators("\"a\"")), "416");
        let young = Validators { settled: false, ..validators("W/\"a\"") };
        assert_eq!(judged(&[("range", "bytes=0-1"), ("if-range", NOW)], &young), "200");
        assert_eq!(judged(&[("range", "bytes=0-1"), ("if-range", "W/\"a\"")], &young), "200");
        assert_eq!(judged(&[("if-none-match", "\"a\"")], &young), "304");
    }

    #[test]
    fn only_get_asks_for_parts() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        for method in [Method::HEAD, Method::POST] {
            assert_eq!(judge(&method, &headers, &validators("\"a\""), 10), Verdict::Send(Wanted::Whole), "{method}");
        }
    }
}
