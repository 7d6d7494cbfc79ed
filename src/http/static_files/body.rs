//! A file, or parts of it, on its way to a client.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::fs;
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead as _, AsyncSeek as _, ReadBuf};

/// Bytes read at a time; with it a download of any size costs this much memory.
const CHUNK_BYTES: u64 = 64 * 1024;

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Piece {
    /// Our own text, between two parts.
    Text(Bytes),
    /// This part of the file.
    Part(Range<u64>),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Part(part) => part.end - part.start,
        }
    }
}

/// Reads as the client takes. A file that has become shorter breaks the body off: what is missing is not padded.
#[derive(Debug)]
pub(super) struct FileBody {
    file: File,
    pieces: VecDeque<Piece>,
    state: State,
    left: u64,
}

#[derive(Debug)]
enum State {
    Between,
    Seeking { bytes: u64 },
    Reading { bytes: u64 },
}

impl FileBody {
    pub(super) fn new(file: fs::File, pieces: impl Into<VecDeque<Piece>>) -> Self {
        let pieces = pieces.into();
        let left = pieces.iter().map(Piece::length).sum();
        Self { file: File::from_std(file), pieces, state: State::Between, left }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match self.state {
                State::Between => match self.pieces.pop_front() {
                    None => return Poll::Ready(None),
                    Some(Piece::Text(text)) => return Poll::Ready(Some(Ok(text))),
                    Some(Piece::Part(part)) => {
                        Pin::new(&mut self.file).start_seek(SeekFrom::Start(part.start))?;
                        self.state = State::Seeking { bytes: part.end - part.start };
                    }
                },
                State::Seeking { bytes } => {
                    ready!(Pin::new(&mut self.file).poll_complete(cx))?;
                    self.state = State::Reading { bytes };
                }
                State::Reading { bytes: 0 } => self.state = State::Between,
                State::Reading { bytes } => {
                    let mut chunk = vec![0; usize::try_from(bytes.min(CHUNK_BYTES)).unwrap_or_default()];
                    let mut buffer = ReadBuf::new(&mut chunk);
                    ready!(Pin::new(&mut self.file).poll_read(cx, &mut buffer))?;
                    let got = buffer.filled().len();
                    if got == 0 {
                        return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                    }
                    chunk.truncate(got);
                    self.state = State::Reading { bytes: bytes - got as u64 };
                    return Poll::Ready(Some(Ok(chunk.into())));
                }
            }
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(piece) = ready!(self.poll_piece(cx)).transpose()? else { return Poll::Ready(None) };
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http_body_util::BodyExt as _;

    use super::*;

    fn sent(content: &[u8], pieces: Vec<Piece>) -> io::Result<Vec<u8>> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("written");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(FileBody::new(file, pieces).collect()).map(|body| body.to_bytes().to_vec())
    }

    #[test]
    fn pieces_leave_in_order() {
        let text = |text: &'static str| Piece::Text(Bytes::from_static(text.as_bytes()));
        let content: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
        assert_eq!(sent(&content, vec![Piece::Part(0..200_000)]).expect("whole"), content);
        let pieces = vec![text("<"), Piece::Part(100..103), text("|"), Piece::Part(0..2), text(">")];
        assert_eq!(sent(&content, pieces).expect("whole"), b"<def|\x00\x01>");
        assert_eq!(sent(b"", vec![]).expect("whole"), b"");
    }

    #[test]
    fn a_file_that_has_become_shorter_breaks_off() {
        let error = sent(b"1234567890", vec![Piece::Part(0..11)]).expect_err("it is too short");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
