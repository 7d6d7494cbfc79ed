//! Locks: one writer or several readers by a key, each with a token and a time after which it counts no more.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::shard::{CONFLICTS, Class, Entry, Held, Kind, New, REFUSALS, Stay};
use super::{LONGEST, MAX_TOKEN_BYTES, Refused, Store, Unavailable, micros};

const KIND: Kind = Kind { class: Class::Lock, stay: Stay::Kept, mark: false };
/// Readers of a lock at a time. More than a server has threads is a token that is made anew each time.
const MOST_HOLDERS: usize = 1024;

/// What somebody wants of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Who wants it: whoever knows the token may extend and release.
    pub token: &'a [u8],
    /// How long, unless it is extended.
    pub ttl: Duration,
    /// As one of several readers.
    pub shared: bool,
    /// It is released when the process dies.
    pub bound: bool,
}

/// What has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// It is held, by this token.
    Yes,
    /// Somebody else holds it.
    Busy,
}

/// One who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    lapses: u64,
    /// Process with which it ends; 0 for none.
    owner: u64,
    token: Vec<u8>,
}

/// A lock: its holders, of whom there is one if it is not shared.
#[derive(Debug, Default)]
struct State {
    shared: bool,
    holders: Vec<Holder>,
}

impl Store {
    /// Takes a lock, or says who it cannot be taken from. Who has it already takes it anew: for that time, and shared or not as is wanted now.
    ///
    /// # Errors
    /// [`Refused::Full`] if there is no room for a lock more.
    pub fn lock(&self, key: &[u8], claim: &Claim<'_>) -> Result<Locked, Refused> {
        let (mut held, hash) = self.open(Class::Lock, key)?;
        let mut state = State::read(&mut held, hash, key);
        let own = state.holders.iter().position(|holder| holder.token == claim.token);
        let others = state.holders.len() - usize::from(own.is_some());
        // Readers stand each other; a writer stands nobody.
        if others > 0 && !(claim.shared && state.shared) || state.holders.len() >= MOST_HOLDERS {
            held.note(CONFLICTS);
            return Ok(Locked::Busy);
        }
        if let Some(own) = own {
            state.holders.swap_remove(own);
        }
        state.shared = claim.shared;
        state.holders.push(Holder {
            lapses: held.now + micros(claim.ttl.min(LONGEST)),
            owner: if claim.bound { self.owner } else { 0 },
            token: claim.token[..claim.token.len().min(MAX_TOKEN_BYTES)].to_vec(),
        });
        let written = state.write(&mut held, hash, key);
        if written.is_err() {
            held.note(REFUSALS);
        }
        written.map(|()| Locked::Yes)
    }

    /// From now on it counts for so long. False if it is not held by that token any more.
    ///
    /// # Errors
    /// See [`Refused`]; there is room for what is there already.
    pub fn extend(&self, key: &[u8], token: &[u8], ttl: Duration) -> Result<bool, Refused> {
        let (mut held, hash) = self.open(Class::Lock, key)?;
        let mut state = State::read(&mut held, hash, key);
        let lapses = held.now + micros(ttl.min(LONGEST));
        let Some(own) = state.holders.iter_mut().find(|holder| holder.token == token) else { return Ok(false) };
        own.lapses = lapses;
        state.write(&mut held, hash, key).map(|()| true)
    }

    /// Releases it. False if it was not held by that token any more.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn unlock(&self, key: &[u8], token: &[u8]) -> Result<bool, Refused> {
        let (mut held, hash) = self.open(Class::Lock, key)?;
        let mut state = State::read(&mut held, hash, key);
        let before = state.holders.len();
        state.holders.retain(|holder| holder.token != token);
        if state.holders.len() == before {
            return Ok(false);
        }
        state.write(&mut held, hash, key).map(|()| true)
    }

    /// Whether that token holds it.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub fn holds(&self, key: &[u8], token: &[u8]) -> Result<bool, Unavailable> {
        let (mut held, hash) = self.open(Class::Lock, key)?;
        let state = State::read(&mut held, hash, key);
        Ok(state.holders.iter().any(|holder| holder.token == token))
    }
}

/// Releases the locks of a shard that end with that process.
pub(super) fn release_all(held: &mut Held, owner: u64) {
    for entry in held.entries(Stay::Kept) {
        if held.kind(entry).class != Class::Lock {
            continue;
        }
        let mut key = Vec::new();
        held.key(entry, &mut key);
        let hash = held.hash(entry);
        let mut state = State::of(held, entry);
        let before = state.holders.len();
        state.holders.retain(|holder| holder.owner != owner);
        if state.holders.len() < before {
            // It takes less room than before.
            state.write(held, hash, &key).ok();
        }
    }
}

impl State {
    /// The holders of now.
    fn read(held: &mut Held, hash: u64, key: &[u8]) -> Self {
        held.find(Class::Lock, hash, key).map(|entry| Self::of(held, entry)).unwrap_or_default()
    }

    fn of(held: &Held, entry: Entry) -> Self {
        let mut bytes = Vec::new();
        held.value(entry, &mut bytes);
        let mut state = Self::decode(&bytes).unwrap_or_default();
        state.holders.retain(|holder| holder.lapses > held.now);
        state
    }

    fn write(&self, held: &mut Held, hash: u64, key: &[u8]) -> Result<(), Refused> {
        let Some(lapses) = self.holders.iter().map(|holder| holder.lapses).max() else {
            if let Some(entry) = held.find(Class::Lock, hash, key) {
                held.remove(entry);
            }
            return Ok(());
        };
        held.insert(&New { kind: KIND, hash, key, value: &self.encode(), lapses }).map(drop)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.shared)];
        for Holder { lapses, owner, token } in &self.holders {
            bytes.extend(lapses.to_le_bytes());
            bytes.extend(owner.to_le_bytes());
            bytes.push(u8::try_from(token.len()).unwrap_or(u8::MAX));
            bytes.extend(token);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&shared, mut rest) = bytes.split_first()?;
        let mut holders = Vec::new();
        while !rest.is_empty() {
            let (lapses, after) = rest.split_first_chunk()?;
            let (owner, after) = after.split_first_chunk()?;
            let (&length, after) = after.split_first()?;
            let (token, after) = after.split_at_checked(length.into())?;
            let (lapses, owner) = (u64::from_le_bytes(*lapses), u64::from_le_bytes(*owner));
            holders.push(Holder { lapses, owner, token: token.to_vec() });
            rest = after;
        }
        Some(Self { shared: shared != 0, holders })
    }
}
