//! Takes the whole request body before a worker is asked for, so that a slow upload costs no worker.

#![forbid(unsafe_code)]

use std::io::SeekFrom;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::error::Refusal;
use crate::job::{BodySource, RequestBody};

/// Longest time spent on reading what a client goes on sending after its body was found too large ...
const LINGER_TIME: Duration = Duration::from_secs(2);
/// ... and most bytes of it: enough for an upload that is a little beyond the limit, no invitation to send without end.
const LINGER_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes written to the file at once: HTTP/2 brings a body in pieces of 16 KiB, and each write is a task on another thread.
const WRITE_PIECE: usize = 64 * 1024;

/// How much of a body is kept, and where, both in bytes; and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    /// Beyond it the request is refused.
    pub(super) max: u64,
    /// Beyond it the body goes to a temporary file.
    pub(super) memory: usize,
    /// Longest silence between two pieces.
    pub(super) silence: Duration,
}

/// Reads a body to its end.
///
/// `awaits_continue`: the client sends nothing before it has seen `100 Continue`, which goes out with the first read;
/// so a refusal by declared length spares it the upload.
pub(super) async fn take(mut body: Body, awaits_continue: bool, limits: BodyLimits) -> Result<RequestBody, Refusal> {
    if body.is_end_stream() {
        return Ok(RequestBody::empty());
    }
    let declared = body.size_hint();
    if declared.lower() > limits.max {
        if !awaits_continue {
            linger(&mut body, limits.silence).await;
        }
        return Err(Refusal::BodyTooLarge);
    }
    let Some(first) = next(&mut body, limits.silence).await? else { return Ok(RequestBody::empty()) };
    if body.is_end_stream() && first.len() as u64 <= limits.max && first.len() <= limits.memory {
        return Ok(RequestBody::memory(first));
    }
    let mut spool = Spool::with_capacity(usize::try_from(declared.lower()).unwrap_or(0), limits);
    let mut piece = Some(first);
    while let Some(bytes) = piece {
        if spool.length + bytes.len() as u64 > limits.max {
            linger(&mut body, limits.silence).await;
            return Err(Refusal::BodyTooLarge);
        }
        spool.add(&bytes).await.map_err(|_| Refusal::Storage)?;
        piece = next(&mut body, limits.silence).await?;
    }
    spool.finish().await.map_err(|_| Refusal::Storage)
}

/// The next piece of data; trailers are dropped.
async fn next(body: &mut Body, silence: Duration) -> Result<Option<Bytes>, Refusal> {
    loop {
        match timeout(silence, body.frame()).await {
            Err(_) => return Err(Refusal::BodyTooSlow),
            Ok(None) => return Ok(None),
            // Broken framing, or a client that has left and will not see the answer.
            Ok(Some(Err(_))) => return Err(Refusal::Malformed),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Reads on and forgets, within bounds. A connection closed with unread data is reset, and the reset would overtake
/// the answer on its way to the client.
async fn linger(body: &mut Body, silence: Duration) {
    let discard = async {
        let mut left = LINGER_BYTES;
        while let Ok(Some(bytes)) = next(body, silence).await {
            match left.checked_sub(bytes.len() as u64) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Whether the client came to an end or the time did, the answer is the same.
    drop(timeout(LINGER_TIME, discard).await);
}

/// A body on its way to where it will lie.
#[derive(Debug)]
struct Spool {
    /// The whole body, or what is not yet in the file.
    memory: BytesMut,
    file: Option<File>,
    length: u64,
    limits: BodyLimits,
}

impl Spool {
    fn with_capacity(declared: usize, limits: BodyLimits) -> Self {
        Self { memory: BytesMut::with_capacity(declared.min(limits.memory)), file: None, length: 0, limits }
    }

    async fn add(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.length += bytes.len() as u64;
        self.memory.extend_from_slice(bytes);
        match &mut self.file {
            None if self.memory.len() <= self.limits.memory => {}
            None => {
                // One system call (O_TMPFILE): the file never has a name, so nothing is left behind whatever happens.
                let file = self.file.insert(File::from_std(tempfile::tempfile()?));
                file.write_all(&self.memory).await?;
                self.memory = BytesMut::new();
            }
            Some(_) if self.memory.len() < WRITE_PIECE => {}
            Some(file) => {
                file.write_all(&self.memory).await?;
                self.memory.clear();
            }
        }
        Ok(())
    }

    async fn finish(self) -> std::io::Result<RequestBody> {
        let Some(mut file) = self.file else { return Ok(RequestBody::memory(self.memory.freeze())) };
        file.write_all(&self.memory).await?;
        file.flush().await?;
        file.seek(SeekFrom::Start(0)).await?;
        Ok(RequestBody::new(BodySource::File(file.into_std().await), self.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BodyLimits = BodyLimits { max: 20, memory: 8, silence: Duration::from_secs(60) };

    fn pieces(pieces: &[&'static [u8]]) -> Body {
        let frames: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(piece))))
            .collect();
        let mut frames = frames.into_iter();
        Body::new(Pieces(move || frames.next()))
    }

    struct Pieces<F>(F);

    impl<F> http_body::Body for Pieces<F>
    where
        F: FnMut() -> Option<Result<http_body::Frame<Bytes>, std::io::Error>> + Unpin,
    {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
            std::task::Poll::Ready((self.get_mut().0)())
        }
    }

    fn taken(body: Body) -> Result<(Vec<u8>, u64), Refusal> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(take(body, false, LIMITS)).map(|mut body| {
            let mut all = Vec::new();
            let mut buffer = [0; 3];
            loop {
                match body.read(&mut buffer).expect("readable") {
                    0 => return (all, body.length()),
                    count => all.extend_from_slice(&buffer[..count]),
                }
            }
        })
    }

    #[test]
    fn bodies_arrive_whole_or_not_at_all() {
        type Case = (&'static str, Body, Result<&'static [u8], Refusal>);
        let cases: [Case; 9] = [
            ("none", Body::empty(), Ok(b"")),
            ("no pieces", pieces(&[]), Ok(b"")),
            ("one piece in memory", Body::from("12345678"), Ok(b"12345678")),
            ("pieces in memory", pieces(&[b"123", b"456"]), Ok(b"123456")),
            ("one piece in a file", Body::from("123456789"), Ok(b"123456789")),
            ("pieces in a file", pieces(&[b"1234", b"5678", b"9"]), Ok(b"123456789")),
            ("pieces after the file was made", pieces(&[b"123456789", b"01", b"2"]), Ok(b"123456789012")),
            ("too large, declared", Body::from("123456789012345678901"), Err(Refusal::BodyTooLarge)),
            ("too large, found", pieces(&[b"1234567890", b"12345678901"]), Err(Refusal::BodyTooLarge)),
        ];
        for (name, body, expected) in cases {
            let expected = expected.map(|bytes| (bytes.to_vec(), bytes.len() as u64));
            assert_eq!(taken(body), expected, "{name}");
        }
    }
}
