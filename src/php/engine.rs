//! The engine: one per process.

use std::ffi::{CString, NulError, OsString};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};

use super::gate::Gate;
use super::opcache::{GuardError, Opcache, Premises};
use super::{Program, classes, program, store, view};
use crate::store::Store;
use crate::sys;

/// What the engine is started with.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// ini settings that win over every php.ini.
    pub ini: Vec<(String, String)>,
    /// The environment that PHP code sees, in addition to nothing: pass the process environment explicitly.
    pub env: Vec<(OsString, OsString)>,
    /// The configured variables among them: in `$_SERVER` they also win over what describes a request.
    pub app_env: Vec<(String, String)>,
    /// `SERVER_SOFTWARE`.
    pub server_software: String,
    /// What PHP code sees as `PHP_BINARY`, and beside what PHP looks for a php.ini; without it neither is known.
    pub program: Option<Program>,
    /// The store that PHP code sees; one of this process alone without.
    pub store: Option<Store>,
}

/// ini values that a php.ini may change. PHP's own default would show errors, with paths, to every client.
const INI_DEFAULTS: &[(&str, &str)] = &[
    ("display_errors", "0"),
    ("display_startup_errors", "0"),
    ("log_errors", "1"),
    ("html_errors", "0"),
    ("expose_php", "0"),
    // A stack trace in the log must not show what functions were called with: passwords are.
    ("zend.exception_ignore_args", "1"),
];

/// ini values that nothing may change: a request's query string must never become `$argv`.
const INI_FORCED: &[(&str, &str)] = &[("register_argc_argv", "0")];

/// More extensions than anybody loads; `Engine::extensions` shows no more than these.
const MAX_EXTENSIONS: usize = 256;

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A text holds a NUL byte, which C cannot carry.
    #[error("a setting or environment value for PHP contains a NUL byte")]
    Nul(#[from] NulError),
    /// A line break in an ini value would start another setting.
    #[error("the ini setting {0:?} contains a line break")]
    LineBreak(String),
    /// Rust and C were not built from the same tree.
    #[error("the C shim has another ABI number than this executable expects; rebuild with `cargo clean`")]
    Abi,
    /// A second engine in one process.
    #[error("the PHP engine runs already")]
    Twice,
    /// PHP refused; its own words are in the log.
    #[error("PHP could not start its modules; the log above says which one failed")]
    Modules,
    /// OPcache would restart under running threads.
    #[error(transparent)]
    Opcache(#[from] GuardError),
}

/// Why the engine was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// A PHP thread still runs; freeing the engine under it would be fatal, so the process ends without.
    #[error("a PHP thread is still attached")]
    InUse,
    /// Module shutdown belongs on the thread that started the modules.
    #[error("the engine must be stopped on the thread that started it")]
    OtherThread,
}

/// The running engine. Threads that run PHP hold a clone of the `Arc`.
#[derive(Debug)]
pub struct Engine {
    started_on: ThreadId,
    gate: Arc<Gate>,
    /// Set while the engine starts; none without OPcache.
    opcache: OnceLock<Opcache>,
    // Kept for C (I7).
    _ini: CString,
    _paths: Option<program::Texts>,
    _classes: classes::Table,
}

