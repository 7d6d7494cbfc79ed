//! Which script or file answers a path, and which pool runs the script.
//!
//! What lies under the root is remembered (`tree`), so that a request for a front controller costs no call of the file system. What
//! is not remembered is asked directly, not through tokio's blocking pool: one `stat` of a name the kernel has cached takes about a
//! microsecond, less than the hop to another thread and back.

#![forbid(unsafe_code)]

mod branch;
mod tree;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use http::Method;

pub use branch::{BadPattern, Branch, Patterns};

use super::path::{is_hidden, may_be_source, script_end};
use super::sendfile::Sendfile;
use super::static_files::Reach;
use tree::{Seen, Tree};

/// What is served, and how. All paths are absolute and free of symbolic links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The document root.
    pub root: PathBuf,
    /// Folders outside of the root that symbolic links in it may lead to.
    pub links: Vec<PathBuf>,
    /// Who runs the scripts.
    pub mode: Mode,
    /// Paths that other pools than the default one serve; the first that matches counts.
    pub branches: Vec<Branch>,
    /// What PHP may have sent for it.
    pub sendfile: Sendfile,
}

/// How PHP scripts are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// One script, booted once a worker, answers everything that is not a file.
    Worker {
        /// The worker script.
        script: PathBuf,
    },
    /// Scripts are looked up under the root and run anew for each request.
    Classic {
        /// Name of the directory index.
        index: String,
        /// The script of paths that are no file, by its path under the root; none: in the default pool the index at the top, in
        /// another one whatever the default pool does with the path.
        front: Option<PathBuf>,
    },
}

/// A script and how the path splits around it (RFC 3875 terms).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// The pool that runs it: 0 is the default one, others follow in the order of [`Site::branches`].
    pub(super) pool: usize,
    /// `SCRIPT_NAME`.
    pub(super) name: Vec<u8>,
    /// `SCRIPT_FILENAME`.
    pub(super) file: PathBuf,
    /// `PATH_INFO`.
    pub(super) path_info: Vec<u8>,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// PHP.
    Script(Script),
    /// This regular file under the root; whether it may be shown is known once it is open.
    File(PathBuf),
    /// The same path with a final slash: relative links of a directory's index need it.
    AddSlash,
    /// Nobody.
    NotFound,
}

/// Decides who answers.
#[derive(Debug)]
pub struct Router {
    site: Site,
    /// By number of the pool, the URL path of the script that answers everything that is no file; empty if there is none.
    fronts: Vec<Vec<u8>>,
    tree: Tree,
    reach: Reach,
}

impl Router {
    /// Gets to know the site.
    pub fn new(site: Site) -> Self {
        let tree = Tree::new(&site.root);
        let reach = Reach::new(&site.root, &site.links);
        let front = |mode: &Mode| match mode {
            Mode::Worker { script } | Mode::Classic { front: Some(script), .. } => url_path_of(&site.root, script),
            Mode::Classic { front: None, .. } => Vec::new(),
        };
        let modes = site.branches.iter().map(|branch| &branch.mode);
        let fronts = std::iter::once(&site.mode).chain(modes).map(front).collect();
        Self { site, fronts, tree, reach }
    }

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    /// Which files may be shown.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Decides about a cleaned path (see `path::clean`).
    pub(super) fn route(&self, method: &Method, path: &[u8]) -> Route {
        if is_hidden(path) {
            return Route::NotFound;
        }
        let site = &self.site;
        let branch = site.branches.iter().position(|branch| branch.takes(method, path));
        let mode = branch.map_or(&site.mode, |index| &site.branches[index].mode);
        let pool = branch.map_or(0, |index| index + 1);
        self.route_in(pool, mode, method, path)
            // A classic pool without a front controller of its own leaves what is no file to the default pool.
            .or_else(|| (pool > 0).then(|| self.route_in(0, &site.mode, method, path))?)
            .unwrap_or(Route::NotFound)
    }

