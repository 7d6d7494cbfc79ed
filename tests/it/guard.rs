//! Who may ask the endpoints: the decision table over real sockets, with strangers from other addresses of this machine.
//!
//! The endpoints listen on every address, so that a peer from 127.0.0.2 comes as `::ffff:127.0.0.2`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use crate::support::program;
use crate::support::{Answer, Connection, Launch, Mode, PrivateDir, Server, run};

/// A debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

const TOKEN: &str = "t0ken-of-the-tests";
const RIGHT: (&str, &str) = ("authorization", "Bearer t0ken-of-the-tests");
const WRONG: (&str, &str) = ("authorization", "Bearer other");
const EMPTY: (&str, &str) = ("authorization", "Bearer");
const OTHER_FIELD: (&str, &str) = ("x-runtime-token", TOKEN);

/// On the list, not on it, and a trusted proxy.
const LISTED: &str = "127.0.0.2";
const STRANGER: &str = "127.0.0.3";
const PROXY: &str = "127.0.0.9";

/// Peer, header fields, and the reason of the refusal or `pass`.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

fn launch(mode: &str) -> Launch {
    let launch = Launch::plain(Mode::Classic).workers(1).admin_everywhere();
    let launch = launch.config("server.trusted_proxies", "[\"127.0.0.9\"]");
    launch
        .config("guard.mode", &format!("{mode:?}"))
        .config("guard.allow", "[\"127.0.0.2/32\", \"192.0.2.0/24\", \"2001:db8::/32\"]")
        .config("guard.token", &format!("{TOKEN:?}"))
}

async fn ask(server: &Server, peer: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let peer: IpAddr = peer.parse().expect("an address");
    let own: IpAddr = if peer.is_ipv4() { [127, 0, 0, 1].into() } else { Ipv6Addr::LOCALHOST.into() };
    let address = SocketAddr::new(own, server.admin().port());
    Connection::open_from(peer, address).await.send(method, path, headers, "").await
}

async fn all(server: &Server, cases: &[Case]) {
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    for (peer, headers, expected) in cases {
        if peer.contains(':') && !has_ipv6 {
            continue;
        }
        let answer = ask(server, peer, "GET", "/status", headers).await;
        if *expected == "pass" {
            assert_eq!(answer.status(), 200, "{peer} {headers:?}: {answer}");
            continue;
        }
        let body = serde_json::json!({"error": "forbidden", "code": "runtime_endpoint_denied", "reason": expected});
        assert_eq!((answer.status(), answer.json()), (403, body), "{peer} {headers:?}: {answer}");
    }
}

