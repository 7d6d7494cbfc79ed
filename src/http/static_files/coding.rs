//! Which of the forms that lie beside a file a client is sent (RFC 9110 section 12.5.3).

#![forbid(unsafe_code)]

use http::{HeaderMap, header};

/// A content coding in which a file may lie beside its plain form: `app.js` and `app.js.br`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Zstandard,
    Gzip,
}

impl Coding {
    /// All of them, the one we would rather send first: by what they save.
    pub(super) const ALL: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    /// The end of the file's name.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// Its name in `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

/// The codings that a client takes, the best first; those it likes less than the plain form are left out.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<Coding> {
    let listed: Vec<(String, u16)> = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(weighted)
        .collect();
    let weight = |name: &str| listed.iter().find(|(listed, _)| listed == name).map(|(_, weight)| *weight);
    let others = weight("*");
    let plain = weight("identity").unwrap_or(0);
    let mut taken: Vec<(Coding, u16)> = Coding::ALL
        .into_iter()
        .filter_map(|coding| {
            // `x-gzip` is the old name of the same thing (section 8.4.1.3).
            let own = weight(coding.name()).or_else(|| (coding == Coding::Gzip).then(|| weight("x-gzip"))?);
            own.or(others).map(|weight| (coding, weight))
        })
        .filter(|(_, weight)| *weight > 0 && *weight >= plain)
        .collect();
    // Stable: what the client likes equally stays in our order.
    taken.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    taken.into_iter().map(|(coding, _)| coding).collect()
}

/// `name;q=0.5` as a name in lower case and thousandths. A weight that cannot be read is none: the coding is not used.
fn weighted(item: &str) -> Option<(String, u16)> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let Some(q) = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))) else {
        return Some((name, 1000));
    };
    let weight = match q.as_bytes() {
        [b'0'] | [b'0', b'.'] => 0,
        [b'1'] | [b'1', b'.'] => 1000,
        [b'1', b'.', zeros @ ..] if zeros.len() <= 3 && zeros.iter().all(|digit| *digit == b'0') => 1000,
        [b'0', b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => {
            let scale = [100, 10, 1];
            digits.iter().zip(scale).map(|(digit, scale)| u16::from(digit - b'0') * scale).sum()
        }
        _ => 0,
    };
    Some((name, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_takes() {
        use Coding::{Brotli, Gzip, Zstandard};
        let cases: [(&[&str], &[Coding]); 15] = [
            (&[], &[]),
            (&[""], &[]),
            (&["gzip"], &[Gzip]),
            (&["x-gzip"], &[Gzip]),
            (&["gzip, deflate, br, zstd"], &[Brotli, Zstandard, Gzip]),
            (&["GZIP;q=1.0, BR;Q=0.5"], &[Gzip, Brotli]),
            (&["br;q=0, gzip;q=0.001"], &[Gzip]),
            (&["*"], &[Brotli, Zstandard, Gzip]),
            (&["*;q=0"], &[]),
            (&["gzip, *;q=0"], &[Gzip]),
            (&["br;q=0, *"], &[Zstandard, Gzip]),
            (&["identity, br;q=0.5"], &[]),
            (&["identity;q=0.5, br"], &[Brotli]),
            (&["br;q=high, gzip;q=0.25"], &[Gzip]),
            (&["gzip", "br"], &[Brotli, Gzip]),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::ACCEPT_ENCODING, value.parse().expect("a value"));
            }
            assert_eq!(accepted(&headers), expected, "{values:?}");
        }
    }
}
