//! Moments as texts, always in UTC.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::time::SystemTime;

/// Now, as `2026-01-31T12:00:00.123456Z` (RFC 3339).
pub(super) fn now(out: &mut impl Write) -> fmt::Result {
    internet(out, SystemTime::now(), 6)
}

/// A moment in milliseconds, as `2026-01-31T12:00:00.123Z`.
pub(super) fn millis(out: &mut impl Write, moment: SystemTime) -> fmt::Result {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let milliseconds = since.as_secs() * 1000 + u64::from(since.subsec_millis());
    let write = || {
        let mut text = String::new();
        internet(&mut text, moment, 3).map(|()| text).unwrap_or_default()
    };
    MILLISECOND.with_borrow_mut(|last| out.write_str(last.at(milliseconds, write)))
}

/// A moment of RFC 3339 with so many digits, at most nine, behind the point.
fn internet(out: &mut impl Write, moment: SystemTime, digits: u32) -> fmt::Result {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    INTERNET.with_borrow_mut(|second| out.write_str(second.at(since.as_secs(), || seconds(moment))))?;
    fraction(out, since.subsec_nanos() / 10_u32.pow(9 - digits), digits as usize)
}

/// A part of a second in so many digits, and the end of the moment.
fn fraction(out: &mut impl Write, mut part: u32, digits: usize) -> fmt::Result {
    let mut text = *b".000000000Z";
    for digit in text[1..=digits].iter_mut().rev() {
        *digit = b'0' + (part % 10) as u8;
        part /= 10;
    }
    text[digits + 1] = b'Z';
    out.write_str(std::str::from_utf8(&text[..digits + 2]).unwrap_or_default())
}

/// `2026-01-31T12:00:00`, from `Sat, 31 Jan 2026 12:00:00 GMT` (RFC 9110 section 5.6.7).
fn seconds(moment: SystemTime) -> String {
    let text = httpdate::fmt_http_date(moment);
    let part = |range| text.get(range).unwrap_or_default();
    format!("{}-{:02}-{}T{}", part(12..16), month(part(8..11)), part(5..7), part(17..25))
}

/// The number of a month from the first three letters of its name.
fn month(name: &str) -> usize {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    MONTHS.find(name).map_or(0, |at| at / 3 + 1)
}

/// The last second or millisecond that was written, and its text: a busy server writes the same one again and again.
struct Last {
    of: u64,
    text: String,
}

impl Last {
    const fn never() -> RefCell<Self> {
        RefCell::new(Self { of: u64::MAX, text: String::new() })
    }

    /// The text of that one; `write` makes it.
    fn at(&mut self, of: u64, write: impl FnOnce() -> String) -> &str {
        if self.of != of {
            self.text = write();
            self.of = of;
        }
        &self.text
    }
}

thread_local! {
    static MILLISECOND: RefCell<Last> = const { Last::never() };
    static COMMON: RefCell<Last> = const { Last::never() };
    static INTERNET: RefCell<Last> = const { Last::never() };
}

/// As web servers write it: `31/Jan/2026:12:00:00 +0000`.
pub(super) fn common(out: &mut impl Write, moment: SystemTime) -> fmt::Result {
    let second = moment.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let write = || {
        // `Sat, 31 Jan 2026 12:00:00 GMT` (RFC 9110 section 5.6.7)
        let text = httpdate::fmt_http_date(moment);
        let part = |range| text.get(range).unwrap_or_default();
        format!("{}/{}/{}:{} +0000", part(5..7), part(8..11), part(12..16), part(17..25))
    };
    COMMON.with_borrow_mut(|cached| out.write_str(cached.at(second, write)))
}

/// For names of files: `20260131T120000Z`.
pub(super) fn compact(moment: SystemTime) -> String {
    let text = httpdate::fmt_http_date(moment);
    let part = |range| text.get(range).unwrap_or_default();
    format!("{}{:02}{}T{}Z", part(12..16), month(part(8..11)), part(5..7), part(17..25).replace(':', ""))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_moment_in_every_form() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_805);
        let mut text = String::new();
        common(&mut text, moment).expect("a string takes everything");
        assert_eq!(text, "31/Jan/2026:12:00:05 +0000");
        text.clear();
        common(&mut text, moment + Duration::from_secs(1)).expect("a string takes everything");
        assert_eq!(text, "31/Jan/2026:12:00:06 +0000");
        assert_eq!(compact(moment), "20260131T120005Z");
        for (digits, expected) in [(3, "2026-01-31T12:00:05.012Z"), (6, "2026-01-31T12:00:05.012345Z")] {
            text.clear();
            internet(&mut text, moment + Duration::from_nanos(12_345_678), digits).expect("a string takes everything");
            assert_eq!(text, expected);
        }
        for (nanos, expected) in
            [(12_345_678, "05.012Z"), (12_999_999, "05.012Z"), (13_000_000, "05.013Z"), (1_012_345_678, "06.012Z")]
        {
            let mut text = String::new();
            millis(&mut text, moment + Duration::from_nanos(nanos)).expect("a string takes everything");
            assert_eq!(text, format!("2026-01-31T12:00:{expected}"));
        }
    }
}
