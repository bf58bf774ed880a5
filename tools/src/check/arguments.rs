//! Arguments of a call: positional ones in order, named ones taken by name, the rest reported.

use super::{Checker, names};
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{ArgumentP, AstExpr, AstNoPayload, CallArgsP, ExprP};

/// A named argument.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// Name.
    pub name: &'a str,
    /// Where the name stands.
    pub span: AstSpan,
    /// Value.
    pub value: &'a AstExpr,
}

/// Arguments not yet taken.
#[derive(Clone)]
pub struct Arguments<'a> {
    /// What is called, for messages.
    pub of: &'a str,
    /// Where the call stands.
    pub span: AstSpan,
    /// Positional arguments.
    pub positional: Vec<&'a AstExpr>,
    /// Named arguments in order.
    pub named: Vec<Named<'a>>,
}

impl<'a> Arguments<'a> {
    /// Take a named argument.
    pub fn take(&mut self, name: &str) -> Option<&'a AstExpr> {
        let at = self.named.iter().position(|n| n.name == name)?;
        Some(self.named.remove(at).value)
    }

    /// Take the first positional argument.
    pub fn next(&mut self) -> Option<&'a AstExpr> {
        (!self.positional.is_empty()).then(|| self.positional.remove(0))
    }

    /// Take an argument that may be given by place or by name.
    pub fn either(&mut self, name: &str) -> Option<&'a AstExpr> {
        self.next().or_else(|| self.take(name))
    }
}

impl Checker<'_> {
    /// Split the arguments of a call; `*args` and `**kwargs` are reported.
    pub(super) fn arguments<'a>(
        &mut self,
        of: &'a str,
        span: AstSpan,
        call: &'a CallArgsP<AstNoPayload>,
    ) -> Arguments<'a> {
        let mut arguments = Arguments { of, span, positional: Vec::new(), named: Vec::new() };
        for argument in &call.args {
            match &argument.node {
                ArgumentP::Positional(value) => arguments.positional.push(value),
                ArgumentP::Named(name, value) => {
                    arguments.named.push(Named { name: &name.node, span: name.span, value });
                }
                ArgumentP::Args(_) | ArgumentP::KwArgs(_) => {
                    self.report(argument.span, "arguments cannot be unpacked with `*`", "write each argument");
                }
            }
        }
        arguments
    }

    /// Report the arguments that nobody took. `known`: names that would have been taken.
    pub(super) fn no_more(&mut self, arguments: &Arguments<'_>, known: &[&str]) {
        if let Some(extra) = arguments.positional.first() {
            let hint = if known.is_empty() { String::new() } else { format!("name it: {}", names::list(known)) };
            self.report(extra.span, format!("`{}` takes no further argument without a name", arguments.of), hint);
        }
        for extra in &arguments.named {
            let hint = names::did_you_mean(extra.name, known.iter().copied());
            self.report(extra.span, format!("`{}` takes no argument `{}`", arguments.of, extra.name), hint);
        }
    }

    /// The arguments of an expression that is a call of a bare name.
    pub(super) fn call<'a>(&mut self, expr: &'a AstExpr) -> Option<Arguments<'a>> {
        match &expr.node {
            ExprP::Call(function, call) => {
                let name = super::places::identifier(function)?;
                Some(self.arguments(name, expr.span, call))
            }
            _ => None,
        }
    }
}
