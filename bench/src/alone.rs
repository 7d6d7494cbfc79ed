//! What a server is by itself, with nobody who presses: memory of one more worker, time to start, memory that requests leave.

use std::thread;
use std::time::{Duration, Instant};

use crate::application::{self, Application};
use crate::comparison::{Outcome, measure, note};
use crate::figure::{At, Figures, Quantity, Sample};
use crate::peer::{Fpm, Frankenphp, Keeps, Peer, Supercharger};
use crate::probe;
use crate::process::Server;
use crate::report::Entry;
use crate::stage::{Stage, first_answer};

/// Workers by which the memory of one is told: the step is larger than the noise.
const MORE: u32 = 4;
/// Rest before memory is read, in which garbage is collected and threads give back what they do not need.
const REST: Duration = Duration::from_secs(2);
/// How long a server may take to its first answer.
const LONGEST_START: Duration = Duration::from_secs(60);
/// Pause between two tries at a server that is starting.
const POLL: Duration = Duration::from_millis(10);
/// Requests before the slope of memory is taken.
const SETTLED: f64 = 10_000.0;

/// One such row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alone {
    Memory,
    Start,
    Slope,
}

/// All of them.
pub(crate) const ALL: [Alone; 3] = [Alone::Memory, Alone::Start, Alone::Slope];

impl Alone {
    /// As it stands in results and in `--only`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Start => "start",
            Self::Slope => application::MIXED.name,
        }
    }

    fn peers(self) -> Vec<Box<dyn Peer>> {
        let mut peers: Vec<Box<dyn Peer>> = vec![Box::new(Supercharger::plain()), Box::new(Frankenphp)];
        if self != Self::Slope {
            peers.push(Box::new(Fpm));
        }
        peers
    }

    /// Measures it for every peer in turn, as often as there are rounds.
    pub(crate) fn run(self, stage: &Stage<'_>, figures: &mut Figures) -> Outcome {
        let mut application = if self == Self::Slope { application::MIXED } else { application::SYMFONY };
        application.name = self.name();
        let mut outcome = Outcome::default();
        if let Some(reason) = application.missing(&stage.plan.bench) {
            outcome.faults.push(format!("{}: {reason}", self.name()));
            return outcome;
        }
        let mut peers: Vec<_> = self.peers().into_iter().filter(|peer| stage.plan.wants(peer.name())).collect();
        peers.retain(|peer| match peer.find(stage.plan, stage.found) {
            Ok(_) => true,
            Err(reason) => {
                outcome.entries.push(Entry::missing(self.name(), peer.name(), reason));
                false
            }
        });
        // A slope is a line through many samples already.
        let rounds = if self == Self::Slope { 1 } else { stage.plan.rounds };
        for round in 1..=rounds {
            peers.retain(|peer| {
                let figure = match self {
                    Self::Memory => one_more(stage, &application, peer.as_ref()),
                    Self::Start => start(stage, &application, peer.as_ref()),
                    Self::Slope => slope(stage, &application, peer.as_ref(), figures),
                };
                match figure {
                    Ok((quantity, value)) => {
                        note(&format!(
                            "{} round {round}/{rounds}: {:<14} {}",
                            self.name(),
                            peer.name(),
                            quantity.shown(value)
                        ));
                        let at = At::Alone.connections(stage.plan.workers);
                        figures.add(self.name(), peer.name(), at, Sample::from([(quantity, value)]));
                        true
                    }
                    Err(error) => {
                        outcome.fault(&application, peer.name(), &error);
                        false
                    }
                }
            });
        }
        outcome
    }
}

/// Memory of a server whose workers have all served and rest now.
fn at_rest(stage: &Stage<'_>, application: &Application, peer: &dyn Peer, workers: u32) -> Result<f64, String> {
    let (commands, address, folder) = stage.prepare(peer, application, workers, None)?;
    let mut server = Server::start(commands, address, &folder.join("output.log"))?;
    first_answer(address, application)?;
    // Enough connections that each worker has something to do.
    measure(stage.plan, application, &mut server, workers * 4)?;
    thread::sleep(REST);
    Ok(server.memory() as f64)
}

fn one_more(stage: &Stage<'_>, application: &Application, peer: &dyn Peer) -> Result<(Quantity, f64), String> {
    let few = at_rest(stage, application, peer, stage.plan.workers)?;
    let many = at_rest(stage, application, peer, stage.plan.workers + MORE)?;
    Ok((Quantity::Memory, (many - few) / f64::from(MORE)))
}

/// From the start of the process to the end of the first answer.
fn start(stage: &Stage<'_>, application: &Application, peer: &dyn Peer) -> Result<(Quantity, f64), String> {
    let (commands, address, folder) = stage.prepare(peer, application, stage.plan.workers, None)?;
    let began = Instant::now();
    let mut server = Server::spawn(commands, address, &folder.join("output.log"))?;
    probe::first_good(address, (application.path, application.upload), POLL, |_| {
        server.must_be_alive("at its start")?;
        match began.elapsed() < LONGEST_START {
            true => Ok(()),
            false => Err(format!("no answer within {LONGEST_START:?}:\n{}", server.last_words())),
        }
    })?;
    Ok((Quantity::StartMs, began.elapsed().as_secs_f64() * 1e3))
}

/// The slope of memory over many requests of several kinds.
fn slope(
    stage: &Stage<'_>,
    application: &Application,
    peer: &dyn Peer,
    figures: &mut Figures,
) -> Result<(Quantity, f64), String> {
    if peer.keeps() != Keeps::Application {
        return Err("it keeps nothing that could grow".to_owned());
    }
    let (commands, address, folder) = stage.prepare(peer, application, stage.plan.workers, None)?;
    let mut server = Server::start(commands, address, &folder.join("output.log"))?;
    first_answer(address, application)?;
    let connections = At::Crowd.connections(stage.plan.workers);
    let mut requests = 0.0;
    let mut points = Vec::new();
    while requests < SETTLED + stage.plan.slope_requests as f64 {
        let sample = measure(stage.plan, application, &mut server, connections)?;
        requests += sample.get(&Quantity::Requests).copied().unwrap_or(0.0);
        let errors = sample.get(&Quantity::Errors).copied().unwrap_or(0.0);
        if errors > 0.0 {
            return Err(format!("{errors} requests failed"));
        }
        figures.add(application.name, peer.name(), connections, sample);
        if requests >= SETTLED {
            points.push((requests, server.memory() as f64));
        }
    }
    gradient(&points).map(|slope| (Quantity::Slope, slope)).ok_or_else(|| "too few samples for a slope".to_owned())
}

/// Slope of the line with the least squares.
fn gradient(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < 3 {
        return None;
    }
    let count = points.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope_and_two_points_are_no_line() {
        let slope = gradient(&[(0.0, 5.0), (1.0, 7.0), (2.0, 9.0), (3.0, 11.0)]).expect("a slope");
        assert!((slope - 2.0).abs() < 1e-9);
        let flat = gradient(&[(0.0, 5.0), (1.0, 5.0), (2.0, 5.0)]).expect("a slope");
        assert!(flat.abs() < 1e-9);
        assert_eq!(gradient(&[(0.0, 5.0), (1.0, 7.0)]), None);
    }
}