#[test]
fn allowlist_or_token() {
    run(launch("allowlist_or_token"), async |server| {
        all(
            server,
            &[
                (LISTED, &[], "pass"),
                (LISTED, &[WRONG], "pass"),
                (STRANGER, &[], "tokenMissing"),
                ("127.0.0.1", &[], "tokenMissing"),
                ("::1", &[], "tokenMissing"),
                (STRANGER, &[RIGHT], "pass"),
                ("::1", &[RIGHT], "pass"),
                (STRANGER, &[("authorization", "bEaReR   t0ken-of-the-tests  ")], "pass"),
                (STRANGER, &[OTHER_FIELD], "pass"),
                (STRANGER, &[("authorization", "Basic dTpw"), OTHER_FIELD], "pass"),
                (STRANGER, &[WRONG], "forbidden"),
                (STRANGER, &[("x-runtime-token", "other")], "forbidden"),
                (STRANGER, &[WRONG, OTHER_FIELD], "forbidden"),
                (STRANGER, &[EMPTY, OTHER_FIELD], "tokenMissing"),
                // A token does not rescue what a stranger says of others.
                (STRANGER, &[RIGHT, ("x-forwarded-for", "127.0.0.2")], "proxyHeaderNotTrusted"),
                (LISTED, &[("forwarded", "for=127.0.0.2")], "proxyHeaderNotTrusted"),
                (LISTED, &[("x-forwarded-host", "a")], "proxyHeaderNotTrusted"),
                (LISTED, &[("x-forwarded-proto", "https")], "proxyHeaderNotTrusted"),
                (LISTED, &[("x-forwarded-port", "1")], "proxyHeaderNotTrusted"),
                (LISTED, &[("x-forwarded-prefix", "/a")], "proxyHeaderNotTrusted"),
                // A trusted proxy speaks for its client, whatever that one has sent before.
                (PROXY, &[("x-forwarded-for", "192.0.2.7")], "pass"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7, 2001:db8::7")], "pass"),
                (PROXY, &[("x-forwarded-for", "192.0.2.7, 203.0.113.7")], "tokenMissing"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7"), RIGHT], "pass"),
                (PROXY, &[("forwarded", "for=\"[::ffff:192.0.2.7]\"")], "pass"),
                (PROXY, &[("forwarded", "for=\"")], "proxyHeaderNotTrusted"),
                (PROXY, &[], "tokenMissing"),
            ],
        )
        .await;
        // The guard is bound to the handler: no other way to write a path leads past it, and nothing is told of what is there.
        for path in ["/status/", "//status", "/%73tatus", "/nothing", "/reload"] {
            ask(server, STRANGER, "GET", path, &[]).await.expect(403);
        }
        for path in ["/status", "/status/worker", "/workers", "/debug/workers", "/metrics"] {
            ask(server, STRANGER, "GET", path, &[]).await.expect(403);
            ask(server, STRANGER, "GET", path, &[RIGHT]).await.ok();
        }
        // Liveness is nobody's secret, readiness neither, but not what is behind it.
        for path in ["/healthz", "/health", "/health/live", "/ready", "/health/ready", "/health/startup"] {
            let answer = ask(server, STRANGER, "GET", path, &[("x-forwarded-for", "1.1.1.1")]).await;
            let told = answer.ok().json();
            assert_eq!(told.as_object().map(serde_json::Map::len), Some(1), "{path}: {told}");
        }
        for path in ["/workers/recycle", "/reload", "/drain"] {
            for headers in [&[][..], &[("x-supercharger", "1")], &[WRONG, ("x-supercharger", "1")]] {
                ask(server, STRANGER, "POST", path, headers).await.expect(403);
            }
        }
        let answer = ask(server, STRANGER, "POST", "/workers/recycle", &[RIGHT]).await;
        assert_eq!(answer.expect(403).json()["reason"], "orderHeaderMissing");
        ask(server, STRANGER, "POST", "/workers/recycle", &[RIGHT, ("x-supercharger", "1")]).await.expect(202);
        assert!(!server.log().contains(TOKEN), "the token is in the log");
    });
}

#[test]
fn allowlist_only() {
    run(launch("allowlist_only"), async |server| {
        all(
            server,
            &[
                (LISTED, &[], "pass"),
                (STRANGER, &[], "ipDenied"),
                (STRANGER, &[RIGHT], "ipDenied"),
                ("::1", &[RIGHT], "ipDenied"),
                (PROXY, &[("x-forwarded-for", "192.0.2.7")], "pass"),
                (PROXY, &[("x-forwarded-for", "203.0.113.7"), RIGHT], "ipDenied"),
                (STRANGER, &[("x-forwarded-for", "192.0.2.7")], "proxyHeaderNotTrusted"),
            ],
        )
        .await;
    });
}

#[test]
fn require_token_in_a_field_of_another_name() {
    let launch = launch("require_token").config("guard.header", "\"X-Ops\"").config("guard.proxy_strict", "false");
    run(launch, async |server| {
        all(
            server,
            &[
                (LISTED, &[], "tokenDenied"),
                (LISTED, &[WRONG], "tokenDenied"),
                (LISTED, &[OTHER_FIELD], "tokenDenied"),
                (STRANGER, &[RIGHT], "pass"),
                ("::1", &[("x-ops", TOKEN)], "pass"),
                (STRANGER, &[EMPTY, ("x-ops", TOKEN)], "tokenDenied"),
                // Not strict: what strangers say of others is passed over.
                (STRANGER, &[RIGHT, ("x-forwarded-for", "192.0.2.7")], "pass"),
                (STRANGER, &[("x-forwarded-for", "192.0.2.7")], "tokenDenied"),
            ],
        )
        .await;
    });
}

#[test]
fn a_guard_that_is_off_lets_everybody_pass() {
    let launch = launch("require_token").config("guard.enabled", "false");
    run(launch, async |server| {
        let line = server.wait_for_log("guard.enabled").await;
        assert!(line.contains("config.notice") && line.contains("may see everything"), "{line}");
        all(server, &[(STRANGER, &[], "pass"), (LISTED, &[("x-forwarded-for", "1.1.1.1")], "pass")]).await;
    });
}

/// A proxy that is trusted and on the list passes for itself, and never in the place of somebody whom it does not name.
#[test]
fn a_proxy_opens_nothing_to_those_it_speaks_for() {
    let launch = Launch::plain(Mode::Classic).workers(1).admin_everywhere();
    let launch = launch.config("server.trusted_proxies", "[\"127.0.0.1\", \"192.0.2.0/24\"]");
    run(launch.config("guard.token", &format!("{TOKEN:?}")), async |server| {
        const HOST: (&str, &str) = ("host", "localhost");
        ask(server, "127.0.0.1", "GET", "/status", &[HOST]).await.ok();
        for field in [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "unknown"),
            ("x-forwarded-for", "unix:"),
            ("x-forwarded-for", "nonsense"),
            ("x-forwarded-for", "[203.0.113.9]"),
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "unknown, 127.0.0.1"),
            ("forwarded", "for=_hidden"),
            ("forwarded", "proto=https"),
        ] {
            let answer = ask(server, "127.0.0.1", "GET", "/status", &[HOST, field]).await;
            assert_eq!(answer.expect(403).json()["reason"], "tokenMissing", "{field:?}");
            let order = [HOST, field, ("x-supercharger", "1")];
            ask(server, "127.0.0.1", "POST", "/workers/recycle", &order).await.expect(403);
            ask(server, "127.0.0.1", "GET", "/status", &[HOST, field, RIGHT]).await.ok();
        }
        // A proxy on another machine (here one hop away) cannot bring forth somebody on this one.
        for field in [
            ("x-forwarded-for", "127.0.0.2, 192.0.2.77"),
            ("x-forwarded-for", "::1, 192.0.2.77"),
            ("forwarded", "for=\"[::1]\", for=192.0.2.77"),
        ] {
            let answer = ask(server, "127.0.0.1", "GET", "/status", &[HOST, field, RIGHT]).await;
            assert_eq!(answer.expect(403).json()["reason"], "proxyHeaderNotTrusted", "{field:?}");
        }
    });
}

