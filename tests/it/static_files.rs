//! Files under the root: what they are sent as, conditions, ranges, forms compressed beforehand, and what is never sent.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::client::End;
use crate::support::raw::{header, status};
use crate::support::{Answer, Launch, Mode, Server, modes, run};

fn public(server: &Server) -> PathBuf {
    server.dir().app().join("public")
}

/// Writes a file that changed a day ago: its tag is strong.
fn old_file(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, content).expect("a file");
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
    File::options().write(true).open(path).expect("a file").set_modified(yesterday).expect("its time is set");
}

fn digits() -> Vec<u8> {
    (0..1000_u32).flat_map(|number| format!("{number:03}\n").into_bytes()).collect()
}

async fn ask(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    server.send("GET", path, headers, "").await
}

modes!(types_and_lengths, async |server| {
    let cases = [
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.svg", "image/svg+xml"),
        ("a.avif", "image/avif"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.json", "application/json"),
        ("a.bin-of-no-kind", "application/octet-stream"),
        ("a b\u{e9}.txt", "text/plain; charset=utf-8"),
    ];
    for (name, kind) in cases {
        old_file(&public(server).join(name), "four");
        let path = format!("/{}", crate::support::client::encode(name));
        let answer = ask(server, &path, &[]).await;
        assert_eq!(answer.ok().text(), "four", "{name}");
        assert_eq!(answer.header("content-type"), Some(kind), "{name}");
        assert_eq!(answer.header("content-length"), Some("4"), "{name}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
        assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{name}");
        assert_eq!(answer.header("vary"), None, "{name}");
        let head = server.send("HEAD", &path, &[], "").await;
        assert_eq!(head.ok().text(), "");
        for field in ["content-type", "content-length", "etag", "last-modified", "accept-ranges"] {
            assert_eq!(head.header(field), answer.header(field), "{name}: {field} of HEAD");
        }
    }
    old_file(&public(server).join("empty.txt"), "");
    let empty = ask(server, "/empty.txt", &[]).await;
    assert_eq!((empty.ok().text().as_str(), empty.header("content-length")), ("", Some("0")));
    ask(server, "/empty.txt", &[("range", "bytes=0-")]).await.expect(416);
});

// The order of RFC 9110 section 13.2.2; the whole table is beside the code.
modes!(conditional_requests, async |server| {
    old_file(&public(server).join("a.txt"), "content");
    let plain = ask(server, "/a.txt", &[]).await;
    let tag = plain.ok().header("etag").expect("a tag").to_owned();
    let date = plain.header("last-modified").expect("a date").to_owned();
    assert!(tag.starts_with('"'), "strong: {tag}");
    let long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
    let weak = format!("W/{tag}");
    let list = format!("\"x\", {tag}");
    let cases: [(&[(&str, &str)], u16); 13] = [
        (&[("if-none-match", &tag)], 304),
        (&[("if-none-match", &weak)], 304),
        (&[("if-none-match", &list)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-none-match", "\"x\""), ("if-modified-since", &date)], 200),
        (&[("if-modified-since", &date)], 304),
        (&[("if-modified-since", long_ago)], 200),
        (&[("if-modified-since", "nonsense")], 200),
        (&[("if-match", &tag)], 200),
        (&[("if-match", "\"x\"")], 412),
        (&[("if-unmodified-since", long_ago)], 412),
        (&[("if-match", &tag), ("if-unmodified-since", long_ago)], 200),
    ];
    for (headers, expected) in cases {
        for method in ["GET", "HEAD"] {
            let answer = server.send(method, "/a.txt", headers, "").await;
            answer.expect(expected);
            let body = if expected == 200 && method == "GET" { "content" } else { "" };
            assert_eq!(answer.text(), body, "{method} {headers:?}");
            assert_eq!(answer.header("etag"), Some(tag.as_str()), "{method} {headers:?}");
            if expected == 304 {
                assert_eq!(answer.header("content-type"), None, "{answer}");
                assert_eq!(answer.header("content-length"), None, "{answer}");
            }
        }
    }
    // Another content has another tag, and one that may still change has none that counts as the same bytes.
    fs::write(public(server).join("a.txt"), "CONTENT").expect("a file");
    let changed = ask(server, "/a.txt", &[("if-none-match", &tag)]).await;
    assert_eq!(changed.ok().text(), "CONTENT");
    assert!(changed.header("etag").is_some_and(|tag| tag.starts_with("W/\"")), "{changed}");
});

modes!(ranges, async |server| {
    let content = digits();
    old_file(&public(server).join("digits.txt"), &content);
    let tag = ask(server, "/digits.txt", &[]).await.ok().header("etag").expect("a tag").to_owned();
    let cases = [
        ("bytes=0-3", "bytes 0-3/4000", 0..4),
        ("bytes=3996-", "bytes 3996-3999/4000", 3996..4000),
        ("bytes=-8", "bytes 3992-3999/4000", 3992..4000),
        ("bytes=3998-9999", "bytes 3998-3999/4000", 3998..4000),
        ("bytes=-9999", "bytes 0-3999/4000", 0..4000),
    ];
    for (range, told, part) in cases {
        let answer = ask(server, "/digits.txt", &[("range", range)]).await;
        answer.expect(206);
        assert_eq!(answer.header("content-range"), Some(told), "{range}");
        assert_eq!(answer.body(), &content[part], "{range}");
    }
    for range in ["bytes=4000-", "bytes=-0", "bytes=5000-6000,7000-"] {
        let answer = ask(server, "/digits.txt", &[("range", range)]).await;
        answer.expect(416);
        assert_eq!((answer.header("content-range"), answer.text().as_str()), (Some("bytes */4000"), ""), "{range}");
    }
    for range in ["bytes=4-3", "bytes=x-y", "lines=0-1", "bytes=0-3999,0-3999"] {
        assert_eq!(ask(server, "/digits.txt", &[("range", range)]).await.ok().body(), content, "{range} is ignored");
    }
    let seen = ask(server, "/digits.txt", &[("range", "bytes=0-3"), ("if-range", &tag)]).await;
    assert_eq!(seen.expect(206).text(), "000\n");
    let changed = ask(server, "/digits.txt", &[("range", "bytes=0-3"), ("if-range", "\"older\"")]).await;
    assert_eq!(changed.ok().body(), content);
    // HEAD has no parts (RFC 9110 section 14.2).
    let head = server.send("HEAD", "/digits.txt", &[("range", "bytes=0-3")], "").await;
    assert_eq!(head.ok().header("content-length"), Some("4000"));
});

modes!(several_ranges_are_one_message, async |server| {
    let content = digits();
    old_file(&public(server).join("digits.txt"), &content);
    let answer = ask(server, "/digits.txt", &[("range", "bytes=4-7,0-3, -4")]).await;
    answer.expect(206);
    let kind = answer.header("content-type").expect("a type");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("a boundary");
    let mut expected = String::new();
    for (range, part) in [("4-7", "001\n"), ("0-3", "000\n"), ("3996-3999", "999\n")] {
        let head = "Content-Type: text/plain; charset=utf-8\r\nContent-Range: bytes";
        expected += &format!("\r\n--{boundary}\r\n{head} {range}/4000\r\n\r\n{part}");
    }
    expected += &format!("\r\n--{boundary}--\r\n");
    assert_eq!(answer.text(), expected);
    assert_eq!(answer.header("content-length"), Some(expected.len().to_string().as_str()));
});

modes!(forms_compressed_beforehand, async |server| {
    let site = public(server);
    for (name, content) in [("app.js", "plain"), ("app.js.br", "brotli"), ("app.js.gz", "gzip"), ("app.js.zst", "zstd")]
    {
        old_file(&site.join(name), content);
    }
    let cases = [
        ("", "plain", None),
        ("identity", "plain", None),
        ("gzip", "gzip", Some("gzip")),
        ("gzip, deflate, br, zstd", "brotli", Some("br")),
        ("zstd, gzip", "zstd", Some("zstd")),
        ("br;q=0.2, gzip;q=0.8", "gzip", Some("gzip")),
        ("br;q=0, *", "zstd", Some("zstd")),
        ("*;q=0", "plain", None),
        ("identity, br;q=0.5", "plain", None),
    ];
    let mut tags = std::collections::BTreeSet::new();
    for (accept, body, coding) in cases {
        let answer = ask(server, "/app.js", &[("accept-encoding", accept)]).await;
        assert_eq!(answer.ok().text(), body, "{accept}");
        assert_eq!(answer.header("content-encoding"), coding, "{accept}");
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"), "{accept}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accept}");
        let tag = answer.header("etag").expect("a tag").to_owned();
        let again = ask(server, "/app.js", &[("accept-encoding", accept), ("if-none-match", &tag)]).await;
        assert_eq!(again.expect(304).header("vary"), Some("accept-encoding"));
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 4, "each form has its own tag: {tags:?}");
    // Parts are parts of the plain file.
    let part = ask(server, "/app.js", &[("accept-encoding", "br"), ("range", "bytes=0-1")]).await;
    assert_eq!((part.expect(206).text().as_str(), part.header("content-encoding")), ("pl", None));
    // By its own name a form is a file like any other.
    let archive = ask(server, "/app.js.gz", &[("accept-encoding", "gzip")]).await;
    assert_eq!((archive.ok().text().as_str(), archive.header("content-encoding")), ("gzip", None));
    assert_eq!(archive.header("content-type"), Some("application/gzip"));
    // A form alone is no file, and what lies beside something hidden is as hidden.
    old_file(&site.join("lonely.js.br"), "brotli");
    ask(server, "/lonely.js", &[("accept-encoding", "br")]).await.expect(404);
    server.dir().write("app/secret.txt", "not for the world");
    old_file(&site.join("b.js"), "plain");
    symlink("/etc/passwd", site.join("b.js.br")).expect("a link");
    let answer = ask(server, "/b.js", &[("accept-encoding", "br")]).await;
    assert_eq!((answer.ok().text().as_str(), answer.header("content-encoding")), ("plain", None));
    old_file(&site.join("index.php.gz"), "source");
    ask(server, "/index.php.gz", &[]).await.expect(404);
    let front = ask(server, "/index.php", &[("accept-encoding", "gzip")]).await;
    assert_ne!(front.partial_body(), b"source");
});

