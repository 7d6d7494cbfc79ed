//! What can go wrong with a command, and the one place that maps it to an exit code.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::client;
use crate::telemetry::escape;
use crate::{app, config, php, supervisor, telemetry};

/// Failure at run time.
const FAILURE: u8 = 1;
/// Wrong usage. Most of it clap sees.
const USAGE: u8 = 2;
/// Configuration error: `EX_CONFIG` of sysexits.h.
const CONFIGURATION: u8 = 78;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The configuration has faults.
    #[error(transparent)]
    Config(#[from] config::Faults),
    /// Logging could not be set up.
    #[error(transparent)]
    Logging(#[from] telemetry::AlreadySet),
    /// PHP's command line is not there.
    #[error(transparent)]
    CommandLine(#[from] php::CommandLineMissing),
    /// PHP's command line would see what it is not to see.
    #[error("cannot start PHP without the variables that hold secrets of the server: {0}")]
    Secrets(#[source] io::Error),
    /// Standard output does not take what was asked for.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// A running server could not be asked.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The file that is to hold the token does not.
    #[error("{0}")]
    Token(String),
    /// It was asked, and what was wanted has not come to be.
    #[error("{0}")]
    Control(String),
    /// The server did not run or did not end well.
    #[error(transparent)]
    Server(#[from] app::Error),
    /// A child process that its parent has not started.
    #[error("{mark} is for the processes that this program starts itself: {source}", mark = supervisor::CHILD_MARK)]
    NoChild {
        /// What is wrong with standard input.
        source: io::Error,
    },
    /// PHP did not start.
    #[error("PHP did not start: {0}")]
    Engine(#[from] php::StartError),
    /// What was looked at does not pass.
    #[error("{0}")]
    Findings(String),
    /// The command line is well-formed and cannot be followed.
    #[error("{0}")]
    Usage(String),
    /// There is no current folder.
    #[error("cannot tell the current folder: {0}")]
    Folder(#[source] io::Error),
    /// A child process has told its parent what there is to tell.
    #[error("")]
    Child(app::ChildEnded),
}

impl Error {
    fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Token(_) => CONFIGURATION,
            Self::Child(ended) => u8::from(ended.failed),
            Self::Server(cause) => match cause {
                app::Error::Signals(_)
                | app::Error::Bind(_)
                | app::Error::Admin(_)
                | app::Error::Desk(_)
                | app::Error::Inherit(_)
                | app::Error::Runtime(_)
                | app::Error::Executable(_)
                | app::Error::Sockets(_)
                | app::Error::Store(_)
                | app::Error::Boot(_)
                | app::Error::Crash(_)
                | app::Error::Cut { .. } => FAILURE,
            },
            Self::NoChild { .. } | Self::Usage(_) => USAGE,
            Self::Engine(_)
            | Self::Logging(_)
            | Self::CommandLine(_)
            | Self::Secrets(_)
            | Self::Output(_)
            | Self::Client(_)
            | Self::Control(_)
            | Self::Findings(_)
            | Self::Folder(_) => FAILURE,
        }
    }
}

/// Tells the error and gives the exit code.
pub(super) fn code(result: Result<(), Error>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let message = error.to_string();
    if !message.is_empty() {
        // If standard error is closed there is nobody to tell.
        drop(writeln!(io::stderr().lock(), "supercharger: {}", escape::lines(&message)));
    }
    if let Error::Child(app::ChildEnded { threads_left: true, .. }) = error {
        // `exit` would run destructors of C libraries under threads that still use them; `_exit` does not.
        signal_hook::low_level::exit(i32::from(error.code()));
    }
    ExitCode::from(error.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_codes() {
        let child = |failed| Error::Child(app::ChildEnded { failed, threads_left: true });
        let cases = [
            (Error::Output(io::Error::other("x")), 1),
            (child(false), 0),
            (child(true), 1),
            (Error::Server(app::Error::Boot("x".to_owned())), 1),
            (Error::Server(app::Error::Cut { connections: 1, threads: 0 }), 1),
            (Error::NoChild { source: io::Error::other("x") }, 2),
        ];
        for (error, expected) in cases {
            assert_eq!(error.code(), expected, "{error:?}");
        }
    }
}
