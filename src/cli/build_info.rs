//! `supercharger version` and `supercharger build-info`.

#![forbid(unsafe_code)]

use super::exit::Error;
use crate::php::{self, Engine};

/// Prints one line: this program and the linked PHP.
pub(super) fn version() -> Result<(), Error> {
    let php = php::build_info().php_version;
    let warning = if cfg!(feature = "test-no-reset") { " TEST BUILD WITHOUT RESET BETWEEN REQUESTS" } else { "" };
    super::print(&format!("supercharger {} (PHP {php}, thread-safe){warning}\n", env!("CARGO_PKG_VERSION")))
}

/// Prints all that is known about the build, one `key: value` a line.
pub(super) fn build_info() -> Result<(), Error> {
    let info = php::build_info();
    let yes_no = |truth: bool| if truth { "yes" } else { "no" }.to_owned();
    let mut lines = vec![
        ("supercharger".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("php".to_owned(), info.php_version.clone()),
        ("php debug build".to_owned(), yes_no(info.debug)),
        ("opcache linked in".to_owned(), yes_no(info.opcache_static)),
    ];
    lines.extend(info.lines.into_iter().filter(|(key, _)| key != "php"));
    lines.push(("extensions".to_owned(), extensions(&info.php_version)?));
    let text: String = lines.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    super::print(&text)
}

/// What PHP loads, shared extensions named in a php.ini included: only the engine knows.
fn extensions(php_version: &str) -> Result<String, Error> {
    let engine = Engine::start(&php::Config::default()).map_err(Error::Engine)?;
    let list = engine.extensions();
    // Nothing else holds the engine, so this cannot fail; if it did, the process ends here anyway.
    drop(engine.stop());
    let words = list.iter().map(|(name, version)| match version.as_str() {
        "" => name.clone(),
        own if own == php_version => name.clone(),
        other => format!("{name} {other}"),
    });
    Ok(words.collect::<Vec<_>>().join(", "))
}
