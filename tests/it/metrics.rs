//! Metrics count what happened: all of it, once, over all processes, and also after a process has given way to another.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Launch, Mode, Protocol, Server, modes, run};

/// Long enough for a worker that is accounted for after its client has its answer, and for a boot on a busy machine.
const SOON: Duration = Duration::from_secs(40);

/// The series of a scrape.
async fn scrape(server: &Server) -> BTreeMap<String, f64> {
    let text = server.ask_admin("GET", "/metrics", &[]).await.ok().text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.filter_map(|line| line.rsplit_once(' '));
    series.map(|(series, value)| (series.to_owned(), value.parse().expect("a number"))).collect()
}

/// Waits until each of these series has this value; the count of a histogram may be among them. Brings the last scrape.
async fn expect_series(server: &Server, expected: &[(&str, f64)]) -> BTreeMap<String, f64> {
    let end = Instant::now() + SOON;
    loop {
        let got = scrape(server).await;
        let wrong = expected.iter().filter(|(series, value)| got.get(*series) != Some(value));
        let wrong: Vec<_> = wrong.map(|(series, value)| (*series, *value, got.get(*series).copied())).collect();
        if wrong.is_empty() {
            return got;
        }
        assert!(Instant::now() < end, "series, expected, got: {wrong:#?}\n{got:#?}");
    }
}

/// Sum of the series of a family whose labels contain this text.
fn sum(series: &BTreeMap<String, f64>, family: &str, labels: &str) -> f64 {
    let of = |name: &str| name.split('{').next() == Some(family) && name.contains(labels);
    series.iter().filter(|(name, _)| of(name)).map(|(_, value)| value).sum()
}

fn two_processes(launch: Launch) -> Launch {
    launch
        .admin()
        .workers(2)
        .config("server.processes", "2")
        .config("pools.default.request_timeout", "\"3s\"")
        .expect_error("\"worker.timeout\"")
        .expect_error("\"reason\":\"timeout\"")
        .expect_error("Time is up")
        .expect_error("Uncaught Error")
        .expect_error("request.failed")
}

/// The load: every way in which a request can end that leaves the process alone.
async fn load(server: &Server) {
    let created = server.script(
        "supercharger_route('/wrong'); supercharger_route('/things/{id}'); http_response_code(201); echo 'made';",
    );
    let uncaught = server.script("supercharger_route('/broken'); nowhere();");
    let slow = server.script("usleep(30_000_000);");
    for _ in 0..5 {
        server.get(&created).await.expect(201);
    }
    for _ in 0..3 {
        server.send("POST", &created, &[], "body").await.expect(201);
    }
    for _ in 0..4 {
        server.get("/").await.ok();
    }
    server.send("PROPFIND", "/", &[], "").await.ok();
    for _ in 0..2 {
        server.get("/hello.txt").await.ok();
        server.get("/.hidden").await.expect(404);
    }
    server.get(&uncaught).await.expect(500);
    server.get(&slow).await.expect(504);
}

/// What that comes to.
const COUNTED: [(&str, f64); 21] = [
    ("supercharger_http_requests_total{method=\"GET\",route=\"/things/{id}\",status=\"201\"}", 5.0),
    ("supercharger_http_requests_total{method=\"POST\",route=\"/things/{id}\",status=\"201\"}", 3.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"200\"}", 6.0),
    ("supercharger_http_requests_total{method=\"OTHER\",route=\"\",status=\"200\"}", 1.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"404\"}", 2.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"/broken\",status=\"500\"}", 1.0),
    ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"504\"}", 1.0),
    ("supercharger_http_request_duration_seconds_count{route=\"\"}", 10.0),
    ("supercharger_http_request_duration_seconds_count{route=\"/things/{id}\"}", 8.0),
    ("supercharger_requests_total{pool=\"default\"}", 15.0),
    ("supercharger_request_outcomes_total{outcome=\"ok\",pool=\"default\"}", 13.0),
    ("supercharger_request_outcomes_total{outcome=\"uncaught\",pool=\"default\"}", 1.0),
    ("supercharger_request_outcomes_total{outcome=\"timeout\",pool=\"default\"}", 1.0),
    ("supercharger_queue_wait_seconds_count{pool=\"default\"}", 15.0),
    ("supercharger_execution_seconds_count{pool=\"default\"}", 15.0),
    ("runtime_supercharger_request_total{engine=\"supercharger\",status=\"201\"}", 8.0),
    ("runtime_supercharger_request_total{engine=\"supercharger\",status=\"200\"}", 5.0),
    ("runtime_supercharger_request_total{engine=\"supercharger\",status=\"500\"}", 1.0),
    ("runtime_supercharger_request_total{engine=\"supercharger\",status=\"504\"}", 1.0),
    ("runtime_supercharger_request_duration_count{engine=\"supercharger\"}", 15.0),
    ("runtime_worker_request_total", 15.0),
];

