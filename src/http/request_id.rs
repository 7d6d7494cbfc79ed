//! Request ids.

#![forbid(unsafe_code)]

use http::HeaderMap;

/// The header that carries a request's id, in and out.
pub(super) const HEADER: http::HeaderName = http::HeaderName::from_static("x-request-id");

/// Longest id taken over from a client, in bytes.
const MAX_LENGTH: usize = 128;

/// The client's own id if it is fit for logs and headers, else a new UUIDv7 (RFC 9562), whose order is that of time.
pub(super) fn of(headers: &HeaderMap) -> String {
    let mut given = headers.get_all(HEADER).iter();
    match (given.next(), given.next()) {
        (Some(only), None) if is_acceptable(only.as_bytes()) => String::from_utf8_lossy(only.as_bytes()).into_owned(),
        _ => uuid::Uuid::now_v7().to_string(),
    }
}

fn is_acceptable(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_taken_over() {
        let long = "a".repeat(128);
        let longer = "a".repeat(129);
        let cases = [
            ("abc-1.2:3_X", true),
            (long.as_str(), true),
            (longer.as_str(), false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a/b", false),
            ("<script>", false),
        ];
        for (given, accepted) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, given.parse().expect("a legal header value"));
            assert_eq!(of(&headers) == given, accepted, "{given:?}");
        }
    }

    #[test]
    fn two_ids_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, http::HeaderValue::from_static("a"));
        headers.append(HEADER, http::HeaderValue::from_static("b"));
        assert_eq!(of(&headers).len(), 36);
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
