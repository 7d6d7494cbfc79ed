//! How a report is written.

#![forbid(unsafe_code)]

mod github;
mod json;
mod sarif;
mod text;

use super::rule::Severity;
use super::{Finding, Report};

/// The forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// One JSON document a finding and a line, and a summary as the last.
    Ndjson,
    /// SARIF 2.1.0, which code hosts show beside the code.
    Sarif,
    /// Commands of GitHub's workflows, which annotate a change.
    Github,
}

/// From which severity on the command fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// Errors fail.
    Error,
    /// Warnings too.
    Warning,
    /// Nothing does.
    None,
}

impl Threshold {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::None => "none",
        }
    }

    /// Whether the report fails. A file that could not be looked at is no proof of anything.
    pub fn fails(self, report: &Report) -> bool {
        match self {
            Self::None => false,
            Self::Error => !report.problems.is_empty() || report.count(Severity::Error) > 0,
            Self::Warning => !report.problems.is_empty() || !report.findings.is_empty(),
        }
    }
}

/// The report in a form. `created`: the moment, as RFC 3339 has it.
pub fn write(report: &Report, format: Format, threshold: Threshold, created: &str) -> String {
    match format {
        Format::Text => text::write(report),
        Format::Json => json::document(report, threshold, created),
        Format::Ndjson => json::lines(report, threshold, created),
        Format::Sarif => sarif::write(report),
        Format::Github => github::write(report),
    }
}

/// `1 error`, `2 errors`.
fn counted(count: usize, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

/// Class and member in one.
fn subject(finding: &Finding) -> String {
    match (&finding.class, &finding.member) {
        (Some(class), Some(member)) => format!("{class}::{member}"),
        (Some(name), None) | (None, Some(name)) => name.clone(),
        (None, None) => String::new(),
    }
}
