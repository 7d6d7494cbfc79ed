//! Who else gets to see what a local variable holds: a closure that nobody keeps is gone with the function, and its static variables with it.
//! What is kept is decided by where the variable is read, not by what is done with it there; in doubt it is kept.

#![forbid(unsafe_code)]

use php_ast::{Arg, AssignExpr, AssignOp, ClosureExpr, Expr, ExprKind, MethodCallExpr, Span};

use super::super::facts::{Call, StaticVariable};
use super::names::KEEPERS;
use super::scope::{Holds, Scope};
use super::target::is_this;
use super::{Walk, is_of_request};

/// Calls of a fluent object that are followed to its beginning; each call of a chain is.
const LONGEST_CHAIN: usize = 64;

impl<'src> Walk<'_, 'src> {
    /// `$f = function () { ... }`, before the closure is walked.
    pub(super) fn given(&mut self, assign: &AssignExpr<'_, 'src>) {
        let Some(scope) = self.scopes.last() else { return };
        if !matches!(assign.value.kind, ExprKind::Closure(_)) || assign.by_ref || assign.op != AssignOp::Assign {
            return;
        }
        let at = assign.value.span.start;
        match &assign.target.kind {
            ExprKind::Variable(name) if scope.is_local(name.as_str()) => {
                self.held = Some((name.as_str().to_owned(), at));
            }
            // It lives as long as the object, which is a value.
            ExprKind::PropertyAccess(access) if is_made(scope, access.object) => {
                self.passing.insert(at);
            }
            _ => {}
        }
    }

    /// `$x = new X()`, or something else.
    pub(super) fn made(&mut self, assign: &AssignExpr<'_, 'src>) {
        let ExprKind::Variable(name) = &assign.target.kind else { return };
        let makes = makes(assign.value).then(|| self.class_made(assign.value));
        if let Some(scope) = self.scope() {
            match makes {
                Some(class) => scope.made.insert(name.as_str().to_owned(), class),
                None => scope.made.remove(name.as_str()),
            };
        }
    }

    /// The class of `new X()`.
    fn class_made(&self, value: &Expr<'_, '_>) -> Option<String> {
        match &value.kind {
            ExprKind::New(new) => match &new.class.kind {
                ExprKind::Name(name) => Some(self.class_named(name)),
                _ => None,
            },
            ExprKind::Parenthesized(inner) => self.class_made(inner),
            _ => None,
        }
    }

    /// What a closure takes with it.
    pub(super) fn takes(&mut self, closure: &ClosureExpr<'_, 'src>, scope: &mut Scope, span: Span) {
        scope.held_by = self.held.take_if(|(_, at)| *at == span.start);
        for used in closure.use_vars.iter() {
            let name = used.name.or_error().trim_start_matches('$');
            if used.by_ref {
                scope.shared.insert(name.to_owned());
            }
            // One that takes itself is a recursion.
            let itself = scope.held_by.as_ref().is_some_and(|(held, _)| held == name);
            if let Some(outer) = self.scope()
                && !itself
            {
                outer.used(name, used.span.start, true);
            }
        }
    }

    /// The static variables of a closure: they go to the variable that holds it, if one does.
    pub(super) fn statics(&mut self, held_by: Option<(String, u32)>, statics: Vec<StaticVariable>) {
        match (held_by, self.scopes.last_mut()) {
            (Some((name, at)), Some(outer)) => outer.holds.push(Holds { name, at, statics }),
            _ => self.facts.variables.extend(statics),
        }
    }

    /// A variable that is read.
    pub(super) fn variable(&mut self, name: &str, span: Span) {
        let escapes = !self.harmless.remove(&span.start);
        if let Some(scope) = self.scope() {
            scope.used(name, span.start, escapes);
        }
    }

    /// Arguments of somebody who calls them and keeps nothing.
    pub(super) fn only_calls(&mut self, arguments: &[Arg<'_, 'src>]) {
        for value in arguments.iter().filter_map(Arg::value) {
            match value.kind {
                ExprKind::Closure(_) | ExprKind::ArrowFunction(_) => self.passing.insert(value.span.start),
                ExprKind::Variable(_) => self.harmless.insert(value.span.start),
                _ => false,
            };
        }
    }

    /// Arguments of an own method: unless its name says that it keeps them, it does not.
    pub(super) fn passes_on(&mut self, method: &str, arguments: &[Arg<'_, 'src>]) {
        if KEEPERS.iter().any(|begin| method.starts_with(begin)) {
            return;
        }
        let variables = arguments.iter().filter_map(Arg::value);
        let variables = variables.filter(|value| matches!(value.kind, ExprKind::Variable(_)));
        self.harmless.extend(variables.map(|value| value.span.start));
    }

    /// `$object->method()`.
    pub(super) fn call<'arena>(&mut self, call: &MethodCallExpr<'arena, 'src>, method: &str) {
        if is_this(call.object) {
            self.passes_on(method, &call.args);
            return;
        }
        let class = self.open.last().map(|class| class.name.clone());
        let Some(scope) = self.scopes.last_mut() else { return };
        let on = match &call.object.kind {
            ExprKind::PropertyAccess(access) if is_this(access.object) => {
                let name = access.property.name_str();
                if let Some(name) = name.filter(|_| method == "reset") {
                    scope.resets.insert(name.to_owned());
                }
                name.map(|name| format!("$this->{name}"))
            }
            ExprKind::Variable(name) => {
                scope.made.get(name.as_str()).cloned().flatten().or_else(|| scope.types.get(name.as_str()).cloned())
            }
            _ => None,
        };
        let of_request = matches!(&call.object.kind, ExprKind::Variable(name) if name.as_str() == "request");
        if of_request || on.as_deref().is_some_and(is_of_request) {
            // What a request keeps is gone with it.
            let closures = call.args.iter().filter_map(Arg::value);
            let closures = closures.filter(|value| matches!(value.kind, ExprKind::Closure(_)));
            self.passing.extend(closures.map(|value| value.span.start));
        }
        let reads = ["get", "is", "has"].iter().any(|begin| method.starts_with(begin));
        if !reads && !self.configures {
            let fresh = is_made(scope, base_of_chain(call.object));
            let caller = scope.method.to_ascii_lowercase();
            self.facts.calls.push(Call { method: method.to_owned(), on, class, caller, fresh });
        }
    }
}

/// `new X()`, `clone $x`.
fn makes(value: &Expr<'_, '_>) -> bool {
    match &value.kind {
        ExprKind::New(_) | ExprKind::Clone(_) | ExprKind::CloneWith(..) => true,
        ExprKind::Parenthesized(inner) => makes(inner),
        _ => false,
    }
}

/// Whether an object was made in this very function.
fn is_made(scope: &Scope, object: &Expr<'_, '_>) -> bool {
    makes(object) || matches!(&object.kind, ExprKind::Variable(name) if scope.made.contains_key(name.as_str()))
}

/// `$a` of `$a->b()->c()`.
fn base_of_chain<'e, 'arena, 'src>(expr: &'e Expr<'arena, 'src>) -> &'e Expr<'arena, 'src> {
    let mut at = expr;
    for _ in 0..LONGEST_CHAIN {
        at = match &at.kind {
            ExprKind::MethodCall(call) => call.object,
            ExprKind::Parenthesized(inner) => inner,
            _ => return at,
        };
    }
    at
}
