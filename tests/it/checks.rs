//! What an application depends on: readiness checks that an idle worker runs, and what `/ready` makes of them.

use std::time::Duration;

use serde_json::Value;

use crate::support::dir::checkout;
use crate::support::postgres::{PASSWORD, Postgres};
use crate::support::run::{block_on, run_within};
use crate::support::symfony::{self, Series};
use crate::support::{Answer, Connection, Launch, Mode, Protocol, Server, holds_within, run, until};

/// Results are renewed after this, so that no test has to wait for the five seconds of the default.
const TTL: Duration = Duration::from_millis(300);
/// How late a change may be seen: the time above, and as much as a busy machine needs to run a check and to answer.
const SEEN: Duration = Duration::from_secs(10);

/// A worker script that registers checks before its loop.
fn checked(boot: &str) -> Launch {
    let launch = Launch::plain(Mode::Worker).workers(2).script("public/own.php").admin();
    let code = format!(
        "<?php\nrequire __DIR__.'/../app.php';\nApp\\booted();\n\
         function note(string $line): void {{ file_put_contents(App\\test_dir().'/notes', \"$line\\n\", FILE_APPEND | LOCK_EX); }}\n\
         function marked(string $name): bool {{ clearstatcache(); return file_exists(App\\test_dir().\"/$name\"); }}\n\
         {boot}\nwhile (supercharger_handle_request(App\\dispatch(...))) {{ App\\terminate(); }}\n"
    );
    launch.dir().write("app/public/own.php", &code);
    launch.config("health.check_ttl", &format!("\"{}ms\"", TTL.as_millis()))
}

async fn ready(server: &Server) -> Answer {
    server.ask_admin("GET", "/ready", &[]).await
}

/// Asks until the server says so, as a load balancer does.
async fn until_ready(server: &Server, status: u16) -> Answer {
    let end = std::time::Instant::now() + SEEN;
    loop {
        let answer = ready(server).await;
        if answer.status() == status {
            return answer;
        }
        assert!(std::time::Instant::now() < end, "no {status} within {SEEN:?}: {answer}\n{}", answer.text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What is told of a check.
fn told(answer: &Answer, name: &str) -> Value {
    told_of(answer, name).unwrap_or_else(|| panic!("no check {name}: {:#}", answer.json()))
}

fn told_of(answer: &Answer, name: &str) -> Option<Value> {
    answer.json()["checks"].as_array().and_then(|checks| checks.iter().find(|check| check["name"] == name).cloned())
}

async fn alive(server: &Server) {
    let answer = server.ask_admin("GET", "/healthz", &[]).await;
    assert_eq!(answer.ok().json(), serde_json::json!({"status": "ok"}), "liveness asks nobody");
}

/// The whole way: a real database is stopped and started, whoever asks sees it, and nobody has to do anything about it.
#[test]
fn a_stopped_database_makes_the_server_not_ready_and_a_started_one_ready() {
    block_on(Duration::from_secs(100), async {
        let mut postgres = Postgres::start().await;
        let check = "supercharger_on_check(static function (): void {
                $db = new PDO(getenv('DB_DSN'), 'app', getenv('DB_PASSWORD'), [PDO::ATTR_TIMEOUT => 2]);
                if (1 !== $db->query('SELECT 1')->fetchColumn()) { throw new LogicException('no answer'); }
            }, 'database');
            supercharger_on_check(static fn () => is_writable(App\\test_dir()), 'folder');";
        let launch = checked(check).env("DB_DSN", &postgres.dsn()).env("DB_PASSWORD", PASSWORD);
        let server = launch.start().await;
        let answer = until_ready(&server, 200).await;
        assert_eq!(told(&answer, "database")["status"], "passed");
        assert_eq!(
            server.metric("supercharger_readiness_failures_total{check=\"database\",pool=\"default\"}").await,
            0.0
        );

        postgres.stop().await;
        let answer = until_ready(&server, 503).await;
        assert_eq!(answer.json()["reason"], "the check `database` fails");
        let database = told(&answer, "database");
        assert_eq!(database["status"], "failed");
        assert!(database["detail"].as_str().is_some_and(|text| text.contains("PDOException")), "{database}");
        assert_eq!(told(&answer, "folder")["status"], "passed", "the others are what they were");
        alive(&server).await;
        assert_eq!(server.get("/").await.ok().text(), "hello", "what does not need it is served");
        assert!(
            server.metric("supercharger_readiness_failures_total{check=\"database\",pool=\"default\"}").await >= 1.0
        );
        assert_eq!(server.metric("supercharger_readiness_check{check=\"database\",pool=\"default\"}").await, 0.0);
        assert_eq!(server.metric("supercharger_ready").await, 0.0);

        postgres.start_again().await;
        until_ready(&server, 200).await;
        alive(&server).await;
        // Twice, not once for each time that it was asked.
        let log = server.log();
        for event in ["\"check.failed\"", "\"check.passed\""] {
            assert_eq!(log.lines().filter(|line| line.contains(event)).count(), 1, "{event}:\n{log}");
        }
        server.finish().await;
    });
}

/// Whom the guard does not let pass learns nothing of them; whom it does, no secret.
#[test]
fn what_is_told_holds_no_secret_and_nothing_for_strangers() {
    let check = "supercharger_on_check(static function (): never {
            throw new RuntimeException('cannot connect to postgresql://app:s3cr3t-one@db.internal/app, '
                .'tried pgsql:host=db.internal;user=app;password=s3cr3t-two and token=s3cr3t-three');
        }, 'database');
        supercharger_on_check(static fn () => 'mysql://root:s3cr3t-four@10.0.0.9/app', 'other');";
    let launch =
        checked(check).config("guard.mode", "\"require_token\"").config("guard.token", "\"0123456789abcdef0123\"");
    run(launch, async |server| {
        let token = [("x-runtime-token", "0123456789abcdef0123")];
        let asked = async |headers: &[(&str, &str)], path: &str| server.ask_admin("GET", path, headers).await;
        until(SEEN, "both checks have run", || {
            let log = server.log();
            log.contains("check.failed").then_some(())
        })
        .await;
        let stranger = asked(&[], "/ready").await;
        stranger.expect(503);
        assert_eq!(stranger.json(), serde_json::json!({"status": "not_ready"}));
        let known = asked(&token, "/ready").await;
        known.expect(503);
        let (one, other) = (told(&known, "database"), told(&known, "other"));
        assert!(
            one["detail"].as_str().is_some_and(|text| text.starts_with("RuntimeException: cannot connect")),
            "{one}"
        );
        assert_eq!(other["status"], "passed");
        let everything = [known.text(), asked(&token, "/status").await.text(), asked(&token, "/metrics").await.text()];
        for text in everything.iter().chain([&stranger.text(), &server.log()]) {
            assert!(!text.contains("s3cr3t"), "{text}");
        }
        assert!(server.log().contains("db.internal"), "the log says what is wrong");
    });
}

