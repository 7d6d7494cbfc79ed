//! Servers side by side under load: start them, compare their answers, warm up, measure in turn.

use std::time::Duration;

use crate::application::{self, Application};
use crate::figure::{Figures, Quantity, Sample};
use crate::peer::{Bare, Fpm, Frankenphp, Nginx, PRODUCT, Peer, Supercharger};
use crate::plan::Plan;
use crate::process::Server;
use crate::report::Entry;
use crate::stage::{Running, Stage};

/// Workers of the rows that show how the cost grows with them.
const SCALE: [u32; 5] = [1, 2, 4, 8, 16];

/// One application and who serves it. The first one that can be started sets the answer that the others must give.
pub(crate) struct Comparison {
    pub(crate) application: &'static Application,
    peers: Vec<Box<dyn Peer>>,
}

/// Every comparison under load.
pub(crate) fn all() -> Vec<Comparison> {
    let ours = || Box::new(Supercharger::plain()) as Box<dyn Peer>;
    let of = |application: &'static Application, peers: Vec<Box<dyn Peer>>| Comparison { application, peers };
    vec![
        of(&application::HELLO, vec![ours(), Box::new(Bare), Box::new(Frankenphp), Box::new(Fpm)]),
        of(
            &application::OBSERVED,
            vec![
                ours(),
                Box::new(Supercharger::observed()),
                Box::new(Supercharger::traced()),
                Box::new(Supercharger::drift("drift", 1)),
                Box::new(Supercharger::drift("drift_sampled", 100)),
            ],
        ),
        of(&application::SYMFONY, vec![ours(), Box::new(Frankenphp), Box::new(Fpm)]),
        of(&application::FILE, vec![ours(), Box::new(Nginx), Box::new(Frankenphp)]),
        of(&application::DOWNLOAD, vec![ours(), Box::new(Fpm), Box::new(Frankenphp)]),
        of(&application::UPLOADED, vec![ours(), Box::new(Fpm), Box::new(Frankenphp)]),
        of(&application::STORM, vec![ours(), Box::new(Supercharger::recycled())]),
        of(&application::SYMFONY_STORM, vec![ours(), Box::new(Supercharger::recycled())]),
        of(
            &application::SCALE,
            SCALE.iter().map(|workers| Box::new(Supercharger::of_workers(*workers)) as Box<dyn Peer>).collect(),
        ),
    ]
}

/// What a comparison leaves behind: who took part, who did not and why, what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) entries: Vec<Entry>,
    pub(crate) faults: Vec<String>,
}

impl Comparison {
    /// Names of its peers.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.peers.iter().map(|peer| peer.name()).collect()
    }

    /// Runs it; what is measured goes to `figures`.
    pub(crate) fn run(self, stage: &Stage<'_>, figures: &mut Figures) -> Outcome {
        let application = self.application;
        let mut outcome = Outcome::default();
        if let Some(reason) = application.missing(&stage.plan.bench) {
            outcome.faults.push(format!("{}: {reason}", application.name));
            return outcome;
        }
        let mut running: Vec<Running> = Vec::new();
        for peer in self.peers.into_iter().filter(|peer| stage.plan.wants(peer.name())) {
            let name = peer.name().to_owned();
            if let Err(reason) = peer.find(stage.plan, stage.found) {
                note(&format!("{}: {name} is missing: {reason}", application.name));
                if name == PRODUCT {
                    outcome.faults.push(format!("{}: {name}: {reason}", application.name));
                }
                outcome.entries.push(Entry::missing(application.name, &name, reason));
                continue;
            }
            match stage.start(peer, application, running.first().map(|first| &first.answer)) {
                Ok(one) => running.push(one),
                Err(error) => outcome.fault(application, &name, &error),
            }
        }
        running.retain_mut(|one| {
            warm_up(stage.plan, application, one)
                .map_err(|error| outcome.fault(application, one.peer.name(), &error))
                .is_ok()
        });
        same_php(&running).unwrap_or_else(|error| outcome.faults.push(format!("{}: {error}", application.name)));
        for connections in stage.plan.connections(application) {
            for round in 1..=stage.plan.rounds {
                running.retain_mut(|one| match measure(stage.plan, application, &mut one.server, connections) {
                    Ok(sample) => {
                        told(application, connections, round, stage.plan, one.peer.name(), &sample);
                        figures.add(application.name, one.peer.name(), connections, sample);
                        true
                    }
                    Err(error) => {
                        outcome.fault(application, one.peer.name(), &error);
                        false
                    }
                });
            }
        }
        for one in running {
            let requests = figures
                .cells()
                .iter()
                .filter(|cell| cell.application == application.name && cell.peer == one.peer.name())
                .filter_map(|cell| cell.median.get(&Quantity::Requests))
                .sum::<f64>();
            if let Err(error) = one.peer.check(&one.folder, requests as u64) {
                outcome.fault(application, one.peer.name(), &error);
            }
            outcome.entries.push(one.entry);
        }
        outcome
    }
}

