//! A part of the store behind one lock: a hash table of entries, each a chain of blocks, and two lists through them.
//!
//! What may be dropped stands in the list of the droppable, the most recently used first. What is kept stands in the other one, and is
//! looked through for what has lapsed, a few at a time, whenever something is added. Room is counted by the block and by the entry,
//! exactly: it changes only where a chain is taken or given back.
//!
//! The lock is a word that names the process which has it. Waiters spin, then let others run, then sleep: the section is microseconds
//! long, and a lock of the system's could not be had without `unsafe`, nor taken from a dead process. One who leaves by a panic, or
//! whose process has died inside, leaves a mark instead, and the next one empties the shard before using it.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::layout::{BLOCK_BYTES, BLOCK_WORDS, Layout, SHARD_HEAD};
use super::{Figures, Refused, Unavailable, bytes, load, now, put};

/// Who waits so long is told so. Only a process that stands still, or one whose parent does, holds a shard for so long.
const PATIENCE: Duration = Duration::from_secs(2);
const SPINS: u32 = 64;
const YIELDS: u32 = 256;
const NAP: Duration = Duration::from_micros(100);

const FREE: u64 = 0;
/// Whoever had it has left something half-done.
const MARKED: u64 = u64::MAX;

// Words at the beginning of a shard.
const LOCK: usize = 0;
/// The first block that nobody has ever had; those before it are taken or in the list of free ones.
const FRESH: usize = 8;
const FREE_BLOCKS: usize = 9;
const DROPPABLE: Space = Space { newest: 10, oldest: 11, blocks: 12, entries: 13 };
const KEPT: Space = Space { newest: 14, oldest: 15, blocks: 16, entries: 17 };
/// Kept ones whose keys come from clients, so that a flood of one kind leaves room for the other, and for locks and counters. In eighths of
/// the kept room; a value of the largest size has half of it.
const VALUES: Share = Share { blocks: 18, entries: 19, of_blocks: 6, of_entries: 3 };
const LIMITS: Share = Share { blocks: 27, entries: 28, of_blocks: 1, of_entries: 3 };
const EIGHTHS: u64 = 8;
/// Counters, which stay when the shard is emptied.
pub(super) const HITS: usize = 20;
pub(super) const MISSES: usize = 21;
const EVICTIONS: usize = 22;
const EXPIRATIONS: usize = 23;
pub(super) const REFUSALS: usize = 24;
pub(super) const CONFLICTS: usize = 25;
const WIPES: usize = 26;

// Words of an entry's first block.
const HASH: usize = 0;
/// Low half: the next entry in the same place of the table. High half: the next block of this one.
const NEXT: usize = 1;
/// Low half: the newer entry in the list. High half: the older one.
const LINKS: usize = 2;
const LAPSES: usize = 3;
const META: usize = 4;
const BLOCKS: usize = 5;
const FIRST_PAYLOAD: usize = 6;
/// Of a further block: the first word leads to the next.
const FURTHER_PAYLOAD: usize = 1;

/// Kept entries looked at when one is added. More than one, so that what has lapsed goes faster than new ones come.
const LOOKED_AT: u32 = 8;
/// The same when there is no room for it otherwise.
const LOOKED_AT_MOST: u32 = 256;

/// What a key is the key of. Each kind has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    Value = 0,
    Counter = 1,
    Lock = 2,
    Limit = 3,
}

/// Whether an entry may be dropped to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    Droppable,
    Kept,
}

/// The words of a list and of what is in it.
#[derive(Debug, Clone, Copy)]
struct Space {
    newest: usize,
    oldest: usize,
    blocks: usize,
    entries: usize,
}

/// The part of the kept room that one class may have, and the words in which it is counted.
#[derive(Debug, Clone, Copy)]
struct Share {
    blocks: usize,
    entries: usize,
    of_blocks: u64,
    of_entries: u64,
}

/// That of a class; none for what the application itself names.
fn share(kind: Kind) -> Option<Share> {
    match kind {
        Kind { stay: Stay::Kept, class: Class::Value, .. } => Some(VALUES),
        Kind { stay: Stay::Kept, class: Class::Limit, .. } => Some(LIMITS),
        _ => None,
    }
}

fn space(stay: Stay) -> Space {
    match stay {
        Stay::Droppable => DROPPABLE,
        Stay::Kept => KEPT,
    }
}

