//! The media type of a file, by the end of its name.

#![forbid(unsafe_code)]

use std::path::Path;

use http::HeaderValue;

/// The type to send. Text is UTF-8 unless somebody says otherwise: without a word browsers guess. What has no known ending is
/// `application/octet-stream`, as under nginx.
pub(super) fn of(file: &Path) -> HeaderValue {
    let known = match mime_guess::from_path(file).first_raw() {
        // RFC 9239: the only name of the type that is not obsolete.
        Some("application/javascript") => "text/javascript",
        Some(known) => known,
        None => "application/octet-stream",
    };
    if known.starts_with("text/") {
        // Both halves are printable ASCII.
        return HeaderValue::try_from(format!("{known}; charset=utf-8"))
            .unwrap_or(HeaderValue::from_static("text/plain"));
    }
    HeaderValue::from_static(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_insist_on() {
        let cases = [
            ("a.html", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.wasm", "application/wasm"),
            ("a.svg", "image/svg+xml"),
            ("a.PNG", "image/png"),
            ("a.jpeg", "image/jpeg"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("a.ico", "image/x-icon"),
            ("a.woff2", "font/woff2"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.pdf", "application/pdf"),
            ("a.zip", "application/zip"),
            ("a.gz", "application/gzip"),
            ("a.unknown-ending", "application/octet-stream"),
            ("LICENSE", "application/octet-stream"),
        ];
        for (name, expected) in cases {
            assert_eq!(of(Path::new(name)), expected, "{name}");
        }
    }
}
