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

/// A private copy of `examples/symfony` with its libraries in `vendor/`.
pub(crate) fn application(series: Series) -> PrivateDir {
    prepared(series, |_| ())
}

/// The same, with the package of `php/` as Composer would install it, and its bundle.
pub(crate) fn with_package(series: Series, mode: Mode) -> Launch {
    launched(prepared(series, require_package), mode)
}

/// Puts the package where the application's own loader finds it: in front of what the executable carries.
fn require_package(dir: &PrivateDir) {
    std::fs::create_dir(dir.app().join("package")).expect("a folder");
    for part in ["src", "config", "templates"] {
        copy_tree(&checkout().join("php").join(part), &dir.app().join("package").join(part));
    }
    let change = |name: &str, from: &str, to: &str| {
        let path = dir.app().join(name);
        let text = std::fs::read_to_string(&path).expect("a file of the demo");
        assert!(text.contains(from), "{from} in {name}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("a file of the demo");
    };
    change("composer.json", r#""App\\": "src/""#, r#""Supercharger\\Runtime\\": "package/src/", "App\\": "src/""#);
    let bundle = r"Supercharger\Runtime\Bundle\SuperchargerRuntimeBundle::class => ['all' => true],";
    change("config/bundles.php", "];", &format!("    {bundle}\n];"));
}

fn prepared(series: Series, prepare: impl FnOnce(&PrivateDir)) -> PrivateDir {
    let dir = PrivateDir::new();
    copy_tree(&checkout().join("examples/symfony"), &dir.app());
    // What a developer's own runs have left there is not part of the test.
    for leftover in ["var", "vendor"] {
        drop(std::fs::remove_dir_all(dir.app().join(leftover)));
    }
    prepare(&dir);
    let _turn = PREPARING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(checkout().join("scripts/symfony-libraries"));
    command.args(["--from", "debian", "--symfony", series.number()]).arg(dir.app());
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
    // Each worker may keep its database connection.
    Launch::with_dir(dir, mode)
        .keeps_descriptors(8)
        .env("APP_ENV", "prod")
        .env("APP_DEBUG", "0")
        .env("DEMO_BOOT_LOG", &boots)
}

/// Where the demo's kernel says that it booted.
pub(crate) fn boot_log(dir: &PrivateDir) -> PathBuf {
    dir.marks().join("kernel-boots")
}
