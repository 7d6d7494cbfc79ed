//! The server as a service of systemd: what it tells the manager, what it writes to the journal, and the units in `ops/systemd`.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::program::{self, run_to_end};
use crate::support::{Launch, Mode, PrivateDir, Server, modes, run, until};

const SOON: Duration = Duration::from_secs(20);

/// A service manager that only listens.
struct Manager {
    socket: UnixDatagram,
    /// Every message so far. One datagram may have several lines.
    heard: Vec<String>,
}

impl Manager {
    /// At an address, and what `NOTIFY_SOCKET` says for it.
    fn at(address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).expect("an address of its own");
        socket.set_nonblocking(true).expect("a socket");
        Self { socket, heard: Vec::new() }
    }

    fn listen(&mut self) {
        let mut message = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut message) {
            let text = String::from_utf8(message[..length].to_vec()).expect("UTF-8");
            self.heard.push(text.trim_end().to_owned());
        }
    }

    /// How many messages have a line that begins so.
    fn count(&mut self, start: &str) -> usize {
        self.listen();
        self.heard.iter().filter(|message| message.lines().any(|line| line.starts_with(start))).count()
    }

    /// Waits until that many have come.
    async fn wait(&mut self, start: &str, count: usize) {
        until(SOON, &format!("{count} messages say {start}"), || (self.count(start) >= count).then_some(())).await;
    }

    /// The messages about the server as a whole, in their order.
    fn words(&mut self) -> Vec<String> {
        self.listen();
        let words = ["READY=1", "RELOADING=1", "STOPPING=1"];
        let first = self.heard.iter().filter_map(|message| message.lines().next());
        first.filter(|line| words.contains(line)).map(str::to_owned).collect()
    }
}

/// A manager, and a launch that tells it; by a path, or by an abstract name.
fn managed(launch: Launch, is_abstract: bool) -> (Manager, Launch) {
    let path = launch.dir().path().join("notify");
    let (address, name) = if is_abstract {
        let name = path.display().to_string();
        (SocketAddr::from_abstract_name(name.as_bytes()), format!("@{name}"))
    } else {
        (SocketAddr::from_pathname(&path), path.display().to_string())
    };
    (Manager::at(&address.expect("an address")), launch.env("NOTIFY_SOCKET", &name))
}

/// The words of a command of the unit, for this server.
fn unit_command(key: &str, server: &Server) -> Vec<String> {
    let unit = std::fs::read_to_string(unit("supercharger.service")).expect("the unit");
    let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).expect("the command");
    line.split_whitespace().map(|word| word.replace("$MAINPID", &server.pid().to_string())).collect()
}

fn unit(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/systemd").join(name)
}

/// CLOCK_MONOTONIC in microseconds, which the manager compares with its own.
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1000).expect("a time")
}

fn handshake(mode: Mode, is_abstract: bool) {
    let (mut manager, launch) = managed(Launch::plain(mode).env("WATCHDOG_USEC", "300000"), is_abstract);
    run(launch, async |server| {
        manager.wait("READY=1", 1).await;
        assert_eq!(manager.words(), ["READY=1"]);
        let at = |heard: &[String], start: &str| heard.iter().position(|message| message.starts_with(start));
        assert!(at(&manager.heard, "EXTEND_TIMEOUT_USEC=") < at(&manager.heard, "READY=1"), "{:?}", manager.heard);
        assert!(at(&manager.heard, "STATUS=starting") < at(&manager.heard, "READY=1"), "{:?}", manager.heard);
        // The loop goes on to say that it lives.
        let before = manager.count("WATCHDOG=1");
        manager.wait("WATCHDOG=1", before + 3).await;
        server.get("/").await.ok();

        // By the command of the unit, as `systemctl reload` does.
        let asked = monotonic();
        let words = unit_command("ExecReload", server);
        assert!(Command::new(&words[0]).args(&words[1..]).status().expect("the command").success(), "{words:?}");
        manager.wait("READY=1", 2).await;
        assert_eq!(manager.words(), ["READY=1", "RELOADING=1", "READY=1"]);
        let message = manager.heard.iter().find(|message| message.starts_with("RELOADING=1")).expect("a message");
        let usec = message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")?.parse::<u64>().ok());
        let usec = usec.unwrap_or_else(|| panic!("a moment: {message}"));
        assert!((asked..=monotonic()).contains(&usec), "{asked} <= {usec} <= {}", monotonic());
        manager.wait("STATUS=generation 2: 1 processes serve", 1).await;

        // Nobody but the parent knows of the manager.
        let path = server.script(
            "foreach (['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as $name) { echo json_encode(getenv($name)); } \
             echo shell_exec('env | grep -c -E \"^(NOTIFY_SOCKET|WATCHDOG)\"');",
        );
        assert_eq!(server.get(&path).await.ok().text().trim(), "falsefalsefalse0");

        server.signal("TERM");
        server.wait_for_end(SOON).await;
        assert_eq!(manager.words(), ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]);
        assert!(manager.count("STATUS=stopping") > 0, "{:?}", manager.heard);
    });
}

