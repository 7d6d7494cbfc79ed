//! Builds the binding to libphp: find it -> check it -> bindgen -> compile ext/ -> link. Each step is a function, each
//! failure a sentence that names the fix.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::exit,
    reason = "a build script talks to cargo and the user"
)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// The C files of the boundary; `ext/` holds nothing else that is compiled.
const SOURCES: &[&str] = &[
    "ext/sc_sapi.c",
    "ext/sc_env.c",
    "ext/sc_server.c",
    "ext/sc_classes.c",
    "ext/sc_watch.c",
    "ext/sc_modules.c",
    "ext/sc_streams.c",
    "ext/sc_signals.c",
    "ext/sc_stack.c",
    "ext/sc_interrupt.c",
    "ext/sc_baseline.c",
    "ext/sc_drift.c",
    "ext/sc_drift_budget.c",
    "ext/sc_drift_facts.c",
    "ext/sc_drift_process.c",
    "ext/sc_drift_roots.c",
    "ext/sc_drift_walk.c",
    "ext/sc_reset.c",
    "ext/sc_callbacks.c",
    "ext/sc_checks.c",
    "ext/sc_spans.c",
    "ext/sc_request.c",
    "ext/sc_engine.c",
    "ext/sc_opcache.c",
    "ext/sc_store.c",
    "ext/sc_cli.c",
    "ext/supercharger.c",
];

/// Oldest PHP whose headers the shim compiles against, as PHP_VERSION_ID.
const OLDEST_PHP: u32 = 80400;

type Result<T> = std::result::Result<T, String>;

fn main() {
    if let Err(sentence) = run() {
        eprintln!("\nsupercharger: {sentence}\n");
        exit(1);
    }
}

