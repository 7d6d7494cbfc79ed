//! The page of the admin endpoints and its live feed, as far as they need no browser; `scripts/check-dashboard` drives them with one.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Launch, Mode, Protocol, Server, modes, run, until};

/// Viewers at a time.
const MOST_VIEWERS: usize = 16;
/// A debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

const TOKEN: &str = "t0ken-of-the-tests";
const RIGHT: (&str, &str) = ("authorization", "Bearer t0ken-of-the-tests");
const OTHER: (&str, &str) = ("authorization", "Bearer another-token-of-the-tests");

/// Comes from an address that is on no list.
const STRANGER: [u8; 4] = [127, 0, 0, 3];

/// A viewer that reads when it is told to.
struct Viewer {
    stream: TcpStream,
    /// What has come and was not asked for yet.
    got: Vec<u8>,
}

impl Viewer {
    fn open(server: &Server) -> Self {
        Self::over(socket(), server, &[])
    }

    /// With so small a buffer that what it does not read is soon seen to wait.
    fn deaf(server: &Server) -> Self {
        let socket = socket();
        socket.set_recv_buffer_size(4096).expect("a buffer");
        Self::over(socket, server, &[])
    }

    fn stranger(server: &Server, token: (&str, &str)) -> Self {
        let socket = socket();
        socket.bind(&SocketAddr::from((STRANGER, 0)).into()).expect("an address");
        Self::over(socket, server, &[token])
    }

    fn over(socket: socket2::Socket, server: &Server, fields: &[(&str, &str)]) -> Self {
        socket.connect(&server.admin().into()).expect("a connection");
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let ask = format!("GET /events HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        stream.write_all(ask.as_bytes()).expect("a request");
        Self { stream, got: Vec::new() }
    }

    /// Reads until the text has come; gives all that came up to its end.
    fn read_until(&mut self, text: &str) -> String {
        let mut bytes = [0; 65536];
        loop {
            if let Some(at) = self.got.windows(text.len()).position(|window| window == text.as_bytes()) {
                let rest = self.got.split_off(at + text.len());
                return String::from_utf8(std::mem::replace(&mut self.got, rest)).expect("text");
            }
            let count = match self.stream.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                count => count.expect("more of the feed"),
            };
            assert_ne!(count, 0, "the feed ended before {text:?}:\n{}", String::from_utf8_lossy(&self.got));
            self.got.extend_from_slice(&bytes[..count]);
        }
    }

    /// The status of its answer.
    fn status(&mut self) -> u16 {
        let line = self.read_until("\r\n");
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {line}"))
    }

    /// The next snapshot that is as wanted.
    fn snapshot(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LIMIT;
        loop {
            // An event is one chunk, so nothing stands in the middle of it.
            self.read_until("event: snapshot\ndata: ");
            let moment = serde_json::from_str(&self.read_until("\n\n")).expect("JSON");
            if wanted(&moment) {
                return moment;
            }
            assert!(Instant::now() < end, "{what}: {moment:#}");
        }
    }

    fn sees_generation(&mut self, generation: u64) {
        self.snapshot("the generation", |moment| moment["status"]["generation"] == generation);
    }

    /// The feed ends, and in an orderly way.
    fn expect_end(&mut self) {
        let (end, mut bytes) = (Instant::now() + LIMIT, [0; 65536]);
        loop {
            match self.stream.read(&mut bytes).expect("the end of the feed, not a cut") {
                0 => break,
                count => self.got.extend_from_slice(&bytes[..count]),
            }
            assert!(Instant::now() < end, "the feed goes on");
        }
        assert!(self.got.ends_with(b"0\r\n\r\n"), "it is cut: {}", String::from_utf8_lossy(&self.got));
    }
}

fn socket() -> socket2::Socket {
    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket")
}

/// Changes the configuration and has it read anew.
async fn reload(server: &Server, from: &str, to: &str, token: (&str, &str)) {
    let config = server.dir().path().join("supercharger.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    assert!(text.contains(from), "{from:?} is not in\n{text}");
    std::fs::write(&config, text.replace(from, to)).expect("written");
    server.ask_admin("POST", "/reload?wait=true", &[token]).await.ok();
}

modes!(the_page_is_for_all_and_is_of_one_piece, |launch| launch.admin(), async |server| {
    // A stranger's name: the guard refuses it everything else.
    let answer = server.ask_admin("GET", "/", &[("host", "evil.example")]).await;
    answer.ok();
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("cache-control"), Some("no-store, no-cache, must-revalidate, max-age=0"));
    let policy = answer.header("content-security-policy").expect("a policy").to_owned();
    for part in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "script-src 'nonce-"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let text = answer.text();
    let nonce = policy.split("script-src 'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce");
    assert_eq!(text.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "style and script");
    assert!(!text.contains("{nonce}") && !text.contains("{style}") && !text.contains("{script}"));
    assert!(
        !text.contains("http://")
            || text.matches("http://").count() == text.matches("http://www.w3.org/2000/svg").count()
    );
    assert!(!text.contains("https://") && !text.contains("innerHTML"), "no assets of others, no markup out of data");
    let again = server.ask_admin("GET", "/", &[]).await;
    assert!(!again.header("content-security-policy").is_some_and(|policy| policy.contains(nonce)), "a new nonce");
    server.ask_admin("GET", "/events", &[("host", "evil.example")]).await.expect(403);
});

