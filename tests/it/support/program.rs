//! The executable, run to its end.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::dir::PrivateDir;

/// The executable under test. `SUPERCHARGER_TEST_BIN` names another one: a release build, a sanitizer build.
pub(crate) fn executable() -> PathBuf {
    std::env::var_os("SUPERCHARGER_TEST_BIN")
        .map(PathBuf::from)
        .or_else(|| option_env!("CARGO_BIN_EXE_supercharger").map(PathBuf::from))
        .expect("run by cargo, or SUPERCHARGER_TEST_BIN=/path/to/supercharger")
}

/// A command with a clean environment, its own home and temporary folder, and its own process group.
pub(crate) fn command(program: impl AsRef<OsStr>, dir: &PrivateDir) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = tied(program.as_ref());
    command.env_clear().current_dir(dir.app()).process_group(0).stdin(Stdio::null());
    command.env("HOME", dir.path()).env("TMPDIR", dir.tmp()).env("TEST_DIR", dir.marks()).env("RUST_BACKTRACE", "1");
    for name in
        ["PATH", "LANG", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "USE_ZEND_ALLOC", "ZEND_ALLOC_PRINT_LEAKS"]
    {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// A program that the system ends together with the test's thread: a test run that is killed leaves no server behind. Without
/// util-linux it is simply the program.
fn tied(program: &OsStr) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    const TIE: [&str; 3] = ["--pdeathsig", "KILL", "--"];
    let can =
        || Command::new("setpriv").args(TIE).arg("true").stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !*SETPRIV.get_or_init(can) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(TIE).arg(program);
    command
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ended {
    /// Exit code; panics if a signal ended the program.
    #[track_caller]
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self}"))
    }

    /// All it printed.
    pub(crate) fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Panics unless the exit code is `code` and the output contains every text of `words`, in any case.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), code, "exit code; {self}");
        let output = self.output().to_lowercase();
        for word in words {
            assert!(output.contains(&word.to_lowercase()), "the message should name {word:?}; {self}");
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} after {:?}\n--- stdout\n{}--- stderr\n{}---", self.status, self.took, self.stdout, self.stderr)
    }
}

/// Runs a command to its end. One that is still there after `limit` is killed with its group, and the test fails.
#[track_caller]
pub(crate) fn run_to_end(dir: &PrivateDir, mut command: Command, limit: Duration) -> Ended {
    let (out, err) = (dir.path().join("program.out"), dir.path().join("program.err"));
    let create = |path: &Path| std::fs::File::create(path).expect("an output file");
    let started = Instant::now();
    let mut child = command.stdout(create(&out)).stderr(create(&err)).spawn().expect("the program starts");
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return Ended { status, stdout: read(&out), stderr: read(&err), took: started.elapsed() };
        }
        if started.elapsed() > limit {
            kill_group(&mut child);
            panic!("still running after {limit:?}\n--- stdout\n{}--- stderr\n{}", read(&out), read(&err));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs the executable to its end with these arguments.
#[track_caller]
pub(crate) fn supercharger(dir: &PrivateDir, arguments: &[&str], limit: Duration) -> Ended {
    let mut command = command(executable(), dir);
    command.args(arguments);
    run_to_end(dir, command, limit)
}

/// The words before a command that make descriptors 0, 1 and 2 its sockets by the protocol of systemd, as many of them as `count`; its
/// output goes to the file that `LOG` names.
pub(crate) fn activation(count: usize) -> Vec<String> {
    let script = format!(
        "exec 3<&0 4>&1 5>&2 </dev/null >>\"$LOG\" 2>&1; LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES=first:second:third \
         exec \"$@\""
    );
    vec!["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()]
}

/// Gives a command that begins with [`activation`] its sockets.
pub(crate) fn hand_over(command: &mut Command, sockets: Vec<OwnedFd>, log: &Path) {
    command.env("LOG", log).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for (index, socket) in sockets.into_iter().enumerate() {
        match index {
            0 => command.stdin(socket),
            1 => command.stdout(socket),
            _ => command.stderr(socket),
        };
    }
}

/// Ends a child and its group for good, and waits for it; bounded, because it also runs while a test unwinds.
pub(crate) fn kill_group(child: &mut Child) {
    signal_group(child.id(), "KILL");
    drop(child.kill());
    let end = Instant::now() + Duration::from_secs(10);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process group that this test started.
fn signal_group(group: u32, signal: &str) {
    send(signal, &format!("-{group}"));
}

/// Sends a signal to a process that this test started.
pub(crate) fn signal(pid: u32, signal: &str) {
    send(signal, &pid.to_string());
}

fn send(signal: &str, target: &str) {
    // The shell's own kill: no unsafe code and no crate for one system call. In this form every shell understands it. It
    // fails if the process has gone; fine.
    let script = format!("kill -s {signal} -- {target}");
    drop(Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status());
}

/// How many threads of a process have a name that begins so.
pub(crate) fn threads(pid: u32, name: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|comm| comm.starts_with(name)).count()
}

/// The processes that a process has started and that still live, the oldest first.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut children: Vec<(u64, u32)> = entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // state, parent, ... and, as the 20th from there, the time of its start.
            let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
            let is_child = fields.get(1)?.parse() == Ok(parent) && !matches!(fields[0], "Z" | "X");
            is_child.then_some((fields.get(19)?.parse().ok()?, pid))
        })
        .collect();
    children.sort_unstable();
    children.into_iter().map(|(_, pid)| pid).collect()
}

/// The processes of a group that still live; zombies do not count.
pub(crate) fn members(group: u32) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            // pid (name) state ppid pgrp ...; the name may contain spaces and parentheses.
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            let state = fields.next().unwrap_or_default();
            let pgrp = fields.nth(1).and_then(|field| field.parse().ok());
            pgrp == Some(group) && state != "Z"
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A harness whose signals do not arrive would hang instead of failing.
    #[test]
    fn signals_arrive() {
        let dir = PrivateDir::new();
        for signal_it in [|child: &Child| signal(child.id(), "TERM"), |child: &Child| signal_group(child.id(), "KILL")]
        {
            let mut sleeper = command("sleep", &dir);
            let mut child = sleeper.arg("30").spawn().expect("sleep runs");
            signal_it(&child);
            let started = Instant::now();
            let status = child.wait().expect("wait");
            assert!(status.code().is_none() && started.elapsed() < Duration::from_secs(5), "{status}");
        }
    }

    #[test]
    #[should_panic(expected = "still running")]
    fn a_program_that_does_not_end_is_killed() {
        let dir = PrivateDir::new();
        let mut sleeper = command("sleep", &dir);
        sleeper.arg("30");
        run_to_end(&dir, sleeper, Duration::from_millis(50));
    }
}
