//! Reads a file: PHP source in, facts out. The text comes from anybody, so nothing here may fail on it: a nesting that is too deep is told and left.

#![forbid(unsafe_code)]

mod calls;
mod declare;
mod keeping;
mod names;
mod scope;
mod taint;
mod target;

use std::collections::HashSet;
use std::ops::ControlFlow;

use php_ast::bumpalo::Bump;
use php_ast::resolve::{NameContext, NameResolver, ResolvedName, SpecialClass};
use php_ast::visitor::{Visitor, walk_class_member, walk_expr, walk_stmt};
use php_ast::{
    ArrowFunctionExpr, Attribute, BinaryOp, CatchClause, ClassMember, ClassMemberKind, ClosureExpr, Comment,
    EnumMember, EnumMemberKind, Expr, ExprKind, IfStmt, Name, Param, PropertyHook, Span, Stmt, StmtKind,
};
use php_rs_parser::diagnostics::{ParseError, Phase};

use super::facts::{Class, Facts, Taint, Value};
use super::finding::{Finding, Place};
use super::rule::{Rule, Severity};
use super::source::Lines;
use super::suppress;
pub(super) use calls::RESET_TAGS;
pub(super) use names::COMMANDS;
use scope::Scope;

/// Levels of the syntax tree.
type Depth = u32;
/// Deeper, a file is left: people write some dozens, and a chain of concatenations counts one for each. Three functions of the walk stand on
/// the stack for each level, in a debug build with about 2 KiB each; see `STACK` of `scan`.
const TOO_DEEP: Depth = 4_000;

/// What a file holds.
pub(super) struct Walked {
    pub(super) facts: Facts,
    pub(super) suppressions: Vec<suppress::Suppression>,
}

/// Reads a text. `is_script`: it is run by itself from a shell.
pub(super) fn walk(text: &str) -> Walked {
    let arena = Bump::new();
    let parsed = php_rs_parser::parse_arena(&arena, text);
    let lines = Lines::new(text);
    let mut walk = Walk {
        lines: &lines,
        text,
        resolver: NameResolver::new(),
        open: Vec::new(),
        scopes: Vec::new(),
        facts: Facts::default(),
        ends_with: None,
        configures: text.contains("ContainerConfigurator"),
        silences: text.contains(suppress::MARK),
        comments: Vec::new(),
        attributes: Vec::new(),
        excluded: Vec::new(),
        value: Value::Any,
        passing: HashSet::new(),
        harmless: HashSet::new(),
        held: None,
        condition: 0,
        asking: Vec::new(),
        finally: 0,
        command_line: u32::from(text.starts_with("#!")),
        depth: 0,
    };
    walk.ends_with = parsed.program.stmts.last().map(|stmt| stmt.span.start);
    walk.problems(&parsed.errors);
    if walk.visit_program(&parsed.program).is_break() {
        walk.facts
            .problems
            .push((0, format!("is nested more than {TOO_DEEP} levels deep and was not wholly looked at")));
    }
    let excluded = std::mem::take(&mut walk.excluded);
    for load in &mut walk.facts.loads {
        load.exclude.clone_from(&excluded);
    }
    let comments = parsed.comments.iter().chain(walk.comments.iter());
    let suppressions = suppress::find(comments, &walk.attributes, &lines);
    Walked { facts: walk.facts, suppressions }
}

struct Walk<'t, 'src> {
    lines: &'t Lines<'src>,
    text: &'src str,
    resolver: NameResolver,
    /// Classes whose bodies are being walked, the innermost last.
    open: Vec<Class>,
    /// Functions, the innermost last.
    scopes: Vec<Scope>,
    facts: Facts,
    /// Where the last statement begins.
    ends_with: Option<u32>,
    /// It configures services.
    configures: bool,
    /// Some comment silences something.
    silences: bool,
    /// Comments that belong to declarations, if one silences.
    comments: Vec<Comment<'src>>,
    /// Lines of attributes: first and last.
    attributes: Vec<(u32, u32)>,
    /// What a configuration leaves out of the folders it loads.
    excluded: Vec<String>,
    /// The sort of the value that is about to be written.
    value: Value,
    /// Where closures begin that are called at once.
    passing: HashSet<u32>,
    /// Where variables are read by somebody who keeps nothing.
    harmless: HashSet<u32>,
    /// The variable that the closure is given to which begins there.
    held: Option<(String, u32)>,
    /// How many conditions one is in.
    condition: u32,
    /// What has been asked for a value since the condition of an `if` began.
    asking: Vec<scope::Target>,
    /// How many `finally` one is in.
    finally: u32,
    /// How many branches for the command line one is in.
    command_line: u32,
    depth: Depth,
}

