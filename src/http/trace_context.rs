//! What a client says about the trace that its request is part of: W3C Trace Context, level 2.
//!
//! `traceparent` is taken as a whole or not at all, and without it `tracestate` counts for nothing.

#![forbid(unsafe_code)]

use http::{HeaderMap, HeaderName};
use opentelemetry::trace::{SpanId, TraceFlags, TraceId};

use crate::telemetry::spans::{Parent, RANDOM};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Length of version 00: `00-` 32 digits `-` 16 digits `-` 2 digits.
const LENGTH: usize = 55;
/// Most entries of a `tracestate` (section 3.3.1.1).
const MAX_MEMBERS: usize = 32;
/// Bytes of a `tracestate` that are handed on: as many as everybody has to (section 3.3.1.5).
const MAX_STATE: usize = 512;
/// Entries beyond this size are the first to go where not all fit (same section).
const LARGE_MEMBER: usize = 128;

/// What came with a request.
#[derive(Debug)]
pub(super) struct Carried {
    /// The client's span.
    pub(super) parent: Option<Parent>,
    /// What other systems have noted; empty without a parent.
    pub(super) state: String,
}

/// Takes the fields out: the client's are not PHP's to see. They count if they are to be continued.
pub(super) fn take(headers: &mut HeaderMap, continued: bool) -> Carried {
    // Most requests have neither: one look along the names is cheaper than three searches.
    if !headers.keys().any(|name| name == TRACEPARENT || name == TRACESTATE) {
        return Carried { parent: None, state: String::new() };
    }
    let parent = parent(headers).filter(|_| continued);
    let state = if parent.is_some() { state(headers) } else { String::new() };
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
    Carried { parent, state }
}

/// The client's span; `None` if it names none, or not as it should.
pub(super) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut given = headers.get_all(TRACEPARENT).iter();
    match (given.next(), given.next()) {
        (Some(only), None) => parse(only.as_bytes()),
        _ => None,
    }
}

fn parse(value: &[u8]) -> Option<Parent> {
    let (known, rest) = value.split_at_checked(LENGTH)?;
    let [b'-', id @ ..] = &known[2..] else { return None };
    let (id, span) = id.split_at(32);
    let [b'-', span @ ..] = span else { return None };
    let (span, flags) = span.split_at(16);
    let [b'-', flags @ ..] = flags else { return None };
    let version = digits(&known[..2])?;
    // A later version may say more, after another dash; 255 is forbidden.
    let complete = match version {
        0 => rest.is_empty(),
        255 => false,
        _ => rest.is_empty() || rest[0] == b'-',
    };
    let id = TraceId::from(digits(id)?);
    let span = SpanId::from(u64::try_from(digits(span)?).ok()?);
    let flags = TraceFlags::new(u8::try_from(digits(flags)?).ok()?) & (TraceFlags::SAMPLED | RANDOM);
    (complete && id != TraceId::INVALID && span != SpanId::INVALID).then_some(Parent { id, span, flags })
}

