//! Distributed traces: what a collector gets, what PHP continues, and that neither costs a request anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::collector::{Collector, Manners, STRANGER, Span, TRUSTED};
use crate::support::{Launch, Mode, Server, run, until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// The plain application, traced over HTTP or gRPC. The connection to the collector stays.
fn traced(mode: Mode, protocol: &str, collector: &Collector) -> Launch {
    Launch::plain(mode)
        .config("otlp.endpoint", &format!("{:?}", collector.endpoint()))
        .config("otlp.protocol", &format!("{protocol:?}"))
        .config("log.access", "true")
        .keeps_descriptors(1)
}

/// What PHP got in these variables.
async fn seen(server: &Server, headers: &[(&str, &str)]) -> (Value, Value) {
    let answer = server.send("GET", "/server-vars", headers, "").await.ok().json();
    (answer["server"]["HTTP_TRACEPARENT"].clone(), answer["server"]["HTTP_TRACESTATE"].clone())
}

fn text(value: &'static str) -> http::HeaderValue {
    http::HeaderValue::from_static(value)
}

/// Trace, span and flags of a `traceparent`.
#[track_caller]
fn split(parent: &Value) -> (String, String, String) {
    let parts: Vec<_> = parent.as_str().unwrap_or_default().split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("no traceparent: {parent}") };
    assert_eq!((version, trace.len(), span.len(), flags.len()), ("00", 32, 16, 2), "{parent}");
    (trace.to_owned(), span.to_owned(), flags.to_owned())
}

#[track_caller]
fn follow_each_other(spans: &BTreeMap<String, Span>) {
    let (server, queue, php) = (&spans["server"], &spans["queue"], &spans["php"]);
    assert!(server.start <= queue.start && queue.start < queue.end && queue.end == php.start, "{spans:#?}");
    assert!(php.start < php.end && php.start < server.end, "{spans:#?}");
    for span in spans.values() {
        assert_eq!(span.trace, server.trace, "{spans:#?}");
        assert!(span.start <= span.end && span.end - span.start < 60_000_000_000, "{span:#?}");
    }
}

/// A request of a client that is part of a trace, from its header field to the collector.
fn continued(mode: Mode, protocol: &str) {
    let collector = Collector::start(Manners::Good);
    run(traced(mode, protocol, &collector).config("log.slow_request", "\"10ms\""), async |server| {
        let headers = [
            ("traceparent", &*format!("00-{TRACE}-{SPAN}-01")),
            ("tracestate", "vendor=1"),
            ("tracestate", "other=2"),
            ("x-request-id", "traced-1"),
            ("user-agent", "test/1"),
            ("authorization", "Bearer hidden"),
        ];
        let answer = server.send("GET", "/server-vars?password=hidden", &headers, "").await.ok().json();
        let (trace, php, flags) = split(&answer["server"]["HTTP_TRACEPARENT"]);
        assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
        assert_ne!(php, SPAN, "PHP continues its own span, not the client's");
        assert_eq!(answer["server"]["HTTP_TRACESTATE"], "vendor=1,other=2");
        assert_eq!(answer["server"]["HTTP_X_REQUEST_ID"], "traced-1");

        // A script that ends with its request leaves nothing to put back.
        let reset = (mode == Mode::Worker).then_some("reset");
        let names: Vec<_> = ["server", "queue", "php"].into_iter().chain(reset).collect();
        let spans = collector.of_request("traced-1", &names).await;
        let (server_span, php_span) = (&spans["server"], &spans["php"]);
        assert_eq!((server_span.trace.as_str(), server_span.parent.as_str()), (TRACE, SPAN), "{spans:#?}");
        assert_eq!((server_span.name.as_str(), server_span.state.as_str()), ("GET", "vendor=1,other=2"));
        assert!(server_span.remote_parent && server_span.server && !server_span.failed, "{server_span:#?}");
        assert_eq!((&php_span.id, &php_span.parent), (&php, &server_span.id), "{spans:#?}");
        for child in ["queue"].into_iter().chain(reset) {
            assert_eq!(spans[child].parent, server_span.id, "{spans:#?}");
            assert!(!spans[child].remote_parent && !spans[child].server, "{spans:#?}");
        }
        assert_eq!(spans.get("reset").map(|reset| reset.start), reset.map(|_| php_span.end), "{spans:#?}");
        follow_each_other(&spans);

        let address = server.address();
        for (name, expected) in [
            ("http.request.method", json!("GET")),
            ("url.path", json!("/server-vars")),
            ("url.scheme", json!("http")),
            ("http.response.status_code", json!(200)),
            ("client.address", json!("127.0.0.1")),
            ("server.address", json!("127.0.0.1")),
            ("server.port", json!(address.port())),
            ("network.protocol.version", json!("1.1")),
            ("user_agent.original", json!("test/1")),
        ] {
            assert_eq!(server_span.attributes.get(name), Some(&expected), "{name} of {server_span:#?}");
        }
        for (name, expected) in [("supercharger.pool", json!("default")), ("supercharger.incarnation", json!(1))] {
            assert_eq!(php_span.attributes.get(name), Some(&expected), "{name} of {php_span:#?}");
        }
        assert!(php_span.attributes.contains_key("supercharger.slot"), "{php_span:#?}");
        assert_eq!(server_span.resource.get("service.name"), Some(&json!("supercharger")));
        assert_eq!(server_span.resource.get("process.pid"), Some(&json!(server.php_pid())));
        assert!(!format!("{spans:?}").contains("hidden"), "a secret in {spans:#?}");
        // Every record of the request names both.
        let ids = format!("\"request_id\":\"traced-1\",\"trace_id\":\"{TRACE}\"");
        let ids = ids.as_str();
        server.wait_for_log(&format!("{ids},\"remote\"")).await;
        server.send("GET", "/log?message=said", &headers, "").await.ok();
        server.send("GET", "/echo?us=20000", &headers, "").await.ok();
        until(Duration::from_secs(10), "PHP's record names both", || {
            server.log().lines().any(|line| line.contains("\"php.log\"") && line.contains(ids)).then_some(())
        })
        .await;
        let is_slow = |line: &&str| line.contains("\"request.slow\"") && line.contains(ids);
        until(Duration::from_secs(10), "a slow one as well", || server.log().lines().find(is_slow).map(drop)).await;
    });
}

