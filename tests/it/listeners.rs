//! Where the server listens: several addresses at once, IPv6, unix sockets.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crate::support::program::{self, run_to_end};
use crate::support::raw::status;
use crate::support::server::free_port;
use crate::support::wait::until;
use crate::support::{Launch, Mode, PrivateDir, modes, run};

const LIMIT: Duration = Duration::from_secs(30);

/// Sends a GET on a stream of any kind and reads the answer to its end.
fn get(mut stream: impl Read + Write, path: &str, host: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert_eq!(status(&answer), 200, "{answer}");
    answer
}

fn unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    stream
}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    stream
}

/// The JSON body of an answer.
fn json(answer: &str) -> serde_json::Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Where PHP thinks the request came from and went to.
fn ends(answer: &str) -> [String; 5] {
    let server = &json(answer)["server"];
    ["REMOTE_ADDR", "REMOTE_PORT", "SERVER_ADDR", "SERVER_PORT", "SERVER_NAME"]
        .map(|name| server[name].as_str().unwrap_or_else(|| panic!("{name} in {server}")).to_owned())
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn every_address_is_served() {
    for mode in [Mode::Worker, Mode::Classic] {
        let launch = Launch::plain(mode);
        let socket = launch.dir().path().join("http.sock");
        let second = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let launch = launch.also_listen(&second.to_string()).also_listen(&format!("unix:{}", socket.display()));
        run(launch, async |server| {
            for answer in
                [get(tcp(server.address()), "/", "x"), get(tcp(second), "/", "x"), get(unix(&socket), "/", "x")]
            {
                assert!(answer.ends_with("hello"), "{answer}");
            }
            let log = server.log();
            for address in [server.address().to_string(), second.to_string(), format!("unix:{}", socket.display())] {
                assert!(log.matches(&address).count() >= 2, "{address} in the log and on the screen: {log}");
            }
        });
        assert!(!socket.exists(), "the socket file is removed at the stop");
    }
}

#[test]
fn ipv6_alone_and_together_with_ipv4() {
    let has_ipv6 = has_ipv6();
    assert!(has_ipv6 || !Path::new("/proc/net/if_inet6").exists(), "this machine has IPv6 but no ::1");
    let (both, alone) = (free_port(), free_port());
    let mut launch = Launch::plain(Mode::Worker).also_listen(&format!(":{both}"));
    if has_ipv6 {
        launch = launch.also_listen(&format!("[::1]:{alone}"));
    }
    run(launch, async |_| {
        let v4 = SocketAddr::from(([127, 0, 0, 1], both));
        // An IPv4 client of a dual-stack socket has an IPv4 address.
        assert_eq!(ends(&get(tcp(v4), "/state", "a.example:81"))[0], "127.0.0.1");
        if !has_ipv6 {
            return;
        }
        let v6 = |port| SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port));
        for port in [both, alone] {
            let [remote, remote_port, local, ..] = ends(&get(tcp(v6(port)), "/state", "x"));
            assert_eq!((remote.as_str(), local.as_str()), ("::1", "::1"));
            assert!(remote_port.parse::<u16>().is_ok_and(|port| port > 0), "{remote_port}");
        }
        assert!(TcpStream::connect(("127.0.0.1", alone)).is_err(), "[::1] takes no IPv4");
    });
}

#[test]
fn a_unix_client_is_this_machine() {
    for mode in [Mode::Worker, Mode::Classic] {
        let launch = Launch::plain(mode);
        let socket = launch.dir().path().join("http.sock");
        run(launch.also_listen(&format!("unix:{}", socket.display())), async |_| {
            let seen = ends(&get(unix(&socket), "/state", "shop.example:8443"));
            assert_eq!(seen, ["127.0.0.1", "", "127.0.0.1", "8443", "shop.example"].map(str::to_owned));
            assert_eq!(ends(&get(unix(&socket), "/state", "shop.example"))[3], "80");
        });
    }
}

