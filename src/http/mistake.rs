//! In development: what is shown instead of the application while its newest code does not come up.
//!
//! The generation before goes on serving, so programs that talk to it notice nothing. But who looks at a page in a browser has just
//! changed something, and wants to see what is wrong with it and not the page as it was.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use parking_lot::Mutex;

/// A place for the mistake of the moment, if there is one. Clones are the same place.
#[derive(Debug, Clone, Default)]
pub struct Mistake(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    /// Looked at by every request; the text only by those that show it.
    is_there: AtomicBool,
    message: Mutex<String>,
}

impl Mistake {
    /// Shows this from now on, or nothing any more.
    pub fn set(&self, message: Option<String>) {
        let is_there = message.is_some();
        *self.0.message.lock() = message.unwrap_or_default();
        self.0.is_there.store(is_there, Ordering::Release);
    }

    /// The page for a request that wants one.
    pub(super) fn page(&self, request: &Parts) -> Option<Response<Body>> {
        let is_page = request.method == Method::GET && wants_html(&request.headers);
        if !self.0.is_there.load(Ordering::Acquire) || !is_page {
            return None;
        }
        let mut response = Response::new(Body::from(html(&self.0.message.lock())));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Some(response)
    }
}

/// Browsers name it when they show a page; scripts on it, and programs, do not.
fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|value| value.split(',')).any(|range| range.trim_start().starts_with("text/html"))
}

fn html(message: &str) -> String {
    let mut text = String::new();
    for sign in message.chars() {
        match sign {
            '&' => text += "&amp;",
            '<' => text += "&lt;",
            '>' => text += "&gt;",
            '"' => text += "&quot;",
            other => text.push(other),
        }
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>The new code does not come up</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:3em auto;max-width:60em;padding:0 1em}}\
         pre{{background:#f6f6f6;border-left:4px solid #c00;padding:1em;white-space:pre-wrap;overflow-wrap:anywhere}}</style></head>\n\
         <body><h1>The new code does not come up</h1>\n<pre>{text}</pre>\n\
         <p>Other requests are still answered by the code from before. This page is gone once the mistake is put right; it is shown \
         because the server was started with <code>--watch</code>.</p></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(method: &str, accept: &str) -> Parts {
        let request = Request::builder().method(method).uri("/").header(header::ACCEPT, accept).body(());
        request.expect("a request").into_parts().0
    }

    #[test]
    fn only_who_asks_for_a_page_sees_it() {
        let mistake = Mistake::default();
        let browser = request("GET", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
        assert!(mistake.page(&browser).is_none());
        mistake.clone().set(Some("syntax error, unexpected \"<b>\"".to_owned()));
        assert_eq!(mistake.page(&browser).map(|page| page.status()), Some(StatusCode::INTERNAL_SERVER_ERROR));
        for (method, accept) in [("GET", "application/json"), ("GET", "*/*"), ("POST", "text/html"), ("GET", "image/*")]
        {
            assert!(mistake.page(&request(method, accept)).is_none(), "{method} {accept}");
        }
        mistake.set(None);
        assert!(mistake.page(&browser).is_none());
    }

    #[test]
    fn a_message_is_text_and_no_markup() {
        let page = html("<script>alert(\"1\")</script> & more");
        assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; more"), "{page}");
    }
}
