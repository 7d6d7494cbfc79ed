//! Listening sockets from bind to drain.
//!
//! `acceptor` takes connections off the sockets, `connection` serves one of them to its end and keeps its clock. All of them listen
//! to one [`Order`].
//!
//! Several processes may listen on the same sockets. One that hands over to another takes no connection any more from the moment it is
//! told; what waits in the kernel's queue is for the other one.

#![forbid(unsafe_code)]

mod acceptor;
mod connection;
mod listening;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::listen::{self, BindError, Bound, InheritError, ListenAddress, Socket};
use super::{Backend, Config, Router};
use acceptor::Acceptor;
use connection::Server;
use listening::Listening;

/// Time for connections accepted in the last moment to hand in the request that they have sent already.
const SETTLE: Duration = Duration::from_millis(50);
/// For how long clients that keep their connection may bring one more request, which is answered with `Connection: close`, after
/// another process has taken over: who sends requests one after the other notices by an answer and not by a closed connection.
const LAST_ANSWER: Duration = Duration::from_secs(1);
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
    /// No new connection, and none out of the kernel's queue; each ends after one more answer.
    HandOver,
    /// Drop everything.
    Cut,
}

/// Bound sockets, before there is anything that could answer.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<Socket>,
}

/// Why serving comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// The server stops: what waits in the kernel's queue is still taken.
    Stop,
    /// Another process accepts on the same sockets.
    HandOver,
}

/// How far the farewell has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// No connection is accepted any more.
    NotAccepting,
    /// No new request is read any more, on no connection.
    Quiet,
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

/// Binds every address, or none; what `before` has bound for the same address is kept.
///
/// # Errors
/// The first address that cannot be had, as a sentence for the operator.
pub fn rebind(addresses: &[ListenAddress], before: &Listeners) -> Result<Listeners, BindError> {
    let kept = |address: &ListenAddress| {
        let socket = before.sockets.iter().find(|socket| socket.is_at(address))?;
        Some(socket.kept(address))
    };
    let bound = |address: &ListenAddress| match address.bind() {
        Err(BindError::InUse { address, port }) if before.has_port(port) => Err(BindError::Ours { address, port }),
        bound => bound,
    };
    let sockets = addresses.iter().map(|address| kept(address).unwrap_or_else(|| bound(address)));
    let sockets = sockets.collect::<Result<_, _>>()?;
    Ok(Listeners { sockets })
}

