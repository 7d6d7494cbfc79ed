//! The decision table, each line of it. The same over real sockets: `tests/it/guard.rs`.

use http::{Request, Uri};

use super::*;

/// The proxies 10.0.0.0/24 and 127.0.0.1. The server's own reading of what they say is out of this module's sight;
/// `a_proxy_opens_nothing_to_those_it_speaks_for` in `tests/it/guard.rs` has the same lines with it.
#[derive(Debug)]
struct Believed;

impl Believed {
    fn is_proxy(address: IpAddr) -> bool {
        address == IpAddr::from([127, 0, 0, 1]) || matches!(address, IpAddr::V4(v4) if v4.octets()[..3] == [10, 0, 0])
    }

    /// What stands in one of the two fields, hop by hop; an entry that is no address is `None`.
    fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let field = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let text = field("x-forwarded-for").or_else(|| field("forwarded")).unwrap_or_default();
        let node = |entry: &str| entry.trim().trim_start_matches("for=").trim_matches(['"', '[', ']']).to_owned();
        // An address in brackets is one in `Forwarded` only.
        let brackets = !headers.contains_key("forwarded") && text.contains('[');
        text.split(',').map(|entry| node(entry).parse().ok().filter(|_| !brackets)).map(canonical).collect()
    }
}

fn canonical(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|address: IpAddr| address.to_canonical())
}

impl Proxies for Believed {
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> Behind {
        let peer = peer.to_canonical();
        if !Self::is_proxy(peer) {
            return Behind::Untrusted;
        }
        if headers.get("forwarded").is_some_and(|value| value.as_bytes().ends_with(b"for=\"")) {
            return Behind::Confused;
        }
        let host = headers.get("x-forwarded-host").and_then(|value| value.to_str().ok()).map(|text| {
            let authority = text.parse::<http::uri::Authority>();
            authority.map_or_else(|_| text.to_owned(), |authority| authority.host().to_owned())
        });
        let mut from_afar = !peer.is_loopback();
        let mut last = None;
        for hop in Self::hops(headers).into_iter().rev() {
            from_afar |= last.is_some_and(|hop: IpAddr| !hop.is_loopback());
            let Some(hop) = hop else { return Behind::Client { address: None, host } };
            last = Some(hop);
            if !Self::is_proxy(hop) {
                break;
            }
        }
        if last.is_some_and(|client| client.is_loopback() && from_afar) {
            return Behind::Confused;
        }
        Behind::Client { address: last, host }
    }
}

#[derive(Debug)]
struct Nobody;

impl Proxies for Nobody {
    fn behind(&self, _: IpAddr, _: &HeaderMap) -> Behind {
        Behind::Untrusted
    }
}

fn rules(mode: Mode) -> Rules {
    Rules {
        enabled: true,
        mode,
        allow: ["127.0.0.1/8", "::1/128", "192.0.2.0/24"].map(|range| range.parse().expect("a range")).to_vec(),
        token: Some("s3cret-of-16-chr".parse().expect("a token")),
        header: HeaderName::from_static("x-runtime-token"),
        proxy_strict: true,
        hosts: vec!["node-1.example".parse().expect("a name")],
    }
}

