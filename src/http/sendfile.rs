//! Files that PHP asks to be sent: `X-Sendfile` names a file, `X-Accel-Redirect` a path that stands for a folder.
//!
//! The worker is done when its head has left; the file leaves as the client takes it. Nothing may be sent that the configuration does
//! not name a folder for, and a client never sees the path.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::error::Refusal;
use super::path;
use super::static_files::{self, open};
use super::stream::discard;
use crate::job::{self, ResponseBody};
use crate::telemetry::events::SendfileRefused;

/// What a script says. Where both are given the mapped path counts: it is the stricter of the two.
const ACCEL: HeaderName = HeaderName::from_static("x-accel-redirect");
const PLAIN: HeaderName = HeaderName::from_static("x-sendfile");
/// How Symfony learns what the server understands; a client must not say it.
const TYPE: HeaderName = HeaderName::from_static("x-sendfile-type");
const MAPPING: HeaderName = HeaderName::from_static("x-accel-mapping");

/// What PHP may have sent. Folders are absolute and free of symbolic links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sendfile {
    /// Folders whose files `X-Sendfile` may name.
    pub folders: Vec<PathBuf>,
    /// Prefixes of `X-Accel-Redirect`, with both their slashes, and the folders they stand for.
    pub prefixes: Vec<(String, PathBuf)>,
}

impl Sendfile {
    /// Tells PHP what is understood, in the fields that nginx and Apache are configured to send for Symfony's `BinaryFileResponse`.
    /// Whatever a client says there is taken away.
    pub(super) fn announce(&self, headers: &mut HeaderMap) {
        headers.remove(TYPE);
        headers.remove(MAPPING);
        if !self.prefixes.is_empty() {
            let pair = |(prefix, folder): &(String, PathBuf)| {
                [b"\"", folder.as_os_str().as_bytes(), b"/\"=\"", prefix.as_bytes(), b"\""].concat()
            };
            let pairs: Vec<_> = self.prefixes.iter().map(pair).collect();
            if let Ok(mapping) = HeaderValue::from_bytes(&pairs.join(&b", "[..])) {
                headers.insert(MAPPING, mapping);
                headers.insert(TYPE, HeaderValue::from_static("X-Accel-Redirect"));
            }
        } else if !self.folders.is_empty() {
            headers.insert(TYPE, HeaderValue::from_static("X-Sendfile"));
        }
    }

    /// The file that a value names, if it lies where it may.
    fn find(&self, wish: &Wish) -> Result<static_files::Opened, Denial> {
        let (path, folders) = match wish {
            Wish::Plain(value) => {
                let path = Path::new(OsStr::from_bytes(value));
                if !path.is_absolute() {
                    return Err(Denial::NotAbsolute);
                }
                (path.to_owned(), self.folders.iter().collect())
            }
            Wish::Accel(value) => {
                let path = value.split(|byte| *byte == b'?').next().unwrap_or_default();
                // Symfony encodes the slashes as well.
                let rooted = [&b"/"[..], b"%2f", b"%2F"].iter().any(|slash| path.starts_with(slash));
                if !rooted {
                    return Err(Denial::NotAbsolute);
                }
                let path = path::clean(path).map_err(|_| Denial::Outside)?;
                let (folder, rest) = self.mapped(&path).ok_or(Denial::NotMapped)?;
                (folder.join(OsStr::from_bytes(rest)), vec![folder])
            }
        };
        if folders.is_empty() {
            return Err(Denial::NotConfigured);
        }
        let opened = open(&path).map_err(Denial::Refused)?;
        if folders.iter().any(|folder| opened.real.starts_with(folder)) { Ok(opened) } else { Err(Denial::Outside) }
    }

    /// The folder of the longest prefix, and what follows it.
    fn mapped<'p>(&self, path: &'p [u8]) -> Option<(&PathBuf, &'p [u8])> {
        let matching = self.prefixes.iter().filter_map(|(prefix, folder)| {
            path.strip_prefix(prefix.as_bytes()).map(|rest| (prefix.len(), folder, rest))
        });
        matching.max_by_key(|(length, ..)| *length).map(|(_, folder, rest)| (folder, rest))
    }
}

/// What a script wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Plain(Vec<u8>),
    Accel(Vec<u8>),
}

/// Why it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denial {
    NotConfigured,
    NotMapped,
    NotAbsolute,
    Outside,
    Refused(Refusal),
}

