//! What a goal must bring about, by rows: the goal turned into concrete calls on the host's rows, their declared effects applied, and
//! the net change written down as the verifier's expectation.

use crate::tasks::choice::{example, program};
use crate::tasks::goal::{Argument, Call, Case, Description, Goal, Query, Step};
use crate::tasks::policy::{Ruling, ruling};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{Rows, column_id, number, table_id, target};
use crate::tasks::simulation::Simulation;
use std::collections::{BTreeMap, BTreeSet};
use terrarium_envs::verifier::{Answer, ExpectedChange, Verifier};
use terrarium_tools::Suite;
use terrarium_tools::eval::{self, ChangeKind, RowChange};
use terrarium_tools::tree::Literal;
use terrarium_tools::value::{Value, World};

/// Rows a batch may have.
pub const BATCH_MAX: usize = 12;

/// A suite, its policy parameters and a world to start from.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// Policy parameters.
    pub parameters: &'a [Literal],
    /// The world at the beginning.
    pub world: &'a World,
    /// The same rows as the evaluator keeps them: copies are cheap.
    pub rows: &'a eval::Rows,
}

/// An argument with its value, or the step whose new row it names.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// A value.
    Value(Value),
    /// The key of the row that the step creates.
    Created(usize),
}

/// A call with every argument known.
#[derive(Clone, Debug, PartialEq)]
pub struct Concrete {
    /// The step of the goal it belongs to.
    pub step: usize,
    /// Index in `Suite::tools`.
    pub tool: usize,
    /// One argument a parameter, in the function's order.
    pub arguments: Vec<Bound>,
}

/// The index of a tool, by canonical name.
pub fn tool_id(suite: &Suite, name: &str) -> Verdict<usize> {
    match suite.tools.iter().position(|t| t.name == name) {
        Some(index) => Ok(index),
        None => reject("unknown_name", format!("tool `{name}`")),
    }
}

/// The concrete calls of one step, by rows.
pub fn expand(rows: Rows<'_>, index: usize, step: &Step) -> Verdict<Vec<Concrete>> {
    match step {
        Step::Call(call) => Ok(vec![bind(rows, index, call, None)?]),
        Step::Each { rows: set, call } => {
            let table = table_id(rows.suite, &set.table)?;
            let found = rows.matching(set)?;
            if found.is_empty() || found.len() > BATCH_MAX {
                return reject("batch_size", format!("{} rows", found.len()));
            }
            found.into_iter().map(|row| bind(rows, index, call, Some((table, row)))).collect()
        }
        Step::If { of, condition, then, otherwise } => {
            let table = table_id(rows.suite, &of.table)?;
            let holds = rows.meets(table, rows.one(of)?, condition)?;
            Ok(vec![bind(rows, index, if holds { then } else { otherwise }, None)?])
        }
    }
}

fn bind(rows: Rows<'_>, step: usize, call: &Call, each: Option<(usize, &Vec<Value>)>) -> Verdict<Concrete> {
    let tool = tool_id(rows.suite, &call.tool)?;
    let function = &rows.suite.functions[rows.suite.tools[tool].function];
    let mut arguments = vec![Bound::Value(Value::None); function.parameters.len()];
    for (name, argument) in &call.arguments {
        let Some(parameter) = function.parameters.iter().position(|p| p.name == *name) else {
            return reject("unknown_name", format!("parameter `{name}`"));
        };
        arguments[parameter] = match argument {
            Argument::Entity(description) => Bound::Value(rows.one(description)?[0].clone()),
            Argument::Each => match each {
                Some((_, row)) => Bound::Value(row[0].clone()),
                None => return reject("unknown_name", "no row at hand"),
            },
            Argument::Created(step) => Bound::Created(*step),
            Argument::Value(value) => Bound::Value(value.clone()),
            Argument::Computed(query) => Bound::Value(rows.value(query)?),
            Argument::Shifted { of, column, by } => {
                let (table, row) = match (of, each) {
                    (Some(d), _) => (table_id(rows.suite, &d.table)?, rows.one(d)?),
                    (None, Some(at_hand)) => at_hand,
                    (None, None) => return reject("unknown_name", "no row at hand"),
                };
                let value = &row[column_id(&rows.suite.tables[table], column)?];
                Bound::Value(shifted(value, *by)?)
            }
        };
    }
    Ok(Concrete { step, tool, arguments })
}

