//! Slow requests: what is said when they are over, and where their script is while they run.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Launch, Mode, Server, modes, run, until};

const SOON: Duration = Duration::from_secs(10);

fn quick_to_complain(launch: Launch) -> Launch {
    launch.config("log.slow_request", "\"300ms\"")
}

async fn event(server: &Server, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until(SOON, name, || {
        let log = server.log();
        let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.into_iter().find(|record| record["event"] == name && wanted(record))
    })
    .await
}

fn number(record: &Value, field: &str) -> u64 {
    record[field].as_u64().unwrap_or_else(|| panic!("{field}: {record}"))
}

fn has_stack(record: &Value) -> bool {
    record["stack"].is_string()
}

modes!(the_log_says_where_a_busy_script_is, quick_to_complain, async |server| {
    let path = server.script(
        "function spin(string $password): int { $until = microtime(true) + 1.0; $n = 0;\n\
         while (microtime(true) < $until) { $n++; }\n\
         return $n; }\n\
         class Report { function __invoke($row) { return spin('hush'); } }\n\
         echo array_map(new Report(), [1])[0] > 0 ? 'done' : 'not';",
    );
    let id = [("x-request-id", "spinning")];
    let answer = server.send("GET", &format!("{path}&token=hush"), &id, "").await;
    assert_eq!(answer.ok().text(), "done", "it went on as if nobody had asked");
    let record = event(server, "request.stack", has_stack).await;
    assert_eq!(
        (record["request_id"].as_str(), record["path"].as_str()),
        (Some("spinning"), Some("/script")),
        "{record}"
    );
    let stack: Vec<_> = record["stack"].as_str().expect("a stack").lines().collect();
    let at = stack.iter().position(|line| line.ends_with(" spin")).unwrap_or_else(|| panic!("{stack:#?}"));
    assert!(at <= 1 && (stack[at].contains(".php:3 ") || stack[at].contains(".php:2 ")), "{stack:#?}");
    assert!(stack[at + 1].ends_with(" Report::__invoke") && stack[at + 2] == "[internal] array_map", "{stack:#?}");
    assert!(stack.last().is_some_and(|line| line.ends_with("{main}")), "{stack:#?}");
    assert!(!record.to_string().contains("hush"), "neither arguments nor the query: {record}");
    let record = event(server, "request.slow", |_| true).await;
    assert_eq!((record["request_id"].as_str(), number(&record, "status")), (Some("spinning"), 200), "{record}");
    assert!(number(&record, "php_ms") >= 900 && number(&record, "duration_ms") >= 900, "{record}");
    assert!(number(&record, "memory_peak_bytes") > 0 && record["outcome"] == "ok", "{record}");
    for field in ["receive_ms", "queue_ms", "boot_ms", "terminate_ms", "reset_ms"] {
        assert!(number(&record, field) < 900, "{field}: {record}");
    }
    // Once for each.
    assert_eq!(server.log().matches("\"event\":\"request.stack\"").count(), 1);
    server.get("/").await.ok();
    assert_eq!(server.log().matches("\"event\":\"request.slow\"").count(), 1, "{}", server.log());
});

/// Between two short waits the script comes by.
#[test]
fn the_log_says_where_a_script_is_that_waits_again_and_again() {
    run(quick_to_complain(Launch::plain(Mode::Worker)), async |server| {
        let path = server.script("for ($i = 0; $i < 80; $i++) {\nusleep(10000);\n}\necho 'done';");
        assert_eq!(server.get(&path).await.ok().text(), "done");
        let record = event(server, "request.stack", has_stack).await;
        assert!(record["stack"].as_str().is_some_and(|stack| stack.contains(".php:3 {main}")), "{record}");
    });
}

/// One that sleeps is left asleep, and told of as such; where it was is told when it comes back.
#[test]
fn a_script_in_a_system_call_is_not_disturbed() {
    run(quick_to_complain(Launch::plain(Mode::Worker)), async |server| {
        let path = server.script(
            "$start = hrtime(true);\n$left = sleep(1);\necho json_encode([$left, hrtime(true) - $start >= 1e9]);",
        );
        assert_eq!(server.get(&path).await.ok().json(), serde_json::json!([0, true]));
        let record = event(server, "request.stack", |record| record["missing"].is_string()).await;
        assert!(
            record["missing"].as_str().is_some_and(|why| why.contains("nanosleep")) && !has_stack(&record),
            "{record}"
        );
        let record = event(server, "request.stack", has_stack).await;
        assert!(record["stack"].as_str().is_some_and(|stack| stack.contains(".php:3 {main}")), "{record}");
    });
}

#[test]
fn phases_tell_a_queue_from_work_after_the_response() {
    let launch = Launch::plain(Mode::Worker).workers(1).config("log.slow_request", "\"200ms\"");
    run(launch, async |server| {
        let path = server.script("echo 'early'; supercharger_finish_request(); usleep(400000);");
        let (first, second) = tokio::join!(server.get(&path), server.get(&path));
        first.ok();
        second.ok();
        let record = event(server, "request.slow", |record| number(record, "queue_ms") > 0).await;
        assert!(number(&record, "queue_ms") >= 300, "{record}");
        let record = event(server, "request.slow", |record| number(record, "queue_ms") == 0).await;
        assert!(number(&record, "terminate_ms") >= 350 && number(&record, "php_ms") < 350, "{record}");
    });
}

/// The control of the others: without a limit nobody asks, and nothing is said.
#[test]
fn slow_requests_are_nobodys_business_if_that_is_off() {
    let launch = Launch::plain(Mode::Worker).config("log.slow_request", "\"0s\"");
    run(launch, async |server| {
        let path = server.script("usleep(1500000); echo 'done';");
        assert_eq!(server.get(&path).await.ok().text(), "done");
        server.get("/").await.ok();
        assert!(!server.log().contains("request.stack") && !server.log().contains("request.slow"), "{}", server.log());
    });
}
