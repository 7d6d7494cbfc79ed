//! The endpoints for operators: alive, ready, status, workers, metrics, the orders to replace workers, reload and drain, and a page that
//! shows and does all that.
//!
//! They live in the parent process, which runs no PHP, on a thread and a tokio runtime of their own, so that they answer while
//! every worker is stuck and every child is out of its mind. What is shown is a [`View`]; it comes, within a bound, from a
//! [`Server`], which is whoever starts this module. Nothing here knows how children are kept.
//!
//! Everything but liveness and the empty page is behind the guard ([`guard`]), which each handler asks by itself: no path, however it is written, leads past it.

#![forbid(unsafe_code)]

mod aggregate;
mod checks;
mod dashboard;
mod feed;
mod guard;
mod health;
mod maintenance;
mod metrics;
mod routes;
mod serve;
mod telemetry;
mod totals;
mod view;

use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::thread;

use tokio::runtime;
use tokio::sync::{oneshot, watch};

use crate::control::Maintenance;

pub use guard::{AddressRange, Behind, Gate, HostName, Mode, NoHostName, NoRange, Proxies, Rules, Token};
pub use serve::Listener;
pub use telemetry::{Flusher, Telemetry, flush};
pub use view::{Child, Order, Process, Reloaded, Role, Stage, View};

/// What the endpoints are about.
pub trait Server: Send + Sync + 'static {
    /// How it stands. Must come within about two seconds, also if a child says nothing: scrapers and load balancers give up soon after.
    fn view(&self) -> impl Future<Output = View> + Send;

    /// Boots a new generation and lets it take over. Resolves when that has happened or has failed.
    fn reload(&self) -> impl Future<Output = Reloaded> + Send;

    /// Finishes what runs, and ends.
    fn drain(&self) -> impl Future<Output = ()> + Send;

    /// Has clients told to come back later, or served again. Resolves when that is so.
    fn maintain(&self, maintenance: Option<Maintenance>) -> impl Future<Output = ()> + Send;

    /// Replaces workers in order: those of one pool or all, that of one slot or all. Brings how many were told.
    ///
    /// # Errors
    /// There is no such pool or slot: a sentence.
    fn recycle(&self, order: Order) -> impl Future<Output = Result<u32, String>> + Send;

    /// Where metrics are written besides.
    fn telemetry(&self) -> &Telemetry;
}

/// Every path but that of the dashboard, sorted: what a child passes on when the endpoints are to be had there.
pub fn paths() -> Arc<[&'static str]> {
    let mut paths: Vec<_> = routes::PATHS.concat();
    paths.sort_unstable();
    paths.into()
}

/// The running endpoints; dropping it ends them.
#[derive(Debug)]
pub struct Admin {
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Starts the endpoints on a thread of their own: on a socket, and where children hand over what comes to them.
///
/// # Errors
/// The thread or its runtime could not be started.
pub fn start(
    listener: Option<Listener>,
    doorway: Option<UnixDatagram>,
    gate: Gate,
    server: impl Server,
) -> io::Result<Admin> {
    let (end, ended) = oneshot::channel();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (listener, doorway) = {
        let _inside = runtime.enter();
        let doorway = doorway.map(tokio::net::UnixDatagram::from_std).transpose()?;
        (listener.map(Listener::into_tokio).transpose()?, doorway)
    };
    let (closing, closed) = watch::channel(false);
    let router = routes::router(server, feed::Feed::new(closed));
    let thread = thread::Builder::new().name("sc-admin".to_owned()).spawn(move || {
        runtime.block_on(serve::serve(listener, doorway, router, gate, ended, closing));
        runtime.shutdown_background();
    })?;
    Ok(Admin { end: Some(end), thread: Some(thread) })
}

impl Drop for Admin {
    fn drop(&mut self) {
        // The thread ends within its grace; if it has panicked there is nothing to end.
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
