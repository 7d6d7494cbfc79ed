//! A response that PHP broke off after its head had left is never completed as if it were whole.

use crate::support::client::End;
use crate::support::{Launch, Mode, Protocol, Server, modes};

/// Each leaves a part and then dies.
const FAULTS: [&str; 3] = ["/head-then-fatal", "/head-then-memory", "/head-then-throw"];

fn announced(launch: Launch) -> Launch {
    launch
        .expect_error("Unfinished")
        .expect_error("nobody catches this")
        .expect_error("Allowed memory size")
        .expect_error("broken off")
}

modes!(http_1_1_gets_no_terminating_chunk, announced, async |server| {
    for fault in FAULTS {
        let mut raw = server.raw().await;
        raw.get(&format!("{fault}?id={}", &fault[1..])).await;
        raw.until("the first part").await;
        assert!(raw.text().to_lowercase().contains("transfer-encoding: chunked"), "{fault}: {}", raw.text());
        server.dir().mark(&format!("break-{}", &fault[1..]));
        let text = raw.until_closed().await;
        assert!(!text.ends_with("0\r\n\r\n"), "{fault}: completed as if whole: {text:?}");
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

modes!(an_announced_length_is_not_made_up_for, announced, async |server| {
    for fault in FAULTS {
        let mut raw = server.raw().await;
        let id = format!("length-{}", &fault[1..]);
        raw.get(&format!("{fault}?length=1000&id={id}")).await;
        raw.until("the first part").await;
        server.dir().mark(&format!("break-{id}"));
        let text = raw.until_closed().await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{fault}: {text:?}"));
        assert!(head.to_lowercase().contains("content-length: 1000"), "{fault}: {head}");
        assert!(body.len() < 1000, "{fault}: {} bytes of 1000", body.len());
    }
});

modes!(h2c_streams_are_reset, announced, async |server| {
    let connection = server.connect(Protocol::H2c).await;
    for fault in FAULTS {
        let mut reading = connection.share().begin("GET", &format!("{fault}?id=h2-{}", &fault[1..]), &[], "").await;
        assert_eq!(reading.status(), 200);
        reading.until("the first part").await;
        server.dir().mark(&format!("break-h2-{}", &fault[1..]));
        assert_eq!(reading.rest().await, End::BrokenOff, "{fault}");
        // One stream is lost, not the connection.
        assert_eq!(connection.share().get("/").await.ok().text(), "hello", "after {fault}");
    }
});

async fn output_beyond_the_gathered_part_is_broken_off(server: &Server, protocol: Protocol) {
    for fault in ["/much-then-fatal", "/much-then-throw"] {
        let mut connection = server.connect(protocol).await;
        // The end may overtake the head on its way out; then there is no answer at all, which nobody takes for a whole one.
        let Ok(mut reading) = connection.try_begin("GET", fault, &[], "").await else { continue };
        assert_eq!(reading.rest().await, End::BrokenOff, "{fault}");
    }
}

modes!(large_output_that_was_never_flushed, announced, async |server| {
    output_beyond_the_gathered_part_is_broken_off(server, Protocol::Http1).await;
    output_beyond_the_gathered_part_is_broken_off(server, Protocol::H2c).await;
});

modes!(small_output_that_was_never_flushed_becomes_a_500, announced, async |server| {
    for path in ["/fatal-after-output", "/throw-after-output"] {
        let answer = server.get(path).await;
        answer.expect(500);
    }
});

// The fault is known before the first byte leaves, so it must not leave under status 200, however much it is and whether PHP
// shows its message or not.
modes!(large_output_in_a_buffer_when_the_fault_comes_is_a_500, announced, async |server| {
    let mut wrong = Vec::new();
    for path in ["/buffered-then-fatal", "/buffered-then-throw"] {
        for query in ["n=1000&show=0", "n=1000&show=1", "n=300000&show=0", "n=300000&show=1"] {
            let mut connection = server.connect(Protocol::Http1).await;
            let reading = connection.begin("GET", &format!("{path}?{query}"), &[], "").await;
            if reading.status() != 500 {
                wrong.push(format!("{path}?{query}: {}", reading.status()));
            }
        }
    }
    assert!(wrong.is_empty(), "not 500: {wrong:?}");
});

modes!(exit_after_a_flush_is_an_ordinary_end, announced, async |server| {
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let mut connection = server.connect(protocol).await;
        let mut reading = connection.begin("GET", "/head-then-exit", &[], "").await;
        assert_eq!(reading.rest().await, End::Whole);
        assert_eq!(reading.answer().text(), "the first part");
    }
});

/// The checks above can fail: a response that ends well is not taken for a broken one.
#[test]
#[should_panic(expected = "completed as if whole")]
fn negative_control_a_whole_response_is_told_from_a_broken_one() {
    crate::support::run(Launch::plain(Mode::Worker), async |server| {
        let mut raw = server.raw().await;
        raw.write("GET /stream?id=n&pieces=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let text = raw.until_closed().await;
        assert!(!text.ends_with("0\r\n\r\n"), "completed as if whole: {text:?}");
    });
}
