//! Who is written to, and who is asked.

#![forbid(unsafe_code)]

use php_ast::{
    Arg, ArrayElementKind, AssignExpr, AssignOp, Expr, ExprKind, ForeachStmt, Span, StaticVar, UnaryPostfixOp,
    UnaryPrefixOp,
};

use super::super::facts::{Taint, Value, Way};
use super::super::rule::{Rule, Severity};
use super::names::{COMMANDS, SUPERGLOBALS, last};
use super::scope::{Declared, Target};
use super::{Flow, ON, Walk, taint};
use php_ast::visitor::{Visitor as _, walk_expr};

/// Which part of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Key,
    End,
}

impl Part {
    fn way(self, op: AssignOp) -> Way {
        match (self, op) {
            (Self::End, _) => Way::Append,
            (Self::Whole, AssignOp::Assign) => Way::Set,
            (Self::Key, AssignOp::Assign) => Way::SetKey,
            (Self::Whole, AssignOp::Coalesce) => Way::Fill,
            (Self::Key, AssignOp::Coalesce) => Way::FillKey,
            (_, AssignOp::Minus) => Way::Subtract,
            _ => Way::Add,
        }
    }
}

/// Collections that are made empty.
const EMPTY: [&str; 5] = ["ArrayObject", "SplObjectStorage", "SplQueue", "SplStack", "SplDoublyLinkedList"];

/// A value that holds nothing.
fn is_empty(value: &Expr<'_, '_>) -> bool {
    match &value.kind {
        ExprKind::Null | ExprKind::Bool(false) | ExprKind::Int(0) => true,
        ExprKind::Array(elements) => elements.is_empty(),
        ExprKind::String(text) => text.is_empty(),
        ExprKind::Parenthesized(inner) => is_empty(inner),
        ExprKind::Assign(assign) => is_empty(assign.value),
        ExprKind::New(new) => {
            new.args.is_empty()
                && matches!(&new.class.kind, ExprKind::Name(name) if EMPTY.contains(&last(&name.join_parts())))
        }
        _ => false,
    }
}

