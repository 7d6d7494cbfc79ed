//! Where a value comes from.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::ops::ControlFlow;

use php_ast::visitor::{Visitor, walk_expr};
use php_ast::{Expr, ExprKind, Stmt};

use super::super::facts::Taint;
use super::names::{SUPERGLOBALS, last};
use super::{Depth, TOO_DEEP};

/// Functions that give something else each time, or something of the request.
const CHANGING: [&str; 24] = [
    "uniqid",
    "random_bytes",
    "random_int",
    "mt_rand",
    "rand",
    "lcg_value",
    "microtime",
    "time",
    "hrtime",
    "date",
    "gmdate",
    "getdate",
    "localtime",
    "openssl_random_pseudo_bytes",
    "com_create_guid",
    "uuid_create",
    "session_id",
    "getallheaders",
    "apache_request_headers",
    "http_response_code",
    "headers_list",
    "supercharger_request_id",
    "filter_input",
    "memory_get_usage",
];

/// Methods that give something of the request, or of who sent it.
const OF_REQUEST: [&str; 20] = [
    "getcurrentrequest",
    "getmainrequest",
    "getmasterrequest",
    "getparentrequest",
    "getrequest",
    "getuser",
    "gettoken",
    "getsession",
    "getclientip",
    "getclientips",
    "getpathinfo",
    "getrequesturi",
    "getuseridentifier",
    "getcurrentuser",
    "getcurrentroute",
    "getpreferredlanguage",
    "getcontent",
    "getflashbag",
    "getattribute",
    "getserverparams",
];

/// Classes whose objects are of one moment or of one request.
const MOMENTARY: [&str; 8] =
    ["DateTime", "DateTimeImmutable", "DatePoint", "Request", "Uuid", "Ulid", "ServerRequest", "NowClock"];

/// Tells where the value of an expression may come from, by what is known of the local variables.
pub(super) fn of<'src>(expr: &Expr<'_, 'src>, locals: &HashMap<String, Taint>) -> Taint {
    let mut look = Look { locals, found: Taint::NONE, depth: 0 };
    if look.visit_expr(expr).is_break() {
        // Too deep to say: it may be anything.
        look.add(Taint::REQUEST);
    }
    look.found
}

struct Look<'a> {
    locals: &'a HashMap<String, Taint>,
    found: Taint,
    depth: Depth,
}

impl Look<'_> {
    fn add(&mut self, taint: Taint) {
        self.found = self.found.and(taint);
    }

    fn look(&mut self, expr: &Expr<'_, '_>) {
        match &expr.kind {
            ExprKind::Variable(name) => match name.as_str() {
                "this" => self.add(Taint::THIS),
                name if SUPERGLOBALS.contains(&name) || name == "GLOBALS" => self.add(Taint::REQUEST),
                name => self.add(self.locals.get(name).copied().unwrap_or_default()),
            },
            ExprKind::FunctionCall(call) => {
                if let ExprKind::Name(name) = &call.name.kind
                    && CHANGING.contains(&last(&name.join_parts()).to_ascii_lowercase().as_str())
                {
                    self.add(Taint::CHANGING);
                }
            }
            ExprKind::MethodCall(call) | ExprKind::NullsafeMethodCall(call) => {
                let name = call.method.name_str().unwrap_or_default().to_ascii_lowercase();
                if OF_REQUEST.contains(&name.as_str()) {
                    self.add(Taint::REQUEST);
                }
                if name == "now" {
                    self.add(Taint::CHANGING);
                }
            }
            ExprKind::New(new) => {
                if let ExprKind::Name(name) = &new.class.kind
                    && MOMENTARY.contains(&last(&name.join_parts()))
                {
                    self.add(Taint::CHANGING);
                }
            }
            ExprKind::StaticMethodCall(call) => {
                if let ExprKind::Name(name) = &call.class.kind
                    && MOMENTARY.contains(&last(&name.join_parts()))
                {
                    self.add(Taint::CHANGING);
                }
            }
            _ => {}
        }
    }
}

impl<'arena, 'src> Visitor<'arena, 'src> for Look<'_> {
    type Break = ();

    fn visit_expr(&mut self, expr: &Expr<'arena, 'src>) -> ControlFlow<()> {
        if self.depth >= TOO_DEEP {
            return ControlFlow::Break(());
        }
        self.look(expr);
        // What a closure does it does later.
        if matches!(expr.kind, ExprKind::AnonymousClass(_)) {
            return ControlFlow::Continue(());
        }
        self.depth += 1;
        let flow = walk_expr(self, expr);
        self.depth -= 1;
        flow
    }

    fn visit_stmt(&mut self, _stmt: &Stmt<'arena, 'src>) -> ControlFlow<()> {
        // The body of a closure: its variables are not those of the function.
        ControlFlow::Continue(())
    }
}
