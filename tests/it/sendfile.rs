//! `X-Sendfile` and `X-Accel-Redirect`: PHP names a file, the server sends it.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::support::client::{End, encode};
use crate::support::run::run_within;
use crate::support::symfony::{Series, launch};
use crate::support::{Answer, Launch, Mode, Protocol, Server, modes};

/// Files beside the application: `files/` is allowed, `other/` is not.
fn with_files(launch: Launch) -> Launch {
    let dir = launch.dir();
    dir.write("files/report.txt", "0123456789");
    dir.write("files/deep/a b.txt", "deep");
    dir.write("files/odd\u{e9}%41.txt", "odd");
    dir.write("files/.hidden", "asked for");
    dir.write("other/secret.txt", "not for the world");
    symlink("../other/secret.txt", dir.path().join("files/leak.txt")).expect("a link");
    symlink("../other", dir.path().join("files/leak")).expect("a link");
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
    let report = File::options().write(true).open(dir.path().join("files/report.txt")).expect("a file");
    report.set_modified(yesterday).expect("its time is set");
    launch
}

fn allowed(launch: Launch) -> Launch {
    with_files(launch).config("app.sendfile", "[\"files\"]").config("app.accel", "{ \"/protected/\" = \"files\" }")
}

/// The path of an answer with these fields and a body of PHP's own.
fn reply(fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("&header[]={}", encode(field))).collect();
    format!("/reply?body=of-php{fields}")
}

fn named(server: &Server, file: &str) -> String {
    let base = server.dir().path().canonicalize().expect("a folder");
    format!("X-Sendfile: {}/{file}", base.display())
}

async fn ask(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    server.send("GET", path, headers, "").await
}

#[track_caller]
fn tells_no_path(answer: &Answer) {
    let told = format!("{answer}");
    for word in ["x-sendfile", "x-accel", "supercharger-test-", "/files", "secret"] {
        assert!(!told.to_lowercase().contains(word), "{word}: {told}");
    }
}

modes!(a_file_that_php_names_is_sent, allowed, async |server| {
    let given = [
        "Content-Type: text/x-report",
        "Content-Disposition: attachment; filename=\"r.txt\"",
        "Cache-Control: private",
        "Set-Cookie: a=1",
        "X-Own: kept",
        "Content-Length: 6",
    ];
    for wish in [named(server, "files/report.txt"), "X-Accel-Redirect: /protected/report.txt".to_owned()] {
        let path = reply(&[&given[..], &[&wish]].concat());
        let answer = ask(server, &path, &[]).await;
        assert_eq!(answer.ok().text(), "0123456789", "the body of PHP is discarded");
        assert_eq!(answer.header("content-length"), Some("10"));
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/x-report")), "{answer}");
        assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"r.txt\""));
        assert_eq!(answer.header("cache-control"), Some("private"));
        assert_eq!((answer.header("x-own"), answer.cookies()), (Some("kept"), vec!["a=1".to_owned()]));
        tells_no_path(&answer);
        let tag = answer.header("etag").expect("a tag").to_owned();
        let date = answer.header("last-modified").expect("a date").to_owned();

        let head = server.send("HEAD", &path, &[], "").await;
        assert_eq!((head.ok().text().as_str(), head.header("content-length")), ("", Some("10")));
        for fields in [[("if-none-match", tag.as_str())], [("if-modified-since", date.as_str())]] {
            let unchanged = ask(server, &path, &fields).await;
            assert_eq!(unchanged.expect(304).cookies(), ["a=1"], "fields of PHP stay");
        }
        ask(server, &path, &[("if-match", "\"other\"")]).await.expect(412);
        let part = ask(server, &path, &[("range", "bytes=2-4"), ("if-range", &tag)]).await;
        assert_eq!((part.expect(206).text().as_str(), part.header("content-range")), ("234", Some("bytes 2-4/10")));
        let parts = ask(server, &path, &[("range", "bytes=0-0,9-9")]).await;
        assert!(parts.expect(206).text().contains("Content-Range: bytes 9-9/10\r\n\r\n9\r\n"), "{parts}");
        ask(server, &path, &[("range", "bytes=10-")]).await.expect(416);
        // A form that is answered with a file gets all of it.
        let posted = server.send("POST", &path, &[("range", "bytes=2-4"), ("if-none-match", &tag)], "x").await;
        assert_eq!(posted.ok().text(), "0123456789");
    }
    // Validators of PHP's own count instead of the file's.
    let own =
        ask(server, &reply(&[&named(server, "files/report.txt"), "ETag: \"v1\""]), &[("if-none-match", "\"v1\"")])
            .await;
    assert_eq!(own.expect(304).header("etag"), Some("\"v1\""));
    // A status of PHP's own stays; a part is one of a 200.
    let path = format!("{}&status=403", reply(&[&named(server, "files/report.txt")]));
    let denied = ask(server, &path, &[("range", "bytes=0-1")]).await;
    assert_eq!(denied.expect(403).text(), "0123456789");
    let path = format!("{}&status=304", reply(&[&named(server, "files/report.txt")]));
    tells_no_path(ask(server, &path, &[]).await.expect(304));
});

