//! A client never holds a PHP thread: not by reading slowly, not by sending slowly, not by doing neither.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::client::End;
use crate::support::raw::{Raw, status};
use crate::support::{Launch, Protocol, Server, modes, until};

/// Bytes of a block that the fixture's `/bulk` routes print.
const BLOCK: usize = 32 * 1024;
/// Blocks in a mebibyte.
const MIB: usize = 32;

const SOON: Duration = Duration::from_secs(10);

async fn narrow(server: &Server) -> Raw {
    Raw::open_with_buffer(server.address(), 4096).await
}

/// Reads a response of `/bulk`; panics unless it is whole and every block is in its place.
async fn read_blocks(raw: &mut Raw, blocks: usize) {
    let end = loop {
        if let Some(end) = raw.bytes().windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        assert!(raw.more().await, "closed before the end of the head");
    };
    while raw.bytes().len() < end + blocks * BLOCK {
        assert!(raw.more().await, "closed after {} bytes", raw.bytes().len());
    }
    check_blocks(&raw.bytes()[end..], blocks);
}

fn check_blocks(body: &[u8], blocks: usize) {
    assert_eq!(body.len(), blocks * BLOCK);
    for (number, block) in body.chunks(BLOCK).enumerate() {
        assert!(block == format!("{number:07}\n").repeat(4096).as_bytes(), "block {number} is not itself");
    }
}

modes!(a_large_response_that_nobody_reads_costs_no_worker, |launch| launch.workers(1), async |server| {
    for route in ["/bulk", "/bulk-at-once"] {
        let mut slow = narrow(server).await;
        slow.get(&format!("{route}?blocks={}", 20 * MIB)).await;
        slow.until("HTTP/1.1 200").await;
        assert_eq!(server.get("/").await.ok().text(), "hello", "the only worker is free");
        assert_eq!(server.unnamed_files(), 1, "what the client has not taken is in a file");
        read_blocks(&mut slow, 20 * MIB).await;
        drop(slow);
        until(SOON, "the file is freed", || (server.unnamed_files() == 0).then_some(())).await;
    }
});

modes!(a_very_large_response_takes_no_memory, |launch| launch.workers(1), async |server| {
    // The first one brings what is allocated once: PHP's heap, tokio's threads for files.
    let mut slow = narrow(server).await;
    slow.get(&format!("/bulk?id=first&blocks={}", 20 * MIB)).await;
    server.dir().wait_for_mark("printed-first").await;
    drop(slow);
    let before = server.memory_kib("VmRSS");
    let mut slow = narrow(server).await;
    slow.get(&format!("/bulk?id=large&blocks={}", 200 * MIB)).await;
    server.dir().wait_for_mark("printed-large").await;
    // `response_memory`, what hyper holds, and what the allocator keeps: 4 MiB is 2 % of the response.
    let grown = server.memory_kib("VmRSS").saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
    assert!(server.unnamed_bytes() > 190 << 20, "{} bytes on disk", server.unnamed_bytes());
});

modes!(a_finished_response_that_nobody_reads_lets_the_script_go_on, async |server| {
    let mut slow = narrow(server).await;
    slow.get(&format!("/bulk-finish?id=f&blocks={}", 20 * MIB)).await;
    assert_eq!(server.dir().wait_for_mark("finished-f").await, "[true,0]");
    server.dir().mark("go-on-f");
    read_blocks(&mut slow, 20 * MIB).await;
});

modes!(a_client_that_leaves_while_its_response_is_on_disk, |launch| launch.workers(1), async |server| {
    for id in ["a", "b", "c"] {
        let mut leaver = narrow(server).await;
        leaver.get(&format!("/bulk-until-gone?id={id}&blocks=100000&pause=200")).await;
        until(SOON, "the response is on disk", || (server.unnamed_files() == 1).then_some(())).await;
        drop(leaver);
        let ended: serde_json::Value =
            serde_json::from_str(&server.dir().wait_for_mark(&format!("ended-{id}")).await).expect("JSON");
        assert_eq!(ended["status"], 1, "connection_status() says aborted: {ended}");
        until(SOON, "the file is freed", || (server.unnamed_files() == 0).then_some(())).await;
    }
    assert_eq!(server.get("/").await.ok().text(), "hello", "the worker serves on");
});

