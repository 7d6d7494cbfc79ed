//! What `ops/` holds: rules, boards and profiles that fit the server they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::program::{self, Ended, run_to_end};
use crate::support::{Launch, Mode, PrivateDir, run};

const LIMIT: Duration = Duration::from_secs(50);
const BOARDS: [&str; 5] = ["runtime-supercharger", "executive", "api", "errors", "workers"];

fn ops(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(ops(name)).unwrap_or_else(|error| panic!("ops/{name}: {error}"))
}

fn board(name: &str) -> Value {
    serde_json::from_str(&text(&format!("grafana/{name}.json"))).expect("JSON")
}

fn promtool(dir: &PrivateDir, arguments: &[&str]) -> Ended {
    let mut command = program::command("promtool", dir);
    command.args(arguments).current_dir(dir.path());
    run_to_end(dir, command, LIMIT)
}

/// The expressions of a file of rules: `expr: TEXT`, or `expr: |` and the lines below that stand further in.
fn rule_expressions(rules: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = rules.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match line.trim_start().strip_prefix("expr:").map(str::trim) {
            Some("|") => {
                let inside = lines[index + 1..].iter().take_while(|next| indent(next) > indent(line));
                found.push(inside.map(|line| line.trim()).collect::<Vec<_>>().join(" "));
            }
            Some(expression) => found.push(expression.to_owned()),
            None => {}
        }
    }
    found
}

/// The expressions of a board, wherever they stand.
fn board_expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "expr" => found.push(text.clone()),
                    _ => board_expressions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| board_expressions(item, found)),
        _ => {}
    }
}

/// The metrics that an expression names. Its syntax is the affair of promtool, so this need only tell names from the rest:
/// what stands in quotes, braces and brackets, labels behind `by` and the like, functions, operators and numbers.
fn metrics_in(expression: &str) -> BTreeSet<String> {
    const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    const WORDS: [&str; 7] = ["and", "or", "unless", "offset", "bool", "inf", "nan"];
    let bytes = expression.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.');
    // Behind the next `end` that is not in quotes.
    let skip_to = |from: usize, end: u8| {
        let mut quoted = false;
        let at = bytes[from..].iter().position(|byte| {
            let found = *byte == end && !quoted;
            quoted ^= *byte == b'"';
            found
        });
        at.map_or(bytes.len(), |at| from + at + 1)
    };
    // What an aggregation groups by may stand before its brackets: `sum by (le) (...)`.
    let is_called = |next: &str| {
        let behind = ["by", "without"].iter().find_map(|word| next.strip_prefix(word)).unwrap_or(next);
        behind.trim_start().starts_with('(')
    };
    let mut names = BTreeSet::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = skip_to(at + 1, b'"'),
            b'{' => at = skip_to(at, b'}'),
            b'[' => at = skip_to(at, b']'),
            byte if is_word(byte) => {
                let end = bytes[at..].iter().position(|byte| !is_word(*byte)).map_or(bytes.len(), |length| at + length);
                let word = &expression[at..end];
                let next = expression[end..].trim_start();
                at = end;
                if GROUPING.contains(&word) && next.starts_with('(') {
                    at = skip_to(end, b')');
                } else if !byte.is_ascii_digit() && !WORDS.contains(&word) && !is_called(next) {
                    names.insert(word.to_owned());
                }
            }
            _ => at += 1,
        }
    }
    names
}

#[test]
fn names_are_found_in_expressions() {
    let names = |expression| metrics_in(expression).into_iter().collect::<Vec<_>>();
    assert_eq!(names("up == 0"), ["up"]);
    assert_eq!(
        names(r#"histogram_quantile(0.95, sum by (le, route) (rate(a_bucket{x=~"b_total|c}",y="d"}[5m]))) > 1e3"#),
        ["a_bucket"]
    );
    assert_eq!(names("x:y:rate5m < 0.3 * (x:y:rate5m offset 1h) and on (instance) z_total"), ["x:y:rate5m", "z_total"]);
}

/// All expressions of rules and boards, with the place where they stand.
fn expressions() -> Vec<(String, String)> {
    let mut all: Vec<_> = rule_expressions(&text("prometheus/supercharger.rules.yml"))
        .into_iter()
        .map(|expression| ("rules".to_owned(), expression))
        .collect();
    for name in BOARDS {
        let mut found = Vec::new();
        board_expressions(&board(name), &mut found);
        assert!(found.len() > 7, "{name} has expressions");
        all.extend(found.into_iter().map(|expression| (name.to_owned(), expression)));
    }
    all
}

/// Metrics that nobody scrapes from here: Prometheus makes the one, the rules record the others.
fn made_elsewhere() -> BTreeSet<String> {
    let rules = text("prometheus/supercharger.rules.yml");
    let recorded = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).map(str::to_owned);
    recorded.chain(["up".to_owned()]).collect()
}

