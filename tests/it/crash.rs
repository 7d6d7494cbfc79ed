//! Native code that crashes takes its process along, and no more: clients wait in the kernel's queue, the report names the requests
//! that were running, another process is there at once.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::server::memory_kib;
use crate::support::steady::{Load, aside, exchange};
use crate::support::{Launch, Mode, Server, modes, program, run, until};

/// A boot takes a fraction of it; an unoptimised one on a machine that does other things is allowed more, see `back`.
const BACK: Duration = if cfg!(debug_assertions) { Duration::from_secs(10) } else { Duration::from_secs(1) };
const SOON: Duration = Duration::from_secs(20);

/// How long the next process may take: where the machine has made a whole start slow, the processors are somebody else's, and it is measured
/// by that start.
async fn back(server: &Server) -> Duration {
    let startup = event(server, "server.ready").await["startup_ms"].as_u64().expect("a time");
    BACK.max(3 * Duration::from_millis(startup))
}

/// Ways for the process to die, as PHP code and as the report calls them. Rust's runtime catches the first SIGSEGV, to see whether a stack
/// has overflowed, and puts the system's handling back: one that an instruction raises comes again, one that is sent has to be
/// sent again. What the out-of-memory killer sends is SIGKILL. The last one is a recursion in C, as long as the nest is deep.
const DEATHS: [(&str, &str); 4] = [
    ("for (;;) { posix_kill(getmypid(), SIGSEGV); }", "SIGSEGV"),
    ("posix_kill(getmypid(), SIGABRT); sleep(5);", "SIGABRT"),
    ("posix_kill(getmypid(), SIGKILL); sleep(5);", "SIGKILL"),
    ("$nest = []; for ($i = 0; $i < 600000; ++$i) { $nest = [$nest]; } unset($nest);", "SIGABRT"),
];

fn dies(launch: Launch) -> Launch {
    launch
        .expect_error("\"child.crash")
        .expect_error("stack overflow")
        .expect_error("runtime error:")
        .ini("memory_limit", "2G")
        // Of workers that boot at the same time only one has its script cached; the others keep it open.
        .keeps_descriptors(2)
}

/// A line of the log that is this event, as JSON.
async fn event(server: &Server, name: &str) -> serde_json::Value {
    let line = server.wait_for_log(&format!("\"event\":\"{name}\"")).await;
    serde_json::from_str(&line).expect("JSON")
}

fn events(server: &Server, name: &str) -> Vec<serde_json::Value> {
    let name = format!("\"event\":\"{name}\"");
    server
        .log()
        .lines()
        .filter(|line| line.contains(&name))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Sends a request that is never answered.
async fn lost(server: &Server, path: &str) {
    let mut raw = server.raw().await;
    raw.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: the-one-that-dies\r\n\r\n")).await;
    assert!(raw.closes_within(SOON).await, "the process is gone: {}", raw.text());
}

modes!(the_only_process_is_back_in_no_time_and_nobody_is_refused, dies, async |server| {
    for (round, (code, cause)) in DEATHS.into_iter().enumerate() {
        let before = server.php_pid();
        let path = server.script(code);
        let load = Load::start(server.address(), "/pid", 4, false);
        until(SOON, "the load has begun", || (load.done() > 20).then_some(())).await;
        lost(server, &format!("{path}&token=secret")).await;
        let crashed = Instant::now();
        until(SOON, "it is reported", || (events(server, "child.crash").len() == round + 1).then_some(())).await;
        let report = events(server, "child.crash").pop().expect("a report");
        assert_eq!((report["cause"].as_str(), report["child"].as_u64()), (Some(cause), Some(before.into())));
        let at = load.done();
        until(SOON, "it serves again", || (load.done() > at + 50).then_some(())).await;
        let outcomes = load.finish();
        let refused = outcomes.iter().filter(|outcome| outcome.refused).count();
        assert_eq!(refused, 0, "connections were refused: {:?}", outcomes.iter().find(|outcome| outcome.refused));
        let first = outcomes
            .iter()
            .filter(|outcome| {
                outcome.result.as_ref().is_ok_and(|(status, pid)| *status == 200 && *pid != before.to_string())
            })
            .map(|outcome| outcome.ended)
            .min()
            .expect("the next process serves");
        let gap = first.saturating_duration_since(crashed);
        let most = back(server).await;
        assert!(gap < most, "{cause}: back after {gap:?}, not within {most:?}");
        eprintln!("{cause}: back after {gap:?}");
        let named = events(server, "child.crash_request");
        let named = named.iter().rfind(|line| line["request_id"] == "the-one-that-dies").expect("the request is named");
        assert_eq!((named["method"].as_str(), named["path"].as_str()), (Some("GET"), Some("/script")));
        assert_eq!(named["pool"], "default");
        assert!(named["slot"].is_u64() && named["elapsed_ms"].is_u64(), "{named}");
        assert!(!server.log().contains("secret"), "a query may hold secrets");
    }
});

fn two_processes(launch: Launch) -> Launch {
    dies(launch).config("server.processes", "2")
}

/// A connection to each of the two processes, with its process id.
fn one_to_each(server: &Server) -> [(TcpStream, u32); 2] {
    let mut found: Vec<(TcpStream, u32)> = Vec::new();
    let limit = Instant::now() + SOON;
    while found.len() < 2 {
        assert!(Instant::now() < limit, "only one process takes connections");
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        let (_, pid, _) = exchange(&mut stream, "/pid", true).expect("an answer");
        let pid = pid.parse().expect("a process id");
        if found.iter().all(|(_, other)| *other != pid) {
            found.push((stream, pid));
        }
    }
    found.try_into().expect("two")
}

modes!(one_crash_costs_a_slice, two_processes, async |server| {
    let [(mut one, _), (mut other, dying)] = one_to_each(server);
    let held = aside(move || {
        let held = exchange(&mut one, "/hold?id=through", true);
        // The connection is still good afterwards.
        (held, exchange(&mut one, "/pid", true))
    });
    server.dir().wait_for_mark("holding-through").await;
    let path = server.script("for (;;) { posix_kill(getmypid(), SIGSEGV); }");
    let died = aside(move || exchange(&mut other, &path, true));
    let report = event(server, "child.crash").await;
    assert_eq!((report["child"].as_u64(), report["in_flight"].as_u64()), (Some(dying.into()), Some(1)), "{report}");
    // Whoever connects now is served by the other one, or by the one to come.
    let load = Load::start(server.address(), "/pid", 4, false);
    until(SOON, "requests are served", || (load.done() > 200).then_some(())).await;
    let outcomes = load.finish();
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !matches!(outcome.result, Ok((200, _)))).collect();
    assert!(failed.is_empty(), "{} of {}: {:?}", failed.len(), outcomes.len(), failed[0]);
    server.dir().mark("release-through");
    let (held, after) = held.join().expect("a thread");
    assert_eq!(held.expect("an answer").1, "held through");
    assert_eq!(after.expect("an answer").0, 200);
    assert!(died.join().expect("a thread").is_err());
    until(SOON, "there are two again", || (events(server, "child.ready").len() == 3).then_some(())).await;
    let replaced = events(server, "child.ready").pop().expect("an event");
    assert_eq!(replaced["process"], report["process"]);
});

