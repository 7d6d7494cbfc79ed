//! Which host the client meant (RFC 9112 section 3.2, RFC 9113 section 8.3.1).

#![forbid(unsafe_code)]

use std::net::Ipv6Addr;

use http::request::Parts;
use http::{HeaderValue, Version, header};

/// The `Host` of a request is missing, doubled or not a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadHost;

/// Makes the `Host` header say what the request line says, and checks it.
///
/// An absolute-form target and HTTP/2's `:authority` come before `Host`; in HTTP/2 the two must not differ, and in HTTP/1.1
/// there must be exactly one `Host` whatever the target says. HTTP/1.0 may go without. User information is refused: it has
/// no meaning to a server and is there to disguise a host (RFC 9110 section 4.2.4).
pub(super) fn settle(parts: &mut Parts) -> Result<(), BadHost> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(BadHost),
        (None, None) if parts.version == Version::HTTP_11 => return Err(BadHost),
        (host, None) => host,
    };
    if host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(BadHost);
    }
    if let Some(authority) = parts.uri.authority() {
        let meant = authority.as_str().as_bytes();
        if !is_host(meant) {
            return Err(BadHost);
        }
        if host.is_some_and(|host| parts.version == Version::HTTP_2 && !host.as_bytes().eq_ignore_ascii_case(meant)) {
            return Err(BadHost);
        }
        let value = HeaderValue::from_bytes(meant).map_err(|_| BadHost)?;
        parts.headers.insert(header::HOST, value);
        return Ok(());
    }
    // HTTP/2 may name the host in either way, but must name it.
    if host.is_none() && parts.version > Version::HTTP_10 { Err(BadHost) } else { Ok(()) }
}

/// The host as `SERVER_NAME` wants it (an IPv6 address keeps its brackets, RFC 3875 section 4.1.14) and its port, if any.
pub(super) fn split(host: &[u8]) -> (&[u8], Option<u16>) {
    let after_brackets = host.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1);
    match host[after_brackets..].iter().position(|byte| *byte == b':') {
        None => (host, None),
        Some(colon) => {
            let (name, port) = host.split_at(after_brackets + colon);
            (name, std::str::from_utf8(&port[1..]).ok().and_then(|port| port.parse().ok()))
        }
    }
}

/// Whether the value is `uri-host [":" port]`, or empty.
///
/// Narrower than RFC 3986 section 3.2.2: the symbols that a registered name might have are in no name of a machine, but
/// meaningful in the pages, queries and logs where applications put the host.
pub(super) fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.strip_prefix(b"[") {
        Some(inner) => {
            let Some(end) = inner.iter().position(|byte| *byte == b']') else { return false };
            let (address, rest) = (&inner[..end], &inner[end + 1..]);
            let address = std::str::from_utf8(address).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
            let port = match rest.strip_prefix(b":") {
                Some(port) => port,
                None if rest.is_empty() => rest,
                None => return false,
            };
            (address.is_some(), port)
        }
        None => {
            let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
            let ordinary = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || *byte >= 0x80;
            let name = &host[..end];
            (name.iter().all(ordinary) && (end > 0 || host.is_empty()), host.get(end + 1..).unwrap_or_default())
        }
    };
    // An empty port is the default one (RFC 3986 section 3.2.3).
    let is_port = || std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok());
    name && (port.is_empty() || (port.iter().all(u8::is_ascii_digit) && is_port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_split() {
        let cases: [(&[u8], &[u8], Option<u16>); 8] = [
            (b"example.org", b"example.org", None),
            (b"example.org:8080", b"example.org", Some(8080)),
            (b"[::1]:8080", b"[::1]", Some(8080)),
            (b"[::1]", b"[::1]", None),
            (b"example.org:", b"example.org", None),
            (b"example.org:99999", b"example.org", None),
            (b"127.0.0.1:80", b"127.0.0.1", Some(80)),
            (b"", b"", None),
        ];
        for (host, name, port) in cases {
            assert_eq!(split(host), (name, port), "{}", host.escape_ascii());
        }
    }

    #[test]
    fn hosts_are_told_from_other_texts() {
        for good in [
            "",
            "a",
            "a.example",
            "a.example.",
            "A-b_c~d.example:8080",
            "a:",
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:",
            "[2001:db8::1]:65535",
            "caf\u{e9}.example",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a/b",
            "a\\b",
            "<script>",
            "a'b",
            "a\"b",
            "a,b",
            "a;b",
            "a@b",
            "a%20b",
            "a?b",
            "a#b",
            "a:b",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:80:80",
            ":80",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]80",
            "[]",
            "[a]",
            "[127.0.0.1]",
            "a[::1]",
            "a]",
            "[fe80::1%25eth0]",
            "a\tb",
            "a\u{7f}",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn hosts_are_settled() {
        type Case = (&'static str, Version, &'static [&'static str], Result<&'static str, BadHost>);
        let cases: [Case; 18] = [
            ("/", Version::HTTP_11, &["a.example"], Ok("a.example")),
            ("/", Version::HTTP_11, &[], Err(BadHost)),
            ("/", Version::HTTP_10, &[], Ok("")),
            ("/", Version::HTTP_10, &["a", "b"], Err(BadHost)),
            ("/", Version::HTTP_11, &["a", "b"], Err(BadHost)),
            ("/", Version::HTTP_11, &["a", "a"], Err(BadHost)),
            ("http://b.example:81/x", Version::HTTP_11, &["a.example"], Ok("b.example:81")),
            ("http://b.example:81/x", Version::HTTP_11, &[], Err(BadHost)),
            ("http://b.example/x", Version::HTTP_11, &["a", "b"], Err(BadHost)),
            ("http://b.example/x", Version::HTTP_11, &["<script>"], Err(BadHost)),
            ("http://me@b.example/x", Version::HTTP_11, &["b.example"], Err(BadHost)),
            ("/", Version::HTTP_2, &[], Err(BadHost)),
            ("http://b.example/x", Version::HTTP_2, &[], Ok("b.example")),
            ("http://b.example/x", Version::HTTP_2, &["B.example"], Ok("b.example")),
            ("http://b.example/x", Version::HTTP_2, &["a.example"], Err(BadHost)),
            ("/", Version::HTTP_11, &["a/b"], Err(BadHost)),
            ("/", Version::HTTP_11, &["<script>"], Err(BadHost)),
            ("/", Version::HTTP_11, &[""], Ok("")),
        ];
        for (uri, version, hosts, expected) in cases {
            let mut request = http::Request::builder().uri(uri).version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            let (mut parts, ()) = request.body(()).expect("a request").into_parts();
            let got = settle(&mut parts);
            let host = parts.headers.get(header::HOST).map_or("", |host| host.to_str().expect("ASCII"));
            assert_eq!(got.map(|()| host), expected, "{uri} {hosts:?}");
        }
    }
}
