//! PHP's own development server, built from the same source: what it makes of a request is what an application may expect.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use super::dir::{PrivateDir, checkout};
use super::program;
use super::raw::Raw;
use super::server::free_port;
use super::wait::until;

/// A running `php -S`. It answers one request at a time.
#[derive(Debug)]
pub(crate) struct Reference {
    child: Child,
    address: SocketAddr,
    _dir: PrivateDir,
}

/// The folder of the pinned PHP.
fn php() -> PathBuf {
    let output = Command::new(checkout().join("php-src-pin/locate")).output().expect("php-src-pin/locate runs");
    let place = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let php = PathBuf::from(place).join("bin/php");
    assert!(php.is_file(), "{} is missing: run php-src-pin/build", php.display());
    php
}

impl Reference {
    /// Starts it with the fixture application and these ini values.
    pub(crate) async fn start(ini: &[(&str, &str)]) -> Self {
        let dir = PrivateDir::with_app("plain");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = program::command(php(), &dir);
        command.args(["-n", "-d", "display_errors=0", "-d", "log_errors=0"]);
        for (name, value) in ini {
            command.args(["-d", &format!("{name}={value}")]);
        }
        command.args(["-q", "-S", &address.to_string(), "reference.php"]);
        let null = || std::fs::File::create("/dev/null").expect("/dev/null");
        let child = command.stdout(null()).stderr(null()).spawn().expect("php starts");
        let reference = Self { child, address, _dir: dir };
        until(Duration::from_secs(20), "php -S listens", || TcpStream::connect(address).ok()).await;
        reference
    }

    /// The whole answer to these bytes, which ask for the connection to be closed.
    pub(crate) async fn answer(&self, request: &[u8]) -> String {
        let mut raw = Raw::open(self.address).await;
        raw.write(request).await;
        raw.until_closed().await
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        program::kill_group(&mut self.child);
    }
}
