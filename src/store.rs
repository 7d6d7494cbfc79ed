//! The store that all workers share: values with a time to live, counters, locks and rate limits.
//!
//! It lives on memory that the parent owns and every child maps, as words that are only ever touched as atomics: so it is the same for
//! all workers of all children, and outlives a worker, a child that crashes, and a reload. A process without a parent (`php-cli`) has one of
//! its own on memory of its own.
//!
//! The memory is divided into shards, each behind one lock, in which everything about a key lies; so each operation is atomic, and a
//! decision about a limit is made in one place. A critical section copies bytes and follows links, nothing else: no system call but what
//! memory for a copy may need, nothing of PHP. A process that dies inside of one leaves the shard to its parent, which marks it, and
//! to the next one who comes, who empties it ([`shard`]): what is half-written is never read.
//!
//! Values may be dropped to make room, the least recently used ones first. What is *kept* may not: counters, locks, limits, and values that
//! are stored so. They have at most half of the room, limits and values a share of that, and who finds it full is told so.

#![forbid(unsafe_code)]

mod bytes;
mod counters;
mod layout;
mod limits;
mod locks;
mod rules;
mod shard;
mod values;

#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use layout::Layout;
pub use layout::Limits;
pub use limits::{Limit, MAX_LIMITS, MAX_RATE, Policy, Verdict};
pub use locks::{Claim, Locked};
pub use rules::OTHER_RULES;
use rules::Rules;
use shard::{Class, Held, Shard};
pub use values::{Room, Stored};

/// Longest key, in bytes. Symfony's are hashed from half of that on.
pub const MAX_KEY_BYTES: usize = 1024;
/// Longest token of a lock, in bytes; Symfony's have 44.
pub const MAX_TOKEN_BYTES: usize = 255;
/// Longest time to live. Whoever wants more wants no time to live.
pub const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A shard could not be had in time: the process that has it stands still, or has died and its parent has not noticed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is held by a process that does not let it go")]
pub struct Unavailable;

/// There is no room for what has to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// See [`Unavailable`].
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Half of the store is taken by counters, locks, limits and kept values that have not lapsed.
    #[error("there is no room for what must be kept; store.max_memory or store.max_entries allow more")]
    Full,
    /// A number would not fit into 64 bits.
    #[error("the counter would overflow")]
    Overflow,
}

/// Who uses the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every worker of every child of a server.
    Server,
    /// This process alone.
    Process,
}

/// How much is in a store, and what it has seen so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Room for contents, in bytes.
    pub max_memory: u64,
    /// Most entries.
    pub max_entries: u64,
    /// Largest value, in bytes.
    pub max_value: u64,
    /// Bytes taken, by the block.
    pub memory: u64,
    /// Entries, lapsed ones that nobody has met yet included.
    pub entries: u64,
    /// The part of `memory` that is kept.
    pub kept_memory: u64,
    /// The part of `entries` that is kept.
    pub kept_entries: u64,
    /// Values that were found.
    pub hits: u64,
    /// Values that were not.
    pub misses: u64,
    /// Values that were dropped to make room.
    pub evictions: u64,
    /// Entries that were removed because their time was over.
    pub expirations: u64,
    /// What found no room: too large, or to be kept.
    pub refusals: u64,
    /// Locks that somebody had to wait for, or did not get.
    pub lock_conflicts: u64,
    /// Shards that were emptied because a process had died inside.
    pub wipes: u64,
    /// Requests that a limit has refused, by the name of the rule.
    pub limited: Vec<(String, u64)>,
}

/// A store. A copy is the same one.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    words: &'static [AtomicU64],
    layout: Layout,
    scope: Scope,
    /// Who this process is, for those who have to clean up after it; not 0.
    owner: u64,
}

impl Store {
    /// How many bytes of memory a store takes that has this room. Pages that nobody has written take none.
    pub fn bytes(limits: &Limits) -> usize {
        Layout::of(limits).words() * size_of::<u64>()
    }

    /// Lays a store out on memory that is all zero. `None` if it is too small.
    pub fn create(words: &'static [AtomicU64], limits: &Limits, scope: Scope, owner: u64) -> Option<Self> {
        let layout = Layout::of(limits);
        if words.len() < layout.words() {
            return None;
        }
        layout.write(words);
        Some(Self { words, layout, scope, owner })
    }

    /// The store of a server on the memory that its parent has laid out. `None` if the parent is of another version.
    pub fn join(words: &'static [AtomicU64], owner: u64) -> Option<Self> {
        let layout = Layout::read(words)?;
        Some(Self { words, layout, scope: Scope::Server, owner })
    }

    /// Who uses it.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// A process is gone: a shard that it died in is given to the next who comes, to be emptied. Nobody is waited for.
    pub fn abandon(&self, owner: u64) {
        for number in 0..self.layout.shards() {
            self.shard(number).abandon(owner);
        }
    }

    /// Releases the bound locks of a process that is gone.
    pub fn release_all(&self, owner: u64) {
        for number in 0..self.layout.shards() {
            if let Ok(mut held) = self.shard(number).lock(self.owner) {
                locks::release_all(&mut held, owner);
            }
        }
    }

    /// How it stands. Nobody is waited for, so that figures may be of slightly different moments.
    pub fn figures(&self) -> Figures {
        let Limits { memory, entries, value } = self.layout.limits();
        let mut figures =
            Figures { max_memory: memory, max_entries: entries.into(), max_value: value, ..Figures::default() };
        for number in 0..self.layout.shards() {
            self.shard(number).count(&mut figures);
        }
        figures.limited = self.rules().counts();
        figures
    }

    fn rules(&self) -> Rules {
        Rules::new(&self.words[self.layout.rules()])
    }

    fn shard(&self, number: usize) -> Shard {
        Shard::new(&self.words[self.layout.shard(number)], &self.layout)
    }

    /// The shard of a key, locked, and the key's hash.
    fn open(&self, class: Class, key: &[u8]) -> Result<(Held, u64), Unavailable> {
        let [one, other] = self.layout.seed(self.words);
        // Keys may be in clients' hands: without a seed they could be made to fall into one place.
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(one);
        hasher.write_u64(other);
        hasher.write_u8(class as u8);
        hasher.write(key);
        let hash = hasher.finish();
        // The upper half chooses the shard, the lower one the place in it.
        let number = (hash >> 32) as usize % self.layout.shards();
        Ok((self.shard(number).lock(self.owner)?, hash))
    }
}

/// Microseconds of the monotonic clock, which all processes of a machine share.
fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds * 1_000_000 + nanos / 1000
}

/// When something lapses that lives for so long; 0, which is never, for no time at all.
fn lapse(now: u64, ttl: Option<Duration>) -> u64 {
    ttl.map_or(0, |ttl| now + micros(ttl.min(LONGEST)).max(1))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A word of memory, under the lock of its shard or on its own.
fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn put(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}
