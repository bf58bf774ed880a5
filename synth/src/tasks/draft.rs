//! Drafts of calls: a tool, a phrase that asks for it, and arguments under which it succeeds; then their words.

use crate::say::grammar::ends_noun;
use crate::seed::Dice;
use crate::tasks::act::{ActWriter, Story};
use crate::tasks::arguments::{self, holes, replaces};
use crate::tasks::columns::{self, is_comparable};
use crate::tasks::goal::{Argument, Call, Description, Query};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::number;
use crate::vary::data::scalar;
use std::cell::RefCell;
use std::collections::HashMap;
use terrarium_tools::eval::Evaluator;
use terrarium_tools::suite::Column;
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// Draws of arguments before a tool is given up.
const ARGUMENT_DRAWS_MAX: usize = 40;

/// Which calls would succeed in a world as it is at the beginning. The same few are drawn again and again, and each costs a look at
/// most rows.
#[derive(Debug, Default)]
pub struct Tried(RefCell<HashMap<(usize, String), bool>>);

impl Tried {
    /// What became of a call of a tool, which is only tried the first time.
    fn once(&self, tool: usize, given: &[(usize, Value)], succeeds: impl FnOnce() -> bool) -> bool {
        let call = (tool, format!("{given:?}"));
        if let Some(known) = self.0.borrow().get(&call) {
            return *known;
        }
        let found = succeeds();
        self.0.borrow_mut().insert(call, found);
        found
    }
}

/// A call as it is drawn: raw arguments first, words later.
pub struct Draft {
    /// Index in `Suite::tools`.
    pub tool: usize,
    /// The phrase that asks for it.
    pub ask: String,
    /// Parameters mentioned, with their values (keys for references).
    pub given: Vec<(usize, Value)>,
}

