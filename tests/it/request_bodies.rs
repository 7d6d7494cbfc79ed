//! Request bodies on their way to PHP: every size and method, chunked or not, announced rightly or wrongly, a crowd at a time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::fnv1a64;
use crate::support::raw::{Raw, status};
use crate::support::{CROWD, Connection, Launch, Protocol, at_once, holds_within, modes};

/// Bytes whose content depends on their position and on the request they belong to.
fn content(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 7 + seed * 13) % 251) as u8).collect()
}

fn hashed(bytes: &[u8]) -> String {
    format!("{}:{}", bytes.len(), fnv1a64(bytes))
}

fn small_memory(launch: Launch) -> Launch {
    // So that bodies lie in memory and on disk, of ours and of PHP's (beyond 16 KiB).
    launch.workers(4).config("server.body_memory", "\"64KiB\"").ini("post_max_size", "20M")
}

modes!(php_input_is_read_in_every_way, small_memory, async |server| {
    const LENGTHS: [usize; 6] = [15, 1000, 16_385, 65_536, 65_537, 700_000];
    let address = server.address();
    at_once(CROWD, |number| async move {
        let protocol = if number % 3 == 0 { Protocol::H2c } else { Protocol::Http1 };
        let mut connection = Connection::open(address, protocol).await;
        let body = content(LENGTHS[number % LENGTHS.len()], number);
        let kind = [("content-type", "application/octet-stream")];
        let seen = connection.send("POST", "/input-ways", &kind, body.clone()).await.ok().json();
        let whole = json!(hashed(&body));
        for way in ["whole", "pieces", "rewound", "again"] {
            assert_eq!(seen[way], whole, "{way} of {} bytes", body.len());
        }
        assert_eq!(seen["rest"], hashed(&body[15..]), "{} bytes", body.len());
        assert_eq!(seen["post"], 0);
    })
    .await;
});

modes!(large_uploads_in_parallel_arrive_exactly, small_memory, async |server| {
    let address = server.address();
    at_once(CROWD, |number| async move {
        let (first, second) = (content(200_000 + number, number), content(30 * number, number + 1));
        let mut body = Vec::new();
        for (name, bytes) in [("a", &first), ("b", &second)] {
            body.extend(
                format!("--edge\r\nContent-Disposition: form-data; name=\"f[{name}]\"; filename=\"{number}\"\r\n\r\n")
                    .into_bytes(),
            );
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--edge--\r\n");
        let protocol = if number % 3 == 0 { Protocol::H2c } else { Protocol::Http1 };
        let mut connection = Connection::open(address, protocol).await;
        let kind = [("content-type", "multipart/form-data; boundary=edge")];
        let seen = connection.send("POST", "/superglobals", &kind, body).await.ok().json();
        let files = &seen["files"]["f"];
        assert_eq!(files["tmp_name"], json!({"a": hashed(&first), "b": hashed(&second)}), "{seen}");
        assert_eq!(files["name"], json!({"a": number.to_string(), "b": number.to_string()}));
        assert_eq!(seen["input"], hashed(b""), "PHP's parser has taken the body");
    })
    .await;
});

modes!(every_method_may_have_a_body, |launch| launch.workers(4), async |server| {
    const METHODS: [&str; 10] =
        ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "FOO", "get", "M-SEARCH"];
    let address = server.address();
    at_once(3 * METHODS.len(), |number| async move {
        let method = METHODS[number % METHODS.len()];
        let text = json!({"number": number, "method": method}).to_string();
        let mut connection = Connection::open(address, Protocol::Http1).await;
        let kind = [("content-type", "application/json")];
        let seen = connection.send(method, "/superglobals?a=1", &kind, text.clone()).await.ok().json();
        assert_eq!(seen["input"], hashed(text.as_bytes()), "{method}");
        assert_eq!(seen["content_length"], text.len().to_string(), "{method}");
        assert_eq!(seen["content_type"], "application/json", "{method}");
        assert_eq!((&seen["get"]["a"], &seen["post"]), (&json!("1"), &json!([])), "{method}");
        let seen = connection.send(method, "/server-vars", &[], "").await.ok().json();
        assert_eq!(seen["server"]["REQUEST_METHOD"], method);
    })
    .await;
});

