//! Heads that come before the final one (1xx, RFC 9110 section 15.2), such as `103 Early Hints`.

use std::fmt::Debug;
use std::sync::Arc;

use super::reply::ResponseHead;

/// A connection that can send interim heads.
pub trait Interim: Send + Sync + Debug {
    /// Sends a head for this exchange without waiting. Returns whether it will leave: not if the final head has been given, or
    /// the client is too slow for more of them.
    fn send(&self, exchange: u64, head: &ResponseHead) -> bool;
}

/// How many interim heads one request may send. Applications send one or two; a loop of them is a mistake.
const MAX_HEADS: u32 = 16;

/// Sends interim heads for one request.
#[derive(Debug)]
pub struct InterimSender {
    to: Arc<dyn Interim>,
    exchange: u64,
    left: u32,
}

impl InterimSender {
    /// For the exchange with this number.
    pub fn new(to: Arc<dyn Interim>, exchange: u64) -> Self {
        Self { to, exchange, left: MAX_HEADS }
    }

    /// Sends a head; returns whether it will leave.
    pub fn send(&mut self, head: &ResponseHead) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.to.send(self.exchange, head)
    }
}
