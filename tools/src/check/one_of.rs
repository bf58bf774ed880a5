//! `one_of(...)` and other sources that pick from a list.

use super::arguments::Arguments;
use super::columns::{For, Made};
use super::{Checked, Checker, Constant, Item, names, places};
use crate::suite::{EnumType, Source};
use crate::tree::Literal;
use crate::types::Type;
use starlark_syntax::syntax::ast::AstExpr;

impl Checker<'_> {
    pub(super) fn one_of<'a>(
        &mut self,
        owner: &For,
        expr: &AstExpr,
        arguments: &mut Arguments<'a>,
    ) -> Checked<Made<'a>> {
        let weights = arguments.take("weights");
        let says = arguments.take("case_says");
        let named = arguments.positional.first().and_then(|p| places::identifier(p)).and_then(|n| self.items.get(n));
        let (id, used) = if let Some(Item::Enum(id)) = named {
            let id = *id;
            arguments.next();
            (id, self.suite.enums[id].cases.clone())
        } else {
            let cases = self.listed(arguments)?;
            match owner {
                For::Column(name) => {
                    self.cases(&cases, expr.span);
                    self.suite.enums.push(EnumType { name: name.clone(), cases: cases.clone() });
                    (self.suite.enums.len() - 1, cases)
                }
                For::Argument(Some(id)) => {
                    let known = self.suite.enums[*id].cases.clone();
                    for case in cases.iter().filter(|c| !known.contains(c)) {
                        let hint = names::did_you_mean(case, known.iter().map(String::as_str));
                        self.report(expr.span, format!("the enum has no value `{case}`"), hint);
                    }
                    (*id, cases)
                }
                For::Argument(None) => {
                    let hint = "the parameter is no enum: use `choice(...)` for texts";
                    return Err(self.report(expr.span, "`one_of` makes values of an enum", hint));
                }
            }
        };
        let given = match weights {
            None => vec![1; used.len()],
            Some(expr) => {
                let Constant::List(items) = self.constant(expr)? else {
                    return Err(self.report(
                        expr.span,
                        "`weights` is a list of whole numbers",
                        "write `weights = [3, 1]`",
                    ));
                };
                let weights: Option<Vec<u32>> = items
                    .iter()
                    .map(|item| match item {
                        Constant::Literal(Literal::Int(n)) => u32::try_from(*n).ok().filter(|n| *n <= 1_000_000),
                        _ => None,
                    })
                    .collect();
                match weights {
                    Some(list) if list.len() == used.len() && list.iter().any(|w| *w > 0) => list,
                    _ => {
                        let message = format!("`weights` has one whole number for each of the {} values", used.len());
                        return Err(self.report(expr.span, message, "write `weights = [3, 1]`; not all may be 0"));
                    }
                }
            }
        };
        let cases = &self.suite.enums[id].cases;
        let weight = |case: &String| used.iter().position(|u| u == case).map_or(0, |at| given[at]);
        let weights = cases.iter().map(weight).collect();
        let count = cases.len();
        let case_says = match says {
            None => Vec::new(),
            Some(expr) => {
                let texts = self.texts(expr, "`case_says`")?;
                if texts.len() != count || texts.iter().any(String::is_empty) {
                    let message =
                        format!("`case_says` has one phrase for each of the {count} values, not {}", texts.len());
                    return Err(self.report(expr.span, message, "write them in the order of the values"));
                }
                texts
            }
        };
        Ok(Made { case_says, ..Made::new(Type::Enum(id), Source::OneOf { weights }) })
    }

    /// Texts given one by one or as a list.
    pub(super) fn listed(&mut self, arguments: &mut Arguments<'_>) -> Checked<Vec<String>> {
        let mut texts = Vec::new();
        while let Some(value) = arguments.next() {
            match self.constant(value)? {
                Constant::List(_) => texts.extend(self.texts(value, "this")?),
                Constant::Literal(Literal::Str(text)) => texts.push(text),
                Constant::Literal(_) | Constant::Dict(_) => {
                    return Err(self.report(value.span, "this is not a text", "write it in quotes"));
                }
            }
        }
        Ok(texts)
    }
}
