//! A response in the making.
//!
//! The worker's side is [`Reply`]: head and body are gathered until PHP flushes, the gathered bytes pass a limit, or the
//! response is finished. A response that is finished while still gathered leaves as one message; otherwise it is streamed
//! through a bounded pipe. The client's side is [`Awaiting`]. A third party, who has neither, ends the exchange through [`Cutoff`].
//!
//! A response is never completed as if whole unless [`Ending::Whole`] was given: a reply that is dropped or ends
//! in a fault after its head has left breaks the body off.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::pipe::{Breaker, PipeReader, PipeWriter, pipe};
use super::timeline::Moment;
use super::trail::{Notes, Outcome, Trail};

/// Status and header fields of a response, as PHP gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// Status code, 100 to 999.
    pub status: u16,
    /// The script's own words for the status; empty: the usual ones.
    pub reason: Bytes,
    /// Field names and values in order; not yet checked for what HTTP allows.
    pub headers: Vec<(Bytes, Bytes)>,
}

/// The body of a response.
#[derive(Debug)]
pub enum ResponseBody {
    /// The response was complete before it left.
    Full(Bytes),
    /// The rest arrives piece by piece.
    Stream(PipeReader),
}

/// A response, or the start of one.
#[derive(Debug)]
pub struct Response {
    /// Status and headers.
    pub head: ResponseHead,
    /// Body.
    pub body: ResponseBody,
}

/// How the script's part in a response went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A throwable nobody caught.
    Uncaught,
    /// A fatal error.
    Fatal,
    /// `exit` or `die`; with output or headers given before, that is a normal way to end a response.
    Exit,
}

/// How a response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All of it has been written.
    Whole,
    /// The script failed on the way.
    Failed(Fault),
}

/// Why there is no response of PHP's. `http` maps each to a status, an error code and a log level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The script failed and left nothing to show.
    Script(Fault),
    /// The worker went away without an answer.
    WorkerLost,
    /// The script had not answered when its time was over.
    ExecutionTimeout,
    /// No worker became free before the queue deadline.
    QueueTimeout,
    /// Every place in the queue is taken.
    QueueFull,
    /// The server is stopping.
    Draining,
    /// The pool has no worker that could serve, and none is coming up soon.
    NoWorkers,
}

impl Failure {
    /// The status that the client is told: 503 where another attempt may do, 504 where time was over, 500 where something is broken.
    pub fn status(self) -> u16 {
        match self {
            Self::Script(_) | Self::WorkerLost => 500,
            Self::QueueTimeout | Self::QueueFull | Self::Draining | Self::NoWorkers => 503,
            Self::ExecutionTimeout => 504,
        }
    }
}

/// The client has gone; what is written now reaches nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client has closed the connection")]
pub struct ClientGone;

/// Size at which pieces of a streamed response leave without a flush, in bytes: large enough that the cost of passing one
/// on does not count, small enough to keep a client busy.
const STREAM_CHUNK: usize = 32 * 1024;

/// Longest time without progress towards a client; nginx's `send_timeout` and FrankenPHP's body timeout are as long.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How much of a response is held for its client, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct ReplyLimits {
    /// Gathered bytes beyond which a response is streamed.
    pub gather: usize,
    /// Bytes of a streamed response that may wait in memory.
    pub pipe: usize,
    /// Bytes of it that may wait on disk besides; 0: none, PHP waits instead.
    pub spill: u64,
    /// Bytes that the responses of the whole process may have on disk.
    pub spill_total: u64,
    /// How long a client may take nothing while all that is full before it counts as gone: it holds a worker.
    pub patience: Duration,
}

impl Default for ReplyLimits {
    /// 64 KiB covers nearly every page in one write. 1 GiB on disk is also what nginx allows a response; four of that size are
    /// what a small machine's temporary folder can bear.
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            gather: 64 * 1024,
            pipe: 1024 * 1024,
            spill: 1024 * MIB,
            spill_total: 4096 * MIB,
            patience: WRITE_TIMEOUT,
        }
    }
}

#[derive(Debug)]
enum State {
    Gathering {
        head: Option<ResponseHead>,
        body: BytesMut,
    },
    Streaming {
        pipe: PipeWriter,
        /// Written but not flushed: a page printed in small pieces leaves in large ones.
        pending: BytesMut,
    },
    Finished,
}

/// The way to the client, for whoever comes first.
#[derive(Debug)]
enum Link {
    /// Nothing has left.
    Waiting(oneshot::Sender<Result<Response, Failure>>),
    /// The head has left.
    Streaming(Breaker),
    /// There is nothing left to say.
    Over,
}

