//! Output in all its buffers, and how it leaves: whole, in pieces, compressed, late, or not at all.

use std::time::Duration;

use crate::support::client::End;
use crate::support::program::{command, run_to_end};
use crate::support::raw::{header, status};
use crate::support::{Protocol, Server, modes};

async fn text_of(server: &Server, code: &str) -> String {
    server.get(&server.script(code)).await.ok().text()
}

modes!(output_buffers_of_every_kind, async |server| {
    for (code, expected) in [
        ("ob_start(fn ($text) => strtoupper($text)); echo 'shout';", "SHOUT"),
        (
            "ob_start(fn ($text, $phase) => \"[$phase:$text]\"); echo 'a'; ob_flush(); echo 'b'; ob_end_flush();",
            "[5:a][8:b]",
        ),
        (
            "ob_start(); echo 'a'; ob_start(fn ($t) => strrev($t)); echo 'bc'; ob_end_flush(); echo 'd'; ob_end_flush();",
            "acbd",
        ),
        ("ob_start(); echo 'gone'; ob_end_clean(); echo 'stays';", "stays"),
        ("ob_start(); echo 'x'; $got = ob_get_clean(); echo strlen($got), $got;", "1x"),
        // Left open by the script: flushed at its end, the inner one through the outer one.
        ("ob_start(fn ($t) => \"<$t>\"); ob_start(fn ($t) => \"($t)\"); echo 'open';", "<(open)>"),
        // A size of 4: each time the buffer holds as much, it is passed on.
        (
            "ob_start(fn ($t) => \"<$t>\", 4); foreach (['ab', 'cd', 'ef'] as $t) { echo $t; } ob_end_flush();",
            "<abcd><ef>",
        ),
        ("ob_start(fn () => false); echo 'as it was';", "as it was"),
        ("ob_start(fn () => ''); echo 'swallowed';", ""),
        ("ob_start(); print 'a'; printf('%s', 'b'); ?>c<?php var_dump(1); echo 'd';", "abcint(1)\nd"),
        ("readfile(__DIR__.'/../app/public/hello.txt');", "a static file\n"),
        ("file_put_contents('php://output', 'through the stream');", "through the stream"),
        ("$f = fopen('php://output', 'w'); fwrite($f, 'one '); fclose($f); echo 'two';", "one two"),
        ("ob_start(); passthru('printf child'); echo strrev(ob_get_clean());", "dlihc"),
        (
            "output_add_rewrite_var('sid', '7'); echo '<form></form>';",
            "<form><input type=\"hidden\" name=\"sid\" value=\"7\" /></form>",
        ),
        ("echo ob_get_level();", "0"),
    ] {
        assert_eq!(text_of(server, code).await, expected, "{code}");
    }
});

modes!(the_ini_setting_output_buffering, |launch| launch.ini("output_buffering", "4096"), async |server| {
    for _ in 0..3 {
        // Headers can be set after output, as long as the buffer holds it.
        let answer =
            server.get(&server.script("echo ob_get_level(), str_repeat('x', 4000); header('X-Late: 1');")).await;
        assert_eq!((answer.ok().header("x-late"), answer.text().len()), (Some("1"), 4001));
        let answer = server.get(&server.script("echo str_repeat('x', 5000); @header('X-Late: 1');")).await;
        assert_eq!((answer.ok().header("x-late"), answer.text().len()), (None, 5000));
    }
    // flush() alone sends no more than the head: PHP's buffer is the script's to let go.
    let mut raw = server.raw().await;
    raw.get(&server.script("echo 'kept'; flush(); App\\mark('flushed'); App\\await('go'); echo ' back';")).await;
    server.dir().wait_for_mark("flushed").await;
    raw.until("\r\n\r\n").await;
    assert!(!raw.text().contains("kept"), "{}", raw.text());
    server.dir().mark("go");
    raw.until("9\r\nkept back\r\n0\r\n\r\n").await;
});

/// Without a flush of its own every piece leaves at once.
async fn leaves_piece_by_piece(server: &Server, before: &str) {
    for (protocol, id) in [(Protocol::Http1, "h1"), (Protocol::H2c, "h2")] {
        let code =
            format!("{before} echo 'one'; App\\await('{id}-2'); echo 'two'; App\\await('{id}-3'); echo 'three';");
        let mut connection = server.connect(protocol).await;
        let mut reading = connection.begin("GET", &server.script(&code), &[], "").await;
        reading.until("one").await;
        server.dir().mark(&format!("{id}-2"));
        reading.until("two").await;
        server.dir().mark(&format!("{id}-3"));
        assert_eq!(reading.rest().await, End::Whole);
        assert_eq!(reading.answer().text(), "onetwothree");
    }
}

