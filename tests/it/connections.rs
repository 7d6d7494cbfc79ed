//! The life of a connection: its clocks, its number, and the answers of the server to what is no request.

use std::time::{Duration, Instant};

use crate::support::raw::{Raw, header, status};
use crate::support::wait::until;
use crate::support::{Launch, Mode, modes, run};

/// Far more than any clock of these tests, far less than a default one.
const SOON: Duration = Duration::from_secs(9);

/// An answer in the form of the server's own.
#[track_caller]
fn ours(answer: &str, expected: u16, code: &str) {
    assert_eq!(status(answer), expected, "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let id = header(head, "x-request-id").unwrap_or_else(|| panic!("no request id: {answer}"));
    assert_eq!(header(head, "connection"), Some("close"), "{answer}");
    assert_eq!(header(head, "content-length"), Some(body.len().to_string().as_str()), "{answer}");
    assert!(header(head, "date").is_some(), "{answer}");
    if header(head, "content-type") == Some("application/json") {
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((&body["error"]["code"], &body["error"]["request_id"]), (&code.into(), &id.into()), "{answer}");
    } else {
        assert!(body.contains(id), "{answer}");
    }
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer: {answer}");
}

modes!(
    an_idle_connection_is_closed_after_its_own_time,
    |launch| launch.config("server.keepalive_timeout", "\"500ms\""),
    async |server| {
        let mut raw = server.raw().await;
        raw.get("/").await;
        raw.response().await;
        let since = Instant::now();
        assert!(raw.closes_within(SOON).await, "an idle connection is still open");
        assert!(since.elapsed() >= Duration::from_millis(400), "closed too early: {:?}", since.elapsed());
        assert_eq!(raw.text(), "", "and without a word");
    }
);

modes!(
    the_header_timeout_is_not_that_of_idle_connections,
    |launch| launch.config("server.header_timeout", "\"400ms\""),
    async |server| {
        let mut raw = server.raw().await;
        raw.get("/").await;
        raw.response().await;
        // Nothing can be seen from outside while nothing happens.
        assert!(!raw.closes_within(Duration::from_millis(1500)).await, "an idle connection has keepalive_timeout");
        raw.get("/").await;
        assert!(raw.response().await.ends_with("hello"));
        raw.write("GET / HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nX-Slow: ").await;
        assert!(raw.closes_within(SOON).await, "a head that does not end");
        ours(&raw.text(), 408, "request_timeout");
    }
);

modes!(
    a_long_request_is_neither_idle_nor_slow,
    |launch| launch.config("server.header_timeout", "\"200ms\"").config("server.keepalive_timeout", "\"200ms\""),
    async |server| {
        let mut held = server.raw().await;
        held.get("/hold?id=long").await;
        server.dir().wait_for_mark("holding-long").await;
        assert!(!held.closes_within(Duration::from_secs(1)).await, "closed while PHP was at work");
        server.dir().mark("release-long");
        held.until("held long").await;
    }
);

/// Preface, settings and one request by hand: this client answers nothing.
async fn h2_request(server: &crate::support::Server) -> Raw {
    let mut raw = server.raw().await;
    raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    // HEADERS, END_STREAM | END_HEADERS, stream 1: GET http / and :authority x by the static table.
    raw.write(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01x").await;
    raw.until("hello").await;
    raw
}

modes!(
    an_idle_http2_connection_is_closed,
    |launch| launch.config("server.keepalive_timeout", "\"300ms\""),
    async |server| {
        let mut raw = h2_request(server).await;
        assert!(raw.closes_within(Duration::from_secs(20)).await, "an idle HTTP/2 connection is still open");
    }
);

modes!(
    a_preface_alone_is_not_waited_for,
    |launch| launch.config("server.header_timeout", "\"300ms\""),
    async |server| {
        for beginning in [&b""[..], b"PRI * HT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b"\r\n\r\n"] {
            let mut raw = server.raw().await;
            raw.write(beginning).await;
            assert!(raw.closes_within(SOON).await, "still open after {:?}", beginning.escape_ascii().to_string());
        }
    }
);

modes!(http2_can_be_switched_off, |launch| launch.config("server.http2", "false"), async |server| {
    let mut raw = server.raw().await;
    raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    ours(&raw.until_closed().await, 505, "version_not_supported");
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

modes!(
    what_hyper_refuses_is_answered_in_our_form,
    |launch| launch.config("log.access", "true").config("server.max_header_size", "\"8KiB\""),
    async |server| {
        let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000));
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(400));
        let target = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000));
        let cases: [(&str, &[u8], u16, &str); 8] = [
            ("no HTTP", b"\x16\x03\x01\x02\0\x01\0\r\n\r\n", 400, "bad_request"),
            ("a bad name", b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n", 400, "bad_request"),
            (
                "JSON",
                b"GET / HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nBad Name: 1\r\n\r\n",
                400,
                "bad_request",
            ),
            ("a bad length", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", 400, "bad_request"),
            ("a bad version", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400, "bad_request"),
            ("a long field", long.as_bytes(), 431, "headers_too_large"),
            ("many fields", many.as_bytes(), 431, "headers_too_large"),
            ("a long target", target.as_bytes(), 431, "headers_too_large"),
        ];
        for (name, bytes, expected, code) in cases {
            let mut raw = server.raw().await;
            raw.write(bytes).await;
            let answer = raw.until_closed().await;
            assert!(answer.starts_with("HTTP/1.1 "), "{name}: {answer:?}");
            ours(&answer, expected, code);
            assert_eq!(answer.contains("application/json"), name == "JSON", "{name}: {answer}");
            let id = header(&answer, "x-request-id").expect("an id");
            let line = server.wait_for_log(id).await;
            assert!(line.contains("\"access\"") && line.contains(&format!("\"status\":{expected}")), "{name}: {line}");
        }
        // After a good request on the same connection, whether it comes later or together with it.
        for pause in [false, true] {
            let mut raw = server.raw().await;
            raw.get("/").await;
            if pause {
                raw.until("hello").await;
            }
            raw.write("GET / HTTP/1.1\r\nBad Name: 1\r\n\r\n").await;
            let answer = raw.until_closed().await;
            let (first, second) = answer.split_once("hello").expect("the good request is answered");
            assert_eq!(status(first), 200, "{answer}");
            ours(second, 400, "bad_request");
        }
    }
);

modes!(places_are_limited, |launch| launch.config("server.max_connections", "2"), async |server| {
    // The harness has just asked whether the port is open; that connection must be gone.
    let mut held = server.raw().await;
    held.get("/hold?id=place").await;
    server.dir().wait_for_mark("holding-place").await;
    let mut idle = server.raw().await;
    idle.get("/").await;
    idle.response().await;
    let mut third = server.raw().await;
    third.get("/").await;
    // The idle one makes room, after a second.
    assert!(third.response().await.ends_with("hello"));
    assert!(idle.closes_within(SOON).await, "the idle connection is still open");
    server.wait_for_log("server.crowded").await;
    // Two busy ones: nobody makes room until one ends.
    third.get("/hold?id=other").await;
    server.dir().wait_for_mark("holding-other").await;
    let mut fourth = server.raw().await;
    fourth.get("/").await;
    assert!(!fourth.closes_within(Duration::from_millis(1500)).await && fourth.text().is_empty(), "there was no place");
    server.dir().mark("release-place");
    held.until("held place").await;
    drop(held);
    server.dir().mark("release-other");
    third.until("held other").await;
    assert!(fourth.response().await.ends_with("hello"));
});

/// Out of descriptors, the server waits and goes on when there are some again.
#[test]
fn want_of_descriptors_is_survived() {
    let launch = Launch::plain(Mode::Worker)
        .wrapped(&["sh", "-c", "ulimit -n 96; exec \"$0\" \"$@\""])
        .config("server.max_connections", "1000");
    run(launch, async |server| {
        let mut crowd = Vec::new();
        for _ in 0..140 {
            crowd.push(server.raw().await);
        }
        server.wait_for_log("server.accept_failed").await;
        drop(crowd);
        let end = Instant::now() + SOON;
        while server.connect(crate::support::client::Protocol::Http1).await.get("/").await.status() != 200 {
            assert!(Instant::now() < end, "the server did not recover");
        }
        let told = server.log().matches("server.accept_failed").count();
        assert!(told <= 3, "told {told} times");
    });
}

modes!(
    a_refused_upload_still_gets_its_answer,
    |launch| launch.config("server.max_header_size", "\"8KiB\""),
    async |server| {
        // The client goes on sending while it is refused: a reset would take the answer away from it.
        for _ in 0..5 {
            let mut raw = server.raw().await;
            raw.write(format!("POST / HTTP/1.1\r\nHost: x\r\nX-Long: {}", "x".repeat(2_000_000))).await;
            ours(&raw.until_closed().await, 431, "headers_too_large");
        }
        let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", server.php_pid())).map_or(0, Iterator::count);
        let before = descriptors();
        until(SOON, "lingering connections end", || (descriptors() <= before).then_some(())).await;
    }
);
