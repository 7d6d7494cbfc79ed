//! `supercharger php-cli` against the php that was built from the same source: whatever is asked of both, both say and both end
//! the same way. Signals, the built-in server and child processes included.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::dir::checkout;
use crate::support::program::{self, Ended, command, executable, run_to_end, supercharger};
use crate::support::{Launch, Mode, PrivateDir, run};

mod table;
mod tools;

/// Longest life of one php under test.
const LIMIT: Duration = Duration::from_secs(40);

/// A php to be compared.
#[derive(Debug, Clone)]
struct Php {
    program: PathBuf,
    first: Vec<&'static str>,
}

impl Php {
    /// The stand-alone program of the pinned build.
    fn reference() -> Self {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let find = || {
            let output = Command::new(checkout().join("php-src-pin/locate")).output().expect("locate runs");
            let prefix = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let program = Path::new(&prefix).join("bin/php");
            assert!(program.is_file(), "no php to compare with: {}", String::from_utf8_lossy(&output.stderr));
            program
        };
        Self { program: PROGRAM.get_or_init(find).clone(), first: Vec::new() }
    }

    /// `supercharger php-cli`.
    fn command() -> Self {
        Self { program: executable(), first: vec!["php-cli"] }
    }

    /// The executable through a link named `php`.
    fn link(dir: &PrivateDir) -> Self {
        let link = dir.path().join("links/php");
        if !link.exists() {
            std::fs::create_dir_all(dir.path().join("links")).expect("a folder");
            std::os::unix::fs::symlink(executable(), &link).expect("a link");
        }
        Self { program: link, first: Vec::new() }
    }

    fn run(&self, dir: &PrivateDir, arguments: &[impl AsRef<OsStr>]) -> Ended {
        run_to_end(dir, self.call(dir, arguments), LIMIT)
    }

    fn call(&self, dir: &PrivateDir, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut call = command(&self.program, dir);
        call.args(&self.first).args(arguments);
        call
    }

    /// The same call with all signals as a terminal gives them: a shell that puts tests in the background has them ignore some.
    fn call_in_foreground(&self, dir: &PrivateDir, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut call = command("env", dir);
        call.arg("--default-signal").arg(&self.program).args(&self.first).args(arguments);
        call
    }
}

/// Waits until `probe` gives something; a php that has ended meanwhile fails the test.
fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A php that is killed with its children when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        program::kill_group(&mut self.0);
    }
}

/// Sends a signal once the script has made the file `ready`, and tells how the process ended.
fn signalled(php: &Php, code: &str, signal: &str) -> String {
    let dir = PrivateDir::new();
    let script = format!("{code} file_put_contents(getenv('TEST_DIR').'/ready', ''); while (true) usleep(10_000);");
    let mut child = Running(php.call_in_foreground(&dir, &["-r", &script]).spawn().expect("php starts"));
    wait_for("the script is ready", || dir.marked("ready"));
    program::signal(child.0.id(), signal);
    let status = wait_for("the signal ends php", || child.0.try_wait().expect("wait"));
    format!("{status}; {:?}", dir.marked("handled"))
}

#[test]
fn signals_from_outside_end_it_as_they_end_php() {
    let caught = "pcntl_async_signals(true); pcntl_signal(SIGTERM, function () { \
        file_put_contents(getenv('TEST_DIR').'/handled', 'yes'); exit(7); });";
    let ignored = "pcntl_signal(SIGHUP, SIG_IGN); pcntl_async_signals(true); pcntl_signal(SIGUSR1, fn () => exit(9)); \
        posix_kill(getmypid(), SIGHUP);";
    let shutdown = "register_shutdown_function(fn () => file_put_contents(getenv('TEST_DIR').'/handled', 'shutdown'));";
    let cases = [
        ("", "TERM"),
        ("", "INT"),
        ("", "HUP"),
        ("", "QUIT"),
        ("", "USR1"),
        ("", "ALRM"),
        ("", "KILL"),
        (caught, "TERM"),
        (caught, "INT"),
        (ignored, "USR1"),
        (shutdown, "TERM"),
    ];
    let compare = |(code, signal): (&str, &str)| {
        let expected = signalled(&Php::reference(), code, signal);
        assert_eq!(signalled(&Php::command(), code, signal), expected, "{signal} {code}");
        expected
    };
    let endings: Vec<String> = cases.into_iter().map(compare).collect();
    let distinct: std::collections::BTreeSet<_> = endings.iter().collect();
    assert!(distinct.len() >= 8, "these cases were to end in different ways: {endings:?}");
}

