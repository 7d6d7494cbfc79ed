//! RS001, RS002 and RS006: what is static.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use super::super::classes::Classes;
use super::super::facts::{Class, Facts, Form, Property, StaticVariable, Value, Way, Write};
use super::super::finding::Finding;
use super::super::rule::{Rule, Severity};
use super::{finding, state};

/// Writes to static properties by class, in small letters, and property.
pub(super) type Writes<'f> = HashMap<(String, &'f str), Vec<&'f Write>>;

/// All writes to static properties, by who declares them.
pub(super) fn writes<'f>(classes: &Classes<'f>, all: &'f [Facts]) -> Writes<'f> {
    let mut found: Writes<'f> = HashMap::new();
    for write in all.iter().flat_map(|facts| &facts.static_writes) {
        let declared = classes.get(&write.class).and_then(|class| classes.property(class, &write.property, true));
        let class = declared.map_or(write.class.as_str(), |(class, _)| class.name.as_str());
        found.entry((class.to_ascii_lowercase(), &write.property)).or_default().push(&write.write);
    }
    found
}

/// How a static place is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Nobody writes to it, or always the same; or a table that is kept short.
    Constant,
    /// It is computed once and the same for all who ask.
    Memo,
    /// The same, with an entry for each key.
    Table,
    /// Whatever the last one left.
    State,
}

fn usage<'w>(writes: impl Iterator<Item = &'w Write>, elsewhere: bool) -> Use {
    let mut found = Use::Constant;
    let mut is_trimmed = false;
    for write in writes.filter(|write| !write.restored) {
        if !write.is_memo(elsewhere) {
            return Use::State;
        }
        is_trimmed |= write.way == Way::Trim;
        if write.value == Value::Constant && !write.way.grows() {
            continue;
        }
        if write.way.grows() {
            found = Use::Table;
        } else if !write.way.shrinks() && found == Use::Constant {
            found = Use::Memo;
        }
    }
    if found == Use::Table && is_trimmed { Use::Constant } else { found }
}

/// What is said of a state: the worst of its writes.
fn worst<'w>(writes: impl Iterator<Item = &'w Write>, elsewhere: bool) -> String {
    let Some(write) = writes.filter(|write| !write.restored).find(|write| !write.is_memo(elsewhere)) else {
        return String::new();
    };
    let what = if write.taint.is_momentary() {
        "keeps something of one request or moment"
    } else {
        match write.way {
            Way::Append => "gets one more entry each time",
            Way::Add | Way::Subtract => "goes on counting from request to request",
            Way::Reference => "is handed out by reference",
            _ if write.taint.has(super::super::facts::Taint::ARGUMENT) => {
                "keeps an argument of whoever called last or first"
            }
            _ => "is overwritten",
        }
    };
    format!("{what} (line {})", write.line)
}

/// RS001 and RS002 of a class.
pub(super) fn properties(classes: &Classes<'_>, class: &Class, writes: &Writes<'_>, add: &mut impl FnMut(Finding)) {
    if class.form == Form::Interface {
        return;
    }
    let none = Vec::new();
    for property in class.properties.iter().filter(|property| property.is_static) {
        let key = (class.name.to_ascii_lowercase(), property.name.as_str());
        let writes = writes.get(&key).unwrap_or(&none);
        let name = format!("${}", property.name);
        if is_singleton(class, property) {
            let (severity, message) = singleton(classes, class, &name);
            add(finding(Rule::Singleton, severity, &property.place, Some(class), &name, message));
            continue;
        }
        let asked = class.asked.contains(&property.name);
        let why = Rule::StaticProperty.why();
        let (severity, message) = match usage(writes.iter().copied(), asked) {
            Use::Constant if !property.is_public => continue,
            Use::Constant => (
                Severity::Warning,
                format!("the static property {name} is public, so that anybody may write to it: {why}"),
            ),
            Use::Memo => (
                Severity::Warning,
                format!("the static property {name} keeps what was computed once, until the worker ends: {why}"),
            ),
            Use::Table => {
                (Severity::Warning, format!("the static property {name} is a table that is only ever added to: {why}"))
            }
            Use::State => {
                (Severity::Error, format!("the static property {name} {}: {why}", worst(writes.iter().copied(), asked)))
            }
        };
        add(finding(Rule::StaticProperty, severity, &property.place, Some(class), &name, message));
    }
}

/// A class that holds an object of itself and gives it to whoever asks.
fn is_singleton(class: &Class, property: &Property) -> bool {
    let returned = class.methods.iter().any(|method| method.is_static && method.returns.contains(&property.name));
    let own = property.class.as_deref() == Some(class.name.as_str()) || class.instances.contains(&property.name);
    own && (returned || class.instances.contains(&property.name))
}

fn singleton(classes: &Classes<'_>, class: &Class, name: &str) -> (Severity, String) {
    let why = Rule::Singleton.why();
    let mutable = classes.get(&class.name).and_then(|class| state::first_mutable(classes, class));
    match mutable {
        Some(property) => {
            (Severity::Error, format!("{name} makes a singleton whose ${property} changes after it was built: {why}"))
        }
        None => (Severity::Warning, format!("{name} makes a singleton: {why}")),
    }
}

/// RS006, or RS002 if it holds an object of its class.
pub(super) fn variable(classes: &Classes<'_>, variable: &StaticVariable, add: &mut impl FnMut(Finding)) {
    let class = variable.class.as_deref().and_then(|name| classes.get(name));
    let name = format!("${}", variable.name);
    if variable.instance
        && let Some(class) = class
    {
        let (severity, message) = singleton(classes, class, &name);
        add(finding(Rule::Singleton, severity, &variable.place, Some(class), &name, message));
        return;
    }
    let function = &variable.function;
    let why = Rule::FunctionStatic.why();
    let (severity, message) = match usage(variable.writes.iter(), false) {
        Use::Constant => return,
        Use::Memo => (
            Severity::Warning,
            format!("the static {name} of {function} keeps what was computed once, until the worker ends: {why}"),
        ),
        Use::Table => {
            (Severity::Warning, format!("the static {name} of {function} is a table that is only ever added to: {why}"))
        }
        Use::State => (
            Severity::Error,
            format!("the static {name} of {function} {}: {why}", worst(variable.writes.iter(), false)),
        ),
    };
    let mut finding = finding(Rule::FunctionStatic, severity, &variable.place, class, &name, message);
    finding.class = variable.class.clone();
    add(finding);
}
