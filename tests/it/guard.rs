//! Who may ask the endpoints: the decision table over real sockets, with strangers from other addresses of this machine.
//!
//! The endpoints listen on every address, so that a peer from 127.0.0.2 comes as `::ffff:127.0.0.2`.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use crate::support::program;
use crate::support::raw::{Raw, status};
use crate::support::server::free_port;
use crate::support::{Answer, Connection, Launch, Mode, PrivateDir, Server, run, until};

/// A debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

const TOKEN: &str = "t0ken-of-the-tests";
const RIGHT: (&str, &str) = ("authorization", "Bearer t0ken-of-the-tests");
const WRONG: (&str, &str) = ("authorization", "Bearer other");
const EMPTY: (&str, &str) = ("authorization", "Bearer");
const OTHER_FIELD: (&str, &str) = ("x-runtime-token", TOKEN);

/// On the list, not on it, and a trusted proxy.
const LISTED: &str = "127.0.0.2";
const STRANGER: &str = "127.0.0.3";
const PROXY: &str = "127.0.0.9";

/// Peer, header fields, and the reason of the refusal or `pass`.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

fn launch(mode: &str) -> Launch {
    launch_behind(&[PROXY], mode)
}

fn launch_behind(proxies: &[&str], mode: &str) -> Launch {
    let launch = Launch::plain(Mode::Classic).workers(1).admin_everywhere();
    let launch = launch.config("server.trusted_proxies", &format!("{proxies:?}"));
    // By variables of another program's: in a file what the mode does not ask for would be refused.
    launch
        .env("RUNTIME_ENDPOINT_SECURITY_MODE", mode)
        .env("RUNTIME_ENDPOINT_ALLOW_CIDR", "127.0.0.2/32,192.0.2.0/24,2001:db8::/32")
        .env("RUNTIME_ENDPOINT_TOKEN", TOKEN)
}

/// The same, with the endpoints on an address of the server besides: its port.
fn launch_on_main(mode: &str) -> (Launch, u16) {
    let port = free_port();
    let launch = launch(mode).also_listen(&format!(":{port}")).config("endpoints.on_main", "true");
    (launch, port)
}

async fn ask_at(port: u16, peer: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let peer: IpAddr = peer.parse().expect("an address");
    let own: IpAddr = if peer.is_ipv4() { [127, 0, 0, 1].into() } else { Ipv6Addr::LOCALHOST.into() };
    Connection::open_from(peer, SocketAddr::new(own, port)).await.send(method, path, headers, "").await
}

async fn ask(server: &Server, peer: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask_at(server.admin().port(), peer, method, path, headers).await
}

/// A machine without it says so; one that only does not let it be had is a fault.
fn has_ipv6() -> bool {
    let has = TcpListener::bind("[::1]:0").is_ok();
    let known = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    assert!(has || !known.contains("00000000000000000000000000000001"), "::1 is there and cannot be had");
    if !has {
        eprintln!("this machine has no ::1: the cases with IPv6 are left out");
    }
    has
}

/// Asks something and gives an order, both of which are to come to the same.
async fn all_at(port: u16, cases: &[Case]) {
    let has_ipv6 = has_ipv6();
    for (peer, headers, expected) in cases {
        if peer.contains(':') && !has_ipv6 {
            continue;
        }
        let order = [headers, &[("x-supercharger", "1")][..]].concat();
        for (method, path, headers) in [("GET", "/status", *headers), ("POST", "/maintenance/off", &order)] {
            let answer = ask_at(port, peer, method, path, headers).await;
            if *expected == "pass" {
                assert_eq!(answer.status(), 200, "{peer} {method} {headers:?}: {answer}");
                continue;
            }
            let body = serde_json::json!({"error": "forbidden", "code": "runtime_endpoint_denied", "reason": expected});
            assert_eq!((answer.status(), answer.json()), (403, body), "{peer} {method} {headers:?}: {answer}");
        }
    }
}

async fn all(server: &Server, cases: &[Case]) {
    all_at(server.admin().port(), cases).await;
}

