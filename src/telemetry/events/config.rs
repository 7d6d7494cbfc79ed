//! Events of the configuration.

#![forbid(unsafe_code)]

/// `config.notice`: something about the configuration that is not wrong but should be known.
#[derive(Debug, Clone, Copy)]
pub struct ConfigNotice<'a> {
    /// The variable or file.
    pub subject: &'a str,
    /// What came of it.
    pub message: &'a str,
    /// Whether something has no effect although somebody may count on it.
    pub unheeded: bool,
}

impl ConfigNotice<'_> {
    /// Reports it; louder if it has no effect.
    pub fn emit(&self) {
        let Self { subject, message, unheeded } = self;
        if *unheeded {
            tracing::warn!(event = "config.notice", subject, message);
        } else {
            tracing::info!(event = "config.notice", subject, message);
        }
    }
}

/// `config.invalid`: a fault of a configuration that is not used because of it. One event for each.
#[derive(Debug, Clone, Copy)]
pub struct ConfigInvalid<'a> {
    /// Where it stands: file and line, variable or flag.
    pub origin: &'a str,
    /// The key; empty if it is about the file as a whole.
    pub key: &'a str,
    /// What is wrong.
    pub problem: &'a str,
    /// What to do.
    pub remedy: &'a str,
}

impl ConfigInvalid<'_> {
    /// Reports it.
    pub fn emit(&self) {
        let Self { origin, key, problem, remedy } = *self;
        tracing::error!(event = "config.invalid", origin, key, problem, remedy);
    }
}
