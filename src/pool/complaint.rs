//! Which boot failures are worth a line. A broken script fails in every slot again and again, and says the same each
//! time; one line a while is what an operator needs to see.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

/// The failure that was reported last.
#[derive(Debug)]
struct Reported {
    message: String,
    at: Instant,
    repeated: u64,
}

/// What a pool has complained about.
#[derive(Debug, Default)]
pub(super) struct Complaints(Option<Reported>);

impl Complaints {
    /// Takes note of a failure. It is to be reported if it is a new one, or if the last line about it is older than `quiet`; then
    /// the answer is how often it has repeated itself.
    #[must_use]
    pub(super) fn hear(&mut self, message: &str, now: Instant, quiet: Duration) -> Option<u64> {
        match &mut self.0 {
            Some(last) if last.message == message => {
                last.repeated += 1;
                if now.duration_since(last.at) < quiet {
                    return None;
                }
                last.at = now;
                Some(last.repeated)
            }
            other => {
                *other = Some(Reported { message: message.to_owned(), at: now, repeated: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_failure_is_reported_once_a_while() {
        let (mut complaints, start, quiet) = (Complaints::default(), Instant::now(), Duration::from_secs(5));
        let cases = [
            ("broken", 0, Some(0)),
            ("broken", 1, None),
            ("broken", 4, None),
            ("broken", 5, Some(3)),
            ("broken", 6, None),
            ("broken otherwise", 6, Some(0)),
            ("broken", 7, Some(0)),
        ];
        for (message, second, expected) in cases {
            let got = complaints.hear(message, start + Duration::from_secs(second), quiet);
            assert_eq!(got, expected, "{message} at {second} s");
        }
    }
}
