//! A function while it is walked through: its variables and what it writes to.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::facts::{Taint, Value, Way, Write};
use super::super::finding::Place;

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
    /// A closure that is called at once and then gone, and its static variables with it.
    pub(super) is_passing: bool,
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
            line,
        };
        self.writes.push((target, write, self.path.clone(), finally));
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
        let judged = writes.iter().map(|(target, write, path, _)| {
            let mut write = write.clone();
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