modes!(
    an_endless_stream_fills_neither_disk_nor_memory,
    |launch| launch.workers(1).config("server.response_spill", "\"2MiB\"").config("server.write_timeout", "\"2s\""),
    async |server| {
        let mut slow = narrow(server).await;
        slow.get("/bulk-until-gone?id=x&blocks=100000").await;
        // 3 GiB would come; the client takes nothing, so after 2 s without progress it counts as gone.
        let ended: serde_json::Value =
            serde_json::from_str(&server.dir().wait_for_mark("ended-x").await).expect("JSON");
        assert_eq!(ended["status"], 1, "{ended}");
        // Memory, file and the sockets' own buffers.
        let printed = ended["printed"].as_u64().expect("a number");
        assert!(printed <= 10 * MIB as u64, "{printed} blocks were printed for nobody");
        until(SOON, "the file is freed", || (server.unnamed_files() == 0).then_some(())).await;
        assert_eq!(server.get("/").await.ok().text(), "hello", "the worker serves on");
        assert!(!raw_is_whole(&mut slow).await, "the response was broken off");
    }
);

/// Reads to the end of the connection; whether it ended as a chunked body should.
async fn raw_is_whole(raw: &mut Raw) -> bool {
    while raw.more().await {}
    raw.bytes().ends_with(b"0\r\n\r\n")
}

modes!(
    all_responses_together_have_a_bound_on_disk,
    |launch| launch.workers(4).config("server.response_spill_total", "\"8MiB\""),
    async |server| {
        let mut slow = Vec::new();
        for _ in 0..4 {
            let mut client = narrow(server).await;
            client.get(&format!("/bulk?blocks={}", 12 * MIB)).await;
            client.until("HTTP/1.1 200").await;
            slow.push(client);
        }
        server.wait_for_log("response.spill_failed").await;
        assert!(server.unnamed_bytes() <= 8 << 20, "{} bytes on disk", server.unnamed_bytes());
        // Those that found no place wait for their clients; nothing is lost.
        for client in &mut slow {
            read_blocks(client, 12 * MIB).await;
        }
    }
);

/// Slow clients of a server that cannot store what they do not take: PHP waits for them, and no byte is lost.
async fn nothing_is_lost_without_a_disk(server: &Server) {
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut client = narrow(server).await;
        client.get(&format!("/bulk?blocks={}", 10 * MIB)).await;
        client.until("HTTP/1.1 200").await;
        slow.push(client);
    }
    server.wait_for_log("response.spill_failed").await;
    for client in &mut slow {
        read_blocks(client, 10 * MIB).await;
    }
    let complaints = server.log().lines().filter(|line| line.contains("response.spill_failed")).count();
    assert_eq!(complaints, 1, "logged once");
    assert_eq!(server.get("/").await.ok().text(), "hello");
}

modes!(without_a_temporary_folder_php_waits, |launch| launch.env("TMPDIR", "/nonexistent"), async |server| {
    nothing_is_lost_without_a_disk(server).await;
});

// No file may be larger than 4 MiB (the board of crashes has 2, the store is made as small): to the writer the same as a full disk in the
// middle of a piece, without one.
modes!(
    with_a_full_disk_php_waits,
    |launch| launch.config("store.max_memory", "\"2MiB\"").config("store.max_value", "\"64KiB\"").wrapped(&[
        "sh",
        "-c",
        "trap '' XFSZ; ulimit -f 8001; exec \"$0\" \"$@\""
    ]),
    async |server| { nothing_is_lost_without_a_disk(server).await }
);

modes!(
    switched_off_php_waits_and_nothing_is_written,
    |launch| launch.workers(2).config("server.response_spill", "0"),
    async |server| {
        let mut slow = narrow(server).await;
        slow.get(&format!("/bulk?id=off&blocks={}", 20 * MIB)).await;
        slow.until("HTTP/1.1 200").await;
        assert_eq!(server.get("/").await.ok().text(), "hello", "the other worker");
        assert_eq!((server.unnamed_files(), server.dir().marked("printed-off")), (0, None), "the script waits");
        read_blocks(&mut slow, 20 * MIB).await;
    }
);

