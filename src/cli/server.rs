//! The commands that serve: `run` and `php-server`.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;

use super::exit::Error;
use crate::app::{Child, Parent};
use crate::config::{self, Command, Faults, Flags};
use crate::telemetry;

/// Serve a PHP application over HTTP while developing it.
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
            settings from a file; options given here win over it\n  \
        supercharger php-server --worker public/index.php --watch\n      \
            while developing: a change is served by the next request, a mistake is shown in the browser\n  \
        supercharger php-server --watch='src/**/*.php' --watch='!src/Legacy/**'\n      \
            other files than the usual ones\n\n\
        Every setting has a variable too, such as SUPERCHARGER__SERVER__MAX_BODY_SIZE=50MiB; `supercharger check --effective` shows them all.\n\
        For production: `supercharger run`.\n\n\
        Ctrl-C (SIGINT) or SIGTERM stops the server once running requests are done; a second one ends it at once \
        (exit code 130 or 143).\n\nExit codes: 0 success, 1 failure at run time, 2 wrong usage, 78 configuration error.")]
pub(super) struct PhpServer {
    #[command(flatten)]
    options: Options,
    /// Configuration file (TOML); options given here win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Options of `php-server`; `check` takes them too.
#[derive(Debug, Args)]
pub(super) struct Options {
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
    /// Log each request
    #[arg(long)]
    access_log: bool,
    /// Serve new code when files have changed: a new generation boots beside the old one and takes over. GLOB, relative to the
    /// project, says which files; a `!` in front which not. May be given several times [default: PHP, templates, translations,
    /// YAML, XML, INI and .env files, outside of var, vendor, node_modules and caches]
    #[arg(long, value_name = "GLOB", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    watch: Vec<String>,
    /// With --watch: look at the files that often, where the kernel does not tell of changes (network folders, mounts of virtual
    /// machines) [default of the value: 1s]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "1s", requires = "watch")]
    watch_poll: Option<String>,
    /// Form of the log [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,
}

impl Options {
    /// As the configuration takes them.
    pub(super) fn flags(self, command: Command, config: Option<PathBuf>) -> Flags {
        Flags {
            command,
            config,
            listen: self.listen,
            root: self.root,
            worker: self.worker,
            workers: self.workers,
            access_log: self.access_log,
            log_format: self.log_format,
            given: None,
            watch: self.watch,
            watch_poll: self.watch_poll,
        }
    }
}

/// Serve a PHP application in production, as a configuration file says.
///
/// Without --config the file is ./supercharger.toml, or else /etc/supercharger/supercharger.toml; without any file everything has
/// its default. Environment variables win over the file. Other defaults than php-server's: every IPv4 address of this machine on
/// port 8080, log lines in JSON, one for each request.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger check --example > supercharger.toml\n      \
            a file with every setting, its default and what it does\n  \
        supercharger check --effective\n      \
            every value this command would use, and where it comes from; nothing is started\n  \
        supercharger run\n      \
            the server itself\n  \
        SUPERCHARGER__APP__WORKER=public/index.php supercharger run\n      \
            without a file, as in a container: SUPERCHARGER__ and the key in capitals, __ for each dot\n\n\
        SIGTERM or SIGINT stops the server once running requests are done, at the latest after server.drain_timeout; a second one \
        ends it at once (exit code 143 or 130).\n\nExit codes: 0 success, 1 failure at run time, 2 wrong usage, 78 configuration error.")]
pub(super) struct Run {
    /// Configuration file (TOML) [default: ./supercharger.toml, else /etc/supercharger/supercharger.toml, else none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs `php-server` to its end.
pub(super) fn php_server(arguments: PhpServer, role: Role) -> Result<(), Error> {
    serve(arguments.options.flags(Command::PhpServer, arguments.config), role)
}

/// Runs `run` to its end.
pub(super) fn run(arguments: Run, role: Role) -> Result<(), Error> {
    serve(Flags { command: Command::Run, config: arguments.config, ..Flags::default() }, role)
}

/// Which part of a server a process is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that was asked for.
    #[default]
    Parent,
    /// One that the parent has started.
    Child,
}

fn serve(flags: Flags, role: Role) -> Result<(), Error> {
    match role {
        Role::Parent => {
            let config = config::load(&flags).inspect_err(|faults| report(&flags, faults))?;
            telemetry::init(config.log.clone())?;
            let ended = Parent::new(flags, config).run();
            telemetry::flush();
            Ok(ended?)
        }
        Role::Child => {
            let child = Child::open().map_err(|source| Error::NoChild { source })?;
            let flags = Flags { given: Some(child.given()), ..flags };
            let ended = match config::load(&flags) {
                Ok(config) => {
                    telemetry::init(config.log.clone())?;
                    let ended = child.run(config);
                    telemetry::flush();
                    ended
                }
                // The parent has found no fault: files have changed since, or the executable.
                Err(faults) => child.refuse(&faults.to_string()),
            };
            Err(Error::Child(ended))
        }
    }
}

/// Faults are told in words at the end of the process. Programs that read the log as JSON get them as such besides.
fn report(flags: &Flags, faults: &Faults) {
    let format = config::log_format(flags);
    if format == telemetry::Format::Json
        && !io::stderr().is_terminal()
        && telemetry::init(telemetry::Config { format, ..telemetry::Config::default() }).is_ok()
    {
        faults.report();
    }
}
