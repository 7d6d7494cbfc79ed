//! Everything at once: workers and processes are replaced, killed and reset under load, and not one row that a client was promised is missing
//! or there twice.
//!
//! Each request carries an id of its own and writes it into a database. A client never sends anything twice. What was answered with 200 must
//! be there exactly once; what was not answered may be there, once.
//!
//! `CHAOS_SECONDS` says for how long; `make chaos` takes ten minutes.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::load::{Client, Outcome};
use crate::support::raw::Raw;
use crate::support::run::run_within;
use crate::support::{Launch, Mode, Server, program};

/// Clients that write.
const WRITERS: usize = 12;

/// Pause between two acts, at most; on average half of it.
const PAUSE: Duration = Duration::from_millis(1600);

/// What happens to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// A child is killed.
    Kill,
    /// The parent gets SIGHUP.
    Reload,
    /// A script calls `opcache_reset()`.
    Reset,
    /// A script asks for its worker to be replaced.
    Recycle,
    /// Clients begin what they do not finish for a while: a large response, a body.
    Linger,
}

const ACTS: [Act; 5] = [Act::Kill, Act::Reload, Act::Reset, Act::Recycle, Act::Linger];

/// Numbers without an order.
fn random(below: usize) -> usize {
    let number = RandomState::new().hash_one(Instant::now());
    usize::try_from(number % below as u64).expect("less than a usize")
}

/// What one client knows.
#[derive(Debug, Default)]
struct Account {
    /// Ids that were answered with 200 and themselves.
    acknowledged: Vec<String>,
    /// Ids without an answer, or with another one, and what it was.
    open: HashMap<String, String>,
    /// Longest time from one acknowledgement to the next.
    longest_gap: Duration,
}

async fn write(server: std::net::SocketAddr, writer: usize, over: Arc<AtomicBool>) -> Account {
    let mut account = Account::default();
    let mut client = Client::new(server);
    let mut last = Instant::now();
    for number in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{writer}-{number}");
        match client.send("POST", "/ledger", id.clone()).await {
            Outcome::Answered(answer) if answer.status() == 200 && answer.is_whole() => {
                assert_eq!(answer.text(), id, "an answer that belongs to somebody else");
                account.acknowledged.push(id);
                account.longest_gap = account.longest_gap.max(last.elapsed());
                last = Instant::now();
            }
            Outcome::Answered(answer) => {
                let what = if answer.is_whole() { answer.status().to_string() } else { "broken off".to_owned() };
                account.open.insert(id, what);
            }
            Outcome::Broken => {
                account.open.insert(id, "no answer".to_owned());
            }
            Outcome::Refused(error) => {
                account.open.insert(id, format!("refused: {}", error.kind()));
            }
        }
    }
    account
}

/// Does one thing to the server.
async fn perform(act: Act, server: &Server, lingering: &mut Vec<Raw>) {
    // These may meet a process that is just being killed: then nothing comes of them, and that is all right.
    let ask = async |path: &str| drop(Client::new(server.address()).send("GET", path, "").await);
    match act {
        Act::Kill => {
            let children = server.children();
            if let Some(child) = children.get(random(children.len().max(1))) {
                program::signal(*child, "KILL");
            }
        }
        Act::Reload => server.signal("HUP"),
        Act::Reset => ask("/opcache-reset").await,
        Act::Recycle => ask("/ledger-recycle").await,
        Act::Linger => {
            lingering.clear();
            for _ in 0..4 {
                let mut reader = Raw::open_narrow(server.address()).await;
                reader.get("/bulk?blocks=64").await;
                lingering.push(reader);
                let mut sender = server.raw().await;
                sender.write("POST /ledger HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nlinger").await;
                lingering.push(sender);
            }
        }
    }
}

