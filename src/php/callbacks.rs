//! Every function that C may call. Each is a leaf (I2): it moves bytes and returns a code.
//!
//! All are written with [`leaf!`], which turns the host pointer into a reference, keeps panics inside, and checks the
//! signature against the type that bindgen derived from `ext/sc_shim.h`.

use std::borrow::Cow;
use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::Value;
use opentelemetry::trace::SpanKind;

use super::host::{Given, Host};
use super::panic::guard;
use super::{drift, store, view, wish};
use crate::job::{
    Check, ClientGone, Ending, Fault, Identity, ResponseHead, Thrown, TraceParent, Verdict, Warmup, Wish,
};
use crate::sys;
use crate::telemetry::events::{CallbackError, PhpError, PhpLog, check_words};
use crate::telemetry::{DriftKind, DriftLimit, DriftWhy, Level, Place};

/// `leaf! { name: sc_type, (argument: type, ...) -> result = fallback, |host| body }`
macro_rules! leaf {
    ($name:ident: $shape:ident, ($($argument:ident: $type:ty),*) -> $result:ty = $fallback:expr, |$host:ident| $body:expr) => {
        const _: sys::$shape = Some($name);

        #[unsafe(no_mangle)]
        extern "C" fn $name(host: *mut c_void $(, $argument: $type)*) -> $result {
            // SAFETY: I3: C hands back the pointer that `PhpThread::attach` gave it, on the same thread, and nobody else
            // holds a reference to the host while C runs.
            let host: &mut Host<'_> = unsafe { &mut *host.cast() };
            guard(host, $fallback, |$host| $body)
        }
    };
}

leaf! { sc_on_next: sc_on_next_fn, (state: *const sys::sc_boundary, given: *mut sys::sc_given) -> sys::sc_next = sys::sc_next::SC_NEXT_STOP, |host| {
    // SAFETY: I4: a local variable of C's.
    let state = unsafe { &*state };
    let next = host.next(state);
    // SAFETY: I4: another one, to be written to.
    let given = unsafe { &mut *given };
    match next {
        Given::Request(request) => {
            given.request = request;
            sys::sc_next::SC_NEXT_REQUEST
        }
        Given::Care(care) => {
            (given.collect, given.tick, given.check) = (care.collect, care.tick, care.check);
            sys::sc_next::SC_NEXT_CARE
        }
        Given::Stop => sys::sc_next::SC_NEXT_STOP,
    }
} }

leaf! { sc_on_script: sc_on_script_fn, () -> () = (), |host| host.script() }

leaf! { sc_on_resetting: sc_on_resetting_fn, () -> () = (), |host| host.resetting() }

leaf! { sc_on_callback_error: sc_on_callback_error_fn, (error: *const sys::sc_callback_error) -> () = (), |host| {
    // SAFETY: I4: a local variable of C's.
    let error = unsafe { &*error };
    let text = |text| {
        // SAFETY: I4: its texts belong to PHP values that live longer than the call.
        String::from_utf8_lossy(unsafe { view::bytes(text) })
    };
    let name = text(error.name);
    let request_id = host.request_id();
    let Identity { pool, slot, incarnation } = host.identity();
    let told = CallbackError {
        place: Place { pool, slot: *slot, incarnation: *incarnation },
        request_id: request_id.as_deref(),
        idle: error.idle,
        name: &name,
        class: &text(error.thrown),
        message: &text(error.message),
        file: &text(error.file),
        line: error.line,
    };
    told.emit();
    let error = told.in_short();
    host.note_thrown(Thrown { name: name.into_owned(), error });
} }

leaf! { sc_on_check: sc_on_check_fn, (name: sys::sc_text, required: bool, timeout: f64) -> () = (), |host| {
    // SAFETY: I4: the name belongs to a value of PHP's, valid for the call.
    let name = String::from_utf8_lossy(unsafe { view::bytes(name) }).into();
    let timeout = Duration::try_from_secs_f64(timeout).ok().filter(|timeout| !timeout.is_zero());
    host.seat().declare_check(Check { name, required, timeout });
} }

