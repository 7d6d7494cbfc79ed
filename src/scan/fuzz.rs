//! What the fuzz target `scan` may reach of this module. Compiled only under `--cfg fuzzing`.

#![forbid(unsafe_code)]

use std::path::Path;
use std::thread;

use super::facts::Facts;
use super::symfony::{self, Services};
use super::{STACK, finding, rules, source, suppress, walk};

/// A source file of any bytes: it is walked and judged, and every place of the result is one of the text. The same bytes as YAML are read or
/// refused. On a thread like those of a scan, since the depth that is taken is made for their stack.
pub fn source(raw: &[u8]) {
    let work = || {
        let text = source::text(raw.to_vec());
        assert_eq!(text.len(), raw.len(), "every position stays what it is");
        let walk::Walked { facts, suppressions } = walk::walk(&text);
        check(&text, facts, suppressions);
        symfony::fuzz(&text);
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread");
        // The panic of the thread is the finding.
        thread.join().expect("no panic");
    });
}

fn check(text: &str, facts: Facts, suppressions: Vec<suppress::Suppression>) {
    let lines = text.matches('\n').count() + 1;
    for (line, message) in &facts.problems {
        assert!(*line as usize <= lines, "line {line} of {lines}: {message}");
    }
    let all = [facts];
    let mut found = rules::judge(&all, &[Path::new("/a.php")], &Services::default());
    suppress::apply(&mut found, &[suppressions]);
    let mut findings: Vec<_> = found.into_iter().map(|(_, finding)| finding).collect();
    finding::number(&mut findings);
    for finding in findings {
        let line = finding.place.line as usize;
        assert!((1..=lines).contains(&line) && finding.place.column > 0, "{finding:?} of {lines} lines");
        assert!(!finding.fingerprint.is_empty() && !finding.message.is_empty());
    }
}