/// What an entry is besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) class: Class,
    pub(super) stay: Stay,
    /// A mark of the class's own.
    pub(super) mark: bool,
}

/// An entry, by the number of its first block; good until the shard is changed otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u32);

/// An entry that is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) kind: Kind,
    pub(super) hash: u64,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// In microseconds of the monotonic clock; 0: never.
    pub(super) lapses: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Shard {
    words: &'static [AtomicU64],
    buckets: usize,
    blocks: u64,
    entries: u64,
}

impl Shard {
    pub(super) fn new(words: &'static [AtomicU64], layout: &Layout) -> Self {
        Self {
            words,
            buckets: layout.buckets(),
            blocks: layout.blocks() as u64,
            entries: layout.entries_per_shard().max(1),
        }
    }

    /// Takes the lock.
    pub(super) fn lock(self, owner: u64) -> Result<Held, Unavailable> {
        let word = &self.words[LOCK];
        let take = |from| word.compare_exchange(from, owner, Ordering::Acquire, Ordering::Relaxed);
        let (mut tries, mut until) = (0, None);
        loop {
            match take(FREE) {
                Ok(_) => return Ok(Held { shard: self, now: now() }),
                Err(MARKED) if take(MARKED).is_ok() => {
                    let held = Held { shard: self, now: now() };
                    held.wipe();
                    return Ok(held);
                }
                Err(_) => tries += 1,
            }
            if tries < SPINS {
                std::hint::spin_loop();
            } else if tries < YIELDS {
                thread::yield_now();
            } else if Instant::now() >= *until.get_or_insert_with(|| Instant::now() + PATIENCE) {
                return Err(Unavailable);
            } else {
                thread::sleep(NAP);
            }
        }
    }

    /// That process will never let go.
    pub(super) fn abandon(self, owner: u64) {
        // Somebody else may have it: then there is nothing to do.
        self.words[LOCK].compare_exchange(owner, MARKED, Ordering::AcqRel, Ordering::Relaxed).ok();
    }

    /// Adds what there is to the figures.
    pub(super) fn count(self, figures: &mut Figures) {
        let word = |at: usize| load(&self.words[at]);
        figures.memory += (word(DROPPABLE.blocks) + word(KEPT.blocks)) * BLOCK_BYTES;
        figures.entries += word(DROPPABLE.entries) + word(KEPT.entries);
        figures.kept_memory += word(KEPT.blocks) * BLOCK_BYTES;
        figures.kept_entries += word(KEPT.entries);
        for (figure, at) in [
            (&mut figures.hits, HITS),
            (&mut figures.misses, MISSES),
            (&mut figures.evictions, EVICTIONS),
            (&mut figures.expirations, EXPIRATIONS),
            (&mut figures.refusals, REFUSALS),
            (&mut figures.lock_conflicts, CONFLICTS),
            (&mut figures.wipes, WIPES),
        ] {
            *figure += word(at);
        }
    }
}

/// A shard that is this thread's for the moment.
#[derive(Debug)]
pub(super) struct Held {
    shard: Shard,
    /// When it was taken, on the clock of [`now`].
    pub(super) now: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let leaves = if thread::panicking() { MARKED } else { FREE };
        self.shard.words[LOCK].store(leaves, Ordering::Release);
    }
}

impl Held {
    /// One more of what is counted.
    pub(super) fn note(&self, at: usize) {
        self.add(at, 1);
    }

    /// Finds an entry that has not lapsed.
    pub(super) fn find(&mut self, class: Class, hash: u64, key: &[u8]) -> Option<Entry> {
        let mut at = low(self.word(self.bucket(hash)));
        while at != 0 {
            let entry = Entry(at);
            if self.field(entry, HASH) == hash && self.kind(entry).class == class && self.has_key(entry, key) {
                if self.has_lapsed(entry) {
                    self.lapse(entry);
                    return None;
                }
                return Some(entry);
            }
            at = low(self.field(entry, NEXT));
        }
        None
    }

