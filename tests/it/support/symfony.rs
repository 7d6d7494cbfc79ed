//! The demo application with the libraries of one Symfony series.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::dir::{PrivateDir, checkout, copy_tree};
use super::fixture::Mode;
use super::program::run_to_end;
use super::server::Launch;

/// The series that the demo application supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    V6_4,
    V7_4,
    V8_1,
}

impl Series {
    pub(crate) fn number(self) -> &'static str {
        match self {
            Self::V6_4 => "6.4",
            Self::V7_4 => "7.4",
            Self::V8_1 => "8.1",
        }
    }
}

/// The first run on a machine fetches the libraries; later ones take a second.
const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// One at a time: a fetch is not to be raced.
static PREPARING: Mutex<()> = Mutex::new(());

/// Whether the application has the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    /// The executable's own copy of the runtime serves it.
    Carried,
    /// That of `php/`, as Composer would install it from a folder, with its bundle.
    Required,
}

/// A private copy of `examples/symfony` with its libraries in `vendor/`.
pub(crate) fn application(series: Series) -> PrivateDir {
    prepared("examples/symfony", series, Package::Carried)
}

/// The demo application with the package.
pub(crate) fn with_package(series: Series, mode: Mode) -> Launch {
    demo(series, mode, Package::Required)
}

/// The demo application, with or without.
pub(crate) fn demo(series: Series, mode: Mode, package: Package) -> Launch {
    launched(prepared("examples/symfony", series, package), mode)
}

/// The Symfony application of `tests/apps` that leaks, with all the libraries that there are.
pub(crate) fn leaking(series: Series, package: Package) -> Launch {
    // What is put back is told at debug.
    launched(prepared("tests/apps/symfony-leaks", series, package), Mode::Worker).config("log.level", "\"debug\"")
}

/// What a new project has, and nothing else: its `.env` says where it runs.
pub(crate) fn skeleton(series: Series, package: Package) -> Launch {
    Launch::with_dir(prepared("tests/apps/symfony-skeleton", series, package), Mode::Worker)
}

/// The same application once more, after its server has ended: what it has compiled is there already.
pub(crate) fn again(dir: &PrivateDir, mode: Mode) -> Launch {
    launched(dir.clone(), mode)
}

/// Puts the package beside the application, where its own loader finds it: in front of what the executable carries.
fn require_package(dir: &PrivateDir) {
    std::fs::create_dir(dir.path().join("package")).expect("a folder");
    for part in ["src", "config", "templates"] {
        copy_tree(&checkout().join("php").join(part), &dir.path().join("package").join(part));
    }
    let change = |name: &str, from: &str, to: &str| {
        let path = dir.app().join(name);
        let text = std::fs::read_to_string(&path).expect("a file of the demo");
        assert!(text.contains(from), "{from} in {name}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("a file of the demo");
    };
    change("composer.json", r#""App\\": "src/""#, r#""Supercharger\\Runtime\\": "../package/src/", "App\\": "src/""#);
    let bundle = r"Supercharger\Runtime\Bundle\SuperchargerRuntimeBundle::class => ['all' => true],";
    change("config/bundles.php", "];", &format!("    {bundle}\n];"));
}

fn prepared(source: &str, series: Series, package: Package) -> PrivateDir {
    let dir = PrivateDir::new();
    copy_tree(&checkout().join(source), &dir.app());
    // What a developer's own runs have left there is not part of the test.
    for leftover in ["var", "vendor"] {
        drop(std::fs::remove_dir_all(dir.app().join(leftover)));
    }
    if package == Package::Required {
        require_package(&dir);
    }
    let _turn = PREPARING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(checkout().join("scripts/symfony-libraries"));
    command.args(["--from", "debian", "--symfony", series.number()]).arg(dir.app());
    if source.ends_with("-leaks") {
        command.arg("--more");
    }
    let ended = run_to_end(&dir, command, FETCH_LIMIT);
    assert!(ended.status.success(), "scripts/symfony-libraries --symfony {}: {ended}", series.number());
    dir
}

/// The application in this mode, as the README starts it: no configuration, no change of composer.json.
pub(crate) fn launch(series: Series, mode: Mode) -> Launch {
    launched(application(series), mode)
}

fn launched(dir: PrivateDir, mode: Mode) -> Launch {
    let boots = boot_log(&dir).display().to_string();
    // Each of up to four workers may keep its database connection, of two files, and all of them share a third.
    Launch::with_dir(dir, mode)
        .keeps_descriptors(9)
        .env("APP_ENV", "prod")
        .env("APP_DEBUG", "0")
        .env("DEMO_BOOT_LOG", &boots)
}

/// Where the demo's kernel says that it booted.
pub(crate) fn boot_log(dir: &PrivateDir) -> PathBuf {
    dir.marks().join("kernel-boots")
}
