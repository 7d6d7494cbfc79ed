//! Which of the client's headers PHP gets to see, and how.

#![forbid(unsafe_code)]

use http::{HeaderMap, HeaderName, header};
use job::RequestBuilder;

use crate::job;

/// Copies the headers into a request: one entry a name, in order of arrival.
///
/// Names that would collide with another header in `$_SERVER` are dropped, and so is `Proxy` (httpoxy, CVE-2016-5385).
/// Repeated fields are joined as RFC 9110 section 5.3 says; cookies with `"; "` (RFC 9113 section 8.2.3).
pub(super) fn copy(headers: &HeaderMap, into: &mut RequestBuilder) {
    // The values of one name come one after the other; looking them up by name would hash each name again.
    let mut fields = headers.iter().filter(|(name, _)| is_passed_on(name)).peekable();
    while let Some((name, first)) = fields.next() {
        let mut another = || fields.next_if(|(next, _)| *next == name).map(|(_, value)| value.as_bytes());
        let span = match another() {
            None => into.joined(&[first.as_bytes()]),
            Some(second) => {
                let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
                let mut pieces = vec![first.as_bytes(), separator, second];
                while let Some(value) = another() {
                    pieces.extend([separator, value]);
                }
                into.joined(&pieces)
            }
        };
        let key = into.text(name.as_str().as_bytes());
        into.header(key, span);
        match *name {
            header::CONTENT_TYPE => into.fields().content_type = span,
            header::COOKIE => into.fields().cookie = span,
            header::AUTHORIZATION => into.fields().authorization = span,
            _ => {}
        }
    }
}

fn is_passed_on(name: &HeaderName) -> bool {
    !name.as_str().bytes().any(|byte| matches!(byte, b'_' | b'.')) && name != "proxy"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(given: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(HeaderName::try_from(*name).expect("a name"), value.parse().expect("a value"));
        }
        let mut builder = RequestBuilder::new();
        copy(&headers, &mut builder);
        let request = builder.build();
        let text = |span| request.display(span).into_owned();
        request.headers().iter().map(|header| (text(header.name), text(header.value))).collect()
    }

    #[test]
    fn hygiene() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: [(&str, Fields, Fields); 7] = [
            ("plain", &[("X-A", "1")], &[("x-a", "1")]),
            ("empty value", &[("X-A", "")], &[("x-a", "")]),
            ("underscore", &[("X_Forwarded_For", "6.6.6.6"), ("X-A", "1")], &[("x-a", "1")]),
            ("dot", &[("X.A", "1")], &[]),
            ("httpoxy", &[("Proxy", "http://evil")], &[]),
            ("repeated", &[("X-A", "1"), ("X-B", "2"), ("X-A", "3")], &[("x-a", "1, 3"), ("x-b", "2")]),
            ("cookies", &[("Cookie", "a=1"), ("Cookie", "b=2")], &[("cookie", "a=1; b=2")]),
        ];
        for (name, given, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(copied(given), expected, "{name}");
        }
    }

    #[test]
    fn fields_with_a_place_of_their_own() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "text/plain".parse().expect("a value"));
        headers.insert(header::AUTHORIZATION, "Basic eDp5".parse().expect("a value"));
        let mut builder = RequestBuilder::new();
        copy(&headers, &mut builder);
        let request = builder.build();
        assert_eq!(request.bytes(request.content_type), b"text/plain");
        assert_eq!(request.bytes(request.authorization), b"Basic eDp5");
        assert_eq!(request.bytes(request.cookie), b"");
    }
}
