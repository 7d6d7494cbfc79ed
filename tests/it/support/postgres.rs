//! A PostgreSQL of the test's own: the real server, on a free port of 127.0.0.1, with a password.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::dir::PrivateDir;
use super::program::{command, kill_group, run_to_end, signal};
use super::server::free_port;
use super::wait::until;

/// Name of the user and of the database.
const NAME: &str = "app";

/// The password. A name in a DSN or URL is written as it is: no character of it has a meaning there.
pub(crate) const PASSWORD: &str = "pg-s3cret-7f21";

/// Longest that making the cluster, a start and an orderly stop may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// A database server; it ends with this value, and with the test's thread.
#[derive(Debug)]
pub(crate) struct Postgres {
    dir: PrivateDir,
    port: u16,
    child: Option<Child>,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub(crate) async fn start() -> Self {
        let dir = PrivateDir::new();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        let password = dir.write("password", PASSWORD);
        if let Some((user, group)) = owner() {
            for path in [dir.path(), &data, &password, &dir.app(), &dir.tmp()] {
                std::os::unix::fs::chown(path, Some(user), Some(group)).expect("chown");
            }
        }
        let mut initdb = as_owner(&program("initdb"), &dir);
        initdb.args(["--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8", "--auth=scram-sha-256"]);
        initdb.arg("--username").arg(NAME).arg("--pwfile").arg(&password).arg("--pgdata").arg(&data);
        let made = run_to_end(&dir, initdb, LIMIT);
        assert!(made.status.success(), "initdb: {made}");
        let mut postgres = Self { dir, port: free_port(), child: None };
        postgres.start_again().await;
        postgres.query_in("postgres", &format!("CREATE DATABASE {NAME}"));
        postgres
    }

    /// Starts it once more on the same port, with the same data.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let mut postgres = as_owner(&program("postgres"), &self.dir);
        postgres.arg("-D").arg(self.dir.path().join("data"));
        // Small, and safe against nothing but a crash of itself.
        for setting in [
            &format!("port={}", self.port),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "shared_buffers=4MB",
            "max_connections=40",
            "fsync=off",
            "jit=off",
            "autovacuum=off",
        ] {
            postgres.args(["-c", setting]);
        }
        let log = std::fs::File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        postgres.stdout(log.try_clone().expect("a second handle")).stderr(log);
        let mut child = postgres.spawn().expect("postgres starts");
        until(LIMIT, "PostgreSQL takes connections", || {
            let ended = child.try_wait().expect("wait");
            assert!(ended.is_none(), "PostgreSQL ended at its start:\n{}", self.log());
            self.try_query("postgres", "SELECT 1").is_some().then_some(())
        })
        .await;
        self.child = Some(child);
    }

    /// Stops it: open transactions are aborted, clients are disconnected. Later connections are refused.
    pub(crate) async fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        signal(child.id(), "INT");
        until(LIMIT, "PostgreSQL ends", || child.try_wait().expect("wait")).await;
    }

    /// For `new PDO(...)`; the user is `app` and the password [`PASSWORD`].
    pub(crate) fn dsn(&self) -> String {
        format!("pgsql:host=127.0.0.1;port={};dbname={NAME}", self.port)
    }

    /// For `DATABASE_URL`.
    pub(crate) fn url(&self) -> String {
        format!("postgresql://{NAME}:{PASSWORD}@127.0.0.1:{}/{NAME}?charset=utf8", self.port)
    }

    /// What a statement brings: a line for each row, columns between bars.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> String {
        self.query_in(NAME, sql)
    }

    #[track_caller]
    fn query_in(&self, database: &str, sql: &str) -> String {
        self.try_query(database, sql).unwrap_or_else(|| panic!("{sql}\n{}", self.log()))
    }

    fn try_query(&self, database: &str, sql: &str) -> Option<String> {
        let mut psql = command(program("psql"), &self.dir);
        psql.env("PGPASSWORD", PASSWORD).env("PGCONNECT_TIMEOUT", "5");
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", NAME, "-d", database]);
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let output = psql.stdin(Stdio::null()).output().expect("psql runs");
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        output.status.success().then_some(text)
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("postgres.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            kill_group(child);
        }
    }
}

/// A program of PostgreSQL: the newest that Debian's packages hold, else one on the `PATH`.
fn program(name: &str) -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<_> =
        folders.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists()).collect();
    versions.sort_by_key(|path| version(path));
    versions.pop().map_or_else(|| PathBuf::from(name), |newest| newest.join("bin").join(name))
}

/// Whom the server is to belong to: it refuses to run as root.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    // Debian's package makes this user; where somebody else's PostgreSQL is used, nobody will do.
    ["postgres", "nobody"].into_iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}

/// A command of that user; it ends with the test's thread.
fn as_owner(program: &Path, dir: &PrivateDir) -> Command {
    let Some((user, group)) = owner() else { return command(program, dir) };
    let mut command = command("setpriv", dir);
    command.args([
        "--reuid",
        &user.to_string(),
        "--regid",
        &group.to_string(),
        "--clear-groups",
        "--pdeathsig",
        "KILL",
        "--",
    ]);
    command.arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::program::supercharger;
    use crate::support::run::block_on;

    /// A database that does not really stop would make every test of an outage pass.
    #[test]
    fn it_serves_and_stops_and_serves_again() {
        block_on(Duration::from_secs(60), async {
            let mut postgres = Postgres::start().await;
            postgres.query("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)");
            postgres.stop().await;
            assert_eq!(postgres.try_query(NAME, "SELECT 1"), None, "it is gone");
            postgres.start_again().await;
            assert_eq!(postgres.query("SELECT id FROM kept"), "7");
            // And the linked PHP gets there, by DSN and by URL.
            let code = format!(
                "$url = parse_url('{}'); $dsn = \"pgsql:host={{$url['host']}};port={{$url['port']}};dbname=\".ltrim($url['path'], '/');
                 foreach ([['{}', 'app', '{PASSWORD}'], [$dsn, $url['user'], $url['pass']]] as [$dsn, $user, $password]) {{
                     echo (new PDO($dsn, $user, $password))->query('SELECT id FROM kept')->fetchColumn();
                 }}",
                postgres.url(),
                postgres.dsn(),
            );
            supercharger(&postgres.dir, &["php-cli", "-r", &code], LIMIT).expect(0, &["77"]);
        });
    }
}
