//! What a request changes of the process is not there for the next one. `tests/apps/plain/routes/state.php` lists the pieces.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Connection, Launch, Mode, Protocol, Server, modes, run};

/// What cannot be changed any more once the response has left.
const OF_THE_RESPONSE: &[&str] =
    &["http_response_code", "headers_list", "session_id", "status of the session", "$_SESSION"];

/// What PHP itself keeps until the process ends, so that FPM and classic mode show it to the next request. Worker mode does not.
const KEPT_BY_PHP: &[&str] = &["mb_regex_set_options", "openssl_error_string", "socket_last_error"];

fn one_worker(mode: Mode) -> Launch {
    Launch::plain(mode).env("ORIGINAL", "outside").workers(1)
}

/// A server of one answer for each connection, for the piece that needs one.
async fn answering() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            if stream.read(&mut request).await.is_ok() {
                drop(stream.write_all(b"HTTP/1.0 200 OK\r\nX-Left: behind\r\n\r\nbody").await);
            }
        }
    });
    address
}

async fn state(server: &Server) -> BTreeMap<String, Value> {
    // Whatever the status: it is one of the pieces.
    let state = server.get("/process").await.json();
    state.as_object().expect("an object").iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Which worker answers; in classic mode always the same.
async fn incarnation(server: &Server) -> Value {
    server.json("/worker").await["incarnation"].clone()
}

/// Names of the pieces that are not what they were. The text is read by `scripts/check-no-reset`.
#[track_caller]
fn assert_put_back(fresh: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>, kept: &[&str], ending: &str) {
    assert!(fresh.len() > 60, "only {} pieces", fresh.len());
    let differs = |(name, value): &(&String, &Value)| now.get(*name) != Some(*value) && !kept.contains(&name.as_str());
    let names: Vec<_> = fresh.iter().filter(differs).collect();
    let list: String = names.iter().map(|(name, value)| format!("\n  {name}: {value} became {}", now[*name])).collect();
    assert!(names.is_empty(), "{ending}: {} of {} pieces are not put back:{list}", names.len(), fresh.len());
}

/// Request 1 changes everything and ends in this way; request 2 sees what the first request of a fresh process saw.
async fn change_and_compare(server: &Server, (ending, status): (&str, u16), cannot_change: &[&str], kept: &[&str]) {
    let http = answering().await;
    let fresh = state(server).await;
    let worker = incarnation(server).await;
    for round in 1..=3 {
        let mark = server.dir().marks().join(format!("unchanged-{ending}-{round}"));
        let path = format!("/state-change?end={ending}&http={http}&mark={}", mark.display());
        server.get(&path).await.expect(status);
        let now = state(server).await;
        let name = mark.file_name().expect("a name").to_string_lossy().into_owned();
        let unchanged = server.dir().wait_for_mark(&name).await;
        let unchanged: Vec<_> = unchanged.trim_end_matches('.').split(", ").filter(|name| !name.is_empty()).collect();
        let unseen: Vec<_> = unchanged.iter().filter(|name| !cannot_change.contains(name)).collect();
        assert!(unseen.is_empty(), "{ending}: nothing is shown by pieces that did not change: {unseen:?}");
        assert_put_back(&fresh, &now, kept, ending);
    }
    assert_eq!(incarnation(server).await, worker, "{ending}: the same worker served all of it");
}

#[test]
fn what_a_request_changes_is_put_back() {
    run(one_worker(Mode::Worker), async |server| {
        change_and_compare(server, ("normal", 202), &[], &[]).await;
    });
}

#[test]
fn what_a_request_changes_is_put_back_after_an_exception() {
    run(one_worker(Mode::Worker).expect_error("LogicException: after the changes"), async |server| {
        change_and_compare(server, ("exception", 500), &[], &[]).await;
    });
}

#[test]
fn what_is_changed_after_the_response_is_put_back() {
    run(one_worker(Mode::Worker), async |server| {
        change_and_compare(server, ("finish", 200), OF_THE_RESPONSE, &[]).await;
        change_and_compare(server, ("terminate", 200), OF_THE_RESPONSE, &[]).await;
    });
}

/// In classic mode the engine does it; the same eyes see the same.
#[test]
fn what_a_request_changes_is_put_back_in_classic_mode() {
    run(one_worker(Mode::Classic), async |server| {
        change_and_compare(server, ("normal", 202), KEPT_BY_PHP, KEPT_BY_PHP).await;
    });
}

/// The application's code stays, also what a request adds to it: an autoloader that a bundle registers with its first request.
#[test]
fn code_that_a_request_adds_stays() {
    let all = |value: bool| move |state: &Value| state.as_object().expect("an object").values().all(|v| *v == value);
    run(one_worker(Mode::Worker), async |server| {
        let fresh = server.json("/state-code").await;
        assert!(all(false)(&fresh), "{fresh}");
        server.get("/state-code-register").await.ok();
        let after = server.json("/state-code").await;
        assert!(all(true)(&after), "{after}");
    });
    run(one_worker(Mode::Classic), async |server| {
        server.get("/state-code-register").await.ok();
        let after = server.json("/state-code").await;
        assert!(all(false)(&after), "{after}");
    });
}

/// Symfony sets them once, with the first session.
#[test]
fn session_settings_stay() {
    run(one_worker(Mode::Worker), async |server| {
        assert_eq!(server.get("/session-name").await.ok().text(), "PHPSESSID");
        server.get("/session-name?name=SHOP").await.ok();
        assert_eq!(server.get("/session-name").await.ok().text(), "SHOP");
    });
}

/// The limit that is put back must not start the clock: nobody would be there to stop it.
#[test]
fn the_time_limit_of_php_ini_does_not_tick_while_idle() {
    run(one_worker(Mode::Worker).ini("max_execution_time", "1"), async |server| {
        let before = incarnation(server).await;
        server.get("/late-limit?seconds=77").await.ok();
        // What is tested is the passing of time itself: the limit is one second.
        tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
        assert_eq!(incarnation(server).await, before);
    });
}

modes!(a_changed_file_is_seen_by_the_next_request, |launch| launch.workers(1), async |server| {
    let file = server.dir().marks().join("grows");
    for size in 1..5 {
        std::fs::write(&file, "x".repeat(size)).expect("a file");
        assert_eq!(server.get("/filesize").await.ok().text(), size.to_string());
    }
});

/// A tick function of a request is called by that request, once a tick.
#[test]
fn tick_functions_do_not_multiply() {
    run(one_worker(Mode::Worker), async |server| {
        let first = server.get("/same-ticks").await.ok().text();
        assert_ne!(first, "0");
        for _ in 0..5 {
            assert_eq!(server.get("/same-ticks").await.ok().text(), first);
        }
    });
}

modes!(a_seed_of_gmp_is_forgotten, |launch| launch.workers(1), async |server| {
    let seeded = server.get("/predictable-gmp").await.ok().text();
    let mut drawn = std::collections::HashSet::new();
    for _ in 0..5 {
        assert_eq!(server.get("/predictable-gmp").await.ok().text(), seeded);
        assert!(drawn.insert(server.get("/random-gmp").await.ok().text()), "the same number twice");
    }
});

/// What the boot writes into `$_ENV` is the application's own; what a request writes goes with it.
#[test]
fn the_env_array_keeps_what_the_boot_wrote() {
    let launch = one_worker(Mode::Worker).script("public/boots-state.php").ini("variables_order", "EGPCS");
    run(launch, async |server| {
        for _ in 0..3 {
            let seen = server.json("/env-array").await;
            assert_eq!(seen, serde_json::json!(["at boot", null, "outside"]));
        }
    });
}

/// What the boot has set is the measure, for extensions as for everything else.
#[test]
fn what_the_boot_has_set_is_what_a_request_is_put_back_to() {
    let launch = one_worker(Mode::Worker).script("public/boots-state.php");
    run(launch, async |server| {
        let fresh = state(server).await;
        for (name, value) in [
            ("mb_internal_encoding", "\"EUC-JP\""),
            ("mb_substitute_character", "\"none\""),
            ("mb_regex_encoding", "\"EUC-JP\""),
            ("libxml_use_internal_errors", "true"),
            ("external entity loader", "\"Closure\""),
            ("spl_autoload_extensions", "\".boot\""),
            ("use_soap_error_handler", "true"),
            ("mysqli_report", "1"),
            ("pcntl_async_signals", "true"),
            ("pcntl_signal_get_handler", "true"),
            ("bcscale", "4"),
            ("gc_enabled", "false"),
            ("tick functions", "true"),
            ("error handler", "\"Closure\""),
            ("getcwd", "\"\\/tmp\""),
            ("default stream context", "{\"http\":{\"user_agent\":\"boot\"}}"),
            ("stream context of libxml", "{\"http\":{\"user_agent\":\"boot\"}}"),
            ("replaced stream wrapper", "\"replaced\""),
        ] {
            assert_eq!(fresh[name], value, "{name} at boot");
        }
        let worker = incarnation(server).await;
        for _ in 0..2 {
            server.get("/state-boot-change").await.ok();
            let now = state(server).await;
            assert_put_back(&fresh, &now, &[], "another value than the boot's");
        }
        assert_eq!(incarnation(server).await, worker);
    });
}

// A worker script may read options; a request has none, and nothing of the boot's environment is in its `$_SERVER`.
modes!(a_request_has_no_command_line, |launch| launch.workers(1), async |server| {
    for _ in 0..3 {
        let seen = server.json("/getopt?-a=1&--worker=2").await;
        assert!(seen["options"].as_array().is_none_or(Vec::is_empty), "{seen}");
        assert_eq!(seen["in_server"], serde_json::json!([]));
    }
});

// Compression is what this client accepts, not what the former one did.
modes!(compression_by_php_is_chosen_for_each_request, |launch| launch.workers(1), async |server| {
    for _ in 0..2 {
        let zipped = server.send("GET", "/gz", &[("accept-encoding", "gzip")], "").await;
        assert_eq!(zipped.ok().header("content-encoding"), Some("gzip"));
        assert!(zipped.body().len() < 200);
        let plain = server.get("/gz").await;
        assert_eq!(plain.ok().header("content-encoding"), None);
        assert_eq!(plain.body().len(), 2200);
    }
});

modes!(
    zlib_output_compression_works_for_every_request,
    |launch| launch.workers(1).ini("zlib.output_compression", "On"),
    async |server| {
        for _ in 0..3 {
            let zipped = server.send("GET", "/long-text", &[("accept-encoding", "gzip")], "").await;
            assert_eq!(zipped.ok().header("content-encoding"), Some("gzip"));
            assert!(zipped.body().len() < 200);
            let plain = server.get("/long-text").await;
            assert_eq!(plain.ok().header("content-encoding"), None);
            assert_eq!(plain.text(), "compressed ".repeat(200));
        }
    }
);

/// Handles that PHP code keeps are not freed with a request, neither files nor memory.
#[test]
fn handles_that_are_kept_stay_open_over_requests() {
    // Of the file, and of what grew too large for memory.
    run(one_worker(Mode::Worker), async |server| {
        std::fs::write(server.dir().marks().join("words"), "word1\nword2\nword3\n").expect("a file");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        for (path, expected) in [
            ("/stream-hold", serde_json::json!(["word1\n", "one\n", 101])),
            ("/stream-next", serde_json::json!(["word2\n", "two\n", 7])),
            ("/stream-next", serde_json::json!(["word3\n", "three\n", 6])),
        ] {
            assert_eq!(server.json(path).await, expected);
            server.send("POST", "/echo", &form, "a=1").await.ok();
        }
        server.get("/stream-drop").await.ok();
        server.get("/").await.ok();
    });
}

#[test]
fn an_object_lives_on_under_its_id() {
    run(one_worker(Mode::Worker), async |server| {
        let first = server.json("/persistent").await;
        for count in 2..5 {
            let now = server.json("/persistent").await;
            assert_eq!(now["id"], first["id"]);
            assert_eq!(now["count"], count);
        }
    });
}

// `$_REQUEST` is made when a file that names it is compiled, and then for each request anew.
modes!(the_request_array_is_never_stale, |launch| launch.ini("auto_globals_jit", "1"), async |server| {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for number in 0..12 {
        if number % 2 == 0 {
            assert_eq!(server.get(&format!("/request-array?i={number}")).await.ok().text(), "not used");
            continue;
        }
        let answer =
            server.send("POST", &format!("/request-array?use=1&i={number}"), &form, format!("post={number}")).await;
        let expected = serde_json::json!({"use": "1", "i": number.to_string(), "post": number.to_string()});
        assert_eq!(answer.ok().json(), expected);
    }
});

/// Everything that is changed and put back costs no memory: the heap has the same size to the byte.
#[test]
fn the_boundary_leaves_no_memory_behind() {
    run(one_worker(Mode::Worker), async |server| {
        let mut connection = server.connect(crate::support::Protocol::Http1).await;
        let mut heap = Vec::new();
        for _ in 0..4 {
            for _ in 0..100 {
                connection.get("/state-quiet-change").await.expect(202);
            }
            heap.push(connection.get("/heap").await.ok().text());
        }
        assert_eq!(heap[1], heap[2], "bytes after 200 and 300 requests: {heap:?}");
        assert_eq!(heap[2], heap[3], "bytes after 300 and 400 requests: {heap:?}");
    });
}

// A handler of pcntl runs on the thread of the request that set it, wherever the system delivers the signal.
modes!(a_signal_is_handled_by_the_request_that_asked_for_it, |launch| launch.workers(2), async |server| {
    for _ in 0..3 {
        assert_eq!(server.get("/signal-own").await.ok().text(), "caught 20 of 20");
    }
    // Between two requests nobody asks for it, and the default of SIGUSR2 would end the process.
    assert_eq!(server.get("/signal-left").await.ok().text(), "default");
});

// SIGTERM is the server's: a script can neither catch nor ignore it, and the server still stops by it.
// SIGVTALRM ends a process that does not catch it: one moment without a handler, while others come and go, would end the server.
modes!(a_signal_stays_with_whoever_still_catches_it, |launch| launch.workers(2), async |server| {
    let catches = "pcntl_async_signals(true); $caught = 0;
        pcntl_signal(SIGVTALRM, static function () use (&$caught): void { ++$caught; });";
    let holds =
        server.script(&format!("{catches} App\\mark('holds', (string) getmypid()); App\\await('go'); echo $caught;"));
    let passes = server.script(&format!(
        "{catches} pcntl_signal(SIGVTALRM, SIG_IGN); pcntl_signal(SIGVTALRM, SIG_DFL); echo 'passed';"
    ));
    let address = server.address();
    let held = tokio::spawn(async move { Connection::open(address, Protocol::Http1).await.get(&holds).await });
    let pid = server.dir().wait_for_mark("holds").await;
    let storm = format!("for i in $(seq 2000); do kill -VTALRM {pid} || exit 1; done");
    let mut storm = std::process::Command::new("bash").args(["-c", &storm]).spawn().expect("bash");
    let mut passed = 0;
    while storm.try_wait().expect("wait").is_none() || passed < 20 {
        assert_eq!(server.get(&passes).await.ok().text(), "passed");
        passed += 1;
    }
    assert!(storm.wait().expect("wait").success(), "the server has died of it");
    server.dir().mark("go");
    let caught: u32 = held.await.expect("a request").ok().text().parse().expect("a number");
    assert!(caught > 0, "the others have taken it away");
});

modes!(signals_of_the_server_are_refused, async |server| {
    let answer = server.json("/signal-refused").await;
    assert_eq!(answer["given"], serde_json::json!([false, false, false]));
    assert!(answer["warning"].as_str().is_some_and(|text| text.contains("belongs to the server")), "{answer}");
});
