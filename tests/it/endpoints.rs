//! The endpoints on the addresses of the server, what they say by their schemas, and that nothing an application does holds them up.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::dir::checkout;
use crate::support::run::block_on;
use crate::support::{Answer, Connection, Launch, Mode, PrivateDir, Protocol, Server, modes, run, until};

/// A debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
/// What the issue demands of each answer.
const PROMPT: Duration = Duration::from_millis(100);
/// So many of each: what a held worker holds up is late each time, what a busy machine holds up is not.
const TRIES: usize = 20;

const TOKEN: (&str, &str) = ("x-runtime-token", "t0ken-of-the-tests");

/// Where something is asked.
#[derive(Debug, Clone, Copy)]
enum At {
    Admin,
    Main,
}

async fn ask(server: &Server, at: At, path: &str) -> Answer {
    match at {
        At::Admin => server.ask_admin("GET", path, &[]).await,
        // There no address of this machine is enough.
        At::Main => server.send("GET", path, &[TOKEN], "").await,
    }
}

/// Asks until half of so many answers with this status are prompt: other tests may take the machine for seconds, an endpoint that waits
/// for a worker is late for as long as the test holds it.
async fn is_prompt(server: &Server, at: At, path: &str, status: u16) {
    let end = Instant::now() + LIMIT;
    loop {
        let mut all = Vec::with_capacity(TRIES);
        for _ in 0..TRIES {
            let start = Instant::now();
            ask(server, at, path).await.expect(status);
            all.push(start.elapsed());
        }
        all.sort_unstable();
        if all[TRIES / 2] < PROMPT {
            return;
        }
        assert!(Instant::now() < end, "{at:?} {path}: {all:?}");
    }
}

/// A few first snapshots of the feed are prompt, each with its connection and while nobody else watches: it has to wait until the viewer
/// before is forgotten.
async fn first_events_are_prompt(server: &Server) {
    const VIEWERS: usize = 4;
    let mut prompt = 0;
    until(LIMIT, "prompt first snapshots", || {
        let asked = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let (took, event) = first_event(server.admin());
        assert_eq!(event["workers"][0]["current"]["path"], "/hold", "{event}");
        // An older one was made for the viewer before.
        if took < PROMPT && event["status"]["extra"]["timeUnix"].as_f64().expect("a time") >= asked {
            prompt += 1;
        }
        (prompt == VIEWERS).then_some(())
    })
    .await;
}

