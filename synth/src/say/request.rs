//! Requests in words: steps, calls, claims, and the evidence that a refusal is to give.

use crate::say::grammar::{be, fill};
use crate::say::phrase::{Relation, Speaker, relation_word, winding};
use crate::say::values;
use crate::seed::Dice;
use crate::tasks::goal::{Argument, Call, Case, Step, Test};
use crate::tasks::policy::{counted_table, grounds};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::column_id;
use crate::vary::data::scalar;
use terrarium_tools::suite::{Effect, Source, Suite};
use terrarium_tools::types::Type;
use terrarium_tools::value::Value;

impl Speaker<'_> {
    /// A step as an imperative phrase, without a full stop.
    pub fn step(&self, step: &Step, dice: &mut Dice) -> Verdict<String> {
        match step {
            Step::Call(call) => self.call(call, None, dice),
            Step::Each { rows, call } => {
                let each = self.each(rows, dice)?;
                self.call(call, Some(&each), dice)
            }
            Step::If { of, condition, then, otherwise } => {
                let (_, table) = self.table(of)?;
                let column = &table.columns[column_id(table, &condition.column)?];
                let entity = self.entity(of, dice)?;
                let label = &column.label;
                let is_date = *scalar(&column.ty) == Type::Date;
                let what = match &condition.test {
                    Test::Is(value) => self.value(column, value),
                    Test::Below(v) => format!("{} {}", relation_word(is_date, Relation::Below), self.value(column, v)),
                    Test::AtMost(v) => {
                        format!("{} {}", relation_word(is_date, Relation::AtMost), self.value(column, v))
                    }
                    Test::Above(v) => format!("{} {}", relation_word(is_date, Relation::Above), self.value(column, v)),
                    Test::AtLeast(v) => {
                        format!("{} {}", relation_word(is_date, Relation::AtLeast), self.value(column, v))
                    }
                    Test::Of(_) | Test::Shared { .. } | Test::Missing | Test::Present => {
                        return reject("unsayable", "a condition of a branch");
                    }
                };
                let (then, otherwise) = (self.call(then, None, dice)?, self.call(otherwise, None, dice)?);
                let be = be(label);
                Ok(format!("if the {label} of {entity} {be} {what}, {then}; otherwise, {otherwise}"))
            }
        }
    }

    /// A claim and what puts a record right that breaks it: `no loan that is still out may be due before 3 March 2026`, `mark the
    /// loan as returned`.
    pub fn claim(&self, step: &Step, dice: &mut Dice) -> Verdict<(String, String)> {
        let Step::Each { rows, call } = step else { return reject("unsayable", "a claim about one record") };
        let (_, table) = self.table(rows)?;
        let phrases = self.phrases(table, &rows.conditions, false, dice)?;
        let claim = format!("there should be no {} {phrases}", table.label);
        Ok((claim, self.call(call, Some(&format!("the {}", table.label)), dice)?))
    }

    /// What a refusal must give as evidence. It is the same whether the rule forbids the request or not.
    pub fn evidence(&self, case: &Case) -> Verdict<String> {
        let tool = self.suite.tools.iter().find(|t| t.name == case.request.tool);
        let Some(grounds) = tool.and_then(|t| t.needs.get(case.need)).and_then(grounds) else {
            return reject("no_evidence", &case.request.tool);
        };
        Ok(match (counted_table(&grounds), scalar(&grounds.ty)) {
            (Some(table), _) => format!("the ids of the {} that the rule counts", self.suite.tables[table].plural),
            (None, Type::Money) => "the amount on record that breaks it".to_owned(),
            (None, Type::Date) => "the date on record that breaks it".to_owned(),
            _ => "the number on record that breaks it".to_owned(),
        })
    }

    fn call(&self, call: &Call, each: Option<&str>, dice: &mut Dice) -> Verdict<String> {
        let Some(tool) = self.suite.tools.iter().find(|t| t.name == call.tool) else {
            return reject("unknown_name", &call.tool);
        };
        let function = &self.suite.functions[tool.function];
        let long = call.arguments.iter().filter(|(_, a)| matches!(a, Argument::Entity(d) if winding(d))).count();
        if long > 1 {
            return reject("unsayable", "two long descriptions in one sentence");
        }
        let mut text = call.ask.clone();
        for (name, argument) in &call.arguments {
            let Some(parameter) = function.parameters.iter().position(|p| p.name == *name) else {
                return reject("unknown_name", name);
            };
            let hole = format!("{{{name}}}");
            let said = match argument {
                Argument::Entity(description) => self.entity(description, dice)?,
                Argument::Each => each.unwrap_or_default().to_owned(),
                Argument::Created(_) => match &function.parameters[parameter].ty {
                    Type::Key(table) => format!("the new {}", self.suite.tables[*table].label),
                    _ => return reject("unsayable", "a created row"),
                },
                Argument::Value(value) => {
                    let source = source_of(self.suite, call, parameter);
                    let quoted_already = text.contains(&format!("“{hole}")) || text.contains(&format!("\"{hole}"));
                    let ty = &function.parameters[parameter].ty;
                    if quoted_already {
                        values::plain(self.suite, ty, value)
                    } else {
                        values::quoted(self.suite, ty, source, value)
                    }
                }
                Argument::Computed(query) => self.wanted(query, dice)?,
                Argument::Shifted { column, by, .. } => self.shifted(call, tool.effects.as_slice(), column, *by)?,
            };
            // Whatever follows a long description would be said of its last noun.
            let after = text.split_once(&hole).map_or("", |(_, after)| after);
            if matches!(argument, Argument::Entity(d) if winding(d)) && after.starts_with(' ') {
                return reject("unsayable", "a long description in the middle of a sentence");
            }
            if !text.contains(&hole) {
                return reject("unsayable", format!("`{}` does not mention `{name}`", call.ask));
            }
            // A number before a plural noun: `{extra_days} days` with 1.
            text = match argument {
                Argument::Value(Value::Int(1)) => fill(&text.replacen(&hole, "{}", 1), "1"),
                _ => text.replacen(&hole, &said, 1),
            };
        }
        if text.contains('{') {
            return reject("unsayable", format!("`{}` mentions more than is given", call.ask));
        }
        Ok(text)
    }

    fn shifted(&self, call: &Call, effects: &[Effect], column: &str, by: i64) -> Verdict<String> {
        for effect in effects {
            if let Effect::Update { table, .. } = effect
                && let Ok(index) = column_id(&self.suite.tables[*table], column)
            {
                let column = &self.suite.tables[*table].columns[index];
                let amount = by.unsigned_abs();
                let sign = if by < 0 { "minus" } else { "plus" };
                let amount = match scalar(&column.ty) {
                    Type::Money => values::money(amount as i64),
                    Type::Date if amount == 1 => "1 day".to_owned(),
                    Type::Date => format!("{amount} days"),
                    _ => amount.to_string(),
                };
                return Ok(format!("the present {} {sign} {amount}", column.label));
            }
        }
        reject("unsayable", &call.tool)
    }
}

fn source_of<'a>(suite: &'a Suite, call: &Call, parameter: usize) -> Option<&'a Source> {
    let tool = suite.tools.iter().position(|t| t.name == call.tool)?;
    crate::tasks::arguments::source_of(suite, tool, parameter)
}
