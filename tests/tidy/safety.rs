//! Where unsafe code may stand, and what it must say.

use super::mask::{code_of, line_of, words};
use super::{Source, report, rust_sources};

fn may_be_unsafe(path: &str) -> bool {
    path == "src/sys.rs" || path == "src/php.rs" || path.starts_with("src/php/")
}

fn misplaced(file: &Source) -> Vec<String> {
    if may_be_unsafe(&file.path) {
        return Vec::new();
    }
    let code = code_of(&file.text);
    let places = words(&code, "unsafe").into_iter();
    places
        .map(|at| format!("{}:{}: unsafe code outside src/sys.rs and src/php", file.path, line_of(&code, at)))
        .collect()
}

/// Every `unsafe { ... }` and `unsafe impl` with the text of the comment above it.
fn uncited(file: &Source) -> Vec<String> {
    // sys.rs is what bindgen wrote.
    if file.path == "src/sys.rs" {
        return Vec::new();
    }
    let code = code_of(&file.text);
    let lines: Vec<&str> = file.text.lines().collect();
    let code_lines: Vec<&str> = code.lines().collect();
    let mut faults = Vec::new();
    for at in words(&code, "unsafe") {
        let after = code[at + "unsafe".len()..].trim_start();
        if !after.starts_with('{') && !after.starts_with("impl") {
            continue;
        }
        let line = line_of(&code, at);
        let comment = comment_above(&lines, &code_lines, line - 1);
        // `as above` stands directly below a sibling that has a reason; it must still be a SAFETY comment.
        let cited = comment.contains("SAFETY: I") && comment.split("SAFETY: I").nth(1).is_some_and(starts_with_digit);
        let refers = comment.contains("SAFETY: as above");
        if !cited && !refers {
            faults.push(format!("{}:{line}: no `// SAFETY: I<n>` above this unsafe code", file.path));
        }
    }
    faults
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// The comment lines above the statement that holds line `index`.
fn comment_above(lines: &[&str], code: &[&str], index: usize) -> String {
    let mut comment = Vec::new();
    let mut at = index;
    while at > 0 {
        at -= 1;
        let (line, code) = (lines[at].trim(), code[at].trim());
        if line.starts_with("//") {
            comment.push(line);
            continue;
        }
        // Above the comment, or at the end of the statement before: nothing more belongs to this one.
        if !comment.is_empty() || line.is_empty() || code.ends_with([';', '{', '}', ',']) && !code.starts_with('#') {
            break;
        }
    }
    comment.reverse();
    comment.join(" ")
}

/// The invariants that a text of invariants numbers: `**I3 ...**`.
fn numbered(text: &str) -> Vec<u32> {
    text.split("**I")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .collect()
}

/// The invariants that SAFETY comments cite.
fn citations(file: &Source) -> Vec<(usize, u32)> {
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let number = line.split("SAFETY: I").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?;
            Some((index + 1, number.parse().ok()?))
        })
        .collect()
}

/// Definitions of functions that C could call; `unsafe extern "C" { ... }` only declares.
fn foreign_definitions(file: &Source) -> Vec<String> {
    if file.path == "src/php/callbacks.rs" {
        return Vec::new();
    }
    // The quotes of "C" are a literal, so the text itself is searched, in lines that are code.
    let code = code_of(&file.text);
    let lines = file.text.lines().zip(code.lines()).enumerate();
    lines
        .filter(|(_, (line, code))| {
            line.contains("extern \"C\" fn") && code.contains("extern") && !code.contains("type ")
        })
        .filter(|(_, (line, _))| !line.contains("Option<"))
        .map(|(index, _)| format!("{}:{}: extern \"C\" fn outside src/php/callbacks.rs", file.path, index + 1))
        .collect()
}

#[test]
fn unsafe_code_stands_in_its_places_only() {
    let faults: Vec<_> = rust_sources().iter().flat_map(misplaced).collect();
    report("unsafe code", &faults);
}

