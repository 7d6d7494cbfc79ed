//! Applications that are no Symfony kernel, on the same loop: each form of `examples/applications` passes one suite.

use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::End;
use crate::support::dir::{PrivateDir, checkout, copy_tree};
use crate::support::program::run_to_end;
use crate::support::run::run_within;
use crate::support::{Launch, Mode, Protocol, Server, run};

/// The first run on a machine fetches the libraries.
const LIMIT: Duration = Duration::from_secs(100);

/// One at a time, as in `support::symfony`.
static PREPARING: Mutex<()> = Mutex::new(());

/// The interface of PSR-15: Debian has no package of psr/http-server-handler, and this is all that is in it. And where PSR-17 is, which the
/// autoloader of `scripts/symfony-libraries` does not know: Debian gives it a list of its own beside that of PSR-7.
const HANDLER: &str = "<?php
namespace {
    spl_autoload_register(static function (string $class): void {
        if (str_starts_with($class, 'Psr\\Http\\Message\\\\') && str_ends_with($class, 'FactoryInterface')) {
            $folder = dirname((new ReflectionClass(Psr\\Http\\Message\\MessageInterface::class))->getFileName());
            require $folder.strrchr(strtr($class, '\\\\', '/'), '/').'.php';
        }
    });
}
namespace Psr\\Http\\Server {
    interface RequestHandlerInterface
    {
        public function handle(\\Psr\\Http\\Message\\ServerRequestInterface $request): \\Psr\\Http\\Message\\ResponseInterface;
    }
}
";

fn folder() -> PrivateDir {
    let dir = PrivateDir::new();
    copy_tree(&checkout().join("examples/applications"), &dir.app());
    drop(std::fs::remove_dir_all(dir.app().join("vendor")));
    dir
}

/// One of the worker scripts, without libraries.
fn bare(script: &str) -> Launch {
    Launch::with_dir(folder(), Mode::Worker).script(&format!("public/{script}.php")).workers(1)
}

/// One of them with PSR-7, HttpFoundation and PSR-15.
fn with_libraries(script: &str) -> Launch {
    let dir = folder();
    let turn = PREPARING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(checkout().join("scripts/symfony-libraries"));
    command.args(["--from", "debian", "--more", "--symfony", "7.4"]).arg(dir.app());
    let ended = run_to_end(&dir, command, Duration::from_secs(600));
    assert!(ended.status.success(), "scripts/symfony-libraries: {ended}");
    drop(turn);
    dir.write("app/src/interface.php", HANDLER);
    let script_file = dir.app().join(format!("public/{script}.php"));
    let code = std::fs::read_to_string(&script_file).expect("a script");
    let loads = "require dirname(__DIR__).'/vendor/autoload.php';";
    assert!(code.contains(loads), "{code}");
    let with = code.replace(loads, &format!("{loads}\nrequire dirname(__DIR__).'/src/interface.php';"));
    std::fs::write(script_file, with).expect("written");
    Launch::with_dir(dir, Mode::Worker).script(&format!("public/{script}.php")).workers(1)
}

/// What every form can do.
async fn conforms(server: &mut Server) {
    assert_eq!(server.get("/").await.ok().text(), "hello");
    assert_eq!(server.get("/teapot").await.expect(418).text(), "short and stout");
    server.get("/no-such-page").await.expect(404);
    headers(server).await;
    bodies(server).await;
    uploads(server).await;
    failures(server).await;
    // The application is made once and lives on.
    let count = async || server.get("/count").await.ok().text().parse::<u32>().expect("a number");
    let (one, two) = (count().await, count().await);
    assert_eq!(two, one + 1, "one application for all requests");
}

async fn headers(server: &Server) {
    let answer = server.get("/headers").await;
    answer.ok();
    let all = |name: &str| -> Vec<String> { answer.header_all(name).into_iter().map(str::to_owned).collect() };
    assert_eq!(all("x-twice"), ["a", "b"]);
    let cookies = all("set-cookie");
    assert!(cookies.len() == 2 && cookies[0].starts_with("one=1") && cookies[1].starts_with("two=2"), "{cookies:?}");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/x-own")), "{answer}");
    assert_eq!(all("content-type").len(), 1);
}

