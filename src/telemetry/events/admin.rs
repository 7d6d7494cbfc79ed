//! Events of the endpoints for operators.

#![forbid(unsafe_code)]

/// `admin.notice`: the server runs without its admin endpoints, or something else about them that should be known.
#[derive(Debug, Clone, Copy)]
pub struct AdminNotice<'a> {
    /// What is the matter.
    pub message: &'a str,
}

impl AdminNotice<'_> {
    /// Reports it.
    pub fn emit(&self) {
        tracing::warn!(event = "admin.notice", message = self.message);
    }
}
