//! The endpoints for operators: what they say, that they say it whatever the workers do, and to whom.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::support::program::{self, run_to_end, signal};
use crate::support::server::free_port;
use crate::support::{Launch, Mode, PrivateDir, Server, modes, run, until};

/// A child is waited for a second, the machine may be busy; a scraper gives up after ten.
const BOUND: Duration = Duration::from_secs(5);

const PATHS: [&str; 15] = [
    "/healthz",
    "/health",
    "/health/live",
    "/ready",
    "/health/ready",
    "/health/startup",
    "/status",
    "/status/worker",
    "/maintenance",
    "/workers",
    "/debug/workers",
    "/metrics",
    "/runtime/metrics/aggregate",
    "/runtime/status/host",
    "/status/host",
];

modes!(every_endpoint_answers, |launch| launch.admin(), async |server| {
    server.get("/").await.ok();
    for path in PATHS {
        let answer = server.ask_admin("GET", path, &[]).await;
        answer.ok();
        let never = Some("no-store, no-cache, must-revalidate, max-age=0");
        assert_eq!(answer.header("cache-control"), never, "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    assert_eq!(server.admin_json("/healthz").await, serde_json::json!({"status": "ok"}));
    assert_eq!(server.admin_json("/ready").await["status"], "ready");
    let status = server.admin_json("/status").await;
    assert_eq!(status["stage"], "serving", "{status:#}");
    assert_eq!(status["server"]["pid"], server.pid(), "{status:#}");
    assert_eq!(status["pools"]["default"]["requests"], 1, "{status:#}");
    let workers = server.admin_json("/workers").await;
    let workers = workers["workers"].as_array().expect("a list");
    assert_eq!(workers.len(), 2, "{workers:#?}");
    assert!(workers.iter().all(|worker| worker["state"] == "idle" && worker["pool"] == "default"), "{workers:#?}");
    let metrics = server.ask_admin("GET", "/metrics", &[]).await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for (series, value) in [
        ("supercharger_requests_total{pool=\"default\"}", 1.0),
        ("supercharger_workers{pool=\"default\",state=\"idle\"}", 2.0),
        ("supercharger_workers{pool=\"default\",state=\"busy\"}", 0.0),
        ("supercharger_queue_depth{pool=\"default\"}", 0.0),
        ("supercharger_rejected_total{cause=\"queue_timeout\",pool=\"default\"}", 0.0),
        ("supercharger_recycle_total{pool=\"default\",reason=\"max_requests\"}", 0.0),
        ("supercharger_scale_total{direction=\"up\",pool=\"default\"}", 0.0),
        ("supercharger_child_restarts_total{signal=\"SIGSEGV\"}", 0.0),
        ("supercharger_stuck_threads", 0.0),
        ("runtime_worker_request_total", 1.0),
        ("runtime_worker_restart_total{reason=\"manual\"}", 0.0),
    ] {
        assert!((server.metric(series).await - value).abs() < f64::EPSILON, "{series}:\n{}", metrics.text());
    }
});

#[test]
fn other_methods_and_addresses_are_told_so() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        for path in ["/healthz", "/status", "/workers", "/metrics"] {
            let answer = server.ask_admin("POST", path, &[]).await;
            answer.expect(405);
            assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET")), "{answer}");
        }
        for path in ["/workers/recycle", "/reload", "/drain"] {
            let answer = server.ask_admin("GET", path, &[]).await;
            answer.expect(405);
            assert_eq!(answer.header("allow"), Some("POST"), "{answer}");
        }
        // Nor does it need the mark of an order.
        for (method, path, allowed) in [("PUT", "/drain", "POST"), ("OPTIONS", "/status", "GET,HEAD")] {
            let answer = server.ask_admin_unmarked(method, path, &[]).await;
            answer.expect(405);
            assert_eq!(answer.header("allow"), Some(allowed), "{answer}");
            // A page of another site is told nothing.
            let answer = server.ask_admin_unmarked(method, path, &[("origin", "http://a.example")]).await;
            assert_eq!(answer.expect(403).json()["reason"], "originDenied", "{answer}");
        }
        server.ask_admin("GET", "/nothing", &[]).await.expect(404);
        server.ask_admin("POST", "/workers/recycle?slot=first", &[]).await.expect(400);
        server.ask_admin("POST", "/workers/recycle?what=ever", &[]).await.expect(400);
        server.ask_admin("POST", "/workers/recycle?pool=none", &[]).await.expect(404);
    });
}

