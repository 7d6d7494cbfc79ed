//! A function while it is walked through: its variables and what it writes to.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::facts::{StaticVariable, Taint, Value, Way, Write};
use super::super::finding::Place;

/// How closures are shown.
pub(super) const CLOSURE: &str = "{closure}";

/// Something that outlives the function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// `$this->NAME`.
    Own(String),
    /// `CLASS::$NAME`.
    Static(String, String),
    /// A variable of the function, which may be static or global.
    Variable(String),
    /// `$_SERVER` and so on, without `$`.
    Superglobal(String),
    /// `$GLOBALS`.
    Globals,
}

/// `static $x` as it is declared.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) place: Place,
}

/// A local variable where it is read.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) name: String,
    /// Where in the text.
    pub(super) at: u32,
    /// What it holds may be kept by whoever gets it here.
    pub(super) escapes: bool,
}

/// A closure that a local variable holds, and its static variables. They live as long as the closure, not as long as the worker.
#[derive(Debug)]
pub(super) struct Holds {
    pub(super) name: String,
    pub(super) at: u32,
    pub(super) statics: Vec<StaticVariable>,
}

/// A function.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// As shown.
    pub(super) shown: String,
    /// Name of the method as it is written, or `{closure}`.
    pub(super) method: String,
    /// What local variables hold.
    pub(super) locals: HashMap<String, Taint>,
    /// Classes of the parameters.
    pub(super) types: HashMap<String, String>,
    pub(super) statics: Vec<Declared>,
    pub(super) globals: BTreeMap<String, Place>,
    /// Static variables that are given a new object of the class.
    pub(super) instances: HashSet<String>,
    /// Own static properties that are returned.
    pub(super) returns: BTreeSet<String>,
    /// Own methods that are called, own properties that are named.
    pub(super) calls: BTreeSet<String>,
    pub(super) mentions: BTreeSet<String>,
    /// First thing a destructor does beyond letting go.
    pub(super) effect: Option<String>,
    /// Classes whose constants are named, own properties whose `reset()` is called.
    pub(super) constants: BTreeSet<String>,
    pub(super) resets: BTreeSet<String>,
    /// A closure that is called at once and then gone, and its static variables with it.
    pub(super) is_passing: bool,
    /// The variable of the function around that the closure is given to.
    pub(super) held_by: Option<(String, u32)>,
    /// Local variables that hold what the function has made itself, and its class; none if that is not known.
    pub(super) made: HashMap<String, Option<String>>,
    /// Local variables that are also somebody else's: taken by reference.
    pub(super) shared: HashSet<String>,
    pub(super) uses: Vec<Use>,
    pub(super) holds: Vec<Holds>,
    /// What is asked for a value.
    pub(super) asked: HashSet<Target>,
    /// Every write, in which branches it stands, and whether it does in `finally`.
    writes: Vec<(Target, Write, Vec<usize>, bool)>,
    /// What each branch of the function is asked for before it is taken.
    branches: Vec<Vec<Target>>,
    /// The branches that one is in, by their index, the innermost last.
    path: Vec<usize>,
}

impl Scope {
    pub(super) fn new(shown: impl Into<String>, method: impl Into<String>) -> Self {
        Self { shown: shown.into(), method: method.into(), ..Self::default() }
    }

    pub(super) fn write(&mut self, target: Target, way: Way, taint: Taint, value: Value, line: u32, finally: bool) {
        let write = Write {
            way,
            taint,
            value,
            asked: false,
            restored: false,
            cleared_after: false,
            method: self.method.clone(),
            in_closure: self.shown == CLOSURE,
            line,
        };
        self.writes.push((target, write, self.path.clone(), finally));
    }

    /// Whether a variable is the function's alone, and gone with it.
    pub(super) fn is_local(&self, name: &str) -> bool {
        !self.shared.contains(name)
            && !self.globals.contains_key(name)
            && !self.statics.iter().any(|declared| declared.name == name)
    }

    pub(super) fn used(&mut self, name: &str, at: u32, escapes: bool) {
        self.uses.push(Use { name: name.to_owned(), at, escapes });
    }

    /// The static variables of closures that outlive the function.
    pub(super) fn kept(&mut self) -> Vec<StaticVariable> {
        let holds = std::mem::take(&mut self.holds);
        let kept = holds.into_iter().filter(|holds| {
            !self.is_local(&holds.name)
                || self.uses.iter().any(|one| one.escapes && one.name == holds.name && one.at > holds.at)
        });
        kept.flat_map(|holds| holds.statics).collect()
    }

    /// A branch begins that is taken if these have a value, or have none.
    pub(super) fn enter(&mut self, asked: Vec<Target>) {
        self.path.push(self.branches.len());
        self.branches.push(asked);
    }

    /// How many branches one is in.
    pub(super) fn level(&self) -> usize {
        self.path.len()
    }

    /// All branches beyond that level end.
    pub(super) fn leave(&mut self, level: usize) {
        self.path.truncate(level);
    }

    /// All writes, judged by what the whole function does.
    pub(super) fn finish(&mut self, asked_outside: &HashSet<Target>) -> Vec<(Target, Write)> {
        let writes = std::mem::take(&mut self.writes);
        let mut last: HashMap<&Target, Way> = HashMap::new();
        let mut finally: HashSet<&Target> = HashSet::new();
        let mut up: HashSet<&Target> = HashSet::new();
        let mut down: HashSet<&Target> = HashSet::new();
        let mut filled: HashSet<&Target> = HashSet::new();
        for (target, write, _, in_finally) in &writes {
            last.insert(target, write.way);
            if write.way.grows() {
                filled.insert(target);
            }
            if *in_finally {
                finally.insert(target);
            }
            match write.way {
                Way::Add | Way::Append => up.insert(target),
                Way::Subtract | Way::Remove | Way::Take | Way::Trim => down.insert(target),
                _ => false,
            };
        }
        // `if (!$this->loaded) { $this->loaded = true; ... }`: what stands beside the mark is done once, too.
        let marks = writes.iter().filter(|(_, write, ..)| write.way == Way::Set && write.value == Value::Mark);
        let once: HashSet<usize> = marks
            .flat_map(|(target, _, path, _)| path.iter().filter(|branch| self.branches[**branch].contains(target)))
            .copied()
            .collect();
        let judged = writes.iter().enumerate().map(|(at, (target, write, path, _))| {
            let mut write = write.clone();
            if write.way.grows() && is_emptied(&writes[..at], target, path) {
                // It is made anew, and does not grow from call to call.
                write.way = Way::Set;
            }
            if write.way == Way::Take {
                // What takes an entry for each that is added is a bound; what takes some when it is asked for them is none.
                write.way = if filled.contains(target) { Way::Trim } else { Way::Remove };
            }
            let once = path.iter().any(|branch| once.contains(branch));
            write.asked = self.asked.contains(target)
                || asked_outside.contains(target)
                || (once && write.way == Way::Set && write.value != Value::Mark);
            write.restored = finally.contains(target) || (up.contains(target) && down.contains(target));
            write.cleared_after = last.get(target) == Some(&Way::Clear);
            (target.clone(), write)
        });
        judged.collect()
    }
}

/// Whether something was emptied before, wherever one gets to this branch from.
fn is_emptied(before: &[(Target, Write, Vec<usize>, bool)], target: &Target, path: &[usize]) -> bool {
    before.iter().any(|(of, write, at, _)| of == target && write.way == Way::Clear && path.starts_with(at))
}
