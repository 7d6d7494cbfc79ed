//! The safe layer over libphp.
//!
//! ```text
//! Engine (once per process) -> PhpThread (one per OS thread, !Send) -> RequestScope (begin .. end) -> run
//! ```
//!
//! The types enforce that order: a `PhpThread` borrows the engine's lifetime through an `Arc`, a `RequestScope` borrows its
//! thread, and a script can be run only through a scope. [`WorkerRuntime`] and [`ClassicRuntime`] put them to use for `pool`.
//!
//! # Invariants
//!
//! Every `unsafe` block of this module names the one it relies on.
//!
//! * **I1 Status, never a jump.** An `sc_*` function returns. Every `zend_try` is inside it; no `longjmp` crosses its frame.
//! * **I2 Leaves.** An `sc_on_*` function never calls an `sc_*` function, nor anything that does. So at most one Rust frame of
//!   ours stands above the engine on a PHP thread, and no Rust value is alive between a `setjmp` and its `longjmp`.
//! * **I3 One host, one thread.** The `host` pointer given to `sc_thread_attach` points to a [`Host`](host::Host) that outlives
//!   `sc_thread_detach`. It is handed back on the same thread only. While an `sc_*` call is in progress no Rust
//!   reference to the host exists outside the running leaf; so the leaf's `&mut Host` is exclusive.
//! * **I4 Views.** A pointer and length received in a leaf are valid, initialised and unaliased-for-writing until it returns.
//!   What Rust hands out (`sc_request`) points into a boxed `Exchange` that the host keeps until the next `sc_on_next`
//!   or the end of the scope.
//! * **I5 Threads.** `sc_thread_attach` is the first and `sc_thread_detach` the last thing an OS thread does with the
//!   engine; `PhpThread` is neither `Send` nor `Sync`.
//! * **I6 Start and stop.** `sc_engine_start` runs once, `sc_engine_stop` at most once, on the same thread, while no other thread
//!   is attached: `Engine::stop` consumes the last `Arc`, and every `PhpThread` holds one.
//! * **I7 Long-lived inputs.** Whatever `sc_engine_config` and `sc_worker` point to and C keeps is owned by the `Engine`
//!   or the runtime and lives as long.
//! * **I8 Interrupting.** `sc_interrupt`, `sc_ask_stack` and `sc_waits_in` alone may be called by another thread. Their target lives until
//!   `sc_thread_detach`; the handle forgets it before, under the lock that every call holds.
//! * **I9 Quiet restart.** OPcache's usage lock is given up only while no thread but the one that carries the restart out is between
//!   `sc_request_begin` and `sc_request_end`: every other scope passes the [`Gate`](gate::Gate).
//! * **I10 Shared words.** The board and the store are files in memory that can no longer shrink, or anonymous memory, mapped and never
//!   unmapped; all sides touch them as atomic words, the board also after the other side has died.

mod board;
mod build_info;
mod callbacks;
mod classes;
mod classic;
mod command_line;
mod declared;
mod drift;
mod engine;
mod gate;
mod host;
mod interrupt;
mod opcache;
mod panic;
mod program;
mod request;
mod store;
mod thread;
mod view;
mod wish;
mod worker;

pub use board::shared_words;
pub use build_info::{BuildInfo, build_info};
pub use classes::SYMFONY_RUNTIME_CLASS;
pub use classic::ClassicRuntime;
pub use command_line::{CommandLineMissing, command_line};
pub use engine::{Config, Engine, StartError, StopError};
pub use opcache::{GuardError, Premises, figures as opcache_figures};
pub use program::{MARK as PROGRAM_MARK, Program};
pub use worker::{WorkerRuntime, WorkerScript};

/// Stack of a PHP thread, in bytes. Deep userland recursion lives on PHP's heap, but destructors, the compiler and PCRE recurse
/// natively; 16 MiB is what Debian's PHP gets twice over, and untouched pages cost nothing. PHP finds the limit by
/// itself (`zend.max_allowed_stack_size = 0`).
pub(crate) const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;
