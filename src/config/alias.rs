//! Variables that were written for other programs and mean the same as a key of ours, so that who comes from there need not start anew.
//!
//! They stand below everything that was written for this server: they count only for a key that neither file nor variable nor
//! flag sets. And they never stop a start, because whoever set them may not have meant us: what cannot be obeyed is
//! told as a warning. Only the guard and the event feed are no matter for a guess: a wish about them that cannot be obeyed stops the start.

#![forbid(unsafe_code)]

mod otel;

use super::environment::{self, Variables, variable_of};
use super::fault::{Fault, Origin};
use super::keys;
use super::kind::Kind;
use super::raw::{Setting, Settings, Value};
use super::secret;

/// Something that is not wrong but should be known: told once, at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The variable or file it is about.
    pub subject: String,
    /// A sentence.
    pub message: String,
    /// Whether somebody's wish is not fulfilled.
    pub unheeded: bool,
}

/// Variable and key. A key that this version does not have yet makes the variable one that is not obeyed.
const ALIASES: [(&str, &str); 20] = [
    ("RUNTIME_ENDPOINT_SECURITY_ENABLED", "guard.enabled"),
    ("RUNTIME_ENDPOINT_SECURITY_MODE", "guard.mode"),
    ("RUNTIME_ENDPOINT_ALLOW_CIDR", "guard.allow"),
    ("RUNTIME_ENDPOINT_TOKEN", "guard.token"),
    ("RUNTIME_ENDPOINT_TOKEN_HEADER", "guard.header"),
    ("RUNTIME_ENDPOINT_PROXY_STRICT", "guard.proxy_strict"),
    ("NARYA_WORKERS", "pools.default.workers"),
    ("NARYA_LOG_LEVEL", "log.level"),
    ("MAX_REQUEST_SIZE", "server.max_body_size"),
    ("TRUSTED_PROXIES", "server.trusted_proxies"),
    ("SYMFONY_TRUSTED_PROXIES", "server.trusted_proxies"),
    ("RUNTIME_WORKER_MAX_REQUEST", "pools.default.recycle.max_requests"),
    ("RUNTIME_SUPERCHARGER_MAX_REQUEST", "pools.default.recycle.max_requests"),
    ("RUNTIME_SUPERCHARGER_FEED_PATH", "telemetry.events"),
    ("RUNTIME_SUPERCHARGER_FEED_MAX_BYTES", "telemetry.events_max_size"),
    ("RUNTIME_SUPERCHARGER_FEED_MAX_KEEP", "telemetry.events_keep"),
    ("MAX_REQUESTS", "pools.default.recycle.max_requests"),
    ("MAX_CONSECUTIVE_FAILURES", "pools.default.recycle.max_consecutive_failures"),
    ("RUNTIME_TELEMETRY_DIR", "telemetry.dir"),
    ("RUNTIME_TELEMETRY_FLUSH_INTERVAL", "telemetry.flush_interval"),
];

/// Variables of these names are for an application server alone, so one that is not obeyed is worth a line.
const PREFIXES: [&str; 5] =
    ["NARYA_", "RUNTIME_WORKER_", "RUNTIME_SUPERCHARGER_", "RUNTIME_ENDPOINT_", "RUNTIME_TELEMETRY_"];

/// Keys about which nothing is pardoned: the endpoints would be open to others than was meant.
const GUARD: &str = "guard.";

/// Variables of these names are for servers of this kind alone; what reads the feed would wait for what never comes.
const FEED: &str = "RUNTIME_SUPERCHARGER_FEED_";

/// `NARYA_HOST` and `NARYA_PORT` make one address.
const HOST: &str = "NARYA_HOST";
const PORT: &str = "NARYA_PORT";

