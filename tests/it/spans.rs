//! Spans of the application: what a script and a Symfony application add to the trace of a request, and that it costs nothing where nobody wants it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::package::class;
use crate::support::collector::{Collector, Manners, Span};
use crate::support::run::run_within;
use crate::support::symfony::{Package, Series, leaking, with_package};
use crate::support::{Launch, Mode, Server, run, series, until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn traced(mode: Mode, collector: &Collector) -> Launch {
    Launch::plain(mode).config("otlp.endpoint", &format!("{:?}", collector.endpoint())).keeps_descriptors(1)
}

async fn send(server: &Server, path: &str, id: &str) -> Value {
    server.send("GET", path, &[("x-request-id", id)], "").await.ok().json()
}

/// The spans of a request with this name, once there are so many.
async fn named(collector: &Collector, id: &str, name: &str, count: usize) -> Vec<Span> {
    until(Duration::from_secs(20), &format!("{count} spans {name} of {id}"), || {
        let of_it = |span: &Span| span.attributes["supercharger.request_id"] == id && span.name == name;
        let spans: Vec<_> = collector.spans().into_iter().filter(of_it).collect();
        (spans.len() >= count).then_some(spans)
    })
    .await
}

/// An outer span with one within, one behind that, and one that nobody ends.
const NESTED: &str = "$outer = supercharger_span_start('outer', ['text' => 'höhe', 'whole' => 7, 'broken' => 1.5, 'truth' => true]);
$parents = [supercharger_traceparent()];
$inner = supercharger_span_start('inner', [], 'client');
$parents[] = supercharger_traceparent();
usleep(5000);
$ended = [supercharger_span_end($inner, 'DomainException', ['rows' => 3]), supercharger_span_end($inner), supercharger_span_end(0)];
$behind = supercharger_span_start('behind');
$ended[] = supercharger_span_end($behind);
supercharger_span_end($outer);
supercharger_span_start('open');
echo json_encode(['parents' => $parents, 'ended' => $ended, 'php' => $_SERVER['HTTP_TRACEPARENT'], 'last' => $outer]);";

fn nested(mode: Mode) {
    let collector = Collector::start(Manners::Good);
    run(traced(mode, &collector), async |server| {
        let script = server.script(NESTED);
        let answer = send(server, &script, "nested").await;
        assert_eq!(answer["ended"], json!([true, false, false, true]), "{answer}");
        let spans = collector.of_request("nested", &["server", "php", "outer", "inner", "behind", "open"]).await;
        let (php, outer, inner) = (&spans["php"], &spans["outer"], &spans["inner"]);
        assert_eq!((&outer.parent, &spans["open"].parent), (&php.id, &php.id), "{spans:#?}");
        assert_eq!((&inner.parent, &spans["behind"].parent), (&outer.id, &outer.id), "{spans:#?}");
        let trace = &spans["server"].trace;
        let context = |span: &Span| format!("00-{trace}-{}-03", span.id);
        assert_eq!(answer["parents"], json!([context(outer), context(inner)]));
        assert_eq!(answer["php"], context(php));
        for (name, span) in &spans {
            assert!(span.trace == *trace && span.start <= span.end, "{name}: {span:#?}");
            assert_eq!((span.kind == 3, span.failed), (name == "inner", name == "inner"), "{name}: {span:#?}");
        }
        for child in [outer, inner, &spans["behind"], &spans["open"]] {
            assert!(php.start <= child.start && child.end <= php.end, "{child:#?} in {php:#?}");
        }
        assert!(inner.end - inner.start >= 5_000_000 && outer.start <= inner.start && inner.end <= outer.end);
        assert_eq!(spans["open"].end, php.end, "what is left open ends with its request");
        let said = |span: &Span, name: &str| span.attributes.get(name).cloned().unwrap_or_default();
        assert_eq!((said(outer, "text"), said(outer, "whole")), (json!("höhe"), json!(7)), "{outer:#?}");
        assert_eq!(said(outer, "truth"), true);
        assert!(said(outer, "broken").to_string().contains("1.5"), "{outer:#?}");
        assert_eq!((said(inner, "rows"), said(inner, "error.type")), (json!(3), json!("DomainException")));
        // The next request has none of it, and cannot end what is over.
        let script = server.script(&format!(
            "echo json_encode([supercharger_span_end({}), supercharger_traceparent() === $_SERVER['HTTP_TRACEPARENT']]);",
            answer["last"]
        ));
        assert_eq!(send(server, &script, "next").await, json!([false, true]));
        let spans = collector.of_request("next", &["server", "php"]).await;
        assert!(
            spans.keys().all(|name| ["server", "queue", "php", "terminate", "reset"].contains(&&**name)),
            "{spans:#?}"
        );
    });
}

#[test]
fn a_script_adds_spans_of_its_own_in_worker_mode() {
    nested(Mode::Worker);
}

#[test]
fn a_script_adds_spans_of_its_own_in_classic_mode() {
    nested(Mode::Classic);
}

/// What would be too much, too long or of no use costs nothing but itself.
#[test]
fn what_a_script_says_is_bounded() {
    let collector = Collector::start(Manners::Good);
    run(traced(Mode::Worker, &collector), async |server| {
        let script = server.script(
            "$own = new class { public function __toString(): string { throw new LogicException('asked'); } };
            $many = []; for ($i = 0; $i < 100; $i++) { $many[\"k$i\"] = $i; }
            $told = [supercharger_span_start(str_repeat('n', 100000), ['large' => str_repeat('x', 5_000_000)] + $many),
                supercharger_span_start(\"bad\\xff\\0name\", ['' => 1, 5 => 2, 'o' => $own, 'a' => [1], 'n' => null, \"k\\xff\" => \"v\\xff\", 'supercharger.request_id' => 'forged'])];
            $kinds = 0;
            foreach (['server', '', 'Client'] as $kind) { try { supercharger_span_start('x', [], $kind); } catch (ValueError) { $kinds++; } }
            for ($i = 0; $i < 300; $i++) { $told[] = $id = supercharger_span_start('one'); supercharger_span_end($id, ''); }
            echo json_encode(['told' => count(array_filter($told)), 'kinds' => $kinds]);",
        );
        assert_eq!(send(server, &script, "many").await, json!({"told": 256, "kinds": 3}));
        let one = named(&collector, "many", "one", 254).await;
        assert_eq!((one.len(), &one[0].attributes["error.type"]), (254, &json!("_OTHER")));
        let spans = collector.of_request("many", &["php"]).await;
        assert_eq!(spans["php"].attributes["supercharger.dropped_spans"], 46, "{:#?}", spans["php"]);
        let (_, long) = spans.iter().find(|(name, _)| name.starts_with('n')).expect("the one with a long name");
        assert_eq!((long.name.len(), long.attributes.len()), (256, 17), "{long:#?}");
        assert!(long.attributes["large"].as_str().is_some_and(|text| text.len() == 4096));
        let (_, bad) = spans.iter().find(|(name, _)| name.starts_with("bad")).expect("the one with a strange name");
        assert_eq!(bad.attributes.keys().collect::<Vec<_>>(), ["k\u{fffd}", "supercharger.request_id"], "{bad:#?}");
        assert_eq!(bad.attributes["supercharger.request_id"], "many");
    });
}

/// The statement that hung stands in the trace of the request that was cut off.
#[test]
fn what_hung_is_told_when_its_request_is_cut_off() {
    let collector = Collector::start(Manners::Good);
    let launch = traced(Mode::Worker, &collector)
        .workers(1)
        .config("pools.default.request_timeout", "\"1s\"")
        .expect_error("\"worker.timeout\"")
        .expect_error("\"reason\":\"timeout\"")
        .expect_error("Time is up");
    run(launch, async |server| {
        let script = server.script("supercharger_span_start('hung', [], 'client'); sleep(50);");
        let answer = server.send("GET", &script, &[("x-request-id", "cut")], "").await;
        assert_eq!(answer.status(), 504);
        let spans = collector.of_request("cut", &["php", "hung"]).await;
        let (php, hung) = (&spans["php"], &spans["hung"]);
        assert_eq!((&hung.parent, hung.end), (&php.id, php.end), "{spans:#?}");
        assert!(hung.end - hung.start >= 500_000_000, "{hung:#?}");
    });
}

const ASKED: &str = "echo json_encode([supercharger_tracing(), supercharger_span_start('work'), supercharger_span_end(1), supercharger_traceparent(), supercharger_sampled()]);";

#[test]
fn where_nobody_wants_spans_there_are_none() {
    let collector = Collector::start(Manners::Good);
    run(traced(Mode::Worker, &collector).config("otlp.sample", "0.0"), async |server| {
        let script = server.script(ASKED);
        let parent = format!("00-{TRACE}-{SPAN}-00");
        let answer = server.send("GET", &script, &[("traceparent", &parent)], "").await.ok().json();
        assert_eq!((&answer[0], &answer[1], &answer[2]), (&json!(true), &json!(0), &json!(false)), "{answer}");
        assert_eq!(answer[4], false, "{answer}");
        // The trace goes on all the same, with the flag that says no.
        let context = answer[3].as_str().unwrap_or_default();
        assert!(context.starts_with(&format!("00-{TRACE}-")) && context.ends_with("-00"), "{answer}");
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let headers = [("traceparent", &*parent), ("x-request-id", "yes")];
        let answer = server.send("GET", &script, &headers, "").await.ok().json();
        assert_eq!(answer[4], true, "{answer}");
        collector.of_request("yes", &["php", "work"]).await;
        assert_eq!(collector.spans().iter().filter(|span| span.name == "work").count(), 1);
    });
    run(Launch::plain(Mode::Worker), async |server| {
        let script = server.script(ASKED);
        assert_eq!(server.json(&script).await, json!([false, 0, false, "", false]));
    });
}

/// A reset is no part of a request: what a resetter asks the database is nobody's span.
#[test]
fn a_reset_has_no_spans_of_the_application() {
    let collector = Collector::start(Manners::Good);
    run(traced(Mode::Worker, &collector).workers(1), async |server| {
        let script = server.script(
            "supercharger_on_reset(static function (): void { supercharger_span_end(supercharger_span_start('resetting')); }, 'spans');
            register_shutdown_function(static function (): void { supercharger_span_end(supercharger_span_start('shutdown')); });
            echo 1;",
        );
        send(server, &script, "reset").await;
        let spans = collector.of_request("reset", &["php", "reset", "shutdown"]).await;
        assert!(!spans.contains_key("resetting"), "{spans:#?}");
    });
}

const SERVICES: &str = "services:
    app.traced:
        class: Doctrine\\DBAL\\Connection
        factory: ['App\\Controller\\TracedController', 'connect']
        arguments: ['@Supercharger\\Runtime\\Trace\\Doctrine\\SpanMiddleware', '%kernel.project_dir%/var/traced.db']
    App\\Controller\\TracedController:
        arguments: ['@app.traced', '@http_kernel']
        tags: ['controller.service_arguments']
";

const TRACED: &str = "use Doctrine\\DBAL\\Configuration;
use Doctrine\\DBAL\\Connection;
use Doctrine\\DBAL\\DriverManager;
use Doctrine\\DBAL\\Driver\\Middleware;
use Symfony\\Component\\HttpKernel\\HttpKernelInterface;

final readonly class TracedController
{
    public function __construct(private Connection $connection, private HttpKernelInterface $kernel)
    {
    }

    public static function connect(Middleware $middleware, string $path): Connection
    {
        $configuration = (new Configuration())->setMiddlewares([$middleware]);

        return DriverManager::getConnection(['driver' => 'pdo_sqlite', 'path' => $path], $configuration);
    }

    #[Route('/traced')]
    public function page(): JsonResponse
    {
        $this->connection->executeStatement('CREATE TABLE IF NOT EXISTS item (name TEXT)');
        $this->connection->executeStatement('INSERT INTO item VALUES (?)', ['hidden-bound']);
        try {
            $this->connection->fetchOne(\"SELECT 'hidden-literal' FROM nowhere WHERE id = 4711\");
        } catch (\\Doctrine\\DBAL\\Exception) {
        }
        $part = $this->kernel->handle(Request::create('/part'), HttpKernelInterface::SUB_REQUEST);

        return new JsonResponse(json_decode((string) $part->getContent()));
    }

    #[Route('/part')]
    public function part(): JsonResponse
    {
        return new JsonResponse($this->connection->fetchOne('SELECT count(*) FROM item WHERE name = :name', ['name' => 'hidden-bound']));
    }

    #[Route('/thrown')]
    public function thrown(): never
    {
        throw new \\DomainException('hidden-message');
    }
}";

fn symfony(series: Series, collector: &Collector) -> Launch {
    let launch = with_package(series, Mode::Worker).workers(1).keeps_descriptors(9);
    launch.dir().write("app/config/services_prod.yaml", SERVICES);
    class(&launch, "TracedController", TRACED);
    launch.config("otlp.endpoint", &format!("{:?}", collector.endpoint()))
}

const LIMIT: Duration = Duration::from_secs(120);

mod controllers_and_statements_have_spans {
    use super::*;

    fn with(series: Series) {
        let collector = Collector::start(Manners::Good);
        run_within(LIMIT, symfony(series, &collector).expect_error("hidden-message"), async |server| {
            assert_eq!(send(server, "/traced", "page").await, 1);
            let own = "App\\Controller\\TracedController::";
            let (page, part) = (format!("{own}page"), format!("{own}part"));
            let spans = collector.of_request("page", &["php", &page, &part, "CREATE", "INSERT"]).await;
            let (php, page, part) = (&spans["php"], &spans[&page], &spans[&part]);
            assert_eq!((&page.parent, &part.parent), (&php.id, &page.id), "{spans:#?}");
            assert_eq!(page.attributes["code.function.name"], page.name.as_str());
            for name in ["CREATE", "INSERT"] {
                assert_eq!((&spans[name].parent, spans[name].kind), (&page.id, 3), "{name}: {spans:#?}");
                assert_eq!(spans[name].attributes["db.system.name"], "sqlite", "{spans:#?}");
                assert_eq!(spans[name].attributes["db.operation.name"], name, "{spans:#?}");
            }
            assert_eq!(spans["INSERT"].attributes["db.query.text"], "INSERT INTO item VALUES (?)");
            let selects = named(&collector, "page", "SELECT", 2).await;
            let failed = selects.iter().find(|span| span.failed).expect("the statement that failed");
            assert_eq!((&failed.parent, &*failed.name), (&page.id, "SELECT"));
            assert_eq!(failed.attributes["db.query.text"], "SELECT ? FROM nowhere WHERE id = ?");
            assert!(
                failed.attributes["error.type"].as_str().is_some_and(|class| class.contains("Exception")),
                "{failed:#?}"
            );
            let counted = selects.iter().find(|span| !span.failed).expect("the one that counted");
            assert_eq!(counted.parent, part.id, "{selects:#?}");

            server.send("GET", "/thrown", &[("x-request-id", "thrown")], "").await.expect(500);
            let thrown = format!("{own}thrown");
            let spans = collector.of_request("thrown", &["php", &thrown]).await;
            assert_eq!(spans[&thrown].attributes["error.type"], "DomainException", "{spans:#?}");
            let all = format!("{:?}", collector.spans());
            assert!(!all.contains("hidden") && !all.contains("4711"), "data in {all}");
        });
    }

    series!(with: v6_4, v8_1);
}

const ASKS: &str = "<?php

declare(strict_types=1);

namespace App\\Leak;

use Symfony\\Component\\HttpFoundation\\Request;
use Symfony\\Component\\HttpFoundation\\Response;
use Symfony\\Component\\Routing\\Attribute\\Route;
use Symfony\\Contracts\\HttpClient\\HttpClientInterface;

#[Route('/asks')]
final readonly class Asks
{
    public function __construct(private HttpClientInterface $client)
    {
    }

    public function __invoke(Request $request): Response
    {
        return new Response($this->client->request('GET', 'http://127.0.0.1:'.$request->query->getInt('port').'/')->getContent());
    }
}
";

/// Answers one request with its own head.
async fn echo_once(listener: TcpListener) {
    let (mut socket, _) = listener.accept().await.expect("somebody who asks");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("a whole head"));
    }
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", head.len());
    socket.write_all(&[answer.as_bytes(), &head].concat()).await.expect("somebody who listens");
}

/// HttpClient with its own transport: a server that is asked over a socket is told of the trace, and what is asked is part of the controller.
#[test]
fn a_server_that_httpclient_asks_learns_of_the_trace() {
    let collector = Collector::start(Manners::Good);
    let launch = leaking(Series::V7_4, Package::Required).workers(1).keeps_descriptors(9);
    let launch = launch.config("otlp.endpoint", &format!("{:?}", collector.endpoint()));
    launch.dir().write("app/src/Leak/Asks.php", ASKS);
    let settings = launch.dir().path().join("app/config/packages/framework.yaml");
    let text = std::fs::read_to_string(&settings).expect("settings");
    launch.dir().write(
        "app/config/packages/framework.yaml",
        &text.replace("mock_response_factory: App\\EchoedHeaders", "enabled: true"),
    );
    run_within(LIMIT, launch, async |server| {
        for (id, flag) in [("asks", "01"), ("silent", "00")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let path = format!("/asks?port={}", listener.local_addr().expect("an address").port());
            let asked = tokio::spawn(echo_once(listener));
            let headers = [("traceparent", &*format!("00-{TRACE}-{SPAN}-{flag}")), ("x-request-id", id)];
            let seen = server.send("GET", &path, &headers, "").await.ok().text();
            asked.await.expect("it was asked");
            let told: Vec<_> = seen.lines().filter_map(|line| line.split_once(": ")).collect();
            let told = told.iter().find(|(name, _)| name.eq_ignore_ascii_case("traceparent"));
            let told = told.unwrap_or_else(|| panic!("no traceparent in {seen}")).1.to_owned();
            assert!(told.starts_with(&format!("00-{TRACE}-")) && !told.contains(SPAN), "{told}");
            if flag == "01" {
                let name = "App\\Leak\\Asks::__invoke";
                let spans = collector.of_request(id, &["php", name]).await;
                assert!(told.contains(&spans[name].id), "{told} in {spans:#?}");
            }
        }
    });
}

/// Switched off in the application, and with a server that traces nothing, the same pages have none.
#[test]
fn controllers_and_statements_have_no_spans_where_nobody_wants_them() {
    let collector = Collector::start(Manners::Good);
    let launch = symfony(Series::V7_4, &collector);
    launch.dir().write(
        "app/config/packages/runtime_supercharger.yaml",
        "runtime_supercharger:\n    trace: { controller: false, doctrine: false, http_client: false }\n",
    );
    let services =
        SERVICES.replace("['@Supercharger\\Runtime\\Trace\\Doctrine\\SpanMiddleware'", "['@app.own_middleware'");
    let own = "    app.own_middleware:\n        class: App\\Doctrine\\SqliteMiddleware\n";
    launch.dir().write("app/config/services_prod.yaml", &format!("{services}{own}"));
    run_within(LIMIT, launch, async |server| {
        assert_eq!(send(server, "/traced", "quiet").await, 1);
        let spans = collector.of_request("quiet", &["server", "php", "reset"]).await;
        assert!(
            spans.keys().all(|name| ["server", "queue", "php", "terminate", "reset"].contains(&&**name)),
            "{spans:#?}"
        );
    });
    let launch = symfony(Series::V7_4, &collector).env("SUPERCHARGER__OTLP__ENDPOINT", "off");
    let before = collector.connections();
    run_within(LIMIT, launch, async |server| {
        assert_eq!(send(server, "/traced", "off").await, 1);
    });
    assert_eq!(collector.connections(), before);
}

/// What earlier requests have left in a worker, for the panel of the profiler.
#[test]
fn a_worker_says_what_was_found_in_it() {
    let launch = Launch::plain(Mode::Worker).workers(1).config("pools.default.reset.drift", "\"report\"");
    run(launch, async |server| {
        let script = server.script(
            "$found = supercharger_drift_found();
            supercharger_route('/left');
            supercharger_drift('transaction', 'default', 'left open');
            echo json_encode($found);",
        );
        assert_eq!(send(server, &script, "first").await, json!({"every": 1, "found": []}));
        let found = send(server, &script, "second").await;
        let told = json!({"kind": "app", "why": "told_by_application", "what": "transaction: default", "file": "", "line": 0,
            "detail": "left open", "route": "/left", "request_id": "first", "leaks": true});
        assert_eq!(found["found"], json!([told]), "{found}");
        let found = send(server, &script, "third").await;
        assert_eq!(found["found"].as_array().map(Vec::len), Some(1), "each once: {found}");
    });
    let launch = Launch::plain(Mode::Worker).config("pools.default.reset.drift", "\"off\"");
    run(launch, async |server| {
        let script = server.script("supercharger_drift('a', 'b'); echo json_encode(supercharger_drift_found());");
        for _ in 0..2 {
            assert_eq!(server.json(&script).await, json!({"every": 0, "found": []}));
        }
    });
}
