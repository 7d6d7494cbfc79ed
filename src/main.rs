//! The executable: arguments in, exit code out. See `cli` for what can be asked and `app` for the server.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use supercharger::cli;

/// A request is built on a network thread and freed on a PHP thread, its answer the other way round. glibc's arenas take a lock for
/// each such free; this allocator does not. PHP's memory is its own affair. AddressSanitizer must see every allocation.
#[cfg(not(address_sanitizer))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(arguments) = cli::php_cli::arguments(std::env::args_os()) {
        return cli::php_cli::run(arguments);
    }
    cli::run(cli::parse())
}