/// A child that PHP starts in every way that programs use; it tells what it was given.
const CHILDREN: &str = r#"
$code = 'echo PHP_SAPI, " ", implode(",", array_slice($argv, 1)), "\n"; exit(4);';
$run = function (array|string $command, ?array $env = null, string $input = '') {
    $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes, '/', $env);
    fwrite($pipes[0], $input);
    fclose($pipes[0]);
    echo stream_get_contents($pipes[1]), proc_close($process), "\n";
};
$shell = escapeshellarg(PHP_BINARY);
$run([PHP_BINARY, '-r', $code, '--', 'a', '-b']);
$run([PHP_BINARY, '-r', $code, '--', 'no environment'], []);
$run("$shell -r ".escapeshellarg($code).' -- shell');
$run("cd /; env -i $shell -r ".escapeshellarg($code).' -- shell "no environment"');
$run("$shell -n -d memory_limit=5M -r 'echo ini_get(\"memory_limit\"), \"\n\";'");
$run([PHP_BINARY], null, '<?php echo "from standard input\n";');
$run([PHP_BINARY], [], '<?php echo "from standard input, no environment\n";');
$run([PHP_BINARY, '--', 'version'], [], '<?php echo $argv[1], "\n";');
$run([PHP_BINARY, '-r', '$p = proc_open([PHP_BINARY, "-r", "exit(6);"], [], $x, null, []); exit(proc_close($p));']);
$pid = pcntl_fork();
if ($pid === 0) {
    pcntl_exec(PHP_BINARY, ['-r', $code, '--', 'exec'], []);
}
pcntl_waitpid($pid, $status);
echo pcntl_wexitstatus($status), "\n";
echo basename(PHP_BINARY), ' ', PHP_BINARY === PHP_BINDIR.'/php' ? 'in' : 'not in', " PHP_BINDIR\n";
echo is_executable(PHP_BINARY) && is_file(PHP_BINARY) ? 'usable' : 'unusable', "\n";
"#;

#[test]
fn php_binary_starts_php() {
    let dir = PrivateDir::new();
    dir.write("app/children.php", &format!("<?php {CHILDREN}"));
    let expected = Php::reference().run(&dir, &["children.php"]);
    expected.expect(0, &["cli a,-b\n4\n", "from standard input, no environment\n0\n", "php in PHP_BINDIR\nusable"]);
    for php in [Php::command(), Php::link(&dir)] {
        let got = php.run(&dir, &["children.php"]);
        assert_eq!((got.output(), got.code()), (expected.output(), 0), "{}", php.program.display());
    }
}

#[test]
fn php_binary_is_the_link_that_is_there() {
    let dir = PrivateDir::new();
    let link = Php::link(&dir);
    let asks = ["-r", "echo PHP_BINARY, ' ', PHP_BINDIR;"];
    let expected = format!("{0}/php {0}", dir.path().join("links").display());
    assert_eq!(link.run(&dir, &asks).stdout, expected, "called through it");
    // Found on the PATH, by its own name and by that of the executable.
    let path = format!("{}:/usr/bin:/bin", dir.path().join("links").display());
    let mut call = command("php", &dir);
    call.args(asks).env("PATH", &path);
    assert_eq!(run_to_end(&dir, call, LIMIT).stdout, expected, "called as php");
    let mut call = Php::command().call(&dir, &asks);
    call.env("PATH", &path);
    assert_eq!(run_to_end(&dir, call, LIMIT).stdout, expected, "on the PATH");
    // Beside the executable, which is what a container image does.
    let php = Php { program: elsewhere(&dir), first: vec!["php-cli"] };
    let bin = dir.path().join("bin");
    std::os::unix::fs::symlink("supercharger", bin.join("php")).expect("a link");
    assert_eq!(php.run(&dir, &asks).stdout, format!("{0}/php {0}", bin.display()), "beside the executable");
    assert!(!dir.path().join(".cache").exists(), "no link is made where there is one");
}

/// As in a container whose file system cannot be written to.
#[test]
fn php_binary_starts_php_where_nothing_can_be_written() {
    let dir = PrivateDir::new();
    dir.write("app/children.php", &format!("<?php {CHILDREN}"));
    let call = |arguments: &[&str]| {
        let mut call = Php::command().call(&dir, arguments);
        call.env("HOME", "/proc").env("TMPDIR", "/proc");
        run_to_end(&dir, call, LIMIT)
    };
    let binary = call(&["-r", "echo PHP_BINARY;"]);
    assert_eq!(binary.stdout, executable().canonicalize().expect("a file").display().to_string());
    let script = r#"$s = escapeshellarg(PHP_BINARY);
        passthru("$s -r 'echo 1;'"); passthru("echo '<?php echo 2;' | $s"); passthru("$s --version | head -c 4");
        passthru("$s two.php php-server"); passthru("$s version | head -c 13");"#;
    dir.write("app/two.php", "<?php echo $argv[1];");
    let got = call(&["-r", script]);
    assert_eq!(got.output(), "12PHP php-serversupercharger ", "its own commands keep their meaning");
}

