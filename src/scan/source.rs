//! The text of a file: read with a bound, and places in it.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use php_ast::Span;

use super::finding::Place;

/// Larger than any source that people write; generated tables of some megabytes pass.
pub(super) const MAX_BYTES: u64 = 16 << 20;
/// Longest excerpt, in characters.
const EXCERPT: usize = 200;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is larger than {} MiB and was left out", MAX_BYTES >> 20)]
    Large,
}

/// Reads a file. Source in another encoding than UTF-8 is kept, but for bytes that are none: each becomes a `_`, so that
/// every position stays what it is.
pub(super) fn read(path: &Path) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unreadable::Large);
    }
    Ok(text(bytes))
}

/// The text of any bytes, of the same length.
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let bytes = error.into_bytes();
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(std::iter::repeat_n('_', chunk.invalid().len()));
        }
        text
    })
}

/// Positions of a text.
#[derive(Debug)]
pub(super) struct Lines<'src> {
    text: &'src str,
    starts: Vec<usize>,
}

impl<'src> Lines<'src> {
    pub(super) fn new(text: &'src str) -> Self {
        // As PHP counts: a carriage return that no line feed follows ends a line too.
        let bytes = text.as_bytes();
        let ends = |at: &usize| bytes[*at] == b'\n' || bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
        let starts = std::iter::once(0).chain((0..bytes.len()).filter(ends).map(|at| at + 1)).collect();
        Self { text, starts }
    }

    /// The number of the line, counted from 1, that an offset in bytes is in.
    pub(super) fn line(&self, offset: u32) -> u32 {
        let line = self.starts.partition_point(|&start| start <= offset as usize);
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// The text of a line, counted from 1.
    fn text_of(&self, line: u32) -> &'src str {
        let index = (line as usize).saturating_sub(1);
        let start = self.starts.get(index).copied().unwrap_or(self.text.len());
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default()
    }

    /// Where a span begins.
    pub(super) fn place(&self, span: Span) -> Place {
        let line = self.line(span.start);
        let text = self.text_of(line);
        let start = self.starts.get((line as usize).saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..span.start as usize).unwrap_or_default();
        let matched = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        Place {
            line,
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
            matched: shortened(matched.lines().next().unwrap_or_default()),
            excerpt: shortened(text.trim()),
        }
    }

    /// Lines that hold nothing but white space.
    pub(super) fn is_blank(&self, line: u32) -> bool {
        self.text_of(line).trim().is_empty()
    }

    /// Whether nothing but white space stands before an offset in its line.
    pub(super) fn is_first(&self, offset: u32) -> bool {
        let start = self.starts.get((self.line(offset) as usize).saturating_sub(1)).copied().unwrap_or_default();
        self.text.get(start..offset as usize).unwrap_or_default().trim().is_empty()
    }

    /// Whether nothing but white space stands behind an offset in its line.
    pub(super) fn is_last(&self, offset: u32) -> bool {
        let rest = self.text.get(offset as usize..).unwrap_or_default();
        rest.lines().next().unwrap_or_default().trim().is_empty()
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }
}

fn shortened(text: &str) -> String {
    let mut chars = text.char_indices();
    match chars.nth(EXCERPT) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_one_in_characters() {
        let text = "<?php\n  $\u{e4} = $x;\n";
        let lines = Lines::new(text);
        let at = u32::try_from(text.find("$x").expect("it is there")).expect("short");
        let place = lines.place(Span::new(at, at + 2));
        assert_eq!((place.line, place.column, place.matched.as_str()), (2, 8, "$x"));
        assert_eq!(place.excerpt, "$\u{e4} = $x;");
        assert!(lines.is_blank(3) && lines.is_blank(99) && !lines.is_blank(1));
    }

    #[test]
    fn every_kind_of_line_end_counts() {
        let lines = Lines::new("<?php\r$a;\r\n$b;\n$c;\r");
        let numbers: Vec<_> = [0, 6, 11, 15].into_iter().map(|at| lines.line(at)).collect();
        assert_eq!((numbers, lines.count()), (vec![1, 2, 3, 4], 5));
    }

    #[test]
    fn bytes_that_are_no_text_keep_every_position() {
        let bytes = b"<?php $a = 'caf\xe9 \xff\xfe'; // \xc3\xa9".to_vec();
        let text = text(bytes.clone());
        assert_eq!(text.len(), bytes.len());
        assert!(text.ends_with("\u{e9}") && text.contains("caf_ __"));
    }
}
