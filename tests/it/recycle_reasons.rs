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
