//! All classes of a scan, and what each inherits.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};

use super::facts::{Class, Facts, Form, Property};

/// Ancestors of a class that are looked at; more is no inheritance but a loop or a joke.
const MOST_ANCESTORS: usize = 200;

/// The classes by name.
#[derive(Debug, Default)]
pub(super) struct Classes<'f> {
    by_name: HashMap<String, &'f Class>,
    /// Who extends, implements or uses a name, in small letters.
    below: HashMap<String, Vec<&'f Class>>,
}

impl<'f> Classes<'f> {
    pub(super) fn new(all: &'f [Facts]) -> Self {
        let mut classes = Self::default();
        for class in all.iter().flat_map(|facts| &facts.classes) {
            // The first one counts: polyfills declare a class twice.
            classes.by_name.entry(class.name.to_ascii_lowercase()).or_insert(class);
            for above in class.extends.iter().chain(&class.implements).chain(&class.traits) {
                classes.below.entry(above.to_ascii_lowercase()).or_default().push(class);
            }
        }
        classes
    }

    pub(super) fn get(&self, name: &str) -> Option<&'f Class> {
        self.by_name.get(&name.to_ascii_lowercase()).copied()
    }

    /// The class, those it extends and the traits of all of them, nearest first.
    pub(super) fn line(&self, class: &'f Class) -> Vec<&'f Class> {
        let mut line = vec![class];
        let mut at = 0;
        while at < line.len() && line.len() < MOST_ANCESTORS {
            let from = line[at];
            for name in from.traits.iter().chain(&from.extends) {
                if let Some(found) = self.get(name)
                    && !line.iter().any(|known| std::ptr::eq(*known, found))
                {
                    line.push(found);
                }
            }
            at += 1;
        }
        line
    }

    /// Whether a class is one of those that are meant, by the name of anything it extends, implements or is.
    pub(super) fn is_a(&self, class: &'f Class, meant: impl Fn(&str) -> bool) -> bool {
        let mut names: Vec<&str> = vec![&class.name];
        let mut seen: HashSet<String> = HashSet::new();
        while let Some(name) = names.pop() {
            if meant(name) {
                return true;
            }
            if seen.len() < MOST_ANCESTORS
                && seen.insert(name.to_ascii_lowercase())
                && let Some(found) = self.get(name)
            {
                names.extend(found.extends.iter().chain(&found.implements).map(String::as_str));
            }
        }
        false
    }

    /// The concrete classes that extend, implement or use a name, however far.
    pub(super) fn concrete_below(&self, name: &str) -> Vec<&'f Class> {
        let mut found: Vec<&'f Class> = Vec::new();
        let mut names = vec![name.to_ascii_lowercase()];
        let mut seen = HashSet::new();
        while let Some(name) = names.pop() {
            for class in self.below.get(&name).into_iter().flatten() {
                let lower = class.name.to_ascii_lowercase();
                if seen.insert(lower.clone()) {
                    if class.form == Form::Class && !class.is_abstract {
                        found.push(class);
                    }
                    names.push(lower);
                }
            }
        }
        found
    }

    /// Where a property of a class is declared: in it, in a trait or above.
    pub(super) fn property(&self, class: &'f Class, name: &str, is_static: bool) -> Option<(&'f Class, &'f Property)> {
        self.line(class).into_iter().find_map(|class| {
            let found =
                class.properties.iter().find(|property| property.name == name && property.is_static == is_static);
            found.map(|property| (class, property))
        })
    }
}
