//! The admin endpoints' server: the supervisor, asked through its handle.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use parking_lot::Mutex;
use socket2::{Domain, SockRef};
use tokio::time::timeout;

use crate::admin::{
    self, Admin, Behind, Flusher, Gate, Order, Process, Proxies, Reloaded, Role, Server, Stage, Telemetry, View,
};
use crate::config::{self, Config};
use crate::control::Maintenance;
use crate::http::{self, BindError, Listeners, TrustedProxy};
use crate::php;
use crate::pool::WorkerState;
use crate::store::{Figures, Store};
use crate::supervisor::{ChildStatus, Handle, Status};
use crate::telemetry::events::AdminNotice;
use crate::telemetry::millis;

/// The supervisor waits a second for its children and for nothing else. Should it be late all the same, what it said last is shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes the address of the endpoints, if there are to be any.
///
/// # Errors
/// It cannot be had, and somebody counts on it.
pub(super) fn bind(config: &config::Admin) -> Result<Option<Listeners>, BindError> {
    let Some(address) = &config.listen else { return Ok(None) };
    match http::bind(std::slice::from_ref(address)) {
        Ok(listeners) => Ok(Some(listeners)),
        Err(error) if config.required => Err(error),
        Err(error) => {
            let message = format!("no admin endpoints, and no `supercharger status`: {error}");
            AdminNotice { message: &message.replace("--listen", "admin.listen") }.emit();
            Ok(None)
        }
    }
}

/// The guard of the endpoints, as the configuration says.
pub(super) fn gate(config: &Config) -> Gate {
    Gate::new(config.admin.guard.clone(), Trusted(config.http.trusted_proxies.clone()))
}

/// From now on as this configuration says. One that says the same as before disturbs nobody.
pub(super) fn regulate(gate: &Gate, before: Option<&Config>, config: &Config) {
    let is_same = |before: &Config| {
        before.admin.guard == config.admin.guard && before.http.trusted_proxies == config.http.trusted_proxies
    };
    if before.is_some_and(is_same) {
        return;
    }
    gate.replace(config.admin.guard.clone(), Trusted(config.http.trusted_proxies.clone()));
}

/// One list of proxies for the whole server.
#[derive(Debug)]
struct Trusted(Vec<TrustedProxy>);

impl Proxies for Trusted {
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> Behind {
        match http::behind(peer, &self.0, headers) {
            http::Behind::Untrusted => Behind::Untrusted,
            http::Behind::Client { address, host } => Behind::Client { address, host },
            http::Behind::Confused => Behind::Confused,
        }
    }
}

/// Where requests arrive that come to a child, and the end that children get. None if there are no endpoints at all.
///
/// # Errors
/// What the system says.
pub(super) fn doorway(config: &Config) -> io::Result<Option<(UnixDatagram, Arc<OwnedFd>)>> {
    if config.admin.listen.is_none() && !config.endpoints_on_main {
        return Ok(None);
    }
    let (ours, theirs) = UnixDatagram::pair()?;
    ours.set_nonblocking(true)?;
    Ok(Some((ours, Arc::new(theirs.into()))))
}

/// Starts the endpoints on a socket that is bound, and where those of children arrive. `listeners` stay the caller's: with them goes the
/// file of a unix socket.
///
/// # Errors
/// What the system says.
pub(super) fn open(
    listeners: Option<&Listeners>,
    doorway: Option<UnixDatagram>,
    gate: Gate,
    desk: Desk,
) -> io::Result<Option<Admin>> {
    let descriptors = listeners.map(Listeners::descriptors).unwrap_or_default();
    let socket = descriptors.first().map(|socket| socket.as_fd().try_clone_to_owned()).transpose()?;
    let listener = match socket {
        Some(socket) if SockRef::from(&socket).domain()? == Domain::UNIX => Some(admin::Listener::Unix(socket.into())),
        Some(socket) => Some(admin::Listener::Tcp(socket.into())),
        None => None,
    };
    if listener.is_none() && doorway.is_none() {
        return Ok(None);
    }
    admin::start(listener, doorway, gate, desk).map(Some)
}

/// Starts to write metrics to files, if that is wanted. It has nothing to do with the endpoints, which may be off.
///
/// # Errors
/// What the system says.
pub(super) fn flush(desk: Desk) -> io::Result<Option<Flusher>> {
    admin::flush(desk)
}

