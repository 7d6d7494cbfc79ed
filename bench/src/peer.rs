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
}

/// One server that serves `bench/apps/hello`.
pub(crate) trait Peer {
    /// Short name, used in `--peers`, in budgets and in results.
    fn name(&self) -> &'static str;

    /// Its version, or the sentence that says why it cannot be measured on this machine.
    fn find(&self, plan: &Plan) -> Result<String, String>;

    /// How it is started, in the foreground. In worker mode, if it has one: a peer is measured at its best.
    fn command(&self, setup: Setup<'_>) -> Result<Command, String>;
}

/// Every peer the bench knows. The first one found sets the answer that the others must give.
pub(crate) fn all() -> Vec<Box<dyn Peer>> {
    vec![Box::new(Supercharger), Box::new(Bare)]
}

/// The product: one worker script, worker mode.
struct Supercharger;

impl Peer for Supercharger {
    fn name(&self) -> &'static str {
        PRODUCT
    }

    fn find(&self, plan: &Plan) -> Result<String, String> {
        version_of(&plan.binary, "--version")
            .ok_or_else(|| format!("{} does not run; build it with `make build`", plan.binary.display()))
    }

    fn command(&self, setup: Setup<'_>) -> Result<Command, String> {
        let app = setup.plan.apps.join("hello");
        let config = setup.folder.join("supercharger.toml");
        let text = format!("server.io_threads = {}\n", setup.plan.io_threads);
        fs::write(&config, text).map_err(|error| format!("cannot write {}: {error}", config.display()))?;
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
}

/// hyper alone, in this executable: see `bare`.
struct Bare;

impl Bare {
    fn executable() -> Result<PathBuf, String> {
        std::env::current_exe().map_err(|error| format!("the bench cannot find its own executable: {error}"))
    }
}

impl Peer for Bare {
    fn name(&self) -> &'static str {
        YARDSTICK
    }

    fn find(&self, _plan: &Plan) -> Result<String, String> {
        Self::executable().map(|_| format!("hyper server of bench {}", env!("CARGO_PKG_VERSION")))
    }

    fn command(&self, setup: Setup<'_>) -> Result<Command, String> {
        let mut command = Command::new(Self::executable()?);
        command
            .arg("bare")
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
