use http::HeaderValue;

use super::*;

fn trusted(ranges: &[&str]) -> Vec<TrustedProxy> {
    ranges.iter().map(|range| range.parse().expect("a range")).collect()
}

fn field(text: &'static str) -> Option<Cow<'static, [u8]>> {
    (text != "-").then_some(Cow::Borrowed(text.as_bytes()))
}

/// `client https host port`, with `-` for what is not told, or `confused`.
fn told(result: Result<Told, Confused>) -> String {
    let Ok(told) = result else { return "confused".to_owned() };
    let client = match told.client {
        None => "-".to_owned(),
        Some((address, None)) => address.to_string(),
        Some((address, Some(port))) => format!("{address}#{port}"),
    };
    let scheme = told.https.map_or("-", |https| if https { "https" } else { "http" });
    let host = told.host.map_or_else(|| "-".to_owned(), |host| String::from_utf8_lossy(&host).into_owned());
    let port = told.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
    format!("{client} {scheme} {host} {port}")
}

const PEER: &str = "10.0.0.1";

fn by_forwarded_alone(text: &'static str) -> String {
    let fields = Fields { forwarded: field(text), ..Fields::default() };
    told(resolve(PEER.parse().expect("an address"), &trusted(&["10.0.0.0/8", "2001:db8:1::/48"]), &fields))
}

#[test]
fn forwarded() {
    let cases = [
        ("for=192.0.2.7", "192.0.2.7 - - -"),
        ("For=192.0.2.7;PROTO=HTTPS;Host=shop.example", "192.0.2.7 https shop.example -"),
        ("for=192.0.2.7:4711", "192.0.2.7#4711 - - -"),
        ("for=\"192.0.2.7:4711\"", "192.0.2.7#4711 - - -"),
        ("for=\"192.0.2.7:_hidden\"", "192.0.2.7 - - -"),
        ("for=\"[2001:db8::9]\"", "2001:db8::9 - - -"),
        ("for=\"[2001:db8::9]:4711\"", "2001:db8::9#4711 - - -"),
        ("for=\"[::ffff:192.0.2.7]\"", "192.0.2.7 - - -"),
        ("for=2001:db8::9", "2001:db8::9 - - -"),
        ("for=192.0.2.7;host=\"shop.example:8443\";proto=https", "192.0.2.7 https shop.example 8443"),
        ("for=192.0.2.7;host=\"[2001:db8::1]:8443\"", "192.0.2.7 - [2001:db8::1] 8443"),
        ("for=\"192\\.0.2.7\"", "192.0.2.7 - - -"),
        // The rightmost address that is not trusted; its own element tells the scheme.
        ("for=6.6.6.6, for=192.0.2.7", "192.0.2.7 - - -"),
        ("for=192.0.2.7;proto=https, for=10.0.0.9;proto=http", "192.0.2.7 https - -"),
        ("for=6.6.6.6;proto=http;host=evil, for=192.0.2.7;proto=https, for=10.9.9.9", "192.0.2.7 https - -"),
        ("for=\"[2001:db8:1::5]\", for=10.0.0.9", "2001:db8:1::5 - - -"),
        ("for=192.0.2.7, for=\"[2001:db8:1::5]\"", "192.0.2.7 - - -"),
        ("for=10.0.0.3, for=10.0.0.2", "10.0.0.3 - - -"),
        // A hop that hides itself: the last one known stands for it.
        ("for=unknown", "- - - -"),
        ("for=unknown;proto=https", "- https - -"),
        ("for=192.0.2.7, for=_secret", "- - - -"),
        ("for=192.0.2.7, for=_secret, for=10.0.0.9", "10.0.0.9 - - -"),
        ("for=300.1.2.3, for=10.0.0.9", "10.0.0.9 - - -"),
        ("for=192.0.2.7:99999", "- - - -"),
        ("for=0192.0.2.7", "- - - -"),
        ("proto=https", "- https - -"),
        ("proto=ftp", "- - - -"),
        // Blanks and empty elements.
        ("", "- - - -"),
        (" , ,for=192.0.2.7 , ", "192.0.2.7 - - -"),
        ("for=192.0.2.7 ; proto=https", "192.0.2.7 https - -"),
        (";for=192.0.2.7;", "192.0.2.7 - - -"),
        ("secret=x;for=192.0.2.7;other=\"a,b;c\"", "192.0.2.7 - - -"),
        // What cannot be read, and what the client could have prepared to swallow the proxy's part.
        ("for=\", for=192.0.2.7", "confused"),
        ("for=\"6.6.6.6, for=192.0.2.7", "confused"),
        ("x=\"\\\", for=192.0.2.7", "confused"),
        ("x=\"\\", "confused"),
        ("for=\"a\"b", "confused"),
        ("for", "confused"),
        ("=192.0.2.7", "confused"),
        ("for 192.0.2.7", "confused"),
        ("for =192.0.2.7", "confused"),
        ("for=192.0.2.7 x", "confused"),
        ("for=192.0.2.7;for=6.6.6.6", "confused"),
        ("for=192.0.2.7;host=a;HOST=b", "confused"),
        ("for=192.0.2.7;host=\"a b\"", "confused"),
        ("for=192.0.2.7;host=\"<script>\"", "confused"),
        ("for=192.0.2.7;host=\"\"", "confused"),
    ];
    for (text, expected) in cases {
        assert_eq!(by_forwarded_alone(text), expected, "{text}");
    }
}

#[test]
fn x_forwarded() {
    // X-Forwarded-For, -Proto, -Host, -Port
    type Case = ([&'static str; 4], &'static str);
    let cases: [Case; 31] = [
        (["-", "-", "-", "-"], "- - - -"),
        (["192.0.2.7", "-", "-", "-"], "192.0.2.7 - - -"),
        (["192.0.2.7:4711", "-", "-", "-"], "192.0.2.7#4711 - - -"),
        (["[2001:db8::9]:4711", "-", "-", "-"], "2001:db8::9#4711 - - -"),
        (["2001:db8::9", "-", "-", "-"], "2001:db8::9 - - -"),
        (["::ffff:192.0.2.7", "-", "-", "-"], "192.0.2.7 - - -"),
        (["6.6.6.6, 192.0.2.7", "-", "-", "-"], "192.0.2.7 - - -"),
        (["6.6.6.6,192.0.2.7,10.0.0.9", "-", "-", "-"], "192.0.2.7 - - -"),
        (["192.0.2.7, ::ffff:10.0.0.9", "-", "-", "-"], "192.0.2.7 - - -"),
        (["10.0.0.3, 10.0.0.2", "-", "-", "-"], "10.0.0.3 - - -"),
        (["192.0.2.7, unknown", "-", "-", "-"], "- - - -"),
        (["192.0.2.7, nonsense, 10.0.0.9", "-", "-", "-"], "10.0.0.9 - - -"),
        (["192.0.2.7, <script>", "-", "-", "-"], "- - - -"),
        ([" , 192.0.2.7 , ,", "-", "-", "-"], "192.0.2.7 - - -"),
        (["", "", "", ""], "- - - -"),
        (["192.0.2.7", "https", "-", "-"], "192.0.2.7 https - -"),
        (["-", "HTTPS", "-", "-"], "- https - -"),
        (["192.0.2.7", "http", "-", "-"], "192.0.2.7 http - -"),
        (["192.0.2.7", "gopher", "-", "-"], "192.0.2.7 - - -"),
        (["192.0.2.7", "wss", "-", "-"], "192.0.2.7 https - -"),
        // As many schemes as addresses: the one of the same hop. Otherwise only the last is sure.
        (["192.0.2.7, 10.0.0.9", "https, http", "-", "-"], "192.0.2.7 https - -"),
        (["6.6.6.6, 192.0.2.7, 10.0.0.9", "http, https, http", "-", "-"], "192.0.2.7 https - -"),
        (["192.0.2.7, 10.0.0.9", "http, http, https", "-", "-"], "192.0.2.7 https - -"),
        (["192.0.2.7", "https, http", "-", "-"], "192.0.2.7 http - -"),
        (["192.0.2.7", "https", "shop.example", "-"], "192.0.2.7 https shop.example -"),
        (["192.0.2.7", "https", "shop.example:8443", "-"], "192.0.2.7 https shop.example 8443"),
        (["192.0.2.7", "https", "shop.example:8443", "443"], "192.0.2.7 https shop.example 443"),
        (["192.0.2.7", "-", "evil/../x", "-"], "confused"),
        (["192.0.2.7", "-", "a b", "-"], "confused"),
        (["192.0.2.7", "-", "-", "port"], "confused"),
        (["192.0.2.7", "-", "-", "0"], "confused"),
    ];
    for (texts, expected) in cases {
        let [addresses, protocols, hosts, ports] = texts.map(field);
        let fields = Fields { forwarded: None, addresses, protocols, hosts, ports };
        let got = told(resolve(PEER.parse().expect("an address"), &trusted(&["10.0.0.0/8"]), &fields));
        assert_eq!(got, expected, "{texts:?}");
    }
}

#[test]
fn both_kinds_must_agree() {
    // Forwarded, X-Forwarded-For, -Proto, -Host, -Port
    type Case = ([&'static str; 5], &'static str);
    let cases: [Case; 11] = [
        (["for=192.0.2.7", "192.0.2.7", "-", "-", "-"], "192.0.2.7 - - -"),
        (["for=\"192.0.2.7:99\"", "192.0.2.7", "-", "-", "-"], "192.0.2.7#99 - - -"),
        (["for=192.0.2.7;proto=https;host=a", "192.0.2.7", "https", "a", "443"], "192.0.2.7 https a -"),
        (["for=192.0.2.7;host=\"a:81\"", "192.0.2.7", "-", "a", "81"], "192.0.2.7 - a 81"),
        (["for=6.6.6.6, for=192.0.2.7", "192.0.2.7", "-", "-", "-"], "192.0.2.7 - - -"),
        (["for=6.6.6.6", "192.0.2.7", "-", "-", "-"], "confused"),
        // The proxy knows one kind only; the rest is the client's.
        (["for=192.0.2.7;proto=https", "192.0.2.7", "-", "-", "-"], "confused"),
        (["for=192.0.2.7;host=evil", "192.0.2.7", "-", "-", "-"], "confused"),
        (["for=192.0.2.7", "192.0.2.7", "https", "-", "-"], "confused"),
        (["for=192.0.2.7", "192.0.2.7", "-", "evil", "-"], "confused"),
        (["for=192.0.2.7;host=a", "192.0.2.7", "-", "a", "8443"], "confused"),
    ];
    for (texts, expected) in cases {
        let [forwarded, addresses, protocols, hosts, ports] = texts.map(field);
        let fields = Fields { forwarded, addresses, protocols, hosts, ports };
        let got = told(resolve(PEER.parse().expect("an address"), &trusted(&["10.0.0.0/8"]), &fields));
        assert_eq!(got, expected, "{texts:?}");
    }
}

#[test]
fn only_trusted_peers_are_believed() {
    let fields = || Fields {
        forwarded: field("for=\""),
        addresses: field("192.0.2.7"),
        protocols: field("https"),
        hosts: field("evil"),
        ports: field("1"),
    };
    for (peer, ranges) in [
        ("10.0.0.1", &[][..]),
        ("10.0.0.1", &["192.168.0.0/16", "::/0"]),
        ("2001:db8::1", &["0.0.0.0/0"]),
        ("11.0.0.1", &["10.0.0.0/8"]),
        ("10.0.0.2", &["10.0.0.1"]),
    ] {
        let got = resolve(peer.parse().expect("an address"), &trusted(ranges), &fields());
        assert_eq!(got, Ok(Told::default()), "{peer} {ranges:?}");
    }
}

#[test]
fn mapped_addresses_are_what_they_mean() {
    let fields = || Fields { addresses: field("192.0.2.7"), ..Fields::default() };
    for ranges in [&["::ffff:10.0.0.0/104"][..], &["10.0.0.0/8"], &["::ffff:10.0.0.1"], &["10.0.0.1/32"]] {
        let got = resolve(PEER.parse().expect("an address"), &trusted(ranges), &fields());
        assert_eq!(told(got), "192.0.2.7 - - -", "{ranges:?}");
    }
}

#[test]
fn chains_and_texts_are_bounded() {
    let chain = vec!["10.0.0.9"; MAX_HOPS + 1].join(",");
    let fields = Fields { addresses: Some(Cow::Owned(chain.into_bytes())), ..Fields::default() };
    assert_eq!(told(resolve(PEER.parse().expect("an address"), &trusted(&["10.0.0.0/8"]), &fields)), "confused");
    // Nothing panics on any byte, alone or in a frame that is otherwise right.
    for byte in 0..=u8::MAX {
        for text in [vec![byte], [b"for=".as_slice(), &[byte], b",for=\"", &[byte], b"\""].concat()] {
            let text: Cow<'_, [u8]> = Cow::Owned(text);
            let fields = Fields { forwarded: Some(text.clone()), ..Fields::default() };
            drop(resolve(PEER.parse().expect("an address"), &trusted(&["10.0.0.0/8"]), &fields));
            let fields = Fields { addresses: Some(text.clone()), hosts: Some(text.clone()), ..Fields::default() };
            drop(resolve(PEER.parse().expect("an address"), &trusted(&["10.0.0.0/8"]), &fields));
        }
    }
}

#[test]
fn ranges() {
    for good in
        ["10.0.0.0/8", "10.1.2.3", "10.1.2.3/32", "::1", "2001:db8::/32", "0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104"]
    {
        assert!(good.parse::<TrustedProxy>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "10.0.0.0/33",
        "10.0.0.5/8",
        "::1/129",
        "10.0.0",
        "10.0.0.0/",
        "/8",
        "localhost",
        "10.0.0.0/8 ",
        "10.0.0.0-10.0.0.9",
        "fe80::1%eth0",
        "*",
    ] {
        assert!(bad.parse::<TrustedProxy>().is_err(), "{bad}");
    }
}

fn alone(list: &[&str], peer: &str, addresses: &'static str) -> String {
    let fields = Fields { addresses: field(addresses), ..Fields::default() };
    told(resolve(peer.parse().expect("an address"), &trusted(list), &fields))
}

#[test]
fn private_ranges_are_those_of_symfony() {
    for word in ["private_ranges", "PRIVATE_SUBNETS"] {
        for (peer, expected) in [
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.31.255.255", true),
            ("192.168.9.9", true),
            ("127.0.0.1", true),
            ("169.254.1.1", true),
            ("0.0.0.0", true),
            ("240.0.0.1", true),
            ("::1", true),
            ("::", true),
            ("fc00::1", true),
            ("fdff::1", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("9.255.255.255", false),
            ("11.0.0.1", false),
            ("172.15.255.255", false),
            ("172.32.0.1", false),
            ("192.167.255.255", false),
            ("169.253.1.1", false),
            ("100.64.0.1", false),
            ("192.0.2.1", false),
            ("239.255.255.255", false),
            ("203.0.113.9", false),
            ("2001:db8::1", false),
            ("fec0::1", false),
            ("::2", false),
        ] {
            assert_eq!(is_trusted(&trusted(&[word]), peer.parse().expect("an address")), expected, "{word} {peer}");
        }
        assert_eq!(alone(&[word], "10.0.0.1", "203.0.113.9, 192.168.1.1, 172.20.0.5"), "203.0.113.9 - - -");
        assert_eq!(alone(&[word, "192.0.2.1"], "192.0.2.1", "203.0.113.9, ::ffff:10.0.0.1"), "203.0.113.9 - - -");
        assert_eq!(alone(&[word], "203.0.113.1", "10.0.0.1"), "- - - -");
    }
    for wrong in ["private_range", "PRIVATE_RANGES", "private_subnets", "remote_addr", "REMOTE_ADDR/8"] {
        assert!(wrong.parse::<TrustedProxy>().is_err(), "{wrong}");
        assert!("private_ranges".parse::<Range>().is_err() && "REMOTE_ADDR".parse::<Range>().is_err());
    }
}

/// Whoever connects is one, and nobody else whom it names.
#[test]
fn remote_addr_is_the_other_end_alone() {
    const WORD: &[&str] = &["REMOTE_ADDR"];
    assert_eq!(alone(WORD, "203.0.113.1", "192.0.2.7"), "192.0.2.7 - - -");
    assert_eq!(alone(WORD, "203.0.113.1", "192.0.2.7, 203.0.113.1"), "192.0.2.7 - - -");
    assert_eq!(alone(WORD, "203.0.113.1", "192.0.2.7, 203.0.113.2"), "203.0.113.2 - - -");
    assert_eq!(alone(&["REMOTE_ADDR", "203.0.113.2"], "203.0.113.1", "192.0.2.7, 203.0.113.2"), "192.0.2.7 - - -");

    // For what somebody may do such a claim is none, unless the peer is named as well.
    let behind = |list: &[&str], peer: &str, value: &'static str| {
        let mut headers = HeaderMap::new();
        if value != "-" {
            headers.insert("x-forwarded-for", HeaderValue::from_static(value));
            headers.insert("x-forwarded-host", HeaderValue::from_static("shop.example:81"));
        }
        behind(peer.parse().expect("an address"), &trusted(list), &headers)
    };
    let unknown = Behind::Client { address: None, host: None };
    for peer in ["203.0.113.1", "127.0.0.1", "::ffff:10.0.0.1", "::1"] {
        for claim in ["192.0.2.7", "127.0.0.1", "::1", "192.0.2.7, 203.0.113.1", "unknown", "-"] {
            assert_eq!(behind(WORD, peer, claim), unknown, "{peer} {claim}");
        }
    }
    let named = Behind::Client { address: "192.0.2.7".parse().ok(), host: Some("shop.example".to_owned()) };
    for list in [&["10.0.0.0/8", "REMOTE_ADDR"][..], &["REMOTE_ADDR", "private_ranges"]] {
        assert_eq!(behind(list, "::ffff:10.0.0.1", "192.0.2.7"), named, "{list:?}");
        assert_eq!(behind(list, "203.0.113.1", "192.0.2.7"), unknown, "{list:?}");
    }
    assert_eq!(behind(&["private_ranges"], "203.0.113.1", "192.0.2.7"), Behind::Untrusted);
}