#[test]
fn allowlist_or_token() {
    run(launch("allowlist_or_token"), async |server| {
        all(
            server,
            &[
                (LISTED, &[], "pass"),
                (LISTED, &[WRONG], "pass"),
                (STRANGER, &[], "tokenMissing"),
                ("127.0.0.1", &[], "tokenMissing"),
                ("::1", &[], "tokenMissing"),
                (STRANGER, &[RIGHT], "pass"),
                ("::1", &[RIGHT], "pass"),
                (STRANGER, &[("authorization", "bEaReR   t0ken-of-the-tests  ")], "pass"),
                (STRANGER, &[OTHER_FIELD], "pass"),
                (STRANGER, &[("authorization", "Basic dTpw"), OTHER_FIELD], "pass"),
                (STRANGER, &[WRONG], "forbidden"),
                (STRANGER, &[("x-runtime-token", "other")], "forbidden"),
                (STRANGER, &[WRONG, OTHER_FIELD], "forbidden"),
                (STRANGER, &[EMPTY, OTHER_FIELD], "tokenMissing"),
                // A token does not rescue what a stranger says of others.
                (STRANGER, &[RIGHT, ("x-forwarded-for", "127.0.0.2")], "proxyHeaderNotTrusted"),
                (LISTED, &[("forwarded", "for=127.0.0.2")], "proxyHeaderNotTrusted"),
                (LISTED, &[("x-forwarded-host", "a")], "proxyHeaderNotTrusted"),
                (LISTED, &[("x-forwarded-proto", "https")], "proxyHeaderNotTrusted"),
                (LISTED, &[("x-forwarded-port", "1")], "proxyHeaderNotTrusted"),
                (LISTED, &[("x-forwarded-prefix", "/a")], "proxyHeaderNotTrusted"),
                // A trusted proxy speaks for its client, whatever that one has sent before.
                (PROXY, &[("x-forwarded-for", "192.0.2.7")], "pass"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7, 2001:db8::7")], "pass"),
                (PROXY, &[("x-forwarded-for", "192.0.2.7, 203.0.113.7")], "tokenMissing"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7"), RIGHT], "pass"),
                (PROXY, &[("forwarded", "for=\"[::ffff:192.0.2.7]\"")], "pass"),
                (PROXY, &[("forwarded", "for=\"")], "proxyHeaderNotTrusted"),
                (PROXY, &[], "tokenMissing"),
            ],
        )
        .await;
        // The guard is bound to the handler: no other way to write a path leads past it, and nothing is told of what is there.
        for path in ["/status/", "//status", "/%73tatus", "/nothing", "/reload"] {
            ask(server, STRANGER, "GET", path, &[]).await.expect(403);
        }
        for path in ["/status", "/status/worker", "/workers", "/debug/workers", "/metrics"] {
            ask(server, STRANGER, "GET", path, &[]).await.expect(403);
            ask(server, STRANGER, "GET", path, &[RIGHT]).await.ok();
        }
        // Liveness is nobody's secret, readiness neither, but not what is behind it.
        for path in ["/healthz", "/health", "/health/live", "/ready", "/health/ready", "/health/startup"] {
            let answer = ask(server, STRANGER, "GET", path, &[("x-forwarded-for", "1.1.1.1")]).await;
            let told = answer.ok().json();
            assert_eq!(told.as_object().map(serde_json::Map::len), Some(1), "{path}: {told}");
        }
        for path in ["/workers/recycle", "/reload", "/drain"] {
            for headers in [&[][..], &[("x-supercharger", "1")], &[WRONG, ("x-supercharger", "1")]] {
                ask(server, STRANGER, "POST", path, headers).await.expect(403);
            }
        }
        let answer = ask(server, STRANGER, "POST", "/workers/recycle", &[RIGHT]).await;
        assert_eq!(answer.expect(403).json()["reason"], "orderHeaderMissing");
        ask(server, STRANGER, "POST", "/workers/recycle", &[RIGHT, ("x-supercharger", "1")]).await.expect(202);
        assert!(!server.log().contains(TOKEN), "the token is in the log");
    });
}

#[test]
fn allowlist_only() {
    run(launch("allowlist_only"), async |server| {
        all(
            server,
            &[
                (LISTED, &[], "pass"),
                (STRANGER, &[], "ipDenied"),
                (STRANGER, &[RIGHT], "ipDenied"),
                ("::1", &[RIGHT], "ipDenied"),
                (PROXY, &[("x-forwarded-for", "192.0.2.7")], "pass"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7"), RIGHT], "ipDenied"),
                (STRANGER, &[("x-forwarded-for", "192.0.2.7")], "proxyHeaderNotTrusted"),
            ],
        )
        .await;
    });
}

#[test]
fn require_token_in_a_field_of_another_name() {
    let launch = launch("require_token").config("guard.header", "\"X-Ops\"").config("guard.proxy_strict", "false");
    run(launch, async |server| {
        all(
            server,
            &[
                (LISTED, &[], "tokenDenied"),
                (LISTED, &[WRONG], "tokenDenied"),
                (LISTED, &[OTHER_FIELD], "tokenDenied"),
                (STRANGER, &[RIGHT], "pass"),
                ("::1", &[("x-ops", TOKEN)], "pass"),
                (STRANGER, &[EMPTY, ("x-ops", TOKEN)], "tokenDenied"),
                // Not strict: what strangers say of others is passed over.
                (STRANGER, &[RIGHT, ("x-forwarded-for", "192.0.2.7")], "pass"),
                (STRANGER, &[("x-forwarded-for", "192.0.2.7")], "tokenDenied"),
            ],
        )
        .await;
    });
}

#[test]
fn a_guard_that_is_off_lets_everybody_pass() {
    let launch = launch("require_token").config("guard.enabled", "false");
    run(launch, async |server| {
        let line = server.wait_for_log("guard.enabled").await;
        assert!(line.contains("config.notice") && line.contains("may see everything"), "{line}");
        all(server, &[(STRANGER, &[], "pass"), (LISTED, &[("x-forwarded-for", "1.1.1.1")], "pass")]).await;
    });
}

/// The table at an address of the server: one of this machine is on no list there, and a proxy's client may be.
#[test]
fn the_same_table_at_the_addresses_of_the_server() {
    let (launch, port) = launch_on_main("allowlist_or_token");
    run(launch, async |_| {
        all_at(
            port,
            &[
                (LISTED, &[], "tokenMissing"),
                (STRANGER, &[], "tokenMissing"),
                ("::1", &[], "tokenMissing"),
                (LISTED, &[RIGHT], "pass"),
                (STRANGER, &[OTHER_FIELD], "pass"),
                ("::1", &[RIGHT], "pass"),
                (LISTED, &[WRONG], "forbidden"),
                (STRANGER, &[EMPTY, OTHER_FIELD], "tokenMissing"),
                (STRANGER, &[RIGHT, ("x-forwarded-for", "192.0.2.7")], "proxyHeaderNotTrusted"),
                ("::1", &[RIGHT, ("forwarded", "for=192.0.2.7")], "proxyHeaderNotTrusted"),
                (PROXY, &[("x-forwarded-for", "192.0.2.7")], "pass"),
                (PROXY, &[("forwarded", "for=\"[2001:db8::7]\"")], "pass"),
                (PROXY, &[("x-forwarded-for", "127.0.0.2")], "tokenMissing"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7")], "tokenMissing"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7"), RIGHT], "pass"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7"), WRONG], "forbidden"),
                (PROXY, &[("x-forwarded-for", "127.0.0.1, 203.0.113.7")], "tokenMissing"),
                (PROXY, &[], "tokenMissing"),
            ],
        )
        .await;
    });
    let (launch, port) = launch_on_main("allowlist_only");
    run(launch, async |_| {
        all_at(
            port,
            &[
                (LISTED, &[RIGHT], "ipDenied"),
                ("::1", &[RIGHT], "ipDenied"),
                (PROXY, &[("x-forwarded-for", "192.0.2.7")], "pass"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7"), RIGHT], "ipDenied"),
                (STRANGER, &[("x-forwarded-for", "192.0.2.7")], "proxyHeaderNotTrusted"),
            ],
        )
        .await;
    });
    let (launch, port) = launch_on_main("require_token");
    run(launch.config("guard.proxy_strict", "false"), async |_| {
        all_at(
            port,
            &[
                (LISTED, &[], "tokenDenied"),
                ("::1", &[WRONG], "tokenDenied"),
                (STRANGER, &[RIGHT], "pass"),
                ("::1", &[OTHER_FIELD], "pass"),
                (PROXY, &[("x-forwarded-for", "192.0.2.7")], "tokenDenied"),
                (STRANGER, &[("x-forwarded-for", "192.0.2.7"), RIGHT], "pass"),
                (STRANGER, &[("x-forwarded-for", "192.0.2.7")], "tokenDenied"),
            ],
        )
        .await;
    });
}

/// A name of a stranger that was pointed to this server is none of ours, whoever looks at the stranger's page.
#[test]
fn who_passes_by_address_asks_for_an_address_or_a_name_of_ours() {
    let launch = launch("allowlist_or_token").config("guard.hosts", "[\"Ops.example\", \"app_1\"]");
    run(launch, async |server| {
        const BEHIND: (&str, &str) = ("x-forwarded-for", "192.0.2.7");
        // The name; what becomes of somebody of this machine who asks for it, and of somebody of another one.
        for (host, here, elsewhere) in [
            ("127.0.0.1:9180", "pass", "pass"),
            ("[::1]", "pass", "pass"),
            ("LOCALHOST.:9180", "pass", "pass"),
            ("10.0.0.5:9180", "hostDenied", "pass"),
            ("[2001:db8::5]:9180", "hostDenied", "pass"),
            ("ops.EXAMPLE.:9180", "pass", "pass"),
            ("app_1", "pass", "pass"),
            ("evil.example", "hostDenied", "hostDenied"),
            ("evil.ops.example", "hostDenied", "hostDenied"),
            ("ops.example.evil.example", "hostDenied", "hostDenied"),
            ("127.0.0.1.evil.example", "hostDenied", "hostDenied"),
        ] {
            let host = ("host", host);
            all_with(server, &[(LISTED, &[host], here), (PROXY, &[host, BEHIND], elsewhere)]).await;
            let told = [("host", "127.0.0.1"), BEHIND, ("x-forwarded-host", host.1)];
            all_with(server, &[(PROXY, &told, elsewhere)]).await;
            // A token passes under every name, a wrong one is none.
            all_with(server, &[(LISTED, &[host, RIGHT], "pass"), (PROXY, &[host, BEHIND, RIGHT], "pass")]).await;
            all_with(server, &[(LISTED, &[host, WRONG], here), (STRANGER, &[host], "tokenMissing")]).await;
        }
        // The page under a name of ours may give orders; from another site it may not.
        let ordered = async |origin: &str, expected: u16| {
            let fields = [("host", "ops.example:9180"), ("origin", origin), ("x-supercharger", "1")];
            ask(server, LISTED, "POST", "/maintenance/off", &fields).await.expect(expected);
        };
        ordered("http://ops.example:9180", 200).await;
        ordered("http://ops.example", 403).await;
        ordered("http://evil.example", 403).await;
        // Probes have names and no secrets.
        for path in ["/healthz", "/health/live", "/ready", "/health/startup"] {
            let told = ask(server, LISTED, "GET", path, &[("host", "app.ops.svc")]).await.ok().json();
            assert_eq!(told.as_object().map(serde_json::Map::len), Some(1), "{path}: {told}");
        }
        ask(server, LISTED, "GET", "/metrics", &[("host", "app.ops.svc")]).await.expect(403);
        ask(server, LISTED, "GET", "/metrics", &[("host", "app.ops.svc"), RIGHT]).await.ok();
    });
}

/// A case that is made here and there.
type Made<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// The same as `all` for cases that are made here and there.
async fn all_with(server: &Server, cases: &[Made<'_>]) {
    for (peer, headers, expected) in cases {
        let answer = ask(server, peer, "GET", "/status", headers).await;
        match *expected {
            "pass" => drop(answer.ok()),
            reason => assert_eq!(answer.expect(403).json()["reason"], reason, "{peer} {headers:?}: {answer}"),
        }
    }
}

/// Who names no host is no browser: HTTP/1.0, and whatever comes by a socket file.
#[test]
fn programs_that_name_no_host_are_no_browsers() {
    run(Launch::plain(Mode::Classic).workers(1).admin(), async |server| {
        let said = async |head: &str| {
            let mut raw = Raw::open(server.admin()).await;
            raw.write(head).await;
            status(&raw.response().await)
        };
        assert_eq!(said("GET /status HTTP/1.0\r\n\r\n").await, 200);
        assert_eq!(said("GET /status HTTP/1.0\r\nHost: evil.example\r\n\r\n").await, 403);
        assert_eq!(said("GET /status HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n").await, 403);
    });
    let dir = PrivateDir::with_app("plain");
    let socket = dir.path().join("admin.sock");
    let launch = Launch::with_dir(dir, Mode::Classic).root("public").workers(1);
    run(launch.config("admin.listen", &format!("\"unix:{}\"", socket.display())), async |_| {
        use std::io::{Read as _, Write as _};
        for host in ["Host: evil.example\r\n", ""] {
            let mut stream = std::os::unix::net::UnixStream::connect(&socket).expect("a connection");
            stream.set_read_timeout(Some(LIMIT)).expect("a limit");
            write!(stream, "GET /status HTTP/1.0\r\n{host}\r\n").expect("written");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            assert_eq!(status(&answer), 200, "{answer}");
        }
    });
}

/// Whoever connects may claim to be anybody, where that is trusted: it opens nothing here.
#[test]
fn what_everybody_may_claim_is_no_pass() {
    run(launch_behind(&["REMOTE_ADDR"], "allowlist_or_token"), async |server| {
        let line = server.wait_for_log("server.trusted_proxies").await;
        assert!(line.contains("config.notice") && line.contains("REMOTE_ADDR"), "{line}");
        for claim in ["192.0.2.7", "127.0.0.2", "::1", "unknown", "192.0.2.7, 127.0.0.3", "192.0.2.7, 127.0.0.2"] {
            let claim = ("x-forwarded-for", claim);
            all_with(
                server,
                &[
                    (STRANGER, &[claim], "tokenMissing"),
                    // Nor does it matter that the peer itself is on the list: it speaks for others.
                    (LISTED, &[claim], "tokenMissing"),
                    (STRANGER, &[claim, WRONG], "forbidden"),
                    (STRANGER, &[claim, RIGHT], "pass"),
                ],
            )
            .await;
        }
        all_with(server, &[(LISTED, &[], "pass"), (STRANGER, &[], "tokenMissing")]).await;
        all_with(server, &[(LISTED, &[("forwarded", "for=\"")], "proxyHeaderNotTrusted")]).await;
        // The application is told what was claimed: that is what the word means.
        let path = server.script("echo $_SERVER['REMOTE_ADDR'];");
        let told = server.send("GET", &path, &[("x-forwarded-for", "192.0.2.7")], "").await.ok().text();
        assert_eq!(told, "192.0.2.7");
    });
    run(launch_behind(&["private_ranges", "203.0.113.1"], "allowlist_or_token"), async |server| {
        all_with(
            server,
            &[
                (STRANGER, &[("x-forwarded-for", "192.0.2.7")], "pass"),
                (STRANGER, &[("x-forwarded-for", "203.0.113.7")], "tokenMissing"),
                (STRANGER, &[("x-forwarded-for", "192.0.2.7, 203.0.113.1")], "pass"),
                (STRANGER, &[("x-forwarded-for", "192.0.2.7, 203.0.113.2")], "tokenMissing"),
            ],
        )
        .await;
    });
}

/// Refusals are counted by reason, and told in the log in so many lines as nobody can raise, with nothing of what was sent.
#[test]
fn refusals_are_counted_and_told() {
    run(launch("allowlist_or_token"), async |server| {
        const SECRET: (&str, &str) = ("x-runtime-token", "nearly-the-t0ken-of-the-tests");
        for _ in 0..5 {
            ask(server, STRANGER, "GET", "/status?secret=yes", &[]).await.expect(403);
            // What is for everybody is nobody's refusal.
            ask(server, STRANGER, "GET", "/ready", &[]).await.ok();
            ask(server, STRANGER, "GET", "/", &[]).await.ok();
        }
        for _ in 0..3 {
            ask(server, STRANGER, "GET", "/nothing-of-theirs", &[SECRET]).await.expect(403);
        }
        ask(server, LISTED, "POST", "/reload", &[("x-forwarded-for", "203.0.113.7")]).await.expect(403);
        ask(server, LISTED, "GET", "/status", &[("host", "evil.example")]).await.expect(403);
        ask(server, LISTED, "POST", "/reload", &[]).await.expect(403);
        let text = ask(server, LISTED, "GET", "/metrics", &[]).await.ok().text();
        for (reason, count) in [
            ("tokenMissing", 5),
            ("forbidden", 3),
            ("proxyHeaderNotTrusted", 1),
            ("hostDenied", 1),
            ("orderHeaderMissing", 1),
            ("ipDenied", 0),
            ("tokenDenied", 0),
            ("tokenMissingConfig", 0),
            ("originDenied", 0),
        ] {
            let line = format!("supercharger_guard_refusals_total{{reason=\"{reason}\"}} {count}");
            assert!(text.lines().any(|got| got == line), "{line} in\n{text}");
        }
        let told = |reason: &str| -> Vec<serde_json::Value> {
            let log = server.log();
            let lines = log.lines().filter(|line| line.contains("\"event\":\"guard.refused\""));
            let lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
            lines.filter(|line| line["reason"] == reason).collect()
        };
        // The first at once, the others together after a pause.
        let lines = until(LIMIT, "all are told", || {
            let lines = told("tokenMissing");
            let sum = |lines: &[serde_json::Value]| lines.iter().filter_map(|line| line["count"].as_u64()).sum::<u64>();
            (sum(&lines) == 5 && sum(&told("forbidden")) == 3).then_some(lines)
        })
        .await;
        assert!(lines.len() == 2 && lines[0]["count"] == 1 && lines[1]["peer"] == STRANGER, "{lines:?}");
        assert_eq!((told("forbidden").len(), told("hostDenied").len(), told("ipDenied").len()), (2, 1, 0));
        let log = server.log();
        assert!(!log.contains("nearly-the") && !log.contains("evil.example") && !log.contains("of-theirs"), "{log}");
        assert!(!log.contains("203.0.113.7"), "{log}");
    });
}

/// A proxy that is trusted and on the list passes for itself, and never in the place of somebody whom it does not name.
#[test]
fn a_proxy_opens_nothing_to_those_it_speaks_for() {
    let launch = Launch::plain(Mode::Classic).workers(1).admin_everywhere();
    let launch = launch.config("server.trusted_proxies", "[\"127.0.0.1\", \"192.0.2.0/24\"]");
    run(launch.config("guard.token", &format!("{TOKEN:?}")), async |server| {
        const HOST: (&str, &str) = ("host", "localhost");
        ask(server, "127.0.0.1", "GET", "/status", &[HOST]).await.ok();
        for field in [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "unknown"),
            ("x-forwarded-for", "unix:"),
            ("x-forwarded-for", "nonsense"),
            ("x-forwarded-for", "[203.0.113.9]"),
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "unknown, 127.0.0.1"),
            ("forwarded", "for=_hidden"),
            ("forwarded", "proto=https"),
        ] {
            let answer = ask(server, "127.0.0.1", "GET", "/status", &[HOST, field]).await;
            assert_eq!(answer.expect(403).json()["reason"], "tokenMissing", "{field:?}");
            let order = [HOST, field, ("x-supercharger", "1")];
            ask(server, "127.0.0.1", "POST", "/workers/recycle", &order).await.expect(403);
            ask(server, "127.0.0.1", "GET", "/status", &[HOST, field, RIGHT]).await.ok();
        }
        // A proxy on another machine (here one hop away) cannot bring forth somebody on this one.
        for field in [
            ("x-forwarded-for", "127.0.0.2, 192.0.2.77"),
            ("x-forwarded-for", "::1, 192.0.2.77"),
            ("forwarded", "for=\"[::1]\", for=192.0.2.77"),
        ] {
            let answer = ask(server, "127.0.0.1", "GET", "/status", &[HOST, field, RIGHT]).await;
            assert_eq!(answer.expect(403).json()["reason"], "proxyHeaderNotTrusted", "{field:?}");
        }
    });
}

/// A reload brings new rules: a token can be changed without a restart.
#[test]
fn a_reload_brings_another_token() {
    // In the file, which a reload reads again.
    let launch = Launch::plain(Mode::Classic).workers(1).admin_everywhere().config("guard.mode", "\"require_token\"");
    run(launch.config("guard.token", &format!("{TOKEN:?}")), async |server| {
        let config = server.dir().app().join("supercharger.toml");
        let config = if config.exists() { config } else { server.dir().path().join("supercharger.toml") };
        let text = std::fs::read_to_string(&config).expect("the configuration");
        std::fs::write(&config, text.replace(TOKEN, "another-t0ken-of-the-tests")).expect("written");
        let order = [RIGHT, ("x-supercharger", "1")];
        ask(server, STRANGER, "POST", "/reload?wait=true", &order).await.ok();
        all(
            server,
            &[
                (STRANGER, &[RIGHT], "tokenDenied"),
                (STRANGER, &[("authorization", "Bearer another-t0ken-of-the-tests")], "pass"),
            ],
        )
        .await;
    });
}

/// The commands find the token in the configuration, in a variable and in a file.
#[test]
fn commands_bring_the_token() {
    run(launch("require_token"), async |server| {
        let address = server.admin().to_string();
        let dir = server.dir();
        let status = |variables: &[(&str, &str)], more: &[&str]| {
            let mut command = program::command(program::executable(), dir);
            command.args(["status", "--admin", &address]).args(more);
            command.envs(variables.iter().copied());
            program::run_to_end(dir, command, LIMIT)
        };
        status(&[], &[]).expect(1, &["tokenDenied", "--token-file"]);
        status(&[("SUPERCHARGER__GUARD__TOKEN", TOKEN)], &[]).expect(0, &["serving"]);
        status(&[("RUNTIME_ENDPOINT_TOKEN", TOKEN)], &[]).expect(0, &["serving"]);
        status(&[("SUPERCHARGER__GUARD__TOKEN", "another-t0ken-of-the-tests")], &[]).expect(1, &["tokenDenied"]);
        status(&[("SUPERCHARGER__GUARD__TOKEN", "other")], &[])
            .expect(78, &["SUPERCHARGER__GUARD__TOKEN", "openssl rand"]);
        let file = dir.write("token", &format!("{TOKEN}\n")).display().to_string();
        status(&[], &["--token-file", &file]).expect(0, &["serving"]);
        let config = dir.write("with.toml", &format!("guard.token = {TOKEN:?}\n")).display().to_string();
        status(&[], &["--config", &config]).expect(0, &["serving"]);
        status(&[], &["--token-file", "missing"]).expect(78, &["--token-file", "missing"]);
        for order in ["recycle", "reload"] {
            let line = [order, "--admin", &address, "--token-file", &file];
            program::supercharger(dir, &line, LIMIT).expect(0, &[]);
        }
        assert!(!server.log().contains(TOKEN), "the token is in the log");
    });
}

/// What cannot be obeyed to the letter stops the start, and names its key.
#[test]
fn a_guard_that_cannot_be_obeyed_refuses_to_start() {
    let dir = PrivateDir::with_app("plain");
    for (text, key) in [
        ("guard.allow = [\"10.0.0.0/abc\"]", "guard.allow"),
        ("guard.allow = [\"10.0.0.0/\"]", "guard.allow"),
        ("guard.allow = [\"10.0.0.0/33\"]", "guard.allow"),
        ("guard.allow = [\"::ffff:10.0.0.0/8\"]", "guard.allow"),
        ("guard.header = \"Content-Length\"", "guard.header"),
        ("guard.header = \"Transfer-Encoding\"", "guard.header"),
        ("guard.header = \"host\"", "guard.header"),
        ("guard.hosts = [\"*\"]", "guard.hosts"),
        ("guard.hosts = [\"app:9180\"]", "guard.hosts"),
        ("guard.hosts = [\"10.0.0.5\"]", "guard.hosts"),
        ("guard.token = \"fifteen-of-them\"", "openssl rand"),
        ("server.trusted_proxies = [\"REMOTE_ADDRESS\"]", "server.trusted_proxies"),
        ("guard.mode = \"strict\"", "guard.mode"),
        ("guard.mode = \"allowlist_only\"\nguard.token = \"a-token-nobody-asks-for\"", "guard.token"),
        ("guard.mode = \"require_token\"", "guard.token"),
        ("guard.mode = \"require_token\"\nguard.token = \"\"", "guard.token"),
    ] {
        let config = dir.write("wrong/supercharger.toml", text).display().to_string();
        for line in [["php-server", "--root", "public", "--config", &config], ["run", "--config", &config, "", ""]] {
            let line: Vec<_> = line.into_iter().filter(|word| !word.is_empty()).collect();
            program::supercharger(&dir, &line, LIMIT).expect(78, &[key]);
        }
    }
}

/// Nor to its commands, which a container gives the same variables.
#[test]
fn scripts_of_the_command_line_do_not_see_the_servers_secrets() {
    let dir = PrivateDir::with_app("plain");
    let mut command = program::command(program::executable(), &dir);
    let code =
        "echo 'code: ', getenv('SEEN'), ' '; var_dump($argv, getenv(), file_get_contents('/proc/self/environ'));";
    command.args(["php-cli", "-r", code, "--", "one"]).env("SEEN", "yes").env("RUNTIME_ENDPOINT_TOKEN", TOKEN);
    command.env("SUPERCHARGER__GUARD__TOKEN", TOKEN).env("SUPERCHARGER__OTLP__HEADERS__AUTHORIZATION", TOKEN);
    let ended = program::run_to_end(&dir, command, LIMIT);
    ended.expect(0, &["code: yes", "\"one\""]);
    assert!(!ended.output().contains(TOKEN), "{ended}");
}

/// Nor what else is the server's: the way to a collector, and whoever starts it by variables.
#[test]
fn php_does_not_see_the_servers_variables() {
    let launch = Launch::plain(Mode::Worker)
        .admin()
        .env("SUPERCHARGER__OTLP__ENDPOINT", "http://127.0.0.1:9")
        .env("SUPERCHARGER__OTLP__HEADERS__AUTHORIZATION", TOKEN)
        .env("SUPERCHARGER__APP__ENV__FROM_A_VARIABLE", "yes")
        .env("SUPERCHARGER__GUARD__TOKEN", TOKEN);
    // As an ordinary user, who may not look into everybody's processes.
    let launch = launch.wrapped(&["setpriv", "--bounding-set=-sys_ptrace,-perfmon,-sys_admin"]);
    run(launch, async |server| {
        let path = server.script(
            "phpinfo(); var_dump(getenv(), $_ENV, $_SERVER); echo shell_exec('env'), file_get_contents('/proc/self/environ'); \
             var_dump(@file_get_contents('/proc/'.posix_getppid().'/environ'));",
        );
        let seen = server.get(&path).await.ok().text();
        assert!(seen.contains("FROM_A_VARIABLE") && seen.contains("TEST_DIR="), "{seen}");
        assert!(!seen.contains(TOKEN) && !seen.contains("SUPERCHARGER__"), "{seen}");
    });
}

/// What opens the endpoints is nothing to applications.
#[test]
fn php_does_not_see_the_token() {
    let launch = Launch::plain(Mode::Worker).admin().env("SUPERCHARGER__GUARD__TOKEN", TOKEN);
    run(launch.env("RUNTIME_ENDPOINT_TOKEN", TOKEN).env("SEEN", "yes"), async |server| {
        let path = server.script("phpinfo(); var_dump(getenv(), $_ENV, $_SERVER);");
        let seen = server.get(&path).await.ok().text();
        assert!(seen.contains("SEEN") && !seen.contains(TOKEN), "the token is shown");
    });
}
