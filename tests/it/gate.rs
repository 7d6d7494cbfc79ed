//! `supercharger gate`: a server that may pass, and each reason why one may not.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::support::program::{Ended, supercharger};
use crate::support::server::free_port;
use crate::support::{Launch, Mode, PrivateDir, Server, modes, run};

const LIMIT: Duration = Duration::from_secs(30);

/// Runs the gate against a server for a third of a second a route.
fn gate(dir: &PrivateDir, url: &str, arguments: &[&str]) -> Ended {
    gate_for("300ms", dir, url, arguments)
}

fn gate_for(duration: &str, dir: &PrivateDir, url: &str, arguments: &[&str]) -> Ended {
    let output = dir.path().join("gate").display().to_string();
    let mut line = vec!["gate", "--url", url, "--duration", duration, "--warm-up", "100ms", "--output", &output];
    line.extend(arguments);
    supercharger(dir, &line, LIMIT)
}

fn of(server: &Server, arguments: &[&str]) -> Ended {
    gate(server.dir(), &format!("http://{}", server.address()), arguments)
}

/// The same, for as long as a busy machine needs until each route has been served often enough for the memory to be judged.
fn judged_of(server: &Server, arguments: &[&str]) -> Ended {
    let url = format!("http://{}", server.address());
    let mut tries =
        ["300ms", "1s", "3s", "6s"].into_iter().map(|duration| gate_for(duration, server.dir(), &url, arguments));
    tries.find(|_| report(server.dir()).1["server"]["memoryJudged"] == true).expect("workers that served often enough")
}

/// The folder of the last run, and its verdict.
fn report(dir: &PrivateDir) -> (PathBuf, Value) {
    let folders = std::fs::read_dir(dir.path().join("gate")).expect("reports").flatten().map(|entry| entry.path());
    let newest = |path: &PathBuf| std::fs::metadata(path.join("gate.json")).and_then(|data| data.modified()).ok();
    let folder = folders.max_by_key(newest).expect("a report");
    let text = std::fs::read_to_string(folder.join("gate.json")).expect("gate.json");
    (folder, serde_json::from_str(&text).expect("JSON"))
}

modes!(a_good_server_passes, |launch| launch.admin(), async |server| {
    let admin = server.admin().to_string();
    let arguments = ["--route", "/", "--route", "POST /state p95=20s", "--read-p95", "20s", "--admin", &admin];
    let ended = judged_of(server, &arguments);
    ended.expect(0, &["pass GET /", "pass POST /state", "pass server", "the gate is open"]);
    let (folder, gate) = report(server.dir());
    assert_eq!(gate["pass"], true, "{gate:#}");
    let mut sum = 0;
    for route in gate["route"].as_array().expect("a list") {
        let csv = std::fs::read_to_string(folder.join(route["file"].as_str().expect("a name"))).expect("the attempts");
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some("ts,http_code,ms,bytes"));
        let rows: Vec<Vec<f64>> =
            lines.map(|line| line.split(',').map(|field| field.parse().expect("a number")).collect()).collect();
        assert_eq!(route["count"], rows.len(), "{route:#}");
        assert!(!rows.is_empty() && rows.iter().all(|row| row.len() == 4 && row[0] > 1e9), "{csv}");
        assert!(rows.iter().all(|row| (row[1] - 200.0).abs() < f64::EPSILON), "{csv}");
        // The percentile by nearest rank is a value that was measured.
        let mut latencies: Vec<_> = rows.iter().map(|row| row[2]).collect();
        latencies.sort_by(f64::total_cmp);
        let p95 = latencies[(latencies.len() * 95).div_ceil(100) - 1];
        assert!((route["latencyMs"]["p95"].as_f64().expect("a number") - p95).abs() < 0.001, "{route:#}");
        sum += rows.len();
    }
    // What was counted is what was sent; the warm-up comes on top.
    let served = server.metric("runtime_worker_request_total").await;
    assert!(served > f64::from(u32::try_from(sum).expect("few")), "{served} served, {sum} counted");
    for name in ["gate.log", "platform.json"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    assert_eq!(gate["server"]["restarts"], 0, "{gate:#}");
    assert_eq!(gate["server"]["memoryJudged"], true, "{gate:#}");
});

