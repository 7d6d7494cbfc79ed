//! One request, followed through everything that tells of it: the same id, route and trace, wherever they are told.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::collector::{Collector, Manners};
use crate::support::{Launch, Mode, Server, run, until};

const SOON: Duration = Duration::from_secs(10);

/// It logs, warns, is slow and fails.
const FATE: &str = "\
    supercharger_route('/orders/{id}');\n\
    file_put_contents(__DIR__ . '/seen', $_SERVER['HTTP_X_REQUEST_ID'] . ' ' . supercharger_request_id());\n\
    error_log('by error_log');\n\
    trigger_error('by trigger_error', E_USER_WARNING);\n\
    supercharger_log('by supercharger_log');\n\
    usleep(30000);\n\
    throw new LogicException('on purpose');";

fn everything_tells(mode: Mode, collector: &Collector) -> Launch {
    let launch = Launch::plain(mode);
    let feed = format!("{:?}", launch.dir().path().join("feed.ndjson").display().to_string());
    launch
        .admin()
        .config("otlp.endpoint", &format!("{:?}", collector.endpoint()))
        .config("log.access", "\"json\"")
        .config("log.slow_request", "\"10ms\"")
        .config("telemetry.events", &feed)
        // The collector's connection stays, and so do the feed's file in the child and in the parent.
        .keeps_descriptors(3)
        .expect_error("on purpose")
        .expect_error("request.failed")
}

/// The records of the request in this text.
fn records(text: &str, field: &str, id: &str) -> Vec<Value> {
    let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.filter(|record| record.pointer(field).is_some_and(|found| *found == *id)).collect()
}

/// What a request of this id has left in the log, once it is all there.
async fn told(server: &Server, id: &str, wanted: &[&str]) -> Vec<Value> {
    let has = |records: &[Value], wanted: &str| {
        records.iter().any(|record| record["event"] == wanted || record["message"].to_string().contains(wanted))
    };
    until(SOON, &format!("{wanted:?} of {id}"), || {
        let records = records(&server.log(), "/request_id", id);
        wanted.iter().all(|wanted| has(&records, wanted)).then_some(records)
    })
    .await
}

fn followed(mode: Mode) {
    let collector = Collector::start(Manners::Good);
    run(everything_tells(mode, &collector), async |server| {
        let path = server.script(FATE);
        let headers = [("x-request-id", "one:1"), ("accept", "application/json")];
        let answer = server.send("GET", &path, &headers, "").await;
        assert_eq!(answer.expect(500).header("x-request-id"), Some("one:1"));
        assert_eq!(answer.json()["error"]["request_id"], "one:1", "the error page");
        assert_eq!(server.dir().wait_for_mark("seen").await, "one:1 one:1", "PHP");

        let messages = ["by error_log", "by trigger_error", "by supercharger_log", "on purpose"];
        let wanted = [&messages[..], &["access", "request.slow", "request.failed"]].concat();
        let told = told(server, "one:1", &wanted).await;
        let spans = collector.of_request("one:1", &["server", "queue", "php"]).await;
        let (server_span, php) = (&spans["server"], &spans["php"]);
        for message in messages {
            let of = |record: &&Value| record["message"].to_string().contains(message);
            let record = told.iter().find(of).unwrap_or_else(|| panic!("{message}: {told:#?}"));
            assert_eq!((&record["event"], &record["trace_id"]), (&json!("php.log"), &json!(server_span.trace)));
        }
        for event in ["access", "request.slow"] {
            let mut of: Vec<_> = told.iter().filter(|record| record["event"] == event).collect();
            let record = of.pop().unwrap_or_else(|| panic!("{event}: {told:#?}"));
            assert!(of.is_empty(), "once: {told:#?}");
            assert_eq!(
                (&record["path"], &record["route"], &record["status"], &record["trace_id"]),
                (&json!("/script"), &json!("/orders/{id}"), &json!(500), &json!(server_span.trace)),
                "{record}"
            );
        }
        assert_eq!(server_span.name, "GET /orders/{id}");
        assert_eq!(server_span.attributes.get("http.route"), Some(&json!("/orders/{id}")), "{server_span:#?}");
        assert_eq!((&php.trace, &php.parent), (&server_span.trace, &server_span.id), "{spans:#?}");

        let feed = server.dir().path().join("feed.ndjson");
        until(SOON, "the feed tells of it", || {
            let text = std::fs::read_to_string(&feed).unwrap_or_default();
            let resets = records(&text, "/payload/requestId", "one:1");
            (resets.len() == 1 && resets[0]["type"] == "runtime.reset").then_some(())
        })
        .await;
        let recent = server.admin_json("/workers").await["recent"].clone();
        for list in ["slow", "failed"] {
            assert_eq!(recent[list][0]["request_id"], "one:1", "{recent}");
        }

        // One that names no route has none, whatever the one before it said.
        server.send("GET", "/", &[("x-request-id", "two:2")], "").await.ok();
        let access = self::told(server, "two:2", &["access"]).await;
        assert!(access.iter().all(|record| record.get("route").is_none()), "{access:#?}");
        let span = &collector.of_request("two:2", &["server"]).await["server"];
        assert_eq!((span.name.as_str(), span.attributes.get("http.route")), ("GET", None), "{span:#?}");
    });
}

#[test]
fn the_same_id_route_and_trace_everywhere_in_worker_mode() {
    followed(Mode::Worker);
}

#[test]
fn the_same_id_route_and_trace_everywhere_in_classic_mode() {
    followed(Mode::Classic);
}
