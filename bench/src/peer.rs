//! The servers that are compared. A new peer is one struct below `peer/` and one line in `comparison`.

mod bare;
mod found;
mod fpm;
mod frankenphp;
mod nginx;
mod php;
mod supercharger;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub(crate) use bare::{Bare, bare};
pub(crate) use found::Found;
pub(crate) use fpm::Fpm;
pub(crate) use frankenphp::Frankenphp;
pub(crate) use nginx::Nginx;
pub(crate) use supercharger::{PRODUCT, Supercharger};

use crate::application::Application;
use crate::plan::Plan;
use crate::probe::Answer;

/// What a peer needs to know to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Where it must listen.
    pub(crate) address: SocketAddr,
    /// The run it takes part in.
    pub(crate) plan: &'a Plan,
    /// What it is to serve.
    pub(crate) application: &'a Application,
    /// PHP threads or processes.
    pub(crate) workers: u32,
    /// A folder of its own for configuration files; gone at the end. What lies in it when the server has started stands in the results.
    pub(crate) folder: &'a Path,
    /// The answer of the first peer that could be started; all others must give the same.
    pub(crate) reference: Option<&'a Answer>,
    /// Where somebody takes spans (OTLP over HTTP) and says nothing.
    pub(crate) collector: SocketAddr,
}

impl Setup<'_> {
    /// Writes one of its configuration files.
    fn write(&self, name: &str, text: &str) -> Result<std::path::PathBuf, String> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path)
    }
}

/// Whether a peer keeps the application between two requests; the bench sees to it that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Worker mode.
    Application,
    /// Worker mode, and no copy of the application may serve more requests than this.
    ApplicationFor(u64),
    /// Every request starts anew.
    Nothing,
    /// There is no application.
    NoApplication,
}

/// One server.
pub(crate) trait Peer {
    /// Short name, used in `--peers`, in the table of targets and in results.
    fn name(&self) -> &str;

    /// Its version, or the sentence that says why it cannot be measured on this machine.
    fn find(&self, plan: &Plan, found: &Found) -> Result<String, String>;

    /// What it keeps between two requests: a peer is measured at its best.
    fn keeps(&self) -> Keeps;

    /// How its processes are started, in the foreground.
    fn commands(&self, setup: Setup<'_>, found: &Found) -> Result<Vec<Command>, String>;

    /// Number of workers, where it differs from that of the others.
    fn workers(&self) -> Option<u32> {
        None
    }

    /// Whether it did what it was measured at, besides answering `requests`. `folder`: what it was given in [`Setup`].
    fn check(&self, _folder: &Path, _requests: u64) -> Result<(), String> {
        Ok(())
    }
}
