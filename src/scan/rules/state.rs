//! RS005 and RS009: objects that outlive the request and change.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::classes::Classes;
use super::super::facts::{Class, Form, Kind, Meddling, Property, Taint, Way, Write};
use super::super::finding::{Finding, Place};
use super::super::rule::{Rule, Severity};
use super::services::Held;
use super::{Known, finding, last};

/// Methods that run when the object is made, not in a request.
const MAKING: [&str; 9] = [
    "__construct",
    "__serialize",
    "__sleep",
    "{script}",
    "__wakeup",
    "__unserialize",
    "__clone",
    "__set_state",
    "setlogger",
];

/// Words in the name of a property that keeps what was computed before.
const CACHE_WORDS: [&str; 12] = [
    "cache", "caches", "cached", "registry", "buffer", "buffers", "map", "memo", "memoized", "pool", "storage", "store",
];

/// Classes of collections whose methods are known to `walk`.
const COLLECTIONS: [&str; 9] = [
    "ArrayObject",
    "ArrayIterator",
    "SplObjectStorage",
    "SplQueue",
    "SplStack",
    "SplDoublyLinkedList",
    "SplPriorityQueue",
    "SplMinHeap",
    "SplMaxHeap",
];

/// Judges what a class keeps. `held`: services that are objects of it.
pub(super) fn judge(known: &Known<'_>, class: &Class, held: Option<&Held>, add: &mut impl FnMut(Finding)) {
    if class.is_readonly || matches!(class.form, Form::Interface | Form::Enum | Form::Anonymous) {
        return;
    }
    let Some(class) = known.classes.get(&class.name).filter(|found| found.place == class.place) else { return };
    let reset = held.filter(|held| held.all_reset).map(|held| touched_by_reset(&known.classes, &held.name));
    for (name, writes) in by_property(&known.classes, class) {
        let declared = known.classes.property(class, name, false);
        let (place, property) = match declared {
            Some((at, property)) if std::ptr::eq(at, class) => (property.place.clone(), Some(property)),
            Some((_, property)) => (at_line(class, &writes), Some(property)),
            None => (at_line(class, &writes), None),
        };
        // A WeakMap forgets by itself.
        let weak = |property: &Property| property.class.as_deref() == Some("WeakMap");
        if property.is_some_and(|property| property.is_readonly || weak(property)) {
            continue;
        }
        let writes: Vec<_> = match held {
            Some(held) => {
                let counts = |write: &&Write| happens(known, class, write, held) && !is_built(known, class, write);
                writes.into_iter().filter(counts).collect()
            }
            None => writes,
        };
        if declared.is_none() && writes.iter().all(|write| write.in_closure) {
            // `$this` is whatever object the closure is bound to.
            continue;
        }
        let verdict = match (held, &reset) {
            (Some(held), None) => in_service(class, name, property, &writes, held),
            (Some(held), Some(Some(touched))) if !touched.contains(name) => {
                // Somebody thought of the reset, so this may be meant.
                in_service(class, name, property, &writes, held)
                    .map(|(rule, _, message)| (rule, Severity::Warning, message))
            }
            (None, _) if lives_long(known, class) => in_unknown(name, property, &writes),
            _ => None,
        };
        if let Some((rule, severity, message)) = verdict {
            add(finding(rule, severity, &place, Some(class), &format!("${name}"), message));
        }
    }
    if held.is_some() {
        for meddling in &class.meddling {
            meddle(known, class, meddling, add);
        }
    }
}

/// Whether some service has the method that writes, and not one of its own in its place.
fn happens(known: &Known<'_>, class: &Class, write: &Write, held: &Held) -> bool {
    let method = write.method.to_ascii_lowercase();
    if class.method(&method).is_none() {
        return true;
    }
    held.names.iter().any(|service| {
        let Some(service) = known.classes.get(service) else { return true };
        let line = known.classes.line(service);
        let before = line.iter().take_while(|one| one.name != class.name);
        let calls = |one: &Class| {
            // It is in the way, unless it hands on.
            let parent = format!("parent::{method}");
            one.methods.iter().any(|method| method.calls.contains(&parent))
        };
        before.filter(|one| one.method(&method).is_some()).all(|one| calls(one))
    })
}

