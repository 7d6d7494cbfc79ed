//! The configuration file: which one, and its text.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::fault::{Fault, Origin};
use super::raw::Settings;
use super::{Command, Flags, Given, Notice, Place, site};

/// Where `run` looks, in this order; the first that is there is read, also if it is faulty.
pub(super) const SEARCHED: [&str; 2] = ["supercharger.toml", "/etc/supercharger/supercharger.toml"];

/// No configuration is that large: a wrong name (`--config /dev/zero`, a dump) shall end in a message and not in a full memory.
const LARGEST: u64 = 1024 * 1024;

/// Reads the file, if there is one; gives its name and text.
pub(super) fn read(
    flags: &Flags,
    place: &Place<'_>,
    settings: &mut Settings,
    faults: &mut Vec<Fault>,
) -> (Option<PathBuf>, Option<String>) {
    if let Some(Given { file: given, .. }) = &flags.given {
        let (path, text) = given.clone().unzip();
        if let (Some(path), Some(text)) = (&path, &text) {
            faults.extend(settings.file(path, text));
        }
        return (path, text);
    }
    let Some(path) = chosen(flags, place) else { return (None, None) };
    let text = match text(&place.folder, &path) {
        Ok(text) => text,
        Err(fault) => {
            faults.push(fault);
            return (Some(path), None);
        }
    };
    faults.extend(settings.file(&path, &text));
    (Some(path), Some(text))
}

/// The file to be read, as it was named.
fn chosen(flags: &Flags, place: &Place<'_>) -> Option<PathBuf> {
    match (&flags.config, flags.command) {
        (Some(path), _) => Some(path.clone()),
        (None, Command::PhpServer) => None,
        (None, Command::Run) => {
            // What is there but may not be seen, or leads nowhere, is not passed over: it ends in a message.
            let is_there = |path: &&&Path| match fs::symlink_metadata(place.folder.join(path)) {
                Ok(_) => true,
                Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
            };
            place.searched.iter().find(is_there).map(|path| path.to_path_buf())
        }
    }
}

/// `php-server` reads no file unless told to. Who wrote one may expect otherwise.
pub(super) fn overlooked(flags: &Flags, place: &Place<'_>) -> Option<Notice> {
    let [name, ..] = SEARCHED;
    let overlooked = flags.command == Command::PhpServer && flags.config.is_none() && place.folder.join(name).is_file();
    overlooked.then(|| Notice {
        subject: name.to_owned(),
        message: format!("{name} has no effect: php-server reads it with --config {name}, or start `supercharger run`"),
        unheeded: true,
    })
}

/// The file's text, or what is wrong with it.
fn text(folder: &Path, path: &Path) -> Result<String, Fault> {
    let fault = |line, problem: String, remedy: &str| {
        let origin = Origin::File { path: path.to_owned(), line };
        Fault { origin, key: String::new(), problem, remedy: remedy.to_owned() }
    };
    let mut bytes = Vec::new();
    match File::open(folder.join(path)).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)) {
        Err(error) => {
            let remedy = "a TOML file is wanted; --config names another one";
            return Err(fault(0, format!("cannot be read: {}", site::sentence(&error)), remedy));
        }
        Ok(_) if bytes.len() as u64 > LARGEST => {
            let remedy = "--config names a TOML file";
            return Err(fault(0, "has more than 1 MiB: this is no configuration".to_owned(), remedy));
        }
        Ok(_) => {}
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        fault(line, "not UTF-8, which TOML is written in".to_owned(), "save the file as UTF-8")
    })
}