impl Denial {
    fn reason(self) -> &'static str {
        match self {
            Self::NotConfigured => "app.sendfile names no folder: files that PHP names are not sent",
            Self::NotMapped => "no prefix of app.accel begins this path",
            Self::NotAbsolute => "the value is no absolute path",
            Self::Outside => "the file lies outside of every folder that is allowed",
            Self::Refused(Refusal::Storage) => "the system could not open the file",
            Self::Refused(_) => "there is no such regular file, or it may not be read",
        }
    }
}

/// Takes the wish out of a response, if it has one, and answers it.
///
/// # Errors
/// The response itself if PHP wants nothing to be sent; it has neither field then.
pub(super) fn answer(
    sendfile: &Sendfile,
    mut response: job::Response,
    parts: &Parts,
    request_id: &str,
) -> Result<Result<Response<Body>, Refusal>, job::Response> {
    let Some(wish) = take_wish(&mut response.head) else { return Err(response) };
    // 204 and 304 have no body, whatever the script wishes.
    if matches!(response.head.status, 204 | 304) {
        return Err(response);
    }
    if let ResponseBody::Stream(pipe) = response.body {
        // The script must not be told that its client has left.
        tokio::spawn(discard(pipe));
    }
    let opened = match sendfile.find(&wish) {
        Ok(opened) => opened,
        Err(denial) => {
            SendfileRefused { request_id, reason: denial.reason(), path: &told(&wish) }.emit();
            let refusal =
                if denial == Denial::Refused(Refusal::Storage) { Refusal::Storage } else { Refusal::NotFound };
            return Ok(Err(refusal));
        }
    };
    let status = StatusCode::from_u16(response.head.status).unwrap_or(StatusCode::OK);
    let headers = kept(&response.head);
    if status == StatusCode::OK && matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(Ok(static_files::send(opened, headers, parts)));
    }
    // Conditions and ranges are about a 200 (RFC 9110 section 13.2.1), and what a POST did is done.
    let mut plain = parts.clone();
    plain.headers.clear();
    if plain.method != Method::HEAD {
        plain.method = Method::GET;
    }
    let mut answer = static_files::send(opened, headers, &plain);
    *answer.status_mut() = status;
    Ok(Ok(answer))
}

/// The script's fields without those that the file decides.
fn kept(head: &job::ResponseHead) -> HeaderMap {
    let mut headers = super::response::legal_headers(head);
    for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_RANGE, header::ACCEPT_RANGES] {
        headers.remove(name);
    }
    headers
}

fn take_wish(head: &mut job::ResponseHead) -> Option<Wish> {
    let mut plain = None;
    let mut accel = None;
    head.headers.retain(|(name, value)| {
        let place = if name.eq_ignore_ascii_case(PLAIN.as_str().as_bytes()) {
            &mut plain
        } else if name.eq_ignore_ascii_case(ACCEL.as_str().as_bytes()) {
            &mut accel
        } else {
            return true;
        };
        *place = Some(value.trim_ascii().to_vec());
        false
    });
    accel.map(Wish::Accel).or(plain.map(Wish::Plain))
}

