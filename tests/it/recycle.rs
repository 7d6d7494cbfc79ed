//! When a worker is replaced, seen from outside: by its answers, by the log, by nobody who is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Launch, Mode, Protocol, Server, at_once, modes, run, until};

/// Long enough for a boot on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// The key of a limit of the default pool.
fn limit(launch: Launch, key: &str, value: &str) -> Launch {
    launch.config(&format!("pools.default.recycle.{key}"), value)
}

/// Lines about workers that were replaced for this reason.
fn recycled(log: &str, reason: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == "worker.recycle" && line["reason"] == reason).collect()
}

async fn until_recycled(server: &Server, reason: &str, count: usize) -> Vec<Value> {
    until(SOON, &format!("{count} are recycled for {reason}"), || {
        let lines = recycled(&server.log(), reason);
        (lines.len() >= count).then_some(lines)
    })
    .await
}

modes!(
    every_incarnation_serves_exactly_its_limit,
    |launch| limit(limit(launch.workers(1), "max_requests", "50"), "jitter", "0"),
    async |server| {
        let mut connection = server.connect(Protocol::Http1).await;
        let mut served = BTreeMap::<u64, u64>::new();
        for _ in 0..500 {
            let worker = connection.get("/worker").await.ok().json();
            *served.entry(worker["incarnation"].as_u64().expect("a number")).or_default() += 1;
        }
        assert_eq!(served, (1..=10).map(|incarnation| (incarnation, 50)).collect());
        let lines = until_recycled(server, "max_requests", 10).await;
        assert!(lines.iter().all(|line| line["requests"] == 50), "{lines:?}");
    }
);

modes!(
    a_limit_of_one_request_works_too,
    |launch| limit(limit(launch.workers(2), "max_requests", "1"), "jitter", "0"),
    async |server| {
        let mut connection = server.connect(Protocol::Http1).await;
        let mut seen = BTreeSet::new();
        for _ in 0..20 {
            let worker = connection.get("/worker").await.ok().json();
            assert!(seen.insert((worker["slot"].as_u64(), worker["incarnation"].as_u64())), "{worker} served before");
        }
    }
);

/// The counts come from the log: an incarnation is told of with the number of its requests.
#[test]
fn points_of_recycling_differ_and_stay_within_the_jitter() {
    let launch = limit(limit(Launch::plain(Mode::Worker).workers(8), "max_requests", "100"), "jitter", "0.1");
    run(launch, async |server| {
        let address = server.address();
        at_once(8, |_| async move {
            let mut connection = crate::support::Connection::open(address, Protocol::Http1).await;
            for _ in 0..250 {
                connection.get("/echo?us=100").await.ok();
            }
        })
        .await;
        // 2000 requests, 110 at most for each.
        let lines = until_recycled(server, "max_requests", 10).await;
        let counts: Vec<u64> = lines.iter().filter_map(|line| line["requests"].as_u64()).collect();
        assert!(counts.iter().all(|count| (90..=110).contains(count)), "{counts:?}");
        assert!(counts.iter().collect::<BTreeSet<_>>().len() > 2, "{counts:?}");
    });
}

#[test]
fn recycling_under_load_fails_nobody() {
    let launch = limit(limit(Launch::plain(Mode::Worker).workers(4), "max_requests", "20"), "jitter", "0.1");
    run(launch, async |server| {
        let address = server.address();
        let served = Arc::new(std::sync::Mutex::new(BTreeMap::<(u64, u64), u64>::new()));
        let book = Arc::clone(&served);
        at_once(8, |_| {
            let book = Arc::clone(&book);
            async move {
                let mut connection = crate::support::Connection::open(address, Protocol::Http1).await;
                for _ in 0..100 {
                    let worker = connection.get("/worker").await.ok().json();
                    let number = |name: &str| worker[name].as_u64().expect("a number");
                    let key = (number("slot"), number("incarnation"));
                    *book.lock().expect("no panic").entry(key).or_default() += 1;
                }
            }
        })
        .await;
        let served = served.lock().expect("no panic").clone();
        assert_eq!(served.values().sum::<u64>(), 800);
        assert!(served.values().all(|count| *count <= 22), "{served:?}");
        assert!(served.len() >= 800 / 22, "{served:?}");
        let lines = recycled(&server.log(), "max_requests");
        assert!(lines.iter().all(|line| (18..=22).contains(&line["requests"].as_u64().unwrap_or(0))), "{lines:?}");
    });
}

/// Keeps so many MiB for as long as the worker lives.
fn leak(mebibytes: u32) -> String {
    format!(
        "if (!class_exists('Kept', false)) {{ eval('final class Kept {{ public static array $all = []; }}'); }}\n\
         Kept::$all[] = str_repeat('x', {mebibytes} << 20); echo 'kept';"
    )
}

