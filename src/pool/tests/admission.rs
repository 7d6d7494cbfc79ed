//! Order, deadlines and cancellation.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use parking_lot::Mutex;

use crate::job::{Failure, RequestBody};
use crate::pool::fake::{config, eventually, pool_of, request, send, serve, stop_clean, text, until_state};
use crate::pool::{Config, WorkerState};
use crate::telemetry::Rejection;

#[tokio::test]
async fn waiting_requests_are_served_in_order() {
    let (open, gate) = bounded::<()>(100);
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let pool = pool_of(config(1), move |seat| {
        serve(seat, |_, path| {
            gate.recv().expect("the test holds the gate");
            seen.lock().push(path.to_owned());
            path.to_owned()
        })
    });
    pool.ready().await.expect("boots");
    let mut answers = vec![send(&pool, "/0")];
    until_state(&pool, WorkerState::Busy, 1).await;
    for number in 1..=20 {
        answers.push(send(&pool, &format!("/{number}")));
        eventually("it waits", || pool.snapshot().queue_depth == number).await;
    }
    for _ in 0..=20 {
        open.send(()).expect("the worker is there");
    }
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.await.expect("no panic"), Ok(format!("/{number}")));
    }
    let expected: Vec<String> = (0..=20).map(|number| format!("/{number}")).collect();
    assert_eq!(*order.lock(), expected);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn the_worker_that_became_idle_last_serves_first() {
    let gates: Vec<_> = (0..3).map(|_| bounded::<()>(1)).collect();
    let hold: Vec<_> = gates.iter().map(|(_, gate)| gate.clone()).collect();
    let pool = pool_of(config(3), move |seat| {
        serve(seat, |identity, _| {
            hold[identity.slot as usize].recv().expect("the test holds the gate");
            identity.slot.to_string()
        })
    });
    pool.ready().await.expect("boots");
    eventually("all are idle", || pool.snapshot().available == 3).await;
    let release = async |slot: usize| {
        let before = pool.snapshot().available;
        gates[slot].0.send(()).expect("the worker is there");
        eventually("it is idle", || pool.snapshot().available == before + 1).await;
    };
    let first: Vec<_> = (0..3).map(|_| send(&pool, "/")).collect();
    until_state(&pool, WorkerState::Busy, 3).await;
    for slot in [1, 2, 0] {
        release(slot).await;
    }
    for answer in first {
        answer.await.expect("no panic").expect("served");
    }
    // Slot 0 came last; it is busy when the next request comes, then it is slot 2's turn, then slot 1's.
    for expected in [0, 2, 1] {
        let answer = send(&pool, "/");
        eventually("it is busy", || pool.snapshot().workers[expected].state == WorkerState::Busy).await;
        drop(answer);
    }
    for slot in [0, 1, 2] {
        release(slot).await;
    }
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_request_that_waits_too_long_is_turned_away() {
    let (open, gate) = bounded::<()>(1);
    let timeout = Duration::from_millis(40);
    let pool = pool_of(Config { queue_timeout: timeout, ..config(1) }, move |seat| {
        serve(seat, |_, path| {
            gate.recv().expect("the test holds the gate");
            path.to_owned()
        })
    });
    pool.ready().await.expect("boots");
    eventually("it is idle", || pool.snapshot().available == 1).await;
    let running = send(&pool, "/runs");
    until_state(&pool, WorkerState::Busy, 1).await;
    let before = Instant::now();
    assert_eq!(send(&pool, "/waits").await.expect("no panic"), Err(Failure::QueueTimeout));
    assert!(before.elapsed() >= timeout);
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.queue_depth, snapshot.served), (0, 1));
    assert_eq!(snapshot.rejected(Rejection::QueueTimeout), 1);
    open.send(()).expect("the worker is there");
    assert_eq!(running.await.expect("no panic"), Ok("/runs".to_owned()));
    stop_clean(&pool).await;
}

