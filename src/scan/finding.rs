//! What is reported, and how a finding is known again after the lines around it have moved.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use ring::digest::{Context, SHA256};

use super::rule::{Rule, Severity};

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// The text itself, its first line.
    pub matched: String,
    /// The line, without the white space around it.
    pub excerpt: String,
}

/// Something that does not fit into a process that serves many requests.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was looked for.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// Path below the root, with `/`.
    pub file: String,
    /// Where in the file.
    pub place: Place,
    /// The class it is in, with its namespace.
    pub class: Option<String>,
    /// The property, variable, function or method.
    pub member: Option<String>,
    /// What it is and why it bites.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// See [`number`].
    pub fingerprint: String,
}

/// A file that could not be looked at, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path below the root.
    pub file: String,
    /// Counted from 1; 0 if it is about the whole file.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// Bytes of a fingerprint: a collision among a million findings is less likely than one in 10^26.
const FINGERPRINT_BYTES: usize = 16;

/// Puts findings in order and gives each its fingerprint: rule, severity, file, class, member and the text of the line, but not its number. Of
/// several that are equal in these, the first is the first.
pub(super) fn number(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.place.line, finding.place.column, finding.rule);
        a.file.cmp(&b.file).then_with(|| key(a).cmp(&key(b))).then_with(|| a.message.cmp(&b.message))
    });
    findings.dedup_by(|a, b| a.file == b.file && a.rule == b.rule && a.place == b.place && a.member == b.member);
    let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
    for finding in findings {
        let mut digest = Context::new(&SHA256);
        let severity = finding.severity.to_string();
        let parts = [
            finding.rule.id(),
            // What gets worse is something else: a baseline that knows the warning does not hide the error.
            &severity,
            &finding.file,
            finding.class.as_deref().unwrap_or_default(),
            finding.member.as_deref().unwrap_or_default(),
        ];
        for part in parts {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        }
        for word in finding.place.excerpt.split_whitespace() {
            digest.update(word.as_bytes());
            digest.update(b" ");
        }
        let digest = digest.finish().as_ref()[..FINGERPRINT_BYTES].to_vec();
        let times = seen.entry(digest.clone()).or_default();
        *times += 1;
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        finding.fingerprint = if *times == 1 { hex } else { format!("{hex}-{times}") };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(file: &str, line: u32, excerpt: &str) -> Finding {
        Finding {
            rule: Rule::StaticProperty,
            severity: Severity::Error,
            file: file.to_owned(),
            place: Place { line, column: 1, matched: String::new(), excerpt: excerpt.to_owned() },
            class: Some("A".to_owned()),
            member: Some("$x".to_owned()),
            message: String::new(),
            fix: String::new(),
            fingerprint: String::new(),
        }
    }

    fn prints(mut findings: Vec<Finding>) -> Vec<String> {
        number(&mut findings);
        findings.into_iter().map(|finding| finding.fingerprint).collect()
    }

    #[test]
    fn a_fingerprint_outlasts_what_moves_it() {
        let first = prints(vec![finding("a.php", 3, "private static $x;")]);
        assert_eq!(first, prints(vec![finding("a.php", 90, "private  static\t$x;")]), "moved and indented");
        assert_ne!(first, prints(vec![finding("b.php", 3, "private static $x;")]));
        assert_ne!(first, prints(vec![finding("a.php", 3, "public static $x;")]));
        let warning = Finding { severity: Severity::Warning, ..finding("a.php", 3, "private static $x;") };
        assert_ne!(first, prints(vec![warning]), "it has got worse");
    }

    #[test]
    fn equal_findings_are_told_apart_and_in_order() {
        let both = prints(vec![finding("a.php", 9, "x();"), finding("a.php", 3, "x();")]);
        assert_eq!(both[1], format!("{}-2", both[0]));
    }
}