/// What the sides of a response share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Nobody listens to what PHP writes.
    gone: AtomicBool,
    link: Mutex<Link>,
    pub(super) notes: Notes,
}

impl Shared {
    /// Nobody waits for an answer yet.
    pub(super) fn new(accepted: Instant) -> Arc<Self> {
        Arc::new(Self { gone: AtomicBool::new(false), link: Mutex::new(Link::Over), notes: Notes::new(accepted) })
    }

    fn answer(&self, result: Result<Response, Failure>) {
        let link = mem::replace(&mut *self.link.lock(), Link::Over);
        if let Link::Waiting(answer) = link {
            self.leaves(result.as_ref().map_or_else(|failure| failure.status(), |response| response.head.status));
            // The receiver may be gone with its client; then nobody needs the answer.
            drop(answer.send(result));
        }
    }

    /// The head of the answer is on its way.
    fn leaves(&self, status: u16) {
        self.notes.timeline.mark(Moment::FirstByte);
        self.notes.answered(status);
    }
}

/// The worker's side of a response.
#[derive(Debug)]
pub struct Reply {
    state: State,
    limits: ReplyLimits,
    shared: Arc<Shared>,
}

/// The client's side: resolves to the response. Dropping it tells the worker that nobody waits.
#[derive(Debug)]
pub struct Awaiting {
    answer: oneshot::Receiver<Result<Response, Failure>>,
    answered: bool,
    shared: Arc<Shared>,
}

/// Ends an exchange without the worker that has it.
#[derive(Debug, Clone)]
pub struct Cutoff(Arc<Shared>);

/// What the client has seen of a [`Cutoff`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The failure, as the answer.
    Answered,
    /// The body broke off.
    BrokenOff,
    /// Nothing: its response had ended before.
    TooLate,
}

impl Cutoff {
    /// Whether there is nothing left to end: all of the response has been handed over, or somebody has ended it.
    pub fn is_over(&self) -> bool {
        match &*self.0.link.lock() {
            Link::Over => true,
            Link::Waiting(_) => false,
            Link::Streaming(breaker) => breaker.is_over(),
        }
    }

    /// Answers with `failure` if nothing has left yet, breaks the body off if it has not ended. What PHP still writes reaches
    /// nobody.
    pub fn cut(&self, failure: Failure) -> Cut {
        let link = mem::replace(&mut *self.0.link.lock(), Link::Over);
        match link {
            Link::Over => Cut::TooLate,
            Link::Waiting(answer) => {
                self.0.gone.store(true, Ordering::Relaxed);
                self.0.notes.ended(Outcome::Timeout);
                self.0.leaves(failure.status());
                // The client may have gone by itself.
                drop(answer.send(Err(failure)));
                Cut::Answered
            }
            Link::Streaming(breaker) => {
                if breaker.break_off() {
                    self.0.notes.ended(Outcome::Timeout);
                    Cut::BrokenOff
                } else {
                    Cut::TooLate
                }
            }
        }
    }
}

/// Makes the two sides of the response to the request with this trail. Once for each.
pub fn channel(limits: ReplyLimits, trail: &Trail) -> (Reply, Awaiting) {
    let (sender, receiver) = oneshot::channel();
    let shared = Arc::clone(&trail.0);
    *shared.link.lock() = Link::Waiting(sender);
    let state = State::Gathering { head: None, body: BytesMut::new() };
    (Reply { state, limits, shared: Arc::clone(&shared) }, Awaiting { answer: receiver, answered: false, shared })
}

impl Reply {
    /// The means to end this exchange from elsewhere.
    pub fn cutoff(&self) -> Cutoff {
        Cutoff(Arc::clone(&self.shared))
    }

    /// Takes status and headers. They leave with the first flush, with the first bytes beyond the limit, or at the end.
    pub fn head(&mut self, new: ResponseHead) {
        if let State::Gathering { head, .. } = &mut self.state {
            *head = Some(new);
        }
    }

    /// Whether [`Reply::head`] has been called or the head has left.
    pub fn has_head(&self) -> bool {
        !matches!(self.state, State::Gathering { head: None, .. })
    }

