//! hyper alone, in this executable: see `crate::bare`.

use std::path::PathBuf;
use std::process::Command;

use super::{Found, Keeps, Peer, Setup};
use crate::plan::Plan;

/// The yardstick.
pub(crate) struct Bare;

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
    fn name(&self) -> &str {
        "bare"
    }

    fn find(&self, _plan: &Plan, _found: &Found) -> Result<String, String> {
        executable().map(|_| format!("hyper server of bench {}", env!("CARGO_PKG_VERSION")))
    }

    fn keeps(&self) -> Keeps {
        Keeps::NoApplication
    }

    fn commands(&self, setup: Setup<'_>, _found: &Found) -> Result<Vec<Command>, String> {
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
        Ok(vec![command])
    }
}
