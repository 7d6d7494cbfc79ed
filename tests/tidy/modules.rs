//! Which module may know which: the dependency table of `ARCHITECTURE.md`.

use super::mask::{code_of, is_word, line_of};
use super::{Source, report, rust_sources};

/// Top-level module -> the modules it may name besides itself. `job` is the vocabulary of all, `config` fills its limits in; `telemetry` is what
/// every module reports its events to. `main` and `cli` are how the program is entered.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("main", &["app", "cli", "config", "lifecycle", "php", "telemetry"]),
    ("cli", &["admin", "app", "config", "http", "lifecycle", "php", "pool", "scan", "supervisor", "telemetry"]),
    (
        "app",
        &[
            "admin",
            "config",
            "control",
            "http",
            "job",
            "lifecycle",
            "php",
            "pool",
            "store",
            "supervisor",
            "telemetry",
            "watch",
        ],
    ),
    ("config", &["admin", "http", "job", "lifecycle", "php", "pool", "store", "supervisor", "telemetry", "watch"]),
    ("supervisor", &["control", "job", "telemetry"]),
    ("control", &["telemetry"]),
    ("lifecycle", &["telemetry"]),
    ("job", &[]),
    ("http", &["job", "telemetry"]),
    ("pool", &["job", "telemetry"]),
    ("php", &["job", "store", "sys", "telemetry"]),
    ("store", &[]),
    ("sys", &[]),
    ("telemetry", &[]),
    ("admin", &["control", "job", "store", "telemetry"]),
    ("scan", &["telemetry"]),
    ("watch", &["telemetry"]),
];

/// The top-level module that a file of `src/` belongs to.
fn owner(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap_or(path);
    let first = below.split('/').next().unwrap_or(below);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The top-level modules that code names, with the position: `crate::X`, `crate::{X, Y::Z}`, `supercharger::X`, and
/// `super::super::X` from a module's own files.
fn named(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate::", "supercharger::", "super::super::"] {
        for (at, _) in code.match_indices(root) {
            if at > 0 && (is_word(code.as_bytes()[at - 1]) || code.as_bytes()[at - 1] == b'$') && root != "crate::" {
                continue;
            }
            let after = at + root.len();
            match code[after..].strip_prefix('{') {
                Some(group) => found.extend(group_members(group).map(|name| (at, name))),
                None => found.push((at, first_word(&code[after..]))),
            }
        }
    }
    found
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// The first words of the members of a `{...}` group, whose opening brace has been taken.
fn group_members(group: &str) -> impl Iterator<Item = String> {
    let mut depth = 1;
    let mut member = String::new();
    let mut members = Vec::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => members.push(std::mem::take(&mut member)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if c != ',' || depth > 1 {
            member.push(c);
        }
    }
    members.push(member);
    members.into_iter().map(|member| first_word(member.trim())).filter(|name| !name.is_empty())
}

fn faults_of(file: &Source) -> Vec<String> {
    let module = owner(&file.path);
    // lib.rs declares modules and uses none.
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
        let known = module == "lib";
        return if known { Vec::new() } else { vec![format!("{}: module {module} is in no table", file.path)] };
    };
    let code = code_of(&file.text);
    named(&code)
        .into_iter()
        .filter(|(_, name)| ALLOWED.iter().any(|(top, _)| top == name))
        .filter(|(_, name)| name != module && !allowed.contains(&name.as_str()))
        .map(|(at, name)| format!("{}:{}: {module} must not know {name}", file.path, line_of(&file.text, at)))
        .collect()
}

#[test]
fn modules_know_only_what_the_architecture_allows() {
    let faults: Vec<_> = rust_sources().iter().flat_map(faults_of).collect();
    report("dependency directions (ARCHITECTURE.md)", &faults);
}

/// The sentences of the architecture, so that an edit of the table above cannot quietly undo one of them.
#[test]
fn the_table_says_what_the_architecture_says() {
    let of = |module: &str| {
        ALLOWED
            .iter()
            .find(|(name, _)| *name == module)
            .map(|(_, allowed)| *allowed)
            .unwrap_or_else(|| panic!("{module}"))
    };
    assert!(of("job").is_empty(), "job imports none of ours");
    assert!(!of("http").contains(&"php") && !of("php").contains(&"http"), "http and php meet in job");
    assert!(!of("pool").contains(&"php"), "pool is generic over job::Runtime");
    for (module, allowed) in ALLOWED {
        assert!(!allowed.contains(&"sys") || module == "php", "{module} must not know sys");
        assert!(
            !allowed.contains(&"config") || ["main", "cli", "app"].contains(&module),
            "{module} must not know config"
        );
        assert!(!allowed.contains(&"app") || ["main", "cli"].contains(&module), "{module} must not know app");
    }
}

#[test]
fn negative_control_each_way_to_name_a_module_is_found() {
    let cases = [
        ("src/http/a.rs", "use crate::php::Engine;", true),
        ("src/http.rs", "use crate::{job, php::Engine};", true),
        ("src/http/a.rs", "use crate::{job::{self, Exchange}, telemetry};", false),
        ("src/php/a.rs", "fn f() { crate::http::serve(); }", true),
        ("src/pool/a/b.rs", "use super::super::php::Engine;", true),
        ("src/pool/a.rs", "// use crate::php::Engine;\nlet text = \"crate::php\";", false),
        ("src/job/a.rs", "use crate::telemetry::emit;", true),
        ("src/job/a.rs", "use super::Request;", false),
        ("src/pool/a.rs", "use crate::config::Pool;", true),
        ("src/app.rs", "use crate::sys;", true),
        ("src/php/a.rs", "use crate::sys::sc_request;", false),
        ("src/main.rs", "use supercharger::app;", false),
        ("src/main.rs", "use supercharger::sys;", true),
        ("src/http/tests.rs", "macro_rules! m { () => { $crate::php::x() } }", true),
        ("src/novel.rs", "", true),
    ];
    for (path, text, faulty) in cases {
        let file = Source { path: path.to_owned(), text: text.to_owned() };
        assert_eq!(!faults_of(&file).is_empty(), faulty, "{path}: {text}: {:?}", faults_of(&file));
    }
}