modes!(every_counter_equals_what_was_sent, two_processes, async |server| {
    let nothing: Vec<_> =
        scrape(server).await.into_iter().filter(|(name, _)| name.contains("requests_total")).collect();
    assert!(nothing.iter().all(|(_, value)| *value == 0.0), "{nothing:?}");
    load(server).await;
    let got = expect_series(server, &COUNTED).await;
    assert_eq!(sum(&got, "supercharger_http_requests_total", ""), 19.0, "{got:#?}");
    // The one that was cut off was ended at once, and has a successor.
    expect_series(
        server,
        &[
            ("supercharger_recycle_total{pool=\"default\",reason=\"timeout\"}", 1.0),
            ("runtime_supercharger_recycle_total{action=\"hardExit\",engine=\"supercharger\",reason=\"timeout\"}", 1.0),
            ("runtime_supercharger_worker_decision_total{reason=\"timeout\",recycle=\"1\"}", 1.0),
            ("runtime_worker_restart_total{reason=\"timeout\"}", 1.0),
            ("supercharger_worker_boot_seconds_count{pool=\"default\"}", 5.0),
            ("supercharger_recycle_duration_seconds_count{pool=\"default\"}", 1.0),
            ("runtime_recycle_duration_ms_count", 1.0),
            ("runtime_supercharger_reset_total{result=\"fail\"}", 0.0),
        ],
    )
    .await;

    // The same once everything has been replaced: what is gone has left its counts behind.
    server.ask_admin("POST", "/reload", &[]).await.expect(202);
    let replaced = [("supercharger_generation", 2.0), ("supercharger_processes{state=\"draining\"}", 0.0)];
    expect_series(server, &replaced).await;
    expect_series(server, &COUNTED).await;
    server.get("/").await.ok();
    let one_more = [
        ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"200\"}", 7.0),
        ("supercharger_requests_total{pool=\"default\"}", 16.0),
        ("supercharger_execution_seconds_count{pool=\"default\"}", 16.0),
    ];
    expect_series(server, &one_more).await;
});

#[test]
fn resets_and_decisions_are_counted() {
    run(Launch::plain(Mode::Worker).workers(1).admin(), async |server| {
        let registers = server.script("supercharger_on_reset(static fn () => usleep(3_000), 'slow');");
        server.get(&registers).await.ok();
        let mut connection = server.connect(Protocol::Http1).await;
        for _ in 0..9 {
            connection.get("/").await.ok();
        }
        let got = expect_series(
            server,
            &[
                ("runtime_supercharger_reset_total{result=\"ok\"}", 10.0),
                ("runtime_supercharger_reset_total{result=\"fail\"}", 0.0),
                ("runtime_supercharger_reset_duration_seconds_count", 10.0),
                ("supercharger_reset_seconds_count{pool=\"default\"}", 10.0),
                // All of them took longer than the resetter sleeps, and so more than this bucket holds.
                ("supercharger_reset_seconds_bucket{pool=\"default\",le=\"0.0025\"}", 0.0),
                ("runtime_supercharger_reset_count", 1.0),
                ("runtime_supercharger_worker_decision_total{reason=\"ok\",recycle=\"0\"}", 10.0),
                ("supercharger_terminate_seconds_count{pool=\"default\"}", 10.0),
                ("runtime_supercharger_request_count{pool=\"default\",process=\"0\",worker=\"0\"}", 10.0),
                ("supercharger_ready", 1.0),
            ],
        )
        .await;
        assert!(got["runtime_supercharger_reset_duration_seconds_sum"] >= 0.03, "{got:#?}");
        assert!(got["runtime_supercharger_rss_memory_mb{process=\"0\"}"] > 10.0, "{got:#?}");
        assert!(got["runtime_supercharger_memory_high_water_byte"] > 100_000.0, "{got:#?}");
        server.ask_admin("POST", "/workers/recycle", &[]).await.expect(202);
        expect_series(
            server,
            &[
                ("runtime_worker_restart_total{reason=\"manual\"}", 1.0),
                ("runtime_supercharger_worker_decision_total{reason=\"manual\",recycle=\"1\"}", 1.0),
                ("supercharger_recycle_duration_seconds_count{pool=\"default\"}", 1.0),
                ("runtime_supercharger_request_count{pool=\"default\",process=\"0\",worker=\"0\"}", 0.0),
            ],
        )
        .await;
    });
}

