//! Plain views that cross the boundary.

use crate::job;
use crate::sys;

/// A text for C. The bytes must be followed by a NUL that the slice does not contain: every caller takes them from a
/// [`job::Request`] or a `CString`.
pub(super) fn text(bytes: &[u8]) -> sys::sc_text {
    sys::sc_text { data: bytes.as_ptr().cast(), len: bytes.len() }
}

/// The bytes behind a text of C's.
///
/// # Safety
/// I4: the view must be valid until the returned slice is dropped.
pub(super) unsafe fn bytes<'a>(text: sys::sc_text) -> &'a [u8] {
    if text.data.is_null() || text.len == 0 {
        return &[];
    }
    // SAFETY: I4, passed on to the caller.
    unsafe { std::slice::from_raw_parts(text.data.cast(), text.len) }
}

/// A request as C sees it: pointers into the request's own buffer, and the header table.
pub(super) struct RequestView {
    raw: sys::sc_request,
    headers: Vec<sys::sc_pair>,
}

impl RequestView {
    /// Fills the view. It is valid as long as `exchange` neither moves nor changes its request.
    pub(super) fn new(exchange: &job::Exchange) -> Box<Self> {
        let request = &exchange.request;
        let at = |span| text(request.bytes(span));
        let headers: Vec<sys::sc_pair> =
            request.headers().iter().map(|h| sys::sc_pair { name: at(h.name), value: at(h.value) }).collect();
        let length = exchange.body.length();
        let time = request.accepted_at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut view = Box::new(Self {
            raw: sys::sc_request {
                method: at(request.method),
                uri: at(request.uri),
                query: at(request.query),
                protocol: at(request.protocol),
                server_name: at(request.server_name),
                server_addr: at(request.server_addr),
                remote_addr: at(request.remote_addr),
                content_type: at(request.content_type),
                cookie: at(request.cookie),
                authorization: at(request.authorization),
                request_id: at(request.request_id),
                document_root: at(request.target.document_root),
                script_name: at(request.target.script_name),
                script_filename: at(request.target.script_filename),
                path_info: at(request.target.path_info),
                headers: std::ptr::null(),
                header_count: headers.len(),
                content_length: length,
                time,
                server_port: request.server_port,
                remote_port: request.remote_port,
                https: request.https,
                has_body: length > 0 || exchange.body.announced(),
                sampled: request.trace.is_some_and(|trace| trace.is_sampled()),
            },
            headers,
        });
        view.raw.headers = view.headers.as_ptr();
        view
    }

    pub(super) fn as_ptr(&self) -> *const sys::sc_request {
        &raw const self.raw
    }
}
