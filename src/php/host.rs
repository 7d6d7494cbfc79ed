//! What a PHP thread keeps on the Rust side; C holds a pointer to it and hands it back to each leaf.

use std::time::{Duration, Instant};

use opentelemetry::trace::TraceId;

use super::panic::Parked;
use super::view::RequestView;
use crate::job::{
    Boundary, Care, Drift, Exchange, MAX_TEMPLATE_BYTES, Moment, Next, ResetOutcome, Route, Seat, Thrown, Wish,
};
use crate::sys;

/// The Rust side of one PHP thread (I3).
pub(super) struct Host<'s> {
    seat: &'s mut dyn Seat,
    /// Boxed, so that the view's pointers stay valid (I4).
    current: Option<Current>,
    pub(super) parked: Parked,
    last_error: Option<String>,
    stopped: bool,
    /// When the reset in progress began.
    resetting: Option<Instant>,
    /// What resetters and idle callbacks have thrown since the last boundary.
    thrown: Vec<Thrown>,
    /// What it has left behind.
    drifts: Vec<Drift>,
    wish: Option<Wish>,
}

/// Most findings that one boundary passes on: of a worker that leaks in more places the others are in the log.
const MOST_DRIFTS: usize = 256;

/// What C does next.
pub(super) enum Given {
    /// Serve this request; the pointer is valid until the next call or [`Host::release`].
    Request(*const sys::sc_request),
    /// Look after yourself, then ask again.
    Care(Care),
    /// End the loop.
    Stop,
}

struct Current {
    exchange: Box<Exchange>,
    view: Box<RequestView>,
}

impl<'s> Host<'s> {
    pub(super) fn new(seat: &'s mut dyn Seat) -> Self {
        Self {
            seat,
            current: None,
            parked: Parked::default(),
            last_error: None,
            stopped: false,
            resetting: None,
            thrown: Vec::new(),
            drifts: Vec::new(),
            wish: None,
        }
    }

    pub(super) fn seat(&mut self) -> &mut dyn Seat {
        self.seat
    }

    /// Takes over an exchange; the pointer is valid until the next call or [`Host::release`].
    pub(super) fn adopt(&mut self, exchange: Box<Exchange>) -> *const sys::sc_request {
        let view = RequestView::new(&exchange);
        self.current.insert(Current { exchange, view }).view.as_ptr()
    }

    /// The script has ended, and the request that it had with it; `astray` if it found a way past the reset.
    pub(super) fn release(&mut self, state: &sys::sc_boundary, astray: bool) {
        let Some(current) = self.current.take() else { return };
        let mut boundary = self.boundary(state);
        if astray {
            boundary.reset = ResetOutcome::Missing;
        }
        self.seat.done(current.exchange, &boundary);
    }

    /// Waits for the next request of a worker loop.
    pub(super) fn next(&mut self, state: &sys::sc_boundary) -> Given {
        let boundary = self.boundary(state);
        self.forget();
        if let Some(current) = self.current.take() {
            self.seat.done(current.exchange, &boundary);
        }
        match self.seat.next(boundary) {
            Next::Job(exchange) => Given::Request(self.adopt(exchange)),
            Next::Care(care) => Given::Care(care),
            Next::Stop => {
                self.stopped = true;
                Given::Stop
            }
        }
    }

    /// Waits for the next request of classic mode, where the script that served the former one has ended.
    pub(super) fn next_exchange(&mut self, state: &sys::sc_boundary) -> Option<Box<Exchange>> {
        loop {
            let boundary = self.boundary(state);
            self.forget();
            match self.seat.next(boundary) {
                Next::Job(exchange) => return Some(exchange),
                // A script that has ended has left nothing to look after.
                Next::Care(_) => {}
                Next::Stop => return None,
            }
        }
    }

    /// All there is to say about the request that is over.
    fn boundary(&self, state: &sys::sc_boundary) -> Boundary {
        let took = self.resetting.map_or(Duration::ZERO, |begun| begun.elapsed());
        let thrown = self.thrown.clone();
        Boundary {
            reset: if thrown.is_empty() { ResetOutcome::Done(took) } else { ResetOutcome::Failed { thrown, took } },
            memory: state.memory,
            memory_peak: state.memory_peak,
            failed: state.failed,
            wish: self.wish.clone(),
            resetters: state.resetters,
            garbage: state.garbage,
            drifts: self.drifts.clone(),
            // Negative: there is none.
            tick: Duration::try_from_secs_f64(state.tick).ok(),
        }
    }

    /// That has been said.
    fn forget(&mut self) {
        (self.resetting, self.wish) = (None, None);
        self.thrown.clear();
        self.drifts.clear();
    }

    /// The application names the route of the current request.
    pub(super) fn route(&mut self, template: &[u8]) {
        if let Some(current) = &self.current {
            current.exchange.request.trail.set_route(Route::named(template));
        }
    }

    /// The script's part in the current request begins.
    pub(super) fn script(&mut self) {
        self.mark(Moment::Script, Instant::now());
    }

    /// The reset of a request begins.
    pub(super) fn resetting(&mut self) {
        let now = Instant::now();
        self.resetting = Some(now);
        self.mark(Moment::Returned, now);
        self.seat.resetting();
    }

    /// A resetter or an idle callback has failed.
    pub(super) fn note_thrown(&mut self, thrown: Thrown) {
        self.thrown.push(thrown);
    }

    /// The drift detector has found something.
    pub(super) fn note_drift(&mut self, drift: Drift) {
        if self.drifts.len() < MOST_DRIFTS {
            self.drifts.push(drift);
        }
    }

    /// The route of the current request, or its path without query; empty outside of one.
    pub(super) fn told_route(&self) -> String {
        let Some(current) = &self.current else { return String::new() };
        let request = &current.exchange.request;
        request.trail.route().told().map_or_else(
            || {
                let uri = request.display(request.uri);
                uri.split('?').next().unwrap_or_default().chars().take(MAX_TEMPLATE_BYTES).collect()
            },
            str::to_owned,
        )
    }

    /// The application wants another worker. The first one who says so gives the reason.
    pub(super) fn wish(&mut self, new: Wish) {
        match &mut self.wish {
            Some(wish) => wish.hard |= new.hard,
            none => *none = Some(new),
        }
    }

    /// Whether the pool has asked the loop to end.
    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    fn mark(&self, moment: Moment, at: Instant) {
        if let Some(current) = &self.current {
            current.exchange.request.trail.timeline().note(moment, at);
        }
    }

    /// The exchange being served.
    pub(super) fn exchange(&mut self) -> Option<&mut Exchange> {
        self.current.as_mut().map(|current| &mut *current.exchange)
    }

    /// Tells the pool that the client has its response.
    pub(super) fn responded(&mut self) {
        self.seat.responded();
    }

    /// Id of the current request, for log records.
    pub(super) fn request_id(&self) -> Option<String> {
        let request = &self.current.as_ref()?.exchange.request;
        Some(request.display(request.request_id).into_owned())
    }

    /// The trace that the current request is part of, for log records.
    pub(super) fn trace_id(&self) -> Option<TraceId> {
        Some(self.current.as_ref()?.exchange.request.trace?.id)
    }

    pub(super) fn note_error(&mut self, message: &str) {
        self.last_error = Some(message.to_owned());
    }

    /// The last message of error level, for a script that did not come up.
    pub(super) fn take_last_error(&mut self) -> Option<String> {
        self.last_error.take()
    }

    pub(super) fn identity(&self) -> &crate::job::Identity {
        self.seat.identity()
    }
}
