//! The commands that talk to a running server: what they print, what they do and how they end.

use std::time::{Duration, Instant};

use crate::support::program::{self, Ended};
use crate::support::server::free_port;
use crate::support::{Launch, Mode, PrivateDir, Server, run};

/// A debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a command that asks this server.
fn ask(server: &Server, arguments: &[&str]) -> Ended {
    let address = server.admin().to_string();
    let mut line = arguments.to_vec();
    line.extend(["--admin", &address]);
    program::supercharger(server.dir(), &line, LIMIT)
}

/// An application that says its version, which it reads at its boot.
fn versioned() -> Launch {
    let dir = PrivateDir::new();
    dir.write("app/public/version.php", "<?php return 'one';\n");
    dir.write("app/public/index.php", VERSIONED);
    Launch::with_dir(dir, Mode::Worker).root("public").workers(2).admin()
}

const VERSIONED: &str = "<?php
$version = require __DIR__.'/version.php';
while (supercharger_handle_request(function () use ($version) { echo $version; })) {
}
";

#[test]
fn status_says_how_the_server_stands() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        server.get("/").await.ok();
        let mut connection = server.connect(crate::support::Protocol::Http1).await;
        let held = tokio::spawn(async move { connection.get("/hold?id=x").await });
        server.dir().wait_for_mark("holding-x").await;
        let ended = ask(server, &["status"]);
        ended
            .expect(0, &["generation 1: serving, ready", "1 busy, 1 idle", "GET /hold", &server.php_pid().to_string()]);
        let ended = ask(server, &["status", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(json["status"]["stage"], "serving", "{ended}");
        assert_eq!(json["workers"].as_array().map(Vec::len), Some(2), "{ended}");
        server.dir().mark("release-x");
        held.await.expect("an answer").ok();
    });
}

/// The incarnations of the slots, in order.
async fn lives(server: &Server) -> Vec<u64> {
    let workers = server.admin_json("/workers").await;
    let idle = workers["workers"].as_array().expect("a list").iter().filter(|worker| worker["state"] == "idle");
    let mut lives: Vec<_> = idle.map(|worker| (worker["slot"].as_u64(), worker["incarnation"].as_u64())).collect();
    lives.sort_unstable();
    lives.into_iter().filter_map(|(_, life)| life).collect()
}

#[test]
fn recycle_replaces_workers() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        assert_eq!(lives(server).await, [1, 1]);
        for (arguments, told, expected) in [
            (&["recycle", "--pool", "default", "--slot", "1"][..], "1 worker is replaced", [1, 2]),
            (&["recycle"], "2 workers are replaced", [2, 3]),
        ] {
            ask(server, arguments).expect(0, &[told]);
            let end = Instant::now() + LIMIT;
            while lives(server).await != expected {
                assert!(Instant::now() < end, "{arguments:?}: {:?} instead of {expected:?}", lives(server).await);
                server.get("/").await.ok();
            }
        }
        // A successor stands by before its predecessor has left.
        let series = "supercharger_recycle_total{pool=\"default\",reason=\"manual\"}";
        let end = Instant::now() + LIMIT;
        loop {
            let recycled = server.metric(series).await;
            if (recycled - 3.0).abs() < f64::EPSILON {
                break;
            }
            assert!(recycled < 3.0 && Instant::now() < end, "{recycled} were replaced");
        }
        let workers = server.admin_json("/workers").await;
        assert_eq!(workers["workers"][0]["last_recycle"], "manual", "{workers:#}");
        ask(server, &["recycle", "--pool", "shop"]).expect(1, &["no pool `shop`"]);
        ask(server, &["recycle", "--slot", "7"]).expect(1, &["no pool has a slot 7"]);
    });
}

#[test]
fn reload_waits_and_says_how_it_went() {
    run(versioned().expect_error("reload").expect_error("boot_failed").expect_error("oops"), async |server| {
        assert_eq!(server.get("/").await.ok().text(), "one");
        server.dir().write("app/public/version.php", "<?php return 'two';\n");
        ask(server, &["reload"]).expect(0, &["generation 2 serves"]);
        assert_eq!(server.get("/").await.ok().text(), "two");
        server.dir().write("app/public/version.php", "<?php throw new LogicException('oops, not yet');\n");
        ask(server, &["reload"]).expect(1, &["did not come up", "oops, not yet", "generation 2 goes on serving"]);
        assert_eq!(server.get("/").await.ok().text(), "two", "the old generation serves on");
        ask(server, &["status"]).expect(0, &["last reload (reload) failed", "oops, not yet", "generation 2: serving"]);
        server.dir().write("app/public/version.php", "<?php return 'three';\n");
        ask(server, &["reload"]).expect(0, &["serves, after"]);
        assert_eq!(server.get("/").await.ok().text(), "three");
    });
}

