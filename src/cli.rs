//! The command line: what can be asked for, and the exit code that answers. The work is done elsewhere.

#![forbid(unsafe_code)]

mod build_info;
mod check;
mod client;
mod control;
mod doctor;
mod exit;
mod gate;
mod hint;
mod maintenance;
pub mod php_cli;
mod scan;
mod server;
mod status;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::supervisor;
use crate::telemetry::escape;

/// Runs PHP applications: an HTTP server with PHP inside.
#[derive(Debug, Parser)]
#[command(
    name = "supercharger",
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Examples:\n  \
        supercharger php-server                            serve ./public, one script run per request\n  \
        supercharger php-server --worker public/index.php  boot a Symfony application once and keep it\n  \
        supercharger check --example > supercharger.toml   a configuration file to begin with\n  \
        supercharger check --effective                     every setting and where its value comes from\n  \
        supercharger run                                   serve as ./supercharger.toml says\n  \
        supercharger status                                what a running server is busy with\n  \
        supercharger reload                                new code, without a failed request\n  \
        supercharger gate --route /                        probe a server before it goes to production\n  \
        supercharger doctor                                what was detected here, and what would bite\n  \
        supercharger scan src                              state that would survive a request, found in the source\n  \
        supercharger php-cli bin/console about             the php command line\n  \
        supercharger COMMAND --help                        all options of a command, with examples\n\n\
        Exit codes: 0 success, 1 failure at run time, 2 wrong usage, 78 configuration error."
)]
pub struct Cli {
    /// Print the version and leave
    #[arg(short = 'V', long)]
    version: bool,
    /// Said by the first argument, which nobody else gives.
    #[arg(skip)]
    role: server::Role,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    // The first lines are those of the structs: what a command is for, in one sentence.
    PhpServer(server::PhpServer),
    Run(server::Run),
    Check(check::Arguments),
    Status(control::Status),
    Recycle(control::Recycle),
    Reload(control::Reload),
    Drain(control::Drain),
    Gate(Box<gate::Arguments>),
    Maintenance(maintenance::Maintenance),
    Scan(Box<scan::Arguments>),
    Doctor(doctor::Arguments),
    /// Run PHP's own command line: supercharger php-cli [PHP OPTIONS] [FILE] [ARGUMENTS]
    // Listed here for the help; `php_cli` takes such calls before this is parsed.
    #[command(disable_help_flag = true)]
    PhpCli {
        /// Whatever php takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Print the version of this program and of the linked PHP
    Version,
    /// Print what is linked into this program: PHP, its source, options and extensions
    BuildInfo,
}

/// Reads the command line of this process. One that is wrong, or asks for help, ends the process here.
pub fn parse() -> Cli {
    let mut line: Vec<_> = std::env::args_os().collect();
    let role = if line.get(1).is_some_and(|first| first == supervisor::CHILD_MARK) {
        line.remove(1);
        server::Role::Child
    } else {
        server::Role::Parent
    };
    let cli = Cli::try_parse_from(&line).unwrap_or_else(|mut error| {
        if let Some(hint) = hint::hint(&error, &line) {
            let tips = clap::builder::StyledStr::from(hint);
            error.insert(clap::error::ContextKind::Suggested, clap::error::ContextValue::StyledStrs(vec![tips]));
        }
        error.exit()
    });
    Cli { role, ..cli }
}

/// Does what the command line asks for.
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Some(Command::PhpServer(arguments)) => server::php_server(arguments, cli.role),
        Some(Command::Run(arguments)) => server::run(arguments, cli.role),
        Some(Command::Check(arguments)) => check::run(arguments),
        Some(Command::Status(arguments)) => control::status(arguments),
        Some(Command::Recycle(arguments)) => control::recycle(arguments),
        Some(Command::Reload(arguments)) => control::reload(arguments),
        Some(Command::Drain(arguments)) => control::drain(arguments),
        Some(Command::Gate(arguments)) => gate::run(*arguments),
        Some(Command::Maintenance(arguments)) => maintenance::run(arguments),
        Some(Command::Scan(arguments)) => scan::run(*arguments),
        Some(Command::Doctor(arguments)) => doctor::run(arguments),
        Some(Command::PhpCli { arguments }) => {
            return php_cli::run(std::iter::once("supercharger".into()).chain(arguments).collect());
        }
        Some(Command::BuildInfo) => build_info::build_info(),
        Some(Command::Version) | None => {
            debug_assert!(cli.version || cli.command.is_some(), "clap asks for an argument");
            build_info::version()
        }
    };
    exit::code(result)
}

/// Prints a command's result.
fn print(text: &str) -> Result<(), exit::Error> {
    let mut out = io::stdout().lock();
    // Some of it comes from PHP or from clients.
    let text = escape::lines(text);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Who closed the pipe has seen enough (`supercharger build-info | head -1`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(exit::Error::Output),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_code_2() {
        let cases: [&[&str]; 27] = [
            &["supercharger", "doctor", "/no/such/folder"],
            &["supercharger", "doctor", "/", "--format", "xml"],
            &["supercharger", "doctor", "--config", "/no/such/file"],
            &["supercharger", "scan"],
            &["supercharger", "scan", "/no/such/path"],
            &["supercharger", "scan", "/", "--format", "xml"],
            &["supercharger", "scan", "/", "--write-baseline"],
            &["supercharger", "gate", "--url", "https://127.0.0.1"],
            &["supercharger", "gate", "--route", "nowhere"],
            &["supercharger", "gate", "--fail-rate", "2"],
            &["supercharger", "maintenance"],
            &["supercharger", "maintenance", "off", "--message", "x"],
            &["supercharger", "maintenance", "on", "--retry-after", "soon"],
            &["supercharger", "status", "now"],
            &["supercharger", "recycle", "--slot", "first"],
            &["supercharger", "php-server", "--watch-poll=1s"],
            &["supercharger", "reload", "--wait"],
            &["supercharger", "run", "--listen", ":80"],
            &["supercharger", "run", "stray"],
            &["supercharger", "check", "--for", "nothing"],
            &["supercharger", "check", "--schema", "--effective"],
            &["supercharger", "--nonsense"],
            &["supercharger", "serve"],
            &["supercharger", "php-server", "--nonsense"],
            &["supercharger", "php-server", "--log-format", "xml"],
            &["supercharger", "php-server", "--workers", "many"],
            &["supercharger", "php-server", "stray"],
        ];
        for line in cases {
            let error = Cli::try_parse_from(line).expect_err("wrong usage");
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
        for line in [&["supercharger", "--version"][..], &["supercharger", "-V"], &["supercharger", "version"]] {
            assert!(Cli::try_parse_from(line).is_ok(), "{line:?}");
        }
    }
}
