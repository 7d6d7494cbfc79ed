//! Composer, a Symfony console and PHPUnit run to their end as they do under php: what they print, their exit codes, what
//! they leave behind.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::{LIMIT, Php, Running, wait_for};
use crate::support::PrivateDir;
use crate::support::dir::checkout;
use crate::support::program::{self, run_to_end};
use crate::support::symfony::{self, Series};

/// The first run on a machine fetches the packages.
const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// Where Composer and PHPUnit are.
fn tools() -> PathBuf {
    static FETCHING: Mutex<()> = Mutex::new(());
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let _turn = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let fetch = || {
        let dir = PrivateDir::new();
        let ended = run_to_end(&dir, Command::new(checkout().join("scripts/php-tools")), FETCH_LIMIT);
        assert!(ended.status.success(), "scripts/php-tools: {ended}");
        PathBuf::from(ended.stdout.trim())
    };
    FOLDER.get_or_init(fetch).clone()
}

/// A project and the php that its tools run under, which is also the `php` of the PATH.
struct Project {
    dir: PrivateDir,
    php: Php,
    binary: String,
}

impl Project {
    fn new(dir: PrivateDir, php: &Php) -> Self {
        let links = dir.path().join("links");
        std::fs::create_dir_all(&links).expect("a folder");
        std::os::unix::fs::symlink(&php.program, links.join("php")).expect("a link");
        let mut project = Self { dir, php: php.clone(), binary: String::new() };
        let binary = project.dir.write("binary.php", "<?php echo PHP_BINARY;");
        project.binary = run_to_end(&project.dir, project.call(&binary, &[]), LIMIT).stdout;
        project
    }

    fn call(&self, script: &Path, arguments: &[&str]) -> Command {
        let mut words = vec![script.as_os_str()];
        words.extend(arguments.iter().map(std::ffi::OsStr::new));
        let mut call = self.php.call(&self.dir, &words);
        call.env("PATH", format!("{}:/usr/bin:/bin", self.dir.path().join("links").display()))
            .env("PHP_INI_SCAN_DIR", tools().join("ini"))
            .env("COMPOSER_HOME", self.dir.path().join("composer"))
            .env("COMPOSER_ALLOW_SUPERUSER", "1")
            .env("APP_ENV", "prod")
            .env("APP_DEBUG", "0");
        call
    }

    /// Exit code and output, without what cannot be the same twice.
    fn run(&self, script: &Path, arguments: &[&str]) -> String {
        let ended = run_to_end(&self.dir, self.call(script, arguments), LIMIT);
        let text = format!("$ {}\n{}\n{}{}", arguments.join(" "), ended.status, ended.stdout, ended.stderr);
        let text = text.replace(&self.binary, "PHP").replace(&self.dir.path().display().to_string(), "DIR");
        // PHPUnit's measurements, and log lines with a time.
        let steady = |line: &&str| !line.starts_with("Time: ") && !line.starts_with("[20");
        text.lines().filter(steady).fold(String::new(), |mut all, line| {
            writeln!(all, "{line}").expect("memory");
            all
        })
    }
}

/// Runs a tool under php and under ours, in projects that `prepare` makes, and gives what php's said.
fn same(prepare: impl Fn() -> PrivateDir, script: &Path, lines: &[&[&str]]) -> (String, Project) {
    let [expected, got] = [Php::reference(), Php::command()].map(|php| {
        let project = Project::new(prepare(), &php);
        let said: Vec<_> = lines.iter().map(|line| project.run(script, line)).collect();
        (said, project)
    });
    for (expected, got) in expected.0.iter().zip(&got.0) {
        assert_eq!(got, expected);
    }
    let trees = Command::new("diff")
        .args(["-r", "--exclude=var", "--exclude=.phpunit.result.cache"])
        .args([expected.1.dir.app(), got.1.dir.app()])
        .output();
    let trees = trees.expect("diff runs");
    assert!(trees.status.success(), "they left different files: {}", String::from_utf8_lossy(&trees.stdout));
    (expected.0.join("\n"), got.1)
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

/// A project with a library in a folder, one in an archive, and scripts of every kind.
fn composer_project() -> PrivateDir {
    let dir = PrivateDir::new();
    dir.write("app/composer.json", COMPOSER_JSON);
    dir.write(
        "app/library/composer.json",
        r#"{"name": "acme/library", "version": "1.2.3", "bin": ["tool"],
        "autoload": {"psr-4": {"Acme\\": "src/"}}}"#,
    );
    dir.write("app/library/src/Greeter.php", "<?php namespace Acme; final class Greeter { const WORD = 'hello'; }");
    dir.write(
        "app/library/tool",
        "#!/usr/bin/env php\n<?php echo 'tool ', implode(',', array_slice($argv, 1)), \"\\n\"; exit(3);",
    );
    dir.write(
        "app/archived/composer.json",
        r#"{"name": "acme/archived", "version": "1.0.0",
        "autoload": {"files": ["functions.php"]}}"#,
    );
    dir.write("app/archived/functions.php", "<?php function archived(): string { return 'archived'; }");
    dir.write(
        "app/after.php",
        r#"<?php require 'vendor/autoload.php';
        echo Acme\Greeter::WORD, archived(), implode('|', array_slice($argv, 1)), "\n";"#,
    );
    dir.write("app/waits.php", "<?php file_put_contents(getenv('TEST_DIR').'/ready', ''); sleep(3);");
    dir.write("app/src/Scripts.php", r"<?php namespace App;
        final class Scripts { static function run(\Composer\Script\Event $e): void { $e->getIO()->write('ran in '.PHP_SAPI); } }");
    let zip = "$z = new ZipArchive; $z->open('archived/archived.zip', ZipArchive::CREATE); \
        foreach (['composer.json', 'functions.php'] as $file) { \
            $z->addFile(\"archived/$file\", $file); $z->setMtimeName($file, 1_600_000_000); } $z->close();";
    Php::reference().run(&dir, &["-r", zip]).expect(0, &[]);
    dir
}

