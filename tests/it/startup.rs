//! A start that cannot succeed ends: soon, with the right exit code (2 usage, 78 configuration, 1 at run time) and a
//! message that names what is wrong. It never hangs and never boots the script over and over.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::support::program::{self, Ended, run_to_end};
use crate::support::server::free_port;
use crate::support::{Launch, Mode, PrivateDir, run};

/// None of these starts takes longer, back-off included.
const LIMIT: Duration = Duration::from_secs(30);

fn listen() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// Runs `php-server` on a free port with further arguments.
#[track_caller]
fn php_server(dir: &PrivateDir, arguments: &[&str]) -> Ended {
    let address = listen();
    let mut line = vec!["php-server", "--listen", &address];
    line.extend(arguments);
    let ended = program::supercharger(dir, &line, LIMIT);
    sane(&ended);
    ended
}

/// A message for people: no panic, no debug print.
#[track_caller]
fn sane(ended: &Ended) {
    let output = ended.output();
    for word in ["panicked", "RUST_BACKTRACE", "Os {", "Error {", "Some("] {
        assert!(!output.contains(word), "{word:?} in a message for people; {ended}");
    }
    assert!(!output.trim().is_empty(), "nothing was said; {ended}");
}

#[test]
fn an_unknown_flag_is_wrong_usage() {
    let dir = PrivateDir::with_app("plain");
    php_server(&dir, &["--no-such-flag"]).expect(2, &["--no-such-flag"]);
}

#[test]
fn an_unknown_command_is_wrong_usage() {
    let dir = PrivateDir::with_app("plain");
    program::supercharger(&dir, &["no-such-command"], LIMIT).expect(2, &["no-such-command"]);
    let nothing = program::supercharger(&dir, &[], LIMIT);
    assert_eq!(nothing.code(), 2, "{nothing}");
    assert!(nothing.output().contains("php-server"), "usage is shown; {nothing}");
}

#[test]
fn a_bad_address_is_named() {
    let dir = PrivateDir::with_app("plain");
    for address in ["127.0.0.1:99999", "nonsense", "127.0.0.1", ""] {
        let ended = program::supercharger(&dir, &["php-server", "--root", "public", "--listen", address], LIMIT);
        sane(&ended);
        assert!(matches!(ended.code(), 2 | 78), "{address:?}; {ended}");
        assert!(ended.output().contains(address), "{address:?} is named; {ended}");
    }
}

#[test]
fn a_worker_script_that_does_not_exist() {
    let dir = PrivateDir::with_app("plain");
    php_server(&dir, &["--root", "public", "--worker", "public/missing.php"]).expect(78, &["missing.php"]);
}

#[test]
fn a_worker_script_that_is_a_folder() {
    let dir = PrivateDir::with_app("plain");
    php_server(&dir, &["--root", "public", "--worker", "public"]).expect(78, &["public"]);
}

#[test]
fn worker_counts_that_make_no_sense() {
    let dir = PrivateDir::with_app("plain");
    for count in ["0", "-1", "many"] {
        let worker = format!("public/worker.php,{count}");
        let ended = php_server(&dir, &["--root", "public", "--worker", &worker]);
        assert!(matches!(ended.code(), 2 | 78), "{count}; {ended}");
    }
}

#[test]
fn a_root_that_does_not_exist() {
    let dir = PrivateDir::with_app("plain");
    php_server(&dir, &["--root", "nowhere"]).expect(78, &["nowhere"]);
}

#[test]
fn a_root_that_is_a_file() {
    let dir = PrivateDir::with_app("plain");
    php_server(&dir, &["--root", "public/index.php"]).expect(78, &["index.php"]);
}

/// Permissions do not bind root, so the server is started as nobody there.
#[test]
fn a_root_that_may_not_be_read() {
    let dir = PrivateDir::with_app("plain");
    let closed = dir.app().join("closed");
    std::fs::create_dir(&closed).expect("a folder");
    let executable = program::executable();
    for folder in [dir.path().to_owned(), dir.app(), dir.marks(), dir.tmp()] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).expect("permissions");
    }
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).expect("permissions");
    let unprivileged = std::fs::read_dir(&closed).is_err();
    let mut command = if unprivileged {
        program::command(&executable, &dir)
    } else {
        // The executable may lie where nobody has no access.
        let copy = dir.path().join("supercharger");
        std::fs::copy(&executable, &copy).expect("a copy of the executable");
        let mut command = program::command("setpriv", &dir);
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy);
        command
    };
    command.args(["php-server", "--listen", &listen(), "--root", "closed"]);
    let ended = run_to_end(&dir, command, LIMIT);
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    sane(&ended);
    ended.expect(78, &["closed"]);
}

#[test]
fn a_port_that_is_taken() {
    let dir = PrivateDir::with_app("plain");
    let address = listen();
    let _taken = TcpListener::bind(&address).expect("a port");
    for mode in [&["--root", "public"][..], &["--root", "public", "--worker", "public/worker.php"][..]] {
        let mut line = vec!["php-server", "--listen", &address];
        line.extend(mode);
        let ended = program::supercharger(&dir, &line, LIMIT);
        sane(&ended);
        ended.expect(1, &[&address, "in use"]);
    }
    assert_eq!(dir.lines("boots.log"), 0, "nothing is booted for a port that cannot be had");
}

