//! Comments that silence a finding: `// supercharger-ignore RS001: why this does no harm`.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use php_ast::Comment;

use super::finding::{Finding, Place};
use super::rule::{Rule, Severity};
use super::source::Lines;

/// How such a comment begins.
pub(super) const MARK: &str = "supercharger-ignore";

/// A comment that silences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suppression {
    pub(super) rules: Vec<Rule>,
    /// Lines that it is about: its own, and that of the next code.
    pub(super) lines: Vec<u32>,
    /// Why it silences nothing.
    pub(super) fault: Option<String>,
    pub(super) place: Place,
}

/// The suppressions among the comments. `attributes`: first and last lines of those, which may stand between the comment and its code.
pub(super) fn find<'a, 'src: 'a>(
    comments: impl Iterator<Item = &'a Comment<'src>>,
    attributes: &[(u32, u32)],
    lines: &Lines<'src>,
) -> Vec<Suppression> {
    let comments: Vec<_> = comments.collect();
    if !comments.iter().any(|comment| comment.text.contains(MARK)) {
        return Vec::new();
    }
    let mut between: BTreeSet<u32> = attributes.iter().flat_map(|&(first, last)| first..=last).collect();
    for comment in &comments {
        if is_alone(comment, lines) {
            between.extend(lines.line(comment.span.start)..=last_line(comment, lines));
        }
    }
    // For each line that may stand between, the line that comes after all of them: from the last up, so that no line is looked at twice.
    let mut code_after: BTreeMap<u32, u32> = BTreeMap::new();
    between.extend((1..=lines.count()).filter(|line| lines.is_blank(*line)));
    for line in between.iter().rev() {
        let next = code_after.get(&(line + 1)).copied().unwrap_or(line + 1);
        code_after.insert(*line, next);
    }
    let mut found = Vec::new();
    for comment in comments {
        for (at, _) in comment.text.match_indices(MARK) {
            let rest = comment.text[at + MARK.len()..].lines().next().unwrap_or_default();
            let (rules, fault) = read(rest.trim_end_matches("*/").trim());
            let start = comment.span.start + u32::try_from(at).unwrap_or_default();
            let place = lines.place(php_ast::Span::new(start, start + MARK.len() as u32));
            let mut covered = vec![place.line];
            if is_alone(comment, lines) {
                let next = last_line(comment, lines) + 1;
                covered.push(code_after.get(&next).copied().unwrap_or(next));
            }
            found.push(Suppression { rules, lines: covered, fault, place });
        }
    }
    found
}

/// Takes silenced findings away and gives their number; adds one for each comment that is wrong or silences nothing. `suppressions` stand in
/// the order of the files.
pub(super) fn apply(found: &mut Vec<(usize, Finding)>, suppressions: &[Vec<Suppression>]) -> usize {
    let mut used = BTreeSet::new();
    let before = found.len();
    // By file and line: a generated file may have thousands of both.
    let mut about: HashMap<(usize, u32), Vec<(usize, &Suppression)>> = HashMap::new();
    for (file, list) in suppressions.iter().enumerate() {
        for (index, one) in list.iter().enumerate().filter(|(_, one)| one.fault.is_none()) {
            for line in &one.lines {
                about.entry((file, *line)).or_default().push((index, one));
            }
        }
    }
    found.retain(|(file, finding)| {
        let mut by = false;
        for (index, one) in about.get(&(*file, finding.place.line)).into_iter().flatten() {
            if one.rules.contains(&finding.rule) {
                used.insert((*file, *index));
                by = true;
            }
        }
        !by
    });
    let silenced = before - found.len();
    for (file, list) in suppressions.iter().enumerate() {
        for (index, one) in list.iter().enumerate() {
            let (severity, what) = match &one.fault {
                Some(fault) => (Severity::Error, fault.as_str()),
                None if used.contains(&(file, index)) => continue,
                None => (Severity::Warning, "nothing is silenced by this comment"),
            };
            let rule = Rule::Suppression;
            let finding = Finding {
                rule,
                severity,
                file: String::new(),
                place: one.place.clone(),
                class: None,
                member: None,
                message: format!("{what}: {}", rule.why()),
                fix: rule.fix().to_owned(),
                fingerprint: String::new(),
            };
            found.push((file, finding));
        }
    }
    silenced
}

