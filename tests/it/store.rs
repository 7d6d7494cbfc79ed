//! The store that workers share: by PHP's functions, over the workers of two processes and over their deaths; and the same through Symfony.

mod symfony;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Launch, Mode, Server, at_once, modes, program, run, until};

const SOON: Duration = Duration::from_secs(20);

/// Sixteen workers, of two processes: what holds there holds for those of one.
fn crowded(launch: Launch) -> Launch {
    launch
        .workers(8)
        .config("server.processes", "2")
        .config("pools.default.overflow.queue_timeout", "\"40s\"")
        .keeps_descriptors(2)
}

/// Sends that many requests at once; how many are answered with this text.
async fn answered(server: &Server, count: usize, path: &str, text: &'static str) -> usize {
    let found = Arc::new(AtomicUsize::new(0));
    let address = server.address();
    at_once(count, |_| {
        let (found, path) = (Arc::clone(&found), path.to_owned());
        async move {
            let mut connection = crate::support::Connection::open(address, crate::support::Protocol::Http1).await;
            let answer = connection.get(&path).await;
            found.fetch_add(usize::from(answer.ok().text() == text), Ordering::Relaxed);
        }
    })
    .await;
    found.load(Ordering::Relaxed)
}

/// Replaces every worker in order.
async fn recycle(server: &Server) {
    let booted = server.dir().lines("boots.log");
    server.ask_admin("POST", "/workers/recycle", &[]).await.expect(202);
    until(SOON, "the workers are others", || (server.dir().lines("boots.log") >= booted + 16).then_some(())).await;
}

async fn reload(server: &Server) {
    let done = server.log().matches("\"event\":\"server.reload\"").count();
    server.signal("HUP");
    until(SOON, "it is reloaded", || {
        (server.log().matches("\"event\":\"server.reload\"").count() > done).then_some(())
    })
    .await;
}

fn dies(launch: Launch) -> Launch {
    launch.expect_error("\"child.crash").expect_error("worker").expect_error("PHP Fatal error").expect_error("request.")
}

const LIMITED: &str = "echo supercharger_rate_limit('all', [['policy' => 'fixed_window', 'limit' => 100, 'interval' => 3600]], \
    rule: 'of the test')['allowed'] ? 'yes' : 'no';";

fn observed(launch: Launch) -> Launch {
    dies(crowded(launch)).admin()
}

modes!(of_a_thousand_at_once_a_hundred_pass_and_none_afterwards, observed, async |server| {
    let path = server.script(LIMITED);
    assert_eq!(answered(server, 1000, &path, "yes").await, 100);
    // The same without HTTP in between, which lets the decisions come close to each other.
    let storm = server.script(
        "for ($i = 0; $i < 1000; ++$i) { if (supercharger_rate_limit('storm', [['policy' => 'fixed_window', 'limit' => 20000, \
         'interval' => 3600]])['allowed']) { supercharger_counter_add('passed'); } } echo 'asked';",
    );
    assert_eq!(answered(server, 48, &storm, "asked").await, 48);
    assert_eq!(server.get(&server.script("echo supercharger_counter_get('passed');")).await.ok().text(), "20000");
    server
        .get(&server.script("supercharger_rate_limit_reset('storm'); supercharger_counter_delete('passed');"))
        .await
        .ok();
    if server.dir().lines("boots.log") > 0 {
        recycle(server).await;
        assert_eq!(answered(server, 32, &path, "yes").await, 0, "after a recycle");
    }
    reload(server).await;
    assert_eq!(answered(server, 32, &path, "yes").await, 0, "after a reload");
    for pid in server.children() {
        program::signal(pid, "KILL");
    }
    server.wait_for_log("\"event\":\"child.crash\"").await;
    assert_eq!(answered(server, 32, &path, "yes").await, 0, "after a crash");
    let refused = server.metric("supercharger_rate_limited_total{rule=\"of the test\"}").await;
    assert!(refused >= 964.0, "{refused}");
    assert_eq!(server.metric("supercharger_store_entries{part=\"kept\"}").await, 1.0);
});

modes!(counters_lose_nothing, crowded, async |server| {
    let path = server.script("for ($i = 0; $i < 200; ++$i) { supercharger_counter_add('c', 2); } echo 'counted';");
    assert_eq!(answered(server, 200, &path, "counted").await, 200);
    let path = server.script("echo supercharger_counter_get('c'), ' ', supercharger_store_info()['scope'];");
    assert_eq!(server.get(&path).await.ok().text(), "80000 server");
});

