//! What was there before: findings that are known and not told again.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::finding::Finding;

/// The form of the file.
const VERSION: u32 = 1;

/// A file of known findings.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    findings: Vec<Entry>,
}

/// A known finding. Only the fingerprint counts, the rest is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// As in the finding.
    pub fingerprint: String,
    /// Name of the rule.
    pub rule_id: String,
    /// Path below the root.
    pub file: String,
    /// The class it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The property, variable, function or method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("this is no baseline: {0}")]
    Form(#[from] serde_json::Error),
    /// It is of another time.
    #[error("this is a baseline of version {0}, known is version {VERSION}: write it anew with --write-baseline")]
    Version(u32),
}

impl Baseline {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Unusable> {
        let baseline: Self = serde_json::from_slice(&fs::read(path)?)?;
        if baseline.version == VERSION { Ok(baseline) } else { Err(Unusable::Version(baseline.version)) }
    }

    /// Writes the findings as known, in their order.
    pub fn write(path: &Path, findings: &[Finding]) -> Result<(), Unusable> {
        let entries = findings.iter().map(|finding| Entry {
            fingerprint: finding.fingerprint.clone(),
            rule_id: finding.rule.id().to_owned(),
            file: finding.file.clone(),
            class: finding.class.clone(),
            member: finding.member.clone(),
        });
        let baseline = Self { version: VERSION, findings: entries.collect() };
        fs::write(path, format!("{}\n", serde_json::to_string_pretty(&baseline)?))?;
        Ok(())
    }

    /// Takes the known findings out; gives their number and the entries that nothing matches.
    pub(super) fn apply(&self, findings: &mut Vec<Finding>) -> (usize, Vec<Entry>) {
        let mut unmatched: BTreeMap<&str, &Entry> =
            self.findings.iter().map(|entry| (entry.fingerprint.as_str(), entry)).collect();
        let before = findings.len();
        findings.retain(|finding| unmatched.remove(finding.fingerprint.as_str()).is_none());
        let stale = self.findings.iter().filter(|entry| unmatched.contains_key(entry.fingerprint.as_str()));
        (before - findings.len(), stale.cloned().collect())
    }
}
