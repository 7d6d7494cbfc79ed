//! The end: what is in flight completes, nothing new is taken, the exit code is 0; a second signal does not wait.

use std::time::{Duration, Instant};

use crate::support::client::accepts;
use crate::support::{Launch, Protocol, Server, modes, until};

/// A request that runs in PHP until the test lets it go.
async fn held(server: &Server, id: &str) -> crate::support::raw::Raw {
    let mut raw = server.raw().await;
    raw.get(&format!("/hold?id={id}")).await;
    server.dir().wait_for_mark(&format!("holding-{id}")).await;
    raw
}

async fn refuses_new_connections(server: &Server) {
    let end = Instant::now() + Duration::from_secs(5);
    while accepts(server.address()).await {
        assert!(Instant::now() < end, "new connections are still accepted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_signal_lets_the_request_finish(server: &mut Server, signal: &str) {
    let mut request = held(server, "last").await;
    server.signal(signal);
    refuses_new_connections(server).await;
    server.dir().mark("release-last");
    assert!(request.response().await.ends_with("held last"));
    let status = server.wait_for_end(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0), "{status}");
}

modes!(sigterm_lets_the_request_in_flight_finish, async |server| {
    a_signal_lets_the_request_finish(server, "TERM").await;
});

modes!(sigint_lets_the_request_in_flight_finish, async |server| {
    a_signal_lets_the_request_finish(server, "INT").await;
});

modes!(a_streamed_response_is_finished_too, async |server| {
    let mut connection = server.connect(Protocol::H2c).await;
    let mut reading = connection.begin("GET", "/stream?id=last&pieces=2", &[], "").await;
    reading.until("piece 1\n").await;
    server.signal("TERM");
    refuses_new_connections(server).await;
    server.dir().mark("next-last-2");
    reading.rest().await;
    assert_eq!(reading.answer().text(), "piece 1\npiece 2\n");
    let status = server.wait_for_end(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0), "{status}");
});

modes!(waiting_requests_are_answered_before_the_end, |launch| launch.workers(1), async |server| {
    let mut running = held(server, "running").await;
    let mut waiting = server.raw().await;
    waiting.get("/pid").await;
    // The server has read it: nothing shows that from outside, so give it a moment.
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.signal("TERM");
    refuses_new_connections(server).await;
    server.dir().mark("release-running");
    running.until("held running").await;
    let answer = waiting.response().await;
    assert!(matches!(crate::support::raw::status(&answer), 200 | 503), "an answer, not a broken connection: {answer}");
    assert_eq!(server.wait_for_end(Duration::from_secs(10)).await.code(), Some(0));
});

modes!(idle_connections_do_not_delay_the_end, async |server| {
    let mut idle = server.raw().await;
    idle.get("/").await;
    idle.response().await;
    let silent = server.raw().await;
    let started = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait_for_end(Duration::from_secs(10)).await.code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
    drop((idle, silent));
});

modes!(a_second_signal_ends_at_once, async |server| {
    let _request = held(server, "never-released").await;
    server.signal("TERM");
    refuses_new_connections(server).await;
    let started = Instant::now();
    server.signal("TERM");
    let status = server.wait_for_end(Duration::from_secs(5)).await;
    assert!(started.elapsed() < Duration::from_secs(2), "took {:?}", started.elapsed());
    assert_ne!(status.code(), Some(0), "a request was cut off: that is no success");
});

fn impatient(launch: Launch) -> Launch {
    // What is said about threads that were left behind is a warning, not an error.
    launch.config("server.drain_timeout", "\"1s\"")
}

modes!(the_drain_has_an_end, impatient, async |server| {
    let _request = held(server, "never-released").await;
    server.signal("TERM");
    let status = server.wait_for_end(Duration::from_secs(20)).await;
    assert!(status.code().is_some(), "it ended by itself: {status}");
});

modes!(the_port_is_free_again, async |server| {
    server.get("/").await.ok();
    server.signal("TERM");
    server.wait_for_end(Duration::from_secs(10)).await;
    let address = server.address();
    until(Duration::from_secs(2), "the port can be bound", || std::net::TcpListener::bind(address).ok()).await;
});
