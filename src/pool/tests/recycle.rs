//! Replacement that was planned: who serves how long, and who serves meanwhile.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use crate::job::{Boundary, Exit, RequestBody, ResetOutcome, Thrown, Wish};
use crate::pool::fake::{config, eventually, pool_of, report, request, send, serve, stop_clean, text, until_state};
use crate::pool::{Config, Limits, Pool, RecycleMode, Selection, WorkerState};
use crate::telemetry::RecycleReason;

/// `slot/incarnation` of the worker that answers.
async fn who(pool: &Pool) -> String {
    pool.submit(request("/"), RequestBody::empty()).await.map(text).expect("served")
}

fn name(identity: &crate::job::Identity) -> String {
    format!("{}/{}", identity.slot, identity.incarnation)
}

fn with(limits: Limits, workers: u32) -> Config {
    Config { recycle: limits, ..config(workers) }
}

fn requests(max_requests: u64) -> Limits {
    Limits { max_requests, ..Limits::default() }
}

#[tokio::test]
async fn every_incarnation_serves_exactly_its_limit() {
    for limit in [1, 2, 3, 50] {
        let pool = pool_of(with(requests(limit), 1), |seat| serve(seat, |identity, _| name(identity)));
        let mut served = BTreeMap::<u64, u64>::new();
        for _ in 0..10 * limit {
            let who = who(&pool).await;
            let incarnation = who.rsplit('/').next().and_then(|number| number.parse().ok()).expect("a number");
            *served.entry(incarnation).or_default() += 1;
        }
        let expected: BTreeMap<_, _> = (1..=10).map(|incarnation| (incarnation, limit)).collect();
        assert_eq!(served, expected, "limit {limit}");
        eventually("all are counted", || pool.snapshot().recycles(RecycleReason::MaxRequests) == 10).await;
        stop_clean(&pool).await;
    }
}

#[tokio::test]
async fn points_of_recycling_differ_and_stay_within_the_jitter() {
    let limits = Limits { jitter: 0.1, ..requests(100) };
    let pool = pool_of(with(limits, 8), |seat| serve(seat, |identity, _| name(identity)));
    pool.ready().await.expect("boots");
    let mut served = BTreeMap::<String, u64>::new();
    let mut waves = Vec::new();
    for _ in 0..1000 {
        waves.push(send(&pool, "/"));
        if waves.len() == 8 {
            for answer in waves.drain(..) {
                *served.entry(answer.await.expect("no panic").expect("served")).or_default() += 1;
            }
        }
    }
    let snapshot = pool.snapshot();
    let living: Vec<_> = snapshot.workers.iter().map(|w| format!("{}/{}", w.slot, w.incarnation)).collect();
    let ended: Vec<_> = served.iter().filter(|(who, _)| !living.contains(who)).map(|(_, count)| *count).collect();
    assert!(ended.iter().all(|count| (90..=110).contains(count)), "{ended:?}");
    let points: std::collections::BTreeSet<_> = ended.iter().collect();
    assert!(points.len() > 1, "{ended:?}");
    stop_clean(&pool).await;
}

