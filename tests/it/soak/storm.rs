//! Workers that are replaced all the time, and queues that are always long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::load::{Tally, ask_for};
use crate::support::run::run_within;
use crate::support::{Launch, Mode, Server};

use super::LIMIT;

const WORKERS: u32 = 4;

/// Twice as many clients as workers: no worker is ever without a request, so whatever a replacement costs is seen.
const CLIENTS: usize = 8;

/// An application that waits for a database for 10 ms.
fn waits(_: usize) -> String {
    "/echo?us=10000".to_owned()
}

fn launch(max_requests: u32) -> Launch {
    Launch::plain(Mode::Worker)
        .workers(WORKERS)
        .keeps_descriptors(64)
        .admin()
        .config("pools.default.recycle.max_requests", &max_requests.to_string())
}

/// The rate without replacements, for the same load.
fn calm(time: Duration) -> f64 {
    let mut rate = 0.0;
    run_within(LIMIT, launch(0), async |server| {
        ask_for(server.address(), CLIENTS, Duration::from_secs(2), waits).await;
        let tally = ask_for(server.address(), CLIENTS, time, waits).await;
        assert_eq!(tally.failed(), 0, "{:?}", tally.answers);
        rate = tally.rate();
    });
    rate
}

/// Workers that serve, or could at once: one that stands by has booted and takes over as soon as the one before has its last request.
async fn able(server: &Server) -> u64 {
    let workers = server.admin_json("/workers").await;
    let states = workers["workers"].as_array().expect("workers").iter().filter_map(|worker| worker["state"].as_str());
    states.filter(|state| matches!(*state, "idle" | "busy" | "resetting" | "standby")).count() as u64
}

/// Asks the pool for its smallest number of workers that can serve, again and again.
async fn fewest_workers(server: &Server, over: Arc<AtomicBool>) -> (u64, u64) {
    let (mut fewest, mut looks) = (u64::MAX, 0);
    while !over.load(Ordering::Relaxed) {
        fewest = fewest.min(able(server).await);
        looks += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (fewest, looks)
}

/// `max_requests = 20`, 4 workers, steady load for a minute: nothing fails, there are always four, and no more than a fifth is lost.
#[test]
#[ignore = "takes two minutes: make soak"]
fn a_storm_of_replacements() {
    let before = calm(Duration::from_secs(20));
    let mut storm = (Tally::default(), 0, 0, 0);
    run_within(LIMIT, launch(20), async |server| {
        let over = Arc::new(AtomicBool::new(false));
        let load = async {
            let tally = ask_for(server.address(), CLIENTS, Duration::from_secs(60), waits).await;
            over.store(true, Ordering::Relaxed);
            tally
        };
        let (tally, (fewest, looks)) = tokio::join!(load, fewest_workers(server, Arc::clone(&over)));
        let log = server.log();
        let recycled = log.lines().filter(|line| line.contains("\"reason\":\"max_requests\"")).count();
        storm = (tally, fewest, looks, recycled);
    });
    let after = calm(Duration::from_secs(20));
    let (mut tally, fewest, looks, recycled) = storm;
    let calm = f64::midpoint(before, after);
    let ratio = tally.rate() / calm;
    eprintln!(
        "storm: {} answered, {} failed, {recycled} workers replaced, never fewer than {fewest} of {WORKERS} in {looks} looks",
        tally.ok(),
        tally.failed()
    );
    eprintln!(
        "storm: {:.1} requests/s; without replacements {before:.1} before and {after:.1} after; ratio {ratio:.3}; 50 % {:?}, 99 % {:?}",
        tally.rate(),
        tally.share(500),
        tally.share(990)
    );
    assert_eq!(tally.failed(), 0, "{:?}, {} broken, {} refused", tally.answers, tally.broken, tally.refused);
    // Each of them has served 18 to 22.
    assert!(recycled as u64 >= tally.ok() / 25, "{recycled} replaced for {} requests", tally.ok());
    assert!(looks > 100 && fewest >= u64::from(WORKERS), "{fewest} workers at the worst");
    assert!(ratio >= 0.8, "{ratio:.3}");
}

/// Says how long requests take when 32 times as many clients ask as there are workers. First come, first served: the slowest waits
/// hardly longer than all the others.
#[test]
#[ignore = "measures: make soak"]
fn how_long_the_slowest_wait_in_a_crowd() {
    run_within(LIMIT, launch(0), async |server| {
        for clients in [WORKERS as usize, 32 * WORKERS as usize] {
            ask_for(server.address(), clients, Duration::from_secs(2), |_| "/".to_owned()).await;
            let mut tally = ask_for(server.address(), clients, Duration::from_secs(20), |_| "/".to_owned()).await;
            assert_eq!(tally.failed(), 0, "{:?}", tally.answers);
            let (median, p99) = (tally.share(500), tally.share(990));
            eprintln!(
                "{clients} clients, {WORKERS} workers: {:.0} requests/s, 50 % {median:?}, 99 % {p99:?}, ratio {:.2}",
                tally.rate(),
                p99.as_secs_f64() / median.as_secs_f64()
            );
        }
    });
}
