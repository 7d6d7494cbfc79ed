//! What a PHP thread keeps on the Rust side; C holds a pointer to it and hands it back to each leaf.

use super::panic::Parked;
use super::view::RequestView;
use crate::job::{Boundary, Exchange, Next, Seat};
use crate::sys;

/// The Rust side of one PHP thread (I3).
pub(super) struct Host<'s> {
    seat: &'s mut dyn Seat,
    /// Boxed, so that the view's pointers stay valid (I4).
    current: Option<Current>,
    pub(super) parked: Parked,
    last_error: Option<String>,
    stopped: bool,
}

struct Current {
    exchange: Box<Exchange>,
    view: Box<RequestView>,
}

impl<'s> Host<'s> {
    pub(super) fn new(seat: &'s mut dyn Seat) -> Self {
        Self { seat, current: None, parked: Parked::default(), last_error: None, stopped: false }
    }

    pub(super) fn seat(&mut self) -> &mut dyn Seat {
        self.seat
    }

    /// Takes over an exchange; the pointer is valid until the next call or [`Host::release`].
    pub(super) fn adopt(&mut self, exchange: Box<Exchange>) -> *const sys::sc_request {
        let view = RequestView::new(&exchange);
        self.current.insert(Current { exchange, view }).view.as_ptr()
    }

    /// Lets the current exchange go. An unanswered one reports its worker as lost.
    pub(super) fn release(&mut self) {
        self.current = None;
    }

    /// Waits for the next request of a worker loop.
    pub(super) fn next(&mut self) -> Option<*const sys::sc_request> {
        self.release();
        match self.seat.next(Boundary::default()) {
            Next::Job(exchange) => Some(self.adopt(exchange)),
            Next::Care(_) => self.next(),
            Next::Stop => {
                self.stopped = true;
                None
            }
        }
    }

    /// Whether the pool has asked the loop to end.
    pub(super) fn stopped(&self) -> bool {
        self.stopped
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
