//! The commands that talk to a running server: `status`, `recycle`, `reload` and `drain`.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};
use serde_json::Value;

use super::client::{self, Answer, Server};
use super::exit::Error;
use super::status;
use crate::admin::Token;
use crate::config;
use crate::http::ListenAddress;

/// How long an answer may take that waits for nothing but the server.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Where the server is asked.
#[derive(Debug, Default, Args)]
pub(super) struct Where {
    /// Configuration file that the server was started with [default: ./supercharger.toml, else
    /// /etc/supercharger/supercharger.toml, else none]; its admin.listen says where to ask
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the admin endpoints, instead of what the configuration says: HOST:PORT or unix:/PATH
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// File that holds the token of the admin endpoints, instead of guard.token of the configuration
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Where {
    /// Whether a server was named.
    pub(super) fn is_given(&self) -> bool {
        self.config.is_some() || self.admin.is_some()
    }

    pub(super) fn server(self) -> Result<Server, Error> {
        self.places().map(|(server, _)| server)
    }

    /// The server, and where it listens for clients if `--config` says so.
    pub(super) fn places(self) -> Result<(Server, Option<Vec<ListenAddress>>), Error> {
        let is_told = self.config.is_some();
        let contact = config::contact(self.config, self.admin)?;
        let token = self.token_file.map(|file| token_in(&file)).transpose()?.or(contact.token);
        let address = contact.address.ok_or_else(|| {
            Error::Control("admin.listen is \"off\": this server has no admin endpoints to ask. SIGTERM drains it, SIGHUP reloads it".to_owned())
        })?;
        Ok((Server { address, token }, is_told.then_some(contact.listen)))
    }
}

/// The token that a file holds, on one line.
fn token_in(file: &Path) -> Result<Token, Error> {
    let wrong = |why: String| Error::Token(format!("--token-file: {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    text.trim().parse().map_err(|error| wrong(format!("{error}")))
}

/// Show how a running server stands: processes, pools, workers, what they are busy with and why they were last replaced.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger status\n      \
            the server of this machine, as ./supercharger.toml or the defaults say\n  \
        supercharger status --admin unix:/run/shop-admin.sock\n      \
            another one\n  \
        supercharger status --json | jq .status.pools\n      \
            for programs: what the endpoints /status and /workers say\n\n\
        A process that does not answer in time is marked `stale`: what is shown of it is what was last known.\n\n\
        Exit codes: 0 success, 1 no server answers, 2 wrong usage, 78 configuration error.")]
pub(super) struct Status {
    #[command(flatten)]
    at: Where,
    /// Print JSON: {\"status\": ..., \"workers\": [...]}
    #[arg(long)]
    json: bool,
}

/// Replace workers of a running server, one by one and without a failed request.
///
/// Each worker finishes what it has; it is replaced once its successor has booted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger recycle\n      \
            every worker of every pool\n  \
        supercharger recycle --pool default --slot 3\n      \
            one of them; `supercharger status` shows the slots\n\n\
        New code or a new configuration take `supercharger reload` instead.\n\n\
        Exit codes: 0 success, 1 no server answers or no such pool or slot, 2 wrong usage, 78 configuration error.")]
pub(super) struct Recycle {
    #[command(flatten)]
    at: Where,
    /// Workers of this pool only
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// The worker in this slot only (of each pool and process)
    #[arg(long, value_name = "NUMBER")]
    slot: Option<u32>,
}

/// Load new code, a new configuration or a new executable without a failed request, and wait for the outcome.
///
/// A new generation boots beside the old one. Once its workers have reached their loops it takes over and the old one finishes what it
/// has. If it does not come up, the old one goes on as if nothing had happened, and this command says why.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger reload\n      \
            after a deploy\n  \
        supercharger reload --admin 127.0.0.1:9181 && echo deployed\n      \
            as a step of a script: exit code 1 if the new generation did not come up\n\n\
        SIGHUP does the same without waiting.\n\n\
        Exit codes: 0 the new generation serves, 1 it does not or no server answers, 2 wrong usage, 78 configuration error.")]
pub(super) struct Reload {
    #[command(flatten)]
    at: Where,
}

/// Stop a running server once running requests are done, as SIGTERM does.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger drain\n      \
            no new requests; the server ends when it is done, at the latest after server.drain_timeout\n\n\
        Exit codes: 0 the server drains, 1 no server answers, 2 wrong usage, 78 configuration error.")]
pub(super) struct Drain {
    #[command(flatten)]
    at: Where,
}

/// `supercharger status`.
pub(super) fn status(arguments: Status) -> Result<(), Error> {
    let server = arguments.at.server()?;
    let get = |target| expected(client::ask(&server, &Method::GET, target, Some(PATIENCE))?, StatusCode::OK);
    let (status, workers) = (get("/status")?, get("/workers")?);
    if arguments.json {
        let both = serde_json::json!({ "status": status, "workers": workers["workers"] });
        return super::print(&format!("{both:#}\n"));
    }
    super::print(&status::screen(&status, &workers))
}

/// `supercharger recycle`.
pub(super) fn recycle(arguments: Recycle) -> Result<(), Error> {
    let server = arguments.at.server()?;
    let mut query = Vec::new();
    if let Some(pool) = &arguments.pool {
        let pool = percent_encoding::utf8_percent_encode(pool, percent_encoding::NON_ALPHANUMERIC);
        query.push(format!("pool={pool}"));
    }
    if let Some(slot) = arguments.slot {
        query.push(format!("slot={slot}"));
    }
    let target = format!("/workers/recycle?{}", query.join("&"));
    let answer = expected(client::ask(&server, &Method::POST, &target, Some(PATIENCE))?, StatusCode::ACCEPTED)?;
    super::print(&match answer["workers"].as_u64().unwrap_or_default() {
        1 => "1 worker is replaced as soon as its successor has booted\n".to_owned(),
        count => format!("{count} workers are replaced, each as soon as its successor has booted\n"),
    })
}

/// `supercharger reload`.
pub(super) fn reload(arguments: Reload) -> Result<(), Error> {
    let server = arguments.at.server()?;
    // The server has its bounds: each pool's boot_timeout.
    let Answer { status, body } = client::ask(&server, &Method::POST, "/reload?wait=true", None)?;
    match (status, body["error"].as_str()) {
        (StatusCode::OK, _) => {
            let took = body["took_ms"].as_u64().unwrap_or_default();
            super::print(&format!("generation {} serves, after {took} ms\n", body["generation"]))
        }
        (_, Some(error)) => Err(Error::Control(format!(
            "the new generation did not come up; generation {} goes on serving\n{error}",
            body["generation"]
        ))),
        _ => expected(Answer { status, body }, StatusCode::OK).map(drop),
    }
}

/// `supercharger drain`.
pub(super) fn drain(arguments: Drain) -> Result<(), Error> {
    let server = arguments.at.server()?;
    let answer = expected(client::ask(&server, &Method::POST, "/drain", Some(PATIENCE))?, StatusCode::ACCEPTED)?;
    super::print(&format!("{}\n", answer["message"].as_str().unwrap_or("the server drains")))
}

pub(super) fn expected(answer: Answer, status: StatusCode) -> Result<Value, Error> {
    if answer.status == status {
        return Ok(answer.body);
    }
    let message = answer.body["error"]["message"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned);
    Err(Error::Control(message))
}