fn impatient(launch: Launch) -> Launch {
    launch.workers(1).config("server.write_timeout", "\"1s\"")
}

modes!(a_client_that_takes_nothing_is_cut, impatient, async |server| {
    std::fs::write(server.dir().app().join("public/large.bin"), vec![7; 20 << 20]).expect("a file");
    let before = server.descriptors().len();
    // A static file, a response on disk, and many small answers to requests sent at once.
    let pipelined = "GET /body?n=60000 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
    let requests = [
        "GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        format!("GET /bulk?blocks={} HTTP/1.1\r\nHost: x\r\n\r\n", 20 * MIB),
        pipelined,
    ];
    for request in requests {
        let mut slow = narrow(server).await;
        slow.write(&request).await;
        slow.until("HTTP/1.1 200").await;
        // It still has its end of the connection; the server has not.
        until(SOON, "the connection is closed", || (server.descriptors().len() <= before).then_some(())).await;
        while slow.more().await {}
        assert!(slow.bytes().len() < 12 << 20, "{}: {} bytes", &request[..20], slow.bytes().len());
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

/// `server.write_timeout` in the next test.
const PATIENCE: Duration = Duration::from_secs(3);

/// So many reads in a row let the system tell the server at least once that there is room again.
const READS_PER_UPDATE: usize = 3;

/// Takes a response with pauses, for more than twice the limit in all. False if the pauses became longer than meant, because this process was not
/// run, so that the server was right to give up.
async fn takes_a_little(server: &Server) -> bool {
    let mut slow = Raw::open_with_buffer(server.address(), 128 * 1024).await;
    slow.get(&format!("/bulk?blocks={}", 5 * MIB)).await;
    let mut pauses: Vec<Duration> = Vec::new();
    for _ in 0..24 {
        let goes_on = slow.more().await;
        let longest = pauses.windows(READS_PER_UPDATE).map(|few| few.iter().sum::<Duration>()).max();
        if longest >= Some(PATIENCE) {
            return false;
        }
        assert!(goes_on, "cut; {READS_PER_UPDATE} pauses of the client took {longest:?} at most");
        let begun = Instant::now();
        // The pause is what makes this client slow.
        tokio::time::sleep(PATIENCE / 10).await;
        pauses.push(begun.elapsed());
    }
    if pauses.iter().rev().take(READS_PER_UPDATE).sum::<Duration>() >= PATIENCE {
        return false;
    }
    read_blocks(&mut slow, 5 * MIB).await;
    true
}

modes!(
    a_client_that_takes_a_little_is_not_cut,
    |launch| launch.workers(1).config("server.write_timeout", "\"3s\""),
    async |server| {
        for _ in 0..4 {
            if takes_a_little(server).await {
                return;
            }
        }
        panic!("this machine is too busy to be slow on purpose");
    }
);

modes!(an_http2_stream_without_window_is_reset_and_the_others_go_on, impatient, async |server| {
    std::fs::write(server.dir().app().join("public/large.bin"), vec![7; 20 << 20]).expect("a file");
    let connection = server.connect(Protocol::H2c).await;
    for path in [
        "/large.bin".to_owned(),
        format!("/bulk?blocks={}", 20 * MIB),
        "/bulk-until-gone?id=h2&blocks=100000".to_owned(),
    ] {
        // hyper's client gives window for what is read, so a body that nobody reads stalls its stream.
        let mut stalled = connection.share().begin("GET", &path, &[], "").await;
        for _ in 0..3 {
            assert_eq!(connection.share().get("/").await.ok().text(), "hello", "beside {path}");
        }
        until(SOON, "nothing is held for the stream", || (held_files(server) == 0).then_some(())).await;
        assert_eq!(stalled.rest().await, End::BrokenOff, "{path}");
        assert_eq!(connection.share().get("/").await.ok().text(), "hello", "after {path}");
    }
});

modes!(small_answers_on_streams_without_window_are_reset_as_well, impatient, async |server| {
    let stream = TcpStream::connect(server.address()).await.expect("connect");
    let (mut sender, driver) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1024)
        .handshake(TokioIo::new(stream))
        .await
        .expect("a handshake");
    tokio::spawn(async move { drop(driver.await) });
    let mut ask = async |path: &str| {
        let request = http::Request::get(format!("http://{}{path}", server.address())).body(Empty::<Bytes>::new());
        let answer = timeout(SOON, sender.send_request(request.expect("a request"))).await.expect("in time");
        answer.expect("an answer").into_body()
    };
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(ask("/body?n=60000").await);
    }
    // Nothing shows from outside that the time is over, and to look would be to read, which gives window again.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for body in stalled {
        assert!(timeout(SOON, body.collect()).await.expect("in time").is_err(), "a stalled answer came to its end");
    }
    let body = timeout(SOON, ask("/").await.collect()).await.expect("in time").expect("the connection goes on");
    assert_eq!(body.to_bytes(), "hello");
});

