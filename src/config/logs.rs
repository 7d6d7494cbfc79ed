//! What is logged, where and how.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use rustix::fs::{Access as Right, access};

use super::check::Check;
use super::raw::Value;
use crate::telemetry::{self, Access, AccessForm, Feed};

const OFF: &str = "off";
const STANDARD_ERROR: &str = "stderr";
/// A feed that is full after each few lines would do nothing but give names.
const LEAST_FEED: u64 = 1024;

/// All of it; faults are in `check`.
pub(super) fn logs(check: &mut Check) -> telemetry::Config {
    telemetry::Config {
        level: check.word("log.level"),
        format: check.word("log.format"),
        access: access_log(check),
        redact: check.list("log.redact"),
        feed: feed(check),
    }
}

fn access_log(check: &mut Check) -> Access {
    let form = check.read("log.access", |value| match value {
        Value::Boolean(true) => Ok(AccessForm::On),
        Value::Boolean(false) => Ok(AccessForm::Off),
        Value::Text(text) => text.parse().map_err(|_| format!("{text:?} is unknown")),
        other => Err(format!("{} is neither true nor false", other.told())),
    });
    let file = file(check, "log.access_file", STANDARD_ERROR);
    match (form, &file) {
        (AccessForm::Off, Some(_)) if check.is_set("log.access") => {
            check.fault("log.access_file", "has no effect while log.access is off", "remove one of them");
            Access { form, file }
        }
        // Who names a file wants it.
        (AccessForm::Off, Some(_)) => Access { form: AccessForm::On, file },
        _ => Access { form, file },
    }
}

fn feed(check: &mut Check) -> Option<Feed> {
    const KEY: &str = "telemetry.events";
    let path = file(check, KEY, OFF);
    let (max_bytes, keep) = (check.size("telemetry.events_max_size"), check.number("telemetry.events_keep"));
    if (1..LEAST_FEED).contains(&max_bytes) {
        check.fault("telemetry.events_max_size", "is too little to be of use", "give 1KiB or more, or 0 for no limit");
    }
    if path.is_none() {
        let keys = ["telemetry.events_max_size", "telemetry.events_keep"];
        check.without_effect(keys, "has no effect while telemetry.events is off", "remove it, or name a file there");
    }
    if path.as_ref().is_some_and(|path| path.extension().is_none_or(|extension| extension != "ndjson")) {
        check.fault(KEY, "does not end in .ndjson", "give it that ending: each line is a text of JSON");
    }
    path.map(|path| Feed { path, max_bytes, keep })
}

/// The file of a key, unless it is the word that stands for none.
fn file(check: &mut Check, key: &'static str, none: &str) -> Option<PathBuf> {
    let is_none = check.settings.keys.get(key).is_some_and(|setting| setting.value == Value::Text(none.to_owned()));
    check.path(key).filter(|_| !is_none).map(|path| writable(check, key, path))
}

/// The path, if this user may write there; else a fault. Nothing is made: who checks a configuration does not start a server.
fn writable(check: &mut Check, key: &'static str, path: PathBuf) -> PathBuf {
    let told = path.display().to_string();
    let folder = path.parent().unwrap_or(&path);
    if path.is_dir() {
        check.fault(key, format!("{told} is a directory"), "name a file");
    } else if !folder.is_dir() {
        check.fault(key, format!("{} is no directory", folder.display()), "make it, or name a file in another one");
    } else {
        let place = if path.exists() { &path } else { folder };
        if access(place, Right::WRITE_OK).is_err() {
            let problem = format!("{told} may not be written by this user");
            check.fault(
                key,
                problem,
                "give the user that runs the server the right to write there (`ls -ld`, `chmod`)",
            );
        }
    }
    path
}