    /// Puts an entry in, in the place of the one with the same key. What has to make room for it does.
    pub(super) fn insert(&mut self, new: &New<'_>) -> Result<Entry, Refused> {
        let old = self.find(new.kind.class, new.hash, new.key);
        let needs = blocks_for(bytes::words(new.key.len()) + bytes::words(new.value.len()));
        if let Some(old) = old
            && self.field(old, BLOCKS) == needs
            && self.kind(old).stay == new.kind.stay
        {
            self.fill(old, new);
            self.use_now(old);
            return Ok(old);
        }
        self.check_room(needs, new.kind, old)?;
        // The check may have removed others, but not this one.
        if let Some(old) = old {
            self.remove(old);
        }
        self.make_room(needs)?;
        let entry = Entry(self.take_chain(needs));
        self.fill(entry, new);
        let bucket = self.bucket(new.hash);
        let next = self.field(entry, NEXT);
        self.set(entry, NEXT, next & HIGH | self.word(bucket));
        self.set_word(bucket, entry.0.into());
        self.link(entry);
        let space = space(new.kind.stay);
        self.add(space.entries, 1);
        self.add(space.blocks, needs);
        if let Some(share) = share(new.kind) {
            self.add(share.entries, 1);
            self.add(share.blocks, needs);
        }
        Ok(entry)
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, entry: Entry) {
        self.unlink(entry);
        self.leave_bucket(entry);
        let kind = self.kind(entry);
        let space = space(kind.stay);
        let blocks = self.field(entry, BLOCKS);
        self.set_word(space.entries, self.word(space.entries) - 1);
        self.set_word(space.blocks, self.word(space.blocks) - blocks);
        if let Some(share) = share(kind) {
            self.set_word(share.entries, self.word(share.entries) - 1);
            self.set_word(share.blocks, self.word(share.blocks) - blocks);
        }
        let (mut at, mut next) = (entry.0, high(self.field(entry, NEXT)));
        loop {
            // A free block leads to the next free one in its first word.
            self.set(Entry(at), 0, self.word(FREE_BLOCKS));
            self.set_word(FREE_BLOCKS, at.into());
            if next == 0 {
                break;
            }
            at = next;
            next = low(self.field(Entry(at), 0));
        }
    }

    /// It has been used just now: the last one to be dropped.
    pub(super) fn use_now(&mut self, entry: Entry) {
        let space = space(self.kind(entry).stay);
        if low(self.word(space.newest)) != entry.0 {
            self.unlink(entry);
            self.link(entry);
        }
    }

    pub(super) fn kind(&self, entry: Entry) -> Kind {
        let meta = self.field(entry, META);
        Kind {
            class: match meta as u8 {
                0 => Class::Value,
                1 => Class::Counter,
                2 => Class::Lock,
                _ => Class::Limit,
            },
            stay: if meta & KEPT_BIT == 0 { Stay::Droppable } else { Stay::Kept },
            mark: meta & MARK_BIT != 0,
        }
    }

    /// When it lapses; 0: never.
    pub(super) fn lapses(&self, entry: Entry) -> u64 {
        self.field(entry, LAPSES)
    }

    pub(super) fn hash(&self, entry: Entry) -> u64 {
        self.field(entry, HASH)
    }

    /// Puts the key after what is there.
    pub(super) fn key(&self, entry: Entry, into: &mut Vec<u8>) {
        bytes::unpack(self.payload(entry).map(load), self.key_length(entry), into);
    }

    /// Puts the value after what is there.
    pub(super) fn value(&self, entry: Entry, into: &mut Vec<u8>) {
        let skip = bytes::words(self.key_length(entry));
        let length = (self.field(entry, META) >> 32) as usize;
        bytes::unpack(self.payload(entry).skip(skip).map(load), length, into);
    }

    /// Every entry of a list, the newest first.
    pub(super) fn entries(&self, stay: Stay) -> Vec<Entry> {
        let mut found = Vec::new();
        let mut at = low(self.word(space(stay).newest));
        while at != 0 {
            found.push(Entry(at));
            at = high(self.field(Entry(at), LINKS));
        }
        found
    }

    /// Forgets everything but what has been counted.
    fn wipe(&self) {
        for at in (FRESH..HITS).chain([LIMITS.blocks, LIMITS.entries]) {
            self.set_word(at, 0);
        }
        for at in SHARD_HEAD..SHARD_HEAD + self.shard.buckets {
            self.set_word(at, 0);
        }
        self.add(WIPES, 1);
    }

    fn has_lapsed(&self, entry: Entry) -> bool {
        let lapses = self.field(entry, LAPSES);
        lapses != 0 && lapses <= self.now
    }

    fn lapse(&mut self, entry: Entry) {
        self.remove(entry);
        self.add(EXPIRATIONS, 1);
    }