fn decided(guard: &Guard, peer: &str, method: &str, fields: &[(&str, &str)]) -> Result<Reason, Denied> {
    let peer = match peer {
        "unix" => Some(Peer::Unix),
        "front" => Some(Peer::Front),
        "" => None,
        address => {
            let at = |address: &str| SocketAddr::new(address.parse().expect("an address"), 5);
            Some(
                address.strip_prefix("main ").map_or_else(|| Peer::Tcp(at(address)), |address| Peer::Main(at(address))),
            )
        }
    };
    let mut request = Request::builder().method(method).uri(Uri::from_static("/status"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    guard.decide(peer, &request.body(()).expect("a request").into_parts().0)
}

/// Peer, header fields and what is to come of them.
type Case = (&'static str, &'static [(&'static str, &'static str)], Result<Reason, Denied>);

#[track_caller]
fn all(guard: &Guard, method: &str, cases: &[Case]) {
    for (peer, fields, expected) in cases {
        assert_eq!(decided(guard, peer, method, fields), *expected, "{method} {peer} {fields:?} {:?}", guard.rules);
    }
}

fn guard(mode: Mode) -> Guard {
    Guard { rules: rules(mode), proxies: Box::new(Nobody) }
}

const RIGHT: (&str, &str) = ("authorization", "Bearer s3cret-of-16-chr");
const WRONG: (&str, &str) = ("authorization", "Bearer other");
const OTHER_FIELD: (&str, &str) = ("x-runtime-token", "s3cret-of-16-chr");
const EMPTY: (&str, &str) = ("authorization", "Bearer");

#[test]
fn allowlist_or_token() {
    all(
        &guard(Mode::AllowlistOrToken),
        "GET",
        &[
            ("127.0.0.1", &[], Ok(Reason::Ip)),
            ("::1", &[], Ok(Reason::Ip)),
            ("::ffff:127.0.0.1", &[], Ok(Reason::Ip)),
            ("::ffff:192.0.2.9", &[], Ok(Reason::Ip)),
            ("192.0.2.9", &[WRONG], Ok(Reason::Ip)),
            ("192.0.2.9", &[RIGHT], Ok(Reason::Ip)),
            ("203.0.113.9", &[], Err(Denied::TokenMissing)),
            ("2001:db8::1", &[], Err(Denied::TokenMissing)),
            ("203.0.113.9", &[RIGHT], Ok(Reason::Token)),
            ("203.0.113.9", &[OTHER_FIELD], Ok(Reason::Token)),
            ("203.0.113.9", &[EMPTY, OTHER_FIELD], Err(Denied::TokenMissing)),
            ("203.0.113.9", &[WRONG, OTHER_FIELD], Err(Denied::Forbidden)),
            ("203.0.113.9", &[("x-runtime-token", "other")], Err(Denied::Forbidden)),
            ("", &[], Err(Denied::TokenMissing)),
            ("unix", &[], Ok(Reason::Ip)),
            ("front", &[], Err(Denied::TokenMissing)),
            ("front", &[RIGHT], Ok(Reason::Token)),
        ],
    );
    let mut without = guard(Mode::AllowlistOrToken);
    without.rules.token = None;
    all(
        &without,
        "GET",
        &[
            ("127.0.0.1", &[], Ok(Reason::Ip)),
            ("203.0.113.9", &[RIGHT], Err(Denied::Forbidden)),
            ("203.0.113.9", &[EMPTY], Err(Denied::TokenMissing)),
        ],
    );
}

#[test]
fn allowlist_only() {
    all(
        &guard(Mode::AllowlistOnly),
        "GET",
        &[
            ("127.0.0.1", &[], Ok(Reason::Ip)),
            ("203.0.113.9", &[], Err(Denied::Ip)),
            ("203.0.113.9", &[RIGHT], Err(Denied::Ip)),
            ("", &[RIGHT], Err(Denied::Ip)),
            ("unix", &[], Ok(Reason::Ip)),
            ("front", &[RIGHT], Err(Denied::Ip)),
            // A token that counts for nothing is no proof either.
            ("127.0.0.1", &[RIGHT, ("host", "evil.example")], Err(Denied::Host)),
        ],
    );
}

#[test]
fn require_token() {
    all(
        &guard(Mode::RequireToken),
        "GET",
        &[
            ("127.0.0.1", &[], Err(Denied::Token)),
            ("unix", &[], Err(Denied::Token)),
            ("127.0.0.1", &[WRONG], Err(Denied::Token)),
            ("127.0.0.1", &[RIGHT], Ok(Reason::Token)),
            ("2001:db8::1", &[("authorization", "bEARER  s3cret-of-16-chr ")], Ok(Reason::Token)),
            ("unix", &[RIGHT], Ok(Reason::Token)),
            ("", &[RIGHT], Ok(Reason::Token)),
        ],
    );
    let mut without = guard(Mode::RequireToken);
    without.rules.token = None;
    all(
        &without,
        "GET",
        &[
            ("127.0.0.1", &[], Err(Denied::TokenMissingConfig)),
            ("127.0.0.1", &[RIGHT], Err(Denied::TokenMissingConfig)),
        ],
    );
}

#[test]
fn forwarding_fields_of_strangers_are_refused_before_the_token() {
    for mode in [Mode::AllowlistOrToken, Mode::AllowlistOnly, Mode::RequireToken] {
        for name in FORWARDED {
            for peer in ["127.0.0.1", "203.0.113.9", "unix", "front", ""] {
                let fields = [(name, "127.0.0.1"), RIGHT];
                assert_eq!(decided(&guard(mode), peer, "GET", &fields), Err(Denied::ProxyHeader), "{peer} {name}");
            }
        }
    }
    let mut lenient = guard(Mode::AllowlistOrToken);
    lenient.rules.proxy_strict = false;
    all(
        &lenient,
        "GET",
        &[
            // They are passed over: nobody's word is taken.
            ("203.0.113.9", &[("x-forwarded-for", "127.0.0.1")], Err(Denied::TokenMissing)),
            ("203.0.113.9", &[("x-forwarded-for", "127.0.0.1"), RIGHT], Ok(Reason::Token)),
            ("127.0.0.1", &[("forwarded", "for=203.0.113.9")], Ok(Reason::Ip)),
        ],
    );
}

#[test]
fn trusted_proxies_speak_for_their_clients() {
    let mut guard = Guard { rules: rules(Mode::AllowlistOrToken), proxies: Box::new(Believed) };
    let cases: [Case; 11] = [
        ("10.0.0.1", &[("x-forwarded-for", "192.0.2.9")], Ok(Reason::Ip)),
        ("::ffff:10.0.0.1", &[("x-forwarded-for", "::ffff:192.0.2.9")], Ok(Reason::Ip)),
        ("10.0.0.1", &[("x-forwarded-for", "203.0.113.9")], Err(Denied::TokenMissing)),
        ("10.0.0.1", &[("x-forwarded-for", "203.0.113.9"), RIGHT], Ok(Reason::Token)),
        ("127.0.0.1", &[("x-forwarded-for", "203.0.113.9")], Err(Denied::TokenMissing)),
        ("10.0.0.1", &[], Err(Denied::TokenMissing)),
        ("10.0.0.1", &[("forwarded", "for=\""), RIGHT], Err(Denied::ProxyHeader)),
        ("10.0.1.1", &[("x-forwarded-for", "192.0.2.9"), RIGHT], Err(Denied::ProxyHeader)),
        // A socket file of the server: what it says of its clients counts, it has no address itself.
        ("front", &[("x-forwarded-for", "192.0.2.9")], Ok(Reason::Ip)),
        ("front", &[("x-forwarded-for", "203.0.113.9")], Err(Denied::TokenMissing)),
        ("front", &[("x-forwarded-proto", "https")], Err(Denied::TokenMissing)),
    ];
    all(&guard, "GET", &cases);
    // Whether strangers are refused makes no difference for what is not understood.
    guard.rules.proxy_strict = false;
    all(&guard, "GET", &[("10.0.0.1", &[("forwarded", "for=\""), RIGHT], Err(Denied::ProxyHeader))]);
}

/// One that is on the list itself: it passes for itself as long as it speaks for nobody.
#[test]
fn a_proxy_that_hides_its_client_does_not_pass_in_its_place() {
    let guard = Guard { rules: rules(Mode::AllowlistOrToken), proxies: Box::new(Believed) };
    all(&guard, "GET", &[("127.0.0.1", &[], Ok(Reason::Ip))]);
    let hidden = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "unknown"),
        ("x-forwarded-for", "unix:"),
        ("x-forwarded-for", "nonsense"),
        ("x-forwarded-for", "[203.0.113.9]"),
        ("x-forwarded-for", ""),
        ("x-forwarded-for", "unknown, 127.0.0.1"),
        ("forwarded", "for=_hidden"),
        ("forwarded", "proto=https"),
        ("x-forwarded-prefix", "/a"),
    ];
    for field in hidden {
        assert_eq!(decided(&guard, "127.0.0.1", "GET", &[field]), Err(Denied::TokenMissing), "{field:?}");
        assert_eq!(decided(&guard, "127.0.0.1", "GET", &[field, RIGHT]), Ok(Reason::Token), "{field:?}");
    }
}

