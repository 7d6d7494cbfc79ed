//! Queries, cookies, forms and uploads, well-formed or not: every superglobal is what PHP's own development server makes of the
//! same bytes. All cases are sent at once and more than once, so that none may see what another left.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::raw::{Raw, status};
use crate::support::reference::Reference;
use crate::support::{Connection, Launch, Protocol, Server, at_once, modes};

/// Each case is sent this often, in a crowd with all others.
const TIMES: usize = 3;
/// Connections open at once.
const AT_ONCE: usize = 48;

/// A request and what it is about.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    bytes: Vec<u8>,
}

/// A whole HTTP/1.1 request.
fn request(method: &str, target: &str, fields: &[(&str, &[u8])], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n").into_bytes();
    for (name, value) in fields {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    if !body.is_empty() {
        bytes.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// Texts of names and values as they come from forms, links and scanners.
fn queries() -> Vec<String> {
    let many: Vec<_> = (0..60).map(|number| format!("v{number}={number}")).collect();
    let mut texts: Vec<String> = [
        "a=1&b=2",
        "a=1&a=2&a=3",
        "a[]=1&a[]=2&a[5]=3&a[]=4",
        "a[x][y][z]=1&a[x][y][w]=2&a[x]=3",
        "a[b=1&c]d=2&e[f]g=3&h[[i]]=4&j[k][l=5",
        "a.b=1&c d=2&e+f=3&g%20h=4&.i=5&+j=6&k%5Bl%5D=7&m%2En=8",
        "%61=1&b=%62&c=%c3%a9&d=%C3%A9&e=%ff&f=%&g=%4&h=%zz&i=%2",
        "a&b=&=c&==d&&&&e==f&g=h=i",
        "a=%00b&c%00d=e&f[%00]=g",
        "a=1;b=2&c=3",
        "a[0]=x&a[00]=y&a[-1]=z&a[ 1]=w&a[1 ]=v",
        "GLOBALS=1&GLOBALS[a]=2&_SERVER[x]=3&_GET=4&this=5",
        "a[=1&b]=2&[]=3&[x]=4&c[]]=5&d[][]=6&d[][x]=7",
        "a=b%26c%3Dd&e=%2B+%20",
        "\u{0}",
    ]
    .iter()
    .map(|text| text.replace('\u{0}', "a=1"))
    .collect();
    texts.push(format!("deep{}=1", "[x]".repeat(70)));
    texts.push(format!("long={}&after=1", "y".repeat(5000)));
    // More than max_input_vars.
    texts.push(many.join("&"));
    texts.push(format!("a[{}]=1", many.join("][")));
    texts
}

fn cookies() -> Vec<&'static [u8]> {
    vec![
        b"a=1; b=two%20words",
        b"foo =bar; ===;;==;  .dot.=val  ; PHPSESSID=1234",
        b"a=1;b=2;c=3",
        b"a=1; a=2; A=3",
        b"a=1,b=2; c=3",
        b"a[x]=1; a[y]=2; a[]=3; b[=4",
        b"a=\"quoted; value\"; b=2",
        b"a; b=; =c; d",
        b"  a  =  1  ;  b=2  ",
        b"a=%; b=%zz; c=%00; d=%c3%a9; e=\xc3\xa9; f=\xff",
        b"$Version=1; a=1; $Path=/",
        b"a.b=1; c d=2; e+f=3",
        b"__Host-a=1; __Secure-b=2; ..Host-c=3; __%48ost-d=4; ++Host-e=5",
        b";;;;",
        b"=",
        b"a=b=c; d==e",
        b"a=1\t; \tb=2",
    ]
}

fn part(head: &str, content: &str) -> String {
    format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
}

fn file(head: &str, content: &str) -> String {
    format!("--edge\r\nContent-Disposition: form-data; {head}\r\nContent-Type: text/plain\r\n\r\n{content}\r\n")
}

/// Bodies with the boundary `edge`.
fn multiparts() -> Vec<(&'static str, String)> {
    let end = "--edge--\r\n";
    let large = "z".repeat(3000);
    vec![
        ("one field", part("name=\"a\"", "1") + end),
        (
            "nested fields",
            part("name=\"a[x][y]\"", "1") + &part("name=\"a[x][]\"", "2") + &part("name=\"a[]\"", "3") + end,
        ),
        (
            "odd names",
            part("name=\"a.b\"", "1")
                + &part("name=\"c d\"", "2")
                + &part("name=\"\"", "3")
                + &part("name=\"e[f\"", "4")
                + end,
        ),
        ("name without quotes", part("name=a", "1") + &part("name=b; x=y", "2") + end),
        ("no name", part("x=\"a\"", "1") + end),
        ("single quotes", part("name='a'", "1") + end),
        ("one file", file("name=\"f\"; filename=\"a.txt\"", "content") + end),
        ("empty file", file("name=\"f\"; filename=\"a.txt\"", "") + end),
        ("no file chosen", file("name=\"f\"; filename=\"\"", "") + end),
        ("nested files", file("name=\"f[]\"; filename=\"a\"", "1") + &file("name=\"f[]\"; filename=\"b\"", "22") + end),
        (
            "deep files",
            file("name=\"f[x][y]\"; filename=\"a\"", "1") + &file("name=\"f[x][z][]\"; filename=\"b\"", "2") + end,
        ),
        (
            "too many files",
            (0..6).map(|n| file(&format!("name=\"f{n}\"; filename=\"{n}\""), "x")).collect::<String>() + end,
        ),
        (
            "a file too large",
            file("name=\"f\"; filename=\"a\"", &large) + &file("name=\"g\"; filename=\"b\"", "x") + end,
        ),
        (
            "larger than the form allows",
            part("name=\"MAX_FILE_SIZE\"", "5") + &file("name=\"f\"; filename=\"a\"", "1234567") + end,
        ),
        (
            "as large as the form allows",
            part("name=\"MAX_FILE_SIZE\"", "7") + &file("name=\"f\"; filename=\"a\"", "1234567") + end,
        ),
        ("path in the file's name", file("name=\"f\"; filename=\"../../etc/passwd\"", "x") + end),
        ("windows path", file("name=\"f\"; filename=\"C:\\\\dir\\\\a.txt\"", "x") + end),
        ("backslashes", file("name=\"f\"; filename=\"a\\b\\\"c.txt\"", "x") + end),
        ("dots", file("name=\"f\"; filename=\"..\"", "x") + &file("name=\"g\"; filename=\"a/..\"", "x") + end),
        ("quotes and semicolons", file("name=\"f\"; filename=\"a;b=c.txt\"", "x") + end),
        ("extended name", file("name=\"f\"; filename=\"a.txt\"; filename*=UTF-8''b.txt", "x") + end),
        ("utf-8 name", file("name=\"f\"; filename=\"caf\u{e9} \u{2713}.txt\"", "x") + end),
        (
            "name with brackets tricks",
            file("name=\"f[tmp_name]\"; filename=\"a\"", "x") + &file("name=\"f[\"; filename=\"b\"", "x") + end,
        ),
        (
            "field over file",
            file("name=\"f\"; filename=\"a\"", "x") + &part("name=\"f[tmp_name]\"", "/etc/passwd") + end,
        ),
        ("no final boundary", part("name=\"a\"", "1") + &file("name=\"f\"; filename=\"a\"", "cut")),
        (
            "cut within a file",
            "--edge\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\ncut".to_owned(),
        ),
        ("cut within a head", "--edge\r\nContent-Disposition: form-da".to_owned()),
        ("other boundary", part("name=\"a\"", "1").replace("--edge", "--ledge") + end),
        ("bare line feeds", part("name=\"a\"", "1").replace("\r\n", "\n") + "--edge--\n"),
        ("text before and after", "preamble\r\n".to_owned() + &part("name=\"a\"", "1") + end + "epilogue"),
        ("boundary within the content", part("name=\"a\"", "x--edge y\r\n--edgy") + end),
        ("long head", part(&format!("name=\"a\"; x=\"{}\"", "h".repeat(6000)), "1") + end),
        ("many fields", (0..60).map(|n| part(&format!("name=\"v{n}\""), "x")).collect::<String>() + end),
        ("only the end", end.to_owned()),
        ("folded head", part("name=\"a\";\r\n x=\"y\"", "1") + end),
        ("other encoding", part("name=\"a\"\r\nContent-Transfer-Encoding: base64", "MQ==") + end),
        ("latin1 field", part("name=\"a\"", "caf\u{e9}") + end),
    ]
}

fn multipart_cases(method: &str, target: &str) -> Vec<Case> {
    let kind: &[u8] = b"multipart/form-data; boundary=edge";
    let mut cases: Vec<_> = multiparts()
        .into_iter()
        .map(|(name, body)| Case {
            name: format!("{method} {target} multipart: {name}"),
            bytes: request(method, target, &[("Content-Type", kind)], body.as_bytes()),
        })
        .collect();
    let body = part("name=\"a\"", "1") + &file("name=\"f\"; filename=\"b\"", "x") + "--edge--\r\n";
    let kinds: [&[u8]; 12] = [
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=\"edge\"",
        b"multipart/form-data; boundary=\"edge",
        b"multipart/form-data;boundary=edge; charset=utf-8",
        b"multipart/form-data; boundary=edge,other",
        b"Multipart/Form-Data; Boundary=edge",
        b"multipart/form-data; boundary=other",
        b"multipart/form-data; xboundary=edge",
        b"multipart/mixed; boundary=edge",
        b"multipart/form-data boundary=edge",
        b"multipart/form-data, boundary=edge",
    ];
    cases.extend(kinds.iter().map(|kind| Case {
        name: format!("{method} {target} {}", kind.escape_ascii()),
        bytes: request(method, target, &[("Content-Type", kind)], body.as_bytes()),
    }));
    let long = format!("multipart/form-data; boundary={}", "b".repeat(9000));
    cases.push(Case {
        name: format!("{method} {target} a long boundary"),
        bytes: request(method, target, &[("Content-Type", long.as_bytes())], body.as_bytes()),
    });
    cases
}

fn form_cases(method: &str, target: &str) -> Vec<Case> {
    let mut cases: Vec<_> = queries()
        .into_iter()
        .map(|body| Case {
            name: format!("{method} {target} form {:.60}", body),
            bytes: request(method, target, &[("Content-Type", FORM)], body.as_bytes()),
        })
        .collect();
    let kinds: [&[u8]; 9] = [
        b"APPLICATION/X-WWW-FORM-URLENCODED",
        b"application/x-www-form-urlencoded; charset=UTF-8",
        b"application/x-www-form-urlencoded;charset=iso-8859-1",
        b"application/x-www-form-urlencoded , text/plain",
        b"application/x-www-form-urlencodedx",
        b" application/x-www-form-urlencoded",
        b"text/plain",
        b"application/json",
        b"nonsense",
    ];
    cases.extend(kinds.iter().map(|kind| Case {
        name: format!("{method} {target} body as {}", kind.escape_ascii()),
        bytes: request(method, target, &[("Content-Type", kind)], b"a=1&b[c]=caf%E9"),
    }));
    cases.push(Case { name: format!("{method} {target} no type"), bytes: request(method, target, &[], b"a=1") });
    cases.push(Case {
        name: format!("{method} {target} nothing in it"),
        bytes: request(method, target, &[("Content-Type", FORM)], b""),
    });
    let large = format!("a={}", "x".repeat(70_000));
    cases.push(Case {
        name: format!("{method} {target} beyond post_max_size"),
        bytes: request(method, target, &[("Content-Type", FORM)], large.as_bytes()),
    });
    cases
}

fn head_cases() -> Vec<Case> {
    let by_query = queries().into_iter().map(|query| Case {
        name: format!("query {query:.60}"),
        bytes: request("GET", &format!("/superglobals?{}", query.replace(' ', "+")), &[], b""),
    });
    let by_cookie = cookies().into_iter().map(|cookie| Case {
        name: format!("cookie {}", cookie.escape_ascii()),
        bytes: request("GET", "/superglobals?a=query", &[("Cookie", cookie)], b""),
    });
    by_query.chain(by_cookie).collect()
}

fn body_of(answer: &str, name: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}: {answer}"))
}

/// Small limits, so that cases beyond them are small too.
const INI: [(&str, &str); 5] = [
    ("max_input_vars", "50"),
    ("max_file_uploads", "4"),
    ("upload_max_filesize", "2K"),
    ("post_max_size", "64K"),
    ("max_input_nesting_level", "64"),
];

fn limited(launch: Launch) -> Launch {
    INI.iter().fold(launch.workers(4), |launch, (name, value)| launch.ini(name, value))
}

/// Sends every case to both and compares.
async fn same_as_the_reference(server: &Server, ini: &[(&str, &str)], cases: Vec<Case>) {
    let reference = Reference::start(ini).await;
    let mut known = Vec::new();
    for case in cases {
        let answer = reference.answer(&case.bytes).await;
        assert_eq!(status(&answer), 200, "{}: the reference: {answer}", case.name);
        let expected = body_of(&answer, &case.name);
        known.push((case, expected));
    }
    assert!(known.len() > 20, "only {} cases", known.len());
    let (known, address) = (Arc::new(known), server.address());
    at_once(AT_ONCE, |first| {
        let known = Arc::clone(&known);
        async move {
            // Each connection has its own order, so that neighbours on a worker differ.
            for number in (first..TIMES * known.len()).step_by(AT_ONCE) {
                let (case, expected) = &known[(number * 7 + first) % known.len()];
                let mut raw = Raw::open(address).await;
                raw.write(&case.bytes).await;
                let answer = raw.until_closed().await;
                assert_eq!(status(&answer), 200, "{}: {answer}", case.name);
                assert_eq!(&body_of(&answer, &case.name), expected, "{}", case.name);
            }
        }
    })
    .await;
}

modes!(queries_and_cookies, limited, async |server| same_as_the_reference(server, &INI, head_cases()).await);

modes!(forms, limited, async |server| {
    let mut cases = form_cases("POST", "/superglobals?q=1");
    cases.extend(form_cases("PUT", "/superglobals?q=1"));
    same_as_the_reference(server, &INI, cases).await;
});

modes!(uploads, limited, async |server| {
    same_as_the_reference(server, &INI, multipart_cases("POST", "/superglobals?q=1")).await;
});

modes!(bodies_that_the_script_parses, limited, async |server| {
    let mut cases = Vec::new();
    for method in ["PUT", "PATCH"] {
        cases.extend(form_cases(method, "/parse-body"));
        cases.extend(multipart_cases(method, "/parse-body"));
    }
    cases.extend(multipart_cases("PUT", "/parse-body-with"));
    same_as_the_reference(server, &INI, cases).await;
});

const UNREAD: [(&str, &str); 4] = [
    ("enable_post_data_reading", "0"),
    ("max_input_vars", "50"),
    ("upload_max_filesize", "2K"),
    ("post_max_size", "64K"),
];

fn unread(launch: Launch) -> Launch {
    UNREAD.iter().fold(launch.workers(4), |launch, (name, value)| launch.ini(name, value))
}

modes!(without_reading_of_post_data_the_body_is_the_scripts, unread, async |server| {
    let mut cases = form_cases("POST", "/superglobals?q=1");
    cases.extend(multipart_cases("POST", "/superglobals?q=1"));
    cases.extend(multipart_cases("POST", "/parse-body"));
    same_as_the_reference(server, &UNREAD, cases).await;
});

modes!(
    request_is_merged_anew_for_each_request,
    |launch| launch.workers(2).ini("auto_globals_jit", "1"),
    async |server| {
        let address = server.address();
        at_once(AT_ONCE, |number| async move {
            let mut connection = Connection::open(address, Protocol::Http1).await;
            let kind = [("content-type", "application/x-www-form-urlencoded"), ("cookie", "c=1")];
            let path = format!("/sometimes-merged?number={number}");
            let seen = connection.send("POST", &path, &kind, format!("posted={number}")).await.ok().json();
            // Without request_order it is variables_order that counts, cookies included.
            let merged = json!({"number": number.to_string(), "posted": number.to_string(), "c": "1"});
            assert_eq!(seen["merged"], if number % 2 == 1 { merged } else { Value::Null }, "request {number}");
        })
        .await;
    }
);

modes!(phpinfo_shows_the_server_and_the_request, |launch| launch.workers(2), async |server| {
    let address = server.address();
    at_once(AT_ONCE, |number| async move {
        let mut connection = Connection::open(address, Protocol::Http1).await;
        let page = connection.get(&format!("/phpinfo?nonce=n{number}n")).await;
        let text = page.ok().text();
        for word in ["Server API", "supercharger", "opcache", &format!("nonce=n{number}n")] {
            assert!(text.contains(word), "{word}: {text:.2000}");
        }
    })
    .await;
});

/// The comparison can fail: two requests that differ in one byte are told apart.
#[test]
#[should_panic(expected = "one byte off")]
fn negative_control_a_difference_is_seen() {
    crate::support::run(limited(Launch::plain(crate::support::Mode::Classic)), async |server| {
        let reference = Reference::start(&INI).await;
        let expected = reference.answer(&request("GET", "/superglobals?a=1", &[], b"")).await;
        let mut raw = server.raw().await;
        raw.write(request("GET", "/superglobals?a=2", &[], b"")).await;
        let answer = raw.until_closed().await;
        assert_eq!(body_of(&answer, "ours"), body_of(&expected, "the reference"), "one byte off");
    });
}
