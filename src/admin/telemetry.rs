//! Metrics in files: a snapshot in a folder that several servers may share, and the text form for a collector that reads files.
//!
//! A thread of its own writes them; a file system that hangs holds up nobody else. A file is written under another name and renamed, so
//! that nobody reads a half. A server that ends in order takes its files along: numbers of somebody who has gone are worse than none.

#![forbid(unsafe_code)]

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus::{Encoder as _, TextEncoder};
use serde_json::{Value, json};
use tokio::runtime;
use tokio::sync::oneshot;

use super::aggregate::{Aggregate, NAMESPACE};
use super::metrics::Metrics;
use super::{Server, totals};
use crate::telemetry::events::TelemetryFailed;

/// Snapshots that are read; whoever has more servers has a time-series database.
const MOST_SNAPSHOTS: usize = 1000;
/// Bytes of a snapshot that are read.
const LARGEST: u64 = 16 * 1024 * 1024;
/// How long the end of the thread is waited for: a file system may hang.
const FAREWELL: Duration = Duration::from_secs(1);
/// Times that a server may miss its turn to write: a file system may be slow. Beyond, it is gone and its numbers do not count.
const MISSED: u32 = 10;
/// It is not taken for gone before: clocks of machines differ.
const LEAST_SILENCE: Duration = Duration::from_secs(60);
/// What a server that is gone has left is removed after a day: until then somebody may want to know.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two searches for such files.
const SWEEP: Duration = Duration::from_secs(60 * 60);
/// Of a snapshot: when it was written, in seconds since 1970, and how often that is done.
const WRITTEN: &str = "writtenUnix";
const FLUSH_SECONDS: &str = "flushSeconds";
/// For everybody to read: a collector is somebody else.
const MODE: u32 = 0o644;

/// Where metrics are written besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// The folder of snapshots.
    pub dir: Option<PathBuf>,
    /// The file in the text form.
    pub textfile: Option<PathBuf>,
    /// How often.
    pub interval: Duration,
    /// The name of this server among those that share the folder.
    pub id: String,
}

impl Telemetry {
    /// The snapshot of this server. Its name has letters, digits, `.`, `-` and `_` only.
    fn snapshot(&self) -> Option<PathBuf> {
        let safe = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        let name: String = self.id.chars().map(|letter| if safe(letter) { letter } else { '_' }).collect();
        self.dir.as_ref().map(|dir| dir.join(format!("{}.json", name.trim_start_matches('.'))))
    }

    /// What other servers have written, with its age; what cannot be read is passed over.
    fn others(&self) -> impl Iterator<Item = (PathBuf, Aggregate, Duration)> {
        let own = self.snapshot();
        let others = self.files().into_iter().filter(move |path| Some(path) != own.as_ref());
        others.filter_map(|path| {
            let snapshot: Aggregate = serde_json::from_slice(&read(&path)?).ok()?;
            let age = age(&path, &snapshot);
            Some((path, snapshot, age))
        })
    }

    /// Whether the server that has written it must be gone.
    fn is_stale(&self, snapshot: &Aggregate, age: Duration) -> bool {
        let told = snapshot.meta.get(FLUSH_SECONDS).and_then(Value::as_f64);
        let interval = told.and_then(|told| Duration::try_from_secs_f64(told).ok()).unwrap_or(self.interval);
        age > interval.saturating_mul(MISSED).max(LEAST_SILENCE)
    }

    /// Removes what servers have left that are long gone. Only what is a snapshot for certain: the folder may be shared with others.
    fn sweep(&self) {
        let is_ours = |snapshot: &Aggregate| snapshot.namespace == NAMESPACE && snapshot.meta.contains_key(WRITTEN);
        let old = self.others().filter(|(_, snapshot, age)| is_ours(snapshot) && *age > KEPT);
        // Another server of the folder may have been faster.
        old.for_each(|(path, ..)| drop(fs::remove_file(path)));
    }

    fn files(&self) -> Vec<PathBuf> {
        let Some(Ok(entries)) = self.dir.as_ref().map(fs::read_dir) else { return Vec::new() };
        let is_snapshot = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let paths = entries.flatten().map(|entry| entry.path()).filter(is_snapshot);
        paths.take(MOST_SNAPSHOTS).collect()
    }

