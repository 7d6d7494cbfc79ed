//! The pool with a fake runtime: real threads, real channels, no PHP.

#![forbid(unsafe_code)]

mod admission;
mod deadlines;
mod life;
mod recycle;
mod scale;
mod stop;
mod stress;
mod succession;