modes!(ob_implicit_flush_sends_every_piece, async |server| {
    leaves_piece_by_piece(server, "ob_implicit_flush();").await;
    // The next request on this worker starts without it.
    let answer = server.get(&server.script("echo 'a'; echo 'b';")).await;
    assert_eq!(answer.ok().header("content-length"), Some("2"));
});

modes!(the_ini_setting_implicit_flush, |launch| launch.ini("implicit_flush", "1"), async |server| {
    leaves_piece_by_piece(server, "").await;
});

modes!(two_flushes_are_two_chunks, async |server| {
    let mut raw = server.raw().await;
    raw.get(&server.script("echo 'He'; flush(); App\\await('go'); echo 'llo';")).await;
    raw.until("2\r\nHe\r\n").await;
    server.dir().mark("go");
    raw.until("2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n").await;
});

/// Decompresses with the machine's own gzip.
fn gunzip(server: &Server, bytes: &[u8]) -> String {
    let file = server.dir().path().join("answer.gz");
    std::fs::write(&file, bytes).expect("a file");
    let mut gzip = command("gzip", server.dir());
    gzip.arg("-dc").arg(&file);
    let ended = run_to_end(server.dir(), gzip, Duration::from_secs(10));
    assert_eq!(ended.code(), 0, "{ended}");
    ended.stdout
}

/// A client that takes gzip and one that does not, by turns on the same workers.
async fn compresses_for_those_who_ask(server: &Server, code: &str, expected: &str) {
    let path = server.script(code);
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let mut connection = server.connect(protocol).await;
        for turn in 0..6 {
            let answer = connection.send("GET", &path, &[("accept-encoding", "gzip")], "").await;
            assert_eq!(answer.ok().header("content-encoding"), Some("gzip"), "turn {turn}: {answer}");
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "turn {turn}: {answer}");
            assert_eq!(gunzip(server, answer.body()), expected, "turn {turn}");
            let answer = connection.get(&path).await;
            assert_eq!(answer.ok().header("content-encoding"), None, "turn {turn}: {answer}");
            assert_eq!(answer.text(), expected, "turn {turn}");
        }
    }
}

modes!(ob_gzhandler_compresses_for_those_who_ask, async |server| {
    compresses_for_those_who_ask(
        server,
        "ob_start('ob_gzhandler'); echo str_repeat('zip ', 500);",
        &"zip ".repeat(500),
    )
    .await;
    compresses_for_those_who_ask(
        server,
        "ob_start('ob_gzhandler'); echo str_repeat('zip ', 50000);",
        &"zip ".repeat(50_000),
    )
    .await;
    // Switched on by the script itself.
    let code = "ini_set('zlib.output_compression', '1'); echo str_repeat('zip ', 500);";
    compresses_for_those_who_ask(server, code, &"zip ".repeat(500)).await;
    assert_eq!(text_of(server, "echo ini_get('zlib.output_compression'), ob_get_level();").await, "00");
});

modes!(the_ini_setting_output_handler, |launch| launch.ini("output_handler", "ob_gzhandler"), async |server| {
    compresses_for_those_who_ask(server, "echo str_repeat('zip ', 500);", &"zip ".repeat(500)).await;
});

modes!(the_ini_setting_zlib_output_compression, |launch| launch.ini("zlib.output_compression", "On"), async |server| {
    compresses_for_those_who_ask(server, "echo str_repeat('zip ', 500);", &"zip ".repeat(500)).await;
    compresses_for_those_who_ask(server, "echo 'a'; ob_flush(); flush(); echo 'b'; ob_flush(); flush();", "ab").await;
    // PHP itself takes a length of the script's own for a reason not to compress; the next request is compressed again.
    let answer = server
        .send("GET", &server.script("header('Content-Length: 5'); echo 'plain';"), &[("accept-encoding", "gzip")], "")
        .await;
    assert_eq!((answer.ok().header("content-encoding"), answer.text().as_str()), (None, "plain"));
    compresses_for_those_who_ask(server, "echo 'again';", "again").await;
});

