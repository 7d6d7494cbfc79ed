//! The parent process and its children as an operator sees them.

use std::time::{Duration, Instant};

use crate::support::program::{self, signal};
use crate::support::{Launch, Mode, PrivateDir, holds_within, modes, run, until};

const SOON: Duration = Duration::from_secs(20);

modes!(a_child_does_not_outlive_its_parent, |launch| launch.expect_error("child.orphaned"), async |server| {
    let child = server.php_pid();
    let mut request = server.raw().await;
    request.get("/hold?id=orphan").await;
    server.dir().wait_for_mark("holding-orphan").await;
    server.signal("KILL");
    server.wait_for_end(SOON).await;
    // What runs may finish.
    server.wait_for_log("child.orphaned").await;
    server.dir().mark("release-orphan");
    assert!(request.response().await.ends_with("held orphan"));
    until(SOON, "the child ends", || (!std::path::Path::new(&format!("/proc/{child}")).exists()).then_some(())).await;
});

modes!(signals_to_a_child_are_its_parents_affair, async |server| {
    let child = server.php_pid();
    for name in ["INT", "TERM"] {
        // Ctrl-C reaches the whole process group, a service manager the whole control group.
        signal(child, name);
        server.get("/").await.ok();
    }
    assert_eq!(server.php_pid(), child);
});

// Neither a mark nor a descriptor: what PHP starts must not take itself for a child of the server.
modes!(php_sees_nothing_of_its_parent, async |server| {
    let script = server.script(
        "header('Content-Type: text/plain'); echo implode(' ', array_keys(getenv())), '|', shell_exec('env; ls -l /proc/self/fd');",
    );
    let seen = server.get(&script).await.ok().text();
    for word in ["supervised", "LISTEN_", "socket:[", "supercharger-board"] {
        assert!(!seen.contains(word), "{word}: {seen}");
    }
});

#[test]
fn the_mark_of_a_child_is_for_nobody_else() {
    let dir = PrivateDir::with_app("plain");
    let ended = program::supercharger(&dir, &["--supervised-child", "php-server", "--root", "public"], SOON);
    ended.expect(2, &["--supervised-child"]);
}

#[test]
fn logs_are_reopened_by_sigusr1() {
    run(Launch::plain(Mode::Worker), async |server| {
        server.signal("USR1");
        server.wait_for_log("log.reopen").await;
        server.get("/").await.ok();
    });
}

/// A child that has grown beyond the ceiling is replaced in order: nobody notices.
#[test]
fn a_child_that_is_too_large_is_replaced() {
    let launch = Launch::plain(Mode::Worker)
        .config("process.max_rss", "\"600MiB\"")
        // Else the worker itself is replaced, and its memory with it.
        .config("pools.default.recycle.max_memory", "\"0\"")
        .config("pools.default.recycle.max_requests", "0")
        .ini("memory_limit", "2G")
        .workers(1);
    run(launch, async |server| {
        let pid = server.php_pid();
        let leak = server.script("static $kept = ''; class Kept { public static string $bytes = ''; } Kept::$bytes = str_repeat('x', 700 << 20);");
        server.get(&leak).await.ok();
        let load = crate::support::steady::Load::start(server.address(), "/pid", 2, true);
        let line = server.wait_for_log("\"child.replace\"").await;
        assert!(line.contains("\"reason\":\"max_rss\"") && line.contains("600 MiB"), "{line}");
        until(SOON, "it is replaced", || server.children().first().copied().filter(|child| *child != pid)).await;
        let outcomes = load.finish();
        let failed: Vec<_> = outcomes.iter().filter(|outcome| !matches!(outcome.result, Ok((200, _)))).collect();
        assert!(failed.is_empty(), "{} of {}: {:?}", failed.len(), outcomes.len(), failed[0]);
        assert_ne!(server.get("/pid").await.ok().text(), pid.to_string());
    });
}

/// As process 1 of a container it is the parent of whoever has lost its own.
#[test]
fn as_process_1_it_leaves_no_zombie() {
    let dir = PrivateDir::with_app("plain");
    let port = crate::support::server::free_port();
    // In a name space of its own the server is process 1: what PHP starts and does not wait for becomes its child.
    let mut command = program::command("unshare", &dir);
    command.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(program::executable()).args([
        "php-server",
        "--listen",
        &format!("127.0.0.1:{port}"),
        "--root",
        "public",
    ]);
    command.args(["--worker", "public/worker.php,2"]);
    let log = dir.path().join("server.log");
    let file = std::fs::File::create(&log).expect("a file");
    command.stdout(file.try_clone().expect("a handle")).stderr(file);
    let mut unshare = command.spawn().expect("unshare starts");
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    crate::support::run::block_on(Duration::from_secs(60), async {
        until(SOON, "the server is ready", || {
            assert!(unshare.try_wait().expect("wait").is_none(), "unshare ended: {}", said());
            said().contains("server.ready").then_some(())
        })
        .await;
        let first = program::children(unshare.id())[0];
        dir.write(
            "marks/script-900.php",
            "<?php shell_exec('(sleep 0.2; exit 3) >/dev/null 2>&1 & (sleep 0.2) >/dev/null 2>&1 &'); echo getmypid();",
        );
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let (status, ..) = crate::support::steady::exchange(&mut stream, "/script?s=900", false).expect("an answer");
        assert_eq!(status, 200);
        // Orphans have come to process 1 and are gone again; its one child is the one that serves.
        until(SOON, "orphans have been adopted", || (program::children(first).len() > 1).then_some(())).await;
        until(SOON, "and have been waited for", || (all_children(first) == 1).then_some(())).await;
        program::signal(first, "TERM");
        let status = until(SOON, "it ends", || unshare.try_wait().expect("wait")).await;
        assert_eq!(status.code(), Some(0), "{}", said());
    });
}