/// The series that a scrape has, histograms with all of theirs. Only what has a sample counts.
fn scraped(text: &str) -> BTreeSet<String> {
    let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(name).collect()
}

fn missing(scrape: &str) -> Vec<String> {
    let there: BTreeSet<_> = scraped(scrape).union(&made_elsewhere()).cloned().collect();
    let named = expressions()
        .into_iter()
        .flat_map(|(place, expression)| metrics_in(&expression).into_iter().map(move |name| (place.clone(), name)));
    let missing = named.filter(|(_, name)| !there.contains(name)).map(|(place, name)| format!("{place}: {name}"));
    missing.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What stands in the braces behind a metric: label, operator, value.
fn matchers_in(expression: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices('{') {
        let before = &expression[..at];
        let name = &before[before
            .rfind(|letter: char| !letter.is_ascii_alphanumeric() && !"_:".contains(letter))
            .map_or(0, |at| at + 1)..];
        let inside = expression[at + 1..].split('}').next().unwrap_or_default();
        // No value of ours has a comma.
        for matcher in inside.split(',').filter(|matcher| !matcher.trim().is_empty()) {
            let (label, value) = matcher.split_once('"').unwrap_or_else(|| panic!("no matcher: {matcher}"));
            let label = label.trim().trim_end_matches(['=', '~', '!']);
            found.push((name.to_owned(), label.to_owned(), value.trim().trim_end_matches('"').to_owned()));
        }
    }
    found
}

/// Whether a value is one that the expression means: letters, `.`, and `.+` or `.*` for more of them.
fn fits(pattern: &str, value: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return value.is_empty() };
    if let Some(rest) = pattern.strip_prefix(".*").or_else(|| pattern.strip_prefix(".+")) {
        let least = usize::from(pattern.starts_with(".+"));
        return (least..=value.len()).any(|taken| value.get(taken..).is_some_and(|value| fits(rest, value)));
    }
    let mut letters = value.chars();
    letters.next().is_some_and(|letter| first == '.' || first == letter)
        && fits(&pattern[first.len_utf8()..], letters.as_str())
}

/// Values of labels that an expression names, also to leave them out, and that no series of the scrape has.
fn unknown_values(expressions: &[(String, String)], scrape: &str) -> Vec<String> {
    let elsewhere = made_elsewhere();
    let mut faults = BTreeSet::new();
    for (place, expression) in expressions {
        for (name, label, pattern) in matchers_in(expression) {
            // Prometheus gives these.
            if ["instance", "job"].contains(&label.as_str()) || elsewhere.contains(&name) {
                continue;
            }
            let series = scrape.lines().filter_map(|line| line.strip_prefix(&name)?.strip_prefix('{'));
            let start = format!("{label}=\"");
            let values: BTreeSet<_> = series
                .flat_map(|labels| labels.split('}').next().unwrap_or_default().split(','))
                .filter_map(|pair| pair.strip_prefix(&start)?.strip_suffix('"'))
                .collect();
            for one in pattern.split('|').filter(|one| !values.iter().any(|value| fits(one, value))) {
                faults.insert(format!("{place}: {name}{{{label}}} is never {one}"));
            }
        }
    }
    faults.into_iter().collect()
}

