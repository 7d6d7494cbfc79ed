//! SIGHUP: a new generation boots beside the old one, proves itself and takes over. Nobody is refused, nobody is cut off, and nobody
//! sees old code once it is done.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::steady::{Load, Outcome, aside};
use crate::support::{Launch, Mode, PrivateDir, Protocol, Server, holds_within, program, run, until};

const SOON: Duration = Duration::from_secs(20);
/// Reloads under load that the issue asks for.
const ROUNDS: u64 = 50;

/// An application that answers with the number of its release, read when it boots.
fn releases(mode: Mode) -> Launch {
    let dir = PrivateDir::new();
    let handler = "$answer = static function () { if (str_starts_with($_SERVER['REQUEST_URI'], '/hold')) { \
        touch(getenv('TEST_DIR').'/holding'); while (!file_exists(getenv('TEST_DIR').'/release')) { usleep(2000); } } \
        if (str_starts_with($_SERVER['REQUEST_URI'], '/length')) { echo strlen(file_get_contents('php://input')), ' of '; } \
        echo RELEASE; };";
    let boot = format!("<?php require __DIR__.'/../release.php'; {handler} ");
    let worker = format!("{boot} while (supercharger_handle_request($answer)) {{}}");
    for (name, text) in [
        ("app/public/worker.php", worker),
        ("app/public/index.php", format!("{boot} $answer();")),
        ("app/release.php", release(0)),
    ] {
        dir.write(name, &text);
    }
    // Classic mode reads files whenever OPcache looks at them again; here it never does within a process.
    Launch::with_dir(dir, mode)
        .root("public")
        .script("public/worker.php")
        .workers(2)
        .ini("opcache.validate_timestamps", "0")
        .ini("opcache.file_update_protection", "0")
        // Of workers that boot at the same time only one has its script cached; the others keep it open.
        .keeps_descriptors(2)
}

fn release(number: u64) -> String {
    format!("<?php const RELEASE = {number};")
}

fn deploy(server: &Server, text: &str) {
    // In one step, as deployments do it.
    let file = server.dir().write("app/release.new", text);
    std::fs::rename(file, server.dir().app().join("release.php")).expect("renamed");
}

fn reloads(server: &Server) -> Vec<serde_json::Value> {
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("\"event\":\"server.reload\""));
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Sends SIGHUP and waits for what comes of it.
async fn reload(server: &Server) -> serde_json::Value {
    let before = reloads(server).len();
    server.signal("HUP");
    until(SOON, "the reload is over", || reloads(server).get(before).cloned()).await
}

#[track_caller]
fn none_failed(outcomes: &[Outcome]) {
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !matches!(outcome.result, Ok((200, _)))).collect();
    assert!(failed.is_empty(), "{} of {}: {:?}", failed.len(), outcomes.len(), failed[0]);
}

/// Every answer is of a release at least as new as the one that was known to serve when its request was begun.
#[track_caller]
fn none_is_old(outcomes: &[Outcome]) {
    for outcome in outcomes {
        let served: u64 = outcome.result.as_ref().expect("an answer").1.parse().expect("a number");
        assert!(served >= outcome.mark, "release {served} after {} had taken over: {outcome:?}", outcome.mark);
    }
}

fn fifty_reloads(mode: Mode) {
    crate::support::run::run_within(Duration::from_secs(240), releases(mode), async |server| {
        let kept = Load::start(server.address(), "/", 4, true);
        let single = Load::start(server.address(), "/", 2, false);
        for round in 1..=ROUNDS {
            deploy(server, &release(round));
            let result = reload(server).await;
            assert_eq!(
                (result["result"].as_str(), result["generation"].as_u64()),
                (Some("done"), Some(round + 1)),
                "{result}"
            );
            kept.mark(round);
            single.mark(round);
            let before = (kept.done(), single.done());
            until(SOON, "it is under load", || {
                (kept.done() > before.0 + 8 && single.done() > before.1 + 4).then_some(())
            })
            .await;
        }
        for load in [kept, single] {
            let outcomes = load.finish();
            eprintln!("{} requests, none failed", outcomes.len());
            none_failed(&outcomes);
            none_is_old(&outcomes);
        }
        assert_eq!(server.get("/").await.ok().text(), ROUNDS.to_string());
        until(SOON, "the old ones have ended", || (server.children().len() == 1).then_some(())).await;
    });
}

