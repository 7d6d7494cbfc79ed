//! No session is seen by another client, however the request before it ended; no lock outlives its request.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::client::Jar;
use crate::support::{Connection, Launch, Mode, Protocol, Server, modes, run};

/// How a request with an open session may end: the way, the status and what `last` of the session is afterwards.
struct Ending {
    way: &'static str,
    status: u16,
    stored: bool,
}

const fn ending(way: &'static str, status: u16, stored: bool) -> Ending {
    Ending { way, status, stored }
}

/// An open session is written at the end of its request, also by a script that died: so does PHP.
const ENDINGS: &[Ending] = &[
    ending("left-open", 200, true),
    ending("closed", 200, true),
    ending("abort", 200, false),
    ending("exit", 200, true),
    ending("finish", 200, true),
    ending("exception", 500, true),
    ending("fatal", 500, true),
    ending("memory", 500, true),
    ending("timeout", 500, true),
];

/// Faults inside a save handler of the application: what it had to write is lost.
const IN_WRITE: &[Ending] = &[
    ending("fatal-in-write", 500, false),
    ending("exception-in-write", 500, false),
    ending("timeout-in-write", 500, false),
];

/// Clients without a cookie that ask at the same time.
const STRANGERS: usize = 6;

fn faulty(launch: Launch) -> Launch {
    launch
        .expect_error("with an open session")
        .expect_error("class Impossible cannot")
        .expect_error("Class App\\Impossible cannot")
        .expect_error("Impossible")
        .expect_error("Allowed memory size")
        .expect_error("Maximum execution time")
        .expect_error("Failed to write session data")
}

/// Nothing of anybody's is there for clients that bring no cookie, and each gets an id of its own.
async fn strangers_see_nothing(server: &Server, handler: &str, known: &mut HashSet<String>, after: &str) {
    let mut tasks = JoinSet::new();
    for _ in 0..STRANGERS {
        let address = server.address();
        let path = format!("/session-see?handler={handler}");
        tasks.spawn(async move {
            let answer = Connection::open(address, Protocol::Http1).await.get(&path).await;
            let seen = answer.ok().json();
            (seen, answer.cookies())
        });
    }
    while let Some(result) = tasks.join_next().await {
        let (seen, cookies) = result.expect("a stranger's request");
        assert_eq!(seen["before"], json!({"session": null, "id": "", "status": 1}), "after {after}: before its start");
        assert_eq!(seen["data"], json!([]), "after {after}: data of somebody else");
        let id = seen["id"].as_str().expect("an id").to_owned();
        assert_eq!(cookies, [format!("PHPSESSID={id}")], "after {after}");
        assert!(known.insert(id), "after {after}: an id given twice");
    }
}

/// Alice's session goes through every ending; after each, strangers see nothing, and she has her own data.
async fn through_every_ending(server: &Server, handler: &str, endings: &[Ending]) {
    let mut known = HashSet::new();
    for Ending { way, status, stored } in endings {
        let mut alice = Jar::default();
        alice.take(server.get(&format!("/session-hit?handler={handler}&owner=alice-{way}")).await.ok());
        let cookie = alice.header();
        known.insert(cookie.trim_start_matches("PHPSESSID=").to_owned());
        let hit = format!("/session-hit?handler={handler}&end={way}");
        let answer = server.send("GET", &hit, &[("cookie", &cookie)], "").await;
        assert_eq!(answer.status(), *status, "{handler} {way}: {answer}");
        strangers_see_nothing(server, handler, &mut known, &format!("{handler} {way}")).await;
        // The lock is free, or this would wait for ever.
        let see = format!("/session-see?handler={handler}");
        let seen = server.send("GET", &see, &[("cookie", &cookie)], "").await.ok().json();
        assert_eq!(format!("PHPSESSID={}", seen["id"].as_str().expect("an id")), cookie, "{handler} {way}");
        assert_eq!(seen["data"]["owner"], format!("alice-{way}"), "{handler} {way}");
        let last = if *stored { json!(way) } else { Value::Null };
        assert_eq!(seen["data"]["last"], last, "{handler} {way}: what was stored");
        assert_eq!(seen["data"]["late"], if *way == "finish" { json!(true) } else { Value::Null }, "{handler} {way}");
    }
}

modes!(files_handler_with_one_worker, |launch| faulty(launch).workers(1), async |server| {
    through_every_ending(server, "files", ENDINGS).await;
});

modes!(files_handler_with_two_workers, |launch| faulty(launch).workers(2), async |server| {
    through_every_ending(server, "files", ENDINGS).await;
});

modes!(object_as_handler_with_one_worker, |launch| faulty(launch).workers(1), async |server| {
    through_every_ending(server, "object", ENDINGS).await;
    through_every_ending(server, "object", IN_WRITE).await;
});

modes!(object_as_handler_with_two_workers, |launch| faulty(launch).workers(2), async |server| {
    through_every_ending(server, "object", ENDINGS).await;
    through_every_ending(server, "object", IN_WRITE).await;
});