#[test]
fn matchers_are_found_in_expressions() {
    let found = matchers_in(r#"sum by (a) (rate(b_total{c="d",e!~"f|g.+"}[5m])) / h{i="j"}"#);
    let found: Vec<_> = found.iter().map(|(name, label, value)| [name.as_str(), label, value]).collect();
    assert_eq!(found, [["b_total", "c", "d"], ["b_total", "e", "f|g.+"], ["h", "i", "j"]]);
    assert!(fits("5..", "503") && fits("mem_.+", "mem_soft") && fits("a", "a"));
    assert!(!fits("5..", "404") && !fits("mem_.+", "mem_") && !fits("a", "ab") && !fits("ab", "a"));
}

#[test]
fn every_metric_and_label_of_boards_and_rules_is_in_a_live_scrape() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        // A little of everything that leaves a trace.
        server.get("/").await.ok();
        server.get(&server.script("http_response_code(500);")).await.expect(500);
        server.get("/nothing-here.php").await.expect(404);
        server.ask_admin("POST", "/workers/recycle", &[]).await.expect(202);
        server.wait_for_log("\"worker.recycle\"").await;
        let scrape = server.ask_admin("GET", "/metrics", &[]).await.ok().text();
        assert_eq!(missing(&scrape), Vec::<String>::new(), "named in ops/ and not in\n{scrape}");
        let mut all = expressions();
        assert_eq!(unknown_values(&all, &scrape), Vec::<String>::new(), "named in ops/ and not in\n{scrape}");
        // Negative control: a value that no series has is missed, one to leave out as well.
        for wrong in ["x{a=\"b\"}", "supercharger_rejected_total{cause!=\"draned\"}"] {
            all.push(("here".to_owned(), wrong.to_owned()));
        }
        let expected = ["here: supercharger_rejected_total{cause} is never draned", "here: x{a} is never b"];
        assert_eq!(unknown_values(&all, &scrape), expected);
        // Negative control: without its line a metric is missed, in a board and in the rules.
        let without: String = scrape
            .lines()
            .filter(|line| !line.starts_with("runtime_supercharger_rss_memory_mb"))
            .map(|line| format!("{line}\n"))
            .collect();
        let faults = missing(&without);
        assert_eq!(
            faults,
            ["rules: runtime_supercharger_rss_memory_mb", "runtime-supercharger: runtime_supercharger_rss_memory_mb"]
        );
    });
}

/// What the file of tests expects of each alert: how often nothing, how often something.
fn expectations(tests: &str) -> BTreeMap<String, (usize, usize)> {
    let mut found = BTreeMap::<String, (usize, usize)>::new();
    let mut alert = None;
    for line in tests.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("alertname: ") {
            alert = Some(name.to_owned());
        } else if let (Some(expected), Some(name)) = (line.strip_prefix("exp_alerts:"), &alert) {
            let entry = found.entry(name.clone()).or_default();
            if expected.trim() == "[]" { entry.0 += 1 } else { entry.1 += 1 }
        }
    }
    found
}

#[test]
fn each_alert_fires_once_and_is_silent_otherwise() {
    let dir = PrivateDir::new();
    let (rules, tests) = (text("prometheus/supercharger.rules.yml"), text("prometheus/supercharger.test.yml"));
    dir.write("supercharger.rules.yml", &rules);
    dir.write("supercharger.test.yml", &tests);
    promtool(&dir, &["check", "rules", "supercharger.rules.yml"]).expect(0, &["SUCCESS"]);
    promtool(&dir, &["test", "rules", "supercharger.test.yml"]).expect(0, &["SUCCESS"]);
    let expected = expectations(&tests);
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 20, "{alerts:?}");
    for alert in &alerts {
        let (silent, firing) = expected.get(*alert).copied().unwrap_or_default();
        assert!(silent >= 2 && firing >= 1, "{alert} is silent {silent} times and fires {firing} times in its tests");
    }
    for asked in [
        "ResetFailure",
        "ResetStorm",
        "RssHigh",
        "UptimeFlapping",
        "ResetDurationSlow",
        "MemoryGrowth",
        "RestartStorm",
        "RecycleSlow",
        "ErrorRate",
        "LatencyHigh",
        "WorkerRestarts",
        "StuckThreads",
        "QueueSaturated",
        "Rejected",
        "NotReady",
        "CrashLoop",
    ] {
        assert!(alerts.contains(&format!("RuntimeSupercharger{asked}").as_str()), "{asked}");
    }
    // Every runbook that an alert names is there.
    let incidents =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/incidents.md")).expect("a page");
    let anchor = |heading: &str| heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    let anchors: BTreeSet<_> = incidents.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    for named in rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: docs/incidents.md#")) {
        assert!(anchors.contains(named), "docs/incidents.md has no heading for #{named}");
    }
    // Negative control: without the exception for maintenance somebody is called.
    let exception = "unless on (instance) supercharger:maintenance:max6m == 1";
    assert_eq!(rules.matches(exception).count(), 3);
    let (head, groups) = tests.split_once("tests:\n").expect("groups");
    let about = |group: &&str| group.starts_with("maintenance ") || group.starts_with("clients stay away");
    let some: Vec<_> = groups.split("  - name: ").filter(about).map(|group| format!("  - name: {group}")).collect();
    assert_eq!(some.len(), 2);
    dir.write("maintenance.test.yml", &format!("{head}tests:\n{}", some.concat()));
    promtool(&dir, &["test", "rules", "maintenance.test.yml"]).expect(0, &["SUCCESS"]);
    for (place, _) in rules.match_indices(exception) {
        let without = format!("{}{}", &rules[..place], &rules[place + exception.len()..]);
        dir.write("supercharger.rules.yml", &without);
        promtool(&dir, &["test", "rules", "maintenance.test.yml"]).expect(1, &["FAILED"]);
    }
    // Negative control: an alert that is too patient does not pass its test.
    dir.write("supercharger.rules.yml", &rules.replacen("rss_memory_mb) > 1500", "rss_memory_mb) > 15000", 1));
    let ended = promtool(&dir, &["test", "rules", "supercharger.test.yml"]);
    assert_eq!(ended.code(), 1, "{ended}");
    ended.expect(1, &["RuntimeSuperchargerRssHigh"]);
}

