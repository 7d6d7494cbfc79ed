//! Metrics in files: snapshots of several servers in one folder, their sums, and the text file of the node exporter.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Launch, Mode, Server, modes, run, until};

const SOON: Duration = Duration::from_secs(20);
const TOTAL: &str = "runtime_worker_request_total";

/// Asks until the answer is as wanted.
async fn until_says(server: &Server, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let end = std::time::Instant::now() + SOON;
    loop {
        let answer = server.admin_json(path).await;
        if is(&answer) {
            return answer;
        }
        assert!(std::time::Instant::now() < end, "{path} never says {what}: {answer:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

modes!(without_a_folder_a_server_speaks_for_itself, |launch| launch.admin(), async |server| {
    for path in ["/runtime/status/host", "/status/host"] {
        let host = server.admin_json(path).await;
        let expected = json!({ "telemetry": {
            "dir": null, "ready": false, "reason": "dirMissing", "workerSnapshotCount": 0, "lastSnapshotUnix": null,
        }});
        assert_eq!(host, expected);
    }
    server.get("/").await.ok();
    let sum = server.admin_json("/runtime/metrics/aggregate").await;
    assert_eq!(sum["namespace"], "runtime_supercharger");
    assert_eq!(sum["counter"][TOTAL], 1, "{sum:#}");
    assert_eq!(sum["counter"]["supercharger_requests_total{pool=default}"], 1, "{sum:#}");
    assert_eq!(sum["counter"]["supercharger_rejected_total{cause=queue_full,pool=default}"], 0, "labels in order");
    assert_eq!(sum["gauge"]["supercharger_workers_target{pool=default}"], 2.0, "{sum:#}");
    assert_eq!(sum["meta"]["servers"], 1);
});

#[test]
fn servers_that_share_a_folder_are_added_up() {
    let shared = tempfile::tempdir().expect("a folder");
    let dir = shared.path().join("telemetry");
    let launch = |workers| {
        let launch = Launch::plain(Mode::Worker).admin().workers(workers);
        launch
            .config("telemetry.dir", &format!("{:?}", dir.display().to_string()))
            .config("telemetry.flush_interval", "\"100ms\"")
    };
    let textfile = shared.path().join("supercharger.prom");
    let first = launch(2).config("telemetry.textfile", &format!("{:?}", textfile.display().to_string()));
    run(first, async |one| {
        let other = launch(3).start().await;
        for _ in 0..3 {
            one.get("/").await.ok();
        }
        for _ in 0..5 {
            other.get("/").await.ok();
        }
        // What others leave there is passed over.
        std::fs::write(dir.join("broken.json"), "{\"counter\":{\"runtime_worker_request_total\":1000")
            .expect("written");
        std::fs::write(dir.join("note.txt"), "hello").expect("written");
        for server in [&*one, &other] {
            let sum =
                until_says(server, "/runtime/metrics/aggregate", "8 requests", |sum| sum["counter"][TOTAL] == 8).await;
            assert_eq!(sum["meta"]["servers"], 2, "{sum:#}");
            // Of a gauge the largest counts.
            assert_eq!(sum["gauge"]["supercharger_workers_target{pool=default}"], 3.0, "{sum:#}");
        }
        let host = one.admin_json("/runtime/status/host").await;
        assert_eq!(host["telemetry"]["reason"], "ok", "{host:#}");
        assert_eq!(host["telemetry"]["workerSnapshotCount"], 3, "a broken one is there all the same; {host:#}");
        let newest = host["telemetry"]["lastSnapshotUnix"].as_f64().expect("a time");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs_f64();
        assert!((0.0..20.0).contains(&(now - newest)), "{host:#}");

        // The text file is what a scrape would show, for everybody to read, and never half.
        let text = until(SOON, "the text file has the requests", || {
            std::fs::read_to_string(&textfile).ok().filter(|text| text.contains(&format!("{TOTAL} 3")))
        })
        .await;
        assert!(text.ends_with('\n') && text.contains("# TYPE runtime_worker_request_total counter"), "{text}");
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&textfile).expect("a file").permissions());
        assert_eq!(mode & 0o777, 0o644);

        // Who ends in order takes its numbers along.
        other.finish().await;
        let sum = one.admin_json("/runtime/metrics/aggregate").await;
        assert_eq!((&sum["counter"][TOTAL], &sum["meta"]["servers"]), (&json!(3), &json!(1)), "{sum:#}");
    });
    assert!(!textfile.exists(), "no numbers of a server that has gone");
    let left: Vec<_> = std::fs::read_dir(&dir).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "only what others have left there: {left:?}");
}

/// Of servers that were killed: their numbers do not count for ever, and their files do not lie there for ever.
#[test]
fn servers_that_are_gone_do_not_count() {
    let shared = tempfile::tempdir().expect("a folder");
    let put = |name: &str, age: f64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs_f64();
        let snapshot = json!({
            "namespace": "runtime_supercharger", "counter": { TOTAL: 1_000_000 }, "gauge": {},
            "meta": { "workerId": name, "pid": 1, "writtenUnix": now - age },
        });
        std::fs::write(shared.path().join(name), snapshot.to_string()).expect("written");
    };
    put("old.json", 100_000.0);
    put("silent.json", 100.0);
    let launch = Launch::plain(Mode::Worker)
        .admin()
        .config("telemetry.dir", &format!("{:?}", shared.path().display().to_string()))
        .config("telemetry.flush_interval", "\"100ms\"");
    run(launch, async |server| {
        server.get("/").await.ok();
        let is = |sum: &Value| sum["meta"]["stale"] == 1;
        let sum = until_says(server, "/runtime/metrics/aggregate", "one that is silent", is).await;
        assert_eq!((&sum["counter"][TOTAL], &sum["meta"]["servers"]), (&json!(1), &json!(1)), "{sum:#}");
        assert!(!shared.path().join("old.json").exists() && shared.path().join("silent.json").exists());
        put("other.json", 1.0);
        let sum = server.admin_json("/runtime/metrics/aggregate").await;
        assert_eq!((&sum["counter"][TOTAL], &sum["meta"]["servers"]), (&json!(1_000_001), &json!(2)), "{sum:#}");
    });
}

#[test]
fn a_folder_that_cannot_be_written_is_told_once() {
    let launch = Launch::plain(Mode::Worker)
        .admin()
        .env("RUNTIME_TELEMETRY_DIR", "/nonexistent/a/b")
        .env("SUPERCHARGER__TELEMETRY__FLUSH_INTERVAL", "100ms");
    run(launch, async |server| {
        server.wait_for_log("\"telemetry.failed\"").await;
        server.get("/").await.ok();
        // Something must not happen: a second line.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(server.log().matches("\"telemetry.failed\"").count(), 1);
        assert_eq!(server.admin_json("/status/host").await["telemetry"]["reason"], "dirMissing");
        assert!(server.log().contains("RUNTIME_TELEMETRY_DIR sets telemetry.dir"), "the variable is announced");
    });
}

#[test]
fn numbers_are_behind_the_guard() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        for path in ["/runtime/metrics/aggregate", "/runtime/status/host", "/status/host", "/status/host?x=1"] {
            let answer = server.ask_admin("GET", path, &[("x-forwarded-for", "10.0.0.1")]).await;
            answer.expect(403);
            assert!(!answer.text().contains("telemetry") && !answer.text().contains("counter"), "{answer}");
        }
    });
}
