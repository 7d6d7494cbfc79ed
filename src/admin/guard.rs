//! Who may ask: the decision of contract section 7, in its order and with its words.
//!
//! 1. A switched off guard lets everybody pass (`disabled`).
//! 2. Header fields of a proxy from a peer that is no trusted one are refused before anything else is looked at: a valid token
//!    does not rescue them.
//! 3. The allow list, by the address of the client behind trusted proxies, and the token, as the mode says.
//! 4. Who has been let pass by address alone may be a browser that does what a web page wants of it; see [`page`].
//!
//! The guard is bound to the handler: one that takes [`Allowed`] cannot be reached without, however the path is written.

#![forbid(unsafe_code)]

mod name;
mod page;
mod range;
mod refusals;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use tokio::sync::watch;

use super::routes::json;
pub use name::{HostName, NoHostName};
pub use range::{AddressRange, NoRange};
use refusals::Refusals;
pub(super) use refusals::reasons;
pub use token::Token;

/// Who is at the other end, put into each request by the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// An address, at the endpoints' own.
    Tcp(SocketAddr),
    /// An address, at one of the server's. If it is of this machine it is mostly a proxy's that speaks for the world.
    Main(SocketAddr),
    /// Whoever may open the socket file of the endpoints: its rights are its allow list. No browser can.
    Unix,
    /// Whoever may open a socket file of the server. It has no address, and mostly it is a proxy that speaks for the world.
    Front,
}

/// What is enough to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The address or the token.
    AllowlistOrToken,
    /// The address.
    AllowlistOnly,
    /// The token.
    RequireToken,
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "allowlist_or_token" => Ok(Self::AllowlistOrToken),
            "allowlist_only" => Ok(Self::AllowlistOnly),
            "require_token" => Ok(Self::RequireToken),
            _ => Err(()),
        }
    }
}

/// What the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Whether anybody is asked at all.
    pub enabled: bool,
    /// What is enough.
    pub mode: Mode,
    /// Addresses that may pass.
    pub allow: Vec<AddressRange>,
    /// The token, if there is one.
    pub token: Option<Token>,
    /// The header field that may carry it besides `Authorization`.
    pub header: HeaderName,
    /// Whether header fields of a proxy that is not trusted are refused; else they are passed over.
    pub proxy_strict: bool,
    /// Names under which who passes by address may ask.
    pub hosts: Vec<HostName>,
}

/// What the header fields of a request say of its client, given the peer that sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// Nothing that counts: the peer is no trusted proxy.
    Untrusted,
    /// The peer is one.
    Client {
        /// The address of the client, if the proxy names one and does not hide it.
        address: Option<IpAddr>,
        /// The host that the client has asked for, without port, if the proxy tells.
        host: Option<String>,
    },
    /// The peer is one, and contradicts itself or cannot be understood, or says of somebody on another machine that it is on this one.
    Confused,
}

/// Whoever knows which proxies are trusted: the list of the HTTP front.
pub trait Proxies: fmt::Debug + Send + Sync + 'static {
    /// Who stands behind the peer.
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> Behind;
}

/// The guard in force, and how often it has refused. Clones are the same; a reload brings new rules.
#[derive(Debug, Clone)]
pub struct Gate {
    guard: watch::Sender<Arc<Guard>>,
    refusals: Arc<Refusals>,
}

impl Gate {
    /// A gate with these rules.
    pub fn new(rules: Rules, proxies: impl Proxies) -> Self {
        let guard = Arc::new(Guard { rules, proxies: Box::new(proxies) });
        Self { guard: watch::Sender::new(guard), refusals: Arc::default() }
    }

    /// From the next request on these rules hold; what others have let pass and still goes on learns of it ([`Allowed::lapsed`]).
    pub fn replace(&self, rules: Rules, proxies: impl Proxies) {
        self.guard.send_replace(Arc::new(Guard { rules, proxies: Box::new(proxies) }));
    }

    /// What holds now; put into each request by the listener.
    pub(super) fn now(&self) -> InForce {
        let gate = self.guard.subscribe();
        let guard = Arc::clone(&gate.borrow());
        InForce { guard, gate }
    }

