//! The composer: turns a configuration into a running server and takes it down again. It alone knows all parts.
//!
//! A server is a [`Parent`], which owns the addresses and runs no PHP, and the [`Child`]ren that it starts, which serve.

#![forbid(unsafe_code)]

mod banner;
mod child;
mod desk;
mod environment;
mod parent;
mod project;
mod shared;
mod watching;

pub use child::{Child, ChildEnded};
pub use parent::{Error, Parent};
pub use project::symfony_version;
