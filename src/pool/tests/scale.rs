//! Pools that grow and shrink, and what that means for those who wait.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::job::Failure;
use crate::pool::fake::{config, eventually, pool_of, send, serve, stop_clean, until_state};
use crate::pool::{Config, Direction, Pool, ScaleDown, WorkerState};
use crate::telemetry::{RecycleReason, Rejection};

fn sized(min: u32, workers: u32, max: u32) -> Config {
    Config { min, max, ..config(workers) }
}

/// A pool whose requests wait for the gate.
fn gated(config: Config) -> (Arc<Pool>, Sender<()>) {
    let (open, gate): (Sender<()>, Receiver<()>) = bounded(100);
    let pool = pool_of(config, move |seat| {
        serve(seat, |_, path| {
            gate.recv().expect("the test holds the gate");
            path.to_owned()
        })
    });
    (pool, open)
}

#[tokio::test]
async fn a_queue_lets_a_pool_grow_to_its_most_and_idleness_shrink_to_its_least() {
    let down = ScaleDown { idle: Duration::from_millis(50), ..ScaleDown::default() };
    let (pool, open) = gated(Config { scale_down: down, ..sized(1, 1, 4) });
    pool.ready().await.expect("boots");
    let requests: Vec<_> = (0..10).map(|number| send(&pool, &format!("/{number}"))).collect();
    until_state(&pool, WorkerState::Busy, 4).await;
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.wanted, snapshot.queue_depth), (4, 6));
    // 1 and 1, then 2 and 1 or straight to 4: never more than half as many again, rounded up to one.
    assert!((2..=3).contains(&snapshot.scaled(Direction::Up)), "{:?}", snapshot.scaled);
    for _ in 0..10 {
        open.send(()).expect("the workers are there");
    }
    for (number, request) in requests.into_iter().enumerate() {
        assert_eq!(request.await.expect("no panic"), Ok(format!("/{number}")));
    }
    eventually("it has shrunk", || pool.snapshot().workers.len() == 1).await;
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.wanted, snapshot.available), (1, 1));
    assert_eq!(
        (snapshot.scaled(Direction::Down), snapshot.recycles(RecycleReason::ScaleDown)),
        (3, 3),
        "one at a time"
    );
    stop_clean(&pool).await;
}

#[tokio::test]
async fn one_request_that_waits_starts_one_thread() {
    let (pool, open) = gated(sized(1, 1, 8));
    pool.ready().await.expect("boots");
    let requests = [send(&pool, "/"), send(&pool, "/")];
    until_state(&pool, WorkerState::Busy, 2).await;
    let later = Instant::now() + 4 * crate::pool::scale::UP_AFTER;
    eventually("a while has passed", || Instant::now() > later).await;
    assert_eq!(pool.snapshot().wanted, 2);
    open.send(()).and_then(|()| open.send(())).expect("the workers are there");
    for request in requests {
        request.await.expect("no panic").expect("served");
    }
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_quiet_pool_shrinks_at_once_and_grows_again() {
    let down = ScaleDown { aggressive: Duration::from_millis(50), ..ScaleDown::default() };
    let (pool, open) = gated(Config { scale_down: down, ..sized(1, 6, 6) });
    pool.ready().await.expect("boots");
    eventually("it has shrunk", || pool.snapshot().workers.len() == 1).await;
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.scaled(Direction::Down), snapshot.recycles(RecycleReason::ScaleDown)), (1, 5));
    let requests: Vec<_> = (0..6).map(|_| send(&pool, "/")).collect();
    until_state(&pool, WorkerState::Busy, 6).await;
    for _ in 0..6 {
        open.send(()).expect("the workers are there");
    }
    for request in requests {
        request.await.expect("no panic").expect("served");
    }
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_pool_that_can_grow_refuses_nobody_and_a_full_one_does() {
    let (pool, open) = gated(Config { max_queue: 0, ..sized(1, 1, 3) });
    pool.ready().await.expect("boots");
    let served: Vec<_> = (0..3).map(|_| send(&pool, "/")).collect();
    until_state(&pool, WorkerState::Busy, 3).await;
    assert_eq!(send(&pool, "/").await.expect("no panic"), Err(Failure::QueueFull));
    assert_eq!(pool.snapshot().rejected(Rejection::QueueFull), 1);
    for _ in 0..3 {
        open.send(()).expect("the workers are there");
    }
    for request in served {
        request.await.expect("no panic").expect("served");
    }
    stop_clean(&pool).await;
}

/// The response has left, the worker is not back yet: a client that sends its next request at once finds an idle pool.
#[tokio::test]
async fn a_worker_on_its_way_back_is_waited_for() {
    let (open, gate) = bounded::<()>(10);
    let pool = pool_of(Config { max_queue: 0, ..config(1) }, move |seat| {
        loop {
            let crate::job::Next::Job(exchange) = seat.next(crate::job::Boundary::default()) else {
                return crate::job::Exit::Stopped;
            };
            crate::pool::fake::answer(exchange, "answered");
            // Here the client may ask again although the pool has not been told.
            std::thread::sleep(Duration::from_millis(20));
            seat.responded();
            gate.recv().expect("the test holds the gate");
        }
    });
    assert_eq!(send(&pool, "/").await.expect("no panic"), Ok("answered".to_owned()));
    let next = send(&pool, "/");
    eventually("it waits", || pool.snapshot().queue_depth == 1).await;
    assert_eq!(send(&pool, "/").await.expect("no panic"), Err(Failure::QueueFull), "one, not two");
    open.send(()).and_then(|()| open.send(())).expect("the worker is there");
    assert_eq!(next.await.expect("no panic"), Ok("answered".to_owned()));
    stop_clean(&pool).await;
}
