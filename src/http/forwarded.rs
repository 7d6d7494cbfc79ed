//! Who the client is when proxies stand in between: `Forwarded` (RFC 7239) and `X-Forwarded-*`.
//!
//! Nobody is believed but a peer in `server.trusted_proxies`. What it passes on is read from its end: each entry was
//! written by the hop to its right, so the first address that is not trusted is the client, and nothing to the left
//! of it counts. Only bytes and ASCII are looked at; every loop ends with the text or with [`MAX_HOPS`].
//!
//! A proxy that knows one kind of field passes the other kind on as the client sent it. So if both are there they must say the
//! same, or the request is refused: believing either would let the client choose.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName, header};
use ipnet::{IpNet, Ipv4Net};

use super::authority;

/// Proxies in a row that are followed; longer chains than any that anybody runs.
const MAX_HOPS: usize = 32;

/// An address or a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range(IpNet);

/// Whose connections may speak for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedProxy(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Range(Range),
    /// `private_ranges`: what Symfony means by it.
    Private,
    /// `REMOTE_ADDR`: whoever connects.
    Peer,
}

/// The text is neither an address nor a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a range of addresses")]
pub struct BadRange(String);

impl FromStr for Range {
    type Err = BadRange;

    /// A range must be given by its first address: `10.0.0.5/8` may mean one machine or sixteen million.
    fn from_str(text: &str) -> Result<Self, BadRange> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().map_err(|_| BadRange(text.to_owned()))?,
        };
        if net.addr() != net.network() {
            return Err(BadRange(text.to_owned()));
        }
        Ok(Self(canonical(net)))
    }
}

impl Range {
    /// Whether the address (an IPv4-mapped one as IPv4) is one of them.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for TrustedProxy {
    type Err = BadRange;

    /// A range, or one of the words that Symfony knows for several.
    fn from_str(text: &str) -> Result<Self, BadRange> {
        Ok(Self(match text {
            "private_ranges" | "PRIVATE_SUBNETS" => Kind::Private,
            "REMOTE_ADDR" => Kind::Peer,
            range => Kind::Range(range.parse()?),
        }))
    }
}

impl TrustedProxy {
    /// Whether this is `REMOTE_ADDR`: then anybody may claim to speak for others.
    pub fn is_whoever_connects(self) -> bool {
        self.0 == Kind::Peer
    }
}

/// Symfony's private subnets: addresses that no stranger on the internet has.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || first == 0 || first >= 240
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// A range of IPv4-mapped addresses as the IPv4 range that it means.
fn canonical(net: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    match net.addr().to_canonical() {
        IpAddr::V4(address) if net.prefix_len() >= MAPPED_BITS && net.addr().is_ipv6() => {
            Ipv4Net::new(address, net.prefix_len() - MAPPED_BITS).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

/// Who is believed in a request.
#[derive(Debug, Clone, Copy)]
struct Believed<'a> {
    trusted: &'a [TrustedProxy],
    /// The other end of its connection, for `REMOTE_ADDR`.
    peer: IpAddr,
}

impl Believed<'_> {
    fn contains(self, address: IpAddr) -> bool {
        self.trusted.iter().any(|proxy| match proxy.0 {
            Kind::Range(range) => range.contains(address),
            Kind::Private => is_private(address),
            Kind::Peer => address == self.peer,
        })
    }
}

/// Whether whoever has this address at the other end of a connection is one of them.
pub(super) fn is_trusted(trusted: &[TrustedProxy], peer: IpAddr) -> bool {
    Believed { trusted, peer }.contains(peer)
}

/// The same, of those that are named by their addresses.
fn is_named(trusted: &[TrustedProxy], peer: IpAddr) -> bool {
    trusted.iter().any(|proxy| !proxy.is_whoever_connects() && is_trusted(&[*proxy], peer))
}

/// The proxies contradict each other or cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Confused;

/// What trusted proxies say of the client's own connection. What they do not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// The client's address and, if it was told, port.
    pub(super) client: Option<(IpAddr, Option<u16>)>,
    /// Whether the client's connection is encrypted.
    pub(super) https: Option<bool>,
    /// Host that the client named, without port.
    pub(super) host: Option<Vec<u8>>,
    /// Port that the client named or connected to.
    pub(super) port: Option<u16>,
    /// The list has an entry in the client's place that is no address: `client` is the last one known.
    hidden: bool,
    /// A hop on another machine has told the client's address.
    from_afar: bool,
}

