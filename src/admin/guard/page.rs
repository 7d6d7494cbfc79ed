//! Browsers that are let pass by address do what any web page asks of them, and so does PHP that somebody has talked into it.
//!
//! - A name of a stranger may be pointed to this machine, and a page of that name then asks as if it came from here. So who passes by a
//!   loopback address must have asked for a name of this machine.
//! - A page may send orders to other sites. So an order with an `Origin` passes only if that is the very site it goes to, and if that
//!   site's name is an address or `localhost`, which nobody can point elsewhere. The dashboard is such a page.
//! - PHP on this machine may be talked into sending a form to an address that a stranger names. So every order carries a header field
//!   that neither a form nor an ordinary client adds.
//!
//! A token is proof against the first two: no page can add it. The third costs who has one nothing, and holds where a proxy adds
//! the token for others.

#![forbid(unsafe_code)]

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, Method, header};

use super::Denied;

/// The field that every order carries, with any value.
pub(super) const ORDER: &str = "x-supercharger";

/// What is asked of those who pass by their address.
pub(super) fn check(
    client: Option<IpAddr>,
    method: &Method,
    headers: &HeaderMap,
    target: Option<&Authority>,
) -> Result<(), Denied> {
    if is_order(method) && !is_own_page(headers, target) {
        return Err(Denied::Origin);
    }
    // Who comes from elsewhere knows this machine by names that nobody here can know; who comes by a socket file is no browser.
    let is_here = client.is_some_and(|address| address.is_loopback());
    if is_here && !asks_for_this_machine(headers, target) {
        return Err(Denied::Host);
    }
    Ok(())
}

/// What is asked of every order.
pub(super) fn check_order(method: &Method, headers: &HeaderMap) -> Result<(), Denied> {
    if is_order(method) && !headers.contains_key(ORDER) { Err(Denied::Unmarked) } else { Ok(()) }
}

fn is_order(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Whether no page asks, or one that came from here.
fn is_own_page(headers: &HeaderMap, target: Option<&Authority>) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, host) = match (origins.next(), origins.next(), named(headers, target)) {
        (None, ..) => return true,
        (Some(origin), None, Named::Host(host)) => (origin, host),
        _ => return false,
    };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let same = origin.is_some_and(|(_, site)| site.eq_ignore_ascii_case(host.as_str()));
    let name = bare(&host);
    same && (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok())
}

fn asks_for_this_machine(headers: &HeaderMap, target: Option<&Authority>) -> bool {
    match named(headers, target) {
        // HTTP/1.0 may name none, which no browser does.
        Named::Nothing => true,
        Named::Unclear => false,
        Named::Host(host) => {
            let name = bare(&host);
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
        }
    }
}

/// The name that was asked for.
enum Named {
    Nothing,
    Unclear,
    Host(Authority),
}

fn named(headers: &HeaderMap, target: Option<&Authority>) -> Named {
    let mut hosts = headers.get_all(header::HOST).iter();
    let first = hosts.next();
    let host = first.and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
    // HTTP/2 names it in the target.
    match (first, host, target) {
        (None, _, None) => Named::Nothing,
        (None, _, Some(target)) => Named::Host(target.clone()),
        (Some(_), Some(host), None) if hosts.next().is_none() => Named::Host(host),
        (Some(_), Some(host), Some(target)) if hosts.next().is_none() && &host == target => Named::Host(host),
        (Some(_), ..) => Named::Unclear,
    }
}

fn bare(host: &Authority) -> &str {
    host.host().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.')
}
