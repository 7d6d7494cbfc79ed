//! Who is a service: what the configuration names, what an attribute or a base class says, and whatever these have injected.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::super::facts::{Class, Facts, Form, Kind};
use super::super::symfony::RESET_TAGS;
use super::{Known, last};

/// Attributes of services.
const ATTRIBUTES: [&str; 22] = [
    "AsController",
    "AsEventListener",
    "AsMessageHandler",
    "AsTaggedItem",
    "AsDecorator",
    "AsAlias",
    "Autoconfigure",
    "AutoconfigureTag",
    "Route",
    "AsDoctrineListener",
    "AsEntityListener",
    "AsSchedule",
    "AsCronTask",
    "AsPeriodicTask",
    "AsTargetedValueResolver",
    "AsRoutingConditionService",
    "AsRemoteEventConsumer",
    "AsWebhookConsumer",
    "AsTwigFilter",
    "AsTwigFunction",
    "IsGranted",
    "AsResource",
];
/// What services extend.
const BASES: [&str; 10] = [
    "AbstractController",
    "AbstractTypeExtension",
    "Voter",
    "ServiceEntityRepository",
    "AbstractExtension",
    "ConstraintValidator",
    "AbstractAuthenticator",
    "AbstractLoginFormAuthenticator",
    "CacheVoter",
    "AbstractLogger",
];
/// What services implement.
const INTERFACES: [&str; 20] = [
    "EventSubscriberInterface",
    "MessageHandlerInterface",
    "ServiceSubscriberInterface",
    "LoggerAwareInterface",
    "ValueResolverInterface",
    "ArgumentValueResolverInterface",
    "NormalizerInterface",
    "DenormalizerInterface",
    "UserProviderInterface",
    "VoterInterface",
    "CacheWarmerInterface",
    "AuthenticatorInterface",
    "RuntimeExtensionInterface",
    "EventSubscriber",
    "DataCollectorInterface",
    "HttpKernelInterface",
    "MiddlewareInterface",
    "UserCheckerInterface",
    "AccessDeniedHandlerInterface",
    "ProcessorInterface",
];
/// Attributes of what is no service.
const DATA_ATTRIBUTES: [&str; 8] =
    ["Entity", "MappedSuperclass", "Embeddable", "Document", "EmbeddedDocument", "Attribute", "Exclude", "AsCommand"];
/// Bases of what is no service, or of what no worker runs.
const DATA_BASES: [&str; 12] = [
    "Throwable",
    "Exception",
    "Error",
    "Event",
    "Constraint",
    "Command",
    "Kernel",
    "Bundle",
    "AbstractBundle",
    "Fixture",
    "TestCase",
    "AbstractMigration",
];
/// Parts of a namespace whose classes are values.
const DATA_NAMESPACES: [&str; 14] = [
    "Entity",
    "Entities",
    "Document",
    "Dto",
    "DTO",
    "ValueObject",
    "Event",
    "Message",
    "Exception",
    "Enum",
    "Model",
    "Command",
    "Query",
    "DataFixtures",
];
/// Ends of names of values.
const DATA_ENDS: [&str; 7] = ["Exception", "Dto", "DTO", "Event", "Message", "Payload", "Entity"];

/// The services that a class is a part of.
#[derive(Debug)]
pub(super) struct Held {
    /// One of them that is not reset, or else any.
    pub(super) name: String,
    /// Those that are not reset, or else all.
    pub(super) names: Vec<String>,
    /// All of them are reset.
    pub(super) all_reset: bool,
}

/// Every class that services consist of, in small letters: they themselves, what they extend, and the traits they use.
pub(super) fn held(known: &Known<'_>, all: &[Facts], paths: &[&Path]) -> HashMap<String, Held> {
    let mut held: HashMap<String, Held> = HashMap::new();
    let found = find(known, all, paths);
    let by_others = reset_by_others(known, &found);
    for name in found {
        let Some(service) = known.classes.get(&name) else { continue };
        let reset = is_reset(known, service) || by_others.contains(&name);
        for class in known.classes.line(service) {
            let one = held.entry(class.name.to_ascii_lowercase()).or_insert_with(|| Held {
                name: service.name.clone(),
                names: Vec::new(),
                all_reset: true,
            });
            if !reset && one.all_reset {
                *one = Held { name: service.name.clone(), names: Vec::new(), all_reset: false };
            }
            if reset == one.all_reset {
                one.names.push(service.name.clone());
            }
        }
    }
    held
}

/// Services whose `reset()` is called by that of another service: `$this->profile->reset()`.
fn reset_by_others(known: &Known<'_>, services: &[String]) -> HashSet<String> {
    let mut found = HashSet::new();
    for service in services {
        let Some(class) = known.classes.get(service).filter(|class| is_reset(known, class)) else { continue };
        let line = known.classes.line(class);
        let resets = line.iter().flat_map(|class| &class.methods).filter(|method| method.name == "reset");
        for property in resets.flat_map(|method| &method.resets) {
            let declared = known.classes.property(class, property, false);
            // Of an interface it is one of many.
            if let Some(of) = declared.and_then(|(_, property)| property.class.as_deref()) {
                found.insert(of.to_ascii_lowercase());
            }
        }
    }
    found
}

