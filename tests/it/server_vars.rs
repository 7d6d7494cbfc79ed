//! `$_SERVER` of a request: every name, its value to the letter, and which layer wins. Many requests at once, so that none
//! may see another's.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::support::program;
use crate::support::raw::{header, status};
use crate::support::server::free_port;
use crate::support::{CROWD, Connection, Launch, PrivateDir, Protocol, Server, at_once, modes};

/// The script's own path in either mode.
async fn script(server: &Server) -> String {
    server.json("/server-vars").await["server"]["SCRIPT_NAME"].as_str().expect("SCRIPT_NAME").to_owned()
}

fn root(server: &Server) -> String {
    server.dir().app().join("public").canonicalize().expect("a folder").display().to_string()
}

/// `$_SERVER` without the environment and the clock.
fn of_the_request(seen: &Value) -> Map<String, Value> {
    let environment: Vec<_> = seen["environment"].as_array().expect("a list").iter().collect();
    let mut server = seen["server"].as_object().expect("$_SERVER").clone();
    for clock in ["REQUEST_TIME", "REQUEST_TIME_FLOAT"] {
        assert!(server.remove(clock).is_some_and(|value| value.is_number()), "{clock}");
    }
    server.retain(|name, _| !environment.iter().any(|known| known.as_str() == Some(name)));
    server
}

fn expected(fixed: &[(&str, &str)], own: BTreeMap<&str, String>) -> Map<String, Value> {
    let fixed = fixed.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    fixed.chain(own.into_iter().map(|(name, value)| (name.to_owned(), json!(value)))).collect()
}

const ALWAYS: [(&str, &str); 12] = [
    ("REMOTE_ADDR", "127.0.0.1"),
    ("REMOTE_HOST", "127.0.0.1"),
    ("SERVER_ADDR", "127.0.0.1"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("SERVER_SOFTWARE", concat!("supercharger/", env!("CARGO_PKG_VERSION"))),
    ("REQUEST_SCHEME", "http"),
    ("HTTPS", ""),
    ("SSL_CIPHER", ""),
    ("SSL_PROTOCOL", ""),
    ("AUTH_TYPE", ""),
    ("REMOTE_IDENT", ""),
    ("HTTP_ACCEPT", "*/*"),
];

// Nothing is missing and nothing is there that does not belong to the request.
modes!(every_name_and_value_is_as_documented, |launch| launch.workers(4), async |server| {
    let (script, root) = (script(server).await, root(server));
    let address = server.address();
    at_once(CROWD, |number| {
        let (script, root) = (script.clone(), root.clone());
        async move {
            let protocol = if number % 2 == 0 { Protocol::Http1 } else { Protocol::H2c };
            let mut connection = Connection::open(address, protocol).await;
            let host = if number % 2 == 0 { format!("shop{number}.example:8443") } else { address.to_string() };
            let id = format!("id-{number}");
            let mut headers = vec![("accept", "*/*"), ("x-request-id", id.as_str()), ("content-type", "text/plain")];
            if number % 2 == 0 {
                headers.push(("host", host.as_str()));
            }
            let body = "x".repeat(number);
            let info = format!("/some%20info/{number}");
            let uri = format!("{script}{info}?route=server-vars&n={number}&raw=%2F..%2f+%00");
            let answer = connection.send("POST", &uri, &headers, body.clone()).await;
            let mut seen = of_the_request(&answer.ok().json());
            let port = seen.remove("REMOTE_PORT").expect("REMOTE_PORT");
            assert!(port.as_str().is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)), "{port}");
            let decoded = format!("/some info/{number}");
            let (name, server_port) = host.rsplit_once(':').expect("a port");
            let length = if number == 0 { String::new() } else { number.to_string() };
            let mut own = BTreeMap::from([
                ("REQUEST_METHOD", "POST".to_owned()),
                ("REQUEST_URI", uri.clone()),
                ("QUERY_STRING", format!("route=server-vars&n={number}&raw=%2F..%2f+%00")),
                ("DOCUMENT_ROOT", root.clone()),
                ("SCRIPT_NAME", script.clone()),
                ("DOCUMENT_URI", script.clone()),
                ("SCRIPT_FILENAME", format!("{root}{script}")),
                ("PHP_SELF", format!("{script}{decoded}")),
                ("PATH_INFO", decoded.clone()),
                ("PATH_TRANSLATED", format!("{root}{decoded}")),
                ("SERVER_NAME", name.to_owned()),
                ("SERVER_PORT", server_port.to_owned()),
                ("SERVER_PROTOCOL", if number % 2 == 0 { "HTTP/1.1" } else { "HTTP/2.0" }.to_owned()),
                ("CONTENT_TYPE", "text/plain".to_owned()),
                ("HTTP_CONTENT_TYPE", "text/plain".to_owned()),
                ("CONTENT_LENGTH", length.clone()),
                ("HTTP_HOST", host.clone()),
                ("HTTP_X_REQUEST_ID", id.clone()),
            ]);
            // Without a body a client may leave the header out, or say 0.
            if let Some(told) = seen.get("HTTP_CONTENT_LENGTH") {
                assert_eq!(told, &json!(number.to_string()));
                own.insert("HTTP_CONTENT_LENGTH", number.to_string());
            }
            assert_eq!(seen, expected(&ALWAYS, own), "request {number}");
        }
    })
    .await;
});

