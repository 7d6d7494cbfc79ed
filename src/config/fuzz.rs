//! Broken files and strange variables by the thousand: whatever is given, there is a configuration or a list of faults.
//!
//! The seeds are the files of `tests/golden/config` and the documented file; the sequence is fixed, so a finding can be repeated.
//! `FUZZ_SECONDS=600 cargo test --release --lib config::fuzz` goes on for longer, with another sequence each time.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::keys::KEYS;
use super::*;

/// Rounds of an ordinary run.
const ROUNDS: u32 = 2_000;
/// Seeds at the end of the list that are right as they are.
const RIGHT: usize = 5;

/// A small generator of numbers that look accidental (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0) % end.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What is put in: parts of TOML and values at their limits.
const WORDS: [&str; 36] = [
    "\n",
    "\r\n",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\"",
    "'",
    "\"\"\"",
    "#",
    "\\",
    "\\u0000",
    "\u{0}",
    "\u{7f}",
    "\u{feff}",
    "\u{1b}[2J",
    "-",
    "0",
    "1",
    "1e999",
    "nan",
    "-9223372036854775808",
    "9223372036854775808",
    "true",
    "\"auto\"",
    "\"0s\"",
    "\"1h\"",
    "\"1024GiB\"",
    "2026-01-01",
    "unix:/a",
    "é",
];

fn changed(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    // The last ones are right: what is nearly right gets further in.
    let from = if dice.below(4) > 0 { seeds.len().saturating_sub(RIGHT) } else { 0 };
    let mut text = dice.pick(&seeds[from..]).clone();
    for _ in 0..dice.below(4) {
        let at = dice.below(text.len() + 1);
        let end = (at + dice.below(40)).min(text.len());
        match dice.below(6) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, dice.pick(&WORDS).bytes())),
            2 => drop(text.splice(at..end, dice.pick(KEYS).name.bytes())),
            3 => {
                let other = dice.pick(seeds);
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(120)).min(other.len());
                text.splice(at..end, other[from..to].iter().copied());
            }
            4 if at < text.len() => text[at] = u8::try_from(dice.below(256)).unwrap_or(0),
            _ => drop(text.splice(at..at, format!("\n{} = {}\n", dice.pick(KEYS).name, dice.pick(&WORDS)).bytes())),
        }
    }
    text
}

fn variables(dice: &mut Dice) -> Vec<(OsString, OsString)> {
    let mut variables = Vec::new();
    for _ in 0..dice.below(6).saturating_sub(3) {
        let mut name = environment::variable_of(dice.pick(KEYS).name).into_bytes();
        let mut value = dice.pick(&WORDS).as_bytes().to_vec();
        match dice.below(5) {
            0 => name.extend(b"__NAME"),
            1 => {
                let at = dice.below(name.len());
                name[at] = u8::try_from(dice.below(255) + 1).unwrap_or(1);
            }
            2 => value.extend(dice.pick(&WORDS).bytes()),
            3 => value.push(0xff),
            _ => {}
        }
        variables.push((OsString::from_vec(name), OsString::from_vec(value)));
    }
    variables
}

/// What must hold for every outcome.
fn judge(outcome: Result<(Config, Check), Faults>) -> bool {
    match outcome {
        Ok((config, check)) => {
            let told = effective::told(&check);
            assert!(toml::de::DeTable::parse(&told).is_ok(), "no TOML:\n{told}");
            assert!(!told.chars().any(|sign| sign.is_control() && sign != '\n'), "{told:?}");
            assert!((1..=1024).contains(&config.pool.workers) && (1..=1000).contains(&config.http.max_headers));
            assert!(!config.http.listen.is_empty() && config.drain_timeout <= Duration::from_secs(3600));
            true
        }
        Err(faults) => {
            let told = faults.to_string();
            assert!(told.lines().count() >= 2 && told.lines().skip(1).all(|line| line.starts_with("  ")), "{told:?}");
            assert!(!told.chars().any(|sign| sign.is_control() && sign != '\n'), "{told:?}");
            false
        }
    }
}

#[test]
fn whatever_is_given_there_is_a_configuration_or_faults() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("public")).expect("a folder");
    fs::write(folder.path().join("public/index.php"), "<?php").expect("a file");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut seeds: Vec<_> = fs::read_dir(golden)
        .expect("the files")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    seeds.sort();
    let mut seeds: Vec<_> = seeds.iter().map(|path| fs::read(path).expect("a file")).collect();
    seeds.push(documented_file().into_bytes());

    let longer = env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = longer.map_or(0x5eed, |_| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) | 1);
    let (mut dice, started) = (Dice(seed), Instant::now());
    let (mut rounds, mut fine) = (0_u32, 0_u32);
    while longer.map_or(rounds < ROUNDS, |limit| started.elapsed() < limit) {
        let text = changed(&mut dice, &seeds);
        fs::write(folder.path().join("supercharger.toml"), &text).expect("a file");
        let variables = variables(&mut dice);
        let command = *dice.pick(&[Command::Run, Command::PhpServer]);
        let flags = Flags { command, config: Some("supercharger.toml".into()), ..Flags::default() };
        let place = Place { folder: folder.path().to_owned(), variables: &variables, searched: &[] };
        let outcome = std::panic::catch_unwind(|| judge(load_in(&flags, &place)));
        let Ok(is_fine) = outcome else {
            panic!("seed {seed:#x}, round {rounds}: {:?} with {variables:?}", String::from_utf8_lossy(&text))
        };
        rounds += 1;
        fine += u32::from(is_fine);
    }
    // A generator whose every product is refused at the first byte tests nothing; one that breaks nothing neither.
    assert!(fine * 20 > rounds && fine * 2 < rounds, "{fine} of {rounds} were configurations");
}
