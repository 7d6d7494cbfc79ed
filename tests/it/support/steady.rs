//! Clients that do not stop: each sends one request after the other and notes what became of it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

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
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    mark: Arc<AtomicU64>,
    done: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<Outcome>>>,
}

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

/// Sends a request and takes its answer: status, body, and whether the server closes the connection.
pub(crate) fn exchange(stream: &mut TcpStream, path: &str, keep: bool) -> Result<(u16, String, bool), String> {
    let said = |step: &'static str| move |error: io::Error| format!("{step}: {error}");
    stream.set_read_timeout(Some(PATIENCE)).map_err(said("socket"))?;
    let connection = if keep { "keep-alive" } else { "close" };
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(head.as_bytes()).map_err(said("write"))?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let field = |name: &str| {
                head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
            };
            let length: usize = field("content-length").and_then(|text| text.parse().ok()).ok_or("no length")?;
            if bytes.len() >= end + 4 + length {
                let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or("no status")?;
                let closes = field("connection").is_some_and(|value| value == "close");
                return Ok((status, String::from_utf8_lossy(&bytes[end + 4..]).into_owned(), closes));
            }
        }
        match stream.read(&mut piece).map_err(said("read"))? {
            0 => return Err(format!("closed after {} bytes of the answer", bytes.len())),
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}
