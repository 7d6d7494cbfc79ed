//! Command lines: each is given to php, to `supercharger php-cli` and to a link named `php`. Output, exit code and signal are equal.

use std::collections::BTreeSet;
use std::fs::File;

use super::{LIMIT, Php};
use crate::support::PrivateDir;
use crate::support::program::{Ended, run_to_end};

/// One command line.
struct Case {
    arguments: &'static [&'static str],
    stdin: &'static str,
    env: &'static [(&'static str, &'static str)],
    /// Lines that only we print.
    ours: &'static [&'static str],
}

const fn case(arguments: &'static [&'static str]) -> Case {
    Case { arguments, stdin: "", env: &[], ours: &[] }
}

const fn code(arguments: &'static [&'static str; 2]) -> Case {
    case(arguments)
}

/// Standard input, arguments.
const fn fed(stdin: &'static str, arguments: &'static [&'static str]) -> Case {
    Case { arguments, stdin, env: &[], ours: &[] }
}

const fn within(env: &'static [(&'static str, &'static str)], arguments: &'static [&'static str]) -> Case {
    Case { arguments, stdin: "", env, ours: &[] }
}

const OPCACHE: &str = "    with Zend OPcache v";

const FILES: &[(&str, &str)] = &[
    ("hello.php", "<?php echo 'hello ', implode('|', $argv), \" $argc\\n\";"),
    ("exit.php", "<?php register_shutdown_function(fn () => print(\"late\\n\")); exit(42);"),
    ("broken.php", "<?php\n\necho 'a' 'b';\n"),
    ("thrower.php", "<?php function f(int $x) { throw new LogicException('oh', 3); } f(1);"),
    (
        "where.php",
        "<?php var_dump(__FILE__ === realpath('where.php'), $_SERVER['SCRIPT_NAME'], $_SERVER['PHP_SELF'], \
        $_SERVER['PATH_TRANSLATED'], $_SERVER['SCRIPT_FILENAME'], $_SERVER['DOCUMENT_ROOT'], $_SERVER['argv']);",
    ),
    ("first.php", "<?php echo \"first\\n\";"),
    ("settings/php.ini", "memory_limit = 77M\n[x]\nfoo.bar = from php.ini\n"),
    ("own/php-cli.ini", "foo.bar = from php-cli.ini\n"),
    ("own/php.ini", "foo.bar = from php.ini\n"),
    ("scan/10.ini", "foo.bar = scanned\n"),
    ("comment.php", "#!/usr/bin/php\n<?php\n// a comment\necho  1  +  2; /* and */ ?>\ntext <b> <?= 3 ?>\n"),
];

const CASES: &[Case] = &[
    // Code and files.
    code(&["-r", "echo 'a', PHP_EOL;"]),
    case(&["-recho 5;"]),
    case(&["-r", "var_dump($argv, $argc);", "--", "-r", "--help", "x y"]),
    case(&["-r", "var_dump($argv);", "php-cli", "version"]),
    code(&["-r", "echo 'a' 'b';"]),
    case(&["-r"]),
    case(&["hello.php"]),
    case(&["hello.php", "-v", "--", "-r", "", "a b"]),
    case(&["-f", "hello.php", "--", "-f", "x"]),
    case(&["-f", "hello.php", "x"]),
    case(&["--", "hello.php", "y"]),
    case(&["-d", "memory_limit=9M", "hello.php", "-d", "memory_limit=10M"]),
    case(&["where.php", "one"]),
    case(&["./where.php"]),
    case(&["missing.php"]),
    case(&["-f", "missing.php"]),
    case(&["/"]),
    case(&["-C", "-q", "hello.php"]),
    case(&["-e", "hello.php"]),
    case(&["comment.php"]),
    // Standard input.
    fed("<?php echo 'from stdin ', implode('|', $argv), __FILE__;", &[]),
    fed("<?php echo implode('|', $argv);", &["--", "a", "-b"]),
    fed("<?php echo implode('|', $argv);", &["-", "a"]),
    fed("<?php exit(9);", &[]),
    fed("no php here\n", &["-n"]),
    fed("one\ntwo\n", &["-r", "echo strrev(fgets(STDIN)), stream_get_contents(STDIN), feof(STDIN) ? 'end' : '';"]),
    fed("x", &["-r", "echo file_get_contents('php://stdin'), file_get_contents('php://input');"]),
    fed("one\ntwo\n", &["-R", "echo $argi, strtoupper($argn), PHP_EOL;"]),
    fed("one\ntwo\n", &["-B", "$n = 0;", "-R", "$n += strlen($argn);", "-E", "echo $n;"]),
    fed("one\ntwo\n", &["-F", "first.php"]),
    fed("echo 1 + 1;\n$a = 5;\necho $a\n;\nexit(3);\n", &["-a"]),
    // Streams and output.
    code(&["-r", "fwrite(STDOUT, 'out'); fwrite(STDERR, 'err'); echo get_resource_id(STDIN), STDOUT === STDOUT;"]),
    code(&["-r", "fclose(STDOUT); echo 'x'; fwrite(STDERR, 'still');"]),
    code(&["-r", "ob_start(); echo 'kept'; register_shutdown_function(fn () => print('end'));"]),
    code(&["-r", "fputs(fopen('php://fd/2', 'w'), 'two'); fputs(fopen('php://output', 'w'), 'out');"]),
    code(&["-r", "header('X: y'); var_dump(headers_sent(), headers_list(), http_response_code());"]),
    code(&["-r", "var_dump(stream_isatty(STDIN), stream_isatty(STDOUT), posix_isatty(STDERR));"]),
    // Exit codes and deaths.
    code(&["-r", "exit(3);"]),
    code(&["-r", "exit('text');"]),
    code(&["-r", "exit(256 + 7);"]),
    code(&["-r", "exit(-1);"]),
    case(&["exit.php"]),
    case(&["thrower.php"]),
    case(&["broken.php"]),
    code(&["-r", "set_exception_handler(fn ($e) => exit(8)); throw new Exception('x');"]),
    code(&["-r", "undefined_function();"]),
    code(&["-r", "trigger_error('warned', E_USER_WARNING); trigger_error('noticed');"]),
    case(&["-d", "memory_limit=4M", "-r", "str_repeat('x', 8 << 20);"]),
    case(&["-d", "max_execution_time=1", "-r", "while (true);"]),
    code(&["-r", "function f() { f(); } ini_set('memory_limit', '64M'); f();"]),
    // Native stack: this ends php with SIGSEGV.
    case(&[
        "-d",
        "zend.max_allowed_stack_size=-1",
        "-d",
        "memory_limit=-1",
        "-r",
        "function f($x) { array_map('f', [1]); } f(1);",
    ]),
    code(&["-r", "posix_kill(getmypid(), SIGTERM); sleep(5);"]),
    code(&["-r", "posix_kill(getmypid(), SIGKILL); sleep(5);"]),
    code(&["-r", "posix_kill(getmypid(), SIGSEGV); sleep(5);"]),
    code(&["-r", "posix_kill(getmypid(), SIGBUS); sleep(5);"]),
    code(&["-r", "posix_kill(getmypid(), SIGABRT); sleep(5);"]),
    code(&["-r", "posix_kill(getmypid(), SIGPIPE); echo 'lives';"]),
    // pcntl.
    code(&["-r", "pcntl_alarm(1); while (true) usleep(1000);"]),
    code(&[
        "-r",
        "pcntl_signal(SIGALRM, function ($s) { echo \"signal $s\\n\"; exit(11); }); pcntl_alarm(1); \
        while (true) { usleep(1000); pcntl_signal_dispatch(); }",
    ]),
    code(&[
        "-r",
        "foreach ([fn () => exit(5), fn () => posix_kill(getmypid(), SIGTERM)] as $end) { \
        $pid = pcntl_fork(); if (!$pid) { $end(); sleep(5); } pcntl_waitpid($pid, $s); \
        var_dump(pcntl_wifexited($s), pcntl_wexitstatus($s), pcntl_wifsignaled($s), pcntl_wtermsig($s)); }",
    ]),
    code(&[
        "-r",
        "pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1], $old); var_dump($old); posix_kill(getmypid(), SIGUSR1); \
        var_dump(pcntl_sigwaitinfo([SIGUSR1]));",
    ]),
    code(&[
        "-r",
        "foreach ([SIGINT, SIGTERM, SIGPIPE, SIGSEGV, SIGCHLD] as $s) var_dump(pcntl_signal_get_handler($s));",
    ]),
    code(&["-r", "pcntl_exec('/bin/sh', ['-c', 'trap; echo replaced; kill -PIPE $$; exit 6']);"]),
    code(&[
        "-r",
        "exec('exit 5', $o, $c); echo $c; passthru('echo shell; kill -9 $$', $c); echo $c, system('echo last');",
    ]),
    code(&[
        "-r",
        "$p = proc_open('exec sleep 20', [], $x); proc_terminate($p); usleep(200000); \
        $s = proc_get_status($p); var_dump($s['running'], $s['signaled'], $s['termsig']);",
    ]),
    // What php knows about itself.
    code(&[
        "-r",
        "echo PHP_SAPI, php_sapi_name(), PHP_VERSION, PHP_ZTS, PHP_OS, PHP_DEBUG, PHP_EXTENSION_DIR, PHP_PREFIX;",
    ]),
    code(&[
        "-r",
        "foreach (['display_errors', 'html_errors', 'implicit_flush', 'max_execution_time', 'max_input_time', \
        'output_buffering', 'log_errors', 'error_log', 'memory_limit', 'register_argc_argv', 'variables_order', \
        'include_path', 'date.timezone', 'zend.assertions', 'short_open_tag'] as $n) var_dump(ini_get($n));",
    ]),
    code(&[
        "-r",
        "ksort($_SERVER); echo implode(' ', array_keys($_SERVER)), implode(' ', array_keys(get_defined_vars()));",
    ]),
    code(&[
        "-r",
        "ksort($_ENV); var_dump($_ENV, $_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST); $e = getenv(); ksort($e); var_dump($e);",
    ]),
    code(&[
        "-r",
        "cli_set_process_title('a title'); echo cli_get_process_title(), '|', \
        rtrim(strtok(file_get_contents('/proc/self/cmdline'), \"\\0\"));",
    ]),
    code(&[
        "-r",
        "echo getcwd() === dirname(realpath('hello.php')), get_included_files() === [] ? 'none' : 'some', __DIR__;",
    ]),
    case(&["-r", "var_dump(getopt('ab:', ['long:']), $argv);", "--", "-a", "-b", "1", "--long=2"]),
    code(&["-r", "echo setlocale(LC_ALL, 0), date_default_timezone_get(), umask(), get_cfg_var('cfg_file_path');"]),
    Case { arguments: &["-v"], stdin: "", env: &[], ours: &[OPCACHE] },
    Case { arguments: &["--version"], stdin: "", env: &[], ours: &[OPCACHE] },
    Case { arguments: &["-m"], stdin: "", env: &[], ours: &["supercharger", "Zend OPcache"] },
    case(&["-h"]),
    case(&["--help"]),
    case(&["-?"]),
    case(&["--nonsense"]),
    case(&["-Z"]),
    case(&["-r", "echo 1;", "-f"]),
    case(&["-l", "-r", "echo 1;"]),
    case(&["--rf", "array_walk"]),
    case(&["--rc", "Countable"]),
    case(&["--re", "ctype"]),
    case(&["--ri", "ctype"]),
    case(&["--ri", "missing"]),
    case(&["--rz", "missing"]),
    // Tools on files.
    case(&["-l", "hello.php"]),
    case(&["-l", "broken.php"]),
    case(&["-l", "hello.php", "broken.php", "first.php"]),
    case(&["-l", "missing.php"]),
    fed("<?php echo 1", &["-l"]),
    case(&["-s", "comment.php"]),
    case(&["-w", "comment.php"]),
    // Settings.
    case(&["--ini"]),
    case(&["-n", "--ini"]),
    case(&["-c", "settings", "--ini"]),
    case(&["-c", "settings", "-r", "echo ini_get('memory_limit'), get_cfg_var('foo.bar');"]),
    case(&[
        "-c",
        "settings/php.ini",
        "-d",
        "memory_limit=5M",
        "-r",
        "echo ini_get('memory_limit'), get_cfg_var('foo.bar');",
    ]),
    case(&["-n", "-c", "settings", "-r", "echo get_cfg_var('foo.bar');"]),
    case(&["-c", "own", "-r", "echo get_cfg_var('foo.bar'), php_ini_loaded_file();"]),
    case(&["-c", "missing", "-r", "var_dump(php_ini_loaded_file());"]),
    within(&[("PHPRC", "settings")], &["-r", "echo get_cfg_var('foo.bar'), php_ini_loaded_file();"]),
    within(&[("PHP_INI_SCAN_DIR", "scan")], &["-r", "echo get_cfg_var('foo.bar'), php_ini_scanned_files();"]),
    within(&[("PHPRC", "settings"), ("PHP_INI_SCAN_DIR", "scan")], &["-n", "-r", "var_dump(get_cfg_var('foo.bar'));"]),
    case(&[
        "-d",
        "short_open_tag",
        "-d",
        "precision = 3",
        "-d",
        "foo.bar=\"a b\"",
        "-r",
        "echo ini_get('short_open_tag'), 1 / 3, get_cfg_var('foo.bar');",
    ]),
    case(&["-d", "register_argc_argv=0", "-r", "var_dump(isset($argv), isset($_SERVER['argv']));", "x"]),
    case(&["-d", "auto_prepend_file=first.php", "hello.php"]),
    case(&["-d", "display_errors=stderr", "-r", "echo $x;"]),
    case(&["-d", "display_errors=0", "-d", "log_errors=1", "-d", "error_log=", "-r", "error_log('logged'); echo $x;"]),
    case(&["-d", "disable_functions=strlen", "-r", "strlen('x');"]),
    case(&["-d", "open_basedir=/nonexistent", "-r", "var_dump(@file_get_contents('hello.php'));"]),
    case(&["-d", "extension=missing", "-r", "echo 'goes on';"]),
];

fn run(php: &Php, dir: &PrivateDir, case: &Case) -> Ended {
    let stdin = dir.write("stdin", case.stdin);
    let mut call = php.call(dir, case.arguments);
    call.stdin(File::open(stdin).expect("a file")).envs(case.env.iter().copied());
    run_to_end(dir, call, LIMIT)
}

/// What can be compared; `extra` names lines that only we print, each of which must be there.
fn seen(ended: &Ended, extra: &[&str], name: &str) -> String {
    let mut stdout = ended.stdout.clone();
    for start in extra {
        let lines = stdout.split_inclusive('\n').filter(|line| !line.starts_with(start));
        let kept: String = lines.collect();
        assert_ne!(kept, stdout, "no line {start:?}; {ended}");
        stdout = kept;
    }
    format!("{}\n--- stdout\n{stdout}--- stderr\n{}", ended.status, ended.stderr).replace(name, "php")
}

/// How php ended, or what differs.
fn compare(case: &Case) -> Result<String, String> {
    let dir = PrivateDir::new();
    for (name, content) in FILES {
        dir.write(&format!("app/{name}"), content);
    }
    let reference = run(&Php::reference(), &dir, case);
    let expected = seen(&reference, &[], "php");
    // The only difference that is meant: the name of the program, in the text about its usage.
    for (php, name) in [(Php::command(), "supercharger php-cli"), (Php::link(&dir), "php")] {
        let got = seen(&run(&php, &dir, case), case.ours, name);
        if got != expected {
            return Err(format!("=== {} {:?}\n{got}\n=== php\n{expected}", php.program.display(), case.arguments));
        }
    }
    Ok(reference.status.to_string())
}

/// Two at a time: most of them wait for something.
const LANES: usize = 2;

#[test]
fn command_lines_do_what_php_does() {
    let lane = |first: usize| CASES.iter().skip(first).step_by(LANES).map(compare).collect();
    let results: Vec<_> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|first| scope.spawn(move || -> Vec<_> { lane(first) })).collect();
        lanes.into_iter().flat_map(|lane| lane.join().expect("no panic")).collect()
    });
    let faults: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} of {} differ\n{}", faults.len(), CASES.len(), faults.join("\n"));
    // Cases that were to die of a signal and did not would compare nothing.
    let endings: BTreeSet<_> = results.iter().flatten().map(String::as_str).collect();
    for ending in ["signal: 6", "signal: 7", "signal: 9", "signal: 11", "signal: 14", "signal: 15", "exit status: 255"]
    {
        assert!(endings.iter().any(|seen| seen.starts_with(ending)), "no case ends with {ending}: {endings:?}");
    }
}

