//! What the parent process is told by signals.

#![forbid(unsafe_code)]

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noticed {
    /// SIGTERM or SIGINT.
    End {
        /// Its name.
        name: &'static str,
        /// Its number.
        number: i32,
    },
    /// SIGHUP.
    Reload,
    /// SIGUSR1.
    ReopenLogs,
    /// SIGCHLD.
    ChildEnded,
}

/// The signals that are listened to. SIGUSR2 is free.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
    child: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
            child: signal(SignalKind::child())?,
        })
    }

    /// The next one; an order to end comes before all others.
    pub(super) async fn next(&mut self) -> Noticed {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Noticed::End { name: "SIGTERM", number: SignalKind::terminate().as_raw_value() },
            _ = self.interrupt.recv() => Noticed::End { name: "SIGINT", number: SignalKind::interrupt().as_raw_value() },
            _ = self.child.recv() => Noticed::ChildEnded,
            _ = self.hangup.recv() => Noticed::Reload,
            _ = self.user.recv() => Noticed::ReopenLogs,
        }
    }
}
