//! `supercharger doctor` through the executable: a real Symfony application, and applications that lack something.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::PrivateDir;
use crate::support::program::{Ended, command, executable, run_to_end};
use crate::support::symfony::{Series, application};

/// It starts PHP once.
const LIMIT: Duration = Duration::from_secs(60);

fn call(dir: &PrivateDir, app: &Path, arguments: &[&str]) -> Command {
    let mut call = command(executable(), dir);
    call.arg("doctor").arg(app).args(arguments);
    call
}

fn doctor(dir: &PrivateDir, app: &Path, variables: &[(&str, &str)]) -> (Ended, Value) {
    let mut call = call(dir, app, &["--format", "json"]);
    call.envs(variables.iter().copied());
    let ended = run_to_end(dir, call, LIMIT);
    let json = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"));
    (ended, json)
}

fn found<'a>(report: &'a Value, id: &str) -> Option<&'a Value> {
    report["findings"].as_array().expect("findings").iter().find(|one| one["id"] == id)
}

#[track_caller]
fn expect(report: &Value, id: &str, severity: &str, says: &str) {
    let one = found(report, id).unwrap_or_else(|| panic!("no {id} in {report:#}"));
    assert_eq!(one["severity"], severity, "{one}");
    assert!(one["message"].as_str().is_some_and(|text| text.contains(says)), "{says:?} in {one}");
    assert!(one["fix"].as_str().is_some_and(|text| !text.is_empty()), "{one}");
}

/// An application of its own, from texts.
fn made(files: &[(&str, &str)]) -> PrivateDir {
    let dir = PrivateDir::new();
    for (name, text) in files {
        let path = dir.path().join("made").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    dir
}

#[test]
fn a_symfony_application_is_recognised_and_has_no_error() {
    let dir = application(Series::V7_4);
    let app = dir.app();
    fs::write(
        app.join("supercharger.toml"),
        "[app]\nworker = \"public/index.php\"\nenv = { APP_ENV = \"prod\", APP_DEBUG = \"0\" }\n",
    )
    .expect("a file");
    let (ended, report) = doctor(&dir, &app, &[("APP_ENV", "dev")]);
    assert_eq!(ended.code(), 0, "{ended}");
    let detected = &report["detected"];
    assert!(detected["framework"].as_str().is_some_and(|text| text.starts_with("Symfony 7.4")), "{detected:#}");
    assert_eq!(detected["mode"], "worker");
    assert_eq!(detected["php_zts"], true);
    assert_eq!(detected["opcache"], true);
    assert_eq!(detected["app_env"], "prod", "what is configured wins over the process");
    assert_eq!(detected["state_findings"], serde_json::json!({ "RS001": 1, "RS009": 1 }));
    expect(&report, "state.found", "warning", "RS009 $requests");
    assert!(found(&report, "symfony.debug").is_none() && found(&report, "symfony.env").is_none(), "{report:#}");

    let text = run_to_end(&dir, call(&dir, &app, &[]), LIMIT);
    text.expect(0, &["framework", "Symfony 7.4", "worker: app.worker names", "fix:", "errors: 0"]);
}

#[test]
fn what_would_bite_a_symfony_application_is_told() {
    let dir = application(Series::V6_4);
    let app = dir.app();
    fs::write(app.join(".env"), "APP_ENV=prod\n").expect("a file");
    fs::write(app.join(".env.local"), "APP_ENV=dev\n").expect("a file");
    fs::write(
        app.join("supercharger.toml"),
        "[app]\nworker = \"public/index.php\"\n[php.ini]\n\"opcache.enable\" = \"0\"\n[pools.default.recycle]\nmax_requests = 0\nmax_uptime = \"0s\"\nmax_memory = 0\n\
         [admin]\nlisten = \"0.0.0.0:9180\"\n[guard]\nenabled = false\n",
    )
    .expect("a file");
    fs::create_dir_all(app.join("var")).expect("a folder");
    fs::write(app.join("var/cache"), "no folder").expect("a file");
    let (ended, report) = doctor(&dir, &app, &[]);
    ended.expect(1, &["doctor has found 2 errors"]);
    expect(&report, "guard.open", "error", "guard.enabled is false");
    expect(&report, "files.var", "error", "var/cache is no folder");
    expect(&report, "symfony.env", "warning", "APP_ENV is dev (from .env.local)");
    expect(&report, "symfony.debug", "warning", "debug mode");
    expect(&report, "opcache.off", "warning", "OPcache is off");
    expect(&report, "recycle.off", "warning", "never replaced");
    assert_eq!(report["findings"][0]["severity"], "error", "the worst comes first");
    fs::remove_file(app.join("supercharger.toml")).expect("it is there");
    let (_, report) = doctor(&dir, &app, &[]);
    assert_eq!(report["detected"]["mode"], "classic");
    expect(&report, "worker.possible", "note", "can run as a worker");
}

#[test]
fn libraries_that_do_not_fit_are_errors() {
    let lock = r#"{"packages": [{"name": "acme/images", "version": "v1.2", "require": {"ext-imagick": "*", "ext-json": "*"}},
        {"name": "symfony/polyfill-uuid", "version": "1.0"}, {"name": "acme/ids", "version": "1", "require": {"ext-uuid": "*"}}],
        "platform": {"php": ">=8.4", "ext-nothere": "*"}}"#;
    let dir = made(&[
        ("composer.json", r#"{"require": {"ext-ctype": "*"}}"#),
        ("composer.lock", lock),
        ("vendor/autoload.php", "<?php"),
        ("vendor/composer/platform_check.php", "<?php if (!(PHP_VERSION_ID >= 99901)) {}"),
        ("vendor/symfony/http-kernel/Kernel.php", "<?php const VERSION = '5.4.1';"),
        ("supercharger.toml", "[app]\nworker = \"public/index.php\"\n"),
        ("public/other.php", "<?php"),
    ]);
    let (ended, report) = doctor(&dir, &dir.path().join("made"), &[("APP_ENV", "prod")]);
    assert_eq!(ended.code(), 1, "{ended}");
    let missing: Vec<_> =
        report["findings"].as_array().expect("findings").iter().filter(|one| one["id"] == "php.extension").collect();
    assert_eq!(missing.len(), 2, "json and ctype are there, uuid has a polyfill: {missing:#?}");
    expect(&report, "php.extension", "error", "imagick is not there; asked for by acme/images");
    expect(&report, "php.version", "error", "PHP 9.99.1");
    expect(&report, "symfony.runtime", "error", "symfony/runtime is not installed");
    expect(&report, "symfony.version", "warning", "5.4.1");
}