/// Acts in a random order and at random times; each of them comes up.
async fn act_up(server: &Server, time: Duration) -> BTreeMap<Act, usize> {
    let begun = Instant::now();
    let mut done = BTreeMap::new();
    let mut lingering = Vec::new();
    let mut next = Vec::new();
    while begun.elapsed() < time {
        if next.is_empty() {
            next = ACTS.to_vec();
        }
        let act = next.swap_remove(random(next.len()));
        perform(act, server, &mut lingering).await;
        *done.entry(act).or_default() += 1;
        let pause = u64::try_from(random(PAUSE.as_millis() as usize)).expect("a second or two");
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    done
}

/// How often each id stands in the database.
async fn rows(server: &Server) -> HashMap<String, u64> {
    let mut rows = HashMap::new();
    for id in server.get("/ledger-rows").await.ok().text().lines() {
        *rows.entry(id.to_owned()).or_default() += 1;
    }
    rows
}

/// What is wrong between what was promised and what is there.
fn faults(accounts: &[Account], rows: &HashMap<String, u64>) -> Vec<String> {
    let count = |id: &String| rows.get(id).copied().unwrap_or(0);
    let acknowledged = accounts.iter().flat_map(|account| &account.acknowledged);
    let open = accounts.iter().flat_map(|account| account.open.keys());
    let lost = acknowledged.clone().filter(|id| count(id) == 0).map(|id| format!("{id} was acknowledged and is lost"));
    let doubled =
        rows.iter().filter(|(_, count)| **count > 1).map(|(id, count)| format!("{id} is there {count} times"));
    let known: usize = acknowledged.clone().chain(open).filter(|id| count(id) > 0).count();
    let strange = (known != rows.len()).then(|| format!("{} rows that nobody has sent", rows.len().abs_diff(known)));
    lost.chain(doubled).chain(strange).collect()
}

#[test]
fn no_acknowledged_write_is_lost_and_none_is_doubled() {
    let seconds = std::env::var("CHAOS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let time = Duration::from_secs(seconds);
    let launch = Launch::plain(Mode::Worker)
        .workers(4)
        // A database with its log and index, and the script: for each worker of each process.
        .keeps_descriptors(2 * 4 * 4)
        .config("server.processes", "2")
        .config("pools.default.recycle.max_requests", "200")
        .expect_error("child.crash")
        // A reload that meets a kill.
        .expect_error("server.reload")
        .expect_error("child.boot_failed");
    run_within(time + Duration::from_secs(90), launch, async |server| {
        let over = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(server.address(), writer, Arc::clone(&over)));
        }
        let done = act_up(server, time).await;
        // Whoever is still alone with a killed process gets an answer now.
        over.store(true, Ordering::Relaxed);
        let accounts = writers.join_all().await;

        let rows = rows(server).await;
        let faults = faults(&accounts, &rows);
        let acknowledged: usize = accounts.iter().map(|account| account.acknowledged.len()).sum();
        let mut open = BTreeMap::<&str, usize>::new();
        for what in accounts.iter().flat_map(|account| account.open.values()) {
            *open.entry(what).or_default() += 1;
        }
        let written =
            accounts.iter().flat_map(|account| account.open.keys()).filter(|id| rows.contains_key(*id)).count();
        let gap = accounts.iter().map(|account| account.longest_gap).max().unwrap_or_default();
        let log = server.log();
        let recycled = |reason: &str| log.matches(&format!("\"reason\":\"{reason}\"")).count();
        eprintln!("chaos: {seconds} s, {done:?}");
        eprintln!(
            "chaos: {acknowledged} writes acknowledged; not acknowledged {open:?}, of which {written} are there; {} rows",
            rows.len()
        );
        eprintln!(
            "chaos: {} lost, doubled or strange; the longest that a client waited for its next acknowledgement: {gap:?}",
            faults.len()
        );
        eprintln!(
            "chaos: workers replaced: {} max_requests, {} app_request, {} opcache; OPcache restarted {} times",
            recycled("max_requests"),
            recycled("app_request"),
            recycled("opcache"),
            log.matches("\"event\":\"opcache.restart\"").count(),
        );
        assert!(faults.is_empty(), "{faults:#?}");
        assert!(ACTS.iter().all(|act| done.contains_key(act)), "{done:?}");
        assert!(log.contains("child.crash") && log.contains("server.reload") && recycled("max_requests") > 0);
        assert!(acknowledged > 100, "{acknowledged}");
        assert!(!open.keys().any(|what| what.starts_with("refused")), "a connection was refused: {open:?}");
        // Only a kill may leave a request without an answer: one of each client, and what the pause after it leads to.
        let unanswered = open.get("no answer").copied().unwrap_or(0) + open.get("broken off").copied().unwrap_or(0);
        assert!(unanswered <= done[&Act::Kill] * WRITERS, "{unanswered} without an answer, {} kills", done[&Act::Kill]);
    });
}

/// The comparison notices each kind of fault.
#[test]
fn negative_control_a_lost_a_doubled_and_a_strange_row_are_found() {
    let accounts = [Account {
        acknowledged: ["a", "b"].map(str::to_owned).to_vec(),
        open: HashMap::from([("c".to_owned(), "no answer".to_owned()), ("d".to_owned(), "503".to_owned())]),
        longest_gap: Duration::ZERO,
    }];
    let rows =
        |rows: &[(&str, u64)]| rows.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect::<HashMap<_, _>>();
    for (what, rows, count) in [
        ("all is well", rows(&[("a", 1), ("b", 1)]), 0),
        ("an open one may be there", rows(&[("a", 1), ("b", 1), ("c", 1)]), 0),
        ("lost", rows(&[("b", 1), ("c", 1)]), 1),
        ("doubled", rows(&[("a", 2), ("b", 1)]), 1),
        ("an open one doubled", rows(&[("a", 1), ("b", 1), ("d", 2)]), 1),
        ("strange", rows(&[("a", 1), ("b", 1), ("x", 1)]), 1),
    ] {
        let faults = faults(&accounts, &rows);
        assert_eq!(faults.len(), count, "{what}: {faults:?}");
    }
}