#[test]
fn a_loopback_address_of_another_machine_is_nobody_here() {
    let guard = Guard { rules: rules(Mode::AllowlistOrToken), proxies: Box::new(Believed) };
    let cases: [Case; 8] = [
        ("127.0.0.1", &[("x-forwarded-for", "127.0.0.2")], Ok(Reason::Ip)),
        ("10.0.0.1", &[("x-forwarded-for", "127.0.0.1")], Err(Denied::ProxyHeader)),
        ("10.0.0.1", &[("x-forwarded-for", "::ffff:127.0.0.1"), RIGHT], Err(Denied::ProxyHeader)),
        ("10.0.0.1", &[("forwarded", "for=\"[::1]\"")], Err(Denied::ProxyHeader)),
        ("10.0.0.1", &[("x-forwarded-for", "127.0.0.1, 10.0.0.7")], Err(Denied::ProxyHeader)),
        ("127.0.0.1", &[("x-forwarded-for", "127.0.0.2, 10.0.0.7")], Err(Denied::ProxyHeader)),
        ("127.0.0.1", &[("forwarded", "for=127.0.0.1, for=10.0.0.7")], Err(Denied::ProxyHeader)),
        ("10.0.0.1", &[("x-forwarded-for", "192.0.2.9, 127.0.0.1")], Ok(Reason::Ip)),
    ];
    all(&guard, "GET", &cases);
}

