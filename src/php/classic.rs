//! Classic mode: one script run per request, as under FPM.

use std::sync::Arc;

use super::THREAD_STACK_BYTES;
use super::engine::Engine;
use super::request::RunEnd;
use super::store;
use super::thread::{PhpThread, Role, c_bytes};
use crate::job::{Exit, Runtime, Seat};
use crate::sys;

/// There is no idle callback.
const NO_TICK: f64 = -1.0;

/// Runs the script that each request names.
#[derive(Debug)]
pub struct ClassicRuntime {
    engine: Arc<Engine>,
}

impl ClassicRuntime {
    /// Classic mode on this engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

impl Runtime for ClassicRuntime {
    fn run(&self, seat: &mut dyn Seat) -> Exit {
        let role = Role { loops: false, boot_env: &[], drift_sample: 0, project: c"" };
        let mut thread = match PhpThread::attach(&self.engine, seat, &role) {
            Ok(thread) => thread,
            Err(error) => return Exit::BootFailed { message: error.to_string() },
        };
        let mut boundary = sys::sc_boundary { tick: NO_TICK, ..sys::sc_boundary::default() };
        while let Some(exchange) = thread.host().next_exchange(&boundary) {
            let request = &exchange.request;
            // The builder cuts texts at NUL, so this holds; a request without a script is lost, not guessed.
            let Some(script) = c_bytes(request.bytes(request.target.script_filename)) else { continue };
            if let Some(scope) = thread.begin_request(exchange) {
                let finished = scope.run(&script);
                // `exit` ends scripts of this mode every day, after their destructors.
                store::settle(finished.end == RunEnd::Fatal);
                boundary = finished.boundary;
            }
        }
        Exit::Stopped
    }

    fn stack_size(&self) -> usize {
        THREAD_STACK_BYTES
    }
}
