//! Servers that have been started for one comparison and give the right answer.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::application::Application;
use crate::peer::{self, Found, Keeps, Peer, Setup};
use crate::plan::Plan;
use crate::probe::{self, Answer};
use crate::process::{self, Server};
use crate::report::Entry;
use crate::state::State;

/// Files larger than this are no configuration.
const LARGEST_FILE: u64 = 16 << 10;
/// How many times as often as there are workers a server is asked what has served it, so that each of them is.
const ASKED: u32 = 8;

/// How long a server that listens may take to its first good answer.
const READY: Duration = Duration::from_secs(10);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// A server and what is known of it.
pub(crate) struct Running {
    pub(crate) peer: Box<dyn Peer>,
    pub(crate) server: Server,
    pub(crate) folder: PathBuf,
    pub(crate) answer: Answer,
    pub(crate) entry: Entry,
}

/// What all servers of a run need.
pub(crate) struct Stage<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) found: &'a Found,
    pub(crate) scratch: &'a Scratch,
    pub(crate) collector: SocketAddr,
}

impl Stage<'_> {
    /// The commands of a peer on a free port, its folder and how it is shown.
    pub(crate) fn prepare(
        &self,
        peer: &dyn Peer,
        application: &Application,
        workers: u32,
        reference: Option<&Answer>,
    ) -> Result<(Vec<Command>, SocketAddr, PathBuf), String> {
        let address = process::free_address()?;
        let folder = self.scratch.folder(&format!("{}-{}", application.name, peer.name()))?;
        let setup = Setup {
            address,
            plan: self.plan,
            application,
            workers,
            folder: &folder,
            reference,
            collector: self.collector,
        };
        let mut commands = peer.commands(setup, self.found)?;
        for command in &mut commands {
            command.envs(application.environment.iter().copied());
        }
        Ok((commands, address, folder))
    }

    /// Starts a peer and sees whether it answers as the others do.
    pub(crate) fn start(
        &self,
        peer: Box<dyn Peer>,
        application: &Application,
        reference: Option<&Answer>,
    ) -> Result<Running, String> {
        let version = peer.find(self.plan, self.found)?;
        let workers = peer.workers().unwrap_or(self.plan.workers);
        let (commands, address, folder) = self.prepare(peer.as_ref(), application, workers, reference)?;
        let shown = commands.iter().map(shown).collect();
        let files = configuration(&folder);
        let server = Server::start(commands, address, &folder.join("output.log"))?;
        let answer = first_answer(address, application)
            .and_then(|answer| compare(&answer, reference).map(|()| answer))
            .map_err(|error| format!("{error}\n{}", server.last_words()))?;
        let entry = Entry::new(application.name, peer.name(), version, shown, files, &answer);
        Ok(Running { peer, server, folder, answer, entry })
    }
}

impl Running {
    /// Asks what has served: whether the peer keeps what it says that it keeps, and by what PHP.
    pub(crate) fn look_inside(&mut self, application: &Application, workers: u32) -> Result<(), String> {
        let Some(path) = application.state.filter(|_| self.peer.keeps() != Keeps::NoApplication) else { return Ok(()) };
        let mut most = State::default();
        for _ in 0..workers * ASKED {
            let state = State::parse(&probe::fetch(self.server.address, path, 0)?.body)?;
            most = if state.served > most.served { state } else { most };
        }
        let told = most.told();
        let wrong = wrong(self.peer.keeps(), most.served);
        self.entry.php = Some(most);
        wrong.map_or(Ok(()), |wrong| Err(format!("{wrong} ({told})")))
    }
}

/// What is wrong with a server of which one copy of the application has served so many requests.
fn wrong(keeps: Keeps, served: u64) -> Option<&'static str> {
    match keeps {
        Keeps::Application if served < 2 => Some("it starts anew at each request: worker mode is not on"),
        Keeps::ApplicationFor(requests) if served > requests => Some("its workers are not replaced"),
        Keeps::Nothing if served != 1 => Some("it keeps the application, though it should not"),
        _ => None,
    }
}

/// The first good answer, within a time.
pub(crate) fn first_answer(address: SocketAddr, application: &Application) -> Result<Answer, String> {
    let began = Instant::now();
    probe::first_good(address, (application.path, application.upload), PAUSE, |last| match last {
        _ if began.elapsed() < READY => Ok(()),
        Some(bad) => Err(format!("it answers {} instead of 2xx: {}", bad.status, bad.body)),
        None => Err(format!("no answer from {address} within {READY:?}")),
    })
}

/// Refuses to compare servers that do not do the same work.
fn compare(answer: &Answer, reference: Option<&Answer>) -> Result<(), String> {
    if !(200..300).contains(&answer.status) {
        return Err(format!("it answers {} instead of 2xx: {}", answer.status, answer.body));
    }
    match reference {
        Some(first) if !answer.same_as(first) => Err(format!(
            "it does not answer as the first server did: status {} and {}, {} and {} bytes of body",
            answer.status, first.status, answer.body_bytes, first.body_bytes
        )),
        _ => Ok(()),
    }
}

/// Starts who takes the spans of peers that are observed. It is no part of them, and shares the machine with all.
pub(crate) fn collector(scratch: &Scratch) -> Result<Server, String> {
    let address = process::free_address()?;
    let folder = scratch.folder("collector")?;
    let mut command = peer::bare()?;
    command.args(["--listen", &address.to_string(), "--body", ""]);
    Server::start(vec![command], address, &folder.join("output.log"))
}

/// Folders for what the servers read and print, gone at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("supercharger-bench-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// A new folder of this name.
    fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.0.join(name.replace(' ', "-"));
        // One of an earlier round must not show in this one.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a peer has written for its server to read: name and text.
fn configuration(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|data| data.is_file() && data.len() <= LARGEST_FILE))
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, fs::read_to_string(entry.path()).ok()?)))
        .collect();
    files.sort();
    files
}

fn shown(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy())));
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    variables.chain(words.map(|word| word.to_string_lossy().into_owned())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, hash: &str) -> Answer {
        Answer { status, body_sha256: hash.to_owned(), body_bytes: 2, headers: Vec::new(), body: "hi".to_owned() }
    }

    #[test]
    fn a_server_that_does_not_keep_what_it_says_is_found() {
        assert!(wrong(Keeps::Application, 1).expect("a fault").contains("worker mode is not on"));
        assert!(wrong(Keeps::ApplicationFor(110), 111).expect("a fault").contains("not replaced"));
        assert!(wrong(Keeps::Nothing, 2).is_some());
        for right in [(Keeps::Application, 2), (Keeps::ApplicationFor(110), 110), (Keeps::Nothing, 1)] {
            assert_eq!(wrong(right.0, right.1), None, "{right:?}");
        }
    }

    #[test]
    fn peers_that_answer_otherwise_are_refused() {
        let first = answer(200, "a");
        assert!(compare(&answer(200, "a"), Some(&first)).is_ok());
        assert!(compare(&answer(200, "a"), None).is_ok());
        assert!(compare(&answer(200, "b"), Some(&first)).is_err());
        assert!(compare(&answer(201, "a"), Some(&first)).is_err());
        assert!(compare(&answer(500, "a"), None).is_err(), "even the first one must answer well");
    }
}