modes!(names_are_taken_as_they_are_and_paths_are_decoded, allowed, async |server| {
    for (wish, text) in [
        (named(server, "files/deep/a b.txt"), "deep"),
        (named(server, "files/odd\u{e9}%41.txt"), "odd"),
        (named(server, "files/.hidden"), "asked for"),
        ("X-Accel-Redirect: /protected/deep/a%20b.txt?x=1".to_owned(), "deep"),
        ("X-Accel-Redirect: /protected/odd%C3%A9%2541.txt".to_owned(), "odd"),
        ("X-Accel-Redirect: %2Fprotected%2Fdeep%2Fa%20b.txt".to_owned(), "deep"),
    ] {
        let answer = ask(server, &reply(&[&wish]), &[]).await;
        assert_eq!(answer.ok().text(), text, "{wish}");
    }
});

modes!(what_lies_elsewhere_is_refused, allowed, async |server| {
    let base = server.dir().path().canonicalize().expect("a folder").display().to_string();
    let made = std::process::Command::new("mkfifo").arg(server.dir().path().join("files/pipe")).status();
    assert!(made.expect("mkfifo runs").success());
    let wishes = [
        format!("X-Sendfile: {base}/other/secret.txt"),
        format!("X-Sendfile: {base}/files/../other/secret.txt"),
        format!("X-Sendfile: {base}/files/leak.txt"),
        format!("X-Sendfile: {base}/files/leak/secret.txt"),
        format!("X-Sendfile: {base}/files/missing.txt"),
        format!("X-Sendfile: {base}/files/deep/a%20b.txt"),
        format!("X-Sendfile: {base}/files/deep"),
        format!("X-Sendfile: {base}/files/pipe"),
        "X-Sendfile: files/report.txt".to_owned(),
        "X-Sendfile: ../files/report.txt".to_owned(),
        "X-Sendfile: /etc/passwd".to_owned(),
        "X-Sendfile: file:///etc/passwd".to_owned(),
        "X-Accel-Redirect: /protected/../other/secret.txt".to_owned(),
        "X-Accel-Redirect: /protected/%2e%2e/other/secret.txt".to_owned(),
        "X-Accel-Redirect: /protected/..%2fother%2fsecret.txt".to_owned(),
        "X-Accel-Redirect: /protected/deep/../../../etc/passwd".to_owned(),
        "X-Accel-Redirect: /protected/report.txt%00.jpg".to_owned(),
        "X-Accel-Redirect: /protected/leak.txt".to_owned(),
        "X-Accel-Redirect: /protected".to_owned(),
        "X-Accel-Redirect: /index.php".to_owned(),
        "X-Accel-Redirect: @elsewhere".to_owned(),
        "X-Accel-Redirect: http://127.0.0.1/".to_owned(),
    ];
    for wish in &wishes {
        let answer = ask(server, &reply(&[wish, "Set-Cookie: a=1"]), &[]).await;
        answer.expect(404);
        tells_no_path(&answer);
        assert!(!answer.text().contains("of-php") && !answer.text().contains("world"), "{wish}: {answer}");
    }
    server.wait_for_log("sendfile.refused").await;
    let refused = server.log().lines().filter(|line| line.contains("sendfile.refused")).count();
    assert_eq!(refused, wishes.len(), "each is logged");
});

modes!(nothing_is_sent_unless_a_folder_is_named, with_files, async |server| {
    for wish in [named(server, "files/report.txt"), "X-Accel-Redirect: /protected/report.txt".to_owned()] {
        let answer = ask(server, &reply(&[&wish]), &[]).await;
        tells_no_path(answer.expect(404));
    }
    let line = server.wait_for_log("app.sendfile names no folder").await;
    assert!(line.contains("files/report.txt") && line.contains("request_id"), "the operator is told: {line}");
    // Without a wish nothing changes.
    assert_eq!(ask(server, &reply(&[]), &[]).await.ok().text(), "of-php");
});

// Symfony believes these two fields, once it was told to trust them: a client must not be able to send them.
modes!(a_client_cannot_say_what_the_server_understands, with_files, async |server| {
    let fields = [("x-sendfile-type", "X-Sendfile"), ("x-accel-mapping", "/=/")];
    let state = server.send("GET", "/state", &fields, "").await.ok().json();
    assert_eq!(state["server"].get("HTTP_X_SENDFILE_TYPE"), None);
    assert_eq!(state["server"].get("HTTP_X_ACCEL_MAPPING"), None);
});

