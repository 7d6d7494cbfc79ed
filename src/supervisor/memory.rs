//! When the memory of a child is looked at.

#![forbid(unsafe_code)]

use std::time::Duration;

/// How often it is looked at: a leak is slow, and a look costs a small file of /proc.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// A child is not replaced for its memory before that age: with a ceiling below what an idle child needs, replacements must not
/// follow each other without a pause.
pub(super) const LEAST_AGE: Duration = Duration::from_secs(5);
