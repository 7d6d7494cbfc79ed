//! What is linked into this executable.

use super::view;
use crate::sys;

/// Facts about the linked PHP.
#[derive(Debug, Clone)]
pub struct BuildInfo {
    /// `8.4.24`.
    pub php_version: String,
    /// Whether it is a debug build.
    pub debug: bool,
    /// Whether OPcache is part of the executable.
    pub opcache_static: bool,
    /// Whether `php-cli` is available.
    pub command_line: bool,
    /// Key and value, as recorded when libphp was built and linked.
    pub lines: Vec<(String, String)>,
}

/// Reads what the shim and the build script recorded.
pub fn build_info() -> BuildInfo {
    // SAFETY: I1: reads constants; needs no engine.
    let build = unsafe { sys::sc_build_info() };
    // SAFETY: I4: a static text.
    let version = unsafe { view::bytes(build.php_version) };
    BuildInfo {
        php_version: String::from_utf8_lossy(version).into_owned(),
        debug: build.debug,
        opcache_static: build.opcache_static,
        // SAFETY: I1: reads a constant.
        command_line: unsafe { sys::sc_cli_available() },
        lines: include_str!(concat!(env!("OUT_DIR"), "/build_info.txt"))
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    }
}
