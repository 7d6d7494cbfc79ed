use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::layout::BLOCK_BYTES;
use super::*;

const ROOM: Limits = Limits { memory: 1 << 20, entries: 4096, value: 64 << 10 };

fn memory(limits: &Limits) -> &'static [AtomicU64] {
    Box::leak((0..Store::bytes(limits) / 8).map(|_| AtomicU64::new(0)).collect())
}

fn store(limits: Limits) -> Store {
    Store::create(memory(&limits), &limits, Scope::Process, 1).expect("enough memory")
}

/// Room for so many entries, in one shard.
fn small(entries: u32) -> Limits {
    Limits { memory: 64 << 10, entries, value: 16 << 10 }
}

fn get(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    store.get(key, &mut value).expect("free").map(|_| value)
}

fn set(store: &Store, key: &[u8], value: &[u8]) -> Room {
    store.set(key, value, Stored::default()).expect("free")
}

fn kept() -> Stored {
    Stored { keep: true, ..Stored::default() }
}

fn claim(token: &'static str, shared: bool) -> Claim<'static> {
    Claim { token: token.as_bytes(), ttl: Duration::from_secs(60), shared, bound: false }
}

/// That the lists, the table and the counts agree, for which everything is taken out.
fn judge(store: &Store) {
    let values = store.clear(b"").expect("free");
    let figures = store.figures();
    assert_eq!(figures.entries, figures.kept_entries, "{values} values were removed: {figures:?}");
    assert_eq!(figures.memory, figures.kept_memory);
}

#[test]
fn values_of_every_length_come_back() {
    let store = store(ROOM);
    for length in [0, 1, 7, 8, 79, 80, 81, 200, 4096, 65_536] {
        let value: Vec<u8> = (0..length).map(|at: usize| (at * 7) as u8).collect();
        for key in [format!("a{length}"), "k".repeat(length % MAX_KEY_BYTES + 1)] {
            assert_eq!(set(&store, key.as_bytes(), &value), Room::Stored);
            assert_eq!(get(&store, key.as_bytes()).as_ref(), Some(&value), "{length}");
        }
    }
    assert_eq!(set(&store, b"large", &vec![0; 65_537]), Room::TooLarge);
    assert_eq!(get(&store, b"large"), None);
    judge(&store);
}

#[test]
fn a_value_is_replaced_removed_and_told_apart_by_class() {
    let store = store(ROOM);
    assert_eq!(set(&store, b"a", b"1"), Room::Stored);
    assert_eq!(set(&store, b"a", &[2; 1000]), Room::Stored);
    assert_eq!(get(&store, b"a"), Some(vec![2; 1000]));
    let only_new = Stored { only_new: true, mark: true, ..Stored::default() };
    assert_eq!(store.set(b"a", b"3", only_new), Ok(Room::Taken));
    assert_eq!(store.counter(b"a"), Ok(None));
    assert_eq!(store.delete(b"a"), Ok(true));
    assert_eq!(store.delete(b"a"), Ok(false));
    assert_eq!(store.set(b"a", b"3", only_new), Ok(Room::Stored));
    assert_eq!(store.get(b"a", &mut Vec::new()), Ok(Some(true)));
    assert_eq!(store.figures().entries, 1);
}

#[test]
fn a_prefix_is_cleared_and_nothing_else() {
    let store = store(ROOM);
    for key in ["app:1", "app:2", "apples", "other"] {
        set(&store, key.as_bytes(), b"x");
    }
    store.set(b"app:3", b"x", kept()).expect("free");
    store.count(b"app:counter", 1, None).expect("room");
    assert_eq!(store.clear(b"app:"), Ok(3));
    assert_eq!((get(&store, b"apples").is_some(), get(&store, b"app:1")), (true, None));
    assert_eq!(store.counter(b"app:counter"), Ok(Some(1)));
}

#[test]
fn what_has_lapsed_is_gone() {
    let store = store(ROOM);
    let brief = Stored { ttl: Some(Duration::from_millis(20)), ..Stored::default() };
    store.set(b"brief", b"x", brief).expect("free");
    store.set(b"long", b"x", Stored { ttl: Some(Duration::MAX), ..Stored::default() }).expect("free");
    store.count(b"brief", 5, brief.ttl).expect("room");
    store.lock(b"brief", &Claim { ttl: Duration::from_millis(20), ..claim("a", false) }).expect("room");
    assert!(get(&store, b"brief").is_some());
    thread::sleep(Duration::from_millis(30));
    assert_eq!(get(&store, b"brief"), None);
    assert_eq!(store.counter(b"brief"), Ok(None));
    assert_eq!(store.extend(b"brief", b"a", Duration::from_secs(1)), Ok(false));
    assert_eq!(store.lock(b"brief", &claim("b", false)), Ok(Locked::Yes));
    assert!(get(&store, b"long").is_some());
    assert!(store.figures().expirations >= 2);
}

#[test]
fn what_was_used_least_recently_makes_room() {
    let store = store(small(100));
    for number in 0..100 {
        set(&store, format!("{number}").as_bytes(), b"x");
    }
    assert_eq!(store.figures().entries, 100);
    get(&store, b"0");
    assert_eq!(store.has(b"1"), Ok(true), "which is no use");
    set(&store, b"new", b"x");
    let figures = store.figures();
    assert_eq!((figures.entries, figures.evictions), (100, 1));
    assert!(get(&store, b"0").is_some());
    assert_eq!(get(&store, b"1"), None);
    // By bytes as well: a large one takes the place of many.
    set(&store, b"large", &vec![0; 16 << 10]);
    let figures = store.figures();
    assert!(figures.memory <= figures.max_memory, "{figures:?}");
    for number in 0..20 {
        set(&store, format!("large{number}").as_bytes(), &vec![0; 16 << 10]);
    }
    let figures = store.figures();
    assert!(figures.memory <= figures.max_memory && figures.memory > figures.max_memory / 2, "{figures:?}");
    assert_eq!(get(&store, b"large19"), Some(vec![0; 16 << 10]));
    judge(&store);
}

#[test]
fn what_is_kept_is_never_dropped_and_has_half() {
    let store = store(small(100));
    for number in 0..50 {
        assert_eq!(store.count(format!("{number}").as_bytes(), number, None), Ok(number));
    }
    assert_eq!(store.count(b"one more", 1, None), Err(Refused::Full));
    assert_eq!(store.lock(b"one more", &claim("a", false)), Err(Refused::Full));
    assert_eq!(store.set(b"one more", b"x", kept()), Ok(Room::Full));
    assert_eq!(store.count(b"7", 1, None), Ok(8), "what is there goes on");
    for number in 0..1000 {
        assert_eq!(set(&store, format!("{number}").as_bytes(), &[0; 1000]), Room::Stored);
    }
    for number in (0..50).filter(|number| *number != 7) {
        assert_eq!(store.counter(format!("{number}").as_bytes()), Ok(Some(number)));
    }
    assert_eq!(store.figures().refusals, 2);
    store.delete_counter(b"3").expect("free");
    assert_eq!(store.lock(b"one more", &claim("a", false)), Ok(Locked::Yes));
}

#[test]
fn a_flood_of_one_kind_leaves_room_for_the_others() {
    let store = store(small(800));
    let limit = Limit { policy: Policy::FixedWindow, limit: 1, interval: Duration::from_secs(3600) };
    let value = |number: u32| store.set(format!("{number}").as_bytes(), b"x", kept()).expect("free") == Room::Stored;
    let rate = |number: u32| store.rate(format!("{number}").as_bytes(), &[limit], 1, Duration::ZERO, b"").is_ok();
    let limits = (0..1000).filter(|number| rate(*number)).count();
    let values = (0..1000).filter(|number| value(*number)).count();
    assert_eq!((limits, values), (32, 150), "by blocks the ones, by entries the others");
    for number in 0..50 {
        assert_eq!(store.lock(format!("{number}").as_bytes(), &claim("a", false)), Ok(Locked::Yes));
    }
    // The room is given back to whom it was taken from.
    assert!(!rate(1000) && store.forget_rate(b"0").expect("free") && rate(1000));
    assert!(!value(1000) && store.delete(b"0").expect("free") && value(1000));
    judge(&store);
    assert_eq!((0..1000).filter(|number| value(*number)).count(), 150);
}

#[test]
fn what_is_kept_and_has_lapsed_makes_room_by_itself() {
    let store = store(small(100));
    for number in 0..50 {
        store.count(format!("{number}").as_bytes(), 1, Some(Duration::from_millis(1))).expect("room");
    }
    thread::sleep(Duration::from_millis(5));
    for number in 0..50 {
        store.count(format!("new {number}").as_bytes(), 1, None).expect("room");
    }
    assert_eq!(store.figures().kept_entries, 50);
}

#[test]
fn a_kept_value_stays_what_it_was_if_its_successor_finds_no_room() {
    let store = store(small(100));
    assert_eq!(store.set(b"a", b"before", kept()), Ok(Room::Stored));
    assert_eq!(store.set(b"b", &vec![0; 16 << 10], kept()), Ok(Room::Stored));
    assert_eq!(store.set(b"a", &vec![0; 16 << 10], kept()), Ok(Room::Full));
    assert_eq!(get(&store, b"a").as_deref(), Some(b"before".as_slice()));
    assert_eq!(store.set(b"a", &[1; 16 << 10], Stored::default()), Ok(Room::Stored), "it may be dropped from now on");
    assert_eq!(store.set(b"c", &vec![0; 6 << 10], kept()), Ok(Room::Stored));
    judge(&store);
}

#[test]
fn a_counter_does_not_overflow() {
    let store = store(ROOM);
    assert_eq!(store.count(b"a", i64::MAX, None), Ok(i64::MAX));
    assert_eq!(store.count(b"a", 1, None), Err(Refused::Overflow));
    assert_eq!(store.count(b"a", -1, None), Ok(i64::MAX - 1));
    assert_eq!(store.count(b"b", i64::MIN, None), Ok(i64::MIN));
    assert_eq!(store.count(b"b", -1, None), Err(Refused::Overflow));
    assert_eq!((store.delete_counter(b"b"), store.counter(b"b")), (Ok(true), Ok(None)));
}

#[test]
fn a_lock_is_one_writers_or_many_readers() {
    let store = store(ROOM);
    let lock = |token, shared| store.lock(b"l", &claim(token, shared)).expect("room") == Locked::Yes;
    let unlock = |token: &str| store.unlock(b"l", token.as_bytes()).expect("free");
    let holds = |token: &str| store.holds(b"l", token.as_bytes()).expect("free");
    assert!(lock("a", false) && lock("a", false), "again by the same one");
    assert!(!lock("b", false) && !lock("b", true));
    assert!(!unlock("b") && holds("a") && unlock("a") && !unlock("a") && !holds("a"));
    assert!(lock("a", true) && lock("b", true));
    assert!(!lock("c", false) && !lock("a", false), "a reader among others cannot write");
    assert!(unlock("b") && lock("a", false), "the only one can");
    assert!(!lock("b", true) && lock("a", true) && lock("b", true), "and be a reader again");
    assert_eq!(store.extend(b"l", b"a", Duration::from_secs(1)), Ok(true));
    assert_eq!(store.extend(b"l", b"c", Duration::from_secs(1)), Ok(false));
    assert!(store.figures().lock_conflicts >= 5);
    assert!(unlock("a") && unlock("b"));
    assert_eq!(store.figures().entries, 0, "nothing is left of a lock that nobody holds");
}

#[test]
fn a_dead_process_holds_nothing() {
    let words = memory(&ROOM);
    let alive = Store::create(words, &ROOM, Scope::Server, 1).expect("enough memory");
    let dead = Store::join(words, 2).expect("laid out");
    let bound = |token| Claim { bound: true, ..claim(token, true) };
    dead.lock(b"bound", &bound("dead")).expect("room");
    alive.lock(b"bound", &bound("alive")).expect("room");
    dead.lock(b"free", &claim("dead", false)).expect("room");
    set(&alive, b"a", b"before");
    // It dies inside a shard: that of the value.
    let (held, _) = dead.open(Class::Value, b"a").expect("free");
    std::mem::forget(held);
    let seen = thread::scope(|scope| {
        let waiting = scope.spawn(|| get(&alive, b"a"));
        alive.abandon(2);
        alive.release_all(2);
        waiting.join().expect("ends")
    });
    assert_eq!(seen, None, "what may be half-written is not read");
    assert_eq!((dead.holds(b"bound", b"dead"), alive.figures().wipes), (Ok(false), 1));
    set(&alive, b"a", b"after");
    assert_eq!(get(&alive, b"a").as_deref(), Some(b"after".as_slice()));
}

#[test]
fn who_is_buried_leaves_what_others_hold() {
    let words = memory(&ROOM);
    let alive = Store::create(words, &ROOM, Scope::Server, 1).expect("enough memory");
    let dead = Store::join(words, 2).expect("laid out");
    let bound = |token| Claim { bound: true, ..claim(token, true) };
    dead.lock(b"l", &bound("dead")).expect("room");
    alive.lock(b"l", &bound("alive")).expect("room");
    dead.lock(b"unbound", &claim("dead", false)).expect("room");
    alive.abandon(2);
    alive.release_all(2);
    assert_eq!((alive.holds(b"l", b"dead"), alive.holds(b"l", b"alive")), (Ok(false), Ok(true)));
    assert_eq!(alive.holds(b"unbound", b"dead"), Ok(true));
}

#[test]
fn a_shard_that_nobody_lets_go_is_not_waited_for_for_ever() {
    let store = store(small(100));
    let held = store.shard(0).lock(2).expect("free");
    let begun = Instant::now();
    assert_eq!(store.has(b"a"), Err(Unavailable));
    assert!(begun.elapsed() < Duration::from_secs(30));
    drop(held);
    assert_eq!(store.has(b"a"), Ok(false));
}

#[test]
fn a_panic_inside_empties_the_shard() {
    let store = store(small(100));
    set(&store, b"a", b"x");
    let panicked = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _held = store.shard(0).lock(1).expect("free");
            panic!("on purpose");
        });
        thread.join().is_err()
    });
    assert!(panicked);
    assert_eq!((get(&store, b"a"), store.figures().wipes), (None, 1));
    judge(&store);
}

