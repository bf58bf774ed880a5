//! Draws act goals: one to four steps, each a call, a batch or a branch, with arguments under which the calls succeed.

use crate::say::grammar::ends_noun;
use crate::seed::Dice;
use crate::tasks::arguments::{self, holes, replaces};
use crate::tasks::bounds::{is_worth_saying, rounded, rounded_money};
use crate::tasks::columns::{self, is_comparable};
use crate::tasks::describe::Describer;
use crate::tasks::expected::{BATCH_MAX, Stage};
use crate::tasks::goal::{Argument, Call, Condition, Description, Goal, Query, Step, Test};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::number;
use crate::vary::data::scalar;
use crate::vary::surface::bare_local;
use crate::vary::words::Locale;
use std::cell::RefCell;
use std::collections::HashMap;
use terrarium_tools::eval::Evaluator;
use terrarium_tools::suite::{Column, Effect};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// Draws of arguments before a tool is given up.
const ARGUMENT_DRAWS_MAX: usize = 40;
/// Draws of a set before a batch is given up.
const SET_DRAWS_MAX: usize = 12;

/// Draws goals in one environment.
pub struct ActWriter<'a> {
    /// The world.
    pub stage: Stage<'a>,
    /// Calls that were tried in it before.
    pub tried: &'a Tried,
    /// Descriptions.
    pub describer: Describer<'a>,
    /// Write tools offered.
    pub tools: &'a [usize],
    /// Locales of new names.
    pub locales: &'a [&'a Locale],
}

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

/// A write that would succeed at the beginning.
#[derive(Clone, Debug)]
pub struct Spare {
    /// Index in `Suite::tools`.
    pub tool: usize,
    /// Arguments by parameter.
    pub given: Vec<(usize, Value)>,
}

/// What earlier steps of a goal did: rows that later steps may come back to.
#[derive(Default)]
pub struct Story {
    rows: Vec<(TableId, Value)>,
    created: Vec<(TableId, usize)>,
    /// Come back to those rows wherever a tool takes one.
    pub loyal: bool,
}

impl<'a> ActWriter<'a> {
    /// A goal; each level adds up to two steps.
    ///
    /// # Errors
    /// `no_tool` or `no_arguments` where nothing fits.
    pub fn draw(&self, level: usize, dice: &mut Dice) -> Verdict<Goal> {
        let length = [1, 2, 3, 4][dice.weighted(&[3, 5, 5, 3])] + level + dice.below(level + 1);
        let mut story = Story::default();
        let mut steps: Vec<Step> = Vec::new();
        for index in 0..length {
            let step = match dice.weighted(&[11, 4, 3]) {
                0 => self.single(index, &mut story, dice),
                1 => self.batch(&mut story, dice),
                _ => self.branch(&mut story, dice),
            };
            match step {
                // Nobody asks for the same thing twice.
                Ok(step) if self.asks_again(&steps, &step) => {}
                Ok(step) => steps.push(step),
                Err(error) if steps.is_empty() && index + 1 == length => return Err(error),
                Err(_) => {}
            }
        }
        if steps.is_empty() {
            return reject("no_arguments", "no step");
        }
        Ok(Goal::Act(steps))
    }

    /// Writes that would succeed at the beginning, of different tools where there are.
    pub fn spares(&self, count: usize, dice: &mut Dice) -> Vec<Spare> {
        let mut tools = self.tools.to_vec();
        dice.shuffle(&mut tools);
        let drafts = tools.iter().cycle().take(count.max(tools.len()) * 2).filter_map(|tool| {
            let draft = self.draft(*tool, None, &Story::default(), &[], dice).ok()?;
            Some(Spare { tool: draft.tool, given: draft.given })
        });
        drafts.take(count).collect()
    }

