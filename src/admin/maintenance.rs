//! Maintenance: clients are told to come back later, while health and the endpoints go on.

#![forbid(unsafe_code)]

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::Server;
use super::guard::{AddressRange, Allowed};
use super::routes::{Desk, json, refused};
use super::view;
use crate::control::Maintenance;

/// What clients are told if the operator says nothing.
const MESSAGE: &str = "This site is down for maintenance. Please come back soon.";
/// Longest message, in bytes: a sentence or two.
const LONGEST: usize = 1000;
/// When clients may come back if the operator says nothing, in seconds.
const RETRY_AFTER: u32 = 60;
/// The latest; a day.
const LATEST: u32 = 86_400;
/// Most addresses that are served all the same: each request looks through them.
const MOST: usize = 64;

/// What can be said about it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wish {
    message: Option<String>,
    /// Seconds.
    retry_after: Option<u32>,
    /// Addresses and ranges, separated by commas.
    allow: Option<String>,
}

impl Wish {
    fn checked(self) -> Result<Maintenance, String> {
        let message = self.message.unwrap_or_default();
        if message.len() > LONGEST {
            return Err(format!("message: {} bytes, and at most {LONGEST} are allowed", message.len()));
        }
        if let Some(control) = message.chars().find(|letter| letter.is_control()) {
            return Err(format!(
                "message: a control character ({}); it is one line of plain text",
                control.escape_default()
            ));
        }
        let message = if message.trim().is_empty() { MESSAGE.to_owned() } else { message };
        let retry_after_seconds = self.retry_after.unwrap_or(RETRY_AFTER);
        if !(1..=LATEST).contains(&retry_after_seconds) {
            return Err(format!("retry_after: seconds from 1 to {LATEST}"));
        }
        let named = self.allow.unwrap_or_default();
        let named: Vec<_> = named.split(',').map(str::trim).filter(|range| !range.is_empty()).collect();
        if named.len() > MOST {
            return Err(format!("allow: at most {MOST} addresses"));
        }
        let one = |range: &&str| match range.parse::<AddressRange>() {
            Ok(range) => Ok(range.to_string()),
            Err(error) => Err(format!("allow: {range:?} is {error}")),
        };
        let allow = named.iter().map(one).collect::<Result<_, _>>()?;
        Ok(Maintenance { message, retry_after_seconds, allow })
    }
}

/// Tells clients to come back later.
pub(super) async fn on<S: Server>(
    allowed: Allowed,
    State(desk): State<Arc<Desk<S>>>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Response {
    let wish = match wish {
        Ok(Query(wish)) => wish.checked(),
        Err(error) => Err(error.body_text()),
    };
    match wish {
        Ok(maintenance) => {
            desk.server.maintain(Some(maintenance)).await;
            shown(allowed, State(desk)).await
        }
        Err(message) => refused(StatusCode::BAD_REQUEST, "bad_request", &message),
    }
}

/// Serves them again.
pub(super) async fn off<S: Server>(allowed: Allowed, State(desk): State<Arc<Desk<S>>>) -> Response {
    desk.server.maintain(None).await;
    shown(allowed, State(desk)).await
}

/// How it is.
pub(super) async fn shown<S: Server>(_: Allowed, State(desk): State<Arc<Desk<S>>>) -> Response {
    let (view, _) = desk.view().await;
    json(StatusCode::OK, &view::maintenance(&view))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(message: &str, retry_after: u32, allow: &str) -> Result<Maintenance, String> {
        let text = |text: &str| Some(text.to_owned());
        Wish { message: text(message), retry_after: Some(retry_after), allow: text(allow) }.checked()
    }

    #[test]
    fn what_is_said_is_checked() {
        let usual = Wish::default().checked().expect("nothing need be said");
        assert_eq!((usual.message.as_str(), usual.retry_after_seconds, usual.allow.len()), (MESSAGE, RETRY_AFTER, 0));
        let said = wish("Back at nine.", 600, "10.1.2.3/8, ::ffff:192.0.2.1").expect("fine");
        assert_eq!(said.message, "Back at nine.");
        assert_eq!(said.allow, ["10.0.0.0/8", "192.0.2.1/32"]);
        for (message, after, allow, told) in [
            ("a\nb", 1, "", "message: a control character (\\n)"),
            ("\n", 1, "", "message: a control character"),
            ("a\x1b[31m", 1, "", "message: a control character (\\u{1b})"),
            (&"x".repeat(LONGEST + 1), 1, "", "message: 1001 bytes, and at most 1000"),
            ("", 0, "", "retry_after"),
            ("", LATEST + 1, "", "retry_after"),
            ("", 1, "10.0.0.0/abc", "10.0.0.0/abc"),
            ("", 1, &"10.0.0.1,".repeat(MOST + 1), "at most"),
        ] {
            let fault = wish(message, after, allow).expect_err("a fault");
            assert!(fault.contains(told), "{fault}");
        }
    }
}