async fn json_of(raw: &mut Raw) -> Value {
    let answer = raw.response().await;
    assert_eq!(status(&answer), 200, "{answer}");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

modes!(chunks_may_have_extensions_and_trailers, |launch| launch.workers(4), async |server| {
    let address = server.address();
    at_once(CROWD, |number| async move {
        let mut raw = Raw::open(address).await;
        raw.write(
            "POST /superglobals HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\
            Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        )
        .await;
        let value = format!("value-{number:03}");
        raw.write(format!("2;name=value;x=\"y;z\"\r\na=\r\n0{:X}\r\n{value}\r\n", value.len())).await;
        raw.write("0\r\nX-Late: trailer\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n").await;
        let seen = json_of(&mut raw).await;
        assert_eq!(seen["post"], json!({"a": value}));
        assert_eq!(seen["content_length"], (value.len() + 2).to_string(), "PHP is told the length");
    })
    .await;
    // Trailers are no headers.
    let mut raw = server.raw().await;
    raw.write(
        "POST /server-vars HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Late: trailer\r\n\r\n",
    )
    .await;
    let seen = json_of(&mut raw).await;
    assert_eq!(seen["server"].get("HTTP_X_LATE"), None, "{seen}");
});

// The body is the server's before PHP is asked, so half a body never runs.
modes!(a_body_that_breaks_off_never_reaches_php, |launch| launch.workers(4), async |server| {
    let address = server.address();
    at_once(CROWD, |number| async move {
        let mut raw = Raw::open(address).await;
        let head = match number % 4 {
            0 => "Content-Length: 10\r\n\r\nhalf",
            1 => "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            2 => "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
            _ => "Transfer-Encoding: chunked\r\n\r\n",
        };
        raw.write(format!("POST /note?line={number} HTTP/1.1\r\nHost: x\r\n{head}")).await;
    })
    .await;
    // Broken chunks are answered, and nothing runs either.
    for broken in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX\r\n0\r\n\r\n",
        "-5\r\nhello\r\n",
        "ffffffffffffffffff\r\nx",
        "5 5\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut raw = server.raw().await;
        raw.write(format!("POST /note?line=b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{broken}")).await;
        let answer = raw.until_closed().await;
        assert!(answer.is_empty() || status(&answer) == 400, "{broken:?}: {answer}");
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
    // Nothing must happen, which only a pause can show.
    let ran = holds_within(Duration::from_millis(200), || server.dir().marked("notes").is_some()).await;
    assert!(!ran, "half a body was run: {:?}", server.dir().marked("notes"));
});

modes!(
    a_body_that_is_too_large_is_refused_before_it_is_sent,
    |launch| launch.config("server.max_body_size", "\"10KiB\""),
    async |server| {
        let address = server.address();
        at_once(CROWD, |number| async move {
            let accept = ["application/json", "text/html", "*/*"][number % 3];
            let mut raw = Raw::open(address).await;
            raw.write(format!(
                "POST /note?line=x HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: 10241\r\nExpect: 100-continue\r\n\r\n"
            ))
            .await;
            let answer = raw.until_closed().await;
            assert_eq!(status(&answer), 413, "and no 100 before it: {answer}");
            assert!(!answer.contains("100 Continue"), "{answer}");
            assert!(answer.contains("x-request-id: "), "{answer}");
            assert_eq!(answer.contains("\"code\":\"body_too_large\""), accept == "application/json", "{answer}");
        })
        .await;
        assert_eq!(server.dir().marked("notes"), None, "PHP was asked");
    }
);

modes!(a_body_is_asked_for_when_it_is_wanted, |launch| launch.workers(4), async |server| {
    let address = server.address();
    at_once(CROWD, |number| async move {
        let mut raw = Raw::open(address).await;
        let chunked = number % 2 == 0;
        let framing = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 5" };
        raw.write(format!(
            "POST /superglobals HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n{framing}\r\nExpect: 100-CONTINUE\r\n\r\n"
        ))
        .await;
        raw.until("HTTP/1.1 100 Continue\r\n\r\n").await;
        raw.write(if chunked { "5\r\nhello\r\n0\r\n\r\n" } else { "hello" }).await;
        raw.until(&hashed(b"hello")).await;
    })
    .await;
    // What PHP would not get is not asked for, and HTTP/1.0 knows no such thing (RFC 9110 section 10.1.1).
    let mut raw = server.raw().await;
    raw.write("POST /a%00b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    let answer = raw.until_closed().await;
    assert!(status(&answer) == 400 && !answer.contains("100 Continue"), "{answer}");
    let mut raw = server.raw().await;
    raw.write("POST /superglobals HTTP/1.0\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
        .await;
    let answer = raw.until_closed().await;
    assert!(status(&answer) == 200 && !answer.contains("100 Continue"), "{answer}");
});