    /// Whether so many blocks may be taken. What is kept has half of everything, so that there is always something to be dropped for the
    /// rest, and of that each class its share. Never removes `old`.
    fn check_room(&mut self, needs: u64, kind: Kind, old: Option<Entry>) -> Result<(), Refused> {
        if kind.stay == Stay::Droppable {
            return Ok(());
        }
        let (own_blocks, own_entries) = match old {
            Some(old) if self.kind(old).stay == Stay::Kept => (self.field(old, BLOCKS), 1),
            _ => (0, 0),
        };
        let (most_blocks, most_entries) = (self.shard.blocks / 2, (self.shard.entries / 2).max(1));
        let fits = |held: &Self| {
            held.word(KEPT.blocks) - own_blocks + needs <= most_blocks
                && held.word(KEPT.entries) - own_entries < most_entries
                && share(kind).is_none_or(|share| {
                    held.word(share.blocks) - own_blocks + needs <= (most_blocks * share.of_blocks / EIGHTHS).max(1)
                        && held.word(share.entries) - own_entries < (most_entries * share.of_entries / EIGHTHS).max(1)
                })
        };
        self.look_through(LOOKED_AT, old);
        if !fits(self) {
            self.look_through(LOOKED_AT_MOST, old);
        }
        if fits(self) { Ok(()) } else { Err(Refused::Full) }
    }

    /// Looks at the kept entries that were looked at least recently, and removes those that have lapsed.
    fn look_through(&mut self, most: u32, but: Option<Entry>) {
        for _ in 0..most.min(u32::try_from(self.word(KEPT.entries)).unwrap_or(u32::MAX)) {
            let Some(oldest) = self.oldest(KEPT) else { return };
            if self.has_lapsed(oldest) && Some(oldest) != but {
                self.lapse(oldest);
            } else {
                self.use_now(oldest);
            }
        }
    }

    /// Drops what was used least recently until there is room.
    fn make_room(&mut self, needs: u64) -> Result<(), Refused> {
        // Two of those that would be next, if their time is over: so that they do not stand for what is in use.
        for _ in 0..2 {
            match self.oldest(DROPPABLE) {
                Some(oldest) if self.has_lapsed(oldest) => self.lapse(oldest),
                _ => break,
            }
        }
        let used = |held: &Self| held.word(DROPPABLE.blocks) + held.word(KEPT.blocks);
        let count = |held: &Self| held.word(DROPPABLE.entries) + held.word(KEPT.entries);
        while used(self) + needs > self.shard.blocks || count(self) + 1 > self.shard.entries {
            // Without anything to drop it is larger than all that is not kept, which the limit of a value prevents.
            let oldest = self.oldest(DROPPABLE).ok_or(Refused::Full)?;
            if self.has_lapsed(oldest) {
                self.lapse(oldest);
            } else {
                self.remove(oldest);
                self.add(EVICTIONS, 1);
            }
        }
        Ok(())
    }

    fn oldest(&self, space: Space) -> Option<Entry> {
        Some(Entry(low(self.word(space.oldest)))).filter(|entry| entry.0 != 0)
    }

    /// Takes blocks that are free, of which there are enough, and links them to a chain.
    fn take_chain(&mut self, count: u64) -> u32 {
        let mut next = 0;
        for left in (0..count).rev() {
            let at = match low(self.word(FREE_BLOCKS)) {
                0 => {
                    let fresh = low(self.word(FRESH)) + 1;
                    self.set_word(FRESH, fresh.into());
                    fresh
                }
                free => {
                    self.set_word(FREE_BLOCKS, self.field(Entry(free), 0));
                    free
                }
            };
            if left == 0 {
                self.set(Entry(at), NEXT, u64::from(next) << 32);
            } else {
                self.set(Entry(at), 0, next.into());
            }
            next = at;
        }
        self.set(Entry(next), BLOCKS, count);
        next
    }

    fn fill(&mut self, entry: Entry, new: &New<'_>) {
        let kept = if new.kind.stay == Stay::Kept { KEPT_BIT } else { 0 };
        let mark = if new.kind.mark { MARK_BIT } else { 0 };
        let lengths = (new.key.len() as u64) << 16 | (new.value.len() as u64) << 32;
        self.set(entry, HASH, new.hash);
        self.set(entry, LAPSES, new.lapses);
        self.set(entry, META, u64::from(new.kind.class as u8) | kept | mark | lengths);
        let payload = bytes::pack(new.key).chain(bytes::pack(new.value));
        for (word, value) in self.payload(entry).zip(payload) {
            put(word, value);
        }
    }

