//! The PHP inside: what it is, what it loads, and how OPcache is set. Asked by running this program's own php-cli with the settings of the server.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use serde::Deserialize;

use super::project::Project;
use super::report::{Diagnosis, Grade};
use crate::config;

/// Longest time PHP may take to say what it is; a slow disk and a busy machine included.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at it.
const PACE: Duration = Duration::from_millis(5);

/// What is asked. OPcache itself is off on a command line, so its settings are asked for and not its state.
const QUESTION: &str = "
    $keys = ['opcache.enable', 'opcache.memory_consumption', 'opcache.max_accelerated_files', 'opcache.validate_timestamps',
        'opcache.preload', 'opcache.jit', 'opcache.jit_buffer_size', 'memory_limit', 'display_errors', 'variables_order'];
    $ini = [];
    foreach ($keys as $key) { $ini[$key] = (string) ini_get($key); }
    $extensions = [];
    foreach (get_loaded_extensions() as $name) { $extensions[strtolower($name)] = (string) phpversion($name); }
    echo json_encode(['version' => PHP_VERSION, 'id' => PHP_VERSION_ID, 'zts' => (bool) PHP_ZTS, 'ini' => $ini,
        'opcache' => function_exists('opcache_get_status'), 'extensions' => $extensions]);";

/// What PHP says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Engine {
    version: String,
    id: u32,
    zts: bool,
    /// OPcache is loaded.
    opcache: bool,
    ini: BTreeMap<String, String>,
    extensions: BTreeMap<String, String>,
}

impl Engine {
    /// Asks; what goes wrong is told.
    pub(super) fn ask(settings: Option<&config::Php>, diagnosis: &mut Diagnosis) -> Option<Self> {
        match ask(settings) {
            Ok(engine) => Some(engine),
            Err(cause) => {
                let fix = "run `supercharger php-cli -v` and look at what it says; a php.ini may name an extension that is not there";
                diagnosis.complain(Grade::Error, "php.start", format!("PHP does not start: {cause}"), fix);
                None
            }
        }
    }

    pub(super) fn tell(&self, diagnosis: &mut Diagnosis) {
        let threads = if self.zts { "thread-safe" } else { "not thread-safe" };
        let build = crate::php::build_info();
        let pin =
            build.lines.iter().find(|(key, _)| key == "pinned_version").map(|(_, value)| format!(", pin {value}"));
        let words = format!("{} ({threads}{})", self.version, pin.unwrap_or_default());
        diagnosis.fact("php", words, self.version.clone());
        diagnosis.fact("php_zts", if self.zts { "yes" } else { "no" }, self.zts);
        let opcache = if self.has_opcache() {
            format!(
                "on, {} MiB, timestamps {}",
                self.setting("opcache.memory_consumption"),
                on(self.is_on("opcache.validate_timestamps"))
            )
        } else {
            "off".to_owned()
        };
        diagnosis.fact("opcache", opcache, self.has_opcache());
        diagnosis.fact("jit", if self.has_jit() { self.setting("opcache.jit") } else { "off" }, self.has_jit());
        let names: Vec<_> = self.extensions.keys().cloned().collect();
        diagnosis.fact("extensions", format!("{}", names.len()), names);
        diagnosis.fact("memory_limit", self.setting("memory_limit"), self.setting("memory_limit"));
    }

    /// What the application asks for, and is not there.
    pub(super) fn compare(&self, project: &Project, diagnosis: &mut Diagnosis) {
        for (extension, by) in project.extensions() {
            if !self.extensions.contains_key(&extension) && !polyfilled(&extension, project) {
                diagnosis.complain(
                    Grade::Error,
                    "php.extension",
                    format!("the PHP extension {extension} is not there; asked for by {by}"),
                    format!("load it with `extension={extension}` in a php.ini (a thread-safe build for PHP {}), or take out what asks for it", self.version),
                );
            }
        }
        if let Some(least) = project.least_php().filter(|least| self.id < *least) {
            let (major, minor, patch) = (least / 10_000, least / 100 % 100, least % 100);
            diagnosis.complain(
                Grade::Error,
                "php.version",
                format!("the libraries in vendor ask for PHP {major}.{minor}.{patch}, this is {}", self.version),
                "use a build of supercharger with that PHP, or run `composer update` with this one",
            );
        }
    }

