//! Liveness, readiness, startup.
//!
//! The word and the status are for everybody: load balancers have no secrets. More is told to those whom the guard lets pass. What the
//! application itself depends on (a database, a cache) is a matter of [`ready`] alone: a restart would not bring it back.

#![forbid(unsafe_code)]

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::Server;
use super::checks;
use super::guard::{Allowed, Denied};
use super::routes::{Desk, json as answer};
use super::view::{self, View};

/// Whether the process lives. For everybody, whatever else is the matter.
pub(super) async fn alive() -> Response {
    answer(StatusCode::OK, &json!({ "status": "ok" }))
}

/// Whether requests are served, and what the application requires is there.
pub(super) async fn ready<S: Server>(allowed: Result<Allowed, Denied>, State(desk): State<Arc<Desk<S>>>) -> Response {
    let (view, _) = desk.view().await;
    let ready = view.ready();
    let (status, word) = match ready {
        Ok(()) => (StatusCode::OK, "ready"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    let mut body = json!({ "status": word });
    if allowed.is_ok() {
        body["reason"] = json!(ready.err());
        body["checks"] = json!(checks::of(&view));
        detail(&mut body, &view);
    }
    answer(status, &body)
}

/// Whether the first workers have come to serve. That does not change any more: later trouble is a matter of readiness.
pub(super) async fn started<S: Server>(allowed: Result<Allowed, Denied>, State(desk): State<Arc<Desk<S>>>) -> Response {
    let (view, _) = desk.view().await;
    let (status, word) = match view.started {
        true => (StatusCode::OK, "started"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
    };
    let mut body = json!({ "status": word });
    if allowed.is_ok() {
        detail(&mut body, &view);
    }
    answer(status, &body)
}

fn detail(body: &mut Value, view: &View) {
    body["stage"] = json!(view.stage);
    body["maintenance"] = view.maintenance.is_some().into();
    body["pools"] = view::pools_ready(view).into();
}
