//! Request smuggling: whatever a request says about its own end, a second request hidden behind that never reaches PHP.
//!
//! Each case goes over a connection of its own as exact bytes. Behind it follows a request that leaves a line in a file (the canary).
//! A case is either refused - one answer, the connection closed, no line - or taken with exactly the body given, and
//! then what follows is an ordinary next request. Cases of HTTP/2 are in `smuggling/http2.rs`.

mod http2;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::raw::status;
use crate::support::{Server, modes};

/// A server that waits for more keeps a case from ending; none has reason to.
const LIMIT: Duration = Duration::from_secs(15);

/// What must become of a case.
#[derive(Debug, Clone, Copy)]
enum Want {
    /// One answer with this status, and the connection closed.
    Refused(u16),
    /// Taken, with this body for PHP; the canary is a request of its own.
    Taken(&'static str),
    /// The canary is the body: taken as such, never run.
    Hidden,
    /// The client leaves after these bytes: nothing is run, whatever is answered.
    Cut,
}
use Want::{Cut, Hidden, Refused, Taken};

const BAD: Want = Refused(400);

/// `POST /input` with these fields and what follows them.
macro_rules! post {
    ($fields:literal, $rest:literal) => {
        concat!("POST /input HTTP/1.1\r\nHost: x\r\n", $fields, "\r\n\r\n", $rest)
    };
}

/// Two ways to say where the body ends, or one that is not what it seems.
const ENCODINGS: &[(&str, &str, Want)] = &[
    ("CL.TE", post!("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), BAD),
    ("TE.CL", post!("Transfer-Encoding: chunked\r\nContent-Length: 6", "0\r\n\r\n"), BAD),
    ("CL.TE.CL", post!("Content-Length: 0\r\nTransfer-Encoding: chunked\r\nContent-Length: 0", "0\r\n\r\n"), BAD),
    ("CL and TE, bare LF", post!("Content-Length: 6\nTransfer-Encoding: chunked", "0\r\n\r\n"), BAD),
    ("CL and TE, any case", post!("cOnTeNt-LeNgTh: 6\r\ntRaNsFeR-eNcOdInG: chunked", "0\r\n\r\n"), BAD),
    ("CL and TE identity", post!("Content-Length: 2\r\nTransfer-Encoding: identity", "ab"), BAD),
    ("TE, space before the colon", post!("Transfer-Encoding : chunked", "0\r\n\r\n"), BAD),
    ("TE, tab before the colon", post!("Transfer-Encoding\t: chunked", "0\r\n\r\n"), BAD),
    ("CL and TE with a space", post!("Content-Length: 6\r\nTransfer-Encoding : chunked", "0\r\n\r\n"), BAD),
    ("TE xchunked", post!("Transfer-Encoding: xchunked", "0\r\n\r\n"), BAD),
    ("TE chunkedx", post!("Transfer-Encoding: chunkedx", "0\r\n\r\n"), BAD),
    ("TE quoted", post!("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"), BAD),
    ("TE with a parameter", post!("Transfer-Encoding: chunked;q=1", "0\r\n\r\n"), BAD),
    ("TE empty", post!("Transfer-Encoding:", "0\r\n\r\n"), BAD),
    ("TE identity", post!("Transfer-Encoding: identity", ""), BAD),
    ("TE gzip", post!("Transfer-Encoding: gzip", ""), BAD),
    ("TE gzip, chunked", post!("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), BAD),
    ("TE identity, chunked", post!("Transfer-Encoding: identity, chunked", "0\r\n\r\n"), BAD),
    ("TE chunked, identity", post!("Transfer-Encoding: chunked, identity", "0\r\n\r\n"), BAD),
    ("TE chunked, chunked", post!("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), BAD),
    ("TE twice, identity last", post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"), BAD),
    ("TE twice, identity first", post!("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), BAD),
    ("TE twice", post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), BAD),
    ("TE twice, the second cow", post!("Transfer-Encoding: chunked\r\nTransfer-encoding: cow", "0\r\n\r\n"), BAD),
    ("TE, vertical tab", post!("Transfer-Encoding:\x0bchunked", "0\r\n\r\n"), BAD),
    ("TE, form feed", post!("Transfer-Encoding: chunked\x0c", "0\r\n\r\n"), BAD),
    ("TE, NUL", post!("Transfer-Encoding: \0chunked", "0\r\n\r\n"), BAD),
    ("TE, DEL", post!("Transfer-Encoding: chunked\x7f", "0\r\n\r\n"), BAD),
    ("TE, CR in the value", post!("Transfer-Encoding: chun\rked", "0\r\n\r\n"), BAD),
    ("TE, CR in the name", post!("Transfer-\rEncoding: chunked", "0\r\n\r\n"), BAD),
    ("TE folded", post!("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"), BAD),
    ("TE folded, tab", post!("Transfer-Encoding: identity,\r\n\tchunked", "0\r\n\r\n"), BAD),
    ("TE as a fold of another", post!("X: y\r\n Transfer-Encoding: chunked", "0\r\n\r\n"), BAD),
    ("TE behind a CR", post!("X: y\rTransfer-Encoding: chunked", "0\r\n\r\n"), BAD),
    ("TE behind a NUL", post!("X: y\0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), BAD),
    ("TE by an underscore is no TE", post!("Content-Length: 2\r\nTransfer_Encoding: chunked", "ab"), Taken("ab")),
    ("TE after a tab", post!("Transfer-Encoding:\tchunked", "2\r\nab\r\n0\r\n\r\n"), Taken("ab")),
    ("TE in capitals", post!("TRANSFER-ENCODING: CHUNKED", "2\r\nab\r\n0\r\n\r\n"), Taken("ab")),
    ("HTTP/1.0 with TE", "POST /input HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    (
        "TE on GET",
        "GET /input HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        Taken("ab"),
    ),
];

const LENGTHS: &[(&str, &str, Want)] = &[
    ("CL twice, different", post!("Content-Length: 0\r\nContent-Length: 5", ""), BAD),
    ("CL twice, the same", post!("Content-Length: 2\r\nContent-Length: 2", "ab"), Taken("ab")),
    ("CL list", post!("Content-Length: 2, 2", "ab"), BAD),
    ("CL list, different", post!("Content-Length: 0, 2", "ab"), BAD),
    ("CL negative", post!("Content-Length: -1", ""), BAD),
    ("CL minus zero", post!("Content-Length: -0", ""), BAD),
    ("CL with a plus", post!("Content-Length: +2", "ab"), BAD),
    ("CL in hexadecimal", post!("Content-Length: 0x2", "ab"), BAD),
    ("CL with an exponent", post!("Content-Length: 2e0", "ab"), BAD),
    ("CL with a fraction", post!("Content-Length: 2.0", "ab"), BAD),
    ("CL with a space within", post!("Content-Length: 2 2", "ab"), BAD),
    ("CL with an underscore", post!("Content-Length: 1_0", "ab"), BAD),
    ("CL quoted", post!("Content-Length: \"2\"", "ab"), BAD),
    ("CL empty", post!("Content-Length:", ""), BAD),
    ("CL with other digits", post!("Content-Length: \u{0662}", "ab"), BAD),
    ("CL beyond 64 bits", post!("Content-Length: 18446744073709551618", "ab"), BAD),
    (
        "CL with forty digits",
        post!("Content-Length: 0000000000000000000000000000000000000000000000000000000000x2", "ab"),
        BAD,
    ),
    ("CL, space before the colon", post!("Content-Length : 2", "ab"), BAD),
    ("CL folded", post!("Content-Length:\r\n 2", "ab"), BAD),
    ("CL behind a NUL", post!("Content-Length: 2\0", "ab"), BAD),
    ("CL with leading zeros", post!("Content-Length: 002", "ab"), Taken("ab")),
    ("CL between blanks", post!("Content-Length: \t2 \t", "ab"), Taken("ab")),
    ("CL on GET", "GET /input HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", Taken("ab")),
    (
        "CL larger than the rest: the canary is body",
        "POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n",
        Hidden,
    ),
    ("CL and a body that is cut", post!("Content-Length: 100000", "ab"), Cut),
];

const CHUNKS: &[(&str, &str, Want)] = &[
    ("chunk size beyond 64 bits", post!("Transfer-Encoding: chunked", "10000000000000002\r\nab\r\n0\r\n\r\n"), BAD),
    ("chunk size of all bits", post!("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFFF\r\nab\r\n0\r\n\r\n"), BAD),
    ("chunk size negative", post!("Transfer-Encoding: chunked", "-2\r\nab\r\n0\r\n\r\n"), BAD),
    ("chunk size with a plus", post!("Transfer-Encoding: chunked", "+2\r\nab\r\n0\r\n\r\n"), BAD),
    ("chunk size with 0x", post!("Transfer-Encoding: chunked", "0x2\r\nab\r\n0\r\n\r\n"), BAD),
    ("chunk size empty", post!("Transfer-Encoding: chunked", "\r\n\r\n0\r\n\r\n"), BAD),
    ("chunk size of letters", post!("Transfer-Encoding: chunked", "xy\r\nab\r\n0\r\n\r\n"), BAD),
    ("chunk size after a blank", post!("Transfer-Encoding: chunked", " 2\r\nab\r\n0\r\n\r\n"), BAD),
    ("chunk size ended by LF", post!("Transfer-Encoding: chunked", "2\nab\r\n0\r\n\r\n"), BAD),
    ("chunk size ended by CR", post!("Transfer-Encoding: chunked", "2\rab\r\n0\r\n\r\n"), BAD),
    ("chunk ended by LF", post!("Transfer-Encoding: chunked", "2\r\nab\n0\r\n\r\n"), BAD),
    ("chunk longer than its size", post!("Transfer-Encoding: chunked", "2\r\nabc\r\n0\r\n\r\n"), BAD),
    ("chunk shorter than its size", post!("Transfer-Encoding: chunked", "4\r\nab\r\n0\r\n\r\n"), BAD),
    ("extension with CR", post!("Transfer-Encoding: chunked", "2;a\rb\r\nab\r\n0\r\n\r\n"), BAD),
    ("extension with LF", post!("Transfer-Encoding: chunked", "2;a\nab\r\n0\r\n\r\n"), BAD),
    ("last chunk ended by LF", post!("Transfer-Encoding: chunked", "2\r\nab\r\n0\n\r\n"), BAD),
    // The last line end of a message, which no other follows on its connection.
    ("end marked by LF", post!("Transfer-Encoding: chunked", "2\r\nab\r\n0\r\n\n"), Taken("ab")),
    ("garbage after the last chunk", post!("Transfer-Encoding: chunked", "2\r\nab\r\n0\r\ngarbage\r\n\r\n"), BAD),
    ("extension", post!("Transfer-Encoding: chunked", "2;name=value\r\nab\r\n0;x\r\n\r\n"), Taken("ab")),
    ("size with leading zeros", post!("Transfer-Encoding: chunked", "0002\r\nab\r\n000\r\n\r\n"), Taken("ab")),
    (
        "a length as trailer",
        post!("Transfer-Encoding: chunked", "2\r\nab\r\n0\r\nContent-Length: 9\r\n\r\n"),
        Taken("ab"),
    ),
    ("a host as trailer", post!("Transfer-Encoding: chunked", "2\r\nab\r\n0\r\nHost: evil\r\n\r\n"), Taken("ab")),
    ("a canary as chunk", "POST /input HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n", Hidden),
    ("chunks that are cut", post!("Transfer-Encoding: chunked", "5\r\nab"), Cut),
];

const LINES: &[(&str, &str, Want)] = &[
    ("no host", "POST /input HTTP/1.1\r\n\r\n", BAD),
    ("two hosts", "POST /input HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", BAD),
    ("the same host twice", "POST /input HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", BAD),
    ("a host with a path", "POST /input HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD),
    ("a host with a user", "POST /input HTTP/1.1\r\nHost: me@a\r\n\r\n", BAD),
    ("a host with a blank", "POST /input HTTP/1.1\r\nHost: a b\r\n\r\n", BAD),
    ("a blank before the first field", "POST /input HTTP/1.1\r\n Host: x\r\n\r\n", BAD),
    ("a tab before the first field", "POST /input HTTP/1.1\r\n\tX: y\r\nHost: x\r\n\r\n", BAD),
    ("a blank in a name", "POST /input HTTP/1.1\r\nHost: x\r\nContent Length: 5\r\n\r\n", BAD),
    ("no name", "POST /input HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", BAD),
    ("no colon", "POST /input HTTP/1.1\r\nHost: x\r\nContent-Length\r\n\r\n", BAD),
    ("CR alone in a value", "POST /input HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", BAD),
    ("CR CR LF", "POST /input HTTP/1.1\r\nHost: x\r\nX: a\r\r\n\r\n", BAD),
    ("NUL in a name", "POST /input HTTP/1.1\r\nHost: x\r\nX\0: a\r\n\r\n", BAD),
    ("two blanks in the request line", "POST  /input HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("tabs in the request line", "POST\t/input\tHTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("a word too many", "POST /input HTTP/1.1 x\r\nHost: x\r\n\r\n", BAD),
    ("a blank in the target", "POST /in put HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("NUL in the target", "POST /in\0put HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("CR in the target", "POST /in\rput HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("a version to come", "POST /input HTTP/1.2\r\nHost: x\r\n\r\n", BAD),
    ("version two in words", "POST /input HTTP/2.0\r\nHost: x\r\n\r\n", BAD),
    ("version in lower case", "POST /input http/1.1\r\nHost: x\r\n\r\n", BAD),
    ("HTTP/0.9", "GET /input\r\n", BAD),
    ("a method with a colon", "PO:ST /input HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("a tunnel", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    ("a target without a path", "POST input HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    (
        "the target's host wins",
        "POST http://a.example/input HTTP/1.1\r\nHost: evil\r\nContent-Length: 2\r\n\r\nab",
        Taken("ab"),
    ),
    (
        "a method in lower case is a method",
        "post /input HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
        Taken("ab"),
    ),
    ("empty lines before", "\r\n\r\nPOST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", Taken("ab")),
    ("lines ended by LF", "POST /input HTTP/1.1\nHost: x\nContent-Length: 2\n\nab", Taken("ab")),
    (
        "an upgrade that is not made",
        post!("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2", "ab"),
        Taken("ab"),
    ),
    ("a head that is cut", "POST /input HTTP/1.1\r\nHost: x\r\nContent-Le", Cut),
];

fn canary(name: &str) -> String {
    let line = crate::support::client::encode(name);
    format!("GET /note?line={line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

/// Sends a case and gives all that is answered until the server closes.
fn exchange(address: SocketAddr, name: &str, bytes: &[u8], cut: bool) -> String {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    // The server may have refused before all is sent.
    drop(stream.write_all(bytes));
    if cut {
        drop(stream.shutdown(Shutdown::Write));
    }
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{name}: neither answered nor closed: {error}: {}", answer.escape_ascii()),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// What is wrong with the outcome of a case, if anything.
fn fault(server: &Server, name: &str, text: &str, want: Want) -> Option<String> {
    let canary = canary(name);
    let text = text.replace("{length}", &canary.len().to_string()).replace("{size}", &format!("{:x}", canary.len()));
    let mut bytes = text.into_bytes();
    let hidden_in_chunk = bytes.windows(26).any(|window| window == b"Transfer-Encoding: chunked");
    match want {
        // Bytes are sent behind a refused head, too: what is not read must not be run.
        Refused(_) | Taken(_) => bytes.extend(canary.as_bytes()),
        Hidden => {
            bytes.extend(canary.as_bytes());
            if hidden_in_chunk {
                bytes.extend(b"\r\n0\r\n\r\n");
            }
            bytes.extend(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        }
        Cut => {}
    }
    let answer = exchange(server.address(), name, &bytes, matches!(want, Cut));
    let answers = answer.matches("HTTP/1.1 ").count() + answer.matches("HTTP/1.0 ").count();
    let notes = server.dir().marked("notes").unwrap_or_default();
    let sung = notes.lines().filter(|line| *line == name).count();
    let body = |expected: &str| {
        let told = format!(
            "\"length\":{},\"fnv1a64\":\"{}\"",
            expected.len(),
            crate::support::client::fnv1a64(expected.as_bytes())
        );
        answer.contains(&told)
    };
    // A chunked request is the last of its connection (docs/behaviour.md): then the canary is not read at all.
    let last = hidden_in_chunk || answer.contains("\r\nconnection: close");
    let holds = match want {
        Refused(expected) => answers == 1 && status(&answer) == expected && sung == 0,
        Taken(expected) => {
            answers >= 1 && status(&answer) == 200 && body(expected) && (sung == 1 || (last && sung == 0))
        }
        Hidden => answers >= 1 && status(&answer) == 200 && body(&canary) && sung == 0,
        Cut => !answer.starts_with("HTTP/1.1 200") && sung == 0,
    };
    (!holds).then(|| format!("{name}: wanted {want:?}, canary {sung} times, {answers} answers: {answer:?}"))
}

/// All cases of a table; every fault is told.
async fn hold(server: &Server, cases: &[(&str, &str, Want)]) {
    let faults: Vec<_> = cases.iter().filter_map(|(name, text, want)| fault(server, name, text, *want)).collect();
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
    assert_eq!(server.get("/").await.ok().text(), "hello");
}

modes!(one_way_to_say_where_a_body_ends, async |server| hold(server, ENCODINGS).await);
modes!(lengths_are_numbers, async |server| hold(server, LENGTHS).await);
modes!(chunks_are_what_they_say, async |server| hold(server, CHUNKS).await);
modes!(lines_are_lines, async |server| hold(server, LINES).await);

/// The check can fail: a request that is merely the next one on its connection is run, and seen.
#[test]
fn negative_control_a_canary_that_is_run_is_seen() {
    crate::support::run(crate::support::Launch::plain(crate::support::Mode::Worker), async |server| {
        let text = "POST /input HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab";
        assert_eq!(fault(server, "an honest one", text, Taken("ab")), None);
        let seen = fault(server, "a fooled one", text, BAD).expect("it was not refused");
        assert!(seen.contains("canary 1 times, 2 answers"), "{seen}");
        let seen = fault(server, "another body", text, Taken("abc")).expect("the body is another");
        assert!(seen.contains("canary 1 times"), "{seen}");
    });
}
