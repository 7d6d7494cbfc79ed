//! SIGTERM and SIGINT: the first asks for an orderly stop, the second ends the process at once.
//!
//! The second one is dealt with in the signal handler itself (signal-hook), not by a task: it must work when every thread is
//! stuck. It leaves by `_exit` with status 128 + number, as a shell would report it; destructors of C libraries do
//! not run, because other threads may still use what they destroy.
//!
//! SIGPIPE is ignored since before `main` by Rust's runtime, so a client that closes its socket is an error code and no more.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use tokio::signal::unix::{SignalKind, signal};

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What service managers send.
    Terminate,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

impl Signal {
    const BOTH: [(Self, i32); 2] = [(Self::Interrupt, SIGINT), (Self::Terminate, SIGTERM)];
}

/// The installed handlers.
#[derive(Debug)]
pub struct Signals {
    /// Number of the last signal; 0 before the first.
    last: Arc<AtomicUsize>,
}

impl Signals {
    /// Installs the handlers; from now on one signal is remembered and two end the process.
    ///
    /// # Errors
    /// What the system says.
    pub fn install() -> io::Result<Self> {
        let armed = Arc::new(AtomicBool::new(false));
        let last = Arc::new(AtomicUsize::new(0));
        for (_, number) in Signal::BOTH {
            // The order matters: a signal first meets the shutdown, which is not armed yet, and arms it then.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&armed))?;
            flag::register(number, Arc::clone(&armed))?;
            flag::register_usize(number, Arc::clone(&last), number.unsigned_abs() as usize)?;
        }
        Ok(Self { last })
    }

    /// Resolves with the first signal, also if it came before this was called.
    ///
    /// # Errors
    /// What the system says.
    pub async fn received(&self) -> io::Result<Signal> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // Asked only now: whatever comes later is seen by the two streams.
        let before = self.last.load(Ordering::SeqCst);
        if let Some((early, _)) = Signal::BOTH.into_iter().find(|(_, number)| number.unsigned_abs() as usize == before)
        {
            return Ok(early);
        }
        tokio::select! {
            _ = interrupt.recv() => Ok(Signal::Interrupt),
            _ = terminate.recv() => Ok(Signal::Terminate),
        }
    }
}