#[test]
fn a_link_that_others_could_change_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let dir = PrivateDir::new();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).expect("a folder");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).expect("changed");
    let mut call = Php::command().call(&dir, &["-r", "echo PHP_BINARY;"]);
    call.env("HOME", &home);
    let got = run_to_end(&dir, call, LIMIT);
    let tmp = dir.tmp().display().to_string();
    assert!(got.stdout.starts_with(&format!("{tmp}/supercharger-")) && got.stdout.ends_with("/php"), "{got}");
    assert_eq!(std::fs::read_dir(&home).expect("a folder").count(), 0, "nothing was written there");
}

#[test]
fn without_proc_php_still_runs() {
    let dir = PrivateDir::new();
    let php = executable();
    let script = "mount -t tmpfs none /proc && exec \"$0\" php-cli -r 'echo 6 * 7, PHP_BINARY;'";
    let namespace = |flag: &str| Command::new("unshare").args([flag, "true"]).status().is_ok_and(|s| s.success());
    let Some(flag) = ["-m", "-rm"].into_iter().find(|flag| namespace(flag)) else {
        eprintln!("SKIPPED without_proc_php_still_runs: this system allows no mount namespace");
        return;
    };
    let mut call = command("unshare", &dir);
    call.args([flag, "sh", "-c", script]).arg(php);
    let got = run_to_end(&dir, call, LIMIT);
    got.expect(0, &["42"]);
}

#[test]
fn a_script_with_a_shebang_line() {
    use std::os::unix::fs::PermissionsExt;
    let dir = PrivateDir::new();
    let script =
        dir.write("app/tool", "#!/usr/bin/env php\n<?php echo implode(' ', array_slice($argv, 1)), __LINE__; exit(5);");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("changed");
    let links = Php::link(&dir).program;
    let mut call = command(&script, &dir);
    call.args(["-v", "php-cli"]).env("PATH", format!("{}:/usr/bin:/bin", links.parent().expect("a folder").display()));
    run_to_end(&dir, call, LIMIT).expect(5, &["-v php-cli2"]);
}

/// One request to the built-in server, and how the server ended after SIGINT.
fn built_in_server(php: &Php) -> (String, String) {
    let dir = PrivateDir::new();
    dir.write(
        "app/public/index.php",
        "<?php header('X-Sapi: '.PHP_SAPI); echo $_SERVER['REQUEST_URI'], ' ', $_POST['a'] ?? '-';",
    );
    dir.write("app/public/style.css", "body {}\n");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let address = format!("127.0.0.1:{port}");
    let mut server = php.call(&dir, &["-S", &address, "-t", "public"]);
    let log = dir.path().join("server.log");
    server.stderr(std::fs::File::create(&log).expect("a file"));
    let mut server = Running(server.spawn().expect("php starts"));
    wait_for("the server listens", || TcpStream::connect(&address).ok());
    let mut answers = String::new();
    for request in [
        "GET /style.css HTTP/1.0\r\n\r\n",
        "GET /one?two=3 HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
    ] {
        let mut socket = TcpStream::connect(&address).expect("connects");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        socket.write_all(request.as_bytes()).expect("sent");
        socket.read_to_string(&mut answers).expect("an answer");
        answers.push('\n');
    }
    program::signal(server.0.id(), "INT");
    let status = wait_for("the server ends", || server.0.try_wait().expect("wait"));
    let answers = answers.lines().filter(|line| !line.starts_with("Date:")).collect::<Vec<_>>().join("\n");
    let log = std::fs::read_to_string(&log).expect("the log");
    let (_, started) = log.lines().next().unwrap_or_default().rsplit_once("] ").unwrap_or_default();
    (answers, format!("{status}; {}", started.replace(&port.to_string(), "PORT")))
}

#[test]
fn the_built_in_server() {
    let expected = built_in_server(&Php::reference());
    assert!(expected.0.contains("X-Sapi: cli-server") && expected.0.contains("body {}"), "{expected:?}");
    assert_eq!(built_in_server(&Php::command()), expected);
}

#[test]
fn opcache_is_there_and_off_until_asked_for() {
    let dir = PrivateDir::new();
    let ask = ["-r", "echo json_encode([extension_loaded('Zend OPcache'), opcache_get_status() !== false]);"];
    supercharger(&dir, &["php-cli", ask[0], ask[1]], LIMIT).expect(0, &["[true,false]"]);
    let on = ["php-cli", "-d", "opcache.enable_cli=1", ask[0], ask[1]];
    supercharger(&dir, &on, LIMIT).expect(0, &["[true,true]"]);
    let script =
        dir.write("app/cached.php", "<?php echo opcache_is_script_cached(__FILE__) ? 'cached' : 'not cached';");
    let age = Command::new("touch").args(["-d", "1 hour ago"]).arg(&script).status().expect("touch runs");
    assert!(age.success());
    let on = ["php-cli", "-d", "opcache.enable_cli=1", "-d", "opcache.jit=tracing", "cached.php"];
    assert_eq!(supercharger(&dir, &on, LIMIT).stdout, "cached");
}

