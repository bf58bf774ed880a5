//! Policy goals: a request that one rule of the policy decides. The rules are the conditions of a tool that its suite marks with
//! `rule(n, ..)`; the evidence of a refusal is the one thing in the records that such a condition looks at.

use crate::seed::Dice;
use crate::tasks::act::{ActWriter, Story};
use crate::tasks::draft::Draft;
use crate::tasks::expected::{Stage, bind_alone};
use crate::tasks::goal::{Call, Case, Goal};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::{Rows, target};
use crate::vary::data::scalar;
use terrarium_envs::verifier::Answer;
use terrarium_tools::eval::{EvalValue, Evaluator};
use terrarium_tools::suite::Tool;
use terrarium_tools::tree::{Expr, ExprKind, Iterable};
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// Draws of arguments that break just one rule.
const BREAKING_DRAWS_MAX: usize = 60;
/// Draws of a call to make instead.
const OTHERWISE_DRAWS_MAX: usize = 8;
/// Numbers below this make no evidence: whoever refuses everything would guess them.
const GUESSED_BELOW: i64 = 4;
/// Records that a rule may count against a request.
const RECORDS_MAX: usize = 8;

/// What a rule looks at in the records: an amount, a number or a date of one record, or the records that it counts. As an
/// expression over the tool's arguments; of records it gives the keys. `None` where it looks at nothing, at several things, or only
/// at values of a closed list, which could be guessed.
pub fn grounds(condition: &Expr) -> Option<Expr> {
    let mut found = Vec::new();
    collect(condition, &mut found);
    match found.len() {
        1 => found.pop().flatten(),
        _ => None,
    }
}

/// Whether the evidence is a list of records.
pub fn counts_records(grounds: &Expr) -> bool {
    matches!(grounds.ty, Type::List(_))
}

/// Everything a condition looks at; `None` stands for something that makes no evidence.
fn collect(expr: &Expr, found: &mut Vec<Option<Expr>>) {
    match &expr.kind {
        ExprKind::Column { .. } => {
            if matches!(scalar(&expr.ty), Type::Int | Type::Money | Type::Date) {
                found.push(Some(expr.clone()));
            }
        }
        ExprKind::Len(list) | ExprKind::AnyAll { list, all: false } => {
            let counting = matches!(expr.kind, ExprKind::Len(_));
            found.push(records(list, counting));
        }
        ExprKind::AnyAll { .. } | ExprKind::Sum(_) | ExprKind::Extreme { .. } | ExprKind::Comprehension { .. } => {
            found.push(None);
        }
        ExprKind::Binary { left, right, .. } | ExprKind::And(left, right) | ExprKind::Or(left, right) => {
            collect(left, found);
            collect(right, found);
        }
        ExprKind::Conditional { condition, then, otherwise } => {
            collect(condition, found);
            collect(then, found);
            collect(otherwise, found);
        }
        ExprKind::Percent { value, percent } => {
            collect(value, found);
            collect(percent, found);
        }
        ExprKind::Not(inner)
        | ExprKind::Negate(inner)
        | ExprKind::Some(inner)
        | ExprKind::Unwrap(inner)
        | ExprKind::RowKey(inner)
        | ExprKind::IsNone(inner)
        | ExprKind::IntToFloat(inner) => collect(inner, found),
        _ => {}
    }
}

/// The keys of the rows that a comprehension over a table counts.
fn records(list: &Expr, counting: bool) -> Option<Expr> {
    let ExprKind::Comprehension { local, iterable: Iterable::Table(table), condition, value } = &list.kind else {
        return None;
    };
    let condition = match (counting, condition) {
        (true, condition) => condition.clone(),
        (false, None) => Some(value.clone()),
        (false, Some(first)) => {
            Some(Box::new(Expr { ty: Type::Bool, kind: ExprKind::And(first.clone(), value.clone()), span: list.span }))
        }
    };
    let row = Expr { ty: Type::Row(*table), kind: ExprKind::Local(*local), span: list.span };
    let key = Expr {
        ty: Type::Key(*table),
        kind: ExprKind::Column { row: Box::new(row), table: *table, column: 0 },
        span: list.span,
    };
    Some(Expr {
        ty: Type::List(Box::new(Type::Key(*table))),
        kind: ExprKind::Comprehension {
            local: *local,
            iterable: Iterable::Table(*table),
            condition,
            value: Box::new(key),
        },
        span: list.span,
    })
}

