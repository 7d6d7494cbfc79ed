//! Deadlines of execution: the client is answered in time whatever the script does, the thread is interrupted, and the next request served.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use crate::support::client::End;
use crate::support::{CROWD, Connection, Launch, Mode, PrivateDir, Protocol, Server, at_once, modes, run, until};

/// The deadline in these tests.
const DEADLINE: Duration = Duration::from_millis(700);
/// By how much the 504 may be late: the issue's own bound.
const LATE: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(10);

/// One worker with a short deadline; what a script that is ended says is no fault.
fn impatient(launch: Launch) -> Launch {
    within(DEADLINE, launch)
}

fn within(deadline: Duration, launch: Launch) -> Launch {
    let deadline = format!("\"{}ms\"", deadline.as_millis());
    let launch = launch.workers(1).config("pools.default.request_timeout", &deadline);
    // A test that hangs longer than it should fails by its own bounds.
    launch.expect_error("\"worker.timeout\"").expect_error("\"reason\":\"timeout\"").expect_error("Time is up")
}

/// A listener that accepts by its backlog alone and never says a word.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// Runs PHP code that never ends by itself: 504 in time, the thread gives way, the next request is served by a new incarnation.
async fn gives_way(server: &Server, what: &str, code: &str) {
    let path = server.script(&format!("\\App\\mark('{what}'); {code}; \\App\\mark('survived-{what}');"));
    let begun = Instant::now();
    let answer = server.send("GET", &path, &[("accept", "application/json")], "").await;
    let took = begun.elapsed();
    answer.expect(504);
    assert_eq!(answer.json()["error"]["code"], "execution_timeout", "{what}");
    assert!(took >= DEADLINE && took < DEADLINE + LATE, "{what}: {took:?}");
    assert!(server.dir().marked(what).is_some(), "{what}: the script has run");
    assert_eq!(server.get("/").await.ok().text(), "hello", "{what}");
    until(SOON, &format!("{what} has given way"), || (threads(server) == 1).then_some(())).await;
    assert!(server.dir().marked(&format!("survived-{what}")).is_none(), "{what}: a script that was ended goes on");
}

/// Threads that run PHP.
fn threads(server: &Server) -> usize {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", server.php_pid())) else { return 0 };
    let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("php-")).count()
}

modes!(a_busy_loop_is_ended, impatient, async |server| {
    gives_way(server, "loop", "while (true) { }").await;
    gives_way(server, "calls", "while (true) { strlen(md5('x')); }").await;
    gives_way(
        server,
        "caught",
        "try { while (true) { } } catch (\\Throwable) { } finally { \\App\\mark('survived-caught'); }",
    )
    .await;
    gives_way(server, "unlimited", "set_time_limit(0); ignore_user_abort(true); while (true) { }").await;
    gives_way(server, "fiber", "(new Fiber(function () { while (true) { } }))->start()").await;
});

modes!(a_sleep_is_ended, impatient, async |server| {
    gives_way(server, "sleep", "sleep(600)").await;
    gives_way(server, "sleeps", "while (true) { sleep(600); }").await;
    gives_way(server, "usleep", "usleep(600_000_000)").await;
    gives_way(server, "nanosleep", "time_nanosleep(600, 0)").await;
    gives_way(server, "until", "time_sleep_until(microtime(true) + 600)").await;
    gives_way(server, "masked", "pcntl_sigprocmask(SIG_BLOCK, range(1, 64)); sleep(600)").await;
});

