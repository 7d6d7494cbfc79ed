//! `supercharger scan`: state that survives a request, found in the source.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use super::exit::Error;
use crate::scan::{self, Baseline, Choice, Severity};

/// Before this, nobody waits for a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two words.
const PACE: Duration = Duration::from_millis(200);

/// Look through PHP source for state that would survive from one request to the next.
///
/// Reads files and runs nothing. Rules: RS001 static property, RS002 singleton, RS003 write to a superglobal, RS004 destructor with side effects,
/// RS005 property that grows like a cache, RS006 static variable in a function, RS007 global variable, RS008 exit or die, RS009 service with
/// mutable state and no reset. What is a service is read from config/services.yaml, from attributes and from what is injected where.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger scan src\n      \
            all findings of a project; exit code 1 if one is an error\n  \
        supercharger scan src --format github\n      \
            the same as annotations of a pull request\n  \
        supercharger scan src --format sarif > scan.sarif\n      \
            for GitHub code scanning and others\n  \
        supercharger scan src --baseline scan-baseline.json --write-baseline\n      \
            accept what there is; later runs with --baseline tell only what is new\n  \
        supercharger scan vendor/acme/shop --fail-on none\n      \
            look at a library: what is named is looked at, also in vendor\n\n\
        A finding is silenced where it stands, with a reason:\n  \
        // supercharger-ignore RS001: a table of constants that is filled once\n\n\
        Exit codes: 0 nothing to fail on, 1 findings, or files that could not be read, 2 wrong usage. Every rule: docs/scan.md.")]
pub(super) struct Arguments {
    /// Files and folders; in folders, files that end in .php, .phtml or .inc
    #[arg(required = true, value_name = "PATH", value_parser = existing)]
    paths: Vec<PathBuf>,
    /// The form of the output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    format: Format,
    /// Exit with 1 from this severity on
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "error")]
    fail_on: Threshold,
    /// Only these files, may be given several times: a glob below the root, or a name
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Not these files or folders, may be given several times: a glob below the root, or a name
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Look also into vendor, var, node_modules and tests
    #[arg(long)]
    no_default_excludes: bool,
    /// A file of known findings, which are not told again
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings to the baseline instead of reading it, and succeed
    #[arg(long, requires = "baseline")]
    write_baseline: bool,
    /// Files are shown and matched below this folder [default: the current one]
    #[arg(long, value_name = "DIR", value_parser = existing)]
    root: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
    Ndjson,
    Sarif,
    Github,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Threshold {
    Error,
    Warning,
    None,
}

/// A path of something that is there, without links and dots.
fn existing(text: &str) -> Result<PathBuf, String> {
    Path::new(text).canonicalize().map_err(|error| error.to_string())
}

/// Scans and prints.
pub(super) fn run(arguments: Arguments) -> Result<(), Error> {
    let root = match arguments.root {
        Some(root) => root,
        None => std::env::current_dir().and_then(|folder| folder.canonicalize()).map_err(Error::Folder)?,
    };
    let choice = Choice::new(&arguments.include, &arguments.exclude, !arguments.no_default_excludes)
        .map_err(|error| Error::Usage(format!("--include and --exclude take globs: {error}")))?;
    // Before the work: a name that was mistyped should not cost a minute.
    let known = match &arguments.baseline {
        Some(path) if !arguments.write_baseline => Some(
            Baseline::read(path).map_err(|error| Error::Usage(format!("--baseline {}: {error}", path.display())))?,
        ),
        _ => None,
    };
    let progress = Progress::new();
    let request = scan::Request { root, paths: arguments.paths, choice };
    let mut report = scan::scan(&request, &|done, all| progress.tell(done, all));
    progress.end();
    if let Some(path) = arguments.baseline.filter(|_| arguments.write_baseline) {
        Baseline::write(&path, &report.findings)
            .map_err(|error| Error::Usage(format!("--baseline {}: {error}", path.display())))?;
        let told = format!("{}: {} findings are known now\n", path.display(), report.findings.len());
        return super::print(&told);
    }
    if let Some(known) = &known {
        report.apply(known);
    }
    let threshold = match arguments.fail_on {
        Threshold::Error => scan::Threshold::Error,
        Threshold::Warning => scan::Threshold::Warning,
        Threshold::None => scan::Threshold::None,
    };
    let format = match arguments.format {
        Format::Text => scan::Format::Text,
        Format::Json => scan::Format::Json,
        Format::Ndjson => scan::Format::Ndjson,
        Format::Sarif => scan::Format::Sarif,
        Format::Github => scan::Format::Github,
    };
    super::print(&scan::write(&report, format, threshold, &now()))?;
    if !threshold.fails(&report) {
        return Ok(());
    }
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let unread = report.problems.len();
    Err(Error::Findings(format!(
        "scan fails on {}: {errors} errors, {warnings} warnings, {unread} files that could not be read",
        threshold.name()
    )))
}

/// The time as RFC 3339 says it, in UTC.
fn now() -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    SystemTime.format_time(&mut Writer::new(&mut text)).ok();
    text
}

/// A line on the terminal that says how far it is, if somebody looks and it takes long.
#[derive(Debug)]
struct Progress {
    started: Instant,
    shown: bool,
    /// Milliseconds from the start to the last word.
    last: AtomicU64,
}

impl Progress {
    fn new() -> Self {
        Self { started: Instant::now(), shown: io::stderr().is_terminal(), last: AtomicU64::new(0) }
    }

    fn tell(&self, done: usize, all: usize) {
        let now = self.started.elapsed();
        let last = self.last.load(Ordering::Relaxed);
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let due = Duration::from_millis(last) + if last == 0 { PATIENCE } else { PACE };
        if !self.shown || now < due {
            return;
        }
        if self.last.compare_exchange(last, millis, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            write!(io::stderr().lock(), "\rscanning: {done} of {all} files").ok();
        }
    }

    fn end(&self) {
        if self.last.load(Ordering::Relaxed) > 0 {
            write!(io::stderr().lock(), "\r\x1b[K").ok();
        }
    }
}
