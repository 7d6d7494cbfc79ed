//! `docs/behaviour.md` against the tests: every row names a test that exists and runs.

use std::collections::BTreeMap;

use super::mask::code_of;
use super::{Source, at, report, sources};

const PAGE: &str = "docs/behaviour.md";
/// What stands in the second column, in this order.
const MODES: [&str; 3] = ["worker", "classic", "cli"];
/// The heading below which nothing is shown by a test yet.
const LATER: &str = "## Not here yet";

/// Everything that may show a behaviour.
#[derive(Debug, Default)]
struct Shown {
    /// Module of `tests/it` -> names of its tests. Ignored ones are not among them.
    tests: BTreeMap<String, Vec<String>>,
    /// Stages of `make test`.
    stages: Vec<String>,
    /// Paths of tests of the extension.
    phpt: Vec<String>,
}

impl Shown {
    fn has(&self, name: &str) -> bool {
        if let Some(stage) = name.strip_prefix("make test: ") {
            return self.stages.iter().any(|known| known == stage);
        }
        if name.ends_with(".phpt") {
            return self.phpt.iter().any(|known| known == name);
        }
        // A test may stand in a module of its file: `symfony::development_environment::v7_4`.
        let Some((place, test)) = name.rsplit_once("::") else { return false };
        let inside = |module: &str| place == module || place.starts_with(&format!("{module}::"));
        self.tests.iter().any(|(module, names)| inside(module) && names.iter().any(|known| known == test))
    }
}

/// `tests/it/http_rules.rs` -> `http_rules`; `tests/it/files/ranges.rs` -> `files::ranges`.
fn module_of(path: &str) -> Option<String> {
    let below = path.strip_prefix("tests/it/")?.strip_suffix(".rs")?;
    (below != "main" && below != "support" && !below.starts_with("support/")).then(|| below.replace('/', "::"))
}

/// The names of the tests in a file: functions under `#[test]`, and what macros such as `modes!`, `series!` and `matrix!` make tests of.
/// Ignored tests show nothing and are left out.
fn tests_in(text: &str) -> Vec<String> {
    let code = code_of(text);
    let mut names = Vec::new();
    let (mut test, mut ignored) = (false, false);
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let start = line.trim_start();
        if start.starts_with("#[test]") {
            test = true;
        } else if start.starts_with("#[ignore") {
            ignored = true;
        } else if let Some(name) = function(start) {
            if test && !ignored {
                names.push(name);
            }
            (test, ignored) = (false, false);
        } else if let Some(list) = start.strip_prefix("series!(") {
            names.extend(made_by_series(list));
        } else if let Some(rest) = invocation(line) {
            names.extend(made_by_macro(rest, &mut lines));
        }
    }
    names
}

fn function(line: &str) -> Option<String> {
    let rest = ["fn ", "async fn ", "pub(crate) fn ", "pub fn "].iter().find_map(|start| line.strip_prefix(start))?;
    word(rest)
}

/// The rest of a line on which a macro makes tests, from its opening bracket on: `modes!` anywhere, others only at the
/// top level of a file, where nothing else is invoked.
fn invocation(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once('!')?;
    let name = if name.trim_start() == "modes" { "modes" } else { name };
    let plain = !name.is_empty() && name != "macro_rules" && word(name).as_deref() == Some(name);
    let rest = rest.trim_start();
    (plain && rest.starts_with(['(', '{'])).then_some(rest)
}

/// `series!(function: NAME, NAME);` has several, on its line.
fn made_by_series(list: &str) -> Vec<String> {
    let names = list.split_once(':').map_or("", |(_, names)| names).trim_end().trim_end_matches(");");
    names.split(',').filter_map(|name| word(name.trim())).collect()
}

/// `modes!(NAME, ...)` has one name, perhaps on the next line; `matrix! { NAME(...); ... }` has one a line.
fn made_by_macro<'a>(rest: &str, lines: &mut impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<_> = word(rest[1..].trim_start()).into_iter().collect();
    let many = rest.starts_with('{');
    let mut ignored = false;
    while (many || names.is_empty()) && !rest.contains('}') {
        let Some(line) = lines.next().filter(|line| !line.starts_with(['}', ')'])) else { break };
        ignored |= line.trim_start().starts_with("#[ignore");
        names.extend(word(line.trim_start()));
    }
    if ignored { Vec::new() } else { names }
}

/// The identifier that a text begins with.
fn word(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let first = name.chars().next()?;
    (!first.is_ascii_digit()).then_some(name)
}

