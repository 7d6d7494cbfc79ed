//! The verdict over what a server printed.

/// A line that no test may ever produce, whatever it announced: the process corrupted itself.
const FORBIDDEN: [&str; 12] = [
    "AddressSanitizer",
    "LeakSanitizer",
    "ThreadSanitizer",
    "UndefinedBehaviorSanitizer",
    "runtime error:",
    "panicked at",
    "stack overflow",
    "Segmentation fault",
    "zend_mm_heap corrupted",
    "double free",
    "Assertion `",
    "Assertion failed",
];

/// What the debug build of PHP says about memory that a request left behind.
const LEAKS: [&str; 2] = ["memory leaks detected", "Freeing 0x"];

/// Characters of a faulty line that are shown; PHP puts whole stack traces into one.
const LONGEST_SHOWN: usize = 400;

/// What is wrong with the output of a server, given the patterns that the test announced.
pub(crate) fn faults(output: &str, announced: &[String]) -> Vec<String> {
    output
        .lines()
        .filter(|line| {
            // Whoever means it says the very word.
            let means = |word: &&str| announced.iter().any(|pattern| pattern == word);
            let forbidden = FORBIDDEN.iter().chain(&LEAKS).any(|word| line.contains(word) && !means(word));
            let error = is_error(line) && !announced.iter().any(|pattern| line.contains(pattern.as_str()));
            forbidden || error
        })
        .map(|line| line.chars().take(LONGEST_SHOWN).collect())
        .collect()
}

/// Whether a log line is of level error: by its field in the JSON format, by its first words in the text format.
pub(crate) fn is_error(line: &str) -> bool {
    if let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(line) {
        let level = fields.get("level").and_then(serde_json::Value::as_str).unwrap_or_default();
        return level.eq_ignore_ascii_case("error") || level.eq_ignore_ascii_case("critical");
    }
    // The second form is Monolog's: `[date] channel.ERROR: message`.
    line.split_whitespace()
        .take(3)
        .any(|word| word == "ERROR" || word.ends_with(".ERROR:") || word.ends_with(".CRITICAL:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_lines() {
        let cases = [
            (r#"{"ts":"2026-01-01T00:00:00Z","level":"INFO","message":"ok"}"#, false),
            (r#"{"ts":"2026-01-01T00:00:00Z","level":"ERROR","message":"bad"}"#, true),
            (r#"{"level":"error","message":"bad"}"#, true),
            ("2026-01-01T00:00:00Z ERROR supercharger::pool: bad", true),
            ("2026-01-01T00:00:00Z  INFO supercharger: the word ERROR in a message", false),
            ("[2026-01-01T00:00:00+00:00] app.CRITICAL: Uncaught PHP Exception", true),
            ("[2026-01-01T00:00:00+00:00] app.INFO: an ERROR: in a message", false),
            ("==123==ERROR: AddressSanitizer: heap-use-after-free", true),
            ("thread 'worker-0' panicked at src/pool.rs:1:1:", true),
            ("supercharger 0.1.0 listens on http://127.0.0.1:8080", false),
        ];
        for (line, faulty) in cases {
            assert_eq!(!faults(line, &[]).is_empty(), faulty, "{line}");
        }
    }

    #[test]
    fn an_announced_error_is_no_fault_but_a_sanitizer_report_stays_one() {
        let announced = vec!["bad".to_owned()];
        assert!(faults(r#"{"level":"ERROR","message":"bad thing"}"#, &announced).is_empty());
        assert_eq!(faults("bad AddressSanitizer", &announced).len(), 1);
    }
}
