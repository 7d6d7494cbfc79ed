//! A real Symfony application, untouched, in each supported series: the same suite for 6.4, 7.4 and 8.1.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::package::class;
use crate::support::client::{End, Jar, encode};
use crate::support::run::{block_on, run_within};
use crate::support::symfony::{Package, Series, again, launch, skeleton, with_package};
use crate::support::{Answer, Connection, Launch, Mode, Protocol, Server, series};

/// The first request of a fresh copy compiles the container and the templates: seconds in a debug build.
const LIMIT: Duration = Duration::from_secs(120);

fn suite(launch: Launch, test: impl AsyncFnOnce(&mut Server)) {
    run_within(LIMIT, announced(launch), test);
}

fn announced(launch: Launch) -> Launch {
    launch.expect_error("deliberate failure")
}

/// Makes each case a test of its own in each series.
macro_rules! matrix {
    ($($case:ident($mode:expr, $workers:expr);)+) => {
        $(matrix!(@series $case, $mode, $workers, v6_4: V6_4, v7_4: V7_4, v8_1: V8_1);)+
    };
    (@series $case:ident, $mode:expr, $workers:expr, $($name:ident: $series:ident),+) => {
        mod $case {
            use super::*;
            $(
                #[test]
                fn $name() {
                    suite(launch(Series::$series, $mode).workers($workers), async |server| {
                        super::$case(server, Series::$series).await;
                    });
                }
            )+
        }
    };
}

matrix! {
    pages_and_api(Mode::Worker, 2);
    pages_in_classic_mode(Mode::Classic, 2);
    failures(Mode::Worker, 1);
    stream_arrives_in_pieces(Mode::Worker, 2);
    boots_once_over_a_thousand_requests(Mode::Worker, 4);
    parallel_requests_stay_apart(Mode::Worker, 4);
}

async fn pages_and_api(server: &mut Server, series: Series) {
    pages_in_classic_mode(server, series).await;
    banner(server, series);
}

async fn pages_in_classic_mode(server: &mut Server, series: Series) {
    home(server, series).await;
    form_with_csrf(server).await;
    session_per_browser(server).await;
    upload(server).await;
    json_api(server).await;
    error_pages(server).await;
}

async fn home(server: &Server, series: Series) {
    let page = server.get("/").await;
    let text = page.ok().text();
    assert!(text.contains("<html") && text.contains(&format!("{}.", series.number())), "{text}");
    assert!(page.header("content-type").is_some_and(|value| value.starts_with("text/html")), "{page}");
    let style = server.get("/style.css").await;
    assert!(style.ok().header("content-type").is_some_and(|value| value.starts_with("text/css")), "{style}");
}

fn banner(server: &Server, series: Series) {
    let log = server.log();
    let banner: Vec<_> = log.lines().filter(|line| !line.starts_with('{')).flat_map(str::split_whitespace).collect();
    let banner = banner.join(" ");
    for word in ["http://", "worker", "workers 2", "PHP 8.", &format!("Symfony {}.", series.number())] {
        assert!(banner.to_lowercase().contains(&word.to_lowercase()), "{word:?} in the banner:\n{banner}");
    }
}

/// The value of a form field in a page.
fn field(page: &Answer, name: &str) -> String {
    let text = page.text();
    let input = text
        .split('<')
        .find(|tag| tag.starts_with("input") && tag.contains(&format!("name=\"{name}\"")))
        .unwrap_or_else(|| panic!("no field {name}: {text}"));
    let value = input.split("value=\"").nth(1).and_then(|rest| rest.split('"').next());
    value.unwrap_or_else(|| panic!("no value: {input}")).to_owned()
}

