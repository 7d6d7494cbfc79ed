//! The executable as an artefact: one file, without libphp beside it, that knows what it is made of.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::dir::{checkout, copy_tree};
use crate::support::program::{self, run_to_end, supercharger};
use crate::support::{Launch, Mode, PrivateDir, run};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn no_shared_libphp_is_needed() {
    let output = Command::new("ldd").arg(program::executable()).output().expect("ldd runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("libc."), "ldd: {text}");
    let php: Vec<_> = text.lines().filter(|line| line.to_lowercase().contains("php")).collect();
    assert!(php.is_empty(), "{php:?}");
}

#[test]
fn version_and_build_info() {
    let dir = PrivateDir::new();
    let version = env!("CARGO_PKG_VERSION");
    for arguments in [["version"], ["--version"]] {
        supercharger(&dir, &arguments, LIMIT).expect(0, &["supercharger", version]);
    }
    let info = supercharger(&dir, &["build-info"], LIMIT);
    info.expect(0, &[version, "8.", "zts", "opcache", "session", "pdo_sqlite", "mbstring"]);
    let help = supercharger(&dir, &["--help"], LIMIT);
    help.expect(0, &["php-server", "version", "build-info"]);
}

/// The cache of PHP builds, as `php-src-pin/lib.sh` finds it.
fn php_cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from);
    from("SUPERCHARGER_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|path| path.join("supercharger")))
        .or_else(|| from("HOME").map(|path| path.join(".cache/supercharger")))
        .expect("a home folder")
        .join("php")
}

/// Runs in a mount namespace of its own where the folder of PHP builds is empty, so nobody else is disturbed.
#[test]
fn serves_while_the_php_build_folder_is_away() {
    let cache = php_cache();
    if !cache.is_dir() {
        eprintln!("SKIPPED serves_while_the_php_build_folder_is_away: there is no {} to take away", cache.display());
        return;
    }
    let namespace = |flag: &str| Command::new("unshare").args([flag, "true"]).status().is_ok_and(|s| s.success());
    let flag = ["-m", "-rm"].into_iter().find(|flag| namespace(flag));
    let Some(flag) = flag else {
        eprintln!("SKIPPED serves_while_the_php_build_folder_is_away: this system allows no mount namespace");
        return;
    };
    let script = "mount -t tmpfs none \"$0\" && [ -z \"$(ls -A \"$0\")\" ] && : > \"$TEST_DIR/hidden\" && exec \"$@\"";
    for mode in [Mode::Worker, Mode::Classic] {
        let place = cache.display().to_string();
        let launch = Launch::plain(mode).wrapped(&["unshare", flag, "sh", "-c", script, &place]);
        run(launch, async |server| {
            assert!(server.dir().marked("hidden").is_some(), "the folder was hidden");
            server.get("/opcache").await.ok();
            let seen = server.json("/opcache").await;
            assert_eq!(seen["enabled"], true, "{seen}");
            assert_eq!(server.get("/session").await.ok().json()["count"], 1);
        });
    }
}

