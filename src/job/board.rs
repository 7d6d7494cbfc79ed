//! What is running, on memory that outlives the process: workers note each request when they get it, and who survives a crash
//! reads what was there.
//!
//! A worker's thread has a [`Line`] of its own, so nobody waits for anybody. To note a request costs some fifty plain stores and no system
//! call. A number that is odd while the line is being written tells a reader that it has come amid that.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Identity, Request};

/// Words of a line.
const WORDS: usize = 64;
/// Words before the texts: sequence, start, slot, incarnation, lengths.
const HEAD: usize = 5;
/// Bytes for the texts of a line.
const TEXT: usize = (WORDS - HEAD) * 8;
/// Longest method, pool name and request id that are noted; the path has the rest.
const LONGEST: [usize; 3] = [16, 64, 128];
/// Lines of a board: threads that run requests at a time, those that are stuck included. One beyond is not noted.
const LINES: usize = 4096;

/// Bytes of a board. Pages that nobody has written take no memory.
pub const BOARD_BYTES: usize = LINES * WORDS * 8;

/// The writers' side.
#[derive(Debug)]
pub struct Board {
    words: &'static [AtomicU64],
    /// Lines that nobody has.
    free: Mutex<Vec<usize>>,
}

/// A worker's line. It is wiped and given back when the value is dropped.
#[derive(Debug)]
pub struct Line {
    board: Arc<Board>,
    number: usize,
}

/// A request that was running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// Its method.
    pub method: String,
    /// Its path without query, cut if it is long.
    pub path: String,
    /// Its id.
    pub request_id: String,
    /// The pool.
    pub pool: String,
    /// The slot.
    pub slot: u32,
    /// The incarnation.
    pub incarnation: u64,
    /// Since the worker had got it.
    pub elapsed: Duration,
}

impl Board {
    /// A board on this memory, which is all zero: [`BOARD_BYTES`], or less.
    pub fn new(words: &'static [AtomicU64]) -> Arc<Self> {
        let free = (0..words.len() / WORDS).rev().collect();
        Arc::new(Self { words, free: Mutex::new(free) })
    }

    /// A line for one thread; none if all are taken.
    pub fn line(self: &Arc<Self>) -> Option<Line> {
        let number = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Line { board: Arc::clone(self), number })
    }
}

impl Line {
    fn words(&self) -> &[AtomicU64] {
        &self.board.words[self.number * WORDS..(self.number + 1) * WORDS]
    }

    /// Notes that a request runs.
    pub fn begin(&self, request: &Request, worker: &Identity) {
        let uri = request.bytes(request.uri);
        let path = uri.iter().position(|byte| *byte == b'?').map_or(uri, |query| &uri[..query]);
        let texts = [request.bytes(request.method), worker.pool.as_bytes(), request.bytes(request.request_id)];
        let words = self.words();
        let sequence = words[0].load(Ordering::Relaxed) | 1;
        words[0].store(sequence, Ordering::Relaxed);
        // Nothing of the line is written before the odd number.
        fence(Ordering::Release);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        words[1].store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        words[2].store(u64::from(worker.slot), Ordering::Relaxed);
        words[3].store(worker.incarnation, Ordering::Relaxed);
        let mut at = 0;
        let mut lengths = [0; 4];
        for ((text, most), length) in texts.into_iter().zip(LONGEST).zip(&mut lengths) {
            *length = put(&words[HEAD..], at, &text[..text.len().min(most)]);
            at += *length;
        }
        lengths[3] = put(&words[HEAD..], at, path);
        let packed = lengths.iter().rev().fold(0, |packed, length| packed << 16 | *length as u64);
        words[4].store(packed, Ordering::Relaxed);
        words[0].store(sequence.wrapping_add(1), Ordering::Release);
    }

    /// Notes that it runs no more.
    pub fn end(&self) {
        // The start is what says that there is something.
        self.words()[1].store(0, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end();
        self.board.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.number);
    }
}

/// Writes as much of a text as there is room for, from that byte on; gives how much.
fn put(words: &[AtomicU64], at: usize, text: &[u8]) -> usize {
    let text = &text[..text.len().min(TEXT - at)];
    let mut rest = text;
    let mut position = at;
    while !rest.is_empty() {
        let (word, offset) = (position / 8, position % 8);
        let (piece, after) = rest.split_at(rest.len().min(8 - offset));
        let mut bytes = words[word].load(Ordering::Relaxed).to_le_bytes();
        bytes[offset..offset + piece.len()].copy_from_slice(piece);
        words[word].store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        position += piece.len();
        rest = after;
    }
    text.len()
}