async fn bodies(server: &Server) {
    let echo = async |method: &str, query: &str, headers: &[(&str, &str)], body: &str| -> Value {
        server.send(method, &format!("/echo{query}"), headers, body.to_owned()).await.ok().json()
    };
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("cookie", "taste=sweet"),
        ("x-in", "yes"),
        ("x-request-id", "0193-mine"),
    ];
    let seen = echo("POST", "?a=1&b[x]=2", &form, "field=%C3%A9&list[]=1&list[]=2").await;
    let expected = json!({
        "method": "POST", "query": {"a": "1", "b": {"x": "2"}}, "form": {"field": "é", "list": ["1", "2"]},
        "cookie": {"taste": "sweet"}, "in": "yes", "length": 30, "id": "0193-mine",
    });
    assert_eq!(seen, expected);
    // Nothing of it is left for the next one.
    let seen = echo("GET", "", &[], "").await;
    assert_eq!((&seen["query"], &seen["form"], &seen["cookie"]), (&json!([]), &json!([]), &json!([])));
    assert!(seen["id"].as_str().is_some_and(|id| id.len() > 20 && id != "0193-mine"), "{seen}");
    let big = "x".repeat(600_000);
    let seen = echo("PUT", "", &[("content-type", "application/octet-stream")], &big).await;
    assert_eq!((&seen["method"], &seen["length"]), (&json!("PUT"), &json!(600_000)));
}

async fn uploads(server: &Server) {
    let body = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
        Content-Type: text/plain\r\n\r\nabc\r\n--edge--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=edge")];
    // SHA-256 of "abc": FIPS 180-2, appendix B.1.
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let seen = server.send("POST", "/upload", &kind, body).await.ok().json();
    assert_eq!(seen, json!({"name": "a.txt", "size": 3, "sha256": hash}));
}

async fn failures(server: &Server) {
    let answer = server.get("/fail").await;
    answer.expect(500);
    assert!(
        !answer.text().contains("deliberate") && !answer.text().contains(".php"),
        "no internals: {}",
        answer.text()
    );
    server.wait_for_log("deliberate failure").await;
    assert_eq!(server.get("/").await.ok().text(), "hello", "the worker goes on");
}

/// Pieces leave as they come.
async fn streams(server: &Server) {
    let mark = server.dir().marks().join("go").display().to_string();
    let mut connection = server.connect(Protocol::Http1).await;
    let mut reading = connection.begin("GET", &format!("/stream?wait={mark}"), &[], "").await;
    reading.until("first\n").await;
    server.dir().mark("go");
    assert_eq!(reading.rest().await, End::Whole);
    assert_eq!(reading.answer().text(), "first\nsecond\n");
}

fn announced(launch: Launch) -> Launch {
    launch.expect_error("deliberate failure")
}

#[test]
fn a_psr_15_handler() {
    run_within(LIMIT, announced(with_libraries("psr15")), async |server| {
        conforms(server).await;
        let large = server.get("/large").await;
        assert!(large.ok().text().starts_with("<?php") && large.text().contains("PsrPages"), "a stream is the body");
    });
}

#[test]
fn a_function_of_psr_7() {
    run_within(LIMIT, announced(with_libraries("psr7")), conforms);
}

