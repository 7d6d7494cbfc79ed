//! Status and headers as a script sets them, and what of them leaves.

use tokio::task::JoinSet;

use crate::support::raw::{header, status};
use crate::support::{Protocol, Server, modes};

/// A script, and what its answer must be: status, values of headers, body. A header without values must be absent.
struct Case {
    code: &'static str,
    status: u16,
    headers: &'static [(&'static str, &'static [&'static str])],
    body: &'static str,
}

const fn case(
    code: &'static str,
    status: u16,
    headers: &'static [(&'static str, &'static [&'static str])],
    body: &'static str,
) -> Case {
    Case { code, status, headers, body }
}

/// All cases side by side, over both protocols. Several requests share a worker, so that one case would see what another one left.
async fn check(server: &Server, cases: &'static [Case]) {
    let mut tasks = JoinSet::new();
    for protocol in [Protocol::Http1, Protocol::H2c] {
        for case in cases {
            let path = server.script(case.code);
            let mut connection = server.connect(protocol).await;
            tasks.spawn(async move {
                let answer = connection.get(&path).await;
                let shown = format!("{protocol:?} {}\n{answer}", case.code);
                assert_eq!(answer.status(), case.status, "{shown}");
                for (name, values) in case.headers {
                    assert_eq!(answer.header_all(name), *values, "{name}: {shown}");
                }
                assert_eq!(answer.text(), case.body, "{shown}");
            });
        }
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("a case");
    }
}

const SETTING: &[Case] = &[
    case("header('X-A: 1'); header('x-a: 2');", 200, &[("x-a", &["2"])], ""),
    case("header('X-A: 1'); header('X-A: 2', false);", 200, &[("x-a", &["1", "2"])], ""),
    case("header('X-A: 1', true, 404);", 404, &[("x-a", &["1"])], ""),
    case("header('Foo3:bar3');", 200, &[("foo3", &["bar3"])], ""),
    case("header('X-Empty:');", 200, &[("x-empty", &[""])], ""),
    case("header(\"X-Blank:  \\t a b \\t \");", 200, &[("x-blank", &["a b"])], ""),
    case("header('X-A: 1'); header_remove('x-A');", 200, &[("x-a", &[])], ""),
    case(
        "header('X-A: 1'); header('X-B: 1'); header_remove(); header('X-C: 1');",
        200,
        &[("x-a", &[]), ("x-b", &[]), ("x-c", &["1"])],
        "",
    ),
    case(
        "setcookie('a', '1'); setcookie('b', 'two words'); header('Set-Cookie: c=3', false);",
        200,
        &[("set-cookie", &["a=1", "b=two%20words", "c=3"])],
        "",
    ),
    case("header('X-Utf8: caf\u{e9}'); header('X-B: 1');", 200, &[("x-b", &["1"])], ""),
    case(
        "header('X-Powered-By: PHP'); header('Server: Apache');",
        200,
        &[("x-powered-by", &[]), ("server", &["supercharger"])],
        "",
    ),
    case("header('Vary: Cookie'); header('Vary: Accept', false);", 200, &[("vary", &["Cookie", "Accept"])], ""),
    case("header('Date: Thu, 01 Jan 1970 00:00:00 GMT');", 200, &[("date", &["Thu, 01 Jan 1970 00:00:00 GMT"])], ""),
    case(
        "header('Content-Encoding: br'); echo 'as it is';",
        200,
        &[("content-encoding", &["br"]), ("content-length", &["8"])],
        "as it is",
    ),
];

modes!(headers_leave_as_set, async |server| {
    check(server, SETTING).await;
});

const REFUSED: &[Case] = &[
    case("header('Invalid'); header('X-B: 1');", 200, &[("invalid", &[]), ("x-b", &["1"])], ""),
    case("header('In valid: 1'); header(': 1'); header(''); header('X-B: 1');", 200, &[("x-b", &["1"])], ""),
    case(
        "@header(\"X-A: 1\\r\\nX-Injected: 1\"); echo error_get_last()['message'];",
        200,
        &[("x-a", &[]), ("x-injected", &[])],
        "Header may not contain more than a single header, new line detected",
    ),
    case(
        "@header(\"X-A: 1\\nX-Injected: 1\"); @header(\"X-A: 1\\r\\n folded\"); @header(\"X-A: 1\\rX-Injected: 1\");",
        200,
        &[("x-a", &[]), ("x-injected", &[])],
        "",
    ),
    case(
        "@header(\"X-A: 1\\0\"); echo error_get_last()['message'];",
        200,
        &[("x-a", &[])],
        "Header may not contain NUL bytes",
    ),
    case(
        "header(\"X-Control: a\\x01b\"); header(\"X-Del: a\\x7fb\"); header('X-B: 1');",
        200,
        &[("x-control", &[]), ("x-del", &[]), ("x-b", &["1"])],
        "",
    ),
    case(
        "@header(\"HTTP/1.1 200 OK\\r\\nX-Injected: 1\"); @header(\"Location: /a\\r\\nX-Injected: 1\"); @setcookie('a', \"b\\r\\nX-Injected: 1\");",
        200,
        &[("x-injected", &[]), ("location", &[])],
        "",
    ),
];