/// A check that warns is shown, and changes nothing.
#[test]
fn a_check_that_is_not_required_warns() {
    let check = "supercharger_on_check(static fn (): bool => false, 'mail', false);
        supercharger_on_check(static fn (): string => '12 waiting', 'queue');";
    run(checked(check), async |server| {
        let answer = until_ready(server, 200).await;
        let mail = told(&answer, "mail");
        assert_eq!((&mail["status"], &mail["required"]), (&"failed".into(), &false.into()));
        assert_eq!(mail["detail"], "it returned false");
        assert_eq!(told(&answer, "queue")["detail"], "12 waiting");
        let status = server.admin_json("/status").await;
        assert_eq!(status["checks"][0]["name"], "mail", "{status:#}");
    });
}

/// No request waits for a check: while one runs, the other worker serves, and the result that was there stands.
#[test]
fn a_check_is_not_on_the_path_of_a_request() {
    let check = "supercharger_on_check(static function (): void {
            note('check'); if (marked('hold')) { App\\mark('holding'); App\\await('go'); }
        }, 'slow', true, 30.0);";
    run(checked(check), async |server| {
        until_ready(server, 200).await;
        server.dir().mark("hold");
        until(SEEN, "the check is at it", || server.dir().marked("holding").map(drop)).await;
        for _ in 0..20 {
            assert_eq!(server.get("/").await.ok().text(), "hello");
        }
        let answer = ready(server).await;
        assert_eq!(told(answer.ok(), "slow")["status"], "passed", "the last result stands");
        assert!(told(&answer, "slow")["running_ms"].as_u64().is_some(), "{}", answer.text());
        server.dir().mark("go");
    });
}

