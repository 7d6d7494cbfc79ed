//! bench: compares supercharger with its peers on one machine.
//!
//! What it holds to: every peer must answer the same status and the same body bytes before anything is measured; peers run in
//! turn (A B A B A B) and medians are taken, so that a machine that slows down slows all of them; CPU time per request is
//! reported beside throughput because it is the steadier figure; a peer or tool that is missing is said to be missing.
//!
//! Layout: `peer` says how each server is started (one struct each), `process` owns a started server and its CPU time,
//! `probe` fetches one response, `load` drives wrk, `round` puts them together, `report` writes what came out, `budget`
//! compares it with `budget.toml`, `bare` is the hyper server that serves as yardstick.

mod bare;
mod budget;
mod load;
mod machine;
mod peer;
mod probe;
mod process;
mod report;
mod round;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::budget::Budget;
use crate::round::Plan;

/// Compares supercharger with its peers; see docs/testing.md.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Peers to measure, comma-separated; default: all.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Connection counts, comma-separated; default: 1, the number of workers, 64.
    #[arg(long, value_delimiter = ',')]
    connections: Vec<u32>,
    /// PHP workers of every peer; default: the number of cores.
    #[arg(long)]
    workers: Option<u32>,
    /// Threads that do network I/O, in supercharger and in the bare server.
    #[arg(long, default_value_t = 1)]
    io_threads: u32,
    /// Threads of wrk.
    #[arg(long, default_value_t = 1)]
    load_threads: u32,
    /// Rounds; the median is taken.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Length of one measurement.
    #[arg(long, default_value = "4s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Length of the warm-up of each peer, before the first round.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    warm_up: Duration,
    /// The supercharger executable; default: target/release/supercharger of this checkout.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where results are written; default: bench/results.
    #[arg(long)]
    results: Option<PathBuf>,
    /// The budget file; default: bench/budget.toml.
    #[arg(long)]
    budget: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The yardstick itself: a hyper server that gives one fixed answer. The bench starts it; it is of no other use.
    #[command(hide = true)]
    Bare(bare::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Bare(ref options)) => bare::serve(options).map(|()| true).map_err(|error| error.to_string()),
        None => compare(arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the whole comparison; `false` means that a budget was not kept, a request failed or the product is missing.
fn compare(arguments: Arguments) -> Result<bool, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cores = machine::cores();
    let workers = arguments.workers.unwrap_or(cores);
    let plan = Plan {
        peers: arguments.peers,
        connections: connection_counts(arguments.connections, workers),
        workers,
        io_threads: arguments.io_threads,
        load_threads: arguments.load_threads,
        rounds: arguments.rounds.max(1),
        duration: arguments.duration,
        warm_up: arguments.warm_up,
        binary: arguments.binary.unwrap_or_else(|| here.join("../target/release/supercharger")),
        apps: here.join("apps"),
        load_script: here.join("wrk.lua"),
    };
    let budget = Budget::read(&arguments.budget.unwrap_or_else(|| here.join("budget.toml")))?;
    let report = round::run(&plan, &budget)?;
    let written = report.write(&arguments.results.unwrap_or_else(|| here.join("results")))?;
    print!("{}", report.markdown());
    println!("\nwritten: {}", written.display());
    Ok(report.passed())
}

fn connection_counts(given: Vec<u32>, workers: u32) -> Vec<u32> {
    let mut counts = if given.is_empty() { vec![1, workers, 64] } else { given };
    counts.sort_unstable();
    counts.dedup();
    counts
}
