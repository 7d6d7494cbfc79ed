//! supercharger: a PHP application server in one binary.
//!
//! The crate is a library so that its parts can be tested; the product is the executable in `main.rs`. Read
//! `ARCHITECTURE.md` for the walls between the modules below, `SAFETY.md` for what the embedding of libphp relies on.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod http;
pub mod job;
pub mod lifecycle;
#[allow(unsafe_code, reason = "the safe layer over libphp; its invariants are numbered in php.rs")]
pub mod php;
pub mod pool;
pub mod scan;
pub mod store;
pub mod supervisor;
#[allow(unsafe_code, reason = "raw declarations of ext/sc_shim.h")]
mod sys;
pub mod telemetry;
pub mod watch;
