//! A client that leaves: what the script learns, when it ends, and that its worker serves on.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::support::client::End;
use crate::support::raw::Raw;
use crate::support::{Launch, Mode, Protocol, Server, modes, run};

/// Prints until it notices, or for 20 seconds; leaves what it has seen.
const UNTIL_NOTICED: &str = "
    $end = microtime(true) + 20;
    while (!connection_aborted() && microtime(true) < $end) { echo str_repeat('.', 512); flush(); usleep(1000); }";

/// Starts the script, waits for its first output and leaves.
async fn leave(server: &Server, protocol: Protocol, path: &str) {
    match protocol {
        Protocol::Http1 => {
            let mut raw = server.raw().await;
            raw.get(path).await;
            raw.until("....").await;
        }
        Protocol::H2c => {
            let mut connection = server.connect(protocol).await;
            let mut reading = connection.begin("GET", path, &[], "").await;
            reading.until("....").await;
            // One stream is cancelled; the connection stays.
            drop(reading);
            assert_eq!(connection.get("/").await.ok().text(), "hello");
        }
    }
}

modes!(a_script_that_ignores_the_abort_learns_of_it_and_goes_on, async |server| {
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let code = format!(
            "ignore_user_abort(true); {UNTIL_NOTICED} echo 'into the void'; flush();
             App\\mark('seen-{protocol:?}', json_encode([connection_aborted(), connection_status(), ignore_user_abort()]));"
        );
        leave(server, protocol, &server.script(&code)).await;
        assert_eq!(server.dir().wait_for_mark(&format!("seen-{protocol:?}")).await, "[1,1,1]");
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

modes!(a_script_that_does_not_ignore_the_abort_ends_with_its_shutdown_functions, async |server| {
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let code = format!(
            "ignore_user_abort(false);
             register_shutdown_function(fn () => App\\mark('shutdown-{protocol:?}', (string) connection_status()));
             {UNTIL_NOTICED} App\\mark('never-{protocol:?}');"
        );
        leave(server, protocol, &server.script(&code)).await;
        assert_eq!(server.dir().wait_for_mark(&format!("shutdown-{protocol:?}")).await, "1");
        assert_eq!(server.dir().marked(&format!("never-{protocol:?}")), None);
        assert_eq!(server.get("/").await.ok().text(), "hello", "the pool serves on");
    }
});

// The default of PHP in classic mode is to end; a worker ignores aborts, because its application must not be torn down.
#[test]
fn the_default_is_to_end_in_classic_mode_and_to_go_on_in_a_worker() {
    for mode in [Mode::Classic, Mode::Worker] {
        run(Launch::plain(mode), async |server| {
            let code = format!(
                "register_shutdown_function(fn () => App\\mark('ended', (string) ignore_user_abort()));
                 {UNTIL_NOTICED} App\\mark('went-on');"
            );
            leave(server, Protocol::Http1, &server.script(&code)).await;
            let ignored = server.dir().wait_for_mark("ended").await;
            let (default, went_on) = if mode == Mode::Worker { ("1", true) } else { ("0", false) };
            assert_eq!((ignored.as_str(), server.dir().marked("went-on").is_some()), (default, went_on));
        });
    }
}

#[test]
fn an_aborted_request_costs_no_incarnation() {
    for script in ["public/worker.php", "public/frankenphp.php"] {
        run(Launch::plain(Mode::Worker).script(script).workers(1), async |server| {
            let before = server.json("/object").await["count"].as_u64().expect("a number");
            for _ in 0..3 {
                leave(server, Protocol::Http1, &server.script(UNTIL_NOTICED)).await;
            }
            assert_eq!(server.json("/object").await["count"], before + 1, "the same incarnation");
            assert_eq!(server.dir().lines("boots.log"), 1);
            // Nothing of the abort is left: output, status and setting are as new.
            let code = "echo json_encode([connection_status(), connection_aborted(), ignore_user_abort()]);";
            assert_eq!(server.get(&server.script(code)).await.ok().text(), "[0,0,1]");
        });
    }
}

// On HTTP/1.1 hyper is through with a body once it is as long as was declared; the client has got all of it and is still there.
modes!(a_body_as_long_as_declared_is_no_abort, async |server| {
    let code = "header('Content-Length: 5'); echo 'whole'; flush();
         App\\await('next-was-served'); flush();
         App\\mark('ended', connection_status().' '.connection_aborted());";
    let mut raw = server.raw().await;
    raw.get(&server.script(code)).await;
    raw.until("whole").await;
    raw.get("/").await;
    raw.until("hello").await;
    server.dir().mark("next-was-served");
    assert_eq!(server.dir().wait_for_mark("ended").await, "0 0");
});

// The client has left before the script has said anything.
modes!(leaving_before_the_first_byte, |launch| launch.workers(1), async |server| {
    for (finish, id) in [("", "plain"), ("supercharger_finish_request();", "finished")] {
        let code = format!(
            "ignore_user_abort(true); App\\mark('waiting-{id}'); App\\await('go-{id}'); {finish} echo 'hello'; flush();
             App\\mark('seen-{id}', connection_status().' '.connection_aborted());"
        );
        let mut raw = server.raw().await;
        raw.get(&server.script(&code)).await;
        server.dir().wait_for_mark(&format!("waiting-{id}")).await;
        drop(raw);
        // The server reads the end of the connection in its own time; nothing shows it from outside.
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.dir().mark(&format!("go-{id}"));
        assert_eq!(server.dir().wait_for_mark(&format!("seen-{id}")).await, "1 1", "{id}");
    }
    assert_eq!(server.get("/").await.ok().text(), "hello");
});

/// Events on demand, as an EventSource expects them; ends when the client has left.
const EVENTS: &str = "
    header('Content-Type: text/event-stream'); header('Cache-Control: no-cache'); header('X-Accel-Buffering: no');
    $id = $_GET['id'];
    for ($n = 1; ; ++$n) {
        echo \"id: $n\\nevent: tick\\ndata: {\\\"n\\\":$n,\\\"id\\\":\\\"$id\\\"}\\n\\n\"; flush();
        $end = microtime(true) + 25;
        while (!file_exists(App\\test_dir().\"/event-$id-\".($n + 1))) {
            if (file_exists(App\\test_dir().\"/stop-$id\") || microtime(true) > $end) { break 2; }
            if (file_exists(App\\test_dir().'/ping')) { echo \": ping\\n\\n\"; flush(); }
            if (connection_aborted()) { break 2; }
            usleep(2000); clearstatcache();
        }
    }
    App\\mark(\"over-$id\", \"$n \".connection_status());";

modes!(server_sent_events_arrive_one_by_one, |launch| launch.workers(4), async |server| {
    let path = server.script(&format!("ignore_user_abort(true); {EVENTS}"));
    // Three clients on four workers; other requests have the fourth.
    let mut clients = JoinSet::new();
    let mut readings = Vec::new();
    for (id, protocol) in [("a", Protocol::Http1), ("b", Protocol::H2c), ("c", Protocol::Http1)] {
        let mut connection = server.connect(protocol).await;
        let reading = connection.begin("GET", &format!("{path}&id={id}"), &[("accept", "text/event-stream")], "").await;
        readings.push((id, connection, reading));
    }
    for number in 1..=4 {
        for (id, _, reading) in &mut readings {
            if number > 1 {
                server.dir().mark(&format!("event-{id}-{number}"));
            }
            reading.until(&format!("id: {number}\nevent: tick\ndata: {{\"n\":{number},\"id\":\"{id}\"}}\n\n")).await;
        }
        for _ in 0..5 {
            let mut connection = server.connect(Protocol::Http1).await;
            clients.spawn(async move { connection.get("/echo?nonce=beside&us=0").await.ok().json()["get"].clone() });
        }
        while let Some(result) = clients.join_next().await {
            assert_eq!(result.expect("a client"), "beside");
        }
    }
    // The script of one ends by itself; the others' clients leave, and the next write tells their scripts.
    let (_, _, mut first) = readings.remove(0);
    server.dir().mark("stop-a");
    assert_eq!(first.rest().await, End::Whole);
    assert_eq!(server.dir().wait_for_mark("over-a").await, "4 0");
    drop(readings);
    server.dir().mark("ping");
    for id in ["b", "c"] {
        assert_eq!(server.dir().wait_for_mark(&format!("over-{id}")).await, "4 1");
    }
    // All four workers are free again.
    let mut holders: Vec<Raw> = Vec::new();
    for number in 0..4 {
        let mut raw = server.raw().await;
        raw.get(&format!("/hold?id=all-{number}")).await;
        holders.push(raw);
    }
    for number in 0..4 {
        server.dir().wait_for_mark(&format!("holding-all-{number}")).await;
    }
    for (number, mut holder) in holders.into_iter().enumerate() {
        server.dir().mark(&format!("release-all-{number}"));
        holder.until(&format!("held all-{number}")).await;
    }
});

modes!(
    a_head_to_an_endless_stream_holds_no_worker_for_good,
    |launch| launch.workers(1).config("server.write_timeout", "\"1s\""),
    async |server| {
        let path = server.script(&format!(
            "ignore_user_abort(true); {UNTIL_NOTICED} App\\mark('noticed', microtime(true) < $end ? 'in time' : 'never');"
        ));
        let answer = server.send("HEAD", &path, &[], "").await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, ""));
        assert_eq!(server.dir().wait_for_mark("noticed").await, "in time");
        assert_eq!(server.get("/").await.ok().text(), "hello");
    }
);
