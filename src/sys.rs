//! Raw declarations of `ext/sc_shim.h`, made by bindgen, and nothing else.
//!
//! Rules of use are in the header; who may call what, and why that is sound, is in `php.rs`.

#![allow(
    non_camel_case_types,
    non_upper_case_globals,
    dead_code,
    missing_debug_implementations,
    unreachable_pub,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/sc_shim.rs"));

// A change of one of these breaks C callers silently; bindgen's own layout tests cover the rest.
const _: () = assert!(size_of::<sc_text>() == 16 && size_of::<sc_pair>() == 32);
const _: () = assert!(align_of::<sc_request>() == 8);