/// What was running, read from the bytes of a board whose writers are gone.
pub fn in_flight(board: &[u8], now: SystemTime) -> Vec<InFlight> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    board.chunks_exact(WORDS * 8).filter_map(|line| read(line, now)).collect()
}

fn read(line: &[u8], now: Duration) -> Option<InFlight> {
    let word = |index: usize| line[index * 8..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let (sequence, started) = (word(0)?, word(1)?);
    if started == 0 || sequence % 2 == 1 {
        return None;
    }
    let lengths = word(4)?;
    let mut texts = line.get(HEAD * 8..)?;
    let mut text = |index: u32| {
        let length = (lengths >> (16 * index) & 0xffff) as usize;
        let (text, rest) = texts.split_at_checked(length)?;
        texts = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    let (method, pool, request_id, path) = (text(0)?, text(1)?, text(2)?, text(3)?);
    Some(InFlight {
        method,
        path,
        request_id,
        pool,
        slot: u32::try_from(word(2)?).ok()?,
        incarnation: word(3)?,
        elapsed: now.saturating_sub(Duration::from_millis(started)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::RequestBuilder;

    fn board() -> (Arc<Board>, &'static [AtomicU64]) {
        let words: &'static [AtomicU64] = Box::leak((0..3 * WORDS).map(|_| AtomicU64::new(0)).collect());
        (Board::new(words), words)
    }

    fn seen(words: &[AtomicU64]) -> Vec<InFlight> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        in_flight(&bytes, SystemTime::now() + Duration::from_secs(5))
    }

    fn request(uri: &[u8], id: &[u8]) -> Request {
        let mut builder = RequestBuilder::new();
        let (method, uri, request_id) = (builder.text(b"POST"), builder.text(uri), builder.text(id));
        let fields = builder.fields();
        (fields.method, fields.uri, fields.request_id) = (method, uri, request_id);
        builder.build()
    }

    fn worker(slot: u32) -> Identity {
        Identity { pool: "default".into(), slot, incarnation: 7 }
    }

    #[test]
    fn what_runs_is_seen_and_what_has_ended_is_not() {
        let (board, words) = board();
        let (one, other) = (board.line().expect("free"), board.line().expect("free"));
        one.begin(&request(b"/a/b?token=secret", b"id-1"), &worker(3));
        other.begin(&request(b"/other", b"id-2"), &worker(4));
        let seen_both = seen(words);
        assert_eq!(seen_both.len(), 2);
        let InFlight { method, path, request_id, pool, slot, incarnation, elapsed } = seen_both[0].clone();
        assert_eq!((method.as_str(), path.as_str(), request_id.as_str()), ("POST", "/a/b", "id-1"));
        assert_eq!((pool.as_str(), slot, incarnation), ("default", 3, 7));
        assert!((5..60).contains(&elapsed.as_secs()), "{elapsed:?}");
        one.end();
        assert_eq!(seen(words).len(), 1);
        drop(other);
        assert_eq!(seen(words), []);
        // A shorter one leaves nothing of a longer one before it.
        one.begin(&request(b"/", b"id-3"), &worker(3));
        assert_eq!((seen(words)[0].path.as_str(), seen(words)[0].request_id.as_str()), ("/", "id-3"));
    }

    #[test]
    fn long_texts_are_cut_and_lines_are_bounded() {
        let (board, words) = board();
        let lines: Vec<_> = (0..3).map(|_| board.line().expect("free")).collect();
        assert!(board.line().is_none());
        lines[1].begin(&request(&[b'/'; 5000], &[b'i'; 5000]), &worker(0));
        let only = seen(words).remove(0);
        assert_eq!(only.request_id.len(), LONGEST[2]);
        assert_eq!(only.method.len() + only.pool.len() + only.request_id.len() + only.path.len(), TEXT);
        drop(lines);
        assert!(board.line().is_some());
    }

    #[test]
    fn a_line_that_is_being_written_is_not_read() {
        let (board, words) = board();
        let line = board.line().expect("free");
        line.begin(&request(b"/", b"id"), &worker(0));
        words[line.number * WORDS].fetch_add(1, Ordering::Relaxed);
        assert_eq!(seen(words), []);
    }
}
