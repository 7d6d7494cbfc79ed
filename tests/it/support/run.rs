//! Runs one test with one server, within a hard limit.

use std::time::Duration;

use super::server::{Launch, Server};

/// No test takes longer. The slowest regular one needs some seconds on two busy cores, and a machine that others use may be many times slower.
const LIMIT: Duration = Duration::from_secs(120);

/// Starts the server, runs the test against it, stops the server and judges its log.
pub(crate) fn run(launch: Launch, test: impl AsyncFnOnce(&mut Server)) {
    run_within(LIMIT, launch, test);
}

/// The same with another limit, for tests that send thousands of requests.
pub(crate) fn run_within(limit: Duration, launch: Launch, test: impl AsyncFnOnce(&mut Server)) {
    block_on(limit, async {
        let mut server = launch.start().await;
        test(&mut server).await;
        server.finish().await;
    });
}

/// Runs a future on a runtime of its own; panics when the time is over.
pub(crate) fn block_on<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a tokio runtime");
    let result = runtime.block_on(async { tokio::time::timeout(limit, future).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.unwrap_or_else(|_| panic!("the test took longer than {limit:?}"))
}

/// Makes a test for each mode: `modes!(name, async |server| { ... })`, or with a launch to adapt in between:
/// `modes!(name, |launch| launch.workers(2), async |server| { ... })`.
macro_rules! modes {
    ($(#[$meta:meta])* $name:ident, $test:expr) => {
        $crate::support::modes!($(#[$meta])* $name, |launch| launch, $test);
    };
    ($(#[$meta:meta])* $name:ident, $adapt:expr, $test:expr) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "not every case needs everything")]
            use super::*;

            fn in_mode(mode: $crate::support::Mode) {
                let adapt: fn($crate::support::Launch) -> $crate::support::Launch = $adapt;
                $crate::support::run(adapt($crate::support::Launch::plain(mode)), $test);
            }

            #[test]
            fn worker() {
                in_mode($crate::support::Mode::Worker);
            }

            #[test]
            fn classic() {
                in_mode($crate::support::Mode::Classic);
            }
        }
    };
}
pub(crate) use modes;

/// Makes a test for each series of Symfony of a function that takes one: `series!(suite: v6_4, v8_1);`.
macro_rules! series {
    (@ v6_4) => {
        $crate::support::symfony::Series::V6_4
    };
    (@ v7_4) => {
        $crate::support::symfony::Series::V7_4
    };
    (@ v8_1) => {
        $crate::support::symfony::Series::V8_1
    };
    ($test:ident: $($name:ident),+) => {
        $(
            #[test]
            fn $name() {
                $test($crate::support::series!(@ $name));
            }
        )+
    };
}
pub(crate) use series;