/// Hexadecimal digits, the small ones only.
fn digits(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0u128, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// What other systems have noted, of all header fields together; empty if there is nothing, or nothing that could be believed.
pub(super) fn state(headers: &HeaderMap) -> String {
    let fields = headers.get_all(TRACESTATE).iter();
    let mut members: Vec<&[u8]> = Vec::new();
    for field in fields {
        for member in field.as_bytes().split(|byte| *byte == b',').map(trimmed).filter(|member| !member.is_empty()) {
            let Some(key) = key_of(member) else { return String::new() };
            if members.len() == MAX_MEMBERS || members.iter().any(|other| key_of(other) == Some(key)) {
                return String::new();
            }
            members.push(member);
        }
    }
    let size = |members: &[&[u8]]| members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    while size(&members) > MAX_STATE {
        match members.iter().rposition(|member| member.len() > LARGE_MEMBER) {
            Some(large) => drop(members.remove(large)),
            None => drop(members.pop()),
        }
    }
    // The grammar has only ASCII.
    String::from_utf8(members.join(&b',')).unwrap_or_default()
}

/// Without the white space that may stand around an entry.
fn trimmed(member: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = member.iter().position(|byte| !is_space(byte)).unwrap_or(member.len());
    let end = member.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &member[start..end]
}

/// The key of an entry; `None` if it is none (sections 3.3.1.3.1 and 3.3.1.3.2).
fn key_of(member: &[u8]) -> Option<&[u8]> {
    let at = member.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&member[..at], &member[at + 1..]);
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_key = |byte: &u8| is_first(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    let is_value = |byte: &u8| matches!(byte, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e);
    let sound = (1..=256).contains(&key.len())
        && is_first(&key[0])
        && key.iter().all(is_key)
        && (1..=256).contains(&value.len())
        && value.iter().all(is_value);
    sound.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn headers(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, http::HeaderValue::from_bytes(value).expect("a header value"));
        }
        headers
    }

    #[test]
    fn parents() {
        let good = format!("00-{ID}-{SPAN}-01");
        let cases = [
            (good.clone(), Some(1)),
            (format!("00-{ID}-{SPAN}-00"), Some(0)),
            (format!("00-{ID}-{SPAN}-03"), Some(3)),
            // Flags that are not defined are let fall.
            (format!("00-{ID}-{SPAN}-ff"), Some(3)),
            (format!("00-{ID}-{SPAN}-08"), Some(0)),
            // Later versions, with and without more.
            (format!("01-{ID}-{SPAN}-01"), Some(1)),
            (format!("fe-{ID}-{SPAN}-01-what-the-future-brings"), Some(1)),
            (format!("cc-{ID}-{SPAN}-01-"), Some(1)),
            (format!("cc-{ID}-{SPAN}-01.x"), None),
            (format!("cc-{ID}-{SPAN}-011"), None),
            (format!("ff-{ID}-{SPAN}-01"), None),
            (format!("00-{ID}-{SPAN}-01-"), None),
            (format!("00-{ID}-{SPAN}-01-x"), None),
            (format!("00-{ID}-{SPAN}-1"), None),
            (format!("0-{ID}-{SPAN}-011"), None),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
            (format!("00-{ID}-{}-01", "0".repeat(16)), None),
            (good.to_uppercase(), None),
            (format!("00-{}-{SPAN}-01", ID.replace('a', "A")), None),
            (format!("0X-{ID}-{SPAN}-01"), None),
            (format!("00-{ID}-{SPAN}-0g"), None),
            (format!("+0-{ID}-{SPAN}-01"), None),
            (format!("00-{ID}-+{}-01", &SPAN[1..]), None),
            (format!("00_{ID}_{SPAN}_01"), None),
            (format!("00-{ID}{SPAN}--01"), None),
            (format!(" {good}"), None),
            (format!("{good} "), None),
            (format!("{good},{good}"), None),
            (format!("{}é", &good[..53]), None),
            (String::new(), None),
            ("-".repeat(55), None),
        ];
        for (value, expected) in cases {
            let found = parent(&headers(&TRACEPARENT, &[value.as_bytes()]));
            assert_eq!(found.map(|parent| parent.flags.to_u8()), expected, "{value:?}");
            if let Some(parent) = found {
                assert_eq!((parent.id.to_string(), parent.span.to_string()), (ID.to_owned(), SPAN.to_owned()));
            }
        }
        assert_eq!(parent(&HeaderMap::new()), None);
        assert_eq!(parent(&headers(&TRACEPARENT, &[good.as_bytes(), good.as_bytes()])), None, "two of them");
        let bytes = format!("00-{ID}-{SPAN}-01").replace('7', "\u{ff}").into_bytes();
        assert_eq!(parent(&headers(&TRACEPARENT, &[&bytes])), None, "no text");
    }

    #[test]
    fn states() {
        let many = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let long = |size: usize| format!("long={}", "x".repeat(size - 5));
        let cases: [(&str, &[&str], &str); 24] = [
            ("one", &["a=1"], "a=1"),
            ("several", &["a=1, b=2\t,c=3"], "a=1,b=2,c=3"),
            ("several fields", &["a=1", "b=2,c=3"], "a=1,b=2,c=3"),
            ("empty entries", &["", "a=1,,", " , b=2"], "a=1,b=2"),
            (
                "a vendor",
                &["fw529a3039@dt=FfAzNDQyMQ==".split("==").next().unwrap_or_default()],
                "fw529a3039@dt=FfAzNDQyMQ",
            ),
            ("any printable value", &["a=! \"#$%&'()*+-./:;<>?@[]^_`{|}~"], "a=! \"#$%&'()*+-./:;<>?@[]^_`{|}~"),
            ("signs of a key", &["a_-*/@=1"], "a_-*/@=1"),
            ("a digit first", &["0a=1"], "0a=1"),
            ("no value", &["a"], ""),
            ("an empty value", &["a="], ""),
            ("an empty key", &["=1"], ""),
            ("a large letter", &["A=1"], ""),
            ("a sign first", &["_a=1"], ""),
            ("an equals sign in a value", &["a=1=2"], ""),
            ("one bad among good ones", &["a=1,b,c=3"], ""),
            ("twice the same", &["a=1,b=2,a=3"], ""),
            ("twice the same in two fields", &["a=1", "a=1"], ""),
            ("no ASCII", &["a=é"], ""),
            ("a tab inside", &["a=1\t2"], ""),
            ("32", &[&many(32)], &many(32)),
            ("33", &[&many(33)], ""),
            ("a key of 257", &[&format!("{}=1", "k".repeat(257))], ""),
            (
                "the largest one goes",
                &[&format!("a=1,{},b={},c={}", long(200), "y".repeat(120), "z".repeat(250))],
                &format!("a=1,{},b={}", long(200), "y".repeat(120)),
            ),
            (
                "the last ones go",
                &[&(0..5).map(|n| format!("k{n}={}", "x".repeat(117))).collect::<Vec<_>>().join(",")],
                &(0..4).map(|n| format!("k{n}={}", "x".repeat(117))).collect::<Vec<_>>().join(","),
            ),
        ];
        for (name, given, expected) in cases {
            let given: Vec<_> = given.iter().map(|value| value.as_bytes()).collect();
            let found = state(&headers(&TRACESTATE, &given));
            assert_eq!(found, expected, "{name}");
            assert!(found.len() <= MAX_STATE, "{name}");
        }
    }
}
