//! The token: where a request carries it, and whether it is the right one.

#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, header};
use ring::digest::{self, Digest, SHA256};
use subtle::ConstantTimeEq as _;

/// Characters of the shortest token. Nothing slows down who tries them out, and 16 of them cannot be tried out.
const SHORTEST: usize = 16;

/// A secret that opens the endpoints. It is never shown, and compared by its digest: how long that takes tells neither how much of what was sent
/// is right nor how long the token is.
#[derive(Clone)]
pub struct Token {
    text: String,
    digest: Digest,
}

/// The text can be no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no token: at least {SHORTEST} visible characters of ASCII without blanks; `openssl rand -hex 32` makes one")]
pub struct NoToken;

impl FromStr for Token {
    type Err = NoToken;

    /// Something that a header field can carry and that is the same after blanks around it have been cut off.
    fn from_str(text: &str) -> Result<Self, NoToken> {
        let fits = text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            return Err(NoToken);
        }
        Ok(Self { text: text.to_owned(), digest: digest(text.as_bytes()) })
    }
}

fn digest(text: &[u8]) -> Digest {
    digest::digest(&SHA256, text)
}

impl Token {
    /// Whether the other one is the same.
    pub(super) fn matches(&self, sent: &[u8]) -> bool {
        self.digest.as_ref().ct_eq(digest(sent).as_ref()).into()
    }

    /// The value of the field `Authorization` that carries it.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.text)
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.digest.as_ref().ct_eq(other.digest.as_ref()).into()
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
        const TEXT: &str = "s3cret-of-16-chr";
        let token: Token = TEXT.parse().expect("a token");
        let cases = [
            (TEXT, true),
            ("s3cret-of-16-ch", false),
            ("s3cret-of-16-chr2", false),
            ("S3cret-of-16-chr", false),
            ("s3cret-of-16-chs", false),
            ("", false),
        ];
        for (sent, expected) in cases {
            assert_eq!(token.matches(sent.as_bytes()), expected, "{sent}");
        }
        assert_eq!(token.authorization(), format!("Bearer {TEXT}"));
        assert!(!format!("{token:?}").contains("s3cret"));
        for text in [
            "",
            " ",
            "fifteen-of-them",
            "a blank-among-them",
            " blank-before-it-",
            "line-after-it---\n",
            "not-of-äscii-----",
        ] {
            assert_eq!(text.parse::<Token>(), Err(NoToken), "{text:?}");
        }
    }
}
