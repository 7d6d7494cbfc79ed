//! What somebody may have wanted whose command line is wrong, where clap knows only that it is wrong.

#![forbid(unsafe_code)]

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options that belong to `php-server`.
const SERVER_OPTIONS: [&str; 9] = [
    "--watch",
    "--watch-poll",
    "--listen",
    "--root",
    "--worker",
    "--workers",
    "--access-log",
    "--log-format",
    "--config",
];

/// One sentence more for an error, if there is one to say.
pub(super) fn hint(error: &clap::Error, line: &[OsString]) -> Option<String> {
    let command = line.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    let given = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = given(ContextKind::InvalidSubcommand)?;
            word.ends_with(".php").then(|| {
                format!(
                    "to serve with this script as worker: supercharger php-server --worker {word}; to run it once: supercharger php-cli {word}"
                )
            })
        }
        ErrorKind::UnknownArgument => {
            let argument = given(ContextKind::InvalidArg)?;
            let option = argument.split('=').next().unwrap_or(argument);
            let is_option = SERVER_OPTIONS.contains(&option);
            match command {
                "run" if is_option => Some(
                    "`run` takes its settings from the file and from the environment, such as SUPERCHARGER__SERVER__LISTEN=:80; \
                     `php-server` takes options"
                        .to_owned(),
                ),
                "php-server" if !argument.starts_with('-') => {
                    Some(format!("the folder of public files goes with --root {argument}, a worker script with --worker {argument}"))
                }
                "run" | "check" if !argument.starts_with('-') => {
                    Some(format!("the configuration file goes with --config {argument}"))
                }
                _ if command.starts_with('-') && is_option => {
                    Some(format!("options stand after the command: supercharger php-server {argument} ..."))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn hints() {
        let cases: [(&[&str], Option<&str>); 9] = [
            (&["public/index.php"], Some("php-server --worker public/index.php")),
            (&["--listen", ":80"], Some("supercharger php-server --listen")),
            (&["--config=x"], Some("supercharger php-server --config")),
            (&["run", "--listen", ":80"], Some("SUPERCHARGER__SERVER__LISTEN")),
            (&["run", "x.toml"], Some("--config x.toml")),
            (&["check", "x.toml"], Some("--config x.toml")),
            (&["php-server", "public"], Some("--root public")),
            (&["php-server", "--nonsense"], None),
            (&["nonsense"], None),
        ];
        for (words, expected) in cases {
            let line: Vec<OsString> = std::iter::once(&"supercharger").chain(words).map(OsString::from).collect();
            let error = Cli::try_parse_from(&line).expect_err("wrong usage");
            let hint = hint(&error, &line);
            match expected {
                Some(part) => assert!(hint.as_ref().is_some_and(|hint| hint.contains(part)), "{words:?}: {hint:?}"),
                None => assert_eq!(hint, None, "{words:?}"),
            }
        }
    }
}
