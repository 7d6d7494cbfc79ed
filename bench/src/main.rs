//! bench: compares supercharger with its peers on one machine.
//!
//! What it holds to: every peer must answer the same status and the same body bytes before anything is measured, and must run in
//! worker mode if it has one; peers run in turn (A B A B A B) and medians are taken, so that a machine that slows down slows all of
//! them; CPU time per request, of all processes of a server, is reported beside throughput because it is the steadier figure; a peer
//! or tool that is missing is said to be missing.
//!
//! Layout: `application` says what is asked, `peer` how each server is started (one struct each), `process` owns a started
//! server and its CPU time, `probe` fetches one response, `load` drives wrk, `stage` brings a server up, `comparison` presses
//! several in turn, `alone` measures one by itself, `figure` keeps all rounds, `target` is the table of what is to be reached,
//! `report` writes what came out, `budget` compares it with `budget.toml`, `bare` is the hyper server that serves as yardstick.

mod alone;
mod application;
mod bare;
mod budget;
mod comparison;
mod figure;
mod load;
mod machine;
mod peer;
mod plan;
mod probe;
mod process;
mod report;
mod run;
mod stage;
mod state;
mod target;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::budget::Budget;
use crate::plan::Plan;

/// Compares supercharger with its peers; see docs/testing.md.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// A quick look: one short round of `hello`, `symfony` and `static`. Says nothing about the tail.
    #[arg(long)]
    quick: bool,
    /// Comparisons to run, comma-separated; default: all. See --list.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Peers to measure, comma-separated; default: all.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// List comparisons and their peers, and run nothing.
    #[arg(long)]
    list: bool,
    /// Connection counts, comma-separated; default: those of each comparison.
    #[arg(long, value_delimiter = ',')]
    connections: Vec<u32>,
    /// PHP workers of every peer; default: the number of cores.
    #[arg(long)]
    workers: Option<u32>,
    /// Threads that do network I/O beside PHP, in supercharger and in the bare server.
    #[arg(long, default_value_t = 1)]
    io_threads: u32,
    /// Threads of wrk.
    #[arg(long, default_value_t = 1)]
    load_threads: u32,
    /// Rounds; the median is taken. Default: 5, with --quick 1.
    #[arg(long)]
    rounds: Option<u32>,
    /// Length of one measurement, in whole seconds. Default: 3s, with --quick 2s.
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Length of the warm-up of each peer, before the first round.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    warm_up: Duration,
    /// Requests over which the slope of memory is taken.
    #[arg(long, default_value_t = 50_000)]
    slope_requests: u64,
    /// Have every PHP compile to machine code (opcache.jit = tracing); default: off, as PHP comes.
    #[arg(long)]
    jit: bool,
    /// Also write the figures and plots into docs/benchmarks.md.
    #[arg(long)]
    page: bool,
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

/// What `--quick` looks at.
const QUICK: [&str; 3] = ["hello", "symfony", "static"];

/// Runs everything; `false` means that a budget was not kept, a request failed or something went wrong.
fn compare(arguments: Arguments) -> Result<bool, String> {
    if arguments.list {
        run::list();
        return Ok(true);
    }
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let quick = arguments.quick;
    let only = match arguments.only {
        names if names.is_empty() && quick => QUICK.map(str::to_owned).to_vec(),
        names => names,
    };
    let plan = Plan {
        peers: arguments.peers,
        only,
        connections: arguments.connections,
        workers: arguments.workers.unwrap_or_else(machine::cores),
        io_threads: arguments.io_threads,
        load_threads: arguments.load_threads,
        rounds: arguments.rounds.unwrap_or(if quick { 1 } else { 5 }).max(1),
        duration: arguments.duration.unwrap_or(Duration::from_secs(if quick { 2 } else { 3 })),
        warm_up: arguments.warm_up,
        slope_requests: arguments.slope_requests,
        jit: arguments.jit,
        binary: arguments.binary.unwrap_or_else(|| bench.join("../target/release/supercharger")),
        bench: bench.to_owned(),
    };
    let budget = Budget::read(&arguments.budget.unwrap_or_else(|| bench.join("budget.toml")))?;
    let report = run::run(plan, &budget)?;
    let written = report.write(&arguments.results.unwrap_or_else(|| bench.join("results")))?;
    if arguments.page {
        report.write_page(&bench.join("../docs"))?;
    }
    print!("{}", report.markdown());
    println!("\nwritten: {}", written.display());
    Ok(report.passed())
}
