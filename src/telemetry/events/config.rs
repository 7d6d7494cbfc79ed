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
