//! What a worker serves right now, for those who look from outside.

#![forbid(unsafe_code)]

use std::time::Instant;

use super::snapshot::CurrentRequest;
use crate::job::{Request, Span};

/// Longest of each text that is kept, in bytes: enough to know a request by. Paths and ids may be longer.
pub(super) const METHOD_BYTES: usize = 16;
pub(super) const PATH_BYTES: usize = 256;
pub(super) const ID_BYTES: usize = 128;

/// Copies of a few short texts in fixed places: the exchange belongs to the worker, and an allocation for each request would be paid by
/// all for the sake of a look now and then.
#[derive(Debug)]
pub(super) struct Current {
    method: Short<METHOD_BYTES>,
    path: Short<PATH_BYTES>,
    request_id: Short<ID_BYTES>,
}

#[derive(Debug)]
struct Short<const N: usize> {
    length: usize,
    bytes: [u8; N],
}

impl Default for Current {
    fn default() -> Self {
        Self { method: Short::empty(), path: Short::empty(), request_id: Short::empty() }
    }
}

impl Current {
    /// Takes note of a request; its query stays out, since it may hold secrets.
    pub(super) fn take(&mut self, request: &Request) {
        let bytes = |span: Span| request.bytes(span);
        self.method.take(bytes(request.method));
        let uri = bytes(request.uri);
        self.path.take(uri.split(|byte| *byte == b'?').next().unwrap_or_default());
        self.request_id.take(bytes(request.request_id));
    }

    pub(super) fn told(&self, since: Instant) -> CurrentRequest {
        CurrentRequest {
            method: self.method.told(),
            path: self.path.told(),
            request_id: self.request_id.told(),
            elapsed: since.elapsed(),
        }
    }
}

impl<const N: usize> Short<N> {
    const fn empty() -> Self {
        Self { length: 0, bytes: [0; N] }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.length = bytes.len().min(N);
        self.bytes[..self.length].copy_from_slice(&bytes[..self.length]);
    }

    fn told(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.length]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::fake::request;

    #[test]
    fn the_query_stays_out_and_long_texts_are_cut() {
        let mut current = Current::default();
        current.take(&request("/a?token=secret"));
        let told = current.told(Instant::now());
        assert_eq!((told.path.as_str(), told.request_id.as_str()), ("/a", "id"));
        current.take(&request(&format!("/{}", "x".repeat(1000))));
        assert_eq!(current.told(Instant::now()).path.len(), PATH_BYTES);
        current.take(&request("/b"));
        assert_eq!(current.told(Instant::now()).path, "/b");
    }
}
