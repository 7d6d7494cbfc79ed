//! A whole connection, HTTP/1.1 or HTTP/2, over a unix socket: wire, heads, limits, routes, bodies, answers.
//!
//! The server is the product's own HTTP front with its configuration read from `apps/connection.toml`; in place of PHP stands a
//! backend that checks what PHP would be told. An input is what a client sends before it closes its side.
#![no_main]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::{Corpus, fuzz_target};
use supercharger::config::{self, Flags};
use supercharger::http::{self, Backend, Router};
use supercharger::job::{self, Ending, Failure, ReplyLimits, Request, RequestBody, Response, ResponseHead, Span};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Input beyond this only costs time.
const LONGEST_INPUT: usize = 64 * 1024;
/// A connection whose client has closed its side is over long before.
const PATIENCE: Duration = Duration::from_secs(10);

struct Checks;

impl Backend for Checks {
    async fn submit(&self, pool: usize, request: Request, mut body: RequestBody) -> Result<Response, Failure> {
        assert_eq!(pool, 0, "there is one pool");
        check(&request);
        let mut length = 0;
        let mut piece = [0; 4096];
        loop {
            match body.read(&mut piece).expect("a body can be read") {
                0 => break,
                count => length += count as u64,
            }
        }
        assert_eq!(length, body.length());
        let (mut reply, mut awaiting) = job::channel(ReplyLimits::default(), &request.trail);
        let uri = Bytes::copy_from_slice(request.bytes(request.uri));
        reply.head(ResponseHead {
            status: 200,
            reason: Bytes::new(),
            headers: vec![(Bytes::from_static(b"x-uri"), uri)],
        });
        // A client that has gone by now is no fault.
        let _ = reply.write(b"served\n");
        reply.finish(Ending::Whole);
        awaiting.response().await
    }
}

/// What a script relies on.
fn check(request: &Request) {
    let text = |span: Span| request.bytes(span);
    let harmless = |bytes: &[u8]| !bytes.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
    assert!(!text(request.method).is_empty());
    assert!(text(request.uri).starts_with(b"/") || text(request.uri) == b"*", "{}", text(request.uri).escape_ascii());
    assert_eq!(text(request.target.script_name), b"/index.php");
    let info = text(request.target.path_info);
    assert!(info.is_empty() || info.starts_with(b"/"), "{}", info.escape_ascii());
    assert!(!text(request.request_id).is_empty());
    assert!(!text(request.remote_addr).is_empty() || request.remote_port == 0);
    for span in
        [request.method, request.uri, request.query, request.server_name, request.remote_addr, request.request_id]
    {
        assert!(harmless(text(span)), "{}", text(span).escape_ascii());
    }
    for header in request.headers() {
        let name = text(header.name);
        assert!(!name.is_empty() && harmless(name) && harmless(text(header.value)));
        assert!(!name.contains(&b'_') && !name.contains(&b'.') && name != b"proxy", "{}", name.escape_ascii());
    }
}

struct Lane {
    runtime: Runtime,
    socket: PathBuf,
}

fn start() -> Lane {
    let socket = std::env::temp_dir().join(format!("sc-fuzz-{}.sock", std::process::id()));
    let flags = Flags {
        config: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/connection.toml")),
        listen: vec![format!("unix:{}", socket.display())],
        ..Flags::default()
    };
    let config = config::load(&flags).expect("a configuration");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listeners = http::bind(&config.http.listen).expect("a socket");
    let router = Router::new(config.http.site.clone());
    runtime.spawn(listeners.serve(Checks, config.http, router, std::future::pending(), Duration::ZERO, |_| {}));
    Lane { runtime, socket }
}

/// Sends all of it, closes the writing side, and takes what comes back.
async fn converse(socket: &Path, data: &[u8]) -> Vec<u8> {
    let stream = UnixStream::connect(socket).await.expect("the server listens");
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let send = async {
        // The server may close before it has taken everything.
        drop(writer.write_all(data).await);
        drop(writer.shutdown().await);
    };
    let (_, read) = tokio::join!(send, reader.read_to_end(&mut answer));
    drop(read);
    answer
}

fuzz_target!(|data: &[u8]| -> Corpus {
    thread_local!(static LANE: RefCell<Option<Lane>> = const { RefCell::new(None) });
    if data.len() > LONGEST_INPUT {
        return Corpus::Reject;
    }
    LANE.with_borrow_mut(|lane| {
        let lane = lane.get_or_insert_with(start);
        let answer = lane.runtime.block_on(async { timeout(PATIENCE, converse(&lane.socket, data)).await });
        let answer = answer.expect("a connection comes to its end");
        if !data.starts_with(b"PRI") && !answer.is_empty() {
            assert!(answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
            let served = answer.windows(7).filter(|window| window == b"served\n").count();
            let heads = data.windows(2).filter(|window| window == b"\n\n" || window == b"\r\n").count();
            assert!(served <= heads, "{served} answers to {heads} line ends");
        }
    });
    Corpus::Keep
});
