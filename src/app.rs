//! The composer: turns a configuration into a running server and takes it down again. It alone knows all parts.
//!
//! Start: bind -> engine (this thread) -> tokio -> workers -> ready -> banner -> serve. Nothing is started before every address
//! is had; while workers boot, clients wait in the kernel's queue. A start that fails undoes itself: no second try, no storm.
//!
//! Stop: no new connections -> requests in flight end -> pool drained, threads joined -> tokio down -> engine down, on the thread
//! that started it and only if every PHP thread is gone. Each step has a bound.

#![forbid(unsafe_code)]

mod banner;
mod environment;
mod project;

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::time::timeout_at;

use crate::config::Config;
use crate::http::{self, Listeners, Mode, Router, Site};
use crate::job::{self, Failure, RequestBody, Runtime};
use crate::lifecycle::{Phase, Phases, Signals};
use crate::php::{self, ClassicRuntime, Engine, WorkerRuntime, WorkerScript};
use crate::pool::{self, BootError, Booted, Pool, RecycleMode, Selection};
use crate::telemetry::RecycleReason;
use crate::telemetry::events::{ConfigNotice, ServerDrain, ServerReady, ServerStart, ServerStop};
use banner::Banner;

/// Time for threads that have nothing to do any more to leave, when there is no drain deadline left that would be longer.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Bound on tokio's own end: only file operations in flight could still hold it.
const RUNTIME_STOP: Duration = Duration::from_secs(1);