#[test]
fn negative_control_a_difference_is_seen() {
    let dir = PrivateDir::new();
    let ended = |code| run(&Php::command(), &dir, &Case { arguments: code, ..case(&[]) });
    let base = seen(&ended(&["-r", "echo 1; exit(3);"]), &[], "php");
    for other in [
        &["-r", "echo 2; exit(3);"],
        &["-r", "echo 1; exit(4);"],
        &["-r", "echo 1; fwrite(STDERR, 'x'); exit(3);"],
        &["-r", "echo 1; posix_kill(getmypid(), SIGKILL);"],
    ] {
        assert_ne!(seen(&ended(other), &[], "php"), base, "{other:?}");
    }
}

/// `-i` cannot be equal: ours has OPcache and our own module. All that php says, it says too, in the same order.
#[test]
fn phpinfo_holds_all_that_phps_does() {
    let dir = PrivateDir::new();
    let lines = |php: &Php| {
        let ended = php.run(&dir, &["-i"]);
        ended.expect(0, &["phpinfo()"]);
        let steady = |line: &&str| !line.starts_with("$_SERVER['REQUEST_TIME");
        ended.stdout.lines().filter(steady).map(str::to_owned).collect::<Vec<_>>()
    };
    let (expected, got) = (lines(&Php::reference()), lines(&Php::command()));
    let mut rest = got.iter();
    for line in &expected {
        assert!(rest.any(|ours| ours == line), "missing, or out of order: {line}");
    }
    let more = got.len() - expected.len();
    assert!((10..150).contains(&more), "{more} lines more than php's");
}
