//! A started server: readiness, CPU time and memory of it and of everything it started, and its end.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take until it accepts connections.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server may take to leave after SIGTERM before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at something awaited.
const POLL: Duration = Duration::from_millis(2);
/// Unit of the times in /proc/PID/stat. Linux fixes it at 100 per second for user space on every architecture we build for.
const TICK: Duration = Duration::from_millis(10);

/// A running server, of one process or several that belong together; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Server {
    children: Vec<Child>,
    log: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts the processes of a server, in this order. Their output goes to `log`.
    pub(crate) fn spawn(commands: Vec<Command>, address: SocketAddr, log: &Path) -> Result<Self, String> {
        let output = File::create(log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let mut server = Self { children: Vec::new(), log: log.to_owned(), address };
        for mut command in commands {
            let copy = || output.try_clone().map_err(|error| error.to_string());
            let child = command
                .stdin(Stdio::null())
                .stdout(copy()?)
                .stderr(copy()?)
                .spawn()
                .map_err(|error| format!("cannot start {}: {error}", command.get_program().to_string_lossy()))?;
            server.children.push(child);
        }
        Ok(server)
    }

    /// Starts them and waits until the server accepts connections.
    pub(crate) fn start(commands: Vec<Command>, address: SocketAddr, log: &Path) -> Result<Self, String> {
        let mut server = Self::spawn(commands, address, log)?;
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            server.must_be_alive("at its start")?;
            if Instant::now() > deadline {
                return Err(format!("nothing listens on {address} after {START_TIMEOUT:?}:\n{}", server.last_words()));
            }
            thread::sleep(POLL);
        }
        Ok(server)
    }

    /// User and system time used so far by the server and its descendants.
    pub(crate) fn cpu_time(&self) -> Duration {
        self.family().iter().map(|stat| TICK * u32::try_from(stat.ticks).unwrap_or(u32::MAX)).sum()
    }

    /// Memory of the server and its descendants in bytes; what several processes share is divided among them.
    pub(crate) fn memory(&self) -> u64 {
        self.family().iter().map(|stat| proportional(stat.pid)).sum()
    }

    fn family(&self) -> Vec<Stat> {
        let stats = processes();
        let roots: Vec<u32> = self.children.iter().map(Child::id).collect();
        stats.values().filter(|stat| roots.iter().any(|root| descends(&stats, stat.pid, *root))).copied().collect()
    }

    /// An error with the last words of the server if one of its processes has ended.
    pub(crate) fn must_be_alive(&mut self, when: &str) -> Result<(), String> {
        for child in &mut self.children {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("the server ended {when} ({status}):\n{}", self.last_words()));
            }
        }
        Ok(())
    }

    /// The last lines of its output, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The std library only knows SIGKILL; a server should get the chance to end its children.
        for child in &self.children {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).stderr(Stdio::null()).status();
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        for child in &mut self.children {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(POLL);
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no free port on loopback: {error}"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    pid: u32,
    parent: u32,
    /// User and system time, of threads and of children waited for.
    ticks: u64,
}

/// Parses /proc/PID/stat. The name in parentheses may hold anything, so fields are counted after the last `)`.
fn parse_stat(text: &str) -> Option<Stat> {
    let pid = text.split(' ').next()?.parse().ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    // proc(5) numbers fields from 1; the first one here is number 3 (state).
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
    let ticks = field(14)? + field(15)? + field(16)? + field(17)?;
    Some(Stat { pid, parent: u32::try_from(field(4)?).ok()?, ticks })
}

/// Every process of the machine.
fn processes() -> HashMap<u32, Stat> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|text| parse_stat(&text))
        .map(|stat| (stat.pid, stat))
        .collect()
}

fn descends(stats: &HashMap<u32, Stat>, mut pid: u32, root: u32) -> bool {
    // A chain of parents is never longer than the table, even if the table changed while it was read.
    for _ in 0..=stats.len() {
        if pid == root {
            return true;
        }
        match stats.get(&pid) {
            Some(stat) if stat.parent != 0 => pid = stat.parent,
            _ => return false,
        }
    }
    false
}

fn proportional(pid: u32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|value| value.trim().split(' ').next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_odd_process_names() {
        let text = "4711 (a) b (c) S 12 4711 4711 0 -1 4194304 1 2 3 4 50 7 3 1 20 0 1 0 100 1 2";
        assert_eq!(parse_stat(text), Some(Stat { pid: 4711, parent: 12, ticks: 61 }));
        assert_eq!(parse_stat("garbage"), None);
    }

    #[test]
    fn descent_is_followed_to_the_root_and_ends() {
        let table = [(2, 1), (3, 2), (4, 9), (9, 4)];
        let stats =
            table.into_iter().map(|(pid, parent)| (pid, Stat { pid, parent, ticks: 0 })).collect::<HashMap<_, _>>();
        assert!(descends(&stats, 3, 2));
        assert!(descends(&stats, 2, 2));
        assert!(!descends(&stats, 2, 3));
        assert!(!descends(&stats, 4, 2), "a loop in a torn table ends");
    }

    #[test]
    fn the_own_process_has_used_time_and_memory() {
        let pid = std::process::id();
        assert!(processes().contains_key(&pid));
        assert!(proportional(pid) > 0);
    }
}