    fn route_in(&self, pool: usize, mode: &Mode, method: &Method, path: &[u8]) -> Option<Route> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let mut route = match mode {
            Mode::Worker { script } => Some(self.route_worker(script, pool, reads, path)),
            Mode::Classic { index, .. } => self.route_classic(index, pool, reads, path),
        };
        if let Some(Route::Script(script)) = &mut route {
            script.pool = pool;
        }
        route
    }

    fn route_worker(&self, script: &Path, pool: usize, reads: bool, path: &[u8]) -> Route {
        let (default, name) = (pool == 0, &self.fronts[pool]);
        let mut path_info = Vec::new();
        // What a pool is given by its patterns is its own, also if it looks like the path of another script.
        if let Some(end) = script_end(path).filter(|end| default || path[..*end] == **name) {
            if path[..end] != **name {
                return Route::NotFound;
            }
            path_info = path[end..].to_vec();
        } else if reads && !path.ends_with(b"/") {
            match self.file(path) {
                Found::File(file) => return Route::File(file),
                Found::Forbidden => return Route::NotFound,
                Found::Directory | Found::Nothing => {}
            }
        }
        Route::Script(Script { pool: 0, name: name.clone(), file: script.to_owned(), path_info })
    }

    fn route_classic(&self, index: &str, pool: usize, reads: bool, path: &[u8]) -> Option<Route> {
        if let Some(end) = script_end(path)
            && let Some(file) = self.script(&path[..end])
        {
            let path_info = path[end..].to_vec();
            return Some(Route::Script(Script { pool: 0, name: path[..end].to_vec(), file, path_info }));
        }
        let directory = match self.file(path) {
            Found::Forbidden => return Some(Route::NotFound),
            Found::File(file) if reads && !path.ends_with(b"/") => return Some(Route::File(file)),
            Found::File(_) | Found::Nothing => false,
            Found::Directory => true,
        };
        if directory && let Some(route) = self.route_directory(index, reads, path) {
            return Some(route);
        }
        let name = match &self.fronts[pool] {
            front if !front.is_empty() => front.clone(),
            _ if pool == 0 => join(b"/", index.as_bytes()),
            _ => return None,
        };
        let file = self.script(&name)?;
        Some(Route::Script(Script { pool: 0, name, file, path_info: Vec::new() }))
    }

    fn route_directory(&self, index: &str, reads: bool, path: &[u8]) -> Option<Route> {
        let slashed = if path.ends_with(b"/") { path.to_vec() } else { join(path, b"/") };
        let name = join(&slashed, index.as_bytes());
        let route = match self.script(&name) {
            Some(file) => Route::Script(Script { pool: 0, name, file, path_info: Vec::new() }),
            None => match self.file(&join(&slashed, b"index.html")) {
                Found::File(file) if reads => Route::File(file),
                _ => return None,
            },
        };
        Some(if reads && !path.ends_with(b"/") { Route::AddSlash } else { route })
    }

    /// The script of this URL path, if it is a regular file that does not leave the root through a link.
    fn script(&self, path: &[u8]) -> Option<PathBuf> {
        let file = self.on_disk(path);
        match self.tree.look(path) {
            Seen::File => Some(file),
            Seen::Nothing | Seen::Directory | Seen::Special => None,
            Seen::Unknown => {
                let real = fs::canonicalize(&file).ok()?;
                (real.starts_with(&self.site.root) && real.is_file()).then_some(file)
            }
        }
    }

    fn file(&self, path: &[u8]) -> Found {
        let file = self.on_disk(path);
        let seen = match self.tree.look(path) {
            Seen::Unknown => match fs::metadata(&file) {
                Err(_) => Seen::Nothing,
                Ok(metadata) if metadata.is_dir() => Seen::Directory,
                Ok(metadata) if metadata.is_file() => Seen::File,
                Ok(_) => Seen::Special,
            },
            known => known,
        };
        match seen {
            Seen::Nothing | Seen::Unknown => Found::Nothing,
            Seen::Directory => Found::Directory,
            Seen::File if !may_be_source(path) => Found::File(file),
            Seen::File | Seen::Special => Found::Forbidden,
        }
    }

    fn on_disk(&self, path: &[u8]) -> PathBuf {
        let relative = path.strip_prefix(b"/").unwrap_or(path);
        self.site.root.join(OsStr::from_bytes(relative))
    }
}

/// The URL path under which a script lies; one outside the root stands as if it lay at its top.
fn url_path_of(root: &Path, script: &Path) -> Vec<u8> {
    let relative = script.strip_prefix(root).ok().map(Path::as_os_str);
    join(b"/", relative.or(script.file_name()).unwrap_or_default().as_bytes())
}

#[derive(Debug)]
enum Found {
    File(PathBuf),
    Directory,
    /// Something is there that is not shown.
    Forbidden,
    Nothing,
}