/// The table whose records are counted.
pub fn counted_table(grounds: &Expr) -> Option<TableId> {
    match &grounds.ty {
        Type::List(inner) => match **inner {
            Type::Key(table) => Some(table),
            _ => None,
        },
        _ => None,
    }
}

/// A value as evidence.
pub fn evidence_of(value: Value) -> Verdict<Answer> {
    match value {
        Value::Int(n) if (0..GUESSED_BELOW).contains(&n) => reject("no_evidence", format!("{n} is easily guessed")),
        Value::Money(0) => reject("no_evidence", "nothing is easily guessed"),
        Value::Int(n) => Ok(Answer::Integer(n)),
        Value::Money(cents) => Ok(Answer::Money(cents)),
        Value::Date(day) => Ok(Answer::Date(day)),
        Value::List(items) => {
            let mut keys = Vec::with_capacity(items.len());
            for item in items {
                match item {
                    Value::Key(key) => keys.push(key),
                    _ => return reject("no_evidence", "records without keys"),
                }
            }
            if keys.is_empty() || keys.len() > RECORDS_MAX {
                return reject("no_evidence", format!("{} records", keys.len()));
            }
            keys.sort_unstable();
            Ok(Answer::Texts(keys))
        }
        other => reject("no_evidence", format!("{other:?}")),
    }
}

/// Which conditions of a call do not hold, by rows.
pub fn broken(stage: Stage<'_>, tool: &Tool, arguments: &[Value]) -> Vec<usize> {
    let mut evaluator = Evaluator::over(stage.suite, stage.parameters, stage.rows.clone());
    let mut locals = locals(tool, arguments);
    let holds = |need: &Expr, evaluator: &mut Evaluator<'_>, locals: &mut Vec<Option<EvalValue>>| {
        matches!(evaluator.eval(need, locals), Ok(EvalValue::Bool(true)))
    };
    (0..tool.needs.len()).filter(|n| !holds(&tool.needs[*n], &mut evaluator, &mut locals)).collect()
}

/// Whether one condition of a call holds, by rows.
fn keeps(stage: Stage<'_>, tool: &Tool, arguments: &[Value], need: usize) -> bool {
    let mut evaluator = Evaluator::over(stage.suite, stage.parameters, stage.rows.clone());
    let mut locals = locals(tool, arguments);
    matches!(evaluator.eval(&tool.needs[need], &mut locals), Ok(EvalValue::Bool(true)))
}

fn locals(tool: &Tool, arguments: &[Value]) -> Vec<Option<EvalValue>> {
    let mut locals: Vec<Option<EvalValue>> = arguments.iter().map(|v| Some(EvalValue::from(v))).collect();
    locals.resize(tool.goal_locals.len(), None);
    locals
}

/// What the rules make of a case, by rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Ruling {
    /// The request is carried out.
    Allowed,
    /// The rule that stands against it, by its position in `needs`, and the evidence where a refusal is asked for.
    Forbidden {
        /// Position of the condition.
        need: usize,
        /// The refusal to be submitted; none where something else is done instead.
        refusal: Option<Answer>,
    },
}

/// The ruling on a case, by rows.
///
/// # Errors
/// `needs_fail` where something other than a rule stands against the request, `several_rules` where more than one does.
pub fn ruling(stage: Stage<'_>, case: &Case) -> Verdict<Ruling> {
    let rows = Rows { suite: stage.suite, world: stage.world };
    let (tool, arguments) = bind_alone(rows, &case.request)?;
    let tool = &stage.suite.tools[tool];
    let need = match broken(stage, tool, &arguments).as_slice() {
        [] => return Ok(Ruling::Allowed),
        [need] => *need,
        _ => return reject("several_rules", &tool.name),
    };
    let Some((_, rule)) = tool.rules.iter().find(|(n, _)| *n == need) else { return reject("needs_fail", &tool.name) };
    if case.otherwise.is_some() {
        return Ok(Ruling::Forbidden { need, refusal: None });
    }
    let Some(grounds) = grounds(&tool.needs[need]) else { return reject("no_evidence", &tool.name) };
    let mut evaluator = Evaluator::over(stage.suite, stage.parameters, stage.rows.clone());
    let value = match evaluator.eval(&grounds, &mut locals(tool, &arguments)) {
        Ok(value) => value.plain(),
        Err(error) => return reject("no_evidence", error.to_string()),
    };
    let refusal = Answer::Refusal { rule: *rule, evidence: Box::new(evidence_of(value)?) };
    Ok(Ruling::Forbidden { need, refusal: Some(refusal) })
}

