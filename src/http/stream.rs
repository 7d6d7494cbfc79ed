//! The body of a streamed response, as hyper reads it.

#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep, timeout};

use crate::job::{BrokenOff, PipeReader};

/// How long the end of a broken-off body is held back. hyper has no word for "send what you have, then break off": an error drops what
/// it has not written yet, and a client that sees neither status nor first part cannot tell a crash from a lost
/// network.
const LAST_FLUSH: Duration = Duration::from_millis(20);

/// Reads from the pipe that a PHP thread fills. An error makes hyper drop the connection (HTTP/1.1) or reset the stream
/// (HTTP/2) instead of completing the message. Dropping the body tells PHP that the client has gone.
#[derive(Debug)]
pub(super) struct StreamBody {
    state: State,
    /// What is still to come by the script's own `Content-Length`, if it gave one.
    left: Option<u64>,
}

#[derive(Debug)]
enum State {
    Reading(PipeReader),
    /// Broken off; the error follows when the time is over.
    Breaking(Pin<Box<Sleep>>),
    Ended,
}

impl StreamBody {
    pub(super) fn new(pipe: PipeReader, declared: Option<u64>) -> Self {
        Self { state: State::Reading(pipe), left: declared }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Breaking(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    self.state = State::Ended;
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                State::Reading(pipe) => match ready!(pipe.poll_next(cx)) {
                    Some(Ok(piece)) => return Poll::Ready(Some(Ok(piece))),
                    // An end before the declared length is no end.
                    None if self.left.is_none_or(|left| left == 0) => self.state = State::Ended,
                    None | Some(Err(BrokenOff)) => self.state = State::Breaking(Box::pin(sleep(LAST_FLUSH))),
                },
            }
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let Some(piece) = ready!(self.poll_piece(cx)) else { return Poll::Ready(None) };
        let mut piece = piece?;
        if let Some(left) = self.left {
            // More than declared would be read as the next response.
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            self.left = Some(left - piece.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for StreamBody {
    /// hyper lets go of an HTTP/1.1 body as soon as it is as long as was declared, while the script may still have work to do.
    fn drop(&mut self) {
        if self.left == Some(0)
            && let State::Reading(pipe) = mem::replace(&mut self.state, State::Ended)
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(discard(pipe));
        }
    }
}

/// Reads a stream to its end and forgets it: for an answer without a body, whose script must not be told that its client has
/// left. But nobody hears from such a client again, so a script that streams without end would keep its worker for good: after
/// the time that a client may take nothing it is told all the same.
pub(super) async fn discard(mut pipe: PipeReader) {
    let patience = pipe.patience();
    let read = async { while let Some(Ok(_)) = poll_fn(|cx| pipe.poll_next(cx)).await {} };
    drop(timeout(patience, read).await);
}

/// No body, of a length that nobody states: a HEAD response to what would be a stream.
#[derive(Debug)]
pub(super) struct Unknown;

impl Body for Unknown {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::job::{self, Ending, Fault, ReplyLimits, ResponseBody, Trail};

    /// What a client gets of these pieces, and whether the body came to its end.
    fn got(pieces: &[&str], ending: Ending, declared: Option<u64>) -> (String, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (mut reply, mut awaiting) = job::channel(ReplyLimits::default(), &Trail::new(Instant::now()));
            for piece in pieces {
                reply.write(piece.as_bytes()).expect("the client is there");
                reply.flush().expect("the client is there");
            }
            reply.finish(ending);
            let ResponseBody::Stream(pipe) = awaiting.response().await.expect("an answer").body else {
                panic!("not a stream")
            };
            let mut body = StreamBody::new(pipe, declared);
            let mut text = String::new();
            loop {
                match body.frame().await {
                    None => return (text, true),
                    Some(Err(BrokenOff)) => return (text, false),
                    Some(Ok(frame)) => {
                        text += std::str::from_utf8(frame.data_ref().expect("data")).expect("text");
                    }
                }
            }
        })
    }

    #[test]
    fn a_stream_is_whole_or_broken_never_padded() {
        let broken = Ending::Failed(Fault::Fatal);
        type Case = (&'static str, &'static [&'static str], Ending, Option<u64>, (&'static str, bool));
        let cases: [Case; 6] = [
            ("whole", &["ab", "c"], Ending::Whole, None, ("abc", true)),
            ("broken off", &["ab", "c"], broken, None, ("abc", false)),
            ("as declared", &["ab", "c"], Ending::Whole, Some(3), ("abc", true)),
            ("less than declared", &["ab"], Ending::Whole, Some(3), ("ab", false)),
            ("more than declared", &["ab", "cd"], Ending::Whole, Some(3), ("abc", true)),
            ("broken off as declared", &["abc"], broken, Some(3), ("abc", false)),
        ];
        for (name, pieces, ending, declared, expected) in cases {
            let (text, whole) = got(pieces, ending, declared);
            assert_eq!((text.as_str(), whole), expected, "{name}");
        }
    }
}
