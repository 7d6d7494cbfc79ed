//! Events of the child processes, as their parent sees them.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::{Place, millis};

/// Which child process an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// Its number among those that serve side by side, 0-based.
    pub place: u32,
    /// Which configuration, code and executable it runs; counts from 1.
    pub generation: u64,
}

/// `child.start`: a child process has been started and boots.
#[derive(Debug, Clone, Copy)]
pub struct ChildStart {
    /// Which one.
    pub child: Process,
}

impl ChildStart {
    /// Reports it.
    pub fn emit(&self) {
        let Process { pid, place, generation } = self.child;
        tracing::info!(event = "child.start", child = pid, process = place, generation);
    }
}

/// `child.ready`: the workers of a child have reached their loops.
#[derive(Debug, Clone, Copy)]
pub struct ChildReady {
    /// Which one.
    pub child: Process,
    /// Workers that have.
    pub ready: u32,
    /// Workers that are configured.
    pub workers: u32,
    /// From its start to now.
    pub boot: Duration,
}

impl ChildReady {
    /// Reports it; louder if some workers did not boot.
    pub fn emit(&self) {
        let Process { pid, place, generation } = self.child;
        let (ready, workers, boot_ms) = (self.ready, self.workers, millis(self.boot));
        if ready < workers {
            tracing::warn!(event = "child.ready", child = pid, process = place, generation, ready, workers, boot_ms);
        } else {
            tracing::info!(event = "child.ready", child = pid, process = place, generation, ready, workers, boot_ms);
        }
    }
}

/// `child.boot_failed`: a child could not serve. Its predecessor, if there is one, goes on.
#[derive(Debug, Clone, Copy)]
pub struct ChildBootFailed<'a> {
    /// Which one.
    pub child: Process,
    /// Why: PHP's own words, or the system's.
    pub message: &'a str,
    /// When the next attempt is made; `None` if there is none.
    pub retry_in: Option<Duration>,
}

impl ChildBootFailed<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Process { pid, place, generation } = self.child;
        let retry_in_ms = self.retry_in.map(millis);
        let message = self.message;
        tracing::error!(event = "child.boot_failed", child = pid, process = place, generation, message, retry_in_ms);
    }
}

/// `child.crash`: a child has ended without having been told to.
#[derive(Debug, Clone, Copy)]
pub struct ChildCrash<'a> {
    /// Which one.
    pub child: Process,
    /// The signal's name or the exit code, such as `SIGSEGV` or `exit code 255`.
    pub cause: &'a str,
    /// Requests that it was running; each has a line of its own.
    pub in_flight: usize,
    /// How long it has lived.
    pub uptime: Duration,
    /// How many in a row have crashed soon after their start.
    pub in_a_row: u32,
    /// When its replacement is started; `None` if there is none, because the server stops.
    pub retry_in: Option<Duration>,
}

impl ChildCrash<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Process { pid, place, generation } = self.child;
        tracing::error!(
            event = "child.crash",
            child = pid,
            process = place,
            generation,
            cause = self.cause,
            in_flight = self.in_flight,
            uptime_ms = millis(self.uptime),
            in_a_row = self.in_a_row,
            retry_in_ms = self.retry_in.map(millis),
        );
    }
}

/// `child.crash_request`: a request that a child was running when it crashed. One of them may be the cause; all are lost.
#[derive(Debug, Clone, Copy)]
pub struct ChildCrashRequest<'a> {
    /// Which child.
    pub child: Process,
    /// Request method.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// The request.
    pub request_id: &'a str,
    /// The worker.
    pub place: Place<'a>,
    /// Since the worker had got it.
    pub elapsed: Duration,
}

impl ChildCrashRequest<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Place { pool, slot, incarnation } = self.place;
        tracing::error!(
            event = "child.crash_request",
            child = self.child.pid,
            method = self.method,
            path = self.path,
            request_id = self.request_id,
            pool,
            slot,
            incarnation,
            elapsed_ms = millis(self.elapsed),
        );
    }
}

/// `child.crash_loop`: replacements crash as well, so they are spread out from here on. Told once, until one holds.
#[derive(Debug, Clone, Copy)]
pub struct ChildCrashLoop {
    /// Number of the child among those that serve side by side.
    pub place: u32,
    /// How many have crashed in a row.
    pub in_a_row: u32,
    /// The longest pause that will be made between two attempts.
    pub longest_pause: Duration,
}

impl ChildCrashLoop {
    /// Reports it.
    pub fn emit(&self) {
        tracing::error!(
            event = "child.crash_loop",
            process = self.place,
            in_a_row = self.in_a_row,
            longest_pause_ms = millis(self.longest_pause),
            message = "every new child process dies soon after its start; attempts are spread out until one holds",
        );
    }
}

/// `child.replace`: a child is to be replaced in order: a successor boots beside it.
#[derive(Debug, Clone, Copy)]
pub struct ChildReplace<'a> {
    /// Which one.
    pub child: Process,
    /// Label of a recycle reason or of a ceiling of the process (`max_rss`, `max_stuck`, `unresponsive`).
    pub reason: &'a str,
    /// More, such as the figures.
    pub detail: &'a str,
}

impl ChildReplace<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Process { pid, place, generation } = self.child;
        tracing::warn!(
            event = "child.replace",
            child = pid,
            process = place,
            generation,
            reason = self.reason,
            detail = self.detail
        );
    }
}

/// `child.stop`: a child has ended as it was told to.
#[derive(Debug, Clone, Copy)]
pub struct ChildStop {
    /// Which one.
    pub child: Process,
    /// Connections that were cut because the drain took too long.
    pub connections_cut: usize,
    /// PHP threads that did not end in time.
    pub workers_left: u32,
    /// How long it has lived.
    pub uptime: Duration,
}

impl ChildStop {
    /// Reports it; louder if something was cut.
    pub fn emit(&self) {
        let Process { pid, place, generation } = self.child;
        let Self { connections_cut, workers_left, .. } = *self;
        let uptime_ms = millis(self.uptime);
        if connections_cut > 0 || workers_left > 0 {
            tracing::warn!(
                event = "child.stop",
                child = pid,
                process = place,
                generation,
                connections_cut,
                workers_left,
                uptime_ms
            );
        } else {
            tracing::info!(
                event = "child.stop",
                child = pid,
                process = place,
                generation,
                connections_cut,
                workers_left,
                uptime_ms
            );
        }
    }
}

/// `child.orphaned`: the parent has died; this child finishes what runs and ends.
#[derive(Debug, Clone, Copy)]
pub struct ChildOrphaned;

impl ChildOrphaned {
    /// Reports it.
    pub fn emit(&self) {
        tracing::error!(event = "child.orphaned", message = "the parent process is gone; this one ends as well");
    }
}

/// `server.reload`: a reload has come to its end.
#[derive(Debug, Clone, Copy)]
pub struct ServerReload<'a> {
    /// What asked for it: `SIGHUP`, `admin`, `watch`.
    pub trigger: &'a str,
    /// The generation that serves now.
    pub generation: u64,
    /// Why the new one does not; `None` if it does.
    pub fault: Option<&'a str>,
    /// From the order to now.
    pub took: Duration,
}

impl ServerReload<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Self { trigger, generation, .. } = *self;
        let took_ms = millis(self.took);
        match self.fault {
            None => tracing::info!(event = "server.reload", trigger, result = "done", generation, took_ms),
            Some(message) => {
                tracing::error!(event = "server.reload", trigger, result = "failed", generation, took_ms, message);
            }
        }
    }
}