/// Whether the write is one of a setter that is only called while the service is built.
fn is_built(known: &Known<'_>, class: &Class, write: &Write) -> bool {
    let Some(class) = known.classes.get(&class.name) else { return false };
    !write.taint.is_momentary() && known.wiring.is_only_building(&known.classes, class, &write.method)
}

/// The properties that a service's reset() touches, by itself or by what it calls; none if not all of that can be read.
fn touched_by_reset(classes: &Classes<'_>, service: &str) -> Option<BTreeSet<String>> {
    let line = classes.line(classes.get(service)?);
    let whole =
        line.iter().all(|class| class.extends.iter().chain(&class.traits).all(|name| classes.get(name).is_some()));
    let mut waiting = vec!["reset".to_owned()];
    let mut seen = BTreeSet::new();
    let mut touched = BTreeSet::new();
    let mut found = false;
    while let Some(name) = waiting.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        for method in line.iter().flat_map(|class| &class.methods).filter(|method| method.name == name) {
            found = true;
            touched.extend(method.mentions.iter().cloned());
            waiting.extend(method.calls.iter().map(|call| call.trim_start_matches("parent::").to_owned()));
        }
    }
    (whole && found).then_some(touched)
}

/// The first property that changes after the object was made, if nothing resets it.
pub(super) fn first_mutable<'f>(classes: &Classes<'f>, class: &'f Class) -> Option<&'f str> {
    by_property(classes, class)
        .into_iter()
        .find(|(name, writes)| {
            let readonly = classes.property(class, name, false).is_some_and(|(_, property)| property.is_readonly);
            !readonly && writes.iter().any(|write| !write.restored && !is_lazy(write, class.asked.contains(*name)))
        })
        .map(|(name, _)| name)
}

/// Writes to own properties after the object was made, by property.
fn by_property<'f>(classes: &Classes<'f>, class: &'f Class) -> BTreeMap<&'f str, Vec<&'f Write>> {
    let making = making(class);
    let mut found: BTreeMap<&str, Vec<&Write>> = BTreeMap::new();
    for (name, write) in &class.writes {
        let method = write.method.to_ascii_lowercase();
        if making.contains(method.as_str()) || method == "reset" {
            continue;
        }
        let name = match name.strip_suffix("->") {
            // A method of a collection, if it is one.
            Some(name) => {
                let is_collection = classes
                    .property(class, name, false)
                    .and_then(|(_, property)| property.class.as_deref())
                    .is_some_and(|class| COLLECTIONS.contains(&last(class)));
                if !is_collection {
                    continue;
                }
                name
            }
            None => name.as_str(),
        };
        found.entry(name).or_default().push(write);
    }
    found
}

/// The methods that only run while the object is made.
fn making(class: &Class) -> BTreeSet<&str> {
    let mut making: BTreeSet<&str> = MAKING.into_iter().collect();
    for method in &class.methods {
        if method.required || method.attributes.iter().any(|name| last(name) == "Required") {
            making.insert(&method.name);
        }
    }
    let mut callers: HashMap<&str, Vec<&str>> = HashMap::new();
    for method in &class.methods {
        for called in &method.calls {
            callers.entry(called).or_default().push(&method.name);
        }
    }
    loop {
        let more: Vec<&str> = class
            .methods
            .iter()
            .filter(|method| method.is_private && !making.contains(method.name.as_str()))
            .filter(|method| {
                let callers = callers.get(method.name.as_str());
                callers.is_some_and(|callers| callers.iter().all(|caller| making.contains(caller)))
            })
            .map(|method| method.name.as_str())
            .collect();
        if more.is_empty() {
            return making;
        }
        making.extend(more);
    }
}

/// A collaborator that is built when it is first needed.
fn is_lazy(write: &Write, elsewhere: bool) -> bool {
    write.way.shrinks() || (!write.way.grows() && write.is_memo(elsewhere))
}