modes!(what_is_never_sent, async |server| {
    let site = public(server);
    server.dir().write("outside/secret.txt", "not for the world");
    for name in
        [".env", ".git/config", ".well-known/.hidden", "a/.htpasswd", "x.php.bak", "x.PHP~", "x.phtml", "x.phar"]
    {
        server.dir().write(&format!("app/public/{name}"), "not for the world");
    }
    symlink(server.dir().path().join("outside"), site.join("folder")).expect("a link");
    symlink("../../outside/secret.txt", site.join("file.txt")).expect("a link");
    symlink(".env", site.join("env.txt")).expect("a link");
    symlink("index.php", site.join("source.txt")).expect("a link");
    symlink("loop.txt", site.join("loop.txt")).expect("a link");
    assert!(Command::new("mkfifo").arg(site.join("pipe.txt")).status().expect("mkfifo runs").success());
    let _socket = std::os::unix::net::UnixListener::bind(site.join("socket.txt")).expect("a socket");
    symlink("/dev/zero", site.join("zero.txt")).expect("a link");
    symlink("pipe.txt", site.join("pipe-link.txt")).expect("a link");
    for path in [
        "/.env",
        "/.git/config",
        "/.well-known/.hidden",
        "/a/.htpasswd",
        "/x.php.bak",
        "/x.PHP~",
        "/x.phtml",
        "/x.phar",
        "/folder/secret.txt",
        "/file.txt",
        "/env.txt",
        "/source.txt",
        "/pipe.txt",
        "/socket.txt",
        "/zero.txt",
        "/pipe-link.txt",
        "/%2eenv",
        "/a/%2e%2e/.env",
        "/x%2ephar",
    ] {
        let answer = ask(server, path, &[]).await;
        answer.expect(404);
        assert!(!answer.text().contains("world") && !answer.text().contains("<?php"), "{path}: {answer}");
    }
    // No file: the front controller's business, which has no such route.
    for path in ["/loop.txt", "/HELLO.TXT", "/hello.txt/", "/hello.txt/x", "/hello.txt%20", "/hello.txt."] {
        let answer = ask(server, path, &[]).await;
        assert!(answer.expect(404).text().starts_with("no such route"), "{path}: {answer}");
    }
    for length in [255, 256, 300, 5000] {
        let answer = ask(server, &format!("/{}.txt", "x".repeat(length)), &[]).await;
        assert!(answer.expect(404).text().starts_with("no such route"), "{length}: {answer}");
    }
});

