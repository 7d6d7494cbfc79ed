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
    ("array_pop", Way::Remove),
    ("array_shift", Way::Remove),
    ("array_splice", Way::Remove),
    ("array_walk", Way::Reference),
    ("array_walk_recursive", Way::Reference),
    ("settype", Way::Reference),
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

/// Functions and methods that only let go of something.
pub(super) const RELEASES: [&str; 22] = [
    "fclose",
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

/// The last part of a name.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('\\').next().unwrap_or(name)
}
