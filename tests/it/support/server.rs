//! The real executable as a server, from start to verdict.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

use super::client::{Answer, Body, Connection, Protocol};
use super::dir::PrivateDir;
use super::fixture::Mode;
use super::wait::{holds_within, until};
use super::{log, program, raw};

/// How long a start may take: a debug build under a sanitizer on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(40);
/// How long an orderly stop may take when nothing is in flight.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How to start a server.
#[derive(Debug)]
pub(crate) struct Launch {
    dir: PrivateDir,
    mode: Mode,
    root: Option<String>,
    script: String,
    workers: Option<u32>,
    ini: Vec<(String, String)>,
    config: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    announced: Vec<String>,
    keeps_descriptors: usize,
    also_listen: Vec<String>,
    handed: Vec<OwnedFd>,
    arguments: Vec<String>,
    admin: Option<u16>,
}

impl Launch {
    /// The fixture application `tests/apps/plain` in this mode, with two workers.
    pub(crate) fn plain(mode: Mode) -> Self {
        Self::with_dir(PrivateDir::with_app("plain"), mode).root("public").script("public/worker.php").workers(2)
    }

    /// The application in this folder.
    pub(crate) fn with_dir(dir: PrivateDir, mode: Mode) -> Self {
        Self {
            dir,
            mode,
            root: None,
            script: "public/index.php".to_owned(),
            workers: None,
            ini: Vec::new(),
            config: Vec::new(),
            environment: Vec::new(),
            wrapper: Vec::new(),
            announced: Vec::new(),
            keeps_descriptors: 0,
            also_listen: Vec::new(),
            handed: Vec::new(),
            arguments: Vec::new(),
            admin: None,
        }
    }

    /// A further argument of the command line.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With the admin endpoints, on a port of their own; otherwise they are off, because tests run side by side.
    pub(crate) fn admin(mut self) -> Self {
        let port = free_port();
        self.admin = Some(port);
        self.config("admin.listen", &format!("\"127.0.0.1:{port}\""))
    }

