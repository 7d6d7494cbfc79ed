//! What a Symfony project says of its services: `config/services.yaml`, the files it imports, and configurations in PHP.

#![forbid(unsafe_code)]

mod yaml;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::facts::{Definition, Load, Mark};
use super::{source, walk};
use yaml::Node;

pub(super) use super::walk::RESET_TAGS;

/// Files of one project's configuration; imports may form a loop.
const MOST_FILES: usize = 200;
/// How far above a path its project may begin.
const LEVELS: usize = 8;

/// A folder whose classes are services.
#[derive(Debug)]
struct Resource {
    /// Namespace in small letters, with the backslash at its end.
    prefix: String,
    include: GlobSet,
    exclude: GlobSet,
}

/// What is known of services. Names are in small letters.
#[derive(Debug, Default)]
pub(super) struct Services {
    resources: Vec<Resource>,
    /// Classes that are defined one by one.
    explicit: HashSet<String>,
    /// Classes that are named and left out.
    excluded: HashSet<String>,
    /// Classes, or what they implement, with a tag that has them reset.
    pub(super) reset: HashSet<String>,
    /// Classes of which each user gets its own.
    pub(super) unshared: HashSet<String>,
    /// Methods that the container calls on what it builds, with the class, both in small letters.
    pub(super) wired: Vec<(String, String)>,
    /// Whether there is any configuration.
    pub(super) known: bool,
}

impl Services {
    /// Reads the configurations of the projects that the paths belong to.
    pub(super) fn read(paths: &[PathBuf]) -> Self {
        let projects: BTreeSet<PathBuf> = paths.iter().filter_map(|path| project_of(path)).collect();
        let mut services = Self::default();
        for project in projects {
            services.read_project(&project);
        }
        services
    }

    /// Whether a class in a file is one of those that the container knows.
    pub(super) fn in_resource(&self, class: &str, file: &Path) -> bool {
        let class = class.to_ascii_lowercase();
        let file = plain(file);
        self.resources.iter().any(|resource| {
            class.starts_with(&resource.prefix) && resource.include.is_match(&file) && !resource.exclude.is_match(&file)
        })
    }

    /// Whether a class, by its name in small letters, has a definition of its own.
    pub(super) fn is_explicit(&self, class: &str) -> bool {
        self.explicit.contains(class) && !self.excluded.contains(class)
    }

    /// Takes what a file of the scan defines.
    pub(super) fn define(&mut self, definitions: &[Definition]) {
        for definition in definitions {
            self.known = true;
            let class = definition.class.to_ascii_lowercase();
            match definition.mark {
                Mark::None => self.explicit.insert(class),
                Mark::Reset => self.reset.insert(class),
                Mark::Excluded => self.excluded.insert(class),
            };
        }
    }

    fn read_project(&mut self, project: &Path) {
        let config = project.join("config");
        let mut waiting: Vec<PathBuf> = Vec::new();
        for folder in [config.clone(), config.join("services")] {
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
            waiting.extend(entries.filter(|path| {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let is_config = [".yaml", ".yml", ".php"].iter().any(|end| name.ends_with(end));
                is_config && (folder != config || name.starts_with("services"))
            }));
        }
        let mut seen = HashSet::new();
        while let Some(path) = waiting.pop() {
            if seen.len() >= MOST_FILES || !seen.insert(path.clone()) {
                continue;
            }
            let Ok(text) = source::read(&path) else { continue };
            let folder = path.parent().unwrap_or(&config).to_owned();
            if path.extension().is_some_and(|end| end == "php") {
                let facts = walk::walk(&text).facts;
                self.define(&facts.definitions);
                for load in &facts.loads {
                    self.add(&folder, load);
                }
            } else if let Some(root) = yaml::read(&text) {
                waiting.extend(imports(&root, &folder));
                self.read_yaml(&root, &folder);
            }
        }
    }