impl Engine {
    /// Starts PHP on the calling thread, which must be the one that calls [`Engine::stop`].
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: &Config) -> Result<Arc<Self>, StartError> {
        store::share(config.store);
        let ini = ini_lines(&config.ini)?;
        let paths = config.program.as_ref().map(Program::texts);
        let software = CString::new(config.server_software.as_bytes())?;
        let env = texts(config.env.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))?;
        let env_pairs = pairs(&env);
        let app_env = texts(config.app_env.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))?;
        let app_env_pairs = pairs(&app_env);
        let defaults = texts(INI_DEFAULTS.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))?;
        let default_pairs = pairs(&defaults);
        let classes = classes::Table::new();
        let raw = sys::sc_engine_config {
            abi: sys::SC_ABI,
            ini_entries: ini.as_ptr(),
            ini_defaults: default_pairs.as_ptr(),
            ini_default_count: default_pairs.len(),
            env: env_pairs.as_ptr(),
            env_count: env_pairs.len(),
            app_env: app_env_pairs.as_ptr(),
            app_env_count: app_env_pairs.len(),
            classes: classes.as_ptr(),
            class_count: classes.len(),
            server_software: view::text(software.as_bytes()),
            executable: paths.as_ref().map_or(ptr::null(), |texts| texts.executable.as_ptr()),
            php_binary: paths.as_ref().map_or(ptr::null(), |texts| texts.binary.as_ptr()),
            php_bindir: paths.as_ref().map_or(ptr::null(), |texts| texts.bindir.as_ptr()),
        };
        // SAFETY: I1, I6: one call per process is enforced by C (SC_START_TWICE). I7: what C keeps moves into the Engine;
        // the rest is copied before the call returns.
        let status = unsafe { sys::sc_engine_start(&raw const raw) };
        match status {
            sys::sc_start::SC_START_OK => Self::started(ini, paths, classes),
            sys::sc_start::SC_START_ABI => Err(StartError::Abi),
            sys::sc_start::SC_START_TWICE => Err(StartError::Twice),
            sys::sc_start::SC_START_MODULES => Err(StartError::Modules),
        }
    }

    fn started(ini: CString, paths: Option<program::Texts>, classes: classes::Table) -> Result<Arc<Self>, StartError> {
        let engine = Arc::new(Self {
            started_on: thread::current().id(),
            gate: Arc::default(),
            opcache: OnceLock::new(),
            _ini: ini,
            _paths: paths,
            _classes: classes,
        });
        if let Some(opcache) = Opcache::guard(&Arc::downgrade(&engine), &engine.gate)? {
            engine.opcache.get_or_init(|| opcache);
        }
        Ok(engine)
    }

    /// The way into PHP.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Sets what restarts of OPcache need of those who use the engine. Only the first call has an effect.
    pub fn on_opcache_restart(&self, premises: impl Premises + 'static) {
        if let Some(opcache) = self.opcache.get() {
            opcache.work_for(Box::new(premises));
        }
    }

    /// Name and version of the loaded extensions; some have no version.
    pub fn extensions(&self) -> Vec<(String, String)> {
        let mut pairs = [sys::sc_pair::default(); MAX_EXTENSIONS];
        // SAFETY: I1, I4: an array of that many elements.
        let count = unsafe { sys::sc_extensions(pairs.as_mut_ptr(), pairs.len()) };
        let text = |text| {
            // SAFETY: I4: names and versions live as long as the engine, which is borrowed here.
            String::from_utf8_lossy(unsafe { view::bytes(text) }).into_owned()
        };
        pairs.iter().take(count).map(|pair| (text(pair.name), text(pair.value))).collect()
    }

    /// Stops PHP: extensions get their module shutdown.
    ///
    /// # Errors
    /// [`StopError::InUse`] while a PHP thread lives. The process may then end without stopping the engine.
    pub fn stop(self: Arc<Self>) -> Result<(), StopError> {
        if let Some(opcache) = self.opcache.get() {
            opcache.stop();
        }
        let engine = Arc::try_unwrap(self).map_err(|_| StopError::InUse)?;
        if engine.started_on != thread::current().id() {
            return Err(StopError::OtherThread);
        }
        // SAFETY: I1, I6: this was the last handle, so no thread is attached.
        unsafe { sys::sc_engine_stop() };
        Ok(())
    }
}

fn ini_lines(settings: &[(String, String)]) -> Result<CString, StartError> {
    let mut lines = String::new();
    let forced = INI_FORCED.iter().map(|(name, value)| (*name, *value));
    for (name, value) in settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain(forced) {
        if name.contains(['\n', '\r', '=']) || value.contains(['\n', '\r']) {
            return Err(StartError::LineBreak(name.to_owned()));
        }
        // Quoted, because ini syntax gives meaning to ; | & ! and others.
        lines.push_str(&format!("{name}=\"{}\"\n", value.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    Ok(CString::new(lines)?)
}

/// Owned, NUL-terminated texts.
type Texts = Vec<(CString, CString)>;

pub(super) fn texts<'a>(items: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<Texts, NulError> {
    items.map(|(name, value)| Ok((CString::new(name)?, CString::new(value)?))).collect()
}

pub(super) fn pairs(texts: &Texts) -> Vec<sys::sc_pair> {
    texts
        .iter()
        .map(|(name, value)| sys::sc_pair { name: view::text(name.as_bytes()), value: view::text(value.as_bytes()) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ini_lines_are_quoted_and_end_with_the_forced_ones() {
        let lines = ini_lines(&[("error_log".into(), "a;b".into())]).expect("valid");
        assert_eq!(lines.to_str().expect("text"), "error_log=\"a;b\"\nregister_argc_argv=\"0\"\n");
    }

    #[test]
    fn ini_lines_cannot_smuggle_a_setting() {
        assert!(matches!(ini_lines(&[("a".into(), "1\nb=2".into())]), Err(StartError::LineBreak(_))));
        assert!(matches!(ini_lines(&[("a=1\nb".into(), "2".into())]), Err(StartError::LineBreak(_))));
    }
}