/// Whether a comment shares its lines with no code.
fn is_alone(comment: &Comment<'_>, lines: &Lines<'_>) -> bool {
    let end = comment.span.start + u32::try_from(comment.text.trim_end().len()).unwrap_or_default();
    lines.is_first(comment.span.start) && lines.is_last(end)
}

/// The line that a comment ends on; one that takes its line end with it does not reach into the next.
fn last_line(comment: &Comment<'_>, lines: &Lines<'_>) -> u32 {
    let text = comment.text.trim_end();
    lines.line(comment.span.start + u32::try_from(text.len().saturating_sub(1)).unwrap_or_default())
}

/// `RS001, RS005: reason`.
fn read(text: &str) -> (Vec<Rule>, Option<String>) {
    let (ids, reason) = text.split_once(':').unwrap_or((text, ""));
    let mut rules = Vec::new();
    for id in ids.split(|c: char| c == ',' || c.is_whitespace()).filter(|id| !id.is_empty()) {
        match Rule::named(id) {
            Some(Rule::Suppression) => return (rules, Some("RS000 cannot be silenced".to_owned())),
            Some(rule) => rules.push(rule),
            None => return (rules, Some(format!("{id} is no rule: RS001 to RS009, then a colon and the reason"))),
        }
    }
    let fault = if rules.is_empty() {
        Some("no rule is named".to_owned())
    } else if !reason.chars().any(char::is_alphanumeric) {
        Some("no reason is given".to_owned())
    } else {
        None
    };
    (rules, fault)
}

#[cfg(test)]
mod tests {
    use super::super::walk::walk;
    use super::*;

    fn found(text: &str) -> Vec<(Vec<u32>, bool)> {
        let suppressions = walk(text).suppressions;
        suppressions.into_iter().map(|one| (one.lines, one.fault.is_none())).collect()
    }

    #[test]
    fn what_is_read() {
        let cases: [(&str, usize, Option<&str>); 8] = [
            ("RS001: a constant table", 1, None),
            ("rs001, RS005: both are bounded", 2, None),
            ("RS001 RS006: x", 2, None),
            ("RS001", 1, Some("no reason")),
            ("RS001: -", 1, Some("no reason")),
            (": because", 0, Some("no rule")),
            ("RS1: because", 0, Some("is no rule")),
            ("RS000: because", 0, Some("cannot")),
        ];
        for (text, count, fault) in cases {
            let (rules, found) = read(text);
            assert_eq!(rules.len(), count, "{text}");
            assert_eq!(found.is_some(), fault.is_some(), "{text}: {found:?}");
            assert!(found.unwrap_or_default().contains(fault.unwrap_or_default()), "{text}");
        }
    }

    #[test]
    fn what_is_covered() {
        let line = "// supercharger-ignore RS001: why\n";
        let cases = [
            (format!("<?php\n{line}$x;\n"), vec![2, 3]),
            (format!("<?php\n$x; {line}$y;\n"), vec![2]),
            (
                format!(
                    "<?php class A {{\n{line}#[ORM\\Column(\n type: 'x',\n)]\n\n /** what it is */\n static $x;\n}}"
                ),
                vec![2, 8],
            ),
            (
                "<?php class A {\n /**\n  * supercharger-ignore RS001: why\n  * @var int\n  */\n static $x;\n}"
                    .to_owned(),
                vec![3, 6],
            ),
            (format!("<?php\n# nothing\n{line}# nothing\n$x;\n"), vec![3, 5]),
        ];
        for (text, lines) in cases {
            assert_eq!(found(&text), [(lines, true)], "{text}");
        }
        assert_eq!(found("<?php $x = '// supercharger-ignore RS001: a text';"), []);
        assert_eq!(found("<?php\n/* supercharger-ignore RS001 */ $x;"), [(vec![2], false)]);
    }
}
