//! The engine runs out of memory everywhere: in the fault suite under a tiny `memory_limit`, and in requests that fill the
//! heap up to a few bytes below it and then do ordinary work. Whatever happens to such a request, it is never answered
//! with half a page as if it were whole, and the next one is served.

use tokio::task::JoinSet;

use crate::faults::{CASES, announced, every_case};
use crate::support::client::End;
use crate::support::{Connection, Launch, Mode, Protocol, Server, modes, run};

fn tiny(mode: Mode) -> Launch {
    announced(Launch::plain(mode)).ini("memory_limit", "4M").workers(1)
}

async fn the_fault_suite(server: &Server, mode: Mode) {
    every_case(server, mode, CASES.into_iter().filter(|case| !case.roomy)).await;
}

#[test]
fn the_fault_suite_in_worker_mode() {
    run(tiny(Mode::Worker), async |server| the_fault_suite(server, Mode::Worker).await);
}

#[test]
fn the_fault_suite_in_classic_mode() {
    run(tiny(Mode::Classic), async |server| the_fault_suite(server, Mode::Classic).await);
}

/// What a request does when hardly any memory is left.
const WORK: [&str; 12] = [
    "echo",
    "headers",
    "session",
    "array",
    "buffer",
    "fiber",
    "throw",
    "json",
    "include",
    "destructor",
    "shutdown",
    "finish",
];

/// The amounts of memory that are left, in bytes above the floor of the heap: finely where the engine's own work ends,
/// coarsely above.
fn rooms(floor: usize) -> impl Iterator<Item = usize> {
    (0..8192).step_by(1024).chain((8192..65_536).step_by(8192)).map(move |above| floor + above)
}

async fn at_the_brim(server: &Server) {
    let pid = server.get("/pid").await.ok().text();
    server.get("/brim?room=0&then=floor").await.expect(500);
    let floor = server.dir().wait_for_mark("floor").await.parse().expect("a number of bytes");
    let (mut whole, mut failed) = (0, 0);
    for then in WORK {
        let mut tasks = JoinSet::new();
        for room in rooms(floor) {
            let address = server.address();
            tasks.spawn(async move {
                let mut connection = Connection::open(address, Protocol::Http1).await;
                let mut reading = connection.begin("GET", &format!("/brim?room={room}&then={then}"), &[], "").await;
                let end = reading.rest().await;
                (room, reading.answer(), end)
            });
            // As many at once as there are workers, so that the queue's deadline plays no part.
            while tasks.len() >= 4 {
                let result = tasks.join_next().await.expect("a task").expect("a request");
                judge(then, result, &mut whole, &mut failed);
            }
        }
        while let Some(result) = tasks.join_next().await {
            judge(then, result.expect("a request"), &mut whole, &mut failed);
        }
        assert_eq!(server.get("/").await.ok().text(), "hello", "after {then}");
    }
    assert!(whole > 20 && failed > 20, "the limit was met too seldom to show anything: {whole} whole, {failed} failed");
    assert_eq!(server.get("/pid").await.ok().text(), pid, "the process is the same");
}

fn judge(then: &str, (room, answer, end): (usize, crate::support::Answer, End), whole: &mut u32, failed: &mut u32) {
    let done = String::from_utf8_lossy(answer.partial_body()).contains("done");
    match (answer.status(), end) {
        (200, End::Whole) => {
            // What finish_request() sent was whole, whatever came later.
            assert!(done || then == "finish", "{then} with {room} bytes left: half a page as if whole: {answer}");
            *whole += 1;
        }
        (500, End::Whole) | (200, End::BrokenOff) => *failed += 1,
        other => panic!("{then} with {room} bytes left: {other:?}: {answer}"),
    }
}

fn brim(launch: Launch) -> Launch {
    // The engine opens a script before it allocates the stream for it: running out of memory in between loses the
    // descriptor, under PHP-FPM too. At most one for each request that includes.
    announced(launch)
        .keeps_descriptors(rooms(0).count())
        .expect_error("LogicException: ttttt")
        .ini("memory_limit", "6M")
        .workers(4)
}

modes!(work_at_the_brim_of_the_heap, brim, async |server| {
    at_the_brim(server).await;
});

// In small pieces: what the engine keeps of the former request's heap counts against the limit, under PHP-FPM too, but it is
// there to be used.
modes!(
    the_next_request_has_its_memory_again,
    |launch| announced(launch).ini("memory_limit", "6M").workers(1),
    async |server| {
        for _ in 0..20 {
            server.get("/memory").await.expect(500);
            // More than half of the limit.
            assert_eq!(server.get("/need?n=3300000").await.ok().text(), "330");
        }
    }
);