#[test]
fn a_limit_lets_exactly_so_many_through() {
    let store = store(ROOM);
    let limit = Limit { policy: Policy::FixedWindow, limit: 100, interval: Duration::from_secs(3600) };
    let passed = AtomicI64::new(0);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let verdict = store.rate(b"k", &[limit], 1, Duration::ZERO, b"api").expect("room");
                    passed.fetch_add(verdict.allowed.into(), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 100);
    assert_eq!(store.figures().limited, [("api".to_owned(), 1500)]);
    assert_eq!(store.forget_rate(b"k"), Ok(true));
    assert!(store.rate(b"k", &[limit], 100, Duration::ZERO, b"api").expect("room").allowed);
}

#[test]
fn a_limit_may_need_longer_than_the_clock_counts() {
    let store = store(ROOM);
    let limit = Limit { policy: Policy::TokenBucket { amount: 1 }, limit: MAX_RATE, interval: LONGEST };
    let ask = |cost| store.rate(b"k", &[limit], cost, Duration::ZERO, b"slow").expect("room").allowed;
    assert!(ask(MAX_RATE) && !ask(1), "it is counted");
    assert_eq!((store.figures().wipes, store.figures().expirations), (0, 0));
}

#[test]
fn names_of_rules_are_bounded() {
    let store = store(ROOM);
    for number in 0..200 {
        store.rules().count(format!("rule {number}").as_bytes());
    }
    store.rules().count(&[b'x'; 1000]);
    let limited = store.figures().limited;
    assert_eq!(limited.len(), 64);
    assert_eq!(limited.iter().map(|(_, count)| count).sum::<u64>(), 201);
    assert!(limited.contains(&("other".to_owned(), 138)), "{limited:?}");
}

