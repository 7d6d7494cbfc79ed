//! Declarations: classes, their properties and methods.

#![forbid(unsafe_code)]

use php_ast::visitor::Visitor as _;
use php_ast::{
    Attribute, BuiltinType, ClassDecl, EnumDecl, Expr, ExprKind, InterfaceDecl, MethodDecl, Modifiers, Param,
    PropertyDecl, PropertyHook, PropertyHookBody, Span, TraitDecl, TraitUseDecl, TypeHint, TypeHintKind, Visibility,
};

use super::super::facts::{
    Class, Destructor, Form, Kind, Method, Parameter, Property, StaticVariable, StaticWrite, Write,
};
use super::super::rule::{Rule, Severity};
use super::scope::{Scope, Target};
use super::{Flow, ON, Walk};

impl<'src> Walk<'_, 'src> {
    pub(super) fn class<'arena>(&mut self, class: &ClassDecl<'arena, 'src>, span: Span) -> Flow {
        self.note(class.doc_comment.as_ref());
        let (form, name, at) = match class.name {
            Some(name) => (Form::Class, self.qualified(name.or_error()), name.span),
            None => {
                let line = self.lines.line(span.start);
                (Form::Anonymous, format!("class@anonymous:{line}"), Span::new(span.start, span.start + 9))
            }
        };
        let mut facts = self.declared(name, form, at, &class.attributes);
        facts.is_abstract = class.modifiers.is_abstract;
        facts.is_readonly = class.modifiers.is_readonly;
        facts.extends = class.extends.iter().map(|name| self.class_named(name)).collect();
        facts.implements = class.implements.iter().map(|name| self.class_named(name)).collect();
        class.attributes.iter().try_for_each(|attribute| self.visit_attribute(attribute))?;
        self.open.push(facts);
        let flow = class.body.members.iter().try_for_each(|member| self.visit_class_member(member));
        self.close();
        flow
    }

    pub(super) fn interface<'arena>(&mut self, interface: &InterfaceDecl<'arena, 'src>, _span: Span) -> Flow {
        self.note(interface.doc_comment.as_ref());
        let name = self.qualified(interface.name.or_error());
        let mut facts = self.declared(name, Form::Interface, interface.name.span, &interface.attributes);
        facts.implements = interface.extends.iter().map(|name| self.class_named(name)).collect();
        self.open.push(facts);
        let flow = interface.body.members.iter().try_for_each(|member| self.visit_class_member(member));
        self.close();
        flow
    }

    pub(super) fn trait_like<'arena>(&mut self, of: &TraitDecl<'arena, 'src>, _span: Span) -> Flow {
        self.note(of.doc_comment.as_ref());
        let name = self.qualified(of.name.or_error());
        let facts = self.declared(name, Form::Trait, of.name.span, &of.attributes);
        of.attributes.iter().try_for_each(|attribute| self.visit_attribute(attribute))?;
        self.open.push(facts);
        let flow = of.body.members.iter().try_for_each(|member| self.visit_class_member(member));
        self.close();
        flow
    }

    pub(super) fn enumeration<'arena>(&mut self, of: &EnumDecl<'arena, 'src>, _span: Span) -> Flow {
        self.note(of.doc_comment.as_ref());
        let name = self.qualified(of.name.or_error());
        let mut facts = self.declared(name, Form::Enum, of.name.span, &of.attributes);
        facts.implements = of.implements.iter().map(|name| self.class_named(name)).collect();
        of.attributes.iter().try_for_each(|attribute| self.visit_attribute(attribute))?;
        self.open.push(facts);
        let flow = of.body.members.iter().try_for_each(|member| self.visit_enum_member(member));
        self.close();
        flow
    }

    fn close(&mut self) {
        if let Some(class) = self.open.pop() {
            self.facts.classes.push(class);
        }
    }

    fn qualified(&self, name: &str) -> String {
        self.resolver.namespace().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}\\{name}"))
    }

    fn declared(&self, name: String, form: Form, at: Span, attributes: &[Attribute<'_, 'src>]) -> Class {
        Class {
            name,
            form,
            is_abstract: false,
            is_readonly: false,
            extends: Vec::new(),
            implements: Vec::new(),
            traits: Vec::new(),
            attributes: attributes.iter().map(|attribute| self.class_named(&attribute.name)).collect(),
            words: attributes.iter().flat_map(words).collect(),
            properties: Vec::new(),
            methods: Vec::new(),
            writes: Vec::new(),
            asked: Default::default(),
            instances: Default::default(),
            meddling: Vec::new(),
            undoing: Default::default(),
            destructor: None,
            place: self.lines.place(at),
        }
    }

    pub(super) fn uses(&mut self, uses: &TraitUseDecl<'_, 'src>) {
        let traits: Vec<_> = uses.traits.iter().map(|name| self.class_named(name)).collect();
        if let Some(class) = self.open.last_mut() {
            class.traits.extend(traits);
        }
    }

    pub(super) fn property<'arena>(&mut self, property: &PropertyDecl<'arena, 'src>, _span: Span) -> Flow {
        self.note(property.doc_comment.as_ref());
        property.attributes.iter().try_for_each(|attribute| self.visit_attribute(attribute))?;
        if let Some(first) = &property.default {
            self.visit_expr(first)?;
        }
        let by_value = property.default.as_ref().map_or(Kind::Unknown, kind_of_value);
        self.add_property(
            property.name.or_error(),
            property.name.span,
            property.modifiers,
            property.type_hint.as_ref(),
            by_value,
        );
        property.hooks.iter().try_for_each(|hook| self.hook(hook))
    }

    fn add_property(
        &mut self,
        name: &str,
        span: Span,
        modifiers: Modifiers,
        hint: Option<&TypeHint<'_, 'src>>,
        by_value: Kind,
    ) {
        let kind = match hint {
            Some(hint) => kind_of_type(hint),
            None => by_value,
        };
        let class = hint.and_then(|hint| self.class_of(hint));
        let place = self.lines.place(span);
        if let Some(open) = self.open.last_mut() {
            open.properties.push(Property {
                name: name.trim_start_matches('$').to_owned(),
                is_static: modifiers.is_static,
                is_readonly: modifiers.is_readonly || open.is_readonly,
                is_public: matches!(modifiers.visibility, None | Some(Visibility::Public)),
                kind,
                class,
                place,
            });
        }
    }

    /// A hook runs as a method does.
    pub(super) fn hook<'arena>(&mut self, hook: &PropertyHook<'arena, 'src>) -> Flow {
        let scope = Scope::new("{hook}", "{hook}");
        let (flow, _) = self.function(scope, &hook.params, |walk| match &hook.body {
            PropertyHookBody::Block(block) => walk.visit_block(block),
            PropertyHookBody::Expression(value) => walk.visit_expr(value),
            _ => ON,
        });
        flow
    }

    pub(super) fn method<'arena>(&mut self, method: &MethodDecl<'arena, 'src>) -> Flow {
        self.note(method.doc_comment.as_ref());
        method.attributes.iter().try_for_each(|attribute| self.visit_attribute(attribute))?;
        let name = method.name.or_error();
        let lower = name.to_ascii_lowercase();
        self.promoted(&method.params);
        let class = self.open.last().map(|class| class.name.clone()).unwrap_or_default();
        let scope = Scope::new(format!("{class}::{name}()"), name);
        let (flow, scope) =
            self.function(scope, &method.params, |walk| method.body.map_or(ON, |body| walk.visit_block(body)));
        if lower == "__destruct" && method.body.is_some_and(|body| !body.stmts.is_empty()) {
            let destructor = Destructor { effect: scope.effect, place: self.lines.place(method.name.span) };
            if let Some(class) = self.open.last_mut() {
                class.destructor = Some(destructor);
            }
        }
        let parameters = method.params.iter().map(|parameter| self.parameter(parameter)).collect();
        let facts = Method {
            name: lower,
            is_static: method.modifiers.is_static,
            is_private: method.modifiers.visibility == Some(Visibility::Private),
            is_public: matches!(method.modifiers.visibility, None | Some(Visibility::Public)),
            parameters,
            attributes: method.attributes.iter().map(|attribute| self.class_named(&attribute.name)).collect(),
            required: method.doc_comment.is_some_and(|comment| comment.text.contains("@required")),
            calls: scope.calls,
            mentions: scope.mentions,
            constants: scope.constants,
            resets: scope.resets,
            returns: scope.returns,
        };
        if let Some(class) = self.open.last_mut() {
            class.methods.push(facts);
        }
        flow
    }

    fn parameter(&self, parameter: &Param<'_, 'src>) -> Parameter {
        Parameter {
            kind: parameter.type_hint.as_ref().map_or(Kind::Unknown, kind_of_type),
            class: parameter.type_hint.as_ref().and_then(|hint| self.class_of(hint)),
            optional: parameter.default.is_some() || !parameter.attributes.is_empty(),
        }
    }

    /// Properties that a constructor's parameters declare.
    fn promoted(&mut self, parameters: &[Param<'_, 'src>]) {
        for parameter in parameters {
            if let Some(comment) = &parameter.doc_comment {
                self.note(Some(comment));
            }
            let modifiers = parameter.modifiers;
            if modifiers.visibility.is_some() || modifiers.set_visibility.is_some() || modifiers.is_readonly {
                let name = parameter.name;
                self.add_property(name.or_error(), name.span, modifiers, parameter.type_hint.as_ref(), Kind::Unknown);
            }
        }
    }

    /// The class that a type names, if it names one.
    pub(super) fn class_of(&self, hint: &TypeHint<'_, 'src>) -> Option<String> {
        match &hint.kind {
            TypeHintKind::Named(name) => Some(self.class_named(name)),
            TypeHintKind::Nullable(inner) => self.class_of(inner),
            TypeHintKind::Union(types) | TypeHintKind::Intersection(types) => {
                types.iter().find_map(|one| self.class_of(one))
            }
            TypeHintKind::Keyword(BuiltinType::Self_ | BuiltinType::Static, _) => {
                self.open.last().map(|class| class.name.clone())
            }
            _ => None,
        }
    }

    /// Gives the writes of a function to those they are about.
    pub(super) fn settle(&mut self, scope: &mut Scope) {
        let asked = self.asked_outside();
        let mut to_variables: Vec<(String, Write)> = Vec::new();
        for (target, write) in scope.finish(&asked) {
            match target {
                Target::Own(name) => {
                    if let Some(class) = self.open.last_mut() {
                        class.writes.push((name, write));
                    }
                }
                Target::Static(class, property) => {
                    self.facts.static_writes.push(StaticWrite { class, property, write });
                }
                Target::Variable(name) => to_variables.push((name, write)),
                Target::Superglobal(_) | Target::Globals => {}
            }
        }
        for (name, place) in std::mem::take(&mut scope.globals) {
            let written = to_variables.iter().any(|(of, _)| *of == name);
            let (severity, does) = if written { (Severity::Error, "written to") } else { (Severity::Warning, "used") };
            let message = format!("the global variable ${name} is {does}: {}", Rule::Global.why());
            self.report(Rule::Global, severity, place, Some(format!("${name}")), message);
        }
        let class = self.open.last().map(|class| class.name.clone());
        let mut statics = scope.kept();
        for declared in std::mem::take(&mut scope.statics) {
            let writes = to_variables.iter().filter(|(of, _)| *of == declared.name).map(|(_, write)| write.clone());
            statics.push(StaticVariable {
                writes: writes.collect(),
                instance: scope.instances.contains(&declared.name),
                name: declared.name,
                function: scope.shown.clone(),
                class: class.clone(),
                place: declared.place,
            });
        }
        self.statics(scope.held_by.take(), statics);
    }
}

