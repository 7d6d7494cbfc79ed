//! The pipe with real threads and real temporary files.

#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::thread;

use super::*;

const KIB: usize = 1024;

fn limits(memory: usize, disk: usize) -> ReplyLimits {
    ReplyLimits { pipe: memory, spill: disk as u64, ..ReplyLimits::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// Bytes whose content depends on their position.
fn text(from: usize, length: usize) -> Bytes {
    (from..from + length).map(|at| u8::try_from(at % 251).expect("less than 251")).collect()
}

async fn next(reader: &mut PipeReader) -> Option<Result<Bytes, BrokenOff>> {
    poll_fn(|cx| reader.poll_next(cx)).await
}

/// A thread as PHP's.
fn producer(produce: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::Builder::new().name("producer".to_owned()).spawn(produce).expect("a thread")
}

/// Reads to the end; the bytes, and whether it was whole.
async fn rest(reader: &mut PipeReader) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    while let Some(piece) = next(reader).await {
        match piece {
            Ok(piece) => all.extend_from_slice(&piece),
            Err(BrokenOff) => return (all, false),
        }
    }
    (all, true)
}

/// How much of the pipe is where: bytes in memory, bytes on disk.
fn places(reader: &PipeReader) -> (usize, usize) {
    let state = reader.shared.state.lock();
    let memory = state.chunks.iter().map(Bytes::len).sum();
    (memory, usize::try_from(state.on_disk()).expect("small"))
}

#[test]
fn what_a_reader_does_not_take_goes_to_disk_and_comes_back_in_order() {
    let (mut writer, mut reader) = pipe(limits(4 * KIB, KIB * KIB));
    for piece in 0..100 {
        writer.send(text(piece * KIB, KIB)).expect("nobody has left");
    }
    let (memory, disk) = places(&reader);
    assert_eq!(memory + disk, 100 * KIB);
    assert!((3 * KIB..=5 * KIB).contains(&memory), "{memory} bytes in memory");
    writer.close(true);
    let (all, whole) = runtime().block_on(rest(&mut reader));
    assert!(whole && all == text(0, 100 * KIB), "{} bytes", all.len());
}

#[test]
fn memory_is_used_again_once_the_disk_is_read() {
    let (mut writer, mut reader) = pipe(limits(4 * KIB, 64 * KIB));
    let runtime = runtime();
    let mut taken = Vec::new();
    let mut sent = 0;
    // Three rounds through a ring that none of them fills and all together would.
    for _ in 0..3 {
        for _ in 0..40 {
            writer.send(text(sent, KIB)).expect("nobody has left");
            sent += KIB;
        }
        assert!(places(&reader).1 > 30 * KIB);
        while taken.len() < sent {
            taken.extend_from_slice(&runtime.block_on(next(&mut reader)).expect("more").expect("whole"));
        }
        writer.send(text(sent, KIB)).expect("nobody has left");
        sent += KIB;
        assert_eq!(places(&reader), (KIB, 0));
        taken.extend_from_slice(&runtime.block_on(next(&mut reader)).expect("more").expect("whole"));
    }
    assert_eq!(taken, text(0, sent));
}

#[test]
fn a_long_stream_goes_round_a_small_ring_and_the_producer_waits_when_it_is_full() {
    let (mut writer, mut reader) = pipe(limits(KIB, 10 * KIB));
    let producer = producer(move || {
        for piece in 0..3000 {
            writer.send(text(piece * 777, 777)).expect("nobody has left");
        }
        writer.close(true);
    });
    let mut all = Vec::new();
    runtime().block_on(async {
        while let Some(piece) = next(&mut reader).await {
            all.extend_from_slice(&piece.expect("whole"));
            let (memory, disk) = places(&reader);
            assert!(memory <= 2 * KIB && disk <= 10 * KIB, "{memory} in memory, {disk} on disk");
        }
    });
    producer.join().expect("no panic");
    assert_eq!(all.len(), 3000 * 777);
    assert!(all == text(0, 3000 * 777), "a byte is lost or in the wrong place");
}

#[test]
fn without_a_place_on_disk_the_producer_waits_and_nothing_is_lost() {
    // No disk wanted; less of it than a chunk; none left by the others.
    let cases =
        [limits(4 * KIB, 0), limits(4 * KIB, 100), ReplyLimits { spill_total: 0, ..limits(4 * KIB, KIB * KIB) }];
    for limits in cases {
        let (mut writer, mut reader) = pipe(limits);
        let producer = producer(move || {
            for piece in 0..500 {
                writer.send(text(piece * KIB, KIB)).expect("nobody has left");
            }
            writer.close(true);
        });
        let (all, whole) = runtime().block_on(rest(&mut reader));
        producer.join().expect("no panic");
        assert!(whole && all == text(0, 500 * KIB), "{limits:?}: {} bytes", all.len());
    }
}

#[test]
fn a_reader_that_takes_nothing_of_a_full_disk_counts_as_gone() {
    let limits = ReplyLimits { patience: Duration::from_millis(10), ..limits(KIB, 8 * KIB) };
    let (mut writer, mut reader) = pipe(limits);
    let sent = (0..100).take_while(|piece| writer.send(text(piece * KIB, KIB)).is_ok()).count();
    assert!((8..=10).contains(&sent), "{sent} pieces");
    assert!(writer.reader_gone());
    assert!(writer.shared.state.lock().spill.is_none(), "the file is freed");
    assert!(!runtime().block_on(rest(&mut reader)).1, "never whole");
}

#[test]
fn a_reader_that_leaves_frees_the_file_and_tells_the_producer() {
    let (mut writer, reader) = pipe(limits(KIB, 64 * KIB));
    for piece in 0..20 {
        writer.send(text(piece * KIB, KIB)).expect("nobody has left");
    }
    let spill = Arc::downgrade(writer.shared.state.lock().spill.as_ref().expect("on disk"));
    drop(reader);
    assert!(spill.upgrade().is_none(), "the file is freed at once");
    assert!(writer.reader_gone());
    assert_eq!(writer.send(text(0, KIB)), Err(ClientGone));
}

#[test]
fn what_is_on_disk_is_delivered_before_the_body_breaks_off() {
    let (mut writer, mut reader) = pipe(limits(KIB, 64 * KIB));
    for piece in 0..20 {
        writer.send(text(piece * KIB, KIB)).expect("nobody has left");
    }
    drop(writer);
    let (all, whole) = runtime().block_on(rest(&mut reader));
    assert!(!whole && all == text(0, 20 * KIB), "{} bytes", all.len());
}

#[test]
fn tiny_chunks_cost_more_than_their_bytes() {
    let (mut writer, reader) = pipe(limits(64 * KIB, KIB * KIB));
    for at in 0..2000 {
        writer.send(text(at, 1)).expect("nobody has left");
    }
    let (memory, disk) = places(&reader);
    assert!(memory < 1000 && disk > 1000, "{memory} in memory, {disk} on disk");
}