/// Files that a response is read from.
fn held_files(server: &Server) -> usize {
    let files = server.descriptors();
    files.iter().filter(|target| target.ends_with("large.bin")).count() + server.unnamed_files()
}

modes!(
    a_body_that_stops_half_way_is_a_408,
    |launch| launch.workers(1).config("server.body_timeout", "\"1s\""),
    async |server| {
        let mut slow = server.raw().await;
        slow.write("POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello").await;
        assert_eq!(server.get("/").await.ok().text(), "hello", "the only worker is free");
        let answer = slow.until_closed().await;
        assert_eq!(status(&answer), 408, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        // One that goes on in time is none of that.
        let mut steady = server.raw().await;
        steady.write("POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n").await;
        for byte in ["s", "t", "e", "a", "d", "y"] {
            tokio::time::sleep(Duration::from_millis(250)).await;
            steady.write(byte).await;
        }
        assert!(steady.response().await.contains("\"length\":6"));
    }
);

/// Slow clients of either kind; more of them than workers by far.
const SLOW: usize = 200;

// Nothing is timed here: that all quick requests are answered while every slow client is still there, and that all four workers can be held
// at once meanwhile, is what can be counted. `make soak` measures how fast the answers are.
modes!(
    two_hundred_clients_that_do_not_read_and_two_hundred_that_hardly_send,
    |launch| launch.workers(4),
    async |server| {
        let mut readers = Vec::new();
        let mut senders = Vec::new();
        for _ in 0..SLOW {
            let mut reader = narrow(server).await;
            reader.get(&format!("/bulk?blocks={}", 5 * MIB)).await;
            readers.push(reader);
            let mut sender = server.raw().await;
            sender.write("POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nx").await;
            senders.push(sender);
        }
        // Every response has been printed and lies where it costs no worker.
        until(Duration::from_secs(30), "all responses are on disk", || (server.unnamed_files() == SLOW).then_some(()))
            .await;
        for byte in 0..3 {
            for sender in &mut senders {
                sender.write("y").await;
            }
            for worker in 0..4 {
                let mut holder = server.raw().await;
                holder.get(&format!("/hold?id={byte}-{worker}")).await;
                senders.push(holder);
            }
            // All four at once.
            for worker in 0..4 {
                server.dir().wait_for_mark(&format!("holding-{byte}-{worker}")).await;
            }
            for worker in 0..4 {
                server.dir().mark(&format!("release-{byte}-{worker}"));
            }
            for mut holder in senders.split_off(SLOW) {
                assert!(holder.response().await.contains(&format!("held {byte}-")));
            }
            for _ in 0..100 {
                assert_eq!(server.get("/").await.ok().text(), "hello");
            }
        }
        assert_eq!(server.unnamed_files(), SLOW, "every slow reader is still there");
        for sender in &mut senders {
            sender.write("z".repeat(16)).await;
            let response = sender.response().await;
            assert!(response.contains("\"length\":20"), "{response}");
        }
        for mut reader in readers.drain(..10) {
            read_blocks(&mut reader, 5 * MIB).await;
        }
    }
);