/// Where metrics are written, and under which name: that of the machine and the first address, which stay the same when the server
/// starts anew.
pub(super) fn telemetry(config: &config::Telemetry, listeners: &Listeners) -> Telemetry {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let address = listeners.addresses().first().map_or_else(String::new, ToString::to_string);
    Telemetry {
        dir: config.dir.clone(),
        textfile: config.textfile.clone(),
        interval: config.flush_interval,
        id: format!("{}-{address}", host.trim()),
    }
}

impl Desk {
    /// A view of the server, for one who shows it.
    pub(super) fn new(handle: Handle, started: Instant, telemetry: &Telemetry, gate: Gate, store: Store) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(started.elapsed());
        let (started_unix, telemetry) = (since.as_secs_f64(), telemetry.clone());
        Self { handle, started, started_unix, last: Mutex::default(), telemetry, gate, store }
    }
}

/// The server as its endpoints see it.
pub(super) struct Desk {
    handle: Handle,
    started: Instant,
    started_unix: f64,
    last: Mutex<Status>,
    telemetry: Telemetry,
    gate: Gate,
    store: Store,
}

impl Server for Desk {
    async fn view(&self) -> View {
        let status = match timeout(PATIENCE, self.handle.status()).await {
            Ok(status) => {
                *self.last.lock() = status.clone();
                status
            }
            Err(_) => self.last.lock().clone(),
        };
        let process = Process {
            version: env!("CARGO_PKG_VERSION"),
            php: php::build_info().php_version.clone(),
            pid: std::process::id(),
            started_unix: self.started_unix,
            uptime_seconds: self.started.elapsed().as_secs_f64(),
        };
        View { refused: self.gate.refused(), store: self.store.figures(), ..view(process, status) }
    }

    fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    async fn reload(&self) -> Reloaded {
        let started = Instant::now();
        let outcome = self.handle.reload("reload").await;
        let generation = timeout(PATIENCE, self.handle.status()).await.map_or(0, |status| status.generation);
        Reloaded {
            ok: outcome.is_ok(),
            generation,
            reason: "reload".to_owned(),
            took_ms: millis(started.elapsed()),
            error: outcome.err().map(|error| error.to_string()),
        }
    }

    async fn drain(&self) {
        self.handle.drain("drain").await;
    }

    async fn maintain(&self, maintenance: Option<Maintenance>) {
        self.handle.maintain(maintenance).await;
    }

    async fn recycle(&self, order: Order) -> Result<u32, String> {
        match self.handle.recycle(order.pool.as_deref(), order.slot).await {
            0 => Err(match (order.pool, order.slot) {
                (None, None) => "no process serves".to_owned(),
                (Some(pool), None) => format!("there is no pool `{pool}`"),
                (None, Some(slot)) => format!("no pool has a slot {slot}"),
                (Some(pool), Some(slot)) => format!("there is no pool `{pool}` with a slot {slot}"),
            }),
            workers => Ok(workers),
        }
    }
}

fn view(process: Process, status: Status) -> View {
    let children: Vec<_> = status.children.into_iter().map(child).collect();
    let serves = children.iter().any(|child| child.role == Role::Serving);
    let stage = match (status.ending, status.reloading, serves) {
        (true, ..) => Stage::Draining,
        (false, true, _) => Stage::Reloading,
        (false, false, true) => Stage::Serving,
        (false, false, false) => Stage::Booting,
    };
    let (ok, failed) = status.reloads;
    View {
        process,
        stage,
        generation: status.generation,
        pools: status.pools,
        last_reload: status.last_reload.map(|last| Reloaded {
            ok: last.error.is_none(),
            generation: last.generation,
            reason: last.trigger,
            took_ms: millis(last.took),
            error: last.error,
        }),
        children,
        maintenance: status.maintenance,
        started: status.has_served,
        departed: status.departed.pools,
        departed_answers: status.departed.http,
        departed_spans: status.departed.spans,
        child_restarts: status.crashes,
        reloads: BTreeMap::from([("ok".to_owned(), ok), ("failed".to_owned(), failed)]),
        refused: BTreeMap::new(),
        store: Figures::default(),
        worker_states: WorkerState::ALL.map(WorkerState::label).to_vec(),
    }
}

fn child(status: ChildStatus) -> admin::Child {
    admin::Child {
        pid: status.pid,
        generation: status.generation,
        place: status.place,
        role: match status.state {
            "booting" | "standby" => Role::Booting,
            "serving" => Role::Serving,
            _ => Role::Draining,
        },
        uptime: status.uptime,
        snapshot: status.snapshot,
        stale: status.stale,
        unanswered: status.unanswered,
        resident: status.resident,
        because: status.because.map(|reason| reason.label()),
    }
}
