//! The executable: arguments in, exit code out. See `cli` for what can be asked and `app` for the server.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use supercharger::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
