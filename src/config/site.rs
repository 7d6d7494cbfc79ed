//! What is served: root, worker script, index. The only part of a configuration that looks at the file system.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::check::Check;
use crate::http;

/// The site; faults are in `check`.
pub(super) fn site(check: &mut Check) -> http::Site {
    let script = script(check, "app.worker");
    let folder = check.folder.clone();
    let public = folder.join("public");
    let default = match &script {
        _ if public.is_dir() => public,
        // The folder a worker was named in is not always one that may be shown; that of the script is made for it.
        Some(script) => script.parent().unwrap_or(&folder).to_owned(),
        None => folder,
    };
    let set = check.is_set("app.root");
    let root = match check.path("app.root") {
        // Set to something that is no path; that is told.
        None if set => default,
        given => directory(check, "app.root", &given.unwrap_or(default)),
    };
    check.resolved.insert("app.root", root.display().to_string());
    let is_script_name = |name: &str| {
        name.len() > 4
            && name.to_ascii_lowercase().ends_with(".php")
            && !name.starts_with('.')
            && !name.contains(['/', '\0'])
    };
    let index = check.text("app.index", is_script_name);
    if check.is_set("app.worker") && check.is_set("app.index") {
        check.fault("app.index", "has no effect in worker mode", "remove it, or app.worker");
    }
    let mode = script.map_or(http::Mode::Classic { index, front: None }, |script| http::Mode::Worker { script });
    http::Site { root, links: Vec::new(), mode, branches: Vec::new(), sendfile: http::Sendfile::default() }
}

/// An existing directory, absolute and without symbolic links, or a fault and the path as it is.
fn directory(check: &mut Check, key: &'static str, path: &Path) -> PathBuf {
    let told = path.display();
    let look = fs::canonicalize(path).and_then(|real| {
        let is_directory = fs::metadata(&real)?.is_dir();
        if is_directory {
            fs::read_dir(&real)?;
        }
        Ok((real, is_directory))
    });
    match look {
        Ok((real, true)) => return real,
        Ok((_, false)) => {
            check.fault(key, format!("{told} is not a directory"), "name the folder that holds the public files");
        }
        Err(error) => {
            let remedy = match check.base_told(key) {
                Some(base) => format!("name an existing folder; relative names start at {base}"),
                None => "name an existing folder with --root, or start the server where `public/` is".to_owned(),
            };
            let remedy = remedy_for(&error, remedy);
            check.fault(key, format!("{told}: {}", sentence(&error)), remedy);
        }
    }
    path.to_owned()
}

/// A regular file that can be read, absolute and without symbolic links; `None` if the key is not set or wrong.
fn script(check: &mut Check, key: &'static str) -> Option<PathBuf> {
    let path = check.path(key)?;
    let told = path.display();
    let look = fs::canonicalize(&path).and_then(|real| {
        let is_file = fs::metadata(&real)?.is_file();
        if is_file {
            File::open(&real)?;
        }
        Ok((real, is_file))
    });
    match look {
        Ok((real, true)) => return Some(real),
        Ok((_, false)) => {
            let remedy = "name the script itself, such as public/index.php";
            check.fault(key, format!("{told} is not a regular file"), remedy);
        }
        Err(error) => {
            let base = check.base_told(key).unwrap_or("the current folder");
            let remedy = format!("name an existing script, such as public/index.php; relative names start at {base}");
            let remedy = remedy_for(&error, remedy);
            check.fault(key, format!("{told}: {}", sentence(&error)), remedy);
        }
    }
    None
}

/// The system's reason without its number.
pub(super) fn sentence(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "a part of this path is no directory".to_owned(),
        _ => error.to_string(),
    }
}

fn remedy_for(error: &io::Error, not_found: String) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "give the user that runs the server the right to read it (`ls -ld`, `chmod`)".to_owned()
        }
        _ => not_found,
    }
}