#[tokio::test]
async fn the_old_one_serves_until_its_successor_has_booted() {
    let (go, hold) = bounded::<()>(10);
    let pool = pool_of(config(1), move |seat| {
        if seat.identity().incarnation > 1 {
            hold.recv().expect("the test holds the boot");
        }
        serve(seat, |identity, _| name(identity))
    });
    assert_eq!(who(&pool).await, "0/1");
    assert_eq!(pool.recycle(Selection::All, RecycleReason::Manual, RecycleMode::MakeBeforeBreak), 1);
    until_state(&pool, WorkerState::Booting, 1).await;
    for _ in 0..10 {
        assert_eq!(who(&pool).await, "0/1", "the successor boots");
        assert_eq!(pool.snapshot().serving(), 1);
    }
    go.send(()).expect("the successor is there");
    eventually("it has been replaced", || pool.snapshot().recycles(RecycleReason::Manual) == 1).await;
    assert_eq!(who(&pool).await, "0/2");
    let worker = pool.snapshot().workers[0].clone();
    assert_eq!((worker.last_recycle, worker.seated), (Some(RecycleReason::Manual), true));
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_busy_one_ends_its_request_while_its_successor_serves() {
    let (go, hold) = bounded::<()>(10);
    let pool = pool_of(config(1), move |seat| {
        serve(seat, |identity, path| {
            if path == "/slow" {
                hold.recv().expect("the test holds the request");
            }
            name(identity)
        })
    });
    let slow = send(&pool, "/slow");
    until_state(&pool, WorkerState::Busy, 1).await;
    pool.recycle(Selection::Slot(0), RecycleReason::Manual, RecycleMode::MakeBeforeBreak);
    assert_eq!(who(&pool).await, "0/2", "it does not wait for the slow one");
    assert_eq!(pool.snapshot().recycles(RecycleReason::Manual), 0);
    go.send(()).expect("the worker is there");
    assert_eq!(slow.await.expect("no panic"), Ok("0/1".to_owned()));
    eventually("it has left", || pool.snapshot().recycles(RecycleReason::Manual) == 1).await;
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_break_leaves_nobody_of_before_and_refuses_nobody() {
    let boots = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&boots);
    let pool = pool_of(config(4), move |seat| {
        count.fetch_add(1, Ordering::Relaxed);
        serve(seat, |identity, _| name(identity))
    });
    pool.ready().await.expect("boots");
    for round in 1..=20 {
        let crowd: Vec<_> = (0..20).map(|_| send(&pool, "/")).collect();
        assert_eq!(pool.recycle(Selection::All, RecycleReason::Opcache, RecycleMode::Break), 4);
        for answer in crowd {
            answer.await.expect("no panic").expect("served");
        }
        eventually("all have gone", || pool.snapshot().recycles(RecycleReason::Opcache) == 4 * round).await;
        eventually("all are back", || pool.snapshot().available == 4).await;
    }
    assert_eq!(boots.load(Ordering::Relaxed), 4 + 80, "no incarnation beside those");
    stop_clean(&pool).await;
}

#[tokio::test]
async fn who_has_no_successor_serves_on_beyond_its_limit() {
    let broken = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&broken);
    let pool = pool_of(with(requests(4), 1), move |seat| {
        if seat.identity().incarnation > 1 && state.load(Ordering::Relaxed) {
            return Exit::BootFailed { message: "deployed too early".to_owned() };
        }
        serve(seat, |identity, _| name(identity))
    });
    for _ in 0..3 {
        assert_eq!(who(&pool).await, "0/1");
    }
    let tried = || pool.snapshot().restarts(crate::pool::RestartCause::BootFailed);
    eventually("a successor has failed", || tried() > 0).await;
    for _ in 0..20 {
        assert_eq!(who(&pool).await, "0/1", "better than nobody");
    }
    broken.store(false, Ordering::Relaxed);
    eventually("it has been replaced", || pool.snapshot().recycles(RecycleReason::MaxRequests) == 1).await;
    assert_ne!(who(&pool).await, "0/1");
    stop_clean(&pool).await;
}

/// A pool whose path says what its worker reports at the boundary.
fn reporting(limits: Limits, workers: u32) -> Arc<Pool> {
    pool_of(with(limits, workers), |seat| {
        report(seat, |identity, path| {
            let wish = |hard| Some(Wish { reason: "from the test".to_owned(), hard });
            let boundary = match path {
                "/missing" => Boundary { reset: ResetOutcome::Missing, ..Boundary::default() },
                "/broken" => Boundary {
                    reset: ResetOutcome::Failed { thrown: vec![Thrown::default()], took: Duration::ZERO },
                    ..Boundary::default()
                },
                "/leak" => Boundary { memory: 5000, memory_peak: 6000, ..Boundary::default() },
                "/throws" => Boundary { failed: true, ..Boundary::default() },
                "/wish" => Boundary { wish: wish(false), ..Boundary::default() },
                "/wish-hard" => Boundary { wish: wish(true), ..Boundary::default() },
                _ => Boundary { memory: 1000, ..Boundary::default() },
            };
            (name(identity), boundary)
        })
    })
}

