//! Calls: of own methods, of functions that change their argument, of services that keep what they are given.

#![forbid(unsafe_code)]

use php_ast::visitor::{Visitor as _, walk_expr};
use php_ast::{Arg, Expr, ExprKind, MethodCallExpr, NewExpr};

use super::super::facts::{Definition, Load, Mark, Meddling, Taint, Value, Way};
use super::names::{AT_ONCE, CHANGE_FIRST, COLLECTIONS, LOOKS, MEDDLING, RELEASES, UNDOING, last};
use super::target::is_this;
use super::{Flow, Walk};

impl<'src> Walk<'_, 'src> {
    /// Everything that reads or calls.
    pub(super) fn access<'arena>(&mut self, expr: &Expr<'arena, 'src>) -> Flow {
        match &expr.kind {
            ExprKind::Variable(name) => {
                self.read(expr);
                self.variable(name.as_str(), expr.span);
            }
            ExprKind::StaticPropertyAccess(access) => {
                self.read(expr);
                // Its member is no variable.
                return self.visit_expr(access.class);
            }
            ExprKind::PropertyAccess(_) | ExprKind::NullsafePropertyAccess(_) => self.read(expr),
            ExprKind::FunctionCall(call) => {
                if let ExprKind::Name(name) = &call.name.kind {
                    self.function_call(last(&name.join_parts()), &call.args, expr);
                }
                self.harmless.insert(call.name.span.start);
            }
            ExprKind::MethodCall(call) | ExprKind::NullsafeMethodCall(call) => self.method_call(call, expr),
            ExprKind::StaticMethodCall(call) => {
                let method = call.method.name_str().unwrap_or_default().to_ascii_lowercase();
                if let ExprKind::Name(class) = &call.class.kind {
                    let class = class.join_parts();
                    let word = class.to_ascii_lowercase();
                    let own = matches!(word.as_str(), "self" | "static" | "parent")
                        || self.open.last().is_some_and(|open| last(&open.name) == last(&class));
                    if own && let Some(scope) = self.scope() {
                        scope.calls.insert(if word == "parent" { format!("parent::{method}") } else { method.clone() });
                    }
                    if own {
                        self.passes_on(&method, &call.args);
                    }
                }
                self.effect_of(&method);
            }
            ExprKind::ClassConstAccess(access) => {
                if let ExprKind::Name(class) = &access.class.kind {
                    let class = self.class_named(class);
                    if let Some(scope) = self.scope().filter(|scope| scope.method == SUBSCRIBES) {
                        scope.constants.insert(class);
                    }
                }
            }
            _ => {}
        }
        walk_expr(self, expr)
    }

    pub(super) fn creation<'arena>(&mut self, new: &NewExpr<'arena, 'src>) -> Flow {
        if let ExprKind::Name(name) = &new.class.kind {
            let class = self.class_named(name);
            if !class.is_empty() {
                let by = self.open.last().map(|class| class.name.clone());
                self.facts.created.insert((class, by));
            }
        }
        self.visit_expr(new.class)?;
        new.args.iter().try_for_each(|argument| self.visit_arg(argument))
    }

    fn function_call<'arena>(&mut self, name: &str, arguments: &[Arg<'arena, 'src>], expr: &Expr<'arena, 'src>) {
        let name = name.to_ascii_lowercase();
        if let Some((_, way)) = CHANGE_FIRST.iter().find(|(known, _)| *known == name)
            && let Some(first) = arguments.first().and_then(Arg::value)
        {
            // With something to put in it takes nothing away for sure.
            let way = if name == "array_splice" && arguments.len() > 3 { Way::Append } else { *way };
            self.write_by(first, way, Taint::ARGUMENT, expr.span);
        }
        if matches!(name.as_str(), "array_key_exists" | "key_exists" | "is_null" | "count") {
            for value in arguments.iter().filter_map(Arg::value) {
                self.condition += 1;
                self.read(base_of(value));
                self.condition -= 1;
            }
        }
        if AT_ONCE.contains(&name.as_str()) {
            self.only_calls(arguments);
        }
        self.effect_of(&name);
    }

    fn method_call<'arena>(&mut self, call: &MethodCallExpr<'arena, 'src>, expr: &Expr<'arena, 'src>) {
        let shown = call.method.name_str().unwrap_or_default().to_owned();
        let method = shown.to_ascii_lowercase();
        if is_this(call.object)
            && let Some(scope) = self.scope()
        {
            scope.calls.insert(method.clone());
        }
        if let Some((_, way)) = COLLECTIONS.iter().find(|(known, _)| *known == method) {
            self.collection(call, *way, expr);
        }
        if MEDDLING.contains(&method.as_str()) {
            self.meddle(call, &shown, expr);
        }
        if UNDOING.contains(&method.as_str())
            && let (Some(class), Some(scope)) = (self.open.last_mut(), self.scopes.last())
        {
            class.undoing.insert((scope.method.clone(), method.clone()));
        }
        self.call(call, &method);
        self.definition(call, &method);
        self.effect_of(&method);
    }

    /// `$this->queue->push(...)`: what it does is only known once the type of the property is, so it is noted under a name of its own.
    fn collection<'arena>(&mut self, call: &MethodCallExpr<'arena, 'src>, way: Way, expr: &Expr<'arena, 'src>) {
        let line = self.lines.line(expr.span.start);
        let finally = self.finally > 0;
        if let ExprKind::PropertyAccess(access) = &call.object.kind
            && is_this(access.object)
            && let Some(name) = access.property.name_str()
            && let Some(scope) = self.scopes.last_mut()
        {
            let target = super::scope::Target::Own(format!("{name}->"));
            scope.write(target, way, Taint::ARGUMENT, Value::Any, line, finally);
        }
    }

    fn meddle<'arena>(&mut self, call: &MethodCallExpr<'arena, 'src>, shown: &str, expr: &Expr<'arena, 'src>) {
        let Some(scope) = self.scopes.last() else { return };
        let on = match &call.object.kind {
            ExprKind::PropertyAccess(access) if is_this(access.object) => {
                access.property.name_str().map(|name| format!("$this->{name}"))
            }
            ExprKind::Variable(name) => scope.types.get(name.as_str()).cloned(),
            _ => None,
        };
        let method = scope.method.clone();
        let place = self.lines.place(expr.span);
        if let Some(class) = self.open.last_mut() {
            class.meddling.push(Meddling { call: shown.to_owned(), method, on, place });
        }
    }

    /// `$services->set('id', Foo::class)->tag('kernel.reset')` in a configuration.
    fn definition(&mut self, call: &MethodCallExpr<'_, 'src>, method: &str) {
        if method == "addmethodcall" {
            let name = call.args.first().and_then(Arg::value).map(texts).unwrap_or_default().into_iter().next();
            self.facts.wired.extend(name.map(|name| (None, name.to_ascii_lowercase())));
        }
        if !self.configures {
            return;
        }
        match method {
            "set" => {
                if let Some(class) = self.defined_class(call) {
                    self.facts.definitions.push(Definition { class, mark: Mark::None });
                }
            }
            "load" => {
                let texts: Vec<_> = call.args.iter().filter_map(Arg::value).flat_map(texts).collect();
                if let [prefix, resource] = texts.as_slice() {
                    let (prefix, resource) = (prefix.clone(), resource.clone());
                    self.facts.loads.push(Load { prefix, resource, exclude: Vec::new() });
                }
            }
            // Arguments are walked after the call: the load that is before it in the chain comes later.
            "exclude" => self.excluded.extend(call.args.iter().filter_map(Arg::value).flat_map(texts)),
            "call" => {
                if let Some(name) = call.args.first().and_then(Arg::value).map(texts).unwrap_or_default().first() {
                    let wired = (self.class_of_chain(call), name.to_ascii_lowercase());
                    self.facts.wired.push(wired);
                }
            }
            "abstract" => self.mark(call, Mark::Excluded),
            "tag" => match call.args.first().and_then(Arg::value).map(texts).unwrap_or_default().first() {
                Some(tag) if RESET_TAGS.contains(&tag.as_str()) => self.mark(call, Mark::Reset),
                Some(tag) if tag == "container.excluded" => self.mark(call, Mark::Excluded),
                _ => {}
            },
            _ => {}
        }
    }

    /// Marks the definition that a call in its chain is about.
    fn mark(&mut self, call: &MethodCallExpr<'_, 'src>, mark: Mark) {
        if let Some(class) = self.class_of_chain(call) {
            self.facts.definitions.push(Definition { class, mark });
        }
    }

    /// The class of the definition that a call in its chain is about.
    fn class_of_chain(&self, call: &MethodCallExpr<'_, 'src>) -> Option<String> {
        let mut at = call.object;
        while let ExprKind::MethodCall(before) = &at.kind {
            if before.method.name_str() == Some("set") {
                return self.defined_class(before);
            }
            at = before.object;
        }
        None
    }

    fn defined_class(&self, call: &MethodCallExpr<'_, 'src>) -> Option<String> {
        call.args.iter().filter_map(Arg::value).find_map(|value| match &value.kind {
            ExprKind::ClassConstAccess(access) if access.member.name_str() == Some("class") => match &access.class.kind
            {
                ExprKind::Name(name) => Some(self.class_named(name)),
                _ => None,
            },
            _ => None,
        })
    }

    /// What a destructor does, if it is one.
    pub(super) fn effect(&mut self, what: &str) {
        if let Some(scope) = self.scope()
            && scope.method == "__destruct"
            && scope.effect.is_none()
        {
            scope.effect = Some(what.to_owned());
        }
    }

    fn effect_of(&mut self, name: &str) {
        let looks = LOOKS.iter().any(|begin| name.starts_with(begin));
        if !looks && !RELEASES.contains(&name) {
            self.effect(&format!("{name}()"));
        }
    }
}