#[test]
fn unsafe_code_cites_an_invariant() {
    let faults: Vec<_> = rust_sources().iter().flat_map(uncited).collect();
    report("SAFETY comments", &faults);
}

#[test]
fn cited_invariants_exist() {
    let sources = rust_sources();
    let php = sources.iter().find(|file| file.path == "src/php.rs").expect("src/php.rs");
    let numbers = numbered(&php.text);
    let expected: Vec<u32> = (1..=u32::try_from(numbers.len()).expect("a small number")).collect();
    assert!(!numbers.is_empty(), "src/php.rs opens with numbered invariants");
    assert_eq!(numbers, expected, "invariants are numbered from 1 without gaps");
    let faults: Vec<_> = sources
        .iter()
        .flat_map(|file| citations(file).into_iter().map(move |(line, number)| (file, line, number)))
        .filter(|(_, _, number)| !numbers.contains(number))
        .map(|(file, line, number)| format!("{}:{line}: there is no invariant I{number} in src/php.rs", file.path))
        .collect();
    report("cited invariants", &faults);
}

#[test]
fn functions_for_c_stand_in_callbacks() {
    let faults: Vec<_> = rust_sources().iter().flat_map(foreign_definitions).collect();
    report("functions that C calls", &faults);
}

/// The compiler holds the line where these attributes stand: the crate denies, every other top-level module forbids.
#[test]
fn safe_modules_forbid_unsafe_code() {
    let faults: Vec<_> = rust_sources()
        .iter()
        .filter(|file| file.path.matches('/').count() == 1)
        .filter(|file| {
            !may_be_unsafe(&file.path) && !["src/main.rs", "src/lib.rs", "src/job.rs"].contains(&file.path.as_str())
        })
        .filter(|file| !file.text.contains("#![forbid(unsafe_code)]"))
        .map(|file| format!("{}: no #![forbid(unsafe_code)]", file.path))
        .collect();
    report("safe modules", &faults);
}

#[test]
fn negative_control_planted_faults_are_found() {
    let file = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    assert_eq!(misplaced(&file("src/pool/a.rs", "fn f() { unsafe { g() } }")).len(), 1);
    assert!(misplaced(&file("src/pool/a.rs", "#![forbid(unsafe_code)] // unsafe\nlet s = \"unsafe\";")).is_empty());
    assert!(misplaced(&file("src/php/a.rs", "unsafe { g() }")).is_empty());

    let cases = [
        ("// SAFETY: I3: the pointer is ours.\nunsafe { g() };", false),
        ("// SAFETY: I3: a long reason\n// over two lines.\nlet x = unsafe { g() };", false),
        ("// SAFETY: I1\nlet x =\n    unsafe { g() };", false),
        ("// SAFETY: I7\nunsafe impl Send for X {}\n// SAFETY: as above.\nunsafe impl Sync for X {}", false),
        ("unsafe { g() };", true),
        ("// SAFETY: it is fine\nunsafe { g() };", true),
        ("// SAFETY: I3\nlet y = 1;\nlet x = unsafe { g() };", true),
        ("// SAFETY: I3\n\nunsafe { g() };", true),
        ("unsafe fn f() {}\nunsafe extern \"C\" { fn g(); }", false),
    ];
    for (text, faulty) in cases {
        assert_eq!(!uncited(&file("src/php/a.rs", text)).is_empty(), faulty, "{text}");
    }

    assert_eq!(foreign_definitions(&file("src/php/a.rs", "pub extern \"C\" fn f() {}")).len(), 1);
    assert!(
        foreign_definitions(&file("src/php/a.rs", "// extern \"C\" fn f() {}\ntype F = Option<extern \"C\" fn()>;"))
            .is_empty()
    );
    assert_eq!(numbered("* **I1 One.** text **I2 Two.**"), [1, 2]);
    assert_eq!(citations(&file("src/php/a.rs", "\n// SAFETY: I9, I3: both")), [(2, 9)]);
}