modes!(names_of_any_bytes, async |server| {
    use std::os::unix::ffi::OsStrExt as _;
    for name in [&b"caf\xe9.txt"[..], b"tab\there.txt", b"line\nbreak.txt", b"a\\b.txt", b"semi;colon.txt", b"100%.txt"]
    {
        let file = public(server).join(std::ffi::OsStr::from_bytes(name));
        fs::write(&file, "odd").expect("a file");
        let path: String = name.iter().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(ask(server, &format!("/{path}"), &[]).await.ok().text(), "odd", "{}", name.escape_ascii());
    }
});

// `assets:install --symlink` and `storage:link` make such links; the project is the folder with vendor/.
modes!(
    links_may_lead_anywhere_in_the_project,
    |launch| {
        let app = launch.dir().app();
        fs::create_dir_all(app.join("vendor/acme/public")).expect("a folder");
        launch
    },
    async |server| {
        let app = server.dir().app();
        old_file(&app.join("vendor/acme/public/a.css"), "from a bundle");
        old_file(&app.join("storage/photo.txt"), "from storage");
        fs::write(app.join(".env"), "not for the world").expect("a file");
        server.dir().write("outside.txt", "not for the world");
        fs::create_dir(public(server).join("bundles")).expect("a folder");
        symlink("../../vendor/acme/public", public(server).join("bundles/acme")).expect("a link");
        symlink(app.join("storage"), public(server).join("storage")).expect("a link");
        symlink("..", public(server).join("project")).expect("a link");
        symlink("../../outside.txt", public(server).join("outside.txt")).expect("a link");
        assert_eq!(ask(server, "/bundles/acme/a.css", &[]).await.ok().text(), "from a bundle");
        assert_eq!(ask(server, "/storage/photo.txt", &[]).await.ok().text(), "from storage");
        for path in ["/project/.env", "/project/app.php", "/outside.txt"] {
            let answer = ask(server, path, &[]).await;
            answer.expect(404);
            assert!(!answer.text().contains("world") && !answer.text().contains("<?php"), "{path}: {answer}");
        }
    }
);

