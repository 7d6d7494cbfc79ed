//! Pools: how many workers, chosen by whom, and limits of their own.

use std::time::Duration;

use serde_json::Value;

use crate::support::raw::Raw;
use crate::support::{Launch, Mode, PrivateDir, Server, modes, run, until};

const SOON: Duration = Duration::from_secs(15);

/// Lines of the log about pools that grew or shrank.
fn scaled(server: &Server, direction: &str) -> Vec<Value> {
    let log = server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == "pool.scale" && line["direction"] == direction).collect()
}

async fn hold(server: &Server, count: usize) -> Vec<Raw> {
    let mut holders = Vec::new();
    for number in 0..count {
        let mut holder = server.raw().await;
        holder.get(&format!("/hold?id={number}")).await;
        holders.push(holder);
    }
    for number in 0..count {
        server.dir().wait_for_mark(&format!("holding-{number}")).await;
    }
    holders
}

async fn release(server: &Server, holders: Vec<Raw>) {
    for (number, mut holder) in holders.into_iter().enumerate() {
        server.dir().mark(&format!("release-{number}"));
        holder.until(&format!("held {number}")).await;
    }
}

modes!(
    a_pool_grows_while_requests_wait_and_shrinks_when_it_is_idle,
    |launch| launch.workers(1).config("pools.default.max", "4").config("pools.default.scale_down_idle", "\"200ms\""),
    async |server| {
        // Four are held at the same time, so there are four workers.
        let holders = hold(server, 4).await;
        let up = scaled(server, "up");
        assert_eq!(up.last().map(|line| line["to"].clone()), Some(Value::from(4)), "{up:?}");
        // 1, 2, 3, 4 or 1, 2, 4: half as many again at most.
        assert!((2..=3).contains(&up.len()), "{up:?}");
        release(server, holders).await;
        let down = until(SOON, "it has shrunk", || Some(scaled(server, "down")).filter(|lines| lines.len() >= 3)).await;
        let steps: Vec<_> = down.iter().map(|line| (line["from"].as_u64(), line["to"].as_u64())).collect();
        assert_eq!(steps, [(Some(4), Some(3)), (Some(3), Some(2)), (Some(2), Some(1))], "one at a time");
        server.wait_for_log("\"reason\":\"scale_down\"").await;
        assert_eq!(server.get("/").await.ok().text(), "hello");
    }
);

modes!(
    a_quiet_pool_shrinks_at_once,
    |launch| launch
        .workers(4)
        .config("pools.default.min", "1")
        .config("pools.default.aggressive_scale_down", "\"200ms\""),
    async |server| {
        let down = until(SOON, "it has shrunk", || scaled(server, "down").pop()).await;
        assert_eq!((down["from"].as_u64(), down["to"].as_u64()), (Some(4), Some(1)), "{down}");
        assert_eq!(server.get("/").await.ok().text(), "hello");
        release(server, hold(server, 4).await).await;
    }
);

#[test]
fn one_request_that_waits_starts_one_worker() {
    let launch = Launch::plain(Mode::Worker).workers(1).config("pools.default.max", "8");
    run(launch, async |server| {
        let holders = hold(server, 2).await;
        let up = scaled(server, "up");
        assert_eq!(up.len(), 1, "{up:?}");
        assert_eq!((up[0]["from"].as_u64(), up[0]["to"].as_u64()), (Some(1), Some(2)));
        release(server, holders).await;
    });
}

/// A pool with a name has limits and sizes of its own, from the file and from variables.
#[test]
fn a_pool_has_its_own_limits() {
    let launch = Launch::plain(Mode::Worker)
        .workers(1)
        .config("pools.api-v2.match", "[\"/worker\"]")
        .config("pools.api-v2.script", "\"app/public/worker.php\"")
        .config("pools.api-v2.workers", "3")
        .config("pools.api-v2.recycle.max_requests", "4")
        .config("pools.api-v2.recycle.jitter", "0")
        .env("SUPERCHARGER__POOLS__API_V2__WORKERS", "1");
    run(launch, async |server| {
        for number in 0..12_u64 {
            let seen = server.json("/worker").await;
            assert_eq!((seen["pool"].as_str(), seen["slot"].as_u64()), (Some("api-v2"), Some(0)), "one worker: {seen}");
            assert_eq!(seen["incarnation"].as_u64(), Some(number / 4 + 1), "request {number}");
            server.get("/").await.ok();
        }
        let log = server.log();
        let others =
            log.lines().filter(|line| line.contains("worker.recycle") && !line.contains("\"pool\":\"api-v2\""));
        assert_eq!(others.count(), 0, "{log}");
        // The screen names both.
        assert!(log.contains("api-v2"), "{log}");
    });
}

#[test]
fn both_strategies_of_a_queue_refuse_the_start() {
    let dir = PrivateDir::with_app("plain");
    dir.write(
        "supercharger.toml",
        "[app]\nroot = 'app/public'\n[pools.default.overflow]\nmax_queue = 3\nqueue_timeout = '1s'\n",
    );
    let arguments = ["php-server", "--config", "../supercharger.toml"];
    let ended = crate::support::program::supercharger(&dir, &arguments, Duration::from_secs(40));
    assert_eq!(ended.status.code(), Some(78), "{ended}");
    for place in
        [":4: pools.default.overflow.max_queue", "pools.default.overflow.queue_timeout (../supercharger.toml:5)"]
    {
        assert!(ended.stderr.contains(place), "{place}: {ended}");
    }
}
