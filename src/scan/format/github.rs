//! Commands of GitHub's workflows: `::error file=...,line=...::message`.

#![forbid(unsafe_code)]

use super::super::Report;
use super::text::summary;

/// A command for each finding and each problem, and the summary as plain text.
pub(super) fn write(report: &Report) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        out.push_str(&format!(
            "::{} file={},line={},col={},title={}::{}\n",
            finding.severity.name(),
            property(&finding.file),
            finding.place.line,
            finding.place.column,
            property(&format!("{} {}", finding.rule.id(), finding.rule.title())),
            data(&format!("{} Fix: {}.", finding.message, finding.fix)),
        ));
    }
    for problem in &report.problems {
        let line = problem.line.max(1);
        out.push_str(&format!("::error file={},line={line}::{}\n", property(&problem.file), data(&problem.message)));
    }
    out.push_str(&format!("{}\n", summary(report)));
    out
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_a_command() {
        assert_eq!(property("a:b,c%\r\nd"), "a%3Ab%2Cc%25%0D%0Ad");
        assert_eq!(data("a:b,c%\n::error::x"), "a:b,c%25%0A::error::x");
    }
}
