//! Spans below that of PHP: what the application tells of its own part in a request that is traced.
//!
//! PHP's thread notes them while it serves; with the request's end they go to whoever reports. The application is not to be trusted with their
//! number and size, so all of it is bounded, and what is beyond is counted.

use std::time::Instant;

use opentelemetry::trace::{SpanId, SpanKind};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

/// Most spans of one request: the usual page has a dozen, and one of a thousand queries is understood from the first of them.
const MAX_CHILDREN: usize = 256;
/// Most attributes of one span.
const MAX_ATTRIBUTES: usize = 32;
/// Longest name of a span, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// Longest name of an attribute, in bytes. One that is longer is not taken: cut off it would be another one.
const MAX_KEY_BYTES: usize = 128;
/// Longest value of an attribute, in bytes: a statement of SQL for many columns fits.
const MAX_VALUE_BYTES: usize = 4096;
/// All texts of a request's spans together, in bytes. Attributes beyond are not taken.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// What a span takes besides its texts and attributes, in bytes.
const SPAN_BYTES: usize = size_of::<Child>();
/// What an attribute takes besides its texts, in bytes: a number of one letter has a name of its own, too, with what the allocator adds.
const ATTRIBUTE_BYTES: usize = size_of::<KeyValue>() + 16;

/// A span of the application's.
#[derive(Debug)]
pub struct Child {
    /// What the application knows it by. No two of a worker have the same.
    number: u64,
    /// Its id.
    pub id: SpanId,
    /// The span that it is part of; `None`: PHP's own.
    pub parent: Option<SpanId>,
    /// What is done in it.
    pub name: String,
    /// Whether it asks somebody else.
    pub kind: SpanKind,
    /// When it was begun.
    pub start: Instant,
    /// When it was ended; `None` if the application has left it open.
    pub end: Option<Instant>,
    /// A word for what went wrong.
    pub error: Option<String>,
    /// What else there is to say.
    pub attributes: Vec<KeyValue>,
    /// How many attributes there was no room for.
    pub dropped_attributes: u32,
}

/// The spans of one request, in the order of their beginning.
#[derive(Debug, Default)]
pub struct Children {
    list: Vec<Child>,
    /// Bytes of all texts.
    text: usize,
    /// Attributes of all of them.
    attributes: usize,
    /// Bytes of all errors.
    errors: usize,
    /// Spans that there was no room for.
    dropped: u32,
}

impl Children {
    /// Begins a span within the one that was begun last and is still open. False: there are too many already.
    pub fn begin(
        &mut self,
        number: u64,
        name: &str,
        kind: SpanKind,
        attributes: impl IntoIterator<Item = (String, Value)>,
    ) -> bool {
        if self.list.len() >= MAX_CHILDREN {
            self.dropped += 1;
            return false;
        }
        let name = name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned();
        self.text += name.len();
        let child = Child {
            number,
            id: RandomIdGenerator::default().new_span_id(),
            parent: self.innermost(),
            name,
            kind,
            start: Instant::now(),
            end: None,
            error: None,
            attributes: Vec::new(),
            dropped_attributes: 0,
        };
        self.list.push(child);
        let last = self.list.len() - 1;
        self.describe(last, attributes);
        true
    }

    /// Ends a span. Those within it that are open stay so. False: there is no open span of that number.
    pub fn end(
        &mut self,
        number: u64,
        error: Option<&str>,
        attributes: impl IntoIterator<Item = (String, Value)>,
    ) -> bool {
        // Mostly it is the last one.
        let place = self.list.iter().rposition(|child| child.number == number && child.end.is_none());
        let Some(place) = place else { return false };
        self.describe(place, attributes);
        let child = &mut self.list[place];
        child.end = Some(Instant::now());
        child.error = error.map(|error| error[..error.floor_char_boundary(MAX_NAME_BYTES)].to_owned());
        self.errors += child.error.as_ref().map_or(0, String::len);
        true
    }

    /// The span that was begun last and is still open.
    pub fn innermost(&self) -> Option<SpanId> {
        self.list.iter().rev().find(|child| child.end.is_none()).map(|child| child.id)
    }

    /// All of them.
    pub fn into_list(self) -> Vec<Child> {
        self.list
    }

