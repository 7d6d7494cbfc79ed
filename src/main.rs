//! The executable: arguments in, exit code out. See `cli` for what can be asked and `app` for the server.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use supercharger::cli::{self, Cli};

fn main() -> ExitCode {
    if let Some(arguments) = cli::php_cli::arguments(std::env::args_os()) {
        return cli::php_cli::run(arguments);
    }
    cli::run(Cli::parse())
}
