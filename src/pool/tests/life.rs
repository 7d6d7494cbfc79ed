//! Boots, ends and replacements.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::job::{Cause, Exit, Failure, Next, RequestBody, Seat};
use crate::pool::fake::{
    Fake, answer, config, eventually, path_of, pool_of, request, send, serve, stop_clean, text, until_state,
};
use crate::pool::{BootError, Pool, RestartCause, StartError, WorkerState};

/// Ends as the path says, if it says so.
fn fragile(seat: &mut dyn Seat) -> Exit {
    loop {
        let Next::Job(exchange) = seat.next(crate::job::Boundary::default()) else { return Exit::Stopped };
        match path_of(&exchange.request).as_str() {
            "/exit" => {
                answer(exchange, "bye");
                return Exit::Ended(Cause::Exit);
            }
            "/fatal" => return Exit::Ended(Cause::Fatal),
            "/panic" => panic!("a panic that the test wants"),
            _ => {
                let incarnation = seat.identity().incarnation;
                answer(exchange, &incarnation.to_string());
                seat.responded();
            }
        }
    }
}

#[tokio::test]
async fn a_pool_without_workers_is_refused() {
    let outcome = Pool::start(config(0), Arc::new(Fake(fragile)));
    assert!(matches!(outcome, Err(StartError::NoWorkers { .. })));
}

#[tokio::test]
async fn an_incarnation_that_ends_is_replaced_on_a_fresh_thread() {
    let threads = Arc::new(Mutex::new(Vec::<ThreadId>::new()));
    let log = Arc::clone(&threads);
    let pool = pool_of(config(1), move |seat| {
        log.lock().push(std::thread::current().id());
        fragile(seat)
    });
    let ask = async |path: &str| pool.submit(request(path), RequestBody::empty()).await.map(text);
    assert_eq!(ask("/").await, Ok("1".to_owned()));
    assert_eq!(ask("/exit").await, Ok("bye".to_owned()));
    assert_eq!(ask("/").await, Ok("2".to_owned()));
    assert_eq!(ask("/fatal").await, Err(Failure::WorkerLost));
    assert_eq!(ask("/").await, Ok("3".to_owned()));
    assert_eq!(ask("/panic").await, Err(Failure::WorkerLost));
    assert_eq!(ask("/").await, Ok("4".to_owned()));
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.served, snapshot.workers[0].requests, snapshot.workers[0].incarnation), (7, 1, 4));
    for cause in RestartCause::ALL {
        let expected = u64::from(matches!(cause, RestartCause::Exit | RestartCause::Fatal | RestartCause::Panic));
        assert_eq!(snapshot.restarts(cause), expected, "{cause:?}");
    }
    let mut seen = threads.lock().clone();
    assert_eq!(seen.len(), 4);
    seen.dedup();
    assert_eq!(seen.len(), 4, "no thread had two incarnations");
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_script_that_exits_in_every_request_serves_on_without_back_off() {
    let pool = pool_of(config(2), fragile);
    let before = Instant::now();
    let answers: Vec<_> = (0..200).map(|_| send(&pool, "/exit")).collect();
    for answer in answers {
        assert_eq!(answer.await.expect("no panic"), Ok("bye".to_owned()));
    }
    // With the shortest pause per replacement it would have taken 200 x 20 ms / 2.
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_script_that_never_boots_is_reported_once_and_retried_with_back_off() {
    let attempts = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&attempts);
    let pool = pool_of(config(2), move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Exit::BootFailed { message: "no such file".to_owned() }
    });
    let started = Instant::now();
    let error = pool.ready().await.expect_err("none boots");
    assert!(matches!(&error, BootError::Failed { message, .. } if &**message == "no such file"), "{error}");
    eventually("it keeps trying", || attempts.load(Ordering::Relaxed) >= 8).await;
    // Four attempts a slot lie 20 + 40 + 80 ms apart, and no slot may have made more than its share.
    let bound = |elapsed: Duration| 2 * (5 + elapsed.as_millis() / 160);
    let made = u128::from(attempts.load(Ordering::Relaxed));
    assert!(made <= bound(started.elapsed()), "{made} attempts in {:?}", started.elapsed());
    assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
    assert_eq!(pool.snapshot().count(WorkerState::Idle), 0);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_script_that_leaves_its_loop_at_once_does_not_spin() {
    let boots = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&boots);
    let pool = pool_of(config(1), move |seat| {
        // Reaching the loop needs someone who waits, since an idle worker does not come back from `next`.
        if count.fetch_add(1, Ordering::Relaxed) < 5 {
            return Exit::Ended(Cause::Returned);
        }
        serve(seat, |_, _| "at last".to_owned())
    });
    let started = Instant::now();
    let answer = pool.submit(request("/"), RequestBody::empty()).await.map(text);
    assert_eq!(answer, Ok("at last".to_owned()), "it waited in the queue until there was somebody");
    assert!(started.elapsed() >= Duration::from_millis(20 + 40 + 80 + 160 + 160), "{:?}", started.elapsed());
    assert_eq!(pool.snapshot().restarts(RestartCause::BootFailed), 5);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_slot_that_boots_later_makes_the_pool_ready_all_the_same() {
    let broken = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&broken);
    let pool = pool_of(config(2), move |seat| {
        if seat.identity().slot == 1 && state.load(Ordering::Relaxed) {
            panic!("a panic at boot that the test wants");
        }
        serve(seat, |_, _| String::new())
    });
    let booted = pool.ready().await.expect("one boots");
    assert_eq!((booted.ready, booted.workers), (1, 2));
    assert_eq!(booted.failure.as_deref(), Some("a panic at boot that the test wants"));
    broken.store(false, Ordering::Relaxed);
    until_state(&pool, WorkerState::Idle, 2).await;
    assert_eq!(pool.ready().await.map(|booted| booted.ready), Ok(2));
    assert!(pool.snapshot().restarts(RestartCause::Panic) >= 1);
    stop_clean(&pool).await;
}