fn first_event(admin: SocketAddr) -> (Duration, Value) {
    use std::io::{Read as _, Write as _};
    let start = Instant::now();
    let mut stream = std::net::TcpStream::connect(admin).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("written");
    let (mut got, mut bytes) = (Vec::new(), [0; 65536]);
    // The end of an event, behind the head of the answer.
    while !got.ends_with(b"}\n\n\r\n") {
        let count = stream.read(&mut bytes).expect("more");
        assert_ne!(count, 0, "no event: {}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&bytes[..count]);
    }
    let (took, text) = (start.elapsed(), String::from_utf8_lossy(&got));
    let data = text.split("\ndata: ").nth(1).expect("an event").trim_end();
    (took, serde_json::from_str(data).expect("JSON"))
}

modes!(
    all_answer_at_once_while_every_worker_is_blocked,
    |launch| launch.admin().config("endpoints.on_main", "true").config("guard.token", "\"t0ken-of-the-tests\""),
    async |server| {
        let mut held = Vec::new();
        for id in ["a", "b"] {
            let mut connection = server.connect(Protocol::Http1).await;
            held.push(tokio::spawn(async move { connection.get(&format!("/hold?id={id}")).await }));
            server.dir().wait_for_mark(&format!("holding-{id}")).await;
        }
        // A pool that is busy for a moment is none that is blocked.
        let end = Instant::now() + LIMIT;
        while ask(server, At::Admin, "/ready").await.status() != 503 {
            assert!(Instant::now() < end, "still ready while every worker is blocked");
        }
        for at in [At::Admin, At::Main] {
            for (path, status) in [
                ("/healthz", 200),
                ("/health/live", 200),
                ("/health/startup", 200),
                ("/ready", 503),
                ("/health/ready", 503),
                ("/status", 200),
                ("/workers", 200),
                ("/metrics", 200),
            ] {
                is_prompt(server, at, path, status).await;
            }
            let ready = ask(server, at, "/ready").await.json();
            assert_eq!(ready["pools"]["default"]["standing"], "blocked", "{ready}");
        }
        // The page and its feed are at the endpoints' own address only: at the server's `/` is the application's.
        is_prompt(server, At::Admin, "/", 200).await;
        first_events_are_prompt(server).await;
        for id in ["a", "b"] {
            server.dir().mark(&format!("release-{id}"));
        }
        for answer in held {
            answer.await.expect("an answer").ok();
        }
        let end = Instant::now() + LIMIT;
        while ask(server, At::Main, "/ready").await.status() != 200 {
            assert!(Instant::now() < end, "not ready again");
        }
    }
);

/// On the server's own addresses the guard sees the client's connection, and the application keeps every other path.
#[test]
fn on_main_the_guard_sees_the_client() {
    let dir = PrivateDir::with_app("plain");
    let socket = dir.path().join("main.sock");
    let launch = Launch::with_dir(dir, Mode::Worker).root("public").script("public/worker.php").workers(2);
    let launch = launch.also_listen(&format!("unix:{}", socket.display()));
    let launch = launch.config("endpoints.on_main", "true").config("guard.token", "\"t0ken-of-the-tests\"");
    // Loopback addresses are those of proxies there: a trusted one names its client.
    let launch = launch.config("server.trusted_proxies", "[\"127.0.0.9\"]");
    // Without an address of their own they are there all the same.
    run(launch.config("guard.allow", "[\"127.0.0.0/8\", \"192.0.2.7\"]"), async |server| {
        let from = async |peer: &str, method: &str, path: &str, headers: &[(&str, &str)]| {
            let peer: IpAddr = peer.parse().expect("an address");
            Connection::open_from(peer, server.address()).await.send(method, path, headers, "").await
        };
        let own = ("host", "127.0.0.1");
        from("127.0.0.9", "GET", "/status", &[own, ("x-forwarded-for", "192.0.2.7")]).await.ok();
        let answer = from("127.0.0.9", "GET", "/status", &[own, ("x-forwarded-for", "192.0.2.8")]).await;
        assert_eq!(answer.expect(403).json()["reason"], "tokenMissing");
        for peer in ["127.0.0.1", "127.0.0.2", "127.0.0.9"] {
            assert_eq!(from(peer, "GET", "/status", &[own]).await.expect(403).json()["reason"], "tokenMissing");
            let order = [own, ("x-supercharger", "1")];
            from(peer, "POST", "/workers/recycle", &order).await.expect(403);
        }
        assert_eq!(from("127.0.0.3", "GET", "/status", &[own]).await.expect(403).json()["reason"], "tokenMissing");
        from("127.0.0.3", "GET", "/status", &[own, TOKEN]).await.ok();
        let forwarded = ("x-forwarded-for", "127.0.0.2");
        let answer = from("127.0.0.3", "GET", "/metrics", &[own, TOKEN, forwarded]).await;
        assert_eq!(answer.expect(403).json()["reason"], "proxyHeaderNotTrusted");
        from("127.0.0.3", "GET", "/healthz", &[own, forwarded]).await.ok();
        let answer = from("127.0.0.3", "POST", "/workers/recycle", &[own, TOKEN]).await;
        assert_eq!(answer.expect(403).json()["reason"], "orderHeaderMissing");
        let order = [own, TOKEN, ("x-supercharger", "1")];
        from("127.0.0.3", "POST", "/workers/recycle?slot=0", &order).await.expect(202);

        let stream = std::os::unix::net::UnixStream::connect(&socket).expect("a connection");
        let answer = raw(stream, "GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("tokenMissing"), "{answer}");

        let mut h2 = server.connect(Protocol::H2c).await;
        h2.send("GET", "/status", &[TOKEN], "").await.ok();
        assert_eq!(h2.send("GET", "/status", &[], "").await.expect(403).json()["reason"], "tokenMissing");

        // What is not theirs is the application's, however like it looks.
        assert_eq!(server.get("/").await.ok().text(), "hello");
        for path in ["/status/", "//status", "/%73tatus", "/statuses", "/nothing"] {
            let answer = server.send("GET", path, &[TOKEN], "").await;
            assert!(answer.header("x-content-type-options").is_none(), "{path}: {answer}");
        }
    });
}

fn raw(mut stream: std::os::unix::net::UnixStream, request: &str) -> String {
    use std::io::{Read as _, Write as _};
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

modes!(unless_wanted_there_the_application_has_all_paths, async |server| {
    for path in ["/healthz", "/status", "/metrics", "/workers"] {
        let answer = server.get(path).await;
        assert!(answer.header("x-content-type-options").is_none(), "{path}: {answer}");
    }
});

#[test]
fn on_main_without_a_guard_is_warned_of() {
    let launch = Launch::plain(Mode::Classic).workers(1).config("endpoints.on_main", "true");
    run(launch.config("guard.enabled", "false"), async |server| {
        let line = server.wait_for_log("guard.enabled").await;
        assert!(line.contains("config.notice") && line.contains("may see everything"), "{line}");
        server.get("/status").await.ok();
    });
}

/// Nothing is started until the first workers have reached their loops, whatever else answers.
#[test]
fn startup_waits_for_the_first_workers() {
    let dir = PrivateDir::new();
    dir.write(
        "app/public/index.php",
        "<?php
while (!is_file(__DIR__.'/../../go')) { usleep(2000); clearstatcache(); }
while (supercharger_handle_request(function () { echo 'hello'; })) {
}
",
    );
    let go = dir.path().join("go");
    block_on(LIMIT * 2, async {
        let launch = Launch::with_dir(dir, Mode::Worker).root("public").workers(1).admin();
        let admin = launch.admin_address();
        let probe = async {
            let status = async |path: &str| match Connection::try_open(admin, Protocol::Http1).await {
                Ok(mut connection) => Some(connection.get(path).await),
                Err(_) => None,
            };
            let end = Instant::now() + LIMIT;
            let starting = loop {
                assert!(Instant::now() < end, "the endpoints are there while the first workers boot");
                match status("/health/startup").await {
                    Some(answer) => break answer,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            };
            let told = starting.expect(503).json();
            assert_eq!((&told["status"], &told["stage"]), (&"starting".into(), &"booting".into()), "{told}");
            status("/ready").await.expect("an answer").expect(503);
            status("/healthz").await.expect("an answer").expect(200);
            std::fs::write(&go, "").expect("written");
        };
        let (server, ()) = tokio::join!(launch.start(), probe);
        let told = server.ask_admin("GET", "/health/startup", &[]).await.ok().json();
        assert_eq!(told["status"], "started", "{told}");
        server.ask_admin("GET", "/ready", &[]).await.ok();
        server.finish().await;
    });
}

fn schema(name: &str) -> Value {
    let path = checkout().join("docs/schema").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn faults(name: &str, answer: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(&schema(name), answer, "", &mut faults);
    faults
}

/// The part of JSON Schema that the schemas here use; a word that is not known is a fault.
fn check(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let listed = |name: &str| schema[name].as_array().cloned().unwrap_or_default();
    for (word, rule) in schema.as_object().expect("a schema") {
        let holds = match word.as_str() {
            "$schema" | "title" | "properties" => true,
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                types.iter().any(|name| is_a(name.as_str().expect("a type"), value))
            }
            "const" => rule == value,
            "enum" => listed("enum").contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
            "minLength" => value.as_str().is_none_or(|text| !text.is_empty()),
            "required" => listed("required")
                .iter()
                .all(|key| value.is_null() || value.get(key.as_str().expect("a key")).is_some()),
            "oneOf" => {
                let fits = |schema: &&Value| {
                    let mut inner = Vec::new();
                    check(schema, value, at, &mut inner);
                    inner.is_empty()
                };
                listed("oneOf").iter().filter(fits).count() == 1
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, item, &format!("{at}/{index}"), faults);
                }
                true
            }
            "additionalProperties" => {
                let known = |key: &String| schema["properties"].get(key).is_some();
                for (key, inner) in value.as_object().into_iter().flatten().filter(|(key, _)| !known(key)) {
                    match rule {
                        Value::Bool(false) => faults.push(format!("{at}/{key}: is not in the schema")),
                        rule => check(rule, inner, &format!("{at}/{key}"), faults),
                    }
                }
                true
            }
            _ => panic!("{word}: this test does not know it"),
        };
        if !holds {
            faults.push(format!("{at}: {word} {rule} does not hold for {value}"));
        }
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(found) = value.get(key) {
            check(inner, found, &format!("{at}/{key}"), faults);
        }
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other}: this test does not know it"),
    }
}

#[track_caller]
fn fits(name: &str, answer: &Value) {
    let faults = faults(name, answer);
    assert!(faults.is_empty(), "{name}: {faults:#?}\n{answer:#}");
}

#[test]
fn answers_are_as_their_schemas_say() {
    run(Launch::plain(Mode::Worker).admin().keeps_descriptors(2), async |server| {
        let mut connection = server.connect(Protocol::Http1).await;
        let held = tokio::spawn(async move { connection.get("/hold?id=x").await });
        server.dir().wait_for_mark("holding-x").await;
        server.ask_admin("POST", "/maintenance/on?message=Soon&allow=10.0.0.0/8", &[]).await.ok();
        fits("maintenance", &server.admin_json("/maintenance").await);
        for path in ["/status", "/status/worker"] {
            fits("status", &server.admin_json(path).await);
        }
        server.ask_admin("POST", "/maintenance/off", &[]).await.ok();
        fits("maintenance", &server.admin_json("/maintenance").await);
        for (path, name) in [
            ("/status", "status"),
            ("/workers", "workers"),
            ("/debug/workers", "workers"),
            ("/healthz", "live"),
            ("/health", "live"),
            ("/ready", "ready"),
            ("/health/ready", "ready"),
            ("/health/startup", "startup"),
        ] {
            fits(name, &server.admin_json(path).await);
        }
        fits("denied", &server.ask_admin("GET", "/status", &[("forwarded", "for=1.1.1.1")]).await.json());
        fits("ready", &server.ask_admin("GET", "/ready", &[("forwarded", "for=1.1.1.1")]).await.json());
        for (method, path) in [("POST", "/status"), ("GET", "/nothing"), ("POST", "/workers/recycle?slot=x")] {
            fits("error", &server.ask_admin(method, path, &[]).await.json());
        }
        server.dir().mark("release-x");
        held.await.expect("an answer").ok();
        server.ask_admin("POST", "/reload?wait=true", &[]).await.ok();
        fits("status", &server.admin_json("/status").await);
    });
}

/// A schema that takes everything shows nothing.
#[test]
fn negative_control_a_missing_and_a_wrong_field_are_found() {
    run(Launch::plain(Mode::Classic).workers(1).admin(), async |server| {
        let status = server.admin_json("/status").await;
        fits("status", &status);
        for key in ["engine", "workerUptime", "memoryPeakByte", "extra", "pools", "maintenance"] {
            let mut without = status.clone();
            without.as_object_mut().expect("an object").remove(key);
            assert!(!faults("status", &without).is_empty(), "{key} is not missed");
        }
        let mut wrong = status.clone();
        wrong["pools"]["default"]["requests"] = "many".into();
        assert!(!faults("status", &wrong).is_empty(), "a text is no count");
        let mut wrong = server.admin_json("/workers").await;
        wrong["workers"][0]["state"] = Value::Null;
        assert!(!faults("workers", &wrong).is_empty(), "a state is a word");
    });
}

/// Maintenance by command: what clients see, what goes on, and what it outlasts.
#[test]
fn maintenance_turns_clients_away() {
    let launch = Launch::plain(Mode::Worker).admin().config("server.trusted_proxies", "[\"127.0.0.1\"]");
    // Of how many workers the file of the script stays open is chance.
    run(launch.expect_error("child.crash").keeps_descriptors(2), async |server| {
        let address = server.admin().to_string();
        let order = |words: &[&str]| {
            let mut line = vec!["maintenance"];
            line.extend(words);
            line.extend(["--admin", &address]);
            crate::support::program::supercharger(server.dir(), &line, LIMIT)
        };
        let mut connection = server.connect(Protocol::Http1).await;
        let held = tokio::spawn(async move { connection.get("/hold?id=x").await });
        server.dir().wait_for_mark("holding-x").await;
        order(&["status"]).expect(0, &["off"]);
        let allowed = ["--allow", "192.0.2.0/24", "--allow", "2001:db8::7"];
        let on = [&["on", "--message", "Back <at> nine & later.", "--retry-after", "600"][..], &allowed].concat();
        order(&on).expect(0, &["Retry-After: 600", "192.0.2.0/24", "Back <at> nine"]);

        closed(server).await;
        let json = server.send("GET", "/", &[("accept", "application/json")], "").await.json();
        assert_eq!(json["error"]["code"], "maintenance", "{json}");
        assert_eq!(json["error"]["message"], "Back <at> nine & later.", "{json}");
        let page = server.send("POST", "/", &[("accept", "text/html")], "a=b").await;
        assert!(page.expect(503).text().contains("Back &lt;at&gt; nine &amp; later."), "{page}");
        server.get("/hello.txt").await.expect(503);
        for client in ["192.0.2.9", "2001:db8::7"] {
            server.send("GET", "/", &[("x-forwarded-for", client)], "").await.ok();
        }
        server.send("GET", "/", &[("x-forwarded-for", "203.0.113.9")], "").await.expect(503);

        // What was accepted before is finished; health and endpoints go on.
        server.dir().mark("release-x");
        assert_eq!(held.await.expect("an answer").ok().text(), "held x");
        for path in ["/healthz", "/ready", "/health/startup", "/status", "/workers", "/metrics"] {
            server.ask_admin("GET", path, &[]).await.ok();
        }
        assert_eq!(server.admin_json("/ready").await["maintenance"], true);
        assert!((server.metric("supercharger_maintenance").await - 1.0).abs() < f64::EPSILON);
        order(&["status"]).expect(0, &["is on", "Back <at> nine"]);
        server.wait_for_log("server.maintenance").await;

        // It outlasts a reload and the replacement of a child that has died.
        server.ask_admin("POST", "/reload?wait=true", &[]).await.ok();
        closed(server).await;
        let child = until(LIMIT, "one child is left", || match server.children()[..] {
            [only] => Some(only),
            _ => None,
        })
        .await;
        crate::support::program::signal(child, "KILL");
        until(LIMIT, "another child", || server.children().iter().any(|other| *other != child).then_some(())).await;
        closed(server).await;

        order(&["off"]).expect(0, &["off"]);
        server.get("/").await.ok();
        assert!(server.metric("supercharger_maintenance").await.abs() < f64::EPSILON);
        for query in ["retry_after=0", "allow=10.0.0.0/abc", "message=%0A", "novel=1"] {
            server.ask_admin("POST", &format!("/maintenance/on?{query}"), &[]).await.expect(400);
        }
        server.ask_admin_unmarked("POST", "/maintenance/on", &[]).await.expect(403);
        server.get("/").await.ok();
        order(&["on", "--allow", "nowhere"]).expect(1, &["nowhere"]);
    });
}

/// A stranger is told to come back later.
async fn closed(server: &Server) {
    let answer = server.get("/").await;
    assert_eq!(answer.expect(503).header("retry-after"), Some("600"), "{answer}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer}");
    assert!(answer.text().contains("Back <at> nine"), "{answer}");
}
