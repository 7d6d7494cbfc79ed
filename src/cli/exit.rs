//! What can go wrong with a command, and the one place that maps it to an exit code.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::{app, config, php, telemetry};

/// Failure at run time.
const FAILURE: u8 = 1;
/// Configuration error: `EX_CONFIG` of sysexits.h. Wrong usage is 2, which clap sees to.
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
    /// Standard output does not take what was asked for.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// The server did not run or did not end well.
    #[error("{}", cause.as_ref().map(ToString::to_string).unwrap_or_default())]
    Server {
        /// Why; nothing if it ended as it should although a thread was left behind.
        cause: Option<app::Error>,
        /// PHP threads may still run.
        threads_left: bool,
    },
}

impl Error {
    fn code(&self) -> u8 {
        match self {
            Self::Config(_) => CONFIGURATION,
            Self::Server { cause: None, .. } => 0,
            Self::Server { cause: Some(cause), .. } => match cause {
                app::Error::Signals(_)
                | app::Error::Bind(_)
                | app::Error::Inherit(_)
                | app::Error::Engine(_)
                | app::Error::Network(_)
                | app::Error::Nul
                | app::Error::Pool(_)
                | app::Error::Boot(_)
                | app::Error::BootTimeout { .. }
                | app::Error::Cut { .. } => FAILURE,
            },
            Self::Logging(_) | Self::CommandLine(_) | Self::Output(_) => FAILURE,
        }
    }
}

/// Tells the error and gives the exit code.
pub(super) fn code(result: Result<(), Error>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let message = error.to_string();
    if !message.is_empty() {
        // If standard error is closed there is nobody to tell.
        drop(writeln!(io::stderr().lock(), "supercharger: {message}"));
    }
    if let Error::Server { threads_left: true, .. } = error {
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
        let server = |cause| Error::Server { cause, threads_left: false };
        let cases = [
            (Error::Output(io::Error::other("x")), 1),
            (server(None), 0),
            (server(Some(app::Error::BootTimeout { pool: "default".into(), limit: std::time::Duration::ZERO })), 1),
            (server(Some(app::Error::Cut { connections: 1, threads: 0 })), 1),
        ];
        for (error, expected) in cases {
            assert_eq!(error.code(), expected, "{error:?}");
        }
    }
}
