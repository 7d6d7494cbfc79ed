//! What PHP flushes arrives before PHP goes on. No clock is asked: the script waits for a mark that the test makes only
//! when the piece before has arrived.

use std::time::Duration;

use crate::support::client::End;
use crate::support::{Protocol, Server, holds_within, modes};

async fn pieces_arrive_one_by_one(server: &Server, protocol: Protocol, id: &str) {
    let mut connection = server.connect(protocol).await;
    let mut reading = connection.begin("GET", &format!("/stream?id={id}&pieces=4"), &[], "").await;
    assert_eq!(reading.status(), 200);
    for piece in 1..=4 {
        if piece > 1 {
            server.dir().mark(&format!("next-{id}-{piece}"));
        }
        reading.until(&format!("piece {piece}\n")).await;
    }
    assert_eq!(reading.rest().await, End::Whole);
    let answer = reading.answer();
    assert_eq!(answer.text(), "piece 1\npiece 2\npiece 3\npiece 4\n");
    assert_eq!(answer.header("content-length"), None, "nobody knew the length: {answer}");
}

modes!(flushed_pieces_arrive_before_the_end, async |server| {
    pieces_arrive_one_by_one(server, Protocol::Http1, "h1").await;
});

modes!(flushed_pieces_arrive_before_the_end_over_h2c, async |server| {
    pieces_arrive_one_by_one(server, Protocol::H2c, "h2").await;
});

modes!(http_1_1_sends_a_flush_as_a_chunk, async |server| {
    let mut raw = server.raw().await;
    raw.get("/stream?id=raw&pieces=2").await;
    raw.until("8\r\npiece 1\n\r\n").await;
    assert!(raw.text().to_lowercase().contains("transfer-encoding: chunked"), "{}", raw.text());
    server.dir().mark("next-raw-2");
    raw.until("8\r\npiece 2\n\r\n0\r\n\r\n").await;
});

// A script that prints a large page in small pieces and never flushes: what leaves is not cut the way it was printed.
modes!(output_that_is_not_flushed_is_sent_in_large_pieces, async |server| {
    let mut raw = server.raw().await;
    raw.write("GET /big?n=320000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let answer = raw.until_closed().await;
    // Each chunk is framed by its length and two line ends; the lines of the body end without a carriage return.
    let chunks = answer.split_once("\r\n\r\n").map_or(0, |(_, body)| body.matches("\r\n").count() / 2);
    assert!(chunks < 320_000 / 1024, "{chunks} chunks for 320000 bytes in prints of 16");
});

modes!(http_1_0_streams_until_it_closes, async |server| {
    let mut raw = server.raw().await;
    raw.write("GET /stream?id=old&pieces=2 HTTP/1.0\r\nHost: x\r\n\r\n").await;
    raw.until("piece 1\n").await;
    server.dir().mark("next-old-2");
    assert!(raw.until_closed().await.ends_with("\r\n\r\npiece 1\npiece 2\n"), "{}", raw.text());
});

modes!(flush_passes_through_output_buffers_that_let_go, async |server| {
    let mut connection = server.connect(Protocol::Http1).await;
    let mut reading = connection.begin("GET", "/stream-buffered?id=ob", &[], "").await;
    reading.until("first").await;
    server.dir().mark("next-ob");
    reading.rest().await;
    assert_eq!(reading.answer().text(), "first second");
});

modes!(a_flush_without_output_sends_the_head, async |server| {
    let answer = server.get("/flush-nothing").await;
    answer.expect(204);
    assert_eq!(answer.text(), "");
});

modes!(a_finished_response_leaves_while_the_script_goes_on, async |server| {
    let answer = server.get("/finish?id=f1").await;
    assert_eq!(answer.ok().text(), "finished");
    assert_eq!(server.dir().marked("went-on-f1"), None, "the script still waits for the mark that comes now");
    server.dir().mark("go-on-f1");
    assert_eq!(server.dir().wait_for_mark("went-on-f1").await, "0", "connection_status()");
    assert_eq!(server.get("/finish-alias").await.ok().text(), "finished");
});

modes!(a_small_response_is_one_write, async |server| {
    let mut raw = server.raw().await;
    // The first answer may still share its packets with the start of the connection; look at the next ones.
    for _ in 0..5 {
        raw.get("/body?n=300").await;
        assert!(raw.more().await);
        let text = raw.text();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("half a head in one read: {text:?}"));
        assert_eq!(body.len(), 300, "head and body come together: {head}");
        raw.response().await;
    }
});

modes!(a_slow_reader_costs_no_worker, |launch| launch.workers(1), async |server| {
    // Below server.response_memory (1 MiB): the server holds it, PHP goes on.
    let mut slow = server.raw().await;
    slow.get("/big?n=500000").await;
    slow.until("HTTP/1.1 200").await;
    assert_eq!(server.get("/").await.ok().text(), "hello", "the only worker is free");
    while slow.text().len() < 500_000 {
        assert!(slow.more().await);
    }
});

modes!(a_slow_upload_costs_no_worker, |launch| launch.workers(1), async |server| {
    let mut slow = server.raw().await;
    slow.write("POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello").await;
    for _ in 0..3 {
        assert_eq!(server.get("/").await.ok().text(), "hello", "the only worker is free");
    }
    slow.write("world").await;
    let response = slow.response().await;
    assert!(response.contains("\"length\":10"), "{response}");
});

modes!(a_client_that_leaves_ends_its_stream, |launch| launch.workers(1), async |server| {
    let mut leaver = server.raw().await;
    leaver.get("/endless?id=left").await;
    leaver.until("....").await;
    drop(leaver);
    server.dir().wait_for_mark("ended-left").await;
    assert_eq!(server.get("/").await.ok().text(), "hello", "the worker serves on");
});

modes!(a_queued_request_whose_client_left_never_runs, |launch| launch.workers(1), async |server| {
    let mut holder = server.raw().await;
    holder.get("/hold?id=first").await;
    server.dir().wait_for_mark("holding-first").await;
    let mut leaver = server.raw().await;
    leaver.get("/hold?id=left").await;
    // Proof that the request was read and waits: nothing else can be seen from outside, so give it a moment.
    assert!(!holds_within(Duration::from_millis(200), || server.dir().marked("holding-left").is_some()).await);
    drop(leaver);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.dir().mark("release-first");
    holder.until("held first").await;
    assert_eq!(server.get("/").await.ok().text(), "hello");
    assert_eq!(server.dir().marked("holding-left"), None, "the request of the client that left was run");
});

modes!(waiting_requests_are_served_in_their_order, |launch| launch.workers(1), async |server| {
    let mut holder = server.raw().await;
    holder.get("/hold?id=first").await;
    server.dir().wait_for_mark("holding-first").await;
    // One HTTP/2 connection: its streams are read in the order in which they are opened.
    let connection = server.connect(Protocol::H2c).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let mut stream = connection.share();
        tasks.spawn(async move { stream.get(&format!("/note?line={number}")).await.ok().text() });
        // Nothing shows from outside that it waits, so give it a moment.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.dir().mark("release-first");
    while let Some(result) = tasks.join_next().await {
        result.expect("a stream");
    }
    holder.until("held first").await;
    let order = server.dir().marked("notes").unwrap_or_default();
    assert_eq!(order.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
});