async fn form_with_csrf(server: &Server) {
    let mut jar = Jar::default();
    let page = server.get("/notes").await;
    jar.take(page.ok());
    let token = field(&page, "_token");
    assert!(token.len() > 20, "{token}");
    let headers = |cookie: &str| {
        [("content-type", "application/x-www-form-urlencoded".to_owned()), ("cookie", cookie.to_owned())]
    };
    let post = async |cookie: String, body: String| {
        let headers = headers(&cookie);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        server.send("POST", "/notes", &headers, body).await
    };

    // Without the token, with another one, and with the right one but another browser's: refused.
    for (cookie, token) in
        [(jar.header(), String::new()), (jar.header(), "x".repeat(40)), (String::new(), token.clone())]
    {
        let answer = post(cookie, format!("text=forged&_token={}", encode(&token))).await;
        assert_eq!(answer.status(), 422, "{answer}");
    }
    let note = "Stored ✓ <b>by a form</b>";
    let answer = post(jar.header(), format!("text={}&_token={}", encode(note), encode(&token))).await;
    answer.expect(303);
    assert_eq!(answer.header("location"), Some("/notes"), "{answer}");
    jar.take(&answer);
    let page = server.send("GET", "/notes", &[("cookie", &jar.header())], "").await;
    let text = page.ok().text();
    assert!(text.contains("Stored ✓ &lt;b&gt;by a form&lt;/b&gt;"), "{text}");
    assert!(text.contains("The note is stored."), "the flash message: {text}");
    assert!(!text.contains("forged"), "{text}");
    let again = server.send("GET", "/notes", &[("cookie", &jar.header())], "").await;
    assert!(!again.ok().text().contains("The note is stored."), "a flash message is shown once");
}

async fn session_per_browser(server: &Server) {
    let mut jars = [Jar::default(), Jar::default(), Jar::default()];
    for round in 1..=4 {
        for jar in &mut jars {
            let answer = server.send("GET", "/counter", &[("cookie", &jar.header())], "").await;
            jar.take(answer.ok());
            assert_eq!(answer.json(), json!({"count": round}));
        }
    }
}

async fn upload(server: &Server) {
    let body = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
        Content-Type: text/plain\r\n\r\nabc\r\n--edge--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=edge")];
    let answer = server.send("POST", "/upload", &kind, body).await;
    // SHA-256 of "abc": FIPS 180-2, appendix B.1.
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(answer.ok().json(), json!({"name": "a.txt", "size": 3, "sha256": hash}));
    server.send("POST", "/upload", &kind, "--edge--\r\n").await.expect(400);
    server.get("/upload").await.ok();
}

async fn json_api(server: &Server) {
    let kind = [("content-type", "application/json")];
    let mut ids = Vec::new();
    for number in 0..5 {
        let answer =
            server.send("POST", "/api/notes", &kind, json!({"text": format!("note {number}")}).to_string()).await;
        answer.expect(201);
        let note = answer.json();
        assert_eq!(note["text"], format!("note {number}"));
        ids.push(note["id"].as_i64().unwrap_or_else(|| panic!("an id: {note}")));
    }
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    let all = server.json("/api/notes").await;
    let texts: Vec<_> =
        all["notes"].as_array().expect("notes").iter().filter_map(|note| note["text"].as_str()).collect();
    for number in 0..5 {
        assert!(texts.contains(&format!("note {number}").as_str()), "{all}");
    }
    server.send("POST", "/api/notes", &kind, "no JSON").await.expect(400);
    server.send("POST", "/api/notes", &kind, "{\"text\": \"\"}").await.expect(422);
}

async fn error_pages(server: &Server) {
    let page = server.get("/no-such-page").await;
    page.expect(404);
    assert!(page.text().contains("<html"), "the application's own page: {page}");
    let page = server.get("/fail").await;
    page.expect(500);
    assert!(page.text().contains("<html"), "the application's own page: {page}");
    assert!(!page.text().contains("deliberate failure"), "no internals in production: {page}");
    // Wrong method, known path.
    server.send("DELETE", "/counter", &[], "").await.expect(405);
}

