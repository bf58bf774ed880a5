//! Whole solutions: everything a goal describes is looked up first, as it stands when the task begins; then come the writes, in the
//! goal's order; then `submit`. For a long goal, too, all parts are looked up before any of them is carried out.

use crate::solve::effort::Effort;
use crate::solve::judge::{self, Scope};
use crate::solve::known::Found;
use crate::solve::query::{Learned, passes};
use crate::solve::toolbox::{Given, Toolbox, created_key};
use crate::solve::trace::{Origin, Trace};
use crate::tasks::expected::{BATCH_MAX, tool_id};
use crate::tasks::goal::{Argument, Call, Case, Goal, Step, Test};
use crate::tasks::policy::{evidence_of, grounds};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{answer_of, column_id, table_id};
use std::collections::{BTreeMap, BTreeSet};
use terrarium_envs::runner::Runner;
use terrarium_envs::submit;
use terrarium_envs::task::ToolCall;
use terrarium_envs::verifier::Answer;
use terrarium_tools::Suite;
use terrarium_tools::surface::Surface;
use terrarium_tools::types::TableId;
use terrarium_tools::value::Value;

/// What the planner found.
#[derive(Clone, Debug)]
pub struct Solution {
    /// The calls, without `submit`.
    pub trace: Trace,
    /// The answer, for questions, and the calls it rests on.
    pub answer: Option<(Answer, Learned)>,
}

impl Solution {
    /// The calls of the reference solution, `submit` last.
    pub fn calls(&self) -> Vec<ToolCall> {
        let mut calls: Vec<ToolCall> = self.trace.calls.iter().map(|t| t.call.clone()).collect();
        let arguments = submit::arguments(self.answer.as_ref().map(|(value, _)| value));
        calls.push(ToolCall { name: submit::NAME.to_owned(), arguments });
        calls
    }

    /// Calls that the answer rests on.
    pub fn used(&self) -> BTreeSet<usize> {
        self.answer.as_ref().map(|(_, learned)| learned.calls.clone()).unwrap_or_default()
    }
}

/// A write with its arguments looked up.
#[derive(Default)]
struct Planned {
    step: usize,
    tool: usize,
    given: Vec<Given>,
    links: Vec<(usize, usize)>,
    rests_on: BTreeSet<usize>,
}

/// The row at hand in a batch.
#[derive(Clone, Copy)]
struct AtHand<'a> {
    table: TableId,
    key: &'a str,
    found: &'a Found,
}

/// Carries a goal out with tools alone, from the beginning of the runner's world.
///
/// # Errors
/// Why it cannot be done: `unreachable`, `planner_ambiguous`, `too_long`, `write_refused`, ...
pub fn solve(suite: &Suite, surface: &Surface, today: i32, runner: &mut Runner, goal: &Goal) -> Verdict<Solution> {
    let effort = if matches!(goal, Goal::Long(_)) { Effort::LONG } else { Effort::FULL };
    solve_within(suite, surface, today, runner, goal, effort)
}

/// The same with less effort: what comes out may be wrong.
///
/// # Errors
/// As [`solve`].
pub fn solve_within(
    suite: &Suite,
    surface: &Surface,
    today: i32,
    runner: &mut Runner,
    goal: &Goal,
    effort: Effort,
) -> Verdict<Solution> {
    let mut toolbox = Toolbox::new(suite, surface, today, runner)?;
    toolbox.effort = effort;
    let mut answers: Vec<(Answer, Learned)> = Vec::new();
    let mut planned = Vec::new();
    let mut first = 0;
    for part in goal.parts() {
        answers.extend(toolbox.part(first, part, &mut planned)?);
        first += part.steps();
    }
    toolbox.carry_out(planned)?;
    let answer = match answers.len() {
        0 | 1 => answers.pop(),
        _ => {
            let calls = answers.iter().flat_map(|(_, learned)| learned.calls.iter().copied()).collect();
            let value = Value::List(answers.iter().map(|(_, learned)| learned.value.clone()).collect());
            let how: Vec<&str> = answers.iter().map(|(_, learned)| learned.how.as_str()).collect();
            let how = how.join("; ");
            let each = Answer::Each(answers.into_iter().map(|(answer, _)| answer).collect());
            Some((each, Learned { value, calls, how }))
        }
    };
    Ok(Solution { trace: toolbox.trace, answer })
}

