//! Counters: whole numbers of 64 bits that many count on at the same time.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::shard::{Class, Entry, Held, Kind, New, Stay};
use super::{Refused, Store, Unavailable, lapse};

const KIND: Kind = Kind { class: Class::Counter, stay: Stay::Kept, mark: false };

impl Store {
    /// Adds to a counter, which begins at 0; gives what it is now. Its time to live is that of its beginning: what lapses is a period, and
    /// not what nobody has used.
    ///
    /// # Errors
    /// [`Refused::Overflow`], and the counter is what it was; [`Refused::Full`] for a new one.
    pub fn count(&self, key: &[u8], by: i64, ttl: Option<Duration>) -> Result<i64, Refused> {
        let (mut held, hash) = self.open(Class::Counter, key)?;
        let (before, lapses) = match held.find(Class::Counter, hash, key) {
            Some(entry) => (read(&held, entry), held.lapses(entry)),
            None => (0, lapse(held.now, ttl)),
        };
        let after = before.checked_add(by).ok_or(Refused::Overflow)?;
        held.insert(&New { kind: KIND, hash, key, value: &after.to_le_bytes(), lapses })?;
        Ok(after)
    }

    /// What a counter is; `None` if there is none.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub fn counter(&self, key: &[u8]) -> Result<Option<i64>, Unavailable> {
        let (mut held, hash) = self.open(Class::Counter, key)?;
        Ok(held.find(Class::Counter, hash, key).map(|entry| read(&held, entry)))
    }

    /// Removes a counter; whether there was one.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub fn delete_counter(&self, key: &[u8]) -> Result<bool, Unavailable> {
        self.remove(Class::Counter, key)
    }
}

fn read(held: &Held, entry: Entry) -> i64 {
    let mut value = Vec::with_capacity(size_of::<i64>());
    held.value(entry, &mut value);
    value.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes))
}