/// The fields that proxies write, each joined to one list (RFC 9110 section 5.3).
#[derive(Debug, Clone, Default)]
pub(super) struct Fields<'a> {
    /// `Forwarded`.
    pub(super) forwarded: Option<Cow<'a, [u8]>>,
    /// `X-Forwarded-For`.
    pub(super) addresses: Option<Cow<'a, [u8]>>,
    /// `X-Forwarded-Proto`.
    pub(super) protocols: Option<Cow<'a, [u8]>>,
    /// `X-Forwarded-Host`.
    pub(super) hosts: Option<Cow<'a, [u8]>>,
    /// `X-Forwarded-Port`.
    pub(super) ports: Option<Cow<'a, [u8]>>,
}

impl<'a> Fields<'a> {
    /// The fields of a request's head.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
        const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
        const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
        const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
        Self {
            forwarded: joined(headers, &header::FORWARDED),
            addresses: joined(headers, &FOR),
            protocols: joined(headers, &PROTO),
            hosts: joined(headers, &HOST),
            ports: joined(headers, &PORT),
        }
    }
}

fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter();
    let mut all = Cow::Borrowed(values.next()?.as_bytes());
    for value in values {
        let all = all.to_mut();
        all.extend_from_slice(b", ");
        all.extend_from_slice(value.as_bytes());
    }
    Some(all)
}

/// What there is to know of the client behind `peer`, the other end of the connection (an IPv4-mapped address as IPv4).
///
/// # Errors
/// [`Confused`] if a trusted peer passes on what cannot be understood or contradicts itself.
pub(super) fn resolve(peer: IpAddr, trusted: &[TrustedProxy], fields: &Fields<'_>) -> Result<Told, Confused> {
    if !is_trusted(trusted, peer) {
        return Ok(Told::default());
    }
    let trusted = Believed { trusted, peer };
    let standard = fields.forwarded.as_deref().map(|text| by_forwarded(text, trusted)).transpose()?;
    let customary = [&fields.addresses, &fields.protocols, &fields.hosts, &fields.ports];
    if customary.iter().all(|field| field.is_none()) {
        return Ok(standard.unwrap_or_default());
    }
    let customary = by_customary_fields(fields, trusted)?;
    match standard {
        Some(standard) if !agree(&standard, &customary) => Err(Confused),
        Some(standard) => Ok(Told {
            hidden: standard.hidden || customary.hidden,
            from_afar: standard.from_afar || customary.from_afar,
            ..standard
        }),
        None => Ok(customary),
    }
}

/// Who the client of a request is, for somebody who has its head and the peer of its connection only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// The peer is no trusted proxy: what it says of others does not count.
    Untrusted,
    /// It is one.
    Client {
        /// The address of the client, if the proxy tells one and does not hide it.
        address: Option<IpAddr>,
        /// The host that the client has named, without port, if the proxy tells.
        host: Option<String>,
    },
    /// It is one, and contradicts itself or cannot be understood, or says of somebody on another machine that it is on this one.
    Confused,
}

/// The client behind `peer`, for decisions about what it may do. A peer that is trusted as `REMOTE_ADDR` alone is anybody: what it says of
/// its client proves nothing, so that one stays unknown.
pub fn behind(peer: IpAddr, trusted: &[TrustedProxy], headers: &HeaderMap) -> Behind {
    let peer = peer.to_canonical();
    if !is_trusted(trusted, peer) {
        return Behind::Untrusted;
    }
    let Ok(told) = resolve(peer, trusted, &Fields::of(headers)) else { return Behind::Confused };
    if !is_named(trusted, peer) {
        return Behind::Client { address: None, host: None };
    }
    let client = told.client.filter(|_| !told.hidden).map(|(address, _)| address);
    // A loopback address of another machine is nobody here.
    match client {
        Some(address) if address.is_loopback() && (told.from_afar || !peer.is_loopback()) => Behind::Confused,
        address => Behind::Client { address, host: told.host.map(|host| String::from_utf8_lossy(&host).into_owned()) },
    }
}

