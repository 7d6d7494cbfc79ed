//! What takes too long, or too much disk, for every run: `make soak`. Ignored otherwise.

mod memory;
mod storm;

use std::time::{Duration, Instant};

use crate::support::raw::Raw;
use crate::support::run::run_within;
use crate::support::{Launch, Mode, Protocol, Server, until};

const LIMIT: Duration = Duration::from_secs(600);
const GIB: u64 = 1024 * 1024 * 1024;
/// Blocks of `/bulk` in a gibibyte.
const BLOCKS: u64 = GIB / 32_768;

/// How much the process may grow, at its highest, while a gibibyte passes, in KiB: `response_memory`, the pieces on their way
/// to and from the disk, what the allocators keep. 16 MiB is 1.6 % of what passes.
const TOLERANCE_KIB: u64 = 16 * 1024;

fn launch() -> Launch {
    Launch::plain(Mode::Worker)
        .workers(2)
        .config("server.max_body_size", "\"2GiB\"")
        .ini("upload_max_filesize", "2G")
        .ini("post_max_size", "2G")
}

/// Sends a body of this many bytes after the head and the first part, then the last part; gives the response.
async fn send_large(raw: &mut Raw, head: &str, first: &str, bytes: u64, last: &str) -> String {
    let length = bytes + first.len() as u64 + last.len() as u64;
    raw.write(format!("{head}Content-Length: {length}\r\n\r\n{first}")).await;
    let piece = vec![b'u'; 1 << 20];
    for _ in 0..bytes >> 20 {
        raw.write(&piece).await;
    }
    raw.write(last).await;
    raw.response().await
}

/// One of each kind, so that what is allocated once is.
async fn warm_up(server: &Server) {
    server.send("POST", "/count-input", &[], vec![0; 9 << 20]).await.ok();
    server.get("/bulk?blocks=1000").await.ok();
}

/// What it has now; from here on the highest counts.
fn start_of_count(server: &Server) -> u64 {
    // proc(5): 5 resets the peak.
    std::fs::write(format!("/proc/{}/clear_refs", server.php_pid()), "5").expect("the peak can be reset");
    server.memory_kib("VmRSS")
}

fn grown(what: &str, server: &Server, before: u64) {
    let grown = server.memory_kib("VmHWM").saturating_sub(before);
    eprintln!("{what}: {grown} KiB more at the highest than the {before} KiB before");
    assert!(grown <= TOLERANCE_KIB, "{what}: {grown} KiB more");
}

#[test]
#[ignore = "takes gigabytes of disk: make soak"]
fn a_gibibyte_in_either_direction_takes_no_memory() {
    run_within(LIMIT, launch(), async |server| {
        warm_up(server).await;
        let before = start_of_count(server);
        let mut raw = server.raw().await;
        let head = "POST /count-input HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n";
        let answer = send_large(&mut raw, head, "", GIB, "").await;
        assert!(answer.ends_with(&GIB.to_string()), "{answer}");
        grown("a plain upload", server, before);

        let head = "POST /upload-sizes HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=edge\r\n";
        let first = "--edge\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.bin\"\r\n\r\n";
        let answer = send_large(&mut raw, head, first, GIB, "\r\n--edge--\r\n").await;
        assert!(answer.ends_with(&format!("{{\"f\":{GIB}}}")), "{answer}");
        grown("a form", server, before);

        let begun = Instant::now();
        read(&mut server.raw().await, "fast").await;
        eprintln!("a fast reader takes 1 GiB in {:?}", begun.elapsed());
        grown("a fast reader", server, before);

        let mut slow = Raw::open_narrow(server.address()).await;
        slow.get(&format!("/bulk?id=slow&blocks={}", BLOCKS - 100)).await;
        server.dir().wait_for_mark("printed-slow").await;
        assert!(server.unnamed_bytes() > GIB - (10 << 20), "{} bytes on disk", server.unnamed_bytes());
        grown("a reader that does not read", server, before);
    });
}

/// Reads a gibibyte and forgets it.
async fn read(raw: &mut Raw, id: &str) {
    raw.get(&format!("/bulk?id={id}&blocks={BLOCKS}")).await;
    let mut left = GIB;
    while left > 0 {
        let count = raw.take().await;
        assert!(count > 0, "closed with {left} bytes to come");
        left = left.saturating_sub(count as u64);
    }
}

/// 95th percentile and median of the time of a quick request, over connections that stay open.
async fn quick_requests(server: &Server) -> (Duration, Duration) {
    let mut times = Vec::new();
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let mut connection = server.connect(protocol).await;
        for _ in 0..2000 {
            let begun = Instant::now();
            connection.get("/").await.ok();
            times.push(begun.elapsed());
        }
    }
    times.sort_unstable();
    (times[times.len() * 95 / 100], times[times.len() / 2])
}

/// Says how fast quick requests are without and with slow clients. A figure, not a check: what can be counted is checked in
/// `slow_clients`.
#[test]
#[ignore = "measures: make soak"]
fn how_fast_others_are_beside_slow_clients() {
    run_within(LIMIT, launch().workers(4), async |server| {
        quick_requests(server).await;
        let alone = quick_requests(server).await;
        let (mut readers, mut senders) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            let mut reader = Raw::open_narrow(server.address()).await;
            reader.get("/bulk?blocks=160").await;
            readers.push(reader);
            let mut sender = server.raw().await;
            sender.write("POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx").await;
            senders.push(sender);
        }
        until(LIMIT, "all responses are on disk", || (server.unnamed_files() == 200).then_some(())).await;
        // One byte a second from each.
        let dripping = tokio::spawn(async move {
            loop {
                for sender in &mut senders {
                    sender.write("y").await;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let beside = quick_requests(server).await;
        dripping.abort();
        assert_eq!(server.unnamed_files(), 200, "every slow reader is still there");
        let ratio = |beside: Duration, alone: Duration| beside.as_secs_f64() / alone.as_secs_f64();
        eprintln!(
            "95 %: {:?} alone, {:?} beside 400 slow clients, ratio {:.2}",
            alone.0,
            beside.0,
            ratio(beside.0, alone.0)
        );
        eprintln!(
            "50 %: {:?} alone, {:?} beside 400 slow clients, ratio {:.2}",
            alone.1,
            beside.1,
            ratio(beside.1, alone.1)
        );
    });
}