impl Outcome {
    /// A peer that is there and does not do its work is a fault of the run, not a missing peer.
    pub(crate) fn fault(&mut self, application: &Application, peer: &str, error: &str) {
        note(&format!("{}: {peer}: {error}", application.name));
        self.faults.push(format!("{}: {peer}: {error}", application.name));
    }
}

fn warm_up(plan: &Plan, application: &Application, one: &mut Running) -> Result<(), String> {
    note(&format!("{}: warming up {}", application.name, one.peer.name()));
    let connections = plan.connections(application).last().copied().unwrap_or(1);
    let script = application.load(&plan.bench);
    plan.load(application, &script, connections, plan.warm_up).run(one.server.address)?;
    let workers = one.peer.workers().unwrap_or(plan.workers);
    one.look_inside(application, workers)
}

/// Refuses to compare servers whose PHP is not the same.
fn same_php(running: &[Running]) -> Result<(), String> {
    let mut known = running.iter().filter_map(|one| Some((one.peer.name(), one.entry.php.as_ref()?)));
    let Some((first, state)) = known.next() else { return Ok(()) };
    match known.find(|(_, other)| !other.same_as(state)) {
        Some((name, other)) => Err(format!("PHP differs: {first}: {}; {name}: {}", state.told(), other.told())),
        None => Ok(()),
    }
}

/// One round of one server.
pub(crate) fn measure(
    plan: &Plan,
    application: &Application,
    server: &mut Server,
    connections: u32,
) -> Result<Sample, String> {
    let script = application.load(&plan.bench);
    measure_for(plan, application, &script, server, connections, plan.duration)
}

fn measure_for(
    plan: &Plan,
    application: &Application,
    script: &std::path::Path,
    server: &mut Server,
    connections: u32,
    duration: Duration,
) -> Result<Sample, String> {
    let before = server.cpu_time();
    let counted = plan.load(application, script, connections, duration).run(server.address)?;
    let used = server.cpu_time().saturating_sub(before);
    server.must_be_alive("during the measurement")?;
    if counted.requests == 0 {
        return Err(format!("not one request was answered:\n{}", server.last_words()));
    }
    let requests = counted.requests as f64;
    Ok(Sample::from([
        (Quantity::Throughput, requests / (counted.duration_us as f64 / 1e6)),
        (Quantity::CpuUs, used.as_secs_f64() * 1e6 / requests),
        (Quantity::P50Us, counted.p50_us as f64),
        (Quantity::P99Us, counted.p99_us as f64),
        (Quantity::Requests, requests),
        (Quantity::Errors, counted.errors as f64),
    ]))
}

fn told(application: &Application, connections: u32, round: u32, plan: &Plan, peer: &str, sample: &Sample) {
    let figure = |quantity| sample.get(&quantity).copied().unwrap_or(f64::NAN);
    note(&format!(
        "{} c={connections} round {round}/{}: {peer:<14} {:>9.0} requests/s {:>8.1} us CPU  p99 {}{}",
        application.name,
        plan.rounds,
        figure(Quantity::Throughput),
        figure(Quantity::CpuUs),
        Quantity::P99Us.shown(figure(Quantity::P99Us)),
        match figure(Quantity::Errors) {
            errors if errors > 0.0 => format!("  {errors} FAILED"),
            _ => String::new(),
        }
    ));
}

/// A line of progress.
pub(crate) fn note(text: &str) {
    eprintln!("[bench] {text}");
}
