//! What a PHP thread keeps on the Rust side; C holds a pointer to it and hands it back to each leaf.

use std::time::{Duration, Instant};

use opentelemetry::Value;
use opentelemetry::trace::{SpanKind, TraceId};

use super::panic::Parked;
use super::view::RequestView;
use crate::job::{
    Boundary, Care, Drift, Exchange, MAX_TEMPLATE_BYTES, Moment, Next, ResetOutcome, Route, Seat, Thrown, TraceParent,
    Wish,
};
use crate::sys;
use crate::telemetry::DriftLimit;

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
    /// The first findings of this worker, each once.
    known: Vec<Known>,
    /// Of what there is more than drift is looked for in.
    drift_limit: Option<DriftLimit>,
    wish: Option<Wish>,
    /// Spans that the application has begun. One of an earlier request cannot be taken for one of this.
    spans: u64,
}

/// A finding of the drift detector, as it was told.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) kind: &'static str,
    pub(super) why: &'static str,
    pub(super) what: String,
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) detail: String,
    pub(super) route: String,
    pub(super) request_id: String,
    pub(super) leaks: bool,
}

/// Most findings that are kept for those who ask the worker itself.
const MOST_KNOWN: usize = 64;

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
            known: Vec::new(),
            drift_limit: None,
            wish: None,
            spans: 0,
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
            drift_limit: self.drift_limit.map(DriftLimit::label),
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

    /// What it has found is new.
    pub(super) fn keep_known(&mut self, known: Known) {
        if self.known.len() < MOST_KNOWN {
            self.known.push(known);
        }
    }

    /// A finding, in the order in which they were told.
    pub(super) fn known(&self, place: usize) -> Option<&Known> {
        self.known.get(place)
    }

    /// The application begins a span in a request that is sampled. 0: there is no room for it.
    pub(super) fn begin_span(
        &mut self,
        name: &str,
        kind: SpanKind,
        attributes: impl IntoIterator<Item = (String, Value)>,
    ) -> u64 {
        let Some(current) = &mut self.current else { return 0 };
        let children = current.exchange.request.children.get_or_insert_default();
        self.spans += 1;
        if children.begin(self.spans, name, kind, attributes) { self.spans } else { 0 }
    }

    /// It ends one. False: there is no open one of that number.
    pub(super) fn end_span(
        &mut self,
        number: u64,
        error: Option<&str>,
        attributes: impl IntoIterator<Item = (String, Value)>,
    ) -> bool {
        let children = self.current.as_mut().and_then(|current| current.exchange.request.children.as_mut());
        children.is_some_and(|children| children.end(number, error, attributes))
    }

    /// The context for what the current request asks of others.
    pub(super) fn trace_parent(&self) -> Option<TraceParent> {
        let request = &self.current.as_ref()?.exchange.request;
        let trace = request.trace?;
        let innermost = request.children.as_ref().and_then(|children| children.innermost());
        Some(trace.parent(innermost.unwrap_or(trace.php)))
    }

    /// The drift detector does not look at everything.
    pub(super) fn note_drift_limit(&mut self, limit: DriftLimit) {
        self.drift_limit = Some(limit);
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
