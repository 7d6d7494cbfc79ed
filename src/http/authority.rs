//! Which host the client meant (RFC 9112 section 3.2, RFC 9113 section 8.3.1).

#![forbid(unsafe_code)]

use http::request::Parts;
use http::{HeaderValue, Version, header};

/// The `Host` of a request is missing, doubled or not a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadHost;

/// Makes the `Host` header say what the request line says, and checks it.
///
/// An absolute-form target and HTTP/2's `:authority` come before `Host`. HTTP/1.0 may go without.
pub(super) fn settle(parts: &mut Parts) -> Result<(), BadHost> {
    if let Some(authority) = parts.uri.authority() {
        // A user name in the target is the client's affair; it is not part of the host.
        let text = authority.as_str();
        let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
        let value = HeaderValue::from_str(host).map_err(|_| BadHost)?;
        parts.headers.insert(header::HOST, value);
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        (None, _) if parts.version < Version::HTTP_11 => Ok(()),
        _ => Err(BadHost),
    }
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

/// Whether the value could be `uri-host [":" port]`: no byte that ends a host or that logs and HTML would stumble over.
fn is_host(host: &[u8]) -> bool {
    let ordinary = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(byte) || *byte >= 0x80;
    host.iter().all(ordinary)
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
    fn hosts_are_settled() {
        type Case = (&'static str, Version, &'static [&'static str], Result<&'static str, BadHost>);
        let cases: [Case; 9] = [
            ("/", Version::HTTP_11, &["a.example"], Ok("a.example")),
            ("/", Version::HTTP_11, &[], Err(BadHost)),
            ("/", Version::HTTP_10, &[], Ok("")),
            ("/", Version::HTTP_11, &["a", "b"], Err(BadHost)),
            ("http://b.example:81/x", Version::HTTP_11, &["a.example"], Ok("b.example:81")),
            ("http://me@b.example/x", Version::HTTP_11, &[], Ok("b.example")),
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