async fn failures(server: &mut Server, _: Series) {
    let pid = server.php_pid();
    let kernel = async |server: &Server| server.json("/api/kernel").await;
    let before = kernel(server).await;
    // Symfony turns an exception into its error page: nothing of the worker is lost.
    server.get("/fail").await.expect(500);
    let after = kernel(server).await;
    assert_eq!(after["kernel_object_id"], before["kernel_object_id"]);
    assert_eq!(after["worker"]["incarnation"], before["worker"]["incarnation"]);

    // The response has left when terminate fails.
    for _ in 0..3 {
        assert_eq!(server.get("/fail-terminate").await.ok().text(), "ok");
        let after = kernel(server).await;
        assert_eq!(after["boots"], 1, "{after}");
    }
    assert_eq!(server.php_pid(), pid);
    server.wait_for_log("deliberate failure after the response").await;
}

async fn stream_arrives_in_pieces(server: &mut Server, _: Series) {
    // Boots and compiles, so that the clock below measures the stream alone.
    server.get("/stream?delay_ms=0").await.ok();
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let mut connection = server.connect(protocol).await;
        let started = std::time::Instant::now();
        let mut reading = connection.begin("GET", "/stream?delay_ms=400", &[], "").await;
        reading.until("piece 1\n").await;
        let first = started.elapsed();
        assert_eq!(reading.rest().await, End::Whole);
        let whole = started.elapsed();
        assert_eq!(reading.answer().text(), "piece 1\npiece 2\npiece 3\npiece 4\npiece 5\n");
        // Four pauses lie between the first piece and the end.
        assert!(
            whole - first >= Duration::from_millis(1200),
            "{protocol:?}: first after {first:?}, end after {whole:?}"
        );
    }
}

async fn boots_once_over_a_thousand_requests(server: &mut Server, _: Series) {
    const REQUESTS: usize = 1000;
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let address = server.address();
        clients.spawn(async move {
            let mut connection = Connection::open(address, Protocol::Http1).await;
            let mut seen = Vec::new();
            for _ in 0..REQUESTS / 8 {
                seen.push(connection.get("/api/kernel").await.ok().json());
            }
            seen
        });
    }
    let mut by_slot: HashMap<u64, Vec<Value>> = HashMap::new();
    while let Some(result) = clients.join_next().await {
        for answer in result.expect("a client") {
            by_slot.entry(answer["worker"]["slot"].as_u64().expect("a slot")).or_default().push(answer);
        }
    }
    assert_eq!(by_slot.values().map(Vec::len).sum::<usize>(), REQUESTS);
    for (slot, answers) in &mut by_slot {
        answers.sort_by_key(|answer| answer["requests"].as_u64());
        let first = &answers[0];
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(answer["kernel_object_id"], first["kernel_object_id"], "slot {slot}: the same kernel object");
            assert_eq!(answer["constructions"].as_u64(), first["constructions"].as_u64(), "slot {slot}: {answer}");
            assert_eq!(answer["boots"], 1, "slot {slot}: booted once");
            assert_eq!(answer["worker"]["incarnation"], 1, "slot {slot}");
            assert_eq!(answer["opcache"], true, "slot {slot}");
            // The container lives on (its own count grows by one each time), and it is reset in between.
            assert_eq!(answer["requests"].as_u64(), Some(number as u64 + 1), "slot {slot}: {answer}");
            assert_eq!(
                answer["reset_count"].as_u64(),
                Some(number as u64),
                "slot {slot}: one reset after each request"
            );
        }
    }
    let boots = server.dir().lines("kernel-boots");
    assert!(
        boots <= 4 && boots >= by_slot.len(),
        "{boots} kernel boots on 4 workers, {} of them served",
        by_slot.len()
    );
}