/// A reload brings new rules: a token can be changed without a restart.
#[test]
fn a_reload_brings_another_token() {
    run(launch("require_token"), async |server| {
        let config = server.dir().app().join("supercharger.toml");
        let config = if config.exists() { config } else { server.dir().path().join("supercharger.toml") };
        let text = std::fs::read_to_string(&config).expect("the configuration");
        std::fs::write(&config, text.replace(TOKEN, "another-token")).expect("written");
        let order = [RIGHT, ("x-supercharger", "1")];
        ask(server, STRANGER, "POST", "/reload?wait=true", &order).await.ok();
        all(
            server,
            &[(STRANGER, &[RIGHT], "tokenDenied"), (STRANGER, &[("authorization", "Bearer another-token")], "pass")],
        )
        .await;
    });
}

/// The commands find the token in the configuration, in a variable and in a file.
#[test]
fn commands_bring_the_token() {
    run(launch("require_token"), async |server| {
        let address = server.admin().to_string();
        let dir = server.dir();
        let status = |variables: &[(&str, &str)], more: &[&str]| {
            let mut command = program::command(program::executable(), dir);
            command.args(["status", "--admin", &address]).args(more);
            command.envs(variables.iter().copied());
            program::run_to_end(dir, command, LIMIT)
        };
        status(&[], &[]).expect(1, &["tokenDenied", "--token-file"]);
        status(&[("SUPERCHARGER__GUARD__TOKEN", TOKEN)], &[]).expect(0, &["serving"]);
        status(&[("RUNTIME_ENDPOINT_TOKEN", TOKEN)], &[]).expect(0, &["serving"]);
        status(&[("SUPERCHARGER__GUARD__TOKEN", "other")], &[]).expect(1, &["tokenDenied"]);
        let file = dir.write("token", &format!("{TOKEN}\n")).display().to_string();
        status(&[], &["--token-file", &file]).expect(0, &["serving"]);
        let config = dir.write("with.toml", &format!("guard.token = {TOKEN:?}\n")).display().to_string();
        status(&[], &["--config", &config]).expect(0, &["serving"]);
        status(&[], &["--token-file", "missing"]).expect(78, &["--token-file", "missing"]);
        for order in ["recycle", "reload"] {
            let line = [order, "--admin", &address, "--token-file", &file];
            program::supercharger(dir, &line, LIMIT).expect(0, &[]);
        }
        assert!(!server.log().contains(TOKEN), "the token is in the log");
    });
}