/// Each reads a file and writes what follows: without the lock some of it would be lost.
const GUARDED: &str = "$token = bin2hex(random_bytes(8)); \
    if (!supercharger_lock_acquire('l', $token, 60, 30)) { echo 'timeout'; return; } \
    $file = App\\test_dir().'/count'; $count = (int) @file_get_contents($file); usleep(500); file_put_contents($file, $count + 1); \
    echo supercharger_lock_release('l', $token) ? 'done' : 'lost';";

modes!(locks_exclude_each_other, crowded, async |server| {
    let path = server.script(GUARDED);
    assert_eq!(answered(server, 200, &path, "done").await, 200);
    assert_eq!(server.dir().marked("count").as_deref(), Some("200"));
});

fn deadline(launch: Launch) -> Launch {
    launch
        .workers(2)
        .keeps_descriptors(2)
        .config("pools.default.request_timeout", "\"1s\"")
        .expect_error("worker")
        .expect_error("request.")
        .expect_error("PHP Fatal error")
        .expect_error("Maximum execution time")
}

modes!(a_deadline_ends_the_wait_for_a_lock, deadline, async |server| {
    let take = server.script("echo supercharger_lock_acquire('l', 'a', 300) ? 'taken' : '';");
    assert_eq!(server.get(&take).await.ok().text(), "taken");
    let waits = server.script("supercharger_lock_acquire('l', 'b', 300, 3600); echo 'never';");
    let begun = Instant::now();
    server.get(&waits).await.expect(504);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(server.get(&server.script("echo 'alive';")).await.ok().text(), "alive");
});

fn mortal(launch: Launch) -> Launch {
    dies(launch.workers(2)).ini("memory_limit", "64M").keeps_descriptors(2)
}

modes!(who_dies_releases_what_is_bound_to_him, mortal, async |server| {
    let again = server.script("echo supercharger_lock_acquire($_GET['k'], 'other', 60, 10) ? 'free' : 'held';");
    for (number, end) in
        ["$all = str_repeat('x', 1 << 30);", "posix_kill(getmypid(), SIGKILL); sleep(5);"].into_iter().enumerate()
    {
        let take = |bound: bool| {
            format!(
                "if (!supercharger_lock_acquire('{number}{bound}', 'a', 600, 0, false, {bound})) {{ exit('busy'); }} {end}"
            )
        };
        for bound in [true, false] {
            let path = server.script(&take(bound));
            let mut raw = server.raw().await;
            raw.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
            assert!(raw.closes_within(SOON).await, "{}", raw.text());
            assert!(!raw.text().contains("busy"));
        }
        assert_eq!(server.get(&format!("{again}&k={number}true")).await.ok().text(), "free", "{end}");
        let now =
            server.script(&format!("echo supercharger_lock_acquire('{number}false', 'other', 60) ? 'free' : 'held';"));
        assert_eq!(server.get(&now).await.ok().text(), "held", "{end}");
    }
    // Nothing of the store has suffered: three locks are there, and the one that was taken by the process that was killed next is not.
    let path = server.script("$i = supercharger_store_info(); echo $i['wipes'], ' ', $i['kept_entries'];");
    assert_eq!(server.get(&path).await.ok().text(), "0 3");
});

fn narrow(launch: Launch) -> Launch {
    launch
        .workers(2)
        .keeps_descriptors(2)
        .admin()
        .config("store.max_memory", "\"1MiB\"")
        .config("store.max_entries", "100")
        .config("store.max_value", "\"64KiB\"")
}

modes!(room_is_bounded_and_what_is_not_used_makes_it, narrow, async |server| {
    let fill = server.script(
        "for ($i = 0; $i < 150; ++$i) { supercharger_store_set(\"k$i\", str_repeat('x', 100)); supercharger_store_get('k0'); } \
         echo json_encode([supercharger_store_has('k0'), supercharger_store_has('k1'), supercharger_store_has('k149'), \
         supercharger_store_set('large', str_repeat('x', 70000)), supercharger_store_info()]);",
    );
    let told = server.json(&fill).await;
    assert_eq!((&told[0], &told[1], &told[2], &told[3]), (&true.into(), &false.into(), &true.into(), &false.into()));
    assert_eq!((told[4]["entries"].as_u64(), told[4]["evictions"].as_u64()), (Some(100), Some(50)), "{told}");
    let large = server.script(
        "for ($i = 0; $i < 40; ++$i) { supercharger_store_set(\"l$i\", str_repeat('x', 60000)); } \
         for ($i = 0, $kept = 0; $i < 40; ++$i) { $kept += (int) supercharger_store_set(\"kept$i\", str_repeat('x', 60000), 0, true); } \
         $info = supercharger_store_info(); echo json_encode([$kept, $info]);",
    );
    let told = server.json(&large).await;
    let (memory, most) = (told[1]["memory_bytes"].as_u64(), told[1]["max_memory_bytes"].as_u64());
    assert!(memory <= most && memory > most.map(|most| most / 2), "{told}");
    assert_eq!(told[0], 6, "six eighths of half of the room: {told}");
    assert!(server.metric("supercharger_store_refusals_total").await >= 35.0);
    assert!(server.metric("supercharger_store_evictions_total").await >= 50.0);
});

