//! What every test stands on: a private folder, the real executable in it, clients, and a verdict over its log.
//!
//! A test never shares a folder, a port or a server with another one, waits by polling with a deadline, and fails if the
//! server logged an error that the test did not announce.

pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod dir;
pub(crate) mod fixture;
pub(crate) mod load;
pub(crate) mod log;
pub(crate) mod parallel;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod raw;
pub(crate) mod reference;
pub(crate) mod run;
pub(crate) mod server;
pub(crate) mod steady;
pub(crate) mod symfony;
pub(crate) mod wait;

pub(crate) use client::{Answer, Connection, Protocol};
pub(crate) use dir::PrivateDir;
pub(crate) use fixture::Mode;
pub(crate) use parallel::{CROWD, at_once};
pub(crate) use run::{modes, run, series};
pub(crate) use server::{Launch, Server};
pub(crate) use wait::{holds_within, until};
