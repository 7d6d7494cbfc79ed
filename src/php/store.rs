//! The store as PHP code has it: one per process, that of the server or, without one, of this process alone.
//!
//! Threads also remember which bound locks they have taken, so that a script that ends in disorder releases them.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Duration;

use super::board::own_words;
use super::view;
use crate::store::{
    Claim, LONGEST, Limit, Limits, Locked, Policy, Refused, Room, Scope, Store, Stored, Unavailable, Verdict,
};
use crate::sys::{self, sc_store};

/// Room of a store that no configuration has spoken of: that of the defaults.
const ROOM: Limits = Limits { memory: 64 << 20, entries: 100_000, value: 1 << 20 };
/// This process, where it is the only one.
const ALONE: u64 = 1;
/// A value of which a thread keeps the memory until it reads the next one.
const KEPT_BYTES: usize = 64 << 10;
/// Bound locks that a thread remembers. Who takes more without releasing any leaves the oldest to their time.
const REMEMBERED: usize = 1024;

static STORE: OnceLock<Option<Store>> = OnceLock::new();

thread_local! {
    /// The value that C looks at.
    static SEEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Key and token of bound locks.
    static BOUND: RefCell<Vec<(Vec<u8>, Vec<u8>)>> = const { RefCell::new(Vec::new()) };
}

/// The store of this process, from now on. Without it the first who asks makes one.
pub(super) fn share(store: Option<Store>) {
    if let Some(store) = store {
        // Only an engine that is started twice comes here twice, and that is refused.
        STORE.set(Some(store)).ok();
    }
}

fn store() -> Result<&'static Store, Unavailable> {
    let alone =
        || own_words(Store::bytes(&ROOM)).ok().and_then(|words| Store::create(words, &ROOM, Scope::Process, ALONE));
    STORE.get_or_init(alone).as_ref().ok_or(Unavailable)
}

/// The script of this thread has ended. If that was in disorder, nobody is left who would release its bound locks.
pub(super) fn settle(in_disorder: bool) {
    let bound = BOUND.take();
    if !in_disorder || bound.is_empty() {
        return;
    }
    let Ok(store) = store() else { return };
    for (key, token) in bound {
        // What cannot be released has a time to live.
        store.unlock(&key, &token).ok();
    }
}

/// Hands a value out; it stays where it is until this thread asks for another one.
pub(super) fn get(key: &[u8], write: impl FnOnce(sys::sc_value)) -> sc_store {
    SEEN.with_borrow_mut(|seen| {
        seen.clear();
        seen.shrink_to(KEPT_BYTES);
        match store().and_then(|store| store.get(key, seen)) {
            Ok(Some(serialized)) => {
                // Texts for C are followed by a NUL.
                seen.push(0);
                let bytes = view::text(&seen[..seen.len() - 1]);
                write(sys::sc_value { bytes, serialized, ..sys::sc_value::default() });
                sc_store::SC_STORE_OK
            }
            Ok(None) => sc_store::SC_STORE_NO,
            Err(Unavailable) => sc_store::SC_STORE_UNAVAILABLE,
        }
    })
}

pub(super) fn has(key: &[u8]) -> sc_store {
    truth(store().and_then(|store| store.has(key)))
}

pub(super) fn set(key: &[u8], bytes: &[u8], value: &sys::sc_value) -> sc_store {
    let how = Stored { ttl: ttl(value.ttl), keep: value.keep, mark: value.serialized, only_new: value.only_new };
    match store().and_then(|store| store.set(key, bytes, how)) {
        Ok(Room::Stored) => sc_store::SC_STORE_OK,
        Ok(Room::Taken) => sc_store::SC_STORE_NO,
        Ok(Room::TooLarge) => sc_store::SC_STORE_TOO_LARGE,
        Ok(Room::Full) => sc_store::SC_STORE_FULL,
        Err(Unavailable) => sc_store::SC_STORE_UNAVAILABLE,
    }
}

pub(super) fn delete(key: &[u8]) -> sc_store {
    truth(store().and_then(|store| store.delete(key)))
}

pub(super) fn clear(prefix: &[u8], removed: &mut u64) -> sc_store {
    let cleared = store().and_then(|store| store.clear(prefix)).map(|count| *removed = count);
    truth(cleared.map(|()| true))
}

pub(super) fn info(write: impl FnOnce(sys::sc_store_figures)) -> sc_store {
    let Ok(store) = store() else { return sc_store::SC_STORE_UNAVAILABLE };
    let seen = store.figures();
    write(sys::sc_store_figures {
        server: store.scope() == Scope::Server,
        max_memory: seen.max_memory,
        max_entries: seen.max_entries,
        max_value: seen.max_value,
        memory: seen.memory,
        entries: seen.entries,
        kept_memory: seen.kept_memory,
        kept_entries: seen.kept_entries,
        hits: seen.hits,
        misses: seen.misses,
        evictions: seen.evictions,
        expirations: seen.expirations,
        refusals: seen.refusals,
        lock_conflicts: seen.lock_conflicts,
        wipes: seen.wipes,
    });
    sc_store::SC_STORE_OK
}

