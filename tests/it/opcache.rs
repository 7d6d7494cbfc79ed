//! OPcache shared by many threads. It is on: see `basics`. Here is what happens when it forgets what it has: all that was cached is
//! overwritten, which must not happen under anybody who uses it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};

use crate::support::dir::checkout;
use crate::support::run::run_within;
use crate::support::{Connection, Launch, Mode, PrivateDir, Protocol, Server, modes, run, until};

/// More than a restart that was put off takes until its next attempt.
const SOON: Duration = Duration::from_secs(40);

/// How often OPcache says that it has restarted, by the reason's name.
async fn restarts(server: &Server, reason: &str) -> u64 {
    server.json("/opcache-restarts").await[reason].as_u64().expect("a number")
}

/// Polls until OPcache has restarted for that reason and caches again. Its own counters say so, not our log.
async fn has_restarted(server: &Server, reason: &str) {
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let seen = server.json("/opcache-restarts").await;
        if seen[reason].as_u64() > Some(0) && seen["enabled"] == true && seen["pending"] == false {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "no restart: {seen}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Clients side by side that share out so many requests; each request is answered with 200 and one of the texts.
async fn load(server: &Server, clients: usize, requests: usize, path: fn(usize) -> String, texts: &'static [&str]) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (address, next) = (server.address(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut connection = Connection::open(address, Protocol::Http1).await;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return;
                }
                let path = path(number);
                let answer = connection.get(&path).await;
                let text = answer.ok().text();
                assert!(texts.is_empty() || texts.contains(&&*text), "{path}: {text}");
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("a client");
    }
}

fn a_fifth_resets(number: usize) -> String {
    ["/opcache-reset", "/", "/reply", "/opcache-version", "/echo?us=0"][number % 5].to_owned()
}

/// A script that is not cached, because it starts while a restart is pending or just after it, stays open as long as it runs: for a worker
/// that is its life. How fast restarts and boots are is not what is tested: requests may wait for long.
fn launch(mode: Mode, workers: u32) -> Launch {
    adapt(Launch::plain(mode), workers)
}

fn adapt(launch: Launch, workers: u32) -> Launch {
    launch
        .workers(workers)
        .keeps_descriptors(workers as usize)
        .config("pools.default.overflow.queue_timeout", "\"25s\"")
}

/// 500 requests on 16 workers, a fifth of which call `opcache_reset()`.
/// Settings that switch the JIT on: its code lies in the same memory.
const JIT: [(&str, &str); 4] = [
    ("opcache.jit", "tracing"),
    ("opcache.jit_buffer_size", "16M"),
    ("opcache.jit_hot_func", "2"),
    ("opcache.jit_hot_loop", "2"),
];

fn resets_under_load(mode: Mode, settings: &[(&str, &str)]) {
    let launch = settings.iter().fold(launch(mode, 16), |launch, (key, value)| launch.ini(key, value));
    launch.dir().write("marks/version.php", "<?php return static fn () => 'one';");
    run_within(Duration::from_secs(120), launch, async |server| {
        let jit = server.script("echo json_encode(opcache_get_status(false)['jit']['on'] ?? false);");
        assert_eq!(server.json(&jit).await, !settings.is_empty());
        load(server, 32, 500, a_fifth_resets, &[]).await;
        has_restarted(server, "manual").await;
    });
}

#[test]
fn resets_under_load_with_jit_in_worker_mode() {
    resets_under_load(Mode::Worker, &JIT);
}

#[test]
fn resets_under_load_with_jit_in_classic_mode() {
    resets_under_load(Mode::Classic, &JIT);
}

#[test]
fn resets_under_load_in_worker_mode() {
    resets_under_load(Mode::Worker, &[]);
}

#[test]
fn resets_under_load_in_classic_mode() {
    resets_under_load(Mode::Classic, &[]);
}

modes!(a_reset_is_promised_to_everybody_who_asks, |launch| adapt(launch, 4), async |server| {
    load(server, 8, 100, |_| "/opcache-reset".to_owned(), &["reset"]).await;
    has_restarted(server, "manual").await;
});