modes!(headers_that_http_does_not_know_are_dropped, async |server| {
    check(server, REFUSED).await;
});

const STATUSES: &[Case] = &[
    case("http_response_code(418);", 418, &[], ""),
    case(
        "echo json_encode([http_response_code(), http_response_code(404), http_response_code()]);",
        404,
        &[],
        "[200,200,404]",
    ),
    case("header('HTTP/1.1 418 I am a teapot');", 418, &[], ""),
    case("header('HTTP/1.0 404');", 404, &[], ""),
    case("header('HTTP/2 503');", 503, &[], ""),
    case("header('HTTP/');", 200, &[], ""),
    case("header('HTTP/1.1');", 200, &[], ""),
    case("header('HTTP/1.1 404 Not Found'); http_response_code(410);", 410, &[], ""),
    case("header('Location: /x');", 302, &[("location", &["/x"])], ""),
    case("header('Location: /x', true, 301);", 301, &[("location", &["/x"])], ""),
    case("http_response_code(201); header('Location: /x');", 201, &[("location", &["/x"])], ""),
    case("http_response_code(307); header('Location: /x');", 307, &[("location", &["/x"])], ""),
    case("header('WWW-Authenticate: Basic realm=\"x\"');", 401, &[("www-authenticate", &["Basic realm=\"x\""])], ""),
    // As a CGI program says it; FPM and its web server do the same.
    case("header('Status: 404 Not Found');", 404, &[("status", &[])], ""),
    case("header('Status: 403'); http_response_code(500);", 403, &[("status", &[])], ""),
    case("header('HTTP/1.1 410 Gone'); header('Status: 404');", 410, &[("status", &[])], ""),
    case("http_response_code(299); echo 'x';", 299, &[], "x"),
    case("http_response_code(600);", 600, &[], ""),
    case("http_response_code(999); echo 'y';", 999, &[], "y"),
    case(
        "http_response_code(304); header('ETag: \"a\"'); echo 'no';",
        304,
        &[("etag", &["\"a\""]), ("content-type", &[]), ("content-length", &[])],
        "",
    ),
    case("http_response_code(204); echo 'no';", 204, &[("content-length", &[])], ""),
    case(
        "http_response_code(204); header('Content-Length: 2'); echo 'no'; flush(); echo 'no';",
        204,
        &[("content-length", &[])],
        "",
    ),
    case("http_response_code(205); echo 'no';", 205, &[("content-length", &["0"])], ""),
    case("http_response_code(205); echo 'no'; flush(); echo 'no';", 205, &[("content-length", &["0"])], ""),
];

modes!(statuses_leave_as_set, async |server| {
    check(server, STATUSES).await;
});

const TYPES: &[Case] = &[
    case("", 200, &[("content-type", &["text/html; charset=UTF-8"])], ""),
    case("header('Content-Type: text/plain');", 200, &[("content-type", &["text/plain;charset=UTF-8"])], ""),
    case(
        "header('Content-Type: text/plain; charset=latin1');",
        200,
        &[("content-type", &["text/plain; charset=latin1"])],
        "",
    ),
    case("header('Content-Type: application/json');", 200, &[("content-type", &["application/json"])], ""),
    case(
        "ini_set('default_mimetype', 'text/x-mine'); ini_set('default_charset', 'x');",
        200,
        &[("content-type", &["text/x-mine; charset=x"])],
        "",
    ),
    case("ini_set('default_charset', '');", 200, &[("content-type", &["text/html"])], ""),
    case("ini_set('default_mimetype', '');", 200, &[("content-type", &[])], ""),
    case("header('Content-Type: a/b'); header_remove('Content-Type');", 200, &[("content-type", &[])], ""),
];

modes!(content_type_and_charset_have_defaults, async |server| {
    check(server, TYPES).await;
});

