//! The parent's part: configuration, addresses, and what is said about the server as a whole. The children are the affair of
//! `supervisor`.
//!
//! Nothing is started before every address is had. A start that fails ends the server: no second try, no storm.

#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write as _};
use std::iter;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::DumpableBehavior;
use tokio::runtime;

use super::banner::Banner;
use super::shared::Shared;
use super::{desk, project, watching};
use crate::admin::Gate;
use crate::config::{self, Config, Flags};
use crate::control::ConfigFile;
use crate::http::{self, Bound, Listeners, Mode, Site};
use crate::php;
use crate::supervisor::{self, Blueprint, EndFault, Plan, Program, Supervisor};
use crate::telemetry::events::{AdminNotice, ConfigNotice, ServerReady, ServerStart, ServerStop};

/// What a child may take beyond the boot timeout of its pools: to load the executable, to start PHP, to say that it has failed.
const BOOT_SLACK: Duration = Duration::from_secs(30);

/// Why the server did not run, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Signal handlers could not be installed.
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
    /// An address could not be had.
    #[error(transparent)]
    Bind(#[from] http::BindError),
    /// The address of the admin endpoints could not be had.
    #[error("admin.listen: {0}")]
    Admin(#[source] http::BindError),
    /// The admin endpoints did not start.
    #[error("cannot start the admin endpoints: {0}")]
    Desk(#[source] io::Error),
    /// Sockets handed over by the starter of this process could not be used.
    #[error(transparent)]
    Inherit(#[from] http::InheritError),
    /// What watches over the children did not start.
    #[error("cannot watch over child processes: {0}")]
    Runtime(#[source] io::Error),
    /// Nobody knows what to start.
    #[error("cannot find this program's own executable: {0}")]
    Executable(#[source] io::Error),
    /// The memory of the store could not be had.
    #[error(
        "cannot get the memory of the store: {0}; give it less (store.max_memory), or raise the limit of file sizes (ulimit -f)"
    )]
    Store(#[source] io::Error),
    /// Sockets cannot be handed on.
    #[error("cannot hand the listening sockets on: {0}")]
    Sockets(#[source] io::Error),
    /// The first children did not come up.
    #[error("{0}")]
    Boot(String),
    /// The drain deadline came before the last request had ended.
    #[error(
        "the drain timeout was over before all requests had ended: {connections} connections were cut, {threads} PHP threads left behind"
    )]
    Cut {
        /// Connections.
        connections: usize,
        /// PHP threads.
        threads: u32,
    },
    /// A child crashed while the server ended.
    #[error("a child process crashed while the server ended: {0}")]
    Crash(String),
}

impl From<EndFault> for Error {
    fn from(fault: EndFault) -> Self {
        match fault {
            EndFault::Boot(message) => Self::Boot(message),
            EndFault::Cut { connections, threads } => Self::Cut { connections, threads },
            EndFault::Crash(cause) => Self::Crash(cause),
        }
    }
}

/// A configured server.
#[derive(Debug)]
pub struct Parent {
    flags: Flags,
    config: Config,
    started: Instant,
}

impl Parent {
    /// A server with this configuration, which the flags lead to.
    pub fn new(flags: Flags, config: Config) -> Self {
        Self { flags, config, started: Instant::now() }
    }

    /// Runs from start to end. Must be called on the main thread, before any other is started.
    ///
    /// # Errors
    /// Why it did not run, or did not end well.
    pub fn run(self) -> Result<(), Error> {
        let started = self.started;
        keep_secrets();
        let executable = supervisor::executable().map_err(Error::Executable)?;
        let listeners = self.listeners()?;
        let admin = desk::bind(&self.config.admin).map_err(Error::Admin)?;
        announce(&self.config, &listeners);
        let telemetry = desk::telemetry(&self.config.telemetry, &listeners);
        let (doorway, way) = desk::doorway(&self.config).map_err(Error::Sockets)?.unzip();
        let shared = Shared::new(&self.config.store).map_err(Error::Store)?;
        let plan = plan(&self.config, &listeners, &executable, (&shared, way.clone())).map_err(Error::Sockets)?;
        // The folder that relative names start in, by the name that the operator gave: a link may lead elsewhere at the next reload.
        let folder = env::var_os("PWD").map(PathBuf::from).filter(|folder| folder.is_absolute() && is_here(folder));
        let gate = desk::gate(&self.config);
        let premises = Premises {
            gate: gate.clone(),
            way,
            shared: shared.clone(),
            flags: self.flags,
            executable,
            folder,
            started,
            current: Some((self.config, listeners)),
            next: None,
            greeted: false,
            admin: admin.as_ref().and_then(|admin| admin.addresses().first().cloned()),
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        let watch_config = premises.current.as_ref().map(|(config, _)| config.clone());
        let supervisor = Supervisor::new(premises, plan);
        let handle = supervisor.handle();
        // All end with this function, after the last child.
        let desk = || desk::Desk::new(handle.clone(), started, &telemetry, gate.clone(), shared.store());
        let _admin = desk::open(admin.as_ref(), doorway, gate.clone(), desk()).map_err(Error::Desk)?;
        let _flusher = desk::flush(desk()).map_err(Error::Desk)?;
        let _watch = watch_config.and_then(|config| watching::start(&config, handle, runtime.handle().clone()));
        let outcome = runtime.block_on(supervisor.run()).map_err(Error::Signals)?;
        ServerStop {
            exit_code: u8::from(outcome.fault.is_some()),
            workers_left: outcome.workers_left,
            uptime: started.elapsed(),
        }
        .emit();
        outcome.fault.map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Sockets that systemd has opened take the place of the configured addresses.
    fn listeners(&self) -> Result<Listeners, Error> {
        match http::inherit()? {
            Some(listeners) => Ok(listeners),
            None => Ok(http::bind(&self.config.http.listen)?),
        }
    }
}

/// PHP may run as the same user, who can read what a process was started with. A child is another program again and not affected.
fn keep_secrets() {
    if !config::secret_variables().is_empty() {
        // It cannot fail but where the kernel does not know the call.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
    }
}

fn is_here(folder: &Path) -> bool {
    let one = |path: &Path| path.canonicalize().ok();
    one(folder).is_some_and(|folder| Some(folder) == one(Path::new(".")))
}

/// What children are started with.
fn plan(
    config: &Config,
    listeners: &Listeners,
    executable: &Path,
    (shared, way): (&Shared, Option<Arc<OwnedFd>>),
) -> io::Result<Plan> {
    let sockets = listeners.descriptors().into_iter().map(|socket| socket.as_fd().try_clone_to_owned());
    let boot = config.named_pools.iter().map(|pool| pool.boot_timeout).chain([config.boot_timeout]).max();
    Ok(Plan {
        children: config.processes,
        pools: iter::once(&config.pool)
            .chain(config.named_pools.iter().map(|named| &named.pool))
            .map(|pool| Arc::clone(&pool.name))
            .collect(),
        config: config
            .source
            .file
            .clone()
            .zip(config.source.text.clone())
            .map(|(path, text)| ConfigFile { path, text }),
        listeners: sockets.collect::<Result<_, _>>()?,
        endpoints: way,
        store: Some(shared.memory()),
        variables: config::variables_for_children(),
        program: Program::here(executable, config::variables_of_the_parent())?,
        boot_limit: boot.unwrap_or_default() + BOOT_SLACK,
        drain_timeout: config.drain_timeout,
        max_rss: config.max_rss,
        unresponsive: config.unresponsive,
    })
}

/// What generations of children are made of.
struct Premises {
    flags: Flags,
    executable: PathBuf,
    folder: Option<PathBuf>,
    started: Instant,
    /// Of the generation that serves; none once the server ends.
    current: Option<(Config, Listeners)>,
    /// Of the one that is about to.
    next: Option<(Config, Listeners)>,
    greeted: bool,
    /// Where the admin endpoints are.
    admin: Option<Bound>,
    /// Who may ask them.
    gate: Gate,
    /// What leads to them from a child.
    way: Option<Arc<OwnedFd>>,
    /// What children share.
    shared: Shared,
}

impl Blueprint for Premises {
    fn plan(&mut self) -> Result<Plan, String> {
        if let Some(folder) = &self.folder {
            // A folder that is gone is what the configuration will complain about.
            drop(env::set_current_dir(folder));
        }
        let config = config::load(&self.flags).map_err(|faults| {
            faults.report();
            faults.to_string()
        })?;
        let Some((_, before)) = &self.current else { return Err("the server ends".to_owned()) };
        let listeners = if before.are_inherited() {
            before.again().map_err(|error| Error::Sockets(error).to_string())?
        } else {
            http::rebind(&config.http.listen, before).map_err(|error| error.to_string())?
        };
        let plan = plan(&config, &listeners, &self.executable, (&self.shared, self.way.clone()))
            .map_err(|error| format!("{}: {error}", self.executable.display()))?;
        notify(&config);
        if let Some((before, _)) = &self.current
            && (before.admin.listen != config.admin.listen
                || before.watch != config.watch
                || before.store != config.store
                || before.telemetry != config.telemetry)
        {
            AdminNotice {
                message: "a change of admin.listen, store, telemetry or of what is watched takes effect with the next start",
            }
            .emit();
        }
        self.next = Some((config, listeners));
        Ok(plan)
    }

    fn serves(&mut self, ready: u32, workers: u32) {
        if let Some(next) = self.next.take() {
            desk::regulate(&self.gate, self.current.as_ref().map(|(config, _)| config), &next.0);
            self.current = Some(next);
        }
        if !self.greeted
            && let Some((config, listeners)) = &self.current
        {
            greet(config, listeners, self.admin.as_ref(), (ready, workers), self.started);
            self.greeted = true;
        }
    }

    fn withdrawn(&mut self) {
        self.next = None;
    }

    fn gone(&mut self, child: u64, in_disorder: bool) {
        self.shared.bury(child, in_disorder);
    }

    fn ends(&mut self) {
        self.next = None;
        self.current = None;
    }
}

/// The number of workers over all pools and processes.
fn workers(config: &Config) -> u32 {
    let named: u32 = config.named_pools.iter().map(|named| named.pool.workers).sum();
    (config.pool.workers + named) * config.processes
}

fn announce(config: &Config, listeners: &Listeners) {
    let listen: Vec<_> = listeners.addresses().iter().map(ToString::to_string).collect();
    let mode = match config.http.site.mode {
        Mode::Worker { .. } => "worker",
        Mode::Classic { .. } => "classic",
    };
    ServerStart {
        version: env!("CARGO_PKG_VERSION"),
        php: &php::build_info().php_version,
        mode,
        listen: &listen.join(","),
        workers: workers(config),
        config: &config_file(config).map_or_else(|| "none".to_owned(), |file| file.display().to_string()),
    }
    .emit();
    notify(config);
}

fn notify(config: &Config) {
    for notice in &config.source.notices {
        ConfigNotice { subject: &notice.subject, message: &notice.message, unheeded: notice.unheeded }.emit();
    }
}

/// The configuration file with its folder: where the server was started is not always known to who reads the log.
fn config_file(config: &Config) -> Option<PathBuf> {
    let file = config.source.file.as_ref()?;
    Some(std::path::absolute(file).unwrap_or_else(|_| file.clone()))
}

/// The log gets its event, the terminal its screen: on standard output, so that a log in JSON stays JSON.
fn greet(
    config: &Config,
    listeners: &Listeners,
    admin: Option<&Bound>,
    (ready, workers): (u32, u32),
    started: Instant,
) {
    ServerReady { ready, workers, startup: started.elapsed() }.emit();
    let Site { root, mode, .. } = &config.http.site;
    let worker = match mode {
        Mode::Worker { script } => Some(script.as_path()),
        Mode::Classic { .. } => None,
    };
    let symfony = project::folder_of(worker.unwrap_or(root)).and_then(|folder| project::symfony_version(&folder));
    let banner = Banner {
        addresses: &listeners.addresses(),
        worker,
        root,
        php: &php::build_info().php_version,
        symfony: symfony.as_deref(),
        workers: (ready, workers),
        pools: config.named_pools.iter().map(|named| (&*named.pool.name, named.pool.workers)).collect(),
        config: config_file(config),
        admin,
        watching: config.watch.is_some(),
        pid: std::process::id(),
    };
    // Nobody may be reading; the server runs all the same.
    let mut out = io::stdout().lock();
    drop(write!(out, "{banner}").and_then(|()| out.flush()));
}