    /// How often it has refused, by reason.
    pub fn refused(&self) -> BTreeMap<String, u64> {
        self.refusals.counts()
    }

    /// Counts an answer if it is a refusal, and tells it in the log. Must be called inside of a runtime.
    pub(super) fn saw<B>(&self, peer: Peer, answer: &http::Response<B>) {
        if let Some(denied) = answer.extensions().get::<Denied>() {
            self.refusals.add(*denied, peer);
        }
    }
}

/// The guard that a request has met, and where its successor will be seen.
#[derive(Debug, Clone)]
pub(super) struct InForce {
    guard: Arc<Guard>,
    gate: watch::Receiver<Arc<Guard>>,
}

/// Rules with all that is needed to decide.
#[derive(Debug)]
pub(super) struct Guard {
    rules: Rules,
    proxies: Box<dyn Proxies>,
}

/// Proof that the guard has let a request pass: a handler that takes it cannot be reached without.
#[derive(Debug)]
pub(super) struct Allowed(InForce);

impl Allowed {
    /// Resolves when the guard that let the request pass is no longer in force, also if that was so before. An answer that goes on and on
    /// ends then: whoever may still have it asks again.
    pub(super) async fn lapsed(self) {
        let InForce { guard, mut gate } = self.0;
        // An error means that the gate is gone, and with it every guard.
        drop(gate.wait_for(|now| !Arc::ptr_eq(now, &guard)).await);
    }
}

/// A request that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pass {
    reason: Reason,
    /// It carries the token: no web page has made it.
    proven: bool,
}

/// Why a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The guard is switched off.
    Disabled,
    /// By its address.
    Ip,
    /// By the token.
    Token,
}

/// Why a request is refused. The label stands in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// A proxy speaks that is not trusted, or is not understood.
    ProxyHeader,
    /// By the address, which alone counts.
    Ip,
    /// A token is asked for, and none is configured.
    TokenMissingConfig,
    /// No token, or a wrong one, where only that counts.
    Token,
    /// Neither on the list nor with a token.
    TokenMissing,
    /// Not on the list, and with a wrong token.
    Forbidden,
    /// A web page asks.
    Origin,
    /// The name that was asked for is none of this machine.
    Host,
    /// An order without [`page::ORDER`].
    Unmarked,
}

/// What proxies add.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-prefix"];

/// Who asks, as far as that can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    At(IpAddr),
    /// By a socket file that says who may.
    ByFile,
    Unknown,
}

impl Guard {
    /// The whole decision.
    fn decide(&self, peer: Option<Peer>, parts: &Parts) -> Result<Reason, Denied> {
        let (client, told) = match self.client(peer, &parts.headers) {
            Ok((client, told)) => (Ok(client), told),
            Err(denied) => (Err(denied), None),
        };
        let pass = match client {
            _ if !self.rules.enabled => Pass { reason: Reason::Disabled, proven: false },
            Err(denied) => return Err(denied),
            Ok(client) => self.by_mode(client, &parts.headers)?,
        };
        let asked = page::Asked {
            method: &parts.method,
            headers: &parts.headers,
            authority: parts.uri.authority(),
            told: told.as_deref(),
            own: &self.rules.hosts,
        };
        if !pass.proven {
            let address = match client {
                // Where anybody may pass a page gains nothing by being somebody else, but that this machine may not be asked by all.
                Ok(Client::At(address)) if self.rules.enabled || address.is_loopback() => Some(address),
                Ok(Client::At(_) | Client::ByFile | Client::Unknown) | Err(_) => None,
            };
            asked.check(address)?;
        }
        asked.check_order()?;
        Ok(pass.reason)
    }

