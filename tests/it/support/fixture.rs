//! The two ways to run the fixture application.

/// How the application is hosted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `public/worker.php` loops on `supercharger_handle_request()`.
    Worker,
    /// `public/index.php` runs from start to end for every request.
    Classic,
}