#[test]
fn a_clients_trace_goes_on_over_http_in_worker_mode() {
    continued(Mode::Worker, "http/protobuf");
}

#[test]
fn a_clients_trace_goes_on_over_grpc_in_classic_mode() {
    continued(Mode::Classic, "grpc");
}

#[test]
fn what_runs_after_the_response_is_a_part_of_php() {
    let collector = Collector::start(Manners::Good);
    run(traced(Mode::Worker, "http/protobuf", &collector), async |server| {
        assert!(threads(server).iter().any(|name| name == "sc-otlp"), "{:?}", threads(server));
        let answer = server.send("GET", "/terminate-waits?id=t", &[("x-request-id", "late")], "").await;
        assert_eq!(answer.ok().text(), "answered");
        server.dir().mark("go-t");
        let spans = collector.of_request("late", &["server", "php", "terminate", "reset"]).await;
        let (php, terminate) = (&spans["php"], &spans["terminate"]);
        assert_eq!((&terminate.parent, terminate.end), (&php.id, php.end), "{spans:#?}");
        assert!(spans["server"].parent.is_empty(), "{spans:#?}");
        follow_each_other(&spans);
    });
}

#[test]
fn who_is_not_sampled_sends_nothing_and_hands_its_trace_on() {
    let collector = Collector::start(Manners::Good);
    run(traced(Mode::Worker, "http/protobuf", &collector).config("otlp.sample", "0.0"), async |server| {
        // The client says no; nobody says anything, and the ratio is 0.
        let (parent, _) = seen(server, &[("traceparent", &format!("00-{TRACE}-{SPAN}-00"))]).await;
        let (trace, span, flags) = split(&parent);
        assert_eq!((trace.as_str(), flags.as_str(), span == SPAN), (TRACE, "00", false));
        let (parent, state) = seen(server, &[("tracestate", "without=parent")]).await;
        assert_eq!((split(&parent).2.as_str(), state), ("02", Value::Null));
        // Its client says yes. What was sampled before would have arrived before.
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let headers = [("traceparent", parent.as_str()), ("x-request-id", "yes")];
        server.send("GET", "/", &headers, "").await.ok();
        collector.of_request("yes", &["server", "php"]).await;
        let spans = collector.spans();
        assert!(spans.iter().all(|span| span.attributes["supercharger.request_id"] == "yes"), "{spans:#?}");
    });
}

/// The threads of the process that runs PHP, by name.
fn threads(server: &Server) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.php_pid())).expect("a process").flatten();
    tasks.filter_map(|task| Some(std::fs::read_to_string(task.path().join("comm")).ok()?.trim().to_owned())).collect()
}

