//! The page of the admin endpoints and its live feed, as far as they need no browser; `scripts/check-dashboard` drives them with one.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Launch, Mode, Server, modes, run, until};

/// What a viewer is asked for.
const ASK: &[u8] = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Viewers at a time.
const MOST_VIEWERS: usize = 16;

/// A viewer that reads when it is told to.
struct Viewer(TcpStream);

impl Viewer {
    fn open(server: &Server) -> Self {
        Self::with_buffer(server, None)
    }

    /// With so small a buffer that what it does not read is soon seen to wait.
    fn with_buffer(server: &Server, bytes: Option<usize>) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        if let Some(bytes) = bytes {
            socket.set_recv_buffer_size(bytes).expect("a buffer");
        }
        let SocketAddr::V4(_) = server.admin() else { panic!("an address of version 4") };
        socket.connect(&server.admin().into()).expect("a connection");
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        stream.write_all(ASK).expect("a request");
        Self(stream)
    }

    /// Reads until the text has come; gives all that came until then.
    fn read_until(&mut self, text: &str) -> String {
        let (mut got, mut bytes) = (Vec::new(), [0; 65536]);
        loop {
            let count = match self.0.read(&mut bytes) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                count => count.expect("more of the feed"),
            };
            assert_ne!(count, 0, "the feed ended before {text:?}:\n{}", String::from_utf8_lossy(&got));
            got.extend_from_slice(&bytes[..count]);
            let so_far = String::from_utf8_lossy(&got);
            if so_far.contains(text) {
                return so_far.into_owned();
            }
        }
    }

    /// Whether the feed ends in an orderly way.
    fn ends(&mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).is_ok() && rest.ends_with(b"0\r\n\r\n")
    }
}

modes!(the_page_is_for_all_and_holds_nothing, |launch| launch.admin(), async |server| {
    // A stranger's name: the guard refuses it everything else.
    let answer = server.ask_admin("GET", "/", &[("host", "evil.example")]).await;
    answer.ok();
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("cache-control"), Some("no-store, no-cache, must-revalidate, max-age=0"));
    let policy = answer.header("content-security-policy").expect("a policy").to_owned();
    for part in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "script-src 'nonce-"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let (text, status) = (answer.text(), server.admin_json("/status").await);
    let nonce = policy.split("script-src 'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce");
    assert_eq!(text.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "style and script");
    assert!(!text.contains("{nonce}") && !text.contains("{style}") && !text.contains("{script}"));
    for secret in [status["server"]["version"].as_str(), status["server"]["php"].as_str(), Some("default")] {
        let secret = format!(">{}<", secret.expect("a text"));
        assert!(!text.contains(&secret), "{secret} is on the page");
    }
    assert!(
        !text.contains("http://")
            || text.matches("http://").count() == text.matches("http://www.w3.org/2000/svg").count()
    );
    assert!(!text.contains("https://") && !text.contains("innerHTML"), "no assets of others, no markup out of data");
    let again = server.ask_admin("GET", "/", &[]).await;
    assert!(!again.header("content-security-policy").is_some_and(|policy| policy.contains(nonce)), "a new nonce");
    server.ask_admin("GET", "/events", &[("host", "evil.example")]).await.expect(403);
});

modes!(the_feed_tells_all_viewers_the_same_once_a_second, |launch| launch.admin(), async |server| {
    server.get("/").await.ok();
    let mut viewers: Vec<_> = (0..MOST_VIEWERS).map(|_| Viewer::open(server)).collect();
    let seen: Vec<_> = viewers.iter_mut().map(|viewer| viewer.read_until("\nid: 3\n")).collect();
    for text in &seen {
        assert!(text.contains("content-type: text/event-stream; charset=utf-8\r\n"), "{text}");
        assert!(text.contains("event: snapshot\ndata: {") && text.contains("\"pools\":{\"default\":"), "{text}");
        assert!(text.contains("\"workers\":["), "{text}");
    }
    let second = |text: &str| {
        let event = text.split("\nid: 2\n").nth(1).expect("the second").to_owned();
        event.split("\n\n").next().expect("its end").to_owned()
    };
    assert!(seen.iter().all(|text| second(text) == second(&seen[0])), "one question for all");

    // One too many is told so; a place that is given up is free.
    let answer = server.ask_admin("GET", "/events", &[]).await;
    answer.expect(503);
    assert_eq!(answer.json()["error"]["code"], "too_many_viewers");
    server.ask_admin("GET", "/status", &[]).await.ok();
    drop(viewers.pop());
    until(Duration::from_secs(10), "a place is free", || {
        let mut viewer = Viewer::open(server);
        viewer.read_until("\r\n").starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
});

#[test]
fn the_feed_ends_with_its_server() {
    run(Launch::plain(Mode::Worker).admin(), async |server| {
        let mut viewer = Viewer::open(server);
        viewer.read_until("event: snapshot");
        let asked = Instant::now();
        server.signal("TERM");
        assert!(viewer.ends(), "it is not cut");
        server.wait_for_end(Duration::from_secs(10)).await;
        assert!(asked.elapsed() < Duration::from_secs(8), "it took {:?}", asked.elapsed());
    });
}

/// Every place is taken by viewers that read nothing: they are dropped, though the server has sent all that they have asked for.
#[test]
fn viewers_that_read_nothing_are_dropped() {
    // Many workers, so that a snapshot is large and what the kernel takes for a viewer is soon full.
    run(Launch::plain(Mode::Classic).workers(40).admin(), async |server| {
        let deaf: Vec<_> = (0..MOST_VIEWERS).map(|_| Viewer::with_buffer(server, Some(4096))).collect();
        until(Duration::from_secs(10), "all places are taken", || {
            let mut viewer = Viewer::open(server);
            viewer.read_until("\r\n").starts_with("HTTP/1.1 503 ").then_some(())
        })
        .await;
        until(Duration::from_secs(40), "a place is free again", || {
            let mut viewer = Viewer::open(server);
            viewer.read_until("\r\n").starts_with("HTTP/1.1 200 ").then_some(())
        })
        .await;
        drop(deaf);
    });
}
