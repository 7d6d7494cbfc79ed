//! What a file says, without judgement: its classes, what they keep, and who writes to it. Names of classes are fully qualified, without a
//! leading backslash.

#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashSet};

use super::finding::{Finding, Place};

/// Where a value may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Taint(u8);

impl Taint {
    pub(super) const NONE: Self = Self(0);
    /// From the object.
    pub(super) const THIS: Self = Self(1);
    /// From an argument of the function.
    pub(super) const ARGUMENT: Self = Self(2);
    /// From the request that is being served, or from who is logged in.
    pub(super) const REQUEST: Self = Self(4);
    /// Different each time: clocks, random numbers, new ids.
    pub(super) const CHANGING: Self = Self(8);

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Of one request, however it came.
    pub(super) fn is_momentary(self) -> bool {
        self.has(Self::REQUEST.and(Self::CHANGING))
    }
}

/// How something is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Back to an empty or constant value.
    Clear,
    /// A value over the old one.
    Set,
    /// A value only if there was none: `??=`.
    Fill,
    /// A value under a key.
    SetKey,
    /// The same, only if there was none.
    FillKey,
    /// One more at the end.
    Append,
    /// From the old value: `++`, `.=` and the like.
    Add,
    /// `--`, `-=`.
    Subtract,
    /// An entry less.
    Remove,
    /// Some entries less: `array_shift()`. With the whole function known it is one of the two others.
    Take,
    /// Entries less, so that there are never too many: `array_shift()` where it is filled, `array_slice()` of itself.
    Trim,
    /// By reference: whatever.
    Reference,
}

impl Way {
    /// Whether it makes the value larger by an entry.
    pub(super) fn grows(self) -> bool {
        matches!(self, Self::SetKey | Self::FillKey | Self::Append)
    }

    /// Whether it puts the value back or makes it smaller.
    pub(super) fn shrinks(self) -> bool {
        matches!(self, Self::Clear | Self::Remove | Self::Take | Self::Trim)
    }
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Value {
    #[default]
    Any,
    /// A plain `true`, number or text: a mark that is set.
    Mark,
    /// A table of plain values, or a function that takes nothing with it: a constant in all but name.
    Constant,
}

/// One place that writes.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) way: Way,
    /// Of what is written, not of the key.
    pub(super) taint: Taint,
    pub(super) value: Value,
    /// The function asks first whether there is a value.
    pub(super) asked: bool,
    /// The function puts the old value back: in `finally`, or by counting down what it counted up.
    pub(super) restored: bool,
    /// The last write of the function clears it.
    pub(super) cleared_after: bool,
    /// Name of the method as it is written; that of a closure may be `{closure}`.
    pub(super) method: String,
    /// It stands in a closure, whose `$this` may be another object.
    pub(super) in_closure: bool,
    /// Line of the write.
    pub(super) line: u32,
}

impl Write {
    /// A value that is computed once and kept, and is the same whoever asks.
    ///
    /// `elsewhere`: another function of the class asks for it, and calls this one if there is none.
    pub(super) fn is_memo(&self, elsewhere: bool) -> bool {
        let asked = self.asked || (elsewhere && self.value != Value::Mark);
        match self.way {
            Way::Clear | Way::Remove | Way::Take | Way::Trim => true,
            Way::Fill => !self.taint.is_momentary() && !self.taint.has(Taint::ARGUMENT),
            Way::Set => asked && !self.taint.is_momentary() && !self.taint.has(Taint::ARGUMENT),
            Way::FillKey => !self.taint.is_momentary(),
            Way::SetKey => asked && !self.taint.is_momentary(),
            Way::Append | Way::Add | Way::Subtract | Way::Reference => false,
        }
    }
}

/// What a type or a first value says of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Array,
    Object,
    Unknown,
}

/// A property of a class.
#[derive(Debug, Clone)]
pub(super) struct Property {
    /// Without `$`.
    pub(super) name: String,
    pub(super) is_static: bool,
    pub(super) is_readonly: bool,
    pub(super) is_public: bool,
    pub(super) kind: Kind,
    /// The class of its type, if it has one.
    pub(super) class: Option<String>,
    pub(super) place: Place,
}

/// A parameter.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) kind: Kind,
    pub(super) class: Option<String>,
    /// It has a default value or an attribute that says where it comes from.
    pub(super) optional: bool,
}