#[test]
fn the_manager_is_told_of_start_reload_and_stop_worker() {
    handshake(Mode::Worker, false);
}

#[test]
fn the_manager_is_told_of_start_reload_and_stop_classic() {
    handshake(Mode::Classic, true);
}

/// The old generation goes on: for the manager the service is as ready as before, and the status says what is wrong.
#[test]
fn a_reload_that_fails_ends_ready() {
    let launch = Launch::plain(Mode::Worker).expect_error("server.reload").expect_error("worker.boot_failed");
    let (mut manager, launch) = managed(launch, true);
    run(launch, async |server| {
        manager.wait("READY=1", 1).await;
        server.dir().write("app/public/worker.php", "<?php echo 'no loop here';");
        server.signal("HUP");
        manager.wait("STATUS=generation 1: 1 processes serve, 2 workers; the last reload failed", 1).await;
        manager.wait("READY=1", 2).await;
        assert_eq!(manager.words(), ["READY=1", "RELOADING=1", "READY=1"]);
        server.get("/").await.ok();
    });
}

/// The manager is never told that a server is ready which has not served.
#[test]
fn a_start_that_fails_is_never_ready() {
    let dir = PrivateDir::with_app("faulty");
    let address = SocketAddr::from_pathname(dir.path().join("notify")).expect("an address");
    let mut manager = Manager::at(&address);
    let mut command = program::command(program::executable(), &dir);
    let port = crate::support::server::free_port();
    command.args(["php-server", "--listen", &format!("127.0.0.1:{port}"), "--root", ".", "--worker", "throws.php,1"]);
    command.env("NOTIFY_SOCKET", dir.path().join("notify")).env("SUPERCHARGER__ADMIN__LISTEN", "off");
    let ended = run_to_end(&dir, command, SOON);
    ended.expect(1, &[]);
    assert_eq!(manager.words(), ["STOPPING=1"], "{:?}", manager.heard);
    assert!(manager.count("STATUS=did not start: ") > 0, "{:?}", manager.heard);
}

/// A child that crashes again and again: the parent lives, says so, and says what goes on.
#[test]
fn a_crash_loop_stands_in_the_status() {
    let launch = Launch::plain(Mode::Worker).env("WATCHDOG_USEC", "300000").expect_error("child.crash");
    let (mut manager, launch) = managed(launch, false);
    run(launch, async |server| {
        manager.wait("READY=1", 1).await;
        for crashes in 1..=3 {
            let pid = until(SOON, "a child serves", || server.children().first().copied()).await;
            server.get("/").await.ok();
            program::signal(pid, "KILL");
            until(SOON, "its end is noticed", || {
                (server.log().matches("\"event\":\"child.crash\"").count() >= crashes).then_some(())
            })
            .await;
        }
        manager
            .wait("STATUS=generation 1: 0 processes serve, 0 workers; process 0 has crashed 3 times in a row", 1)
            .await;
        manager.wait("STATUS=generation 1: 1 processes serve", 2).await;
        let before = manager.count("WATCHDOG=1");
        manager.wait("WATCHDOG=1", before + 2).await;
        assert_eq!(manager.words(), ["READY=1"]);
    });
}

/// A manager that has gone, or has never been there, costs a line in the log and nothing else.
#[test]
fn a_manager_that_does_not_listen_is_no_trouble() {
    run(Launch::plain(Mode::Worker).env("NOTIFY_SOCKET", "/nonexistent/notify"), async |server| {
        server.get("/").await.ok();
        assert_eq!(server.log().matches("\"event\":\"service.notice\"").count(), 1);
    });
}

