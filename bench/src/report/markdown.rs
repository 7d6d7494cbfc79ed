//! The report as Markdown.

use std::collections::BTreeSet;
use std::fmt::{Result, Write as _};

use super::Report;
use crate::budget;
use crate::figure::{Cell, Quantity};
use crate::target::{Row, Standing};

/// Rounds of one peer that differ by more than this part of their median say that the machine was not calm.
const CALM: f64 = 0.25;

impl Report {
    /// The report for people.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.render(&mut text);
        text
    }

    fn render(&self, out: &mut String) -> Result {
        writeln!(out, "# Bench, {}\n", self.started.0)?;
        self.render_summary(out)?;
        writeln!(out, "\n## Targets\n")?;
        self.render_targets(out)?;
        writeln!(out, "\n## Figures\n")?;
        self.render_figures(out)?;
        writeln!(out, "\n## Servers\n")?;
        self.render_peers(out)?;
        self.render_verdicts(out)
    }

    pub(super) fn render_summary(&self, out: &mut String) -> Result {
        let (machine, plan) = (&self.machine, &self.plan);
        writeln!(
            out,
            "{}, {} cores, {} MiB, Linux {}, load {:.2} before and {:.2} after; {}; {} workers, {} I/O threads, {} rounds of {}, JIT {}; \
             bench {}, {} s in all.",
            machine.cpu,
            machine.cores,
            machine.memory_mib,
            machine.kernel,
            machine.load_before,
            machine.load_after,
            self.load_generator,
            plan.workers,
            plan.io_threads,
            plan.rounds,
            humantime::format_duration(plan.duration),
            if plan.jit { "tracing" } else { "off" },
            self.bench,
            self.took_s,
        )
    }

    pub(super) fn render_targets(&self, out: &mut String) -> Result {
        writeln!(out, "| row | figure | ours | theirs | ratio | target | |")?;
        writeln!(out, "|---|---|---:|---:|---:|---:|---|")?;
        for row in &self.targets {
            let side = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| row.quantity.shown(value));
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                row.what,
                row.quantity.title(),
                side(row.of),
                side(row.to),
                row.shown(),
                row.bound.shown(),
                standing(row),
            )?;
        }
        Ok(())
    }

    pub(super) fn render_figures(&self, out: &mut String) -> Result {
        writeln!(out, "| application | c | server | throughput | CPU per request | p50 | p99 | failed | spread |")?;
        writeln!(out, "|---|---:|---|---:|---:|---:|---:|---:|---:|")?;
        for cell in self.in_order().filter(|cell| cell.connections > 0) {
            let shown = |quantity: Quantity| {
                cell.median.get(&quantity).map_or_else(String::new, |value| quantity.shown(*value))
            };
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {:.0} % |",
                cell.application,
                cell.connections,
                cell.peer,
                shown(Quantity::Throughput),
                shown(Quantity::CpuUs),
                shown(Quantity::P50Us),
                shown(Quantity::P99Us),
                shown(Quantity::Errors),
                cell.spread() * 100.0,
            )?;
        }
        writeln!(out, "\n| by itself | server | |\n|---|---|---:|")?;
        for cell in self.in_order().filter(|cell| cell.connections == 0) {
            for (quantity, value) in &cell.median {
                writeln!(out, "| {} | {} | {} |", quantity.title(), cell.peer, quantity.shown(*value))?;
            }
        }
        Ok(())
    }

    /// Cells by application as they were run, connections, and peer.
    fn in_order(&self) -> impl Iterator<Item = &Cell> {
        let mut applications: Vec<&str> = Vec::new();
        for cell in self.figures.cells() {
            if !applications.contains(&cell.application.as_str()) {
                applications.push(&cell.application);
            }
        }
        applications
            .into_iter()
            .flat_map(|name| self.figures.cells().iter().filter(move |cell| cell.application == name))
    }

    pub(super) fn render_peers(&self, out: &mut String) -> Result {
        let mut seen = BTreeSet::new();
        for entry in &self.entries {
            match (&entry.missing, &entry.version) {
                (Some(reason), _) if seen.insert((entry.peer.clone(), reason.clone())) => {
                    writeln!(out, "- {}: missing: {reason}", entry.peer)?;
                }
                (None, Some(version)) if seen.insert((entry.peer.clone(), version.clone())) => {
                    writeln!(out, "- {}: {version}", entry.peer)?;
                }
                _ => {}
            }
        }
        for entry in &self.entries {
            if let Some(php) = &entry.php {
                writeln!(out, "- {}, {}: {}", entry.application, entry.peer, php.told())?;
            }
        }
        Ok(())
    }

    fn render_verdicts(&self, out: &mut String) -> Result {
        writeln!(out, "\n## Budget\n")?;
        for verdict in &self.budget {
            let limits = match (verdict.min, verdict.max) {
                (Some(min), Some(max)) => format!("{min} to {max}"),
                (Some(min), None) => format!("at least {min}"),
                (None, Some(max)) => format!("at most {max}"),
                (None, None) => String::new(),
            };
            match (verdict.standing, verdict.value) {
                (budget::Standing::Kept, Some(value)) => {
                    writeln!(out, "- kept: {} = {value:.2} ({limits})", verdict.name)?;
                }
                (budget::Standing::Fell, Some(value)) => {
                    writeln!(out, "- **FELL**: {} = {value:.2} ({limits})", verdict.name)?;
                }
                _ => writeln!(out, "- not measured: {} ({limits})", verdict.name)?,
            }
        }
        let widest = self.figures.cells().iter().map(Cell::spread).fold(0.0, f64::max);
        if widest > CALM {
            writeln!(
                out,
                "\nThe rounds of one server differ by {:.0} %: something else was running. Close it and measure again.",
                widest * 100.0
            )?;
        }
        for fault in &self.faults {
            writeln!(out, "\nFAULT: {fault}")?;
        }
        let failed = self.figures.errors(super::is_ours);
        if failed > 0.0 {
            writeln!(out, "\n{failed} requests to supercharger failed; the figures do not count.")?;
        }
        Ok(())
    }
}

fn standing(row: &Row) -> &'static str {
    match row.standing {
        Standing::Reached => "reached",
        Standing::NotReached => "**not reached**",
        Standing::NotMeasured => "not measured",
        Standing::Shown => "",
    }
}
