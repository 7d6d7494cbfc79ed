//! The load generator: wrk, with a script that prints one line to read.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

/// The program that makes the load.
const WRK: &str = "wrk";
/// How long one response may take before it counts as an error.
const TIMEOUT: &str = "20s";

/// What wrk counted in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counted {
    /// Responses read.
    pub(crate) requests: u64,
    /// Length of the run in microseconds.
    pub(crate) duration_us: u64,
    /// Responses outside 2xx and 3xx, and socket errors of every kind.
    pub(crate) errors: u64,
    /// Median latency in microseconds.
    pub(crate) p50_us: u64,
    /// 99th percentile of latency in microseconds.
    pub(crate) p99_us: u64,
}

/// How hard and how long to press.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) connections: u32,
    pub(crate) threads: u32,
    pub(crate) duration: Duration,
    /// The script that makes the requests.
    pub(crate) script: &'a Path,
    /// Path and query, where the script does not choose them.
    pub(crate) path: &'a str,
    /// Bytes of the body of each request.
    pub(crate) upload: usize,
}

/// wrk's version, or what to do to have it.
pub(crate) fn find() -> Result<String, String> {
    crate::machine::version_of(Path::new(WRK), "-v")
        .map(|line| line.split(" [").next().unwrap_or_default().to_owned())
        .ok_or_else(|| format!("{WRK} is missing; install it with scripts/install-deps --bench"))
}

impl Load<'_> {
    /// Sends requests over keep-alive connections for the whole duration.
    pub(crate) fn run(&self, address: SocketAddr) -> Result<Counted, String> {
        let output = Command::new(WRK)
            .args(["-t", &self.threads.min(self.connections).max(1).to_string()])
            .args(["-c", &self.connections.to_string()])
            // wrk takes whole seconds.
            .args(["-d", &format!("{}s", self.duration.as_secs().max(1))])
            .args(["--timeout", TIMEOUT])
            .arg("-s")
            .arg(self.script)
            .arg(format!("http://{address}{}", self.path))
            .args(["--", &self.upload.to_string()])
            .env("BENCH_LOAD", self.script.parent().unwrap_or(Path::new(".")))
            .output()
            .map_err(|error| format!("cannot start {WRK}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        parse(&text)
            .ok_or_else(|| format!("{WRK} printed no result line:\n{text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Reads the `BENCH` line that counted.lua prints.
fn parse(text: &str) -> Option<Counted> {
    let line = text.lines().find_map(|line| line.strip_prefix("BENCH "))?;
    let value = |name: &str| {
        line.split(' ').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1.parse::<u64>().ok()
    };
    let errors = ["status", "connect", "read", "write", "timeout"].into_iter().map(value).sum::<Option<u64>>()?;
    Some(Counted {
        requests: value("requests")?,
        duration_us: value("duration_us")?,
        errors,
        p50_us: value("p50_us")?,
        p99_us: value("p99_us")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "BENCH requests=1000 duration_us=2000000 bytes=5 status=1 connect=0 read=2 write=0 timeout=0 \
                        p50_us=40 p90_us=50 p99_us=90 max_us=1000";

    #[test]
    fn the_result_line_is_found_among_the_rest() {
        let counted = parse(&format!("Running 2s test\n{LINE}\n")).expect("a result");
        let expected = Counted { requests: 1000, duration_us: 2_000_000, errors: 3, p50_us: 40, p99_us: 90 };
        assert_eq!(counted, expected);
    }

    #[test]
    fn a_run_without_the_line_has_no_result() {
        assert_eq!(parse("unable to connect"), None);
        assert_eq!(parse(&LINE.replace(" status=1", "")), None, "errors that were not counted are not zero");
    }
}
