//! The same of a Symfony application: what its services, Doctrine, Twig and the others keep, without the package and with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::{cell, compare, findings, renew, scanned, shown};
use crate::support::dir::checkout;
use crate::support::run::block_on;
use crate::support::symfony::{Package, Series, leaking};
use crate::support::{Server, series};

/// Requests of each leak: what grows is told of at the fifth.
const REQUESTS: usize = 7;
/// Two applications one after the other, each with a new worker for each leak.
const LIMIT: Duration = Duration::from_secs(300);
/// The page that leaves nothing. What is told of it is told of every page.
const CONTROL: &str = "nothing";
/// What another series does otherwise than 7.4: said below the table.
const DIFFERS: [(Series, &str); 1] = [(Series::V8_1, "router-context")];

/// Connections stay open on purpose, and what a request sets on one is known to its server only: docs/symfony.md says so.
const NOBODY_KNOWS: [&str; 1] = ["doctrine-temporary-table"];

/// What was seen of one leak.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    sees: String,
    drift: Vec<String>,
}

/// Name of a leak, which is its path, with the name of its class and the first comment of its file.
fn leaks() -> BTreeMap<String, (String, String)> {
    let folder = checkout().join("tests/apps/symfony-leaks/src/Leak");
    let files = fs::read_dir(folder).expect("leaks").map(|entry| entry.expect("an entry").path());
    let all: BTreeMap<_, _> = files
        .filter(|path| path.is_file())
        .map(|path| {
            let text = fs::read_to_string(&path).expect("text");
            let title = text.lines().find_map(|line| line.strip_prefix("// ")).expect("a comment").to_owned();
            let name = text.split("#[Route('/").nth(1).and_then(|rest| rest.split('\'').next()).expect("a route");
            let class = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name.to_owned(), (class, title))
        })
        .collect();
    assert!(all.len() > 20, "only {} leaks", all.len());
    all
}

async fn drive(server: &Server, name: &str) -> (Vec<Value>, Vec<String>) {
    let (mut answers, mut ids) = (Vec::new(), Vec::new());
    for number in 1..=REQUESTS {
        let answer = server.get(&format!("/{name}?user=u{number}")).await;
        ids.push(answer.ok().header("x-request-id").expect("an id").to_owned());
        // An empty object is what Symfony makes of null.
        answers.push(match answer.json() {
            Value::Object(empty) if empty.is_empty() => Value::Null,
            other => other,
        });
    }
    (answers, ids)
}

async fn seen(series: Series, package: Package) -> BTreeMap<String, Seen> {
    // Garbage is not collected whenever the machine has kept the worker waiting: it decides which objects get whose place.
    let launch = leaking(series, package).workers(1).config("pools.default.idle.collect_after", "\"0s\"");
    let server = launch.start().await;
    // The first request compiles the container, which is not to be the doing of any leak.
    renew(&server).await;
    let mut all = BTreeMap::new();
    for name in leaks().into_keys() {
        let (answers, ids) = drive(&server, &name).await;
        assert_eq!(answers[0], Value::Null, "{name}: the first request finds nothing");
        renew(&server).await;
        all.insert(
            name.clone(),
            Seen { sees: shown(&answers[1]), drift: findings(&server, &format!("/{name}"), &ids) },
        );
    }
    let of_every_page: Vec<String> = all[CONTROL].drift.iter().map(|told| without_number(told).to_owned()).collect();
    for (_, seen) in all.iter_mut().filter(|(name, _)| *name != CONTROL) {
        seen.drift.retain(|told| !of_every_page.iter().any(|known| known == without_number(told)));
    }
    server.finish().await;
    all
}

fn without_number(told: &str) -> &str {
    told.rsplit_once(", request ").map_or(told, |(told, _)| told)
}

async fn with_and_without(series: Series) -> [BTreeMap<String, Seen>; 2] {
    [seen(series, Package::Carried).await, seen(series, Package::Required).await]
}

fn table([without, with]: &[BTreeMap<String, Seen>; 2]) -> String {
    let rules = scanned("symfony-leaks", "src/Leak");
    let mut text = "| leak | without the package the second request sees | drift says | with it the second request sees | drift says | scan says |\n\
        |---|---|---|---|---|---|\n"
        .to_owned();
    for (name, (class, title)) in leaks() {
        let (without, with) = (&without[&name], &with[&name]);
        let scan = rules.get(&class).map_or(&[][..], Vec::as_slice);
        writeln!(
            text,
            "| [{name}](../tests/apps/symfony-leaks/src/Leak/{class}.php): {title} | {} | {} | {} | {} | {} |",
            without.sees,
            cell(&without.drift),
            with.sees,
            cell(&with.drift),
            if scan.is_empty() { "nothing".to_owned() } else { scan.join(", ") }
        )
        .expect("a string takes everything");
    }
    text
}

#[test]
fn the_table_says_what_is_seen() {
    block_on(LIMIT, async {
        let both = with_and_without(Series::V7_4).await;
        let told_to_everybody = both.iter().flat_map(|all| &all[CONTROL].drift);
        let leaks: Vec<_> = told_to_everybody.filter(|told| !told.contains(": put_back,")).collect();
        assert!(leaks.is_empty(), "a page that leaves nothing: {leaks:?}");
        // With the package whatever the next request sees has been told.
        let silent = both[1].iter().filter(|(_, seen)| seen.sees != "nothing" && seen.drift.is_empty());
        assert_eq!(
            silent.map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            NOBODY_KNOWS,
            "leaks that nobody tells of"
        );
        compare("tests/it/leaks/symfony.rs", &table(&both));
    });
}

/// What is put back is what the boot has set, not what the configuration says.
mod what_the_boot_has_set_stays {
    use super::*;

    fn in_series(series: Series) {
        block_on(LIMIT, async {
            let server = leaking(series, Package::Required).workers(1).env("SET_AT_BOOT", "1").start().await;
            for user in ["first", "second", "third"] {
                assert_eq!(
                    server.get("/beginning").await.json(),
                    json!(["everybody", "everybody", "everybody"]),
                    "{user}"
                );
                for leak in ["doctrine-filter", "twig-global", "router-context", "doctrine-closed-manager"] {
                    server.get(&format!("/{leak}?user={user}")).await.ok();
                }
            }
            server.finish().await;
        });
    }

    series!(in_series: v6_4, v7_4);
}

/// The other series see the same, but for what is said below the table.
mod as_in_the_table {
    use super::*;

    fn in_series(series: Series) {
        let document = fs::read_to_string(checkout().join("docs/leaks.md")).expect("docs/leaks.md");
        block_on(LIMIT, async {
            let differs: Vec<_> = table(&with_and_without(series).await)
                .lines()
                .filter(|row| !document.lines().any(|line| line == *row))
                .map(str::to_owned)
                .collect();
            let expected: Vec<_> = DIFFERS.iter().filter(|(of, _)| *of == series).collect();
            assert_eq!(differs.len(), expected.len(), "{differs:#?}");
            for (row, (_, name)) in differs.iter().zip(expected) {
                assert!(row.starts_with(&format!("| [{name}]")), "{row}");
            }
        });
    }

    series!(in_series: v6_4, v8_1);
}