modes!(heads_of_head_are_those_of_get, async |server| {
    for (code, length) in [
        ("echo 'abc';", None),
        ("header('Content-Length: 3'); echo 'abc';", Some("3")),
        ("header('Content-Length: 3');", Some("3")),
        (
            "header('Content-Length: 300000'); for ($i = 0; $i < 100; ++$i) { echo str_repeat('x', 3000); flush(); }",
            Some("300000"),
        ),
        ("echo 'abc'; flush(); echo 'def';", None),
        ("http_response_code(404); header('X-A: 1'); echo 'abc';", None),
    ] {
        let path = server.script(&format!("header('X-Seen: '.$_SERVER['REQUEST_METHOD']); {code}"));
        let mut raw = server.raw().await;
        raw.write(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\nGET /body?n=5&fill=z HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        raw.until("zzzzz").await;
        let text = raw.text();
        let (head, rest) = text.split_once("\r\n\r\n").expect("a head");
        assert_eq!(header(head, "x-seen"), Some("HEAD"), "{text}");
        assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.ends_with("\r\n\r\nzzzzz"), "{code}: {text}");
        if length.is_some() {
            assert_eq!(header(head, "content-length"), length, "{code}: {text}");
        }
        let mut h2 = server.connect(Protocol::H2c).await;
        let answer = h2.send("HEAD", &path, &[], "").await;
        assert_eq!((answer.status(), answer.text().as_str()), (status(head), ""), "{code}: {answer}");
        assert_eq!(h2.get("/").await.ok().text(), "hello");
    }
});

modes!(no_content_with_output_and_a_flush, async |server| {
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let mut connection = server.connect(protocol).await;
        for code in [204, 205, 304] {
            let path = server.script(&format!(
                "http_response_code({code}); echo 'a'; flush(); echo 'b'; flush(); App\\mark('through-{code}');"
            ));
            let answer = connection.get(&path).await;
            answer.expect(code);
            assert_eq!(answer.text(), "", "{protocol:?} {code}");
            server.dir().wait_for_mark(&format!("through-{code}")).await;
            assert_eq!(connection.get("/").await.ok().text(), "hello", "in step after {code}");
        }
    }
});

modes!(two_hundred_mebibytes_leave_memory_flat, |launch| launch.workers(1), async |server| {
    let rss = |server: &Server| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.php_pid())).expect("status");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("KiB")
    };
    server.get("/big?n=2000000").await.ok();
    let before = rss(server);
    let path = server.script(
        "$piece = str_repeat('0123456789abcdef', 4096); for ($i = 0; $i < 3200; ++$i) { echo $piece; } echo 'end';",
    );
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let mut connection = server.connect(protocol).await;
        let mut reading = connection.begin("GET", &path, &[], "").await;
        let (length, tail) = reading.drain().await;
        assert_eq!((length, tail.as_slice()), (200 * 1024 * 1024 + 3, &b"end"[..]), "{protocol:?}");
    }
    let grown = rss(server).saturating_sub(before);
    assert!(grown < 24 * 1024, "the highest resident size grew by {grown} KiB for 400 MiB of output");
});

modes!(destructors_and_shutdown_functions_print_into_their_response, async |server| {
    for _ in 0..3 {
        let code = "
            class_exists('Says', false) || eval('class Says { function __construct(public string $what) {} function __destruct() { echo $this->what; } }');
            $local = new Says(' destructor');
            register_shutdown_function(function () { echo ' shutdown'; register_shutdown_function(function () { echo ' nested'; }); });
            echo 'handler';";
        let text = text_of(server, code).await;
        assert!(text.starts_with("handler") && text.contains(" shutdown nested"), "{text}");
        assert_eq!(text.matches(" destructor").count(), 1, "{text}");
    }
});