type Flow = ControlFlow<()>;
const ON: Flow = ControlFlow::Continue(());

impl<'src> Walk<'_, 'src> {
    fn problems(&mut self, errors: &[ParseError]) {
        // One is enough: the others mostly follow from it.
        if let Some(error) = errors.iter().find(|error| error.phase() == Phase::Parse) {
            self.facts.problems.push((self.lines.line(error.span().start), format!("does not parse: {error}")));
        }
    }

    fn scope(&mut self) -> Option<&mut Scope> {
        self.scopes.last_mut()
    }

    /// The class that a name means here, without a leading backslash.
    fn class_named(&self, name: &Name<'_, '_>) -> String {
        match self.resolver.resolve_name(name, NameContext::Class) {
            ResolvedName::Fqn(name) => name,
            ResolvedName::Special(SpecialClass::Parent) => {
                self.open.last().and_then(|class| class.extends.first().cloned()).unwrap_or_default()
            }
            ResolvedName::Special(_) => self.open.last().map(|class| class.name.clone()).unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// A finding about this place that needs no other file.
    fn report(&mut self, rule: Rule, severity: Severity, place: Place, member: Option<String>, message: String) {
        self.facts.findings.push(Finding {
            rule,
            severity,
            file: String::new(),
            place,
            class: self.open.last().map(|class| class.name.clone()),
            member,
            message,
            fix: rule.fix().to_owned(),
            fingerprint: String::new(),
        });
    }

    fn within(&mut self, counter: fn(&mut Self) -> &mut u32, body: impl FnOnce(&mut Self) -> Flow) -> Flow {
        *counter(self) += 1;
        let flow = body(self);
        *counter(self) -= 1;
        flow
    }

    fn asks<'arena>(&mut self, condition: &Expr<'arena, 'src>) -> Flow {
        self.within(|walk| &mut walk.condition, |walk| walk.visit_expr(condition))
    }

    /// A branch that only the command line takes.
    fn is_for_command_line(&self, condition: &Expr<'_, '_>) -> bool {
        let text = self.text.get(condition.span.start as usize..condition.span.end as usize).unwrap_or_default();
        ["PHP_SAPI", "php_sapi_name", "STDIN", "argv"].iter().any(|word| text.contains(word))
    }

    /// An expression below the depth check.
    fn expression<'arena>(&mut self, expr: &Expr<'arena, 'src>) -> Flow {
        match &expr.kind {
            ExprKind::Assign(assign) => self.assignment(expr, assign),
            ExprKind::UnaryPrefix(unary) => self.step(unary.operand, self.prefix_way(unary.op), expr),
            ExprKind::UnaryPostfix(unary) => self.step(unary.operand, Some(self.postfix_way(unary.op)), expr),
            ExprKind::Isset(list) => list.iter().try_for_each(|one| self.asks(one)),
            ExprKind::Empty(one) => self.asks(one),
            ExprKind::NullCoalesce(pair) => {
                self.asks(pair.left)?;
                self.visit_expr(pair.right)
            }
            ExprKind::Ternary(ternary) => {
                self.asks(ternary.condition)?;
                ternary.then_expr.map_or(ON, |then| self.visit_expr(then))?;
                self.visit_expr(ternary.else_expr)
            }
            ExprKind::Match(subject) => {
                self.asks(subject.subject)?;
                subject.arms.iter().try_for_each(|arm| self.visit_match_arm(arm))
            }
            ExprKind::Binary(binary) if is_logical(binary.op) => {
                self.asks(binary.left)?;
                self.asks(binary.right)
            }
            ExprKind::Exit(_) => {
                self.exit(expr);
                walk_expr(self, expr)
            }
            ExprKind::Print(_) | ExprKind::Eval(_) | ExprKind::Include(..) => {
                self.effect("output or code of another file");
                walk_expr(self, expr)
            }
            ExprKind::Closure(closure) => self.closure(closure, expr.span),
            ExprKind::ArrowFunction(arrow) => self.arrow(arrow, expr.span),
            ExprKind::AnonymousClass(class) => self.class(class, expr.span),
            ExprKind::New(new) => self.creation(new),
            _ => self.access(expr),
        }
    }

    /// A function's body, in a scope of its own.
    fn function<'arena>(
        &mut self,
        mut scope: Scope,
        parameters: &[Param<'arena, 'src>],
        body: impl FnOnce(&mut Self) -> Flow,
    ) -> (Flow, Scope) {
        for parameter in parameters {
            let name = parameter.name.or_error().trim_start_matches('$').to_owned();
            if let Some(class) = parameter.type_hint.as_ref().and_then(|hint| self.class_of(hint)) {
                scope.types.insert(name.clone(), class);
            }
            if parameter.by_ref {
                scope.shared.insert(name.clone());
            }
            let is_request = scope.types.get(&name).is_some_and(|class| is_of_request(class));
            scope.locals.insert(name, if is_request { Taint::REQUEST.and(Taint::ARGUMENT) } else { Taint::ARGUMENT });
        }
        self.scopes.push(scope);
        let (condition, finally) = (std::mem::take(&mut self.condition), std::mem::take(&mut self.finally));
        let mut flow = ON;
        for parameter in parameters {
            if flow.is_continue() {
                flow = self.visit_param(parameter);
            }
        }
        if flow.is_continue() {
            flow = body(self);
        }
        (self.condition, self.finally) = (condition, finally);
        let mut scope = self.scopes.pop().unwrap_or_default();
        self.settle(&mut scope);
        (flow, scope)
    }

    /// What a closure takes with it is known; the rest is new to it.
    fn closure_scope(&self) -> Scope {
        let outer = self.scopes.last();
        let method = match outer.map(|scope| scope.method.as_str()) {
            // It is run later, when the object is built.
            None | Some("__construct") => scope::CLOSURE.to_owned(),
            Some(method) => method.to_owned(),
        };
        Scope::new(scope::CLOSURE, method)
    }

    fn closure<'arena>(&mut self, closure: &ClosureExpr<'arena, 'src>, span: Span) -> Flow {
        let mut scope = self.closure_scope();
        scope.is_passing = self.passing.remove(&span.start);
        self.takes(closure, &mut scope, span);
        if let Some(outer) = self.scopes.last() {
            for used in closure.use_vars.iter() {
                let name = used.name.or_error().trim_start_matches('$');
                scope.locals.insert(name.to_owned(), outer.locals.get(name).copied().unwrap_or_default());
            }
        }
        let (flow, scope) = self.function(scope, &closure.params, |walk| walk.visit_block(closure.body));
        self.adopt(scope);
        flow
    }

    fn arrow<'arena>(&mut self, arrow: &ArrowFunctionExpr<'arena, 'src>, span: Span) -> Flow {
        let mut scope = self.closure_scope();
        scope.is_passing = self.passing.remove(&span.start);
        scope.locals = self.scopes.last().map(|outer| outer.locals.clone()).unwrap_or_default();
        let (flow, mut scope) = self.function(scope, &arrow.params, |walk| walk.visit_expr(arrow.body));
        let passes = scope.is_passing;
        // It takes what it names with it.
        let uses = std::mem::take(&mut scope.uses).into_iter();
        let uses = uses.map(|one| scope::Use { escapes: one.escapes || !passes, ..one });
        if let Some(outer) = self.scope() {
            outer.uses.extend(uses);
        }
        self.adopt(scope);
        flow
    }

    /// What a closure names counts for the function it stands in.
    fn adopt(&mut self, scope: Scope) {
        if let Some(outer) = self.scope() {
            outer.calls.extend(scope.calls);
            outer.mentions.extend(scope.mentions);
            outer.resets.extend(scope.resets);
            outer.effect = outer.effect.take().or(scope.effect);
        }
    }

    /// What is asked for in the functions around.
    fn asked_outside(&self) -> HashSet<scope::Target> {
        self.scopes.iter().flat_map(|scope| scope.asked.iter().cloned()).collect()
    }

    /// A condition before a branch, and what it asks for.
    fn asks_for<'arena>(&mut self, condition: &Expr<'arena, 'src>) -> (Flow, Vec<scope::Target>) {
        let outer = std::mem::take(&mut self.asking);
        let flow = self.asks(condition);
        (flow, std::mem::replace(&mut self.asking, outer))
    }

    /// A branch that was taken after these were asked for.
    fn branch<'arena>(&mut self, asked: &[scope::Target], body: &Stmt<'arena, 'src>) -> Flow {
        let level = self.scopes.last().map_or(0, Scope::level);
        if let Some(scope) = self.scope() {
            scope.enter(asked.to_vec());
        }
        let flow = self.visit_stmt(body);
        if let Some(scope) = self.scope() {
            scope.leave(level);
        }
        flow
    }

    /// `if`. Behind one that leaves, the rest of the block is a branch as well.
    fn conditional<'arena>(&mut self, branch: &IfStmt<'arena, 'src>) -> Flow {
        let (flow, mut asked) = self.asks_for(&branch.condition);
        flow?;
        let by_command_line = self.is_for_command_line(&branch.condition);
        self.command_line += u32::from(by_command_line);
        let mut flow = self.branch(&asked, branch.then_branch);
        self.command_line -= u32::from(by_command_line);
        for other in branch.elseif_branches.iter() {
            flow?;
            let (asked_too, more) = self.asks_for(&other.condition);
            asked_too?;
            asked.extend(more);
            flow = self.branch(&asked, &other.body);
        }
        flow?;
        if let Some(other) = branch.else_branch {
            return self.branch(&asked, other);
        }
        if branch.elseif_branches.is_empty()
            && leaves(branch.then_branch)
            && let Some(scope) = self.scope()
        {
            scope.enter(asked);
        }
        ON
    }

    /// A statement below the depth check.
    fn statement<'arena>(&mut self, stmt: &Stmt<'arena, 'src>) -> Flow {
        if let StmtKind::If(branch) = &stmt.kind {
            return self.conditional(branch);
        }
        let level = self.scopes.last().map_or(0, Scope::level);
        let flow = self.other_statement(stmt);
        if let Some(scope) = self.scope() {
            scope.leave(level);
        }
        flow
    }

    fn other_statement<'arena>(&mut self, stmt: &Stmt<'arena, 'src>) -> Flow {
        match &stmt.kind {
            StmtKind::While(repeat) => {
                self.asks(&repeat.condition)?;
                self.visit_stmt(repeat.body)
            }
            StmtKind::TryCatch(attempt) => {
                self.visit_block(attempt.body)?;
                attempt.catches.iter().try_for_each(|catch| self.visit_catch_clause(catch))?;
                attempt
                    .finally
                    .map_or(ON, |block| self.within(|walk| &mut walk.finally, |walk| walk.visit_block(block)))
            }
            StmtKind::Foreach(each) => self.each(each),
            StmtKind::StaticVar(variables) => self.static_variables(variables),
            StmtKind::Global(names) => {
                self.globals(names);
                ON
            }
            StmtKind::Unset(list) => list.iter().try_for_each(|one| self.unset(one)),
            StmtKind::Echo(_) => {
                self.effect("output");
                walk_stmt(self, stmt)
            }
            StmtKind::Return(value) => {
                if let Some(value) = value {
                    self.returned(value);
                }
                walk_stmt(self, stmt)
            }
            StmtKind::Function(function) => {
                self.note(function.doc_comment.as_ref());
                function.attributes.iter().try_for_each(|attribute| self.visit_attribute(attribute))?;
                let name = function.name.or_error();
                let scope = Scope::new(format!("{name}()"), name);
                self.function(scope, &function.params, |walk| walk.visit_block(function.body)).0
            }
            StmtKind::Class(class) => self.class(class, stmt.span),
            StmtKind::Interface(interface) => self.interface(interface, stmt.span),
            StmtKind::Trait(of) => self.trait_like(of, stmt.span),
            StmtKind::Enum(of) => self.enumeration(of, stmt.span),
            _ => walk_stmt(self, stmt),
        }
    }

    /// A comment that belongs to a declaration.
    fn note(&mut self, comment: Option<&Comment<'src>>) {
        if let Some(comment) = comment
            && self.silences
        {
            self.comments.push(*comment);
        }
    }
}