/// A call that stands alone, by rows: the tool and its arguments' values.
pub fn bind_alone(rows: Rows<'_>, call: &Call) -> Verdict<(usize, Vec<Value>)> {
    let concrete = bind(rows, 0, call, None)?;
    let values = values_of(&concrete, &BTreeMap::new())?;
    Ok((concrete.tool, values))
}

/// A value changed by an amount.
pub fn shifted(value: &Value, by: i64) -> Verdict<Value> {
    match (value, number(value).and_then(|n| n.checked_add(by))) {
        (Value::Int(_), Some(n)) => Ok(Value::Int(n)),
        (Value::Money(_), Some(n)) => Ok(Value::Money(n)),
        (Value::Date(_), Some(n)) => match i32::try_from(n) {
            Ok(day) => Ok(Value::Date(day)),
            Err(_) => reject("no_value", "a date out of range"),
        },
        _ => reject("no_value", "a value without arithmetic"),
    }
}

/// A goal carried out by rows, as far as it has come.
#[derive(Clone)]
pub struct Outcome<'a> {
    stage: Stage<'a>,
    simulation: Simulation<'a>,
    steps: usize,
    created: BTreeMap<usize, Value>,
}

impl<'a> Outcome<'a> {
    /// Nothing done yet.
    pub fn new(stage: Stage<'a>) -> Self {
        Outcome { stage, simulation: Simulation::new(stage), steps: 0, created: BTreeMap::new() }
    }

    /// Carries one more step out; after an error the outcome is of no use.
    ///
    /// # Errors
    /// As [`carry_out`].
    fn step(&mut self, step: &Step) -> Verdict<()> {
        let stage = self.stage;
        let index = self.steps;
        let concrete = expand(Rows { suite: stage.suite, world: stage.world }, index, step)?;
        // Only a table that an earlier step changed can make a step mean something else.
        let read = tables_read(stage.suite, step);
        if self.simulation.touches(&read) {
            let now = self.simulation.now(&read);
            let later = expand(Rows { suite: stage.suite, world: &now }, index, step);
            if later.as_ref() != Ok(&concrete) {
                return reject("order_dependent", format!("step {}", index + 1));
            }
        }
        for call in concrete {
            let values = values_of(&call, &self.created)?;
            if let Some(key) = self.simulation.call(call.tool, &values)? {
                self.created.insert(index, Value::Key(key));
            }
        }
        self.steps += 1;
        Ok(())
    }

    /// Carries one more part of a long goal out, or leaves everything as it was.
    ///
    /// # Errors
    /// As [`carry_out`].
    pub fn part(&mut self, part: &Goal) -> Verdict<()> {
        let (mut steps, _) = lower(self.stage, part)?;
        shift_steps(&mut steps, self.steps);
        let mut next = self.clone();
        steps.iter().try_for_each(|step| next.step(step))?;
        *self = next;
        Ok(())
    }

    /// That the rules say the same of a case now as they did at the beginning.
    ///
    /// # Errors
    /// `parts_depend` where they do not, and what the case is rejected for.
    fn rules_alike(&self, case: &Case) -> Verdict<()> {
        let world = self.simulation.now(&tables_read(self.stage.suite, &Step::Call(case.request.clone())));
        let after = Stage { world: &world, rows: self.simulation.rows(), ..self.stage };
        if ruling(after, case).as_ref() == Ok(&ruling(self.stage, case)?) {
            Ok(())
        } else {
            reject("parts_depend", "a ruling changes on the way")
        }
    }

    /// Whether a set is empty at the end.
    ///
    /// # Errors
    /// What the description is rejected for.
    pub fn leaves_none(&self, set: &Description) -> Verdict<bool> {
        let mut read = BTreeSet::new();
        set.walk(&mut |d| read.extend(table_id(self.stage.suite, &d.table)));
        let after = self.simulation.now(&read);
        Ok(Rows { suite: self.stage.suite, world: &after }.matching(set)?.is_empty())
    }
}

