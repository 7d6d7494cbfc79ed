//! Requests of HTTP/2 that would be something else once written as HTTP/1.1, or that contradict themselves (RFC 9113 section 8).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::LIMIT;
use crate::support::modes;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields as literals without indexing, bytes as they are: no library would write most of these.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Reset, or the whole connection given up.
    Broken,
    /// Answered; whether with success.
    Answered { success: bool },
}

/// Sends one request and gives how stream 1 ended.
fn outcome(address: SocketAddr, name: &str, fields: &[(&str, &str)], body: Option<&str>) -> Outcome {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let end = if body.is_none() { END_STREAM } else { 0 };
    bytes.extend(frame(HEADERS, END_HEADERS | end, 1, &block(fields)));
    if let Some(body) = body {
        bytes.extend(frame(DATA, END_STREAM, 1, body.as_bytes()));
    }
    stream.write_all(&bytes).expect("sent");
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return Outcome::Broken;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).unwrap_or_else(|error| panic!("{name}: half a frame: {error}"));
        match head[3] {
            RST_STREAM | GOAWAY => return Outcome::Broken,
            // The first field of a response is its status; 200 is number 8 of the static table.
            HEADERS => return Outcome::Answered { success: payload.first() == Some(&0x88) },
            SETTINGS | PING => {}
            _ => {}
        }
    }
}

modes!(fields_of_http2_cannot_say_more_than_they_are, async |server| {
    let refused: &[(&str, &[(&str, &str)])] = &[
        ("CR LF in a value", &[("x-a", "b\r\nx-evil: 1")]),
        ("LF in a value", &[("x-a", "b\nx-evil: 1")]),
        ("CR in a value", &[("x-a", "b\rc")]),
        ("NUL in a value", &[("x-a", "b\0c")]),
        ("a name in capitals", &[("X-A", "b")]),
        ("a colon in a name", &[("x-a: b", "c")]),
        ("CR LF in a name", &[("x-a\r\nx-evil", "c")]),
        ("a blank in a name", &[("x a", "c")]),
        ("an empty name", &[("", "c")]),
        ("transfer-encoding", &[("transfer-encoding", "chunked")]),
        ("transfer-encoding identity", &[("transfer-encoding", "identity")]),
        ("connection", &[("connection", "keep-alive")]),
        ("keep-alive", &[("keep-alive", "timeout=5")]),
        ("proxy-connection", &[("proxy-connection", "close")]),
        ("upgrade", &[("upgrade", "h2c")]),
        ("te other than trailers", &[("te", "gzip")]),
        ("a second path", &[(":path", "/note?line=second")]),
        ("a second method", &[(":method", "GET")]),
        ("a pseudo-field after a field", &[("x-a", "b"), (":authority", "evil")]),
        ("an unknown pseudo-field", &[(":evil", "1")]),
        ("a pseudo-field of responses", &[(":status", "200")]),
        ("a length with a plus", &[("content-length", "+0")]),
        ("two lengths", &[("content-length", "0"), ("content-length", "1")]),
        ("a length without a body", &[("content-length", "5")]),
    ];
    for (number, (name, more)) in refused.iter().enumerate() {
        let path = format!("/note?line=h2-{number}");
        let mut fields = vec![(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path.as_str())];
        fields.extend(*more);
        let got = outcome(server.address(), name, &fields, None);
        assert_ne!(got, Outcome::Answered { success: true }, "{name}");
    }
    // The rest of the request is what it should be: with nothing added it is taken.
    let path = "/note?line=h2-honest";
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path)];
    assert_eq!(outcome(server.address(), "honest", &fields, None), Outcome::Answered { success: true });
    let notes = server.dir().marked("notes").unwrap_or_default();
    assert_eq!(notes.lines().collect::<Vec<_>>(), ["h2-honest"], "only the honest one is run");
});

modes!(pseudo_fields_of_http2_are_checked, async |server| {
    let refused: &[(&str, &[(&str, &str)])] = &[
        ("no path", &[(":method", "GET"), (":scheme", "http"), (":authority", "x")]),
        ("an empty path", &[(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "")]),
        ("no method", &[(":scheme", "http"), (":authority", "x"), (":path", "/note?line=a")]),
        ("no scheme", &[(":method", "GET"), (":authority", "x"), (":path", "/note?line=b")]),
        (
            "a method with a request line",
            &[
                (":method", "GET /note?line=c HTTP/1.1\r\n"),
                (":scheme", "http"),
                (":authority", "x"),
                (":path", "/note?line=d"),
            ],
        ),
        (
            "a path with a request line",
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "x"),
                (":path", "/note?line=e HTTP/1.1\r\nHost: evil"),
            ],
        ),
        (
            "a path with a blank",
            &[(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/note?line=f g")],
        ),
        (
            "a path without a slash",
            &[(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "note?line=h")],
        ),
        (
            "an authority with a line",
            &[(":method", "GET"), (":scheme", "http"), (":authority", "x\r\nHost: evil"), (":path", "/note?line=i")],
        ),
        (
            "an authority with a path",
            &[(":method", "GET"), (":scheme", "http"), (":authority", "x/y"), (":path", "/note?line=j")],
        ),
        ("no authority and no host", &[(":method", "GET"), (":scheme", "http"), (":path", "/note?line=k")]),
        (
            "two hosts",
            &[(":method", "GET"), (":scheme", "http"), (":path", "/note?line=l"), ("host", "a"), ("host", "b")],
        ),
        ("a tunnel", &[(":method", "CONNECT"), (":authority", "x:80")]),
    ];
    for (name, fields) in refused {
        let got = outcome(server.address(), name, fields, None);
        assert_ne!(got, Outcome::Answered { success: true }, "{name}");
    }
    assert_eq!(server.dir().marked("notes"), None, "none of them is run");
});

modes!(the_body_of_http2_is_as_long_as_it_says, async |server| {
    for (number, (length, body)) in [("5", "abc"), ("2", "abc"), ("0", "abc")].into_iter().enumerate() {
        let path = format!("/note?line=body-{number}");
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", &path),
            ("content-length", length),
        ];
        let got = outcome(server.address(), length, &fields, Some(body));
        assert_ne!(got, Outcome::Answered { success: true }, "{length} for {}", body.len());
    }
    assert_eq!(server.dir().marked("notes"), None, "none of them is run");
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", "/note?line=ok"),
        ("content-length", "3"),
    ];
    assert_eq!(outcome(server.address(), "honest", &fields, Some("abc")), Outcome::Answered { success: true });
});

// RFC 9113 section 8.3.1: a host that contradicts :authority makes the request malformed.
modes!(authority_and_host_agree, async |server| {
    let mut h2 = server.connect(crate::support::client::Protocol::H2c).await;
    h2.send("GET", "/state", &[("host", "evil.example")], "").await.expect(400);
    let authority = server.address().to_string();
    let seen = h2.send("GET", "/state", &[("host", &authority)], "").await.ok().json();
    assert_eq!(seen["server"]["HTTP_HOST"], authority, "{seen}");
});