/// The first column of `scripts/lib/test-plan`.
fn stages_of(plan: &str) -> Vec<String> {
    let rows = plan.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// What is wrong with a page.
fn faults(page: &str, shown: &Shown) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    let (rows, later) = page.split_once(LATER).unwrap_or((page, ""));
    for (index, line) in rows.lines().enumerate() {
        if !line.starts_with('|') || line.starts_with("|---") || line.starts_with("| behaviour |") {
            continue;
        }
        let mut complain = |what: &str| faults.push(format!("{PAGE}:{}: {what}: {line}", index + 1));
        let cells: Vec<_> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let [behaviour, modes, tests] = cells[..] else {
            complain("not three columns");
            continue;
        };
        if seen.contains(&behaviour) {
            complain("a second row for the same behaviour");
        }
        seen.push(behaviour);
        if !are_modes(modes) {
            complain("the modes are some of worker, classic, cli, in this order");
        }
        let tests: Vec<_> = tests.split(", ").collect();
        for test in tests {
            let name = test.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            match name {
                None | Some("") => complain("no test in backquotes"),
                Some(name) if !shown.has(name) => complain(&format!("there is no test {name} that runs")),
                Some(_) => {}
            }
        }
    }
    if later.lines().any(|line| line.starts_with('|')) {
        faults.push(format!("{PAGE}: what is not here yet is a list without tests"));
    }
    faults
}

fn are_modes(text: &str) -> bool {
    let named: Vec<_> = text.split(", ").collect();
    let in_order: Vec<_> = MODES.into_iter().filter(|mode| named.contains(mode)).collect();
    !named.is_empty() && named == in_order
}

fn shown() -> Shown {
    let mut shown = Shown::default();
    for Source { path, text } in sources(|path| path.starts_with("tests/it/")) {
        if let Some(module) = module_of(&path) {
            shown.tests.insert(module, tests_in(&text));
        }
    }
    let plan = at("scripts/lib/test-plan");
    shown.stages = stages_of(&std::fs::read_to_string(plan).expect("scripts/lib/test-plan"));
    let phpt = |path: &str| path.starts_with("ext/tests/") && path.ends_with(".phpt");
    shown.phpt = super::tracked().into_iter().filter(|path| phpt(path)).collect();
    shown
}

#[test]
fn every_behaviour_names_the_test_that_shows_it() {
    let shown = shown();
    let tests: usize = shown.tests.values().map(Vec::len).sum();
    assert!(tests > 100, "only {tests} tests found in tests/it: are they looked for in the right way?");
    assert!(!shown.stages.is_empty() && !shown.phpt.is_empty(), "stages and phpt are found");
    let page = std::fs::read_to_string(at(PAGE)).expect(PAGE);
    let rows = page.lines().filter(|line| line.starts_with("| ")).count();
    assert!(rows > 50, "only {rows} rows in {PAGE}");
    report("the table of behaviour", &faults(&page, &shown));
}

#[test]
fn negative_control_rows_without_a_running_test_are_found() {
    let text = "modes!(one, async |server| {});\nmodes!(\n    #[ignore = \"later\"]\n    two,\n    |l| l\n);\n\
        modes!(\n    three,\n    |l| l\n);\nmatrix! {\n    four(Mode::Worker, 2);\n}\n\
        #[test]\n#[should_panic(expected = \"x\")]\nfn five() {}\n#[test]\n#[ignore = \"later\"]\nfn six() {}\n\
        fn seven() {}\n// #[test]\nfn eight() {}\nmod nine {\n    series!(in_series: v6_4, v8_1);\n}\n";
    assert_eq!(tests_in(text), ["one", "three", "four", "five", "v6_4", "v8_1"]);
    assert_eq!(module_of("tests/it/files/ranges.rs").as_deref(), Some("files::ranges"));
    assert_eq!(module_of("tests/it/support/raw.rs"), None);
    assert_eq!(stages_of("# name\nphpt  tests 15m x\nit tests - y\n"), ["phpt", "it"]);

    let shown = Shown {
        tests: BTreeMap::from([("a".to_owned(), vec!["one".to_owned()])]),
        stages: vec!["phpt".to_owned()],
        phpt: vec!["ext/tests/1.phpt".to_owned()],
    };
    let good = "| behaviour | modes | test |\n|---|---|---|\n| b | worker, classic | `a::one`, `a::inner::one` |\n\
        | c | cli | `ext/tests/1.phpt`, `make test: phpt` |\n## Not here yet\n\n- later\n";
    assert_eq!(faults(good, &shown), Vec::<String>::new());
    for bad in [
        "| b | worker | `a::two` |",
        "| b | worker | `b::one` |",
        "| b | worker |  |",
        "| b | worker | a::one |",
        "| b | worker |",
        "| b | classic, worker | `a::one` |",
        "| b |  | `a::one` |",
        "| b | worker | `make test: nothing` |",
        "| b | worker | `ext/tests/2.phpt` |",
        "| b | worker | `a::one` |\n| b | worker | `a::one` |",
        "## Not here yet\n| b | worker | `a::one` |",
    ] {
        assert_eq!(faults(bad, &shown).len(), 1, "{bad}");
    }
}