/// Nothing of the server's state is told without the token: neither on the page nor at any address beside it.
#[test]
fn without_the_token_nothing_is_shown() {
    let launch = Launch::plain(Mode::Worker)
        .admin()
        .config("guard.mode", "\"require_token\"")
        .config("guard.token", &format!("{TOKEN:?}"));
    let launch = launch.config("pools.zebras.match", "[\"/zebras/*\"]").config("pools.zebras.workers", "1");
    run(launch, async |server| {
        let route = server.script("supercharger_route('/walrus/{id}'); http_response_code(500);");
        server.get(&route).await.expect(500);
        let mut connection = server.connect(Protocol::Http1).await;
        let id = ("x-request-id", "heron-7");
        let held = tokio::spawn(async move { connection.send("GET", "/hold?id=x", &[id], "").await });
        server.dir().wait_for_mark("holding-x").await;

        // What there is to know, and that it can be found by whoever may.
        let status = server.ask_admin("GET", "/status", &[RIGHT]).await.ok().json();
        let known = |name: &str| status["server"][name].as_str().expect("a text").to_owned();
        let secrets =
            [known("version"), known("php"), "zebras".into(), "walrus".into(), "heron".into(), "/hold".into()];
        let mut viewer = Viewer::stranger(server, RIGHT);
        viewer.read_until("event: snapshot\ndata: ");
        let told = viewer.read_until("\n\n") + &server.ask_admin("GET", "/metrics", &[RIGHT]).await.ok().text();
        for secret in &secrets {
            assert!(told.contains(secret.as_str()), "{secret} is not told at all:\n{told}");
        }

        for (path, expected) in [
            ("/", 200),
            ("/healthz", 200),
            ("/ready", 200),
            ("/health/startup", 200),
            ("/events", 403),
            ("/status", 403),
            ("/status/worker", 403),
            ("/workers", 403),
            ("/debug/workers", 403),
            ("/metrics", 403),
            ("/maintenance", 403),
            ("/runtime/status/host", 403),
            ("/runtime/metrics/aggregate", 403),
            ("/zebras", 403),
        ] {
            for token in [None, Some(OTHER)] {
                let answer = server.ask_admin("GET", path, token.as_slice()).await;
                answer.expect(expected);
                let all = format!("{answer}{}", answer.text());
                for secret in &secrets {
                    assert!(!all.contains(secret.as_str()), "{path} tells {secret}: {all}");
                }
            }
        }
        server.dir().mark("release-x");
        held.await.expect("an answer").ok();
    });
}

/// The percentiles of the page are made of these: counts since the start, bucket by bucket, for each pool.
#[test]
fn the_feed_tells_how_long_requests_took() {
    let launch = Launch::plain(Mode::Worker)
        .admin()
        .config("pools.idle.match", "[\"/idle/*\"]")
        .config("pools.idle.workers", "1");
    run(launch, async |server| {
        let slow = server.script("usleep(30_000); echo 'slow';");
        for path in ["/", "/", "/", slow.as_str()] {
            server.get(path).await.ok();
        }
        let sum = |counts: &Value| counts.as_array().expect("counts").iter().filter_map(Value::as_u64).sum::<u64>();
        let mut viewer = Viewer::open(server);
        // A request is counted after its reset.
        let all = |moment: &Value| sum(&moment["latency"]["pools"]["default"]["execution"]) >= 4;
        let latency = viewer.snapshot("all are counted", all)["latency"].take();
        let pool = &latency["pools"]["default"];
        assert_eq!((sum(&pool["queue"]), sum(&pool["execution"])), (4, 4), "{latency}");
        for phase in ["queue", "execution"] {
            assert_eq!(sum(&latency["pools"]["idle"][phase]), 0, "{latency}");
        }
        let bounds: Vec<_> =
            latency["bounds_micros"].as_array().expect("bounds").iter().filter_map(Value::as_u64).collect();
        assert!(bounds.is_sorted() && bounds.len() > 10, "{latency}");
        let slowest = pool["execution"].as_array().expect("counts").len() - 1;
        assert!(bounds[slowest] > 30_000, "the bucket of the slow one: {latency}");
        // The same that is told to scrapers.
        let metrics = server.ask_admin("GET", "/metrics", &[]).await.ok().text();
        for (name, phase) in [("queue_wait", "queue"), ("execution", "execution")] {
            let mut cumulated = 0;
            for (index, bound) in bounds.iter().enumerate() {
                cumulated += pool[phase][index].as_u64().unwrap_or_default();
                let le = std::time::Duration::from_micros(*bound).as_secs_f64();
                let line = format!("supercharger_{name}_seconds_bucket{{pool=\"default\",le=\"{le}\"}} {cumulated}");
                assert!(metrics.lines().any(|got| got == line), "{line} is not in\n{metrics}");
            }
        }
    });
}