#[test]
fn fifty_reloads_under_load_in_worker_mode() {
    fifty_reloads(Mode::Worker);
}

#[test]
fn fifty_reloads_under_load_in_classic_mode() {
    fifty_reloads(Mode::Classic);
}

#[test]
fn a_generation_that_cannot_boot_changes_nothing() {
    run(
        releases(Mode::Worker)
            .expect_error("server.reload")
            .expect_error("worker.boot_failed")
            .expect_error("PHP ")
            .keeps_descriptors(2),
        async |server| {
            let load = Load::start(server.address(), "/", 4, true);
            for (broken, words) in [
                (
                    "<?php const RELEASE = 1; throw new Exception('the database is not reachable');",
                    "the database is not reachable",
                ),
                ("<?php const RELEASE = ;", "syntax error"),
                ("<?php for (;;) { posix_kill(getmypid(), SIGSEGV); }", "SIGSEGV"),
            ] {
                let pid = server.php_pid();
                deploy(server, broken);
                let result = reload(server).await;
                assert_eq!(
                    (result["result"].as_str(), result["generation"].as_u64()),
                    (Some("failed"), Some(1)),
                    "{result}"
                );
                assert!(result["message"].as_str().is_some_and(|message| message.contains(words)), "{result}");
                assert_eq!(server.get("/").await.ok().text(), "0");
                until(SOON, "the broken one has ended", || (server.children() == [pid]).then_some(())).await;
            }
            none_failed(&load.finish());
            deploy(server, &release(2));
            assert_eq!(reload(server).await["result"], "done");
            assert_eq!(server.get("/").await.ok().text(), "2");
        },
    );
}

#[test]
fn open_requests_and_uploads_finish() {
    run(releases(Mode::Worker), async |server| {
        let mut held = server.raw().await;
        held.get("/hold").await;
        until(SOON, "it runs", || server.dir().marked("holding")).await;
        let mut upload = server.raw().await;
        upload.write("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n").await;
        upload.write(vec![b'x'; 100_000]).await;
        // The head has been read: nothing shows that from outside.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut stream = server.connect(Protocol::H2c).await;
        assert_eq!(stream.get("/").await.ok().text(), "0");

        deploy(server, &release(1));
        assert_eq!(reload(server).await["result"], "done");
        assert_eq!(server.get("/").await.ok().text(), "1");
        assert_eq!(server.children().len(), 2, "the old one has work to do");
        upload.write(vec![b'x'; 100_000]).await;
        assert!(upload.response().await.ends_with("200000 of 0"), "{}", upload.text());
        server.dir().mark("release");
        assert!(held.response().await.ends_with('0'), "{}", held.text());
        until(SOON, "the old one has ended", || (server.children().len() == 1).then_some(())).await;
    });
}

