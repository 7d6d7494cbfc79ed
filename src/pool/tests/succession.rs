//! Successors that do not come: broken boots, boots that hang, and many at once. The pool goes on, and its keeper sleeps meanwhile.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use crate::job::{Boundary, Exit, Identity, Next, Seat};
use crate::pool::fake::{answer, config, eventually, pool_of, send, serve, stop_clean, until_state};
use crate::pool::{Config, Limits, Pool, RecycleMode, RestartCause, Selection, WorkerState};
use crate::telemetry::RecycleReason;

fn name(identity: &Identity) -> String {
    format!("{}/{}", identity.slot, identity.incarnation)
}

fn limited(max_requests: u64, workers: u32) -> Config {
    Config { recycle: Limits { max_requests, ..Limits::default() }, ..config(workers) }
}

fn broken() -> Exit {
    Exit::BootFailed { message: "deployed too early".to_owned() }
}

/// Looks of the keeper within a while that is long for it.
async fn looks(pool: &Pool) -> u64 {
    let turns = || pool.shared.turns.load(Ordering::Relaxed);
    let before = turns();
    tokio::time::sleep(Duration::from_millis(300)).await;
    turns() - before
}

/// Its limit is used up while the successor boots, which then fails: the old one has kept the seat.
#[tokio::test]
async fn who_has_had_its_last_request_keeps_the_seat_until_somebody_follows() {
    let (go, hold) = bounded::<()>(100);
    let pool = pool_of(limited(4, 1), move |seat| {
        if seat.identity().incarnation > 1 {
            hold.recv().unwrap_or_default();
            return broken();
        }
        serve(seat, |identity, _| name(identity))
    });
    let crowd: Vec<_> = (0..30).map(|_| send(&pool, "/")).collect();
    until_state(&pool, WorkerState::Standby, 1).await;
    assert_eq!(pool.snapshot().workers[0].requests, 4, "exactly its limit, as long as somebody may follow");
    drop(go);
    for answer in crowd {
        assert_eq!(answer.await.expect("no panic"), Ok("0/1".to_owned()), "better than nobody");
    }
    assert!(pool.snapshot().restarts(RestartCause::BootFailed) > 0);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_boot_that_hangs_takes_no_worker_away() {
    let (go, hold) = bounded::<()>(100);
    let pool = pool_of(limited(4, 2), move |seat| {
        if seat.identity().incarnation > 1 {
            hold.recv().unwrap_or_default();
        }
        serve(seat, |identity, _| name(identity))
    });
    let crowd: Vec<_> = (0..40).map(|_| send(&pool, "/")).collect();
    for answer in crowd {
        let answer = answer.await.expect("no panic").expect("served, though late");
        assert!(answer.ends_with("/1"), "{answer}");
    }
    drop(go);
    // They have had more than their limit.
    eventually("both are replaced", || pool.snapshot().recycles(RecycleReason::MaxRequests) == 2).await;
    stop_clean(&pool).await;
}

#[tokio::test]
async fn many_at_their_limit_boot_a_few_at_a_time() {
    let (go, hold) = bounded::<()>(100);
    let booting = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let count = (Arc::clone(&booting), Arc::clone(&most));
    let pool = pool_of(limited(4, 8), move |seat| {
        if seat.identity().incarnation == 2 {
            let now = count.0.fetch_add(1, Ordering::SeqCst) + 1;
            count.1.fetch_max(now, Ordering::SeqCst);
            hold.recv().unwrap_or_default();
            count.0.fetch_sub(1, Ordering::SeqCst);
        }
        serve(seat, |identity, _| name(identity))
    });
    pool.ready().await.expect("boots");
    let crowd: Vec<_> = (0..64).map(|_| send(&pool, "/")).collect();
    eventually("all have had their last request", || {
        let snapshot = pool.snapshot();
        assert!(snapshot.count(WorkerState::Booting) <= 4, "{:?}", snapshot.workers);
        snapshot.count(WorkerState::Standby) == 8
    })
    .await;
    drop(go);
    let mut served = BTreeMap::<String, u64>::new();
    for answer in crowd {
        *served.entry(answer.await.expect("no panic").expect("served")).or_default() += 1;
    }
    let first: Vec<_> = (0..8).map(|slot| served.get(&format!("{slot}/1")).copied()).collect();
    assert_eq!(first, [Some(4); 8], "{served:?}");
    assert!(served.values().all(|count| *count <= 4), "{served:?}");
    assert!(most.load(Ordering::SeqCst) <= 4, "four, where a quarter would be less");
    stop_clean(&pool).await;
}

#[tokio::test]
async fn who_waits_for_its_successor_leaves_with_its_pool() {
    let (go, hold) = bounded::<()>(100);
    let pool = pool_of(limited(1, 1), move |seat| {
        if seat.identity().incarnation > 1 {
            hold.recv().unwrap_or_default();
        }
        serve(seat, |identity, _| name(identity))
    });
    assert_eq!(send(&pool, "/").await.expect("no panic"), Ok("0/1".to_owned()));
    until_state(&pool, WorkerState::Standby, 1).await;
    pool.drain();
    eventually("it has left", || pool.snapshot().recycles(RecycleReason::MaxRequests) == 1).await;
    drop(go);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_pause_that_is_over_keeps_no_keeper_awake() {
    let (go, hold) = bounded::<()>(100);
    let pool = pool_of(config(2), move |seat| {
        match (seat.identity().slot, seat.identity().incarnation) {
            (_, 1) => {}
            (0, _) => hold.recv().unwrap_or_default(),
            (..) => return broken(),
        }
        serve(seat, |identity, _| name(identity))
    });
    pool.ready().await.expect("boots");
    pool.recycle(Selection::Slot(1), RecycleReason::Manual, RecycleMode::MakeBeforeBreak);
    eventually("a boot has failed", || pool.snapshot().restarts(RestartCause::BootFailed) > 0).await;
    pool.recycle(Selection::Slot(0), RecycleReason::Manual, RecycleMode::MakeBeforeBreak);
    // From now on the only place to boot in is taken.
    until_state(&pool, WorkerState::Booting, 1).await;
    eventually("it is slot 0 that boots", || {
        let booting = |worker: &crate::pool::WorkerSnapshot| worker.state == WorkerState::Booting && worker.slot == 0;
        pool.snapshot().workers.iter().any(booting)
    })
    .await;
    assert!(looks(&pool).await < 10);
    drop(go);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_pause_keeps_no_keeper_awake_that_drains() {
    let (go, hold) = bounded::<()>(100);
    let pool = pool_of(config(1), move |seat| {
        if seat.identity().incarnation > 1 {
            return broken();
        }
        serve(seat, |identity, _| {
            hold.recv().unwrap_or_default();
            name(identity)
        })
    });
    let slow = send(&pool, "/");
    until_state(&pool, WorkerState::Busy, 1).await;
    pool.recycle(Selection::All, RecycleReason::Manual, RecycleMode::MakeBeforeBreak);
    eventually("a boot has failed", || pool.snapshot().restarts(RestartCause::BootFailed) > 0).await;
    pool.drain();
    assert!(looks(&pool).await < 10);
    drop(go);
    assert_eq!(slow.await.expect("no panic"), Ok("0/1".to_owned()));
    stop_clean(&pool).await;
}

/// A script that wants to be called while it is idle, and answers how often it has been.
fn ticking(seat: &mut dyn Seat, ticks: &AtomicU64) -> Exit {
    let tick = Some(Duration::from_millis(20));
    loop {
        match seat.next(Boundary { tick, ..Boundary::default() }) {
            Next::Stop => return Exit::Stopped,
            Next::Care(care) => {
                assert!(care.tick || care.collect, "there is something to do");
                ticks.fetch_add(seat.identity().incarnation / 2, Ordering::Relaxed);
            }
            Next::Job(exchange) => {
                answer(exchange, "answered");
                seat.responded();
            }
        }
    }
}

#[tokio::test]
async fn a_successor_looks_after_itself_before_its_first_request() {
    let ticks = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&ticks);
    let pool = pool_of(config(1), move |seat| ticking(seat, &count));
    pool.ready().await.expect("boots");
    pool.recycle(Selection::All, RecycleReason::Manual, RecycleMode::MakeBeforeBreak);
    eventually("it was replaced", || pool.snapshot().recycles(RecycleReason::Manual) == 1).await;
    eventually("the successor was called", || ticks.load(Ordering::Relaxed) >= 3).await;
    let begun = Instant::now();
    assert_eq!(send(&pool, "/").await.expect("no panic").as_deref(), Ok("answered"));
    assert!(begun.elapsed() < Duration::from_secs(5), "nothing was lost on the way");
    stop_clean(&pool).await;
}
