//! Several pools in one server: a worker front controller, classic scripts by their path, static files.

use std::time::Duration;

use crate::support::{Launch, Mode, PrivateDir, Server, run};

/// Tells which pool runs it, and does what it is asked to.
const LEGACY: &str = r"<?php
declare(strict_types=1);
header('Content-Type: application/json');
match ($_GET['do'] ?? '') {
    'exit' => exit(3),
    'fatal' => undefined_function_of_the_test(),
    'hold' => (static function () {
        touch(getenv('TEST_DIR').'/legacy-holding');
        while (!file_exists(getenv('TEST_DIR').'/legacy-release')) {
            clearstatcache();
            usleep(2000);
        }
    })(),
    default => null,
};
echo json_encode(['worker' => supercharger_worker()] + array_intersect_key($_SERVER, array_flip([
    'SCRIPT_NAME', 'SCRIPT_FILENAME', 'PATH_INFO', 'PHP_SELF', 'DOCUMENT_ROOT', 'REQUEST_METHOD',
])), JSON_THROW_ON_ERROR);
";

fn hybrid() -> Launch {
    let dir = PrivateDir::with_app("plain");
    for name in ["phpinfo.php", "legacy/index.php", "legacy/deep/a.php", "other.php"] {
        dir.write(&format!("app/public/{name}"), LEGACY);
    }
    dir.write("app/public/legacy/style.css", "legacy style");
    Launch::with_dir(dir, Mode::Worker)
        .root("public")
        .script("public/worker.php")
        .workers(1)
        .config("pools.legacy.mode", "\"classic\"")
        .config("pools.legacy.match", "[\"/legacy/*\", \"/phpinfo.php*\"]")
        .config("pools.legacy.workers", "1")
        .config("pools.legacy.overflow.queue_timeout", "\"300ms\"")
}

async fn worker_answers(server: &Server) {
    let worker = server.json("/worker").await;
    assert_eq!((worker["pool"].as_str(), worker["mode"].as_str()), (Some("default"), Some("worker")), "{worker}");
}

#[test]
fn worker_classic_and_static_answers_of_one_server() {
    run(hybrid(), async |server| {
        let root = server.dir().app().join("public").canonicalize().expect("a folder").display().to_string();
        worker_answers(server).await;
        for (path, script, info) in [
            ("/phpinfo.php", "/phpinfo.php", ""),
            ("/phpinfo.php/x/y", "/phpinfo.php", "/x/y"),
            ("/legacy/deep/a.php/x", "/legacy/deep/a.php", "/x"),
            ("/legacy/", "/legacy/index.php", ""),
            ("/%6cegacy/./deep/../deep/a.php", "/legacy/deep/a.php", ""),
        ] {
            let seen = server.json(path).await;
            assert_eq!(
                (seen["worker"]["pool"].as_str(), seen["worker"]["mode"].as_str()),
                (Some("legacy"), Some("classic"))
            );
            assert_eq!(seen["SCRIPT_NAME"], script, "{path}");
            assert_eq!(seen["SCRIPT_FILENAME"], format!("{root}{script}"), "{path}");
            assert_eq!(seen["PATH_INFO"], info, "{path}");
            assert_eq!(seen["DOCUMENT_ROOT"], root, "{path}");
        }
        assert_eq!(server.get("/legacy/style.css").await.ok().text(), "legacy style");
        assert_eq!(server.get("/hello.txt").await.ok().text(), "a static file\n");
        // What is no file there is the worker's, what no pool is given is no script.
        assert_eq!(server.get("/legacy/page").await.expect(404).text(), "no such route: /legacy/page");
        for path in ["/other.php", "/legacy.php", "/direct.php", "/worker.php.x/../other.php"] {
            let answer = server.get(path).await;
            assert!(!answer.expect(404).text().contains("SCRIPT_NAME"), "{path}: {answer}");
        }
        worker_answers(server).await;
    });
}

