//! What a worker does for itself while nobody asks for anything: garbage collection and the application's idle callbacks.

use std::time::Duration;

use crate::support::{Connection, Launch, Mode, Protocol, Server, holds_within, run, until};

/// A worker script with code of its own before the loop. What it notes is read with [`notes`].
fn booted_with(boot: &str) -> Launch {
    let launch = Launch::plain(Mode::Worker).workers(1).script("public/own.php");
    let code = format!(
        "<?php\nrequire __DIR__.'/../app.php';\nApp\\booted();\n\
         function note(string $line): void {{ file_put_contents(App\\test_dir().'/notes', \"$line\\n\", FILE_APPEND); }}\n\
         {boot}\nwhile (supercharger_handle_request(App\\dispatch(...))) {{ App\\terminate(); }}\n"
    );
    launch.dir().write("app/public/own.php", &code);
    launch
}

fn count(server: &Server) -> usize {
    server.dir().lines("notes")
}

async fn noted(server: &Server, least: usize) -> Vec<String> {
    until(Duration::from_secs(10), &format!("there are {least} notes"), || {
        let text = server.dir().marked("notes").unwrap_or_default();
        (text.lines().count() >= least).then(|| text.lines().map(str::to_owned).collect())
    })
    .await
}

/// Cycles of `objects` objects, the last of which says when it is destroyed.
fn litter(objects: u32) -> String {
    format!(
        "if (!class_exists('Litter', false)) {{ class Litter {{
            public ?object $self = null; public string $weight = ''; public bool $tells = false;
            public function __destruct() {{ if ($this->tells) {{
                App\\mark('collected', json_encode([$_GET, $_SERVER['REQUEST_URI'] ?? null, supercharger_request_id()]));
                echo 'nobody hears this';
            }} }}
        }} }}
        for ($i = 1; $i <= {objects}; ++$i) {{
            $litter = new Litter; $litter->self = $litter; $litter->weight = str_repeat('x', 1000); $litter->tells = $i === {objects};
        }}
        unset($litter); echo gc_status()['roots'];"
    )
}

#[test]
fn garbage_is_collected_while_nobody_asks() {
    run(booted_with(""), async |server| {
        let path = server.script(&litter(5000));
        let roots: u32 = server.get(&path).await.ok().text().parse().expect("a number");
        assert!(roots >= 4999, "{roots} roots");
        // No request until it is done: only the worker itself can have done it.
        assert_eq!(server.dir().wait_for_mark("collected").await, "[[],null,\"\"]", "it belongs to no request");
        let seen = server.json("/worker").await;
        assert_eq!(seen["incarnation"], 1, "{seen}");
        assert!(seen["memory_bytes"].as_u64().is_some_and(|bytes| bytes < 4_000_000), "{seen}");
    });
}

/// The eyes of the test above see what is not collected.
#[test]
fn negative_control_a_little_garbage_is_left_alone() {
    run(booted_with(""), async |server| {
        server.get(&server.script(&litter(500))).await.ok();
        let collected = holds_within(Duration::from_millis(1500), || server.dir().marked("collected").is_some()).await;
        assert!(!collected, "500 roots are not worth a collection");
        for _ in 0..100 {
            server.get("/").await.ok();
        }
        server.dir().wait_for_mark("collected").await;
    });
}

#[test]
fn the_collection_can_be_switched_off_and_tuned() {
    run(booted_with("").config("pools.default.idle.collect_after", "\"0s\""), async |server| {
        server.get(&server.script(&litter(5000))).await.ok();
        let collected = holds_within(Duration::from_millis(1500), || server.dir().marked("collected").is_some()).await;
        assert!(!collected, "it is switched off");
    });
    run(booted_with("").config("pools.default.idle.collect_roots", "100"), async |server| {
        server.get(&server.script(&litter(500))).await.ok();
        server.dir().wait_for_mark("collected").await;
    });
}

#[test]
fn idle_callbacks_run_while_idle_and_never_while_busy() {
    run(booted_with("supercharger_on_idle(static fn () => note('tick'), 0.1, 'ping');"), async |server| {
        noted(server, 3).await;
        let (address, path) = (server.address(), server.script("App\\mark('busy'); App\\await('go'); echo 'served';"));
        let busy = tokio::spawn(async move { Connection::open(address, Protocol::Http1).await.get(&path).await });
        server.dir().wait_for_mark("busy").await;
        let before = count(server);
        assert!(!holds_within(Duration::from_millis(600), || count(server) > before).await, "a tick beside a request");
        server.dir().mark("go");
        assert_eq!(busy.await.expect("a request").ok().text(), "served");
        noted(server, before + 2).await;
    });
}

/// Nor does it take a request before they run in a worker that has replaced another one.
#[test]
fn idle_callbacks_run_in_a_successor_too() {
    let boot = "supercharger_on_idle(static fn () => note('tick '.supercharger_worker()['incarnation']), 0.1, 'ping');";
    run(booted_with(boot).admin(), async |server| {
        noted(server, 1).await;
        server.ask_admin("POST", "/workers/recycle", &[]).await.expect(202);
        until(Duration::from_secs(10), "the successor ticks", || {
            let text = server.dir().marked("notes").unwrap_or_default();
            (text.lines().filter(|line| *line == "tick 2").count() >= 3).then_some(())
        })
        .await;
    });
}