const ASKING: &[Case] = &[
    case(
        "header('Foo: bar'); header('Foo2:bar2'); header('Invalid'); header('I: 7', true, 103);
         echo json_encode([apache_response_headers(), headers_list(), headers_sent()]); http_response_code(201);",
        201,
        &[("foo", &["bar"]), ("foo2", &["bar2"]), ("i", &["7"])],
        "[{\"Foo\":\"bar\",\"Foo2\":\"bar2\",\"I\":\"7\"},[\"Foo: bar\",\"Foo2:bar2\",\"Invalid\",\"I: 7\"],false]",
    ),
    case(
        "ob_start(); header_register_callback(function () { header_remove('X-A'); header('X-Late: '.count(headers_list())); });
         header('X-A: 1'); echo 'seen'; ob_end_flush(); flush(); echo ' once';",
        200,
        &[("x-a", &[]), ("x-late", &["1"])],
        "seen once",
    ),
    case("header_register_callback(fn () => http_response_code(202)); echo 'x';", 202, &[], "x"),
    case("header_register_callback(fn () => header('X-Empty-Body: 1'));", 200, &[("x-empty-body", &["1"])], ""),
    // The line is that of the first output.
    case(
        "echo 'a';\nflush();\n$sent = headers_sent($file, $line); @header('X-Late: 1');
         echo json_encode([$sent, str_starts_with(basename($file), 'script-'), $line, str_contains(error_get_last()['message'], 'headers already sent by (output started at ')]);",
        200,
        &[("x-late", &[])],
        "a[true,true,2,true]",
    ),
    // Nothing of the others' requests is left in this worker.
    case("echo json_encode([headers_list(), http_response_code(), headers_sent()]);", 200, &[], "[[],200,false]"),
];

modes!(scripts_see_what_they_have_set, |launch| launch.ini("output_buffering", "4096"), async |server| {
    // headers_sent() is of interest with and without the buffer: flush() alone does not empty it.
    check(server, &ASKING[..1]).await;
    check(server, &ASKING[5..]).await;
});

modes!(callbacks_and_places_without_a_buffer, async |server| {
    check(server, &ASKING[1..5]).await;
});

/// Sends GETs for the scripts over one connection; the answer after the last must be in step. Returns heads and bodies by length.
async fn in_step(server: &Server, code: &str) -> String {
    let path = server.script(code);
    let mut raw = server.raw().await;
    raw.get(&path).await;
    let first = raw.response().await;
    raw.get("/body?n=5&fill=z").await;
    let second = raw.response().await;
    assert!(
        second.starts_with("HTTP/1.1 200 OK\r\n") && second.ends_with("\r\n\r\nzzzzz"),
        "out of step: {code}\n{first}\n{second}"
    );
    first
}

modes!(codes_that_end_no_response_become_500, async |server| {
    for code in [
        "http_response_code(103)",
        "http_response_code(199)",
        "http_response_code(101)",
        "http_response_code(100)",
        "http_response_code(42)",
        "http_response_code(1000)",
        "http_response_code(-1)",
        "header('HTTP/1.1 abc')",
        "header('Status: 101')",
        "header('X: 1', true, 150)",
    ] {
        let answer = in_step(server, &format!("{code}; echo 'body';")).await;
        assert_eq!(status(&answer), 500, "{code}: {answer}");
        assert!(answer.ends_with("body"), "{code}: {answer}");
        server.wait_for_log("which no response can end with").await;
    }
});

modes!(the_words_of_a_status_line_are_kept_in_http_1_1, async |server| {
    for (code, expected) in [
        ("header('HTTP/1.1 418 Short and stout')", "418 Short and stout"),
        ("header('HTTP/1.1 404')", "404 Not Found"),
        ("header('HTTP/1.1 404 '.str_repeat('n', 3000))", &format!("404 {}", "n".repeat(3000))),
        ("header('Status: 403 Not you')", "403 Not you"),
        ("http_response_code(299)", "299 "),
        ("header('HTTP/1.1 404 Not here'); http_response_code(403)", "403 Forbidden"),
    ] {
        let answer = in_step(server, &format!("{code};")).await;
        assert_eq!(answer.lines().next(), Some(format!("HTTP/1.1 {expected}").as_str()), "{code}");
    }
});

/// Headers of the hop and lengths that lie, with what the response's length must be: the body that was really printed decides.
const LIES: &[(&str, &str, &str)] = &[
    ("header('Content-Length: 2');", "abc", "3"),
    ("header('Content-Length: 99');", "abc", "3"),
    ("header('Content-Length: abc');", "abc", "3"),
    ("header('Content-Length: -1');", "abc", "3"),
    ("header('Content-Length: 18446744073709551616');", "abc", "3"),
    ("header('Content-Length: 3'); header('Content-Length: 4', false);", "abc", "3"),
    ("header('Content-Length: 3, 3');", "abc", "3"),
    ("header('Content-Length:');", "abc", "3"),
    ("header('Transfer-Encoding: chunked');", "abc", "3"),
    ("header('Transfer-Encoding: gzip, chunked'); header('Content-Length: 1');", "abc", "3"),
    ("header('Connection: close');", "abc", "3"),
    ("header('Connection: upgrade'); header('Upgrade: websocket');", "abc", "3"),
    (
        "header('Keep-Alive: timeout=1'); header('Proxy-Connection: close'); header('TE: trailers'); header('Trailer: X');",
        "abc",
        "3",
    ),
];