    /// Where the admin endpoints will be.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.admin.expect("with admin()")))
    }

    /// The same on every address of the machine, IPv6 included.
    pub(crate) fn admin_everywhere(mut self) -> Self {
        let port = free_port();
        self.admin = Some(port);
        self.config("admin.listen", &format!("\":{port}\""))
    }

    /// Hands sockets over as systemd does, no more than three. The first must be one of 127.0.0.1: there the server is awaited.
    pub(crate) fn activated(mut self, sockets: Vec<OwnedFd>) -> Self {
        self.handed = sockets;
        self
    }

    /// A further `--listen`.
    pub(crate) fn also_listen(mut self, address: &str) -> Self {
        self.also_listen.push(address.to_owned());
        self
    }

    /// How many descriptors the application may keep for itself, such as database connections.
    pub(crate) fn keeps_descriptors(mut self, count: usize) -> Self {
        self.keeps_descriptors = count;
        self
    }

    /// `--root`.
    pub(crate) fn root(mut self, root: &str) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    /// The script of worker mode.
    pub(crate) fn script(mut self, script: &str) -> Self {
        script.clone_into(&mut self.script);
        self
    }

    /// Size of the default pool, in either mode.
    pub(crate) fn workers(mut self, count: u32) -> Self {
        self.workers = Some(count);
        self
    }

    /// A value for `php.ini`.
    pub(crate) fn ini(mut self, key: &str, value: &str) -> Self {
        self.ini.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A configuration key by its full name with a TOML value: `config("server.drain_timeout", "\"1s\"")`.
    pub(crate) fn config(mut self, key: &str, value: &str) -> Self {
        self.config.push((key.to_owned(), value.to_owned()));
        self
    }

    /// An environment variable of the server.
    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A program that starts the server: its name and arguments, to be followed by the server's own.
    pub(crate) fn wrapped(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Announces that error lines with this text belong to the test.
    pub(crate) fn expect_error(mut self, pattern: &str) -> Self {
        if pattern.contains("child.") {
            // For scripts/run-it: a test that fails after any other crash is not run again.
            eprintln!("a crash is expected");
        }
        self.announced.push(pattern.to_owned());
        self
    }

    /// The private folder, for what must be there before the start.
    pub(crate) fn dir(&self) -> &PrivateDir {
        &self.dir
    }

    /// The command line without the program, for this port.
    fn command_line(&self, port: u16) -> Vec<String> {
        let mut line = vec!["php-server".to_owned(), "--listen".to_owned(), format!("127.0.0.1:{port}")];
        line.extend(["--log-format".to_owned(), "json".to_owned()]);
        for address in &self.also_listen {
            line.extend(["--listen".to_owned(), address.clone()]);
        }
        if let Some(root) = &self.root {
            line.extend(["--root".to_owned(), root.clone()]);
        }
        if self.mode == Mode::Worker {
            let count = self.workers.map_or_else(String::new, |count| format!(",{count}"));
            line.extend(["--worker".to_owned(), format!("{}{count}", self.script)]);
        }
        if let Some(config) = self.write_config() {
            line.extend(["--config".to_owned(), config.display().to_string()]);
        }
        line.extend(self.arguments.iter().cloned());
        line
    }

    fn write_config(&self) -> Option<PathBuf> {
        let mut text = String::new();
        for (key, value) in &self.config {
            text += &format!("{key} = {value}\n");
        }
        if let (Mode::Classic, Some(count)) = (self.mode, self.workers) {
            text += &format!("pools.default.workers = {count}\n");
        }
        if !self.ini.is_empty() {
            text += "[php.ini]\n";
            for (key, value) in &self.ini {
                text += &format!("{key:?} = {value:?}\n");
            }
        }
        (!text.is_empty()).then(|| self.dir.write("supercharger.toml", &text))
    }

    /// Starts the server and waits until it is ready.
    pub(crate) async fn start(self) -> Server {
        let configured = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let line = self.command_line(configured.port());
        let handed = self.handed.first().map(|socket| {
            let listener = TcpListener::from(socket.try_clone().expect("a second handle"));
            listener.local_addr().expect("an address")
        });
        let mut words = self.wrapper.clone();
        words.push(program::executable().display().to_string());
        words.extend(line);
        if !self.handed.is_empty() {
            words.splice(0..0, program::activation(self.handed.len()));
        }
        let mut command = program::command(&words[0], &self.dir);
        command.args(&words[1..]).envs(self.environment.iter().map(|(key, value)| (key, value)));
        if !self.config.iter().any(|(key, _)| key == "admin.listen") {
            command.env("SUPERCHARGER__ADMIN__LISTEN", "off");
        }
        let output = self.dir.path().join("server.log");
        let file = std::fs::File::create(&output).expect("a log file");
        if self.handed.is_empty() {
            command.stdout(file.try_clone().expect("a second handle")).stderr(file);
        } else {
            program::hand_over(&mut command, self.handed, &output);
        }
        let child = command.spawn().expect("the server starts");
        let mut server = Server {
            child,
            dir: self.dir,
            output,
            address: handed.unwrap_or(configured),
            configured,
            announced: self.announced,
            ended: None,
            judged: false,
            descriptors: 0,
            keeps_descriptors: self.keeps_descriptors,
            admin: self.admin.map(|port| SocketAddr::from(([127, 0, 0, 1], port))),
        };
        server.wait_until_ready().await;
        server.descriptors = server.counted_descriptors();
        server
    }
}

/// A port that nobody listens on. Counted, not asked of the kernel: two tests of this process never get the same one.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below the kernel's ephemeral range, spread over the test processes that may run at the same time.
    let base = 20_000 + u16::try_from(std::process::id() % 24).unwrap_or(0) * 500;
    for _ in 0..500 {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed) % 500;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {base} on");
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    dir: PrivateDir,
    output: PathBuf,
    address: SocketAddr,
    configured: SocketAddr,
    announced: Vec<String>,
    ended: Option<ExitStatus>,
    judged: bool,
    /// Open descriptors when it was ready.
    descriptors: usize,
    keeps_descriptors: usize,
    admin: Option<SocketAddr>,
}

