//! `supercharger check`: the configuration as a server would read it, without the server.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::exit::Error;
use super::server::Options;
use crate::config::{self, Command};

/// Check a configuration without starting anything.
///
/// Reads what `supercharger run` would read: the file, the environment and the options given here. Tells every fault at once, each
/// with its place, what is wrong and what is allowed. No port is opened, no PHP is started, no script is run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger check\n      \
            what `supercharger run` would start with here\n  \
        supercharger check --config deploy/supercharger.toml --effective\n      \
            every value of that file, of the environment and of the defaults, with its source\n  \
        supercharger check --for php-server --worker public/index.php,8\n      \
            what `supercharger php-server --worker public/index.php,8` would start with\n  \
        supercharger check --example > supercharger.toml\n      \
            a file to begin with; `supercharger check --schema > supercharger.schema.json` beside it lets editors complete it\n\n\
        Exit codes: 0 no fault, 2 wrong usage, 78 configuration error.")]
pub(super) struct Arguments {
    /// Configuration file (TOML) [default: ./supercharger.toml, else /etc/supercharger/supercharger.toml, else none; with --for
    /// php-server none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print every value and where it comes from; secrets are not shown
    #[arg(long)]
    effective: bool,
    /// The command that would be started: each has its own defaults
    #[arg(long = "for", value_name = "COMMAND", value_enum, default_value = "run")]
    command: Started,
    /// Print a configuration file with every key, its default and what it does; check nothing
    #[arg(long, conflicts_with_all = ["effective", "config", "schema"])]
    example: bool,
    /// Print the JSON Schema of configuration files, for editors; check nothing
    #[arg(long, conflicts_with_all = ["effective", "config"])]
    schema: bool,
    #[command(flatten, next_help_heading = "Options of php-server, checked with the rest")]
    options: Options,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Started {
    Run,
    PhpServer,
}

/// Checks, and prints what was asked for.
pub(super) fn run(arguments: Arguments) -> Result<(), Error> {
    if arguments.example {
        return super::print(&config::documented_file());
    }
    if arguments.schema {
        return super::print(&config::schema());
    }
    let command = match arguments.command {
        Started::Run => Command::Run,
        Started::PhpServer => Command::PhpServer,
    };
    let (config, effective) = config::inspect(&arguments.options.flags(command, arguments.config))?;
    for notice in &config.source.notices {
        // Nobody to tell if standard error is closed.
        drop(writeln!(io::stderr().lock(), "supercharger: {}", notice.message));
    }
    if arguments.effective {
        return super::print(&effective);
    }
    match &config.source.file {
        Some(file) => super::print(&format!("{}: no faults\n", file.display())),
        None => super::print("no configuration file; defaults, environment and options have no faults\n"),
    }
}
