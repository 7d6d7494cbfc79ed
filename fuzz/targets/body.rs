//! Bodies, cookies and queries through the real engine.
//!
//! One PHP thread lives as long as the process and runs `apps/echo.php` in classic mode for each input. The script takes everything PHP's parsers have made of
//! the request, reads the body again and says what does not hold. What is checked: the thread lives, every request is answered
//! by a script that came to its end, and no temporary file of an upload is left.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use bytes::Bytes;
use libfuzzer_sys::{Corpus, fuzz_target};
use supercharger::job::{
    self, Boundary, Exchange, Identity, Interrupt, Next, ReplyLimits, RequestBody, RequestBuilder, ResetOutcome,
    ResponseBody, Runtime as _, Seat, Target,
};
use supercharger::php::{ClassicRuntime, Config, Engine};

/// Answers that are longer mean that the script printed what it should not.
const LONGEST_ANSWER: usize = 4096;
/// Input beyond this only costs time.
const LONGEST_INPUT: usize = 64 * 1024;

struct Lane {
    requests: SyncSender<Box<Exchange>>,
    /// A word each time the PHP thread has taken its former request down.
    idle: Receiver<()>,
    uploads: PathBuf,
    script: PathBuf,
    runtime: tokio::runtime::Runtime,
}

struct FuzzSeat {
    identity: Identity,
    requests: Receiver<Box<Exchange>>,
    idle: SyncSender<()>,
}

impl Seat for FuzzSeat {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn attached(&mut self, _interrupt: Arc<dyn Interrupt>) {}

    fn next(&mut self, boundary: Boundary) -> Next {
        assert!(matches!(boundary.reset, ResetOutcome::Done(_)), "{:?}", boundary.reset);
        self.idle.send(()).expect("the fuzzer lives");
        self.requests.recv().map_or(Next::Stop, Next::Job)
    }

    fn done(&mut self, _: Box<Exchange>, _: &Boundary) {}

    fn responded(&mut self) {}

    fn resetting(&mut self) {}
}

fn lane() -> &'static Mutex<Lane> {
    static LANE: OnceLock<Mutex<Lane>> = OnceLock::new();
    LANE.get_or_init(|| Mutex::new(start()))
}

fn start() -> Lane {
    let uploads = std::env::temp_dir().join(format!("sc-fuzz-{}", std::process::id()));
    fs::create_dir_all(&uploads).expect("a folder for uploads");
    let (requests, queue) = sync_channel::<Box<Exchange>>(1);
    let (taken_down, idle) = sync_channel(1);
    let folder = uploads.display().to_string();
    thread::Builder::new()
        .stack_size(16 * 1024 * 1024)
        .spawn(move || {
            let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let engine = Engine::start(&Config {
                ini: vec![
                    setting("upload_tmp_dir", &folder),
                    setting("sys_temp_dir", &folder),
                    setting("post_max_size", "256K"),
                    setting("upload_max_filesize", "32K"),
                    setting("max_input_vars", "200"),
                    setting("log_errors", "0"),
                ],
                server_software: "fuzz".to_owned(),
                ..Config::default()
            })
            .expect("the engine starts");
            let identity = Identity { pool: "fuzz".into(), slot: 0, incarnation: 1 };
            let mut seat = FuzzSeat { identity, requests: queue, idle: taken_down };
            let exit = ClassicRuntime::new(engine).run(&mut seat);
            panic!("the PHP thread has ended: {exit:?}");
        })
        .expect("a thread for PHP");
    idle.recv().expect("the engine has started");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/echo.php");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    Lane { requests, idle, uploads, script, runtime }
}

/// Parts of an input are separated by a byte that no form needs.
fn parts(data: &[u8]) -> [&[u8]; 4] {
    let mut parts = data.splitn(4, |byte| *byte == 0xff);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

fn request(lane: &Lane, data: &[u8]) -> (job::Request, RequestBody) {
    let [content_type, cookie, query, body] = parts(data);
    let body = RequestBody::memory(Bytes::copy_from_slice(body)).with_announcement();
    let mut builder = RequestBuilder::new();
    let script = lane.script.as_os_str().as_encoded_bytes();
    let target = Target {
        document_root: builder.text(b"/"),
        script_name: builder.text(b"/echo.php"),
        script_filename: builder.text(script),
        path_info: builder.text(b""),
    };
    // Both ways of PHP into its form parsers: before the script, and by request_parse_body().
    let method = builder.text(if query.starts_with(b"put&") { b"PUT" } else { b"POST" });
    let (uri, protocol) = (builder.text(b"/echo.php"), builder.text(b"HTTP/1.1"));
    let (content_type, cookie, query) = (builder.text(content_type), builder.text(cookie), builder.text(query));
    let fields = builder.fields();
    fields.target = target;
    fields.method = method;
    fields.uri = uri;
    fields.protocol = protocol;
    fields.content_type = content_type;
    fields.cookie = cookie;
    fields.query = query;
    (builder.build(), body)
}

fuzz_target!(|data: &[u8]| -> Corpus {
    if data.len() > LONGEST_INPUT {
        return Corpus::Reject;
    }
    let lane = lane().lock().expect("one input at a time");
    let (request, body) = request(&lane, data);
    let (reply, mut awaiting) = job::channel(ReplyLimits::default(), &request.trail);
    lane.requests.send(Box::new(Exchange { request, body, reply })).expect("the PHP thread lives");
    let answer = lane.runtime.block_on(awaiting.response()).expect("PHP answers");
    let ResponseBody::Full(text) = answer.body else { panic!("a small answer leaves whole") };
    assert!(text.len() < LONGEST_ANSWER, "{}", text.escape_ascii());
    assert!(text.ends_with(b"done\n"), "the script did not come to its end: {}", text.escape_ascii());
    lane.idle.recv().expect("the PHP thread lives");
    let left = fs::read_dir(&lane.uploads).expect("the folder for uploads").count();
    assert_eq!(left, 0, "{left} temporary files left");
    Corpus::Keep
});
