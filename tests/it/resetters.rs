//! The boundary as the application sees it: its resetters, and the ways to go past them.

use std::time::Duration;

use crate::support::{Launch, Mode, Server, modes, run, until};

/// A worker script of its own: `boot` runs before the loop. What it notes is read with [`notes`].
fn booted_with(boot: &str) -> Launch {
    looping_with(&format!(
        "{boot}\nwhile (supercharger_handle_request(App\\dispatch(...))) {{\n    App\\terminate();\n}}"
    ))
}

/// A worker script with a loop of its own.
fn looping_with(code: &str) -> Launch {
    let launch = Launch::plain(Mode::Worker).workers(1).script("public/own.php");
    let head = "<?php\nrequire __DIR__.'/../app.php';\nApp\\booted();\n\
        function note(string $line): void { file_put_contents(App\\test_dir().'/notes', \"$line\\n\", FILE_APPEND); }\n";
    launch.dir().write("app/public/own.php", &format!("{head}{code}\n"));
    launch
}

async fn notes(server: &Server, count: usize) -> Vec<String> {
    until(Duration::from_secs(10), &format!("there are {count} notes"), || {
        let text = server.dir().marked("notes").unwrap_or_default();
        (text.lines().count() >= count).then(|| text.lines().map(str::to_owned).collect())
    })
    .await
}

async fn incarnation(server: &Server) -> u64 {
    server.json("/worker").await["incarnation"].as_u64().expect("a number")
}

/// The end of the first incarnation, as the log has it.
async fn recycled(server: &Server) -> String {
    server.wait_for_log("\"worker.recycle\"").await
}