/// Carries an act goal out by rows.
///
/// # Errors
/// `needs_fail` where a declared condition does not hold when its turn comes, `order_dependent` where a description would mean
/// something else after an earlier step, `no_change` where a call changes nothing, and whatever a description is rejected for.
pub fn carry_out<'a>(stage: Stage<'a>, steps: &[Step]) -> Verdict<Outcome<'a>> {
    let mut outcome = Outcome::new(stage);
    steps.iter().try_for_each(|step| outcome.step(step))?;
    Ok(outcome)
}

/// The tables that a step's descriptions and questions look at.
fn tables_read(suite: &Suite, step: &Step) -> BTreeSet<usize> {
    let mut read = BTreeSet::new();
    for description in step.descriptions() {
        description.walk(&mut |d| read.extend(table_id(suite, &d.table)));
    }
    for (_, argument) in step.calls().into_iter().flat_map(|c| &c.arguments) {
        if let Argument::Computed(query) = argument {
            read.extend(tables_asked(suite, query));
        }
    }
    read
}

/// The tables that a question looks at.
fn tables_asked(suite: &Suite, query: &Query) -> BTreeSet<usize> {
    let mut read = BTreeSet::new();
    for description in query.descriptions() {
        description.walk(&mut |d| read.extend(table_id(suite, &d.table)));
    }
    let hops: Vec<&String> = match query {
        Query::Lookup { path, .. } => path.iter().collect(),
        Query::MostReferred { by, .. } => vec![by],
        _ => Vec::new(),
    };
    let mut table = query.descriptions().first().and_then(|d| table_id(suite, &d.table).ok());
    for hop in hops {
        let columns = table.map(|t| &suite.tables[t]);
        let column = columns.and_then(|t| Some(&t.columns[column_id(t, hop).ok()?]));
        table = column.and_then(|c| target(&c.ty));
        read.extend(table);
    }
    read
}

/// Carries concrete calls out by rows, in the order given; `None` where one of them would be refused or changes nothing.
pub fn replay(stage: Stage<'_>, calls: &[(usize, Vec<Value>)]) -> Option<ExpectedChange> {
    let mut simulation = Simulation::new(stage);
    for (tool, arguments) in calls {
        simulation.call(*tool, arguments).ok()?;
    }
    simulation.change().ok()
}

/// Whether the last two calls can change places: each is accepted in either order and changes the same. Keys of new rows aside.
pub fn independent(stage: Stage<'_>, calls: &[(usize, Vec<Value>)]) -> bool {
    let [before @ .., first, second] = calls else { return false };
    let run = |order: [&(usize, Vec<Value>); 2]| -> Option<[Vec<RowChange>; 2]> {
        let mut simulation = Simulation::new(stage);
        for (tool, arguments) in before {
            simulation.call(*tool, arguments).ok()?;
        }
        let [a, b] = order;
        Some([simulation.changes(a.0, &a.1).ok()?, simulation.changes(b.0, &b.1).ok()?])
    };
    let (Some([a, b]), Some([b_first, a_second])) = (run([first, second]), run([second, first])) else { return false };
    let same = |x: &[RowChange], y: &[RowChange]| {
        x.len() == y.len()
            && x.iter().zip(y).all(|(x, y)| {
                x.table == y.table
                    && x.kind == y.kind
                    && x.columns == y.columns
                    && (x.kind == ChangeKind::Insert || x.key == y.key)
            })
    };
    same(&a, &a_second) && same(&b, &b_first)
}

fn values_of(call: &Concrete, created: &BTreeMap<usize, Value>) -> Verdict<Vec<Value>> {
    let bound = call.arguments.iter().map(|argument| match argument {
        Bound::Value(value) => Ok(value.clone()),
        Bound::Created(step) => match created.get(step) {
            Some(key) => Ok(key.clone()),
            None => reject("unknown_name", format!("step {step} creates no row")),
        },
    });
    bound.collect()
}

