//! The phases of a process that serves, and the signals that it leaves to its parent.
//!
//! `app` walks through the phases; whoever wants to know where the process stands subscribes. Nothing here acts by itself.

#![forbid(unsafe_code)]

mod signals;

use tokio::sync::watch;

pub use signals::leave_signals_to_parent;

/// Where a process stands. The order is that of its life; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The configuration holds.
    Configured,
    /// Every address is taken; clients wait in the kernel's queue.
    Bound,
    /// PHP has started its modules.
    EngineUp,
    /// Workers have reached their loop; requests are served.
    Ready,
    /// No new connections; requests in flight go on.
    Draining,
    /// Workers are told to leave.
    Stopping,
    /// Nothing runs any more.
    Stopped,
}

/// Publishes the phase.
#[derive(Debug)]
pub struct Phases(watch::Sender<Phase>);

impl Default for Phases {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Configured))
    }
}

impl Phases {
    /// Goes on to a later phase and says whether that was a step: a phase passed before is not entered again.
    pub fn advance(&self, to: Phase) -> bool {
        self.0.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        })
    }

    /// The phase at this moment.
    pub fn current(&self) -> Phase {
        *self.0.borrow()
    }

    /// A view that can be waited on.
    pub fn subscribe(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_never_go_back() {
        use Phase::{Bound, Configured, Draining, EngineUp, Ready, Stopped, Stopping};
        let all = [Configured, Bound, EngineUp, Ready, Draining, Stopping, Stopped];
        for from in all {
            for to in all {
                let phases = Phases::default();
                phases.advance(from);
                assert_eq!(phases.advance(to), to > from, "{from:?} -> {to:?}");
                assert_eq!(phases.current(), from.max(to), "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn subscribers_see_steps_only() {
        let phases = Phases::default();
        let mut view = phases.subscribe();
        assert!(phases.advance(Phase::Draining));
        assert!(view.has_changed().expect("the sender lives"));
        assert_eq!(*view.borrow_and_update(), Phase::Draining);
        assert!(!phases.advance(Phase::Ready));
        assert!(!view.has_changed().expect("the sender lives"));
    }
}
