//! Clients are told to come back later: everybody but those whom the operator names gets 503, whatever was asked for. What was accepted
//! before goes on.

#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use http::{HeaderMap, Response};
use parking_lot::Mutex;

use super::error;
use super::forwarded::Range;

/// A place where it is told whether clients are served. Clones are the same place.
#[derive(Debug, Clone, Default)]
pub struct Maintenance(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    /// Looked at by every request; the rest only while it is on.
    is_on: AtomicBool,
    closed: Mutex<Closed>,
}

/// What clients are told.
#[derive(Debug, Clone, Default)]
pub struct Closed {
    /// A sentence.
    pub message: String,
    /// Seconds after which they may come back.
    pub retry_after: u32,
    /// Addresses and ranges that are served all the same; what is none is passed over.
    pub allow: Vec<String>,
}

impl Maintenance {
    /// From now on clients are told this, or served.
    pub fn set(&self, closed: Option<Closed>) {
        let is_on = closed.is_some();
        *self.0.closed.lock() = closed.unwrap_or_default();
        self.0.is_on.store(is_on, Ordering::Release);
    }

    /// The answer for this client; `None` if it is served.
    pub(super) fn answer(&self, client: IpAddr, headers: &HeaderMap, id: &str) -> Option<Response<Body>> {
        if !self.0.is_on.load(Ordering::Acquire) {
            return None;
        }
        let closed = self.0.closed.lock();
        let allowed = closed.allow.iter().filter_map(|range| range.parse::<Range>().ok());
        if allowed.into_iter().any(|range| range.contains(client)) {
            return None;
        }
        Some(error::maintenance(&closed.message, closed.retry_after, headers, id))
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn everybody_is_told_but_those_who_are_named() {
        let place = Maintenance::default();
        let client = |address: &str| {
            let headers = HeaderMap::new();
            place.answer(address.parse().expect("an address"), &headers, "id").map(|answer| {
                let after = answer.headers()[header::RETRY_AFTER].to_str().map(str::to_owned);
                (answer.status().as_u16(), after.expect("text"))
            })
        };
        assert_eq!(client("10.0.0.1"), None);
        let allow = ["10.0.0.0/8", "nonsense"].map(str::to_owned).to_vec();
        place.clone().set(Some(Closed { message: "Soon.".to_owned(), retry_after: 7, allow }));
        assert_eq!(client("192.0.2.1"), Some((503, "7".to_owned())));
        assert_eq!(client("10.0.0.1"), None);
        place.set(None);
        assert_eq!(client("192.0.2.1"), None);
    }
}
