//! A source file of a project, as `supercharger scan` reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use supercharger::scan::fuzz;

fuzz_target!(|data: &[u8]| fuzz::source(data));
