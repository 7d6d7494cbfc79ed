//! What came out: JSON for machines, a Markdown table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::budget::{Budget, Quantity, Standing, Verdict};
use crate::machine::Machine;
use crate::peer::{PRODUCT, YARDSTICK};
use crate::probe::Answer;
use crate::round::{Plan, Sample};

/// Version of this program, as it stands in results. The bare server is part of it: without optimisation it is no yardstick.
const BENCH: &str = if cfg!(debug_assertions) {
    concat!(env!("CARGO_PKG_VERSION"), " without --release: figures of the bare server do not count")
} else {
    env!("CARGO_PKG_VERSION")
};

/// Rounds of one peer that differ by more than this part of their median say that the machine was not calm.
const CALM: f64 = 0.25;

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

/// One peer's part in a report.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
    version: Option<String>,
    command: Option<String>,
    pub(crate) answer: Option<Answer>,
    /// Resident memory after the last round.
    resident_bytes: u64,
    /// Per connection count: the median of each figure, and all samples.
    figures: BTreeMap<u32, Figures>,
}

#[derive(Debug, Serialize)]
struct Figures {
    median: Sample,
    /// Distance between the highest and the lowest throughput, as a part of the median.
    spread: f64,
    samples: Vec<Sample>,
}

impl Figures {
    fn new(samples: Vec<Sample>) -> Self {
        let median = median_of(&samples);
        let rates = || samples.iter().map(|sample| sample.requests_per_second);
        let range = rates().fold(f64::MIN, f64::max) - rates().fold(f64::MAX, f64::min);
        Self { spread: range / median.requests_per_second, median, samples }
    }
}

impl Entry {
    pub(crate) fn missing(name: &'static str, reason: String) -> Self {
        Self { missing: Some(reason), ..Self::new(name) }
    }

    pub(crate) fn found(name: &'static str, version: String, command: String, answer: Answer) -> Self {
        Self { version: Some(version), command: Some(command), answer: Some(answer), ..Self::new(name) }
    }

    fn new(name: &'static str) -> Self {
        Self {
            name,
            missing: None,
            version: None,
            command: None,
            answer: None,
            resident_bytes: 0,
            figures: BTreeMap::new(),
        }
    }

    pub(crate) fn measured(mut self, samples: BTreeMap<u32, Vec<Sample>>, resident_bytes: u64) -> Self {
        self.resident_bytes = resident_bytes;
        self.figures = samples.into_iter().map(|(connections, samples)| (connections, Figures::new(samples))).collect();
        self
    }

    /// The widest spread at any connection count.
    fn spread(&self) -> f64 {
        self.figures.values().map(|figures| figures.spread).fold(0.0, f64::max)
    }

    fn median(&self, connections: u32) -> Option<&Sample> {
        self.figures.get(&connections).map(|figures| &figures.median)
    }
}

/// The median of every figure by itself; counts are summed.
fn median_of(samples: &[Sample]) -> Sample {
    let middle = |figure: &dyn Fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
    };
    Sample {
        requests_per_second: middle(&|s| s.requests_per_second),
        cpu_us_per_request: middle(&|s| s.cpu_us_per_request),
        p50_us: middle(&|s| s.p50_us as f64) as u64,
        p99_us: middle(&|s| s.p99_us as f64) as u64,
        requests: samples.iter().map(|s| s.requests).sum(),
        errors: samples.iter().map(|s| s.errors).sum(),
    }
}

/// Everything one run of the bench found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    started: Stamp,
    bench: &'static str,
    machine: Machine,
    load_generator: String,
    plan: Plan,
    peers: Vec<Entry>,
    budget: Vec<Verdict>,
}

impl Report {
    pub(crate) fn new(
        started: Stamp,
        machine: Machine,
        load_generator: String,
        plan: Plan,
        peers: Vec<Entry>,
        budget: &Budget,
    ) -> Self {
        let budget = budget.judge(|name, connections, quantity| {
            let entry = peers.iter().find(|entry| entry.name == name)?;
            Some(entry.median(connections)?.figure(quantity))
        });
        Self { started, bench: BENCH, machine, load_generator, plan, peers, budget }
    }

    /// Whether every measured budget was kept, every request was answered well, and the product was there to be measured
    /// (other peers may be missing).
    pub(crate) fn passed(&self) -> bool {
        let product_missing = self.peers.iter().any(|entry| entry.name == PRODUCT && entry.missing.is_some());
        self.budget.iter().all(|verdict| verdict.standing != Standing::Fell) && self.errors() == 0 && !product_missing
    }

    fn errors(&self) -> u64 {
        self.peers.iter().flat_map(|entry| entry.figures.values()).map(|figures| figures.median.errors).sum()
    }

