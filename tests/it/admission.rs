//! Who waits for a worker, for how long, and who is turned away.

use std::time::{Duration, Instant};

use crate::support::raw::Raw;
use crate::support::{Launch, Protocol, Server, modes};

/// Every worker is held by a request of its own.
async fn hold(server: &Server, count: usize) -> Vec<Raw> {
    let mut holders = Vec::new();
    for number in 0..count {
        let mut holder = server.raw().await;
        holder.get(&format!("/hold?id=h{number}")).await;
        server.dir().wait_for_mark(&format!("holding-h{number}")).await;
        holders.push(holder);
    }
    holders
}

async fn release(server: &Server, holders: Vec<Raw>) {
    for (number, mut holder) in holders.into_iter().enumerate() {
        server.dir().mark(&format!("release-h{number}"));
        holder.until(&format!("held h{number}")).await;
    }
}

/// Waits until so many requests wait for a worker.
async fn until_waiting(server: &Server, count: u32) {
    let end = Instant::now() + Duration::from_secs(20);
    while server.metric("supercharger_queue_depth{pool=\"default\"}").await < f64::from(count) {
        assert!(Instant::now() < end, "{count} should wait");
    }
}

/// Turned away at once, with a word on when to come back.
async fn refused(server: &Server) {
    let answer = server.send("GET", "/", &[("accept", "application/json")], "").await;
    assert_eq!(answer.expect(503).json()["error"]["code"], "queue_full", "{answer}");
    let retry = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(retry.is_some_and(|seconds| seconds > 0), "{answer}");
}

fn backpressure(launch: Launch, max_queue: u32) -> Launch {
    launch
        .config("pools.default.overflow.strategy", "\"backpressure\"")
        .config("pools.default.overflow.max_queue", &max_queue.to_string())
}

modes!(
    with_a_queue_of_none_a_busy_pool_refuses_and_an_idle_one_serves,
    |launch| backpressure(launch.workers(1), 0),
    async |server| {
        // An idle pool always serves, also a client that sends its next request the moment it has its answer.
        let mut connection = server.connect(Protocol::Http1).await;
        for _ in 0..300 {
            assert_eq!(connection.get("/").await.ok().text(), "hello");
        }
        let holders = hold(server, 1).await;
        for _ in 0..3 {
            refused(server).await;
        }
        release(server, holders).await;
        assert_eq!(server.get("/").await.ok().text(), "hello");
        let line = server.wait_for_log("request.rejected").await;
        assert!(line.contains("\"cause\":\"queue_full\""), "{line}");
    }
);

modes!(a_queue_of_two_takes_two_in_their_order, |launch| backpressure(launch.workers(1).admin(), 2), async |server| {
    let holders = hold(server, 1).await;
    let connection = server.connect(Protocol::H2c).await;
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..2_u32 {
        let mut stream = connection.share();
        waiting.spawn(async move { stream.get(&format!("/note?line={number}")).await.ok().text() });
        // Nothing shows from outside that it waits, so give it a moment.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    refused(server).await;
    release(server, holders).await;
    while let Some(served) = waiting.join_next().await {
        served.expect("a stream");
    }
    let notes = server.dir().marked("notes").unwrap_or_default();
    assert_eq!(notes.split_whitespace().collect::<Vec<_>>(), ["0", "1"]);
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

modes!(
    a_place_in_the_queue_is_free_again_when_its_client_leaves,
    |launch| backpressure(launch.workers(1).admin(), 1),
    async |server| {
        let holders = hold(server, 1).await;
        let mut leaving = server.raw().await;
        leaving.get("/note?line=left").await;
        until_waiting(server, 1).await;
        refused(server).await;
        leaving.reset();
        let end = Instant::now() + Duration::from_secs(20);
        while server.metric("supercharger_queue_depth{pool=\"default\"}").await > 0.0 {
            assert!(Instant::now() < end, "the place should be free");
        }
        let mut staying = server.raw().await;
        staying.get("/note?line=stayed").await;
        until_waiting(server, 1).await;
        release(server, holders).await;
        staying.response().await;
        let notes = server.dir().marked("notes").unwrap_or_default();
        assert_eq!(notes.split_whitespace().collect::<Vec<_>>(), ["stayed"], "the other one never ran");
    }
);

modes!(
    a_pool_that_can_grow_refuses_nobody,
    |launch| backpressure(launch.workers(1), 0).config("pools.default.max", "3"),
    async |server| {
        let holders = hold(server, 3).await;
        refused(server).await;
        release(server, holders).await;
    }
);

// Forty wait for one worker.
modes!(forty_are_served_in_the_order_of_their_arrival, |launch| launch.workers(1).admin(), async |server| {
    let holders = hold(server, 1).await;
    let connection = server.connect(Protocol::H2c).await;
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..40_u32 {
        let mut stream = connection.share();
        waiting.spawn(async move { stream.get(&format!("/note?line={number}")).await.ok().text() });
        until_waiting(server, number + 1).await;
    }
    release(server, holders).await;
    while let Some(served) = waiting.join_next().await {
        served.expect("a stream");
    }
    let notes = server.dir().marked("notes").unwrap_or_default();
    let order: Vec<u32> = notes.split_whitespace().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(order, (0..40).collect::<Vec<_>>());
});