/// What a client that keeps its connection sees: one last answer that says so, not a connection that is cut under its request.
#[test]
fn a_kept_connection_gets_a_last_answer() {
    run(releases(Mode::Worker), async |server| {
        let address = server.address();
        let client = aside(move || {
            let mut stream = TcpStream::connect(address).expect("a connection");
            let mut answers = Vec::new();
            loop {
                let (status, body, closes) = crate::support::steady::exchange(&mut stream, "/", true)
                    .expect("an answer on a connection that is kept");
                answers.push((status, body));
                if closes {
                    let mut rest = Vec::new();
                    stream.read_to_end(&mut rest).expect("closed in order");
                    assert!(rest.is_empty() && stream.write_all(b"").is_ok());
                    return answers;
                }
                // Longer than a request takes, shorter than a client with one to send would wait.
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        assert_eq!(reload(server).await["result"], "done");
        let answers = client.join().expect("a client");
        assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    });
}

#[test]
fn the_configuration_is_read_again() {
    let launch = releases(Mode::Worker)
        .config("server.max_body_size", "\"1KiB\"")
        .expect_error("server.reload")
        .expect_error("config.invalid");
    run(launch, async |server| {
        let file = server.dir().path().join("supercharger.toml");
        let first = std::fs::read_to_string(&file).expect("the configuration");
        let post = async |server: &Server| server.send("POST", "/length", &[], vec![b'x'; 4000]).await.status();
        assert_eq!(post(server).await, 413);
        // A fault is named, and nothing changes.
        std::fs::write(&file, format!("server.drain_timeout = \"soon\"\n{first}")).expect("written");
        let result = reload(server).await;
        assert_eq!(result["result"], "failed", "{result}");
        assert!(result["message"].as_str().is_some_and(|message| message.contains("server.drain_timeout")), "{result}");
        assert_eq!(post(server).await, 413);
        // A new value, and a process more.
        std::fs::write(&file, format!("server.processes = 2\n{}", first.replace("1KiB", "1MiB"))).expect("written");
        assert_eq!(reload(server).await["result"], "done");
        assert_eq!(post(server).await, 200);
        until(SOON, "there are two", || (server.children().len() == 2).then_some(())).await;
        std::fs::write(&file, first).expect("written");
        assert_eq!(reload(server).await["result"], "done");
        until(SOON, "there is one", || (server.children().len() == 1).then_some(())).await;
    });
}

/// A child that crashes after the configuration was edited, and before anybody asked for a reload, comes back as it was.
#[test]
fn a_replacement_is_of_the_same_generation() {
    let launch = releases(Mode::Worker).config("server.max_body_size", "\"1KiB\"").expect_error("child.crash");
    run(launch, async |server| {
        let file = server.dir().path().join("supercharger.toml");
        std::fs::write(&file, "rubbish").expect("written");
        let pid = server.php_pid();
        program::signal(pid, "KILL");
        until(SOON, "it is replaced", || server.children().first().copied().filter(|child| *child != pid)).await;
        assert_eq!(server.send("POST", "/length", &[], vec![b'x'; 4000]).await.status(), 413);
    });
}

/// Orders that come while a reload goes on: further reloads are one more, an end is an end.
#[test]
fn reloads_queue_up_and_an_end_wins() {
    // What hangs is interrupted.
    run(releases(Mode::Worker).expect_error("Time is up"), async |server| {
        // The first is held at its boot until the others have come.
        let held = "<?php touch(getenv('TEST_DIR').'/boots'); while (!file_exists(getenv('TEST_DIR').'/go')) { usleep(2000); } \
            const RELEASE = 1;";
        deploy(server, held);
        server.signal("HUP");
        until(SOON, "the new one boots", || server.dir().marked("boots")).await;
        for _ in 0..4 {
            server.signal("HUP");
            // Signals of a kind that come at the same time are one.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.dir().mark("go");
        until(SOON, "they are done", || (reloads(server).len() >= 2).then_some(())).await;
        assert!(
            !holds_within(Duration::from_secs(1), || reloads(server).len() > 2).await,
            "what came meanwhile is one more"
        );
        // One that hangs at its boot, and SIGTERM meanwhile.
        deploy(server, "<?php touch(getenv('TEST_DIR').'/hangs'); while (true) { usleep(10000); }");
        server.signal("HUP");
        until(SOON, "the new one boots", || server.dir().marked("hangs")).await;
        server.signal("TERM");
        let status = server.wait_for_end(SOON).await;
        assert_eq!(status.code(), Some(0), "{status}");
    });
}

/// Children of one generation are one executable: the file's successor is run after a reload and not before.
#[test]
fn a_new_executable_is_run_after_a_reload() {
    use std::os::unix::fs::MetadataExt as _;
    let launch = releases(Mode::Worker).expect_error("child.crash");
    let copy = launch.dir().path().join("supercharger-copy");
    std::fs::copy(program::executable(), &copy).expect("a copy");
    let path = copy.display().to_string();
    run(launch.wrapped(&["sh", "-c", "exec \"$COPY\" \"$@\""]).env("COPY", &path), async |server| {
        let runs =
            |server: &Server| std::fs::metadata(format!("/proc/{}/exe", server.php_pid())).expect("a process").ino();
        let old = runs(server);
        let new = server.dir().path().join("supercharger-new");
        std::fs::copy(program::executable(), &new).expect("a copy");
        std::fs::rename(&new, &copy).expect("renamed");
        let pid = server.php_pid();
        program::signal(pid, "KILL");
        until(SOON, "it is replaced", || server.children().first().copied().filter(|child| *child != pid)).await;
        assert_eq!(server.get("/").await.ok().text(), "0");
        assert_eq!(runs(server), old, "a crash is no deployment");
        assert_eq!(reload(server).await["result"], "done");
        until(SOON, "the old one has ended", || (server.children().len() == 1).then_some(())).await;
        assert_eq!(runs(server), std::fs::metadata(&copy).expect("the copy").ino());
        std::fs::remove_file(&copy).expect("removed");
        assert_eq!(server.get("/").await.ok().text(), "0");
    });
}

/// One of two new children is ready and dies while the other still boots: the reload fails, and the next one is not held up by it.
#[test]
fn a_child_that_dies_before_it_could_serve_fails_the_reload() {
    let launch = releases(Mode::Worker).workers(1).config("server.processes", "2").expect_error("server.reload");
    run(launch, async |server| {
        let slow = "<?php if (!@mkdir(getenv('TEST_DIR').'/first')) { \
            while (!file_exists(getenv('TEST_DIR').'/go')) { usleep(2000); } } const RELEASE = 1;";
        deploy(server, slow);
        server.signal("HUP");
        let ready = until(SOON, "one of the new ones is ready", || {
            let log = server.log();
            let lines = log.lines().filter(|line| line.contains("\"event\":\"child.ready\""));
            lines
                .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
                .find(|line| line["generation"] == 2)
        });
        let pid = ready.await["child"].as_u64().expect("a process id");
        program::signal(u32::try_from(pid).expect("a process id"), "KILL");
        let result = until(SOON, "the reload is over", || reloads(server).first().cloned()).await;
        assert_eq!(result["result"], "failed", "{result}");
        server.dir().mark("go");
        assert_eq!(server.get("/").await.ok().text(), "0");
        deploy(server, &release(2));
        assert_eq!(reload(server).await["result"], "done");
        assert_eq!(server.get("/").await.ok().text(), "2");
    });
}

/// A crashed child's replacement still boots when a reload is through: its children take over from that one too.
#[test]
fn a_reload_overtakes_a_replacement_that_still_boots() {
    let launch = releases(Mode::Worker).workers(1).config("server.processes", "2").expect_error("child.crash");
    run(launch, async |server| {
        let hangs = "<?php if (file_exists(getenv('TEST_DIR').'/hang')) { touch(getenv('TEST_DIR').'/hangs'); \
            while (!file_exists(getenv('TEST_DIR').'/go')) { usleep(2000); } } const RELEASE = 1;";
        deploy(server, hangs);
        assert_eq!(reload(server).await["result"], "done");
        until(SOON, "the first ones have ended", || (server.children().len() == 2).then_some(())).await;
        server.dir().mark("hang");
        program::signal(server.children()[0], "KILL");
        server.dir().wait_for_mark("hangs").await;
        std::fs::remove_file(server.dir().marks().join("hang")).expect("removed");
        assert_eq!(reload(server).await["result"], "done");
        assert_eq!(server.get("/").await.ok().text(), "1");
        server.dir().mark("go");
        until(SOON, "all others have ended", || (server.children().len() == 2).then_some(())).await;
        assert_eq!(server.get("/").await.ok().text(), "1");
    });
}

/// A deployment by a link that leads to another folder, and that fails: who crashes afterwards comes back in the old folder.
#[test]
fn after_a_failed_reload_children_come_back_as_they_were() {
    let launch =
        releases(Mode::Worker).expect_error("server.reload").expect_error("child.crash").expect_error("broken");
    let link = launch.dir().path().join("current");
    std::os::unix::fs::symlink(launch.dir().app(), &link).expect("a link");
    launch.dir().write("second/public/worker.php", "<?php throw new RuntimeException('broken');");
    let path = link.display().to_string();
    let launch = launch.wrapped(&["sh", "-c", "cd \"$CURRENT\" && export PWD && exec \"$0\" \"$@\""]);
    run(launch.env("CURRENT", &path), async |server| {
        assert_eq!(server.get("/").await.ok().text(), "0");
        let other = server.dir().path().join("other");
        std::os::unix::fs::symlink(server.dir().path().join("second"), &other).expect("a link");
        std::fs::rename(&other, &link).expect("renamed");
        assert_eq!(reload(server).await["result"], "failed");
        let pid = server.php_pid();
        program::signal(pid, "KILL");
        until(SOON, "it is replaced", || server.children().first().copied().filter(|child| *child != pid)).await;
        assert_eq!(server.get("/").await.ok().text(), "0");
    });
}
