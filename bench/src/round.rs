//! One comparison from start to end: start the peers, compare their answers, warm up, measure in turn.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::budget::{Budget, Quantity};
use crate::load::{self, Load};
use crate::machine::Machine;
use crate::peer::{self, Peer, Setup};
use crate::probe::{self, Answer};
use crate::process::{self, Server};
use crate::report::{Entry, Report, Stamp};

/// Settings of one comparison; they are part of its results.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    /// Names of the peers to measure; empty: all.
    pub(crate) peers: Vec<String>,
    pub(crate) connections: Vec<u32>,
    pub(crate) workers: u32,
    pub(crate) io_threads: u32,
    pub(crate) load_threads: u32,
    pub(crate) rounds: u32,
    #[serde(serialize_with = "seconds", rename = "duration_s")]
    pub(crate) duration: Duration,
    #[serde(serialize_with = "seconds", rename = "warm_up_s")]
    pub(crate) warm_up: Duration,
    #[serde(skip)]
    pub(crate) binary: PathBuf,
    /// The folder of the PHP applications.
    #[serde(skip)]
    pub(crate) apps: PathBuf,
    #[serde(skip)]
    pub(crate) load_script: PathBuf,
}

fn seconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

/// One measurement of one peer.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    pub(crate) requests_per_second: f64,
    /// User and system time of the server's processes, per request, in microseconds.
    pub(crate) cpu_us_per_request: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
}

impl Sample {
    /// The figure a budget asks for.
    pub(crate) fn figure(&self, quantity: Quantity) -> f64 {
        match quantity {
            Quantity::Throughput => self.requests_per_second,
            Quantity::Cpu => self.cpu_us_per_request,
        }
    }
}

/// A peer that has been started and gives the right answer.
struct Running {
    peer: Box<dyn Peer>,
    server: Server,
    folder: PathBuf,
    samples: BTreeMap<u32, Vec<Sample>>,
    entry: Entry,
}

/// Folders for what the servers read and print, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("supercharger-bench-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    fn folder(&self, peer: &str) -> Result<PathBuf, String> {
        let path = self.0.join(peer);
        fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan, budget: &Budget) -> Result<Report, String> {
    let load_version = load::find()?;
    let machine = Machine::look();
    let stamp = Stamp::now();
    let scratch = Scratch::new()?;
    let collector = collector(&scratch)?;
    let (mut running, mut entries) = start(plan, &scratch, collector.address)?;
    if running.is_empty() {
        let reasons: Vec<_> = entries.iter().filter_map(|entry| entry.missing.as_deref()).collect();
        return Err(format!("no peer could be started: {}", reasons.join("; ")));
    }
    for one in &running {
        note(&format!("warming up {}", one.peer.name()));
        plan.load(*plan.connections.last().unwrap_or(&1), plan.warm_up).run(one.server.address)?;
    }
    for &connections in &plan.connections {
        for round in 1..=plan.rounds {
            for one in &mut running {
                let sample = measure(plan, &mut one.server, connections)
                    .map_err(|error| format!("{}: {error}\n{}", one.peer.name(), one.server.last_words()))?;
                note(&format!(
                    "c={connections} round {round}/{}: {:<14} {:>9.0} requests/s {:>7.1} us CPU",
                    plan.rounds,
                    one.peer.name(),
                    sample.requests_per_second,
                    sample.cpu_us_per_request
                ));
                one.samples.entry(connections).or_default().push(sample);
            }
        }
    }
    for one in running {
        let requests = one.samples.values().flatten().map(|sample| sample.requests).sum();
        one.peer.check(&one.folder, requests).map_err(|error| format!("{}: {error}", one.peer.name()))?;
        let resident = one.server.resident_bytes();
        entries.push(one.entry.measured(one.samples, resident));
    }
    Ok(Report::new(stamp, machine, load_version, plan.clone(), entries, budget))
}

impl Plan {
    fn load(&self, connections: u32, duration: Duration) -> Load<'_> {
        Load { connections, threads: self.load_threads, duration, script: &self.load_script }
    }
}

/// Starts who takes the spans of peers that are observed. It is no part of them, and shares the machine with all.
fn collector(scratch: &Scratch) -> Result<Server, String> {
    let address = process::free_address()?;
    let folder = scratch.folder("collector")?;
    let mut command = peer::bare()?;
    command.args(["--listen", &address.to_string(), "--body", ""]);
    Server::start(command, address, &folder.join("output.log"))
}