modes!(framing_is_never_the_scripts, async |server| {
    for (code, body, length) in LIES {
        let answer = in_step(server, &format!("{code} echo '{body}';")).await;
        let (head, got) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!((header(head, "content-length"), got), (Some(*length), *body), "{code}: {answer}");
        for name in ["transfer-encoding", "connection", "keep-alive", "upgrade", "trailer", "te", "proxy-connection"] {
            assert_eq!(header(head, name), None, "{code}: {answer}");
        }
    }
});

// With a flush the head leaves before the body is known.
modes!(lengths_that_lie_about_a_stream_keep_the_connection_in_step_or_end_it, async |server| {
    for (code, expected) in [
        ("header('Content-Length: 6');", "abcdef"),
        ("header('Content-Length: 4');", "abcd"),
        ("header('Content-Length: 0');", ""),
    ] {
        let answer = in_step(server, &format!("{code} echo 'abc'; flush(); echo 'def';")).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
    }
    // Too much was promised: broken off.
    let path = server.script("header('Content-Length: 9'); echo 'abc'; flush(); echo 'def';");
    let mut raw = server.raw().await;
    raw.get(&path).await;
    let text = raw.until_closed().await;
    assert!(text.contains("content-length: 9") && text.ends_with("\r\n\r\nabcdef"), "{text}");
    // No usable promise: chunks.
    for code in [
        "header('Content-Length: x');",
        "header('Content-Length: 1'); header('Content-Length: 2', false);",
        "header('Transfer-Encoding: identity');",
    ] {
        let path = server.script(&format!("{code} echo 'abc'; flush(); echo 'def';"));
        let mut raw = server.raw().await;
        raw.get(&path).await;
        raw.until("0\r\n\r\n").await;
        let text = raw.text();
        assert!(text.ends_with("\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"), "{code}: {text}");
        assert_eq!(text.to_lowercase().matches("transfer-encoding: chunked").count(), 1, "{text}");
        raw.get("/body?n=5&fill=z").await;
        raw.until("zzzzz").await;
    }
});

modes!(many_and_large_headers, |launch| launch.expect_error("script_failed"), async |server| {
    let code = "for ($i = 0; $i < 4000; ++$i) { header(\"X-Many-$i: $i\", false); } echo 'ok';";
    let answer = in_step(server, code).await;
    for number in [0, 1, 31, 32, 1000, 3999] {
        assert!(answer.contains(&format!("\r\nx-many-{number}: {number}\r\n")), "{number}");
    }
    let answer = in_step(server, "header('X-Large: '.str_repeat('l', 500000)); echo 'ok';").await;
    assert_eq!(header(&answer, "x-large").map(str::len), Some(500_000));
    assert!(answer.ends_with("\r\n\r\nok"));
    // Beyond what anybody reads: an error instead of a part.
    for code in [
        "for ($i = 0; $i < 40000; ++$i) { header(\"X-Many-$i: $i\", false); } echo 'ok';",
        "header('X-Large: '.str_repeat('l', 2000000)); echo 'ok'; flush(); echo 'more';",
    ] {
        let answer = in_step(server, code).await;
        assert_eq!(status(&answer), 500, "{}", answer.len());
        server.wait_for_log("response.head_too_large").await;
    }
});

modes!(expose_php_does_not_expose, |launch| launch.ini("expose_php", "1"), async |server| {
    for _ in 0..3 {
        let answer = server.get("/").await;
        assert_eq!(answer.ok().header("x-powered-by"), None);
    }
});

// A client whose head takes too long gets an answer that no handler has made.
modes!(
    the_server_header_can_be_switched_off,
    |launch| launch.config("server.server_header", "false").config("server.header_timeout", "\"300ms\""),
    async |server| {
        let path = server.script("header('Server: Apache'); echo 'x';");
        for path in [path.as_str(), "/hello.txt", "/..%2f", "/no-such-route"] {
            assert_eq!(server.get(path).await.header("server"), None, "{path}");
        }
        let mut raw = server.raw().await;
        raw.write("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        let text = raw.until_closed().await;
        assert_eq!((status(&text), header(&text, "server")), (408, None), "{text}");
    }
);