modes!(values_of_every_type_live_as_long_as_they_should, narrow, async |server| {
    let set = server.script(
        "supercharger_store_set('brief', 'x', 0.2); \
         echo json_encode([supercharger_store_set('v', ['n' => null, 'f' => 1.5, 'o' => new ArrayObject([1])], 60), \
         supercharger_store_set('text', \"a\\0b\"), supercharger_store_add('v', 1), supercharger_store_add('new', false)]);",
    );
    assert_eq!(server.json(&set).await, serde_json::json!([true, true, false, true]));
    let get = server.script(
        "$v = supercharger_store_get('v'); echo json_encode([$v['f'], $v['o'][0], bin2hex(supercharger_store_get('text')), \
         supercharger_store_get('new'), supercharger_store_get('none', 'otherwise')]);",
    );
    assert_eq!(server.json(&get).await, serde_json::json!([1.5, 1, "610062", false, "otherwise"]));
    let brief = server.script("echo supercharger_store_has('brief') ? 'there' : 'gone';");
    let limit = Instant::now() + SOON;
    while server.get(&brief).await.ok().text() != "gone" {
        assert!(Instant::now() < limit, "it has lapsed long ago");
    }
    reload(server).await;
    assert_eq!(server.json(&get).await[0], 1.5, "a reload takes nothing away");
    let clear =
        server.script("echo supercharger_store_clear('te'), ' ', supercharger_store_has('v') ? 'there' : 'gone';");
    assert_eq!(server.get(&clear).await.ok().text(), "1 there");
});

/// A child of `pcntl_fork()` shares the memory and nobody would clean up after it.
#[test]
fn a_forked_process_is_refused() {
    run(Launch::plain(Mode::Classic).workers(1), async |server| {
        let path = server.script(
            "$pid = pcntl_fork(); if (0 === $pid) { try { supercharger_store_get('a'); } catch (RuntimeException $e) { \
             App\\mark('said', $e->getMessage()); } posix_kill(getmypid(), SIGKILL); } pcntl_waitpid($pid, $status); echo 'parent';",
        );
        assert_eq!(server.get(&path).await.ok().text(), "parent");
        assert!(server.dir().marked("said").is_some_and(|said| said.contains("forked")));
    });
}

/// A child that cannot read the store of its server, as after an upgrade to one of another form, says so and goes on with its own.
#[test]
fn a_child_that_has_no_part_in_the_store_says_so() {
    let launch = Launch::plain(Mode::Worker).keeps_descriptors(1).expect_error("store.apart");
    run(launch, async |server| {
        let scope = server.script("echo json_encode(supercharger_store_info()['scope']);");
        assert_eq!(server.json(&scope).await, "server");
        assert!(!server.log().contains("store.apart"), "{}", server.log());
        let descriptors = format!("/proc/{}/fd", server.pid());
        let files = std::fs::read_dir(&descriptors).expect("a process").flatten().map(|entry| entry.path());
        let is_store = |path: &std::path::PathBuf| {
            std::fs::read_link(path).is_ok_and(|file| file.display().to_string().contains("supercharger-store"))
        };
        let memory = files.filter(is_store).last().expect("the store's memory");
        let mut memory = std::fs::OpenOptions::new().write(true).open(memory).expect("memory");
        std::io::Write::write_all(&mut memory, &[0; 8]).expect("room");
        reload(server).await;
        let line = server.wait_for_log("\"store.apart\"").await;
        assert!(line.contains("\"level\":\"error\"") && line.contains("\"child\":2"), "{line}");
        until(SOON, "the new child answers", || (server.dir().lines("boots.log") >= 2).then_some(())).await;
        assert_eq!(server.json(&scope).await, "process");
    });
}
