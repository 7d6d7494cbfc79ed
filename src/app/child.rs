//! The child's part: PHP, its workers and the HTTP front, on listening sockets that the parent has bound.
//!
//! Start: engine (this thread) -> tokio -> workers -> told to the parent -> serve when it says so. Nothing is accepted before that; clients
//! wait in the kernel's queue. A start that fails undoes itself and tells the parent why.
//!
//! Stop: no new connections -> requests in flight end -> pool drained, threads joined -> tokio down -> engine down, on the thread
//! that started it and only if every PHP thread is gone. Each step has a bound. A parent that is gone is an order to stop.

#![forbid(unsafe_code)]

mod opcache;
mod orders;
mod way;

use std::convert::Infallible;
use std::env;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::{environment, project, shared};
use crate::admin;
use crate::config::{Config, Given};
use crate::control::{Hello, Link, Report, Reports, Snapshot};
use crate::http::{self, Farewell, Listeners, Mode, Parting, Router};
use crate::job::{self, BOARD_BYTES, Board, Failure, RequestBody, Runtime};
use crate::lifecycle::{self, Phase, Phases};
use crate::php::{self, ClassicRuntime, Engine, WorkerRuntime, WorkerScript};
use crate::pool::{self, BootError, Booted, Pool};
use crate::store::Store;
use crate::telemetry::events::StoreApart;
use crate::telemetry::spans::Tracer;
use orders::{Sight, Standing};
use way::Way;

/// Time for threads that have nothing to do any more to leave, when there is no drain deadline left that would be longer.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// The pool itself gives up a boot that takes too long, and says so; this is for one that cannot.
const BOOT_SLACK: Duration = Duration::from_secs(2);
/// Bound on tokio's own end: only file operations in flight could still hold it.
const RUNTIME_STOP: Duration = Duration::from_secs(1);
/// Longest time for the last spans to reach the collector: the parent allows a stop several seconds beyond the drain.
const TRACES_STOP: Duration = Duration::from_secs(3);