    /// The same, with rows told by their names wherever that can be.
    pub(super) fn brief(&self) -> ActWriter<'a> {
        ActWriter { describer: self.describer.brief(), ..*self }
    }

    /// One of the write tools.
    pub(super) fn tool(&self, dice: &mut Dice) -> Verdict<usize> {
        match dice.pick(self.tools) {
            Some(tool) => Ok(*tool),
            None => reject("no_tool", "no write tool"),
        }
    }

    /// Whether a step has a call that an earlier step has, too, whatever words tell the rows.
    fn asks_again(&self, steps: &[Step], step: &Step) -> bool {
        let rows = self.describer.rows;
        let meant = |argument: &Argument| match argument {
            Argument::Entity(of) => {
                rows.one(of).map_or_else(|_| argument.clone(), |row| Argument::Value(row[0].clone()))
            }
            other => other.clone(),
        };
        let same = |a: &Call, b: &Call| {
            a.tool == b.tool
                && a.arguments.len() == b.arguments.len()
                && a.arguments.iter().zip(&b.arguments).all(|(a, b)| a.0 == b.0 && meant(&a.1) == meant(&b.1))
        };
        let earlier = || steps.iter().flat_map(Step::calls);
        step.calls().into_iter().any(|call| earlier().any(|before| same(call, before)))
    }

    fn single(&self, index: usize, story: &mut Story, dice: &mut Dice) -> Verdict<Step> {
        let tool = self.tool(dice)?;
        // A row that an earlier step creates is taken up where the tool takes one.
        if let Some(step) = self.on_created(tool, story, dice)? {
            return Ok(step);
        }
        let draft = self.draft(tool, None, story, &[], dice)?;
        self.note_created(&draft, index, story);
        Ok(Step::Call(self.say(&draft, None, story, dice)?))
    }

    fn note_created(&self, draft: &Draft, index: usize, story: &mut Story) {
        if let [Effect::Insert { table, .. }, ..] = self.stage.suite.tools[draft.tool].effects.as_slice() {
            story.created.push((*table, index));
        }
    }

    /// A call on a row that an earlier step creates. Its conditions are checked when the goal is carried out by rows.
    fn on_created(&self, tool: usize, story: &Story, dice: &mut Dice) -> Verdict<Option<Step>> {
        let function = &self.stage.suite.functions[self.stage.suite.tools[tool].function];
        let fits = |p: usize| match scalar(&function.parameters[p].ty) {
            Type::Key(t) => story.created.iter().find(|(table, _)| table == t).map(|(_, step)| (p, *step)),
            _ => None,
        };
        let Some((parameter, step)) = (0..function.parameters.len()).find_map(fits) else { return Ok(None) };
        let Some(ask) = self.ask(tool, dice) else { return Ok(None) };
        if !holes(&ask).contains(&function.parameters[parameter].name.as_str()) {
            return Ok(None);
        }
        let mut given = Vec::new();
        for (p, definition) in function.parameters.iter().enumerate() {
            if p != parameter && holes(&ask).contains(&definition.name.as_str()) {
                let Some(value) = self.argument(tool, p, story, dice) else { return Ok(None) };
                given.push((p, value));
            }
        }
        let mut call = self.say(&Draft { tool, ask, given }, None, &mut Story::default(), dice)?;
        call.arguments.push((function.parameters[parameter].name.clone(), Argument::Created(step)));
        Ok(Some(Step::Call(call)))
    }

    fn batch(&self, story: &mut Story, dice: &mut Dice) -> Verdict<Step> {
        let tool = self.tool(dice)?;
        let suite = self.stage.suite;
        let function = &suite.functions[suite.tools[tool].function];
        let keys: Vec<(usize, TableId)> = function
            .parameters
            .iter()
            .enumerate()
            .filter_map(|(p, definition)| match scalar(&definition.ty) {
                Type::Key(table) => Some((p, *table)),
                _ => None,
            })
            .collect();
        let Some((parameter, table)) = dice.pick(&keys).copied() else { return reject("no_arguments", "no reference") };
        // `exchange the tickets of the booking for every performance`: one row cannot get the value of each.
        let is_value = |e: &Effect| match e {
            Effect::Update { key, values, .. } => {
                bare_local(key) != Some(parameter) && values.iter().any(|(_, v)| bare_local(v) == Some(parameter))
            }
            _ => false,
        };
        if suite.tools[tool].effects.iter().any(is_value) {
            return reject("no_arguments", &suite.tools[tool].name);
        }
        for _ in 0..SET_DRAWS_MAX {
            let Some(set) = self.describer.set(table, 2, BATCH_MAX.min(8), 2, dice) else { continue };
            let Ok(rows) = self.describer.rows.matching(&set) else { continue };
            let Ok(draft) = self.draft(tool, None, story, &[(parameter, rows[0][0].clone())], dice) else { continue };
            if !draft.given.iter().any(|(p, _)| *p == parameter) {
                continue;
            }
            let fine = rows.iter().all(|row| {
                let mut other = draft.given.clone();
                for (p, value) in &mut other {
                    if *p == parameter {
                        *value = row[0].clone();
                    }
                }
                self.would_succeed(tool, &other)
            });
            if fine {
                let call = self.say(&draft, Some((parameter, table)), story, dice)?;
                return Ok(Step::Each { rows: set, call });
            }
        }
        reject("no_arguments", &suite.tools[tool].name)
    }

    fn branch(&self, story: &mut Story, dice: &mut Dice) -> Verdict<Step> {
        let suite = self.stage.suite;
        let draft = self.draft(self.tool(dice)?, None, story, &[], dice)?;
        // The condition is about a row of the call, or any other.
        let function = &suite.functions[suite.tools[draft.tool].function];
        let own = draft.given.iter().find_map(|(p, value)| match scalar(&function.parameters[*p].ty) {
            Type::Key(table) => Some((*table, value.clone())),
            _ => None,
        });
        let (table, key) = match own {
            Some(own) if dice.percent(75) => own,
            _ => {
                let table = dice.below(suite.tables.len());
                let Some(row) = dice.pick(self.describer.rows.table(table)) else {
                    return reject("no_arguments", "no row");
                };
                (table, row[0].clone())
            }
        };
        let Some(row) = self.describer.rows.by_key(table, &key) else { return reject("no_arguments", "no row") };
        let condition = self.question_of(table, row, dice)?;
        let Some(of) = self.describer.one(table, row, 0, dice) else {
            return reject("undescribable", &suite.tables[table].name);
        };
        if of.conditions.iter().any(|c| c.column == condition.column) {
            return reject("no_arguments", "the condition is in the description");
        }
        story.rows.push((table, key));
        let first = self.say(&draft, None, story, dice)?;
        let other = self.draft(self.tool(dice)?, None, story, &[], dice)?;
        let second = self.brief().say(&other, None, story, dice)?;
        if self.asks_again(&[Step::Call(first.clone())], &Step::Call(second.clone())) {
            return reject("no_arguments", "both branches are the same");
        }
        let holds = self.describer.rows.meets(table, row, &condition)?;
        // `first` is what is done; whether that is under the condition or otherwise follows from the row.
        let (then, otherwise) = if holds { (first, second) } else { (second, first) };
        Ok(Step::If { of, condition, then, otherwise })
    }

    /// A condition that might or might not hold of a row.
    fn question_of(&self, table: TableId, row: &[Value], dice: &mut Dice) -> Verdict<Condition> {
        let definition = &self.stage.suite.tables[table];
        let mut columns: Vec<usize> = (1..definition.columns.len())
            .filter(|c| self.describer.reach.visible(table, *c) && row[*c] != Value::None)
            .filter(|c| match scalar(&definition.columns[*c].ty) {
                Type::Enum(e) => self.stage.suite.enums[*e].cases.len() >= 3,
                _ => is_comparable(&definition.columns[*c]),
            })
            .collect();
        dice.shuffle(&mut columns);
        let Some(column) = columns.first() else { return reject("no_arguments", "no column to ask about") };
        let rows = self.describer.rows.table(table);
        let other = &rows[dice.below(rows.len())][*column];
        let test = match other {
            Value::Enum(_) => Test::Is(other.clone()),
            Value::Money(cents) => Test::Above(Value::Money(rounded_money(*cents).0)),
            Value::Int(n) => {
                let bound = Value::Int(rounded(*n).0);
                [Test::AtLeast(bound.clone()), Test::Above(bound)][dice.below(2)].clone()
            }
            Value::Date(_) => [Test::Below(other.clone()), Test::Above(other.clone())][dice.below(2)].clone(),
            _ => return reject("no_arguments", "no value to ask about"),
        };
        if !is_worth_saying(&definition.columns[*column], &test) {
            return reject("no_arguments", "no bound to ask about");
        }
        Ok(Condition { column: definition.columns[*column].name.clone(), test })
    }

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

    fn argument(&self, tool: usize, parameter: usize, story: &Story, dice: &mut Dice) -> Option<Value> {
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
