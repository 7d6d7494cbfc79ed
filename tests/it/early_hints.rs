//! Heads that leave before the final one: `headers_send(103)`, and the final head before its body.

use std::time::Duration;

use crate::support::client::fnv1a64;
use crate::support::program::{command, run_to_end};
use crate::support::raw::{Raw, header, status};
use crate::support::run::run_within;
use crate::support::symfony::{self, Series};
use crate::support::{Launch, Mode, PrivateDir, Protocol, holds_within, modes, run};

/// Splits what came into heads and the rest.
fn heads(text: &str, count: usize) -> (Vec<&str>, &str) {
    let mut rest = text;
    let mut heads = Vec::new();
    for _ in 0..count {
        let (head, after) = rest.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no further head: {text:?}"));
        heads.push(head);
        rest = after;
    }
    (heads, rest)
}

modes!(a_hint_leaves_before_the_script_goes_on, async |server| {
    let mut raw = server.raw().await;
    // Twice over one connection: the second hint follows a response.
    for turn in 0..2 {
        let mut before = raw.text().len();
        raw.get(&format!("/hints?i={turn}&wait=go-{turn}")).await;
        raw.until(&format!("request: {turn}\r\n\r\n")).await;
        let text = raw.text();
        assert_eq!(status(&text[before..]), 103, "{text}");
        assert_eq!(header(&text[before..], "link"), Some("</style.css>; rel=preload; as=style"), "{text}");
        assert!(!text[before..].contains("content-length"), "RFC 9110 section 8.6: {text}");
        before = text.len();
        server.dir().mark(&format!("go-{turn}"));
        while !raw.text()[before..].ends_with("sent 1") {
            assert!(raw.more().await);
        }
        let text = raw.text();
        let (final_head, _) = heads(&text[before..], 1);
        assert_eq!(status(final_head[0]), 200);
        assert_eq!(header(final_head[0], "request"), Some(turn.to_string().as_str()));
        assert_eq!(header(final_head[0], "link"), None, "header_remove() after the hint: {text}");
    }
});