#[test]
fn a_socket_file_has_the_rights_that_the_address_says() {
    let launch = Launch::plain(Mode::Worker);
    let folder = launch.dir().path().to_owned();
    let launch =
        [("a", ""), ("b", "?mode=0666"), ("c", "?mode=0600")].into_iter().fold(launch, |launch, (name, options)| {
            launch.also_listen(&format!("unix:{}/{name}{options}", folder.display()))
        });
    run(launch, async |_| {
        for (name, mode) in [("a", 0o660), ("b", 0o666), ("c", 0o600)] {
            let data = std::fs::symlink_metadata(folder.join(name)).expect("the socket file");
            assert_eq!(data.permissions().mode() & 0o777, mode, "{name}");
        }
    });
}

/// A server that was killed leaves its file behind; the next one takes the name over. A living one keeps it.
#[test]
fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
    let dir = PrivateDir::with_app("plain");
    let socket = dir.path().join("http.sock");
    let address = format!("unix:{}", socket.display());
    drop(UnixListener::bind(&socket).expect("a socket that nobody serves"));
    let launch = Launch::with_dir(dir, Mode::Classic).root("public").workers(1).also_listen(&address);
    run(launch, async |_| {
        assert!(get(unix(&socket), "/", "x").ends_with("hello"));
        let other = PrivateDir::with_app("plain");
        let ended = program::supercharger(&other, &["php-server", "--root", "public", "--listen", &address], LIMIT);
        ended.expect(1, &[&address, "another process serves this socket"]);
        assert!(get(unix(&socket), "/", "x").ends_with("hello"), "the living server was not disturbed");
    });
}

#[test]
fn a_socket_that_cannot_be_made_is_explained() {
    let dir = PrivateDir::with_app("plain");
    let file = dir.write("precious", "data");
    for (address, words) in [
        (format!("unix:{}", file.display()), &["is no socket"][..]),
        (format!("unix:{}/none/http.sock", dir.path().display()), &["does not exist"]),
        (format!("unix:{}/x?group=no-such-group", dir.path().display()), &["no-such-group"]),
    ] {
        let ended = program::supercharger(&dir, &["php-server", "--root", "public", "--listen", &address], LIMIT);
        ended.expect(1, words);
    }
    for address in ["unix:relative/http.sock", "unix:/run/x?mode=rw", "unix:"] {
        let ended = program::supercharger(&dir, &["php-server", "--root", "public", "--listen", address], LIMIT);
        ended.expect(78, &[address, "unix:/"]);
    }
    assert_eq!(std::fs::read_to_string(file).expect("still there"), "data");
}

/// A start that fails for another reason takes its socket file with it.
#[test]
fn a_failed_start_leaves_no_socket_behind() {
    let dir = PrivateDir::with_app("faulty");
    let socket = dir.path().join("http.sock");
    let mut command = program::command(program::executable(), &dir);
    command.args(["php-server", "--listen", &format!("unix:{}", socket.display()), "--root", "."]);
    command.args(["--worker", "throws.php,1"]);
    run_to_end(&dir, command, LIMIT).expect(1, &["the database is not reachable"]);
    assert!(!socket.exists());
}

modes!(h2c_and_http1_share_a_port, async |server| {
    let mut h2 = server.connect(crate::support::client::Protocol::H2c).await;
    assert_eq!(h2.get("/").await.ok().text(), "hello");
    assert_eq!(server.get("/").await.ok().text(), "hello");
    // RFC 9113 dropped the upgrade from HTTP/1.1: the field is ignored, the request answered as it is.
    let mut raw = server.raw().await;
    raw.write(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
    )
    .await;
    let answer = raw.response().await;
    assert!(status(&answer) == 200 && answer.ends_with("hello"), "{answer}");
    raw.get("/").await;
    assert!(raw.response().await.ends_with("hello"), "the connection goes on in HTTP/1.1");
});