leaf! { sc_on_check_begin: sc_on_check_begin_fn, (name: sys::sc_text) -> bool = false, |host| {
    // SAFETY: I4: as above.
    let name = unsafe { view::bytes(name) };
    host.seat().begin_check(&String::from_utf8_lossy(name))
} }

leaf! { sc_on_check_end: sc_on_check_end_fn, (result: *const sys::sc_check_result) -> () = (), |host| {
    // SAFETY: I4: a local variable of C's.
    let result = unsafe { &*result };
    let text = |text| {
        // SAFETY: I4: its texts belong to PHP values that live longer than the call.
        String::from_utf8_lossy(unsafe { view::bytes(text) })
    };
    let words = check_words(&text(result.thrown), &text(result.message));
    host.seat().end_check(match result.passed {
        true => Verdict::Passed(Some(words).filter(|words| !words.is_empty())),
        false => Verdict::Failed(words),
    });
} }

leaf! { sc_on_warmed: sc_on_warmed_fn, (count: u32, failed: u32, seconds: f64) -> () = (), |host| {
    let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    host.seat().warmed(Warmup { count, failed, took });
} }

leaf! { sc_on_stack: sc_on_stack_fn, (stack: sys::sc_text) -> () = (), |host| {
    // SAFETY: I4: a buffer on C's stack.
    let stack = unsafe { view::bytes(stack) };
    host.seat().located(&String::from_utf8_lossy(stack));
} }

leaf! { sc_on_recycle: sc_on_recycle_fn, (reason: sys::sc_text) -> () = (), |host| {
    // SAFETY: I4: a text of PHP's, valid for the call.
    let reason = unsafe { view::bytes(reason) };
    host.wish(Wish { reason: wish::reason(reason), hard: false });
} }

leaf! { sc_on_route: sc_on_route_fn, (template: sys::sc_text) -> () = (), |host| {
    // SAFETY: I4: a text of PHP's, valid for the call.
    host.route(unsafe { view::bytes(template) });
} }

leaf! { sc_on_drift: sc_on_drift_fn, (found: *const sys::sc_drift_found) -> () = (), |host| {
    // SAFETY: I4: a local variable of C's.
    let found = unsafe { &*found };
    let text = |text| {
        // SAFETY: I4: its texts belong to PHP's code and values, which outlive the call.
        String::from_utf8_lossy(unsafe { view::bytes(text) })
    };
    let seen = drift::Seen {
        kind: DriftKind::ALL[found.kind as usize],
        why: DriftWhy::ALL[found.why as usize],
        class: &text(found.class_name),
        function: &text(found.function),
        member: &text(found.member),
        file: &text(found.file),
        line: found.line,
        sizes: (found.before, found.after),
        detail: &text(found.detail),
        repeated: found.repeated,
    };
    drift::note(host, &seen);
} }

leaf! { sc_on_drift_known: sc_on_drift_known_fn, (place: usize, into: *mut sys::sc_drift_known) -> bool = false, |host| {
    let Some(known) = host.known(place) else { return false };
    let text = |text: &str| view::text(text.as_bytes());
    let known = sys::sc_drift_known {
        kind: text(known.kind),
        why: text(known.why),
        what: text(&known.what),
        file: text(&known.file),
        line: known.line,
        detail: text(&known.detail),
        route: text(&known.route),
        request_id: text(&known.request_id),
        leaks: known.leaks,
    };
    // SAFETY: I4: a local variable of C's, written to as a whole and not read.
    unsafe { into.write(known) };
    true
} }

leaf! { sc_on_span_start: sc_on_span_start_fn, (span: *const sys::sc_span) -> u64 = 0, |host| {
    // SAFETY: I4: a local variable of C's.
    let span = unsafe { &*span };
    // SAFETY: I4: its name and its attributes belong to values of PHP's, valid for the call.
    let name = said(unsafe { view::bytes(span.name) });
    // SAFETY: I4, as above.
    let attributes = unsafe { attributes(span.attributes, span.attribute_count) };
    host.begin_span(&name, span_kind(span.kind), attributes)
} }