/// A second checkout finds the build of the first.
#[test]
fn a_second_checkout_builds_no_php() {
    let dir = PrivateDir::new();
    let locate = |checkout: &Path| {
        let output = Command::new(checkout.join("php-src-pin/locate")).output().expect("locate runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let (found, here) = locate(checkout());
    if !found {
        eprintln!("SKIPPED a_second_checkout_builds_no_php: this build uses PHP_CONFIG, there is no pinned PHP");
        return;
    }
    let second = dir.path().join("second");
    std::fs::create_dir_all(second.join("php-src-pin")).expect("a folder");
    copy_tree(&checkout().join("php-src-pin"), &second.join("php-src-pin"));
    assert_eq!(locate(&second), (true, here));
    let mut command = Command::new(second.join("php-src-pin/build"));
    command.current_dir(&second);
    let ended = run_to_end(&dir, command, LIMIT);
    ended.expect(0, &["found in the cache"]);
}

/// The build script that cargo compiled, run by hand with a php-config that describes a PHP we cannot use.
fn build_script_with(config: &FakePhp) -> program::Ended {
    let dir = PrivateDir::new();
    let bin = dir.write("php/bin/php-config", &config.script(dir.path()));
    std::fs::set_permissions(&bin, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("permissions");
    let zts = if config.zts { "#define ZTS 1" } else { "/* #undef ZTS */" };
    dir.write("php/include/php/main/php_config.h", &format!("{zts}\n"));
    dir.write("php/include/php/main/php_version.h", &format!("#define PHP_VERSION \"{}\"\n", config.version));
    if config.embed {
        dir.write("php/lib/libphp.a", "!<arch>\n");
    }
    let mut command = program::command(build_script(), &dir);
    for (name, value) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG") {
            command.env(name, value);
        }
    }
    command
        .current_dir(checkout())
        .env("CARGO_MANIFEST_DIR", checkout())
        .env("OUT_DIR", dir.tmp())
        .env("PHP_CONFIG", &bin);
    command.env("TARGET", "x86_64-unknown-linux-gnu").env("HOST", "x86_64-unknown-linux-gnu").env("PROFILE", "debug");
    command.env("OPT_LEVEL", "0").env("DEBUG", "false").env("NUM_JOBS", "1");
    run_to_end(&dir, command, Duration::from_secs(60))
}

struct FakePhp {
    version: &'static str,
    zts: bool,
    embed: bool,
}

impl FakePhp {
    fn script(&self, dir: &Path) -> String {
        let prefix = dir.join("php").display().to_string();
        let (major, rest) = self.version.split_once('.').expect("a version");
        let (minor, patch) = rest.split_once('.').expect("a version");
        let number = |text: &str| text.parse::<u32>().expect("a number");
        let id = number(major) * 10_000 + number(minor) * 100 + number(patch);
        let (zts, embed) = (if self.zts { "--enable-zts" } else { "" }, if self.embed { "cli embed" } else { "cli" });
        format!(
            "#!/bin/sh\nfor option; do case \"$option\" in\n\
             --prefix) echo {prefix};; --version) echo {version};; --vernum) echo {id};;\n\
             --includes) echo \"-I{prefix}/include/php -I{prefix}/include/php/main\";; --include-dir) echo {prefix}/include/php;;\n\
             --configure-options) echo \"{zts} --enable-embed\";; --php-sapis) echo \"{embed}\";;\n\
             --extension-dir) echo {prefix}/lib/php/extensions;; --libs|--ldflags) echo;; --lib-dir|--libdir) echo {prefix}/lib;;\n\
             --php-binary) echo {prefix}/bin/php;; --lib-embed) echo libphp.a;;\n\
             *) echo \"usage\"; exit 1;; esac; done\n",
            version = self.version
        )
    }
}

/// The newest compiled build script of this package, in the target folder that this test was built into. `--target` puts it two
/// folders above the executables.
fn build_script() -> PathBuf {
    let test = std::env::current_exe().expect("this test's own path");
    let folders = [program::executable(), test]
        .map(|path| path.ancestors().skip(1).take(4).map(Path::to_owned).collect::<Vec<_>>());
    let newest = folders
        .into_iter()
        .flatten()
        .flat_map(|folder| ["build", "debug/build", "release/build"].map(|name| folder.join(name)))
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("supercharger-"))
        .map(|entry| entry.path().join("build-script-build"))
        .filter(|path| path.is_file())
        .max_by_key(|path| path.metadata().and_then(|meta| meta.modified()).ok());
    newest.expect("cargo compiled a build script")
}

#[test]
fn the_build_refuses_a_php_that_cannot_be_embedded() {
    let cases = [
        ("not thread-safe", FakePhp { version: "8.4.24", zts: false, embed: true }, &["NTS", "--enable-zts"][..]),
        ("no embed library", FakePhp { version: "8.4.24", zts: true, embed: false }, &["embed", "--enable-embed"][..]),
        ("too old", FakePhp { version: "8.3.12", zts: true, embed: true }, &["8.3.12", "8.4"][..]),
    ];
    for (name, php, words) in cases {
        let ended = build_script_with(&php);
        assert!(!ended.status.success(), "{name}: accepted; {ended}");
        let output = ended.output();
        for word in words {
            assert!(output.contains(word), "{name}: the message should name {word:?}; {ended}");
        }
    }
}

#[test]
fn the_build_refuses_a_php_config_that_is_not_there() {
    let dir = PrivateDir::new();
    let mut command = program::command(build_script(), &dir);
    command.current_dir(checkout()).env("CARGO_MANIFEST_DIR", checkout()).env("OUT_DIR", dir.tmp());
    command
        .env("PHP_CONFIG", "/nonexistent/php-config")
        .env("TARGET", "x86_64-unknown-linux-gnu")
        .env("HOST", "x86_64-unknown-linux-gnu");
    let ended = run_to_end(&dir, command, LIMIT);
    assert!(!ended.status.success(), "{ended}");
    assert!(ended.output().contains("/nonexistent/php-config"), "{ended}");
}