/// At the addresses of the server a proxy on this machine that adds no field looks like this machine itself.
#[test]
fn at_the_addresses_of_the_server_this_machine_is_nobody() {
    let guard = Guard { rules: rules(Mode::AllowlistOrToken), proxies: Box::new(Believed) };
    let cases: [Case; 6] = [
        ("main 127.0.0.1", &[], Err(Denied::TokenMissing)),
        ("main ::1", &[], Err(Denied::TokenMissing)),
        ("main 127.0.0.1", &[RIGHT], Ok(Reason::Token)),
        ("main 127.0.0.1", &[("x-forwarded-for", "127.0.0.2")], Err(Denied::TokenMissing)),
        ("main 127.0.0.1", &[("x-forwarded-for", "192.0.2.9")], Ok(Reason::Ip)),
        ("main 192.0.2.9", &[], Ok(Reason::Ip)),
    ];
    all(&guard, "GET", &cases);
}

#[test]
fn a_guard_that_is_off_asks_nobody() {
    let mut off = guard(Mode::RequireToken);
    off.rules.enabled = false;
    all(
        &off,
        "GET",
        &[
            ("203.0.113.9", &[], Ok(Reason::Disabled)),
            ("203.0.113.9", &[("x-forwarded-for", "1.1.1.1")], Ok(Reason::Disabled)),
            ("", &[], Ok(Reason::Disabled)),
            // Pages are another matter.
            ("127.0.0.1", &[("host", "evil.example")], Err(Denied::Host)),
        ],
    );
    all(&off, "POST", &[("203.0.113.9", &[], Err(Denied::Unmarked))]);
}

