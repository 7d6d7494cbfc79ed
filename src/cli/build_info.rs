//! `supercharger version` and `supercharger build-info`.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};

use super::exit::Error;
use crate::php;

/// Prints one line: this program and the linked PHP.
pub(super) fn version() -> Result<(), Error> {
    let php = php::build_info().php_version;
    print(&format!("supercharger {} (PHP {php}, thread-safe)\n", env!("CARGO_PKG_VERSION")))
}

/// Prints all that is known about the build, one `key: value` a line.
pub(super) fn build_info() -> Result<(), Error> {
    let info = php::build_info();
    let yes_no = |truth: bool| if truth { "yes" } else { "no" }.to_owned();
    let mut lines = vec![
        ("supercharger".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("php".to_owned(), info.php_version),
        ("php debug build".to_owned(), yes_no(info.debug)),
        ("opcache linked in".to_owned(), yes_no(info.opcache_static)),
    ];
    lines.extend(info.lines);
    let text: String = lines.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    print(&text)
}

fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Who closed the pipe has seen enough (`supercharger build-info | head -1`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::Output),
    }
}
