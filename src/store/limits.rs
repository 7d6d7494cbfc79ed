//! Rate limits: whether something may happen now, and if so, that it has.
//!
//! Several limits may hold for one key; they are decided together, under one lock, and counted only if all allow. All arithmetic is in
//! whole numbers. Time is the monotonic clock, so a change of the machine's time moves nothing.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::shard::{Class, Kind, New, REFUSALS, Stay};
use super::{LONGEST, Refused, Store, Unavailable, micros};

const KIND: Kind = Kind { class: Class::Limit, stay: Stay::Kept, mark: false };
/// Limits of one key. A second, a minute, an hour, a day, and as many again.
pub const MAX_LIMITS: usize = 8;
/// Largest number of a limit, so that no product of two numbers and a time overflows.
pub const MAX_RATE: u64 = u32::MAX as u64;

/// How is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// So many within a window, which begins with the first one and ends at once.
    FixedWindow,
    /// So many within a window that moves: what was counted in the one before counts by the part of it that is still in sight.
    SlidingWindow,
    /// So many tokens at most, to which `amount` come back within each interval, evenly.
    TokenBucket {
        /// Tokens that come back, at least 1.
        amount: u64,
    },
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How is counted.
    pub policy: Policy,
    /// How many, at most [`MAX_RATE`].
    pub limit: u64,
    /// Length of the window, or of the interval of refilling.
    pub interval: Duration,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may happen.
    pub allowed: bool,
    /// Number of the limit that says the most: the one to wait for longest, else the one with the least left.
    pub index: usize,
    /// How many may happen at once.
    pub limit: u64,
    /// How many of them are left now.
    pub remaining: u64,
    /// How long until it may happen; zero if it may.
    pub retry_after: Duration,
    /// How long until nothing of what was counted counts any more.
    pub reset_after: Duration,
}

/// What is remembered of a limit. Numbers as they stand in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    /// Which limit that is of; another one begins anew.
    print: u64,
    /// Beginning of the window, or when the bucket was looked at, in microseconds.
    at: u64,
    /// Counted in this window; or what the bucket lacks, in tokens times microseconds of an interval.
    counted: u128,
    /// Counted in the window before.
    before: u64,
}

/// Length of a state in bytes.
const STATE_BYTES: usize = 8 + 8 + 16 + 8;

impl Store {
    /// Decides whether something of this cost may happen under all these limits, and counts it if so. With `patience`, under one token bucket,
    /// also if it may within that time: then it is counted, and `retry_after` says how long to wait. A cost of 0 only asks.
    ///
    /// # Errors
    /// [`Refused::Full`] if there is no room for a key more.
    pub fn rate(
        &self,
        key: &[u8],
        limits: &[Limit],
        cost: u64,
        patience: Duration,
        rule: &[u8],
    ) -> Result<Verdict, Refused> {
        let (mut held, hash) = self.open(Class::Limit, key)?;
        let now = held.now;
        let mut bytes = Vec::with_capacity(MAX_LIMITS * STATE_BYTES);
        if let Some(entry) = held.find(Class::Limit, hash, key) {
            held.value(entry, &mut bytes);
        }
        let mut states: Vec<State> = limits
            .iter()
            .enumerate()
            .map(|(index, limit)| State::read(&bytes, index, limit).at_time(limit, now))
            .collect();
        let verdict = decide(limits, &mut states, cost, patience, now);
        if verdict.allowed && cost > 0 {
            let value: Vec<u8> = states.iter().flat_map(State::encode).collect();
            let rest = limits.iter().zip(&states).map(|(limit, state)| state.reset_after(limit, now)).max();
            // A bucket may need longer than the clock counts to fill again.
            let lapses = now + rest.unwrap_or(0).clamp(1, micros(LONGEST));
            if let Err(refused) = held.insert(&New { kind: KIND, hash, key, value: &value, lapses }) {
                held.note(REFUSALS);
                return Err(refused);
            }
        }
        drop(held);
        if !verdict.allowed {
            self.rules().count(rule);
        }
        Ok(verdict)
    }

    /// Forgets what was counted by that key; whether there was anything.
    ///
    /// # Errors
    /// See [`Unavailable`].
    pub fn forget_rate(&self, key: &[u8]) -> Result<bool, Unavailable> {
        self.remove(Class::Limit, key)
    }
}

/// The decision. The states have been brought to this moment; if it may happen, it is counted in them.
fn decide(limits: &[Limit], states: &mut [State], cost: u64, patience: Duration, now: u64) -> Verdict {
    let waits: Vec<u64> = limits.iter().zip(&*states).map(|(limit, state)| state.wait(limit, cost, now)).collect();
    let longest = waits.iter().copied().max().unwrap_or(0);
    // A window cannot be drawn on before it begins.
    let can_wait = limits.iter().all(|limit| matches!(limit.policy, Policy::TokenBucket { .. }));
    let allowed = longest == 0 || can_wait && longest <= micros(patience);
    if allowed {
        for (limit, state) in limits.iter().zip(&mut *states) {
            state.count(limit, cost);
        }
    }
    let remaining = |index: usize| states[index].remaining(&limits[index], now);
    let decisive = if longest > 0 {
        waits.iter().position(|wait| *wait == longest)
    } else {
        (0..limits.len()).min_by_key(|index| remaining(*index))
    };
    let index = decisive.unwrap_or(0);
    Verdict {
        allowed,
        index,
        limit: limits[index].limit,
        remaining: remaining(index),
        retry_after: Duration::from_micros(longest),
        reset_after: Duration::from_micros(states[index].reset_after(&limits[index], now)),
    }
}