leaf! { sc_on_span_end: sc_on_span_end_fn, (end: *const sys::sc_span_end) -> bool = false, |host| {
    // SAFETY: I4: a local variable of C's.
    let end = unsafe { &*end };
    // SAFETY: I4: a text of PHP's, valid for the call.
    let error = said(unsafe { view::bytes(end.error) });
    let error = if error.is_empty() { OTHER_ERROR } else { &error };
    // SAFETY: I4, as above.
    let attributes = unsafe { attributes(end.attributes, end.attribute_count) };
    host.end_span(end.number, end.failed.then_some(error), attributes)
} }

leaf! { sc_on_traceparent: sc_on_traceparent_fn, (into: *mut c_char) -> bool = false, |host| {
    const _: () = assert!(TraceParent::LENGTH == sys::SC_TRACEPARENT as usize);
    let Some(parent) = host.trace_parent() else { return false };
    // SAFETY: I4: a local variable of C's with room for so many bytes, written to as a whole and not read.
    unsafe { into.cast::<[u8; TraceParent::LENGTH]>().write(parent.text()) };
    true
} }

leaf! { sc_on_drift_limit: sc_on_drift_limit_fn, (limit: sys::sc_drift_limit, most: u64) -> () = (), |host| {
    drift::limited(host, DriftLimit::ALL[limit as usize], most);
} }

leaf! { sc_on_head: sc_on_head_fn, (head: *const sys::sc_head) -> () = (), |host| {
    // SAFETY: I4: a local variable of C's.
    let head = unsafe { &*head };
    // SAFETY: I4: the pairs it points to are C's own for the duration of the call.
    let mut head = unsafe { response_head(head) };
    if let Some(wish) = wish::take(&mut head) {
        host.wish(wish);
    }
    if let Some(exchange) = host.exchange() {
        exchange.reply.head(head);
    }
} }

leaf! { sc_on_interim: sc_on_interim_fn, (head: *const sys::sc_head) -> bool = false, |host| {
    // SAFETY: I4: a local variable of C's.
    let head = unsafe { &*head };
    // SAFETY: I4: the pairs it points to are C's own for the duration of the call.
    let mut head = unsafe { response_head(head) };
    // They stay set for the final head, which counts.
    drop(wish::take(&mut head));
    host.exchange().is_some_and(|exchange| {
        !exchange.reply.has_head() && exchange.request.interim.as_mut().is_some_and(|interim| interim.send(&head))
    })
} }

leaf! { sc_on_write: sc_on_write_fn, (data: *const c_char, len: usize) -> sys::sc_io = sys::sc_io::SC_IO_CLIENT_GONE, |host| {
    // SAFETY: I4: PHP's output buffer, valid for the call.
    let data = unsafe { view::bytes(sys::sc_text { data, len }) };
    host.exchange().map_or(sys::sc_io::SC_IO_OK, |exchange| io(exchange.reply.write(data)))
} }

leaf! { sc_on_flush: sc_on_flush_fn, () -> sys::sc_io = sys::sc_io::SC_IO_CLIENT_GONE,
    |host| host.exchange().map_or(sys::sc_io::SC_IO_OK, |exchange| io(exchange.reply.flush()))
}

leaf! { sc_on_finish: sc_on_finish_fn, (ending: sys::sc_ending) -> sys::sc_io = sys::sc_io::SC_IO_CLIENT_GONE, |host| {
    let Some(exchange) = host.exchange() else { return sys::sc_io::SC_IO_OK };
    let gone = exchange.reply.client_gone();
    exchange.reply.finish(ending_of(ending));
    host.responded();
    io(if gone { Err(ClientGone) } else { Ok(()) })
} }

leaf! { sc_on_read_body: sc_on_read_body_fn, (into: *mut c_char, len: usize) -> usize = 0, |host| {
    let Some(exchange) = host.exchange() else { return 0 };
    // PHP asks for 16 KiB of each request, and most have no body.
    let len = usize::try_from(exchange.body.length()).map_or(len, |length| len.min(length));
    // SAFETY: I4: a buffer of C's with room for `len` bytes. It may be uninitialised, so it is zeroed before it is a slice.
    unsafe { into.write_bytes(0, len) };
    // SAFETY: I4: initialised just now.
    let into = unsafe { std::slice::from_raw_parts_mut(into.cast::<u8>(), len) };
    // A file that cannot be read any more ends the body early; PHP compares lengths itself.
    exchange.body.read(into).unwrap_or(0)
} }

