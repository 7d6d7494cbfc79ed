//! What the service manager is told: `sd_notify(3)`, if it asks for that with `NOTIFY_SOCKET`.
//!
//! ```text
//! Starting --first generation serves--> READY --reload--> RELOADING --over, however it went--> READY ... --> STOPPING
//! ```
//!
//! Only the parent speaks, from its own loop: a watchdog that were fed by another thread would say nothing about it. Children do not
//! even know the variables. A manager that does not read is not waited for. While the server starts, reloads or stops the
//! manager's own time limit is put off again and again; the limits of the supervisor, which come from the configuration, end all three.
//!
//! `sd-notify` and its like write blocking, and not to the abstract addresses that container managers use: hence a socket of our own.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::child::Stage;
use super::ending::{HELD, LOOP};
use super::shift::Kind;
use super::{Blueprint, EndFault, Supervisor};
use crate::telemetry::events::ServiceNotice;

/// The variables of the protocol. What is told by them is for the parent process alone.
pub(super) const VARIABLES: [&str; 3] = [SOCKET, "WATCHDOG_USEC", "WATCHDOG_PID"];
const SOCKET: &str = "NOTIFY_SOCKET";

/// How often the manager is asked for more time, and how much it is asked for: enough for a parent that is late under load.
const EXTEND_EVERY: Duration = Duration::from_secs(5);
const EXTEND_BY: Duration = Duration::from_secs(20);
/// Bytes of a status text: it stands on one line of `systemctl status`.
const LONGEST_STATUS: usize = 300;

/// The last thing that the manager was told about the server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Starting,
    Ready,
    Reloading,
    Stopping,
}

/// The service manager, if there is one that wants to know.
#[derive(Debug)]
pub(super) struct Service {
    line: Option<Line>,
    word: Word,
    status: String,
    /// Half of the time after which the manager gives this process up.
    watchdog: Option<Duration>,
    watchdog_due: Instant,
    extend_due: Instant,
}

#[derive(Debug)]
struct Line {
    socket: UnixDatagram,
    address: SocketAddr,
    /// It was told once that the manager cannot be told.
    complained: bool,
}

impl Service {
    /// As the environment of this process says.
    pub(super) fn from_env() -> Self {
        let named = env::var_os(SOCKET).filter(|name| !name.is_empty());
        let line = named.and_then(|name| match open(&name) {
            Ok(line) => Some(line),
            Err(error) => {
                ServiceNotice { error: &error }.emit();
                None
            }
        });
        let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let watchdog = watchdog(number("WATCHDOG_USEC"), number("WATCHDOG_PID"), std::process::id());
        let now = Instant::now();
        Self {
            watchdog: watchdog.filter(|_| line.is_some()),
            line,
            word: Word::Starting,
            status: String::new(),
            watchdog_due: now,
            extend_due: now,
        }
    }

    /// The first generation serves.
    pub(super) fn serves(&mut self) {
        if self.word == Word::Starting {
            self.say(Word::Ready, "READY=1");
        }
    }

    /// A reload was asked for. Each time anew: the manager compares the moment with that of its own order. Before the first
    /// generation serves there is nothing that it could be told.
    pub(super) fn reloads(&mut self) {
        if matches!(self.word, Word::Ready | Word::Reloading) {
            self.extend_due = Instant::now();
            self.say(Word::Reloading, &format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()));
        }
    }

    /// No reload goes on and none waits.
    fn settles(&mut self) {
        if self.word == Word::Reloading {
            self.say(Word::Ready, "READY=1");
        }
    }

    /// The server ends.
    pub(super) fn stops(&mut self) {
        if self.word != Word::Stopping {
            self.extend_due = Instant::now();
            self.say(Word::Stopping, "STOPPING=1");
        }
    }

    fn say(&mut self, word: Word, message: &str) {
        self.word = word;
        self.send(message);
    }

    /// In words for people; nothing is sent while they stay the same.
    fn status(&mut self, text: &str) {
        let text = one_line(text);
        if self.line.is_some() && text != self.status {
            self.send(&format!("STATUS={text}"));
            self.status = text;
        }
    }

    /// When [`Self::beat`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.line.as_ref()?;
        let extend = (self.word != Word::Ready).then_some(self.extend_due);
        let watchdog = self.watchdog.map(|_| self.watchdog_due);
        extend.into_iter().chain(watchdog).min()
    }

    /// Says that the loop lives, and that what takes long goes on.
    fn beat(&mut self, now: Instant) {
        if let Some(interval) = self.watchdog.filter(|_| now >= self.watchdog_due) {
            self.watchdog_due = now + interval;
            self.send("WATCHDOG=1");
        }
        if self.word != Word::Ready && now >= self.extend_due {
            self.extend_due = now + EXTEND_EVERY;
            self.send(&format!("EXTEND_TIMEOUT_USEC={}", EXTEND_BY.as_micros()));
        }
    }

    fn send(&mut self, message: &str) {
        let Some(line) = &mut self.line else { return };
        match line.socket.send_to_addr(message.as_bytes(), &line.address) {
            Ok(_) => line.complained = false,
            Err(error) if !line.complained => {
                line.complained = true;
                ServiceNotice { error: &error }.emit();
            }
            Err(_) => {}
        }
    }
}