/// Names of the services, in small letters and in order.
fn find(known: &Known<'_>, all: &[Facts], paths: &[&Path]) -> Vec<String> {
    let mut found: HashSet<String> = HashSet::new();
    let mut waiting: Vec<String> = Vec::new();
    let mut in_resource: HashSet<String> = HashSet::new();
    for (facts, path) in all.iter().zip(paths) {
        for class in &facts.classes {
            let name = class.name.to_ascii_lowercase();
            let by_resource = known.services.in_resource(&class.name, path);
            if by_resource {
                in_resource.insert(name.clone());
            }
            let explicit = known.services.is_explicit(&name);
            // A listener that somebody makes with `new` is that one's, unless the container makes one as well.
            let marked =
                is_marked(known, class) && (by_resource || !known.services.known || !known.created.contains(&name));
            if may_be(known, class) && (explicit || marked || (by_resource && is_wired(known, class))) {
                waiting.push(name);
            }
        }
    }
    while let Some(name) = waiting.pop() {
        if known.services.unshared.contains(&name) || !found.insert(name.clone()) {
            continue;
        }
        let Some(class) = known.classes.get(&name) else { continue };
        for (injected, of_action) in injected(known, class) {
            for class in candidates(known, &injected) {
                let name = class.name.to_ascii_lowercase();
                // What an action is given may be a value that a resolver made.
                if of_action && known.created.contains(&name) {
                    continue;
                }
                let loaded = !known.services.known || in_resource.contains(&name) || known.services.is_explicit(&name);
                if loaded && may_be(known, class) {
                    waiting.push(name);
                }
            }
        }
    }
    let mut names: Vec<_> = found.into_iter().collect();
    names.sort();
    names
}

/// A class of which the container can make an object that outlives a request.
fn may_be(known: &Known<'_>, class: &Class) -> bool {
    let is_data = class.attributes.iter().any(|name| DATA_ATTRIBUTES.contains(&last(name)))
        || known.classes.get(&class.name).is_some_and(|class| {
            known.classes.is_a(class, |name| DATA_BASES.contains(&last(name)) && name != class.name)
        });
    class.form == Form::Class && !class.is_abstract && !is_data
}

/// Whether a class looks like a value.
pub(super) fn is_data(known: &Known<'_>, class: &Class) -> bool {
    let mut parts: Vec<_> = class.name.split('\\').collect();
    let name = parts.pop().unwrap_or_default();
    !may_be(known, class)
        || parts.iter().any(|part| DATA_NAMESPACES.contains(part))
        || DATA_ENDS.iter().any(|end| name.ends_with(end))
}

fn is_marked(known: &Known<'_>, class: &Class) -> bool {
    let mut attributes = class.attributes.iter().chain(class.methods.iter().flat_map(|method| &method.attributes));
    attributes.any(|name| ATTRIBUTES.contains(&last(name)))
        || known.classes.get(&class.name).is_some_and(|class| {
            known.classes.is_a(class, |name| {
                name != class.name && (BASES.contains(&last(name)) || INTERFACES.contains(&last(name)))
            })
        })
}

/// A class of a resource that nobody marks: it has others injected, and nobody makes one with `new`.
fn is_wired(known: &Known<'_>, class: &Class) -> bool {
    let Some(constructor) = class.method("__construct") else { return false };
    let objects = constructor.parameters.iter().filter(|one| one.kind == Kind::Object).count();
    let wirable = constructor.parameters.iter().all(|one| one.kind == Kind::Object || one.optional);
    objects > 0 && wirable && !is_data(known, class) && !known.created.contains(&class.name.to_ascii_lowercase())
}

/// The classes that a service is given, and whether as arguments of a controller's action: else by its constructor, or by setters that the
/// container calls.
fn injected(known: &Known<'_>, class: &Class) -> Vec<(String, bool)> {
    let line = known.classes.get(&class.name).map(|class| known.classes.line(class)).unwrap_or_default();
    let is_controller = is_marked_as_controller(class);
    let methods = line.iter().flat_map(|class| &class.methods).filter(|method| {
        let required = method.required || method.attributes.iter().any(|name| last(name) == "Required");
        method.name == "__construct" || required || (is_controller && method.is_public && !method.is_static)
    });
    methods
        .flat_map(|method| {
            let of_action = method.name != "__construct";
            let given = method.parameters.iter().filter(move |one| !(of_action && one.optional));
            given.filter_map(move |parameter| Some((parameter.class.clone()?, of_action)))
        })
        .collect()
}

fn is_marked_as_controller(class: &Class) -> bool {
    let mut attributes = class.attributes.iter().chain(class.methods.iter().flat_map(|method| &method.attributes));
    class.extends.iter().any(|name| last(name) == "AbstractController")
        || attributes.any(|name| matches!(last(name), "AsController" | "Route"))
}

/// The scanned classes that may be given for a type.
fn candidates<'f>(known: &Known<'f>, name: &str) -> Vec<&'f Class> {
    match known.classes.get(name) {
        Some(class) if class.form == Form::Class && !class.is_abstract => vec![class],
        _ => known.classes.concrete_below(name),
    }
}

/// Whether something puts an object back between two requests: an interface whose services are tagged by themselves, or a tag.
pub(super) fn is_reset(known: &Known<'_>, class: &Class) -> bool {
    let Some(class) = known.classes.get(&class.name) else { return false };
    let line = known.classes.line(class);
    known.classes.is_a(class, |name| {
        matches!(
            last(name),
            "ResetInterface" | "ResettableInterface" | "ResetterInterface" | "DataCollector" | "DataCollectorInterface"
        ) || known.services.reset.contains(&name.to_ascii_lowercase())
    }) || line.iter().any(|class| class.words.iter().any(|word| RESET_TAGS.contains(&word.as_str())))
}
