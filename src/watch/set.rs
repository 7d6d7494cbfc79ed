//! Which files count.

#![forbid(unsafe_code)]

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::WalkDir;

/// What a booted worker has read and does not read again: PHP code, templates (a compiled template is a class, and a class that a worker
/// has loaded stays), translations, and the configuration of frameworks.
const PATTERNS: [&str; 3] =
    ["**/*.{php,phtml,inc,twig,latte,neon,yaml,yml,xml,xlf,xliff,ini,env}", "**/.env", "**/.env.*"];

/// What Composer writes last when libraries have changed. The libraries themselves are not watched: there are too many.
const COMPOSER: [&str; 2] = ["composer.lock", "vendor/composer/installed.php"];

/// Folders whose content never counts, wherever they lie.
const NEVER: [&str; 1] = ["node_modules"];

/// Folders at the top of a project whose content never counts: libraries, and what applications write while they run (Symfony's
/// `var`, Laravel's `storage`, Nette's `temp` and `log`).
const NEVER_ON_TOP: [&str; 9] = ["var", "vendor", "storage", "bootstrap/cache", "cache", "log", "logs", "temp", "tmp"];

/// How deep folders are looked into: deeper than any project, and an end to loops of links.
const DEEPEST: usize = 40;

/// A glob cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is no glob: {problem}")]
pub struct BadGlob {
    /// As given.
    pub glob: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The files that count.
#[derive(Debug, Clone)]
pub struct Set {
    project: PathBuf,
    roots: Vec<Root>,
    /// Relative to the project, or absolute.
    excluded: Vec<GlobMatcher>,
    /// Single files, wherever they lie.
    files: Vec<PathBuf>,
}

/// A folder and what counts below it.
#[derive(Clone)]
struct Root {
    folder: PathBuf,
    patterns: Vec<GlobMatcher>,
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A compiled glob prints pages.
        let patterns: Vec<_> = self.patterns.iter().map(|pattern| pattern.glob().glob()).collect();
        f.debug_struct("Root").field("folder", &self.folder).field("patterns", &patterns).finish()
    }
}

impl Set {
    /// The files below the project folder that match the globs; without one that includes something, those that applications
    /// usually consist of. A glob that begins with `!` excludes. `files` count besides.
    ///
    /// # Errors
    /// A glob cannot be read.
    pub fn new(project: &Path, globs: &[String], files: Vec<PathBuf>) -> Result<Self, BadGlob> {
        let mut set = Self { project: plain(project), roots: Vec::new(), excluded: Vec::new(), files };
        set.files.extend(COMPOSER.map(|name| set.project.join(name)));
        for glob in globs {
            match glob.strip_prefix('!') {
                Some(excluded) => set.exclude(excluded)?,
                None => set.include(glob)?,
            }
        }
        if set.roots.is_empty() {
            set.roots.push(Root { folder: set.project.clone(), patterns: usual()? });
        }
        Ok(set)
    }

    fn include(&mut self, glob: &str) -> Result<(), BadGlob> {
        if glob.is_empty() {
            return Err(BadGlob { glob: glob.to_owned(), problem: "it is empty".to_owned() });
        }
        let (folder, pattern) = split(glob);
        let folder = plain(&self.project.join(folder));
        let whole = if pattern.is_empty() { folder.clone() } else { folder.join(&pattern) };
        let root = if whole.is_dir() {
            Root { folder: whole, patterns: usual()? }
        } else {
            // A name without a folder is meant at any depth.
            let pattern = if glob.contains('/') { pattern } else { format!("**/{pattern}") };
            Root { folder, patterns: vec![compile(glob, &pattern)?] }
        };
        self.roots.push(root);
        Ok(())
    }

    fn exclude(&mut self, glob: &str) -> Result<(), BadGlob> {
        let pattern = glob.strip_prefix("./").unwrap_or(glob).trim_end_matches('/');
        if pattern.is_empty() {
            return Err(BadGlob { glob: format!("!{glob}"), problem: "it is empty".to_owned() });
        }
        let pattern = if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") };
        self.excluded.push(compile(glob, &pattern)?);
        Ok(())
    }

