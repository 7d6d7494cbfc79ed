//! `supercharger maintenance`: clients are told to come back later.

#![forbid(unsafe_code)]

use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client;
use super::control::{PATIENCE, Where, expected};
use super::exit::Error;

/// Tell clients of a running server to come back later, or serve them again.
///
/// While it is on, every request is answered 503 with Retry-After; requests that are running finish, health and the admin endpoints go on. It
/// outlasts a reload and the replacement of child processes, but not a restart.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        supercharger maintenance on --message 'Back at nine.' --retry-after 600\n  \
        supercharger maintenance on --allow 10.0.0.0/8 --allow 192.0.2.7\n      \
            these see the application as ever\n  \
        supercharger maintenance off\n\n\
        Exit codes: 0 success, 1 no server answers or it refuses, 2 wrong usage, 78 configuration error.")]
pub(super) struct Maintenance {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Tell clients to come back later; said again, it changes what they are told
    On {
        #[command(flatten)]
        at: Where,
        /// What clients read [default: a sentence in English]
        #[arg(long, value_name = "TEXT")]
        message: Option<String>,
        /// When they may come back [default: 60]
        #[arg(long, value_name = "SECONDS")]
        retry_after: Option<u32>,
        /// Address or range of addresses that is served all the same, may be given several times
        #[arg(long, value_name = "ADDRESS")]
        allow: Vec<String>,
    },
    /// Serve them again
    Off {
        #[command(flatten)]
        at: Where,
    },
    /// Say how it is
    Status {
        #[command(flatten)]
        at: Where,
    },
}

/// Does it, and says how it is then.
pub(super) fn run(arguments: Maintenance) -> Result<(), Error> {
    let (at, method, target) = match arguments.order {
        Order::On { at, message, retry_after, allow } => {
            let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let message = message.map(|message| format!("message={}", encoded(&message)));
            let retry_after = retry_after.map(|seconds| format!("retry_after={seconds}"));
            let allow = (!allow.is_empty()).then(|| format!("allow={}", encoded(&allow.join(","))));
            let query: Vec<_> = message.into_iter().chain(retry_after).chain(allow).collect();
            (at, Method::POST, format!("/maintenance/on?{}", query.join("&")))
        }
        Order::Off { at } => (at, Method::POST, "/maintenance/off".to_owned()),
        Order::Status { at } => (at, Method::GET, "/maintenance".to_owned()),
    };
    let answer = client::ask(&at.server()?, &method, &target, Some(PATIENCE))?;
    super::print(&told(&expected(answer, StatusCode::OK)?))
}

fn told(state: &Value) -> String {
    if state["on"] != true {
        return "maintenance is off: clients are served\n".to_owned();
    }
    let allow: Vec<_> = state["allow"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let but = if allow.is_empty() { String::new() } else { format!(", but for {}", allow.join(", ")) };
    format!(
        "maintenance is on for {} s: clients get 503, Retry-After: {}{but}\n{}\n",
        state["since_seconds"],
        state["retry_after_seconds"],
        state["message"].as_str().unwrap_or_default(),
    )
}