/// Asks for everything and says how long the slowest answer took.
async fn slowest(server: &Server) -> Duration {
    let mut slowest = Duration::ZERO;
    for path in PATHS {
        let start = Instant::now();
        let answer = server.ask_admin("GET", path, &[]).await;
        assert!(matches!(answer.status(), 200 | 503), "{path}: {answer}");
        slowest = slowest.max(start.elapsed());
    }
    slowest
}

modes!(answers_come_while_every_worker_is_blocked, |launch| launch.admin(), async |server| {
    let mut held = Vec::new();
    for id in ["a", "b"] {
        let mut connection = server.connect(crate::support::Protocol::Http1).await;
        let path = format!("/hold?id={id}&secret=1");
        held.push(tokio::spawn(async move { connection.get(&path).await }));
        server.dir().wait_for_mark(&format!("holding-{id}")).await;
    }
    let took = slowest(server).await;
    assert!(took < BOUND, "the slowest answer took {took:?}");
    let workers = server.admin_json("/workers").await;
    for worker in workers["workers"].as_array().expect("a list") {
        assert_eq!(worker["state"], "busy", "{workers:#}");
        assert_eq!(worker["current"]["method"], "GET", "{workers:#}");
        assert_eq!(worker["current"]["path"], "/hold", "the query is left out; {workers:#}");
        assert!(worker["current"]["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{workers:#}");
    }
    assert!((server.metric("supercharger_requests_in_flight{pool=\"default\"}").await - 2.0).abs() < f64::EPSILON);
    for id in ["a", "b"] {
        server.dir().mark(&format!("release-{id}"));
    }
    for answer in held {
        answer.await.expect("an answer").ok();
    }
});

/// A child that is stopped reads no order: its last word is shown, and marked.
#[test]
fn answers_come_while_a_child_is_out_of_its_mind() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        server.get("/").await.ok();
        let before = server.admin_json("/status").await;
        assert_eq!(before["processes"][0]["stale"], false, "{before:#}");
        let child = server.php_pid();
        signal(child, "STOP");
        let took = slowest(server).await;
        let (status, workers) = (server.admin_json("/status").await, server.admin_json("/workers").await);
        let requests = server.metric("supercharger_requests_total{pool=\"default\"}").await;
        signal(child, "CONT");
        assert!(took < BOUND, "the slowest answer took {took:?}");
        assert_eq!(status["processes"][0]["stale"], true, "{status:#}");
        assert_eq!(workers["workers"][1]["stale"], true, "{workers:#}");
        assert!((requests - 1.0).abs() < f64::EPSILON, "what was last known is still counted: {requests}");
        assert_eq!(server.admin_json("/status").await["processes"][0]["stale"], false);
    });
}

/// Method, path, header fields and the reason.
type Refused = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

#[test]
fn strangers_pages_and_proxies_are_refused() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        let cases: [Refused; 6] = [
            ("GET", "/status", &[("host", "evil.example")], "hostDenied"),
            ("GET", "/metrics", &[("host", "localhost.evil.example:9180")], "hostDenied"),
            ("POST", "/drain", &[("origin", "http://evil.example")], "originDenied"),
            ("POST", "/reload", &[("origin", "null")], "originDenied"),
            ("GET", "/workers", &[("x-forwarded-for", "127.0.0.1")], "proxyHeaderNotTrusted"),
            ("GET", "/nothing", &[("forwarded", "for=127.0.0.1")], "proxyHeaderNotTrusted"),
        ];
        for (method, path, headers, reason) in cases {
            let answer = server.ask_admin(method, path, headers).await;
            answer.expect(403);
            let expected =
                serde_json::json!({"error": "forbidden", "code": "runtime_endpoint_denied", "reason": reason});
            assert_eq!(answer.json(), expected, "{method} {path}");
        }
        for path in ["/drain", "/reload", "/workers/recycle", "/maintenance/on", "/maintenance/off"] {
            let answer = server.ask_admin_unmarked("POST", path, &[]).await;
            answer.expect(403);
            assert_eq!(answer.json()["reason"], "orderHeaderMissing", "{path}");
        }
        // Liveness is nobody's secret; readiness without its reason neither.
        for path in ["/healthz", "/ready"] {
            server.ask_admin("GET", path, &[("host", "evil.example")]).await.ok();
        }
        server.get("/").await.ok();
    });
}