#[test]
fn our_functions_outside_of_a_worker() {
    let dir = PrivateDir::new();
    let script = r#"
        foreach (['supercharger_handle_request', 'frankenphp_handle_request'] as $function) {
            try { $function(fn () => 1); } catch (RuntimeException $e) { echo get_class($e), ': ', $e->getMessage(), "\n"; }
        }
        echo supercharger_worker()['mode'], json_encode(supercharger_request_id()), "\n";
        supercharger_log('said', 0, ['detail' => 'value']);
        $pid = pcntl_fork();
        if ($pid === 0) { try { supercharger_handle_request(fn () => 1); } catch (RuntimeException) { exit(3); } }
        pcntl_waitpid($pid, $status);
        echo pcntl_wexitstatus($status), json_encode(function_exists('fastcgi_finish_request')), "\n";"#;
    let got = supercharger(&dir, &["php-cli", "-r", script], LIMIT);
    let refusal = "RuntimeException: supercharger_handle_request() can be called in a worker script only\n";
    assert_eq!(got.stdout, format!("{refusal}{refusal}cli\"\"\n3false\n"), "{got}");
    assert!(got.stderr.contains("said") && got.stderr.contains("value"), "{got}");
}

/// The executable and a server from it, called from a folder of the test's own.
fn elsewhere(dir: &PrivateDir) -> PathBuf {
    let own = dir.path().join("bin/supercharger");
    std::fs::create_dir_all(dir.path().join("bin")).expect("a folder");
    // The folder may be on another file system.
    if std::fs::hard_link(executable(), &own).is_err() {
        std::fs::copy(executable(), &own).expect("a copy");
    }
    own
}

#[test]
fn the_same_php_ini_is_read_as_in_a_server() {
    for (rc, expected) in [(None, "71M beside"), (Some("rc"), "73M named")] {
        let dir = PrivateDir::new();
        let own = elsewhere(&dir);
        for (file, limit, from) in [("bin", "71M", "beside"), ("app", "72M", "current folder"), ("rc", "73M", "named")]
        {
            dir.write(&format!("{file}/php.ini"), &format!("memory_limit = {limit}\nuser_agent = {from}\n"));
        }
        dir.write("app/public/index.php", "<?php echo ini_get('memory_limit'), ' ', ini_get('user_agent');");
        let rc = rc.map_or_else(String::new, |rc| dir.path().join(rc).display().to_string());
        let mut call = command(&own, &dir);
        call.args(["php-cli", "public/index.php"]).env("PHPRC", &rc);
        assert_eq!(run_to_end(&dir, call, LIMIT).stdout, expected);
        let own = own.display().to_string();
        let server = Launch::with_dir(dir, Mode::Classic).root("public").env("PHPRC", &rc).wrapped(&[
            "sh",
            "-c",
            &format!("exec '{own}' \"$@\""),
        ]);
        run(server, async |server| assert_eq!(server.get("/").await.ok().text(), expected));
    }
}

/// What a request starts with them is php, too.
#[test]
fn php_binary_starts_php_from_a_request() {
    let script = r#"<?php
        $answer = function () {
            $shell = escapeshellarg(PHP_BINARY);
            echo json_encode([
                basename(PHP_BINARY), PHP_BINARY === PHP_BINDIR.'/php',
                shell_exec("$shell -r 'echo PHP_SAPI;'"), shell_exec("env -i $shell -r 'echo 1;'"),
                shell_exec("echo '<?php echo getenv(\"FROM_REQUEST\");' | FROM_REQUEST=2 $shell"),
            ]);
        };
        if (isset($_SERVER['FRANKENPHP_WORKER'])) { while (supercharger_handle_request($answer)); } else { $answer(); }"#;
    for mode in [Mode::Worker, Mode::Classic] {
        let dir = PrivateDir::new();
        dir.write("app/public/index.php", script);
        run(Launch::with_dir(dir, mode).root("public"), async |server| {
            let seen = server.json("/").await;
            assert_eq!(seen, serde_json::json!(["php", true, "cli", "1", "2"]));
        });
    }
}

#[test]
fn no_descriptor_but_the_three_is_open() {
    let dir = PrivateDir::new();
    let ask = ["-r", "echo implode(' ', array_map(readlink(...), glob('/proc/self/fd/*')));"];
    let (expected, got) = (Php::reference().run(&dir, &ask), Php::command().run(&dir, &ask));
    assert_eq!(got.stdout, expected.stdout);
}
