//! Classic mode: which script answers a path, and what it is told about itself.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::support::client::encode;
use crate::support::{Launch, Mode, PrivateDir, Server, modes, run};

/// Prints what a script knows about its path, and a mark that names the file.
const VARIABLES: &str = r"<?php
declare(strict_types=1);
header('Content-Type: application/json');
echo json_encode(['file' => basename(__DIR__).'/'.basename(__FILE__)] + array_intersect_key($_SERVER, array_flip([
    'SCRIPT_NAME', 'SCRIPT_FILENAME', 'PATH_INFO', 'PATH_TRANSLATED', 'PHP_SELF', 'DOCUMENT_URI', 'DOCUMENT_ROOT', 'REQUEST_URI',
    'QUERY_STRING', 'ORIG_PATH_INFO',
])), JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
";

/// A site of scripts that tell their variables.
fn site() -> Launch {
    let dir = PrivateDir::new();
    for name in ["index.php", "a.php", "UP.PHP", "sub/index.php", "sub/b.php", "odd.php/real.php", "a.phpx/c.php"] {
        dir.write(&format!("app/public/{name}"), VARIABLES);
    }
    dir.write("app/public/html/index.html", "<p>static index</p>");
    dir.write("app/public/bare/x.txt", "text");
    dir.write("outside/evil.php", VARIABLES);
    Launch::with_dir(dir, Mode::Classic).root("public").workers(2)
}

fn seen<'v>(variables: &'v Value, name: &str) -> &'v str {
    variables[name].as_str().unwrap_or("(not set)")
}

#[test]
fn the_path_splits_at_the_first_script() {
    run(site(), async |server| {
        let root = server.dir().app().join("public").canonicalize().expect("a folder").display().to_string();
        // path, script, path info
        let cases = [
            ("/a.php", "/a.php", ""),
            ("/a.php/", "/a.php", "/"),
            ("/a.php/info/more", "/a.php", "/info/more"),
            ("/a.php/x%20y/caf%C3%A9", "/a.php", "/x y/caf\u{e9}"),
            ("/a.php/b.php/c", "/a.php", "/b.php/c"),
            ("/a.php//x/./y/../z", "/a.php", "/x/z"),
            ("/UP.PHP/x", "/UP.PHP", "/x"),
            ("/sub/b.php/x", "/sub/b.php", "/x"),
            ("/a.phpx/c.php/x", "/a.phpx/c.php", "/x"),
            ("/sub/", "/sub/index.php", ""),
            ("/", "/index.php", ""),
        ];
        for (path, script, info) in cases {
            let variables = server.json(&format!("{path}?q=1")).await;
            assert_eq!(seen(&variables, "SCRIPT_NAME"), script, "{path}");
            assert_eq!(seen(&variables, "SCRIPT_FILENAME"), format!("{root}{script}"), "{path}");
            assert_eq!(seen(&variables, "DOCUMENT_URI"), script, "{path}");
            assert_eq!(seen(&variables, "PATH_INFO"), info, "{path}");
            assert_eq!(seen(&variables, "PHP_SELF"), format!("{script}{info}"), "{path}");
            let translated = if info.is_empty() { "(not set)".to_owned() } else { format!("{root}{info}") };
            assert_eq!(seen(&variables, "PATH_TRANSLATED"), translated, "{path}");
            assert_eq!(seen(&variables, "REQUEST_URI"), format!("{path}?q=1"), "{path}");
            assert_eq!(seen(&variables, "QUERY_STRING"), "q=1", "{path}");
            assert_eq!(seen(&variables, "DOCUMENT_ROOT"), root, "{path}");
        }
    });
}

#[test]
fn look_alikes_are_no_scripts() {
    run(site(), async |server| {
        // Letters that Unicode folds to those of `.php`, bytes that are no UTF-8, a dot that is not there.
        for name in ["a.p\u{210e}p", "a.\u{ff50}hp", "a.ph\u{1d18}", "a.\u{1e57}hp", "a\u{2024}php", "a.php\u{200b}"] {
            let variables = server.json(&format!("/{}/x", encode(name))).await;
            assert_eq!(seen(&variables, "SCRIPT_NAME"), "/index.php", "{name}");
            assert_eq!(seen(&variables, "PATH_INFO"), "", "{name}");
        }
        for path in ["/a.ph%ff", "/a.php%20", "/a.php.", "/a%2ephp%2fx%ff"] {
            let variables = server.json(path).await;
            let script = if path.starts_with("/a%2e") { "/a.php" } else { "/index.php" };
            assert_eq!(seen(&variables, "SCRIPT_NAME"), script, "{path}");
        }
    });
}

#[test]
fn what_is_no_file_goes_to_the_front_controller() {
    run(site(), async |server| {
        for path in [
            "/en",
            "/en/blog",
            "/missing.php",
            "/missing.php/x",
            "/A.php",
            "/index.PHP",
            "/bare/",
            "/bare/y",
            "/.well-known/x",
        ] {
            let variables = server.json(path).await;
            assert_eq!(seen(&variables, "SCRIPT_NAME"), "/index.php", "{path}");
            assert_eq!(seen(&variables, "PHP_SELF"), "/index.php", "{path}");
            assert_eq!(seen(&variables, "PATH_INFO"), "", "{path}");
            assert_eq!(seen(&variables, "REQUEST_URI"), path);
        }
        // The name of the front controller may be said, and then there is a rest.
        let variables = server.json("/index.php/en").await;
        assert_eq!((seen(&variables, "SCRIPT_NAME"), seen(&variables, "PATH_INFO")), ("/index.php", "/en"));
        // Without one there is nothing.
        fs::remove_file(server.dir().app().join("public/index.php")).expect("removed");
        for path in ["/en", "/missing.php", "/"] {
            server.get(path).await.expect(404);
        }
        server.get("/a.php").await.ok();
    });
}

