//! Wrong configurations, told by the real executable: each fault with its place, what is wrong and what is allowed, exit code 78, and
//! nothing started.
//!
//! `tests/golden/config/NNN-name.toml` is a file, `NNN-name.txt` beside it what `supercharger check` says of it; `cases/` holds what comes
//! of variables, flags and files that cannot be read. `BLESS=1 cargo test --test it configuration` writes the `.txt`
//! anew: look at what changed before committing it.
//!
//! Every program here runs with a php.ini that makes PHP complain aloud as soon as it starts, so a started PHP shows in the output.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::dir::checkout;
use crate::support::program::{self, Ended, run_to_end};
use crate::support::server::free_port;
use crate::support::{Launch, Mode, PrivateDir, run, until};

const LIMIT: Duration = Duration::from_secs(30);
/// What PHP would say.
const CANARY: &str = "canary-of-php";

fn golden() -> PathBuf {
    checkout().join("tests/golden/config")
}

/// The folder of `plain` with the php.ini that gives a started PHP away.
fn project() -> PrivateDir {
    let dir = PrivateDir::with_app("plain");
    dir.write("ini/php.ini", &format!("extension=/nonexistent/{CANARY}.so\n"));
    dir
}

fn command(dir: &PrivateDir, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = program::command(program, dir);
    command.env("PHPRC", dir.path().join("ini"));
    command
}

fn supercharger(dir: &PrivateDir, line: &[&str], variables: &[(&str, &[u8])]) -> Ended {
    let mut command = command(dir, program::executable());
    command.args(line);
    for (name, value) in variables {
        command.env(name, OsString::from_vec(value.to_vec()));
    }
    run_to_end(dir, command, LIMIT)
}

/// What was said, as it is committed: the private folder has a name of its own each time.
fn told(dir: &PrivateDir, ended: &Ended) -> String {
    let output = format!("{}{}", ended.stderr, ended.stdout).replace(&dir.app().display().to_string(), "APP");
    assert!(!output.contains(CANARY), "PHP was started: {ended}");
    // What the log says of it has the time in it; `logs::a_wrong_configuration_is_an_event_too` looks at that.
    let output: String = output.split_inclusive('\n').filter(|line| !line.starts_with("{\"ts\":")).collect();
    format!("exit code {}\n{output}", ended.code())
}

/// Differences to what is committed, or nothing after `BLESS=1` has written it.
fn compare(file: &Path, text: &str, differences: &mut Vec<String>) {
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("the golden file can be written");
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected != text {
        differences.push(format!("{}\n--- expected\n{expected}--- got\n{text}", file.display()));
    }
}

#[track_caller]
fn none_of(differences: &[String]) {
    assert!(differences.is_empty(), "{} differ (BLESS=1 writes them):\n{}", differences.len(), differences.join("\n"));
}

/// The files of the collection, by name.
fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(golden()).expect("tests/golden/config");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

fn is_fine(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().contains("-fine-"))
}

#[test]
fn every_wrong_file_has_its_message() {
    let dir = project();
    let files = files();
    let mut differences = Vec::new();
    for file in &files {
        let name = file.file_name().expect("a name").to_str().expect("UTF-8");
        fs::copy(file, dir.app().join(name)).expect("a copy");
        let ended = supercharger(&dir, &["check", "--config", name], &[]);
        let text = told(&dir, &ended);
        assert_eq!(ended.code(), if is_fine(file) { 0 } else { 78 }, "{name}: {ended}");
        for word in ["panicked", "Os {", "Some(", "hunter2", "271828"] {
            assert!(!text.contains(word), "{name}: {word:?} in a message for people: {text}");
        }
        if !is_fine(file) {
            let placed = text.lines().skip(2).all(|line| line.starts_with(&format!("  {name}:")));
            assert!(placed && text.lines().count() > 2, "{name}: each fault with its file: {text}");
        }
        compare(&file.with_extension("txt"), &text, &mut differences);
    }
    none_of(&differences);
    assert!(files.iter().filter(|file| !is_fine(file)).count() >= 40, "{} files", files.len());
}