/// Keeps 20 kB of each request.
const LEAK: &str = "if (!class_exists('Kept', false)) { eval('final class Kept { public static array $all = []; }'); }
    Kept::$all[] = str_repeat('x', 20000); echo 'kept';";

/// Several workers, of which some may never serve: the verdict is the same each time.
#[test]
fn memory_that_grows_shuts_the_gate_and_memory_that_does_not_opens_it() {
    run(Launch::plain(Mode::Worker).admin().workers(8), async |server| {
        let leak = server.script(LEAK);
        let innocent = server.script("$x = str_repeat('x', 2000000); echo strlen($x);");
        let admin = server.admin().to_string();
        let url = format!("http://{}", server.address());
        // On a busy machine a third of a second is too short for each of the workers to have served twice.
        let judged = |routes: &[&str]| {
            let routes = routes.iter().flat_map(|route| ["--route", route]);
            let arguments: Vec<_> = routes.chain(["--read-p95", "20s", "--admin", &admin]).collect();
            let mut tries = ["300ms", "1s", "3s"].into_iter().map(|duration| {
                let ended = gate_for(duration, server.dir(), &url, &arguments);
                (ended, report(server.dir()).1)
            });
            tries.find(|(_, gate)| gate["server"]["memoryJudged"] == true).expect("workers that served twice")
        };
        for _ in 0..2 {
            judged(&[&innocent, "/"]).0.expect(0, &["pass server"]);
            let (ended, gate) = judged(&[&innocent, &leak]);
            ended.expect(1, &["FAIL server", "the server itself is at fault"]);
            let server = &gate["server"];
            assert_eq!((&server["memoryJudged"], &server["restarts"]), (&true.into(), &0.into()), "{gate:#}");
            assert!(server["memoryGrowth"].as_f64().is_some_and(|growth| growth > 0.1), "{gate:#}");
        }
    });
}

/// Workers that are replaced before they could be compared with themselves hide a leak.
#[test]
fn memory_that_nobody_saw_shuts_the_gate() {
    let launch = Launch::plain(Mode::Worker).admin().workers(4);
    let launch = launch.config("pools.default.recycle.max_requests", "2");
    run(launch, async |server| {
        let leak = server.script(LEAK);
        let admin = server.admin().to_string();
        let arguments = ["--route", &leak, "--read-p95", "20s", "--fail-rate", "1", "--admin", &admin];
        of(server, &arguments).expect(1, &["FAIL server", "NOT JUDGED", "the server itself is at fault"]);
        assert_eq!(report(server.dir()).1["server"]["memoryJudged"], false);
        of(server, &[&arguments[..], &["--accept-unjudged"]].concat()).expect(0, &["pass server", "NOT JUDGED"]);
    });
}

/// Whoever answers, it must be the admin endpoints: an application may answer everything with 200 and JSON.
#[test]
fn a_server_that_cannot_be_looked_at_shuts_the_gate() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        for name in ["workers", "status"] {
            std::fs::write(server.dir().app().join("public").join(name), "1").expect("written");
        }
        let address = server.address().to_string();
        of(server, &["--read-p95", "20s", "--admin", &address]).expect(1, &["no admin endpoint of supercharger"]);
        let nobody = format!("127.0.0.1:{}", free_port());
        of(server, &["--read-p95", "20s", "--admin", &nobody]).expect(1, &["no server answers"]);
    });
}

/// What is probed and what is judged is the same server.
#[test]
fn the_configuration_says_what_is_probed() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        let (address, admin) = (server.address(), server.admin());
        let text =
            format!("[server]\nlisten = [\"unix:/nobody.sock\", \"{address}\"]\n[admin]\nlisten = \"{admin}\"\n");
        let config = server.dir().write("gate.toml", &text).display().to_string();
        let output = server.dir().path().join("gate").display().to_string();
        let line = [
            "gate",
            "--config",
            &config,
            "--duration",
            "300ms",
            "--warm-up",
            "100ms",
            "--read-p95",
            "20s",
            "--output",
            &output,
        ];
        supercharger(server.dir(), &line, LIMIT).expect(0, &["pass GET /", "pass server", "writing the evidence to"]);
        let (folder, _) = report(server.dir());
        let platform = std::fs::read_to_string(folder.join("platform.json")).expect("platform.json");
        assert!(platform.contains(&format!("\"http://{address}\"")), "{platform}");
    });
}