#[test]
fn directories_have_an_index_and_a_slash() {
    run(site(), async |server| {
        for (path, location) in
            [("/sub", "/sub/"), ("/sub?a=1&b=%20", "/sub/?a=1&b=%20"), ("/html", "/html/"), ("//sub", "/sub/")]
        {
            let answer = server.get(path).await;
            answer.expect(308);
            assert_eq!(answer.header("location"), Some(location), "{path}");
        }
        assert_eq!(server.get("/html/").await.ok().text(), "<p>static index</p>");
        // A form that was sent to the name without a slash is not sent around.
        let posted = server.send("POST", "/sub", &[], "a=1").await.ok().json();
        assert_eq!(seen(&posted, "SCRIPT_NAME"), "/sub/index.php");
        // A folder whose name ends like a script's is a folder.
        for path in ["/odd.php", "/odd.php/x"] {
            assert_eq!(seen(&server.json(path).await, "SCRIPT_NAME"), "/index.php", "{path}");
        }
        server.get("/odd.php/real.php").await.expect(404);
    });
}

#[test]
fn another_index_may_be_named() {
    run(site().config("app.index", "\"b.php\""), async |server| {
        assert_eq!(seen(&server.json("/sub/").await, "SCRIPT_NAME"), "/sub/b.php");
        server.get("/").await.expect(404);
    });
}

#[test]
fn scripts_outside_of_the_root_are_refused() {
    run(site(), async |server| {
        let (public, outside) = (server.dir().app().join("public"), server.dir().path().join("outside"));
        symlink(outside.join("evil.php"), public.join("link.php")).expect("a link");
        symlink(&outside, public.join("folder")).expect("a link");
        symlink("../../outside/evil.php", public.join("sub/relative.php")).expect("a link");
        symlink("a.php", public.join("inside.php")).expect("a link");
        symlink("sub", public.join("alias")).expect("a link");
        // The project's own vendor folder is no place for scripts that can be asked for either.
        server.dir().write("app/vendor/acme/run.php", VARIABLES);
        symlink("../vendor/acme", public.join("acme")).expect("a link");
        for path in [
            "/link.php",
            "/folder/evil.php",
            "/folder/",
            "/sub/relative.php",
            "/acme/run.php",
            "/%2e%2e/outside/evil.php",
        ] {
            let answer = server.get(path).await;
            assert!(!answer.text().contains("evil.php") && !answer.text().contains("run.php"), "{path}: {answer}");
            assert!(
                matches!(answer.status(), 404) || seen(&answer.json(), "SCRIPT_NAME") == "/index.php",
                "{path}: {answer}"
            );
        }
        // A link within the root is as good as what it leads to, and keeps its own name.
        for (path, file) in [("/inside.php", "public/a.php"), ("/alias/b.php", "sub/b.php")] {
            let variables = server.json(path).await;
            assert_eq!((seen(&variables, "SCRIPT_NAME"), seen(&variables, "file")), (path, file));
        }
    });
}

/// A deployment by releases: `current` leads to one of them.
async fn check_symlinked_root(server: &Server) {
    let real = server.dir().app().join("releases/1/public").canonicalize().expect("a folder").display().to_string();
    let variables = server.json("/state").await;
    assert_eq!(variables["server"]["DOCUMENT_ROOT"], real.as_str());
    let script = variables["server"]["SCRIPT_FILENAME"].as_str().expect("a file");
    assert!(script.starts_with(&real), "{script}");
    assert_eq!(server.get("/hello.txt").await.ok().text(), "a static file\n");
    // The link is switched while the server runs: it goes on with the release it was started with.
    let app = server.dir().app();
    symlink("releases/2", app.join("next")).expect("a link");
    fs::rename(app.join("next"), app.join("current")).expect("switched");
    assert_eq!(server.json("/state").await["server"]["DOCUMENT_ROOT"], real.as_str());
    assert_eq!(server.get("/hello.txt").await.ok().text(), "a static file\n");
}

fn released(mode: Mode) -> Launch {
    let dir = PrivateDir::with_app("plain");
    let release = dir.app().join("releases/1");
    fs::create_dir_all(&release).expect("a folder");
    fs::create_dir_all(dir.app().join("releases/2/public")).expect("a folder");
    for name in ["app.php", "routes", "public"] {
        fs::rename(dir.app().join(name), release.join(name)).expect("moved");
    }
    symlink("releases/1", dir.app().join("current")).expect("a link");
    Launch::with_dir(dir, mode).root("current/public").script("current/public/worker.php").workers(2)
}

#[test]
fn a_symlinked_root_is_the_folder_it_leads_to_in_classic_mode() {
    run(released(Mode::Classic), async |server| check_symlinked_root(server).await);
}

#[test]
fn a_symlinked_root_is_the_folder_it_leads_to_in_worker_mode() {
    run(released(Mode::Worker), async |server| check_symlinked_root(server).await);
}

modes!(the_front_controller_has_no_base_path, async |server| {
    for path in ["/state", "/state?x=1"] {
        let state = server.json(path).await;
        let variables = &state["server"];
        let script = variables["SCRIPT_NAME"].as_str().expect("a path");
        assert!(script == "/index.php" || script == "/worker.php", "{script}");
        assert_eq!(variables["PHP_SELF"], script);
        assert_eq!(variables["DOCUMENT_URI"], script);
        assert_eq!(variables["PATH_INFO"], "");
        assert_eq!(variables.get("PATH_TRANSLATED"), None);
        assert_eq!(variables["REQUEST_URI"], path);
    }
});