fn open(name: &OsString) -> io::Result<Line> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(Line { socket, address: address(name)?, complained: false })
}

/// A path, or `@` and an abstract name (sd_notify(3)).
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        Some((b'/', _)) => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "NOTIFY_SOCKET is neither a path nor @ and a name")),
    }
}

/// Half of what the manager grants, if it is this process that it watches (sd_watchdog_enabled(3)).
fn watchdog(usec: Option<u64>, pid: Option<u64>, own: u32) -> Option<Duration> {
    let is_ours = pid.is_none_or(|pid| pid == u64::from(own));
    usec.filter(|usec| *usec > 0 && is_ours).map(|usec| Duration::from_micros(usec) / 2)
}

/// What `MONOTONIC_USEC` wants: CLOCK_MONOTONIC in microseconds.
fn monotonic_usec() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// A status is a line: what PHP said in it must not become another message.
fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let end = line.floor_char_boundary(LONGEST_STATUS);
    line[..end].chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

impl<B: Blueprint> Supervisor<B> {
    /// Tells the service manager what there is to tell.
    pub(super) fn tell_service(&mut self, now: Instant) {
        if self.service.line.is_none() {
            return;
        }
        if !self.ending && !self.is_reloading() && self.queued.is_none() {
            self.service.settles();
        }
        let status = self.in_words();
        self.service.status(&status);
        self.service.beat(now);
    }

    fn in_words(&self) -> String {
        if let Some(EndFault::Boot(why)) = &self.outcome.fault {
            return format!("did not start: {why}");
        }
        if self.ending {
            return format!("stopping: {} processes finish what they have", self.children.len());
        }
        if self.shifts.iter().any(|shift| shift.kind == Kind::Start) {
            return format!("starting: {} processes boot", self.children.len());
        }
        let serving = self.children.values().filter(|child| child.stage == Stage::Serving);
        let (processes, workers) = serving.fold((0, 0), |sum, child| (sum.0 + 1, sum.1 + child.workers.0));
        let mut words = format!("generation {}: {processes} processes serve, {workers} workers", self.current.number);
        if self.is_reloading() {
            words += "; a reload goes on";
        } else if let Some(why) = self.last_reload.as_ref().and_then(|last| last.error.as_ref()) {
            words += &format!("; the last reload failed: {why}");
        }
        let stands = |place: u32| {
            self.children.values().any(|child| {
                child.process.place == place && child.stage == Stage::Serving && child.started.elapsed() >= HELD
            })
        };
        let loops = self.series.iter().filter(|(place, series)| series.in_a_row >= LOOP && !stands(**place));
        for (place, series) in loops {
            words += &format!("; process {place} has crashed {} times in a row", series.in_a_row);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_process_that_is_watched_feeds_the_watchdog() {
        let half = Some(Duration::from_secs(5));
        assert_eq!(watchdog(Some(10_000_000), None, 7), half);
        assert_eq!(watchdog(Some(10_000_000), Some(7), 7), half);
        assert_eq!(watchdog(Some(10_000_000), Some(8), 7), None);
        assert_eq!(watchdog(Some(0), None, 7), None);
        assert_eq!(watchdog(None, Some(7), 7), None);
    }

    #[test]
    fn an_address_is_a_path_or_an_abstract_name() {
        assert!(address(OsStr::new("/run/systemd/notify")).is_ok_and(|address| address.as_pathname().is_some()));
        let named = address(OsStr::new("@/org/freedesktop/notify")).expect("an address");
        assert_eq!(named.as_abstract_name(), Some(&b"/org/freedesktop/notify"[..]));
        assert!(address(OsStr::new("vsock:2:1234")).is_err());
        assert!(address(OsStr::new("")).is_err());
    }

    #[test]
    fn a_status_is_one_short_line() {
        assert_eq!(one_line("a\tb\u{1b}[2J\nREADY=1"), "a b [2J");
        assert_eq!(one_line(&"\u{e9}".repeat(500)).len(), LONGEST_STATUS);
    }
}