#[test]
fn broken_files_are_told_and_do_not_stop_it() {
    let dir = made(&[
        ("composer.json", r#"{"require": {"laravel/framework": "*"}}"#),
        ("composer.lock", "no JSON"),
        ("supercharger.toml", "[server]\nnonsense = 1\n"),
        ("src/A.php", "<?php class {"),
    ]);
    let (ended, report) = doctor(&dir, &dir.path().join("made"), &[]);
    assert_eq!(ended.code(), 1, "{ended}");
    expect(&report, "composer.broken", "error", "composer.lock");
    expect(&report, "composer.vendor", "error", "not installed");
    expect(&report, "config.faults", "error", "nonsense");
    expect(&report, "state.unread", "warning", "src/A.php");
    assert!(!report["detected"]["php"].is_null(), "the rest is looked at all the same");
}

#[test]
fn an_empty_folder_is_no_error_and_wrong_usage_is() {
    let dir = made(&[("a.txt", "")]);
    let made = dir.path().join("made");
    let (ended, report) = doctor(&dir, &made, &[]);
    assert_eq!(ended.code(), 0, "{ended}");
    expect(&report, "composer.missing", "note", "composer.json");
    assert_eq!(report["detected"]["framework"], "none that is known: plain PHP");
    run_to_end(&dir, call(&dir, &made.join("a.txt"), &[]), LIMIT).expect(2, &["this is no folder"]);
    run_to_end(&dir, call(&dir, &made, &["--format", "xml"]), LIMIT).expect(2, &["text, json"]);
}

#[test]
fn what_production_wants_is_told() {
    let packages = r#"{"packages": [{"name": "symfony/http-kernel", "version": "v7.4.1"}, {"name": "phpunit/phpunit", "version": "12"}]}"#;
    let lock = r#"{"packages": [{"name": "symfony/http-kernel", "version": "v7.4.1"}], "packages-dev": [{"name": "phpunit/phpunit", "version": "12"}]}"#;
    let dir = made(&[
        ("composer.json", "{}"),
        ("composer.lock", lock),
        ("vendor/autoload.php", "<?php"),
        ("vendor/autoload_runtime.php", "<?php"),
        ("vendor/composer/installed.json", packages),
        ("config/preload.php", "<?php"),
        ("public/index.php", "<?php"),
        (
            "supercharger.toml",
            "[app]\nworker = \"public/index.php\"\nenv = { APP_ENV = \"prod\" }\n\
             [php.ini]\n\"opcache.memory_consumption\" = \"64\"\n\"opcache.validate_timestamps\" = \"1\"\ndisplay_errors = \"1\"\n",
        ),
    ]);
    let (ended, report) = doctor(&dir, &dir.path().join("made"), &[("RUNTIME_WORKER_MAX_REQUEST", "50")]);
    assert_eq!(ended.code(), 0, "none of it is an error: {ended}");
    expect(&report, "php.display_errors", "warning", "clients are shown");
    expect(&report, "opcache.memory", "note", "64 MiB");
    expect(&report, "opcache.timestamps", "note", "time of files");
    expect(&report, "opcache.preload", "note", "config/preload.php");
    expect(&report, "composer.dev", "note", "phpunit/phpunit");
    expect(&report, "config.notice", "note", "max_requests");
    // The same application as it should be has none of it.
    let app = dir.path().join("made");
    let preload = app.join("config/preload.php").display().to_string();
    fs::write(app.join("supercharger.toml"), format!(
        "[app]\nworker = \"public/index.php\"\nenv = {{ APP_ENV = \"prod\" }}\n[php.ini]\n\"opcache.memory_consumption\" = \"256\"\n\
         \"opcache.validate_timestamps\" = \"0\"\n\"opcache.preload\" = {preload:?}\n\"opcache.preload_user\" = \"nobody\"\ndisplay_errors = \"0\"\n"
    )).expect("a file");
    fs::write(app.join("vendor/composer/installed.json"), lock).expect("a file");
    let (_, report) = doctor(&dir, &app, &[]);
    assert_eq!(report["findings"], serde_json::json!([]), "{report:#}");
}

#[test]
fn laravel_needs_octane_and_a_php_that_does_not_answer_is_an_error() {
    let dir = made(&[
        ("composer.json", "{}"),
        ("composer.lock", r#"{"packages": [{"name": "laravel/framework", "version": "12.0"}]}"#),
        ("supercharger.toml", "[php.ini]\ndisable_functions = \"json_encode\"\n"),
    ]);
    let (ended, report) = doctor(&dir, &dir.path().join("made"), &[]);
    assert_eq!(ended.code(), 1, "{ended}");
    expect(&report, "laravel.octane", "note", "Octane");
    expect(&report, "php.start", "error", "PHP does not start");
}
