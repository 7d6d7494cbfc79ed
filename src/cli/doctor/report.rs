//! What the doctor says.

#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// It does not run, or is open to strangers.
    Error,
    /// It costs time, memory or safety.
    Warning,
    /// It should be known.
    Note,
}

impl Grade {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that would bite.
#[derive(Debug)]
struct Complaint {
    grade: Grade,
    /// A stable name, for programs.
    id: &'static str,
    message: String,
    fix: String,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Diagnosis {
    /// What was detected: key, words for people, and the value for programs.
    facts: Vec<(&'static str, String, Value)>,
    complaints: Vec<Complaint>,
}

impl Diagnosis {
    /// Something that was detected.
    pub(super) fn fact(&mut self, key: &'static str, words: impl Into<String>, value: impl Into<Value>) {
        self.facts.push((key, words.into(), value.into()));
    }

    /// Something that would bite.
    pub(super) fn complain(
        &mut self,
        grade: Grade,
        id: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.complaints.push(Complaint { grade, id, message: message.into(), fix: fix.into() });
    }

    pub(super) fn count(&self, grade: Grade) -> usize {
        self.complaints.iter().filter(|one| one.grade == grade).count()
    }

    /// Worst first; within a grade as they were found.
    fn in_order(&self) -> Vec<&Complaint> {
        let mut complaints: Vec<_> = self.complaints.iter().collect();
        complaints.sort_by_key(|one| one.grade);
        complaints
    }

    /// For people.
    pub(super) fn text(&self, dir: &Path) -> String {
        let mut out = format!("{}\n\n", dir.display());
        let width = self.facts.iter().map(|(key, ..)| key.len()).max().unwrap_or_default();
        for (key, words, _) in &self.facts {
            writeln!(out, "  {:<width$}  {words}", key.replace('_', " ")).ok();
        }
        out.push('\n');
        for Complaint { grade, id, message, fix } in self.in_order() {
            writeln!(out, "{:<7}  {message}  [{id}]\n         fix: {fix}\n", grade.name()).ok();
        }
        let [errors, warnings, notes] = [Grade::Error, Grade::Warning, Grade::Note].map(|grade| self.count(grade));
        writeln!(out, "errors: {errors}, warnings: {warnings}, notes: {notes}").ok();
        out
    }

    /// For programs.
    pub(super) fn json(&self, dir: &Path) -> String {
        let facts: Map<String, Value> =
            self.facts.iter().map(|(key, _, value)| ((*key).to_owned(), value.clone())).collect();
        let complaints = self.in_order().into_iter().map(|Complaint { grade, id, message, fix }| {
            json!({ "severity": grade.name(), "id": id, "message": message, "fix": fix })
        });
        let document = json!({
            "version": 1,
            "dir": dir,
            "detected": facts,
            "findings": complaints.collect::<Vec<_>>(),
            "count": {
                "error": self.count(Grade::Error),
                "warning": self.count(Grade::Warning),
                "note": self.count(Grade::Note),
            },
        });
        format!("{document:#}\n")
    }
}