/// Whether both kinds of field say the same. The client's port is not compared: `X-Forwarded-For` seldom has one.
fn agree(one: &Told, other: &Told) -> bool {
    let address = |told: &Told| told.client.map(|(address, _)| address);
    let port = |told: &Told| told.port.unwrap_or(default_port(told.https == Some(true)));
    address(one) == address(other)
        && one.https == other.https
        && one.host == other.host
        && (one.host.is_none() || port(one) == port(other))
}

/// The port that a scheme means.
pub(super) fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// An address in a list, or something else in its place: `unknown`, a name, nonsense.
type Node = Option<(IpAddr, Option<u16>)>;

/// Follows a chain from the nearest hop on. Returns what is told of the client's address and how many entries were passed to find it: an
/// entry that is no address hides its hop, so that the one that wrote it is the last that is known.
fn follow(nodes: impl Iterator<Item = Node>, trusted: Believed<'_>) -> Result<(Told, usize), Confused> {
    let (mut told, mut at) = (Told::default(), 0);
    for (passed, node) in nodes.enumerate() {
        if passed == MAX_HOPS {
            return Err(Confused);
        }
        at = passed;
        told.from_afar |= told.client.is_some_and(|(hop, _)| !hop.is_loopback());
        let Some((address, _)) = node else {
            told.hidden = true;
            break;
        };
        told.client = node;
        if !trusted.contains(address) {
            break;
        }
    }
    Ok((told, at))
}

/* ---- X-Forwarded-* ---- */

fn by_customary_fields(fields: &Fields<'_>, trusted: Believed<'_>) -> Result<Told, Confused> {
    let addresses = fields.addresses.as_deref().unwrap_or_default();
    let (client, passed) = follow(from_the_right(addresses).map(node), trusted)?;
    let count = from_the_right(addresses).count();
    // Each proxy may add to these lists as it adds to the addresses, or there is one value; else only the last hop is sure.
    let value = |field: &Option<Cow<'_, [u8]>>| -> Option<Vec<u8>> {
        let list = field.as_deref()?;
        let at = if from_the_right(list).count() == count { passed } else { 0 };
        from_the_right(list).nth(at).map(<[u8]>::to_vec)
    };
    let mut told = Told { https: value(&fields.protocols).and_then(|word| is_https(&word)), ..client };
    if let Some(host) = value(&fields.hosts) {
        told.take_host(&host)?;
    }
    if let Some(port) = value(&fields.ports) {
        told.port = Some(self::port(&port).filter(|port| *port > 0).ok_or(Confused)?);
    }
    Ok(told)
}

/// The entries of a list without surrounding blanks, last one first; empty ones do not count.
fn from_the_right(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}

impl Told {
    fn take_host(&mut self, host: &[u8]) -> Result<(), Confused> {
        if host.is_empty() || !authority::is_host(host) {
            return Err(Confused);
        }
        let (name, port) = authority::split(host);
        self.host = Some(name.to_vec());
        self.port = port;
        Ok(())
    }
}

/// `None` for a word that is no scheme of ours: then the connection's own counts.
fn is_https(word: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()));
    if is(&["https", "wss", "on", "ssl", "1"]) {
        Some(true)
    } else if is(&["http", "ws", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, `2001:db8::1` (RFC 7239 section 6, and what is
/// customary). A port that is hidden (`_x`) is none.
fn node(text: &[u8]) -> Node {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address.to_canonical(), None));
    }
    let (address, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (address, rest) = inner.split_once(']')?;
            (IpAddr::from(address.parse::<Ipv6Addr>().ok()?), rest)
        }
        None => {
            let (address, _) = text.split_once(':')?;
            (IpAddr::from(address.parse::<Ipv4Addr>().ok()?), &text[address.len()..])
        }
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some(hidden) if hidden.starts_with('_') => None,
        Some(digits) => Some(port(digits.as_bytes())?),
    };
    Some((address.to_canonical(), port))
}

