//! The event feed: a file of JSON lines that several processes write.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Launch, Mode, Server, modes, run, until};

const SOON: Duration = Duration::from_secs(10);

/// With a feed; parent and child open it with their first line, which may be after the server is ready.
fn with_feed(launch: Launch) -> Launch {
    let path = format!("{:?}", launch.dir().path().join("feed.ndjson").display().to_string());
    launch.config("telemetry.events", &path).keeps_descriptors(2)
}

/// The records of all files of the feed, in no order.
fn records(folder: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let feeds = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("feed"));
    let texts: Vec<_> = feeds.filter_map(|entry| std::fs::read_to_string(entry.path()).ok()).collect();
    texts
        .iter()
        .flat_map(|text| text.split_inclusive('\n'))
        // The last one may be about to be written.
        .filter_map(|line| line.strip_suffix('\n'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn of_type<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

async fn until_reset(server: &Server, count: usize) -> Vec<Value> {
    until(SOON, &format!("{count} resets in the feed"), || {
        let records = records(server.dir().path());
        (of_type(&records, "runtime.reset").len() >= count).then_some(records)
    })
    .await
}

modes!(
    each_event_is_a_line,
    |launch| with_feed(launch).config("pools.default.recycle.max_requests", "3"),
    async |server| {
        for _ in 0..8 {
            server.get("/").await.ok();
        }
        let records = until_reset(server, 8).await;
        for record in &records {
            let fields: BTreeSet<_> = record.as_object().expect("an object").keys().map(String::as_str).collect();
            assert_eq!(fields, BTreeSet::from(["type", "ts", "payload"]), "{record}");
            let time = record["ts"].as_str().expect("a time");
            assert!(time.len() == 24 && time.ends_with('Z') && &time[19..20] == ".", "{time}");
            assert!(record["payload"].is_object(), "{record}");
        }
        let reset = of_type(&records, "runtime.reset")[0];
        assert_eq!(
            (&reset["payload"]["ok"], &reset["payload"]["resetReport"]["errorCount"]),
            (&true.into(), &0.into()),
            "{reset}"
        );
        assert!(reset["payload"]["durationSec"].is_f64() && reset["payload"]["slot"].is_u64(), "{reset}");
        let records = until(SOON, "a decision is in the feed", || {
            let records = self::records(server.dir().path());
            (!of_type(&records, "runtime.workerDecision").is_empty()).then_some(records)
        })
        .await;
        let decision = &of_type(&records, "runtime.workerDecision")[0]["payload"]["decision"];
        assert_eq!(
            (decision["reason"].as_str(), decision["requestCount"].as_u64()),
            (Some("maxRequests"), Some(3)),
            "{decision}"
        );
        for field in ["uptimeSec", "durationSec", "rssMemoryMb", "memoryByte", "memoryHighWaterByte"] {
            assert!(decision[field].is_number(), "{field}: {decision}");
        }
        for (kind, field) in [
            ("server.start", "version"),
            ("child.ready", "boot_ms"),
            ("worker.boot", "boot_ms"),
            ("worker.recycle", "reason"),
        ] {
            let found = of_type(&records, kind);
            assert!(!found.is_empty() && !found[0]["payload"][field].is_null(), "{kind}: {found:?}");
        }
        assert!(of_type(&records, "php.log").is_empty() && of_type(&records, "access").is_empty());
    }
);

/// A resetter's name and its error are the application's words: they may hold what nobody is to see.
#[test]
fn a_reset_that_failed_says_what_was_thrown_and_no_secret() {
    let launch = with_feed(Launch::plain(Mode::Worker).workers(1).script("public/own.php")).admin();
    let code = "<?php\nrequire __DIR__.'/../app.php';\nApp\\booted();\n\
        supercharger_on_reset(static fn () => null, 'app.cache');\n\
        supercharger_on_reset(static function () {\n\
            if (isset($_GET['fail'])) { throw new DomainException('no mysql://u:hush@db/x?token=hush'); }\n\
        }, 'https://u:hush@example.org/');\n\
        while (supercharger_handle_request(App\\dispatch(...))) {}\n";
    launch.dir().write("app/public/own.php", code);
    run(launch.expect_error("reset.error").expect_error("reset_failed"), async |server| {
        server.get("/").await.ok();
        server.get("/?fail=1").await.ok();
        let records = until_reset(server, 2).await;
        let report = |ok: bool| {
            let of = |record: &&&Value| record["payload"]["ok"] == ok;
            let resets = of_type(&records, "runtime.reset");
            resets.iter().find(of).unwrap_or_else(|| panic!("{records:#?}"))["payload"]["resetReport"].clone()
        };
        let (good, bad) = (report(true), report(false));
        assert_eq!((&good["resetCount"], &good["errorCount"], &good["error"]), (&json!(2), &json!(0), &json!([])));
        assert_eq!(
            (&bad["resetCount"], &bad["errorCount"], &bad["error"], &bad["failed"]),
            (
                &json!(2),
                &json!(1),
                &json!(["DomainException: no mysql://db/x?token=[REDACTED]"]),
                &json!(["https://example.org/"])
            ),
            "{bad}"
        );
        assert!(good["durationMs"].is_f64() && bad["durationMs"].is_f64(), "{good} {bad}");
        server.wait_for_log("\"worker.recycle\"").await;
        let workers = server.admin_json("/workers").await.to_string();
        let feed = std::fs::read_to_string(server.dir().path().join("feed.ndjson")).expect("the feed");
        assert!(workers.contains("reset_failed") && feed.contains("reset.error"), "{workers} {feed}");
        for text in [workers, feed, server.log()] {
            assert!(!text.contains("hush"), "{text}");
        }
    });
}

/// Two children and their parent write; files that are full get other names, and no line is lost or torn.
#[test]
fn full_files_get_other_names_whoever_writes() {
    let launch = with_feed(Launch::plain(Mode::Worker))
        .config("server.processes", "2")
        .keeps_descriptors(3)
        .config("telemetry.events_max_size", "\"4KiB\"")
        .config("telemetry.events_keep", "0");
    run(launch, async |server| {
        for _ in 0..150 {
            server.get("/").await.ok();
        }
        let records = until_reset(server, 150).await;
        assert_eq!(of_type(&records, "runtime.reset").len(), 150);
        let entries = std::fs::read_dir(server.dir().path()).expect("a folder").flatten();
        let full = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("feed-"));
        let full: Vec<_> = full.map(|entry| entry.metadata().expect("a file").len()).collect();
        assert!(full.len() > 3, "{full:?}");
        assert!(full.iter().all(|size| *size <= 8 * 1024), "{full:?}");
    });
}

/// A feed that cannot be written is told of once, and nobody else notices.
#[test]
fn a_feed_that_cannot_be_written_costs_nobody_an_answer() {
    let launch = with_feed(Launch::plain(Mode::Worker));
    run(launch, async |server| {
        let feed = server.dir().path().join("feed.ndjson");
        // The last that the parent has to say: a process that still had something to write would tell of its own failure.
        until(SOON, "the feed has the start", || {
            let told = records(server.dir().path());
            let all = ["server.ready", "worker.boot"].iter().all(|kind| !of_type(&told, kind).is_empty());
            all.then_some(())
        })
        .await;
        std::fs::remove_file(&feed).expect("removed");
        std::fs::create_dir(&feed).expect("a folder in its place");
        for _ in 0..30 {
            server.get("/").await.ok();
        }
        server.wait_for_log("feed.failed").await;
        let told = server.log().lines().filter(|line| line.contains("\"event\":\"feed.failed\"")).count();
        assert_eq!(told, 1, "once, by the child");
        std::fs::remove_dir(&feed).expect("removed");
        let start = Instant::now();
        while !std::fs::read_to_string(&feed).is_ok_and(|text| text.contains("runtime.reset")) {
            assert!(start.elapsed() < SOON, "the feed does not go on");
            server.get("/").await.ok();
        }
    });
}
