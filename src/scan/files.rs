//! Which files are looked at.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use walkdir::WalkDir;

use super::finding::Problem;

/// Folders that hold no code of one's own, or code that no worker runs.
pub const DEFAULT_EXCLUDES: [&str; 8] = ["vendor", "var", "node_modules", "tests", "test", "Tests", "Test", ".git"];

/// What is looked at, beyond the paths.
#[derive(Debug)]
pub struct Choice {
    include: Option<GlobSet>,
    exclude: GlobSet,
    defaults: bool,
}

impl Choice {
    /// Globs over paths below the root; a glob without `/` is one of names. `defaults`: the folders of [`DEFAULT_EXCLUDES`] are left out.
    pub fn new(include: &[String], exclude: &[String], defaults: bool) -> Result<Self, globset::Error> {
        let include = if include.is_empty() { None } else { Some(globs(include)?) };
        Ok(Self { include, exclude: globs(exclude)?, defaults })
    }

    /// Whether a file or folder below a given path is left out.
    fn leaves_out(&self, below_root: &Path, name: &str, is_folder: bool) -> bool {
        let by_default = self.defaults && is_folder && DEFAULT_EXCLUDES.contains(&name);
        by_default || self.exclude.is_match(below_root)
    }

    fn takes(&self, below_root: &Path) -> bool {
        self.include.as_ref().is_none_or(|globs| globs.is_match(below_root))
    }
}

/// `x` means `**/x` and all below; `a/b` is anchored at the root.
fn globs(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
        let anchored = if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") };
        for text in [anchored.clone(), format!("{anchored}/**")] {
            set.add(GlobBuilder::new(&text).literal_separator(true).build()?);
        }
    }
    set.build()
}

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    /// Path below the root with `/`, or the whole path if it is not below.
    pub(super) shown: String,
    pub(super) path: PathBuf,
}

/// The path as it is shown: below the root, if it is.
pub(super) fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// The PHP files below the paths, each once, in the order of their names. A path that names a file is taken whatever its name is and
/// whatever is excluded; links to folders are not followed.
pub(super) fn find(root: &Path, paths: &[PathBuf], choice: &Choice) -> (Vec<File>, Vec<Problem>) {
    let mut found = BTreeSet::new();
    let mut problems = Vec::new();
    for path in paths {
        let mut any = false;
        if path.is_file() {
            found.insert(File { shown: shown(root, path), path: path.clone() });
            continue;
        }
        let walk = WalkDir::new(path).into_iter().filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
            entry.depth() == 0 || !choice.leaves_out(below, &name, entry.file_type().is_dir())
        });
        for entry in walk {
            match entry {
                // A link to a file is that file under another name; one that leads nowhere is none.
                Ok(entry) if is_php(entry.path()) && entry.path().is_file() => {
                    let path = entry.into_path();
                    any = true;
                    if choice.takes(path.strip_prefix(root).unwrap_or(&path)) {
                        found.insert(File { shown: shown(root, &path), path });
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    any = true;
                    let at = error.path().unwrap_or(path);
                    let cause = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    problems.push(Problem {
                        file: shown(root, at),
                        line: 0,
                        message: format!("cannot be read: {cause}"),
                    });
                }
            }
        }
        if !any {
            let message = "no PHP file is in it, or all are left out".to_owned();
            problems.push(Problem { file: shown(root, path), line: 0, message });
        }
    }
    (found.into_iter().collect(), problems)
}

fn is_php(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["php", "phtml", "inc"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(include: &[&str], exclude: &[&str], defaults: bool, below: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for file in ["src/A.php", "src/b.txt", "src/Deep/C.PHP", "vendor/x/V.php", "tests/T.php", "src/Tests/U.php"] {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, "<?php").expect("a file");
        }
        let own = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let choice = Choice::new(&own(include), &own(exclude), defaults).expect("globs");
        let (files, problems) = find(root, &[root.join(below)], &choice);
        assert_eq!(problems, []);
        files.into_iter().map(|file| file.shown).collect()
    }

    #[test]
    fn what_is_looked_at() {
        let all = ["src/A.php", "src/Deep/C.PHP", "src/Tests/U.php", "tests/T.php", "vendor/x/V.php"];
        assert_eq!(names(&[], &[], false, ""), all);
        assert_eq!(names(&[], &[], true, ""), all[..2]);
        assert_eq!(names(&[], &[], true, "vendor"), ["vendor/x/V.php"], "what is named is looked at");
        assert_eq!(names(&[], &["Deep"], true, ""), ["src/A.php"]);
        assert_eq!(names(&[], &["src/Deep/"], true, ""), ["src/A.php"]);
        assert_eq!(names(&["A.php"], &[], true, ""), ["src/A.php"]);
        assert_eq!(names(&["src/Deep/**"], &[], true, ""), ["src/Deep/C.PHP"]);
        assert_eq!(names(&[], &[], true, "src/b.txt"), ["src/b.txt"], "a file that is named, whatever its name is");
    }
}