pub(super) fn count(key: &[u8], by: i64, seconds: f64, now: &mut i64) -> sc_store {
    let counted = with_store(|store| store.count(key, by, ttl(seconds)));
    settled(counted.map(|count| {
        *now = count;
        true
    }))
}

pub(super) fn counter(key: &[u8], now: &mut i64) -> sc_store {
    truth(store().and_then(|store| store.counter(key)).map(|count| count.map(|count| *now = count).is_some()))
}

pub(super) fn delete_counter(key: &[u8]) -> sc_store {
    truth(store().and_then(|store| store.delete_counter(key)))
}

pub(super) fn lock(claim: &sys::sc_claim, key: &[u8], token: &[u8]) -> sc_store {
    let wanted = Claim { token, ttl: duration(claim.ttl), shared: claim.shared, bound: claim.bound };
    let locked = with_store(|store| store.lock(key, &wanted)).map(|locked| locked == Locked::Yes);
    if claim.bound && locked == Ok(true) {
        remember(key, token);
    }
    settled(locked)
}

pub(super) fn extend(claim: &sys::sc_claim, key: &[u8], token: &[u8]) -> sc_store {
    settled(with_store(|store| store.extend(key, token, duration(claim.ttl))))
}

pub(super) fn unlock(key: &[u8], token: &[u8]) -> sc_store {
    BOUND.with_borrow_mut(|bound| bound.retain(|(other, own)| other != key || own != token));
    settled(with_store(|store| store.unlock(key, token)))
}

pub(super) fn holds(key: &[u8], token: &[u8]) -> sc_store {
    truth(store().and_then(|store| store.holds(key, token)))
}

pub(super) fn rate(
    asked: &sys::sc_rate,
    key: &[u8],
    rule: &[u8],
    limits: &[sys::sc_limit],
    write: impl FnOnce(sys::sc_verdict),
) -> sc_store {
    let limits: Vec<Limit> = limits.iter().map(limit).collect();
    let wait = ttl(asked.wait).unwrap_or_default();
    let decided = with_store(|store| store.rate(key, &limits, asked.cost, wait, rule));
    settled(decided.map(|verdict| {
        let Verdict { allowed, index, limit, remaining, retry_after, reset_after } = verdict;
        write(sys::sc_verdict {
            allowed,
            index: u32::try_from(index).unwrap_or(0),
            limit,
            remaining,
            retry_after: retry_after.as_secs_f64(),
            reset_after: reset_after.as_secs_f64(),
        });
        true
    }))
}

pub(super) fn forget_rate(key: &[u8]) -> sc_store {
    truth(store().and_then(|store| store.forget_rate(key)))
}

fn limit(given: &sys::sc_limit) -> Limit {
    let policy = match given.policy {
        sys::sc_policy::SC_POLICY_FIXED_WINDOW => Policy::FixedWindow,
        sys::sc_policy::SC_POLICY_SLIDING_WINDOW => Policy::SlidingWindow,
        sys::sc_policy::SC_POLICY_TOKEN_BUCKET => Policy::TokenBucket { amount: given.amount },
    };
    Limit { policy, limit: given.limit, interval: duration(given.interval) }
}

fn remember(key: &[u8], token: &[u8]) {
    BOUND.with_borrow_mut(|bound| {
        if bound.iter().any(|(other, own)| other == key && own == token) {
            return;
        }
        if bound.len() >= REMEMBERED {
            bound.remove(0);
        }
        bound.push((key.to_vec(), token.to_vec()));
    });
}

fn with_store<T>(ask: impl FnOnce(&Store) -> Result<T, Refused>) -> Result<T, Refused> {
    ask(store()?)
}

fn truth(answer: Result<bool, Unavailable>) -> sc_store {
    settled(answer.map_err(Refused::from))
}

fn settled(answer: Result<bool, Refused>) -> sc_store {
    match answer {
        Ok(true) => sc_store::SC_STORE_OK,
        Ok(false) => sc_store::SC_STORE_NO,
        Err(Refused::Full) => sc_store::SC_STORE_FULL,
        Err(Refused::Overflow) => sc_store::SC_STORE_OVERFLOW,
        Err(Refused::Unavailable(_)) => sc_store::SC_STORE_UNAVAILABLE,
    }
}

/// Seconds of C's; none for 0.
fn ttl(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| duration(seconds))
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST)
}
