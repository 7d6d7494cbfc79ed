//! Which paths and methods a named pool serves.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use http::Method;

use super::Mode;

/// Paths and methods of a pool, and what it does with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The pool's name.
    pub pool: Arc<str>,
    /// Its paths.
    pub paths: Patterns,
    /// Its methods; none means all.
    pub methods: Vec<Method>,
    /// Who runs its scripts.
    pub mode: Mode,
}

impl Branch {
    /// Whether a request for this cleaned path is the pool's.
    pub(super) fn takes(&self, method: &Method, path: &[u8]) -> bool {
        (self.methods.is_empty() || self.methods.contains(method)) && self.paths.matches(path)
    }
}

/// Globs over whole paths, byte by byte: `*` stands for any bytes, slashes included, `?` for one, `[a-z]` for one of a set,
/// `{a,b}` for either.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    texts: Vec<String>,
    set: GlobSet,
}

/// A text that is no pattern for paths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPattern(String);

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for Patterns {}

impl Patterns {
    /// Reads patterns.
    ///
    /// # Errors
    /// The first that is none, or that cannot match a path because it does not begin like one.
    pub fn new(texts: Vec<String>) -> Result<Self, BadPattern> {
        let mut set = GlobSetBuilder::new();
        for text in &texts {
            if !text.starts_with(['/', '*']) {
                return Err(BadPattern(format!("{text:?} does not begin with a slash")));
            }
            let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
            set.add(glob.map_err(|error| BadPattern(format!("{text:?}: {}", error.kind())))?);
        }
        let set = set.build().map_err(|error| BadPattern(error.to_string()))?;
        Ok(Self { texts, set })
    }

    /// The patterns as written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    fn matches(&self, path: &[u8]) -> bool {
        self.set.is_match_candidate(&Candidate::new(Path::new(OsStr::from_bytes(path))))
    }
}

impl FromStr for Patterns {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        Self::new(vec![text.to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_byte_by_byte() {
        let cases: [(&str, &[u8], bool); 16] = [
            ("/phpinfo.php", b"/phpinfo.php", true),
            ("/phpinfo.php", b"/phpinfo.php/x", false),
            ("/phpinfo.php", b"/PHPINFO.PHP", false),
            ("/phpinfo.php*", b"/phpinfo.php/x", true),
            ("/legacy/*", b"/legacy/a.php", true),
            ("/legacy/*", b"/legacy/a/b.php", true),
            ("/legacy/*", b"/legacy/", true),
            ("/legacy/*", b"/legacy", false),
            ("/legacy/*", b"/legacy2/a", false),
            ("/legacy/*", b"/x/legacy/a", false),
            ("/legacy/*", b"/legacy/\xff\xfe", true),
            ("/a?c", b"/a\xffc", true),
            ("*.php", b"/deep/er/x.php", true),
            ("/{old,older}/*", b"/older/x", true),
            ("/v[0-9]/*", b"/v1/x", true),
            ("/v[0-9]/*", b"/vx/x", false),
        ];
        for (pattern, path, expected) in cases {
            let patterns: Patterns = pattern.parse().expect("a pattern");
            assert_eq!(patterns.matches(path), expected, "{pattern} {}", path.escape_ascii());
        }
        for pattern in ["legacy/*", "", "/[", "/{a"] {
            assert!(pattern.parse::<Patterns>().is_err(), "{pattern}");
        }
    }
}
