//! From facts to findings: the rules that need to know more than one place.

#![forbid(unsafe_code)]

mod services;
mod serving;
mod state;
mod statics;
mod wiring;

use std::collections::HashSet;
use std::path::Path;

use super::classes::Classes;
use super::facts::{Class, Facts};
use super::finding::{Finding, Place};
use super::rule::{Rule, Severity};
use super::symfony::Services;
use wiring::Wiring;

/// What is known beyond a single file.
struct Known<'f> {
    classes: Classes<'f>,
    services: &'f Services,
    /// Classes of which objects are made with `new`, in small letters.
    created: HashSet<String>,
    wiring: Wiring<'f>,
}

/// The findings of all files, each with the index of its file. `paths` are those of the files.
pub(super) fn judge(all: &[Facts], paths: &[&Path], configured: &Services) -> Vec<(usize, Finding)> {
    let created = all.iter().flat_map(|facts| &facts.created).map(|(name, _)| name.to_ascii_lowercase()).collect();
    let classes = Classes::new(all);
    let idle = serving::idle(&classes, all, paths, configured);
    let wiring = Wiring::new(all, &configured.wired, &idle, &created);
    let known = Known { classes, services: configured, created, wiring };
    let held = services::held(&known, all, paths);
    let writes = statics::writes(&known.classes, all);
    let mut found = Vec::new();
    for (index, facts) in all.iter().enumerate() {
        found.extend(facts.findings.iter().cloned().map(|finding| (index, finding)));
        let mut add = |finding| found.push((index, finding));
        for variable in &facts.variables {
            statics::variable(&known.classes, variable, &mut add);
        }
        for class in &facts.classes {
            statics::properties(&known.classes, class, &writes, &mut add);
            state::judge(&known, class, held.get(&class.name.to_ascii_lowercase()), &mut add);
            destructor(class, &mut add);
        }
    }
    found.retain(|(_, finding)| {
        !finding.class.as_deref().is_some_and(|class| idle.contains(&class.to_ascii_lowercase()))
    });
    found
}

/// RS004.
fn destructor(class: &Class, add: &mut impl FnMut(Finding)) {
    if let Some(destructor) = &class.destructor
        && let Some(effect) = &destructor.effect
    {
        let message = format!("the destructor does more than let go ({effect}): {}", Rule::Destructor.why());
        add(finding(Rule::Destructor, Severity::Warning, &destructor.place, Some(class), "__destruct()", message));
    }
}

fn finding(
    rule: Rule,
    severity: Severity,
    place: &Place,
    class: Option<&Class>,
    member: &str,
    message: String,
) -> Finding {
    Finding {
        rule,
        severity,
        file: String::new(),
        place: place.clone(),
        class: class.map(|class| class.name.clone()),
        member: Some(member.to_owned()),
        message,
        fix: rule.fix().to_owned(),
        fingerprint: String::new(),
    }
}

/// The last part of a name.
fn last(name: &str) -> &str {
    name.rsplit('\\').next().unwrap_or(name)
}
