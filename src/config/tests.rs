//! What a configuration may be, and every message about one that may not.

#![forbid(unsafe_code)]

mod guard;

use std::fs;

use super::*;

mod contact;

/// Loads as the process would, without an environment.
fn load_from(flags: &Flags, folder: &Path) -> Result<Config, Faults> {
    load_with(flags, folder, &[])
}

/// The same with variables. `run` looks for `supercharger.toml` and then for `etc.toml`.
fn load_with(flags: &Flags, folder: &Path, variables: &[(&str, &str)]) -> Result<Config, Faults> {
    seen_with(flags, folder, variables).map(|(config, _)| config)
}

fn seen_with(flags: &Flags, folder: &Path, variables: &[(&str, &str)]) -> Result<(Config, String), Faults> {
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let searched = [Path::new("supercharger.toml"), Path::new("etc.toml")];
    let place = Place { folder: folder.to_owned(), variables: &variables, searched: &searched };
    load_in(flags, &place).map(|(config, check)| (config, effective::told(&check)))
}

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
    let faults = load_from(&given, folder.path()).expect_err("faults").to_string();
    faults
        .replace(&format!("{}/", folder.path().display()), "DIR/")
        .replace(&folder.path().display().to_string(), "DIR")
}

fn loaded(text: &str, flags: impl FnOnce(&mut Flags)) -> Config {
    let (folder, mut given) = project(text);
    flags(&mut given);
    load_from(&given, folder.path()).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn one_fault_one_sentence() {
    let cases = [
        ("server.lisen = []", "s.toml:1: server.lisen: unknown key; did you mean `server.listen`?"),
        (
            "[database]\nurl = 1",
            "s.toml:1: database: unknown section; there are [server], [process], [app], [php], [store], [pools], [health], [admin], [endpoints], [guard], [watch], [log], [telemetry], [otlp]",
        ),
        ("x = 1", "s.toml:1: x: unknown key"),
        (
            "[store]\nmax_memory = '2MiB'\nmax_value = '1MiB'",
            "s.toml:3: store.max_value: it is more than a quarter of store.max_memory; a larger store.max_memory, or a smaller store.max_value",
        ),
        ("server = 1", "s.toml:1: server: a number where a section belongs; write [server] and its keys below"),
        (
            "php.ini = 'x'",
            "s.toml:1: php.ini: a text where a table belongs; allowed: names of PHP settings, with a text, a number or true/false on one line",
        ),
        (
            "[server]\n\nlisten = ['8080']",
            "s.toml:3: server.listen: \"8080\" is no address; allowed: a list of texts such as \"127.0.0.1:8080\", \":8080\", \"[::1]:8080\" or \"unix:/run/app.sock\", none twice",
        ),
        (
            "server.listen = [':1', ':1']",
            "s.toml:1: server.listen: \":1\" stands there twice; allowed: a list of texts such as \"127.0.0.1:8080\", \":8080\", \"[::1]:8080\" or \"unix:/run/app.sock\", none twice",
        ),
        (
            "server.listen = []",
            "s.toml:1: server.listen: the list is empty; allowed: a list of texts such as \"127.0.0.1:8080\", \":8080\", \"[::1]:8080\" or \"unix:/run/app.sock\", none twice",
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
            "s.toml:1: server.max_body_size: \"10MB\" is no size; allowed: a size such as \"10MiB\" or 10485760, up to 1024GiB",
        ),
        (
            "server.max_header_size = 5",
            "s.toml:1: server.max_header_size: 5 is out of range; allowed: a size such as \"32KiB\" or 32768, from 1KiB to 1MiB",
        ),
        (
            "server.body_timeout = '50ms'",
            "s.toml:1: server.body_timeout: \"50ms\" is out of range; allowed: a duration such as \"500ms\" or \"30s\", from 100ms to 1h",
        ),
        (
            "server.write_timeout = '2h'",
            "s.toml:1: server.write_timeout: \"2h\" is out of range; allowed: a duration such as \"500ms\" or \"30s\", from 100ms to 1h",
        ),
        (
            "server.response_spill = '1KiB'",
            "s.toml:1: server.response_spill: is too little to be of use; give 1MiB or more, or 0 for none",
        ),
        (
            "server.response_spill_total = 0",
            "s.toml:1: server.response_spill_total: 0 is out of range; allowed: a size such as \"4GiB\" or 4294967296, from 1MiB to 1024GiB",
        ),
        (
            "server.response_spill = 0\nserver.response_spill_total = '1GiB'",
            "s.toml:2: server.response_spill_total: has no effect while server.response_spill is 0; remove one of them",
        ),
        ("server.max_headers = 0", "s.toml:1: server.max_headers: 0 is out of range; allowed: a number from 1 to 1000"),
        (
            "pools.default.workers = 'many'",
            "s.toml:1: pools.default.workers: \"many\" is no whole number; allowed: \"auto\" (two per usable CPU) or a number from 1 to 1024",
        ),
        (
            "log.level = 'loud'",
            "s.toml:1: log.level: \"loud\" is unknown; allowed: \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        ),
        (
            "log.access = 'yes'",
            "s.toml:1: log.access: \"yes\" is unknown; allowed: true, false, \"combined\" or \"json\"",
        ),
        (
            "app.root = 'nowhere'",
            "s.toml:1: app.root: DIR/nowhere: does not exist; name an existing folder; relative names start at the folder of the file",
        ),
        (
            "app.root = 'public/index.php'",
            "s.toml:1: app.root: DIR/public/index.php is not a directory; name the folder that holds the public files",
        ),
        ("app.root = 7", "s.toml:1: app.root: 7 is no path; allowed: a directory"),
        (
            "app.worker = 'missing.php'",
            "s.toml:1: app.worker: DIR/missing.php: does not exist; name an existing script, such as public/index.php; relative names start at the folder of the file",
        ),
        (
            "app.worker = 'public'",
            "s.toml:1: app.worker: DIR/public is not a regular file; name the script itself, such as public/index.php",
        ),
        (
            "app.index = '../x.php'",
            "s.toml:1: app.index: \"../x.php\" is no name of a PHP file; allowed: the name of a PHP file, without a path; in classic mode only",
        ),
        (
            "app.index = 'a.php'\napp.worker = 'public/index.php'",
            "s.toml:1: app.index: has no effect in worker mode; remove it, or app.worker",
        ),
        (
            "app.env.\"A B\" = 'x'",
            "s.toml:1: app.env.\"A B\": \"A B\" cannot be the name of an environment variable; allowed: names of letters, digits and _, with texts as values",
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
fn pools_and_folders_beside_the_usual_ones() {
    let cases = [
        (
            "[pools.web]\nworkers = 2\nmode = 'classic'",
            "s.toml:1: pools.web.match: is missing; name the paths of this pool, such as [\"/legacy/*\"]",
        ),
        (
            "[pools.web]\nmatch = ['/x']\nmode = 'classic'\nworker = 2",
            "s.toml:4: pools.web.worker: unknown key; did you mean `pools.web.workers`?",
        ),
        (
            "[pools.web]\nmatch = ['/x']\nmode = 'fpm'\nscript = 'public/index.php'",
            "s.toml:3: pools.web.mode: \"fpm\" is unknown; allowed: \"worker\" or \"classic\"",
        ),
        (
            "[pools.web]\nmatch = ['/x']",
            "s.toml:1: pools.web: has no worker script; set script, or app.worker, or mode = \"classic\"",
        ),
        (
            "[pools.'My Pool']\nmatch = ['/x']\nmode = 'classic'",
            "s.toml:1: pools.My Pool: cannot be the name of a pool; use up to 32 small letters, digits, - and _",
        ),
        (
            "[pools.web]\nmatch = ['x/*']\nmode = 'classic'",
            "s.toml:2: pools.web.match: \"x/*\" does not begin with a slash; a pattern begins with a slash or *, such as \"/legacy/*\"",
        ),
        (
            "[pools.a]\nmatch = ['/x', '/y']\nmode = 'classic'\n[pools.b]\nmatch = ['/y']\nmode = 'classic'",
            "s.toml:5: pools.b.match: \"/y\" is served by pools.a already; the first pool of the file would take it; remove it from one of them",
        ),
        (
            "[pools.web]\nmatch = ['/x']\nmode = 'classic'\nscript = 's.toml'",
            "s.toml:4: pools.web.script: DIR/s.toml does not lie under the root; in classic mode it is the front controller, a script under app.root",
        ),
        (
            "[pools.web]\nmatch = ['/x']\nmode = 'classic'\nworkers = 0",
            "s.toml:4: pools.web.workers: 0 is out of range; allowed: \"auto\" (two per usable CPU) or a number from 1 to 1024",
        ),
        (
            "[pools.web]\nmatch = ['/x']\nmode = 'classic'\noverflow.queue_timeout = 1",
            "s.toml:4: pools.web.overflow.queue_timeout: 1 is no duration; allowed: a duration such as \"500ms\" or \"30s\", from 1ms to 1h",
        ),
        ("pools.web = 1", "s.toml:1: pools.web: unknown key"),
        (
            "app.sendfile = ['nowhere']",
            "s.toml:1: app.sendfile: DIR/nowhere: does not exist; name an existing folder; relative names start at the folder of the file",
        ),
        (
            "app.accel.protected = 'public'",
            "s.toml:1: app.accel.protected: \"protected\" does not begin and end with a slash; allowed: paths such as \"/protected/\", each with a folder",
        ),
        (
            "[app.accel]\n'/a/../' = 'public'",
            "s.toml:2: app.accel.\"/a/../\": \"/a/../\" is no plain path; allowed: paths such as \"/protected/\", each with a folder",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(faults_of(text, |_| {}), format!("the configuration has 1 fault:\n  {expected}"), "{text}");
    }
    let text = "app.worker = 'public/index.php'\napp.links = []\napp.sendfile = ['.']\napp.accel.'/p/' = 'public'\n\
                [pools.b]\nmatch = ['/b']\nmethods = ['POST']\nworkers = 3\noverflow.queue_timeout = '1s'\n\
                [pools.a]\nmatch = ['/b']\nmethods = ['GET']\nmode = 'classic'\nscript = 'public/index.php'";
    let config = loaded(text, |_| {});
    let site = &config.http.site;
    let named: Vec<_> = config.named_pools.iter().map(|named| (&*named.pool.name, named.pool.queue_timeout)).collect();
    assert_eq!(named, [("b", Duration::from_secs(1)), ("a", pool::QUEUE_TIMEOUT)], "in the order of the file");
    assert_eq!(config.named_pools[0].pool.workers, 3);
    let index = site.root.join("index.php");
    assert_eq!(site.branches[0].mode, http::Mode::Worker { script: index.clone() }, "app.worker unless it has its own");
    assert_eq!(site.branches[1].mode, http::Mode::Classic { index: "index.php".to_owned(), front: Some(index) });
    assert_eq!(site.sendfile.folders, [site.root.parent().expect("a project").to_owned()]);
    assert_eq!(site.sendfile.prefixes, [("/p/".to_owned(), site.root.clone())]);
    assert!(site.links.is_empty());
}

#[test]
fn flags_are_named_as_flags() {
    type Case = (fn(&mut Flags), &'static str);
    let cases: [Case; 4] = [
        (
            |flags| flags.listen = vec!["nonsense".to_owned()],
            "--listen: \"nonsense\" is no address; allowed: a list of texts such as \"127.0.0.1:8080\", \":8080\", \"[::1]:8080\" or \"unix:/run/app.sock\", none twice",
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
            "  s.toml:2 server.max_headers",
            "  s.toml:3 server.max_heders",
            "  s.toml:5 log.level",
            "  --root DIR/nowhere",
        ]
    );
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let got = faults_of("[server]\nlisten = [\n", |_| {});
    assert!(got.contains("s.toml:") && got.contains("not TOML"), "{got}");
    let missing = faults_of("", |flags| flags.config = Some("none.toml".into()));
    assert!(
        missing.starts_with("the configuration has 1 fault:\n  none.toml: cannot be read: does not exist"),
        "{missing}"
    );
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
    let http::Site { root, mode, .. } = config.http.site;
    assert_eq!(mode, http::Mode::Worker { script: root.join("index.php") });
}

#[test]
fn responses_have_their_limits() {
    let limits = |text: &str| loaded(text, |_| {}).pool.reply;
    let default = limits("");
    assert_eq!((default.pipe, default.spill, default.spill_total), (1 << 20, 1 << 30, 4 << 30));
    assert_eq!(default.patience, Duration::from_secs(60));
    let given =
        limits("server.response_spill = '2MiB'\nserver.response_spill_total = '3MiB'\nserver.write_timeout = '1s'");
    assert_eq!((given.spill, given.spill_total, given.patience), (2 << 20, 3 << 20, Duration::from_secs(1)));
    assert_eq!(limits("server.response_spill = '0'").spill, 0);
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
    assert_eq!(root(load_from(&flags, elsewhere.path()).expect("valid")).as_deref(), Some("web"));
    let here = load_from(&Flags::default(), elsewhere.path()).expect("valid").http.site.root;
    assert_eq!(here, elsewhere.path().canonicalize().expect("it exists"));
}

#[test]
fn a_comma_belongs_to_the_worker_only_before_a_number() {
    let cases = [
        ("a.php", ("a.php", None)),
        ("a.php,4", ("a.php", Some(Value::Integer(4)))),
        ("a,b.php", ("a,b.php", None)),
        ("a,b.php,4", ("a,b.php", Some(Value::Integer(4)))),
        ("a.php,", ("a.php,", None)),
        ("a.php,-1", ("a.php,-1", None)),
    ];
    for (text, expected) in cases {
        assert_eq!(split_worker(text), expected, "{text}");
    }
}

/// Compares with what is committed. With `BLESS=1` it is written instead, to be looked at and committed.
#[track_caller]
fn committed(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("BLESS").is_some() {
        fs::write(&file, text).expect("the file can be written");
    }
    let there = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(there == text, "{path} is not what src/config/keys.rs says; BLESS=1 cargo test --lib config writes it");
}

#[test]
fn the_documents_are_the_code() {
    committed("config/supercharger.toml", &documented_file());
    committed("config/supercharger.schema.json", &schema());

    let manual = "docs/configuration.md";
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(manual)).expect("the manual");
    let start = text.find("| key | default |").expect("the table");
    let end = start + text[start..].find("\n\n").expect("the end of the table") + 1;
    committed(manual, &format!("{}{}{}", &text[..start], documents::table(), &text[end..]));
}

/// Loading the documented file changes nothing, whatever is started: its values are the code's defaults.
#[test]
fn the_documented_file_holds_the_defaults() {
    for command in [Command::PhpServer, Command::Run] {
        let (folder, flags) = project(&documented_file());
        let told = |flags: &Flags| {
            let flags = Flags { command, ..flags.clone() };
            let config = load_from(&flags, folder.path()).unwrap_or_else(|faults| panic!("{faults}"));
            format!("{:#?}", Config { source: Source::default(), ..config })
        };
        let with = told(&flags);
        assert_eq!(with, told(&Flags::default()));
    }
}

/// Every example of the documented file is one that is taken: all that is commented out is put in.
#[test]
fn the_examples_of_the_documented_file_are_valid() {
    let is_example = |line: &str| line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    let text: String = documented_file()
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_example(rest)).unwrap_or(line))
        // Index and worker exclude each other, and so do the two strategies of a queue.
        .filter(|line| !line.starts_with("index =") && !line.starts_with("max_queue ="))
        .fold(String::new(), |text, line| text + line + "\n");
    let config = loaded(&text, |_| {});
    assert!(matches!(config.http.site.mode, http::Mode::Worker { .. }), "{text}");
    assert_eq!((config.php.env.len(), config.php.ini.len()), (1, 1), "{text}");
}

/// The modules have defaults for those who use them without a configuration; they are the same.
#[test]
fn the_defaults_are_those_of_the_modules() {
    let config = loaded("", |_| {});
    let pool = pool::Config::new("default", 1);
    assert_eq!(config.pool.queue_timeout, pool.queue_timeout);
    assert_eq!(format!("{:?}", config.pool.reply), format!("{:?}", ReplyLimits::default()));
    assert_eq!(config.log, telemetry::Config::default());
    assert_eq!(config.pool.workers, 2 * machine::usable_cpus());
}

#[test]
fn pools_have_sizes_queues_and_limits() {
    let text = "[pools.default]\nworkers = 4\nmin = 2\nmax = 8\nscale_down_idle = '30s'\n\
                overflow = { strategy = 'backpressure', max_queue = 7 }\n\
                [pools.api]\nmatch = ['/api/*']\nmode = 'classic'\nmax = 9\nworkers = 3\n\
                recycle = { max_requests = 50, jitter = 0, max_uptime = '0s' }";
    let config = loaded(text, |flags| flags.worker = Some("public/index.php".to_owned()));
    let pool = &config.pool;
    assert_eq!((pool.min, pool.workers, pool.max), (2, 4, 8));
    assert_eq!((pool.scale_down.idle, pool.scale_down.aggressive), (Duration::from_secs(30), Duration::ZERO));
    assert_eq!((pool.queue_timeout, pool.max_queue), (pool::LONGEST_WAIT, 7));
    assert_eq!((pool.recycle.max_requests, pool.recycle.max_memory), (1000, 512 * 1024 * 1024));
    let api = &config.named_pools[0].pool;
    assert_eq!((api.min, api.workers, api.max), (3, 3, 9));
    assert_eq!((api.queue_timeout, api.max_queue), (pool::QUEUE_TIMEOUT, pool::MAX_QUEUE));
    assert_eq!((api.recycle.max_requests, api.recycle.jitter), (50, 0.0));
    assert_eq!(api.recycle.max_uptime, Duration::ZERO);
}

#[test]
fn contradictions_of_pools() {
    let cases = [
        (
            "overflow = { queue_timeout = '1s', max_queue = 3 }",
            "s.toml:1: pools.default.overflow.max_queue: contradicts \
          pools.default.overflow.queue_timeout (s.toml:1); the strategies exclude each other: keep queue_timeout, or strategy = \
          \"backpressure\" and max_queue",
        ),
        (
            "overflow.max_queue = 3",
            "s.toml:1: pools.default.overflow.max_queue: has no effect with the strategy \"queue_timeout\"; \
          set strategy = \"backpressure\", or remove it",
        ),
        (
            "overflow.strategy = 'backpressure'",
            "s.toml:1: pools.default.overflow.strategy: needs overflow.max_queue; say how many \
          requests may wait, such as 100",
        ),
        (
            "overflow = { strategy = 'backpressure', queue_timeout = '1s' }",
            "s.toml:1: pools.default.overflow.queue_timeout: has no \
          effect with the strategy \"backpressure\"; remove it, and set max_queue",
        ),
        (
            "min = 5\npools.default.workers = 4",
            "s.toml:1: pools.default.min: 5 is more than workers, which is 4; give no more than workers",
        ),
        (
            "max = 3\npools.default.workers = 4",
            "s.toml:1: pools.default.max: 3 is less than workers, which is 4; give no less than workers",
        ),
        (
            "min = 3\npools.default.max = 2",
            "s.toml:1: pools.default.min: 3 is more than max, which is 2; give min no more than max",
        ),
        (
            "scale_down_idle = '1s'",
            "s.toml:1: pools.default.scale_down_idle: has no effect while min, workers and max are the same; \
          set min or max, or remove it",
        ),
        (
            "recycle.jitter = 0.6",
            "s.toml:1: pools.default.recycle.jitter: 0.6 is out of range; allowed: a number from 0 to 0.5",
        ),
        (
            "recycle.soft_memory = '512MiB'",
            "s.toml:1: pools.default.recycle.soft_memory: is not less than recycle.max_memory; \
          give less, or remove it",
        ),
        (
            "recycle.emergency_memory = '1MiB'",
            "s.toml:1: pools.default.recycle.emergency_memory: is not more than \
          recycle.max_memory; give more, or remove it",
        ),
    ];
    for (text, expected) in cases {
        let text = format!("pools.default.{text}\napp.worker = 'public/index.php'");
        assert_eq!(faults_of(&text, |_| {}), format!("the configuration has 1 fault:\n  {expected}"), "{text}");
    }
    let classic = "pools.default.recycle.memory_growth = '1MiB'\npools.default.reset.on_error = 'continue'";
    let faults = faults_of(classic, |_| {});
    assert!(faults.contains("recycle.memory_growth: has no effect in classic mode"), "{faults}");
    assert!(faults.contains("reset.on_error: has no effect in classic mode"), "{faults}");
}

#[test]
fn variables_reach_pools_that_the_file_names() {
    let (folder, flags) = project("[pools.api-v2]\nmatch = ['/api/*']\nmode = 'classic'\nworkers = 3");
    let api = |variables: &[(&str, &str)]| load_with(&flags, folder.path(), variables);
    let workers = ("SUPERCHARGER__POOLS__API_V2__WORKERS", "5");
    let jitter = ("SUPERCHARGER__POOLS__API_V2__RECYCLE__JITTER", "0.25");
    let pool = api(&[workers, jitter]).expect("valid").named_pools.remove(0).pool;
    assert_eq!((pool.workers, pool.recycle.jitter), (5, 0.25));
    let faults = api(&[("SUPERCHARGER__POOLS__API_V2__WORKERS", "0")]).expect_err("too few").to_string();
    assert!(faults.contains("SUPERCHARGER__POOLS__API_V2__WORKERS: 0 is out of range"), "{faults}");
    let faults = api(&[("SUPERCHARGER__POOLS__OTHER__WORKERS", "1")]).expect_err("no such pool").to_string();
    assert!(faults.contains("SUPERCHARGER__POOLS__OTHER__WORKERS: unknown variable"), "{faults}");
    let (_, told) = seen_with(&flags, folder.path(), &[workers]).expect("valid");
    assert!(told.contains("pools.api-v2.workers = 5"), "{told}");
}

#[test]
fn what_is_refused_as_a_collector_shows_no_secret() {
    for sign in ["?token=", "#", "?a=1&b="] {
        let told = faults_of(&format!("otlp.endpoint = 'http://h:4318/x{sign}s3cret'"), |_| {});
        assert!(told.contains("http://h:4318/x") && !told.contains("s3cret"), "{told}");
    }
}

#[test]
fn the_feed_is_lines_of_json() {
    let told = faults_of("telemetry.events = 'feed.txt'", |_| {});
    assert!(told.contains("s.toml:1: telemetry.events: does not end in .ndjson"), "{told}");
    let told = faults_of("telemetry.events = 'a.ndjson'\ntelemetry.events_max_size = 1023", |_| {});
    assert!(told.contains("s.toml:2: telemetry.events_max_size: is too little"), "{told}");
    let with = |variables: &[(&str, &str)]| {
        let (folder, flags) = project("");
        load_with(&flags, folder.path(), variables).map(|config| config.source.notices)
    };
    let path = ("RUNTIME_SUPERCHARGER_FEED_PATH", "feed.ndjson");
    for variables in [
        &[("RUNTIME_SUPERCHARGER_FEED_PATH", "feed.txt")][..],
        &[path, ("RUNTIME_SUPERCHARGER_FEED_MAX_BYTES", "10")],
        &[path, ("RUNTIME_SUPERCHARGER_FEED_MAX_BYTES", "many")],
        &[path, ("RUNTIME_SUPERCHARGER_FEED_MAX_KEEP", "201")],
    ] {
        let told = with(variables).expect_err("a fault").to_string();
        assert!(told.contains("has 1 fault") && told.contains("RUNTIME_SUPERCHARGER_FEED_"), "{variables:?}: {told}");
    }
    // Without a feed its size is nobody's wish.
    let notices = with(&[("RUNTIME_SUPERCHARGER_FEED_MAX_BYTES", "4096")]).expect("valid");
    assert!(notices.len() == 1 && notices[0].unheeded, "{notices:?}");
}

/// A key that is declared and not read would be accepted and have no effect.
#[test]
fn every_key_is_read() {
    let (folder, _) = project("");
    for command in [Command::PhpServer, Command::Run] {
        let mut check = Check::new(command, Settings::defaults(command), Vec::new(), folder.path().to_owned());
        assemble(&mut check);
        let unread: Vec<_> = keys::KEYS.iter().map(|key| key.name).filter(|name| !check.asked.contains(name)).collect();
        assert!(unread.is_empty() && check.faults.is_empty(), "unread: {unread:?}; {:?}", check.faults);
    }
}

#[test]
fn where_the_admin_endpoints_are() {
    for address in ["nowhere", ""] {
        let told = faults_of(&format!("[admin]\nlisten = \"{address}\"\n"), |_| {});
        assert!(told.contains("is no address") && told.contains("admin.listen"), "{address}: {told}");
    }
    let admin = |text: &str, command| loaded(text, |flags| flags.command = command).admin;
    for address in
        ["127.0.0.1:9181", "localhost:9180", "[::1]:9180", ":9180", "10.0.0.1:9180", "unix:/run/a.sock?mode=0600"]
    {
        let admin = admin(&format!("[admin]\nlisten = \"{address}\"\n"), Command::PhpServer);
        assert_eq!(admin.listen.map(|listen| listen.to_string()).as_deref(), Some(address));
        assert!(admin.required, "it was asked for");
    }
    assert_eq!(admin("[admin]\nlisten = \"off\"\n", Command::Run).listen, None);
    assert!(admin("", Command::Run).required && !admin("", Command::PhpServer).required);
}

/// Who is called at night pastes them.
#[test]
fn first_aid_is_a_configuration() {
    let page = include_str!("../../docs/incidents.md");
    let blocks: Vec<_> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let config = loaded(block, |flags| flags.worker = Some("public/index.php".to_owned()));
        assert_eq!(config.pool.recycle.max_requests, 50, "{block}");
        // Below a section of something else as well.
        loaded(&format!("[log]\nlevel = \"info\"\n{block}"), |flags| {
            flags.worker = Some("public/index.php".to_owned())
        });
    }
}

#[test]
fn watching_is_for_development() {
    let flag = |glob: &[&str]| {
        let globs: Vec<_> = glob.iter().map(|&glob| glob.to_owned()).collect();
        loaded("", |flags| (flags.command, flags.watch) = (Command::PhpServer, globs)).watch
    };
    assert_eq!(flag(&[]), None);
    assert_eq!(flag(&[""]), Some(Watch { globs: Vec::new(), poll: None }));
    assert_eq!(flag(&["src", "", "!a"]), Some(Watch { globs: vec!["src".to_owned(), "!a".to_owned()], poll: None }));
    let kept = loaded("[watch]\nglobs = [\"src\"]\npoll = \"2s\"\n", |flags| {
        (flags.command, flags.watch) = (Command::PhpServer, vec![String::new()]);
    });
    assert_eq!(kept.watch, Some(Watch { globs: vec!["src".to_owned()], poll: Some(Duration::from_secs(2)) }));
    let told = faults_of("watch.enabled = true\n", |flags| flags.command = Command::Run);
    assert!(told.contains("has no place in production"), "{told}");
    assert!(faults_of("watch.globs = [\"a[\"]\n", |_| {}).contains("is no glob"));
}

#[test]
fn precedence() {
    let (folder, _) = project("pools.default.workers = 3");
    let none = Flags::default();
    let file = Flags { config: Some("s.toml".into()), ..Flags::default() };
    let flag = Flags { workers: Some(5), ..file.clone() };
    let own = ("SUPERCHARGER__POOLS__DEFAULT__WORKERS", "4");
    let foreign = ("NARYA_WORKERS", "2");
    let default = 2 * machine::usable_cpus();
    type Case<'a> = (&'a Flags, &'a [(&'a str, &'a str)], u32);
    let cases: [Case<'_>; 7] = [
        (&none, &[], default),
        (&none, &[foreign], 2),
        (&file, &[], 3),
        (&file, &[foreign], 3),
        (&none, &[own], 4),
        (&file, &[own, foreign], 4),
        (&flag, &[own, foreign], 5),
    ];
    for (flags, variables, expected) in cases {
        let config = load_with(flags, folder.path(), variables).expect("valid");
        assert_eq!(config.pool.workers, expected, "{flags:?} {variables:?}");
    }
}

#[test]
fn each_command_has_its_defaults() {
    let (folder, _) = project("");
    let of = |command| load_from(&Flags { command, ..Flags::default() }, folder.path()).expect("valid");
    let told = |config: &Config| (config.http.listen[0].to_string(), config.log.format, config.http.access_log);
    assert_eq!(told(&of(Command::PhpServer)), ("127.0.0.1:8080".to_owned(), telemetry::Format::Text, false));
    assert_eq!(told(&of(Command::Run)), ("0.0.0.0:8080".to_owned(), telemetry::Format::Json, true));
}

#[test]
fn run_looks_for_its_file() {
    let (folder, _) = project("");
    let run = Flags { command: Command::Run, ..Flags::default() };
    let chosen = |flags: &Flags| load_from(flags, folder.path()).expect("valid").source.file;
    assert_eq!(chosen(&run), None);
    fs::write(folder.path().join("etc.toml"), "").expect("a file");
    assert_eq!(chosen(&run), Some("etc.toml".into()));
    fs::write(folder.path().join("supercharger.toml"), "").expect("a file");
    assert_eq!(chosen(&run), Some("supercharger.toml".into()));
    assert_eq!(chosen(&Flags { config: Some("s.toml".into()), ..run.clone() }), Some("s.toml".into()));
    let php_server = Flags { command: Command::PhpServer, ..run.clone() };
    let Source { file, notices, .. } = load_from(&php_server, folder.path()).expect("valid").source;
    assert_eq!((file, notices.len()), (None, 1), "php-server reads what it is told to, and says so: {notices:?}");
    // A link that leads nowhere was meant to be a file.
    fs::remove_file(folder.path().join("supercharger.toml")).expect("a file");
    std::os::unix::fs::symlink("gone.toml", folder.path().join("supercharger.toml")).expect("a link");
    let faults = load_from(&run, folder.path()).expect_err("faults").to_string();
    assert!(faults.contains("supercharger.toml: cannot be read: does not exist"), "{faults}");
}

#[test]
fn variables_of_other_programs() {
    let (folder, _) = project("log.level = 'debug'");
    let file = Flags { config: Some("s.toml".into()), ..Flags::default() };
    let told = |flags: &Flags, variables: &[(&str, &str)]| {
        let config = load_with(flags, folder.path(), variables).unwrap_or_else(|faults| panic!("{faults}"));
        let notices: Vec<_> =
            config.source.notices.iter().map(|notice| (notice.message.clone(), notice.unheeded)).collect();
        (config, notices)
    };
    let says = |text: &str, unheeded| vec![(text.to_owned(), unheeded)];
    let none = Flags::default();

    let (config, notices) = told(&none, &[("NARYA_LOG_LEVEL", "warn"), ("PATH", "/bin"), ("MAX_REQUEST_SIZE", "")]);
    assert_eq!(config.log.level, telemetry::Level::Warn);
    assert_eq!(
        notices,
        says("NARYA_LOG_LEVEL sets log.level; the variable's name here is SUPERCHARGER__LOG__LEVEL", false)
    );

    let (config, notices) = told(&file, &[("NARYA_LOG_LEVEL", "warn")]);
    assert_eq!(config.log.level, telemetry::Level::Debug);
    assert_eq!(notices, says("NARYA_LOG_LEVEL is not used: log.level is set by s.toml:1", false));

    // Whoever set it may have meant somebody else: the start is not refused.
    let (config, notices) = told(&none, &[("MAX_REQUEST_SIZE", "10M")]);
    assert_eq!(config.http.max_body_size, 10 * 1024 * 1024);
    assert_eq!(
        notices,
        says(
            "MAX_REQUEST_SIZE has no effect: as server.max_body_size \"10M\" is no size; allowed: a size such as \"10MiB\" or 10485760, up to 1024GiB",
            true
        )
    );

    let (config, notices) = told(&none, &[("RUNTIME_WORKER_MAX_REQUEST", "5"), ("MAX_CONSECUTIVE_FAILURES", "7")]);
    assert!(notices.len() == 2 && notices.iter().all(|(_, unheeded)| !unheeded), "{notices:?}");
    assert_eq!((config.pool.recycle.max_requests, config.pool.recycle.max_consecutive_failures), (5, 7));

    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("NARYA_HOST", "10.0.0.1"), ("NARYA_PORT", "81")], "10.0.0.1:81"),
        (&[("NARYA_PORT", "81")], "127.0.0.1:81"),
        (&[("NARYA_HOST", "::1")], "[::1]:8080"),
        (&[("NARYA_PORT", "many")], "127.0.0.1:8080"),
    ];
    for (variables, expected) in cases {
        let (config, notices) = told(&none, variables);
        assert_eq!((config.http.listen[0].to_string().as_str(), notices.len()), (expected, 1), "{notices:?}");
    }

    let (_, notices) = told(&none, &[("SUPERCHARGER_LOG_LEVEL", "warn"), ("SUPERCHARGER_PORT", "tcp://10.0.0.1:80")]);
    assert_eq!(
        notices,
        says(
            "SUPERCHARGER_LOG_LEVEL has no effect: two underscores stand for each dot: SUPERCHARGER__LOG__LEVEL",
            true
        )
    );
}

