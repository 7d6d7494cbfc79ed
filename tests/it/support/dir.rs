//! A folder of its own for each test, removed at the end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::wait::until;

/// The private folder of one test: `app/` is the application, `marks/` holds marker files, `tmp/` is the server's
/// temporary folder. It is removed with the last of its clones: servers that follow each other may share one.
#[derive(Debug, Clone)]
pub(crate) struct PrivateDir {
    root: Arc<tempfile::TempDir>,
}

impl PrivateDir {
    /// An empty application.
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("supercharger-test-").tempdir().expect("a temporary folder");
        for name in ["app", "marks", "tmp"] {
            std::fs::create_dir(root.path().join(name)).expect("a folder");
        }
        Self { root: Arc::new(root) }
    }

    /// A copy of a fixture application of `tests/apps/`.
    pub(crate) fn with_app(name: &str) -> Self {
        let dir = Self::new();
        copy_tree(&checkout().join("tests/apps").join(name), &dir.app());
        dir
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn app(&self) -> PathBuf {
        self.path().join("app")
    }

    pub(crate) fn marks(&self) -> PathBuf {
        self.path().join("marks")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// Makes a marker file that a PHP route waits for.
    pub(crate) fn mark(&self, name: &str) {
        std::fs::write(self.marks().join(name), b"").expect("a marker file");
    }

    /// The content of a marker file, if it is there.
    pub(crate) fn marked(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.marks().join(name)).ok()
    }

    /// Waits for a marker file that a PHP route makes.
    pub(crate) async fn wait_for_mark(&self, name: &str) -> String {
        until(Duration::from_secs(20), &format!("the application makes {name}"), || self.marked(name)).await
    }

    /// How many lines a marker file has; 0 if it is not there.
    pub(crate) fn lines(&self, name: &str) -> usize {
        self.marked(name).map_or(0, |text| text.lines().count())
    }

    /// Writes a file below the private folder and gives its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a folder");
        }
        std::fs::write(&path, content).expect("a file");
        path
    }
}

/// The repository.
pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies a tree with its file times: OPcache does not cache files that are younger than two seconds.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().expect("cp runs");
    assert!(status.success(), "cp -a {} {}", from.display(), to.display());
}