impl<'arena, 'src> Visitor<'arena, 'src> for Walk<'_, 'src> {
    type Break = ();

    fn visit_expr(&mut self, expr: &Expr<'arena, 'src>) -> Flow {
        if self.depth >= TOO_DEEP {
            return ControlFlow::Break(());
        }
        self.within(|walk| &mut walk.depth, |walk| walk.expression(expr))
    }

    fn visit_stmt(&mut self, stmt: &Stmt<'arena, 'src>) -> Flow {
        if self.depth >= TOO_DEEP {
            return ControlFlow::Break(());
        }
        self.resolver.observe_stmt(stmt);
        self.within(|walk| &mut walk.depth, |walk| walk.statement(stmt))
    }

    fn visit_attribute(&mut self, attribute: &Attribute<'arena, 'src>) -> Flow {
        self.attributes.push((self.lines.line(attribute.span.start), self.lines.line(attribute.span.end)));
        attribute.args.iter().try_for_each(|argument| self.visit_arg(argument))
    }

    fn visit_class_member(&mut self, member: &ClassMember<'arena, 'src>) -> Flow {
        match &member.kind {
            ClassMemberKind::Property(property) => self.property(property, member.span),
            ClassMemberKind::Method(method) => self.method(method),
            ClassMemberKind::TraitUse(uses) => {
                self.uses(uses);
                ON
            }
            ClassMemberKind::ClassConst(constant) => {
                self.note(constant.doc_comment.as_ref());
                walk_class_member(self, member)
            }
            _ => walk_class_member(self, member),
        }
    }