    /// Takes body bytes. After the end they are dropped silently, as after `fastcgi_finish_request()`.
    ///
    /// # Errors
    /// [`ClientGone`] if nobody listens any more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ClientGone> {
        match &mut self.state {
            State::Finished => Ok(()),
            State::Streaming { pipe, pending } => {
                if pipe.reader_gone() {
                    return Err(ClientGone);
                }
                pass_on(pipe, pending, bytes)
            }
            State::Gathering { body, .. } => {
                if self.shared.gone.load(Ordering::Relaxed) {
                    return Err(ClientGone);
                }
                let (fits, rest) = bytes.split_at(bytes.len().min(self.limits.gather.saturating_sub(body.len())));
                body.extend_from_slice(fits);
                if rest.is_empty() {
                    return Ok(());
                }
                self.stream()?;
                self.write(rest)
            }
        }
    }

    /// Sends what has been gathered now.
    ///
    /// # Errors
    /// [`ClientGone`] if nobody listens any more.
    pub fn flush(&mut self) -> Result<(), ClientGone> {
        match &mut self.state {
            State::Gathering { .. } => self.stream(),
            State::Streaming { pipe, .. } if pipe.reader_gone() => Err(ClientGone),
            State::Streaming { pipe, pending } => pipe.send(pending.split().freeze()),
            State::Finished => Ok(()),
        }
    }

    /// Whether the client has gone.
    pub fn client_gone(&self) -> bool {
        match &self.state {
            State::Streaming { pipe, .. } => pipe.reader_gone(),
            State::Gathering { .. } | State::Finished => self.shared.gone.load(Ordering::Relaxed),
        }
    }

    /// Whether the response has ended.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// Ends the response. Calls after the first have no effect.
    pub fn finish(&mut self, ending: Ending) {
        if !self.is_finished() {
            self.shared.notes.ended(ending.into());
        }
        match mem::replace(&mut self.state, State::Finished) {
            State::Finished => {}
            State::Streaming { mut pipe, pending } => {
                let sent = pipe.send(pending.freeze()).is_ok();
                self.shared.notes.timeline.mark(Moment::Responded);
                pipe.close(sent && matches!(ending, Ending::Whole | Ending::Failed(Fault::Exit)));
            }
            State::Gathering { head, body } => {
                self.shared.notes.timeline.mark(Moment::Responded);
                self.shared.answer(gathered(head, body.freeze(), ending));
            }
        }
    }

    /// Ends the exchange without an answer of PHP's.
    pub fn fail(mut self, failure: Failure) {
        if let State::Gathering { .. } = mem::replace(&mut self.state, State::Finished) {
            self.shared.answer(Err(failure));
        }
    }

    fn stream(&mut self) -> Result<(), ClientGone> {
        if !matches!(self.state, State::Gathering { .. }) {
            return Ok(());
        }
        let (mut writer, reader) = pipe(self.limits);
        let State::Gathering { head, body } = mem::replace(&mut self.state, State::Finished) else {
            return Ok(());
        };
        let response = Response { head: head.unwrap_or_else(plain_head), body: ResponseBody::Stream(reader) };
        let sent = writer.send(body.freeze());
        let breaker = writer.breaker();
        self.state = State::Streaming { pipe: writer, pending: BytesMut::new() };
        sent?;
        let mut link = self.shared.link.lock();
        match mem::replace(&mut *link, Link::Over) {
            Link::Waiting(answer) => {
                *link = Link::Streaming(breaker);
                drop(link);
                self.shared.leaves(response.head.status);
                answer.send(Ok(response)).map_err(|_| ClientGone)
            }
            // The exchange has been cut; dropping the response tells the pipe so.
            Link::Streaming(_) | Link::Over => Err(ClientGone),
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.is_finished() {
            return;
        }
        self.shared.notes.ended(Outcome::Lost);
        if let State::Gathering { .. } = mem::replace(&mut self.state, State::Finished) {
            self.shared.answer(Err(Failure::WorkerLost));
        }
        // A streaming pipe dropped here breaks its body off by itself.
    }
}

/// Hands bytes to a pipe in pieces of `STREAM_CHUNK`, and keeps what is less: one `echo` of many megabytes is never held in memory
/// a second time.
fn pass_on(pipe: &mut PipeWriter, pending: &mut BytesMut, mut bytes: &[u8]) -> Result<(), ClientGone> {
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(bytes.len().min(STREAM_CHUNK - pending.len()));
        pending.extend_from_slice(piece);
        bytes = rest;
        if pending.len() == STREAM_CHUNK {
            pipe.send(pending.split().freeze())?;
            pending.reserve(STREAM_CHUNK);
        }
    }
    Ok(())
}

fn plain_head() -> ResponseHead {
    ResponseHead { status: 200, ..ResponseHead::default() }
}

