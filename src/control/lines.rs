//! Lines of JSON out of a stream of bytes.

#![forbid(unsafe_code)]

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest line: a configuration file of 1 MiB with every byte escaped, or a thousand workers of which each has a lot to tell.
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// The other side sends a line without an end.
#[derive(Debug, thiserror::Error)]
#[error("a line of more than {MAX_LINE_BYTES} bytes on the control channel")]
pub struct TooLong;

/// Bytes that have come and are no line yet.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// How far the search for a line's end has come.
    searched: usize,
}

impl Lines {
    /// Takes bytes off the stream.
    ///
    /// # Errors
    /// [`TooLong`] if they belong to a line beyond every bound.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > MAX_LINE_BYTES && !self.bytes.contains(&b'\n') { Err(TooLong) } else { Ok(()) }
    }

    /// The next message; `None` until its line is whole. What is no such message is passed over.
    pub fn take<T: DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            let Some(end) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.bytes.len();
                return None;
            };
            let line: Vec<u8> = self.bytes.drain(..=self.searched + end).collect();
            self.searched = 0;
            if let Ok(message) = serde_json::from_slice(&line) {
                return Some(message);
            }
        }
    }
}

/// A message as its line.
pub fn line<T: Serialize>(message: &T) -> Vec<u8> {
    // Our own types have neither maps with keys that are no text nor anything else that JSON does not know.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_order_however_they_are_cut() {
        let stream = [line(&1_u32), b"rubbish\n".to_vec(), line(&2_u32), line(&3_u32)].concat();
        for size in 1..stream.len() {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            for piece in stream.chunks(size) {
                lines.push(piece).expect("short");
                got.extend(std::iter::from_fn(|| lines.take::<u32>()));
            }
            assert_eq!(got, [1, 2, 3], "pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; MAX_LINE_BYTES / 2];
        assert!(lines.push(&piece).is_ok() && lines.push(&piece).is_ok());
        assert!(lines.push(b"x").is_err());
    }
}