    /// The project's folder.
    pub fn project(&self) -> &Path {
        &self.project
    }

    /// Whether a change of this file counts.
    pub(super) fn has(&self, file: &Path) -> bool {
        if self.files.iter().any(|single| single == file) {
            return true;
        }
        // Emacs locks a file with a link of that name.
        let is_lock = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".#"));
        !is_lock
            && self.roots.iter().any(|root| {
                let Ok(below) = file.strip_prefix(&root.folder) else { return false };
                root.patterns.iter().any(|pattern| pattern.is_match(below))
                    && below.parent().is_none_or(|folders| self.leads_on(root, folders))
            })
            && !self.is_excluded(file)
    }

    /// Whether files that count may lie in this folder.
    pub(super) fn enters(&self, folder: &Path) -> bool {
        self.roots.iter().any(|root| folder.strip_prefix(&root.folder).is_ok_and(|below| self.leads_on(root, below)))
    }

    /// Whether no folder on the way down from a root is one whose content never counts.
    fn leads_on(&self, root: &Root, below: &Path) -> bool {
        let mut on_top = PathBuf::new();
        for component in below.components() {
            let Component::Normal(name) = component else { return false };
            on_top.push(name);
            let never = NEVER.iter().any(|folder| name == *folder)
                || name.as_encoded_bytes().starts_with(b".")
                || root.folder == self.project && NEVER_ON_TOP.iter().any(|folder| on_top == Path::new(folder));
            if never || self.is_excluded(&root.folder.join(&on_top)) {
                return false;
            }
        }
        true
    }

    fn is_excluded(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.project).unwrap_or(path);
        self.excluded.iter().any(|pattern| pattern.is_match(below))
    }

    /// Every folder that files that count lie in or may come to lie in.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = self.roots.iter().flat_map(|root| self.below(&root.folder)).collect();
        // A file that is replaced is a change of its folder.
        folders.extend(self.files.iter().filter_map(|file| file.parent()).map(Path::to_owned));
        folders.sort_unstable();
        folders.dedup();
        folders.retain(|folder| folder.is_dir());
        folders
    }

    /// The same below one folder, with itself.
    pub(super) fn below(&self, folder: &Path) -> Vec<PathBuf> {
        self.walk(folder).filter(|entry| entry.file_type().is_dir()).map(walkdir::DirEntry::into_path).collect()
    }

    /// The files below a folder that count.
    pub(super) fn files_below(&self, folder: &Path) -> Vec<PathBuf> {
        let files = self.walk(folder).filter(|entry| !entry.file_type().is_dir()).map(walkdir::DirEntry::into_path);
        files.filter(|file| self.has(file)).collect()
    }

    /// All files that count.
    pub(super) fn all_files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.roots.iter().flat_map(|root| self.files_below(&root.folder)).collect();
        files.extend(self.files.iter().cloned());
        files.sort_unstable();
        files.dedup();
        files
    }

    /// What cannot be read is passed over: it may be gone by now.
    fn walk(&self, folder: &Path) -> impl Iterator<Item = walkdir::DirEntry> {
        let entered = |entry: &walkdir::DirEntry| !entry.file_type().is_dir() || self.enters(entry.path());
        WalkDir::new(folder).max_depth(DEEPEST).into_iter().filter_entry(entered).filter_map(Result::ok)
    }
}

fn usual() -> Result<Vec<GlobMatcher>, BadGlob> {
    PATTERNS.iter().map(|pattern| compile(pattern, pattern)).collect()
}

fn compile(glob: &str, pattern: &str) -> Result<GlobMatcher, BadGlob> {
    let compiled = GlobBuilder::new(pattern).literal_separator(true).build();
    let problem = |error: globset::Error| BadGlob { glob: glob.to_owned(), problem: error.kind().to_string() };
    compiled.map(|glob| glob.compile_matcher()).map_err(problem)
}

/// The leading folders of a glob that are plain names, and the rest.
fn split(glob: &str) -> (PathBuf, String) {
    let is_plain = |part: &str| !part.contains(['*', '?', '[', '{', '\\']);
    let parts: Vec<&str> = glob.split('/').collect();
    let plain = parts[..parts.len() - 1].iter().take_while(|part| is_plain(part)).count();
    let folder = parts[..plain].join("/");
    let folder = if folder.is_empty() && glob.starts_with('/') { "/".to_owned() } else { folder };
    (folder.into(), parts[plain..].join("/"))
}

