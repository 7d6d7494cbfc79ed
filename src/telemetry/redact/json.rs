//! JSON without the values of secrets, at any depth. Order and form of the rest stay.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{REDACTED, is_secret, plain, query, referrer, url, words};
use crate::telemetry::escape;

/// The same text without secrets, as one line; only a word in its place if it is no JSON, or deeper than anybody nests (128 levels).
pub fn json(text: &str) -> String {
    copy(text).unwrap_or_else(|| format!("\"{REDACTED}\""))
}

fn copy(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut reader = serde_json::Deserializer::from_str(text);
    let copied = Copy { out: &mut out, shape: Shape::Words }.deserialize(&mut reader).and_then(|()| reader.end());
    copied.ok().map(|()| out)
}

/// A value that is JSON or a form itself, without the values of secrets; `None` if it is neither. One that was cut short is no JSON
/// any more, and not shown.
fn nested(text: &str) -> Option<String> {
    if text.trim_start().starts_with(['{', '[']) && text.contains('"') {
        return Some(copy(text).unwrap_or_else(|| REDACTED.to_owned()));
    }
    let is_form = !text.contains(char::is_whitespace)
        && text.split('&').all(|pair| pair.contains('='))
        && text.split('&').any(|pair| pair.split_once('=').is_some_and(|(name, _)| is_secret(name)));
    is_form.then(|| query(text))
}

/// What a text is, as its name tells.
#[derive(Clone, Copy)]
enum Shape {
    Words,
    Query,
    Referrer,
}

impl Shape {
    fn of(name: &str) -> Self {
        match plain(name).as_str() {
            "querystring" | "query" => Self::Query,
            "referer" | "referrer" | "httpreferer" => Self::Referrer,
            _ => Self::Words,
        }
    }

    fn shown<'t>(self, text: &'t str) -> Cow<'t, str> {
        match self {
            Self::Query => Cow::Owned(query(text)),
            Self::Referrer => Cow::Owned(referrer(text)),
            // The target of a request.
            Self::Words if text.starts_with('/') && text.contains('?') => Cow::Owned(url(text)),
            Self::Words => nested(text).map_or_else(|| words(text), Cow::Owned),
        }
    }
}

/// Copies one value.
struct Copy<'a> {
    out: &'a mut String,
    shape: Shape,
}

impl Copy<'_> {
    fn text(&mut self, text: &str) -> Result<(), fmt::Error> {
        escape::json(self.out, text)
    }
}

impl<'de> DeserializeSeed<'de> for Copy<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Copy<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.out.push_str("null");
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<(), E> {
        self.out.push_str(if truth { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<(), E> {
        self.out.push_str(&number.to_string());
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        self.out.push_str(&number.to_string());
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        self.out.push_str(&serde_json::to_string(&number).map_err(E::custom)?);
        Ok(())
    }

    fn visit_str<E: de::Error>(mut self, text: &str) -> Result<(), E> {
        let shown = self.shape.shown(text);
        self.text(&shown).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.out.push('[');
        let start = self.out.len();
        loop {
            let end = self.out.len();
            if end > start {
                self.out.push(',');
            }
            if list.next_element_seed(Copy { out: self.out, shape: self.shape })?.is_none() {
                self.out.truncate(end);
                self.out.push(']');
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.out.push('{');
        let start = self.out.len();
        // `{"name": "token", "value": "..."}`, in either order.
        let (mut names_secret, mut named) = (false, None);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if self.out.len() > start {
                self.out.push(',');
            }
            self.text(&name).map_err(de::Error::custom)?;
            self.out.push(':');
            if is_secret(&name) {
                map.next_value::<IgnoredAny>()?;
                self.text(REDACTED).map_err(de::Error::custom)?;
            } else {
                let from = self.out.len();
                map.next_value_seed(Copy { out: self.out, shape: Shape::of(&name) })?;
                match plain(&name).as_str() {
                    "name" => names_secret |= is_secret(self.out[from..].trim_matches('"')),
                    "value" => named = Some(from..self.out.len()),
                    _ => {}
                }
            }
        }
        if let Some(value) = named.filter(|_| names_secret) {
            self.out.replace_range(value, &format!("\"{REDACTED}\""));
        }
        self.out.push('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_at_any_depth_and_the_rest_stays() {
        let cases = [
            ("{}", "{}"),
            (r#"{"b":1,"a":[1,-2,3.5,null,true,"x"],"e":[]}"#, r#"{"b":1,"a":[1,-2,3.5,null,true,"x"],"e":[]}"#),
            (r#"{"user":{"password":"s3cret","n":1}}"#, r#"{"user":{"password":"[REDACTED]","n":1}}"#),
            (r#"[[{"api-key":["s3cret",{"x":"s3cret"}]}]]"#, r#"[[{"api-key":"[REDACTED]"}]]"#),
            (r#"{"dsn":"mysql://u:s3cret@db/x"}"#, r#"{"dsn":"mysql://db/x"}"#),
            ("{\"a\":\"\\u001b[2J\\n\"}", "{\"a\":\"\\u001b[2J\\n\"}"),
            (
                r#"{"QUERY_STRING":"a=1&pin=s3cret","REQUEST_URI":"/x?pin=s3cret","HTTP_REFERER":"http://h/?a=s3cret"}"#,
                r#"{"QUERY_STRING":"a=1&pin=[REDACTED]","REQUEST_URI":"/x?pin=[REDACTED]","HTTP_REFERER":"http://h/?[REDACTED]"}"#,
            ),
            (
                r#"[{"name":"token","value":"s3cret"},{"value":["s3cret"],"n":1,"name":"PIN"},{"name":"n","value":"x"}]"#,
                r#"[{"name":"token","value":"[REDACTED]"},{"value":"[REDACTED]","n":1,"name":"PIN"},{"name":"n","value":"x"}]"#,
            ),
            (
                r#"{"body":"{\"user\":{\"pin\":\"s3cret\"},\"n\":1}","cut":"{\"pin\":\"s3cr"}"#,
                r#"{"body":"{\"user\":{\"pin\":\"[REDACTED]\"},\"n\":1}","cut":"[REDACTED]"}"#,
            ),
            (
                r#"{"body":"token=s3cret&n=1","dsn":"mysql:host=db;password=s3cret","list":"[1]","b64":"YQ=="}"#,
                r#"{"body":"token=[REDACTED]&n=1","dsn":"mysql:host=db;password=[REDACTED]","list":"[1]","b64":"YQ=="}"#,
            ),
            ("{\"a\":\"s3cret", "\"[REDACTED]\""),
            ("{} {}", "\"[REDACTED]\""),
        ];
        for (given, expected) in cases {
            assert_eq!(json(given), expected, "{given}");
        }
        let deep = format!("{}\"s3cret\"{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(json(&deep), "\"[REDACTED]\"");
    }
}