#[test]
fn without_tracing_nothing_connects_and_header_fields_pass_as_they_are() {
    let collector = Collector::start(Manners::Good);
    // The application's own variables, and one that says no.
    let launch = Launch::plain(Mode::Worker)
        .admin()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())
        .env("OTEL_SERVICE_NAME", "shop")
        .env("OTEL_SDK_DISABLED", "true");
    run(launch, async |server| {
        assert!(!threads(server).iter().any(|name| name == "sc-otlp"), "{:?}", threads(server));
        let parent = format!("00-{TRACE}-{SPAN}-01");
        for (parent, state) in [(parent.as_str(), "a=1"), ("nonsense", "=")] {
            let found = seen(server, &[("traceparent", parent), ("tracestate", state)]).await;
            assert_eq!(found, (json!(parent), json!(state)));
        }
        assert_eq!(seen(server, &[]).await, (Value::Null, Value::Null));
        let answer = server.get("/").await;
        assert_eq!(answer.ok().header("traceresponse"), None);
        expect_counted(server, 0.0, 0.0, 0.0).await;
    });
    // Also what would have been sent at the end.
    assert_eq!(collector.connections(), 0);
}

#[test]
fn variables_of_opentelemetry_switch_it_on() {
    let collector = Collector::start(Manners::Good);
    let launch = Launch::plain(Mode::Classic)
        .keeps_descriptors(1)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=of%20variable,authorization=Bearer variable")
        .env("SUPERCHARGER__OTLP__HEADERS__X_TEAM", "ours")
        .env("OTEL_SERVICE_NAME", "shop")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    run(launch, async |server| {
        server.send("GET", "/", &[("x-request-id", "env")], "").await.ok();
        let spans = collector.of_request("env", &["server", "php"]).await;
        let resource = &spans["server"].resource;
        assert_eq!(resource.get("service.name"), Some(&json!("shop")), "{resource:?}");
        assert_eq!(resource.get("deployment.environment.name"), Some(&json!("test")), "{resource:?}");
        let (path, head) = collector.heads().remove(0);
        assert_eq!(path, "/v1/traces");
        // The library reads the variable as well; what is ours wins.
        let of = |name: &str| head.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!((of("x-team"), of("authorization")), (vec![text("ours")], vec![text("Bearer variable")]));
        assert!(!server.log().contains("Bearer") && !server.log().contains("variable,"), "{}", server.log());
    });
}

#[test]
fn a_hostile_context_begins_a_trace_of_its_own() {
    let collector = Collector::start(Manners::Good);
    run(traced(Mode::Worker, "http/protobuf", &collector), async |server| {
        let zero = format!("00-{}-{SPAN}-01", "0".repeat(32));
        let large = format!("00-{TRACE}-{SPAN}-01-{}", "x".repeat(8000));
        let forbidden = format!("ff-{TRACE}-{SPAN}-01");
        let capitals = format!("00-{}-{SPAN}-01", TRACE.to_uppercase());
        for parent in [zero.as_str(), &large, &forbidden, &capitals, "", "é", "'\"><script>", "00-00-00-00"] {
            let (found, state) = seen(server, &[("traceparent", parent), ("tracestate", "a=1")]).await;
            let (trace, _, flags) = split(&found);
            assert!(trace != TRACE && flags == "03" && state.is_null(), "{parent:?}: {found} {state}");
        }
        let good = format!("00-{TRACE}-{SPAN}-01");
        let twice = [("traceparent", good.as_str()), ("traceparent", good.as_str()), ("x-request-id", "twice")];
        assert_ne!(split(&seen(server, &twice).await.0).0, TRACE);
        // The state falls, the parent stands.
        let many = (0..33).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        for state in [many.as_str(), "A=1", "a", "a=1,a=2"] {
            let (found, state) = seen(server, &[("traceparent", &good), ("tracestate", state)]).await;
            assert_eq!((split(&found).0.as_str(), state), (TRACE, Value::Null));
        }
        let spans = collector.of_request("twice", &["server"]).await;
        assert!(spans["server"].parent.is_empty(), "{spans:#?}");
    });
}