modes!(
    a_client_cannot_say_it_either_where_a_folder_is_named,
    |launch| with_files(launch).config("app.sendfile", "[\"files\"]"),
    async |server| {
        let fields = [("x-sendfile-type", "X-Accel-Redirect"), ("x-accel-mapping", "/=/")];
        let state = server.send("GET", "/state", &fields, "").await.ok().json();
        assert_eq!(state["server"]["HTTP_X_SENDFILE_TYPE"], "X-Sendfile");
        assert_eq!(state["server"].get("HTTP_X_ACCEL_MAPPING"), None);
    }
);

modes!(a_slow_client_holds_no_worker, |launch| allowed(launch).workers(1), async |server| {
    let size = 64 * 1024 * 1024;
    File::create(server.dir().path().join("files/large.bin")).expect("a file").set_len(size).expect("a sparse file");
    let path = reply(&["X-Accel-Redirect: /protected/large.bin"]);
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(server.connect(Protocol::Http1).await.begin("GET", &path, &[], "").await);
    }
    for _ in 0..5 {
        assert_eq!(server.get("/").await.ok().text(), "hello");
    }
    let mut first = slow.pop().expect("a reader");
    assert_eq!(first.rest().await, End::Whole);
    assert_eq!(first.answer().body().len() as u64, size);
});

// The head is there at the first flush; what PHP prints after it goes nowhere and blocks nobody.
modes!(a_streamed_body_of_php_is_discarded, |launch| allowed(launch).workers(1), async |server| {
    server.dir().write(
        "app/public/stream.php",
        "<?php declare(strict_types=1); header('X-Accel-Redirect: /protected/report.txt'); flush(); \
         for ($i = 0; $i < 4000; ++$i) { echo str_repeat('x', 1024); } touch(getenv('TEST_DIR').'/printed-all');",
    );
    // Worker mode runs no script by its path; its own stream has no such header, so there is nothing to see there.
    let answer = server.get("/stream.php").await;
    if answer.status() == 200 {
        assert_eq!(answer.text(), "0123456789");
        server.dir().wait_for_mark("printed-all").await;
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

/// A controller as Symfony's manual has it.
const CONTROLLER: &str = r"<?php

declare(strict_types=1);

namespace App\Controller;

use Symfony\Component\HttpFoundation\BinaryFileResponse;
use Symfony\Component\HttpFoundation\ResponseHeaderBag;
use Symfony\Component\Routing\Attribute\Route;

final readonly class DownloadController
{
    #[Route('/download', methods: ['GET'])]
    public function __invoke(): BinaryFileResponse
    {
        BinaryFileResponse::trustXSendfileTypeHeader();
        $file = dirname(__DIR__, 2).'/private/the report.txt';
        $response = new BinaryFileResponse($file, headers: ['Content-Type' => 'text/plain'], autoEtag: true);
        $response->setContentDisposition(ResponseHeaderBag::DISPOSITION_ATTACHMENT, 'report.txt');

        return $response;
    }
}
";

fn symfony(series: Series, mode: Mode, key: &str, value: &str) {
    let launch = launch(series, mode);
    launch.dir().write("app/src/Controller/DownloadController.php", CONTROLLER);
    launch.dir().write("app/private/the report.txt", "0123456789");
    let launch = launch.workers(2).config(key, value);
    run_within(Duration::from_secs(120), launch, async |server| {
        let answer = server.get("/download").await;
        assert_eq!(answer.ok().text(), "0123456789");
        assert_eq!(answer.header("content-disposition"), Some("attachment; filename=report.txt"));
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{answer}");
        tells_no_path(&answer);
        let tag = answer.header("etag").expect("Symfony's own tag").to_owned();
        ask(server, "/download", &[("if-none-match", &tag)]).await.expect(304);
        let part = ask(server, "/download", &[("range", "bytes=3-5")]).await;
        assert_eq!(part.expect(206).text(), "345");
        // Proof that it is the server that sends: several ranges are beyond Symfony.
        let parts = ask(server, "/download", &[("range", "bytes=0-0,9-9")]).await;
        assert!(parts.expect(206).text().contains("Content-Range: bytes 9-9/10"), "{parts}");
    });
}

#[test]
fn symfony_sends_a_file_by_x_sendfile() {
    symfony(Series::V7_4, Mode::Worker, "app.sendfile", "[\"app/private\"]");
}

#[test]
fn symfony_sends_a_file_by_x_accel_redirect() {
    symfony(Series::V6_4, Mode::Worker, "app.accel", "{ \"/_files/\" = \"app/private\" }");
}

#[test]
fn symfony_sends_a_file_by_x_accel_redirect_in_classic_mode() {
    symfony(Series::V8_1, Mode::Classic, "app.accel", "{ \"/_files/\" = \"app/private\" }");
}