modes!(
    who_is_turned_away_and_who_leaves_is_counted,
    |launch| launch
        .workers(1)
        .admin()
        .config("pools.default.overflow.strategy", "\"backpressure\"")
        .config("pools.default.overflow.max_queue", "0"),
    async |server| {
        let mut holder = server.raw().await;
        holder.get("/hold?id=m").await;
        server.dir().wait_for_mark("holding-m").await;
        for _ in 0..3 {
            server.get("/").await.expect(503);
        }
        // The script waits until it has been seen that its client has left.
        drop(holder);
        let left = "supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"499\"}";
        expect_series(server, &[(left, 1.0)]).await;
        server.dir().mark("release-m");
        expect_series(
            server,
            &[
                ("supercharger_rejected_total{cause=\"queue_full\",pool=\"default\"}", 3.0),
                ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"503\"}", 3.0),
                ("supercharger_http_requests_total{method=\"GET\",route=\"\",status=\"499\"}", 1.0),
                ("supercharger_requests_total{pool=\"default\"}", 1.0),
            ],
        )
        .await;
    }
);

/// A label has a bound, whatever an application does with it.
#[test]
fn routes_have_a_bound() {
    run(Launch::plain(Mode::Worker).workers(1).admin(), async |server| {
        let many = server.script("supercharger_route('/n/'.$_GET['n']);");
        let mut connection = server.connect(Protocol::Http1).await;
        for n in 0..505 {
            connection.get(&format!("{many}&n={n}")).await.ok();
        }
        let got = expect_series(
            server,
            &[
                ("supercharger_http_requests_total{method=\"GET\",route=\"/n/0\",status=\"200\"}", 1.0),
                ("supercharger_http_requests_total{method=\"GET\",route=\"/n/499\",status=\"200\"}", 1.0),
                ("supercharger_http_requests_total{method=\"GET\",route=\"other\",status=\"200\"}", 5.0),
            ],
        )
        .await;
        assert_eq!(sum(&got, "supercharger_http_requests_total", ""), 505.0);
        let refused = server.script(
            "foreach ([str_repeat('x', 201), \"/a\\nb\"] as $bad) {
                try { supercharger_route($bad); } catch (ValueError $e) { echo get_class($e), ' '; }
            }",
        );
        assert_eq!(server.get(&refused).await.ok().text(), "ValueError ValueError ");
    });
}

/// The bound is the server's: processes that take the place of others bring routes of their own. What has a series keeps it.
#[test]
fn routes_have_a_bound_over_generations() {
    const ROUTES: u32 = 200;
    run(Launch::plain(Mode::Worker).workers(1).admin(), async |server| {
        let many = server.script("supercharger_route('/n/'.$_GET['n']);");
        let of = |number: u32| {
            format!("supercharger_http_requests_total{{method=\"GET\",route=\"/n/{number}\",status=\"200\"}}")
        };
        for generation in 0..4 {
            let mut connection = server.connect(Protocol::Http1).await;
            // The first one is everybody's.
            for number in [0].into_iter().chain(generation * ROUTES + 1..=(generation + 1) * ROUTES) {
                connection.get(&format!("{many}&n={number}")).await.ok();
            }
            drop(connection);
            let all = f64::from((generation + 1) * (ROUTES + 1));
            let expected: [(&str, f64); 2] = [
                ("supercharger_requests_total{pool=\"default\"}", all),
                ("supercharger_processes{state=\"draining\"}", 0.0),
            ];
            // The scrape before the reload knows of all of them, or what is left behind does.
            expect_series(server, &expected).await;
            if generation < 3 {
                server.ask_admin("POST", "/reload?wait=true", &[]).await.ok();
            }
        }
        let beyond = f64::from(4 * ROUTES - 499);
        let got = expect_series(
            server,
            &[
                (&of(0), 4.0),
                (&of(1), 1.0),
                (&of(499), 1.0),
                ("supercharger_http_requests_total{method=\"GET\",route=\"other\",status=\"200\"}", beyond),
                ("supercharger_http_request_duration_seconds_count{route=\"other\"}", beyond),
            ],
        )
        .await;
        assert!(!got.contains_key(&of(500)), "{got:#?}");
        let routes = |family: &str| got.keys().filter(|name| name.split('{').next() == Some(family)).count();
        // 500 with a name, `other`, and the series of requests without one.
        assert_eq!(routes("supercharger_http_requests_total"), 502);
        assert_eq!(routes("supercharger_http_request_duration_seconds_count"), 502);
        assert_eq!(sum(&got, "supercharger_http_requests_total", ""), f64::from(4 * (ROUTES + 1)));
    });
}

