//! Where in a file something is declared: PHP keeps the line of a class or function, not that of a property or variable.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

/// Bytes of a source that are read: beyond, the line of the class has to do.
const MOST: u64 = 1 << 20;

/// The line of `file`, counted from 1, that names `$name` first, from the line `from` on; `from` if none does or the file cannot be read.
pub(super) fn line_of(file: &str, from: u32, name: &str) -> u32 {
    let found = || {
        let source = BufReader::new(File::open(file).ok()?.take(MOST));
        let lines = source.lines().map_while(Result::ok);
        find(lines, from, name)
    };
    if name.is_empty() { from } else { found().unwrap_or(from) }
}

fn find(lines: impl Iterator<Item = String>, from: u32, name: &str) -> Option<u32> {
    let names = |line: &str| {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once('$') {
            rest = after;
            let tail = after.strip_prefix(name);
            if tail.is_some_and(|tail| !tail.starts_with(|c: char| c == '_' || c.is_alphanumeric())) {
                return true;
            }
        }
        false
    };
    let numbered = (1_u32..).zip(lines);
    numbered.skip_while(|(number, _)| *number < from).find(|(_, line)| names(line)).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mention_after_the_class() {
        let source = "<?php\n$items = 1;\nfinal class A\n{\n    static $itemsOfAll;\n    static $items = [];\n    $items[] = 1;\n";
        let lines = || source.lines().map(str::to_owned);
        assert_eq!(find(lines(), 3, "items"), Some(6));
        assert_eq!(find(lines(), 1, "items"), Some(2));
        assert_eq!(find(lines(), 3, "other"), None);
        assert_eq!((line_of("/no/such/file", 3, "items"), line_of("/no/such/file", 3, "")), (3, 3));
    }
}