const COMPOSER_JSON: &str = r#"{
    "name": "acme/app", "description": "An application", "license": "MIT", "type": "project",
    "repositories": [
        {"type": "path", "url": "library", "options": {"symlink": false}},
        {"type": "artifact", "url": "archived"},
        {"packagist": false}
    ],
    "require": {"acme/library": "^1.2", "acme/archived": "^1.0"},
    "autoload": {"psr-4": {"App\\": "src/"}},
    "scripts": {
        "post-autoload-dump": ["@php -r 'echo PHP_SAPI, PHP_EOL;'", "@php after.php one two", "App\\Scripts::run"],
        "fails": "@php -r 'exit(7);'",
        "chain": ["@php -d precision=5 -r 'echo ini_get(\"precision\"), PHP_EOL;'", "@fails", "@php -r 'echo \"never\";'"],
        "again": "@composer validate --strict",
        "tool": "tool a b",
        "waits": "@php waits.php"
    }
}"#;

#[test]
fn composer() {
    let script = tools().join("usr/bin/composer");
    let lines: &[&[&str]] = &[
        &["--version"],
        &["validate", "--strict"],
        &["install", "--no-progress"],
        &["install", "--no-progress"],
        &["dump-autoload", "--optimize"],
        &["show"],
        &["fails"],
        &["chain"],
        &["again"],
        &["tool"],
        &["exec", "tool", "--", "-v"],
        &["check-platform-reqs"],
        &["why", "acme/library"],
        &["require", "acme/missing"],
        &["nonsense"],
    ];
    let (said, project) = same(composer_project, &script, lines);
    says(
        &said,
        &["cli\n", "helloarchivedone|two\n", "ran in cli", "returned with error code 7", "5\n", "tool a,b", "tool -v"],
    );
    says(&said, &["exit status: 0", "exit status: 3", "exit status: 7", "exit status: 1"]);
    assert!(!said.contains("never"), "a failed script ends the chain: {said}");
    assert!(project.dir.app().join("vendor/acme/archived/functions.php").is_file());
}

/// Composer takes its leave of SIGINT by itself; a script that is killed is told from one that fails.
#[test]
fn composer_is_interrupted() {
    let script = tools().join("usr/bin/composer");
    let interrupt = |php: &Php, signal: &str| {
        let project = Project::new(composer_project(), php);
        let mut call = project.call(&script, &["waits"]);
        let log = project.dir.path().join("log");
        call.stdout(std::fs::File::create(&log).expect("a file")).stderr(std::fs::File::create(&log).expect("a file"));
        let mut child = Running(call.spawn().expect("composer starts"));
        wait_for("the script is ready", || project.dir.marked("ready"));
        program::signal(child.0.id(), signal);
        wait_for("composer ends", || child.0.try_wait().expect("wait")).to_string()
    };
    for signal in ["INT", "TERM"] {
        assert_eq!(interrupt(&Php::command(), signal), interrupt(&Php::reference(), signal), "{signal}");
    }
}

/// Tests that tell the two kinds of process apart.
const TESTS: &str = r#"<?php
use PHPUnit\Framework\Attributes\RunInSeparateProcess;
use PHPUnit\Framework\TestCase;

final class SomeTest extends TestCase
{
    public static function setUpBeforeClass(): void
    {
        if (getenv('FIRST_PROCESS') === false) { putenv('FIRST_PROCESS='.getmypid()); }
    }

