//! Deadlines: the client is answered, the thread interrupted, its seat free at once; who does not give way is counted and left alone.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::job::{Boundary, Exit, Failure, Interrupt, Next, RequestBody, Seat};
use crate::pool::fake::{
    answer, config, eventually, exchange, incarnation, path_of, pool_of, request, serve, stop_clean, text, until_state,
};
use crate::pool::incarnation::Course;
use crate::pool::state::Event;
use crate::pool::{Config, Deadlines, Pool, WorkerState};
use crate::telemetry::RecycleReason;

const SHORT: Duration = Duration::from_millis(60);

/// Wakes whoever hangs at the other end.
#[derive(Debug)]
struct Bell(Sender<()>);

impl Interrupt for Bell {
    fn interrupt(&self) {
        // An error says that nobody hangs any more, or that it has been told often enough.
        self.0.try_send(()).unwrap_or_default();
    }
}

fn off() -> Deadlines {
    Deadlines { boot: Duration::ZERO, request: Duration::ZERO, reset: Duration::ZERO, grace: Duration::from_secs(3600) }
}

fn with(deadlines: Deadlines) -> Config {
    Config { deadlines, ..config(1) }
}

/// A script that hangs where the path says, until it is interrupted so many times.
fn hanging(seat: &mut dyn Seat, interrupts: usize) -> Exit {
    let (bell, rung): (_, Receiver<()>) = bounded(16);
    seat.attached(Arc::new(Bell(bell)));
    let hang = || (0..interrupts).for_each(|_| rung.recv().expect("the pool holds the bell"));
    loop {
        match seat.next(Boundary::default()) {
            Next::Care(_) => {}
            Next::Stop => return Exit::Stopped,
            Next::Job(exchange) => match path_of(&exchange.request).as_str() {
                "/hangs" => hang(),
                "/hangs-after" => {
                    answer(exchange, "answered");
                    seat.responded();
                    hang();
                }
                "/hangs-in-reset" => {
                    answer(exchange, "answered");
                    seat.responded();
                    seat.resetting();
                    hang();
                }
                other => {
                    answer(exchange, other);
                    seat.responded();
                }
            },
        }
    }
}

async fn ask(pool: &Pool, path: &str) -> Result<String, Failure> {
    pool.submit(request(path), RequestBody::empty()).await.map(text)
}

#[tokio::test]
async fn a_request_that_hangs_is_answered_and_the_next_one_served() {
    let pool = pool_of(with(Deadlines { request: SHORT, ..off() }), |seat| hanging(seat, 1));
    for round in 1..=3 {
        assert_eq!(ask(&pool, "/hangs").await, Err(Failure::ExecutionTimeout));
        assert_eq!(ask(&pool, "/works").await.as_deref(), Ok("/works"));
        assert_eq!(pool.snapshot().recycles(RecycleReason::Timeout), round);
    }
    eventually("the late ones have gone", || pool.snapshot().workers.len() == 1).await;
    assert_eq!(*pool.shared.config.stuck.borrow(), 0);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn the_next_one_is_served_while_the_thread_still_hangs() {
    let deadlines = Deadlines { request: SHORT, grace: SHORT, ..off() };
    let pool = pool_of(with(deadlines), |seat| hanging(seat, 8));
    assert_eq!(ask(&pool, "/hangs").await, Err(Failure::ExecutionTimeout));
    assert_eq!(ask(&pool, "/works").await.as_deref(), Ok("/works"));
    until_state(&pool, WorkerState::Stuck, 1).await;
    assert_eq!(*pool.shared.config.stuck.borrow(), 1);
    assert_eq!(ask(&pool, "/works").await.as_deref(), Ok("/works"));
    // Interrupted on and on, it ends at last, quietly.
    eventually("it has ended", || pool.snapshot().workers.len() == 1).await;
    assert_eq!(*pool.shared.config.stuck.borrow(), 0);
    assert_eq!(pool.snapshot().recycles(RecycleReason::Timeout), 1, "counted once");
    stop_clean(&pool).await;
}

#[tokio::test]
async fn what_runs_after_the_response_has_the_same_deadline_and_leaves_the_response_alone() {
    let pool = pool_of(with(Deadlines { request: SHORT, ..off() }), |seat| hanging(seat, 1));
    assert_eq!(ask(&pool, "/hangs-after").await.as_deref(), Ok("answered"));
    assert_eq!(ask(&pool, "/works").await.as_deref(), Ok("/works"));
    assert_eq!(pool.snapshot().recycles(RecycleReason::Timeout), 1);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_reset_that_hangs_has_a_deadline_of_its_own() {
    let pool = pool_of(with(Deadlines { reset: SHORT, ..off() }), |seat| hanging(seat, 1));
    assert_eq!(ask(&pool, "/hangs-in-reset").await.as_deref(), Ok("answered"));
    assert_eq!(ask(&pool, "/works").await.as_deref(), Ok("/works"));
    assert_eq!(pool.snapshot().recycles(RecycleReason::ResetMissing), 1);
    assert_eq!(pool.snapshot().recycles(RecycleReason::Timeout), 0);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn zero_is_no_deadline() {
    let pool = pool_of(with(off()), |seat| {
        serve(seat, |_, path| {
            std::thread::sleep(SHORT * 3);
            path.to_owned()
        })
    });
    assert_eq!(ask(&pool, "/slow").await.as_deref(), Ok("/slow"));
    assert_eq!(pool.snapshot().recycles(RecycleReason::Timeout), 0);
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_boot_that_hangs_is_given_up_and_tried_again_with_pauses() {
    let boots = Arc::new(AtomicUsize::new(0));
    let script = {
        let boots = Arc::clone(&boots);
        move |seat: &mut dyn Seat| {
            if boots.fetch_add(1, Ordering::Relaxed) >= 3 {
                return serve(seat, |_, path| path.to_owned());
            }
            let (bell, rung): (_, Receiver<()>) = bounded(16);
            seat.attached(Arc::new(Bell(bell)));
            rung.recv().expect("the pool holds the bell");
            Exit::BootFailed { message: "interrupted".to_owned() }
        }
    };
    let pool = pool_of(with(Deadlines { boot: SHORT, ..off() }), script);
    let begun = Instant::now();
    let error = pool.ready().await.expect_err("the first boot hangs");
    assert!(error.to_string().contains("did not reach its loop within"), "{error}");
    assert_eq!(ask(&pool, "/works").await.as_deref(), Ok("/works"));
    // Pauses of 20, 40 and 80 ms between them.
    assert!(begun.elapsed() >= SHORT * 3 + Duration::from_millis(140), "{:?}", begun.elapsed());
    assert_eq!(boots.load(Ordering::Relaxed), 4);
    stop_clean(&pool).await;
}

#[test]
fn one_that_is_stuck_twice_is_counted_once() {
    let limits = Deadlines { request: SHORT, grace: SHORT, ..off() };
    let worker = incarnation(0);
    worker.apply(Event::Launched);
    worker.arrive(Duration::ZERO);
    worker.assign(&exchange("/"));
    let at = |times: u32| Instant::now() + SHORT * times;
    assert!(worker.expire(at(2), &limits).is_some());
    assert!(worker.urge(at(4), SHORT).is_some(), "it is stuck");
    assert_eq!(worker.return_with(&Boundary::default(), false, false, Duration::ZERO), (Course::Leave, false));
    assert!(worker.expire(at(8), &limits).is_none(), "it hangs on its way out too");
    assert!(worker.urge(at(16), SHORT).is_none(), "which is no second worker");
    assert!(worker.sight().overdue.is_some_and(|overdue| overdue.stuck), "it is taken off once");
}