modes!(without_path_info_and_body_the_names_are_there_and_empty, async |server| {
    let seen = of_the_request(&server.json("/server-vars").await);
    for name in ["PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "AUTH_TYPE", "REMOTE_IDENT", "HTTPS"] {
        assert_eq!(seen.get(name), Some(&json!("")), "{name}");
    }
    for name in ["PATH_TRANSLATED", "REMOTE_USER", "PHP_AUTH_USER", "PHP_AUTH_PW", "PHP_AUTH_DIGEST", "argv", "argc"] {
        assert_eq!(seen.get(name), None, "{name}");
    }
});

fn layered(launch: Launch) -> Launch {
    launch
        .env("SERVER_NAME", "process")
        .env("HTTP_X_LAYER", "process")
        .env("ONLY_PROCESS", "process")
        .env("BOTH", "process")
        .env("REMOTE_USER", "root")
        .env("PHP_AUTH_USER", "root")
        .env("PHP_AUTH_PW", "root")
        .env("PHP_AUTH_DIGEST", "root")
        .env("PATH_TRANSLATED", "/etc/passwd")
        .config("app.env.BOTH", "\"configured\"")
        .config("app.env.REMOTE_ADDR", "\"configured\"")
        .config("app.env.HTTP_X_CONFIGURED", "\"configured\"")
        .config("app.env.CONTENT_TYPE", "\"configured\"")
        .config("app.env.QUERY_STRING", "\"configured\"")
        .config("app.env.REQUEST_METHOD", "\"configured\"")
}

// Environment of the process < connection and request < headers < app.env < what PHP itself goes by.
modes!(later_layers_win, layered, async |server| {
    let address = server.address();
    at_once(CROWD, |number| async move {
        let mut connection = Connection::open(address, Protocol::Http1).await;
        let host = format!("h{number}");
        let headers =
            [("host", host.as_str()), ("x-layer", "client"), ("x-configured", "client"), ("content-type", "text/x")];
        let seen = connection.send("PUT", &format!("/server-vars?{number}"), &headers, "x").await.ok().json();
        let server = &seen["server"];
        for (name, value) in [
            ("SERVER_NAME", host.as_str()),
            ("HTTP_X_LAYER", "client"),
            ("ONLY_PROCESS", "process"),
            ("BOTH", "configured"),
            ("REMOTE_ADDR", "configured"),
            ("HTTP_X_CONFIGURED", "configured"),
            ("HTTP_CONTENT_TYPE", "text/x"),
            ("CONTENT_TYPE", "text/x"),
            ("QUERY_STRING", &number.to_string()),
            ("REQUEST_METHOD", "PUT"),
        ] {
            assert_eq!(server[name], value, "{name}");
        }
        // The environment cannot pose as a user that this request named.
        for name in ["REMOTE_USER", "PHP_AUTH_USER", "PHP_AUTH_PW", "PHP_AUTH_DIGEST", "PATH_TRANSLATED"] {
            assert_eq!(server.get(name), None, "{name}");
        }
    })
    .await;
});