async fn parallel_requests_stay_apart(server: &mut Server, _: Series) {
    server.get("/api/echo").await.ok();
    for round in 0..5 {
        let mut tasks = JoinSet::new();
        for number in 0..200 {
            let address = server.address();
            tasks.spawn(async move {
                let nonce = format!("r{round}n{number}");
                let mut connection = Connection::open(address, Protocol::Http1).await;
                let (cookie, path) = (format!("nonce=c-{nonce}"), format!("/api/echo?sleep_ms=2&nonce=g-{nonce}"));
                let header = format!("h-{nonce}");
                let headers = [
                    ("content-type", "application/x-www-form-urlencoded"),
                    ("cookie", cookie.as_str()),
                    ("x-nonce", header.as_str()),
                ];
                let answer = connection.send("POST", &path, &headers, format!("nonce=p-{nonce}")).await;
                let seen = answer.ok().json();
                assert_eq!(seen["query"]["nonce"], format!("g-{nonce}"));
                assert_eq!(seen["post"], json!({"nonce": format!("p-{nonce}")}));
                assert_eq!(seen["cookies"], json!({"nonce": format!("c-{nonce}")}));
                assert_eq!(seen["headers"]["x-nonce"], header);
            });
        }
        while let Some(result) = tasks.join_next().await {
            result.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    }
}

/// The client never waits for terminate and reset: the reset of a request is over before the next one, not part of it.
#[test]
fn the_reset_is_done_before_the_next_request_comes() {
    suite(launch(Series::V7_4, Mode::Worker).workers(1), async |server| {
        server.get("/api/kernel").await.ok();
        for number in 1..=3 {
            let seen = server.json("/api/kernel").await;
            assert_eq!(seen["reset_count"], number, "{seen}");
        }
    });
}

/// With debug on, the application's exception page shows itself and the worker lives on. The page walks over every frame of
/// the stack, also those of the runtime that the binary carries.
async fn exception_page_of_development(server: &Server, series: Series) {
    home(server, series).await;
    let before = server.json("/api/kernel").await;
    for _ in 0..2 {
        let page = server.get("/fail").await;
        page.expect(500);
        let text = page.text();
        assert!(text.contains("deliberate failure") && text.contains("FailController"), "the exception page: {page}");
        assert!(text.trim_end().ends_with("-->") || text.trim_end().ends_with("</html>"), "a whole page: {page}");
    }
    let missing = server.get("/no-such-page").await;
    missing.expect(404);
    assert!(missing.text().contains("No route found"), "{missing}");
    let after = server.json("/api/kernel").await;
    assert_eq!(after["worker"]["incarnation"], before["worker"]["incarnation"], "the worker lives on");
}

mod development_environment {
    use super::*;

    fn in_series(series: Series) {
        let launch = launch(series, Mode::Worker).workers(1).env("APP_ENV", "dev").env("APP_DEBUG", "1");
        suite(launch, async |server| exception_page_of_development(server, series).await);
    }

    series!(in_series: v6_4, v7_4, v8_1);
}

/// The same suite with the package: servers that follow each other over one application.
mod with_the_package {
    use super::*;

    /// Four servers.
    const LIMIT: Duration = Duration::from_secs(240);

    const WHERE: &str = "final class Where
{
    #[Route('/where')]
    public function page(): JsonResponse
    {
        return new JsonResponse((new \\ReflectionClass(\\Supercharger\\Runtime\\KernelRunner::class))->getFileName());
    }
}";

    async fn with(launch: Launch, test: impl AsyncFnOnce(&mut Server)) {
        let mut server = announced(launch).start().await;
        test(&mut server).await;
        server.finish().await;
    }

    fn in_series(series: Series) {
        let first = with_package(series, Mode::Worker);
        class(&first, "Where", WHERE);
        let dir = first.dir().clone();
        block_on(LIMIT, async {
            with(first.workers(4), async |server| {
                boots_once_over_a_thousand_requests(server, series).await;
                let file = server.json("/where").await;
                let file = file.as_str().unwrap_or_default();
                assert!(file.ends_with("/package/src/KernelRunner.php"), "its own copy, not the carried one: {file}");
                pages_in_classic_mode(server, series).await;
                stream_arrives_in_pieces(server, series).await;
                parallel_requests_stay_apart(server, series).await;
            })
            .await;
            with(again(&dir, Mode::Worker).workers(1), async |server| failures(server, series).await).await;
            with(again(&dir, Mode::Classic).workers(2), async |server| pages_in_classic_mode(server, series).await)
                .await;
            let development = again(&dir, Mode::Worker).workers(1).env("APP_ENV", "dev").env("APP_DEBUG", "1");
            with(development, async |server| exception_page_of_development(server, series).await).await;
        });
    }

    series!(in_series: v6_4, v7_4, v8_1);
}

/// A new project, with the package and without, in development and in production: it runs, and drift has nothing to say of it.
mod a_new_project {
    use super::*;

    /// Above the requests after which everything has been told that there is to be told.
    const ROUNDS: usize = 20;

    /// Keeps every record of a debug kernel, for a profiler that is not there. The package empties it.
    const KEPT_BY_SYMFONY: [&str; 2] = ["Log\\\\Logger->logs", "Log\\\\Logger->errorCount"];

    async fn runs(launch: Launch, welcome: &str, kept: &[&str]) {
        // What the engine puts back is told there: Symfony sets a locale with each request.
        let server = launch.workers(1).config("log.level", "\"debug\"").start().await;
        for round in 0..ROUNDS {
            let name = format!("visitor-{round}");
            assert_eq!(server.json(&format!("/hello/{name}?greeting=g{round}")).await, json!({"hello": name}));
            let page = server.get("/").await;
            page.expect(404);
            assert!(page.text().contains(welcome), "{page}");
        }
        let log = server.log();
        let told: Vec<_> = log.lines().filter(|line| line.contains("\"drift.found\"")).collect();
        let (known, loud): (Vec<&str>, Vec<&str>) = told
            .iter()
            .filter(|line| !line.contains("\"level\":\"info\"") && !line.contains("\"level\":\"debug\""))
            .partition(|line| kept.iter().any(|what| line.contains(what)));
        assert!(loud.is_empty() && known.len() == kept.len(), "{loud:#?} {known:#?}");
        // Somebody has looked.
        assert!(told.iter().any(|line| line.contains("intl.default_locale")), "{told:#?}");
        server.finish().await;
    }

    async fn both(series: Series, package: Package) {
        let launch = skeleton(series, package);
        let dir = launch.dir().clone();
        let kept: &[&str] = if package == Package::Carried { &KEPT_BY_SYMFONY } else { &[] };
        runs(launch, "Welcome to Symfony", kept).await;
        runs(again(&dir, Mode::Worker), "Not Found", &[]).await;
    }

    fn in_series(series: Series) {
        block_on(LIMIT, async {
            both(series, Package::Carried).await;
            both(series, Package::Required).await;
        });
    }

    series!(in_series: v6_4, v7_4, v8_1);
}

/// A worker that died in the application boots a new kernel, and only that one.
#[test]
fn a_dead_worker_is_replaced_by_a_fresh_kernel() {
    let launch = launch(Series::V7_4, Mode::Worker).workers(1);
    let controller = r"<?php

declare(strict_types=1);

namespace App\Controller;

use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\Routing\Attribute\Route;

final readonly class EndController
{
    #[Route('/end/exit')]
    public function leave(): Response
    {
        exit(1);
    }

    #[Route('/end/memory')]
    public function memory(): Response
    {
        ini_set('memory_limit', '64M');
        return new Response(str_repeat('x', 2_000_000_000));
    }
}
";
    launch.dir().write("app/src/Controller/EndController.php", controller);
    suite(launch.expect_error("Allowed memory size"), async |server| {
        let mut incarnation = 1;
        for path in ["/end/exit", "/end/memory", "/end/exit"] {
            assert_eq!(server.json("/api/kernel").await["worker"]["incarnation"], incarnation);
            server.get(path).await.expect(500);
            incarnation += 1;
            let seen = server.json("/api/kernel").await;
            assert_eq!(seen["worker"]["incarnation"], incarnation, "after {path}: {seen}");
            assert_eq!(
                (&seen["boots"], &seen["requests"], &seen["reset_count"]),
                (&json!(1), &json!(1), &json!(0)),
                "{seen}"
            );
        }
    });
}
