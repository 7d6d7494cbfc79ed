//! `supercharger php-server`.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use clap::Args;

use super::exit::Error;
use crate::app::App;
use crate::config::{self, Command, Flags};
use crate::telemetry;

/// Serve a PHP application over HTTP.
///
/// With --worker the script boots once per worker and answers requests in a loop; without it every request runs the script that its
/// path names, as under PHP-FPM (classic mode). Files under the root are served as they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger php-server\n      \
            classic mode: ./public (or .) on http://127.0.0.1:8080\n  \
        supercharger php-server --worker public/index.php\n      \
            a Symfony application, two workers per CPU; nothing to change in the application\n  \
        supercharger php-server --worker public/index.php,8 --listen :80 --access-log\n      \
            eight workers, every address of this machine, a log line per request\n  \
        supercharger php-server --config supercharger.toml\n      \
            settings from a file; options given here win over it\n\n\
        Ctrl-C (SIGINT) or SIGTERM stops the server once running requests are done; a second one ends it at once\n\
        (exit code 130 or 143). Exit codes: 0 success, 1 failure at run time, 2 wrong usage, 78 configuration error.")]
pub(super) struct Arguments {
    /// Address to listen on, may be given several times: HOST:PORT, :PORT (every address of this machine), [IPV6]:PORT or
    /// unix:/PATH[?mode=0660&user=NAME&group=NAME] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Folder of public files [default: public/ if it exists, else the worker script's folder, else .]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Worker script, and the number of workers [default number: two per usable CPU]
    #[arg(long, value_name = "FILE[,COUNT]")]
    worker: Option<String>,
    /// Number of PHP threads, in either mode [default: two per usable CPU]
    #[arg(long, value_name = "COUNT")]
    workers: Option<u32>,
    /// Configuration file (TOML); options given here win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log each request
    #[arg(long)]
    access_log: bool,
    /// Form of the log [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,
}

/// Runs the server to its end.
pub(super) fn run(arguments: Arguments) -> Result<(), Error> {
    let config = config::load(&Flags {
        command: Command::PhpServer,
        config: arguments.config,
        listen: arguments.listen,
        root: arguments.root,
        worker: arguments.worker,
        workers: arguments.workers,
        access_log: arguments.access_log,
        log_format: arguments.log_format,
    })?;
    telemetry::init(config.log)?;
    let ended = App::new(config).run();
    match ended.result {
        Ok(()) if !ended.threads_left => Ok(()),
        result => Err(Error::Server { cause: result.err(), threads_left: ended.threads_left }),
    }
}