#[test]
fn every_value_with_its_source() {
    let text = "[server]\nmax_headers = 7\n[app.env]\nAPP_SECRET = 'hidden'\nDATABASE_URL = 'mysql://u:hidden@db/x'\n\
                [php.ini]\nopcache.enable = true\n";
    let (folder, flags) = project(text);
    let flags = Flags { workers: Some(3), ..flags };
    let variables = [
        ("SUPERCHARGER__LOG__LEVEL", "warn"),
        ("SUPERCHARGER__APP__ENV__API_TOKEN", "hidden"),
        ("MAX_REQUEST_SIZE", "4096"),
    ];
    let (_, told) = seen_with(&flags, folder.path(), &variables).expect("valid");
    assert!(!told.contains("hidden"), "{told}");
    let lines: Vec<_> = told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let public = folder.path().canonicalize().expect("it exists").join("public");
    for expected in [
        "server.listen = [\"127.0.0.1:8080\"] # default",
        "server.max_headers = 7 # s.toml:2",
        &format!("server.io_threads = \"auto\" # default; here {}", machine::usable_cpus()),
        "server.max_body_size = \"4096\" # MAX_REQUEST_SIZE (alias)",
        &format!("# app.root # default; here {}", public.display()),
        "# app.worker # default: none: classic mode",
        "app.env.API_TOKEN = \"[REDACTED]\" # SUPERCHARGER__APP__ENV__API_TOKEN",
        "app.env.APP_SECRET = \"[REDACTED]\" # s.toml:4",
        "app.env.DATABASE_URL = \"mysql://u:[REDACTED]@db/x\" # s.toml:5",
        "php.ini.\"opcache.enable\" = true # s.toml:7",
        "pools.default.workers = 3 # --workers",
        "log.level = \"warn\" # SUPERCHARGER__LOG__LEVEL",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} in:\n{told}");
    }
    // It is a configuration itself.
    let settings = toml::de::DeTable::parse(&told);
    assert!(settings.is_ok(), "{settings:?}\n{told}");
}
