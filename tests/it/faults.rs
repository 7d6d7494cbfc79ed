//! Each way a request can go wrong: the right status, nobody else disturbed, the same process, and the worker replaced
//! exactly when it must be.

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::client::{End, Jar};
use crate::support::{Connection, Launch, Mode, Protocol, Server, modes, run};

/// What becomes of the incarnation that had the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It serves on.
    Stays,
    /// It is never continued; its slot gets a new one.
    Replaced,
}

/// One way to fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) path: &'static str,
    pub(crate) status: u16,
    /// The same in classic mode, where `exit` is an ordinary end, as it is under PHP-FPM.
    pub(crate) classic: u16,
    /// What the body must hold; `None`: the server's own error page or PHP's message, the status is what counts.
    pub(crate) body: Option<&'static str>,
    pub(crate) fate: Fate,
    /// Needs more memory than a tiny limit gives, so that it ends differently there.
    pub(crate) roomy: bool,
}

const fn case(path: &'static str, status: u16, body: Option<&'static str>, fate: Fate) -> Case {
    Case { path, status, classic: status, body, fate, roomy: false }
}

/// `exit` without a word: in a worker nobody can tell it from a crash.
const fn silent_exit(path: &'static str) -> Case {
    Case { path, status: 500, classic: 200, body: None, fate: Replaced, roomy: false }
}

const fn roomy(path: &'static str, status: u16, body: Option<&'static str>, fate: Fate) -> Case {
    Case { path, status, classic: status, body, fate, roomy: true }
}

use Fate::{Replaced, Stays};

/// Contract section 4, applied to every fault that the fixture application can have.
pub(crate) const CASES: [Case; 37] = [
    // exit: an answer if the script gave one before, else a failure. Never continued.
    silent_exit("/exit"),
    silent_exit("/exit-code"),
    case("/die-with-output", 200, Some("said goodbye"), Replaced),
    case("/exit-after-redirect", 302, Some(""), Replaced),
    case("/exit-after-status", 204, Some(""), Replaced),
    case("/exit-after-header", 200, Some(""), Replaced),
    case("/exit-in-finally", 200, Some("tried"), Replaced),
    case("/destructor-exits", 200, Some("output before the destructor"), Replaced),
    case("/shutdown-exits", 200, Some("said before"), Replaced),
    silent_exit("/fiber-exit"),
    // A throwable that nobody catches: 500, and the worker lives on.
    case("/throw", 500, None, Stays),
    case("/throw-after-output", 500, None, Stays),
    case("/throw-with-status", 500, None, Stays),
    case("/throwing-destructor", 500, None, Stays),
    case("/shutdown-throws", 500, None, Stays),
    case("/fiber-throw", 500, None, Stays),
    roomy("/native-recursion", 500, None, Stays),
    // Fatal errors: 500, never continued.
    case("/fatal", 500, None, Replaced),
    case("/fatal-after-output", 500, None, Replaced),
    case("/redeclare", 500, None, Replaced),
    case("/memory", 500, None, Replaced),
    case("/memory-small-pieces", 500, None, Replaced),
    case("/memory-one-piece", 500, None, Replaced),
    case("/recursion", 500, None, Replaced),
    case("/time-limit", 500, None, Replaced),
    case("/fatal-in-output-buffer", 500, None, Replaced),
    case("/fatal-in-fiber", 500, None, Replaced),
    case("/fatal-in-destructor", 500, None, Replaced),
    case("/fatal-in-shutdown", 500, None, Replaced),
    case("/fatal-with-open-things", 500, None, Replaced),
    case("/fatal-in-session", 500, None, Replaced),
    case("/fatal-then-warning", 500, None, Replaced),
    case("/throw-then-warning", 500, None, Stays),
    // No fault at all.
    case("/handled-warnings", 200, Some("caught"), Stays),
    case("/handled-warnings-exit", 200, Some("caught"), Replaced),
    // Nor this, given a stack of the size that PHP is told.
    roomy("/destructor-recursion", 200, Some("freed"), Stays),
    case("/", 200, Some("hello"), Stays),
];

/// What these cases make PHP and the server log as errors.
pub(crate) fn announced(launch: Launch) -> Launch {
    [
        "nobody catches this",
        "from a destructor",
        "from a shutdown function",
        "from a fiber",
        "from the terminate step",
        "Unfinished",
        "Cannot redeclare",
        "Allowed memory size",
        "Maximum call stack size",
        "Maximum execution time",
        // What the engine adds when the script died inside an output handler.
        "Cannot use output buffering in output buffering display handlers",
    ]
    .into_iter()
    .fold(launch, Launch::expect_error)
}

