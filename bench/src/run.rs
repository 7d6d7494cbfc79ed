//! A whole run: every comparison, one after the other.

use std::time::Instant;

use crate::alone::Alone;
use crate::budget::Budget;
use crate::comparison::{Outcome, note};
use crate::figure::Figures;
use crate::load;
use crate::machine::{self, Machine};
use crate::peer::Found;
use crate::plan::Plan;
use crate::report::{Gathered, Report, Stamp};
use crate::stage::{self, Scratch, Stage};
use crate::{alone, comparison};

/// Runs the plan.
pub(crate) fn run(plan: Plan, budget: &Budget) -> Result<Report, String> {
    known(&plan)?;
    let load_generator = load::find()?;
    let mut machine = Machine::look();
    let (started, began) = (Stamp::now(), Instant::now());
    let found = Found::look(&plan.bench)?;
    let scratch = Scratch::new()?;
    let collector = stage::collector(&scratch)?;
    let stage = Stage { plan: &plan, found: &found, scratch: &scratch, collector: collector.address };
    let mut figures = Figures::default();
    let mut all = Outcome::default();
    let mut keep = |outcome: Outcome| {
        all.entries.extend(outcome.entries);
        all.faults.extend(outcome.faults);
    };
    for comparison in comparison::all().into_iter().filter(|one| plan.includes(one.application.name)) {
        // With only one of its servers wanted there is nothing to compare, unless that is what was asked for.
        let wanted = comparison.names().into_iter().filter(|name| plan.wants(name)).count();
        if wanted >= 2 || (wanted == 1 && !plan.only.is_empty()) {
            note(&format!("{}: {}", comparison.application.name, comparison.application.what));
            keep(comparison.run(&stage, &mut figures));
        }
    }
    for one in alone::ALL.into_iter().filter(|one| plan.includes(Alone::name(*one))) {
        keep(one.run(&stage, &mut figures));
    }
    machine.load_after = machine::load();
    let gathered = Gathered {
        started,
        took: began.elapsed(),
        machine,
        load_generator,
        entries: all.entries,
        figures,
        faults: all.faults,
    };
    drop(collector);
    drop(scratch);
    Ok(Report::new(plan, gathered, budget))
}

/// Every comparison and its peers, on standard output.
pub(crate) fn list() {
    for comparison in comparison::all() {
        let application = comparison.application;
        println!("{:<14} {}: {}", application.name, application.what, comparison.names().join(", "));
    }
    for one in alone::ALL {
        println!("{:<14} a server by itself", one.name());
    }
}

/// Refuses names that nothing bears.
fn known(plan: &Plan) -> Result<(), String> {
    let comparisons = comparison::all();
    let mut names: Vec<&str> = comparisons.iter().map(|one| one.application.name).collect();
    names.extend(alone::ALL.map(Alone::name));
    if let Some(unknown) = plan.only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!("there is no comparison '{unknown}'; known: {}", names.join(", ")));
    }
    let mut peers: Vec<&str> = comparisons.iter().flat_map(comparison::Comparison::names).collect();
    peers.sort_unstable();
    peers.dedup();
    match plan.peers.iter().find(|name| !peers.contains(&name.as_str())) {
        Some(unknown) => Err(format!("there is no peer '{unknown}'; known: {}", peers.join(", "))),
        None => Ok(()),
    }
}
