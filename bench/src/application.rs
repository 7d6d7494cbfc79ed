//! What is asked of the servers: the folder it lies in, the request, and how wrk sends it.

use std::path::{Path, PathBuf};

use crate::figure::At;

/// Bytes of the body of an upload.
const UPLOAD: usize = 20 << 20;

/// One application, or one use of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Application {
    /// As it stands in results and in `--only`.
    pub(crate) name: &'static str,
    /// What it is, in a line.
    pub(crate) what: &'static str,
    /// Folder of public files, below `bench/apps`.
    root: &'static str,
    /// The PHP file that answers everything, below the root; none: files alone.
    script: Option<&'static str>,
    /// Path and query of the request that is measured.
    pub(crate) path: &'static str,
    /// Bytes of the body that is sent with it; 0: none, and GET.
    pub(crate) upload: usize,
    /// The script of wrk, in `bench/load`.
    load: &'static str,
    /// Path that tells what has served it.
    pub(crate) state: Option<&'static str>,
    /// Environment of every server.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// Connections at which it is measured.
    pub(crate) at: &'static [At],
}

/// Production settings, and no file that is looked for at each start. Nobody recycles where it is not measured.
const PRODUCTION: &[(&str, &str)] =
    &[("APP_ENV", "prod"), ("APP_DEBUG", "0"), ("APP_RUNTIME_OPTIONS", "{\"disable_dotenv\":true}")];

pub(crate) const HELLO: Application = Application {
    name: "hello",
    what: "a worker closure that sends twelve bytes",
    root: "hello",
    script: Some("worker.php"),
    path: "/",
    upload: 0,
    load: "get.lua",
    state: Some("/?served"),
    environment: &[],
    at: &[At::One, At::Workers, At::Crowd],
};

/// The same for servers that only differ in what they tell of a request.
pub(crate) const OBSERVED: Application = Application { name: "observed", at: &[At::Crowd], ..HELLO };

pub(crate) const STORM: Application = Application { name: "storm", at: &[At::Crowd], ..HELLO };

pub(crate) const SYMFONY: Application = Application {
    name: "symfony",
    what: "a JSON route of Symfony in production settings, twenty articles in 1.1 KiB",
    root: "symfony/public",
    script: Some("index.php"),
    path: "/api/articles?page=3",
    upload: 0,
    load: "get.lua",
    state: Some("/served"),
    environment: PRODUCTION,
    at: &[At::One, At::Workers, At::Crowd],
};

pub(crate) const SYMFONY_STORM: Application = Application { name: "symfony_storm", at: &[At::Crowd], ..SYMFONY };

pub(crate) const SCALE: Application = Application { name: "scale", at: &[At::Fixed(32)], ..SYMFONY };

pub(crate) const MIXED: Application = Application {
    name: "slope",
    what: "Symfony: a JSON route, a Twig page and data that is sent, in turn",
    load: "mixed.lua",
    at: &[At::Crowd],
    ..SYMFONY
};

pub(crate) const FILE: Application = Application {
    name: "static",
    what: "a file of 4 KiB",
    root: "files",
    script: None,
    path: "/file.txt",
    upload: 0,
    load: "get.lua",
    state: None,
    environment: &[],
    at: &[At::Crowd],
};

pub(crate) const DOWNLOAD: Application = Application {
    name: "download",
    what: "1 MiB that PHP writes at once",
    root: "transfer",
    script: Some("worker.php"),
    path: "/",
    upload: 0,
    load: "get.lua",
    state: Some("/?served"),
    environment: &[],
    at: &[At::Fixed(8)],
};

pub(crate) const UPLOADED: Application = Application {
    name: "upload",
    what: "20 MiB that PHP reads and counts",
    upload: UPLOAD,
    load: "upload.lua",
    ..DOWNLOAD
};

impl Application {
    /// Its folder of public files.
    pub(crate) fn root(&self, bench: &Path) -> PathBuf {
        bench.join("apps").join(self.root)
    }

    /// Its PHP file.
    pub(crate) fn script(&self, bench: &Path) -> Option<PathBuf> {
        self.script.map(|name| self.root(bench).join(name))
    }

    /// The name of that file below the root.
    pub(crate) fn script_name(&self) -> Option<&'static str> {
        self.script
    }

    /// wrk's script.
    pub(crate) fn load(&self, bench: &Path) -> PathBuf {
        bench.join("load").join(self.load)
    }

    /// Why it cannot be asked for on this machine.
    pub(crate) fn missing(&self, bench: &Path) -> Option<String> {
        let vendor = bench.join("apps/symfony/vendor/autoload_runtime.php");
        (self.root.starts_with("symfony") && !vendor.exists())
            .then(|| "Symfony's libraries are not there; run scripts/symfony-libraries bench/apps/symfony".to_owned())
    }
}