#[tokio::test]
async fn each_report_has_its_reason() {
    use RecycleReason as R;
    let off = Limits::default;
    let cases: [(&str, Limits, &[&str], R); 9] = [
        ("missing", off(), &["/missing"], R::ResetMissing),
        ("failed", off(), &["/broken"], R::ResetFailed),
        ("memory", Limits { max_memory: 4000, ..off() }, &["/leak"], R::MemLimit),
        ("emergency", Limits { emergency_memory: 4000, max_memory: 100_000, ..off() }, &["/leak"], R::MemEmergency),
        ("soft", Limits { soft_memory: 4000, ..off() }, &["/leak"], R::MemSoft),
        ("growth", Limits { memory_growth: 3000, ..off() }, &["/", "/", "/", "/", "/", "/leak"], R::MemGrowth),
        ("failures", Limits { max_consecutive_failures: 2, ..off() }, &["/throws", "/throws"], R::ConsecutiveFailures),
        ("wish", off(), &["/wish"], R::AppRequest),
        ("hard wish", off(), &["/wish-hard"], R::AppRequest),
    ];
    for (case, limits, paths, expected) in cases {
        let pool = reporting(limits, 2);
        pool.ready().await.expect("boots");
        eventually("both are idle", || pool.snapshot().available == 2).await;
        let mut first = None;
        for path in paths {
            // The one that became idle last serves first, so all go to one worker.
            let answer = send(&pool, path).await.expect("no panic").expect("served");
            assert_eq!(first.get_or_insert(answer.clone()), &answer, "{case}");
            eventually("it is back, or another one", || pool.snapshot().available == 2).await;
        }
        eventually(case, || pool.snapshot().recycles(expected) == 1).await;
        let snapshot = pool.snapshot();
        let all: u64 = snapshot.recycles.iter().map(|(_, count)| count).sum();
        assert_eq!(all, 1, "{case}: the other slot is left alone");
        stop_clean(&pool).await;
    }
}

#[tokio::test]
async fn a_success_clears_failures_and_an_unclean_worker_never_serves_again() {
    let limits = Limits { max_consecutive_failures: 3, ..Limits::default() };
    let pool = reporting(limits, 1);
    for path in ["/throws", "/throws", "/", "/throws", "/throws", "/"] {
        assert_eq!(send(&pool, path).await.expect("no panic"), Ok("0/1".to_owned()), "{path}");
    }
    for (number, path) in [(1, "/broken"), (2, "/missing"), (3, "/wish-hard"), (4, "/")] {
        assert_eq!(send(&pool, path).await.expect("no panic"), Ok(format!("0/{number}")), "{path}");
    }
    stop_clean(&pool).await;
}

#[tokio::test]
async fn age_and_idleness_end_workers_that_wait() {
    let short = Duration::from_millis(50);
    let pool = pool_of(with(Limits { max_idle: short, ..Limits::default() }, 2), |seat| {
        serve(seat, |identity, _| name(identity))
    });
    pool.ready().await.expect("boots");
    who(&pool).await;
    eventually("the one that served is replaced", || pool.snapshot().recycles(RecycleReason::MaxIdle) == 1).await;
    eventually("both are idle", || pool.snapshot().available == 2).await;
    let deadline = Instant::now() + 4 * short;
    eventually("a while has passed", || Instant::now() > deadline).await;
    assert_eq!(pool.snapshot().recycles(RecycleReason::MaxIdle), 1, "who never served is as good as new");
    stop_clean(&pool).await;

    let pool = pool_of(with(Limits { max_uptime: short, ..Limits::default() }, 1), |seat| {
        serve(seat, |identity, _| name(identity))
    });
    eventually("several have come and gone", || pool.snapshot().recycles(RecycleReason::MaxUptime) >= 3).await;
    assert_ne!(who(&pool).await, "0/1");
    stop_clean(&pool).await;
}

/// Capacity is what serves; a watcher sees it at every moment while workers are replaced under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capacity_never_falls_below_the_configured_count() {
    let pool = pool_of(with(Limits::default(), 4), |seat| serve(seat, |identity, _| name(identity)));
    pool.ready().await.expect("boots");
    eventually("all are idle", || pool.snapshot().available == 4).await;
    let running = Arc::new(AtomicBool::new(true));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (pool, running) = (Arc::clone(&pool), Arc::clone(&running));
            tokio::spawn(async move {
                while running.load(Ordering::Relaxed) {
                    who(&pool).await;
                }
            })
        })
        .collect();
    for round in 1..=10 {
        pool.recycle(Selection::All, RecycleReason::Manual, RecycleMode::MakeBeforeBreak);
        eventually("a round is over", || {
            let snapshot = pool.snapshot();
            assert!(snapshot.serving() >= 4, "{:?}", snapshot.workers);
            snapshot.recycles(RecycleReason::Manual) == 4 * round
        })
        .await;
    }
    running.store(false, Ordering::Relaxed);
    for task in load {
        task.await.expect("every request was served");
    }
    stop_clean(&pool).await;
}

#[tokio::test]
async fn a_successor_that_stands_by_leaves_with_its_pool() {
    let pool = pool_of(with(requests(2), 2), |seat| serve(seat, |identity, _| name(identity)));
    pool.ready().await.expect("boots");
    who(&pool).await;
    until_state(&pool, WorkerState::Standby, 1).await;
    stop_clean(&pool).await;
}
