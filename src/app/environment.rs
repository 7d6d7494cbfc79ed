//! The environment that PHP sees.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Names and values.
pub(super) type Variables = Vec<(OsString, OsString)>;

/// For every script: the process environment, what the configuration adds, and the mark of this server.
pub(super) fn common(
    process: impl IntoIterator<Item = (OsString, OsString)>,
    configured: &[(String, String)],
) -> Variables {
    let mut variables: Variables = process.into_iter().collect();
    for (name, value) in configured {
        set(&mut variables, name, value);
    }
    set(&mut variables, "SUPERCHARGER", "1");
    variables
}

/// What a worker script sees besides while it boots.
///
/// `symfony/runtime` from 7.4 on picks its worker runner by `FRANKENPHP_WORKER`, and leaves its loop after
/// `FRANKENPHP_LOOP_MAX` requests (500 unless told otherwise): when a worker is replaced is decided here, not there.
/// `APP_RUNTIME` points to the runtime class in this binary, which also serves Symfony 6.4, unless the application names another
/// one or has `supercharger/runtime` installed, which then registers itself.
pub(super) fn worker_boot(common: &Variables, project: Option<&Path>, runtime_class: &str) -> Variables {
    let mut variables = Variables::new();
    set(&mut variables, "FRANKENPHP_WORKER", "1");
    set(&mut variables, "FRANKENPHP_LOOP_MAX", "-1");
    let named = common.iter().any(|(name, value)| name == "APP_RUNTIME" && !value.is_empty());
    let installed = project.is_some_and(|project| project.join("vendor/supercharger/runtime").is_dir());
    if !named && !installed {
        set(&mut variables, "APP_RUNTIME", runtime_class);
    }
    variables
}

fn set(variables: &mut Variables, name: &str, value: &str) {
    variables.retain(|(existing, _)| existing != OsStr::new(name));
    variables.push((name.into(), value.into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: &str = "Supercharger\\Runtime\\SymfonyRuntime";

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn configuration_wins_over_the_process_and_the_mark_over_both() {
        let process = variables(&[("PATH", "/bin"), ("APP_ENV", "dev"), ("SUPERCHARGER", "0")]);
        let got = common(process, &[("APP_ENV".to_owned(), "prod".to_owned())]);
        assert_eq!(got, variables(&[("PATH", "/bin"), ("APP_ENV", "prod"), ("SUPERCHARGER", "1")]));
    }

    #[test]
    fn the_runtime_is_preset_unless_the_application_has_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let project = Some(folder.path());
        let always = [("FRANKENPHP_WORKER", "1"), ("FRANKENPHP_LOOP_MAX", "-1")];
        let preset = variables(&[always[0], always[1], ("APP_RUNTIME", CLASS)]);
        let kept = variables(&always);
        assert_eq!(worker_boot(&variables(&[]), project, CLASS), preset);
        assert_eq!(worker_boot(&variables(&[]), None, CLASS), preset);
        assert_eq!(worker_boot(&variables(&[("APP_RUNTIME", "")]), project, CLASS), preset);
        assert_eq!(worker_boot(&variables(&[("APP_RUNTIME", "Mine")]), project, CLASS), kept);
        std::fs::create_dir_all(folder.path().join("vendor/supercharger/runtime")).expect("a folder");
        assert_eq!(worker_boot(&variables(&[]), project, CLASS), kept);
    }
}
