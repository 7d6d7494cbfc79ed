//! Through Symfony: the adapters by the framework's own settings, and requests that are carried out once.

use std::process::Command;
use std::time::Duration;

use super::{SOON, answered, crowded};
use crate::support::dir::{checkout, copy_tree};
use crate::support::program::run_to_end;
use crate::support::run::run_within;
use crate::support::{Answer, Launch, Mode, PrivateDir, Server, at_once, until};

/// The first request of a fresh copy compiles the container; the first run on a machine fetches libraries.
const LIMIT: Duration = Duration::from_secs(120);
const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// The application of these tests, with the package in the folder beside it.
fn application(mode: Mode) -> Launch {
    let dir = PrivateDir::with_app("symfony-store");
    std::fs::create_dir_all(dir.app().join("package")).expect("a folder");
    for part in ["src", "config"] {
        copy_tree(&checkout().join("php").join(part), &dir.app().join("package").join(part));
    }
    let mut command = Command::new(checkout().join("scripts/symfony-libraries"));
    command.args(["--more", "--from", "debian", "--symfony", "7.4"]).arg(dir.app());
    let ended = run_to_end(&dir, command, FETCH_LIMIT);
    assert!(ended.status.success(), "scripts/symfony-libraries: {ended}");
    let launch = Launch::with_dir(dir, mode).root("public").env("APP_ENV", "prod");
    if mode == Mode::Worker { launch.script("public/index.php") } else { launch }
}

fn suite(launch: Launch, test: impl AsyncFnOnce(&mut Server)) {
    run_within(LIMIT, launch.expect_error("deliberate").expect_error("request.failed").expect_error("worker"), test);
}

fn notes(server: &Server) -> usize {
    server.dir().lines("notes")
}

async fn post(server: &Server, path: &str, key: &str, body: &str) -> Answer {
    server.send("POST", path, &[("idempotency-key", key)], body.to_owned()).await
}

#[test]
fn of_a_thousand_at_once_a_hundred_pass() {
    suite(crowded(application(Mode::Worker)).admin(), async |server| {
        server.get("/hit").await.ok();
        assert_eq!(answered(server, 1000, "/exact", "yes").await, 100, "the limiter that decides in the server");
        assert_eq!(answered(server, 1000, "/stock", "yes").await, 100, "Symfony's limiter behind a lock");
        server.ask_admin("POST", "/workers/recycle", &[]).await.expect(202);
        until(SOON, "workers are replaced", || {
            (server.log().matches("\"event\":\"worker.recycle\"").count() >= 16).then_some(())
        })
        .await;
        assert_eq!(answered(server, 50, "/exact", "yes").await, 0);
        assert_eq!(answered(server, 50, "/stock", "yes").await, 0);
        assert!(server.metric("supercharger_rate_limited_total{rule=\"api\"}").await >= 950.0);
    });
}

#[test]
fn caches_and_locks_are_those_of_all_workers() {
    // Symfony's cache locks source files of its own against a stampede, and keeps those open that a worker has used.
    suite(crowded(application(Mode::Worker)).keeps_descriptors(512), async |server| {
        assert_eq!(server.get("/cached").await.ok().text(), "value tagged");
        assert_eq!(answered(server, 100, "/cached", "value tagged").await, 100);
        assert_eq!(notes(server), 2, "each has been made once");
        server.get("/forget").await.ok();
        assert_eq!(server.get("/cached").await.ok().text(), "value tagged");
        assert_eq!(notes(server), 3, "what had the tag has been made again");
        at_once(100, |_| {
            let address = server.address();
            async move {
                let mut connection = crate::support::Connection::open(address, crate::support::Protocol::Http1).await;
                connection.get("/locked").await.ok();
            }
        })
        .await;
        assert_eq!(server.dir().marked("counter").as_deref(), Some("100"));
    });
}

/// Fifty at once with one key: how many were carried out, refused for now and replayed.
async fn crowd(server: &Server) -> (usize, usize, usize) {
    let address = server.address();
    let (results, mut seen) = tokio::sync::mpsc::channel(64);
    at_once(50, |_| {
        let results = results.clone();
        async move {
            let mut connection = crate::support::Connection::open(address, crate::support::Protocol::Http1).await;
            let answer = connection.send("POST", "/pay?usleep=50000", &[("idempotency-key", "one")], "seven").await;
            drop(results.send((answer.status(), answer.header("idempotent-replayed").is_some(), answer.text())).await);
        }
    })
    .await;
    drop(results);
    let mut counts = (0, 0, 0);
    while let Some(result) = seen.recv().await {
        match (result.0, result.1) {
            (201, false) => counts.0 += 1,
            (409, false) => counts.1 += 1,
            (201, true) => {
                assert_eq!(result.2, "receipt for seven");
                counts.2 += 1;
            }
            _ => panic!("{result:?}"),
        }
    }
    counts
}

