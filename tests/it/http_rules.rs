//! What the server decides without PHP: malformed requests, limits, paths, static files, overload (contract section 4).

use std::time::Duration;

use crate::support::raw::{header, status};
use crate::support::{Launch, Mode, Server, modes, run};

/// Sends bytes on a fresh connection and gives the whole answer until the server closes.
async fn answer_until_closed(server: &Server, bytes: &[u8]) -> String {
    let mut raw = server.raw().await;
    raw.write(bytes).await;
    raw.until_closed().await
}

modes!(malformed_requests_are_refused_and_the_connection_is_closed, async |server| {
    let cases: [(&str, &[u8]); 8] = [
        ("no HTTP at all", b"\x16\x03\x01 nonsense\r\n\r\n"),
        ("no version", b"GET /\r\n\r\n"),
        ("a space in a field name", b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n"),
        ("a length that is no number", b"POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n"),
        ("a negative length", b"POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
        ("two lengths", b"POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na"),
        ("NUL in the path", b"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("NUL in a field value", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n"),
    ];
    for (name, bytes) in cases {
        let answer = answer_until_closed(server, bytes).await;
        assert_eq!(status(&answer), 400, "{name}: {answer}");
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

// RFC 9112 section 6.1: never two ways to say where a request ends. Whatever follows must not be taken for a request.
modes!(length_and_chunks_together_smuggle_nothing, async |server| {
    let smuggled = b"POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
        0\r\n\r\nGET /pid HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = answer_until_closed(server, smuggled).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "a second answer means a smuggled request: {answer}");
    assert_eq!(status(&answer), 400, "{answer}");
});

modes!(paths_never_leave_the_root, async |server| {
    server.dir().write("app/outside.txt", "not for the world");
    for path in [
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/a/../../outside.txt",
        "/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/.secret",
        "/./.secret",
        "/%2esecret",
    ] {
        let mut raw = server.raw().await;
        raw.get(path).await;
        let answer = raw.response().await;
        assert!(matches!(status(&answer), 400 | 404), "{path}: {answer}");
        assert!(!answer.contains("not for the world") && !answer.contains("never served"), "{path}: {answer}");
    }
});

modes!(static_files_are_served_beside_the_application, async |server| {
    let answer = server.get("/hello.txt").await;
    assert_eq!(answer.ok().text(), "a static file\n");
    assert!(answer.header("content-type").is_some_and(|value| value.starts_with("text/plain")), "{answer}");
    assert!(answer.header("x-request-id").is_some(), "{answer}");
    let same = server.send("HEAD", "/hello.txt", &[], "").await;
    assert_eq!(same.ok().header("content-length"), Some("14"));
    // A method that does not read is the application's business.
    let answer = server.send("POST", "/hello.txt", &[], "").await;
    answer.expect(404);
    assert_eq!(answer.text(), "no such route: /hello.txt");
});

// In classic mode /worker.php is a script like any other, and fails like one.
modes!(source_code_is_never_sent, |launch| launch.expect_error("in a worker script only"), async |server| {
    server.dir().write("app/public/old.php.bak", "<?php // secret");
    server.dir().write("app/public/page.phtml", "<?php // secret");
    for path in
        ["/old.php.bak", "/page.phtml", "/INDEX.PHP", "/index.php/", "/worker.php", "/index.php%20", "/index.php."]
    {
        let answer = server.get(path).await;
        let text = String::from_utf8_lossy(answer.partial_body()).into_owned();
        assert!(!text.contains("<?php"), "{path}: {answer}");
    }
});

#[test]
fn worker_mode_runs_no_script_but_its_own() {
    run(Launch::plain(Mode::Worker), async |server| {
        for path in ["/direct.php", "/outside-the-loop.php", "/missing.php", "/direct.php/info"] {
            server.get(path).await.expect(404);
        }
    });
}

#[test]
fn classic_mode_runs_the_script_of_the_path() {
    run(Launch::plain(Mode::Classic), async |server| {
        let root = server.dir().app().join("public").canonicalize().expect("a folder").display().to_string();
        for (path, info) in [("/direct.php", ""), ("/direct.php/some/info", "/some/info")] {
            let seen = server.json(&format!("{path}?q=1")).await;
            assert_eq!(seen["SCRIPT_NAME"], "/direct.php", "{seen}");
            assert_eq!(seen["SCRIPT_FILENAME"], format!("{root}/direct.php"), "{seen}");
            assert_eq!(seen["PATH_INFO"], info, "{seen}");
            assert_eq!(seen["PHP_SELF"], format!("/direct.php{info}"), "{seen}");
            assert_eq!(seen["QUERY_STRING"], "q=1", "{seen}");
        }
        // Everything that is no file goes to the front controller.
        let state = server.json("/state").await;
        assert_eq!(state["server"]["SCRIPT_NAME"], "/index.php");
        assert_eq!(state["server"]["PHP_SELF"], "/index.php");
        server.get("/no-such-route").await.expect(404);
    });
}

modes!(
    a_body_beyond_the_limit_is_refused,
    |launch| launch.config("server.max_body_size", "\"100KiB\""),
    async |server| {
        server.send("POST", "/input", &[], vec![b'x'; 100 * 1024]).await.ok();
        let answer = server.send("POST", "/input", &[("accept", "application/json")], vec![b'x'; 100 * 1024 + 1]).await;
        answer.expect(413);
        assert_eq!(answer.json()["error"]["code"], "body_too_large");
        // The limit also holds when no length was announced.
        let mut raw = server.raw().await;
        raw.write("POST /input HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for _ in 0..30 {
            raw.write(format!("1000\r\n{}\r\n", "x".repeat(4096))).await;
        }
        raw.until("\r\n\r\n").await;
        assert_eq!(status(&raw.text()), 413, "{}", raw.text());
    }
);

modes!(
    header_limits,
    |launch| launch.config("server.max_header_size", "\"8KiB\"").config("server.max_headers", "20"),
    async |server| {
        let long = "x".repeat(9000);
        server.send("GET", "/", &[("x-long", &long)], "").await.expect(431);
        let many: Vec<String> = (0..30).map(|number| format!("x-many-{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "1")).collect();
        server.send("GET", "/", &many, "").await.expect(431);
        server.send("GET", "/", &many[..15], "").await.ok();
        // Far beyond: the server does not even read it all.
        let mut raw = server.raw().await;
        raw.write(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000))).await;
        let answer = raw.until_closed().await;
        assert!(answer.is_empty() || status(&answer) == 431, "{answer}");
    }
);

modes!(
    a_head_that_never_ends_is_given_up,
    |launch| launch.config("server.header_timeout", "\"500ms\""),
    async |server| {
        let mut raw = server.raw().await;
        raw.write("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        assert!(raw.closes_within(Duration::from_secs(10)).await, "the connection is still open");
        let answer = raw.text();
        assert!(answer.is_empty() || status(&answer) == 408, "{answer}");
        let mut silent = server.raw().await;
        assert!(silent.closes_within(Duration::from_secs(10)).await, "a connection that says nothing is still open");
    }
);

modes!(expect_100_continue, async |server| {
    let mut raw = server.raw().await;
    raw.write("POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    raw.until("HTTP/1.1 100 Continue\r\n\r\n").await;
    raw.write("hello").await;
    raw.until("\"length\":5").await;
});

modes!(
    a_full_pool_answers_503_when_the_wait_is_over,
    |launch| launch.workers(1).config("pools.default.overflow.queue_timeout", "\"300ms\""),
    async |server| {
        let mut holder = server.raw().await;
        holder.get("/hold?id=busy").await;
        server.dir().wait_for_mark("holding-busy").await;
        let answer = server.send("GET", "/", &[("accept", "application/json")], "").await;
        answer.expect(503);
        assert_eq!(answer.json()["error"]["code"], "queue_timeout");
        let retry = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
        assert!(retry.is_some_and(|seconds| seconds > 0), "{answer}");
        server.dir().mark("release-busy");
        holder.until("held busy").await;
        assert_eq!(server.get("/").await.ok().text(), "hello", "and the pool serves on");
    }
);

modes!(response_headers_of_php_cannot_break_http, async |server| {
    let path = "/reply?body=abc&header[]=Content-Length:%202&header[]=Transfer-Encoding:%20chunked&header[]=Connection:%20upgrade";
    let mut raw = server.raw().await;
    raw.get(path).await;
    let answer = raw.response().await;
    assert_eq!(header(&answer, "content-length"), Some("3"), "{answer}");
    assert_eq!(header(&answer, "transfer-encoding"), None, "{answer}");
    raw.get("/").await;
    assert!(raw.response().await.ends_with("hello"), "the connection is in step");
});

modes!(a_client_may_name_its_request, async |server| {
    let answer = server.send("GET", "/request-id", &[("x-request-id", "from-the-client-1")], "").await;
    assert_eq!(answer.ok().header("x-request-id"), Some("from-the-client-1"));
    assert_eq!(answer.json()["function"], "from-the-client-1");
    // A name that could forge a log line is not taken over.
    let mut raw = server.raw().await;
    raw.write("GET /request-id HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\"c<script>\r\n\r\n").await;
    let answer = raw.response().await;
    assert!(!answer.contains("<script>"), "{answer}");
});