    /// The numbers of all servers that share the folder; this one's are those of this moment.
    pub(super) fn merged(&self, own: Aggregate) -> Aggregate {
        let (mut sum, mut servers, mut stale) = (own, 1, 0);
        for (_, other, age) in self.others() {
            if self.is_stale(&other, age) {
                stale += 1;
            } else {
                servers += 1;
                sum.absorb(other);
            }
        }
        sum.meta =
            serde_json::Map::from_iter([("servers".to_owned(), servers.into()), ("stale".to_owned(), stale.into())]);
        sum
    }

    /// What `/runtime/status/host` says.
    pub(super) fn host(&self) -> Value {
        let reason = match self.dir.as_ref().map(fs::read_dir) {
            Some(Ok(_)) => "ok",
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => "dirNotReadable",
            Some(Err(_)) | None => "dirMissing",
        };
        let files = self.files();
        let time = |path: &PathBuf| fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok();
        let newest = files.iter().filter_map(time).max().map(|time| time.as_secs_f64());
        json!({ "telemetry": {
            "dir": self.dir.as_ref().map(|dir| dir.display().to_string()),
            "ready": reason == "ok",
            "reason": reason,
            "workerSnapshotCount": files.len(),
            "lastSnapshotUnix": newest,
        }})
    }
}

/// How long ago a snapshot was written: as it says itself, else as the file system does. 0 if its clock is ahead of ours.
fn age(path: &Path, snapshot: &Aggregate) -> Duration {
    let told =
        snapshot.meta.get(WRITTEN).and_then(Value::as_f64).and_then(|told| Duration::try_from_secs_f64(told).ok());
    let changed = || fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok();
    let written = told.or_else(changed).unwrap_or_default();
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(written)
}

/// A regular file of a bearable size: another may never end.
fn read(path: &Path) -> Option<Vec<u8>> {
    let data = fs::metadata(path).ok()?;
    (data.is_file() && data.len() <= LARGEST).then(|| fs::read(path).ok()).flatten()
}

/// Writes a file at once: who reads it sees the one before or this one.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if let Err(error) = fs::create_dir(folder)
        && error.kind() != io::ErrorKind::AlreadyExists
        && !folder.is_dir()
    {
        return Err(error);
    }
    // A collector takes files by the end of their names: this one has neither.
    let mut file = tempfile::Builder::new()
        .prefix(".supercharger-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    // The umask of this process is not meant for it.
    file.as_file().set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// The thread that writes; dropping it ends it.
#[derive(Debug)]
pub struct Flusher {
    end: Option<oneshot::Sender<()>>,
    gone: mpsc::Receiver<()>,
}

/// Starts to write, if anything is to be written.
///
/// # Errors
/// The thread or its runtime could not be started.
pub fn flush<S: Server>(server: S) -> io::Result<Option<Flusher>> {
    let telemetry = server.telemetry().clone();
    if telemetry.dir.is_none() && telemetry.textfile.is_none() {
        return Ok(None);
    }
    let (end, ended) = oneshot::channel();
    let (going, gone) = mpsc::channel();
    let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
    thread::Builder::new().name("sc-telemetry".to_owned()).spawn(move || {
        runtime.block_on(write_until(ended, &server, &telemetry));
        let files = telemetry.snapshot().into_iter().chain(telemetry.textfile);
        // What cannot be removed was most likely never written.
        files.for_each(|file| drop(fs::remove_file(file)));
        drop(going);
    })?;
    Ok(Some(Flusher { end: Some(end), gone }))
}

impl Drop for Flusher {
    fn drop(&mut self) {
        drop(self.end.take());
        // Nothing is ever sent: the end of the channel is the end of the thread.
        self.gone.recv_timeout(FAREWELL).ok();
    }
}

async fn write_until<S: Server>(mut ended: oneshot::Receiver<()>, server: &S, telemetry: &Telemetry) {
    let metrics = Arc::new(Metrics::new());
    let mut complained = false;
    let mut swept: Option<Instant> = None;
    let mut ticks = tokio::time::interval(telemetry.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = &mut ended => return,
            _ = ticks.tick() => {}
        }
        let view = tokio::select! {
            biased;
            _ = &mut ended => return,
            view = server.view() => view,
        };
        let totals = totals::of(&view);
        let families = metrics.gather(view, totals);
        let mut written = Ok(());
        if let Some(path) = telemetry.snapshot() {
            let mut snapshot = Aggregate::of(&families);
            snapshot.meta = about(telemetry);
            let text = serde_json::to_vec(&snapshot).unwrap_or_default();
            written = written.and(write(&path, &text).map_err(|error| (path, error)));
        }
        if let Some(path) = &telemetry.textfile {
            let mut text = Vec::new();
            if TextEncoder::new().encode(&families, &mut text).is_ok() {
                written = written.and(write(path, &text).map_err(|error| (path.clone(), error)));
            }
        }
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            swept = Some(Instant::now());
            telemetry.sweep();
        }
        match written {
            Ok(()) => complained = false,
            Err((path, error)) if !complained => {
                complained = true;
                TelemetryFailed { path: &path, error: &error }.emit();
            }
            Err(_) => {}
        }
    }
}

