//! Listening sockets from bind to drain.
//!
//! `acceptor` takes connections off the sockets, `connection` serves one of them to its end and keeps its clock. All of them listen
//! to one [`Order`].

#![forbid(unsafe_code)]

mod acceptor;
mod connection;
mod listening;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::listen::{self, BindError, Bound, InheritError, ListenAddress, Socket};
use super::{Backend, Config, Router};
use acceptor::Acceptor;
use connection::Server;
use listening::Listening;

/// Time for connections accepted in the last moment to hand in the request that they have sent already.
const SETTLE: Duration = Duration::from_millis(50);
/// Bound on the wait for tasks to drop connections that are cut.
const CUT_TIME: Duration = Duration::from_secs(1);

/// What acceptors and connections are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Serve.
    Serve,
    /// Serve, but idle connections make room for those that wait.
    Hurry,
    /// No new connection; each ends after its present requests.
    Drain,
    /// Drop everything.
    Cut,
}

/// Bound sockets, before there is anything that could answer.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<Socket>,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Drained {
    /// Connections that were cut because the deadline had come.
    pub cut: usize,
}

/// Binds every address, or none.
///
/// # Errors
/// The first address that cannot be had, as a sentence for the operator.
pub fn bind(addresses: &[ListenAddress]) -> Result<Listeners, BindError> {
    let sockets = addresses.iter().map(ListenAddress::bind).collect::<Result<_, _>>()?;
    Ok(Listeners { sockets })
}

/// Takes the sockets that whoever started this process has opened for it (`sd_listen_fds(3)`); `None` if there are none. Must be called
/// before the first thread is started: the variables that name them are taken out of the environment.
///
/// # Errors
/// Something was handed over that cannot be listened on, as a sentence for the operator.
pub fn inherit() -> Result<Option<Listeners>, InheritError> {
    Ok(listen::inherit()?.map(|sockets| Listeners { sockets }))
}

impl Listeners {
    /// Where the server can really be reached (port 0 has become a number).
    pub fn addresses(&self) -> Vec<Bound> {
        self.sockets.iter().map(|socket| socket.bound.clone()).collect()
    }

    /// Serves until `stop` resolves, then drains: no new connections, idle ones are closed, requests in flight end.
    /// What is left when `drain_timeout` is over is cut.
    ///
    /// # Errors
    /// A socket that cannot be handed to tokio.
    pub async fn serve<B: Backend>(
        self,
        backend: B,
        config: Config,
        router: Router,
        stop: impl Future<Output = ()>,
        drain_timeout: Duration,
    ) -> io::Result<Drained> {
        let orders = Arc::new(watch::Sender::new(Order::Serve));
        let places = Arc::new(Semaphore::new(config.max_connections));
        let server = Arc::new(Server::new(backend, config, router));
        let mut acceptors = JoinSet::new();
        for socket in self.sockets {
            let acceptor = Acceptor {
                listening: Listening::new(socket)?,
                server: Arc::clone(&server),
                places: Arc::clone(&places),
                orders: Arc::clone(&orders),
            };
            acceptors.spawn(acceptor.run());
        }
        drop(server);

        stop.await;
        // First the acceptors, whose last connections may not have been looked at, then the connections.
        orders.send_replace(Order::Drain);
        while acceptors.join_next().await.is_some() {}
        let left = match timeout(drain_timeout, orders.closed()).await {
            Ok(()) => 0,
            Err(_) => orders.receiver_count(),
        };
        orders.send_replace(Order::Cut);
        // Every task that is told drops its connection at once; this only waits until they have been scheduled.
        drop(timeout(CUT_TIME, orders.closed()).await);
        Ok(Drained { cut: left })
    }
}

/// Resolves once the acceptors are to stop. A sender that is gone is an order as well.
async fn stopped(orders: &mut watch::Receiver<Order>) {
    drop(orders.wait_for(|order| matches!(order, Order::Drain | Order::Cut)).await);
}
