//! Every answer, counted by method, status and route, with the time that it took.
//!
//! To count one takes a few relaxed additions, and no lock. What is counted is bounded: methods are a closed set, statuses have three
//! digits, and `job` bounds the routes. A route takes its memory with its first answer.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use http::Method;

use crate::job::Route;
use crate::telemetry::{Distribution, Histogram, Tally};

/// Methods with a label of their own (RFC 9110 section 9, RFC 5789). Any other is a text that its client has chosen.
pub const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "OTHER"];

/// A method as far as it is told apart: its place in [`METHODS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verb(usize);

impl Verb {
    /// Any other, and that of a request which could not be read.
    pub(super) const OTHER: Self = Self(METHODS.len() - 1);
}

impl From<&Method> for Verb {
    fn from(method: &Method) -> Self {
        METHODS.iter().position(|known| *known == method.as_str()).map_or(Self::OTHER, Self)
    }
}

/// What a process has answered.
#[derive(Debug)]
pub struct Traffic(Box<[OnceLock<Box<Answers>>]>);

/// The answers of one route.
#[derive(Debug, Default)]
struct Answers {
    methods: [Tally; METHODS.len()],
    duration: Histogram,
}

/// The answers of one route, as plain values.
#[derive(Debug, Clone, Default)]
pub struct RouteTraffic {
    /// Its template; empty for requests for which the application has said none.
    pub route: &'static str,
    /// How many answers, by method and status.
    pub answers: BTreeMap<&'static str, BTreeMap<u16, u64>>,
    /// How long they took.
    pub duration: Distribution,
}

impl Default for Traffic {
    fn default() -> Self {
        Self(std::iter::repeat_with(OnceLock::new).take(Route::COUNT).collect())
    }
}

impl Traffic {
    /// Counts an answer.
    pub(super) fn count(&self, verb: Verb, status: u16, route: Route, duration: Duration) {
        if let Some(place) = self.0.get(route.index()) {
            let answers = place.get_or_init(Box::default);
            answers.methods[verb.0].count(status);
            answers.duration.observe(duration);
        }
    }

    /// What has been counted so far, route by route.
    pub fn counted(&self) -> Vec<RouteTraffic> {
        let routes = Route::all().zip(&self.0);
        let routes = routes.filter_map(|(route, answers)| Some((route, answers.get()?)));
        routes
            .map(|(route, answers)| {
                let mut counts = BTreeMap::new();
                for (method, tally) in METHODS.into_iter().zip(&answers.methods) {
                    let mut statuses = BTreeMap::new();
                    tally.add_to(&mut statuses);
                    if !statuses.is_empty() {
                        counts.insert(method, statuses);
                    }
                }
                RouteTraffic { route: route.template(), answers: counts, duration: answers.duration.counted() }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_what_has_a_bound() {
        let traffic = Traffic::default();
        let route = Route::named(b"/traffic/{id}");
        let second = Duration::from_secs(1);
        for (method, status, route) in [
            ("GET", 200, Route::NONE),
            ("GET", 200, Route::NONE),
            ("get", 404, Route::NONE),
            ("PROPFIND", 404, Route::NONE),
            ("POST", 201, route),
        ] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            traffic.count(Verb::from(&method), status, route, second);
        }
        let counted = traffic.counted();
        let [none, with] = counted.as_slice() else { panic!("{counted:?}") };
        assert_eq!((none.route, none.duration.count()), ("", 4));
        assert_eq!(none.answers["GET"], BTreeMap::from([(200, 2)]));
        assert_eq!(none.answers["OTHER"], BTreeMap::from([(404, 2)]));
        assert_eq!((with.route, with.answers["POST"][&201]), ("/traffic/{id}", 1));
        assert_eq!(with.duration.sum_nanos, 1_000_000_000);
    }
}