/// A callback is nobody's request, and what it leaves behind is put back.
#[test]
fn an_idle_callback_belongs_to_no_request() {
    let boot = "supercharger_on_reset(static fn () => note('reset'), 'r');
        supercharger_on_idle(static function () {
            note(json_encode([$_GET, $_POST, $_COOKIE, $_FILES, $_SERVER['REQUEST_URI'] ?? null, getenv('ORIGINAL'), supercharger_request_id()]));
            $_GET['left'] = 'behind'; ini_set('precision', '3'); putenv('ORIGINAL=changed'); chdir('/');
            header('X-Left: behind'); http_response_code(418); echo 'printed';
            set_error_handler(static fn () => true); ob_start();
            register_shutdown_function(static fn () => note('shutdown'));
        }, 86400, 'unused');
        supercharger_on_idle(static fn () => null, 3600, 'unused too');";
    let launch = booted_with(&boot.replace("86400", "0.5")).env("ORIGINAL", "outside");
    run(launch, async |server| {
        let path = server.script(
            "echo json_encode([array_keys($_GET), ini_get('precision'), getenv('ORIGINAL'), getcwd() === '/', ob_get_level()]);",
        );
        let before = server.get(&format!("{path}&a=1")).await;
        let first = noted(server, 4).await;
        let asked = "[[],[],[],[],null,\"outside\",\"\"]";
        assert_eq!(first[..4], ["reset", asked, "reset", "shutdown"], "after the request, and after the callback");
        let after = server.get(&format!("{path}&a=1")).await;
        assert_eq!(after.ok().text(), before.ok().text());
        assert_eq!(after.header("x-left"), None);
        // The cookie and the form of a request are gone as well.
        let form = [("content-type", "application/x-www-form-urlencoded"), ("cookie", "a=b")];
        server.send("POST", "/echo", &form, "nonce=1").await.ok();
        let seen = noted(server, count(server) + 3).await;
        assert!(seen.iter().filter(|line| line.starts_with('[')).all(|line| line == asked), "{seen:#?}");
        server.wait_for_log("printed").await;
    });
}

#[test]
fn a_request_that_comes_during_a_callback_is_served_after_it() {
    let boot = "supercharger_on_idle(static function () { App\\mark('ticking'); App\\await('go'); note('tick'); }, 86400.0, 'slow');";
    let boot = boot.replace("86400.0", "0.3");
    run(booted_with(&boot), async |server| {
        server.dir().wait_for_mark("ticking").await;
        let address = server.address();
        let asked = tokio::spawn(async move { Connection::open(address, Protocol::Http1).await.get("/").await });
        assert!(!holds_within(Duration::from_millis(200), || asked.is_finished()).await, "inside of a callback");
        server.dir().mark("go");
        assert_eq!(asked.await.expect("a request").ok().text(), "hello");
        noted(server, 1).await;
    });
}

#[test]
fn a_request_that_comes_during_a_callback_is_served_by_another_worker() {
    let boot = "supercharger_on_idle(static function () {
            if (supercharger_worker()['slot'] === 0) { App\\mark('ticking'); App\\await('go'); }
        }, 0.2, 'slow');";
    run(booted_with(boot).workers(2), async |server| {
        server.dir().wait_for_mark("ticking").await;
        for _ in 0..20 {
            assert_eq!(server.json("/worker").await["slot"], 1);
        }
        server.dir().mark("go");
    });
}

/// A worker whose callback fails is not trusted any more; the next one starts anew.
#[test]
fn a_callback_that_fails_costs_its_worker() {
    for (way, told) in [("throw new DomainException('no database');", "no database"), ("exit;", "exit was called")] {
        let boot = format!(
            "supercharger_on_idle(static function () {{ if (supercharger_worker()['incarnation'] === 1) {{ {way} }} note('tick'); }}, 0.2, 'db.ping');"
        );
        run(booted_with(&boot).expect_error("idle.error").expect_error("reset_failed"), async |server| {
            let line: serde_json::Value = serde_json::from_str(&server.wait_for_log("idle.error").await).expect("JSON");
            assert_eq!(line["callback"], "db.ping", "{line}");
            assert!(line["message"].as_str().is_some_and(|text| text.contains(told)), "{line}");
            let line = server.wait_for_log("\"worker.recycle\"").await;
            assert!(line.contains("\"reset_failed\""), "{line}");
            noted(server, 2).await;
            assert_eq!(server.json("/worker").await["incarnation"], 2);
        });
    }
}

#[test]
fn a_callback_may_ask_for_a_new_worker() {
    let boot = "supercharger_on_idle(static function () {
            if (supercharger_worker()['incarnation'] === 1) { supercharger_recycle(\"database\\ngone\"); }
        }, 0.2, 'db.ping');";
    run(booted_with(boot), async |server| {
        let line = server.wait_for_log("\"worker.recycle\"").await;
        assert!(line.contains("\"app_request\"") && line.contains("database gone"), "{line}");
        assert_eq!(server.json("/worker").await["incarnation"], 2);
    });
}
