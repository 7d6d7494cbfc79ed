//! Browsers that are let pass by address do what any web page asks of them, and so does PHP that somebody has talked into it.
//!
//! - A name of a stranger may be pointed to any machine, and a page of that name then asks from the machine of whoever looks at it, as
//!   if it were this server's own. So who passes by address must have asked for an address, for `localhost`, or for a name that the
//!   operator calls this server's; who passes by a loopback address for one of those of this machine.
//! - A page may send orders to other sites. So an order with an `Origin` passes only if that is the very site it goes to, and if that
//!   site's name is one of those. The dashboard is such a page.
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
use super::name::{HostName, Target, target};

/// The field that every order carries, with any value.
pub(super) const ORDER: &str = "x-supercharger";

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    /// The authority of the request's target, which HTTP/2 has in place of `Host`.
    pub(super) authority: Option<&'a Authority>,
    /// What a trusted proxy says that its client has asked for.
    pub(super) told: Option<&'a str>,
    /// Names that the operator calls this server's.
    pub(super) own: &'a [HostName],
}

impl Asked<'_> {
    /// What is asked of those who pass by their address; none for those who have come by a socket file, and where anybody may pass.
    pub(super) fn check(&self, client: Option<IpAddr>) -> Result<(), Denied> {
        if is_order(self.method) && !self.is_own_page() {
            return Err(Denied::Origin);
        }
        match client {
            Some(client) if !self.is_for_us(client) => Err(Denied::Host),
            _ => Ok(()),
        }
    }

    /// What is asked of every order.
    pub(super) fn check_order(&self) -> Result<(), Denied> {
        if is_order(self.method) && !self.headers.contains_key(ORDER) { Err(Denied::Unmarked) } else { Ok(()) }
    }

    /// Whether no page asks, or one that came from here.
    fn is_own_page(&self) -> bool {
        let mut origins = self.headers.get_all(header::ORIGIN).iter();
        let (origin, host) = match (origins.next(), origins.next(), named(self.headers, self.authority)) {
            (None, ..) => return true,
            (Some(origin), None, Named::Host(host)) => (origin, host),
            _ => return false,
        };
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let same = origin.is_some_and(|(_, site)| site.eq_ignore_ascii_case(host.as_str()));
        same && match target(host.host()) {
            Target::Here | Target::Address(_) => true,
            Target::Name(name) => self.is_own(name),
        }
    }

    fn is_for_us(&self, client: IpAddr) -> bool {
        let fits = |host: &str| match target(host) {
            Target::Here => true,
            // Somebody on this machine who asks for another one is a proxy that keeps the name it was asked for.
            Target::Address(_) => !client.is_loopback(),
            Target::Name(name) => self.is_own(name),
        };
        let told = self.told.is_none_or(fits);
        told && match named(self.headers, self.authority) {
            // HTTP/1.0 may name none, which no browser does.
            Named::Nothing => true,
            Named::Unclear => false,
            Named::Host(host) => fits(host.host()),
        }
    }

    fn is_own(&self, name: &str) -> bool {
        self.own.iter().any(|own| own.is(name))
    }
}

fn is_order(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
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