modes!(the_feed_tells_all_viewers_the_same_once_a_second, |launch| launch.admin(), async |server| {
    server.get("/").await.ok();
    let mut viewers: Vec<_> = (0..MOST_VIEWERS).map(|_| Viewer::open(server)).collect();
    let seen: Vec<_> = viewers.iter_mut().map(|viewer| viewer.read_until("\nid: 3\n")).collect();
    for text in &seen {
        assert!(text.contains("content-type: text/event-stream; charset=utf-8\r\n"), "{text}");
        assert!(text.contains("event: snapshot\ndata: {") && text.contains("\"pools\":{\"default\":"), "{text}");
        assert!(text.contains("\"workers\":["), "{text}");
    }
    let second = |text: &str| {
        let event = text.split("\nid: 2\n").nth(1).expect("the second").to_owned();
        event.split("\n\n").next().expect("its end").to_owned()
    };
    assert!(seen.iter().all(|text| second(text) == second(&seen[0])), "one question for all");

    // One too many is told so; a place that is given up is free.
    let answer = server.ask_admin("GET", "/events", &[]).await;
    answer.expect(503);
    assert_eq!(answer.json()["error"]["code"], "too_many_viewers");
    server.ask_admin("GET", "/status", &[]).await.ok();
    drop(viewers.pop());
    until(LIMIT, "a place is free", || (Viewer::open(server).status() == 200).then_some(())).await;
});

/// A viewer that reads nothing takes up a place for a while, and no more: neither an order nor the end waits for it.
#[test]
fn a_full_house_holds_up_neither_a_reload_nor_the_end() {
    run(Launch::plain(Mode::Worker).workers(20).admin(), async |server| {
        let deaf: Vec<_> = (0..MOST_VIEWERS / 2).map(|_| Viewer::deaf(server)).collect();
        let mut viewers: Vec<_> = (0..MOST_VIEWERS / 2).map(|_| Viewer::open(server)).collect();
        viewers.iter_mut().for_each(|viewer| assert_eq!(viewer.status(), 200));
        server.ask_admin("POST", "/reload?wait=true", &[]).await.ok();
        // The rules are the same, so they see it all.
        viewers.iter_mut().for_each(|viewer| viewer.sees_generation(2));
        server.signal("TERM");
        viewers.iter_mut().for_each(Viewer::expect_end);
        server.wait_for_end(LIMIT).await;
        drop(deaf);
    });
}

/// Whoever watches has been let in by rules that may change. Then everybody asks again, and a token that counts no more opens nothing.
#[test]
fn a_change_of_the_guard_ends_the_feed() {
    let launch = Launch::plain(Mode::Classic).workers(1).admin().config("guard.token", &format!("{TOKEN:?}"));
    run(launch.config("guard.allow", "[\"127.0.0.1\"]"), async |server| {
        let mut by_token = Viewer::stranger(server, RIGHT);
        let mut by_address = Viewer::open(server);
        // Other settings are no change of the guard.
        reload(server, "workers = 1", "workers = 2", RIGHT).await;
        [&mut by_token, &mut by_address].into_iter().for_each(|viewer| viewer.sees_generation(2));

        reload(server, TOKEN, "another-token-of-the-tests", RIGHT).await;
        [&mut by_token, &mut by_address].into_iter().for_each(Viewer::expect_end);
        assert_eq!(Viewer::stranger(server, RIGHT).status(), 403);
        let mut by_token = Viewer::stranger(server, OTHER);
        let mut by_address = Viewer::open(server);
        assert_eq!((by_token.status(), by_address.status()), (200, 200));

        reload(server, "127.0.0.1\"]", "192.0.2.1\"]", OTHER).await;
        [&mut by_token, &mut by_address].into_iter().for_each(Viewer::expect_end);
        assert_eq!((Viewer::open(server).status(), Viewer::stranger(server, OTHER).status()), (403, 200));
    });
}

/// Every place is taken by viewers that read nothing: they are dropped, though the server has sent all that they have asked for.
#[test]
fn viewers_that_read_nothing_are_dropped() {
    // Many workers, so that a snapshot is large and what the kernel takes for a viewer is soon full.
    run(Launch::plain(Mode::Classic).workers(40).admin(), async |server| {
        let deaf: Vec<_> = (0..MOST_VIEWERS).map(|_| Viewer::deaf(server)).collect();
        until(LIMIT, "all places are taken", || (Viewer::open(server).status() == 503).then_some(())).await;
        until(2 * LIMIT, "a place is free again", || (Viewer::open(server).status() == 200).then_some(())).await;
        drop(deaf);
    });
}
