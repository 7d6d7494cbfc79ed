//! What a configuration may be, and every message about one that may not.

#![forbid(unsafe_code)]

use super::*;

/// A project folder with `public/index.php` and a configuration file.
fn project(text: &str) -> (tempfile::TempDir, Flags) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("public")).expect("a folder");
    fs::write(folder.path().join("public/index.php"), "<?php").expect("a file");
    fs::write(folder.path().join("s.toml"), text).expect("a file");
    let flags = Flags { config: Some("s.toml".into()), ..Flags::default() };
    (folder, flags)
}

fn faults_of(text: &str, flags: impl FnOnce(&mut Flags)) -> String {
    let (folder, mut given) = project(text);
    flags(&mut given);
    let faults = load_in(&given, folder.path()).expect_err("faults").to_string();
    faults
        .replace(&format!("{}/", folder.path().display()), "DIR/")
        .replace(&folder.path().display().to_string(), "DIR")
}

fn loaded(text: &str, flags: impl FnOnce(&mut Flags)) -> Config {
    let (folder, mut given) = project(text);
    flags(&mut given);
    load_in(&given, folder.path()).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn one_fault_one_sentence() {
    let cases = [
        ("server.lisen = []", "s.toml:1: server.lisen: unknown key; did you mean `server.listen`?"),
        ("[database]\nurl = 1", "s.toml:1: database: unknown key"),
        ("x = 1", "s.toml:1: x: unknown key"),
        ("[pools.web]\nworkers = 2", "s.toml:2: pools.web.workers: unknown key; did you mean `pools.default.workers`?"),
        ("server = 1", "s.toml:1: server: a number where a section belongs; write [server] and its keys below"),
        (
            "php.ini = 'x'",
            "s.toml:1: php.ini: a text where a table belongs; allowed: names of PHP settings, with a text, a number or true/false on one line",
        ),
        (
            "[server]\n\nlisten = ['8080']",
            "s.toml:3: server.listen: \"8080\" is no address; allowed: a list of texts such as \"127.0.0.1:8080\", \":8080\" or \"[::1]:8080\", none twice",
        ),
        (
            "server.listen = [':1', ':1']",
            "s.toml:1: server.listen: \":1\" stands there twice; allowed: a list of texts such as \"127.0.0.1:8080\", \":8080\" or \"[::1]:8080\", none twice",
        ),
        (
            "server.listen = []",
            "s.toml:1: server.listen: the list is empty; allowed: a list of texts such as \"127.0.0.1:8080\", \":8080\" or \"[::1]:8080\", none twice",
        ),
        (
            "server.header_timeout = 10",
            "s.toml:1: server.header_timeout: 10 is no duration; allowed: a duration such as \"500ms\" or \"30s\", from 100ms to 1h",
        ),
        (
            "server.header_timeout = '0s'",
            "s.toml:1: server.header_timeout: \"0s\" is out of range; allowed: a duration such as \"500ms\" or \"30s\", from 100ms to 1h",
        ),
        (
            "server.max_body_size = '10MB'",
            "s.toml:1: server.max_body_size: \"10MB\" is no size; allowed: a size such as 4096 or \"10MiB\", up to 1024GiB",
        ),
        (
            "server.max_header_size = 5",
            "s.toml:1: server.max_header_size: 5 is out of range; allowed: a size such as 4096 or \"32KiB\", from 1KiB to 1MiB",
        ),
        ("server.max_headers = 0", "s.toml:1: server.max_headers: 0 is out of range; allowed: a number from 1 to 1000"),
        (
            "pools.default.workers = 'many'",
            "s.toml:1: pools.default.workers: \"many\" is no number; allowed: \"auto\" (two per usable CPU) or a number from 1 to 1024",
        ),
        (
            "log.level = 'loud'",
            "s.toml:1: log.level: \"loud\" is unknown; allowed: \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        ),
        ("log.access = 'yes'", "s.toml:1: log.access: \"yes\" is neither true nor false; allowed: true or false"),
        (
            "app.root = 'nowhere'",
            "s.toml:1: app.root: DIR/nowhere: does not exist; name an existing folder with --root, or start the server where `public/` is",
        ),
        (
            "app.root = 'public/index.php'",
            "s.toml:1: app.root: DIR/public/index.php is not a directory; name the folder that holds the public files",
        ),
        ("app.root = 7", "s.toml:1: app.root: 7 is no path; allowed: a directory"),
        (
            "app.worker = 'missing.php'",
            "s.toml:1: app.worker: DIR/missing.php: does not exist; name an existing script, such as public/index.php; relative names start at the current folder",
        ),
        (
            "app.worker = 'public'",
            "s.toml:1: app.worker: DIR/public is not a regular file; name the script itself, such as public/index.php",
        ),
        (
            "app.index = '../x.php'",
            "s.toml:1: app.index: \"../x.php\" is not that; allowed: the name of a PHP file, without a path; in classic mode only",
        ),
        (
            "app.index = 'a.php'\napp.worker = 'public/index.php'",
            "s.toml:1: app.index: has no effect in worker mode; remove it, or app.worker",
        ),
        (
            "app.env.\"A B\" = 'x'",
            "s.toml:1: app.env.A B: \"A B\" cannot be the name of an environment variable; allowed: names of letters, digits and _, with texts as values",
        ),
        (
            "app.env.A = 1",
            "s.toml:1: app.env.A: 1 is no text; allowed: names of letters, digits and _, with texts as values",
        ),
        (
            "php.ini.x = \"a\\nb\"",
            "s.toml:1: php.ini.x: the value has more than one line; allowed: names of PHP settings, with a text, a number or true/false on one line",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(faults_of(text, |_| {}), format!("the configuration has 1 fault:\n  {expected}"), "{text}");
    }
}

#[test]
fn flags_are_named_as_flags() {
    type Case = (fn(&mut Flags), &'static str);
    let cases: [Case; 4] = [
        (
            |flags| flags.listen = vec!["nonsense".to_owned()],
            "--listen: \"nonsense\" is no address; allowed: a list of texts such as \"127.0.0.1:8080\", \":8080\" or \"[::1]:8080\", none twice",
        ),
        (
            |flags| flags.worker = Some("missing.php,2".to_owned()),
            "--worker: DIR/missing.php: does not exist; name an existing script, such as public/index.php; relative names start at the current folder",
        ),
        (
            |flags| flags.worker = Some("public/index.php,0".to_owned()),
            "--worker: 0 is out of range; allowed: \"auto\" (two per usable CPU) or a number from 1 to 1024",
        ),
        (
            |flags| {
                flags.worker = Some("public/index.php,2".to_owned());
                flags.workers = Some(3);
            },
            "--workers: 3 contradicts --worker public/index.php,2; give the number once",
        ),
    ];
    for (set, expected) in cases {
        assert_eq!(faults_of("", set), format!("the configuration has 1 fault:\n  {expected}"));
    }
}

#[test]
fn all_faults_at_once_in_the_order_of_the_file() {
    let got = faults_of("[server]\nmax_headers = -1\nmax_heders = 1\n[log]\nlevel = 1\n", |flags| {
        flags.root = Some("nowhere".into());
    });
    let lines: Vec<_> = got.lines().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "the configuration has 4 faults:",
            "  s.toml:3 server.max_heders",
            "  --root DIR/nowhere",
            "  s.toml:2 server.max_headers",
            "  s.toml:5 log.level",
        ]
    );
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let got = faults_of("[server]\nlisten = [\n", |_| {});
    assert!(got.contains("s.toml:") && got.contains("not TOML"), "{got}");
    let missing = faults_of("", |flags| flags.config = Some("none.toml".into()));
    assert!(missing.starts_with("the configuration has 1 fault:\n  none.toml: cannot be read"), "{missing}");
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let text = "server.listen = [':1']\npools.default.workers = 3\nlog.format = 'json'\nserver.max_headers = 7";
    let config = loaded(text, |flags| {
        flags.listen = vec![":2".to_owned(), "[::1]:3".to_owned()];
        flags.worker = Some("public/index.php,5".to_owned());
    });
    let listen: Vec<_> = config.http.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, [":2", "[::1]:3"]);
    assert_eq!((config.pool.workers, config.http.max_headers), (5, 7));
    assert_eq!(config.log.format, telemetry::Format::Json);
    assert_eq!(config.drain_timeout, Duration::from_secs(30));
    let http::Site { root, mode } = config.http.site;
    assert_eq!(mode, http::Mode::Worker { script: root.join("index.php") });
}

#[test]
fn tables_with_names_of_the_application() {
    let text = "[app.env]\nAPP_ENV = 'prod'\n[php.ini]\nmemory_limit = '64M'\nopcache.enable = true\n\"a.b\" = 1";
    let php = loaded(text, |_| {}).php;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(php.env, [pair("APP_ENV", "prod")]);
    assert_eq!(php.ini, [pair("a.b", "1"), pair("memory_limit", "64M"), pair("opcache.enable", "1")]);
}

#[test]
fn the_root_is_public_then_the_scripts_folder_then_here() {
    let root = |config: Config| config.http.site.root.file_name().map(|name| name.to_string_lossy().into_owned());
    assert_eq!(root(loaded("", |_| {})).as_deref(), Some("public"));
    let elsewhere = tempfile::tempdir().expect("a folder");
    fs::create_dir(elsewhere.path().join("web")).expect("a folder");
    fs::write(elsewhere.path().join("web/worker.php"), "<?php").expect("a file");
    let flags = Flags { worker: Some("web/worker.php".to_owned()), ..Flags::default() };
    assert_eq!(root(load_in(&flags, elsewhere.path()).expect("valid")).as_deref(), Some("web"));
    let here = load_in(&Flags::default(), elsewhere.path()).expect("valid").http.site.root;
    assert_eq!(here, elsewhere.path().canonicalize().expect("it exists"));
}

#[test]
fn a_comma_belongs_to_the_worker_only_before_a_number() {
    let cases = [
        ("a.php", ("a.php", None)),
        ("a.php,4", ("a.php", Some(4))),
        ("a,b.php", ("a,b.php", None)),
        ("a,b.php,4", ("a,b.php", Some(4))),
        ("a.php,", ("a.php,", None)),
        ("a.php,-1", ("a.php,-1", None)),
    ];
    for (text, expected) in cases {
        assert_eq!(split_worker(text), expected, "{text}");
    }
}

/// The documented file names every key once, and loading it changes nothing: its values are the code's defaults.
#[test]
fn the_documented_file_is_the_code() {
    let text = include_str!("../../config/supercharger.toml");
    let mut section = String::new();
    let mut documented = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            if keys::is_map(name) {
                documented.push(name.to_owned());
            }
        }
        // A key without a default is shown as a comment.
        let line = line.strip_prefix("#: ").unwrap_or(line);
        if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            documented.push(format!("{section}.{name}"));
        }
    }
    let mut expected: Vec<_> = keys::KEYS.iter().chain(&keys::MAPS).map(|key| key.name.to_owned()).collect();
    documented.sort();
    expected.sort();
    assert_eq!(documented, expected);

    let told = |config: &Config| format!("{config:#?}");
    let (folder, flags) = project(text);
    let explicit = load_in(&flags, folder.path()).unwrap_or_else(|faults| panic!("{faults}"));
    let defaults = load_in(&Flags::default(), folder.path()).expect("valid");
    assert_eq!(told(&explicit), told(&defaults));
}
