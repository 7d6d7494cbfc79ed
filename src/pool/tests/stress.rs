//! Many at once: every request is answered exactly once, with its own answer.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::job::{Cause, Exit, Failure, Next, RequestBody};
use crate::pool::fake::{answer, config, path_of, pool_of, request, stop_clean, text};
use crate::pool::{Config, RestartCause};

const WORKERS: u32 = 8;
const SUBMITTERS: usize = 64;
const REQUESTS: usize = 20_000;

/// Serves, counts how often each request was run, and ends after every 500th.
fn counted_pool(runs: &Arc<Vec<AtomicU32>>, config: Config) -> Arc<crate::pool::Pool> {
    let runs = Arc::clone(runs);
    pool_of(config, move |seat| {
        loop {
            let Next::Job(exchange) = seat.next(crate::job::Boundary::default()) else { return Exit::Stopped };
            let path = path_of(&exchange.request);
            let number: usize = path.parse().expect("paths are numbers");
            runs[number].fetch_add(1, Ordering::Relaxed);
            answer(exchange, &path);
            seat.responded();
            if number % 500 == 499 {
                return Exit::Ended(Cause::Exit);
            }
        }
    })
}

fn fresh_runs() -> Arc<Vec<AtomicU32>> {
    Arc::new((0..REQUESTS).map(|_| AtomicU32::new(0)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_exactly_once() {
    let runs = fresh_runs();
    let pool = counted_pool(&runs, Config { queue_timeout: Duration::from_secs(60), ..config(WORKERS) });
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|submitter| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                for number in (submitter..REQUESTS).step_by(SUBMITTERS) {
                    let got = pool.submit(request(&number.to_string()), RequestBody::empty()).await.map(text);
                    assert_eq!(got, Ok(number.to_string()));
                }
            })
        })
        .collect();
    for submitter in submitters {
        submitter.await.expect("every answer was right");
    }
    assert!(runs.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    stop_clean(&pool).await;
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.served, REQUESTS as u64);
    assert_eq!(snapshot.restarts(RestartCause::Exit), (REQUESTS / 500) as u64);
    assert_eq!(snapshot.queue_depth, 0);
}

/// Clients that leave at random moments, deadlines that pass and a queue that is too small: nothing is run twice, and
/// everything is accounted for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impatience_and_overload_lose_nothing() {
    let runs = fresh_runs();
    let pool = counted_pool(
        &runs,
        Config { queue_timeout: Duration::from_micros(300), max_queue: SUBMITTERS / 2, ..config(2) },
    );
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|submitter| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                let (mut left, mut refused, mut served) = (0_u64, 0_u64, 0_u64);
                for number in (submitter..REQUESTS).step_by(SUBMITTERS) {
                    let call = pool.submit(request(&number.to_string()), RequestBody::empty());
                    let patience = Duration::from_micros((number as u64 * 37) % 400);
                    match tokio::time::timeout(patience, call).await {
                        Err(_) => left += 1,
                        Ok(Err(Failure::QueueTimeout | Failure::QueueFull)) => refused += 1,
                        Ok(got) => {
                            assert_eq!(got.map(text), Ok(number.to_string()));
                            served += 1;
                        }
                    }
                }
                (left, refused, served)
            })
        })
        .collect();
    let (mut left, mut refused, mut served) = (0, 0, 0);
    for submitter in submitters {
        let (l, r, s) = submitter.await.expect("every answer was right");
        (left, refused, served) = (left + l, refused + r, served + s);
    }
    stop_clean(&pool).await;
    let snapshot = pool.snapshot();
    let run: u64 = runs.iter().map(|count| u64::from(count.load(Ordering::Relaxed))).sum();
    assert!(runs.iter().all(|count| count.load(Ordering::Relaxed) <= 1), "nothing runs twice");
    assert_eq!(left + refused + served, REQUESTS as u64);
    assert_eq!(snapshot.served, run);
    assert!(run >= served);
    let turned_away: u64 = snapshot.rejected.iter().map(|(_, count)| count).sum();
    assert!(turned_away >= refused);
    assert!(snapshot.served + turned_away + snapshot.abandoned <= REQUESTS as u64);
    assert_eq!(snapshot.queue_depth, 0);
}
