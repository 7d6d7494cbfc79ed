//! Templates of routes, as the application names them: `/orders/{id}`.
//!
//! They are labels of metrics and fields of logs, so there is a bound to how many there are and to how long they are. A process keeps each that it
//! has heard, under a number; a request carries the number.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

/// Most templates that a process tells apart, and a server over the lives of all its processes. An application with more of them has put something into them that belongs to one request;
/// those beyond are [`Route::OTHER`].
pub const MAX_ROUTES: usize = 500;

/// Longest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 200;

/// Name of all beyond the bound.
const OTHER: &str = "other";

/// The number of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Route(u16);

/// All that have been heard. Who looks one up takes no lock; a new one is added to a copy, at most [`MAX_ROUTES`] times.
#[derive(Default)]
struct Known {
    numbers: ArcSwap<HashMap<Arc<str>, u16>>,
    names: Vec<OnceLock<Arc<str>>>,
    adding: Mutex<()>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| Known {
    names: std::iter::repeat_with(OnceLock::new).take(MAX_ROUTES + 1).collect(),
    ..Known::default()
});

impl Route {
    /// The application has said nothing.
    pub const NONE: Self = Self(0);

    /// One of those beyond the bound.
    #[allow(clippy::cast_possible_truncation, reason = "501 fits")]
    pub const OTHER: Self = Self(MAX_ROUTES as u16 + 1);

    /// Number of routes, [`Route::NONE`] and [`Route::OTHER`] included.
    pub const COUNT: usize = MAX_ROUTES + 2;

    /// The route with this template; an empty one is none. What cannot be part of a label or a log line is replaced, what is too long is cut.
    pub fn named(template: &[u8]) -> Self {
        let template = &template[..template.len().min(MAX_TEMPLATE_BYTES)];
        let number = match std::str::from_utf8(template) {
            Ok(clean) if !clean.chars().any(char::is_control) => KNOWN.number(clean),
            _ => {
                let clean = String::from_utf8_lossy(template).replace(char::is_control, "\u{fffd}");
                KNOWN.number(&clean)
            }
        };
        number.map_or(Self::OTHER, Self)
    }

    /// The template; empty if there is none, `other` beyond the bound.
    pub fn template(self) -> &'static str {
        match self {
            Self::NONE => "",
            Self::OTHER => OTHER,
            Self(number) => KNOWN.names.get(usize::from(number)).and_then(OnceLock::get).map_or("", |name| name),
        }
    }

    /// The template, if there is one to be told.
    pub fn told(self) -> Option<&'static str> {
        Some(self.template()).filter(|template| !template.is_empty())
    }

    /// A number below [`Route::COUNT`], for tables.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// What is kept of it.
    pub(super) fn number(self) -> u16 {
        self.0
    }

    /// The route with that number.
    pub(super) fn at(number: u16) -> Self {
        Self(number)
    }

    /// All that have a template, or could.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=Self::OTHER.0).map(Self)
    }
}

impl Known {
    /// The number of a template, a new one if need be; none if there are too many.
    fn number(&self, template: &str) -> Option<u16> {
        if template.is_empty() {
            return Some(Route::NONE.0);
        }
        if let Some(number) = self.numbers.load().get(template) {
            return Some(*number);
        }
        let _adding = self.adding.lock();
        let before = self.numbers.load();
        if let Some(number) = before.get(template) {
            return Some(*number);
        }
        let number = before.len() + 1;
        let place = self.names.get(number)?;
        let name = Arc::<str>::from(template);
        place.set(Arc::clone(&name)).ok()?;
        let number = u16::try_from(number).ok()?;
        let mut numbers = HashMap::clone(&before);
        numbers.insert(name, number);
        self.numbers.store(Arc::new(numbers));
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_short_and_clean() {
        let long = [b'x'; MAX_TEMPLATE_BYTES + 1];
        let cases: [(&[u8], &str); 6] = [
            (b"", ""),
            (b"/orders/{id}", "/orders/{id}"),
            ("/caf\u{e9}".as_bytes(), "/caf\u{e9}"),
            (&long, std::str::from_utf8(&long[1..]).expect("text")),
            (b"/a\nb", "/a\u{fffd}b"),
            (b"/a\xff", "/a\u{fffd}"),
        ];
        for (template, expected) in cases {
            let got = Route::named(template);
            assert_eq!(got.template(), expected, "{}", template.escape_ascii());
            assert_eq!(got, Route::named(template), "the same again");
        }
    }

    #[test]
    fn there_is_an_end_to_them() {
        let known =
            Known { names: std::iter::repeat_with(OnceLock::new).take(MAX_ROUTES + 1).collect(), ..Known::default() };
        let numbers: Vec<_> = (0..MAX_ROUTES + 2).map(|n| known.number(&format!("/{n}"))).collect();
        assert_eq!(numbers.iter().flatten().count(), MAX_ROUTES);
        assert_eq!((numbers[0], numbers[MAX_ROUTES - 1], numbers[MAX_ROUTES]), (Some(1), Some(500), None));
        assert_eq!(known.number("/7"), Some(8));
        assert_eq!(Route::OTHER.template(), "other");
        assert_eq!(Route::all().count(), Route::COUNT);
    }
}
