//! The vocabulary that `http`, `pool` and `php` share; it depends on nothing else of ours.
//!
//! `http` turns a client's request into an [`Exchange`], `pool` decides which worker gets it, `php` runs it and
//! answers through the exchange's [`Reply`]. None of the three knows the others: they meet here.
//!
//! Ownership: an `Exchange` has exactly one owner at a time (queue, then worker). The client's side keeps
//! only an [`Awaiting`]; dropping that tells the worker that nobody listens any more.

mod board;
mod body;
mod boundary;
mod check;
mod children;
mod identity;
mod interim;
mod pipe;
mod reply;
mod request;
mod route;
mod spill;
mod timeline;
mod trace;
mod trail;

use std::sync::Arc;

pub use board::{BOARD_BYTES, Board, InFlight, Line, in_flight};
pub use body::{BodySource, RequestBody};
pub use boundary::{Boundary, Care, Drift, Interrupt, ResetOutcome, Thrown, Wish};
pub use check::{Check, Verdict, Warmup};
pub use children::{Child, Children};
pub use identity::Identity;
pub use interim::{Interim, InterimSender};
pub use pipe::{BrokenOff, PipeReader};
pub use reply::{
    Awaiting, ClientGone, Cut, Cutoff, Ending, Failure, Fault, Reply, ReplyLimits, Response, ResponseBody,
    ResponseHead, channel,
};
pub use request::{Header, Request, RequestBuilder, Span, Target};
pub use route::{MAX_ROUTES, MAX_TEMPLATE_BYTES, Route};
pub use timeline::{Moment, Phases, Timeline};
pub use trace::{Trace, TraceParent};
pub use trail::{Outcome, Trail};

/// One request on its way through the process, with the means to answer it.
#[derive(Debug)]
pub struct Exchange {
    /// What the client asked.
    pub request: Request,
    /// The whole request body, taken from the client before any worker was involved.
    pub body: RequestBody,
    /// Where the answer goes.
    pub reply: Reply,
}

/// What a worker is told at its loop boundary.
#[derive(Debug)]
pub enum Next {
    /// Serve this request.
    Job(Box<Exchange>),
    /// Nobody asks for anything: do this, then come back. The worker is not idle meanwhile.
    Care(Care),
    /// Leave the loop; the incarnation is wanted no more.
    Stop,
}

/// A worker's place in a pool, as the runtime sees it from the worker's own thread.
pub trait Seat {
    /// Which worker this is.
    fn identity(&self) -> &Identity;

    /// The thread can be interrupted from now on, until its run ends. At most once, before the first [`Seat::next`].
    fn attached(&mut self, interrupt: Arc<dyn Interrupt>);

    /// Waits for the next request.
    ///
    /// The call is also the acknowledgement that the boundary of the former request has been run: output,
    /// superglobals and every other piece of request state are as new. Only after it is a worker idle. What `boundary` reports decides
    /// whether this incarnation serves on.
    fn next(&mut self, boundary: Boundary) -> Next;

    /// An exchange is over, as this boundary has it: its response has been given, and nothing of it is left in the worker, or the worker's
    /// script has ended with it. To be called for each exchange that came from [`Seat::next`], before that is called again; it is the
    /// place where a request is accounted for.
    fn done(&mut self, exchange: Box<Exchange>, boundary: &Boundary);

    /// The response has left; what follows (terminate, reset) is off the client's path.
    fn responded(&mut self);

    /// Whether requests are traced; that does not change while the worker lives.
    fn traces(&self) -> bool {
        false
    }

    /// Where the script is at this moment, since somebody has asked ([`Interrupt::locate`]): one caller a line, the innermost first.
    fn located(&mut self, _stack: &str) {}

    /// The application has a check. Registered again under the same name it takes the place of the former one.
    fn declare_check(&mut self, _check: Check) {}

    /// Whether the application's check of that name is to be run now. If so its time begins, and [`Seat::end_check`] is owed.
    fn begin_check(&mut self, _name: &str) -> bool {
        false
    }

    /// What the check has come to that was begun.
    fn end_check(&mut self, _verdict: Verdict) {}

    /// The application has been warmed up. Before the first [`Seat::next`].
    fn warmed(&mut self, _warmup: Warmup) {}

    /// The script has come back to its loop: resetters and the engine's reset begin, and with them their clock.
    fn resetting(&mut self);
}

/// Why one incarnation of a worker came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It was told to stop and did.
    Stopped,
    /// The script ended, threw or died before it reached its loop.
    BootFailed {
        /// What PHP said, for the operator.
        message: String,
    },
    /// The script ended after it had reached its loop.
    Ended(Cause),
    /// A Rust callback panicked; the thread cannot be trusted any more.
    Panicked {
        /// The panic's message.
        message: String,
    },
}

/// What ended a booted incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `exit` or `die` during a request.
    Exit,
    /// A fatal error (out of memory, time limit, compile error, ...).
    Fatal,
    /// A throwable nobody caught, outside the request handler.
    Uncaught,
    /// The script returned although it was not told to.
    Returned,
    /// It ended in the middle of a reset: by `exit` or an error in a resetter, an idle callback or the engine's own reset.
    ResetFailed,
    /// It asked for a request without having come back from the one before, or left that one on a way that leads past the reset.
    ResetMissing,
}

impl Cause {
    /// The label used in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Fatal => "fatal",
            Self::Uncaught => "uncaught",
            Self::Returned => "returned",
            Self::ResetFailed => "reset_failed",
            Self::ResetMissing => "reset_missing",
        }
    }
}

/// What a pool runs on its threads: PHP in production, a fake in the pool's own tests.
pub trait Runtime: Send + Sync + 'static {
    /// Runs one incarnation on the calling thread, start to end.
    ///
    /// Every exchange received from the seat must be answered; one that is dropped unanswered is reported
    /// to its client as [`Failure::WorkerLost`].
    fn run(&self, seat: &mut dyn Seat) -> Exit;

    /// Stack size of the threads that call [`Runtime::run`], in bytes.
    fn stack_size(&self) -> usize;
}