/// Draws policy goals.
pub struct PolicyWriter<'a> {
    /// Draws the calls.
    pub act: ActWriter<'a>,
}

impl PolicyWriter<'_> {
    /// A goal: forbidden or allowed, each as likely.
    ///
    /// # Errors
    /// `no_rule` where no tool of the surface has rules, `no_arguments` where the rows offer no pair of requests.
    pub fn draw(&self, dice: &mut Dice) -> Verdict<Goal> {
        let evidence = dice.percent(60);
        Ok(Goal::Policy(self.case(evidence, dice)?))
    }

    /// A case that asks for a refusal with evidence, or for something else instead.
    ///
    /// # Errors
    /// As [`PolicyWriter::draw`].
    pub fn case(&self, evidence: bool, dice: &mut Dice) -> Verdict<Case> {
        let suite = self.act.stage.suite;
        let mut choices: Vec<(usize, usize)> = Vec::new();
        for tool in self.act.tools {
            let definition = &suite.tools[*tool];
            let usable = |need: usize| !evidence || grounds(&definition.needs[need]).is_some();
            choices.extend(definition.rules.iter().filter(|(need, _)| usable(*need)).map(|(need, _)| (*tool, *need)));
        }
        let Some((tool, need)) = dice.pick(&choices).copied() else { return reject("no_rule", "no tool with rules") };
        let Some(ask) = self.act.ask(tool, dice) else { return reject("no_arguments", &suite.tools[tool].name) };
        let forbidden = self.breaking(tool, need, &ask, dice)?;
        let allowed = self.act.draft(tool, Some(&ask), &Story::default(), &[], dice)?;
        let forbids = dice.percent(55);
        let (own, other) = if forbids { (forbidden, allowed) } else { (allowed, forbidden) };
        let mut story = Story::default();
        let request = self.act.say(&own, None, &mut story, dice)?;
        let twin = self.act.say(&other, None, &mut Story::default(), dice)?;
        let otherwise = if evidence { None } else { Some(self.otherwise(&request, story, dice)?) };
        Ok(Case { request, otherwise, need, twin })
    }

    /// Arguments under which just one condition fails.
    fn breaking(&self, tool: usize, need: usize, ask: &str, dice: &mut Dice) -> Verdict<Draft> {
        let definition = &self.act.stage.suite.tools[tool];
        for _ in 0..BREAKING_DRAWS_MAX {
            let given = self.act.arguments(tool, ask, &Story::default(), &[], dice)?;
            let mut arguments = vec![Value::None; self.act.stage.suite.functions[definition.function].parameters.len()];
            for (p, value) in &given {
                arguments[*p] = value.clone();
            }
            // Most draws keep the rule; the other conditions are then of no interest.
            if !keeps(self.act.stage, definition, &arguments, need)
                && broken(self.act.stage, definition, &arguments) == [need]
            {
                return Ok(Draft { tool, ask: ask.to_owned(), given });
            }
        }
        reject("no_arguments", format!("{}: nothing breaks that rule alone", definition.name))
    }

    /// What is done instead: another call that the rules permit, about the same sort of things, and the same ones where that can be.
    fn otherwise(&self, request: &Call, mut story: Story, dice: &mut Dice) -> Verdict<Call> {
        let suite = self.act.stage.suite;
        story.loyal = true;
        let things = |tool: usize| -> Vec<TableId> {
            let parameters = &suite.functions[suite.tools[tool].function].parameters;
            parameters.iter().filter_map(|p| target(&p.ty)).collect()
        };
        let asked = suite.tools.iter().position(|t| t.name == request.tool).map(things).unwrap_or_default();
        let others: Vec<usize> =
            self.act.tools.iter().copied().filter(|t| suite.tools[*t].name != request.tool).collect();
        let others: Vec<usize> =
            others.into_iter().filter(|t| things(*t).iter().any(|table| asked.contains(table))).collect();
        for _ in 0..OTHERWISE_DRAWS_MAX {
            let Some(tool) = dice.pick(&others).copied() else { break };
            if let Ok(draft) = self.act.draft(tool, None, &story, &[], dice) {
                // The same things are told twice in one prompt: the second time briefly.
                return self.act.brief().say(&draft, None, &mut story, dice);
            }
        }
        reject("no_arguments", "nothing to do instead")
    }
}
