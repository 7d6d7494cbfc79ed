//! `supercharger scan` through the executable: every rule on a project of its own, every form of output, what is silenced, what fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::PrivateDir;
use crate::support::dir::checkout;
use crate::support::program::{Ended, supercharger};

/// The fixture takes a tenth of a second in a debug build; a busy machine much longer.
const LIMIT: Duration = Duration::from_secs(60);

fn scan(dir: &PrivateDir, arguments: &[&str]) -> Ended {
    let mut line = vec!["scan"];
    line.extend(arguments);
    supercharger(dir, &line, LIMIT)
}

/// Runs it over a file of this source alone.
fn scan_text(text: &str, arguments: &[&str]) -> (PrivateDir, Ended) {
    let dir = PrivateDir::new();
    fs::create_dir_all(dir.path().join("src")).expect("a folder");
    fs::write(dir.path().join("src/A.php"), text).expect("a file");
    let ended = scan_in(&dir, arguments);
    (dir, ended)
}

fn scan_in(dir: &PrivateDir, arguments: &[&str]) -> Ended {
    let (root, src) = (dir.path().display().to_string(), dir.path().join("src").display().to_string());
    let mut line = vec![src.as_str(), "--root", root.as_str()];
    line.extend(arguments);
    scan(dir, &line)
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// A finding in short: file, line, rule and severity.
type Short = (String, u64, String, String);

fn short(finding: &Value) -> Short {
    let text = |key: &str| finding[key].as_str().unwrap_or_else(|| panic!("{key} of {finding}")).to_owned();
    (text("file"), finding["line"].as_u64().expect("a line"), text("ruleId"), text("severity"))
}

/// What the comments `// expect: RS001 error, RS002 warning` below a folder say.
fn expected(root: &Path, folder: &Path, found: &mut BTreeSet<Short>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            expected(root, &path, found);
            continue;
        }
        let file = path.strip_prefix(root).expect("below").display().to_string();
        for (line, text) in (1..).zip(fs::read_to_string(&path).expect("a text").lines()) {
            let Some((_, list)) = text.split_once("// expect: ") else { continue };
            for one in list.split(", ") {
                let (rule, severity) = one.split_once(' ').expect("rule and severity");
                found.insert((file.clone(), line, rule.to_owned(), severity.to_owned()));
            }
        }
    }
}

const NEVER: &str = "<?php\nclass A { private const X = 1; }\n";
const STATE: &str = "<?php\nclass A {\n    private static $x;\n    public function set($x) { self::$x = $x; }\n}\n";

#[test]
fn every_rule_finds_what_it_is_for_and_nothing_else() {
    let project = checkout().join("tests/apps/scan");
    let mut wanted = BTreeSet::new();
    expected(&project, &project.join("src"), &mut wanted);
    for number in 0..10 {
        let rule = format!("RS00{number}");
        assert!(wanted.iter().any(|(_, _, of, _)| *of == rule), "the fixture has no line for {rule}");
    }
    let dir = PrivateDir::new();
    let (root, src) = (project.display().to_string(), project.join("src").display().to_string());
    let ended = scan(&dir, &[&src, "--root", &root, "--format", "json"]);
    ended.expect(1, &["scan fails on error"]);
    let report = json(&ended);
    let findings = report["findings"].as_array().expect("findings");
    let found: BTreeSet<_> = findings.iter().map(short).collect();
    let missing: Vec<_> = wanted.difference(&found).collect();
    let unwanted: Vec<_> = found.difference(&wanted).collect();
    assert!(missing.is_empty() && unwanted.is_empty(), "missing: {missing:#?}\nnot expected: {unwanted:#?}");
    assert_eq!(report["problems"], Value::Array(Vec::new()), "syntax up to PHP 8.5 is read");
    assert_eq!(report["suppressed"], 3);
    for finding in findings {
        for key in ["message", "fix", "excerpt", "fingerprint"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {finding}");
        }
    }
}

#[test]
fn the_demonstration_has_the_two_findings_that_it_is_made_to_have() {
    let dir = PrivateDir::new();
    let project = checkout().join("examples/symfony");
    let (root, src) = (project.display().to_string(), project.join("src").display().to_string());
    let ended = scan(&dir, &[&src, "--root", &root, "--format", "json"]);
    let found: Vec<_> = json(&ended)["findings"].as_array().expect("findings").iter().map(short).collect();
    let places: Vec<_> = found.iter().map(|(file, _, rule, _)| (file.as_str(), rule.as_str())).collect();
    assert_eq!(places, [("src/Diagnostics/RequestCounter.php", "RS009"), ("src/Kernel.php", "RS001")]);
}