/// Why a child does not serve.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Signal handlers could not be installed.
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
    /// A descriptor from the parent is no listening socket.
    #[error("cannot use the listening sockets: {0}")]
    Adopt(#[source] io::Error),
    /// PHP did not start.
    #[error("PHP did not start: {0}")]
    Engine(#[from] php::StartError),
    /// tokio did not start, or took no socket; or the thread that reads orders did not.
    #[error("cannot start the network threads: {0}")]
    Network(#[source] io::Error),
    /// The path of the worker script, or a value of its environment, is not fit for C.
    #[error("the path of the worker script or a value in app.env holds a NUL byte")]
    Nul,
    /// Nothing could be sent to the collector.
    #[error("cannot trace requests (otlp.endpoint): {0}")]
    Traces(#[source] io::Error),
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
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// How a child has ended. What there is to say has been said to the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ChildEnded {
    /// It did not serve, or requests were cut.
    pub failed: bool,
    /// PHP threads may still run: the process must end without running the destructors of C libraries.
    pub threads_left: bool,
}

/// A child that knows who it is.
#[derive(Debug)]
pub struct Child {
    link: Link,
    reports: Reports,
    hello: Hello,
    descriptors: Vec<OwnedFd>,
}

/// What the part of the life that runs in tokio came to.
struct Lived {
    /// `None` if there was nothing to drain.
    result: Result<Option<Served>, Error>,
    threads_left: u32,
}

/// What became of the connections.
struct Served {
    deadline: Instant,
    connections_cut: usize,
}

impl Child {
    /// Takes the channel to the parent, which is standard input, and what comes over it first. Standard input is empty afterwards.
    ///
    /// # Errors
    /// Standard input is no such channel: somebody else has given the mark.
    pub fn open() -> io::Result<Self> {
        let channel = io::stdin().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let (link, hello, descriptors) = Link::open(channel)?;
        Ok(Self { reports: link.reports(), link, hello, descriptors })
    }

    /// What the parent has read: the configuration file and the settings of its environment.
    pub fn given(&self) -> Given {
        let Hello { config, variables, .. } = &self.hello;
        Given { file: config.as_ref().map(|file| (file.path.clone(), file.text.clone())), variables: variables.clone() }
    }

    /// Tells the parent why this child does not even try.
    pub fn refuse(self, why: &str) -> ChildEnded {
        self.reports.send(&Report::BootFailed { message: why.to_owned() });
        ChildEnded { failed: true, threads_left: false }
    }

    /// Runs from start to end. Must be called on the main thread, before any other is started.
    pub fn run(mut self, config: Config) -> ChildEnded {
        let reports = self.reports.clone();
        // The board comes after the listening sockets.
        let mut board = self.descriptors.split_off(self.hello.listeners.min(self.descriptors.len()));
        // Then the store, if the parent has one, and what leads to the endpoints.
        let store = (self.hello.child != 0 && board.len() > 1).then(|| board.remove(1));
        let way = (board.len() > 1).then(|| board.pop()).flatten();
        let store = store.and_then(|memory| shared::join(&memory, self.hello.child));
        if store.is_none() {
            StoreApart { child: self.hello.child }.emit();
        }
        let mut config = with_board(config, board.first());
        if config.endpoints_on_main {
            config.http.endpoints =
                way.map(|way| http::Endpoints { paths: admin::paths(), way: Arc::new(Way::new(way)) });
        }
        let (failed, threads_left) = match Life::start(config, self, store) {
            Ok(life) => life.run(),
            Err(error) => {
                reports.send(&Report::BootFailed { message: error.to_string() });
                (true, false)
            }
        };
        ChildEnded { failed, threads_left }
    }
}

/// Has workers note what they run. Without a board a crash is reported without its requests, that is all.
fn with_board(mut config: Config, board: Option<&OwnedFd>) -> Config {
    let words = board.and_then(|board| php::shared_words(board, BOARD_BYTES).ok());
    let board = words.map(Board::new);
    config.pool.board.clone_from(&board);
    for named in &mut config.named_pools {
        named.pool.board.clone_from(&board);
    }
    config
}

/// Has HTTP and the pools report what they know of requests that are traced.
fn trace(config: &mut Config, tracer: Option<&Arc<Tracer>>) {
    let (Some(traces), Some(tracer)) = (&config.traces, tracer) else { return };
    let (inbound, respond) = (traces.inbound, traces.respond);
    config.http.tracing = Some(http::Tracing { tracer: Arc::clone(tracer), inbound, respond });
    config.pool.tracer = Some(Arc::clone(tracer));
    for named in &mut config.named_pools {
        named.pool.tracer = Some(Arc::clone(tracer));
    }
}

/// A child with a running engine.
struct Life {
    config: Config,
    phases: Arc<Phases>,
    engine: Arc<Engine>,
    variables: environment::Variables,
    listeners: Listeners,
    network: runtime::Runtime,
    tracer: Option<Arc<Tracer>>,
    standing: watch::Receiver<Standing>,
    sight: Arc<Sight>,
    reports: Reports,
}

impl Life {
    fn start(config: Config, child: Child, store: Option<Store>) -> Result<Self, Error> {
        lifecycle::leave_signals_to_parent().map_err(Error::Signals)?;
        let Child { link, reports, descriptors, .. } = child;
        let listeners = http::adopt(descriptors).map_err(Error::Adopt)?;
        let phases = Arc::new(Phases::default());
        phases.advance(Phase::Bound);
        // Without /proc nobody can say where this executable is.
        let program = php::Program::locate(None).ok();
        let variables = environment::common(env::vars_os(), &config.php.env, program.as_ref());
        let engine = start_engine(&config, &variables, program, store)?;
        phases.advance(Phase::EngineUp);
        let network = network(config.io_threads).map_err(Error::Network)?;
        let traces = config.traces.clone();
        let tracer = traces.map(|traces| Tracer::start(traces.tracer)).transpose().map_err(Error::Traces)?;
        let traffic = Arc::clone(&config.http.traffic);
        let sight = Arc::new(Sight::new(Arc::clone(&phases), traffic, tracer.clone()));
        let standing = orders::obey(link, Arc::clone(&sight)).map_err(Error::Network)?;
        Ok(Self { config, phases, engine, variables, listeners, network, tracer, standing, sight, reports })
    }

    /// Whether it has failed, and whether threads are left.
    fn run(self) -> (bool, bool) {
        let Self { mut config, phases, engine, variables, listeners, network, tracer, standing, sight, reports } = self;
        trace(&mut config, tracer.as_ref());
        config.http.maintenance = sight.maintenance();
        config.http.mistake = config.watch.as_ref().map(|_| sight.mistake());
        let living = Living { config: &config, phases: &phases, standing, sight: &sight, reports: &reports };
        let lived = network.block_on(living.live(listeners, &engine, &variables));
        network.shutdown_timeout(RUNTIME_STOP);
        if let Some(tracer) = tracer {
            tracer.stop(TRACES_STOP);
        }
        sight.forget();
        let Snapshot { pools, http, spans, .. } = sight.snapshot();
        // An engine that is still in use is left alone: freeing it under a running thread would be fatal.
        let threads_left = lived.threads_left > 0 || engine.stop().is_err();
        phases.advance(Phase::Stopped);
        let failed = match lived.result {
            Ok(served) => {
                let connections_cut = served.as_ref().map_or(0, |served| served.connections_cut);
                let workers_left = lived.threads_left;
                reports.send(&Report::Ended { connections_cut, workers_left, pools, http, spans });
                // Before the server was ready nothing was promised to anybody.
                served.is_some() && (connections_cut > 0 || lived.threads_left > 0)
            }
            Err(error) => {
                reports.send(&Report::BootFailed { message: error.to_string() });
                true
            }
        };
        (failed, threads_left)
    }
}

fn start_engine(
    config: &Config,
    variables: &environment::Variables,
    program: Option<php::Program>,
    store: Option<Store>,
) -> Result<Arc<Engine>, php::StartError> {
    Engine::start(&php::Config {
        ini: config.php.ini.clone(),
        env: variables.clone(),
        app_env: config.php.env.clone(),
        server_software: format!("supercharger/{}", env!("CARGO_PKG_VERSION")),
        program,
        store,
    })
}

fn network(io_threads: usize) -> io::Result<runtime::Runtime> {
    runtime::Builder::new_multi_thread().worker_threads(io_threads).thread_name("sc-io").enable_all().build()
}

/// The part of the life that runs in tokio.
struct Living<'a> {
    config: &'a Config,
    phases: &'a Phases,
    standing: watch::Receiver<Standing>,
    sight: &'a Sight,
    reports: &'a Reports,
}

impl Living<'_> {
    /// From the start of the workers to their end.
    async fn live(self, listeners: Listeners, engine: &Arc<Engine>, variables: &environment::Variables) -> Lived {
        let router = Router::new(self.config.http.site.clone());
        let mut pools = Vec::new();
        let result = match self.start_pools(engine, variables, &mut pools) {
            Ok(()) => {
                self.sight.see(&pools);
                self.boot_and_serve(listeners, router, &pools).await
            }
            Err(error) => Err(error),
        };

        self.phases.advance(Phase::Stopping);
        let deadline = result.as_ref().ok().and_then(Option::as_ref).map(|served| served.deadline);
        let least = Instant::now() + STOP_GRACE;
        let threads_left = stop(&pools, deadline.map_or(least, |deadline| deadline.max(least))).await;
        Lived { result, threads_left }
    }

    /// Asks the parent for another child once too many threads are stuck: they hold memory, and what they compute takes a CPU from those
    /// who serve.
    async fn count_stuck(&self) -> Infallible {
        let most = self.config.max_stuck;
        let mut stuck = self.config.pool.stuck.subscribe();
        if let Ok(count) = stuck.wait_for(|stuck| *stuck > most).await.map(|count| *count) {
            let detail = format!("{count} PHP threads are stuck, process.max_stuck is {most}");
            self.reports.send(&Report::ReplaceMe { reason: "max_stuck".to_owned(), detail });
        }
        // The parent does not forget.
        std::future::pending().await
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
        let mut premises = opcache::Pools::new(self.reports);
        for (config, mode, _) in self.pool_configs() {
            let runtime: Arc<dyn Runtime> = match mode {
                Mode::Classic { .. } => Arc::new(ClassicRuntime::new(Arc::clone(engine))),
                Mode::Worker { script } => {
                    let project = project::folder_of(script);
                    let boot_env = environment::worker_boot(variables, project.as_deref(), php::SYMFONY_RUNTIME_CLASS);
                    let drift_sample = config.drift_sample;
                    let script = WorkerScript { file: script.clone(), boot_env, drift_sample, project };
                    Arc::new(WorkerRuntime::new(Arc::clone(engine), &script).ok_or(Error::Nul)?)
                }
            };
            // All count their stuck threads together.
            let config = pool::Config { stuck: self.config.pool.stuck.clone(), ..config.clone() };
            let pool = Pool::start(config, runtime)?;
            premises.add(&pool, matches!(mode, Mode::Worker { .. }));
            pools.push(pool);
        }
        engine.on_opcache_restart(premises);
        Ok(())
    }

    /// Waits until every pool has booted, each within its own time. All boot at the same time.
    async fn booted(&self, pools: &[Arc<Pool>]) -> Result<(u32, u32), Error> {
        let start = Instant::now();
        let mut workers = (0, 0);
        for (pool, (config, _, limit)) in pools.iter().zip(self.pool_configs()) {
            let booted: Booted = timeout_at((start + limit + BOOT_SLACK).into(), pool.ready())
                .await
                .map_err(|_| Error::BootTimeout { pool: Arc::clone(&config.name), limit })??;
            workers = (workers.0 + booted.ready, workers.1 + booted.workers);
        }
        Ok(workers)
    }

    /// Boots, serves and drains.
    async fn boot_and_serve(
        &self,
        listeners: Listeners,
        router: Router,
        pools: &[Arc<Pool>],
    ) -> Result<Option<Served>, Error> {
        let mut standing = self.standing.clone();
        let (ready, workers) = tokio::select! {
            booted = self.booted(pools) => booted?,
            _ = leave(&mut standing) => return Ok(None),
        };
        self.phases.advance(Phase::Ready);
        // Nobody has asked; but should this child come to a sudden end, its parent knows who it was.
        self.reports.send(&Report::Snapshot { id: 0, snapshot: Box::new(self.sight.snapshot()) });
        self.reports.send(&Report::Ready { ready, workers });
        if orders::begin(&mut standing).await != Standing::Serve {
            return Ok(None);
        }

        let drain_timeout = self.config.drain_timeout;
        let mut deadline = None;
        let stop = async {
            let farewell = leave(&mut standing).await;
            self.phases.advance(Phase::Draining);
            deadline = Some(Instant::now() + drain_timeout);
            farewell
        };
        let tell = |parting| {
            self.reports.send(&match parting {
                Parting::NotAccepting => Report::NotAccepting,
                Parting::Quiet => Report::Quiet,
            });
        };
        let backend = Pools(pools.to_vec());
        let serving = listeners.serve(backend, self.config.http.clone(), router, stop, drain_timeout, tell);
        let drained = tokio::select! {
            drained = serving => drained,
            never = self.count_stuck() => match never {},
        };
        let connections_cut = drained.map_err(Error::Network)?.cut;
        Ok(Some(Served { deadline: deadline.unwrap_or_else(Instant::now), connections_cut }))
    }
}

/// Waits for the order to leave.
async fn leave(standing: &mut watch::Receiver<Standing>) -> Farewell {
    match orders::end(standing).await {
        Standing::Leave { handover: true } => Farewell::HandOver,
        _ => Farewell::Stop,
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
