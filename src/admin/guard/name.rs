//! Names by which operators reach the endpoints.

#![forbid(unsafe_code)]

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The name of a machine or a service, without port, in small letters. It is compared with what a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

/// The text can be no name of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no name of a machine: letters, digits, `-` and `_` between dots, no port, no address")]
pub struct NoHostName;

/// What a name in the domain name system can have (RFC 1035 section 2.3.4).
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

impl FromStr for HostName {
    type Err = NoHostName;

    /// A dot at the end is passed over. A name whose last part is a number is one of an address that was misspelt.
    fn from_str(text: &str) -> Result<Self, NoHostName> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            (1..=LONGEST_LABEL).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let ends_in_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() > LONGEST || ends_in_number || !name.split('.').all(is_label) {
            return Err(NoHostName);
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who a request was meant for, as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// This machine, by a name or an address that means nothing else.
    Here,
    /// An address: nobody can point it elsewhere.
    Address(IpAddr),
    /// A name, which its owner may point to any machine.
    Name(&'a str),
}

/// What a host without port means.
pub(super) fn target(host: &str) -> Target<'_> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let address = name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(name);
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address.is_loopback() => Target::Here,
        Ok(address) => Target::Address(address),
        Err(_) if name.eq_ignore_ascii_case("localhost") => Target::Here,
        Err(_) => Target::Name(name),
    }
}

impl HostName {
    /// Whether this is the name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_name() {
        for (text, expected) in [
            ("app", "app"),
            ("App.Example.", "app.example"),
            ("my_app-1.ops.svc.cluster.local", "my_app-1.ops.svc.cluster.local"),
            ("1.node.example", "1.node.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(text.parse::<HostName>().map(|name| name.to_string()), Ok(expected.to_owned()), "{text}");
        }
        let long = format!("{}.example", "a".repeat(64));
        let longer = format!("{}example", "abcdefg.".repeat(32));
        for text in [
            "",
            ".",
            "*",
            "*.example",
            "app:9180",
            "http://app",
            "app/",
            "a b",
            "a..b",
            ".a",
            "a.example..",
            "-a",
            "a-",
            "ä.example",
            "10.0.0.1",
            "10.0.0",
            "10",
            "::1",
            "[::1]",
            &long,
            &longer,
        ] {
            assert_eq!(text.parse::<HostName>(), Err(NoHostName), "{text:?}");
        }
    }

    #[test]
    fn what_a_host_means() {
        for (host, expected) in [
            ("localhost", Target::Here),
            ("LOCALHOST.", Target::Here),
            ("127.0.0.1", Target::Here),
            ("[::1]", Target::Here),
            ("[::ffff:127.0.0.1]", Target::Here),
            ("10.0.0.1", Target::Address([10, 0, 0, 1].into())),
            ("[::ffff:10.0.0.1]", Target::Address([10, 0, 0, 1].into())),
            ("localhost..", Target::Name("localhost.")),
            ("localhost.example", Target::Name("localhost.example")),
            ("127.0.0.1.example", Target::Name("127.0.0.1.example")),
            ("0x7f.1", Target::Name("0x7f.1")),
            ("", Target::Name("")),
        ] {
            assert_eq!(target(host), expected, "{host}");
        }
    }
}
