//! The access log as Apache and nginx write it: the combined log format.
//!
//! `203.0.113.7 - - [31/Jan/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 512 "https://example.org/" "Mozilla/5.0"`
//!
//! The query is not logged, nor the name of a user: both may be secrets.

#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::telemetry::escape::number;
use crate::telemetry::events::Access;
use crate::telemetry::{escape, time};

/// Appends the line of a request.
pub(in crate::telemetry) fn combined(out: &mut String, access: &Access<'_>) -> fmt::Result {
    address(out, access.remote)?;
    out.push_str(" - - [");
    time::common(out, access.ended)?;
    out.push_str("] \"");
    escape::common_text(out, access.method);
    if access.method != "-" {
        // A request that could not be read has no line.
        out.push(' ');
        escape::common_text(out, access.shown_path());
        out.push(' ');
        escape::common_text(out, access.protocol);
    }
    out.push_str("\" ");
    number(out, access.status);
    out.push(' ');
    number(out, access.bytes);
    out.push_str(" \"");
    or_dash(out, access.shown_referer().as_deref().map(str::as_bytes));
    out.push_str("\" \"");
    or_dash(out, access.shown_user_agent());
    out.push_str("\"\n");
    Ok(())
}

fn address(out: &mut String, address: IpAddr) -> fmt::Result {
    let IpAddr::V4(v4) = address else { return write!(out, "{address}") };
    for (index, octet) in v4.octets().into_iter().enumerate() {
        if index > 0 {
            out.push('.');
        }
        number(out, octet);
    }
    Ok(())
}

fn or_dash(out: &mut String, value: Option<&[u8]>) {
    match value {
        None | Some([]) => out.push('-'),
        Some(value) => escape::common(out, value),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_line_of_each_kind() {
        let access = Access {
            request_id: "r-1",
            trace_id: None,
            remote: IpAddr::from([127, 0, 0, 1]),
            method: "GET",
            path: "/a\"b",
            route: None,
            protocol: "HTTP/1.1",
            status: 200,
            bytes: 2,
            ended: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            referer: Some(b"https://u:s3cret@example.org/?token=x"),
            user_agent: Some(b"curl/8 \x1b[2J"),
        };
        let line = |access: Access<'_>| {
            let mut line = String::new();
            combined(&mut line, &access).expect("a string takes everything");
            let (start, rest) = line.split_once('[').expect("a time");
            let (_, end) = rest.split_once("] ").expect("its end");
            format!("{start}{end}")
        };
        assert_eq!(
            line(access),
            "127.0.0.1 - - \"GET /a\\\"b HTTP/1.1\" 200 2 \"https://example.org/?[REDACTED]\" \"curl/8 \\x1B[2J\"\n"
        );
        let unread = Access {
            method: "-",
            path: "-",
            protocol: "-",
            status: 400,
            referer: None,
            user_agent: Some(b""),
            ..access
        };
        assert_eq!(line(unread), "127.0.0.1 - - \"-\" 400 2 \"-\" \"-\"\n");
    }
}