/// All workers are busy: the last result stands, good or bad, and its age is shown; as soon as one is free the check is run.
#[test]
fn a_busy_pool_keeps_its_last_result() {
    let check = "supercharger_on_check(static fn (): bool => !marked('down'), 'dependency');";
    run(checked(check).workers(1), async |server| {
        until_ready(server, 200).await;
        server.dir().mark("down");
        until_ready(server, 503).await;
        let path = server.script("App\\mark('busy'); App\\await('go'); echo 'served';");
        let address = server.address();
        let busy = tokio::spawn(async move { Connection::open(address, Protocol::Http1).await.get(&path).await });
        server.dir().wait_for_mark("busy").await;
        std::fs::remove_file(server.dir().marks().join("down")).expect("removed");
        // Long enough for the result to be older than ten times its time.
        let aged = async || told(&ready(server).await, "dependency")["age_ms"].as_u64().unwrap_or(0);
        let end = std::time::Instant::now() + SEEN;
        while u128::from(aged().await) < TTL.as_millis() * 10 {
            assert!(std::time::Instant::now() < end, "its age is shown");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ready(server).await.expect(503);
        server.dir().mark("go");
        assert_eq!(busy.await.expect("a request").ok().text(), "served");
        until_ready(server, 200).await;
    });
}

/// Nor is the check starved by clients that never pause, as long as a worker finds nobody waiting now and then.
#[test]
fn a_check_finds_its_moment_under_load() {
    let check = "supercharger_on_check(static fn (): bool => !marked('down'), 'dependency');";
    // A successor that stands by would be counted among what is left open.
    run(checked(check).workers(2).config("pools.default.recycle.max_requests", "0"), async |server| {
        until_ready(server, 200).await;
        let address = server.address();
        let load: Vec<_> = (0..2)
            .map(|_| {
                tokio::spawn(async move {
                    let mut connection = Connection::open(address, Protocol::Http1).await;
                    loop {
                        connection.get("/").await.ok();
                    }
                })
            })
            .collect();
        server.dir().mark("down");
        until_ready(server, 503).await;
        load.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

/// A check that hangs has failed when its time is over. Its worker is replaced, and so is a check that ends its script.
#[test]
fn a_check_that_hangs_costs_its_worker_and_has_failed() {
    let check = "supercharger_on_check(static function (): void {
            if (marked('hang')) { sleep(60); }
        }, 'hangs');
        supercharger_on_check(static function (): void { if (marked('exit')) { exit; } }, 'exits');";
    let launch = checked(check).config("health.check_timeout", "\"300ms\"").expect_error("worker.timeout");
    let launch = launch.expect_error("check_timeout").expect_error("reset_failed").expect_error("\"timeout\"");
    run(launch, async |server| {
        until_ready(server, 200).await;
        server.dir().mark("hang");
        let answer = until_ready(server, 503).await;
        let detail = told(&answer, "hangs")["detail"].clone();
        assert!(detail.as_str().is_some_and(|text| text.starts_with("no answer within 0.3")), "{detail}");
        let line: Value = serde_json::from_str(&server.wait_for_log("\"worker.timeout\"").await).expect("JSON");
        assert_eq!(line["what"], "check", "{line}");
        assert_eq!(server.get("/").await.ok().text(), "hello");
        std::fs::remove_file(server.dir().marks().join("hang")).expect("removed");
        until_ready(server, 200).await;
        server.dir().mark("exit");
        let answer = until_ready(server, 503).await;
        assert_eq!(told(&answer, "exits")["detail"], "exit was called");
        std::fs::remove_file(server.dir().marks().join("exit")).expect("removed");
        until_ready(server, 200).await;
    });
}

/// A check that nobody registers any more is over when the worker that follows has reached its loop: nothing could renew its result.
#[test]
fn what_is_registered_no_more_is_no_reason() {
    let check = "if (marked('has')) { supercharger_on_check(static fn (): bool => false, 'db'); }";
    let launch = checked(check).workers(1);
    launch.dir().mark("has");
    run(launch, async |server| {
        let failed = async || {
            let end = std::time::Instant::now() + SEEN;
            while told_of(&ready(server).await, "db").is_none_or(|check| check["status"] != "failed") {
                assert!(std::time::Instant::now() < end, "it fails");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        failed().await;
        std::fs::remove_file(server.dir().marks().join("has")).expect("removed");
        server.ask_admin("POST", "/workers/recycle", &[]).await.expect(202);
        let answer = until_ready(server, 200).await;
        assert_eq!(answer.json()["checks"], serde_json::json!([]));
    });
}

/// Each worker has a check of its own: each of them is renewed, whoever has waited for longest.
#[test]
fn checks_that_not_all_workers_have_are_renewed_too() {
    let check = "$mine = 'check '.supercharger_worker()['slot'];
        supercharger_on_check(static function () use ($mine): void { note($mine); }, $mine);";
    run(checked(check).workers(3), async |server| {
        // Once: each question wakes the keeper, and so hides what it would miss.
        until_ready(server, 200).await;
        let end = std::time::Instant::now() + SEEN;
        loop {
            let notes = server.dir().marked("notes").unwrap_or_default();
            let times: Vec<_> =
                (0..3).map(|slot| notes.lines().filter(|line| *line == format!("check {slot}")).count()).collect();
            if times.iter().all(|times| *times >= 10) {
                break;
            }
            assert!(std::time::Instant::now() < end, "how often each has run: {times:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

/// A check belongs to no request, and what it leaves behind is put back; what it throws is no fault of its worker.
#[test]
fn a_check_belongs_to_no_request() {
    let check = "supercharger_on_reset(static fn () => note('reset'), 'r');
        supercharger_on_check(static function (): void {
            note(json_encode([$_GET, $_POST, $_SERVER['REQUEST_URI'] ?? null, supercharger_request_id()]));
            $_GET['left'] = 'behind'; ini_set('precision', '3'); header('X-Left: behind'); echo 'printed by a check';
            throw new DomainException('as always');
        }, 'dirty', false);";
    run(checked(check).workers(1), async |server| {
        let path = server.script("echo json_encode([array_keys($_GET), ini_get('precision')]);");
        let before = server.get(&format!("{path}&a=1")).await;
        let notes = async |least: usize| {
            // Results are renewed while somebody asks.
            let end = std::time::Instant::now() + SEEN;
            while server.dir().lines("notes") < least {
                ready(server).await;
                assert!(std::time::Instant::now() < end, "{:?}", server.dir().marked("notes"));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        notes(server.dir().lines("notes") + 4).await;
        let lines = server.dir().marked("notes").unwrap_or_default();
        assert!(lines.lines().any(|line| line == "[[],[],null,\"\"]"), "{lines}");
        let all: Vec<_> = lines.lines().collect();
        let followed = all.windows(2).all(|pair| !pair[0].starts_with('[') || pair[1] == "reset");
        assert!(followed, "resetters follow a check: {lines}");
        let after = server.get(&format!("{path}&a=1")).await;
        assert_eq!(after.ok().text(), before.ok().text());
        assert_eq!(after.header("x-left"), None);
        assert_eq!(server.json("/worker").await["incarnation"], 1, "its worker goes on");
        server.wait_for_log("printed by a check").await;
    });
}

/// Once after the boot, then only while somebody asks.
#[test]
fn nobody_asks_and_nothing_is_checked() {
    let check = "supercharger_on_check(static fn () => note('check'), 'counted');";
    run(checked(check), async |server| {
        until(SEEN, "it has run once", || (server.dir().lines("notes") == 1).then_some(())).await;
        assert!(!holds_within(TTL * 4, || server.dir().lines("notes") > 1).await, "nobody has asked");
        ready(server).await.ok();
        until(SEEN, "it is run again, and goes on", || (server.dir().lines("notes") >= 4).then_some(())).await;
    });
}

/// A new generation goes by what the one before knew until it knows better: a reload is no reason to be not ready for a moment.
#[test]
fn a_reload_does_not_forget() {
    let check = "supercharger_on_check(static function (): void { if (marked('slow')) { usleep(400000); } }, 'slow');";
    run_within(Duration::from_secs(90), checked(check), async |server| {
        until_ready(server, 200).await;
        server.dir().mark("slow");
        let address = server.admin();
        let watch = tokio::spawn(async move {
            loop {
                let text = Connection::open(address, Protocol::Http1).await.get("/ready").await.text();
                // While one generation hands over to the other there may be nobody who serves; that is another matter.
                if text.contains("\"pending\"") || text.contains("the check") {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        for _ in 0..2 {
            server.ask_admin("POST", "/reload?wait=true", &[]).await.expect(200);
        }
        let ended = holds_within(Duration::from_millis(700), || watch.is_finished()).await;
        watch.abort();
        assert!(!ended, "{:?}", watch.await);
    });
}

/// A check that has never come to a result is no reason to send requests here.
#[test]
fn without_a_first_result_the_server_is_not_ready() {
    let check = "supercharger_on_check(static function (): void { App\\await('go'); }, 'first', true, 30.0);";
    run(checked(check), async |server| {
        let answer = ready(server).await;
        answer.expect(503);
        assert_eq!(answer.json()["reason"], "the check `first` has not come to a result yet");
        assert_eq!(told(&answer, "first")["status"], "pending");
        assert_eq!(server.ask_admin("GET", "/health/startup", &[]).await.status(), 200, "it has started");
        server.dir().mark("go");
        until_ready(server, 200).await;
    });
}

#[test]
fn arguments_are_checked_and_their_number_is_bounded() {
    let boot = "$said = [];
        foreach ([['', 0.0], [str_repeat('x', 101), 0.0], [\"a\\nb\", 0.0], ['x', -1.0], ['x', NAN], ['x', 3601.0]] as [$name, $time]) {
            try { supercharger_on_check(static fn () => null, $name, true, $time); $said[] = 'taken'; } catch (ValueError $e) { $said[] = 'refused'; }
        }
        for ($i = 0; $i < 100; ++$i) {
            try { supercharger_on_check(static fn () => null, 'check '.$i); } catch (RuntimeException $e) { note($i.' '.$e->getMessage()); break; }
        }
        supercharger_on_check(static fn () => null, 'check 7', false);
        note(json_encode($said));";
    run(checked(boot).workers(1), async |server| {
        let answer = until_ready(server, 200).await;
        assert_eq!(answer.json()["checks"].as_array().map(Vec::len), Some(64));
        assert_eq!(told(&answer, "check 7")["required"], false, "the later one");
        let notes = server.dir().marked("notes").unwrap_or_default();
        let refused = format!("[{}]", ["\"refused\""; 6].join(","));
        assert_eq!(notes, format!("64 64 are registered already; register each once, or under a name\n{refused}\n"));
    });
}

/// Where no script outlives its request there is nobody to run them.
#[test]
fn in_classic_mode_there_are_none() {
    run(Launch::plain(Mode::Classic).admin(), async |server| {
        let path =
            server.script("supercharger_on_check(static fn () => false, 'x'); supercharger_warmed(1); echo 'served';");
        assert_eq!(server.get(&path).await.ok().text(), "served");
        assert_eq!(ready(server).await.ok().json()["checks"], serde_json::json!([]));
    });
}

/// Requests wait for a warm-up as for the rest of the boot; how it went is told.
#[test]
fn a_warm_up_is_part_of_the_boot() {
    let boot = "App\\mark('warming'); App\\await('warm'); supercharger_warmed(3, 1, 12.5);";
    let launch = checked(boot).workers(1);
    let marks = launch.dir().marks();
    block_on(Duration::from_secs(60), async {
        let starting = tokio::spawn(launch.start());
        until(Duration::from_secs(30), "it warms up", || marks.join("warming").exists().then_some(())).await;
        assert!(!holds_within(Duration::from_millis(300), || starting.is_finished()).await, "ready before it is warm");
        std::fs::write(marks.join("warm"), "").expect("a mark");
        let server = starting.await.expect("it starts");
        let line: Value = serde_json::from_str(&server.wait_for_log("\"worker.warmup\"").await).expect("JSON");
        assert_eq!((&line["count"], &line["failed"], &line["ms"]), (&3.into(), &1.into(), &12.into()), "{line}");
        assert_eq!(server.metric("supercharger_warmup_failures_total{pool=\"default\"}").await, 1.0);
        let path = server.script("supercharger_warmed(9); echo 'later';");
        server.get(&path).await.ok();
        assert_eq!(server.log().matches("worker.warmup").count(), 1, "a request warms nothing up");
        server.finish().await;
    });
}

/// The demonstration application with the bundle, whose sources stand in for a vendor folder, a warmer, a check of its own and two by configuration.
fn symfony_with_the_bundle() -> Launch {
    let launch = symfony::launch(Series::V7_4, Mode::Worker).workers(2).admin();
    let dir = launch.dir();
    let package = checkout().join("php/src").display().to_string();
    let bundles = format!(
        "<?php\nspl_autoload_register(static function (string $class): void {{
            $file = '{package}/'.strtr(substr($class, 21), '\\\\', '/').'.php';
            if (str_starts_with($class, 'Supercharger\\\\Runtime\\\\') && is_file($file)) {{ require $file; }}
        }});
        return [
            Symfony\\Bundle\\FrameworkBundle\\FrameworkBundle::class => ['all' => true],
            Symfony\\Bundle\\TwigBundle\\TwigBundle::class => ['all' => true],
            Supercharger\\Runtime\\Bundle\\SuperchargerRuntimeBundle::class => ['all' => true],
        ];"
    );
    dir.write("app/config/bundles.php", &bundles);
    dir.write(
        "app/config/packages/runtime_supercharger.yaml",
        "runtime_supercharger:
    check:
        database: [{ of: checked.connection, name: database }]
        filesystem: ['%kernel.cache_dir%']
services:
    checked.connection:
        class: Doctrine\\DBAL\\Connection
        factory: ['Doctrine\\DBAL\\DriverManager', 'getConnection']
        arguments: [{ driver: pdo_pgsql, host: 127.0.0.1, port: '%env(int:DB_PORT)%', dbname: app, user: app, password: '%env(DB_PASSWORD)%' }]
",
    );
    dir.write(
        "app/src/Probe/Warm.php",
        "<?php
declare(strict_types=1);
namespace App\\Probe;
final class Warm implements \\Supercharger\\Runtime\\Warmup\\WarmerInterface
{
    public function warm(): void
    {
        file_put_contents(getenv('TEST_DIR').'/warm', supercharger_worker()['slot'].\"\\n\", FILE_APPEND | LOCK_EX);
        while (!file_exists(getenv('TEST_DIR').'/go')) { usleep(2000); clearstatcache(); }
        throw new \\LogicException('one that fails');
    }
}
",
    );
    dir.write(
        "app/src/Probe/Search.php",
        "<?php
declare(strict_types=1);
namespace App\\Probe;
#[\\Supercharger\\Runtime\\Check\\AsCheck(name: 'search', required: false)]
final class Search implements \\Supercharger\\Runtime\\Check\\CheckInterface
{
    public function check(): ?string { throw new \\RuntimeException('https://user:s3cr3t@search.internal/ does not answer'); }
}
",
    );
    launch.config("health.check_ttl", "\"300ms\"")
}

/// The same with Symfony: the bundle's settings name the database, the server is not ready before the warmers have run.
#[test]
fn the_bundle_warms_up_and_checks() {
    block_on(Duration::from_secs(110), async {
        let mut postgres = Postgres::start().await;
        let port = postgres.dsn().split("port=").nth(1).and_then(|rest| rest.split(';').next().map(str::to_owned));
        let launch = symfony_with_the_bundle().env("DB_PORT", &port.expect("a port")).env("DB_PASSWORD", PASSWORD);
        let marks = launch.dir().marks();
        let admin = launch.admin_address();
        let starting = tokio::spawn(launch.start());
        until(Duration::from_secs(30), "it warms up", || marks.join("warm").exists().then_some(())).await;
        let answer = Connection::open(admin, Protocol::Http1).await.get("/ready").await;
        assert_eq!((answer.status(), answer.json()["reason"].clone()), (503, "the first workers boot".into()));
        std::fs::write(marks.join("go"), "").expect("a mark");
        let server = starting.await.expect("it starts");
        let answer = until_ready(&server, 200).await;
        for (name, status) in [("database", "passed"), ("search", "failed")] {
            assert_eq!(told(&answer, name)["status"], status, "{name}");
        }
        let cache = answer.json()["checks"].as_array().expect("checks").iter().any(|check| {
            check["name"].as_str().is_some_and(|name| name.starts_with("filesystem.")) && check["status"] == "passed"
        });
        assert!(cache, "{}", answer.text());
        server.get("/").await.ok();
        assert_eq!(server.dir().lines("warm"), 2, "each worker once");
        let line: Value = serde_json::from_str(&server.wait_for_log("\"worker.warmup\"").await).expect("JSON");
        assert!(line["count"].as_u64() >= Some(3) && line["failed"] == 1, "router, Twig and its own: {line}");
        assert!(server.log().contains("Runtime warmer failed"));

        postgres.stop().await;
        let answer = until_ready(&server, 503).await;
        assert_eq!(answer.json()["reason"], "the check `database` fails");
        alive(&server).await;
        server.get("/").await.ok();
        postgres.start_again().await;
        until_ready(&server, 200).await;
        for text in [answer.text(), server.log(), server.ask_admin("GET", "/status", &[]).await.text()] {
            assert!(!text.contains(PASSWORD) && !text.contains("s3cr3t"), "{text}");
        }
        server.finish().await;
    });
}
