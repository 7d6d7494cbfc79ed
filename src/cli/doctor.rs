//! `supercharger doctor`: what was detected, what would bite, and what to do about it.

#![forbid(unsafe_code)]

mod engine;
mod project;
mod report;
mod server;
mod state;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::exit::Error;
use engine::Engine;
use project::Project;
use report::{Diagnosis, Grade};

/// Say what was detected of an application and its PHP, and what would bite in production.
///
/// Reads composer.json, composer.lock, vendor, .env files, supercharger.toml and the PHP that this program carries, and looks through the source
/// for state that survives a request. No script of the application is run, nothing is written, no port is opened.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger doctor\n      \
            the application in this folder, as `supercharger run` would start it\n  \
        supercharger doctor /srv/shop --format json\n      \
            the same for programs\n  \
        supercharger doctor --config deploy/supercharger.toml\n      \
            with another configuration\n\n\
        Errors are what keeps the application from running or opens it to strangers; warnings are what costs time, memory or safety; notes are what \
        should be known. Every one comes with its fix. More: docs/doctor.md.\n\n\
        Exit codes: 0 no error (warnings and notes do not count), 1 errors, 2 wrong usage.")]
pub(super) struct Arguments {
    /// Folder of the application
    #[arg(value_name = "DIR", default_value = ".", value_parser = folder)]
    dir: PathBuf,
    /// Configuration file (TOML) [default: DIR/supercharger.toml, else /etc/supercharger/supercharger.toml, else none]
    #[arg(long, value_name = "FILE", value_parser = file)]
    config: Option<PathBuf>,
    /// The form of the output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn folder(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text).canonicalize().map_err(|error| error.to_string())?;
    if path.is_dir() { Ok(path) } else { Err("this is no folder".to_owned()) }
}

fn file(text: &str) -> Result<PathBuf, String> {
    Path::new(text).canonicalize().map_err(|error| error.to_string())
}

/// Looks at everything and prints it.
pub(super) fn run(arguments: Arguments) -> Result<(), Error> {
    // The configuration is looked for where the application is, and its relative paths begin there.
    std::env::set_current_dir(&arguments.dir).map_err(Error::Folder)?;
    let mut diagnosis = Diagnosis::default();
    let config = server::configuration(arguments.config, &mut diagnosis);
    let project = Project::read(&arguments.dir);
    let engine = Engine::ask(config.as_ref().map(|config| &config.php), &mut diagnosis);
    project.tell(&mut diagnosis);
    if let Some(engine) = &engine {
        engine.tell(&mut diagnosis);
        engine.compare(&project, &mut diagnosis);
    }
    let environment = project.environment(config.as_ref().map(|config| config.php.env.as_slice()).unwrap_or_default());
    project.judge(&environment, &mut diagnosis);
    if let Some(config) = &config {
        server::judge(config, &project, &mut diagnosis);
    }
    if let Some(engine) = &engine {
        engine.judge(&project, environment.is_production(), &mut diagnosis);
    }
    state::judge(&arguments.dir, &project, &mut diagnosis);
    match arguments.format {
        Format::Text => super::print(&diagnosis.text(&arguments.dir))?,
        Format::Json => super::print(&diagnosis.json(&arguments.dir))?,
    }
    match diagnosis.count(Grade::Error) {
        0 => Ok(()),
        1 => Err(Error::Findings("doctor has found 1 error".to_owned())),
        count => Err(Error::Findings(format!("doctor has found {count} errors"))),
    }
}