const _: sys::sc_on_log_fn = Some(sc_on_log);

/// Not a [`leaf!`]: PHP also logs while it starts, before any thread has a host.
#[unsafe(no_mangle)]
extern "C" fn sc_on_log(host: *mut c_void, log: *const sys::sc_log) {
    // SAFETY: I4: a local variable of C's.
    let log = unsafe { &*log };
    let text = |text| {
        // SAFETY: I4: valid for the call.
        String::from_utf8_lossy(unsafe { view::bytes(text) })
    };
    let level = Level::from_php_log(log.level.into());
    let (message, context) = (text(log.message), text(log.context));
    let message = message.trim_end();
    let context = (!context.is_empty()).then_some(&*context);
    let (kind, file) = (text(log.kind), text(log.file));
    let error = (!kind.is_empty()).then_some(PhpError { kind: &kind, file: &file, line: log.line });
    if message.is_empty() && context.is_none() {
        return;
    }
    // SAFETY: I3, as in `leaf!`; the pointer is null while the engine starts.
    let host: Option<&mut Host<'_>> = unsafe { host.cast::<Host<'_>>().as_mut() };
    match host {
        Some(host) => guard(host, (), |host| {
            if level == Level::Error {
                host.note_error(message);
            }
            let (request_id, trace_id) = (host.request_id(), host.trace_id());
            let request_id = request_id.as_deref();
            let identity = host.identity();
            let place = Some(Place { pool: &identity.pool, slot: identity.slot, incarnation: identity.incarnation });
            PhpLog { level, message, context, error, place, request_id, trace_id }.emit();
        }),
        None => {
            // Without a host there is nowhere to park a panic; losing the record is all that can be done.
            let (place, request_id, trace_id) = (None, None, None);
            drop(catch_unwind(|| PhpLog { level, message, context, error, place, request_id, trace_id }.emit()));
        }
    }
}

/// The same as [`leaf!`] for the store, which needs no host and is also there where no thread has one: on the command line.
macro_rules! store_leaf {
    ($name:ident: $shape:ident, ($($argument:ident: $type:ty),*), $body:expr) => {
        const _: sys::$shape = Some($name);

        #[unsafe(no_mangle)]
        extern "C" fn $name(host: *mut c_void $(, $argument: $type)*) -> sys::sc_store {
            // SAFETY: I3, as in `leaf!`; the pointer is null on the command line.
            let host: Option<&mut Host<'_>> = unsafe { host.cast::<Host<'_>>().as_mut() };
            let fallback = sys::sc_store::SC_STORE_UNAVAILABLE;
            match host {
                Some(host) => guard(host, fallback, |_| $body),
                // There is nowhere to park a panic; its message has been written.
                None => catch_unwind(AssertUnwindSafe(|| $body)).unwrap_or(fallback),
            }
        }
    };
}

store_leaf! { sc_on_store_get: sc_on_store_get_fn, (key: sys::sc_text, into: *mut sys::sc_value), {
    // SAFETY: I4: a text of PHP's, valid for the call.
    let key = unsafe { view::bytes(key) };
    // SAFETY: I4: a local variable of C's, written to as a whole and not read.
    let write = |value| unsafe { into.write(value) };
    store::get(key, write)
} }

store_leaf! { sc_on_store_has: sc_on_store_has_fn, (key: sys::sc_text), {
    // SAFETY: I4: a text of PHP's, valid for the call.
    store::has(unsafe { view::bytes(key) })
} }

store_leaf! { sc_on_store_set: sc_on_store_set_fn, (key: sys::sc_text, value: *const sys::sc_value), {
    // SAFETY: I4: a local variable of C's.
    let value = unsafe { &*value };
    // SAFETY: I4: a text of PHP's, valid for the call.
    let key = unsafe { view::bytes(key) };
    // SAFETY: I4: so is this one.
    let bytes = unsafe { view::bytes(value.bytes) };
    store::set(key, bytes, value)
} }

