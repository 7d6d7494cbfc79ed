//! Variables that PHP is not to see: they set up the server, and some of them hold its secrets.
//!
//! Not those of other programs, the token's apart: the application may well use them itself (`OTEL_EXPORTER_OTLP_HEADERS`).

#![forbid(unsafe_code)]

use std::env;
use std::ffi::{OsStr, OsString};

use super::environment::{PREFIX, variable_of};
use super::guard::TOKEN_VARIABLES;

/// Variables of this process that it keeps for itself: those with which its configuration is set, and the token.
pub fn of_the_parent() -> Vec<OsString> {
    env::vars_os().map(|(name, _)| name).filter(|name| is_the_servers(name)).collect()
}

/// Those of them that a child needs to read the same configuration, to be told in another way: all but the token.
pub fn for_children() -> Vec<(String, String)> {
    // A name or value that is no UTF-8 would have been a fault.
    let pairs = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    pairs.filter(|(name, _)| name.starts_with(PREFIX) && !TOKEN_VARIABLES.contains(&name.as_str())).collect()
}

/// Variables of this process that hold a secret of the server, and none of the application's.
pub fn secrets() -> Vec<OsString> {
    env::vars_os().map(|(name, _)| name).filter(|name| is_secret(name)).collect()
}

/// Whether a variable is nothing to applications.
pub fn is_the_servers(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) || is_token(name)
}

fn is_secret(name: &OsStr) -> bool {
    is_token(name) || name.as_encoded_bytes().starts_with(variable_of("otlp.headers").as_bytes())
}

fn is_token(name: &OsStr) -> bool {
    TOKEN_VARIABLES.iter().any(|variable| name == *variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_variables() {
        // name -> the server's, a secret of it
        let cases = [
            ("SUPERCHARGER__GUARD__TOKEN", (true, true)),
            ("RUNTIME_ENDPOINT_TOKEN", (true, true)),
            ("SUPERCHARGER__OTLP__HEADERS__AUTHORIZATION", (true, true)),
            ("SUPERCHARGER__OTLP__ENDPOINT", (true, false)),
            ("SUPERCHARGER__APP__ENV__APP_SECRET", (true, false)),
            ("SUPERCHARGER", (false, false)),
            ("SUPERCHARGER_PORT", (false, false)),
            ("OTEL_EXPORTER_OTLP_HEADERS", (false, false)),
            ("APP_SECRET", (false, false)),
        ];
        for (name, expected) in cases {
            let name = OsStr::new(name);
            assert_eq!((is_the_servers(name), is_secret(name)), expected, "{name:?}");
        }
    }
}