/// Everything at once, from many threads, against what each of them expects of its own keys.
#[test]
fn nothing_is_corrupt_under_a_storm() {
    let store = store(Limits { memory: 128 << 10, entries: 2048, value: 16 << 10 });
    let counted = AtomicI64::new(0);
    let inside = AtomicI64::new(0);
    thread::scope(|scope| {
        for number in 0..8_u64 {
            let (counted, inside) = (&counted, &inside);
            scope.spawn(move || {
                let mut random = number + 1;
                let mut own: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
                for _ in 0..3000 {
                    // xorshift64 (Marsaglia 2003)
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let name = random >> 8 & 0x1f;
                    let key = format!("{number}/{name}");
                    match random % 6 {
                        0 | 1 => {
                            let value = vec![random as u8; (random >> 16 & 0x7ff) as usize];
                            set(&store, key.as_bytes(), &value);
                            own.insert(name, value);
                        }
                        2 | 3 => {
                            if let Some(value) = get(&store, key.as_bytes()) {
                                assert_eq!(Some(&value), own.get(&name), "{key}");
                            }
                        }
                        4 => {
                            store.count(b"counter", 1, None).expect("room");
                            counted.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => {
                            let token = number.to_le_bytes();
                            let claim = Claim { token: &token, ..claim("", false) };
                            if store.lock(b"lock", &claim) == Ok(Locked::Yes) {
                                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                                inside.fetch_sub(1, Ordering::SeqCst);
                                assert_eq!(store.unlock(b"lock", &token), Ok(true));
                            }
                        }
                    }
                }
            });
        }
    });
    assert_eq!(store.counter(b"counter"), Ok(Some(counted.into_inner())));
    let figures = store.figures();
    assert!(figures.memory <= figures.max_memory && figures.evictions > 0 && figures.wipes == 0, "{figures:?}");
    judge(&store);
    assert_eq!(store.figures().kept_entries, 1);
    assert_eq!(store.figures().memory, BLOCK_BYTES);
}

#[test]
fn memory_of_another_arrangement_is_not_used() {
    let words = memory(&ROOM);
    assert!(Store::join(words, 2).is_none(), "nobody has laid anything out");
    Store::create(words, &ROOM, Scope::Server, 1).expect("enough memory");
    assert!(Store::join(words, 2).is_some());
    assert!(Store::join(&words[..words.len() / 2], 2).is_none());
    words[1].fetch_add(1, Ordering::Relaxed);
    assert!(Store::join(words, 2).is_none());
    assert!(Store::create(&words[..100], &ROOM, Scope::Server, 1).is_none());
}

#[test]
fn every_room_has_an_arrangement() {
    for memory in [1 << 20, 1 << 26, 1 << 36] {
        for entries in [1, 100, 100_000, u32::MAX / 64] {
            for value in [1, memory / 64, memory / 4] {
                let layout = Layout::of(&Limits { memory, entries, value });
                assert!(layout.shards() >= 1 && layout.limits().memory <= memory);
                // A value of the largest size finds room beside as much again that is kept, with a key.
                let shard = layout.blocks() as u64 * BLOCK_BYTES;
                assert!(shard / 2 * 3 / 4 > value, "{memory} {entries} {value}");
            }
        }
    }
}