modes!(paths_below_the_script_become_path_info, async |server| {
    let (script, root) = (script(server).await, root(server));
    // What stands after the script -> PATH_INFO
    let cases = [
        ("", ""),
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a%20b", "/a b"),
        ("/caf%C3%A9", "/café"),
        ("/%ff%fe", "hex:2ffffe"),
        ("/a%2Fb", "/a/b"),
        ("/a+b", "/a+b"),
        ("/a//b/", "/a/b/"),
        ("/a/./b/../c", "/a/c"),
        ("/a.php/b", "/a.php/b"),
        ("/%252e%252e", "/%2e%2e"),
        ("/%", "/%"),
        ("/a;b=c,d@e:f!g$h&i'(j)*k", "/a;b=c,d@e:f!g$h&i'(j)*k"),
    ];
    for (path, info) in cases {
        let uri = format!("{script}{path}?route=server-vars");
        let seen = server.get(&uri).await.ok().json()["server"].clone();
        assert_eq!(seen["PATH_INFO"], info, "{path}");
        assert_eq!(seen["REQUEST_URI"], uri, "{path}: as sent");
        assert_eq!(seen["SCRIPT_NAME"], script, "{path}");
        if !info.starts_with("hex:") {
            assert_eq!(seen["PHP_SELF"], format!("{script}{info}"), "{path}");
            let translated = (!info.is_empty()).then(|| json!(format!("{root}{info}")));
            assert_eq!(seen.get("PATH_TRANSLATED"), translated.as_ref(), "{path}");
        }
    }
});

modes!(authorization_becomes_user_and_password_of_this_request_only, |launch| launch.workers(2), async |server| {
    // Authorization -> PHP_AUTH_USER, PHP_AUTH_PW, PHP_AUTH_DIGEST, REMOTE_USER
    type Case = (Option<&'static str>, [Option<&'static str>; 4]);
    const CASES: [Case; 10] = [
        (None, [None, None, None, None]),
        (Some("Basic dXNlcjpwYXNz"), [Some("user"), Some("pass"), None, Some("user")]),
        (Some("basic dXNlcjpwYXNz"), [Some("user"), Some("pass"), None, Some("user")]),
        // "user:a:b", "user:", ":pass", "user" without a colon
        (Some("Basic dXNlcjphOmI="), [Some("user"), Some("a:b"), None, Some("user")]),
        (Some("Basic dXNlcjo="), [Some("user"), None, None, Some("user")]),
        (Some("Basic OnBhc3M="), [Some(""), Some("pass"), None, Some("")]),
        (Some("Basic dXNlcg=="), [None, None, None, None]),
        (Some("Basic !!!"), [None, None, None, None]),
        (Some("Bearer abc.def"), [None, None, None, None]),
        (Some("Digest username=\"u\", realm=\"r\""), [None, None, Some("username=\"u\", realm=\"r\""), None]),
    ];
    let address = server.address();
    at_once(3 * CASES.len(), |number| async move {
        let (given, expected) = CASES[number % CASES.len()];
        let headers: Vec<_> = given.iter().map(|value| ("authorization", *value)).collect();
        let mut connection = Connection::open(address, Protocol::Http1).await;
        let seen = connection.send("GET", "/server-vars", &headers, "").await.ok().json()["server"].clone();
        for (name, value) in ["PHP_AUTH_USER", "PHP_AUTH_PW", "PHP_AUTH_DIGEST", "REMOTE_USER"].iter().zip(expected) {
            assert_eq!(seen.get(*name), value.map(|value| json!(value)).as_ref(), "{given:?}: {name}");
        }
        assert_eq!(seen.get("HTTP_AUTHORIZATION"), given.map(|value| json!(value)).as_ref(), "{given:?}");
        assert_eq!(seen["AUTH_TYPE"], "", "nobody has checked anything");
    })
    .await;
});

modes!(hostile_hosts_are_refused, async |server| {
    let cases = [
        "GET /server-vars HTTP/1.1\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: <script>alert(1)</script>\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: a/../b\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: a,b\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: a'b\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: a:port\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: a:99999\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "GET /server-vars HTTP/1.1\r\nHost: [evil]\r\n\r\n",
        "GET http://a/server-vars HTTP/1.1\r\nHost: <b>\r\n\r\n",
        "GET http://user@a/server-vars HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/server-vars HTTP/1.1\r\n\r\n",
    ];
    for case in cases {
        let mut raw = server.raw().await;
        raw.write(case).await;
        let answer = raw.until_closed().await;
        assert_eq!(status(&answer), 400, "{case:?}: {answer}");
    }
});