modes!(methods_that_do_not_read_go_to_the_application, async |server| {
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = server.send(method, "/hello.txt", &[], "").await;
        assert_eq!(answer.expect(404).text(), "no such route: /hello.txt", "{method}");
    }
});

// A file that comes, changes or goes while the server runs is seen by the very next request.
modes!(files_are_found_in_the_moment_they_are_there, async |server| {
    let site = public(server);
    let mut connection = server.connect(crate::support::Protocol::Http1).await;
    connection.get("/uploads/0.txt").await.expect(404);
    fs::create_dir(site.join("uploads")).expect("a folder");
    for round in 0..100 {
        let (path, file) = (format!("/uploads/{round}.txt"), site.join(format!("uploads/{round}.txt")));
        connection.get(&path).await.expect(404);
        fs::write(&file, format!("number {round}")).expect("a file");
        assert_eq!(connection.get(&path).await.ok().text(), format!("number {round}"));
        fs::write(&file, "changed").expect("a file");
        assert_eq!(connection.get(&path).await.ok().text(), "changed");
        fs::remove_file(&file).expect("removed");
        connection.get(&path).await.expect(404);
    }
    // A folder of built assets is exchanged for a new one.
    for round in 0..5 {
        fs::create_dir_all(site.join("build.new")).expect("a folder");
        fs::write(site.join(format!("build.new/{round}.js")), "code").expect("a file");
        if round > 0 {
            fs::rename(site.join("build"), site.join(format!("build.{round}"))).expect("renamed");
        }
        fs::rename(site.join("build.new"), site.join("build")).expect("renamed");
        assert_eq!(connection.get(&format!("/build/{round}.js")).await.ok().text(), "code");
        connection.get(&format!("/build/{}.js", round + 1)).await.expect(404);
    }
});