#[test]
fn the_exit_code_says_what_was_found() {
    let table = STATE.replace("self::$x = $x;", "self::$x ??= [getmypid()];");
    let cases: [(&str, &[&str], i32); 8] = [
        (NEVER, &[], 0),
        (NEVER, &["--fail-on", "warning"], 0),
        (STATE, &[], 1),
        (STATE, &["--fail-on", "none"], 0),
        (&table, &[], 0),
        (&table, &["--fail-on", "warning"], 1),
        ("<?php class {", &["--fail-on", "error"], 1),
        ("<?php class {", &["--fail-on", "none"], 0),
    ];
    for (text, arguments, code) in cases {
        let (_dir, ended) = scan_text(text, arguments);
        assert_eq!(ended.code(), code, "{text} {arguments:?}: {ended:?}");
    }
}

#[test]
fn wrong_usage_is_told_before_any_work() {
    let (dir, _) = scan_text(NEVER, &[]);
    let broken = dir.path().join("broken.json");
    fs::write(&broken, "{}").expect("a file");
    let broken = broken.display().to_string();
    let cases: [(&[&str], &str); 6] = [
        (&["--format", "xml"], "possible values: text, json, ndjson, sarif, github"),
        (&["--fail-on", "never"], "possible values: error, warning, none"),
        (&["--exclude", "a[b"], "take globs"),
        (&["--write-baseline"], "--baseline"),
        (&["--baseline", "/no/such/file"], "No such file"),
        (&["--baseline", &broken], "no baseline"),
    ];
    for (arguments, said) in cases {
        scan_in(&dir, arguments).expect(2, &[said]);
    }
    scan(&dir, &["/no/such/folder"]).expect(2, &["/no/such/folder", "No such file"]);
    scan(&dir, &[]).expect(2, &["<PATH>"]);
}

#[test]
fn a_file_that_does_not_parse_does_not_hide_the_others() {
    let (dir, _) = scan_text(STATE, &[]);
    fs::write(dir.path().join("src/Broken.php"), "<?php\n\nclass B {\n  function {\n}\n").expect("a file");
    fs::write(dir.path().join("src/Latin.php"), b"<?php // caf\xe9\nclass \xe9 { static $x; }").expect("a file");
    let ended = scan_in(&dir, &["--format", "json"]);
    assert_eq!(ended.code(), 1, "{ended:?}");
    let report = json(&ended);
    assert_eq!(report["files"], 3);
    let problems = report["problems"].as_array().expect("problems");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((&problems[0]["file"], &problems[0]["line"]), (&Value::from("src/Broken.php"), &Value::from(4)));
    let files: Vec<_> = report["findings"].as_array().expect("findings").iter().map(|one| short(one).0).collect();
    assert_eq!(files, ["src/A.php", "src/Latin.php"]);
}

#[test]
fn hostile_files_do_not_end_it() {
    let dir = PrivateDir::new();
    fs::create_dir_all(dir.path().join("src")).expect("a folder");
    let deep = [
        format!("<?php $x = {}1{};", "[".repeat(200_000), "]".repeat(200_000)),
        format!("<?php $x = 1{};", " . 1".repeat(200_000)),
        format!("<?php {} {}", "if (1) {".repeat(50_000), "}".repeat(50_000)),
        format!("<?php $x{};", "->y()".repeat(200_000)),
        format!("<?php {};", "fn () => ".repeat(20_000)),
        format!("<?php {}", "!".repeat(300_000)),
        "<?php".repeat(50_000),
    ];
    for (number, text) in deep.iter().enumerate() {
        fs::write(dir.path().join(format!("src/Deep{number}.php")), text).expect("a file");
    }
    fs::write(dir.path().join("src/Noise.php"), [0_u8, 255, 128, 60, 63, 112, 104, 112, 10, 0, 7]).expect("a file");
    fs::write(dir.path().join("src/State.php"), STATE).expect("a file");
    let ended = scan_in(&dir, &["--format", "json"]);
    let report = json(&ended);
    assert_eq!(report["total"], 1, "the file that can be read is: {ended:?}");
    let problems = report["problems"].as_array().expect("problems");
    assert!(problems.len() >= 6, "what was not wholly read is told: {problems:#?}");
}

#[test]
fn a_baseline_lets_through_what_was_there_and_nothing_new() {
    let (dir, _) = scan_text(STATE, &[]);
    let baseline = dir.path().join("baseline.json").display().to_string();
    let file = dir.path().join("src/A.php");
    scan_in(&dir, &["--baseline", &baseline, "--write-baseline"]).expect(0, &["1 findings are known now"]);
    // Known, also after it has moved.
    fs::write(&file, STATE.replace("<?php\n", "<?php\n\n// Something above.\n\n")).expect("a file");
    scan_in(&dir, &["--baseline", &baseline]).expect(0, &["0 errors", "1 known from the baseline"]);
    // New: the same property in another class.
    fs::write(&file, format!("{STATE}{}", STATE.trim_start_matches("<?php").replace("class A", "class B")))
        .expect("a file");
    let ended = scan_in(&dir, &["--baseline", &baseline, "--format", "json"]);
    let report = json(&ended);
    assert_eq!((&report["known"], &report["total"]), (&Value::from(1), &Value::from(1)), "{ended:?}");
    assert_eq!(report["findings"][0]["class"], "B");
    // No more.
    fs::write(&file, NEVER).expect("a file");
    scan_in(&dir, &["--baseline", &baseline])
        .expect(0, &["the baseline knows RS001 $x in src/A.php, which is no more"]);
}

