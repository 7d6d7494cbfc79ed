//! What passes between a worker and its pool at the boundary of two requests.

use std::fmt;
use std::time::Duration;

/// What a worker reports when it asks for its next request. The default is what the first call has to say: nothing ran yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boundary {
    /// How the reset of the request before went.
    pub reset: ResetOutcome,
    /// Bytes in use on the Zend heap after the reset; 0 if unknown.
    pub memory: u64,
    /// Highest number of bytes in use on the Zend heap during the request; 0 if unknown.
    pub memory_peak: u64,
    /// The request ended in a throwable that nobody caught.
    pub failed: bool,
    /// What the application wants to happen to its worker.
    pub wish: Option<Wish>,
    /// Resetters that the application has registered.
    pub resetters: u32,
    /// Values that may be part of garbage cycles: what the collector would have to look at.
    pub garbage: u32,
    /// What the drift detector has seen since the boundary before.
    pub drifts: Vec<Drift>,
    /// The label of what there is more of than the detector looks at.
    pub drift_limit: Option<&'static str>,
    /// When the application's next idle callback is due, from now; `None` if it has none.
    pub tick: Option<Duration>,
}

/// Something that a request has changed and not put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The label of what sort of thing it is.
    pub kind: &'static str,
    /// The thing as its source would call it; empty if this worker has told of it before.
    pub what: String,
    /// Whether the next request sees it; the engine has put it back, or it does no harm, otherwise.
    pub leaks: bool,
}

/// How a reset went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResetOutcome {
    /// Every resetter and the engine's own reset have done their work, together in this time.
    Done(Duration),
    /// Resetters threw; all others have run.
    Failed {
        /// What they threw, in order.
        thrown: Vec<Thrown>,
        /// Time of all of them and of the engine's own reset.
        took: Duration,
    },
    /// The script reached its loop without having run what it had to.
    Missing,
}

/// What a resetter threw, or an idle callback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thrown {
    /// The application's name for the resetter.
    pub name: String,
    /// `Class: message`, without secrets and of bounded length.
    pub error: String,
}

impl Default for ResetOutcome {
    /// There was nothing to do.
    fn default() -> Self {
        Self::Done(Duration::ZERO)
    }
}

/// The application asks for its worker to be replaced (`supercharger_recycle()`, response header).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// In the application's words, for the log.
    pub reason: String,
    /// End the thread at once instead of booting the replacement first.
    pub hard: bool,
}

/// What an idle worker does for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Care {
    /// Collect garbage cycles.
    pub collect: bool,
    /// Call the application's idle callback.
    pub tick: bool,
    /// Run those of the application's checks that are due.
    pub check: bool,
}

/// Reaches into a running PHP thread from another one. Calls after the thread has ended do nothing.
pub trait Interrupt: fmt::Debug + Send + Sync {
    /// Asks the script to end: a busy loop ends at its next jump, a blocked system call is interrupted. May be repeated.
    fn interrupt(&self);

    /// Asks where the script is; it answers through [`Seat::located`](super::Seat::located) once it comes by a place where it can. It goes
    /// on as if nobody had asked.
    fn locate(&self) {}

    /// The system call that the thread waits in; `None` if it waits in none, or nobody knows.
    fn waits_in(&self) -> Option<&'static str> {
        None
    }
}
