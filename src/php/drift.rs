//! What the drift detector of the extension has seen, in the words of its readers.

use super::declared;
use super::host::{Host, Known};
use crate::job::{Drift, Identity};
use crate::telemetry::events::{DriftFound, DriftLimited};
use crate::telemetry::{DriftKind, DriftLimit, DriftWhy, Place};

/// Longest name or key that is shown, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// Longest kind that the application gives.
const MAX_KIND_BYTES: usize = 64;
/// Longest words of the application.
const MAX_DETAIL_BYTES: usize = 1024;
/// Longest name of a file that is kept.
const MAX_FILE_BYTES: usize = 4096;

/// A finding as C tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) kind: DriftKind,
    pub(super) why: DriftWhy,
    /// Of what the application tells, its kind.
    pub(super) class: &'a str,
    pub(super) function: &'a str,
    pub(super) member: &'a str,
    pub(super) file: &'a str,
    /// First line of the class or function.
    pub(super) line: u32,
    pub(super) sizes: (u64, u64),
    pub(super) detail: &'a str,
    /// This worker has told of it before: it is counted, and not written again.
    pub(super) repeated: bool,
}

/// Takes note of a finding.
pub(super) fn note(host: &mut Host<'_>, seen: &Seen<'_>) {
    let what = if seen.repeated { String::new() } else { name(seen) };
    if !seen.repeated {
        tell(host, seen, &what);
    }
    host.note_drift(Drift { kind: seen.kind.label(), what, leaks: seen.why.leaks() });
}

/// Takes note that the detector does not look at everything.
pub(super) fn limited(host: &mut Host<'_>, limit: DriftLimit, most: u64) {
    let Identity { pool, slot, incarnation } = host.identity();
    DriftLimited { place: Place { pool, slot: *slot, incarnation: *incarnation }, limit, most }.emit();
    host.note_drift_limit(limit);
}

fn tell(host: &mut Host<'_>, seen: &Seen<'_>, what: &str) {
    let (request_id, route) = (host.request_id(), host.told_route());
    let named = matches!(seen.kind, DriftKind::Static | DriftKind::FunctionStatic | DriftKind::Property);
    let line = if named { declared::line_of(seen.file, seen.line, seen.member) } else { seen.line };
    let Identity { pool, slot, incarnation } = host.identity();
    DriftFound {
        place: Place { pool, slot: *slot, incarnation: *incarnation },
        request_id: request_id.as_deref(),
        route: &route,
        kind: seen.kind,
        why: seen.why,
        what,
        file: seen.file,
        line,
        before: seen.sizes.0,
        after: seen.sizes.1,
        detail: cut(seen.detail, MAX_DETAIL_BYTES),
    }
    .emit();
    host.keep_known(Known {
        kind: seen.kind.label(),
        why: seen.why.label(),
        what: what.to_owned(),
        file: cut(seen.file, MAX_FILE_BYTES).to_owned(),
        line,
        detail: cut(seen.detail, MAX_DETAIL_BYTES).to_owned(),
        route,
        request_id: request_id.unwrap_or_default(),
        leaks: seen.why.leaks(),
    });
}

/// The thing as its source would call it.
fn name(seen: &Seen<'_>) -> String {
    let member = cut(seen.member, MAX_NAME_BYTES);
    // An anonymous class has its file behind a NUL.
    let class = seen.class.split('\0').next().unwrap_or_default();
    let text = match seen.kind {
        DriftKind::Static => format!("{class}::${member}"),
        DriftKind::Property if member.is_empty() => class.to_owned(),
        DriftKind::Property => format!("{class}->{member}"),
        DriftKind::FunctionStatic if class.is_empty() => format!("{}(): static ${member}", seen.function),
        DriftKind::FunctionStatic => format!("{class}::{}(): static ${member}", seen.function),
        DriftKind::Class => member.split('\0').next().unwrap_or_default().to_owned(),
        DriftKind::Instances => class.to_owned(),
        DriftKind::Global | DriftKind::Superglobal => format!("${member}"),
        DriftKind::App => format!("{}: {member}", cut(class, MAX_KIND_BYTES)),
        _ if member.is_empty() => seen.kind.label().to_owned(),
        _ => member.to_owned(),
    };
    text.replace(char::is_control, "\u{fffd}")
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_called_as_their_source_does() {
        let seen = |kind, class, function, member| Seen {
            kind,
            why: DriftWhy::Grows,
            class,
            function,
            member,
            file: "",
            line: 0,
            sizes: (0, 0),
            detail: "",
            repeated: false,
        };
        let cases = [
            (seen(DriftKind::Static, "App\\A", "", "items"), "App\\A::$items"),
            (seen(DriftKind::Property, "App\\A", "", "items"), "App\\A->items"),
            (seen(DriftKind::Property, "ArrayObject", "", ""), "ArrayObject"),
            (seen(DriftKind::FunctionStatic, "", "f", "n"), "f(): static $n"),
            (seen(DriftKind::FunctionStatic, "A", "f", "n"), "A::f(): static $n"),
            (seen(DriftKind::Instances, "A@anonymous\0/x.php:3$0", "", ""), "A@anonymous"),
            (seen(DriftKind::Class, "", "", "A@anonymous\0/x.php:3$0"), "A@anonymous"),
            (seen(DriftKind::Superglobal, "", "", "_GET"), "$_GET"),
            (seen(DriftKind::Ini, "", "", "precision"), "precision"),
            (seen(DriftKind::Resource, "", "", ""), "resource"),
            (seen(DriftKind::App, "transaction", "", "default\n"), "transaction: default\u{fffd}"),
        ];
        for (seen, expected) in cases {
            assert_eq!(name(&seen), expected);
        }
    }
}