/// What an application returns is sent as it is: no header changes the status, a response that is a text too is a response, one that is kept is whole each
/// time. What PHP has not parsed has no parsed body.
#[test]
fn a_response_is_sent_as_it_is() {
    let launch = with_libraries("psr7");
    let script = launch.dir().app().join("public/psr7.php");
    let code = std::fs::read_to_string(&script).expect("a script");
    let (head, _) = code.split_once("exit(").expect("a loop");
    let own = "final class Decorated extends Nyholm\\Psr7\\Response implements Stringable { public function __toString(): string { return 'as a text'; } }
$kept = new Nyholm\\Psr7\\Response(200, [], 'prepared');
exit(Supercharger\\Runtime\\App\\Loop::run(static fn (Psr\\Http\\Message\\ServerRequestInterface $request): mixed => match ($request->getUri()->getPath()) {
    '/accepted' => new Nyholm\\Psr7\\Response(202, ['Location' => '/job/1'], 'queued'),
    '/forbidden' => new Nyholm\\Psr7\\Response(403, ['WWW-Authenticate' => 'Bearer']),
    '/array' => ['status' => 202, 'headers' => ['location' => '/job/1']],
    '/wrong' => ['status' => 1000],
    '/text' => new Decorated(201, ['Set-Cookie' => 'sid=1'], 'made'),
    '/kept' => $kept,
    '/form' => ['body' => json_encode($request->getParsedBody())],
}));";
    std::fs::write(&script, format!("{head}{own}")).expect("written");
    run_within(LIMIT, launch.expect_error("The status of a response is 1000"), async |server| {
        let answer = server.get("/accepted").await;
        assert_eq!((answer.expect(202).header("location"), answer.text().as_str()), (Some("/job/1"), "queued"));
        assert_eq!(server.get("/forbidden").await.expect(403).header("www-authenticate"), Some("Bearer"));
        assert_eq!(server.get("/array").await.expect(202).header("location"), Some("/job/1"));
        server.get("/wrong").await.expect(500);
        let answer = server.get("/text").await;
        assert_eq!((answer.expect(201).text().as_str(), answer.header("set-cookie")), ("made", Some("sid=1")));
        for _ in 0..3 {
            assert_eq!(server.get("/kept").await.ok().text(), "prepared");
        }
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        for (method, parsed) in [("POST", json!({"a": "1"})), ("PUT", Value::Null), ("PATCH", Value::Null)] {
            assert_eq!(server.send(method, "/form", &kind, "a=1").await.ok().json(), parsed, "{method}");
        }
    });
}

#[test]
fn a_function_of_http_foundation() {
    run_within(LIMIT, announced(with_libraries("foundation")), async |server| {
        conforms(server).await;
        streams(server).await;
    });
}

#[test]
fn an_array_handler() {
    run(announced(bare("array")), async |server| {
        conforms(server).await;
        streams(server).await;
    });
}

#[test]
fn an_entry_file() {
    let launch = bare("entry");
    let entry = launch.dir().app().join("src/entry.php").display().to_string();
    run(announced(launch.env("RUNTIME_APP_ENTRY", &entry)), async |server| {
        conforms(server).await;
        streams(server).await;
    });
}

/// With symfony/runtime a front controller may return such an application as well as a kernel.
#[test]
fn a_front_controller_may_return_a_function_or_a_handler() {
    for returned in [
        "static fn (Symfony\\Component\\HttpFoundation\\Request $r) => (new App\\FoundationPages())->answer($r)",
        "new App\\PsrHandler()",
    ] {
        let launch = with_libraries("foundation").script("public/index.php");
        let code = format!(
            "<?php\nrequire_once dirname(__DIR__).'/vendor/autoload_runtime.php';\nrequire_once dirname(__DIR__).'/src/interface.php';\n\
             return static fn (array $context) => {returned};\n"
        );
        launch.dir().write("app/public/index.php", &code);
        launch.dir().write("app/.env", "APP_ENV=prod\n");
        run_within(LIMIT, announced(launch), async |server| {
            headers(server).await;
            bodies(server).await;
            failures(server).await;
        });
    }
}