modes!(
    lines_for_the_journal_have_a_priority,
    |launch| launch.wrapped(&["sh", "-c", "JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec \"$@\"", "sh"]),
    async |server| {
        let path = server.script("error_log('a message of PHP'); supercharger_log('another', 4); echo 'ok';");
        server.get(&path).await.ok();
        server.wait_for_log("another").await;
        let log = server.log();
        let events: Vec<_> = log.lines().filter(|line| line.contains("\"event\":")).collect();
        assert!(events.len() > 4, "{log}");
        for line in events {
            let (mark, json) = line.split_at(3);
            let line: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {line}"));
            let expected = match line["level"].as_str() {
                Some("error") => "<3>",
                Some("warn") => "<4>",
                Some("info") => "<6>",
                _ => "<7>",
            };
            assert_eq!(mark, expected, "{line}");
        }
    }
);

/// The variable alone does not make standard error the journal.
#[test]
fn lines_for_somebody_else_have_none() {
    run(Launch::plain(Mode::Worker).env("JOURNAL_STREAM", "8:1"), async |server| {
        server.get("/").await.ok();
        let log = server.log();
        let events: Vec<_> = log.lines().filter(|line| line.contains("\"event\":")).collect();
        assert!(events.len() > 2, "{log}");
        assert!(events.iter().all(|line| line.starts_with('{')), "{log}");
    });
}

/// `systemd-analyze verify`, with this executable in the place of the one that is installed.
#[test]
fn the_units_are_well_formed() {
    let dir = PrivateDir::new();
    let installed = "/usr/bin/supercharger";
    let own = program::executable().display().to_string();
    for name in ["supercharger.service", "supercharger.socket"] {
        let text = std::fs::read_to_string(unit(name)).expect("a unit");
        dir.write(name, &text.replace(installed, &own));
    }
    let examples = std::fs::read_dir(unit("supercharger.service.d")).expect("drop-ins").flatten();
    for example in examples {
        let text = std::fs::read_to_string(example.path()).expect("a drop-in");
        let name = example.file_name().into_string().expect("a name");
        let name = name.strip_suffix(".example").expect("an example");
        // systemd 252 does not know this type yet.
        if !text.contains("notify-reload") {
            dir.write(&format!("supercharger.service.d/{name}"), &text.replace(installed, &own));
        }
    }
    let mut command = program::command("systemd-analyze", &dir);
    command.args(["verify", "--man=no"]).current_dir(dir.path());
    command.args(["./supercharger.service", "./supercharger.socket"]);
    let ended = run_to_end(&dir, command, SOON);
    ended.expect(0, &[]);
    assert_eq!(ended.stderr.trim(), "", "nothing to complain about");
    // Negative control: the tool does find a mistake.
    dir.write("supercharger.socket", "[Socket]\nListenStream=nowhere at all\nWhat=ever\n");
    let mut command = program::command("systemd-analyze", &dir);
    command.args(["verify", "--man=no", "./supercharger.socket"]).current_dir(dir.path());
    let ended = run_to_end(&dir, command, SOON);
    assert!(ended.code() != 0 || ended.stderr.contains("Unknown key"), "{ended}");
}

/// How the unit limits the server must let PHP run: JIT needs memory that is written and executed.
#[test]
fn the_unit_says_what_the_documents_promise() {
    let text = std::fs::read_to_string(unit("supercharger.service")).expect("the unit");
    let settings: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for wanted in
        ["Type=notify", "NotifyAccess=main", "KillMode=mixed", "WatchdogSec=30s", "RestartPreventExitStatus=78"]
    {
        assert!(settings.contains(&wanted), "{wanted}");
    }
    assert!(settings.iter().all(|line| !line.starts_with("MemoryDenyWriteExecute")), "OPcache's JIT would not start");
}

/// What feeds the watchdog is the loop that does the work.
#[test]
fn a_parent_that_stands_still_feeds_no_watchdog() {
    let (mut manager, launch) = managed(Launch::plain(Mode::Worker).env("WATCHDOG_USEC", "200000"), false);
    run(launch, async |server| {
        manager.wait("WATCHDOG=1", 2).await;
        server.signal("STOP");
        tokio::time::sleep(Duration::from_millis(150)).await;
        let before = manager.count("WATCHDOG=1");
        // Something must not happen.
        let end = Instant::now() + Duration::from_millis(600);
        while Instant::now() < end {
            assert_eq!(manager.count("WATCHDOG=1"), before);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server.signal("CONT");
        manager.wait("WATCHDOG=1", before + 1).await;
    });
}