modes!(a_blocked_read_from_a_socket_is_ended, impatient, async |server| {
    let (_listener, port) = silent();
    let open = format!("$s = stream_socket_client('tcp://127.0.0.1:{port}'); stream_set_timeout($s, 3600)");
    gives_way(server, "fread", &format!("{open}; fread($s, 10)")).await;
    gives_way(server, "fgets", &format!("{open}; while (true) {{ fgets($s); }}")).await;
    gives_way(server, "select", &format!("{open}; $r = [$s]; $n = null; stream_select($r, $n, $n, 600)")).await;
    gives_way(
        server,
        "http",
        &format!("ini_set('default_socket_timeout', '600'); file_get_contents('http://127.0.0.1:{port}/')"),
    )
    .await;
    gives_way(server, "tls", &format!("stream_socket_client('tls://127.0.0.1:{port}', $e, $m, 600)")).await;
    gives_way(server, "curl", &format!("curl_exec(curl_init('http://127.0.0.1:{port}/'))")).await;
    let sockets = format!(
        "$s = socket_create(AF_INET, SOCK_STREAM, SOL_TCP); socket_connect($s, '127.0.0.1', {port}); socket_read($s, 10)"
    );
    gives_way(server, "sockets", &sockets).await;
    gives_way(server, "accept", "stream_socket_accept(stream_socket_server('tcp://127.0.0.1:0'), 600)").await;
});

// pdo_mysql itself never closes the socket of a handshake that fails: plain PHP 8.4 keeps it to its end.
modes!(a_blocked_call_of_a_database_is_ended, |launch| impatient(launch).keeps_descriptors(1), async |server| {
    let (_listener, port) = silent();
    gives_way(server, "pgsql", &format!("new PDO('pgsql:host=127.0.0.1;port={port};dbname=x', 'u', 'p')")).await;
    gives_way(server, "mysql", &format!("new PDO('mysql:host=127.0.0.1;port={port};dbname=x', 'u', 'p')")).await;
    gives_way(server, "redis", &format!("$r = new Redis(); $r->connect('127.0.0.1', {port}); $r->get('x')")).await;
    let file = server.dir().path().join("lock.db");
    let open = format!(
        "$a = new PDO('sqlite:{file}'); $a->exec('create table if not exists t (a)'); $b = new PDO('sqlite:{file}')",
        file = file.display()
    );
    gives_way(server, "sqlite", &format!("{open}; $a->exec('begin exclusive'); $b->exec('insert into t values (1)')"))
        .await;
});

modes!(a_blocked_lock_is_ended, impatient, async |server| {
    let file = server.dir().path().join("lock");
    let open = format!("fopen('{}', 'c')", file.display());
    gives_way(server, "flock", &format!("$a = {open}; flock($a, LOCK_EX); $b = {open}; flock($b, LOCK_EX)")).await;
    let folder = server.dir().path().display().to_string();
    let session = format!(
        "session_save_path('{folder}'); session_id('taken'); $a = fopen('{folder}/sess_taken', 'c'); flock($a, LOCK_EX); session_start()"
    );
    gives_way(server, "session", &session).await;
});

modes!(a_blocked_pipe_or_child_is_ended, impatient, async |server| {
    let fifo = server.dir().path().join("fifo");
    gives_way(
        server,
        "fifo",
        &format!("posix_mkfifo('{fifo}', 0600); fread(fopen('{fifo}', 'r+'), 10)", fifo = fifo.display()),
    )
    .await;
    gives_way(server, "exec", "exec('exec sleep 600')").await;
    gives_way(server, "process", "$p = proc_open(['sleep', '600'], [], $pipes); proc_close($p)").await;
    gives_way(
        server,
        "deaf",
        "$p = proc_open(['sh', '-c', 'trap \"\" TERM; exec sleep 600'], [], $pipes); proc_close($p)",
    )
    .await;
});

