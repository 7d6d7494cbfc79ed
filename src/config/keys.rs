//! Every key there is, each declared once. A key stands here only if something obeys it.
//!
//! To add one: an entry here (those that every pool has: in `keys/pools.rs`), in its section's order; the line in `assemble` (config.rs) that reads it; then
//! `BLESS=1 cargo test --lib config`, which writes `config/supercharger.toml`, the table in `docs/configuration.md` and the
//! schema anew, and `BLESS=1 cargo test --test it configuration` for the messages in `tests/golden/`. Environment variable, messages
//! and `check --effective` follow by themselves. A key that nothing reads fails a test.

#![forbid(unsafe_code)]

mod pools;

use super::Command;
use super::fault::Origin;
use super::kind::{Entries, Kind};

/// A key of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Its dotted name.
    pub(super) name: &'static str,
    /// What it may be.
    pub(super) kind: Kind,
    /// What it is when nobody sets it.
    pub(super) preset: Preset,
    /// What it does: one or two sentences for the file, the docs and the editor. May use Markdown's code quotes.
    pub(super) meaning: &'static str,
}

/// The value of a key that nobody sets, as it would be written in the file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Preset {
    /// The same for every command.
    Value(&'static str),
    /// What is good while developing is not what a production server needs.
    ByCommand { php_server: &'static str, run: &'static str },
    /// No value stands for it; `words` say what happens, `example` is what one could write.
    Unset { words: &'static str, example: &'static str },
}

impl Preset {
    /// What it is under this command, as TOML; `None` if no value stands for it.
    pub(super) fn value(&self, command: Command) -> Option<&'static str> {
        match (self, command) {
            (Self::Value(text), _) => Some(text),
            (Self::ByCommand { php_server, .. }, Command::PhpServer) => Some(php_server),
            (Self::ByCommand { run, .. }, Command::Run) => Some(run),
            (Self::Unset { .. }, _) => None,
        }
    }
}

/// All keys, in the order of `config/supercharger.toml`.
pub(super) const KEYS: &[Key] =
    &joined::<{ FIRST.len() + pools::DEFAULT.len() + LAST.len() }>(&[FIRST, pools::DEFAULT, LAST]);

/// The keys of a pool beside the default one, with `NAME` where its name stands, in the order of the documents.
pub(super) const POOL_KEYS: &[Key] = &joined::<{ CHOICE.len() + pools::NAMED.len() }>(&[CHOICE, pools::NAMED]);

/// Whose keys of a pool are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The default pool's.
    Default,
    /// Those of the pool that is being read.
    Named,
}

/// The full name of a key that every pool has.
pub(super) fn of_pool(owner: Owner, name: &str) -> &'static str {
    let (keys, prefix) = match owner {
        Owner::Default => (pools::DEFAULT, "pools.default."),
        Owner::Named => (pools::NAMED, POOL),
    };
    let found = keys.iter().map(|key| key.name).find(|full| full.strip_prefix(prefix) == Some(name));
    found.unwrap_or_else(|| panic!("{name} is not declared in keys/pools.rs"))
}

const fn joined<const N: usize>(lists: &[&[Key]]) -> [Key; N] {
    let mut all = [lists[0][0]; N];
    let (mut list, mut at) = (0, 0);
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            all[at] = lists[list][index];
            (index, at) = (index + 1, at + 1);
        }
        list += 1;
    }
    all
}