modes!(parallel_hints_stay_with_their_requests, |launch| launch.workers(4), async |server| {
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..8 {
        let mut raw = server.raw().await;
        tasks.spawn(async move {
            for turn in 0..20 {
                let number = client * 100 + turn;
                let from = raw.text().len();
                raw.get(&format!("/hints?i={number}")).await;
                while !raw.text()[from..].ends_with("sent 1") {
                    assert!(raw.more().await, "{}", raw.text());
                }
                let text = raw.text();
                let (heads, body) = heads(&text[from..], 2);
                assert_eq!(heads.iter().map(|head| status(head)).collect::<Vec<_>>(), [103, 200], "{text}");
                for head in heads {
                    assert_eq!(header(head, "request"), Some(number.to_string().as_str()));
                }
                assert_eq!(body, "sent 1");
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("a client");
    }
});

modes!(clients_that_cannot_have_hints_get_none, async |server| {
    let mut raw = server.raw().await;
    raw.write("GET /hints?i=1 HTTP/1.0\r\nHost: x\r\n\r\n").await;
    let text = raw.until_closed().await;
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n") && text.ends_with("\r\n\r\nsent 0"), "{text}");
    let mut connection = server.connect(Protocol::H2c).await;
    let answer = connection.get("/hints?i=2").await;
    assert_eq!(answer.ok().text(), "sent 0");
    assert_eq!((answer.header("request"), answer.header("link")), (Some("2"), None));
});

modes!(interim_heads_are_bounded_and_carry_no_framing, async |server| {
    let mut raw = server.raw().await;
    raw.write("GET /interim?n=40 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let text = raw.until_closed().await;
    assert_eq!(text.matches("HTTP/1.1 103 Early Hints\r\n").count(), 16, "{text}");
    assert!(text.ends_with("\r\n\r\n16"), "{text}");
    assert!(!text.to_lowercase().contains("transfer-encoding"), "{text}");
    assert_eq!(text.to_lowercase().matches("content-length: ").count(), 1, "of the final head: {text}");
    // Larger than what may wait for a client.
    let mut raw = server.raw().await;
    raw.write("GET /interim?fill=70000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let text = raw.until_closed().await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n0"), "{}", text.len());
});

modes!(which_statuses_make_an_interim_head, async |server| {
    for (given, expected) in [(100, "100 Continue"), (102, "102 Processing"), (103, "103 Early Hints"), (199, "199 ")] {
        let mut raw = server.raw().await;
        raw.write(format!("GET /interim?status={given} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        let text = raw.until_closed().await;
        assert!(text.starts_with(&format!("HTTP/1.1 {expected}\r\n")), "{text}");
        assert!(text.contains("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n1"), "{text}");
    }
    for given in [-1, 0, 99, 101, 1000] {
        let answer = server.get(&format!("/headers-send?status={given}")).await;
        assert!(answer.ok().text().contains("must be a status code from 100 to 999"), "{given}: {answer}");
    }
});

// A response waits in the server while its client reads nothing; the hint of the next request must not get between its bytes, whatever
// part of it has left by then.
modes!(a_hint_never_breaks_into_another_response, |launch| launch.workers(1), async |server| {
    for length in (40_000..600_000).step_by(40_000) {
        let mut raw = Raw::open_narrow(server.address()).await;
        raw.get(&format!("/big?n={length}")).await;
        raw.get(&format!("/hints?i=7&mark=hinted-{length}")).await;
        // It may come only after we have read a part: then this is a pause.
        let mark = format!("hinted-{length}");
        holds_within(Duration::from_millis(100), || server.dir().marked(&mark).is_some()).await;
        while !(raw.text().ends_with("sent 1") || raw.text().ends_with("sent 0")) {
            assert!(raw.more().await, "closed after {} bytes", raw.text().len());
        }
        let text = raw.text();
        let (body, rest) = body(&text);
        assert_eq!(body.len(), length, "the first body is whole");
        assert_eq!(fnv1a64(body.as_bytes()), fnv1a64(big(length).as_bytes()), "and unchanged");
        let interim = usize::from(rest.contains(" 103 "));
        let (heads, body) = heads(rest, 1 + interim);
        assert_eq!(status(heads[interim]), 200, "{rest}");
        assert!(rest.starts_with("HTTP/1.1 ") && body.starts_with("sent "), "{rest}");
    }
});

/// What `/big` prints.
fn big(length: usize) -> String {
    let mut text: String = (0..length / 16 + 1).map(|line| format!("{line:015}\n")).collect();
    text.truncate(length);
    text
}

/// The body of the first response, by length or by chunks, and what follows it.
fn body(text: &str) -> (String, &str) {
    let (head, mut rest) = text.split_once("\r\n\r\n").expect("a head");
    if let Some(length) = header(head, "content-length") {
        let (body, rest) = rest.split_at(length.parse().expect("a number"));
        return (body.to_owned(), rest);
    }
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").expect("a chunk");
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("no chunk size: {size:?}"));
        body.push_str(&after[..size]);
        assert_eq!(&after[size..size + 2], "\r\n", "the end of a chunk");
        rest = &after[size + 2..];
        if size == 0 {
            return (body, rest);
        }
    }
}

modes!(a_hint_after_the_answer_is_dropped, |launch| launch.workers(1), async |server| {
    let mut raw = server.raw().await;
    for id in ["a", "b"] {
        let from = raw.text().len();
        raw.get(&format!("/late-hints?id={id}")).await;
        while !raw.text()[from..].ends_with("done") {
            assert!(raw.more().await);
        }
        assert_eq!(server.dir().wait_for_mark(&format!("late-{id}")).await, "0");
    }
    assert!(!raw.text().contains("103"), "{}", raw.text());
});

modes!(the_final_head_leaves_before_its_body, async |server| {
    for (protocol, id, code) in [(Protocol::Http1, "h1", 200), (Protocol::H2c, "h2", 404)] {
        let mut connection = server.connect(protocol).await;
        let mut reading = connection.begin("GET", &format!("/head-now?id={id}&status={code}"), &[], "").await;
        assert_eq!(reading.status(), code, "{protocol:?}");
        server.dir().mark(&format!("go-{id}"));
        reading.rest().await;
        let answer = reading.answer();
        assert_eq!(answer.header("x-early"), Some("yes"));
        assert_eq!(answer.text(), format!("still buffered [1,true,0,0,{code}]"), "{protocol:?}");
    }
});

/// Runs a client to its end; `None` if this machine does not have it.
fn client(program: &str, arguments: &[&str]) -> Option<String> {
    let dir = PrivateDir::new();
    let known = command("sh", &dir)
        .args(["-c", &format!("command -v {program} >/dev/null")])
        .status()
        .is_ok_and(|s| s.success());
    if !known {
        eprintln!("skipped: no {program} on this machine");
        return None;
    }
    let mut command = command(program, &dir);
    command.args(arguments);
    let ended = run_to_end(&dir, command, Duration::from_secs(20));
    assert_eq!(ended.code(), 0, "{ended}");
    Some(ended.stderr + &ended.stdout)
}

#[test]
fn curl_and_node_understand_the_hint() {
    run(Launch::plain(Mode::Worker), async |server| {
        let url = format!("http://{}/hints?i=5", server.address());
        if let Some(seen) = client("curl", &["-sv", &url]) {
            assert!(
                seen.contains("< HTTP/1.1 103 Early Hints\r\n") && seen.contains("< HTTP/1.1 200 OK\r\n"),
                "{seen}"
            );
            assert!(seen.ends_with("sent 1"), "{seen}");
        }
        let script = "const r = require('http').get(process.argv[1]);
            r.on('information', i => console.log(i.statusCode, i.headers.link, i.headers.request));
            r.on('response', a => { console.log(a.statusCode, a.headers.link, a.headers.request);
                a.on('data', d => console.log(d.toString())); });";
        if let Some(seen) = client("node", &["-e", script, &url]) {
            assert_eq!(seen, "103 </style.css>; rel=preload; as=style 5\n200 undefined 5\nsent 1\n");
        }
    });
}

/// A controller that sends its hints as `AbstractController::sendEarlyHints()` does.
const CONTROLLER: &str = r#"<?php

namespace App\Controller;

use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;

final class HintsController
{
    #[Route('/hints')]
    public function __invoke(): Response
    {
        $response = new Response();
        $response->headers->set('Link', '</style.css>; rel=preload; as=style');
        $response->sendHeaders(103);
        $response->setStatusCode(201);
        $response->setContent('hinted');

        return $response;
    }
}
"#;

#[test]
fn symfony_sends_hints() {
    for (series, mode) in [(Series::V6_4, Mode::Classic), (Series::V7_4, Mode::Worker), (Series::V8_1, Mode::Worker)] {
        let launch = symfony::launch(series, mode).workers(2);
        launch.dir().write("app/src/Controller/HintsController.php", CONTROLLER);
        run_within(Duration::from_secs(120), launch, async |server| {
            for _ in 0..3 {
                let mut raw = server.raw().await;
                raw.write("GET /hints HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
                let text = raw.until_closed().await;
                let (heads, body) = heads(&text, 2);
                assert_eq!(heads.iter().map(|head| status(head)).collect::<Vec<_>>(), [103, 201], "{series:?}: {text}");
                for head in heads {
                    // Symfony counts on it that a header of the hint stays set for the final head: once.
                    assert_eq!(header(head, "link"), Some("</style.css>; rel=preload; as=style"), "{series:?}: {text}");
                    assert_eq!(head.matches("link: ").count(), 1, "{series:?}: {text}");
                }
                assert_eq!(body, "hinted");
            }
            // HTTP/2 clients get the same without the hint.
            let answer = server.connect(Protocol::H2c).await.get("/hints").await;
            assert_eq!((answer.expect(201).text().as_str(), answer.header_all("link").len()), ("hinted", 1));
        });
    }
}
