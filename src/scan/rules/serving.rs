//! Which classes no request ever reaches: commands, what builds the container, and what only those make.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::super::classes::Classes;
use super::super::facts::{Class, Facts};
use super::super::symfony::Services;
use super::super::walk::COMMANDS;

/// What a class is that runs while the container, the routes or the translations are built, or in a command.
const BUILDING: [&str; 7] = [
    "Symfony\\Component\\DependencyInjection\\Compiler\\CompilerPassInterface",
    "Symfony\\Component\\DependencyInjection\\Extension\\ExtensionInterface",
    "Symfony\\Component\\Config\\Definition\\ConfigurationInterface",
    "Symfony\\Component\\Config\\Loader\\LoaderInterface",
    "Symfony\\Component\\Translation\\Extractor\\ExtractorInterface",
    "Symfony\\Component\\BrowserKit\\AbstractBrowser",
    "Composer\\Plugin\\PluginInterface",
];
/// Parts of namespaces of such classes.
const BUILDING_NAMESPACES: [[&str; 2]; 4] = [
    ["DependencyInjection", "Compiler"],
    ["DependencyInjection", "Loader"],
    ["Loader", "Configurator"],
    ["Config", "Definition"],
];

/// A kernel may be a compiler pass of its own, and serves.
const KERNELS: [&str; 2] =
    ["Symfony\\Component\\HttpKernel\\KernelInterface", "Symfony\\Component\\HttpKernel\\Kernel"];
/// Where the events of the command line are named.
const CONSOLE_EVENTS: &str = "ConsoleEvents";

/// Names of the classes that serve no request, in small letters.
pub(super) fn idle(classes: &Classes<'_>, all: &[Facts], paths: &[&Path], services: &Services) -> HashSet<String> {
    let declared = || all.iter().flat_map(|facts| &facts.classes);
    let mut idle: HashSet<String> =
        declared().filter(|class| by_itself(classes, class)).map(|class| class.name.to_ascii_lowercase()).collect();
    let mut makers: HashMap<String, Vec<Option<String>>> = HashMap::new();
    for (class, by) in all.iter().flat_map(|facts| &facts.created) {
        makers.entry(class.to_ascii_lowercase()).or_default().push(by.as_ref().map(|by| by.to_ascii_lowercase()));
    }
    // What the container may make itself is no matter of who else does.
    makers.retain(|class, _| classes.get(class).is_some() && !services.is_explicit(class));
    for (facts, path) in all.iter().zip(paths) {
        for class in &facts.classes {
            let name = class.name.to_ascii_lowercase();
            if makers.contains_key(&name) && services.in_resource(&class.name, path) {
                makers.remove(&name);
            }
        }
    }
    loop {
        let only_by_idle = |class: &str, by: &[Option<String>]| {
            by.iter().all(|by| by.as_ref().is_some_and(|by| by == class || idle.contains(by)))
                && by.iter().flatten().any(|by| by != class)
        };
        let below = |class: &str| {
            classes.concrete_below(class).iter().all(|below| idle.contains(&below.name.to_ascii_lowercase()))
        };
        let more: Vec<String> = makers
            .iter()
            .filter(|(class, by)| !idle.contains(*class) && only_by_idle(class, by) && below(class))
            .map(|(class, _)| class.clone())
            .collect();
        if more.is_empty() {
            return idle;
        }
        idle.extend(more);
    }
}

/// Whether a class is one of those by what it is, by its namespace or by what it listens to.
fn by_itself(classes: &Classes<'_>, class: &Class) -> bool {
    let is_building = |name: &str| COMMANDS.iter().chain(&BUILDING).any(|known| name.eq_ignore_ascii_case(known));
    let is_a = |meant: &dyn Fn(&str) -> bool| classes.get(&class.name).is_some_and(|class| classes.is_a(class, meant));
    if is_a(&|name| KERNELS.iter().any(|kernel| name.eq_ignore_ascii_case(kernel))) {
        return false;
    }
    if is_a(&is_building) || listens_to_console(class) {
        return true;
    }
    let namespace: Vec<_> = class.name.split('\\').collect();
    let namespace = &namespace[..namespace.len().saturating_sub(1)];
    namespace.contains(&"Console")
        || namespace.windows(2).any(|pair| BUILDING_NAMESPACES.iter().any(|known| known[..] == *pair))
}

/// A subscriber to events of the command line, and to no others.
fn listens_to_console(class: &Class) -> bool {
    let Some(method) = class.method("getsubscribedevents") else { return false };
    let listens = method.constants.iter().filter(|name| !name.eq_ignore_ascii_case(&class.name));
    let mut listens = listens.peekable();
    listens.peek().is_some() && listens.all(|name| super::last(name) == CONSOLE_EVENTS)
}