/// Starts every wanted peer that is there and compares its answer with the first one's.
fn start(plan: &Plan, scratch: &Scratch, collector: SocketAddr) -> Result<(Vec<Running>, Vec<Entry>), String> {
    let peers = peer::all();
    if let Some(unknown) = plan.peers.iter().find(|name| peers.iter().all(|peer| peer.name() != name.as_str())) {
        let known: Vec<_> = peers.iter().map(|peer| peer.name()).collect();
        return Err(format!("there is no peer '{unknown}'; known: {}", known.join(", ")));
    }
    let mut running: Vec<Running> = Vec::new();
    let mut missing = Vec::new();
    for peer in peers.into_iter().filter(|peer| plan.peers.is_empty() || plan.peers.iter().any(|n| n == peer.name())) {
        let version = match peer.find(plan) {
            Ok(version) => version,
            Err(reason) => {
                note(&format!("{} is missing: {reason}", peer.name()));
                missing.push(Entry::missing(peer.name(), reason));
                continue;
            }
        };
        let address = process::free_address()?;
        let reference = running.first().map(|first| &first.entry).and_then(|entry| entry.answer.as_ref());
        let folder = scratch.folder(peer.name())?;
        let command = peer.command(Setup { address, plan, folder: &folder, reference, collector })?;
        let shown = shown(&command);
        let server = Server::start(command, address, &folder.join("output.log"))?;
        let answer = fetch(address).map_err(|error| format!("{}: {error}\n{}", peer.name(), server.last_words()))?;
        compare(peer.name(), &answer, running.first().map(|first| &first.entry))?;
        let entry = Entry::found(peer.name(), version, shown, answer);
        running.push(Running { peer, server, folder, samples: BTreeMap::new(), entry });
    }
    Ok((running, missing))
}

/// Refuses to compare servers that do not do the same work.
fn compare(name: &str, answer: &Answer, first: Option<&Entry>) -> Result<(), String> {
    if !(200..300).contains(&answer.status) {
        return Err(format!("{name} answers {} instead of 2xx: {}", answer.status, answer.body));
    }
    let Some((first, reference)) = first.and_then(|entry| Some((entry, entry.answer.as_ref()?))) else {
        return Ok(());
    };
    if answer.same_as(reference) {
        return Ok(());
    }
    Err(format!(
        "{name} and {} do not answer alike: status {} and {}, {} and {} bytes of body",
        first.name, answer.status, reference.status, answer.body_bytes, reference.body_bytes
    ))
}

fn measure(plan: &Plan, server: &mut Server, connections: u32) -> Result<Sample, String> {
    let before = server.cpu_time();
    let counted = plan.load(connections, plan.duration).run(server.address)?;
    let used = server.cpu_time().saturating_sub(before);
    if !server.alive() {
        return Err("the server ended during the measurement".to_owned());
    }
    if counted.requests == 0 {
        return Err("not one request was answered".to_owned());
    }
    let requests = counted.requests as f64;
    Ok(Sample {
        requests_per_second: requests / (counted.duration_us as f64 / 1e6),
        cpu_us_per_request: used.as_secs_f64() * 1e6 / requests,
        p50_us: counted.p50_us,
        p99_us: counted.p99_us,
        requests: counted.requests,
        errors: counted.errors,
    })
}

fn fetch(address: SocketAddr) -> Result<Answer, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?
        .block_on(probe::fetch(address, "/"))
}

fn shown(command: &std::process::Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

fn note(text: &str) {
    eprintln!("[bench] {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, hash: &str) -> Answer {
        Answer { status, body_sha256: hash.to_owned(), body_bytes: 2, headers: Vec::new(), body: "hi".to_owned() }
    }

    #[test]
    fn peers_that_answer_otherwise_are_refused() {
        let first = Entry::found("first", String::new(), String::new(), answer(200, "a"));
        assert!(compare("x", &answer(200, "a"), Some(&first)).is_ok());
        assert!(compare("x", &answer(200, "a"), None).is_ok());
        assert!(compare("x", &answer(200, "b"), Some(&first)).is_err());
        assert!(compare("x", &answer(201, "a"), Some(&first)).is_err());
        assert!(compare("x", &answer(500, "a"), None).is_err(), "even the first one must answer well");
    }
}
