//! The application: its libraries, its framework, its environment and the folders it writes to.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::report::{Diagnosis, Grade};

/// Largest file that is read whole; a composer.lock of a large application has two megabytes.
const LARGEST: u64 = 64 << 20;

/// What its files say.
#[derive(Debug)]
pub(super) struct Project {
    folder: PathBuf,
    composer: Value,
    lock: Value,
    /// Packages and versions: what is installed, or else what is locked.
    packages: BTreeMap<String, String>,
    symfony: Option<String>,
    /// Files that should be JSON and are not.
    broken: Vec<&'static str>,
}

/// The environment that the application will boot with.
#[derive(Debug)]
pub(super) struct Environment {
    env: Option<(String, String)>,
    debug: Option<(String, String)>,
}

impl Environment {
    /// Whether it is one for users: nothing says otherwise.
    pub(super) fn is_production(&self) -> bool {
        self.env.as_ref().is_none_or(|(value, _)| value != "dev" && value != "test")
    }

    fn is_debug(&self) -> bool {
        match &self.debug {
            Some((value, _)) => !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "off" | "no"),
            None => !self.is_production(),
        }
    }
}

impl Project {
    pub(super) fn read(folder: &Path) -> Self {
        let mut broken = Vec::new();
        let mut json = |name: &'static str| match read(&folder.join(name)) {
            None => Value::Null,
            Some(text) => serde_json::from_str(&text).unwrap_or_else(|_| {
                broken.push(name);
                Value::Null
            }),
        };
        let composer = json("composer.json");
        let lock = json("composer.lock");
        let installed = json("vendor/composer/installed.json");
        let listed = |list: &Value| {
            let list = list.get("packages").unwrap_or(list).as_array().cloned().unwrap_or_default();
            let pair = |one: &Value| Some((one["name"].as_str()?.to_owned(), plain(one["version"].as_str()?)));
            list.iter().filter_map(pair).collect::<BTreeMap<_, _>>()
        };
        let mut packages = listed(&installed);
        if packages.is_empty() {
            packages = listed(&lock);
        }
        let symfony = crate::app::symfony_version(folder).or_else(|| packages.get("symfony/http-kernel").cloned());
        Self { folder: folder.to_owned(), composer, lock, packages, symfony, broken }
    }

    pub(super) fn symfony(&self) -> Option<&str> {
        self.symfony.as_deref()
    }

    pub(super) fn version(&self, package: &str) -> Option<&str> {
        self.packages.get(package).map(String::as_str)
    }

    pub(super) fn has_worker_file(&self) -> bool {
        self.folder.join("public/index.php").is_file()
    }

    /// Symfony's file for preloading.
    pub(super) fn preload(&self) -> Option<PathBuf> {
        let file = self.folder.join("config/preload.php");
        file.is_file().then_some(file)
    }

    /// Folders of the application's own classes, as composer.json has them, else `src` or `app`.
    pub(super) fn sources(&self) -> Vec<PathBuf> {
        let autoload = self.composer["autoload"]["psr-4"].as_object();
        let listed = autoload.into_iter().flat_map(|map| map.values()).flat_map(|value| match value {
            Value::String(one) => vec![one.clone()],
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        });
        let mut folders: Vec<_> = listed.map(|name| self.folder.join(name)).filter(|path| path.is_dir()).collect();
        if folders.is_empty() {
            folders =
                ["src", "app"].map(|name| self.folder.join(name)).into_iter().filter(|path| path.is_dir()).collect();
        }
        folders
    }

    /// Extensions that are asked for, with the first who asks; what is only for development is left out.
    pub(super) fn extensions(&self) -> BTreeMap<String, String> {
        let mut asked = BTreeMap::new();
        let mut ask = |requires: &Value, by: &str| {
            for name in requires.as_object().into_iter().flat_map(|map| map.keys()) {
                if let Some(extension) = name.strip_prefix("ext-") {
                    asked
                        .entry(extension.to_ascii_lowercase().replace("zend-opcache", "zend opcache"))
                        .or_insert_with(|| by.to_owned());
                }
            }
        };
        ask(&self.composer["require"], "composer.json");
        ask(&self.lock["platform"], "composer.lock");
        for package in self.lock["packages"].as_array().into_iter().flatten() {
            ask(&package["require"], package["name"].as_str().unwrap_or("a package"));
        }
        asked
    }

    /// `PHP_VERSION_ID` that Composer's own check asks for.
    pub(super) fn least_php(&self) -> Option<u32> {
        let text = read(&self.folder.join("vendor/composer/platform_check.php"))?;
        let (_, rest) = text.split_once("PHP_VERSION_ID >= ")?;
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
    }

    pub(super) fn tell(&self, diagnosis: &mut Diagnosis) {
        let framework = match (&self.symfony, self.version("laravel/framework")) {
            (Some(version), _) => format!("Symfony {version}"),
            (None, Some(version)) => format!("Laravel {version}"),
            (None, None) => "none that is known: plain PHP".to_owned(),
        };
        diagnosis.fact("framework", framework.clone(), framework);
        let runtime = self.version("symfony/runtime").map(str::to_owned).or_else(|| {
            self.folder.join("vendor/autoload_runtime.php").is_file().then(|| "there, version unknown".to_owned())
        });
        let words = runtime.clone().unwrap_or_else(|| "not there".to_owned());
        if self.symfony.is_some() {
            diagnosis.fact("symfony_runtime", words, runtime);
        }
        let own = self.version("supercharger/runtime");
        let words = own.map_or_else(|| "the copy in this program".to_owned(), |version| format!("{version} in vendor"));
        diagnosis.fact("supercharger_runtime", words, own);
    }

    /// `APP_ENV` and `APP_DEBUG`, each with where it was found: what is configured wins over the process, that over the files.
    pub(super) fn environment(&self, configured: &[(String, String)]) -> Environment {
        let find = |name: &str| {
            let of_config = configured.iter().find(|(key, _)| key == name).map(|(_, value)| (value.clone(), "app.env"));
            let of_process = || std::env::var(name).ok().map(|value| (value, "the environment"));
            let of_files = || {
                let php = read(&self.folder.join(".env.local.php"));
                let dumped = php.map(|text| dumped(&text, name).map(|value| (value, ".env.local.php")));
                // A dumped file is all there is: the others are not read.
                dumped.unwrap_or_else(|| {
                    [".env.local", ".env"].into_iter().find_map(|file| {
                        let text = read(&self.folder.join(file))?;
                        assigned(&text, name).map(|value| (value, file))
                    })
                })
            };
            let found = of_config.or_else(of_process).or_else(of_files);
            found.map(|(value, place)| (value, place.to_owned()))
        };
        Environment { env: find("APP_ENV"), debug: find("APP_DEBUG") }
    }

    pub(super) fn judge(&self, environment: &Environment, diagnosis: &mut Diagnosis) {
        for name in &self.broken {
            let fix = "restore it from version control, or run `composer update --lock`";
            diagnosis.complain(Grade::Error, "composer.broken", format!("{name} is no JSON"), fix);
        }
        if self.composer.is_null() && self.broken.is_empty() {
            let message = "there is no composer.json: nothing can be said of libraries and framework";
            diagnosis.complain(
                Grade::Note,
                "composer.missing",
                message,
                "name the application's folder: supercharger doctor DIR",
            );
        } else if !self.folder.join("vendor/autoload.php").is_file() {
            let message = "vendor/autoload.php is not there: the libraries are not installed";
            diagnosis.complain(
                Grade::Error,
                "composer.vendor",
                message,
                "run `composer install --no-dev --optimize-autoloader`",
            );
        }
        self.judge_framework(environment, diagnosis);
        self.judge_environment(environment, diagnosis);
        self.judge_folders(diagnosis);
    }

    fn judge_framework(&self, environment: &Environment, diagnosis: &mut Diagnosis) {
        let installed = self.folder.join("vendor/autoload.php").is_file();
        if self.symfony.is_some() && installed && !self.folder.join("vendor/autoload_runtime.php").is_file() {
            diagnosis.complain(
                Grade::Error,
                "symfony.runtime",
                "symfony/runtime is not installed: public/index.php cannot run as a worker as it is",
                "run `composer require symfony/runtime`, or serve in classic mode without a worker",
            );
        }
        if let Some(version) = &self.symfony
            && version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 6)
        {
            let message = format!("Symfony {version} is older than 6.4, the oldest that is tested");
            diagnosis.complain(Grade::Warning, "symfony.version", message, "upgrade to 6.4, 7.4 or 8");
        }
        if self.version("laravel/framework").is_some() && self.version("laravel/octane").is_none() {
            let message = "Laravel without Octane runs in classic mode only";
            diagnosis.complain(
                Grade::Note,
                "laravel.octane",
                message,
                "`composer require laravel/octane` brings a worker for FrankenPHP, which runs here",
            );
        }
        let with_dev = ["phpunit/phpunit", "symfony/web-profiler-bundle", "symfony/maker-bundle"];
        let found: BTreeSet<_> = with_dev.into_iter().filter(|name| self.version(name).is_some()).collect();
        if !found.is_empty() && environment.is_production() && !self.lock["packages-dev"].is_null() && installed {
            let names: Vec<_> = found.into_iter().collect();
            let message = format!("libraries for development are installed: {}", names.join(", "));
            diagnosis.complain(
                Grade::Note,
                "composer.dev",
                message,
                "deploy with `composer install --no-dev --optimize-autoloader`",
            );
        }
    }

    fn judge_environment(&self, environment: &Environment, diagnosis: &mut Diagnosis) {
        if self.symfony.is_none() {
            return;
        }
        let shown = |pair: &Option<(String, String)>| match pair {
            Some((value, place)) => format!("{value} ({place})"),
            None => "not set".to_owned(),
        };
        let value = |pair: &Option<(String, String)>| pair.as_ref().map(|(value, _)| value.clone());
        diagnosis.fact("app_env", shown(&environment.env), value(&environment.env));
        diagnosis.fact("app_debug", shown(&environment.debug), environment.is_debug());
        if !environment.is_production() {
            let (value, place) = environment.env.clone().unwrap_or_default();
            diagnosis.complain(
                Grade::Warning,
                "symfony.env",
                format!("APP_ENV is {value} (from {place}): right while developing, wrong for users"),
                "set APP_ENV = \"prod\" in [app.env] of supercharger.toml or in the environment",
            );
        } else if environment.env.is_none() {
            diagnosis.complain(
                Grade::Warning,
                "symfony.env",
                "APP_ENV is not set anywhere: Symfony takes dev",
                "set APP_ENV = \"prod\" in [app.env] of supercharger.toml or in the environment",
            );
        }
        if environment.is_debug() {
            diagnosis.complain(
                Grade::Warning,
                "symfony.debug",
                "the kernel is in debug mode: slow, it looks for changed files with each request, collects data without end and shows traces to clients",
                "set APP_DEBUG = \"0\"",
            );
        }
    }

    fn judge_folders(&self, diagnosis: &mut Diagnosis) {
        if self.symfony.is_none() {
            return;
        }
        for name in ["var/cache", "var/log"] {
            let path = self.folder.join(name);
            let standing = path.ancestors().find(|path| path.exists()).unwrap_or(&self.folder);
            let cause = if !standing.is_dir() {
                "is no folder"
            } else if !may_write(standing) {
                "cannot be written by this user"
            } else {
                continue;
            };
            let shown = standing.strip_prefix(&self.folder).unwrap_or(standing);
            let shown = if shown.as_os_str().is_empty() { Path::new(".") } else { shown };
            diagnosis.complain(
                Grade::Error,
                "files.var",
                format!("{name} is not to be used: {} {cause}", shown.display()),
                format!("make {name} a folder that the user of the server may write to, or run doctor as that user"),
            );
        }
    }
}