modes!(the_host_that_was_meant_is_the_servers_name, async |server| {
    let own = server.address().port();
    // request -> HTTP_HOST, SERVER_NAME, SERVER_PORT, SERVER_PROTOCOL, REQUEST_URI
    type Case<'a> = (&'a str, [&'a str; 5]);
    let cases: [Case<'_>; 9] = [
        (
            "GET http://c.example?route=server-vars HTTP/1.1\r\nHost: c.example\r\n",
            ["c.example", "c.example", "80", "HTTP/1.1", "/?route=server-vars"],
        ),
        (
            "GET /server-vars HTTP/1.1\r\nHost: a.example\r\n",
            ["a.example", "a.example", "80", "HTTP/1.1", "/server-vars"],
        ),
        (
            "GET /server-vars HTTP/1.1\r\nHost: A.example:81\r\n",
            ["A.example:81", "A.example", "81", "HTTP/1.1", "/server-vars"],
        ),
        (
            "GET /server-vars HTTP/1.1\r\nHost: [2001:db8::1]:82\r\n",
            ["[2001:db8::1]:82", "[2001:db8::1]", "82", "HTTP/1.1", "/server-vars"],
        ),
        ("GET /server-vars HTTP/1.1\r\nHost: a:\r\n", ["a:", "a", "80", "HTTP/1.1", "/server-vars"]),
        ("GET /server-vars HTTP/1.1\r\nHost:\r\n", ["", "127.0.0.1", "80", "HTTP/1.1", "/server-vars"]),
        ("GET /server-vars HTTP/1.0\r\nHost: old\r\n", ["old", "old", "80", "HTTP/1.0", "/server-vars"]),
        ("GET /server-vars HTTP/1.0\r\n", ["-", "127.0.0.1", "80", "HTTP/1.0", "/server-vars"]),
        (
            "GET http://b.example:83/server-vars?x=1 HTTP/1.1\r\nHost: a.example\r\n",
            ["b.example:83", "b.example", "83", "HTTP/1.1", "/server-vars?x=1"],
        ),
    ];
    for (request, values) in cases {
        let mut raw = server.raw().await;
        raw.write(format!("{request}Connection: close\r\n\r\n")).await;
        let answer = raw.until_closed().await;
        assert_eq!(status(&answer), 200, "{request}: {answer}");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let seen: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        for (name, value) in
            ["HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REQUEST_URI"].iter().zip(values)
        {
            let got = seen["server"].get(*name).and_then(Value::as_str).unwrap_or("-");
            assert_eq!(got, value, "{request}: {name}");
        }
    }
    assert_ne!(own, 80);
});

fn behind_a_proxy(launch: Launch) -> Launch {
    launch.config("server.trusted_proxies", "[\"127.0.0.0/8\", \"10.0.0.0/8\"]").config("log.access", "true")
}

/// Fields of a request -> REMOTE_ADDR, REMOTE_PORT (`-`: the connection's own), HTTPS, REQUEST_SCHEME, SERVER_NAME,
/// SERVER_PORT.
type ProxyCase = (&'static [(&'static str, &'static str)], [&'static str; 6]);

const PROXY_CASES: [ProxyCase; 9] = [
    (&[], ["127.0.0.1", "-", "", "http", "shop.example", "80"]),
    (&[("x-forwarded-for", "192.0.2.7")], ["192.0.2.7", "", "", "http", "shop.example", "80"]),
    (&[("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.1.1.1")], ["192.0.2.7", "", "", "http", "shop.example", "80"]),
    (
        &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.7:55")],
        ["192.0.2.7", "55", "", "http", "shop.example", "80"],
    ),
    (
        &[("x-forwarded-for", "2001:db8::9"), ("x-forwarded-proto", "https")],
        ["2001:db8::9", "", "on", "https", "shop.example", "443"],
    ),
    (
        &[("x-forwarded-proto", "https"), ("x-forwarded-host", "www.example"), ("x-forwarded-port", "8443")],
        ["127.0.0.1", "-", "on", "https", "www.example", "8443"],
    ),
    (
        &[("forwarded", "for=\"[2001:db8::9]:7\";proto=https;host=\"www.example:444\"")],
        ["2001:db8::9", "7", "on", "https", "www.example", "444"],
    ),
    (
        &[("forwarded", "for=192.0.2.7;proto=https"), ("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")],
        ["192.0.2.7", "", "on", "https", "shop.example", "443"],
    ),
    (&[("forwarded", "for=unknown;proto=https")], ["127.0.0.1", "-", "on", "https", "shop.example", "443"]),
];

