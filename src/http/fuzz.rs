//! What the fuzz targets of `fuzz/` may reach of this module. Compiled only under `--cfg fuzzing`.
//!
//! Each function feeds bytes to a parser and panics where one of its promises does not hold.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use super::forwarded::{Fields, TrustedProxy, resolve};
use super::{authority, path};

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
