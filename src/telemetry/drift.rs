//! What may drift in a worker, and what is the matter with it: closed sets, since they are labels.

#![forbid(unsafe_code)]

use super::Level;

/// Declares an enum with its labels, in the order of `ext/sc_shim.h`.
macro_rules! labelled {
    ($(#[$doc:meta])* $name:ident, $count:literal: $($(#[$what:meta])* $member:ident = $label:literal,)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$what])* $member,)+
        }

        impl $name {
            /// All members, in the order of their discriminants.
            pub const ALL: [Self; $count] = [$(Self::$member),+];

            /// The value of the label or field.
            pub fn label(self) -> &'static str {
                match self { $(Self::$member => $label,)+ }
            }
        }
    };
}

labelled! {
    /// What has drifted.
    DriftKind, 25:
    /// A static property.
    Static = "static_property",
    /// A static variable of a function or method.
    FunctionStatic = "function_static",
    /// A property of objects that outlive requests.
    Property = "property",
    /// The number of objects of a class.
    Instances = "instances",
    /// A global variable.
    Global = "global",
    /// A superglobal.
    Superglobal = "superglobal",
    /// A constant.
    Constant = "constant",
    /// The table of classes.
    Class = "class",
    /// The table of functions.
    Function = "function",
    /// Files that were included.
    File = "file",
    /// Resources that are open.
    Resource = "resource",
    /// Autoloaders.
    Autoloader = "autoloader",
    /// Stream wrappers.
    StreamWrapper = "stream_wrapper",
    /// Stream filters.
    StreamFilter = "stream_filter",
    /// A setting of PHP's.
    Ini = "ini",
    /// The default timezone.
    Timezone = "timezone",
    /// The locale.
    Locale = "locale",
    /// The working directory.
    Cwd = "cwd",
    /// The mask of new files' rights.
    Umask = "umask",
    /// Output buffers.
    Output = "output",
    /// The error handler.
    ErrorHandler = "error_handler",
    /// The exception handler.
    ExceptionHandler = "exception_handler",
    /// An environment variable.
    Env = "env",
    /// Signal handlers or mask.
    Signal = "signal",
    /// What the application itself has told of.
    App = "app",
}

labelled! {
    /// What is the matter with it.
    DriftWhy, 7:
    /// It grows with the requests.
    Grows = "grows",
    /// It changes with the requests.
    Changes = "changes",
    /// It holds a value of the request: its id, or one of query, form or cookies.
    Request = "holds_request_data",
    /// It is kept by reference beyond its request.
    Reference = "kept_by_reference",
    /// It counts: a number that grows by the same step each time.
    Counts = "counts",
    /// The engine has put it back.
    PutBack = "put_back",
    /// The application says so.
    Told = "told_by_application",
}

labelled! {
    /// Of what there is more than the detector looks at.
    DriftLimit, 3:
    /// Values in statics and globals.
    Statics = "statics",
    /// Values in objects.
    Objects = "objects",
    /// Things that a worker keeps in mind.
    Facts = "facts",
}

impl DriftWhy {
    /// Whether the next request sees what this one has left.
    pub fn leaks(self) -> bool {
        !matches!(self, Self::Counts | Self::PutBack)
    }

    /// How loud: what the next request may see is a warning. What the engine puts back is usual in good applications, frameworks do it
    /// with each request.
    pub fn level(self) -> Level {
        match self {
            Self::PutBack => Level::Debug,
            Self::Counts => Level::Info,
            _ => Level::Warn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_listed_in_order() {
        assert!(DriftKind::ALL.into_iter().enumerate().all(|(index, kind)| kind as usize == index));
        assert!(DriftWhy::ALL.into_iter().enumerate().all(|(index, why)| why as usize == index));
        assert!(DriftLimit::ALL.into_iter().enumerate().all(|(index, limit)| limit as usize == index));
        let leaks: Vec<_> = DriftWhy::ALL.into_iter().filter(|why| why.leaks()).map(DriftWhy::label).collect();
        assert_eq!(leaks, ["grows", "changes", "holds_request_data", "kept_by_reference", "told_by_application"]);
    }
}
