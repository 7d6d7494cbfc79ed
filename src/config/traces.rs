//! What is said of distributed traces.

#![forbid(unsafe_code)]

use ::http::Uri;
use ::http::header::{HeaderName, HeaderValue};

use super::Traces;
use super::check::Check;
use super::fault::Origin;
use super::raw::Value;
use crate::http::Inbound;
use crate::telemetry::spans::{self, Headers, Protocol};

const ENDPOINT: &str = "otlp.endpoint";
const OFF: &str = "off";

/// Where a collector takes traces over HTTP (OTLP specification, section OTLP/HTTP Request).
pub(super) const HTTP_PATH: &str = "/v1/traces";

/// Reads the section; `None` if nothing is traced.
pub(super) fn traces(check: &mut Check) -> Option<Traces> {
    let protocol = match check.text_of("otlp.protocol").as_str() {
        "grpc" => Protocol::Grpc,
        _ => Protocol::Http,
    };
    let given = check.read(ENDPOINT, |value| match value {
        Value::Text(text) if text == OFF || address(text, protocol).is_some() => Ok(text.clone()),
        // What stands behind such a sign may be a secret, whatever it is called.
        Value::Text(text) => match text.split_once(['?', '#']) {
            Some((shown, _)) => Err(format!("\"{shown}\" with a query or a fragment is no address of a collector")),
            None => Err(format!("{text:?} is no address of a collector")),
        },
        other => Err(format!("{} is no address of a collector", other.told())),
    });
    let endpoint = address(&given, protocol);
    let sample = check.share("otlp.sample");
    let parent_based = check.truth("otlp.parent_based");
    let inbound = match check.text_of("otlp.inbound").as_str() {
        "trusted" => Inbound::Trusted,
        "none" => Inbound::None,
        _ => Inbound::Any,
    };
    let service_name = check.text("otlp.service_name", |text| !text.trim().is_empty());
    let timeout = check.duration("otlp.timeout");
    let respond = check.truth("otlp.traceresponse");
    let headers = Headers(check.map("otlp.headers", header));
    let attributes = check.map("otlp.attributes", attribute);
    contradictions(check, inbound);
    let endpoint = endpoint?;
    let tracer = spans::Config { endpoint, protocol, headers, timeout, service_name, attributes, sample, parent_based };
    Some(Traces { tracer, inbound, respond })
}

/// The collector's address in full; `None` if it is none.
fn address(text: &str, protocol: Protocol) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    // A password in an address gets into logs; header fields are for that.
    // Neither does what looks like a port and is the beginning of one.
    let has_port = authority.as_str() == authority.host() || authority.port_u16().is_some();
    let is_plain =
        has_port && !authority.as_str().contains('@') && !authority.host().is_empty() && uri.query().is_none();
    if !is_web || !is_plain || text.contains('#') {
        return None;
    }
    let root = uri.path().is_empty() || uri.path() == "/";
    let base = text.trim_end_matches('/');
    match protocol {
        Protocol::Http if root => Some(format!("{base}{HTTP_PATH}")),
        Protocol::Http => Some(text.to_owned()),
        Protocol::Grpc => root.then(|| base.to_owned()),
    }
}

fn header(name: &str, value: &Value, _: &str) -> Result<String, String> {
    let is_ours = ["content-type", "content-length", "content-encoding", "host", "connection", "transfer-encoding"]
        .contains(&name.to_ascii_lowercase().as_str());
    match value {
        _ if HeaderName::try_from(name).is_err() || name.starts_with(':') => {
            Err(format!("{name:?} cannot be the name of a header field"))
        }
        _ if is_ours || name.to_ascii_lowercase().starts_with("grpc-") => {
            Err(format!("{name:?} is set by the protocol"))
        }
        // A binary field of gRPC, which has another form.
        _ if name.ends_with("-bin") => Err(format!("{name:?} is the name of a binary field")),
        Value::Text(text) if HeaderValue::try_from(text).is_ok_and(|value| value.to_str().is_ok()) => Ok(text.clone()),
        _ => Err("its value is no value of a header field".to_owned()),
    }
}

fn attribute(name: &str, value: &Value, told: &str) -> Result<String, String> {
    match value {
        _ if name.is_empty() || name.contains(|sign: char| sign.is_control() || sign.is_whitespace()) => {
            Err(format!("{name:?} cannot be the name of an attribute"))
        }
        _ if name == "service.name" => Err("`otlp.service_name` says that".to_owned()),
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(truth.to_string()),
        _ => Err(format!("{told} is no text")),
    }
}

fn contradictions(check: &mut Check, inbound: Inbound) {
    // Who writes "off" wants to switch off what else is said.
    if !check.is_set(ENDPOINT) {
        let without_effect: Vec<_> = check
            .settings
            .keys
            .iter()
            .filter(|(name, setting)| {
                name.starts_with("otlp.") && !matches!(setting.origin, Origin::Default | Origin::Alias(_))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in without_effect {
            check.fault(&name, "has no effect without otlp.endpoint", "remove it, or say where the collector is");
        }
    }
    if inbound == Inbound::None && check.is_set("otlp.parent_based") {
        check.fault("otlp.parent_based", "has no effect while otlp.inbound is \"none\"", "remove one of them");
    }
    if inbound == Inbound::Trusted && !check.is_set("server.trusted_proxies") {
        check.fault(
            "otlp.inbound",
            "trusts nobody: server.trusted_proxies is empty",
            "name the proxies there, or write \"none\"",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let cases = [
            ("http://127.0.0.1:4318", Protocol::Http, Some("http://127.0.0.1:4318/v1/traces")),
            ("http://collector/", Protocol::Http, Some("http://collector/v1/traces")),
            ("https://otlp.example/x/v1/traces", Protocol::Http, Some("https://otlp.example/x/v1/traces")),
            ("http://[::1]:4317", Protocol::Grpc, Some("http://[::1]:4317")),
            ("https://otlp.example:443/", Protocol::Grpc, Some("https://otlp.example:443")),
            ("http://collector:4317/x", Protocol::Grpc, None),
            ("http://user:secret@collector", Protocol::Http, None),
            ("http://user:se/cret@collector", Protocol::Http, None),
            ("http://collector/?key=x", Protocol::Http, None),
            ("http://collector/#x", Protocol::Http, None),
            ("collector:4318", Protocol::Http, None),
            ("/v1/traces", Protocol::Http, None),
            ("ftp://collector", Protocol::Http, None),
            ("http://", Protocol::Http, None),
            ("on", Protocol::Http, None),
            ("", Protocol::Http, None),
        ];
        for (text, protocol, expected) in cases {
            assert_eq!(address(text, protocol).as_deref(), expected, "{text}");
        }
    }
}
