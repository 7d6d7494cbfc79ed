//! The tracer against collectors that do not do what they should, and its choice of requests.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::time::{Instant, SystemTime};

use super::*;

fn config(port: u16, sample: f64, parent_based: bool) -> Config {
    Config {
        endpoint: format!("http://127.0.0.1:{port}/v1/traces"),
        protocol: Protocol::Http,
        headers: Headers::default(),
        timeout: Duration::from_secs(60),
        service_name: "test".to_owned(),
        attributes: Vec::new(),
        sample,
        parent_based,
    }
}

fn record(tracer: &Tracer) -> RequestRecord {
    let (trace, flags) = tracer.trace(None);
    RequestRecord {
        trace,
        span: tracer.span(),
        parent: None,
        flags,
        state: String::new(),
        start: SystemTime::now(),
        duration: Duration::ZERO,
        request_id: "r-1".to_owned(),
        method: "GET".to_owned(),
        path: "/".to_owned(),
        scheme: "http",
        protocol: "1.1",
        host: String::new(),
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        user_agent: None,
        route: None,
        status: Some(200),
        error: None,
        waited: None,
    }
}

#[test]
fn what_the_queue_cannot_take_is_counted_and_nobody_waits() {
    // The kernel accepts for it, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let tracer = Tracer::start(config(port, 1.0, true)).expect("it starts");
    const COUNT: u64 = 10_000;
    for _ in 0..COUNT {
        tracer.request(record(&tracer));
    }
    let counts = tracer.counts();
    // The queue, and one message under way.
    assert!((COUNT - 4096 - 512..=COUNT - 4096).contains(&counts.dropped), "{counts:?}");
    let begun = Instant::now();
    tracer.stop(Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let counts = tracer.counts();
    assert_eq!((counts.sent, counts.dropped + counts.failed), (0, COUNT), "{counts:?}");
    // Nobody takes them any more.
    tracer.request(record(&tracer));
    assert_eq!(tracer.counts().dropped, counts.dropped + 1);
}

#[test]
fn who_is_sampled() {
    let parent = |flags| Parent { id: TraceId::from(7), span: SpanId::from(7), flags: TraceFlags::new(flags) };
    // part, whether the client decides, what it says -> whether it is sampled
    let cases = [
        (1.0, true, None, true),
        (0.0, true, None, false),
        (0.0, true, Some(1), true),
        (1.0, true, Some(0), false),
        (0.0, false, Some(1), false),
        (1.0, false, Some(0), true),
    ];
    for (sample, parent_based, flags, expected) in cases {
        let tracer = Tracer::start(config(9, sample, parent_based)).expect("it starts");
        let (id, found) = tracer.trace(flags.map(parent));
        assert_eq!(found.is_sampled(), expected, "{sample} {parent_based} {flags:?}");
        // Whether an id is random is known of our own only.
        assert_eq!((id == TraceId::from(7), found & RANDOM == RANDOM), (flags.is_some(), flags.is_none()));
        tracer.stop(Duration::ZERO);
    }
    let tracer = Tracer::start(config(9, 0.5, true)).expect("it starts");
    let sampled = (0..2000).filter(|_| tracer.trace(None).1.is_sampled()).count();
    assert!((850..1150).contains(&sampled), "{sampled} of 2000");
    tracer.stop(Duration::ZERO);
}

/// What PHP had to tell of a request, with spans of the application that take so much.
fn told(tracer: &Tracer, bytes: usize) -> PhpRecord {
    let (trace, flags) = tracer.trace(None);
    let (now, id) = (SystemTime::now(), tracer.span());
    let child = |_| Child {
        id: tracer.span(),
        parent: id,
        name: "SELECT".to_owned(),
        kind: SpanKind::Client,
        start: now,
        end: now,
        error: None,
        attributes: Vec::new(),
        dropped_attributes: 0,
    };
    PhpRecord {
        trace,
        request: tracer.span(),
        php: id,
        flags,
        request_id: "r-1".to_owned(),
        pool: "default".into(),
        slot: 0,
        incarnation: 1,
        parts: vec![(Part::Php, now, now)],
        error: None,
        children: (0..10).map(child).collect(),
        children_bytes: bytes,
        children_dropped: 0,
    }
}

#[test]
fn what_applications_tell_may_take_no_more_than_its_share_of_the_queue() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let tracer = Tracer::start(config(port, 1.0, true)).expect("it starts");
    // 16 MiB may wait, and one message of 1 MiB is under way.
    for _ in 0..60 {
        tracer.php(told(&tracer, 512 * 1024));
    }
    let dropped = tracer.counts().dropped;
    assert!(dropped.is_multiple_of(10) && (250..=280).contains(&dropped), "ten for each beyond: {dropped}");
    tracer.php(told(&tracer, 0));
    tracer.stop(Duration::from_millis(300));
    let counts = tracer.counts();
    assert_eq!((counts.sent, counts.dropped + counts.failed), (0, 61 * 11), "{counts:?}");
}
