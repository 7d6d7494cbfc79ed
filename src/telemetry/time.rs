//! Moments as texts, always in UTC.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::time::SystemTime;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime as Clock};

/// Now, as `2026-01-31T12:00:00.123456Z` (RFC 3339).
pub(super) fn now(out: &mut impl Write) -> fmt::Result {
    Clock.format_time(&mut Writer::new(out))
}

/// Now in milliseconds, as `2026-01-31T12:00:00.123Z`.
pub(super) fn now_millis(out: &mut impl Write) -> fmt::Result {
    let mut text = String::with_capacity(32);
    now(&mut text)?;
    out.write_str(text.get(..23).unwrap_or(&text))?;
    out.write_char('Z')
}

thread_local! {
    /// The last second that was written, and its text: a busy server writes the same one thousands of times.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// As web servers write it: `31/Jan/2026:12:00:00 +0000`.
pub(super) fn common(out: &mut impl Write, moment: SystemTime) -> fmt::Result {
    let second = moment.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    SECOND.with_borrow_mut(|(of, shown)| {
        if *of != second {
            // `Sat, 31 Jan 2026 12:00:00 GMT` (RFC 9110 section 5.6.7)
            let text = httpdate::fmt_http_date(moment);
            let part = |range| text.get(range).unwrap_or_default();
            *shown = format!("{}/{}/{}:{} +0000", part(5..7), part(8..11), part(12..16), part(17..25));
            *of = second;
        }
        out.write_str(shown)
    })
}

/// For names of files: `20260131T120000Z`.
pub(super) fn compact(moment: SystemTime) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let text = httpdate::fmt_http_date(moment);
    let part = |range| text.get(range).unwrap_or_default();
    let month = MONTHS.find(part(8..11)).map_or(0, |at| at / 3 + 1);
    format!("{}{month:02}{}T{}Z", part(12..16), part(5..7), part(17..25).replace(':', ""))
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
        let mut text = String::new();
        now_millis(&mut text).expect("a string takes everything");
        assert_eq!((text.len(), text.as_bytes()[19], text.as_bytes()[23]), (24, b'.', b'Z'), "{text}");
    }
}