/// A method.
#[derive(Debug, Clone, Default)]
pub(super) struct Method {
    /// In small letters.
    pub(super) name: String,
    pub(super) is_static: bool,
    pub(super) is_private: bool,
    pub(super) is_public: bool,
    pub(super) parameters: Vec<Parameter>,
    pub(super) attributes: Vec<String>,
    /// `@required` in its comment.
    pub(super) required: bool,
    /// Own methods that it calls, in small letters.
    pub(super) calls: BTreeSet<String>,
    /// Own properties that it names.
    pub(super) mentions: BTreeSet<String>,
    /// Static properties of its class that it returns.
    pub(super) returns: BTreeSet<String>,
    /// Classes whose constants it names.
    pub(super) constants: BTreeSet<String>,
    /// Own properties whose `reset()` it calls.
    pub(super) resets: BTreeSet<String>,
}

/// What stands between the braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Class,
    Trait,
    Interface,
    Enum,
    Anonymous,
}

/// A class, trait, interface or enum.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) is_abstract: bool,
    pub(super) is_readonly: bool,
    pub(super) extends: Vec<String>,
    pub(super) implements: Vec<String>,
    pub(super) traits: Vec<String>,
    pub(super) attributes: Vec<String>,
    /// Texts in the arguments of its attributes: names of tags.
    pub(super) words: Vec<String>,
    pub(super) properties: Vec<Property>,
    pub(super) methods: Vec<Method>,
    /// Writes to `$this->NAME`, with the name.
    pub(super) writes: Vec<(String, Write)>,
    /// Properties that some function of it asks for a value, static ones too.
    pub(super) asked: BTreeSet<String>,
    /// Static properties that are given a new object of the class itself.
    pub(super) instances: BTreeSet<String>,
    /// Calls that leave something behind in a service that somebody else holds.
    pub(super) meddling: Vec<Meddling>,
    /// Methods, as they are written, with calls in them that take such a thing away again, as `removelistener`.
    pub(super) undoing: BTreeSet<(String, String)>,
    /// Its destructor, if that does more than to let go.
    pub(super) destructor: Option<Destructor>,
    pub(super) place: Place,
}

impl Class {
    pub(super) fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// A call such as `$this->dispatcher->addListener(...)`.
#[derive(Debug, Clone)]
pub(super) struct Meddling {
    /// What is called, as `addListener`.
    pub(super) call: String,
    /// Name of the method that calls, as it is written.
    pub(super) method: String,
    /// Class of the object, if it is known.
    pub(super) on: Option<String>,
    pub(super) place: Place,
}

/// A call of a method of another object than `$this`.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// In small letters.
    pub(super) method: String,
    /// Class of the object, or `$this->NAME`, if either is known.
    pub(super) on: Option<String>,
    /// The class it stands in.
    pub(super) class: Option<String>,
    /// The method it stands in, in small letters.
    pub(super) caller: String,
    /// The same function has made the object with `new` or `clone`.
    pub(super) fresh: bool,
}

/// A destructor with a body.
#[derive(Debug, Clone)]
pub(super) struct Destructor {
    /// What it does beyond closing and letting go of what the object holds.
    pub(super) effect: Option<String>,
    pub(super) place: Place,
}

/// `static $x` in a function.
#[derive(Debug, Clone)]
pub(super) struct StaticVariable {
    pub(super) name: String,
    /// As shown: `load()`, `App\A::load()`, `{closure}`.
    pub(super) function: String,
    pub(super) class: Option<String>,
    pub(super) writes: Vec<Write>,
    /// It is given a new object of the class it is in.
    pub(super) instance: bool,
    pub(super) place: Place,
}

/// A write to a static property: `self::$x`, `Other::$x`.
#[derive(Debug, Clone)]
pub(super) struct StaticWrite {
    pub(super) class: String,
    pub(super) property: String,
    pub(super) write: Write,
}

/// A service that a configuration in PHP defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) class: String,
    pub(super) mark: Mark,
}

/// What is said of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    None,
    /// It has a tag that has it reset.
    Reset,
    /// It only stands there: abstract, or left out of the container.
    Excluded,
}

/// Folders of services that a configuration in PHP names: `$services->load('App\\', '../src/')->exclude('../src/Entity/')`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) prefix: String,
    pub(super) resource: String,
    pub(super) exclude: Vec<String>,
}

/// All of a file.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) classes: Vec<Class>,
    pub(super) variables: Vec<StaticVariable>,
    pub(super) static_writes: Vec<StaticWrite>,
    /// Findings that need no other file.
    pub(super) findings: Vec<Finding>,
    /// Classes of which objects are made with `new`, and the class that does.
    pub(super) created: HashSet<(String, Option<String>)>,
    pub(super) calls: Vec<Call>,
    /// Methods that the container calls on what it builds, with the class if it is known.
    pub(super) wired: Vec<(Option<String>, String)>,
    pub(super) definitions: Vec<Definition>,
    pub(super) loads: Vec<Load>,
    /// Line and what is wrong there.
    pub(super) problems: Vec<(u32, String)>,
}
