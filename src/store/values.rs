//! Values: bytes with a time to live.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::shard::{Class, HITS, Kind, MISSES, New, REFUSALS, Stay};
use super::{Refused, Store, Unavailable, lapse};

/// What a value takes when it is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// How long it lives; for ever without.
    pub ttl: Option<Duration>,
    /// It may not be dropped to make room.
    pub keep: bool,
    /// A mark of the caller's.
    pub mark: bool,
    /// Only if there is none by that key.
    pub only_new: bool,
}

/// What has become of a value that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It is stored.
    Stored,
    /// There is one by that key, and it was to be the only one.
    Taken,
    /// It is larger than a value may be.
    TooLarge,
    /// It was to be kept, and there is no room for more of that kind.
    Full,
}

impl Store {
    /// Puts a value after what is in `into`; gives its mark. `None` if there is no such value.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<bool>, Unavailable> {
        let (mut held, hash) = self.open(Class::Value, key)?;
        let Some(entry) = held.find(Class::Value, hash, key) else {
            held.note(MISSES);
            return Ok(None);
        };
        held.note(HITS);
        held.use_now(entry);
        held.value(entry, into);
        Ok(Some(held.kind(entry).mark))
    }

    /// Whether there is a value. That is neither a use nor a hit.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub fn has(&self, key: &[u8]) -> Result<bool, Unavailable> {
        let (mut held, hash) = self.open(Class::Value, key)?;
        Ok(held.find(Class::Value, hash, key).is_some())
    }

    /// Stores a value. Whatever comes of it, a value that was there and is not replaced is still there.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub fn set(&self, key: &[u8], value: &[u8], how: Stored) -> Result<Room, Unavailable> {
        let (mut held, hash) = self.open(Class::Value, key)?;
        if value.len() as u64 > self.layout.limits().value {
            held.note(REFUSALS);
            return Ok(Room::TooLarge);
        }
        if how.only_new && held.find(Class::Value, hash, key).is_some() {
            return Ok(Room::Taken);
        }
        let stay = if how.keep { Stay::Kept } else { Stay::Droppable };
        let kind = Kind { class: Class::Value, stay, mark: how.mark };
        let lapses = lapse(held.now, how.ttl);
        match held.insert(&New { kind, hash, key, value, lapses }) {
            Ok(_) => Ok(Room::Stored),
            Err(Refused::Unavailable(unavailable)) => Err(unavailable),
            Err(Refused::Full | Refused::Overflow) => {
                held.note(REFUSALS);
                Ok(Room::Full)
            }
        }
    }

    /// Removes a value; whether there was one.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub fn delete(&self, key: &[u8]) -> Result<bool, Unavailable> {
        self.remove(Class::Value, key)
    }

    /// Removes every value whose key begins so; how many there were. Counters, locks and limits stay. Shards are gone through one after
    /// the other: what is stored meanwhile may or may not be removed.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub fn clear(&self, prefix: &[u8]) -> Result<u64, Unavailable> {
        let mut removed = 0;
        let mut key = Vec::new();
        for number in 0..self.layout.shards() {
            let mut held = self.shard(number).lock(self.owner)?;
            let mut entries = held.entries(Stay::Droppable);
            entries.extend(held.entries(Stay::Kept));
            for entry in entries {
                if held.kind(entry).class != Class::Value {
                    continue;
                }
                key.clear();
                held.key(entry, &mut key);
                if key.starts_with(prefix) {
                    held.remove(entry);
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    /// Removes what a key is the key of; whether there was anything.
    pub(super) fn remove(&self, class: Class, key: &[u8]) -> Result<bool, Unavailable> {
        let (mut held, hash) = self.open(class, key)?;
        let entry = held.find(class, hash, key);
        if let Some(entry) = entry {
            held.remove(entry);
        }
        Ok(entry.is_some())
    }
}
