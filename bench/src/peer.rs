//! The servers that are compared. A new peer is one struct here and one line in [`all`].

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::version_of;
use crate::probe::Answer;
use crate::round::Plan;

/// Name of the peer that this repository makes: it must not be missing.
pub(crate) const PRODUCT: &str = "supercharger";
/// Name of the peer that the others are set against.
pub(crate) const YARDSTICK: &str = "bare";
/// The part of the requests that is traced where not all are: whoever has as many as a hello application traces one in a hundred.
const TRACED_PART: f64 = 0.01;

/// What a peer needs to know to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Where it must listen.
    pub(crate) address: SocketAddr,
    /// The comparison it takes part in.
    pub(crate) plan: &'a Plan,
    /// A folder of its own for configuration files; gone at the end.
    pub(crate) folder: &'a Path,
    /// The answer of the first peer that could be started; all others must give the same.
    pub(crate) reference: Option<&'a Answer>,
    /// Where somebody takes spans (OTLP over HTTP) and says nothing.
    pub(crate) collector: SocketAddr,
}

/// One server that serves `bench/apps/hello`.
pub(crate) trait Peer {
    /// Short name, used in `--peers`, in budgets and in results.
    fn name(&self) -> &'static str;

    /// Its version, or the sentence that says why it cannot be measured on this machine.
    fn find(&self, plan: &Plan) -> Result<String, String>;

    /// How it is started, in the foreground. In worker mode, if it has one: a peer is measured at its best.
    fn command(&self, setup: Setup<'_>) -> Result<Command, String>;

    /// Whether it did what it was measured at, besides answering `requests`. `folder`: what it was given in [`Setup`].
    fn check(&self, _folder: &Path, _requests: u64) -> Result<(), String> {
        Ok(())
    }
}

/// Every peer the bench knows. The first one found sets the answer that the others must give.
pub(crate) fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Supercharger { name: PRODUCT, observed: Observed::No, drift: 0 }),
        Box::new(Supercharger { name: "observed", observed: Observed::Part(TRACED_PART), drift: 0 }),
        Box::new(Supercharger { name: "traced", observed: Observed::Part(1.0), drift: 0 }),
        Box::new(Supercharger { name: "drift", observed: Observed::No, drift: 1 }),
        Box::new(Supercharger { name: "drift_sampled", observed: Observed::No, drift: 100 }),
        Box::new(Bare),
    ]
}

/// The product: one worker script, worker mode.
struct Supercharger {
    name: &'static str,
    observed: Observed,
    /// Every how many requests it looks for what they leave behind; 0: never.
    drift: u32,
}

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

impl Observed {
    fn settings(self, setup: Setup<'_>) -> String {
        let Self::Part(sample) = self else {
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
}

fn drift(sample: u32) -> String {
    match sample {
        0 => "pools.default.reset.drift = \"off\"\n".to_owned(),
        _ => format!("pools.default.reset.drift = \"report\"\npools.default.reset.drift_sample = {sample}\n"),
    }
}

impl Peer for Supercharger {
    fn name(&self) -> &'static str {
        self.name
    }

    fn find(&self, plan: &Plan) -> Result<String, String> {
        version_of(&plan.binary, "--version")
            .ok_or_else(|| format!("{} does not run; build it with `make build`", plan.binary.display()))
    }

    fn command(&self, setup: Setup<'_>) -> Result<Command, String> {
        let app = setup.plan.apps.join("hello");
        let config = setup.folder.join("supercharger.toml");
        let own = self.observed.settings(setup) + &drift(self.drift);
        // At these rates a worker would be replaced many times a second, which is no way to run an application, and no other peer does it.
        let text = format!(
            "server.io_threads = {}\nadmin.listen = \"127.0.0.1:0\"\npools.default.recycle.max_requests = 0\n{own}",
            setup.plan.io_threads
        );
        fs::create_dir_all(setup.folder.join("snapshots"))
            .and_then(|()| fs::write(&config, text))
            .map_err(|error| format!("cannot write {}: {error}", config.display()))?;
        let mut command = Command::new(&setup.plan.binary);
        command
            .arg("php-server")
            .arg("--config")
            .arg(config)
            .args(["--listen", &setup.address.to_string()])
            .arg("--root")
            .arg(&app)
            .arg("--worker")
            .arg(format!("{},{}", app.join("worker.php").display(), setup.plan.workers));
        Ok(command)
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

/// hyper alone, in this executable: see `bare`.
struct Bare;

fn executable() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("the bench cannot find its own executable: {error}"))
}

/// This executable as the server that gives one answer to everything.
pub(crate) fn bare() -> Result<Command, String> {
    let mut command = Command::new(executable()?);
    command.arg("bare");
    Ok(command)
}

impl Peer for Bare {
    fn name(&self) -> &'static str {
        YARDSTICK
    }

    fn find(&self, _plan: &Plan) -> Result<String, String> {
        executable().map(|_| format!("hyper server of bench {}", env!("CARGO_PKG_VERSION")))
    }

    fn command(&self, setup: Setup<'_>) -> Result<Command, String> {
        let mut command = bare()?;
        command
            .args(["--listen", &setup.address.to_string()])
            .args(["--io-threads", &setup.plan.io_threads.to_string()]);
        if let Some(reference) = setup.reference {
            command.args(["--body", &reference.body]);
            for header in reference.headers_to_repeat() {
                command.arg("--header").arg(header);
            }
        }
        Ok(command)
    }
}
