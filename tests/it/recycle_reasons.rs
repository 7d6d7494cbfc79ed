//! Every reason for which a worker is replaced, brought about from outside and seen in all three places: log, metric, `/workers`.

use std::time::{Duration, Instant};

use crate::support::program::signal;
use crate::support::run::run_within;
use crate::support::{Launch, Mode, PrivateDir, Server};

/// Long enough for a boot on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// One worker with its admin endpoints. `fatal` and its like are errors in the log; they are what is asked for.
fn launch() -> Launch {
    let expected = ["worker.recycle", "on purpose", "request.failed", "child.crash", "reset.error", "worker.timeout"];
    let launch = Launch::plain(Mode::Worker).workers(1).admin();
    expected.into_iter().fold(launch, Launch::expect_error)
}

async fn count(server: &Server, reason: &str) -> f64 {
    server.metric(&format!("supercharger_recycle_total{{pool=\"default\",reason=\"{reason}\"}}")).await
}

/// Why the worker before the present one was replaced, as `/workers` says.
async fn last(server: &Server) -> Vec<String> {
    let workers = server.admin_json("/workers").await;
    let workers = workers["workers"].as_array().expect("a list");
    workers.iter().map(|worker| worker["last_recycle"].as_str().unwrap_or("-").to_owned()).collect()
}

/// Waits until the reason is in all three places. `line` is what the log must say.
async fn is_seen(server: &Server, reason: &str, line: &str) {
    let end = Instant::now() + SOON;
    loop {
        let (count, last) = (count(server, reason).await, last(server).await);
        let logged = server.log().lines().any(|text| text.contains(line) && text.contains(reason));
        if count >= 1.0 && last.iter().any(|last| last == reason) && logged {
            return;
        }
        assert!(
            Instant::now() < end,
            "{reason}: {count} in the metric, {last:?} in /workers, in the log: {logged}\n{}",
            server.log()
        );
    }
}

/// Sends these scripts to the one worker, one after the other.
fn by_scripts(reason: &str, launch: Launch, scripts: &[&str]) {
    run_within(Duration::from_secs(90), launch, async |server| {
        let before = count(server, reason).await;
        // Where time alone is the reason it may have come already.
        assert!(before < 1.0 || scripts.is_empty(), "{reason} is there from the start, with 0");
        for script in scripts {
            server.get(&server.script(script)).await;
        }
        is_seen(server, reason, "\"worker.recycle\"").await;
        server.get("/").await.ok();
    });
}

#[test]
fn fatal() {
    by_scripts("fatal", launch(), &["trigger_error('on purpose', E_USER_ERROR);"]);
}

#[test]
fn exit() {
    by_scripts("exit", launch(), &["exit('on purpose');"]);
}

#[test]
fn app_request() {
    by_scripts("app_request", launch(), &["supercharger_recycle('on purpose'); echo 1;"]);
}

#[test]
fn reset_failed() {
    let fails = "supercharger_on_reset(static fn () => throw new Exception('on purpose'), 'clumsy'); echo 1;";
    by_scripts("reset_failed", launch(), &[fails]);
}

#[test]
fn opcache() {
    by_scripts("opcache", launch().ini("opcache.enable", "1"), &["opcache_reset(); echo 1;"]);
}

#[test]
fn manual() {
    run_within(Duration::from_secs(90), launch(), async |server| {
        server.ask_admin("POST", "/workers/recycle?pool=default&slot=0", &[]).await.expect(202);
        is_seen(server, "manual", "\"worker.recycle\"").await;
    });
}

#[test]
fn reload() {
    run_within(Duration::from_secs(90), launch(), async |server| {
        server.ask_admin("POST", "/reload?wait=true", &[]).await.ok();
        is_seen(server, "reload", "\"server.reload\"").await;
    });
}

#[test]
fn watch() {
    let dir = PrivateDir::with_app("plain");
    let launch = Launch::with_dir(dir, Mode::Worker).root("public").script("public/worker.php").workers(1).admin();
    run_within(Duration::from_secs(90), launch.argument("--watch"), async |server| {
        server.dir().write("app/novel.php", "<?php\n");
        is_seen(server, "watch", "\"server.reload\"").await;
    });
}

#[test]
fn crash() {
    run_within(Duration::from_secs(90), launch(), async |server| {
        signal(server.php_pid(), "KILL");
        is_seen(server, "crash", "child.crash").await;
        server.get("/").await.ok();
    });
}

/// With limits of the default pool.
fn limited(limits: &[(&str, &str)]) -> Launch {
    limits.iter().fold(launch(), |launch, (key, value)| launch.config(&format!("pools.default.recycle.{key}"), value))
}

/// Keeps 24 MiB for as long as the worker lives.
const LEAK: &str = "if (!class_exists('Kept', false)) { eval('final class Kept { public static array $all = []; }'); }
    Kept::$all[] = str_repeat('x', 24 << 20); echo 'kept';";

#[test]
fn max_requests() {
    by_scripts("max_requests", limited(&[("max_requests", "2"), ("jitter", "0")]), &["echo 1;", "echo 2;", "echo 3;"]);
}

#[test]
fn mem_limit() {
    by_scripts("mem_limit", limited(&[("max_memory", "\"16MiB\"")]), &[LEAK]);
}

#[test]
fn mem_soft() {
    by_scripts("mem_soft", limited(&[("soft_memory", "\"16MiB\"")]), &[LEAK]);
}