impl Toolbox<'_> {
    /// Looks up what one goal that is not long needs, and plans its writes; its steps count from `first`.
    fn part(&mut self, first: usize, goal: &Goal, planned: &mut Vec<Planned>) -> Verdict<Option<(Answer, Learned)>> {
        match goal {
            Goal::Ask(query) => {
                let learned = self.query(query)?;
                Ok(Some((answer_of(learned.value.clone())?, learned)))
            }
            Goal::Act(steps) | Goal::Repair(steps) => {
                let before = planned.len();
                for (index, step) in steps.iter().enumerate() {
                    self.plan_step(first + index, step, planned)?;
                }
                for link in planned[before..].iter_mut().flat_map(|p| &mut p.links) {
                    link.1 += first;
                }
                Ok(None)
            }
            Goal::Plan(choice) => Ok(Some(self.choose(choice)?)),
            Goal::Policy(case) => self.case(first, case, planned),
            Goal::Long(_) => reject("nested", "a long goal inside another"),
        }
    }

    fn plan_step(&mut self, index: usize, step: &Step, planned: &mut Vec<Planned>) -> Verdict<()> {
        match step {
            Step::Call(call) => planned.push(self.plan_call(index, call, None, &BTreeSet::new())?),
            Step::Each { rows, call } => {
                let table = table_id(self.suite, &rows.table)?;
                let found = self.find(rows, &[])?;
                if found.keys.is_empty() || found.keys.len() > BATCH_MAX {
                    return reject("batch_size", format!("{} rows", found.keys.len()));
                }
                for key in &found.keys {
                    let at_hand = AtHand { table, key, found: &found };
                    planned.push(self.plan_call(index, call, Some(at_hand), &BTreeSet::new())?);
                }
            }
            Step::If { of, condition, then, otherwise } => {
                let table = table_id(self.suite, &of.table)?;
                let column = column_id(&self.suite.tables[table], &condition.column)?;
                let found = self.find(of, &[column])?;
                let Some(key) = found.keys.first() else { return reject("planner_ambiguous", &of.table) };
                let (value, call) = self.column(table, key, column)?;
                let mut because = found.calls.clone();
                because.insert(call);
                let holds = match &condition.test {
                    Test::Of(_) | Test::Shared { .. } => return reject("unsayable", "a condition of a branch"),
                    test => passes(&value, test),
                };
                planned.push(self.plan_call(index, if holds { then } else { otherwise }, None, &because)?);
            }
        }
        Ok(())
    }

    fn plan_call(
        &mut self,
        step: usize,
        call: &Call,
        at_hand: Option<AtHand<'_>>,
        because: &BTreeSet<usize>,
    ) -> Verdict<Planned> {
        let tool = tool_id(self.suite, &call.tool)?;
        let mut planned = Planned { step, tool, rests_on: because.clone(), ..Planned::default() };
        for position in 0..call.arguments.len() {
            self.plan_argument(call, position, at_hand, &mut planned)?;
        }
        Ok(planned)
    }

    /// Looks one argument of a call up; gives its parameter.
    fn plan_argument(
        &mut self,
        call: &Call,
        position: usize,
        at_hand: Option<AtHand<'_>>,
        planned: &mut Planned,
    ) -> Verdict<usize> {
        let (name, argument) = &call.arguments[position];
        let function = &self.suite.functions[self.suite.tools[planned.tool].function];
        let Some(parameter) = function.parameters.iter().position(|p| p.name == *name) else {
            return reject("unknown_name", name);
        };
        let (value, origin) = match argument {
            Argument::Value(value) => (value.clone(), Origin::Prompt),
            Argument::Created(step) => {
                planned.links.push((parameter, *step));
                return Ok(parameter);
            }
            Argument::Entity(description) => {
                let table = table_id(self.suite, &description.table)?;
                let found = self.find(description, &[])?;
                let Some(key) = found.keys.first() else { return reject("planner_ambiguous", &description.table) };
                planned.rests_on.extend(&found.calls);
                (Value::Key(key.clone()), self.shown_by(table, key, &found))
            }
            Argument::Each => {
                let Some(row) = at_hand else { return reject("unknown_name", "no row at hand") };
                planned.rests_on.extend(&row.found.calls);
                (Value::Key(row.key.to_owned()), self.shown_by(row.table, row.key, row.found))
            }
            Argument::Computed(query) => {
                let learned = self.query(query)?;
                planned.rests_on.extend(&learned.calls);
                (learned.value, Origin::Computed(learned.how, learned.calls))
            }
            Argument::Shifted { of, column, by } => self.shift(of.as_ref(), at_hand, column, *by, planned)?,
        };
        planned.given.push(Given { parameter, value, origin });
        Ok(parameter)
    }

    /// A request that the rules decide: the rules are judged in order until one stands against it. Only what a rule looks at is
    /// looked up for it. Gives the refusal, if one is to be submitted.
    fn case(&mut self, step: usize, case: &Case, writes: &mut Vec<Planned>) -> Verdict<Option<(Answer, Learned)>> {
        let suite = self.suite;
        let tool = tool_id(suite, &case.request.tool)?;
        let definition = &suite.tools[tool];
        let parameters = &suite.functions[definition.function].parameters;
        let mut planned = Planned { step, tool, ..Planned::default() };
        let mut open: Vec<usize> = (0..case.request.arguments.len()).collect();
        let mut arguments: BTreeMap<usize, Value> = BTreeMap::new();
        let mut because = BTreeSet::new();
        for (need, number) in &definition.rules {
            let condition = &definition.needs[*need];
            for parameter in judge::mentioned(condition, parameters.len()) {
                let named = |p: &usize| case.request.arguments[*p].0 == parameters[parameter].name;
                let Some(at) = open.iter().position(named) else { continue };
                self.plan_argument(&case.request, open.remove(at), None, &mut planned)?;
                let given = planned.given.iter().find(|g| g.parameter == parameter);
                arguments.extend(given.map(|g| (parameter, g.value.clone())));
            }
            let mut scope = Scope::new(&arguments, self.today);
            let holds = self.judge(condition, &mut scope)? == Value::Bool(true);
            because.extend(&scope.calls);
            because.extend(&planned.rests_on);
            if holds {
                continue;
            }
            if let Some(otherwise) = &case.otherwise {
                writes.push(self.plan_call(step, otherwise, None, &because)?);
                return Ok(None);
            }
            let Some(grounds) = grounds(condition) else { return reject("no_evidence", &definition.name) };
            let mut scope = Scope::new(&arguments, self.today);
            let value = self.judge(&grounds, &mut scope)?;
            because.extend(&scope.calls);
            let refusal = Answer::Refusal { rule: *number, evidence: Box::new(evidence_of(value.clone())?) };
            let how = format!("evidence under rule {number}");
            return Ok(Some((refusal, Learned { value, calls: because, how })));
        }
        for position in open {
            self.plan_argument(&case.request, position, None, &mut planned)?;
        }
        planned.rests_on.extend(because);
        writes.push(planned);
        Ok(None)
    }

    fn shown_by(&self, table: TableId, key: &str, found: &Found) -> Origin {
        let call = self.known.fact(table, key, 0).map(|f| f.call).or_else(|| found.calls.last().copied());
        call.map_or(Origin::Prompt, Origin::Call)
    }

    fn shift(
        &mut self,
        of: Option<&crate::tasks::goal::Description>,
        at_hand: Option<AtHand<'_>>,
        column: &str,
        by: i64,
        planned: &mut Planned,
    ) -> Verdict<(Value, Origin)> {
        let (table, key) = match (of, at_hand) {
            (Some(description), _) => {
                let table = table_id(self.suite, &description.table)?;
                let found = self.find(description, &[])?;
                planned.rests_on.extend(&found.calls);
                match found.keys.into_iter().next() {
                    Some(key) => (table, key),
                    None => return reject("planner_ambiguous", &description.table),
                }
            }
            (None, Some(row)) => (row.table, row.key.to_owned()),
            (None, None) => return reject("unknown_name", "no row at hand"),
        };
        let index = column_id(&self.suite.tables[table], column)?;
        let (value, call) = self.column(table, &key, index)?;
        planned.rests_on.insert(call);
        let value = match value {
            Value::Int(n) => Value::Int(n + by),
            Value::Money(cents) => Value::Money(cents + by),
            Value::Date(day) => Value::Date(day + by as i32),
            _ => return reject("no_value", column),
        };
        let sign = if by < 0 { "-" } else { "+" };
        Ok((value, Origin::Computed(format!("{column} {sign} {}", by.unsigned_abs()), BTreeSet::from([call]))))
    }

    fn carry_out(&mut self, planned: Vec<Planned>) -> Verdict<()> {
        let mut created: BTreeMap<usize, (Value, usize)> = BTreeMap::new();
        for mut write in planned {
            let mut links = Vec::new();
            for (parameter, step) in &write.links {
                let Some((key, call)) = created.get(step) else { return reject("unreachable", "the key of a new row") };
                links.push((self.shown_parameter(write.tool, *parameter).to_owned(), *call));
                write.given.push(Given { parameter: *parameter, value: key.clone(), origin: Origin::Call(*call) });
            }
            let (call, result) = self.call(write.tool, write.given, write.rests_on, false, write.step)?;
            let key = result.as_ref().and_then(|result| created_key(self.suite, write.tool, result));
            if let Some(key) = &key {
                created.insert(write.step, (key.clone(), call));
            }
            self.trace.calls[call].created = key;
            self.trace.calls[call].links = links;
        }
        Ok(())
    }
}
