//! Sizes, names and places of source files.

use super::mask::{code_of, line_of, words};
use super::{Source, is_rust, report, rust_sources, sources};

/// Lines of a file before its tests.
const MAX_FILE_LINES: usize = 800;
/// Lines of a function, from `fn` to its closing brace.
const MAX_FUNCTION_LINES: usize = 120;

/// Words that name no thing.
const VAGUE: [&str; 4] = ["Manager", "Helper", "Util", "Utils"];

fn all_rust() -> Vec<Source> {
    sources(|path| {
        is_rust(path) && ["src/", "tests/", "bench/", "build.rs"].iter().any(|place| path.starts_with(place))
    })
}

/// Lines before the module of unit tests.
fn lines_before_tests(text: &str) -> usize {
    let before = text.find("\n#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at]);
    before.lines().count()
}

fn too_long(file: &Source) -> Option<String> {
    let lines = lines_before_tests(&file.text);
    (lines > MAX_FILE_LINES).then(|| format!("{}: {lines} lines, at most {MAX_FILE_LINES}", file.path))
}

/// Functions that are too long, by counting braces in code.
fn long_functions(file: &Source) -> Vec<String> {
    let code = code_of(&file.text);
    let mut faults = Vec::new();
    for at in words(&code, "fn") {
        let Some(open) = code[at..].find(['{', ';']).map(|offset| at + offset) else { continue };
        if code.as_bytes()[open] == b';' {
            continue;
        }
        let mut depth = 0_usize;
        let close = code[open..].bytes().position(|byte| {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let Some(close) = close.map(|offset| open + offset) else { continue };
        let lines = line_of(&code, close) - line_of(&code, at) + 1;
        if lines > MAX_FUNCTION_LINES {
            let name: String =
                code[at + 2..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            faults.push(format!(
                "{}:{}: fn {name} has {lines} lines, at most {MAX_FUNCTION_LINES}",
                file.path,
                line_of(&code, at)
            ));
        }
    }
    faults
}

fn vague_names(file: &Source) -> Vec<String> {
    let code = code_of(&file.text);
    let mut faults = Vec::new();
    for kind in ["struct", "enum", "trait", "type", "mod"] {
        for at in words(&code, kind) {
            let name: String =
                code[at + kind.len()..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let camel = VAGUE.iter().any(|word| name.ends_with(word));
            let snake = VAGUE.iter().any(|word| name.split('_').any(|part| part == word.to_lowercase()));
            if camel || snake {
                faults.push(format!("{}:{}: {kind} {name} names no thing", file.path, line_of(&code, at)));
            }
        }
    }
    faults
}

/// `#[allow(...)]` without a reason.
fn silent_allowances(file: &Source) -> Vec<String> {
    let code = code_of(&file.text);
    let places = code.match_indices("[allow(").chain(code.match_indices("[expect("));
    places
        .filter(|(at, _)| code[*at..].find(']').is_none_or(|end| !code[*at..*at + end].contains("reason")))
        .map(|(at, _)| format!("{}:{}: a lint is switched off without a reason", file.path, line_of(&code, at)))
        .collect()
}

fn without_introduction(file: &Source) -> Option<String> {
    (!file.text.starts_with("//!")).then(|| format!("{}: does not begin with what the module is for", file.path))
}

#[test]
fn files_and_functions_have_a_size_one_can_read() {
    let files = all_rust();
    let mut faults: Vec<_> = files.iter().filter_map(too_long).collect();
    faults.extend(files.iter().flat_map(long_functions));
    report("sizes", &faults);
}

#[test]
fn there_is_no_mod_rs() {
    let faults: Vec<_> = sources(|path| path.ends_with("/mod.rs")).into_iter().map(|file| file.path).collect();
    report("a module foo lives in foo.rs and foo/", &faults);
}

#[test]
fn names_are_nouns_of_the_field() {
    let faults: Vec<_> = rust_sources().iter().flat_map(vague_names).collect();
    report("names", &faults);
}

#[test]
fn switched_off_lints_have_a_reason() {
    let faults: Vec<_> = all_rust().iter().flat_map(silent_allowances).collect();
    report("lints", &faults);
}

#[test]
fn modules_introduce_themselves() {
    let files = rust_sources();
    let faults: Vec<_> =
        files.iter().filter(|file| file.path.matches('/').count() == 1).filter_map(without_introduction).collect();
    report("introductions", &faults);
}

#[test]
fn negative_control_planted_faults_are_found() {
    let file = |text: String| Source { path: "src/a.rs".to_owned(), text };
    assert!(too_long(&file("x\n".repeat(801))).is_some());
    assert!(
        too_long(&file(format!("{}\n#[cfg(test)]\nmod tests {{\n{}}}", "x\n".repeat(790), "y\n".repeat(500))))
            .is_none()
    );
    let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    g(\"{\");\n".repeat(lines));
    assert!(long_functions(&file(function(118))).is_empty());
    assert_eq!(long_functions(&file(function(119))).len(), 1);
    assert_eq!(vague_names(&file("struct WorkerManager;\nmod string_utils;\nstruct Utility;".to_owned())).len(), 2);
    assert_eq!(silent_allowances(&file("#[allow(dead_code)]\n#[allow(x, reason = \"y\")]".to_owned())).len(), 1);
    assert!(without_introduction(&file("use x;".to_owned())).is_some());
}
