//! Applications that leak on purpose: what the next request sees, what the drift detector says, and what the scan says. The table in
//! docs/leaks.md is what this test has seen: `BLESS=1 cargo test --test it leaks` writes it.

mod symfony;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::support::dir::{PrivateDir, checkout};
use crate::support::program::{self, run_to_end};
use crate::support::run::run_within;
use crate::support::{Launch, Mode, Server, until};

/// Requests of each pattern: a class for each request is told of at the twelfth.
const REQUESTS: usize = 14;
/// All patterns one after the other.
const LIMIT: Duration = Duration::from_secs(120);
/// A table in docs/leaks.md stands between a line that names the file of its test and this one.
const TABLE_END: &str = "<!-- end -->\n";

/// A file of patterns/: its name, and its first comment.
struct Pattern {
    name: String,
    title: String,
}

/// What was seen of one pattern.
struct Row {
    pattern: Pattern,
    sees: String,
    drift: String,
    scan: String,
}

fn patterns() -> Vec<Pattern> {
    let folder = checkout().join("tests/apps/leaks/patterns");
    let mut all: Vec<_> = fs::read_dir(folder)
        .expect("patterns")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("text");
            let title = text.lines().find_map(|line| line.strip_prefix("// ")).expect("a comment").to_owned();
            Pattern { name: path.file_stem().expect("a name").to_string_lossy().into_owned(), title }
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(all.len() >= 30, "only {} patterns", all.len());
    all
}

fn launch() -> Launch {
    // What the engine puts back is told there.
    let launch = Launch::with_dir(PrivateDir::with_app("leaks"), Mode::Worker).config("log.level", "\"debug\"");
    launch.root(".").script("worker.php").workers(1)
}

/// Records of an event in the log.
fn records(server: &Server, event: &str) -> Vec<Value> {
    let all = server.log();
    let parsed = all.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(|record| record["event"] == event).collect()
}

/// The answers of all requests of a pattern, and the ids of those.
async fn drive(server: &Server, name: &str) -> (Vec<Value>, Vec<String>) {
    let (mut answers, mut ids) = (Vec::new(), Vec::new());
    for number in 1..=REQUESTS {
        let answer = server.get(&format!("/{name}?user=u{number}")).await;
        ids.push(answer.ok().header("x-request-id").expect("an id").to_owned());
        answers.push(answer.json());
    }
    (answers, ids)
}

/// A worker that has seen nothing.
async fn renew(server: &Server) {
    let before = records(server, "worker.recycle").len();
    server.get("/recycle").await.ok();
    until(Duration::from_secs(10), "the worker is replaced", || {
        (records(server, "worker.recycle").len() > before).then_some(())
    })
    .await;
}

/// What drift has said of a route, each finding with the number of the request that it was told of.
fn told(server: &Server, route: &str, ids: &[String]) -> String {
    cell(&findings(server, route, ids))
}

fn findings(server: &Server, route: &str, ids: &[String]) -> Vec<String> {
    let found = records(server, "drift.found").into_iter().filter(|record| record["route"] == route);
    found
        .map(|record| {
            let number = ids.iter().position(|id| record["request_id"] == **id).expect("the id of a request") + 1;
            let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
            // A closure is called after the file that it stands in, which lies in a folder of the test.
            let what = text("what").replace(&format!("{}/", server.dir().app().display()), "");
            let level = match &*text("why") {
                "put_back" => "debug",
                "counts" => "info",
                _ => "warn",
            };
            assert_eq!(record["level"], level, "{record}");
            format!("{} `{what}`: {}, request {number}", text("kind"), text("why"))
        })
        .collect()
}

fn cell(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join("; ") }
}

/// Rules that the scan has found broken, by the name that follows the folder, without extension.
fn scanned(app: &str, folder: &str) -> BTreeMap<String, Vec<String>> {
    let dir = PrivateDir::with_app(app);
    let mut command: Command = program::command(program::executable(), &dir);
    command.args(["scan", "--format", "json", "--no-default-excludes", "--fail-on", "none", folder]);
    let ended = run_to_end(&dir, command, Duration::from_secs(30));
    let document: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"));
    let mut rules = BTreeMap::<String, Vec<String>>::new();
    for finding in document["findings"].as_array().expect("findings") {
        let text = |field: &str| finding[field].as_str().unwrap_or_else(|| panic!("{finding}")).to_owned();
        let file = text("file");
        let (_, name) = file.rsplit_once(&format!("{folder}/")).unwrap_or(("", &file));
        let name = name.split(['/', '.']).next().expect("a name").to_owned();
        let of_file = rules.entry(name).or_default();
        let rule = format!("{} {}", text("ruleId"), text("severity"));
        if !of_file.contains(&rule) {
            of_file.push(rule);
        }
    }
    rules
}

fn shown(answer: &Value) -> String {
    match answer {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = "| pattern | the second request sees | drift says | scan says |\n|---|---|---|---|\n".to_owned();
    for Row { pattern, sees, drift, scan } in rows {
        let Pattern { name, title } = pattern;
        writeln!(text, "| [{name}](../tests/apps/leaks/patterns/{name}.php): {title} | {sees} | {drift} | {scan} |")
            .expect("a string takes everything");
    }
    text
}

/// Puts the table of a test's file into the document, or compares the two.
#[track_caller]
fn compare(test: &str, table: &str) {
    // Two tests may write.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let begin = format!("<!-- written by {test} -->\n");
    let file = checkout().join("docs/leaks.md");
    let document = fs::read_to_string(&file).expect("docs/leaks.md");
    let (head, rest) = document.split_once(&begin).expect("the place of the table");
    let (committed, tail) = rest.split_once(TABLE_END).expect("the end of the table");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, format!("{head}{begin}{table}{TABLE_END}{tail}")).expect("written");
        return;
    }
    let differs: String = table
        .lines()
        .zip(committed.lines().chain(std::iter::repeat("(nothing)")))
        .filter(|(got, committed)| got != committed)
        .map(|(got, committed)| format!("\n  committed {committed}\n  seen      {got}"))
        .collect();
    assert!(
        differs.is_empty() && table.lines().count() == committed.lines().count(),
        "docs/leaks.md is not what was seen (BLESS=1 cargo test --test it leaks writes it):{differs}"
    );
}

#[test]
fn the_table_says_what_is_seen() {
    let launch = launch();
    run_within(LIMIT, launch, async |server| {
        let rules = scanned("leaks", "patterns");
        let mut rows = Vec::new();
        for pattern in patterns() {
            let (answers, ids) = drive(server, &pattern.name).await;
            assert_eq!(answers[0], Value::Null, "{}: the first request finds nothing", pattern.name);
            renew(server).await;
            let drift = told(server, &format!("/{}", pattern.name), &ids);
            let scan = rules.get(&pattern.name).map_or_else(|| "nothing".to_owned(), |rules| rules.join(", "));
            rows.push(Row { sees: shown(&answers[1]), drift, scan, pattern });
        }
        // Whatever the next request sees, drift has said so.
        let silent: Vec<_> = rows
            .iter()
            .filter(|row| row.sees != "nothing" && row.drift == "nothing")
            .map(|row| &row.pattern.name)
            .collect();
        assert!(silent.is_empty(), "leaks that drift does not see: {silent:?}");
        compare("tests/it/leaks.rs", &table(&rows));
    });
}