/// Without `.` and `..`, so that it can be compared with what the kernel says. Links stay: the kernel names what was watched.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(project: &Path, globs: &[&str]) -> Set {
        let globs: Vec<_> = globs.iter().map(|&glob| glob.to_owned()).collect();
        Set::new(project, &globs, vec!["/etc/shop.toml".into()]).expect("globs")
    }

    #[test]
    fn files_that_count() {
        let project = Path::new("/srv/shop");
        let usual: &[&str] = &[];
        let cases: [(&[&str], &str, bool); 31] = [
            (usual, "src/Controller/A.php", true),
            (usual, "templates/base.html.twig", true),
            (usual, "config/services.yaml", true),
            (usual, "translations/messages.de.xlf", true),
            (usual, ".env", true),
            (usual, ".env.local", true),
            (usual, "src/var/A.php", true),
            (usual, "composer.lock", true),
            (usual, "vendor/composer/installed.php", true),
            (usual, "/etc/shop.toml", true),
            (usual, "/etc/other.toml", false),
            (usual, "vendor/acme/lib/A.php", false),
            (usual, "var/cache/dev/A.php", false),
            (usual, "storage/framework/views/a.php", false),
            (usual, "bootstrap/cache/services.php", false),
            (usual, "bootstrap/app.php", true),
            (usual, "assets/node_modules/x/a.php", false),
            (usual, ".git/hooks/a.php", false),
            (usual, "public/build/app.js", false),
            (usual, "src/A.php~", false),
            (usual, "src/.#A.php", false),
            (usual, "src/.A.php.swp", false),
            (&["!src/Legacy"], "src/Legacy/A.php", false),
            (&["!src/Legacy/**"], "src/Legacy/Deep/A.php", false),
            (&["!*.yaml"], "config/services.yaml", false),
            (&["!*.yaml"], "src/A.php", true),
            (&["src/**/*.php"], "config/services.yaml", false),
            (&["src/**/*.php"], "src/Deep/er/A.php", true),
            (&["*.php"], "src/Deep/A.php", true),
            (&["../lib/**/*.php"], "/srv/lib/src/A.php", true),
            (&["vendor/acme/**/*.php"], "vendor/acme/lib/A.php", true),
        ];
        for (globs, file, expected) in cases {
            assert_eq!(set(project, globs).has(&project.join(file)), expected, "{globs:?}: {file}");
        }
    }

    #[test]
    fn folders_that_are_entered() {
        let folder = tempfile::tempdir().expect("a folder");
        let project = folder.path();
        for name in ["src/Deep", "vendor/composer", "vendor/acme", "var/cache", "node_modules/x", ".git/objects"] {
            std::fs::create_dir_all(project.join(name)).expect("a folder");
        }
        std::fs::write(project.join("src/Deep/A.php"), "").expect("a file");
        let below = |set: &Set| -> Vec<String> {
            let named = |path: &PathBuf| path.strip_prefix(project).map(|path| path.display().to_string());
            set.folders().iter().filter_map(|path| named(path).ok()).collect()
        };
        assert_eq!(below(&set(project, &[])), ["", "src", "src/Deep", "vendor/composer"]);
        assert_eq!(below(&set(project, &["src"])), ["", "src", "src/Deep", "vendor/composer"]);
        assert_eq!(set(project, &["src"]).all_files()[..1], [PathBuf::from("/etc/shop.toml")]);
        assert!(set(project, &["src"]).has(&project.join("src/x.twig")), "a folder means what is usual in it");
        assert!(!set(project, &["src"]).has(&project.join("config/x.twig")));
    }

    #[test]
    fn globs_that_cannot_be_read() {
        for glob in ["src/[", "!", "a{b"] {
            let error = Set::new(Path::new("/srv"), &[glob.to_owned()], Vec::new()).expect_err(glob);
            assert!(error.to_string().contains(glob), "{error}");
        }
    }
}