fn run() -> Result<()> {
    for name in ["PHP_CONFIG", "SUPERCHARGER_CACHE", "SUPERCHARGER_PHP_VARIANT", "CC"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    for path in ["ext", "php-src-pin"] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rustc-check-cfg=cfg(address_sanitizer)");
    // Set by scripts/fuzz, as every fuzzing tool does.
    println!("cargo:rustc-check-cfg=cfg(fuzzing)");
    if without_reset() && env::var("PROFILE").is_ok_and(|profile| profile != "debug") {
        return Err("the feature test-no-reset mixes up the requests of different clients; it is for debug builds of scripts/check-no-reset. Build without it".to_owned());
    }
    let mut php = find_php()?;
    if php.address_sanitizer {
        println!("cargo:rustc-cfg=address_sanitizer");
    }
    check_php(&php)?;
    write_bindings()?;
    compile_shim(&php)?;
    if let Some(cli) = &php.cli_archive {
        php.cli_archive = Some(own_command_line(cli)?);
    }
    link(&php);
    record(&php)
}

/// Whether this is the build that leaves the resets between two requests out.
fn without_reset() -> bool {
    env::var_os("CARGO_FEATURE_TEST_NO_RESET").is_some()
}

/// A PHP installation to link.
struct Php {
    config: PathBuf,
    includes: Vec<String>,
    libs: Vec<String>,
    ldflags: Vec<String>,
    prefix: PathBuf,
    version: String,
    library: Library,
    opcache_static: bool,
    cli_archive: Option<PathBuf>,
    address_sanitizer: bool,
    build_info: Vec<(String, String)>,
}

enum Library {
    Static(PathBuf),
    Shared { dir: PathBuf },
}

/// `PHP_CONFIG` if it is set, else the pinned build in the cache.
fn find_php() -> Result<Php> {
    let config = match env::var_os("PHP_CONFIG") {
        Some(path) => PathBuf::from(path),
        None => pinned_prefix()?.join("bin/php-config"),
    };
    if !config.is_file() {
        return Err(format!(
            "PHP_CONFIG={} is not a file. Give the path of the php-config script of a ZTS build, or unset PHP_CONFIG to use the pinned PHP",
            config.display()
        ));
    }
    println!("cargo:rerun-if-changed={}", config.display());
    let prefix = PathBuf::from(ask(&config, "--prefix")?);
    let library = find_library(&prefix, &config)?;
    let info = read_build_info(&prefix);
    let opcache_static = info.iter().any(|(key, value)| key == "opcache" && value == "static");
    let cli = prefix.join("lib/libphpcli.a");
    Ok(Php {
        includes: words(&ask(&config, "--includes")?),
        libs: words(&ask(&config, "--libs")?),
        ldflags: words(&ask(&config, "--ldflags")?),
        version: ask(&config, "--version")?,
        address_sanitizer: info.iter().any(|(key, value)| key == "variant" && value == "asan"),
        cli_archive: cli.is_file().then_some(cli),
        build_info: info,
        config,
        prefix,
        library,
        opcache_static,
    })
}

fn pinned_prefix() -> Result<PathBuf> {
    let output = Command::new("php-src-pin/locate")
        .output()
        .map_err(|error| format!("cannot run php-src-pin/locate: {error}. Build from a complete checkout"))?;
    if output.status.success() {
        return Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.trim().trim_start_matches("[php] ERROR: ").to_owned())
}

fn ask(config: &Path, option: &str) -> Result<String> {
    let output = Command::new(config).arg(option).output().map_err(|error| {
        format!("cannot run {} {option}: {error}. Is it an executable php-config?", config.display())
    })?;
    if !output.status.success() {
        return Err(format!("{} {option} failed. Is it a php-config script?", config.display()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn find_library(prefix: &Path, config: &Path) -> Result<Library> {
    let lib = prefix.join("lib");
    let archive = lib.join("libphp.a");
    if archive.is_file() {
        return Ok(Library::Static(archive));
    }
    if lib.join("libphp.so").is_file() {
        return Ok(Library::Shared { dir: lib });
    }
    Err(format!(
        "{} belongs to a PHP without the embed SAPI: neither libphp.a nor libphp.so is in {}. Configure PHP with --enable-embed=static --enable-zts, or unset PHP_CONFIG to use the pinned PHP",
        config.display(),
        lib.display()
    ))
}

fn read_build_info(prefix: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(prefix.join("BUILD_INFO")).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// Thread-safe and new enough? Asked of the headers, because php-config has no word for the former.
fn check_php(php: &Php) -> Result<()> {
    let vernum: u32 = ask(&php.config, "--vernum")?.parse().unwrap_or(0);
    if vernum < OLDEST_PHP {
        return Err(format!(
            "{} is PHP {}; supercharger needs PHP 8.4 or newer. Point PHP_CONFIG at a newer build, or unset it to use the pinned PHP",
            php.config.display(),
            php.version
        ));
    }
    let include = php
        .includes
        .iter()
        .filter_map(|flag| flag.strip_prefix("-I"))
        .map(|dir| Path::new(dir).join("main/php_config.h"))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            format!(
                "the headers of {} are missing (main/php_config.h not found in {}). Install PHP's development files",
                php.config.display(),
                php.includes.join(" ")
            )
        })?;
    let header = fs::read_to_string(&include).map_err(|error| format!("cannot read {}: {error}", include.display()))?;
    if !header.lines().any(|line| line.trim() == "#define ZTS 1") {
        return Err(format!(
            "{} is a PHP without thread safety (NTS). supercharger runs PHP in threads: configure PHP with --enable-zts, or unset PHP_CONFIG to use the pinned PHP",
            php.config.display()
        ));
    }
    Ok(())
}

fn out_dir() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default())
}

fn write_bindings() -> Result<()> {
    bindgen::Builder::default()
        .header("ext/sc_shim.h")
        .allowlist_item("sc_.*|SC_.*")
        // What Rust implements is defined in src/php/callbacks.rs; the *_fn types stay, to check those definitions.
        .blocklist_function("sc_on_.*")
        .rustified_enum("sc_start|sc_run|sc_io|sc_next|sc_ending|sc_store|sc_policy|sc_drift_kind|sc_drift_why|sc_attribute_kind|sc_span_kind")
        .derive_default(true)
        .derive_debug(true)
        .layout_tests(true)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .generate()
        .map_err(|error| {
            format!("bindgen cannot read ext/sc_shim.h: {error}. Is libclang installed (Debian: libclang-dev)?")
        })?
        .write_to_file(out_dir().join("sc_shim.rs"))
        .map_err(|error| format!("cannot write the bindings: {error}"))
}

fn compile_shim(php: &Php) -> Result<()> {
    let mut build = cc::Build::new();
    build
        .files(SOURCES)
        .include("ext")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .flag("-Wmissing-prototypes")
        .flag("-Wno-unused-parameter")
        .flag("-Wno-sign-compare")
        .flag("-fvisibility=hidden")
        // As PHP compiles itself: the layout of its globals depends on _REENTRANT (basic_functions.h).
        .flag("-pthread")
        .define("_REENTRANT", None)
        .define("_GNU_SOURCE", None)
        .define("ZEND_ENABLE_STATIC_TSRMLS_CACHE", "1")
        .define("SC_VERSION", format!("\"{}\"", env::var("CARGO_PKG_VERSION").unwrap_or_default()).as_str());
    for flag in &php.includes {
        // System headers: PHP's own macros would not pass our warnings.
        match flag.strip_prefix("-I") {
            Some(dir) => build.flag("-isystem").flag(dir),
            None => build.flag(flag),
        };
    }
    match php.library {
        Library::Static(_) => {
            build.pic(false).flag("-fno-pie");
        }
        Library::Shared { .. } => {
            build.define("SC_LIBPHP_SHARED", None);
        }
    }
    if without_reset() {
        build.define("SC_TEST_NO_RESET", None);
    }
    if php.opcache_static {
        build.define("SC_OPCACHE_STATIC", None);
    }
    if php.cli_archive.is_some() {
        build.define("SC_PHP_CLI", None);
    }
    if php.address_sanitizer {
        build.flag("-fsanitize=address").flag("-fno-omit-frame-pointer").flag("-g");
    }
    build.try_compile("sc_shim").map_err(|error| format!("ext/ does not compile against PHP {}: {error}", php.version))
}

/// A copy of php's command line that starts the modules through ext/sc_cli.c, which has a word to say just before.
fn own_command_line(archive: &Path) -> Result<PathBuf> {
    let copy = out_dir().join("libphpcli.a");
    let output = Command::new("objcopy")
        .args(["--redefine-sym", "php_module_startup=sc_cli_module_startup"])
        .args([archive, &copy])
        .output()
        .map_err(|error| format!("cannot run objcopy: {error}. Is it installed (Debian: binutils)?"))?;
    if output.status.success() {
        return Ok(copy);
    }
    Err(format!("objcopy cannot copy {}: {}", archive.display(), String::from_utf8_lossy(&output.stderr).trim()))
}

/// libphp goes in whole: shared extensions may use any of its symbols, and nothing in Rust refers to them.
///
/// The arguments go to the executables of this package; a package that depends on it gets them as `DEP_PHP_LINK_ARGS`, separated
/// by U+001F (Cargo hands on what a package with `links` states, but nothing applies it).
fn link(php: &Php) {
    let args = link_args(php);
    for arg in &args {
        println!("cargo:rustc-link-arg={arg}");
    }
    if matches!(php.library, Library::Static(_)) {
        // What PHP would begin again after a signal goes through ext/sc_interrupt.c, which only the executable is sure to have.
        println!("cargo:rustc-link-arg-bins=-Wl,--wrap=flock,--wrap=nanosleep");
        // The same for what pcntl does about signals: ext/sc_signals.c.
        println!("cargo:rustc-link-arg-bins=-Wl,--wrap=php_signal4,--wrap=php_signal");
    }
    println!("cargo:link_args={}", args.join("\u{1f}"));
}

fn link_args(php: &Php) -> Vec<String> {
    let mut args = Vec::new();
    let mut arg = |text: &str| args.push(text.to_owned());
    match &php.library {
        Library::Static(archive) => {
            // Position-dependent: thread-local access is then one instruction.
            arg("-no-pie");
            arg(&format!("-Wl,--whole-archive,{},--no-whole-archive", archive.display()));
        }
        Library::Shared { dir } => {
            arg(&format!("-L{}", dir.display()));
            arg("-lphp");
            arg(&format!("-Wl,-rpath,{}", dir.display()));
        }
    }
    if let Some(cli) = &php.cli_archive {
        arg(&cli.display().to_string());
    }
    for flag in php.ldflags.iter().chain(&php.libs) {
        // php-config repeats its own -no-pie and sanitizer flags; they do no harm.
        arg(flag);
    }
    arg("-rdynamic");
    if php.address_sanitizer {
        arg("-fsanitize=address");
    }
    args
}

/// What `supercharger build-info` shows.
fn record(php: &Php) -> Result<()> {
    let mut lines = vec![
        ("php".to_owned(), php.version.clone()),
        ("linked".to_owned(), if matches!(php.library, Library::Static(_)) { "static" } else { "shared" }.to_owned()),
        ("prefix_at_build".to_owned(), php.prefix.display().to_string()),
    ];
    if without_reset() {
        lines.push(("reset between requests".to_owned(), "NONE: a test build, never to serve anybody".to_owned()));
    }
    lines.extend(php.build_info.iter().filter(|(key, _)| key != "php_version").cloned());
    let text: String = lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    fs::write(out_dir().join("build_info.txt"), text).map_err(|error| format!("cannot write build_info.txt: {error}"))
}