const PROXY_NAMES: [&str; 6] = ["REMOTE_ADDR", "REMOTE_PORT", "HTTPS", "REQUEST_SCHEME", "SERVER_NAME", "SERVER_PORT"];

async fn as_seen_through_a_proxy(server: &Server, believed: bool) {
    let address = server.address();
    at_once(2 * PROXY_CASES.len(), |number| async move {
        let (given, mut values) = PROXY_CASES[number % PROXY_CASES.len()];
        if !believed {
            values = PROXY_CASES[0].1;
        }
        let mut headers = given.to_vec();
        headers.push(("host", "shop.example"));
        let mut connection = Connection::open(address, Protocol::Http1).await;
        let seen = connection.send("GET", "/server-vars", &headers, "").await.ok().json()["server"].clone();
        for (name, value) in PROXY_NAMES.iter().zip(values) {
            if value == "-" {
                let port = seen[*name].as_str().and_then(|port| port.parse::<u16>().ok());
                assert!(port.is_some_and(|port| port > 0), "{given:?}: {name}");
            } else {
                assert_eq!(seen[*name], value, "{given:?}: {name}");
            }
        }
        assert_eq!(seen["REMOTE_HOST"], seen["REMOTE_ADDR"]);
        // What was received stays visible, for applications with a setting of their own.
        assert_eq!(seen["HTTP_HOST"], "shop.example");
        for (name, value) in given {
            let key = format!("HTTP_{}", name.to_uppercase().replace('-', "_"));
            assert!(seen[&key].as_str().is_some_and(|got| got.contains(value)), "{given:?}: {key}");
        }
    })
    .await;
}

modes!(a_trusted_proxy_speaks_for_the_client, behind_a_proxy, async |server| {
    as_seen_through_a_proxy(server, true).await;
    // The log names the client as well.
    server.wait_for_log("192.0.2.7").await;
});

modes!(
    nobody_else_does,
    |launch| launch.config("server.trusted_proxies", "[\"10.0.0.0/8\", \"::/0\"]"),
    async |server| as_seen_through_a_proxy(server, false).await
);

modes!(by_default_no_proxy_is_trusted, async |server| as_seen_through_a_proxy(server, false).await);

modes!(
    an_ipv4_mapped_range_is_an_ipv4_range,
    |launch| launch.config("server.trusted_proxies", "[\"::ffff:127.0.0.1\"]"),
    async |server| {
        let seen = server.send("GET", "/server-vars", &[("x-forwarded-for", "192.0.2.7")], "").await.ok().json();
        assert_eq!(seen["server"]["REMOTE_ADDR"], "192.0.2.7");
    }
);

modes!(a_proxy_that_contradicts_itself_is_refused, behind_a_proxy, async |server| {
    let cases: [&[(&str, &str)]; 6] = [
        &[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "192.0.2.7")],
        &[("forwarded", "for=192.0.2.7;proto=https"), ("x-forwarded-for", "192.0.2.7")],
        &[("forwarded", "for=\", for=192.0.2.7")],
        &[("forwarded", "for=192.0.2.7;for=6.6.6.6")],
        &[("x-forwarded-host", "a/b")],
        &[("x-forwarded-port", "http")],
    ];
    for case in cases {
        let mut headers = case.to_vec();
        headers.push(("accept", "application/json"));
        let answer = server.send("GET", "/server-vars", &headers, "").await;
        answer.expect(400);
        assert_eq!(answer.json()["error"]["code"], "bad_request", "{case:?}");
    }
});

