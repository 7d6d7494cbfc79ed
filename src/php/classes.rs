//! PHP classes that the binary carries, from the package in `php/`.

use std::ffi::CString;

use super::engine::{pairs, texts};
use crate::sys;

/// The runtime class that `symfony/runtime` is pointed to when the application names none.
pub const SYMFONY_RUNTIME_CLASS: &str = "Supercharger\\Runtime\\SymfonyRuntime";

const SOURCES: &[(&str, &str)] = &[
    (SYMFONY_RUNTIME_CLASS, include_str!("../../php/src/SymfonyRuntime.php")),
    ("Supercharger\\Runtime\\KernelRunner", include_str!("../../php/src/KernelRunner.php")),
    ("Supercharger\\Runtime\\ResponseRunner", include_str!("../../php/src/ResponseRunner.php")),
    ("Supercharger\\Runtime\\App\\Answer", include_str!("../../php/src/App/Answer.php")),
    ("Supercharger\\Runtime\\App\\Application", include_str!("../../php/src/App/Application.php")),
    ("Supercharger\\Runtime\\App\\Context", include_str!("../../php/src/App/Context.php")),
    ("Supercharger\\Runtime\\App\\Loop", include_str!("../../php/src/App/Loop.php")),
    ("Supercharger\\Runtime\\App\\Runner", include_str!("../../php/src/App/Runner.php")),
    ("Supercharger\\Runtime\\App\\PsrRequests", include_str!("../../php/src/App/PsrRequests.php")),
];

/// The table given to C; it must live as long as the engine (I7).
pub(super) struct Table {
    _texts: Vec<(CString, CString)>,
    pairs: Vec<sys::sc_pair>,
}

impl Table {
    pub(super) fn new() -> Self {
        let texts =
            texts(SOURCES.iter().map(|(name, source)| (name.as_bytes(), source.as_bytes()))).unwrap_or_default();
        let pairs = pairs(&texts);
        Self { _texts: texts, pairs }
    }

    pub(super) fn as_ptr(&self) -> *const sys::sc_pair {
        self.pairs.as_ptr()
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("classes", &self.pairs.len()).finish()
    }
}

// SAFETY: I7: the pairs point into texts that the table owns and never changes; C reads them from any thread.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}
