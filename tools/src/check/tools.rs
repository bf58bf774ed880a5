//! `tool(...)`: which functions an agent may call, and what they mean.

use super::{Checked, Checker, Item, names, places};
use crate::suite::Tool;
use crate::syntax::Reported;
use crate::types::{FunctionId, Type};
use starlark_syntax::codemap::Span as AstSpan;
use starlark_syntax::syntax::ast::{ArgumentP, AstExpr, ExprP};

/// Most tools of a suite.
const TOOLS_MAX: usize = 64;

impl Checker<'_> {
    /// The suite's tools, and those of modules whose functions it loads.
    pub(super) fn tools(&mut self, calls: &[(usize, &AstExpr)]) {
        let calls: Vec<_> = calls.iter().filter(|(file, call)| self.is_offered(*file, call)).collect();
        if let Some((file, extra)) = calls.get(TOOLS_MAX) {
            self.enter_file(*file);
            self.report(extra.span, format!("a suite has at most {TOOLS_MAX} tools"), "split the suite");
        }
        for (file, call) in calls {
            self.enter_file(*file);
            if let Ok(tool) = self.tool(call) {
                if self.suite.tools.iter().any(|t| t.function == tool.function) {
                    self.report(call.span, format!("`{}` is a tool twice", tool.name), "remove one of the two");
                }
                self.suite.tools.push(tool);
            }
        }
    }

    fn is_offered(&self, file: usize, call: &AstExpr) -> bool {
        let ExprP::Call(_, arguments) = &call.node else { return true };
        let function = arguments.args.first().and_then(|argument| match &argument.node {
            ArgumentP::Positional(value) => places::identifier(value).or_else(|| places::string(value)),
            _ => None,
        });
        function.is_none_or(|function| self.is_loaded(file, function))
    }

    fn tool(&mut self, call: &AstExpr) -> Checked<Tool> {
        let Some(mut arguments) = self.call(call) else { return Err(Reported) };
        let Some(function) = arguments.either("function") else {
            return Err(self.report(call.span, "`tool` needs a function", "write `tool(check_out, ...)`"));
        };
        let id = self.function_named(function)?;
        let broken = self.signatures[id].broken;
        self.border(id, function.span);
        let name = self.suite.functions[id].name.clone();
        if self.suite.functions[id].doc.is_empty() {
            let hint = "start its body with \"\"\"What it does.\"\"\"; agents read it";
            self.report(function.span, format!("the tool `{name}` has no doc string"), hint);
        }
        let writes = self.suite.functions[id].writes;
        let ask = arguments.take("ask");
        let needs = arguments.take("needs");
        let effect = arguments.take("effect");
        let gives = arguments.take("gives");
        let finds = arguments.take("finds");
        let matched = arguments.take("match");
        let page = arguments.take("page");
        if let Some(old) = arguments.take("writes") {
            self.report(old.span, "whether a tool writes is found from its body", "remove `writes`");
        }
        self.no_more(&arguments, &["ask", "needs", "effect", "gives", "finds", "match", "page"]);
        let span = self.place(call.span);
        let mut tool = Tool {
            name,
            function: id,
            writes,
            ask: Vec::new(),
            effects: Vec::new(),
            goal_locals: Vec::new(),
            needs: Vec::new(),
            rules: Vec::new(),
            gives: Vec::new(),
            finds: None,
            span,
        };
        if broken {
            return Ok(tool);
        }
        if writes {
            self.write_tool(&mut tool, call.span, ask, effect);
            for (part, word) in [(finds, "finds"), (matched, "match"), (page, "page")] {
                if let Some(part) = part {
                    let message = format!("`{}` writes, so it has no `{word}`", tool.name);
                    self.report(part.span, message, "`finds` is for tools that only read");
                }
            }
        } else {
            for (part, word) in [(effect, "effect"), (ask, "ask"), (gives, "gives"), (needs, "needs")] {
                if let Some(part) = part {
                    let message = format!("`{}` writes nothing, so it has no `{word}`", tool.name);
                    self.report(part.span, message, "read tools say `finds`, `match` and `page`");
                }
            }
            if let Some(finds) = finds {
                tool.finds = self.finds(id, finds, matched, page).ok();
            } else if let Some(part) = matched.or(page) {
                self.report(part.span, "`match` and `page` belong to `finds`", "write `finds = table` as well");
            }
            return Ok(tool);
        }
        let mut goal = super::goals::Goal::new(self, id);
        if let Some(needs) = needs {
            (tool.needs, tool.rules) = goal.needs(needs);
        }
        if let Some(effect) = effect {
            tool.effects = goal.effects(effect);
        }
        tool.goal_locals = goal.locals();
        let faults = self.diagnostics.len();
        if let Some(gives) = gives {
            tool.gives = self.gives(id, gives);
        }
        if self.diagnostics.len() == faults {
            self.argument_values(&tool, call.span);
        }
        Ok(tool)
    }

    fn function_named(&mut self, expr: &AstExpr) -> Checked<FunctionId> {
        let name = places::identifier(expr).or_else(|| places::string(expr)).unwrap_or_default();
        match self.items.get(name) {
            Some(Item::Function(id)) => Ok(*id),
            _ => {
                let functions: Vec<&str> = self
                    .items
                    .iter()
                    .filter(|(_, i)| matches!(i, Item::Function(_)))
                    .map(|(n, _)| n.as_str())
                    .collect();
                let hint = names::did_you_mean(name, functions);
                Err(self.report(expr.span, format!("`{}` is no function of this file", expr.node), hint))
            }
        }
    }

    /// Types that may cross a tool's border.
    fn border(&mut self, id: FunctionId, span: AstSpan) {
        let signature = self.signatures[id].clone();
        for parameter in &signature.parameters {
            if let Some(fault) = self.no_entry(&parameter.ty, false) {
                let message =
                    format!("the parameter `{}` of a tool cannot be {}", parameter.name, self.type_name(&parameter.ty));
                self.report(span, message, fault);
            }
        }
        if signature.returns.is_inner() {
            let hint = "declare a `record(...)` and return it, or a list of it";
            let message = format!("a tool cannot return {}", self.type_name(&signature.returns));
            self.report(span, message, hint);
        }
        if let Type::List(inner) | Type::Option(inner) = &signature.returns
            && **inner == Type::Unit
        {
            self.report(span, "a tool cannot return nothing in a list", "");
        }
    }

    fn no_entry(&self, ty: &Type, in_record: bool) -> Option<String> {
        match ty {
            Type::Row(table) => {
                let name = &self.suite.tables[*table].name;
                Some(format!("agents pass keys: write `key_of({name})` and `{name}.get(...)`"))
            }
            Type::Unit => Some("write a type".into()),
            Type::Tuple(_) | Type::Dict(..) => Some("take a record, or a list of records".into()),
            Type::Record(_) if in_record => Some("records inside records cannot be passed; use a flat record".into()),
            Type::Record(id) => self.suite.records[*id].fields.iter().find_map(|f| match &f.1 {
                Type::List(_) => Some("lists inside records cannot be passed; use a list of records".to_owned()),
                ty => self.no_entry(ty, true),
            }),
            Type::Option(inner) | Type::List(inner) => self.no_entry(inner, in_record),
            _ => None,
        }
    }

    fn write_tool(&mut self, tool: &mut Tool, span: AstSpan, ask: Option<&AstExpr>, effect: Option<&AstExpr>) {
        if effect.is_none() {
            let hint = "say what it does to the rows: `effect = [insert(..), update(..), delete(..)]`";
            self.report(span, format!("`{}` writes and declares no `effect`", tool.name), hint);
        }
        let Some(ask) = ask else {
            let hint = "say how to ask for it: `ask = [\"check out {book_id} to {member_id}\"]`";
            self.report(span, format!("`{}` writes and has no `ask`", tool.name), hint);
            return;
        };
        let texts = if matches!(ask.node, ExprP::List(_)) || places::identifier(ask).is_some() {
            self.texts(ask, "`ask`")
        } else {
            self.text(ask, "`ask`").map(|t| vec![t])
        };
        let Ok(texts) = texts else { return };
        if texts.is_empty() {
            self.report(ask.span, "`ask` is empty", "give at least one way to ask");
        }
        let parameters = self.signatures[tool.function].parameters.clone();
        let known: Vec<String> = parameters.iter().map(|p| p.name.clone()).collect();
        for text in &texts {
            let faults = self.diagnostics.len();
            let used = self.placeholders(text, ask.span, &format!("parameter of `{}`", tool.name), &known);
            if self.diagnostics.len() > faults {
                continue;
            }
            if text.trim() != text || text.is_empty() || text.ends_with(['.', '!', '?']) {
                let hint = "write a phrase without a final stop: `lend {book_id} to {member_id}`";
                self.report(ask.span, format!("`{text}` is no phrase"), hint);
            }
            if text.starts_with(|c: char| c.is_uppercase()) {
                self.report(ask.span, format!("`{text}` starts with a capital"), "start with a verb in lower case");
            }
            let missing: Vec<&str> = parameters
                .iter()
                .filter(|p| !matches!(p.ty, Type::Option(_)) && !used.contains(&p.name))
                .map(|p| p.name.as_str())
                .collect();
            if !missing.is_empty() {
                let hint = "nobody could know its value: put `{parameter}` into the phrase";
                self.report(ask.span, format!("`{text}` does not mention {}", names::list(&missing)), hint);
            }
        }
        tool.ask = texts;
    }
}
