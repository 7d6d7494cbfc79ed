//! What the server writes about requests: the access log, the records of PHP, one id through all of it, and no secret in any of it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::program::{command, executable, run_to_end};
use crate::support::raw::Raw;
use crate::support::{Launch, Mode, PrivateDir, Protocol, Server, modes, run, until};

const SOON: Duration = Duration::from_secs(10);

fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// With an access log in this form in the file of that name in the test's folder. It is opened with the first line.
fn to_file(launch: Launch, form: &str, name: &str) -> Launch {
    let path = quoted(&launch.dir().path().join(name));
    launch.config("log.access", form).config("log.access_file", &path).keeps_descriptors(1)
}

async fn lines_of(server: &Server, name: &str, count: usize) -> Vec<String> {
    let path = server.dir().path().join(name);
    until(SOON, &format!("{count} lines in {name}"), || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<_> =
            text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
    .await
}

/// The records of that event so far.
fn events(log: &str, name: &str) -> Vec<Value> {
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.filter(|record| record["event"] == name).collect()
}

#[test]
fn access_lines_in_the_combined_format_cannot_be_forged() {
    run(to_file(Launch::plain(Mode::Worker), "\"combined\"", "access.log"), async |server| {
        let headers = [
            ("referer", "https://u:hush@example.org/from?code=hush#hush"),
            ("user-agent", "Mozilla/5.0 \"x\" \\ é\t127.0.0.1 - - [01/Jan/2026"),
        ];
        server.send("GET", "/hello?name=hush", &headers, "").await;
        server.send("POST", "/%0a%22x%22", &[], "body").await;
        let mut raw = server.raw().await;
        raw.write("NO\r\n\r\n").await;
        raw.until_closed().await;
        let lines = lines_of(server, "access.log", 3).await;
        // Connections of several threads, whose lines may change places within a moment.
        let about =
            |part: &str| lines.iter().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {lines:#?}"));
        let [first, second, third] = ["\"GET /hello ", "\"POST /%0a", "] \"-\" 400 "].map(about);
        assert_eq!(lines.len(), 3, "{lines:#?}");
        let (start, rest) = first.split_once(" - - [").expect("who");
        let (time, rest) = rest.split_once("] ").expect("a time");
        assert_eq!(start, "127.0.0.1");
        assert!(time.len() == "31/Jan/2026:12:00:00 +0000".len() && time.ends_with(" +0000"), "{time}");
        let tail = "\"https://example.org/from?[REDACTED]\" \
                    \"Mozilla/5.0 \\\"x\\\" \\\\ \\xC3\\xA9\\x09127.0.0.1 - - [01/Jan/2026\"";
        assert!(rest.starts_with("\"GET /hello HTTP/1.1\" ") && rest.ends_with(tail), "{rest}");
        assert!(second.contains("\"POST /%0a%22x%22 HTTP/1.1\" ") && second.ends_with(" \"-\" \"-\""), "{second}");
        assert!(third.contains("] \"-\" 400 0 \"-\" \"-\""), "{third}");
        let mode = std::fs::metadata(server.dir().path().join("access.log")).expect("the file").permissions().mode();
        assert_eq!(mode & 0o007, 0, "it is not for everybody");
    });
}

/// As logrotate does it: the file is moved, then SIGUSR1.
#[test]
fn the_access_log_is_opened_anew_by_sigusr1_and_by_a_reload() {
    // Workers that boot side by side may each keep the script open, where one that boots later has it from OPcache.
    let launch = to_file(Launch::plain(Mode::Worker).admin(), "\"json\"", "access.log").keeps_descriptors(2);
    run(launch, async |server| {
        let folder = server.dir().path().to_owned();
        let moved = |name: &str| std::fs::rename(folder.join("access.log"), folder.join(name)).expect("moved");
        server.get("/?first").await.ok();
        lines_of(server, "access.log", 1).await;
        moved("access.1");
        server.signal("USR1");
        server.wait_for_log("log.reopen").await;
        until(SOON, "there is a new file", || folder.join("access.log").exists().then_some(())).await;
        server.get("/?second").await.ok();
        assert_eq!(lines_of(server, "access.log", 1).await.len(), 1);
        assert_eq!(lines_of(server, "access.1", 1).await.len(), 1, "nothing more in the old one");
        moved("access.2");
        server.ask_admin("POST", "/reload", &[]).await.expect(202);
        until(SOON, "the reload is over", || (events(&server.log(), "server.reload").len() == 1).then_some(())).await;
        server.get("/?third").await.ok();
        let line = lines_of(server, "access.log", 1).await.remove(0);
        let record: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((record["event"].as_str(), record["status"].as_u64()), (Some("access"), Some(200)), "{line}");
        for field in ["ts", "pid", "request_id", "remote", "method", "path", "protocol", "bytes", "duration_us"] {
            assert!(!record[field].is_null(), "{field}: {line}");
        }
    });
}

/// The file is a pipe that nobody reads: opening it alone takes for ever.
#[test]
fn nobody_waits_for_an_access_log_that_nobody_reads() {
    let launch = to_file(Launch::plain(Mode::Worker), "true", "access.pipe");
    let made = std::process::Command::new("mkfifo").arg(launch.dir().path().join("access.pipe")).status();
    assert!(made.expect("mkfifo").success());
    run(launch, async |server| {
        for _ in 0..50 {
            server.get("/").await.ok();
        }
    });
}

#[test]
fn every_request_has_a_line() {
    run(to_file(Launch::plain(Mode::Worker), "\"combined\"", "access.log"), async |server| {
        let mut connection = server.connect(Protocol::Http1).await;
        for _ in 0..300 {
            connection.get("/").await.ok();
        }
        assert_eq!(lines_of(server, "access.log", 300).await.len(), 300);
        assert!(!server.log().contains("log.dropped"));
    });
}

const TRACED: &str = "\
    supercharger_log('logged', 4, ['api_key' => 'hush', 'nested' => ['n' => 1]]);\n\
    error_log('by error_log');\n\
    echo $nothing;\n\
    echo json_encode([$_SERVER['HTTP_X_REQUEST_ID'], supercharger_request_id()]);";

modes!(one_id_through_everything, |launch| launch.config("log.access", "true"), async |server| {
    let path = server.script(TRACED);
    let answer = server.send("GET", &path, &[("x-request-id", "trace-me:1")], "").await;
    assert_eq!(answer.ok().header("x-request-id"), Some("trace-me:1"));
    assert_eq!(answer.json(), serde_json::json!(["trace-me:1", "trace-me:1"]));
    server.wait_for_log("\"event\":\"access\"").await;
    let log = server.log();
    let records: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("\"request_id\":\"trace-me:1\""))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |word: &str| {
        let is_it = |record: &&Value| {
            record["event"] == "php.log" && record["message"].as_str().is_some_and(|m| m.contains(word))
        };
        records.iter().find(is_it).unwrap_or_else(|| panic!("no record of {word}: {log}"))
    };
    let logged = of("logged");
    assert_eq!(logged["level"], "warn");
    assert_eq!(
        logged["context"],
        serde_json::json!({"api_key": "[REDACTED]", "nested": {"n": 1}}),
        "an object, not a text"
    );
    let plain = of("by error_log");
    assert!(plain.get("kind").is_none() && plain.get("file").is_none(), "{plain}");
    let warning = of("Undefined variable $nothing");
    assert_eq!((warning["kind"].as_str(), warning["line"].as_u64()), (Some("warning"), Some(4)), "{warning}");
    assert!(warning["file"].as_str().is_some_and(|file| file.ends_with(".php")), "{warning}");
    for record in [logged, plain, warning] {
        assert_eq!((record["pool"].as_str(), record["incarnation"].is_u64()), (Some("default"), true), "{record}");
        assert!(record["slot"].is_u64(), "{record}");
    }
    assert_eq!(records.iter().filter(|record| record["event"] == "access").count(), 1, "{log}");
});

/// Where PHP has no answer, the server's own carries the id, and so does what is logged of the end.
#[test]
fn one_id_through_a_fatal_error_and_a_crash() {
    let launch =
        Launch::plain(Mode::Worker).expect_error("child.crash").expect_error("Uncaught").expect_error("worker.");
    run(launch, async |server| {
        let path = server.script("throw new LogicException('on purpose');");
        let json = [("x-request-id", "failed-1"), ("accept", "application/json")];
        let answer = server.send("GET", &path, &json, "").await;
        assert_eq!(answer.expect(500).json()["error"]["request_id"], "failed-1");
        let html = server.send("GET", &path, &[("x-request-id", "failed-2"), ("accept", "text/html")], "").await;
        assert!(html.expect(500).text().contains("failed-2"), "{html}");
        assert!(!html.text().contains("on purpose") && !html.text().contains(".php"), "nothing from inside: {html}");
        let fatal = server.wait_for_log("on purpose").await;
        let fatal: Value = serde_json::from_str(&fatal).expect("JSON");
        assert_eq!(
            (fatal["kind"].as_str(), fatal["request_id"].as_str()),
            (Some("fatal"), Some("failed-1")),
            "{fatal}"
        );
        let path = server.script("for (;;) { posix_kill(getmypid(), SIGSEGV); }");
        let mut raw = server.raw().await;
        raw.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: crashed-1\r\n\r\n")).await;
        let line = server.wait_for_log("child.crash_request").await;
        assert!(line.contains("\"request_id\":\"crashed-1\""), "{line}");
    });
}

/// Bytes of a header's value, as they stand on the wire.
const HOSTILE: [(&str, &[u8]); 10] = [
    ("long", &[b'a'; 4000]),
    ("a byte too long", &[b'a'; 129]),
    ("empty", b""),
    ("blanks", b"  \t "),
    ("a control character", b"id\x01\x1b[2J"),
    ("a folded line", b"id\r\n forged: 1"),
    ("other than ASCII", "\u{e9}\u{202e}".as_bytes()),
    ("no UTF-8", b"\xff\xfe"),
    ("markup", b"<script>"),
    ("two", b"one\r\nX-Request-Id: two"),
];

modes!(hostile_ids_are_replaced, |launch| launch.config("log.access", "true"), async |server| {
    let path = server.script("echo $_SERVER['HTTP_X_REQUEST_ID'];");
    for (name, bytes) in HOSTILE {
        let mut raw = server.raw().await;
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: ");
        raw.write([head.as_bytes(), bytes, b"\r\n\r\n"].concat()).await;
        let answer = raw.until_closed().await;
        let id =
            answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap_or_else(|| panic!("{answer}"));
        assert!(id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{name}: {id}");
        // Some are refused with the request; the others run under another id.
        assert!(answer.starts_with("HTTP/1.1 400") || answer.trim_end().ends_with(id), "{name}: {answer}");
        let line = server.wait_for_log(&format!("\"request_id\":\"{id}\"")).await;
        assert!(line.contains("\"access\""), "{name}: {line}");
    }
    assert!(!server.log().contains("forged"), "{}", server.log());
});

const SECRET: &str = "hush-hush-4711";

fn with_every_log(launch: Launch) -> Launch {
    let feed = quoted(&launch.dir().path().join("feed.ndjson"));
    let launch = launch.admin().config("log.level", "\"debug\"").config("telemetry.events", &feed);
    to_file(launch, "\"combined\"", "access.log")
        // The feed has one in the parent and one in the child, the access log one.
        .keeps_descriptors(3)
        .config("pools.default.request_timeout", "\"2s\"")
        .config("log.slow_request", "\"300ms\"")
        .expect_error("Uncaught")
        .expect_error("worker.timeout")
        .expect_error("Time is up")
        .expect_error("timeout")
        .expect_error("child.crash")
}

/// The way a secret gets into a server: with the query, a header, a cookie, a form, a user's password, and where the client comes from.
async fn send_secrets(server: &Server, path: &str) -> String {
    let query = format!("{path}&token={SECRET}");
    let referer = format!("https://u:{SECRET}@example.org/?a={SECRET}#{SECRET}");
    let cookie = format!("session={SECRET}");
    let basic = "Basic dTpodXNoLWh1c2gtNDcxMQ==";
    let headers = [
        ("authorization", basic),
        ("x-api-key", SECRET),
        ("cookie", cookie.as_str()),
        ("referer", referer.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let answer = server.send("POST", &query, &headers, format!("password={SECRET}")).await;
    answer.text()
}

const FAILS_WITH_SECRETS: &str = "\
    function login(string $password) { throw new LogicException('failed on purpose at mysql://u:' . $password . '@db/x'); }\n\
    trigger_error('cannot reach pgsql:host=db;password=' . $_POST['password'], E_USER_WARNING);\n\
    supercharger_log('raw', 0, ['body' => file_get_contents('php://input'), 'headers' => getallheaders()]);\n\
    supercharger_log('form', 0, $_POST + ['server' => $_SERVER, 'cookies' => ['session_id' => reset($_COOKIE)],\n\
        'dsn' => 'mysql://u:' . $_POST['password'] . '@db/x']);\n\
    error_log('cannot reach https://u:' . $_POST['password'] . '@example.org/?token=' . $_GET['token']);\n\
    login($_POST['password']);";

const FAILS_WITH_JSON: &str = "\
    $data = json_decode(file_get_contents('php://input'), true);\n\
    supercharger_log('json', 0, ['raw' => file_get_contents('php://input'), 'data' => $data]);\n\
    supercharger_recycle('cannot use ' . $data['dsn']);\n\
    throw new RuntimeException('cannot use ' . $data['dsn']);";

/// Everything that an operator may look at.
async fn all_that_is_shown(server: &Server) -> String {
    let mut all = String::new();
    for path in ["/", "/status", "/workers", "/metrics", "/status/host", "/runtime/metrics/aggregate"] {
        all += &server.ask_admin("GET", path, &[]).await.ok().text();
    }
    let mut events = Raw::open(server.admin()).await;
    events.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    events.until("event: snapshot\ndata: {").await;
    events.until("\n\n").await;
    all + &events.text()
}

modes!(no_secret_of_a_request_is_shown_anywhere, with_every_log, async |server| {
    let script = server.script(FAILS_WITH_SECRETS);
    let mut shown = send_secrets(server, &script).await;
    shown += &send_secrets(server, "/no/such/page?x").await;
    let body = format!(
        "{{\"password\":\"{SECRET}\",\"list\":[{{\"api_key\":\"{SECRET}\"}}],\"dsn\":\"mysql://u:{SECRET}@db/x\"}}"
    );
    let json = [("content-type", "application/json"), ("accept", "text/html")];
    shown += &server.send("POST", &server.script(FAILS_WITH_JSON), &json, body).await.expect(500).text();
    let slow = server.script("for (;;) { usleep(1000); }");
    let (page, ()) = tokio::join!(send_secrets(server, &slow), async {
        // While it runs.
        let start = Instant::now();
        let mut seen = String::new();
        while !seen.contains("\"state\":\"busy\"") {
            assert!(start.elapsed() < SOON, "nobody is busy: {seen}");
            seen = server.admin_json("/workers").await.to_string();
        }
        seen += &all_that_is_shown(server).await;
        assert!(seen.contains("busy") && !seen.contains(SECRET), "{seen}");
    });
    shown += &page;
    server.wait_for_log("worker.timeout").await;
    server.wait_for_log("failed on purpose").await;
    // A crash takes with it what waits to be written.
    until(SOON, "the feed has the timeout", || {
        let feed = std::fs::read_to_string(server.dir().path().join("feed.ndjson")).unwrap_or_default();
        feed.contains("worker.timeout").then_some(())
    })
    .await;
    shown += &all_that_is_shown(server).await;
    let crash = server.script("for (;;) { posix_kill(getmypid(), SIGSEGV); }");
    let mut raw = server.raw().await;
    raw.write(format!("GET {crash}&token={SECRET} HTTP/1.1\r\nHost: x\r\nCookie: a={SECRET}\r\n\r\n")).await;
    server.wait_for_log("child.crash_request").await;
    lines_of(server, "access.log", 4).await;
    for name in ["access.log", "feed.ndjson"] {
        shown += &std::fs::read_to_string(server.dir().path().join(name)).expect("a log");
    }
    shown += &server.log();
    let leak = shown.lines().find(|line| line.contains(SECRET) || line.contains("dTpodXNoL"));
    assert_eq!(leak, None);
    for told in ["[REDACTED]", "mysql://db/x", "request.slow", "request.stack", "\"recent\"", "failed on purpose"] {
        assert!(shown.contains(told), "{told} is missing in {shown}");
    }
});

#[test]
fn further_names_are_redacted_by_log_redact() {
    run(Launch::plain(Mode::Worker).config("log.redact", "[\"tenant_id\"]"), async |server| {
        let path = server.script("supercharger_log('context', 0, ['tenantId' => 'hush', 'tenant' => 'shown']);");
        server.get(&path).await.ok();
        let line = server.wait_for_log("\"message\":\"context\"").await;
        assert!(line.contains("shown") && !line.contains("hush"), "{line}");
    });
}

/// Faults are told to people in words, and to a collector of JSON lines as events.
#[test]
fn a_wrong_configuration_is_an_event_too() {
    let dir = PrivateDir::with_app("plain");
    dir.write("app/s.toml", "[server]\nlisten = [\"nowhere\"]\n[log]\nacces = true\n");
    for (format, expected) in [("json", 2), ("text", 0)] {
        let mut server = command(executable(), &dir);
        server.args(["php-server", "--root", "public", "--config", "s.toml", "--log-format", format]);
        let ended = run_to_end(&dir, server, SOON);
        ended.expect(78, &["s.toml:2: server.listen", "s.toml:4: log.acces"]);
        let told = events(&ended.stderr, "config.invalid");
        assert_eq!(told.len(), expected, "{}", ended.stderr);
        if let Some(first) = told.first() {
            assert_eq!((first["key"].as_str(), first["level"].as_str()), (Some("server.listen"), Some("error")));
            assert_eq!(first["origin"], "s.toml:2");
        }
    }
}

/// What the application says may hold what steers a terminal; who looks at answers with `curl` is not to be steered.
#[test]
fn no_answer_to_an_operator_steers_a_terminal() {
    let words = "gone \u{85}\u{9b}2J\u{61c}\u{202e}\u{7f}\u{1b}[2J é";
    let launch = Launch::plain(Mode::Worker).workers(1).script("public/own.php").admin();
    let code = format!(
        "<?php\nrequire __DIR__.'/../app.php';\nApp\\booted();\n\
        supercharger_on_reset(static fn () => isset($_GET['fail']) && throw new LogicException('on purpose'), {words:?});\n\
        while (supercharger_handle_request(App\\dispatch(...))) {{}}\n"
    );
    launch.dir().write("app/public/own.php", &code);
    run(launch.expect_error("reset.error").expect_error("reset_failed"), async |server| {
        server.get("/?fail").await.ok();
        server.wait_for_log("\"worker.recycle\"").await;
        let mut events = Raw::open(server.admin()).await;
        events.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        events.until("\n\n").await;
        for text in [server.ask_admin("GET", "/workers", &[]).await.ok().text(), events.text()] {
            assert!(text.contains("gone \\u0085\\u009b2J\\u061c\\u202e\\u007f\\u001b[2J é"), "{text:?}");
            let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\r') || matches!(c, '\u{61c}' | '\u{202e}');
            assert!(!text.contains(steers), "{text:?}");
        }
        let told = server.admin_json("/workers").await["recent"]["recycles"][0]["detail"].clone();
        assert_eq!(told, words, "it is the same text");
    });
}