impl Server {
    async fn wait_until_ready(&mut self) {
        let (address, child) = (self.address, &mut self.child);
        let output = self.output.clone();
        let text = || String::from_utf8_lossy(&std::fs::read(&output).unwrap_or_default()).into_owned();
        until(START_LIMIT, "the server is ready", || {
            if let Some(status) = child.try_wait().expect("wait") {
                panic!("the server ended at its start with {status}:\n{}", text());
            }
            // The event says that every worker has reached its loop; the port must be open by then.
            let ready = text().contains("\"server.ready\"");
            (ready && TcpStream::connect(address).is_ok()).then_some(())
        })
        .await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `--listen` says; sockets that were handed over take its place.
    pub(crate) fn configured(&self) -> SocketAddr {
        self.configured
    }

    pub(crate) fn dir(&self) -> &PrivateDir {
        &self.dir
    }

    /// Where the admin endpoints are.
    #[track_caller]
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.expect("launched with admin()")
    }

    /// A request to the admin endpoints.
    pub(crate) async fn ask_admin(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        // What every order has to carry.
        let mark = (method == "POST").then_some(("x-supercharger", "1"));
        let headers: Vec<_> = headers.iter().copied().chain(mark).collect();
        self.ask_admin_unmarked(method, path, &headers).await
    }

    /// The same without the header field of orders.
    pub(crate) async fn ask_admin_unmarked(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        Connection::open(self.admin(), Protocol::Http1).await.send(method, path, headers, "").await
    }

    /// What the admin endpoint says in JSON.
    pub(crate) async fn admin_json(&self, path: &str) -> serde_json::Value {
        self.ask_admin("GET", path, &[]).await.ok().json()
    }