fn about(telemetry: &Telemetry) -> serde_json::Map<String, Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    serde_json::Map::from_iter([
        ("workerId".to_owned(), telemetry.id.clone().into()),
        ("pid".to_owned(), std::process::id().into()),
        (WRITTEN.to_owned(), now.into()),
        (FLUSH_SECONDS.to_owned(), telemetry.interval.as_secs_f64().into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_snapshot_cannot_lead_elsewhere() {
        let name = |id: &str| {
            let telemetry = Telemetry { dir: Some("/t".into()), id: id.to_owned(), ..Telemetry::default() };
            telemetry.snapshot().expect("a folder").display().to_string()
        };
        assert_eq!(name("web-1-[::]:80"), "/t/web-1-_____80.json");
        assert_eq!(name("../../etc/passwd"), "/t/_.._etc_passwd.json");
    }

    #[test]
    fn who_does_not_write_any_more_does_not_count_and_is_removed_in_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let telemetry = Telemetry {
            dir: Some(folder.path().to_owned()),
            interval: Duration::from_secs(1),
            id: "own".to_owned(),
            ..Telemetry::default()
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs_f64();
        let put = |name: &str, namespace: &str, requests: u64, age: f64, interval: f64| {
            let meta = json!({ WRITTEN: now - age, FLUSH_SECONDS: interval });
            let text = json!({ "namespace": namespace, "counter": { "r": requests }, "gauge": {}, "meta": meta });
            write(&folder.path().join(name), text.to_string().as_bytes()).expect("written");
        };
        put("fresh.json", NAMESPACE, 1, 50.0, 1.0);
        put("patient.json", NAMESPACE, 10, 500.0, 60.0);
        put("ahead.json", NAMESPACE, 100, -500.0, 1.0);
        put("silent.json", NAMESPACE, 1000, 70.0, 1.0);
        put("gone.json", NAMESPACE, 10_000, 90_000.0, 60.0);
        put("theirs.json", "theirs", 100_000, 90_000.0, 60.0);
        let merged = || telemetry.merged(Aggregate::default());
        let sum = merged();
        assert_eq!((sum.counter["r"], &sum.meta["servers"], &sum.meta["stale"]), (111, &json!(4), &json!(3)));
        telemetry.sweep();
        let sum = merged();
        assert_eq!((sum.counter["r"], &sum.meta["servers"], &sum.meta["stale"]), (111, &json!(4), &json!(2)));
        assert!(!folder.path().join("gone.json").exists() && folder.path().join("theirs.json").exists());
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let telemetry = Telemetry { dir: Some(folder.path().to_owned()), id: "own".to_owned(), ..Telemetry::default() };
        let put = |name: &str, text: &str| write(&folder.path().join(name), text.as_bytes()).expect("written");
        put("own.json", r#"{"counter":{"r":1000}}"#);
        put("a.json", r#"{"namespace":"n","counter":{"r":3},"gauge":{},"meta":{}}"#);
        put("b.json", r#"{"counter":{"r":4"#);
        put("c.txt", r#"{"counter":{"r":5}}"#);
        fs::create_dir(folder.path().join("d.json")).expect("a folder");
        let own = Aggregate { counter: [("r".to_owned(), 1)].into(), ..Aggregate::default() };
        assert_eq!(telemetry.merged(own).counter["r"], 4);
        assert_eq!(telemetry.host()["telemetry"]["reason"], "ok");
        let gone = Telemetry { dir: Some(folder.path().join("none")), ..telemetry };
        assert_eq!(gone.host()["telemetry"]["reason"], "dirMissing");
    }
}
