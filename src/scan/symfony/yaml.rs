//! A YAML file as a tree, as far as a list of services needs it.

#![forbid(unsafe_code)]

use saphyr_parser::{Event, Parser};

/// Deeper, a file is left aside: a list of services has five or six levels.
const DEEPEST: usize = 64;

/// A value. Tags and anchors mean nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Self::Map(entries) = self { entries } else { &[] }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// A text or a list of texts.
    pub(super) fn texts(&self) -> Vec<String> {
        let one = self.text().into_iter();
        one.chain(self.items().iter().filter_map(Self::text)).map(str::to_owned).collect()
    }
}

/// Reads the first document; none if the text is no YAML.
pub(super) fn read(text: &str) -> Option<Node> {
    let mut open: Vec<(Node, Option<String>)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.ok()?;
        let done = match event {
            Event::Scalar(value, ..) => Node::Text(value.into_owned()),
            Event::Alias(_) => Node::Text(String::new()),
            Event::SequenceStart(..) => {
                open.push((Node::List(Vec::new()), None));
                if open.len() > DEEPEST {
                    return None;
                }
                continue;
            }
            Event::MappingStart(..) => {
                open.push((Node::Map(Vec::new()), None));
                if open.len() > DEEPEST {
                    return None;
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop()?.0,
            _ => continue,
        };
        match open.last_mut() {
            None => return Some(done),
            Some((Node::List(items), _)) => items.push(done),
            Some((Node::Map(entries), key)) => match key.take() {
                Some(name) => entries.push((name, done)),
                None => *key = Some(if let Node::Text(text) = done { text } else { String::new() }),
            },
            Some((Node::Text(_), _)) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees() {
        let node = read("a: &x { b: [1, 'two', !tag three] }\nc: *x\n? [k]\n: v\n").expect("YAML");
        let list = node.get("a").and_then(|a| a.get("b")).expect("it is there");
        assert_eq!(list.texts(), ["1", "two", "three"]);
        assert_eq!(node.get("c"), Some(&Node::Text(String::new())));
        assert_eq!(node.get(""), Some(&Node::Text("v".to_owned())));
        assert_eq!(read("plain"), Some(Node::Text("plain".to_owned())));
        for text in ["", "a: [", "\t- x: :", "a: b: c"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn depth_has_an_end() {
        assert!(read(&format!("{}{}", "[".repeat(60), "]".repeat(60))).is_some());
        assert_eq!(read(&"[".repeat(100_000)), None);
        assert_eq!(read(&"{a: ".repeat(1000)), None);
    }
}
