//! Takes connections off a listening socket, as many at a time as there are places.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::connection::Server;
use super::listening::Listening;
use super::{Order, Reading, stopped};
use crate::http::Backend;
use crate::http::request::Peers;
use crate::http::wire::Stream;
use crate::telemetry::events::{AcceptFailed, Crowded};

/// Rest after an `accept` that failed for want of descriptors: until some are closed, another attempt would fail too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections taken from the kernel's queue after the order to stop; the queue is no longer than that.
const LAST_ACCEPTS: usize = 1024;

/// One listening socket and what its connections need.
pub(super) struct Acceptor<B> {
    pub(super) listening: Listening,
    pub(super) server: Arc<Server<B>>,
    /// Of all acceptors together: a connection holds one until it is closed.
    pub(super) places: Arc<Semaphore>,
    pub(super) orders: Arc<watch::Sender<Order>>,
    pub(super) reading: Reading,
}

impl<B: Backend> Acceptor<B> {
    pub(super) async fn run(self) {
        let mut stop = self.orders.subscribe();
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                accepted = self.listening.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            match accepted {
                Ok((stream, peers)) => {
                    failing = false;
                    // One connection an address may wait here; the others wait in the kernel's queue.
                    // At the end it needs none: the others are about to go.
                    let place = tokio::select! {
                        place = self.place() => place,
                        () = stopped(&mut stop) => None,
                    };
                    self.start(stream, peers, place);
                }
                // It was reset before we took it: the one connection's affair.
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    if !failing {
                        AcceptFailed { listen: &self.listening.bound().to_string(), error: &error }.emit();
                    }
                    failing = true;
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        if *self.orders.borrow() == Order::HandOver {
            return;
        }
        // What the kernel has accepted for us is a promise already given.
        for _ in 0..LAST_ACCEPTS {
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { break };
            match timeout(Duration::ZERO, self.listening.accept()).await {
                Ok(Ok((stream, peers))) => self.start(stream, peers, Some(place)),
                _ => break,
            }
        }
    }

    /// A place for one more connection. While there is none, idle ones are asked to go, and clients wait in the kernel's queue.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let change = |from, to| {
            self.orders.send_if_modified(|order| {
                let step = *order == from;
                if step {
                    *order = to;
                }
                step
            })
        };
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            if self.places.available_permits() > 0 {
                change(Order::Hurry, Order::Serve);
            }
            return Some(place);
        }
        if change(Order::Serve, Order::Hurry) {
            Crowded { connections: self.server.max_connections() }.emit();
        }
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    fn start(&self, stream: Stream, peers: Peers, place: Option<OwnedSemaphorePermit>) {
        let server = Arc::clone(&self.server);
        let orders = self.orders.subscribe();
        let reading = self.reading.clone();
        tokio::spawn(async move {
            server.serve(stream, peers, orders, reading).await;
            drop(place);
        });
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