/// Limits, scripts to run one after the other, the reason that must be seen, and whether it is an error worth announcing.
#[test]
fn each_reason_can_be_seen_from_outside() {
    type Case<'a> = (&'a [(&'a str, &'a str)], Vec<String>, &'a str);
    let say = |code: &str| code.to_owned();
    let cases: [Case<'_>; 11] = [
        (&[("max_memory", "\"16MiB\"")], vec![leak(24)], "mem_limit"),
        (&[("soft_memory", "\"16MiB\"")], vec![leak(24)], "mem_soft"),
        (&[("max_memory", "0"), ("emergency_memory", "\"16MiB\"")], vec![leak(24)], "mem_emergency"),
        (
            &[("memory_growth", "\"16MiB\"")],
            vec![say("echo 1;"), say("echo 2;"), say("echo 3;"), say("echo 4;"), say("echo 5;"), leak(24)],
            "mem_growth",
        ),
        (&[("max_uptime", "\"200ms\"")], vec![], "max_uptime"),
        (&[("max_idle", "\"200ms\"")], vec![say("echo 1;")], "max_idle"),
        (&[("max_request_duration", "\"50ms\"")], vec![say("usleep(120_000);")], "slow_request"),
        (
            &[("max_consecutive_failures", "2")],
            vec![say("throw new Exception('on purpose');"), say("throw new Exception('on purpose');")],
            "consecutive_failures",
        ),
        (&[], vec![say("supercharger_recycle('I have grown old');")], "app_request"),
        (&[], vec![say("header('X-Runtime-Supercharger-Recycle: 1'); echo 1;")], "app_request"),
        (
            &[],
            vec![say("supercharger_on_reset(static fn () => throw new Exception('on purpose'), 'clumsy');")],
            "reset_failed",
        ),
    ];
    for (limits, scripts, reason) in cases {
        let launch = limits
            .iter()
            .fold(Launch::plain(Mode::Worker).workers(1), |launch, (key, value)| limit(launch, key, value))
            .expect_error("on purpose")
            .expect_error(&format!("\"{reason}\""))
            .expect_error("clumsy");
        run(launch, async |server| {
            for script in &scripts {
                server.get(&server.script(script)).await;
            }
            let line = until_recycled(server, reason, 1).await.remove(0);
            assert_eq!((&line["slot"], &line["incarnation"]), (&Value::from(0), &Value::from(1)), "{line}");
            let seen = server.json("/worker").await;
            assert!(seen["incarnation"].as_u64() >= Some(2), "{reason}: {seen}");
        });
    }
}

#[test]
fn a_leaking_route_recycles_only_its_own_slot() {
    let launch = limit(Launch::plain(Mode::Worker).workers(4), "max_memory", "\"16MiB\"");
    run(launch, async |server| {
        server.get(&server.script(&leak(24))).await.ok();
        let hit = until_recycled(server, "mem_limit", 1).await[0]["slot"].as_u64();
        // All four are held at the same time, so each answers for its own slot.
        let mut holders = Vec::new();
        let mut seen = BTreeMap::new();
        for number in 0..4 {
            let mut holder = server.raw().await;
            holder.get(&format!("/hold?id={number}")).await;
            let mark = server.dir().wait_for_mark(&format!("holding-{number}")).await;
            let worker: Value = serde_json::from_str(&mark).expect("JSON");
            seen.insert(worker["slot"].as_u64(), worker["incarnation"].as_u64());
            holders.push(holder);
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
        for (slot, incarnation) in seen {
            assert_eq!(incarnation, Some(if slot == hit { 2 } else { 1 }), "slot {slot:?}, the leak was in {hit:?}");
        }
        for (number, holder) in holders.iter_mut().enumerate() {
            server.dir().mark(&format!("release-{number}"));
            holder.until(&format!("held {number}")).await;
        }
    });
}

/// Both at the same time: the old one has its last request while its successor, booted ahead, serves.
#[test]
fn the_successor_serves_while_the_old_one_has_its_last_request() {
    let launch = limit(limit(Launch::plain(Mode::Worker).workers(1), "max_requests", "3"), "jitter", "0");
    run(launch, async |server| {
        for _ in 0..2 {
            server.get("/").await.ok();
        }
        let mut holder = server.raw().await;
        holder.get("/hold?id=last").await;
        let mark = server.dir().wait_for_mark("holding-last").await;
        let last: Value = serde_json::from_str(&mark).expect("JSON");
        assert_eq!((&last["incarnation"], &last["requests"]), (&Value::from(1), &Value::from(3)));
        assert_eq!(server.json("/worker").await["incarnation"], 2, "nobody waits for the last request");
        server.dir().mark("release-last");
        holder.until("held last").await;
        until_recycled(server, "max_requests", 1).await;
    });
}