#[test]
fn resetters_run_in_order_after_each_response() {
    let boot = "supercharger_on_reset(static function () {
            echo 'into nowhere';
            note('first '.($_GET['n'] ?? 'none').' '.(supercharger_request_id() === $_SERVER['HTTP_X_REQUEST_ID'] ? 'same' : 'other'));
        }, 'first');
        final class Second {
            public function __call(string $name, array $arguments) { note(\"second by $name\"); }
            public static function third() { note('third'); }
        }
        supercharger_on_reset([new Second, 'trampoline']);
        supercharger_on_reset('Second::third');";
    run(booted_with(boot), async |server| {
        for number in 1..=3 {
            let answer = server.get(&format!("/?n={number}")).await;
            assert_eq!(answer.ok().text(), "hello", "nothing of a resetter reaches a client");
        }
        let expected: Vec<_> = (1..=3)
            .flat_map(|n| [format!("first {n} same"), "second by trampoline".to_owned(), "third".to_owned()])
            .collect();
        assert_eq!(notes(server, 9).await, expected, "once for each request, none at boot");
    });
}

/// A service that is made by the first request that needs it stays, and with it what resets it.
#[test]
fn what_a_request_registers_stays_and_is_replaced_by_name() {
    run(booted_with("supercharger_on_reset(static fn () => note('boot'), 'boot');"), async |server| {
        server.dir().write("marks/named.php", "<?php namespace App; function named_resetter() { \\note('named'); }");
        let lazy = server.script(
            "require_once __DIR__.'/named.php'; $n = $_GET['n'];
            supercharger_on_reset(static fn () => note(\"lazy $n\"), 'lazy');
            supercharger_on_reset('App\\named_resetter');",
        );
        for number in 1..=2 {
            server.get(&format!("{lazy}&n={number}")).await.ok();
        }
        server.get("/").await.ok();
        let expected = ["boot", "lazy 1", "named", "boot", "lazy 2", "named", "boot", "lazy 2", "named"];
        assert_eq!(notes(server, 9).await, expected);
    });
}

#[test]
fn too_many_resetters_are_refused_where_they_are_registered() {
    run(booted_with(""), async |server| {
        let path = server.script(
            "try { for ($i = 1; $i <= 2000; ++$i) { supercharger_on_reset(static fn () => null); } } \
             catch (RuntimeException $e) { echo $i, ': ', $e->getMessage(); }",
        );
        let said = server.get(&path).await.ok().text();
        assert_eq!(said, "1025: 1024 are registered already; register each once, or under a name");
        assert_eq!(server.get("/").await.ok().text(), "hello");
    });
}

/// What one throws is told with its name, and the others have run all the same.
#[test]
fn a_failing_resetter_is_told_and_its_siblings_run() {
    let boot = "supercharger_on_reset(static fn () => note('before'), 'before');
        supercharger_on_reset(static function () { if (isset($_GET['fail'])) { throw new DomainException(\"bad\\nstate\"); } }, 'app.cache');
        supercharger_on_reset(static fn () => note('after'), 'after');";
    run(booted_with(boot).expect_error("reset.error").expect_error("reset_failed"), async |server| {
        server.get("/?fail=1").await.ok();
        assert_eq!(notes(server, 2).await, ["before", "after"]);
        let line: serde_json::Value = serde_json::from_str(&server.wait_for_log("reset.error").await).expect("JSON");
        assert_eq!(line["resetter"], "app.cache", "{line}");
        assert_eq!(line["class"], "DomainException", "{line}");
        assert!(
            line["message"].as_str().is_some_and(|text| text.starts_with("bad") && text.ends_with("state")),
            "{line}"
        );
        assert!(line["file"].as_str().is_some_and(|text| text.ends_with("own.php")), "{line}");
        assert!(line["request_id"].is_string(), "{line}");
        assert_eq!(incarnation(server).await, 2, "the next request is served by a new worker");
        let line = recycled(server).await;
        assert!(line.contains("\"reset_failed\"") && line.contains("app.cache"), "{line}");
    });
}

/// Whoever knows better may go on.
#[test]
fn a_failing_resetter_may_be_put_up_with() {
    let boot = "supercharger_on_reset(static fn () => throw new LogicException('known'), 'known');";
    let launch = booted_with(boot).config("pools.default.reset.on_error", "\"continue\"").expect_error("reset.error");
    run(launch.config("pools.default.recycle.max_consecutive_failures", "0"), async |server| {
        for _ in 0..10 {
            assert_eq!(incarnation(server).await, 1);
        }
        server.wait_for_log("reset.error").await;
    });
}

/// What the pool is told about memory is what PHP knows of it: after the reset, and at most during the request.
#[test]
fn the_pool_is_told_of_memory_in_use_and_at_its_peak() {
    run(booted_with("").admin(), async |server| {
        server.get("/").await.ok();
        let told = async |field: &str| {
            let workers = server.admin_json("/workers").await;
            let worker =
                workers["workers"].as_array().and_then(|all| all.first()).unwrap_or_else(|| panic!("{workers}"));
            worker[field].as_u64().unwrap_or_else(|| panic!("{workers}"))
        };
        let (memory, peak) = (told("memory_bytes").await, told("memory_peak_bytes").await);
        assert!(memory > 0 && memory <= peak, "{memory} {peak}");
        server.get(&server.script("$large = str_repeat('x', 20 << 20);")).await.ok();
        until_told(async || told("memory_peak_bytes").await >= peak + (19 << 20)).await;
        assert!(told("memory_bytes").await < memory + (5 << 20), "a peak is no leak");
        server.get(&server.script("$GLOBALS['leak'] = str_repeat('x', 20 << 20);")).await.ok();
        until_told(async || told("memory_bytes").await >= memory + (19 << 20)).await;
    });
}

async fn until_told(holds: impl AsyncFn() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(std::time::Instant::now() < end, "the pool is not told");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The wish is granted once the request is over, and the log has it in the application's words, on one line.
#[test]
fn an_application_may_ask_for_a_new_worker() {
    let ways = [
        ("supercharger_recycle();", "app_request"),
        ("supercharger_recycle(\"leaks\\n\\x1b[2Jmemory\"); supercharger_recycle('second');", "leaks  [2Jmemory"),
        ("header('X-Runtime-Supercharger-Recycle: 1');", "app_request"),
        ("header('x-runtime-recycle: true'); header('X-Runtime-Supercharger-Reason: cache');", "cache"),
        ("header('X-Runtime-Recycle: 1'); header('X-Runtime-Supercharger-Action: hardExit'); flush();", "app_request"),
    ];
    for (way, words) in ways {
        run(booted_with(""), async |server| {
            let answer = server.get(&server.script(&format!("{way} echo 'answered';"))).await;
            assert_eq!(answer.ok().text(), "answered", "{way}");
            for name in ["x-runtime-supercharger-recycle", "x-runtime-recycle", "x-runtime-supercharger-action"] {
                assert_eq!(answer.header(name), None, "{way}");
            }
            let line = recycled(server).await;
            assert!(line.contains("\"app_request\"") && line.contains(words), "{way}: {line}");
            assert_eq!(incarnation(server).await, 2, "{way}");
        });
    }
}

/// A thread of classic mode is a worker as well.
#[test]
fn a_classic_script_may_ask_for_a_new_thread() {
    run(Launch::plain(Mode::Classic).workers(1), async |server| {
        server.get(&server.script("supercharger_recycle('classic');")).await.ok();
        let line = recycled(server).await;
        assert!(line.contains("\"app_request\"") && line.contains("classic"), "{line}");
        assert_eq!(server.json("/worker").await["incarnation"], 2);
    });
}

/// `exit` and fatal errors cannot be held up: the incarnation ends, and the reason says where.
#[test]
fn a_resetter_that_ends_the_script_costs_its_worker() {
    for way in ["exit;", "exit(3);", "str_repeat('x', 1 << 40);", "ob_start(static function () { exit; });"] {
        let boot =
            format!("supercharger_on_reset(static function () {{ if (isset($_GET['go'])) {{ {way} }} }}, 'ends');");
        let launch =
            booted_with(&boot).expect_error("\"ends\"").expect_error("reset_failed").expect_error("Allowed memory");
        run(launch, async |server| {
            assert_eq!(server.get("/?go=1").await.ok().text(), "hello", "{way}");
            let line = recycled(server).await;
            assert!(line.contains("\"reset_failed\""), "{way}: {line}");
            assert_eq!(incarnation(server).await, 2, "{way}");
        });
    }
}

/// Ways past the boundary: each costs the worker, none lets another client in on what is left.
#[test]
fn a_script_that_goes_past_the_reset_is_replaced() {
    let fiber = "$fiber = new Fiber(static fn () => supercharger_handle_request(static function () {
            echo 'half';
            if (isset($_GET['go'])) { Fiber::suspend(); }
            echo ' whole';
        }));
        $fiber->start();";
    let ways = [
        ("asks while the handler is suspended", "supercharger_handle_request(static fn () => print 'second');"),
        (
            "asks in a loop that catches everything",
            "while (true) { try { supercharger_handle_request(static fn () => print 'second'); } catch (Throwable) {} }",
        ),
        (
            "drops the handler and asks",
            "unset($fiber); gc_collect_cycles(); supercharger_handle_request(static fn () => print 'second');",
        ),
        ("drops the handler and ends", "unset($fiber);"),
        ("ends", ""),
    ];
    for (name, way) in ways {
        let code = format!(
            "while (true) {{ {fiber} if ($fiber->isTerminated()) {{ if (!$fiber->getReturn()) {{ break; }} continue; }} {way} break; }}"
        );
        let launch =
            looping_with(&code).expect_error("reset_missing").expect_error("supercharger_handle_request() was called");
        run(launch, async |server| {
            assert_eq!(server.get("/").await.ok().text(), "half whole", "{name}: as long as nothing is suspended");
            let answer = server.get("/?go=1").await;
            answer.expect(500);
            assert!(!answer.text().contains("second"), "{name}: {answer}");
            let line = recycled(server).await;
            assert!(line.contains("\"reset_missing\""), "{name}: {line}");
            assert_eq!(server.get("/").await.ok().text(), "half whole", "{name}: a new worker serves");
        });
    }
}

/// A Fiber that comes back is no way past anything: event loops work like that.
#[test]
fn a_handler_may_be_suspended_and_resumed() {
    let code = "while (true) {
            $fiber = new Fiber(static fn () => supercharger_handle_request(static function () {
                Fiber::suspend();
                App\\dispatch();
            }));
            $fiber->start();
            while (!$fiber->isTerminated()) { $fiber->resume(); }
            if (!$fiber->getReturn()) { break; }
        }";
    run(looping_with(code), async |server| {
        for _ in 0..5 {
            assert_eq!(server.get("/").await.ok().text(), "hello");
        }
        assert_eq!(incarnation(server).await, 1);
    });
}

/// Asking from inside a reset is refused like asking from inside a handler.
#[test]
fn a_resetter_may_not_ask_for_a_request() {
    let boot = "supercharger_on_reset(static function () { if (isset($_GET['go'])) { supercharger_handle_request(static fn () => print 'inner'); } }, 'asks');";
    run(booted_with(boot).expect_error("reset.error").expect_error("reset_failed"), async |server| {
        server.get("/?go=1").await.ok();
        let line = server.wait_for_log("reset.error").await;
        assert!(line.contains("cannot be called while a request or the script ends"), "{line}");
        assert_eq!(server.get("/").await.ok().text(), "hello");
    });
}

modes!(the_functions_may_be_called_in_every_mode, async |server| {
    let path = server.script(
        "supercharger_on_reset(static fn () => null, 'a'); supercharger_on_idle(static fn () => null, 10.0, 'b'); echo 'done';",
    );
    assert_eq!(server.get(&path).await.ok().text(), "done");
});

// The fields by which an application speaks to its server are for the server alone.
modes!(recycle_fields_do_not_reach_the_client, async |server| {
    let hostile = "X-Runtime-Supercharger-Reason: \\x1b[2Jevil\\xff".to_owned() + &"y".repeat(5000);
    let path = server.script(&format!(
        "header('X-Runtime-Supercharger-Recycle: 0'); header('x-runtime-recycle: no'); header(\"{hostile}\");
        header('X-Runtime-Supercharger-Action: hardExit'); header('X-Runtime-Other: stays'); echo 'body';"
    ));
    let answer = server.get(&path).await;
    assert_eq!(answer.ok().text(), "body");
    assert_eq!(answer.header("x-runtime-other"), Some("stays"));
    for name in [
        "x-runtime-supercharger-recycle",
        "x-runtime-recycle",
        "x-runtime-supercharger-reason",
        "x-runtime-supercharger-action",
    ] {
        assert_eq!(answer.header(name), None, "{name}");
    }
});

/// One that stands for several tells what became of each.
#[test]
fn a_resetter_may_report_its_parts() {
    let boot = "supercharger_on_reset(static fn () => supercharger_reset_report(3, isset($_GET['fail'])
            ? ['part one' => new DomainException('first'), 'part two' => new LogicException('second'), 'none' => 'no throwable'] : []), 'parts');
        supercharger_on_reset(static fn () => note('after'), 'after');";
    let launch = booted_with(boot).expect_error("reset.error").expect_error("reset_failed").keeps_descriptors(2);
    let feed = launch.dir().path().join("feed.ndjson");
    let launch = launch.config("telemetry.events", &format!("{:?}", feed.display().to_string()));
    run(launch, async |server| {
        server.get("/").await.ok();
        server.get("/?fail=1").await.ok();
        assert_eq!(notes(server, 2).await, ["after", "after"]);
        assert_eq!(incarnation(server).await, 2, "a failed part is a failed reset");
        let reports = until(Duration::from_secs(10), "two reports", || {
            let text = std::fs::read_to_string(&feed).ok()?;
            let records = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let reports: Vec<_> = records.filter(|record| record["type"] == "runtime.reset").collect();
            (reports.len() >= 2).then_some(reports)
        })
        .await;
        let report = |number: usize| reports[number]["payload"]["resetReport"].clone();
        assert_eq!(report(0)["resetCount"], 4, "three parts and the other one");
        assert_eq!(report(0)["errorCount"], 0);
        assert_eq!(report(1)["resetCount"], 4);
        assert_eq!(report(1)["failed"], serde_json::json!(["part one", "part two"]));
        assert_eq!(report(1)["error"], serde_json::json!(["DomainException: first", "LogicException: second"]));
        for name in ["part one", "part two"] {
            server.wait_for_log(&format!("\"resetter\":\"{name}\"")).await;
        }
    });
}