/// Family and kind, as a scrape declares them.
fn declared(text: &str) -> BTreeMap<&str, &str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.collect()
}

modes!(the_document_has_every_metric_and_no_other, |launch| launch.admin(), async |server| {
    let document = include_str!("../../docs/metrics.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeMap<_, _> = rows
        .filter_map(|row| {
            let (name, rest) = row.split_once("` | ")?;
            Some((name, rest.split(' ').next()?))
        })
        .collect();
    assert!(documented.len() > 40, "{documented:?}");
    server.get("/").await.ok();
    // OPcache is looked at when the request is over, which its client does not wait for.
    let deadline = Instant::now() + SOON;
    let mut text = String::new();
    while !text.contains("supercharger_opcache_") {
        assert!(Instant::now() < deadline, "OPcache says nothing:\n{text}");
        text = server.ask_admin("GET", "/metrics", &[]).await.ok().text();
    }
    // Of the checks of an application there is nothing to be said while it has none; `checks` looks at them.
    let documented: BTreeMap<_, _> =
        documented.into_iter().filter(|(name, _)| !name.starts_with("supercharger_readiness_")).collect();
    assert_eq!(declared(&text), documented, "scraped, documented");
    let helped = text.lines().filter(|line| line.starts_with("# HELP ")).count();
    assert_eq!(helped, documented.len());
});

/// What promtool finds, and has to: names that others expect (docs/metrics.md).
const ACCEPTED: [&str; 7] = [
    "runtime_recycle_duration_ms",
    "runtime_supercharger_request_count",
    "runtime_supercharger_request_duration_count",
    "runtime_supercharger_request_duration_sum",
    "runtime_supercharger_reset_count",
    "runtime_supercharger_rss_memory_mb",
    "runtime_supercharger_uptime_sec",
];

#[test]
fn promtool_finds_nothing_but_what_is_accepted() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        server.get("/").await.ok();
        let text = server.ask_admin("GET", "/metrics", &[]).await.ok().text();
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is there: scripts/install-deps installs it");
        promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
        let output = promtool.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("error while"), "it cannot be parsed: {said}");
        let found: BTreeSet<_> = said.lines().filter_map(|line| line.split([' ', ':']).next()).collect();
        assert_eq!(found, ACCEPTED.into(), "{said}");
    });
}

modes!(who_asks_for_openmetrics_gets_it, |launch| launch.admin(), async |server| {
    server.get("/").await.ok();
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    let answer = server.ask_admin("GET", "/metrics", &[("accept", accept)]).await;
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.ok().header("content-type"), Some(media));
    let text = answer.text();
    check_openmetrics(&text);
    assert!(text.contains("\n# TYPE supercharger_http_requests counter\n"), "{text}");
    assert!(
        text.contains("\nsupercharger_http_requests_total{method=\"GET\",route=\"\",status=\"200\"} 1\n"),
        "{text}"
    );
});

/// The rules of OpenMetrics 1.0 that a scraper insists on: metadata before samples, one block for each family, suffixes of its kind, and an end.
fn check_openmetrics(text: &str) {
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text}"));
    let (mut family, mut kind) = ("", "");
    let mut seen = BTreeSet::new();
    for line in body.lines() {
        if let Some((name, of)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            assert!(seen.insert(name), "{name} comes twice");
            (family, kind) = (name, of);
            continue;
        }
        if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(rest.starts_with(&format!("{family} ")), "{line} amid {family}");
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} amid {family}"));
        let allowed: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            "gauge" | "unknown" => &[""],
            other => panic!("{family} is a {other}"),
        };
        assert!(allowed.contains(&suffix), "{line} in a {kind}");
        let value = line.rsplit_once(' ').map(|(_, value)| value.parse::<f64>());
        assert!(matches!(value, Some(Ok(_))), "{line}");
    }
}
