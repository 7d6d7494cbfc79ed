//! The executable without the resets of the boundary. See `scripts/check-no-reset`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use supercharger::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