/// A goal turned into steps and an answer, by rows: what the rules decide is decided.
fn lower(stage: Stage<'_>, goal: &Goal) -> Verdict<(Vec<Step>, Option<Answer>)> {
    match goal {
        Goal::Act(steps) | Goal::Repair(steps) => Ok((steps.clone(), None)),
        Goal::Ask(query) => Ok((Vec::new(), Some(Rows { suite: stage.suite, world: stage.world }.answer(query)?))),
        Goal::Plan(choice) => {
            let mut program = program(Rows { suite: stage.suite, world: stage.world }, choice, &[])?;
            program.example = example(&program)?;
            Ok((Vec::new(), Some(Answer::Plan(program))))
        }
        Goal::Policy(case) => match (ruling(stage, case)?, &case.otherwise) {
            (Ruling::Allowed, _) => Ok((vec![Step::Call(case.request.clone())], None)),
            (Ruling::Forbidden { refusal: Some(refusal), .. }, _) => Ok((Vec::new(), Some(refusal))),
            (Ruling::Forbidden { .. }, Some(otherwise)) => Ok((vec![Step::Call(otherwise.clone())], None)),
            (Ruling::Forbidden { .. }, None) => reject("no_evidence", &case.request.tool),
        },
        Goal::Long(_) => reject("nested", "a long goal inside another"),
    }
}

/// Moves the steps that arguments refer to.
fn shift_steps(steps: &mut [Step], by: usize) {
    for step in steps {
        let calls: Vec<&mut Call> = match step {
            Step::Call(call) | Step::Each { call, .. } => vec![call],
            Step::If { then, otherwise, .. } => vec![then, otherwise],
        };
        for (_, argument) in calls.into_iter().flat_map(|c| &mut c.arguments) {
            if let Argument::Created(step) = argument {
                *step += by;
            }
        }
    }
}

/// The verifier of a goal, by rows. Parts of a long goal must not depend on one another: each is asked again in the world that the
/// others before it leave.
///
/// # Errors
/// As [`carry_out`]; `no_change` where steps cancel out, `parts_depend` where a part means something else after the ones before it.
pub fn verifier(stage: Stage<'_>, goal: &Goal) -> Verdict<Verifier> {
    let parts = goal.parts();
    let mut outcome = Outcome::new(stage);
    let mut answers = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if let Goal::Policy(case) = part
            && parts.len() > 1
        {
            outcome.rules_alike(case)?;
            // An agent may do the parts in any order: the rules say the same after all the others.
            let mut others = Outcome::new(stage);
            parts.iter().enumerate().filter(|(other, _)| *other != at).try_for_each(|(_, part)| others.part(part))?;
            others.rules_alike(case)?;
        }
        let (mut steps, answer) = lower(stage, part)?;
        shift_steps(&mut steps, outcome.steps);
        steps.iter().try_for_each(|step| outcome.step(step))?;
        answers.extend(answer);
    }
    let answer = match answers.len() {
        0 | 1 => answers.pop(),
        _ => Some(Answer::Each(answers)),
    };
    if outcome.steps == 0 {
        return match answer {
            Some(_) => Ok(Verifier { change: ExpectedChange::default(), answer }),
            None => reject("no_change", "nothing is asked for"),
        };
    }
    let change = outcome.simulation.change()?;
    if change.is_empty() {
        return reject("no_change", "the steps cancel out");
    }
    // What is asked must have one answer, whenever it is looked up.
    let asked = |part: &Goal| match part {
        Goal::Ask(query) => outcome.simulation.touches(&tables_asked(stage.suite, query)),
        _ => false,
    };
    for part in parts.iter().filter(|p| parts.len() > 1 && asked(p)) {
        let Goal::Ask(query) = part else { continue };
        let world = outcome.simulation.now(&tables_asked(stage.suite, query));
        let after = Stage { world: &world, rows: outcome.simulation.rows(), ..stage };
        if lower(after, part).as_ref() != Ok(&lower(stage, part)?) {
            return reject("parts_depend", "an answer changes on the way");
        }
    }
    Ok(Verifier { change, answer })
}