impl ActWriter<'_> {
    /// One of the tool's phrases that mentions every argument it insists on.
    pub(super) fn ask(&self, tool: usize, dice: &mut Dice) -> Option<String> {
        let definition = &self.stage.suite.tools[tool];
        let function = &self.stage.suite.functions[definition.function];
        let usable: Vec<&String> = definition
            .ask
            .iter()
            .filter(|ask| {
                let holes = holes(ask);
                function.parameters.iter().all(|p| matches!(p.ty, Type::Option(_)) || holes.contains(&p.name.as_str()))
            })
            .collect();
        dice.pick(&usable).map(|ask| (*ask).clone())
    }

    /// Arguments under which a call would succeed in the world as it is; the phrase and some arguments may be fixed.
    pub(super) fn draft(
        &self,
        tool: usize,
        ask: Option<&str>,
        story: &Story,
        fixed: &[(usize, Value)],
        dice: &mut Dice,
    ) -> Verdict<Draft> {
        let definition = &self.stage.suite.tools[tool];
        let Some(ask) = ask.map(str::to_owned).or_else(|| self.ask(tool, dice)) else {
            return reject("no_arguments", &definition.name);
        };
        for _ in 0..ARGUMENT_DRAWS_MAX {
            let given = self.arguments(tool, &ask, story, fixed, dice)?;
            if self.would_succeed(tool, &given) {
                return Ok(Draft { tool, ask, given });
            }
        }
        reject("no_arguments", &definition.name)
    }

    /// Random arguments for the parameters that a phrase mentions.
    pub(super) fn arguments(
        &self,
        tool: usize,
        ask: &str,
        story: &Story,
        fixed: &[(usize, Value)],
        dice: &mut Dice,
    ) -> Verdict<Vec<(usize, Value)>> {
        let definition = &self.stage.suite.tools[tool];
        let function = &self.stage.suite.functions[definition.function];
        let mentioned = holes(ask);
        let mut given = Vec::with_capacity(mentioned.len());
        for p in (0..function.parameters.len()).filter(|p| mentioned.contains(&function.parameters[*p].name.as_str())) {
            let value = match fixed.iter().find(|(f, _)| *f == p) {
                Some((_, value)) => Some(value.clone()),
                None => self.argument(tool, p, story, dice),
            };
            match value {
                Some(value) => given.push((p, value)),
                None => return reject("no_arguments", &definition.name),
            }
        }
        Ok(given)
    }

    pub(super) fn argument(&self, tool: usize, parameter: usize, story: &Story, dice: &mut Dice) -> Option<Value> {
        let suite = self.stage.suite;
        match scalar(&suite.functions[suite.tools[tool].function].parameters[parameter].ty) {
            Type::Key(table) => {
                let mut before: Vec<&Value> = story.rows.iter().filter(|(t, _)| t == table).map(|(_, k)| k).collect();
                // The same people in another suite's records.
                for (other, key) in &story.rows {
                    let row = self.describer.rows.by_key(*other, key).map(Vec::as_slice);
                    let twins = row.map(|row| self.describer.counterparts(*other, row)).unwrap_or_default();
                    before.extend(twins.into_iter().filter(|(l, _)| l.other == *table).map(|(_, row)| &row[0]));
                }
                if dice.percent(if story.loyal { 90 } else { 35 })
                    && let Some(key) = dice.pick(&before)
                {
                    return Some((*key).clone());
                }
                dice.pick(self.describer.rows.table(*table)).map(|row| row[0].clone())
            }
            _ => arguments::draw(suite, tool, parameter, self.locales, self.stage.world.today, dice),
        }
    }

    /// Whether a call would succeed and change something, by its declared meaning.
    pub(super) fn would_succeed(&self, tool: usize, given: &[(usize, Value)]) -> bool {
        self.tried.once(tool, given, || self.succeeds(tool, given))
    }

    fn succeeds(&self, tool: usize, given: &[(usize, Value)]) -> bool {
        let suite = self.stage.suite;
        let definition = &suite.tools[tool];
        let mut arguments = vec![Value::None; suite.functions[definition.function].parameters.len()];
        for (p, value) in given {
            arguments[*p] = value.clone();
        }
        let mut evaluator = Evaluator::over(suite, self.stage.parameters, self.stage.rows.clone());
        evaluator.needs(definition, &arguments).unwrap_or(false)
            && evaluator.apply(definition, &arguments).is_ok_and(|changes| !changes.is_empty())
    }

    /// A draft with its rows described and some of its values computed.
    pub(super) fn say(
        &self,
        draft: &Draft,
        each: Option<(usize, TableId)>,
        story: &mut Story,
        dice: &mut Dice,
    ) -> Verdict<Call> {
        let suite = self.stage.suite;
        let function = &suite.functions[suite.tools[draft.tool].function];
        let mut arguments = Vec::new();
        for (p, value) in &draft.given {
            let argument = match scalar(&function.parameters[*p].ty) {
                Type::Key(_) if each.is_some_and(|(e, _)| e == *p) => Argument::Each,
                Type::Key(table) => {
                    let row = self.describer.rows.by_key(*table, value);
                    match row.and_then(|row| self.describer.one(*table, row, 0, dice)) {
                        Some(description) => {
                            story.rows.push((*table, value.clone()));
                            Argument::Entity(description)
                        }
                        None => return reject("undescribable", &suite.tables[*table].name),
                    }
                }
                _ => Argument::Value(value.clone()),
            };
            arguments.push((function.parameters[*p].name.clone(), argument));
        }
        let mut call = Call { tool: suite.tools[draft.tool].name.clone(), ask: draft.ask.clone(), arguments };
        if dice.percent(30) {
            self.compute(draft, each, &mut call, dice);
        }
        Ok(call)
    }

    /// Turns one stated value into a computed one, where the call then still succeeds.
    fn compute(&self, draft: &Draft, each: Option<(usize, TableId)>, call: &mut Call, dice: &mut Dice) {
        let suite = self.stage.suite;
        for position in 0..call.arguments.len() {
            let p = &draft.given[position].0;
            if !matches!(call.arguments[position].1, Argument::Value(_)) {
                continue;
            }
            // `for {nights} nights`: no room for `the present number of nights plus 1`.
            let hole = format!("{{{}}}", call.arguments[position].0);
            let after = call.ask.split_once(&hole).map_or("", |(_, after)| after);
            let room = after.strip_prefix(' ').is_none_or(|rest| {
                let word = rest.split(' ').next().unwrap_or_default();
                ends_noun(word) && !["a", "an", "per", "left"].contains(&word)
            });
            if !room || after.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '%') {
                continue;
            }
            if let Some((key, table, column)) = replaces(suite, draft.tool, *p)
                && is_comparable(&suite.tables[table].columns[column])
                && self.describer.reach.visible(table, column)
            {
                let of = match (each, &call.arguments.iter().zip(&draft.given).find(|(_, (q, _))| *q == key)) {
                    (Some((e, t)), _) if e == key && t == table => None,
                    (None, Some(((_, Argument::Entity(description)), _))) => Some(description.clone()),
                    _ => continue,
                };
                let by = change(&suite.tables[table].columns[column], dice);
                let by = if dice.percent(70) { by } else { -by };
                let column = suite.tables[table].columns[column].name.clone();
                let shifted = Argument::Shifted { of: of.clone(), column: column.clone(), by };
                if each.is_some() || self.still_succeeds(draft, *p, &shifted) {
                    call.arguments[position].1 = shifted;
                    return;
                }
                continue;
            }
            if each.is_none()
                && let Some(query) = self.same_as(draft.tool, *p, dice)
                && self.still_succeeds(draft, *p, &Argument::Computed(query.clone()))
            {
                call.arguments[position].1 = Argument::Computed(query);
                return;
            }
        }
    }

    /// The value that the column written to has in another row, told by one name alone. Anything further away nobody would ask for.
    fn same_as(&self, tool: usize, parameter: usize, dice: &mut Dice) -> Option<Query> {
        let suite = self.stage.suite;
        let (table, column) = arguments::written_to(suite, tool, parameter)?;
        let definition = &suite.tables[table].columns[column];
        if !self.describer.reach.visible(table, column) || !is_comparable(definition) {
            return None;
        }
        let row = dice.pick(self.describer.rows.table(table))?;
        number(&row[column])?;
        let of = self.describer.named(table, row, dice)?;
        let mut conditions = 0;
        of.walk(&mut |d| conditions += d.conditions.len());
        let told = of.conditions.iter().any(|c| c.column == definition.name);
        let column = definition.name.clone();
        (conditions == 1 && !told).then_some(Query::Lookup { of, path: Vec::new(), column })
    }

    fn still_succeeds(&self, draft: &Draft, parameter: usize, argument: &Argument) -> bool {
        let value = match argument {
            Argument::Computed(query) => self.describer.rows.value(query).ok(),
            Argument::Shifted { of: Some(of), column, by } => self.shifted(of, column, *by),
            _ => None,
        };
        let Some(value) = value else { return false };
        let mut given = draft.given.clone();
        for (p, old) in &mut given {
            if *p == parameter {
                *old = value.clone();
            }
        }
        number(&value).is_some_and(|n| n > 0) && self.would_succeed(draft.tool, &given)
    }

    fn shifted(&self, of: &Description, column: &str, by: i64) -> Option<Value> {
        let rows = self.describer.rows;
        let table = crate::tasks::rows::table_id(rows.suite, &of.table).ok()?;
        let row = rows.one(of).ok()?;
        crate::tasks::expected::shifted(rows.column(table, row, column).ok()?, by).ok()
    }
}

/// By how much a value of a column is changed: by few of its steps, and of money by whole units where the steps allow it.
fn change(column: &Column, dice: &mut Dice) -> i64 {
    let step = columns::step(column);
    match scalar(&column.ty) {
        Type::Money if 100 % step == 0 => 100 * dice.between(1, 10),
        Type::Date => dice.between(2, 14),
        _ => step * dice.between(1, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::columns::tests::column;
    use terrarium_tools::suite::Source;

    #[test]
    fn changes_keep_to_the_steps_of_a_column() {
        let mut dice = Dice::new(1, "steps");
        for step in [1, 25, 30, 50, 500, 2_000] {
            let money = column(Type::Money, Source::Money { low: 0, high: 90_000, step }, "rent", "");
            let int = column(Type::Int, Source::Integer { low: 0, high: 90_000, step }, "weight", "");
            for _ in 0..20 {
                let by = change(&money, &mut dice);
                assert!(by > 0 && by % step == 0, "{by} cents in steps of {step}");
                assert_eq!(change(&int, &mut dice) % step, 0);
            }
        }
    }
}