fn told(wish: &Wish) -> String {
    let (Wish::Plain(value) | Wish::Accel(value)) = wish;
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        base: PathBuf,
        sendfile: Sendfile,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().canonicalize().expect("it exists");
        for name in ["files/deep", "files2", "other"] {
            fs::create_dir_all(base.join(name)).expect("a folder");
        }
        for name in ["files/a b.txt", "files/deep/c.txt", "files2/d.txt", "other/secret.txt"] {
            fs::write(base.join(name), "x").expect("a file");
        }
        symlink(base.join("other/secret.txt"), base.join("files/leak.txt")).expect("a link");
        symlink(base.join("other"), base.join("files/leak")).expect("a link");
        symlink(base.join("files/deep"), base.join("files/inside")).expect("a link");
        let prefixes =
            vec![("/protected/".to_owned(), base.join("files")), ("/protected/two/".to_owned(), base.join("files2"))];
        let sendfile = Sendfile { folders: vec![base.join("files")], prefixes };
        Place { _folder: folder, base, sendfile }
    }

    fn found(place: &Place, wish: &Wish) -> Result<String, Denial> {
        let opened = place.sendfile.find(wish)?;
        Ok(opened.real.strip_prefix(&place.base).expect("inside").display().to_string())
    }

    #[test]
    fn files_by_name() {
        let place = place();
        let missing = Err(Denial::Refused(Refusal::NotFound));
        let cases: [(&str, Result<&str, Denial>); 12] = [
            ("BASE/files/a b.txt", Ok("files/a b.txt")),
            ("BASE/files/deep/c.txt", Ok("files/deep/c.txt")),
            ("BASE/files/inside/c.txt", Ok("files/deep/c.txt")),
            ("BASE/files/deep/../a b.txt", Ok("files/a b.txt")),
            ("BASE/files/../other/secret.txt", Err(Denial::Outside)),
            ("BASE/files/leak.txt", Err(Denial::Outside)),
            ("BASE/files/leak/secret.txt", Err(Denial::Outside)),
            ("BASE/files2/d.txt", Err(Denial::Outside)),
            ("BASE/files", missing),
            ("BASE/files/a%20b.txt", missing),
            ("files/a b.txt", Err(Denial::NotAbsolute)),
            ("/etc/passwd", Err(Denial::Outside)),
        ];
        for (value, expected) in cases {
            let value = value.replace("BASE", &place.base.display().to_string()).into_bytes();
            let got = found(&place, &Wish::Plain(value.clone()));
            assert_eq!(got.as_deref().map_err(|denial| *denial), expected, "{}", value.escape_ascii());
        }
        assert_eq!(found(&place, &Wish::Plain(b"/etc/passwd\0.txt".to_vec())), Err(Denial::Refused(Refusal::NotFound)));
        let off = Place { sendfile: Sendfile::default(), ..place };
        assert_eq!(found(&off, &Wish::Plain(b"/etc/passwd".to_vec())), Err(Denial::NotConfigured));
    }

    #[test]
    fn files_by_a_mapped_path() {
        let place = place();
        let missing = Err(Denial::Refused(Refusal::NotFound));
        let cases: [(&str, Result<&str, Denial>); 15] = [
            ("/protected/a%20b.txt", Ok("files/a b.txt")),
            ("/protected/a b.txt", Ok("files/a b.txt")),
            ("%2Fprotected%2fdeep%2Fc.txt", Ok("files/deep/c.txt")),
            ("/protected/deep/c.txt?x=1", Ok("files/deep/c.txt")),
            ("/protected//deep/./c.txt", Ok("files/deep/c.txt")),
            ("/protected/two/d.txt", Ok("files2/d.txt")),
            ("/protected/two/../deep/c.txt", Ok("files/deep/c.txt")),
            ("/protected/../files2/d.txt", Err(Denial::NotMapped)),
            ("/protected/%2e%2e/other/secret.txt", Err(Denial::NotMapped)),
            ("/protected/../../etc/passwd", Err(Denial::Outside)),
            ("/protected/a%00.txt", Err(Denial::Outside)),
            ("/protected/leak.txt", Err(Denial::Outside)),
            ("/protected/missing.txt", missing),
            ("@named", Err(Denial::NotAbsolute)),
            ("/index.php", Err(Denial::NotMapped)),
        ];
        for (value, expected) in cases {
            let got = found(&place, &Wish::Accel(value.into()));
            assert_eq!(got.as_deref().map_err(|denial| *denial), expected, "{value}");
        }
    }

    #[test]
    fn clients_cannot_say_what_the_server_understands() {
        let mut headers = HeaderMap::new();
        headers.insert(TYPE, HeaderValue::from_static("X-Sendfile"));
        headers.insert(MAPPING, HeaderValue::from_static("/=/"));
        Sendfile::default().announce(&mut headers);
        assert!(headers.is_empty(), "{headers:?}");
        let prefixes = vec![("/p/".to_owned(), PathBuf::from("/srv/a b")), ("/q/".to_owned(), PathBuf::from("/q"))];
        let mut sendfile = Sendfile { folders: vec!["/srv".into()], prefixes };
        sendfile.announce(&mut headers);
        assert_eq!(headers[TYPE], "X-Accel-Redirect");
        assert_eq!(headers[MAPPING], "\"/srv/a b/\"=\"/p/\", \"/q/\"=\"/q/\"");
        sendfile.prefixes.clear();
        sendfile.announce(&mut headers);
        assert_eq!((headers.get(MAPPING), &headers[TYPE]), (None, &HeaderValue::from_static("X-Sendfile")));
    }
}
