//! The server itself, before, while and after it was probed.

#![forbid(unsafe_code)]

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::memory::{Growth, Heap, Heaps, Memory};
use crate::cli::client::{self, Server};
use crate::cli::control::{PATIENCE, expected};
use crate::cli::exit::Error;

/// The server at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) heaps: Heaps,
    /// That workers got, since the start of the server.
    pub(super) requests: u64,
    /// Workers and processes that ended without having been told to, since the start of the server.
    ends: u64,
    /// It may have been started anew meanwhile.
    pid: u64,
}

/// Asks the admin endpoints. Whoever answers something else is not looked at: nothing can be said for him.
pub(super) fn look(server: &Server) -> Result<Look, Error> {
    let heaps = heaps(server)?;
    let status = expected(client::ask(server, &Method::GET, "/status", Some(PATIENCE))?, StatusCode::OK)?;
    let sum =
        |counts: &Value| counts.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum::<u64>();
    let (Some(pools), Some(pid)) = (status["pools"].as_object(), status["server"]["pid"].as_u64()) else {
        return Err(stranger(server));
    };
    Ok(Look {
        heaps,
        requests: pools.values().filter_map(|pool| pool["requests"].as_u64()).sum(),
        ends: pools.values().map(|pool| sum(&pool["ends"])).sum::<u64>() + sum(&status["child_restarts"]),
        pid,
    })
}

/// The workers at this moment.
fn heaps(server: &Server) -> Result<Heaps, Error> {
    let told = expected(client::ask(server, &Method::GET, "/workers", Some(PATIENCE))?, StatusCode::OK)?;
    let workers = told["workers"].as_array().ok_or_else(|| stranger(server))?;
    let read = |worker: &Value| {
        let number = |name: &str| worker[name].as_u64();
        let life = (number("pid")?, worker["pool"].as_str()?.to_owned(), number("slot")?, number("incarnation")?);
        Some((life, Heap { requests: number("requests")?, bytes: number("memory_bytes")? }))
    };
    let fresh = workers.iter().filter(|worker| worker["stale"] != true);
    fresh.map(|worker| read(worker).ok_or_else(|| stranger(server))).collect()
}

fn stranger(server: &Server) -> Error {
    let address = &server.address;
    Error::Control(format!("what answers at {address} is no admin endpoint of supercharger: is that its admin.listen?"))
}

/// Looks at the workers every now and then until it is told to end. A look that fails is left out: the last one of a route must not.
pub(super) fn watch(server: &Server, memory: &mut Memory, pause: Duration, end: &Receiver<()>) {
    while end.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        if let Ok(heaps) = heaps(server) {
            memory.see(&heaps);
        }
    }
}

/// What the server must keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of the growth of memory, as a share.
    pub(super) memory_growth: f64,
    /// Whether it will do that memory could not be judged.
    pub(super) unjudged: bool,
    /// Of unplanned ends.
    pub(super) restarts: u64,
}

/// What has changed. The names of the fields are those of `gate.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    /// By route.
    memory: Vec<Growth>,
    memory_judged: bool,
    /// Of the route with the most.
    memory_growth: Option<f64>,
    memory_growth_limit: f64,
    restarts: u64,
    restarts_limit: u64,
    same_process: bool,
    pub(super) pass: bool,
}

impl Change {
    pub(super) fn between(before: &Look, after: &Look, memory: Vec<Growth>, limits: Limits) -> Self {
        let memory_growth = memory.iter().filter_map(Growth::share).reduce(f64::max);
        let memory_judged = memory_growth.is_some() && !memory.iter().any(Growth::is_unseen);
        let memory_passes =
            memory_growth.is_none_or(|most| most <= limits.memory_growth) && (memory_judged || limits.unjudged);
        let (restarts, same_process) = (after.ends.saturating_sub(before.ends), before.pid == after.pid);
        Self {
            memory,
            memory_judged,
            memory_growth,
            memory_growth_limit: limits.memory_growth,
            restarts,
            restarts_limit: limits.restarts,
            same_process,
            pass: same_process && memory_passes && restarts <= limits.restarts,
        }
    }

    /// A line for people.
    pub(super) fn told(&self) -> String {
        let routes: Vec<_> = self.memory.iter().map(Growth::told).collect();
        format!(
            "{} server: memory of the workers {}(at most {:+.1} %): {}; {} unplanned ends (at most {}){}",
            if self.pass { "pass" } else { "FAIL" },
            if self.memory_judged { "" } else { "NOT JUDGED, see --duration and --accept-unjudged " },
            self.memory_growth_limit * 100.0,
            routes.join(", "),
            self.restarts,
            self.restarts_limit,
            if self.same_process { "" } else { ", and the server is another one now" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a route of which one worker served some requests and holds so much more.
    fn grown(served: u64, bytes: u64) -> Growth {
        let heaps = |requests, bytes| Heaps::from([((7, "default".to_owned(), 0, 1), Heap { requests, bytes })]);
        let mut memory = Memory::begin(heaps(100, 1000));
        memory.see(&heaps(110, 1000));
        memory.see(&heaps(110 + served, bytes));
        memory.growth("01-get", served)
    }

    #[test]
    fn growth_crashes_and_what_was_not_seen_shut_the_gate() {
        let look = |ends, pid| Look { ends, pid, ..Look::default() };
        let limits = Limits { memory_growth: 0.1, unjudged: false, restarts: 0 };
        let pass = |before, after, memory: &[Growth], unjudged| {
            Change::between(&before, &after, memory.to_vec(), Limits { unjudged, ..limits }).pass
        };
        let (good, unseen, idle) = (grown(50, 1100), grown(2, 1000), grown(0, 1000));
        assert!(pass(look(3, 7), look(3, 7), &[good.clone(), idle.clone()], false));
        assert!(pass(look(0, 7), look(0, 7), &[grown(50, 500)], false));
        assert!(!pass(look(0, 7), look(0, 7), &[good.clone(), grown(50, 1101)], true));
        assert!(!pass(look(3, 7), look(4, 7), std::slice::from_ref(&good), false));
        assert!(!pass(look(0, 7), look(0, 8), std::slice::from_ref(&good), false), "somebody has restarted it");
        for nothing in [&[][..], std::slice::from_ref(&idle), &[good, unseen]] {
            assert!(!pass(look(0, 7), look(0, 7), nothing, false), "{nothing:?}");
            assert!(pass(look(0, 7), look(0, 7), nothing, true), "{nothing:?}");
        }
    }
}