/// Takes over sockets that another process has bound and listens on.
///
/// # Errors
/// What is no such socket.
pub fn adopt(descriptors: Vec<OwnedFd>) -> io::Result<Listeners> {
    let sockets = descriptors.into_iter().map(listen::adopt).collect::<Result<_, _>>()?;
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

    fn has_port(&self, port: u16) -> bool {
        self.sockets.iter().any(|socket| matches!(socket.bound, Bound::Tcp(address) if address.port() == port))
    }

    /// Whether somebody else has bound them, so that no configuration says where they listen.
    pub fn are_inherited(&self) -> bool {
        self.sockets.iter().all(|socket| socket.address.is_none())
    }

    /// Second handles of the same sockets.
    ///
    /// # Errors
    /// What the system says.
    pub fn again(&self) -> io::Result<Self> {
        let sockets = self.sockets.iter().map(Socket::again).collect::<Result<_, _>>()?;
        Ok(Self { sockets })
    }

    /// What another process can [`adopt`].
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.sockets.iter().map(Socket::descriptor).collect()
    }

    /// Serves until `stop` resolves, then drains: no new connections, idle ones are closed, requests in flight end.
    /// What is left when `drain_timeout` is over is cut. `tell` hears how far it has come.
    ///
    /// # Errors
    /// A socket that cannot be handed to tokio.
    pub async fn serve<B: Backend>(
        self,
        backend: B,
        config: Config,
        router: Router,
        stop: impl Future<Output = Farewell>,
        drain_timeout: Duration,
        tell: impl Fn(Parting),
    ) -> io::Result<Drained> {
        let orders = Arc::new(watch::Sender::new(Order::Serve));
        let places = Arc::new(Semaphore::new(config.max_connections));
        let closing = Arc::new(AtomicBool::new(false));
        let server = Arc::new(Server::new(backend, config, router, Arc::clone(&closing)));
        let (reading, mut read) = mpsc::channel(1);
        let mut acceptors = JoinSet::new();
        for socket in self.sockets {
            let acceptor = Acceptor {
                listening: Listening::new(socket)?,
                server: Arc::clone(&server),
                places: Arc::clone(&places),
                orders: Arc::clone(&orders),
                reading: Reading(reading.clone()),
            };
            acceptors.spawn(acceptor.run());
        }
        drop((server, reading));

        let farewell = stop.await;
        closing.store(true, Ordering::Relaxed);
        // First the acceptors, whose last connections may not have been looked at, then the connections.
        orders.send_replace(match farewell {
            Farewell::Stop => Order::Drain,
            Farewell::HandOver => Order::HandOver,
        });
        while acceptors.join_next().await.is_some() {}
        tell(Parting::NotAccepting);
        let over = async {
            // Nothing is ever sent: the channel closes with the last one who reads.
            read.recv().await;
            tell(Parting::Quiet);
            orders.closed().await;
        };
        let left = match timeout(drain_timeout, over).await {
            Ok(()) => 0,
            Err(_) => orders.receiver_count(),
        };
        orders.send_replace(Order::Cut);
        // Every task that is told drops its connection at once; this only waits until they have been scheduled.
        drop(timeout(CUT_TIME, orders.closed()).await);
        Ok(Drained { cut: left })
    }
}

/// Held by whoever may still read a new request.
#[derive(Debug, Clone)]
struct Reading(#[allow(dead_code, reason = "only its end is of interest")] mpsc::Sender<()>);

/// Resolves once the acceptors are to stop. A sender that is gone is an order as well.
async fn stopped(orders: &mut watch::Receiver<Order>) {
    drop(orders.wait_for(|order| matches!(order, Order::Drain | Order::HandOver | Order::Cut)).await);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    fn address(text: &str) -> ListenAddress {
        text.parse().expect("an address")
    }

    #[test]
    fn a_socket_file_whose_rights_change_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.sock");
        let with = |options: &str| address(&format!("unix:{}{options}", path.display()));
        let seen = || {
            let data = std::fs::symlink_metadata(&path).expect("the file");
            (data.ino(), data.permissions().mode() & 0o777)
        };
        let first = bind(&[with("")]).expect("bound");
        let (inode, mode) = seen();
        assert_eq!(mode, 0o660);
        let second = rebind(&[with("?mode=0600")], &first).expect("kept");
        assert_eq!(seen(), (inode, 0o600));
        // The reload has failed; the next one comes from the old generation.
        drop(second);
        let third = rebind(&[with("")], &first).expect("kept");
        assert_eq!(seen(), (inode, 0o660));
        drop((first, third));
        assert!(!path.exists());
    }

    #[test]
    fn the_same_port_for_another_host_needs_a_restart() {
        let first = bind(&[address("127.0.0.1:0")]).expect("bound");
        let Some(Bound::Tcp(bound)) = first.addresses().pop() else { panic!("a port") };
        let message = rebind(&[address(&format!("0.0.0.0:{}", bound.port()))], &first).expect_err("taken").to_string();
        assert!(message.contains("this server has the port already") && message.contains("Restart"), "{message}");
        // Somebody else's is somebody else's.
        let other = bind(&[address("127.0.0.1:0")]).expect("bound");
        let Some(Bound::Tcp(taken)) = other.addresses().pop() else { panic!("a port") };
        let message = rebind(&[address(&taken.to_string())], &first).expect_err("taken").to_string();
        assert!(message.contains("by another process"), "{message}");
    }
}
