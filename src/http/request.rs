//! From an HTTP request's head to the request that PHP sees.

#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Instant, SystemTime};

use http::request::Parts;
use http::{HeaderMap, Uri, Version, header};

use super::forwarded::{self, Confused, Fields, TrustedProxy};
use super::route::Script;
use super::{authority, headers};
use crate::job::{RequestBuilder, Target};

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peers {
    /// The client's.
    pub(super) remote: SocketAddr,
    /// Ours.
    pub(super) local: SocketAddr,
}

/// The client as PHP and the log are to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client {
    /// Its address; an IPv4-mapped one as IPv4.
    pub(super) address: IpAddr,
    /// Its port; 0 if a proxy did not tell it.
    pub(super) port: u16,
    /// Whether its own connection is encrypted.
    pub(super) https: bool,
    /// Host and port that a proxy says the client named; else the `Host` of the request counts.
    host: Option<Vec<u8>>,
    host_port: Option<u16>,
}

impl Client {
    /// The other end of the connection.
    pub(super) fn of_connection(peers: Peers) -> Self {
        let address = peers.remote.ip().to_canonical();
        Self { address, port: peers.remote.port(), https: false, host: None, host_port: None }
    }

    /// The one behind trusted proxies.
    pub(super) fn behind(self, trusted: &[TrustedProxy], headers: &HeaderMap) -> Result<Self, Confused> {
        if trusted.is_empty() {
            return Ok(self);
        }
        let told = forwarded::resolve(self.address, trusted, &Fields::of(headers))?;
        let (address, port) = told.client.map_or((self.address, self.port), |(ip, port)| (ip, port.unwrap_or(0)));
        let https = told.https.unwrap_or(self.https);
        Ok(Self { address, port, https, host: told.host, host_port: told.port })
    }

    /// `SERVER_NAME`, empty if nobody named a host, and `SERVER_PORT`.
    fn server<'a>(&'a self, host: &'a [u8]) -> (&'a [u8], u16) {
        let (name, port) = match &self.host {
            Some(name) => (name.as_slice(), None),
            None => authority::split(host),
        };
        // No port in the authority means the scheme's default.
        (name, self.host_port.or(port).unwrap_or(forwarded::default_port(self.https)))
    }
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

/// The target in origin form, and whether a slash is missing before it: an absolute-form target may have a query and no path, which
/// stands for `/` (RFC 9112 section 3.2.1). `*` stays what it is.
fn origin_form(uri: &Uri) -> (bool, &[u8]) {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    (!target.starts_with('/') && target != "*", target.as_bytes())
}

/// Puts a request together. `Host` has been settled and the request id stands among the headers.
pub(super) fn assemble(
    parts: &Parts,
    client: &Client,
    local: IpAddr,
    arrival: Arrival,
    root: &Path,
    script: &Script,
    id: &str,
) -> RequestBuilder {
    let mut builder = RequestBuilder::accepted_at(arrival.wall, arrival.monotonic);
    headers::copy(&parts.headers, &mut builder);

    let host = parts.headers.get(header::HOST).map_or(&b""[..], |value| value.as_bytes());
    let (name, port) = client.server(host);
    // A client that names no host meant the address it connected to (RFC 3875 section 4.1.14).
    let server_name = if name.is_empty() { builder.address(local) } else { builder.text(name) };
    let method = builder.text(parts.method.as_str().as_bytes());
    let uri = match origin_form(&parts.uri) {
        (true, target) => builder.joined(&[b"/", target]),
        (false, target) => builder.text(target),
    };
    let query = builder.text(parts.uri.query().unwrap_or_default().as_bytes());
    let protocol = builder.text(protocol(parts.version));
    let remote_addr = builder.address(client.address);
    let server_addr = builder.address(local);
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
    fields.remote_port = client.port;
    fields.server_port = port;
    fields.https = client.https;
    builder
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
        let client = Client::of_connection(peers);
        let root = Path::new("/srv/public");
        let got = assemble(&parts, &client, peers.local.ip(), Arrival::now(), root, &script, "r-1").build();
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

    #[test]
    fn targets_are_in_origin_form() {
        let cases = [
            ("/a?b", "/a?b"),
            ("http://a.example", "/"),
            ("http://a.example?b=/c", "/?b=/c"),
            ("http://a.example/?b", "/?b"),
            ("*", "*"),
        ];
        for (given, expected) in cases {
            let uri = given.parse().expect("a target");
            let (slash, target) = origin_form(&uri);
            let got = [if slash { &b"/"[..] } else { b"" }, target].concat();
            assert_eq!(got.escape_ascii().to_string(), expected, "{given}");
        }
    }

    #[test]
    fn names_and_ports_follow_the_client() {
        let peers = Peers {
            remote: "10.0.0.1:5000".parse().expect("an address"),
            local: "127.0.0.1:8080".parse().expect("an address"),
        };
        let trusted = ["10.0.0.0/8".parse().expect("a range")];
        // fields, Host -> address, port, HTTPS, SERVER_NAME, SERVER_PORT
        type Case =
            (&'static [(&'static str, &'static str)], &'static str, (&'static str, u16, bool, &'static str, u16));
        let cases: [Case; 7] = [
            (&[], "a.example", ("10.0.0.1", 5000, false, "a.example", 80)),
            (&[("x-forwarded-for", "192.0.2.7")], "a:81", ("192.0.2.7", 0, false, "a", 81)),
            (&[("x-forwarded-proto", "https")], "a", ("10.0.0.1", 5000, true, "a", 443)),
            (&[("x-forwarded-proto", "https")], "a:8443", ("10.0.0.1", 5000, true, "a", 8443)),
            (&[("x-forwarded-port", "444")], "a:8443", ("10.0.0.1", 5000, false, "a", 444)),
            (&[("x-forwarded-host", "b")], "a:8443", ("10.0.0.1", 5000, false, "b", 80)),
            (&[("forwarded", "for=192.0.2.7:9;proto=https;host=b")], "a:81", ("192.0.2.7", 9, true, "b", 443)),
        ];
        for (given, host, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.insert(*name, value.parse().expect("a value"));
            }
            let client = Client::of_connection(peers).behind(&trusted, &headers).expect("clear");
            let (name, port) = client.server(host.as_bytes());
            let name = String::from_utf8_lossy(name).into_owned();
            let got = (client.address.to_string(), client.port, client.https, name, port);
            let (address, remote_port, https, name, port) = expected;
            assert_eq!(got, (address.to_owned(), remote_port, https, name.to_owned(), port), "{given:?} {host}");
            let stranger = Client::of_connection(peers).behind(&[], &headers).expect("clear");
            assert_eq!(stranger, Client::of_connection(peers), "{given:?}");
        }
    }
}
