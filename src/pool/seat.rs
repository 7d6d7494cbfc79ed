//! The pool as one incarnation sees it, on that incarnation's own thread.

#![forbid(unsafe_code)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::keeper::Message;
use super::queue::Turn;
use super::shared::Shared;
use super::slot::Slot;
use super::state::Event;
use crate::job::{Boundary, Exit, Identity, Interrupt, Next, Runtime, Seat};
use crate::telemetry::Place;
use crate::telemetry::events::WorkerBoot;

/// How far the script has come, as its loop boundary shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has not reached its loop.
    Booting,
    /// It is in its loop.
    Looping,
    /// It was told to leave.
    Dismissed,
}

#[derive(Debug)]
struct WorkerSeat {
    shared: Arc<Shared>,
    identity: Identity,
    stage: Stage,
}

/// Body of an incarnation's thread: runs the script to its end and reports that to the keeper.
pub(super) fn occupy(shared: Arc<Shared>, runtime: &dyn Runtime, identity: Identity) {
    let slot = identity.slot;
    let mut seat = WorkerSeat { shared, identity, stage: Stage::Booting };
    seat.slot().apply(Event::Launched);
    // The runtime's state goes down with this thread, so nobody sees what a panic may have left half done.
    let exit = catch_unwind(AssertUnwindSafe(|| runtime.run(&mut seat)))
        .unwrap_or_else(|payload| Exit::Panicked { message: panic_message(payload.as_ref()) });
    seat.shared.tell_keeper(Message::Ended { slot, exit });
}

impl WorkerSeat {
    fn slot(&self) -> &Slot {
        self.shared.slot(self.identity.slot)
    }

    fn announce(&self) {
        let (boot, before) = self.slot().reached_loop();
        let Identity { pool, slot, incarnation } = &self.identity;
        WorkerBoot { place: Place { pool, slot: *slot, incarnation: *incarnation }, boot }.emit();
        self.shared.status.send_modify(|status| status.reached(before));
    }
}

impl Seat for WorkerSeat {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn attached(&mut self, _interrupt: Arc<dyn Interrupt>) {}

    fn resetting(&mut self) {}

    fn next(&mut self, _boundary: Boundary) -> Next {
        if self.stage == Stage::Dismissed {
            // A script that asks again after it was told to leave is told again.
            return Next::Stop;
        }
        self.slot().apply(Event::Acknowledged);
        if self.stage == Stage::Booting {
            self.stage = Stage::Looping;
            self.announce();
        }
        let next = match self.shared.turn(self.identity.slot) {
            Turn::Serve(exchange) => {
                self.slot().apply(Event::Assigned);
                Next::Job(exchange)
            }
            Turn::Wait => self.slot().receive(),
            Turn::Leave => {
                self.slot().apply(Event::Dismissed);
                Next::Stop
            }
        };
        if matches!(next, Next::Stop) {
            self.stage = Stage::Dismissed;
        }
        next
    }

    fn responded(&mut self) {
        self.slot().apply(Event::Responded);
    }
}

/// The text of a panic, as far as it has one.
fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "panic without a message".to_owned()
    }
}