modes!(after_the_end_output_is_dropped_in_silence, async |server| {
    for (finish, id) in
        [("supercharger_finish_request", "s"), ("frankenphp_finish_request", "f"), ("fastcgi_finish_request", "c")]
    {
        for protocol in [Protocol::Http1, Protocol::H2c] {
            let id = format!("{id}-{protocol:?}");
            let code = format!(
                "header('X-A: 1'); ob_start(); echo 'kept'; $first = {finish}();
                 echo str_repeat(' dropped', 20000); flush(); ob_start(); echo 'more'; ob_end_flush(); @header('X-B: 1');
                 register_shutdown_function(fn () => print 'still more');
                 App\\mark('after-{id}', json_encode([$first, {finish}(), headers_sent(), connection_status(), http_response_code()]));"
            );
            let answer = server.connect(protocol).await.get(&server.script(&code)).await;
            assert_eq!(answer.ok().text(), "kept");
            assert_eq!((answer.header("x-a"), answer.header("x-b")), (Some("1"), None));
            assert_eq!(server.dir().wait_for_mark(&format!("after-{id}")).await, "[true,false,true,0,200]");
        }
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

// The status is the script's, the body comes from a destructor at the very end: Symfony's dd().
modes!(exit_with_a_status_and_output_of_a_destructor, async |server| {
    for turn in 0..3 {
        let code = format!("
            class_exists('Dumper', false) || eval('class Dumper {{ public string $text; function __destruct() {{ echo $this->text; }} }}');
            $GLOBALS['dumper'] = new Dumper(); $GLOBALS['dumper']->text = 'dump{turn}';
            http_response_code(500); exit(1);");
        let answer = server.get(&server.script(&code)).await;
        answer.expect(500);
        assert_eq!(answer.text(), format!("dump{turn}"));
    }
    // The same without a status: what is printed late is an answer as well.
    let code = "register_shutdown_function(fn () => print 'last words'); exit(1);";
    assert_eq!(text_of(server, code).await, "last words");
    assert_eq!(text_of(server, "die('good bye');").await, "good bye");
    assert_eq!(text_of(server, "ob_start(); echo 'buffered '; die('good bye');").await, "buffered good bye");
});

modes!(
    an_exception_after_output_shows_both_if_php_displays_errors,
    |launch| launch.ini("display_errors", "1").expect_error("Uncaught Exception"),
    async |server| {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..20 {
            let path = server.script(&format!("echo 'hello'; throw new Exception('request {number}');"));
            let mut connection = server.connect(Protocol::Http1).await;
            tasks.spawn(async move {
                let answer = connection.get(&path).await;
                answer.expect(500);
                let text = answer.text();
                assert!(
                    text.starts_with("hello") && text.contains(&format!("Uncaught Exception: request {number} ")),
                    "{text}"
                );
            });
        }
        while let Some(result) = tasks.join_next().await {
            result.expect("a client");
        }
    }
);

modes!(what_the_script_compressed_is_left_alone, async |server| {
    let code = "header('Content-Encoding: gzip'); header('Vary: Accept-Encoding'); header('Vary: Cookie', false); echo gzencode('packed by hand');";
    let answer = server.send("GET", &server.script(code), &[("accept-encoding", "gzip, br")], "").await;
    assert_eq!(answer.ok().header("content-encoding"), Some("gzip"));
    assert_eq!(answer.header_all("vary"), ["Accept-Encoding", "Cookie"]);
    assert_eq!(gunzip(server, answer.body()), "packed by hand");
});

// What an output callback does wrong is found out when the script is over: status and worker must be as after any other fault.
modes!(
    faults_in_output_callbacks_are_faults_of_the_request,
    |launch| launch.expect_error("in the callback").expect_error("Cannot use output buffering"),
    async |server| {
        for (code, expected) in [
            ("ob_start(function ($text) { throw new Exception('in the callback'); }); echo 'x';", 500),
            (
                "ob_start(function ($text) { trigger_error('in the callback', E_USER_ERROR); return $text; }); echo 'x';",
                500,
            ),
            ("ob_start(function ($text) { ob_start(); return $text; }); echo 'x';", 500),
            ("header_register_callback(function () { throw new Exception('in the callback'); }); echo 'x';", 500),
            (
                "ob_start(function ($text) { header('X-Late: 1'); http_response_code(203); return $text; }); echo 'x';",
                203,
            ),
        ] {
            for _ in 0..3 {
                let answer = server.get(&server.script(code)).await;
                assert_eq!(answer.status(), expected, "{code}: {answer}");
                assert_eq!(server.get("/").await.ok().text(), "hello", "after {code}");
            }
        }
    }
);

// The body is read after the response has gone, and with it the stream that it came on.
modes!(the_body_can_be_read_after_the_response, |launch| launch.ini("enable_post_data_reading", "0"), async |server| {
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let mark = format!("read-{protocol:?}");
        let code = format!(
            "echo 'done'; fastcgi_finish_request(); App\\mark('{mark}', (string) strlen(file_get_contents('php://input')));"
        );
        let mut connection = server.connect(protocol).await;
        let answer = connection
            .send("POST", &server.script(&code), &[("content-type", "text/plain")], vec![b'x'; 700_000])
            .await;
        assert_eq!(answer.ok().text(), "done");
        assert_eq!(server.dir().wait_for_mark(&mark).await, "700000");
        assert_eq!(connection.get("/").await.ok().text(), "hello");
    }
});