/// The keys that precede those of the default pool.
const FIRST: &[Key] = &[
    Key {
        name: "server.listen",
        kind: Kind::List {
            of: "address",
            least: 1,
            allowed: "texts such as \"127.0.0.1:8080\", \":8080\", \"[::1]:8080\" or \"unix:/run/app.sock\", none twice",
        },
        preset: Preset::ByCommand { php_server: r#"["127.0.0.1:8080"]"#, run: r#"["0.0.0.0:8080"]"# },
        meaning: "Addresses to listen on: `HOST:PORT`, `:PORT` for every address of the machine, `[IPV6]:PORT`, `unix:/PATH[?mode=0660&user=NAME&group=NAME]`.",
    },
    Key {
        name: "server.io_threads",
        kind: Kind::Auto { least: 1, most: 256, means: "one per usable CPU" },
        preset: Preset::Value(r#""auto""#),
        meaning: "Threads that speak HTTP.",
    },
    Key {
        name: "server.header_timeout",
        kind: Kind::Duration { least: "100ms", most: "1h" },
        preset: Preset::Value(r#""10s""#),
        meaning: "Longest time for the head of a request to arrive; beyond: 408. A new connection must begin its first within the same time.",
    },
    Key {
        name: "server.keepalive_timeout",
        kind: Kind::Duration { least: "100ms", most: "1h" },
        preset: Preset::Value(r#""75s""#),
        meaning: "Longest time for a connection to stay idle between two requests.",
    },
    Key {
        name: "server.max_connections",
        kind: Kind::Auto { least: 1, most: 1_000_000, means: "three quarters of the limit of open files" },
        preset: Preset::Value(r#""auto""#),
        meaning: "Most connections open at a time. Further clients wait, and connections that are idle for more than a second make room for them.",
    },
    Key {
        name: "server.http2",
        kind: Kind::Truth,
        preset: Preset::Value("true"),
        meaning: "Whether HTTP/2 is spoken, by prior knowledge (h2c). If not, its preface is answered 505.",
    },
    Key {
        name: "server.body_timeout",
        kind: Kind::Duration { least: "100ms", most: "1h" },
        preset: Preset::Value(r#""60s""#),
        meaning: "Longest silence between two pieces of a request's body; beyond: 408, connection closed.",
    },
    Key {
        name: "server.write_timeout",
        kind: Kind::Duration { least: "100ms", most: "1h" },
        preset: Preset::Value(r#""60s""#),
        meaning: "Longest time in which a client takes nothing of its response; beyond, the connection is cut, on HTTP/2 the one stream if the others go on.",
    },
    Key {
        name: "server.max_header_size",
        kind: Kind::Size { least: "1KiB", most: "1MiB" },
        preset: Preset::Value(r#""32KiB""#),
        meaning: "Largest head of a request; beyond: 431.",
    },
    Key {
        name: "server.max_headers",
        kind: Kind::Number { least: 1, most: 1000 },
        preset: Preset::Value("100"),
        meaning: "Most header fields of a request; beyond: 431.",
    },
    Key {
        name: "server.max_body_size",
        kind: Kind::Size { least: "0", most: "1024GiB" },
        preset: Preset::Value(r#""10MiB""#),
        meaning: "Largest body of a request; beyond: 413, before PHP is involved.",
    },
    Key {
        name: "server.body_memory",
        kind: Kind::Size { least: "0", most: "1GiB" },
        preset: Preset::Value(r#""256KiB""#),
        meaning: "Part of a request's body that is kept in memory; a larger body goes to a temporary file without a name.",
    },
    Key {
        name: "server.server_header",
        kind: Kind::Truth,
        preset: Preset::Value("true"),
        meaning: "Whether responses carry `Server: supercharger`. A script cannot set this header either way.",
    },
    Key {
        name: "server.response_memory",
        kind: Kind::Size { least: "64KiB", most: "1GiB" },
        preset: Preset::Value(r#""1MiB""#),
        meaning: "Bytes of a streamed response that wait in memory for a slow client; what is more goes to a temporary file without a name.",
    },
    Key {
        name: "server.response_spill",
        kind: Kind::Size { least: "0", most: "1024GiB" },
        preset: Preset::Value(r#""1GiB""#),
        meaning: "Bytes of a response that wait in that file, at least 1MiB; beyond, PHP waits for the client. `0`: no file, PHP waits at once.",
    },
    Key {
        name: "server.response_spill_total",
        kind: Kind::Size { least: "1MiB", most: "1024GiB" },
        preset: Preset::Value(r#""4GiB""#),
        meaning: "Bytes in the files of all responses together; beyond, PHP waits as well. An error while `server.response_spill` is 0.",
    },
    Key {
        name: "server.trusted_proxies",
        kind: Kind::List {
            of: "range of addresses",
            least: 0,
            allowed: "addresses and ranges such as \"10.0.0.0/8\" or \"::1\", a range by its first address, \"private_ranges\" or \"REMOTE_ADDR\", \
                      none twice",
        },
        preset: Preset::Value("[]"),
        meaning: "Proxies whose `Forwarded` and `X-Forwarded-*` headers are believed. `private_ranges` (or `PRIVATE_SUBNETS`) means those with \
                  an address that the internet does not have, `REMOTE_ADDR` whoever connects; both are Symfony's words.",
    },
    Key {
        name: "server.drain_timeout",
        kind: Kind::Duration { least: "0s", most: "1h" },
        preset: Preset::Value(r#""30s""#),
        meaning: "How long requests in flight may go on after SIGTERM or Ctrl-C; what is left then is cut, exit code 1.",
    },
    Key {
        name: "server.processes",
        kind: Kind::Number { least: 1, most: 64 },
        preset: Preset::Value("1"),
        meaning: "Child processes that serve side by side on the same addresses, each with its own PHP and all pools. If native code crashes, the requests of one of them are lost.",
    },
    Key {
        name: "process.max_rss",
        kind: Kind::Size { least: "0", most: "1024GiB" },
        preset: Preset::Value(r#""0""#),
        meaning: "Resident memory of a child process beyond which it is replaced in order: another one boots beside it and takes over. `0`: no limit.",
    },
    Key {
        name: "process.max_stuck",
        kind: Kind::Number { least: 0, most: 1000 },
        preset: Preset::Value("2"),
        meaning: "How many PHP threads of a child process may be stuck, because they did not end after a timeout; beyond, the child is replaced in order.",
    },
    Key {
        name: "process.unresponsive",
        kind: Kind::Duration { least: "0s", most: "1h" },
        preset: Preset::Value(r#""30s""#),
        meaning: "How long a child process may leave its parent without an answer until it is replaced. `0s`: for ever.",
    },
    Key {
        name: "app.root",
        kind: Kind::Path("a directory"),
        preset: Preset::Unset {
            words: "`public/` if it exists, else the worker script's folder, else the current one",
            example: r#""public""#,
        },
        meaning: "Folder of public files.",
    },
    Key {
        name: "app.worker",
        kind: Kind::Path("a PHP file"),
        preset: Preset::Unset { words: "none: classic mode", example: r#""public/index.php""# },
        meaning: "Worker script, booted once per worker. Without it PHP files are looked up under the root (classic mode).",
    },
    Key {
        name: "app.index",
        kind: Kind::Text {
            of: "name of a PHP file",
            allowed: "the name of a PHP file, without a path; in classic mode only",
        },
        preset: Preset::Value(r#""index.php""#),
        meaning: "Directory index and front controller of classic mode; an error in worker mode.",
    },
    Key {
        name: "app.links",
        kind: Kind::List { of: "folder", least: 0, allowed: "folders, none twice" },
        preset: Preset::Unset { words: "the Composer project of the root", example: r#"["../shared"]"# },
        meaning: "Folders outside of the root that symbolic links in it may lead to.",
    },
    Key {
        name: "app.sendfile",
        kind: Kind::List { of: "folder", least: 0, allowed: "folders, none twice" },
        preset: Preset::Value("[]"),
        meaning: "Folders whose files the header `X-Sendfile` of a response may name.",
    },
    Key {
        name: "app.accel",
        kind: Kind::Map { of: Entries::Folders, allowed: "paths such as \"/protected/\", each with a folder" },
        preset: Preset::Unset { words: "none", example: r#""/protected/" = ".""# },
        meaning: "Paths that the header `X-Accel-Redirect` of a response may begin with, and the folders they stand for.",
    },
    Key {
        name: "app.env",
        kind: Kind::Map { of: Entries::Variables, allowed: "names of letters, digits and _, with texts as values" },
        preset: Preset::Unset { words: "none", example: r#"APP_ENV = "prod""# },
        meaning: "Environment variables that the application sees besides those of the process. In `$_SERVER` they win over everything but method, query, content type, `PATH_TRANSLATED` and `REMOTE_USER`.",
    },
    Key {
        name: "php.ini",
        kind: Kind::Map {
            of: Entries::Settings,
            allowed: "names of PHP settings, with a text, a number or true/false on one line",
        },
        preset: Preset::Unset { words: "none", example: r#"memory_limit = "256M""# },
        meaning: "PHP settings that win over every php.ini.",
    },
    Key {
        name: "store.max_memory",
        kind: Kind::Size { least: "1MiB", most: "64GiB" },
        preset: Preset::Value(r#""64MiB""#),
        meaning: "Memory for what workers share (`supercharger_store_*`, locks, counters, rate limits): one store for all processes of the server. \
                  Beyond, what was used least recently is dropped. Memory that is not used is not taken.",
    },
    Key {
        name: "store.max_entries",
        kind: Kind::Number { least: 1, most: 100_000_000 },
        preset: Preset::Value("100000"),
        meaning: "Most entries of that store.",
    },
    Key {
        name: "store.max_value",
        kind: Kind::Size { least: "1KiB", most: "1GiB" },
        preset: Preset::Value(r#""1MiB""#),
        meaning: "Largest value in it; at most a quarter of `store.max_memory`.",
    },
];

/// The keys that follow those of the default pool.
const LAST: &[Key] = &[
    Key {
        name: "health.check_ttl",
        kind: Kind::Duration { least: "100ms", most: "1h" },
        preset: Preset::Value(r#""5s""#),
        meaning: "Age from which on the result of a readiness check of the application is renewed, while somebody asks how the server stands.",
    },
    Key {
        name: "health.check_timeout",
        kind: Kind::Duration { least: "10ms", most: "1h" },
        preset: Preset::Value(r#""2s""#),
        meaning: "Longest time for one readiness check that names no other; beyond, it has failed, and its worker is replaced.",
    },
    Key {
        name: "admin.listen",
        kind: Kind::Text {
            of: "address",
            allowed: "\"127.0.0.1:9180\", \":9180\", \"[::1]:9180\", \"unix:/run/app-admin.sock\" or \"off\"",
        },
        preset: Preset::Value(r#""127.0.0.1:9180""#),
        meaning: "Where health, status, workers and metrics are shown and orders are taken, to those whom `guard` lets pass; `off` for nowhere. \
                  If that default is taken, `php-server` goes on without; any other address must be had.",
    },
    Key {
        name: "endpoints.on_main",
        kind: Kind::Truth,
        preset: Preset::Value("false"),
        meaning: "Whether the endpoints, but the dashboard, are also to be had on `server.listen`, under the same paths; the application \
                  does not get requests for them then. `guard` holds there as well.",
    },
    Key {
        name: "guard.enabled",
        kind: Kind::Truth,
        preset: Preset::Value("true"),
        meaning: "Whether the endpoints are guarded. If not, whoever reaches them may see everything and stop the server.",
    },
    Key {
        name: "guard.mode",
        kind: Kind::Word(&["allowlist_or_token", "allowlist_only", "require_token"]),
        preset: Preset::Value(r#""allowlist_or_token""#),
        meaning: "What is enough to pass: an address of `guard.allow` or the token, such an address alone, or the token alone.",
    },
    Key {
        name: "guard.allow",
        kind: Kind::List {
            of: "range of addresses",
            least: 0,
            allowed: "addresses and ranges such as \"10.0.0.0/8\" or \"::1\", none twice",
        },
        preset: Preset::Value(r#"["127.0.0.0/8", "::1"]"#),
        meaning: "Clients that pass by their address, which is that behind `server.trusted_proxies`. A proxy on this machine that sends no \
                  `X-Forwarded-For` makes the whole world look like this machine.",
    },
    Key {
        name: "guard.token",
        kind: Kind::Text {
            of: "token",
            allowed: "at least 16 visible characters of ASCII without blanks; `openssl rand -hex 32` makes one",
        },
        preset: Preset::Unset { words: "none", example: r#""a-long-random-text""# },
        meaning: "The token, sent as `Authorization: Bearer TOKEN` or in the field that `guard.header` names. Better set by \
                  `SUPERCHARGER__GUARD__TOKEN` than in a file that many can read.",
    },
    Key {
        name: "guard.header",
        kind: Kind::Text {
            of: "name of a header field",
            allowed: "the name of a header field that has no other meaning here",
        },
        preset: Preset::Value(r#""X-Runtime-Token""#),
        meaning: "Header field that may carry the token instead of `Authorization`.",
    },
    Key {
        name: "guard.proxy_strict",
        kind: Kind::Truth,
        preset: Preset::Value("true"),
        meaning: "Whether `Forwarded` and `X-Forwarded-*` from others than `server.trusted_proxies` are refused, also with a valid token. If \
                  not, they are passed over.",
    },
    Key {
        name: "guard.hosts",
        kind: Kind::List {
            of: "name of a machine",
            least: 0,
            allowed: "names such as \"node-1.example\", without ports, none twice",
        },
        preset: Preset::Value("[]"),
        meaning: "Names by which clients that pass by their address may ask. They always may by an address and by `localhost`; any other name may \
                  be a stranger's that was pointed here. A token passes under every name.",
    },
    Key {
        name: "watch.enabled",
        kind: Kind::Truth,
        preset: Preset::Value("false"),
        meaning: "Whether a new generation boots when files have changed: for development, an error in `run`. `--watch` turns it on.",
    },
    Key {
        name: "watch.globs",
        kind: Kind::List {
            of: "glob",
            least: 0,
            allowed: "globs such as \"src/**/*.php\" or \"!src/Legacy/**\", none twice",
        },
        preset: Preset::Value("[]"),
        meaning: "Which files count, relative to the project; with `!` in front which do not. Without one that includes: PHP, templates, \
                  translations and YAML, XML, INI and `.env` files, outside of `var`, `vendor`, `node_modules` and caches.",
    },
    Key {
        name: "watch.poll",
        kind: Kind::Duration { least: "0s", most: "1h" },
        preset: Preset::Value(r#""0s""#),
        meaning: "How often files are looked at where the kernel does not tell of changes, as on network folders and mounts of virtual \
                  machines; `0s`: the kernel is listened to.",
    },
    Key {
        name: "log.level",
        kind: Kind::Word(&["error", "warn", "info", "debug", "trace"]),
        preset: Preset::Value(r#""info""#),
        meaning: "Least severe level that is logged.",
    },
    Key {
        name: "log.format",
        kind: Kind::Word(&["text", "json"]),
        preset: Preset::ByCommand { php_server: r#""text""#, run: r#""json""# },
        meaning: "Form of a log line.",
    },
    Key {
        name: "log.access",
        kind: Kind::Switch(&["combined", "json"]),
        preset: Preset::ByCommand { php_server: "false", run: "true" },
        meaning: "Whether each request is logged: `true` in the form of the other lines, `combined` as Apache and nginx do, `json` in JSON.",
    },
    Key {
        name: "log.access_file",
        kind: Kind::Path("\"stderr\", or the name of a file in a folder that is there"),
        preset: Preset::Value(r#""stderr""#),
        meaning: "Where these lines go. A file switches them on unless `log.access` says no; it is opened anew on SIGUSR1 and by a reload.",
    },
    Key {
        name: "log.slow_request",
        kind: Kind::Duration { least: "0s", most: "1h" },
        preset: Preset::Value(r#""1s""#),
        meaning: "Time from which on a request is reported as slow, with the time each phase took; while it runs, once, where its script is. `0s`: never.",
    },
    Key {
        name: "log.redact",
        kind: Kind::List { of: "name", least: 0, allowed: "names of fields such as \"tenant_id\", none twice" },
        preset: Preset::Value("[]"),
        meaning: "Further names of fields in queries, headers and log contexts whose values are not shown, besides those of passwords, tokens, keys and the like.",
    },
    Key {
        name: "telemetry.dir",
        kind: Kind::Path("a folder"),
        preset: Preset::Unset { words: "none", example: r#""/run/supercharger/telemetry""# },
        meaning: "Folder for a snapshot of this server's metrics, which several servers may share: `/runtime/metrics/aggregate` adds them up.",
    },
    Key {
        name: "telemetry.textfile",
        kind: Kind::Path("a file that ends in .prom"),
        preset: Preset::Unset { words: "none", example: r#""/var/lib/prometheus/node-exporter/supercharger.prom""# },
        meaning: "File with the metrics in the text form of Prometheus, for the textfile collector of a node exporter.",
    },
    Key {
        name: "telemetry.flush_interval",
        kind: Kind::Duration { least: "100ms", most: "1h" },
        preset: Preset::Value(r#""1s""#),
        meaning: "How often both are written.",
    },
    Key {
        name: "telemetry.events",
        kind: Kind::Path("\"off\", or the name of a file that ends in .ndjson, in a folder that is there"),
        preset: Preset::Value(r#""off""#),
        meaning: "File that gets each event as a line of JSON, for other programs; `off` for none.",
    },
    Key {
        name: "telemetry.events_max_size",
        kind: Kind::Size { least: "0", most: "1024GiB" },
        preset: Preset::Value(r#""10MiB""#),
        meaning: "Size at which that file gets another name, with the time in it, and a new one is begun; at least 1KiB. `0`: never.",
    },
    Key {
        name: "telemetry.events_keep",
        kind: Kind::Number { least: 0, most: 200 },
        preset: Preset::Value("20"),
        meaning: "How many files of other names are kept; the oldest go. `0`: all.",
    },
    Key {
        name: "otlp.endpoint",
        kind: Kind::Text {
            of: "address of a collector",
            allowed: "\"off\", or an address such as \"http://127.0.0.1:4318\" or \"https://otlp.example/v1/traces\", without a password",
        },
        preset: Preset::Value(r#""off""#),
        meaning: "Collector that the spans of traced requests are sent to (OTLP). Without a path `/v1/traces` is meant, for gRPC none; `off`: nothing is traced.",
    },
    Key {
        name: "otlp.protocol",
        kind: Kind::Word(&["http/protobuf", "grpc"]),
        preset: Preset::Value(r#""http/protobuf""#),
        meaning: "How the collector is spoken to.",
    },
    Key {
        name: "otlp.sample",
        kind: Kind::Share { most: "1" },
        preset: Preset::Value("1.0"),
        meaning: "Part of the requests that is traced, where the client does not decide it.",
    },
    Key {
        name: "otlp.parent_based",
        kind: Kind::Truth,
        preset: Preset::Value("true"),
        meaning: "Whether a client that sends a `traceparent` decides if its request is traced. If not, `otlp.sample` does.",
    },
    Key {
        name: "otlp.inbound",
        kind: Kind::Word(&["any", "trusted", "none"]),
        preset: Preset::Value(r#""any""#),
        meaning: "Whose `traceparent` is continued: anybody's, that of `server.trusted_proxies`, or nobody's. Other requests begin a trace of their own.",
    },
    Key {
        name: "otlp.service_name",
        kind: Kind::Text { of: "name", allowed: "any text" },
        preset: Preset::Value(r#""supercharger""#),
        meaning: "Name of this server at the collector (`service.name`).",
    },
    Key {
        name: "otlp.timeout",
        kind: Kind::Duration { least: "100ms", most: "1m" },
        preset: Preset::Value(r#""10s""#),
        meaning: "Longest time for one message to the collector, repetitions included; what it has not taken by then is lost.",
    },
    Key {
        name: "otlp.traceresponse",
        kind: Kind::Truth,
        preset: Preset::Value("false"),
        meaning: "Whether responses of a traced server name their trace in the header `traceresponse`.",
    },
    Key {
        name: "otlp.attributes",
        kind: Kind::Map {
            of: Entries::Attributes,
            allowed: "names such as deployment.environment.name, with texts as values",
        },
        preset: Preset::Unset { words: "none", example: r#""deployment.environment.name" = "prod""# },
        meaning: "What else the collector is told of this server (resource attributes).",
    },
    Key {
        name: "otlp.headers",
        kind: Kind::Map { of: Entries::Headers, allowed: "names of header fields, with texts as values" },
        preset: Preset::Unset { words: "none", example: r#"Authorization = "Bearer ...""# },
        meaning: "Header fields that the collector wants; their values are never shown.",
    },
];

/// The keys that choose what a pool beside the default one serves.
const CHOICE: &[Key] = &[
    Key {
        name: "pools.NAME.match",
        kind: Kind::List {
            of: "path pattern",
            least: 1,
            allowed: "patterns such as \"/legacy/*\" or \"/phpinfo.php\", none twice",
        },
        preset: Preset::Unset { words: "must be set", example: r#"["/legacy/*", "/phpinfo.php"]"# },
        meaning: "Paths that this pool serves; `*` stands for any bytes, `?` for one, `[a-z]` and `{a,b}` for either. The first pool \
                  of the file that matches counts, `default` takes the rest.",
    },
    Key {
        name: "pools.NAME.methods",
        kind: Kind::List { of: "method", least: 0, allowed: "methods such as \"GET\", none twice" },
        preset: Preset::Value("[]"),
        meaning: "Methods that this pool serves; none: all.",
    },
    Key {
        name: "pools.NAME.mode",
        kind: Kind::Word(&["worker", "classic"]),
        preset: Preset::Value(r#""worker""#),
        meaning: "Whether a worker script answers, or the script that the path names (classic mode).",
    },
    Key {
        name: "pools.NAME.script",
        kind: Kind::Path("a PHP file"),
        preset: Preset::Unset {
            words: "`app.worker`; in classic mode the default pool answers what is no file",
            example: r#""public/index.php""#,
        },
        meaning: "Worker script; in classic mode the front controller for paths of this pool that are no file, under the root.",
    },
];

/// What stands in [`POOL_KEYS`] for the name of a pool.
pub(super) const POOL: &str = "pools.NAME.";

/// The key of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().chain(POOL_KEYS).find(|key| key.name == name)
}

/// What the key may be; completes the sentence "allowed: ...".
pub(super) fn allowed(name: &str) -> String {
    find(name).map_or_else(String::new, |key| key.kind.allowed(&key.preset))
}

/// The same for a value that stands there: a variable is written in another way than a file.
pub(super) fn allowed_in(name: &str, origin: &Origin) -> String {
    let allowed = allowed(name);
    match (find(name).map(|key| &key.kind), origin) {
        (Some(Kind::List { .. }), Origin::Environment(_) | Origin::Alias(_)) => {
            format!("{allowed}, separated by commas")
        }
        (Some(Kind::Truth | Kind::Switch(_)), Origin::Environment(_) | Origin::Alias(_)) => {
            format!("{allowed}, 1 or 0")
        }
        _ => allowed,
    }
}

/// Whether the name is that of a key with one value.
pub(super) fn is_key(name: &str) -> bool {
    find(name).is_some_and(|key| !matches!(key.kind, Kind::Map { .. }))
}

/// Whether the name is that of a table whose keys the application chooses.
pub(super) fn is_map(name: &str) -> bool {
    find(name).is_some_and(|key| matches!(key.kind, Kind::Map { .. }))
}

/// Whether the name is that of a section: some key begins with it.
pub(super) fn is_section(name: &str) -> bool {
    let inside = |key: &Key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    KEYS.iter().any(inside)
}

/// Longest name that is compared with the known ones: likeness costs time and memory by the product of the lengths, and no key is
/// nearly as long.
const LONGEST: usize = 100;

/// The known name that an unknown one is most like, if any is near.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    nearest_of(KEYS, name)
}

/// The same among these keys.
pub(super) fn nearest_of(keys: &'static [Key], name: &str) -> Option<&'static str> {
    if name.len() > LONGEST {
        return None;
    }
    // The last part alone counts too: `listen` is meant for `server.listen`.
    let likeness = |key: &Key| {
        let last = key.name.rsplit('.').next().unwrap_or(key.name);
        let given = name.rsplit('.').next().unwrap_or(name);
        let whole = strsim::normalized_damerau_levenshtein(key.name, name);
        if last == given { whole.max(0.9) } else { whole }
    };
    // Of equally near ones the first: `max_by` takes the last.
    keys.iter()
        .rev()
        .map(|key| (likeness(key), key.name))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

/// The sections a file may begin with.
pub(super) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> =
        KEYS.iter().filter_map(|key| key.name.split_once('.')).map(|(section, _)| section).collect();
    sections.dedup();
    sections
}

/// What to do about a section that is none.
pub(super) fn instead_of_section(name: &str) -> String {
    let sections = sections();
    let likeness = |section: &str| match name.len() {
        0..=LONGEST => strsim::normalized_damerau_levenshtein(section, name),
        _ => 0.0,
    };
    let near = sections.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match near.filter(|section| likeness(section) > 0.6) {
        Some(section) => format!("did you mean [{section}]?"),
        None => format!("there are [{}]", sections.join("], [")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let cases = [
            ("server.lisen", Some("server.listen")),
            ("server.max_body", Some("server.max_body_size")),
            ("listen", Some("server.listen")),
            ("app.workers", Some("app.worker")),
            ("pools.web.workers", Some("pools.default.workers")),
            ("log.formatt", Some("log.format")),
            ("database.url", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name), expected, "{name}");
        }
    }

    #[test]
    fn sections_are_told_from_keys() {
        assert!(is_section("server") && is_section("pools.default") && is_section("php"));
        assert!(!is_section("server.listen") && !is_section("serv") && !is_section("php.ini"));
        assert!(is_key("log.access") && !is_key("log") && is_map("app.env"));
    }

    /// The documented file shows a section once, so its keys stand together; two keys of one name would hide each other.
    #[test]
    fn names_are_unique_and_sections_hold_together() {
        let mut sections = Vec::new();
        for (index, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..index].iter().all(|other| other.name != key.name), "{} twice", key.name);
            let section = if is_map(key.name) { key.name } else { key.name.rsplit_once('.').expect("a section").0 };
            if sections.last() != Some(&section) {
                assert!(!sections.contains(&section), "[{section}] is torn apart before {}", key.name);
                sections.push(section);
            }
            assert!(key.meaning.ends_with('.'), "{}: a sentence", key.name);
        }
    }
}