    /// The client behind the peer, and the host that a trusted proxy says it has asked for; an error if a proxy speaks that should not.
    fn client(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(Client, Option<String>), Denied> {
        // What a socket file of the server counts as for `server.trusted_proxies`.
        const FRONT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let (own, as_proxy) = match peer {
            Some(Peer::Tcp(address) | Peer::Main(address)) => {
                let address = address.ip().to_canonical();
                (Client::At(address), Some(address))
            }
            Some(Peer::Unix) => (Client::ByFile, None),
            Some(Peer::Front) => (Client::Unknown, Some(FRONT)),
            None => (Client::Unknown, None),
        };
        let behind = as_proxy.map_or(Behind::Untrusted, |address| self.proxies.behind(address, headers));
        let (client, told) = match behind {
            Behind::Confused => return Err(Denied::ProxyHeader),
            Behind::Client { address: Some(address), host } => (Client::At(address.to_canonical()), host),
            // It speaks for somebody and does not say for whom: it does not ask for itself.
            Behind::Client { address: None, host } if speaks_for_others(headers) => (Client::Unknown, host),
            Behind::Untrusted if self.rules.proxy_strict && speaks_for_others(headers) => {
                return Err(Denied::ProxyHeader);
            }
            Behind::Client { address: None, .. } | Behind::Untrusted => (own, None),
        };
        let at_main = matches!(peer, Some(Peer::Main(_) | Peer::Front));
        let client = match client {
            // There a proxy on this machine that adds no field looks just the same.
            Client::At(address) if at_main && address.is_loopback() => Client::Unknown,
            client => client,
        };
        Ok((client, told))
    }

    fn by_mode(&self, client: Client, headers: &HeaderMap) -> Result<Pass, Denied> {
        let listed = match client {
            Client::At(address) => self.rules.allow.iter().any(|range| range.contains(address)),
            Client::ByFile => true,
            Client::Unknown => false,
        };
        let sent = token::sent(headers, &self.rules.header);
        let proven = self.rules.token.as_ref().is_some_and(|token| sent.is_some_and(|sent| token.matches(sent)));
        let by_ip = |proven| Ok(Pass { reason: Reason::Ip, proven });
        let by_token = Ok(Pass { reason: Reason::Token, proven });
        match self.rules.mode {
            // There a token counts for nothing.
            Mode::AllowlistOnly if listed => by_ip(false),
            Mode::AllowlistOnly => Err(Denied::Ip),
            Mode::RequireToken if self.rules.token.is_none() => Err(Denied::TokenMissingConfig),
            Mode::RequireToken if proven => by_token,
            Mode::RequireToken => Err(Denied::Token),
            Mode::AllowlistOrToken if listed => by_ip(proven),
            Mode::AllowlistOrToken if proven => by_token,
            Mode::AllowlistOrToken if sent.is_none() => Err(Denied::TokenMissing),
            Mode::AllowlistOrToken => Err(Denied::Forbidden),
        }
    }
}

fn speaks_for_others(headers: &HeaderMap) -> bool {
    FORWARDED.iter().any(|name| headers.contains_key(*name))
}

impl Denied {
    const ALL: [Self; 9] = [
        Self::ProxyHeader,
        Self::Ip,
        Self::TokenMissingConfig,
        Self::Token,
        Self::TokenMissing,
        Self::Forbidden,
        Self::Origin,
        Self::Host,
        Self::Unmarked,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::ProxyHeader => "proxyHeaderNotTrusted",
            Self::Ip => "ipDenied",
            Self::TokenMissingConfig => "tokenMissingConfig",
            Self::Token => "tokenDenied",
            Self::TokenMissing => "tokenMissing",
            Self::Forbidden => "forbidden",
            Self::Origin => "originDenied",
            Self::Host => "hostDenied",
            Self::Unmarked => "orderHeaderMissing",
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "error": "forbidden", "code": "runtime_endpoint_denied", "reason": self.label(),
        });
        let mut answer = json(StatusCode::FORBIDDEN, &body);
        // For whoever counts refusals: what only asks what the guard thinks has not been refused.
        answer.extensions_mut().insert(self);
        answer
    }
}

/// What the guard says, for handlers that answer everybody and tell more to those who may know it.
impl<S: Send + Sync> FromRequestParts<S> for Allowed {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        let peer = parts.extensions.get::<Peer>().copied();
        // Without a guard nobody passes: a listener that forgets it shows nothing.
        let Some(met) = parts.extensions.get::<InForce>() else { return Err(Denied::Forbidden) };
        met.guard.decide(peer, parts).map(|_| Self(met.clone()))
    }
}

#[cfg(test)]
mod tests;
