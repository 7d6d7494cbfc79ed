//! State that survives a request, as `supercharger scan` finds it.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::project::Project;
use super::report::{Diagnosis, Grade};
use crate::scan::{self, Choice, Severity};

/// So many are named; `scan` tells all.
const NAMED: usize = 3;

pub(super) fn judge(folder: &Path, project: &Project, diagnosis: &mut Diagnosis) {
    let paths = project.sources();
    let Ok(choice) = Choice::new(&[], &[], true) else { return };
    if paths.is_empty() {
        return;
    }
    let shown: Vec<_> =
        paths.iter().map(|path| path.strip_prefix(folder).unwrap_or(path).display().to_string()).collect();
    let report = scan::scan(&scan::Request { root: folder.to_owned(), paths, choice }, &|_, _| {});
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &report.findings {
        *counts.entry(finding.rule.id()).or_default() += 1;
    }
    let list: Vec<_> = counts.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
    let words = if list.is_empty() { format!("none in {} files", report.files) } else { list.join(", ") };
    diagnosis.fact("state_findings", words, json!(counts));
    let errors: Vec<_> = report.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let more = match errors.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let named: Vec<_> = errors
        .iter()
        .take(NAMED)
        .map(|finding| {
            format!(
                "{} {} ({}:{})",
                finding.rule,
                finding.member.as_deref().unwrap_or_default(),
                finding.file,
                finding.place.line
            )
        })
        .collect();
    let fix = format!("`supercharger scan {}` says why and what to do", shown.join(" "));
    if !errors.is_empty() {
        let message = format!("state survives from one request to the next: {}{more}", named.join(", "));
        diagnosis.complain(Grade::Warning, "state.found", message, fix.clone());
    }
    if let Some(problem) = report.problems.first() {
        let message =
            format!("{} files could not be looked at: {}: {}", report.problems.len(), problem.file, problem.message);
        diagnosis.complain(Grade::Warning, "state.unread", message, fix);
    }
}