    fn has_key(&self, entry: Entry, key: &[u8]) -> bool {
        self.key_length(entry) == key.len() && self.payload(entry).map(load).zip(bytes::pack(key)).all(|(a, b)| a == b)
    }

    fn key_length(&self, entry: Entry) -> usize {
        (self.field(entry, META) >> 16 & 0xffff) as usize
    }

    /// The words of an entry's bytes, through all its blocks.
    fn payload(&self, entry: Entry) -> impl Iterator<Item = &'static AtomicU64> + use<> {
        let (shard, mut next) = (self.shard, high(self.field(entry, NEXT)));
        let mut words = shard.block(entry.0)[FIRST_PAYLOAD..].iter();
        std::iter::from_fn(move || {
            words.next().or_else(|| {
                if next == 0 {
                    return None;
                }
                let block = shard.block(next);
                next = low(load(&block[0]));
                words = block[FURTHER_PAYLOAD..].iter();
                words.next()
            })
        })
    }

    fn bucket(&self, hash: u64) -> usize {
        SHARD_HEAD + (hash as usize & (self.shard.buckets - 1))
    }

    fn leave_bucket(&self, entry: Entry) {
        let bucket = self.bucket(self.field(entry, HASH));
        let after = low(self.field(entry, NEXT));
        let mut at = low(self.word(bucket));
        if at == entry.0 {
            self.set_word(bucket, after.into());
            return;
        }
        while at != 0 {
            let next = self.field(Entry(at), NEXT);
            if low(next) == entry.0 {
                self.set(Entry(at), NEXT, next & HIGH | u64::from(after));
                return;
            }
            at = low(next);
        }
    }

    /// Puts an entry in front of its list.
    fn link(&self, entry: Entry) {
        let space = space(self.kind(entry).stay);
        let newest = low(self.word(space.newest));
        self.set(entry, LINKS, u64::from(newest) << 32);
        if newest == 0 {
            self.set_word(space.oldest, entry.0.into());
        } else {
            let links = self.field(Entry(newest), LINKS);
            self.set(Entry(newest), LINKS, links & HIGH | u64::from(entry.0));
        }
        self.set_word(space.newest, entry.0.into());
    }

    fn unlink(&self, entry: Entry) {
        let space = space(self.kind(entry).stay);
        let links = self.field(entry, LINKS);
        let (newer, older) = (low(links), high(links));
        if newer == 0 {
            self.set_word(space.newest, older.into());
        } else {
            let links = self.field(Entry(newer), LINKS);
            self.set(Entry(newer), LINKS, u64::from(older) << 32 | links & !HIGH);
        }
        if older == 0 {
            self.set_word(space.oldest, newer.into());
        } else {
            let links = self.field(Entry(older), LINKS);
            self.set(Entry(older), LINKS, links & HIGH | u64::from(newer));
        }
    }

    fn word(&self, at: usize) -> u64 {
        load(&self.shard.words[at])
    }

    fn set_word(&self, at: usize, value: u64) {
        put(&self.shard.words[at], value);
    }

    fn add(&self, at: usize, count: u64) {
        self.set_word(at, self.word(at).wrapping_add(count));
    }

    fn field(&self, entry: Entry, at: usize) -> u64 {
        load(&self.shard.block(entry.0)[at])
    }

    fn set(&self, entry: Entry, at: usize, value: u64) {
        put(&self.shard.block(entry.0)[at], value);
    }
}

impl Shard {
    /// A block by its number, which counts from 1.
    fn block(self, number: u32) -> &'static [AtomicU64] {
        let start = SHARD_HEAD + self.buckets + (number as usize - 1) * BLOCK_WORDS;
        &self.words[start..start + BLOCK_WORDS]
    }
}

const HIGH: u64 = !0 << 32;
const KEPT_BIT: u64 = 1 << 8;
const MARK_BIT: u64 = 1 << 9;

fn low(word: u64) -> u32 {
    word as u32
}

fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

fn blocks_for(words: usize) -> u64 {
    let further = words.saturating_sub(BLOCK_WORDS - FIRST_PAYLOAD);
    1 + further.div_ceil(BLOCK_WORDS - FURTHER_PAYLOAD) as u64
}