/// Every place is taken by a client that asks and reads nothing: they are given up, and others get an answer.
#[test]
fn clients_that_read_nothing_hold_no_place() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        // So many requests on one connection that their answers fill what the kernel holds.
        let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(800);
        let greedy: Vec<_> = (0..64)
            .map(|_| {
                let mut client = std::net::TcpStream::connect(server.admin()).expect("a connection");
                client.set_nonblocking(true).expect("non-blocking");
                std::io::Write::write(&mut client, requests.as_bytes()).expect("requests");
                client
            })
            .collect();
        let answer = tokio::time::timeout(Duration::from_secs(45), server.ask_admin("GET", "/healthz", &[])).await;
        answer.expect("a place is free again").ok();
        drop(greedy);
    });
}

/// Every place is taken by a client that says nothing: the oldest gives way, long before its time for the head of a request is over.
#[test]
fn silent_connections_keep_nobody_from_liveness() {
    run(Launch::plain(Mode::Classic).workers(1).admin(), async |server| {
        let connect = || std::net::TcpStream::connect(server.admin()).expect("a connection");
        let silent: Vec<_> = (0..80).map(|_| connect()).collect();
        for path in ["/healthz", "/ready", "/status"] {
            let answer = tokio::time::timeout(Duration::from_secs(5), server.ask_admin("GET", path, &[])).await;
            answer.expect("a place is made").ok();
        }
        drop(silent);
    });
}

/// A client that asks for something and reads nothing of the answer, which is more than the kernel holds for it.
async fn ask_and_do_not_read(admin: std::net::SocketAddr, path: &str) -> tokio::net::TcpStream {
    use tokio::io::AsyncWriteExt as _;
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(1024).expect("a small buffer");
    let mut stream = socket.connect(admin).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("asked");
    stream
}

