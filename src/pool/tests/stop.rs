//! Drain and stop.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::job::{Exit, Failure, RequestBody};
use crate::pool::fake::{PATIENCE, config, eventually, pool_of, request, send, serve, stop_clean, text, until_state};
use crate::pool::{BootError, Pool, StopReport, WorkerState};

/// A pool whose requests wait for the gate.
fn gated(workers: u32) -> (Arc<Pool>, Sender<()>) {
    let (open, gate): (Sender<()>, Receiver<()>) = bounded(100);
    let pool = pool_of(config(workers), move |seat| {
        serve(seat, |_, path| {
            gate.recv().expect("the test holds the gate");
            path.to_owned()
        })
    });
    (pool, open)
}

#[tokio::test]
async fn idle_and_booting_workers_stop_at_once() {
    let (pool, _open) = gated(4);
    stop_clean(&pool).await;
    assert!(pool.snapshot().workers.iter().all(|worker| worker.state == WorkerState::Stopped));
    let again = pool.stop(Instant::now()).await;
    assert_eq!(again, StopReport { left: 0 });
}

#[tokio::test]
async fn a_drain_finishes_what_runs_and_what_waits() {
    let (pool, open) = gated(1);
    let running = send(&pool, "/runs");
    until_state(&pool, WorkerState::Busy, 1).await;
    let waiting = send(&pool, "/waits");
    eventually("it waits", || pool.snapshot().queue_depth == 1).await;
    pool.drain();
    assert_eq!(pool.submit(request("/"), RequestBody::empty()).await.map(text), Err(Failure::Draining));
    assert!(pool.snapshot().draining);
    open.send(()).expect("the worker is there");
    open.send(()).expect("the worker is there");
    assert_eq!(running.await.expect("no panic"), Ok("/runs".to_owned()));
    assert_eq!(waiting.await.expect("no panic"), Ok("/waits".to_owned()));
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_stuck_worker_is_reported_and_those_who_wait_are_failed() {
    let (pool, open) = gated(2);
    let stuck = send(&pool, "/stuck");
    until_state(&pool, WorkerState::Busy, 1).await;
    let stuck_too = send(&pool, "/stuck");
    until_state(&pool, WorkerState::Busy, 2).await;
    let waiting = send(&pool, "/waits");
    eventually("it waits", || pool.snapshot().queue_depth == 1).await;
    let report = pool.stop(Instant::now() + Duration::from_millis(30)).await;
    assert_eq!(report, StopReport { left: 2 });
    assert_eq!(waiting.await.expect("no panic"), Err(Failure::Draining));
    open.send(()).expect("a worker is there");
    open.send(()).expect("a worker is there");
    assert_eq!(stuck.await.expect("no panic"), Ok("/stuck".to_owned()));
    assert_eq!(stuck_too.await.expect("no panic"), Ok("/stuck".to_owned()));
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_forced_stop_does_not_wait_for_the_first() {
    let (pool, open) = gated(1);
    let running = send(&pool, "/runs");
    until_state(&pool, WorkerState::Busy, 1).await;
    let patient = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.stop(Instant::now() + PATIENCE).await }
    });
    eventually("it drains", || pool.snapshot().draining).await;
    assert_eq!(pool.stop(Instant::now()).await, StopReport { left: 1 });
    assert!(!patient.is_finished());
    open.send(()).expect("the worker is there");
    running.await.expect("no panic").expect("served");
    assert_eq!(patient.await.expect("no panic"), StopReport { left: 0 });
}

#[tokio::test]
async fn a_pool_in_back_off_stops_and_fails_those_who_wait() {
    let pool = pool_of(config(2), |_| Exit::BootFailed { message: "broken".to_owned() });
    let waiting = send(&pool, "/");
    eventually("it waits", || pool.snapshot().queue_depth == 1).await;
    let report = pool.stop(Instant::now() + Duration::from_millis(30)).await;
    assert_eq!(report, StopReport { left: 0 });
    assert_eq!(waiting.await.expect("no panic"), Err(Failure::Draining));
}

#[tokio::test]
async fn the_last_one_who_waits_may_leave_a_draining_pool() {
    let slow = crate::pool::Backoff { min: PATIENCE, max: PATIENCE };
    let pool = pool_of(crate::pool::Config { backoff: slow, ..config(1) }, |_| Exit::BootFailed {
        message: "broken".to_owned(),
    });
    let waiting = send(&pool, "/");
    eventually("it waits", || pool.snapshot().queue_depth == 1).await;
    until_state(&pool, WorkerState::Backoff, 1).await;
    pool.drain();
    waiting.abort();
    // Long before the slot's pause is over.
    eventually("it has stopped", || pool.snapshot().count(WorkerState::Stopped) == 1).await;
    stop_clean(&pool).await;
}

#[tokio::test]
async fn stopping_before_the_boot_ends_the_wait_for_it() {
    let (go, hold) = bounded::<()>(1);
    let pool = pool_of(config(1), move |seat| {
        hold.recv().expect("the test holds the boot");
        match seat.next(crate::job::Boundary::default()) {
            crate::job::Next::Stop => Exit::Stopped,
            crate::job::Next::Job(_) | crate::job::Next::Care(_) => panic!("there was nothing to do"),
        }
    });
    // A pool that stops before it has a thread starts none.
    until_state(&pool, WorkerState::Booting, 1).await;
    pool.drain();
    go.send(()).expect("the worker is there");
    let booted = pool.ready().await;
    assert!(matches!(booted, Ok(_) | Err(BootError::Stopped { .. })), "{booted:?}");
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_dropped_pool_ends_its_threads() {
    let (ended, ends) = bounded::<()>(3);
    let pool = pool_of(config(3), move |seat| {
        let exit = serve(seat, |_, _| String::new());
        ended.send(()).expect("the test listens");
        exit
    });
    pool.ready().await.expect("boots");
    drop(pool);
    eventually("all have ended", || ends.len() == 3).await;
}