/// A setter or adder that the container calls while it builds the service: its name begins so, and it takes a collaborator.
fn is_wired(class: &Class, write: &Write, property: Option<&Property>) -> bool {
    if !is_setter(write) || write.taint.is_momentary() {
        return false;
    }
    let is_object = property.is_some_and(|property| property.kind == Kind::Object);
    let takes_collaborator = class.method(&write.method.to_ascii_lowercase()).is_some_and(|method| {
        let first = method.parameters.first().and_then(|parameter| parameter.class.as_deref());
        first.is_some_and(|class| class.ends_with("Interface"))
    });
    (is_object && write.way == Way::Set) || takes_collaborator
}

fn in_service(
    class: &Class,
    name: &str,
    property: Option<&Property>,
    writes: &[&Write],
    held: &Held,
) -> Option<(Rule, Severity, String)> {
    let left: Vec<_> = writes.iter().filter(|write| !write.restored).collect();
    let asked = class.asked.contains(name);
    let is_lazy = |write: &Write| is_lazy(write, asked);
    if left.iter().all(|write| is_lazy(write) || is_wired(class, write, property)) {
        return None;
    }
    let reset = if held.all_reset { "whose reset() leaves that alone" } else { "without a reset" };
    let is = if held.name.eq_ignore_ascii_case(&class.name) {
        "a service".to_owned()
    } else {
        format!("part of the service {}", held.name)
    };
    let grows = left.iter().any(|write| write.way.grows());
    let table = left.iter().all(|write| write.way.grows() || is_lazy(write));
    let has = |way: Way| left.iter().any(|write| write.way == way);
    if table && has(Way::Trim) && !has(Way::Append) {
        // It has a bound. A stack has not: what is taken off it depends on who is asked.
        return None;
    }
    let emptied = left.iter().all(|write| write.cleared_after || is_lazy(write));
    if grows && table && !emptied && (is_cache_name(name) || left.iter().all(|write| write.is_memo(asked))) {
        let why = Rule::CacheProperty.why();
        return Some((
            Rule::CacheProperty,
            Severity::Warning,
            format!("${name} keeps an entry for each key ({}), in {is} {reset}: {why}", place_of(&left)),
        ));
    }
    let why = Rule::ServiceState.why();
    let worst = left.iter().find(|write| !is_lazy(write))?;
    let only_set = left.iter().all(|write| is_lazy(write) || (is_plain_setter(write) && !write.taint.is_momentary()));
    let (severity, what) = if only_set {
        (Severity::Warning, format!("is set from outside by {}()", worst.method))
    } else if emptied {
        (Severity::Warning, format!("is put back at the end of {}(), but not if that throws", worst.method))
    } else {
        (Severity::Error, described(worst))
    };
    Some((
        Rule::ServiceState,
        severity,
        format!("{} is {is} {reset}, and its ${name} {what} (line {}): {why}", last(&class.name), worst.line),
    ))
}

fn is_setter(write: &Write) -> bool {
    ["set", "add", "enable", "disable", "with"].iter().any(|begin| write.method.starts_with(begin))
}

/// What it sets replaces what was there, so that it does not grow.
fn is_plain_setter(write: &Write) -> bool {
    is_setter(write) && matches!(write.way, Way::Set | Way::SetKey)
}

fn described(write: &Write) -> String {
    let method = &write.method;
    if write.taint.has(Taint::REQUEST) {
        return format!("keeps something of the request that {method}() served");
    }
    match write.way {
        Way::Append => format!("gets one more entry with each call of {method}()"),
        Way::Add | Way::Subtract => format!("goes on counting in {method}()"),
        Way::Reference => format!("is changed by reference in {method}()"),
        Way::SetKey | Way::FillKey => format!("keeps what {method}() puts under a key"),
        _ => format!("keeps what {method}() left"),
    }
}

/// A class that may be a service of somebody's: only what is named like a cache and only ever grows is told.
fn in_unknown(name: &str, property: Option<&Property>, writes: &[&Write]) -> Option<(Rule, Severity, String)> {
    let left: Vec<_> = writes.iter().filter(|write| !write.restored).collect();
    let grows = left.iter().any(|write| write.way.grows()) && !left.iter().any(|write| write.way.shrinks());
    let kind = property.map_or(Kind::Unknown, |property| property.kind);
    if !grows || !is_cache_name(name) || kind == Kind::Scalar {
        return None;
    }
    let why = Rule::CacheProperty.why();
    let message =
        format!("${name} is only ever added to ({}); if the object outlives the request: {why}", place_of(&left));
    Some((Rule::CacheProperty, Severity::Warning, message))
}