#[test]
fn a_range_that_is_none_refuses_the_start() {
    for wrong in ["10.0.0.0/33", "10.0.0.5/8", "localhost", "", "10.0.0.0/8,::1"] {
        let dir = PrivateDir::with_app("plain");
        dir.write("wrong.toml", &format!("server.trusted_proxies = [\"10.0.0.0/8\", {wrong:?}]\n"));
        let listen = format!("127.0.0.1:{}", free_port());
        let ended = program::supercharger(
            &dir,
            &["php-server", "--listen", &listen, "--root", "public", "--config", "../wrong.toml"],
            Duration::from_secs(30),
        );
        ended.expect(78, &["server.trusted_proxies", &format!("{wrong:?}"), "wrong.toml:1"]);
    }
}

modes!(repeated_empty_and_foreign_header_values, async |server| {
    let mut raw = server.raw().await;
    raw.write(
        b"GET /server-vars HTTP/1.1\r\nHost: x\r\nX-Twice: one\r\nX-Empty:\r\nX-Blank:   \r\nX-Twice: two\r\nX-Tab: \ta\tb\t\r\n\
        X-Latin: caf\xe9\r\nX-Utf8: caf\xc3\xa9\r\nX-Special-Chars: <%00>\r\nAccept: a\r\nACCEPT: b\r\nx-1~!#$%&'*+^`|: odd\r\n\r\n",
    )
    .await;
    let answer = raw.response().await;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let seen: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    for (name, value) in [
        ("HTTP_X_TWICE", "one, two"),
        ("HTTP_X_EMPTY", ""),
        ("HTTP_X_BLANK", ""),
        ("HTTP_X_TAB", "a\tb"),
        ("HTTP_X_LATIN", "hex:636166e9"),
        ("HTTP_X_UTF8", "café"),
        ("HTTP_X_SPECIAL_CHARS", "<%00>"),
        ("HTTP_ACCEPT", "a, b"),
    ] {
        assert_eq!(seen["server"][name], value, "{name}");
    }
    assert!(header(&answer, "x-request-id").is_some());
});

/// php.ini of the folder `PHPRC` names, with placeholders; a variable of the process and a configured one fill them.
fn placeholders(launch: Launch) -> Launch {
    let ini = "auto_prepend_file = ${NOT_THERE}\nhighlight.comment = ${FROM_PROCESS}\nhighlight.html = \"<${FROM_APP}>\"\n\
        highlight.string = ${NOT_THERE:-fallback}\n";
    let file = launch.dir().write("php/php.ini", ini);
    let folder = file.parent().expect("a folder").display().to_string();
    launch
        .env("PHPRC", &folder)
        .env("FROM_PROCESS", "#123456")
        .config("app.env.FROM_APP", "\"configured\"")
        .ini("highlight.default", "${FROM_PROCESS}")
}

modes!(the_environment_fills_placeholders_of_php_ini, placeholders, async |server| {
    for (name, value) in [
        ("highlight.comment", "#123456"),
        ("highlight.html", "<configured>"),
        ("highlight.string", "fallback"),
        ("highlight.default", "#123456"),
        ("auto_prepend_file", ""),
    ] {
        assert_eq!(server.json(&format!("/ini?name={name}")).await["value"], value, "{name}");
    }
});

fn with_environment(launch: Launch) -> Launch {
    launch.env("FROM_PROCESS", "process").config("app.env.FROM_APP", "\"a literal ${value}\"")
}

async fn environment(server: &Server, in_env: bool) {
    let address = server.address();
    at_once(CROWD, |number| async move {
        let (name, value) = [("FROM_PROCESS", "process"), ("FROM_APP", "a literal ${value}")][number % 2];
        let mut connection = Connection::open(address, Protocol::Http1).await;
        let seen = connection.get(&format!("/environment?name={name}")).await.ok().json();
        assert_eq!((&seen["server"], &seen["getenv"]), (&json!(value), &json!(value)), "{name}: {seen}");
        assert_eq!(seen["env"], if in_env { json!(value) } else { Value::Null }, "{name}: {seen}");
    })
    .await;
}

modes!(the_environment_is_in_server_getenv_and_env, with_environment, async |server| environment(server, true).await);

modes!(
    env_is_empty_without_its_letter,
    |launch| with_environment(launch).ini("variables_order", "GPCS"),
    async |server| environment(server, false).await
);
