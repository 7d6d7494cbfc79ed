//! Settings of one run; they are part of its results.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::application::Application;
use crate::load::Load;

/// What is run, and how long.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    /// Names of the peers to measure; empty: all.
    pub(crate) peers: Vec<String>,
    /// Names of the comparisons to run; empty: all.
    pub(crate) only: Vec<String>,
    /// Connections of every comparison; empty: each has its own.
    pub(crate) connections: Vec<u32>,
    pub(crate) workers: u32,
    pub(crate) io_threads: u32,
    pub(crate) load_threads: u32,
    pub(crate) rounds: u32,
    #[serde(serialize_with = "seconds", rename = "duration_s")]
    pub(crate) duration: Duration,
    #[serde(serialize_with = "seconds", rename = "warm_up_s")]
    pub(crate) warm_up: Duration,
    /// Requests over which the slope of memory is taken.
    pub(crate) slope_requests: u64,
    /// Whether every PHP compiles to machine code.
    pub(crate) jit: bool,
    #[serde(skip)]
    pub(crate) binary: PathBuf,
    /// The folder `bench/`.
    #[serde(skip)]
    pub(crate) bench: PathBuf,
}

fn seconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

impl Plan {
    /// Whether somebody wants to see this peer.
    pub(crate) fn wants(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|wanted| wanted == peer)
    }

    /// Whether somebody wants to see this comparison.
    pub(crate) fn includes(&self, comparison: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == comparison)
    }

    /// Connection counts of an application, each once, in ascending order.
    pub(crate) fn connections(&self, application: &Application) -> Vec<u32> {
        let mut counts = match self.connections.is_empty() {
            true => application.at.iter().map(|at| at.connections(self.workers)).collect(),
            false => self.connections.clone(),
        };
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    /// How an application is pressed. `script`: its load script.
    pub(crate) fn load<'a>(
        &self,
        application: &'a Application,
        script: &'a std::path::Path,
        connections: u32,
        duration: Duration,
    ) -> Load<'a> {
        Load {
            connections,
            threads: self.load_threads,
            duration,
            script,
            path: application.path,
            upload: application.upload,
        }
    }
}
