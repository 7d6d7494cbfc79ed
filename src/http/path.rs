//! Request paths, as bytes.
//!
//! Everything here works on bytes and ASCII only: matching paths as Unicode has cost a peer two CVEs, because a byte the
//! matcher folds is not a byte the file system folds.

#![forbid(unsafe_code)]

use percent_encoding::percent_decode;

/// Why a path is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadPath {
    /// A NUL byte, plain or as `%00`: C would see another path than we do.
    Nul,
    /// More `..` than there are segments before it.
    Escapes,
}

/// Decodes a request path once and resolves its dot segments (RFC 3986 section 5.2.4).
///
/// The result starts with `/`, has no empty, `.` or `..` segments, and keeps a final slash. An encoded slash counts as a
/// slash: the file system would see it as one.
pub(super) fn clean(raw: &[u8]) -> Result<Vec<u8>, BadPath> {
    let decoded: Vec<u8> = percent_decode(raw).collect();
    if decoded.contains(&0) {
        return Err(BadPath::Nul);
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop().ok_or(BadPath::Escapes)?;
            }
            other => segments.push(other),
        }
    }
    let directory = matches!(decoded.rsplit(|byte| *byte == b'/').next(), Some(b"" | b"." | b".."));
    let mut path = Vec::with_capacity(decoded.len() + 1);
    for segment in &segments {
        path.push(b'/');
        path.extend_from_slice(segment);
    }
    if directory || path.is_empty() {
        path.push(b'/');
    }
    Ok(path)
}

/// Where the script's part of a path ends, and `PATH_INFO` begins: after the first `.php` that ends a segment.
pub(super) fn script_end(path: &[u8]) -> Option<usize> {
    path.windows(4)
        .enumerate()
        .filter(|(_, window)| window.eq_ignore_ascii_case(b".php"))
        .map(|(start, _)| start + 4)
        .find(|end| matches!(path.get(*end), None | Some(b'/')))
}

/// Whether a path names something that is never shown: a segment that begins with a dot (`.env`, `.git`).
/// `/.well-known/` is meant to be public (RFC 8615).
pub(super) fn is_hidden(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/')
        .skip(1)
        .enumerate()
        .any(|(index, segment)| segment.starts_with(b".") && !(index == 0 && segment == b".well-known"))
}

/// Whether a file of this name may hold PHP source and must never be sent as it is: `a.PHP`, `a.php.bak`, `a.php~`, `a.phtml`.
pub(super) fn may_be_source(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let has = |wanted: &[u8]| name.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted));
    has(b".php") || has(b".phtml") || has(b".phar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        type Case = (&'static [u8], Result<&'static [u8], BadPath>);
        let cases: [Case; 19] = [
            (b"/", Ok(b"/")),
            (b"", Ok(b"/")),
            (b"/a/b", Ok(b"/a/b")),
            (b"/a/b/", Ok(b"/a/b/")),
            (b"//a///b", Ok(b"/a/b")),
            (b"/a/./b/.", Ok(b"/a/b/")),
            (b"/a/../b", Ok(b"/b")),
            (b"/a/..", Ok(b"/")),
            (b"/..", Err(BadPath::Escapes)),
            (b"/a/../../etc/passwd", Err(BadPath::Escapes)),
            (b"/%2e%2e/etc/passwd", Err(BadPath::Escapes)),
            (b"/a%2f..%2F..%2fb", Err(BadPath::Escapes)),
            (b"/%252e%252e/a", Ok(b"/%2e%2e/a")),
            (b"/a%2Fb", Ok(b"/a/b")),
            (b"/a%00.php", Err(BadPath::Nul)),
            (b"/caf%C3%A9/\xff", Ok(b"/caf\xc3\xa9/\xff")),
            (b"/%zz%4", Ok(b"/%zz%4")),
            (b"/...", Ok(b"/...")),
            (b"/a+b%20c", Ok(b"/a+b c")),
        ];
        for (raw, expected) in cases {
            assert_eq!(clean(raw).as_deref(), expected.as_deref(), "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn scripts_end_at_the_first_php_segment() {
        let cases: [(&[u8], Option<usize>); 10] = [
            (b"/index.php", Some(10)),
            (b"/index.php/a/b.php", Some(10)),
            (b"/INDEX.PhP/x", Some(10)),
            (b"/a.phpx/b.php/c", Some(13)),
            (b"/a.php.bak", None),
            (b"/a", None),
            (b"/", None),
            // U+017F (long s) and U+212A (Kelvin) fold to ASCII letters in Unicode; U+1E57 is a p with an acute accent.
            ("/a.p\u{1e57}hp".as_bytes(), None),
            (b"/a.ph\xf0", None),
            (b"/.php", Some(5)),
        ];
        for (path, expected) in cases {
            assert_eq!(script_end(path), expected, "{}", path.escape_ascii());
        }
    }

    #[test]
    fn hidden_and_source_files() {
        let cases: [(&[u8], bool, bool); 12] = [
            (b"/.env", true, false),
            (b"/a/.git/config", true, false),
            (b"/.well-known/acme-challenge/x", false, false),
            (b"/a/.well-known/x", true, false),
            (b"/.well-known/.x", true, false),
            (b"/a.b", false, false),
            (b"/a.PHP", false, true),
            (b"/a.php~", false, true),
            (b"/a.php.bak", false, true),
            (b"/x.Phtml", false, true),
            (b"/a.php/style.css", false, false),
            (b"/...", true, false),
        ];
        for (path, hidden, source) in cases {
            assert_eq!(is_hidden(path), hidden, "hidden: {}", path.escape_ascii());
            assert_eq!(may_be_source(path), source, "source: {}", path.escape_ascii());
        }
    }
}
