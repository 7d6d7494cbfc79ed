//! Clients that ask over and over, and what they saw. Nothing panics here: what an answer means is for the test to say.

use std::io;
use std::net::SocketAddr;

use super::client::{Answer, Body, Connection, Protocol};

<<<<<<< HEAD
/// What became of a request.
=======
/// What became of one request.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// When its answer was there.
    pub(crate) ended: Instant,
    /// Status and body, or what went wrong, with the step at which it did.
    pub(crate) result: Result<(u16, String), String>,
    /// Whether the connection could not be made.
    pub(crate) refused: bool,
    /// What [`Load::mark`] had been told last when it was begun.
    pub(crate) mark: u64,
}

/// Clients at work.
>>>>>>> 02315f0 (tests: crashes, reloads and the parent process; docs: processes)
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An answer; its body may be broken off.
    Answered(Answer),
    /// The connection ended before the head of an answer: it may have been carried out, or not.
    Broken,
    /// No connection could be had.
    Refused(io::Error),
}

<<<<<<< HEAD
/// One client: a connection that stays open, and another one when it breaks. Nothing is ever sent twice.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<Connection>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }
=======
impl Load {
    /// That many clients ask for this path. Those who keep their connection make another one only when the server has said that it
    /// closes; the others make one for each request.
    pub(crate) fn start(address: SocketAddr, path: &str, clients: usize, keep: bool) -> Self {
        let (stop, mark, done) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let clients = (0..clients).map(|_| {
            let (stop, mark, done, path) = (Arc::clone(&stop), Arc::clone(&mark), Arc::clone(&done), path.to_owned());
            aside(move || {
                let (mut outcomes, mut connection) = (Vec::new(), None);
                while !stop.load(Ordering::SeqCst) {
                    let outcome = request(address, &path, keep, &mut connection, mark.load(Ordering::SeqCst));
                    done.fetch_add(1, Ordering::SeqCst);
                    if outcome.refused {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    outcomes.push(outcome);
                }
                outcomes
            })
        });
        let clients = clients.collect();
        Self { stop, mark, done, clients }
    }

    /// Requests begun from now on carry this mark.
    pub(crate) fn mark(&self, mark: u64) {
        self.mark.store(mark, Ordering::SeqCst);
    }

    /// Requests that have come to an end.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    /// Stops the clients; gives what they have seen.
    pub(crate) fn finish(self) -> Vec<Outcome> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    }
}

/// Does something on a thread of its own.
pub(crate) fn aside<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::Builder::new().name("client".to_owned()).spawn(task).expect("a thread")
}

fn request(address: SocketAddr, path: &str, keep: bool, connection: &mut Option<TcpStream>, mark: u64) -> Outcome {
    let (result, refused) = match connection.take().map_or_else(|| TcpStream::connect(address), Ok) {
        Err(error) => (Err(format!("connect: {error}")), true),
        Ok(mut stream) => match exchange(&mut stream, path, keep) {
            Ok((status, body, closes)) => {
                if keep && !closes {
                    *connection = Some(stream);
                }
                (Ok((status, body)), false)
            }
            Err(error) => (Err(error), false),
        },
    };
    Outcome { ended: Instant::now(), result, refused, mark }
}
>>>>>>> 02315f0 (tests: crashes, reloads and the parent process; docs: processes)

    /// Sends a request and reads the answer.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: impl Into<Body>) -> Outcome {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match Connection::try_open(self.address, Protocol::Http1).await {
                Ok(connection) => connection,
                Err(error) => return Outcome::Refused(error),
            },
        };
        let Ok(mut reading) = connection.try_begin(method, path, &[], body).await else { return Outcome::Broken };
        reading.rest().await;
        let answer = reading.answer();
        if !answer.closes() {
            self.connection = Some(connection);
        }
        Outcome::Answered(answer)
    }
}
