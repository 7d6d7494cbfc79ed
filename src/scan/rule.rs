//! What is looked for: the rules with their stable names, and how bad a finding is.

#![forbid(unsafe_code)]

use std::fmt;

/// How bad a finding is. An error is state that the next request sees; a warning is state that may be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Look at it.
    Warning,
    /// Mend it.
    Error,
}

impl Severity {
    /// As in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A rule. The names are public and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Not about the code but about a comment that should silence a finding. It has a number of its own because it must not be silenced
    /// by the comment it is about, and because none of the others says what is wrong.
    Suppression,
    /// RS001.
    StaticProperty,
    /// RS002.
    Singleton,
    /// RS003.
    SuperglobalWrite,
    /// RS004.
    Destructor,
    /// RS005.
    CacheProperty,
    /// RS006.
    FunctionStatic,
    /// RS007.
    Global,
    /// RS008.
    Exit,
    /// RS009.
    ServiceState,
}

impl Rule {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 10] = [
        Self::Suppression,
        Self::StaticProperty,
        Self::Singleton,
        Self::SuperglobalWrite,
        Self::Destructor,
        Self::CacheProperty,
        Self::FunctionStatic,
        Self::Global,
        Self::Exit,
        Self::ServiceState,
    ];

    /// The stable name.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Suppression => "RS000",
            Self::StaticProperty => "RS001",
            Self::Singleton => "RS002",
            Self::SuperglobalWrite => "RS003",
            Self::Destructor => "RS004",
            Self::CacheProperty => "RS005",
            Self::FunctionStatic => "RS006",
            Self::Global => "RS007",
            Self::Exit => "RS008",
            Self::ServiceState => "RS009",
        }
    }

    /// The rule with this name, in any case of letters.
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.id().eq_ignore_ascii_case(id))
    }

    /// A few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Suppression => "suppression without reason or effect",
            Self::StaticProperty => "static property",
            Self::Singleton => "singleton",
            Self::SuperglobalWrite => "write to a superglobal",
            Self::Destructor => "destructor with side effects",
            Self::CacheProperty => "property that grows like a cache",
            Self::FunctionStatic => "static variable in a function",
            Self::Global => "global variable",
            Self::Exit => "exit or die",
            Self::ServiceState => "service with mutable state and no reset",
        }
    }

    /// Why it bites in a process that serves many requests.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Suppression => {
                "A comment that silences a finding must say why the finding does no harm, else nobody can judge it later; one \
                 that silences nothing hides the next finding on its line."
            }
            Self::StaticProperty => {
                "A static property lives as long as the worker: what one request writes the next one reads, and a table \
                 without a bound grows until the worker is recycled."
            }
            Self::Singleton => {
                "The one instance is never built again: state that a request leaves in it is there for all that follow."
            }
            Self::SuperglobalWrite => {
                "Superglobals are filled anew for each request. A write is lost at its end or, in $_ENV and $_SERVER at boot, \
                 seen by some code and not by other; a library that keeps a reference keeps the client's data."
            }
            Self::Destructor => {
                "An object that a service holds is destroyed when the worker ends, not when the request does: after hours, or \
                 never if the worker is killed."
            }
            Self::CacheProperty => {
                "The object outlives the request, and so do the entries: stale for the next request, and one more for each \
                 new key until the memory limit is reached."
            }
            Self::FunctionStatic => {
                "A static variable is initialised once in the life of a worker: what the first request puts there is what \
                 all others find."
            }
            Self::Global => {
                "Global variables are shared by all that runs in the worker; nothing puts them back between two requests."
            }
            Self::Exit => {
                "exit ends the worker script, not only the request: finally blocks and the framework's own ending are \
                 skipped, and the worker must boot again."
            }
            Self::ServiceState => {
                "The container builds a service once for the life of the worker: what a request leaves in its properties, the \
                 next request finds, which may belong to another user."
            }
        }
    }

    /// What to do about it.
    pub const fn fix(self) -> &'static str {
        match self {
            Self::Suppression => {
                "write `// supercharger-ignore RS001: why this does no harm`, or take the comment away"
            }
            Self::StaticProperty => {
                "make it a constant, or an instance property of a service that implements ResetInterface"
            }
            Self::Singleton => "make it a service of the container and implement ResetInterface if it has state",
            Self::SuperglobalWrite => {
                "keep it in the Request's attributes or in the session; set environment at boot, outside of PHP"
            }
            Self::Destructor => "do it in a listener of kernel.terminate, in finally, or in reset()",
            Self::CacheProperty => {
                "clear it in reset() (ResetInterface), bound it, use a WeakMap keyed by an object of the request, or a cache pool"
            }
            Self::FunctionStatic => "use a property of a service that implements ResetInterface, or a constant",
            Self::Global => "pass the value as an argument, or inject a service",
            Self::Exit => "return a Response or throw an exception",
            Self::ServiceState => {
                "keep it in local variables or in the Request's attributes, or implement Symfony\\Contracts\\Service\\ResetInterface and put it back in reset()"
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_and_found() {
        let ids: Vec<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids, ["RS000", "RS001", "RS002", "RS003", "RS004", "RS005", "RS006", "RS007", "RS008", "RS009"]);
        for rule in Rule::ALL {
            assert_eq!(Rule::named(&rule.id().to_lowercase()), Some(rule));
        }
        assert_eq!(Rule::named("RS010"), None);
        assert!(Severity::Warning < Severity::Error, "--fail-on compares");
    }
}
