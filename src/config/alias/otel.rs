//! Variables of OpenTelemetry and of other servers that say where traces go.
//!
//! An application reads the same ones for what it reports itself, so alone most of them mean nothing here: they count once something says
//! where the collector is, be it one of them.

#![forbid(unsafe_code)]

use percent_encoding::percent_decode_str;

use super::{Notice, set, unheeded};
use crate::config::environment::{self, variable_of};
use crate::config::fault::Origin;
use crate::config::keys;
use crate::config::raw::{Setting, Settings, Value};
use crate::config::traces::HTTP_PATH;

const ENDPOINT: &str = "otlp.endpoint";
const PROTOCOL: &str = "otlp.protocol";

/// Where the collector is: the variables in the order of their weight.
const ENDPOINTS: [&str; 3] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "TRACING_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const NAMES: [&str; 2] = ["OTEL_SERVICE_NAME", "TRACING_SERVICE_NAME"];

/// Variables that a whole program goes by, by name.
struct Given<'a>(&'a [(&'a str, &'a str)]);

impl<'a> Given<'a> {
    fn of(&self, wanted: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
    }

    /// The weightiest of them that is set.
    fn first(&self, wanted: &[&'static str]) -> Option<(&'static str, &'a str)> {
        wanted.iter().find_map(|name| Some((*name, self.of(name)?)))
    }

    /// Which of them says that nothing is to be reported.
    fn denial(&self) -> Option<&'static str> {
        let denials = [
            ("OTEL_SDK_DISABLED", &["true"][..]),
            ("OTEL_TRACES_EXPORTER", &["none"]),
            ("TRACING_ENABLED", &["false", "0"]),
            ("TRACING_DRIVER", &["noop"]),
        ];
        let denies = |name, words: &[&str]| {
            self.of(name).is_some_and(|value| words.iter().any(|word| value.eq_ignore_ascii_case(word)))
        };
        denials.iter().find(|(name, words)| denies(name, words)).map(|(name, _)| *name)
    }
}

/// Takes what nothing else sets; returns what is to be known.
pub(super) fn take(settings: &mut Settings, given: &[(&str, &str)]) -> Vec<Notice> {
    let given = Given(given);
    let mut notices = Vec::new();
    let endpoint = given.first(&ENDPOINTS);
    if let Some(denial) = given.denial() {
        if let Some((variable, _)) = endpoint {
            notices.push(unheeded(variable, format!("{denial} says that nothing is to be traced")));
        }
        return notices;
    }
    if let Some(driver @ ("datadog" | "newrelic")) = given.of("TRACING_DRIVER") {
        let why = format!("{driver} is spoken to by OTLP, which both understand; {ENDPOINT} says where");
        notices.push(unheeded("TRACING_DRIVER", why));
    }
    if endpoint.is_none() && !settings.is_set(ENDPOINT) {
        if given.of("TRACING_ENABLED").is_some() {
            notices.push(unheeded("TRACING_ENABLED", format!("{ENDPOINT} does not say where the collector is")));
        }
        return notices;
    }
    let mut plain = |settings: &mut Settings, found: Option<(&str, &str)>, key: &'static str| {
        let Some((variable, text)) = found else { return };
        let Some(known) = keys::find(key) else { return };
        notices.push(set(settings, variable, key, environment::read(&known.kind, text)));
    };
    plain(settings, given.first(&PROTOCOLS), PROTOCOL);
    let address = endpoint.map(|(variable, text)| (variable, for_traces(settings, variable, text)));
    plain(settings, address.as_ref().map(|(variable, text)| (*variable, text.as_str())), ENDPOINT);
    plain(settings, given.first(&NAMES), "otlp.service_name");
    let timeout = given.first(&TIMEOUTS).map(|(variable, millis)| (variable, format!("{millis}ms")));
    plain(settings, timeout.as_ref().map(|(variable, text)| (*variable, text.as_str())), "otlp.timeout");
    sampler(settings, &given, &mut notices);
    tables(settings, &given, &mut notices);
    notices
}

/// The general address is the root of those of all signals; the one of traces is taken as it is (OpenTelemetry specification, OTLP
/// exporter, section Endpoint URLs for OTLP/HTTP).
fn for_traces(settings: &Settings, variable: &str, text: &str) -> String {
    let grpc = settings.keys.get(PROTOCOL).is_some_and(|setting| setting.value == Value::Text("grpc".to_owned()));
    if grpc || variable != "OTEL_EXPORTER_OTLP_ENDPOINT" {
        return text.to_owned();
    }
    format!("{}{HTTP_PATH}", text.trim_end_matches('/'))
}

