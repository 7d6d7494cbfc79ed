//! What must not be shown: whatever a URL, a header, a form or a log context calls by the name of a secret.
//!
//! Names decide, not values: nobody can tell a token from a word by looking at it. A name counts in any spelling (`api-key`, `apiKey`,
//! `API_KEY`, `user[password]`), percent-encoded too. Where a text cannot be taken apart, nothing of it is shown.
//! Not redacted: segments of a path, and secrets in the application's own words that no name stands before.

#![forbid(unsafe_code)]

mod json;
mod words;

use std::sync::OnceLock;

use http::Uri;
use percent_encoding::percent_decode_str;

pub use json::json;
pub use words::words;

/// Stands where a secret was.
pub const REDACTED: &str = "[REDACTED]";

/// Names of secrets, without the characters that join words; a session's name is as good as its owner's password.
const NAMES: [&str; 26] = [
    "auth",
    "authorization",
    "authorizationcode",
    "code",
    "cookie",
    "credential",
    "credentials",
    "creditcard",
    "csrf",
    "cvc",
    "cvv",
    "otp",
    "pass",
    "passphrase",
    "passwd",
    "phpauthdigest",
    "phpauthpw",
    "phpsessid",
    "pin",
    "pwd",
    "sessionid",
    "setcookie",
    "sid",
    "socialsecuritynumber",
    "ssn",
    "xelevatedauth",
];
/// Names that contain one of these are names of secrets: `api_key`, `access_token`, `client_secret`, `x-csrf-token`.
const PARTS: [&str; 5] = ["key", "password", "secret", "signature", "token"];
/// Longest name that is looked at; one beyond is nobody's field, and counts as a secret.
const LONGEST_NAME: usize = 256;

static MORE: OnceLock<Vec<String>> = OnceLock::new();

/// Further names, of the operator's. Call once, before the first thread is started; a second call changes nothing.
pub(super) fn also(names: &[String]) {
    drop(MORE.set(names.iter().map(|name| plain(name)).collect()));
}

/// A name without the characters that join words, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Whether a value of this name is not to be shown.
pub fn is_secret(name: &str) -> bool {
    is_secret_among(name, MORE.get().map_or(&[], Vec::as_slice))
}

fn is_secret_among(name: &str, more: &[String]) -> bool {
    if name.len() > LONGEST_NAME {
        return true;
    }
    let whole = plain(name);
    PARTS.iter().any(|part| whole.contains(part))
        // `user[pin]`, `card.cvv`, `HTTP_COOKIE`
        || [whole.as_str(), whole.strip_prefix("http").unwrap_or_default()]
            .into_iter()
            .map(str::to_owned)
            .chain(name.split(['[', ']', '.', '/']).map(plain))
            .any(|name| NAMES.contains(&name.as_str()) || more.contains(&name))
}

/// A query string, or a form, without the values of secrets. The order stays, and so does the spelling of what is shown.
pub fn query(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, pair) in text.split('&').enumerate() {
        if index > 0 {
            shown.push('&');
        }
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            // A value without a name: whatever it is, nobody can tell.
            shown.push_str(if pair.is_empty() { "" } else { REDACTED });
            continue;
        };
        shown.push_str(name);
        shown.push('=');
        shown.push_str(if is_secret(&decoded(name)) || is_nested(&decoded(value)) { REDACTED } else { value });
    }
    shown
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// A value that has fields or passwords of its own: an address to return to, a form in a form, JSON. One that was encoded twice is what it
/// was before.
fn is_nested(value: &str) -> bool {
    let has_fields = |value: &str| {
        value.contains("://") && value.contains(['@', '?', '#', '&'])
            || value.contains('=')
            || value.trim_start().starts_with(['{', '['])
    };
    has_fields(value) || value.contains('%') && has_fields(&decoded(value))
}

/// An address without user, password and fragment, and without the values of secrets in its query; nothing of it if it is none.
pub fn url(text: &str) -> String {
    shown_url(text, query).unwrap_or_else(|| REDACTED.to_owned())
}

/// The same without any value of the query: it is of another site, whose names for secrets nobody knows here.
pub fn referrer(text: &str) -> String {
    shown_url(text, |_| REDACTED.to_owned()).unwrap_or_else(|| REDACTED.to_owned())
}