modes!(killed_from_outside, dies, async |server| {
    for round in 1..=2 {
        let pid = server.php_pid();
        program::signal(pid, "KILL");
        until(SOON, "it is reported", || (events(server, "child.crash").len() == round).then_some(())).await;
        assert_ne!(server.get("/pid").await.ok().text(), pid.to_string());
    }
});

fn starves(launch: Launch) -> Launch {
    dies(launch)
        .expect_error("ut of memory")
        .expect_error("memory allocation of")
        .expect_error("PHP Fatal error")
        // Whoever is in flight in a process that may have no more memory shares its fate.
        .expect_error("worker")
        .expect_error("request.failed")
}

/// Leaves the process hardly more memory than it has; `None` if there is none, or it is just dying.
fn starve(server: &Server) -> Option<()> {
    let pid = *server.children().first()?;
    let limit = format!("--as={}", (memory_kib(pid, "VmSize")? + (64 << 10)) << 10);
    let set =
        std::process::Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).output().expect("prlimit");
    set.status.success().then_some(())
}

// The system has no more memory for the process: whether PHP gets away with a fatal error or native code gives up, the port stays open,
// and whatever has been reported, the next request is served.
modes!(the_machine_has_no_more_memory, starves, async |server| {
    let load = Load::start(server.address(), "/pid", 4, false);
    until(SOON, "the load has begun", || (load.done() > 20).then_some(())).await;
    for path in ["/memory", "/memory-small-pieces"] {
        until(SOON, "its memory is limited", || starve(server)).await;
        let mut raw = server.raw().await;
        raw.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert!(raw.closes_within(SOON).await, "it has come to an end: {}", raw.text());
        assert!(!raw.text().starts_with("HTTP/1.1 200"), "{}", raw.text());
        let at = load.done();
        until(SOON, "it serves", || (load.done() > at + 50).then_some(())).await;
    }
    let outcomes = load.finish();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.refused).count(), 0, "connections were refused");
    let log = server.log();
    assert!(log.contains("ut of memory") || log.contains("\"child.crash\""), "it had no more memory: {log}");
    assert_eq!(server.get("/pid").await.ok().status(), 200);
});

/// Children that die again and again are started at longer and longer intervals, and one line says so.
#[test]
fn crash_loops_are_spread_out() {
    let launch = dies(Launch::plain(Mode::Worker)).expect_error("boot_failed").expect_error("broken by a deploy");
    run(launch, async |server| {
        for round in 1..=3 {
            let pid = until(SOON, "there is a child", || server.children().first().copied()).await;
            server.get("/pid").await.ok();
            program::signal(pid, "KILL");
            until(SOON, "it is reported", || (events(server, "child.crash").len() == round).then_some(())).await;
        }
        let crashes = events(server, "child.crash");
        let field =
            |name: &str| crashes.iter().map(|crash| crash[name].as_u64().expect("a number")).collect::<Vec<_>>();
        assert_eq!((field("in_a_row"), field("retry_in_ms")), (vec![1, 2, 3], vec![0, 100, 200]));
        assert_eq!(events(server, "child.crash_loop").len(), 1);
        // A script that cannot boot any more is retried too, and the server recovers when it can.
        let script = server.dir().app().join("public/worker.php");
        let good = std::fs::read_to_string(&script).expect("the script");
        std::fs::write(&script, "<?php throw new Exception('broken by a deploy');").expect("written");
        let pid = until(SOON, "there is a child", || server.children().first().copied()).await;
        program::signal(pid, "KILL");
        server.wait_for_log("broken by a deploy").await;
        std::fs::write(&script, good).expect("written");
        server.get("/pid").await.ok();
    });
}
