//! Rules of this repository that a compiler does not know, as tests. `docs/testing.md` and `ARCHITECTURE.md` give the reasons.
//!
//! Every rule is a function from text to faults, and every one is shown to find a planted fault: a checker that cannot fail
//! checks nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "tidy/behaviour.rs"]
mod behaviour;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layout.rs"]
mod layout;
#[path = "tidy/mask.rs"]
mod mask;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/safety.rs"]
mod safety;

/// A file of the repository.
#[derive(Debug)]
struct Source {
    /// Path below the checkout, with `/`.
    path: String,
    text: String,
}

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything git tracks or would track.
fn tracked() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(checkout())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8_lossy(&output.stdout);
    let names = names.split('\0').filter(|name| !name.is_empty());
    // A file that is about to be deleted is still listed.
    names.filter(|name| checkout().join(name).is_file()).map(str::to_owned).collect()
}

/// The tracked files that pass the filter; those that are no text are left out.
fn sources(wanted: impl Fn(&str) -> bool) -> Vec<Source> {
    let read = |path: String| {
        let bytes = std::fs::read(checkout().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        String::from_utf8(bytes).ok().map(|text| Source { path, text })
    };
    tracked().into_iter().filter(|path| wanted(path)).filter_map(read).collect()
}

/// The Rust files of the product, by path.
fn rust_sources() -> Vec<Source> {
    let found = sources(|path| path.starts_with("src/") && is_rust(path));
    assert!(found.len() > 10, "only {} files in src/: is this the checkout?", found.len());
    found
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// Fails with all faults at once.
#[track_caller]
fn report(rule: &str, faults: &[String]) {
    let mut list = String::new();
    for fault in faults {
        writeln!(list, "  {fault}").expect("a string takes everything");
    }
    assert!(faults.is_empty(), "{rule}:\n{list}");
}

/// Path of a file that a rule needs.
fn at(path: &str) -> PathBuf {
    checkout().join(path)
}