    fn read_yaml(&mut self, root: &Node, folder: &Path) {
        for (key, value) in root.entries() {
            if key == "services" {
                for (id, definition) in value.entries() {
                    self.read_definition(id, definition, folder);
                }
            } else if key.starts_with("when@") {
                self.read_yaml(value, folder);
            }
        }
    }

    fn read_definition(&mut self, id: &str, definition: &Node, folder: &Path) {
        self.known = true;
        if id == "_instanceof" {
            for (name, of) in definition.entries() {
                if has_reset_tag(of) {
                    self.reset.insert(lower(name));
                }
            }
            return;
        }
        if let Some(resource) = definition.get("resource").and_then(Node::text) {
            let prefix = definition.get("namespace").and_then(Node::text).unwrap_or(id).to_owned();
            let exclude = definition.get("exclude").map(Node::texts).unwrap_or_default();
            self.add(folder, &Load { prefix, resource: resource.to_owned(), exclude });
            return;
        }
        // An alias, or a rule for all.
        if id.starts_with('_') || definition.text().is_some_and(|text| text.starts_with('@')) {
            return;
        }
        let class = lower(definition.get("class").and_then(Node::text).unwrap_or(id));
        if has_reset_tag(definition) {
            self.reset.insert(class.clone());
        }
        for method in calls(definition) {
            self.wired.push((class.clone(), method.to_ascii_lowercase()));
        }
        if definition.get("shared").and_then(Node::text) == Some("false") {
            self.unshared.insert(class.clone());
        }
        if definition.get("abstract").and_then(Node::text) != Some("true") {
            self.explicit.insert(class);
        }
    }

    fn add(&mut self, folder: &Path, load: &Load) {
        self.known = true;
        let include = globs(folder, std::slice::from_ref(&load.resource));
        let exclude = globs(folder, &load.exclude);
        if let (Some(include), Some(exclude)) = (include, exclude) {
            self.resources.push(Resource { prefix: lower(&load.prefix), include, exclude });
        }
    }
}

/// A configuration of any bytes is read or refused.
#[cfg(fuzzing)]
pub(super) fn fuzz(text: &str) {
    if let Some(root) = yaml::read(text) {
        let mut services = Services::default();
        services.read_yaml(&root, Path::new("/config"));
        services.in_resource("App\\A", Path::new("/src/A.php"));
    }
}

fn lower(name: &str) -> String {
    name.trim_start_matches('\\').to_ascii_lowercase()
}

fn has_reset_tag(definition: &Node) -> bool {
    definition.get("tags").is_some_and(|tags| {
        let names = tags.items().iter().filter_map(|tag| tag.text().or_else(|| tag.get("name").and_then(Node::text)));
        let short = tags.items().iter().flat_map(|tag| tag.entries().iter().map(|(key, _)| key.as_str()));
        names.chain(short).any(|name| RESET_TAGS.contains(&name))
    })
}

/// The methods of `calls`: `- setLogger: ['@logger']`, `- [setLogger, ['@logger']]` or `- { method: setLogger }`.
fn calls(definition: &Node) -> Vec<&str> {
    definition.get("calls").map(Node::items).unwrap_or_default().iter().filter_map(method_of).collect()
}

fn method_of(call: &Node) -> Option<&str> {
    let listed = call.items().first().and_then(Node::text);
    let named = || call.get("method").and_then(Node::text);
    let key = || call.entries().first().map(|(method, _)| method.as_str());
    listed.or_else(named).or_else(key)
}

/// The project of a path: the nearest folder above that has a configuration of services.
fn project_of(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .take(LEVELS)
        .find(|folder| {
            let config = folder.join("config");
            ["services.yaml", "services.yml", "services.php", "services"].iter().any(|name| config.join(name).exists())
        })
        .map(Path::to_owned)
}

/// Files of YAML that a file imports.
fn imports(root: &Node, folder: &Path) -> Vec<PathBuf> {
    let list = root.get("imports").map(Node::items).unwrap_or_default();
    let named = list.iter().filter_map(|one| one.text().or_else(|| one.get("resource").and_then(Node::text)));
    named.map(|name| plain(&folder.join(name))).filter(|path| path.is_file()).collect()
}