#[test]
fn a_fault_in_one_pool_leaves_the_other_alone() {
    run(hybrid().expect_error("undefined_function_of_the_test"), async |server| {
        let before = server.json("/worker").await;
        for _ in 0..5 {
            server.get("/phpinfo.php?do=exit").await.ok();
            server.get("/phpinfo.php?do=fatal").await.expect(500);
        }
        assert_eq!(server.json("/phpinfo.php").await["worker"]["pool"], "legacy");
        let after = server.json("/worker").await;
        assert_eq!(after["incarnation"], before["incarnation"], "{after}");
        // And the other way round.
        server.get("/exit").await;
        assert_eq!(server.json("/phpinfo.php").await["worker"]["pool"], "legacy");
        worker_answers(server).await;
    });
}

#[test]
fn a_full_pool_does_not_block_the_other() {
    run(hybrid(), async |server| {
        let mut holder = server.raw().await;
        holder.get("/phpinfo.php?do=hold").await;
        server.dir().wait_for_mark("legacy-holding").await;
        for _ in 0..3 {
            worker_answers(server).await;
            assert_eq!(server.get("/hello.txt").await.ok().text(), "a static file\n");
        }
        // The other pool's own queue has its own time.
        let answer = server.send("GET", "/legacy/", &[("accept", "application/json")], "").await;
        assert_eq!(answer.expect(503).json()["error"]["code"], "queue_timeout");
        server.dir().mark("legacy-release");
        holder.until("SCRIPT_NAME").await;
        assert_eq!(server.json("/legacy/").await["worker"]["pool"], "legacy");
    });
}

#[test]
fn methods_choose_a_pool_too() {
    let launch = hybrid().config("pools.legacy.methods", "[\"POST\"]");
    run(launch, async |server| {
        server.get("/phpinfo.php").await.expect(404);
        let seen = server.send("POST", "/phpinfo.php", &[], "x").await.ok().json();
        assert_eq!((seen["REQUEST_METHOD"].as_str(), seen["worker"]["pool"].as_str()), (Some("POST"), Some("legacy")));
    });
}

#[test]
fn a_classic_pool_may_have_a_front_controller() {
    run(hybrid().config("pools.legacy.script", "\"app/public/legacy/index.php\""), async |server| {
        let seen = server.json("/legacy/some/page?x=1").await;
        assert_eq!((seen["SCRIPT_NAME"].as_str(), seen["PATH_INFO"].as_str()), (Some("/legacy/index.php"), Some("")));
        server.get("/elsewhere").await.expect(404);
    });
}

#[test]
fn a_second_worker_script_beside_a_classic_site() {
    let dir = PrivateDir::with_app("plain");
    let launch = Launch::with_dir(dir, Mode::Classic)
        .root("public")
        .workers(1)
        .config("pools.api.match", "[\"/worker\", \"/body*\"]")
        .config("pools.api.script", "\"app/public/worker.php\"")
        .config("pools.api.workers", "2");
    run(launch, async |server| {
        let worker = server.json("/worker").await;
        assert_eq!((worker["pool"].as_str(), worker["mode"].as_str()), (Some("api"), Some("worker")), "{worker}");
        assert_eq!(server.json("/state").await["server"]["SCRIPT_NAME"], "/index.php");
        assert_eq!(server.get("/body?n=3").await.ok().text(), "xxx");
        let log = server.wait_for_log("\"server.start\"").await;
        assert!(log.contains("\"workers\":3"), "{log}");
    });
}

#[test]
fn a_pool_whose_script_does_not_boot_ends_the_start() {
    let dir = PrivateDir::with_app("plain");
    dir.write("app/broken.php", "<?php throw new RuntimeException('the second pool is broken');");
    dir.write(
        "supercharger.toml",
        "app.root = 'app/public'\napp.worker = 'app/public/worker.php'\npools.default.workers = 1\n\
         [pools.two]\nmatch = ['/two/*']\nscript = 'app/broken.php'\nworkers = 1\n",
    );
    let listen = format!("127.0.0.1:{}", crate::support::server::free_port());
    let arguments = ["php-server", "--config", "../supercharger.toml", "--listen", &listen];
    let ended = crate::support::program::supercharger(&dir, &arguments, Duration::from_secs(40));
    assert_eq!(ended.status.code(), Some(1), "{ended}");
    assert!(ended.stderr.contains("the second pool is broken"), "{ended}");
}
