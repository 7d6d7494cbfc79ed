//! Configuration: raw settings from file, environment and command line, checked into what each module is told.
//!
//! Precedence: defaults < variables of other programs < file < environment < flags. Checking reports every fault at once, each with the place where it stands. Only `app`
//! and `cli` read the result; the other modules define their own part of it and know nothing of this one.
//!
//! What must never happen: a key that is accepted and has no effect.

#![forbid(unsafe_code)]

mod alias;
mod check;
mod documents;
mod effective;
mod environment;
mod fault;
mod file;
mod guard;
mod hidden;
mod keys;
mod kind;
mod logs;
mod machine;
mod pools;
mod raw;
mod secret;
mod site;
mod traces;
mod units;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use alias::Notice;
pub use fault::{Fault, Faults};
pub use hidden::{
    for_children as variables_for_children, is_the_servers as is_variable_of_the_server,
    of_the_parent as variables_of_the_parent, secrets as secret_variables,
};

use crate::job::ReplyLimits;
use crate::{admin, http, pool, store, telemetry};
use check::Check;
use fault::Origin;
use raw::{Settings, Value};

/// What the whole process is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The HTTP front.
    pub http: http::Config,
    /// The pool of PHP threads.
    pub pool: pool::Config,
    /// Logging.
    pub log: telemetry::Config,
    /// PHP itself.
    pub php: Php,
    /// tokio threads.
    pub io_threads: usize,
    /// How long the first workers may take to reach their loop.
    pub boot_timeout: Duration,
    /// The pools beside that, in the order of the site's branches.
    pub named_pools: Vec<NamedPool>,
    /// The endpoints for operators.
    pub admin: Admin,
    /// Metrics in files.
    pub telemetry: Telemetry,
    /// Whether they are to be had on the addresses of the server too.
    pub endpoints_on_main: bool,
    /// What is watched, if anything.
    pub watch: Option<Watch>,
    /// How requests are traced, if they are.
    pub traces: Option<Traces>,
    /// How long requests in flight may go on when the server stops.
    pub drain_timeout: Duration,
    /// Child processes that serve side by side.
    pub processes: u32,
    /// The room of the store that workers share.
    pub store: store::Limits,
    /// Memory beyond which a child process is replaced, in bytes; `None` for no such limit.
    pub max_rss: Option<u64>,
    /// How many threads of a child may be stuck.
    pub max_stuck: u32,
    /// How long a child process may leave its parent without an answer until it is replaced; `None` for no such limit.
    pub unresponsive: Option<Duration>,
    /// Where it comes from.
    pub source: Source,
}

/// Where a configuration comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// What it said.
    pub text: Option<String>,
    /// What should be known about it.
    pub notices: Vec<Notice>,
}

/// The endpoints for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where they are; none if they are off.
    pub listen: Option<http::ListenAddress>,
    /// Somebody wants them there: without them the server is not to run.
    pub required: bool,
    /// To whom they are shown.
    pub guard: admin::Rules,
}

/// How requests are traced.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// What is reported, and where to.
    pub tracer: telemetry::spans::Config,
    /// Whose context is continued.
    pub inbound: http::Inbound,
    /// Whether responses name their trace.
    pub respond: bool,
}

/// Metrics in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// The folder of snapshots.
    pub dir: Option<PathBuf>,
    /// The file in the text form of Prometheus.
    pub textfile: Option<PathBuf>,
    /// How often both are written.
    pub flush_interval: Duration,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Which files count.
    pub globs: Vec<String>,
    /// How often they are looked at; none if the kernel tells.
    pub poll: Option<Duration>,
}

/// A pool beside the default one.
#[derive(Debug, Clone)]
pub struct NamedPool {
    /// The pool.
    pub pool: pool::Config,
    /// How long its first workers may take to reach their loop.
    pub boot_timeout: Duration,
}

/// What PHP is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Php {
    /// ini values that win over every php.ini.
    pub ini: Vec<(String, String)>,
    /// Environment that the application sees besides that of the process.
    pub env: Vec<(String, String)>,
}

