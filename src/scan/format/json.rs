//! For programs: one document, or one a line.

#![forbid(unsafe_code)]

use serde_json::{Value, json};

use super::super::{Finding, Report, Severity};
use super::Threshold;

/// Form of the documents.
const VERSION: u32 = 1;

/// All in one.
pub(super) fn document(report: &Report, threshold: Threshold, created: &str) -> String {
    let mut document = summary(report, threshold, created);
    document["findings"] = report.findings.iter().map(finding).collect();
    document["problems"] = problems(report);
    document["stale"] = json!(report.stale);
    format!("{document:#}\n")
}

/// A line for each finding and for each problem, and the summary.
pub(super) fn lines(report: &Report, threshold: Threshold, created: &str) -> String {
    let mut out: String = report.findings.iter().map(|one| format!("{}\n", finding(one))).collect();
    for problem in problems(report).as_array().into_iter().flatten() {
        out.push_str(&format!("{problem}\n"));
    }
    let mut last = summary(report, threshold, created);
    last["stale"] = json!(report.stale);
    out.push_str(&format!("{last}\n"));
    out
}

fn finding(finding: &Finding) -> Value {
    json!({
        "ruleId": finding.rule.id(),
        "severity": finding.severity.name(),
        "file": finding.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "class": finding.class,
        "member": finding.member,
        "message": finding.message,
        "fix": finding.fix,
        "match": finding.place.matched,
        "excerpt": finding.place.excerpt,
        "fingerprint": finding.fingerprint,
    })
}

fn problems(report: &Report) -> Value {
    let one = |problem: &super::super::Problem| json!({ "file": problem.file, "line": problem.line, "problem": problem.message });
    report.problems.iter().map(one).collect()
}

fn summary(report: &Report, threshold: Threshold, created: &str) -> Value {
    json!({
        "version": VERSION,
        "tool": { "name": "supercharger scan", "version": env!("CARGO_PKG_VERSION") },
        "created_utc": created,
        "root": report.root,
        "failOn": threshold.name(),
        "failed": threshold.fails(report),
        "files": report.files,
        "findingCount": { "warning": report.count(Severity::Warning), "error": report.count(Severity::Error) },
        "total": report.findings.len(),
        "suppressed": report.suppressed,
        "known": report.known,
        "problemCount": report.problems.len(),
    })
}