/// `OTEL_TRACES_SAMPLER` and its argument.
fn sampler(settings: &mut Settings, given: &Given<'_>, notices: &mut Vec<Notice>) {
    const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    let Some(sampler) = given.of(SAMPLER) else { return };
    let (parent_based, kind) = match sampler.strip_prefix("parentbased_") {
        Some(kind) => (true, kind),
        None => (false, sampler),
    };
    let ratio = match kind {
        "always_on" => Some((SAMPLER, Value::Float(1.0))),
        "always_off" => Some((SAMPLER, Value::Float(0.0))),
        "traceidratio" => given
            .of(ARGUMENT)
            .map(|text| (ARGUMENT, text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Float))),
        other => {
            notices.push(unheeded(SAMPLER, format!("{other:?} is no sampler that is known here")));
            return;
        }
    };
    notices.push(set(settings, SAMPLER, "otlp.parent_based", Value::Boolean(parent_based)));
    if let Some((variable, ratio)) = ratio {
        notices.push(set(settings, variable, "otlp.sample", ratio));
    }
}

/// Lists of names and values, which become entries of tables.
fn tables(settings: &mut Settings, given: &Given<'_>, notices: &mut Vec<Notice>) {
    if let Some((variable, text)) = given.first(&HEADERS) {
        notices.push(entries(settings, variable, "otlp.headers", text));
    }
    if let Some(text) = given.of("OTEL_RESOURCE_ATTRIBUTES") {
        notices.push(entries(settings, "OTEL_RESOURCE_ATTRIBUTES", "otlp.attributes", text));
    }
    if let Some(version) = given.of("TRACING_SERVICE_VERSION") {
        add(settings, "TRACING_SERVICE_VERSION", "otlp.attributes", "service.version", version);
    }
}

/// `name=value,name=value`, each value percent-encoded (W3C Baggage). No value is repeated in a message: it may be a secret.
fn entries(settings: &mut Settings, variable: &str, table: &'static str, text: &str) -> Notice {
    let mut pairs = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let decoded = pair.split_once('=').and_then(|(name, value)| {
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?.into_owned();
            Some((name.trim().to_owned(), value))
        });
        match decoded {
            Some((name, value)) if !name.is_empty() => pairs.push((name, value)),
            _ => return unheeded(variable, "it is no list of the form name=value,name=value".to_owned()),
        }
    }
    for (name, value) in pairs {
        if name == "service.name" {
            let key = "otlp.service_name";
            // The variable for the name alone weighs more, and has been read.
            if !settings.is_set(key) {
                let setting = Setting { value: Value::Text(value), origin: Origin::Alias(variable.to_owned()) };
                settings.keys.insert(key.to_owned(), setting);
            }
        } else {
            add(settings, variable, table, &name, &value);
        }
    }
    let message = format!("{variable} adds to {table}; variables here are {}__NAME", variable_of(table));
    Notice { subject: variable.to_owned(), message, unheeded: false }
}