#[test]
fn fifty_at_once_with_one_key_have_one_effect() {
    suite(crowded(application(Mode::Worker)), async |server| {
        server.get("/hit").await.ok();
        let (carried_out, in_flight, replayed) = crowd(server).await;
        assert_eq!((carried_out, in_flight + replayed, notes(server)), (1, 49, 1));
        assert!(in_flight > 0, "some came while it was carried out");
        assert_eq!(crowd(server).await, (0, 0, 50), "from now on it is replayed");
        assert_eq!(notes(server), 1);
    });
}

#[test]
fn a_key_is_for_one_request_of_one_principal() {
    suite(application(Mode::Worker).workers(1), async |server| {
        let first = post(server, "/pay", "k", "seven").await;
        first.expect(201);
        assert_eq!(first.header("idempotent-replayed"), None);
        let again = post(server, "/pay", "k", "seven").await;
        assert_eq!((again.status(), again.text()), (201, "receipt for seven".to_owned()));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!((again.header("x-receipt"), again.header("set-cookie")), (Some("17"), None));
        let other = post(server, "/pay", "k", "eight").await;
        assert_eq!(other.expect(422).json()["error"]["code"], "idempotency_key_reused");
        post(server, "/pay?other=1", "k", "seven").await.expect(422);
        let headers = [("idempotency-key", "k"), ("authorization", "Bearer somebody-else")];
        let stranger = server.send("POST", "/pay", &headers, "seven").await;
        assert_eq!((stranger.status(), stranger.header("idempotent-replayed")), (201, None), "whose key it is counts");
        assert_eq!(notes(server), 2);

        server.send("POST", "/pay", &[], "seven").await.expect(201);
        assert_eq!(notes(server), 3, "without a key as often as it is asked for");
        let missing = server.send("POST", "/must", &[("x-customer", "1")], "").await;
        assert_eq!(missing.expect(400).json()["error"]["code"], "idempotency_key_missing");
        for wrong in ["with a blank", &"x".repeat(256), "ä"] {
            let answer = post(server, "/pay", wrong, "").await;
            assert_eq!(answer.expect(400).json()["error"]["code"], "idempotency_key_invalid", "{wrong}");
        }
        for (customer, expected) in [("1", 4), ("1", 4), ("2", 5)] {
            server.send("POST", "/must", &[("idempotency-key", "k"), ("x-customer", customer)], "").await.ok();
            assert_eq!(notes(server), expected, "customer {customer}");
        }
        for _ in 0..2 {
            post(server, "/byroute", "k", "").await.ok();
        }
        assert_eq!(notes(server), 6, "by the route's default");
        server.send("GET", "/pay", &[("idempotency-key", "k")], "").await.expect(201);
        assert_eq!(notes(server), 7, "a safe method is nothing to be guarded");
    });
}

#[test]
fn what_failed_may_be_tried_again_and_what_was_done_may_not() {
    suite(application(Mode::Worker).workers(2), async |server| {
        for round in 1..=2 {
            post(server, "/broken", "k", "").await.expect(500);
            assert_eq!(notes(server), round, "an error of the server is not kept");
        }
        for round in 3..=4 {
            post(server, "/dies", "k", "").await.expect(500);
            assert_eq!(notes(server), round, "who dies makes way");
        }
        post(server, "/refused", "k", "").await.expect(409);
        let refused = post(server, "/refused", "k", "").await;
        assert_eq!((refused.status(), refused.header("idempotent-replayed")), (409, Some("true")));
        assert_eq!(post(server, "/streamed", "k", "").await.ok().text(), "streamed");
        let streamed = post(server, "/streamed", "k", "").await;
        assert_eq!(streamed.expect(409).json()["error"]["code"], "idempotency_answer_not_kept");
        assert_eq!(notes(server), 6);
    });
}

#[test]
fn classic_mode_has_the_same_keys() {
    suite(application(Mode::Classic).workers(2), async |server| {
        for _ in 0..2 {
            post(server, "/pay", "k", "seven").await.expect(201);
            post(server, "/dies", "k", "").await;
        }
        assert_eq!(notes(server), 3, "paid once, died twice");
    });
}
