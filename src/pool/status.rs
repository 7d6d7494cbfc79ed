//! What others may wait for: the outcome of the first boots, and the end of all slots.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::roster::FirstBoot;

/// The first boots are over and there is somebody to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booted {
    /// Workers that have reached their loop.
    pub ready: u32,
    /// Workers that are configured; the missing ones keep trying.
    pub workers: u32,
    /// What the first worker that failed said, if any did.
    pub failure: Option<Arc<str>>,
}

/// No worker has booted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// Every worker has tried, and none has reached its loop.
    #[error("no worker of pool `{pool}` could boot: {message}")]
    Failed {
        /// The pool's name.
        pool: Arc<str>,
        /// What PHP, or the system, said to the first one that failed.
        message: Arc<str>,
    },
    /// The pool was stopped before.
    #[error("pool `{pool}` was stopped before it had booted")]
    Stopped {
        /// The pool's name.
        pool: Arc<str>,
    },
}

/// Published on a watch channel.
#[derive(Debug, Clone)]
pub(super) struct Status {
    pool: Arc<str>,
    workers: u32,
    /// Slots that have reached their loop at least once.
    ready: u32,
    /// Slots that have failed and never reached their loop.
    failed: u32,
    /// Threads that have been started and not been joined.
    threads: u32,
    /// Those of them that nobody waits for.
    stuck: u32,
    /// No thread is left and none will be started.
    over: bool,
    failure: Option<Arc<str>>,
}

impl Status {
    pub(super) fn new(pool: Arc<str>, workers: u32) -> Self {
        Self { pool, workers, ready: 0, failed: 0, threads: 0, stuck: 0, over: false, failure: None }
    }

    /// A slot has reached its loop.
    pub(super) fn reached(&mut self, before: FirstBoot) {
        match before {
            FirstBoot::Pending => self.ready += 1,
            FirstBoot::Failed => {
                self.failed -= 1;
                self.ready += 1;
            }
            FirstBoot::Reached | FirstBoot::Later => {}
        }
    }

    /// A slot has failed to boot.
    pub(super) fn missed(&mut self, before: FirstBoot, message: &str) {
        if before == FirstBoot::Pending {
            self.failed += 1;
        }
        if self.failure.is_none() {
            self.failure = Some(message.into());
        }
    }

    /// A thread has been started.
    pub(super) fn began(&mut self) {
        self.threads += 1;
    }

    /// A thread has been joined.
    pub(super) fn joined(&mut self) {
        self.threads -= 1;
    }

    /// A thread does not end, and is given up.
    pub(super) fn got_stuck(&mut self) {
        self.stuck += 1;
    }

    /// Such a thread has ended at last.
    pub(super) fn came_back(&mut self) {
        self.stuck -= 1;
    }

    /// Whether the threads that are left are those that nobody waits for.
    pub(super) fn only_stuck(&self) -> bool {
        self.stuck > 0 && self.threads == self.stuck
    }

    /// The pool has come to its end.
    pub(super) fn ended(&mut self) {
        self.over = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn threads(&self) -> u32 {
        self.threads
    }

    /// Whether every slot has booted or failed once, or there are none left.
    pub(super) fn is_settled(&self) -> bool {
        self.ready + self.failed == self.workers || self.over
    }

    /// The outcome, once settled.
    pub(super) fn outcome(&self) -> Result<Booted, BootError> {
        let pool = || Arc::clone(&self.pool);
        match (self.ready, &self.failure) {
            (0, Some(message)) => Err(BootError::Failed { pool: pool(), message: Arc::clone(message) }),
            (0, None) => Err(BootError::Stopped { pool: pool() }),
            (ready, failure) => Ok(Booted { ready, workers: self.workers, failure: failure.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settles_when_every_slot_has_tried() {
        let mut status = Status::new("p".into(), 2);
        assert!(!status.is_settled());
        status.missed(FirstBoot::Pending, "first");
        assert!(!status.is_settled());
        status.missed(FirstBoot::Failed, "again");
        assert!(!status.is_settled());
        status.missed(FirstBoot::Pending, "second");
        assert!(status.is_settled());
        let error = status.outcome().expect_err("none booted");
        assert_eq!(error.to_string(), "no worker of pool `p` could boot: first");

        status.reached(FirstBoot::Failed);
        status.reached(FirstBoot::Reached);
        assert!(status.is_settled());
        let booted = status.outcome().expect("one booted");
        assert_eq!((booted.ready, booted.workers), (1, 2));
    }

    #[test]
    fn a_pool_that_stops_early_settles_too() {
        let mut status = Status::new("p".into(), 1);
        status.ended();
        assert!(status.is_settled());
        assert_eq!(status.outcome(), Err(BootError::Stopped { pool: "p".into() }));
    }
}