/// The children of a process, zombies included.
fn all_children(parent: u32) -> usize {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter(|stat| {
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok()) == Some(parent)
        })
        .count()
}

/// A child is too large, and is killed for it by the system while its successor boots: there is one successor and no second.
#[test]
fn who_dies_while_its_successor_boots_gets_no_second_one() {
    let dir = PrivateDir::new();
    let script = "<?php class Kept { public static string $bytes = ''; } $folder = getenv('TEST_DIR'); \
        if (!@mkdir($folder.'/first')) { touch($folder.'/second'); while (!file_exists($folder.'/go')) { usleep(2000); } } \
        while (supercharger_handle_request(static function () { \
        if ($_SERVER['REQUEST_URI'] === '/grow') { Kept::$bytes = str_repeat('x', 700 << 20); } echo 'ok'; })) {}";
    dir.write("app/public/worker.php", script);
    let launch = Launch::with_dir(dir, Mode::Worker)
        .root("public")
        .script("public/worker.php")
        .workers(1)
        .config("process.max_rss", "\"600MiB\"")
        .ini("memory_limit", "2G")
        .expect_error("child.crash");
    run(launch, async |server| {
        let pid = server.php_pid();
        server.get("/grow").await.ok();
        until(SOON, "the successor boots", || server.dir().marked("second")).await;
        program::signal(pid, "KILL");
        server.wait_for_log("\"child.crash\"").await;
        server.dir().mark("go");
        assert_eq!(server.get("/").await.ok().text(), "ok");
        assert!(!holds_within(Duration::from_secs(2), || server.children().len() > 1).await, "one too many");
    });
}

/// A child whose process lives and whose thread for orders does not answer.
#[test]
fn a_child_that_does_not_answer_is_not_ready_and_is_replaced() {
    let launch = Launch::plain(Mode::Worker)
        .admin()
        .config("process.unresponsive", "\"8s\"")
        .config("server.drain_timeout", "\"0s\"");
    run(launch, async |server| {
        let pid = server.php_pid();
        server.ask_admin("GET", "/ready", &[]).await.ok();
        signal(pid, "STOP");
        let limit = Instant::now() + SOON;
        loop {
            let ready = server.ask_admin("GET", "/ready", &[]).await;
            if ready.status() == 503 {
                assert_eq!(ready.json()["reason"], "no process answers");
                break;
            }
            assert!(Instant::now() < limit, "/ready counts on a process that does not answer");
        }
        let line = server.wait_for_log("\"child.replace\"").await;
        assert!(line.contains("\"reason\":\"unresponsive\"") && line.contains("is 8 s"), "{line}");
        until(SOON * 2, "only the new one is left", || {
            matches!(server.children()[..], [only] if only != pid).then_some(())
        })
        .await;
        assert_ne!(server.get("/pid").await.ok().text(), pid.to_string());
        assert_eq!(server.admin_json("/ready").await["status"], "ready");
        assert_eq!(server.admin_json("/status").await["processes"][0]["because"], "crash");
    });
}

/// A machine that sleeps, a container that is paused: nobody could answer, and nobody has waited.
#[test]
fn a_suspended_server_goes_on_with_its_children() {
    let launch = Launch::plain(Mode::Worker).admin().config("process.unresponsive", "\"2s\"");
    run(launch, async |server| {
        let pid = server.php_pid();
        for process in [pid, server.pid()] {
            signal(process, "STOP");
        }
        // Longer than the limit.
        tokio::time::sleep(Duration::from_secs(4)).await;
        for process in [server.pid(), pid] {
            signal(process, "CONT");
        }
        // It has answered questions that were put to it since.
        let limit = Instant::now() + SOON;
        while server.admin_json("/status").await["processes"][0]["stale"] != false {
            assert!(Instant::now() < limit, "it does not answer");
        }
        assert_eq!(server.php_pid(), pid);
        assert!(!server.log().contains("child.replace"), "{}", server.log());
    });
}
