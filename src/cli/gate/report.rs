//! The evidence: what was seen, in files.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use http::uri::Authority;
use serde_json::json;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use super::probe::Sample;
use super::server::Change;
use super::verdict::Verdict;

/// A folder of its own for each run.
#[derive(Debug)]
pub(super) struct Report {
    folder: PathBuf,
    log: File,
    started: String,
    silent: bool,
}

impl Report {
    /// Makes the folder `YYYYMMDDTHHMMSSZ`; a second run within the second gets a number.
    pub(super) fn begin(output: &Path, silent: bool) -> io::Result<Self> {
        fs::create_dir_all(output)?;
        let started = now();
        let whole = started.split('.').next().unwrap_or(&started);
        let stamp = format!("{}Z", whole.trim_end_matches('Z').replace(['-', ':'], ""));
        let mut folder = output.join(&stamp);
        let mut number = 1;
        while let Err(error) = fs::create_dir(&folder) {
            if error.kind() != io::ErrorKind::AlreadyExists || number > 1000 {
                return Err(error);
            }
            number += 1;
            folder = output.join(format!("{stamp}-{number}"));
        }
        // Before anything else, and where it is in nobody's way: it may be a folder of the application.
        let told = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone());
        writeln!(io::stderr().lock(), "supercharger: writing the evidence to {} (--output)", told.display()).ok();
        Ok(Self { log: File::create(folder.join("gate.log"))?, folder, started, silent })
    }

    /// A line for people, in the log and on the screen.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.log, "{} {text}", now())?;
        if !self.silent {
            // Who closed the pipe has seen enough.
            writeln!(io::stdout().lock(), "{text}").ok();
        }
        Ok(())
    }

    /// Every attempt at a route.
    pub(super) fn samples(&self, key: &str, samples: &[Sample]) -> io::Result<()> {
        let folder = self.folder.join("route").join(key);
        fs::create_dir_all(&folder)?;
        let mut file = BufWriter::new(File::create(folder.join("probe.csv"))?);
        writeln!(file, "ts,http_code,ms,bytes")?;
        for Sample { ts, code, ms, bytes, .. } in samples {
            writeln!(file, "{ts:.3},{code},{ms:.3},{bytes}")?;
        }
        file.flush()
    }

    /// The verdict; gives its text.
    pub(super) fn end(
        &mut self,
        verdicts: &[Verdict],
        server: Option<&Change>,
        authority: &Authority,
    ) -> io::Result<String> {
        let pass = !verdicts.is_empty()
            && verdicts.iter().all(|verdict| verdict.pass)
            && server.is_none_or(|change| change.pass);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let platform = json!({
            "supercharger": env!("CARGO_PKG_VERSION"), "os": std::env::consts::OS, "arch": std::env::consts::ARCH,
            "kernel": kernel.trim(), "cpus": std::thread::available_parallelism().map_or(1, usize::from),
            "url": format!("http://{authority}"), "started": self.started, "ended": now(),
        });
        let gate = json!({ "pass": pass, "route": verdicts, "server": server });
        let text = format!("{gate:#}\n");
        fs::write(self.folder.join("platform.json"), format!("{platform:#}\n"))?;
        fs::write(self.folder.join("gate.json"), &text)?;
        let word = if pass { "the gate is open" } else { "the gate is shut" };
        let place = self.folder.join("gate.json");
        self.line(&format!("{word}: {}", place.display()))?;
        Ok(text)
    }
}

/// The time as RFC 3339 says it, in UTC.
fn now() -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    SystemTime.format_time(&mut Writer::new(&mut text)).ok();
    text
}