store_leaf! { sc_on_store_delete: sc_on_store_delete_fn, (key: sys::sc_text), {
    // SAFETY: I4: a text of PHP's, valid for the call.
    store::delete(unsafe { view::bytes(key) })
} }

store_leaf! { sc_on_store_clear: sc_on_store_clear_fn, (prefix: sys::sc_text, removed: *mut u64), {
    // SAFETY: I4: a text of PHP's, valid for the call.
    let prefix = unsafe { view::bytes(prefix) };
    // SAFETY: I4: a local variable of C's.
    store::clear(prefix, unsafe { &mut *removed })
} }

store_leaf! { sc_on_store_info: sc_on_store_info_fn, (into: *mut sys::sc_store_figures), {
    // SAFETY: I4: a local variable of C's, written to as a whole and not read.
    store::info(|figures| unsafe { into.write(figures) })
} }

store_leaf! { sc_on_counter_add: sc_on_counter_add_fn, (key: sys::sc_text, by: i64, ttl: f64, now: *mut i64), {
    // SAFETY: I4: a text of PHP's, valid for the call.
    let key = unsafe { view::bytes(key) };
    // SAFETY: I4: a local variable of C's.
    store::count(key, by, ttl, unsafe { &mut *now })
} }

store_leaf! { sc_on_counter_get: sc_on_counter_get_fn, (key: sys::sc_text, now: *mut i64), {
    // SAFETY: I4: a text of PHP's, valid for the call.
    let key = unsafe { view::bytes(key) };
    // SAFETY: I4: a local variable of C's.
    store::counter(key, unsafe { &mut *now })
} }

store_leaf! { sc_on_counter_delete: sc_on_counter_delete_fn, (key: sys::sc_text), {
    // SAFETY: I4: a text of PHP's, valid for the call.
    store::delete_counter(unsafe { view::bytes(key) })
} }

store_leaf! { sc_on_lock_take: sc_on_lock_take_fn, (claim: *const sys::sc_claim), {
    // SAFETY: I4: a local variable of C's, with texts of PHP's.
    let (claim, key, token) = unsafe { claimed(claim) };
    store::lock(claim, key, token)
} }

store_leaf! { sc_on_lock_extend: sc_on_lock_extend_fn, (claim: *const sys::sc_claim), {
    // SAFETY: I4, as above.
    let (claim, key, token) = unsafe { claimed(claim) };
    store::extend(claim, key, token)
} }

store_leaf! { sc_on_lock_release: sc_on_lock_release_fn, (claim: *const sys::sc_claim), {
    // SAFETY: I4, as above.
    let (_, key, token) = unsafe { claimed(claim) };
    store::unlock(key, token)
} }

store_leaf! { sc_on_lock_held: sc_on_lock_held_fn, (claim: *const sys::sc_claim), {
    // SAFETY: I4, as above.
    let (_, key, token) = unsafe { claimed(claim) };
    store::holds(key, token)
} }

store_leaf! { sc_on_rate: sc_on_rate_fn, (rate: *const sys::sc_rate, verdict: *mut sys::sc_verdict), {
    // SAFETY: I4: a local variable of C's.
    let rate = unsafe { &*rate };
    // SAFETY: I4: a text of PHP's, valid for the call.
    let key = unsafe { view::bytes(rate.key) };
    // SAFETY: I4: so is this one.
    let rule = unsafe { view::bytes(rate.rule) };
    // SAFETY: I4: C's own, at least one.
    let limits = unsafe { std::slice::from_raw_parts(rate.limits, rate.limit_count) };
    // SAFETY: I4: a local variable of C's, written to as a whole and not read.
    let write = |seen| unsafe { verdict.write(seen) };
    store::rate(rate, key, rule, limits, write)
} }

store_leaf! { sc_on_rate_forget: sc_on_rate_forget_fn, (key: sys::sc_text), {
    // SAFETY: I4: a text of PHP's, valid for the call.
    store::forget_rate(unsafe { view::bytes(key) })
} }