    fn visit_enum_member(&mut self, member: &EnumMember<'arena, 'src>) -> Flow {
        match &member.kind {
            EnumMemberKind::Method(method) => self.method(method),
            EnumMemberKind::TraitUse(uses) => {
                self.uses(uses);
                ON
            }
            _ => php_ast::visitor::walk_enum_member(self, member),
        }
    }

    fn visit_property_hook(&mut self, hook: &PropertyHook<'arena, 'src>) -> Flow {
        self.hook(hook)
    }

    fn visit_catch_clause(&mut self, catch: &CatchClause<'arena, 'src>) -> Flow {
        self.visit_block(catch.body)
    }
}

/// Whether what stands behind it in its block is not reached.
fn leaves(stmt: &Stmt<'_, '_>) -> bool {
    match &stmt.kind {
        StmtKind::Return(_) | StmtKind::Throw(_) | StmtKind::Continue(_) | StmtKind::Break(_) => true,
        StmtKind::Block(block) => block.stmts.last().is_some_and(|last| {
            matches!(last.kind, StmtKind::Return(_) | StmtKind::Throw(_) | StmtKind::Continue(_) | StmtKind::Break(_))
        }),
        _ => false,
    }
}

fn is_logical(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::BooleanAnd
            | BinaryOp::BooleanOr
            | BinaryOp::LogicalAnd
            | BinaryOp::LogicalOr
            | BinaryOp::Identical
            | BinaryOp::NotIdentical
            | BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Instanceof
    )
}

/// Classes whose objects belong to one request.
fn is_of_request(class: &str) -> bool {
    [
        "Request",
        "RequestInterface",
        "ServerRequestInterface",
        "RequestEvent",
        "ResponseEvent",
        "SessionInterface",
        "UserInterface",
        "TokenInterface",
    ]
    .contains(&names::last(class))
}