/// What a response that never left its gathering state amounts to.
fn gathered(head: Option<ResponseHead>, body: Bytes, ending: Ending) -> Result<Response, Failure> {
    let mut head = head.unwrap_or_else(plain_head);
    match ending {
        Ending::Whole => {}
        // A script that redirects and exits, or prints and exits, has answered; one that just vanishes has not.
        Ending::Failed(Fault::Exit) => {
            if body.is_empty() && head.status == 200 {
                return Err(Failure::Script(Fault::Exit));
            }
        }
        Ending::Failed(fault) => {
            // PHP has set status 500 by itself in most cases; an empty page helps nobody, whatever its status.
            if body.is_empty() {
                return Err(Failure::Script(fault));
            }
            if head.status < 500 {
                head.status = 500;
                head.reason = Bytes::new();
            }
        }
    }
    Ok(Response { head, body: ResponseBody::Full(body) })
}

impl Awaiting {
    /// Waits for the response. Cancel-safe in the sense that matters: dropping it marks the client as gone.
    ///
    /// # Errors
    /// The [`Failure`] that stands in for a response.
    pub async fn response(&mut self) -> Result<Response, Failure> {
        let answer = (&mut self.answer).await.unwrap_or(Err(Failure::WorkerLost));
        self.answered = true;
        answer
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        // Once a streamed response has been received, the drop of its reader reports a client that leaves.
        if !self.answered {
            self.shared.gone.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(limits: ReplyLimits) -> (Reply, Awaiting) {
        channel(limits, &Trail::new(Instant::now()))
    }

    fn head(status: u16) -> ResponseHead {
        ResponseHead { status, ..ResponseHead::default() }
    }

    fn answer_of(act: impl FnOnce(&mut Reply)) -> Result<Response, Failure> {
        let (mut reply, mut awaiting) = opened(ReplyLimits { gather: 8, pipe: 1024, ..ReplyLimits::default() });
        act(&mut reply);
        drop(reply);
        awaiting.answer.try_recv().expect("a dropped reply always answers")
    }

    #[test]
    fn gathered_endings() {
        type Case = (&'static str, u16, &'static [u8], Ending, Result<u16, Failure>);
        let cases: [Case; 7] = [
            ("whole", 204, b"", Ending::Whole, Ok(204)),
            ("exit in silence", 200, b"", Ending::Failed(Fault::Exit), Err(Failure::Script(Fault::Exit))),
            ("exit after redirect", 302, b"", Ending::Failed(Fault::Exit), Ok(302)),
            ("exit after output", 200, b"dump", Ending::Failed(Fault::Exit), Ok(200)),
            ("fatal in silence", 200, b"", Ending::Failed(Fault::Fatal), Err(Failure::Script(Fault::Fatal))),
            ("fatal with error page", 200, b"oops", Ending::Failed(Fault::Fatal), Ok(500)),
            ("fatal, own status kept", 503, b"busy", Ending::Failed(Fault::Fatal), Ok(503)),
        ];
        for (name, status, body, ending, expected) in cases {
            let got = answer_of(|reply| {
                reply.head(head(status));
                reply.write(body).expect("client is there");
                reply.finish(ending);
            });
            assert_eq!(got.map(|r| r.head.status), expected, "{name}");
        }
    }

    #[test]
    fn dropped_reply_is_a_lost_worker() {
        assert_eq!(answer_of(|_| ()).map(|r| r.head.status), Err(Failure::WorkerLost));
    }

    #[test]
    fn streams_beyond_the_limit_and_breaks_off_when_dropped() {
        let got = answer_of(|reply| {
            reply.head(head(200));
            reply.write(b"123456789").expect("client is there");
        });
        let Ok(Response { body: ResponseBody::Stream(mut reader), .. }) = got else { panic!("not streamed") };
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        assert!(matches!(reader.poll_next(&mut cx), std::task::Poll::Ready(Some(Ok(b))) if b == "12345678"));
        assert!(matches!(reader.poll_next(&mut cx), std::task::Poll::Ready(Some(Err(_)))));
    }

    #[test]
    fn a_client_that_takes_nothing_counts_as_gone() {
        let limits =
            ReplyLimits { gather: 8, pipe: 16, spill: 0, patience: Duration::from_millis(1), ..ReplyLimits::default() };
        let (mut reply, mut awaiting) = opened(limits);
        let piece = vec![b'x'; STREAM_CHUNK];
        assert_eq!(reply.write(&piece), Ok(()), "the first piece always passes");
        assert_eq!(reply.write(&piece), Err(ClientGone));
        assert!(reply.client_gone());
        let answer = awaiting.answer.try_recv().expect("the head has left");
        let Ok(Response { body: ResponseBody::Stream(mut reader), .. }) = answer else { panic!("not streamed") };
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(matches!(reader.poll_next(&mut cx), std::task::Poll::Ready(Some(Err(_)))), "never whole");
    }

    fn streamed(reply: &mut Reply, awaiting: &mut Awaiting) -> PipeReader {
        reply.head(head(200));
        reply.write(b"first").expect("client is there");
        reply.flush().expect("client is there");
        match awaiting.answer.try_recv() {
            Ok(Ok(Response { body: ResponseBody::Stream(reader), .. })) => reader,
            other => panic!("not streamed: {other:?}"),
        }
    }

    fn pieces(mut reader: PipeReader) -> Vec<Option<Bytes>> {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut pieces = Vec::new();
        while let std::task::Poll::Ready(Some(piece)) = reader.poll_next(&mut cx) {
            pieces.push(piece.ok());
        }
        pieces
    }

    #[test]
    fn a_cut_before_the_head_is_the_answer() {
        let (mut reply, mut awaiting) = opened(ReplyLimits::default());
        reply.head(head(200));
        reply.write(b"gathered").expect("client is there");
        let cutoff = reply.cutoff();
        assert_eq!(cutoff.cut(Failure::ExecutionTimeout), Cut::Answered);
        assert_eq!(cutoff.cut(Failure::ExecutionTimeout), Cut::TooLate, "once");
        let answer = awaiting.answer.try_recv().expect("at once");
        assert_eq!(answer.map(|r| r.head.status), Err(Failure::ExecutionTimeout));
        assert_eq!(reply.write(b"more"), Err(ClientGone));
        assert_eq!(reply.flush(), Err(ClientGone), "no second head");
        assert!(reply.client_gone());
        reply.finish(Ending::Whole);
    }

    #[test]
    fn a_cut_after_the_head_breaks_the_body_off() {
        let (mut reply, mut awaiting) = opened(ReplyLimits::default());
        let reader = streamed(&mut reply, &mut awaiting);
        assert_eq!(reply.cutoff().cut(Failure::ExecutionTimeout), Cut::BrokenOff);
        assert_eq!(reply.flush(), Err(ClientGone));
        reply.finish(Ending::Whole);
        assert_eq!(pieces(reader), [Some(Bytes::from_static(b"first")), None], "whole to nobody");
    }

    #[test]
    fn a_cut_after_the_end_harms_nothing() {
        let (mut reply, mut awaiting) = opened(ReplyLimits::default());
        let cutoff = reply.cutoff();
        let reader = streamed(&mut reply, &mut awaiting);
        reply.finish(Ending::Whole);
        assert_eq!(cutoff.cut(Failure::ExecutionTimeout), Cut::TooLate);
        assert_eq!(pieces(reader), [Some(Bytes::from_static(b"first"))]);

        let (mut reply, mut awaiting) = opened(ReplyLimits::default());
        reply.head(head(201));
        reply.finish(Ending::Whole);
        assert_eq!(reply.cutoff().cut(Failure::ExecutionTimeout), Cut::TooLate);
        assert_eq!(awaiting.answer.try_recv().expect("answered").map(|r| r.head.status), Ok(201));
    }

    #[test]
    fn a_cut_wakes_a_worker_that_waits_for_its_client() {
        let limits = ReplyLimits { gather: 8, pipe: 1, spill: 0, ..ReplyLimits::default() };
        let (mut reply, mut awaiting) = opened(limits);
        let cutoff = reply.cutoff();
        let _idle = streamed(&mut reply, &mut awaiting);
        let writing = std::thread::Builder::new().name("writer".into()).stack_size(256 * 1024).spawn(move || {
            let piece = vec![b'x'; STREAM_CHUNK];
            while reply.write(&piece).is_ok() {}
            reply.client_gone()
        });
        let writing = writing.expect("a thread");
        // Whether the writer waits already decides nothing: it finds the cut or is woken by it.
        assert_eq!(cutoff.cut(Failure::ExecutionTimeout), Cut::BrokenOff);
        assert!(writing.join().expect("no panic"));
    }

    #[test]
    fn writer_learns_that_the_client_left() {
        let (mut reply, awaiting) = opened(ReplyLimits { gather: 8, pipe: 16, ..ReplyLimits::default() });
        drop(awaiting);
        assert_eq!(reply.write(b"x"), Err(ClientGone));
    }
}
