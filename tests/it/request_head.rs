//! Heads of requests: which headers PHP may see and by which function, paths of any bytes, and the answers to what is out of
//! bounds.

use std::time::Duration;

use serde_json::Value;

use crate::support::raw::{Raw, header, status};
use crate::support::{CROWD, Connection, Launch, Mode, Protocol, Server, at_once, modes, run};

fn body_of(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

modes!(the_functions_list_the_headers_of_this_request, |launch| launch.workers(4), async |server| {
    let address = server.address();
    at_once(CROWD, |number| async move {
        let mut connection = Connection::open(address, Protocol::Http1).await;
        let (own, value) = (format!("x-own-{number}"), format!("value {number}"));
        let headers = [
            (own.as_str(), value.as_str()),
            ("x-twice", "1"),
            ("x-twice", "2"),
            ("accept-language", "de"),
            ("dnt", "1"),
            ("x_forged", "1"),
            ("x.forged", "1"),
            ("proxy", "http://evil"),
        ];
        let seen = connection.send("GET", "/all-headers", &headers, "").await.ok().json();
        for function in ["getallheaders", "apache_request_headers", "frankenphp_request_headers"] {
            let list = seen[function].as_object().expect("a list");
            let mut names: Vec<_> = list.keys().map(String::as_str).collect();
            names.sort_unstable();
            let own = format!("X-Own-{number}");
            let mut expected = vec!["Accept-Language", "Dnt", "Host", "X-Request-Id", "X-Twice", own.as_str()];
            expected.sort_unstable();
            assert_eq!(names, expected, "{function}");
            assert_eq!((&list[&own], &list["X-Twice"]), (&value.clone().into(), &"1, 2".into()), "{function}");
        }
    })
    .await;
});

/// While the application boots there is no request to have headers.
#[test]
fn outside_a_request_there_are_no_headers() {
    run(Launch::plain(Mode::Worker).workers(1), async |server| {
        let marked: Value = serde_json::from_str(&server.dir().wait_for_mark("boot-headers").await).expect("JSON");
        assert_eq!(marked, serde_json::json!([[], [], []]));
    });
}

// None of these gets a name in $_SERVER that another header has, or a line of its own.
modes!(headers_that_could_pose_as_others_are_dropped_or_refused, |launch| launch.workers(4), async |server| {
    let address = server.address();
    at_once(CROWD, |number| async move {
        let forged = ["X_Real", "X.Real", "x-_real", "X-Real_", "Proxy", "PROXY", "X_Forwarded_For", "Content_Length"];
        let name = forged[number % forged.len()];
        let mut raw = Raw::open(address).await;
        raw.write(format!("GET /server-vars HTTP/1.1\r\nHost: x\r\nX-Real: true\r\n{name}: forged\r\n\r\n")).await;
        let answer = raw.response().await;
        assert_eq!(status(&answer), 200, "{name}: {answer}");
        assert_eq!(body_of(&answer)["server"]["HTTP_X_REAL"], "true", "{name}");
        assert!(!answer.contains("forged"), "{name}: {answer}");
    })
    .await;
    let refused: [(&str, &[u8]); 10] = [
        ("NUL in a value", b"X-A: a\0b"),
        ("NUL in a name", b"X\0A: b"),
        ("a bare carriage return", b"X-A: a\rX-B: c"),
        ("a control byte", b"X-A: a\x01b"),
        ("a folded line", b"X-A: a\r\n b"),
        ("a folded line with a tab", b"X-A: a\r\n\tX-B: c"),
        ("a blank before the colon", b"X-A : b"),
        ("no colon", b"X-A"),
        ("no name", b": b"),
        ("a name beyond ASCII", b"X-\xc3\xa9: b"),
    ];
    for (what, line) in refused {
        let mut raw = server.raw().await;
        raw.write([b"GET /server-vars HTTP/1.1\r\nHost: x\r\n", line, b"\r\n\r\n"].concat()).await;
        let answer = raw.until_closed().await;
        assert_eq!(status(&answer), 400, "{what}: {answer}");
    }
});

/// A small generator (xorshift), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Up to `most` bytes that pass the filter, at least one.
    fn bytes(&mut self, most: u64, good: impl Fn(u8) -> bool) -> Vec<u8> {
        let count = 1 + self.next() % most;
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < count {
            let byte = (self.next() >> 24) as u8;
            if good(byte) {
                bytes.push(byte);
            }
        }
        bytes
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// Any bytes in path and headers arrive as they are.
modes!(any_bytes_pass_through_unchanged, |launch| launch.workers(4), async |server| {
    let first = server.json("/server-vars").await["server"].clone();
    let (script, root) = (first["SCRIPT_NAME"].clone(), first["DOCUMENT_ROOT"].clone());
    let address = server.address();
    at_once(CROWD, |number| {
        let (script, root) = (script.as_str().expect("a path").to_owned(), root.as_str().expect("a path").to_owned());
        async move {
            let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
            let mut raw = Raw::open(address).await;
            for _ in 0..40 {
                // A dot at the start could make a hidden file or a dot segment; those have tests of their own.
                let mut info = b"/a".to_vec();
                info.extend(random.bytes(30, |byte| byte != 0 && byte != b'/'));
                let value = |random: &mut Random| {
                    let mut value = random.bytes(30, |byte| byte >= 0x20 && byte != 0x7f);
                    value.insert(0, b'x');
                    value.push(b'x');
                    value
                };
                let (kind, fuzzed) = (value(&mut random), value(&mut random));
                let encoded: String = info[1..].iter().map(|byte| format!("%{byte:02x}")).collect();
                let uri = format!("{script}/{encoded}?route=hex-vars");
                let mut request = format!("GET {uri} HTTP/1.1\r\nHost: x\r\nContent-Type: ").into_bytes();
                request.extend([&kind[..], b"\r\nFuzzed: ", &fuzzed[..], b"\r\n\r\n"].concat());
                raw.write(request).await;
                let answer = raw.response().await;
                assert_eq!(status(&answer), 200, "{uri}: {answer}");
                let seen = body_of(&answer);
                assert_eq!(seen["PATH_INFO"], hex(&info), "{uri}");
                assert_eq!(seen["PATH_TRANSLATED"], hex(&[root.as_bytes(), &info].concat()), "{uri}");
                assert_eq!(seen["REQUEST_URI"], hex(uri.as_bytes()), "{uri}");
                assert_eq!(seen["CONTENT_TYPE"], hex(&kind), "{uri}");
                assert_eq!(seen["HTTP_FUZZED"], hex(&fuzzed), "{uri}");
            }
        }
    })
    .await;
});

modes!(odd_paths_have_an_answer, |launch| launch.workers(4), async |server| {
    // path -> status
    let long = format!("/{}", "l".repeat(8000));
    let deep = "/d".repeat(4000);
    let cases: [(&str, u16); 16] = [
        ("/a%00b", 400),
        ("/%00", 400),
        ("/a%00.php", 400),
        ("/..", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/..%2f..%2fetc%2fpasswd", 404),
        ("/a/..%2f..%2fb", 404),
        ("/%5c..%5c..%5cetc", 404),
        ("/caf%C3%A9", 404),
        ("/%ff%fe", 404),
        ("/%zz", 404),
        ("/%", 404),
        ("//evil.example/%2e%2e", 404),
        ("/%c0%ae%c0%ae/etc/passwd", 404),
        (&long, 404),
        (&deep, 404),
    ];
    for (path, expected) in cases {
        let mut raw = server.raw().await;
        raw.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        let answer = raw.until_closed().await;
        if path == "//evil.example/%2e%2e" {
            // Only the root is left of it.
            assert!(matches!(status(&answer), 200 | 404), "{path}: {answer}");
        } else {
            assert_eq!(status(&answer), expected, "{path:.80}: {answer:.300}");
        }
        assert!(!answer.contains("root:"), "{path:.80}");
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

fn bounded(launch: Launch) -> Launch {
    launch
        .config("server.max_body_size", "\"1KiB\"")
        .config("server.max_header_size", "\"4KiB\"")
        .config("server.max_headers", "20")
        .config("server.body_timeout", "\"700ms\"")
}

/// A request that is out of bounds, its status, and the word for it.
fn out_of_bounds() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let head = |line: &str, fields: &str| format!("{line} HTTP/1.1\r\nHost: x\r\n{fields}").into_bytes();
    let many: String = (0..30).map(|number| format!("X-{number}: 1\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "x".repeat(6000));
    vec![
        ("NUL in the path", head("GET /%00", ""), 400, "bad_request"),
        ("a bad host", b"GET / HTTP/1.1\r\nHost: <b>\r\n".to_vec(), 400, "bad_request"),
        ("a tunnel", b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n".to_vec(), 400, "bad_request"),
        ("two framings", head("POST /", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400, "bad_request"),
        ("a body too large", head("POST /", "Content-Length: 2000\r\nExpect: 100-continue\r\n"), 413, "body_too_large"),
        ("too many fields", head("GET /", &many), 431, "headers_too_large"),
        ("a field too large", head("GET /", &large), 431, "headers_too_large"),
        ("a body too slow", head("POST /", "Content-Length: 10\r\n"), 408, "request_timeout"),
    ]
}

async fn answer_to(server: &Server, mut request: Vec<u8>, accept: &str) -> String {
    request.extend(format!("Accept: {accept}\r\nX-Request-Id: mine-1\r\n\r\n").into_bytes());
    let mut raw = server.raw().await;
    raw.write(request).await;
    assert!(raw.closes_within(Duration::from_secs(20)).await, "still open: {}", raw.text());
    raw.text()
}

modes!(answers_of_the_server_itself, bounded, async |server| {
    for (what, request, expected, code) in out_of_bounds() {
        for (accept, kind) in
            [("application/json", "application/json"), ("text/html", "text/html"), ("*/*", "text/plain")]
        {
            let answer = answer_to(server, request.clone(), accept).await;
            assert_eq!(status(&answer), expected, "{what}, {accept}: {answer}");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert_eq!(header(head, "x-request-id"), Some("mine-1"), "{what}: {answer}");
            assert_eq!(header(head, "connection"), Some("close"), "{what}: {answer}");
            assert!(header(head, "content-type").is_some_and(|got| got.starts_with(kind)), "{what}: {answer}");
            assert_eq!(header(head, "content-length"), Some(body.len().to_string().as_str()), "{what}: {answer}");
            assert_eq!(header(head, "x-powered-by"), None, "{what}: {answer}");
            if accept == "application/json" {
                let error = body_of(&answer)["error"].clone();
                assert_eq!((&error["code"], &error["request_id"]), (&code.into(), &"mine-1".into()), "{what}");
                assert!(error["message"].as_str().is_some_and(|text| text.ends_with('.')), "{what}: {answer}");
            }
            for secret in ["supercharger-test", ".php", ".rs", "panicked", "hyper", "/tmp"] {
                assert!(!answer.contains(secret), "{what} tells {secret:?}: {answer}");
            }
        }
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});
