//! Setters that are only called while an object is built: by the container, by a constructor, or by who has just made the object.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};

use super::super::classes::Classes;
use super::super::facts::{Call, Class, Facts};
use super::last;

/// How names begin of methods that set something up.
const SETTING: [&str; 10] =
    ["add", "allow", "configure", "disable", "enable", "prepend", "register", "set", "use", "with"];

/// Own callers that are followed: a setter that calls another one that calls a third.
const LEVELS: u8 = 3;

/// Who calls what.
#[derive(Debug, Default)]
pub(super) struct Wiring<'f> {
    /// What the container calls, with the class if it is known.
    by_container: HashMap<&'f str, Vec<Option<&'f str>>>,
    /// Calls while something is built.
    building: HashMap<&'f str, Vec<&'f Call>>,
    /// Calls that may happen in any request.
    serving: HashMap<&'f str, Vec<&'f Call>>,
}

impl<'f> Wiring<'f> {
    /// `idle`: classes that serve no request; `created`: those that somebody makes with `new`. Both in small letters.
    pub(super) fn new(
        all: &'f [Facts],
        configured: &'f [(String, String)],
        idle: &HashSet<String>,
        created: &HashSet<String>,
    ) -> Self {
        let mut wiring = Self::default();
        for (class, method) in configured {
            wiring.by_container.entry(method).or_default().push(Some(class));
        }
        for facts in all {
            for (class, method) in &facts.wired {
                wiring.by_container.entry(method).or_default().push(class.as_deref());
            }
            for call in facts.calls.iter().filter(|call| is_setting(&call.method)) {
                let class = call.class.as_ref().map(|class| class.to_ascii_lowercase());
                // The constructor of a service; a value that is made in a request may reach for anybody.
                let constructs =
                    call.caller == "__construct" && class.as_ref().is_some_and(|class| !created.contains(class));
                let configures = call.class.as_deref().is_some_and(|class| last(class).ends_with("Configurator"));
                let builds = call.fresh || constructs || configures || class.is_some_and(|class| idle.contains(&class));
                let calls = if builds { &mut wiring.building } else { &mut wiring.serving };
                calls.entry(&call.method).or_default().push(call);
            }
        }
        wiring
    }

    /// Whether a method of a class is called while its objects are built, and no request calls it.
    ///
    /// A sister of a method that the container calls needs no caller of its own: it is there for other configurations.
    pub(super) fn is_only_building(&self, classes: &Classes<'f>, class: &'f Class, method: &str) -> bool {
        self.builds(classes, class, &method.to_ascii_lowercase(), LEVELS)
    }

    /// The same. `levels`: how many own callers may stand above it.
    fn builds(&self, classes: &Classes<'f>, class: &'f Class, method: &str, levels: u8) -> bool {
        if !is_setting(method) || self.is_called(classes, class, method, levels) {
            return false;
        }
        self.is_wired(classes, class, method)
            || self.building.get(method).is_some_and(|calls| {
                calls.iter().any(|call| {
                    let on = self.class_of(classes, call);
                    (on.is_some() || !call.fresh) && may_be(classes, class, on)
                })
            })
            || own_callers(classes, class, method).next().is_some()
            || class.methods.iter().any(|sister| {
                sister.is_public && is_setting(&sister.name) && self.is_wired(classes, class, &sister.name)
            })
    }

    fn is_wired(&self, classes: &Classes<'f>, class: &'f Class, method: &str) -> bool {
        self.by_container.get(method).is_some_and(|of| of.iter().any(|of| may_be(classes, class, *of)))
    }

    fn is_called(&self, classes: &Classes<'f>, class: &'f Class, method: &str, levels: u8) -> bool {
        let calls = self.serving.get(method).into_iter().flatten();
        let mut calls = calls.filter(|call| may_be(classes, class, self.class_of(classes, call)));
        let builds =
            |caller| caller == "__construct" || (levels > 0 && self.builds(classes, class, caller, levels - 1));
        calls.next().is_some() || own_callers(classes, class, method).any(|caller| !builds(caller))
    }

    /// The class of the object that is called.
    fn class_of(&self, classes: &Classes<'f>, call: &'f Call) -> Option<&'f str> {
        let on = call.on.as_deref()?;
        let Some(property) = on.strip_prefix("$this->") else { return Some(on) };
        let caller = classes.get(call.class.as_deref()?)?;
        classes.property(caller, property, false)?.1.class.as_deref()
    }
}

/// Methods of a class, of what it extends and of what extends it, that call one of their own.
fn own_callers<'f>(classes: &Classes<'f>, class: &'f Class, method: &str) -> impl Iterator<Item = &'f str> {
    let mut family = classes.line(class);
    family.extend(classes.concrete_below(&class.name));
    let methods = family.into_iter().flat_map(|class| &class.methods);
    let method = method.to_owned();
    methods.filter(move |one| one.name != method && one.calls.contains(&method)).map(|one| one.name.as_str())
}

/// Whether an object of a class may be what is called, by the type that is known of that.
fn may_be<'f>(classes: &Classes<'f>, class: &'f Class, on: Option<&str>) -> bool {
    let Some(on) = on else { return true };
    let is = |of: &'f Class, name: &str| classes.is_a(of, |one| one.eq_ignore_ascii_case(name));
    is(class, on)
        || classes.get(on).is_some_and(|on| is(on, &class.name))
        // An interface of which nothing is known.
        || (classes.get(on).is_none() && !is_whole(classes, class))
}

/// Whether all that a class extends and implements is known.
fn is_whole(classes: &Classes<'_>, class: &Class) -> bool {
    let mut above = class.extends.iter().chain(&class.implements);
    above.all(|name| classes.get(name).is_some())
}

/// `setName`, but not `set`: a whole name says what is set up.
fn is_setting(method: &str) -> bool {
    SETTING.iter().any(|begin| method.len() > begin.len() && method.starts_with(begin))
}
