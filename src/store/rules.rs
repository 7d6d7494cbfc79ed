//! How often each named rule has refused somebody. Names take a place each, without a lock; those beyond the last place share one.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{bytes, load, put};

const NAME_WORDS: usize = 8;
/// State, count, length of the name, name.
pub(super) const RULE_WORDS: usize = 3 + NAME_WORDS;
/// Longest name that is told; what is longer is cut.
const NAME_BYTES: usize = NAME_WORDS * size_of::<u64>();

const FREE: u64 = 0;
/// Somebody writes the name. Who dies amid that costs a place.
const TAKEN: u64 = 1;
const NAMED: u64 = 2;

/// What is counted without a place.
pub const OTHER_RULES: &str = "other";

pub(super) struct Rules(&'static [AtomicU64]);

impl Rules {
    pub(super) fn new(words: &'static [AtomicU64]) -> Self {
        Self(words)
    }

    /// A rule has refused somebody.
    pub(super) fn count(&self, name: &[u8]) {
        let name = &name[..name.len().min(NAME_BYTES)];
        // The last place is for all that find no other.
        let last = self.0.chunks_exact(RULE_WORDS).last();
        let places = self.0.chunks_exact(RULE_WORDS).rev().skip(1).rev();
        let own = places.into_iter().find(|place| claim(place, name));
        if let Some(place) = own.or_else(|| last.filter(|place| claim(place, OTHER_RULES.as_bytes()))) {
            place[1].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The names so far. Two who came at the same time may have got a place each for the same one.
    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        let mut counts = BTreeMap::new();
        for place in self.0.chunks_exact(RULE_WORDS) {
            if place[0].load(Ordering::Acquire) == NAMED {
                let name = String::from_utf8_lossy(&name(place)).into_owned();
                *counts.entry(name).or_default() += load(&place[1]);
            }
        }
        counts.into_iter().collect()
    }
}

/// Whether a place is that name's, now at the latest.
fn claim(place: &[AtomicU64], wanted: &[u8]) -> bool {
    match place[0].compare_exchange(FREE, TAKEN, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            put(&place[2], wanted.len() as u64);
            for (word, value) in place[3..].iter().zip(bytes::pack(wanted)) {
                put(word, value);
            }
            place[0].store(NAMED, Ordering::Release);
            true
        }
        Err(state) => state == NAMED && name(place) == wanted,
    }
}

fn name(place: &[AtomicU64]) -> Vec<u8> {
    let mut name = Vec::new();
    bytes::unpack(place[3..].iter().map(load), (load(&place[2]) as usize).min(NAME_BYTES), &mut name);
    name
}
