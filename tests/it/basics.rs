//! What any PHP application expects of a request and a response, in both modes.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::client::{Jar, encode, fnv1a64};
use crate::support::{Protocol, modes, until};

modes!(answers_with_what_the_script_prints, async |server| {
    let answer = server.get("/").await;
    assert_eq!(answer.ok().text(), "hello");
    assert_eq!(answer.header("content-length"), Some("5"), "a gathered response has a length");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=UTF-8"));
});

modes!(query_string_and_path_reach_php, async |server| {
    let state = server.json("/state?a=1&b[]=x&b[]=y&c=%C3%A9&raw=%2F..%2f").await;
    assert_eq!(state["get"], json!({"a": "1", "b": ["x", "y"], "c": "é", "raw": "/../"}));
    assert_eq!(state["server"]["QUERY_STRING"], "a=1&b[]=x&b[]=y&c=%C3%A9&raw=%2F..%2f");
    assert_eq!(state["server"]["REQUEST_URI"], "/state?a=1&b[]=x&b[]=y&c=%C3%A9&raw=%2F..%2f");
    assert_eq!(state["post"], json!([]));
});

modes!(server_variables_describe_the_connection, async |server| {
    let answer =
        server.send("GET", "/state?x=1", &[("host", "shop.example:8443"), ("accept-language", "de")], "").await;
    let state = answer.ok().json();
    let variables = &state["server"];
    let address = server.address();
    for (name, expected) in [
        ("REQUEST_METHOD", "GET".to_owned()),
        ("SERVER_PROTOCOL", "HTTP/1.1".to_owned()),
        ("SERVER_NAME", "shop.example".to_owned()),
        ("SERVER_PORT", "8443".to_owned()),
        ("SERVER_ADDR", address.ip().to_string()),
        ("REMOTE_ADDR", "127.0.0.1".to_owned()),
        ("REQUEST_SCHEME", "http".to_owned()),
        ("HTTPS", String::new()),
        ("GATEWAY_INTERFACE", "CGI/1.1".to_owned()),
        ("HTTP_HOST", "shop.example:8443".to_owned()),
        ("HTTP_ACCEPT_LANGUAGE", "de".to_owned()),
        ("PATH_INFO", String::new()),
        ("SERVER_SOFTWARE", format!("supercharger/{}", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(variables[name], expected, "{name}");
    }
    let root = server.dir().app().join("public");
    assert_eq!(variables["DOCUMENT_ROOT"], root.canonicalize().expect("a folder").display().to_string());
    assert!(variables["REMOTE_PORT"].as_str().is_some_and(|port| port.parse::<u16>().is_ok()), "{variables}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let time = variables["REQUEST_TIME"].as_u64().expect("REQUEST_TIME is a number");
    assert!(time <= now && now - time < 60, "REQUEST_TIME {time} at {now}");
    assert!(variables["REQUEST_TIME_FLOAT"].is_f64(), "{variables}");
});

modes!(headers_reach_php_by_their_rules, async |server| {
    let headers = [
        ("x-nonce", "n1"),
        ("x-empty", ""),
        ("proxy", "http://attacker.example"),
        ("x-twice", "one"),
        ("x-twice", "two"),
        ("authorization", "Basic dXNlcjpwYXNz"),
    ];
    let state = server.send("GET", "/state", &headers, "").await.ok().json();
    assert_eq!(state["server"]["HTTP_X_NONCE"], "n1");
    assert_eq!(state["server"]["HTTP_X_EMPTY"], "");
    assert_eq!(state["server"]["HTTP_X_TWICE"], "one, two");
    assert_eq!(state["server"].get("HTTP_PROXY"), None, "httpoxy");
    assert_eq!(state["server"]["PHP_AUTH_USER"], "user");
    assert_eq!(state["server"]["PHP_AUTH_PW"], "pass");
    let all = server.send("GET", "/headers", &[("x-nonce", "n2")], "").await.ok().json();
    let nonce = all.as_object().and_then(|map| map.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-nonce")));
    assert_eq!(nonce.map(|(_, value)| value), Some(&json!("n2")), "getallheaders(): {all}");
});

modes!(a_header_with_an_underscore_cannot_pose_as_another, async |server| {
    let mut raw = server.raw().await;
    raw.write("GET /state HTTP/1.1\r\nHost: x\r\nX-Nonce: real\r\nX_Nonce: forged\r\n\r\n").await;
    let response = raw.response().await;
    assert!(response.contains("\"HTTP_X_NONCE\":\"real\""), "{response}");
    assert!(!response.contains("forged"), "{response}");
});

modes!(forms_cookies_and_sessions, async |server| {
    let form = [("content-type", "application/x-www-form-urlencoded"), ("cookie", "a=1; b=two%20words")];
    let state = server.send("POST", "/state?q=1", &form, "f=v&list[k]=w&q=2").await.ok().json();
    assert_eq!(state["post"], json!({"f": "v", "list": {"k": "w"}, "q": "2"}));
    assert_eq!(state["get"], json!({"q": "1"}));
    assert_eq!(state["cookie"], json!({"a": "1", "b": "two words"}));
    assert_eq!(state["request"]["q"], "2");
    assert_eq!(state["raw_body"], "f=v&list[k]=w&q=2");

    let (mut one, mut other) = (Jar::default(), Jar::default());
    for (turn, expected) in [(1, 1), (2, 2), (3, 3)] {
        let answer = server.send("GET", "/session", &[("cookie", &one.header())], "").await;
        one.take(answer.ok());
        assert_eq!(answer.json()["count"], expected, "turn {turn}");
        assert_eq!(answer.json()["before"], Value::Null);
    }
    let answer = server.send("GET", "/session", &[("cookie", &other.header())], "").await;
    other.take(answer.ok());
    assert_eq!(answer.json()["count"], 1, "another browser has its own session");
    assert_ne!(one.header(), other.header());
});

modes!(request_bodies_arrive_exactly, |launch| launch.ini("post_max_size", "20M"), async |server| {
    for length in [0_usize, 1, 1000, 65_536, 262_144, 262_145, 3_000_000, 6_048_576] {
        let body: Vec<u8> = (0..length).map(|i| (i * 7 % 251) as u8).collect();
        let answer = server.send("POST", "/input", &[("content-type", "application/octet-stream")], body.clone()).await;
        let seen = answer.ok().json();
        assert_eq!(seen["length"], length);
        assert_eq!(seen["fnv1a64"], fnv1a64(&body), "{length} bytes");
        assert_eq!(seen["rereadable"], true);
        // RFC 3875 section 4.1.2: a length only where there is a body.
        let told = if length == 0 { String::new() } else { length.to_string() };
        assert_eq!(seen["content_length"], told, "{length} bytes");
    }
});

modes!(a_chunked_request_body_arrives_whole, async |server| {
    let mut raw = server.raw().await;
    raw.write("POST /input HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n")
        .await;
    raw.write("5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n").await;
    let response = raw.response().await;
    assert!(response.contains(&fnv1a64(b"hello world")), "{response}");
    assert!(response.contains("\"content_length\":\"11\""), "PHP is told the length: {response}");
});

modes!(uploads_are_files_for_php, async |server| {
    let content: Vec<u8> = (0..700_000_u32).map(|i| (i % 253) as u8).collect();
    let mut body = Vec::new();
    body.extend_from_slice(b"--edge\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA title\r\n");
    body.extend_from_slice(
        b"--edge\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"d\xc3\xa9.bin\"\r\nContent-Type: application/x-test\r\n\r\n",
    );
    body.extend_from_slice(&content);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    let answer = server.send("POST", "/upload", &[("content-type", "multipart/form-data; boundary=edge")], body).await;
    let seen = answer.ok().json();
    assert_eq!(seen["post"], json!({"title": "A title"}));
    let file = &seen["files"]["doc"];
    assert_eq!(file["name"], "dé.bin");
    assert_eq!(file["type"], "application/x-test");
    assert_eq!(file["size"], content.len());
    assert_eq!(file["uploaded"], true);
    assert_eq!(file["fnv1a64"], fnv1a64(&content));
    // Gone at once, not when the next request comes.
    let name = file["tmp_name"].as_str().expect("a path").to_owned();
    until(Duration::from_secs(5), "the upload's temporary file is gone", || (!Path::new(&name).exists()).then_some(()))
        .await;
});

modes!(status_headers_and_cookies_leave_as_set, async |server| {
    let query = [
        ("status", "418"),
        ("body", "short and stout"),
        ("header[]", "X-One: 1"),
        ("header[]", "Set-Cookie: a=1"),
        ("header[]", "Set-Cookie: b=2; Path=/"),
        ("header[]", "Content-Type: text/plain"),
    ];
    let query: Vec<_> = query.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    let answer = server.get(&format!("/reply?{}", query.join("&"))).await;
    answer.expect(418);
    assert_eq!(answer.text(), "short and stout");
    assert_eq!(answer.header("x-one"), Some("1"));
    assert_eq!(answer.cookies(), ["a=1", "b=2"]);
    assert!(answer.header("content-type").is_some_and(|value| value.starts_with("text/plain")), "{answer}");
    assert_eq!(answer.header("x-powered-by"), None);
    assert_eq!(answer.header("server"), Some("supercharger"));
});

modes!(every_status_code_passes, async |server| {
    let mut connection = server.connect(Protocol::Http1).await;
    for status in [
        200, 201, 202, 203, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 409, 410, 422, 429, 451, 500, 501,
        503, 599,
    ] {
        let answer = connection.get(&format!("/reply?status={status}&body=text")).await;
        answer.expect(status);
        assert_eq!(answer.text(), "text", "{status}");
    }
    for status in [204, 304] {
        let answer = connection.get(&format!("/reply?status={status}&body=text")).await;
        answer.expect(status);
        assert_eq!(answer.text(), "", "{status} has no body");
    }
});

modes!(methods_are_the_scripts_business, async |server| {
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MADEUP"] {
        assert_eq!(server.send(method, "/method", &[], "").await.ok().text(), method);
    }
});

modes!(head_has_the_head_of_get_and_no_body, async |server| {
    let mut raw = server.raw().await;
    raw.write("HEAD /body?n=1000 HTTP/1.1\r\nHost: x\r\n\r\nGET /body?n=3 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    raw.until("xxx").await;
    let text = raw.text();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{text}");
    assert!(text.ends_with("\r\n\r\nxxx"), "the body of HEAD was sent: {text}");
});

modes!(large_responses_arrive_exactly, async |server| {
    for length in [65_535_usize, 65_536, 65_537, 1_048_576, 8_000_000] {
        let answer = server.get(&format!("/big?n={length}")).await;
        let body = answer.ok().body();
        assert_eq!(body.len(), length);
        for (number, line) in body.chunks(16).enumerate() {
            let expected = format!("{number:015}\n");
            assert!(expected.as_bytes().starts_with(line) && line.len() <= 16, "line {number} of {length}");
        }
    }
});

modes!(one_connection_serves_many_requests, async |server| {
    let mut connection = server.connect(Protocol::Http1).await;
    for number in 0..50 {
        let answer = connection.get(&format!("/echo?nonce={number}&us=0")).await;
        assert_eq!(answer.ok().json()["get"], number.to_string());
    }
});

modes!(pipelined_requests_are_answered_in_order, async |server| {
    let mut raw = server.raw().await;
    let mut requests = String::new();
    for number in 0..10 {
        requests += &format!("GET /body?n=2&fill={number} HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    raw.write(requests).await;
    for number in 0..10 {
        let response = raw.response().await;
        assert!(response.ends_with(&format!("\r\n\r\n{number}{number}")), "{response}");
    }
});

modes!(http_1_0_closes_after_its_answer, async |server| {
    let mut raw = server.raw().await;
    raw.write("GET / HTTP/1.0\r\nHost: x\r\n\r\n").await;
    let text = raw.until_closed().await;
    assert!(text.ends_with("hello"), "{text}");
    assert!(!text.to_lowercase().contains("transfer-encoding"), "HTTP/1.0 knows no chunks: {text}");
});

modes!(h2c_serves_many_streams_at_once, async |server| {
    let connection = server.connect(Protocol::H2c).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let mut stream = connection.share();
        tasks.spawn(async move {
            let answer = stream.get(&format!("/echo?nonce={number}")).await;
            assert_eq!(answer.ok().json()["get"], number.to_string());
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("a stream");
    }
    let state = connection.share().get("/state").await.ok().json();
    assert!(state["server"]["SERVER_PROTOCOL"].as_str().is_some_and(|text| text.starts_with("HTTP/2")), "{state}");
    assert_eq!(state["server"]["HTTP_HOST"], server.address().to_string(), ":authority is PHP's host");
});

modes!(every_response_has_a_request_id, async |server| {
    let answer = server.get("/request-id").await;
    let seen = answer.ok().json();
    let id = answer.header("x-request-id").expect("X-Request-Id");
    assert!(id.len() >= 8, "{id:?}");
    assert_eq!(seen["function"], id);
    assert_eq!(seen["server"], id);
    let other = server.get("/request-id").await;
    assert_ne!(other.header("x-request-id"), Some(id));
    assert!(server.get("/no-such-route").await.header("x-request-id").is_some());
});

modes!(opcache_is_on, async |server| {
    // The first request compiles, the second one finds it cached.
    server.get("/opcache").await.ok();
    let seen = server.json("/opcache").await;
    assert_eq!(seen["enabled"], true, "{seen}");
    assert_eq!(seen["cached"], true, "{seen}");
    assert_eq!(seen["zts"], true, "{seen}");
});

modes!(the_names_of_frankenphp_and_fpm_exist, async |server| {
    let names = [
        "supercharger_handle_request",
        "supercharger_finish_request",
        "supercharger_worker",
        "supercharger_request_id",
        "supercharger_log",
        "frankenphp_handle_request",
        "frankenphp_finish_request",
        "fastcgi_finish_request",
        "frankenphp_log",
        "frankenphp_request_headers",
        "frankenphp_response_headers",
        "apache_request_headers",
        "getallheaders",
        "apache_response_headers",
    ];
    let seen = server.json(&format!("/functions?{}", names.join("&"))).await;
    for name in names {
        assert_eq!(seen[name], true, "{name}");
    }
});

modes!(messages_of_the_application_reach_the_log, async |server| {
    server.get("/log?message=from-the-application&level=4").await.ok();
    let line = server.wait_for_log("from-the-application").await;
    let record: Value = serde_json::from_str(&line).expect("a JSON record");
    assert_eq!(record["level"].as_str().map(str::to_lowercase).as_deref(), Some("warn"), "{line}");
    assert!(line.contains("nested"), "the context is kept: {line}");
    server.get("/error-log?message=by-error-log").await.ok();
    server.wait_for_log("by-error-log").await;
});

modes!(fibers_print_into_the_response, async |server| {
    assert_eq!(server.get("/fiber").await.ok().text(), "in out fiber again");
});

modes!(shutdown_functions_run_once_and_may_print, async |server| {
    for _ in 0..3 {
        let answer = server.get("/shutdown-function").await;
        assert_eq!(answer.ok().text(), "from the handler and from the shutdown function");
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});
