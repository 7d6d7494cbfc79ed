//! The `Range` field (RFC 9110 section 14.2).

#![forbid(unsafe_code)]

use std::ops::Range;

/// Parts that one request may ask for. Players and readers of documents ask for one or two; a request for hundreds is an attack
/// and gets the whole file, as RFC 9110 section 14.2 advises.
const MAX_PARTS: usize = 16;

/// What a `Range` field amounts to for a file of a certain length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: there is no such field, or one that is to be ignored.
    Whole,
    /// These parts, in the order asked for; at least one, none empty.
    Parts(Vec<Range<u64>>),
    /// Nothing that the file has.
    Unsatisfiable,
}

/// Reads the value. What is not understood is ignored: the client gets the whole file.
pub(super) fn wanted(value: &[u8], length: u64) -> Wanted {
    let Some(set) = value.split_at_checked(6).filter(|(unit, _)| unit.eq_ignore_ascii_case(b"bytes=")) else {
        return Wanted::Whole;
    };
    let mut parts = Vec::new();
    let mut asked = 0;
    for spec in set.1.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        if spec.is_empty() {
            continue;
        }
        asked += 1;
        match part(spec, length) {
            None => return Wanted::Whole,
            Some(part) if !part.is_empty() => parts.push(part),
            Some(_) => {}
        }
    }
    let bytes = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.end - part.start));
    match parts.len() {
        _ if asked == 0 || asked > MAX_PARTS => Wanted::Whole,
        0 => Wanted::Unsatisfiable,
        // Parts that overlap would be more than the file.
        2.. if bytes > length => Wanted::Whole,
        _ => Wanted::Parts(parts),
    }
}

/// One range, cut to the file; an empty one lies beyond it. `None` if it is none.
fn part(spec: &[u8], length: u64) -> Option<Range<u64>> {
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        return Some(length.saturating_sub(number(last)?)..length);
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    Some(first.min(length)..last.saturating_add(1).min(length))
}

/// Digits only; a number beyond all files counts as the largest.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let parts = |parts: &[(u64, u64)]| Wanted::Parts(parts.iter().map(|(start, end)| *start..*end).collect());
        let cases = [
            ("bytes=0-0", parts(&[(0, 1)])),
            ("bytes=2-4", parts(&[(2, 5)])),
            ("BYTES=2-", parts(&[(2, 10)])),
            ("bytes=-3", parts(&[(7, 10)])),
            ("bytes=-30", parts(&[(0, 10)])),
            ("bytes=8-99999999999999999999999", parts(&[(8, 10)])),
            ("bytes=0-1, 4-5 ,-1", parts(&[(0, 2), (4, 6), (9, 10)])),
            ("bytes=4-5,0-1", parts(&[(4, 6), (0, 2)])),
            ("bytes=0-1,50-60", parts(&[(0, 2)])),
            ("bytes=0-1,,", parts(&[(0, 2)])),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-,11-12", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=0-9,0-9", Wanted::Whole),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=,", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=1", Wanted::Whole),
            ("bytes=--1", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=0-1;2-3", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ];
        for (value, expected) in cases {
            assert_eq!(wanted(value.as_bytes(), 10), expected, "{value}");
        }
        assert_eq!(wanted(b"bytes=0-", 0), Wanted::Unsatisfiable);
        assert_eq!(wanted(b"bytes=-5", 0), Wanted::Unsatisfiable);
        let many = format!("bytes={}", vec!["0-0"; MAX_PARTS + 1].join(","));
        assert_eq!(wanted(many.as_bytes(), 1000), Wanted::Whole);
    }
}
