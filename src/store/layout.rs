//! Where what lies in the memory of a store.
//!
//! ```text
//! head | rules | shard 0: head, table, blocks | shard 1 ...
//! ```

#![forbid(unsafe_code)]

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use super::rules::RULE_WORDS;
use super::{load, put};

/// Words of a block: two lines of a usual cache.
pub(super) const BLOCK_WORDS: usize = 16;
/// The same in bytes.
pub(super) const BLOCK_BYTES: u64 = (BLOCK_WORDS * size_of::<u64>()) as u64;
/// Words at the beginning of a shard.
pub(super) const SHARD_HEAD: usize = 32;

const HEAD: usize = 16;
/// Names of rules that are counted one by one. A page of rules is more than anybody reads.
const RULES: usize = 64;
/// More shards than threads that run at a time are of no use, and a large value needs room in one.
const MOST_SHARDS: usize = 16;
/// A shard has room for so many of the largest values, so that one of them does not empty it.
const VALUES_PER_SHARD: u64 = 4;
/// With fewer entries a shard might be full while another is empty.
const LEAST_ENTRIES: u32 = 1024;

/// "supercha" as a number: what the memory of a store begins with.
const MAGIC: u64 = u64::from_le_bytes(*b"supercha");
/// Raised with every change of what stands where.
const VERSION: u64 = 2;

/// The room of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For contents, in bytes.
    pub memory: u64,
    /// Most entries.
    pub entries: u32,
    /// Largest value, in bytes; at most a quarter of the memory.
    pub value: u64,
}

/// The arrangement that follows from the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    limits: Limits,
    shards: usize,
    buckets: usize,
    blocks: usize,
}

impl Layout {
    pub(super) fn of(limits: &Limits) -> Self {
        let fits = |shards: usize| {
            limits.memory / shards as u64 >= VALUES_PER_SHARD * limits.value
                && limits.entries as usize / shards >= LEAST_ENTRIES as usize
        };
        let mut shards = MOST_SHARDS;
        while shards > 1 && !fits(shards) {
            shards /= 2;
        }
        let entries = limits.entries as usize / shards;
        let blocks = usize::try_from(limits.memory / BLOCK_BYTES).unwrap_or(usize::MAX) / shards;
        // A link has 32 bits.
        let blocks = blocks.clamp(8, u32::MAX as usize);
        let limits = Limits {
            memory: (blocks * shards) as u64 * BLOCK_BYTES,
            entries: u32::try_from(entries * shards).unwrap_or(u32::MAX).max(1),
            value: limits.value,
        };
        Self { limits, shards, buckets: entries.max(1).next_power_of_two(), blocks }
    }

    pub(super) fn words(&self) -> usize {
        HEAD + RULES * RULE_WORDS + self.shards * self.shard_words()
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn shards(&self) -> usize {
        self.shards
    }

    pub(super) fn buckets(&self) -> usize {
        self.buckets
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    pub(super) fn entries_per_shard(&self) -> u64 {
        u64::from(self.limits.entries) / self.shards as u64
    }

    pub(super) fn rules(&self) -> Range<usize> {
        HEAD..HEAD + RULES * RULE_WORDS
    }

    pub(super) fn shard(&self, number: usize) -> Range<usize> {
        let start = self.rules().end + number * self.shard_words();
        start..start + self.shard_words()
    }

    pub(super) fn seed(&self, words: &[AtomicU64]) -> [u64; 2] {
        [load(&words[5]), load(&words[6])]
    }

    pub(super) fn write(&self, words: &[AtomicU64]) {
        let random = || RandomState::new().hash_one(0);
        let Limits { memory, entries, value } = self.limits;
        let head = [MAGIC, check(), memory, entries.into(), value, random(), random()];
        for (word, value) in words.iter().zip(head) {
            put(word, value);
        }
    }

    pub(super) fn read(words: &[AtomicU64]) -> Option<Self> {
        let head: Vec<u64> = words.get(..5)?.iter().map(load).collect();
        let limits = Limits { memory: head[2], entries: u32::try_from(head[3]).ok()?, value: head[4] };
        let layout = Self::of(&limits);
        (head[0] == MAGIC && head[1] == check() && layout.words() <= words.len()).then_some(layout)
    }

    fn shard_words(&self) -> usize {
        SHARD_HEAD + self.buckets + self.blocks * BLOCK_WORDS
    }
}

/// What two processes have to agree on: the arrangement, and how keys are hashed, which is the standard library's affair.
fn check() -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(VERSION);
    hasher.write(b"where does this fall?");
    hasher.finish()
}
