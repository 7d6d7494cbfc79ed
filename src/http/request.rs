//! From an HTTP request's head to the request that PHP sees.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Instant, SystemTime};

use http::request::Parts;
use http::{Version, header};

use super::route::Script;
use super::{authority, headers};
use crate::job::{Request, RequestBuilder, Target};

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peers {
    /// The client's.
    pub(super) remote: SocketAddr,
    /// Ours.
    pub(super) local: SocketAddr,
}

/// When a request's head had been read, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) wall: SystemTime,
    pub(super) monotonic: Instant,
}

impl Arrival {
    pub(super) fn now() -> Self {
        Self { wall: SystemTime::now(), monotonic: Instant::now() }
    }
}

/// Puts a request together. `Host` has been settled and the request id stands among the headers.
pub(super) fn assemble(
    parts: &Parts,
    peers: Peers,
    arrival: Arrival,
    root: &Path,
    script: &Script,
    id: &str,
) -> Request {
    let mut builder = RequestBuilder::new();
    headers::copy(&parts.headers, &mut builder);

    let host = parts.headers.get(header::HOST).map_or(&b""[..], |value| value.as_bytes());
    let (name, port) = authority::split(host);
    // A client that names no host meant the address it connected to (RFC 3875 section 4.1.14).
    let server_name = if name.is_empty() { builder.address(peers.local.ip()) } else { builder.text(name) };
    let method = builder.text(parts.method.as_str().as_bytes());
    let uri = builder.text(parts.uri.path_and_query().map_or("/", |target| target.as_str()).as_bytes());
    let query = builder.text(parts.uri.query().unwrap_or_default().as_bytes());
    let protocol = builder.text(protocol(parts.version));
    let remote_addr = builder.address(peers.remote.ip().to_canonical());
    let server_addr = builder.address(peers.local.ip().to_canonical());
    let request_id = builder.text(id.as_bytes());
    let target = Target {
        document_root: builder.text(root.as_os_str().as_bytes()),
        script_name: builder.text(&script.name),
        script_filename: builder.text(script.file.as_os_str().as_bytes()),
        path_info: builder.text(&script.path_info),
    };

    let fields = builder.fields();
    fields.server_name = server_name;
    fields.method = method;
    fields.uri = uri;
    fields.query = query;
    fields.protocol = protocol;
    fields.remote_addr = remote_addr;
    fields.server_addr = server_addr;
    fields.request_id = request_id;
    fields.target = target;
    fields.remote_port = peers.remote.port();
    // No port in the authority means the scheme's default; TLS is not spoken yet.
    fields.server_port = port.unwrap_or(80);
    fields.https = false;
    fields.accepted_at = arrival.wall;
    fields.accepted = arrival.monotonic;
    builder.build()
}

/// `SERVER_PROTOCOL`.
pub(super) fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        _ => b"HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_keeps_what_the_client_sent() {
        let request = http::Request::builder()
            .method("PURGE")
            .uri("/a%20b/../c?x=%3E&y=1")
            .header("Host", "[::1]:8080")
            .header("X-Request-Id", "r-1")
            .body(())
            .expect("a request");
        let (parts, ()) = request.into_parts();
        let peers = Peers {
            remote: "[::ffff:192.0.2.7]:4711".parse().expect("an address"),
            local: "127.0.0.1:8080".parse().expect("an address"),
        };
        let script = Script {
            pool: 0,
            name: b"/index.php".to_vec(),
            file: "/srv/public/index.php".into(),
            path_info: b"/p".to_vec(),
        };
        let got = assemble(&parts, peers, Arrival::now(), Path::new("/srv/public"), &script, "r-1");
        let cases: [(&str, crate::job::Span, &str); 13] = [
            ("method", got.method, "PURGE"),
            ("uri", got.uri, "/a%20b/../c?x=%3E&y=1"),
            ("query", got.query, "x=%3E&y=1"),
            ("protocol", got.protocol, "HTTP/1.1"),
            ("server name", got.server_name, "[::1]"),
            ("remote", got.remote_addr, "192.0.2.7"),
            ("local", got.server_addr, "127.0.0.1"),
            ("id", got.request_id, "r-1"),
            ("root", got.target.document_root, "/srv/public"),
            ("script", got.target.script_name, "/index.php"),
            ("file", got.target.script_filename, "/srv/public/index.php"),
            ("info", got.target.path_info, "/p"),
            ("cookie", got.cookie, ""),
        ];
        for (name, span, expected) in cases {
            assert_eq!(got.display(span), expected, "{name}");
        }
        assert_eq!((got.server_port, got.remote_port, got.https), (8080, 4711, false));
    }
}
