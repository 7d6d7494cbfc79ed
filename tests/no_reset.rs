//! The executable without the resets of the boundary. See `scripts/check-no-reset`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use supercharger::cli;

fn main() -> ExitCode {
    cli::run(cli::parse())
}