modes!(
    the_memory_runs_full,
    |launch| adapt(launch, 8)
        .ini("opcache.memory_consumption", "8")
        .ini("opcache.interned_strings_buffer", "1")
        .ini("opcache.max_wasted_percentage", "1")
        .ini("opcache.file_update_protection", "0"),
    async |server| {
        // 8 MiB hold about 20 of these.
        load(server, 16, 200, |number| format!("/opcache-waste?number={number}"), &["whole"]).await;
        has_restarted(server, "oom").await;
        server.wait_for_log("opcache.memory_consumption may be too small").await;
    }
);

/// OPcache unmaps up to 2 MiB behind the memory that it finds, where the kernel has no huge pages. By chance that was the heap.
#[test]
fn its_memory_takes_none_of_the_heap() {
    let dir = PrivateDir::with_app("plain");
    let library = dir.path().join("unlucky.so");
    let source = checkout().join("tests/preload/unlucky_mmap.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
    assert!(built.expect("cc").success());
    let launch = Launch::with_dir(dir, Mode::Worker).root("public").script("public/worker.php").workers(2);
    // What does not fit between the executable and the heap lies elsewhere anyway: small ones only.
    let launch = launch.ini("opcache.memory_consumption", "8").ini("opcache.interned_strings_buffer", "1");
    let launch = launch.env("LD_PRELOAD", &library.display().to_string());
    run(launch, async |server| {
        assert!(server.json("/opcache-restarts").await["enabled"] == true);
        server.wait_for_log("unlucky: ").await;
    });
}

modes!(
    the_table_of_files_runs_full,
    |launch| adapt(launch, 8)
        .ini("opcache.max_accelerated_files", "200")
        .ini("opcache.max_wasted_percentage", "1")
        .ini("opcache.memory_consumption", "8")
        .ini("opcache.interned_strings_buffer", "1")
        .ini("opcache.file_update_protection", "0"),
    async |server| {
        load(server, 16, 100, |number| format!("/opcache-many?number={number}"), &["whole"]).await;
        // Which of the two is exhausted first is OPcache's affair.
        let deadline = tokio::time::Instant::now() + SOON;
        while restarts(server, "hash").await + restarts(server, "oom").await == 0 {
            assert!(tokio::time::Instant::now() < deadline, "no restart");
            server.get("/opcache-many?number=1000").await.ok();
        }
    }
);

modes!(
    invalidation_needs_no_restart,
    |launch| adapt(launch, 8).ini("opcache.file_update_protection", "0"),
    async |server| {
        let large: Vec<_> = (1..=20_000).map(|number: u32| number.to_string()).collect();
        let code =
            format!("<?php return static function () {{ static $n = [{}]; return array_sum($n); }};", large.join(","));
        server.dir().write("marks/shared.php", &code);
        load(server, 16, 400, |number| format!("/opcache-invalidate?number={number}"), &["whole"]).await;
        assert_eq!(restarts(server, "manual").await, 0);
    }
);

modes!(
    a_reset_brings_new_code,
    |launch| adapt(launch, 2).ini("opcache.validate_timestamps", "0").ini("opcache.file_update_protection", "0"),
    async |server| {
        for version in ["one", "two", "three"] {
            server.dir().write("marks/version.php", &format!("<?php return static fn () => '{version}';"));
            if version != "one" {
                let before = restarts(server, "manual").await;
                assert_ne!(server.get("/opcache-version").await.ok().text(), version, "it is cached");
                server.get("/opcache-reset").await.ok();
                let deadline = tokio::time::Instant::now() + SOON;
                while restarts(server, "manual").await == before {
                    assert!(tokio::time::Instant::now() < deadline, "no restart");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            assert_eq!(server.get("/opcache-version").await.ok().text(), version);
        }
    }
);

modes!(a_long_request_puts_the_restart_off, |launch| adapt(launch, 4), async |server| {
    let reading = long_request(server, Duration::ZERO).await;
    server.get("/opcache-reset").await.ok();
    server.wait_for_log("opcache.delayed").await;
    load(server, 8, 100, |_| "/".to_owned(), &["hello"]).await;
    assert_eq!(restarts(server, "manual").await, 0, "never under a running script");
    server.dir().mark("go");
    assert_eq!(reading.await.expect("no panic"), "well slept");
    has_restarted(server, "manual").await;
});

modes!(a_forked_child_puts_the_restart_off, |launch| adapt(launch, 4), async |server| {
    let child = server.get("/opcache-fork").await.ok().text();
    server.dir().wait_for_mark("child").await;
    server.get("/opcache-reset").await.ok();
    server.wait_for_log("opcache.delayed").await;
    assert_eq!(restarts(server, "manual").await, 0, "never under a running child");
    server.dir().mark("child-may-go");
    assert_eq!(server.get(&format!("/opcache-reap?child={child}")).await.ok().text(), "0");
    has_restarted(server, "manual").await;
});

/// The metrics that stand for what is in `opcache_get_status()`, with the place of each there.
const FIGURES: [(&str, &str, &str, &str); 9] = [
    ("memory_bytes", ",state=\"used\"", "memory_usage", "used_memory"),
    ("memory_bytes", ",state=\"free\"", "memory_usage", "free_memory"),
    ("memory_bytes", ",state=\"wasted\"", "memory_usage", "wasted_memory"),
    ("interned_strings_bytes", ",state=\"used\"", "interned_strings_usage", "used_memory"),
    ("scripts", "", "opcache_statistics", "num_cached_scripts"),
    ("keys", ",state=\"used\"", "opcache_statistics", "num_cached_keys"),
    ("hits_total", "", "opcache_statistics", "hits"),
    ("misses_total", "", "opcache_statistics", "misses"),
    ("restarts_total", ",reason=\"reset\"", "opcache_statistics", "manual_restarts"),
];

modes!(
    what_it_says_of_itself_is_in_the_metrics,
    |launch| adapt(launch, 1).admin().ini("opcache.file_update_protection", "0"),
    async |server| {
        server.get("/opcache-reset").await.ok();
        has_restarted(server, "manual").await;
        for name in ["a", "b", "c"] {
            server.dir().write(&format!("marks/{name}.php"), "<?php return 1;");
            let path = server.script(&format!("for ($i = 0; $i < 5; ++$i) include getenv('TEST_DIR').'/{name}.php';"));
            server.get(&path).await.ok();
        }
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            // Nobody else asks, so that nothing changes until the end of this request, where it is looked at.
            let status = server.json("/opcache-status").await;
            let text = server.ask_admin("GET", "/metrics", &[]).await.ok().text();
            let differs = FIGURES.into_iter().find(|(metric, label, group, name)| {
                let line = format!("supercharger_opcache_{metric}{{process=\"0\"{label}}} {}", status[group][name]);
                !text.lines().any(|seen| seen == line)
            });
            assert!(status["opcache_statistics"]["hits"].as_u64() > Some(0), "{status}");
            let Some(differs) = differs else { return };
            assert!(tokio::time::Instant::now() < deadline, "{differs:?} is not as in {status}:\n{text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
);

/// Begins a request that stays until the mark `go`; returns when it has been served for so long.
async fn long_request(server: &Server, time: Duration) -> JoinHandle<String> {
    let path = server.script("App\\mark('here'); App\\await('go', 120); echo 'well slept';");
    let mut long = server.connect(Protocol::Http1).await;
    let begin = Instant::now();
    let reading = tokio::spawn(async move { long.get(&path).await.ok().text() });
    server.dir().wait_for_mark("here").await;
    until(SOON, "it has run for a while", || (begin.elapsed() >= time).then_some(())).await;
    reading
}

fn lines_with(server: &Server, part: &str) -> usize {
    server.log().lines().filter(|line| line.contains(part)).count()
}

/// A restart that cannot be is not prepared for: nobody is sent away, as often as it is tried.
#[test]
fn a_restart_without_hope_sends_nobody_away() {
    run(launch(Mode::Worker, 4), async |server| {
        // Too long to be taken for a short one.
        let reading = long_request(server, Duration::from_secs(3)).await;
        server.get("/opcache-reset").await.ok();
        until(SOON, "it was tried twice", || (lines_with(server, "\"opcache.delayed\"") >= 2).then_some(())).await;
        assert_eq!(lines_with(server, "\"worker.recycle\""), 0, "{}", server.log());
        server.dir().mark("go");
        assert_eq!(reading.await.expect("no panic"), "well slept");
    });
}

/// Only the first attempt sends workers away: who was in its way is remembered until it leaves.
#[test]
fn a_restart_that_fails_sends_workers_away_once() {
    run(launch(Mode::Worker, 4), async |server| {
        let reading = long_request(server, Duration::ZERO).await;
        server.get("/opcache-reset").await.ok();
        until(SOON, "it was tried twice", || (lines_with(server, "\"opcache.delayed\"") >= 2).then_some(())).await;
        let recalled = lines_with(server, "\"worker.recycle\"");
        assert!(recalled <= 4, "{recalled} incarnations ended for one restart: {}", server.log());
        server.dir().mark("go");
        assert_eq!(reading.await.expect("no panic"), "well slept");
        has_restarted(server, "manual").await;
    });
}

/// Another process starts with an empty cache; what stood in the way of the restart ends in its own time.
fn replaces_the_process(mode: Mode) {
    run_within(Duration::from_secs(120), launch(mode, 4), async |server| {
        let old = server.php_pid();
        let reading = long_request(server, Duration::ZERO).await;
        server.get("/opcache-reset").await.ok();
        let find = || server.log().lines().find(|line| line.contains("\"child.replace\"")).map(str::to_owned);
        let line = until(SOON, "it is to be replaced", find).await;
        assert!(line.contains("\"reason\":\"opcache\""), "{line}");
        let ready = || (lines_with(server, "\"child.ready\"") == 2).then_some(());
        until(SOON, "another process is ready", ready).await;
        server.dir().mark("go");
        assert_eq!(reading.await.expect("no panic"), "well slept");
        until(SOON, "the old process ends", || (!server.children().contains(&old)).then_some(())).await;
        let status = server.json("/opcache-restarts").await;
        assert_eq!((&status["enabled"], &status["pending"]), (&true.into(), &false.into()), "{status}");
    });
}

#[test]
fn a_restart_that_cannot_be_replaces_the_process_in_worker_mode() {
    replaces_the_process(Mode::Worker);
}

#[test]
fn a_restart_that_cannot_be_replaces_the_process_in_classic_mode() {
    replaces_the_process(Mode::Classic);
}

/// Workers that boot for a restart serve again; those that boot for many in a row do so ever more rarely.
#[test]
fn resets_in_a_row_are_gathered() {
    run(launch(Mode::Worker, 2), async |server| {
        for _ in 0..50 {
            server.get("/opcache-reset").await.ok();
        }
        has_restarted(server, "manual").await;
        let log = server.log();
        let recycled = log.lines().filter(|line| line.contains("\"reason\":\"opcache\"")).count();
        assert!((2..=8).contains(&recycled), "{recycled} incarnations ended for 50 resets");
    });
}

/// Requests that wait for a restart leave with the server.
#[test]
fn a_stop_does_not_wait_for_a_restart() {
    run(launch(Mode::Classic, 2), async |server| {
        let reading = long_request(server, Duration::ZERO).await;
        server.get("/opcache-reset").await.ok();
        server.signal("TERM");
        let log = until(SOON, "the drain begins", || Some(server.log()).filter(|log| log.contains("server.drain")));
        log.await;
        server.dir().mark("go");
        assert_eq!(reading.await.expect("no panic"), "well slept");
        let status = server.wait_for_end(SOON).await;
        assert_eq!(status.code(), Some(0));
    });
}