impl Case {
    pub(crate) fn status_in(self, mode: Mode) -> u16 {
        match mode {
            Mode::Worker => self.status,
            Mode::Classic => self.classic,
        }
    }

    /// Sends the request and says what is wrong with the answer.
    async fn faults(self, server: &Server, mode: Mode) -> Vec<String> {
        let answer = server.get(self.path).await;
        let mut faults = Vec::new();
        if (answer.status(), answer.end()) != (self.status_in(mode), End::Whole) {
            faults.push(format!("should be {}, whole: {answer}", self.status_in(mode)));
        } else if self.body.is_some_and(|body| body != answer.text()) {
            faults.push(format!("should have the body {:?}: {answer}", self.body));
        }
        for (path, name, value) in [
            ("/exit-after-redirect", "location", "/elsewhere"),
            ("/exit-after-header", "access-control-allow-origin", "*"),
        ] {
            if self.path == path && answer.header(name) != Some(value) {
                faults.push(format!("should have the header {name}: {answer}"));
            }
        }
        faults.into_iter().map(|fault| format!("{mode:?} {}: {fault}", self.path)).collect()
    }
}

/// Slot and incarnation of the worker that answers.
async fn who(server: &Server) -> (u64, u64, u64) {
    let seen = server.json("/worker").await;
    let number = |key: &str| seen[key].as_u64().unwrap_or_else(|| panic!("no {key} in {seen}"));
    (number("slot"), number("incarnation"), number("requests"))
}