modes!(functions_as_handler, |launch| faulty(launch).workers(1), async |server| {
    through_every_ending(server, "functions", ENDINGS).await;
    through_every_ending(server, "functions", IN_WRITE).await;
});

#[test]
fn a_handler_that_was_set_before_the_loop_stays() {
    for workers in [1, 2] {
        let launch = faulty(Launch::plain(Mode::Worker)).script("public/boots-sessions.php").workers(workers);
        run(launch, async |server| {
            through_every_ending(server, "", ENDINGS).await;
            through_every_ending(server, "", IN_WRITE).await;
            assert_eq!(server.json("/session-see").await["module"], "user");
        });
    }
}

/// A worker keeps the handler that a request has set, because Symfony sets it once; a classic script sets it each time.
#[test]
fn a_handler_that_a_request_set_serves_the_next() {
    run(Launch::plain(Mode::Worker).workers(1), async |server| {
        assert_eq!(server.json("/session-see").await["module"], "files");
        assert_eq!(server.json("/session-see?handler=object").await["module"], "user");
        let mut jar = Jar::default();
        jar.take(server.get("/session-hit?owner=alice").await.ok());
        let seen = server.send("GET", "/session-see", &[("cookie", &jar.header())], "").await.ok().json();
        assert_eq!((&seen["module"], &seen["data"]["owner"]), (&json!("user"), &json!("alice")));
    });
    run(Launch::plain(Mode::Classic).workers(1), async |server| {
        server.get("/session-see?handler=object").await.ok();
        assert_eq!(server.json("/session-see").await["module"], "files");
    });
}

modes!(
    two_requests_of_a_session_follow_each_other_also_after_a_fault,
    |launch| faulty(launch).workers(2),
    async |server| {
        for handler in ["files", "object"] {
            let mut jar = Jar::default();
            jar.take(server.get(&format!("/session-hit?handler={handler}&owner=alice")).await.ok());
            for way in ["timeout", "fatal", "memory"] {
                let hit = |way: &str| {
                    let (address, cookie, path) =
                        (server.address(), jar.header(), format!("/session-hit?handler={handler}&end={way}"));
                    tokio::spawn(async move {
                        let mut connection = Connection::open(address, Protocol::Http1).await;
                        connection.send("GET", &path, &[("cookie", &cookie)], "").await
                    })
                };
                // All three want the lock at once; the one that dies with it gives it up.
                let (dies, second, third) = (hit(way), hit("closed"), hit("closed"));
                dies.await.expect("an answer").expect(500);
                second.await.expect("an answer").ok();
                third.await.expect("an answer").ok();
            }
        }
    }
);

modes!(
    strict_mode_takes_no_id_from_a_client,
    |launch| launch.workers(1).ini("session.use_strict_mode", "1"),
    async |server| {
        let chosen = [("cookie", "PHPSESSID=chosenbyanattacker")];
        for _ in 0..2 {
            let answer = server.send("GET", "/session-see", &chosen, "").await;
            let seen = answer.ok().json();
            assert_ne!(seen["id"], "chosenbyanattacker");
            assert_eq!(seen["data"], json!([]));
            assert_eq!(answer.cookies(), [format!("PHPSESSID={}", seen["id"].as_str().expect("an id"))]);
        }
    }
);

modes!(a_new_id_takes_the_data_along, |launch| launch.workers(1), async |server| {
    let mut jar = Jar::default();
    jar.take(server.get("/session-hit?owner=alice").await.ok());
    let old = jar.header();
    jar.take(server.send("GET", "/session-regenerate", &[("cookie", &old)], "").await.ok());
    assert_ne!(jar.header(), old);
    let seen = server.send("GET", "/session-see", &[("cookie", &jar.header())], "").await.ok().json();
    assert_eq!(seen["data"]["owner"], "alice");
    let gone = server.send("GET", "/session-see", &[("cookie", &old)], "").await.ok().json();
    assert_eq!(gone["data"], json!([]), "the old id leads nowhere");
});

modes!(sessions_that_php_starts_itself, |launch| launch.workers(1).ini("session.auto_start", "1"), async |server| {
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let mut jar = Jar::default();
        let first = server.get("/session-auto").await;
        jar.take(first.ok());
        assert_eq!(first.json()["count"], 1);
        assert!(ids.insert(first.json()["id"].as_str().expect("an id").to_owned()));
        for count in 2..4 {
            let answer = server.send("GET", "/session-auto", &[("cookie", &jar.header())], "").await;
            assert_eq!(answer.ok().json()["count"], count);
        }
    }
    let files = std::fs::read_dir(server.dir().tmp()).expect("the temporary folder").flatten();
    let stored = files.filter(|entry| entry.file_name().to_string_lossy().starts_with("sess_")).count();
    assert_eq!(stored, ids.len(), "a session for each client, none for the boot");
});
