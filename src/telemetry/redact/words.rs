//! Texts in somebody's own words, without the secrets of addresses, of queries and DSNs, and of what is called by the name of a secret.
//!
//! A name counts where something that is no sentence stands behind it: `=`, `:` or `=>`. Rather a word too much is hidden than one too
//! few: `token: expired` loses its end.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::{LONGEST_NAME, REDACTED, decoded, is_secret, plain, url};

/// Names of secrets that are words of many a sentence: `exit code: 1`, `array key: page`. They count in a query, in quotes and in brackets.
const PROSE: [&str; 2] = ["code", "key"];
/// Fields whose values have blanks in them: `Bearer x`, `a=x; b=y`.
const LINES: [&str; 4] = ["authorization", "proxyauthorization", "cookie", "setcookie"];
/// What MySQL says of a password that was refused: `using password: YES`.
const ANSWERS: [&str; 2] = ["YES", "NO"];
/// How far behind a comma the next name is looked for. A bound, because each comma is looked at.
const AHEAD: usize = 64;
const QUOTES: [char; 3] = ['"', '\'', '`'];

/// A text in somebody's own words, without the secrets in it.
pub fn words(text: &str) -> Cow<'_, str> {
    shown(text, true)
}

/// The same of a text that is an address, or a part of one.
pub(super) fn fields(text: &str) -> Cow<'_, str> {
    shown(text, false)
}

