//! `supercharger php-cli ...`: PHP's own command line.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use super::exit::Error;
use crate::{php, telemetry};

/// The arguments for PHP, if this call is one for PHP's command line: `supercharger php-cli ...`, or any call through a
/// link named `php`. Asked before anything else is parsed, because every argument is PHP's own.
pub fn arguments(mut call: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let program = call.next()?;
    if Path::new(&program).file_name() == Some(OsStr::new("php")) {
        return Some(std::iter::once(program).chain(call).collect());
    }
    let command = call.next()?;
    (command == "php-cli").then(|| std::iter::once(command).chain(call).collect())
}

/// Runs PHP; its exit code is ours.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    // For supercharger_log(). A second call in one process cannot be; were it one, logging would be set up already.
    drop(telemetry::init(telemetry::Config::default()));
    match php::command_line(arguments) {
        Ok(code) => ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)),
        Err(error) => super::exit::code(Err(Error::CommandLine(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_for_php() {
        type Case<'a> = (&'a [&'a str], Option<&'a [&'a str]>);
        let cases: [Case<'_>; 5] = [
            (&["supercharger", "php-cli", "-r", "--help"], Some(&["php-cli", "-r", "--help"])),
            (&["/usr/bin/php", "-v"], Some(&["/usr/bin/php", "-v"])),
            (&["supercharger", "version"], None),
            (&["supercharger"], None),
            (&["supercharger", "php-server", "php-cli"], None),
        ];
        for (call, expected) in cases {
            let got = arguments(call.iter().map(OsString::from));
            let expected = expected.map(|list| list.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(got, expected, "{call:?}");
        }
    }
}
