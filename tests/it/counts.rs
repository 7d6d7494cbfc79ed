//! Every counter of a scrape, after a load with everything that can happen to a request: each equals what was sent, and there is no other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::run::{block_on, run_within};
use crate::support::{Connection, Launch, Mode, PrivateDir, Protocol, Server, program};

/// Long enough for a worker that is accounted for after its client has its answer, and for a boot on a busy machine.
const SOON: Duration = Duration::from_secs(40);
const LIMIT: Duration = Duration::from_secs(120);

type Counts = BTreeMap<String, f64>;

/// Families that do not count what was sent: how often OPcache has a file at hand depends on who asks first.
const OTHERS: &str = "supercharger_opcache_";

/// The series of a scrape that count something: those of counters and histograms, with the kind of each.
async fn counting(server: &Server) -> Vec<(bool, String, f64)> {
    let text = server.ask_admin("GET", "/metrics", &[]).await.ok().text();
    let mut kind = "";
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some((_, of)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kind = of;
        }
        let Some((series, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else { continue };
        if matches!(kind, "counter" | "histogram") && !series.starts_with(OTHERS) {
            found.push((kind == "histogram", series.to_owned(), value.parse().expect("a number")));
        }
    }
    found
}

/// The counters of a scrape and the counts of its histograms, but those that are 0.
async fn counters(server: &Server) -> Counts {
    let counts = counting(server).await.into_iter().filter(|(histogram, series, value)| {
        let name = series.split('{').next().unwrap_or_default();
        (!histogram || name.ends_with("_count")) && *value != 0.0
    });
    counts.map(|(_, series, value)| (series, value)).collect()
}

/// Waits until a scrape has these counters and no others.
async fn expect(server: &Server, when: &str, expected: &[(&str, f64)]) {
    let expected: Counts = expected.iter().map(|(series, count)| ((*series).to_owned(), *count)).collect();
    let end = Instant::now() + SOON;
    loop {
        let got = counters(server).await;
        if got == expected {
            return;
        }
        let wrong: Vec<_> =
            got.keys().chain(expected.keys()).filter(|name| got.get(*name) != expected.get(*name)).collect();
        let wrong: BTreeMap<_, _> = wrong.into_iter().map(|name| (name, (expected.get(name), got.get(name)))).collect();
        assert!(Instant::now() < end, "{when}: series, expected, got: {wrong:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn becomes(server: &Server, series: &str, value: f64) {
    let (line, end) = (format!("{series} {value}"), Instant::now() + SOON);
    while server.ask_admin("GET", "/metrics", &[]).await.ok().text().lines().all(|got| got != line) {
        assert!(Instant::now() < end, "{series} does not become {value}");
    }
}

fn launch(mode: Mode) -> Launch {
    Launch::plain(mode)
        .admin()
        .workers(2)
        .config("server.max_body_size", "\"1KiB\"")
        .config("pools.default.request_timeout", "\"3s\"")
        .config("pools.default.overflow.strategy", "\"backpressure\"")
        .config("pools.default.overflow.max_queue", "1")
        .expect_error("\"worker.timeout\"")
        .expect_error("\"reason\":\"timeout\"")
        .expect_error("Time is up")
        .expect_error("Uncaught")
        .expect_error("Cannot redeclare")
        .expect_error("\"reason\":\"fatal\"")
        .expect_error("request.failed")
        .expect_error("child.crash")
        .keeps_descriptors(2)
}

/// One request after the other, each of which ends in its own way.
async fn one_by_one(server: &Server) {
    let named = server.script("supercharger_route('/things/{id}'); http_response_code(201); echo 'made';");
    let thrown = server.script("supercharger_route('/thrown'); throw new LogicException('not today');");
    let fatal = server.script("supercharger_route('/fatal'); eval('function f() {} function f() {}');");
    let ended = server.script("supercharger_route('/ended'); echo 'the half'; exit(3);");
    let slow = server.script("usleep(30_000_000);");
    for _ in 0..3 {
        server.get(&named).await.expect(201);
    }
    server.send("POST", &named, &[], "body").await.expect(201);
    server.get("/hello.txt").await.ok();
    server.get("/.hidden").await.expect(404);
    for _ in 0..2 {
        server.get(&thrown).await.expect(500);
    }
    server.get(&fatal).await.expect(500);
    assert_eq!(server.get(&ended).await.ok().text(), "the half");
    server.get(&slow).await.expect(504);
    server.send("PUT", &named, &[], "x".repeat(2000)).await.expect(413);
    // And what the guard refuses.
    server.ask_admin("GET", "/status", &[("x-forwarded-for", "203.0.113.7")]).await.expect(403);
}

/// Who comes while both workers are busy waits, or is turned away; who leaves is counted as such.
async fn all_at_once(server: &Server) {
    let mut held = Vec::new();
    for id in ["a", "b"] {
        let mut raw = server.raw().await;
        raw.get(&format!("/hold?id={id}")).await;
        server.dir().wait_for_mark(&format!("holding-{id}")).await;
        held.push(raw);
    }
    let mut waiting = server.raw().await;
    waiting.get("/").await;
    becomes(server, "supercharger_queue_depth{pool=\"default\"}", 1.0).await;
    for _ in 0..3 {
        server.get("/").await.expect(503);
    }
    drop(waiting);
    becomes(server, "supercharger_abandoned_total{pool=\"default\"}", 1.0).await;
    // One client leaves while its script runs, the other one stays.
    let mut held = held.into_iter();
    drop(held.next());
    becomes(server, "supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"499\"}", 2.0).await;
    server.dir().mark("release-a");
    server.dir().mark("release-b");
    for mut raw in held {
        assert!(raw.response().await.ends_with("held b"));
    }
}

/// What the load comes to in either mode. Eleven requests reach a worker: four answers with a route, two exceptions, a fatal error, an
/// `exit` (which has answered), one that lasts too long, and two that are held, of which one has lost its client. Seven do not: a file,
/// a path that is refused, a body that is too large, three that find the queue full, one that leaves it.
const COUNTED: [(&str, f64); 38] = [
    ("supercharger_http_request_duration_seconds_count{route=\"/ended\"}", 1.0),
    ("supercharger_http_request_duration_seconds_count{route=\"/fatal\"}", 1.0),
    ("supercharger_http_request_duration_seconds_count{route=\"/things/{id}\"}", 4.0),
    ("supercharger_http_request_duration_seconds_count{route=\"/thrown\"}", 2.0),
    ("supercharger_http_request_duration_seconds_count{route=\"\"}", 10.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"/ended\",status=\"200\"}", 1.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"/fatal\",status=\"500\"}", 1.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"/things/{id}\",status=\"201\"}", 3.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"/thrown\",status=\"500\"}", 2.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"200\"}", 2.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"404\"}", 1.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"499\"}", 2.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"503\"}", 3.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"504\"}", 1.0),
    ("supercharger_http_requests_total{method=\"POST\",route=\"/things/{id}\",status=\"201\"}", 1.0),
    ("supercharger_http_requests_total{method=\"PUT\",route=\"\",status=\"413\"}", 1.0),
    ("supercharger_abandoned_total{pool=\"default\"}", 1.0),
    ("supercharger_execution_seconds_count{pool=\"default\"}", 11.0),
    ("supercharger_guard_refusals_total{reason=\"proxyHeaderNotTrusted\"}", 1.0),
    ("supercharger_queue_wait_seconds_count{pool=\"default\"}", 11.0),
    ("supercharger_recycle_duration_seconds_count{pool=\"default\"}", 1.0),
    ("supercharger_recycle_total{pool=\"default\",reason=\"timeout\"}", 1.0),
    ("supercharger_rejected_total{cause=\"queue_full\",pool=\"default\"}", 3.0),
    ("supercharger_request_outcomes_total{outcome=\"fatal\",pool=\"default\"}", 1.0),
    ("supercharger_request_outcomes_total{outcome=\"ok\",pool=\"default\"}", 7.0),
    ("supercharger_request_outcomes_total{outcome=\"timeout\",pool=\"default\"}", 1.0),
    ("supercharger_request_outcomes_total{outcome=\"uncaught\",pool=\"default\"}", 2.0),
    ("supercharger_requests_total{pool=\"default\"}", 11.0),
    ("runtime_recycle_duration_ms_count", 1.0),
    ("runtime_supercharger_recycle_total{action=\"hardExit\",engine=\"supercharger\",reason=\"timeout\"}", 1.0),
    ("runtime_supercharger_request_duration_count{engine=\"supercharger\"}", 11.0),
    ("runtime_supercharger_request_total{engine=\"supercharger\",status=\"200\"}", 3.0),
    ("runtime_supercharger_request_total{engine=\"supercharger\",status=\"201\"}", 4.0),
    ("runtime_supercharger_request_total{engine=\"supercharger\",status=\"500\"}", 3.0),
    ("runtime_supercharger_request_total{engine=\"supercharger\",status=\"504\"}", 1.0),
    ("runtime_supercharger_worker_decision_total{reason=\"timeout\",recycle=\"1\"}", 1.0),
    ("runtime_worker_request_total", 11.0),
    ("runtime_worker_restart_total{reason=\"timeout\"}", 1.0),
];

/// What is added in worker mode: a script that exits or ends by a fatal error takes its worker along, and there are resets.
const OF_WORKERS: [(&str, f64); 16] = [
    ("supercharger_recycle_total{pool=\"default\",reason=\"exit\"}", 1.0),
    ("supercharger_recycle_total{pool=\"default\",reason=\"fatal\"}", 1.0),
    ("supercharger_reset_seconds_count{pool=\"default\"}", 8.0),
    ("supercharger_terminate_seconds_count{pool=\"default\"}", 8.0),
    ("supercharger_worker_boot_seconds_count{pool=\"default\"}", 5.0),
    ("supercharger_worker_ends_total{cause=\"exit\",pool=\"default\"}", 1.0),
    ("supercharger_worker_ends_total{cause=\"fatal\",pool=\"default\"}", 1.0),
    ("runtime_supercharger_recycle_total{action=\"hardExit\",engine=\"supercharger\",reason=\"exit\"}", 1.0),
    ("runtime_supercharger_recycle_total{action=\"hardExit\",engine=\"supercharger\",reason=\"fatal\"}", 1.0),
    ("runtime_supercharger_reset_duration_seconds_count", 8.0),
    ("runtime_supercharger_reset_total{result=\"ok\"}", 8.0),
    ("runtime_supercharger_worker_decision_total{reason=\"exit\",recycle=\"1\"}", 1.0),
    ("runtime_supercharger_worker_decision_total{reason=\"fatal\",recycle=\"1\"}", 1.0),
    ("runtime_supercharger_worker_decision_total{reason=\"ok\",recycle=\"0\"}", 8.0),
    ("runtime_worker_restart_total{reason=\"exit\"}", 1.0),
    ("runtime_worker_restart_total{reason=\"fatal\"}", 1.0),
];

/// And in classic mode: every request is an end, so that only the deadline costs a worker.
const OF_SCRIPTS: [(&str, f64); 2] = [
    ("supercharger_worker_boot_seconds_count{pool=\"default\"}", 3.0),
    ("runtime_supercharger_worker_decision_total{reason=\"ok\",recycle=\"0\"}", 10.0),
];

/// What is added by a crash of the process after a scrape: its end and that of its two workers, and the boots of their successors. The
/// request that it died of has reached nobody who could still tell.
const CRASH: [(&str, f64); 6] = [
    ("supercharger_child_restarts_total{signal=\"SIGSEGV\"}", 1.0),
    ("supercharger_recycle_total{pool=\"default\",reason=\"crash\"}", 2.0),
    ("runtime_supercharger_recycle_total{action=\"hardExit\",engine=\"supercharger\",reason=\"crash\"}", 2.0),
    ("runtime_supercharger_worker_decision_total{reason=\"crash\",recycle=\"1\"}", 2.0),
    ("runtime_worker_restart_total{reason=\"crash\"}", 2.0),
    ("supercharger_worker_boot_seconds_count{pool=\"default\"}", 2.0),
];

fn after_the_load(mode: Mode) {
    run_within(LIMIT, launch(mode), async |server| {
        one_by_one(server).await;
        all_at_once(server).await;
        let of_mode = match mode {
            Mode::Worker => &OF_WORKERS[..],
            Mode::Classic => &OF_SCRIPTS,
        };
        let mut expected = [&COUNTED, of_mode].concat();
        expect(server, "after the load", &expected).await;
        // What a process has counted since it was last asked dies with it: here that is the request alone.
        let crash = server.script("for (;;) { posix_kill(getmypid(), SIGSEGV); }");
        let mut raw = server.raw().await;
        raw.get(&crash).await;
        assert!(raw.closes_within(SOON).await, "the process is gone: {}", raw.text());
        for (series, more) in CRASH {
            match expected.iter_mut().find(|(known, _)| *known == series) {
                Some((_, count)) => *count += more,
                None => expected.push((series, more)),
            }
        }
        expect(server, "after a crash", &expected).await;
    });
}

#[test]
fn every_counter_equals_what_was_sent_worker() {
    after_the_load(Mode::Worker);
}

#[test]
fn every_counter_equals_what_was_sent_classic() {
    after_the_load(Mode::Classic);
}

/// While a child boots, at the start or in the place of one that has crashed, every series of the known pools is there.
#[test]
fn nothing_is_missing_while_a_child_boots() {
    const GO: &str = "<?php
while (!is_file(__DIR__.'/../../go')) { usleep(2000); clearstatcache(); }
while (supercharger_handle_request(function () { echo 'hello'; })) {
}
";
    let dir = PrivateDir::new();
    dir.write("app/public/index.php", GO);
    let go = dir.path().join("go");
    block_on(LIMIT, async {
        let launch = Launch::with_dir(dir, Mode::Worker).root("public").workers(2).admin();
        let launch = launch.expect_error("child.crash");
        let admin = launch.admin_address();
        let scraped = async || {
            let mut connection = Connection::try_open(admin, Protocol::Http1).await.ok()?;
            Some(connection.get("/metrics").await.ok().text())
        };
        let start = async {
            let end = Instant::now() + SOON;
            // Many scrapes: in some of them no child has said anything yet.
            let mut scrapes = 0;
            while scrapes < SCRAPES {
                assert!(Instant::now() < end, "the endpoints are there while the first workers boot");
                match scraped().await {
                    Some(text) => {
                        all_there(&text, "0", "0");
                        scrapes += 1;
                    }
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
            std::fs::write(&go, "").expect("written");
        };
        let (server, ()) = tokio::join!(launch.start(), start);
        std::fs::remove_file(&go).expect("removed");
        program::signal(server.php_pid(), "KILL");
        let end = Instant::now() + SOON;
        let mut scrapes = 0;
        while scrapes < SCRAPES {
            assert!(Instant::now() < end, "the crash is counted");
            let text = scraped().await.expect("a scrape");
            let is_over = text.contains("supercharger_child_restarts_total{signal=\"SIGKILL\"} 1");
            // What the one that is gone had counted stays.
            all_there(&text, "2", if is_over { "2" } else { "0" });
            scrapes += usize::from(is_over);
        }
        std::fs::write(&go, "").expect("written");
        becomes(&server, "supercharger_ready", 1.0).await;
        server.finish().await;
    });
}

/// What must never fall: counters, and whatever a histogram counts. OPcache begins anew with each process.
async fn rising(server: &Server) -> Counts {
    let mut counts: Counts = counting(server).await.into_iter().map(|(_, series, value)| (series, value)).collect();
    counts.insert(DRAINING.to_owned(), server.metric(DRAINING).await);
    counts
}

const DRAINING: &str = "supercharger_processes{state=\"draining\"}";

/// Scrapes until that holds, and sees that nothing falls, and nothing is gone.
async fn rises_until(server: &Server, before: &mut Counts, what: &str, holds: impl Fn(&Counts) -> bool) {
    let end = Instant::now() + SOON;
    loop {
        let now = rising(server).await;
        let fallen: Vec<_> = before
            .iter()
            .filter(|(series, value)| *series != DRAINING && now.get(*series).is_none_or(|now| now < value))
            .map(|(series, value)| (series, value, now.get(series)))
            .collect();
        assert!(fallen.is_empty(), "series, before, after: {fallen:#?}");
        let is_over = holds(&now);
        *before = now;
        if is_over {
            return;
        }
        assert!(Instant::now() < end, "{what}: {before:#?}");
    }
}

/// A child that has been replaced shows what it counts until it ends, and then leaves it behind: in no scrape is anything less than in the one before.
fn over_a_reload(mode: Mode) {
    let launch = Launch::plain(mode).admin().workers(2).keeps_descriptors(2);
    run_within(LIMIT, launch, async |server| {
        let dismissed = |counts: &Counts| -> f64 {
            let all = counts.iter().filter(|(series, _)| series.starts_with("supercharger_recycle_total{"));
            all.map(|(_, count)| count).sum()
        };
        let mut before = rising(server).await;
        for round in [1.0, 2.0] {
            let over = format!("over-{round}");
            let lasting = format!(
                "echo 'told'; supercharger_finish_request(); \
                 while (!is_file(__DIR__.'/{over}')) {{ usleep(2000); clearstatcache(); }}"
            );
            assert_eq!(server.get(&server.script(&lasting)).await.ok().text(), "told");
            server.ask_admin("POST", "/reload", &[]).await.expect(202);
            // A child that still has a request, which nobody waits for any more, has sent away the worker without one.
            let is_seen = |now: &Counts| now[DRAINING] == 1.0 && dismissed(now) == 2.0 * round - 1.0;
            rises_until(server, &mut before, "a worker that is sent away is counted", is_seen).await;
            server.dir().mark(&over);
            let is_over = |now: &Counts| now[DRAINING] == 0.0 && dismissed(now) == 2.0 * round;
            rises_until(server, &mut before, "both are counted", is_over).await;
        }
        assert_eq!(before["supercharger_recycle_total{pool=\"default\",reason=\"reload\"}"], 4.0, "{before:#?}");
    });
}

#[test]
fn nothing_falls_over_a_reload_worker() {
    over_a_reload(Mode::Worker);
}

#[test]
fn nothing_falls_over_a_reload_classic() {
    over_a_reload(Mode::Classic);
}

/// Scrapes while a child boots.
const SCRAPES: usize = 20;

/// Series that a scrape must have: of what holds now with any value, and of what has been counted.
fn all_there(text: &str, boots: &str, crashed: &str) {
    for (series, value) in [
        ("supercharger_workers{pool=\"default\",state=\"idle\"}", ""),
        ("supercharger_workers_target{pool=\"default\"}", ""),
        ("supercharger_workers_min{pool=\"default\"}", ""),
        ("supercharger_workers_max{pool=\"default\"}", ""),
        ("supercharger_queue_depth{pool=\"default\"}", "0"),
        ("supercharger_requests_in_flight{pool=\"default\"}", "0"),
        ("supercharger_requests_total{pool=\"default\"}", "0"),
        ("supercharger_rejected_total{cause=\"queue_full\",pool=\"default\"}", "0"),
        ("supercharger_request_outcomes_total{outcome=\"ok\",pool=\"default\"}", "0"),
        ("supercharger_queue_wait_seconds_count{pool=\"default\"}", "0"),
        ("supercharger_worker_boot_seconds_count{pool=\"default\"}", boots),
        ("supercharger_recycle_total{pool=\"default\",reason=\"crash\"}", crashed),
        ("runtime_worker_restart_total{reason=\"crash\"}", crashed),
    ] {
        let line = format!("{series} {value}");
        let is_there = |got: &str| if value.is_empty() { got.starts_with(&line) } else { got == line };
        assert!(text.lines().any(is_there), "{line} in\n{text}");
    }
}
