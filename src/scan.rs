//! `scan`: state that survives a request, found by reading the source. Nothing is run and nothing is loaded.
//!
//! `files` finds the sources, `walk` reads each into `facts`, on several threads; `rules` judges the facts of all together, `suppress` and
//! `baseline` take away what is known, `format` writes the rest. What is read comes from anybody: nothing in it may end the process, and
//! nothing of the result depends on the order in which files are read.

#![forbid(unsafe_code)]

mod baseline;
mod classes;
mod facts;
mod files;
mod finding;
mod format;
#[cfg(fuzzing)]
pub mod fuzz;
mod rule;
mod rules;
mod source;
mod suppress;
mod symfony;
mod walk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub use baseline::{Baseline, Entry, Unusable};
pub use files::{Choice, DEFAULT_EXCLUDES};
pub use finding::{Finding, Place, Problem};
pub use format::{Format, Threshold, write};
pub use rule::{Rule, Severity};

use facts::Facts;
use files::File;
use symfony::Services;
use walk::Walked;

/// Stack of a thread that reads: the parser refuses after 512 levels and the walk after its own number, so this is several times what both can
/// use in a debug build. Only what is used becomes memory.
const STACK: usize = 64 << 20;
/// More threads than this wait for the disk.
const MOST_THREADS: usize = 16;

/// What is to be looked at.
#[derive(Debug)]
pub struct Request {
    /// Absolute path that others are shown below.
    pub root: PathBuf,
    /// Absolute paths of files and folders.
    pub paths: Vec<PathBuf>,
    /// Which files.
    pub choice: Choice,
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
    /// Files that could not be read, in the same order.
    pub problems: Vec<Problem>,
    /// Entries of the baseline that nothing matches any more.
    pub stale: Vec<Entry>,
    /// Findings that a comment silences.
    pub suppressed: usize,
    /// Findings that the baseline knows.
    pub known: usize,
    /// Files that were looked at.
    pub files: usize,
    /// As in the request.
    pub root: PathBuf,
}

impl Report {
    /// How many findings are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Takes away what the baseline knows.
    pub fn apply(&mut self, baseline: &Baseline) {
        (self.known, self.stale) = baseline.apply(&mut self.findings);
    }
}

/// Looks at everything. `progress` is told how many files of how many are done, now and then and from any thread.
pub fn scan(request: &Request, progress: &(dyn Fn(usize, usize) + Sync)) -> Report {
    let (files, mut problems) = files::find(&request.root, &request.paths, &request.choice);
    let mut services = Services::read(&request.paths);
    let mut all = Vec::with_capacity(files.len());
    let mut suppressions = Vec::with_capacity(files.len());
    for (file, read) in files.iter().zip(read_all(&files, progress)) {
        let walked = read.unwrap_or_else(|message| {
            problems.push(Problem { file: file.shown.clone(), line: 0, message });
            Walked { facts: Facts::default(), suppressions: Vec::new() }
        });
        for (line, message) in &walked.facts.problems {
            problems.push(Problem { file: file.shown.clone(), line: *line, message: message.clone() });
        }
        services.define(&walked.facts.definitions);
        all.push(walked.facts);
        suppressions.push(walked.suppressions);
    }
    let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    let mut found = rules::judge(&all, &paths, &services);
    let suppressed = suppress::apply(&mut found, &suppressions);
    let mut findings: Vec<Finding> =
        found.into_iter().map(|(index, finding)| Finding { file: files[index].shown.clone(), ..finding }).collect();
    finding::number(&mut findings);
    problems.sort();
    Report {
        findings,
        problems,
        stale: Vec::new(),
        suppressed,
        known: 0,
        files: files.len(),
        root: request.root.clone(),
    }
}

/// Reads the files on several threads; the answers stand in the order of the files.
fn read_all(files: &[File], progress: &(dyn Fn(usize, usize) + Sync)) -> Vec<Result<Walked, String>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(files.iter().map(|_| None).collect::<Vec<_>>());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else { return };
            progress(index, files.len());
            let walked = read(&file.path);
            if let Ok(mut done) = done.lock() {
                done[index] = Some(walked);
            }
        }
    };
    thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(files.len());
        for _ in 0..count {
            let builder = thread::Builder::new().name("scan".to_owned()).stack_size(STACK);
            // One is enough, and one there is: else the files are told to be unread below.
            builder.spawn_scoped(scope, work).ok();
        }
    });
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.into_iter()
        .map(|one| one.unwrap_or_else(|| Err("was not read: no thread could be started".to_owned())))
        .collect()
}

fn read(path: &Path) -> Result<Walked, String> {
    let text = source::read(path).map_err(|error| error.to_string())?;
    // The parser is made for any input; should it fail on one all the same, the other files are still looked at.
    catch_unwind(AssertUnwindSafe(|| walk::walk(&text)))
        .map_err(|_| "could not be looked at: a fault of the parser, please report it with the file".to_owned())
}
