//! SARIF 2.1.0 (OASIS, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>), the parts that GitHub and GitLab show.

#![forbid(unsafe_code)]

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::super::{Finding, Problem, Report, Rule, Severity};
use super::subject;

/// What may not stand in the path of a URI as it is (RFC 3986 section 3.3).
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The whole log.
pub(super) fn write(report: &Report) -> String {
    let results: Vec<_> = report.findings.iter().map(result).collect();
    let notifications: Vec<_> = report.problems.iter().map(notification).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "supercharger scan",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": Rule::ALL.map(rule),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.problems.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(rule: Rule) -> Value {
    json!({
        "id": rule.id(),
        "name": format!("{rule:?}"),
        "shortDescription": { "text": rule.title() },
        "fullDescription": { "text": rule.why() },
        "help": { "text": format!("{} Fix: {}.", rule.why(), rule.fix()) },
        "properties": { "tags": ["worker-mode", "state"] },
    })
}

fn level(severity: Severity) -> &'static str {
    severity.name()
}

fn result(finding: &Finding) -> Value {
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule).unwrap_or_default();
    let mut location = location(&finding.file, finding.place.line, Some(finding.place.column));
    let subject = subject(finding);
    if !subject.is_empty() {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": subject }]);
    }
    if !finding.place.excerpt.is_empty() {
        location["physicalLocation"]["region"]["snippet"] = json!({ "text": finding.place.excerpt });
    }
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": format!("{} Fix: {}.", finding.message, finding.fix) },
        "locations": [location],
        "partialFingerprints": { "superchargerScan/v1": finding.fingerprint },
    })
}

fn notification(problem: &Problem) -> Value {
    json!({
        "level": "error",
        "message": { "text": problem.message },
        "locations": [location(&problem.file, problem.line, None)],
    })
}

fn location(file: &str, line: u32, column: Option<u32>) -> Value {
    let base = if file.starts_with('/') { Value::Null } else { json!("%SRCROOT%") };
    let mut physical = json!({ "artifactLocation": { "uri": utf8_percent_encode(file, NOT_IN_PATH).to_string() } });
    if !base.is_null() {
        physical["artifactLocation"]["uriBaseId"] = base;
    }
    if line > 0 {
        physical["region"] = json!({ "startLine": line });
        if let Some(column) = column {
            physical["region"]["startColumn"] = json!(column);
        }
    }
    json!({ "physicalLocation": physical })
}
