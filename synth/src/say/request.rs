//! Requests in words: steps, calls, claims, and the evidence that a refusal is to give.

use crate::say::grammar::{be, fill};
use crate::say::phrase::{Speaker, has_clause, winding};
use crate::say::relation::{Relation, compared};
use crate::say::values;
use crate::seed::Dice;
use crate::tasks::goal::{Argument, Call, Case, Query, Step, Test};
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
                let what = match &condition.test {
                    Test::Is(value) => self.value(column, value),
                    Test::Below(v) => compared(column, Relation::Below, &self.value(column, v)),
                    Test::AtMost(v) => compared(column, Relation::AtMost, &self.value(column, v)),
                    Test::Above(v) => compared(column, Relation::Above, &self.value(column, v)),
                    Test::AtLeast(v) => compared(column, Relation::AtLeast, &self.value(column, v)),
                    Test::Of(_) | Test::Shared { .. } | Test::Missing | Test::Present => {
                        return reject("unsayable", "a condition of a branch");
                    }
                };
                let (then, otherwise) = (self.call(then, None, dice)?, self.call(otherwise, None, dice)?);
                // What the condition has told at length is not told again right after it.
                let then =
                    if is_long(&entity) { then.replacen(&entity, &format!("that {}", table.label), 1) } else { then };
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
        let mut entities: Vec<String> = Vec::new();
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
            if matches!(argument, Argument::Entity(_) | Argument::Each) && is_long(&said) && runs_on(after) {
                return reject("unsayable", "a long description in the middle of a sentence");
            }
            if matches!(argument, Argument::Entity(_)) {
                // `the grave leased by Lars Haugen for Lars Haugen`.
                if entities.iter().any(|e| e.contains(&said) || said.contains(e.as_str())) {
                    return reject("unsayable", "the same thing twice in one sentence");
                }
                entities.push(said.clone());
            }
            // `to a quantity of the present quantity plus 1`, `with the number of panels of quote 1930 as the number of panels`.
            let before = text.split_once(&hole).map_or("", |(before, _)| before);
            if matches!(argument, Argument::Computed(_)) && after.starts_with(" as ") {
                return reject("unsayable", "a computed value before `as`");
            }
            let said = match argument {
                // `(litres: the same as for keg 25855)`.
                Argument::Computed(Query::Lookup { of, path, .. }) if path.is_empty() && before.ends_with(": ") => {
                    format!("the same as for {}", self.entity(of, dice)?)
                }
                _ => said,
            };
            if matches!(argument, Argument::Shifted { .. } | Argument::Computed(_)) && before.ends_with(" of ") {
                return reject("unsayable", "a computed value after `of`");
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

/// Whether a description is so long, or ends in a clause, that nothing can follow it.
fn is_long(said: &str) -> bool {
    const WORDS_MAX: usize = 9;
    has_clause(said) || said.split(' ').count() > WORDS_MAX
}

/// Whether a sentence goes on after a description, without a comma or brackets.
fn runs_on(after: &str) -> bool {
    after.starts_with(' ') && !after.starts_with(" (")
}

fn source_of<'a>(suite: &'a Suite, call: &Call, parameter: usize) -> Option<&'a Source> {
    let tool = suite.tools.iter().position(|t| t.name == call.tool)?;
    crate::tasks::arguments::source_of(suite, tool, parameter)
}