/// Where listeners say what they listen to.
const SUBSCRIBES: &str = "getSubscribedEvents";

/// `$a` of `$a[1][2]`.
fn base_of<'e, 'arena, 'src>(expr: &'e Expr<'arena, 'src>) -> &'e Expr<'arena, 'src> {
    let mut at = expr;
    while let ExprKind::ArrayAccess(access) = &at.kind {
        at = access.array;
    }
    at
}

/// Names of tags whose services are reset between two requests.
pub(in super::super) const RESET_TAGS: [&str; 4] =
    ["kernel.reset", "supercharger.resetter", "runtime_supercharger_resetter", "runtime.reset"];

/// The texts of an argument; those of `__DIR__.'/../src'` and of lists too.
fn texts(value: &Expr<'_, '_>) -> Vec<String> {
    match &value.kind {
        ExprKind::String(text) => text.to_str().map(str::to_owned).into_iter().collect(),
        ExprKind::Binary(pair) => match (&pair.left.kind, &pair.right.kind) {
            (ExprKind::MagicConst(_), ExprKind::String(text)) => {
                text.to_str().map(|text| text.trim_start_matches('/').to_owned()).into_iter().collect()
            }
            _ => Vec::new(),
        },
        ExprKind::Array(elements) => elements
            .iter()
            .filter(|element| !matches!(element.value().kind, ExprKind::Array(_)))
            .flat_map(|element| texts(element.value()))
            .collect(),
        _ => Vec::new(),
    }
}