fn shown(text: &str, has_addresses: bool) -> Cow<'_, str> {
    let mut out = String::new();
    // What is in `out`, and from where on the next sign is looked for.
    let (mut done, mut from) = (0, 0);
    while let Some(sign) = text[from..].find(['=', ':']).map(|at| from + at) {
        if has_addresses && text[sign..].starts_with(MARK) {
            let address = address_at(text, done, sign);
            out.push_str(&text[done..address.start]);
            out.push_str(&shown_address(&text[address.clone()]));
            (done, from) = (address.end, address.end);
        } else if let Some(secret) = secret_at(text, done, sign) {
            out.push_str(&text[done..secret.start]);
            out.push_str(REDACTED);
            (done, from) = (secret.end, secret.end);
        } else {
            from = sign + text[sign..].bytes().take_while(|byte| *byte == text.as_bytes()[sign]).count();
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

const MARK: &str = "://";

/// Where the address is that has its mark at `mark`, and begins no earlier than at `least`.
fn address_at(text: &str, least: usize, mark: usize) -> std::ops::Range<usize> {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let start = mark - trailing(&text[least..mark], is_scheme).len();
    let after = mark + MARK.len();
    let is_blank = |c: char| c.is_whitespace() || c.is_control();
    let is_sign = |c: char| QUOTES.contains(&c) || matches!(c, '<' | '>' | '\\');
    // In the midst of a word it is a sign of the address.
    let is_end = |(at, c): &(usize, char)| {
        is_blank(*c) || is_sign(*c) && !text[after + at + 1..].starts_with(char::is_alphanumeric)
    };
    let end = text[after..].char_indices().find(is_end).map_or(text.len(), |(at, _)| after + at);
    // What looks like the end may be a sign of a password. The next address is another one.
    let stops = |(at, c): &(usize, char)| is_blank(*c) || text[end + at..].starts_with(MARK);
    let next = text[end..].char_indices().find(stops).map_or(text.len(), |(at, _)| end + at);
    let may_be_password = !text[after..end].contains(['/', '?', '#']) || begins_password(&text[after..end]);
    start..if may_be_password && text[end..next].contains('@') { next } else { end }
}

/// Whether what stands there in place of a port is none.
fn begins_password(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority.rsplit(']').next().and_then(|behind| behind.split_once(':'));
    port.is_some_and(|(_, port)| !port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn shown_address(address: &str) -> Cow<'_, str> {
    let rest = address.split_once(MARK).map_or(address, |(_, rest)| rest);
    match rest.contains(['@', '?', '#', ';', '=']) || begins_password(rest) {
        true => Cow::Owned(url(address)),
        false => Cow::Borrowed(address),
    }
}

/// What ends a text and consists of such characters.
fn trailing(text: &str, is_such: impl Fn(char) -> bool) -> &str {
    let start = text.rfind(|c| !is_such(c)).map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    &text[start..]
}

/// What a value is called.
struct Name<'t> {
    text: &'t str,
    /// In quotes.
    is_quoted: bool,
    /// What stands in front of it.
    front: Option<char>,
}

impl<'t> Name<'t> {
    /// The name at the end of a text: `name`, `"name"`, `\"name\"`, `["name"]`, `[name]`.
    fn before(text: &'t str) -> Option<Self> {
        let text = text.trim_end_matches([' ', '\t']);
        let inner = text.strip_suffix(']').filter(|inner| inner.ends_with(QUOTES)).unwrap_or(text);
        if let Some(quote) = inner.chars().next_back().filter(|last| QUOTES.contains(last)) {
            let inner = inner[..inner.len() - 1].trim_end_matches('\\');
            let text = trailing(inner, |c| c != quote);
            let is_name = text.len() < inner.len() && text.len() <= LONGEST_NAME;
            return is_name.then_some(Self { text, is_quoted: true, front: None });
        }
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']' | '%' | '+');
        let name = trailing(text, is_name);
        let front = text[..text.len() - name.len()].chars().next_back();
        (!name.is_empty()).then_some(Self { text: name, is_quoted: false, front })
    }

    fn is_secret(&self) -> bool {
        let is_encoded = self.text.contains(['%', '+']);
        let name = if is_encoded { Cow::Owned(decoded(self.text)) } else { Cow::Borrowed(self.text) };
        let is_clear = self.is_quoted || name.starts_with('[') || matches!(self.front, Some('?' | '&' | ';' | ':'));
        is_secret(&name) && (is_clear || !PROSE.contains(&plain(&name).as_str()))
    }

    /// Whether the value goes to the end of the line.
    fn has_line(&self) -> bool {
        let name = plain(self.text.trim_matches(['[', ']']));
        LINES.contains(&name.strip_prefix("http").unwrap_or(&name))
    }
}

/// The value behind the sign if it is one of a secret. The name begins no earlier than at `least`.
fn secret_at(text: &str, least: usize, sign: usize) -> Option<std::ops::Range<usize>> {
    let (before, is_colon) = (&text[least..sign], text[sign..].starts_with(':'));
    let is_arrow = text[sign..].starts_with("=>");
    let behind = &text[sign + if is_arrow { 2 } else { 1 }..];
    let name = Name::before(before)?;
    // `Token::of()`; `/src/Token.php:7` and `App\Token: ...` are places and classes.
    let is_place = matches!(name.front, Some('/' | '\\'))
        || name.text.contains('.') && behind.starts_with(|c: char| c.is_ascii_digit());
    if is_colon && (behind.starts_with(':') || is_place && !name.is_quoted) || !name.is_secret() {
        return None;
    }
    let is_query = matches!(name.front, Some('?' | '&')) && !before.ends_with([' ', '\t']);
    let value = match (is_arrow, is_query) {
        (true, _) => without_type(behind.trim_start()),
        (false, true) => behind,
        (false, false) => behind.trim_start_matches([' ', '\t']),
    };
    let backslashes = value.bytes().take_while(|byte| *byte == b'\\').count();
    let (skipped, length) = match value[backslashes..].chars().next() {
        Some(quote) if QUOTES.contains(&quote) => {
            (backslashes + 1, quoted(&value[backslashes + 1..], quote, backslashes))
        }
        _ if name.has_line() && !is_query => (0, line(value, name.front.filter(|front| QUOTES.contains(front)))),
        _ if !is_query && opens(value) => (0, nested(value)),
        _ if is_arrow => (0, line(value, None).min(value.find(" [").unwrap_or(value.len()))),
        _ => (0, bare(value)),
    };
    let start = text.len() - value.len() + skipped;
    let hidden = &text[start..start + length];
    let is_answer = ANSWERS.contains(&hidden.trim_end_matches([')', '.']));
    (!hidden.is_empty() && !is_answer).then_some(start..start + length)
}

/// What `var_dump` tells of a text before it: `string(6) "..."`.
fn without_type(value: &str) -> &str {
    let text = value.strip_prefix("string(").and_then(|rest| rest.split_once(") "));
    text.filter(|(length, _)| length.bytes().all(|byte| byte.is_ascii_digit())).map_or(value, |(_, text)| text)
}

/// Length of what stands in quotes; all there is if they do not end. `backslashes` stand before the first: the text is in quotes itself.
fn quoted(value: &str, quote: char, backslashes: usize) -> usize {
    let mut from = 0;
    while let Some(at) = value[from..].find(quote).map(|at| from + at) {
        let escapes = value[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        let is_doubled = quote == '\'' && value[at + 1..].starts_with(quote);
        if is_doubled {
            from = at + 2;
        } else if escapes == backslashes || backslashes == 0 && escapes % 2 == 0 {
            return at - backslashes;
        } else {
            from = at + 1;
        }
    }
    value.len()
}

/// Length of the line, or of what stands in the quotes around it.
fn line(value: &str, quote: Option<char>) -> usize {
    value.find(|c| matches!(c, '\n' | '\r') || Some(c) == quote).unwrap_or(value.len())
}

/// Whether a list begins: of JSON, of PHP.
fn opens(value: &str) -> bool {
    let list = value.strip_prefix("Array").or_else(|| value.strip_prefix("array")).map(str::trim_start);
    list.map_or_else(|| value.starts_with(['{', '[']), |list| list.starts_with('('))
}

/// Length of a list with all that is in it; all there is if it does not end.
fn nested(value: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in value.char_indices() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' if depth <= 1 => return at + 1,
            '}' | ']' | ')' => depth -= 1,
            _ => {}
        }
    }
    value.len()
}