    /// Writes `<stamp>.json` and `<stamp>.md`; gives the former's path.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf, String> {
        let file = |kind: &str| folder.join(format!("{}.{kind}", self.started.file_name()));
        let json = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(file("json"), json + "\n"))
            .and_then(|()| fs::write(file("md"), self.markdown()))
            .map_err(|error| format!("cannot write results to {}: {error}", folder.display()))?;
        Ok(file("json"))
    }

    /// The report for people.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.render(&mut text);
        text
    }

    fn render(&self, out: &mut String) -> std::fmt::Result {
        let machine = &self.machine;
        writeln!(out, "# Hello, {}\n", self.started.0)?;
        writeln!(
            out,
            "{}, {} cores, {} MiB, Linux {}, load before {:.2}; {}; {} workers, {} I/O threads, {} rounds of {}; bench {}.\n",
            machine.cpu,
            machine.cores,
            machine.memory_mib,
            machine.kernel,
            machine.load_before,
            self.load_generator,
            self.plan.workers,
            self.plan.io_threads,
            self.plan.rounds,
            humantime::format_duration(self.plan.duration),
            self.bench,
        )?;
        writeln!(out, "| peer | c | requests/s | CPU us/request | p50 us | p99 us | errors |")?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|")?;
        for &connections in &self.plan.connections {
            for entry in &self.peers {
                let Some(median) = entry.median(connections) else { continue };
                writeln!(
                    out,
                    "| {} | {connections} | {:.0} | {:.1} | {} | {} | {} |",
                    entry.name,
                    median.requests_per_second,
                    median.cpu_us_per_request,
                    median.p50_us,
                    median.p99_us,
                    median.errors
                )?;
            }
        }
        writeln!(out)?;
        for entry in &self.peers {
            match (&entry.missing, &entry.version) {
                (Some(reason), _) => writeln!(out, "- {}: missing, {reason}", entry.name)?,
                (None, Some(version)) => {
                    writeln!(out, "- {}: {version}; {} MiB resident", entry.name, entry.resident_bytes / (1 << 20))?;
                }
                (None, None) => {}
            }
        }
        self.render_ratios(out)?;
        self.render_budget(out)
    }

    /// Every peer against the yardstick, at every connection count.
    fn render_ratios(&self, out: &mut String) -> std::fmt::Result {
        let Some(bare) = self.peers.iter().find(|entry| entry.name == YARDSTICK) else { return Ok(()) };
        let others = || self.peers.iter().filter(|entry| entry.name != YARDSTICK && entry.missing.is_none());
        if others().next().is_some() {
            writeln!(out)?;
        }
        for entry in others() {
            for &connections in &self.plan.connections {
                let (Some(own), Some(yard)) = (entry.median(connections), bare.median(connections)) else { continue };
                let ratio = |quantity| own.figure(quantity) / yard.figure(quantity);
                writeln!(
                    out,
                    "{} / bare at c={connections}: throughput {:.2}, CPU per request {:.2}",
                    entry.name,
                    ratio(Quantity::Throughput),
                    ratio(Quantity::Cpu)
                )?;
            }
        }
        Ok(())
    }

    fn render_budget(&self, out: &mut String) -> std::fmt::Result {
        if !self.budget.is_empty() {
            writeln!(out)?;
        }
        for verdict in &self.budget {
            let limits = match (verdict.min, verdict.max) {
                (Some(min), Some(max)) => format!("{min} to {max}"),
                (Some(min), None) => format!("at least {min}"),
                (None, Some(max)) => format!("at most {max}"),
                (None, None) => String::new(),
            };
            match (verdict.standing, verdict.value) {
                (Standing::Kept, Some(value)) => {
                    writeln!(out, "budget kept: {} = {value:.2} ({limits})", verdict.name)?
                }
                (Standing::Fell, Some(value)) => {
                    writeln!(out, "budget FELL: {} = {value:.2} ({limits})", verdict.name)?
                }
                _ => writeln!(out, "budget not measured: {} ({limits})", verdict.name)?,
            }
        }
        let widest = self.peers.iter().map(Entry::spread).fold(0.0, f64::max);
        if widest > CALM {
            writeln!(
                out,
                "\nThe rounds of one peer differ by {:.0} %: something else was running. Close it and measure again.",
                widest * 100.0
            )?;
        }
        if self.errors() > 0 {
            writeln!(out, "\n{} requests failed; the figures do not count.", self.errors())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(requests_per_second: f64, cpu_us_per_request: f64) -> Sample {
        Sample { requests_per_second, cpu_us_per_request, p50_us: 1, p99_us: 2, requests: 10, errors: 0 }
    }

    #[test]
    fn each_figure_has_its_own_median() {
        let median = median_of(&[sample(10.0, 3.0), sample(30.0, 1.0), sample(20.0, 2.0)]);
        assert!((median.requests_per_second - 20.0).abs() < f64::EPSILON);
        assert!((median.cpu_us_per_request - 2.0).abs() < f64::EPSILON);
        assert_eq!(median.requests, 30);
        let even = median_of(&[sample(10.0, 3.0), sample(30.0, 1.0)]);
        assert!((even.requests_per_second - 20.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_spread_is_a_part_of_the_median() {
        let figures = Figures::new(vec![sample(10.0, 1.0), sample(8.0, 1.0), sample(12.0, 1.0)]);
        assert!((figures.spread - 0.4).abs() < 1e-9);
    }

    #[test]
    fn file_names_have_no_colons() {
        assert_eq!(Stamp("2026-01-02T03:04:05Z".to_owned()).file_name(), "20260102T030405Z");
    }
}