    private static function isFirst(): bool { return (int) getenv('FIRST_PROCESS') === getmypid(); }

    public function testHere(): void { self::assertTrue(self::isFirst()); define('SEEN', 1); }

    #[RunInSeparateProcess]
    public function testElsewhere(): void
    {
        self::assertFalse(self::isFirst());
        self::assertFalse(defined('SEEN'));
        self::assertSame(['cli', getenv('EXPECTED_BINARY')], [PHP_SAPI, basename(PHP_BINARY)]);
        $this->expectOutputString('printed');
        echo 'printed';
    }
}
"#;

const FAILING_TESTS: &str = r#"<?php
use PHPUnit\Framework\Attributes\RunInSeparateProcess;
use PHPUnit\Framework\TestCase;

final class FailingTest extends TestCase
{
    public function testFails(): void { self::assertSame([1, 2], [1, 3]); }
    #[RunInSeparateProcess] public function testFailsElsewhere(): void { self::assertTrue(false, 'elsewhere'); }
    #[RunInSeparateProcess] public function testExits(): void { exit(3); }
    #[RunInSeparateProcess] public function testIsKilled(): void { posix_kill(posix_getpid(), SIGKILL); }
    public function testIsSkipped(): void { self::markTestSkipped('because'); }
}
"#;

#[test]
fn phpunit() {
    let prepare = || {
        let dir = PrivateDir::new();
        dir.write("app/tests/SomeTest.php", &TESTS.replace("getenv('EXPECTED_BINARY')", "'php'"));
        dir.write("app/tests/FailingTest.php", FAILING_TESTS);
        dir
    };
    let lines: &[&[&str]] = &[
        &["--version"],
        &["tests/SomeTest.php"],
        &["--process-isolation", "--filter", "testElsewhere", "tests"],
        &["--testdox", "tests"],
        &["--list-tests", "tests"],
        &["missing"],
        &["--nonsense"],
    ];
    let (said, _) = same(prepare, &tools().join("usr/bin/phpunit"), lines);
    says(&said, &["OK (2 tests, 5 assertions)", "ended unexpectedly", "exit status: 0", "exit status: 2"]);
}

#[test]
fn a_symfony_console() {
    let lines: &[&[&str]] = &[
        &["cache:clear"],
        &["list", "--raw"],
        &["debug:router", "--format=json"],
        &["lint:container"],
        &["debug:config", "missing"],
        &["nonsense"],
    ];
    let (said, _) = same(|| symfony::application(Series::V7_4), Path::new("bin/console"), lines);
    says(
        &said,
        &["was successfully cleared", "cache:clear", "exit status: 0", "exit status: 1", "\"nonsense\" is not defined"],
    );
}

/// What a program that uses Symfony's components sees and does.
const PROCESS: &str = r#"<?php
require 'Symfony/Component/Process/autoload.php';
require 'Symfony/Component/Console/autoload.php';
use Symfony\Component\Process\{Exception\ProcessSignaledException, PhpExecutableFinder, PhpProcess, PhpSubprocess, Process};

$finder = new PhpExecutableFinder();
echo $finder->find() === PHP_BINARY ? 'found' : 'not found', count($finder->findArguments()), "\n";
$show = function (Process $process) {
    try { $code = $process->run(); } catch (ProcessSignaledException $e) { $code = $process->getExitCode(); }
    echo $process->getOutput(), $process->getErrorOutput(), ' ', $code, ' ', $process->hasBeenSignaled() ? $process->getTermSignal() : '-', "\n";
};
$show(new PhpProcess('<?php echo PHP_SAPI; exit(4);'));
$show(new PhpSubprocess(['-r', 'echo ini_get("include_path") ? "configured" : ""; exit(5);']));
$show(new Process([$finder->find(), '-r', 'posix_kill(getmypid(), SIGTERM); sleep(9);']));
$show(new Process(['php', '-r', 'fwrite(STDERR, "from the PATH"); exit(6);']));
$waits = new Process([PHP_BINARY, '-r', 'pcntl_async_signals(true); pcntl_signal(SIGINT, fn () => exit(8)); echo "ready"; while (true) usleep(1000);']);
$waits->start();
$waits->waitUntil(fn ($type, $text) => str_contains($text, 'ready'));
$waits->signal(SIGINT);
echo $waits->wait(), "\n";
"#;

#[test]
fn symfony_process() {
    let prepare = || {
        let dir = PrivateDir::new();
        dir.write("app/process.php", PROCESS);
        dir
    };
    let (said, _) = same(prepare, Path::new("process.php"), &[&[]]);
    says(
        &said,
        &["found0\n", "cli 4 -\n", "configured 5 -\n", " 143 15\n", "from the PATH 6 -\n", "8\n", "exit status: 0"],
    );
}