/// The kernel's own answer for this process: owner, groups, access lists and read-only mounts included.
fn may_write(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

fn read(path: &Path) -> Option<String> {
    let size = fs::metadata(path).ok()?.len();
    if size > LARGEST { None } else { fs::read_to_string(path).ok() }
}

/// A version without its `v`.
fn plain(version: &str) -> String {
    version.strip_prefix('v').unwrap_or(version).to_owned()
}

/// `NAME=value` in a file as Symfony's Dotenv reads it; the last one counts. What a value refers to is not looked up.
fn assigned(text: &str, name: &str) -> Option<String> {
    let value = text.lines().rev().find_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once('=')?;
        (key == name).then_some(value)
    });
    let value = value?.trim();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
        _ => value.split(" #").next().unwrap_or_default().trim(),
    };
    Some(value.to_owned())
}

/// `'NAME' => 'value'` in the file that `composer dump-env` writes.
fn dumped(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("'{name}' => '"))?;
    rest.split('\'').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_dotenv_files() {
        let text = "# APP_ENV=no\nAPP_ENV=dev\nexport APP_DEBUG=\"1\" # why\nA='x y'\nB=plain # comment\nAPP_ENV=prod\nAPP_ENVY=x\nC=\n";
        for (name, value) in [("APP_ENV", "prod"), ("APP_DEBUG", "1"), ("A", "x y"), ("B", "plain"), ("C", "")] {
            assert_eq!(assigned(text, name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(assigned(text, "D"), None);
        let php = "<?php\n\nreturn array (\n  'APP_ENV' => 'prod',\n  'APP_DEBUG' => '0',\n);\n";
        assert_eq!(dumped(php, "APP_ENV").as_deref(), Some("prod"));
        assert_eq!(dumped(php, "APP"), None);
    }
}