/// Takes what nothing else sets; returns what is to be known.
pub(super) fn take(settings: &mut Settings, variables: &Variables) -> Vec<Notice> {
    let mut given: Vec<(&str, &str)> = variables
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    given.sort_unstable();
    let of = |wanted: &str| given.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let mut notices = Vec::new();
    for (variable, text) in &given {
        let known = ALIASES.iter().find(|(alias, _)| alias == variable);
        match known.map(|(_, key)| (keys::find(key), *key)) {
            Some((Some(key), _)) => {
                let value = match key.kind {
                    Kind::Truth => Value::Boolean(truth(text)),
                    _ => environment::read(&key.kind, text.trim()),
                };
                notices.push(set(settings, variable, key.name, value));
            }
            Some((None, key)) => notices.push(unheeded(variable, format!("{key} is not there yet in this version"))),
            // The host's turn brings the port with it.
            None if *variable == PORT && of(HOST).is_some() => {}
            None if [HOST, PORT].contains(variable) => {
                let default = address(settings);
                let (host, port) = default.rsplit_once(':').unwrap_or(("127.0.0.1", "8080"));
                let host = of(HOST).unwrap_or(host);
                let host =
                    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
                let listen = format!("{host}:{}", of(PORT).unwrap_or(port));
                notices.push(set(settings, variable, "server.listen", Value::List(vec![Value::Text(listen)])));
            }
            None if PREFIXES.iter().any(|prefix| variable.starts_with(prefix)) => {
                notices.push(unheeded(variable, "this version has nothing that would obey it".to_owned()));
            }
            None => {}
        }
    }
    notices.extend(otel::take(settings, &given));
    notices
}

/// A truth as those programs read it: what is no word for false means true, so that a misspelt switch leaves the guard on.
fn truth(text: &str) -> bool {
    !["0", "false", "no", "off"].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// The first address that holds when nobody says anything.
fn address(settings: &Settings) -> String {
    match settings.keys.get("server.listen").map(|setting| &setting.value) {
        Some(Value::List(items)) => match items.first() {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

fn set(settings: &mut Settings, variable: &str, key: &str, value: Value) -> Notice {
    match settings.keys.get(key).map(|setting| &setting.origin) {
        None | Some(Origin::Default) => {
            let origin = Origin::Alias(variable.to_owned());
            settings.keys.insert(key.to_owned(), Setting { value, origin });
            let message = format!("{variable} sets {key}; the variable's name here is {}", variable_of(key));
            Notice { subject: variable.to_owned(), message, unheeded: false }
        }
        Some(origin) => {
            let message = format!("{variable} is not used: {key} is set by {origin}");
            Notice { subject: variable.to_owned(), message, unheeded: false }
        }
    }
}

fn unheeded(variable: &str, why: String) -> Notice {
    Notice { subject: variable.to_owned(), message: format!("{variable} has no effect: {why}"), unheeded: true }
}

/// Takes the faults out that such a variable brought: the key keeps its default, and a warning says so.
pub(super) fn pardon(faults: Vec<Fault>, notices: &mut Vec<Notice>) -> Vec<Fault> {
    let mut left = Vec::new();
    for fault in faults {
        match &fault.origin {
            Origin::Alias(variable) if !fault.key.starts_with(GUARD) && !is_of_the_feed(variable, &fault) => {
                notices.retain(|notice| notice.subject != *variable);
                let problem = secret::without_passwords(&fault.problem);
                let why = format!("as {} {problem}; {}", fault.key, fault.remedy);
                notices.push(unheeded(variable, why));
            }
            Origin::Alias(_) | Origin::Default | Origin::File { .. } | Origin::Environment(_) | Origin::Flag(_) => {
                left.push(fault)
            }
        }
    }
    left
}

/// A wish about the feed that cannot be obeyed. Not that there is none: other programs have one by default.
fn is_of_the_feed(variable: &str, fault: &Fault) -> bool {
    variable.starts_with(FEED) && !fault.problem.starts_with("has no effect")
}

/// A variable with one underscore where two belong, told because it looks like one of ours and is none.
pub(super) fn nearly(variables: &Variables) -> Vec<Notice> {
    let mut notices = Vec::new();
    for (name, _) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("SUPERCHARGER_")) else { continue };
        if name.starts_with("SUPERCHARGER__") {
            continue;
        }
        let meant =
            keys::KEYS.iter().map(|key| variable_of(key.name)).find(|variable| variable.replace("__", "_") == name);
        if let Some(variable) = meant {
            notices.push(unheeded(name, format!("two underscores stand for each dot: {variable}")));
        }
    }
    notices.sort_by(|one, other| one.subject.cmp(&other.subject));
    notices
}