/// Each route that fails is one reason; all of them are told.
#[test]
fn each_fault_shuts_the_gate() {
    run(Launch::plain(Mode::Worker), async |server| {
        let slow = server.script("usleep(60000); echo 'slow';");
        let forbidden = server.script("http_response_code(403);");
        let failing = server.script("http_response_code(500);");
        let cases = [
            (format!("{slow} p95=30ms"), "FAIL"),
            (slow, "pass"),
            (forbidden, "FAIL"),
            ("/nothing-here.php".to_owned(), "FAIL"),
            (failing, "FAIL"),
        ];
        let mut arguments = vec!["--read-p95", "20s"];
        for (route, _) in &cases {
            arguments.extend(["--route", route]);
        }
        let ended = of(server, &arguments);
        ended.expect(1, &["the gate is shut: 4 of 5 routes failed"]);
        let words: Vec<_> = ended.stdout.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
        assert_eq!(words[..5], cases.each_ref().map(|(_, word)| *word), "{ended}");
        let (_, gate) = report(server.dir());
        assert_eq!(gate["pass"], false);
        let passes: Vec<_> = gate["route"].as_array().expect("a list").iter().map(|route| &route["pass"]).collect();
        assert_eq!(passes, [false, true, false, false, false], "{gate:#}");
        // A status that somebody means to get is none of them.
        of(server, &["--route", "/nothing-here.php", "--accept", "404", "--read-p95", "20s"]).expect(0, &["pass"]);
    });
}

#[test]
fn nobody_there_is_a_failure() {
    let dir = PrivateDir::new();
    let ended = gate(&dir, &format!("http://127.0.0.1:{}", free_port()), &["--json"]);
    ended.expect(1, &["the gate is shut"]);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON and nothing else");
    assert_eq!(told, report(&dir).1);
    let route = &told["route"][0];
    assert_eq!((&route["failRate"], &route["pass"]), (&1.0.into(), &false.into()), "{told:#}");
    // Why, and where it can be read.
    let reasons: Vec<_> = route["failures"].as_object().expect("reasons").iter().collect();
    assert!(matches!(reasons[..], [(why, count)] if why.contains("Connection refused") && *count == route["fail"]));
    let log = std::fs::read_to_string(report(&dir).0.join("gate.log")).expect("gate.log");
    assert!(log.contains("Connection refused"), "{log}");
    let place = report(&dir).0.display().to_string();
    assert!(ended.stderr.contains(&place), "{place} is announced: {ended}");
    // Too short for a single attempt: nothing was seen, and nothing is good.
    let output = dir.path().join("gate").display().to_string();
    let nothing = ["gate", "--url", "http://127.0.0.1:1", "--duration", "0s", "--warm-up", "0s", "--output", &output];
    supercharger(&dir, &nothing, LIMIT).expect(1, &["0 requests", "100.00 %"]);
}

/// Every answer is good, and the workers are not.
#[test]
fn workers_that_end_shut_the_gate() {
    let launch = Launch::plain(Mode::Worker).admin().config("pools.default.boot_timeout", "\"20s\"");
    run(launch, async |server| {
        let exits = server.script("echo 'bye'; exit;");
        let admin = server.admin().to_string();
        let arguments = ["--route", &exits, "--read-p95", "20s", "--admin", &admin, "--accept-unjudged"];
        let ended = of(server, &[&arguments[..], &["--fail-rate", "1"]].concat());
        ended.expect(1, &["FAIL server", "the server itself is at fault"]);
        let (_, gate) = report(server.dir());
        assert_eq!((&gate["pass"], &gate["route"][0]["pass"]), (&false.into(), &true.into()), "{gate:#}");
        assert!(gate["server"]["restarts"].as_u64().is_some_and(|ends| ends > 0), "{gate:#}");
        let ended = of(server, &[&arguments[..], &["--fail-rate", "1", "--restarts", "100000"]].concat());
        ended.expect(0, &["pass server"]);
    });
}