    /// How many there was no room for.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// About what they take in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.text + self.errors + self.attributes * ATTRIBUTE_BYTES + self.list.len() * SPAN_BYTES
    }

    fn describe(&mut self, place: usize, attributes: impl IntoIterator<Item = (String, Value)>) {
        let child = &mut self.list[place];
        for (key, mut value) in attributes {
            if let Value::String(text) = &value
                && text.as_str().len() > MAX_VALUE_BYTES
            {
                let text = text.as_str();
                value = Value::from(text[..text.floor_char_boundary(MAX_VALUE_BYTES)].to_owned());
            }
            let length = key.len() + if let Value::String(text) = &value { text.as_str().len() } else { 0 };
            let fits = child.attributes.len() < MAX_ATTRIBUTES && self.text + length <= MAX_TEXT_BYTES;
            if key.is_empty() || key.len() > MAX_KEY_BYTES || !fits {
                child.dropped_attributes += 1;
                continue;
            }
            self.text += length;
            // What is said again is said last.
            let before = child.attributes.len();
            child.attributes.retain(|known| known.key.as_str() != key);
            child.attributes.push(KeyValue::new(key, value));
            self.attributes += child.attributes.len() - before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(String, Value); 0] = [];

    fn begun(children: &mut Children, number: u64) -> Option<SpanId> {
        children.begin(number, "work", SpanKind::Internal, NONE).then(|| children.innermost()).flatten()
    }

    #[test]
    fn a_span_is_part_of_the_one_that_is_open() {
        let mut children = Children::default();
        let outer = begun(&mut children, 1);
        let inner = begun(&mut children, 2);
        assert_eq!(children.innermost(), inner);
        assert!(children.end(2, Some("Oops"), NONE) && !children.end(2, None, NONE) && !children.end(7, None, NONE));
        let beside = begun(&mut children, 3);
        // The outer one ends first: the other one stays open.
        assert!(children.end(1, None, NONE));
        assert_eq!(children.innermost(), beside);
        let list = children.into_list();
        let parents: Vec<_> = list.iter().map(|child| child.parent).collect();
        assert_eq!(parents, [None, outer, outer]);
        let open: Vec<_> = list.iter().map(|child| child.end.is_none()).collect();
        assert_eq!((open, list[1].error.as_deref()), (vec![false, false, true], Some("Oops")));
    }

    #[test]
    fn all_of_it_is_bounded() {
        let mut children = Children::default();
        let text = |length: usize| Value::from("é".repeat(length));
        let attributes = (0..40).map(|n| (format!("key.{n}"), text(n))).chain([
            (String::new(), text(1)),
            ("k".repeat(MAX_KEY_BYTES + 1), text(1)),
            ("key.1".to_owned(), text(5000)),
        ]);
        assert!(children.begin(1, &"é".repeat(300), SpanKind::Internal, attributes));
        for number in 2..=MAX_CHILDREN as u64 {
            assert!(children.begin(number, "more", SpanKind::Internal, [("k".to_owned(), text(5000))]));
        }
        let untouched = std::iter::from_fn(|| panic!("attributes of a span that is not kept are not even copied"));
        assert!(!children.begin(0, "beyond", SpanKind::Internal, untouched));
        assert_eq!(children.dropped(), 1);
        let attributes = MAX_ATTRIBUTES + MAX_CHILDREN;
        let most = MAX_TEXT_BYTES + MAX_CHILDREN * (SPAN_BYTES + 4) + attributes * ATTRIBUTE_BYTES;
        assert!(children.bytes() <= most, "{}", children.bytes());
        let list = children.into_list();
        assert_eq!((list.len(), list[0].name.len()), (MAX_CHILDREN, MAX_NAME_BYTES));
        assert!(list[0].attributes.len() <= MAX_ATTRIBUTES && list[0].dropped_attributes >= 10, "{:?}", list[0]);
        assert!(list.iter().flat_map(|child| &child.attributes).all(|a| a.value.as_str().len() <= MAX_VALUE_BYTES));
        assert!(list.last().is_some_and(|child| child.dropped_attributes == 1), "beyond the texts of all");
    }

    #[test]
    fn numbers_and_errors_take_memory_too() {
        let mut children = Children::default();
        let mut before = 0;
        for number in 1..=MAX_CHILDREN as u64 {
            let numbers = (0..MAX_ATTRIBUTES).map(|n| (char::from(b'A' + n as u8).to_string(), Value::from(1)));
            assert!(children.begin(number, "", SpanKind::Internal, numbers));
            assert!(children.end(number, Some(&"e".repeat(MAX_NAME_BYTES)), [("A".to_owned(), Value::from(2))]));
            let least = size_of::<Child>() + MAX_ATTRIBUTES * (size_of::<KeyValue>() + 1) + MAX_NAME_BYTES;
            assert!(children.bytes() - before >= least, "{} after {before}", children.bytes());
            before = children.bytes();
        }
        assert!(children.into_list().iter().all(|child| child.attributes.len() == MAX_ATTRIBUTES));
    }

    #[test]
    fn what_is_said_again_counts() {
        let mut children = Children::default();
        let said = |value: i64| [("n".to_owned(), Value::from(value))];
        assert!(children.begin(1, "work", SpanKind::Client, said(1)));
        assert!(children.end(1, None, said(2)));
        assert_eq!(children.into_list()[0].attributes, [KeyValue::new("n", 2)]);
    }
}
