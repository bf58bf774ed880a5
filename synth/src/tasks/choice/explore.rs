//! The neighbourhood of a right plan: other right plans, and for each constraint a plan that breaks it alone.

use crate::seed::Dice;
use crate::tasks::choice::OTHER_PLANS_MIN;
use terrarium_envs::verifier::program::{Cell, Constraint, Program};

/// Neighbours of right plans that are looked at.
const NEIGHBOURS: usize = 900;
/// Neighbours looked at even when everything was found before.
const NEIGHBOURS_MIN: usize = 250;

/// What there is around a right plan.
pub struct Explored {
    /// Other right plans, up to [`OTHER_PLANS_MIN`] and some more.
    pub others: Vec<Vec<usize>>,
    /// For each constraint a plan that breaks it and nothing else.
    pub breakers: Vec<Option<Vec<usize>>>,
}

/// Looks around a right plan: one or two rows exchanged at a time, from every right plan found so far.
pub fn explore(program: &Program, start: &[usize], dice: &mut Dice) -> Explored {
    const OTHERS_MAX: usize = 12;
    let mut explored = Explored { others: Vec::new(), breakers: vec![None; program.constraints.len()] };
    let mut excess = vec![i64::MAX; program.constraints.len()];
    for looked in 0..NEIGHBOURS {
        let found = explored.breakers.iter().all(Option::is_some);
        if found && explored.others.len() >= OTHER_PLANS_MIN && looked >= NEIGHBOURS_MIN {
            break;
        }
        let from = dice.below(explored.others.len() + 1);
        let mut plan = explored.others.get(from).map_or(start, Vec::as_slice).to_vec();
        if dice.percent(15) {
            let (a, b) = (dice.below(plan.len()), dice.below(plan.len()));
            plan.swap(a, b);
        } else {
            for _ in 0..=dice.below(2) {
                let (slot, other) = (dice.below(plan.len()), dice.below(program.candidates.len()));
                if !plan.contains(&other) {
                    plan[slot] = other;
                }
            }
        }
        match program.broken(&plan).as_slice() {
            // The same rows in another order are no other plan: a verifier that knows these rows alone would take them too.
            [] if explored.others.len() >= OTHERS_MAX
                || explored.others.iter().map(Vec::as_slice).chain([start]).any(|known| same_rows(known, &plan)) => {}
            [] => explored.others.push(plan),
            [only] => {
                // The plan that breaks it by least tells a bound from the next one.
                let by = exceeds(program, &program.constraints[*only], &plan);
                if by < excess[*only] {
                    excess[*only] = by;
                    explored.breakers[*only] = Some(plan);
                }
            }
            _ => {}
        }
    }
    explored
}

/// Whether two plans choose the same rows, in whatever order.
fn same_rows(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().all(|row| b.contains(row))
}

/// By how much a plan breaks a constraint; 1 where that is no matter of degree.
fn exceeds(program: &Program, constraint: &Constraint, plan: &[usize]) -> i64 {
    let cell = |slot: usize, column: usize| &program.candidates[plan[slot]].cells[column];
    match constraint {
        Constraint::Several { least, test } => {
            let passing = (0..plan.len()).filter(|s| test.passes(cell(*s, test.column))).count();
            least.saturating_sub(passing) as i64
        }
        Constraint::Total { slots, column, least, most } => {
            let sum: i64 = slots
                .iter()
                .map(|s| match cell(*s, *column) {
                    Cell::Number(n) => *n,
                    _ => 0,
                })
                .sum();
            let below = least.map_or(0, |l| l - sum);
            let above = most.map_or(0, |m| sum - m);
            below.max(above)
        }
        Constraint::Depends { slot, test, then, otherwise } => {
            exceeds(program, if test.passes(cell(*slot, test.column)) { then } else { otherwise }, plan)
        }
        _ => 1,
    }
}

/// Different candidates at random.
pub fn random_plan(program: &Program, dice: &mut Dice) -> Vec<usize> {
    let mut plan: Vec<usize> = Vec::with_capacity(program.slots);
    while plan.len() < program.slots.min(program.candidates.len()) {
        let next = dice.below(program.candidates.len());
        if !plan.contains(&next) {
            plan.push(next);
        }
    }
    plan
}
