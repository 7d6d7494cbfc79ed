//! A place in the queue, from the client's side.

#![forbid(unsafe_code)]

use std::time::Instant;

use tokio::time::timeout_at;

use super::shared::Shared;
use crate::job::{Awaiting, Failure, Response};
use crate::telemetry::Rejection;

/// Held while a request may be waiting. Dropping it, because the client has left, takes the request out of the queue, so
/// that PHP never sees it.
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    shared: &'a Shared,
    /// Number of the place; `None` once the request is known to wait no more.
    id: Option<u64>,
    deadline: Instant,
}

impl<'a> Ticket<'a> {
    pub(super) fn new(shared: &'a Shared, id: u64, deadline: Instant) -> Self {
        Self { shared, id: Some(id), deadline }
    }

    /// Waits for the answer. The deadline is for the queue only: a request that a worker has is waited for without bound,
    /// execution has a clock of its own.
    pub(super) async fn answer(mut self, awaiting: &mut Awaiting) -> Result<Response, Failure> {
        let in_time = timeout_at(self.deadline.into(), awaiting.response()).await;
        let waiting = self.id.take();
        if let Ok(answer) = in_time {
            return answer;
        }
        match waiting.and_then(|id| self.shared.withdraw(id)) {
            Some(exchange) => Err(self.shared.reject(Rejection::QueueTimeout, *exchange)),
            None => awaiting.response().await,
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(exchange) = self.id.take().and_then(|id| self.shared.withdraw(id)) {
            self.shared.counters.abandon();
            drop(exchange);
        }
    }
}