impl<'src> Walk<'_, 'src> {
    pub(super) fn taint(&self, expr: &Expr<'_, 'src>) -> Taint {
        match self.scopes.last() {
            Some(scope) => taint::of(expr, &scope.locals),
            None => Taint::NONE,
        }
    }

    /// `$x = ...`, `$x .= ...`, `[$x, $y] = ...`.
    pub(super) fn assignment<'arena>(&mut self, expr: &Expr<'arena, 'src>, assign: &AssignExpr<'arena, 'src>) -> Flow {
        self.given(assign);
        self.visit_expr(assign.value)?;
        self.made(assign);
        let taint = self.taint(assign.value);
        self.value = sort_of(assign.value);
        if assign.by_ref {
            self.write_to(assign.value, |_| Way::Reference, taint, expr.span);
        }
        if let ExprKind::Array(_) = assign.target.kind {
            return self.destructure(assign.target, taint, expr.span);
        }
        self.inside(assign.target)?;
        let clears = assign.op == AssignOp::Assign && is_empty(assign.value);
        let trims = self.is_slice_of(assign.value, assign.target);
        let way = |part: Part| match part.way(assign.op) {
            Way::Set if clears => Way::Clear,
            Way::Set | Way::SetKey if trims => Way::Trim,
            way => way,
        };
        if let Some(target) = self.write_to(assign.target, way, taint, expr.span)
            && self.makes_own(assign.value)
        {
            self.instance(&target);
        }
        ON
    }

    /// `$x = array_slice($x, ...)`.
    fn is_slice_of(&self, value: &Expr<'_, 'src>, target: &Expr<'_, 'src>) -> bool {
        let ExprKind::FunctionCall(call) = &value.kind else { return false };
        let ExprKind::Name(name) = &call.name.kind else { return false };
        let first = call.args.first().and_then(Arg::value).and_then(|first| self.target(first));
        last(&name.join_parts()).eq_ignore_ascii_case("array_slice") && first.is_some() && first == self.target(target)
    }

    /// A variable that gets an object of the class it belongs to.
    fn instance(&mut self, target: &Target) {
        match target {
            Target::Static(class, property) => {
                if let Some(open) = self.open.last_mut().filter(|open| open.name == *class) {
                    open.instances.insert(property.clone());
                }
            }
            Target::Variable(name) => {
                if let Some(scope) = self.scope() {
                    scope.instances.insert(name.clone());
                }
            }
            _ => {}
        }
    }

    /// `new self`, `new static` or `new` with the name of the class, perhaps only if there is none yet.
    fn makes_own(&self, value: &Expr<'_, '_>) -> bool {
        match &value.kind {
            ExprKind::New(new) => match &new.class.kind {
                ExprKind::Name(name) => {
                    let class = self.class_named(name);
                    self.open.last().is_some_and(|open| open.name == class)
                }
                _ => false,
            },
            ExprKind::Parenthesized(inner) => self.makes_own(inner),
            ExprKind::NullCoalesce(pair) => self.makes_own(pair.right),
            ExprKind::Ternary(ternary) => {
                self.makes_own(ternary.else_expr) || ternary.then_expr.is_some_and(|then| self.makes_own(then))
            }
            _ => false,
        }
    }

    fn destructure<'arena>(&mut self, pattern: &Expr<'arena, 'src>, taint: Taint, span: Span) -> Flow {
        let ExprKind::Array(elements) = &pattern.kind else {
            self.inside(pattern)?;
            self.write_to(pattern, |part| part.way(AssignOp::Assign), taint, span);
            return ON;
        };
        for element in elements.iter() {
            if let Some(key) = &element.key {
                self.visit_expr(key)?;
            }
            match &element.kind {
                ArrayElementKind::Value(value) | ArrayElementKind::ByRef(value) => {
                    self.depth += 1;
                    let flow = if self.depth > super::TOO_DEEP {
                        Flow::Break(())
                    } else {
                        self.destructure(value, taint, span)
                    };
                    self.depth -= 1;
                    flow?;
                }
                ArrayElementKind::Spread(_) => {}
                _ => {}
            }
        }
        ON
    }

    /// What is evaluated inside of a target: keys, and the object of `$a->b`.
    fn inside<'arena>(&mut self, target: &Expr<'arena, 'src>) -> Flow {
        let mut at = target;
        loop {
            match &at.kind {
                ExprKind::ArrayAccess(access) => {
                    access.index.map_or(ON, |index| self.visit_expr(index))?;
                    at = access.array;
                }
                ExprKind::Parenthesized(inner) => at = inner,
                ExprKind::Variable(_) | ExprKind::StaticPropertyAccess(_) => return ON,
                ExprKind::PropertyAccess(access) if is_this(access.object) => {
                    self.mention(access.property);
                    return ON;
                }
                _ => return self.visit_expr(at),
            }
        }
    }

    /// `++` and `--`. Without a way it is an operator that changes nothing.
    pub(super) fn step<'arena>(
        &mut self,
        operand: &Expr<'arena, 'src>,
        way: Option<Way>,
        expr: &Expr<'arena, 'src>,
    ) -> Flow {
        let Some(way) = way else { return walk_expr(self, expr) };
        self.inside(operand)?;
        self.write_to(operand, |_| way, Taint::NONE, expr.span);
        ON
    }

    pub(super) fn prefix_way(&self, op: UnaryPrefixOp) -> Option<Way> {
        match op {
            UnaryPrefixOp::PreIncrement => Some(Way::Add),
            UnaryPrefixOp::PreDecrement => Some(Way::Subtract),
            _ => None,
        }
    }

    pub(super) fn postfix_way(&self, op: UnaryPostfixOp) -> Way {
        if op == UnaryPostfixOp::PostDecrement { Way::Subtract } else { Way::Add }
    }

    /// `unset($x)`, `unset($x[1])`.
    pub(super) fn unset<'arena>(&mut self, target: &Expr<'arena, 'src>) -> Flow {
        self.inside(target)?;
        self.write_to(
            target,
            |part| if part == Part::Whole { Way::Clear } else { Way::Remove },
            Taint::NONE,
            target.span,
        );
        ON
    }

    pub(super) fn each<'arena>(&mut self, each: &ForeachStmt<'arena, 'src>) -> Flow {
        self.visit_expr(&each.expr)?;
        let taint = self.taint(&each.expr);
        if each.by_ref {
            self.write_to(&each.expr, |_| Way::Reference, taint, each.expr.span);
        }
        if let Some(key) = &each.key {
            self.destructure(key, taint, key.span)?;
        }
        self.destructure(&each.value, taint, each.value.span)?;
        self.visit_stmt(each.body)
    }

    pub(super) fn static_variables<'arena>(&mut self, variables: &[StaticVar<'arena, 'src>]) -> Flow {
        for variable in variables {
            if let Some(first) = &variable.default {
                self.visit_expr(first)?;
            }
            let place = self.lines.place(variable.span);
            let computed = variable.default.as_ref().filter(|first| !is_constant(first)).map(|first| self.taint(first));
            let own = variable.default.as_ref().is_some_and(|first| self.makes_own(first));
            let name = variable.name.or_error().trim_start_matches('$').to_owned();
            if let Some(scope) = self.scope() {
                if own {
                    scope.instances.insert(name.clone());
                }
                if let Some(taint) = computed {
                    // PHP 8.3: as if it were filled the first time.
                    scope.write(Target::Variable(name.clone()), Way::Fill, taint, Value::Any, place.line, false);
                }
                if !scope.is_passing {
                    scope.statics.push(Declared { name, place });
                }
            }
        }
        ON
    }

    pub(super) fn globals(&mut self, names: &[Expr<'_, 'src>]) {
        for name in names {
            let place = self.lines.place(name.span);
            let word = name.name_str().unwrap_or("?").trim_start_matches('$').to_owned();
            if let Some(scope) = self.scope() {
                scope.globals.insert(word, place);
            }
        }
    }

    /// The thing that an expression names, if it outlives the function, and which part of it.
    fn target(&self, expr: &Expr<'_, 'src>) -> Option<(Target, Part)> {
        let mut part = Part::Whole;
        let mut at = expr;
        loop {
            let target = match &at.kind {
                ExprKind::Parenthesized(inner) => {
                    at = inner;
                    continue;
                }
                ExprKind::ArrayAccess(access) => {
                    part = match (part, access.index) {
                        (Part::End, _) | (Part::Whole, None) => Part::End,
                        _ => Part::Key,
                    };
                    at = access.array;
                    continue;
                }
                ExprKind::Variable(name) => match name.as_str() {
                    "GLOBALS" => Target::Globals,
                    "this" => return None,
                    word if SUPERGLOBALS.contains(&word) => Target::Superglobal(word.to_owned()),
                    word => Target::Variable(word.to_owned()),
                },
                ExprKind::PropertyAccess(access) | ExprKind::NullsafePropertyAccess(access) => {
                    if is_this(access.object) {
                        Target::Own(access.property.name_str()?.to_owned())
                    } else if matches!(access.object.kind, ExprKind::StaticPropertyAccess(_)) {
                        // A property of an object that a static property holds.
                        part = Part::Whole;
                        at = access.object;
                        continue;
                    } else {
                        return None;
                    }
                }
                ExprKind::StaticPropertyAccess(access) => {
                    let ExprKind::Name(class) = &access.class.kind else { return None };
                    let property = access.member.name_str()?.trim_start_matches('$').to_owned();
                    Target::Static(self.class_named(class), property)
                }
                _ => return None,
            };
            return Some((target, part));
        }
    }

    /// Notes a write; gives who was written to.
    pub(super) fn write_by(&mut self, expr: &Expr<'_, 'src>, way: Way, taint: Taint, span: Span) {
        self.write_to(expr, |_| way, taint, span);
    }

    fn write_to(
        &mut self,
        expr: &Expr<'_, 'src>,
        way: impl FnOnce(Part) -> Way,
        taint: Taint,
        span: Span,
    ) -> Option<Target> {
        let (target, part) = self.target(expr)?;
        let way = way(part);
        let line = self.lines.line(span.start);
        match &target {
            Target::Superglobal(name) => self.superglobal(name, span),
            Target::Globals => self.globals_array(span, true),
            // What is only filled is the same for all.
            Target::Static(..) if !matches!(way, Way::Fill | Way::FillKey) => {
                self.effect("a write to a static property");
            }
            _ => {}
        }
        let finally = self.finally > 0;
        let value = std::mem::take(&mut self.value);
        if let Some(scope) = self.scopes.last_mut() {
            if let Target::Variable(name) = &target {
                let known = scope.locals.entry(name.clone()).or_default();
                *known = known.and(taint);
            }
            scope.write(target.clone(), way, taint, value, line, finally);
        } else if let Target::Static(class, property) = &target {
            // In the script itself: while it boots.
            let mut scope = super::Scope::new("{script}", "{script}");
            scope.write(target.clone(), way, taint, value, line, finally);
            for (_, write) in scope.finish(&Default::default()) {
                let (class, property) = (class.clone(), property.clone());
                self.facts.static_writes.push(super::super::facts::StaticWrite { class, property, write });
            }
        }
        Some(target)
    }

    /// Something is read. In a condition that means: asked for.
    pub(super) fn read(&mut self, expr: &Expr<'_, 'src>) {
        let Some((target, _)) = self.target(expr) else { return };
        let asking = self.condition > 0;
        if let Target::Globals = target {
            self.globals_array(expr.span, false);
        }
        if let Some(scope) = self.scopes.last_mut() {
            if let Target::Own(name) = &target {
                scope.mentions.insert(name.clone());
            }
            if asking {
                scope.asked.insert(target.clone());
                self.asking.push(target.clone());
            }
        }
        if asking
            && let Some(class) = self.open.last_mut()
            && let Target::Own(name) | Target::Static(_, name) = target
        {
            class.asked.insert(name);
        }
    }

    fn mention(&mut self, property: &Expr<'_, 'src>) {
        if let (Some(name), Some(scope)) = (property.name_str(), self.scopes.last_mut()) {
            scope.mentions.insert(name.to_owned());
        }
    }

    /// `return self::$instance`, also with an assignment or a default around it.
    pub(super) fn returned(&mut self, value: &Expr<'_, 'src>) {
        let mut at = value;
        loop {
            at = match &at.kind {
                ExprKind::Parenthesized(inner) => inner,
                ExprKind::Assign(assign) => assign.target,
                ExprKind::NullCoalesce(pair) => pair.left,
                ExprKind::Ternary(ternary) => ternary.then_expr.unwrap_or(ternary.condition),
                _ => break,
            };
        }
        if let Some((Target::Static(_, property), _)) = self.target(at)
            && let Some(scope) = self.scopes.last_mut()
        {
            scope.returns.insert(property);
        }
    }

    fn superglobal(&mut self, name: &str, span: Span) {
        let place = self.lines.place(span);
        let message = format!("${name} is written to: {}", Rule::SuperglobalWrite.why());
        self.report(Rule::SuperglobalWrite, Severity::Warning, place, Some(format!("${name}")), message);
    }

    fn globals_array(&mut self, span: Span, writes: bool) {
        let place = self.lines.place(span);
        let (severity, does) = if writes { (Severity::Error, "written to") } else { (Severity::Warning, "read") };
        let message = format!("$GLOBALS is {does}: {}", Rule::Global.why());
        self.report(Rule::Global, severity, place, Some("$GLOBALS".to_owned()), message);
    }

    pub(super) fn exit(&mut self, expr: &Expr<'_, 'src>) {
        let is_command = |name: &String| COMMANDS.iter().any(|command| name.eq_ignore_ascii_case(command));
        let in_command = self.open.iter().any(|class| class.extends.iter().any(is_command));
        // A script that ends with it ends there anyway.
        let last = self.scopes.is_empty() && self.ends_with == Some(expr.span.start);
        if self.command_line > 0 || in_command || last {
            return;
        }
        let place = self.lines.place(expr.span);
        let function = self.scopes.last().map(|scope| scope.shown.clone());
        let message = format!("the script is ended here: {}", Rule::Exit.why());
        self.effect("exit");
        self.report(Rule::Exit, Severity::Warning, place, function, message);
    }
}

