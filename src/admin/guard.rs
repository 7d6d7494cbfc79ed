//! Who may ask. Until there is a configurable guard: programs of this machine, and nobody else.
//!
//! A program of this machine is one that connects from a loopback address or to a socket file. But a browser is one too, and does what
//! any web page asks of it: a page may send orders to 127.0.0.1 (so a request that names an origin is refused), and a
//! name of its own may be pointed to 127.0.0.1 (so the name that was asked for must be local). And a proxy on this machine is one
//! too, and speaks for the whole world (so what was forwarded is refused). And PHP on this machine is one too, and may be talked into sending
//! a form to an address that a stranger names (so an order has to carry a header field that nobody adds by accident).

#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode, header};

use super::routes::json;

/// Who is at the other end, put into each request by the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// An address.
    Tcp(SocketAddr),
    /// Whoever may open the socket file.
    Unix,
}

/// Proof that the guard has let a request pass: a handler that takes it cannot be reached without.
#[derive(Debug)]
pub(super) struct Allowed(());

/// Why a request is refused. The label stands in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// Not from this machine.
    Ip,
    /// A proxy speaks for somebody.
    ProxyHeader,
    /// A web page asks.
    Origin,
    /// The name that was asked for is none of this machine.
    Host,
    /// An order without [`ORDER`].
    Unmarked,
}

/// The field that every order carries, with any value: no form, no link and no ordinary HTTP client adds it.
pub(super) const ORDER: &str = "x-supercharger";

/// What proxies add.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-prefix"];

/// The whole decision.
fn decide(peer: Option<Peer>, method: &Method, headers: &HeaderMap, target: Option<&Authority>) -> Result<(), Denied> {
    let from_here = match peer {
        Some(Peer::Unix) => true,
        Some(Peer::Tcp(address)) => address.ip().to_canonical().is_loopback(),
        None => false,
    };
    if !from_here {
        return Err(Denied::Ip);
    }
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return Err(Denied::ProxyHeader);
    }
    let is_order = !matches!(*method, Method::GET | Method::HEAD);
    if is_order && headers.contains_key(header::ORIGIN) {
        return Err(Denied::Origin);
    }
    // No browser connects to a socket file.
    if peer != Some(Peer::Unix) && !asks_for_this_machine(headers, target) {
        return Err(Denied::Host);
    }
    if is_order && !headers.contains_key(ORDER) {
        return Err(Denied::Unmarked);
    }
    Ok(())
}

fn asks_for_this_machine(headers: &HeaderMap, target: Option<&Authority>) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = hosts.next().and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
    // HTTP/2 names it in the target; HTTP/1.0 may name none, which no browser does.
    let named = match (named, target, headers.contains_key(header::HOST)) {
        (Some(host), None, _) if hosts.next().is_none() => host,
        (None, Some(target), false) => target.clone(),
        (Some(host), Some(target), _) if &host == target => host,
        (None, None, false) => return true,
        _ => return false,
    };
    let host = named.host().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

impl Denied {
    fn label(self) -> &'static str {
        match self {
            Self::Ip => "ipDenied",
            Self::ProxyHeader => "proxyHeaderNotTrusted",
            Self::Origin => "originDenied",
            Self::Host => "hostDenied",
            Self::Unmarked => "orderHeaderMissing",
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "error": "forbidden", "code": "runtime_endpoint_denied", "reason": self.label(),
        });
        json(StatusCode::FORBIDDEN, &body)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Allowed {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        let peer = parts.extensions.get::<Peer>().copied();
        decide(peer, &parts.method, &parts.headers, parts.uri.authority()).map(|()| Self(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(peer: &str, method: &str, fields: &[(&str, &str)]) -> Result<(), Denied> {
        let peer = match peer {
            "unix" => Some(Peer::Unix),
            "" => None,
            address => Some(Peer::Tcp(address.parse().expect("an address"))),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(http::HeaderName::try_from(*name).expect("a name"), value.parse().expect("a value"));
        }
        decide(peer, &method.parse().expect("a method"), &headers, None)
    }

    /// Peer, method, header fields and what is to come of them.
    type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], Result<(), Denied>);

    #[test]
    fn who_may_ask() {
        const LOCAL: (&str, &str) = ("host", "127.0.0.1:9180");
        let cases: [Case; 26] = [
            ("127.0.0.1:5", "GET", &[LOCAL], Ok(())),
            ("127.9.9.9:5", "GET", &[LOCAL], Ok(())),
            ("[::1]:5", "POST", &[("host", "[::1]:9180"), ("x-supercharger", "")], Ok(())),
            ("[::1]:5", "POST", &[("host", "[::1]:9180")], Err(Denied::Unmarked)),
            ("[::ffff:127.0.0.1]:5", "GET", &[LOCAL], Ok(())),
            ("[::ffff:10.0.0.1]:5", "GET", &[LOCAL], Err(Denied::Ip)),
            ("10.0.0.1:5", "GET", &[LOCAL], Err(Denied::Ip)),
            ("[fe80::1]:5", "GET", &[LOCAL], Err(Denied::Ip)),
            ("", "GET", &[LOCAL], Err(Denied::Ip)),
            ("unix", "GET", &[], Ok(())),
            ("unix", "POST", &[("host", "shop.example"), ("x-supercharger", "1")], Ok(())),
            ("unix", "POST", &[("host", "shop.example")], Err(Denied::Unmarked)),
            ("unix", "POST", &[("origin", "http://shop.example")], Err(Denied::Origin)),
            ("127.0.0.1:5", "GET", &[("host", "localhost")], Ok(())),
            ("127.0.0.1:5", "GET", &[("host", "LOCALHOST.:9180")], Ok(())),
            ("127.0.0.1:5", "GET", &[("host", "evil.example:9180")], Err(Denied::Host)),
            ("127.0.0.1:5", "GET", &[("host", "localhost.evil.example")], Err(Denied::Host)),
            ("127.0.0.1:5", "GET", &[("host", "127.0.0.1.evil.example")], Err(Denied::Host)),
            ("127.0.0.1:5", "GET", &[LOCAL, ("host", "evil.example")], Err(Denied::Host)),
            ("127.0.0.1:5", "GET", &[("host", "not a host")], Err(Denied::Host)),
            ("127.0.0.1:5", "GET", &[], Ok(())),
            ("127.0.0.1:5", "POST", &[LOCAL, ("origin", "http://127.0.0.1:9180")], Err(Denied::Origin)),
            ("127.0.0.1:5", "POST", &[LOCAL, ("origin", "null")], Err(Denied::Origin)),
            ("127.0.0.1:5", "GET", &[LOCAL, ("origin", "http://evil.example")], Ok(())),
            ("127.0.0.1:5", "GET", &[LOCAL, ("x-forwarded-for", "127.0.0.1")], Err(Denied::ProxyHeader)),
            ("unix", "GET", &[("forwarded", "for=127.0.0.1")], Err(Denied::ProxyHeader)),
        ];
        for (peer, method, headers, expected) in cases {
            assert_eq!(decided(peer, method, headers), expected, "{peer} {method} {headers:?}");
        }
    }
}
