//! `--watch`: new code is served without a failed request, a mistake is shown and the old code serves on, and what is no code does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::run::run_within;
use crate::support::{Launch, Mode, PrivateDir, Protocol, Server, holds_within, run};

/// Until new code serves: silence, boot and take-over, in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(30);
/// In which a reload would have begun that must not: many times the silence after which a burst is over.
const QUIET: Duration = Duration::from_millis(1500);
const BROWSER: [(&str, &str); 1] = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];

const WORKER: &str = "<?php
$version = require dirname(__DIR__).'/src/version.php';
while (supercharger_handle_request(function () use ($version) { echo $version; })) {
}
";

/// A project with a worker whose answer is in another file.
fn project() -> PrivateDir {
    let dir = PrivateDir::new();
    version(&dir, "one");
    dir.write("app/public/index.php", WORKER);
    for folder in ["var/cache", "vendor/acme", "node_modules/x", "config", "templates"] {
        std::fs::create_dir_all(dir.app().join(folder)).expect("a folder");
    }
    dir
}

fn launch(dir: PrivateDir) -> Launch {
    Launch::with_dir(dir, Mode::Worker).root("public").workers(2).admin()
}

fn watched() -> Launch {
    launch(project()).argument("--watch")
}

fn version(dir: &PrivateDir, name: &str) {
    dir.write("app/src/version.php", &format!("<?php return '{name}';\n"));
}

/// Waits until this is what is served.
async fn serves(server: &Server, expected: &str) {
    let end = Instant::now() + SOON;
    loop {
        let text = server.get("/").await.ok().text();
        if text == expected {
            return;
        }
        assert!(Instant::now() < end, "{text:?} is served instead of {expected:?}:\n{}", server.log());
    }
}

fn changes(server: &Server) -> usize {
    server.log().matches("\"watch.change\"").count()
}

