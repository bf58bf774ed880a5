//! Draws act goals: one to four steps, each a call, a batch or a branch, with arguments under which the calls succeed.

use crate::seed::Dice;
use crate::tasks::arguments::holes;
use crate::tasks::bounds::{is_worth_saying, rounded, rounded_money};
use crate::tasks::columns::is_comparable;
use crate::tasks::describe::Describer;
use crate::tasks::draft::{Draft, Tried};
use crate::tasks::expected::{BATCH_MAX, Stage};
use crate::tasks::goal::{Argument, Call, Condition, Goal, Step, Test};
use crate::tasks::reject::{Verdict, reject};
use crate::vary::data::scalar;
use crate::vary::surface::bare_local;
use crate::vary::words::Locale;
use terrarium_tools::suite::Effect;
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

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
    pub(super) rows: Vec<(TableId, Value)>,
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
}
