//! What came out: JSON for machines, Markdown for people.

mod markdown;
mod page;
mod plot;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::budget::{Budget, Standing, Verdict};
use crate::figure::{Cell, Figures};
use crate::machine::Machine;
use crate::peer::PRODUCT;
use crate::plan::Plan;
use crate::probe::Answer;
use crate::state::State;
use crate::target::{self, Row};

/// Version of this program, as it stands in results. The bare server is part of it: without optimisation it is no yardstick.
const BENCH: &str = if cfg!(debug_assertions) {
    concat!(env!("CARGO_PKG_VERSION"), " without --release: figures of the bare server do not count")
} else {
    env!("CARGO_PKG_VERSION")
};

/// When the bench started, in UTC.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Stamp(String);

impl Stamp {
    pub(crate) fn now() -> Self {
        Self(humantime::format_rfc3339_seconds(SystemTime::now()).to_string())
    }

    /// Without the characters that file names should not have.
    fn file_name(&self) -> String {
        self.0.chars().filter(|c| !matches!(c, ':' | '-')).collect()
    }
}

/// One peer's part in one comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    application: String,
    peer: String,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    version: Option<String>,
    /// How each of its processes was started.
    commands: Vec<String>,
    /// Its configuration files: name and text.
    files: Vec<(String, String)>,
    answer: Option<Answer>,
    /// What served, as the application told it.
    pub(crate) php: Option<State>,
}

impl Entry {
    pub(crate) fn missing(application: &str, peer: &str, reason: String) -> Self {
        Self {
            application: application.to_owned(),
            peer: peer.to_owned(),
            missing: Some(reason),
            version: None,
            commands: Vec::new(),
            files: Vec::new(),
            answer: None,
            php: None,
        }
    }

    pub(crate) fn new(
        application: &str,
        peer: &str,
        version: String,
        commands: Vec<String>,
        files: Vec<(String, String)>,
        answer: &Answer,
    ) -> Self {
        Self {
            missing: None,
            version: Some(version),
            commands,
            files,
            answer: Some(answer.clone()),
            ..Self::missing(application, peer, String::new())
        }
    }
}

/// Everything one run of the bench found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    started: Stamp,
    took_s: u64,
    bench: &'static str,
    machine: Machine,
    load_generator: String,
    plan: Plan,
    entries: Vec<Entry>,
    figures: Figures,
    targets: Vec<Row>,
    budget: Vec<Verdict>,
    /// What went wrong: with one of these the figures do not count.
    faults: Vec<String>,
}

/// What a run has gathered.
pub(crate) struct Gathered {
    pub(crate) started: Stamp,
    pub(crate) took: Duration,
    pub(crate) machine: Machine,
    pub(crate) load_generator: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) figures: Figures,
    pub(crate) faults: Vec<String>,
}

impl Report {
    pub(crate) fn new(plan: Plan, gathered: Gathered, budget: &Budget) -> Self {
        let targets = target::table(&gathered.figures, plan.workers);
        let budget = budget.judge(&targets);
        Self {
            started: gathered.started,
            took_s: gathered.took.as_secs(),
            bench: BENCH,
            machine: gathered.machine,
            load_generator: gathered.load_generator,
            plan,
            entries: gathered.entries,
            figures: gathered.figures,
            targets,
            budget,
            faults: gathered.faults,
        }
    }

    /// Whether every measured budget was kept, every request of ours was answered well and nothing went wrong (peers may be missing,
    /// and may fail requests: that stands in the table).
    pub(crate) fn passed(&self) -> bool {
        self.budget.iter().all(|verdict| verdict.standing != Standing::Fell)
            && self.figures.errors(is_ours) == 0.0
            && self.faults.is_empty()
    }

    /// Writes `<stamp>.json`, `<stamp>.md` and the plots; gives the first one's path.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf, String> {
        let stamp = self.started.file_name();
        let file = |kind: &str| folder.join(format!("{stamp}.{kind}"));
        let json = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(file("json"), json + "\n"))
            .and_then(|()| fs::write(file("md"), self.markdown()))
            .map_err(|error| format!("cannot write results to {}: {error}", folder.display()))?;
        for (name, svg) in self.plots() {
            let path = folder.join(format!("{stamp}-{name}.svg"));
            fs::write(&path, svg).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(file("json"))
    }
}

/// Servers of this repository; the bare one is the bench's own.
fn is_ours(cell: &Cell) -> bool {
    !["frankenphp", "nginx_fpm", "nginx", "bare"].contains(&cell.peer.as_str())
}

/// Name of the peer that plots and tables begin with.
fn is_product(peer: &str) -> bool {
    peer == PRODUCT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_have_no_colons() {
        assert_eq!(Stamp("2026-01-02T03:04:05Z".to_owned()).file_name(), "20260102T030405Z");
    }
}
