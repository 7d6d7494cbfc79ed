//! What is served: root, worker script, index. The only part of a configuration that looks at the file system.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::check::Check;
use super::raw::PoolSettings;
use crate::http::{self, Branch, Mode, Patterns, Sendfile};

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
        given => directory(check, "app.root", &given.unwrap_or(default), ROOT),
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
    let links = folders(check, "app.links").or_else(|| project_of(&root).map(|project| vec![project]));
    let sendfile = sendfile(check);
    let branches = branches(check, &root, script.as_deref(), &index);
    let mode = script.map_or(Mode::Classic { index, front: None }, |script| Mode::Worker { script });
    http::Site { root, links: links.unwrap_or_default(), mode, branches, sendfile }
}

/// How far above the root the folder of a project may lie.
const LEVELS: usize = 4;

/// The folder of the Composer project that the root belongs to: `assets:install --symlink` and `storage:link` put links to other
/// folders of it under the root.
fn project_of(root: &Path) -> Option<PathBuf> {
    root.ancestors().take(LEVELS).find(|folder| folder.join("vendor").is_dir()).map(Path::to_owned)
}

/// The folders of a list, if it is set.
fn folders(check: &mut Check, key: &'static str) -> Option<Vec<PathBuf>> {
    let set = check.is_set(key);
    let paths = check.paths(key);
    set.then(|| paths.iter().map(|path| directory(check, key, path, FOLDER)).collect())
}

fn sendfile(check: &mut Check) -> Sendfile {
    let folders = folders(check, "app.sendfile").unwrap_or_default();
    let prefixes = check.path_map("app.accel");
    let prefixes = prefixes.into_iter().map(|(prefix, path)| (prefix, directory(check, "app.accel", &path, FOLDER)));
    Sendfile { folders, prefixes: prefixes.collect() }
}

/// What the pools beside the default one serve.
fn branches(check: &mut Check, root: &Path, worker: Option<&Path>, index: &str) -> Vec<Branch> {
    let mut taken: BTreeMap<String, Vec<(String, Vec<http::Method>)>> = BTreeMap::new();
    let mut branches = Vec::new();
    for pool in check.settings.pools.clone() {
        let branch = check.in_pool(&pool, |check| branch(check, &pool, root, worker, index));
        for text in branch.paths.texts() {
            let others = taken.entry(text.clone()).or_default();
            let meet = |methods: &[http::Method]| {
                methods.is_empty() || branch.methods.is_empty() || methods.iter().any(|m| branch.methods.contains(m))
            };
            if let Some((other, _)) = others.iter().find(|(_, methods)| meet(methods)) {
                let problem = format!("{text:?} is served by pools.{other} already");
                check.in_pool(&pool, |check| {
                    check.fault(
                        "pools.NAME.match",
                        problem,
                        "the first pool of the file would take it; remove it from one of them",
                    );
                });
            }
            others.push((pool.name.clone(), branch.methods.clone()));
        }
        branches.push(branch);
    }
    branches
}

/// Longest name of a pool: it is part of log lines and thread names.
const MAX_POOL_NAME: usize = 32;

fn branch(check: &mut Check, pool: &PoolSettings, root: &Path, worker: Option<&Path>, index: &str) -> Branch {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if pool.name.is_empty() || pool.name.len() > MAX_POOL_NAME || !pool.name.bytes().all(allowed) {
        let remedy = format!("use up to {MAX_POOL_NAME} small letters, digits, - and _");
        check.fault_at(&pool.origin, format!("pools.{}", pool.name), "cannot be the name of a pool", remedy);
    }
    let texts: Vec<String> = if pool.keys.contains_key("pools.NAME.match") {
        check.list("pools.NAME.match")
    } else {
        let (key, remedy) =
            (format!("pools.{}.match", pool.name), "name the paths of this pool, such as [\"/legacy/*\"]");
        check.fault_at(&pool.origin, key, "is missing", remedy);
        Vec::new()
    };
    let paths = Patterns::new(texts).unwrap_or_else(|bad| {
        check.fault("pools.NAME.match", bad.to_string(), "a pattern begins with a slash or *, such as \"/legacy/*\"");
        Patterns::default()
    });
    let methods = check.list("pools.NAME.methods");
    let classic = check.text_of("pools.NAME.mode") == "classic";
    let script = script(check, "pools.NAME.script");
    let mode = if classic {
        if let Some(script) = script.as_ref().filter(|script| !script.starts_with(root)) {
            let problem = format!("{} does not lie under the root", script.display());
            check.fault(
                "pools.NAME.script",
                problem,
                "in classic mode it is the front controller, a script under app.root",
            );
        }
        Mode::Classic { index: index.to_owned(), front: script }
    } else {
        let script = script.or_else(|| worker.map(Path::to_owned)).unwrap_or_else(|| {
            if !check.is_set("pools.NAME.script") {
                let key = format!("pools.{}", pool.name);
                check.fault_at(
                    &pool.origin,
                    key,
                    "has no worker script",
                    "set script, or app.worker, or mode = \"classic\"",
                );
            }
            PathBuf::new()
        });
        Mode::Worker { script }
    };
    Branch { pool: pool.name.as_str().into(), paths, methods, mode }
}

const ROOT: (&str, &str) = (
    "name the folder that holds the public files",
    "name an existing folder with --root, or start the server where `public/` is",
);
const FOLDER: (&str, &str) =
    ("name the folder that holds the files", "name an existing folder; relative names start at the folder of the file");

/// An existing directory, absolute and without symbolic links, or a fault and the path as it is.
fn directory(check: &mut Check, key: &'static str, path: &Path, remedies: (&str, &str)) -> PathBuf {
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
            check.fault(key, format!("{told} is not a directory"), remedies.0);
        }
        Err(error) => {
            let remedy = match check.base_told(key) {
                Some(base) => format!("name an existing folder; relative names start at {base}"),
                None => remedies.1.to_owned(),
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