    /// The value of a metric, given as it is written, labels in alphabetical order; panics if there is none.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.ask_admin("GET", "/metrics", &[]).await.ok().text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {series} in\n{text}"))
    }

    /// Process id of the executable: the parent, which gets signals.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Process ids of the children, which run PHP, the oldest first.
    pub(crate) fn children(&self) -> Vec<u32> {
        program::children(self.pid())
    }

    /// Process id of the one child.
    #[track_caller]
    pub(crate) fn php_pid(&self) -> u32 {
        match self.children()[..] {
            [only] => only,
            ref children => panic!("one child process was expected, not {children:?}"),
        }
    }

    /// All it has printed so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Waits until a log line contains the text.
    pub(crate) async fn wait_for_log(&self, text: &str) -> String {
        until(Duration::from_secs(10), &format!("the log says {text:?}"), || {
            self.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
        .await
    }

    /// The files without a name that the process has open in its temporary folder.
    pub(crate) fn unnamed_files(&self) -> usize {
        let folder = self.dir.tmp().display().to_string();
        self.descriptors().iter().filter(|target| target.starts_with(&folder) && target.ends_with(" (deleted)")).count()
    }

    /// Bytes that these files have on disk.
    pub(crate) fn unnamed_bytes(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", self.php_pid())) else { return 0 };
        let folder = self.dir.tmp();
        let unnamed = entries.flatten().filter(|entry| {
            std::fs::read_link(entry.path()).is_ok_and(|target| {
                target.starts_with(&folder) && target.as_os_str().to_string_lossy().ends_with(" (deleted)")
            })
        });
        unnamed.filter_map(|entry| std::fs::metadata(entry.path()).ok()).map(|file| file.len()).sum()
    }

    /// A field of `/proc/PID/status` in KiB: `VmRSS`, `VmHWM`.
    pub(crate) fn memory_kib(&self, field: &str) -> u64 {
        memory_kib(self.php_pid(), field).unwrap_or_else(|| panic!("no {field}"))
    }

    /// A new connection.
    pub(crate) async fn connect(&self, protocol: Protocol) -> Connection {
        Connection::open(self.address, protocol).await
    }

    /// GET over a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Any request over a connection of its own.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        self.connect(Protocol::Http1).await.send(method, path, headers, body).await
    }

    /// Writes a PHP script for the route `/script` and gives the path that runs it. `code` is what follows `<?php`.
    pub(crate) fn script(&self, code: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.dir.write(&format!("marks/script-{number}.php"), &format!("<?php\n{code}\n"));
        format!("/script?s={number}")
    }

    /// GET of a JSON answer.
    pub(crate) async fn json(&self, path: &str) -> serde_json::Value {
        self.get(path).await.ok().json()
    }

    /// A bare socket.
    pub(crate) async fn raw(&self) -> raw::Raw {
        raw::Raw::open(self.address).await
    }

    /// Sends a signal to the executable.
    pub(crate) fn signal(&self, name: &str) {
        program::signal(self.pid(), name);
    }

    /// Waits for the end of the process.
    pub(crate) async fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        let child = &mut self.child;
        let status = until(limit, "the server ends", || child.try_wait().expect("wait")).await;
        self.ended = Some(status);
        status
    }

    /// What the processes have open, parent and children.
    pub(crate) fn descriptors(&self) -> Vec<String> {
        let target = |path: PathBuf| std::fs::read_link(path).map(|target| target.display().to_string());
        let processes = self.children().into_iter().chain([self.pid()]);
        let folders = processes.filter_map(|pid| std::fs::read_dir(format!("/proc/{pid}/fd")).ok());
        folders.flatten().flatten().filter_map(|entry| target(entry.path()).ok()).collect()
    }

    /// How many descriptors count as a leak if they grow. A worker has its script open or not, as OPcache had it already when the worker
    /// began: these count as far as there are more of them than workers.
    fn counted_descriptors(&self) -> usize {
        let folder = self.dir.path().display().to_string();
        let all = self.descriptors();
        let scripts = all.iter().filter(|target| target.starts_with(&folder) && target.ends_with(".php")).count();
        let threads = self.children().into_iter().map(|pid| program::threads(pid, "php-")).sum::<usize>();
        all.len() - scripts.min(threads)
    }

    /// Stops the server in order and judges it: no descriptor more than at its start, exit code 0, no process left, no
    /// unexpected error in its log, no file left in its temporary folder.
    pub(crate) async fn finish(mut self) {
        if self.ended.is_none() {
            // The test's connections are closed by now, or about to be.
            let most = self.descriptors + self.keeps_descriptors;
            let settled = holds_within(Duration::from_secs(10), || self.counted_descriptors() <= most).await;
            assert!(settled, "more than the {most} descriptors of the start are open: {:#?}", self.descriptors());
            self.signal("TERM");
            let status = self.wait_for_end(STOP_LIMIT).await;
            assert_eq!(status.code(), Some(0), "the exit of a server stopped by SIGTERM: {status}");
        }
        self.judge();
    }

    fn judge(&mut self) {
        let leaked = program::members(self.child.id());
        assert!(leaked.is_empty(), "processes left behind: {leaked:?}");
        let faults = log::faults(&self.log(), &self.announced);
        let shown = faults.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(faults.is_empty(), "{} unexpected lines in the server's log:\n{shown}", faults.len());
        // Sessions are meant to stay; OPcache leaves its lock's name behind on some systems.
        let files: Vec<_> = std::fs::read_dir(self.dir.tmp())
            .expect("the temporary folder")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with("sess_") && !name.starts_with(".ZendSem"))
            .collect();
        assert!(files.is_empty(), "temporary files left behind: {files:?}");
        self.judged = true;
    }
}

impl Drop for Server {
    /// Only a test that failed comes here with a living server.
    fn drop(&mut self) {
        if self.ended.is_none() {
            program::kill_group(&mut self.child);
        }
        if !self.judged {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(60).collect();
            eprintln!("--- last lines of the server's log");
            for line in tail.iter().rev() {
                eprintln!("{}", line.chars().take(2000).collect::<String>());
            }
            eprintln!("---");
        }
    }
}

/// A field of `/proc/PID/status` in KiB; `None` if there is no such process, or it is just dying.
pub(crate) fn memory_kib(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