/// The file goes when the listener stops, not when the process ends: a successor can start while old requests finish.
#[test]
fn the_socket_file_goes_at_the_beginning_of_a_drain() {
    let launch = Launch::plain(Mode::Worker);
    let socket = launch.dir().path().join("http.sock");
    run(launch.also_listen(&format!("unix:{}", socket.display())), async |server| {
        let mut held = server.raw().await;
        held.get("/hold?id=drain").await;
        server.dir().wait_for_mark("holding-drain").await;
        server.signal("TERM");
        until(LIMIT, "the socket file is gone", || (!socket.exists()).then_some(())).await;
        server.dir().mark("release-drain");
        held.until("held drain").await;
        server.wait_for_end(LIMIT).await;
    });
}

fn listening(address: &str) -> (OwnedFd, SocketAddr) {
    let socket = TcpListener::bind(address).expect("a port");
    let address = socket.local_addr().expect("an address");
    (socket.into(), address)
}

#[test]
fn sockets_handed_over_take_the_place_of_addresses() {
    for mode in [Mode::Worker, Mode::Classic] {
        let launch = Launch::plain(mode);
        let elsewhere = PrivateDir::new();
        let path = elsewhere.path().join("handed.sock");
        let (v4, _) = listening("127.0.0.1:0");
        let (second, second_address) = listening(if has_ipv6() { "[::1]:0" } else { "127.0.0.1:0" });
        let unix_socket = OwnedFd::from(UnixListener::bind(&path).expect("a socket"));
        run(launch.activated(vec![v4, second, unix_socket]), async |server| {
            assert!(get(tcp(server.address()), "/", "x").ends_with("hello"));
            assert!(get(tcp(second_address), "/", "x").ends_with("hello"));
            assert_eq!(ends(&get(unix(&path), "/state", "x"))[0], "127.0.0.1");
            assert!(TcpStream::connect(server.configured()).is_err(), "--listen is not served as well");
            let log = server.log();
            assert!(log.contains(&format!("unix:{}", path.display())), "the log names the sockets: {log}");
            for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
                let seen = json(&get(tcp(server.address()), &format!("/env?name={name}"), "x"));
                assert_eq!(seen, serde_json::json!({"getenv": false, "server": null}), "{name}");
            }
        });
        assert!(path.exists(), "the file of a socket handed over is its maker's");
    }
}

/// The variables were meant for another process: they are not obeyed, and not shown to PHP either.
#[test]
fn sockets_of_another_process_are_left_alone() {
    let launch = Launch::plain(Mode::Worker).env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    run(launch, async |server| {
        let seen = server.json("/env?name=LISTEN_FDS").await;
        assert_eq!(seen, serde_json::json!({"getenv": false, "server": null}));
    });
}

#[test]
fn what_cannot_be_listened_on_is_refused() {
    let dir = PrivateDir::with_app("plain");
    let log = dir.path().join("activation.log");
    let connected = {
        let (socket, address) = listening("127.0.0.1:0");
        let stream = TcpStream::connect(address).expect("connect");
        drop(socket);
        OwnedFd::from(stream)
    };
    let cases: [(&str, OwnedFd, &str); 4] = [
        ("datagrams", UdpSocket::bind("127.0.0.1:0").expect("a port").into(), "is no stream socket"),
        ("a file", File::open("/dev/null").expect("a file").into(), "is no stream socket"),
        ("a pair", UnixStream::pair().expect("a pair").0.into(), "does not listen"),
        ("a connection", connected, "does not listen"),
    ];
    for (name, descriptor, words) in cases {
        let mut command = program::command("sh", &dir);
        command.args(&program::activation(1)[1..]).arg(program::executable()).args(["php-server", "--root", "public"]);
        program::hand_over(&mut command, vec![descriptor], &log);
        let status = command.status().expect("it runs");
        let said = std::fs::read_to_string(&log).expect("a log");
        assert_eq!(status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(words) && said.contains("descriptor 3 (first)"), "{name}: {said}");
        std::fs::remove_file(&log).expect("removed");
    }
    let mut command = program::command("sh", &dir);
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=many exec \"$@\"", "sh"]).arg(program::executable());
    command.args(["php-server", "--root", "public"]);
    run_to_end(&dir, command, LIMIT).expect(1, &["LISTEN_FDS=\"many\""]);
}
