use std::sync::Arc;

/// Names one incarnation of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The pool's name, as configured.
    pub pool: Arc<str>,
    /// Place in the pool, 0-based: stable over restarts and bounded, fit for a metric label.
    pub slot: u32,
    /// How many incarnations this slot has had, counting from 1.
    pub incarnation: u64,
}
