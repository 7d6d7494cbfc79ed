//! What restarts of OPcache need of the pools and of the parent.

#![forbid(unsafe_code)]

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::control::{Report, Reports};
use crate::php::Premises;
use crate::pool::{Pool, RecycleMode, Selection};
use crate::telemetry::RecycleReason;

/// The pools of one engine. Weak: a pool keeps the engine, which keeps this list.
pub(super) struct Pools {
    reports: Reports,
    all: Vec<Weak<Pool>>,
    looping: Vec<Weak<Pool>>,
}

impl Pools {
    pub(super) fn new(reports: &Reports) -> Self {
        Self { reports: reports.clone(), all: Vec::new(), looping: Vec::new() }
    }

    /// One more; `loops` if its workers stay in PHP between requests.
    pub(super) fn add(&mut self, pool: &Arc<Pool>, loops: bool) {
        self.all.push(Arc::downgrade(pool));
        if loops {
            self.looping.push(Arc::downgrade(pool));
        }
    }
}

impl Premises for Pools {
    fn longest_request(&self) -> Duration {
        let pools = self.all.iter().filter_map(Weak::upgrade);
        let workers = pools.flat_map(|pool| pool.snapshot().workers);
        workers.filter_map(|worker| worker.current).map(|request| request.elapsed).max().unwrap_or_default()
    }

    fn recall(&self) {
        for pool in self.looping.iter().filter_map(Weak::upgrade) {
            // Each of them is in the log.
            let _: usize = pool.recycle(Selection::All, RecycleReason::Opcache, RecycleMode::Break);
        }
    }

    fn replace_process(&self, detail: String) {
        self.reports.send(&Report::ReplaceMe { reason: RecycleReason::Opcache.label().to_owned(), detail });
    }
}