#[test]
fn every_form_of_output_tells_the_same() {
    let (dir, text) = scan_text(STATE, &[]);
    text.expect(1, &["src/A.php", "3:20", "error", "RS001", "A::$x", "fix:", "1 error, 0 warnings in 1 file"]);

    let ndjson = scan_in(&dir, &["--format", "ndjson"]);
    let lines: Vec<Value> = ndjson.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{ndjson:?}");
    for key in ["ruleId", "severity", "file", "line", "message", "match", "excerpt"] {
        assert!(!lines[0][key].is_null(), "{key}");
    }
    assert_eq!((&lines[0]["match"], &lines[0]["excerpt"]), (&Value::from("$x"), &Value::from("private static $x;")));
    assert_eq!(lines[1]["findingCount"], serde_json::json!({ "warning": 0, "error": 1 }));
    for key in ["version", "created_utc", "root", "failOn", "total"] {
        assert!(!lines[1][key].is_null(), "{key}");
    }

    let github = scan_in(&dir, &["--format", "github"]);
    assert!(
        github.stdout.starts_with("::error file=src/A.php,line=3,col=20,title=RS001 static property::"),
        "{github:?}"
    );

    let whole = json(&scan_in(&dir, &["--format", "json"]));
    let sarif = json(&scan_in(&dir, &["--format", "sarif"]));
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["partialFingerprints"]["superchargerScan/v1"], whole["findings"][0]["fingerprint"]);
    assert_eq!(result["level"], "error");
}

#[test]
fn two_runs_say_the_same() {
    let dir = PrivateDir::new();
    let project = checkout().join("tests/apps/scan");
    let (root, src) = (project.display().to_string(), project.join("src").display().to_string());
    let run = || scan(&dir, &[&src, &src, "--root", &root, "--format", "sarif"]).stdout;
    assert_eq!(run(), run());
}

/// The parts of the SARIF 2.1.0 schema that what is written touches: required members, types, ranges and references.
#[test]
fn sarif_has_the_shape_of_its_schema() {
    let dir = PrivateDir::new();
    let project = checkout().join("tests/apps/scan");
    fs::create_dir_all(dir.path().join("src/a b")).expect("a folder");
    fs::write(dir.path().join("src/a b/\u{e4}#%.php"), STATE).expect("a file");
    fs::write(dir.path().join("src/Broken.php"), "<?php class {").expect("a file");
    let (src, own) = (project.join("src").display().to_string(), dir.path().join("src").display().to_string());
    let root = dir.path().display().to_string();
    let log = json(&scan(&dir, &[&src, &own, "--root", &root, "--format", "sarif"]));
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert_eq!(run["invocations"][0]["toolExecutionNotifications"].as_array().map(Vec::len), Some(1));
    let results = run["results"].as_array().expect("results");
    assert!(results.len() > 40, "{}", results.len());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note", "none"].contains(&result["level"].as_str().expect("a level")));
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let physical = &result["locations"][0]["physicalLocation"];
        let uri = physical["artifactLocation"]["uri"].as_str().expect("a URI");
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}# ".contains(&byte)), "{uri}");
        for key in ["startLine", "startColumn"] {
            assert!(physical["region"][key].as_u64().is_some_and(|number| number > 0), "{key} of {result}");
        }
    }
    let uris: Vec<_> =
        results.iter().map(|one| &one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]).collect();
    assert!(uris.iter().any(|uri| **uri == "src/a%20b/%C3%A4%23%25.php"), "{uris:?}");
}

#[test]
fn what_is_left_out_can_be_had() {
    let (dir, _) = scan_text(STATE, &[]);
    for folder in ["src/vendor", "src/Tests", "src/Deep"] {
        fs::create_dir_all(dir.path().join(folder)).expect("a folder");
        fs::write(dir.path().join(folder).join("B.php"), STATE.replace("class A", "class B")).expect("a file");
    }
    let files =
        |arguments: &[&str]| json(&scan_in(&dir, &[arguments, &["--format", "json"]].concat()))["files"].clone();
    assert_eq!(files(&[]), 2);
    assert_eq!(files(&["--no-default-excludes"]), 4);
    assert_eq!(files(&["--exclude", "src/Deep"]), 1);
    assert_eq!(files(&["--include", "B.php"]), 1);
}
