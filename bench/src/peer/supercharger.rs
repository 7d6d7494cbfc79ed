//! The product, in worker mode, with what a comparison wants of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Found, Keeps, Peer, Setup, php};
use crate::machine::version_of;
use crate::plan::Plan;

/// Name of the peer that this repository makes: it must not be missing.
pub(crate) const PRODUCT: &str = "supercharger";
/// The part of the requests that is traced where not all are: whoever has as many as a hello application traces one in a hundred.
const TRACED_PART: f64 = 0.01;
/// Requests after which a worker is replaced in a storm of replacements.
const STORM: u64 = 100;
/// The share by which that number differs from worker to worker, as it is by default.
const JITTER: f64 = 0.1;

/// What the product tells of each request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Observed {
    /// Nothing but its counters, which cannot be switched off.
    No,
    /// All that it can: access log, slow requests, event feed, snapshots, and traces of this part of the requests.
    Part(f64),
}

const ACCESS_LOG: &str = "access.log";
const FEED: &str = "feed.ndjson";

/// The product.
pub(crate) struct Supercharger {
    name: String,
    observed: Observed,
    /// Every how many requests it looks for what they leave behind; 0: never.
    drift: u32,
    /// After how many requests a worker is replaced; 0: never.
    recycled: u64,
    workers: Option<u32>,
}

impl Supercharger {
    pub(crate) fn plain() -> Self {
        Self { name: PRODUCT.to_owned(), observed: Observed::No, drift: 0, recycled: 0, workers: None }
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::plain() }
    }

    /// Everything is told that can be told.
    pub(crate) fn observed() -> Self {
        Self { observed: Observed::Part(TRACED_PART), ..Self::named("observed") }
    }

    /// And every request is traced.
    pub(crate) fn traced() -> Self {
        Self { observed: Observed::Part(1.0), ..Self::named("traced") }
    }

    /// One request in so many is looked at for what it leaves behind.
    pub(crate) fn drift(name: &str, sample: u32) -> Self {
        Self { drift: sample, ..Self::named(name) }
    }

    /// A storm of replacements.
    pub(crate) fn recycled() -> Self {
        Self { recycled: STORM, ..Self::named("recycled") }
    }

    /// With so many workers.
    pub(crate) fn of_workers(workers: u32) -> Self {
        let name = if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") };
        Self { workers: Some(workers), ..Self::named(&name) }
    }

    fn telemetry(&self, setup: Setup<'_>) -> String {
        let Observed::Part(sample) = self.observed else {
            return "log.slow_request = \"0s\"\n".to_owned();
        };
        let file = |name: &str| setup.folder.join(name).display().to_string();
        format!(
            "log.access = \"combined\"\nlog.access_file = {:?}\nlog.slow_request = \"1s\"\n\
             telemetry.events = {:?}\ntelemetry.dir = {:?}\ntelemetry.textfile = {:?}\n\
             otlp.endpoint = \"http://{}\"\notlp.sample = {sample:?}\n",
            file(ACCESS_LOG),
            file(FEED),
            file("snapshots"),
            file("metrics.prom"),
            setup.collector,
        )
    }

    fn config(&self, setup: Setup<'_>) -> String {
        // A server of files has nothing else to do; beside PHP the plan decides.
        let threads = setup
            .application
            .script_name()
            .map_or_else(|| "\"auto\"".to_owned(), |_| setup.plan.io_threads.to_string());
        // At these rates a worker would be replaced many times a second, which is no way to run an application, and no other peer does it.
        let mut text = format!(
            "server.io_threads = {threads}\nserver.max_body_size = \"32MiB\"\nadmin.listen = \"127.0.0.1:0\"\n\
             pools.default.recycle.max_requests = {}\npools.default.recycle.jitter = {JITTER:?}\n{}",
            self.recycled,
            self.telemetry(setup)
        );
        text += &match self.drift {
            // Files have no state that could drift.
            _ if setup.application.script_name().is_none() => String::new(),
            0 => "pools.default.reset.drift = \"off\"\n".to_owned(),
            sample => {
                format!("pools.default.reset.drift = \"report\"\npools.default.reset.drift_sample = {sample}\n")
            }
        };
        text += "\n[php.ini]\n";
        for (name, value) in php::settings(setup.plan) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} = {value:?}");
        }
        text
    }
}

impl Peer for Supercharger {
    fn name(&self) -> &str {
        &self.name
    }

    fn find(&self, plan: &Plan, _found: &Found) -> Result<String, String> {
        version_of(&plan.binary, "--version")
            .ok_or_else(|| format!("{} does not run; build it with `make build`", plan.binary.display()))
    }

    fn keeps(&self) -> Keeps {
        match self.recycled {
            0 => Keeps::Application,
            requests => Keeps::ApplicationFor(requests + (requests as f64 * JITTER) as u64),
        }
    }

    fn workers(&self) -> Option<u32> {
        self.workers
    }

    fn commands(&self, setup: Setup<'_>, _found: &Found) -> Result<Vec<Command>, String> {
        let bench = &setup.plan.bench;
        fs::create_dir_all(setup.folder.join("snapshots")).map_err(|error| error.to_string())?;
        let config = setup.write("supercharger.toml", &self.config(setup))?;
        let mut command = Command::new(&setup.plan.binary);
        command
            .arg("php-server")
            .arg("--config")
            .arg(config)
            .args(["--listen", &setup.address.to_string()])
            .arg("--root")
            .arg(setup.application.root(bench));
        if let Some(script) = setup.application.script(bench) {
            command.arg("--worker").arg(format!("{},{}", script.display(), setup.workers));
        }
        Ok(vec![command])
    }

    fn check(&self, folder: &Path, requests: u64) -> Result<(), String> {
        let log = folder.join(ACCESS_LOG);
        let lines = || fs::read(&log).map(|text| text.iter().filter(|byte| **byte == b'\n').count() as u64);
        match (self.observed, lines()) {
            (Observed::No, Err(_)) => Ok(()),
            (Observed::No, Ok(_)) => Err(format!("{} is there, though nothing was to be logged", log.display())),
            (Observed::Part(_), Ok(lines)) if lines >= requests => Ok(()),
            (Observed::Part(_), Ok(lines)) => Err(format!("{lines} lines in the access log for {requests} requests")),
            (Observed::Part(_), Err(error)) => Err(format!("no access log: {error}")),
        }
    }
}
