//! `--watch`: a change of files is a reload, and a reload that fails is shown in the browser.

#![forbid(unsafe_code)]

use std::env;
use std::path::{Path, PathBuf};

use tokio::runtime;

use super::project;
use crate::config::{self, Config};
use crate::http::Mode;
use crate::supervisor::{Handle, NotReloaded};
use crate::telemetry::events::{WatchChange, WatchFailed};
use crate::watch::{self, Change, Set, Watch};

/// Starts to watch, if that is wanted. `network` drives what the supervisor does.
///
/// A fault that ends the watch does not end the server; the log has it.
pub(super) fn start(config: &Config, handle: Handle, network: runtime::Handle) -> Option<Watch> {
    let config::Watch { globs, poll } = config.watch.as_ref()?;
    let project = folder(config);
    // The configuration has checked the globs.
    let set = Set::new(&project, globs, files(config)).ok()?;
    let changed = move |change: &Change| {
        let named = change.files.iter().map(|file| file.strip_prefix(&project).unwrap_or(file).display().to_string());
        WatchChange { files: &named.collect::<Vec<_>>().join(", "), count: change.count }.emit();
        network.block_on(reload(&handle));
    };
    match watch::start(set, *poll, changed) {
        Ok(watch) => Some(watch),
        Err(error) => {
            WatchFailed { message: &error.to_string() }.emit();
            None
        }
    }
}

async fn reload(handle: &Handle) {
    match handle.reload("watch").await {
        Ok(_) => handle.show(None).await,
        // The log has it already.
        Err(NotReloaded::Failed(message)) => handle.show(Some(message)).await,
        Err(NotReloaded::Ending) => {}
    }
}

/// The project: that of Composer, else where the server was started if the public files lie below, else these.
fn folder(config: &Config) -> PathBuf {
    let site = &config.http.site;
    let script = match &site.mode {
        Mode::Worker { script } => Some(script.as_path()),
        Mode::Classic { .. } => None,
    };
    let of_composer = project::folder_of(script.unwrap_or(&site.root));
    let here = || env::current_dir().ok().filter(|here| site.root.starts_with(here));
    of_composer.or_else(here).unwrap_or_else(|| site.root.clone())
}

/// What counts although it may lie elsewhere: the configuration file and the worker scripts.
fn files(config: &Config) -> Vec<PathBuf> {
    let absolute = |file: &Path| std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let site = &config.http.site;
    let modes = site.branches.iter().map(|branch| &branch.mode).chain([&site.mode]);
    let scripts = modes.filter_map(|mode| match mode {
        Mode::Worker { script } => Some(script.as_path()),
        Mode::Classic { .. } => None,
    });
    scripts.chain(config.source.file.as_deref()).map(absolute).collect()
}