/// What cannot be obeyed to the letter stops the start, and names its key.
#[test]
fn a_guard_that_cannot_be_obeyed_refuses_to_start() {
    let dir = PrivateDir::with_app("plain");
    for (text, key) in [
        ("guard.allow = [\"10.0.0.0/abc\"]", "guard.allow"),
        ("guard.allow = [\"10.0.0.0/\"]", "guard.allow"),
        ("guard.allow = [\"10.0.0.0/33\"]", "guard.allow"),
        ("guard.allow = [\"::ffff:10.0.0.0/8\"]", "guard.allow"),
        ("guard.header = \"Content-Length\"", "guard.header"),
        ("guard.mode = \"strict\"", "guard.mode"),
        ("guard.mode = \"require_token\"", "guard.token"),
        ("guard.mode = \"require_token\"\nguard.token = \"\"", "guard.token"),
    ] {
        let config = dir.write("wrong/supercharger.toml", text).display().to_string();
        for line in [["php-server", "--root", "public", "--config", &config], ["run", "--config", &config, "", ""]] {
            let line: Vec<_> = line.into_iter().filter(|word| !word.is_empty()).collect();
            program::supercharger(&dir, &line, LIMIT).expect(78, &[key]);
        }
    }
}

/// Nor to its commands, which a container gives the same variables.
#[test]
fn scripts_of_the_command_line_do_not_see_the_servers_secrets() {
    let dir = PrivateDir::with_app("plain");
    let mut command = program::command(program::executable(), &dir);
    let code =
        "echo 'code: ', getenv('SEEN'), ' '; var_dump($argv, getenv(), file_get_contents('/proc/self/environ'));";
    command.args(["php-cli", "-r", code, "--", "one"]).env("SEEN", "yes").env("RUNTIME_ENDPOINT_TOKEN", TOKEN);
    command.env("SUPERCHARGER__GUARD__TOKEN", TOKEN).env("SUPERCHARGER__OTLP__HEADERS__AUTHORIZATION", TOKEN);
    let ended = program::run_to_end(&dir, command, LIMIT);
    ended.expect(0, &["code: yes", "\"one\""]);
    assert!(!ended.output().contains(TOKEN), "{ended}");
}

/// Nor what else is the server's: the way to a collector, and whoever starts it by variables.
#[test]
fn php_does_not_see_the_servers_variables() {
    let launch = Launch::plain(Mode::Worker)
        .env("SUPERCHARGER__OTLP__ENDPOINT", "http://127.0.0.1:9")
        .env("SUPERCHARGER__OTLP__HEADERS__AUTHORIZATION", TOKEN)
        .env("SUPERCHARGER__APP__ENV__FROM_A_VARIABLE", "yes")
        .env("SUPERCHARGER__GUARD__TOKEN", TOKEN);
    // As an ordinary user, who may not look into everybody's processes.
    let launch = launch.wrapped(&["setpriv", "--bounding-set=-sys_ptrace,-perfmon,-sys_admin"]);
    run(launch, async |server| {
        let path = server.script(
            "phpinfo(); var_dump(getenv(), $_ENV, $_SERVER); echo shell_exec('env'), file_get_contents('/proc/self/environ'); \
             var_dump(@file_get_contents('/proc/'.posix_getppid().'/environ'));",
        );
        let seen = server.get(&path).await.ok().text();
        assert!(seen.contains("FROM_A_VARIABLE") && seen.contains("TEST_DIR="), "{seen}");
        assert!(!seen.contains(TOKEN) && !seen.contains("SUPERCHARGER__"), "{seen}");
    });
}

/// What opens the endpoints is nothing to applications.
#[test]
fn php_does_not_see_the_token() {
    let launch = Launch::plain(Mode::Worker).admin().env("SUPERCHARGER__GUARD__TOKEN", TOKEN);
    run(launch.env("RUNTIME_ENDPOINT_TOKEN", TOKEN).env("SEEN", "yes"), async |server| {
        let path = server.script("phpinfo(); var_dump(getenv(), $_ENV, $_SERVER);");
        let seen = server.get(&path).await.ok().text();
        assert!(seen.contains("SEEN") && !seen.contains(TOKEN), "the token is shown");
    });
}