/// The script fails: exit code 1, PHP's own words, and no more boots than slots and a few attempts.
#[track_caller]
fn boot_fails(script: &str, words: &[&str]) {
    let dir = PrivateDir::with_app("faulty");
    let worker = format!("{script},2");
    let ended = php_server(&dir, &["--root", ".", "--worker", &worker]);
    ended.expect(1, words);
    let boots = dir.lines("boots.log");
    assert!(boots <= 8, "{boots} boots of a script that cannot boot");
    assert!(ended.took < Duration::from_secs(20), "took {:?}", ended.took);
}

#[test]
fn a_script_that_throws_at_boot() {
    boot_fails("throws.php", &["throws.php", "the database is not reachable"]);
}

#[test]
fn a_script_that_never_reaches_the_loop() {
    boot_fails("returns.php", &["supercharger_handle_request"]);
}

#[test]
fn a_script_that_exits_at_boot() {
    boot_fails("exits.php", &["exit"]);
}

#[test]
fn a_script_that_dies_at_boot() {
    boot_fails("fatal.php", &["fatal.php", "Unfinished"]);
}

#[test]
fn a_script_with_a_syntax_error() {
    boot_fails("syntax.php", &["syntax.php", "syntax error"]);
}

/// The server's own clock ends it. PHP's would have been over before.
#[test]
fn a_script_that_hangs_at_boot() {
    let dir = PrivateDir::with_app("faulty");
    dir.write(
        "app/supercharger.toml",
        "[pools.default]\nboot_timeout = \"4s\"\n[php.ini]\nmax_execution_time = 1\nmax_input_time = 1\n",
    );
    let address = listen();
    let line =
        ["php-server", "--config", "supercharger.toml", "--listen", &address, "--root", ".", "--worker", "hangs.php,2"];
    let ended = program::supercharger(&dir, &line, Duration::from_secs(80));
    sane(&ended);
    ended.expect(1, &["did not reach its loop within 4 s", "pools.default.boot_timeout"]);
    assert!(!ended.stderr.contains("Maximum execution time"), "{ended}");
    assert_eq!(dir.lines("boots.log"), 2, "one boot per worker");
}

/// A signal during the boot is obeyed: the start is not a time in which the server cannot be stopped.
#[test]
fn a_start_can_be_interrupted() {
    let dir = PrivateDir::with_app("faulty");
    let mut command = program::command("sh", &dir);
    // Sends the signal as soon as the script has begun to boot.
    let script = "\"$0\" \"$@\" & pid=$!; while [ ! -e \"$TEST_DIR/boots.log\" ]; do sleep 0.01; done; kill -TERM $pid; \
        sleep 0.2; kill -TERM $pid; wait $pid";
    command.args(["-c", script]).arg(program::executable());
    command.args(["php-server", "--listen", &listen(), "--root", ".", "--worker", "hangs.php,1"]);
    let ended = run_to_end(&dir, command, LIMIT);
    assert!(ended.took < Duration::from_secs(15), "{ended}");
}

/// A script that breaks later does not bring the server down, and its boots are spread out.
#[test]
fn a_script_that_breaks_later_is_retried_with_pauses() {
    let launch =
        Launch::with_dir(PrivateDir::with_app("faulty"), Mode::Worker).root(".").script("later.php").workers(2);
    run(launch.expect_error("broken by a deploy"), async |server| {
        assert_eq!(server.get("/").await.ok().text(), "works");
        server.dir().mark("broken");
        // Both workers end; their replacements cannot boot.
        for _ in 0..2 {
            server.get("/exit").await;
        }
        server.wait_for_log("broken by a deploy").await;
        let before = server.dir().lines("boots.log");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let attempts = server.dir().lines("boots.log") - before;
        assert!(attempts <= 16, "{attempts} boots in two seconds");
        let answer = server.get("/").await;
        assert_eq!(answer.status(), 503, "{answer}");
        // The deploy is repaired: the server recovers by itself.
        std::fs::remove_file(server.dir().marks().join("broken")).expect("a marker");
        let end = std::time::Instant::now() + Duration::from_secs(15);
        while server.get("/").await.status() != 200 {
            assert!(std::time::Instant::now() < end, "the server did not recover");
        }
    });
}

#[test]
fn a_configuration_file_that_is_wrong() {
    let dir = PrivateDir::with_app("plain");
    for (content, word) in [
        ("[server]\nlisten_address = \"127.0.0.1:1\"\n", "listen_address"),
        ("[server]\ndrain_timeout = \"soon\"\n", "drain_timeout"),
        ("[server\n", "supercharger.toml"),
        ("[pools.default]\nworkers = 0\n", "workers"),
    ] {
        let config = dir.write("wrong/supercharger.toml", content).display().to_string();
        php_server(&dir, &["--root", "public", "--config", &config]).expect(78, &[word]);
    }
    php_server(&dir, &["--root", "public", "--config", "missing.toml"]).expect(78, &["missing.toml"]);
}

#[test]
fn the_banner_says_what_runs_where() {
    for (mode, word) in [(Mode::Worker, "worker"), (Mode::Classic, "classic")] {
        run(Launch::plain(mode).workers(3), async |server| {
            let log = server.log();
            let banner: String = log.lines().filter(|line| !line.starts_with('{')).collect::<Vec<_>>().join("\n");
            for expected in [&format!("http://{}", server.address()), word, "8.", "3", "PHP"] {
                assert!(banner.to_lowercase().contains(&expected.to_lowercase()), "{expected:?} in the banner:\n{log}");
            }
        });
    }
}