#[test]
fn boards_hold_what_they_promise() {
    let dir = PrivateDir::new();
    let mut rules = "groups:\n- name: boards\n  rules:\n".to_owned();
    let mut uids = BTreeSet::new();
    for name in BOARDS {
        let board = board(name);
        assert!(uids.insert(board["uid"].as_str().expect("a uid").to_owned()), "{name}");
        let panels = board["panels"].as_array().expect("panels");
        for panel in panels {
            assert_eq!(panel["datasource"]["uid"], "__PROM__", "{name}: {}", panel["title"]);
            assert!(
                panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()),
                "{name}: {}",
                panel["title"]
            );
        }
        let mut found = Vec::new();
        board_expressions(&board, &mut found);
        for expression in found {
            // Grafana's own variables stand for a range and for names.
            let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
            rules += &format!("  - record: a:b\n    expr: {}\n", Value::String(expression));
            rules += &format!("    labels: {{ number: \"{}\" }}\n", rules.len());
        }
    }
    let canon = board("runtime-supercharger");
    assert_eq!(canon["uid"], "runtime-supercharger");
    assert_eq!((canon["refresh"].as_str(), canon["time"]["from"].as_str()), (Some("30s"), Some("now-6h")));
    assert_eq!(canon["panels"].as_array().map(Vec::len), Some(8));
    dir.write("boards.yml", &rules);
    promtool(&dir, &["check", "rules", "boards.yml"]).expect(0, &["SUCCESS"]);
    dir.write("scrape.yml", &text("prometheus/scrape.yml"));
    dir.write("supercharger.rules.yml", &text("prometheus/supercharger.rules.yml"));
    promtool(&dir, &["check", "config", "scrape.yml"]).expect(0, &["SUCCESS"]);
}

/// A pod that boots is asked whether it has started: whether it is ready is another question, and asked for as long as it lives.
#[test]
fn probes_of_a_pod_are_answered() {
    let manifest = text("kubernetes/servicemonitor.yaml");
    let path = |probe: &str| {
        let line = manifest.lines().find(|line| line.contains(probe)).unwrap_or_else(|| panic!("no {probe}"));
        line.split_once("path: ").and_then(|(_, rest)| rest.split(',').next()).expect("a path").to_owned()
    };
    let paths = ["livenessProbe", "readinessProbe", "startupProbe"].map(path);
    assert_eq!(paths, ["/healthz", "/ready", "/health/startup"]);
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        for path in &paths {
            server.ask_admin("GET", path, &[]).await.ok();
        }
    });
}

/// There is no k6 here: that the profiles are programs, and hold what they promise, is what can be said.
#[test]
fn profiles_are_programs() {
    let dir = PrivateDir::new();
    for name in ["common", "baseline", "soak", "spike"] {
        let source = text(&format!("k6/{name}.js"));
        let module = dir.write(&format!("{name}.mjs"), &source);
        let mut command = program::command("node", &dir);
        command.arg("--check").arg(module);
        run_to_end(&dir, command, LIMIT).expect(0, &[]);
        assert!(name == "common" || source.contains("thresholds"), "{name}");
    }
}
