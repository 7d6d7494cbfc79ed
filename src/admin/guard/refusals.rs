//! Whom the guard has refused: counted by reason, and told in the log at a rate that nobody can raise.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Denied, Peer};
use crate::telemetry::events::GuardRefused;

/// Time between two lines of the same reason: what somebody who scans makes of the log stays readable.
const PAUSE: Duration = Duration::from_secs(10);

/// Every reason, for a metric that has a series for each.
pub(in crate::admin) fn reasons() -> [&'static str; Denied::ALL.len()] {
    Denied::ALL.map(Denied::label)
}

/// Refusals since the start.
#[derive(Debug, Default)]
pub(super) struct Refusals([Mutex<Tally>; Denied::ALL.len()]);

/// Those of one reason.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    /// Those that no line has told yet.
    untold: u64,
    /// Of the last one; no address for a socket file.
    peer: String,
    /// Whether a line has been written less than a pause ago; after it the next one is due.
    pausing: bool,
}

impl Refusals {
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        Denied::ALL.iter().zip(&self.0).map(|(denied, tally)| (denied.label().to_owned(), tally.lock().count)).collect()
    }

    /// Counts one. The first is told at once, those of the time after it together.
    pub(super) fn add(self: &Arc<Self>, denied: Denied, peer: Peer) {
        let mut tally = self.of(denied).lock();
        tally.count += 1;
        tally.untold += 1;
        tally.peer = match peer {
            Peer::Tcp(address) | Peer::Main(address) => address.ip().to_canonical().to_string(),
            Peer::Unix | Peer::Front => "unix".to_owned(),
        };
        if tally.pausing {
            return;
        }
        tally.pausing = true;
        tally.tell(denied);
        drop(tally);
        let all = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PAUSE).await;
                let mut tally = all.of(denied).lock();
                if tally.untold == 0 {
                    tally.pausing = false;
                    return;
                }
                tally.tell(denied);
            }
        });
    }

    fn of(&self, denied: Denied) -> &Mutex<Tally> {
        &self.0[denied as usize]
    }
}

impl Tally {
    fn tell(&mut self, denied: Denied) {
        GuardRefused { reason: denied.label(), peer: &self.peer, count: self.untold }.emit();
        self.untold = 0;
    }
}
