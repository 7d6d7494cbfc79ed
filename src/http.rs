//! HTTP in front of PHP: listens, turns requests into jobs and answers into responses, and answers by itself where PHP
//! has no part.
//!
//! A request body is taken whole before the backend is asked, so no client holds a worker while it sends. The future that
//! serves a request owns all it uses; a client that leaves makes hyper drop it.
//!
//! This module knows neither PHP nor the pool: it hands [`job::Request`](crate::job::Request)s to a [`Backend`].

#![forbid(unsafe_code)]

mod authority;
mod body;
mod endpoints;
mod error;
mod forwarded;
#[cfg(fuzzing)]
pub mod fuzz;
mod handler;
mod headers;
mod listen;
mod maintenance;
mod mistake;
mod path;
mod record;
mod request;
mod request_id;
mod response;
mod route;
mod sendfile;
mod server;
mod stall;
mod static_files;
mod stream;
mod trace;
mod trace_context;
mod traffic;
mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use ::http::Method;
pub use endpoints::{Endpoints, Reach};
pub use forwarded::{Behind, TrustedProxy, behind};
pub use listen::{
    ACTIVATION_VARIABLES, ALLOWED as ALLOWED_ADDRESSES, BadAddress, BindError, Bound, InheritError, ListenAddress,
    TcpAddress, UnixAddress,
};
pub use maintenance::{Closed, Maintenance};
pub use mistake::Mistake;
pub use route::{BadPattern, Branch, Mode, Patterns, Router, Site};
pub use sendfile::Sendfile;
pub use server::{Drained, Farewell, Listeners, Parting, adopt, bind, inherit, rebind};
pub use trace::{Inbound, Tracing};
pub use traffic::{METHODS, RouteTraffic, Traffic};

use crate::job::{self, Failure, RequestBody};

/// What the HTTP front is told by configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to listen on.
    pub listen: Vec<ListenAddress>,
    /// Longest time for a request's head to arrive, and for the first one to begin.
    pub header_timeout: Duration,
    /// Longest silence between two pieces of a request body.
    pub body_timeout: Duration,
    /// Longest time in which a client takes nothing of a response.
    pub write_timeout: Duration,
    /// Longest time for a connection to stay idle between requests.
    pub keepalive_timeout: Duration,
    /// Most connections open at a time, over all addresses.
    pub max_connections: usize,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Largest request head, in bytes.
    pub max_header_size: usize,
    /// Most header fields of a request.
    pub max_headers: usize,
    /// Largest request body, in bytes.
    pub max_body_size: u64,
    /// Bytes of a request body that are kept in memory; beyond, it goes to a temporary file.
    pub body_memory: usize,
    /// Whether responses name the server.
    pub server_header: bool,
    /// Whose word about the client is taken (`Forwarded` and `X-Forwarded-*`).
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Whether each request is logged.
    pub access_log: bool,
    /// Where answers are counted.
    pub traffic: Arc<Traffic>,
    /// Where it is told that clients are to come back later.
    pub maintenance: Maintenance,
    /// The endpoints for operators, if they are to be had here too.
    pub endpoints: Option<Endpoints>,
    /// In development: where a mistake is shown from.
    pub mistake: Option<Mistake>,
    /// How requests are traced, if they are.
    pub tracing: Option<Tracing>,
    /// What is served.
    pub site: Site,
}

/// Whoever runs PHP requests.
pub trait Backend: Send + Sync + 'static {
    /// Has a request answered by a pool: 0 is the default one, the others follow in the order of [`Site::branches`]. Dropping the future means that the client has left.
    fn submit(
        &self,
        pool: usize,
        request: job::Request,
        body: RequestBody,
    ) -> impl Future<Output = Result<job::Response, Failure>> + Send;
}
