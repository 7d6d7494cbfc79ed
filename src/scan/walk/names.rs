//! Names that PHP gives a meaning.

#![forbid(unsafe_code)]

use super::super::facts::Way;

/// Filled anew for each request. `$GLOBALS` is another matter.
pub(super) const SUPERGLOBALS: [&str; 8] =
    ["_SESSION", "_SERVER", "_ENV", "_COOKIE", "_GET", "_POST", "_REQUEST", "_FILES"];

/// Functions that change the array or variable that is their first argument. Those that only sort it or move its pointer do no harm.
pub(super) const CHANGE_FIRST: [(&str, Way); 8] = [
    ("array_push", Way::Append),
    ("array_unshift", Way::Append),
    ("array_pop", Way::Take),
    ("array_shift", Way::Take),
    ("array_splice", Way::Take),
    ("array_walk", Way::Reference),
    ("array_walk_recursive", Way::Reference),
    ("settype", Way::Reference),
];

/// Functions that call what they are given and keep nothing of it.
pub(super) const AT_ONCE: [&str; 17] = [
    "array_all",
    "array_any",
    "array_filter",
    "array_find",
    "array_find_key",
    "array_map",
    "array_reduce",
    "array_walk",
    "array_walk_recursive",
    "call_user_func",
    "call_user_func_array",
    "iterator_apply",
    "preg_replace_callback",
    "preg_replace_callback_array",
    "uasort",
    "uksort",
    "usort",
];

/// How names of methods begin that keep what they are given.
pub(super) const KEEPERS: [&str; 14] = [
    "__construct",
    "add",
    "attach",
    "bind",
    "define",
    "keep",
    "listen",
    "on",
    "push",
    "register",
    "remember",
    "set",
    "store",
    "subscribe",
];

/// Methods of SPL's collections, and what they do to the property that holds one.
pub(super) const COLLECTIONS: [(&str, Way); 8] = [
    ("attach", Way::Append),
    ("append", Way::Append),
    ("push", Way::Append),
    ("enqueue", Way::Append),
    ("insert", Way::Append),
    ("offsetset", Way::SetKey),
    ("detach", Way::Remove),
    ("offsetunset", Way::Remove),
];

/// Calls that leave something behind in an object that outlives the request.
pub(super) const MEDDLING: [&str; 8] = [
    "addlistener",
    "addsubscriber",
    "addglobal",
    "addextension",
    "pushprocessor",
    "pushhandler",
    "addmiddleware",
    "addeventlistener",
];

/// Calls that take away what such a call has left.
pub(super) const UNDOING: [&str; 5] =
    ["removelistener", "removesubscriber", "removeeventlistener", "popprocessor", "pophandler"];

/// Functions and methods that only let go of something.
pub(super) const RELEASES: [&str; 28] = [
    "fclose",
    "pg_close",
    "pg_free_result",
    "mysqli_close",
    "oci_close",
    "ldap_unbind",
    "ldap_close",
    "pclose",
    "proc_close",
    "closedir",
    "curl_close",
    "curl_multi_close",
    "curl_multi_remove_handle",
    "curl_share_close",
    "socket_close",
    "stream_socket_shutdown",
    "imagedestroy",
    "ftp_close",
    "is_resource",
    "is_object",
    "is_callable",
    "close",
    "disconnect",
    "free",
    "release",
    "detach",
    "cancel",
    "count",
];

/// How names of functions and methods begin that only look, or that change a variable; and of the destructor above, which is judged itself.
pub(super) const LOOKS: [&str; 9] =
    ["array_", "get", "has", "in_array", "is_", "preg_", "sprintf", "str", "__destruct"];

/// Bases of console commands. A command bus has commands, too.
pub(in super::super) const COMMANDS: [&str; 2] =
    ["Symfony\\Component\\Console\\Command\\Command", "Illuminate\\Console\\Command"];

/// The last part of a name.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('\\').next().unwrap_or(name)
}
