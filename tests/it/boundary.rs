//! The boundary between two requests of a worker: what one leaves behind reaches neither the next request nor its client.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Launch, Mode, modes, run};

fn one_worker() -> Launch {
    Launch::plain(Mode::Worker).env("ORIGINAL", "outside").workers(1)
}

async fn incarnation(server: &crate::support::Server) -> Value {
    server.json("/worker").await["incarnation"].clone()
}

/// A handle on php://input points into a body that the engine would free.
#[test]
fn a_kept_input_handle_stays_usable() {
    // Bodies of this size lie in temporary files of PHP's; at the end of the test none may be open.
    run(one_worker(), async |server| {
        for _ in 0..3 {
            let body = "x".repeat(50_000);
            let kept = server.send("POST", "/keep-input", &[("content-type", "text/plain")], body).await;
            assert_eq!(kept.ok().text(), "50000");
            let form = [("content-type", "application/x-www-form-urlencoded")];
            for _ in 0..5 {
                server.send("POST", "/echo", &form, "nonce=1").await.ok();
            }
            assert_eq!(server.get("/read-kept").await.ok().text(), "50000");
        }
        server.get("/drop-kept").await.ok();
        server.get("/").await.ok();
    });
}

/// An exception or exit while a request is taken down is its own affair: the next client gets its own answer, from a new worker.
#[test]
fn a_fault_in_the_boundary_does_not_reach_the_next_client() {
    run(one_worker().expect_error("LogicException: late").expect_error("reset_failed"), async |server| {
        for path in ["/late-exception", "/late-exit"] {
            let before = incarnation(server).await;
            assert_eq!(server.get(path).await.ok().text(), "answered", "{path}");
            assert_eq!(server.get("/").await.ok().text(), "hello", "after {path}");
            assert_ne!(
                incarnation(server).await,
                before,
                "{path}: a worker whose reset failed serves no other request"
            );
        }
    });
}

#[test]
fn no_request_is_served_while_another_ends() {
    let refused = "cannot be called while a request or the script ends";
    run(one_worker().expect_error(refused), async |server| {
        server.get("/shutdown-asks").await.expect(500);
        assert_eq!(server.get("/").await.ok().text(), "hello");
        assert_eq!(server.get("/late-shutdown-asks").await.ok().text(), "answered");
        assert_eq!(server.get("/").await.ok().text(), "hello");
        assert_eq!(server.get("/exit-then-destructor-asks").await.ok().text(), "answered");
        assert_eq!(server.get("/").await.ok().text(), "hello");
        server.dir().wait_for_mark("refused-in-destructor").await;
    });
}

/// What the application's own exception handler answers is the answer.
#[test]
fn the_exception_handler_has_the_last_word() {
    run(one_worker(), async |server| {
        let before = incarnation(server).await;
        let answer = server.get("/handler-answers").await;
        answer.expect(404);
        assert_eq!(answer.text(), "not found, says the handler");
        server.get("/handler-is-silent").await.expect(500);
        assert_eq!(incarnation(server).await, before, "an exception that was dealt with costs no worker");
        let answer = server.get("/handler-exits").await;
        answer.expect(503);
        assert_eq!(answer.text(), "bye");
        assert_ne!(incarnation(server).await, before, "after exit a worker is never continued");
    });
}

/// A time limit set after the response must not strike while the worker waits for the next request.
#[test]
fn a_late_time_limit_does_not_tick_while_idle() {
    run(one_worker(), async |server| {
        let before = incarnation(server).await;
        assert_eq!(server.get("/late-limit").await.ok().text(), "answered");
        // What is tested is the passing of time itself: the limit is one second.
        tokio::time::sleep(Duration::from_millis(1600)).await;
        assert_eq!(incarnation(server).await, before);
    });
}

modes!(a_forked_child_ends_with_its_own_exit_code, async |server| {
    for _ in 0..20 {
        assert_eq!(server.get("/fork").await.ok().text(), "3");
    }
});

/// Request 1 changes every piece of process state, request 2 on the same worker sees none of it.
#[test]
fn process_state_is_put_back() {
    run(one_worker(), async |server| {
        let fresh = server.json("/process-state").await;
        let changed = server.json("/change-process-state").await;
        for key in
            ["ini", "environment", "cwd", "timezone", "umask", "error_reporting", "error_handler", "exception_handler"]
        {
            assert_ne!(changed[key], fresh[key], "{key}: the request did not change it, so nothing is shown");
        }
        let after = server.json("/process-state").await;
        for (key, value) in fresh.as_object().expect("an object") {
            assert_eq!(&after[key], value, "{key}");
        }
    });
}

#[test]
fn rewritten_urls_show_only_what_their_own_request_added() {
    run(one_worker(), async |server| {
        for number in 1..=4 {
            let text = server.get(&format!("/rewritten-form?name=n{number}&value=v{number}")).await.ok().text();
            assert_eq!(text.matches("<input").count(), 1, "request {number}: {text}");
            assert!(text.contains(&format!("name=\"n{number}\" value=\"v{number}\"")), "{text}");
        }
    });
}

#[test]
fn a_seed_does_not_make_the_next_request_predictable() {
    run(one_worker(), async |server| {
        let seeded = server.get("/predictable").await.ok().text();
        let mut drawn = std::collections::HashSet::new();
        for _ in 0..5 {
            assert_eq!(server.get("/predictable").await.ok().text(), seeded, "mt_rand() after the same seed");
            assert!(drawn.insert(server.get("/random").await.ok().text()), "the same number twice");
        }
    });
}

/// In classic mode the engine does it; the same eyes see the same.
#[test]
fn process_state_is_put_back_in_classic_mode() {
    run(Launch::plain(Mode::Classic).env("ORIGINAL", "outside").workers(1), async |server| {
        let fresh = server.json("/process-state").await;
        server.json("/change-process-state").await;
        assert_eq!(server.json("/process-state").await, fresh);
    });
}