/// All that an array handler is told, and all that it may say.
#[test]
fn an_array_handler_is_told_all_that_is_promised() {
    let launch = bare("own");
    launch.dir().write(
        "app/public/own.php",
        "<?php exit(Supercharger\\Runtime\\App\\Loop::run(static fn (array $request): array => match ($request['path']) {
            '/error' => ['id' => $request['id'], 'error' => 'database is down: s3cret'],
            '/recycle' => ['body' => 'bye', '_meta' => ['req_count' => 1, 'mem_usage' => 1, 'mem_peak' => 1, 'recycle' => true]],
            '/wrong' => ['body' => [new stdClass()]],
            '/printed' => (static function () { echo 'printed'; return []; })(),
            default => ['headers' => ['content-type' => 'application/json'], 'body' => json_encode($request)],
        }));",
    );
    let launch = launch.expect_error("database is down").expect_error("A part of a response");
    run(launch, async |server| {
        let seen = server.send("POST", "/a/b?x=1", &[("x-in", "1"), ("content-type", "text/plain")], "the body").await;
        let seen = seen.ok().json();
        for (name, value) in [
            ("method", json!("POST")),
            ("uri", json!("/a/b?x=1")),
            ("path", json!("/a/b")),
            ("query", json!({"x": "1"})),
            ("body", json!("the body")),
            ("input", json!("the body")),
            ("remote_addr", json!("127.0.0.1")),
            ("scheme", json!("http")),
            ("worker_id", json!("default-0-1")),
            ("engine", json!("supercharger")),
            ("get", json!({"x": "1"})),
            ("post", json!([])),
            ("cookie", json!([])),
            ("files", json!([])),
        ] {
            assert_eq!(seen[name], value, "{name}");
        }
        assert_eq!(seen["headers"]["x-in"], "1");
        assert!(seen["host"].as_str().is_some_and(|host| host.starts_with("127.0.0.1")), "{seen}");
        assert!(seen["runtime_version"].as_str().is_some_and(|text| text.starts_with("supercharger/")), "{seen}");
        assert!(seen["nowFloat"].is_f64() && seen["timeout_ms"].is_u64() && seen["server"]["REQUEST_URI"].is_string());
        let answer = server.get("/error").await;
        assert!(!answer.expect(500).text().contains("s3cret"), "{}", answer.text());
        server.get("/wrong").await.expect(500);
        assert_eq!(server.get("/printed").await.ok().text(), "printed");
        assert_eq!(server.get("/recycle").await.ok().text(), "bye");
        let line = server.wait_for_log("\"worker.recycle\"").await;
        assert!(line.contains("app_request"), "{line}");
    });
}

/// What is missing is said in a sentence before the first request.
#[test]
fn what_cannot_be_run_is_said_at_the_start() {
    for (code, words) in [
        ("Supercharger\\Runtime\\App\\Loop::run(42)", "int is no application"),
        ("Supercharger\\Runtime\\App\\Loop::run(static fn (\\DateTime $when) => '')", "Nobody knows what to give for DateTime $when"),
        ("Supercharger\\Runtime\\App\\Loop::entry()", "RUNTIME_APP_ENTRY is not set"),
        (
            "(static function () { require dirname(__DIR__).'/interface.php'; return Supercharger\\Runtime\\App\\Loop::run(
                static fn (Psr\\Http\\Message\\ServerRequestInterface $request) => ''); })()",
            "composer require nyholm/psr7",
        ),
    ] {
        let dir = folder();
        dir.write("app/interface.php", "<?php namespace Psr\\Http\\Message; interface ServerRequestInterface {}");
        dir.write("app/public/own.php", &format!("<?php exit({code});"));
        let arguments = ["php-server", "--listen", "127.0.0.1:0", "--worker", "public/own.php,1"];
        let mut command = crate::support::program::command(crate::support::program::executable(), &dir);
        command.args(arguments).env("SUPERCHARGER__ADMIN__LISTEN", "off");
        let ended = run_to_end(&dir, command, Duration::from_secs(30));
        assert_eq!(ended.code(), 1, "{ended}");
        assert!(ended.output().contains(words), "{words}: {ended}");
    }
}