/// Asks all the time, and panics at the end if one answer was no 200.
async fn under_load(server: &Server, work: impl AsyncFnOnce()) {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (address, stop) = (server.address(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut answers = 0;
                while !stop.load(Ordering::Relaxed) {
                    let mut connection = crate::support::Connection::open(address, Protocol::Http1).await;
                    connection.get("/").await.ok();
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    work().await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.expect("no answer failed") > 0);
    }
}

#[test]
fn changed_code_is_served_without_a_failed_request() {
    run_within(Duration::from_secs(120), watched(), async |server| {
        under_load(server, async || {
            serves(server, "one").await;
            for name in ["two", "three", "four"] {
                version(server.dir(), name);
                serves(server, name).await;
            }
        })
        .await;
        let line = server.wait_for_log("\"watch.change\"").await;
        assert!(line.contains("src/version.php"), "the log names the file: {line}");
        let workers = server.admin_json("/status").await;
        assert_eq!(workers["last_reload"]["reason"], "watch", "{workers:#}");
    });
}

#[test]
fn a_mistake_is_shown_in_the_browser_until_it_is_put_right() {
    let launch = watched().expect_error("syntax error").expect_error("reload").expect_error("boot_failed");
    run_within(Duration::from_secs(120), launch, async |server| {
        server.dir().write("app/src/version.php", "<?php return 'two'\n  <b>;\n");
        let end = Instant::now() + SOON;
        let page = loop {
            let answer = server.send("GET", "/", &BROWSER, "").await;
            if answer.status() != 200 {
                break answer;
            }
            assert!(Instant::now() < end, "the mistake is not shown");
        };
        page.expect(500);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        for word in ["syntax error", "version.php", "--watch"] {
            assert!(page.text().contains(word), "{word} in {page}");
        }
        assert!(!page.text().contains("<b>"), "PHP's words are text: {page}");
        // Whoever does not look at a page gets the old code's answer.
        assert_eq!(server.get("/").await.ok().text(), "one");
        assert_eq!(server.send("POST", "/", &BROWSER, "").await.ok().text(), "one");
        version(server.dir(), "three");
        serves(server, "three").await;
        assert_eq!(server.send("GET", "/", &BROWSER, "").await.ok().text(), "three");
    });
}

#[test]
fn what_is_no_code_does_nothing() {
    run(watched(), async |server| {
        serves(server, "one").await;
        let quiet = [
            "app/var/cache/container.php",
            "app/vendor/acme/Library.php",
            "app/node_modules/x/index.php",
            "app/public/app.js",
            "app/src/.#version.php",
            "app/src/version.php~",
            "app/.git/hooks/hook.php",
        ];
        for file in quiet {
            server.dir().write(file, "<?php\n");
        }
        // Nothing is to happen: that can only be waited for.
        assert!(!holds_within(QUIET, || changes(server) > 0).await, "{}", server.log());
        // The same wait sees a file that counts.
        server.dir().write("app/config/services.yaml", "a: 1\n");
        assert!(holds_within(SOON, || changes(server) == 1).await, "{}", server.log());
    });
}

/// A checkout of thousands of files is one change; and what lies in folders that are new is seen from then on.
#[test]
fn a_burst_is_one_reload() {
    run_within(Duration::from_secs(120), watched(), async |server| {
        let folder = server.dir().app().join("incoming");
        for number in 0..2000 {
            server.dir().write(&format!("incoming/{}/{number}.php", number % 40), "<?php\n");
        }
        assert!(std::fs::rename(server.dir().path().join("incoming"), &folder).is_ok());
        for number in 0..500 {
            server.dir().write(&format!("app/src/many/{}/{number}.php", number % 20), "<?php\n");
        }
        assert!(holds_within(SOON, || changes(server) == 1).await, "{}", server.log());
        let line = server.wait_for_log("\"watch.change\"").await;
        let count: u64 =
            serde_json::from_str::<serde_json::Value>(&line).expect("JSON")["count"].as_u64().expect("a count");
        assert!((2500..2600).contains(&count), "{line}");
        let end = Instant::now() + SOON;
        while server.admin_json("/status").await["generation"] != 2 {
            assert!(Instant::now() < end, "no new generation");
        }
        assert!(!holds_within(QUIET, || changes(server) > 1).await, "{}", server.log());
        assert_eq!(server.admin_json("/status").await["reloads"]["ok"], 1);
        server.dir().write("app/incoming/7/new/deep.php", "<?php\n");
        assert!(holds_within(SOON, || changes(server) == 2).await, "{}", server.log());
        server.dir().write("app/incoming/7/new/deep.php", "<?php // changed\n");
        assert!(holds_within(SOON, || changes(server) == 3).await, "{}", server.log());
    });
}

/// Editors write beside a file and rename; some delete it first.
#[test]
fn files_that_are_replaced_are_seen() {
    run_within(Duration::from_secs(120), watched(), async |server| {
        let replace = |name: &str| {
            let new = server.dir().write("app/src/.version.tmp", &format!("<?php return '{name}';\n"));
            std::fs::rename(new, server.dir().app().join("src/version.php")).expect("renamed");
        };
        for name in ["two", "three"] {
            replace(name);
            serves(server, name).await;
        }
        std::fs::remove_file(server.dir().app().join("src/version.php")).expect("removed");
        version(server.dir(), "four");
        serves(server, "four").await;
    });
}

#[test]
fn files_are_looked_at_where_the_kernel_says_nothing() {
    run_within(Duration::from_secs(120), watched().argument("--watch-poll=50ms"), async |server| {
        assert!(server.wait_for_log("\"watch.start\"").await.contains("\"polling\":true"));
        for name in ["two", "six"] {
            version(server.dir(), name);
            serves(server, name).await;
        }
    });
}

/// The limit of the kernel is one of a user namespace, so a test can have its own.
#[test]
fn a_kernel_without_room_is_named_and_files_are_looked_at() {
    let can = std::process::Command::new("unshare")
        .args(["-Ur", "sh", "-c", "echo 2 > /proc/sys/user/max_inotify_watches"])
        .status()
        .is_ok_and(|status| status.success());
    if !can {
        eprintln!("skipped: no user namespaces here");
        return;
    }
    let limited = ["unshare", "-Ur", "sh", "-c", "echo 2 > /proc/sys/user/max_inotify_watches; exec \"$@\"", "sh"];
    run_within(Duration::from_secs(120), watched().wrapped(&limited), async |server| {
        let line = server.wait_for_log("\"watch.polling\"").await;
        assert!(line.contains("fs.inotify.max_user_watches"), "{line}");
        version(server.dir(), "two");
        serves(server, "two").await;
    });
}

#[test]
fn globs_say_what_counts() {
    let launch = launch(project()).argument("--watch=src/**/*.php").argument("--watch=!src/Legacy/**");
    run(launch, async |server| {
        server.dir().write("app/config/services.yaml", "a: 1\n");
        server.dir().write("app/src/Legacy/Old.php", "<?php\n");
        assert!(!holds_within(QUIET, || changes(server) > 0).await, "{}", server.log());
        version(server.dir(), "two");
        serves(server, "two").await;
        assert_eq!(changes(server), 1);
    });
}

/// The configuration file counts, and what it says is obeyed.
#[test]
fn a_changed_configuration_is_loaded() {
    run(watched(), async |server| {
        let file = server.dir().path().join("supercharger.toml");
        let text = std::fs::read_to_string(&file).expect("the configuration");
        std::fs::write(&file, format!("{text}server.server_header = false\n")).expect("written");
        let end = Instant::now() + SOON;
        while server.get("/").await.header("server").is_some() {
            assert!(Instant::now() < end, "the new configuration is not in force:\n{}", server.log());
        }
    });
}

/// Nobody watches in production.
#[test]
fn run_does_not_watch() {
    let dir = project();
    let config = dir.write("app/supercharger.toml", "watch.enabled = true\napp.worker = \"public/index.php\"\n");
    let line = ["run", "--config", &config.display().to_string()];
    let ended = crate::support::program::supercharger(&dir, &line, Duration::from_secs(20));
    ended.expect(78, &["watch.enabled", "no place in production"]);
}
