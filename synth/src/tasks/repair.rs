//! Repair goals: claims that the records must meet, the records that break them, and what puts them right. A claim reads `no loan that
//! is still out may be due before 3 March 2026`: a state that does not go together with a date, an amount, or the state of the record
//! referred to. What is done with each record that breaks it must leave none behind.

use crate::seed::Dice;
use crate::tasks::act::{ActWriter, Story};
use crate::tasks::arguments::written_to;
use crate::tasks::bounds::{is_worth_saying, next_above, next_amount, rounded, rounded_money};
use crate::tasks::columns::{called_columns, is_comparable};
use crate::tasks::expected::carry_out;
use crate::tasks::goal::{Condition, Description, Goal, Step, Test};
use crate::tasks::reject::{Verdict, reject};
use crate::tasks::rows::target;
use crate::vary::data::scalar;
use crate::vary::surface::bare_local;
use terrarium_tools::Suite;
use terrarium_tools::suite::Effect;
use terrarium_tools::types::{TableId, Type};
use terrarium_tools::value::Value;

/// Records that break a claim.
const BROKEN: std::ops::RangeInclusive<usize> = 2..=6;
/// Claims in one goal at most.
const CLAIMS_MAX: usize = 2;
/// Draws for each claim.
const DRAWS_MAX: usize = 6;

/// A way to put a record right: a tool that takes it alone and deletes it or sets its state.
#[derive(Clone, Copy)]
struct Fix {
    tool: usize,
    /// The parameter that takes the record.
    parameter: usize,
    table: TableId,
    /// The state it sets; none where it deletes the record.
    column: Option<usize>,
}

fn fixes(suite: &Suite, tool: usize) -> Vec<Fix> {
    let definition = &suite.tools[tool];
    let parameters = &suite.functions[definition.function].parameters;
    // Nothing else is looked for: what puts a record right is said once for all of them.
    if parameters.iter().filter(|p| target(&p.ty).is_some()).count() != 1 {
        return Vec::new();
    }
    // A repair makes no new records: a damage report is no cure for a dirty car.
    if definition.effects.iter().any(|e| matches!(e, Effect::Insert { .. })) {
        return Vec::new();
    }
    let fix = |effect: &Effect| match effect {
        Effect::Delete { table, key } => {
            bare_local(key).map(|parameter| Fix { tool, parameter, table: *table, column: None })
        }
        Effect::Update { table, key, values } => {
            let state = |c: &usize| matches!(suite.tables[*table].columns[*c].ty, Type::Enum(_));
            let column = values.iter().map(|(c, _)| *c).find(state)?;
            bare_local(key).map(|parameter| Fix { tool, parameter, table: *table, column: Some(column) })
        }
        _ => None,
    };
    // Whatever else the tool insists on must be the state itself: `1 to 1` puts no match right.
    let only_the_state = |f: &Fix| {
        (0..parameters.len())
            .filter(|p| *p != f.parameter && !matches!(parameters[*p].ty, Type::Option(_)))
            .all(|p| written_to(suite, tool, p).is_some_and(|place| Some(place) == f.column.map(|c| (f.table, c))))
    };
    let fixes = definition.effects.iter().filter_map(fix);
    fixes.filter(|f| f.parameter < parameters.len() && only_the_state(f)).collect()
}

/// Draws repair goals in one environment.
pub struct RepairWriter<'a> {
    /// Draws the calls.
    pub act: ActWriter<'a>,
}