#[test]
fn mem_emergency() {
    by_scripts("mem_emergency", limited(&[("max_memory", "0"), ("emergency_memory", "\"16MiB\"")]), &[LEAK]);
}

#[test]
fn mem_growth() {
    let scripts = ["echo 1;", "echo 2;", "echo 3;", "echo 4;", "echo 5;", LEAK];
    by_scripts("mem_growth", limited(&[("memory_growth", "\"16MiB\"")]), &scripts);
}

#[test]
fn max_uptime() {
    by_scripts("max_uptime", limited(&[("max_uptime", "\"2s\"")]), &[]);
}

#[test]
fn max_idle() {
    by_scripts("max_idle", limited(&[("max_idle", "\"2s\"")]), &["echo 1;"]);
}

#[test]
fn slow_request() {
    by_scripts("slow_request", limited(&[("max_request_duration", "\"50ms\"")]), &["usleep(120_000);"]);
}

#[test]
fn consecutive_failures() {
    let fails = "throw new Exception('on purpose');";
    by_scripts("consecutive_failures", limited(&[("max_consecutive_failures", "2")]), &[fails, fails]);
}

/// A script that goes past the reset: it asks for the next request while its handler is suspended.
#[test]
fn reset_missing() {
    let launch = launch().script("public/own.php").expect_error("supercharger_handle_request() was called");
    launch.dir().write(
        "app/public/own.php",
        "<?php
        while (true) {
            $fiber = new Fiber(static fn () => supercharger_handle_request(static function () {
                echo 'half';
                if (isset($_GET['go'])) { Fiber::suspend(); }
            }));
            $fiber->start();
            if ($fiber->isTerminated() && $fiber->getReturn()) { continue; }
            break;
        }
        ",
    );
    run_within(Duration::from_secs(90), launch, async |server| {
        server.get("/?go=1").await.expect(500);
        is_seen(server, "reset_missing", "\"worker.recycle\"").await;
        server.get("/").await.ok();
    });
}

#[test]
fn timeout() {
    let launch = launch().config("pools.default.request_timeout", "\"700ms\"").expect_error("Time is up");
    by_scripts("timeout", launch, &["sleep(600);"]);
}

/// The slot of a worker that was not needed any more says so when it is needed again.
#[test]
fn scale_down() {
    let launch =
        launch().workers(2).config("pools.default.min", "1").config("pools.default.aggressive_scale_down", "\"200ms\"");
    run_within(Duration::from_secs(90), launch, async |server| {
        let end = Instant::now() + SOON;
        while count(server, "scale_down").await < 1.0 {
            assert!(Instant::now() < end, "nobody was sent away\n{}", server.log());
        }
        let mut holders = Vec::new();
        for id in ["a", "b"] {
            let mut holder = server.raw().await;
            holder.get(&format!("/hold?id={id}")).await;
            server.dir().wait_for_mark(&format!("holding-{id}")).await;
            holders.push(holder);
        }
        is_seen(server, "scale_down", "\"worker.recycle\"").await;
        for (id, mut holder) in ["a", "b"].into_iter().zip(holders) {
            server.dir().mark(&format!("release-{id}"));
            assert!(holder.response().await.ends_with(&format!("held {id}")));
        }
    });
}

/// Nobody takes the place of a worker while the server ends, and that it has left is worth a line to those only who want every detail.
#[test]
fn shutdown() {
    run_within(Duration::from_secs(90), launch().workers(2).config("log.level", "\"debug\""), async |server| {
        // The response has left, so only the pool waits for that worker.
        let path = server.script("supercharger_finish_request(); \\App\\mark('after'); while (!file_exists(getenv('TEST_DIR').'/go')) { usleep(5000); }");
        server.get(&path).await.ok();
        server.dir().wait_for_mark("after").await;
        server.signal("TERM");
        is_seen(server, "shutdown", "\"worker.recycle\"").await;
        server.dir().mark("go");
        assert_eq!(server.wait_for_end(SOON).await.code(), Some(0));
    });
}

/// A process that is replaced because too many of its threads are stuck.
#[test]
fn too_many_stuck_threads() {
    let launch = launch()
        .config("pools.default.request_timeout", "\"500ms\"")
        .config("pools.default.stuck_grace", "\"100ms\"")
        .config("process.max_stuck", "0")
        .config("server.drain_timeout", "\"1s\"")
        .expect_error("Time is up")
        .expect_error("\"worker.stuck\"")
        .expect_error("child.");
    run_within(Duration::from_secs(90), launch, async |server| {
        let before = server.php_pid();
        let path = server.script("password_hash('x', PASSWORD_BCRYPT, ['cost' => 20]);");
        server.get(&path).await.expect(504);
        assert!(server.wait_for_log("\"child.replace\"").await.contains("\"reason\":\"max_stuck\""));
        let end = Instant::now() + SOON * 2;
        while server.children().contains(&before) {
            assert!(Instant::now() < end, "children {:?}\n{}", server.children(), server.log());
            server.get("/").await.ok();
        }
        // The parent may show the one that has ended for a moment longer.
        while last(server).await != ["timeout"] {
            assert!(Instant::now() < end, "{:?}", last(server).await);
        }
        assert_eq!(server.admin_json("/status").await["processes"][0]["because"], "timeout");
        assert!(count(server, "timeout").await >= 1.0);
    });
}