#[test]
fn pages_are_told_from_programs() {
    const LOCAL: (&str, &str) = ("host", "127.0.0.1:9180");
    const NODE: (&str, &str) = ("host", "node-1.example:9180");
    const MARK: (&str, &str) = ("x-supercharger", "1");
    let guard = guard(Mode::AllowlistOrToken);
    let shown: [Case; 15] = [
        ("127.0.0.1", &[LOCAL], Ok(Reason::Ip)),
        ("127.9.9.9", &[LOCAL], Ok(Reason::Ip)),
        ("::1", &[("host", "[::1]:9180")], Ok(Reason::Ip)),
        ("127.0.0.1", &[], Ok(Reason::Ip)),
        ("127.0.0.1", &[("host", "localhost")], Ok(Reason::Ip)),
        ("127.0.0.1", &[("host", "LOCALHOST.:9180")], Ok(Reason::Ip)),
        ("127.0.0.1", &[("host", "evil.example:9180")], Err(Denied::Host)),
        ("127.0.0.1", &[("host", "localhost.evil.example")], Err(Denied::Host)),
        ("127.0.0.1", &[("host", "127.0.0.1.evil.example")], Err(Denied::Host)),
        ("127.0.0.1", &[("host", "10.0.0.1")], Err(Denied::Host)),
        ("127.0.0.1", &[LOCAL, ("host", "evil.example")], Err(Denied::Host)),
        ("127.0.0.1", &[("host", "not a host")], Err(Denied::Host)),
        ("127.0.0.1", &[LOCAL, ("origin", "http://evil.example")], Ok(Reason::Ip)),
        // A token is proof; who comes by a socket file is no browser.
        ("127.0.0.1", &[("host", "shop.example"), RIGHT], Ok(Reason::Ip)),
        ("unix", &[("host", "shop.example")], Ok(Reason::Ip)),
    ];
    all(&guard, "GET", &shown);
    let orders: [Case; 17] = [
        ("127.0.0.1", &[LOCAL, MARK], Ok(Reason::Ip)),
        ("127.0.0.1", &[LOCAL, ("x-supercharger", "")], Ok(Reason::Ip)),
        ("127.0.0.1", &[LOCAL], Err(Denied::Unmarked)),
        ("unix", &[("host", "shop.example")], Err(Denied::Unmarked)),
        ("203.0.113.9", &[RIGHT], Err(Denied::Unmarked)),
        ("203.0.113.9", &[RIGHT, MARK], Ok(Reason::Token)),
        ("127.0.0.1", &[LOCAL, MARK, ("origin", "null")], Err(Denied::Origin)),
        ("127.0.0.1", &[LOCAL, MARK, ("origin", "http://evil.example")], Err(Denied::Origin)),
        ("127.0.0.1", &[LOCAL, MARK, ("origin", "http://127.0.0.1:9181")], Err(Denied::Origin)),
        ("unix", &[MARK, ("origin", "http://shop.example")], Err(Denied::Origin)),
        // The page that this server itself shows; but under a name it may be somebody else's.
        ("127.0.0.1", &[LOCAL, MARK, ("origin", "http://127.0.0.1:9180")], Ok(Reason::Ip)),
        ("192.0.2.9", &[("host", "10.0.0.5:9180"), MARK, ("origin", "http://10.0.0.5:9180")], Ok(Reason::Ip)),
        ("192.0.2.9", &[("host", "node-2"), MARK, ("origin", "http://node-2")], Err(Denied::Origin)),
        ("192.0.2.9", &[("host", "node-2"), MARK, ("origin", "http://node-2"), RIGHT], Ok(Reason::Ip)),
        ("192.0.2.9", &[NODE, MARK, ("origin", "http://node-1.example:9180")], Ok(Reason::Ip)),
        ("192.0.2.9", &[NODE, MARK, ("origin", "http://node-1.example")], Err(Denied::Origin)),
        ("127.0.0.1", &[LOCAL, MARK, ("origin", "http://evil.example"), RIGHT], Ok(Reason::Ip)),
    ];
    all(&guard, "POST", &orders);
}