/// What a case needs besides the folder of `plain`.
struct Case {
    name: &'static str,
    line: &'static [&'static str],
    variables: &'static [(&'static str, &'static [u8])],
    /// `supercharger.toml` in the current folder.
    file: Option<&'static str>,
    code: i32,
}

const fn case(name: &'static str, line: &'static [&'static str]) -> Case {
    Case { name, line, variables: &[], file: None, code: 78 }
}

/// Variables, flags, and files that are no files. In the order of what they are about.
const CASES: &[Case] = &[
    Case { variables: &[("SUPERCHARGER__SERVER__LISTN", b":1")], ..case("variable-unknown", &["check"]) },
    Case { variables: &[("SUPERCHARGER__SERVER_LISTEN", b":1")], ..case("variable-with-one-underscore", &["check"]) },
    Case { variables: &[("SUPERCHARGER__DATABASE__URL", b"x")], ..case("variable-like-nothing", &["check"]) },
    Case { variables: &[("SUPERCHARGER__PHP__INI", b"x")], ..case("variable-of-a-table", &["check"]) },
    Case { variables: &[("SUPERCHARGER__POOLS__DEFAULT__WORKERS", b"many")], ..case("variable-no-number", &["check"]) },
    Case {
        variables: &[
            ("SUPERCHARGER__POOLS__DEFAULT__WORKERS", b"0"),
            ("SUPERCHARGER__SERVER__MAX_HEADERS", b"-99999999999999999999"),
        ],
        ..case("variable-out-of-range", &["check"])
    },
    Case { variables: &[("SUPERCHARGER__SERVER__DRAIN_TIMEOUT", b"30")], ..case("variable-no-duration", &["check"]) },
    Case { variables: &[("SUPERCHARGER__SERVER__MAX_BODY_SIZE", b"10M")], ..case("variable-no-size", &["check"]) },
    Case { variables: &[("SUPERCHARGER__LOG__ACCESS", b"yes")], ..case("variable-no-truth", &["check"]) },
    Case { variables: &[("SUPERCHARGER__LOG__FORMAT", b"xml")], ..case("variable-no-word", &["check"]) },
    Case { variables: &[("SUPERCHARGER__SERVER__LISTEN", b":1,,:2,:1")], ..case("variable-no-list", &["check"]) },
    Case { variables: &[("SUPERCHARGER__APP__ROOT", b"")], ..case("variable-empty", &["check"]) },
    Case { variables: &[("SUPERCHARGER__APP__ROOT", b"nowhere")], ..case("variable-no-folder", &["check"]) },
    Case {
        variables: &[
            ("SUPERCHARGER__APP__ENV__APP_SECRET", b"hunter2\xff"),
            ("SUPERCHARGER__APP__ENV__BAD-NAME", b"hunter2"),
        ],
        ..case("variable-secret", &["check"])
    },
    Case {
        variables: &[
            ("SUPERCHARGER__OTLP__ENDPOINT", b"http://app:hunter2@collector"),
            ("SUPERCHARGER__APP__ROOT", b"redis://app:hunter2@cache/0"),
        ],
        ..case("variable-with-a-password", &["check"])
    },
    // Of another program: told as a warning.
    Case {
        variables: &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", b"http://app:hun/hunter2@collector")],
        code: 0,
        ..case("variable-of-another-program-with-a-password", &["check"])
    },
    Case {
        variables: &[("SUPERCHARGER__PHP__INI__MEMORY_LIMIT", b"64M\ndisplay_errors=1")],
        ..case("variable-with-two-lines", &["check"])
    },
    Case {
        file: Some("[log]\nlevel = \"loud\"\n"),
        variables: &[("SUPERCHARGER__LOG__FORMAT", b"xml")],
        ..case("all-sources-at-once", &["check", "--listen", "nonsense"])
    },
    // A wrong value that something better replaces has no effect, so there is nothing to refuse.
    Case {
        file: Some("[log]\nlevel = \"loud\"\n"),
        variables: &[("SUPERCHARGER__LOG__LEVEL", b"info")],
        code: 0,
        ..case("a-wrong-value-that-is-replaced", &["check"])
    },
    Case {
        file: Some("[app]\nindex = \"front.php\"\n"),
        variables: &[("SUPERCHARGER__APP__WORKER", b"public/index.php")],
        ..case("contradiction-between-sources", &["check"])
    },
    Case {
        variables: &[
            ("NARYA_WORKERS", b"many"),
            ("RUNTIME_WORKER_MAX_REQUEST", b"5"),
            ("SUPERCHARGER_PORT", b"tcp://10.0.0.1:1"),
        ],
        code: 0,
        ..case("variables-of-other-programs", &["check"])
    },
    case("flag-no-address", &["check", "--for", "php-server", "--listen", "nonsense"]),
    case("flag-no-workers", &["check", "--worker", "public/index.php,0"]),
    case("flag-too-many-workers", &["check", "--worker", "public/index.php,99999999999999999999"]),
    case("flags-that-contradict", &["check", "--worker", "public/index.php,2", "--workers", "3"]),
    case("flag-worker-missing", &["check", "--worker", "gone.php,2"]),
    case("flag-root-missing", &["check", "--root", "nowhere"]),
    case("file-missing", &["check", "--config", "gone.toml"]),
    case("file-is-a-folder", &["check", "--config", "public"]),
    case("file-below-a-file", &["check", "--config", "public/index.php/supercharger.toml"]),
    case("file-without-end", &["check", "--config", "/dev/zero"]),
    case("file-is-php", &["check", "--config", "public/index.php"]),
    Case { file: Some("[server]\nlisen = 1\n"), ..case("run-with-the-file-of-the-folder", &["run"]) },
    Case {
        file: Some("[server\n"),
        ..case("php-server-with-a-file", &["php-server", "--config", "supercharger.toml"])
    },
    Case { file: Some("nonsense"), code: 0, ..case("php-server-without-a-file", &["check", "--for", "php-server"]) },
    Case {
        file: Some("[server]\nmax_headers = 50\n[app.env]\nDATABASE_URL = \"mysql://app:hunter2@db/shop\"\n"),
        variables: &[
            ("SUPERCHARGER__LOG__LEVEL", b"warn"),
            ("SUPERCHARGER__APP__ENV__APP_SECRET", b"hunter2"),
            ("MAX_REQUEST_SIZE", b"4096"),
        ],
        code: 0,
        ..case(
            "effective",
            &["check", "--effective", "--worker", "public/index.php,3", "--listen", ":1", "--root", "public"],
        )
    },
];

#[test]
fn every_wrong_variable_flag_and_place_has_its_message() {
    let mut differences = Vec::new();
    for case in CASES {
        let dir = project();
        if let Some(text) = case.file {
            fs::write(dir.app().join("supercharger.toml"), text).expect("a file");
        }
        let ended = supercharger(&dir, case.line, case.variables);
        assert_eq!(ended.code(), case.code, "{}: {ended}", case.name);
        let mut text = told(&dir, &ended);
        assert!(!text.contains("hunter2"), "{}: a secret is shown: {text}", case.name);
        if case.line.contains(&"--effective") {
            // Which defaults there are is no affair of this test, nor is how wide the widest of them is.
            let shown = text.lines().filter(|line| !line.contains("# default"));
            text = shown.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect();
        }
        compare(&golden().join("cases").join(case.name).with_extension("txt"), &text, &mut differences);
    }
    none_of(&differences);
}

/// Permissions do not bind root, so the program is started as nobody there.
#[test]
fn a_file_that_may_not_be_read() {
    let dir = project();
    let closed = dir.app().join("closed.toml");
    fs::write(&closed, "").expect("a file");
    for folder in [dir.path().to_owned(), dir.app(), dir.marks(), dir.tmp()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("permissions");
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("permissions");
    let mut command = if fs::read(&closed).is_err() {
        command(&dir, program::executable())
    } else {
        // The executable may lie where nobody has no access.
        let copy = dir.path().join("supercharger");
        fs::copy(program::executable(), &copy).expect("a copy of the executable");
        let mut command = command(&dir, "setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy);
        command
    };
    command.args(["run", "--config", "closed.toml"]);
    let ended = run_to_end(&dir, command, LIMIT);
    ended.expect(78, &["closed.toml: cannot be read: may not be read by this user"]);
}

/// The port is held by the test: a server that had tried to have it would end with code 1 and say so.
#[test]
fn nothing_is_started_for_a_wrong_configuration() {
    let dir = project();
    let held = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = held.local_addr().expect("an address").to_string();
    let boots = "[app]\nworker = \"public/worker.php\"\n";
    let file =
        |text: &str| dir.write("app/supercharger.toml", &format!("server.listen = [\"{address}\"]\n{text}{boots}"));

    file("log.level = \"loud\"\n");
    for line in [&["run"][..], &["php-server", "--config", "supercharger.toml"], &["check"]] {
        let ended = supercharger(&dir, line, &[]);
        ended.expect(78, &["supercharger.toml:2: log.level: \"loud\" is unknown"]);
        assert!(!ended.output().contains("in use") && !ended.output().contains(CANARY), "{ended}");
    }
    file("");
    for line in [&["check"][..], &["check", "--effective"]] {
        let ended = supercharger(&dir, line, &[]);
        assert!(ended.code() == 0 && !ended.output().contains(CANARY), "{ended}");
    }
    // Negative control: without the fault it does try to have the port.
    supercharger(&dir, &["run"], &[]).expect(1, &[&address, "in use"]);
    assert_eq!(dir.lines("boots.log"), 0, "no script was run");
}

/// Negative control: a PHP that is started gives itself away, so the other tests would see it.
#[test]
fn negative_control_a_started_php_is_seen() {
    let dir = project();
    dir.write("app/exits.php", "<?php exit(1);");
    let address = format!("127.0.0.1:{}", free_port());
    let ended = supercharger(&dir, &["php-server", "--listen", &address, "--worker", "exits.php,1"], &[]);
    ended.expect(1, &[CANARY]);
}

/// The system calls themselves, where strace is there to show them: no socket, no process, no thread.
#[test]
fn no_socket_and_no_thread() {
    let traced = |dir: &PrivateDir, line: &[&str]| {
        let trace = dir.path().join("trace");
        let mut command = command(dir, "strace");
        command.args(["-f", "-e", "trace=socket,bind,listen,clone,clone3,fork,vfork", "-o"]).arg(&trace);
        command.arg(program::executable()).args(line);
        let ended = run_to_end(dir, command, LIMIT);
        let calls = fs::read_to_string(&trace).unwrap_or_default();
        (ended.code(), calls.lines().filter(|line| line.contains('(')).map(str::to_owned).collect::<Vec<_>>())
    };
    let can =
        Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("SKIPPED no_socket_and_no_thread: strace is not there, or not allowed to trace");
        return;
    }
    let dir = project();
    dir.write("app/wrong.toml", "log.level = \"loud\"\n");
    for (code, line) in [
        (0, &["check"][..]),
        (0, &["check", "--effective", "--worker", "public/worker.php"]),
        (78, &["check", "--config", "wrong.toml"]),
        (78, &["run", "--config", "wrong.toml"]),
        (78, &["php-server", "--config", "wrong.toml"]),
    ] {
        let (ended, calls) = traced(&dir, line);
        assert!(ended == code && calls.is_empty(), "{line:?}: code {ended}, {calls:#?}");
    }
    // Negative control: a start is seen.
    let held = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = held.local_addr().expect("an address").to_string();
    let (_, calls) = traced(&dir, &["php-server", "--listen", &address]);
    assert!(calls.iter().any(|call| call.contains("bind(")), "{calls:#?}");
}

/// The whole of production: the file of the folder, variables over it, the defaults of `run`, a variable of another program.
#[test]
fn run_serves_as_file_and_environment_say() {
    // The arguments are those of php-server; of them only the address is used.
    let as_run = "SUPERCHARGER__SERVER__LISTEN=$3 exec \"$0\" run";
    let launch = Launch::plain(Mode::Worker)
        .wrapped(&["sh", "-c", as_run])
        .env("SUPERCHARGER__POOLS__DEFAULT__WORKERS", "3")
        .env("SUPERCHARGER__APP__ENV__GREETING", "hello")
        .env("SUPERCHARGER__PHP__INI__PRECISION", "7")
        .env("NARYA_LOG_LEVEL", "debug")
        .env("RUNTIME_WORKER_DRAIN_SECOND", "5");
    let text = "[app]\nworker = \"public/worker.php\"\n[pools.default]\nworkers = 1\n";
    let file = launch.dir().write("app/supercharger.toml", text).canonicalize().expect("it exists");
    run(launch, async |server| {
        server.get("/").await.ok();
        let config = format!("\"config\":\"{}\"", file.display());
        for words in [
            &["server.start", &config, "\"workers\":3", "\"mode\":\"worker\""][..],
            &["config.notice", "NARYA_LOG_LEVEL sets log.level", "\"level\":\"info\""],
            &["config.notice", "RUNTIME_WORKER_DRAIN_SECOND has no effect", "\"level\":\"warn\""],
            // Without --access-log: `run` logs every request.
            &["\"event\":\"access\"", "\"status\":200"],
        ] {
            let found = |line: &str| words.iter().all(|word| line.contains(word));
            until(Duration::from_secs(10), &format!("a line has {words:?}"), || {
                server.log().lines().any(found).then_some(())
            })
            .await;
        }
        assert!(server.log().contains(&format!("  Config    {}", file.display())), "{}", server.log());
        assert_eq!(server.json("/env?name=GREETING").await["getenv"], "hello");
        assert_eq!(server.json("/state").await["precision"], "7");
    });
}

/// What is printed is what is committed, and can be used as it is.
#[test]
fn example_and_schema_are_those_of_the_repository() {
    let dir = project();
    for (flag, file) in [("--example", "config/supercharger.toml"), ("--schema", "config/supercharger.schema.json")] {
        let ended = supercharger(&dir, &["check", flag], &[]);
        let committed = fs::read_to_string(checkout().join(file)).expect("a file");
        assert!(ended.code() == 0 && ended.stdout == committed, "{flag} prints something else than {file}");
    }
    fs::copy(checkout().join("config/supercharger.toml"), dir.app().join("supercharger.toml")).expect("a copy");
    supercharger(&dir, &["check"], &[]).expect(0, &["supercharger.toml: no faults"]);
}

/// The schema takes what is right and refuses what a schema can see; `schema.txt` says which. The validator is Python's
/// `jsonschema`, independent of anything here.
#[test]
fn the_schema_agrees() {
    let validator = "import json, sys, tomllib, jsonschema\n\
        schema = json.load(open(sys.argv[1]))\n\
        jsonschema.Draft7Validator.check_schema(schema)\n\
        for name in sys.argv[2:]:\n    \
            try:\n        document = tomllib.loads(open(name, 'rb').read().decode('utf-8-sig'))\n    \
            except ValueError:\n        print('no TOML', name); continue\n    \
            print('refused' if list(jsonschema.Draft7Validator(schema).iter_errors(document)) else 'taken  ', name)\n";
    let can = Command::new("python3").args(["-c", "import tomllib, jsonschema"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "SKIPPED the_schema_agrees: python3 with tomllib and jsonschema is not there (apt: python3-jsonschema)"
        );
        return;
    }
    let dir = project();
    let mut command = command(&dir, "python3");
    command.current_dir(golden()).args(["-c", validator]).arg(checkout().join("config/supercharger.schema.json"));
    command.args(["../../../config/supercharger.toml"]).args(files().iter().filter_map(|file| file.file_name()));
    let ended = run_to_end(&dir, command, LIMIT);
    assert_eq!(ended.code(), 0, "{ended}");
    let verdict = |line: &str, words: &[&str]| words.iter().any(|word| line.starts_with(word));
    for line in ended.stdout.lines() {
        let right = line.contains("-fine-") || line.ends_with("/supercharger.toml");
        assert!(!right || verdict(line, &["taken"]), "the schema refuses what is right: {line}");
    }
    let refused = ended.stdout.lines().filter(|line| verdict(line, &["refused"])).count();
    assert!(refused >= 30, "the schema refuses only {refused}:\n{}", ended.stdout);
    let mut differences = Vec::new();
    compare(&golden().join("schema.txt"), &ended.stdout, &mut differences);
    none_of(&differences);
}