/// Patterns as Symfony takes them: a folder means all that is below it.
fn globs(folder: &Path, patterns: &[String]) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let whole = plain(&folder.join(pattern.trim_end_matches('/')));
        let whole = whole.to_string_lossy();
        for text in [whole.clone().into_owned(), format!("{whole}/**")] {
            set.add(GlobBuilder::new(&text).literal_separator(true).build().ok()?);
        }
    }
    set.build().ok()
}

/// A path without `.` and `..`. Links are not looked at: the pattern may name what is not there.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Services) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let services = Services::read(&[folder.path().join("src")]);
        (folder, services)
    }

    #[test]
    fn the_usual_file() {
        let (folder, services) = project(&[(
            "config/services.yaml",
            "services:\n    _defaults: { autowire: true }\n    _instanceof:\n        App\\Clears: { tags: ['kernel.reset'] }\n    \
             App\\:\n        resource: '../src/'\n        exclude:\n            - '../src/{Entity,Kernel.php}'\n    \
             App\\Tagged:\n        tags: [{ name: kernel.reset, method: reset }]\n    \
             App\\Short:\n        tags: [supercharger.resetter: { priority: 1 }]\n    \
             app.named: { class: '\\App\\Named', arguments: [!tagged_iterator x] }\n    \
             App\\Each: { shared: false }\n    app.alias: '@app.named'\n",
        )]);
        let at = |name: &str| folder.path().join(name);
        assert!(services.known);
        assert!(services.in_resource("App\\Cart", &at("src/Cart.php")));
        assert!(services.in_resource("App\\A\\Cart", &at("src/A/Cart.php")));
        assert!(!services.in_resource("App\\Entity\\Cart", &at("src/Entity/Cart.php")));
        assert!(!services.in_resource("App\\Kernel", &at("src/Kernel.php")));
        assert!(!services.in_resource("Other\\Cart", &at("src/Cart.php")));
        assert!(!services.in_resource("App\\Cart", &at("lib/Cart.php")));
        for class in ["app\\tagged", "app\\short", "app\\clears"] {
            assert!(services.reset.contains(class), "{class}");
        }
        assert!(services.is_explicit("app\\named") && !services.is_explicit("app.alias"));
        assert!(services.unshared.contains("app\\each"));
    }

    #[test]
    fn imports_environments_and_php() {
        let (folder, services) = project(&[
            (
                "config/services.yaml",
                "imports:\n  - { resource: more/a.yaml }\n  - { resource: ../config/services.yaml }\n",
            ),
            ("config/more/a.yaml", "when@test:\n  services:\n    App\\Fake: ~\n"),
            (
                "config/services.php",
                "<?php namespace Symfony\\Component\\DependencyInjection\\Loader\\Configurator;\n\
                 return static function (ContainerConfigurator $container) { $services = $container->services();\n\
                 $services->load('App\\\\', __DIR__.'/../src/')->exclude(['../src/{Entity}']);\n\
                 $services->set('a', \\App\\A::class)->args([])->tag('kernel.reset', ['method' => 'reset'])->set(\\App\\B::class); };",
            ),
        ]);
        assert!(services.is_explicit("app\\fake") && services.is_explicit("app\\b"));
        assert!(services.reset.contains("app\\a") && !services.reset.contains("app\\b"));
        assert!(services.in_resource("App\\C", &folder.path().join("src/C.php")));
        assert!(!services.in_resource("App\\Entity\\C", &folder.path().join("src/Entity/C.php")));
    }

    #[test]
    fn nonsense_is_no_configuration() {
        for text in ["", "a: [", "services: 3", "services: [1]", "- x", "services:\n  App\\: {resource: '../[src'}"] {
            let (folder, services) = project(&[("config/services.yaml", text)]);
            assert!(!services.in_resource("App\\A", &folder.path().join("src/A.php")), "{text}");
        }
    }
}
