//! How an application says that it wants another worker: what it gives as the reason, and the header fields of a response that say so.

use bytes::Bytes;

use crate::job::{ResponseHead, Wish};

/// Longest reason that is kept, in bytes: it is a label for the operator, not a message.
const MAX_REASON: usize = 200;

/// What all fields that are looked at begin with.
const PREFIX: &[u8] = b"x-runtime-";

/// A reason in the application's words: at most 200 bytes, on one line, `app_request` if there is nothing to read.
pub(super) fn reason(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_REASON)]);
    let plain: String = text.trim().chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    let end = plain.floor_char_boundary(MAX_REASON);
    match plain[..end].trim() {
        "" => "app_request".to_owned(),
        reason => reason.to_owned(),
    }
}

/// A field of the response that is for the server and not for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Recycle,
    Action,
    Reason,
}

fn field(name: &[u8]) -> Option<Field> {
    // Nearly every field is told by its first bytes.
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let is = |known: &str| rest.eq_ignore_ascii_case(known.as_bytes());
    if is("supercharger-recycle") || is("recycle") {
        Some(Field::Recycle)
    } else if is("supercharger-action") || is("recycle-action") {
        Some(Field::Action)
    } else if is("supercharger-reason") || is("recycle-reason") {
        Some(Field::Reason)
    } else {
        None
    }
}

/// Takes the fields out of a head that speak of recycling, and what they ask for.
pub(super) fn take(head: &mut ResponseHead) -> Option<Wish> {
    let is_ours = |(name, _): &(Bytes, Bytes)| field(name).is_some();
    // No allocation, and no walk through the list to move what stays, for a head that has none of them.
    if !head.headers.iter().any(is_ours) {
        return None;
    }
    let (mut wanted, mut hard, mut words) = (false, false, None);
    for (name, value) in head.headers.extract_if(.., |header| is_ours(header)) {
        match field(&name) {
            Some(Field::Recycle) => wanted |= value.as_ref() == b"1" || value.eq_ignore_ascii_case(b"true"),
            Some(Field::Action) => hard |= value.eq_ignore_ascii_case(b"hardExit"),
            Some(Field::Reason) => words = Some(reason(&value)),
            None => {}
        }
    }
    wanted.then(|| Wish { reason: words.unwrap_or_else(|| reason(b"")), hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> ResponseHead {
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let headers = fields.iter().map(|(name, value)| (copy(name), copy(value))).collect();
        ResponseHead { status: 200, headers, ..ResponseHead::default() }
    }

    #[test]
    fn fields_are_taken_out_and_understood() {
        type Case = (&'static [(&'static str, &'static str)], Option<(&'static str, bool)>, usize);
        let cases: [Case; 9] = [
            (&[("X-Runtime-Supercharger-Recycle", "1")], Some(("app_request", false)), 0),
            (&[("x-runtime-recycle", "TRUE"), ("X-A", "1")], Some(("app_request", false)), 1),
            (&[("X-Runtime-Recycle", "0")], None, 0),
            (&[("X-Runtime-Recycle", "yes")], None, 0),
            (&[("X-Runtime-Supercharger-Reason", "lonely")], None, 0),
            (
                &[
                    ("X-Runtime-Supercharger-Action", "hardexit"),
                    ("X-Runtime-Supercharger-Recycle", "1"),
                    ("X-Runtime-Supercharger-Reason", "leaks"),
                ],
                Some(("leaks", true)),
                0,
            ),
            (
                &[("X-Runtime-Supercharger-Recycle", "1"), ("X-Runtime-Supercharger-Action", "gracefulExit")],
                Some(("app_request", false)),
                0,
            ),
            (&[("X-Runtime-Version", "1"), ("X-Runtime", "1"), ("X-Run", "1")], None, 3),
            (&[("X-Runtime-Recycle", "0"), ("X-Runtime-Supercharger-Recycle", "1")], Some(("app_request", false)), 0),
        ];
        for (fields, expected, left) in cases {
            let mut head = head(fields);
            let wish = take(&mut head);
            let got = wish.as_ref().map(|wish| (wish.reason.as_str(), wish.hard));
            assert_eq!((got, head.headers.len()), (expected, left), "{fields:?}");
        }
    }

    #[test]
    fn reasons_are_short_and_on_one_line() {
        assert_eq!(reason(b"  tidy up "), "tidy up");
        assert_eq!(reason(b"a\n{\"event\":\"x\"}\x1b[2J\0"), "a {\"event\":\"x\"} [2J");
        assert_eq!(reason(b"\n\r\t"), "app_request");
        assert_eq!(reason(b""), "app_request");
        assert_eq!(reason(&[0xff; 1000]).len(), 198, "66 replacement characters of three bytes each");
        assert_eq!(reason("\u{e9}".repeat(300).as_bytes()).chars().count(), 100);
        assert_eq!(reason(&[b'x'; 201]).len(), 200);
    }
}