#[test]
fn whose_context_counts_is_a_matter_of_configuration() {
    let good = format!("00-{TRACE}-{SPAN}-01");
    let cases: [(&[(&str, &str)], bool); 3] = [
        (&[("otlp.inbound", "\"none\"")], false),
        (&[("otlp.inbound", "\"trusted\""), ("server.trusted_proxies", "[\"10.0.0.0/8\"]")], false),
        (&[("otlp.inbound", "\"trusted\""), ("server.trusted_proxies", "[\"127.0.0.1\"]")], true),
    ];
    for (keys, continued) in cases {
        let collector = Collector::start(Manners::Good);
        let mut launch = traced(Mode::Classic, "http/protobuf", &collector).config("otlp.traceresponse", "true");
        for (key, value) in keys {
            launch = launch.config(key, value);
        }
        run(launch, async |server| {
            let headers = [("traceparent", good.as_str()), ("x-request-id", "whose")];
            let answer = server.send("GET", "/", &headers, "").await;
            let (trace, span, _) = split(&json!(answer.ok().header("traceresponse")));
            assert_eq!(trace == TRACE, continued, "{keys:?}");
            let spans = collector.of_request("whose", &["server"]).await;
            assert_eq!((&spans["server"].trace, &spans["server"].id), (&trace, &span), "{spans:#?}");
        });
    }
}

#[test]
fn answers_of_the_servers_own_are_errors_of_its_span() {
    let collector = Collector::start(Manners::Good);
    let launch = traced(Mode::Worker, "http/protobuf", &collector)
        .workers(1)
        .config("pools.default.overflow.queue_timeout", "\"100ms\"")
        .config("pools.default.request_timeout", "\"2s\"")
        .expect_error("nobody catches")
        .expect_error("\"worker.timeout\"")
        .expect_error("\"reason\":\"timeout\"")
        .expect_error("Time is up");
    run(launch, async |server| {
        let send = async |path: &str, id: &str| server.send("GET", path, &[("x-request-id", id)], "").await.status();
        assert_eq!(send("/throw", "thrown").await, 500);
        assert_eq!(send("/.hidden", "missing").await, 404);
        let (held, refused) = tokio::join!(send("/hold?id=h", "held"), async {
            server.dir().wait_for_mark("holding-h").await;
            send("/", "refused").await
        });
        assert_eq!((held, refused), (504, 503));

        // id -> the spans, status, what is wrong with the server's, and with PHP's
        type Case<'a> = (&'a str, &'a [&'a str], u16, Option<&'a str>, Option<&'a str>);
        let cases: [Case<'_>; 4] = [
            ("thrown", &["server", "php"], 500, Some("script_failed"), Some("uncaught")),
            ("missing", &["server"], 404, None, None),
            ("refused", &["server", "queue"], 503, Some("queue_timeout"), None),
            ("held", &["server", "php"], 504, Some("execution_timeout"), Some("timeout")),
        ];
        for (id, names, status, wrong, in_php) in cases {
            let spans = collector.of_request(id, names).await;
            let error = |name: &str| {
                let span = spans.get(name)?;
                assert_eq!(span.failed, span.attributes.contains_key("error.type"), "{span:#?}");
                span.attributes.get("error.type")?.as_str()
            };
            assert_eq!((error("server"), error("php")), (wrong, in_php), "{id}: {spans:#?}");
            assert_eq!(spans["server"].attributes["http.response.status_code"], status, "{id}: {spans:#?}");
            assert_eq!(spans.contains_key("php"), names.contains(&"php"), "{id}: {spans:#?}");
        }
        let waited = &collector.of_request("refused", &["queue"]).await["queue"];
        assert!(waited.end - waited.start >= 100_000_000, "{waited:#?}");
    });
}

/// Spans that have come to this end, by the metric.
async fn counted(server: &Server, outcome: &str) -> f64 {
    server.metric(&format!("supercharger_trace_spans_total{{outcome=\"{outcome}\"}}")).await
}

/// Waits until the metric has this value for each end.
async fn expect_counted(server: &Server, exported: f64, dropped: f64, failed: f64) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let mut found = Vec::new();
        for outcome in ["exported", "dropped", "failed"] {
            found.push(counted(server, outcome).await);
        }
        if found == [exported, dropped, failed] {
            return;
        }
        assert!(Instant::now() < end, "exported, dropped, failed: {found:?}, not {:?}", [exported, dropped, failed]);
    }
}