fn add(settings: &mut Settings, variable: &str, table: &str, name: &str, value: &str) {
    let setting = Setting { value: Value::Text(value.to_owned()), origin: Origin::Alias(variable.to_owned()) };
    settings.maps.entry((table.to_owned(), name.to_owned())).or_insert(setting);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use crate::config::{Command, Flags, Given, Place, Traces, load_in};
    use crate::telemetry::spans::Protocol;

    /// What comes of a file's text and variables: the traces, what is to be known, and what `check --effective` shows.
    fn read(text: &str, variables: &[(&str, &str)]) -> (Option<Traces>, Vec<(String, bool)>, String) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("public")).expect("a folder");
        let given = Some(Given { file: Some((PathBuf::from("s.toml"), text.to_owned())), variables: Vec::new() });
        let flags = Flags { command: Command::PhpServer, given, ..Flags::default() };
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let place = Place { folder: folder.path().to_owned(), variables: &variables, searched: &[] };
        let (config, check) = load_in(&flags, &place).expect("valid");
        let notices = config.source.notices.into_iter().map(|notice| (notice.subject, notice.unheeded)).collect();
        (config.traces, notices, crate::config::effective::told(&check))
    }

    #[test]
    fn where_the_collector_is() {
        const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let off = "[otlp]\nendpoint = 'off'";
        let file = "[otlp]\nendpoint = 'http://file'";
        // text, variables -> where to, how many are not obeyed
        type Case = (&'static str, &'static [(&'static str, &'static str)], Option<&'static str>, usize);
        let cases: [Case; 18] = [
            ("", &[], None, 0),
            ("", &[(GENERAL, "http://c:4318")], Some("http://c:4318/v1/traces"), 0),
            ("", &[(GENERAL, "http://c:4318/otlp/")], Some("http://c:4318/otlp/v1/traces"), 0),
            ("", &[(TRACES, "http://c:4318/x")], Some("http://c:4318/x"), 0),
            ("", &[(GENERAL, "http://a"), (TRACES, "http://b/x")], Some("http://b/x"), 0),
            ("", &[("TRACING_ENDPOINT", "http://c:4318")], Some("http://c:4318/v1/traces"), 0),
            ("", &[(GENERAL, "http://c:4317"), GRPC], Some("http://c:4317"), 0),
            (file, &[(GENERAL, "http://c:4318")], Some("http://file/v1/traces"), 0),
            (off, &[(GENERAL, "http://c:4318")], None, 0),
            ("", &[(GENERAL, "c:4318")], None, 1),
            ("", &[(GENERAL, "http://c"), ("OTEL_SDK_DISABLED", "True")], None, 1),
            ("", &[(GENERAL, "http://c"), ("OTEL_TRACES_EXPORTER", "none")], None, 1),
            ("", &[(GENERAL, "http://c"), ("TRACING_ENABLED", "false")], None, 1),
            ("", &[(GENERAL, "http://c"), ("TRACING_DRIVER", "noop")], None, 1),
            ("", &[("TRACING_ENABLED", "true")], None, 1),
            ("", &[("TRACING_DRIVER", "datadog")], None, 1),
            // The application's own affair.
            ("", &[("OTEL_SERVICE_NAME", "shop"), ("OTEL_TRACES_SAMPLER", "always_off")], None, 0),
            ("", &[GRPC, ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"), ("OTEL_SDK_DISABLED", "true")], None, 0),
        ];
        for (text, variables, expected, unheeded) in cases {
            let (traces, notices, _) = read(text, variables);
            let found = traces.as_ref().map(|traces| traces.tracer.endpoint.as_str());
            assert_eq!(found, expected, "{text} {variables:?}");
            assert_eq!(notices.iter().filter(|(_, unheeded)| *unheeded).count(), unheeded, "{variables:?} {notices:?}");
        }
    }

    #[test]
    fn what_is_said_besides() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=hidden%20one, Authorization=Bearer hidden"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=prod"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("TRACING_SERVICE_VERSION", "1.2"),
        ];
        let (traces, notices, told) = read("[otlp.headers]\nx-team = 'hidden too'", &variables);
        let traces = traces.expect("traced");
        let tracer = traces.tracer;
        assert_eq!((tracer.endpoint.as_str(), tracer.protocol), ("http://c:4317", Protocol::Grpc));
        assert_eq!((tracer.timeout, tracer.service_name.as_str()), (Duration::from_millis(2500), "shop"));
        assert_eq!((tracer.sample, tracer.parent_based), (0.25, true));
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(tracer.headers.0, pairs(&[("Authorization", "Bearer hidden"), ("x-team", "hidden too")]));
        let attributes = pairs(&[("deployment.environment.name", "prod"), ("service.version", "1.2")]);
        assert_eq!(tracer.attributes, attributes);
        assert!(notices.iter().all(|(_, unheeded)| !unheeded), "{notices:?}");
        assert!(!told.contains("hidden") && told.contains("otlp.headers.Authorization = \"[REDACTED]\""), "{told}");
        assert!(!format!("{tracer:?}").contains("hidden"));
    }

    #[test]
    fn samplers_and_what_is_no_good() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
        // sampler, argument -> parent based, part, how many are not obeyed
        let cases = [
            ("always_on", None, (false, 1.0), 0),
            ("always_off", None, (false, 0.0), 0),
            ("traceidratio", Some("0.5"), (false, 0.5), 0),
            ("traceidratio", None, (false, 1.0), 0),
            ("parentbased_always_on", Some("0.5"), (true, 1.0), 0),
            ("parentbased_always_off", None, (true, 0.0), 0),
            ("parentbased_traceidratio", Some("2"), (true, 1.0), 1),
            ("traceidratio", Some("half"), (false, 1.0), 1),
            ("jaeger_remote", None, (true, 1.0), 1),
        ];
        for (sampler, argument, expected, unheeded) in cases {
            let mut variables = vec![endpoint, ("OTEL_TRACES_SAMPLER", sampler)];
            variables.extend(argument.map(|argument| ("OTEL_TRACES_SAMPLER_ARG", argument)));
            let (traces, notices, _) = read("", &variables);
            let tracer = traces.expect("traced").tracer;
            assert_eq!((tracer.parent_based, tracer.sample), expected, "{sampler} {argument:?}");
            assert_eq!(notices.iter().filter(|(_, unheeded)| *unheeded).count(), unheeded, "{sampler} {notices:?}");
        }
        let bad = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "hidden"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=hidden"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=hid%0Aden"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ];
        for (variable, value) in bad {
            let (traces, notices, told) = read("", &[endpoint, (variable, value)]);
            let tracer = traces.expect("traced").tracer;
            assert_eq!((tracer.headers.0.len(), tracer.protocol), (0, Protocol::Http), "{variable}={value}");
            assert!(notices.contains(&(variable.to_owned(), true)), "{variable}={value} {notices:?}");
            assert!(!told.contains("=hid"), "{told}");
        }
    }
}
