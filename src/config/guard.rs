//! Who may ask the endpoints: nothing here is guessed. What cannot be obeyed to the letter stops the start.

#![forbid(unsafe_code)]

use ::http::HeaderName;

use super::alias::Notice;
use super::check::Check;
use super::fault::Origin;
use super::{Config, keys};
use crate::admin::{Mode, Rules, Token};

/// The key of the token.
pub(super) const TOKEN: &str = "guard.token";

/// Variables that hold the token. They are nothing to the processes that run PHP: `phpinfo()` would show them.
pub(super) const TOKEN_VARIABLES: [&str; 2] = ["SUPERCHARGER__GUARD__TOKEN", "RUNTIME_ENDPOINT_TOKEN"];

/// Fields that mean something else.
const TAKEN: [&str; 18] = [
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-supercharger",
];

/// What fields begin with that mean something else.
const TAKEN_KINDS: [&str; 6] = ["accept", "content-", "if-", "proxy-", "sec-", "x-forwarded-"];

fn is_free(name: &HeaderName) -> bool {
    !TAKEN.contains(&name.as_str()) && !TAKEN_KINDS.iter().any(|kind| name.as_str().starts_with(kind))
}

/// The token, if there is one. An empty one is none.
pub(super) fn token(check: &mut Check) -> Option<Token> {
    check.parsed_if_set(TOKEN)
}

/// What the guard goes by. `has_listeners`: there is an address where it may be asked.
pub(super) fn rules(check: &mut Check, has_listeners: bool) -> Rules {
    let faults = check.faults.len();
    let enabled = check.truth("guard.enabled");
    let mode = check.word("guard.mode");
    let token = token(check);
    let is_wrong = check.faults.len() > faults;
    let fits = |name: &str| HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| is_free(&name));
    let header = check.text("guard.header", fits);
    if enabled && mode == Mode::RequireToken && token.is_none() && !is_wrong && !check.is_child {
        let remedy = format!("{} asks for one; allowed: {}", check.told("guard.mode"), keys::allowed(TOKEN));
        match check.settings.keys.contains_key(TOKEN) {
            true => check.fault(TOKEN, "is empty", remedy),
            false => check.fault(TOKEN, "is missing", remedy),
        }
    }
    let rules = Rules {
        enabled,
        mode,
        allow: check.list("guard.allow"),
        token,
        // The default is a name, and what is none is a fault.
        header: HeaderName::from_bytes(header.as_bytes()).unwrap_or(HeaderName::from_static("x-runtime-token")),
        proxy_strict: check.truth("guard.proxy_strict"),
        hosts: check.list("guard.hosts"),
    };
    // Children have no token.
    if check.faults.len() == faults && !check.is_child {
        without_effect(check, &rules, has_listeners);
    }
    rules
}

/// Who writes down a key that nobody heeds believes in a lock that is not there. Variables of another program's count for nothing here: they
/// are there for several.
fn without_effect(check: &mut Check, rules: &Rules, has_listeners: bool) {
    const ALL: [&str; 7] =
        ["guard.enabled", "guard.mode", "guard.allow", TOKEN, "guard.header", "guard.proxy_strict", "guard.hosts"];
    let (keys, why): (&[&'static str], String) = match rules.mode {
        _ if !has_listeners => (&ALL, "admin.listen is \"off\" and endpoints.on_main is false".to_owned()),
        // The other two hold for pages in browsers of this machine.
        _ if !rules.enabled => {
            (&["guard.mode", "guard.allow", TOKEN, "guard.header"], check.told("guard.enabled") + " is false")
        }
        Mode::AllowlistOnly => (&[TOKEN, "guard.header"], check.told("guard.mode") + " asks for no token"),
        Mode::RequireToken => (&["guard.allow", "guard.hosts"], check.told("guard.mode") + " asks for the token alone"),
        Mode::AllowlistOrToken if rules.token.is_none() => (&["guard.header"], "there is no guard.token".to_owned()),
        Mode::AllowlistOrToken => (&[], String::new()),
    };
    let is_alias =
        |key: &str| check.settings.keys.get(key).is_some_and(|setting| matches!(setting.origin, Origin::Alias(_)));
    let keys: Vec<_> = keys.iter().copied().filter(|key| !is_alias(key)).collect();
    check.without_effect(keys, &format!("has no effect: {why}"), "remove one of them");
}

/// What is not wrong and may still open the endpoints to others than was meant.
pub(super) fn warnings(config: &Config) -> Vec<Notice> {
    let rules = &config.admin.guard;
    let mut notices = Vec::new();
    let mut warn = |subject: &str, message: String| {
        notices.push(Notice { subject: subject.to_owned(), message, unheeded: true });
    };
    let main = config.http.listen.iter().filter(|_| config.endpoints_on_main);
    // Behind the server's own address there may be a proxy that passes the world on.
    let open = main.chain(config.admin.listen.iter().filter(|listen| !listen.is_local())).next();
    if let Some(listen) = open.filter(|_| !rules.enabled) {
        let message =
            format!("guard.enabled is false: whoever reaches {listen} may see everything and stop this server");
        warn("guard.enabled", message);
    }
    if config.http.trusted_proxies.iter().any(|proxy| proxy.is_whoever_connects()) {
        let message = "server.trusted_proxies has REMOTE_ADDR: whoever connects may claim to be any client, so only proxies must reach this \
                       server; at its endpoints nobody passes by such a claim, but by a token";
        warn("server.trusted_proxies", message.to_owned());
    }
    if rules.enabled && rules.mode != Mode::RequireToken {
        for range in rules.allow.iter().filter(|range| range.is_everybody()) {
            let message = format!(
                "guard.allow has {range}: whoever reaches the endpoints may see everything and stop this server"
            );
            warn("guard.allow", message);
        }
    }
    notices
}