/// Texts in the arguments of an attribute, one level of arrays included.
fn words(attribute: &Attribute<'_, '_>) -> Vec<String> {
    fn collect(value: &Expr<'_, '_>, levels: u8, found: &mut Vec<String>) {
        match &value.kind {
            ExprKind::String(text) => found.extend(text.to_str().map(str::to_owned)),
            ExprKind::Array(elements) if levels > 0 => {
                for element in elements.iter() {
                    if let Some(key) = &element.key {
                        collect(key, levels - 1, found);
                    }
                    collect(element.value(), levels - 1, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for value in attribute.args.iter().filter_map(php_ast::Arg::value) {
        collect(value, 3, &mut found);
    }
    found
}

fn kind_of_type(hint: &TypeHint<'_, '_>) -> Kind {
    match &hint.kind {
        TypeHintKind::Named(_) => Kind::Object,
        TypeHintKind::Keyword(word, _) => match word {
            BuiltinType::Array | BuiltinType::Iterable => Kind::Array,
            BuiltinType::Object
            | BuiltinType::Self_
            | BuiltinType::Static
            | BuiltinType::Parent_
            | BuiltinType::Callable => Kind::Object,
            BuiltinType::Mixed | BuiltinType::Null => Kind::Unknown,
            _ => Kind::Scalar,
        },
        TypeHintKind::Nullable(inner) => kind_of_type(inner),
        TypeHintKind::Union(types) => types
            .iter()
            .map(kind_of_type)
            .find(|kind| *kind == Kind::Array)
            .or_else(|| types.iter().map(kind_of_type).find(|kind| *kind == Kind::Object))
            .unwrap_or(Kind::Scalar),
        TypeHintKind::Intersection(_) => Kind::Object,
        _ => Kind::Unknown,
    }
}

fn kind_of_value(value: &Expr<'_, '_>) -> Kind {
    match &value.kind {
        ExprKind::Array(_) => Kind::Array,
        ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::String(_) | ExprKind::Bool(_) => Kind::Scalar,
        _ => Kind::Unknown,
    }
}