fn port(digits: &[u8]) -> Option<u16> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| all)?.parse().ok()
}

/* ---- Forwarded ---- */

fn by_forwarded(text: &[u8], trusted: Believed<'_>) -> Result<Told, Confused> {
    let elements = elements(text)?;
    let nodes = elements.iter().rev().map(|element| element.node.as_deref().and_then(node));
    let (mut told, passed) = follow(nodes, trusted)?;
    if let Some(element) = elements.iter().rev().nth(passed) {
        told.https = element.proto.as_deref().and_then(is_https);
        if let Some(host) = &element.host {
            told.take_host(host)?;
        }
    }
    Ok(told)
}

/// What one hop says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Element {
    node: Option<Vec<u8>>,
    proto: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    by: Option<Vec<u8>>,
}

impl Element {
    /// A parameter must not stand twice (RFC 7239 section 4); unknown ones are passed over.
    fn set(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), Confused> {
        let place = if name.eq_ignore_ascii_case(b"for") {
            &mut self.node
        } else if name.eq_ignore_ascii_case(b"proto") {
            &mut self.proto
        } else if name.eq_ignore_ascii_case(b"host") {
            &mut self.host
        } else if name.eq_ignore_ascii_case(b"by") {
            &mut self.by
        } else {
            return Ok(());
        };
        if place.replace(value).is_some() { Err(Confused) } else { Ok(()) }
    }
}

/// Splits the list. It is read from the left, because only so are quotes told from what they hold; what cannot be read makes the whole
/// list worthless: an open quote of the client's would swallow what the proxy added.
fn elements(text: &[u8]) -> Result<Vec<Element>, Confused> {
    let mut rest = text.trim_ascii();
    let mut elements = Vec::new();
    let mut element = Element::default();
    while !rest.is_empty() {
        let (pair, after) = pair(rest)?;
        if let Some((name, value)) = pair {
            element.set(name, value)?;
        }
        let ends = match after.first() {
            None | Some(b',') => true,
            Some(b';') => false,
            Some(_) => return Err(Confused),
        };
        if ends && element != Element::default() {
            elements.push(std::mem::take(&mut element));
        }
        rest = after.get(1..).unwrap_or_default().trim_ascii_start();
    }
    if element != Element::default() {
        elements.push(element);
    }
    Ok(elements)
}

/// A `name=value`, or nothing before a separator, and what follows it.
type Pair<'a> = (Option<(&'a [u8], Vec<u8>)>, &'a [u8]);

fn pair(text: &[u8]) -> Result<Pair<'_>, Confused> {
    if text.starts_with(b",") || text.starts_with(b";") {
        return Ok((None, text));
    }
    let equals = text.iter().position(|byte| !is_name(*byte)).unwrap_or(text.len());
    let (name, rest) = text.split_at(equals);
    let rest = rest.strip_prefix(b"=").filter(|_| !name.is_empty()).ok_or(Confused)?;
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted)?,
        None => {
            // More than a token: addresses with colons are seldom quoted as they should be.
            let ends = |byte: &u8| matches!(byte, b',' | b';' | b'"' | b'\\' | b' ' | b'\t');
            let end = rest.iter().position(ends).unwrap_or(rest.len());
            (rest[..end].to_vec(), &rest[end..])
        }
    };
    Ok((Some((name, value)), rest.trim_ascii_start()))
}

/// The text of a quoted string whose first quote has been taken, and what follows the last one.
fn unquote(text: &[u8]) -> Result<(Vec<u8>, &[u8]), Confused> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((value, &text[at + 1..])),
            b'\\' => value.push(*bytes.next().ok_or(Confused)?.1),
            byte => value.push(*byte),
        }
    }
    Err(Confused)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_' | b'.' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'^' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests;
