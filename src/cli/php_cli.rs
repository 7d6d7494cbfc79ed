//! `supercharger php-cli ...`: PHP's own command line.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::CommandFactory as _;

use super::exit::Error;
use crate::{config, php, telemetry};

/// The arguments for PHP, if this call is one for PHP's command line: `supercharger php-cli ...`, any call through a link named
/// `php`, and what a php of ours starts where it could have no such link. Asked before anything else is parsed, because every
/// argument is PHP's own.
pub fn arguments(call: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let marked = env::var_os(php::PROGRAM_MARK).is_some_and(|value| value == "1");
    choose(call, marked)
}

fn choose(mut call: impl Iterator<Item = OsString>, marked: bool) -> Option<Vec<OsString>> {
    let program = call.next()?;
    let command = call.next();
    if Path::new(&program).file_name() == Some(OsStr::new("php")) {
        return Some([program].into_iter().chain(command).chain(call).collect());
    }
    match command {
        Some(command) if command == "php-cli" => Some([program].into_iter().chain(call).collect()),
        Some(command) if marked && !is_ours(&command) => Some([program, command].into_iter().chain(call).collect()),
        None if marked => Some(vec![program]),
        _ => None,
    }
}

/// Whether a word is one of this program's commands.
fn is_ours(word: &OsStr) -> bool {
    super::Cli::command().get_subcommands().any(|command| word == command.get_name())
}

/// Runs PHP; its exit code is ours.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    if let Err(error) = forget_secrets() {
        return super::exit::code(Err(Error::Secrets(error)));
    }
    // For supercharger_log(). A second call in one process cannot be; were it one, logging would be set up already.
    drop(telemetry::init(telemetry::Config::default()));
    // Without /proc nobody can say where this executable is. PHP then looks for itself, as php does.
    let program = php::Program::locate(arguments.first().map(OsString::as_os_str)).ok();
    match php::command_line(arguments, program.as_ref()) {
        Ok(code) => ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)),
        Err(error) => super::exit::code(Err(Error::CommandLine(error))),
    }
}

/// Variables with secrets of the server, as every program of its container gets them, are nothing to scripts. What a process was started
/// with can be read as long as it lives, so this one starts itself again without them.
fn forget_secrets() -> io::Result<()> {
    let secrets = config::secret_variables();
    if secrets.is_empty() {
        return Ok(());
    }
    let mut call = env::args_os();
    let mut command = Command::new(env::current_exe()?);
    command.arg0(call.next().unwrap_or_default()).args(call);
    for name in secrets {
        command.env_remove(name);
    }
    Err(command.exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (&'a [&'a str], Option<&'a [&'a str]>);

    fn check(cases: &[Case<'_>], marked: bool) {
        for (call, expected) in cases {
            let got = choose(call.iter().map(OsString::from), marked);
            let expected = expected.map(|list| list.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(got, expected, "{call:?}");
        }
    }

    #[test]
    fn calls_for_php() {
        check(
            &[
                (&["supercharger", "php-cli", "-r", "--help"], Some(&["supercharger", "-r", "--help"])),
                (&["supercharger", "php-cli"], Some(&["supercharger"])),
                (&["/usr/bin/php", "-v"], Some(&["/usr/bin/php", "-v"])),
                (&["php"], Some(&["php"])),
                (&["php", "php-cli"], Some(&["php", "php-cli"])),
                (&["supercharger", "version"], None),
                (&["supercharger", "-r", "1;"], None),
                (&["supercharger"], None),
                (&["supercharger", "php-server", "php-cli"], None),
                (&[], None),
            ],
            false,
        );
    }

    #[test]
    fn calls_of_a_php_without_a_link() {
        check(
            &[
                (&["supercharger", "-r", "1;"], Some(&["supercharger", "-r", "1;"])),
                (&["supercharger", "--version"], Some(&["supercharger", "--version"])),
                (&["supercharger", "script.php", "version"], Some(&["supercharger", "script.php", "version"])),
                (&["supercharger"], Some(&["supercharger"])),
                (&["supercharger", "php-cli", "-v"], Some(&["supercharger", "-v"])),
                (&["supercharger", "php-server"], None),
                (&["supercharger", "version"], None),
            ],
            true,
        );
    }
}
