//! Where the peers are that `scripts/bench-peers` brings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What that script lists: a path and a version, or why there is none.
#[derive(Debug, Default)]
pub(crate) struct Found(BTreeMap<String, Result<(PathBuf, String), String>>);

impl Found {
    /// Asks the script.
    pub(crate) fn look(bench: &Path) -> Result<Self, String> {
        let script = bench.join("../scripts/bench-peers");
        let output = Command::new(&script)
            .arg("--list")
            .output()
            .map_err(|error| format!("cannot start {}: {error}", script.display()))?;
        Ok(Self(parse(&String::from_utf8_lossy(&output.stdout))))
    }

    /// The executable and the version of a peer.
    pub(crate) fn get(&self, name: &str) -> Result<(PathBuf, String), String> {
        self.0.get(name).cloned().unwrap_or_else(|| Err(format!("scripts/bench-peers does not know {name}")))
    }
}

fn parse(text: &str) -> BTreeMap<String, Result<(PathBuf, String), String>> {
    let line = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        let (name, path, what) = (parts.next()?, parts.next()?, parts.next()?);
        Some((name, if path == "-" { Err(what) } else { Ok((PathBuf::from(path), what)) }))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_has_a_path_and_what_is_not_has_a_reason() {
        let found = Found(parse("nginx\t/x/nginx\tnginx/1.2\nfpm\t-\tnot built\nnonsense\n"));
        assert_eq!(found.get("nginx"), Ok((PathBuf::from("/x/nginx"), "nginx/1.2".to_owned())));
        assert_eq!(found.get("fpm"), Err("not built".to_owned()));
        assert!(found.get("other").expect_err("unknown").contains("does not know"));
    }
}