/// Length of what stands there without quotes.
fn bare(value: &str) -> usize {
    // `Bearer x`
    let scheme = value.find(' ').filter(|at| {
        let word = &value[..*at];
        ["basic", "bearer", "digest", "token"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
    });
    let from = scheme.map_or(0, |at| at + 1);
    let is_end = |(at, c): (usize, char)| {
        let behind = &value[from + at + c.len_utf8()..];
        match c {
            '&' | ';' | '}' => true,
            // In the midst of a word it is a sign of it.
            '"' | '\'' | '`' | '<' | '>' => !behind.starts_with(char::is_alphanumeric),
            ',' => {
                let next: Option<char> = behind.chars().next();
                let mut word = behind.char_indices().take_while(|(at, c)| *at < AHEAD && !c.is_whitespace());
                next.is_none_or(|c| c.is_whitespace() || QUOTES.contains(&c))
                    || word.any(|(_, c)| matches!(c, '=' | ':'))
            }
            c => c.is_whitespace() || c.is_control(),
        }
    };
    let end = value[from..].char_indices().find(|sign| is_end(*sign)).map(|(at, _)| from + at);
    end.unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_copied_without_need() {
        for text in
            ["no sign", "PHP Warning:  Undefined array key \"page\" in /src/Token.php:7", "a=1, b: 2", "https://h/p"]
        {
            assert!(text.contains("https") || matches!(words(text), Cow::Borrowed(_)), "{text}");
            assert_eq!(words(text), text);
        }
    }

    #[test]
    fn sentences_stay() {
        let cases = [
            "no address",
            "open php://input and 'file:///x y'",
            "://",
            "é=ü ended with code=5, a==b",
            "exit code: 1, array key: page",
            "at App\\Security\\Token::of() in /app/src/Token.php:7",
            "Token.php:7",
            "Uncaught App\\InvalidToken: it has expired",
            "Access denied for user 'u'@'h' (using password: YES)",
            "Enter password:",
            "the token is gone",
        ];
        for text in cases {
            assert_eq!(words(text), text);
        }
    }

    #[test]
    fn addresses() {
        let cases = [
            ("é(mysql://u:s3cret@db/x) failed", "é(mysql://db/x) failed"),
            (
                "two: redis://s3cret@a https://b/?token=s3cret\nnext",
                "two: redis://a/ https://b/?token=[REDACTED]\nnext",
            ),
            ("mysql://u:pa's3cret@db/x gone", "mysql://db/x gone"),
            ("mysql://u:a<s3cret@db/x", "[REDACTED]"),
            ("mysql://u:a/b\"s3cret@db/x", "[REDACTED]"),
            ("mysql://u:a'.s3cret@db/x", "mysql://db/x"),
            ("[\"http://h\",\"mysql://u:s3cret@db/x\"]", "[\"http://h\",\"mysql://db/x\"]"),
            ("https://h/p;token=s3cret gone", "https://h/p;token=[REDACTED] gone"),
            ("https://h/p;token=s3cret;v=1?a=1", "https://h/p;token=[REDACTED];v=1?a=1"),
            ("https://h/https://u:s3cret@g/", "[REDACTED]"),
            ("token=https://h/s3cret", "token=[REDACTED]"),
        ];
        for (given, expected) in cases {
            assert_eq!(words(given), expected, "{given}");
        }
    }

    #[test]
    fn queries_and_dsns() {
        let cases = [
            (
                "PDO: mysql:host=db;password=s3cret;port=1 failed",
                "PDO: mysql:host=db;password=[REDACTED];port=1 failed",
            ),
            ("mysql:password=s3cret", "mysql:password=[REDACTED]"),
            ("mysql:host=db; password=s3cret", "mysql:host=db; password=[REDACTED]"),
            ("pgsql:host=h port=1 password=s3,cret user=u", "pgsql:host=h port=1 password=[REDACTED] user=u"),
            ("pgsql:host=h password='it''s \\' s3cret' a", "pgsql:host=h password='[REDACTED]' a"),
            ("oci:dbname=//h:1/x;password = s3cret", "oci:dbname=//h:1/x;password = [REDACTED]"),
            ("sqlsrv:Server=h;PWD=pa's3cret;x=1", "sqlsrv:Server=h;PWD=[REDACTED];x=1"),
            ("no route for \"/x?a=1&token=s3cret&b=2\"", "no route for \"/x?a=1&token=[REDACTED]&b=2\""),
            ("/x?to%6ben=s3cret http://h/é", "/x?to%6ben=[REDACTED] http://h/é"),
            ("/x?code=s3cret", "/x?code=[REDACTED]"),
            ("/x?token= next", "/x?token= next"),
        ];
        for (given, expected) in cases {
            assert_eq!(words(given), expected, "{given}");
        }
    }

    #[test]
    fn what_is_called_by_the_name_of_a_secret() {
        let cases = [
            ("Authorization: Bearer s3cret", "Authorization: [REDACTED]"),
            ("authorization: Own s3cret, a=\"s3cret\"\nHost: h", "authorization: [REDACTED]\nHost: h"),
            ("curl -H 'Authorization: Basic s3cret' h", "curl -H 'Authorization: [REDACTED]' h"),
            ("Cookie: a=s3cret; b=s3cret\nnext", "Cookie: [REDACTED]\nnext"),
            ("X-Api-Key: s3cret, X-Other: a", "X-Api-Key: [REDACTED], X-Other: a"),
            ("X-Auth-Token:Bearer s3cret end", "X-Auth-Token:[REDACTED] end"),
            ("{\"password\":\"s3cret\",\"a\":1}", "{\"password\":\"[REDACTED]\",\"a\":1}"),
            ("{\"password\" : \"a\\\"s3cret\" }", "{\"password\" : \"[REDACTED]\" }"),
            ("{\\\"password\\\":\\\"s3cret\\\",\\\"a\\\":1}", "{\\\"password\\\":\\\"[REDACTED]\\\",\\\"a\\\":1}"),
            (
                "{\"pin\":s3cret,\"tokens\":[\"s3cret\",{\"s3cret\":1}]} end",
                "{\"pin\":[REDACTED],\"tokens\":[REDACTED]} end",
            ),
            ("{\"password\":\"s3cret", "{\"password\":\"[REDACTED]"),
            (
                "{'password': 's3cret', key: s3, 'key': 's3cret'}",
                "{'password': '[REDACTED]', key: s3, 'key': '[REDACTED]'}",
            ),
            ("login password=s3cret, user=u", "login password=[REDACTED], user=u"),
            ("{password=s3cret,user=u} {token:s3cret}", "{password=[REDACTED],user=u} {token:[REDACTED]}"),
            ("--password=s3cret --user=u", "--password=[REDACTED] --user=u"),
            ("$password = 's3cret';", "$password = '[REDACTED]';"),
            ("Array\n(\n [password] => my s3cret\n [a] => b\n)", "Array\n(\n [password] => [REDACTED]\n [a] => b\n)"),
            ("[password] => s3cret [a] => b", "[password] => [REDACTED] [a] => b"),
            ("'password' => 's3cret', 'a' => 'b'", "'password' => '[REDACTED]', 'a' => 'b'"),
            ("[secrets] => Array\n(\n [0] => s3cret\n)\nend", "[secrets] => [REDACTED]\nend"),
            ("[\"pin\"]=>\n  string(6) \"s3cret\"\n}", "[\"pin\"]=>\n  string(6) \"[REDACTED]\"\n}"),
            ("token: expired again", "token: [REDACTED] again"),
            ("password=[REDACTED] end", "password=[REDACTED] end"),
        ];
        for (given, expected) in cases {
            assert_eq!(words(given), expected, "{given}");
        }
    }

    /// However often a sign stands there, each is looked at once.
    #[test]
    fn long_texts_take_no_time() {
        for part in ["password=,", "token:'", "http://h'", "\"a\":", "password=\\'", ",", "[x] => ", "key::"] {
            let text = part.repeat(1 << 12);
            let begun = std::time::Instant::now();
            assert!(!words(&text).is_empty() && begun.elapsed().as_secs() < 10, "{part}");
        }
    }
}
