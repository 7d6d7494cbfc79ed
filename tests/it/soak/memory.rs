//! Whether memory stays where it is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::load::{Client, Outcome};
use crate::support::run::run_within;
use crate::support::{Launch, Mode, Server};

use super::LIMIT;

const REQUESTS: usize = 50_000;
/// Until here lazily made things are made; what is measured comes after it.
const WARM_UP: usize = 10_000;
/// Requests between two looks.
const STEP: usize = 500;

/// Most that counts as flat, in KiB for a thousand requests. What an allocator keeps moves by some hundred KiB in all; a leak of 100 bytes a
/// request would be more than this.
const FLAT: f64 = 64.0;

/// What `/leak` leaves behind, in bytes: half a KiB a request, if every tenth request goes there.
const LEAK: usize = 5_120;

/// A bit of everything: query, cookie, header, form, session, output in pieces, 404, redirect, a static file, a sleeping script.
async fn mixed(client: &mut Client, number: usize, leaks: bool) {
    let leak = format!("/leak?bytes={LEAK}");
    let (method, path, body) = match number % 10 {
        0 => ("GET", "/", ""),
        1 => ("POST", "/echo?us=0&nonce=a", "nonce=b"),
        2 => ("GET", "/state", ""),
        3 => ("POST", "/count-input", "some bytes of a body"),
        4 => ("GET", "/bulk?blocks=4", ""),
        5 => ("GET", "/hello.txt", ""),
        6 => ("GET", "/no-such-route", ""),
        7 => ("GET", "/opcache", ""),
        8 => ("GET", "/functions?strlen=1", ""),
        _ if leaks => ("GET", leak.as_str(), ""),
        _ => ("GET", "/request-id", ""),
    };
    let Outcome::Answered(answer) = client.send(method, path, body).await else { panic!("{path}: no answer") };
    let expected = if path == "/no-such-route" { 404 } else { 200 };
    answer.expect(expected);
}

/// Slope of the least squares through pairs of request number and KiB, in KiB for a thousand requests.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / count, sum.1 + point.1 / count));
    let (above, below) = points
        .iter()
        .fold((0.0, 0.0), |sum, point| (sum.0 + (point.0 - x) * (point.1 - y), sum.1 + (point.0 - x).powi(2)));
    1000.0 * above / below
}

async fn measure(server: &Server, leaks: bool) -> f64 {
    let (next, points) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let ask = async || {
        let mut client = Client::new(server.address());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= REQUESTS {
                return;
            }
            mixed(&mut client, number, leaks).await;
            if number >= WARM_UP && number.is_multiple_of(STEP) {
                let point = (number as f64, server.memory_kib("VmRSS") as f64);
                points.lock().expect("points").push(point);
            }
        }
    };
    tokio::join!(ask(), ask(), ask(), ask());
    let mut points = points.into_inner().expect("points");
    points.sort_by(|a: &(f64, f64), b| a.0.total_cmp(&b.0));
    let slope = slope(&points);
    let (first, last) = (points[0].1, points[points.len() - 1].1);
    eprintln!(
        "memory{}: {first} KiB after {WARM_UP} requests, {last} KiB after {REQUESTS}; {slope:.1} KiB for 1000 requests",
        if leaks { ", with a leak" } else { "" }
    );
    slope
}

fn run_mixed(mode: Mode, leaks: bool) -> f64 {
    let mut slope = f64::NAN;
    let launch = Launch::plain(mode)
        .workers(2)
        .keeps_descriptors(16)
        .config("pools.default.recycle.max_requests", "0")
        .config("pools.default.recycle.max_uptime", "\"0s\"");
    // Nothing of a classic script outlives its request: it has no such limit.
    let launch = if mode == Mode::Worker { launch.config("pools.default.recycle.max_memory", "0") } else { launch };
    run_within(LIMIT, launch, async |server| slope = measure(server, leaks).await);
    slope
}

#[test]
#[ignore = "50,000 requests, four times: make soak"]
fn memory_is_flat_and_a_leak_is_seen() {
    let worker = run_mixed(Mode::Worker, false);
    let classic = run_mixed(Mode::Classic, false);
    let leaking = run_mixed(Mode::Worker, true);
    let forgetful = run_mixed(Mode::Classic, true);
    for (what, slope) in [("worker", worker), ("classic", classic), ("classic, which forgets", forgetful)] {
        assert!(slope.abs() <= FLAT, "{what}: {slope:.1} KiB for 1000 requests");
    }
    // Half a KiB a request, two workers beside each other.
    assert!(leaking >= 400.0, "the leak is not seen: {leaking:.1} KiB for 1000 requests");
}

#[test]
fn the_slope_of_a_line_is_its_own() {
    let line: Vec<_> = (0..100).map(|x| (f64::from(x) * 500.0, 7.0 + 0.25 * f64::from(x) * 500.0)).collect();
    assert!((slope(&line) - 250.0).abs() < 1e-6);
}