fn place_of(writes: &[&&Write]) -> String {
    match writes.iter().find(|write| write.way.grows()) {
        Some(write) => format!("{}(), line {}", write.method, write.line),
        None => String::new(),
    }
}

/// `fooCache`, `foo_cache`, `CACHE`.
fn is_cache_name(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut before_small = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && before_small) {
            words.push(String::new());
        }
        if c != '_'
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before_small = c.is_lowercase();
    }
    words.iter().any(|word| CACHE_WORDS.contains(&word.as_str()))
}

/// Whether objects of a class may live longer than a request: nobody makes one with `new`, and it is no value.
fn lives_long(known: &Known<'_>, class: &Class) -> bool {
    class.form == Form::Class
        && !known.created.contains(&class.name.to_ascii_lowercase())
        && !super::services::is_data(known, class)
        && !super::services::is_reset(known, class)
}

/// A listener that is added while a request is served stays.
fn meddle(known: &Known<'_>, class: &Class, meddling: &Meddling, add: &mut impl FnMut(Finding)) {
    // One that hands on what it is asked for is asked by somebody else.
    let hands_on = meddling.method.eq_ignore_ascii_case(&meddling.call);
    let undone = class.undoing.iter().any(|(method, undoes)| {
        *method == meddling.method && UNDOES.contains(&(meddling.call.to_ascii_lowercase().as_str(), undoes.as_str()))
    });
    if hands_on
        || undone
        || making(class).contains(meddling.method.to_ascii_lowercase().as_str())
        || class.form == Form::Trait
    {
        return;
    }
    let on = match meddling.on.as_deref() {
        Some(on) => match on.strip_prefix("$this->") {
            Some(name) => known
                .classes
                .get(&class.name)
                .and_then(|class| known.classes.property(class, name, false))
                .and_then(|(_, property)| property.class.as_deref()),
            None => Some(on),
        },
        None => None,
    };
    let Some(on) = on.filter(|on| keeps(on, &meddling.call)) else { return };
    let message = format!(
        "{}() calls {}() on the shared {} each time, which keeps it: one more with every request. {}",
        meddling.method,
        meddling.call,
        last(on),
        Rule::ServiceState.why()
    );
    let member = format!("{}()", meddling.method);
    let mut finding = finding(Rule::ServiceState, Severity::Error, &meddling.place, Some(class), &member, message);
    finding.fix = format!("register it once, where {} is configured, or take it away again in reset()", last(on));
    add(finding);
}

/// Calls that add, and those that take away what they have added.
const UNDOES: [(&str, &str); 5] = [
    ("addlistener", "removelistener"),
    ("addsubscriber", "removesubscriber"),
    ("addeventlistener", "removeeventlistener"),
    ("pushprocessor", "popprocessor"),
    ("pushhandler", "pophandler"),
];

/// Services that are known to keep what they are given.
fn keeps(on: &str, call: &str) -> bool {
    let call = call.to_ascii_lowercase();
    let class = last(on);
    match call.as_str() {
        "addlistener" | "addsubscriber" => class.contains("EventDispatcher"),
        "addeventlistener" => class == "EventManager",
        "addglobal" | "addextension" => class == "Environment",
        "pushprocessor" | "pushhandler" => class == "Logger",
        "addmiddleware" => class.contains("Bus"),
        _ => false,
    }
}

/// The place of the first write, for a property that is declared elsewhere.
fn at_line(class: &Class, writes: &[&Write]) -> Place {
    let line = writes.first().map_or(class.place.line, |write| write.line);
    Place { line, column: 1, matched: String::new(), excerpt: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_caches() {
        for name in ["cache", "userCache", "user_cache", "CACHE", "classMap", "registry", "cachedRoutes", "storeById"] {
            assert!(is_cache_name(name), "{name}");
        }
        for name in ["users", "mapper", "cacheable", "restore", "bitmap", "items"] {
            assert!(!is_cache_name(name), "{name}");
        }
    }
}
