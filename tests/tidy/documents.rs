//! Configuration, changelog, lock file, PHP sources: everything that is not Rust.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Source, at, report, sources};

/// Hosts of package registries, in two parts, so that this file does not name them either. Where packages come
/// from is the machine's affair: a mirror written down here would be the wrong one elsewhere.
const REGISTRIES: [(&str, &str); 9] = [
    ("deb", "debian.org"),
    ("security", "debian.org"),
    ("static", "crates.io"),
    ("index", "crates.io"),
    ("registry", "npmjs.org"),
    ("files", "pythonhosted.org"),
    ("proxy", "golang.org"),
    ("repo", "maven.apache.org"),
    ("repo", "packagist.org"),
];

fn registry_hosts(file: &Source) -> Vec<String> {
    let hosts = REGISTRIES.map(|(first, rest)| format!("{first}.{rest}"));
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| hosts.iter().any(|host| line.contains(host.as_str())))
        .map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim()))
        .collect()
}

/// Sources in a lock file that are not the public index by its well-known name.
fn foreign_sources(lock: &str) -> Vec<String> {
    let public = "registry+https://github.com/rust-lang/crates.io-index";
    lock.lines()
        .filter_map(|line| line.strip_prefix("source = "))
        .filter(|source| source.trim_matches('"') != public)
        .map(str::to_owned)
        .collect()
}

/// Keys of a TOML file, set or shown in a comment, that no comment explains. A key may share the comment of the
/// key directly above it only by standing on the same line.
fn unexplained_keys(toml: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut explained = false;
    for (index, line) in toml.lines().enumerate() {
        let line = line.trim();
        let shown = line.strip_prefix('#').map_or(line, str::trim_start);
        if is_key(shown) {
            if !explained && !shown.contains(" # ") {
                faults.push(format!("line {}: {shown}", index + 1));
            }
            explained = false;
        } else {
            explained = line.starts_with('#') && line.len() > 2;
        }
    }
    faults
}

/// `name = value`, with a name of configuration keys.
fn is_key(line: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else { return false };
    let name = name.trim_end();
    !name.is_empty()
        && !value.trim().is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.'))
}

fn has_version(changelog: &str, version: &str) -> bool {
    changelog
        .lines()
        .any(|line| line.starts_with(&format!("## [{version}]")) || line.starts_with(&format!("## {version}")))
}

fn not_strict(file: &Source) -> Option<String> {
    let strict = file.text.contains("declare(strict_types=1);");
    (!strict).then(|| format!("{}: no declare(strict_types=1)", file.path))
}

/// PHP files that must be strict: ours. Faulty fixtures are exempt where the fault is the point; what Symfony's
/// recipes generate stays as it is generated.
fn is_our_php(path: &str) -> bool {
    let php = Path::new(path).extension().is_some_and(|extension| extension == "php");
    let ours = ["php/", "tests/apps/", "examples/symfony/src/"].iter().any(|place| path.starts_with(place));
    php && ours
}

#[test]
fn no_registry_is_named() {
    let faults: Vec<_> = sources(|_| true).iter().flat_map(registry_hosts).collect();
    report("package registries in tracked files", &faults);
}

#[test]
fn lock_files_name_the_public_index_only() {
    let locks = sources(|path| path.ends_with("Cargo.lock"));
    assert!(!locks.is_empty(), "Cargo.lock is tracked");
    let faults: Vec<_> = locks.iter().flat_map(|file| foreign_sources(&file.text)).collect();
    report("sources in Cargo.lock", &faults);
}

#[test]
fn every_configuration_key_is_explained() {
    let file = at("config/supercharger.toml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    report("config/supercharger.toml", &unexplained_keys(&text));
    let keys = text.lines().filter(|line| is_key(line.trim().trim_start_matches('#').trim())).count();
    assert!(keys >= 5, "only {keys} keys: is the file as it should be?");
}

#[test]
fn the_changelog_has_the_current_version() {
    let text = std::fs::read_to_string(at("CHANGELOG.md")).expect("CHANGELOG.md");
    let version = env!("CARGO_PKG_VERSION");
    assert!(has_version(&text, version), "CHANGELOG.md has no section for {version}");
}

#[test]
fn php_sources_are_strict() {
    let files = sources(is_our_php);
    assert!(!files.is_empty(), "there are PHP sources");
    let faults: Vec<_> = files.iter().filter_map(not_strict).collect();
    report("PHP sources", &faults);
}

/// What a clone needs to be used at all.
#[test]
fn the_first_files_are_there() {
    let wanted = [
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Cargo.lock",
        "LICENSE",
        "Makefile",
        "README.md",
        "SAFETY.md",
        "rust-toolchain.toml",
        ".ci/run",
        "tests/README.md",
    ];
    let there: BTreeSet<String> = super::tracked().into_iter().collect();
    let faults: Vec<_> = wanted.iter().filter(|name| !there.contains(**name)).map(|name| (*name).to_owned()).collect();
    report("missing files", &faults);
}

#[test]
fn negative_control_planted_faults_are_found() {
    let file = |text: &str| Source { path: "a".to_owned(), text: text.to_owned() };
    let (first, rest) = REGISTRIES[0];
    assert_eq!(registry_hosts(&file(&format!("from\nhttps://{first}.{rest}/x"))).len(), 1);
    assert_eq!(foreign_sources("source = \"registry+https://mirror.example/index\"\n").len(), 1);
    assert!(foreign_sources("source = \"registry+https://github.com/rust-lang/crates.io-index\"\n").is_empty());
    let toml =
        "# What it is.\n[server]\n# Where it listens.\nlisten = 1\nsilent = 2\nbeside = 3 # said here\n# hidden = 4\n";
    assert_eq!(unexplained_keys(toml), ["line 5: silent = 2", "line 7: hidden = 4"]);
    assert!(has_version("## [0.1.0] - 2026-01-01", "0.1.0") && !has_version("## [Unreleased]", "0.1.0"));
    assert!(not_strict(&file("<?php echo 1;")).is_some());
    assert!(is_our_php("php/src/A.php") && !is_our_php("examples/symfony/public/index.php"));
}
