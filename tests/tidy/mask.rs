//! Rust source with comments and literals blanked out: what is left is code, line for line.

/// Replaces the content of comments, strings and characters by spaces. Lines and columns stay.
pub(crate) fn code_of(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at).unwrap_or(at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        out.extend(bytes[at..end].iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }));
        at = end;
    }
    String::from_utf8(out).expect("only whole literals were blanked")
}

/// Where a comment or literal that starts at `at` ends; `None` if none starts there.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return Some(at + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return Some(at + block_comment(rest));
    }
    if at > 0 && is_word(bytes[at - 1]) {
        return None;
    }
    let prefix = rest.iter().take_while(|&&byte| matches!(byte, b'b' | b'c' | b'r')).count();
    let hashes = rest[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    if prefix <= 2 && rest[..prefix].ends_with(b"r") && rest.get(prefix + hashes) == Some(&b'"') {
        return Some(at + raw_string(rest, prefix + hashes + 1, hashes));
    }
    match rest.get(prefix) {
        Some(b'"') if prefix <= 1 => Some(at + quoted(rest, prefix + 1, b'"')),
        Some(b'\'') if prefix <= 1 && is_character(&rest[prefix + 1..]) => Some(at + quoted(rest, prefix + 1, b'\'')),
        _ => None,
    }
}

/// A character, not a lifetime: an escape, or a closing quote after one character.
fn is_character(after_quote: &[u8]) -> bool {
    match after_quote.first() {
        Some(b'\\') => true,
        Some(first) => {
            let width = match first {
                0x00..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xff => 4,
            };
            after_quote.get(width) == Some(&b'\'')
        }
        None => false,
    }
}

fn quoted(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn raw_string(bytes: &[u8], start: usize, hashes: usize) -> usize {
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let found = bytes[start..].windows(close.len()).position(|window| window == close);
    found.map_or(bytes.len(), |position| start + position + close.len())
}

fn block_comment(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// A part of a name.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The positions of a whole word in code.
pub(crate) fn words(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let free = |at: Option<&u8>| at.is_none_or(|&byte| !is_word(byte));
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| free(at.checked_sub(1).and_then(|before| bytes.get(before))) && free(bytes.get(at + word.len())))
        .collect()
}

/// Number of the line of a position, from 1.
pub(crate) fn line_of(text: &str, position: usize) -> usize {
    text[..position].matches('\n').count() + 1
}

#[test]
fn comments_and_literals_are_blanked() {
    let cases = [
        ("let a = 1; // unsafe", "let a = 1;          "),
        ("/* a /* unsafe */ b */ x", "                       x"),
        ("f(\"un\\\"safe\", y)", "f(             , y)"),
        ("r#\"unsafe \" \"# z", "                z"),
        ("b\"x\" + c\"y\" + br\"z\"", "     +      +      "),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("['\"', 'a', '\\'', 'é']", "[   ,    ,     ,   ]"),
        ("number == br", "number == br"),
    ];
    for (source, expected) in cases {
        let code = code_of(source);
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&code), squeezed(expected), "{source}");
        assert_eq!(code.len(), source.len(), "{source}");
    }
}

#[test]
fn words_are_whole() {
    assert_eq!(words("unsafe unsafe_code (unsafe) my_unsafe", "unsafe"), [0, 20]);
}