/// Why the server did not run, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Signal handlers could not be installed.
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
    /// An address could not be had.
    #[error(transparent)]
    Bind(#[from] http::BindError),
    /// Sockets handed over by the starter of this process could not be used.
    #[error(transparent)]
    Inherit(#[from] http::InheritError),
    /// PHP did not start.
    #[error("PHP did not start: {0}")]
    Engine(#[from] php::StartError),
    /// tokio did not start, or took no socket.
    #[error("cannot start the network threads: {0}")]
    Network(#[source] io::Error),
    /// The path of the worker script, or a value of its environment, is not fit for C.
    #[error("the path of the worker script or a value in app.env holds a NUL byte")]
    Nul,
    /// The pool did not start.
    #[error(transparent)]
    Pool(#[from] pool::StartError),
    /// No worker reached its loop.
    #[error(
        "{0}\nThe worker script must reach supercharger_handle_request() (or, with Symfony, return the kernel from public/index.php)"
    )]
    Boot(#[from] BootError),
    /// No worker reached its loop in time.
    #[error(
        "no worker reached its loop within {}; the script may wait for something that does not answer, or never call \
         supercharger_handle_request(). pools.{pool}.boot_timeout allows more",
        seconds(*.limit)
    )]
    BootTimeout {
        /// The pool.
        pool: Arc<str>,
        /// Its time.
        limit: Duration,
    },
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
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// How a run ended.
#[derive(Debug)]
#[must_use]
pub struct Ended {
    /// Why, if not as it should.
    pub result: Result<(), Error>,
    /// PHP threads may still run: the process must end without running the destructors of C libraries.
    pub threads_left: bool,
}

impl Ended {
    fn early(error: Error) -> Self {
        Self { result: Err(error), threads_left: false }
    }
}

/// A configured server.
#[derive(Debug)]
pub struct App {
    config: Config,
    phases: Phases,
    started: Instant,
}

/// What the part of the life that runs in tokio came to.
struct Lived {
    result: Result<(), Error>,
    threads_left: u32,
}

impl App {
    /// A server with this configuration.
    pub fn new(config: Config) -> Self {
        Self { config, phases: Phases::default(), started: Instant::now() }
    }

    /// Runs from start to end. Must be called on the main thread, before any other is started.
    pub fn run(self) -> Ended {
        let signals = match Signals::install() {
            Ok(signals) => signals,
            Err(error) => return Ended::early(Error::Signals(error)),
        };
        let listeners = match self.listeners() {
            Ok(listeners) => listeners,
            Err(error) => return Ended::early(error),
        };
        self.phases.advance(Phase::Bound);
        // Without /proc nobody can say where this executable is.
        let program = php::Program::locate(None).ok();
        let variables = environment::common(env::vars_os(), &self.config.php.env, program.as_ref());
        let engine = match self.start_engine(&variables, program) {
            Ok(engine) => engine,
            Err(error) => return Ended::early(error.into()),
        };
        self.phases.advance(Phase::EngineUp);

        let lived = match self.network() {
            Ok(network) => {
                let lived = network.block_on(self.live(&signals, listeners, &engine, &variables));
                network.shutdown_timeout(RUNTIME_STOP);
                lived
            }
            Err(error) => Lived { result: Err(Error::Network(error)), threads_left: 0 },
        };
        // An engine that is still in use is left alone: freeing it under a running thread would be fatal.
        let threads_left = lived.threads_left > 0 || engine.stop().is_err();
        self.phases.advance(Phase::Stopped);
        ServerStop {
            exit_code: u8::from(lived.result.is_err()),
            workers_left: lived.threads_left,
            uptime: self.started.elapsed(),
        }
        .emit();
        Ended { result: lived.result, threads_left }
    }

    /// Sockets that systemd has opened take the place of the configured addresses.
    fn listeners(&self) -> Result<Listeners, Error> {
        match http::inherit()? {
            Some(listeners) => Ok(listeners),
            None => Ok(http::bind(&self.config.http.listen)?),
        }
    }

    fn start_engine(
        &self,
        variables: &environment::Variables,
        program: Option<php::Program>,
    ) -> Result<Arc<Engine>, php::StartError> {
        Engine::start(&php::Config {
            ini: self.config.php.ini.clone(),
            env: variables.clone(),
            app_env: self.config.php.env.clone(),
            server_software: format!("supercharger/{}", env!("CARGO_PKG_VERSION")),
            program,
        })
    }

    fn network(&self) -> io::Result<runtime::Runtime> {
        runtime::Builder::new_multi_thread()
            .worker_threads(self.config.io_threads)
            .thread_name("sc-io")
            .enable_all()
            .build()
    }

    /// From the start of the workers to their end.
    async fn live(
        &self,
        signals: &Signals,
        listeners: Listeners,
        engine: &Arc<Engine>,
        variables: &environment::Variables,
    ) -> Lived {
        self.announce(&listeners);
        let router = Router::new(self.config.http.site.clone());
        let mut pools = Vec::new();
        let result = match self.start_pools(engine, variables, &mut pools) {
            Ok(()) => self.boot_and_serve(signals, listeners, router, &pools).await,
            Err(error) => Err(error),
        };

        self.phases.advance(Phase::Stopping);
        let deadline = result.as_ref().ok().copied().flatten();
        let least = Instant::now() + STOP_GRACE;
        let threads_left = stop(&pools, deadline.map_or(least, |deadline| deadline.max(least))).await;
        let result = match result {
            // Before the server was ready nothing was promised to anybody.
            Ok(Some(_)) if threads_left > 0 => Err(Error::Cut { connections: 0, threads: threads_left }),
            Err(Error::Cut { connections, .. }) => Err(Error::Cut { connections, threads: threads_left }),
            other => other.map(|_| ()),
        };
        Lived { result, threads_left }
    }

    /// The default pool and the others, in the order that `http` counts them in.
    fn pool_configs(&self) -> impl Iterator<Item = (&pool::Config, &Mode, Duration)> {
        let site = &self.config.http.site;
        let default = (&self.config.pool, &site.mode, self.config.boot_timeout);
        let named = self.config.named_pools.iter().zip(&site.branches);
        std::iter::once(default).chain(named.map(|(named, branch)| (&named.pool, &branch.mode, named.boot_timeout)))
    }

    /// Starts every pool; on a failure `pools` has those that were started.
    fn start_pools(
        &self,
        engine: &Arc<Engine>,
        variables: &environment::Variables,
        pools: &mut Vec<Arc<Pool>>,
    ) -> Result<(), Error> {
        let mut looping = Vec::new();
        for (config, mode, _) in self.pool_configs() {
            let runtime: Arc<dyn Runtime> = match mode {
                Mode::Classic { .. } => Arc::new(ClassicRuntime::new(Arc::clone(engine))),
                Mode::Worker { script } => {
                    let project = project::folder_of(script);
                    let boot_env = environment::worker_boot(variables, project.as_deref(), php::SYMFONY_RUNTIME_CLASS);
                    let script = WorkerScript { file: script.clone(), boot_env };
                    Arc::new(WorkerRuntime::new(Arc::clone(engine), &script).ok_or(Error::Nul)?)
                }
            };
            let pool = Pool::start(config.clone(), runtime)?;
            if matches!(mode, Mode::Worker { .. }) {
                // Weak: a pool keeps the engine, which keeps this list.
                looping.push(Arc::downgrade(&pool));
            }
            pools.push(pool);
        }
        engine.on_opcache_restart(move || {
            for pool in looping.iter().filter_map(Weak::upgrade) {
                // Each of them is in the log.
                let _: usize = pool.recycle(Selection::All, RecycleReason::Opcache, RecycleMode::Break);
            }
        });
        Ok(())
    }

    /// Waits until every pool has booted, each within its own time. All boot at the same time.
    async fn booted(&self, pools: &[Arc<Pool>]) -> Result<(u32, u32), Error> {
        let start = Instant::now();
        let mut workers = (0, 0);
        for (pool, (config, _, limit)) in pools.iter().zip(self.pool_configs()) {
            let booted: Booted = timeout_at((start + limit).into(), pool.ready())
                .await
                .map_err(|_| Error::BootTimeout { pool: Arc::clone(&config.name), limit })??;
            workers = (workers.0 + booted.ready, workers.1 + booted.workers);
        }
        Ok(workers)
    }

    /// Boots, serves and drains. Brings the deadline of the drain, or none if there was nothing to drain yet.
    async fn boot_and_serve(
        &self,
        signals: &Signals,
        listeners: Listeners,
        router: Router,
        pools: &[Arc<Pool>],
    ) -> Result<Option<Instant>, Error> {
        let booted = tokio::select! {
            booted = self.booted(pools) => booted?,
            signal = signals.received() => {
                ServerDrain { trigger: &signal.map_err(Error::Signals)?.to_string(), timeout: STOP_GRACE }.emit();
                return Ok(None);
            }
        };
        self.phases.advance(Phase::Ready);
        self.greet(&listeners, booted);

        let drain_timeout = self.config.drain_timeout;
        let mut deadline = None;
        let stop = async {
            let trigger = signals.received().await.map_or_else(|error| error.to_string(), |signal| signal.to_string());
            ServerDrain { trigger: &trigger, timeout: drain_timeout }.emit();
            self.phases.advance(Phase::Draining);
            deadline = Some(Instant::now() + drain_timeout);
        };
        let backend = Pools(pools.to_vec());
        let drained = listeners.serve(backend, self.config.http.clone(), router, stop, drain_timeout).await;
        match drained.map_err(Error::Network)?.cut {
            0 => Ok(deadline),
            connections => Err(Error::Cut { connections, threads: 0 }),
        }
    }

    fn announce(&self, listeners: &Listeners) {
        let listen: Vec<_> = listeners.addresses().iter().map(ToString::to_string).collect();
        let mode = match self.config.http.site.mode {
            Mode::Worker { .. } => "worker",
            Mode::Classic { .. } => "classic",
        };
        ServerStart {
            version: env!("CARGO_PKG_VERSION"),
            php: &php::build_info().php_version,
            mode,
            listen: &listen.join(","),
            workers: self.pool_configs().map(|(config, ..)| config.workers).sum(),
            config: &self.config_file().map_or_else(|| "none".to_owned(), |file| file.display().to_string()),
        }
        .emit();
        for notice in &self.config.source.notices {
            ConfigNotice { subject: &notice.subject, message: &notice.message, unheeded: notice.unheeded }.emit();
        }
    }

    /// The configuration file with its folder: where the server was started is not always known to who reads the log.
    fn config_file(&self) -> Option<PathBuf> {
        let file = self.config.source.file.as_ref()?;
        Some(std::path::absolute(file).unwrap_or_else(|_| file.clone()))
    }

    /// The log gets its event, the terminal its screen: on standard output, so that a log in JSON stays JSON.
    fn greet(&self, listeners: &Listeners, (ready, workers): (u32, u32)) {
        ServerReady { ready, workers, startup: self.started.elapsed() }.emit();
        let Site { root, mode, .. } = &self.config.http.site;
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
            config: self.config_file(),
            pid: std::process::id(),
        };
        // Nobody may be reading; the server runs all the same.
        let mut out = io::stdout().lock();
        drop(write!(out, "{banner}").and_then(|()| out.flush()));
    }
}

/// Stops the pools side by side; brings the number of threads that are left.
async fn stop(pools: &[Arc<Pool>], deadline: Instant) -> u32 {
    for pool in pools {
        pool.drain();
    }
    let mut left = 0;
    for pool in pools {
        left += pool.stop(deadline).await.left;
    }
    left
}

/// The pools, as the HTTP front sees them.
struct Pools(Vec<Arc<Pool>>);

impl http::Backend for Pools {
    async fn submit(&self, pool: usize, request: job::Request, body: RequestBody) -> Result<job::Response, Failure> {
        self.0[pool].submit(request, body).await
    }
}
