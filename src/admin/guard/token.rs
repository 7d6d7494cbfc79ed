//! The token: where a request carries it, and whether it is the right one.

#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, header};
use subtle::ConstantTimeEq as _;

/// A secret that opens the endpoints. It is compared in a time that does not tell how much of it is right, and never shown.
#[derive(Clone)]
pub struct Token(String);

/// The text can be no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no token: visible characters of ASCII, at least one, no blanks")]
pub struct NoToken;

impl FromStr for Token {
    type Err = NoToken;

    /// Something that a header field can carry and that is the same after blanks around it have been cut off.
    fn from_str(text: &str) -> Result<Self, NoToken> {
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(NoToken) }
    }
}

impl Token {
    /// Whether the other one is the same.
    pub(super) fn matches(&self, sent: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(sent).into()
    }

    /// The value of the field `Authorization` that carries it.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([REDACTED])")
    }
}

/// The token of a request, if it carries one that is not empty. `Authorization: Bearer` wins over the other field, also if nothing
/// follows it. A field that stands there twice is none: which of the two is meant is not for us to choose.
pub(super) fn sent<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut bearers = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| bearer(value.as_bytes()));
    let token = match (bearers.next(), bearers.next()) {
        (Some(token), None) => token,
        (Some(_), Some(_)) => return None,
        (None, _) => {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?;
            if values.next().is_some() {
                return None;
            }
            value.as_bytes().trim_ascii()
        }
    };
    Some(token).filter(|token| !token.is_empty())
}

/// What follows the scheme `Bearer`; `None` for another scheme.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let value = value.trim_ascii();
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    (ends && scheme.eq_ignore_ascii_case(SCHEME)).then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_token_stands() {
        // Values of Authorization, of the other field, and what is found.
        type Case = (&'static [&'static str], &'static [&'static str], Option<&'static str>);
        let cases: [Case; 16] = [
            (&[], &[], None),
            (&["Bearer x"], &[], Some("x")),
            (&["bearer x"], &["y"], Some("x")),
            (&["BEARER   x  "], &[], Some("x")),
            (&["Bearer\tx"], &[], Some("x")),
            (&["Bearer"], &["y"], None),
            (&["Bearer   "], &["y"], None),
            (&["Basic eA=="], &["y"], Some("y")),
            (&["Bearerx"], &["y"], Some("y")),
            (&["x"], &["y"], Some("y")),
            (&[], &["y"], Some("y")),
            (&[], &["  y "], Some("y")),
            (&[], &[""], None),
            (&[], &["y", "z"], None),
            (&["Bearer x", "Bearer y"], &["z"], None),
            (&["Basic x", "Bearer y"], &["z"], Some("y")),
        ];
        let name = HeaderName::from_static("x-runtime-token");
        for (authorization, other, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in authorization {
                headers.append(header::AUTHORIZATION, value.parse().expect("a value"));
            }
            for value in other {
                headers.append(&name, value.parse().expect("a value"));
            }
            assert_eq!(sent(&headers, &name), expected.map(str::as_bytes), "{authorization:?} {other:?}");
        }
    }

    #[test]
    fn a_token_is_the_whole_of_it_and_never_shown() {
        let token: Token = "s3cret".parse().expect("a token");
        for (sent, expected) in [("s3cret", true), ("s3cre", false), ("s3cret2", false), ("S3cret", false), ("", false)]
        {
            assert_eq!(token.matches(sent.as_bytes()), expected, "{sent}");
        }
        assert!(!format!("{token:?}").contains("s3cret"));
        for text in ["", " ", "a b", " a", "a\n", "ä"] {
            assert_eq!(text.parse::<Token>(), Err(NoToken), "{text:?}");
        }
    }
}
