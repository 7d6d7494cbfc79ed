//! What is special about a script that stays: it boots once, keeps its objects, and runs code after the response.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Launch, Mode, holds_within, run, until};

fn worker() -> Launch {
    Launch::plain(Mode::Worker)
}

#[test]
fn boots_once_and_keeps_its_objects() {
    run(worker().workers(1), async |server| {
        let first = server.json("/object").await;
        for count in 2..=100 {
            let seen = server.json("/object").await;
            assert_eq!(seen["count"], count);
            assert_eq!(seen["id"], first["id"], "the same object");
        }
        assert_eq!(server.dir().lines("boots.log"), 1);
    });
}

#[test]
fn each_worker_boots_once_under_load() {
    run(worker().workers(4), async |server| {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let address = server.address();
            tasks.spawn(async move {
                let mut connection = crate::support::Connection::open(address, crate::support::Protocol::Http1).await;
                for _ in 0..25 {
                    connection.get("/echo?us=200").await.ok();
                }
            });
        }
        while let Some(result) = tasks.join_next().await {
            result.expect("a client");
        }
        let boots = server.dir().marked("boots.log").unwrap_or_default();
        let mut slots: Vec<_> = boots.lines().filter_map(|line| line.split(' ').nth(1)).collect();
        slots.sort_unstable();
        assert_eq!(slots, ["0", "1", "2", "3"], "{boots}");
    });
}

#[test]
fn the_worker_says_who_it_is() {
    run(worker().workers(1), async |server| {
        for expected in 1..=3 {
            let answer = server.get("/worker").await;
            let seen = answer.ok().json();
            assert_eq!(seen["pool"], "default");
            assert_eq!(seen["slot"], 0);
            assert_eq!(seen["incarnation"], 1);
            assert_eq!(seen["requests"], expected);
            assert_eq!(seen["mode"], "worker");
            assert_eq!(seen["request_id"].as_str(), answer.header("x-request-id"));
            assert_eq!(seen["pid"], server.php_pid());
            assert!(seen["uptime_seconds"].as_f64().is_some_and(|uptime| uptime > 0.0), "{seen}");
            assert!(seen["memory_bytes"].as_u64() <= seen["memory_peak_bytes"].as_u64(), "{seen}");
        }
    });
    run(Launch::plain(Mode::Classic), async |server| {
        let seen = server.json("/worker").await;
        assert_eq!(seen["mode"], "classic", "{seen}");
    });
}

#[test]
fn a_frankenphp_script_serves_and_is_told_what_it_expects() {
    run(worker().script("public/frankenphp.php").workers(1).expect_error("nobody catches"), async |server| {
        assert_eq!(server.get("/").await.ok().text(), "hello");
        let boot: Value = serde_json::from_str(&server.dir().wait_for_mark("boot-server").await).expect("JSON");
        assert_eq!(boot["FRANKENPHP_WORKER"], "1", "{boot}");
        assert_eq!(boot["FRANKENPHP_LOOP_MAX"], "-1", "{boot}");
        assert_eq!(boot["SUPERCHARGER"], "1", "{boot}");
        assert!(boot["APP_RUNTIME"].is_string(), "{boot}");
        for name in ["REQUEST_METHOD", "REQUEST_URI", "HTTP_HOST", "QUERY_STRING"] {
            assert_eq!(boot.get(name), None, "the boot sees no request: {name}");
        }
        // The script's own catch block answers.
        let answer = server.get("/await-in-vain").await;
        answer.expect(500);
        assert_eq!(answer.text(), "handled: caught by the script");
        let before = server.json("/worker").await;
        server.get("/exit").await.expect(500);
        let after = server.json("/worker").await;
        assert_eq!(after["incarnation"].as_u64(), before["incarnation"].as_u64().map(|number| number + 1));
    });
}

#[test]
fn an_application_that_names_its_own_runtime_keeps_it() {
    run(worker().env("APP_RUNTIME", "My\\Own"), async |server| {
        let boot: Value = serde_json::from_str(&server.dir().wait_for_mark("boot-server").await).expect("JSON");
        assert_eq!(boot["APP_RUNTIME"], "My\\Own");
    });
}

/// The loop of FrankenPHP's documentation ends by itself after MAX_REQUESTS: a new incarnation follows, nobody notices.
#[test]
fn a_loop_that_ends_by_itself_is_started_again() {
    run(worker().script("public/frankenphp.php").workers(1).env("MAX_REQUESTS", "5"), async |server| {
        for number in 0..20_u64 {
            let seen = server.json("/worker").await;
            assert_eq!(seen["incarnation"], number / 5 + 1, "request {number}: {seen}");
        }
        assert!(server.dir().lines("boots.log") >= 4);
    });
}

#[test]
fn what_follows_the_response_does_not_delay_it() {
    run(worker().workers(1), async |server| {
        let answer = server.get("/terminate-waits?id=t").await;
        assert_eq!(answer.ok().text(), "answered", "the response is there although the terminate step has not ended");
        assert_eq!(server.dir().marked("terminated-t"), None);
        // The only worker is not idle yet: another request has to wait for it.
        let (address, path) = (server.address(), "/object");
        let next = tokio::spawn(async move {
            crate::support::Connection::open(address, crate::support::Protocol::Http1).await.get(path).await
        });
        assert!(
            !holds_within(Duration::from_millis(150), || next.is_finished()).await,
            "served before the terminate step ended"
        );
        server.dir().mark("go-t");
        next.await.expect("a request").ok();
        assert!(server.dir().marked("terminated-t").is_some());
    });
}

#[test]
fn the_handler_may_not_ask_for_another_request() {
    run(worker().workers(1).expect_error("nested").expect_error("supercharger_handle_request"), async |server| {
        let answer = server.get("/nested").await;
        assert_eq!(answer.ok().text(), "RuntimeException");
        assert_eq!(server.get("/").await.ok().text(), "hello");
    });
}

#[test]
fn outside_a_worker_there_is_no_loop() {
    run(Launch::plain(Mode::Classic), async |server| {
        let answer = server.get("/outside-the-loop.php").await;
        assert!(answer.ok().text().starts_with("RuntimeException: "), "{answer}");
    });
}

#[test]
fn output_of_the_boot_goes_to_the_log() {
    run(worker().workers(1).env("SAY_AT_BOOT", "spoken while booting"), async |server| {
        assert_eq!(server.get("/").await.ok().text(), "hello", "and not into the first response");
        server.wait_for_log("spoken while booting").await;
    });
}

#[test]
fn exits_in_a_row_do_not_slow_the_pool_down_for_good() {
    run(worker().workers(2), async |server| {
        for _ in 0..30 {
            assert_eq!(server.get("/die-with-output").await.ok().text(), "said goodbye");
        }
        until(Duration::from_secs(10), "both workers are back", || {
            (server.dir().lines("boots.log") >= 32).then_some(())
        })
        .await;
    });
}