modes!(large_files_are_not_gathered, async |server| {
    let size = 64 * 1024 * 1024;
    let file = File::create(public(server).join("large.bin")).expect("a file");
    file.set_len(size).expect("a sparse file");
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{}/status", server.php_pid())).expect("the server's status");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a line").to_owned();
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("kilobytes")
    };
    ask(server, "/large.bin", &[]).await.ok();
    let before = resident();
    let mut readers = Vec::new();
    for _ in 0..8 {
        let mut reader = server.raw().await;
        reader.get("/large.bin").await;
        // The head and a first piece; then it reads no more.
        reader.until("\r\n\r\n").await;
        readers.push(reader);
    }
    assert_eq!(ask(server, "/large.bin", &[]).await.ok().body().len() as u64, size);
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more while eight clients hold 64 MiB each");
});

modes!(a_file_that_shrinks_while_it_is_sent_breaks_off, async |server| {
    let file = File::create(public(server).join("large.bin")).expect("a file");
    file.set_len(64 * 1024 * 1024).expect("a sparse file");
    for protocol in [crate::support::Protocol::Http1, crate::support::Protocol::H2c] {
        file.set_len(64 * 1024 * 1024).expect("a sparse file");
        let mut reading = server.connect(protocol).await.begin("GET", "/large.bin", &[], "").await;
        assert_eq!(reading.status(), 200);
        // The sockets' buffers hold far less than the file.
        file.set_len(0).expect("cut");
        assert_eq!(reading.rest().await, End::BrokenOff, "{protocol:?}");
    }
    assert_eq!(ask(server, "/hello.txt", &[]).await.ok().text(), "a static file\n");
});

// A request for a page touches no file on the way to PHP.
#[test]
fn a_request_for_the_front_controller_makes_no_file_system_call() {
    let trace = |name: &str| format!("/tmp/supercharger-trace-{}-{name}", std::process::id());
    if Command::new("strace").arg("-V").output().is_err() {
        panic!("strace is missing; scripts/install-deps installs it");
    }
    run(Launch::plain(Mode::Worker), async |server| {
        let mut connection = server.connect(crate::support::Protocol::Http1).await;
        connection.get("/method").await.ok();
        let calls = async |connection: &mut crate::support::Connection, name: &str, path: &str| {
            let output = trace(name);
            let mut strace = Command::new("strace")
                .args(["-f", "-e", "trace=file", "-o", &output, "-p", &server.php_pid().to_string()])
                .stderr(std::process::Stdio::null())
                .spawn()
                .expect("strace starts");
            let traced = || {
                let status = fs::read_to_string(format!("/proc/{}/status", server.php_pid())).unwrap_or_default();
                status.lines().any(|line| line.starts_with("TracerPid") && !line.ends_with("\t0")).then_some(())
            };
            crate::support::until(Duration::from_secs(10), "strace is attached", traced).await;
            for _ in 0..100 {
                connection.get(path).await.ok();
            }
            crate::support::program::signal(strace.id(), "INT");
            strace.wait().expect("strace ends");
            let text = fs::read_to_string(&output).expect("a trace");
            fs::remove_file(&output).expect("removed");
            text.lines().filter(|line| line.contains('"')).map(str::to_owned).collect::<Vec<_>>()
        };
        let dynamic = calls(&mut connection, "dynamic", "/method").await;
        assert!(
            dynamic.is_empty(),
            "{} calls for 100 requests: {:#?}",
            dynamic.len(),
            &dynamic[..dynamic.len().min(5)]
        );
        // Negative control: the calls of a file are seen.
        let of_files = calls(&mut connection, "static", "/hello.txt").await;
        assert!(of_files.len() >= 100, "{} calls for 100 files", of_files.len());
    });
}

// Descriptors, not names: a file that is taken away while it is sent is sent to its end.
modes!(a_file_that_is_removed_while_it_is_sent_arrives_whole, async |server| {
    let path = public(server).join("large.bin");
    File::create(&path).expect("a file").set_len(16 * 1024 * 1024).expect("a sparse file");
    let mut raw = server.raw().await;
    raw.get("/large.bin").await;
    raw.until("\r\n\r\n").await;
    fs::remove_file(&path).expect("removed");
    let text = raw.text();
    assert_eq!((status(&text), header(&text, "content-length")), (200, Some("16777216")));
    assert_eq!(raw.response().await.len(), text.find("\r\n\r\n").expect("a head") + 4 + 16 * 1024 * 1024);
});