/// Every span is counted once, by what has become of it, also those of a process that has been replaced.
#[test]
fn spans_are_counted_by_what_has_become_of_them() {
    let collector = Collector::start(Manners::Good);
    run(traced(Mode::Classic, "http/protobuf", &collector).admin().keeps_descriptors(1), async |server| {
        expect_counted(server, 0.0, 0.0, 0.0).await;
        // What no worker gets has one span: the request itself.
        let five = async || {
            for _ in 0..5 {
                server.get("/.hidden").await.expect(404);
            }
        };
        five().await;
        expect_counted(server, 5.0, 0.0, 0.0).await;
        assert_eq!(collector.spans().len(), 5, "what the collector says");
        collector.behave(Manners::Refuses);
        five().await;
        expect_counted(server, 5.0, 0.0, 5.0).await;
        server.signal("HUP");
        server.wait_for_log("server.reload").await;
        collector.behave(Manners::Good);
        five().await;
        expect_counted(server, 10.0, 0.0, 5.0).await;
        assert_eq!(collector.spans().len(), 10, "what the collector says");
    });
}

/// Twenty requests, each of which must not notice the collector.
async fn unharmed(server: &Server) {
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(server.get("/").await.ok().text(), "hello");
        // Far below the time that a message to the collector may take.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_collector_that_is_not_there_or_takes_nothing_harms_nobody() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start(Manners::Refuses);
        run(traced(Mode::Worker, protocol, &collector), async |server| {
            unharmed(server).await;
            let line: Value = serde_json::from_str(&server.wait_for_log("traces.lost").await).expect("JSON");
            assert!(line["failed"].as_u64() >= Some(1) && line["dropped"] == 0, "{line}");
            // It comes round.
            collector.behave(Manners::Good);
            server.send("GET", "/", &[("x-request-id", "again")], "").await.ok();
            collector.of_request("again", &["server", "php"]).await;
        });
    }
    let gone = format!("\"http://127.0.0.1:{}\"", crate::support::server::free_port());
    run(Launch::plain(Mode::Classic).config("otlp.endpoint", &gone), async |server| {
        unharmed(server).await;
    });
}

#[test]
fn a_collector_may_speak_tls_if_it_is_trusted() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::secure();
        let launch = traced(Mode::Classic, protocol, &collector);
        let trusted = launch.dir().write("trusted.pem", TRUSTED).display().to_string();
        run(launch.env("SSL_CERT_FILE", &trusted), async |server| {
            server.send("GET", "/", &[("x-request-id", "secret")], "").await.ok();
            collector.of_request("secret", &["server", "php"]).await;
        });
    }
    // Nobody else has signed for it.
    let collector = Collector::secure();
    let launch = traced(Mode::Classic, "http/protobuf", &collector).config("otlp.timeout", "\"1s\"");
    let other = launch.dir().write("other.pem", STRANGER).display().to_string();
    run(launch.env("SSL_CERT_FILE", &other), async |server| {
        unharmed(server).await;
        server.wait_for_log("traces.lost").await;
        assert!(collector.connections() > 0 && collector.heads().is_empty(), "{:?}", collector.heads());
    });
}

#[test]
fn a_collector_that_hangs_delays_the_end_by_no_more_than_its_bound() {
    let collector = Collector::start(Manners::Hangs);
    let begun = std::cell::Cell::new(Instant::now());
    run(traced(Mode::Worker, "http/protobuf", &collector).config("otlp.timeout", "\"1m\""), async |server| {
        unharmed(server).await;
        until(Duration::from_secs(10), "a message is under way", || (!collector.heads().is_empty()).then_some(()))
            .await;
        unharmed(server).await;
        begun.set(Instant::now());
    });
    // Three seconds for the spans, the rest for a busy machine; one that waited would take a minute.
    assert!(begun.get().elapsed() < Duration::from_secs(15), "{:?}", begun.get().elapsed());
}

#[test]
fn what_is_left_is_sent_at_a_reload_and_at_the_end() {
    let collector = Collector::start(Manners::Good);
    let id_of = |span: &Span| span.attributes["supercharger.request_id"].as_str().unwrap_or_default().to_owned();
    run(traced(Mode::Worker, "grpc", &collector).keeps_descriptors(1), async |server| {
        let first = server.php_pid();
        server.send("GET", "/", &[("x-request-id", "before")], "").await.ok();
        server.signal("HUP");
        server.wait_for_log("server.reload").await;
        let spans = collector.of_request("before", &["server", "php"]).await;
        assert_eq!(spans["php"].resource["process.pid"], first, "{spans:#?}");
        server.send("GET", "/", &[("x-request-id", "last")], "").await.ok();
    });
    // The server has ended: nothing more can come.
    let last: Vec<_> = collector.spans().into_iter().filter(|span| id_of(span) == "last").collect();
    assert!(last.iter().any(|span| span.server) && last.iter().any(|span| span.name == "php"), "{last:#?}");
}