modes!(a_stream_is_broken_off, impatient, async |server| {
    let path = server.script("echo 'begun'; flush(); sleep(600);");
    let mut connection = server.connect(Protocol::Http1).await;
    let begun = Instant::now();
    let mut reading = connection.begin("GET", &path, &[], "").await;
    reading.until("begun").await;
    assert_eq!(reading.status(), 200);
    assert_eq!(reading.rest().await, End::BrokenOff);
    assert!(begun.elapsed() < DEADLINE + LATE, "{:?}", begun.elapsed());
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

modes!(what_runs_after_the_response_has_the_deadline_too_and_the_response_is_whole, impatient, async |server| {
    let path = server.script("echo str_repeat('sent ', 30000); supercharger_finish_request(); sleep(600);");
    assert_eq!(server.get(&path).await.ok().text(), "sent ".repeat(30_000));
    assert_eq!(server.get("/").await.ok().text(), "hello", "once the time is over");
    assert!(server.log().contains("\"answer\":\"sent\""), "{}", server.log());
});

#[test]
fn a_terminate_step_that_hangs_is_ended() {
    run(impatient(Launch::plain(Mode::Worker)), async |server| {
        let path = server.script("App\\Terminate::$step = fn () => sleep(600); echo 'whole';");
        assert_eq!(server.get(&path).await.ok().text(), "whole");
        assert_eq!(server.get("/").await.ok().text(), "hello", "once the time is over");
        server.wait_for_log("\"worker.gave_way\"").await;
    });
}

modes!(shutdown_functions_get_a_second_and_no_more, impatient, async |server| {
    let last = "register_shutdown_function(function () { \\App\\mark('last-words', error_get_last()['message'] ?? ''); while (true) { } });";
    let path = server.script(&format!("{last} while (true) {{ }}"));
    server.get(&path).await.expect(504);
    let said = server.dir().wait_for_mark("last-words").await;
    assert!(said.starts_with("Time is up: pools.default.request_timeout has passed"), "{said}");
    until(SOON, "it has given way", || (threads(server) == 1).then_some(())).await;
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

/// Code that asks nobody whether it may go on: seconds of computing within one call.
fn deaf(cost: u32) -> String {
    format!("\\App\\mark('deaf'); password_hash('x', PASSWORD_BCRYPT, ['cost' => {cost}]); \\App\\mark('survived');")
}

modes!(
    a_thread_that_does_not_give_way_is_stuck_and_comes_back_quietly,
    |launch| impatient(launch).config("pools.default.stuck_grace", "\"300ms\"").expect_error("\"worker.stuck\""),
    async |server| {
        let path = server.script(&deaf(15));
        let begun = Instant::now();
        server.get(&path).await.expect(504);
        assert!(begun.elapsed() < DEADLINE + LATE, "{:?}", begun.elapsed());
        assert_eq!(server.get("/").await.ok().text(), "hello");
        assert_eq!(threads(server), 2, "it still computes");
        let line = server.wait_for_log("\"worker.stuck\"").await;
        assert!(line.contains("\"stuck\":1"), "{line}");
        until(Duration::from_secs(40), "it has come back", || (threads(server) == 1).then_some(())).await;
        assert!(server.wait_for_log("\"worker.gave_way\"").await.contains("\"stuck\":true"));
        assert!(server.dir().marked("survived").is_none(), "it ended where it came back");
        assert_eq!(server.get("/").await.ok().text(), "hello");
    }
);

/// The old child leaves with its stuck threads; nobody is refused meanwhile.
#[test]
fn too_many_stuck_threads_replace_the_child() {
    let launch = impatient(Launch::plain(Mode::Worker)).config("pools.default.stuck_grace", "\"100ms\"");
    let launch = launch.config("process.max_stuck", "1").config("server.drain_timeout", "\"5s\"");
    run(launch.expect_error("\"worker.stuck\"").expect_error("child."), async |server| {
        let before = server.php_pid();
        let path = server.script(&deaf(20));
        server.get(&path).await.expect(504);
        server.get(&path).await.expect(504);
        // Stays far below the workers' own limits, and each over a connection of its own.
        until_replaced(server, before).await;
        assert_eq!(server.get("/").await.ok().text(), "hello");
        server.wait_for_log("process.max_stuck is 1").await;
    });
}

/// Sends requests until another child than that one is the only one.
async fn until_replaced(server: &Server, before: u32) {
    let end = Instant::now() + Duration::from_secs(40);
    let mut children = server.children();
    while children.contains(&before) {
        assert!(Instant::now() < end, "children {children:?}");
        assert_eq!(server.get("/").await.ok().text(), "hello");
        children = server.children();
    }
}

modes!(a_hundred_timeouts_leave_nothing_behind, |launch| within(Duration::from_millis(30), launch), async |server| {
    let (_listener, port) = silent();
    let sleeps = server.script("sleep(600);");
    let reads = server.script(&format!("fread(stream_socket_client('tcp://127.0.0.1:{port}'), 1);"));
    let some = async |count: usize| {
        for _ in 0..count {
            server.get(&sleeps).await.expect(504);
            server.get(&reads).await.expect(504);
        }
        until(SOON, "all have given way", || (threads(server) == 1).then_some(())).await;
    };
    some(10).await;
    let before = server.memory_kib("VmRSS");
    some(50).await;
    let after = server.memory_kib("VmRSS");
    // Threads come and go, so the allocator's own places for them may grow a little.
    assert!(after < before + 16 * 1024, "from {before} to {after} KiB");
});

modes!(
    timeouts_under_load_leave_neighbours_unharmed,
    |launch| within(Duration::from_secs(3), launch)
        .workers(6)
        .config("pools.default.overflow.queue_timeout", "\"30s\""),
    async |server| {
        let (_listener, port) = silent();
        let hang = [
            server.script("sleep(600);"),
            server.script("while (true) { }"),
            server.script(&format!("fread(stream_socket_client('tcp://127.0.0.1:{port}'), 1);")),
        ];
        let fine = server.script("for ($i = 0; $i < 20; ++$i) { usleep(1000); } echo str_repeat($_GET['n'], 1000);");
        let address = server.address();
        at_once(CROWD, |number| {
            let (hang, fine) = (hang[number % 3].clone(), fine.clone());
            async move {
                let mut connection = Connection::open(address, Protocol::Http1).await;
                if number % 8 == 0 {
                    connection.get(&hang).await.expect(504);
                }
                for round in 0..10 {
                    let n = format!("{number}-{round};");
                    assert_eq!(connection.get(&format!("{fine}&n={n}")).await.ok().text(), n.repeat(1000));
                }
            }
        })
        .await;
    }
);

#[test]
fn a_resetter_that_hangs_costs_its_worker_and_nobody_else() {
    let launch = Launch::plain(Mode::Worker).workers(1).config("pools.default.reset.timeout", "\"300ms\"");
    let launch = launch.expect_error("\"worker.timeout\"").expect_error("reset_missing").expect_error("Time is up");
    run(launch, async |server| {
        let path = server.script("supercharger_on_reset(fn () => sleep(600), 'sleeper'); echo 'answered';");
        assert_eq!(server.get(&path).await.ok().text(), "answered");
        assert_eq!(server.get("/").await.ok().text(), "hello");
        let line = server.wait_for_log("\"worker.recycle\"").await;
        assert!(line.contains("\"reason\":\"reset_missing\""), "{line}");
    });
}

const HANGS_WHEN_MARKED: &str = r#"<?php
if (file_exists(getenv('TEST_DIR').'/hang')) {
    sleep(600);
}
while (supercharger_handle_request(function () {
    echo 'hello';
    if (isset($_GET['end'])) {
        exit;
    }
})) {
}
"#;

/// At run time as at the start: the slot does not wait for a boot that hangs, and tries again.
#[test]
fn a_boot_that_hangs_later_is_given_up_and_tried_again() {
    let dir = PrivateDir::new();
    dir.write("app/worker.php", HANGS_WHEN_MARKED);
    let launch = Launch::with_dir(dir, Mode::Worker).root(".").script("worker.php").workers(1);
    let launch =
        launch.config("pools.default.boot_timeout", "\"1s\"").config("pools.default.overflow.queue_timeout", "\"20s\"");
    let launch =
        launch.expect_error("\"worker.timeout\"").expect_error("worker.boot_failed").expect_error("Time is up");
    run(launch, async |server| {
        server.dir().mark("hang");
        assert_eq!(server.get("/?end").await.ok().text(), "hello");
        let line = server.wait_for_log("did not reach its loop within 1 s").await;
        assert!(line.contains("pools.default.boot_timeout"), "{line}");
        std::fs::remove_file(server.dir().marks().join("hang")).expect("the mark");
        assert_eq!(server.get("/").await.ok().text(), "hello");
    });
}
