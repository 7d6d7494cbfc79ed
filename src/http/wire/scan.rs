//! A scan of a head's lines for what hyper does not tell.

#![forbid(unsafe_code)]

/// Bytes of a line that are looked at: field names, and the beginning of `Accept`.
const LONGEST: usize = 32;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Lines of a head.
    #[default]
    Head,
    /// After the empty line.
    Rest,
    /// Binary frames, for good.
    Http2,
}

/// Reads the beginnings of a head's lines.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) part: Part,
    /// The first bytes of the current line, in lower case.
    line: [u8; LONGEST],
    /// How many bytes of the line have come, no more than `LONGEST`.
    come: usize,
    pub(super) begun: bool,
    pub(super) length: bool,
    pub(super) encoding: bool,
    /// `Accept` asks for JSON before anything else that fits into what is looked at.
    pub(super) json: bool,
}

impl Scan {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.part != Part::Head {
                return;
            }
            match byte {
                b'\n' => self.end_line(),
                b'\r' => {}
                byte if self.come < LONGEST => {
                    self.begun = true;
                    self.line[self.come] = byte.to_ascii_lowercase();
                    self.come += 1;
                }
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let line = &self.line[..self.come];
        if line.is_empty() {
            // Empty lines before the request line are nothing (RFC 9112 section 2.2).
            if self.begun {
                self.part = Part::Rest;
            }
        } else if line == b"pri * http/2.0" {
            self.part = Part::Http2;
        } else {
            self.length |= line.starts_with(b"content-length:");
            self.encoding |= line.starts_with(b"transfer-encoding:");
            self.json |= line.starts_with(b"accept:") && line.windows(4).any(|word| word == b"json");
        }
        self.come = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(pieces: &[&[u8]]) -> Scan {
        let mut scan = Scan::default();
        for piece in pieces {
            scan.feed(piece);
        }
        scan
    }

    #[test]
    fn framings_are_seen_in_any_order_and_in_pieces() {
        type Case = (&'static [&'static [u8]], bool, bool);
        let cases: [Case; 8] = [
            (&[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], false, false),
            (&[b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"], true, false),
            (&[b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"], true, true),
            (&[b"POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\ncontent-length:5\r\n\r\n"], true, true),
            (&[b"POST / HTTP/1.1\nTransfer-Enc", b"oding: chunked\nContent-", b"Length: 5\n\n"], true, true),
            // A body is not looked at.
            (&[b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"\r\nContent-Length: 5\r\n"], false, true),
            (&[b"\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"], true, false),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\ncontent-length:5\n"], false, false),
        ];
        for (pieces, length, encoding) in cases {
            let scan = scanned(pieces);
            assert_eq!((scan.length, scan.encoding), (length, encoding), "{}", pieces.concat().escape_ascii());
        }
    }

    #[test]
    fn json_is_asked_for() {
        let cases: [(&[u8], bool); 4] = [
            (b"GET / HTTP/1.1\r\nAccept: application/json\r\n", true),
            (b"GET / HTTP/1.1\r\nACCEPT:application/problem+JSON;q=1\r\n", true),
            (b"GET / HTTP/1.1\r\nAccept: text/html\r\nX-A: json\r\n", false),
            (b"GET /json HTTP/1.1\r\n", false),
        ];
        for (head, json) in cases {
            assert_eq!(scanned(&[head]).json, json, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn a_head_has_a_beginning_and_an_end() {
        let cases: [(&[&[u8]], bool); 5] = [
            (&[], false),
            (&[b"\r\n"], false),
            (&[b"G"], true),
            (&[b"GET / HTTP/1.1\r\nX-Slow: "], true),
            (&[b"GET / HTTP/1.1\r\n\r\n"], false),
        ];
        for (pieces, amid) in cases {
            let scan = scanned(pieces);
            assert_eq!(scan.begun && scan.part == Part::Head, amid, "{}", pieces.concat().escape_ascii());
        }
    }
}