/// What is claimed, with the key and the token.
///
/// # Safety
/// I4: `claim` and its texts must be valid for as long as what is given back is used.
unsafe fn claimed<'a>(claim: *const sys::sc_claim) -> (&'a sys::sc_claim, &'a [u8], &'a [u8]) {
    // SAFETY: I4, passed on to the caller.
    let claim = unsafe { &*claim };
    // SAFETY: I4, as above.
    let key = unsafe { view::bytes(claim.key) };
    // SAFETY: I4, as above.
    let token = unsafe { view::bytes(claim.token) };
    (claim, key, token)
}

/// What went wrong, if the application has no word for it (semantic conventions, `error.type`).
const OTHER_ERROR: &str = "_OTHER";

fn span_kind(kind: sys::sc_span_kind) -> SpanKind {
    match kind {
        sys::sc_span_kind::SC_SPAN_INTERNAL => SpanKind::Internal,
        sys::sc_span_kind::SC_SPAN_CLIENT => SpanKind::Client,
        sys::sc_span_kind::SC_SPAN_PRODUCER => SpanKind::Producer,
        sys::sc_span_kind::SC_SPAN_CONSUMER => SpanKind::Consumer,
    }
}

/// Most bytes of a text that are looked at: more than is kept of it.
const MOST_SAID_BYTES: usize = 8192;

/// A text of the application's, which may be no UTF-8 and very long.
fn said(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MOST_SAID_BYTES)])
}

/// What is said of a span. Each is copied when it is asked for: of a span that there is no room for nothing is.
///
/// # Safety
/// I4: `from` must point to `count` attributes whose texts are valid for as long as the answer is used.
unsafe fn attributes<'a>(
    from: *const sys::sc_attribute,
    count: usize,
) -> impl Iterator<Item = (String, Value)> + use<'a> {
    let attributes: &'a [sys::sc_attribute] = match count {
        0 => &[],
        // SAFETY: I4, passed on to the caller.
        _ => unsafe { std::slice::from_raw_parts(from, count) },
    };
    let text = |text| {
        // SAFETY: I4, as above.
        said(unsafe { view::bytes(text) }).into_owned()
    };
    let value = move |attribute: &sys::sc_attribute| match attribute.kind {
        sys::sc_attribute_kind::SC_ATTRIBUTE_TEXT => Value::from(text(attribute.text)),
        sys::sc_attribute_kind::SC_ATTRIBUTE_INTEGER => Value::I64(attribute.integer),
        sys::sc_attribute_kind::SC_ATTRIBUTE_NUMBER => Value::F64(attribute.number),
        sys::sc_attribute_kind::SC_ATTRIBUTE_TRUTH => Value::Bool(attribute.integer != 0),
    };
    attributes.iter().map(move |attribute| (text(attribute.name), value(attribute)))
}

fn io(result: Result<(), ClientGone>) -> sys::sc_io {
    match result {
        Ok(()) => sys::sc_io::SC_IO_OK,
        Err(ClientGone) => sys::sc_io::SC_IO_CLIENT_GONE,
    }
}

fn ending_of(ending: sys::sc_ending) -> Ending {
    match ending {
        sys::sc_ending::SC_ENDING_WHOLE => Ending::Whole,
        sys::sc_ending::SC_ENDING_UNCAUGHT => Ending::Failed(Fault::Uncaught),
        sys::sc_ending::SC_ENDING_FATAL => Ending::Failed(Fault::Fatal),
        sys::sc_ending::SC_ENDING_EXIT => Ending::Failed(Fault::Exit),
    }
}

/// Copies a head.
///
/// # Safety
/// I4: `head.headers` must point to `head.header_count` valid pairs.
unsafe fn response_head(head: &sys::sc_head) -> ResponseHead {
    let pairs = if head.header_count == 0 {
        &[]
    } else {
        // SAFETY: I4, passed on to the caller.
        unsafe { std::slice::from_raw_parts(head.headers, head.header_count) }
    };
    let copy = |text| {
        // SAFETY: I4, as above.
        Bytes::copy_from_slice(unsafe { view::bytes(text) })
    };
    ResponseHead {
        status: head.status,
        reason: copy(head.reason),
        headers: pairs.iter().map(|pair| (copy(pair.name), copy(pair.value))).collect(),
    }
}
