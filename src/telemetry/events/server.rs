//! Events of the process as a whole.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::millis;

/// `server.start`: the listeners are bound and the workers are about to boot.
#[derive(Debug, Clone, Copy)]
pub struct ServerStart<'a> {
    /// Version of this program.
    pub version: &'a str,
    /// Version of the linked PHP.
    pub php: &'a str,
    /// `worker` or `classic`.
    pub mode: &'a str,
    /// Addresses, separated by commas.
    pub listen: &'a str,
    /// Number of workers over all pools.
    pub workers: u32,
    /// The configuration file, or `none`.
    pub config: &'a str,
}

impl ServerStart<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::info!(
            event = "server.start",
            version = self.version,
            php = self.php,
            mode = self.mode,
            listen = self.listen,
            workers = self.workers,
            config = self.config,
        );
    }
}

/// `server.maintenance`: clients are told to come back later, or served again.
#[derive(Debug, Clone, Copy)]
pub struct ServerMaintenance<'a> {
    /// Whether they are told so.
    pub on: bool,
    /// What they are told.
    pub message: &'a str,
}

impl ServerMaintenance<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "server.maintenance", on = self.on, message = self.message);
    }
}

/// `server.ready`: the first boots are over and requests are served.
#[derive(Debug, Clone, Copy)]
pub struct ServerReady {
    /// Workers that reached their loop.
    pub ready: u32,
    /// Workers that are configured.
    pub workers: u32,
    /// Time since the start of the process.
    pub startup: Duration,
}

impl ServerReady {
    /// Reports it; louder if some workers did not boot.
    pub fn emit(&self) {
        let (ready, workers, startup_ms) = (self.ready, self.workers, millis(self.startup));
        if ready < workers {
            tracing::warn!(event = "server.ready", ready, workers, startup_ms);
        } else {
            tracing::info!(event = "server.ready", ready, workers, startup_ms);
        }
    }
}

/// `server.drain`: no new work is taken; what runs may finish.
#[derive(Debug, Clone, Copy)]
pub struct ServerDrain<'a> {
    /// What asked for it: a signal's name or `admin`.
    pub trigger: &'a str,
    /// How long running requests are waited for.
    pub timeout: Duration,
}

impl ServerDrain<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::info!(event = "server.drain", trigger = self.trigger, timeout_ms = millis(self.timeout));
    }
}

/// `server.accept_failed`: no connection can be taken, most often for want of descriptors. Told once, until one succeeds again.
#[derive(Debug, Clone, Copy)]
pub struct AcceptFailed<'a> {
    /// Where it listens.
    pub listen: &'a str,
    /// What the system says.
    pub error: &'a std::io::Error,
}

impl AcceptFailed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "server.accept_failed", listen = self.listen, error = %self.error);
    }
}

/// `server.crowded`: `server.max_connections` are open and more wait. Told once, until there is room again.
#[derive(Debug, Clone, Copy)]
pub struct Crowded {
    /// The limit.
    pub connections: usize,
}

impl Crowded {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "server.crowded", connections = self.connections);
    }
}

/// `server.stop`: the last line of a process.
#[derive(Debug, Clone, Copy)]
pub struct ServerStop {
    /// Exit code of the process.
    pub exit_code: u8,
    /// Worker threads that did not end in time.
    pub workers_left: u32,
    /// Life of the process.
    pub uptime: Duration,
}

impl ServerStop {
    /// Reports it; louder if threads had to be left behind.
    pub fn emit(&self) {
        let (exit_code, workers_left, uptime_ms) = (self.exit_code, self.workers_left, millis(self.uptime));
        if workers_left > 0 {
            tracing::warn!(event = "server.stop", exit_code, workers_left, uptime_ms);
        } else {
            tracing::info!(event = "server.stop", exit_code, workers_left, uptime_ms);
        }
    }
}

/// `service.notice`: the service manager wants to be told how the server stands, and cannot be. Told once, until it can.
#[derive(Debug, Clone, Copy)]
pub struct ServiceNotice<'a> {
    /// What the system says.
    pub error: &'a std::io::Error,
}

impl ServiceNotice<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "service.notice", error = %self.error);
    }
}

/// `store.apart`: a child has no part in the store of its server. What its workers store, count, lock and limit is theirs alone.
#[derive(Debug, Clone, Copy)]
pub struct StoreApart {
    /// Number of the child.
    pub child: u64,
}

impl StoreApart {
    /// Reports it.
    pub fn emit(&self) {
        let (child, fix) = (self.child, "restart the server: its parent is of another version");
        tracing::error!(event = "store.apart", child, fix);
    }
}
