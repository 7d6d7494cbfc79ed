//! For people.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::{Report, Severity};
use super::{counted, subject};

/// Files, and below each its findings.
pub(super) fn write(report: &Report) -> String {
    let mut out = String::new();
    let mut file = "";
    for finding in &report.findings {
        if finding.file != file {
            file = &finding.file;
            push(&mut out, format_args!("{file}\n"));
        }
        let place = format!("{}:{}", finding.place.line, finding.place.column);
        push(&mut out, format_args!("  {place:<8} {:<7} {}  {}\n", finding.severity, finding.rule, subject(finding)));
        push(&mut out, format_args!("           {}\n", finding.message));
        if !finding.place.excerpt.is_empty() {
            push(&mut out, format_args!("           > {}\n", finding.place.excerpt));
        }
        push(&mut out, format_args!("           fix: {}\n\n", finding.fix));
    }
    for problem in &report.problems {
        let line = if problem.line > 0 { format!(":{}", problem.line) } else { String::new() };
        push(&mut out, format_args!("{}{line}: {}\n", problem.file, problem.message));
    }
    for entry in &report.stale {
        let member = entry.member.as_deref().unwrap_or_default();
        push(
            &mut out,
            format_args!(
                "the baseline knows {} {member} in {}, which is no more: write it anew\n",
                entry.rule_id, entry.file
            ),
        );
    }
    push(&mut out, format_args!("{}\n", summary(report)));
    out
}

/// One line.
pub(super) fn summary(report: &Report) -> String {
    let mut text = format!(
        "{}, {} in {}",
        counted(report.count(Severity::Error), "error"),
        counted(report.count(Severity::Warning), "warning"),
        counted(report.files, "file"),
    );
    if !report.problems.is_empty() {
        let files: BTreeSet<_> = report.problems.iter().map(|problem| &problem.file).collect();
        push(&mut text, format_args!("; {} not looked at, or not wholly", counted(files.len(), "file")));
    }
    if report.suppressed > 0 {
        push(&mut text, format_args!("; {} silenced by comments", report.suppressed));
    }
    if report.known > 0 {
        push(&mut text, format_args!("; {} known from the baseline", report.known));
    }
    text
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    out.write_fmt(text).ok();
}
