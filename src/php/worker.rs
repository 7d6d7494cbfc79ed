//! Worker mode: a script that boots an application once and loops over requests.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::THREAD_STACK_BYTES;
use super::engine::{Engine, pairs, texts};
use super::request::{Finished, RunEnd};
use super::store;
use super::thread::{PhpThread, Role, c_path};
use crate::job::{Cause, Exit, Runtime, Seat};
use crate::sys;

/// A worker script.
#[derive(Debug, Clone)]
pub struct WorkerScript {
    /// Absolute path.
    pub file: PathBuf,
    /// Environment additions: in `$_SERVER` while the script boots, in `getenv()` always.
    pub boot_env: Vec<(OsString, OsString)>,
    /// Every how many requests the drift detector looks; 0: never.
    pub drift_sample: u32,
    /// Folder of the project that the script belongs to, if there is one: what lies in it is the application's own.
    pub project: Option<PathBuf>,
}

/// Runs incarnations of a worker script.
#[derive(Debug)]
pub struct WorkerRuntime {
    engine: Arc<Engine>,
    file: CString,
    boot_env: BootEnv,
    drift_sample: u32,
    project: CString,
}

#[derive(Debug)]
struct BootEnv {
    _texts: Vec<(CString, CString)>,
    pairs: Vec<sys::sc_pair>,
}

// SAFETY: I7: the pairs point into texts that the value owns and never changes.
unsafe impl Send for BootEnv {}
// SAFETY: as above.
unsafe impl Sync for BootEnv {}

impl WorkerRuntime {
    /// Prepares a script. `None` if a path or an environment text holds a NUL byte.
    pub fn new(engine: Arc<Engine>, script: &WorkerScript) -> Option<Self> {
        let file = c_path(&script.file)?;
        // symfony/runtime loads the front controller again by this name.
        let own = (b"SCRIPT_FILENAME".as_slice(), file.as_bytes());
        let given = script.boot_env.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        let texts = texts(given.chain([own])).ok()?;
        let pairs = pairs(&texts);
        let project = script.project.as_deref().and_then(c_path).unwrap_or_default();
        let (drift_sample, boot_env) = (script.drift_sample, BootEnv { _texts: texts, pairs });
        Some(Self { engine, file, boot_env, drift_sample, project })
    }
}

impl Runtime for WorkerRuntime {
    fn run(&self, seat: &mut dyn Seat) -> Exit {
        let Self { drift_sample, project, .. } = self;
        let role = Role { loops: true, boot_env: &self.boot_env.pairs, drift_sample: *drift_sample, project };
        let mut thread = match PhpThread::attach(&self.engine, seat, &role) {
            Ok(thread) => thread,
            Err(error) => return Exit::BootFailed { message: error.to_string() },
        };
        let Some(scope) = thread.begin_worker() else {
            return Exit::BootFailed { message: "PHP could not start a request".to_owned() };
        };
        let finished = scope.run(&self.file);
        store::settle(finished.end != RunEnd::Returned);
        let said = thread.host().take_last_error();
        exit_of(finished, thread.host().stopped(), said)
    }

    fn stack_size(&self) -> usize {
        THREAD_STACK_BYTES
    }
}

fn exit_of(finished: Finished, stopped: bool, said: Option<String>) -> Exit {
    if stopped {
        return Exit::Stopped;
    }
    if finished.reached_loop {
        return Exit::Ended(match finished.end {
            RunEnd::Returned => Cause::Returned,
            RunEnd::Exit => Cause::Exit,
            RunEnd::Uncaught => Cause::Uncaught,
            RunEnd::Fatal => Cause::Fatal,
            RunEnd::ResetFailed => Cause::ResetFailed,
            RunEnd::ResetMissing => Cause::ResetMissing,
        });
    }
    let message = match finished.end {
        RunEnd::Returned => {
            "the script ended without calling supercharger_handle_request(); is it a worker script?".to_owned()
        }
        RunEnd::Exit => "the script called exit before it reached supercharger_handle_request()".to_owned(),
        RunEnd::Uncaught | RunEnd::Fatal | RunEnd::ResetFailed | RunEnd::ResetMissing => {
            said.unwrap_or_else(|| "the script died before it reached supercharger_handle_request()".to_owned())
        }
    };
    Exit::BootFailed { message }
}