fn join(first: &[u8], second: &[u8]) -> Vec<u8> {
    [first, second].concat()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Tree {
        _folder: tempfile::TempDir,
        root: PathBuf,
    }

    fn tree() -> Tree {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().canonicalize().expect("it exists");
        let root = base.join("public");
        for directory in ["sub", "html", "bare", "weird.php"] {
            fs::create_dir_all(root.join(directory)).expect("a directory");
        }
        let files = [
            "index.php",
            "a.php",
            "UP.PHP",
            "style.css",
            "sub/index.php",
            "sub/x.txt",
            "html/index.html",
            "old.php.bak",
            ".env",
        ];
        for file in files {
            fs::write(root.join(file), "x").expect("a file");
        }
        fs::write(base.join("secret.txt"), "x").expect("a file");
        fs::write(base.join("secret.php"), "x").expect("a file");
        symlink(base.join("secret.txt"), root.join("leak.txt")).expect("a link");
        symlink(base.join("secret.php"), root.join("leak.php")).expect("a link");
        symlink(root.join("style.css"), root.join("alias.css")).expect("a link");
        symlink(root.join(".env"), root.join("env.txt")).expect("a link");
        symlink(root.join("a.php"), root.join("source.txt")).expect("a link");
        Tree { _folder: folder, root }
    }

    fn router(root: &Path, mode: Mode) -> Router {
        let (links, branches, sendfile) = (Vec::new(), Vec::new(), Sendfile::default());
        Router::new(Site { root: root.to_owned(), links, mode, branches, sendfile })
    }

    fn classic() -> Mode {
        Mode::Classic { index: "index.php".to_owned(), front: None }
    }

    /// A route in one line: `name|file|info`, `file NAME`, ...
    fn told(router: &Router, method: &Method, path: &str) -> String {
        let short = |file: &Path| file.strip_prefix(&router.site.root).expect("under the root").display().to_string();
        match router.route(method, path.as_bytes()) {
            Route::Script(script) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!("{}|{}|{}", text(&script.name), short(&script.file), text(&script.path_info))
            }
            Route::File(file) => format!("file {}", short(&file)),
            Route::AddSlash => "slash".to_owned(),
            Route::NotFound => "404".to_owned(),
        }
    }

    #[test]
    fn worker_mode() {
        let tree = tree();
        let site = router(&tree.root, Mode::Worker { script: tree.root.join("index.php") });
        let worker = "/index.php|index.php|";
        let cases = [
            (Method::GET, "/", worker),
            (Method::GET, "/blog/1", worker),
            (Method::GET, "/sub", worker),
            (Method::GET, "/sub/", worker),
            (Method::GET, "/index.php", worker),
            (Method::GET, "/index.php/blog", "/index.php|index.php|/blog"),
            (Method::GET, "/a.php", "404"),
            (Method::GET, "/missing.php", "404"),
            (Method::GET, "/missing.PHP/x", "404"),
            (Method::GET, "/style.css", "file style.css"),
            (Method::HEAD, "/style.css", "file style.css"),
            (Method::POST, "/style.css", worker),
            (Method::GET, "/style.css/", worker),
            (Method::GET, "/alias.css", "file alias.css"),
            (Method::GET, "/leak.txt", "file leak.txt"),
            (Method::GET, "/env.txt", "file env.txt"),
            (Method::GET, "/source.txt", "file source.txt"),
            (Method::GET, "/old.php.bak", "404"),
            (Method::GET, "/.env", "404"),
            (Method::GET, "/.well-known/x", worker),
        ];
        for (method, path, expected) in cases {
            assert_eq!(told(&site, &method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_worker_outside_the_root_stands_at_its_top() {
        let tree = tree();
        let script = tree.root.with_file_name("worker.php");
        let site = router(&tree.root, Mode::Worker { script });
        let Route::Script(script) = site.route(&Method::GET, b"/x") else { panic!("no script") };
        assert_eq!(script.name, b"/worker.php");
    }

    #[test]
    fn classic_mode() {
        let tree = tree();
        let site = router(&tree.root, classic());
        let front = "/index.php|index.php|";
        let cases = [
            (Method::GET, "/", front),
            (Method::GET, "/missing", front),
            (Method::GET, "/missing.php", front),
            (Method::GET, "/a.php", "/a.php|a.php|"),
            (Method::GET, "/a.php/x/y", "/a.php|a.php|/x/y"),
            (Method::POST, "/UP.PHP", "/UP.PHP|UP.PHP|"),
            (Method::GET, "/leak.php", "404"),
            (Method::GET, "/leak.txt", "file leak.txt"),
            (Method::GET, "/style.css", "file style.css"),
            (Method::POST, "/style.css", front),
            (Method::GET, "/old.php.bak", "404"),
            (Method::GET, "/sub", "slash"),
            (Method::POST, "/sub", "/sub/index.php|sub/index.php|"),
            (Method::GET, "/sub/", "/sub/index.php|sub/index.php|"),
            (Method::GET, "/sub/x.txt", "file sub/x.txt"),
            (Method::GET, "/html/", "file html/index.html"),
            (Method::GET, "/bare/", front),
            (Method::GET, "/weird.php", front),
            (Method::GET, "/.env", "404"),
        ];
        for (method, path, expected) in cases {
            assert_eq!(told(&site, &method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn classic_mode_without_a_front_controller() {
        let tree = tree();
        fs::remove_file(tree.root.join("index.php")).expect("it was there");
        let site = router(&tree.root, classic());
        assert_eq!(told(&site, &Method::GET, "/missing"), "404");
        assert_eq!(told(&site, &Method::GET, "/missing.php"), "404");
    }
}