/// Runs the cases on a server with one worker; fails with all that went wrong.
pub(crate) async fn every_case(server: &Server, mode: Mode, cases: impl Iterator<Item = Case>) {
    let pid = server.get("/pid").await.ok().text();
    let mut faults = Vec::new();
    for case in cases {
        if mode == Mode::Classic {
            faults.extend(case.faults(server, mode).await);
            assert_eq!(server.get("/").await.ok().text(), "hello", "after {}", case.path);
            continue;
        }
        let before = who(server).await;
        faults.extend(case.faults(server, mode).await);
        let after = who(server).await;
        let expected = match case.fate {
            Stays => (before.0, before.1, before.2 + 2),
            Replaced => (before.0, before.1 + 1, 1),
        };
        if after != expected {
            let was = format!("slot, incarnation and requests were {before:?}, are {after:?}");
            faults.push(format!("{mode:?} {}: the worker {:?}: {was}", case.path, case.fate));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(server.get("/pid").await.ok().text(), pid, "the process is the same");
    assert_eq!(server.dir().marked("finally-ran"), None, "exit does not run finally blocks");
}

async fn mode_of(server: &Server) -> Mode {
    if server.json("/worker").await["mode"] == "worker" { Mode::Worker } else { Mode::Classic }
}

modes!(every_fault_has_its_status_and_its_consequence, |launch| announced(launch).workers(1), async |server| {
    let mode = mode_of(server).await;
    every_case(server, mode, CASES.into_iter()).await;
});

// What the engine remembers of a fault must not decide how the next request on the same thread ends.
modes!(a_fault_leaves_no_mark_on_the_next_request, |launch| announced(launch).workers(1), async |server| {
    let mode = mode_of(server).await;
    let of = |path: &str| CASES.into_iter().find(|case| case.path == path).unwrap_or_else(|| panic!("no case {path}"));
    let mut faults = Vec::new();
    for fault in ["/throw", "/throw-after-output", "/fatal", "/memory", "/redeclare", "/exit", "/fatal-in-shutdown"] {
        for path in
            ["/exit", "/die-with-output", "/exit-after-redirect", "/exit-after-status", "/shutdown-function", "/"]
        {
            server.get(fault).await;
            if path == "/shutdown-function" {
                let answer = server.get(path).await;
                assert_eq!(answer.ok().text(), "from the handler and from the shutdown function", "after {fault}");
            } else {
                let found = of(path).faults(server, mode).await;
                faults.extend(found.into_iter().map(|found| format!("after {fault}: {found}")));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
});

modes!(requests_in_flight_do_not_notice_a_fault, |launch| announced(launch).workers(4), async |server| {
    let pid = server.get("/pid").await.ok().text();
    let mode = mode_of(server).await;
    // What status a fault has is the business of the test above; here it has to be the same both times.
    for case in CASES.iter().filter(|case| case.path != "/time-limit") {
        let id = case.path[1..].replace('-', "_");
        let mut neighbours = JoinSet::new();
        for number in 0..3 {
            let address = server.address();
            let name = format!("{id}-{number}");
            neighbours.spawn(async move {
                let mut connection = Connection::open(address, Protocol::Http1).await;
                (connection.get(&format!("/hold?id={name}")).await, name)
            });
        }
        for number in 0..3 {
            server.dir().wait_for_mark(&format!("holding-{id}-{number}")).await;
        }
        // The fourth worker has the fault, twice: also the replacement serves beside its neighbours.
        let first = server.get(case.path).await.status();
        assert_eq!(server.get(case.path).await.status(), first, "{mode:?} {} again", case.path);
        for number in 0..3 {
            server.dir().mark(&format!("release-{id}-{number}"));
        }
        while let Some(result) = neighbours.join_next().await {
            let (answer, name) = result.expect("a neighbour");
            assert_eq!(answer.ok().text(), format!("held {name}"), "during {}", case.path);
        }
    }
    assert_eq!(server.get("/pid").await.ok().text(), pid, "the process is the same");
});

modes!(faults_under_parallel_load, |launch| announced(launch).workers(4), async |server| {
    let mut tasks = JoinSet::new();
    for number in 0..160_usize {
        let address = server.address();
        let case = CASES[number % CASES.len()];
        tasks.spawn(async move {
            let mut connection = Connection::open(address, Protocol::Http1).await;
            // Every other request is a good one, and is answered as if nothing had happened.
            if number % 2 == 0 && case.path != "/time-limit" {
                connection.get(case.path).await;
            } else {
                let answer = connection.get(&format!("/echo?nonce={number}")).await;
                assert_eq!(answer.ok().json()["get"], number.to_string());
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("a request");
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

/// The terminate step of a worker: the client has its answer already.
#[test]
fn a_fault_after_the_response_replaces_the_worker_only() {
    run(announced(Launch::plain(Mode::Worker).workers(1)), async |server| {
        for path in ["/terminate-throws", "/terminate-exits", "/terminate-fatal"] {
            let before = who(server).await;
            let answer = server.get(path).await;
            assert_eq!(answer.ok().text(), "answered", "{path}");
            let after = who(server).await;
            assert_eq!((after.0, after.1), (before.0, before.1 + 1), "{path}");
        }
    });
}

modes!(a_session_lock_is_released_by_a_fault, |launch| announced(launch).workers(2), async |server| {
    let mut jar = Jar::default();
    jar.take(server.get("/session").await.ok());
    let cookie = jar.header();
    let headers = [("cookie", cookie.as_str())];
    server.send("GET", "/fatal-with-open-things", &headers, "").await.expect(500);
    // The files handler holds a lock on the session: without its release this hangs.
    let answer = tokio::time::timeout(Duration::from_secs(10), server.send("GET", "/session", &headers, "")).await;
    let answer = answer.expect("the session is still locked");
    assert!(answer.ok().json()["count"].as_u64().is_some_and(|count| count >= 2), "{answer}");
});

modes!(error_pages_tell_no_internals, |launch| announced(launch).ini("display_errors", "0"), async |server| {
    for path in ["/throw", "/fatal", "/memory", "/recursion"] {
        let page = server.send("GET", path, &[("accept", "text/html")], "").await;
        page.expect(500);
        let text = page.text();
        for secret in
            ["routes", ".php", "LogicException", "nobody catches", "Unfinished", "supercharger-test", "Stack trace"]
        {
            assert!(!text.contains(secret), "{path} tells {secret:?}: {text}");
        }
        assert!(!text.is_empty(), "{path}: an error page says something");

        let answer = server.send("GET", path, &[("accept", "application/json")], "").await;
        answer.expect(500);
        let error = &answer.json()["error"];
        assert!(error["code"].is_string() && error["message"].is_string(), "{path}: {answer}");
        assert_eq!(error["request_id"].as_str(), answer.header("x-request-id"), "{path}: {answer}");
    }
});

modes!(phps_own_message_is_logged_with_the_request, announced, async |server| {
    let answer = server.get("/throw").await;
    let id = answer.expect(500).header("x-request-id").expect("X-Request-Id").to_owned();
    let line = server.wait_for_log("nobody catches this").await;
    let record: Value = serde_json::from_str(&line).expect("a JSON record");
    assert_eq!(record["level"].as_str().map(str::to_lowercase).as_deref(), Some("error"), "{line}");
    assert!(line.contains(&id), "the request id belongs to the message: {line}");
});