/// `$this`.
pub(super) fn is_this(expr: &Expr<'_, '_>) -> bool {
    matches!(&expr.kind, ExprKind::Variable(name) if name.as_str() == "this")
}

/// What sort of value it is.
fn sort_of(value: &Expr<'_, '_>) -> Value {
    if is_literal(value) {
        Value::Mark
    } else if is_same_for_all(value) {
        Value::Constant
    } else {
        Value::Any
    }
}

/// A table of plain values, a closure that takes nothing with it, or such a one bound to a class.
fn is_same_for_all(value: &Expr<'_, '_>) -> bool {
    match &value.kind {
        ExprKind::Array(_) => is_constant(value),
        ExprKind::Closure(closure) => closure.is_static && closure.use_vars.is_empty(),
        ExprKind::StaticMethodCall(call) => {
            let is_bind = call.method.name_str().is_some_and(|name| name.eq_ignore_ascii_case("bind"));
            let of_closure = matches!(&call.class.kind, ExprKind::Name(name) if last(&name.join_parts()) == "Closure");
            let mut arguments = call.args.iter().filter_map(Arg::value);
            is_bind
                && of_closure
                && arguments.next().is_some_and(is_same_for_all)
                && arguments.next().is_some_and(|object| matches!(object.kind, ExprKind::Null))
        }
        ExprKind::Parenthesized(inner) => is_same_for_all(inner),
        _ => false,
    }
}

/// A single plain value.
fn is_literal(value: &Expr<'_, '_>) -> bool {
    matches!(
        value.kind,
        ExprKind::Bool(_) | ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::String(_) | ExprKind::ClassConstAccess(_)
    )
}

/// A value that needs nothing to be run.
fn is_constant(value: &Expr<'_, '_>) -> bool {
    match &value.kind {
        ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::String(_)
        | ExprKind::Nowdoc { .. }
        | ExprKind::MagicConst(_)
        | ExprKind::ClassConstAccess(_)
        | ExprKind::Name(_) => true,
        ExprKind::UnaryPrefix(unary) => is_constant(unary.operand),
        // Deep ones are computed for all that matters here.
        ExprKind::Binary(pair) => {
            !matches!(pair.left.kind, ExprKind::Binary(_)) && is_constant(pair.left) && is_constant(pair.right)
        }
        ExprKind::Array(elements) => {
            elements.iter().all(|element| element.key.as_ref().is_none_or(is_constant) && is_constant(element.value()))
        }
        _ => false,
    }
}