/// The page is for everybody. Two hundred who ask for it without end and do not read it hold three times the places.
#[test]
fn who_asks_and_does_not_read_keeps_nobody_from_liveness() {
    const CLIENTS: usize = 200;
    // Much longer than others wait.
    const HELD: Duration = Duration::from_secs(3);
    run(Launch::plain(Mode::Classic).workers(1).admin(), async |server| {
        let admin = server.admin();
        let greedy: Vec<_> = (0..CLIENTS)
            .map(|number| {
                tokio::spawn(async move {
                    // Not all at the same moment.
                    let mut held = HELD * u32::try_from(number).expect("few") / 200;
                    loop {
                        let stream = ask_and_do_not_read(admin, "/").await;
                        tokio::time::sleep(held).await;
                        held = HELD;
                        drop(stream);
                    }
                })
            })
            .collect();
        tokio::time::sleep(HELD / 3).await;
        for _ in 0..20 {
            let alive = server.ask_admin("GET", "/healthz", &[]);
            tokio::time::timeout(Duration::from_secs(1), alive).await.expect("an answer within a second").ok();
            tokio::time::sleep(HELD / 20).await;
        }
        // Others find a place too, and keep it until they have their answers.
        for path in ["/ready", "/status", "/metrics", "/"] {
            tokio::time::timeout(BOUND, server.ask_admin("GET", path, &[])).await.expect("an answer").ok();
        }
        greedy.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

/// The same with what takes long to make: those who wait for it are busy, and give way only once it is there.
#[test]
fn unread_scrapes_keep_nobody_from_liveness() {
    run(Launch::plain(Mode::Classic).workers(1).admin(), async |server| {
        let mut greedy = Vec::new();
        for number in 0..100 {
            let stream = ask_and_do_not_read(server.admin(), "/metrics").await;
            // All places are held by clients that have an answer to read, and then come those for whom one is made.
            if number < 64 {
                stream.readable().await.expect("the beginning of an answer");
            }
            greedy.push(stream);
        }
        let answer = tokio::time::timeout(BOUND, server.ask_admin("GET", "/healthz", &[])).await;
        answer.expect("a place is made").ok();
        drop(greedy);
    });
}

#[test]
fn a_socket_file_does_as_well() {
    let dir = PrivateDir::with_app("plain");
    let socket = dir.path().join("admin.sock");
    let launch = Launch::with_dir(dir, Mode::Worker).root("public").script("public/worker.php").workers(1);
    let address = format!("unix:{}?mode=0600", socket.display());
    run(launch.config("admin.listen", &format!("{address:?}")), async |server| {
        let mode = std::fs::metadata(&socket).expect("the socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let line = ["status", "--json", "--admin", &format!("unix:{}", socket.display())];
        let ended = program::supercharger(server.dir(), &line, BOUND * 4);
        ended.expect(0, &["\"stage\": \"serving\""]);
        server.signal("TERM");
        server.wait_for_end(BOUND * 2).await;
        assert!(!socket.exists(), "the file goes with its server");
    });
}

#[test]
fn an_address_that_is_taken_ends_the_start() {
    let dir = PrivateDir::with_app("plain");
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.1", port)).expect("a port");
    let mut command = program::command(program::executable(), &dir);
    let listen = format!("127.0.0.1:{}", free_port());
    command.args(["php-server", "--root", "public", "--listen", &listen]);
    command.env("SUPERCHARGER__ADMIN__LISTEN", format!("127.0.0.1:{port}"));
    run_to_end(&dir, command, Duration::from_secs(20))
        .expect(1, &[&format!("127.0.0.1:{port}"), "in use", "admin.listen"]);
}

/// Nobody has asked for the default address: a second server on a developer's machine does without.
#[test]
fn the_default_address_may_be_taken() {
    // Whether this succeeds or somebody else has it: it is taken.
    let _taken = TcpListener::bind("127.0.0.1:9180");
    run(Launch::plain(Mode::Worker).config("admin.listen", "\"127.0.0.1:9180\""), async |server| {
        let line = server.wait_for_log("admin.notice").await;
        assert!(line.contains("127.0.0.1:9180") && line.contains("in use"), "{line}");
        server.get("/").await.ok();
    });
}

/// What a child has counted is not lost with it.
#[test]
fn counters_outlive_their_process() {
    run(Launch::plain(Mode::Worker).admin().expect_error("child.crash"), async |server| {
        let requests = "supercharger_requests_total{pool=\"default\"}";
        for _ in 0..10 {
            server.get("/").await.ok();
        }
        let outcome = server.ask_admin("POST", "/reload?wait=true", &[]).await;
        assert_eq!(outcome.ok().json()["generation"], 2, "{outcome}");
        server.get("/").await.ok();
        let (all, end) = (11.0, Instant::now() + BOUND);
        while (server.metric(requests).await - all).abs() > f64::EPSILON {
            assert!(Instant::now() < end, "{} of {all} requests are counted", server.metric(requests).await);
        }
        assert!((server.metric("supercharger_reloads_total{outcome=\"ok\"}").await - 1.0).abs() < f64::EPSILON);
        // A child that is killed has said last what was asked of it.
        let child = until(BOUND, "the old child has ended", || match server.children()[..] {
            [only] => Some(only),
            _ => None,
        })
        .await;
        signal(child, "KILL");
        let end = Instant::now() + BOUND;
        while server.metric("supercharger_child_restarts_total{signal=\"SIGKILL\"}").await < 1.0 {
            assert!(Instant::now() < end, "the crash is not counted");
        }
        assert!((server.metric(requests).await - all).abs() < f64::EPSILON);
    });
}