impl RepairWriter<'_> {
    /// A goal of one or two claims; each level adds one.
    ///
    /// # Errors
    /// `no_claim` where the rows break none that a tool can put right.
    pub fn draw(&self, level: usize, dice: &mut Dice) -> Verdict<Goal> {
        if !self.act.tools.iter().any(|tool| !fixes(self.act.stage.suite, *tool).is_empty()) {
            return reject("no_claim", "no tool changes a state");
        }
        let wanted = 1 + dice.below(CLAIMS_MAX) + level;
        let mut claims: Vec<Step> = Vec::new();
        for _ in 0..wanted * 3 {
            if claims.len() == wanted {
                break;
            }
            let Ok(claim) = self.claim(dice) else { continue };
            claims.push(claim);
            if claims.len() > 1 && carry_out(self.act.stage, &claims).is_err() {
                claims.pop();
            }
        }
        if claims.is_empty() { reject("no_claim", "") } else { Ok(Goal::Repair(claims)) }
    }

    /// One claim with its repair, as a step for each record that breaks it.
    fn claim(&self, dice: &mut Dice) -> Verdict<Step> {
        let suite = self.act.stage.suite;
        let rows = self.act.describer.rows;
        let fixes: Vec<Fix> = self.act.tools.iter().flat_map(|tool| fixes(suite, *tool)).collect();
        let Some(Fix { tool, parameter, table, column }) = dice.pick(&fixes).copied() else {
            return reject("no_claim", "no tool changes a state");
        };
        for _ in 0..DRAWS_MAX {
            let Some(anchor) = dice.pick(rows.table(table)) else { break };
            let state = match column {
                Some(column) => self.is_now(table, column, anchor),
                None => self.state(table, anchor, dice),
            };
            let Some(state) = state else { continue };
            let Some(other) = self.contradiction(table, anchor, dice) else { continue };
            let set = Description {
                table: suite.tables[table].name.clone(),
                conditions: vec![state, other],
                extremum: None,
                many: true,
            };
            let Ok(found) = rows.matching(&set) else { continue };
            if !BROKEN.contains(&found.len()) || !self.is_a_claim(&set, found.len()) {
                continue;
            }
            let first = found[0][0].clone();
            let Ok(draft) = self.act.draft(tool, None, &Story::default(), &[(parameter, first)], dice) else {
                continue;
            };
            if !draft.given.iter().any(|(p, _)| *p == parameter) {
                continue;
            }
            let fine = found.iter().all(|row| {
                let mut given = draft.given.clone();
                given.iter_mut().filter(|(p, _)| *p == parameter).for_each(|(_, v)| *v = row[0].clone());
                self.act.would_succeed(tool, &given)
            });
            if !fine {
                continue;
            }
            let call = self.act.say(&draft, Some((parameter, table)), &mut Story::default(), dice)?;
            let step = Step::Each { rows: set.clone(), call };
            // Afterwards the claim must hold.
            if carry_out(self.act.stage, std::slice::from_ref(&step))?.leaves_none(&set)? {
                return Ok(step);
            }
        }
        reject("no_claim", &suite.tools[tool].name)
    }

    /// The state of a record: a case of a closed list that it has.
    fn state(&self, table: TableId, row: &[Value], dice: &mut Dice) -> Option<Condition> {
        let definition = &self.act.stage.suite.tables[table];
        let states: Vec<usize> = (1..definition.columns.len())
            .filter(|c| {
                matches!(definition.columns[*c].ty, Type::Enum(_)) && self.act.describer.reach.visible(table, *c)
            })
            .collect();
        self.is_now(table, *dice.pick(&states)?, row)
    }

    fn is_now(&self, table: TableId, column: usize, row: &[Value]) -> Option<Condition> {
        let name = self.act.stage.suite.tables[table].columns[column].name.clone();
        let shown = self.act.describer.reach.visible(table, column);
        shown.then(|| Condition { column: name, test: Test::Is(row[column].clone()) })
    }

    /// What the state does not go together with: a date or an amount on one side of a bound, or the state of a record referred to.
    fn contradiction(&self, table: TableId, row: &[Value], dice: &mut Dice) -> Option<Condition> {
        let suite = self.act.stage.suite;
        let definition = &suite.tables[table];
        let reach = self.act.describer.reach;
        let called = called_columns(definition);
        let columns: Vec<usize> = (1..definition.columns.len())
            .filter(|c| reach.visible(table, *c) && row[*c] != Value::None)
            // What rows are called by is no property that could contradict another.
            .filter(|c| target(&definition.columns[*c].ty).is_some() || !called.contains(c))
            .filter(|c| {
                let column = &definition.columns[*c];
                is_comparable(column) || target(&column.ty).is_some_and(|t| reach.searchable(t))
            })
            .collect();
        let column = *dice.pick(&columns)?;
        let name = definition.columns[column].name.clone();
        let below = dice.percent(50);
        let test = match (&row[column], scalar(&definition.columns[column].ty)) {
            (Value::Date(_), _) => {
                // Most such claims are about today.
                let day = self.act.stage.world.today + if dice.percent(60) { 0 } else { dice.between(-20, 20) as i32 };
                if below { Test::Below(Value::Date(day)) } else { Test::Above(Value::Date(day)) }
            }
            (Value::Money(cents), _) => {
                if below {
                    Test::Below(Value::Money(next_amount(*cents)))
                } else {
                    Test::Above(Value::Money(rounded_money(cents - 1).0))
                }
            }
            (Value::Int(n), _) => {
                if below {
                    Test::Below(Value::Int(next_above(*n)))
                } else {
                    Test::AtLeast(Value::Int(rounded(*n).0))
                }
            }
            (Value::Key(_), Type::Key(to)) => {
                let other = self.act.describer.rows.by_key(*to, &row[column])?;
                let condition = self.state(*to, other, dice)?;
                Test::Of(Box::new(Description {
                    table: suite.tables[*to].name.clone(),
                    conditions: vec![condition],
                    extremum: None,
                    many: true,
                }))
            }
            _ => return None,
        };
        is_worth_saying(&definition.columns[column], &test).then_some(Condition { column: name, test })
    }

    /// Whether each half of the claim holds of more records than both together: else it says too much.
    fn is_a_claim(&self, set: &Description, broken: usize) -> bool {
        (0..set.conditions.len()).all(|c| {
            let half = Description { conditions: vec![set.conditions[c].clone()], ..set.clone() };
            self.act.describer.rows.matching(&half).is_ok_and(|rows| rows.len() > broken)
        })
    }
}
