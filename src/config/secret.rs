//! What must not be shown: values whose names promise a secret, and passwords in addresses.

#![forbid(unsafe_code)]

/// Stands where a secret was.
pub(super) const REDACTED: &str = "[REDACTED]";

/// Names that contain one of these hold secrets.
const PARTS: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "token", "signature", "credential", "apikey", "private"];
/// Names of which one word is one of these hold secrets.
const WORDS: [&str; 11] = ["key", "pass", "pwd", "auth", "authorization", "pin", "otp", "ssn", "cvv", "cvc", "salt"];

/// Whether a value of this name is not to be shown.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    PARTS.iter().any(|part| name.contains(part)) || name.split(['_', '.', '-']).any(|word| WORDS.contains(&word))
}

/// The value as it may be shown: nothing of a secret, no password of an address.
pub(super) fn shown(name: &str, value: &str) -> String {
    if is_secret(name) { REDACTED.to_owned() } else { without_passwords(value) }
}

/// `scheme://user:password@host` without the password; anything else as it is.
pub(super) fn without_passwords(value: &str) -> String {
    let Some(start) = value.find("://").map(|at| at + 3) else { return value.to_owned() };
    // A password may hold an `@` that was not encoded: the last one before the path ends it.
    let until = |ends: &[char]| value[start..].find(ends).map_or(value.len(), |at| start + at);
    let mut end = until(&['/', '?', '#', ' ', ',', '"']);
    let port = value[start..end].rsplit([']', ':']).next().unwrap_or_default();
    if value[start..end].contains(':')
        && !value[start..end].contains('@')
        && !port.bytes().all(|byte| byte.is_ascii_digit())
    {
        // No port: the beginning of a password with a slash that was not encoded.
        end = until(&[' ', ',', '"']);
    }
    let Some(at) = value[start..end].rfind('@').map(|at| start + at) else { return value.to_owned() };
    let user = value[start..at].split_once(':').map_or(REDACTED.to_owned(), |(user, _)| format!("{user}:{REDACTED}"));
    format!("{}{user}{}", &value[..start], without_passwords(&value[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_by_name_and_by_form() {
        let cases = [
            ("APP_ENV", "prod", "prod"),
            ("APP_SECRET", "x", REDACTED),
            ("STRIPE_API_KEY", "x", REDACTED),
            ("MONKEY", "x", "x"),
            ("server.keepalive_timeout", "1s", "1s"),
            ("guard.token", "x", REDACTED),
            ("DATABASE_URL", "mysql://app:s3cret@db:3306/shop?x=1", "mysql://app:[REDACTED]@db:3306/shop?x=1"),
            ("DATABASE_URL", "mysql://app:s3@cret@db/shop", "mysql://app:[REDACTED]@db/shop"),
            ("DSN", "redis://token@cache", "redis://[REDACTED]@cache"),
            ("DSN", "redis://cache:6379", "redis://cache:6379"),
            ("DSN", "mysql://app:s3/c?r#et@db/shop", "mysql://app:[REDACTED]@db/shop"),
            ("URL", "http://[::1]:80/a@b", "http://[::1]:80/a@b"),
            ("URL", "http://[::1]/a@b", "http://[::1]/a@b"),
            (
                "URL",
                "\"http://a:s3cret@h\" is no address of http://h/a@b",
                "\"http://a:[REDACTED]@h\" is no address of http://h/a@b",
            ),
            ("TWO", "amqp://a:b@c/d,amqp://e:f@g", "amqp://a:[REDACTED]@c/d,amqp://e:[REDACTED]@g"),
            ("MAIL", "somebody@example.org", "somebody@example.org"),
        ];
        for (name, value, expected) in cases {
            assert_eq!(shown(name, value), expected, "{name}={value}");
        }
    }
}
