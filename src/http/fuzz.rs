//! What the fuzz targets of `fuzz/` may reach of this module. Compiled only under `--cfg fuzzing`.
//!
//! Each function feeds bytes to a parser and panics where one of its promises does not hold.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::forwarded::{Fields, TrustedProxy, resolve};
use super::{authority, path, trace_context};

/// A request path: what comes out is free of everything that could lead elsewhere.
pub fn path(raw: &[u8]) {
    let Ok(clean) = path::clean(raw) else { return };
    assert!(clean.starts_with(b"/"), "{}", clean.escape_ascii());
    assert!(!clean.contains(&0), "{}", clean.escape_ascii());
    let segments: Vec<&[u8]> = clean.split(|byte| *byte == b'/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        assert!(last || !segment.is_empty(), "an empty segment in {}", clean.escape_ascii());
        assert!(*segment != b"." && *segment != b"..", "a dot segment in {}", clean.escape_ascii());
    }
    // A cleaned path that has nothing left to decode is its own cleaned form.
    if !clean.contains(&b'%') {
        assert_eq!(path::clean(&clean).as_deref(), Ok(&clean[..]));
    }
    if let Some(end) = path::script_end(&clean) {
        assert!(clean[..end].to_ascii_lowercase().ends_with(b".php"), "{}", clean.escape_ascii());
        assert!(matches!(clean.get(end), None | Some(b'/')), "{}", clean.escape_ascii());
        assert!(path::script_end(&clean[..end - 1]).is_none(), "not the first: {}", clean.escape_ascii());
        assert!(path::may_be_source(&clean[..end]));
    }
    if segments.iter().any(|segment| *segment == b".env") {
        assert!(path::is_hidden(&clean), "{}", clean.escape_ascii());
    }
}

/// The value of `Host`: name and port never hold more than the value did.
pub fn host(raw: &[u8]) {
    let (name, port) = authority::split(raw);
    assert!(raw.starts_with(name));
    if let Some(port) = port {
        let rest = &raw[name.len()..];
        assert!(rest.starts_with(b":"), "{}", raw.escape_ascii());
        assert_eq!(std::str::from_utf8(&rest[1..]).ok().and_then(|text| text.parse().ok()), Some(port));
    }
}

/// What proxies say of a client: each line is the value of a field (`Forwarded`, then `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`), an
/// empty one is a field that is not there. Nobody outside the trusted ranges is believed.
pub fn forwarded(raw: &[u8]) {
    let mut lines = raw.split(|byte| *byte == b'\n').map(|line| (!line.is_empty()).then_some(Cow::Borrowed(line)));
    let mut field = || lines.next().flatten();
    let fields = Fields { forwarded: field(), addresses: field(), protocols: field(), hosts: field(), ports: field() };
    let trusted: Vec<TrustedProxy> =
        ["10.0.0.0/8", "fd00::/8"].iter().map(|range| range.parse().expect("a range")).collect();
    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    if let Ok(told) = resolve(proxy, &trusted, &fields) {
        if let Some(host) = &told.host {
            assert!(!host.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n' | b' ')), "{}", host.escape_ascii());
        }
        if let Some((client, _)) = told.client {
            assert_eq!(client, client.to_canonical());
        }
    }
    let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    if let Ok(told) = resolve(stranger, &trusted, &fields) {
        assert!(told.client.is_none() && told.https.is_none() && told.host.is_none() && told.port.is_none());
    }
}

/// The context of a client's trace: the first line is `traceparent`, unless it is empty, each further one a `tracestate`. What is taken
/// over can be written again and read as the same.
pub fn trace_context(raw: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut lines = raw.split(|byte| *byte == b'\n');
    let mut add = |name: HeaderName, line: &[u8]| {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    };
    if let Some(line) = lines.next().filter(|line| !line.is_empty()) {
        add(trace_context::TRACEPARENT, line);
    }
    lines.for_each(|line| add(trace_context::TRACESTATE, line));

    if let Some(parent) = trace_context::parent(&headers) {
        let text = format!("00-{}-{}-{:02x}", parent.id, parent.span, parent.flags);
        // Of another version more may follow, and flags that are not known fall.
        assert!(headers[trace_context::TRACEPARENT].as_bytes()[2..].starts_with(&text.as_bytes()[2..53]), "{text}");
        let mut again = HeaderMap::new();
        again.insert(trace_context::TRACEPARENT, HeaderValue::try_from(text).expect("digits and dashes"));
        assert_eq!(trace_context::parent(&again), Some(parent));
    }
    let state = trace_context::state(&headers);
    assert!(state.len() <= 512 && state.split(',').count() <= 32, "{state}");
    if !state.is_empty() {
        assert!(state.bytes().all(|byte| matches!(byte, 0x20..=0x7e)), "{state}");
        let mut again = HeaderMap::new();
        again.insert(trace_context::TRACESTATE, HeaderValue::try_from(&state).expect("printable signs"));
        assert_eq!(trace_context::state(&again), state);
    }
}