fn shown_url(text: &str, query: impl Fn(&str) -> String) -> Option<String> {
    let uri: Uri = text.split('#').next()?.parse().ok()?;
    let mut shown = String::with_capacity(text.len());
    if let Some(scheme) = uri.scheme_str() {
        shown.push_str(scheme);
        shown.push_str("://");
    }
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    let host = authority.rsplit('@').next()?;
    if host.rsplit(']').next()?.contains(':') && uri.port_u16().is_none() {
        // What was taken for a port is the beginning of a password.
        return None;
    }
    shown.push_str(host);
    let web = matches!(uri.scheme_str(), None | Some("http" | "https"));
    if uri.path().contains('@') && (!web || uri.path().contains("://")) {
        // A password with a slash that was not encoded: what was taken for the host is a part of it. Or an address in an address.
        return None;
    }
    if uri.scheme().is_some() || authority.is_empty() {
        // What has a name of its own: `/path;token=x`.
        shown.push_str(&words::fields(uri.path()));
    }
    if let Some(given) = uri.query() {
        shown.push('?');
        // A mail address is nobody's business either, and a password that holds a question mark would end up here.
        shown.push_str(&if given.contains('@') { REDACTED.to_owned() } else { query(given) });
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let secret = [
            "password",
            "Password",
            "user_password",
            "api_key",
            "apiKey",
            "API-KEY",
            "X-Api-Key",
            "access_token",
            "_csrf_token",
            "client_secret",
            "X-Hub-Signature-256",
            "authorization",
            "Authorization",
            "HTTP_AUTHORIZATION",
            "HTTP_COOKIE",
            "Cookie",
            "set-cookie",
            "x-csrf-token",
            "x-xsrf-token",
            "x-admin-token",
            "x-mfa-token",
            "x-auth-token",
            "x-elevated-auth",
            "PHP_AUTH_PW",
            "credit_card",
            "creditCard",
            "ssn",
            "social_security_number",
            "cvv",
            "cvc",
            "pin",
            "otp",
            "code",
            "auth",
            "authorization_code",
            "private_key",
            "user[password]",
            "user[pin]",
            "card.cvv",
            "tenant-id",
        ];
        let more = [plain("Tenant_Id")];
        for name in secret {
            assert!(is_secret_among(name, &more), "{name}");
        }
        for name in ["name", "page", "opinion", "encoded", "authority", "author", "spin", "id", "q", "tenant"] {
            assert!(!is_secret_among(name, &more), "{name}");
        }
        assert!(is_secret_among(&"x".repeat(LONGEST_NAME + 1), &[]));
    }

    #[test]
    fn queries() {
        let cases = [
            ("", ""),
            ("a=1&b=2", "a=1&b=2"),
            ("a=1&token=s3cret&b=", "a=1&token=[REDACTED]&b="),
            ("%74oken=s3cret", "%74oken=[REDACTED]"),
            ("user%5Bpassword%5D=s3cret&user%5Bname%5D=x", "user%5Bpassword%5D=[REDACTED]&user%5Bname%5D=x"),
            ("s3cret", "[REDACTED]"),
            ("a=1&=s3cret", "a=1&[REDACTED]"),
            ("back=https%3A%2F%2Fh%2F%3Ftoken%3Ds3cret", "back=[REDACTED]"),
            ("back=https%3A%2F%2Fh%2Fa", "back=https%3A%2F%2Fh%2Fa"),
            ("api+key=s3cret", "api+key=[REDACTED]"),
            ("q=%7B%22token%22%3A%22s3cret%22%7D", "q=[REDACTED]"),
            ("q={\"token\":\"s3cret\"}&a=1", "q=[REDACTED]&a=1"),
            ("q=%5B%7B%22pin%22%3A%22s3cret%22%7D%5D", "q=[REDACTED]"),
            ("back=%2Fx%253Ftoken%253Ds3cret", "back=[REDACTED]"),
            ("part=100%25", "part=100%25"),
        ];
        for (given, expected) in cases {
            assert_eq!(query(given), expected, "{given}");
        }
    }

    #[test]
    fn addresses() {
        let cases = [
            ("https://example.org/a/b?page=2", "https://example.org/a/b?page=2"),
            ("https://u:s3cret@example.org:8443/a?code=s3cret#s3cret", "https://example.org:8443/a?code=[REDACTED]"),
            ("/only/path?pin=s3cret", "/only/path?pin=[REDACTED]"),
            ("mysql://app:s3cret@db:3306/shop", "mysql://db:3306/shop"),
            ("mysql://app:80/s3cret@db/shop", "[REDACTED]"),
            ("http://a b/?s3cret", "[REDACTED]"),
            ("http://[::1]/x", "http://[::1]/x"),
            ("http://u:p?s3cret=@h/?mail=x@y&a=1", "[REDACTED]"),
            ("http://u?s3cret=@h/", "http://u/?[REDACTED]"),
            ("https://s3cret@h", "https://h/"),
            ("", "[REDACTED]"),
        ];
        for (given, expected) in cases {
            assert_eq!(url(given), expected, "{given}");
        }
        assert_eq!(referrer("https://u:p@example.org/a?x=1#y"), "https://example.org/a?[REDACTED]");
        assert_eq!(referrer("android-app://com.example/"), "android-app://com.example/");
    }

    /// Whatever surrounds it: what stands where a secret stands is not shown, and nothing panics.
    #[test]
    fn no_shape_of_an_address_shows_its_secret() {
        const SECRET: &str = "s3cret";
        let schemes = ["http", "https", "mysql", "amqp+ssl", "x"];
        let hosts = ["example.org", "[::1]:80", "h:1"];
        let odd = ["", "é", "%", "%zz", "\u{0}", " ", "\\", "[", "&&", "=", "?", "@", ";", "\"", "\u{202e}"];
        for scheme in schemes {
            for host in hosts {
                for one in odd {
                    for other in odd {
                        let texts = [
                            format!("{scheme}://u{one}:{SECRET}{other}@{host}/p"),
                            format!("{scheme}://{host}/p?a{one}=1&api_key={SECRET}{other}"),
                            format!("{scheme}://{host}/p?to%6ben{one}={other}{SECRET}"),
                            format!("{scheme}://{host}/{one}p#{other}{SECRET}"),
                        ];
                        for text in texts {
                            let shown = [url(&text), referrer(&text)];
                            assert!(!shown.concat().contains(SECRET), "{text:?} became {shown:?}");
                            // There a blank ends the address, and a quote behind a word: what follows has no name.
                            let shown = words(&text);
                            let is_blank = |c: char| c.is_whitespace() || c.is_control();
                            let is_whole = !text.contains(is_blank) && !["\"", "\\"].contains(&one);
                            assert!(!is_whole || !shown.contains(SECRET), "{text:?} became {shown:?}");
                        }
                    }
                }
            }
        }
    }
}