/// What is started: each command has defaults of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Command {
    /// `php-server`: on this machine, for its developer.
    #[default]
    PhpServer,
    /// `run`: for everybody, watched by other programs.
    Run,
}

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// The command.
    pub command: Command,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--listen`, each.
    pub listen: Vec<String>,
    /// `--root`.
    pub root: Option<PathBuf>,
    /// `--worker FILE[,COUNT]`, as given.
    pub worker: Option<String>,
    /// `--workers`.
    pub workers: Option<u32>,
    /// `--access-log`.
    pub access_log: bool,
    /// `--log-format`.
    pub log_format: Option<String>,
    /// A file that has been read already: no other is looked for.
    pub given: Option<Given>,
    /// `--watch[=GLOB]`, each; an empty one for those without a glob.
    pub watch: Vec<String>,
    /// `--watch-poll`.
    pub watch_poll: Option<String>,
}

/// What somebody else has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The configuration file, by name and text; or that there is none.
    pub file: Option<(PathBuf, String)>,
    /// Variables that are not in the environment of this process.
    pub variables: Vec<(String, String)>,
}

/// Reads, merges and checks the configuration for this process.
///
/// # Errors
/// All faults there are.
pub fn load(flags: &Flags) -> Result<Config, Faults> {
    here(flags).map(|(config, _)| config)
}

/// The same for somebody who wants to see it: with every value and the place it comes from, as TOML. Secrets are not shown.
///
/// # Errors
/// All faults there are.
pub fn inspect(flags: &Flags) -> Result<(Config, String), Faults> {
    here(flags).map(|(config, check)| (config, effective::told(&check)))
}

/// The form of log lines that a configuration asks for, whatever else is wrong with it.
pub fn log_format(flags: &Flags) -> telemetry::Format {
    let variables: Vec<_> = env::vars_os().collect();
    let folder = env::current_dir().unwrap_or_default();
    let place = Place { folder, variables: &variables, searched: &file::SEARCHED.map(Path::new) };
    let mut settings = Settings::defaults(flags.command);
    let mut faults = Vec::new();
    file::read(flags, &place, &mut settings, &mut faults);
    faults.extend(environment::take(&mut settings, place.variables));
    take_flags(flags, &mut settings, &mut faults);
    Check::new(flags.command, settings, faults, place.folder).word("log.format")
}

/// How the admin endpoints of a running server are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Where they are; none if they are off.
    pub address: Option<http::ListenAddress>,
    /// What opens them, if they have a token.
    pub token: Option<admin::Token>,
    /// Where the server itself listens; none if that has a fault.
    pub listen: Vec<http::ListenAddress>,
}

/// How the admin endpoints of a running server are reached, as its configuration says; the address as `given` says instead. Only what
/// bears on that is checked: a server may be asked how it is while the file has a fault.
///
/// # Errors
/// The file cannot be read, or the address or the token is none.
pub fn contact(config: Option<PathBuf>, given: Option<String>) -> Result<Contact, Faults> {
    let variables: Vec<_> = env::vars_os().collect();
    let folder = env::current_dir().unwrap_or_default();
    let flags = Flags { command: Command::Run, config, ..Flags::default() };
    contact_in(&flags, given, &Place { folder, variables: &variables, searched: &file::SEARCHED.map(Path::new) })
}

/// The key of the addresses for clients.
const LISTEN: &str = "server.listen";

fn contact_in(flags: &Flags, given: Option<String>, place: &Place<'_>) -> Result<Contact, Faults> {
    let mut settings = Settings::defaults(flags.command);
    let mut faults = Vec::new();
    file::read(flags, place, &mut settings, &mut faults);
    faults.extend(environment::take(&mut settings, place.variables));
    if let Some(given) = given {
        settings.flag(ADMIN, "--admin", Value::Text(given));
        // Who names the address does not depend on a file that nobody has named.
        faults.retain(|_| flags.config.is_some());
    }
    drop(alias::take(&mut settings, place.variables));
    let mut check = Check::new(flags.command, settings, faults, place.folder.clone());
    let address = admin_listen(&mut check);
    let token = guard::token(&mut check);
    let mut listen: Vec<_> = check.list(LISTEN);
    if check.faults.iter().any(|fault| fault.key == LISTEN) {
        // What stands there instead is the default, which nobody has meant.
        listen.clear();
    }
    // Without a key: the file as a whole.
    let bears = |fault: &Fault| [ADMIN, guard::TOKEN, ""].contains(&fault.key.as_str());
    let faults: Vec<_> = check.faults.into_iter().filter(bears).collect();
    if faults.is_empty() { Ok(Contact { address, token, listen }) } else { Err(Faults::new(faults)) }
}

/// A duration as the configuration takes it: a number directly followed by `ms`, `s`, `m` or `h`. `None` for anything else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    units::duration(text)
}

/// A configuration file with every key, its default and what it does.
pub fn documented_file() -> String {
    documents::file()
}

/// The JSON Schema of a configuration file.
pub fn schema() -> String {
    documents::schema()
}

/// Where a configuration is read: a test has its own.
#[derive(Debug)]
struct Place<'a> {
    /// Where relative paths start.
    folder: PathBuf,
    /// The environment.
    variables: &'a environment::Variables,
    /// Where `run` looks for a file, in this order.
    searched: &'a [&'a Path],
}

fn here(flags: &Flags) -> Result<(Config, Check), Faults> {
    let mut variables: Vec<_> = env::vars_os().collect();
    if let Some(Given { variables: given, .. }) = &flags.given {
        variables.extend(given.iter().map(|(name, value)| (name.into(), value.into())));
    }
    // Without a current folder relative names fail one by one, each with its own message.
    let folder = env::current_dir().unwrap_or_default();
    load_in(flags, &Place { folder, variables: &variables, searched: &file::SEARCHED.map(Path::new) })
}

fn load_in(flags: &Flags, place: &Place<'_>) -> Result<(Config, Check), Faults> {
    let mut settings = Settings::defaults(flags.command);
    let mut faults = Vec::new();
    let (file, text) = file::read(flags, place, &mut settings, &mut faults);
    faults.extend(environment::take(&mut settings, place.variables));
    take_flags(flags, &mut settings, &mut faults);
    let mut notices = alias::take(&mut settings, place.variables);
    notices.extend(alias::nearly(place.variables));
    notices.extend(file::overlooked(flags, place));
    let mut check = Check::new(flags.command, settings, faults, place.folder.clone());
    check.is_child = flags.given.is_some();
    let mut config = assemble(&mut check);
    let faults = alias::pardon(std::mem::take(&mut check.faults), &mut notices);
    notices.extend(guard::warnings(&config));
    config.source = Source { file, text, notices };
    if faults.is_empty() { Ok((config, check)) } else { Err(Faults::new(faults)) }
}

fn take_flags(flags: &Flags, settings: &mut Settings, faults: &mut Vec<Fault>) {
    let mut text = |key, flag, text: &str| settings.flag(key, flag, Value::Text(text.to_owned()));
    if let Some(root) = &flags.root {
        text("app.root", "--root", &root.to_string_lossy());
    }
    if let Some(format) = &flags.log_format {
        text("log.format", "--log-format", format);
    }
    let mut workers = flags.workers.map(|count| (Value::Integer(i64::from(count)), "--workers"));
    if let Some(worker) = &flags.worker {
        let (file, count) = split_worker(worker);
        text("app.worker", "--worker", file);
        match (count, &workers) {
            (Some(count), Some((other, _))) if count != *other => faults.push(Fault {
                origin: Origin::Flag("--workers"),
                key: "pools.default.workers".to_owned(),
                problem: format!("{} contradicts --worker {worker}", other.told()),
                remedy: "give the number once".to_owned(),
            }),
            (Some(count), _) => workers = Some((count, "--worker")),
            (None, _) => {}
        }
    }
    if let Some((count, flag)) = workers {
        settings.flag("pools.default.workers", flag, count);
    }
    if !flags.listen.is_empty() {
        let addresses = flags.listen.iter().cloned().map(Value::Text).collect();
        settings.flag("server.listen", "--listen", Value::List(addresses));
    }
    if !flags.watch.is_empty() {
        settings.flag("watch.enabled", "--watch", Value::Boolean(true));
        let globs: Vec<_> = flags.watch.iter().filter(|glob| !glob.is_empty()).cloned().map(Value::Text).collect();
        if !globs.is_empty() {
            settings.flag("watch.globs", "--watch", Value::List(globs));
        }
    }
    if let Some(poll) = &flags.watch_poll {
        settings.flag("watch.poll", "--watch-poll", Value::Text(poll.clone()));
    }
    if flags.access_log {
        settings.flag("log.access", "--access-log", Value::Boolean(true));
    }
}

/// `FILE[,COUNT]`. A comma that no number follows belongs to the file's name.
fn split_worker(text: &str) -> (&str, Option<Value>) {
    match text.rsplit_once(',') {
        Some((file, count)) if !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()) => {
            (file, Some(count.parse().map_or_else(|_| Value::Huge(count.to_owned()), Value::Integer)))
        }
        _ => (text, None),
    }
}

fn assemble(check: &mut Check) -> Config {
    let site = site::site(check);
    let log = logs::logs(check);
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let http = http::Config {
        listen: check.list("server.listen"),
        header_timeout: check.duration("server.header_timeout"),
        body_timeout: check.duration("server.body_timeout"),
        write_timeout: check.duration("server.write_timeout"),
        keepalive_timeout: check.duration("server.keepalive_timeout"),
        max_connections: check.auto("server.max_connections", most_connections()) as usize,
        http2: check.truth("server.http2"),
        max_header_size: bytes(check.size("server.max_header_size")),
        max_headers: check.number("server.max_headers") as usize,
        max_body_size: check.size("server.max_body_size"),
        body_memory: bytes(check.size("server.body_memory")),
        server_header: check.truth("server.server_header"),
        trusted_proxies: check.list("server.trusted_proxies"),
        access_log: log.access.form != telemetry::AccessForm::Off,
        traffic: Arc::default(),
        maintenance: http::Maintenance::default(),
        endpoints: None,
        mistake: None,
        tracing: None,
        site,
    };
    let usable = machine::usable_cpus();
    let reply = reply_limits(check, http.write_timeout);
    let is_classic = |mode: &http::Mode| matches!(mode, http::Mode::Classic { .. });
    let pool = pools::default(check, reply, is_classic(&http.site.mode));
    let settings = check.settings.pools.clone();
    let named_pools = settings
        .iter()
        .zip(&http.site.branches)
        .map(|(named, branch)| pools::named(check, named, reply, is_classic(&branch.mode)))
        .collect::<Vec<_>>();
    let slow = Some(check.duration("log.slow_request")).filter(|slow| !slow.is_zero());
    let health =
        pool::Health { ttl: check.duration("health.check_ttl"), timeout: check.duration("health.check_timeout") };
    let pool = pool::Config { slow, health, ..pool };
    let with_common = |named: NamedPool| NamedPool { pool: pool::Config { slow, health, ..named.pool }, ..named };
    let named_pools = named_pools.into_iter().map(with_common).collect();
    Config {
        http,
        pool,
        named_pools,
        admin: admin(check),
        telemetry: telemetry_files(check),
        endpoints_on_main: check.truth("endpoints.on_main"),
        watch: watch(check),
        traces: traces::traces(check),
        log,
        php: Php { ini: check.map("php.ini", ini_value), env: check.map("app.env", env_value) },
        io_threads: check.auto("server.io_threads", usable) as usize,
        boot_timeout: pools::boot_timeout(check, keys::Owner::Default),
        drain_timeout: check.duration("server.drain_timeout"),
        processes: check.number("server.processes"),
        store: store(check),
        max_rss: Some(check.size("process.max_rss")).filter(|most| *most > 0),
        max_stuck: check.number("process.max_stuck"),
        unresponsive: Some(check.duration("process.unresponsive")).filter(|limit| !limit.is_zero()),
        source: Source::default(),
    }
}

/// Parts of the store that its largest value may fill: there must be something to be dropped for it.
const VALUES: u64 = 4;

fn store(check: &mut Check) -> store::Limits {
    let (memory, entries) = (check.size("store.max_memory"), check.number("store.max_entries"));
    let value = check.size("store.max_value");
    // Who sets the memory alone means the rest to fit.
    if value > memory / VALUES && check.is_set("store.max_value") {
        check.fault(
            "store.max_value",
            "it is more than a quarter of store.max_memory",
            "a larger store.max_memory, or a smaller store.max_value",
        );
    }
    store::Limits { memory, entries, value: value.min(memory / VALUES) }
}

/// The key of the address.
const ADMIN: &str = "admin.listen";

fn admin_listen(check: &mut Check) -> Option<http::ListenAddress> {
    const OFF: &str = "off";
    let is_address = |text: &str| text.parse::<http::ListenAddress>().is_ok();
    check.text(ADMIN, |text| text == OFF || is_address(text)).parse().ok()
}

fn admin(check: &mut Check) -> Admin {
    let listen = admin_listen(check);
    // Two servers on a developer's machine are nothing unusual; one that operators count on is another matter.
    let default = keys::find(ADMIN).and_then(|key| key.preset.value(check.command)).map(|text| text.trim_matches('"'));
    let is_default = listen.as_ref().map(ToString::to_string).as_deref() == default;
    let has_listeners = listen.is_some() || check.truth("endpoints.on_main");
    Admin { listen, required: check.command == Command::Run || !is_default, guard: guard::rules(check, has_listeners) }
}

fn telemetry_files(check: &mut Check) -> Telemetry {
    const INTERVAL: &str = "telemetry.flush_interval";
    let told = Telemetry {
        dir: check.path("telemetry.dir"),
        textfile: check.path("telemetry.textfile"),
        flush_interval: check.duration(INTERVAL),
    };
    let given = check.is_set("telemetry.dir") || check.is_set("telemetry.textfile");
    if check.differs(INTERVAL) && !given {
        check.fault(
            INTERVAL,
            "has no effect without telemetry.dir and telemetry.textfile",
            "remove it, or set one of them",
        );
    }
    if told.textfile.as_ref().is_some_and(|path| path.extension().is_none_or(|extension| extension != "prom")) {
        check.fault("telemetry.textfile", "does not end in .prom", "collectors read files of that name only");
    }
    told
}

fn watch(check: &mut Check) -> Option<Watch> {
    let enabled = check.truth("watch.enabled");
    let globs: Vec<String> = check.list("watch.globs");
    let poll = Some(check.duration("watch.poll")).filter(|poll| !poll.is_zero());
    if let Err(error) = crate::watch::Set::new(Path::new("/"), &globs, Vec::new()) {
        check.fault(
            "watch.globs",
            error.to_string(),
            "`*` stands for any part of a name, `**` for folders, `{a,b}` for either",
        );
    }
    if enabled && check.command == Command::Run {
        check.fault(
            "watch.enabled",
            "has no place in production",
            "remove it; `supercharger php-server --watch` is for development, `supercharger reload` for deploys",
        );
    }
    enabled.then_some(Watch { globs, poll })
}

fn reply_limits(check: &mut Check, patience: Duration) -> ReplyLimits {
    const LEAST: u64 = 1024 * 1024;
    let pipe = usize::try_from(check.size("server.response_memory")).unwrap_or(usize::MAX);
    let spill = check.size("server.response_spill");
    let spill_total = check.size("server.response_spill_total");
    if (1..LEAST).contains(&spill) {
        check.fault("server.response_spill", "is too little to be of use", "give 1MiB or more, or 0 for none");
    }
    if spill == 0 && check.is_set("server.response_spill_total") {
        check.fault(
            "server.response_spill_total",
            "has no effect while server.response_spill is 0",
            "remove one of them",
        );
    }
    ReplyLimits { pipe, spill, spill_total, patience, ..ReplyLimits::default() }
}

/// Three quarters of the files that this process may have open: the rest is for PHP's own files and database connections, and for the
/// temporary files of bodies.
fn most_connections() -> u32 {
    let (limit, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    u32::try_from(limit / 4 * 3).unwrap_or(u32::MAX).clamp(16, 1_000_000)
}

fn ini_value(name: &str, value: &Value, told: &str) -> Result<String, String> {
    if name.is_empty() || name.contains(['\n', '\r', '=', '\0', ' ']) {
        return Err(format!("{name:?} cannot be the name of a PHP setting"));
    }
    match value {
        Value::Text(text) if text.contains(['\n', '\r', '\0']) => Err("the value has more than one line".to_owned()),
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) if number.is_finite() => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(if *truth { "1" } else { "0" }.to_owned()),
        Value::Float(_) | Value::Huge(_) | Value::List(_) | Value::Other(_) => {
            Err(format!("{told} is no value for a PHP setting"))
        }
    }
}

fn env_value(name: &str, value: &Value, told: &str) -> Result<String, String> {
    let first = name.bytes().next().unwrap_or(b'0');
    if first.is_ascii_digit() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("{name:?} cannot be the name of an environment variable"));
    }
    match value {
        Value::Text(text) if !text.contains('\0') => Ok(text.clone()),
        Value::Text(_) => Err("the value holds a NUL byte".to_owned()),
        _ => Err(format!("{told} is no text")),
    }
}