    pub(super) fn judge(&self, project: &Project, production: bool, diagnosis: &mut Diagnosis) {
        if !self.has_opcache() {
            diagnosis.complain(
                Grade::Warning,
                "opcache.off",
                "OPcache is off: each worker compiles and keeps all code by itself",
                "set opcache.enable = 1 in [php.ini] of supercharger.toml, and look for `opcache.enable=0` in a php.ini",
            );
            return;
        }
        let memory: u64 = self.setting("opcache.memory_consumption").parse().unwrap_or_default();
        // Symfony's own recommendation, https://symfony.com/doc/current/performance.html.
        if project.symfony().is_some() && memory < 256 {
            diagnosis.complain(
                Grade::Note,
                "opcache.memory",
                format!("OPcache has {memory} MiB for all workers; Symfony recommends 256"),
                "set opcache.memory_consumption = 256 in [php.ini] of supercharger.toml",
            );
        }
        if production && self.is_on("opcache.validate_timestamps") {
            diagnosis.complain(
                Grade::Note,
                "opcache.timestamps",
                "OPcache asks for the time of files again and again, although a worker keeps the code it has booted with",
                "set opcache.validate_timestamps = 0 in [php.ini] and deploy with `supercharger reload`",
            );
        }
        if let Some(file) = project.preload().filter(|_| production && self.setting("opcache.preload").is_empty()) {
            diagnosis.complain(
                Grade::Note,
                "opcache.preload",
                format!("{} is there and not used: preloading saves some of each worker's boot", file.display()),
                "set opcache.preload to it, and opcache.preload_user, in [php.ini] of supercharger.toml",
            );
        }
        if self.is_on("display_errors") && production {
            diagnosis.complain(
                Grade::Warning,
                "php.display_errors",
                "display_errors is on: clients are shown paths and messages",
                "set display_errors = 0 in [php.ini] of supercharger.toml",
            );
        }
    }

    fn setting(&self, key: &str) -> &str {
        self.ini.get(key).map(String::as_str).unwrap_or_default()
    }

    fn is_on(&self, key: &str) -> bool {
        !matches!(self.setting(key).to_ascii_lowercase().as_str(), "" | "0" | "off" | "no" | "false")
    }

    fn has_opcache(&self) -> bool {
        self.opcache && self.is_on("opcache.enable")
    }

    fn has_jit(&self) -> bool {
        let off = matches!(self.setting("opcache.jit"), "disable" | "off" | "" | "0");
        self.has_opcache() && !off && self.is_on("opcache.jit_buffer_size")
    }
}

fn on(truth: bool) -> &'static str {
    if truth { "checked" } else { "not checked" }
}

/// Whether a library stands in for an extension.
fn polyfilled(extension: &str, project: &Project) -> bool {
    project.version(&format!("symfony/polyfill-{extension}")).is_some()
}

fn ask(settings: Option<&config::Php>) -> Result<Engine, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    // The server's own defaults come first: what is configured wins.
    command.args(["php-cli", "-d", "display_errors=0"]);
    for (key, value) in settings.map(|php| php.ini.as_slice()).unwrap_or_default() {
        // Preloading would run code of the application.
        if key != "opcache.preload" {
            command.arg("-d").arg(format!("{key}=\"{}\"", value.replace('"', "\\\"")));
        }
    }
    command.args(["-d", "opcache.preload=", "-r", QUESTION]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    // A few kilobytes: they fit into the pipe, so that nobody has to read before the end.
    let started = Instant::now();
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().and_then(|()| child.wait()).map_err(|error: io::Error| error.to_string())?;
            return Err(format!("it has not answered within {} seconds", PATIENCE.as_secs()));
        }
        thread::sleep(PACE);
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.find('{').map(|at| &text[at..]).unwrap_or_default();
    let mut engine: Engine = serde_json::from_str(answer).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{} ({})", said.lines().next().unwrap_or("it said nothing"), output.status)
    })?;
    let preload = settings.into_iter().flat_map(|php| &php.ini).find(|(key, _)| key == "opcache.preload");
    engine.ini.insert("opcache.preload".to_owned(), preload.map(|(_, file)| file.clone()).unwrap_or_default());
    Ok(engine)
}