impl Limit {
    fn interval(&self) -> u64 {
        micros(self.interval).max(1)
    }

    fn print(&self) -> u64 {
        let (tag, amount) = match self.policy {
            Policy::FixedWindow => (1, 0),
            Policy::SlidingWindow => (2, 0),
            Policy::TokenBucket { amount } => (3, amount),
        };
        // No secret and no hash: two limits of a key that are told apart by less are the same.
        self.interval().rotate_left(24) ^ self.limit.rotate_left(8) ^ amount.rotate_left(40) ^ tag
    }

    /// Tokens that come back in an interval.
    fn amount(&self) -> u128 {
        match self.policy {
            Policy::TokenBucket { amount } => amount.max(1).into(),
            Policy::FixedWindow | Policy::SlidingWindow => 1,
        }
    }

    /// A token as a bucket counts.
    fn token(&self) -> u128 {
        self.interval().into()
    }
}

impl State {
    /// Of the limit with that number; nothing counted if it is another one's.
    fn read(bytes: &[u8], index: usize, limit: &Limit) -> Self {
        let own = bytes.get(index * STATE_BYTES..).and_then(Self::decode);
        own.filter(|state| state.print == limit.print()).unwrap_or_default()
    }

    /// As it is at this moment.
    fn at_time(self, limit: &Limit, now: u64) -> Self {
        let Self { at, counted, .. } = self;
        let (interval, print) = (limit.interval(), limit.print());
        let passed = now.saturating_sub(at);
        match limit.policy {
            Policy::TokenBucket { .. } => {
                let back = u128::from(passed) * limit.amount();
                Self { print, at: now, counted: counted.saturating_sub(back), before: 0 }
            }
            _ if at != 0 && passed < interval => self,
            Policy::SlidingWindow if at != 0 && passed < 2 * interval => {
                Self { print, at: at + interval, counted: 0, before: narrow(counted) }
            }
            Policy::FixedWindow | Policy::SlidingWindow => Self { print, at: now, counted: 0, before: 0 },
        }
    }

    /// What of the window before is still in sight, rounded up: never one too many.
    fn weight(&self, limit: &Limit, passed: u64) -> u64 {
        let interval = limit.interval();
        let left = u128::from(interval.saturating_sub(passed));
        narrow((u128::from(self.before) * left).div_ceil(interval.into()))
    }

    /// How many are free now.
    fn remaining(&self, limit: &Limit, now: u64) -> u64 {
        match limit.policy {
            Policy::TokenBucket { .. } => {
                let most = u128::from(limit.limit) * limit.token();
                narrow(most.saturating_sub(self.counted) / limit.token())
            }
            Policy::FixedWindow | Policy::SlidingWindow => {
                let passed = now.saturating_sub(self.at);
                limit.limit.saturating_sub(self.weight(limit, passed).saturating_add(narrow(self.counted)))
            }
        }
    }

    /// How long until so many are free, in microseconds.
    fn wait(&self, limit: &Limit, cost: u64, now: u64) -> u64 {
        if cost > limit.limit {
            return u64::MAX;
        }
        if cost <= self.remaining(limit, now) {
            return 0;
        }
        let interval = limit.interval();
        let passed = now.saturating_sub(self.at).min(interval);
        match limit.policy {
            Policy::TokenBucket { .. } => {
                let most = u128::from(limit.limit) * limit.token();
                let lack = (self.counted + u128::from(cost) * limit.token()).saturating_sub(most);
                narrow(lack.div_ceil(limit.amount()))
            }
            Policy::FixedWindow => interval - passed,
            Policy::SlidingWindow => {
                let counted = narrow(self.counted);
                let room = limit.limit - cost;
                if counted <= room {
                    fades(self.before, room - counted, interval).saturating_sub(passed)
                } else {
                    interval - passed + fades(counted, room, interval)
                }
            }
        }
    }

    fn count(&mut self, limit: &Limit, cost: u64) {
        self.counted += match limit.policy {
            Policy::TokenBucket { .. } => u128::from(cost) * limit.token(),
            Policy::FixedWindow | Policy::SlidingWindow => cost.into(),
        };
    }

    /// How long until nothing of it counts any more, in microseconds.
    fn reset_after(&self, limit: &Limit, now: u64) -> u64 {
        let end = self.at.saturating_add(limit.interval()).saturating_sub(now);
        match limit.policy {
            Policy::TokenBucket { .. } => narrow(self.counted.div_ceil(limit.amount())),
            Policy::SlidingWindow if self.counted > 0 => end.saturating_add(limit.interval()),
            Policy::FixedWindow | Policy::SlidingWindow => end,
        }
    }

    fn encode(&self) -> [u8; STATE_BYTES] {
        let mut bytes = [0; STATE_BYTES];
        bytes[..8].copy_from_slice(&self.print.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.at.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.counted.to_le_bytes());
        bytes[32..].copy_from_slice(&self.before.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (print, rest) = bytes.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (counted, rest) = rest.split_first_chunk()?;
        let before = rest.first_chunk()?;
        Some(Self {
            print: u64::from_le_bytes(*print),
            at: u64::from_le_bytes(*at),
            counted: u128::from_le_bytes(*counted),
            before: u64::from_le_bytes(*before),
        })
    }
}

/// When so many of a window that has ended are out of sight that this many are left, counted from its end.
fn fades(counted: u64, left: u64, interval: u64) -> u64 {
    if counted <= left {
        return 0;
    }
    narrow((u128::from(interval) * u128::from(counted - left)).div_ceil(counted.into()))
}

fn narrow(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
