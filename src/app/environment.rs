//! The environment that PHP sees.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::config;
use crate::http::ACTIVATION_VARIABLES;
use crate::php::{PROGRAM_MARK, Program};

/// Names and values.
pub(super) type Variables = Vec<(OsString, OsString)>;

/// For every script: the process environment, what the configuration adds, the mark of this server, and what child processes need to
/// find php.
pub(super) fn common(
    process: impl IntoIterator<Item = (OsString, OsString)>,
    configured: &[(String, String)],
    program: Option<&Program>,
) -> Variables {
    // Sockets that were handed over are taken; their names are nothing to applications and the programs they start. Nor are the
    // settings of this server: a parent of another version may not have kept them for itself.
    let taken = |name: &OsStr| {
        ACTIVATION_VARIABLES.iter().any(|variable| name == *variable) || config::is_variable_of_the_server(name)
    };
    let mut variables: Variables = process.into_iter().filter(|(name, _)| !taken(name)).collect();
    for (name, value) in configured {
        set(&mut variables, name, value);
    }
    set(&mut variables, "SUPERCHARGER", "1");
    if program.is_some_and(Program::needs_mark) {
        set(&mut variables, PROGRAM_MARK, "1");
    }
    variables
}

/// What a worker script sees besides while it boots.
///
/// `symfony/runtime` from 7.4 on picks its worker runner by `FRANKENPHP_WORKER`, and leaves its loop after
/// `FRANKENPHP_LOOP_MAX` requests (500 unless told otherwise): when a worker is replaced is decided here, not there.
/// `APP_RUNTIME` points to the runtime class in this binary, which also serves Symfony 6.4. An application that requires
/// `supercharger/runtime` gets its own copy under the same name, because Composer's autoloader comes first. One that has chosen
/// another runtime, in the environment or in its composer.json, keeps it.
pub(super) fn worker_boot(common: &Variables, project: Option<&Path>, runtime_class: &str) -> Variables {
    let mut variables = Variables::new();
    set(&mut variables, "FRANKENPHP_WORKER", "1");
    set(&mut variables, "FRANKENPHP_LOOP_MAX", "-1");
    let named = common.iter().any(|(name, value)| name == "APP_RUNTIME" && !value.is_empty());
    if !named && !project.is_some_and(has_own_runtime) {
        set(&mut variables, "APP_RUNTIME", runtime_class);
    }
    variables
}

/// Whether composer.json names a runtime class (`extra.runtime.class`). `symfony/runtime` writes the class into the file it
/// generates, its own if nothing else was asked for.
fn has_own_runtime(project: &Path) -> bool {
    const DEFAULT: &str = r"'Symfony\\Component\\Runtime\\SymfonyRuntime'";
    std::fs::read_to_string(project.join("vendor/autoload_runtime.php")).is_ok_and(|text| !text.contains(DEFAULT))
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
        let got = common(process, &[("APP_ENV".to_owned(), "prod".to_owned())], None);
        assert_eq!(got, variables(&[("PATH", "/bin"), ("APP_ENV", "prod"), ("SUPERCHARGER", "1")]));
    }

    #[test]
    fn settings_of_the_server_are_nothing_to_applications() {
        let process = variables(&[
            ("SUPERCHARGER__OTLP__HEADERS__AUTHORIZATION", "Bearer x"),
            ("SUPERCHARGER__SERVER__LISTEN", ":80"),
            ("RUNTIME_ENDPOINT_TOKEN", "x"),
            ("SUPERCHARGER_PORT", "80"),
        ]);
        let got = common(process, &[], None);
        assert_eq!(got, variables(&[("SUPERCHARGER_PORT", "80"), ("SUPERCHARGER", "1")]));
    }

    #[test]
    fn child_processes_are_told_where_php_has_no_link() {
        let (executable, link) = ("/opt/supercharger".into(), Some("/opt/php".into()));
        let linked = Program { executable, link };
        let bare = Program { link: None, ..linked.clone() };
        assert_eq!(common([], &[], Some(&linked)), variables(&[("SUPERCHARGER", "1")]));
        assert_eq!(common([], &[], Some(&bare)), variables(&[("SUPERCHARGER", "1"), (PROGRAM_MARK, "1")]));
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
        let generated = folder.path().join("vendor/autoload_runtime.php");
        std::fs::create_dir_all(folder.path().join("vendor")).expect("a folder");
        std::fs::write(&generated, r"?? 'Symfony\\Component\\Runtime\\SymfonyRuntime'").expect("a file");
        assert_eq!(worker_boot(&variables(&[]), project, CLASS), preset);
        std::fs::write(&generated, r"?? 'Acme\\Runtime'").expect("a file");
        assert_eq!(worker_boot(&variables(&[]), project, CLASS), kept);
    }
}
