//! `traceparent` and `tracestate`, by bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use supercharger::http::fuzz;

fuzz_target!(|data: &[u8]| fuzz::trace_context(data));