#[tokio::test]
async fn the_deadline_of_the_queue_does_not_bound_execution() {
    let (open, gate) = bounded::<()>(1);
    let timeout = Duration::from_millis(400);
    let pool = pool_of(Config { queue_timeout: timeout, ..config(1) }, move |seat| {
        serve(seat, |_, path| {
            gate.recv().expect("the test holds the gate");
            path.to_owned()
        })
    });
    pool.ready().await.expect("boots");
    let first = send(&pool, "/first");
    until_state(&pool, WorkerState::Busy, 1).await;
    let waited = send(&pool, "/waited");
    eventually("it waits", || pool.snapshot().queue_depth == 1).await;
    let past_deadline = Instant::now() + timeout + Duration::from_millis(50);
    open.send(()).expect("the worker is there");
    first.await.expect("no panic").expect("served");
    eventually("its deadline has passed", || Instant::now() > past_deadline).await;
    assert!(!waited.is_finished(), "it runs, so the deadline of the queue does not end it");
    open.send(()).expect("the worker is there");
    assert_eq!(waited.await.expect("no panic"), Ok("/waited".to_owned()));
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_never_reaches_the_runtime() {
    let (open, gate) = bounded::<()>(10);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let pool = pool_of(config(1), move |seat| {
        serve(seat, |_, path| {
            gate.recv().expect("the test holds the gate");
            log.lock().push(path.to_owned());
            String::new()
        })
    });
    pool.ready().await.expect("boots");
    let first = send(&pool, "/first");
    until_state(&pool, WorkerState::Busy, 1).await;
    let leaving = send(&pool, "/leaves");
    eventually("it waits", || pool.snapshot().queue_depth == 1).await;
    let staying = send(&pool, "/stays");
    eventually("both wait", || pool.snapshot().queue_depth == 2).await;
    leaving.abort();
    eventually("it has left", || pool.snapshot().queue_depth == 1).await;
    open.send(()).expect("the worker is there");
    open.send(()).expect("the worker is there");
    first.await.expect("no panic").expect("served");
    staying.await.expect("no panic").expect("served");
    assert_eq!(*seen.lock(), ["/first", "/stays"]);
    assert_eq!(pool.snapshot().abandoned, 1);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_running_request_learns_that_its_client_left() {
    let (told, news) = bounded::<bool>(1);
    let (started, running) = bounded::<()>(1);
    let pool = pool_of(config(1), move |seat| {
        loop {
            let crate::job::Next::Job(exchange) = seat.next(crate::job::Boundary::default()) else {
                return crate::job::Exit::Stopped;
            };
            started.send(()).expect("the test listens");
            let deadline = Instant::now() + crate::pool::fake::PATIENCE;
            while !exchange.reply.client_gone() && Instant::now() < deadline {
                std::thread::yield_now();
            }
            told.send(exchange.reply.client_gone()).expect("the test listens");
            drop(exchange);
            seat.responded();
        }
    });
    let answer = send(&pool, "/");
    eventually("it runs", || running.try_recv().is_ok()).await;
    answer.abort();
    eventually("the worker knows", || news.try_recv() == Ok(true)).await;
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_an_idle_worker_always_serves() {
    let (open, gate) = bounded::<()>(1);
    let pool = pool_of(Config { max_queue: 0, ..config(1) }, move |seat| {
        serve(seat, |_, _| {
            gate.recv().expect("the test holds the gate");
            "served".to_owned()
        })
    });
    eventually("it is idle", || pool.snapshot().available == 1).await;
    let first = send(&pool, "/");
    until_state(&pool, WorkerState::Busy, 1).await;
    assert_eq!(pool.submit(request("/"), RequestBody::empty()).await.map(text), Err(Failure::QueueFull));
    assert_eq!(pool.snapshot().rejected(Rejection::QueueFull), 1);
    open.send(()).expect("the worker is there");
    assert_eq!(first.await.expect("no panic"), Ok("served".to_owned()));
    stop_clean(&pool).await;
}