/// What an application says may be anything: it reaches the operator, but neither his terminal nor anybody with its password.
#[test]
fn what_php_says_of_a_failed_reload_steers_no_terminal_and_shows_no_password() {
    let launch = versioned().expect_error("reload").expect_error("boot_failed").expect_error("refused");
    run(launch, async |server| {
        let message =
            r"refused \x1b[2J\x1b]0;owned\x07 \u{9b}2J \u{202e} mysql://app:hush-4711@db/shop\ngeneration 9: serving";
        server.dir().write("app/public/version.php", &format!("<?php throw new LogicException(\"{message}\");\n"));
        let reload = ask(server, &["reload"]);
        reload.expect(1, &["did not come up", "refused \\u001b[2J", "mysql://db/shop"]);
        let status = ask(server, &["status"]);
        status.expect(0, &["failed", "refused \\u001b[2J", "mysql://db/shop\n    generation 9"]);
        let json = ask(server, &["status", "--json"]);
        json.expect(0, &["last_reload", "\\u009b2J"]);
        serde_json::from_str::<serde_json::Value>(&json.stdout).expect("still JSON");
        for output in [reload.output(), status.output(), json.output()] {
            let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!output.contains(steers) && !output.contains("hush"), "{output:?}");
        }
        let last = server.admin_json("/status").await["last_reload"].to_string();
        assert!(last.contains("mysql://db/shop") && !last.contains("hush"), "{last}");
    });
}

#[test]
fn drain_ends_the_server_once_it_is_done() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        let mut connection = server.connect(crate::support::Protocol::Http1).await;
        let held = tokio::spawn(async move { connection.get("/hold?id=x").await });
        server.dir().wait_for_mark("holding-x").await;
        ask(server, &["drain"]).expect(0, &["No new requests"]);
        server.wait_for_log("server.drain").await;
        let ready = server.ask_admin("GET", "/ready", &[]).await;
        ready.expect(503);
        assert_eq!(ready.json()["reason"], "the server drains");
        server.ask_admin("GET", "/healthz", &[]).await.ok();
        server.dir().mark("release-x");
        assert_eq!(held.await.expect("an answer").ok().text(), "held x", "what runs is finished");
        assert_eq!(server.wait_for_end(LIMIT).await.code(), Some(0));
    });
}

#[test]
fn without_a_server_there_is_a_sentence_and_a_code() {
    let dir = PrivateDir::new();
    let nobody = format!("127.0.0.1:{}", free_port());
    let socket = format!("unix:{}/nobody.sock", dir.path().display());
    for command in ["status", "recycle", "reload", "drain"] {
        for address in [&nobody, &socket] {
            let ended = program::supercharger(&dir, &[command, "--admin", address], LIMIT);
            ended.expect(1, &["no server answers", address, "--admin"]);
        }
        program::supercharger(&dir, &[command, "--admin", "nowhere"], LIMIT).expect(78, &["--admin", "nowhere"]);
        program::supercharger(&dir, &[command, "--nonsense"], LIMIT).expect(2, &["--nonsense"]);
        program::supercharger(&dir, &[command, "--help"], LIMIT).expect(0, &["Examples:", "Exit codes:"]);
    }
    dir.write("app/supercharger.toml", "admin.listen = \"off\"\n");
    program::supercharger(&dir, &["status"], LIMIT).expect(1, &["admin.listen is \"off\""]);
    // A fault elsewhere in the file is not this command's affair.
    dir.write("app/supercharger.toml", &format!("log.level = \"loud\"\nadmin.listen = \"{nobody}\"\n"));
    program::supercharger(&dir, &["status"], LIMIT).expect(1, &["no server answers", &nobody]);
    program::supercharger(&dir, &["status", "--config", "missing.toml"], LIMIT).expect(78, &["missing.toml"]);
}