/// A page whose name was pointed to this server reads nothing from the browser of somebody who passes by address, wherever that one is.
#[test]
fn who_passes_by_address_asks_for_an_address_or_a_name_of_ours() {
    let guard = Guard { rules: rules(Mode::AllowlistOrToken), proxies: Box::new(Believed) };
    // The name; whether somebody of this machine passes with it, and somebody of the list elsewhere.
    let cases = [
        ("127.0.0.1:9180", true, true),
        ("127.0.0.2", true, true),
        ("[::1]:9180", true, true),
        ("[::ffff:127.0.0.1]", true, true),
        ("localhost", true, true),
        ("LocalHost.:9180", true, true),
        ("10.0.0.5:9180", false, true),
        ("[2001:db8::5]:9180", false, true),
        ("[::ffff:10.0.0.5]", false, true),
        ("node-1.example", true, true),
        ("NODE-1.example.:9180", true, true),
        ("node-1.example.evil.example", false, false),
        ("evil-node-1.example", false, false),
        ("example", false, false),
        ("evil.example:9180", false, false),
        ("localhost.evil.example", false, false),
        ("127.0.0.1.evil.example", false, false),
        ("0x7f.0.0.1", false, false),
        ("2130706433", false, false),
        ("not a host", false, false),
        ("", false, false),
    ];
    let asked = |peer, fields: &[(&str, &str)]| decided(&guard, peer, "GET", fields);
    let reason = |passes: bool| if passes { Ok(Reason::Ip) } else { Err(Denied::Host) };
    for (host, here, elsewhere) in cases {
        let host_field = ("host", host);
        for peer in ["127.0.0.1", "::1", "::ffff:127.9.9.9"] {
            assert_eq!(asked(peer, &[host_field]), reason(here), "{peer} {host}");
        }
        let by_proxy = ("x-forwarded-for", "192.0.2.9");
        for peer in ["192.0.2.9", "::ffff:192.0.2.9", "main 192.0.2.9"] {
            assert_eq!(asked(peer, &[host_field]), reason(elsewhere), "{peer} {host}");
        }
        for peer in ["10.0.0.1", "front"] {
            assert_eq!(asked(peer, &[host_field, by_proxy]), reason(elsewhere), "{peer} {host}");
            // Neither the proxy's own name for us nor the one that its client has asked for may be a stranger's.
            let told = [("host", "10.0.0.5"), by_proxy, ("x-forwarded-host", host)];
            assert_eq!(asked(peer, &told), reason(elsewhere), "{peer} told {host}");
        }
        // A token passes under every name, and nobody is asked who has come by a socket file or needs it anyway.
        for peer in ["127.0.0.1", "192.0.2.9"] {
            assert_eq!(asked(peer, &[host_field, RIGHT]), Ok(Reason::Ip), "{peer} {host}");
            assert_eq!(asked(peer, &[host_field, WRONG]), asked(peer, &[host_field]), "{peer} {host}");
        }
        assert_eq!(asked("203.0.113.9", &[host_field, RIGHT]), Ok(Reason::Token), "{host}");
        assert_eq!(asked("203.0.113.9", &[host_field]), Err(Denied::TokenMissing), "{host}");
        assert_eq!(asked("unix", &[host_field]), Ok(Reason::Ip), "{host}");
    }
    // HTTP/1.0 may name nobody, which no browser does.
    for peer in ["127.0.0.1", "192.0.2.9", "unix"] {
        assert_eq!(asked(peer, &[]), Ok(Reason::Ip), "{peer}");
    }
    for pair in [["localhost", "evil.example"], ["evil.example", "localhost"], ["localhost", "localhost"]] {
        let twice = pair.map(|host| ("host", host));
        assert_eq!(asked("192.0.2.9", &twice), Err(Denied::Host), "{pair:?}");
    }
    // Both lists of a guard that is off are empty: only what may not be asked by all of this machine stays so.
    let mut off = Guard { rules: rules(Mode::AllowlistOrToken), proxies: Box::new(Believed) };
    off.rules.enabled = false;
    let evil = [("host", "evil.example")];
    assert_eq!(decided(&off, "192.0.2.9", "GET", &evil), Ok(Reason::Disabled));
    assert_eq!(decided(&off, "127.0.0.1", "GET", &evil), Err(Denied::Host));
}

#[test]
fn each_refusal_has_its_word() {
    let cases = [
        (Denied::ProxyHeader, "proxyHeaderNotTrusted"),
        (Denied::Ip, "ipDenied"),
        (Denied::TokenMissingConfig, "tokenMissingConfig"),
        (Denied::Token, "tokenDenied"),
        (Denied::TokenMissing, "tokenMissing"),
        (Denied::Forbidden, "forbidden"),
        (Denied::Origin, "originDenied"),
        (Denied::Host, "hostDenied"),
        (Denied::Unmarked, "orderHeaderMissing"),
    ];
    assert_eq!(cases.map(|(denied, _)| denied), Denied::ALL);
    for (denied, label) in cases {
        assert_eq!(denied.label(), label);
        assert_eq!(denied.into_response().status(), StatusCode::FORBIDDEN);
    }
}

#[test]
fn a_reload_brings_new_rules() {
    let gate = Gate::new(rules(Mode::AllowlistOnly), Nobody);
    let before = gate.clone();
    gate.replace(rules(Mode::RequireToken), Nobody);
    assert_eq!(decided(&before.now().guard, "127.0.0.1", "GET", &[]), Err(Denied::Token));
}

#[tokio::test]
async fn what_goes_on_learns_that_its_guard_is_no_more() {
    use std::task::Poll;

    let gate = Gate::new(rules(Mode::AllowlistOnly), Nobody);
    let (first, late) = (Allowed(gate.now()), Allowed(gate.now()));
    let mut lapsed = Box::pin(first.lapsed());
    let mut now = async || std::future::poll_fn(|cx| Poll::Ready(lapsed.as_mut().poll(cx).is_ready())).await;
    assert!(!now().await, "its guard is in force");
    gate.replace(rules(Mode::AllowlistOnly), Nobody);
    assert!(now().await, "another one is");
    // Let pass before and watched afterwards: that is no way around it.
    late.lapsed().await;
}
