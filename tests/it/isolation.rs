//! No request ever sees anything of another one: side by side, or one after the other on the same worker.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::client::Jar;
use crate::support::{Launch, Mode, Protocol, Server, modes, run};

const PARALLEL: usize = 200;
const ROUNDS: usize = 5;

/// 200 requests at once, five times: each sends a nonce of its own by GET, POST, cookie and header, the script sleeps, and
/// each must get exactly its own back.
async fn nonces_stay_apart(server: &Server, path: &str, pick: fn(&Value) -> [Value; 4]) {
    for round in 0..ROUNDS {
        let mut tasks = JoinSet::new();
        for number in 0..PARALLEL {
            let address = server.address();
            let nonce = format!("r{round}n{number}");
            let path = format!("{path}{}nonce=get-{nonce}", if path.contains('?') { '&' } else { '?' });
            tasks.spawn(async move {
                // Every fourth request over HTTP/2, so that both protocols meet in the same workers.
                let protocol = if number % 4 == 0 { Protocol::H2c } else { Protocol::Http1 };
                let mut connection = crate::support::Connection::open(address, protocol).await;
                let (cookie, header) = (format!("nonce=cookie-{nonce}"), format!("header-{nonce}"));
                let headers = [
                    ("content-type", "application/x-www-form-urlencoded"),
                    ("cookie", cookie.as_str()),
                    ("x-nonce", header.as_str()),
                ];
                let answer = connection.send("POST", &path, &headers, format!("nonce=post-{nonce}")).await;
                let seen = answer.ok().json();
                let expected = ["get", "post", "cookie", "header"].map(|channel| json!(format!("{channel}-{nonce}")));
                assert_eq!(pick(&seen), expected, "round {round}: {seen}");
                answer.header("x-request-id").expect("X-Request-Id").to_owned()
            });
        }
        let mut ids = Vec::with_capacity(PARALLEL);
        while let Some(result) = tasks.join_next().await {
            ids.push(result.unwrap_or_else(|error| panic!("round {round}: {error}")));
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), PARALLEL, "request ids are unique");
    }
}

fn of_the_fixture(seen: &Value) -> [Value; 4] {
    ["get", "post", "cookie", "header"].map(|channel| seen[channel].clone())
}

modes!(two_hundred_parallel_nonces, |launch| launch.workers(8), async |server| {
    nonces_stay_apart(server, "/echo?us=3000", of_the_fixture).await;
});

#[test]
fn two_hundred_parallel_nonces_with_a_frankenphp_script() {
    let launch = Launch::plain(Mode::Worker).script("public/frankenphp.php").workers(8);
    run(launch, async |server| nonces_stay_apart(server, "/echo?us=3000", of_the_fixture).await);
}

/// The check above can fail: with one channel swapped it does.
#[test]
#[should_panic(expected = "round 0")]
fn negative_control_a_swapped_nonce_is_seen() {
    run(Launch::plain(Mode::Classic).workers(2), async |server| {
        nonces_stay_apart(server, "/echo?us=0", |seen| {
            ["post", "get", "cookie", "header"].map(|channel| seen[channel].clone())
        })
        .await;
    });
}

modes!(what_a_request_leaves_behind_is_gone_for_the_next, |launch| launch.workers(1), async |server| {
    let fresh = server.json("/state").await;
    let headers = [("cookie", "c=1"), ("content-type", "application/x-www-form-urlencoded"), ("x-nonce", "gone")];
    let litter = server.send("POST", "/litter?q=1", &headers, "p=1").await;
    litter.expect(418);
    assert_eq!(litter.text(), "litter buffered twice", "open output buffers are flushed at the end of a request");

    let answer = server.get("/state").await;
    let state = answer.ok().json();
    assert_eq!(answer.header("x-litter"), None);
    assert!(answer.cookies().is_empty(), "{answer}");
    for key in [
        "get",
        "post",
        "cookie",
        "files",
        "request",
        "session",
        "session_id",
        "session_status",
        "status",
        "response_headers",
        "ob_level",
        "error_get_last",
        "raw_body",
    ] {
        assert_eq!(state[key], fresh[key], "{key}");
    }
    assert_eq!(state["session"], Value::Null);
    assert_eq!(state["session_id"], "");
    let keys =
        |state: &Value| -> Vec<String> { state["server"].as_object().expect("$_SERVER").keys().cloned().collect() };
    assert_eq!(keys(&state), keys(&fresh), "the names in $_SERVER");
});

modes!(a_session_is_seen_by_its_own_browser_only, |launch| launch.workers(1), async |server| {
    for way in ["/session-own?owner=alice", "/session-own?owner=alice&exit=1"] {
        let mut alice = Jar::default();
        let answer = server.get(way).await;
        alice.take(answer.ok());
        assert!(!alice.header().is_empty(), "{way}: {answer}");

        // Same worker, no cookie: nothing is there before session_start(), and nothing of Alice's after it.
        let stranger = server.get("/session").await;
        let seen = stranger.ok().json();
        assert_eq!(seen["before"], Value::Null, "{way}");
        assert_eq!(seen["id_before"], "", "{way}");
        assert_eq!(seen["owner"], Value::Null, "{way}");
        assert_eq!(seen["count"], 1, "{way}");
        assert!(!stranger.cookies().contains(&alice.header()), "{way}");

        let again = server.send("GET", "/session", &[("cookie", &alice.header())], "").await;
        assert_eq!(again.ok().json()["owner"], "alice", "{way}: her data was stored");
    }
});

modes!(
    server_variables_of_the_boot_do_not_leak_into_requests,
    |launch| launch.env("FROM_OUTSIDE", "seen"),
    async |server| {
        let state = server.json("/state").await;
        assert_eq!(
            state["server"]["FROM_OUTSIDE"], "seen",
            "the process environment is visible, as under PHP-FPM with clear_env=no"
        );
        for name in ["argv", "argc", "FRANKENPHP_WORKER"] {
            assert_eq!(state["server"].get(name), None, "{name}");
        }
    }
);

async fn putenv_is_seen_by_its_own_request_only(server: &Server) {
    for name in ["ORIGINAL", "INVENTED"] {
        let before = server.json(&format!("/env?name={name}")).await;
        let changed = server.json(&format!("/env?name={name}&value=changed")).await;
        assert_eq!(changed["getenv"], "changed", "{name}");
        let after = server.json(&format!("/env?name={name}")).await;
        assert_eq!(after, before, "{name}");
    }
}

#[test]
fn putenv_is_seen_by_its_own_request_only_in_classic_mode() {
    let launch = Launch::plain(Mode::Classic).env("ORIGINAL", "outside").workers(1);
    run(launch, async |server| putenv_is_seen_by_its_own_request_only(server).await);
}

#[test]
fn putenv_is_seen_by_its_own_request_only_in_worker_mode() {
    let launch = Launch::plain(Mode::Worker).env("ORIGINAL", "outside").workers(1);
    run(launch, async |server| putenv_is_seen_by_its_own_request_only(server).await);
}
